/* store_log: reading the change log, reader cursors, the dirty set, retention.
 * Shape    log:<acc> is a Redis stream; an entry is (id, type, event id, sealed event)
 *          cur:<acc> maps a reader's name to the last entry it has finished
 *          dirty is the set of accounts of a shard whose log is ahead of some reader
 * Owner    entries are borrowed until the callback returns
 * Limits   STORE_LOG_PAGE entries a read
 * Errors   store.h's; ERR_NO_ACCOUNT when the account is gone; a cursor that is no entry
 *          id is ERR_INVALID */
#ifndef POSTRIDER_STORE_STORE_LOG_H
#define POSTRIDER_STORE_STORE_LOG_H

#include "postrider/event/event.h"
#include "postrider/store/store.h"

enum {
    STORE_LOG_PAGE = 100,
    STORE_ENTRY_ID_SIZE = 42
};

struct log_entry {
    char entry_id[STORE_ENTRY_ID_SIZE]; /* "1700000000000-0" */
    /* false: the sealed part is damaged; event.type and id hold. The type is
     * EVENT_TYPE_COUNT if it is unknown here. */
    bool readable;
    struct event event;
};

/* a < b, a == b, a > b by stream order. "" is before everything. */
int store_entry_id_cmp(const char *a, const char *b);
/* False if it is no entry id; "" is none. */
bool store_entry_id_split(const char *id, uint64_t *ms_out, uint64_t *seq_out);

struct store_log_read;
/* gap: entries behind the cursor were trimmed before they were read. */
typedef void store_log_read_cb(struct store_log_read *op, const struct err *err,
                               const struct log_entry *entries, size_t count, bool gap,
                               void *ctx);
/* Entries after `after` ("" = from the start). */
struct store_log_read *store_log_read_start(struct store *s, const struct store_acct *a,
                                            const char *after, size_t count,
                                            store_log_read_cb *cb, void *ctx);
/* The last entry; of an empty log the place of the last one trimmed, not readable. */
struct store_log_read *store_log_last_start(struct store *s, const struct store_acct *a,
                                            store_log_read_cb *cb, void *ctx);
void store_log_read_cancel(struct store_log_read *op);

struct store_cursors;
struct store_cursor {
    struct str reader;
    char entry_id[STORE_ENTRY_ID_SIZE];
    uint64_t moves; /* how often store_replay_start has moved it */
};
typedef void store_cursors_cb(struct store_cursors *op, const struct err *err,
                              const struct store_cursor *cursors, size_t count,
                              void *ctx);
struct store_cursors *store_cursors_start(struct store *s, const struct store_acct *a,
                                          store_cursors_cb *cb, void *ctx);

struct store_cursor_write {
    const char *reader;
    const char *entry_id;
    uint64_t moves;             /* as the cursor had it when it was read */
    const char *const *readers; /* whose cursors count for `dirty` */
    size_t reader_count;
};

struct store_log_op;
typedef void store_log_cb(struct store_log_op *op, const struct err *err, void *ctx);
/* Moves a cursor on; with the lease checked; takes the account out of `dirty` if every
 * reader named has reached the last entry, else puts it in. Names of readers have no
 * colon. ERR_STALE: it was moved by a replay meanwhile. */
struct store_log_op *store_cursor_set_start(struct store *s, const struct store_acct *a,
                                            const struct store_cursor_write *write,
                                            store_log_cb *cb, void *ctx);

#define STORE_CURSOR_START ""
#define STORE_CURSOR_END   "$"
#define STORE_CURSOR_NONE  "-" /* nothing of the reader stays */
struct store_replay;
/* moved: accounts whose cursor was moved, also when a part failed. */
typedef void store_replay_cb(struct store_replay *op, const struct err *err, size_t moved,
                             void *ctx);
/* Moves the cursor of a reader in one account or, with acct NULL, in all of all shards, to
 * an entry id, the start or the end of each log. On any node, with or without a lease:
 * readers at work hear of it by store_set_moved_cb within a second, and what they write
 * meanwhile is refused. */
struct store_replay *store_replay_start(struct store *s, const struct store_acct *acct,
                                        const char *reader, const char *entry_id,
                                        store_replay_cb *cb, void *ctx);
typedef void store_moved_cb(struct store *s, void *ctx);
void store_set_moved_cb(struct store *s, store_moved_cb *cb, void *ctx);

struct store_trim {
    /* A reader without a stored cursor counts as standing at its entry_id here: the time
     * it was created, "1700000000000-0"; "" keeps everything. */
    const struct store_cursor *readers;
    size_t reader_count;
    uint64_t max_entries; /* 0 = no limit */
    uint64_t max_bytes;   /* 0 = no limit */
};
struct store_log_size {
    uint64_t removed, entries, bytes; /* bytes 0 = Redis does not say */
};
struct store_trim_op;
typedef void store_trim_cb(struct store_trim_op *op, const struct err *err,
                           const struct store_log_size *size, void *ctx);
/* Trims entries that are older than the retention, or too many, and that every reader named
 * has passed; then the oldest, read or not, until the log fits max_bytes. Old entries of
 * the shard's feed go too. */
struct store_trim_op *store_log_trim_start(struct store *s, const struct store_acct *a,
                                           const struct store_trim *trim,
                                           store_trim_cb *cb, void *ctx);

/* Accounts of all owned shards (of all shards, in a passive store) whose log is ahead of a reader: names, not ids. */
struct store_dirty;
typedef void store_dirty_cb(struct store_dirty *op, const struct err *err,
                            const struct str *account_names, size_t count, void *ctx);
struct store_dirty *store_dirty_start(struct store *s, store_dirty_cb *cb, void *ctx);

/* The account behind a name (keyed hash), from the directory; NULL if unknown. */
const char *store_account_id_by_name(struct store *s, struct str name);

/* Called after every commit that appended `count` events, with the account: readers on
 * this node need no polling. */
typedef void store_appended_cb(struct store *s, const struct store_acct *a, size_t count,
                               void *ctx);
void store_set_appended_cb(struct store *s, store_appended_cb *cb, void *ctx);

#endif
