/* Leases: one per shard, renewed every third of its life.
 *
 *     unknown ──asked──► held ──another epoch or owner──► foreign
 *        ▲                 ▲ │                                │
 *        │                 └─┴─── same epoch, renewed         │
 *        └─────────────── its PTTL has passed ◄───────────────┘
 *
 * A lease that ran out while Redis was away, but that nobody took, comes back with the
 * same epoch; nothing has changed then and nobody is told. */
#include "store_parts.h"

#include "postrider/base/check.h"
#include "postrider/base/clock.h"
#include "postrider/base/log.h"

static const int64_t retry_ms = 1000;
static const int64_t takeover_slack_ms = 5;

void store_set_lease_cb(struct store *s, store_lease_cb *cb, void *ctx)
{
    s->lease_cb = cb;
    s->lease_ctx = ctx;
}

const char *store_owner(const struct store *s)
{
    return s->owner;
}

uint64_t store_epoch(const struct store *s, uint8_t shard)
{
    return s->shards[shard].epoch;
}

bool store_owns(const struct store *s, uint8_t shard)
{
    const struct store_shard *sh = &s->shards[shard];
    return s->opened && sh->held && clock_mono_ms() < sh->good_until_ms;
}

bool store_leases_are_well(const struct store *s, struct err *err)
{
    unsigned missing = 0;
    int64_t now_ms = clock_mono_ms();
    for (size_t i = 0; i < STORE_SHARDS; i++) {
        const struct store_shard *sh = &s->shards[i];
        bool good = sh->held ? now_ms < sh->good_until_ms : sh->foreign;
        missing += good ? 0 : 1;
    }
    return missing == 0 || err_set(err, ERR_FENCED, "%u of %u shards have no lease",
                                   missing, (unsigned)STORE_SHARDS);
}

/* --- what scripts carry --- */

void store_words_lease_keys(struct store_words *w, const struct store *s, uint8_t shard)
{
    store_word(w, store_key_shard(w->arena, s, shard, "lease"));
    store_word(w, store_key_shard(w->arena, s, shard, "epoch"));
}

void store_words_lease_args(struct store_words *w, const struct store *s, uint8_t shard)
{
    store_words_end_keys(w);
    store_word_c(w, s->owner);
    store_word_u64(w, s->shards[shard].epoch);
}

void store_lease_words(struct store_words *w, struct store *s, uint8_t shard)
{
    store_words_lease_keys(w, s, shard);
    store_words_end_keys(w);
    store_word_c(w, s->owner);
    store_word_c(w, s->node_id);
    store_word_u64(w, (uint64_t)s->lease_ttl_ms);
    store_word_u64(w, s->shards[shard].epoch);
}

/* --- taking over --- */

static void on_tick(struct timer *t);

static void schedule(struct store *s)
{
    int64_t now_ms = clock_mono_ms();
    int64_t due_ms = INT64_MAX;
    for (size_t i = 0; i < STORE_SHARDS; i++) {
        if (!s->shards[i].asked && s->shards[i].due_ms < due_ms) {
            due_ms = s->shards[i].due_ms;
        }
    }
    if (due_ms != INT64_MAX) {
        timer_set(s->loop, &s->lease_timer, due_ms > now_ms ? due_ms - now_ms : 0,
                  on_tick);
    }
}

static void tell(struct store *s, uint8_t shard, bool owned)
{
    if (s->shards[shard].told == owned) {
        return;
    }
    s->shards[shard].told = owned;
    if (s->lease_cb != NULL) {
        s->lease_cb(s, shard, owned, s->lease_ctx);
    }
}

static void repair_fresh(struct store *s);

static void on_repaired(struct store_repair *op, const struct err *err, void *ctx)
{
    (void)op;
    struct store *s = ctx;
    s->repair = NULL;
    if (err->code == ERR_CANCELED) {
        return;
    }
    bool failed = err->code != ERR_OK;
    if (failed) {
        log_at(LOG_WARN, "store", "directory not repaired; tried again at the next lease",
               LOG_ERR_FIELDS(err));
    }
    for (size_t i = 0; i < STORE_SHARDS; i++) {
        bool mine = s->shards[i].repairing && s->shards[i].held;
        s->shards[i].repairing = false;
        s->shards[i].fresh |= mine && failed;
        if (mine && !failed) {
            tell(s, (uint8_t)i, true);
        }
    }
    if (!failed) {
        repair_fresh(s);
    }
}

static void repair_fresh(struct store *s)
{
    if (s->repair != NULL || !s->opened) {
        return;
    }
    bool shards[STORE_SHARDS] = {false};
    bool any = false;
    for (size_t i = 0; i < STORE_SHARDS; i++) {
        struct store_shard *sh = &s->shards[i];
        shards[i] = sh->repairing = sh->fresh && sh->held;
        sh->fresh = false;
        any |= shards[i];
    }
    if (any) {
        s->repair = store_repair_start(s, shards, on_repaired, s);
    }
}

bool store_lease_take(struct store *s, uint8_t shard, const struct redis_reply *reply,
                      int64_t asked_ms)
{
    struct store_shard *sh = &s->shards[shard];
    if (reply->type != REDIS_ARRAY || reply->count != 2 ||
        reply->items[0].type != REDIS_INTEGER || reply->items[1].type != REDIS_INTEGER) {
        return false;
    }
    uint64_t epoch = (uint64_t)reply->items[0].integer;
    bool was_held = sh->held;
    bool lost = was_held && epoch != sh->epoch;
    if (epoch == 0) {
        sh->held = false;
        sh->foreign = true;
        sh->due_ms = clock_mono_ms() + reply->items[1].integer + takeover_slack_ms;
    } else {
        sh->held = true;
        sh->foreign = false;
        sh->fresh |= !was_held || lost;
        sh->epoch = epoch;
        sh->good_until_ms = asked_ms + s->lease_ttl_ms;
        sh->due_ms = asked_ms + s->lease_ttl_ms / 3;
    }
    if (lost) {
        log_at(LOG_DEBUG, "store", "lease lost", LOG_I("shard", shard),
               LOG_I("epoch", epoch));
        tell(s, shard, false);
    }
    return true;
}

/* --- renewing --- */

static void on_lease(void *ctx, const struct store_reply *reply)
{
    struct store *s = ctx;
    uint8_t shard = (uint8_t)reply->tag;
    struct store_shard *sh = &s->shards[shard];
    sh->asked = false;
    if (reply->err != NULL || !store_lease_take(s, shard, reply->value, sh->asked_ms)) {
        sh->due_ms = clock_mono_ms() + retry_ms;
    }
    schedule(s);
    repair_fresh(s);
}

static void ask(struct store *s, uint8_t shard, struct arena *arena)
{
    struct store_words w;
    store_words_init(&w, arena);
    store_lease_words(&w, s, shard);
    s->shards[shard].asked = true;
    s->shards[shard].asked_ms = clock_mono_ms();
    struct store_target t = {
        .store = s, .calls = &s->background, .fn = on_lease, .ctx = s, .tag = shard};
    store_send_script(&t, STORE_LUA_LEASE, &w);
}

static void on_tick(struct timer *t)
{
    struct store *s = container_of(t, struct store, lease_timer);
    int64_t now_ms = clock_mono_ms();
    struct arena arena = {0};
    for (size_t i = 0; i < STORE_SHARDS; i++) {
        if (!s->shards[i].asked && s->shards[i].due_ms <= now_ms) {
            ask(s, (uint8_t)i, &arena);
        }
    }
    arena_fini(&arena);
    schedule(s);
}

void store_leases_start(struct store *s)
{
    if (!s->passive) {
        schedule(s);
    }
}

void store_leases_check(struct store *s)
{
    if (s->passive) {
        return;
    }
    for (size_t i = 0; i < STORE_SHARDS; i++) {
        s->shards[i].due_ms = 0;
    }
    schedule(s);
}

void store_shard_repair(struct store *s, uint8_t shard)
{
    s->shards[shard].fresh = true;
    store_lease_suspect(s, shard);
}

void store_lease_suspect(struct store *s, uint8_t shard)
{
    if (s->opened && !s->passive) {
        s->shards[shard].due_ms = 0;
        schedule(s);
    }
}

/* --- ending --- */

void store_leases_stop(struct store *s)
{
    timer_stop(&s->lease_timer);
    if (s->repair != NULL) {
        store_repair_cancel(s->repair);
        s->repair = NULL;
    }
}

void store_lease_release_words(struct store_words *w, struct store *s, uint8_t shard)
{
    store_word(w, store_key_shard(w->arena, s, shard, "lease"));
    store_words_end_keys(w);
    store_word_c(w, s->owner);
}
