/* log_world: accounts of a store_world that get entries into their logs.
 * Owner    the test; log_world_end closes the store */
#ifndef POSTRIDER_TESTS_LOG_WORLD_H
#define POSTRIDER_TESTS_LOG_WORLD_H

#include "loop_fixture.h"
#include "store_world.h"

/* Commits `count` events of the type for the account; their UIDs are uid, uid + 1, … and
 * their ids are derived from them. With a path and special use of INBOX. */
void log_world_append(struct store_world *w, const struct store_acct *acct,
                      enum event_type type, uint32_t uid, unsigned count);
/* Replaces the account's record. Takes it. */
void log_world_record(struct store_world *w, const char *account_id, json_t *record);
/* Takes the changes. */
void log_world_settings(struct store_world *w, json_t *changes);
/* Is any account marked as having unread entries? */
bool log_world_is_dirty(struct store_world *w);
/* Waits until none is. */
void log_world_wait_clean(struct store_world *w);

#endif
