/* imap_words: CAPABILITY, ENABLED, ID, NAMESPACE; QUOTA; and the simple numbers. */
#include "imap_cases.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

static const struct imap_case word_lists_cases[] = {
    {.name = "capability",
     .input = "* CAPABILITY IMAP4rev1 Idle LITERAL +  \r\n",
     .expected = "capability words=[\"IMAP4REV1\" \"IDLE\" \"LITERAL+\"]\n"},
    {.name = "enabled",
     .input = "* ENABLED CONDSTORE qresync\r\n",
     .expected = "enabled words=[\"CONDSTORE\" \"QRESYNC\"]\n"},
    {.name = "enabled nothing", .input = "* ENABLED\r\n", .expected = "enabled\n"},
};

static void word_lists(void **state)
{
    (void)state;
    imap_cases_run(word_lists_cases, ARRAY_LEN(word_lists_cases));
}

static const struct imap_case ids_cases[] = {
    {.name = "pairs",
     .input = "* ID (\"name\" \"Dovecot\" \"version\" NIL)\r\n",
     .expected = "id words=[\"name\" \"Dovecot\" \"version\" NIL]\n"},
    {.name = "nil", .input = "* ID NIL\r\n", .expected = "id\n"},
    {.name = "odd",
     .input = "* ID (\"name\")\r\n",
     .expected = "id words=[\"name\" NIL]\n"},
    {.name = "literal value",
     .input = "* ID (name {3}\r\n"
              "a\"b )\r\n",
     .expected = "id words=[\"name\" \"a\\x22b\"]\n"},
    {.name = "no list", .input = "* ID x\r\n", .expected = "unparsed text=\"* ID x\"\n"},
};

static void ids(void **state)
{
    (void)state;
    imap_cases_run(ids_cases, ARRAY_LEN(ids_cases));
}

static const struct imap_case quotas_cases[] = {
    {.name = "storage among others",
     .input = "* QUOTA \"User quota\" (MESSAGE 5 100 STORAGE 10 512)\r\n",
     .expected = "quota used=10240 limit=524288\n"},
    {.name = "nothing bounded", .input = "* QUOTA \"\" ()\r\n", .expected = "quota\n"},
    {.name = "numbers that cannot be",
     .input = "* QUOTA r (STORAGE 1 9223372036854775807)\r\n",
     .expected = "quota\n"},
    {.name = "cut short", .input = "* QUOTA r (STORAGE 1)\r\n", .expected = "quota\n"},
    {.name = "literal root",
     .input = "* QUOTA {3}\r\na\"b (STORAGE 1 2)\r\n",
     .expected = "quota used=1024 limit=2048\n"},
    {.name = "no list",
     .input = "* QUOTA r\r\n",
     .expected = "unparsed text=\"* QUOTA r\"\n"},
};

static void quotas(void **state)
{
    (void)state;
    imap_cases_run(quotas_cases, ARRAY_LEN(quotas_cases));
}

static const struct imap_case namespaces_cases[] = {
    {.name = "personal",
     .input = "* NAMESPACE ((\"INBOX.\" \".\")(\"#mh/\" \"/\")) NIL ((\"\" \"/\"))\r\n",
     .expected = "namespace prefix=\"INBOX.\" delimiter=.\n"},
    {.name = "nil", .input = "* NAMESPACE NIL NIL NIL\r\n", .expected = "namespace\n"},
    {.name = "nil delimiter and extension",
     .input = "* NAMESPACE ((\"\" NIL \"X-PARAM\" (\"a\" \"b\"))) NIL NIL\r\n",
     .expected = "namespace prefix=\"\" delimiter=-\n"},
    {.name = "malformed",
     .input = "* NAMESPACE x\r\n",
     .expected = "unparsed text=\"* NAMESPACE x\"\n"},
};

static void namespaces(void **state)
{
    (void)state;
    imap_cases_run(namespaces_cases, ARRAY_LEN(namespaces_cases));
}

static const struct imap_case numbers_cases[] = {
    {.name = "exists", .input = "* 23 EXISTS\r\n", .expected = "exists n=23\n"},
    {.name = "leading zeros", .input = "* 0023 RECENT\r\n", .expected = "recent n=23\n"},
    {.name = "largest",
     .input = "* 4294967295 EXISTS\r\n",
     .expected = "exists n=4294967295\n"},
    {.name = "too large",
     .input = "* 4294967296 EXISTS\r\n",
     .expected = "unparsed text=\"* 4294967296 EXISTS\"\n"},
    {.name = "much too large",
     .input = "* 18446744073709551617 EXPUNGE\r\n",
     .expected = "unparsed text=\"* 18446744073709551617 EXPUNGE\"\n"},
    {.name = "expunge", .input = "* 44 EXPUNGE\r\n", .expected = "expunge n=44\n"},
    {.name = "expunge of nothing",
     .input = "* 0 EXPUNGE\r\n",
     .expected = "unparsed text=\"* 0 EXPUNGE\"\n"},
};

static void numbers(void **state)
{
    (void)state;
    imap_cases_run(numbers_cases, ARRAY_LEN(numbers_cases));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(word_lists), cmocka_unit_test(ids),
        cmocka_unit_test(namespaces), cmocka_unit_test(quotas),
        cmocka_unit_test(numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
