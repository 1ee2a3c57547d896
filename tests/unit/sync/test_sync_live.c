/* What an idling connection said, kept until it is applied. */
#include "postrider/sync/sync.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum {
    MORE_THAN_KEPT = 12000
};

static void hear_row(struct sync_live *l, uint32_t has, uint32_t uid, uint64_t modseq)
{
    struct imap_row row = {.seq = 1, .has = has, .uid = uid, .modseq = modseq};
    sync_live_row(l, &row);
}

static void hear_vanished(struct sync_live *l, uint32_t lo, uint32_t hi)
{
    struct imap_range range = {lo, hi};
    struct imap_set set = {.ranges = &range, .count = 1};
    sync_live_vanished(l, &set);
}

static void nothing_is_empty_and_passive(void **state)
{
    (void)state;
    struct sync_live l = {0};
    assert_true(sync_live_is_empty(&l));
    assert_true(sync_live_is_passive(&l));
    sync_live_fini(&l);
}

static void only_facts_by_uid_are_passive(void **state)
{
    (void)state;
    struct sync_live l = {0};
    hear_row(&l, IMAP_ITEM_UID | IMAP_ITEM_FLAGS, 4, 9);
    hear_vanished(&l, 1, 3);
    assert_true(sync_live_is_passive(&l));
    assert_false(sync_live_is_empty(&l));
    assert_int_equal(l.changes, 2);
    assert_int_equal(l.modseq, 9);
    sync_live_expunge(&l, 2);
    assert_false(sync_live_is_passive(&l));
    sync_live_reset(&l);
    assert_true(sync_live_is_empty(&l));
    assert_int_equal(l.modseq, 9);
    assert_int_equal(l.changes, 3);
    sync_live_exists(&l);
    assert_false(sync_live_is_passive(&l));
    assert_false(sync_live_is_empty(&l));
    sync_live_fini(&l);
}

static void a_row_without_uid_is_kept_by_its_number(void **state)
{
    static const struct {
        uint32_t seq, has, uid;
        bool resync, kept, numbered;
    } rows[] = {{7, IMAP_ITEM_FLAGS, 0, false, false, true},
                {7, IMAP_ITEM_FLAGS | IMAP_ITEM_UID, 0, false, false, true},
                {0, IMAP_ITEM_FLAGS, 0, true, false, false},
                {7, IMAP_ITEM_UID, 3, false, false, false},
                {7, IMAP_ITEM_UID | IMAP_ITEM_MODSEQ, 3, false, false, false},
                {7, IMAP_ITEM_FLAGS | IMAP_ITEM_UID, 3, false, true, false}};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct sync_live l = {0};
        struct imap_row row = {
            .seq = rows[i].seq, .has = rows[i].has, .uid = rows[i].uid};
        sync_live_row(&l, &row);
        assert_int_equal(l.resync, rows[i].resync);
        assert_int_equal(l.row_count, rows[i].kept);
        assert_int_equal(l.numbered_count, rows[i].numbered);
        assert_int_equal(sync_live_is_passive(&l), !rows[i].resync);
        sync_live_fini(&l);
    }
}

static void numbers_hold_until_anything_else_is_said(void **state)
{
    (void)state;
    for (int what = 0; what < 4; what++) {
        struct sync_live l = {0};
        hear_row(&l, IMAP_ITEM_FLAGS, 0, 0);
        assert_true(sync_live_numbers_hold(&l));
        switch (what) {
        case 0:
            sync_live_exists(&l);
            break;
        case 1:
            sync_live_expunge(&l, 1);
            break;
        case 2:
            hear_vanished(&l, 4, 4);
            break;
        default:
            hear_row(&l, IMAP_ITEM_UID | IMAP_ITEM_FLAGS, 3, 0);
        }
        assert_false(sync_live_numbers_hold(&l));
        sync_live_reset(&l);
        assert_true(sync_live_is_empty(&l));
        sync_live_fini(&l);
    }
}

static void the_highest_modseq_is_kept(void **state)
{
    (void)state;
    struct sync_live l = {0};
    hear_row(&l, IMAP_ITEM_UID | IMAP_ITEM_FLAGS, 1, 20);
    hear_row(&l, IMAP_ITEM_UID | IMAP_ITEM_FLAGS, 2, 10);
    assert_int_equal(l.modseq, 20);
    sync_live_fini(&l);
}

static void keywords_outlive_the_row(void **state)
{
    (void)state;
    struct sync_live l = {0};
    char name[] = "alpha";
    struct str keyword = str_of(name);
    struct imap_row row = {.has = IMAP_ITEM_UID | IMAP_ITEM_FLAGS,
                           .uid = 1,
                           .flags = {.keywords = &keyword, .keyword_count = 1}};
    sync_live_row(&l, &row);
    name[0] = 'x';
    assert_true(str_eq_c(l.rows[0].keywords[0], "alpha"));
    sync_live_fini(&l);
}

static void too_many_facts_become_a_comparison(void **state)
{
    (void)state;
    for (int kind = 0; kind < 3; kind++) {
        struct sync_live l = {0};
        for (uint32_t i = 1; i <= MORE_THAN_KEPT; i++) {
            switch (kind) {
            case 0:
                hear_row(&l, IMAP_ITEM_UID | IMAP_ITEM_FLAGS, i, 0);
                break;
            case 1:
                hear_vanished(&l, 2 * i, 2 * i);
                break;
            default:
                sync_live_expunge(&l, 1);
            }
        }
        assert_true(l.resync);
        assert_in_range(l.row_count + l.vanished_count + l.expunged_count, 1,
                        MORE_THAN_KEPT - 1);
        sync_live_reset(&l);
        assert_false(l.resync);
        sync_live_fini(&l);
    }
}

static void too_many_bytes_become_a_comparison(void **state)
{
    (void)state;
    static char name[64 * 1024];
    struct sync_live l = {0};
    memset(name, 'k', sizeof name);
    struct str keyword = str_from(name, sizeof name);
    for (uint32_t i = 1; i <= 100; i++) {
        struct imap_row row = {.has = IMAP_ITEM_UID | IMAP_ITEM_FLAGS,
                               .uid = i,
                               .flags = {.keywords = &keyword, .keyword_count = 1}};
        sync_live_row(&l, &row);
    }
    assert_true(l.resync);
    assert_in_range(l.row_count, 1, 99);
    sync_live_fini(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_empty_and_passive),
        cmocka_unit_test(only_facts_by_uid_are_passive),
        cmocka_unit_test(a_row_without_uid_is_kept_by_its_number),
        cmocka_unit_test(numbers_hold_until_anything_else_is_said),
        cmocka_unit_test(the_highest_modseq_is_kept),
        cmocka_unit_test(keywords_outlive_the_row),
        cmocka_unit_test(too_many_facts_become_a_comparison),
        cmocka_unit_test(too_many_bytes_become_a_comparison),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
