/* Flushing an account: its record gets what the request says, then its index goes and is
 * made anew. The reply comes when the old index is gone. */
#include "api_handlers.h"

static void on_flushed(const struct err *err, void *ctx)
{
    json_t *out = json_object();
    json_put_bool(out, "flush", true);
    api_change_end(ctx, err, out);
}

static void on_updated(struct store_account_op *op ATTR_UNUSED, const struct err *err,
                       const struct store_acct *acct ATTR_UNUSED,
                       json_t *record ATTR_UNUSED, json_t *state ATTR_UNUSED, void *ctx)
{
    struct api_task *task = ctx;
    if (err->code != ERR_OK) {
        api_change_end(task, err, NULL);
        return;
    }
    accounts_flush(task->services->accounts, str_of(task->id), on_flushed, task);
}

static void on_read(struct store_account_op *op ATTR_UNUSED, const struct err *err,
                    const struct store_acct *acct ATTR_UNUSED, json_t *record,
                    json_t *state ATTR_UNUSED, void *ctx)
{
    struct api_task *task = ctx;
    if (err->code != ERR_OK) {
        api_change_end(task, err, NULL);
        return;
    }
    json_t *next = json_deep_copy(record);
    (void)json_object_del(task->json, "flush");
    api_account_merge(next, task->json);
    (void)store_account_update_start(task->services->store, str_of(task->id), next,
                                     on_updated, task);
    json_decref(next);
}

static bool run(struct api_task *task)
{
    struct str id = str_of(task->id);
    if (store_directory_get(task->services->store, id) == NULL) {
        api_task_reply(task, &api_no_account, NULL);
        return false;
    }
    (void)store_account_get_start(task->services->store, id, on_read, task);
    return true;
}

void api_account_flush(struct api_call *call)
{
    if (!json_get_bool(call->body, "flush", false)) {
        json_t *out = json_object();
        json_put_bool(out, "flush", false);
        if (api_account_find(call) != NULL) {
            api_reply_json(call, 200, out);
        } else {
            json_decref(out);
        }
        return;
    }
    struct api_task *task = api_task_new(call, NULL);
    task->json = json_copy(call->body);
    api_change_start(task, run);
}
