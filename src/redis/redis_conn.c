#include "redis_priv.h"

#include "postrider/base/check.h"
#include "postrider/base/log.h"
#include "postrider/base/mem.h"

#include <stdio.h>
#include <string.h>

static const uint32_t redis_magic = 0x52ed15c1u;

enum {
    WRITE_AHEAD_MAX = 1024 * 1024,    /* unsent bytes the stream may hold for us */
    OUT_KEEP_MAX = 1024 * 1024,       /* memory of the output kept while it is empty */
    OUT_COMPACT_MIN = 4 * 1024 * 1024 /* sent bytes at its front before it is moved */
};

static const struct backoff_policy retry_policy = {
    .first_ms = 100, .max_ms = 5000, .factor_percent = 200, .jitter_percent = 20};

/* Outlives the client when that is freed while a connection is on its way. */
struct redis_attempt {
    struct redis *r; /* NULL: nobody wants the result */
    struct net_connect *op;
};

static void redis_connect(struct redis *r);

const char *redis_state_name(enum redis_state state)
{
    switch (state) {
    case REDIS_STATE_DOWN:
        return "down";
    case REDIS_STATE_CONNECTING:
        return "connecting";
    case REDIS_STATE_HANDSHAKE:
        return "handshake";
    case REDIS_STATE_READY:
        return "ready";
    }
    check_failed("redis state", __FILE__, __LINE__, __func__);
}

void redis_check(const struct redis *r)
{
    CHECK_MAGIC(r, redis_magic);
}

static struct redis *redis_of(void *ctx)
{
    struct redis *r = ctx;
    redis_check(r);
    return r;
}

/* --- states */

static void on_telling(struct deferred *d)
{
    struct redis *r = container_of(d, struct redis, telling);
    bool ready = r->state == REDIS_STATE_READY;
    if (ready != r->told_ready) {
        r->told_ready = ready;
        if (r->cb != NULL) {
            r->cb(r, r->state, &r->last_err, r->ctx);
        }
    }
}

static bool edge_is_legal(enum redis_state from, enum redis_state to)
{
    return to == REDIS_STATE_DOWN || (int)to == (int)from + 1;
}

void redis_enter(struct redis *r, enum redis_state state)
{
    CHECK(edge_is_legal(r->state, state));
    log_at(LOG_TRACE, "redis", "state", LOG_S("from", redis_state_name(r->state)),
           LOG_S("to", redis_state_name(state)));
    r->state = state;
    if (state == REDIS_STATE_READY) {
        timer_stop(&r->timer);
        backoff_reset(&r->backoff);
        err_clear(&r->last_err);
        log_at(LOG_INFO, "redis", "connected", LOG_B("tls", r->address.tls));
    }
    loop_defer(r->loop, &r->telling, on_telling);
}

static void on_retry(struct timer *t)
{
    redis_connect(container_of(t, struct redis, timer));
}

static void on_hello_deadline(struct timer *t)
{
    struct redis *r = container_of(t, struct redis, timer);
    struct err err;
    (void)err_set(&err, ERR_TIMEOUT, "Redis accepted the connection but does not answer");
    redis_conn_lost(r, &err);
}

/* --- the order of replies */

void redis_ring_push(struct redis *r, struct redis_cmd *cmd)
{
    struct redis_ring *ring = &r->ring;
    if (ring->tail - ring->head == ring->cap) {
        size_t cap = ring->cap > 0 ? ring->cap * 2 : 64;
        struct redis_cmd **slots = mem_array(cap, sizeof(struct redis_cmd *));
        for (uint64_t seq = ring->head; seq != ring->tail; seq++) {
            slots[seq & (cap - 1)] = ring->slots[seq & (ring->cap - 1)];
        }
        mem_free(ring->slots);
        ring->slots = slots;
        ring->cap = cap;
    }
    cmd->seq = ring->tail++;
    cmd->end = r->out_base + r->out.len;
    ring->slots[cmd->seq & (ring->cap - 1)] = cmd;
}

static void ring_fail(struct redis *r, enum err_code code, const char *why)
{
    struct redis_ring *ring = &r->ring;
    uint64_t handed = r->out_base + r->out_pos;
    for (; ring->head != ring->tail; ring->head++) {
        struct redis_cmd *cmd = ring->slots[ring->head & (ring->cap - 1)];
        if (cmd != NULL) {
            cmd->r = NULL;
            cmd->maybe_executed = cmd->end <= handed;
            op_fail(&cmd->op, code, "%s", why);
        }
    }
}

/* --- output */

static void out_trim(struct redis *r)
{
    if (r->out_pos == r->out.len) {
        r->out_base += r->out.len;
        r->out_pos = 0;
        if (r->out.cap > OUT_KEEP_MAX) {
            buf_release(&r->out);
        } else {
            buf_clear(&r->out);
        }
    } else if (r->out_pos >= OUT_COMPACT_MIN && r->out_pos >= r->out.len / 2) {
        r->out_base += r->out_pos;
        buf_consume(&r->out, r->out_pos);
        r->out_pos = 0;
    }
}

static void flush(struct redis *r)
{
    while (r->stream != NULL && r->out_pos < r->out.len &&
           stream_queued_bytes(r->stream) < WRITE_AHEAD_MAX) {
        size_t left = r->out.len - r->out_pos;
        size_t n = left < WRITE_AHEAD_MAX ? left : WRITE_AHEAD_MAX;
        size_t pos = r->out_pos;
        r->out_pos += n;
        if (!stream_write(r->stream, r->out.bytes + pos, n)) {
            return; /* on_end tells */
        }
    }
    if (r->out.len > 0) {
        out_trim(r);
    }
}

static void on_hook(struct loop_hook *h)
{
    flush(container_of(h, struct redis, hook));
}

static void on_drain(void *ctx)
{
    flush(redis_of(ctx));
}

/* --- input */

static void take_reply(struct redis *r, const struct redis_reply *reply)
{
    if (r->state == REDIS_STATE_HANDSHAKE) {
        redis_hello_reply(r, reply);
        return;
    }
    struct redis_ring *ring = &r->ring;
    if (ring->head == ring->tail) {
        struct err err;
        (void)err_set(&err, ERR_PROTOCOL, "Redis sent a reply that nothing asked for");
        redis_conn_lost(r, &err);
        return;
    }
    size_t slot = ring->head++ & (ring->cap - 1);
    struct redis_cmd *cmd = ring->slots[slot];
    ring->slots[slot] = NULL;
    if (cmd != NULL) {
        redis_cmd_reply(cmd, &r->scratch, reply);
    }
}

static void on_data(void *ctx, const char *data, size_t len)
{
    struct redis *r = redis_of(ctx);
    redis_decoder_feed(r->decoder, data, len);
    while (r->stream != NULL) {
        const struct redis_reply *reply = NULL;
        struct err err;
        enum redis_decode got = redis_decoder_next(r->decoder, &r->scratch, &reply, &err);
        if (got == REDIS_DECODE_MORE) {
            break;
        }
        if (got == REDIS_DECODE_BAD) {
            redis_conn_lost(r, &err);
            break;
        }
        take_reply(r, reply);
    }
    arena_reset(&r->scratch);
}

static void on_end(void *ctx, const struct err *err)
{
    redis_conn_lost(redis_of(ctx), err);
}

static const struct stream_events stream_events = {on_data, on_drain, on_end};

/* --- connecting */

static void drop_stream(struct redis *r)
{
    struct stream *s = r->stream;
    r->stream = NULL;
    stream_close(&s);
    redis_decoder_free(&r->decoder);
    timer_stop(&r->timer);
}

void redis_conn_lost(struct redis *r, const struct err *err)
{
    /* A refusal during the handshake says more than the end of the stream behind it. */
    bool refused = r->state == REDIS_STATE_HANDSHAKE && r->hello_err.code != ERR_OK;
    struct err why = refused ? r->hello_err : *err;
    if (why.code != r->last_err.code) {
        log_at(LOG_WARN, "redis", "not connected", LOG_ERR_FIELDS(&why));
    }
    r->last_err = why;
    drop_stream(r);
    char text[ERR_MSG_MAX];
    (void)snprintf(text, sizeof text, "connection to Redis lost: %.200s", why.msg);
    ring_fail(r, ERR_STORE_DOWN, text);
    buf_release(&r->out);
    r->out_base = r->out_pos = 0;
    redis_script_forget(r);
    redis_enter(r, REDIS_STATE_DOWN);
    timer_set(r->loop, &r->timer, backoff_next_ms(&r->backoff, &retry_policy), on_retry);
}

static void on_connected(struct net_connect *op, const struct err *err,
                         struct stream *stream, void *ctx)
{
    (void)op;
    struct redis_attempt *attempt = ctx;
    struct redis *r = attempt->r;
    mem_free(attempt);
    if (r == NULL) {
        stream_close(&stream);
        return;
    }
    r->attempt = NULL;
    if (stream == NULL) {
        redis_conn_lost(r, err);
        return;
    }
    r->stream = stream;
    r->decoder = redis_decoder_new();
    redis_enter(r, REDIS_STATE_HANDSHAKE);
    timer_set(r->loop, &r->timer, REDIS_HELLO_DEADLINE_MS, on_hello_deadline);
    redis_hello_send(r);
    stream_set_events(stream, &stream_events, r);
}

static void redis_connect(struct redis *r)
{
    redis_enter(r, REDIS_STATE_CONNECTING);
    struct net_target target = {
        .host = r->address.host,
        .port = r->address.port,
        .unix_path = r->address.path,
        .security = r->address.tls ? NET_TLS : NET_PLAIN,
        .tls = {.insecure = r->tls_insecure, .ca_file = r->ca_file},
        .trusted = true,
    };
    r->attempt = MEM_NEW(struct redis_attempt);
    r->attempt->r = r;
    r->attempt->op = net_connect_start(r->net, &target, REDIS_CONNECT_DEADLINE_MS,
                                       on_connected, r->attempt);
}

/* --- life */

struct redis *redis_new(struct net *net, const struct redis_config *config,
                        struct err *err)
{
    struct redis *r = MEM_NEW(struct redis);
    if (!redis_url_parse(config->url, &r->arena, &r->address, err)) {
        arena_fini(&r->arena);
        mem_free(r);
        return NULL;
    }
    r->magic = redis_magic;
    r->net = net;
    r->loop = net_loop(net);
    r->ca_file = arena_strdup(&r->arena, config->ca_file);
    r->tls_insecure = config->tls_insecure;
    r->allow_eviction = config->allow_eviction;
    buf_init(&r->out, REDIS_OUT_MAX);
    loop_hook_add(r->loop, &r->hook, on_hook);
    redis_connect(r);
    return r;
}

void redis_free(struct redis **rp)
{
    if (rp == NULL || *rp == NULL) {
        return;
    }
    struct redis *r = *rp;
    redis_check(r);
    *rp = NULL;
    if (r->attempt != NULL) {
        r->attempt->r = NULL;
        net_connect_cancel(r->attempt->op);
    }
    flush(r); /* what was asked for before still goes out where it can */
    ring_fail(r, ERR_CANCELED, "the Redis client was closed");
    drop_stream(r);
    loop_undefer(&r->telling);
    loop_hook_remove(&r->hook);
    buf_fini(&r->out);
    mem_free(r->ring.slots);
    map_free(&r->shas);
    arena_fini(&r->scratch);
    if (r->address.password != NULL) {
        /* The arena's copy, on its way back to the allocator. */
        mem_wipe((char *)(uintptr_t)r->address.password, strlen(r->address.password));
    }
    arena_fini(&r->arena);
    r->magic = 0;
    mem_free(r);
}

enum redis_state redis_state_get(const struct redis *r)
{
    redis_check(r);
    return r->state;
}

size_t redis_waiting_bytes(const struct redis *r)
{
    redis_check(r);
    return r->out.len - r->out_pos +
           (r->stream != NULL ? stream_queued_bytes(r->stream) : 0);
}

const struct err *redis_last_err(const struct redis *r)
{
    redis_check(r);
    return &r->last_err;
}

void redis_set_state_cb(struct redis *r, redis_state_cb *cb, void *ctx)
{
    redis_check(r);
    r->cb = cb;
    r->ctx = ctx;
    loop_defer(r->loop, &r->telling, on_telling);
}
