/* imap_list_resp: LIST, LSUB, XLIST, STATUS. */
#include "imap_cases.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#define X16  "xxxxxxxxxxxxxxxx"
#define X64  X16 X16 X16 X16
#define X256 X64 X64 X64 X64

static const struct imap_case lists_cases[] = {
    {.name = "plain",
     .input = "* LIST (\\HasNoChildren \\Sent) \"/\" \"Gesendete Objekte\"\r\n",
     .expected =
         "list wire=\"Gesendete Objekte\" path=\"Gesendete Objekte\" delimiter=/ at"
         "trs=20 use=\"\\x5cSent\"\n"},
    {.name = "unquoted with brackets",
     .input = "* LIST (\\Drafts) \"/\" [Gmail]/Drafts\r\n",
     .expected =
         "list wire=\"[Gmail]/Drafts\" path=\"[Gmail]/Drafts\" delimiter=/ attrs=0 "
         "use=\"\\x5cDrafts\"\n"},
    {.name = "digits first",
     .input = "* LIST () \".\" 2024:Q1\r\n"
              "* LIST () \".\" 1,a\r\n",
     .expected = "list wire=\"2024:Q1\" path=\"2024:Q1\" delimiter=. attrs=0\n"
                 "list wire=\"1,a\" path=\"1,a\" delimiter=. attrs=0\n"},
    {.name = "an id that is too long",
     .input = "* STATUS x (MAILBOXID (" X256 ") MESSAGES 1)\r\n",
     .expected = "mailbox-status \"x\" has=1 messages=1\n"},
    {.name = "NIL is a name",
     .input = "* LIST () NIL NIL\r\n",
     .expected = "list wire=\"NIL\" path=\"NIL\" delimiter=- attrs=0\n"},
    {.name = "literal name",
     .input = "* LIST () \"/\" {5}\r\n"
              "a\"\\\r\n"
              "\r\n",
     .expected =
         "list wire=\"a\\x22\\x5c\\x0d\\x0a\" path=\"a\\x22\\x5c\\x0d\\x0a\" delimi"
         "ter=/ attrs=0\n"},
    {.name = "escaped name",
     .input = "* LIST () \"\\\\\" \"a\\\\b\\\"c\"\r\n",
     .expected =
         "list wire=\"a\\x5cb\\x22c\" path=\"a\\x5cb\\x22c\" delimiter=\\ attrs=0\n"},
    {.name = "quotes not escaped",
     .input = "* LIST () \"/\" \"a\"b c\"\r\n",
     .expected = "list wire=\"a\\x22b c\" path=\"a\\x22b c\" delimiter=/ attrs=0\n"},
    {.name = "empty flag and missing space",
     .input = "* LIST (\\Sent\\HasNoChildren \\) \"/\" x\r\n",
     .expected = "list wire=\"x\" path=\"x\" delimiter=/ attrs=20 use=\"\\x5cSent\"\n"},
    {.name = "nonexistent is not selectable",
     .input = "* LIST (\\NonExistent \\Subscribed) \"/\" x\r\n",
     .expected = "list wire=\"x\" path=\"x\" delimiter=/ attrs=19\n"},
    {.name = "unknown attributes",
     .input = "* LIST (\\Select \\Marked $x) \"/\" x\r\n",
     .expected = "list wire=\"x\" path=\"x\" delimiter=/ attrs=0\n"},
    {.name = "Exchange name with a tab",
     .input = "* LIST () \"/\" Ordner mit\tTab\r\n",
     .expected =
         "list wire=\"Ordner mit\\x09Tab\" path=\"Ordner mit\\x09Tab\" delimiter=/ "
         "attrs=0\n"},
    {.name = "extension data",
     .input = "* LIST () \"/\" x (\"CHILDINFO\" (\"SUBSCRIBED\"))\r\n",
     .expected = "list wire=\"x\" path=\"x\" delimiter=/ attrs=0\n"},
    {.name = "leading delimiter is not shown",
     .input = "* LIST () \"/\" /Projects\r\n",
     .expected = "list wire=\"/Projects\" path=\"Projects\" delimiter=/ attrs=0\n"},
    {.name = "modified UTF-7",
     .input = "* LIST () \".\" \"Entw&APw-rfe\"\r\n",
     .expected =
         "list wire=\"Entw&APw-rfe\" path=\"Entw\\xc3\\xbcrfe\" delimiter=. attrs=0"
         "\n"},
    {.name = "broken UTF-7 stays",
     .input = "* LIST () \".\" \"a&2D0-b&\"\r\n",
     .expected = "list wire=\"a&2D0-b&\" path=\"a&2D0-b&\" delimiter=. attrs=0\n"},
    {.name = "8-bit name",
     .input = "* LIST () \".\" \"\374x\"\r\n",
     .expected = "list wire=\"\\xfcx\" path=\"\\xef\\xbf\\xbdx\" delimiter=. attrs=0\n"},
    {.name = "UTF-8 name",
     .input = "* LIST () \".\" \"Entw\303\274rfe &-\"\r\n",
     .expected =
         "list wire=\"Entw\\xc3\\xbcrfe &-\" path=\"Entw\\xc3\\xbcrfe &-\" delimite"
         "r=. attrs=0\n",
     .utf8 = true},
    {.name = "xlist",
     .input = "* XLIST (\\Inbox) \"/\" Posteingang\r\n",
     .expected =
         "list wire=\"Posteingang\" path=\"Posteingang\" delimiter=/ attrs=0 use=\""
         "\\x5cInbox\"\n"},
    {.name = "lsub is subscribed",
     .input = "* LSUB () \"/\" x\r\n"
              "* LSUB (\\Noselect) \"/\" y\r\n",
     .expected = "list wire=\"x\" path=\"x\" delimiter=/ attrs=8\n"
                 "list wire=\"y\" path=\"y\" delimiter=/ attrs=1\n"},
    {.name = "name with NUL and slashes",
     .input = "* LIST () \"/\" {8}\r\n"
              "../a\000b\377/\r\n",
     .expected =
         "list wire=\"../a\\x00b\\xff/\" path=\"../a\\x00b\\xef\\xbf\\xbd/\" delimi"
         "ter=/ attrs=0\n",
     .input_len = 29},
    {.name = "no name",
     .input = "* LIST () \"/\"\r\n",
     .expected = "unparsed text=\"* LIST () \\x22/\\x22\"\n"},
    {.name = "no attributes",
     .input = "* LIST \"/\" x\r\n",
     .expected = "unparsed text=\"* LIST \\x22/\\x22 x\"\n"},
    {.name = "empty name",
     .input = "* LIST (\\Noselect) \"/\" \"\"\r\n",
     .expected = "list wire=\"\" path=\"\" delimiter=/ attrs=1\n"},
};

static void lists(void **state)
{
    (void)state;
    imap_cases_run(lists_cases, ARRAY_LEN(lists_cases));
}

static const struct imap_case statuses_cases[] = {
    {.name = "all items",
     .input = "* STATUS blurdybloop (MESSAGES 231 UIDNEXT 44292 UIDVALIDITY 9 UNSEEN 0 H"
              "IGHESTMODSEQ 7011231777 SIZE 44421881883 MAILBOXID (F2))\r\n",
     .expected =
         "mailbox-status \"blurdybloop\" has=7f messages=231 uidnext=44292 uidvalid"
         "ity=9 highestmodseq=7011231777 size=44421881883 id=\"F2\"\n"},
    {.name = "quoted and trailing space",
     .input = "* STATUS \"a b\" (MESSAGES 1 )\r\n",
     .expected = "mailbox-status \"a b\" has=1 messages=1\n"},
    {.name = "literal",
     .input = "* STATUS {3}\r\n"
              "a\"b (UNSEEN 2)\r\n",
     .expected = "mailbox-status \"a\\x22b\" has=8 unseen=2\n"},
    {.name = "unquoted with a space",
     .input = "* STATUS a b (MESSAGES 1)\r\n",
     .expected = "mailbox-status \"a b\" has=1 messages=1\n"},
    {.name = "zeros are not given",
     .input = "* STATUS x (UIDNEXT 0 UIDVALIDITY 0 HIGHESTMODSEQ 0 MESSAGES 0)\r\n",
     .expected = "mailbox-status \"x\" has=1\n"},
    {.name = "odd numbers",
     .input = "* STATUS x (SIZE 9.3736e+06 MESSAGES NIL UNSEEN -1 UIDNEXT 4294967296 HIG"
              "HESTMODSEQ 5)\r\n",
     .expected = "mailbox-status \"x\" has=10 highestmodseq=5\n"},
    {.name = "empty",
     .input = "* STATUS \"INBOX\" ()\r\n",
     .expected = "mailbox-status \"INBOX\" has=0\n"},
    {.name = "bare id",
     .input = "* STATUS x (MAILBOXID abc)\r\n",
     .expected = "mailbox-status \"x\" has=20 id=\"abc\"\n"},
    {.name = "bytes of memory as id",
     .input = "* STATUS x (MAILBOXID (8\xdev\xf2\x99U) MESSAGES 1)\r\n",
     .expected = "mailbox-status \"x\" has=1 messages=1\n"},
    {.name = "NIL is a name",
     .input = "* STATUS NIL (UNSEEN 1)\r\n",
     .expected = "mailbox-status \"NIL\" has=8 unseen=1\n"},
    {.name = "no list",
     .input = "* STATUS x\r\n",
     .expected = "unparsed text=\"* STATUS x\"\n"},
};

static void statuses(void **state)
{
    (void)state;
    imap_cases_run(statuses_cases, ARRAY_LEN(statuses_cases));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists),
        cmocka_unit_test(statuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
