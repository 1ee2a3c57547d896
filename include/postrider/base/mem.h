/* mem: heap allocation that never returns NULL (out of memory aborts), and wiping. */
#ifndef POSTRIDER_BASE_MEM_H
#define POSTRIDER_BASE_MEM_H

#include "postrider/base/attr.h"

#include <stddef.h>
#include <stdint.h>

void *mem_alloc(size_t n) ATTR_MALLOC ATTR_RETURNS_NONNULL; /* zeroed */
void *mem_realloc(void *p, size_t n) ATTR_RETURNS_NONNULL;  /* not zeroed */
void *mem_array(size_t count, size_t size) ATTR_MALLOC ATTR_RETURNS_NONNULL; /* zeroed */
char *mem_strdup(const char *s); /* NULL gives NULL */
char *mem_strndup(const char *s, size_t n) ATTR_RETURNS_NONNULL;
void mem_free(void *p);
/* What of the process is in memory; 0 if the system does not tell. */
uint64_t mem_resident_bytes(void);
/* Gives memory that was freed back to the system, as far as the C library can. */
void mem_trim(void);
/* Overwrites memory in a way the compiler keeps. */
void mem_wipe(void *p, size_t n);

#define MEM_NEW(type) ((type *)mem_alloc(sizeof(type)))

#endif
