/* mem: heap allocation that never returns NULL (out of memory aborts), and wiping. */
#ifndef POSTRIDER_BASE_MEM_H
#define POSTRIDER_BASE_MEM_H

#include "postrider/base/attr.h"

#include <stddef.h>

void *mem_alloc(size_t n) ATTR_MALLOC ATTR_RETURNS_NONNULL; /* zeroed */
void *mem_realloc(void *p, size_t n) ATTR_RETURNS_NONNULL;  /* not zeroed */
void *mem_array(size_t count, size_t size) ATTR_MALLOC ATTR_RETURNS_NONNULL; /* zeroed */
char *mem_strdup(const char *s); /* NULL gives NULL */
char *mem_strndup(const char *s, size_t n) ATTR_RETURNS_NONNULL;
void mem_free(void *p);
/* Overwrites memory in a way the compiler keeps. */
void mem_wipe(void *p, size_t n);

#define MEM_NEW(type) ((type *)mem_alloc(sizeof(type)))

#endif
