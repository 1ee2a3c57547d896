#include "api_handlers.h"
#include "postrider/account/account_message.h"

static void cancel_call(void *op)
{
    account_call_cancel(op);
}

static void on_listed(struct account_call *op ATTR_UNUSED, const struct err *err,
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
        account_mailboxes_list_start(a, counters, call->timeout_ms, on_listed, task);
}
