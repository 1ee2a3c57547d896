/* Uploads: a message described in JSON, and the bytes of one that flow to the mail server as
 * they come.
 *
 *   headers ──► APPEND asked for ◄──► body (held back while the server does not take it) ──► end */
#include "api_handlers.h"
#include "postrider/account/account_append.h"
#include "postrider/base/mem.h"

enum {
    SOURCE_BYTES_MAX = 256 * 1024 * 1024,
    SOURCE_WAITING_HIGH = 256 * 1024,
    SOURCE_WAITING_LOW = 64 * 1024,
    SOURCE_WAITING_MAX = 2 * 1024 * 1024
};

static void cancel_call(void *op)
{
    account_call_cancel(op);
}

static void on_result(struct account_call *op ATTR_UNUSED, const struct err *err,
                      json_t *result, void *ctx)
{
    api_task_reply(ctx, err, json_incref(result));
}

/* What it takes from other messages may be large. */
static bool refers_to_others(const json_t *body)
{
    const json_t *list = json_get_arr(body, "attachments");
    bool any = json_get_obj(body, "reference") != NULL;
    for (size_t i = 0; !any && i < json_array_size(list); i++) {
        any = json_has(json_array_get(list, i), "reference");
    }
    return any;
}

void api_message_upload(struct api_call *call)
{
    struct account *a = api_account_find(call);
    if (a == NULL || (refers_to_others(call->body) && !api_call_claim_large(call))) {
        return;
    }
    struct api_task *task = api_task_new(call, cancel_call);
    task->op = account_upload_start(a, call->body, call->timeout_ms, on_result, task);
}

/* --- raw bytes --- */

struct source_upload {
    struct api_task *task;
    struct buf waiting; /* came, and was not taken by the mail server yet */
    bool paused;
};

static size_t read_waiting(void *source, char *buf, size_t size)
{
    struct source_upload *s = source;
    size_t n = s->waiting.len < size ? s->waiting.len : size;
    if (n == 0) {
        return 0;
    }
    memcpy(buf, s->waiting.bytes, n);
    buf_consume(&s->waiting, n);
    if (s->paused && s->waiting.len <= SOURCE_WAITING_LOW && s->task->call != NULL) {
        s->paused = false;
        httpd_body_resume(s->task->call->req);
    }
    return n;
}

static void on_source_chunk(struct api_call *call, struct str data)
{
    static const struct err nul = {.code = ERR_INVALID,
                                   .msg = "A message cannot hold NUL bytes"};
    struct api_task *task = call->user;
    if (task == NULL) {
        return;
    }
    struct source_upload *s = task->own;
    if (str_find_byte(data, '\0') != SIZE_MAX) {
        call->on_cancel(call);
        api_reply_err(call, &nul);
        return;
    }
    (void)buf_put_str(&s->waiting, data);
    if (s->waiting.len >= SOURCE_WAITING_HIGH && !s->paused) {
        s->paused = true;
        httpd_body_pause(call->req);
    }
    account_append_more(task->op);
}

static void on_source_end(struct account_call *op ATTR_UNUSED, const struct err *err,
                          json_t *result, void *ctx)
{
    struct source_upload *s = ctx;
    struct api_task *task = s->task;
    if (task->call != NULL) {
        task->call->on_chunk = NULL;
    }
    buf_fini(&s->waiting);
    mem_free(s);
    api_task_reply(task, err, json_incref(result));
}

static bool size_is_known(struct api_call *call)
{
    struct err err = {0};
    int64_t size = httpd_req_content_length(call->req);
    if (size > SOURCE_BYTES_MAX) {
        (void)err_set(&err, ERR_TOO_LARGE, "A message has at most %d bytes",
                      SOURCE_BYTES_MAX);
    } else if (size <= 0) {
        /* APPEND tells the size before the message. */
        (void)err_set(&err, ERR_INVALID, "A body with a Content-Length is needed");
    } else {
        return true;
    }
    api_reply_err(call, &err);
    return false;
}

void api_source_upload(struct api_call *call)
{
    struct account *a = size_is_known(call) ? api_account_find(call) : NULL;
    if (a == NULL) {
        return;
    }
    struct source_upload *s = MEM_NEW(struct source_upload);
    s->waiting = BUF_INIT(SOURCE_WAITING_MAX);
    struct account_append_params params = {
        .path = json_get_str(call->query, "path"),
        .flags = json_get_arr(call->query, "flags"),
        .size = (uint64_t)httpd_req_content_length(call->req),
        .read = read_waiting,
        .source = s};
    (void)json_get_time(call->query, "internalDate", &params.internaldate_ms);
    s->task = api_task_new(call, cancel_call);
    s->task->own = s;
    call->on_chunk = on_source_chunk;
    s->task->op = account_append_start(a, &params, call->timeout_ms, on_source_end, s);
    httpd_body_stream(call->req, SOURCE_BYTES_MAX);
}
