#include "account_call.h"
#include "account_pick.h"
#include "account_safe.h"

#include "postrider/base/log.h"

#include <stdarg.h>
#include <stdio.h>

static struct account_call *call_of(struct op *op)
{
    return container_of(op, struct account_call, op);
}

static void call_abort(struct op *op)
{
    struct account_call *c = call_of(op);
    /* A command on its way answers into nothing: the connection is not given to others. */
    c->broken = c->fetch != NULL || c->store != NULL || c->move != NULL ||
                c->expunge != NULL || c->simple != NULL || c->append != NULL ||
                c->search != NULL;
    imap_simple_cancel(c->simple);
    imap_append_cancel(c->append);
    imap_fetch_cancel(c->fetch);
    imap_store_cancel(c->store);
    imap_move_cancel(c->move);
    imap_expunge_cancel(c->expunge);
    imap_status_cancel(c->status);
    imap_search_cancel(c->search);
    store_rank_cancel(c->rank);
    store_thread_list_cancel(c->thread_list);
    account_call_cancel(c->sub);
    store_threads_cancel(c->threads);
    account_safe_cancel(c);
    if (c->abort != NULL) {
        c->abort(c);
    }
}

static void call_done(struct op *op)
{
    struct account_call *c = call_of(op);
    if (c->picks != NULL) {
        picks_end(c); /* who waited longer is asked first */
    }
    account_work_end(&c->work, c->broken);
    list_remove(&c->listing);
    c->a->calls--;
    c->cb(c, &op->err, op->err.code == ERR_OK ? c->result : NULL, c->ctx);
}

static void call_fini(struct op *op)
{
    struct account_call *c = call_of(op);
    if (c->fini != NULL) {
        c->fini(c);
    }
    json_decref(c->result);
    buf_fini(&c->text);
}

static const struct op_type call_type = {"account call", sizeof(struct account_call),
                                         call_abort, call_done, call_fini};

struct account_call *call_new(struct account *a, const char *name, int64_t deadline_ms,
                              account_call_cb *cb, void *ctx)
{
    struct account_call *c = op_new(a->as->loop, &call_type, deadline_ms);
    log_at(LOG_TRACE, "account", "call", LOG_S("name", name));
    c->a = a;
    list_init(&c->listing);
    buf_init(&c->text, ACCOUNT_ANSWER_MAX);
    a->calls++;
    c->cb = cb;
    c->ctx = ctx;
    return c;
}

void account_call_cancel(struct account_call *c)
{
    if (c != NULL) {
        op_cancel(&c->op);
    }
}

/* What was asked ahead is called off first: it ends before the call does. */
static void fail(struct account_call *c, const struct err *err)
{
    store_threads_cancel(c->threads);
    op_fail_err(&c->op, err);
}

void call_fail(struct account_call *c, enum err_code code, const char *fmt, ...)
{
    struct err err = {.code = ERR_OK};
    va_list ap;
    va_start(ap, fmt);
    (void)err_vset(&err, code, fmt, ap);
    va_end(ap);
    fail(c, &err);
}

/* Connections end while nobody uses them, which who uses them next finds out. */
static bool begin_again(struct account_call *c, const struct err *err)
{
    bool may = !c->retried && c->work != NULL && op_is_running(&c->op);
    if (!may || !account_work_is_stale(err)) {
        return false;
    }
    c->retried = true;
    c->conn = NULL;
    account_work_end_stale(&c->work);
    call_borrow(c, ACCOUNT_LANE_INTERACTIVE, c->granted);
    return true;
}

void call_fail_err(struct account_call *c, const struct err *err)
{
    if (!c->reads || !begin_again(c, err)) {
        fail(c, err);
    }
}

bool call_goes_on(struct account_call *c, const struct err *err)
{
    if (op_is_running(&c->op) && err->code != ERR_OK) {
        call_fail_err(c, err); /* or begins again: then this step is over, too */
    }
    return err->code == ERR_OK && op_is_running(&c->op);
}

bool call_goes_on_past_no(struct account_call *c, const struct err *err)
{
    return err->code == ERR_NO ? op_is_running(&c->op) : call_goes_on(c, err);
}

static void on_threads(struct store_threads *op ATTR_UNUSED, const struct err *err,
                       const uint64_t *threads, size_t count, void *ctx)
{
    struct account_call *c = ctx;
    c->threads = NULL;
    if (!op_is_running(&c->op)) {
        return;
    }
    if (err->code == ERR_OK) {
        c->told(c, threads, count);
    }
    if (c->then != NULL) {
        c->then(c);
    }
}

static void begin_threads(struct account_call *c, size_t expected)
{
    if (!c->asks_threads) {
        c->asks_threads = true;
        c->map_changes = c->a->threads.map_changes;
        c->threads = account_threads_begin(c->a, expected, on_threads, c);
    }
}

void call_expect_threads(struct account_call *c, size_t count)
{
    if (count > 0 && account_has_threads(c->a)) {
        begin_threads(c, count);
    }
}

size_t call_ask_thread(struct account_call *c, const struct thread_query *query)
{
    begin_threads(c, 0);
    bool asked = c->threads != NULL && store_threads_add(c->threads, query);
    c->threads_asked += asked ? 1 : 0;
    return asked ? c->threads_asked : 0;
}

void call_await_threads(struct account_call *c, call_told_fn *told,
                        void (*then)(struct account_call *c))
{
    c->told = told;
    c->then = then;
    if (c->threads == NULL) {
        then(c);
    } else {
        store_threads_end(c->threads);
    }
}

/* False: the call has failed. */
static bool fits(struct account_call *c)
{
    if (c->text.overflow) {
        call_fail(c, ERR_INTERNAL, "the answer is longer than %d bytes",
                  ACCOUNT_ANSWER_MAX);
    }
    return !c->text.overflow;
}

void call_complete(struct account_call *c, json_t *result)
{
    c->result = result;
    if (fits(c)) {
        op_complete(&c->op);
    }
}

void call_complete_text(struct account_call *c)
{
    if (fits(c)) {
        op_complete(&c->op);
    }
}

void account_call_take_text(struct account_call *c, struct buf *out)
{
    *out = c->text;
    c->text = BUF_INIT(ACCOUNT_ANSWER_MAX);
}

json_t *account_call_value(struct account_call *c)
{
    bool there = c->op.err.code == ERR_OK && c->text.len > 0;
    return there ? json_of_own(buf_str(&c->text)) : NULL;
}

void call_return(struct account_call *c)
{
    c->conn = NULL;
    account_work_end(&c->work, false);
}

struct mailbox *call_mailbox(struct account_call *c)
{
    struct mailbox *m = mailbox_table_by_box(&c->a->table, c->box);
    if (m == NULL) {
        call_fail(c, ERR_NO_MAILBOX, "the mailbox does not exist any more");
    }
    return m;
}

struct mailbox *call_path(struct account_call *c, struct str path)
{
    struct mailbox *m = account_mailbox_by_path(c->a, path);
    bool known = c->a->table.count > 0;
    if (m == NULL) {
        call_fail(c, known ? ERR_NO_MAILBOX : ERR_UNAVAILABLE,
                  known ? "Unknown path" : "the mailboxes are not known yet");
    }
    return m;
}

bool call_find_message(struct account_call *c, struct str id)
{
    uint32_t number;
    struct mailbox *m = NULL;
    if (message_id_parse(id, &number, &c->uid)) {
        m = mailbox_table_by_number(&c->a->table, number);
    }
    if (m == NULL) {
        call_fail(c, ERR_NO_MESSAGE, "Requested message was not found");
        return false;
    }
    c->box = m->box;
    c->number = number;
    return true;
}

/* A mailbox gets a new number when its UIDs change their meaning, perhaps while the call
 * waited for its connection. */
static bool message_id_holds(struct account_call *c)
{
    const struct mailbox *m = mailbox_table_by_box(&c->a->table, c->box);
    return c->number == 0 || (m != NULL && m->number == c->number);
}

static void use_connection(struct account_call *c)
{
    const struct mailbox *m = mailbox_table_by_box(&c->a->table, c->box);
    if (!message_id_holds(c) ||
        (c->number != 0 && !sync_uids_agree(m, imap_conn_selected(c->conn)))) {
        call_fail(c, ERR_NO_MESSAGE, "Requested message was not found");
    } else {
        c->granted(c);
    }
}

static void on_news(struct imap_simple *op ATTR_UNUSED, const struct err *err, void *ctx)
{
    struct account_call *c = ctx;
    c->simple = NULL;
    if (!op_is_running(&c->op)) {
        return;
    }
    if (err->code == ERR_OK) {
        use_connection(c);
    } else if (!begin_again(c, err)) {
        fail(c, err);
    }
}

static void on_work(struct account_work *w ATTR_UNUSED, const struct err *err,
                    struct imap_conn *conn, void *ctx)
{
    struct account_call *c = ctx;
    if (err->code != ERR_OK) {
        if (!op_is_running(&c->op) || c->refused == NULL || !c->refused(c, err)) {
            call_fail_err(c, err);
        }
        return;
    }
    c->conn = conn;
    if (!op_is_running(&c->op)) {
        return;
    }
    if (c->number != 0 && !c->reads) {
        /* Dovecot stores flags before it looks whether UIDVALIDITY changed meanwhile. */
        c->simple = imap_noop_start(conn, CALL_COMMAND_MS, on_news, c);
    } else {
        use_connection(c);
    }
}

void call_borrow(struct account_call *c, enum account_lane lane,
                 void (*granted)(struct account_call *c))
{
    c->granted = granted;
    c->work = account_work_start(c->a, lane, c->box, CALL_COMMAND_MS, on_work, c);
}

void call_borrow_box(struct account_call *c, uint32_t box,
                     void (*granted)(struct account_call *c),
                     bool (*refused)(struct account_call *c, const struct err *err))
{
    if (c->conn != NULL && c->box == box && imap_conn_is_open(c->conn)) {
        c->granted = granted;
        granted(c);
        return;
    }
    account_work_end(&c->work, false);
    c->conn = NULL;
    c->box = box;
    c->refused = refused;
    call_borrow(c, ACCOUNT_LANE_INTERACTIVE, granted);
}

/* --- listings --- */

void account_listing_await(struct account *a, struct list *listing)
{
    container_of(listing, struct account_call, listing)->listing_late = a->list != NULL;
    list_append(&a->listing_calls, listing);
}

void account_listing_ended(struct account *a)
{
    list_foreach (node, &a->listing_calls) {
        struct account_call *c = container_of(node, struct account_call, listing);
        bool late = c->listing_late;
        c->listing_late = false;
        if (!late && op_is_running(&c->op)) {
            c->on_listing(c);
        }
    }
}

struct mailbox *call_trash(struct account_call *c)
{
    return mailbox_table_by_use(&c->a->table, "\\Trash");
}
