#include "store_rows.h"

/* Segments a round trip: about 60 KB. */
enum {
    SCAN_BATCH = 32
};

struct store_scan {
    struct store_op base;
    struct store_acct acct;
    struct segment_part part;
    size_t next, asked;
    uint32_t uid_lo, uid_hi;
    struct deferred inline_turn;
    store_scan_rows *on_rows;
    store_scan_cb *cb;
    void *ctx;
};

static void scan_abort(struct op *op)
{
    loop_undefer(&container_of(op, struct store_scan, base.op)->inline_turn);
    store_op_abort(op);
}

static void scan_done(struct op *op)
{
    struct store_scan *self = container_of(op, struct store_scan, base.op);
    self->cb(self, &op->err, self->ctx);
}

static const struct op_type scan_type = {"store scan", sizeof(struct store_scan),
                                         scan_abort, scan_done, store_op_fini};

/* The receiver may end the scan. */
static void tell(struct store_scan *self, const struct msg_row *rows, size_t count)
{
    size_t first = 0;
    while (first < count && rows[first].uid < self->uid_lo) {
        first++;
    }
    while (count > first && rows[count - 1].uid > self->uid_hi) {
        count--;
    }
    if (count > first && op_is_running(&self->base.op)) {
        self->on_rows(self, rows + first, count - first, self->ctx);
    }
}

static void ask(struct store_scan *self);

static void on_segments(void *ctx, const struct store_reply *reply)
{
    struct store_scan *self = ctx;
    if (store_op_refused(&self->base, reply)) {
        return;
    }
    struct arena arena = {0};
    struct err err = {0};
    const struct msg_row *rows[SCAN_BATCH];
    const struct segment_entry *entries = self->part.entries + self->next;
    if (!store_segments_open(self->base.store, &self->acct, self->part.box, entries,
                             self->asked, reply->value, &arena, rows, &err)) {
        store_op_fail_err(&self->base, &err);
        arena_fini(&arena);
        return;
    }
    self->next += self->asked;
    for (size_t i = 0; i < self->asked; i++) {
        tell(self, rows[i], entries[i].count);
    }
    arena_fini(&arena);
    if (op_is_running(&self->base.op)) {
        ask(self);
    }
}

static void ask(struct store_scan *self)
{
    size_t rest = self->part.count - self->next;
    if (rest == 0) {
        op_complete(&self->base.op);
        return;
    }
    op_extend(&self->base.op, STORE_DEADLINE_MS);
    self->asked = rest < SCAN_BATCH ? rest : SCAN_BATCH;
    struct arena arena = {0};
    struct store_words w;
    store_words_init(&w, &arena);
    store_segments_words(&w, self->base.store, &self->acct, self->part.kind,
                         self->part.box, self->part.entries + self->next, self->asked);
    store_op_send(&self->base, &w, on_segments, 0);
    arena_fini(&arena);
}

static void on_inline_turn(struct deferred *d)
{
    struct store_scan *self = container_of(d, struct store_scan, inline_turn);
    const struct msg_row *rows;
    struct err err = {0};
    if (!store_inline_open(self->part.entries, self->part.inlined, &self->base.op.arena,
                           &rows, &err)) {
        op_fail_err(&self->base.op, &err);
        return;
    }
    tell(self, rows, self->part.entries->count);
    op_complete(&self->base.op);
}

struct store_scan *store_scan_start(struct store *s, const struct store_acct *a,
                                    const struct mailbox *m, uint32_t uid_lo,
                                    uint32_t uid_hi, store_scan_rows *on_rows,
                                    store_scan_cb *cb, void *ctx)
{
    struct store_scan *self = store_op_new(s, &scan_type, STORE_DEADLINE_MS);
    self->acct = store_acct_copy(&self->base.op.arena, a);
    self->uid_lo = uid_lo;
    self->uid_hi = uid_hi;
    self->on_rows = on_rows;
    self->cb = cb;
    self->ctx = ctx;
    size_t first = 0, end = m->segment_count;
    while (first < end && m->segments[first].last_uid < uid_lo) {
        first++;
    }
    while (end > first && m->segments[end - 1].first_uid > uid_hi) {
        end--;
    }
    self->part = segment_part_copy(&self->base.op.arena, m, first, end - first);
    if (!op_is_running(&self->base.op)) {
        return self;
    }
    if (self->part.count > 0 && self->part.inlined.ptr != NULL) {
        loop_defer(s->loop, &self->inline_turn, on_inline_turn);
    } else {
        ask(self);
    }
    return self;
}

void store_scan_cancel(struct store_scan *op)
{
    if (op != NULL) {
        op_cancel(&op->base.op);
    }
}
