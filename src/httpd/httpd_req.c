#include "httpd_priv.h"
#include "postrider/base/check.h"
#include "postrider/base/log.h"
#include "postrider/base/mem.h"

#include <fcntl.h>
#include <unistd.h>

enum {
    ARENA_USUAL = 992 /* most requests need no second block */
};

struct httpd_req *req_new(struct httpd_conn *conn, const char *uri)
{
    struct httpd_req *req = MEM_NEW(struct httpd_req);
    arena_reserve(&req->arena, ARENA_USUAL);
    req->magic = HTTPD_REQ_MAGIC;
    req->h = conn->h;
    req->conn = conn;
    req->gone_fd = -1;
    req->method = "";
    req->uri = arena_strdup(&req->arena, uri);
    list_init(&req->node);
    list_append(&conn->h->reqs, &req->node);
    conn->h->req_count++;
    conn->req = req;
    return req;
}

void req_free(struct httpd_req **reqp)
{
    struct httpd_req *req = *reqp;
    if (req == NULL) {
        return;
    }
    *reqp = NULL;
    loop_undefer(&req->body_due);
    loop_undefer(&req->drain_due);
    list_remove(&req->node);
    req->h->req_count--;
    if (req->response != NULL) {
        MHD_destroy_response(req->response);
    }
    buf_fini(&req->body);
    buf_fini(&req->out);
    arena_fini(&req->arena);
    req->magic = 0;
    mem_free(req);
}

/* --- suspension --- */

enum {
    /* Most answers are there before; watching takes eight system calls. */
    UNWATCHED_MS = 20
};

static void unwatch(struct httpd_req *req)
{
    timer_stop(&req->gone_wait);
    io_watch_free(&req->gone_watch);
    if (req->gone_fd >= 0) {
        (void)close(req->gone_fd);
        req->gone_fd = -1;
    }
}

static void on_gone(struct io_watch *w ATTR_UNUSED, unsigned events ATTR_UNUSED,
                    void *ctx)
{
    struct httpd_req *req = ctx;
    CHECK_MAGIC(req, HTTPD_REQ_MAGIC);
    req_close(req);
    req_resume(req);
}

/* libmicrohttpd does not look at a suspended connection, so its client's leaving is
 * watched on a second descriptor of the socket. Without descriptors the request only
 * loses this early notice. */
static void watch(struct timer *t)
{
    struct httpd_req *req = container_of(t, struct httpd_req, gone_wait);
    req->gone_fd = fcntl(req->conn->fd, F_DUPFD_CLOEXEC, 3);
    if (req->gone_fd < 0) {
        log_at(LOG_WARN, "httpd", "no descriptor left to watch a waiting client");
        return;
    }
    req->gone_watch = io_watch_new(req->h->loop, req->gone_fd, on_gone, req);
    io_watch_set(req->gone_watch, IO_HANGUP);
}

void req_suspend(struct httpd_req *req)
{
    CHECK(!req->suspended && !req->h->stopping);
    conn_deadline_stop(req->conn);
    req->recall =
        req->phase != REQ_PHASE_STREAM && req->has_body && !req->at_final && !req->paused;
    MHD_suspend_connection(req->conn->mhd);
    req->suspended = true;
    timer_set(req->h->loop, &req->gone_wait, UNWATCHED_MS, watch);
}

void req_resume(struct httpd_req *req)
{
    if (req->suspended) {
        unwatch(req);
        req->suspended = false;
        MHD_resume_connection(req->conn->mhd);
        httpd_wake(req->h);
    }
}

void req_close(struct httpd_req *req)
{
    bool finished =
        req->phase == REQ_PHASE_REPLY ||
        (req->phase == REQ_PHASE_STREAM && (req->out_ended || req->out_aborted));
    bool told = req->closed;
    req->closed = true;
    loop_undefer(&req->body_due);
    loop_undefer(&req->drain_due);
    if (req->announced && !told && !finished && req->h->handler->on_closed != NULL) {
        req->h->handler->on_closed(req, req->h->ctx);
    }
}

/* --- libmicrohttpd's calls --- */

static void give_headers(struct httpd_req *req)
{
    req->phase = REQ_PHASE_HEADERS;
    req->announced = true;
    req->remote = httpd_forwarded_remote(req);
    req->h->handler->on_headers(req, req->h->ctx);
}

static void give_body(struct httpd_req *req)
{
    req->phase = REQ_PHASE_HANDLER;
    req->h->handler->on_body(req, req->h->ctx);
}

/* A body that nobody wants is read to its end if it is short: cutting the connection with
 * bytes unread may destroy the reply on its way (RFC 9112 §9.6). */
static bool can_discard(const struct httpd_req *req)
{
    return !req->close_after && !req->expects_continue &&
           req->content_length <= HTTPD_DISCARD_MAX;
}

static bool body_is_due(const struct httpd_req *req)
{
    bool announced_too_large = req->too_large && req->content_length > 0;
    return !req->has_body || req->at_final || announced_too_large;
}

static enum MHD_Result settle(struct httpd_req *req)
{
    if (req->phase == REQ_PHASE_BODY && body_is_due(req)) {
        if (req->paused) {
            req_suspend(req);
            return MHD_YES;
        }
        give_body(req);
    }
    switch (req->phase) {
    case REQ_PHASE_LINE:
    case REQ_PHASE_BODY:
        conn_watch_body(req->conn);
        return MHD_YES;
    case REQ_PHASE_HEADERS:
    case REQ_PHASE_HANDLER:
        req_suspend(req);
        return MHD_YES;
    case REQ_PHASE_REPLY:
    case REQ_PHASE_STREAM:
        break;
    }
    if (req->has_body && !req->at_final && can_discard(req)) {
        req->discarding = true;
        conn_watch_body(req->conn);
        return MHD_YES;
    }
    conn_deadline_stop(req->conn);
    return req_queue(req);
}

static enum MHD_Result first_call(struct httpd_req *req, const char *method,
                                  const char *version)
{
    conn_deadline_stop(req->conn);
    req_parse_uri(req);
    req_parse_head(req, method, version);
    req->phase = REQ_PHASE_HEADERS;
    /* Without a body there is a second call at once, and only a reply queued there keeps
     * the connection. */
    if (!req->has_body && !req->close_after) {
        return MHD_YES;
    }
    give_headers(req);
    return settle(req);
}

static enum MHD_Result take_body(struct httpd_req *req, struct str data, size_t *size)
{
    if (req->paused) {
        req_suspend(req);
        return MHD_YES;
    }
    *size = 0;
    req->received += data.len;
    req->window_received += data.len;
    bool wanted = req->phase == REQ_PHASE_BODY && !req->discarding && !req->too_large;
    if (wanted && req->received > req->max_bytes) {
        req->too_large = true;
        wanted = false;
        buf_release(&req->body);
    }
    if (!wanted) {
        req->dropped += data.len;
        return req->dropped > HTTPD_DISCARD_MAX ? MHD_NO : MHD_YES;
    }
    if (req->stream_body) {
        req->h->handler->on_chunk(req, data, req->h->ctx);
    } else {
        (void)buf_put_str(&req->body, data);
    }
    return MHD_YES;
}

static enum MHD_Result access_step(struct httpd_req *req, struct str data, size_t *size)
{
    if (*size > 0) {
        return take_body(req, data, size);
    }
    if (req->recall) {
        req->recall = false;
        return settle(req);
    }
    req->at_final = true;
    if (!req->announced) {
        give_headers(req);
    }
    return settle(req);
}

enum MHD_Result req_access(void *ctx ATTR_UNUSED, struct MHD_Connection *mhd ATTR_UNUSED,
                           const char *url ATTR_UNUSED, const char *method,
                           const char *version, const char *data, size_t *size,
                           void **slot)
{
    struct httpd_req *req = *slot;
    CHECK_MAGIC(req, HTTPD_REQ_MAGIC);
    if (req->h->stopping) {
        *size = 0;
        req_reply_stopping(req);
        return req_queue(req);
    }
    if (req->closed) {
        return MHD_NO;
    }
    req->in_access = true;
    enum MHD_Result result = req->phase == REQ_PHASE_LINE
                                 ? first_call(req, method, version)
                                 : access_step(req, str_from(data, *size), size);
    req->in_access = false;
    return result;
}

void req_completed(void *ctx ATTR_UNUSED, struct MHD_Connection *mhd ATTR_UNUSED,
                   void **slot, enum MHD_RequestTerminationCode how ATTR_UNUSED)
{
    struct httpd_req *req = *slot;
    if (req == NULL) {
        return;
    }
    CHECK_MAGIC(req, HTTPD_REQ_MAGIC);
    *slot = NULL;
    unwatch(req);
    conn_deadline_stop(req->conn);
    req_close(req);
    if (req->announced && req->h->handler->on_end != NULL) {
        req->h->handler->on_end(req, req->h->ctx);
    }
    req->conn->req = NULL;
    req_free(&req);
}

/* --- the handler's decisions about the body --- */

static void on_body_due(struct deferred *d)
{
    struct httpd_req *req = container_of(d, struct httpd_req, body_due);
    if (req->phase == REQ_PHASE_BODY) {
        give_body(req);
    }
}

static void accept_body(struct httpd_req *req, uint64_t max_bytes, bool stream)
{
    CHECK_MAGIC(req, HTTPD_REQ_MAGIC);
    if (req->closed) {
        return;
    }
    CHECK(req->phase == REQ_PHASE_HEADERS);
    req->phase = REQ_PHASE_BODY;
    req->max_bytes = max_bytes;
    req->stream_body = stream;
    req->too_large = req->content_length > 0 && (uint64_t)req->content_length > max_bytes;
    if (!stream) {
        buf_init(&req->body, (size_t)max_bytes);
    }
    if (req->in_access) {
        return; /* settle follows */
    }
    if (body_is_due(req)) {
        /* The connection may stay suspended: the reply will resume it. */
        loop_defer(req->h->loop, &req->body_due, on_body_due);
    } else {
        req_resume(req);
    }
}

void httpd_body_accept(struct httpd_req *req, size_t max_bytes)
{
    accept_body(req, max_bytes, false);
}

void httpd_body_stream(struct httpd_req *req, uint64_t max_bytes)
{
    CHECK(req->h->handler->on_chunk != NULL);
    accept_body(req, max_bytes, true);
}

void httpd_body_pause(struct httpd_req *req)
{
    CHECK_MAGIC(req, HTTPD_REQ_MAGIC);
    req->paused = req->phase == REQ_PHASE_BODY;
}

void httpd_body_resume(struct httpd_req *req)
{
    CHECK_MAGIC(req, HTTPD_REQ_MAGIC);
    if (req->paused) {
        req->paused = false;
        req_resume(req);
        conn_watch_body(req->conn);
    }
}

/* --- getters --- */

void httpd_req_set_user(struct httpd_req *req, void *user)
{
    req->user = user;
}

void *httpd_req_user(const struct httpd_req *req)
{
    CHECK_MAGIC(req, HTTPD_REQ_MAGIC);
    return req->user;
}

struct arena *httpd_req_arena(struct httpd_req *req)
{
    return &req->arena;
}

const char *httpd_req_defect(const struct httpd_req *req)
{
    return req->defect;
}

const char *httpd_req_method(const struct httpd_req *req)
{
    return req->method;
}

struct str httpd_req_raw_path(const struct httpd_req *req)
{
    return req->raw_path;
}

size_t httpd_req_segment_count(const struct httpd_req *req)
{
    return req->segment_count;
}

struct str httpd_req_segment(const struct httpd_req *req, size_t i)
{
    CHECK(i < req->segment_count);
    return req->segments[i];
}

size_t httpd_req_arg_count(const struct httpd_req *req)
{
    return req->arg_count;
}

const struct httpd_arg *httpd_req_arg(const struct httpd_req *req, size_t i)
{
    CHECK(i < req->arg_count);
    return &req->args[i];
}

const char *httpd_req_header(const struct httpd_req *req, const char *name)
{
    return MHD_lookup_connection_value(req->conn->mhd, MHD_HEADER_KIND, name);
}

struct header_count {
    const char *name;
    size_t n;
};

static enum MHD_Result on_counted(void *ctx, enum MHD_ValueKind kind ATTR_UNUSED,
                                  const char *name, const char *value ATTR_UNUSED)
{
    struct header_count *count = ctx;
    count->n += str_ieq_c(str_of(name), count->name) ? 1 : 0;
    return MHD_YES;
}

size_t httpd_req_header_count(const struct httpd_req *req, const char *name)
{
    struct header_count count = {.name = name};
    (void)MHD_get_connection_values(req->conn->mhd, MHD_HEADER_KIND, on_counted, &count);
    return count.n;
}

const char *httpd_req_remote(const struct httpd_req *req)
{
    return req->remote != NULL ? req->remote : req->conn->remote;
}

bool httpd_req_has_body(const struct httpd_req *req)
{
    return req->has_body;
}

int64_t httpd_req_content_length(const struct httpd_req *req)
{
    return req->content_length;
}

struct str httpd_req_body(const struct httpd_req *req)
{
    return buf_str(&req->body);
}

uint64_t httpd_req_received(const struct httpd_req *req)
{
    return req->received;
}

bool httpd_req_body_too_large(const struct httpd_req *req)
{
    return req->too_large;
}
