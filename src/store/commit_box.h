/* commit_box: the part of a commit that concerns one mailbox.
 * Shape    copied from the caller's change ─► planned (which segments are read) ─► rows
 *          filled in ─► words of the script ─► settled into the caller's mailbox
 * Owner    everything lives in the commit's arena but `m`, which is the caller's
 * Errors   ERR_LIMIT: a value does not fit; ERR_CORRUPT: rows in the record are damaged
 */
#ifndef POSTRIDER_STORE_COMMIT_BOX_H
#define POSTRIDER_STORE_COMMIT_BOX_H

#include "store_rows.h"

struct commit_box {
    struct mailbox *m;
    uint32_t box;
    uint64_t version; /* of the stored record; 0 = none */
    bool remove;
    bool drop;        /* the stored segments go first */
    bool shadow;      /* … or become the shadow */
    bool drop_shadow; /* the former shadow goes */
    struct str head;
    struct segment_edit_input in;
    struct str inlined; /* rows in the stored record, or absent */

    struct segment_entry *reads; /* segments to read, and where they stand in `in` */
    size_t *read_index;
    size_t read_count;
    const struct msg_row **rows; /* of every segment of `in`; NULL if not read */

    bool edits; /* rows change */
    struct segment_edit edit;
    struct str inline_next;
};

/* Copies the change. ERR_LIMIT. */
bool commit_box_init(struct commit_box *b, struct arena *arena,
                     const struct mailbox_change *change, struct err *err);
/* With all rows in place: edits, and puts the mailbox's arguments of commit.lua. Counts
 * written segments. */
bool commit_box_words(struct commit_box *b, struct store *s, const struct store_acct *a,
                      struct store_words *w, size_t *written, struct err *err);
/* It was stored. */
void commit_box_settle(const struct commit_box *b);

#endif
