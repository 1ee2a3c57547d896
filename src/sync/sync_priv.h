#ifndef POSTRIDER_SYNC_PRIV_H
#define POSTRIDER_SYNC_PRIV_H

#include "postrider/loop/op.h"
#include "postrider/sync/sync.h"
#include "sync_move_priv.h"
#include "sync_recent.h"

enum {
    SYNC_COMMAND_MS = 60000,
    SYNC_SELECT_MS = 180000,
    SYNC_SEARCH_MS = 180000,
    SYNC_PASS_MS = 24 * 3600 * 1000, /* each command inside has a deadline of its own */
    SYNC_NEW_SLICE = 750,            /* arrivals in one commit */
    SYNC_CHANGE_SLICE = 250,  /* changes or deletes in one: each may touch a segment */
    SYNC_LATE_MAX = 5000,     /* messages below last_uid fetched at a time */
    SYNC_SELECT_ROWS = 20000, /* kept of a QRESYNC answer */
    SYNC_VANISHED_RANGES = 65536,       /* kept of what is said to have gone */
    SYNC_BATCH_BYTES = 8 * 1024 * 1024, /* of names in a batch that fills */
    SYNC_WALK_CHUNKS = 3,               /* of an initial index in memory */
    SYNC_DOUBT_ROWS = 5
};

_Static_assert((int)SYNC_NEW_SLICE + (int)SYNC_CHANGE_SLICE <= (int)STORE_COMMIT_EVENTS,
               "a slice of each kind fits into one commit");

/* --- batch: what a pass learned and has not stored yet --- */

struct sync_new_row {
    struct msg_row row;
    int64_t internaldate_ms;
    uint64_t size;
    uint32_t order; /* of arrival among all rows of the batch */
    bool announce, has_labels;
    struct thread_fact thread; /* own = 0: nothing is known */
};

struct sync_batch {
    struct arena arena; /* keywords, email ids */
    uint32_t serial;    /* rows so far: each has its number in `order` */
    uint32_t searched;  /* so many rows were there when flags were searched for */
    struct sync_new_row *news;
    size_t new_count, new_cap;
    struct sync_flag_row *flags;
    size_t flag_count, flag_cap;
    struct imap_range *vanished; /* UIDs that went, as the server told them */
    size_t vanished_count, vanished_cap;
};

/* Room for one more item. */
void *sync_grow(void *items, size_t count, size_t *cap, size_t size);
void sync_keywords_sort(uint8_t *ids, size_t count);
void sync_batch_fini(struct sync_batch *b);
void sync_batch_clear(struct sync_batch *b);
bool sync_batch_is_empty(const struct sync_batch *b);
struct sync_flag_row sync_flag_row_dup(struct arena *arena,
                                       const struct sync_flag_row *row);
size_t sync_batch_size(const struct sync_batch *b);
void sync_batch_vanished(struct sync_batch *b, struct imap_range range);
void sync_batch_move_vanished(struct sync_batch *to, struct sync_batch *from);
void sync_batch_flags(struct sync_batch *b, const struct imap_row *row);
/* Keyword names become ids of m's dictionary, which may grow. */
void sync_batch_new(struct sync_batch *b, struct mailbox *m, const struct imap_row *row,
                    bool announce);
/* Takes a row of another batch of the same pass. */
/* Notes what the row added last tells of threads. */
void sync_batch_thread(struct sync_batch *b, const struct sync_ctx *sc,
                       const struct mailbox *m, const struct imap_row *row);
void sync_batch_adopt(struct sync_batch *b, const struct sync_new_row *row);
/* Moves rows and VANISHED of the live record into the batch. */
void sync_batch_take_live(struct sync_batch *b, struct sync_live *live);
/* Flags alone. Before flags are asked for: the answer is newer, and later facts win. */
void sync_batch_take_rows(struct sync_batch *b, struct sync_live *live);
/* The same from another batch. */
void sync_batch_take_flags(struct sync_batch *b, const struct sync_batch *from);
/* Flags are searched for now: what was told before is older. */
void sync_batch_searched(struct sync_batch *b);
/* Rising UIDs, the last one of equals wins, and flags that were told behind the row of a new
 * message are its flags; to be called before sync_diff. */
void sync_batch_sort(struct sync_batch *b, struct mailbox *m);

/* --- labels (sync_label.c) --- */

/* Labels of a row as marked words behind `keywords`, which has room for them. Gives the
 * number of all words. */
size_t sync_label_words(struct arena *arena, const struct imap_row *row,
                        struct str *keywords, size_t count, size_t max);
bool sync_is_label(const struct mailbox *m, uint8_t id);
bool sync_has_label(const struct mailbox *m, const struct msg_row *row, const char *name);
/* Nothing was said of labels: `row` has those of `stored`. */
void sync_label_keep(struct arena *arena, const struct mailbox *m,
                     const struct msg_row *stored, struct msg_row *row);
/* What an earlier row of the same message said of labels holds on. */
void sync_label_carry(struct arena *arena, const struct sync_flag_row *earlier,
                      struct sync_flag_row *later);
/* Path and special use of a message for who does not know of All Mail. */
const char *sync_label_path(const struct mailbox *m, const struct msg_row *row);

/* --- diff: pure --- */

/* What a batch means for the index: rows to write, rows to delete, and who changed how.
 */
struct sync_change {
    struct msg_row before, after;
};

struct sync_diff {
    struct arena arena;
    struct msg_row *deletes; /* rows that went; without keywords */
    size_t delete_count, delete_cap;
    struct sync_change *changes; /* flags that changed */
    size_t change_count, change_cap;
    uint32_t *late; /* UIDs the server has and the index does not */
    size_t late_count, late_cap;
    size_t flags_seen; /* walk position in batch->flags */
};

void sync_diff_fini(struct sync_diff *d);
void sync_diff_clear(struct sync_diff *d);
void sync_diff_delete(struct sync_diff *d, const struct msg_row *row);
void sync_diff_late(struct sync_diff *d, uint32_t uid);
/* `after` is the callee's copy of `before` with other flags; its keywords may lie in
 * d->arena. */
void sync_diff_change(struct sync_diff *d, const struct msg_row *before,
                      const struct msg_row *after);
/* One stored row against what the server told of its flags. */
void sync_diff_flags(struct sync_diff *d, struct mailbox *m, const struct msg_row *stored,
                     const struct sync_flag_row *server);
/* One stored row against the batch: deleted, changed, or as it was. Rows in rising order.
 */
void sync_diff_stored(struct sync_diff *d, const struct sync_batch *b, struct mailbox *m,
                      const struct msg_row *stored);

/* --- events --- */

void sync_event_new_id(const struct sync_ctx *sc, const struct mailbox *m, uint32_t uid,
                       char out[EVENT_ID_SIZE]);
/* origin: it was moved or copied from there; NULL = it came from outside. */
void sync_event_new(const struct sync_ctx *sc, const struct mailbox *m,
                    const struct sync_new_row *row, const struct sync_origin *origin,
                    struct event *out);
void sync_event_deleted(const struct sync_ctx *sc, const struct mailbox *m, uint32_t uid,
                        struct event *out);
void sync_event_updated(const struct sync_ctx *sc, const struct mailbox *m,
                        const struct msg_row *before, const struct msg_row *after,
                        struct event *out);
void sync_event_mailbox_new(const struct sync_ctx *sc, const struct mailbox *m,
                            struct event *out);
void sync_event_mailbox_deleted(const struct sync_ctx *sc, const struct mailbox *m,
                                struct event *out);
/* prev_uid_validity 0: the index was lost. */
void sync_event_mailbox_reset(const struct sync_ctx *sc, const struct mailbox *m,
                              uint32_t prev_uid_validity, struct event *out);
/* `m` under its new name. */
void sync_event_mailbox_renamed(const struct sync_ctx *sc, const struct mailbox *m,
                                const char *old_path, const char *old_use,
                                struct event *out);

void sync_flag_row_copy(struct arena *arena, struct sync_flag_row *out,
                        const struct imap_row *row);
/* INTERNALDATE and size in 32 bits; never 0 when either is known. */
uint32_t sync_fingerprint(int64_t internaldate_ms, uint64_t size);

/* Is it the message that was indexed? (sync_sample.c) */
enum sync_likeness {
    SYNC_LIKENESS_UNKNOWN,
    SYNC_LIKENESS_SAME,
    SYNC_LIKENESS_OTHER
};
enum sync_likeness sync_row_compare(const struct msg_row *stored,
                                    const struct imap_row *row);

/* --- which of the indexed messages are gone? (sync_probe.c) --- */

/* Finds the deletions by asking for the UIDs at a few sequence numbers: the one at number
 * k is that of rank k - 1 plus the deletions before it, and those only grow with k. The
 * mailbox is selected, nothing else runs on the connection, and the first server_count
 * messages of those not below the index are what is left of it.
 * ERR_CONFLICT: the answers do not fit the index, after three tries. ERR_LIMIT: more than
 * max_rows rows had to be asked for. */
struct sync_probe_params {
    struct imap_conn *conn;
    const struct sync_ctx *sc;
    const struct mailbox *m;
    uint32_t server_count;
    uint32_t max_rows;
    const struct sync_live *live; /* tells how many lie below them */
};
struct sync_probe;
/* Rising ranks of what is gone; borrowed. */
typedef void sync_probe_cb(struct sync_probe *op, const struct err *err,
                           const uint32_t *ranks, size_t count, void *ctx);
struct sync_probe *sync_probe_start(const struct sync_probe_params *params,
                                    sync_probe_cb *cb, void *ctx) ATTR_RETURNS_NONNULL;
void sync_probe_cancel(struct sync_probe *op);
/* Bytes of the answer to a search for the UIDs of segments first … end - 1. */
uint64_t sync_search_bytes(const struct imap_conn *conn, const struct mailbox *m,
                           size_t first, size_t end) ATTR_PURE;
/* Rows after which asking for all UIDs is cheaper; 0: it is from the beginning. */
uint32_t sync_probe_budget(const struct imap_conn *conn, const struct mailbox *m,
                           uint32_t server_count) ATTR_PURE;

/* --- all flags by search (sync_flags.c) --- */

enum {
    SYNC_FLAG_KEYWORDS = 8
};

/* Who has which flag. */
struct sync_flag_sets {
    struct imap_set unseen, answered, flagged, deleted, draft;
    struct imap_set keywords[SYNC_FLAG_KEYWORDS];
    uint8_t keyword_ids[SYNC_FLAG_KEYWORDS]; /* in the mailbox's dictionary */
    size_t keyword_count;
};
/* Is that less than to fetch them all? */
bool sync_flag_search_is_worth(struct imap_conn *conn, const struct sync_ctx *sc,
                               struct mailbox *m);
/* Ids of those that can be on a message: what was seen on one, and what the server names,
 * because somebody may have set it since; PERMANENTFLAGS need not name all, nor does FLAGS
 * (RFC 9051 §7.1, §7.3.5). More than SYNC_FLAG_KEYWORDS: not all can be searched for, as one
 * whose name is no atom cannot. */
size_t sync_flag_keywords(const struct imap_selected *now, struct mailbox *m,
                          uint8_t ids[SYNC_FLAG_KEYWORDS]);
struct sync_flag_search;
/* ERR_CONFLICT: the mailbox changed meanwhile. Sets are borrowed. */
typedef void sync_flag_search_cb(struct sync_flag_search *op, const struct err *err,
                                 const struct sync_flag_sets *sets, void *ctx);
struct sync_flag_search *sync_flag_search_start(struct imap_conn *conn, struct mailbox *m,
                                                sync_flag_search_cb *cb,
                                                void *ctx) ATTR_RETURNS_NONNULL;
void sync_flag_search_cancel(struct sync_flag_search *op);
struct sync_flag_sets sync_flag_sets_dup(struct arena *arena,
                                         const struct sync_flag_sets *sets);
/* The stored row as the sets have it; true if it differs. Keywords that were not searched
 * for stay. New keywords lie in the arena. */
bool sync_flag_sets_apply(const struct sync_flag_sets *sets, struct arena *arena,
                          const struct msg_row *stored, struct msg_row *out);

/* --- messages that a server cannot show (sync_rescue.c) --- */

/* Fetches the given UIDs. Where the server refuses, the set is halved until the message
 * that it cannot show stands alone; of that one a row with nothing but the UID is made up,
 * or with what flags the server tells. */
struct sync_rescue;
typedef void sync_rescue_row(void *ctx, const struct imap_row *row);
typedef void sync_rescue_cb(struct sync_rescue *op, const struct err *err, void *ctx);
struct sync_rescue *sync_rescue_start(struct imap_conn *conn, const uint32_t *uids,
                                      size_t count, uint32_t items,
                                      sync_rescue_row *on_row, sync_rescue_cb *cb,
                                      void *ctx) ATTR_RETURNS_NONNULL;
void sync_rescue_cancel(struct sync_rescue *op);

/* --- servers that show but the newest messages (sync_window.c) --- */

/* What a pass learned of the lower end of the mailbox. */
struct sync_window {
    uint32_t leading;    /* so many of the lowest indexed messages are not shown */
    uint32_t first_kept; /* UID of the one behind them; 0 = none was seen yet */
    /* as sync_window_settle found them: */
    size_t passed;  /* deletes, from the first, that need be none: they are not told */
    uint32_t floor; /* the lowest UID shown; 0: all are */
};

/* --- where the index begins (sync_floor.c) --- */

/* What the lowest messages of a former index are known by. */
struct sync_held {
    struct store_shadow *load;
    struct mailbox *shadow;
    uint64_t *keys; /* rising */
    size_t count, cap;
    uint32_t chunk;  /* messages that are looked at next */
    uint32_t lowest; /* UID of one of theirs in this chunk; 0 = there was none */
};

enum floor_state {
    FLOOR_STATE_FIND,  /* the first UID since the day */
    FLOOR_STATE_TURN,  /* up or down? */
    FLOOR_STATE_DROP,  /* up: what the index has below leaves it */
    FLOOR_STATE_LIST,  /* down: which UIDs are there in between? */
    FLOOR_STATE_FETCH, /* they are indexed, from the highest to the lowest */
    FLOOR_STATE_READ,  /* another UIDVALIDITY: what had the former index? */
    FLOOR_STATE_COUNT, /* how many messages lie below? */
    FLOOR_STATE_HELD,  /* are there such among the highest of them? */
    FLOOR_STATE_STORE,
    FLOOR_STATE_DONE
};

struct sync_floor {
    enum floor_state state;
    bool begun;
    bool lowers;         /* it moves down */
    bool moves;          /* another day is wanted, or a first index */
    uint32_t day;        /* it is that of the pass, whatever the account wants by now */
    uint32_t target;     /* where the index is to begin */
    bool by_rest;        /* those above are counted: they are fewer */
    uint32_t asked_last; /* messages when they were */
    unsigned tries;
    struct imap_set between; /* UIDs to be indexed; in op.arena */
    uint32_t *uids;          /* of one commit */
    size_t uid_count, uid_cap;
    struct sync_batch batch;
    struct sync_held held;
};

/* --- the pass --- */

enum pass_state {
    PASS_STATE_SELECT,  /* SELECT sent */
    PASS_STATE_DOUBT,   /* it went back in time: are these the messages we know? */
    PASS_STATE_FLOOR,   /* where does the index begin, and what lies below? */
    PASS_STATE_COMPARE, /* what has to be done? */
    PASS_STATE_WALK,    /* initial index, newest first */
    PASS_STATE_REBUILD, /* the new index against its shadow */
    PASS_STATE_NEW,     /* messages above last_uid */
    PASS_STATE_CHANGED, /* flags since the cursor */
    PASS_STATE_RECENT,  /* do the newest messages have other flags? by search */
    PASS_STATE_FLAGS,   /* all flags, by search */
    PASS_STATE_PREPARE, /* stored rows against what was learned */
    PASS_STATE_CHECK,   /* does the count agree? */
    PASS_STATE_PROVE,   /* yes, by its own word: are those gone that it said went? */
    PASS_STATE_PROBE,   /* no: which are gone? */
    PASS_STATE_SEARCH,  /* which UIDs are there? */
    PASS_STATE_LATE,    /* messages that appeared below last_uid */
    PASS_STATE_COMMIT,
    PASS_STATE_END
};

/* Some rows of the index against what the server shows under their UIDs. */
struct sync_doubt {
    struct msg_row rows[SYNC_DOUBT_ROWS]; /* email ids in op.arena */
    size_t count;
    size_t same, other;
    bool beyond;     /* it shows a UID that UIDNEXT has yet to give */
    uint64_t cursor; /* from where HIGHESTMODSEQ went back; 0: it did not */
};

/* What one FETCH of an initial index brings. */
struct sync_walk_chunk {
    struct imap_fetch *fetch; /* NULL once it ended */
    uint32_t told;            /* rows that were told when it was asked for */
    struct sync_batch batch;
};

struct sync_pass {
    struct op op;
    struct imap_conn *conn;
    struct sync_ctx sc;
    struct mailbox *m;
    struct sync_live *live;
    sync_pass_cb *cb;
    void *ctx;
    enum pass_state state;
    struct sync_pass_result result;
    bool selects;      /* the pass begins with SELECT and may move the cursor */
    bool compare_all;  /* flags and deletes are compared with the server, not only live
                         data */
    bool full_flags;   /* plain servers: this pass refreshes all flags … */
    uint32_t flags_hi; /* … above this number they are known; 0 = none yet, or all */
    bool resynced;     /* SELECT told all that changed since the cursor */
    bool flags_failed; /* by search: they are fetched */
    bool flags_again;  /* the search is tried a second time */
    bool has_flag_sets;
    bool proved;    /* none of those that were said to be gone is found */
    bool probed;    /* ranks of what is gone were asked for */
    bool searched;  /* the index was compared UID by UID */
    bool compared;  /* what is gone is known for certain: by either */
    bool late_done; /* messages that appeared late were fetched */
    bool late_more; /* there are more of them */
    bool refused;   /* the server answered a FETCH with NO: something is missing … */
    bool refused_changes; /* … of what changed: the cursor stays */
    uint32_t late_added;
    bool agrees;        /* the index will have as many messages as the server */
    bool canceled;      /* ends as soon as no commit is on its way … */
    struct err failure; /* … with this error, unless it is ERR_OK */
    /* the mailbox at the start of the pass */
    uint32_t exists, uid_next;
    uint64_t highest_modseq;
    uint32_t live_exists; /* when live data was taken that needs no new messages … */
    bool live_alone;      /* … as it did */
    uint32_t quirks;
    uint32_t first_new_uid; /* messages from here on were never heard of */
    size_t claimed;         /* deletes that had to be proved */
    uint32_t *expunged;     /* live EXPUNGE numbers, in order; in op.arena */
    size_t expunged_count, expunged_at;
    struct sync_flag_row *numbered; /* live flags by number, rising; in op.arena */
    size_t numbered_count, numbered_at;
    uint32_t scan_rank;              /* of the stored row that comes next */
    struct imap_set server_uids;     /* of PASS_STATE_SEARCH; in op.arena */
    struct sync_flag_sets flag_sets; /* in op.arena */
    size_t server_at;                /* walk position in it */
    uint32_t server_next;
    struct sync_batch batch; /* being filled */
    struct sync_batch prior; /* being committed while the next one fills */
    struct sync_batch told;  /* flags, heard before the mailbox was selected once more */
    struct sync_diff diff;
    size_t new_at, change_at, delete_at; /* what of prior and diff is committed */
    struct sync_window window;
    struct sync_floor floor;
    struct sync_recent recent;
    bool flushing;     /* prior is on its way to the store, the fetch goes on */
    bool unordered;    /* rows do not come in rising UID order: no partial commits */
    bool must_search;  /* something was seen that only a comparison of UIDs can explain */
    bool proves;       /* the index was proved to differ: UIDs and flags are compared */
    uint32_t row_uid;  /* of the last new row */
    uint32_t walk_hi;  /* sequence numbers above are done */
    bool walk_counted; /* walk_hi is known */
    struct thread_fact *facts; /* of the next commit; its caller's */
    size_t fact_count;
    struct timer move_wait; /* for the removal of a message that arrived */
    unsigned move_waits;
    uint64_t move_key; /* of the tombstone that comes next, when the wait began */
    struct sync_move_plan moved;  /* of the next commit */
    bool reselected;              /* UIDVALIDITY was asked for a second time */
    struct sync_doubt doubt;      /* PASS_STATE_DOUBT */
    struct sync_rebuild *rebuild; /* PASS_STATE_REBUILD */
    bool outdated;                /* of UIDs that the server does not have any more */
    struct sync_walk_chunk chunks[SYNC_WALK_CHUNKS]; /* a ring, oldest first */
    size_t chunk_first, chunk_count;
    /* children in flight */
    struct imap_select *select;
    struct imap_fetch *fetch;
    struct imap_search *search;
    struct sync_probe *probe;
    struct sync_flag_search *flag_search;
    struct sync_rescue *rescue;
    struct store_scan *scan;
    struct store_rank *rank;
    struct store_commit *commit;
};

void sync_pass_enter(struct sync_pass *p, enum pass_state state);
void sync_pass_run(struct sync_pass *p);
/* Ends the pass; `doing` names what failed. */
void sync_pass_fail(struct sync_pass *p, const struct err *err, const char *doing);
/* A rescue has ended. False: the pass is over, or ends with the failure. */
bool sync_pass_rescued(struct sync_pass *p, const struct err *err);
/* The same of p->fetch. */
bool sync_pass_answered(struct sync_pass *p, const struct err *err);
/* To be called before every command. */
void sync_pass_command(const struct sync_pass *p);
/* A new message of this age is told of. */
bool sync_announces(const struct sync_ctx *sc, const struct imap_row *row);
/* Offers the row of a new message to who keeps content; true if it is told of. */
bool sync_new_content(const struct sync_ctx *sc, const struct mailbox *m,
                      const struct imap_row *row);
/* Commits `change` of p->m; the events are taken. */
void sync_pass_commit(struct sync_pass *p, struct mailbox_change *change,
                      struct event *events, size_t event_count, uint32_t next_number,
                      store_commit_cb *cb);
/* 0: no cursor. A server may tell HIGHESTMODSEQ without offering CONDSTORE. */
uint64_t sync_modseq_of(const struct imap_conn *conn,
                        const struct imap_selected *selected);
/* sync_select.c */
enum step sync_select_step(struct op *op);
/* What SELECT told is believed: goes on to COMPARE. */
void sync_selected(struct sync_pass *p);

/* sync_behind.c: a mailbox that went back in time */

/* Something went back, and MAILBOXID says that it is another mailbox? */
bool sync_behind_is_other(const struct sync_pass *p,
                          const struct imap_selected *selected);
/* Fewer than before, by what SELECT told? */
bool sync_behind_is(const struct sync_pass *p, const struct imap_selected *selected);
/* It is as it should be, or was followed to the end: what was seen before is forgotten. */
void sync_behind_forget(struct sync_pass *p);
/* The same, behind SELECT. */
void sync_behind_not(struct sync_pass *p);
/* A message that was known before SELECT is there: did that tell a UIDNEXT above it? */
void sync_behind_row(struct sync_pass *p, uint32_t uid);
enum step sync_behind_step(struct op *op);
/* Before a commit of what was compared: false, and the pass has failed, if it may be that only
 * an older state differs. */
bool sync_behind_may_store(struct sync_pass *p);

/* sync_numbers.c: flags of which the server told the number of the message only */

/* Takes them from the live record. Where the numbers say nothing certain, the record asks
 * for a comparison instead. */
void sync_numbers_take(struct sync_pass *p);
/* The numbers were of a mailbox that turned out to be another: a comparison is due. */
void sync_numbers_forget(struct sync_pass *p);
/* What was told of the stored row that has this rank, or NULL; ranks in rising order. */
const struct sync_flag_row *sync_numbers_of(struct sync_pass *p, uint32_t rank);

/* sync_changed.c */
enum step sync_changed_step(struct op *op);
/* A cursor ahead of the server's belongs to a state that the server has lost. */
bool sync_cursor_is_usable(const struct sync_pass *p);
/* The end of a FETCH of NEW or CHANGED. */
void sync_pass_fetched(struct imap_fetch *op, const struct err *err, void *ctx);

/* sync_flags.c: one stored row against what was told of it and what was searched for. */
void sync_flags_compare(struct sync_pass *p, const struct msg_row *row);

/* sync_compare.c: what is there, when the count does not agree */
enum step sync_compare_flags(struct op *op);
enum step sync_compare_prove(struct op *op);
enum step sync_compare_probe(struct op *op);
enum step sync_compare_search(struct op *op);
enum step sync_compare_late(struct op *op);
/* The highest UID that is compared. */
uint32_t sync_compare_top(const struct sync_pass *p);
/* How to find out what is gone. */
enum pass_state sync_compare_state(const struct sync_pass *p);
/* Must what was told as gone be looked for, although the count agrees? */
bool sync_compare_must_prove(const struct sync_pass *p);
/* May VANISHED be believed? */
bool sync_trusts_vanished(const struct sync_pass *p);
void sync_vanished_was_false(struct sync_pass *p);

/* sync_window.c */
/* By the count that SELECT told. */
bool sync_window_may_hide(const struct sync_pass *p);
/* To be called for the stored rows in their order, `rank` counted from 0. */
void sync_window_row(struct sync_pass *p, uint32_t rank, const struct msg_row *row,
                     bool is_gone);
/* The oldest message that is shown; true if its row was asked for to learn that alone. */
bool sync_window_looked(struct sync_pass *p, uint32_t uid);
/* Is more to be asked before the lowest messages are said to be deleted? */
bool sync_window_is_open(const struct sync_pass *p);
/* Before the commits of what was compared. */
void sync_window_settle(struct sync_pass *p);
/* The floor when a mailbox was walked to its first message; 0: it is no window. */
uint32_t sync_window_walked(const struct sync_pass *p);
/* A message below those that are shown came into sight again. */
bool sync_window_is_below(const struct mailbox *m, uint32_t uid);

/* sync_park.c: the mailbox cannot be selected. */
void sync_park(struct mailbox *m, const struct err *err, int64_t confirm_ms);

/* sync_walk.c: the initial index */
enum step sync_walk_step(struct op *op);
/* Without UIDNEXT (163.com) the UID of the last message stands in. Before anything else is
 * asked of a mailbox without an index: what arrives behind that is new mail. True: it was not
 * known, and the answer comes. */
bool sync_walk_must_ask(struct sync_pass *p);
/* A mailbox without a usable index starts over; commits the beginning. */
void sync_walk_begin(struct sync_pass *p);
/* Cancels what was asked for; frees what came. */
void sync_walk_cancel(struct sync_pass *p);
void sync_walk_fini(struct sync_pass *p);

/* sync_reset.c: UIDVALIDITY changed */

/* It did so too often: the mailbox is left alone for now. */
bool sync_reset_rests(const struct mailbox *m);

/* What SELECT told is to be believed, or asked again; false: the pass goes elsewhere. */
bool sync_reset_believe(struct sync_pass *p, const struct imap_selected *selected);
/* It is another mailbox. False: the pass goes elsewhere. */
bool sync_reset_follow(struct sync_pass *p);
/* m starts a new epoch: fills what its first commit needs besides m itself. Gives the number
 * of events, at most one. */
size_t sync_reset_begin(struct sync_pass *p, uint32_t uid_validity,
                        struct mailbox_change *change, struct event *event);
/* sync_rebuild.c: a state of the pass of its own */
enum step sync_rebuild_step(struct op *op);
void sync_rebuild_cancel(struct sync_rebuild *r);
void sync_rebuild_free(struct sync_rebuild **r);

/* sync_ranks.c */

/* Numbers of EXPUNGE, each of which counts the messages that were left when it came, become
 * ranks of the index before them, rising. */
void sync_ranks_of_expunges(uint32_t *numbers, size_t count);
void sync_uids_widen(uint32_t *lo, uint32_t *hi, uint32_t first, uint32_t last);
/* By the UIDs of the segments that hold these ranks. */
void sync_ranks_widen(const struct mailbox *m, uint32_t first, uint32_t last,
                      uint32_t *lo, uint32_t *hi);
/* Ranks are counted from the beginning of a segment: *lo is moved there. */
uint32_t sync_ranks_begin(const struct mailbox *m, uint32_t *lo);

/* sync_apply.c: from what was learned to a commit */
enum step sync_apply_prepare(struct op *op);
enum step sync_apply_check(struct op *op);
enum step sync_apply_commit(struct op *op);
/* Commits what was gathered so far while its fetch goes on. */
void sync_apply_flush(struct sync_pass *p);

#include "sync_floor_priv.h"

#endif
