#include "stream_priv.h"

#include "postrider/base/check.h"
#include "postrider/base/mem.h"

#include <sys/socket.h>

/* --- reading --- */

static void on_alloc(uv_handle_t *handle, size_t suggested ATTR_UNUSED, uv_buf_t *buf)
{
    const struct stream *s = handle->data;
    bool crowded = loop_turn_us(s->net->loop) > NET_CROWDED_US;
    *buf = uv_buf_init(s->net->read_buffer,
                       crowded ? NET_CROWDED_BYTES : sizeof s->net->read_buffer);
}

static void end_err_set(struct err *err, const struct stream *s, ssize_t status)
{
    if (s->write_status != 0) {
        status = s->write_status; /* says more than the end that follows from it */
    }
    if (status == UV_EOF) {
        err_set(err, ERR_CLOSED, "the peer closed the connection");
    } else {
        err_set_sys(err, ERR_NET, (int)-status, "connection lost: %s",
                    uv_strerror((int)status));
    }
}

static void on_read(uv_stream_t *stream, ssize_t nread, const uv_buf_t *buf)
{
    struct stream *s = stream->data;
    if (nread == 0 || stream_is_gone(s)) {
        return;
    }
    if (nread > 0) {
        /* libuv would read on as long as buffers come back full. */
        if ((size_t)nread == buf->len) {
            stream_rest(s);
        } else {
            stream_gather(s);
        }
        if (s->ssl != NULL) {
            stream_tls_input(s, buf->base, (size_t)nread);
        } else {
            stream_deliver(s, buf->base, (size_t)nread);
        }
        return;
    }
    struct err err;
    end_err_set(&err, s, nread);
    if (s->ssl != NULL) {
        stream_tls_eof(s, &err);
    } else {
        stream_fail(s, &err);
    }
}

void stream_tcp_read(struct stream *s, bool on)
{
    s->reading = on;
    if (!on) {
        (void)uv_read_stop(&s->uv.stream);
        return;
    }
    int rc = uv_read_start(&s->uv.stream, on_alloc, on_read);
    if (rc != 0) {
        struct err err;
        end_err_set(&err, s, rc);
        stream_fail(s, &err);
    }
}

bool stream_tcp_has_input(struct stream *s)
{
    uv_os_fd_t fd;
    char byte;
    return uv_fileno(&s->uv.handle, &fd) == 0 &&
           recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

/* --- writing --- */

/* The reading side may still hold the peer's last words (a BYE before a reset) and will
 * meet the end itself; only if nobody reads must it be told here. */
static void write_failed(struct stream *s, int status)
{
    s->write_status = status;
    buf_release(&s->queue);
    if (!s->reading && s->state == STREAM_STATE_OPEN) {
        struct err err;
        end_err_set(&err, s, status);
        stream_fail(s, &err);
    }
}

static void queue_submit(struct stream *s);

static void on_written(uv_write_t *req, int status)
{
    struct stream_write_req *w = container_of(req, struct stream_write_req, req);
    struct stream *s = req->data;
    mem_free(w->bytes);
    mem_free(w);
    s->writing = NULL;
    if (stream_is_gone(s)) {
        return;
    }
    if (status < 0) {
        write_failed(s, status);
    } else if (s->queue.len > 0) {
        queue_submit(s);
    } else if (s->has_events && s->events.on_drain != NULL &&
               s->state == STREAM_STATE_OPEN) {
        s->events.on_drain(s->ctx);
    }
}

static void queue_submit(struct stream *s)
{
    struct stream_write_req *w = MEM_NEW(struct stream_write_req);
    size_t len = 0;
    w->bytes = buf_take(&s->queue, &len);
    w->req.data = s;
    s->writing = w;
    uv_buf_t buf = uv_buf_init(w->bytes, (unsigned)len);
    int rc = uv_write(&w->req, &s->uv.stream, &buf, 1, on_written);
    if (rc != 0) {
        s->writing = NULL;
        mem_free(w->bytes);
        mem_free(w);
        write_failed(s, rc);
    }
}

void stream_tcp_send(struct stream *s, const char *p, size_t n)
{
    if (s->write_status != 0) {
        return;
    }
    if (s->writing == NULL) {
        uv_buf_t buf = uv_buf_init((char *)(uintptr_t)p, (unsigned)n);
        int sent = uv_try_write(&s->uv.stream, &buf, 1);
        if (sent < 0 && sent != UV_EAGAIN) {
            write_failed(s, sent);
            return;
        }
        p += sent > 0 ? sent : 0;
        n -= sent > 0 ? (size_t)sent : 0;
    }
    if (n > 0 && !buf_put(&s->queue, p, n)) {
        struct err err;
        err_set(&err, ERR_LIMIT, "more than %d bytes wait to be sent", STREAM_QUEUE_MAX);
        stream_fail(s, &err);
        return;
    }
    if (s->writing == NULL && s->queue.len > 0) {
        queue_submit(s);
    }
}

size_t stream_tcp_queued(const struct stream *s)
{
    return s->queue.len +
           (s->writing != NULL ? uv_stream_get_write_queue_size(&s->uv.stream) : 0);
}

/* --- closing --- */

static void on_closed(uv_handle_t *handle)
{
    struct stream *s = handle->data;
    CHECK(s->writing == NULL);
    s->magic = 0;
    mem_free(s);
}

void stream_tcp_close(struct stream *s)
{
    buf_fini(&s->queue);
    uv_close(&s->uv.handle, on_closed);
}
