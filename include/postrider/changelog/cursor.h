/* cursor: a place in one account's log as clients keep it, and an entry as they see it.
 * Shape    a cursor is opaque text (base64url) that holds the entry id and a mark of the
 *          account's incarnation: one of an account that was deleted and made again is
 *          recognised. The state of the delta form is the same text.
 * Owner    results are the caller's
 * Limits   CHANGELOG_CURSOR_SIZE
 * Errors   ERR_INVALID: not a cursor */
#ifndef POSTRIDER_CHANGELOG_CURSOR_H
#define POSTRIDER_CHANGELOG_CURSOR_H

#include "postrider/store/store_log.h"

enum {
    CHANGELOG_CURSOR_SIZE = 48
};

/* entry_id "" is the start of the log. */
void changelog_cursor_format(const struct store_acct *acct, const char *entry_id,
                             char out[CHANGELOG_CURSOR_SIZE]);
/* Also takes a bare entry id. *foreign_out: it belongs to an earlier account of this id;
 * the entry id is "" then. */
bool changelog_cursor_parse(const struct store_acct *acct, struct str text,
                            char entry_id_out[STORE_ENTRY_ID_SIZE], bool *foreign_out,
                            struct err *err);

/* The same where a cursor is to be moved: one of another account and a place in the future
 * are mistakes (ERR_INVALID). The account's id may be NULL (of all accounts): no cursor fits
 * then, only an entry id. */
bool changelog_place_parse(const struct store_acct *acct, struct str text,
                           char entry_id_out[STORE_ENTRY_ID_SIZE], struct err *err);

/* The place right before a time: what is logged from then on follows it. */
void changelog_entry_before(int64_t wall_ms, char entry_id_out[STORE_ENTRY_ID_SIZE]);
/* The same, to move a cursor there. */
bool changelog_place_of_time(int64_t wall_ms, char entry_id_out[STORE_ENTRY_ID_SIZE],
                             struct err *err);

/* {account, date, path, specialUse, event, eventId, data} as a thin webhook has them, with
 * entryId and cursor; an entry that cannot be read has `unreadable` instead of data. */
json_t *changelog_entry_json(const struct store_acct *acct,
                             const struct log_entry *entry) ATTR_RETURNS_NONNULL;

#endif
