/* imap_envelope: ENVELOPE as servers really send it. */
#include "imap_cases.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

static const struct imap_case envelopes_cases[] = {
    {.name = "all fields",
     .input = "* 1 FETCH (ENVELOPE (\"Wed, 17 Jul 1996\" \"mtg \\\"x\\\"\" ((\"Terry\" N"
              "IL \"gray\" \"a.example\")) ((\"S\" NIL \"s\" \"b\")) ((NIL NIL \"r\" \"c"
              "\")) ((NIL NIL \"t\" \"d\")(NIL \"@x\" \"u\" \"e\")) NIL () \"<irt>\" \"<"
              "id>\") UID 5)\r\n",
     .expected =
         "fetch seq=1 has=21 uid=5 envelope{ date=\"Wed, 17 Jul 1996\" subject=\"mt"
         "g \\x22x\\x22\" from=((\"Terry\" NIL \"gray\" \"a.example\")) sender=((\""
         "S\" NIL \"s\" \"b\")) reply-to=((NIL NIL \"r\" \"c\")) to=((NIL NIL \"t\""
         " \"d\") (NIL \"@x\" \"u\" \"e\")) in-reply-to=\"<irt>\" message-id=\"<id>"
         "\" }\n"},
    {.name = "group",
     .input = "* 1 FETCH (ENVELOPE (\"d\" \"s\" NIL NIL NIL ((NIL NIL \"friends\" NIL)(\""
              "A\" NIL \"a\" \"x\")(NIL NIL NIL NIL)) NIL NIL NIL \"<i>\") UID 5)\r\n",
     .expected =
         "fetch seq=1 has=21 uid=5 envelope{ date=\"d\" subject=\"s\" to=((NIL NIL "
         "\"friends\" NIL) (\"A\" NIL \"a\" \"x\") (NIL NIL NIL NIL)) message-id=\""
         "<i>\" }\n"},
    {.name = "literals",
     .input = "* 1 FETCH (ENVELOPE ({1}\r\n"
              "d {3}\r\n"
              "s\"( (({2}\r\n"
              "NN NIL {1}\r\n"
              "a {1}\r\n"
              "x)) NIL NIL NIL NIL NIL NIL {3}\r\n"
              "<i>) UID 5)\r\n",
     .expected =
         "fetch seq=1 has=21 uid=5 envelope{ date=\"d\" subject=\"s\\x22(\" from=(("
         "\"NN\" NIL \"a\" \"x\")) message-id=\"<i>\" }\n"},
    {.name = "extra parentheses of Domino",
     .input = "* 1 FETCH (ENVELOPE ((\"d\" \"s\" NIL NIL NIL NIL NIL NIL NIL \"<i>\")) U"
              "ID 5)\r\n",
     .expected =
         "fetch seq=1 has=21 uid=5 envelope{ date=\"d\" subject=\"s\" message-id=\""
         "<i>\" }\n"},
    {.name = "no message id",
     .input = "* 1 FETCH (ENVELOPE (\"d\" \"s\" NIL NIL NIL NIL NIL NIL \"<irt>\") UID 5"
              ")\r\n",
     .expected =
         "fetch seq=1 has=21 uid=5 envelope{ date=\"d\" subject=\"s\" in-reply-to=\""
         "<irt>\" }\n"},
    {.name = "eight fields",
     .input = "* 1 FETCH (ENVELOPE (\"d\" \"s\" NIL NIL NIL NIL NIL NIL) UID 5)\r\n",
     .expected = "fetch seq=1 has=21 uid=5 envelope{ date=\"d\" subject=\"s\" }\n"},
    {.name = "no address lists (QQ)",
     .input = "* 1 FETCH (ENVELOPE (\"d\" \"s\" \"<irt>\" \"<i>\") UID 5)\r\n",
     .expected =
         "fetch seq=1 has=21 uid=5 envelope{ date=\"d\" subject=\"s\" in-reply-to=\""
         "<irt>\" message-id=\"<i>\" }\n"},
    {.name = "number and atom as strings",
     .input = "* 1 FETCH (ENVELOPE (\"d\" 123 NIL NIL NIL NIL NIL NIL atom <i>) UID 5)\r"
              "\n",
     .expected =
         "fetch seq=1 has=21 uid=5 envelope{ date=\"d\" subject=\"123\" in-reply-to"
         "=\"atom\" message-id=\"<i>\" }\n"},
    {.name = "NIL among addresses",
     .input = "* 1 FETCH (ENVELOPE (\"d\" \"s\" (NIL (\"A\" NIL \"a\" \"x\") NIL) NIL NI"
              "L NIL NIL NIL NIL NIL) UID 5)\r\n",
     .expected =
         "fetch seq=1 has=21 uid=5 envelope{ date=\"d\" subject=\"s\" from=((\"A\" "
         "NIL \"a\" \"x\")) }\n"},
    {.name = "no spaces and two spaces between addresses",
     .input = "* 1 FETCH (ENVELOPE (\"d\" \"s\" ((\"A\" NIL \"a\" \"x\")(\"B\" NIL \"b\""
              " \"y\")  (\"C\" NIL \"c\" \"z\")) NIL NIL NIL NIL NIL NIL NIL) UID 5)\r\n",
     .expected =
         "fetch seq=1 has=21 uid=5 envelope{ date=\"d\" subject=\"s\" from=((\"A\" "
         "NIL \"a\" \"x\") (\"B\" NIL \"b\" \"y\") (\"C\" NIL \"c\" \"z\")) }\n"},
    {.name = "five, three, two, one and no fields",
     .input = "* 1 FETCH (ENVELOPE (\"d\" \"s\" ((\"a\" \"b\" NIL \"m\" \"h\")(\"n\" \"m"
              "\" \"h\")(\"m\" \"h\")(\"x\")()) NIL NIL NIL NIL NIL NIL NIL) UID 5)\r\n",
     .expected =
         "fetch seq=1 has=21 uid=5 envelope{ date=\"d\" subject=\"s\" from=((\"a b\""
         " NIL \"m\" \"h\") (\"n\" NIL \"m\" \"h\") (NIL NIL \"m\" \"h\") (\"x\" NI"
         "L NIL NIL) (NIL NIL NIL NIL)) }\n"},
    {.name = "address without its list",
     .input = "* 1 FETCH (ENVELOPE (\"d\" \"s\" (\"A\" NIL \"a\" \"x\") NIL NIL NIL NIL "
              "NIL NIL NIL) UID 5)\r\n",
     .expected =
         "fetch seq=1 has=21 uid=5 envelope{ date=\"d\" subject=\"s\" from=((\"A\" "
         "NIL \"a\" \"x\")) }\n"},
    {.name = "invented hosts are empty",
     .input = "* 1 FETCH (ENVELOPE (\"d\" \"s\" ((NIL NIL \"a\" \".MISSING-HOST-NAME.\")"
              "(NIL NIL \"MISSING_MAILBOX\" \"MISSING_DOMAIN\")(NIL NIL \"b\" \".SYNTAX-"
              "ERROR.\")) NIL NIL NIL NIL NIL NIL NIL) UID 5)\r\n",
     .expected =
         "fetch seq=1 has=21 uid=5 envelope{ date=\"d\" subject=\"s\" from=((NIL NI"
         "L \"a\" \"\") (NIL NIL \"\" \"\") (NIL NIL \"b\" \"\")) }\n"},
    {.name = "quotes not escaped",
     .input = "* 1 FETCH (ENVELOPE (\"d\" \"a\"b\"c\" ((\"X \"Y\"Z\" NIL \"a\" \"x\")) N"
              "IL NIL NIL NIL NIL NIL NIL) UID 5)\r\n",
     .expected =
         "fetch seq=1 has=21 uid=5 envelope{ date=\"d\" subject=\"a\\x22b\\x22c\" f"
         "rom=((\"X \\x22Y\\x22Z\" NIL \"a\" \"x\")) }\n"},
    {.name = "escapes beside quotes that are none",
     .input = "* 1 FETCH (ENVELOPE (\"a\\b\" \"c\\\"d\" ((\"e\\\\\" nil \"f\"g\\\"h\" "
              "\"\\\\\\\"i\")) Nil NIL NIL NIL NIL NIL \"Nil\") UID 5)\r\n",
     .expected = "fetch seq=1 has=21 uid=5 envelope{ date=\"a\\x5cb\" "
                 "subject=\"c\\x22d\" from=((\"e\\x5c\" NIL \"f\\x22g\\x22h\" "
                 "\"\\x5c\\x22i\")) message-id=\"Nil\" }\n"},
    {.name = "raw bytes",
     .input = "* 1 FETCH (ENVELOPE (\"d\" \"\344\377\tx\" NIL NIL NIL NIL NIL NIL NIL NI"
              "L) UID 5)\r\n",
     .expected =
         "fetch seq=1 has=21 uid=5 envelope{ date=\"d\" subject=\"\\xe4\\xff\\x09x\""
         " }\n"},
    {.name = "what is none leaves the rest of the row",
     .input = "* 1 FETCH (ENVELOPE NIL UID 5)\r\n"
              "* 1 FETCH (ENVELOPE () UID 5)\r\n"
              "* 1 FETCH (ENVELOPE \"x\" UID 5)\r\n"
              "* 1 FETCH (ENVELOPE ((\"a\") (\"b\")) UID 5)\r\n",
     .expected = "fetch seq=1 has=1 uid=5 partial\n"
                 "fetch seq=1 has=1 uid=5 partial\n"
                 "fetch seq=1 has=1 uid=5 partial\n"
                 "fetch seq=1 has=1 uid=5 partial\n"},
};

static void envelopes(void **state)
{
    (void)state;
    imap_cases_run(envelopes_cases, ARRAY_LEN(envelopes_cases));
}

static void addresses_are_cut(void **state)
{
    struct buf in = BUF_INIT(1024 * 1024), out = BUF_INIT(1024 * 1024);
    (void)state;
    buf_put_c(&in, "* 1 FETCH (ENVELOPE (NIL NIL NIL NIL NIL (");
    for (unsigned i = 0; i < 2000; i++) {
        buf_printf(&in, "(NIL NIL \"u%u\" \"h\")", i);
    }
    buf_put_c(&in, ") ((NIL NIL \"c\" \"h\")) NIL NIL \"<i>\"))\r\n");
    imap_dump(&out, buf_str(&in), &imap_dump_defaults, NULL, NULL);
    assert_non_null(
        strstr(buf_c(&out), "(NIL NIL \"u499\" \"h\")) message-id=\"<i>\" }"));
    buf_fini(&in);
    buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(envelopes),
        cmocka_unit_test(addresses_are_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
