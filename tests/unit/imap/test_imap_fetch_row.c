/* imap_fetch_row, imap_date: rows of FETCH. */
#include "imap_cases.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#define X16  "xxxxxxxxxxxxxxxx"
#define X64  X16 X16 X16 X16
#define X256 X64 X64 X64 X64

static const struct imap_case rows_cases[] = {
    {.name = "flags row",
     .input = "* 3 FETCH (UID 117 FLAGS (\\Seen $x) MODSEQ (90060115194045001))\r\n",
     .expected =
         "fetch seq=3 has=7 uid=117 flags=\\Seen keywords=[\"$x\"] modseq=900601151"
         "94045001\n"},
    {.name = "all small items",
     .input = "* 3 FETCH (FLAGS () INTERNALDATE \"17-Jul-1996 02:44:25 -0700\" RFC822.SI"
              "ZE 4286 UID 9 EMAILID (M6d99) THREADID (T64b))\r\n",
     .expected =
         "fetch seq=3 has=19b uid=9 flags= keywords=[] date=837596665000 size=4286 "
         "email=\"M6d99\" thread=\"T64b\"\n"},
    {.name = "Gmail",
     .input = "* 3 FETCH (X-GM-THRID 1266894439832287888 X-GM-MSGID 1278455344230334865 "
              "X-GM-LABELS (\\Inbox \"\\\\Sent\" \"a b\" {3}\r\n"
              "a\"b NIL) UID 9)\r\n",
     .expected =
         "fetch seq=3 has=e01 uid=9 email=\"1278455344230334865\" thread=\"12668944"
         "39832287888\" labels=[\"\\x5cInbox\" \"\\x5cSent\" \"a b\" \"a\\x22b\" \""
         "NIL\"]\n"},
    {.name = "ids bare and NIL",
     .input = "* 3 FETCH (EMAILID M1 THREADID NIL UID 3)\r\n",
     .expected = "fetch seq=3 has=81 uid=3 email=\"M1\"\n"},
    {.name = "an id that is too long is none",
     .input = "* 3 FETCH (EMAILID M1 THREADID (" X256 ") UID 3)\r\n",
     .expected = "fetch seq=3 has=81 uid=3 email=\"M1\"\n"},
    {.name = "unknown items are one value",
     .input = "* 3 FETCH (X-A (a (b \"c\")) UID 4 X-B {3}\r\n"
              ")) X-C NIL FLAGS ())\r\n",
     .expected = "fetch seq=3 has=3 uid=4 flags= keywords=[]\n"},
    {.name = "numbers that are not known",
     .input = "* 3 FETCH (RFC822.SIZE -1 MODSEQ (0) UID 4)\r\n"
              "* 3 FETCH (RFC822.SIZE NIL MODSEQ (-1))\r\n"
              "* 3 FETCH (RFC822.SIZE 9.3736e+06 UID 1)\r\n",
     .expected = "fetch seq=3 has=1 uid=4\n"
                 "unknown n=3\n"
                 "fetch seq=3 has=1 uid=1\n"},
    {.name = "bad items mark the row",
     .input = "* 3 FETCH (UID 4294967296 FLAGS (\\Seen))\r\n"
              "* 3 FETCH (UID 0 FLAGS ())\r\n"
              "* 3 FETCH (UID 7 FLAGS x RFC822.SIZE y)\r\n"
              "* 3 FETCH ((x) UID 7)\r\n",
     .expected = "fetch seq=3 has=2 flags=\\Seen keywords=[] partial\n"
                 "fetch seq=3 has=2 flags= keywords=[] partial\n"
                 "fetch seq=3 has=1 uid=7 partial\n"
                 "fetch seq=3 has=1 uid=7 partial\n"},
    {.name = "flags NIL",
     .input = "* 3 FETCH (FLAGS NIL UID 8)\r\n",
     .expected = "fetch seq=3 has=3 uid=8 flags= keywords=[]\n"},
    {.name = "rows that say nothing",
     .input = "* 0 FETCH (FLAGS ())\r\n"
              "* 3 FETCH ()\r\n",
     .expected = "unknown\n"
                 "unknown n=3\n"},
    {.name = "no list",
     .input = "* 3 FETCH UID 4\r\n",
     .expected = "unparsed text=\"* 3 FETCH UID 4\" n=3\n"},
    {.name = "not closed",
     .input = "* 3 FETCH (UID 4 FLAGS (\\Seen\r\n",
     .expected = "fetch seq=3 has=3 uid=4 flags=\\Seen keywords=[] partial\n"},
    {.name = "more behind the list",
     .input = "* 3 FETCH (UID 4) x\r\n",
     .expected = "fetch seq=3 has=1 uid=4 partial\n"},
    {.name = "spaces",
     .input = "* 3 FETCH ( UID  4   FLAGS ( \\Seen  ) ) \r\n",
     .expected = "fetch seq=3 has=3 uid=4 flags=\\Seen keywords=[]\n"},
    {.name = "case",
     .input = "* 3 fetch (uid 4 flags (\\SEEN) body[text] \"x\")\r\n",
     .expected =
         "fetch seq=3 has=1003 uid=4 flags=\\Seen keywords=[] section text<0>=\"x\""
         "\n"},
};

static void rows(void **state)
{
    (void)state;
    imap_cases_run(rows_cases, ARRAY_LEN(rows_cases));
}

/* Rows that are taken without tokens, and those that nearly are: byte by byte, where no chunk
 * holds a row, the same must come out. */
static const struct imap_case plain_cases[] = {
    {.name = "in the order of the question",
     .input = "* 3 FETCH (UID 117 FLAGS (\\Seen \\Answered) MODSEQ (90060115194045001) "
              "INTERNALDATE \"17-Jul-1996 02:44:25 -0700\" RFC822.SIZE 4286 EMAILID "
              "(M6d_9-9))\r\n"
              "* 4 FETCH (UID 118 FLAGS ())\r\n",
     .expected =
         "fetch seq=3 has=9f uid=117 flags=\\Seen\\Answered keywords=[] "
         "modseq=90060115194045001 date=837596665000 size=4286 email=\"M6d_9-9\"\n"
         "fetch seq=4 has=3 uid=118 flags= keywords=[]\n"},
    {.name = "in any order, plain or not",
     .input = "* 1 FETCH (RFC822.SIZE 0 FLAGS (\\Recent \\Draft ) UID 4294967295)\r\n"
              "* 2 FETCH (FLAGS ($x) UID 2)\r\n"
              "* 3 FETCH (MODSEQ (7) UID 3)\r\n"
              "* 4 FETCH (UID 4 FLAGS (\\Seen\\Flagged))\r\n"
              "* 5 FETCH (UID 5 FLAGS (\\seen))\r\n",
     .expected = "fetch seq=1 has=13 uid=4294967295 flags=\\Draft keywords=[]\n"
                 "fetch seq=2 has=3 uid=2 flags= keywords=[\"$x\"]\n"
                 "fetch seq=3 has=5 uid=3 modseq=7\n"
                 "fetch seq=4 has=3 uid=4 flags=\\Seen\\Flagged keywords=[]\n"
                 "fetch seq=5 has=3 uid=5 flags=\\Seen keywords=[]\n"},
    {.name = "dates at the edge",
     .input = "* 1 FETCH (INTERNALDATE \" 1-feb-2000 00:00:60 +2359\")\r\n"
              "* 1 FETCH (INTERNALDATE \"31-Dec-9999 23:59:59 -0000\")\r\n"
              "* 1 FETCH (INTERNALDATE \"00-Jan-0000 00:00:00 +0000\")\r\n"
              "* 1 FETCH (INTERNALDATE \"32-Jan-2000 00:00:00 +0000\")\r\n"
              "* 1 FETCH (INTERNALDATE \"01-Jam-2000 00:00:00 +0000\")\r\n"
              "* 1 FETCH (INTERNALDATE \"01-Jan-2000 24:00:00 +0000\")\r\n"
              "* 1 FETCH (INTERNALDATE \"01-Jan-2000 00:00:00 +2400\")\r\n"
              "* 1 FETCH (INTERNALDATE \"01-Jan-2000 00:00:00 +0060\")\r\n"
              "* 1 FETCH (INTERNALDATE \"01-Jan-2000 00:0x:00 +0000\")\r\n"
              "* 1 FETCH (INTERNALDATE \"01-Jan-2000 00:00:00 +00\\\"\")\r\n"
              "* 1 FETCH (INTERNALDATE \"1-Jan-70 00:00:00 +0000\")\r\n",
     .expected = "fetch seq=1 has=8 date=949276920000\n"
                 "fetch seq=1 has=8 date=253402300799000\n"
                 "unknown n=1\n"
                 "fetch seq=1 has=0 partial\n"
                 "fetch seq=1 has=0 partial\n"
                 "fetch seq=1 has=0 partial\n"
                 "fetch seq=1 has=0 partial\n"
                 "fetch seq=1 has=0 partial\n"
                 "fetch seq=1 has=0 partial\n"
                 "fetch seq=1 has=8 date=946684800000\n"
                 "fetch seq=1 has=8 date=0\n"},
    {.name = "numbers at the edge",
     .input = "* 1 FETCH (UID 1 RFC822.SIZE 999999999999999999)\r\n"
              "* 2 FETCH (UID 2 RFC822.SIZE 9223372036854775807)\r\n"
              "* 3 FETCH (UID 3 RFC822.SIZE 9223372036854775808)\r\n"
              "* 4 FETCH (UID 0004 MODSEQ (0))\r\n"
              "* 4294967296 FETCH (UID 5)\r\n"
              "* 07 FETCH (UID 6)\r\n"
              "* 8 FETCH (UID 4294967296)\r\n"
              "* 9 FETCH (UID 7 RFC822.SIZE 1.5)\r\n",
     .expected = "fetch seq=1 has=11 uid=1 size=999999999999999999\n"
                 "fetch seq=2 has=11 uid=2 size=9223372036854775807\n"
                 "fetch seq=3 has=1 uid=3 partial\n"
                 "fetch seq=4 has=1 uid=4\n"
                 "unparsed text=\"* 4294967296 FETCH (UID 5)\"\n"
                 "fetch seq=7 has=1 uid=6\n"
                 "fetch seq=8 has=0 partial\n"
                 "fetch seq=9 has=1 uid=7\n"},
    {.name = "ids at the edge",
     .input = "* 1 FETCH (EMAILID (NIL) UID 1)\r\n"
              "* 2 FETCH (EMAILID (abc) UID 2)\r\n"
              "* 3 FETCH (EMAILID () UID 3)\r\n"
              "* 4 FETCH (EMAILID (a b) UID 4)\r\n"
              "* 5 FETCH (EMAILID (a=bcd) UID 5)\r\n"
              "* 6 FETCH (EMAILID (" X256 ") UID 6)\r\n",
     .expected = "fetch seq=1 has=1 uid=1\n"
                 "fetch seq=2 has=81 uid=2 email=\"abc\"\n"
                 "fetch seq=3 has=1 uid=3\n"
                 "fetch seq=4 has=81 uid=4 email=\"a\"\n"
                 "fetch seq=5 has=81 uid=5 email=\"a=bcd\"\n"
                 "fetch seq=6 has=1 uid=6\n"},
    {.name = "twice, padded, cut short",
     .input = "* 1 FETCH (UID 1 UID 2)\r\n"
              "\000* 2 FETCH (UID 2)\r\n"
              "\000\000* 3 FETCH (UID 3)\n"
              "* 4 FETCH (UID 4) \r\n"
              "* 5 FETCH (UID 5))\r\n"
              "* 6 FETCH (UID 6\r\n"
              "* 7 FETCH (UID 7 FLAGS (\\Seen)\r\n"
              "*  8 FETCH (UID 8)\r\n"
              "* 9 FETCH  (UID 9)\r\n"
              "* 10 EXISTS\r\n",
     .expected = "fetch seq=1 has=1 uid=2\n"
                 "fetch seq=2 has=1 uid=2\n"
                 "fetch seq=3 has=1 uid=3\n"
                 "fetch seq=4 has=1 uid=4\n"
                 "fetch seq=5 has=1 uid=5 partial\n"
                 "fetch seq=6 has=1 uid=6 partial\n"
                 "fetch seq=7 has=3 uid=7 flags=\\Seen keywords=[] partial\n"
                 "fetch seq=8 has=1 uid=8\n"
                 "fetch seq=9 has=1 uid=9\n"
                 "exists n=10\n",
     .input_len = 208},
};

static void plain_rows(void **state)
{
    (void)state;
    imap_cases_run(plain_cases, ARRAY_LEN(plain_cases));
}

static const struct imap_case sections_cases[] = {
    {.name = "literal, quoted, NIL",
     .input = "* 3 FETCH (BODY[HEADER] {4}\r\n"
              "a:b\n"
              " BODY[1.MIME] \"q\" BODY[2] NIL)\r\n",
     .expected =
         "fetch seq=3 has=1000 section HEADER<0>=\"a:b\\x0a\" section 1.MIME<0>=\"q"
         "\" section 2<0>=NIL\n"},
    {.name = "header list and origin",
     .input = "* 3 FETCH (BODY[HEADER.FIELDS (DATE \"FR]OM\")]<0> \"x\" BINARY[1.2]<5.10"
              "> ~{2}\r\n"
              "\000\001)\r\n",
     .expected =
         "fetch seq=3 has=1000 section HEADER.FIELDS (DATE \"FR]OM\")<0>=\"x\" sect"
         "ion 1.2<5>=\"\\x00\\x01\"\n",
     .input_len = 82},
    {.name = "literal in the header list",
     .input = "* 3 FETCH (BODY[HEADER.FIELDS (DATE {4}\r\n"
              "FROM)] {1}\r\n"
              "x)\r\n",
     .expected = "fetch seq=3 has=1000 section HEADER.FIELDS (DATE FROM)<0>=\"x\"\n"},
    {.name = "old names",
     .input = "* 3 FETCH (RFC822 {1}\r\n"
              "a RFC822.HEADER {1}\r\n"
              "b RFC822.TEXT \"c\")\r\n",
     .expected =
         "fetch seq=3 has=1000 section <0>=\"a\" section HEADER<0>=\"b\" section TE"
         "XT<0>=\"c\"\n"},
    {.name = "value missing (Yandex)",
     .input = "* 3 FETCH (BODY[1] UID 4)\r\n"
              "* 3 FETCH (UID 4 BODY[1] BODY[2] \"x\")\r\n"
              "* 3 FETCH (UID 4 BODY[1])\r\n",
     .expected = "fetch seq=3 has=1001 uid=4 section 1<0>=NIL\n"
                 "fetch seq=3 has=1001 uid=4 section 1<0>=NIL section 2<0>=\"x\"\n"
                 "fetch seq=3 has=1001 uid=4 section 1<0>=NIL\n"},
    {.name = "no space before the literal",
     .input = "* 3 FETCH (BODY[]{3}\r\n"
              "abc UID 4)\r\n",
     .expected = "fetch seq=3 has=1001 uid=4 section <0>=\"abc\"\n"},
    {.name = "brackets in names do not confuse flags",
     .input = "* 3 FETCH (FLAGS (BODY[ x]) UID 4)\r\n",
     .expected = "fetch seq=3 has=3 uid=4 flags= keywords=[\"BODY[\" \"x]\"]\n"},
    {.name = "literal two bytes too short",
     .input = "* 3 FETCH (BODY[] {3}\r\n"
              "abc\r\n"
              ")\r\n"
              "* 1 EXISTS\r\n",
     .expected = "fetch seq=3 has=1000 section <0>=\"abc\"\n"
                 "exists n=1\n"},
    {.name = "literal one byte too short",
     .input = "* 3 FETCH (BODY[] {4}\r\n"
              "abc\r\n"
              " UID 4)\r\n",
     .expected = "fetch seq=3 has=1001 uid=4 section <0>=\"abc\\x0d\"\n"},
    {.name = "list as value",
     .input = "* 3 FETCH (BODY[1] (x) UID 4)\r\n",
     .expected = "fetch seq=3 has=1001 uid=4 section 1<0>=NIL partial\n"},
};

static void sections(void **state)
{
    (void)state;
    imap_cases_run(sections_cases, ARRAY_LEN(sections_cases));
}

static const struct imap_case streams_cases[] = {
    {.name = "section literals",
     .input = "* 3 FETCH (UID 7 BODY[1]<10> {5}\r\n"
              "hello BODY[2] {0}\r\n"
              " FLAGS (\\Seen))\r\n",
     .expected =
         "literal seq=3 uid=7 section=1<10> size=5\n"
         "streamed \"hello\"\n"
         "literal seq=3 uid=7 section=2<0> size=0\n"
         "streamed \"\"\n"
         "fetch seq=3 has=1003 uid=7 flags=\\Seen keywords=[] section 1<10>=NIL str"
         "eamed section 2<0>=NIL streamed\n",
     .stream = true},
    {.name = "uid not yet told",
     .input = "* 3 FETCH (BODY[] {2}\r\n"
              ")( UID 7)\r\n",
     .expected = "literal seq=3 uid=0 section=<0> size=2\n"
                 "streamed \")(\"\n"
                 "fetch seq=3 has=1001 uid=7 section <0>=NIL streamed\n",
     .stream = true},
    {.name = "uid is a value of another item",
     .input = "* 3 FETCH (X-A UID BODY[] {1}\r\n"
              "x UID 7)\r\n",
     .expected = "literal seq=3 uid=0 section=<0> size=1\n"
                 "streamed \"x\"\n"
                 "fetch seq=3 has=1001 uid=7 section <0>=NIL streamed\n",
     .stream = true},
    {.name = "only sections",
     .input = "* 3 FETCH (X-A {3}\r\n"
              "abc ENVELOPE (\"d\" {1}\r\n"
              "s NIL NIL NIL NIL NIL NIL NIL NIL) X-B (BODY[] {1}\r\n"
              "x) BODY[HEADER.FIELDS ({1}\r\n"
              "A)] {1}\r\n"
              "y)\r\n",
     .expected =
         "literal seq=3 uid=0 section=HEADER.FIELDS (A)<0> size=1\n"
         "streamed \"y\"\n"
         "fetch seq=3 has=1020 envelope{ date=\"d\" subject=\"s\" } section HEADER."
         "FIELDS (A)<0>=NIL streamed\n",
     .stream = true},
    {.name = "quoted values are in the row",
     .input = "* 3 FETCH (BODY[] \"small\" RFC822 ~{1}\r\n"
              "\000)\r\n",
     .expected = "literal seq=3 uid=0 section=<0> size=1\n"
                 "streamed \"\\x00\"\n"
                 "fetch seq=3 has=1000 section <0>=\"small\" section <0>=NIL streamed\n",
     .stream = true,
     .input_len = 43},
    {.name = "too short",
     .input = "* 3 FETCH (BODY[] {3}\r\n"
              "abc\r\n"
              ")\r\n"
              "* 1 EXISTS\r\n",
     .expected = "literal seq=3 uid=0 section=<0> size=3\n"
                 "streamed \"abc\"\n"
                 "fetch seq=3 has=1000 section <0>=NIL streamed\n"
                 "exists n=1\n",
     .stream = true},
    {.name = "larger than what is kept",
     .input = "* 3 FETCH (BODY[] {0000000000000000000005}\r\n"
              "12345)\r\n",
     .expected = "literal seq=3 uid=0 section=<0> size=5\n"
                 "streamed \"12345\"\n"
                 "fetch seq=3 has=1000 section <0>=NIL streamed\n",
     .stream = true},
};

static void streams(void **state)
{
    (void)state;
    imap_cases_run(streams_cases, ARRAY_LEN(streams_cases));
}

static const struct imap_case dates_cases[] = {
    {.name = "padded",
     .input = "* 3 FETCH (INTERNALDATE \" 7-Jul-1996 02:44:25 +0200\")\r\n",
     .expected = "fetch seq=3 has=8 date=836700265000\n"},
    {.name = "one digit, lower case, no zone",
     .input = "* 3 FETCH (INTERNALDATE \"7-jul-1996 2:44:25\")\r\n",
     .expected = "fetch seq=3 has=8 date=836707465000\n"},
    {.name = "two-digit years",
     .input = "* 3 FETCH (INTERNALDATE \"07-Jul-96 02:44:25 +0000\")\r\n"
              "* 3 FETCH (INTERNALDATE \"07-Jul-26 02:44:25 +0000\")\r\n",
     .expected = "fetch seq=3 has=8 date=836707465000\n"
                 "fetch seq=3 has=8 date=1783392265000\n"},
    {.name = "absent (Domino)",
     .input = "* 3 FETCH (INTERNALDATE \"00-Jan-0000 00:00:00 +0000\")\r\n"
              "* 3 FETCH (INTERNALDATE NIL UID 1)\r\n",
     .expected = "unknown n=3\n"
                 "fetch seq=3 has=1 uid=1\n"},
    {.name = "malformed",
     .input = "* 3 FETCH (INTERNALDATE \"32-Jul-1996 02:44:25 +0000\")\r\n"
              "* 3 FETCH (INTERNALDATE \"07-Foo-1996\")\r\n"
              "* 3 FETCH (INTERNALDATE \"\")\r\n"
              "* 3 FETCH (INTERNALDATE \"07-Jul-1996 25:44:25 +0000\")\r\n"
              "* 3 FETCH (INTERNALDATE \"07-Jul-1996 02:44:25 PST\")\r\n",
     .expected = "fetch seq=3 has=0 partial\n"
                 "fetch seq=3 has=0 partial\n"
                 "fetch seq=3 has=0 partial\n"
                 "fetch seq=3 has=0 partial\n"
                 "fetch seq=3 has=0 partial\n"},
};

static void dates(void **state)
{
    (void)state;
    imap_cases_run(dates_cases, ARRAY_LEN(dates_cases));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows),     cmocka_unit_test(plain_rows),
        cmocka_unit_test(sections), cmocka_unit_test(streams),
        cmocka_unit_test(dates),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
