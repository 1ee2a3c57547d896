/* The shadow of a mailbox: s:<acc>:<box> holds the segments of the former index as they
 * were, and in field "r" the record that belongs to them. */
#include "store_rows.h"

struct store_shadow {
    struct store_op base;
    struct store_acct acct;
    uint32_t box;
    struct mailbox *shadow;
    store_shadow_cb *cb;
    void *ctx;
};

static void shadow_done(struct op *op)
{
    struct store_shadow *self = container_of(op, struct store_shadow, base.op);
    if (op->err.code != ERR_OK) {
        mailbox_free(&self->shadow);
    }
    self->cb(self, &op->err, self->shadow, self->ctx);
}

static const struct op_type shadow_type = {"store shadow", sizeof(struct store_shadow),
                                           store_op_abort, shadow_done, store_op_fini};

static void on_record(void *ctx, const struct store_reply *reply)
{
    struct store_shadow *self = ctx;
    struct err err = {0};
    if (store_op_refused(&self->base, reply)) {
        return;
    }
    if (reply->value->type != REDIS_STRING) {
        (void)err_set(&err, ERR_NOT_FOUND, "mailbox %u has no shadow",
                      (unsigned)self->box);
        store_op_fail_err(&self->base, &err);
        return;
    }
    self->shadow = store_record_open(self->base.store, &self->acct, self->box,
                                     reply->value->str, &err);
    if (self->shadow == NULL) {
        (void)err_wrap(&err, "shadow of mailbox %u", (unsigned)self->box);
        store_op_fail_err(&self->base, &err);
        return;
    }
    self->shadow->is_shadow = true;
    op_complete(&self->base.op);
}

struct store_shadow *store_shadow_start(struct store *s, const struct store_acct *a,
                                        uint32_t box, store_shadow_cb *cb, void *ctx)
{
    struct store_shadow *self = store_op_new(s, &shadow_type, STORE_DEADLINE_MS);
    struct arena *arena = &self->base.op.arena;
    self->acct = store_acct_copy(arena, a);
    self->box = box;
    self->cb = cb;
    self->ctx = ctx;
    if (op_is_running(&self->base.op)) {
        struct store_words w;
        store_words_init(&w, arena);
        store_word_c(&w, "HGET");
        store_word(&w, store_key_box(arena, s, a, STORE_KIND_SHADOW, box));
        store_word_c(&w, "r");
        store_op_send(&self->base, &w, on_record, 0);
    }
    return self;
}

void store_shadow_cancel(struct store_shadow *op)
{
    if (op != NULL) {
        op_cancel(&op->base.op);
    }
}
