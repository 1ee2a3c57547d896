/* sync_tomb: the tombstones of an account, found by what an arrival shows.
 * Shape    one array in the order of keys; removed ones stay in it, dead, until they are
 *          compacted; hash chains through it, the newest first: by EMAILID, by fingerprint,
 *          by place
 * Owner    struct sync_moves, which embeds the state
 * Calls    loop thread
 * Limits   work of a look: the tombstones that share a hash; of compacting: all of them,
 *          once a commit */
#ifndef POSTRIDER_SYNC_TOMB_H
#define POSTRIDER_SYNC_TOMB_H

#include "postrider/sync/sync_move.h"

void sync_tombs_add(struct sync_moves *mv, const struct tombstone *t);
void sync_tombs_remove(struct sync_moves *mv, struct sync_tombstone *item);
void sync_tombs_clear(struct sync_moves *mv);
void sync_tombs_free(struct sync_moves *mv);
/* Drops the dead: pointers to others are void. */
void sync_tombs_compact(struct sync_moves *mv);

/* The newest one of this place; NULL: none. */
struct sync_tombstone *sync_tombs_at(const struct sync_moves *mv, uint32_t box,
                                     uint32_t uid);
/* The newest one with the EMAILID of the row, else the only one with its fingerprint, of
 * other mailboxes than box and not past its deadline. NULL: none, or several. *sure: by
 * EMAILID. */
struct sync_tombstone *sync_tombs_like(const struct sync_moves *mv, uint32_t box,
                                       const struct msg_row *row, bool *sure);

#endif
