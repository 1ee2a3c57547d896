#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "mime_priv.h"
#include "postrider/base/clock.h"
#include "postrider/base/utf8.h"

static void decode(struct buf *out, const char *encoding, struct str in, size_t step)
{
    struct mime_decoder *d = mime_decoder_new(str_of(encoding));
    for (struct str rest = in; rest.len > 0; rest = str_tail(rest, step)) {
        mime_decoder_feed(d, rest.ptr, rest.len < step ? rest.len : step, out);
    }
    assert_true(mime_decoder_end(d, out));
    mime_decoder_free(&d);
}

#define ROW(enc, in, out)                                                                \
    {                                                                                    \
        (enc), {(in), sizeof(in) - 1},                                                   \
        {                                                                                \
            (out), sizeof(out) - 1                                                       \
        }                                                                                \
    }

static void bodies_decode_the_same_however_cut(void **state)
{
    (void)state;
    static const struct {
        const char *encoding;
        struct str in, want;
    } rows[] = {
        ROW("7bit", "as is\r\n", "as is\r\n"),
        ROW("", "a\0b", "a\0b"),
        ROW("x-unknown", "=41", "=41"),
        ROW("BASE64", "aGVsbG8=\r\n", "hello"),
        ROW("base64", "aGVsbG8", "hello"),
        ROW("base64", "YQ", "a"),
        ROW("base64", "YQ==YQ==\r\nYWI=", "aaab"),
        ROW("base64", "Y W\r\nJ!j*Z", "abc"),
        ROW("base64", "====", ""),
        ROW("base64", "AAH/gA==", "\x00\x01\xff\x80"),
        ROW("quoted-printable", "a=3Db=C3=a4", "a=b\xc3\xa4"),
        ROW("quoted-printable", "soft=\r\nbreak", "softbreak"),
        ROW("quoted-printable", "soft= \t\r\nbreak", "softbreak"),
        ROW("quoted-printable", "soft=\nbreak", "softbreak"),
        ROW("quoted-printable", "spaces  \t\r\nnext \nlast ", "spaces\r\nnext\nlast"),
        ROW("quoted-printable", "a  b", "a  b"),
        ROW("quoted-printable", "a\r\n\r\nb", "a\r\n\r\nb"),
        ROW("quoted-printable", "bad =ZZ =4 =", "bad =ZZ =4 "),
        ROW("quoted-printable", "a=4", "a=4"),
        ROW("quoted-printable", "a=\rb", "a=\rb"),
        ROW("quoted-printable", "a\rb\r\r\n", "a\rb\r\r\n"),
        ROW("quoted-printable", "==41", "==41"),
        ROW("x-uuencode", "begin 644 a\n#0V%T\n`\nend\n", "Cat"),
        ROW("uuencode", "x\r\nbegin 644 a\r\n#0V%T\r\n#0V%T\r\n`\r\nend\r\n#0V%T\r\n",
            "CatCat"),
        ROW("x-uue", "begin 644 a\n#0V%T", "Cat"),
    };
    static const size_t steps[] = {1000, 1, 2, 3};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        for (size_t k = 0; k < ARRAY_LEN(steps); k++) {
            struct buf out = BUF_INIT(10000);
            decode(&out, rows[i].encoding, rows[i].in, steps[k]);
            assert_int_equal(out.len, rows[i].want.len);
            assert_memory_equal(buf_c(&out), rows[i].want.ptr, out.len);
            buf_fini(&out);
        }
    }
}

static void large_base64_is_exact(void **state)
{
    (void)state;
    struct buf text = BUF_INIT(2000000);
    struct buf out = BUF_INIT(2000000);
    while (text.len < 1000000) {
        buf_put_c(&text, "AAECAwQFBgcICQoLDA0ODw==\r\n");
    }
    decode(&out, "base64", buf_str(&text), 4097);
    assert_int_equal(out.len, text.len / 26 * 16);
    for (size_t i = 0; i < out.len; i++) {
        assert_int_equal(out.bytes[i], i % 16);
    }
    buf_fini(&text);
    buf_fini(&out);
}

static void decoder_reports_a_full_buffer(void **state)
{
    (void)state;
    struct buf out = BUF_INIT(2);
    struct mime_decoder *d = mime_decoder_new(STR("base64"));
    assert_false(mime_decoder_feed(d, "YWJjZGVm", 8, &out));
    mime_decoder_free(&d);
    mime_decoder_free(&d);
    buf_fini(&out);
}

static bool convert(struct buf *out, const char *charset, struct str in, size_t max)
{
    bool more = false;
    const struct mime_text how = {.charset = str_of(charset), .max_bytes = max};
    assert_true(mime_text_decode(out, in, &how, &more));
    return more;
}

static void text_converts_to_utf8(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        struct str in, want;
    } rows[] = {
        ROW(NULL, "plain", "plain"),
        ROW(NULL, "\xc3\xa4", "\xc3\xa4"),
        ROW(NULL, "\xe4\x80\x81", "\xe4\x80\x81"),
        ROW(NULL, "\xe4 \x80\x81", "\xc3\xa4 \xe2\x82\xac\xef\xbf\xbd"),
        ROW(NULL, "cut \xc3", "cut \xc3\x83"),
        ROW("us-ascii", "\xe4", "\xc3\xa4"),
        ROW("utf-8", "\xef\xbb\xbfx\0y\xff\xc3", "xy\xef\xbf\xbd\xef\xbf\xbd"),
        ROW("\"UTF8\"", "\xed\xa0\x80 \xc0\xaf",
            "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd \xef\xbf\xbd\xef\xbf\xbd"),
        ROW("ISO_8859-1", "\xe4\x93", "\xc3\xa4\xe2\x80\x9c"),
        ROW("no-such-set//TRANSLIT", "\xe4", "\xc3\xa4"),
        ROW("utf-7", "Hi Mom +Jjo-!", "Hi Mom \xe2\x98\xba!"),
        ROW("utf-16", "\xff\xfe\xe4\0x\0", "\xc3\xa4x"),
        ROW("utf-16", "\xfe\xff\0\xe4", "\xc3\xa4"),
        ROW("utf-16", "\0x\0y", "xy"),
        ROW("utf-16", "x\0y\0", "xy"),
        ROW("utf-16", "x\0", "x"),
        ROW("utf-16le", "\x00\xd8x\0", "\xef\xbf\xbdx"),
        ROW("gb2312", "\xc4\xe3\xba\xc3", "\xe4\xbd\xa0\xe5\xa5\xbd"),
        ROW("gb18030", "\x81\x30\x81\x30", "\xc2\x80"),
        ROW("iso-2022-jp", "a\x1b$BF|K\\\x1b(Bb",
            "a\xe6\x97\xa5\xe6\x9c\xac"
            "b"),
        ROW("shift_jis", "\x93\xfa\x96\x7b", "\xe6\x97\xa5\xe6\x9c\xac"),
        ROW("shift_jis", "\x93", "\xef\xbf\xbd"),
        ROW("big5", "\xa4\xa4", "\xe4\xb8\xad"),
        ROW("windows-1258", "a\xec", "\xc3\xa1"),
        ROW("koi8-r", "\xf0", "\xd0\x9f"),
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct buf out = BUF_INIT(10000);
        assert_false(convert(&out, rows[i].name, rows[i].in, 1000));
        assert_string_equal(buf_c(&out), rows[i].want.ptr);
        buf_fini(&out);
    }
}

static void output_ends_at_a_character_within_the_limit(void **state)
{
    (void)state;
    static const char *const names[] = {"utf-8", "iso-8859-1", "koi8-r", NULL};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        for (size_t max = 0; max < 6; max++) {
            struct buf out = BUF_INIT(100);
            bool cut = convert(&out, names[i], STR("\xc3\xa4\xc3\xa4\xc3\xa4"), max);
            assert_true(cut);
            assert_true(out.len <= max);
            assert_true(utf8_is_valid(buf_str(&out)));
            buf_fini(&out);
        }
    }
}

/* One label of each row of the table. */
static const char *const labels[] = {
    "utf-8",       "latin1",       "utf-16",      "utf-16le",    "utf-16be",
    "utf-32le",    "utf-32",       "utf-7",       "cp1250",      "cp1251",
    "cp1253",      "latin5",       "cp1255",      "cp1256",      "cp1257",
    "cp1258",      "tis-620",      "iso-8859-2",  "iso-8859-3",  "iso-8859-4",
    "iso-8859-5",  "iso-8859-6-i", "iso-8859-7",  "iso-8859-8",  "iso-8859-10",
    "iso-8859-13", "iso-8859-14",  "iso-8859-15", "iso-8859-16", "koi8-r",
    "koi8-u",      "cp866",        "cp437",       "cp850",       "cp852",
    "cp855",       "cp857",        "cp862",       "macintosh",   "x-mac-cyrillic",
    "gb2312",      "big5",         "euc-tw",      "shift_jis",   "euc-jp",
    "iso-2022-jp", "euc-kr",       "iso-2022-kr", "viscii",      "tcvn",
};

static void every_character_set_converts(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(labels); i++) {
        iconv_t cd = g_mime_iconv_open("UTF-8", mime_charset_name(str_of(labels[i])));
        assert_true(cd != (iconv_t)-1);
        g_mime_iconv_close(cd);
        bool own = i == 1 || strcmp(mime_charset_name(str_of(labels[i])), "CP1252") != 0;
        assert_true(own);
    }
}

static void random_bytes_convert_to_utf8(void **state)
{
    (void)state;
    uint32_t seed = 1;
    for (size_t i = 0; i < ARRAY_LEN(labels); i++) {
        for (int round = 0; round < 200; round++) {
            char in[40];
            for (size_t k = 0; k < sizeof in; k++) {
                seed = seed * 1103515245u + 12345u;
                unsigned char c = (unsigned char)(seed >> 16);
                in[k] = (char)(c < 40 ? 0x1b : c);
            }
            struct buf out = BUF_INIT(1000);
            assert_false(convert(&out, labels[i], str_from(in, sizeof in), 900));
            assert_true(utf8_is_valid(buf_str(&out)));
            assert_null(out.len > 0 ? memchr(out.bytes, '\0', out.len) : NULL);
            buf_fini(&out);
        }
    }
}

/* The filter behind it keeps white space until a line ends. */
static void endless_white_space_is_not_kept(void **state)
{
    (void)state;
    static const size_t steps[] = {1 << 20, 4099};
    struct buf text = BUF_INIT(2000000);
    while (text.len < 1000000) {
        buf_put_c(&text, "          ");
    }
    buf_put_c(&text, "x");
    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        struct buf out = BUF_INIT(2000000);
        decode(&out, "quoted-printable", buf_str(&text), steps[i]);
        assert_true(out.len > 0 && out.len < 20000);
        assert_int_equal(out.bytes[out.len - 1], 'x');
        buf_fini(&out);
    }
    buf_fini(&text);
}

static void text_part_decodes_within_its_limit(void **state)
{
    (void)state;
    struct buf out = BUF_INIT(1000);
    bool more = true;
    struct mime_text how = {.encoding = STR("quoted-printable"),
                            .charset = STR("iso-8859-15"),
                            .max_bytes = 100};
    assert_true(mime_text_decode(&out, STR("=A4 5=\r\n0"), &how, &more));
    assert_string_equal(buf_c(&out), "\xe2\x82\xac 50");
    assert_false(more);
    buf_clear(&out);
    how.max_bytes = 4;
    assert_true(mime_text_decode(&out, STR("=A4 5=\r\n0"), &how, &more));
    assert_string_equal(buf_c(&out), "\xe2\x82\xac ");
    assert_true(more);
    buf_clear(&out);
    how = (struct mime_text){.max_bytes = 100, .input_cut = true};
    assert_true(mime_text_decode(&out, STR("\xc3\xa4\xc3"), &how, &more));
    assert_string_equal(buf_c(&out), "\xc3\xa4");
    assert_true(more);
    buf_fini(&out);
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
        cmocka_unit_test(bodies_decode_the_same_however_cut),
        cmocka_unit_test(large_base64_is_exact),
        cmocka_unit_test(decoder_reports_a_full_buffer),
        cmocka_unit_test(text_converts_to_utf8),
        cmocka_unit_test(output_ends_at_a_character_within_the_limit),
        cmocka_unit_test(every_character_set_converts),
        cmocka_unit_test(random_bytes_convert_to_utf8),
        cmocka_unit_test(endless_white_space_is_not_kept),
        cmocka_unit_test(text_part_decodes_within_its_limit),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
