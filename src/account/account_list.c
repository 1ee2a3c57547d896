/* Listings: of mailboxes from the table, of messages from the index and one FETCH. Of
 * mailboxes without an index (not in `path`, virtual, fast indexer) the server counts. */
#include "account_pick.h"

#include "postrider/base/codec.h"
#include "postrider/json/json_out.h"

#include <stdio.h>

/* --- mailboxes --- */

static const char *const use_source_names[] = {[SPECIAL_USE_NONE] = NULL,
                                               [SPECIAL_USE_NAME] = "name",
                                               [SPECIAL_USE_EXTENSION] = "extension",
                                               [SPECIAL_USE_USER] = "user"};

/* A name, and no mailbox of that name. */
static bool is_name_only(const struct mailbox *m)
{
    return (m->list_attrs & IMAP_LIST_NOSELECT) != 0 || m->phase == MAILBOX_PHASE_GONE;
}

static json_t *mailbox_json(const struct account *a, const struct mailbox *m)
{
    json_t *obj = json_object();
    char delimiter[2] = {m->delimiter, '\0'};
    json_put_cstr(obj, "path", m->path);
    if (m->mailbox_id != NULL) {
        json_put_str(obj, "id", str_of(m->mailbox_id));
    }
    json_object_set_new(obj, "delimiter",
                        m->delimiter != 0 ? json_str_repaired(str_of(delimiter))
                                          : json_null());
    render_put_name(obj, str_of(m->path), m->delimiter);
    json_put_bool(obj, "listed", true);
    json_put_bool(obj, "subscribed", (m->list_attrs & IMAP_LIST_SUBSCRIBED) != 0);
    const char *use = render_special_use(m);
    if (use != NULL) {
        const char *source = use_source_names[m->special_use_source];
        json_put_cstr(obj, "specialUse", use);
        json_put_cstr(obj, "specialUseSource", source != NULL ? source : "name");
    }
    if (is_name_only(m)) {
        json_put_bool(obj, "noSelect", true);
    } else {
        json_put_int(obj, "messages", account_indexes(a, m) ? m->count : m->exists);
        json_put_int(obj, "uidNext", m->srv_uid_next);
    }
    if ((m->list_attrs & IMAP_LIST_NOINFERIORS) != 0) {
        json_put_bool(obj, "noInferiors", true);
    }
    return obj;
}

struct counting {
    size_t at; /* mailbox being asked for */
};

static void count_next(struct account_call *c);

static void on_status(struct imap_mailbox_status *op ATTR_UNUSED, const struct err *err,
                      const struct imap_status *status, void *ctx)
{
    struct account_call *c = ctx;
    struct counting *counting = c->detail;
    c->status = NULL;
    if (!op_is_running(&c->op)) {
        return;
    }
    json_t *list = json_object_get(c->result, "mailboxes");
    json_t *row = json_array_get(list, counting->at);
    json_t *out = json_object();
    if (err->code == ERR_OK) {
        json_put_int(out, "messages", status->messages);
        json_put_int(out, "unseen", status->unseen);
    } else if (imap_conn_is_open(c->conn)) {
        json_put_cstr(out, "error", err->msg);
    } else {
        json_decref(out);
        call_fail_err(c, err);
        return;
    }
    json_object_set_new(row, "status", out);
    counting->at++;
    count_next(c);
}

static void count_next(struct account_call *c)
{
    struct counting *counting = c->detail;
    json_t *list = json_object_get(c->result, "mailboxes");
    for (; counting->at < json_array_size(list); counting->at++) {
        json_t *row = json_array_get(list, counting->at);
        struct str path = str_of(json_string_value(json_object_get(row, "path")));
        struct mailbox *m = account_mailbox_by_path(c->a, path);
        if (m != NULL && !is_name_only(m)) {
            c->status = imap_status_start(c->conn, str_from(m->wire, m->wire_len),
                                          IMAP_STATUS_MESSAGES | IMAP_STATUS_UNSEEN,
                                          CALL_COMMAND_MS, on_status, c);
            return;
        }
    }
    op_complete(&c->op);
}

struct account_call *account_mailboxes_list_start(struct account *a, bool counters,
                                                  int64_t deadline_ms,
                                                  account_call_cb *cb, void *ctx)
{
    struct account_call *c = call_new(a, "list mailboxes", deadline_ms, cb, ctx);
    if (a->table.count == 0) {
        call_fail(c, ERR_UNAVAILABLE,
                  "the mailboxes are not known yet, the account is %s", a->state);
        return c;
    }
    json_t *list = json_array();
    for (size_t i = 0; i < a->table.count; i++) {
        /* One that a listing left out is there until that is confirmed. */
        if (!a->table.items[i]->nonexistent) {
            json_array_append_new(list, mailbox_json(a, a->table.items[i]));
        }
    }
    c->result = json_pack("{s:o}", "mailboxes", list);
    if (counters) {
        c->reads = true;
        c->detail = ARENA_NEW(&c->op.arena, struct counting);
        call_borrow(c, ACCOUNT_LANE_INTERACTIVE, count_next);
    } else {
        op_complete(&c->op);
    }
    return c;
}

/* --- messages --- */

enum {
    RANK_TRIES = 5
};

struct listing {
    uint32_t page, page_size, total;
    unsigned tries;
    struct shown_row *rows; /* oldest first */
    size_t count;
    struct picks picks; /* of messages that are indexed: rows are theirs */
};

static void put_cursor(struct json_out *out, const char *key, bool exists, uint32_t page)
{
    if (!exists) {
        json_out_null(out, key);
        return;
    }
    struct buf text = BUF_INIT(64), cursor = BUF_INIT(128);
    (void)buf_printf(&text, "{\"page\":%u}", page);
    (void)buf_put_c(&cursor, "imap_");
    (void)base64url_encode(&cursor, text.bytes, text.len);
    json_out_str(out, key, buf_str(&cursor));
    buf_fini(&text);
    buf_fini(&cursor);
}

static void listing_answer(struct account_call *c)
{
    const struct listing *l = c->detail;
    uint32_t pages = (l->total + l->page_size - 1) / l->page_size;
    struct json_out *out = &(struct json_out){.text = &c->text};
    json_out_open(out, NULL, '{');
    json_out_int(out, "total", l->total);
    json_out_int(out, "page", l->page);
    json_out_int(out, "pages", pages > 0 ? pages : 1);
    put_cursor(out, "nextPageCursor", l->page + 1 < pages, l->page + 1);
    put_cursor(out, "prevPageCursor", l->page > 0, l->page - 1);
    json_out_open(out, "messages", '[');
    for (size_t i = l->count; i > 0; i--) {
        shown_row_put(out, &l->rows[i - 1]);
    }
    json_out_close(out, ']');
    json_out_close(out, '}');
    call_complete_text(c);
}

static void listing_complete(struct account_call *c)
{
    struct listing *l = c->detail;
    shown_rows_put_threads(c, l->rows, l->count, listing_answer);
}

static void on_fetched(struct imap_fetch *op ATTR_UNUSED, const struct err *err,
                       void *ctx)
{
    struct account_call *c = ctx;
    c->fetch = NULL;
    if (call_goes_on_past_no(c, err)) {
        listing_complete(c);
    }
}

static void rank_start(struct account_call *c);

static void show_uids(struct account_call *c, const struct mailbox *m,
                      const uint32_t *uids, size_t count)
{
    struct listing *l = c->detail;
    picks_init(&l->picks, &c->op.arena, count);
    l->picks.strict = true;
    for (size_t i = 0; i < count; i++) {
        l->picks.items[i] =
            (struct pick){.box = m->box, .number = m->number, .uid = uids[i], .at = i};
    }
    l->rows = l->picks.rows;
    l->count = count;
    picks_fetch(c, &l->picks, listing_answer);
}

static void on_ranked(struct store_rank *op ATTR_UNUSED, const struct err *err,
                      const struct msg_row *rows, size_t count, void *ctx)
{
    struct account_call *c = ctx;
    struct listing *l = c->detail;
    c->rank = NULL;
    if (!op_is_running(&c->op)) {
        return;
    }
    if (err->code == ERR_STALE && l->tries++ < RANK_TRIES) {
        rank_start(c); /* a pass wrote the index while it was read */
        return;
    }
    if (err->code != ERR_OK) {
        call_fail_err(c, err);
        return;
    }
    const struct mailbox *m = call_mailbox(c);
    if (m == NULL) {
        return;
    }
    uint32_t *uids = ARENA_ARRAY(&c->op.arena, uint32_t, count);
    for (size_t i = 0; i < count; i++) {
        uids[i] = rows[i].uid;
    }
    show_uids(c, m, uids, count);
}

/* The page's part of all messages, counted from the oldest; false: it is empty. */
static bool page_range(const struct listing *l, uint32_t *first, uint32_t *end)
{
    uint64_t skip = (uint64_t)l->page * l->page_size;
    if (skip >= l->total) {
        return false;
    }
    *end = l->total - (uint32_t)skip;
    *first = *end > l->page_size ? *end - l->page_size : 0;
    return true;
}

static void rank_start(struct account_call *c)
{
    struct listing *l = c->detail;
    const struct mailbox *m = call_mailbox(c);
    uint32_t first, end;
    if (m == NULL) {
        return;
    }
    l->total = m->count;
    if (!page_range(l, &first, &end)) {
        listing_complete(c);
        return;
    }
    uint32_t *uids = ARENA_ARRAY(&c->op.arena, uint32_t, end - first);
    if (mailbox_uids_known(m, first, end - first, uids)) {
        show_uids(c, m, uids, end - first);
        return;
    }
    call_expect_threads(c, end - first);
    c->rank = store_rank_start(c->a->as->store, &c->a->acct, m, first, end - first,
                               on_ranked, c);
}

/* --- without an index: by sequence number --- */

static void on_numbered_row(struct imap_fetch *op ATTR_UNUSED, const struct imap_row *row,
                            void *ctx)
{
    struct account_call *c = ctx;
    struct listing *l = c->detail;
    const struct mailbox *m = mailbox_table_by_box(&c->a->table, c->box);
    uint32_t first, end;
    if (m != NULL && page_range(l, &first, &end) && row->seq > first && row->seq <= end &&
        l->rows[row->seq - first - 1].text.ptr == NULL &&
        (row->has & IMAP_ITEM_SIZE) != 0) {
        shown_row_make(c, m, row, &l->rows[row->seq - first - 1]);
    }
}

static void numbered_fetch(struct account_call *c)
{
    static const struct imap_fetch_events events = {.on_row = on_numbered_row,
                                                    .on_end = on_fetched};
    struct listing *l = c->detail;
    const struct imap_selected *selected = imap_conn_selected(c->conn);
    uint32_t first, end;
    l->total = selected != NULL ? selected->exists : 0;
    if (!page_range(l, &first, &end)) {
        listing_complete(c);
        return;
    }
    char set[40];
    (void)snprintf(set, sizeof set, "%u:%u", first + 1, end);
    l->count = end - first;
    l->rows = ARENA_ARRAY(&c->op.arena, struct shown_row, l->count);
    struct imap_fetch_params params = {.set = str_of(set), .items = CALL_LISTING_ITEMS};
    call_expect_threads(c, l->count);
    c->fetch = imap_fetch_start(c->conn, &params, CALL_COMMAND_MS, &events, c);
}

struct account_call *account_messages_list_start(struct account *a,
                                                 const struct account_list_params *params,
                                                 int64_t deadline_ms, account_call_cb *cb,
                                                 void *ctx)
{
    struct account_call *c = call_new(a, "list messages", deadline_ms, cb, ctx);
    struct listing *l = ARENA_NEW(&c->op.arena, struct listing);
    c->detail = l;
    c->reads = true;
    struct mailbox *m = call_path(c, params->path);
    if (m == NULL) {
        return c;
    }
    c->box = m->box;
    l->page = params->page;
    l->page_size = params->page_size;
    if (account_indexes(a, m)) {
        rank_start(c);
    } else {
        call_borrow(c, ACCOUNT_LANE_INTERACTIVE, numbered_fetch);
    }
    return c;
}
