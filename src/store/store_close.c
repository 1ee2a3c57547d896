#include "store_parts.h"

struct store_close {
    struct store_op base;
    size_t replies_missing;
    struct err first_err;
    store_close_cb *cb;
    void *ctx;
};

static void close_done(struct op *op)
{
    struct store_close *c = container_of(op, struct store_close, base.op);
    c->cb(c, &op->err, c->ctx);
}

static const struct op_type close_type = {"store close", sizeof(struct store_close),
                                          store_op_abort, close_done, store_op_fini};

static void end(struct store_close *c)
{
    if (c->first_err.code != ERR_OK) {
        op_fail_err(&c->base.op, &c->first_err);
    } else {
        op_complete(&c->base.op);
    }
}

static void on_released(void *ctx, const struct store_reply *reply)
{
    struct store_close *c = ctx;
    if (reply->err != NULL && c->first_err.code == ERR_OK) {
        c->first_err = *reply->err;
    }
    if (--c->replies_missing == 0) {
        end(c);
    }
}

struct store_close *store_close_start(struct store *s, int64_t deadline_ms,
                                      store_close_cb *cb, void *ctx)
{
    struct store_close *c = op_new(s->loop, &close_type, deadline_ms);
    c->base.store = s;
    store_calls_init(&c->base.calls);
    c->cb = cb;
    c->ctx = ctx;
    s->opened = false;
    store_leases_stop(s);
    store_poll_stop(s);
    /* Renewals under way go first on the connection; their answers mean nothing now. */
    store_calls_end(&s->background, false);
    for (size_t i = 0; i < STORE_SHARDS; i++) {
        if (!s->shards[i].held) {
            continue;
        }
        struct store_words w;
        store_words_init(&w, &c->base.op.arena);
        store_lease_release_words(&w, s, (uint8_t)i);
        store_op_script(&c->base, STORE_LUA_RELEASE, &w, on_released, i);
        s->shards[i].held = false;
        s->shards[i].told = false;
        c->replies_missing++;
    }
    if (c->replies_missing == 0) {
        end(c);
    }
    return c;
}
