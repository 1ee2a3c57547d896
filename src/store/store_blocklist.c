/* Block lists: the hash PREFIX:{blocklist}:names, hash of a list's name → its sealed name;
 * and of each list the hash …:entries:HASH, hash of a recipient → its sealed record, with
 * the sorted set …:order:HASH by time. */
#include "postrider/store/store_blocklist.h"

#include "postrider/base/check.h"
#include "postrider/base/clock.h"
#include "postrider/base/log.h"
#include "postrider/json/json.h"
#include "store_priv.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    FIELD_SIZE = 2 * STORE_NAME_HASH_SIZE + 16
};

#define ENTRIES_KIND "{blocklist}:entries:"

struct store_blocklist {
    struct store_op base;
    char list[STORE_NAME_HASH_SIZE];
    size_t first, count;
    json_t *rows;
    size_t total;
    store_blocklist_cb *cb;
    void *ctx;
};

static void blocklist_done(struct op *op)
{
    struct store_blocklist *self = container_of(op, struct store_blocklist, base.op);
    bool ok = op->err.code == ERR_OK;
    self->cb(self, &op->err, ok ? self->rows : NULL, ok ? self->total : 0, self->ctx);
}

static void blocklist_fini(struct op *op)
{
    struct store_blocklist *self = container_of(op, struct store_blocklist, base.op);
    store_op_fini(op);
    json_decref(self->rows);
}

static const struct op_type blocklist_type = {
    "store block list", sizeof(struct store_blocklist), store_op_abort, blocklist_done,
    blocklist_fini};

void store_blocklist_cancel(struct store_blocklist *op)
{
    op_cancel(op != NULL ? &op->base.op : NULL);
}

/* list absent: all of them. */
static struct store_blocklist *op_start(struct store *s, struct str list,
                                        store_blocklist_cb *cb, void *ctx)
{
    struct store_blocklist *self = store_op_new(s, &blocklist_type, STORE_DEADLINE_MS);
    self->cb = cb;
    self->ctx = ctx;
    if (op_is_running(&self->base.op) && list.ptr != NULL) {
        store_name_hash(s, "blocklist", list, self->list);
    }
    return self;
}

/* --- places --- */

static struct str key_of(struct store_blocklist *self, const char *kind)
{
    struct arena *arena = &self->base.op.arena;
    return store_key_global(arena, self->base.store,
                            arena_printf(arena, "{blocklist}:%s%s", kind, self->list));
}

static struct str names_key(struct store_blocklist *self)
{
    return store_key_global(&self->base.op.arena, self->base.store, "{blocklist}:names");
}

/* recipient "" = the name of the list itself. */
static struct store_place place_of(const char *list, const char *recipient,
                                   char field[FIELD_SIZE])
{
    (void)snprintf(field, FIELD_SIZE, "blocklist:%s:%s", list, recipient);
    return (struct store_place){
        .purpose = CRYPTO_BLOCKLIST, .incarnation = "", .field = field};
}

static void recipient_hash(struct store_blocklist *self, struct str recipient,
                           char out[STORE_NAME_HASH_SIZE])
{
    char *lower = arena_strndup(&self->base.op.arena, recipient.ptr, recipient.len);
    for (char *c = lower; *c != '\0'; c++) {
        *c = ascii_lower(*c);
    }
    store_name_hash(self->base.store, "blocked", str_of(lower), out);
}

static bool put_sealed(struct store_blocklist *self, const char *recipient,
                       const json_t *value, struct store_words *w)
{
    char field[FIELD_SIZE];
    struct store_place place = place_of(self->list, recipient, field);
    struct buf sealed = BUF_INIT(STORE_RECORD_MAX + CRYPTO_FIELD_OVERHEAD);
    bool ok = store_seal_json(self->base.store, &place, value, &sealed);
    store_word_buf(w, &sealed);
    buf_fini(&sealed);
    return ok;
}

static json_t *open_sealed(struct store_blocklist *self, const char *list,
                           struct str recipient, struct str sealed)
{
    char field[FIELD_SIZE];
    char hash[STORE_NAME_HASH_SIZE];
    struct err err;
    (void)snprintf(hash, sizeof hash, "%.*s", STR_ARG(recipient));
    struct store_place place = place_of(list, hash, field);
    json_t *value = store_open_json(self->base.store, &place, sealed, &err);
    if (value == NULL) {
        log_at(LOG_WARN, "store", "entry of a block list cannot be read",
               LOG_ERR_FIELDS(&err));
    }
    return value;
}

/* --- changes --- */

static void on_changed(void *ctx, const struct store_reply *reply)
{
    struct store_blocklist *self = ctx;
    if (!store_op_refused(&self->base, reply)) {
        self->total = reply->value->integer > 0 ? 1 : 0;
        op_complete(&self->base.op);
    }
}

static void put_keys(struct store_blocklist *self, struct store_words *w)
{
    store_words_init(w, &self->base.op.arena);
    store_word(w, names_key(self));
    store_word(w, key_of(self, "entries:"));
    store_word(w, key_of(self, "order:"));
    store_words_end_keys(w);
    store_word_c(w, self->list);
}

struct store_blocklist *store_blocklist_add_start(struct store *s, struct str list,
                                                  const json_t *record,
                                                  store_blocklist_cb *cb, void *ctx)
{
    struct store_blocklist *self = op_start(s, list, cb, ctx);
    if (!op_is_running(&self->base.op)) {
        return self;
    }
    int64_t now_ms = clock_wall_ms();
    char recipient[STORE_NAME_HASH_SIZE];
    struct store_words w;
    json_t *name ATTR_CLEANUP(json_cleanup) = json_str_repaired(list);
    json_t *stored ATTR_CLEANUP(json_cleanup) = json_deep_copy(record);
    json_put_time(stored, "created", now_ms);
    recipient_hash(self, json_get_str(record, "recipient"), recipient);
    put_keys(self, &w);
    bool fits = put_sealed(self, "", name, &w);
    store_word_c(&w, recipient);
    fits = put_sealed(self, recipient, stored, &w) && fits;
    if (!fits) {
        op_fail(&self->base.op, ERR_TOO_LARGE, "entry of a block list is too large");
        return self;
    }
    store_word_u64(&w, (uint64_t)now_ms);
    store_word_u64(&w, STORE_BLOCKLISTS_MAX);
    store_word_u64(&w, STORE_BLOCKED_MAX);
    store_op_script(&self->base, STORE_LUA_BLOCKLIST_ADD, &w, on_changed, 0);
    return self;
}

struct store_blocklist *store_blocklist_delete_start(struct store *s, struct str list,
                                                     struct str recipient,
                                                     store_blocklist_cb *cb, void *ctx)
{
    struct store_blocklist *self = op_start(s, list, cb, ctx);
    if (op_is_running(&self->base.op)) {
        char hash[STORE_NAME_HASH_SIZE];
        struct store_words w;
        recipient_hash(self, recipient, hash);
        put_keys(self, &w);
        store_word_c(&w, hash);
        store_op_script(&self->base, STORE_LUA_BLOCKLIST_DELETE, &w, on_changed, 0);
    }
    return self;
}

/* --- one list --- */

static void on_entries(void *ctx, const struct store_reply *reply)
{
    struct store_blocklist *self = ctx;
    if (store_op_refused(&self->base, reply)) {
        return;
    }
    const struct redis_reply *v = reply->value;
    if (v->type != REDIS_ARRAY || v->count == 0 || v->items[0].integer < 0) {
        op_fail(&self->base.op, ERR_STORE_REPLY, "block list: malformed page");
        return;
    }
    self->total = (size_t)v->items[0].integer;
    self->rows = json_array();
    for (size_t i = 1; i + 1 < v->count; i += 2) {
        json_t *row = open_sealed(self, self->list, v->items[i].str, v->items[i + 1].str);
        if (row != NULL) {
            json_push(self->rows, row);
        }
    }
    op_complete(&self->base.op);
}

struct store_blocklist *store_blocklist_read_start(struct store *s, struct str list,
                                                   size_t first, size_t count,
                                                   store_blocklist_cb *cb, void *ctx)
{
    CHECK(count > 0 && count <= STORE_BLOCKLIST_PAGE_MAX);
    struct store_blocklist *self = op_start(s, list, cb, ctx);
    if (op_is_running(&self->base.op)) {
        struct store_words w;
        store_words_init(&w, &self->base.op.arena);
        store_word(&w, key_of(self, "entries:"));
        store_word(&w, key_of(self, "order:"));
        store_words_end_keys(&w);
        store_word_u64(&w, first);
        store_word_u64(&w, first + count - 1);
        store_op_script(&self->base, STORE_LUA_BLOCKLIST_READ, &w, on_entries, 0);
    }
    return self;
}

/* --- all lists --- */

static int by_name(const void *a, const void *b)
{
    return strcmp(json_get_cstr(*(json_t *const *)a, "listId"),
                  json_get_cstr(*(json_t *const *)b, "listId"));
}

static void take_page(struct store_blocklist *self, json_t **lists, size_t count)
{
    if (count > 1) {
        qsort(lists, count, sizeof *lists, by_name);
    }
    self->rows = json_array();
    for (size_t i = 0; i < count; i++) {
        bool wanted = i >= self->first && i - self->first < self->count;
        if (wanted) {
            json_push(self->rows, lists[i]);
        } else {
            json_decref(lists[i]);
        }
    }
    self->total = count;
}

static void on_lists(void *ctx, const struct store_reply *reply)
{
    struct store_blocklist *self = ctx;
    if (store_op_refused(&self->base, reply)) {
        return;
    }
    const struct redis_reply *v = reply->value;
    size_t most = v->type == REDIS_ARRAY ? v->count / 3 : 0;
    json_t **lists = ARENA_ARRAY(&self->base.op.arena, json_t *, most + 1);
    size_t count = 0;
    for (size_t i = 0; i < most; i++) {
        const struct redis_reply *item = &v->items[3 * i];
        char list[STORE_NAME_HASH_SIZE];
        (void)snprintf(list, sizeof list, "%.*s", STR_ARG(item[0].str));
        json_t *name = open_sealed(self, list, STR(""), item[1].str);
        if (json_is_string(name)) {
            lists[count] = json_object();
            json_put(lists[count], "listId", json_incref(name));
            json_put_int(lists[count], "count", item[2].integer);
            count++;
        }
        json_decref(name);
    }
    take_page(self, lists, count);
    op_complete(&self->base.op);
}

struct store_blocklist *store_blocklists_start(struct store *s, size_t first,
                                               size_t count, store_blocklist_cb *cb,
                                               void *ctx)
{
    struct store_blocklist *self = op_start(s, STR_NULL, cb, ctx);
    self->first = first;
    self->count = count;
    if (op_is_running(&self->base.op)) {
        struct store_words w;
        store_words_init(&w, &self->base.op.arena);
        store_word(&w, names_key(self));
        store_words_end_keys(&w);
        store_word(&w, store_key_global(w.arena, s, ENTRIES_KIND));
        store_op_script(&self->base, STORE_LUA_BLOCKLISTS, &w, on_lists, 0);
    }
    return self;
}
