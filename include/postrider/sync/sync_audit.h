/* sync_audit: does the index of a mailbox equal the mailbox?
 * Shape    operation: EXAMINE, then three comparisons, each with few bytes on the wire:
 *          the counts; the UIDs at sixteen sequence numbers against the rows of these
 *          ranks, with their flags; the UIDs of a part of the mailbox against the rows of
 *          that part, which is all of it where the answer is short
 * Owner    the caller owns connection, mailbox and cursor; all are borrowed until the
 *          callback. Nothing is changed: what differs is for a pass to repair.
 * Calls    loop thread; no pass over the mailbox runs or is due at the start. One that
 *          commits meanwhile makes the verdict "unsettled".
 * Limits   an answer to SEARCH of about SYNC_AUDIT_BYTES; sixteen rows of FETCH
 * Errors   imap's, store's
 * Spec     RFC 3501 §6.3.2, RFC 4731 */
#ifndef POSTRIDER_SYNC_SYNC_AUDIT_H
#define POSTRIDER_SYNC_SYNC_AUDIT_H

#include "postrider/sync/sync.h"

enum {
    SYNC_AUDIT_BYTES = 32 * 1024,
    SYNC_AUDIT_SAMPLES = 16
};

/* Where the next audit of a mailbox looks, so that several of them see all of it. All zero
 * at first. */
struct sync_audit_cursor {
    uint32_t round;    /* picks the samples */
    uint32_t from_uid; /* the part begins here; 0 = with the first message */
};

enum sync_audit_verdict {
    SYNC_AUDIT_EQUAL,
    SYNC_AUDIT_DIFFERS,
    SYNC_AUDIT_UNSETTLED /* something changed meanwhile, or the server contradicts itself */
};

struct sync_audit_result {
    enum sync_audit_verdict verdict;
    bool whole;       /* all UIDs were compared, not a part of them */
    uint32_t exists;  /* messages, as the server says */
    uint32_t missing; /* on the server, not in the index */
    uint32_t extra;   /* in the index, not on the server */
    uint32_t stale;   /* with other flags than the index has */
    const char *why;  /* static text, for the log; "" if equal */
    struct sync_audit_cursor next;
};

struct sync_audit;
typedef void sync_audit_cb(struct sync_audit *op, const struct err *err,
                           const struct sync_audit_result *result, void *ctx);
/* Nothing else uses the connection; afterwards the mailbox is selected read-only on it. */
struct sync_audit *sync_audit_start(struct imap_conn *conn, const struct sync_ctx *sc,
                                    struct mailbox *m,
                                    const struct sync_audit_cursor *cursor,
                                    sync_audit_cb *cb, void *ctx) ATTR_RETURNS_NONNULL;
void sync_audit_cancel(struct sync_audit *op);

#endif
