#include "account_search_keys.h"

#include "postrider/json/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

enum {
    GMAIL = IMAP_CAP_GMAIL,
    OBJECTS = IMAP_CAP_OBJECTID,
    WITHIN = IMAP_CAP_WITHIN,
    MODSEQ = IMAP_CAP_CONDSTORE
};

static const int64_t now_ms = 1700000000000; /* 2023-11-14T22:13:20Z */

struct keys_case {
    const char *name;
    const char *search;
    uint32_t caps;
    const char *expected; /* NULL: refused */
    bool utf8;
    enum err_code code;
};

#define SAYS(n, s, c, e)                                                                 \
    {                                                                                    \
        .name = (n), .search = (s), .caps = (c), .expected = (e)                         \
    }
#define SAYS_UTF8(n, s, e)                                                               \
    {                                                                                    \
        .name = (n), .search = (s), .expected = (e), .utf8 = true                        \
    }
#define REFUSES(n, s, c, e)                                                              \
    {                                                                                    \
        .name = (n), .search = (s), .caps = (c), .code = (e)                             \
    }

static const struct keys_case cases[] = {
    SAYS("nothing_is_everything", "{}", 0, "ALL"),
    SAYS("flags",
         "{\"answered\":true,\"deleted\":false,\"draft\":true,\"unseen\":true,"
         "\"flagged\":false,\"seen\":false}",
         0, "ANSWERED UNDELETED DRAFT UNSEEN UNSEEN UNFLAGGED"),
    SAYS("sets_as_they_are", "{\"seq\":\"1:*\",\"uid\":\"3,7:9,*\"}", 0,
         "1:* UID 3,7:9,*"),
    SAYS("addresses", "{\"from\":\"a\",\"to\":\"b\",\"cc\":\"c\",\"bcc\":\"d\"}", 0,
         "FROM \"a\" TO \"b\" CC \"c\" BCC \"d\""),
    SAYS("texts", "{\"body\":\"a b\",\"text\":\"c\",\"subject\":\"\"}", 0,
         "BODY \"a b\" TEXT \"c\" SUBJECT \"\""),
    SAYS("quotes_are_quoted", "{\"subject\":\"\\\" ALL \\\\\"}", 0,
         "SUBJECT \"\\\" ALL \\\\\""),
    SAYS_UTF8("beyond_ascii_a_literal", "{\"subject\":\"\u00e9\",\"from\":\"x\"}",
              "FROM \"x\" SUBJECT {2}\r\n\u00e9"),
    SAYS("sizes", "{\"larger\":1,\"smaller\":2}", 0, "LARGER 1 SMALLER 2"),
    SAYS("modseq", "{\"modseq\":9007199254740991}", MODSEQ, "MODSEQ 9007199254740991"),
    SAYS(
        "days",
        "{\"before\":\"2023-11-05T00:00:00.000Z\",\"since\":\"2023-01-31T13:00:00.000Z\","
        "\"sentBefore\":\"2023-12-01T05:00:00.000Z\",\"sentSince\":\"1999-02-09\"}",
        0,
        "BEFORE 05-Nov-2023 SINCE 31-Jan-2023 SENTBEFORE 01-Dec-2023 SENTSINCE "
        "09-Feb-1999"),
    SAYS(
        "seconds_where_the_server_counts_them",
        "{\"before\":\"2023-11-14T22:13:10.000Z\",\"since\":\"2023-11-14T21:13:20.000Z\","
        "\"sentSince\":\"2023-11-14T22:13:10.000Z\"}",
        WITHIN, "OLDER 10 YOUNGER 3600 SENTSINCE 14-Nov-2023"),
    SAYS("a_day_stays_a_day",
         "{\"before\":\"2023-11-14T00:00:00.000Z\",\"since\":\"2024-01-01T01:00:00."
         "000Z\"}",
         WITHIN, "BEFORE 14-Nov-2023 SINCE 01-Jan-2024"),
    SAYS("headers",
         "{\"header\":{\"X-A\":\"b\",\"X-B\":true,\"X-C\":false,\"X-D\":7,"
         "\"X-E\":[\"f\",\"g\"]}}",
         0,
         "HEADER \"X-A\" \"b\" HEADER \"X-B\" \"\" NOT HEADER \"X-C\" \"\" HEADER "
         "\"X-D\" \"7\" HEADER \"X-E\" \"f\" HEADER \"X-E\" \"g\""),
    SAYS("ids", "{\"emailId\":\"M1-a_\",\"threadId\":\"T2\"}", OBJECTS,
         "EMAILID M1-a_ THREADID T2"),
    SAYS("one_of_several_ids", "{\"emailIds\":[\"a\",\"b\",\"c\"]}", OBJECTS,
         "OR EMAILID a OR EMAILID b EMAILID c"),
    SAYS("no_ids_is_no_key", "{\"emailIds\":[]}", 0, "ALL"),
    SAYS("gmail",
         "{\"emailId\":\"12\",\"threadId\":\"34\",\"gmailRaw\":\"in:inbox \\\"a\\\"\","
         "\"labels\":{\"has\":[\"\\\\Sent\",\"a b\",\"Entw\u00fcrfe\"],\"not\":[\"x\"]}}",
         GMAIL,
         "X-GM-MSGID 12 X-GM-THRID 34 X-GM-RAW \"in:inbox \\\"a\\\"\" X-GM-LABELS "
         "\\Sent X-GM-LABELS \"a b\" X-GM-LABELS \"Entw&APw-rfe\" NOT X-GM-LABELS "
         "\"x\""),
    REFUSES("line_break", "{\"subject\":\"a\\r\\nb\"}", 0, ERR_INVALID),
    REFUSES("line_feed", "{\"body\":\"a\\nb\"}", 0, ERR_INVALID),
    REFUSES("line_break_beyond_ascii", "{\"body\":\"\u00e9\\nb\"}", 0, ERR_INVALID),
    REFUSES("line_break_in_a_field_name", "{\"header\":{\"a\\nb\":\"c\"}}", 0,
            ERR_INVALID),
    REFUSES("no_field_name", "{\"header\":{\"\":\"c\"}}", 0, ERR_INVALID),
    REFUSES("colon_in_a_field_name", "{\"header\":{\"a:\":\"c\"}}", 0, ERR_INVALID),
    REFUSES("field_that_is_no_text", "{\"header\":{\"a\":{}}}", 0, ERR_INVALID),
    REFUSES("list_in_a_list", "{\"header\":{\"a\":[[\"b\"]]}}", 0, ERR_INVALID),
    REFUSES("key_in_a_set", "{\"seq\":\"1 ALL\"}", 0, ERR_INVALID),
    REFUSES("zero_in_a_set", "{\"uid\":\"0:3\"}", 0, ERR_INVALID),
    REFUSES("open_end_of_a_set", "{\"uid\":\"1,\"}", 0, ERR_INVALID),
    REFUSES("empty_set", "{\"uid\":\"\"}", 0, ERR_INVALID),
    REFUSES("too_great_a_number", "{\"uid\":\"4294967296\"}", 0, ERR_INVALID),
    REFUSES("three_ends", "{\"uid\":\"1:2:3\"}", 0, ERR_INVALID),
    REFUSES("no_date", "{\"before\":\"soon\"}", 0, ERR_INVALID),
    REFUSES("key_in_an_id", "{\"emailId\":\"a ALL\"}", OBJECTS, ERR_INVALID),
    REFUSES("no_number_of_gmail", "{\"threadId\":\"T2\"}", GMAIL, ERR_INVALID),
    REFUSES("break_in_a_label", "{\"labels\":{\"has\":[\"a\\nb\"]}}", GMAIL, ERR_INVALID),
    REFUSES("no_modseq", "{\"modseq\":1}", 0, ERR_UNSUPPORTED),
    REFUSES("no_gmail", "{\"gmailRaw\":\"x\"}", OBJECTS, ERR_UNSUPPORTED),
    REFUSES("no_labels", "{\"labels\":{\"has\":[\"x\"]}}", 0, ERR_UNSUPPORTED),
    REFUSES("no_ids", "{\"emailId\":\"x\"}", 0, ERR_UNSUPPORTED),
    REFUSES("no_ids_of_threads", "{\"threadId\":\"x\"}", 0, ERR_UNSUPPORTED),
};

static void check_case(const struct keys_case *c)
{
    struct imap_criteria keys;
    struct err err = {0};
    json_t *search = NULL;
    assert_true(json_parse_strict(str_of(c->search), 4096, &search, &err));
    const struct search_keys_params params = {
        .search = search, .caps = c->caps, .now_ms = now_ms};
    imap_criteria_init(&keys);
    bool ok = search_keys_compile(&params, &keys, &err);
    if (ok != (c->expected != NULL) ||
        (ok && (!str_eq_c(buf_str(&keys.text), c->expected) || keys.utf8 != c->utf8)) ||
        (!ok && err.code != c->code)) {
        fail_msg("%s: %s \"%s\"", c->name, ok ? buf_c(&keys.text) : err.msg,
                 c->expected != NULL ? c->expected : "refused");
    }
    imap_criteria_fini(&keys);
    json_decref(search);
}

static void every_key_says_what_it_means(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        check_case(&cases[i]);
    }
}

static void thread_of_the_index_is_a_set_of_uids(void **state)
{
    (void)state;
    struct imap_range ranges[] = {{3, 4}, {9, 9}};
    const struct imap_set set = {ranges, ARRAY_LEN(ranges)};
    json_t *search = json_pack("{s:s,s:b}", "threadId", "AAAAAAAB", "seen", 1);
    const struct search_keys_params params = {
        .search = search, .now_ms = now_ms, .thread = &set};
    struct imap_criteria keys;
    struct err err = {0};
    imap_criteria_init(&keys);
    assert_true(search_keys_compile(&params, &keys, &err));
    assert_string_equal(buf_c(&keys.text), "SEEN UID 3:4,9");
    assert_true(str_eq_c(search_keys_thread(search), "AAAAAAAB"));
    imap_criteria_fini(&keys);
    json_decref(search);
}

static void more_than_a_command_can_hold_is_refused(void **state)
{
    (void)state;
    struct imap_criteria keys;
    char text[4096];
    memset(text, 'a', sizeof text);
    imap_criteria_init(&keys);
    for (size_t i = 0; i < IMAP_CRITERIA_MAX / sizeof text + 1; i++) {
        imap_criteria_word(&keys, "TEXT");
        imap_criteria_string(&keys, str_from(text, sizeof text));
    }
    assert_non_null(keys.refused);
    imap_criteria_fini(&keys);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_key_says_what_it_means),
        cmocka_unit_test(thread_of_the_index_is_a_set_of_uids),
        cmocka_unit_test(more_than_a_command_can_hold_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
