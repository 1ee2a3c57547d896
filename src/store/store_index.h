/* store_index: what the files of the message index share: the packed mailbox record and
 * the edit of a mailbox's segments. Pure: nothing here knows Redis or keys.
 * Shape    struct segment_edit: plan (which segments must be read), then apply (existing
 *          rows + changes → the new directory and what has to be written or removed)
 * Owner    everything made by an edit lives in its arena or is borrowed from its input
 * Limits   SEGMENT_BYTES_MAX bytes a segment, MAILBOX_RECORD_MAX bytes a record
 * Errors   ERR_CORRUPT: the record or a segment does not parse or contradicts itself */
#ifndef POSTRIDER_STORE_INDEX_H
#define POSTRIDER_STORE_INDEX_H

#include "postrider/base/arena.h"
#include "postrider/base/buf.h"
#include "postrider/store/store_mailbox.h"

enum {
    SEGMENT_BYTES_MAX = 256 * 1024,
    SEGMENT_ROWS_MIN = 64,          /* a smaller one joins a neighbour with room */
    MAILBOX_INLINE_ROWS = 64,       /* so many rows stay inside the record */
    MAILBOX_NAME_MAX = 16 * 1024,   /* bytes of a name in the record */
    MAILBOX_KEYWORD_BYTES_MAX = 255 /* longer names are not indexed */
};
#define MAILBOX_RECORD_MAX ((size_t)8 * 1024 * 1024)

/* --- the record --- */

/* Everything but version, directory and rows: what does not depend on the edit. False if
 * a name is longer than MAILBOX_NAME_MAX or `out` is full. */
bool mailbox_pack_head(const struct mailbox *m, struct buf *out);
/* The directory and, if inline_len > 0, the rows; behind the head. */
bool mailbox_pack_rows(const struct segment_entry *segments, size_t segment_count,
                       struct str inline_segment, struct buf *out);
/* Head and rows. The version is left 0. NULL with ERR_CORRUPT. */
struct mailbox *mailbox_unpack(struct str packed, struct err *err);

/* --- editing --- */

struct segment_edit_input {
    const struct segment_entry *segments; /* the directory as stored */
    size_t segment_count;
    bool inlined; /* the one segment lies in the record: it is written if anything is */
    const struct msg_row *upserts; /* rising UID */
    size_t upsert_count;
    const uint32_t *deletes; /* rising; a UID that is also in upserts stays */
    size_t delete_count;
};

/* A segment of the result. */
struct edited_segment {
    struct segment_entry entry;
    const struct msg_row *rows; /* NULL: stays as it is stored */
};

struct segment_edit {
    struct edited_segment *segments;
    size_t count;
    uint32_t *removed; /* first UIDs of stored segments that go, rising */
    size_t removed_count;
    uint32_t rows; /* over all segments */
};

/* Sets need[i] for every stored segment that apply wants to see; returns how many. */
size_t segment_edit_plan(const struct segment_edit_input *in, bool *need);
/* rows[i] are the rows of stored segment i, at least of the needed ones; the others are
 * NULL. */
void segment_edit_apply(struct arena *arena, const struct segment_edit_input *in,
                        const struct msg_row *const *rows, struct segment_edit *out);

#endif
