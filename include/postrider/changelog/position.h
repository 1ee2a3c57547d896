/* position: how far a reader of all logs has come: a place in the feed of every shard.
 * Shape    an array; as text (base64url) it lists the shards that were read at all, so it
 *          is short while there are few accounts, some thousand bytes when all shards are
 *          in use, and at most CHANGELOG_POSITION_SIZE long
 * Owner    the caller's memory
 * Limits   CHANGELOG_POSITION_SIZE
 * Errors   false: not a position of ours */
#ifndef POSTRIDER_CHANGELOG_POSITION_H
#define POSTRIDER_CHANGELOG_POSITION_H

#include "postrider/base/buf.h"
#include "postrider/store/store_feed.h"

enum {
    CHANGELOG_POSITION_SIZE = 8 * 1024
};

struct feed_position {
    struct feed_place at[STORE_SHARDS];
};

/* Appends the text; false if the buffer is too small. */
bool changelog_position_format(const struct feed_position *p, struct buf *out);
/* *out is untouched on failure. */
bool changelog_position_parse(struct str text, struct feed_position *out);

#endif
