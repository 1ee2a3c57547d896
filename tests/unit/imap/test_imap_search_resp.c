/* imap_search_resp, imap_setlex: SEARCH, ESEARCH, VANISHED. */
#include "imap_cases.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

static const struct imap_case searches_cases[] = {
    {.name = "numbers",
     .input = "* SEARCH 2 84 882 883 884\r\n",
     .expected = "search set=2,84,882:884 has=8\n"},
    {.name = "empty", .input = "* SEARCH\r\n", .expected = "search has=8\n"},
    {.name = "trailing space",
     .input = "* SEARCH 1 2 3 \r\n",
     .expected = "search set=1:3 has=8\n"},
    {.name = "modseq",
     .input = "* SEARCH 2 5 6 7 (MODSEQ 917162500)\r\n",
     .expected = "search set=2,5:7 has=18 modseq=917162500\n"},
    {.name = "unsorted",
     .input = "* SEARCH 9 1 8 2 3\r\n",
     .expected = "search set=1:3,8:9 has=8\n"},
    {.name = "nonsense is dropped",
     .input = "* SEARCH 0 4294967296 99999999999999999999999 7 x 8\r\n",
     .expected = "search set=7:8 has=8\n"},
};

static void searches(void **state)
{
    (void)state;
    imap_cases_run(searches_cases, ARRAY_LEN(searches_cases));
}

static const struct imap_case esearches_cases[] = {
    {.name = "all members",
     .input = "* ESEARCH (TAG \"A285\") UID MIN 7 MAX 3800 COUNT 15 ALL 4:18,21,28 MODSE"
              "Q 12\r\n",
     .expected =
         "search set=4:18,21,28 esearch tag=\"A285\" has=1f count=15 min=7 max=3800"
         " modseq=12\n"},
    {.name = "tag as literal",
     .input = "* ESEARCH (TAG {2}\r\n"
              "A1) ALL 1\r\n",
     .expected = "search set=1 esearch tag=\"A1\" has=8\n"},
    {.name = "nothing found",
     .input = "* ESEARCH (TAG \"A1\")\r\n",
     .expected = "search esearch tag=\"A1\" has=0\n"},
    {.name = "count only",
     .input = "* ESEARCH COUNT 0\r\n",
     .expected = "search esearch has=1\n"},
    {.name = "range to the end is not expanded",
     .input = "* ESEARCH ALL 1:4294967295\r\n",
     .expected = "search set=1:4294967295 esearch has=8\n"},
};

static void esearches(void **state)
{
    (void)state;
    imap_cases_run(esearches_cases, ARRAY_LEN(esearches_cases));
}

static const struct imap_case vanished_cases[] = {
    {.name = "earlier",
     .input = "* VANISHED (EARLIER) 41,43:116,118\r\n",
     .expected = "vanished set=41,43:116,118 earlier\n"},
    {.name = "now",
     .input = "* VANISHED 405,407,410,425\r\n",
     .expected = "vanished set=405,407,410,425\n"},
    {.name = "zero is one",
     .input = "* VANISHED 0:1\r\n",
     .expected = "vanished set=1\n"},
    {.name = "reversed", .input = "* VANISHED 9:3\r\n", .expected = "vanished set=3:9\n"},
    {.name = "huge range",
     .input = "* VANISHED 1:4294967295\r\n",
     .expected = "vanished set=1:4294967295\n"},
    {.name = "bad items are dropped",
     .input = "* VANISHED 1:,3,:4,5:99999999999,7\r\n",
     .expected = "vanished set=3,7\n"},
    {.name = "no set",
     .input = "* VANISHED foo\r\n",
     .expected = "unparsed text=\"* VANISHED foo\"\n"},
};

static void vanished(void **state)
{
    (void)state;
    imap_cases_run(vanished_cases, ARRAY_LEN(vanished_cases));
}

enum {
    MANY = 200000
};

/* Three MiB in one line: more than any other line may have. */
static void set_longer_than_a_line(void **state)
{
    struct buf in = BUF_INIT((size_t)16 * 1024 * 1024), out = BUF_INIT(1024 * 1024 * 8);
    (void)state;
    buf_put_c(&in, "* SEARCH");
    for (unsigned i = 0; i < MANY; i++) {
        buf_printf(&in, " %u", 1690000000 + i);
    }
    buf_put_c(&in, " 5\r\n");
    imap_dump(&out, buf_str(&in), &imap_dump_defaults, NULL, NULL);
    assert_string_equal(buf_c(&out), "search set=5,1690000000:1690199999 has=8\n");
    buf_fini(&in);
    buf_fini(&out);
}

static void too_many_ranges_are_refused(void **state)
{
    struct imap_dump_options options = imap_dump_defaults;
    struct buf in = BUF_INIT((size_t)16 * 1024 * 1024);
    (void)state;
    options.limits = imap_limits_pre_auth;
    buf_put_c(&in, "* VANISHED 1");
    for (unsigned i = 1; i < 20000; i++) {
        buf_printf(&in, ",%u", 1 + 2 * i);
    }
    buf_put_c(&in, "\r\n* OK\r\n");
    struct buf out = imap_dump_all_ways(buf_str(&in), &options, "ranges");
    assert_string_equal(buf_c(&out),
                        "failed limit: a set of message numbers is too long\n");
    buf_fini(&in);
    buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(searches),
        cmocka_unit_test(esearches),
        cmocka_unit_test(vanished),
        cmocka_unit_test(set_longer_than_a_line),
        cmocka_unit_test(too_many_ranges_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
