#include "postrider/base/intern.h"

#include "postrider/base/check.h"
#include "postrider/base/map.h"
#include "postrider/base/mem.h"

#include <string.h>

struct intern {
    struct map *by_text; /* struct text */
};

struct text {
    struct intern *pool;
    size_t users, len;
    char bytes[];
};

struct intern *intern_new(void)
{
    struct intern *pool = MEM_NEW(struct intern);
    pool->by_text = map_new(NULL);
    return pool;
}

void intern_free(struct intern **poolp)
{
    struct intern *pool = *poolp;
    if (pool == NULL) {
        return;
    }
    *poolp = NULL;
    CHECK(map_count(pool->by_text) == 0);
    map_free(&pool->by_text);
    mem_free(pool);
}

const char *intern_take(struct intern *pool, struct str text)
{
    if (text.ptr == NULL) {
        return NULL;
    }
    struct text *t = map_get(pool->by_text, text);
    if (t == NULL) {
        t = mem_alloc(sizeof *t + text.len + 1);
        t->pool = pool;
        t->len = text.len;
        memcpy(t->bytes, text.ptr, text.len);
        map_put(pool->by_text, text, t);
    }
    t->users++;
    return t->bytes;
}

void intern_give(const char **textp)
{
    const char *bytes = *textp;
    if (bytes == NULL) {
        return;
    }
    *textp = NULL;
    struct text *t = (struct text *)((uintptr_t)bytes - offsetof(struct text, bytes));
    if (--t->users == 0) {
        (void)map_take(t->pool->by_text, str_from(t->bytes, t->len));
        mem_free(t);
    }
}

size_t intern_count(const struct intern *pool)
{
    return map_count(pool->by_text);
}
