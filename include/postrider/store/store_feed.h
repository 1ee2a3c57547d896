/* store_feed: what was appended to the logs of a shard, in order.
 * Shape    feed is one stream a shard; an entry names an account and an entry of its log.
 *          A place in it is a struct feed_place; {0, 0} is before everything.
 * Owner    items are borrowed until the callback returns
 * Calls    loop thread; reading needs no lease, so every shard can be read on every node
 * Limits   STORE_FEED_PAGE entries a read
 * Errors   store.h's */
#ifndef POSTRIDER_STORE_STORE_FEED_H
#define POSTRIDER_STORE_STORE_FEED_H

#include "postrider/store/store_log.h"

enum {
    STORE_FEED_PAGE = 16
};

struct feed_place {
    uint64_t ms, seq;
};
static inline bool feed_place_before(struct feed_place a, struct feed_place b)
{
    return a.ms < b.ms || (a.ms == b.ms && a.seq < b.seq);
}

struct feed_item {
    struct feed_place place;
    struct store_acct acct;
    struct log_entry entry;
};

struct feed_page {
    const struct feed_item *items; /* those asked for that still exist */
    size_t count;
    struct feed_place end; /* everything up to here was looked at */
    bool more;             /* the feed may go on behind it */
    bool gap;              /* entries behind the place asked for were trimmed unread */
};

struct store_feed_read;
typedef void store_feed_read_cb(struct store_feed_read *op, const struct err *err,
                                const struct feed_page *page, void *ctx);
/* The entries after a place, with the log entries they name. account_name: only of this
 * account; absent = of all. Entries of accounts deleted meanwhile are left out. */
struct store_feed_read *store_feed_read_start(struct store *s, uint8_t shard,
                                              struct feed_place after,
                                              struct str account_name,
                                              store_feed_read_cb *cb, void *ctx);
void store_feed_read_cancel(struct store_feed_read *op);

struct store_feed_ends;
/* ends: one place a shard; those not asked for are {0, 0}. */
typedef void store_feed_ends_cb(struct store_feed_ends *op, const struct err *err,
                                const struct feed_place *ends, void *ctx);
/* The last place of the feed of each shard marked. */
struct store_feed_ends *store_feed_ends_start(struct store *s,
                                              const bool shards[STORE_SHARDS],
                                              store_feed_ends_cb *cb, void *ctx);
void store_feed_ends_cancel(struct store_feed_ends *op);

#endif
