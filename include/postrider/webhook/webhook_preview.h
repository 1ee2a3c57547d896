/* webhook_preview: what a route would send of an event, without sending it.
 * Shape    one operation; it goes the way of a real delivery up to the request:
 *          {"requests": [{"event", "eventId", "url", "headers": [{"key", "value"}],
 *          "body"}], "skipped"?: why nothing, "error"?: why it would be given up}
 * Owner    the event is taken; the result is borrowed until the callback returns
 * Calls    loop thread
 * Errors   ERR_NOT_FOUND: no such route; ERR_TIMEOUT, ERR_CANCELED, ERR_STORE_DOWN */
#ifndef POSTRIDER_WEBHOOK_WEBHOOK_PREVIEW_H
#define POSTRIDER_WEBHOOK_WEBHOOK_PREVIEW_H

#include "postrider/webhook/webhook.h"

struct webhook_preview;
typedef void webhook_preview_cb(struct webhook_preview *p, const struct err *err,
                                json_t *result, void *ctx);

struct webhook_preview_params {
    struct str route;
    struct str account;
    struct str entry_id; /* shown as the delivery's */
    json_t *record;      /* instead of the route's own; NULL = that */
    bool with_content;   /* fetched as for a delivery, else the event's data are all */
};
struct webhook_preview *webhook_preview_start(struct webhooks *w,
                                              const struct webhook_preview_params *params,
                                              struct event *event, int64_t deadline_ms,
                                              webhook_preview_cb *cb, void *ctx);
void webhook_preview_cancel(struct webhook_preview *p);

#endif
