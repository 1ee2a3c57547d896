/* sync_floor_priv: where an index begins that does not hold all of a mailbox, and what of the
 * connection's numbers that concerns. Its state is part of the pass. */
#ifndef POSTRIDER_SYNC_FLOOR_PRIV_H
#define POSTRIDER_SYNC_FLOOR_PRIV_H

#include "sync_priv.h"

/* sync_below.c */
/* The connection says how many messages there are now that the index is to hold, … */
uint32_t sync_pass_exists(const struct sync_pass *p);
/* … and with those below: the highest number. */
uint32_t sync_pass_last(const struct sync_pass *p);
/* The UIDs of the index are those of the server, and the counts differ all the same: what lies
 * below was told wrong. The pass that is due then counts it. */
void sync_floor_doubt(struct sync_pass *p);
/* The record tells them as they are now. */
void sync_floor_note(struct sync_pass *p);
/* The lowest UID that the index may hold. */
uint32_t sync_first_uid(const struct mailbox *m);
/* True: it was of a message below; else *seq becomes the number among the others. */
bool sync_floor_passes_expunge(struct sync_live *l, uint32_t *seq);
/* True: all of it was below; else what is left of the range is not. */
bool sync_floor_passes_vanished(struct sync_live *l, struct imap_range *range,
                                bool earlier);
bool sync_floor_passes_row(const struct sync_live *l, const struct imap_row *row,
                           bool numbered);
/* Leaves out UIDs below `first`: "n:4294967295" may name the last message, whatever its
 * UID (RFC 3501 §6.4.8). */
void sync_uids_from(struct imap_set *set, uint32_t first);

/* sync_floor.c */
/* SELECT is about to be sent: nothing is known of what lies below. */
void sync_floor_forget(struct sync_pass *p);
/* There is one to go on with. */
bool sync_floor_has_index(const struct mailbox *m) ATTR_PURE;
/* Does PASS_STATE_FLOOR come first? */
bool sync_floor_begin(struct sync_pass *p);
enum step sync_floor_step(struct op *op);
/* sync_floor_move.c */
enum step sync_floor_list(struct sync_pass *p);
enum step sync_floor_drop(struct sync_pass *p);
enum step sync_floor_fetch(struct sync_pass *p);
/* The end of a commit. */
void sync_floor_stored(struct store_commit *op, const struct err *err, void *ctx);
/* Goes on with another state. */
void sync_floor_enter(struct sync_pass *p, enum floor_state state);
/* sync_held.c: after another UIDVALIDITY the index begins no higher than the former one. */
enum step sync_held_read(struct sync_pass *p);
/* To be asked behind COUNT. */
bool sync_held_may_lie_below(const struct sync_pass *p);
enum step sync_held_look(struct sync_pass *p);
void sync_held_fini(struct sync_held *h);
/* m starts over, and its first new message will have this UID. */
void sync_floor_set(struct sync_pass *p, uint32_t uid_next);
void sync_floor_fini(struct sync_floor *f);

#endif
