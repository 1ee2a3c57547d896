/* httpd: the HTTP/1.1 server, libmicrohttpd driven by our loop.
 * Shape    a listener and its requests. The life of a request:
 *   on_headers ─accept─► (body collected) ─► on_body ─► reply ─► on_end
 *        └────────reply (the body is never given to the handler)────► on_end
 *   At each arrow the handler may answer at once or later; the connection waits.
 * Owner    the handler sets user data; on_end is the last call of every request and frees
 * it. A request and all that its getters return live until on_end returns.
 * Calls    loop thread. Replies are allowed inside callbacks and outside. A reply may
 * make on_end run before it returns only from httpd_free, never from httpd_reply. Gone
 * when the client leaves before the reply is complete, on_closed comes exactly once, then
 * (possibly later) on_end; replies after on_closed are ignored. After httpd_reply (not a
 * stream) on_closed no longer comes.
 * Units    milliseconds, bytes
 * Limits   struct httpd_config; request line and headers share HTTPD_HEADER_POOL; at most HTTPD_ARGS_MAX
 * query arguments and HTTPD_SEGMENTS_MAX path segments; a stream holds at most
 * HTTPD_STREAM_MAX unsent bytes; a refused body up to HTTPD_DISCARD_MAX is read and
 * dropped to keep the connection, a longer one closes it
 * Errors   httpd_new: ERR_CONFIG, ERR_IO. Requests that break HTTP's framing reach
 * on_headers with httpd_req_defect set; whatever the reply, the connection closes.
 * Spec     RFC 9110, RFC 9112. libmicrohttpd itself answers what it cannot parse; it
 * takes a bare LF as a line end and joins folded header lines (RFC 9112 §2.2, §5.2). */
#ifndef POSTRIDER_HTTPD_HTTPD_H
#define POSTRIDER_HTTPD_HTTPD_H

#include "postrider/base/arena.h"
#include "postrider/base/buf.h"
#include "postrider/base/err.h"
#include "postrider/loop/loop.h"

#include <stdint.h>

enum {
    HTTPD_HEADER_POOL = 32 * 1024,
    HTTPD_STREAM_BLOCK = 64 * 1024,
    HTTPD_STREAM_LOW = 64 * 1024,   /* on_drain comes at or below */
    HTTPD_STREAM_HIGH = 256 * 1024, /* a producer stops here and waits for on_drain */
    HTTPD_STREAM_MAX = 2 * 1024 * 1024,
    HTTPD_STREAM_UNSENT = 128 * 1024, /* in the kernel, beside what is on its way */
    HTTPD_DISCARD_MAX = 256 * 1024,
    HTTPD_ARGS_MAX = 128,
    HTTPD_SEGMENTS_MAX = 32
};

struct httpd;
struct httpd_req;

struct httpd_handler {
    /* The headers are in. Decide now or later: httpd_body_accept, httpd_body_stream or a
     * reply. Required. */
    void (*on_headers)(struct httpd_req *req, void *ctx);
    /* The accepted body is complete (also for requests without one). Required. */
    void (*on_body)(struct httpd_req *req, void *ctx);
    /* A piece of a streamed body, borrowed. */
    void (*on_chunk)(struct httpd_req *req, struct str data, void *ctx);
    /* The reply stream has room again; later, from the loop. */
    void (*on_drain)(struct httpd_req *req, void *ctx);
    /* The client left, a limit closed it, or the server stops. */
    void (*on_closed)(struct httpd_req *req, void *ctx);
    void (*on_end)(struct httpd_req *req, void *ctx);
};

/* 0 in a limit means its default. */
struct httpd_config {
    const char *host;         /* address to listen on; NULL = 127.0.0.1 */
    uint16_t port;            /* 0 = any free one */
    unsigned max_connections; /* 8192 */
    unsigned
        max_per_address; /* 1024; loopback and proxies are exempt: each stands for many */
    const char *trusted_proxies; /* networks (base/ip.h); copied. NULL = none */
    int64_t header_ms;        /* 10 s from the request line to the end of the headers */
    int64_t idle_ms;          /* 60 s without a byte in or out, rounded up to seconds */
    int64_t body_window_ms;   /* 10 s: in each, the body must bring body_window_bytes */
    size_t body_window_bytes; /* 10 KiB */
};

/* Listens, and answers from the next turn on; NULL on failure. */
struct httpd *httpd_new(struct loop *loop, const struct httpd_config *config,
                        const struct httpd_handler *handler, void *ctx, struct err *err);
uint16_t httpd_port(const struct httpd *h);
/* Stops listening; requests under way go on. */
void httpd_quiesce(struct httpd *h);
/* Requests whose on_end is still to come. */
size_t httpd_active(const struct httpd *h);
size_t httpd_connections(const struct httpd *h);
/* Ends all: unfinished requests get on_closed and on_end from inside this call, waiting
 * clients get a 503, everything is closed when it returns. NULL is accepted. Not from a
 * callback of this server. */
void httpd_free(struct httpd **h);

/* --- the request --- */

void httpd_req_set_user(struct httpd_req *req, void *user);
void *httpd_req_user(const struct httpd_req *req);
/* Freed with the request. */
struct arena *httpd_req_arena(struct httpd_req *req) ATTR_RETURNS_NONNULL;
/* NULL, or why the request must be refused: a sentence for the client. */
const char *httpd_req_defect(const struct httpd_req *req);
const char *httpd_req_method(const struct httpd_req *req) ATTR_RETURNS_NONNULL;
/* As sent, without the query. */
struct str httpd_req_raw_path(const struct httpd_req *req);
/* Percent-decoded once, valid UTF-8 without NUL; "/" has none, a slash at the end adds
 * none. */
size_t httpd_req_segment_count(const struct httpd_req *req);
struct str httpd_req_segment(const struct httpd_req *req, size_t i);
struct httpd_arg {
    struct str name, value;
};
/* Query arguments in order, decoded ("+" is a space). */
size_t httpd_req_arg_count(const struct httpd_req *req);
const struct httpd_arg *httpd_req_arg(const struct httpd_req *req, size_t i);
/* The first header of that name (any case), NULL if none. */
const char *httpd_req_header(const struct httpd_req *req, const char *name);
size_t httpd_req_header_count(const struct httpd_req *req, const char *name);
/* The client's address without port, "127.0.0.1" or "::1": the peer's, or, where that is a
 * trusted proxy, the last address of X-Forwarded-For that is none. */
const char *httpd_req_remote(const struct httpd_req *req) ATTR_RETURNS_NONNULL;
bool httpd_req_has_body(const struct httpd_req *req);
/* The announced size of the body, -1 if it comes in chunks, 0 without one. */
int64_t httpd_req_content_length(const struct httpd_req *req);
/* What was collected; complete in on_body. */
struct str httpd_req_body(const struct httpd_req *req);
/* Bytes of the body that have come. */
uint64_t httpd_req_received(const struct httpd_req *req);
/* The body was longer than accepted; on_body comes when it has been read and dropped, and
 * the reply should be 413. */
bool httpd_req_body_too_large(const struct httpd_req *req);

/* Reads the body into memory, up to max_bytes; then on_body. An announced size above the
 * limit leads to on_body at once, with httpd_req_body_too_large. */
void httpd_body_accept(struct httpd_req *req, size_t max_bytes);
/* Gives the body to on_chunk as it comes; then on_body. */
void httpd_body_stream(struct httpd_req *req, uint64_t max_bytes);
/* Back pressure of a streamed body. After pause no on_chunk comes until resume. */
void httpd_body_pause(struct httpd_req *req);
void httpd_body_resume(struct httpd_req *req);

/* Gives the client up, whatever is under way: on_closed, unless it was replied to, and on_end
 * follow from the loop. */
void httpd_req_cut(struct httpd_req *req);

/* --- the reply --- */

struct httpd_header {
    const char *name;
    const char *value; /* control bytes are sent as spaces */
};

struct httpd_reply {
    int status;
    const char *content_type; /* NULL = none */
    struct str body;          /* copied */
    struct buf *take;         /* instead of body: its bytes are taken */
    const struct httpd_header *headers;
    size_t header_count;
    bool close; /* the connection ends with this reply */
};

void httpd_reply(struct httpd_req *req, const struct httpd_reply *reply);
/* Begins a reply whose body follows; body and take are ignored. size -1 = unknown. */
void httpd_stream_start(struct httpd_req *req, const struct httpd_reply *reply,
                        int64_t size);
/* Copies the bytes; returns how many wait now. Crossing HTTPD_STREAM_MAX aborts the
 * stream: the client is too slow (on_closed comes). */
size_t httpd_stream_write(struct httpd_req *req, struct str data);
void httpd_stream_end(struct httpd_req *req);
/* Cuts the connection, so that the client sees that the body is incomplete. on_closed
 * does not come. */
void httpd_stream_abort(struct httpd_req *req);

/* "Not Found"; "Error" for unknown numbers. */
const char *httpd_status_text(int status) ATTR_RETURNS_NONNULL;

#endif
