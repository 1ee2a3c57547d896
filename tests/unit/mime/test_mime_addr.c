#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "postrider/base/clock.h"
#include "postrider/base/utf8.h"
#include "postrider/mime/mime.h"

static void lists_parse(void **state)
{
    (void)state;
    static const struct {
        const char *value, *want; /* name<address>| … */
    } rows[] = {
        {"", ""},
        {"a@b", "<a@b>|"},
        {"a@b, c@d", "<a@b>|<c@d>|"},
        {"a@b; c@d;", "<a@b>|<c@d>|"},
        {"John Doe <j@d>", "John Doe<j@d>|"},
        {"\"Doe, John\" <j@d>", "Doe, John<j@d>|"},
        {"\"a \\\"b\\\" c\" <j@d>", "a \"b\" c<j@d>|"},
        {"j@d (John (the) Doe)", "John (the) Doe<j@d>|"},
        {"=?utf-8?Q?J=C3=B6?= <j@d>", "J\xc3\xb6<j@d>|"},
        {"=?utf-8?Q?Doe,_J?= <j@d>", "Doe, J<j@d>|"},
        {"\"=?utf-8?B?w6Q=?=\" <j@d>", "\xc3\xa4<j@d>|"},
        {"\xe4 <j@d>", "\xc3\xa4<j@d>|"},
        {"group: a@b, X <c@d>;, e@f", "<a@b>|X<c@d>|<e@f>|"},
        {"undisclosed-recipients:;", ""},
        {"a:b:c:d@e;;", "<d@e>|"},
        {"<@r1,@r2:a@b>", "<a@b>|"},
        {"\"john doe\"@x", "<\"john doe\"@x>|"},
        {"<\"a,b>\"@x>, c@d", "<\"a,b>\"@x>|<c@d>|"},
        {"John j@d", "John<j@d>|"},
        {"a @ b . c", "<a@b.c>|"},
        {"<a@b", "<a@b>|"},
        {"<a@b, c@d", "<a@b>|<c@d>|"},
        {"X <a@b> <c@d>", "X<a@b>|<c@d>|"},
        {"\"unclosed <a@b>, c@d", "unclosed<a@b>|<c@d>|"},
        {"(unclosed a@b", "unclosed<a@b>|"},
        {"root", "<root>|"},
        {"[x] <a@b>", "[x]<a@b>|"},
        {"John Q. Public <a@b>", "John Q. Public<a@b>|"},
        {"=?utf-8?B?w6Q=?= =?utf-8?B?w6Q=?= <a@b>", "\xc3\xa4\xc3\xa4<a@b>|"},
        {"a (x) <b@c>", "a<b@c>|"},
        {"<a@b> (name)", "name<a@b>|"},
        {"a..b@c, d.@e", "<a..b@c>|<d.@e>|"},
        {"a@xn--4ca.de", "<a@xn--4ca.de>|"},
        {"x@[IPv6:::1]", "<x@[IPv6:::1]>|"},
        {"=?utf-8?Q?only?=", "only<>|"},
        {"\"only\"", "only<>|"},
        {"Only A Name", "Only A Name<>|"},
        {"<>", ""},
        {",,,", ""},
        {"a\r\n\t<b@\r\n c>", "a<b@c>|"},
        {"\xc3\xa4@\xc3\xb6.de", "<\xc3\xa4@\xc3\xb6.de>|"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct arena arena = {0};
        struct mime_addresses list;
        mime_addresses_parse(&arena, str_of(rows[i].value), &list);
        struct buf got = BUF_INIT(1000);
        for (size_t k = 0; k < list.count; k++) {
            buf_put_str(&got, list.items[k].name);
            buf_put_byte(&got, '<');
            buf_put_str(&got, list.items[k].address);
            buf_put_c(&got, ">|");
        }
        assert_string_equal(buf_c(&got), rows[i].want);
        buf_fini(&got);
        arena_fini(&arena);
    }
}

static void hostile_lists_are_bounded_and_linear(void **state)
{
    (void)state;
    static const char *const units[] = {"a:",
                                        "(",
                                        "\"",
                                        "<",
                                        "a@b,",
                                        "@",
                                        "\\",
                                        "((a)",
                                        ".",
                                        " ",
                                        "=?utf-8?q?x,",
                                        "a@:",
                                        "=?koi8-r?q?=c1?= <a@b>,",
                                        "<\"",
                                        "=?",
                                        ";",
                                        "(\\",
                                        "\" \\\"",
                                        "<@a:",
                                        "\xff",
                                        ":",
                                        "a b ",
                                        "x y, ",
                                        "x y@ ",
                                        "a@[",
                                        "=?utf-8?q?x",
                                        "<a@b> "};
    for (size_t i = 0; i < ARRAY_LEN(units); i++) {
        struct buf value = BUF_INIT(2 * 1024 * 1024);
        while (value.len < 1200000) {
            buf_put_c(&value, units[i]);
        }
        struct arena arena = {0};
        struct mime_addresses list;
        int64_t start_ms = clock_mono_ms();
        mime_addresses_parse(&arena, buf_str(&value), &list);
        assert_true(clock_mono_ms() - start_ms < 20000);
        assert_true(list.truncated);
        assert_true(list.count <= MIME_ADDRESSES_MAX);
        arena_fini(&arena);
        buf_fini(&value);
    }
}

static void parts_of_an_envelope_join(void **state)
{
    (void)state;
    struct buf scratch = BUF_INIT(1024);
    assert_true(
        str_eq_c(mime_name_decode(&scratch, STR("=?utf-8?Q?=C3=A4?=")), "\xc3\xa4"));
    assert_true(str_eq_c(mime_name_decode(&scratch, STR(" \"j\\\"d\" ")), "j\"d"));
    assert_true(str_eq_c(mime_name_decode(&scratch, STR_NULL), ""));
    assert_true(str_eq_c(mime_address_join(&scratch, STR("j d"), STR("x")), "jd@x"));
    assert_true(
        str_eq_c(mime_address_join(&scratch, STR("j\xff"), STR("x")), "j\xef\xbf\xbd@x"));
    assert_true(str_eq_c(mime_address_join(&scratch, STR("root"), STR("MISSING_DOMAIN")),
                         "root"));
    assert_true(str_eq_c(mime_address_join(&scratch, STR_NULL, STR_NULL), ""));
    buf_fini(&scratch);
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
        cmocka_unit_test(lists_parse),
        cmocka_unit_test(hostile_lists_are_bounded_and_linear),
        cmocka_unit_test(parts_of_an_envelope_join),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
