/* Passes over a mailbox of which the server shows only the newest ten thousand messages. */
#include "fake_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum {
    WINDOW = 10000,
    HIDDEN = 500, /* in the beginning */
    KIB = 1024
};

static struct fake_world begin(void)
{
    struct imap_fake_config config = {.capabilities = "XYMHIGHESTMODSEQ",
                                      .window = WINDOW};
    struct fake_world t = fake_world_begin(config, WINDOW + HIDDEN);
    t.w->sc.notify_from_ms = 0;
    replay_baseline(t.w->replay, t.w->m->box, t.w->m->count);
    assert_int_equal(t.w->m->window_floor, HIDDEN + 1);
    (void)imap_fake_bytes(t.fake, true);
    return t;
}

static void look(struct fake_world *t, bool live)
{
    if (live) {
        world_listen(t->w);
        world_sync_live(t->w);
    } else {
        fake_world_reconnect(t);
        world_sync(t->w);
    }
}

static void told(struct fake_world *t, size_t added, size_t deleted)
{
    world_read_log(t->w);
    assert_int_equal(t->w->events[EVENT_MESSAGE_NEW], added);
    assert_int_equal(t->w->events[EVENT_MESSAGE_DELETED], deleted);
    assert_int_equal(t->w->m->exists, t->w->m->count);
}

static void an_arrival_deletes_nothing(void **state)
{
    (void)state;
    for (int live = 0; live < 2; live++) {
        struct fake_world t = begin();
        imap_fake_add(t.fake, 1);
        look(&t, live != 0);
        told(&t, 1, 0);
        assert_int_equal(t.w->m->window_floor, HIDDEN + 2);
        assert_int_equal(imap_fake_commands(t.fake, "SEARCH"), 0);
        /* what is looked at for flags and for late ones besides */
        assert_in_range(imap_fake_bytes(t.fake, true), 1, 4 * KIB + 264 * 50);
        fake_world_end(&t);
    }
}

static void a_deletion_brings_an_old_message_back_silently(void **state)
{
    (void)state;
    for (int live = 0; live < 2; live++) {
        struct fake_world t = begin();
        imap_fake_expunge(t.fake, HIDDEN + 700, HIDDEN + 701);
        look(&t, live != 0);
        told(&t, 0, 2);
        assert_int_equal(t.w->m->count, WINDOW);
        assert_int_equal(t.w->m->window_floor, HIDDEN - 1);
        fake_world_end(&t);
    }
}

static void the_oldest_one_shown_can_be_deleted(void **state)
{
    (void)state;
    struct fake_world t = begin();
    imap_fake_expunge(t.fake, HIDDEN + 1, HIDDEN + 1);
    look(&t, false);
    told(&t, 0, 1);
    assert_int_equal(t.w->m->window_floor, HIDDEN);
    fake_world_end(&t);
}

static void a_window_ends_when_all_are_shown(void **state)
{
    (void)state;
    struct fake_world t = begin();
    imap_fake_expunge(t.fake, HIDDEN + 1, 2 * HIDDEN + 1);
    look(&t, false);
    assert_int_equal(t.w->m->count, WINDOW - 1);
    assert_int_equal(t.w->m->window_floor, 0);
    told(&t, 0, HIDDEN + 1);
    fake_world_end(&t);
}

/* Between the two the mailbox looks like one that is no window. */
static void what_comes_back_later_than_others_went_is_silent_too(void **state)
{
    (void)state;
    struct fake_world t = begin();
    imap_fake_config(t.fake)->quirks = FAKE_TELLS_APART;
    for (unsigned turn = 1; turn <= 3; turn++) {
        imap_fake_expunge(t.fake, HIDDEN + 700 * turn, HIDDEN + 700 * turn + 1);
        world_listen(t.w);
        world_sync_live(t.w);
        told(&t, 0, 2 * turn);
        assert_int_equal(t.w->m->count, WINDOW - 2);
        assert_int_equal(t.w->m->window_floor, HIDDEN + 1 - 2 * (turn - 1));
        world_reload(t.w);
        look(&t, true);
        told(&t, 0, 2 * turn);
        assert_int_equal(t.w->m->count, WINDOW);
        assert_int_equal(t.w->m->window_floor, HIDDEN + 1 - 2 * turn);
    }
    fake_world_end(&t);
}

struct meddler {
    unsigned fetches;
};

/* With the first command behind those of the initial index. */
static void changes_behind_the_walk(struct imap_fake *f, const char *command, void *ctx)
{
    struct meddler *meddler = ctx;
    bool by_uid = strncmp(command, "UID ", 4) == 0;
    if (by_uid && meddler->fetches++ == 0) {
        imap_fake_expunge(f, HIDDEN + 700, HIDDEN + 702);
        imap_fake_add(f, 1);
    }
}

static void a_window_is_known_from_the_end_of_the_initial_index_on(void **state)
{
    (void)state;
    struct meddler meddler = {0};
    struct imap_fake_config config = {.capabilities = "XYMHIGHESTMODSEQ",
                                      .window = WINDOW,
                                      .hook = changes_behind_the_walk,
                                      .ctx = &meddler};
    struct fake_world t = {.fake = imap_fake_start(&config)};
    imap_fake_add(t.fake, WINDOW + HIDDEN);
    t.w = sync_world_new_at(imap_fake_port(t.fake), 0);
    t.w->sc.batch_messages = 1000;
    world_sync(t.w);
    assert_true(meddler.fetches > 0);
    /* the initial index tells of all, and then the one that came: none of the two that did
     * not fit before */
    told(&t, WINDOW + 1, 3);
    assert_int_equal(t.w->m->count, WINDOW);
    assert_int_equal(t.w->m->window_floor, HIDDEN - 1);
    fake_world_end(&t);
}

/* With syncFrom: the count is the same as before, and what came back is none of the index. */
static void a_deletion_above_a_later_beginning_is_found(void **state)
{
    enum {
        FAR = 50000, /* a day that none of them has */
        LAST = WINDOW + HIDDEN
    };
    (void)state;
    for (int live = 0; live < 2; live++) {
        struct fake_world t = begin();
        t.w->table.since_day = FAR;
        look(&t, false);
        imap_fake_add(t.fake, 5);
        look(&t, false);
        assert_int_equal(t.w->m->count, 5);
        assert_int_equal(t.w->m->below, WINDOW - 5);
        imap_fake_expunge(t.fake, LAST + 2, LAST + 2);
        look(&t, live != 0);
        world_read_log(t.w);
        assert_int_equal(t.w->events[EVENT_MESSAGE_NEW], 5);
        assert_int_equal(t.w->events[EVENT_MESSAGE_DELETED], 1);
        fake_world_check(&t, LAST + 1);
        fake_world_end(&t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_arrival_deletes_nothing),
        cmocka_unit_test(a_deletion_brings_an_old_message_back_silently),
        cmocka_unit_test(the_oldest_one_shown_can_be_deleted),
        cmocka_unit_test(a_window_ends_when_all_are_shown),
        cmocka_unit_test(what_comes_back_later_than_others_went_is_silent_too),
        cmocka_unit_test(a_window_is_known_from_the_end_of_the_initial_index_on),
        cmocka_unit_test(a_deletion_above_a_later_beginning_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
