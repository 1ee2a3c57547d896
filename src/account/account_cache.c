/* Content of new messages, rendered when their rows came by: what webhooks ask for a
 * moment later. Bounded, in memory only; whatever fell out is fetched again. */
#include "account_priv.h"

#include "postrider/base/mem.h"

enum {
    CACHE_ENTRIES_MAX = 2000
};

struct cache_entry {
    struct list node; /* oldest first */
    char id[EVENT_ID_SIZE];
    json_t *data;
};

struct content_cache {
    struct map *by_id;
    struct list order;
};

static void entry_drop(struct content_cache *cache, struct cache_entry *e)
{
    (void)map_take(cache->by_id, str_of(e->id));
    list_remove(&e->node);
    json_decref(e->data);
    mem_free(e);
}

static struct content_cache *cache_of(struct accounts *as)
{
    if (as->cache == NULL) {
        as->cache = MEM_NEW(struct content_cache);
        as->cache->by_id = map_new(NULL);
        list_init(&as->cache->order);
    }
    return as->cache;
}

void accounts_cache_put(struct accounts *as, const char *event_id, json_t *data)
{
    struct content_cache *cache = cache_of(as);
    struct cache_entry *old = map_get(cache->by_id, str_of(event_id));
    if (old != NULL) {
        entry_drop(cache, old);
    }
    if (map_count(cache->by_id) >= CACHE_ENTRIES_MAX) {
        entry_drop(cache, container_of(cache->order.next, struct cache_entry, node));
    }
    struct cache_entry *e = MEM_NEW(struct cache_entry);
    memcpy(e->id, event_id, sizeof e->id);
    e->data = data;
    list_append(&cache->order, &e->node);
    map_put(cache->by_id, str_of(e->id), e);
}

json_t *accounts_cache_get(struct accounts *as, const char *event_id)
{
    struct cache_entry *e = map_get(cache_of(as)->by_id, str_of(event_id));
    return e != NULL ? e->data : NULL;
}

void accounts_cache_free(struct accounts *as)
{
    struct content_cache *cache = as->cache;
    if (cache == NULL) {
        return;
    }
    list_foreach (node, &cache->order) {
        entry_drop(cache, container_of(node, struct cache_entry, node));
    }
    map_free(&cache->by_id);
    mem_free(cache);
    as->cache = NULL;
}
