/* Reading the feed of a shard: a page of it, the directory rows of accounts that are not
 * known here yet (another node made them), and the log entries it names. */
#include "postrider/store/store_feed.h"

#include "store_log_priv.h"
#include "store_parts.h"

#include <inttypes.h>
#include <stdio.h>

enum {
    FILTERED_ENTRIES = 256
};

struct store_feed_read {
    struct store_op base;
    uint8_t shard;
    struct feed_place after;
    struct str account_name;
    struct who *whos;
    size_t who_count;
    struct ref *refs;
    size_t ref_count;
    size_t waiting; /* replies of the stage under way */
    struct feed_item *items;
    struct feed_page page;
    store_feed_read_cb *cb;
    void *ctx;
};

/* An account of the page. */
struct who {
    struct str name;
    struct store_acct acct; /* id NULL: not known yet, or gone */
};

/* What one entry of the feed says. */
struct ref {
    struct feed_place place;
    struct str entry_id;
    const struct who *who;
};

static bool parse_place(const char *id, struct feed_place *out)
{
    return store_entry_id_split(id, &out->ms, &out->seq);
}

static void read_done(struct op *op)
{
    struct store_feed_read *self = container_of(op, struct store_feed_read, base.op);
    self->cb(self, &op->err, op->err.code == ERR_OK ? &self->page : NULL, self->ctx);
}

static void read_fini(struct op *op)
{
    struct store_feed_read *self = container_of(op, struct store_feed_read, base.op);
    for (size_t i = 0; i < self->ref_count && self->items != NULL; i++) {
        event_fini(&self->items[i].entry.event);
    }
    store_op_fini(op);
}

static const struct op_type read_type = {"store feed", sizeof(struct store_feed_read),
                                         store_op_abort, read_done, read_fini};

/* --- the log entries --- */

/* All items have their place; those whose entry is gone are left out. */
static void finish(struct store_feed_read *self)
{
    size_t kept = 0;
    for (size_t i = 0; i < self->ref_count; i++) {
        struct feed_item moved = self->items[i];
        if (moved.entry.entry_id[0] != '\0') {
            self->items[i] = (struct feed_item){0};
            self->items[kept++] = moved;
        }
    }
    self->page.items = self->items;
    self->page.count = kept;
    op_complete(&self->base.op);
}

static void on_entry(void *ctx, const struct store_reply *reply)
{
    struct store_feed_read *self = ctx;
    if (store_op_refused(&self->base, reply)) {
        return;
    }
    struct feed_item *item = &self->items[reply->tag];
    if (reply->value->count == 1) {
        (void)store_log_entry_take(self->base.store, &item->acct, &reply->value->items[0],
                                   &item->entry);
    }
    if (--self->waiting == 0) {
        finish(self);
    }
}

static void ask_entries(struct store_feed_read *self)
{
    struct store *s = self->base.store;
    struct arena *arena = &self->base.op.arena;
    self->items = ARENA_ARRAY(arena, struct feed_item, self->ref_count);
    for (size_t i = 0; i < self->ref_count; i++) {
        const struct ref *ref = &self->refs[i];
        self->items[i].place = ref->place;
        self->items[i].acct = ref->who->acct;
        if (ref->who->acct.id != NULL) {
            struct store_words w;
            store_words_init(&w, arena);
            store_word_c(&w, "XRANGE");
            store_word(&w, store_key(arena, s, &ref->who->acct, "log"));
            store_word(&w, ref->entry_id);
            store_word(&w, ref->entry_id);
            self->waiting++;
            store_op_send(&self->base, &w, on_entry, i);
        }
    }
    if (self->waiting == 0) {
        finish(self);
    }
}

/* --- accounts that another node made, or that are being made --- */

static void take_row(struct store_feed_read *self, struct who *who, struct str sealed)
{
    struct store *s = self->base.store;
    struct directory_row row;
    if (!directory_row_open(s, who->name, sealed, &row, NULL)) {
        return;
    }
    struct store_acct acct = {.id = row.id, .shard = row.shard};
    (void)snprintf(acct.name, sizeof acct.name, "%s", row.name);
    (void)snprintf(acct.incarnation, sizeof acct.incarnation, "%s", row.incarnation);
    who->acct = store_acct_copy(&self->base.op.arena, &acct);
    if (row.stage == DIRECTORY_LIVE && !store_owns(s, row.shard)) {
        store_directory_put(s, &row);
    } else {
        directory_row_fini(&row);
    }
}

static void on_row(void *ctx, const struct store_reply *reply)
{
    struct store_feed_read *self = ctx;
    if (store_op_refused(&self->base, reply)) {
        return;
    }
    if (reply->value->type == REDIS_STRING) {
        take_row(self, &self->whos[reply->tag], reply->value->str);
    }
    if (--self->waiting == 0) {
        ask_entries(self);
    }
}

static void ask_rows(struct store_feed_read *self)
{
    struct store *s = self->base.store;
    struct arena *arena = &self->base.op.arena;
    for (size_t i = 0; i < self->who_count; i++) {
        if (self->whos[i].acct.id == NULL) {
            struct store_words w;
            store_words_init(&w, arena);
            store_word_c(&w, "HGET");
            store_word(&w, store_key_global(arena, s, "directory"));
            store_word(&w, self->whos[i].name);
            self->waiting++;
            store_op_send(&self->base, &w, on_row, i);
        }
    }
    if (self->waiting == 0) {
        ask_entries(self);
    }
}

/* --- the feed --- */

/* One account may have few entries among many. */
static size_t entries_asked(const struct store_feed_read *self)
{
    return self->account_name.ptr == NULL ? STORE_FEED_PAGE : FILTERED_ENTRIES;
}

static const struct who *who_is(struct store_feed_read *self, struct str name)
{
    struct store *s = self->base.store;
    for (size_t i = 0; i < self->who_count; i++) {
        if (str_eq(self->whos[i].name, name)) {
            return &self->whos[i];
        }
    }
    struct who *who = &self->whos[self->who_count++];
    const char *id = store_account_id_by_name(s, name);
    who->name = arena_str(&self->base.op.arena, name);
    if (id != NULL) {
        struct store_acct acct;
        store_acct_init(s, &acct, str_of(id));
        who->acct = store_acct_copy(&self->base.op.arena, &acct);
        store_acct_fini(&acct);
    }
    return who;
}

static void take_ref(struct store_feed_read *self, const struct redis_reply *item)
{
    struct feed_place place;
    if (item->type != REDIS_ARRAY || item->count != 2 ||
        !parse_place(item->items[0].str.ptr, &place)) {
        return;
    }
    struct str name = store_field_get(&item->items[1], "a");
    struct str entry_id = store_field_get(&item->items[1], "e");
    if (name.ptr != NULL && entry_id.ptr != NULL &&
        (self->account_name.ptr == NULL || str_eq(self->account_name, name))) {
        self->refs[self->ref_count++] =
            (struct ref){.place = place,
                         .entry_id = arena_str(&self->base.op.arena, entry_id),
                         .who = who_is(self, name)};
    }
    self->page.end = place;
}

static void on_feed(void *ctx, const struct store_reply *reply)
{
    struct store_feed_read *self = ctx;
    struct arena *arena = &self->base.op.arena;
    if (store_op_refused(&self->base, reply)) {
        return;
    }
    const struct redis_reply *all = reply->value;
    self->refs = ARENA_ARRAY(arena, struct ref, STORE_FEED_PAGE);
    self->whos = ARENA_ARRAY(arena, struct who, STORE_FEED_PAGE);
    size_t at = 0;
    while (at < all->count && self->ref_count < STORE_FEED_PAGE) {
        take_ref(self, &all->items[at++]);
    }
    self->page.more = at < all->count || all->count >= entries_asked(self);
    ask_rows(self);
}

static void on_trimmed(void *ctx, const struct store_reply *reply)
{
    struct store_feed_read *self = ctx;
    struct feed_place trimmed;
    if (!store_op_refused(&self->base, reply) && reply->value->type == REDIS_STRING &&
        parse_place(reply->value->str.ptr, &trimmed)) {
        self->page.gap = feed_place_before(self->after, trimmed);
    }
}

static void ask_feed(struct store_feed_read *self)
{
    struct store *s = self->base.store;
    struct arena *arena = &self->base.op.arena;
    struct store_words w;
    store_words_init(&w, arena);
    store_word_c(&w, "GET");
    store_word(&w, store_key_shard(arena, s, self->shard, FEED_KEY_TRIMMED));
    store_op_send(&self->base, &w, on_trimmed, 0);
    store_words_init(&w, arena);
    store_word_c(&w, "XRANGE");
    store_word(&w, store_key_shard(arena, s, self->shard, "feed"));
    store_word_c(&w, arena_printf(arena, "(%" PRIu64 "-%" PRIu64, self->after.ms,
                                  self->after.seq));
    store_word_c(&w, "+");
    store_word_c(&w, "COUNT");
    store_word_u64(&w, entries_asked(self));
    store_op_send(&self->base, &w, on_feed, 0);
}

struct store_feed_read *store_feed_read_start(struct store *s, uint8_t shard,
                                              struct feed_place after,
                                              struct str account_name,
                                              store_feed_read_cb *cb, void *ctx)
{
    struct store_feed_read *self = store_op_new(s, &read_type, STORE_DEADLINE_MS);
    self->shard = shard;
    self->after = after;
    self->page.end = after;
    self->account_name = arena_str(&self->base.op.arena, account_name);
    self->cb = cb;
    self->ctx = ctx;
    if (op_is_running(&self->base.op)) {
        ask_feed(self);
    }
    return self;
}

void store_feed_read_cancel(struct store_feed_read *op)
{
    if (op != NULL) {
        op_cancel(&op->base.op);
    }
}

/* --- ends --- */

struct store_feed_ends {
    struct store_op base;
    size_t waiting;
    struct feed_place ends[STORE_SHARDS];
    store_feed_ends_cb *cb;
    void *ctx;
};

static void ends_done(struct op *op)
{
    struct store_feed_ends *self = container_of(op, struct store_feed_ends, base.op);
    self->cb(self, &op->err, self->ends, self->ctx);
}

static const struct op_type ends_type = {"store feed ends",
                                         sizeof(struct store_feed_ends), store_op_abort,
                                         ends_done, store_op_fini};

static void on_end(void *ctx, const struct store_reply *reply)
{
    struct store_feed_ends *self = ctx;
    if (store_op_refused(&self->base, reply)) {
        return;
    }
    const struct redis_reply *last =
        reply->value->count == 1 ? reply->value->items : NULL;
    if (last != NULL && last->type == REDIS_ARRAY && last->count == 2) {
        (void)parse_place(last->items[0].str.ptr, &self->ends[reply->tag]);
    }
    if (--self->waiting == 0) {
        op_complete(&self->base.op);
    }
}

struct store_feed_ends *store_feed_ends_start(struct store *s,
                                              const bool shards[STORE_SHARDS],
                                              store_feed_ends_cb *cb, void *ctx)
{
    struct store_feed_ends *self = store_op_new(s, &ends_type, STORE_DEADLINE_MS);
    struct arena *arena = &self->base.op.arena;
    self->cb = cb;
    self->ctx = ctx;
    for (size_t i = 0; i < STORE_SHARDS && op_is_running(&self->base.op); i++) {
        if (shards[i]) {
            struct store_words w;
            store_words_init(&w, arena);
            store_word_c(&w, "XREVRANGE");
            store_word(&w, store_key_shard(arena, s, (uint8_t)i, "feed"));
            store_word_c(&w, "+");
            store_word_c(&w, "-");
            store_word_c(&w, "COUNT");
            store_word_u64(&w, 1);
            self->waiting++;
            store_op_send(&self->base, &w, on_end, i);
        }
    }
    if (self->waiting == 0) {
        op_complete(&self->base.op);
    }
    return self;
}

void store_feed_ends_cancel(struct store_feed_ends *op)
{
    if (op != NULL) {
        op_cancel(&op->base.op);
    }
}
