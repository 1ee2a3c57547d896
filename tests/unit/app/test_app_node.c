/* The node's identity in the data directory. */
#include "app_priv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

struct place {
    char dir[64];
    char file[128];
};

static int setup(void **state)
{
    static struct place p;
    (void)snprintf(p.dir, sizeof p.dir, "/tmp/node-test-XXXXXX");
    assert_non_null(mkdtemp(p.dir));
    (void)snprintf(p.file, sizeof p.file, "%s/node.id", p.dir);
    *state = &p;
    return 0;
}

static int teardown(void **state)
{
    const struct place *p = *state;
    (void)unlink(p->file);
    return rmdir(p->dir);
}

static void write_file(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

static void an_id_is_made_once_and_kept(void **state)
{
    const struct place *p = *state;
    char first[33], second[33];
    struct err err = {0};
    struct stat st;
    assert_true(app_node_id_load(p->dir, first, &err));
    assert_int_equal(strlen(first), 32);
    assert_int_equal(strspn(first, "0123456789abcdef"), 32);
    assert_true(app_node_id_load(p->dir, second, &err));
    assert_string_equal(first, second);
    assert_int_equal(stat(p->file, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
}

static void two_directories_have_two_ids(void **state)
{
    const struct place *p = *state;
    char first[33], second[33];
    struct err err = {0};
    assert_true(app_node_id_load(p->dir, first, &err));
    assert_int_equal(unlink(p->file), 0);
    assert_true(app_node_id_load(p->dir, second, &err));
    assert_string_not_equal(first, second);
}

static void what_is_no_id_is_replaced(void **state)
{
    static const char *const texts[] = {"", "short\n",
                                        "zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz\n"};
    const struct place *p = *state;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        char id[33], again[33];
        struct err err = {0};
        write_file(p->file, texts[i]);
        assert_true(app_node_id_load(p->dir, id, &err));
        assert_int_equal(strspn(id, "0123456789abcdef"), 32);
        assert_true(app_node_id_load(p->dir, again, &err));
        assert_string_equal(id, again);
    }
}

static void a_given_id_is_taken(void **state)
{
    const struct place *p = *state;
    char id[33];
    struct err err = {0};
    write_file(p->file, "00112233445566778899aabbccddeeff\n");
    assert_true(app_node_id_load(p->dir, id, &err));
    assert_string_equal(id, "00112233445566778899aabbccddeeff");
}

static void a_directory_that_is_missing_is_an_error(void **state)
{
    char id[33];
    struct err err = {0};
    (void)state;
    assert_false(app_node_id_load("/nonexistent/postrider", id, &err));
    assert_int_equal(err.code, ERR_IO);
    assert_non_null(strstr(err.msg, "/nonexistent/postrider/node.id"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_id_is_made_once_and_kept, setup, teardown),
        cmocka_unit_test_setup_teardown(two_directories_have_two_ids, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_no_id_is_replaced, setup, teardown),
        cmocka_unit_test_setup_teardown(a_given_id_is_taken, setup, teardown),
        cmocka_unit_test(a_directory_that_is_missing_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
