/* Downloads: a body flows from the mail server to the client, never faster than the client
 * takes it.
 *
 *   waiting ──on_begin──► streaming ◄──high water / on_drain──► paused
 *      │ error: a JSON reply      │ error: the connection is cut
 *      └──────────────────────────┴──► ended */
#include "api_handlers.h"
#include "postrider/account/account_message.h"
#include "postrider/mime/mime.h"

enum {
    DISPOSITION_MAX = 16 * 1024
};

static void cancel_stream(void *op)
{
    account_stream_cancel(op);
}

static void on_drain(struct api_call *call)
{
    struct api_task *task = call->user;
    if (task != NULL) {
        account_stream_resume(task->op);
    }
}

static void on_begin(struct account_stream *s ATTR_UNUSED,
                     const struct account_stream_info *info, void *ctx)
{
    struct api_task *task = ctx;
    if (task->call == NULL) {
        return;
    }
    struct buf disposition = BUF_INIT(DISPOSITION_MAX);
    bool is_part = task->call->route->handler == api_attachment_get;
    const char *name = is_part ? info->filename : "message.eml";
    (void)mime_disposition(&disposition, "attachment", str_of(name));
    const struct httpd_header header = {"Content-Disposition", buf_c(&disposition)};
    task->call->on_drain = on_drain;
    api_reply_stream(task->call,
                     &(struct httpd_reply){.status = 200,
                                           .content_type = info->content_type,
                                           .headers = &header,
                                           .header_count = 1},
                     info->size);
    buf_fini(&disposition);
}

static void on_data(struct account_stream *s, struct str data, void *ctx)
{
    struct api_task *task = ctx;
    if (task->call == NULL) {
        return;
    }
    size_t waiting = httpd_stream_write(task->call->req, data);
    /* The write may have cut off a client that is too slow. */
    if (task->call != NULL && waiting >= HTTPD_STREAM_HIGH) {
        account_stream_pause(s);
    }
}

static void on_end(struct account_stream *s ATTR_UNUSED, const struct err *err, void *ctx)
{
    struct api_task *task = ctx;
    bool is_open = task->call != NULL && api_call_is_open(task->call);
    struct api_call *call = api_task_end(task);
    if (call == NULL) {
        return;
    }
    if (is_open) {
        api_reply_err(call, err);
    } else if (err->code == ERR_OK) {
        httpd_stream_end(call->req);
    } else {
        httpd_stream_abort(call->req);
    }
}

static const struct account_stream_events events = {
    .on_begin = on_begin, .on_data = on_data, .on_end = on_end};

void api_attachment_get(struct api_call *call)
{
    struct account *a = api_account_find(call);
    if (a == NULL) {
        return;
    }
    struct str id = json_get_str(call->params, "attachment");
    struct api_task *task = api_task_new(call, cancel_stream);
    task->op = account_attachment_start(a, id, call->timeout_ms, &events, task);
}

void api_source_get(struct api_call *call)
{
    struct account *a = api_account_find(call);
    if (a == NULL) {
        return;
    }
    struct str id = json_get_str(call->params, "message");
    struct api_task *task = api_task_new(call, cancel_stream);
    task->op = account_source_start(a, id, call->timeout_ms, &events, task);
}
