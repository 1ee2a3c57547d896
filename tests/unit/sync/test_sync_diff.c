/* Stored rows against what a pass learned. */
#include "sync_priv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

struct world {
    struct mailbox *m;
    struct sync_batch batch;
    struct sync_diff diff;
};

static struct world world_begin(void)
{
    return (struct world){.m = mailbox_new(1, STR("INBOX"), STR("INBOX"), '/')};
}

static void world_end(struct world *w)
{
    sync_diff_fini(&w->diff);
    sync_batch_fini(&w->batch);
    mailbox_free(&w->m);
}

static void server_says(struct world *w, uint32_t uid, uint64_t modseq, uint8_t system,
                        const char *keyword)
{
    struct str word = str_of(keyword);
    struct imap_row row = {
        .has = IMAP_ITEM_UID | IMAP_ITEM_FLAGS,
        .uid = uid,
        .modseq = modseq,
        .flags = {.system = system, .keywords = &word, .keyword_count = keyword != NULL}};
    sync_batch_flags(&w->batch, &row);
}

static void compare(struct world *w, const struct msg_row *rows, size_t count)
{
    sync_batch_sort(&w->batch, w->m);
    for (size_t i = 0; i < count; i++) {
        sync_diff_stored(&w->diff, &w->batch, w->m, &rows[i]);
    }
}

static void what_vanished_is_deleted_and_nothing_else(void **state)
{
    static const struct msg_row rows[] = {{.uid = 1}, {.uid = 2}, {.uid = 5}, {.uid = 8}};
    (void)state;
    struct world w = world_begin();
    sync_batch_vanished(&w.batch, (struct imap_range){2, 4});
    sync_batch_vanished(&w.batch, (struct imap_range){8, 900});
    compare(&w, rows, ARRAY_LEN(rows));
    assert_int_equal(w.diff.delete_count, 2);
    assert_int_equal(w.diff.deletes[0].uid, 2);
    assert_int_equal(w.diff.deletes[1].uid, 8);
    assert_int_equal(w.diff.change_count, 0);
    assert_int_equal(w.diff.late_count, 0);
    world_end(&w);
}

static void changed_flags_are_a_change_with_both_sides(void **state)
{
    static const struct msg_row rows[] = {
        {.uid = 1, .flags = IMAP_FLAG_SEEN, .modseq = 10},
        {.uid = 2, .modseq = 11, .fingerprint = 77},
        {.uid = 3, .modseq = 12}};
    (void)state;
    struct world w = world_begin();
    server_says(&w, 2, 20, IMAP_FLAG_FLAGGED, "alpha");
    server_says(&w, 3, 0, IMAP_FLAG_SEEN, NULL);
    compare(&w, rows, ARRAY_LEN(rows));
    assert_int_equal(w.diff.change_count, 2);
    const struct sync_change *c = &w.diff.changes[0];
    assert_int_equal(c->before.flags, 0);
    assert_int_equal(c->before.keyword_count, 0);
    assert_int_equal(c->after.flags, IMAP_FLAG_FLAGGED);
    assert_int_equal(c->after.keyword_count, 1);
    assert_int_equal(c->after.modseq, 20);
    assert_int_equal(c->after.fingerprint, 77);
    assert_int_equal(w.diff.changes[1].after.modseq, 12); /* none told: the old one */
    world_end(&w);
}

static void a_modseq_alone_is_no_change(void **state)
{
    static const uint8_t ids[] = {0};
    static const struct msg_row rows[] = {{.uid = 4,
                                           .modseq = 1,
                                           .flags = IMAP_FLAG_SEEN,
                                           .keyword_count = 1,
                                           .keywords = ids}};
    (void)state;
    struct world w = world_begin();
    assert_int_equal(mailbox_keyword_id(w.m, STR("Alpha"), true), 0);
    server_says(&w, 4, 99, IMAP_FLAG_SEEN, "alpha");
    compare(&w, rows, ARRAY_LEN(rows));
    assert_int_equal(w.diff.change_count, 0);
    assert_int_equal(w.diff.late_count, 0);
    world_end(&w);
}

static void keywords_that_differ_are_a_change(void **state)
{
    static const uint8_t ids[] = {0};
    static const struct msg_row rows[] = {
        {.uid = 4, .keyword_count = 1, .keywords = ids},
        {.uid = 5, .keyword_count = 1, .keywords = ids}};
    (void)state;
    struct world w = world_begin();
    assert_int_equal(mailbox_keyword_id(w.m, STR("alpha"), true), 0);
    server_says(&w, 4, 2, 0, "beta");
    server_says(&w, 5, 2, 0, NULL);
    compare(&w, rows, ARRAY_LEN(rows));
    assert_int_equal(w.diff.change_count, 2);
    assert_int_equal(w.diff.changes[0].after.keywords[0], 1);
    assert_int_equal(w.diff.changes[1].after.keyword_count, 0);
    world_end(&w);
}

static void rows_that_are_not_stored_are_late(void **state)
{
    static const struct msg_row rows[] = {{.uid = 5}, {.uid = 9}};
    (void)state;
    struct world w = world_begin();
    server_says(&w, 3, 1, 0, NULL);
    server_says(&w, 4, 1, 0, NULL);
    server_says(&w, 5, 1, 0, NULL);
    server_says(&w, 7, 1, 0, NULL);
    compare(&w, rows, ARRAY_LEN(rows));
    assert_int_equal(w.diff.late_count, 3);
    assert_int_equal(w.diff.late[0], 3);
    assert_int_equal(w.diff.late[2], 7);
    sync_diff_clear(&w.diff);
    assert_int_equal(w.diff.late_count, 0);
    assert_int_equal(w.diff.flags_seen, 0);
    world_end(&w);
}

static void vanished_wins_over_flags(void **state)
{
    static const struct msg_row rows[] = {{.uid = 5}, {.uid = 6}};
    (void)state;
    struct world w = world_begin();
    server_says(&w, 5, 1, IMAP_FLAG_SEEN, NULL);
    server_says(&w, 6, 1, IMAP_FLAG_SEEN, NULL);
    sync_batch_vanished(&w.batch, (struct imap_range){5, 5});
    compare(&w, rows, ARRAY_LEN(rows));
    assert_int_equal(w.diff.delete_count, 1);
    assert_int_equal(w.diff.change_count, 1);
    assert_int_equal(w.diff.changes[0].after.uid, 6);
    world_end(&w);
}

static void deletes_told_twice_count_once(void **state)
{
    (void)state;
    struct world w = world_begin();
    sync_diff_delete(&w.diff, &(struct msg_row){.uid = 3});
    sync_diff_delete(&w.diff, &(struct msg_row){.uid = 3});
    sync_diff_delete(&w.diff, &(struct msg_row){.uid = 4});
    assert_int_equal(w.diff.delete_count, 2);
    world_end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_vanished_is_deleted_and_nothing_else),
        cmocka_unit_test(changed_flags_are_a_change_with_both_sides),
        cmocka_unit_test(a_modseq_alone_is_no_change),
        cmocka_unit_test(keywords_that_differ_are_a_change),
        cmocka_unit_test(rows_that_are_not_stored_are_late),
        cmocka_unit_test(vanished_wins_over_flags),
        cmocka_unit_test(deletes_told_twice_count_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
