#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "postrider/base/clock.h"
#include "postrider/base/utf8.h"
#include "postrider/mime/mime.h"

#define S(text)                                                                          \
    {                                                                                    \
        (text), sizeof(text) - 1                                                         \
    }

static void header_blocks_parse(void **state)
{
    (void)state;
    static const struct {
        struct str block;
        const char *want; /* name=value| … */
        size_t left;      /* not consumed */
        bool malformed;
    } rows[] = {
        {S(""), "", 0, false},
        {S("\r\nbody"), "", 4, false},
        {S("A: 1\r\nB:2\r\n\r\nbody"), "A=1|B=2|", 4, false},
        {S("A: 1\nB: 2"), "A=1|B=2|", 0, false},
        {S("A: 1\r\n\tx\r\n  y\r\nB: 2\r\n"), "A=1\tx  y|B=2|", 0, false},
        {S("From me@x Mon Jan 1 10:00:00 2024\nA: 1\n"), "A=1|", 0, false},
        {S(" fold first\r\nA: 1\r\n"), "A=1|", 0, true},
        {S("A: 1\r\nno header\r\n folded\r\nB: 2\r\n"), "A=1|B=2|", 0, true},
        {S("A : 1\r\n"), "A=1|", 0, false},
        {S("A: x\0y\rz\r\n"), "A=xy z|", 0, false},
        {S("A: 1\r\r\nB: 2\r\n"), "A=1|B=2|", 0, false},
        {S("A:\r\nB: \r\n"), "A=|B=|", 0, false},
        {S(": x\r\nB\xe4: y\r\nC: \xe4\r\n"), "C=\xe4|", 0, true},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct arena arena = {0};
        struct mime_headers h;
        mime_headers_parse(&arena, rows[i].block, &h);
        struct buf got = BUF_INIT(1000);
        for (size_t k = 0; k < h.count; k++) {
            buf_put_str(&got, h.items[k].name);
            buf_put_byte(&got, '=');
            buf_put_str(&got, h.items[k].value);
            buf_put_byte(&got, '|');
        }
        assert_string_equal(buf_c(&got), rows[i].want);
        assert_int_equal(h.consumed, rows[i].block.len - rows[i].left);
        assert_int_equal(h.malformed, rows[i].malformed);
        assert_false(h.truncated);
        buf_fini(&got);
        arena_fini(&arena);
    }
}

static void first_header_of_a_name_wins(void **state)
{
    (void)state;
    struct arena arena = {0};
    struct mime_headers h;
    mime_headers_parse(&arena, STR("Subject: a\r\nSUBJECT: b\r\n"), &h);
    assert_true(str_eq_c(mime_headers_get(&h, "subject"), "a"));
    assert_null(mime_headers_get(&h, "x").ptr);
    arena_fini(&arena);
}

static void hostile_blocks_are_bounded_and_linear(void **state)
{
    (void)state;
    static const char *const units[] = {"a:\n",           "\n ", "x\n",
                                        "a: b\r\n c\r\n", "\r",  " "};
    for (size_t i = 0; i < ARRAY_LEN(units); i++) {
        struct buf block = BUF_INIT(12 * 1024 * 1024);
        buf_put_c(&block, "A: ");
        while (block.len < 11 * 1024 * 1024) {
            buf_put_c(&block, units[i]);
        }
        struct arena arena = {0};
        struct mime_headers h;
        int64_t start_ms = clock_mono_ms();
        mime_headers_parse(&arena, buf_str(&block), &h);
        assert_true(clock_mono_ms() - start_ms < 20000);
        assert_true(h.truncated);
        assert_true(h.count >= 1 && h.count <= MIME_HEADERS_MAX);
        arena_fini(&arena);
        buf_fini(&block);
    }
}

static void automatic_answers_are_recognized(void **state)
{
    (void)state;
    static const struct {
        const char *block;
        bool want;
    } rows[] = {
        {"Subject: hi\r\n", false},
        {"Auto-Submitted: no\r\n", false},
        {"Auto-Submitted: auto-generated\r\n", false},
        {"auto-submitted: Auto-Replied (vacation)\r\n", true},
        {"Precedence: auto_reply\r\n", true},
        {"Precedence: bulk\r\n", false},
        {"X-Autoreply: yes\r\n", true},
        {"X-Autoreply: no\r\n", false},
        {"Subject: Automatic reply: hi\r\nIn-Reply-To: <a@b>\r\n", true},
        {"Subject: Automatic reply: hi\r\n", false},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct arena arena = {0};
        struct mime_headers h;
        mime_headers_parse(&arena, str_of(rows[i].block), &h);
        assert_int_equal(mime_headers_is_auto_reply(&h), rows[i].want);
        arena_fini(&arena);
    }
}

static void ids_are_listed_in_order(void **state)
{
    (void)state;
    static const struct {
        const char *value, *want;
    } rows[] = {
        {"", ""},
        {"<a@b>", "<a@b>|"},
        {"<a@b> <c@d>\r\n\t<e@f>", "<a@b>|<c@d>|<e@f>|"},
        {"<a @\r\n b>", "<a@b>|"},
        {"<a@b<c@d>", "<a@b>|<c@d>|"},
        {"<a@b", "<a@b>|"},
        {"<>", ""},
        {"<a@b>,<c@d>", "<a@b>|<c@d>|"},
        {"<a b@c> <d@e>", "<ab@c>|<d@e>|"},
        {"a@b", "<a@b>|"},
        {"words only", ""},
        {"<\xe4@b>", "<\xef\xbf\xbd@b>|"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct arena arena = {0};
        struct mime_ids ids;
        mime_ids_parse(&arena, str_of(rows[i].value), &ids);
        struct buf got = BUF_INIT(1000);
        for (size_t k = 0; k < ids.count; k++) {
            buf_put_str(&got, ids.items[k]);
            buf_put_byte(&got, '|');
        }
        assert_string_equal(buf_c(&got), rows[i].want);
        buf_fini(&got);
        arena_fini(&arena);
    }
}

static void dates_parse_to_utc(void **state)
{
    (void)state;
    static const int64_t none = INT64_MIN;
    static const struct {
        const char *text;
        int64_t ms;
    } rows[] = {
        {"Mon, 01 Jan 2024 10:00:00 +0100", 1704099600000},
        {"Mon, 1 Jan 2024 10:00:00 +0100 (CET)", 1704099600000},
        {"Mon, 1 Jan 2024 10:00:00 (comment) +0100", 1704099600000},
        {"1 Jan 24 10:00 EST", 1704121200000},
        {"Mon Jan  1 10:00:00 2024", 1704103200000},
        {"2024-01-01T10:00:00Z", 1704103200000},
        {"Sat, 31 Dec 2016 23:59:60 +0000", 1483228799000},
        {"Thu, 01 Jan 1970 00:00:00 GMT", 0},
        {"Mon, 01 Jan 1900 00:00:00 +0000", INT64_MIN},
        {"", INT64_MIN},
        {"x", INT64_MIN},
        {"31 Feb 2024 1:2:3 Z", INT64_MIN},
        {"1 Jan 70000 1:2:3 GMT", INT64_MIN},
        {"Thu, 32 Foo 99999999999 10:00:00 +9999", INT64_MIN},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        int64_t ms = none;
        assert_int_equal(mime_date_parse(str_of(rows[i].text), &ms), rows[i].ms != none);
        assert_int_equal(ms, rows[i].ms);
    }
}

static void download_names_are_safe(void **state)
{
    (void)state;
    static const struct {
        const char *name, *want;
    } rows[] = {
        {"a.txt", "attachment; filename=\"a.txt\""},
        {"../../etc/passwd", "attachment; filename=\"passwd\""},
        {"C:\\dir\\a.exe", "attachment; filename=\"a.exe\""},
        {"C:a.exe", "attachment; filename=\"a.exe\""},
        {"", "attachment; filename=\"attachment\""},
        {"..", "attachment; filename=\"attachment\""},
        {".profile", "attachment; filename=\"profile\""},
        {"a\r\nSet-Cookie: x\".txt", "attachment; filename=\"aSet-Cookie_ x_.txt\""},
        {"con.txt", "attachment; filename=\"_con.txt\""},
        {"LPT1", "attachment; filename=\"_LPT1\""},
        {"cod\xe2\x80\xae"
         "txt.exe",
         "attachment; filename=\"codtxt.exe\""},
        {"\xc3\xa4 b.txt",
         "attachment; filename=\"_ b.txt\"; filename*=UTF-8''%C3%A4%20b.txt"},
        {"100%.txt", "attachment; filename=\"100_.txt\"; filename*=UTF-8''100%25.txt"},
        {"\xff.txt", "attachment; filename=\"_.txt\"; filename*=UTF-8''%EF%BF%BD.txt"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct buf out = BUF_INIT(2000);
        assert_true(mime_disposition(&out, "attachment", str_of(rows[i].name)));
        assert_string_equal(buf_c(&out), rows[i].want);
        buf_fini(&out);
    }
}

static void long_download_names_keep_their_extension(void **state)
{
    (void)state;
    struct buf name = BUF_INIT(20000);
    for (int i = 0; i < 2500; i++) {
        buf_put_c(&name, "\xc3\xa4");
    }
    buf_put_c(&name, ".pdf");
    struct buf out = BUF_INIT(2000);
    assert_true(mime_disposition(&out, "inline", buf_str(&name)));
    assert_true(str_has_prefix(buf_str(&out), "inline; "));
    assert_true(str_has_suffix(buf_str(&out), ".pdf"));
    assert_true(out.len < 1000);
    buf_fini(&name);
    buf_fini(&out);
}

static int setup(void **state)
{
    (void)state;
    mime_init();
    mime_init();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    mime_fini();
    mime_fini();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(header_blocks_parse),
        cmocka_unit_test(first_header_of_a_name_wins),
        cmocka_unit_test(hostile_blocks_are_bounded_and_linear),
        cmocka_unit_test(automatic_answers_are_recognized),
        cmocka_unit_test(ids_are_listed_in_order),
        cmocka_unit_test(dates_parse_to_utc),
        cmocka_unit_test(download_names_are_safe),
        cmocka_unit_test(long_download_names_keep_their_extension),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
