/* Access tokens: the hash PREFIX:tokens, SHA-256 of the token → sealed record; its field
 * `!epoch` counts revocations: a node that sees another count forgets all it remembers.
 * `!prepared:` and an id stand for a token of the configuration that was made once. */
#include "store_parts.h"

#include "postrider/base/check.h"
#include "postrider/base/clock.h"
#include "postrider/base/codec.h"
#include "postrider/base/log.h"
#include "postrider/base/mem.h"
#include "postrider/base/num.h"
#include "postrider/base/rand.h"

#include <stdio.h>

enum {
    CACHE_MAX = 10000
};

static const int64_t unknown_ms = 1000;
static const int64_t last_used_ms = 60 * 1000;

struct cached {
    json_t *record;     /* NULL = known not to exist */
    int64_t until_ms;   /* monotonic; of an unknown token */
    int64_t touched_ms; /* monotonic; when lastUsed was last written, 0 = never */
};

struct store_token_cache {
    struct map *by_id;
    int64_t epoch;
};

static void cached_free(void *value)
{
    struct cached *c = value;
    json_decref(c->record);
    mem_free(c);
}

struct store_token_cache *store_token_cache_new(void)
{
    struct store_token_cache *c = MEM_NEW(struct store_token_cache);
    c->by_id = map_new(cached_free);
    return c;
}

void store_token_cache_free(struct store_token_cache **c)
{
    if (*c != NULL) {
        map_free(&(*c)->by_id);
        mem_free(*c);
        *c = NULL;
    }
}

static void forget_all(struct store_token_cache *c)
{
    map_free(&c->by_id);
    c->by_id = map_new(cached_free);
}

void store_tokens_seen(struct store *s, int64_t epoch)
{
    if (epoch != s->tokens->epoch) {
        s->tokens->epoch = epoch;
        forget_all(s->tokens);
    }
}

static struct cached *remember(struct store *s, const char *id, json_t *record)
{
    struct store_token_cache *c = s->tokens;
    if (map_count(c->by_id) >= CACHE_MAX) {
        forget_all(c);
    }
    struct cached *entry = MEM_NEW(struct cached);
    entry->record = json_incref(record);
    entry->until_ms = clock_mono_ms() + unknown_ms;
    map_put(c->by_id, str_of(id), entry);
    return entry;
}

/* --- names and places --- */

static void id_of_raw(const uint8_t raw[TOKEN_BYTES], char id[TOKEN_ID_SIZE])
{
    uint8_t digest[CRYPTO_DIGEST_SIZE];
    crypto_sha256(raw, TOKEN_BYTES, digest);
    _Static_assert(TOKEN_ID_SIZE == 2 * sizeof digest + 1, "hexadecimal");
    hex_format(id, digest, sizeof digest);
}

bool store_token_id(struct str text, char id[TOKEN_ID_SIZE])
{
    uint8_t raw[TOKEN_BYTES];
    if (text.len != 2 * TOKEN_BYTES || !hex_decode(text, raw, sizeof raw)) {
        return false;
    }
    id_of_raw(raw, id);
    mem_wipe(raw, sizeof raw);
    return true;
}

/* Lower case; false if it cannot be one. */
static bool id_of_id(struct str text, char id[TOKEN_ID_SIZE])
{
    uint8_t raw[CRYPTO_DIGEST_SIZE];
    if (text.len != TOKEN_ID_SIZE - 1 || !hex_decode(text, raw, sizeof raw)) {
        return false;
    }
    for (size_t i = 0; i < text.len; i++) {
        id[i] = ascii_lower(text.ptr[i]);
    }
    id[text.len] = '\0';
    return true;
}

static struct store_place place_of(const char *id, char field[TOKEN_ID_SIZE + 8])
{
    (void)snprintf(field, TOKEN_ID_SIZE + 8, "token:%s", id);
    return (struct store_place){
        .purpose = CRYPTO_TOKEN, .incarnation = "", .field = field};
}

static bool put_record(struct store *s, const char *id, const json_t *record,
                       struct store_words *w)
{
    char field[TOKEN_ID_SIZE + 8];
    struct store_place place = place_of(id, field);
    struct buf sealed = BUF_INIT(STORE_RECORD_MAX + CRYPTO_FIELD_OVERHEAD);
    bool ok = store_seal_json(s, &place, record, &sealed);
    store_word_c(w, id);
    store_word_buf(w, &sealed);
    buf_fini(&sealed);
    return ok;
}

static json_t *open_record(struct store *s, const char *id, struct str sealed,
                           struct err *err)
{
    char field[TOKEN_ID_SIZE + 8];
    struct store_place place = place_of(id, field);
    json_t *record = store_open_json(s, &place, sealed, err);
    if (record != NULL && !json_is_object(record)) {
        json_decref(record);
        err_set(err, ERR_CORRUPT, "token record is not an object");
        return NULL;
    }
    return record;
}

/* --- last use --- */

void store_token_used(struct store *s, struct str id, const char *address)
{
    int64_t now_ms = clock_mono_ms();
    struct cached *entry = map_get(s->tokens->by_id, id);
    if (s->passive || entry == NULL || entry->record == NULL ||
        (entry->touched_ms != 0 && now_ms - entry->touched_ms < last_used_ms)) {
        return;
    }
    entry->touched_ms = now_ms;
    char iso[CLOCK_ISO_SIZE];
    clock_format_iso(clock_wall_ms(), iso);
    json_object_set_new(entry->record, "lastUsed", json_string(iso));
    if (address != NULL) {
        json_object_set_new(entry->record, "lastAddress", json_string(address));
    }
    struct arena arena = {0};
    struct store_words w;
    store_words_init(&w, &arena);
    store_word(&w, store_key_global(&arena, s, "tokens"));
    store_words_end_keys(&w);
    const char *key = arena_strndup(&arena, id.ptr, id.len);
    if (put_record(s, key, entry->record, &w)) {
        struct store_target t = {.store = s, .calls = &s->background};
        store_send_script(&t, STORE_LUA_TOKEN_TOUCH, &w);
    }
    arena_fini(&arena);
}

bool store_token_cached(struct store *s, struct str text, json_t **record_out)
{
    char id[TOKEN_ID_SIZE];
    if (!store_token_id(text, id)) {
        *record_out = NULL; /* nothing like this exists */
        return true;
    }
    struct cached *entry = map_get(s->tokens->by_id, str_of(id));
    if (entry == NULL || (entry->record == NULL && clock_mono_ms() >= entry->until_ms)) {
        return false;
    }
    *record_out = entry->record;
    return true;
}

/* --- operations on one token --- */

struct store_token_op {
    struct store_op base;
    char id[TOKEN_ID_SIZE];
    char other_id[TOKEN_ID_SIZE]; /* to delete if there is no `id`; "" = none */
    int64_t epoch;                /* of the cache when it was asked for */
    json_t *record;
    store_token_cb *cb;
    void *ctx;
};

static void token_done(struct op *op)
{
    struct store_token_op *self = container_of(op, struct store_token_op, base.op);
    self->cb(self, &op->err, op->err.code == ERR_OK ? self->record : NULL, self->ctx);
}

static void token_fini(struct op *op)
{
    struct store_token_op *self = container_of(op, struct store_token_op, base.op);
    store_op_fini(op);
    json_decref(self->record);
}

static const struct op_type token_type = {"store token", sizeof(struct store_token_op),
                                          store_op_abort, token_done, token_fini};

void store_token_cancel(struct store_token_op *op)
{
    op_cancel(op != NULL ? &op->base.op : NULL);
}

static struct store_token_op *op_start(struct store *s, store_token_cb *cb, void *ctx)
{
    struct store_token_op *self = store_op_new(s, &token_type, STORE_DEADLINE_MS);
    self->cb = cb;
    self->ctx = ctx;
    self->epoch = s->tokens->epoch;
    return self;
}

static void not_found(struct store_token_op *self)
{
    op_fail(&self->base.op, ERR_NOT_FOUND, "access token does not exist");
}

static void on_got(void *ctx, const struct store_reply *reply)
{
    struct store_token_op *self = ctx;
    struct store *s = self->base.store;
    struct err err;
    if (store_op_refused(&self->base, reply)) {
        return;
    }
    bool found = reply->value->type == REDIS_STRING;
    if (found) {
        self->record = open_record(s, self->id, reply->value->str, &err);
        if (self->record == NULL) {
            op_fail_err(&self->base.op, &err);
            return;
        }
    }
    /* An answer from before a revocation must not be remembered. */
    if (self->epoch == s->tokens->epoch) {
        const struct cached *old = map_get(s->tokens->by_id, str_of(self->id));
        int64_t touched_ms = old != NULL ? old->touched_ms : 0;
        struct cached *entry = remember(s, self->id, self->record);
        entry->touched_ms = touched_ms;
    }
    if (found) {
        op_complete(&self->base.op);
    } else {
        not_found(self);
    }
}

static void get(struct store_token_op *self)
{
    if (!op_is_running(&self->base.op)) {
        return;
    }
    struct store_words w;
    store_words_init(&w, &self->base.op.arena);
    store_word_c(&w, "HGET");
    store_word(&w, store_key_global(w.arena, self->base.store, "tokens"));
    store_word_c(&w, self->id);
    store_op_send(&self->base, &w, on_got, 0);
}

struct store_token_op *store_token_get_start(struct store *s, struct str text,
                                             store_token_cb *cb, void *ctx)
{
    struct store_token_op *self = op_start(s, cb, ctx);
    if (store_token_id(text, self->id)) {
        get(self);
    } else {
        not_found(self);
    }
    return self;
}

struct store_token_op *store_token_get_by_id_start(struct store *s, struct str id,
                                                   store_token_cb *cb, void *ctx)
{
    struct store_token_op *self = op_start(s, cb, ctx);
    if (id_of_id(id, self->id)) {
        get(self);
    } else {
        not_found(self);
    }
    return self;
}

static void on_created(void *ctx, const struct store_reply *reply)
{
    struct store_token_op *self = ctx;
    if (!store_op_refused(&self->base, reply)) {
        op_complete(&self->base.op);
    }
}

static void on_prepared(void *ctx, const struct store_reply *reply)
{
    struct store_token_op *self = ctx;
    if (store_op_refused(&self->base, reply)) {
        return;
    }
    if (reply->value->integer > 0) {
        op_complete(&self->base.op);
    } else {
        not_found(self);
    }
}

static void too_large(struct store_token_op *self)
{
    op_fail(&self->base.op, ERR_TOO_LARGE, "access token record is too large");
}

/* HSET, or HSETNX for what another installation made. */
static void send_record(struct store_token_op *self, const char *command)
{
    struct store_words w;
    store_words_init(&w, &self->base.op.arena);
    store_word_c(&w, command);
    store_word(&w, store_key_global(w.arena, self->base.store, "tokens"));
    if (put_record(self->base.store, self->id, self->record, &w)) {
        store_op_send(&self->base, &w, on_created, 0);
    } else {
        too_large(self);
    }
}

static void send_prepared(struct store_token_op *self)
{
    struct store_words w;
    store_words_init(&w, &self->base.op.arena);
    store_word(&w, store_key_global(w.arena, self->base.store, "tokens"));
    store_words_end_keys(&w);
    if (put_record(self->base.store, self->id, self->record, &w)) {
        store_op_script(&self->base, STORE_LUA_TOKEN_PREPARE, &w, on_prepared, 0);
    } else {
        too_large(self);
    }
}

static void put_now(json_t *record)
{
    char iso[CLOCK_ISO_SIZE];
    clock_format_iso(clock_wall_ms(), iso);
    json_object_set_new(record, "created", json_string(iso));
}

struct store_token_op *store_token_create_start(struct store *s, json_t *record,
                                                char text_out[TOKEN_TEXT_SIZE],
                                                store_token_cb *cb, void *ctx)
{
    struct store_token_op *self = op_start(s, cb, ctx);
    uint8_t raw[TOKEN_BYTES];
    rand_bytes(raw, sizeof raw);
    _Static_assert(TOKEN_TEXT_SIZE == 2 * sizeof raw + 1, "hexadecimal");
    hex_format(text_out, raw, sizeof raw);
    id_of_raw(raw, self->id);
    mem_wipe(raw, sizeof raw);
    if (op_is_running(&self->base.op)) {
        self->record = json_deep_copy(record);
        json_object_set_new(self->record, "id", json_string(self->id));
        put_now(self->record);
        send_record(self, "HSET");
    }
    return self;
}

/* False: the operation has ended. */
static bool take_foreign(struct store_token_op *self, json_t *record)
{
    const char *id = json_string_value(json_object_get(record, "id"));
    if (id == NULL || !id_of_id(str_of(id), self->id)) {
        op_fail(&self->base.op, ERR_INVALID, "access token record has no id");
    } else if (op_is_running(&self->base.op)) {
        self->record = json_deep_copy(record);
        if (json_object_get(record, "created") == NULL) {
            put_now(self->record);
        }
        return true;
    }
    return false;
}

struct store_token_op *store_token_import_start(struct store *s, json_t *record,
                                                store_token_cb *cb, void *ctx)
{
    struct store_token_op *self = op_start(s, cb, ctx);
    if (take_foreign(self, record)) {
        send_record(self, "HSETNX");
    }
    return self;
}

struct store_token_op *store_token_prepare_start(struct store *s, json_t *record,
                                                 store_token_cb *cb, void *ctx)
{
    struct store_token_op *self = op_start(s, cb, ctx);
    if (take_foreign(self, record)) {
        send_prepared(self);
    }
    return self;
}

static void send_delete(struct store_token_op *self);

static void on_deleted(void *ctx, const struct store_reply *reply)
{
    struct store_token_op *self = ctx;
    if (store_op_refused(&self->base, reply)) {
        return;
    }
    if (reply->value->integer > 0) {
        store_tokens_seen(self->base.store, reply->value->integer);
        op_complete(&self->base.op);
    } else if (self->other_id[0] != '\0') {
        memcpy(self->id, self->other_id, sizeof self->id);
        self->other_id[0] = '\0';
        send_delete(self);
    } else {
        not_found(self);
    }
}

static void send_delete(struct store_token_op *self)
{
    struct store_words w;
    store_words_init(&w, &self->base.op.arena);
    store_word(&w, store_key_global(w.arena, self->base.store, "tokens"));
    store_words_end_keys(&w);
    store_word_c(&w, self->id);
    store_op_script(&self->base, STORE_LUA_TOKEN_DELETE, &w, on_deleted, 0);
}

/* Token and id look alike: 64 digits. */
struct store_token_op *store_token_delete_start(struct store *s, struct str text_or_id,
                                                store_token_cb *cb, void *ctx)
{
    struct store_token_op *self = op_start(s, cb, ctx);
    if (!store_token_id(text_or_id, self->id)) {
        not_found(self);
        return self;
    }
    CHECK(id_of_id(text_or_id, self->other_id));
    if (op_is_running(&self->base.op)) {
        send_delete(self);
    }
    return self;
}

/* --- the list --- */

struct store_tokens_list {
    struct store_op base;
    char *account; /* NULL = all */
    json_t *records;
    store_tokens_cb *cb;
    void *ctx;
};

static void list_done(struct op *op)
{
    struct store_tokens_list *self = container_of(op, struct store_tokens_list, base.op);
    self->cb(self, &op->err, op->err.code == ERR_OK ? self->records : NULL, self->ctx);
}

static void list_fini(struct op *op)
{
    struct store_tokens_list *self = container_of(op, struct store_tokens_list, base.op);
    store_op_fini(op);
    json_decref(self->records);
}

static const struct op_type list_type = {"store token list",
                                         sizeof(struct store_tokens_list), store_op_abort,
                                         list_done, list_fini};

static void take_token(struct store_tokens_list *self, struct str name, struct str sealed)
{
    char id[TOKEN_ID_SIZE];
    struct err err;
    if (!id_of_id(name, id)) {
        return; /* the epoch */
    }
    json_t *record = open_record(self->base.store, id, sealed, &err);
    if (record == NULL) {
        log_at(LOG_WARN, "store", "access token cannot be read", LOG_ERR_FIELDS(&err));
        return;
    }
    const char *account = json_string_value(json_object_get(record, "account"));
    if (self->account == NULL ||
        (account != NULL && strcmp(account, self->account) == 0)) {
        json_array_append(self->records, record);
    }
    json_decref(record);
}

static void on_page(void *ctx, const struct store_reply *reply);

static void scan(struct store_tokens_list *self, struct str cursor)
{
    struct store_words w;
    store_words_init(&w, &self->base.op.arena);
    store_word_c(&w, "HSCAN");
    store_word(&w, store_key_global(w.arena, self->base.store, "tokens"));
    store_word(&w, cursor);
    store_word_c(&w, "COUNT");
    store_word_c(&w, "1000");
    store_op_send(&self->base, &w, on_page, 0);
}

static void on_page(void *ctx, const struct store_reply *reply)
{
    struct store_tokens_list *self = ctx;
    if (store_op_refused(&self->base, reply)) {
        return;
    }
    const struct redis_reply *v = reply->value;
    if (v->type != REDIS_ARRAY || v->count != 2 || v->items[0].type != REDIS_STRING ||
        v->items[1].type != REDIS_ARRAY) {
        op_fail(&self->base.op, ERR_STORE_REPLY, "tokens: malformed page");
        return;
    }
    for (size_t i = 0; i + 1 < v->items[1].count; i += 2) {
        take_token(self, v->items[1].items[i].str, v->items[1].items[i + 1].str);
    }
    op_extend(&self->base.op, STORE_DEADLINE_MS);
    if (str_eq_c(v->items[0].str, "0")) {
        op_complete(&self->base.op);
    } else {
        scan(self, v->items[0].str);
    }
}

struct store_tokens_list *store_tokens_list_start(struct store *s,
                                                  struct str account_or_absent,
                                                  store_tokens_cb *cb, void *ctx)
{
    struct store_tokens_list *self = store_op_new(s, &list_type, STORE_DEADLINE_MS);
    self->cb = cb;
    self->ctx = ctx;
    self->records = json_array();
    self->account = account_or_absent.ptr != NULL
                        ? arena_strndup(&self->base.op.arena, account_or_absent.ptr,
                                        account_or_absent.len)
                        : NULL;
    if (op_is_running(&self->base.op)) {
        scan(self, STR("0"));
    }
    return self;
}
