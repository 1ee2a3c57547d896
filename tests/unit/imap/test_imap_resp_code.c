/* imap_resp_code: conditions, their codes, and where the text begins. */
#include "imap_cases.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

static const struct imap_case conditions_and_text_cases[] = {
    {.name = "ok", .input = "* OK ready\r\n", .expected = "status OK text=\"ready\"\n"},
    {.name = "no text", .input = "* OK\r\n", .expected = "status OK text=\"\"\n"},
    {.name = "no text behind the code",
     .input = "* OK [HIGHESTMODSEQ 715194045007]\r\n",
     .expected =
         "status OK code=14 name=\"HIGHESTMODSEQ\" args=\"715194045007\" number=715"
         "194045007 text=\"\"\n"},
    {.name = "preauth",
     .input = "* PREAUTH hello\r\n",
     .expected = "status PREAUTH text=\"hello\"\n"},
    {.name = "bye",
     .input = "* BYE Autologout\r\n",
     .expected = "status BYE text=\"Autologout\"\n"},
    {.name = "tagged bad",
     .input = "A2 BAD Unknown command\r\n",
     .expected = "tagged tag=\"A2\" BAD text=\"Unknown command\"\n"},
    {.name = "lower case",
     .input = "a3 ok done\r\n",
     .expected = "tagged tag=\"a3\" OK text=\"done\"\n"},
    {.name = "text that ends like a literal",
     .input = "A1 NO over quota {12}\r\n",
     .expected = "tagged tag=\"A1\" NO text=\"over quota {12}\"\n"},
    {.name = "continue without space",
     .input = "+\r\n",
     .expected = "continue text=\"\"\n"},
    {.name = "continue with a challenge",
     .input = "+ [YWJj]\r\n",
     .expected = "continue text=\"[YWJj]\"\n"},
    {.name = "brackets at the end are text",
     .input = "* OK The Microsoft Exchange IMAP4 service is ready. [TABPADEA]\r\n",
     .expected =
         "status OK text=\"The Microsoft Exchange IMAP4 service is ready. [TABPADEA"
         "]\"\n"},
    {.name = "Gmail puts the code last",
     .input = "A2 OK Success [THROTTLED]\r\n",
     .expected =
         "tagged tag=\"A2\" OK code=36 name=\"THROTTLED\" text=\"Success [THROTTLED"
         "]\"\n"},
    {.name = "tagless line",
     .input = "Server Unavailable. 15\r\n",
     .expected = "unknown text=\"Server Unavailable. 15\"\n"},
    {.name = "stray line of home.pl",
     .input = "XLIST (\\a) \"/\" \"b {3}\"\r\n",
     .expected = "unknown text=\"XLIST (\\x5ca) \\x22/\\x22 \\x22b {3}\\x22\"\n"},
};

static void conditions_and_text(void **state)
{
    (void)state;
    imap_cases_run(conditions_and_text_cases, ARRAY_LEN(conditions_and_text_cases));
}

static const struct imap_case codes_carry_their_arguments_cases[] = {
    {.name = "capability words are upper case",
     .input = "* OK [CAPABILITY imap4rev1 LITERAL + auth=plain ] hi\r\n",
     .expected =
         "status OK code=3 name=\"CAPABILITY\" args=\"imap4rev1 LITERAL + auth=plai"
         "n\" text=\"hi\" words=[\"IMAP4REV1\" \"LITERAL+\" \"AUTH=PLAIN\"]\n"},
    {.name = "permanent flags with brackets",
     .input = "* OK [PERMANENTFLAGS (\\Answered \\Seen [css3-page] $x \\* )] Limited\r\n",
     .expected =
         "status OK code=4 name=\"PERMANENTFLAGS\" args=\"(\\x5cAnswered \\x5cSeen "
         "[css3-page] $x \\x5c* )\" flags=\\Seen\\Answered keywords=[\"[css3-page]\""
         " \"$x\"] wildcard text=\"Limited\"\n"},
    {.name = "no permanent flags",
     .input = "* OK [PERMANENTFLAGS ()] none\r\n",
     .expected =
         "status OK code=4 name=\"PERMANENTFLAGS\" args=\"()\" flags= keywords=[] t"
         "ext=\"none\"\n"},
    {.name = "numbers",
     .input = "* OK [UIDNEXT 4392] x\r\n"
              "* OK [UIDVALIDITY 3857529045] x\r\n"
              "* OK [UNSEEN 0] x\r\n",
     .expected =
         "status OK code=8 name=\"UIDNEXT\" args=\"4392\" number=4392 text=\"x\"\n"
         "status OK code=9 name=\"UIDVALIDITY\" args=\"3857529045\" number=38575290"
         "45 text=\"x\"\n"
         "status OK code=10 name=\"UNSEEN\" args=\"0\" text=\"x\"\n"},
    {.name = "number of more than 32 bit is dropped",
     .input = "* OK [UIDVALIDITY 4294967296] x\r\n",
     .expected =
         "status OK code=9 name=\"UIDVALIDITY\" args=\"4294967296\" text=\"x\"\n"},
    {.name = "number of more than 63 bit is dropped",
     .input = "* OK [HIGHESTMODSEQ 9223372036854775808] x\r\n",
     .expected =
         "status OK code=14 name=\"HIGHESTMODSEQ\" args=\"9223372036854775808\" tex"
         "t=\"x\"\n"},
    {.name = "appenduid",
     .input = "A3 OK [APPENDUID 38505 3955] done\r\n",
     .expected =
         "tagged tag=\"A3\" OK code=11 name=\"APPENDUID\" args=\"38505 3955\" numbe"
         "r=38505 a=3955 text=\"done\"\n"},
    {.name = "copyuid keeps the order",
     .input = "A4 OK [COPYUID 38505 304,319:320 3956:3957,3955] Done\r\n",
     .expected =
         "tagged tag=\"A4\" OK code=12 name=\"COPYUID\" args=\"38505 304,319:320 39"
         "56:3957,3955\" number=38505 a=304,319:320 b=3956:3957,3955 text=\"Done\"\n"},
    {.name = "copyuid with empty sets",
     .input = "A4 OK [COPYUID 1  ] Done\r\n",
     .expected =
         "tagged tag=\"A4\" OK code=12 name=\"COPYUID\" args=\"1\" number=1 text=\""
         "Done\"\n"},
    {.name = "copyuid without OK",
     .input = "* [COPYUID 5 1 2]\r\n",
     .expected =
         "status OK code=12 name=\"COPYUID\" args=\"5 1 2\" number=5 a=1 b=2 text=\""
         "\"\n"},
    {.name = "malformed set",
     .input = "A4 OK [COPYUID 1 1:x 2] Done\r\n",
     .expected =
         "tagged tag=\"A4\" OK code=12 name=\"COPYUID\" args=\"1 1:x 2\" number=1 b"
         "=2 text=\"Done\"\n"},
    {.name = "modified",
     .input = "A5 NO [MODIFIED 7,9] Conditional STORE failed\r\n",
     .expected =
         "tagged tag=\"A5\" NO code=16 name=\"MODIFIED\" args=\"7,9\" a=7,9 text=\""
         "Conditional STORE failed\"\n"},
    {.name = "mailboxid",
     .input = "* OK [MAILBOXID (F2212)] Ok\r\n"
              "* OK [MAILBOXID F2213] Ok\r\n",
     .expected =
         "status OK code=18 name=\"MAILBOXID\" args=\"(F2212)\" id=\"F2212\" text=\""
         "Ok\"\n"
         "status OK code=18 name=\"MAILBOXID\" args=\"F2213\" id=\"F2213\" text=\"O"
         "k\"\n"},
    {.name = "unknown code keeps its arguments",
     .input = "A6 NO [MESSAGELIMIT 1000 23221] x\r\n",
     .expected =
         "tagged tag=\"A6\" NO code=1 name=\"MESSAGELIMIT\" args=\"1000 23221\" tex"
         "t=\"x\"\n"},
    {.name = "quoted bracket",
     .input = "* NO [X \"]\"] text\r\n",
     .expected = "status NO code=1 name=\"X\" args=\"\\x22]\\x22\" text=\"text\"\n"},
    {.name = "unbalanced brackets end at the first",
     .input = "* NO [X [a] text\r\n",
     .expected = "status NO code=1 name=\"X\" args=\"[a\" text=\"text\"\n"},
    {.name = "no end of the code",
     .input = "* OK [UNSEEN 0\r\n",
     .expected = "status OK text=\"[UNSEEN 0\"\n"},
    {.name = "empty code",
     .input = "* OK [] x\r\n",
     .expected = "status OK text=\"[] x\"\n"},
};

static void codes_carry_their_arguments(void **state)
{
    (void)state;
    imap_cases_run(codes_carry_their_arguments_cases,
                   ARRAY_LEN(codes_carry_their_arguments_cases));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(conditions_and_text),
        cmocka_unit_test(codes_carry_their_arguments),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
