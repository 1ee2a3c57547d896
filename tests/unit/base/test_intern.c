#include "postrider/base/intern.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void equal_texts_are_kept_once(void **state)
{
    (void)state;
    struct intern *pool = intern_new();
    char copy[] = "IMAP4rev1 IDLE";
    const char *a = intern_take(pool, STR("IMAP4rev1 IDLE"));
    const char *b = intern_take(pool, str_of(copy));
    const char *other = intern_take(pool, STR("IMAP4rev1"));
    copy[0] = 'X';
    assert_string_equal(a, "IMAP4rev1 IDLE");
    assert_ptr_equal(a, b);
    assert_ptr_not_equal(a, other);
    assert_int_equal(intern_count(pool), 2);
    intern_give(&a);
    assert_null(a);
    assert_string_equal(b, "IMAP4rev1 IDLE");
    assert_int_equal(intern_count(pool), 2);
    intern_give(&b);
    assert_int_equal(intern_count(pool), 1);
    intern_give(&other);
    assert_int_equal(intern_count(pool), 0);
    intern_free(&pool);
    assert_null(pool);
}

static void bytes_count_not_what_they_mean(void **state)
{
    (void)state;
    struct intern *pool = intern_new();
    const char *empty = intern_take(pool, STR(""));
    const char *with_nul = intern_take(pool, str_from("a\0b", 3));
    const char *shorter = intern_take(pool, STR("a"));
    assert_string_equal(empty, "");
    assert_ptr_not_equal(with_nul, shorter);
    assert_memory_equal(with_nul, "a\0b", 4);
    intern_give(&with_nul);
    assert_string_equal(shorter, "a");
    intern_give(&shorter);
    intern_give(&empty);
    intern_free(&pool);
}

static void nothing_is_accepted(void **state)
{
    (void)state;
    struct intern *pool = intern_new();
    const char *none = intern_take(pool, STR_NULL);
    assert_null(none);
    intern_give(&none);
    intern_free(&pool);
    intern_free(&pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_texts_are_kept_once),
        cmocka_unit_test(bytes_count_not_what_they_mean),
        cmocka_unit_test(nothing_is_accepted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
