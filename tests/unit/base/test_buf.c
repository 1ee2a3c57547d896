#include "postrider/base/buf.h"

#include "postrider/base/attr.h"
#include "postrider/base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

static void overflow_sticks_and_changes_nothing(void **state)
{
    (void)state;
    struct buf b = BUF_INIT(8);
    assert_true(buf_put_c(&b, "1234567"));
    assert_false(buf_put_c(&b, "89"));
    assert_false(buf_put_byte(&b, '8'));
    assert_true(b.overflow);
    assert_string_equal(buf_c(&b), "1234567");
    buf_clear(&b);
    assert_true(buf_put_c(&b, "12345678") && !b.overflow);
    assert_false(buf_printf(&b, "%d", 1));
    buf_fini(&b);
}

static void bytes_are_appended_consumed_and_taken(void **state)
{
    (void)state;
    struct buf b = BUF_INIT(1000);
    assert_string_equal(buf_c(&b), "");
    buf_printf(&b, "%s-%d", "a", 5);
    buf_put_u64(&b, UINT64_MAX);
    assert_string_equal(buf_c(&b), "a-518446744073709551615");
    buf_consume(&b, 3);
    buf_truncate(&b, 4);
    assert_string_equal(buf_c(&b), "1844");
    buf_put(&b, "\0x", 2);
    assert_int_equal(b.len, 6);
    size_t len = 0;
    char *bytes = buf_take(&b, &len);
    assert_memory_equal(bytes, "1844\0x", 7);
    assert_int_equal(len, 6);
    mem_free(bytes);
    assert_null(buf_take(&b, &len));
    assert_true(buf_put_str(&b, STR_NULL));
    buf_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(overflow_sticks_and_changes_nothing),
        cmocka_unit_test(bytes_are_appended_consumed_and_taken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
