/* store_dead: dead letters: log entries that a route gave up, as references with a reason.
 * Shape    dl:<acc> maps "<route>:<entry id>" to a sealed JSON object; `dead` is the set of
 *          accounts of a shard that have letters. The entry itself stays in the log for as
 *          long as that keeps it.
 * Owner    letters are borrowed until the callback returns; what is given is copied
 * Calls    loop thread; callbacks come exactly once, later
 * Limits   STORE_LETTERS_MAX of an account: beyond it the oldest go; STORE_LETTERS_PAGE in
 *          one list
 * Errors   store.h's; put: ERR_FENCED, ERR_NO_ACCOUNT, ERR_STALE as for a commit */
#ifndef POSTRIDER_STORE_STORE_DEAD_H
#define POSTRIDER_STORE_STORE_DEAD_H

#include "postrider/store/store_log.h"
#include "postrider/store/store_settings.h"

enum {
    STORE_LETTERS_MAX = 1000,
    STORE_LETTERS_PAGE = 1000,
    STORE_LETTER_PLACE_SIZE = 192
};

struct store_letter {
    const struct store_acct *acct;
    const char *route;    /* name of the reader */
    const char *entry_id; /* in the log */
    json_t *about;        /* {date, event, eventId, reason, status?, tries, parts} */
    bool only_replace;    /* put: one that was dropped meanwhile stays away */
};

struct store_dead_op;
typedef void store_dead_cb(struct store_dead_op *op, const struct err *err, void *ctx);
/* Writes a letter or replaces it; with the lease checked. */
struct store_dead_op *store_dead_put_start(struct store *s,
                                           const struct store_letter *letter,
                                           store_dead_cb *cb, void *ctx);
/* Removes it, on any node; one that is not there is no error. `about` is not looked at. */
struct store_dead_op *store_dead_drop_start(struct store *s,
                                            const struct store_letter *letter,
                                            store_dead_cb *cb, void *ctx);
void store_dead_cancel(struct store_dead_op *op);

struct store_dead_query {
    struct str account;  /* absent = all */
    struct str route;    /* absent = all */
    struct str entry_id; /* absent = all */
    struct str after;    /* place of the last letter of the page before; absent = begin */
    size_t limit;        /* at most STORE_LETTERS_PAGE */
    bool owned_only;     /* only accounts of shards that this node holds */
};

struct store_dead_page {
    const struct store_letter *letters;
    size_t count;
    bool more;
    char place[STORE_LETTER_PLACE_SIZE]; /* of the last one */
};
struct store_dead_list;
/* page NULL on failure. */
typedef void store_dead_list_cb(struct store_dead_list *op, const struct err *err,
                                const struct store_dead_page *page, void *ctx);
/* By account, then by age. */
struct store_dead_list *store_dead_list_start(struct store *s,
                                              const struct store_dead_query *query,
                                              store_dead_list_cb *cb, void *ctx);
void store_dead_list_cancel(struct store_dead_list *op);

/* Asks the nodes that hold the accounts to deliver these letters once more: a setting for
 * each request, so that every node hears of it as of any change, and requests made at once
 * do not replace each other. Of the query only the three filters count. */
enum {
    STORE_REQUESTS_KEPT = 100
};
struct store_settings_op *store_dead_requeue_start(struct store *s,
                                                   const struct store_dead_query *query,
                                                   store_settings_cb *cb, void *ctx);
/* The last of them: name → {at, account?, route?, entryId?}. A new reference. */
json_t *store_dead_requests(struct store *s) ATTR_RETURNS_NONNULL;

#endif
