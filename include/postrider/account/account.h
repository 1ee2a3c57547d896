/* account: the actor that owns one mailbox account: its connections, lanes, state,
 * mailboxes.
 * Shape    struct accounts  registry of a node: starts actors, limits handshakes per host
 *          struct account   one actor
 *              init ─► connecting ─► syncing ─► connected ◄─► (backoff) connecting …
 *                           └─► authenticationError / connectError (retry by table)
 *          account_work     operation: borrows a work connection with a mailbox selected
 * Owner    the registry owns the actors; an actor's mailboxes are borrowed until the next
 *          turn
 * Calls    loop thread
 * Units    milliseconds
 * Limits   one watching connection, at most ACCOUNT_WORK_MAX work connections and at most
 *          ACCOUNT_SUB_MAX for named mailboxes an account, five in all; 32 handshakes at once per host; 256 waiting work requests an account
 * Errors   ERR_NO_ACCOUNT, ERR_UNAVAILABLE (not connected; message says the state and
 *          why), ERR_NO_MAILBOX, ERR_NO_MESSAGE, and what imap and store report */
#ifndef POSTRIDER_ACCOUNT_ACCOUNT_H
#define POSTRIDER_ACCOUNT_ACCOUNT_H

#include "postrider/imap/imap.h"
#include "postrider/store/store_account.h"
#include "postrider/store/store_mailbox.h"
#include "postrider/sync/sync.h"

enum {
    ACCOUNT_WORK_MAX = 3,
    ACCOUNT_SUB_MAX =
        3, /* subconnections; a work connection less for each from the 2nd */
    ACCOUNT_WORK_IDLE_MS = 60000,
    /* Texts of records that are kept: few are longer, and all of them together cost … */
    ACCOUNT_SHOWN_MAX = 16 * 1024,
    ACCOUNTS_SHOWN_BYTES = 1024 * 1024
};

struct accounts;
struct account;

/* How often is looked at mailboxes that nobody tells of (docs/ARCHITECTURE.md §Watching). 0
 * = the default of the setting of that name. */
struct account_poll_config {
    int64_t hot_ms, cold_ms,
        frozen_ms; /* between looks at one that changed lately, and at
                                           those that have not for long and very long */
    int64_t hot_for_ms, cold_after_ms, frozen_after_ms;
    int64_t inbox_ms;      /* the watched mailbox of a server without IDLE */
    int64_t idle_max_ms;   /* IDLE begins anew (RFC 2177: under 29 minutes) */
    int64_t idle_check_ms; /* between proofs that IDLE tells what happens */
};

struct accounts_config {
    int64_t poll_interval_ms; /* looks at mailboxes that nobody tells of */
    struct account_poll_config poll;
    int64_t
        delete_confirm_ms; /* a second listing after this confirms a missing mailbox */
    int64_t
        move_window_ms; /* from a removal to an arrival that makes it a move; 0 = none */
    int64_t flags_refresh_ms; /* of INBOX, without MODSEQ; 0 = 30 min */
    uint32_t resets_per_day;  /* changes of UIDVALIDITY a mailbox may have; 0 = 3 */
    bool threads; /* find out which messages are one where the server does not say */
    uint32_t batch_messages;      /* initial index: rows a commit */
    uint32_t connect_concurrency; /* handshakes at once per host */
    uint32_t connect_total;       /* handshakes at once over all hosts */
    uint32_t walk_concurrency;    /* accounts that build their first index at once */
    int64_t audit_interval_ms;    /* between proofs of a mailbox's index; 0 = none */
    uint64_t memory_max_bytes;    /* of the process; 0 = any */
    size_t rows_cache_bytes;      /* of rows of listings that are kept; 0 = none */
    const char *ca_file;          /* authorities for mail servers, or NULL */
};

struct accounts *accounts_new(struct net *net, struct store *store,
                              const struct accounts_config *config) ATTR_RETURNS_NONNULL;
struct changelog;
/* Where new events go: while an account's log is nearly full, it indexes no more. */
void accounts_set_log(struct accounts *as, struct changelog *log);
/* Starts an actor for every account of the directory whose shard is ours and that has none yet. */
void accounts_start(struct accounts *as);
/* Another node has the shard now: its actors stop. */
void accounts_shard_lost(struct accounts *as, uint8_t shard);
/* Closes all connections; calls back when nothing is left. */
typedef void accounts_stop_cb(void *ctx);
void accounts_stop(struct accounts *as, accounts_stop_cb *cb, void *ctx);
void accounts_free(struct accounts **as);

/* Told by those who created, changed or deleted a record. The actor reconnects only if
 * what its connections are made of changed; the rest takes effect on those that are. */
void accounts_created(struct accounts *as, struct str id);
void accounts_updated(struct accounts *as, struct str id);
/* Forgets the index of all mailboxes, reads the record again and indexes anew; message ids
 * stay. The callback comes when the index is gone, or could not be dropped. */
typedef void accounts_flush_cb(const struct err *err, void *ctx);
void accounts_flush(struct accounts *as, struct str id, accounts_flush_cb *cb, void *ctx);
/* The actor is gone when the callback runs; call it before the record is deleted. */
void accounts_deleted(struct accounts *as, struct str id, accounts_stop_cb *cb,
                      void *ctx);

/* NULL if there is no actor. */
struct account *accounts_get(struct accounts *as, struct str id);
struct store *accounts_store(struct accounts *as);
struct net *accounts_net(struct accounts *as);
const struct accounts_config *accounts_config_get(const struct accounts *as);

enum account_audit_outcome {
    ACCOUNT_AUDIT_EQUAL,
    ACCOUNT_AUDIT_LATE,       /* equal after another look: the change was on its way */
    ACCOUNT_AUDIT_DRIFT,      /* not equal: everything is compared */
    ACCOUNT_AUDIT_UNREPAIRED, /* not equal after that either */
    ACCOUNT_AUDIT_UNSETTLED,
    ACCOUNT_AUDIT_FAILED,
    ACCOUNT_AUDIT_COUNT
};
const char *account_audit_outcome_name(enum account_audit_outcome outcome);

struct accounts_audits {
    uint64_t outcomes[ACCOUNT_AUDIT_COUNT];
    uint64_t missing, extra, stale; /* messages in which an index differed */
};

struct accounts_totals {
    size_t accounts, connected, connecting, syncing, errors;
    size_t connections;
    size_t handshakes;       /* connections on their way */
    size_t walks;            /* accounts that build a first index */
    size_t full;             /* accounts that index nothing since there is little room */
    size_t barred, parked;   /* left alone on the server's wish; waiting for the store */
    size_t paused;           /* disconnected, since memory is short */
    unsigned memory_percent; /* resident, of memory_max_bytes; 0 without a limit */
    bool held;               /* the store cannot keep up: nothing is read */
    uint64_t holds;          /* times that happened */
    struct accounts_audits audits;
    int64_t oldest_sync_ms; /* age of the oldest complete look of a connected account */
    int64_t oldest_any_ms;  /* the same of all that are switched on */
};
void accounts_totals_get(const struct accounts *as, struct accounts_totals *out);

const char *account_id(const struct account *a);
const struct store_acct *account_store_acct(const struct account *a);
/* EmailEngine's state names: init, connecting, syncing, connected, authenticationError,
 * connectError, disconnected, paused, unset. */
const char *account_state(const struct account *a);
/* Why it is not connected; ERR_OK otherwise. */
const struct err *account_last_err(const struct account *a);
int64_t account_last_err_at_ms(const struct account *a);
/* Connections to the mail server that are open now. */
size_t account_connection_count(const struct account *a);
/* The settings record, with secrets; borrowed until the next turn. NULL before it was
 * loaded, also after a change. */
json_t *account_record(const struct account *a);
/* A text that is made of the record alone, kept for who asks again: absent if it was not,
 * or when the record has changed since. Borrowed until the next call of either. */
struct str account_shown(struct account *a);
/* Keeps it unless it is longer than ACCOUNT_SHOWN_MAX; of all accounts, those asked for
 * lately are kept. */
void account_show(struct account *a, struct str text);
/* What is known of the account, for who looks for a fault (API.md, diagnose). */
json_t *account_diagnose(const struct account *a) ATTR_RETURNS_NONNULL;
/* The same of an account without an actor here, as far as the store has it. `state` may be
 * NULL. */
json_t *account_diagnose_stored(const struct account_entry *entry,
                                const json_t *state) ATTR_RETURNS_NONNULL;
void account_reconnect(struct account *a);
/* One pass over all mailboxes soon. */
void account_sync_now(struct account *a);

/* --- mailboxes --- */

/* The account's table of mailboxes (sync.h); borrowed. */
struct mailbox_table *account_mailboxes(struct account *a);
/* By path as the API takes it: exact path, INBOX in any case, or a special use
 * ("\\Sent"). NULL if unknown. */
struct mailbox *account_mailbox_by_path(struct account *a, struct str path);
/* By the public number of a message id; NULL if unknown. */
struct mailbox *account_mailbox_by_number(struct account *a, uint32_t number);
/* Something was changed through the API in this mailbox: look now. */
void account_mailbox_touch(struct account *a, struct mailbox *m);
/* Lists the mailboxes again now (after CREATE, DELETE, RENAME). */
void account_mailboxes_refresh(struct account *a);

/* --- work connections
 * ------------------------------------------------------------------------------
 * In this order, each with a bound on what it takes at once: SLOW and BULK together leave one
 * connection to the others, if there may be more than one; SLOW never takes more than one. */

enum account_lane {
    ACCOUNT_LANE_INTERACTIVE,
    ACCOUNT_LANE_SYNC,
    ACCOUNT_LANE_SLOW, /* the next piece for a client that takes less than the server gives */
    ACCOUNT_LANE_BULK,
    ACCOUNT_LANE_COUNT
};

struct account_work;
/* On success conn is lent until account_work_end, with the mailbox selected (read-write)
 * if one was named; do not close it. It is held while the operation's struct lives: the
 * callback runs once to say it is granted or failed. */
typedef void account_work_cb(struct account_work *w, const struct err *err,
                             struct imap_conn *conn, void *ctx);
/* box 0: any state will do. */
struct account_work *account_work_start(struct account *a, enum account_lane lane,
                                        uint32_t box, int64_t deadline_ms,
                                        account_work_cb *cb,
                                        void *ctx) ATTR_RETURNS_NONNULL;
/* Gives a granted connection back, or withdraws a request: no callback after this.
 * Exactly once per start, also after a failed grant. broken: the connection must not be
 * used again. */
void account_work_end(struct account_work **w, bool broken);

/* --- verifying credentials without an account --- */

struct account_verify;
/* result: {"imap": {"success": …, "error": …, "code": …}, "smtp": …, "mailboxes": […]} as
 * the API answers; borrowed. */
typedef void account_verify_cb(struct account_verify *op, const struct err *err,
                               json_t *result, void *ctx);
struct account_verify *account_verify_start(struct accounts *as, json_t *request,
                                            account_verify_cb *cb,
                                            void *ctx) ATTR_RETURNS_NONNULL;
void account_verify_cancel(struct account_verify *op);

#endif
