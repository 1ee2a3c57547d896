#include "postrider/base/utf8.h"

#include "postrider/base/attr.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void invalid_forms_are_found_and_repaired(void **state)
{
    (void)state;
    const struct {
        struct str in;
        int valid;
        const char *repaired;
    } rows[] = {
        {STR(""), 1, ""},
        {STR("aé€😀"), 1, "aé€😀"},
        {STR("\xc0\x80"), 0, "\xef\xbf\xbd\xef\xbf\xbd"},
        {STR("\xed\xa0\x80x"), 0, "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbdx"},
        {STR("\xf4\x90\x80\x80"), 0, "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
        {STR("a\xe2\x82"), 0, "a\xef\xbf\xbd\xef\xbf\xbd"},
        {STR("\xe0\x9f\xbf"), 0, "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct buf b = BUF_INIT(100);
        assert_int_equal(utf8_is_valid(rows[i].in), rows[i].valid);
        assert_true(utf8_put_repaired(&b, rows[i].in));
        assert_string_equal(buf_c(&b), rows[i].repaired);
        assert_true(utf8_is_valid(buf_str(&b)));
        buf_fini(&b);
    }
}

static void every_code_point_comes_back(void **state)
{
    (void)state;
    struct buf b = BUF_INIT(8);
    for (uint32_t cp = 0; cp <= 0x110000; cp++) {
        size_t len = 0;
        buf_clear(&b);
        assert_true(utf8_put(&b, cp));
        int bad = (cp >= 0xd800 && cp <= 0xdfff) || cp > 0x10ffff;
        assert_int_equal(utf8_decode(buf_str(&b), &len), bad ? 0xfffd : cp);
        assert_int_equal(len, b.len);
    }
    buf_fini(&b);
}

static void clipping_ends_with_a_character(void **state)
{
    (void)state;
    static const size_t lens[] = {0, 1, 1, 3, 3, 3, 6, 6};
    struct str text = STR("aé€");
    for (size_t max = 0; max < ARRAY_LEN(lens); max++) {
        assert_int_equal(utf8_clip(text, max).len, lens[max]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(invalid_forms_are_found_and_repaired),
        cmocka_unit_test(every_code_point_comes_back),
        cmocka_unit_test(clipping_ends_with_a_character),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
