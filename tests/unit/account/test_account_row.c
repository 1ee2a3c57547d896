/* Rows of listings: what a call keeps of them. */
#include "account_row.h"

#include "postrider/base/mem.h"
#include "postrider/mime/mime.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum {
    ID_BYTES = 6 * 1024 * 1024, /* what one response may hold, nearly */
    FEW = 3,
    MANY = 32,
    ROWS_CACHE = 1024 * 1024
};

/* A hostile server's: a page may have a thousand of them. */
static void rows_of_a_call_are_bounded(void **state)
{
    (void)state;
    char path[] = "INBOX";
    char *id = mem_alloc(ID_BYTES);
    memset(id, 'a', ID_BYTES);
    const struct imap_envelope envelope = {.message_id = str_from(id, ID_BYTES)};
    const struct imap_row row = {.uid = 1, .thread_id = STR("t"), .envelope = &envelope};
    const struct mailbox m = {.number = 1, .path = path};
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
        .uid = 7, .thread_id = STR("t"), .envelope = &envelope, .size = 12};
    const struct imap_row live = {.uid = 7, .thread_id = STR("t"), .size = 12};
    const struct imap_row flagged = {
        .uid = 7, .thread_id = STR("t"), .flags = {.system = IMAP_FLAG_FLAGGED}};
    const struct mailbox m = {.number = 3, .path = path};
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
    arena_fini(&c.op.arena);
    arena_fini(&other.op.arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_of_a_call_are_bounded),
        cmocka_unit_test(kept_row_shows_the_same_with_other_flags),
    };
    mime_init();
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    mime_fini();
    return failed;
}
