/* Dead letters of webhook routes: shown, tried again, dropped. */
#include "api_handlers.h"

#include "postrider/base/mem.h"
#include "postrider/store/store_dead.h"

/* The filters of a query or a body. */
static struct store_dead_query query_of(const json_t *input)
{
    return (struct store_dead_query){.account = json_get_str(input, "account"),
                                     .route = json_get_str(input, "route"),
                                     .entry_id = json_get_str(input, "entryId"),
                                     .after = json_get_str(input, "after"),
                                     .limit = STORE_LETTERS_PAGE};
}

/* --- shown --- */

static json_t *letter_json(const struct store_letter *letter)
{
    static const char *const members[] = {"date",   "event",  "eventId",
                                          "reason", "status", "tries"};
    json_t *out = json_object();
    json_put(out, "account", json_str_repaired(str_of(letter->acct->id)));
    json_put_cstr(out, "route", letter->route);
    json_put_cstr(out, "entryId", letter->entry_id);
    for (size_t i = 0; i < ARRAY_LEN(members); i++) {
        json_put(out, members[i],
                 json_incref(json_object_get(letter->about, members[i])));
    }
    return out;
}

static void on_list(struct store_dead_list *op ATTR_UNUSED, const struct err *err,
                    const struct store_dead_page *page, void *ctx)
{
    struct api_task *task = ctx;
    json_t *out = json_object();
    json_t *letters = json_array();
    for (size_t i = 0; page != NULL && i < page->count; i++) {
        json_push(letters, letter_json(&page->letters[i]));
    }
    json_put(out, "letters", letters);
    json_put(out, "next",
             page != NULL && page->more ? json_str_repaired(str_of(page->place))
                                        : json_null());
    task->op = NULL;
    api_task_reply(task, err, out);
}

static void cancel_list(void *op)
{
    store_dead_list_cancel(op);
}

void api_letters_list(struct api_call *call)
{
    struct store_dead_query query = query_of(call->query);
    query.limit = (size_t)json_get_int(call->query, "limit", 1);
    struct api_task *task = api_task_new(call, cancel_list);
    task->op = store_dead_list_start(task->services->store, &query, on_list, task);
}

/* --- tried again --- */

static void on_requested(struct store_settings_op *op ATTR_UNUSED, const struct err *err,
                         void *ctx)
{
    json_t *out = json_object();
    json_put_bool(out, "requested", true);
    api_task_reply(ctx, err, out);
}

/* Everything only if that is said. */
static bool has_choice(struct api_call *call)
{
    static const struct err none = {
        .code = ERR_INVALID,
        .msg = "Name an account, a route or an entryId, or say \"all\": true"};
    bool ok = json_has(call->body, "account") || json_has(call->body, "route") ||
              json_has(call->body, "entryId") || json_get_bool(call->body, "all", false);
    if (!ok) {
        api_reply_err(call, &none);
    }
    return ok;
}

void api_letters_requeue(struct api_call *call)
{
    if (has_choice(call)) {
        struct store_dead_query query = query_of(call->body);
        struct api_task *task = api_task_new(call, NULL);
        (void)store_dead_requeue_start(task->services->store, &query, on_requested, task);
    }
}

/* --- dropped --- */

/* Page by page, one letter after the other; the task's JSON holds the filters. */
struct dropping {
    struct api_task *task;
    struct store_dead_query query;
    size_t waiting;
    int64_t dropped;
    bool more;
    struct err err;
};

static void drop_page(struct dropping *d);

static void drop_end(struct dropping *d)
{
    json_t *out = json_object();
    json_put_int(out, "deleted", d->dropped);
    api_task_reply(d->task, &d->err, out);
    mem_free(d);
}

static void page_end(struct dropping *d)
{
    if (d->more && d->err.code == ERR_OK) {
        drop_page(d);
    } else {
        drop_end(d);
    }
}

static void on_dropped(struct store_dead_op *op ATTR_UNUSED, const struct err *err,
                       void *ctx)
{
    struct dropping *d = ctx;
    if (err->code == ERR_OK) {
        d->dropped++;
    } else {
        d->err = *err;
    }
    if (--d->waiting == 0) {
        page_end(d);
    }
}

static void on_drop_page(struct store_dead_list *op ATTR_UNUSED, const struct err *err,
                         const struct store_dead_page *page, void *ctx)
{
    struct dropping *d = ctx;
    if (page == NULL || page->count == 0) {
        d->err = *err;
        drop_end(d);
        return;
    }
    d->more = page->more;
    d->waiting = page->count;
    for (size_t i = 0; i < page->count; i++) {
        (void)store_dead_drop_start(d->task->services->store, &page->letters[i],
                                    on_dropped, d);
    }
}

static void drop_page(struct dropping *d)
{
    (void)store_dead_list_start(d->task->services->store, &d->query, on_drop_page, d);
}

void api_letters_drop(struct api_call *call)
{
    if (has_choice(call)) {
        struct dropping *d = MEM_NEW(struct dropping);
        d->task = api_task_new(call, NULL);
        d->task->json = json_incref(call->body); /* the filters are its strings */
        d->query = query_of(d->task->json);
        drop_page(d);
    }
}
