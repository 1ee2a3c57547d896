/* account_report: what a message says became of another one that this account sent.
 * Shape    struct account_report: the part that says it, and its bytes as they come
 * Owner    path and encoding live in the arena given; account_report_fini frees the bytes
 * Limits   ACCOUNT_REPORT_BYTES of the part, ACCOUNT_REPORT_RECIPIENTS entries
 * Spec     RFC 3464, RFC 6522 */
#ifndef POSTRIDER_ACCOUNT_REPORT_H
#define POSTRIDER_ACCOUNT_REPORT_H

#include "account_render.h"

enum {
    ACCOUNT_REPORT_BYTES = 64 * 1024,
    ACCOUNT_REPORT_RECIPIENTS = 100
};

struct account_report {
    struct str path, encoding; /* path absent: the message is none */
    struct buf body;
};

void account_report_find(struct account_report *r, struct arena *arena,
                         const struct imap_structure *structure);
void account_report_fini(struct account_report *r);
/* Puts `bounces` into the message. */
void account_report_put(const struct account_report *r, json_t *message);

#endif
