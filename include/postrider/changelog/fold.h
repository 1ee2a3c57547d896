/* fold: what a row of log entries comes to: which messages are there, different, or gone.
 * Shape    entries go in, in order; out come ids, each at most once:
 *              new ─► created ─changed─► created ─deleted─► (nothing)
 *              known ─changed─► updated ─deleted─► destroyed
 *          A mailbox that is deleted or reset takes its messages with it: it is named
 *          instead of them, and what was created or updated in it is left out.
 *          Moved messages are created here and destroyed there.
 * Owner    the caller; nothing is borrowed
 * Limits   none of its own: who adds entries stops at changelog_fold_count
 * Errors   none; entries that cannot be read, and events about accounts, change nothing
 * Spec     as RFC 8620 §5.2 (/changes) */
#ifndef POSTRIDER_CHANGELOG_FOLD_H
#define POSTRIDER_CHANGELOG_FOLD_H

#include "postrider/store/store_log.h"

struct changelog_fold {
    json_t *messages;  /* id → [what, internal mailbox] */
    json_t *mailboxes; /* path → what */
    json_t *renamed;   /* [{from, to}] in order */
};

void changelog_fold_init(struct changelog_fold *f);
void changelog_fold_fini(struct changelog_fold *f);
void changelog_fold_add(struct changelog_fold *f, const struct log_entry *entry);
/* Messages and mailboxes that would be listed. */
size_t changelog_fold_count(const struct changelog_fold *f);
/* Sets created, updated, destroyed and mailboxes {created, destroyed, reset,
 * renamed}. */
void changelog_fold_put(const struct changelog_fold *f, json_t *out);

#endif
