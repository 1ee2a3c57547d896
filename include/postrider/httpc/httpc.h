/* httpc: HTTP requests to other hosts, by libcurl's multi interface on our loop.
 * Shape    struct httpc      one per node: the multi handle, its sockets and its timer
 *          struct httpc_req  one request: resolve the name through net, connect, send,
 *                            read the reply
 * Owner    the app owns httpc; a request belongs to the framework (op.h). Everything in
 *          the parameters is copied; the reply is borrowed until the callback returns.
 * Calls    loop thread; the callback fires exactly once, later
 * Limits   HTTPC_BODY_KEPT bytes of a reply are read, then the connection is cut and the
 *          reply counts as it is; HTTPC_HEADERS_MAX headers; names resolved by net;
 *          addresses checked against the egress policy when the socket is made; redirects
 *          are never followed, no proxy is used
 * Errors   ERR_INVALID: not an http(s) URL, or a header that cannot be sent; ERR_DNS,
 *          ERR_CONNECT, ERR_EGRESS, ERR_TLS, ERR_TLS_CERT, ERR_NET, ERR_CLOSED (the peer
 *          ended without a reply), ERR_PROTOCOL, ERR_TIMEOUT, ERR_CANCELED. Any complete
 *          reply, whatever its status, is success.
 * Spec     RFC 9110, RFC 9112; HTTP/1.1 only */
#ifndef POSTRIDER_HTTPC_HTTPC_H
#define POSTRIDER_HTTPC_HTTPC_H

#include "postrider/base/err.h"
#include "postrider/base/str.h"
#include "postrider/net/net.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    HTTPC_BODY_KEPT = 64 * 1024,
    HTTPC_HEADERS_MAX = 100,
    HTTPC_URL_MAX = 8 * 1024,
    HTTPC_TIMEOUT_MAX_MS = 5 * 60 * 1000
};

struct httpc_config {
    enum egress_policy egress; /* the one net was made with */
    const char *ca_file;       /* PEM used instead of the system's authorities, or NULL */
    int host_connections;      /* at once to one host and port; 0 = 32 */
    int idle_connections;      /* kept alive in all; 0 = 128 */
};

struct httpc;
struct httpc *httpc_new(struct net *net,
                        const struct httpc_config *config) ATTR_RETURNS_NONNULL;
/* All requests ended before. */
void httpc_free(struct httpc **h);
size_t httpc_active(const struct httpc *h);

/* What an http or https URL points at, for those who count per destination. */
struct httpc_origin {
    char text[300]; /* "https://example.com:443", lower case */
};
/* ERR_INVALID. */
bool httpc_origin_get(const char *url, struct httpc_origin *out, struct err *err);

struct httpc_header {
    const char *name;
    const char *value;
};

struct httpc_params {
    const char *method; /* NULL = "GET" */
    const char *url;    /* user:password in it become Basic auth */
    const struct httpc_header *headers;
    size_t header_count;
    struct str body;    /* absent = none */
    int64_t timeout_ms; /* whole request; ≤ HTTPC_TIMEOUT_MAX_MS */
};

struct httpc_reply {
    int status;
    int64_t retry_after_s; /* 0 = not said */
    struct str body;       /* at most HTTPC_BODY_KEPT bytes */
    bool cut;              /* there was more */
    bool reused;           /* over a connection that was kept alive */
};

struct httpc_req;
/* err->code is ERR_OK and reply is set, or reply is NULL. */
typedef void httpc_req_cb(struct httpc_req *req, const struct err *err,
                          const struct httpc_reply *reply, void *ctx);
struct httpc_req *httpc_req_start(struct httpc *h, const struct httpc_params *params,
                                  httpc_req_cb *cb, void *ctx) ATTR_RETURNS_NONNULL;
void httpc_req_cancel(struct httpc_req *req);

#endif
