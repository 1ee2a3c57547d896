#include "fake_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

const char *const fake_servers[FAKE_SERVERS] = {"CONDSTORE QRESYNC ESEARCH",
                                                "CONDSTORE QRESYNC",
                                                "CONDSTORE ESEARCH",
                                                "CONDSTORE",
                                                "ESEARCH",
                                                ""};

struct fake_world fake_world_begin(struct imap_fake_config config, size_t count)
{
    struct fake_world t = {.fake = imap_fake_start(&config)};
    if (count > 0) {
        imap_fake_add(t.fake, count);
    }
    t.w = sync_world_new_at(imap_fake_port(t.fake), 0);
    t.w->sc.batch_messages = count > 1000 ? 1000 : 20;
    t.w->sc.notify_from_ms = count >= WORLD_UID_MAX ? INT64_MAX : 0;
    world_sync(t.w);
    return t;
}

void fake_world_end(struct fake_world *t)
{
    sync_world_free(&t->w);
    imap_fake_stop(&t->fake);
}

void fake_world_reconnect(struct fake_world *t)
{
    world_disconnect(t->w);
    loop_fixture_run_for(t->w->redis->loop, 20);
    world_connect(t->w);
    (void)imap_fake_bytes(t->fake, true);
}

void fake_world_again(struct fake_world *t)
{
    fake_world_reconnect(t);
    world_sync(t->w);
}

void fake_world_told(struct fake_world *t, size_t news, size_t gone, size_t updated)
{
    world_read_log(t->w);
    assert_int_equal(t->w->events[EVENT_MESSAGE_NEW], news);
    assert_int_equal(t->w->events[EVENT_MESSAGE_DELETED], gone);
    assert_int_equal(t->w->events[EVENT_MESSAGE_UPDATED], updated);
}

struct check {
    const struct imap_fake *fake;
    size_t at;
    bool done;
};

static void on_rows(struct store_scan *op, const struct msg_row *rows, size_t count,
                    void *ctx)
{
    (void)op;
    struct check *c = ctx;
    for (size_t i = 0; i < count; i++, c->at++) {
        assert_true(c->at < imap_fake_count(c->fake));
        const struct fake_message *m = imap_fake_at(c->fake, c->at);
        assert_int_equal(rows[i].uid, m->uid);
        if (m->trouble == FAKE_NOTHING) {
            assert_int_equal(rows[i].flags, m->flags);
            assert_int_equal(rows[i].keyword_count, m->keyword);
        }
    }
}

static void on_scanned(struct store_scan *op, const struct err *err, void *ctx)
{
    (void)op;
    assert_int_equal(err->code, ERR_OK);
    ((struct check *)ctx)->done = true;
}

void fake_world_check(const struct fake_world *t, uint32_t first_uid)
{
    struct check c = {.fake = t->fake};
    while (c.at < imap_fake_count(t->fake) &&
           imap_fake_at(t->fake, c.at)->uid < first_uid) {
        c.at++;
    }
    size_t below = c.at;
    (void)store_scan_start(t->w->store, &t->w->acct, t->w->m, 1, UINT32_MAX, on_rows,
                           on_scanned, &c);
    loop_fixture_run_until(t->w->redis->loop, &c.done, WORLD_SYNC_WAIT_MS);
    assert_int_equal(c.at, imap_fake_count(t->fake));
    assert_int_equal(t->w->m->count, c.at - below);
    assert_int_equal(t->w->m->phase, MAILBOX_PHASE_LIVE);
}
