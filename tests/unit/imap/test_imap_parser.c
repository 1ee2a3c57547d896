/* imap_parser, imap_head, imap_lexer: framing, limits, and what the chunking must not change. */
#include "imap_cases.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

static const struct imap_case framing_cases[] = {
    {.name = "bare LF",
     .input = "* 1 EXISTS\n"
              "* 2 EXISTS\r\n",
     .expected = "exists n=1\n"
                 "exists n=2\n"},
    {.name = "bare LF in quotes is data",
     .input = "* LIST () \"/\" \"a\n"
              "b\"\r\n"
              "* 1 EXISTS\n",
     .expected = "list wire=\"a\\x0ab\" path=\"a\\x0ab\" delimiter=/ attrs=0\n"
                 "exists n=1\n"},
    {.name = "bare LF behind quotes ends",
     .input = "* LIST () \"/\" \"a\"\n"
              "* LIST () \"/\" \"b\\\"\n"
              "\"\n",
     .expected = "list wire=\"a\" path=\"a\" delimiter=/ attrs=0\n"
                 "list wire=\"b\\x22\\x0a\" path=\"b\\x22\\x0a\" delimiter=/ attrs=0\n"},
    {.name = "bare CR is data",
     .input = "* LIST () \"/\" \"a\rb\"\r\n",
     .expected = "list wire=\"a\\x0db\" path=\"a\\x0db\" delimiter=/ attrs=0\n"},
    {.name = "NUL in front",
     .input = "\000\000* 1 EXISTS\r\n"
              "\000* 2 EXISTS\r\n",
     .expected = "exists n=1\n"
                 "exists n=2\n",
     .input_len = 27},
    {.name = "empty lines",
     .input = "\r\n"
              "\n"
              "* 1 EXISTS\r\n"
              "\r\n",
     .expected = "exists n=1\n"},
    {.name = "literal in quotes is data",
     .input = "* LIST () \"/\" \"a {5}\r\n"
              "* 1 EXISTS\r\n",
     .expected = "list wire=\"a {5}\" path=\"a {5}\" delimiter=/ attrs=0\n"
                 "exists n=1\n"},
    {.name = "not literals",
     .input = "* X {-1}\r\n"
              "* X {}\r\n"
              "* X {1}x\r\n"
              "* X {a}\r\n",
     .expected = "unknown text=\"* X {-1}\"\n"
                 "unknown text=\"* X {}\"\n"
                 "unknown text=\"* X {1}x\"\n"
                 "unknown text=\"* X {a}\"\n"},
    {.name = "literal forms",
     .input = "* X {3+}\r\n"
              "(((\r\n"
              "* X ~{1}\r\n"
              "\000\r\n"
              "* X {003}\r\n"
              "abc x\r\n"
              "* X a{2}\r\n"
              "\r\n"
              "\r\n",
     .expected = "unknown text=\"* X {3+}\\x0d\\x0a(((\"\n"
                 "unknown text=\"* X ~{1}\\x0d\\x0a\\x00\"\n"
                 "unknown text=\"* X {003}\\x0d\\x0aabc x\"\n"
                 "unknown text=\"* X a{2}\\x0d\\x0a\\x0d\\x0a\"\n",
     .input_len = 60},
    {.name = "literal that looks like a line",
     .input = "* X {14}\r\n"
              "\r\n"
              "* 5 EXISTS\r\n"
              "\r\n"
              "* 1 EXISTS\r\n",
     .expected = "unknown text=\"* X {14}\\x0d\\x0a\\x0d\\x0a* 5 EXISTS\\x0d\\x0a\"\n"
                 "exists n=1\n"},
    {.name = "unknown responses are data",
     .input = "* X-FOO (a \"b)\" {2}\r\n"
              ")) c)\r\n"
              "* 1 EXISTS\r\n",
     .expected = "unknown text=\"* X-FOO (a \\x22b)\\x22 {2}\\x0d\\x0a)) c)\"\n"
                 "exists n=1\n"},
    {.name = "words cut short",
     .input = "*\r\n"
              "* \r\n"
              "*x\r\n"
              "* 12\r\n"
              "* 12 \r\n"
              "*  13   EXISTS\r\n"
              "A\r\n"
              "A \r\n"
              " +\r\n",
     .expected = "unknown text=\"*\"\n"
                 "unknown text=\"* \"\n"
                 "unknown text=\"*x\"\n"
                 "unknown text=\"* 12\" n=12\n"
                 "unknown text=\"* 12 \" n=12\n"
                 "exists n=13\n"
                 "unknown text=\"A\"\n"
                 "unknown text=\"A \"\n"
                 "unknown text=\" +\"\n"},
    {.name = "long words",
     .input = "* WWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWW"
              "WWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWW"
              "WWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWW {2}\r\n"
              "ab\r\n"
              "TTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTT"
              "TTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTT"
              "TTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTT OK {2}\r\n"
              "* 1 EXISTS\r\n",
     .expected =
         "unknown text=\"* WWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWW"
         "WWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWW"
         "WWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWW {"
         "2}\\x0d\\x0aab\"\n"
         "unknown text=\"TTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTT"
         "TTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTT"
         "TTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTT OK "
         "{2}\"\n"
         "exists n=1\n"},
    {.name = "brackets not balanced",
     .input = "* LIST (\\a \"/\" x\r\n"
              "* FLAGS (a))\r\n"
              "* LIST ) \"/\" x\r\n",
     .expected = "unparsed text=\"* LIST (\\x5ca \\x22/\\x22 x\"\n"
                 "flags flags= keywords=[\"a\"]\n"
                 "unparsed text=\"* LIST ) \\x22/\\x22 x\"\n"},
    {.name = "not ended",
     .input = "* LIST () \"/\" {5}\r\n"
              "ab\r\n",
     .expected = "unfinished\n"},
};

static void framing(void **state)
{
    (void)state;
    imap_cases_run(framing_cases, ARRAY_LEN(framing_cases));
}

static const struct imap_case fatal_literals_cases[] = {
    {.name = "too many digits",
     .input = "* X {18446744073709551616}\r\n",
     .expected = "failed protocol: a literal has a size of 20 digits\n"},
    {.name = "above 2 GiB",
     .input = "* X {4294967296}\r\n",
     .expected = "failed limit: a literal of 4294967296 bytes was announced\n"},
    {.name = "above what is kept",
     .input = "* X {1048577}\r\n",
     .expected = "failed limit: a literal of 1048577 bytes is too long to be kept\n"},
    {.name = "announced and refused",
     .input = "* 1 FETCH (BODY[] {2147483648}\r\n",
     .expected = "failed limit: a literal of 2147483648 bytes is too long to be kept\n"},
};

static void fatal_literals(void **state)
{
    (void)state;
    imap_cases_run(fatal_literals_cases, ARRAY_LEN(fatal_literals_cases));
}

static struct buf dump_limited(const char *input, struct imap_limits limits)
{
    struct imap_dump_options options = imap_dump_defaults;
    options.limits = limits;
    options.stream = true;
    return imap_dump_all_ways(str_of(input), &options, input);
}

static void limits_are_kept(void **state)
{
    static const struct imap_limits limits = {.line_max = 40,
                                              .literal_max = 8,
                                              .total_max = 60,
                                              .depth_max = 3,
                                              .nodes_max = 8};
    static const struct {
        const char *input, *expected;
    } cases[] = {
        {"* OK 4567890123456789012345678901234567X\r\n",
         "status OK text=\"4567890123456789012345678901234567X\"\n"},
        {"* OK 456789012345678901234567890123456789012\r\n",
         "failed limit: a response line is longer than 40 bytes\n"},
        {"* LIST () NIL {9}\r\n",
         "failed limit: a literal of 9 bytes is too long to be kept\n"},
        {"* 1 FETCH (UID {9}\r\n123456789)\r\n", "fetch seq=1 has=1 uid=12345678\n"},
        {"* 1 FETCH (BODY[] {9}\r\n123456789)\r\n",
         "literal seq=1 uid=0 section=<0> size=9\nstreamed \"123456789\"\n"
         "fetch seq=1 has=1000 section <0>=NIL streamed\n"},
        {"* X {8}\r\n12345678 {8}\r\n12345678 {8}\r\n12345678 {8}\r\n12345678 "
         "{8}\r\n12345678\r\n",
         "failed limit: a response is longer than 60 bytes\n"},
        {"* X ((((((((((((((((\r\n* 1 EXISTS\r\n",
         "unknown text=\"* X ((((((((((((((((\"\nexists n=1\n"},
        {"* FLAGS (a b c d e f g h i j)\r\n",
         "flags flags= keywords=[\"a\" \"b\" \"c\" \"d\" \"e\" \"f\" \"g\"]\n"},
        {"* 1 FETCH (A (B (C (D))) UID 5)\r\n", "fetch seq=1 has=1 uid=5 partial\n"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct buf out = dump_limited(cases[i].input, limits);
        assert_string_equal(buf_c(&out), cases[i].expected);
        buf_fini(&out);
    }
}

/* A row loses its end, whatever that holds, and nothing behind the row is lost. */
static void long_rows_are_cut(void **state)
{
    static const struct imap_limits limits = {.line_max = 60,
                                              .literal_max = 20,
                                              .total_max = 90,
                                              .depth_max = 10,
                                              .nodes_max = 100};
    static const struct {
        const char *input, *expected;
    } cases[] = {
        {"* 1 FETCH (UID 5 RFC822.SIZE 7 X (a b c d e f g h i j k l m n o p q))\r\n",
         "fetch seq=1 has=11 uid=5 size=7 partial\nexists n=7\n"},
        /* half a number, half a list of flags */
        {"* 1 FETCH (UID 5 X (a b c d e f g h i j k l m n) RFC822.SIZE 123456789012)\r\n",
         "fetch seq=1 has=1 uid=5 partial\nexists n=7\n"},
        {"* 1 FETCH (UID 5 X (a b c d e f g h i j k l m) FLAGS (\\Seen \\Answered))\r\n",
         "fetch seq=1 has=1 uid=5 partial\nexists n=7\n"},
        {"* 1 FETCH (UID 5 ENVELOPE (\"date\" \"a subject\" ((\"n\" NIL \"m\" \"h\")) "
         "NIL NIL NIL NIL NIL NIL NIL))\r\n",
         "fetch seq=1 has=21 uid=5 envelope{ date=\"date\" subject=\"a subject\" } "
         "partial\n"
         "exists n=7\n"},
        /* literals and quoted line ends in what is dropped */
        {"* 1 FETCH (UID 5 X (a b c d e f g h i j k l m n o p q r s t u v {9}\r\n"
         "a\r\nb {5}\r \"x\ny\" {0}\r\n z))\r\n",
         "fetch seq=1 has=1 uid=5 partial\nexists n=7\n"},
        /* literals that together are more than is kept */
        {"* 1 FETCH (UID 5 A {20}\r\n01234567890123456789 B {20}\r\n"
         "01234567890123456789 C {20}\r\n01234567890123456789 FLAGS ())\r\n",
         "fetch seq=1 has=1 uid=5 partial\nexists n=7\n"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct buf in = BUF_INIT(1024);
        buf_printf(&in, "%s* 7 EXISTS\r\n", cases[i].input);
        struct buf out = dump_limited(buf_c(&in), limits);
        assert_string_equal(buf_c(&out), cases[i].expected);
        buf_fini(&out);
        buf_fini(&in);
    }
}

static void ignore_response(void *ctx, const struct imap_resp *resp)
{
    (void)resp;
    imap_parser_stop(*(struct imap_parser **)ctx);
}

static void stop_tells_what_was_used(void **state)
{
    static const char input[] = "A1 OK go ahead\r\n* 1 EXISTS\r\n* 2 EXI";
    struct imap_parser *p = NULL;
    const struct imap_parser_events events = {.on_response = ignore_response};
    size_t used;
    (void)state;
    p = imap_parser_new(&events, &p);
    assert_true(imap_parser_feed(p, input, sizeof input - 1, &used, NULL));
    assert_int_equal(used, 16);
    assert_true(imap_parser_is_idle(p));
    assert_true(imap_parser_feed(p, input + 16, sizeof input - 1 - 16, &used, NULL));
    assert_int_equal(used, 12);
    assert_true(imap_parser_feed(p, "* 2 EXI", 7, &used, NULL));
    assert_false(imap_parser_is_idle(p));
    imap_parser_trim(p);
    assert_false(imap_parser_is_idle(p));
    imap_parser_free(&p);
    imap_parser_free(&p);
}

static void failure_is_final(void **state)
{
    struct imap_parser *p = NULL;
    const struct imap_parser_events events = {.on_response = ignore_response};
    struct err err = {0};
    size_t used;
    (void)state;
    p = imap_parser_new(&events, &p);
    assert_false(imap_parser_feed(p, "* X {5000000000}\r\n", 18, &used, &err));
    assert_int_equal(err.code, ERR_LIMIT);
    err_clear(&err);
    assert_false(imap_parser_feed(p, "* 1 EXISTS\r\n", 12, &used, &err));
    assert_int_equal(err.code, ERR_LIMIT);
    assert_int_equal(used, 0);
    assert_false(imap_parser_is_idle(p));
    imap_parser_free(&p);
}

static void idle_parser_holds_little(void **state)
{
    struct imap_parser *p = NULL;
    const struct imap_parser_events events = {.on_response = ignore_response};
    struct buf in = BUF_INIT(1024 * 1024);
    (void)state;
    p = imap_parser_new(&events, &p);
    buf_put_c(&in, "* FLAGS (");
    for (unsigned i = 0; i < 10000; i++) {
        buf_printf(&in, "keyword%u ", i);
    }
    buf_put_c(&in, ")\r\n");
    for (size_t at = 0, used; at < in.len; at += used) {
        size_t n = in.len - at < 1000 ? in.len - at : 1000;
        assert_true(imap_parser_feed(p, in.bytes + at, n, &used, NULL));
    }
    assert_true(imap_parser_is_idle(p));
    imap_parser_trim(p);
    assert_true(imap_parser_memory(p) < 2048);
    imap_parser_free(&p);
    buf_fini(&in);
}

static void kinds_have_names(void **state)
{
    (void)state;
    for (int kind = IMAP_RESP_CONTINUE; kind <= IMAP_RESP_UNPARSED; kind++) {
        assert_non_null(imap_resp_kind_name((enum imap_resp_kind)kind));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(framing),
        cmocka_unit_test(fatal_literals),
        cmocka_unit_test(limits_are_kept),
        cmocka_unit_test(long_rows_are_cut),
        cmocka_unit_test(stop_tells_what_was_used),
        cmocka_unit_test(failure_is_final),
        cmocka_unit_test(idle_parser_holds_little),
        cmocka_unit_test(kinds_have_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
