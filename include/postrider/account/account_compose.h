/* account_compose: makes the message that a request of the API describes: upload, and sending.
 * Shape    read the message referred to ─► fetch attachments by reference ─► compose
 * Owner    the result is borrowed until the callback returns; composed_take gives its bytes away
 * Calls    loop thread
 * Limits   ACCOUNT_COMPOSE_MAX bytes of message
 * Errors   ERR_NO_MESSAGE: the message or attachment referred to is not there (unless
 *          ignoreMissing); those of mime_compose.h and account_message.h */
#ifndef POSTRIDER_ACCOUNT_ACCOUNT_COMPOSE_H
#define POSTRIDER_ACCOUNT_ACCOUNT_COMPOSE_H

#include "postrider/account/account_message.h"

enum {
    ACCOUNT_COMPOSE_MAX = 80 * 1024 * 1024
};

struct account_composed {
    struct buf bytes;       /* may be taken: buf_take */
    const char *message_id; /* with angle brackets; NULL: the raw message has none */
    json_t *reference; /* {"message", "success", "error"?}; NULL: none was asked for */
};

struct account_compose;
typedef void account_compose_cb(struct account_compose *op, const struct err *err,
                                struct account_composed *composed, void *ctx);
/* request: raw, from, to, cc, bcc, replyTo, subject, text, html, attachments, messageId,
 * headers, date, reference, as the API validated them; kept until the end. */
struct account_compose *account_compose_start(struct account *a, json_t *request,
                                              int64_t deadline_ms, account_compose_cb *cb,
                                              void *ctx) ATTR_RETURNS_NONNULL;
void account_compose_cancel(struct account_compose *op);

#endif
