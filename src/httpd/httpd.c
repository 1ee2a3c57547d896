#include "postrider/httpd/httpd.h"

#include "httpd_priv.h"
#include "postrider/base/check.h"
#include "postrider/base/log.h"
#include "postrider/base/mem.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <unistd.h>

enum {
    MAX_CONNECTIONS = 8192,
    MAX_PER_ADDRESS = 1024,
    HEADER_MS = 10 * 1000,
    IDLE_MS = 60 * 1000,
    BODY_WINDOW_MS = 10 * 1000,
    BODY_WINDOW_BYTES = 10 * 1024,
    BACKLOG = 511,
    RUNS_PER_TURN = 8, /* more would starve the other sockets of the loop */
    RUNS_AT_STOP = 16
};

/* --- driving libmicrohttpd --- */

static void on_timer(struct timer *t);

static void run(struct httpd *h)
{
    MHD_UNSIGNED_LONG_LONG wait_ms = 0;
    bool has_timeout = true;
    for (int i = 0; i < RUNS_PER_TURN; i++) {
        h->dirty = false;
        (void)MHD_run(h->mhd);
        wait_ms = 0;
        has_timeout = MHD_get_timeout(h->mhd, &wait_ms) == MHD_YES;
        if (!h->dirty && (!has_timeout || wait_ms > 0)) {
            break;
        }
    }
    if (h->dirty) {
        wait_ms = 0;
        has_timeout = true;
    }
    if (has_timeout) {
        timer_set(h->loop, &h->timer, (int64_t)wait_ms, on_timer);
    } else {
        timer_stop(&h->timer);
    }
}

static void on_timer(struct timer *t)
{
    run(container_of(t, struct httpd, timer));
}

static void on_readable(struct io_watch *w ATTR_UNUSED, unsigned events ATTR_UNUSED,
                        void *ctx)
{
    run(ctx);
}

static void on_turn(struct loop_hook *hook)
{
    struct httpd *h = container_of(hook, struct httpd, hook);
    if (h->dirty) {
        run(h);
    }
}

void httpd_wake(struct httpd *h)
{
    h->dirty = true;
}

/* --- connections --- */

static void cut(struct httpd_conn *conn)
{
    /* libmicrohttpd sees the end of the stream and closes by its own rules. */
    (void)shutdown(conn->fd, SHUT_RDWR);
}

void httpd_req_cut(struct httpd_req *req)
{
    CHECK_MAGIC(req, HTTPD_REQ_MAGIC);
    cut(req->conn);
}

static void on_header_deadline(struct timer *t)
{
    cut(container_of(t, struct httpd_conn, deadline));
}

static void on_body_window(struct timer *t)
{
    struct httpd_conn *conn = container_of(t, struct httpd_conn, deadline);
    CHECK(conn->req != NULL);
    if (conn->req->window_received < conn->h->config.body_window_bytes) {
        cut(conn);
    } else {
        conn->req->window_received = 0;
        timer_set(conn->h->loop, t, conn->h->config.body_window_ms, on_body_window);
    }
}

void conn_deadline_stop(struct httpd_conn *conn)
{
    timer_stop(&conn->deadline);
}

void conn_watch_body(struct httpd_conn *conn)
{
    if (!timer_is_set(&conn->deadline)) {
        conn->req->window_received = 0;
        timer_set(conn->h->loop, &conn->deadline, conn->h->config.body_window_ms,
                  on_body_window);
    }
}

static void *on_request_line(void *ctx ATTR_UNUSED, const char *uri,
                             struct MHD_Connection *mhd)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    struct httpd_conn *conn = info->socket_context;
    CHECK_MAGIC(conn, HTTPD_CONN_MAGIC);
    CHECK(conn->req == NULL);
    timer_set(conn->h->loop, &conn->deadline, conn->h->config.header_ms,
              on_header_deadline);
    return req_new(conn, uri);
}

/* The bytes of the address, without the port; loopback has none: it is not counted. */
static struct str address_key(const struct sockaddr *sa)
{
    if (sa->sa_family == AF_INET) {
        const struct sockaddr_in *in = (const void *)sa;
        bool local = (ntohl(in->sin_addr.s_addr) >> 24) == IN_LOOPBACKNET;
        return local ? STR_NULL : str_from(&in->sin_addr, sizeof in->sin_addr);
    }
    if (sa->sa_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const void *)sa;
        bool local = IN6_IS_ADDR_LOOPBACK(&in6->sin6_addr);
        return local ? STR_NULL : str_from(&in6->sin6_addr, sizeof in6->sin6_addr);
    }
    return STR_NULL;
}

static void address_text(const struct sockaddr *sa, char out[INET6_ADDRSTRLEN])
{
    const void *bytes = &((const struct sockaddr_in6 *)(const void *)sa)->sin6_addr;
    if (sa->sa_family == AF_INET) {
        bytes = &((const struct sockaddr_in *)(const void *)sa)->sin_addr;
    }
    if (inet_ntop(sa->sa_family, bytes, out, INET6_ADDRSTRLEN) == NULL) {
        out[0] = '\0';
    }
}

static enum MHD_Result on_accept(void *ctx, const struct sockaddr *sa,
                                 socklen_t len ATTR_UNUSED)
{
    const struct httpd *h = ctx;
    char text[INET6_ADDRSTRLEN];
    address_text(sa, text);
    if (httpd_is_proxy(h, text)) {
        return MHD_YES;
    }
    struct str key = address_key(sa);
    const struct httpd_peer *peer = key.ptr != NULL ? map_get(h->addresses, key) : NULL;
    return peer != NULL && peer->count >= h->config.max_per_address ? MHD_NO : MHD_YES;
}

static const struct sockaddr *conn_address(struct MHD_Connection *mhd)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    return info->client_addr;
}

static void count_in(struct httpd_conn *conn)
{
    struct str key = address_key(conn_address(conn->mhd));
    if (key.ptr == NULL || httpd_is_proxy(conn->h, conn->remote)) {
        return;
    }
    struct httpd_peer *peer = map_get(conn->h->addresses, key);
    if (peer == NULL) {
        peer = MEM_NEW(struct httpd_peer);
        map_put(conn->h->addresses, key, peer);
    }
    peer->count++;
    conn->counted = true;
}

static void count_out(struct httpd_conn *conn)
{
    if (!conn->counted) {
        return;
    }
    struct str key = address_key(conn_address(conn->mhd));
    struct httpd_peer *peer = map_get(conn->h->addresses, key);
    CHECK(peer != NULL);
    if (--peer->count == 0) {
        (void)map_remove(conn->h->addresses, key);
    }
}

static void conn_new(struct httpd *h, struct MHD_Connection *mhd, void **slot)
{
    struct httpd_conn *conn = MEM_NEW(struct httpd_conn);
    conn->magic = HTTPD_CONN_MAGIC;
    conn->h = h;
    conn->mhd = mhd;
    conn->fd =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
    list_init(&conn->node);
    list_append(&h->conns, &conn->node);
    h->conn_count++;
    address_text(conn_address(mhd), conn->remote);
    count_in(conn);
    timer_set(h->loop, &conn->deadline, h->config.header_ms, on_header_deadline);
    *slot = conn;
}

static void conn_free(struct httpd_conn *conn)
{
    CHECK_MAGIC(conn, HTTPD_CONN_MAGIC);
    /* A head that could not be parsed has made a request that nobody heard of. */
    req_free(&conn->req);
    timer_stop(&conn->deadline);
    count_out(conn);
    list_remove(&conn->node);
    conn->h->conn_count--;
    conn->magic = 0;
    mem_free(conn);
}

static void on_connection(void *ctx, struct MHD_Connection *mhd, void **slot,
                          enum MHD_ConnectionNotificationCode what)
{
    if (what == MHD_CONNECTION_NOTIFY_STARTED) {
        conn_new(ctx, mhd, slot);
    } else if (*slot != NULL) {
        conn_free(*slot);
        *slot = NULL;
        /* At the connection limit the listener is watched again only by the next run. */
        httpd_wake(ctx);
    }
}

/* --- start and stop --- */

static int listen_on(const struct httpd_config *config, struct err *err)
{
    char port[8];
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
    struct addrinfo *found = NULL;
    (void)snprintf(port, sizeof port, "%u", (unsigned)config->port);
    int rc = getaddrinfo(config->host, port, &hints, &found);
    if (rc != 0) {
        (void)err_set(err, ERR_CONFIG, "address to listen on, %s: %s", config->host,
                      gai_strerror(rc));
        return -1;
    }
    int one = 1;
    int fd = socket(found->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    bool ok =
        fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) == 0 &&
        bind(fd, found->ai_addr, found->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0;
    int sys = errno;
    freeaddrinfo(found);
    if (ok) {
        return fd;
    }
    if (fd >= 0) {
        (void)close(fd);
    }
    (void)err_set_sys(err, ERR_IO, sys, "listen on %s port %s: %s", config->host, port,
                      strerror(sys));
    return -1;
}

static uint16_t port_of(int fd)
{
    struct sockaddr_storage ss = {0};
    socklen_t len = sizeof ss;
    CHECK(getsockname(fd, (struct sockaddr *)&ss, &len) == 0);
    return ss.ss_family == AF_INET6
               ? ntohs(((const struct sockaddr_in6 *)(const void *)&ss)->sin6_port)
               : ntohs(((const struct sockaddr_in *)(const void *)&ss)->sin_port);
}

static void ATTR_PRINTF(2, 0)
    on_mhd_log(void *ctx ATTR_UNUSED, const char *fmt, va_list ap)
{
    char text[256];
    if (log_enabled(LOG_DEBUG)) {
        (void)vsnprintf(text, sizeof text, fmt, ap);
        log_at(LOG_DEBUG, "httpd", "libmicrohttpd", LOG_S("reason", text));
    }
}

/* Paths and arguments stay as they were sent: httpd_uri decodes them, once. */
static size_t keep_escapes(void *ctx ATTR_UNUSED, struct MHD_Connection *mhd ATTR_UNUSED,
                           char *text)
{
    return strlen(text);
}

static void fill_defaults(struct httpd_config *c)
{
    c->host = c->host != NULL ? c->host : "127.0.0.1";
    c->max_connections = c->max_connections > 0 ? c->max_connections : MAX_CONNECTIONS;
    c->max_per_address = c->max_per_address > 0 ? c->max_per_address : MAX_PER_ADDRESS;
    c->header_ms = c->header_ms > 0 ? c->header_ms : HEADER_MS;
    c->idle_ms = c->idle_ms > 0 ? c->idle_ms : IDLE_MS;
    c->body_window_ms = c->body_window_ms > 0 ? c->body_window_ms : BODY_WINDOW_MS;
    c->body_window_bytes =
        c->body_window_bytes > 0 ? c->body_window_bytes : BODY_WINDOW_BYTES;
}

static bool start(struct httpd *h, int fd)
{
    unsigned flags = MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG;
    h->mhd = MHD_start_daemon(
        flags, 0, on_accept, h, req_access, h, MHD_OPTION_EXTERNAL_LOGGER, on_mhd_log, h,
        MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        (size_t)HTTPD_HEADER_POOL, MHD_OPTION_CONNECTION_LIMIT, h->config.max_connections,
        MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)((h->config.idle_ms + 999) / 1000),
        MHD_OPTION_NOTIFY_COMPLETED, req_completed, h, MHD_OPTION_NOTIFY_CONNECTION,
        on_connection, h, MHD_OPTION_URI_LOG_CALLBACK, on_request_line, h,
        MHD_OPTION_UNESCAPE_CALLBACK, keep_escapes, h, MHD_OPTION_STRICT_FOR_CLIENT, 1,
        MHD_OPTION_END);
    if (h->mhd == NULL) {
        return false;
    }
    h->port = port_of(fd);
    int epoll_fd = MHD_get_daemon_info(h->mhd, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
    h->watch = io_watch_new(h->loop, epoll_fd, on_readable, h);
    io_watch_set(h->watch, IO_READABLE);
    loop_hook_add(h->loop, &h->hook, on_turn);
    return true;
}

struct httpd *httpd_new(struct loop *loop, const struct httpd_config *config,
                        const struct httpd_handler *handler, void *ctx, struct err *err)
{
    CHECK(handler->on_headers != NULL && handler->on_body != NULL);
    struct httpd_config filled = *config;
    fill_defaults(&filled);
    int fd = listen_on(&filled, err);
    if (fd < 0) {
        return NULL;
    }
    struct httpd *h = MEM_NEW(struct httpd);
    *h = (struct httpd){.magic = HTTPD_MAGIC,
                        .loop = loop,
                        .config = filled,
                        .handler = handler,
                        .ctx = ctx};
    h->config.host = NULL; /* the caller's text is not ours to keep */
    h->trusted_proxies = mem_strdup(config->trusted_proxies);
    h->config.trusted_proxies = h->trusted_proxies;
    list_init(&h->conns);
    list_init(&h->reqs);
    h->addresses = map_new(mem_free);
    if (!start(h, fd)) {
        (void)close(fd);
        map_free(&h->addresses);
        mem_free(h->trusted_proxies);
        mem_free(h);
        (void)err_set(err, ERR_IO, "HTTP server did not start");
        return NULL;
    }
    return h;
}

uint16_t httpd_port(const struct httpd *h)
{
    return h->port;
}

size_t httpd_active(const struct httpd *h)
{
    size_t n = 0;
    list_foreach (node, &h->reqs) {
        n += container_of(node, struct httpd_req, node)->announced ? 1 : 0;
    }
    return n;
}

size_t httpd_connections(const struct httpd *h)
{
    return h->conn_count;
}

void httpd_quiesce(struct httpd *h)
{
    CHECK_MAGIC(h, HTTPD_MAGIC);
    if (!h->quiesced) {
        h->quiesced = true;
        MHD_socket fd = MHD_quiesce_daemon(h->mhd);
        if (fd != MHD_INVALID_SOCKET) {
            (void)close(fd);
        }
    }
}

/* libmicrohttpd aborts when it is stopped with a suspended connection, so each gets its
 * answer and a chance to send it first. */
static void finish_requests(struct httpd *h)
{
    h->stopping = true;
    list_foreach (node, &h->reqs) {
        struct httpd_req *req = container_of(node, struct httpd_req, node);
        if (req->suspended) {
            req_close(req);
            req_resume(req);
        }
    }
    for (int i = 0; i < RUNS_AT_STOP; i++) {
        (void)MHD_run(h->mhd);
    }
}

void httpd_free(struct httpd **hp)
{
    struct httpd *h = *hp;
    if (h == NULL) {
        return;
    }
    CHECK_MAGIC(h, HTTPD_MAGIC);
    *hp = NULL;
    httpd_quiesce(h);
    finish_requests(h);
    io_watch_free(&h->watch);
    loop_hook_remove(&h->hook);
    timer_stop(&h->timer);
    MHD_stop_daemon(h->mhd);
    CHECK(list_is_empty(&h->conns) && list_is_empty(&h->reqs));
    map_free(&h->addresses);
    mem_free(h->trusted_proxies);
    h->magic = 0;
    mem_free(h);
}
