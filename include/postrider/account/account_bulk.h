/* account_bulk: changes of all messages of a mailbox that a search finds.
 * Shape    SELECT ─► SEARCH ─► one command for each ACCOUNT_BULK_CHUNK messages ─► answer
 * Owner    as in account_message.h
 * Calls    loop thread
 * Limits   ACCOUNT_BULK_MAX messages in one call: more are refused before any is changed
 * Errors   those of account_message.h; ERR_LIMIT; ERR_INVALID: the search cannot be said to
 *          this server. A call that fails or is canceled after some chunks has changed these.
 * Note     search is the object of the API (imap_search_query.h) */
#ifndef POSTRIDER_ACCOUNT_ACCOUNT_BULK_H
#define POSTRIDER_ACCOUNT_ACCOUNT_BULK_H

#include "postrider/account/account_message.h"

enum {
    ACCOUNT_BULK_MAX = 200 * 1000,
    ACCOUNT_BULK_CHUNK = 500
};

/* update: as account_message_update_start; {"flags": {"add": true …}, "labels": …}, false
 * where no message was found. */
struct account_call *account_bulk_update_start(struct account *a, struct str path,
                                               const json_t *search, json_t *update,
                                               int64_t deadline_ms, account_call_cb *cb,
                                               void *ctx);
/* {"path", "idMap": [[old id, new id], …]}: pairs as far as the server tells them. */
struct account_call *account_bulk_move_start(struct account *a, struct str path,
                                             const json_t *search, struct str to,
                                             int64_t deadline_ms, account_call_cb *cb,
                                             void *ctx);
/* To Trash unless force or already there: {"deleted": bool, "moved"?: {"destination",
 * "idMap"}} */
struct account_call *account_bulk_delete_start(struct account *a, struct str path,
                                               const json_t *search, bool force,
                                               int64_t deadline_ms, account_call_cb *cb,
                                               void *ctx);

#endif
