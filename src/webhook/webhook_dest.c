/* Requests in flight per origin, so that a slow receiver holds up only what goes to it. */
#include "webhook_priv.h"

#include "postrider/base/mem.h"

enum {
    DOWN_AFTER = 3,       /* failures in a row */
    REMEMBERED_MAX = 1000 /* destinations that fail, with nothing in flight */
};

/* Never 0, nor is the number before it, which is the key of those who retry. */
static uint64_t key_of(const struct webhooks *w, const char *origin)
{
    return map_siphash(w->key_seed, origin, strlen(origin)) | 3;
}

bool webhook_dest_is_full(struct webhooks *w, const char *origin, uint64_t *key_out)
{
    const struct webhook_dest *dest = map_get(w->dests, str_of(origin));
    *key_out = key_of(w, origin);
    return dest != NULL && dest->active >= w->target_active;
}

struct webhook_dest *webhook_dest_enter(struct webhooks *w, const char *origin)
{
    struct webhook_dest *dest = map_get(w->dests, str_of(origin));
    if (dest == NULL) {
        dest = MEM_NEW(struct webhook_dest);
        memcpy(dest->origin.text, origin, strlen(origin) + 1);
        dest->key = key_of(w, origin);
        dest->retry_key = dest->key - 1;
        map_put(w->dests, str_of(origin), dest);
    }
    dest->active++;
    w->stats.active++;
    return dest;
}

void webhook_dest_leave(struct webhooks *w, struct webhook_dest *dest)
{
    dest->active--;
    w->stats.active--;
    /* Events outside the log do not wait for a place: there may be more than there are. */
    size_t room = dest->active < w->target_active ? w->target_active - dest->active : 0;
    uint64_t key = dest->key;
    if (dest->active == 0 &&
        (dest->failures == 0 || map_count(w->dests) > REMEMBERED_MAX)) {
        map_remove(w->dests, str_of(dest->origin.text));
    }
    webhook_routes_wake(w, key, room);
}

void webhook_dest_told(struct webhooks *w, struct webhook_dest *dest, bool ok)
{
    bool was_down = dest->failures >= DOWN_AFTER;
    dest->failures = ok ? 0 : dest->failures + 1;
    if (ok && was_down) {
        webhook_routes_wake(w, dest->retry_key, SIZE_MAX);
    }
}

void webhook_dests_wake(struct webhooks *w)
{
    struct str origin;
    void *value;
    for (size_t it = 0; map_next(w->dests, &it, &origin, &value);) {
        const struct webhook_dest *dest = value;
        webhook_routes_wake(w, dest->key, SIZE_MAX);
        webhook_routes_wake(w, dest->retry_key, SIZE_MAX);
    }
}
