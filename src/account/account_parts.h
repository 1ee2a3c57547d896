/* account_parts: contents of a message's attachments, and what its invitations say, for
 * who is told of it.
 * Shape    one operation: part after part is fetched, decoded and put into a copy of the
 *          message object (attachments[].content, calendarEvents)
 * Owner    the message given is left alone; the one of the callback is borrowed
 * Limits   params.max_bytes for each part, ACCOUNT_PARTS_BYTES for all of them together:
 *          what goes over stays without content
 * Errors   those of the operation itself (ERR_TIMEOUT, ERR_CANCELED); a part that cannot
 *          be had stays without content */
#ifndef POSTRIDER_ACCOUNT_PARTS_H
#define POSTRIDER_ACCOUNT_PARTS_H

#include "account_priv.h"

enum {
    ACCOUNT_PARTS_BYTES = 5 * 1024 * 1024
};

struct account_parts_params {
    bool attachments, calendar;
    uint64_t max_bytes; /* of an attachment, encoded; 0 = no limit of its own */
};

struct account_parts;
typedef void account_parts_cb(struct account_parts *p, const struct err *err,
                              json_t *message, void *ctx);

/* What the settings ask for: notifyAttachments, notifyAttachmentSize,
 * notifyCalendarEvents. */
struct account_parts_params account_parts_wanted(struct store *s);
/* Whether there is anything to fetch. */
bool account_parts_has(const struct account_parts_params *wanted, const json_t *message);
struct account_parts *account_parts_start(struct account *a,
                                          const struct account_parts_params *wanted,
                                          const json_t *message, int64_t deadline_ms,
                                          account_parts_cb *cb, void *ctx);
void account_parts_cancel(struct account_parts *p);

#endif
