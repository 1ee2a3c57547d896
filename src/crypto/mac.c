/* HMAC (RFC 2104) with a key that is used again. */
#include "postrider/base/check.h"
#include "postrider/base/mem.h"
#include "postrider/crypto/crypto.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>

struct crypto_mac {
    EVP_MAC_CTX *ctx; /* keyed; its first block of the key is computed already */
};

struct crypto_mac *crypto_mac_new(const uint8_t key[CRYPTO_KEY_SIZE])
{
    struct crypto_mac *mac = MEM_NEW(struct crypto_mac);
    char digest[] = "SHA256";
    const OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_end(),
    };
    EVP_MAC *hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    mac->ctx = EVP_MAC_CTX_new(hmac);
    CHECK(mac->ctx != NULL && EVP_MAC_init(mac->ctx, key, CRYPTO_KEY_SIZE, params) == 1);
    EVP_MAC_free(hmac);
    return mac;
}

void crypto_mac_free(struct crypto_mac **mac)
{
    if (*mac != NULL) {
        EVP_MAC_CTX_free((*mac)->ctx);
        mem_free(*mac);
        *mac = NULL;
    }
}

void crypto_mac_sha256(struct crypto_mac *mac, const struct str *pieces, size_t count,
                       uint8_t out[CRYPTO_DIGEST_SIZE])
{
    size_t n = 0;
    bool ok = EVP_MAC_init(mac->ctx, NULL, 0, NULL) == 1;
    for (size_t i = 0; ok && i < count; i++) {
        ok = EVP_MAC_update(mac->ctx, (const unsigned char *)pieces[i].ptr,
                            pieces[i].len) == 1;
    }
    CHECK(ok && EVP_MAC_final(mac->ctx, out, &n, CRYPTO_DIGEST_SIZE) == 1 &&
          n == CRYPTO_DIGEST_SIZE);
}
