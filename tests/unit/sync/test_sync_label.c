/* Labels among the keywords of a mailbox, and which mailboxes are views of others. */
#include "sync_list_priv.h"
#include "sync_priv.h"

#include "postrider/base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

struct parts {
    struct arena arena;
    struct mailbox *m;
    struct sync_batch batch, index;
    struct sync_diff diff;
};

static struct parts begin(void)
{
    return (struct parts){.m = mailbox_new(1, STR("All"), STR("All"), '/')};
}

static void end(struct parts *t)
{
    sync_batch_fini(&t->batch);
    sync_batch_fini(&t->index);
    sync_diff_fini(&t->diff);
    mailbox_free(&t->m);
    arena_fini(&t->arena);
}

static const struct str inbox_and_umlaut[] = {{"\\Inbox", 6}, {"Entw&APw-rfe", 12}};
static const struct str work[] = {{"Work", 4}};
static const struct str alpha[] = {{"alpha", 5}};

static struct imap_row row_of(uint32_t has, const struct str *labels, size_t count)
{
    return (struct imap_row){.uid = 7,
                             .has = IMAP_ITEM_UID | IMAP_ITEM_FLAGS | has,
                             .flags = {.keywords = alpha, .keyword_count = 1},
                             .labels = labels,
                             .label_count = count};
}

/* The index has one message with these labels and the keyword alpha. */
static const struct msg_row *stored(struct parts *t, const struct str *labels,
                                    size_t count)
{
    struct imap_row row = row_of(IMAP_ITEM_GM_LABELS, labels, count);
    sync_batch_new(&t->index, t->m, &row, true);
    return &t->index.news[0].row;
}

static void labels_and_keywords_are_told_apart(void **state)
{
    (void)state;
    struct parts t = begin();
    const struct msg_row *row = stored(&t, inbox_and_umlaut, 2);
    assert_int_equal(row->keyword_count, 3);
    assert_true(sync_has_label(t.m, row, "\\Inbox"));
    assert_true(sync_has_label(t.m, row, "\\INBOX"));
    assert_true(sync_has_label(t.m, row, "Entw\xc3\xbcrfe"));
    assert_false(sync_has_label(t.m, row, "alpha"));
    end(&t);
}

static void only_all_mail_shows_a_message_as_one_of_inbox(void **state)
{
    (void)state;
    struct parts t = begin();
    const struct msg_row *row = stored(&t, inbox_and_umlaut, 2);
    assert_string_equal(sync_label_path(t.m, row), "All");
    t.m->list_attrs = SYNC_LIST_ALL;
    assert_string_equal(sync_label_path(t.m, row), "INBOX");
    end(&t);
}

static void what_says_nothing_of_labels_leaves_them(void **state)
{
    static const struct {
        uint32_t has;
        const struct str *labels;
        size_t count, changes;
        bool inbox, work;
    } rows[] = {{0, NULL, 0, 0, true, false},
                {IMAP_ITEM_GM_LABELS, inbox_and_umlaut, 2, 0, true, false},
                {IMAP_ITEM_GM_LABELS, work, 1, 1, false, true},
                {IMAP_ITEM_GM_LABELS, NULL, 0, 1, false, false}};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct parts t = begin();
        struct imap_row told = row_of(rows[i].has, rows[i].labels, rows[i].count);
        const struct msg_row *row = stored(&t, inbox_and_umlaut, 2);
        sync_batch_flags(&t.batch, &told);
        sync_diff_stored(&t.diff, &t.batch, t.m, row);
        assert_int_equal(t.diff.change_count, rows[i].changes);
        if (rows[i].changes > 0) {
            const struct msg_row *after = &t.diff.changes[0].after;
            assert_int_equal(sync_has_label(t.m, after, "\\Inbox"), rows[i].inbox);
            assert_int_equal(sync_has_label(t.m, after, "Work"), rows[i].work);
        }
        end(&t);
    }
}

static void flags_told_after_labels_keep_these(void **state)
{
    (void)state;
    struct parts t = begin();
    struct imap_row labels = row_of(IMAP_ITEM_GM_LABELS, work, 1);
    struct imap_row flags = row_of(0, NULL, 0);
    const struct msg_row *row = stored(&t, inbox_and_umlaut, 2);
    flags.flags.system = IMAP_FLAG_SEEN;
    sync_batch_flags(&t.batch, &labels);
    sync_batch_flags(&t.batch, &flags);
    sync_batch_sort(&t.batch, t.m);
    sync_diff_stored(&t.diff, &t.batch, t.m, row);
    assert_int_equal(t.diff.change_count, 1);
    assert_true(sync_has_label(t.m, &t.diff.changes[0].after, "Work"));
    assert_false(sync_has_label(t.m, &t.diff.changes[0].after, "\\Inbox"));
    assert_int_equal(t.diff.changes[0].after.flags, IMAP_FLAG_SEEN);
    end(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(labels_and_keywords_are_told_apart),
        cmocka_unit_test(only_all_mail_shows_a_message_as_one_of_inbox),
        cmocka_unit_test(what_says_nothing_of_labels_leaves_them),
        cmocka_unit_test(flags_told_after_labels_keep_these),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
