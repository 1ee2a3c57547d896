/* Moving a reader's cursor: one script a shard, then the counter that tells every node. */
#include "postrider/base/check.h"
#include "store_log_priv.h"

struct store_replay {
    struct store_op base;
    size_t waiting, moved;
    store_replay_cb *cb;
    void *ctx;
};

static void replay_done(struct op *op)
{
    struct store_replay *self = container_of(op, struct store_replay, base.op);
    self->cb(self, &op->err, self->moved, self->ctx);
}

static const struct op_type replay_type = {"store replay", sizeof(struct store_replay),
                                           store_op_abort, replay_done, store_op_fini};

static void on_told(void *ctx, const struct store_reply *reply)
{
    struct store_replay *self = ctx;
    if (!store_op_refused(&self->base, reply)) {
        op_complete(&self->base.op);
    }
}

static void on_moved(void *ctx, const struct store_reply *reply)
{
    struct store_replay *self = ctx;
    struct arena *arena = &self->base.op.arena;
    if (store_op_refused(&self->base, reply)) {
        return;
    }
    self->moved += (size_t)reply->value->integer;
    if (--self->waiting > 0) {
        return;
    }
    struct store_words w;
    store_words_init(&w, arena);
    store_word_c(&w, "INCR");
    store_word(&w, store_key_global(arena, self->base.store, MOVES_KEY));
    store_op_send(&self->base, &w, on_told, 0);
}

static void ask(struct store_replay *self, uint8_t shard, const char *account_name,
                const char *reader, const char *entry_id)
{
    struct store *s = self->base.store;
    struct arena *arena = &self->base.op.arena;
    struct store_words w;
    store_words_init(&w, arena);
    store_word(&w, store_key_shard(arena, s, shard, "accounts"));
    store_word(&w, store_key_shard(arena, s, shard, "dirty"));
    store_words_end_keys(&w);
    store_word(&w, store_key_shard(arena, s, shard, ""));
    store_word_c(&w, account_name);
    store_word_c(&w, reader);
    store_word_c(&w, entry_id);
    self->waiting++;
    store_op_script(&self->base, STORE_LUA_REPLAY, &w, on_moved, shard);
}

struct store_replay *store_replay_start(struct store *s, const struct store_acct *acct,
                                        const char *reader, const char *entry_id,
                                        store_replay_cb *cb, void *ctx)
{
    CHECK(store_reader_name_is(reader));
    struct store_replay *self = store_op_new(s, &replay_type, STORE_DEADLINE_MS);
    struct arena *arena = &self->base.op.arena;
    struct err err = {0};
    self->cb = cb;
    self->ctx = ctx;
    reader = arena_strdup(arena, reader);
    entry_id = arena_strdup(arena, entry_id);
    if (strcmp(entry_id, STORE_CURSOR_END) != 0 &&
        strcmp(entry_id, STORE_CURSOR_NONE) != 0 &&
        !store_entry_id_check(entry_id, &err)) {
        op_fail_err(&self->base.op, &err);
    }
    if (op_is_running(&self->base.op) && acct != NULL) {
        ask(self, acct->shard, arena_strdup(arena, acct->name), reader, entry_id);
        return self;
    }
    for (size_t i = 0; i < STORE_SHARDS && op_is_running(&self->base.op); i++) {
        ask(self, (uint8_t)i, "", reader, entry_id);
    }
    return self;
}

/* --- who hears of it --- */

void store_set_moved_cb(struct store *s, store_moved_cb *cb, void *ctx)
{
    s->moved_cb = cb;
    s->moved_ctx = ctx;
}

void store_moves_seen(struct store *s, int64_t moves)
{
    bool changed = s->moves_seen >= 0 && s->moves_seen != moves;
    s->moves_seen = moves;
    if (changed && s->moved_cb != NULL) {
        s->moved_cb(s, s->moved_ctx);
    }
}
