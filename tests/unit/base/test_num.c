#include "postrider/base/num.h"

#include "postrider/base/attr.h"
#include "postrider/base/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void decimal_numbers_are_bounded(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t max;
        int ok;
        uint64_t value;
    } rows[] = {
        {"0", 0, 1, 0},
        {"18446744073709551615", UINT64_MAX, 1, UINT64_MAX},
        {"18446744073709551616", UINT64_MAX, 0, 0},
        {"00000000000000000007", 9, 1, 7},
        {"000000000000000000007", 9, 0, 0},
        {"10", 9, 0, 0},
        {"", 9, 0, 0},
        {"-1", 9, 0, 0},
        {"+1", 9, 0, 0},
        {" 1", 9, 0, 0},
        {"1x", 9, 0, 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        uint64_t v = 77;
        int ok = num_u64(str_of(rows[i].text), rows[i].max, &v);
        assert_int_equal(ok, rows[i].ok);
        assert_true(v == (ok ? rows[i].value : 77));
    }
    int64_t i64;
    uint32_t u32;
    assert_true(num_i64(STR("-9223372036854775807"), &i64) && i64 == -INT64_MAX);
    assert_false(num_i64(STR("-"), &i64));
    assert_true(num_u32(STR("4294967295"), &u32) && u32 == UINT32_MAX);
    assert_false(num_u32(STR("4294967296"), &u32));
}

static void varints_and_fixed_widths_come_back(void **state)
{
    (void)state;
    static const uint64_t values[] = {
        0, 1, 127, 128, 16383, 16384, UINT32_MAX, UINT64_MAX - 1, UINT64_MAX};
    for (size_t i = 0; i < ARRAY_LEN(values); i++) {
        struct buf b = BUF_INIT(16);
        assert_true(buf_put_varint(&b, values[i]));
        uint64_t v = 0;
        size_t pos = 0;
        for (size_t cut = 0; cut < b.len; cut++) {
            assert_false(num_get_varint(str_from(b.bytes, cut), &pos, &v));
            assert_int_equal(pos, 0);
        }
        assert_true(num_get_varint(buf_str(&b), &pos, &v));
        assert_true(v == values[i] && pos == b.len);
        uint8_t be[8];
        num_put_be64(be, values[i]);
        assert_true(num_get_be64(be) == values[i]);
        assert_true(num_zigzag(num_unzigzag(values[i])) == values[i]);
        buf_fini(&b);
    }
    uint64_t v;
    size_t pos = 0;
    assert_false(
        num_get_varint(STR("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02"), &pos, &v));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decimal_numbers_are_bounded),
        cmocka_unit_test(varints_and_fixed_widths_come_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
