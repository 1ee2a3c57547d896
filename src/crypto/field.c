/* A sealed field: version 1 | key id 4 | nonce 12 | ciphertext | tag 16.
 * Version, key id and nonce are not part of the AAD: a changed version or id finds no key
 * or another one, a changed nonce gives another key stream and tag. */
#include "keyring_priv.h"

#include "postrider/base/check.h"
#include "postrider/base/num.h"

enum {
    FIELD_VERSION = 1,
    ID_AT = 1,
    NONCE_AT = ID_AT + KEY_ID_LEN,
    BODY_AT = NONCE_AT + NONCE_LEN
};

_Static_assert(BODY_AT + TAG_LEN == CRYPTO_FIELD_OVERHEAD, "layout of a sealed field");

/* NIST SP 800-38D §8.3 for random nonces. */
static const uint64_t seals_max = UINT64_C(1) << 32;

/* EVP treats a NULL output as AAD; an empty part is passed as a pointer all the same. */
static const unsigned char *bytes_of(struct str s)
{
    return (const unsigned char *)(s.len > 0 ? s.ptr : "");
}

static void put_aad(EVP_CIPHER_CTX *ctx, struct str aad)
{
    int n = 0;
    CHECK(EVP_CipherUpdate(ctx, NULL, &n, bytes_of(aad), (int)aad.len) == 1);
}

bool field_seal(struct keyring *k, enum crypto_purpose p, struct str aad,
                struct str plain, struct buf *out)
{
    keyring_check(k);
    CHECK((unsigned)p < CRYPTO_PURPOSE_COUNT && aad.len <= CRYPTO_PLAIN_MAX);
    struct purpose_key *key = &k->masters[0].keys[p];
    if (plain.len > CRYPTO_PLAIN_MAX || key->sealed >= seals_max ||
        !buf_reserve(out, plain.len + CRYPTO_FIELD_OVERHEAD)) {
        return false;
    }
    key->sealed++;
    uint8_t *value = (uint8_t *)out->bytes + out->len;
    value[0] = FIELD_VERSION;
    memcpy(value + ID_AT, k->masters[0].id, KEY_ID_LEN);
    nonce_pool_take(k->nonces, value + NONCE_AT, NONCE_LEN);

    EVP_CIPHER_CTX *ctx = keyring_seal_ctx(k, p);
    int n = 0;
    int tail = 0;
    CHECK(EVP_EncryptInit_ex(ctx, NULL, NULL, NULL, value + NONCE_AT) == 1);
    put_aad(ctx, aad);
    CHECK(EVP_EncryptUpdate(ctx, value + BODY_AT, &n, bytes_of(plain), (int)plain.len) ==
          1);
    CHECK(EVP_EncryptFinal_ex(ctx, value + BODY_AT + n, &tail) == 1);
    CHECK((size_t)n + (size_t)tail == plain.len);
    CHECK(EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_GET_TAG, TAG_LEN,
                              value + BODY_AT + plain.len) == 1);
    out->len += plain.len + CRYPTO_FIELD_OVERHEAD;
    out->bytes[out->len] = '\0';
    return true;
}

/* The key for a value, or NULL with err. */
static struct master *key_of(struct keyring *k, struct str sealed, struct err *err)
{
    if (sealed.len < CRYPTO_FIELD_OVERHEAD ||
        sealed.len - CRYPTO_FIELD_OVERHEAD > CRYPTO_PLAIN_MAX) {
        (void)err_set(err, ERR_DECRYPT, "a stored value is not a sealed one (%zu bytes)",
                      sealed.len);
        return NULL;
    }
    const uint8_t *value = (const uint8_t *)sealed.ptr;
    if (value[0] != FIELD_VERSION) {
        (void)err_set(err, ERR_DECRYPT, "a stored value has the unknown format %u",
                      value[0]);
        return NULL;
    }
    struct master *m = keyring_find(k, value + ID_AT);
    if (m == NULL) {
        char id[KEYRING_ID_SIZE];
        keyring_id(k, id);
        (void)err_set(err, ERR_KEY,
                      "sealed with master key %08x, but the key in use is %s: start with "
                      "the key that this data was written with",
                      num_get_be32(value + ID_AT), id);
    }
    return m;
}

bool field_open(struct keyring *k, enum crypto_purpose p, struct str aad,
                struct str sealed, struct buf *out, struct err *err)
{
    keyring_check(k);
    CHECK((unsigned)p < CRYPTO_PURPOSE_COUNT && aad.len <= CRYPTO_PLAIN_MAX);
    struct master *m = key_of(k, sealed, err);
    if (m == NULL) {
        return false;
    }
    size_t len = sealed.len - CRYPTO_FIELD_OVERHEAD;
    if (!buf_reserve(out, len)) {
        return err_set(err, ERR_LIMIT,
                       "a stored value of %zu bytes is larger than expected", len);
    }
    const uint8_t *value = (const uint8_t *)sealed.ptr;
    uint8_t *plain = (uint8_t *)out->bytes + out->len;
    uint8_t tag[TAG_LEN];
    memcpy(tag, value + BODY_AT + len, TAG_LEN);

    EVP_CIPHER_CTX *ctx = keyring_open_ctx(m, p);
    int n = 0;
    int tail = 0;
    CHECK(EVP_DecryptInit_ex(ctx, NULL, NULL, NULL, value + NONCE_AT) == 1);
    CHECK(EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_SET_TAG, TAG_LEN, tag) == 1);
    put_aad(ctx, aad);
    CHECK(EVP_DecryptUpdate(ctx, plain, &n, value + BODY_AT, (int)len) == 1);
    if (EVP_DecryptFinal_ex(ctx, plain + n, &tail) != 1) {
        /* Unauthenticated bytes do not stay behind. */
        memset(plain, 0, len + 1);
        return err_set(err, ERR_DECRYPT, "a stored %s value does not authenticate",
                       crypto_purpose_name(p));
    }
    out->len += len;
    out->bytes[out->len] = '\0';
    return true;
}

bool field_is_current(const struct keyring *k, struct str sealed)
{
    keyring_check(k);
    return sealed.len >= CRYPTO_FIELD_OVERHEAD && sealed.ptr[0] == FIELD_VERSION &&
           memcmp(sealed.ptr + ID_AT, k->masters[0].id, KEY_ID_LEN) == 0;
}

/* Purpose, incarnation and field with their lengths, then the version: no two places give
 * the same bytes. */
bool crypto_aad(struct buf *out, enum crypto_purpose p, struct str incarnation,
                const char *field, uint64_t version)
{
    struct str parts[] = {str_of(crypto_purpose_name(p)), incarnation, str_of(field)};
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        (void)buf_put_varint(out, parts[i].len);
        (void)buf_put_str(out, parts[i]);
    }
    uint8_t number[8];
    num_put_be64(number, version);
    return buf_put(out, number, sizeof number);
}
