#include "store_rows.h"

struct store_rank {
    struct store_op base;
    struct store_acct acct;
    struct segment_part part;
    size_t skip, wanted; /* rows of the part before the first one wanted; how many */
    struct msg_row *rows;
    store_rank_cb *cb;
    void *ctx;
};

static void rank_done(struct op *op)
{
    struct store_rank *self = container_of(op, struct store_rank, base.op);
    bool ok = op->err.code == ERR_OK;
    self->cb(self, &op->err, ok ? self->rows : NULL, ok ? self->wanted : 0, self->ctx);
}

static const struct op_type rank_type = {"store rank", sizeof(struct store_rank),
                                         store_op_abort, rank_done, store_op_fini};

static void put_rows(struct store_rank *self, const struct msg_row *const *rows)
{
    size_t n = 0, skip = self->skip;
    self->rows = ARENA_ARRAY(&self->base.op.arena, struct msg_row, self->wanted);
    for (size_t i = 0; i < self->part.count && n < self->wanted; i++) {
        size_t count = self->part.entries[i].count - skip;
        count = count < self->wanted - n ? count : self->wanted - n;
        memcpy(self->rows + n, rows[i] + skip, count * sizeof *self->rows);
        n += count;
        skip = 0;
    }
    op_complete(&self->base.op);
}

static void on_segments(void *ctx, const struct store_reply *reply)
{
    struct store_rank *self = ctx;
    if (store_op_refused(&self->base, reply)) {
        return;
    }
    struct err err = {0};
    struct arena *arena = &self->base.op.arena;
    const struct msg_row **rows =
        ARENA_ARRAY(arena, const struct msg_row *, self->part.count);
    if (!store_segments_open(self->base.store, &self->acct, self->part.box,
                             self->part.entries, self->part.count, reply->value, arena,
                             rows, &err)) {
        store_op_fail_err(&self->base, &err);
        return;
    }
    put_rows(self, rows);
}

static void ask(struct store_rank *self)
{
    struct arena *arena = &self->base.op.arena;
    if (self->wanted == 0) {
        op_complete(&self->base.op);
        return;
    }
    if (self->part.inlined.ptr != NULL) {
        struct err err = {0};
        const struct msg_row *rows;
        if (store_inline_open(self->part.entries, self->part.inlined, arena, &rows,
                              &err)) {
            put_rows(self, &rows);
        } else {
            op_fail_err(&self->base.op, &err);
        }
        return;
    }
    struct store_words w;
    store_words_init(&w, arena);
    store_segments_words(&w, self->base.store, &self->acct, self->part.kind,
                         self->part.box, self->part.entries, self->part.count);
    store_op_send(&self->base, &w, on_segments, 0);
}

struct store_rank *store_rank_start(struct store *s, const struct store_acct *a,
                                    const struct mailbox *m, uint32_t first_rank,
                                    uint32_t count, store_rank_cb *cb, void *ctx)
{
    struct store_rank *self = store_op_new(s, &rank_type, STORE_DEADLINE_MS);
    self->acct = store_acct_copy(&self->base.op.arena, a);
    self->cb = cb;
    self->ctx = ctx;
    if (first_rank < m->count) {
        uint32_t rest = m->count - first_rank;
        self->wanted = count < rest ? count : rest;
    }
    size_t first = 0, end;
    self->skip = self->wanted > 0 ? first_rank : 0;
    while (self->wanted > 0 && self->skip >= m->segments[first].count) {
        self->skip -= m->segments[first++].count;
    }
    size_t covered = 0;
    for (end = first; covered < self->skip + self->wanted; end++) {
        covered += m->segments[end].count;
    }
    self->part = segment_part_copy(&self->base.op.arena, m, first, end - first);
    if (op_is_running(&self->base.op)) {
        ask(self);
    }
    return self;
}

void store_rank_cancel(struct store_rank *op)
{
    if (op != NULL) {
        op_cancel(&op->base.op);
    }
}
