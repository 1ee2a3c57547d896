#include "postrider/base/num.h"
#include "store_rows.h"

#include <stdlib.h>

struct store_mailboxes {
    struct store_op base;
    struct store_acct acct;
    struct mailbox **boxes;
    size_t count;
    uint32_t next_number;
    store_mailboxes_cb *cb;
    void *ctx;
};

static void mailboxes_done(struct op *op)
{
    struct store_mailboxes *self = container_of(op, struct store_mailboxes, base.op);
    if (op->err.code == ERR_OK) {
        self->cb(self, &op->err, self->boxes, self->count, self->next_number, self->ctx);
        return;
    }
    for (size_t i = 0; i < self->count; i++) {
        mailbox_free(&self->boxes[i]);
    }
    self->cb(self, &op->err, NULL, 0, 0, self->ctx);
}

static const struct op_type mailboxes_type = {
    "store mailboxes", sizeof(struct store_mailboxes), store_op_abort, mailboxes_done,
    store_op_fini};

static int by_box(const void *a, const void *b)
{
    const struct mailbox *const *x = a;
    const struct mailbox *const *y = b;
    return ((*x)->box > (*y)->box) - ((*x)->box < (*y)->box);
}

static bool take_field(struct store_mailboxes *self, struct str field, struct str value,
                       struct err *err)
{
    uint32_t box;
    if (str_eq_c(field, MAILBOX_FIELD_NEXT)) {
        return num_u32(value, &self->next_number) ||
               err_set(err, ERR_CORRUPT, "the counter of mailboxes is not a number");
    }
    if (!num_u32(field, &box)) {
        return err_set(err, ERR_CORRUPT, "a mailbox record has no mailbox's name");
    }
    struct mailbox *m = store_record_open(self->base.store, &self->acct, box, value, err);
    if (m == NULL) {
        return err_wrap(err, "mailbox %u", (unsigned)box);
    }
    self->boxes[self->count++] = m;
    return true;
}

static void on_all(void *ctx, const struct store_reply *reply)
{
    struct store_mailboxes *self = ctx;
    if (store_op_refused(&self->base, reply)) {
        return;
    }
    const struct redis_reply *all = reply->value;
    struct err err = {0};
    self->boxes = ARENA_ARRAY(&self->base.op.arena, struct mailbox *, all->count / 2 + 1);
    for (size_t i = 0; i + 1 < all->count; i += 2) {
        if (!take_field(self, all->items[i].str, all->items[i + 1].str, &err)) {
            store_op_fail_err(&self->base, &err);
            return;
        }
    }
    if (self->count > 1) {
        qsort(self->boxes, self->count, sizeof(struct mailbox *), by_box);
    }
    op_complete(&self->base.op);
}

struct store_mailboxes *store_mailboxes_start(struct store *s, const struct store_acct *a,
                                              store_mailboxes_cb *cb, void *ctx)
{
    struct store_mailboxes *self = store_op_new(s, &mailboxes_type, STORE_DEADLINE_MS);
    self->acct = store_acct_copy(&self->base.op.arena, a);
    self->cb = cb;
    self->ctx = ctx;
    store_op_read_hash(&self->base, a, "f", on_all);
    return self;
}

void store_mailboxes_cancel(struct store_mailboxes *op)
{
    if (op != NULL) {
        op_cancel(&op->base.op);
    }
}
