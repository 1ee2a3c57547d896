/* store_rows: mailbox records and segments on their way to and from Redis.
 * Owner    rows live in the arena given; words as in store_priv.h
 * Errors   ERR_STALE: a segment of the directory is not stored, or another one lies in
 *          its place: the index was changed after the directory was read;
 *          ERR_DECRYPT, ERR_CORRUPT, ERR_KEY: the value is damaged */
#ifndef POSTRIDER_STORE_ROWS_H
#define POSTRIDER_STORE_ROWS_H

#include "store_index.h"
#include "store_priv.h"

enum {
    RECORD_VERSION_SIZE = 8
};

/* Field n of f:<acc>: the counter of mailbox ids and numbers; all others are box ids. */
#define MAILBOX_FIELD_NEXT "n"

/* The clear version, then the sealed packed record. */
bool store_record_seal(struct store *s, const struct store_acct *a, uint32_t box,
                       uint64_t version, struct str packed, struct buf *out);
struct mailbox *store_record_open(struct store *s, const struct store_acct *a,
                                  uint32_t box, struct str stored, struct err *err);

bool store_segment_seal(struct store *s, const struct store_acct *a, uint32_t box,
                        const struct msg_row *rows, size_t count, struct buf *out);

/* Kinds of keys: segments of an index, and those of a mailbox's shadow. */
#define STORE_KIND_INDEX  "m"
#define STORE_KIND_SHADOW "s"

/* HMGET of these segments. */
void store_segments_words(struct store_words *w, const struct store *s,
                          const struct store_acct *a, const char *kind, uint32_t box,
                          const struct segment_entry *entries, size_t count);
/* The answer to it: rows_out[i] are the rows of entries[i]. */
bool store_segments_open(struct store *s, const struct store_acct *a, uint32_t box,
                         const struct segment_entry *entries, size_t count,
                         const struct redis_reply *reply, struct arena *arena,
                         const struct msg_row **rows_out, struct err *err);
/* The rows inside a record. */
bool store_inline_open(const struct segment_entry *entry, struct str encoded,
                       struct arena *arena, const struct msg_row **rows_out,
                       struct err *err);

/* An operation outlives the caller's struct: a copy whose id lies in the arena. */
struct store_acct store_acct_copy(struct arena *arena, const struct store_acct *a);

/* The part of a mailbox's directory that a reader needs, copied: the mailbox may go on
 * living its own life. */
struct segment_part {
    const char *kind;
    uint32_t box;
    struct segment_entry *entries;
    size_t count;
    struct str inlined; /* absent if the rows lie apart */
};
struct segment_part segment_part_copy(struct arena *arena, const struct mailbox *m,
                                      size_t first, size_t count);

#endif
