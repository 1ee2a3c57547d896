/* thread_map: the joined ids of an account, in buckets of a linear hash table.
 * Shape    bucket b of n: ids with the low bits b; when the buckets hold more than
 *          THREAD_BUCKET_FILL entries on average, one more is split off, in a fixed order.
 *          What is looked up is loaded first: a lookup that misses a bucket notes it as
 *          wanted, and the caller asks Redis for all that are, until none is.
 * Owner    everything lives in the arena of thread_map_init
 * Calls    pure, but thread_map_words and thread_map_take
 * Limits   THREAD_BUCKETS_MAX buckets, which then grow; THREAD_HOPS_MAX joins in a row
 * Errors   a damaged bucket or record counts as empty */
#ifndef POSTRIDER_STORE_THREAD_MAP_H
#define POSTRIDER_STORE_THREAD_MAP_H

#include "store_priv.h"

#include "postrider/store/store_thread.h"

/* Key of the map (its field "r" is the record), and of the rows of a mailbox. */
#define STORE_KIND_THREADS     "th"
#define STORE_KIND_THREAD_ROWS "t"
#define THREAD_FIELD_RECORD    "r"

enum {
    THREAD_BUCKET_FILL = 192,
    THREAD_BUCKETS_MAX = 1 << 20,
    THREAD_BUCKET_ENTRIES_MAX = 1 << 16,
    THREAD_HOPS_MAX = 64,
    THREAD_SPLITS_MAX = 256, /* at a time */
    THREAD_ID_BITS = 48
};

struct thread_entry {
    uint64_t id, joined; /* id belongs to joined */
};

struct thread_bucket {
    struct thread_entry *entries; /* rising ids */
    size_t count, cap;
    bool changed;
    bool kept; /* thread_kept has it */
};

struct thread_map {
    struct arena *arena;
    uint32_t stored; /* buckets in Redis; 0 = there is no map */
    uint32_t count;  /* buckets now */
    uint64_t entries;
    struct thread_bucket **buckets; /* NULL = not loaded */
    size_t bucket_cap;
    uint32_t *wanted, *asked;
    bool *is_wanted; /* by bucket */
    size_t wanted_count, wanted_cap, asked_count;
    size_t missed_count; /* of those wanted: they are not kept in memory (thread_kept) */
    /* A bucket was split since the record was read: entries are elsewhere. */
    bool outdated;
};

/* --- pure --- */

/* stored: buckets that exist, 0 = none yet. */
void thread_map_init(struct thread_map *map, struct arena *arena, uint32_t stored,
                     uint64_t entries);
uint32_t thread_map_bucket(uint32_t count, uint64_t id);
/* The thread of an id. False: a bucket is wanted. */
bool thread_map_find(struct thread_map *map, uint64_t id, uint64_t *thread_out);
/* Looks at everything that thread_map_join will touch. False: buckets are wanted. */
bool thread_map_reach(struct thread_map *map, const struct thread_fact *fact);
/* Joins all that a reached fact names; gives the thread. */
uint64_t thread_map_join(struct thread_map *map, const struct thread_fact *fact);
/* Wants the buckets that will be split if so many entries are added. */
void thread_map_want_splits(struct thread_map *map, size_t more);
/* Splits what is loaded and due. */
void thread_map_split(struct thread_map *map);
/* Wants one bucket, or all of them. */
void thread_map_want(struct thread_map *map, uint32_t bucket);

/* Unsealed: format, bits that all ids of the bucket share, count; then rising ids without
 * these bits as steps, each with the 6 bytes of what it is joined to. */
bool thread_bucket_encode(const struct thread_map *map, uint32_t bucket, struct buf *out);
/* Into the map. False: malformed; nothing was put. */
bool thread_bucket_decode(struct thread_map *map, uint32_t bucket, struct str encoded);

/* --- with Redis --- */

/* HMGET of the record, and of as many buckets as it is believed to tell of. */
void thread_record_words(struct store_words *w, const struct store *s,
                         const struct store_acct *a, uint32_t buckets);
/* The answer: initialises the map, with the buckets if there are so many. */
void thread_record_take(struct thread_map *map, struct arena *arena, struct store *s,
                        const struct store_acct *a, const struct redis_reply *reply);
/* HMGET of some of what is wanted; false: nothing is. */
bool thread_map_words(struct thread_map *map, struct store_words *w,
                      const struct store *s, const struct store_acct *a);
void thread_map_take(struct thread_map *map, struct store *s, const struct store_acct *a,
                     const struct redis_reply *reply);
/* What changed, as a count and pairs of field and sealed value. */
bool thread_map_put(const struct thread_map *map, struct store_words *w, struct store *s,
                    const struct store_acct *a);

#endif
