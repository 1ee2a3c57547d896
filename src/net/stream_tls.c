/* TLS over a stream, with a BIO of our own.
 * What the kernel delivers into the loop's one read buffer is consumed in place: SSL is
 * pumped until it wants more, so nothing stays behind but a partial record, which SSL
 * keeps. Only a paused or not yet claimed stream has leftover ciphertext, in s->left.
 * What SSL sends gathers in net->gather and goes out with one system call. */
#include "stream_priv.h"

#include "postrider/base/check.h"
#include "postrider/base/mem.h"

#include <limits.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <string.h>

enum {
    TLS_WRITE_SLICE = 256 * 1024,
    TLS_RECORD_HANDSHAKE = 22,
    TLS_RECORD_ALERT = 21
};

/* --- BIO --- */

static int bio_read(BIO *bio, char *out, int len)
{
    struct stream *s = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    if (len <= 0) {
        return 0;
    }
    if (s->in_len == 0) {
        BIO_set_retry_read(bio);
        return -1;
    }
    size_t n = s->in_len < (size_t)len ? s->in_len : (size_t)len;
    memcpy(out, s->in, n);
    s->in += n;
    s->in_len -= n;
    return (int)n;
}

static int bio_write(BIO *bio, const char *p, int len)
{
    const struct stream *s = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    return len > 0 && buf_put(&s->net->gather, p, (size_t)len) ? len : -1;
}

static long bio_ctrl(BIO *bio ATTR_UNUSED, int cmd, long num ATTR_UNUSED,
                     void *ptr ATTR_UNUSED)
{
    return cmd == BIO_CTRL_FLUSH ? 1 : 0;
}

BIO_METHOD *tls_bio_method_new(void)
{
    BIO_METHOD *method = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "stream");
    CHECK(method != NULL && BIO_meth_set_read(method, bio_read) == 1 &&
          BIO_meth_set_write(method, bio_write) == 1 &&
          BIO_meth_set_ctrl(method, bio_ctrl) == 1);
    return method;
}

static void bio_attach(struct stream *s)
{
    BIO *bio = BIO_new(s->net->bio_method);
    CHECK(bio != NULL);
    BIO_set_data(bio, s);
    BIO_set_init(bio, 1);
    SSL_set_bio(s->ssl, bio, bio);
}

/* Sends what SSL has produced. */
static void flush(struct stream *s)
{
    struct buf *gather = &s->net->gather;
    if (gather->len > 0 && s->state != STREAM_STATE_DEAD) {
        stream_tcp_send(s, gather->bytes, gather->len);
    }
    if (gather->cap > (size_t)NET_READ_BUFFER) {
        buf_release(gather);
    } else {
        buf_clear(gather);
    }
}

/* --- handshake --- */

/* Input that is not wanted now is kept; there is never more of it than one read. */
static void input_keep(struct stream *s)
{
    if (s->in_len > 0) {
        CHECK(s->left.len == 0 && buf_put(&s->left, s->in, s->in_len));
        s->in_len = 0;
    }
}

static void handshake_end(struct stream *s, const struct err *err)
{
    struct handshake *h = s->handshake;
    s->handshake = NULL;
    s->state = err->code == ERR_OK ? STREAM_STATE_HELD : STREAM_STATE_DEAD;
    input_keep(s);
    stream_update_reading(s);
    list_remove(&h->wait.node);
    handshake_cb *cb = h->cb;
    void *ctx = h->ctx;
    mem_free(h);
    cb(ctx, err);
}

static void handshake_fail(struct stream *s)
{
    struct err err;
    if (s->peer != NULL) {
        tls_peer_forget_session(s->peer); /* it may be the reason */
    }
    tls_err_set(&err, s->ssl, "TLS handshake failed");
    handshake_end(s, &err);
}

static void handshake_step(struct stream *s)
{
    ERR_clear_error();
    int rc = SSL_do_handshake(s->ssl);
    int why = rc == 1 ? SSL_ERROR_NONE : SSL_get_error(s->ssl, rc);
    flush(s); /* an alert too */
    if (why == SSL_ERROR_WANT_READ) {
        CHECK(s->in_len == 0);
        return;
    }
    if (why != SSL_ERROR_NONE) {
        handshake_fail(s);
        return;
    }
    if (s->peer != NULL && SSL_session_reused(s->ssl) == 0) {
        tls_peer_verified(s->peer);
    }
    struct err ok = {.code = ERR_OK};
    handshake_end(s, &ok);
}

/* The answer to our hello is a handshake record or an alert. Anything else was said in
 * clear, by someone between the server's go-ahead and TLS (threat M1). */
static bool is_injection(struct handshake *h, const char *data)
{
    bool first = !h->heard;
    h->heard = true;
    return h->starttls && first && data[0] != TLS_RECORD_HANDSHAKE &&
           data[0] != TLS_RECORD_ALERT;
}

static void injection_fail(struct stream *s)
{
    struct err err;
    err_set(&err, ERR_STARTTLS, "the server sent data in clear after agreeing to TLS");
    s->in_len = 0;
    handshake_end(s, &err);
}

static void on_ready(struct tls_wait *w, const struct err *err)
{
    struct handshake *h = container_of(w, struct handshake, wait);
    struct stream *s = h->stream;
    if (err->code != ERR_OK) {
        handshake_end(s, err);
        return;
    }
    if (h->starttls && stream_tcp_has_input(s)) {
        injection_fail(s);
        return;
    }
    h->sent = true;
    handshake_step(s);
    if (s->state == STREAM_STATE_HANDSHAKE) {
        stream_update_reading(s);
    }
}

bool stream_tls_start(struct stream *s, const struct tls_policy *policy, const char *host,
                      bool starttls, handshake_cb *cb, void *ctx, struct err *err)
{
    CHECK(s->ssl == NULL && s->handshake == NULL);
    struct tls_ctx *tls = tls_ctx_get(s->net, policy, err);
    if (tls == NULL) {
        return false;
    }
    s->ssl = tls_ctx_ssl_new(tls, policy, host, s->port, &s->peer, err);
    if (s->ssl == NULL) {
        return false;
    }
    bio_attach(s);
    struct handshake *h = MEM_NEW(struct handshake);
    h->stream = s;
    h->starttls = starttls;
    h->wait.fn = on_ready;
    h->cb = cb;
    h->ctx = ctx;
    s->handshake = h;
    s->state = STREAM_STATE_HANDSHAKE;
    stream_update_reading(s);
    tls_ctx_when_ready(tls, &h->wait);
    return true;
}

/* --- data --- */

static void read_fail(struct stream *s, int why)
{
    struct err err;
    if (why == SSL_ERROR_ZERO_RETURN) {
        err_set(&err, ERR_CLOSED, "the peer closed the connection");
    } else {
        tls_err_set(&err, s->ssl, "TLS failed");
    }
    s->in_len = 0;
    flush(s);
    stream_fail(s, &err);
}

/* Decrypts and delivers until SSL wants more input, or the owner wants no more data, or
 * the stream has had its slice of time. */
static void pump(struct stream *s)
{
    int64_t until_us = loop_turn_us(s->net->loop) + STREAM_SLICE_US;
    while (s->state == STREAM_STATE_OPEN && !s->paused) {
        if (s->in_len > 0 && loop_turn_us(s->net->loop) > until_us) {
            stream_rest(s);
            break;
        }
        ERR_clear_error();
        char *plain = s->net->plain_buffer;
        int n = SSL_read(s->ssl, plain, sizeof s->net->plain_buffer);
        if (n > 0) {
            stream_deliver(s, plain, (size_t)n);
            continue;
        }
        int why = SSL_get_error(s->ssl, n);
        if (why == SSL_ERROR_WANT_READ) {
            CHECK(s->in_len == 0);
            flush(s); /* an answer to a key update */
            return;
        }
        read_fail(s, why);
        return;
    }
    if (!stream_is_gone(s)) {
        input_keep(s);
        stream_update_reading(s);
    }
}

void stream_tls_input(struct stream *s, const char *data, size_t len)
{
    s->in = data;
    s->in_len = len;
    if (s->state != STREAM_STATE_HANDSHAKE) {
        pump(s);
    } else if (is_injection(s->handshake, data)) {
        injection_fail(s);
    } else {
        handshake_step(s);
    }
}

void stream_tls_pump_left(struct stream *s)
{
    size_t len = 0;
    char *bytes = buf_take(&s->left, &len);
    s->in = bytes;
    s->in_len = len;
    pump(s);
    mem_free(bytes);
    stream_update_reading(s);
}

void stream_tls_write(struct stream *s, const char *data, size_t len)
{
    while (len > 0 && !stream_is_gone(s)) {
        size_t slice = len < TLS_WRITE_SLICE ? len : TLS_WRITE_SLICE;
        ERR_clear_error();
        int n = SSL_write(s->ssl, data, (int)slice);
        if (n <= 0) {
            struct err err;
            tls_err_set(&err, s->ssl, "TLS failed");
            flush(s);
            stream_fail(s, &err);
            return;
        }
        flush(s);
        data += n;
        len -= (size_t)n;
    }
}

/* Without close_notify the end may be an attacker's cut (RFC 8446 §6.1). */
void stream_tls_eof(struct stream *s, const struct err *err)
{
    struct err end = *err;
    if (s->handshake != NULL) {
        err_wrap(&end, "TLS handshake");
        handshake_end(s, &end);
        return;
    }
    if (end.code == ERR_CLOSED) {
        err_set(&end, ERR_NET, "the connection ended without the end of TLS");
    }
    stream_fail(s, &end);
}

void stream_tls_close(struct stream *s)
{
    if (s->handshake != NULL) {
        list_remove(&s->handshake->wait.node);
        mem_free(s->handshake);
        s->handshake = NULL;
    } else if (s->ssl != NULL && s->state != STREAM_STATE_DEAD) {
        ERR_clear_error();
        (void)SSL_shutdown(s->ssl);
        flush(s);
        ERR_clear_error();
    }
    if (s->ssl != NULL) {
        SSL_set_app_data(s->ssl, NULL);
        SSL_free(s->ssl);
        s->ssl = NULL;
    }
    s->in_len = 0;
    tls_peer_release(&s->peer);
}
