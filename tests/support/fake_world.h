/* fake_world: a sync_world against a simulated server.
 * Owner    the test: fake_world_begin, then fake_world_end */
#ifndef POSTRIDER_TESTS_FAKE_WORLD_H
#define POSTRIDER_TESTS_FAKE_WORLD_H

#include "imap_fake.h"
#include "sync_world.h"

/* What servers can do, from all to nothing. */
enum {
    FAKE_SERVERS = 6
};
extern const char *const fake_servers[FAKE_SERVERS];

struct fake_world {
    struct imap_fake *fake;
    struct sync_world *w;
};

/* With so many messages, indexed; of many nothing is told. */
struct fake_world fake_world_begin(struct imap_fake_config config, size_t count);
void fake_world_end(struct fake_world *t);
/* Counting bytes and commands begins anew. */
void fake_world_reconnect(struct fake_world *t);
/* Reconnects and syncs. */
void fake_world_again(struct fake_world *t);
/* The log tells of so many messages so far, beginning with the first index. */
void fake_world_told(struct fake_world *t, size_t news, size_t gone, size_t updated);
/* The index holds what the server has from this UID on; fails the test otherwise. */
void fake_world_check(const struct fake_world *t, uint32_t first_uid);

#endif
