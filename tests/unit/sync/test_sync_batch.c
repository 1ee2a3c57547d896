/* What a pass learned, put in order. */
#include "sync_priv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct mailbox *mailbox(void)
{
    return mailbox_new(1, STR("INBOX"), STR("INBOX"), '/');
}

static struct imap_row row_of(uint32_t uid, uint8_t system, const struct str *keywords,
                              size_t keyword_count)
{
    return (struct imap_row){.has = IMAP_ITEM_UID | IMAP_ITEM_FLAGS,
                             .uid = uid,
                             .flags = {.system = system,
                                       .keywords = keywords,
                                       .keyword_count = keyword_count}};
}

static void rows_are_sorted_and_the_last_fact_wins(void **state)
{
    static const struct {
        uint32_t uid;
        uint8_t system;
    } facts[] = {{7, IMAP_FLAG_SEEN},    {3, IMAP_FLAG_DRAFT},
                 {7, IMAP_FLAG_FLAGGED}, {5, 0},
                 {3, IMAP_FLAG_SEEN},    {7, IMAP_FLAG_ANSWERED}};
    static const struct {
        uint32_t uid;
        uint8_t system;
    } expected[] = {{3, IMAP_FLAG_SEEN}, {5, 0}, {7, IMAP_FLAG_ANSWERED}};
    (void)state;
    struct sync_batch b = {0};
    struct mailbox *m = mailbox();
    for (size_t i = 0; i < ARRAY_LEN(facts); i++) {
        struct imap_row row = row_of(facts[i].uid, facts[i].system, NULL, 0);
        sync_batch_new(&b, m, &row, true);
        sync_batch_flags(&b, &row);
    }
    assert_int_equal(sync_batch_size(&b), 12);
    sync_batch_sort(&b, m);
    assert_int_equal(b.new_count, ARRAY_LEN(expected));
    assert_int_equal(b.flag_count, ARRAY_LEN(expected));
    for (size_t i = 0; i < ARRAY_LEN(expected); i++) {
        assert_int_equal(b.news[i].row.uid, expected[i].uid);
        assert_int_equal(b.news[i].row.flags, expected[i].system);
        assert_int_equal(b.flags[i].uid, expected[i].uid);
        assert_int_equal(b.flags[i].system, expected[i].system);
    }
    sync_batch_fini(&b);
    mailbox_free(&m);
}

static void later_flags_keep_date_size_and_announcement(void **state)
{
    (void)state;
    struct sync_batch b = {0};
    struct mailbox *m = mailbox();
    struct imap_row whole = row_of(9, 0, NULL, 0);
    whole.has |=
        IMAP_ITEM_INTERNALDATE | IMAP_ITEM_SIZE | IMAP_ITEM_MODSEQ | IMAP_ITEM_EMAILID;
    whole.internaldate_ms = 1700000000000;
    whole.size = 4321;
    whole.modseq = 5;
    whole.email_id = STR("M1");
    struct imap_row flags = row_of(9, IMAP_FLAG_SEEN, NULL, 0);
    sync_batch_new(&b, m, &whole, false);
    sync_batch_new(&b, m, &flags, true);
    sync_batch_sort(&b, m);
    assert_int_equal(b.new_count, 1);
    assert_int_equal(b.news[0].row.flags, IMAP_FLAG_SEEN);
    assert_int_equal(b.news[0].internaldate_ms, whole.internaldate_ms);
    assert_int_equal(b.news[0].size, whole.size);
    assert_int_equal(b.news[0].row.modseq, 5);
    assert_int_not_equal(b.news[0].row.fingerprint, 0);
    assert_true(str_eq_c(b.news[0].row.email_id, "M1"));
    assert_false(b.news[0].announce);
    sync_batch_fini(&b);
    mailbox_free(&m);
}

static void keywords_become_rising_ids_of_the_dictionary(void **state)
{
    const struct str first[] = {STR("beta"), STR("alpha")};
    const struct str second[] = {STR("gamma"), STR("ALPHA"), STR("beta"), STR("Beta")};
    (void)state;
    struct sync_batch b = {0};
    struct mailbox *m = mailbox();
    struct imap_row one = row_of(1, 0, first, ARRAY_LEN(first));
    struct imap_row two = row_of(2, 0, second, ARRAY_LEN(second));
    sync_batch_new(&b, m, &one, true);
    sync_batch_new(&b, m, &two, true);
    assert_int_equal(m->keyword_count, 3);
    assert_int_equal(b.news[0].row.keyword_count, 2);
    assert_memory_equal(b.news[0].row.keywords, ((uint8_t[]){0, 1}), 2);
    assert_int_equal(b.news[1].row.keyword_count, 3);
    assert_memory_equal(b.news[1].row.keywords, ((uint8_t[]){0, 1, 2}), 3);
    sync_batch_fini(&b);
    mailbox_free(&m);
}

static void a_full_dictionary_leaves_names_out(void **state)
{
    (void)state;
    struct arena arena = {0};
    struct sync_batch b = {0};
    struct mailbox *m = mailbox();
    enum {
        NAMES = MAILBOX_KEYWORDS_MAX + 20
    };
    struct str *names = ARENA_ARRAY(&arena, struct str, NAMES);
    for (size_t i = 0; i < NAMES; i++) {
        names[i] = str_of(arena_printf(&arena, "k%zu", i));
    }
    struct imap_row row = row_of(1, 0, names, NAMES);
    sync_batch_new(&b, m, &row, true);
    sync_batch_flags(&b, &row);
    assert_int_equal(b.news[0].row.keyword_count, MAILBOX_KEYWORDS_MAX);
    assert_int_equal(b.flags[0].keyword_count, MAILBOX_KEYWORDS_MAX);
    struct str extra = STR("one more");
    struct imap_row late = row_of(2, 0, &extra, 1);
    sync_batch_new(&b, m, &late, true);
    assert_int_equal(b.news[1].row.keyword_count, 0);
    sync_batch_fini(&b);
    mailbox_free(&m);
    arena_fini(&arena);
}

static void an_adopted_row_outlives_its_batch(void **state)
{
    (void)state;
    struct sync_batch from = {0}, to = {0};
    struct mailbox *m = mailbox();
    struct str keyword = STR("alpha");
    struct imap_row row = row_of(4, IMAP_FLAG_SEEN, &keyword, 1);
    row.has |= IMAP_ITEM_EMAILID;
    row.email_id = STR("M4");
    sync_batch_new(&from, m, &row, true);
    sync_batch_adopt(&to, &from.news[0]);
    sync_batch_fini(&from);
    assert_int_equal(to.new_count, 1);
    assert_int_equal(to.news[0].row.uid, 4);
    assert_int_equal(to.news[0].row.keywords[0], 0);
    assert_true(str_eq_c(to.news[0].row.email_id, "M4"));
    assert_true(to.news[0].announce);
    sync_batch_fini(&to);
    mailbox_free(&m);
}

static void live_facts_come_before_what_is_fetched_later(void **state)
{
    (void)state;
    struct sync_batch b = {0};
    struct sync_live live = {0};
    struct str keyword = STR("alpha");
    struct imap_row heard = row_of(2, 0, &keyword, 1);
    struct imap_row fetched = row_of(2, IMAP_FLAG_FLAGGED, NULL, 0);
    struct imap_range gone = {5, 6};
    struct imap_set set = {.ranges = &gone, .count = 1};
    sync_live_row(&live, &heard);
    sync_live_vanished(&live, &set, false);
    sync_batch_take_live(&b, &live);
    sync_live_fini(&live);
    assert_true(str_eq_c(b.flags[0].keywords[0], "alpha"));
    sync_batch_flags(&b, &fetched);
    sync_batch_vanished(&b, (struct imap_range){1, 1});
    sync_batch_vanished(&b, (struct imap_range){6, 9});
    sync_batch_sort(&b, NULL);
    assert_int_equal(b.flag_count, 1);
    assert_int_equal(b.flags[0].system, IMAP_FLAG_FLAGGED);
    assert_int_equal(b.vanished_count, 2);
    assert_int_equal(b.vanished[1].lo, 5);
    assert_int_equal(b.vanished[1].hi, 9);
    struct sync_batch rest = {0};
    sync_batch_move_vanished(&rest, &b);
    assert_int_equal(b.vanished_count, 0);
    assert_int_equal(rest.vanished_count, 2);
    sync_batch_clear(&b);
    assert_true(sync_batch_is_empty(&b));
    sync_batch_fini(&rest);
    sync_batch_fini(&b);
}

static void fingerprints_tell_date_and_size_apart(void **state)
{
    (void)state;
    uint32_t print = sync_fingerprint(1700000000000, 100);
    assert_int_not_equal(print, 0);
    assert_int_equal(print, sync_fingerprint(1700000000000, 100));
    assert_int_not_equal(print, sync_fingerprint(1700000001000, 100));
    assert_int_not_equal(print, sync_fingerprint(1700000000000, 101));
    assert_int_not_equal(sync_fingerprint(0, 0), 0);
    struct sync_batch b = {0};
    struct mailbox *m = mailbox();
    struct imap_row row = row_of(1, 0, NULL, 0);
    sync_batch_new(&b, m, &row, true);
    assert_int_equal(b.news[0].row.fingerprint, 0); /* neither is known */
    sync_batch_fini(&b);
    mailbox_free(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_sorted_and_the_last_fact_wins),
        cmocka_unit_test(later_flags_keep_date_size_and_announcement),
        cmocka_unit_test(keywords_become_rising_ids_of_the_dictionary),
        cmocka_unit_test(a_full_dictionary_leaves_names_out),
        cmocka_unit_test(an_adopted_row_outlives_its_batch),
        cmocka_unit_test(live_facts_come_before_what_is_fetched_later),
        cmocka_unit_test(fingerprints_tell_date_and_size_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
