/* keyring_priv: what keyring.c and field.c share. */
#ifndef POSTRIDER_CRYPTO_KEYRING_PRIV_H
#define POSTRIDER_CRYPTO_KEYRING_PRIV_H

#include "nonce_pool.h"
#include "postrider/crypto/crypto.h"

#include <openssl/evp.h>

enum {
    KEY_ID_LEN = 4,
    NONCE_LEN = 12,
    TAG_LEN = 16
};

/* Contexts keep their expanded key; an operation only sets the nonce.
 */
struct purpose_key {
    EVP_CIPHER_CTX *seal; /* NULL until first used */
    EVP_CIPHER_CTX *open;
    uint64_t sealed; /* values sealed by this process */
};

struct master {
    uint8_t bytes[CRYPTO_KEY_SIZE];
    uint8_t id[KEY_ID_LEN];
    struct purpose_key keys[CRYPTO_PURPOSE_COUNT];
};

struct keyring {
    uint32_t magic;
    size_t count;
    struct master masters[KEYRING_KEYS_MAX]; /* [0] seals */
    uint8_t lookup[CRYPTO_KEY_SIZE];
    struct crypto_mac *lookup_mac; /* NULL: there is no lookup key yet */
    struct nonce_pool *nonces;
};

void keyring_check(const struct keyring *k);
/* Borrowed, keyed. */
EVP_CIPHER_CTX *keyring_seal_ctx(struct keyring *k, enum crypto_purpose p);
EVP_CIPHER_CTX *keyring_open_ctx(struct master *m, enum crypto_purpose p);
/* NULL if no key of the ring has this id. */
struct master *keyring_find(struct keyring *k, const uint8_t id[KEY_ID_LEN]);

#endif
