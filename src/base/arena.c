#include "postrider/base/arena.h"

#include "postrider/base/check.h"
#include "postrider/base/mem.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

struct arena_block {
    struct arena_block *next;
    size_t cap, used;
    alignas(max_align_t) unsigned char bytes[];
};

enum {
    /* With their heads: the sizes in which the C library keeps what was freed. */
    BLOCK_MIN = 256 - sizeof(struct arena_block),
    BLOCK_MAX = 64 * 1024
};

void arena_init(struct arena *a)
{
    *a = (struct arena){0};
}

void arena_fini(struct arena *a)
{
    struct arena_block *block = a->head;
    while (block != NULL) {
        struct arena_block *next = block->next;
        mem_free(block);
        block = next;
    }
    *a = (struct arena){0};
}

void arena_reset(struct arena *a)
{
    arena_fini(a);
}

void arena_recycle(struct arena *a)
{
    struct arena_block *keep = a->head;
    if (keep == NULL || keep->cap > BLOCK_MAX) {
        arena_fini(a);
        return;
    }
    a->head = keep->next;
    arena_fini(a);
    memset(keep->bytes, 0, keep->used);
    keep->used = 0;
    keep->next = NULL;
    a->head = keep;
}

static struct arena_block *block_new(struct arena *a, size_t need)
{
    /* Doubling keeps the chain short for big users and the first block small for the
     * many. */
    size_t cap = a->head != NULL ? a->head->cap * 2 + sizeof *a->head : BLOCK_MIN;
    cap = cap > BLOCK_MAX ? BLOCK_MAX : cap;
    cap = cap < need ? need : cap;
    struct arena_block *block = mem_alloc(sizeof *block + cap);
    block->cap = cap;
    block->next = a->head;
    a->head = block;
    return block;
}

void arena_reserve(struct arena *a, size_t n)
{
    CHECK(n <= SIZE_MAX / 2);
    if (a->head == NULL || a->head->cap - a->head->used < n) {
        (void)block_new(a, n);
    }
}

static inline void *take(struct arena *a, struct arena_block *block, size_t n)
{
    void *p = block->bytes + block->used;
    block->used += n;
    a->used_bytes += n;
    return p;
}

/* Apart, so that the many calls that need no block save no registers for it. */
static ATTR_NOINLINE void *take_from_new(struct arena *a, size_t n)
{
    return take(a, block_new(a, n), n);
}

void *arena_alloc(struct arena *a, size_t n)
{
    const size_t align = alignof(max_align_t);
    CHECK(n <= SIZE_MAX / 2);
    size_t need = (n + align - 1) & ~(align - 1);
    need = need > 0 ? need : align;
    struct arena_block *block = a->head;
    if (block == NULL || block->cap - block->used < need) {
        return take_from_new(a, need);
    }
    return take(a, block, need);
}

void *arena_memdup(struct arena *a, const void *p, size_t n)
{
    void *copy = arena_alloc(a, n);
    if (n > 0) {
        memcpy(copy, p, n);
    }
    return copy;
}

char *arena_strdup(struct arena *a, const char *s)
{
    return s != NULL ? arena_strndup(a, s, strlen(s)) : NULL;
}

char *arena_strndup(struct arena *a, const char *s, size_t n)
{
    CHECK(n < SIZE_MAX);
    char *copy = arena_alloc(a, n + 1);
    if (n > 0) {
        memcpy(copy, s, n);
    }
    copy[n] = '\0';
    return copy;
}

struct str arena_str(struct arena *a, struct str s)
{
    if (s.ptr == NULL) {
        return s;
    }
    return (struct str){.ptr = arena_strndup(a, s.ptr, s.len), .len = s.len};
}

char *arena_vprintf(struct arena *a, const char *fmt, va_list ap)
{
    va_list again;
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, fmt, again);
    va_end(again);
    CHECK(n >= 0);
    char *text = arena_alloc(a, (size_t)n + 1);
    (void)vsnprintf(text, (size_t)n + 1, fmt, ap);
    return text;
}

char *arena_printf(struct arena *a, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    char *text = arena_vprintf(a, fmt, ap);
    va_end(ap);
    return text;
}
