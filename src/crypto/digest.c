#include "postrider/crypto/crypto.h"

#include "postrider/base/check.h"
#include "postrider/base/mem.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/kdf.h>
#include <openssl/params.h>

enum {
    HKDF_OUT_MAX = 255 * CRYPTO_DIGEST_SIZE
};

void crypto_sha256(const void *data, size_t len, uint8_t out[CRYPTO_DIGEST_SIZE])
{
    static EVP_MD *sha256; /* looking it up costs as much as a short digest */
    unsigned n = 0;
    if (sha256 == NULL) {
        sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
    }
    int ok = EVP_Digest(len > 0 ? data : "", len, out, &n, sha256, NULL);
    CHECK(ok == 1 && n == CRYPTO_DIGEST_SIZE);
}

void crypto_hmac_sha256_key(struct str key, struct str data,
                            uint8_t out[CRYPTO_DIGEST_SIZE])
{
    CHECK(key.len <= CRYPTO_PLAIN_MAX);
    unsigned n = 0;
    const unsigned char *bytes = (const unsigned char *)(data.len > 0 ? data.ptr : "");
    unsigned char *ok = HMAC(EVP_sha256(), key.len > 0 ? key.ptr : "", (int)key.len,
                             bytes, data.len, out, &n);
    CHECK(ok != NULL && n == CRYPTO_DIGEST_SIZE);
}

bool crypto_equal(const void *a, const void *b, size_t len)
{
    return len == 0 || CRYPTO_memcmp(a, b, len) == 0;
}

void crypto_hkdf_sha256(const uint8_t key[CRYPTO_KEY_SIZE], struct str salt,
                        struct str info, uint8_t *out, size_t out_len)
{
    CHECK(out_len <= HKDF_OUT_MAX);
    uint8_t key_copy[CRYPTO_KEY_SIZE];
    memcpy(key_copy, key, sizeof key_copy);
    char digest[] = "SHA256";
    /* OpenSSL's parameters are not const, though it only reads these. */
    char *salt_copy = mem_strndup(salt.ptr, salt.len);
    char *info_copy = mem_strndup(info.ptr, info.len);
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, key_copy, sizeof key_copy),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SALT, salt_copy, salt.len),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, info_copy, info.len),
        OSSL_PARAM_construct_end(),
    };
    EVP_KDF *kdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
    EVP_KDF_CTX *ctx = EVP_KDF_CTX_new(kdf);
    CHECK(kdf != NULL && ctx != NULL);
    CHECK(EVP_KDF_derive(ctx, out, out_len, params) == 1);
    EVP_KDF_CTX_free(ctx);
    EVP_KDF_free(kdf);
    mem_wipe(key_copy, sizeof key_copy);
    mem_free(salt_copy);
    mem_free(info_copy);
}
