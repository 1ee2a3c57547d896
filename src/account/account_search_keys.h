/* account_search_keys: the search{} object of the API as IMAP search keys.
 * Owner    criteria are the caller's (imap_criteria_fini)
 * Calls    pure
 * Errors   ERR_INVALID: a value that no search can hold; ERR_UNSUPPORTED: the server lacks
 *          what a key needs */
#ifndef POSTRIDER_ACCOUNT_SEARCH_KEYS_H
#define POSTRIDER_ACCOUNT_SEARCH_KEYS_H

#include "postrider/imap/imap.h"
#include "postrider/imap/imap_criteria.h"

#include <jansson.h>

struct search_keys_params {
    const json_t *search;
    uint32_t caps;  /* enum imap_cap bits of the server */
    int64_t now_ms; /* wall clock */
    /* The messages of the thread `threadId` names, where the server knows no threads. */
    const struct imap_set *thread;
};

bool search_keys_compile(const struct search_keys_params *params,
                         struct imap_criteria *out, struct err *err);
/* The id of a thread in the search, or absent. */
struct str search_keys_thread(const json_t *search);

#endif
