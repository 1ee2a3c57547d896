/* imap_flags: flag lists. */
#include "imap_cases.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

static const struct imap_case flag_lists_cases[] = {
    {.name = "system flags in any case",
     .input = "* FLAGS (\\Answered \\FLAGGED \\deleted \\seen \\Draft \\Recent)\r\n",
     .expected = "flags flags=\\Seen\\Answered\\Flagged\\Deleted\\Draft keywords=[]\n"},
    {.name = "keywords once",
     .input = "* FLAGS ($MDNSent $mdnsent Junk \"quoted flag\" NIL \\Important)\r\n",
     .expected =
         "flags flags= keywords=[\"$MDNSent\" \"Junk\" \"quoted flag\" \"\\x5cImpor"
         "tant\"]\n"},
    {.name = "no space between",
     .input = "* FLAGS (\\Seen\\Answered )\r\n",
     .expected = "flags flags=\\Seen\\Answered keywords=[]\n"},
    {.name = "brackets and 8 bit",
     .input = "* FLAGS ([x] a]b \344)\r\n",
     .expected = "flags flags= keywords=[\"[x]\" \"a]b\" \"\\xe4\"]\n"},
    {.name = "no list",
     .input = "* FLAGS x\r\n",
     .expected = "unparsed text=\"* FLAGS x\"\n"},
    {.name = "empty",
     .input = "* FLAGS ()\r\n",
     .expected = "flags flags= keywords=[]\n"},
};

static void flag_lists(void **state)
{
    (void)state;
    imap_cases_run(flag_lists_cases, ARRAY_LEN(flag_lists_cases));
}

static void many_keywords_are_cut(void **state)
{
    struct buf in = BUF_INIT(1024 * 1024), out = BUF_INIT(1024 * 1024);
    (void)state;
    buf_put_c(&in, "* FLAGS (");
    for (unsigned i = 0; i < 3000; i++) {
        buf_printf(&in, "k%u K%u ", i, i / 2);
    }
    buf_put_c(&in, ")\r\n");
    imap_dump(&out, buf_str(&in), &imap_dump_defaults, NULL, NULL);
    assert_non_null(strstr(buf_c(&out), "\"k16\" \"k17\" \"k18\""));
    assert_non_null(strstr(buf_c(&out), "\"k1023\"]"));
    buf_fini(&in);
    buf_fini(&out);
}

static void names_and_bits(void **state)
{
    (void)state;
    for (unsigned bit = 1; bit <= IMAP_FLAG_DRAFT; bit <<= 1) {
        assert_int_equal(imap_flag_from_name(str_of(imap_flag_name((uint8_t)bit))), bit);
    }
    assert_int_equal(imap_flag_from_name(STR("Seen")), 0);
    assert_string_equal(imap_flag_name(0), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(flag_lists),
        cmocka_unit_test(many_keywords_are_cut),
        cmocka_unit_test(names_and_bits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
