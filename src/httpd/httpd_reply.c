#include "httpd_priv.h"
#include "postrider/base/check.h"
#include "postrider/base/mem.h"

#include <netinet/in.h>
#include <netinet/tcp.h>

struct status_row {
    int status;
    const char *text;
};

static const struct status_row statuses[] = {
    {200, "OK"},
    {201, "Created"},
    {202, "Accepted"},
    {204, "No Content"},
    {206, "Partial Content"},
    {301, "Moved Permanently"},
    {302, "Found"},
    {303, "See Other"},
    {304, "Not Modified"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {406, "Not Acceptable"},
    {408, "Request Timeout"},
    {409, "Conflict"},
    {410, "Gone"},
    {411, "Length Required"},
    {412, "Precondition Failed"},
    {413, "Request Entity Too Large"},
    {415, "Unsupported Media Type"},
    {416, "Range Not Satisfiable"},
    {422, "Unprocessable Entity"},
    {424, "Failed Dependency"},
    {429, "Too Many Requests"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {502, "Bad Gateway"},
    {503, "Service Unavailable"},
    {504, "Gateway Timeout"},
    {507, "Insufficient Storage"},
};

const char *httpd_status_text(int status)
{
    for (size_t i = 0; i < ARRAY_LEN(statuses); i++) {
        if (statuses[i].status == status) {
            return statuses[i].text;
        }
    }
    return "Error";
}

static bool is_control(char c)
{
    return (unsigned char)c < ' ' || c == 0x7f;
}

/* Nothing to replace, and no space at an end. */
static bool is_clean(struct str value)
{
    for (size_t i = 0; i < value.len; i++) {
        if (is_control(value.ptr[i])) {
            return false;
        }
    }
    return str_trim(value).len == value.len;
}

/* A value may hold text from a message, so control bytes are replaced: they could end the
 * header. */
static const char *cleaned(struct arena *arena, const char *value)
{
    char *copy = arena_strdup(arena, value);
    for (char *c = copy; *c != '\0'; c++) {
        *c = is_control(*c) ? ' ' : *c;
    }
    struct str trimmed = str_trim(str_of(copy));
    return arena_strndup(arena, trimmed.ptr, trimmed.len);
}

static void add_header(struct httpd_req *req, const char *name, const char *value)
{
    const char *clean = is_clean(str_of(value)) ? value : cleaned(&req->arena, value);
    if (*clean != '\0') {
        CHECK(MHD_add_response_header(req->response, name, clean) == MHD_YES);
    }
}

static void add_headers(struct httpd_req *req, const struct httpd_reply *reply)
{
    CHECK(req->response != NULL);
    req->status = reply->status;
    req->close_after = req->close_after || reply->close;
    if (reply->content_type != NULL) {
        add_header(req, MHD_HTTP_HEADER_CONTENT_TYPE, reply->content_type);
    }
    for (size_t i = 0; i < reply->header_count; i++) {
        add_header(req, reply->headers[i].name, reply->headers[i].value);
    }
}

static struct MHD_Response *body_response(const struct httpd_reply *reply)
{
    if (reply->take != NULL) {
        size_t len;
        char *bytes = buf_take(reply->take, &len);
        if (bytes != NULL) {
            return MHD_create_response_from_buffer_with_free_callback(len, bytes,
                                                                      mem_free);
        }
    } else if (reply->body.len > 0) {
        char *bytes = mem_strndup(reply->body.ptr, reply->body.len);
        return MHD_create_response_from_buffer_with_free_callback(reply->body.len, bytes,
                                                                  mem_free);
    }
    return MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT);
}

static bool may_reply(struct httpd_req *req)
{
    CHECK_MAGIC(req, HTTPD_REQ_MAGIC);
    if (req->closed) {
        return false;
    }
    CHECK(req->phase != REQ_PHASE_REPLY && req->phase != REQ_PHASE_STREAM);
    return true;
}

/* Outside libmicrohttpd's call the connection is suspended, or it is still reading a body
 * and will come to `settle` by itself. */
static void reply_is_ready(struct httpd_req *req, enum req_phase phase)
{
    loop_undefer(&req->body_due);
    req->discarding = req->discarding || req->phase == REQ_PHASE_BODY;
    req->phase = phase;
    req->paused = false;
    if (!req->in_access) {
        req_resume(req);
    }
}

void httpd_reply(struct httpd_req *req, const struct httpd_reply *reply)
{
    if (!may_reply(req)) {
        if (reply->take != NULL) {
            buf_release(reply->take);
        }
        return;
    }
    req->response = body_response(reply);
    add_headers(req, reply);
    reply_is_ready(req, REQ_PHASE_REPLY);
}

void req_reply_stopping(struct httpd_req *req)
{
    req_close(req);
    if (req->response == NULL) {
        static const struct httpd_reply reply = {.status = 503, .close = true};
        req->response = body_response(&reply);
        add_headers(req, &reply);
        req->phase = REQ_PHASE_REPLY;
    }
}

enum MHD_Result req_queue(struct httpd_req *req)
{
    bool unread = req->has_body && !req->at_final;
    if (req->close_after || unread || req->h->quiesced) {
        (void)MHD_add_response_header(req->response, MHD_HTTP_HEADER_CONNECTION, "close");
    }
    enum MHD_Result result =
        MHD_queue_response(req->conn->mhd, (unsigned)req->status, req->response);
    MHD_destroy_response(req->response);
    req->response = NULL;
    return result;
}

/* --- streams --- */

static void on_drain_due(struct deferred *d)
{
    struct httpd_req *req = container_of(d, struct httpd_req, drain_due);
    if (!req->closed && !req->out_ended && req->h->handler->on_drain != NULL) {
        req->h->handler->on_drain(req, req->h->ctx);
    }
}

static ssize_t read_stream(void *ctx, uint64_t pos ATTR_UNUSED, char *into, size_t max)
{
    struct httpd_req *req = ctx;
    CHECK_MAGIC(req, HTTPD_REQ_MAGIC);
    size_t waiting = req->out.len - req->out_pos;
    if (req->out_aborted || (req->closed && !req->out_ended)) {
        return MHD_CONTENT_READER_END_WITH_ERROR;
    }
    if (waiting == 0 && req->out_ended) {
        return MHD_CONTENT_READER_END_OF_STREAM;
    }
    if (waiting == 0) {
        if (req->h->stopping) {
            return MHD_CONTENT_READER_END_WITH_ERROR;
        }
        req_suspend(req);
        return 0;
    }
    size_t n = waiting < max ? waiting : max;
    memcpy(into, req->out.bytes + req->out_pos, n);
    req->out_pos += n;
    if (req->out_pos == req->out.len) {
        /* A quiet stream keeps no memory. */
        buf_release(&req->out);
        req->out_pos = 0;
    } else if (req->out_pos > req->out.len / 2) {
        buf_consume(&req->out, req->out_pos);
        req->out_pos = 0;
    }
    if (req->drain_wanted && waiting - n <= HTTPD_STREAM_LOW) {
        req->drain_wanted = false;
        loop_defer(req->h->loop, &req->drain_due, on_drain_due);
    }
    return (ssize_t)n;
}

/* Else the kernel takes megabytes that the client does not read, as fast as they can be had. */
static void bound_unsent(const struct httpd_req *req)
{
    const int bytes = HTTPD_STREAM_UNSENT;
    (void)setsockopt(req->conn->fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &bytes, sizeof bytes);
}

void httpd_stream_start(struct httpd_req *req, const struct httpd_reply *reply,
                        int64_t size)
{
    if (!may_reply(req)) {
        return;
    }
    uint64_t total = size >= 0 ? (uint64_t)size : MHD_SIZE_UNKNOWN;
    bound_unsent(req);
    req->response = MHD_create_response_from_callback(total, HTTPD_STREAM_BLOCK,
                                                      read_stream, req, NULL);
    add_headers(req, reply);
    buf_init(&req->out, HTTPD_STREAM_MAX);
    reply_is_ready(req, REQ_PHASE_STREAM);
}

static bool stream_is_open(const struct httpd_req *req)
{
    CHECK_MAGIC(req, HTTPD_REQ_MAGIC);
    if (req->closed) {
        return false;
    }
    CHECK(req->phase == REQ_PHASE_STREAM);
    return !req->out_ended && !req->out_aborted;
}

size_t httpd_stream_write(struct httpd_req *req, struct str data)
{
    if (!stream_is_open(req)) {
        return 0;
    }
    if (!buf_put_str(&req->out, data)) {
        /* Room that was sent already counts; else the client is too slow for its stream.
         */
        buf_consume(&req->out, req->out_pos);
        req->out_pos = 0;
        req->out.overflow = false;
        if (!buf_put_str(&req->out, data)) {
            req_close(req);
            req->out_aborted = true;
            req_resume(req);
            return 0;
        }
    }
    size_t waiting = req->out.len - req->out_pos;
    req->drain_wanted = req->drain_wanted || waiting >= HTTPD_STREAM_HIGH;
    if (waiting > 0) {
        req_resume(req);
    }
    return waiting;
}

void httpd_stream_end(struct httpd_req *req)
{
    if (stream_is_open(req)) {
        req->out_ended = true;
        req_resume(req);
    }
}

void httpd_stream_abort(struct httpd_req *req)
{
    if (stream_is_open(req)) {
        req->out_aborted = true;
        req_resume(req);
    }
}
