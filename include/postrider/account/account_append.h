/* account_append: puts a message into a mailbox of the mail server.
 * Shape    APPEND ──► end
 *             └ connection lost after the message began ──► look for its Message-ID ─┬─ there ─► end
 *                                                                                    └─► APPEND again, once
 * Owner    as in account_message.h; the source is the caller's until the callback
 * Calls    loop thread; read and rewind are called from the loop, also inside account_append_more
 * Limits   what the server takes; at most 256 KiB wait for the network
 * Errors   ERR_NO_MAILBOX, ERR_QUOTA, ERR_TOO_LARGE, ERR_INVALID, and those of account_message.h.
 *          Where a connection was lost and the message cannot be looked for, the error tells so:
 *          it may have arrived. */
#ifndef POSTRIDER_ACCOUNT_ACCOUNT_APPEND_H
#define POSTRIDER_ACCOUNT_ACCOUNT_APPEND_H

#include "postrider/account/account_message.h"

struct account_append_params {
    struct str path;
    const json_t *flags;     /* a list of texts; may be NULL */
    int64_t internaldate_ms; /* 0 = now, by the server */
    uint64_t size;           /* of the message */
    struct str message_id;   /* with angle brackets; absent: not tried twice */
    /* The message, in order. 0 = nothing now: account_append_more is called later. */
    size_t (*read)(void *source, char *buf, size_t size);
    void (*rewind)(void *source); /* to the beginning; NULL: not tried twice */
    void *source;
};
/* {"id"?, "path", "uid"?, "uidValidity"?, "messageId"?} */
struct account_call *account_append_start(struct account *a,
                                          const struct account_append_params *params,
                                          int64_t deadline_ms, account_call_cb *cb,
                                          void *ctx);
void account_append_more(struct account_call *op);

/* Composes the request and puts it into the mailbox request.path: the answer above and
 * "reference". */
struct account_call *account_upload_start(struct account *a, json_t *request,
                                          int64_t deadline_ms, account_call_cb *cb,
                                          void *ctx);

#endif
