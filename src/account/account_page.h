/* account_page: which part of a list a page shows, and the cursors to those beside it.
 * Calls    pure */
#ifndef POSTRIDER_ACCOUNT_PAGE_H
#define POSTRIDER_ACCOUNT_PAGE_H

#include "postrider/account/account_search.h"

/* Newer first: below 0 if a stands in front of b. */
int place_cmp(const struct account_place *a, const struct account_place *b) ATTR_PURE;

/* The rows of a page among `total`, newest first. */
struct page_cut {
    uint64_t first;
    uint32_t count;
};
/* newer, same: how many rows stand in front of the page's place, and at it (0 or 1). */
struct page_cut page_cut(const struct account_page *page, uint64_t total, uint64_t newer,
                         uint64_t same);

struct page_shown {
    struct account_page page;
    struct page_cut cut;
    uint64_t total, reachable;                /* rows; those that pages can show */
    const struct account_place *first, *last; /* of the rows shown; NULL: none is */
};
/* total, page, pages, nextPageCursor, prevPageCursor. */
void page_put(json_t *out, const struct page_shown *shown);

#endif
