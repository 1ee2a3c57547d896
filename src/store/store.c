#include "store_priv.h"

#include "store_parts.h"

#include "postrider/base/check.h"
#include "postrider/base/clock.h"
#include "postrider/base/codec.h"
#include "postrider/base/mem.h"
#include "postrider/base/num.h"
#include "postrider/base/rand.h"
#include "postrider/store/store_thread.h"

#include <stdio.h>

enum {
    BEHIND_BYTES = 8 * 1024 * 1024
};

static const uint32_t store_magic = 0x570e5a1du;
static const int64_t default_retention_ms = INT64_C(7) * 24 * 3600 * 1000;

static void on_redis_state(struct redis *r, enum redis_state state, const struct err *err,
                           void *ctx)
{
    (void)r;
    (void)err;
    struct store *s = ctx;
    if (state == REDIS_STATE_READY && s->opened) {
        store_leases_check(s);
        store_poll_now(s);
    }
}

static void make_owner(struct store *s, const char *node_id)
{
    uint8_t raw[16];
    rand_bytes(raw, sizeof raw);
    char hex[2 * sizeof raw + 1];
    hex_format(hex, raw, sizeof raw);
    (void)snprintf(s->node_id, sizeof s->node_id, "%s", node_id != NULL ? node_id : hex);
    (void)snprintf(s->owner, sizeof s->owner, "%s:%s", s->node_id, hex);
}

struct store *store_new(struct redis *redis, const struct store_config *config)
{
    CHECK(config->loop != NULL && (config->passive || config->node_id != NULL));
    struct store *s = MEM_NEW(struct store);
    s->magic = store_magic;
    s->loop = config->loop;
    s->redis = redis;
    s->prefix = mem_strdup(config->prefix != NULL ? config->prefix : "pr");
    s->key_text = mem_strdup(config->key.key_text);
    s->key_file = mem_strdup(config->key.key_file);
    s->passive = config->passive;
    s->lease_ttl_ms =
        config->lease_ttl_ms > 0 ? config->lease_ttl_ms : STORE_LEASE_TTL_MS;
    s->log_retention_ms =
        config->log_retention_ms > 0 ? config->log_retention_ms : default_retention_ms;
    s->moves_seen = -1;
    make_owner(s, config->node_id);
    store_lua_init(s);
    store_calls_init(&s->background);
    s->directory = store_directory_new();
    s->committing = map_new(NULL);
    s->settings = store_settings_cache_new();
    s->tokens = store_token_cache_new();
    redis_set_state_cb(redis, on_redis_state, s);
    return s;
}

static void wipe_text(char *text)
{
    if (text != NULL) {
        mem_wipe(text, strlen(text));
        mem_free(text);
    }
}

void store_free(struct store **sp)
{
    struct store *s = *sp;
    if (s == NULL) {
        return;
    }
    *sp = NULL;
    CHECK_MAGIC(s, store_magic);
    redis_set_state_cb(s->redis, NULL, NULL);
    store_leases_stop(s);
    store_poll_stop(s);
    store_calls_end(&s->background, true);
    map_free(&s->committing);
    store_directory_free(&s->directory);
    store_settings_cache_free(&s->settings);
    store_token_cache_free(&s->tokens);
    store_threads_forget(s);
    keyring_free(&s->keyring);
    wipe_text(s->key_text);
    mem_free(s->key_file);
    mem_free(s->prefix);
    arena_fini(&s->script_texts);
    s->magic = 0;
    mem_free(s);
}

struct redis *store_redis(struct store *s)
{
    return s->redis;
}

struct keyring *store_keyring(struct store *s)
{
    return s->keyring;
}

const char *store_prefix(const struct store *s)
{
    return s->prefix;
}

struct loop *store_loop(struct store *s)
{
    return s->loop;
}

bool store_is_well(const struct store *s, struct err *err)
{
    if (redis_state_get(s->redis) != REDIS_STATE_READY) {
        const struct err *why = redis_last_err(s->redis);
        return err_set(err, ERR_STORE_DOWN, "Redis: %s",
                       why->code != ERR_OK ? why->msg : "not connected yet");
    }
    if (!s->opened) {
        return err_set(err, ERR_STORE_DOWN, "the store is not open");
    }
    if (s->refusal.code != ERR_OK) {
        return err_set(err, s->refusal.code, "%s", s->refusal.msg);
    }
    return s->passive || store_leases_are_well(s, err);
}

bool store_is_behind(const struct store *s)
{
    size_t waiting = redis_waiting_bytes(s->redis);
    return s->opened &&
           (redis_state_get(s->redis) != REDIS_STATE_READY || waiting > BEHIND_BYTES);
}

/* --- naming --- */

void store_name_hash(struct store *s, const char *domain, struct str name,
                     char out[STORE_NAME_HASH_SIZE])
{
    _Static_assert(STORE_NAME_HASH_SIZE == 2 * CRYPTO_NAME_HASH_SIZE + 1, "hexadecimal");
    uint8_t hash[CRYPTO_NAME_HASH_SIZE];
    keyring_name_hash(s->keyring, domain, name, hash);
    hex_format(out, hash, sizeof hash);
}

void store_acct_init(struct store *s, struct store_acct *a, struct str id)
{
    *a = (struct store_acct){.id = mem_strndup(id.len > 0 ? id.ptr : "", id.len)};
    uint8_t digest[CRYPTO_DIGEST_SIZE];
    crypto_sha256(a->id, id.len, digest);
    a->shard = digest[0];
    if (s->keyring == NULL || !keyring_has_lookup(s->keyring)) {
        return; /* every operation fails: the store is not open */
    }
    store_name_hash(s, "account", id, a->name);
    const char *incarnation = store_directory_incarnation(s, str_of(a->name));
    (void)snprintf(a->incarnation, sizeof a->incarnation, "%s",
                   incarnation != NULL ? incarnation : "");
}

void store_acct_fini(struct store_acct *a)
{
    mem_free(a->id);
    *a = (struct store_acct){0};
}

void store_event_id(struct store *s, const struct store_acct *a, uint32_t box,
                    uint32_t epoch, uint32_t uid, const char *type,
                    uint64_t discriminator, char out[37])
{
    _Static_assert(CRYPTO_UUID_SIZE == 37, "text form of a UUID");
    struct buf bytes = BUF_INIT(512);
    uint8_t numbers[20];
    num_put_be32(numbers, box);
    num_put_be32(numbers + 4, epoch);
    num_put_be32(numbers + 8, uid);
    num_put_be64(numbers + 12, discriminator);
    CHECK(buf_put(&bytes, numbers, sizeof numbers) && buf_put_c(&bytes, a->incarnation) &&
          buf_put_byte(&bytes, '\0') && buf_put_c(&bytes, type));
    keyring_event_uuid(s->keyring, bytes.bytes, bytes.len, out);
    buf_fini(&bytes);
}

/* --- news for readers --- */

void store_set_appended_cb(struct store *s, store_appended_cb *cb, void *ctx)
{
    s->appended_cb = cb;
    s->appended_ctx = ctx;
}

void store_appended(struct store *s, const struct store_acct *acct, size_t count)
{
    if (s->appended_cb != NULL) {
        s->appended_cb(s, acct, count, s->appended_ctx);
    }
}
