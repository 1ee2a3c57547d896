/* watch: tells waiting readers that a log has grown, on whichever node it was.
 * Shape    appends of this node are known at once; the feeds of shards that other nodes
 *          hold are looked at every CHANGELOG_WATCH_MS while anybody watches
 * Owner    embedded in its user; stopped before the changelog goes
 * Calls    loop thread. fn may only note what it was told: no watch may be started or
 *          stopped in it. It may come although nothing new is there.
 * Limits   none of its own */
#ifndef POSTRIDER_CHANGELOG_WATCH_H
#define POSTRIDER_CHANGELOG_WATCH_H

#include "postrider/changelog/changelog.h"

enum {
    CHANGELOG_WATCH_MS = 500
};

struct changelog_watch;
typedef void changelog_watch_fn(struct changelog_watch *w, uint8_t shard);

struct changelog_watch {
    struct list node;
    struct changelog *changelog;             /* NULL = stopped */
    char account_name[STORE_ACCT_NAME_SIZE]; /* "" = all accounts */
    uint8_t shard;                           /* of the account */
    changelog_watch_fn *fn;
};

/* acct NULL = all accounts. */
void changelog_watch_start(struct changelog *c, struct changelog_watch *w,
                           const struct store_acct *acct, changelog_watch_fn *fn);
void changelog_watch_stop(struct changelog_watch *w);

#endif
