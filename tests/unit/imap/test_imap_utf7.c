/* imap_utf7: mailbox names in modified UTF-7. */
#include "postrider/imap/imap_value.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

static void names_go_both_ways(void **state)
{
    static const struct {
        const char *wire, *utf8;
    } cases[] = {
        {"INBOX", "INBOX"},
        {"", ""},
        {"a&-b", "a&b"},
        {"Entw&APw-rfe", "Entwürfe"},
        {"~peter/mail/&U,BTFw-/&ZeVnLIqe-", "~peter/mail/台北/日本語"},
        {"&Jjo-!", "☺!"},
        {"&2D3eAA-", "😀"},
        {"&AAo-", "\n"},
        {"&AOQ-&-&AOQ-", "ä&ä"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct buf out = BUF_INIT(1024);
        assert_true(imap_utf7_decode(&out, str_of(cases[i].wire)));
        assert_string_equal(buf_c(&out), cases[i].utf8);
        buf_clear(&out);
        assert_true(imap_utf7_encode(&out, str_of(cases[i].utf8)));
        assert_string_equal(buf_c(&out), cases[i].wire);
        buf_fini(&out);
    }
}

static void malformed_shifts_stay(void **state)
{
    static const struct {
        const char *wire, *shown;
    } cases[] = {
        {"a&", "a&"},
        {"&AOQ", "&AOQ"},           /* no end */
        {"&AOQx-", "&AOQx-"},       /* stray bits */
        {"&AOR-", "&AOR-"},         /* set bits behind the last unit */
        {"&A-", "&A-"},             /* less than a unit */
        {"&2D0-", "&2D0-"},         /* first half alone */
        {"&3gA-", "&3gA-"},         /* second half alone */
        {"&2D0AQQ-", "&2D0AQQ-"},   /* first half and a letter */
        {"&AAA-", "&AAA-"},         /* U+0000 */
        {"&AO Q-", "&AO Q-"},       /* space inside */
        {"&AOQ-&APw-", "äü"},       /* superfluous shift */
        {"&AEE-", "A"},             /* ASCII needs no shift, but it is clear */
        {"\xc3\xa4", "ä"},          /* raw UTF-8 */
        {"x\xe4", "x\xef\xbf\xbd"}, /* raw Latin-1 */
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct buf out = BUF_INIT(1024);
        assert_true(imap_utf7_decode(&out, str_of(cases[i].wire)));
        assert_string_equal(buf_c(&out), cases[i].shown);
        buf_fini(&out);
    }
}

static void what_does_not_fit_is_refused(void **state)
{
    struct buf out = BUF_INIT(4);
    (void)state;
    buf_put_c(&out, "x");
    assert_false(imap_utf7_encode(&out, STR("\xe4")));
    assert_string_equal(buf_c(&out), "x");
    assert_false(imap_utf7_encode(&out, STR("ä")));
    assert_string_equal(buf_c(&out), "x");
    buf_clear(&out);
    assert_false(imap_utf7_decode(&out, STR("12345")));
    buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_go_both_ways),
        cmocka_unit_test(malformed_shifts_stay),
        cmocka_unit_test(what_does_not_fit_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
