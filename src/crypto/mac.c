/* HMAC (RFC 2104) with a key that is used again: the digests of its two blocks are kept and
 * copied for each text. OpenSSL's newer interface does the same, but allocates and copies
 * four contexts for it, which costs several times what digesting a short text does; hence
 * the older one, which it calls deprecated. */
#define OPENSSL_SUPPRESS_DEPRECATED

#include "postrider/base/check.h"
#include "postrider/base/mem.h"
#include "postrider/crypto/crypto.h"

#include <openssl/sha.h>

struct crypto_mac {
    SHA256_CTX inner, outer; /* behind the block of the key */
};

static void begin(SHA256_CTX *ctx, const uint8_t key[CRYPTO_KEY_SIZE], uint8_t pad)
{
    uint8_t block[SHA256_CBLOCK];
    for (size_t i = 0; i < sizeof block; i++) {
        block[i] = (uint8_t)((i < CRYPTO_KEY_SIZE ? key[i] : 0) ^ pad);
    }
    CHECK(SHA256_Init(ctx) == 1 && SHA256_Update(ctx, block, sizeof block) == 1);
    mem_wipe(block, sizeof block);
}

struct crypto_mac *crypto_mac_new(const uint8_t key[CRYPTO_KEY_SIZE])
{
    struct crypto_mac *mac = MEM_NEW(struct crypto_mac);
    begin(&mac->inner, key, 0x36);
    begin(&mac->outer, key, 0x5c);
    return mac;
}

void crypto_mac_free(struct crypto_mac **mac)
{
    if (*mac != NULL) {
        mem_wipe(*mac, sizeof **mac);
        mem_free(*mac);
        *mac = NULL;
    }
}

void crypto_mac_sha256(const struct crypto_mac *mac, const struct str *pieces,
                       size_t count, uint8_t out[CRYPTO_DIGEST_SIZE])
{
    SHA256_CTX ctx = mac->inner;
    for (size_t i = 0; i < count; i++) {
        CHECK(SHA256_Update(&ctx, pieces[i].ptr, pieces[i].len) == 1);
    }
    CHECK(SHA256_Final(out, &ctx) == 1);
    ctx = mac->outer;
    CHECK(SHA256_Update(&ctx, out, CRYPTO_DIGEST_SIZE) == 1 &&
          SHA256_Final(out, &ctx) == 1);
    mem_wipe(&ctx, sizeof ctx);
}
