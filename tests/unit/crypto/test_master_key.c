#include "postrider/base/codec.h"
#include "postrider/crypto/crypto.h"

#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

struct fixture {
    char dir[64];
    char path[128];
};

static int setup(void **state)
{
    static struct fixture f;
    (void)snprintf(f.dir, sizeof f.dir, "/tmp/postrider-key-XXXXXX");
    if (mkdtemp(f.dir) == NULL) {
        return -1;
    }
    (void)snprintf(f.path, sizeof f.path, "%s/secret.key", f.dir);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    (void)unlink(f->path);
    return rmdir(f->dir); /* fails when a temporary file stayed behind */
}

static void write_file(const char *path, const char *text, mode_t mode)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    assert_int_equal(fchmod(fd, mode), 0);
    assert_int_equal(close(fd), 0);
}

static enum err_code load(const struct master_key_config *config, uint8_t *key,
                          bool *created)
{
    struct err err = {0};
    bool ok = master_key_load(config, key, created, &err);
    if (!ok) {
        assert_true(err.msg[0] != '\0');
    }
    return ok ? ERR_OK : err.code;
}

#define HEX64 "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define B64   "ABEiM0RVZneImaq7zN3u/wARIjNEVWZ3iJmqu8zd7v8="

static void text_forms(void **state)
{
    (void)state;
    uint8_t want[CRYPTO_KEY_SIZE];
    assert_true(hex_decode(STR(HEX64), want, sizeof want));
    const char *const texts[] = {HEX64, B64, "  " HEX64 "\n"};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        uint8_t key[CRYPTO_KEY_SIZE] = {0};
        bool created = true;
        struct master_key_config config = {.key_text = texts[i]};
        assert_int_equal(load(&config, key, &created), ERR_OK);
        assert_false(created);
        assert_memory_equal(key, want, sizeof key);
    }
}

static void short_texts_are_refused(void **state)
{
    (void)state;
    const char *const texts[] = {"x", "fifteen letters", "0011223344"};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        uint8_t key[CRYPTO_KEY_SIZE] = {0};
        uint8_t zero[CRYPTO_KEY_SIZE] = {0};
        bool created = false;
        struct master_key_config config = {.key_text = texts[i]};
        assert_int_equal(load(&config, key, &created), ERR_KEY);
        assert_memory_equal(key, zero, sizeof key);
    }
}

/* The parameters and the salt are part of the contract: the key must not change. */
static void passphrases_are_stretched(void **state)
{
    (void)state;
    uint8_t key[CRYPTO_KEY_SIZE];
    bool created = false;
    struct master_key_config config = {.key_text = "correct horse battery"};
    assert_int_equal(load(&config, key, &created), ERR_OK);
    struct buf hex = BUF_INIT(100);
    assert_true(hex_encode(&hex, key, sizeof key));
    assert_string_equal(
        buf_c(&hex), "b24b59a10e4132465143436a24ff61dfaf43065d67868aa64122b13a8e62ee47");
    buf_fini(&hex);
}

static void the_file_is_made_once(void **state)
{
    struct fixture *f = *state;
    uint8_t first[CRYPTO_KEY_SIZE];
    uint8_t second[CRYPTO_KEY_SIZE];
    bool created = false;
    struct master_key_config config = {.key_file = f->path, .may_create = true};
    assert_int_equal(load(&config, first, &created), ERR_OK);
    assert_true(created);
    struct stat st;
    assert_int_equal(stat(f->path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(load(&config, second, &created), ERR_OK);
    assert_false(created);
    assert_memory_equal(first, second, sizeof first);
}

static void a_missing_file_is_not_made_unasked(void **state)
{
    struct fixture *f = *state;
    uint8_t key[CRYPTO_KEY_SIZE];
    bool created = true;
    struct master_key_config config = {.key_file = f->path, .key_text = ""};
    assert_int_equal(load(&config, key, &created), ERR_KEY);
    assert_false(created);
    assert_int_equal(access(f->path, F_OK), -1);
    struct master_key_config nothing = {0};
    assert_int_equal(load(&nothing, key, &created), ERR_KEY);
}

static void files_open_to_others_are_refused(void **state)
{
    struct fixture *f = *state;
    const struct {
        mode_t mode;
        enum err_code code;
    } cases[] = {{0600, ERR_OK},  {0400, ERR_OK},  {0640, ERR_KEY}, {0604, ERR_KEY},
                 {0620, ERR_KEY}, {0644, ERR_KEY}, {0601, ERR_KEY}};
    struct master_key_config config = {.key_file = f->path, .may_create = true};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        (void)unlink(f->path);
        write_file(f->path, HEX64 "\n", cases[i].mode);
        uint8_t key[CRYPTO_KEY_SIZE];
        bool created = false;
        assert_int_equal(load(&config, key, &created), cases[i].code);
        assert_false(created);
    }
}

static void damaged_files_are_refused(void **state)
{
    struct fixture *f = *state;
    static char huge[5000];
    memset(huge, 'a', sizeof huge - 1);
    const char *const texts[] = {"", "\n", "short\n", "\n" HEX64 "\n", huge};
    struct master_key_config config = {.key_file = f->path, .may_create = true};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        write_file(f->path, texts[i], 0600);
        uint8_t key[CRYPTO_KEY_SIZE];
        bool created = false;
        assert_int_equal(load(&config, key, &created), ERR_KEY);
        assert_false(created);
    }
    struct master_key_config dir = {.key_file = f->dir, .may_create = true};
    uint8_t key[CRYPTO_KEY_SIZE];
    bool created = false;
    assert_int_equal(load(&dir, key, &created), ERR_KEY);
}

static void an_unwritable_place_is_explained(void **state)
{
    (void)state;
    uint8_t key[CRYPTO_KEY_SIZE];
    bool created = false;
    struct master_key_config config = {.key_file = "/nonexistent/dir/secret.key",
                                       .may_create = true};
    assert_int_equal(load(&config, key, &created), ERR_KEY);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_forms),
        cmocka_unit_test(short_texts_are_refused),
        cmocka_unit_test(passphrases_are_stretched),
        TEST(the_file_is_made_once),
        TEST(a_missing_file_is_not_made_unasked),
        TEST(files_open_to_others_are_refused),
        TEST(damaged_files_are_refused),
        cmocka_unit_test(an_unwritable_place_is_explained),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
