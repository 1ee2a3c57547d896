#include "fake_world.h"

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
