/* store_blocklist: lists of recipients that do not want mail, for sending and its API.
 * Shape    any number of lists by name; each holds recipients with a sealed record, in
 *          the order they came
 * Owner    JSON given to callbacks is borrowed
 * Calls    loop thread; every call is one script, so all nodes see the same
 * Limits   STORE_BLOCKLISTS_MAX lists, STORE_BLOCKED_MAX recipients a list,
 *          STORE_BLOCKLIST_PAGE_MAX rows a page
 * Errors   ERR_LIMIT when a list or their number is full; and store.h's
 * Spec     recipients are compared in lower case; neither they nor the names of lists can
 *          be read in Redis */
#ifndef POSTRIDER_STORE_STORE_BLOCKLIST_H
#define POSTRIDER_STORE_STORE_BLOCKLIST_H

#include "postrider/store/store.h"

enum {
    STORE_BLOCKLISTS_MAX = 10000,
    STORE_BLOCKED_MAX = 1000000,
    STORE_BLOCKLIST_PAGE_MAX = 1000
};

struct store_blocklist;
/* rows: what was asked for, NULL on errors; total: of all pages. For add and delete rows
 * is NULL and total tells whether something changed (1 or 0). */
typedef void store_blocklist_cb(struct store_blocklist *op, const struct err *err,
                                json_t *rows, size_t total, void *ctx);

/* record: {recipient, account, …}; `created` is added. An entry that is there stays. */
struct store_blocklist *store_blocklist_add_start(struct store *s, struct str list,
                                                  const json_t *record,
                                                  store_blocklist_cb *cb,
                                                  void *ctx) ATTR_RETURNS_NONNULL;
struct store_blocklist *store_blocklist_delete_start(struct store *s, struct str list,
                                                     struct str recipient,
                                                     store_blocklist_cb *cb,
                                                     void *ctx) ATTR_RETURNS_NONNULL;
/* Records, newest first. A list that is not there is an empty one. */
struct store_blocklist *store_blocklist_read_start(struct store *s, struct str list,
                                                   size_t first, size_t count,
                                                   store_blocklist_cb *cb,
                                                   void *ctx) ATTR_RETURNS_NONNULL;
/* Rows {listId, count}, by name. */
struct store_blocklist *store_blocklists_start(struct store *s, size_t first,
                                               size_t count, store_blocklist_cb *cb,
                                               void *ctx) ATTR_RETURNS_NONNULL;
void store_blocklist_cancel(struct store_blocklist *op);

#endif
