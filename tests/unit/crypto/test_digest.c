#include "postrider/base/codec.h"
#include "postrider/crypto/crypto.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void assert_hex(const uint8_t *got, size_t len, const char *want)
{
    struct buf hex = BUF_INIT(1024);
    assert_true(hex_encode(&hex, got, len));
    assert_string_equal(buf_c(&hex), want);
    buf_fini(&hex);
}

/* FIPS 180-4 examples. */
static void sha256_known_answers(void **state)
{
    (void)state;
    uint8_t d[CRYPTO_DIGEST_SIZE];
    crypto_sha256("abc", 3, d);
    assert_hex(d, sizeof d,
               "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    crypto_sha256(NULL, 0, d);
    assert_hex(d, sizeof d,
               "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

/* RFC 4231 §4.3. */
static void hmac_known_answer(void **state)
{
    (void)state;
    uint8_t d[CRYPTO_DIGEST_SIZE];
    crypto_hmac_sha256_key(STR("Jefe"), STR("what do ya want for nothing?"), d);
    assert_hex(d, sizeof d,
               "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
}

static void hmac_of_a_kept_key_is_the_same_every_time(void **state)
{
    (void)state;
    uint8_t key[CRYPTO_KEY_SIZE] = {1, 2, 3};
    uint8_t a[CRYPTO_DIGEST_SIZE];
    uint8_t b[CRYPTO_DIGEST_SIZE];
    struct crypto_mac *mac = crypto_mac_new(key);
    crypto_hmac_sha256_key(str_from(key, sizeof key), STR("data"), b);
    for (int again = 0; again < 3; again++) {
        const struct str pieces[] = {STR("da"), STR_NULL, STR("ta")};
        crypto_mac_sha256(mac, pieces, ARRAY_LEN(pieces), a);
        assert_memory_equal(a, b, sizeof a);
        crypto_mac_sha256(mac, &STR("other"), 1, a);
        assert_memory_not_equal(a, b, sizeof a);
    }
    crypto_mac_free(&mac);
    assert_null(mac);
    crypto_hmac_sha256_key(STR_NULL, STR_NULL, a);
    assert_hex(a, sizeof a,
               "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}

/* RFC 5869 §2: one block of output is HMAC(HMAC(salt, key), info | 1). */
static void hkdf_follows_its_definition(void **state)
{
    (void)state;
    uint8_t key[CRYPTO_KEY_SIZE] = {9};
    uint8_t prk[CRYPTO_DIGEST_SIZE];
    uint8_t want[CRYPTO_DIGEST_SIZE];
    uint8_t got[CRYPTO_DIGEST_SIZE];
    crypto_hmac_sha256_key(STR("salt"), str_from(key, sizeof key), prk);
    crypto_hmac_sha256_key(str_from(prk, sizeof prk), STR("info\x01"), want);
    crypto_hkdf_sha256(key, STR("salt"), STR("info"), got, sizeof got);
    assert_memory_equal(got, want, sizeof got);
    crypto_hkdf_sha256(key, STR_NULL, STR("info"), got, sizeof got);
    assert_memory_not_equal(got, want, sizeof got);
}

static void equal_compares_all_bytes(void **state)
{
    (void)state;
    assert_true(crypto_equal("abc", "abc", 3));
    assert_false(crypto_equal("abc", "abd", 3));
    assert_false(crypto_equal("xbc", "abc", 3));
    assert_true(crypto_equal(NULL, NULL, 0));
}

static void secret_holds_a_terminated_copy(void **state)
{
    (void)state;
    char text[] = "pass\0word";
    struct secret *s = secret_new(str_from(text, sizeof text - 1));
    text[0] = 'X';
    assert_int_equal(secret_str(s).len, sizeof text - 1);
    assert_memory_equal(secret_str(s).ptr, "pass\0word", sizeof text);
    secret_free(&s);
    assert_null(s);
    secret_free(&s);
    assert_null(secret_str(NULL).ptr);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sha256_known_answers),
        cmocka_unit_test(hmac_known_answer),
        cmocka_unit_test(hmac_of_a_kept_key_is_the_same_every_time),
        cmocka_unit_test(hkdf_follows_its_definition),
        cmocka_unit_test(equal_compares_all_bytes),
        cmocka_unit_test(secret_holds_a_terminated_copy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
