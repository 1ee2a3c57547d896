/* sync_move_priv: what one commit of a pass does about moves.
 * Shape    begin empty ─► sync_move_pair per announced arrival, sync_move_left per removal
 *          ─► sync_move_plan_put into the commit ─► clear
 * Owner    the pass; what is paired or added is in struct sync_moves at once: a commit that
 *          fails drops the memory of the account anyway */
#ifndef POSTRIDER_SYNC_MOVE_PRIV_H
#define POSTRIDER_SYNC_MOVE_PRIV_H

#include "postrider/sync/sync.h"

struct sync_batch;

/* Where an arrival comes from. */
struct sync_origin {
    bool moved; /* else a copy of a message that stays */
    uint32_t number, uid;
    const char *path; /* NULL: the mailbox is gone since. Borrowed from the table */
};

/* Fingerprints of all arrivals of a batch, sorted; as many as it has, or not filled yet. */
struct sync_prints {
    uint32_t *items;
    size_t count;
};

struct sync_move_plan {
    struct arena arena;
    struct sync_prints prints;
    struct tombstone *added;
    size_t added_count, added_cap;
    uint64_t *forgotten;
    size_t forgotten_count, forgotten_cap;
};

void sync_move_plan_fini(struct sync_move_plan *plan);
void sync_move_plan_clear(struct sync_move_plan *plan);
/* The new row `at` of the batch arrived in m. True: *out tells from where. */
bool sync_move_pair(struct sync_move_plan *plan, const struct sync_ctx *sc,
                    const struct mailbox *m, const struct sync_batch *b, size_t at,
                    struct sync_origin *out);
/* Some arrival of the batch may be the other end of a removal that was not told yet: it is
 * of a known message, or older than its being there can be. */
bool sync_move_awaits(const struct sync_ctx *sc, const struct mailbox *m,
                      const struct sync_batch *b);
/* The stored row left m. */
void sync_move_left(struct sync_move_plan *plan, const struct sync_ctx *sc,
                    const struct mailbox *m, const struct msg_row *row);
/* Adds what is too old or too many, then puts everything into the commit. */
void sync_move_plan_put(struct sync_move_plan *plan, struct sync_moves *mv,
                        struct store_commit_params *params);

#endif
