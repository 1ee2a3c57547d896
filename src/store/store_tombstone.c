/* Tombstones: the codec, and reading those of an account. The commits write them.
 *
 *   format       1 byte: 0x01
 *   numbers      varints: box, number, uid, fingerprint, deadline
 *   email id     length + 1 and bytes to the end; 0 = absent */
#include "store_tombstone_priv.h"

#include "postrider/base/log.h"
#include "postrider/base/num.h"
#include "postrider/store/store_mailbox.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    TOMBSTONE_FORMAT = 1,
    FIELD_MAX = 40
};

/* --- codec ------------------------------------------------------------------------- */

bool tombstone_encode(const struct tombstone *t, struct buf *out)
{
    buf_put_byte(out, TOMBSTONE_FORMAT);
    buf_put_varint(out, t->box);
    buf_put_varint(out, t->number);
    buf_put_varint(out, t->uid);
    buf_put_varint(out, t->fingerprint);
    buf_put_varint(out, (uint64_t)t->deadline_ms);
    buf_put_varint(out, t->email_id.ptr != NULL ? t->email_id.len + 1 : 0);
    return buf_put_str(out, t->email_id) && !out->overflow;
}

bool tombstone_decode(uint64_t key, struct str encoded, struct tombstone *out,
                      struct err *err)
{
    uint64_t numbers[6];
    size_t pos = 1;
    bool ok = encoded.len > 0 && encoded.ptr[0] == TOMBSTONE_FORMAT;
    for (size_t i = 0; ok && i < ARRAY_LEN(numbers); i++) {
        bool is_date = i == 4;
        ok = num_get_varint(encoded, &pos, &numbers[i]) &&
             numbers[i] <= (is_date ? (uint64_t)INT64_MAX : UINT32_MAX);
    }
    size_t id_len = ok && numbers[5] > 0 ? (size_t)numbers[5] - 1 : 0;
    if (!ok || id_len > MSG_EMAILID_MAX || encoded.len - pos != id_len) {
        return err_set(err, ERR_CORRUPT, "tombstone: malformed");
    }
    *out = (struct tombstone){.key = key,
                              .box = (uint32_t)numbers[0],
                              .number = (uint32_t)numbers[1],
                              .uid = (uint32_t)numbers[2],
                              .fingerprint = (uint32_t)numbers[3],
                              .deadline_ms = (int64_t)numbers[4],
                              .email_id =
                                  numbers[5] > 0 ? str_tail(encoded, pos) : STR_NULL};
    return true;
}

/* --- sealing ----------------------------------------------------------------------- */

static struct store_place place_of(const struct store_acct *a, uint64_t key,
                                   char field[FIELD_MAX])
{
    (void)snprintf(field, FIELD_MAX, "tombstone:%llu", (unsigned long long)key);
    return (struct store_place){
        .purpose = CRYPTO_INDEX, .incarnation = a->incarnation, .field = field};
}

bool store_tombstone_word(struct store_words *w, struct store *s,
                          const struct store_acct *a, const struct tombstone *t)
{
    char field[FIELD_MAX];
    struct store_place place = place_of(a, t->key, field);
    struct buf plain = BUF_INIT(TOMBSTONE_BYTES_MAX), sealed = BUF_INIT(1024);
    bool ok =
        tombstone_encode(t, &plain) && store_seal(s, &place, buf_str(&plain), &sealed);
    if (ok) {
        store_word_buf(w, &sealed);
    }
    buf_fini(&plain);
    buf_fini(&sealed);
    return ok;
}

/* --- reading ----------------------------------------------------------------------- */

struct store_tombstones {
    struct store_op base;
    struct store_acct acct;
    struct tombstone *items;
    size_t count;
    store_tombstones_cb *cb;
    void *ctx;
};

static void tombstones_done(struct op *op)
{
    struct store_tombstones *self = container_of(op, struct store_tombstones, base.op);
    self->cb(self, &op->err, self->items, op->err.code == ERR_OK ? self->count : 0,
             self->ctx);
}

static const struct op_type tombstones_type = {
    "store tombstones", sizeof(struct store_tombstones), store_op_abort, tombstones_done,
    store_op_fini};

static int by_key(const void *a, const void *b)
{
    uint64_t x = ((const struct tombstone *)a)->key,
             y = ((const struct tombstone *)b)->key;
    return (x > y) - (x < y);
}

static bool take_field(struct store_tombstones *self, struct str field, struct str value,
                       struct err *err)
{
    uint64_t key;
    char name[FIELD_MAX];
    struct buf plain = BUF_INIT(TOMBSTONE_BYTES_MAX);
    if (!num_u64(field, UINT64_MAX, &key)) {
        return err_set(err, ERR_CORRUPT, "tombstone: its key is not a number");
    }
    struct store_place place = place_of(&self->acct, key, name);
    struct tombstone *t = &self->items[self->count];
    bool ok = store_open_value(self->base.store, &place, value, &plain, err) &&
              tombstone_decode(key, buf_str(&plain), t, err);
    if (ok) {
        t->email_id = arena_str(&self->base.op.arena, t->email_id);
        self->count++;
    }
    buf_fini(&plain);
    return ok;
}

static void on_all(void *ctx, const struct store_reply *reply)
{
    struct store_tombstones *self = ctx;
    if (store_op_refused(&self->base, reply)) {
        return;
    }
    const struct redis_reply *all = reply->value;
    self->items = ARENA_ARRAY(&self->base.op.arena, struct tombstone, all->count / 2 + 1);
    for (size_t i = 0; i + 1 < all->count; i += 2) {
        struct err err = {0};
        if (!take_field(self, all->items[i].str, all->items[i + 1].str, &err)) {
            log_at(LOG_DEBUG, "store", "a tombstone is left out", LOG_ERR_FIELDS(&err));
        }
    }
    if (self->count > 1) {
        qsort(self->items, self->count, sizeof *self->items, by_key);
    }
    op_complete(&self->base.op);
}

struct store_tombstones *store_tombstones_start(struct store *s,
                                                const struct store_acct *a,
                                                store_tombstones_cb *cb, void *ctx)
{
    struct store_tombstones *self = store_op_new(s, &tombstones_type, STORE_DEADLINE_MS);
    self->acct = store_acct_copy(&self->base.op.arena, a);
    self->cb = cb;
    self->ctx = ctx;
    store_op_read_hash(&self->base, a, "mv", on_all);
    return self;
}

void store_tombstones_cancel(struct store_tombstones *op)
{
    if (op != NULL) {
        op_cancel(&op->base.op);
    }
}
