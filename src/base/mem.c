#include "postrider/base/mem.h"

#include "postrider/base/check.h"

#include <malloc.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    /* What glibc keeps at hand for each thread after it was freed. Its calloc passes that by
     * and searches its lists instead, which costs more than to clear so few bytes. */
    SMALL_MAX = 1032
};

void *mem_alloc(size_t n)
{
    return mem_array(1, n);
}

void *mem_array(size_t count, size_t size)
{
    size_t n = 0;
    bool is_small = !__builtin_mul_overflow(count, size, &n) && n <= SMALL_MAX;
    void *p = is_small ? malloc(n > 0 ? n : 1)
                       : calloc(count > 0 ? count : 1, size > 0 ? size : 1);
    CHECK(p != NULL);
    return is_small ? memset(p, 0, n) : p;
}

void *mem_realloc(void *p, size_t n)
{
    void *q = realloc(p, n > 0 ? n : 1);
    CHECK(q != NULL);
    return q;
}

char *mem_strdup(const char *s)
{
    return s != NULL ? mem_strndup(s, strlen(s)) : NULL;
}

char *mem_strndup(const char *s, size_t n)
{
    CHECK(n < SIZE_MAX);
    char *p = mem_alloc(n + 1);
    if (n > 0) {
        memcpy(p, s, n);
    }
    return p;
}

void mem_free(void *p)
{
    free(p);
}

void mem_wipe(void *p, size_t n)
{
    if (n > 0) {
        explicit_bzero(p, n);
    }
}

/* Pages in memory: the second number of the file. */
uint64_t mem_resident_bytes(void)
{
    unsigned long long pages = 0;
    FILE *f = fopen("/proc/self/statm", "re");
    if (f == NULL) {
        return 0;
    }
    if (fscanf(f, "%*u %llu", &pages) != 1) {
        pages = 0;
    }
    (void)fclose(f);
    return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

void mem_trim(void)
{
#ifdef __GLIBC__
    (void)malloc_trim(0);
#endif
}
