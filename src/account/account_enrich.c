/* Content for the readers of the log: kept when a new message's row came by, else fetched. */
#include "account_call.h"
#include "account_parts.h"

#include "postrider/store/store_settings.h"

const uint32_t account_content_items = IMAP_ITEM_ENVELOPE | IMAP_ITEM_BODYSTRUCTURE;

void account_on_new_row(void *ctx, const struct mailbox *m, const struct imap_row *row,
                        const char *event_id)
{
    struct account *a = ctx;
    if (row->envelope != NULL) {
        accounts_cache_put(a->as, event_id, render_message(m, row));
    }
}

enum {
    LOOK_AGAIN_MS = 50,
    /* A message that the index has and the server does not show: perhaps it is gone and that
     * is about to be heard, perhaps another server behind the same name has it not yet. The
     * account's other events wait meanwhile. */
    MISSING_RETRIES = 3,
    MISSING_FIRST_MS = 1000,
    MISSING_FACTOR_PERCENT = 170
};

struct enrich_request {
    struct op op;
    struct accounts *as;
    struct str account_id;
    struct timer again;
    bool text, web_safe;
    struct account_parts *parts;
    int64_t deadline_ms;
    struct account_call *call;
    struct store_threads *threads;
    struct store_scan *scan;
    bool indexed;         /* the scan found the message */
    unsigned misses;      /* the server showed nothing, so often */
    int64_t missed_ms;    /* loop's clock: for the first time */
    int64_t miss_wait_ms; /* the last pause */
    bool missing;         /* that is the result */
    json_t *data;
    json_t *thin; /* the event's own data: what only the log knows */
    enrich_cb *cb;
    void *ctx;
};

static struct enrich_request *request_of(struct op *op)
{
    return container_of(op, struct enrich_request, op);
}

static void enrich_abort(struct op *op)
{
    timer_stop(&request_of(op)->again);
    account_call_cancel(request_of(op)->call);
    account_parts_cancel(request_of(op)->parts);
    store_threads_cancel(request_of(op)->threads);
    store_scan_cancel(request_of(op)->scan);
}

static void enrich_done(struct op *op)
{
    struct enrich_request *r = request_of(op);
    timer_stop(&r->again);
    bool has_data =
        op->err.code == ERR_OK || (op->err.code == ERR_NO_MESSAGE && r->missing);
    r->cb(r, &op->err, has_data ? r->data : NULL, r->ctx);
}

static void enrich_fini(struct op *op)
{
    struct enrich_request *r = request_of(op);
    json_decref(r->data);
    json_decref(r->thin);
}

static const struct op_type enrich_type = {"enrich", sizeof(struct enrich_request),
                                           enrich_abort, enrich_done, enrich_fini};

/* Content and the log's facts in one object; the flags are those of the time of the event. */
static void take_data(struct enrich_request *r, json_t *message)
{
    static const char *const kept[] = {"seemsLikeNew", "path"};
    r->data = json_copy(message);
    json_object_update_missing(r->data, r->thin);
    for (size_t i = 0; i < ARRAY_LEN(kept); i++) {
        json_t *fact = json_object_get(r->thin, kept[i]);
        if (fact != NULL) {
            json_object_set(r->data, kept[i], fact);
        }
    }
}

/* Names of the message are in lower case. */
static void keep_header(json_t *kept, const json_t *headers, struct str wanted)
{
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)headers, name, value)
    {
        if (str_ieq_c(wanted, name)) {
            json_object_set(kept, name, value);
        }
    }
}

/* notifyHeaders: ["*"] or names; the others go. */
static void filter_headers(json_t *message, const json_t *wanted)
{
    json_t *headers = json_object_get(message, "headers"), *kept = json_object();
    size_t i;
    json_t *name;
    json_array_foreach(wanted, i, name)
    {
        const char *key = json_string_value(name);
        if (key != NULL && strcmp(key, "*") == 0) {
            json_object_update(kept, headers);
        } else if (key != NULL) {
            keep_header(kept, headers, str_of(key));
        }
    }
    if (json_object_size(kept) > 0) {
        json_object_set(message, "headers", kept);
    } else {
        json_object_del(message, "headers");
    }
    json_decref(kept);
}

static void on_parts(struct account_parts *p ATTR_UNUSED, const struct err *err,
                     json_t *message, void *ctx)
{
    struct enrich_request *r = ctx;
    r->parts = NULL;
    if (err->code != ERR_OK) {
        op_fail_err(&r->op, err);
        return;
    }
    json_decref(r->data);
    r->data = json_incref(message);
    op_complete(&r->op);
}

/* The last step: what of the attachments is to be told. */
static void add_parts(struct enrich_request *r)
{
    const struct account_parts_params wanted = account_parts_wanted(r->as->store);
    struct account *a = accounts_get(r->as, r->account_id);
    if (a != NULL && account_parts_has(&wanted, r->data)) {
        r->parts = account_parts_start(a, &wanted, r->data, r->deadline_ms, on_parts, r);
    } else {
        op_complete(&r->op);
    }
}

/* --- what the server does not show --- */

static void on_look(struct timer *t);

static void put_missing(const struct enrich_request *r, json_t *data)
{
    json_put_int(data, "missingRetries", r->misses);
    json_put_int(data, "missingDelay", loop_now_ms(r->as->loop) - r->missed_ms);
}

static void tell_missing(struct enrich_request *r)
{
    json_decref(r->data);
    r->data = json_object();
    json_put_str(r->data, "id", json_get_str(r->thin, "id"));
    json_put_int(r->data, "uid", json_get_int(r->thin, "uid", 0));
    put_missing(r, r->data);
    r->missing = true;
    op_fail(&r->op, ERR_NO_MESSAGE, "the server shows nothing of the message");
}

static void on_indexed(struct store_scan *op ATTR_UNUSED,
                       const struct msg_row *rows ATTR_UNUSED, size_t count, void *ctx)
{
    struct enrich_request *r = ctx;
    r->indexed = r->indexed || count > 0;
}

static void on_scanned(struct store_scan *op ATTR_UNUSED, const struct err *err,
                       void *ctx)
{
    struct enrich_request *r = ctx;
    r->scan = NULL;
    if (!op_is_running(&r->op)) {
        return;
    }
    bool known = err->code == ERR_OK;
    if (known && !r->indexed) {
        op_fail(&r->op, ERR_NO_MESSAGE, "the message is gone");
    } else if (known && r->misses >= MISSING_RETRIES) {
        tell_missing(r);
    } else {
        r->misses++;
        r->miss_wait_ms = r->miss_wait_ms == 0
                              ? MISSING_FIRST_MS
                              : r->miss_wait_ms * MISSING_FACTOR_PERCENT / 100;
        timer_set(r->as->loop, &r->again, r->miss_wait_ms, on_look);
    }
}

/* Is it gone, and the index knows? If not, a look at the mailbox may find out. */
static void look_into_index(struct enrich_request *r)
{
    struct account *a = accounts_get(r->as, r->account_id);
    uint32_t number = 0, uid = 0;
    struct mailbox *m = NULL;
    if (message_id_parse(json_get_str(r->thin, "id"), &number, &uid) && a != NULL) {
        m = account_mailbox_by_number(a, number);
    }
    if (m == NULL) {
        op_fail(&r->op, ERR_NO_MESSAGE, "the mailbox of the message is gone");
        return;
    }
    if (r->misses == 0) {
        r->missed_ms = loop_now_ms(r->as->loop);
        account_mailbox_touch(a, m);
    }
    r->indexed = false;
    r->scan =
        store_scan_start(r->as->store, &a->acct, m, uid, uid, on_indexed, on_scanned, r);
}

static void on_message(struct account_call *op, const struct err *err, json_t *result,
                       void *ctx)
{
    struct enrich_request *r = ctx;
    r->call = NULL;
    if (!op_is_running(&r->op)) {
        return;
    }
    if (err->code == ERR_NO_MESSAGE && op->refused_no) {
        op_fail(&r->op, ERR_UNAVAILABLE, "the server refuses to show the message");
        return;
    }
    if (err->code == ERR_NO_MESSAGE) {
        look_into_index(r);
        return;
    }
    if (err->code != ERR_OK) {
        op_fail_err(&r->op, err);
        return;
    }
    take_data(r, result);
    if (r->misses > 0) {
        put_missing(r, r->data);
    }
    filter_headers(r->data, store_setting(r->as->store, "notifyHeaders"));
    add_parts(r);
}

static void fetch(struct enrich_request *r, struct account *a)
{
    const json_t *size = store_setting(r->as->store, "notifyTextSize");
    struct account_get_params params = {
        .id = str_of(json_string_value(json_object_get(r->thin, "id"))),
        .text = r->text ? ACCOUNT_TEXT_ALL : ACCOUNT_TEXT_NONE,
        .max_bytes = json_is_integer(size) && json_integer_value(size) > 0
                         ? (size_t)json_integer_value(size)
                         : 0,
        .web_safe = r->web_safe};
    r->call = account_message_get_start(a, &params, r->deadline_ms, on_message, r);
}

/* On its way up for the first time: soon it can be asked. Its table of mailboxes may not be
 * there yet, and a message must not count as gone because of that. */
static bool is_coming(const struct account *a)
{
    return a->phase == ACCOUNT_PHASE_LOADING || a->phase == ACCOUNT_PHASE_QUEUED ||
           a->phase == ACCOUNT_PHASE_OPENING || a->reload;
}

static void look(struct enrich_request *r)
{
    struct account *a = accounts_get(r->as, r->account_id);
    if (a == NULL) {
        op_fail(&r->op, ERR_UNAVAILABLE, "the account is not here");
    } else if (is_coming(a) && account_last_err(a)->code == ERR_OK) {
        timer_set(r->as->loop, &r->again, LOOK_AGAIN_MS, on_look);
    } else if (a->phase != ACCOUNT_PHASE_ONLINE) {
        op_fail(&r->op, ERR_UNAVAILABLE, "the account is %s", a->state);
    } else {
        fetch(r, a);
    }
}

static void on_look(struct timer *t)
{
    look(container_of(t, struct enrich_request, again));
}

static void on_threads(struct store_threads *op ATTR_UNUSED, const struct err *err,
                       const uint64_t *threads, size_t count, void *ctx)
{
    struct enrich_request *r = ctx;
    struct account *a = accounts_get(r->as, r->account_id);
    r->threads = NULL;
    if (!op_is_running(&r->op)) {
        return;
    }
    if (err->code == ERR_OK && a != NULL) {
        account_thread_put(r->data, threads, count);
    }
    add_parts(r);
}

/* What was kept knows its thread only since the commit. */
static void add_thread(struct enrich_request *r)
{
    struct account *a = accounts_get(r->as, r->account_id);
    struct thread_query query;
    if (a != NULL && account_thread_query_json(a, r->data, &r->op.arena, &query)) {
        r->threads = account_threads_ask(a, &query, 1, on_threads, r);
    }
    if (r->threads == NULL) {
        add_parts(r);
    }
}

static struct enrich_request *enrich_start(void *impl, struct str account,
                                           const struct event *event, int64_t deadline_ms,
                                           enrich_cb *cb, void *ctx)
{
    struct accounts *as = impl;
    struct enrich_request *r = op_new(as->loop, &enrich_type, deadline_ms);
    r->as = as;
    r->deadline_ms = deadline_ms;
    r->cb = cb;
    r->ctx = ctx;
    r->account_id = arena_str(&r->op.arena, account);
    r->thin = json_incref(event->data);
    r->text = json_is_true(store_setting(as->store, "notifyText"));
    r->web_safe = r->text && json_is_true(store_setting(as->store, "notifyWebSafeHtml"));
    bool headers = json_array_size(store_setting(as->store, "notifyHeaders")) > 0;
    json_t *cached = accounts_cache_get(as, event->id);
    if (cached != NULL && !r->text && !headers) {
        take_data(r, cached);
        add_thread(r);
    } else if (!json_is_string(json_object_get(r->thin, "id"))) {
        op_fail(&r->op, ERR_UNAVAILABLE, "the event names no message");
    } else {
        look(r);
    }
    return r;
}

static void enrich_cancel(struct enrich_request *r)
{
    op_cancel(&r->op);
}

struct enricher account_enricher(struct accounts *as)
{
    return (struct enricher){.impl = as, .start = enrich_start, .cancel = enrich_cancel};
}
