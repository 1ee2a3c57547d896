/* map: a hash map from byte strings to pointers.
 * Owner    keys are copied; values are the caller's (value_free, if given, runs on
 *          removal, replacement and map_free)
 * Limits   SipHash-2-4 with a random per-process key: names from a stranger cannot
 *          collide on purpose */
#ifndef POSTRIDER_BASE_MAP_H
#define POSTRIDER_BASE_MAP_H

#include "postrider/base/attr.h"
#include "postrider/base/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct map;
typedef void map_value_free(void *value);

struct map *map_new(map_value_free *value_free) ATTR_RETURNS_NONNULL;
void map_free(struct map **m);
size_t map_count(const struct map *m);
/* Borrowed value or NULL. */
void *map_get(const struct map *m, struct str key);
/* Inserts or replaces. value must not be NULL. */
void map_put(struct map *m, struct str key, void *value);
/* Removes; returns the value, which is the caller's now, or NULL. */
void *map_take(struct map *m, struct str key);
bool map_remove(struct map *m, struct str key);

/* Walk: `for (size_t it = 0; map_next(m, &it, &key, &value);)`. Removing the current key
 * is allowed, inserting is not. Order is arbitrary. */
bool map_next(const struct map *m, size_t *it, struct str *key_out, void **value_out);

uint64_t map_siphash(const uint8_t key[16], const void *data, size_t len);

#endif
