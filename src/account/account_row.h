/* account_row: rows of a listing, as text that is ready to go out.
 * Owner    the text lies in the arena of the call
 * Limits   ACCOUNT_ANSWER_MAX bytes of all rows of a call, and the one that crosses it: then the
 *          call fails when it completes
 * Calls    inside a running account_call */
#ifndef POSTRIDER_ACCOUNT_ACCOUNT_ROW_H
#define POSTRIDER_ACCOUNT_ACCOUNT_ROW_H

#include "account_call.h"

#include "postrider/json/json_out.h"

/* What is kept of a row that was shown: it cannot change while the message has its UID. */
struct kept_row {
    struct str fixed; /* members of its JSON, each behind a comma */
    uint64_t size;    /* of the message: with another one it is another message */
    struct thread_query query;
    uint64_t thread;      /* what the store told, and still would … */
    uint64_t map_changes; /* … if the account has no more of them; 0 = nothing */
};

struct shown_row {
    struct str text;      /* absent: the message is not there (any more) */
    struct kept_row kept; /* fixed absent: not kept */
    uint32_t number, uid; /* of the message */
    size_t asked;    /* number of the question for its thread; 0 = there is none … */
    uint64_t own;    /* … and what of it was asked for */
    uint64_t thread; /* what the store knows; 0 = nothing */
};

void shown_row_make(struct account_call *c, const struct mailbox *m,
                    const struct imap_row *row, struct shown_row *out);
/* Takes what is kept of the row of that message; false: nothing. */
bool shown_row_recall(struct account_call *c, uint32_t number, uint32_t uid,
                      struct shown_row *out);
/* All rows are there: goes on when the store has told their threads. */
void shown_rows_put_threads(struct account_call *c, struct shown_row *rows, size_t count,
                            void (*then)(struct account_call *c));
/* Appends it to the list that is open; one that is not there is left out. */
void shown_row_put(struct json_out *out, const struct shown_row *row);
/* The same as a value, a new reference; NULL if it is not there. */
json_t *shown_row_json(const struct shown_row *row);

/* account_cache.c */
void account_row_keep(struct account *a, uint32_t number, uint32_t uid,
                      const struct kept_row *row); /* copied */
/* Borrowed until another is kept; NULL if it is not. */
const struct kept_row *account_row_kept(struct account *a, uint32_t number, uint32_t uid);
/* The store told the call the thread of a message, asked for by `own` of its query: kept with its
 * row, if that is, and not of another message by now. */
void account_row_keep_thread(struct account_call *c, uint32_t number, uint32_t uid,
                             uint64_t own, uint64_t thread);
/* Is the thread that is kept with a row still its own? */
bool account_row_has_thread(const struct account *a, const struct kept_row *row);

#endif
