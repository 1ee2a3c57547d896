#include "keyring_priv.h"

#include "postrider/base/check.h"
#include "postrider/base/mem.h"
#include "postrider/base/num.h"
#include "postrider/base/rand.h"

#include <stdio.h>

static const uint32_t keyring_magic = 0x4b45f121u;

/* Names enter key derivation: changing one makes stored values unreadable. */
static const char *const purpose_names[CRYPTO_PURPOSE_COUNT] = {
    [CRYPTO_ACCOUNT] = "account",     [CRYPTO_SECRET] = "secret",
    [CRYPTO_MAILBOX] = "mailbox",     [CRYPTO_INDEX] = "index",
    [CRYPTO_EVENT] = "event",         [CRYPTO_SETTING] = "setting",
    [CRYPTO_TOKEN] = "token",         [CRYPTO_DIRECTORY] = "directory",
    [CRYPTO_QUEUE] = "queue",         [CRYPTO_BOUNCE] = "bounce",
    [CRYPTO_ROUTE] = "route",         [CRYPTO_LETTER] = "letter",
    [CRYPTO_SPOOL] = "spool",         [CRYPTO_JOURNAL] = "journal",
    [CRYPTO_BLOCKLIST] = "blocklist", [CRYPTO_LOOKUP] = "lookup",
};

#define KDF_SALT STR("postrider/1")

const char *crypto_purpose_name(enum crypto_purpose p)
{
    CHECK((unsigned)p < CRYPTO_PURPOSE_COUNT);
    return purpose_names[p];
}

void keyring_check(const struct keyring *k)
{
    CHECK_MAGIC(k, keyring_magic);
}

static void master_init(struct master *m, const uint8_t bytes[CRYPTO_KEY_SIZE])
{
    memcpy(m->bytes, bytes, CRYPTO_KEY_SIZE);
    crypto_hkdf_sha256(bytes, KDF_SALT, STR("key id"), m->id, sizeof m->id);
}

static void master_fini(struct master *m)
{
    for (size_t i = 0; i < CRYPTO_PURPOSE_COUNT; i++) {
        EVP_CIPHER_CTX_free(m->keys[i].seal);
        EVP_CIPHER_CTX_free(m->keys[i].open);
    }
    mem_wipe(m, sizeof *m);
}

struct keyring *keyring_new(const uint8_t master[CRYPTO_KEY_SIZE])
{
    struct keyring *k = MEM_NEW(struct keyring);
    k->magic = keyring_magic;
    k->nonces = nonce_pool_new();
    k->count = 1;
    master_init(&k->masters[0], master);
    return k;
}

void keyring_free(struct keyring **k)
{
    if (k == NULL || *k == NULL) {
        return;
    }
    keyring_check(*k);
    for (size_t i = 0; i < (*k)->count; i++) {
        master_fini(&(*k)->masters[i]);
    }
    crypto_mac_free(&(*k)->lookup_mac);
    nonce_pool_free(&(*k)->nonces);
    mem_wipe(*k, sizeof **k);
    mem_free(*k);
    *k = NULL;
}

struct master *keyring_find(struct keyring *k, const uint8_t id[KEY_ID_LEN])
{
    for (size_t i = 0; i < k->count; i++) {
        if (memcmp(k->masters[i].id, id, KEY_ID_LEN) == 0) {
            return &k->masters[i];
        }
    }
    return NULL;
}

bool keyring_add_old(struct keyring *k, const uint8_t master[CRYPTO_KEY_SIZE])
{
    keyring_check(k);
    for (size_t i = 0; i < k->count; i++) {
        if (crypto_equal(k->masters[i].bytes, master, CRYPTO_KEY_SIZE)) {
            return true;
        }
    }
    if (k->count == KEYRING_KEYS_MAX) {
        return false;
    }
    master_init(&k->masters[k->count++], master);
    return true;
}

void keyring_id(const struct keyring *k, char out[KEYRING_ID_SIZE])
{
    keyring_check(k);
    (void)snprintf(out, KEYRING_ID_SIZE, "%08x", num_get_be32(k->masters[0].id));
}

static EVP_CIPHER_CTX *keyed_ctx(const struct master *m, enum crypto_purpose p, bool seal)
{
    char info[32];
    int len = snprintf(info, sizeof info, "field/%s", crypto_purpose_name(p));
    CHECK(len > 0 && (size_t)len < sizeof info);
    uint8_t key[CRYPTO_KEY_SIZE];
    crypto_hkdf_sha256(m->bytes, KDF_SALT, str_from(info, (size_t)len), key, sizeof key);
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    CHECK(ctx != NULL);
    CHECK(EVP_CipherInit_ex(ctx, EVP_aes_256_gcm(), NULL, key, NULL, seal ? 1 : 0) == 1);
    mem_wipe(key, sizeof key);
    return ctx;
}

EVP_CIPHER_CTX *keyring_seal_ctx(struct keyring *k, enum crypto_purpose p)
{
    struct purpose_key *key = &k->masters[0].keys[p];
    if (key->seal == NULL) {
        key->seal = keyed_ctx(&k->masters[0], p, true);
    }
    return key->seal;
}

EVP_CIPHER_CTX *keyring_open_ctx(struct master *m, enum crypto_purpose p)
{
    struct purpose_key *key = &m->keys[p];
    if (key->open == NULL) {
        key->open = keyed_ctx(m, p, false);
    }
    return key->open;
}

/* --- the lookup key */

void keyring_generate_lookup(struct keyring *k)
{
    uint8_t key[CRYPTO_KEY_SIZE];
    rand_bytes(key, sizeof key);
    keyring_set_lookup(k, key);
    mem_wipe(key, sizeof key);
}

void keyring_set_lookup(struct keyring *k, const uint8_t key[CRYPTO_KEY_SIZE])
{
    keyring_check(k);
    memcpy(k->lookup, key, CRYPTO_KEY_SIZE);
    crypto_mac_free(&k->lookup_mac);
    k->lookup_mac = crypto_mac_new(key);
}

bool keyring_has_lookup(const struct keyring *k)
{
    keyring_check(k);
    return k->lookup_mac != NULL;
}

static void lookup_aad(struct buf *aad)
{
    (void)crypto_aad(aad, CRYPTO_LOOKUP, STR(""), "lookup key", 0);
}

bool keyring_wrap_lookup(struct keyring *k, struct buf *out)
{
    CHECK(keyring_has_lookup(k));
    struct buf aad = BUF_INIT(256);
    lookup_aad(&aad);
    bool ok = field_seal(k, CRYPTO_LOOKUP, buf_str(&aad),
                         str_from(k->lookup, CRYPTO_KEY_SIZE), out);
    buf_fini(&aad);
    return ok;
}

bool keyring_unwrap_lookup(struct keyring *k, struct str wrapped, struct err *err)
{
    keyring_check(k);
    struct buf aad = BUF_INIT(256);
    struct buf plain = BUF_INIT(CRYPTO_KEY_SIZE);
    lookup_aad(&aad);
    bool ok = field_open(k, CRYPTO_LOOKUP, buf_str(&aad), wrapped, &plain, err);
    if (ok && plain.len != CRYPTO_KEY_SIZE) {
        ok = err_set(err, ERR_DECRYPT, "the lookup key has the wrong size");
    }
    if (ok) {
        keyring_set_lookup(k, (const uint8_t *)plain.bytes);
    } else {
        (void)err_wrap(err, "stored lookup key");
    }
    mem_wipe(plain.bytes, plain.cap);
    buf_fini(&plain);
    buf_fini(&aad);
    return ok;
}

/* The domain is put in front with its length, so that no two (domain, data) pairs give
 * the same input. */
static void lookup_hmac(const struct keyring *k, const char *domain, struct str data,
                        uint8_t out[CRYPTO_DIGEST_SIZE])
{
    struct str name = str_of(domain);
    uint8_t len = (uint8_t)name.len;
    const struct str pieces[] = {str_from(&len, sizeof len), name, data};
    CHECK(keyring_has_lookup(k) && name.len < 0x80);
    crypto_mac_sha256(k->lookup_mac, pieces, ARRAY_LEN(pieces), out);
}

void keyring_name_hash(const struct keyring *k, const char *domain, struct str data,
                       uint8_t out[CRYPTO_NAME_HASH_SIZE])
{
    uint8_t digest[CRYPTO_DIGEST_SIZE];
    lookup_hmac(k, domain, data, digest);
    memcpy(out, digest, CRYPTO_NAME_HASH_SIZE);
}

void keyring_event_uuid(const struct keyring *k, const void *bytes, size_t len,
                        char out[CRYPTO_UUID_SIZE])
{
    uint8_t d[CRYPTO_DIGEST_SIZE];
    lookup_hmac(k, "event uuid", str_from(bytes, len), d);
    /* RFC 9562 §5.8: version 8 in the 7th byte, variant 10 in the 9th. */
    d[6] = (uint8_t)((d[6] & 0x0f) | 0x80);
    d[8] = (uint8_t)((d[8] & 0x3f) | 0x80);
    (void)snprintf(out, CRYPTO_UUID_SIZE, "%08x-%04x-%04x-%04x-%04x%08x", num_get_be32(d),
                   num_get_be32(d + 4) >> 16, num_get_be32(d + 4) & 0xffff,
                   num_get_be32(d + 8) >> 16, num_get_be32(d + 8) & 0xffff,
                   num_get_be32(d + 12));
}
