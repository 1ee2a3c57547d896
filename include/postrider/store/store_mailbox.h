/* store_mailbox: mailbox records and the packed message index.
 * Shape    struct mailbox: one mailbox as the index knows it, with the directory of its
 *          segments. A segment is at most SEGMENT_ROWS consecutive messages, columnar,
 *          delta-coded, sealed. A mailbox with one small segment keeps it in its record.
 * Owner    the account actor owns its mailboxes in memory; the store updates version and
 *          directory of a mailbox when a commit succeeded
 * Limits   MAILBOX_KEYWORDS_MAX keyword names a mailbox, further ones are not indexed;
 *          SEGMENT_ROWS rows a segment
 * Units    rows are in rising UID order everywhere
 * Spec     docs/DATA-MODEL.md */
#ifndef POSTRIDER_STORE_STORE_MAILBOX_H
#define POSTRIDER_STORE_STORE_MAILBOX_H

#include "postrider/base/arena.h"
#include "postrider/event/event.h"
#include "postrider/store/store.h"
#include "postrider/store/store_thread.h"
#include "postrider/store/store_tombstone.h"

enum {
    SEGMENT_ROWS = 256,
    MAILBOX_KEYWORDS_MAX = 250,
    MSG_EMAILID_MAX = 64,
    /* Labels (Gmail) stand in the dictionary of keywords, behind this byte, which no
     * keyword has. */
    MAILBOX_LABEL_MARK = 1
};

/* One indexed message. */
struct msg_row {
    uint32_t uid;
    uint32_t fingerprint; /* of INTERNALDATE and RFC822.SIZE; 0 = unknown */
    uint64_t modseq;      /* 0 = unknown */
    uint8_t flags;        /* bits as enum imap_flag */
    uint8_t keyword_count;
    const uint8_t *keywords; /* rising ids into the mailbox's dictionary */
    struct str email_id;     /* absent if the server has none; ≤ MSG_EMAILID_MAX */
};

/* Pure codec of one segment, unsealed. Decoding allocates rows in the arena; ERR_CORRUPT.
 */
bool segment_encode(const struct msg_row *rows, size_t count, struct buf *out);
bool segment_decode(struct arena *arena, struct str encoded, struct msg_row **rows_out,
                    size_t *count_out, struct err *err);

enum mailbox_phase {
    MAILBOX_PHASE_NEW,     /* known by name only */
    MAILBOX_PHASE_INITIAL, /* being indexed, newest first; UIDs ≥ low_uid are done */
    MAILBOX_PHASE_LIVE,
    MAILBOX_PHASE_PARKED, /* cannot be selected for now */
    MAILBOX_PHASE_GONE    /* missing from one good listing */
};
const char *mailbox_phase_name(enum mailbox_phase phase);

enum special_use_source {
    SPECIAL_USE_NONE,
    SPECIAL_USE_NAME,
    SPECIAL_USE_EXTENSION,
    SPECIAL_USE_USER
};

struct segment_entry {
    uint32_t first_uid, last_uid;
    uint32_t count;
};

struct mailbox {
    uint32_t box; /* internal id: stable for the life of the mailbox, also over renames */
    uint32_t number;  /* public: part of message ids; new at every UIDVALIDITY change */
    uint64_t version; /* of the stored record; 0 = not stored yet */
    char *wire;       /* bytes of the server */
    size_t wire_len;
    char *path;           /* for people; valid UTF-8; beside wire: mailbox_set_names */
    char special_use[16]; /* "\\Sent" …, "" = none */
    enum special_use_source special_use_source;
    uint32_t list_attrs; /* enum imap_list_attr bits */
    char *mailbox_id;    /* RFC 8474, or NULL */
    enum mailbox_phase phase;
    uint32_t epoch;        /* +1 at every reset */
    uint32_t uid_validity; /* 0 = unknown */
    uint32_t last_uid;     /* highest UID indexed */
    uint32_t srv_uid_next; /* as of the last pass */
    uint32_t exists;       /* as of the last pass */
    uint32_t low_uid;      /* phase initial: everything from here to start_uid is indexed;
                         live: 1, or all below this is not indexed (fast indexer) */
    uint32_t
        start_uid; /* phase initial: UIDNEXT when it began; later UIDs are new mail */
    uint64_t highest_modseq; /* only what a complete pass reached; 0 = none */
    uint64_t start_modseq;   /* phase initial: HIGHESTMODSEQ when it began */
    int64_t last_full_ms;    /* last full flag refresh */
    int64_t gone_since_ms;   /* not listed, or as a mere name; 0: it is */
    /* After UIDVALIDITY changed the former index stays as a shadow until the new one was
     * compared with it. 0: there is none; else 1 + the parts of it that are done */
    uint32_t rebuild;
    uint32_t rebuild_told; /* events of the part at hand that were told */
    int64_t reset_from_ms; /* UIDVALIDITY changes are counted from here, for a day … */
    int64_t rest_until_ms; /* … and when it changes too often: left alone until then */
    uint32_t reset_count;  /* … of them so far */
    /* The server shows only the newest messages, from this UID on; 0: it shows all. What
     * it stopped showing is not indexed. */
    uint32_t window_floor;
    int64_t stored_ms; /* when a pass last had something to store */
    /* The index holds messages from first_uid on; `below` lie under it, as of the last pass.
     * 0 or 1: it holds all. Phase initial: it is to begin there. */
    uint32_t first_uid;
    uint32_t below;
    uint32_t since_day; /* that first_uid was found for: days since 1970; 0 = for none,
                           UINT32_MAX = it is on its way */
    uint32_t count;     /* indexed messages: sum over the directory */
    char **keywords;    /* dictionary: index = id */
    size_t keyword_count;
    struct segment_entry *segments; /* directory, in rising UID order */
    size_t segment_count;
    char *inline_segment; /* encoded rows of a small mailbox, or NULL */
    size_t inline_len;
    char delimiter; /* of the names, here because it fills a gap; 0 = none */
    /* not stored */
    bool is_shadow;   /* from store_shadow_start: its rows lie apart */
    bool nonexistent; /* the server said so when it was to be selected, … */
    bool unheard; /* renamed while NOTIFY runs: Dovecot may tell nothing of it any more */
    bool listed_anew;         /* a listing told of it what is not stored yet */
    bool suspect;             /* proved to differ: the next pass compares all of it */
    uint32_t select_failures; /* in a row */
    int64_t refused_since_ms; /* … for the first … */
    int64_t refused_ms;       /* … and the last time: wall time */
    int64_t parked_until_ms;  /* not to be selected until then: wall time */
    int64_t changed_at_ms,
        look_at_ms; /* loop's clock: last change (0 = none seen), next look */
};

/* A new record with nothing but its names; the commit that stores it sets its version. */
struct mailbox *mailbox_new(uint32_t box, struct str wire, struct str path,
                            char delimiter);
void mailbox_free(struct mailbox **m);
void mailbox_set_names(struct mailbox *m, struct str wire, struct str path);
/* Dictionary id of a keyword, compared without case; added if `add`. -1 if absent or
 * full. */
int mailbox_keyword_id(struct mailbox *m, struct str name, bool add);
/* Forgets all rows in memory (for a reset); the next commit drops the stored segments. */
void mailbox_clear_rows(struct mailbox *m);

/* UIDs by rank, if the directory alone tells them: no UID is missing in the segments
 * concerned. False: they are to be read; what was written means nothing then. */
bool mailbox_uids_known(const struct mailbox *m, uint32_t first_rank, uint32_t count,
                        uint32_t *uids_out);

/* Message id of the API: base64url of number and UID. */
void message_id_format(uint32_t number, uint32_t uid, char out[12]);
bool message_id_parse(struct str id, uint32_t *number_out, uint32_t *uid_out);

/* --- reading --- */

/* All mailbox records of an account. The callback takes the mailboxes (array in the op).
 */
struct store_mailboxes;
typedef void store_mailboxes_cb(struct store_mailboxes *op, const struct err *err,
                                struct mailbox **boxes, size_t count,
                                uint32_t next_number, void *ctx);
struct store_mailboxes *store_mailboxes_start(struct store *s, const struct store_acct *a,
                                              store_mailboxes_cb *cb, void *ctx);
void store_mailboxes_cancel(struct store_mailboxes *op);

/* The shadow of a mailbox: the record of the former index, to be scanned like any mailbox.
 * The callback takes it. ERR_NOT_FOUND: there is none. */
struct store_shadow;
typedef void store_shadow_cb(struct store_shadow *op, const struct err *err,
                             struct mailbox *shadow, void *ctx);
struct store_shadow *store_shadow_start(struct store *s, const struct store_acct *a,
                                        uint32_t box, store_shadow_cb *cb, void *ctx);
void store_shadow_cancel(struct store_shadow *op);

/* Rows with uid_lo ≤ UID ≤ uid_hi, segment by segment in rising order. The directory is
 * copied at the start; a commit meanwhile that changes a segment still to be read ends the
 * scan with ERR_STALE. So it is with reading by rank. */
struct store_scan;
typedef void store_scan_rows(struct store_scan *op, const struct msg_row *rows,
                             size_t count, void *ctx);
typedef void store_scan_cb(struct store_scan *op, const struct err *err, void *ctx);
struct store_scan *store_scan_start(struct store *s, const struct store_acct *a,
                                    const struct mailbox *m, uint32_t uid_lo,
                                    uint32_t uid_hi, store_scan_rows *on_rows,
                                    store_scan_cb *cb, void *ctx);
void store_scan_cancel(struct store_scan *op);

/* Rows by rank: 0 is the lowest UID. Reads only the segments concerned. Rows are
 * borrowed. */
struct store_rank;
typedef void store_rank_cb(struct store_rank *op, const struct err *err,
                           const struct msg_row *rows, size_t count, void *ctx);
struct store_rank *store_rank_start(struct store *s, const struct store_acct *a,
                                    const struct mailbox *m, uint32_t first_rank,
                                    uint32_t count, store_rank_cb *cb, void *ctx);
void store_rank_cancel(struct store_rank *op);

/* --- the one-call commit (docs/ARCHITECTURE.md) --- */

enum {
    STORE_COMMIT_EVENTS = 1000,
    STORE_COMMIT_SEGMENTS = 1024, /* read or written */
    STORE_COMMIT_DEADLINE_MS = 30 * 1000
};

struct mailbox_change {
    /* Record as it shall be; version and directory = the stored ones. Copied at the start,
     * except that version, directory, count and inline rows are set on success: it must
     * live until the callback, and its rows must not be cleared meanwhile. */
    struct mailbox *m;
    bool remove;      /* the mailbox goes, with its index */
    bool drop_rows;   /* all stored segments go first (reset) */
    bool shadow_rows; /* record and segments as stored become the shadow (reset); the rows
                         in memory were cleared before */
    bool drop_shadow;
    const struct msg_row *upserts; /* rising UID; new rows and rows to replace */
    size_t upsert_count;
    const uint32_t *deletes; /* rising UID; unknown ones are ignored */
    size_t delete_count;
};

struct store_commit_params {
    const struct store_acct *acct;
    struct mailbox_change *changes; /* at most one per mailbox */
    size_t change_count;
    struct event *events; /* appended in this order; ids must be set. Taken (finished) */
    size_t event_count;
    const struct tombstone *tombstones; /* to remember */
    size_t tombstone_count;
    int64_t tombstones_ttl_ms; /* all of the account go this long after an addition */
    const uint64_t *tombstone_keys; /* to forget */
    size_t tombstone_key_count;
    const struct thread_fact *threads; /* those of one mailbox in rising UID order */
    size_t thread_count;               /* ≤ THREAD_FACTS_MAX */
    const struct thread_progress *thread_progress; /* NULL = none was made */
    /* Counted up when the map of threads may begin to change, and when it has: what was read
     * between two looks at the same count holds. Outlives the commit; NULL = nobody looks. */
    uint64_t *map_changes;
    uint32_t next_number; /* 0 = unchanged: counter of mailbox ids and numbers */
    const char *state;    /* NULL = unchanged: new account state */
    json_t *state_info;   /* merged into the account's state record (lastError, syncTime,
                             …), or   NULL; borrowed */
};

/* Everything in one Lua call: lease, epoch, incarnation and versions are checked; index,
 * records, events, feed, dirty mark and state are written; or nothing is. Rows, events
 * and strings are copied before this returns, so they may be freed at once. Segments that
 * an edit touches are read first.
 * Commits of an account are carried out one after the other, in the order of their
 * start. A mailbox may be in one of them at a time: a second one ends with ERR_STALE.
 * An answer lost on the way is settled by repeating the call, which knows itself again by
 * its token, until STORE_COMMIT_DEADLINE_MS. Only then is the outcome open: ERR_TIMEOUT,
 * or ERR_STORE_DOWN; the next commit tells by ERR_STALE if it had been carried out.
 * ERR_NO_ACCOUNT: the account is gone; ERR_LIMIT: more than STORE_COMMIT_EVENTS events or
 * STORE_COMMIT_SEGMENTS segments, or a value is too large; nothing was written. */
struct store_commit;
typedef void store_commit_cb(struct store_commit *op, const struct err *err, void *ctx);
struct store_commit *store_commit_start(struct store *s,
                                        const struct store_commit_params *params,
                                        store_commit_cb *cb, void *ctx);

#endif
