#include "store_log_priv.h"

#include "postrider/base/check.h"
#include "postrider/base/clock.h"

#include <stdio.h>

/* --- all cursors of an account ----------------------------------------------------- */

struct store_cursors {
    struct store_op base;
    struct store_cursor *cursors;
    size_t count;
    store_cursors_cb *cb;
    void *ctx;
};

static void cursors_done(struct op *op)
{
    struct store_cursors *self = container_of(op, struct store_cursors, base.op);
    bool ok = op->err.code == ERR_OK;
    self->cb(self, &op->err, ok ? self->cursors : NULL, ok ? self->count : 0, self->ctx);
}

static const struct op_type cursors_type = {"store cursors", sizeof(struct store_cursors),
                                            store_op_abort, cursors_done, store_op_fini};

static void on_cursors(void *ctx, const struct store_reply *reply)
{
    struct store_cursors *self = ctx;
    if (store_op_refused(&self->base, reply)) {
        return;
    }
    const struct redis_reply *all = reply->value;
    struct arena *arena = &self->base.op.arena;
    self->cursors = ARENA_ARRAY(arena, struct store_cursor, all->count / 2 + 1);
    for (size_t i = 0; i + 1 < all->count; i += 2) {
        if (!str_eq_c(all->items[i].str, CURSOR_FIELD_TRIMMED)) {
            struct store_cursor *c = &self->cursors[self->count++];
            c->reader = arena_str(arena, all->items[i].str);
            (void)snprintf(c->entry_id, sizeof c->entry_id, "%.*s",
                           STR_ARG(all->items[i + 1].str));
        }
    }
    op_complete(&self->base.op);
}

struct store_cursors *store_cursors_start(struct store *s, const struct store_acct *a,
                                          store_cursors_cb *cb, void *ctx)
{
    struct store_cursors *self = store_op_new(s, &cursors_type, STORE_DEADLINE_MS);
    self->cb = cb;
    self->ctx = ctx;
    if (op_is_running(&self->base.op)) {
        struct store_words w;
        store_words_init(&w, &self->base.op.arena);
        store_word_c(&w, "HGETALL");
        store_word(&w, store_key(&self->base.op.arena, s, a, "cur"));
        store_op_send(&self->base, &w, on_cursors, 0);
    }
    return self;
}

/* --- moving one, and trimming ------------------------------------------------------ */

struct store_log_op {
    struct store_op base;
    uint8_t shard;
    store_log_cb *cb;
    void *ctx;
};

static void log_op_done(struct op *op)
{
    struct store_log_op *self = container_of(op, struct store_log_op, base.op);
    if (op->err.code == ERR_FENCED) {
        store_lease_suspect(self->base.store, self->shard);
    }
    self->cb(self, &op->err, self->ctx);
}

static const struct op_type cursor_set_type = {
    "store cursor", sizeof(struct store_log_op), store_op_abort, log_op_done,
    store_op_fini};
static const struct op_type trim_type = {"store trim", sizeof(struct store_log_op),
                                         store_op_abort, log_op_done, store_op_fini};

static struct store_log_op *log_op_new(struct store *s, const struct op_type *type,
                                       const struct store_acct *a, store_log_cb *cb,
                                       void *ctx)
{
    struct store_log_op *self = store_op_new(s, type, STORE_DEADLINE_MS);
    self->shard = a->shard;
    self->cb = cb;
    self->ctx = ctx;
    return self;
}

static void on_ok(void *ctx, const struct store_reply *reply)
{
    struct store_log_op *self = ctx;
    if (!store_op_refused(&self->base, reply)) {
        op_complete(&self->base.op);
    }
}

struct store_log_op *store_cursor_set_start(struct store *s, const struct store_acct *a,
                                            const char *reader, const char *entry_id,
                                            const char *const *readers,
                                            size_t reader_count, store_log_cb *cb,
                                            void *ctx)
{
    CHECK(reader[0] != '\0' && strcmp(reader, CURSOR_FIELD_TRIMMED) != 0);
    struct store_log_op *self = log_op_new(s, &cursor_set_type, a, cb, ctx);
    struct err err = {0};
    if (!store_entry_id_check(entry_id, &err)) {
        op_fail_err(&self->base.op, &err);
    }
    if (!op_is_running(&self->base.op)) {
        return self;
    }
    struct arena *arena = &self->base.op.arena;
    struct store_words w;
    store_words_init(&w, arena);
    store_words_lease_keys(&w, s, a->shard);
    store_word(&w, store_key(arena, s, a, "a"));
    store_word(&w, store_key(arena, s, a, "cur"));
    store_word(&w, store_key(arena, s, a, "log"));
    store_word(&w, store_key_shard(arena, s, a->shard, "dirty"));
    store_words_lease_args(&w, s, a->shard);
    store_word_c(&w, a->incarnation);
    store_word_c(&w, a->name);
    store_word_c(&w, reader);
    store_word_c(&w, entry_id);
    for (size_t i = 0; i < reader_count; i++) {
        store_word_c(&w, readers[i]);
    }
    store_op_script(&self->base, STORE_LUA_CURSOR, &w, on_ok, 0);
    return self;
}

struct store_log_op *store_log_trim_start(struct store *s, const struct store_acct *a,
                                          const struct store_cursor *readers,
                                          size_t reader_count, store_log_cb *cb,
                                          void *ctx)
{
    struct store_log_op *self = log_op_new(s, &trim_type, a, cb, ctx);
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
    store_words_lease_args(&w, s, a->shard);
    store_word_u64(&w, oldest_ms > 0 ? (uint64_t)oldest_ms : 0);
    for (size_t i = 0; i < reader_count; i++) {
        store_word(&w, readers[i].reader);
        store_word_c(&w, readers[i].entry_id);
    }
    store_op_script(&self->base, STORE_LUA_TRIM, &w, on_ok, 0);
    return self;
}
