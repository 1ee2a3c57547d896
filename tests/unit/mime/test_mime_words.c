#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "postrider/base/clock.h"
#include "postrider/base/utf8.h"
#include "postrider/mime/mime.h"

static void words_decode_to_text(void **state)
{
    (void)state;
    static const struct {
        const char *raw, *text;
    } rows[] = {
        {"", ""},
        {"plain text", "plain text"},
        {"=?utf-8?Q?caf=C3=A9?=", "caf\xc3\xa9"},
        {"=?UTF-8?b?Y2Fmw6k=?=", "caf\xc3\xa9"},
        {"=?utf-8?B?w6Q=?= =?utf-8?B?w6Q=?=", "\xc3\xa4\xc3\xa4"},
        {"=?utf-8?B?w6Q=?= x", "\xc3\xa4 x"},
        {"=?utf-8?B?w6Q?= unpadded", "\xc3\xa4 unpadded"},
        {"=?utf-8?Q?=C3?= =?utf-8?Q?=A4?=", "\xc3\xa4"},
        {"=?utf-8?Q?=C3?=\r\n =?UTF-8?Q?=A4?=", "\xc3\xa4"},
        {"=?iso-8859-1?Q?=E4_b?= =?utf-8?Q?=C3=B6?=", "\xc3\xa4 b\xc3\xb6"},
        {"=?iso-8859-1*de?Q?=E4?=", "\xc3\xa4"},
        {"a=?utf-8?Q?b?=c", "abc"},
        {"=?utf-8?Q?a b?=", "a b"},
        {"=?utf-8?Q?a=00b?=", "ab"},
        {"=?utf-8?Q?a=0D=0ABcc:_x?=", "a  Bcc: x"},
        {"=?utf-8?Q?bad=GG=?=", "bad=GG="},
        {"=?utf-8?Q?end_?=", "end "},
        {"=?utf-8?B?YQ==YQ==?=", "aa"},
        {"=?utf-8?Q?=C3?= =?utf-8?B?pA==?=", "\xc3\xa4"},
        {"=?utf-8?X?a?=", "=?utf-8?X?a?="},
        {"=?utf-8?Q?never", "=?utf-8?Q?never"},
        {"=?utf-8?Q?a =?utf-8?Q?b?=", "=?utf-8?Q?a b"},
        {"=??Q?a?=", "=??Q?a?="},
        {"=?x-no-such?Q?=E4?=", "\xc3\xa4"},
        {"=?iso-2022-jp?B?GyRCRnxLXBsoQg==?=", "\xe6\x97\xa5\xe6\x9c\xac"},
        {"=?koi8-r?B?8NLJ18XU?=", "\xd0\x9f\xd1\x80\xd0\xb8\xd0\xb2\xd0\xb5\xd1\x82"},
        {"=?gb2312?B?xOO6ww==?=", "\xe4\xbd\xa0\xe5\xa5\xbd"},
        {"=?utf-8?Q?=FF=FE?=", "\xef\xbf\xbd\xef\xbf\xbd"},
        {"raw \xc3\xa4", "raw \xc3\xa4"},
        {"raw \xe4", "raw \xc3\xa4"},
        {"folded\r\n\ttext\n more", "folded text more"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct buf out = BUF_INIT(10000);
        assert_true(mime_decode_words(&out, str_of(rows[i].raw)));
        assert_string_equal(buf_c(&out), rows[i].text);
        buf_fini(&out);
    }
}

static void words_take_linear_time(void **state)
{
    (void)state;
    static const char *const units[] = {
        "=?",
        "=?utf-8?Q?=41?= ",
        "=?utf-8?b?",
        "=?a?q?=?=",
        "\xc3\xa4 \xff",
        "=?koi8-r?q?=c1?= =?gb2312?q?=c1?= ",
        "=?utf-8?q?",
        "\r\n ",
        "=?iso-2022-jp?B?GyRC?= ",
        "=?utf-16?q?a",
        "=?utf-7?q?+AAA-?= ",
        "?=",
    };
    for (size_t i = 0; i < ARRAY_LEN(units); i++) {
        struct buf raw = BUF_INIT(1100000);
        while (raw.len < 1000000) {
            buf_put_c(&raw, units[i]);
        }
        struct buf out = BUF_INIT(8000000);
        int64_t start_ms = clock_mono_ms();
        assert_true(mime_decode_words(&out, buf_str(&raw)));
        assert_true(clock_mono_ms() - start_ms < 20000);
        assert_true(utf8_is_valid(buf_str(&out)));
        buf_fini(&out);
        buf_fini(&raw);
    }
}

static void output_limit_is_reported(void **state)
{
    (void)state;
    struct buf out = BUF_INIT(3);
    assert_false(mime_decode_words(&out, STR("=?utf-8?Q?abcdef?=")));
    buf_fini(&out);
}

#define P(n, v)                                                                          \
    {                                                                                    \
        {(n), sizeof(n) - 1},                                                            \
        {                                                                                \
            (v), sizeof(v) - 1                                                           \
        }                                                                                \
    }

static void parameters_decode_in_all_forms(void **state)
{
    (void)state;
    static const struct {
        struct mime_param params[4];
        const char *text; /* NULL: none */
    } rows[] = {
        {{P("filename", "a.txt")}, "a.txt"},
        {{P("FileName", "a.txt"), P("filename", "b.txt")}, "a.txt"},
        {{P("filename", "=?utf-8?B?w6Q=?=.txt")}, "\xc3\xa4.txt"},
        {{P("filename", "\xe4.txt")}, "\xc3\xa4.txt"},
        {{P("filename*", "utf-8'en'%C3%A4%20x")}, "\xc3\xa4 x"},
        {{P("filename*", "no-quotes%41")}, "no-quotesA"},
        {{P("filename*", "iso-8859-1''%e4%"), P("filename", "x")}, "\xc3\xa4%"},
        {{P("filename*1", "b"), P("filename*0", "a"), P("filename*3", "d")}, "ab"},
        {{P("filename*0*", "utf-8''%C3"), P("filename*1*", "%A4"),
          P("filename*2", "%41")},
         "\xc3\xa4%41"},
        {{P("filename*1", "a"), P("filename*2", "b")}, "ab"},
        {{P("filename*0", "=?utf-8?Q?=C3="), P("filename*1", "A4?=")}, "\xc3\xa4"},
        {{P("filename*128", "x"), P("filename*x", "x"), P("filename*-1", "x")}, NULL},
        {{P("filename*1*", "%A4"), P("filename*0*", "utf-8''%C3")}, "\xc3\xa4"},
        {{P("filename*", "utf-8''a=41%3d")}, "a=41="},
        {{P("filename", "=?utf-8?B?w6Q=?= =?utf-8?B?w6Q=?=")}, "\xc3\xa4\xc3\xa4"},
        {{P("name", "a")}, NULL},
        {{P("filename", "a\r\nb\0c")}, "a bc"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        size_t count = 0;
        while (count < 4 && rows[i].params[count].name.ptr != NULL) {
            count++;
        }
        struct buf out = BUF_INIT(10000);
        assert_int_equal(mime_decode_param(&out, rows[i].params, count, "filename"),
                         rows[i].text != NULL);
        assert_string_equal(buf_c(&out), rows[i].text != NULL ? rows[i].text : "");
        buf_fini(&out);
    }
}

static void long_parameters_are_cut_at_a_character(void **state)
{
    (void)state;
    struct buf value = BUF_INIT(10000);
    buf_put_byte(&value, 'x');
    for (int i = 0; i < 1000; i++) {
        buf_put_c(&value, "\xc3\xa4");
    }
    struct mime_param param = {.name = STR("name"), .value = buf_str(&value)};
    struct buf out = BUF_INIT(10000);
    assert_true(mime_decode_param(&out, &param, 1, "name"));
    assert_int_equal(out.len, MIME_FILENAME_MAX - 1);
    assert_true(utf8_is_valid(buf_str(&out)));
    buf_fini(&out);
    buf_fini(&value);
}

static int setup(void **state)
{
    (void)state;
    mime_init();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    mime_fini();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_decode_to_text),
        cmocka_unit_test(words_take_linear_time),
        cmocka_unit_test(output_limit_is_reported),
        cmocka_unit_test(parameters_decode_in_all_forms),
        cmocka_unit_test(long_parameters_are_cut_at_a_character),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
