#include "postrider/store/store_dead.h"

#include "postrider/base/check.h"
#include "postrider/base/clock.h"
#include "postrider/base/log.h"
#include "postrider/base/mem.h"
#include "postrider/base/rand.h"
#include "postrider/json/json.h"
#include "store_rows.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    LETTER_MAX = 16 * 1024
};

#define KIND_LETTERS "dl"
#define SET_LETTERS  "dead"

#define REQUEST_PREFIX "requeue:" /* of the names of settings */

static const char *field_of(struct arena *a, const char *route, const char *entry_id)
{
    return arena_printf(a, "%s:%s", route, entry_id);
}

static struct store_place place_of(struct arena *a, const struct store_acct *acct,
                                   const char *field)
{
    return (struct store_place){.purpose = CRYPTO_LETTER,
                                .incarnation = acct->incarnation,
                                .field = arena_printf(a, "letter:%s", field)};
}

/* --- one letter --- */

struct store_dead_op {
    struct store_op base;
    uint8_t shard;
    store_dead_cb *cb;
    void *ctx;
};

static void dead_done(struct op *op)
{
    struct store_dead_op *self = container_of(op, struct store_dead_op, base.op);
    if (op->err.code == ERR_FENCED) {
        store_lease_suspect(self->base.store, self->shard);
    }
    self->cb(self, &op->err, self->ctx);
}

static const struct op_type dead_type = {"store letter", sizeof(struct store_dead_op),
                                         store_op_abort, dead_done, store_op_fini};

static void on_written(void *ctx, const struct store_reply *reply)
{
    struct store_dead_op *self = ctx;
    if (store_op_refused(&self->base, reply)) {
        return;
    }
    if (reply->tag > 0 && reply->value->integer > 0) {
        log_at(LOG_WARN, "store", "dead letters of an account are too many: old ones go",
               LOG_I("removed", reply->value->integer));
    }
    op_complete(&self->base.op);
}

static struct store_dead_op *dead_new(struct store *s, const struct store_letter *letter,
                                      store_dead_cb *cb, void *ctx)
{
    struct store_dead_op *self = store_op_new(s, &dead_type, STORE_DEADLINE_MS);
    self->shard = letter->acct->shard;
    self->cb = cb;
    self->ctx = ctx;
    return self;
}

struct store_dead_op *store_dead_put_start(struct store *s,
                                           const struct store_letter *letter,
                                           store_dead_cb *cb, void *ctx)
{
    const struct store_acct *acct = letter->acct;
    struct store_dead_op *self = dead_new(s, letter, cb, ctx);
    if (!op_is_running(&self->base.op)) {
        return self;
    }
    struct arena *arena = &self->base.op.arena;
    struct buf sealed = BUF_INIT(LETTER_MAX);
    const char *field = field_of(arena, letter->route, letter->entry_id);
    struct store_place place = place_of(arena, acct, field);
    struct store_words w;
    store_words_init(&w, arena);
    store_words_lease_keys(&w, s, acct->shard);
    store_word(&w, store_key(arena, s, acct, "a"));
    store_word(&w, store_key(arena, s, acct, KIND_LETTERS));
    store_word(&w, store_key_shard(arena, s, acct->shard, SET_LETTERS));
    store_words_lease_args(&w, s, acct->shard);
    store_word_c(&w, arena_strdup(arena, acct->incarnation));
    store_word_c(&w, arena_strdup(arena, acct->name));
    store_word_c(&w, field);
    if (store_seal_json(s, &place, letter->about, &sealed)) {
        store_word_buf(&w, &sealed);
        store_word_u64(&w, STORE_LETTERS_MAX);
        store_word_u64(&w, letter->only_replace ? 1 : 0);
        store_op_script(&self->base, STORE_LUA_DEAD_PUT, &w, on_written, 1);
    } else {
        op_fail(&self->base.op, ERR_TOO_LARGE, "a dead letter is larger than %d KiB",
                LETTER_MAX / 1024);
    }
    buf_fini(&sealed);
    return self;
}

struct store_dead_op *store_dead_drop_start(struct store *s,
                                            const struct store_letter *letter,
                                            store_dead_cb *cb, void *ctx)
{
    const struct store_acct *acct = letter->acct;
    struct store_dead_op *self = dead_new(s, letter, cb, ctx);
    if (op_is_running(&self->base.op)) {
        struct arena *arena = &self->base.op.arena;
        struct store_words w;
        store_words_init(&w, arena);
        store_word(&w, store_key(arena, s, acct, KIND_LETTERS));
        store_word(&w, store_key_shard(arena, s, acct->shard, SET_LETTERS));
        store_words_end_keys(&w);
        store_word_c(&w, arena_strdup(arena, acct->name));
        store_word_c(&w, field_of(arena, letter->route, letter->entry_id));
        store_op_script(&self->base, STORE_LUA_DEAD_DROP, &w, on_written, 0);
    }
    return self;
}

void store_dead_cancel(struct store_dead_op *op)
{
    if (op != NULL) {
        op_cancel(&op->base.op);
    }
}

/* --- a page of them --- */

struct letter_row {
    struct str field, route, entry_id, sealed; /* borrowed from the reply */
    char place[STORE_LETTER_PLACE_SIZE];
};

/* The accounts are asked for first, then one after the other for their letters. */
struct store_dead_list {
    struct store_op base;
    struct store_dead_query query;
    struct str *names;
    size_t name_count, name_cap, name_next;
    size_t waiting;
    struct store_acct acct;  /* whose letters are on their way */
    struct store_acct *kept; /* its copy that letters point to; NULL = none yet */
    struct store_letter *letters;
    struct store_dead_page page;
    store_dead_list_cb *cb;
    void *ctx;
};

static void list_done(struct op *op)
{
    struct store_dead_list *self = container_of(op, struct store_dead_list, base.op);
    self->cb(self, &op->err, op->err.code == ERR_OK ? &self->page : NULL, self->ctx);
}

static void list_fini(struct op *op)
{
    struct store_dead_list *self = container_of(op, struct store_dead_list, base.op);
    for (size_t i = 0; i < self->page.count; i++) {
        json_decref(self->letters[i].about);
    }
    store_acct_fini(&self->acct);
    store_op_fini(op);
}

static const struct op_type list_type = {"store letters", sizeof(struct store_dead_list),
                                         store_op_abort, list_done, list_fini};

static int compare_rows(const void *a, const void *b)
{
    const struct letter_row *left = a, *right = b;
    return strcmp(left->place, right->place);
}

/* Places sort as letters are listed: numbers have a fixed width in them. */
static bool take_row(const struct store_dead_list *self, struct str field,
                     struct str sealed, struct letter_row *out)
{
    char entry_id[STORE_ENTRY_ID_SIZE];
    uint64_t ms, seq;
    size_t at = str_find_byte(field, ':');
    if (at == SIZE_MAX || field.len >= STORE_LETTER_PLACE_SIZE / 2) {
        return false;
    }
    *out = (struct letter_row){.field = field,
                               .route = str_from(field.ptr, at),
                               .entry_id = str_tail(field, at + 1),
                               .sealed = sealed};
    (void)snprintf(entry_id, sizeof entry_id, "%.*s", STR_ARG(out->entry_id));
    if (!store_entry_id_split(entry_id, &ms, &seq)) {
        return false;
    }
    (void)snprintf(out->place, sizeof out->place, "%s-%020" PRIu64 "-%020" PRIu64 "-%.*s",
                   self->acct.name, ms, seq, STR_ARG(out->route));
    return true;
}

static bool is_wanted(const struct store_dead_query *q, const struct letter_row *row)
{
    return (q->route.ptr == NULL || str_eq(q->route, row->route)) &&
           (q->entry_id.ptr == NULL || str_eq(q->entry_id, row->entry_id)) &&
           (q->after.ptr == NULL || str_cmp(str_of(row->place), q->after) > 0);
}

static void put_letter(struct store_dead_list *self, const struct letter_row *row)
{
    struct arena *arena = &self->base.op.arena;
    if (self->kept == NULL) {
        self->kept = ARENA_NEW(arena, struct store_acct);
        *self->kept = store_acct_copy(arena, &self->acct);
    }
    struct store_letter *out = &self->letters[self->page.count++];
    *out = (struct store_letter){.acct = self->kept,
                                 .route = arena_str(arena, row->route).ptr,
                                 .entry_id = arena_str(arena, row->entry_id).ptr};
    struct store_place place =
        place_of(arena, &self->acct, arena_str(arena, row->field).ptr);
    out->about = store_open_json(self->base.store, &place, row->sealed, NULL);
    if (out->about == NULL) {
        out->about = json_object(); /* damaged: that there is one still shows */
    }
    (void)snprintf(self->page.place, sizeof self->page.place, "%s", row->place);
}

static void next_account(struct store_dead_list *self);

static void on_letters(void *ctx, const struct store_reply *reply)
{
    struct store_dead_list *self = ctx;
    if (store_op_refused(&self->base, reply)) {
        return;
    }
    const struct redis_reply *all = reply->value;
    struct letter_row *rows = mem_array(all->count / 2 + 1, sizeof *rows);
    size_t count = 0;
    for (size_t i = 0; i + 1 < all->count; i += 2) {
        if (take_row(self, all->items[i].str, all->items[i + 1].str, &rows[count]) &&
            is_wanted(&self->query, &rows[count])) {
            count++;
        }
    }
    qsort(rows, count, sizeof *rows, compare_rows);
    for (size_t i = 0; i < count && !self->page.more; i++) {
        if (self->page.count < self->query.limit) {
            put_letter(self, &rows[i]);
        } else {
            self->page.more = true;
        }
    }
    mem_free(rows);
    next_account(self);
}

/* Pages of one account belong together: those before the place were shown. */
static bool is_shown(const struct store_dead_list *self, struct str name)
{
    struct str after = self->query.after;
    size_t len = after.len < name.len ? after.len : name.len;
    return after.ptr != NULL && str_cmp(name, str_from(after.ptr, len)) < 0;
}

static void next_account(struct store_dead_list *self)
{
    struct store *s = self->base.store;
    while (self->name_next < self->name_count && !self->page.more) {
        struct str name = self->names[self->name_next++];
        const char *id = store_account_id_by_name(s, name);
        if (id == NULL || is_shown(self, name)) {
            continue;
        }
        store_acct_fini(&self->acct);
        store_acct_init(s, &self->acct, str_of(id));
        self->kept = NULL;
        op_extend(&self->base.op, STORE_DEADLINE_MS);
        store_op_read_hash(&self->base, &self->acct, KIND_LETTERS, on_letters);
        return;
    }
    self->page.letters = self->letters;
    op_complete(&self->base.op);
}

static int compare_names(const void *a, const void *b)
{
    return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

static void put_name(struct store_dead_list *self, struct str name)
{
    struct arena *arena = &self->base.op.arena;
    if (self->name_count == self->name_cap) {
        size_t cap = self->name_cap == 0 ? 64 : self->name_cap * 2;
        struct str *names = ARENA_ARRAY(arena, struct str, cap);
        if (self->name_count > 0) {
            memcpy(names, self->names, self->name_count * sizeof *names);
        }
        self->names = names;
        self->name_cap = cap;
    }
    self->names[self->name_count++] = arena_str(arena, name);
}

static void names_known(struct store_dead_list *self)
{
    if (self->name_count > 0) {
        qsort(self->names, self->name_count, sizeof *self->names, compare_names);
    }
    next_account(self);
}

static void on_names(void *ctx, const struct store_reply *reply)
{
    struct store_dead_list *self = ctx;
    if (store_op_refused(&self->base, reply)) {
        return;
    }
    for (size_t i = 0; i < reply->value->count; i++) {
        put_name(self, reply->value->items[i].str);
    }
    if (--self->waiting == 0) {
        names_known(self);
    }
}

static void ask_names(struct store_dead_list *self)
{
    struct store *s = self->base.store;
    struct arena *arena = &self->base.op.arena;
    for (size_t shard = 0; shard < STORE_SHARDS; shard++) {
        if (!self->query.owned_only || store_owns(s, (uint8_t)shard)) {
            struct store_words w;
            store_words_init(&w, arena);
            store_word_c(&w, "SMEMBERS");
            store_word(&w, store_key_shard(arena, s, (uint8_t)shard, SET_LETTERS));
            self->waiting++;
            store_op_send(&self->base, &w, on_names, shard);
        }
    }
    if (self->waiting == 0) {
        names_known(self);
    }
}

struct store_dead_list *store_dead_list_start(struct store *s,
                                              const struct store_dead_query *query,
                                              store_dead_list_cb *cb, void *ctx)
{
    CHECK(query->limit > 0 && query->limit <= STORE_LETTERS_PAGE);
    struct store_dead_list *self = store_op_new(s, &list_type, STORE_DEADLINE_MS);
    struct arena *arena = &self->base.op.arena;
    self->query = *query;
    self->query.route = arena_str(arena, query->route);
    self->query.entry_id = arena_str(arena, query->entry_id);
    self->query.after = arena_str(arena, query->after);
    self->cb = cb;
    self->ctx = ctx;
    if (!op_is_running(&self->base.op)) {
        return self;
    }
    self->letters = ARENA_ARRAY(arena, struct store_letter, query->limit);
    if (query->account.ptr != NULL) {
        struct store_acct acct = {0};
        store_acct_init(s, &acct, query->account);
        put_name(self, str_of(acct.name));
        store_acct_fini(&acct);
        names_known(self);
    } else {
        ask_names(self);
    }
    return self;
}

void store_dead_list_cancel(struct store_dead_list *op)
{
    if (op != NULL) {
        op_cancel(&op->base.op);
    }
}

/* --- asking for another try --- */

json_t *store_dead_requests(struct store *s)
{
    json_t *out = json_object(), *value;
    const char *name;
    json_object_foreach(store_settings(s), name, value)
    {
        if (str_has_prefix(str_of(name), REQUEST_PREFIX)) {
            json_put(out, name, json_incref(value));
        }
    }
    return out;
}

/* Every node has long seen the oldest ones. */
static void drop_old_requests(struct store *s, json_t *changes)
{
    json_t *all = store_dead_requests(s), *value;
    while (json_object_size(all) >= STORE_REQUESTS_KEPT) {
        const char *name, *oldest = NULL;
        int64_t at_ms = INT64_MAX;
        json_object_foreach(all, name, value)
        {
            int64_t ms = json_get_int(value, "at", 0);
            oldest = ms < at_ms ? name : oldest;
            at_ms = ms < at_ms ? ms : at_ms;
        }
        if (oldest == NULL) {
            break;
        }
        json_put(changes, oldest, json_null());
        (void)json_object_del(all, oldest);
    }
    json_decref(all);
}

struct store_settings_op *store_dead_requeue_start(struct store *s,
                                                   const struct store_dead_query *query,
                                                   store_settings_cb *cb, void *ctx)
{
    char name[sizeof REQUEST_PREFIX + 16];
    json_t *changes = json_object();
    json_t *request = json_object();
    (void)snprintf(name, sizeof name, REQUEST_PREFIX "%016" PRIx64, rand_u64());
    json_put_int(request, "at", clock_wall_ms());
    json_put_str(request, "account", query->account);
    json_put_str(request, "route", query->route);
    json_put_str(request, "entryId", query->entry_id);
    drop_old_requests(s, changes);
    json_put(changes, name, request);
    struct store_settings_op *op = store_settings_set_start(s, changes, cb, ctx);
    json_decref(changes);
    return op;
}
