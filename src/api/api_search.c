/* Searches and threads. */
#include "api_handlers.h"

#include "postrider/account/account_search.h"

static void cancel_call(void *op)
{
    account_call_cancel(op);
}

static void on_result(struct account_call *op ATTR_UNUSED, const struct err *err,
                      json_t *result, void *ctx)
{
    api_task_reply(ctx, err, json_incref(result));
}

static void on_text(struct account_call *op, const struct err *err,
                    json_t *result ATTR_UNUSED, void *ctx)
{
    struct buf text;
    account_call_take_text(op, &text);
    api_task_reply_text(ctx, err, &text);
}

/* page and pageSize, or the cursor; false after an error reply. */
static bool page_of(struct api_call *call, struct account_page *out)
{
    struct str cursor = json_get_str(call->query, "cursor");
    *out = (struct account_page){.page = (uint32_t)json_get_int(call->query, "page", 0),
                                 .size =
                                     (uint32_t)json_get_int(call->query, "pageSize", 20)};
    if (cursor.ptr == NULL || account_cursor_parse(cursor, out)) {
        return true;
    }
    api_reply_invalid_field(call, "cursor", "\"cursor\" is not one of this list");
    return false;
}

/* A new list. */
static json_t *paths_of(const struct api_call *call)
{
    json_t *path = json_object_get(call->query, "path");
    if (json_is_array(path)) {
        return json_incref(path);
    }
    return path != NULL ? json_pack("[O]", path) : json_pack("[s]", "*");
}

void api_search(struct api_call *call)
{
    struct account_search_params params = {
        .search = json_object_get(call->body, "search"),
        .expose_query = json_get_bool(call->query, "exposeQuery", false)};
    struct account *a = page_of(call, &params.page) ? api_account_find(call) : NULL;
    if (a == NULL) {
        return;
    }
    json_t *paths = paths_of(call);
    params.paths = paths;
    struct api_task *task = api_task_new(call, cancel_call);
    task->op = account_search_start(a, &params, call->timeout_ms, on_text, task);
    json_decref(paths);
}

void api_threads_list(struct api_call *call)
{
    struct account_threads_params params = {.path = json_get_str(call->query, "path")};
    struct account *a = page_of(call, &params.page) ? api_account_find(call) : NULL;
    if (a == NULL) {
        return;
    }
    struct api_task *task = api_task_new(call, cancel_call);
    task->op = account_threads_list_start(a, &params, call->timeout_ms, on_result, task);
}

void api_thread_get(struct api_call *call)
{
    struct account *a = api_account_find(call);
    if (a == NULL) {
        return;
    }
    struct str thread = json_get_str(call->params, "thread");
    struct api_task *task = api_task_new(call, cancel_call);
    task->op = account_thread_get_start(a, thread, call->timeout_ms, on_result, task);
}
