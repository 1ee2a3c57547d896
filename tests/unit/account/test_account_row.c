/* Rows of listings: what a call keeps of them. */
#include "account_row.h"

#include "postrider/base/mem.h"
#include "postrider/mime/mime.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum {
    ID_BYTES = 6 * 1024 * 1024, /* what one response may hold, nearly */
    FEW = 3,
    MANY = 32,
    ROWS_CACHE = 1024 * 1024,
    WHOLE = IMAP_ITEM_INTERNALDATE | IMAP_ITEM_ENVELOPE | IMAP_ITEM_BODYSTRUCTURE
};

/* A hostile server's: a page may have a thousand of them. */
static void rows_of_a_call_are_bounded(void **state)
{
    (void)state;
    char path[] = "INBOX";
    char *id = mem_alloc(ID_BYTES);
    memset(id, 'a', ID_BYTES);
    const struct imap_envelope envelope = {.message_id = str_from(id, ID_BYTES)};
    const struct imap_row row = {
        .uid = 1, .has = WHOLE, .thread_id = STR("t"), .envelope = &envelope};
    const struct mailbox m = {.number = 1, .uid_validity = 1, .path = path};
    struct accounts as = {.config = {.rows_cache_bytes = ROWS_CACHE}};
    struct account a = {.as = &as};
    struct account_call c = {.a = &a, .text = BUF_INIT(ACCOUNT_ANSWER_MAX)};
    struct shown_row shown[MANY] = {0};
    for (size_t i = 0; i < MANY; i++) {
        shown_row_make(&c, &m, &row, &shown[i]);
        assert_true(i >= FEW || (shown[i].text.len > ID_BYTES && !c.text.overflow));
    }
    assert_true(c.text.overflow); /* such an answer fails */
    assert_true(c.op.arena.used_bytes < 2 * (size_t)ACCOUNT_ANSWER_MAX);
    accounts_cache_free(&as);
    buf_fini(&c.text);
    arena_fini(&c.op.arena);
    mem_free(id);
}

static void kept_row_shows_the_same_with_other_flags(void **state)
{
    (void)state;
    char path[] = "INBOX";
    const struct imap_envelope envelope = {.subject = STR("One"),
                                           .message_id = STR("<a>")};
    const struct imap_row whole = {
        .uid = 7, .has = WHOLE, .thread_id = STR("t"), .envelope = &envelope, .size = 12};
    const struct imap_row live = {.uid = 7, .thread_id = STR("t"), .size = 12};
    const struct imap_row flagged = {
        .uid = 7, .thread_id = STR("t"), .flags = {.system = IMAP_FLAG_FLAGGED}};
    const struct mailbox m = {.number = 3, .uid_validity = 1, .path = path};
    struct accounts as = {.config = {.rows_cache_bytes = ROWS_CACHE}};
    struct account a = {.as = &as, .acct = {.incarnation = "one"}};
    struct account b = {.as = &as, .acct = {.incarnation = "two"}};
    struct account_call c = {.a = &a, .text = BUF_INIT(ACCOUNT_ANSWER_MAX)};
    struct account_call other = {.a = &b, .text = BUF_INIT(ACCOUNT_ANSWER_MAX)};
    struct shown_row first = {0}, again = {0}, changed = {0}, none = {0};
    assert_false(shown_row_recall(&c, 3, 7, &first));
    shown_row_make(&c, &m, &whole, &first);
    assert_true(shown_row_recall(&c, 3, 7, &again));
    shown_row_make(&c, &m, &live, &again);
    assert_true(str_eq(first.text, again.text));
    assert_true(shown_row_recall(&c, 3, 7, &changed));
    shown_row_make(&c, &m, &flagged, &changed);
    assert_true(str_ifind(changed.text, "\"flagged\":true") != SIZE_MAX);
    assert_true(str_ifind(changed.text, "\"subject\":\"One\"") != SIZE_MAX);
    assert_false(shown_row_recall(&c, 3, 8, &none) || shown_row_recall(&c, 4, 7, &none) ||
                 shown_row_recall(&other, 3, 7, &none));
    account_rows_forget(&b);
    assert_true(shown_row_recall(&c, 3, 7, &none));
    account_rows_forget(&a);
    assert_false(shown_row_recall(&c, 3, 7, &none));
    accounts_cache_free(&as);
    buf_fini(&c.text);
    arena_fini(&c.op.arena);
    buf_fini(&other.text);
    arena_fini(&other.op.arena);
}

/* Joining others may join it to them. */
static void kept_thread_holds_until_the_map_changes(void **state)
{
    (void)state;
    const struct kept_row row = {.fixed = STR("\"uid\":7"), .query = {.own = 1}};
    struct accounts as = {.config = {.rows_cache_bytes = ROWS_CACHE}};
    struct account a = {
        .as = &as, .acct = {.incarnation = "one"}, .threads = {.map_changes = 5}};
    struct account_call c = {.a = &a, .map_changes = 5};
    account_row_keep(&a, 3, 7, &row);
    assert_false(account_row_has_thread(&a, account_row_kept(&a, 3, 7)));
    account_row_keep_thread(&c, 3, 8, 1, 41); /* of a row that is not kept */
    account_row_keep_thread(&c, 3, 7, 2, 41); /* of a row whose place it took */
    assert_false(account_row_has_thread(&a, account_row_kept(&a, 3, 7)));
    account_row_keep_thread(&c, 3, 7, 1, 42);
    assert_true(account_row_has_thread(&a, account_row_kept(&a, 3, 7)));
    assert_int_equal(account_row_kept(&a, 3, 7)->thread, 42);
    a.threads.map_changes++;
    assert_false(account_row_has_thread(&a, account_row_kept(&a, 3, 7)));
    account_row_keep_thread(&c, 3, 7, 1, 43); /* asked for before */
    assert_false(account_row_has_thread(&a, account_row_kept(&a, 3, 7)));
    accounts_cache_free(&as);
}

/* Only what is whole, of a mailbox whose number says what its UIDs mean, and not long. */
static void what_may_be_another_next_time_is_not_kept(void **state)
{
    (void)state;
    static char path[] = "INBOX", long_id[100000];
    static const struct imap_envelope usual = {.message_id = STR_INIT("<a>")};
    memset(long_id, 'a', sizeof long_id);
    const struct imap_envelope longer = {.message_id = str_from(long_id, sizeof long_id)};
    const struct {
        uint32_t has, uid_validity;
        const struct imap_envelope *envelope;
        bool fast, kept;
    } cases[] = {
        {WHOLE, 1, &usual, false, true},
        {WHOLE & ~(uint32_t)IMAP_ITEM_ENVELOPE, 1, NULL, false, false},
        {WHOLE & ~(uint32_t)IMAP_ITEM_BODYSTRUCTURE, 1, &usual, false, false},
        {WHOLE & ~(uint32_t)IMAP_ITEM_INTERNALDATE, 1, &usual, false, false},
        {WHOLE, 0, &usual, false, false},
        {WHOLE, 1, &longer, false, false},
        {WHOLE, 1, &usual, true, false},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct imap_row row = {.uid = 7,
                                     .has = cases[i].has,
                                     .thread_id = STR("t"),
                                     .envelope = cases[i].envelope};
        const struct mailbox m = {
            .number = 3, .uid_validity = cases[i].uid_validity, .path = path};
        struct accounts as = {.config = {.rows_cache_bytes = ROWS_CACHE}};
        struct account a = {
            .as = &as, .acct = {.incarnation = "one"}, .fast = cases[i].fast};
        struct account_call c = {.a = &a, .text = BUF_INIT(ACCOUNT_ANSWER_MAX)};
        struct shown_row shown = {0}, again = {0};
        shown_row_make(&c, &m, &row, &shown);
        assert_int_equal(shown_row_recall(&c, 3, 7, &again), cases[i].kept);
        accounts_cache_free(&as);
        buf_fini(&c.text);
        arena_fini(&c.op.arena);
    }
}

/* A control takes six bytes of JSON. */
static void row_that_is_cut_off_is_not_shown(void **state)
{
    (void)state;
    static char path[] = "INBOX";
    const size_t len = ACCOUNT_ANSWER_MAX / 6 + 1;
    char *id = mem_alloc(len);
    memset(id, 1, len);
    id[0] = id[len - 1] = 'a';
    const struct imap_envelope envelope = {.message_id = str_from(id, len)};
    const struct imap_row row = {.uid = 7, .has = WHOLE, .envelope = &envelope};
    const struct mailbox m = {.number = 3, .uid_validity = 1, .path = path};
    struct accounts as = {.config = {.rows_cache_bytes = ROWS_CACHE}};
    struct account a = {.as = &as, .acct = {.incarnation = "one"}};
    struct account_call c = {.a = &a, .text = BUF_INIT(ACCOUNT_ANSWER_MAX)};
    struct shown_row shown = {0};
    shown_row_make(&c, &m, &row, &shown);
    assert_true(c.text.overflow); /* so that the call fails */
    assert_null(shown_row_json(&shown));
    accounts_cache_free(&as);
    buf_fini(&c.text);
    arena_fini(&c.op.arena);
    mem_free(id);
}

/* The question for its thread has an id of the row that was parsed then. */
static void kept_row_holds_all_that_it_is_made_of(void **state)
{
    (void)state;
    char fixed[] = "\"uid\":7", parent[] = "first@example.com";
    const struct kept_row row = {.fixed = str_of(fixed),
                                 .query = {.own = 5, .parent = str_of(parent)}};
    struct accounts as = {.config = {.rows_cache_bytes = ROWS_CACHE}};
    struct account a = {.as = &as, .acct = {.incarnation = "one"}};
    struct account_call c = {.a = &a};
    struct shown_row shown = {0};
    account_row_keep(&a, 3, 7, &row);
    memset(fixed, 'x', sizeof fixed);
    memset(parent, 'x', sizeof parent);
    assert_true(shown_row_recall(&c, 3, 7, &shown));
    accounts_cache_free(&as);
    assert_true(str_eq_c(shown.kept.fixed, "\"uid\":7"));
    assert_true(str_eq_c(shown.kept.query.parent, "first@example.com"));
    assert_int_equal(shown.kept.query.own, 5);
    arena_fini(&c.op.arena);
}

/* It may be deleted before anything of it was read. */
static void account_without_incarnation_takes_no_rows_of_others_along(void **state)
{
    (void)state;
    const struct kept_row row = {.fixed = STR("\"uid\":7")};
    struct accounts as = {.config = {.rows_cache_bytes = ROWS_CACHE}};
    struct account a = {.as = &as, .acct = {.incarnation = "one"}};
    struct account unread = {.as = &as};
    account_row_keep(&a, 3, 7, &row);
    account_rows_forget(&unread);
    assert_non_null(account_row_kept(&a, 3, 7));
    accounts_cache_free(&as);
}

/* A hostile server's: some thousand new messages, each as long as one response. */
static void contents_of_new_messages_are_bounded_in_bytes(void **state)
{
    (void)state;
    struct accounts as = {0};
    const size_t long_len = 1024 * 1024;
    char *text = mem_alloc(long_len + 1);
    char id[8];
    memset(text, 'a', long_len);
    for (int i = 0; i < 30; i++) {
        (void)snprintf(id, sizeof id, "%d", i);
        accounts_cache_put(&as, id, json_pack("{s:s}", "subject", text));
    }
    assert_null(accounts_cache_get(&as, "20"));
    assert_non_null(accounts_cache_get(&as, "29"));
    accounts_cache_put(&as, "usual", json_pack("{s:s}", "subject", "a"));
    assert_non_null(accounts_cache_get(&as, "usual"));
    assert_non_null(accounts_cache_get(&as, "29"));
    accounts_cache_free(&as);
    mem_free(text);
}

static void another_server_or_user_is_elsewhere(void **state)
{
    (void)state;
    static const struct {
        const char *before, *after;
        bool elsewhere;
    } cases[] = {
        {"{'imap': {'host': 'a'}}", "{'imap': {'host': 'a', 'resyncDelay': 9}}", false},
        {"{'imap': {'host': 'a'}}", "{'imap': {'host': 'b'}}", true},
        {"{'imap': {'auth': {'user': 'a'}}}", "{'imap': {'auth': {'user': 'b'}}}", true},
        {"{'oauth2': {'auth': {'user': 'a'}, 'accessToken': '1'}}",
         "{'oauth2': {'auth': {'user': 'a'}, 'accessToken': '2'}}", false},
        {"{'oauth2': {'auth': {'user': 'a'}}}", "{'oauth2': {'auth': {'user': 'b'}}}",
         true},
        {"{'oauth2': {'provider': 'a'}}", "{'oauth2': {'provider': 'b'}}", true},
        {"{'imap': {'host': 'a'}}", "{'oauth2': {'provider': 'b'}}", true},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char before[128], after[128];
        (void)snprintf(before, sizeof before, "%s", cases[i].before);
        (void)snprintf(after, sizeof after, "%s", cases[i].after);
        for (size_t k = 0; k < sizeof before; k++) {
            before[k] = before[k] == '\'' ? '"' : before[k];
            after[k] = after[k] == '\'' ? '"' : after[k];
        }
        json_t *was = json_of_own(str_of(before)), *is = json_of_own(str_of(after));
        assert_int_equal(account_is_elsewhere(was, is), cases[i].elsewhere);
        json_decref(was);
        json_decref(is);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_of_a_call_are_bounded),
        cmocka_unit_test(kept_row_shows_the_same_with_other_flags),
        cmocka_unit_test(kept_thread_holds_until_the_map_changes),
        cmocka_unit_test(what_may_be_another_next_time_is_not_kept),
        cmocka_unit_test(row_that_is_cut_off_is_not_shown),
        cmocka_unit_test(kept_row_holds_all_that_it_is_made_of),
        cmocka_unit_test(account_without_incarnation_takes_no_rows_of_others_along),
        cmocka_unit_test(contents_of_new_messages_are_bounded_in_bytes),
        cmocka_unit_test(another_server_or_user_is_elsewhere),
    };
    mime_init();
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    mime_fini();
    return failed;
}
