/* account_search: messages that fit a description, in one mailbox or several; threads.
 * Shape    struct account_call, as in account_message.h: each answers JSON
 *          search    SEARCH in each mailbox, one FETCH a mailbox for the rows of the page.
 *                    Within one mailbox the highest UID comes first; among several the
 *                    latest INTERNALDATE, for which the dates of what was found are fetched
 *          threads   by the newest message each has in a mailbox: from the index, or from
 *                    THREADID where the server tells it
 * Owner    params are copied; the result is borrowed until the callback returns
 * Calls    loop thread
 * Limits   ACCOUNT_PAGE_MAX rows a page; ACCOUNT_FOUND_MAX messages of several mailboxes are
 *          brought into order, the newest of each; ACCOUNT_THREAD_MAX messages of a thread;
 *          ACCOUNT_THREAD_ROWS messages are looked at for a list of threads
 * Errors   ERR_NO_MAILBOX, ERR_UNAVAILABLE, ERR_INVALID (a value that no search can hold),
 *          ERR_UNSUPPORTED (a key for which the server lacks an extension; text beyond ASCII
 *          that it cannot search for), ERR_NOT_FOUND (thread), and what imap reports
 * Paging   a cursor holds the place of the row next to the page, so that mail that arrives
 *          or goes meanwhile shifts nothing */
#ifndef POSTRIDER_ACCOUNT_ACCOUNT_SEARCH_H
#define POSTRIDER_ACCOUNT_ACCOUNT_SEARCH_H

#include "postrider/account/account_message.h"

enum {
    ACCOUNT_FOUND_MAX = 100 * 1000,
    ACCOUNT_THREAD_MAX = 1000,
    ACCOUNT_THREAD_ROWS = 200 * 1000
};

/* The place of a row in a list of messages, newest first. */
struct account_place {
    int64_t date_ms; /* 0 in lists of one mailbox */
    uint32_t number, uid;
};

/* Which page: by its number, or the one behind (before: in front of) a place. */
struct account_page {
    uint32_t page, size; /* from 0; 1 … ACCOUNT_PAGE_MAX */
    bool has_place, before;
    struct account_place place;
};

/* nextPageCursor, prevPageCursor: a JSON string. */
json_t *account_cursor_json(const struct account_page *page) ATTR_RETURNS_NONNULL;
/* Everything but the size; false: not made by account_cursor_json. */
bool account_cursor_parse(struct str cursor, struct account_page *out);

struct account_search_params {
    const json_t *paths; /* strings; "*" = all mailboxes */
    json_t *search;      /* as POST …/search takes it, valid */
    struct account_page page;
    bool expose_query;
};
/* {"total", "page", "pages", "nextPageCursor", "prevPageCursor", "messages": […]}, and of
 * several mailboxes "unsearched": […] with those that refused; with expose_query also
 * "documentStoreQuery": {"imap": keys}. */
struct account_call *account_search_start(struct account *a,
                                          const struct account_search_params *params,
                                          int64_t deadline_ms, account_call_cb *cb,
                                          void *ctx);

struct account_threads_params {
    struct str
        path; /* absent: all mail where the account has such a mailbox, else INBOX */
    struct account_page page;
};
/* {"total", "page", "pages", cursors, "threads": [{"id", "messages", "paths", "newest": {message}}]} */
struct account_call *
account_threads_list_start(struct account *a, const struct account_threads_params *params,
                           int64_t deadline_ms, account_call_cb *cb, void *ctx);
/* {"id", "total", "messages": […]}, oldest first. */
struct account_call *account_thread_get_start(struct account *a, struct str thread,
                                              int64_t deadline_ms, account_call_cb *cb,
                                              void *ctx);

#endif
