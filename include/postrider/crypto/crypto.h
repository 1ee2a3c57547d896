/* crypto: digests, the master key, and authenticated encryption of stored fields.
 * Shape    struct secret    a byte string that is wiped when freed
 *          struct keyring   one or more master keys; the first one seals, all of them
 *                           open. Per master key and purpose one AES-256-GCM key, derived
 *                           by HKDF on first use and kept as a keyed context
 *          sealed value     version 1 (1 byte), key id (4), nonce (12), ciphertext,
 *                           tag (16)
 * Owner    the app owns the keyring; everybody else borrows it
 * Calls    one thread at a time; master_key_load blocks (file, scrypt: about 150 ms) and
 *          belongs into a worker once the loop runs. Digests are free of state.
 * Units    bytes; key ids are shown as 8 hexadecimal digits
 * Limits   KEYRING_KEYS_MAX master keys; 2^32 seals per derived key and process; a plain
 *          text of CRYPTO_PLAIN_MAX bytes
 * Errors   ERR_DECRYPT the value does not authenticate or is malformed; ERR_KEY unknown
 *          key id, or a missing, unreadable or badly protected master key; ERR_IO
 * Spec     FIPS 180-4, RFC 2104, RFC 5869 (HKDF), RFC 7914 (scrypt), NIST SP 800-38D
 *          (GCM), RFC 9562 §5.8 (UUID version 8) */
#ifndef POSTRIDER_CRYPTO_CRYPTO_H
#define POSTRIDER_CRYPTO_CRYPTO_H

#include "postrider/base/attr.h"
#include "postrider/base/buf.h"
#include "postrider/base/err.h"
#include "postrider/base/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    CRYPTO_KEY_SIZE = 32,
    CRYPTO_DIGEST_SIZE = 32,
    CRYPTO_NAME_HASH_SIZE = 16,
    CRYPTO_UUID_SIZE = 37, /* with the NUL */
    CRYPTO_FIELD_OVERHEAD = 1 + 4 + 12 + 16,
    CRYPTO_PLAIN_MAX = 256 * 1024 * 1024,
    CRYPTO_PASSPHRASE_MIN = 16,
    KEYRING_ID_SIZE = 9, /* 8 hexadecimal digits and the NUL */
    KEYRING_KEYS_MAX = 8
};

/* --- digests --- */

void crypto_sha256(const void *data, size_t len, uint8_t out[CRYPTO_DIGEST_SIZE]);
/* A key of any length, for signatures with a user's secret. */
void crypto_hmac_sha256_key(struct str key, struct str data,
                            uint8_t out[CRYPTO_DIGEST_SIZE]);
/* The same with a key that is used again and again: setting one up costs more than a short
 * text. The text comes in pieces that count as one. */
struct crypto_mac;
struct crypto_mac *
crypto_mac_new(const uint8_t key[CRYPTO_KEY_SIZE]) ATTR_RETURNS_NONNULL;
void crypto_mac_free(struct crypto_mac **mac);
void crypto_mac_sha256(struct crypto_mac *mac, const struct str *pieces, size_t count,
                       uint8_t out[CRYPTO_DIGEST_SIZE]);
/* Takes the same time whatever the bytes are. */
bool crypto_equal(const void *a, const void *b, size_t len);
/* out_len ≤ 255 × 32; an absent salt is the empty one. */
void crypto_hkdf_sha256(const uint8_t key[CRYPTO_KEY_SIZE], struct str salt,
                        struct str info, uint8_t *out, size_t out_len);

/* --- secrets --- */

struct secret;
/* A copy of the bytes. */
struct secret *secret_new(struct str bytes) ATTR_RETURNS_NONNULL;
void secret_free(struct secret **s);
/* Borrowed; terminated by a NUL behind the length. Absent for NULL. */
struct str secret_str(const struct secret *s);

/* --- the master key --- */

struct master_key_config {
    /* 64 hexadecimal digits, the base64 of 32 bytes, or a passphrase of at least
     * CRYPTO_PASSPHRASE_MIN characters (scrypt); NULL or "" = use key_file */
    const char *key_text;
    const char *key_file; /* holds the same forms on its first line */
    bool may_create;      /* make key_file with a random key if it does not exist */
};

/* *created tells whether the file was made now. ERR_KEY with what to do otherwise. */
bool master_key_load(const struct master_key_config *config, uint8_t out[CRYPTO_KEY_SIZE],
                     bool *created, struct err *err);

/* --- the keyring --- */

/* What a value is for: separates keys, so that a value of one kind never opens as
 * another. The names, not the numbers, enter key derivation. */
enum crypto_purpose {
    CRYPTO_ACCOUNT,
    CRYPTO_SECRET,
    CRYPTO_MAILBOX,
    CRYPTO_INDEX,
    CRYPTO_EVENT,
    CRYPTO_SETTING,
    CRYPTO_TOKEN,
    CRYPTO_DIRECTORY,
    CRYPTO_QUEUE,
    CRYPTO_BOUNCE,
    CRYPTO_ROUTE,
    CRYPTO_LETTER, /* dead letters of webhooks */
    CRYPTO_SPOOL,  /* temporary files */
    CRYPTO_JOURNAL,
    CRYPTO_BLOCKLIST,
    CRYPTO_LOOKUP, /* the wrapped lookup key */
    CRYPTO_PURPOSE_COUNT
};
const char *crypto_purpose_name(enum crypto_purpose p) ATTR_RETURNS_NONNULL;

struct keyring;
/* The key is copied; the caller wipes its own. */
struct keyring *keyring_new(const uint8_t master[CRYPTO_KEY_SIZE]) ATTR_RETURNS_NONNULL;
void keyring_free(struct keyring **k);
/* An older master key, for opening only. False if the ring is full; one that is in the
 * ring already is not added twice. */
bool keyring_add_old(struct keyring *k, const uint8_t master[CRYPTO_KEY_SIZE]);
/* Id of the key that seals. */
void keyring_id(const struct keyring *k, char out[KEYRING_ID_SIZE]);
/* Was this value sealed with the key that seals now? False for malformed values. */
bool field_is_current(const struct keyring *k, struct str sealed);

/* Appends the sealed value. False if it does not fit `out` or the derived key has sealed
 * 2^32 values in this process; nothing is appended then. */
bool field_seal(struct keyring *k, enum crypto_purpose p, struct str aad,
                struct str plain, struct buf *out) ATTR_NODISCARD;
/* Appends the plain text; on failure nothing is appended. ERR_DECRYPT, ERR_KEY, or
 * ERR_LIMIT when it does not fit `out`. */
bool field_open(struct keyring *k, enum crypto_purpose p, struct str aad,
                struct str sealed, struct buf *out, struct err *err) ATTR_NODISCARD;
/* Appends the AAD of a field: binds a value to its logical place (docs/DATA-MODEL.md), not
 * to the physical key. incarnation: of the account, empty for global values. */
bool crypto_aad(struct buf *out, enum crypto_purpose p, struct str incarnation,
                const char *field, uint64_t version);

/* --- the lookup key: key names and deterministic hashes ------------------------------
 */

/* Makes a random lookup key, for a store that has none yet. */
void keyring_generate_lookup(struct keyring *k);
void keyring_set_lookup(struct keyring *k, const uint8_t key[CRYPTO_KEY_SIZE]);
bool keyring_has_lookup(const struct keyring *k);
/* Appends the lookup key sealed under the master key. The result is also the key check
 * value: whoever opens it has the right master key. */
bool keyring_wrap_lookup(struct keyring *k, struct buf *out) ATTR_NODISCARD;
/* Opens and sets it. ERR_KEY, with what to do, when the master key is another one;
 * ERR_DECRYPT when the stored value is damaged. */
bool keyring_unwrap_lookup(struct keyring *k, struct str wrapped, struct err *err);

/* HMAC with the lookup key over (domain, data); the lookup key must be set. */
void keyring_name_hash(const struct keyring *k, const char *domain, struct str data,
                       uint8_t out[CRYPTO_NAME_HASH_SIZE]);
/* Same bytes, same UUID (version 8, lower case). The lookup key must be set. */
void keyring_event_uuid(const struct keyring *k, const void *bytes, size_t len,
                        char out[CRYPTO_UUID_SIZE]);

#endif
