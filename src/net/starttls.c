#include "stream_priv.h"

#include "postrider/base/check.h"

struct net_starttls {
    struct op op;
    struct net *net;
    struct stream *stream; /* NULL once it was closed */
    net_starttls_cb *cb;
    void *ctx;
};

static void stream_kill(struct stream *s)
{
    stream_tls_close(s);
    s->state = STREAM_STATE_DEAD;
    stream_update_reading(s);
}

static void starttls_abort(struct op *op)
{
    struct net_starttls *st = container_of(op, struct net_starttls, op);
    if (st->stream != NULL) {
        stream_kill(st->stream);
    }
}

static void starttls_done(struct op *op)
{
    struct net_starttls *st = container_of(op, struct net_starttls, op);
    struct stream *s = st->stream;
    st->net->ops--;
    if (s != NULL) {
        s->starttls = NULL;
        if (op->err.code == ERR_OK) {
            stream_release(s);
        }
    } else if (op->err.code == ERR_OK) {
        err_set(&op->err, ERR_CANCELED, "starttls: the stream was closed");
    }
    st->cb(st, &op->err, st->ctx);
}

static const struct op_type starttls_type = {"starttls", sizeof(struct net_starttls),
                                             starttls_abort, starttls_done, NULL};

void starttls_stream_closed(struct net_starttls *st)
{
    st->stream = NULL;
    op_fail(&st->op, ERR_CANCELED, "starttls: the stream was closed");
}

static void on_handshake(void *ctx, const struct err *err)
{
    struct net_starttls *st = ctx;
    if (err->code == ERR_OK) {
        op_complete(&st->op);
    } else {
        op_fail_err(&st->op, err);
    }
}

struct net_starttls *net_starttls_start(struct stream *s, const struct tls_policy *policy,
                                        const char *host, size_t leftover_len,
                                        int64_t deadline_ms, net_starttls_cb *cb,
                                        void *ctx)
{
    struct net_starttls *st = op_new(s->net->loop, &starttls_type, deadline_ms);
    st->net = s->net;
    st->stream = s;
    st->cb = cb;
    st->ctx = ctx;
    s->net->ops++;
    if (s->state != STREAM_STATE_OPEN || s->ssl != NULL) {
        st->stream = NULL;
        op_fail(&st->op, ERR_CLOSED, "starttls: the connection is not open in clear");
        return st;
    }
    s->starttls = st;
    struct err err;
    if (leftover_len > 0 || stream_tcp_has_input(s)) {
        op_fail(&st->op, ERR_STARTTLS,
                "the server sent data in clear after agreeing to TLS");
        stream_kill(s);
    } else if (!stream_tls_start(s, policy, host, true, on_handshake, st, &err)) {
        op_fail_err(&st->op, &err);
        stream_kill(s);
    }
    return st;
}

void net_starttls_cancel(struct net_starttls *st)
{
    if (st != NULL) {
        op_cancel(&st->op);
    }
}
