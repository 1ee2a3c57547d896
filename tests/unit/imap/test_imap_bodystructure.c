/* imap_bodystructure: trees, section numbers, and what servers make of them. */
#include "imap_cases.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

static const struct imap_case well_formed_structures_cases[] = {
    {.name = "single part",
     .input = "* 1 FETCH (BODYSTRUCTURE (\"TEXT\" \"PLAIN\" (\"CHARSET\" \"US-ASCII\") \""
              "<id>\" \"desc\" \"7BIT\" 1152 23 \"md5\" (\"INLINE\" (\"filename\" \"a b\""
              ")) (\"en\" \"de\") \"http://l\" \"ext\" 7) UID 5)\r\n",
     .expected =
         "fetch seq=1 has=41 uid=5 [1:0 text/plain;\"CHARSET\"=\"US-ASCII\" id=\"<i"
         "d>\" description=\"desc\" 7bit size=1152 lines=23 md5=\"md5\" disposition"
         "=\"inline\";\"filename\"=\"a b\" language=\"en\" location=\"http://l\"]\n"},
    {.name = "multipart",
     .input = "* 1 FETCH (BODYSTRUCTURE ((\"text\" \"plain\" (\"charset\" \"utf-8\") NIL"
              " NIL \"7bit\" 10 1)(\"image\" \"png\" (\"name\" \"x.png\") NIL NIL \"BASE"
              "64\" 5 NIL (\"attachment\" NIL) NIL NIL) \"MIXED\" (\"BOUNDARY\" \"b\") ("
              "\"inline\" NIL) \"en\" NIL) UID 5)\r\n",
     .expected =
         "fetch seq=1 has=41 uid=5 [:0 multipart/mixed;\"BOUNDARY\"=\"b\"  disposit"
         "ion=\"inline\" language=\"en\"] [1:1 text/plain;\"charset\"=\"utf-8\" 7bi"
         "t size=10 lines=1] [2:1 image/png;\"name\"=\"x.png\" base64 size=5 dispos"
         "ition=\"attachment\"]\n"},
    {.name = "nested numbers",
     .input = "* 1 FETCH (BODYSTRUCTURE (((\"text\" \"plain\" (\"charset\" \"utf-8\") NI"
              "L NIL \"7bit\" 10 1)(\"text\" \"plain\" (\"charset\" \"utf-8\") NIL NIL \""
              "7bit\" 10 1) \"alternative\")((\"text\" \"plain\" (\"charset\" \"utf-8\")"
              " NIL NIL \"7bit\" 10 1)((\"text\" \"plain\" (\"charset\" \"utf-8\") NIL N"
              "IL \"7bit\" 10 1) \"related\") \"mixed\")(\"text\" \"plain\" (\"charset\""
              " \"utf-8\") NIL NIL \"7bit\" 10 1) \"mixed\") UID 5)\r\n",
     .expected =
         "fetch seq=1 has=41 uid=5 [:0 multipart/mixed ] [1:1 multipart/alternative"
         " ] [1.1:2 text/plain;\"charset\"=\"utf-8\" 7bit size=10 lines=1] [1.2:2 t"
         "ext/plain;\"charset\"=\"utf-8\" 7bit size=10 lines=1] [2:1 multipart/mixe"
         "d ] [2.1:2 text/plain;\"charset\"=\"utf-8\" 7bit size=10 lines=1] [2.2:2 "
         "multipart/related ] [2.2.1:3 text/plain;\"charset\"=\"utf-8\" 7bit size=1"
         "0 lines=1] [3:1 text/plain;\"charset\"=\"utf-8\" 7bit size=10 lines=1]\n"},
    {.name = "message with a single body",
     .input = "* 1 FETCH (BODYSTRUCTURE ((\"text\" \"plain\" (\"charset\" \"utf-8\") NIL"
              " NIL \"7bit\" 10 1)(\"message\" \"rfc822\" NIL NIL NIL \"7bit\" 99 (\"d\""
              " \"s\" NIL NIL NIL NIL NIL NIL NIL \"<i>\") (\"text\" \"plain\" (\"charse"
              "t\" \"utf-8\") NIL NIL \"7bit\" 10 1) 40) \"mixed\") UID 5)\r\n",
     .expected =
         "fetch seq=1 has=41 uid=5 [:0 multipart/mixed ] [1:1 text/plain;\"charset\""
         "=\"utf-8\" 7bit size=10 lines=1] [2:1 message/rfc822 7bit size=99 lines=4"
         "0 envelope{ date=\"d\" subject=\"s\" message-id=\"<i>\" }] [2.1:2 text/pl"
         "ain;\"charset\"=\"utf-8\" 7bit size=10 lines=1]\n"},
    {.name = "message with a multipart body",
     .input = "* 1 FETCH (BODYSTRUCTURE ((\"text\" \"plain\" (\"charset\" \"utf-8\") NIL"
              " NIL \"7bit\" 10 1)(\"message\" \"rfc822\" NIL NIL NIL \"7bit\" 99 (\"d\""
              " \"s\" NIL NIL NIL NIL NIL NIL NIL \"<i>\") ((\"text\" \"plain\" (\"chars"
              "et\" \"utf-8\") NIL NIL \"7bit\" 10 1)(\"text\" \"plain\" (\"charset\" \""
              "utf-8\") NIL NIL \"7bit\" 10 1) \"mixed\") 40) \"mixed\") UID 5)\r\n",
     .expected =
         "fetch seq=1 has=41 uid=5 [:0 multipart/mixed ] [1:1 text/plain;\"charset\""
         "=\"utf-8\" 7bit size=10 lines=1] [2:1 message/rfc822 7bit size=99 lines=4"
         "0 envelope{ date=\"d\" subject=\"s\" message-id=\"<i>\" }] [2:2 multipart"
         "/mixed ] [2.1:3 text/plain;\"charset\"=\"utf-8\" 7bit size=10 lines=1] [2"
         ".2:3 text/plain;\"charset\"=\"utf-8\" 7bit size=10 lines=1]\n"},
    {.name = "message at the root",
     .input = "* 1 FETCH (BODYSTRUCTURE (\"message\" \"rfc822\" NIL NIL NIL \"7bit\" 99 "
              "(\"d\" \"s\" NIL NIL NIL NIL NIL NIL NIL \"<i>\") (\"text\" \"plain\" (\""
              "charset\" \"utf-8\") NIL NIL \"7bit\" 10 1) 40) UID 5)\r\n",
     .expected =
         "fetch seq=1 has=41 uid=5 [1:0 message/rfc822 7bit size=99 lines=40 envelo"
         "pe{ date=\"d\" subject=\"s\" message-id=\"<i>\" }] [1.1:1 text/plain;\"ch"
         "arset\"=\"utf-8\" 7bit size=10 lines=1]\n"},
    {.name = "multipart message at the root",
     .input = "* 1 FETCH (BODYSTRUCTURE (\"message\" \"rfc822\" NIL NIL NIL \"7bit\" 99 "
              "(\"d\" \"s\" NIL NIL NIL NIL NIL NIL NIL \"<i>\") ((\"text\" \"plain\" (\""
              "charset\" \"utf-8\") NIL NIL \"7bit\" 10 1)(\"message\" \"rfc822\" NIL NI"
              "L NIL \"7bit\" 99 (\"d\" \"s\" NIL NIL NIL NIL NIL NIL NIL \"<i>\") (\"te"
              "xt\" \"plain\" (\"charset\" \"utf-8\") NIL NIL \"7bit\" 10 1) 40) \"mixed"
              "\") 40) UID 5)\r\n",
     .expected =
         "fetch seq=1 has=41 uid=5 [1:0 message/rfc822 7bit size=99 lines=40 envelo"
         "pe{ date=\"d\" subject=\"s\" message-id=\"<i>\" }] [1:1 multipart/mixed ]"
         " [1.1:2 text/plain;\"charset\"=\"utf-8\" 7bit size=10 lines=1] [1.2:2 mes"
         "sage/rfc822 7bit size=99 lines=40 envelope{ date=\"d\" subject=\"s\" mess"
         "age-id=\"<i>\" }] [1.2.1:3 text/plain;\"charset\"=\"utf-8\" 7bit size=10 "
         "lines=1]\n"},
    {.name = "BODY without extensions",
     .input = "* 1 FETCH (BODY (\"text\" \"plain\" NIL NIL NIL \"7bit\" 3 1))\r\n",
     .expected = "fetch seq=1 has=40 [1:0 text/plain 7bit size=3 lines=1]\n"},
};

static void well_formed_structures(void **state)
{
    (void)state;
    imap_cases_run(well_formed_structures_cases, ARRAY_LEN(well_formed_structures_cases));
}

static const struct imap_case malformed_structures_cases[] = {
    {.name = "empty multiparts",
     .input = "* 1 FETCH (BODYSTRUCTURE ((NIL \"ALTERNATIVE\" (\"B\" \"x\"))(\"ALTERNATI"
              "VE\")(\"ALTERNATIVE\" (\"BOUNDARY\" \"x\") NIL NIL)(\"multipart\" \"relat"
              "ed\" (\"a\" \"b\") NIL NIL \"7BIT\" 400)(\"text\" \"plain\" (\"charset\" "
              "\"utf-8\") NIL NIL \"7bit\" 10 1) \"mixed\") UID 5)\r\n",
     .expected =
         "fetch seq=1 has=41 uid=5 [:0 multipart/mixed ] [1:1 multipart/alternative"
         ";\"B\"=\"x\" ] [2:1 multipart/alternative ] [3:1 multipart/alternative;\""
         "BOUNDARY\"=\"x\" ] [4:1 multipart/related;\"a\"=\"b\" ] [5:1 text/plain;\""
         "charset\"=\"utf-8\" 7bit size=10 lines=1]\n"},
    {.name = "types missing",
     .input = "* 1 FETCH (BODYSTRUCTURE ((NIL NIL NIL NIL NIL NIL 5)(NIL \"zip\" NIL NIL"
              " NIL \"base64\" 5)(\"X-ZIP\" (\"n\" \"v\") NIL NIL \"base64\" 5)(\"foo\" "
              "NIL NIL NIL NIL \"base64\" 5) \"mixed\") UID 5)\r\n",
     .expected =
         "fetch seq=1 has=41 uid=5 [:0 multipart/mixed ] [1:1 application/octet-str"
         "eam 7bit size=5] [2:1 application/zip base64 size=5] [3:1 application/x-z"
         "ip;\"n\"=\"v\" base64 size=5] [4:1 application/foo base64 size=5]\n"},
    {.name = "encoding and sizes",
     .input = "* 1 FETCH (BODYSTRUCTURE ((\"text\" \"plain\" NIL NIL NIL NIL -1 -1)(\"te"
              "xt\" \"plain\" NIL NIL NIL BASE64 NIL)(\"text\" \"plain\" NIL NIL NIL 400"
              " 12)(\"text\" \"plain\" NIL NIL NIL \"8bit\" 9.3e+06)(\"image\" \"png\" N"
              "IL NIL NIL \"base64\" 7 3) \"mixed\") UID 5)\r\n",
     .expected =
         "fetch seq=1 has=41 uid=5 [:0 multipart/mixed ] [1:1 text/plain 7bit] [2:1"
         " text/plain base64] [3:1 text/plain 7bit size=400 lines=12] [4:1 text/pla"
         "in 8bit] [5:1 image/png base64 size=7 lines=3]\n"},
    {.name = "dispositions",
     .input = "* 1 FETCH (BODYSTRUCTURE ((\"text\" \"plain\" NIL NIL NIL \"7bit\" 1 1 NI"
              "L \"INLINE\")(\"text\" \"plain\" NIL NIL NIL \"7bit\" 1 1 NIL (NIL NIL))("
              "\"text\" \"plain\" NIL NIL NIL \"7bit\" 1 1 NIL (\"attachment\"))(\"text\""
              " \"plain\" NIL NIL NIL \"7bit\" 1 1 (\"attachment\" (\"filename\" \"x\"))"
              ")(\"application\" \"x\" NIL NIL NIL \"7bit\" 1 NIL (\"attachment\" \"s\")"
              " NIL ()) \"mixed\") UID 5)\r\n",
     .expected =
         "fetch seq=1 has=41 uid=5 [:0 multipart/mixed ] [1:1 text/plain 7bit size="
         "1 lines=1 disposition=\"inline\"] [2:1 text/plain 7bit size=1 lines=1] [3"
         ":1 text/plain 7bit size=1 lines=1 disposition=\"attachment\"] [4:1 text/p"
         "lain 7bit size=1 lines=1 disposition=\"attachment\";\"filename\"=\"x\"] ["
         "5:1 application/x 7bit size=1 disposition=\"attachment\"]\n"},
    {.name = "parameters",
     .input = "* 1 FETCH (BODYSTRUCTURE ((\"text\" \"plain\" (\"boundary\" NIL) NIL NIL "
              "\"7bit\" 1 1)(\"text\" \"plain\" (\"a\" \"b\" \"odd\") NIL NIL \"7bit\" 1"
              " 1)(\"text\" \"plain\" () NIL NIL \"7bit\" 1 1)(\"text\" \"plain\" (\"\" "
              "\"x\" \"k\" {1}\r\n"
              "v) NIL NIL \"7bit\" 1 1)(\"text\" \"plain\" (\"charset\" \"3D\"Windows-12"
              "52\"\") NIL NIL \"7bit\" 1 1)(\"application\" \"x\" \"smime.p7m\" NIL NIL"
              " \"base64\" 12) \"mixed\" (\"boundary\" NIL)) UID 5)\r\n",
     .expected =
         "fetch seq=1 has=41 uid=5 [:0 multipart/mixed;\"boundary\"=NIL ] [1:1 text"
         "/plain;\"boundary\"=NIL 7bit size=1 lines=1] [2:1 text/plain;\"a\"=\"b\" "
         "7bit size=1 lines=1] [3:1 text/plain 7bit size=1 lines=1] [4:1 text/plain"
         ";\"k\"=\"v\" 7bit size=1 lines=1] [5:1 text/plain;\"charset\"=\"3D\\x22Wi"
         "ndows-1252\\x22\" 7bit size=1 lines=1] [6:1 application/x base64 size=12]"
         "\n"},
    {.name = "message as a basic part",
     .input = "* 1 FETCH (BODYSTRUCTURE (\"message\" \"rfc822\" NIL NIL NIL \"base64\" 1"
              "234 NIL (\"attachment\" (\"filename\" \"a.eml\")) NIL NIL) UID 5)\r\n",
     .expected =
         "fetch seq=1 has=41 uid=5 [1:0 message/rfc822 base64 size=1234 disposition"
         "=\"attachment\";\"filename\"=\"a.eml\"]\n"},
    {.name = "message without envelope or body",
     .input = "* 1 FETCH (BODYSTRUCTURE ((\"message\" \"rfc822\" NIL NIL NIL \"7bit\" 1 "
              "() () 5 NIL)(\"message\" \"rfc822\" NIL NIL NIL \"7bit\" 1 NIL NIL 5)(\"m"
              "essage\" \"rfc822\" NIL NIL NIL \"7bit\" 1 (\"d\" \"s\" NIL NIL NIL NIL N"
              "IL NIL NIL \"<i>\") NIL) \"digest\") UID 5)\r\n",
     .expected =
         "fetch seq=1 has=41 uid=5 [:0 multipart/digest ] [1:1 message/rfc822 7bit "
         "size=1 lines=5] [2:1 message/rfc822 7bit size=1 lines=5] [3:1 message/rfc"
         "822 7bit size=1 envelope{ date=\"d\" subject=\"s\" message-id=\"<i>\" }]\n"},
    {.name = "an empty part keeps its number",
     .input = "* 1 FETCH (BODYSTRUCTURE (()(\"text\" \"plain\" (\"charset\" \"utf-8\") N"
              "IL NIL \"7bit\" 10 1) \"mixed\") UID 5)\r\n",
     .expected =
         "fetch seq=1 has=41 uid=5 [:0 multipart/mixed ] [1:1 application/octet-str"
         "eam 7bit] [2:1 text/plain;\"charset\"=\"utf-8\" 7bit size=10 lines=1]\n"},
    {.name = "no subtype",
     .input = "* 1 FETCH (BODYSTRUCTURE ((\"text\" \"plain\" (\"charset\" \"utf-8\") NIL"
              " NIL \"7bit\" 10 1)) UID 5)\r\n",
     .expected =
         "fetch seq=1 has=41 uid=5 [:0 multipart/mixed ] [1:1 text/plain;\"charset\""
         "=\"utf-8\" 7bit size=10 lines=1]\n"},
    {.name = "description with quotes (qiye.163)",
     .input = "* 1 FETCH (BODYSTRUCTURE (\"text\" \"plain\" NIL NIL \"\"\"\" \"7bit\" 10"
              " 1) UID 5)\r\n",
     .expected =
         "fetch seq=1 has=41 uid=5 [1:0 text/plain description=\"\\x22\\x22\" 7bit "
         "size=10 lines=1]\n"},
    {.name = "languages and locations",
     .input = "* 1 FETCH (BODYSTRUCTURE (\"text\" \"plain\" NIL NIL NIL \"7bit\" 1 1 NIL"
              " NIL en ()) UID 5)\r\n",
     .expected =
         "fetch seq=1 has=41 uid=5 [1:0 text/plain 7bit size=1 lines=1 language=\"e"
         "n\"]\n"},
    {.name = "none",
     .input = "* 1 FETCH (BODYSTRUCTURE NIL UID 5)\r\n"
              "* 1 FETCH (BODYSTRUCTURE () UID 5)\r\n"
              "* 1 FETCH (BODYSTRUCTURE \"x\" UID 5)\r\n",
     .expected = "fetch seq=1 has=1 uid=5 partial\n"
                 "fetch seq=1 has=1 uid=5 partial\n"
                 "fetch seq=1 has=1 uid=5 partial\n"},
    {.name = "not closed",
     .input = "* 1 FETCH (UID 5 BODYSTRUCTURE ((\"text\" \"plain\" (\"charset\" \"utf-8\""
              ") NIL NIL \"7bit\" 10 1)(\"text\" \"html\" (\"a\" \"b\"\r\n",
     .expected =
         "fetch seq=1 has=41 uid=5 [:0 multipart/mixed ] [1:1 text/plain;\"charset\""
         "=\"utf-8\" 7bit size=10 lines=1] [2:1 text/html;\"a\"=\"b\" 7bit] partial"
         "\n"},
};

static void malformed_structures(void **state)
{
    (void)state;
    imap_cases_run(malformed_structures_cases, ARRAY_LEN(malformed_structures_cases));
}

static struct buf repeated(const char *before, const char *unit, size_t n,
                           const char *after)
{
    struct buf in = BUF_INIT((size_t)16 * 1024 * 1024);
    buf_put_c(&in, before);
    for (size_t i = 0; i < n; i++) {
        buf_put_c(&in, unit);
    }
    buf_put_c(&in, after);
    return in;
}

/* Every one of these must come back as a truncated structure of a row with its UID, and
 * the stream goes on behind it. */
static void hostile_structures_are_cut(void **state)
{
    static const struct {
        const char *name, *unit;
        size_t count;
    } cases[] = {
        {"deep", "(", 100000},
        {"deep messages", "(\"message\" \"rfc822\" NIL NIL NIL \"7bit\" 1 () ", 10000},
        {"wide", "()", 400000},
        {"many parts", "(\"a\" \"b\")", 60000},
        {"many parameters", "(\"a\" \"b\" (1 2 3 4 5 6 7 8", 20000},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct buf in = repeated("* 1 FETCH (UID 5 BODYSTRUCTURE (", cases[i].unit,
                                 cases[i].count, "))\r\n* 2 EXISTS\r\n");
        struct buf out = BUF_INIT((size_t)64 * 1024 * 1024);
        imap_dump(&out, buf_str(&in), &imap_dump_defaults, NULL, NULL);
        if (!str_has_prefix(buf_str(&out), "fetch seq=1 has=41 uid=5 truncated [") ||
            !str_has_suffix(buf_str(&out), "\nexists n=2\n")) {
            fail_msg("%s: %.200s", cases[i].name, buf_c(&out));
        }
        buf_fini(&in);
        buf_fini(&out);
    }
}

static void parameters_are_cut(void **state)
{
    struct buf in = repeated("* 1 FETCH (BODYSTRUCTURE (\"a\" \"b\" (", "\"k\" \"v\" ",
                             1000, ") NIL NIL \"7bit\" 3))\r\n");
    struct buf out = BUF_INIT(1024 * 1024);
    (void)state;
    imap_dump(&out, buf_str(&in), &imap_dump_defaults, NULL, NULL);
    assert_non_null(strstr(buf_c(&out), " truncated [1:0 a/b;\"k\"=\"v\""));
    assert_non_null(strstr(buf_c(&out), " 7bit size=3]"));
    buf_fini(&in);
    buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(well_formed_structures),
        cmocka_unit_test(malformed_structures),
        cmocka_unit_test(hostile_structures_are_cut),
        cmocka_unit_test(parameters_are_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
