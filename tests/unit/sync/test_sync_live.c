/* What an idling connection said, kept until it is applied. */
#include "postrider/sync/sync.h"

#include "postrider/base/clock.h"

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
    sync_live_vanished(l, &set, false);
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

/* --- below the index --- */

enum {
    FIRST = 10, /* UID */
    BELOW = 4
};

static void what_goes_below_is_counted_and_leaves_nothing(void **state)
{
    (void)state;
    struct sync_live l = {.first_uid = FIRST, .below = BELOW};
    sync_live_expunge(&l, BELOW);
    assert_int_equal(l.below, BELOW - 1);
    hear_vanished(&l, 2, 3);
    assert_int_equal(l.below, BELOW - 3);
    assert_true(sync_live_is_empty(&l));
    assert_int_equal(l.changes, 2);
    /* more is said to have gone than there were */
    hear_vanished(&l, 1, FIRST - 1);
    assert_int_equal(l.below, 0);
    assert_true(sync_live_is_empty(&l));
    sync_live_fini(&l);
}

static void a_range_across_the_lower_end_is_cut(void **state)
{
    (void)state;
    struct sync_live l = {.first_uid = FIRST, .below = BELOW};
    hear_vanished(&l, FIRST - 2, FIRST + 1);
    assert_int_equal(l.below, BELOW - 2);
    assert_int_equal(l.vanished_count, 1);
    assert_int_equal(l.vanished[0].lo, FIRST);
    assert_int_equal(l.vanished[0].hi, FIRST + 1);
    sync_live_fini(&l);
}

static void what_went_earlier_was_not_counted(void **state)
{
    (void)state;
    struct sync_live l = {.first_uid = FIRST, .below = BELOW};
    struct imap_range range = {1, FIRST};
    struct imap_set set = {.ranges = &range, .count = 1};
    sync_live_vanished(&l, &set, true);
    assert_int_equal(l.below, BELOW);
    assert_int_equal(l.vanished_count, 1);
    assert_int_equal(l.vanished[0].lo, FIRST);
    sync_live_fini(&l);
}

static void numbers_are_kept_as_if_nothing_were_below(void **state)
{
    (void)state;
    struct sync_live l = {.first_uid = FIRST, .below = BELOW};
    sync_live_expunge(&l, BELOW + 3);
    sync_live_expunge(&l, 1);
    sync_live_expunge(&l, BELOW + 2);
    assert_int_equal(l.below, BELOW - 1);
    assert_int_equal(l.expunged_count, 2);
    assert_int_equal(l.expunged[0], 3);
    assert_int_equal(l.expunged[1], 3);
    sync_live_fini(&l);
}

static void flags_below_are_not_kept(void **state)
{
    (void)state;
    const struct imap_row rows[] = {
        {.has = IMAP_ITEM_UID | IMAP_ITEM_FLAGS, .seq = 2, .uid = FIRST - 1},
        {.has = IMAP_ITEM_FLAGS, .seq = BELOW},
        {.has = IMAP_ITEM_UID | IMAP_ITEM_FLAGS, .seq = BELOW + 1, .uid = FIRST},
        {.has = IMAP_ITEM_FLAGS, .seq = BELOW + 2},
    };
    struct sync_live l = {.first_uid = FIRST, .below = BELOW};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        assert_int_equal(sync_live_row(&l, &rows[i]), i >= 2);
    }
    assert_int_equal(l.row_count, 1);
    assert_int_equal(l.rows[0].uid, FIRST);
    assert_int_equal(l.numbered_count, 1);
    assert_int_equal(l.numbered[0].number, 2);
    assert_false(l.resync);
    sync_live_fini(&l);
}

static void while_it_is_counted_numbers_say_nothing(void **state)
{
    (void)state;
    struct sync_live l = {.first_uid = FIRST, .below_open = true};
    const struct imap_row row = {.has = IMAP_ITEM_FLAGS, .seq = 30};
    sync_live_expunge(&l, 20);
    assert_int_equal(l.expunged_count, 0);
    assert_true(l.below_moved);
    assert_false(l.resync);
    l.below_moved = false;
    hear_vanished(&l, 1, FIRST + 5);
    assert_true(l.below_moved);
    assert_int_equal(l.vanished_count, 1);
    assert_true(sync_live_row(&l, &row));
    assert_true(l.resync);
    sync_live_fini(&l);
}

static void a_date_is_a_day_early_in_utc(void **state)
{
    static const struct {
        const char *date;
        uint32_t day;
    } rows[] = {{"1970-01-01T00:00:00Z", 0},         {"1960-05-01", 0},
                {"1970-01-02T23:59:59Z", 0},         {"1970-01-03", 1},
                {"2026-11-22T00:00:00Z", 20778},     {"2026-11-22T23:59:59.999Z", 20778},
                {"2026-11-22T23:59:59-12:00", 20779}};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        int64_t ms;
        assert_true(clock_parse_iso(str_of(rows[i].date), &ms));
        assert_int_equal(sync_since_day(ms), rows[i].day);
    }
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
        cmocka_unit_test(what_goes_below_is_counted_and_leaves_nothing),
        cmocka_unit_test(a_range_across_the_lower_end_is_cut),
        cmocka_unit_test(what_went_earlier_was_not_counted),
        cmocka_unit_test(numbers_are_kept_as_if_nothing_were_below),
        cmocka_unit_test(flags_below_are_not_kept),
        cmocka_unit_test(while_it_is_counted_numbers_say_nothing),
        cmocka_unit_test(a_date_is_a_day_early_in_utc),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
