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
    LOOK_AGAIN_MS = 50
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
}

static void enrich_done(struct op *op)
{
    struct enrich_request *r = request_of(op);
    timer_stop(&r->again);
    r->cb(r, &op->err, op->err.code == ERR_OK ? r->data : NULL, r->ctx);
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

static void on_message(struct account_call *op ATTR_UNUSED, const struct err *err,
                       json_t *result, void *ctx)
{
    struct enrich_request *r = ctx;
    r->call = NULL;
    if (!op_is_running(&r->op)) {
        return;
    }
    if (err->code != ERR_OK) {
        op_fail_err(&r->op, err);
        return;
    }
    take_data(r, result);
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

static void on_look(struct timer *t);

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
    if (a != NULL && account_thread_query_json(a, r->data, &query)) {
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
