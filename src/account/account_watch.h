/* account_watch: the parts of an account that find out what changed.
 * Shape    account_watch.c   the watching connection: listing, INBOX, NOTIFY, IDLE
 *          account_pending.c mailboxes that need a pass, one after the other on a work
 *                            connection
 *          account_doubt.c   the watched mailbox, refused or shown as it was before
 *          account_poll.c    when to look at what nobody tells of
 *          account_health.c  does IDLE tell what happens?
 *          account_sub.c     connections of their own for named mailboxes
 *          account_audit.c   does the index equal the server?
 *          account_threads.c threads that the server does not tell
 *          account_scope.c   which mailboxes, in which order, how thoroughly
 * Owner    the account; all of it is embedded there or ends with account_watch_end
 * Units    milliseconds of the loop's clock */
#ifndef POSTRIDER_ACCOUNT_WATCH_H
#define POSTRIDER_ACCOUNT_WATCH_H

#include "postrider/account/account.h"
#include "postrider/loop/backoff.h"
#include "postrider/sync/sync_audit.h"
#include "postrider/sync/sync_thread.h"

enum {
    POLL_ASK_MAX = 4, /* STATUS commands at a time */
    POLL_DISTRUST_MS = 24 * 3600 * 1000
};

/* --- which mailboxes (account_scope.c) --- */

/* Indexed and watched: selectable, not virtual, and among the account's `path`. */
bool account_syncs(const struct account *a, const struct mailbox *m);
/* Its index holds every message, or will. */
bool account_indexes(const struct account *a, const struct mailbox *m);
/* The fast indexer: arrivals only. */
bool account_is_fast(struct accounts *as, const json_t *record);
/* The mailbox of the watching connection: INBOX, or the first one of `path`; NULL as long
 * as the table does not have it. */
struct mailbox *account_main(const struct account *a);
/* Lower is earlier: live ones, then INBOX, \Sent, \Drafts, others, \Junk, \Trash, \All. */
unsigned account_rank(const struct mailbox *m);
/* Does the member of the record, an array of paths and special uses, name it? */
bool account_names(const struct account *a, const char *member, const struct mailbox *m);
int64_t account_resync_ms(const struct account *a);

/* --- mailboxes that need a pass (account_pending.c) --- */

struct pending_box {
    uint32_t box;
    unsigned rank;
};

struct pending_boxes {
    struct pending_box *items;
    size_t count, cap;
};

void account_pending_add(struct account *a, uint32_t box);
/* A pass over it waits, or is held back. */
bool account_pending_has(const struct account *a, uint32_t box);
void account_pending_run(struct account *a);
void account_pending_end(struct account *a);
/* The server told of a mailbox that is not selected. */
void account_take_status(struct account *a, const struct imap_status *status);
/* What a pass found. */
void account_take_result(struct account *a, struct mailbox *m,
                         const struct sync_pass_result *result);

/* --- the watched mailbox in doubt (account_doubt.c) --- */

struct account_doubt {
    uint32_t box; /* 0: none is */
    bool refused; /* it cannot be selected; else it was shown in an older state */
    bool tried;   /* it ended, and on the same connection no pass has ended well since */
    struct timer timer;
    struct backoff backoff;
};

/* A pass of the watching connection failed. False: the connection is to be given up. */
bool account_doubt_take(struct account *a, const struct err *err,
                        const struct sync_pass_result *result);
/* It is not to be selected on the watching connection; m may be NULL. */
bool account_doubt_holds(const struct account *a, const struct mailbox *m);
/* Nobody is to look at it yet. */
bool account_doubt_waits(const struct account *a, uint32_t box);
/* A pass of it on a work connection failed: the next one comes later. False: it is not in
 * doubt. */
bool account_doubt_again(struct account *a, uint32_t box);
/* Such a pass ended well, or there is no connection for it: the watching one looks again.
 * False: it was not in doubt. */
bool account_doubt_over(struct account *a, uint32_t box);
void account_doubt_end(struct account *a);

/* --- looking (account_poll.c) --- */

struct poll_ask {
    struct account *account;
    uint32_t box;
    struct imap_mailbox_status *op;
};

struct account_poll {
    struct timer timer;
    int64_t list_at_ms;     /* next whole listing */
    int64_t main_at_ms;     /* next SELECT of the watched mailbox, 0 = none */
    int64_t catch_up_at_ms; /* next look whether the stored cursor lags too far behind */
    int64_t throttled_until_ms; /* looks are half as frequent until then */
    int64_t select_until_ms;    /* STATUS is not to be believed until then */
    unsigned status_misses;
    int64_t probed_at_ms; /* a mailbox that STATUS calls unchanged was selected */
    size_t probe_next;    /* index into the table */
    uint32_t *due;        /* boxes to be asked for by STATUS */
    size_t due_count, due_at;
    struct poll_ask *asks; /* POLL_ASK_MAX; NULL until the first one */
    int64_t minute_at_ms;  /* of the server's limit … */
    unsigned minute_count; /* … and the questions since */
};

void account_poll_begin(struct account *a);
void account_poll_end(struct account *a);
bool account_poll_is_quiet(const struct account *a);
/* The stored cursor lags so far behind what the connection said of m that a pass is due. */
bool account_poll_is_behind(const struct account *a, const struct mailbox *m);
/* Sets the timer for whatever comes first. */
void account_poll_plan(struct account *a);
/* Sends what is due on the watching connection; true: something is under way. */
bool account_poll_ask(struct account *a);
/* A listing ended. */
void account_poll_listed(struct account *a, const struct sync_list_result *result);
/* A pass found changes: more may come soon. */
void account_poll_changed(struct account *a, struct mailbox *m);
void account_poll_throttled(struct account *a);
/* A mailbox to be selected although STATUS calls it unchanged, or 0. */
uint32_t account_poll_probe(struct account *a);
void account_poll_probed(struct account *a, bool missed);

/* --- the check of IDLE (account_health.c) --- */

struct account_health {
    struct timer timer;
    int64_t told_at_ms;        /* IDLE told something, or was proved right */
    int64_t distrust_until_ms; /* INBOX is polled although there is IDLE */
    unsigned misses;           /* in a row */
    bool proving;              /* the pass of INBOX that is due tells who was right */
    struct account_work *work;
    struct imap_mailbox_status *status;
};

void account_health_begin(struct account *a);
void account_health_end(struct account *a);
bool account_health_is_quiet(const struct account *a);
void account_health_proved(struct account *a, const struct sync_pass_result *result);

/* --- proofs that the index equals the server (account_audit.c) --- */

enum audit_stage {
    AUDIT_STAGE_NONE,
    AUDIT_STAGE_SUSPECT, /* it differed once; a pass was asked for */
    AUDIT_STAGE_REPAIR   /* it differed after that; a pass compares everything */
};

/* Times are of the wall clock unless said otherwise; 0 = never. Outlives connections. */
struct audit_box {
    uint32_t box;
    enum audit_stage stage;
    struct sync_audit_cursor cursor;
    int64_t next_at_ms; /* loop's clock */
    int64_t pass_ms;    /* a pass ended well */
    int64_t audit_ms;
    enum account_audit_outcome outcome; /* of that audit */
    int64_t proof_ms;                   /* it was equal */
};

struct account_audit {
    struct timer timer;
    struct audit_box *boxes; /* sorted by box */
    size_t count, cap;
    unsigned left; /* audits of this turn */
    uint32_t box;  /* the one at hand, or 0 */
    struct account_work *work;
    struct sync_audit *op;
    int64_t proof_ms, drift_ms; /* the last ones of any mailbox */
};

void account_audit_begin(struct account *a);
void account_audit_end(struct account *a);
bool account_audit_is_quiet(const struct account *a);
void account_audit_fini(struct account *a);
/* Its record must stay. */
bool account_audit_is_busy_with(const struct account *a, uint32_t box);
/* A pass over it ended well. */
void account_audit_passed(struct account *a, const struct mailbox *m);
/* NULL: nothing is known of it yet. */
const struct audit_box *account_audit_box(const struct account *a, uint32_t box);
/* For the state record. */
json_t *account_audit_json(const struct account *a);
void account_audit_restore(struct account *a, const json_t *state);

/* --- threads that the server does not tell (account_threads.c) --- */

struct thread_done {
    uint32_t box, epoch;
};
struct account_threads {
    struct timer wait;
    uint32_t box; /* at hand, or 0 */
    uint32_t low_uid;
    struct store_thread_low *asking;
    struct account_work *work;
    struct sync_threads *op;
    struct thread_done *done; /* mailboxes with nothing left */
    size_t done_count, done_cap;
    uint64_t map_changes; /* store_commit_params'; never the same after another load */
};

/* Finds them out itself, as its server tells none. */
bool account_has_threads(const struct account *a);
/* It is to keep threads; does its server tell them, none are kept. */
bool account_keeps_threads(const struct account *a);
/* Nothing else is to be done. */
void account_threads_run(struct account *a);
void account_threads_end(struct account *a);
bool account_threads_is_quiet(const struct account *a);
void account_threads_fini(struct account *a);
/* What the thread of a message is asked by, in the arena; of one that is rendered already:
 * false if its thread is known. */
struct thread_query account_thread_query(struct account *a, const struct mailbox *m,
                                         const struct imap_row *row, struct arena *arena);
bool account_thread_query_json(struct account *a, const json_t *message,
                               struct arena *arena, struct thread_query *out);
/* NULL: there is nothing to ask, and no callback. */
struct store_threads *account_threads_begin(struct account *a, size_t expected,
                                            store_threads_cb *cb, void *ctx);
struct store_threads *account_threads_ask(struct account *a,
                                          const struct thread_query *queries,
                                          size_t count, store_threads_cb *cb, void *ctx);
/* Puts the answer to one query into the message. */
void account_thread_put(json_t *message, const uint64_t *threads, size_t count);

/* --- subconnections (account_sub.c) --- */

struct sub_conn;
struct account_conn;
struct conn_view {
    const struct account_conn *conn;
    const char *state;
    uint32_t box; /* selected, 0 = none */
};
/* Opens and closes what the record and the table ask for now. */
void account_subs_update(struct account *a);
void account_subs_end(struct account *a);
bool account_subs_are_quiet(const struct account *a);
size_t account_subs_count(const struct account *a);
/* It is selected on a subconnection, which hears of its changes. */
bool account_subs_serve(const struct account *a, uint32_t box);
/* Compares it with the server now; false: no subconnection serves it. */
bool account_subs_touch(struct account *a, uint32_t box);
bool account_subs_are_busy_with(const struct account *a, uint32_t box);
/* There is something to do for one that has it: a pass, or news to look at. */
bool account_subs_are_behind(const struct account *a, uint32_t box);
/* The i-th one for who wants to see it; false: there is none in this place. */
bool account_subs_view(const struct account *a, size_t i, struct conn_view *out);
/* Runs what waited for the listing or for another pass. */
void account_subs_next(struct account *a);
/* Stops or resumes reading from them. */
void account_subs_hold(struct account *a, bool held);

/* --- the record (account_update.c) --- */

/* The record changed: read it, and reconnect only if that is needed. */
void account_refresh(struct account *a);
void account_flush(struct account *a, accounts_flush_cb *cb, void *ctx);
/* Is the account on another server, or of another user there? */
bool account_is_elsewhere(const json_t *before, const json_t *after);
/* Drops what of the index does not fit the record any more; false: nothing has to go.
 * Ends in account_forgot or account_fail. */
bool account_forget_start(struct account *a);
void account_forgot(struct account *a);
/* The flush that is asked for cannot be done. */
void account_flush_fail(struct account *a, const struct err *err);

#endif
