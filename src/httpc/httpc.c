/* curl's multi handle on our loop: it says which sockets and which time it waits for, we
 * tell it when they come. No user's callback runs inside curl: requests end through op,
 * later. */
#include "httpc_priv.h"

#include "postrider/base/check.h"
#include "postrider/base/mem.h"

#include <sys/socket.h>
#include <unistd.h>

static const uint32_t httpc_magic = 0x68747063u;

void httpc_check(const struct httpc *h)
{
    CHECK_MAGIC(h, httpc_magic);
}

static void take_finished(struct httpc *h)
{
    int left = 0;
    for (CURLMsg *msg; (msg = curl_multi_info_read(h->multi, &left)) != NULL;) {
        if (msg->msg == CURLMSG_DONE) {
            httpc_req_finished(msg->easy_handle, msg->data.result);
        }
    }
}

void httpc_act(struct httpc *h, curl_socket_t fd, int mask)
{
    int running = 0;
    (void)curl_multi_socket_action(h->multi, fd, mask, &running);
    take_finished(h);
}

static void on_timer(struct timer *t)
{
    httpc_act(container_of(t, struct httpc, timer), CURL_SOCKET_TIMEOUT, 0);
}

/* curl's timer callback. 0 must not become 1 ms: requests one
 * after the other would take twenty times as long. */
static int on_timeout_wanted(CURLM *multi ATTR_UNUSED, long timeout_ms, void *ctx)
{
    struct httpc *h = ctx;
    if (timeout_ms < 0) {
        timer_stop(&h->timer);
    } else {
        timer_set(h->loop, &h->timer, timeout_ms, on_timer);
    }
    return 0;
}

/* --- sockets
 * curl stops watching a connection when a request ends, and begins again with the next one:
 * at a webhook's pace that would be four calls of the kernel for each. So those that have
 * brought an answer stay watched until they are closed. Not before: curl 7.88 to 8.2 closes
 * a socket that was not connected yet by itself, and tells nobody; its number may be that of
 * any other descriptor from then on. */

struct httpc_socket {
    struct httpc *h;
    curl_socket_t fd;
    struct io_watch *watch;
    unsigned wanted;  /* by curl; 0 = nothing is under way */
    unsigned watched; /* by the loop */
    bool stays;       /* until it is closed */
};

static struct str fd_key(const curl_socket_t *fd)
{
    return str_from(fd, sizeof *fd);
}

static void watch(struct httpc_socket *s, unsigned events)
{
    if (s->watched != events) {
        s->watched = events;
        io_watch_set(s->watch, events);
    }
}

static void on_socket(struct io_watch *w ATTR_UNUSED, unsigned events, void *ctx)
{
    struct httpc_socket *s = ctx;
    int mask = 0;
    if (s->wanted == 0) {
        watch(s, 0); /* the peer has closed it: curl finds out before it uses it again */
        return;
    }
    mask |= (events & (IO_READABLE | IO_HANGUP)) != 0 ? CURL_CSELECT_IN : 0;
    mask |= (events & IO_WRITABLE) != 0 ? CURL_CSELECT_OUT : 0;
    httpc_act(s->h, s->fd, mask);
}

static struct httpc_socket *socket_new(struct httpc *h, curl_socket_t fd)
{
    struct httpc_socket *s = MEM_NEW(struct httpc_socket);
    s->h = h;
    s->fd = fd;
    s->watch = io_watch_new(h->loop, fd, on_socket, s);
    map_put(h->sockets, fd_key(&fd), s);
    return s;
}

static void socket_free(void *value)
{
    struct httpc_socket *s = value;
    io_watch_free(&s->watch);
    mem_free(s);
}

/* The number is that of a socket which was closed in silence, for another address of the
 * same request: the kernel forgot what was watched. */
static void watch_anew(struct httpc_socket *s)
{
    io_watch_free(&s->watch);
    s->watch = io_watch_new(s->h->loop, s->fd, on_socket, s);
    s->watched = 0;
    watch(s, s->wanted);
}

curl_socket_t httpc_socket_open(struct httpc *h, const struct curl_sockaddr *addr)
{
    curl_socket_t fd =
        socket(addr->family, addr->socktype | SOCK_CLOEXEC, addr->protocol);
    struct httpc_socket *known = fd >= 0 ? map_get(h->sockets, fd_key(&fd)) : NULL;
    if (known != NULL) {
        watch_anew(known);
    }
    return fd;
}

int httpc_socket_close(void *ctx, curl_socket_t fd)
{
    struct httpc *h = ctx;
    (void)map_remove(h->sockets, fd_key(&fd));
    return close(fd);
}

void httpc_socket_keep(struct httpc *h, curl_socket_t fd)
{
    struct httpc_socket *s = map_get(h->sockets, fd_key(&fd));
    s = s != NULL ? s : socket_new(h, fd);
    s->stays = true;
}

static int on_socket_wanted(CURL *easy ATTR_UNUSED, curl_socket_t fd, int what, void *ctx,
                            void *socket_ctx ATTR_UNUSED)
{
    struct httpc *h = ctx;
    struct httpc_socket *s = map_get(h->sockets, fd_key(&fd));
    if (what == CURL_POLL_REMOVE) {
        if (s != NULL && s->stays) {
            s->wanted = 0;
        } else {
            (void)map_remove(h->sockets, fd_key(&fd));
        }
        return 0;
    }
    s = s != NULL ? s : socket_new(h, fd);
    unsigned events = 0;
    events |= (what & CURL_POLL_IN) != 0 ? IO_READABLE : 0u;
    events |= (what & CURL_POLL_OUT) != 0 ? IO_WRITABLE : 0u;
    s->wanted = events;
    watch(s, events);
    return 0;
}

/* --- handles */

CURL *httpc_handle_take(struct httpc *h)
{
    CURL *easy = h->spare_count > 0 ? h->spare[--h->spare_count] : curl_easy_init();
    CHECK(easy != NULL);
    return easy;
}

void httpc_handle_give(struct httpc *h, CURL *easy)
{
    if (h->spare_count < HTTPC_SPARE_MAX) {
        curl_easy_reset(easy); /* headers, body and credentials, too */
        h->spare[h->spare_count++] = easy;
    } else {
        curl_easy_cleanup(easy);
    }
}

/* --- the client */

struct httpc *httpc_new(struct net *net, const struct httpc_config *config)
{
    CHECK(curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK);
    struct httpc *h = MEM_NEW(struct httpc);
    h->magic = httpc_magic;
    h->net = net;
    h->loop = net_loop(net);
    h->egress = config->egress;
    h->ca_file = mem_strdup(config->ca_file);
    h->sockets = map_new(socket_free);
    h->multi = curl_multi_init();
    CHECK(h->multi != NULL);
    long per_host =
        config->host_connections > 0 ? config->host_connections : HTTPC_HOST_CONNECTIONS;
    long idle =
        config->idle_connections > 0 ? config->idle_connections : HTTPC_IDLE_CONNECTIONS;
    (void)curl_multi_setopt(h->multi, CURLMOPT_SOCKETFUNCTION, on_socket_wanted);
    (void)curl_multi_setopt(h->multi, CURLMOPT_SOCKETDATA, h);
    (void)curl_multi_setopt(h->multi, CURLMOPT_TIMERFUNCTION, on_timeout_wanted);
    (void)curl_multi_setopt(h->multi, CURLMOPT_TIMERDATA, h);
    (void)curl_multi_setopt(h->multi, CURLMOPT_MAX_HOST_CONNECTIONS, per_host);
    (void)curl_multi_setopt(h->multi, CURLMOPT_MAXCONNECTS, idle);
    (void)curl_multi_setopt(h->multi, CURLMOPT_PIPELINING, (long)CURLPIPE_NOTHING);
    return h;
}

void httpc_free(struct httpc **hp)
{
    struct httpc *h = *hp;
    if (h == NULL) {
        return;
    }
    httpc_check(h);
    CHECK(h->active == 0);
    *hp = NULL;
    while (h->spare_count > 0) {
        curl_easy_cleanup(h->spare[--h->spare_count]);
    }
    (void)curl_multi_cleanup(h->multi);
    timer_stop(&h->timer);
    map_free(&h->sockets);
    mem_free(h->ca_file);
    h->magic = 0;
    mem_free(h);
    curl_global_cleanup();
}

size_t httpc_active(const struct httpc *h)
{
    httpc_check(h);
    return h->active;
}
