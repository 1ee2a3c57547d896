/* lru: values by key within a bound; where it is crossed, the longest unused go.
 * Owner    keys are copied; values are the cache's (value_free), so a value got is borrowed
 * until the next put, forget or free
 * Units    cost: whatever the caller counts, bytes or entries
 * Limits   max_cost of all values; one that costs more is not kept */
#ifndef POSTRIDER_BASE_LRU_H
#define POSTRIDER_BASE_LRU_H

#include "postrider/base/map.h"

struct lru;

struct lru *lru_new(size_t max_cost, map_value_free *value_free) ATTR_RETURNS_NONNULL;
/* NULL is accepted. */
void lru_free(struct lru **c);
/* Keeps, or replaces; the value is the cache's, whether kept or not. */
void lru_put(struct lru *c, struct str key, void *value, size_t cost);
/* NULL: not kept (any more). */
void *lru_get(struct lru *c, struct str key);
/* Drops that one, if it is kept. */
void lru_remove(struct lru *c, struct str key);
/* Drops all whose keys begin so; looks at every key. */
void lru_forget(struct lru *c, struct str prefix);
size_t lru_count(const struct lru *c);
size_t lru_cost(const struct lru *c);

#endif
