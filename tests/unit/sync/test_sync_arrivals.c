/* sync_live: which rows count as arrivals, and what is kept of them. */
#include "postrider/sync/sync.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

enum {
    ITEMS = IMAP_ITEM_UID | IMAP_ITEM_FLAGS | IMAP_ITEM_INTERNALDATE | IMAP_ITEM_SIZE |
            IMAP_ITEM_MODSEQ | IMAP_ITEM_ENVELOPE,
    KEPT = ITEMS & ~IMAP_ITEM_ENVELOPE
};

static struct mailbox *mailbox_up_to(uint32_t last_uid)
{
    struct mailbox *m = mailbox_new(1, STR("INBOX"), STR("INBOX"), '/');
    m->last_uid = last_uid;
    return m;
}

static void complete_rows_above_the_index_are_arrivals(void **state)
{
    (void)state;
    static const struct {
        uint32_t has, uid;
        bool arrival;
    } cases[] = {{ITEMS, 81, true},
                 {KEPT, 81, true}, /* content is fetched when somebody wants it */
                 {ITEMS, 80, false},
                 {ITEMS, 3, false},
                 {KEPT & ~IMAP_ITEM_FLAGS, 81, false},
                 {KEPT & ~IMAP_ITEM_MODSEQ, 81, false},
                 {IMAP_ITEM_UID | IMAP_ITEM_FLAGS, 81, false},
                 {KEPT & ~IMAP_ITEM_UID, 0, false}};
    struct mailbox *m = mailbox_up_to(80);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct store_acct acct = {0};
        struct sync_ctx sc = {.acct = &acct, .new_items = IMAP_ITEM_ENVELOPE};
        struct sync_live live = {0};
        struct imap_row row = {.has = cases[i].has, .uid = cases[i].uid};
        assert_int_equal(sync_live_arrival(&live, &sc, m, ITEMS, &row), cases[i].arrival);
        assert_int_equal(sync_live_is_empty(&live), !cases[i].arrival);
        sync_live_reset(&live);
        assert_true(sync_live_is_empty(&live));
        sync_live_fini(&live);
    }
    mailbox_free(&m);
}

static void what_is_kept_outlives_the_row(void **state)
{
    (void)state;
    struct store_acct acct = {0};
    struct sync_ctx sc = {.acct = &acct, .notify_from_ms = 5000};
    struct mailbox *m = mailbox_up_to(0);
    struct sync_live live = {0};
    char keyword[] = "kw", id[] = "M1";
    struct str keywords[] = {str_of(keyword)};
    struct imap_envelope envelope = {0};
    struct imap_row row = {
        .has = ITEMS | IMAP_ITEM_EMAILID,
        .uid = 7,
        .modseq = 9,
        .internaldate_ms = 1000,
        .size = 11,
        .flags = {.system = IMAP_FLAG_SEEN, .keywords = keywords, .keyword_count = 1},
        .email_id = str_of(id),
        .envelope = &envelope};
    assert_true(sync_live_arrival(&live, &sc, m, KEPT, &row));
    keyword[0] = id[0] = 'x';
    const struct imap_row *kept = &live.arrivals[0];
    assert_int_equal(kept->uid, 7);
    assert_int_equal(kept->modseq, 9);
    assert_int_equal(kept->internaldate_ms, 1000);
    assert_int_equal(kept->size, 11);
    assert_int_equal(kept->flags.system, IMAP_FLAG_SEEN);
    assert_int_equal(kept->flags.keyword_count, 1);
    assert_true(str_eq_c(kept->flags.keywords[0], "kw"));
    assert_true(str_eq_c(kept->email_id, "M1"));
    assert_null(kept->envelope);
    sync_live_fini(&live);
    mailbox_free(&m);
}

static void a_flood_of_arrivals_ends_in_a_comparison(void **state)
{
    (void)state;
    struct store_acct acct = {0};
    struct sync_ctx sc = {.acct = &acct};
    struct mailbox *m = mailbox_up_to(0);
    struct sync_live live = {0};
    for (uint32_t uid = 1; uid <= 20000; uid++) {
        struct imap_row row = {.has = KEPT, .uid = uid};
        assert_true(sync_live_arrival(&live, &sc, m, KEPT, &row));
    }
    assert_true(live.resync);
    assert_in_range(live.arrival_count, 1, 10000);
    sync_live_fini(&live);
    mailbox_free(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(complete_rows_above_the_index_are_arrivals),
        cmocka_unit_test(what_is_kept_outlives_the_row),
        cmocka_unit_test(a_flood_of_arrivals_ends_in_a_comparison),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
