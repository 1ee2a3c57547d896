/* changelog_priv: the changelog, its readers, and one account as one reader sees it.
 * Shape    struct track   a reader's place in one account's log; its states are those of
 *                         the diagram in changelog.h
 * Owner    a reader owns its tracks, found by the account's name; a track that is gone
 *          from there is freed when its last store operation has called back */
#ifndef POSTRIDER_CHANGELOG_PRIV_H
#define POSTRIDER_CHANGELOG_PRIV_H

#include "postrider/base/list.h"
#include "postrider/base/map.h"
#include "postrider/changelog/changelog.h"
#include "postrider/loop/backoff.h"
#include "postrider/loop/loop.h"
#include "postrider/store/store_feed.h"

enum track_state {
    TRACK_STATE_IDLE,       /* everything read is delivered */
    TRACK_STATE_READY,      /* in the reader's queue */
    TRACK_STATE_LOADING,    /* has a slot: cursor or entries are being read */
    TRACK_STATE_DELIVERING, /* has a slot: an entry is with the reader */
    TRACK_STATE_WAITING,    /* for its timer */
    TRACK_STATE_PARKED,     /* for its key, or its timer */
    TRACK_STATE_COUNT
};
const char *track_state_name(enum track_state state);

struct track;
struct changelog_delivery {
    struct track *track;
    struct changelog_item item;
    struct changelog_outcome outcome;
    struct deferred ending;
};

struct track {
    struct changelog_reader *reader;
    struct store_acct acct;
    enum track_state state;
    unsigned ops;     /* store operations in flight */
    struct list node; /* in the reader's ready or idle list, or a park's */
    bool gone;        /* no longer in the reader's map */
    bool more;        /* the log may be ahead of what was read */
    bool known;       /* the cursor was loaded */
    bool writing;     /* one write of the cursor at a time */
    bool keeps;       /* PARKED, READY: it has a page without a slot */
    struct store_log_read *read;
    char cursor[STORE_ENTRY_ID_SIZE];  /* last entry finished here */
    char written[STORE_ENTRY_ID_SIZE]; /* last one stored */
    char sent[STORE_ENTRY_ID_SIZE];    /* on its way */
    struct log_entry *page;
    size_t page_count, page_next;
    struct changelog_delivery *delivery; /* NULL: none since it got its slot */
    unsigned tries;
    unsigned parts; /* of the entry at hand that are delivered */
    int64_t first_tried_ms;
    int64_t behind_since_ms; /* wall clock: when the oldest unread entry came; 0 = none */
    uint64_t moves;          /* of the cursor, by replays */
    uint64_t key;            /* PARKED */
    struct timer timer;
    struct timer write_timer;
    int64_t wrote_ms; /* when the last write began */
    struct backoff store_backoff;
};

struct changelog_reader {
    struct changelog *c;
    struct changelog_reader_params params;
    char name[CHANGELOG_NAME_MAX + 1];
    char since[STORE_ENTRY_ID_SIZE]; /* stands for a cursor that is not stored */
    bool enabled;
    bool paused;
    bool removed;       /* freed with its last track */
    size_t track_count; /* also those that are gone but not yet freed */
    struct map *tracks; /* account name → struct track */
    struct map *parks;  /* key → struct park */
    struct list ready;
    struct list idle; /* least recently used first */
    size_t idle_count;
    size_t active;
    size_t kept; /* pages of accounts that wait */
    struct deferred pump;
    struct changelog_stats stats;
};

/* What is known of the size of the logs, and when each was trimmed. */
struct retention {
    uint64_t max_entries, max_bytes;
    int64_t trim_interval_ms;
    struct map *logs; /* account name → struct log_state */
    uint64_t bytes, entries;
    size_t full;        /* logs near their limit of bytes */
    struct timer sweep; /* logs that get no entries age too */
    size_t sweep_at;    /* in the directory */
    bool swept;         /* all were seen once */
};

struct changelog {
    uint32_t magic;
    struct store *store;
    struct loop *loop;
    size_t max_active;
    struct changelog_reader *readers[CHANGELOG_READERS_MAX];
    const char *names[CHANGELOG_READERS_MAX]; /* whose cursors count for `dirty` */
    size_t reader_count;
    bool started, stopping, stopped;
    bool scanning, scan_again;
    struct timer scan_timer;
    struct backoff scan_backoff;
    struct retention retention;
    struct list watches;
    bool looking; /* at the feeds of other nodes */
    struct timer look_timer;
    struct feed_place seen_ends[STORE_SHARDS];
    unsigned ops; /* store operations in flight, all together */
    struct timer drain;
    struct deferred stop_later;
    changelog_stop_cb *stop_cb;
    void *stop_ctx;
};

/* changelog.c: a store operation began or ended. */
void changelog_op_begun(struct changelog *c);
void changelog_op_ended(struct changelog *c);
/* After anything that a stop waits for has ended. */
void changelog_check_stopped(struct changelog *c);

/* watch.c: the account's log has grown here. */
void watches_tell(struct changelog *c, const struct store_acct *acct);

/* retention.c */
void retention_init(struct changelog *c, const struct changelog_config *config);
void retention_fini(struct changelog *c);
void retention_start(struct changelog *c);
void retention_stop(struct changelog *c);
/* Entries were appended: trims if it is time. */
void retention_appended(struct changelog *c, const struct store_acct *acct, size_t count);
void retention_forget(struct changelog *c, struct str account_name);

/* changelog_reader.c: who gets a slot. */

/* The account has something to read: finds or makes its track. */
void reader_notice(struct changelog_reader *r, const struct store_acct *acct);
void reader_forget(struct changelog_reader *r, struct str account_name);
/* A replay moved cursors: none in memory can be relied on. */
void reader_moved(struct changelog_reader *r);
void reader_free(struct changelog_reader *r);
/* Cancels what is being delivered. */
void reader_cancel_all(struct changelog_reader *r);
void reader_stop_timers(struct changelog_reader *r);
/* Lets the next accounts have free slots, later. */
void reader_pump(struct changelog_reader *r);
/* To the end of the queue, or its front. */
void reader_enqueue(struct changelog_reader *r, struct track *t, bool front);
void reader_park(struct changelog_reader *r, struct track *t);
/* Out of the list it is in, whichever that is. */
void reader_unlink(struct changelog_reader *r, struct track *t);
/* Up to date: remembered, or freed if too many are. */
void reader_rest(struct changelog_reader *r, struct track *t);
void reader_free_if_removed(struct changelog_reader *r);

/* track.c: one account. */
struct track *track_new(struct changelog_reader *r, const struct store_acct *acct);
void track_enter(struct track *t, enum track_state state);
/* It has got a slot. */
void track_go(struct track *t);
/* Leaves the reader; an entry with the consumer is canceled. Freed now or later. */
void track_drop(struct track *t);
/* Takes the entry back from the consumer, gives the slot back. */
void track_cancel(struct track *t);
bool track_is_written(const struct track *t);
void track_write_cursor(struct track *t);

#endif
