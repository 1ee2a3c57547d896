#include "postrider/base/bytes.h"

#include "postrider/base/attr.h"
#include "postrider/base/utf8.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum {
    LEN_MAX = 40
};

/* Every byte at every place of texts of every length, with more of the like behind it. */
static void the_first_stop_is_found_wherever_it_is(void **state)
{
    (void)state;
    for (size_t len = 0; len <= LEN_MAX; len++) {
        for (size_t at = 0; at <= len; at++) {
            for (unsigned c = 0; c < 256; c++) {
                char text[LEN_MAX];
                memset(text, 'a', at);
                memset(text + at, (int)c, len - at);
                struct str s = str_from(text, len);
                bool stop = c < 0x20 || c >= 0x80 || c == '"' || c == '\\';
                size_t want = stop ? at : len;
                assert_int_equal(bytes_plain_len(s, STR("\"\\")), want);
                assert_int_equal(bytes_is_plain(s, STR("\"\\")), want == len);
            }
        }
    }
}

static void bytes_behind_the_first_stop_do_not_matter(void **state)
{
    (void)state;
    for (size_t at = 0; at < LEN_MAX - 1; at++) {
        for (unsigned c = 0; c < 256; c++) {
            char text[LEN_MAX];
            memset(text, '~', sizeof text);
            text[at] = '"';
            text[at + 1] = (char)c;
            assert_int_equal(bytes_plain_len(str_from(text, sizeof text), STR("\"\\")),
                             at);
        }
    }
}

static void utf8_ends_with_what_is_none(void **state)
{
    (void)state;
    const struct {
        struct str text;
        size_t plain;
    } rows[] = {
        {STR(""), 0},
        {STR("plain"), 5},
        {STR("größer als Команда ✓ 😀"), 36},
        {STR("größer\" als"), 8},
        {STR("é\x1f"), 2},
        {STR("ééé\xc3"), 6},
        {STR("ééé\xc3\x28"), 6},
        {STR("\xe2\x82"), 0},
        {STR("abcdefghij\xff"), 10},
        {STR("é\x7f"), 3},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        assert_int_equal(utf8_plain_len(rows[i].text, STR("\"\\")), rows[i].plain);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_stop_is_found_wherever_it_is),
        cmocka_unit_test(bytes_behind_the_first_stop_do_not_matter),
        cmocka_unit_test(utf8_ends_with_what_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
