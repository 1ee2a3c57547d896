#include "store_log_priv.h"

#include "postrider/base/check.h"
#include "postrider/base/num.h"

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

static struct store_cursor *cursor_of(struct store_cursors *self, struct str reader)
{
    for (size_t i = 0; i < self->count; i++) {
        if (str_eq(self->cursors[i].reader, reader)) {
            return &self->cursors[i];
        }
    }
    struct store_cursor *c = &self->cursors[self->count++];
    c->reader = arena_str(&self->base.op.arena, reader);
    return c;
}

/* Fields without a prefix are names of readers. */
static void take_field(struct store_cursors *self, struct str field, struct str value)
{
    static const char moves[] = CURSOR_FIELD_MOVES;
    if (str_has_prefix(field, moves)) {
        (void)num_u64(value, UINT64_MAX,
                      &cursor_of(self, str_tail(field, sizeof moves - 1))->moves);
    } else if (!str_eq_c(field, CURSOR_FIELD_TRIMMED)) {
        struct store_cursor *c = cursor_of(self, field);
        (void)snprintf(c->entry_id, sizeof c->entry_id, "%.*s", STR_ARG(value));
    }
}

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
        take_field(self, all->items[i].str, all->items[i + 1].str);
    }
    op_complete(&self->base.op);
}

struct store_cursors *store_cursors_start(struct store *s, const struct store_acct *a,
                                          store_cursors_cb *cb, void *ctx)
{
    struct store_cursors *self = store_op_new(s, &cursors_type, STORE_DEADLINE_MS);
    self->cb = cb;
    self->ctx = ctx;
    store_op_read_hash(&self->base, a, "cur", on_cursors);
    return self;
}

/* --- moving one on --- */

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

static void on_ok(void *ctx, const struct store_reply *reply)
{
    struct store_log_op *self = ctx;
    if (!store_op_refused(&self->base, reply)) {
        op_complete(&self->base.op);
    }
}

struct store_log_op *store_cursor_set_start(struct store *s, const struct store_acct *a,
                                            const struct store_cursor_write *write,
                                            store_log_cb *cb, void *ctx)
{
    CHECK(store_reader_name_is(write->reader));
    struct store_log_op *self = store_op_new(s, &cursor_set_type, STORE_DEADLINE_MS);
    struct err err = {0};
    self->shard = a->shard;
    self->cb = cb;
    self->ctx = ctx;
    if (!store_entry_id_check(write->entry_id, &err)) {
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
    store_word_c(&w, write->reader);
    store_word_c(&w, write->entry_id);
    store_word_u64(&w, write->moves);
    for (size_t i = 0; i < write->reader_count; i++) {
        store_word_c(&w, write->readers[i]);
    }
    store_op_script(&self->base, STORE_LUA_CURSOR, &w, on_ok, 0);
    return self;
}
