/* Rows of a former index against those of the one that replaced it. */
#include "sync_match.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct msg_row row(uint32_t uid, uint32_t print, uint8_t flags, const char *email)
{
    return (struct msg_row){
        .uid = uid, .fingerprint = print, .flags = flags, .email_id = str_of(email)};
}

static void add(struct sync_match *t, struct msg_row r, bool by_email)
{
    sync_match_add(t, sync_match_key(&r, by_email), &r);
}

/* UID of the partner, or 0. */
static uint32_t take(struct sync_match *t, struct msg_row r, bool by_email)
{
    const struct msg_row *found = sync_match_take(t, sync_match_key(&r, by_email), &r);
    return found != NULL ? found->uid : 0;
}

static void partners_are_found_by_fingerprint(void **state)
{
    struct sync_match t = {0};
    (void)state;
    for (uint32_t uid = 1; uid <= 1000; uid++) {
        add(&t, row(uid, 7000 + uid, 0, NULL), false);
    }
    sync_match_sort(&t);
    for (uint32_t uid = 1; uid <= 1000; uid += 2) {
        assert_int_equal(take(&t, row(1, 7000 + uid, 1, NULL), false), uid);
        assert_int_equal(take(&t, row(1, 7000 + uid, 1, NULL), false), 0);
    }
    assert_int_equal(take(&t, row(1, 9, 0, NULL), false), 0);
    sync_match_fini(&t);
}

static void an_email_id_outweighs_the_fingerprint(void **state)
{
    struct sync_match t = {0};
    (void)state;
    add(&t, row(1, 5, 0, "M1"), true);
    add(&t, row(2, 5, 0, "M2"), true);
    sync_match_sort(&t);
    assert_int_equal(take(&t, row(9, 6, 0, "M2"), true), 2);
    assert_int_equal(take(&t, row(9, 5, 0, "M3"), true), 0);
    assert_int_equal(take(&t, row(9, 5, 0, "M1"), true), 1);
    sync_match_fini(&t);
}

static void equal_ones_pair_one_to_one_first_with_equal_flags(void **state)
{
    struct sync_match t = {0};
    (void)state;
    add(&t, row(1, 5, 0, NULL), false);
    add(&t, row(2, 5, 1, NULL), false);
    add(&t, row(3, 5, 2, NULL), false);
    sync_match_sort(&t);
    assert_int_equal(take(&t, row(9, 5, 2, NULL), false), 3);
    assert_int_equal(take(&t, row(9, 5, 1, NULL), false), 2);
    assert_int_equal(take(&t, row(9, 5, 1, NULL), false), 1);
    assert_int_equal(take(&t, row(9, 5, 1, NULL), false), 0);
    sync_match_fini(&t);
}

/* A server that gives all messages the same date and size costs time per message, not per
 * pair of messages. */
static void a_flood_of_equal_ones_ends(void **state)
{
    struct sync_match t = {0};
    (void)state;
    for (uint32_t uid = 1; uid <= SYNC_MATCH_ROWS + 10; uid++) {
        add(&t, row(uid, 5, 0, NULL), false);
    }
    assert_int_equal(t.count, SYNC_MATCH_ROWS);
    assert_true(t.overflow);
    sync_match_sort(&t);
    for (uint32_t uid = 1; uid <= SYNC_MATCH_ROWS; uid++) {
        assert_int_not_equal(take(&t, row(uid, 5, 1, NULL), false), 0);
    }
    assert_int_equal(take(&t, row(1, 5, 1, NULL), false), 0);
    sync_match_clear(&t);
    assert_false(t.overflow);
    sync_match_fini(&t);
}

static void rows_without_marks_have_no_partner(void **state)
{
    struct sync_match t = {0};
    (void)state;
    add(&t, row(1, 0, 0, NULL), false);
    sync_match_sort(&t);
    assert_int_equal(take(&t, row(1, 0, 0, NULL), false), 0);
    sync_match_fini(&t);
}

static void what_tells_depends_on_both_sides(void **state)
{
    static const struct {
        struct sync_match_facts old_side, new_side;
        bool by_email, telling;
    } rows[] = {
        {{100, 0, 100}, {100, 0, 100}, false, true},
        {{100, 0, 90}, {100, 0, 100}, false, false},
        {{100, 0, 91}, {100, 0, 91}, false, true},
        {{100, 100, 100}, {100, 0, 100}, false, true}, /* EMAILID on one side only */
        {{100, 95, 0}, {100, 95, 0}, true, true},
        {{100, 50, 0}, {100, 100, 0}, false, false},
        {{100, 0, 100}, {0, 0, 0}, false, true}, /* emptied */
        {{100, 100, 0}, {0, 0, 0}, true, true},
        {{0, 0, 0}, {0, 0, 0}, false, true},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        bool by_email = sync_match_by_email(&rows[i].old_side, &rows[i].new_side);
        assert_int_equal(by_email, rows[i].by_email);
        assert_int_equal(
            sync_match_is_telling(&rows[i].old_side, &rows[i].new_side, by_email),
            rows[i].telling);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(partners_are_found_by_fingerprint),
        cmocka_unit_test(an_email_id_outweighs_the_fingerprint),
        cmocka_unit_test(equal_ones_pair_one_to_one_first_with_equal_flags),
        cmocka_unit_test(a_flood_of_equal_ones_ends),
        cmocka_unit_test(rows_without_marks_have_no_partner),
        cmocka_unit_test(what_tells_depends_on_both_sides),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
