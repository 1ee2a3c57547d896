/* thread_rows: which thread the messages of a mailbox belong to, in chunks beside its index.
 * Shape    a chunk holds at most SEGMENT_ROWS messages; the record says which chunks there
 *          are and how far down the messages have been looked at. Chunks are edited like
 *          segments: a row is a struct msg_row of which only `uid` is used, and `modseq`
 *          for the thread.
 * Owner    rows live in the arena given
 * Calls    pure
 * Errors   false: malformed */
#ifndef POSTRIDER_STORE_THREAD_ROWS_H
#define POSTRIDER_STORE_THREAD_ROWS_H

#include "store_index.h"

/* Unsealed: format, count; then each row: UIDs step × 2, + 1 if its thread is named before,
 * and either its 6 bytes or its place among the threads of the chunk. */
bool thread_rows_encode(const struct msg_row *rows, size_t count, struct buf *out);
bool thread_rows_decode(struct arena *arena, struct str encoded,
                        struct msg_row **rows_out, size_t *count_out);

struct thread_dir {
    uint32_t low_uid; /* as in struct thread_progress */
    struct segment_entry *chunks;
    size_t count;
};
/* Unsealed: format, low_uid, directory as in the mailbox record. */
bool thread_dir_encode(const struct thread_dir *dir, struct buf *out);
bool thread_dir_decode(struct arena *arena, struct str encoded, struct thread_dir *out);

#endif
