#include "api_handlers.h"
#include "postrider/base/mem.h"

static void on_cancel(struct api_call *call)
{
    struct api_task *task = call->user;
    if (task == NULL) {
        return;
    }
    task->call = NULL;
    call->user = NULL;
    if (task->cancel != NULL && task->op != NULL) {
        task->cancel(task->op);
    }
}

struct api_task *api_task_new(struct api_call *call, api_task_cancel *cancel)
{
    struct api_task *task = MEM_NEW(struct api_task);
    struct str id = api_account_id(call);
    *task = (struct api_task){.call = call,
                              .services = api_services_of(call),
                              .cancel = cancel,
                              .id = mem_strndup(id.ptr != NULL ? id.ptr : "", id.len)};
    task->services->tasks++;
    call->user = task;
    call->on_cancel = on_cancel;
    return task;
}

struct api_call *api_task_end(struct api_task *task)
{
    struct api_call *call = task->call;
    if (call != NULL) {
        call->user = NULL;
        call->on_cancel = NULL;
        call->on_drain = NULL;
    }
    task->services->tasks--;
    json_decref(task->json);
    mem_free(task->id);
    mem_free(task);
    return call;
}

void api_task_reply(struct api_task *task, const struct err *err, json_t *taken)
{
    struct api_call *call = api_task_end(task);
    if (call == NULL) {
        json_decref(taken);
    } else if (err->code != ERR_OK) {
        json_decref(taken);
        api_reply_err(call, err);
    } else {
        api_reply_json(call, 200, taken);
    }
}

void api_task_reply_text(struct api_task *task, const struct err *err, struct buf *taken)
{
    struct api_call *call = api_task_end(task);
    if (call != NULL && err->code == ERR_OK) {
        api_reply_text(call, 200, taken);
    } else {
        buf_fini(taken);
        if (call != NULL) {
            api_reply_err(call, err);
        }
    }
}
