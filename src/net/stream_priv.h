/* The body of a stream, for its three files: stream.c (events, states), stream_tcp.c
 * (bytes to and from the kernel), stream_tls.c (records).
 *
 *   RAW ──connected──► OPEN ──starttls──► HANDSHAKE ──► HELD ──owner was told──► OPEN
 *    └──TLS──► HANDSHAKE ──► HELD ──► OPEN                │
 *   any ──failure──► DEAD     any ──stream_close──► CLOSED (memory stays until libuv's
 *                                                   close callback)
 * Reading is on in HANDSHAKE (once the hello was sent), and in OPEN when there are
 * events, no pause, no rest, and no bytes left over. */
#ifndef POSTRIDER_NET_STREAM_PRIV_H
#define POSTRIDER_NET_STREAM_PRIV_H

#include "net_priv.h"

enum stream_state {
    STREAM_STATE_RAW,
    STREAM_STATE_HANDSHAKE,
    STREAM_STATE_HELD,
    STREAM_STATE_OPEN,
    STREAM_STATE_DEAD,
    STREAM_STATE_CLOSED
};

typedef void handshake_cb(void *ctx, const struct err *err);

/* Lives from the start of a handshake to its end. */
struct handshake {
    struct tls_wait wait;
    struct stream *stream;
    bool starttls;
    bool sent;  /* the hello is on its way */
    bool heard; /* something came back */
    handshake_cb *cb;
    void *ctx;
};

/* One piece handed to libuv. */
struct stream_write_req {
    uv_write_t req;
    char *bytes;
};

struct stream {
    uint32_t magic;
    enum stream_state state;
    struct net *net;
    union {
        uv_handle_t handle;
        uv_stream_t stream;
        uv_tcp_t tcp;
        uv_pipe_t pipe;
    } uv;
    struct stream_events events;
    void *ctx;
    bool has_events;
    bool paused;
    bool reading;
    bool rests;             /* had its share of this turn; `later` goes on */
    bool gathers;           /* reads now and then, as long as it catches up */
    struct timer gathering; /* set: not now */
    uint16_t port;
    int write_status; /* what a write failed with; reading finds out the rest */
    struct stream_write_req *writing;
    struct buf queue;      /* behind `writing` */
    struct deferred later; /* the end, or leftover input */
    struct err *end;       /* to be told */
    struct ssl_st *ssl;    /* NULL: plain */
    struct tls_peer *peer;
    struct handshake *handshake;
    struct net_starttls *starttls;
    const char *in; /* ciphertext the BIO may take, within one pump */
    size_t in_len;
    struct buf left; /* ciphertext that came before it was wanted */
};

/* --- stream.c */
struct stream *stream_new(struct net *net, bool pipe);
void stream_deliver(struct stream *s, const char *data, size_t len);
/* The stream is dead; on_end follows later. */
void stream_fail(struct stream *s, const struct err *err);
/* The owner was told: data may flow. */
void stream_release(struct stream *s);
/* Turns reading on or off as the state wants it. */
void stream_update_reading(struct stream *s);
bool stream_is_gone(const struct stream *s);
/* No more of it in this turn. */
void stream_rest(struct stream *s);
/* All that had come was read: more may come before the next read, if the owner lets it. */
void stream_gather(struct stream *s);
void stream_want_later(struct stream *s);

/* --- stream_tcp.c */
void stream_tcp_read(struct stream *s, bool on);
/* Sends or queues bytes as they are. */
void stream_tcp_send(struct stream *s, const char *p, size_t n);
size_t stream_tcp_queued(const struct stream *s);
void stream_tcp_close(struct stream *s);
/* Has the kernel bytes for us already? */
bool stream_tcp_has_input(struct stream *s);

/* --- stream_tls.c */
/* cb: once, from the loop, unless the stream is closed before. False, and no cb, if the
 * policy cannot work. */
bool stream_tls_start(struct stream *s, const struct tls_policy *policy, const char *host,
                      bool starttls, handshake_cb *cb, void *ctx, struct err *err);
void stream_tls_input(struct stream *s, const char *data, size_t len);
void stream_tls_pump_left(struct stream *s);
void stream_tls_write(struct stream *s, const char *data, size_t len);
/* The connection ended below. */
void stream_tls_eof(struct stream *s, const struct err *err);
/* close_notify, and everything of TLS is freed. */
void stream_tls_close(struct stream *s);

/* --- starttls.c */
void starttls_stream_closed(struct net_starttls *op);

#endif
