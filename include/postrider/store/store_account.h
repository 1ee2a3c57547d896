/* store_account: account records and the directory of accounts.
 * Shape    a record is the account's settings as JSON (the shape of the API's account
 *          object), with secrets apart, each sealed as its own field; beside it the state
 *          record ({state, lastError, syncTime, counters, connections …})
 *          the directory: id, name, email, state, created of every account, decoded in
 *          memory, sorted by id, kept current by our own writes and repaired when the
 *          store opens and when a shard is taken over
 * Owner    JSON given to callbacks is borrowed
 * Calls    loop thread. Everything that writes needs the lease of the account's shard;
 *          reading does not.
 * Limits   record ≤ 256 KiB; id 1–256 bytes of UTF-8; 1 000 000 accounts
 * Errors   ERR_NO_ACCOUNT, ERR_CONFLICT (exists, or somebody else changes it now),
 *          ERR_INVALID, ERR_TOO_LARGE, and store.h's. After ERR_TIMEOUT, ERR_CANCELED or
 *          ERR_STORE_DOWN a change may or may not be there; what is half done is completed
 *          or undone in the background. */
#ifndef POSTRIDER_STORE_STORE_ACCOUNT_H
#define POSTRIDER_STORE_STORE_ACCOUNT_H

#include "postrider/event/event.h"
#include "postrider/store/store.h"

/* Paths of members that are secrets: "imap.auth.pass", "imap.auth.accessToken",
 * "smtp.auth.pass", "smtp.auth.accessToken", "oauth2.accessToken", "oauth2.refreshToken",
 * and "webhooksCustomHeaders". */
extern const char *const store_account_secret_paths[];

struct store_account_op;
/* record: settings with the secrets back in place; state: the state record, with the
 * numbers of events by type in its member `counters`. */
typedef void store_account_cb(struct store_account_op *op, const struct err *err,
                              const struct store_acct *acct, json_t *record,
                              json_t *state, void *ctx);

struct store_account_op *store_account_get_start(struct store *s, struct str id,
                                                 store_account_cb *cb, void *ctx);
/* Creates with a new incarnation and commits accountAdded with it. ERR_CONFLICT if it
 * exists. */
struct store_account_op *store_account_create_start(struct store *s, struct str id,
                                                    json_t *record, store_account_cb *cb,
                                                    void *ctx);
/* Replaces the settings; the state record stays. */
struct store_account_op *store_account_update_start(struct store *s, struct str id,
                                                    json_t *record, store_account_cb *cb,
                                                    void *ctx);
/* Removes every key of the account; finished after a crash at the next start. The log
 * keeps nothing: accountDeleted is handed to readers by the caller. */
struct store_account_op *store_account_delete_start(struct store *s, struct str id,
                                                    store_account_cb *cb, void *ctx);
void store_account_cancel(struct store_account_op *op);

/* --- directory --- */

struct account_entry {
    const char *id, *name, *email;
    const char *state;
    int64_t created_ms;
    int64_t sync_time_ms;                    /* end of the last complete look; 0 = none */
    uint64_t event_counts[EVENT_TYPE_COUNT]; /* committed since the account exists */
    const struct err *last_error;            /* NULL = none */
};

size_t store_directory_count(struct store *s);
/* Entries sorted by id; borrowed until the next change. NULL when out of range / unknown.
 */
const struct account_entry *store_directory_at(struct store *s, size_t index);
const struct account_entry *store_directory_get(struct store *s, struct str id);
/* In memory only; the state itself is committed by store_commit. */
void store_directory_set_state(struct store *s, struct str id, const char *state,
                               const struct err *last_error);
void store_directory_set_sync_time(struct store *s, struct str id, int64_t sync_time_ms);
/* Called after the state of an account changed on this node. NULL = nobody. */
typedef void store_state_cb(struct store *s, const struct account_entry *entry,
                            void *ctx);
void store_set_state_cb(struct store *s, store_state_cb *cb, void *ctx);

#endif
