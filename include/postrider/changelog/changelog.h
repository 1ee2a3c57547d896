/* changelog: reads the accounts' change logs and hands every entry to every reader, in
 * order per account, many accounts at once.
 * Shape    struct changelog           one per node; owns the queue of accounts
 *          struct changelog_reader    one consumer with a cursor per account in Redis
 *          struct changelog_delivery  one entry on its way to a reader
 *          An account that a reader has to read is one small object:
 *              idle ──appended──► ready ──slot free──► loading ──► delivering ──► ready
 *                ▲                  ▲                     │            │
 *                └── up to date ────┼─────────────────────┘            ├──► waiting (time)
 *                                   └── time over, key woken ──────────┴──► parked (key)
 * Owner    the app owns the changelog and frees it after changelog_stop; a reader lives
 *          until it is removed, or as long as the changelog; a delivery is the
 *          changelog's and is dead once changelog_delivery_done or the reader's cancel
 *          was called
 * Calls    loop thread. deliver may call changelog_delivery_done from inside. The
 *          changelog takes store_set_appended_cb and store_set_moved_cb.
 * Units    milliseconds
 * Limits   CHANGELOG_READERS_MAX readers; max_active accounts loading or delivering for
 *          one reader, at most CHANGELOG_PAGE entries of each in memory; of the accounts
 *          that wait, CHANGELOG_KEPT_MAX of a reader hold theirs, for a minute at most;
 *          CHANGELOG_IDLE_MAX accounts that are up to date, shared by
 *          the readers, are remembered, so that the next append needs one round trip less
 * Errors   none to callers: a lost lease drops the account, Redis failures are repeated;
 *          entries that cannot be read are passed with a warning
 * Spec     docs/ARCHITECTURE.md: at least once, a crash between delivery and cursor repeats
 *          that delivery with the same event id */
#ifndef POSTRIDER_CHANGELOG_CHANGELOG_H
#define POSTRIDER_CHANGELOG_CHANGELOG_H

#include "postrider/event/event.h"
#include "postrider/store/store_log.h"

enum {
    CHANGELOG_READERS_MAX = 256,
    CHANGELOG_ACTIVE_DEFAULT = 256,
    CHANGELOG_PAGE = 16,
    CHANGELOG_KEPT_MAX = 32,
    CHANGELOG_IDLE_MAX = 1024,
    CHANGELOG_NAME_MAX = 64,
    CHANGELOG_FULL_PERCENT = 80
};

struct changelog_config {
    size_t max_active;        /* per reader; 0 = CHANGELOG_ACTIVE_DEFAULT */
    int64_t trim_interval_ms; /* of an account that had appends; 0 = 1 h */
    uint64_t max_entries;     /* of a log, of what every reader has read; 0 = no limit */
    uint64_t max_bytes;       /* of a log, read or not; 0 = no limit */
};

/* Logs of the accounts of this node, as far as they were looked at since the start. */
struct changelog_sizes {
    size_t logs;
    uint64_t entries, bytes;
    size_t full; /* at CHANGELOG_FULL_PERCENT of max_bytes or more */
};

struct changelog;
struct changelog_reader;
struct changelog_delivery;

enum changelog_result {
    CHANGELOG_DONE,  /* delivered or not wanted: the cursor moves */
    CHANGELOG_RETRY, /* the same entry again after retry_ms; only this account waits */
    CHANGELOG_LATER, /* the same entry again once `key` is woken; no failed try */
    CHANGELOG_DEAD,  /* given up: counted, logged, and the cursor moves */
    CHANGELOG_PAUSE  /* the whole reader stops; the entry stays unread */
};
const char *changelog_result_name(enum changelog_result r) ATTR_RETURNS_NONNULL;

struct changelog_outcome {
    enum changelog_result result;
    int64_t retry_ms; /* CHANGELOG_RETRY */
    uint64_t key;     /* CHANGELOG_LATER; CHANGELOG_RETRY: earlier if woken, 0 = never */
    unsigned parts;   /* both: of an entry told in parts, how many are done */
};

/* What a reader sees of a delivery; borrowed until it is done or canceled. */
struct changelog_item {
    const struct store_acct *acct;
    const char *entry_id;
    const struct event *event;
    unsigned tries;         /* failed tries of this entry before, on this node */
    int64_t first_tried_ms; /* wall clock of the first of them; 0 = none yet */
    unsigned parts;         /* done by the tries before, as their outcome said */
    void *work;             /* the reader's own; NULL at the start */
};

struct changelog_reader_params {
    const char *name;  /* of the cursor: "default"; copied */
    const char *since; /* entry id: where it begins in a log that has no cursor of it yet;
                          NULL = the start; copied */
    bool enabled;
    /* Starts delivering; ends with changelog_delivery_done. */
    void (*deliver)(struct changelog_delivery *d, struct changelog_item *item, void *ctx);
    /* Give up the delivery: no changelog_delivery_done may follow. */
    void (*cancel)(struct changelog_delivery *d, struct changelog_item *item, void *ctx);
    void *ctx;
};

struct changelog_stats {
    uint64_t done, retries, dead, unreadable, gaps;
    size_t active;  /* loading or delivering */
    size_t waiting; /* for a slot, a time or a key */
    size_t delayed; /* of these, for a time or a key */
    int64_t
        oldest_ms; /* wall clock: when the oldest entry that is known to be unread came;
                          0 = none */
};

struct changelog *changelog_new(struct store *s, const struct changelog_config *config)
    ATTR_RETURNS_NONNULL;
/* Only when it was never started, or after changelog_stop has called back. */
void changelog_free(struct changelog **c);
/* At any time: once started, what it has not read is looked for. */
struct changelog_reader *
changelog_reader_add(struct changelog *c,
                     const struct changelog_reader_params *params) ATTR_RETURNS_NONNULL;
/* Deliveries are canceled, its cursors in the store stay; the reader is dead. */
void changelog_reader_remove(struct changelog_reader **r);
/* Finds accounts with unread entries, then follows appends. The store must be open. */
void changelog_start(struct changelog *c);
/* Looks for accounts with unread entries again: when shards came to this node. */
void changelog_rescan(struct changelog *c);
/* Forgets what is known of an account, e.g. when it was deleted or its cursor was moved;
 * a delivery of it is canceled. */
void changelog_forget(struct changelog *c, struct str account_id);

/* Starts nothing new, gives deliveries drain_ms to end, cancels the rest, stores the
 * cursors, then calls back (later, once). */
typedef void changelog_stop_cb(struct changelog *c, void *ctx);
void changelog_stop(struct changelog *c, int64_t drain_ms, changelog_stop_cb *cb,
                    void *ctx);

/* The reader of that name, or NULL. */
struct changelog_reader *changelog_reader_find(struct changelog *c, struct str name);
size_t changelog_reader_count(const struct changelog *c);
struct changelog_reader *changelog_reader_at(const struct changelog *c, size_t i);
const char *changelog_reader_name(const struct changelog_reader *r);
void changelog_sizes_get(const struct changelog *c, struct changelog_sizes *out);
/* How full the log of the account is, in percent of max_bytes; 0 without a limit. */
unsigned changelog_fill_percent(const struct changelog *c, const struct store_acct *acct);

/* A reader that is disabled keeps its cursors; enabled again it goes on from there. */
void changelog_reader_set_enabled(struct changelog_reader *r, bool enabled);
bool changelog_reader_is_enabled(const struct changelog_reader *r);
/* One that is paused takes nothing either, but the log is kept for it. */
void changelog_reader_set_paused(struct changelog_reader *r, bool paused);
bool changelog_reader_is_paused(const struct changelog_reader *r);
/* Up to `count` accounts parked under the key become ready, the longest waiting first;
 * gives their number. */
size_t changelog_reader_wake(struct changelog_reader *r, uint64_t key, size_t count);
void changelog_reader_stats(const struct changelog_reader *r,
                            struct changelog_stats *out);

void changelog_delivery_done(struct changelog_delivery *d,
                             const struct changelog_outcome *outcome);

#endif
