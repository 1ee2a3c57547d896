#include "store_log_priv.h"

#include "postrider/base/clock.h"

struct store_trim_op {
    struct store_op base;
    uint8_t shard;
    struct store_log_size size;
    store_trim_cb *cb;
    void *ctx;
};

static void trim_done(struct op *op)
{
    struct store_trim_op *self = container_of(op, struct store_trim_op, base.op);
    if (op->err.code == ERR_FENCED) {
        store_lease_suspect(self->base.store, self->shard);
    }
    self->cb(self, &op->err, &self->size, self->ctx);
}

static const struct op_type trim_type = {"store trim", sizeof(struct store_trim_op),
                                         store_op_abort, trim_done, store_op_fini};

static void on_trimmed(void *ctx, const struct store_reply *reply)
{
    struct store_trim_op *self = ctx;
    if (store_op_refused(&self->base, reply)) {
        return;
    }
    const struct redis_reply *v = reply->value;
    if (v->type == REDIS_ARRAY && v->count == 3) {
        self->size = (struct store_log_size){.removed = (uint64_t)v->items[0].integer,
                                             .entries = (uint64_t)v->items[1].integer,
                                             .bytes = (uint64_t)v->items[2].integer};
    }
    op_complete(&self->base.op);
}

struct store_trim_op *store_log_trim_start(struct store *s, const struct store_acct *a,
                                           const struct store_trim *trim,
                                           store_trim_cb *cb, void *ctx)
{
    struct store_trim_op *self = store_op_new(s, &trim_type, STORE_DEADLINE_MS);
    self->shard = a->shard;
    self->cb = cb;
    self->ctx = ctx;
    if (!op_is_running(&self->base.op)) {
        return self;
    }
    struct arena *arena = &self->base.op.arena;
    int64_t oldest_ms = clock_wall_ms() - s->log_retention_ms;
    struct store_words w;
    store_words_init(&w, arena);
    store_words_lease_keys(&w, s, a->shard);
    store_word(&w, store_key(arena, s, a, "log"));
    store_word(&w, store_key(arena, s, a, "cur"));
    store_word(&w, store_key_shard(arena, s, a->shard, "feed"));
    store_words_lease_args(&w, s, a->shard);
    store_word_u64(&w, oldest_ms > 0 ? (uint64_t)oldest_ms : 0);
    store_word_u64(&w, trim->max_entries);
    store_word_u64(&w, trim->max_bytes);
    for (size_t i = 0; i < trim->reader_count; i++) {
        store_word(&w, trim->readers[i].reader);
        store_word_c(&w, trim->readers[i].entry_id);
    }
    store_op_script(&self->base, STORE_LUA_TRIM, &w, on_trimmed, 0);
    return self;
}
