#include "postrider/base/lru.h"

#include "postrider/base/list.h"
#include "postrider/base/mem.h"

struct entry {
    struct list node; /* longest unused first */
    char *key;
    size_t key_len;
    void *value;
    size_t cost;
};

struct lru {
    struct map *by_key;
    struct list order;
    map_value_free *value_free;
    size_t cost, max_cost;
};

static struct str key_of(const struct entry *e)
{
    return str_from(e->key, e->key_len);
}

static void drop(struct lru *c, struct entry *e)
{
    (void)map_take(c->by_key, key_of(e));
    list_remove(&e->node);
    c->cost -= e->cost;
    c->value_free(e->value);
    mem_free(e->key);
    mem_free(e);
}

struct lru *lru_new(size_t max_cost, map_value_free *value_free)
{
    struct lru *c = MEM_NEW(struct lru);
    c->by_key = map_new(NULL);
    list_init(&c->order);
    c->value_free = value_free;
    c->max_cost = max_cost;
    return c;
}

void lru_free(struct lru **cp)
{
    struct lru *c = *cp;
    if (c == NULL) {
        return;
    }
    *cp = NULL;
    lru_forget(c, STR(""));
    map_free(&c->by_key);
    mem_free(c);
}

void lru_put(struct lru *c, struct str key, void *value, size_t cost)
{
    struct entry *old = map_get(c->by_key, key);
    if (old != NULL) {
        drop(c, old);
    }
    if (cost > c->max_cost) {
        c->value_free(value);
        return;
    }
    while (c->cost > c->max_cost - cost) {
        drop(c, container_of(c->order.next, struct entry, node));
    }
    struct entry *e = MEM_NEW(struct entry);
    *e = (struct entry){.key = mem_strndup(key.ptr, key.len),
                        .key_len = key.len,
                        .value = value,
                        .cost = cost};
    list_init(&e->node);
    list_append(&c->order, &e->node);
    map_put(c->by_key, key, e);
    c->cost += cost;
}

void *lru_get(struct lru *c, struct str key)
{
    struct entry *e = map_get(c->by_key, key);
    if (e == NULL) {
        return NULL;
    }
    list_remove(&e->node);
    list_append(&c->order, &e->node);
    return e->value;
}

void lru_remove(struct lru *c, struct str key)
{
    struct entry *e = map_get(c->by_key, key);
    if (e != NULL) {
        drop(c, e);
    }
}

void lru_forget(struct lru *c, struct str prefix)
{
    list_foreach (node, &c->order) {
        struct entry *e = container_of(node, struct entry, node);
        if (e->key_len >= prefix.len && str_eq(str_from(e->key, prefix.len), prefix)) {
            drop(c, e);
        }
    }
}

size_t lru_count(const struct lru *c)
{
    return map_count(c->by_key);
}

size_t lru_cost(const struct lru *c)
{
    return c->cost;
}
