/* sync_thread: which messages of a mailbox belong together, where the server does not say.
 * Shape    facts of new messages go with the commits of passes; those of older ones are
 *          gathered by sync_threads, some hundred messages at a time, newest first
 * Owner    the account actor owns connection and table; the operation borrows them
 * Calls    loop thread
 * Limits   SYNC_THREAD_ROWS messages and a segment more an operation
 * Errors   imap's, store's; ERR_STALE, ERR_NOT_FOUND: the mailbox changed, try again later
 * Spec     RFC 5322 §3.6.4 */
#ifndef POSTRIDER_SYNC_SYNC_THREAD_H
#define POSTRIDER_SYNC_SYNC_THREAD_H

#include "postrider/sync/sync.h"

enum {
    SYNC_THREAD_ROWS = 400
};

/* Does the server say itself which messages are a thread? */
bool sync_thread_is_told(const struct imap_conn *conn);
/* store_thread_id of the first Message-ID in a header's value, in the arena; absent = there is
 * none. */
struct str sync_thread_id(struct arena *arena, struct str value);
/* Its hash; 0 = there is none. */
uint64_t sync_thread_hash(struct store *s, const struct store_acct *a, struct str value);
/* What envelope and headers of a row tell; false: neither is there. */
bool sync_thread_fact(struct store *s, const struct store_acct *a,
                      const struct mailbox *m, const struct imap_row *row,
                      struct thread_fact *out);

/* The messages below low_uid (0 = all) that come next, of a mailbox that is selected on the
 * connection. low_uid in the callback: where to go on; 1 = nothing is left. */
struct sync_threads;
typedef void sync_threads_cb(struct sync_threads *op, const struct err *err,
                             uint32_t low_uid, void *ctx);
struct sync_threads *sync_threads_start(struct imap_conn *conn, const struct sync_ctx *sc,
                                        uint32_t box, uint32_t low_uid,
                                        sync_threads_cb *cb,
                                        void *ctx) ATTR_RETURNS_NONNULL;
void sync_threads_cancel(struct sync_threads *op);

#endif
