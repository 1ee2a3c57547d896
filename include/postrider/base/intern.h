/* intern: texts of which many are alike, each kept once.
 * Owner    whoever took a text gives it back; the pool is freed when all were given back
 * Units    bytes, terminated by a NUL that is not counted
 * Limits   none of its own: cap what a peer controls before taking it */
#ifndef POSTRIDER_BASE_INTERN_H
#define POSTRIDER_BASE_INTERN_H

#include "postrider/base/attr.h"
#include "postrider/base/str.h"

#include <stddef.h>

struct intern;

struct intern *intern_new(void) ATTR_RETURNS_NONNULL;
void intern_free(struct intern **pool);
/* NULL for an absent text. */
const char *intern_take(struct intern *pool, struct str text);
/* NULL is accepted; nulls. */
void intern_give(const char **text);
/* Different ones that are kept now. */
size_t intern_count(const struct intern *pool);

#endif
