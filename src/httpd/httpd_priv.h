/* httpd_priv: what the parts of the server share.
 *
 * A request in the terms of libmicrohttpd: its access handler is called when the headers
 * are in (only useful if a body follows), for every piece of the body, and when all is
 * read. After a suspension the same call is made again. `settle` looks at the phase after
 * each of these calls and decides: wait (suspend), read on, or queue the reply.
 *
 *   LINE ──headers──► HEADERS ──accept──► BODY ──complete──► HANDLER ──► REPLY | STREAM
 *                        └───────────────reply───────────────────────────────►┘
 * HEADERS and HANDLER wait for the handler, so the connection is suspended there. */
#ifndef POSTRIDER_HTTPD_PRIV_H
#define POSTRIDER_HTTPD_PRIV_H

#include "postrider/base/list.h"
#include "postrider/base/map.h"
#include "postrider/httpd/httpd.h"

#include <microhttpd.h>
#include <netinet/in.h>

enum {
    HTTPD_MAGIC = 0x48545044,
    HTTPD_CONN_MAGIC = 0x4854434e,
    HTTPD_REQ_MAGIC = 0x48545251
};

enum req_phase {
    REQ_PHASE_LINE,
    REQ_PHASE_HEADERS,
    REQ_PHASE_BODY,
    REQ_PHASE_HANDLER,
    REQ_PHASE_REPLY,
    REQ_PHASE_STREAM
};

struct httpd {
    uint32_t magic;
    struct loop *loop;
    struct MHD_Daemon *mhd;
    struct httpd_config config;
    const struct httpd_handler *handler;
    void *ctx;
    struct io_watch *watch; /* of libmicrohttpd's epoll descriptor */
    struct loop_hook hook;
    struct timer timer;
    bool dirty;    /* a resumed connection waits for MHD_run, which nothing else wakes */
    bool quiesced; /* no listener any more */
    bool stopping;
    uint16_t port;
    struct list conns;
    struct list reqs;
    size_t conn_count, req_count;
    struct map *addresses; /* address → struct httpd_peer */
    char *trusted_proxies; /* what config shows */
};

/* Connections of one address. */
struct httpd_peer {
    unsigned count;
};

struct httpd_conn {
    uint32_t magic;
    struct httpd *h;
    struct list node;
    struct MHD_Connection *mhd;
    int fd;
    struct timer deadline; /* of the headers, then of a window of the body */
    char remote[INET6_ADDRSTRLEN];
    bool counted;
    struct httpd_req *req;
};

struct httpd_req {
    uint32_t magic;
    enum req_phase phase;
    struct httpd *h;
    struct httpd_conn *conn;
    struct list node;
    struct arena arena;
    void *user;
    /* what was asked */
    const char *uri;
    const char *method;
    struct str raw_path;
    struct str *segments;
    size_t segment_count;
    struct httpd_arg *args;
    size_t arg_count;
    const char *defect;
    const char *remote; /* the client's address, by a proxy's word where that counts */
    bool has_body, expects_continue;
    int64_t content_length;
    /* where it is */
    bool announced; /* on_headers ran, so on_end is owed */
    bool closed;    /* on_closed ran: the handler has no say any more */
    bool in_access; /* inside libmicrohttpd's call: no suspension to undo */
    bool suspended;
    bool recall;   /* suspended at the headers: the next empty call repeats that stage */
    bool at_final; /* all of the request is read */
    bool discarding;
    struct timer gone_wait; /* until a suspended one is watched */
    struct io_watch *gone_watch;
    int gone_fd;
    struct deferred body_due;
    /* the body */
    bool stream_body, paused, too_large;
    uint64_t max_bytes, received, window_received, dropped;
    struct buf body;
    /* the reply */
    int status;
    bool close_after;
    struct MHD_Response *response;
    struct buf out;
    size_t out_pos;
    bool out_ended, out_aborted, drain_wanted;
    struct deferred drain_due;
};

/* httpd.c */
void httpd_wake(struct httpd *h);
void conn_deadline_stop(struct httpd_conn *conn);
void conn_watch_body(struct httpd_conn *conn);

/* httpd_req.c */
struct httpd_req *req_new(struct httpd_conn *conn, const char *uri);
void req_free(struct httpd_req **req);
void req_suspend(struct httpd_req *req);
void req_resume(struct httpd_req *req);
/* Tells the handler that the client is gone, unless it has finished with the request. */
void req_close(struct httpd_req *req);
/* The access handler of libmicrohttpd. */
enum MHD_Result req_access(void *ctx, struct MHD_Connection *mhd, const char *url,
                           const char *method, const char *version, const char *data,
                           size_t *size, void **slot);
void req_completed(void *ctx, struct MHD_Connection *mhd, void **slot,
                   enum MHD_RequestTerminationCode how);

/* httpd_uri.c: splits and decodes; sets defect on failure. */
void req_parse_uri(struct httpd_req *req);
/* Checks version and framing; sets method, length and defect. */
void req_parse_head(struct httpd_req *req, const char *method, const char *version);

/* httpd_reply.c */
enum MHD_Result req_queue(struct httpd_req *req);
void req_reply_stopping(struct httpd_req *req);

/* httpd_forwarded.c */
bool httpd_is_proxy(const struct httpd *h, const char *address);
/* Of the peer, or of the client it speaks for; in the request's arena. */
const char *httpd_forwarded_remote(struct httpd_req *req) ATTR_RETURNS_NONNULL;

#endif
