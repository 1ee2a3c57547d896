#include "store_log_priv.h"

struct store_dirty {
    struct store_op base;
    struct str *names;
    size_t count, cap;
    size_t waiting;
    store_dirty_cb *cb;
    void *ctx;
};

static void dirty_done(struct op *op)
{
    struct store_dirty *self = container_of(op, struct store_dirty, base.op);
    bool ok = op->err.code == ERR_OK;
    self->cb(self, &op->err, ok ? self->names : NULL, ok ? self->count : 0, self->ctx);
}

static const struct op_type dirty_type = {"store dirty", sizeof(struct store_dirty),
                                          store_op_abort, dirty_done, store_op_fini};

static void put_name(struct store_dirty *self, struct str name)
{
    struct arena *arena = &self->base.op.arena;
    if (self->count == self->cap) {
        size_t cap = self->cap == 0 ? 64 : self->cap * 2;
        struct str *names = ARENA_ARRAY(arena, struct str, cap);
        if (self->count > 0) {
            memcpy(names, self->names, self->count * sizeof *names);
        }
        self->names = names;
        self->cap = cap;
    }
    self->names[self->count++] = arena_str(arena, name);
}

static void on_members(void *ctx, const struct store_reply *reply)
{
    struct store_dirty *self = ctx;
    if (store_op_refused(&self->base, reply)) {
        return;
    }
    for (size_t i = 0; i < reply->value->count; i++) {
        put_name(self, reply->value->items[i].str);
    }
    if (--self->waiting == 0) {
        op_complete(&self->base.op);
    }
}

static void ask(struct store_dirty *self)
{
    struct store *s = self->base.store;
    for (size_t shard = 0; shard < STORE_SHARDS; shard++) {
        if (s->passive || store_owns(s, (uint8_t)shard)) {
            struct store_words w;
            store_words_init(&w, &self->base.op.arena);
            store_word_c(&w, "SMEMBERS");
            store_word(&w,
                       store_key_shard(&self->base.op.arena, s, (uint8_t)shard, "dirty"));
            self->waiting++;
            store_op_send(&self->base, &w, on_members, shard);
        }
    }
    if (self->waiting == 0) {
        op_complete(&self->base.op);
    }
}

struct store_dirty *store_dirty_start(struct store *s, store_dirty_cb *cb, void *ctx)
{
    struct store_dirty *self = store_op_new(s, &dirty_type, STORE_DEADLINE_MS);
    self->cb = cb;
    self->ctx = ctx;
    if (op_is_running(&self->base.op)) {
        ask(self);
    }
    return self;
}
