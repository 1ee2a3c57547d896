/* Journals: the lists PREFIX:journal:KIND:HASH, oldest entry first. */
#include "postrider/store/store_journal.h"

#include "postrider/base/check.h"
#include "postrider/base/log.h"
#include "store_priv.h"

#include <stdio.h>

enum {
    APPEND_MAX = 1000, /* entries of one command */
    FIELD_SIZE = 64
};

static const char *const kind_names[] = {
    [STORE_JOURNAL_TRAFFIC] = "traffic", [STORE_JOURNAL_TOKEN] = "token"};

/* Where a journal is, and what its entries are bound to. */
struct journal_place {
    struct str key;
    char field[FIELD_SIZE];
};

static void place_find(struct store *s, enum store_journal_kind kind, struct str name,
                       struct arena *arena, struct journal_place *out)
{
    char hash[STORE_NAME_HASH_SIZE];
    store_name_hash(s, "journal", name, hash);
    (void)snprintf(out->field, sizeof out->field, "journal:%s:%s", kind_names[kind],
                   hash);
    out->key = store_key_global(arena, s, out->field);
}

static struct store_place seal_place(const struct journal_place *p)
{
    return (struct store_place){
        .purpose = CRYPTO_JOURNAL, .incarnation = "", .field = p->field};
}

/* --- writing --- */

static void put_entries(struct store *s, const struct journal_place *p,
                        const struct str *entries, size_t count, struct store_words *w)
{
    struct store_place place = seal_place(p);
    struct buf sealed = BUF_INIT(STORE_JOURNAL_ENTRY_MAX + CRYPTO_FIELD_OVERHEAD);
    for (size_t i = 0; i < count; i++) {
        buf_clear(&sealed);
        if (entries[i].len <= STORE_JOURNAL_ENTRY_MAX &&
            store_seal(s, &place, entries[i], &sealed)) {
            store_word_buf(w, &sealed);
        }
    }
    buf_fini(&sealed);
}

static void send_trim(struct store *s, const struct journal_place *p, size_t keep,
                      struct arena *arena)
{
    struct store_target t = {.store = s, .calls = &s->background};
    struct store_words w;
    store_words_init(&w, arena);
    store_word_c(&w, "LTRIM");
    store_word(&w, p->key);
    store_word_c(&w, arena_printf(arena, "-%zu", keep));
    store_word_c(&w, "-1");
    store_send(&t, &w);
    store_words_init(&w, arena);
    store_word_c(&w, "EXPIRE");
    store_word(&w, p->key);
    store_word_u64(&w, (uint64_t)STORE_JOURNAL_DAYS * 24 * 3600);
    store_send(&t, &w);
}

void store_journal_append(struct store *s, enum store_journal_kind kind, struct str name,
                          const struct str *entries, size_t count, size_t keep)
{
    if (keep == 0) {
        store_journal_delete(s, kind, name);
        return;
    }
    if (!s->opened || s->passive || store_is_behind(s)) {
        return;
    }
    struct arena arena = {0};
    struct journal_place p;
    place_find(s, kind, name, &arena, &p);
    size_t most = keep < APPEND_MAX ? keep : APPEND_MAX;
    size_t skipped = count > most ? count - most : 0;
    struct store_words w;
    store_words_init(&w, &arena);
    store_word_c(&w, "RPUSH");
    store_word(&w, p.key);
    put_entries(s, &p, entries + skipped, count - skipped, &w);
    if (w.count > 2) {
        struct store_target t = {.store = s, .calls = &s->background};
        store_send(&t, &w);
        send_trim(s, &p, keep < STORE_JOURNAL_KEEP_MAX ? keep : STORE_JOURNAL_KEEP_MAX,
                  &arena);
    }
    arena_fini(&arena);
}

void store_journal_delete(struct store *s, enum store_journal_kind kind, struct str name)
{
    if (!s->opened || s->passive) {
        return;
    }
    struct arena arena = {0};
    struct journal_place p;
    struct store_words w;
    struct store_target t = {.store = s, .calls = &s->background};
    place_find(s, kind, name, &arena, &p);
    store_words_init(&w, &arena);
    store_word_c(&w, "UNLINK");
    store_word(&w, p.key);
    store_send(&t, &w);
    arena_fini(&arena);
}

/* --- reading --- */

struct store_journal {
    struct store_op base;
    struct journal_place place;
    bool newest_first;
    struct str *entries;
    size_t count, total;
    store_journal_cb *cb;
    void *ctx;
};

static void journal_done(struct op *op)
{
    struct store_journal *self = container_of(op, struct store_journal, base.op);
    bool ok = op->err.code == ERR_OK;
    self->cb(self, &op->err, ok ? self->entries : NULL, ok ? self->count : 0,
             ok ? self->total : 0, self->ctx);
}

static const struct op_type journal_type = {"store journal", sizeof(struct store_journal),
                                            store_op_abort, journal_done, store_op_fini};

void store_journal_cancel(struct store_journal *op)
{
    op_cancel(op != NULL ? &op->base.op : NULL);
}

static void on_length(void *ctx, const struct store_reply *reply)
{
    struct store_journal *self = ctx;
    if (!store_op_refused(&self->base, reply)) {
        self->total = reply->value->integer > 0 ? (size_t)reply->value->integer : 0;
    }
}

static void take_entry(struct store_journal *self, struct str sealed)
{
    struct store_place place = seal_place(&self->place);
    struct buf plain = BUF_INIT(STORE_JOURNAL_ENTRY_MAX);
    struct err err;
    if (store_open_value(self->base.store, &place, sealed, &plain, &err)) {
        struct arena *arena = &self->base.op.arena;
        self->entries[self->count++] =
            str_from(arena_memdup(arena, buf_c(&plain), plain.len), plain.len);
    } else {
        log_at(LOG_WARN, "store", "journal entry cannot be read", LOG_ERR_FIELDS(&err));
    }
    buf_fini(&plain);
}

static void on_entries(void *ctx, const struct store_reply *reply)
{
    struct store_journal *self = ctx;
    if (store_op_refused(&self->base, reply)) {
        return;
    }
    const struct redis_reply *v = reply->value;
    size_t count = v->type == REDIS_ARRAY ? v->count : 0;
    self->entries = ARENA_ARRAY(&self->base.op.arena, struct str, count + 1);
    for (size_t i = 0; i < count; i++) {
        take_entry(self, v->items[self->newest_first ? count - 1 - i : i].str);
    }
    op_complete(&self->base.op);
}

static void send_read(struct store_journal *self, size_t first, size_t count)
{
    struct arena *arena = &self->base.op.arena;
    struct store_words w;
    store_words_init(&w, arena);
    store_word_c(&w, "LLEN");
    store_word(&w, self->place.key);
    store_op_send(&self->base, &w, on_length, 0);
    store_words_init(&w, arena);
    store_word_c(&w, "LRANGE");
    store_word(&w, self->place.key);
    if (self->newest_first) {
        store_word_c(&w, arena_printf(arena, "-%zu", first + count));
        store_word_c(&w, arena_printf(arena, "-%zu", first + 1));
    } else {
        store_word_u64(&w, first);
        store_word_u64(&w, first + count - 1);
    }
    store_op_send(&self->base, &w, on_entries, 0);
}

struct store_journal *store_journal_read_start(struct store *s,
                                               const struct store_journal_range *range,
                                               store_journal_cb *cb, void *ctx)
{
    CHECK(range->count > 0 && range->count <= STORE_JOURNAL_PAGE_MAX);
    struct store_journal *self = store_op_new(s, &journal_type, STORE_DEADLINE_MS);
    self->cb = cb;
    self->ctx = ctx;
    self->newest_first = range->newest_first;
    if (op_is_running(&self->base.op)) {
        place_find(s, range->kind, range->name, &self->base.op.arena, &self->place);
        send_read(self, range->first, range->count);
    }
    return self;
}
