#include "since_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum {
    DAY_S = 24 * 3600
};

uint32_t since_day_of(uint32_t uid)
{
    return SINCE_BIRTH + uid - 1;
}

void since_set_date(struct imap_fake *f, uint32_t uid, uint32_t day)
{
    struct fake_message m = *imap_fake_find(f, uid);
    m.date_s = (int64_t)day * DAY_S + DAY_S / 2;
    imap_fake_swap(f, uid, &m);
}

struct fake_world since_begin(struct imap_fake_config config, uint32_t count)
{
    struct fake_world t = {.fake = imap_fake_start(&config)};
    imap_fake_add(t.fake, count);
    for (uint32_t uid = 1; uid <= count; uid++) {
        since_set_date(t.fake, uid, since_day_of(uid));
    }
    t.w = sync_world_new_at(imap_fake_port(t.fake), 0);
    t.w->sc.batch_messages = count > 1000 ? 1000 : 5;
    t.w->sc.notify_from_ms = 0;
    return t;
}

void since_move(struct fake_world *t, uint32_t day)
{
    t->w->table.since_day = day;
    assert_int_equal(sync_floor_is_due(&t->w->table, t->w->m),
                     t->w->m->phase == MAILBOX_PHASE_LIVE && t->w->m->since_day != day);
    world_sync(t->w);
    assert_false(sync_floor_is_due(&t->w->table, t->w->m));
}

struct fake_world since_begin_from(const char *capabilities, uint32_t first)
{
    struct fake_world t =
        since_begin((struct imap_fake_config){.capabilities = capabilities}, SINCE_COUNT);
    since_move(&t, since_day_of(first));
    (void)imap_fake_bytes(t.fake, true);
    return t;
}

void since_below_is(struct fake_world *t, uint32_t below)
{
    assert_int_equal(t->w->live.below, below);
    assert_int_equal(t->w->m->below, below);
    assert_int_equal(t->w->m->exists, t->w->m->count + below);
    assert_false(t->w->live.below_open);
}
