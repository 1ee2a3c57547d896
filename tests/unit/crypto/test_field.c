#include "nonce_pool.h"
#include "postrider/base/codec.h"
#include "postrider/crypto/crypto.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static const uint8_t key_a[CRYPTO_KEY_SIZE] = "the first master key, 32 bytes.";
static const uint8_t key_b[CRYPTO_KEY_SIZE] = "another master key of 32 bytes.";

struct fixture {
    struct keyring *ring;
    struct buf aad;
    struct buf sealed;
    struct buf plain;
};

static int setup(void **state)
{
    static struct fixture f;
    f.ring = keyring_new(key_a);
    buf_init(&f.aad, 1024);
    buf_init(&f.sealed, 1 << 20);
    buf_init(&f.plain, 1 << 20);
    (void)crypto_aad(&f.aad, CRYPTO_SECRET, STR("incarnation"), "imap.password", 7);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    keyring_free(&f->ring);
    buf_fini(&f->aad);
    buf_fini(&f->sealed);
    buf_fini(&f->plain);
    return 0;
}

static void seal(struct fixture *f, struct str plain)
{
    buf_clear(&f->sealed);
    assert_true(field_seal(f->ring, CRYPTO_SECRET, buf_str(&f->aad), plain, &f->sealed));
}

static enum err_code open_code(struct fixture *f, enum crypto_purpose p, struct str aad,
                               struct str sealed)
{
    struct err err = {0};
    buf_clear(&f->plain);
    if (field_open(f->ring, p, aad, sealed, &f->plain, &err)) {
        return ERR_OK;
    }
    assert_int_equal(f->plain.len, 0);
    assert_true(err.msg[0] != '\0');
    return err.code;
}

static void what_is_sealed_opens_again(void **state)
{
    struct fixture *f = *state;
    char big[5000];
    memset(big, 'b', sizeof big);
    const struct str plains[] = {STR(""), STR("x"), STR("a password"),
                                 str_from("zero\0inside", 11), str_from(big, sizeof big)};
    for (size_t i = 0; i < ARRAY_LEN(plains); i++) {
        seal(f, plains[i]);
        assert_int_equal(f->sealed.len, plains[i].len + CRYPTO_FIELD_OVERHEAD);
        assert_int_equal(
            open_code(f, CRYPTO_SECRET, buf_str(&f->aad), buf_str(&f->sealed)), ERR_OK);
        assert_true(str_eq(buf_str(&f->plain), plains[i]));
    }
}

static void appends_behind_what_is_there(void **state)
{
    struct fixture *f = *state;
    assert_true(buf_put_c(&f->sealed, "head"));
    assert_true(field_seal(f->ring, CRYPTO_INDEX, STR("aad"), STR("plain"), &f->sealed));
    assert_memory_equal(f->sealed.bytes, "head", 4);
    assert_true(buf_put_c(&f->plain, "before "));
    struct err err = {0};
    assert_true(field_open(f->ring, CRYPTO_INDEX, STR("aad"),
                           str_tail(buf_str(&f->sealed), 4), &f->plain, &err));
    assert_string_equal(buf_c(&f->plain), "before plain");
}

static void every_changed_bit_is_refused(void **state)
{
    struct fixture *f = *state;
    seal(f, STR("attack at dawn"));
    for (size_t i = 0; i < f->sealed.len * 8; i++) {
        f->sealed.bytes[i / 8] ^= (char)(1 << i % 8);
        enum err_code code =
            open_code(f, CRYPTO_SECRET, buf_str(&f->aad), buf_str(&f->sealed));
        bool in_key_id = i / 8 >= 1 && i / 8 < 5;
        assert_int_equal(code, in_key_id ? ERR_KEY : ERR_DECRYPT);
        f->sealed.bytes[i / 8] ^= (char)(1 << i % 8);
    }
    assert_int_equal(open_code(f, CRYPTO_SECRET, buf_str(&f->aad), buf_str(&f->sealed)),
                     ERR_OK);
}

static void every_truncation_is_refused(void **state)
{
    struct fixture *f = *state;
    seal(f, STR("attack at dawn"));
    for (size_t len = 0; len < f->sealed.len; len++) {
        struct str cut = str_from(f->sealed.bytes, len);
        assert_int_equal(open_code(f, CRYPTO_SECRET, buf_str(&f->aad), cut), ERR_DECRYPT);
    }
    assert_true(buf_put_byte(&f->sealed, 'x'));
    assert_int_equal(open_code(f, CRYPTO_SECRET, buf_str(&f->aad), buf_str(&f->sealed)),
                     ERR_DECRYPT);
}

static void a_value_moved_elsewhere_is_refused(void **state)
{
    struct fixture *f = *state;
    seal(f, STR("attack at dawn"));
    struct {
        struct str incarnation;
        const char *field;
        uint64_t version;
    } places[] = {{STR("incarnatioN"), "imap.password", 7},
                  {STR("incarnation"), "smtp.password", 7},
                  {STR("incarnation"), "imap.password", 8},
                  {STR("incarnationi"), "map.password", 7},
                  {STR(""), "imap.password", 7}};
    for (size_t i = 0; i < ARRAY_LEN(places); i++) {
        struct buf aad = BUF_INIT(1024);
        assert_true(crypto_aad(&aad, CRYPTO_SECRET, places[i].incarnation,
                               places[i].field, places[i].version));
        assert_int_equal(open_code(f, CRYPTO_SECRET, buf_str(&aad), buf_str(&f->sealed)),
                         ERR_DECRYPT);
        buf_fini(&aad);
    }
    /* The same AAD bytes under another purpose's key. */
    for (int p = 0; p < CRYPTO_PURPOSE_COUNT; p++) {
        assert_int_equal(
            open_code(f, (enum crypto_purpose)p, buf_str(&f->aad), buf_str(&f->sealed)),
            p == CRYPTO_SECRET ? ERR_OK : ERR_DECRYPT);
    }
}

static void an_unknown_key_is_named(void **state)
{
    struct fixture *f = *state;
    char id[KEYRING_ID_SIZE];
    keyring_id(f->ring, id);
    seal(f, STR("plain"));
    struct keyring *other = keyring_new(key_b);
    struct err err = {0};
    assert_false(field_open(other, CRYPTO_SECRET, buf_str(&f->aad), buf_str(&f->sealed),
                            &f->plain, &err));
    assert_int_equal(err.code, ERR_KEY);
    assert_non_null(strstr(err.msg, id));
    keyring_free(&other);
}

static void old_keys_open_and_the_new_one_seals(void **state)
{
    struct fixture *f = *state;
    seal(f, STR("old value"));
    assert_true(field_is_current(f->ring, buf_str(&f->sealed)));
    struct keyring *next = keyring_new(key_b);
    assert_false(field_is_current(next, buf_str(&f->sealed)));
    assert_true(keyring_add_old(next, key_a));
    assert_true(keyring_add_old(next, key_a));
    struct err err = {0};
    assert_true(field_open(next, CRYPTO_SECRET, buf_str(&f->aad), buf_str(&f->sealed),
                           &f->plain, &err));
    assert_string_equal(buf_c(&f->plain), "old value");
    buf_clear(&f->sealed);
    assert_true(
        field_seal(next, CRYPTO_SECRET, buf_str(&f->aad), STR("new"), &f->sealed));
    assert_true(field_is_current(next, buf_str(&f->sealed)));
    for (uint8_t i = 2; i < KEYRING_KEYS_MAX; i++) {
        uint8_t more[CRYPTO_KEY_SIZE] = {i};
        assert_true(keyring_add_old(next, more));
    }
    uint8_t last[CRYPTO_KEY_SIZE] = {99};
    assert_false(keyring_add_old(next, last));
    keyring_free(&next);
}

static void output_limits_are_errors(void **state)
{
    struct fixture *f = *state;
    struct buf small = BUF_INIT(CRYPTO_FIELD_OVERHEAD + 3);
    assert_false(field_seal(f->ring, CRYPTO_SECRET, STR(""), STR("four"), &small));
    assert_int_equal(small.len, 0);
    buf_fini(&small);
    seal(f, STR("four"));
    buf_init(&small, 3);
    struct err err = {0};
    assert_false(field_open(f->ring, CRYPTO_SECRET, buf_str(&f->aad), buf_str(&f->sealed),
                            &small, &err));
    assert_int_equal(err.code, ERR_LIMIT);
    buf_fini(&small);
}

static void equal_plain_texts_seal_differently(void **state)
{
    struct fixture *f = *state;
    struct buf seen = BUF_INIT(1 << 20);
    enum {
        SEALS = 2000,
        NONCE_AT = 5,
        NONCE_LEN = 12
    };
    for (int i = 0; i < SEALS; i++) {
        seal(f, STR("same"));
        assert_true(buf_put(&seen, f->sealed.bytes + NONCE_AT, NONCE_LEN));
    }
    for (size_t i = 0; i + NONCE_LEN < seen.len; i += NONCE_LEN) {
        assert_memory_not_equal(seen.bytes + i, seen.bytes + i + NONCE_LEN, NONCE_LEN);
    }
    buf_fini(&seen);
}

static void a_forked_child_shares_no_nonce(void **state)
{
    (void)state;
    struct nonce_pool *pool = nonce_pool_new();
    uint8_t first[12];
    nonce_pool_take(pool, first, sizeof first);
    int pipe_fds[2];
    assert_int_equal(pipe(pipe_fds), 0);
    pid_t pid = fork();
    if (pid == 0) {
        uint8_t mine[12];
        nonce_pool_take(pool, mine, sizeof mine);
        _exit(write(pipe_fds[1], mine, sizeof mine) == sizeof mine ? 0 : 1);
    }
    uint8_t childs[12];
    assert_int_equal(read(pipe_fds[0], childs, sizeof childs), sizeof childs);
    int status = 1;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    uint8_t parents[12];
    nonce_pool_take(pool, parents, sizeof parents);
    assert_memory_not_equal(parents, childs, sizeof childs);
    (void)close(pipe_fds[0]);
    (void)close(pipe_fds[1]);
    nonce_pool_free(&pool);
}

static void the_lookup_key_survives_wrapping(void **state)
{
    struct fixture *f = *state;
    assert_false(keyring_has_lookup(f->ring));
    keyring_generate_lookup(f->ring);
    uint8_t before[CRYPTO_NAME_HASH_SIZE];
    keyring_name_hash(f->ring, "account", STR("alice"), before);
    assert_true(keyring_wrap_lookup(f->ring, &f->sealed));

    struct keyring *again = keyring_new(key_a);
    struct err err = {0};
    assert_true(keyring_unwrap_lookup(again, buf_str(&f->sealed), &err));
    uint8_t after[CRYPTO_NAME_HASH_SIZE];
    keyring_name_hash(again, "account", STR("alice"), after);
    assert_memory_equal(before, after, sizeof before);
    keyring_free(&again);

    struct keyring *wrong = keyring_new(key_b);
    assert_false(keyring_unwrap_lookup(wrong, buf_str(&f->sealed), &err));
    assert_int_equal(err.code, ERR_KEY);
    assert_false(keyring_has_lookup(wrong));
    keyring_free(&wrong);
    f->sealed.bytes[20] ^= 1;
    assert_false(keyring_unwrap_lookup(f->ring, buf_str(&f->sealed), &err));
    assert_int_equal(err.code, ERR_DECRYPT);
}

static void name_hashes_separate_domain_and_data(void **state)
{
    struct fixture *f = *state;
    uint8_t lookup[CRYPTO_KEY_SIZE] = {1};
    keyring_set_lookup(f->ring, lookup);
    uint8_t a[CRYPTO_NAME_HASH_SIZE];
    uint8_t b[CRYPTO_NAME_HASH_SIZE];
    keyring_name_hash(f->ring, "ab", STR("c"), a);
    keyring_name_hash(f->ring, "a", STR("bc"), b);
    assert_memory_not_equal(a, b, sizeof a);
    lookup[0] = 2;
    keyring_set_lookup(f->ring, lookup);
    keyring_name_hash(f->ring, "ab", STR("c"), b);
    assert_memory_not_equal(a, b, sizeof a);
}

static void event_uuids_are_version_8_and_stable(void **state)
{
    struct fixture *f = *state;
    uint8_t lookup[CRYPTO_KEY_SIZE] = {1};
    keyring_set_lookup(f->ring, lookup);
    char a[CRYPTO_UUID_SIZE];
    char b[CRYPTO_UUID_SIZE];
    for (uint8_t i = 0; i < 50; i++) {
        keyring_event_uuid(f->ring, &i, 1, a);
        keyring_event_uuid(f->ring, &i, 1, b);
        assert_string_equal(a, b);
        assert_int_equal(strlen(a), 36);
        assert_int_equal(a[14], '8');
        assert_non_null(strchr("89ab", a[19]));
        assert_true(a[8] == '-' && a[13] == '-' && a[18] == '-' && a[23] == '-');
        uint8_t other = (uint8_t)(i + 1);
        keyring_event_uuid(f->ring, &other, 1, b);
        assert_string_not_equal(a, b);
    }
}

/* Stored data depends on these: a change here makes it unreadable. */
static void derivation_is_stable(void **state)
{
    struct fixture *f = *state;
    char id[KEYRING_ID_SIZE];
    keyring_id(f->ring, id);
    assert_string_equal(id, "6805c882");
    uint8_t lookup[CRYPTO_KEY_SIZE] = {1};
    keyring_set_lookup(f->ring, lookup);
    char uuid[CRYPTO_UUID_SIZE];
    keyring_event_uuid(f->ring, "x", 1, uuid);
    assert_string_equal(uuid, "15921838-e019-841e-9a31-3bf03c8711a0");
    uint8_t sealed[256];
    assert_true(hex_decode(STR("016805c882a842cd9162884ab599c4cf6cfddabc236aa1d2ff5ceeb8f"
                               "04afba013fbe7f4c115"),
                           sealed, 5 + CRYPTO_FIELD_OVERHEAD));
    assert_int_equal(open_code(f, CRYPTO_SECRET, buf_str(&f->aad),
                               str_from(sealed, 5 + CRYPTO_FIELD_OVERHEAD)),
                     ERR_OK);
    assert_string_equal(buf_c(&f->plain), "plain");
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_sealed_opens_again),
        TEST(appends_behind_what_is_there),
        TEST(every_changed_bit_is_refused),
        TEST(every_truncation_is_refused),
        TEST(a_value_moved_elsewhere_is_refused),
        TEST(an_unknown_key_is_named),
        TEST(old_keys_open_and_the_new_one_seals),
        TEST(output_limits_are_errors),
        TEST(equal_plain_texts_seal_differently),
        cmocka_unit_test(a_forked_child_shares_no_nonce),
        TEST(the_lookup_key_survives_wrapping),
        TEST(name_hashes_separate_domain_and_data),
        TEST(event_uuids_are_version_8_and_stable),
        TEST(derivation_is_stable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
