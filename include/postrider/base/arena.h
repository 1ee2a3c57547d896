/* arena: memory that is freed all at once.
 * Shape    a chain of blocks; allocation bumps a pointer
 * Owner    the embedding object; arena_fini frees every allocation
 * Limits   aborts when the system is out of memory: cap what a peer controls before
 *          calling
 * Units    bytes; results are aligned for any type and zeroed */
#ifndef POSTRIDER_BASE_ARENA_H
#define POSTRIDER_BASE_ARENA_H

#include "postrider/base/attr.h"
#include "postrider/base/check.h"
#include "postrider/base/str.h"

#include <stdarg.h>
#include <stddef.h>

struct arena_block;

struct arena {
    struct arena_block *head;
    size_t used_bytes; /* sum of all allocations, for budgets */
};

/* A zeroed struct arena is ready for use; nothing is allocated until the first call. */
void arena_init(struct arena *a);
void arena_fini(struct arena *a);
/* Frees all allocations, keeps the arena usable. */
void arena_reset(struct arena *a);
/* The same, but keeps one block of ordinary size for the next round: for an arena that is
 * filled and emptied at a high rate. */
void arena_recycle(struct arena *a);

/* Room for n bytes in one block: where about so much is sure to be needed. */
void arena_reserve(struct arena *a, size_t n);
void *arena_alloc(struct arena *a, size_t n) ATTR_MALLOC ATTR_RETURNS_NONNULL;
/* Inline: the size is nearly always a constant, and then there is nothing to divide. */
static inline void *arena_calloc(struct arena *a, size_t count, size_t size)
{
    CHECK(size == 0 || count <= SIZE_MAX / 2 / size);
    return arena_alloc(a, count * size);
}

void *arena_memdup(struct arena *a, const void *p, size_t n) ATTR_RETURNS_NONNULL;
/* NUL-terminated copies. arena_strdup(NULL) is NULL. */
char *arena_strdup(struct arena *a, const char *s);
char *arena_strndup(struct arena *a, const char *s, size_t n) ATTR_RETURNS_NONNULL;
/* A terminated copy of the slice; an absent slice stays absent. */
struct str arena_str(struct arena *a, struct str s);
char *arena_printf(struct arena *a, const char *fmt, ...)
    ATTR_PRINTF(2, 3) ATTR_RETURNS_NONNULL;
char *arena_vprintf(struct arena *a, const char *fmt, va_list ap)
    ATTR_PRINTF(2, 0) ATTR_RETURNS_NONNULL;

#define ARENA_NEW(a, type)          ((type *)arena_calloc((a), 1, sizeof(type)))
#define ARENA_ARRAY(a, type, count) ((type *)arena_calloc((a), (count), sizeof(type)))

#endif
