#include "postrider/base/num.h"
#include "store_log_priv.h"

#include <stdio.h>

struct store_log_read {
    struct store_op base;
    struct store_acct acct;
    char after[STORE_ENTRY_ID_SIZE];
    struct log_entry *entries;
    size_t count;
    char trimmed[STORE_ENTRY_ID_SIZE];
    bool gap;
    store_log_read_cb *cb;
    void *ctx;
};

/* --- entry ids --------------------------------------------------------------------- */

bool store_entry_id_split(const char *id, uint64_t *ms_out, uint64_t *seq_out)
{
    struct str rest = str_of(id), ms;
    return str_split(&rest, '-', &ms) && num_u64(ms, UINT64_MAX, ms_out) &&
           num_u64(rest, UINT64_MAX, seq_out);
}

int store_entry_id_cmp(const char *a, const char *b)
{
    uint64_t a_ms = 0, a_seq = 0, b_ms = 0, b_seq = 0;
    bool a_is = store_entry_id_split(a, &a_ms, &a_seq);
    bool b_is = store_entry_id_split(b, &b_ms, &b_seq);
    if (!a_is || !b_is) {
        return (int)a_is - (int)b_is;
    }
    if (a_ms != b_ms) {
        return a_ms < b_ms ? -1 : 1;
    }
    return (a_seq > b_seq) - (a_seq < b_seq);
}

bool store_entry_id_check(const char *id, struct err *err)
{
    uint64_t ms, seq;
    bool ok = id[0] == '\0' ||
              (strlen(id) < STORE_ENTRY_ID_SIZE && store_entry_id_split(id, &ms, &seq));
    return ok || err_set(err, ERR_INVALID, "a cursor is not an entry id");
}

/* --- reading ----------------------------------------------------------------------- */

static void read_done(struct op *op)
{
    struct store_log_read *self = container_of(op, struct store_log_read, base.op);
    bool ok = op->err.code == ERR_OK;
    self->cb(self, &op->err, ok ? self->entries : NULL, ok ? self->count : 0,
             ok && self->gap, self->ctx);
}

static void read_fini(struct op *op)
{
    struct store_log_read *self = container_of(op, struct store_log_read, base.op);
    for (size_t i = 0; i < self->count; i++) {
        event_fini(&self->entries[i].event);
    }
    store_op_fini(op);
}

static const struct op_type read_type = {"store log", sizeof(struct store_log_read),
                                         store_op_abort, read_done, read_fini};

struct str store_field_get(const struct redis_reply *fields, const char *name)
{
    for (size_t i = 0; i + 1 < fields->count; i += 2) {
        if (str_eq_c(fields->items[i].str, name)) {
            return fields->items[i + 1].str;
        }
    }
    return STR_NULL;
}

/* An entry that cannot be read still has its place in the log: readers must pass it. */
bool store_log_entry_take(struct store *s, const struct store_acct *acct,
                          const struct redis_reply *item, struct log_entry *out)
{
    if (item->type != REDIS_ARRAY || item->count != 2) {
        return false;
    }
    *out = (struct log_entry){.event = {.type = EVENT_TYPE_COUNT}};
    (void)snprintf(out->entry_id, sizeof out->entry_id, "%.*s",
                   STR_ARG(item->items[0].str));
    const struct redis_reply *fields = &item->items[1];
    struct str id = store_field_get(fields, "i");
    struct str sealed = store_field_get(fields, "d");
    enum event_type type;
    char id_c[EVENT_ID_SIZE];
    (void)snprintf(id_c, sizeof id_c, "%.*s", STR_ARG(id));
    (void)snprintf(out->event.id, sizeof out->event.id, "%s", id_c);
    if (event_type_parse(store_field_get(fields, "t"), &type) && sealed.ptr != NULL) {
        out->readable = store_event_open(s, acct, type, id_c, sealed, &out->event, NULL);
    }
    return true;
}

static void on_entries(void *ctx, const struct store_reply *reply)
{
    struct store_log_read *self = ctx;
    if (store_op_refused(&self->base, reply)) {
        return;
    }
    const struct redis_reply *all = reply->value;
    self->entries = ARENA_ARRAY(&self->base.op.arena, struct log_entry, all->count);
    for (size_t i = 0; i < all->count; i++) {
        if (store_log_entry_take(self->base.store, &self->acct, &all->items[i],
                                 &self->entries[self->count])) {
            self->count++;
        }
    }
    op_complete(&self->base.op);
}

static void on_trimmed(void *ctx, const struct store_reply *reply)
{
    struct store_log_read *self = ctx;
    if (!store_op_refused(&self->base, reply) && reply->value->type == REDIS_STRING) {
        (void)snprintf(self->trimmed, sizeof self->trimmed, "%.*s",
                       STR_ARG(reply->value->str));
        self->gap = store_entry_id_cmp(self->after, self->trimmed) < 0;
    }
}

static void ask_trimmed(struct store_log_read *self)
{
    struct arena *arena = &self->base.op.arena;
    struct store_words w;
    store_words_init(&w, arena);
    store_word_c(&w, "HGET");
    store_word(&w, store_key(arena, self->base.store, &self->acct, "cur"));
    store_word_c(&w, CURSOR_FIELD_TRIMMED);
    store_op_send(&self->base, &w, on_trimmed, 0);
}

static void ask(struct store_log_read *self, size_t count)
{
    struct arena *arena = &self->base.op.arena;
    struct store *s = self->base.store;
    struct store_words w;
    ask_trimmed(self);
    store_words_init(&w, arena);
    store_word_c(&w, "XRANGE");
    store_word(&w, store_key(arena, s, &self->acct, "log"));
    store_word_c(&w,
                 self->after[0] != '\0' ? arena_printf(arena, "(%s", self->after) : "-");
    store_word_c(&w, "+");
    store_word_c(&w, "COUNT");
    store_word_u64(&w, count < STORE_LOG_PAGE ? count : STORE_LOG_PAGE);
    store_op_send(&self->base, &w, on_entries, 0);
}

static struct store_log_read *read_new(struct store *s, const struct store_acct *a,
                                       store_log_read_cb *cb, void *ctx)
{
    struct store_log_read *self = store_op_new(s, &read_type, STORE_DEADLINE_MS);
    self->acct = store_acct_copy(&self->base.op.arena, a);
    self->cb = cb;
    self->ctx = ctx;
    return self;
}

struct store_log_read *store_log_read_start(struct store *s, const struct store_acct *a,
                                            const char *after, size_t count,
                                            store_log_read_cb *cb, void *ctx)
{
    struct store_log_read *self = read_new(s, a, cb, ctx);
    struct err err = {0};
    if (!store_entry_id_check(after, &err)) {
        op_fail_err(&self->base.op, &err);
        return self;
    }
    (void)snprintf(self->after, sizeof self->after, "%s", after);
    if (op_is_running(&self->base.op)) {
        ask(self, count);
    }
    return self;
}

/* --- the last one ------------------------------------------------------------------ */

static void on_last(void *ctx, const struct store_reply *reply)
{
    struct store_log_read *self = ctx;
    if (store_op_refused(&self->base, reply)) {
        return;
    }
    const struct redis_reply *all = reply->value;
    self->gap = false;
    self->entries = ARENA_NEW(&self->base.op.arena, struct log_entry);
    if (all->count == 1) {
        self->count = store_log_entry_take(self->base.store, &self->acct, all->items,
                                           self->entries);
    } else if (self->trimmed[0] != '\0') {
        self->count = 1;
        self->entries->event.type = EVENT_TYPE_COUNT;
        (void)snprintf(self->entries->entry_id, sizeof self->entries->entry_id, "%s",
                       self->trimmed);
    }
    op_complete(&self->base.op);
}

struct store_log_read *store_log_last_start(struct store *s, const struct store_acct *a,
                                            store_log_read_cb *cb, void *ctx)
{
    struct store_log_read *self = read_new(s, a, cb, ctx);
    struct arena *arena = &self->base.op.arena;
    if (op_is_running(&self->base.op)) {
        struct store_words w;
        ask_trimmed(self);
        store_words_init(&w, arena);
        store_word_c(&w, "XREVRANGE");
        store_word(&w, store_key(arena, s, &self->acct, "log"));
        store_word_c(&w, "+");
        store_word_c(&w, "-");
        store_word_c(&w, "COUNT");
        store_word_c(&w, "1");
        store_op_send(&self->base, &w, on_last, 0);
    }
    return self;
}

void store_log_read_cancel(struct store_log_read *op)
{
    if (op != NULL) {
        op_cancel(&op->base.op);
    }
}
