/* Passes over a mailbox of which the server shows only the newest ten thousand messages. */
#include "fake_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_arrival_deletes_nothing),
        cmocka_unit_test(a_deletion_brings_an_old_message_back_silently),
        cmocka_unit_test(the_oldest_one_shown_can_be_deleted),
        cmocka_unit_test(a_window_ends_when_all_are_shown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
