/* account_mailbox: what the API changes in the mailboxes of an account.
 * Shape    each call is one account_call: the command, then a listing, then the answer
 * Owner    as in account_message.h
 * Calls    loop thread
 * Limits   the answer waits for the listing that knows the change, at most
 *          ACCOUNT_LISTING_WAIT_MS
 * Errors   ERR_INVALID: a name that cannot be one; ERR_NO_MAILBOX; ERR_CONFLICT: the new name
 *          is taken; ERR_NO: the server refused; and those of account_message.h
 * Note     events come from the listing, exactly once: mailboxNew, mailboxRenamed,
 *          mailboxDeleted */
#ifndef POSTRIDER_ACCOUNT_ACCOUNT_MAILBOX_H
#define POSTRIDER_ACCOUNT_ACCOUNT_MAILBOX_H

#include "postrider/account/account_message.h"

enum {
    ACCOUNT_LISTING_WAIT_MS = 5000
};

/* path: a name, or a list of the names of its levels. {"path", "mailboxId"?, "created"}:
 * false if it was there before. It is subscribed to. */
struct account_call *account_mailbox_create_start(struct account *a, const json_t *path,
                                                  int64_t deadline_ms,
                                                  account_call_cb *cb, void *ctx);

struct account_mailbox_change {
    struct str path;
    const json_t *new_path;   /* as above; NULL: keeps its name */
    const json_t *subscribed; /* true or false; NULL: stays as it is */
};
/* {"path", "newPath"?, "mailboxId"?, "renamed"?, "subscribed"?} */
struct account_call *
account_mailbox_modify_start(struct account *a,
                             const struct account_mailbox_change *change,
                             int64_t deadline_ms, account_call_cb *cb, void *ctx);

/* {"path", "mailboxId"?, "deleted"} */
struct account_call *account_mailbox_delete_start(struct account *a, struct str path,
                                                  int64_t deadline_ms,
                                                  account_call_cb *cb, void *ctx);

#endif
