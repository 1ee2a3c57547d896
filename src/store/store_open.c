/* Opening a store.
 *
 *     wait ──Redis ready──► look ──► key ──► check ──► lookup ──► schema ──► load ──►
 *      ▲                                                 leases ──► repair ──► done
 *      └──────── any transient failure, after a delay ────────┘
 *
 * Nothing is written before the master key has proved right: against the key check value
 * or the wrapped lookup key if there is one. Both are written with NX and read back, so
 * that of two nodes that start together one wins and the other finds out. */
#include "store_parts.h"

#include "postrider/base/check.h"
#include "postrider/base/clock.h"
#include "postrider/base/log.h"
#include "postrider/base/mem.h"
#include "postrider/base/num.h"
#include "postrider/loop/worker.h"

#include <stdio.h>

static const int64_t progress_ms = 60 * 1000;
static const int64_t redis_wait_ms = 50;
static const struct backoff_policy retry_policy = {
    .first_ms = 200, .max_ms = 5000, .factor_percent = 200, .jitter_percent = 20};
static const char check_text[] = "postrider key check";

enum value {
    VALUE_CHECK,
    VALUE_LOOKUP,
    VALUE_SCHEMA,
    VALUE_COUNT
};
static const char *const value_keys[VALUE_COUNT] = {
    [VALUE_CHECK] = "keycheck",
    [VALUE_LOOKUP] = "lookup",
    [VALUE_SCHEMA] = "schema",
};

struct key_job;

struct store_open {
    struct store_op base;
    struct timer retry;
    struct backoff backoff;
    struct str values[VALUE_COUNT]; /* as stored; absent = none */
    size_t replies_missing;
    struct key_job *key_job;
    bool key_created;
    struct store_repair *repair;
    store_open_cb *cb;
    void *ctx;
};

/* Lives on its own: the thread may still run when the operation is gone. */
struct key_job {
    struct store_open *open; /* NULL once it is gone */
    struct worker *worker;
    struct master_key_config config;
    char *key_text, *key_file;
    uint8_t key[CRYPTO_KEY_SIZE];
    bool created;
};

static void open_abort(struct op *op)
{
    struct store_open *o = container_of(op, struct store_open, base.op);
    store_op_abort(op);
    timer_stop(&o->retry);
    if (o->key_job != NULL) {
        o->key_job->open = NULL;
        worker_cancel(o->key_job->worker);
        o->key_job = NULL;
    }
    if (o->repair != NULL) {
        store_repair_cancel(o->repair);
        o->repair = NULL;
    }
}

static void open_done(struct op *op)
{
    struct store_open *o = container_of(op, struct store_open, base.op);
    o->cb(o, &op->err, o->ctx);
}

static const struct op_type open_type = {"store open", sizeof(struct store_open),
                                         open_abort, open_done, store_op_fini};

/* --- trying again --- */

static void look(struct store_open *o);

static void on_retry(struct timer *t)
{
    struct store_open *o = container_of(t, struct store_open, retry);
    struct redis *redis = o->base.store->redis;
    op_extend(&o->base.op, progress_ms);
    if (redis_state_get(redis) == REDIS_STATE_READY) {
        look(o);
        return;
    }
    if (redis_last_err(redis)->code == ERR_STORE_POLICY) {
        op_fail_err(&o->base.op, redis_last_err(redis));
        return;
    }
    timer_set(o->base.store->loop, &o->retry, redis_wait_ms, on_retry);
}

static void try_again(struct store_open *o, const struct err *err)
{
    store_calls_end(&o->base.calls, true);
    log_at(LOG_WARN, "store", "cannot open the store yet", LOG_ERR_FIELDS(err));
    timer_set(o->base.store->loop, &o->retry, backoff_next_ms(&o->backoff, &retry_policy),
              on_retry);
}

/* True if the reply is of no use; a new try is on its way then. */
static bool refused(struct store_open *o, const struct store_reply *reply)
{
    if (reply->err != NULL) {
        try_again(o, reply->err);
    }
    return reply->err != NULL;
}

/* --- the key --- */

static void check(struct store_open *o);

static void key_work(void *data, struct err *err)
{
    struct key_job *job = data;
    (void)master_key_load(&job->config, job->key, &job->created, err);
}

static void on_key(struct worker *w, const struct err *err, void *ctx)
{
    (void)w;
    struct key_job *job = ctx;
    struct store_open *o = job->open;
    if (o != NULL) {
        o->key_job = NULL;
        if (err->code == ERR_OK) {
            o->base.store->keyring = keyring_new(job->key);
            o->key_created = job->created;
            check(o);
        } else {
            op_fail_err(&o->base.op, err);
        }
    }
    mem_wipe(job->key, sizeof job->key);
    if (job->key_text != NULL) {
        mem_wipe(job->key_text, strlen(job->key_text));
    }
    mem_free(job->key_text);
    mem_free(job->key_file);
    mem_free(job);
}

static void load_key(struct store_open *o)
{
    struct store *s = o->base.store;
    if (s->keyring != NULL) {
        check(o);
        return;
    }
    struct key_job *job = MEM_NEW(struct key_job);
    job->open = o;
    job->key_text = mem_strdup(s->key_text);
    job->key_file = mem_strdup(s->key_file);
    job->config =
        (struct master_key_config){.key_text = job->key_text,
                                   .key_file = job->key_file,
                                   .may_create = o->values[VALUE_CHECK].ptr == NULL &&
                                                 o->values[VALUE_LOOKUP].ptr == NULL};
    o->key_job = job;
    job->worker = worker_start(s->loop, WORKER_CRYPTO, key_work, job, on_key, job);
}

/* --- looking, and writing what is missing --- */

static void on_value(void *ctx, const struct store_reply *reply)
{
    struct store_open *o = ctx;
    if (refused(o, reply)) {
        return;
    }
    o->values[reply->tag] = reply->value->type == REDIS_STRING
                                ? arena_str(&o->base.op.arena, reply->value->str)
                                : STR_NULL;
    if (--o->replies_missing == 0) {
        load_key(o);
    }
}

static void ask(struct store_open *o, enum value value, store_reply_fn *fn)
{
    struct store_words w;
    store_words_init(&w, &o->base.op.arena);
    store_word_c(&w, "GET");
    store_word(&w, store_key_global(w.arena, o->base.store, value_keys[value]));
    store_op_send(&o->base, &w, fn, value);
}

static void look(struct store_open *o)
{
    o->replies_missing = VALUE_COUNT;
    for (size_t i = 0; i < VALUE_COUNT; i++) {
        ask(o, (enum value)i, on_value);
    }
}

static void on_set(void *ctx, const struct store_reply *reply)
{
    struct store_open *o = ctx;
    (void)refused(o, reply);
}

static void verified(struct store_open *o, enum value value);

static void on_read_back(void *ctx, const struct store_reply *reply)
{
    struct store_open *o = ctx;
    if (refused(o, reply)) {
        return;
    }
    if (reply->value->type != REDIS_STRING) {
        struct err err;
        err_set(&err, ERR_STORE_REPLY, "%s was written but is not there",
                value_keys[reply->tag]);
        try_again(o, &err);
        return;
    }
    o->values[reply->tag] = arena_str(&o->base.op.arena, reply->value->str);
    verified(o, (enum value)reply->tag);
}

static void set_if_absent(struct store_open *o, enum value value, struct str text)
{
    struct store_words w;
    store_words_init(&w, &o->base.op.arena);
    store_word_c(&w, "SET");
    store_word(&w, store_key_global(w.arena, o->base.store, value_keys[value]));
    store_word(&w, text);
    store_word_c(&w, "NX");
    store_op_send(&o->base, &w, on_set, value);
    ask(o, value, on_read_back);
}

static const char *key_source(const struct store *s)
{
    return s->key_text != NULL && s->key_text[0] != '\0' ? "secret.key"
           : s->key_file != NULL                         ? s->key_file
                                                         : "secret.key (unset)";
}

static void fail_key(struct store_open *o)
{
    struct store *s = o->base.store;
    keyring_free(&s->keyring);
    if (o->key_created) {
        op_fail(&o->base.op, ERR_KEY,
                "another node has just set up Redis prefix '%s' with a key of its own: "
                "remove the new file %s and use that node's key",
                s->prefix, key_source(s));
        return;
    }
    op_fail(&o->base.op, ERR_KEY,
            "the master key from %s is not the one that Redis prefix '%s' was set up "
            "with: give the right key, or use another prefix; nothing was changed",
            key_source(s), s->prefix);
}

/* --- check, lookup, schema --- */

static const struct store_place check_place = {
    .purpose = CRYPTO_LOOKUP, .incarnation = "", .field = "keycheck"};

static bool check_is_right(struct store_open *o)
{
    struct buf plain = BUF_INIT(sizeof check_text + 64);
    bool ok = store_open_value(o->base.store, &check_place, o->values[VALUE_CHECK],
                               &plain, NULL) &&
              str_eq_c(buf_str(&plain), check_text);
    buf_fini(&plain);
    if (!ok) {
        fail_key(o);
    }
    return ok;
}

static bool lookup_is_right(struct store_open *o)
{
    struct err err = {0};
    if (keyring_unwrap_lookup(o->base.store->keyring, o->values[VALUE_LOOKUP], &err)) {
        return true;
    }
    if (err.code == ERR_KEY) {
        fail_key(o);
    } else {
        keyring_free(&o->base.store->keyring);
        err_wrap(&err, "lookup key in Redis");
        op_fail_err(&o->base.op, &err);
    }
    return false;
}

static bool schema_is_right(struct store_open *o)
{
    uint32_t version = 0;
    if (num_u32(o->values[VALUE_SCHEMA], &version) && version == STORE_SCHEMA_VERSION) {
        return true;
    }
    op_fail(&o->base.op, ERR_CONFIG,
            "Redis prefix '%s' holds data of schema %.*s, this version knows schema %d: "
            "use the version that wrote it, or another prefix",
            o->base.store->prefix, STR_ARG(o->values[VALUE_SCHEMA]),
            STORE_SCHEMA_VERSION);
    return false;
}

static void put_check(struct store_open *o)
{
    struct buf sealed = BUF_INIT(256);
    CHECK(store_seal(o->base.store, &check_place, str_of(check_text), &sealed));
    set_if_absent(o, VALUE_CHECK, buf_str(&sealed));
    buf_fini(&sealed);
}

static void put_lookup(struct store_open *o)
{
    struct keyring *keyring = o->base.store->keyring;
    struct buf wrapped = BUF_INIT(256);
    keyring_generate_lookup(keyring);
    CHECK(keyring_wrap_lookup(keyring, &wrapped));
    set_if_absent(o, VALUE_LOOKUP, buf_str(&wrapped));
    buf_fini(&wrapped);
}

static void put_schema(struct store_open *o)
{
    char text[16];
    (void)snprintf(text, sizeof text, "%d", STORE_SCHEMA_VERSION);
    set_if_absent(o, VALUE_SCHEMA, str_of(text));
}

static void load(struct store_open *o);

static const struct {
    bool (*is_right)(struct store_open *o);
    void (*put)(struct store_open *o);
} values[VALUE_COUNT] = {
    [VALUE_CHECK] = {check_is_right, put_check},
    [VALUE_LOOKUP] = {lookup_is_right, put_lookup},
    [VALUE_SCHEMA] = {schema_is_right, put_schema},
};

static void settle(struct store_open *o, size_t value)
{
    if (value == VALUE_COUNT) {
        load(o);
    } else if (o->values[value].ptr == NULL) {
        values[value].put(o);
    } else {
        verified(o, (enum value)value);
    }
}

static void verified(struct store_open *o, enum value value)
{
    if (values[value].is_right(o)) {
        settle(o, (size_t)value + 1);
    }
}

/* What is stored is judged first, all of it, then what is missing is written. */
static void check(struct store_open *o)
{
    for (size_t i = 0; i < VALUE_COUNT; i++) {
        if (o->values[i].ptr != NULL && !values[i].is_right(o)) {
            return;
        }
    }
    settle(o, 0);
}

/* --- settings and the epoch of tokens --- */

enum {
    LOAD_SETTINGS,
    LOAD_TOKENS
};

static void take_leases(struct store_open *o);

static void on_load(void *ctx, const struct store_reply *reply)
{
    struct store_open *o = ctx;
    if (refused(o, reply)) {
        return;
    }
    int64_t epoch = 0;
    if (reply->tag == LOAD_SETTINGS && reply->value->type == REDIS_ARRAY) {
        store_settings_load(o->base.store, reply->value);
    } else if (reply->value->type == REDIS_STRING && num_i64(reply->value->str, &epoch)) {
        store_tokens_seen(o->base.store, epoch);
    }
    if (--o->replies_missing == 0) {
        take_leases(o);
    }
}

static void load(struct store_open *o)
{
    struct store_words w;
    store_words_init(&w, &o->base.op.arena);
    store_word_c(&w, "HGETALL");
    store_word(&w, store_key_global(w.arena, o->base.store, "settings"));
    store_op_send(&o->base, &w, on_load, LOAD_SETTINGS);
    store_words_init(&w, &o->base.op.arena);
    store_word_c(&w, "HGET");
    store_word(&w, store_key_global(w.arena, o->base.store, "tokens"));
    store_word_c(&w, "!epoch");
    store_op_send(&o->base, &w, on_load, LOAD_TOKENS);
    o->replies_missing = 2;
}

/* --- leases, repair --- */

static void repair(struct store_open *o);

static void on_lease(void *ctx, const struct store_reply *reply)
{
    struct store_open *o = ctx;
    struct store *s = o->base.store;
    uint8_t shard = (uint8_t)reply->tag;
    if (refused(o, reply)) {
        return;
    }
    if (!store_lease_take(s, shard, reply->value, s->shards[shard].asked_ms)) {
        struct err err;
        err_set(&err, ERR_STORE_REPLY, "lease: unexpected reply");
        try_again(o, &err);
        return;
    }
    if (--o->replies_missing == 0) {
        repair(o);
    }
}

static void take_leases(struct store_open *o)
{
    struct store *s = o->base.store;
    if (s->passive) {
        repair(o);
        return;
    }
    o->replies_missing = STORE_SHARDS;
    for (size_t i = 0; i < STORE_SHARDS; i++) {
        struct store_words w;
        store_words_init(&w, &o->base.op.arena);
        store_lease_words(&w, s, (uint8_t)i);
        s->shards[i].asked_ms = clock_mono_ms();
        store_op_script(&o->base, STORE_LUA_LEASE, &w, on_lease, i);
    }
}

static void on_repaired(struct store_repair *op, const struct err *err, void *ctx)
{
    (void)op;
    struct store_open *o = ctx;
    struct store *s = o->base.store;
    o->repair = NULL;
    if (err->code != ERR_OK) {
        try_again(o, err);
        return;
    }
    size_t held = 0;
    for (size_t i = 0; i < STORE_SHARDS; i++) {
        s->shards[i].told = s->shards[i].held;
        s->shards[i].fresh = false;
        held += s->shards[i].held ? 1 : 0;
    }
    s->opened = true;
    store_leases_start(s);
    store_poll_start(s);
    log_at(LOG_INFO, "store", "opened", LOG_I("shards", held),
           LOG_I("accounts", store_directory_count(s)));
    op_complete(&o->base.op);
}

static void repair(struct store_open *o)
{
    struct store *s = o->base.store;
    bool shards[STORE_SHARDS];
    for (size_t i = 0; i < STORE_SHARDS; i++) {
        shards[i] = s->shards[i].held;
    }
    op_extend(&o->base.op, progress_ms * 10);
    o->repair = store_repair_start(s, shards, on_repaired, o);
}

struct store_open *store_open_start(struct store *s, store_open_cb *cb, void *ctx)
{
    CHECK(!s->opened);
    struct store_open *o = op_new(s->loop, &open_type, progress_ms);
    o->base.store = s;
    store_calls_init(&o->base.calls);
    o->cb = cb;
    o->ctx = ctx;
    timer_set(s->loop, &o->retry, 0, on_retry);
    return o;
}

void store_open_cancel(struct store_open *op)
{
    op_cancel(op != NULL ? &op->base.op : NULL);
}
