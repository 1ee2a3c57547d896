/* thread_kept: parts of thread maps that were read lately, in memory: who shows a page again,
 * or the next one, needs no answer of Redis.
 * Shape    a part holds as long as the account's count of map changes is the one it was read
 *          at (struct store_commit_params); 0 = nobody counts, nothing is kept
 * Owner    what is recalled is copied into the map
 * Limits   THREADS_KEPT_BYTES of all accounts; where it is crossed, the longest unused go */
#ifndef POSTRIDER_STORE_THREAD_KEPT_H
#define POSTRIDER_STORE_THREAD_KEPT_H

#include "thread_map.h"

enum {
    THREADS_KEPT_BYTES = 2 * 1024 * 1024
};

/* Keeps the record of a map and those of its buckets that are there. */
void thread_map_keep(struct store *s, const struct store_acct *a, uint64_t changes,
                     struct thread_map *map);
/* How many buckets the map had when it was last read, however long ago; 0 = not known. */
uint32_t thread_kept_buckets(struct store *s, const struct store_acct *a);
/* Initialises the map. False: its record must be read. */
bool thread_record_recall(struct store *s, const struct store_acct *a, uint64_t changes,
                          struct thread_map *map, struct arena *arena);
/* Takes what is kept of the buckets that are wanted; false: nothing is. */
bool thread_map_recall(struct store *s, const struct store_acct *a, uint64_t changes,
                       struct thread_map *map);

#endif
