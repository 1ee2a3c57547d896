/* account_safe: texts of a message made safe to show, and images put into them, in the
 * thread pool.
 * Shape    one job of a call; it owns copies of the texts, so it may outlive the call
 * Calls    loop thread */
#ifndef POSTRIDER_ACCOUNT_SAFE_H
#define POSTRIDER_ACCOUNT_SAFE_H

#include "account_call.h"
#include "account_images.h"

/* html: as asked for; made from the plain text if the message has no HTML. */
typedef void account_safe_cb(struct account_call *c, struct str html);

struct account_safe_params {
    struct str plain, html; /* absent if the message has none; copied */
    bool fold_quotes;
    bool only_embed;               /* not safe: nothing but the images changes */
    struct account_images *images; /* taken; NULL = none */
};
/* One at a time; ends with the callback, or with none after account_safe_cancel. */
void account_safe_start(struct account_call *c, const struct account_safe_params *params,
                        account_safe_cb *cb);
void account_safe_cancel(struct account_call *c);

#endif
