#include "api_handlers.h"
#include "postrider/account/account_mailbox.h"

static void cancel_call(void *op)
{
    account_call_cancel(op);
}

static void on_result(struct account_call *op ATTR_UNUSED, const struct err *err,
                      json_t *result, void *ctx)
{
    api_task_reply(ctx, err, json_incref(result));
}

void api_mailboxes_list(struct api_call *call)
{
    struct account *a = api_account_find(call);
    if (a == NULL) {
        return;
    }
    bool counters = json_get_bool(call->query, "counters", false);
    struct api_task *task = api_task_new(call, cancel_call);
    task->op =
        account_mailboxes_list_start(a, counters, call->timeout_ms, on_result, task);
}

void api_mailbox_create(struct api_call *call)
{
    const json_t *path = json_object_get(call->body, "path");
    if (json_array_size(path) == 0) {
        api_reply_invalid_field(call, "path", "\"path\" is required");
        return;
    }
    struct account *a = api_account_find(call);
    if (a == NULL) {
        return;
    }
    struct api_task *task = api_task_new(call, cancel_call);
    task->op = account_mailbox_create_start(a, path, call->timeout_ms, on_result, task);
}

void api_mailbox_modify(struct api_call *call)
{
    struct account *a = api_account_find(call);
    if (a == NULL) {
        return;
    }
    const struct account_mailbox_change change = {
        .path = json_get_str(call->body, "path"),
        .new_path = json_object_get(call->body, "newPath"),
        .subscribed = json_object_get(call->body, "subscribed")};
    struct api_task *task = api_task_new(call, cancel_call);
    task->op =
        account_mailbox_modify_start(a, &change, call->timeout_ms, on_result, task);
}

void api_mailbox_delete(struct api_call *call)
{
    struct account *a = api_account_find(call);
    if (a == NULL) {
        return;
    }
    struct str path = json_get_str(call->query, "path");
    struct api_task *task = api_task_new(call, cancel_call);
    task->op = account_mailbox_delete_start(a, path, call->timeout_ms, on_result, task);
}
