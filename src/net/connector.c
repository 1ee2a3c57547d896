/* Makes a connection.
 *
 *   RESOLVE ──addresses──► RACE ──first one connected──► TLS ──► done
 *      └─(literal, unix path: at once)      └─ all failed ──► done
 *
 * RACE starts the next address when the last one failed, or has not answered for
 * NET_STAGGER_MS (RFC 8305 §5). The egress policy judges each address where it is used.
 */
#include "stream_priv.h"

#include "postrider/base/check.h"
#include "postrider/base/mem.h"

#include <string.h>
#include <sys/un.h>

enum {
    KEEPALIVE_S = 60
};

struct attempt {
    uv_connect_t req;
    struct net_connect *connect; /* NULL once it was given up */
    struct stream *stream;
    size_t index;
};

struct net_connect {
    struct op op;
    struct net *net;
    struct net_target target;
    struct net_resolve *resolve;
    struct net_address_list addresses;
    struct attempt *attempts[NET_ADDRESSES_MAX]; /* under way */
    size_t next;
    size_t pending;
    struct timer stagger;
    struct err last;
    struct stream *stream; /* the winner */
    net_connect_cb *cb;
    void *ctx;
};

/* --- ending --- */

static void attempts_give_up(struct net_connect *c)
{
    timer_stop(&c->stagger);
    for (size_t i = 0; i < ARRAY_LEN(c->attempts); i++) {
        if (c->attempts[i] != NULL) {
            c->attempts[i]->connect = NULL; /* its callback frees it */
            stream_close(&c->attempts[i]->stream);
            c->attempts[i] = NULL;
        }
    }
    c->pending = 0;
}

static void connect_abort(struct op *op)
{
    struct net_connect *c = container_of(op, struct net_connect, op);
    if (c->resolve != NULL) {
        dns_resolve_abandon(c->resolve);
        c->resolve = NULL;
    }
    attempts_give_up(c);
    stream_close(&c->stream);
}

static void connect_done(struct op *op)
{
    struct net_connect *c = container_of(op, struct net_connect, op);
    c->net->ops--;
    if (op->err.code == ERR_OK) {
        stream_release(c->stream);
        c->cb(c, &op->err, c->stream, c->ctx);
        return;
    }
    stream_close(&c->stream);
    if (c->target.unix_path != NULL) {
        err_wrap(&op->err, "connect to a unix socket");
    } else if (c->target.host != NULL) {
        err_wrap(&op->err, "connect to %s port %u", c->target.host,
                 (unsigned)c->target.port);
    }
    c->cb(c, &op->err, NULL, c->ctx);
}

static const struct op_type connect_type = {"connect", sizeof(struct net_connect),
                                            connect_abort, connect_done, NULL};

/* --- TLS --- */

static void on_handshake(void *ctx, const struct err *err)
{
    struct net_connect *c = ctx;
    if (err->code == ERR_OK) {
        op_complete(&c->op);
    } else {
        op_fail_err(&c->op, err);
    }
}

static void established(struct net_connect *c, struct stream *s)
{
    attempts_give_up(c);
    c->stream = s;
    if (s->uv.handle.type == UV_TCP) {
        (void)uv_tcp_nodelay(&s->uv.tcp, 1);
        (void)uv_tcp_keepalive(&s->uv.tcp, 1, KEEPALIVE_S);
        s->port = c->target.port;
    }
    struct err err;
    if (c->target.security == NET_PLAIN) {
        op_complete(&c->op);
    } else if (!stream_tls_start(s, &c->target.tls, c->target.host, false, on_handshake,
                                 c, &err)) {
        op_fail_err(&c->op, &err);
    }
}

/* --- the race --- */

static void race_step(struct net_connect *c);

static void note_failure(struct net_connect *c, int status)
{
    err_set_sys(&c->last, ERR_CONNECT, -status, "%s", uv_strerror(status));
    const char *name = uv_err_name(status);
    err_set_peer_code(&c->last, name, strlen(name));
}

static void on_connect(uv_connect_t *req, int status)
{
    struct attempt *a = container_of(req, struct attempt, req);
    struct net_connect *c = a->connect;
    struct stream *s = a->stream;
    if (c == NULL) {
        mem_free(a);
        return;
    }
    c->attempts[a->index] = NULL;
    c->pending--;
    mem_free(a);
    if (status == 0) {
        established(c, s);
        return;
    }
    note_failure(c, status);
    stream_close(&s);
    race_step(c);
}

static struct attempt *attempt_new(struct net_connect *c, size_t index, bool pipe)
{
    struct attempt *a = MEM_NEW(struct attempt);
    a->connect = c;
    a->index = index;
    a->stream = stream_new(c->net, pipe);
    c->attempts[index] = a;
    c->pending++;
    return a;
}

static bool attempt_start(struct net_connect *c, size_t index)
{
    union net_address *address = &c->addresses.items[index];
    if (!c->target.trusted && !egress_allows(c->net->config.egress, &address->any)) {
        err_set(&c->last, ERR_EGRESS, "this address is not allowed by the egress policy");
        return false;
    }
    in_port_t port = htons(c->target.port);
    if (address->any.sa_family == AF_INET) {
        address->in4.sin_port = port;
    } else {
        address->in6.sin6_port = port;
    }
    struct attempt *a = attempt_new(c, index, false);
    int rc = uv_tcp_connect(&a->req, &a->stream->uv.tcp, &address->any, on_connect);
    if (rc != 0) {
        note_failure(c, rc);
        c->attempts[index] = NULL;
        c->pending--;
        stream_close(&a->stream);
        mem_free(a);
        return false;
    }
    return true;
}

static void on_stagger(struct timer *t)
{
    race_step(container_of(t, struct net_connect, stagger));
}

static void race_step(struct net_connect *c)
{
    timer_stop(&c->stagger);
    while (c->next < c->addresses.count) {
        if (attempt_start(c, c->next++)) {
            if (c->next < c->addresses.count) {
                timer_set(c->net->loop, &c->stagger, NET_STAGGER_MS, on_stagger);
            }
            return;
        }
    }
    if (c->pending == 0) {
        op_fail_err(&c->op, &c->last);
    }
}

void net_addresses_interleave(struct net_address_list *list)
{
    struct net_address_list in = *list;
    sa_family_t wanted = in.items[0].any.sa_family;
    size_t next[2] = {0, 0}; /* of the wanted family, of the other */
    for (size_t out = 0; out < list->count; out++) {
        size_t turn = out % 2;
        for (unsigned tries = 0; tries < 2; tries++, turn = 1 - turn) {
            size_t *at = &next[turn];
            while (*at < in.count &&
                   (in.items[*at].any.sa_family == wanted) != (turn == 0)) {
                (*at)++;
            }
            if (*at < in.count) {
                list->items[out] = in.items[(*at)++];
                break;
            }
        }
    }
}

/* --- the start --- */

static void on_resolved(void *ctx, const struct err *err,
                        const struct net_address_list *addresses)
{
    struct net_connect *c = ctx;
    c->resolve = NULL;
    if (err->code != ERR_OK) {
        op_fail_err(&c->op, err);
        return;
    }
    c->addresses = *addresses;
    net_addresses_interleave(&c->addresses);
    race_step(c);
}

static void unix_start(struct net_connect *c)
{
    const char *path = c->target.unix_path;
    if (!c->target.trusted && c->net->config.egress != EGRESS_OFF) {
        op_fail(&c->op, ERR_EGRESS, "unix sockets are not allowed by the egress policy");
        return;
    }
    /* libuv would cut the path without a word. */
    if (path[0] == '\0' || strlen(path) >= sizeof(((struct sockaddr_un *)0)->sun_path)) {
        op_fail(&c->op, ERR_CONNECT, "the path is empty or too long");
        return;
    }
    struct attempt *a = attempt_new(c, 0, true);
    uv_pipe_connect(&a->req, &a->stream->uv.pipe, path, on_connect);
}

static void target_copy(struct net_connect *c, const struct net_target *from)
{
    struct arena *arena = &c->op.arena;
    c->target = *from;
    c->target.host = arena_strdup(arena, from->host);
    c->target.unix_path = arena_strdup(arena, from->unix_path);
    c->target.tls.ca_file = arena_strdup(arena, from->tls.ca_file);
    c->target.tls.server_name = arena_strdup(arena, from->tls.server_name);
    c->target.tls.min_version = arena_strdup(arena, from->tls.min_version);
}

struct net_connect *net_connect_start(struct net *net, const struct net_target *target,
                                      int64_t deadline_ms, net_connect_cb *cb, void *ctx)
{
    struct net_connect *c = op_new(net->loop, &connect_type, deadline_ms);
    c->net = net;
    c->cb = cb;
    c->ctx = ctx;
    net->ops++;
    target_copy(c, target);
    if (target->unix_path != NULL) {
        unix_start(c);
    } else if (target->port == 0) {
        op_fail(&c->op, ERR_CONNECT, "no port given");
    } else {
        c->resolve = dns_resolve_start(net, c->target.host, deadline_ms, on_resolved, c);
    }
    return c;
}

void net_connect_cancel(struct net_connect *c)
{
    if (c != NULL) {
        op_cancel(&c->op);
    }
}
