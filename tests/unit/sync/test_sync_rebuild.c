/* After UIDVALIDITY changed: each message that was there is kept or told to be gone, each
 * other one is told as new before anything else of it, whatever happens meanwhile. */
#include "fake_world.h"

#include "postrider/base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const char *const servers[] = {"CONDSTORE QRESYNC ESEARCH", "CONDSTORE", ""};

enum {
    ANOTHER = 8, /* UIDVALIDITY */
    YET_ANOTHER = 9,
    DAY_S = 24 * 3600
};

/* --- what happens while the former index is compared --- */

struct meddler {
    unsigned from, at; /* FETCHes of UIDs since the reset */
    void (*act)(struct imap_fake *f);
};

static void meddle(struct imap_fake *f, const char *command, void *ctx)
{
    struct meddler *m = ctx;
    if (strncmp(command, "UID FETCH", 9) == 0 && ++m->at == m->from) {
        m->act(f);
    }
}

static void set_meddler(const struct fake_world *t, struct meddler *m)
{
    imap_fake_config(t->fake)->hook = meddle;
    imap_fake_config(t->fake)->ctx = m;
}

/* --- the log --- */

static void expect(const struct fake_world *t, size_t news, size_t deleted)
{
    struct sync_world *w = t->w;
    world_read_log(w);
    assert_int_equal(w->m->rebuild, 0);
    assert_int_equal(w->m->phase, MAILBOX_PHASE_LIVE);
    assert_int_equal(w->m->count, imap_fake_count(t->fake));
    assert_int_equal(replay_count(w->replay, w->m->box), w->m->count);
    assert_int_equal(w->events[EVENT_MESSAGE_NEW], news);
    assert_int_equal(w->events[EVENT_MESSAGE_DELETED], deleted);
}

static struct fake_world begin(const char *server, size_t count)
{
    struct imap_fake_config config = {.capabilities = server};
    struct fake_world t = fake_world_begin(config, count);
    expect(&t, count, 0);
    return t;
}

static void set_old(const struct fake_world *t, uint32_t lo, uint32_t hi)
{
    for (uint32_t uid = lo; uid <= hi; uid++) {
        struct fake_message old = *imap_fake_find(t->fake, uid);
        old.date_s -= DAY_S;
        imap_fake_swap(t->fake, uid, &old);
    }
}

/* --- tests --- */

static void lose_two(struct imap_fake *f)
{
    imap_fake_flags(f, 31, IMAP_FLAG_SEEN, false);
    imap_fake_flags(f, 32, IMAP_FLAG_SEEN, false);
    imap_fake_expunge(f, 31, 32);
}

static void what_went_before_it_could_be_told_is_not_told_at_all(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(servers); i++) {
        struct fake_world t = begin(servers[i], 30);
        struct meddler meddler = {.from = 1, .act = lose_two};
        imap_fake_expunge(t.fake, 11, 30);
        imap_fake_add(t.fake, 12);
        imap_fake_reset(t.fake, ANOTHER);
        set_meddler(&t, &meddler);
        fake_world_again(&t);
        assert_true(meddler.at >= meddler.from);
        expect(&t, 30 + 10, 20);
        fake_world_end(&t);
    }
}

static void lose_torn(struct imap_fake *f)
{
    imap_fake_expunge(f, 4, 5);
}

/* Indexed while nothing but remains of them was shown: they are not what was known. */
static void what_is_shown_without_content_is_gone(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(servers); i++) {
        struct fake_world t = begin(servers[i], 10);
        struct meddler meddler = {.from = 2, .act = lose_torn};
        imap_fake_reset(t.fake, ANOTHER);
        imap_fake_trouble(t.fake, 4, FAKE_TORN);
        imap_fake_trouble(t.fake, 5, FAKE_TORN);
        set_meddler(&t, &meddler);
        fake_world_again(&t);
        assert_true(meddler.at >= meddler.from);
        expect(&t, 10, 2);
        fake_world_end(&t);
    }
}

/* Nothing was known of it, so all is news, however old it is. */
static void all_is_new_where_nothing_was(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(servers); i++) {
        struct fake_world t = begin(servers[i], 0);
        imap_fake_add(t.fake, 3);
        set_old(&t, 1, 2);
        imap_fake_reset(t.fake, ANOTHER);
        fake_world_again(&t);
        expect(&t, 3, 0);
        imap_fake_flags(t.fake, 1, IMAP_FLAG_SEEN, false);
        imap_fake_expunge(t.fake, 2, 2);
        fake_world_again(&t);
        expect(&t, 3, 1);
        fake_world_end(&t);
    }
}

/* Moved there meanwhile, a message keeps its date: it is told of, however old it is. Where as
 * many are missing they would rather be those, with other dates than before. */
static void old_messages_that_cannot_have_been_there_are_new(void **state)
{
    static const struct {
        uint32_t gone, moved;
        bool told;
    } rows[] = {
        {0, 1, true}, {0, 51, true}, {51, 50, true}, {50, 51, true}, {51, 51, false}};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows) * ARRAY_LEN(servers); i++) {
        uint32_t gone = rows[i % ARRAY_LEN(rows)].gone,
                 moved = rows[i % ARRAY_LEN(rows)].moved;
        struct fake_world t = begin(servers[i / ARRAY_LEN(rows)], 100);
        if (gone > 0) {
            imap_fake_expunge(t.fake, 1, gone);
        }
        imap_fake_add(t.fake, moved);
        set_old(&t, 101, 100 + moved);
        imap_fake_reset(t.fake, ANOTHER);
        fake_world_again(&t);
        if (rows[i % ARRAY_LEN(rows)].told) {
            expect(&t, 100 + moved, gone);
        } else {
            world_read_log(t.w);
            assert_int_equal(t.w->events[EVENT_MESSAGE_NEW], 100);
            assert_int_equal(t.w->m->count, 100 + moved - gone);
        }
        fake_world_end(&t);
    }
}

/* What has another EMAILID is another message: it was not there under other marks. */
static void any_number_of_old_messages_is_new_by_emailid(void **state)
{
    (void)state;
    struct fake_world t = begin("CONDSTORE QRESYNC ESEARCH OBJECTID", 100);
    imap_fake_add(t.fake, 200);
    set_old(&t, 101, 300);
    imap_fake_expunge(t.fake, 1, 10);
    imap_fake_reset(t.fake, ANOTHER);
    fake_world_again(&t);
    expect(&t, 300, 10);
    fake_world_end(&t);
}

/* UIDNEXT and HIGHESTMODSEQ went back, so it cannot be the one that was there. */
static void another_mailbox_with_the_same_uidvalidity_is_a_reset(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(servers) && servers[i][0] != '\0'; i++) {
        struct fake_world t = begin(servers[i], 15);
        imap_fake_flags(t.fake, 15, IMAP_FLAG_SEEN, false);
        world_sync(t.w);
        imap_fake_replace(t.fake);
        imap_fake_add(t.fake, 3);
        set_old(&t, 1, 3);
        fake_world_again(&t);
        expect(&t, 15 + 3, 15);
        assert_int_equal(t.w->events[EVENT_MAILBOX_RESET], 1);
        assert_int_equal(t.w->m->last_uid, 3);
        fake_world_end(&t);
    }
}

static void break_one(struct imap_fake *f)
{
    imap_fake_trouble(f, 9, FAKE_REFUSES);
}

static void a_message_that_cannot_be_shown_hides_no_other(void **state)
{
    (void)state;
    struct fake_world t = begin(servers[0], 5);
    imap_fake_expunge(t.fake, 1, 5);
    imap_fake_add(t.fake, 20);
    imap_fake_reset(t.fake, ANOTHER);
    struct meddler meddler = {.from = 1, .act = break_one};
    set_meddler(&t, &meddler);
    fake_world_again(&t);
    assert_true(meddler.at >= meddler.from);
    world_read_log(t.w);
    assert_int_equal(t.w->m->count, 20);
    assert_int_equal(t.w->events[EVENT_MESSAGE_NEW], 5 + 19);
    fake_world_end(&t);
}

/* Begins a pass and cuts it off as soon as so much of the comparison is told. */
static void cut_off_at(struct fake_world *t, uint32_t told)
{
    struct sync_world *w = t->w;
    fake_world_reconnect(t);
    struct sync_pass *pass = world_pass_start(w, true);
    while (w->m->rebuild_told < told && !w->done) {
        loop_fixture_run_for(w->redis->loop, 1);
    }
    assert_false(w->done);
    sync_pass_cancel(pass);
    loop_fixture_run_until(w->redis->loop, &w->done, WORLD_SYNC_WAIT_MS);
    w->done = false;
    world_reload(w);
    assert_int_equal(w->m->rebuild, 1);
    assert_true(w->m->rebuild_told >= told);
}

static void what_was_told_before_a_crash_is_not_told_again(void **state)
{
    (void)state;
    struct fake_world t = begin(servers[0], 5);
    imap_fake_expunge(t.fake, 1, 5);
    imap_fake_add(t.fake, 1200);
    imap_fake_reset(t.fake, ANOTHER);
    cut_off_at(&t, 5 + 500);
    fake_world_again(&t);
    expect(&t, 5 + 1200, 5);
    fake_world_end(&t);
}

/* UIDVALIDITY changes once more in the middle of telling what the last change did. */
static void a_reset_within_a_comparison_loses_nothing(void **state)
{
    (void)state;
    static const uint32_t told[] = {500, 700 + 500};
    for (size_t i = 0; i < ARRAY_LEN(told) * ARRAY_LEN(servers); i++) {
        struct fake_world t = begin(servers[i / ARRAY_LEN(told)], 705);
        imap_fake_expunge(t.fake, 1, 700);
        imap_fake_add(t.fake, 1200);
        imap_fake_reset(t.fake, ANOTHER);
        cut_off_at(&t, told[i % ARRAY_LEN(told)]);
        imap_fake_reset(t.fake, YET_ANOTHER);
        imap_fake_expunge(t.fake, 705, 705);
        imap_fake_add(t.fake, 1);
        fake_world_again(&t);
        expect(&t, 705 + 1200 + 1, 700 + 1);
        fake_world_end(&t);
    }
}

/* As many changes as make a pass due, of a mailbox that is left alone. */
static void nothing_is_due_of_a_mailbox_that_rests(void **state)
{
    (void)state;
    struct fake_world t = begin(servers[0], 5);
    t.w->m->rest_until_ms = clock_wall_ms() + (int64_t)DAY_S * 1000;
    for (unsigned i = 0; i < 200; i++) {
        sync_live_expunge(&t.w->live, 1);
    }
    assert_true(t.w->live.changes >= 200);
    world_pass(t.w, true);
    assert_true(sync_live_is_empty(&t.w->live));
    assert_int_equal(t.w->live.changes, 0);
    fake_world_end(&t);
}

/* What the connection tells meanwhile is of messages that have other UIDs. */
static void a_mailbox_that_rested_is_selected_before_it_is_looked_at(void **state)
{
    (void)state;
    struct fake_world t = begin(servers[0], 5);
    t.w->sc.resets_per_day = 1;
    for (uint32_t validity = ANOTHER; validity <= YET_ANOTHER; validity++) {
        imap_fake_reset(t.fake, validity);
        fake_world_again(&t);
    }
    assert_int_equal(t.w->m->uid_validity, ANOTHER);
    assert_true(t.w->m->rest_until_ms > clock_wall_ms());
    imap_fake_add(t.fake, 1);
    world_listen(t.w);
    assert_false(sync_must_select(t.w->conn, t.w->m));
    world_pass(t.w, false);
    assert_int_equal(t.w->m->count, 5);
    t.w->sc.resets_per_day = 2;
    t.w->m->rest_until_ms = clock_wall_ms() - 1;
    assert_true(sync_must_select(t.w->conn, t.w->m));
    imap_fake_add(t.fake, 1);
    world_listen(t.w);
    world_sync_live(t.w);
    assert_int_equal(t.w->m->uid_validity, YET_ANOTHER);
    expect(&t, 5 + 2, 0);
    fake_world_end(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_went_before_it_could_be_told_is_not_told_at_all),
        cmocka_unit_test(what_is_shown_without_content_is_gone),
        cmocka_unit_test(all_is_new_where_nothing_was),
        cmocka_unit_test(old_messages_that_cannot_have_been_there_are_new),
        cmocka_unit_test(any_number_of_old_messages_is_new_by_emailid),
        cmocka_unit_test(another_mailbox_with_the_same_uidvalidity_is_a_reset),
        cmocka_unit_test(a_message_that_cannot_be_shown_hides_no_other),
        cmocka_unit_test(what_was_told_before_a_crash_is_not_told_again),
        cmocka_unit_test(a_reset_within_a_comparison_loses_nothing),
        cmocka_unit_test(nothing_is_due_of_a_mailbox_that_rests),
        cmocka_unit_test(a_mailbox_that_rested_is_selected_before_it_is_looked_at),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
