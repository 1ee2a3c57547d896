#include "stream_priv.h"

#include "postrider/base/check.h"
#include "postrider/base/mem.h"

#include <openssl/ssl.h>
#include <stdio.h>

static const uint32_t stream_magic = 0x5354524du;

enum {
    GATHER_MS = 1 /* a fast server does not fill the buffers of the kernel meanwhile */
};

struct stream *stream_new(struct net *net, bool pipe)
{
    struct stream *s = MEM_NEW(struct stream);
    s->magic = stream_magic;
    s->state = STREAM_STATE_RAW;
    s->net = net;
    /* Records add less than a sixteenth to what stream_write lets through. */
    buf_init(&s->queue, (size_t)STREAM_QUEUE_MAX + STREAM_QUEUE_MAX / 16);
    buf_init(&s->left, 2 * (size_t)NET_READ_BUFFER);
    if (pipe) {
        CHECK(uv_pipe_init(loop_uv(net->loop), &s->uv.pipe, 0) == 0);
    } else {
        CHECK(uv_tcp_init(loop_uv(net->loop), &s->uv.tcp) == 0);
    }
    s->uv.handle.data = s;
    net->streams++;
    return s;
}

bool stream_is_gone(const struct stream *s)
{
    return s->state == STREAM_STATE_DEAD || s->state == STREAM_STATE_CLOSED;
}

void stream_update_reading(struct stream *s)
{
    bool on = false;
    switch (s->state) {
    case STREAM_STATE_HANDSHAKE:
        on = s->handshake->sent;
        break;
    case STREAM_STATE_OPEN:
        on = s->has_events && !s->paused && !s->rests && s->left.len == 0 &&
             !timer_is_set(&s->gathering);
        break;
    case STREAM_STATE_RAW:
    case STREAM_STATE_HELD:
    case STREAM_STATE_DEAD:
    case STREAM_STATE_CLOSED:
        break;
    }
    if (on != s->reading && s->state != STREAM_STATE_CLOSED) {
        stream_tcp_read(s, on);
    }
}

/* --- what happens later --- */

static void on_later(struct deferred *d)
{
    struct stream *s = container_of(d, struct stream, later);
    s->rests = false;
    if (s->state == STREAM_STATE_DEAD) {
        if (s->end != NULL && s->has_events) {
            struct err err = *s->end;
            mem_free(s->end);
            s->end = NULL;
            s->events.on_end(s->ctx, &err);
        }
    } else if (s->state == STREAM_STATE_OPEN && s->has_events && s->left.len > 0 &&
               !s->paused) {
        stream_tls_pump_left(s);
        stream_rest(s); /* that was its share of this turn */
    } else {
        stream_update_reading(s);
    }
}

void stream_want_later(struct stream *s)
{
    loop_defer(s->net->loop, &s->later, on_later);
}

void stream_rest(struct stream *s)
{
    if (s->state == STREAM_STATE_OPEN) {
        s->rests = true;
        stream_want_later(s);
        stream_update_reading(s);
    }
}

static void on_gathered(struct timer *t)
{
    stream_update_reading(container_of(t, struct stream, gathering));
}

void stream_gather(struct stream *s)
{
    if (s->gathers && s->state == STREAM_STATE_OPEN) {
        timer_set(s->net->loop, &s->gathering, GATHER_MS, on_gathered);
        stream_update_reading(s);
    }
}

void stream_fail(struct stream *s, const struct err *err)
{
    if (stream_is_gone(s)) {
        return;
    }
    s->state = STREAM_STATE_DEAD;
    stream_update_reading(s);
    s->end = MEM_NEW(struct err);
    *s->end = *err;
    stream_want_later(s);
}

void stream_deliver(struct stream *s, const char *data, size_t len)
{
    CHECK(s->state == STREAM_STATE_OPEN && s->has_events);
    s->events.on_data(s->ctx, data, len);
}

void stream_release(struct stream *s)
{
    if (s->state == STREAM_STATE_HELD || s->state == STREAM_STATE_RAW) {
        s->state = STREAM_STATE_OPEN;
        if (s->left.len > 0) {
            stream_want_later(s);
        }
        stream_update_reading(s);
    }
}

/* --- the owner's side --- */

void stream_set_events(struct stream *s, const struct stream_events *events, void *ctx)
{
    CHECK_MAGIC(s, stream_magic);
    CHECK(s->state != STREAM_STATE_CLOSED && events->on_data != NULL &&
          events->on_end != NULL);
    s->events = *events;
    s->ctx = ctx;
    s->has_events = true;
    if (s->end != NULL || s->left.len > 0) {
        stream_want_later(s);
    }
    stream_update_reading(s);
}

bool stream_write(struct stream *s, const void *data, size_t len)
{
    CHECK_MAGIC(s, stream_magic);
    if (s->state != STREAM_STATE_OPEN) {
        return false;
    }
    if (len > STREAM_QUEUE_MAX || stream_tcp_queued(s) > STREAM_QUEUE_MAX - len) {
        struct err err;
        err_set(&err, ERR_LIMIT, "more than %d bytes wait to be sent", STREAM_QUEUE_MAX);
        stream_fail(s, &err);
        return false;
    }
    if (len == 0) {
        return true;
    }
    if (s->ssl != NULL) {
        stream_tls_write(s, data, len);
    } else {
        stream_tcp_send(s, data, len);
    }
    return !stream_is_gone(s);
}

size_t stream_queued_bytes(const struct stream *s)
{
    return stream_tcp_queued(s);
}

void stream_read_pause(struct stream *s)
{
    s->paused = true;
    stream_update_reading(s);
}

void stream_read_resume(struct stream *s)
{
    s->paused = false;
    if (s->left.len > 0) {
        stream_want_later(s);
    }
    stream_update_reading(s);
}

void stream_read_gather(struct stream *s, bool on)
{
    s->gathers = on;
    if (!on) {
        timer_stop(&s->gathering);
        stream_update_reading(s);
    }
}

void stream_info_get(const struct stream *s, struct stream_info *out)
{
    CHECK_MAGIC(s, stream_magic);
    *out = (struct stream_info){.tls = s->ssl != NULL};
    if (s->uv.handle.type == UV_TCP && s->state != STREAM_STATE_CLOSED) {
        struct sockaddr_storage addr;
        int len = sizeof addr;
        if (uv_tcp_getpeername(&s->uv.tcp, (struct sockaddr *)&addr, &len) == 0) {
            net_address_format((struct sockaddr *)&addr, out->address, &out->port);
        }
        len = sizeof addr;
        if (uv_tcp_getsockname(&s->uv.tcp, (struct sockaddr *)&addr, &len) == 0) {
            net_address_format((struct sockaddr *)&addr, out->local_address, NULL);
        }
    }
    if (s->ssl != NULL) {
        out->resumed = SSL_session_reused(s->ssl) == 1;
        (void)snprintf(out->tls_version, sizeof out->tls_version, "%s",
                       SSL_get_version(s->ssl));
        (void)snprintf(out->tls_cipher, sizeof out->tls_cipher, "%s",
                       SSL_get_cipher_name(s->ssl));
    }
}

void stream_close(struct stream **sp)
{
    struct stream *s = *sp;
    if (s == NULL) {
        return;
    }
    CHECK_MAGIC(s, stream_magic);
    CHECK(s->state != STREAM_STATE_CLOSED);
    *sp = NULL;
    stream_tls_close(s);
    s->state = STREAM_STATE_CLOSED;
    if (s->starttls != NULL) {
        starttls_stream_closed(s->starttls);
        s->starttls = NULL;
    }
    loop_undefer(&s->later);
    timer_stop(&s->gathering);
    mem_free(s->end);
    s->end = NULL;
    buf_fini(&s->left);
    s->net->streams--;
    stream_tcp_close(s);
}
