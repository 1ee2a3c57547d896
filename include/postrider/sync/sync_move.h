/* sync_move: which arrival is the other end of which removal.
 * Shape    struct sync_moves, one per account:
 *            tombstones  messages that left a mailbox within the window; also in Redis, by
 *                        the commit that told of the removal
 *            own moves   what COPYUID said of moves and copies made through the API
 *            seen        arrivals of late, to recognise copies, and moves whose removal is
 *                        still to be told: a pass waits for it a moment
 *          An arrival that would be announced pairs by COPYUID, else by EMAILID, else by
 *          fingerprint if no other tombstone and no other arrival has the same; it is told as
 *          messageMoved, and its tombstone goes in the same commit. The removal was told, or
 *          will be, by its own messageDeleted.
 * Owner    the account actor; passes borrow it through struct sync_ctx
 * Calls    loop thread
 * Limits   TOMBSTONES_MAX tombstones, the oldest go first; SYNC_OWN_MOVES_MAX own moves;
 *          SYNC_SEEN_MAX arrivals
 * Units    milliseconds of the wall clock, since tombstones outlive the process
 * Spec     docs/ARCHITECTURE.md, "Moves"; RFC 4315 (COPYUID), RFC 8474 (EMAILID) */
#ifndef POSTRIDER_SYNC_SYNC_MOVE_H
#define POSTRIDER_SYNC_SYNC_MOVE_H

#include "postrider/imap/imap_value.h"
#include "postrider/store/store_mailbox.h"

enum {
    SYNC_OWN_MOVES_MAX = 1000,
    SYNC_SEEN_MAX = 128
};

enum sync_tomb_link {
    SYNC_TOMB_PLACE,
    SYNC_TOMB_PRINT,
    SYNC_TOMB_EMAIL,
    SYNC_TOMB_LINKS
};

struct sync_tombstone {
    struct tombstone t;
    char *email_id; /* owned: what t.email_id shows */
    bool dead;
    uint32_t next[SYNC_TOMB_LINKS]; /* index + 1; 0 = the last one of its chain */
};

struct sync_own_move {
    uint32_t from_box, from_uid, to_box, to_uid;
    bool copy;    /* the original stays */
    bool sure;    /* one message: COPYUID cannot have permuted it */
    bool arrived; /* told as messageMoved before its removal was seen */
    int64_t deadline_ms;
};

struct sync_seen {
    uint64_t email_hash; /* 0 = none */
    uint32_t fingerprint;
    uint32_t box, uid; /* uid 0: it left */
};

struct sync_moves {
    int64_t window_ms;            /* 0 = moves are not looked for */
    struct sync_tombstone *items; /* rising keys and deadlines; some may be dead */
    size_t count, used, cap;      /* count: of those that are not */
    uint32_t *heads;              /* of the chains; NULL: there was none yet */
    uint32_t head_count;          /* of each kind; a power of two */
    uint64_t next_key;
    struct sync_own_move *own;
    size_t own_count, own_cap;
    struct sync_seen *seen; /* a ring */
    size_t seen_count, seen_at;
};

void sync_moves_init(struct sync_moves *mv, int64_t window_ms);
void sync_moves_fini(struct sync_moves *mv);
/* What the store has takes the place of what is in memory. */
void sync_moves_load(struct sync_moves *mv, const struct tombstone *items, size_t count);
/* The server answered a move or copy of ours with COPYUID; `from` and `to` are as long as
 * each other, or nothing is noted. */
void sync_moves_expect(struct sync_moves *mv, uint32_t from_box,
                       const struct imap_set *from, uint32_t to_box,
                       const struct imap_set *to, bool copy);
/* Frees what is too old to match anything. */
void sync_moves_purge(struct sync_moves *mv);

#endif
