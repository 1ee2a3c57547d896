/* sync: makes the index equal the mailbox and the log tell the difference.
 * Shape    mailbox_table  the mailboxes of one account in memory
 *          sync_list      operation: one listing; commits new, gone and deleted mailboxes
 *          sync_pass      operation: SELECT (or the mailbox selected already) and
 *                         whatever it takes to be up to date: initial index, or one
 *                         incremental pass
 *          sync_live      what a connection in IDLE said meanwhile, waiting to be applied
 *          sync_diff      pure: rows of the index against rows of the server
 * Owner    the account actor owns the table, the live record and the connection; a pass
 *          borrows them until its callback. One pass at a time per mailbox; the commits of
 *          an account queue in the store.
 * Calls    loop thread
 * Limits   commits of SYNC_BATCH_MAX rows; 10 000 mailboxes kept
 * Errors   imap's, store's; ERR_STALE and ERR_FENCED mean: drop the actor's memory and
 *          load again
 * Spec     RFC 3501, 7162, and the algorithm in docs/ARCHITECTURE.md §Sync */
#ifndef POSTRIDER_SYNC_SYNC_H
#define POSTRIDER_SYNC_SYNC_H

#include "postrider/imap/imap.h"
#include "postrider/store/store_mailbox.h"
#include "postrider/sync/sync_move.h"

enum {
    SYNC_BATCH_MAX = 2000,
    SYNC_MAILBOXES_MAX = 10000
};

/* --- the table --- */

struct mailbox_table {
    struct mailbox **items;
    size_t count, cap;
    uint32_t next_number;     /* counter for ids and numbers; 1 at first */
    int64_t flags_refresh_ms; /* see sync_flags_are_due; 0 = half an hour */
    uint32_t since_day;       /* see sync_since_day */
};

void mailbox_table_fini(struct mailbox_table *t);
void mailbox_table_add(struct mailbox_table *t, struct mailbox *m);    /* taken */
void mailbox_table_remove(struct mailbox_table *t, struct mailbox *m); /* freed */
struct mailbox *mailbox_table_by_wire(const struct mailbox_table *t, struct str wire);
struct mailbox *mailbox_table_by_box(const struct mailbox_table *t, uint32_t box);
struct mailbox *mailbox_table_by_number(const struct mailbox_table *t, uint32_t number);
struct mailbox *mailbox_table_by_use(const struct mailbox_table *t,
                                     const char *special_use);
struct mailbox *mailbox_table_inbox(const struct mailbox_table *t);
/* The mailbox whose labels tell what the mailboxes that are not indexed hold; NULL: each
 * holds its own. */
struct mailbox *mailbox_table_all(const struct mailbox_table *t);
/* Is it one to sync: selectable, not virtual? */
bool mailbox_is_synced(const struct mailbox *m);

/* --- what is known of a server --- */

enum sync_quirk {
    SYNC_QUIRK_FALSE_VANISHED = 1
                                << 0, /* says of messages that are there that they went */
    SYNC_QUIRK_LATE = 1 << 1,         /* shows messages later than others above them */
    /* shows but the newest messages of a mailbox, some multiple of ten thousand */
    SYNC_QUIRK_WINDOW = 1 << 2,
    /* the mailboxes below "Labels" hold copies of messages of others */
    SYNC_QUIRK_LABEL_COPIES = 1 << 3,
    SYNC_QUIRK_SLOW_STATUS = 1 << 4,   /* STATUS often is no cheaper than SELECT */
    SYNC_QUIRK_TRUE_VANISHED = 1 << 5, /* no fault: what it says went is gone */
    SYNC_QUIRK_WRONG_IDS = 1 << 6      /* tells wrong MAILBOXIDs */
};
/* By capability words, ID and greeting; enum sync_quirk bits. */
uint32_t sync_quirks(const struct imap_conn *conn);

/* A mailbox that was seen in an older state than before, and not otherwise since. */
struct sync_behind {
    uint32_t box;
    uint32_t since_s, seen_s; /* for the first time and the last: loop time in seconds */
};

/* What the passes of one account found out about its server. The actor keeps it as long as
 * it lives; all zero at first. */
struct sync_learned {
    uint32_t false_vanished;      /* times that VANISHED proved wrong */
    int64_t qresync_off_until_ms; /* loop time */
    int64_t flag_search_off_until_ms;
    bool false_uid_next;        /* it told a UIDNEXT below a UID that it showed */
    struct sync_behind *behind; /* at most SYNC_MAILBOXES_MAX */
    size_t behind_count, behind_cap;
};
void sync_learned_fini(struct sync_learned *l);

/* Marks in list_attrs, set by a listing beside enum imap_list_attr. */
enum sync_list_mark {
    SYNC_LIST_COPIES = 1 << 16, /* holds what others hold, too: not indexed */
    SYNC_LIST_ALL = 1 << 17 /* holds everything that the former show: Gmail's All Mail */
};

/* --- context --- */

/* One new message as a pass saw it, for who wants to keep its content for a moment. */
typedef void sync_new_row_fn(void *ctx, const struct mailbox *m,
                             const struct imap_row *row, const char *event_id);

struct sync_ctx {
    struct store *store;
    const struct store_acct *acct;
    struct mailbox_table *table;
    int64_t notify_from_ms; /* messages with an older INTERNALDATE are indexed silently */
    uint32_t batch_messages;
    int64_t delete_confirm_ms;
    uint32_t resets_per_day; /* of one mailbox that are followed; 0 = 3 */
    uint32_t
        new_items; /* imap_item bits that a pass asks for new messages besides its own */
    bool threads;  /* what new messages tell of threads is kept */
    bool fast;     /* nothing is indexed but the highest UID; only arrivals are told of */
    uint64_t *map_changes;        /* store_commit_params'; may be NULL */
    struct sync_learned *learned; /* may be NULL */
    /* A pass works on this mailbox: a listing leaves it alone. May be NULL. */
    bool (*is_busy)(void *ctx, uint32_t box);
    sync_new_row_fn *on_new_row;
    /* A listing wants to select another mailbox on its connection. False: not now, it asks
     * again. May be NULL. */
    bool (*may_select)(void *ctx);
    void *ctx;                /* of the three */
    struct sync_moves *moves; /* NULL: moves are not looked for */
    bool settled;             /* every mailbox was looked at since the connection is up */
    bool lost; /* the account was indexed before, and nothing of it is left */
    /* A pass is about to send a command: end IDLE. May be NULL. */
    void (*on_command)(void *ctx);
    void *command_ctx;
};

/* --- live data --- */

struct sync_flag_row {
    uint32_t uid;
    uint32_t number; /* of sequence, where the server told no UID; uid is 0 then */
    uint64_t modseq;
    uint8_t system;
    uint8_t keyword_count;
    bool has_labels;      /* they are among the keywords, marked; else nothing was said */
    uint32_t order;       /* of arrival among rows of one UID */
    struct str *keywords; /* in the arena */
};

/* What the watching connection said since the last pass. */
struct sync_live {
    struct arena arena;
    uint32_t box;        /* of which it was said; 0 = that is not known */
    bool exists_changed; /* EXISTS above what the index has */
    bool resync;         /* something that needs a comparison with the server */
    /* But for what is told here the index has what the connection shows, so that numbers are
     * places in it; a pass finds that out. */
    bool in_step;
    struct sync_flag_row *rows;
    size_t row_count, row_cap;
    struct sync_flag_row *numbered; /* flags of a message by its number, in this order */
    size_t numbered_count, numbered_cap;
    struct imap_range *vanished;
    size_t vanished_count, vanished_cap;
    uint32_t
        *expunged; /* sequence numbers in order of arrival, each against the state then */
    size_t expunged_count, expunged_cap;
    /* rows of new messages that came by themselves: what the index keeps of them, no more */
    struct imap_row *arrivals;
    size_t arrival_count, arrival_cap;
    uint64_t modseq;  /* highest one seen live: cursor of this connection only */
    uint32_t changes; /* live changes since the stored cursor moved */
    uint32_t told;    /* rows so far: each has its number in `order` */
    /* The lower end of the index in the mailbox that is selected; a pass sets it. What is
     * told of messages below counts as a change and leaves nothing else behind; numbers
     * are kept as if the first message of the index were the first of all. */
    uint32_t first_uid; /* 0 or 1: there is nothing below */
    uint32_t below;     /* messages under first_uid */
    bool below_open;    /* how many is not known … */
    bool below_moved;   /* … and some went since it was asked for */
};

/* What was told is taken: keeps whose it was, modseq, changes and the lower end … */
void sync_live_clear(struct sync_live *l);
/* … or is to be forgotten: nothing is known of the mailbox that is selected. */
void sync_live_reset(struct sync_live *l);
void sync_live_fini(struct sync_live *l);
bool sync_live_is_empty(const struct sync_live *l);
void sync_live_exists(struct sync_live *l);
void sync_live_expunge(struct sync_live *l, uint32_t seq);
/* earlier: it went before the mailbox was selected, and was not counted any more. */
void sync_live_vanished(struct sync_live *l, const struct imap_set *uids, bool earlier);
/* False: it is of a message below the index. */
bool sync_live_row(struct sync_live *l, const struct imap_row *row);
/* The server was asked for the flags of these UIDs when so many rows were told: what those
 * say of them is older than its answer. */
void sync_live_forget(struct sync_live *l, uint32_t told, struct imap_range uids);
/* A row that nobody asked for, of the mailbox m as the server's view has it. True: it tells
 * all of `items` of a message above the index, goes to sc->on_new_row at once and is
 * remembered as an arrival. False: it is some other row. What of new_items is missing does
 * not matter. */
bool sync_live_arrival(struct sync_live *l, const struct sync_ctx *sc,
                       const struct mailbox *m, uint32_t items,
                       const struct imap_row *row);
/* Are its sequence numbers those of before anything else that was said? */
bool sync_live_numbers_hold(const struct sync_live *l);
/* True if it can be applied without a command to the server. */
bool sync_live_is_passive(const struct sync_live *l);

/* Does what STATUS told, be it little, differ from what the index was brought up to? */
bool sync_status_differs(const struct mailbox *m, const struct imap_status *status);

/* --- an index that begins at a date --- */

/* The day from which on messages are searched for that are at or after this moment: days
 * since 1970, a day early, for SEARCH knows no zones (RFC 3501 §6.4.4). 0 for all of them. */
uint32_t sync_since_day(int64_t from_ms) ATTR_PURE;
/* The index begins elsewhere than the account wants by now: a pass with SELECT is due. */
bool sync_floor_is_due(const struct mailbox_table *t, const struct mailbox *m) ATTR_PURE;

/* --- operations --- */

/* What the index keeps of a new message, as imap_item bits, as far as this connection and
 * its selected mailbox, if there is one, have it. */
uint32_t sync_row_items(const struct imap_conn *conn);

/* Gives a special use to mailboxes that are named like one, where the server gives none. */
struct sync_listed {
    struct imap_list_entry *entry;
    bool guessed;
};
void sync_guess_uses(struct sync_listed *rows, size_t count);

struct sync_list_result {
    size_t listed; /* mailboxes in this listing */
    size_t
        missing; /* known ones that were not in it: list again after delete_confirm_ms */
    struct mailbox *
        *changed; /* those to index, and whose STATUS differs from the index */
    size_t changed_count;
    struct mailbox **untold; /* indexed ones of which the listing said no STATUS */
    size_t untold_count;
};
struct sync_list;
typedef void sync_list_cb(struct sync_list *op, const struct err *err,
                          const struct sync_list_result *result, void *ctx);
struct sync_list *sync_list_start(struct imap_conn *conn, const struct sync_ctx *sc,
                                  sync_list_cb *cb, void *ctx) ATTR_RETURNS_NONNULL;
void sync_list_cancel(struct sync_list *op);

/* A server without MODSEQ does not tell that flags changed: they are all read again when
 * this says so: INBOX every flags_refresh_ms, the others in twelve times that. */
bool sync_flags_are_due(const struct mailbox_table *t, const struct mailbox *m);
/* The mailbox could not be selected and is not to be tried again yet. */
bool sync_is_parked(const struct mailbox *m);
/* The server shows that it exists: it can be selected at once. */
void sync_gone_not(struct mailbox *m);

struct sync_pass_result {
    uint32_t added, updated, deleted;
    bool was_initial;
    /* It failed because SELECT was refused, or showed an older state of the mailbox. Nothing
     * was changed, and others can be selected on the connection as before. */
    bool doubted;
};
struct sync_pass;
typedef void sync_pass_cb(struct sync_pass *op, const struct err *err,
                          const struct sync_pass_result *result, void *ctx);
/* select: SELECT first and compare with the index; else the mailbox is selected on conn
 * and live holds what happened since. The pass takes what live holds at its start; what
 * the connection says while it runs is left there for the next pass. live->modseq is kept
 * up to date. A pass that fails does so with the connection: it may show what is not so. */
struct sync_pass *sync_pass_start(struct imap_conn *conn, const struct sync_ctx *sc,
                                  struct mailbox *m, struct sync_live *live, bool select,
                                  sync_pass_cb *cb, void *ctx) ATTR_RETURNS_NONNULL;
/* Do UIDs mean the same to the connection as to the index? Under another UIDVALIDITY a UID
 * names another message, or none. True if either does not say; both may be NULL. */
bool sync_uids_agree(const struct mailbox *m, const struct imap_selected *selected);
/* Nothing is selected, or under another UIDVALIDITY than that of the index: what the connection
 * says is not of what is indexed, and the next pass begins with SELECT. Not so while a mailbox
 * is left alone because its UIDVALIDITY changes too often. */
bool sync_must_select(const struct imap_conn *conn, const struct mailbox *m);
/* It waits for an answer that is the last it needs, unless that tells of changes: what comes
 * next on the connection may be sent already. */
bool sync_pass_asks_last(const struct sync_pass *p);
/* Ends as soon as a commit on its way has come back. */
void sync_pass_cancel(struct sync_pass *op);

#endif
