/* enrich: the port through which readers of the log get the content of a message.
 * Shape    an interface declared here and implemented by account: content is fetched when it is
 *          told, never stored (docs/ARCHITECTURE.md)
 * Owner    the data given to the callback is borrowed
 * Calls    loop thread; the callback fires exactly once, later
 * Errors   ERR_NO_MESSAGE: the message vanished (tell it as gone), or, with data, it is listed
 *          by the server, which shows nothing of it (tell it as missing); ERR_UNAVAILABLE,
 *          ERR_TIMEOUT and others: tell the event without content */
#ifndef POSTRIDER_CHANGELOG_ENRICH_H
#define POSTRIDER_CHANGELOG_ENRICH_H

#include "postrider/event/event.h"

struct enrich_request;
/* data: the whole `data` member of a messageNew webhook, or with ERR_NO_MESSAGE that of a
 * messageMissing one; else NULL. */
typedef void enrich_cb(struct enrich_request *req, const struct err *err, json_t *data,
                       void *ctx);

struct enricher {
    void *impl;
    struct enrich_request *(*start)(void *impl, struct str account,
                                    const struct event *event, int64_t deadline_ms,
                                    enrich_cb *cb, void *ctx);
    void (*cancel)(struct enrich_request *req);
};

#endif
