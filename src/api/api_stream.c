/* Downloads: a body flows from the mail server to the client, never faster than the client
 * takes it.
 *
 *   waiting ──on_begin──► streaming ◄──high water / on_drain──► paused
 *      │ error: a JSON reply      │ error: the connection is cut
 *      └──────────────────────────┴──► ended */
#include "api_handlers.h"
#include "postrider/account/account_message.h"
#include "postrider/base/num.h"
#include "postrider/mime/mime.h"

#include <inttypes.h>
#include <stdio.h>

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

/* The request is over with its last byte, which may be before the stream has ended. */
static void on_call_end(struct api_call *call)
{
    struct api_task *task = call->user;
    if (task != NULL) {
        task->call = NULL;
        call->user = NULL;
    }
}

/* Nothing of what was asked for is there (RFC 9110 §15.5.17). */
static void reply_unsatisfiable(struct api_call *call, int64_t total)
{
    char range[48];
    struct buf body = BUF_INIT(1024);
    json_t *json =
        json_pack("{s:i, s:s, s:s}", "statusCode", 416, "error", "Range Not Satisfiable",
                  "message", "The range lies outside of what there is");
    const struct httpd_header header = {"Content-Range", range};
    (void)snprintf(range, sizeof range, "bytes */%" PRId64, total);
    (void)json_emit(json, &body);
    json_decref(json);
    api_reply_raw(call, &(struct httpd_reply){.status = 416,
                                              .content_type = "application/json",
                                              .take = &body,
                                              .headers = &header,
                                              .header_count = 1});
    buf_fini(&body);
}

static struct str object_id(const struct api_call *call)
{
    bool is_part = call->route->handler == api_attachment_get;
    return json_get_str(call->params, is_part ? "attachment" : "message");
}

static const char *etag_of(const struct api_call *call)
{
    return arena_printf(call->arena, "\"%.*s\"", STR_ARG(object_id(call)));
}

static void on_begin(struct account_stream *s ATTR_UNUSED,
                     const struct account_stream_info *info, void *ctx)
{
    struct api_task *task = ctx;
    struct api_call *call = task->call;
    if (call == NULL) {
        return;
    }
    if (info->unsatisfiable) {
        call->on_end = on_call_end;
        reply_unsatisfiable(call, info->total);
        return;
    }
    struct buf disposition = BUF_INIT(DISPOSITION_MAX);
    bool is_part = call->route->handler == api_attachment_get;
    const char *name = is_part ? info->filename : "message.eml";
    char range[80];
    (void)mime_disposition(&disposition, "attachment", str_of(name));
    (void)snprintf(range, sizeof range, "bytes %" PRId64 "-%" PRId64 "/%" PRId64,
                   info->first, info->first + info->size - 1, info->total);
    const struct httpd_header headers[] = {{"Content-Disposition", buf_c(&disposition)},
                                           {"Accept-Ranges", "bytes"},
                                           {"ETag", etag_of(call)},
                                           {"Content-Range", range}};
    call->on_drain = on_drain;
    call->on_end = on_call_end;
    api_reply_stream(call,
                     &(struct httpd_reply){.status = info->partial ? 206 : 200,
                                           .content_type = info->content_type,
                                           .headers = headers,
                                           .header_count = ARRAY_LEN(headers) -
                                                           (info->partial ? 0 : 1)},
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
    bool is_streaming = task->call != NULL && task->call->on_drain != NULL;
    struct api_call *call = api_task_end(task);
    if (call == NULL || (!is_open && !is_streaming)) {
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

/* --- ranges (RFC 9110 §14) --- */

static bool byte_position(struct str text, int64_t *out)
{
    uint64_t n;
    if (!num_u64(text, INT64_MAX - 1, &n)) {
        return false;
    }
    *out = (int64_t)n;
    return true;
}

/* One range of bytes; several, and what is no range, are as good as none. */
static bool parse_range(struct str text, struct account_range *out)
{
    static const char unit[] = "bytes=";
    text = str_trim(text);
    if (!str_has_iprefix(text, unit)) {
        return false;
    }
    struct str spec = str_trim(str_tail(text, sizeof unit - 1));
    size_t dash = str_find_byte(spec, '-');
    if (dash == SIZE_MAX) {
        return false;
    }
    struct str first = str_from(spec.ptr, dash), last = str_tail(spec, dash + 1);
    *out = (struct account_range){.first = -1, .last = INT64_MAX};
    if (first.len > 0 && !byte_position(first, &out->first)) {
        return false;
    }
    if (last.len == 0) {
        return out->first > 0; /* all of it is asked for with or without a range */
    }
    return byte_position(last, &out->last) && out->first <= out->last;
}

/* The range that counts, or NULL. If-Range: only of what the client has the rest of. */
static const struct account_range *range_of(const struct api_call *call,
                                            struct account_range *out)
{
    const char *condition = httpd_req_header(call->req, "If-Range");
    if (httpd_req_header_count(call->req, "Range") != 1 ||
        strcmp(httpd_req_method(call->req), "GET") != 0 ||
        (condition != NULL && strcmp(condition, etag_of(call)) != 0) ||
        !parse_range(str_of(httpd_req_header(call->req, "Range")), out)) {
        return NULL;
    }
    return out;
}

static void download(struct api_call *call)
{
    struct account *a = api_account_find(call);
    if (a == NULL) {
        return;
    }
    struct account_range room;
    const struct account_range *range = range_of(call, &room);
    struct str id = object_id(call);
    struct api_task *task = api_task_new(call, cancel_stream);
    task->op =
        call->route->handler == api_attachment_get
            ? account_attachment_start(a, id, range, call->timeout_ms, &events, task)
            : account_source_start(a, id, range, call->timeout_ms, &events, task);
}

void api_attachment_get(struct api_call *call)
{
    download(call);
}

void api_source_get(struct api_call *call)
{
    download(call);
}
