#include "api_handlers.h"
#include "postrider/account/account_bulk.h"

static void cancel_call(void *op)
{
    account_call_cancel(op);
}

static void on_result(struct account_call *op ATTR_UNUSED, const struct err *err,
                      json_t *result, void *ctx)
{
    api_task_reply(ctx, err, json_incref(result));
}

void api_messages_update(struct api_call *call)
{
    struct account *a = api_account_find(call);
    if (a == NULL) {
        return;
    }
    struct api_task *task = api_task_new(call, cancel_call);
    task->op = account_bulk_update_start(
        a, json_get_str(call->query, "path"), json_object_get(call->body, "search"),
        json_object_get(call->body, "update"), call->timeout_ms, on_result, task);
}

void api_messages_move(struct api_call *call)
{
    struct account *a = api_account_find(call);
    if (a == NULL) {
        return;
    }
    struct api_task *task = api_task_new(call, cancel_call);
    task->op = account_bulk_move_start(
        a, json_get_str(call->query, "path"), json_object_get(call->body, "search"),
        json_get_str(call->body, "path"), call->timeout_ms, on_result, task);
}

void api_messages_delete(struct api_call *call)
{
    struct account *a = api_account_find(call);
    if (a == NULL) {
        return;
    }
    struct api_task *task = api_task_new(call, cancel_call);
    task->op = account_bulk_delete_start(
        a, json_get_str(call->query, "path"), json_object_get(call->body, "search"),
        json_get_bool(call->query, "force", false), call->timeout_ms, on_result, task);
}
