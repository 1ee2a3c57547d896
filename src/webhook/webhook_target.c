/* What account records say about webhooks, kept so that an event costs no look-up. An
 * entry ages, in case somebody changed the record without saying so. */
#include "webhook_priv.h"

#include "postrider/base/mem.h"
#include "postrider/json/json.h"

enum {
    TARGET_AGE_MAX_MS = 60 * 1000
};

static void target_free(struct webhooks *w, struct webhook_target *t)
{
    (void)map_take(w->targets, str_of(t->account_id));
    list_remove(&t->node);
    mem_free(t->account_id);
    mem_free(t->url);
    json_decref(t->headers);
    mem_free(t);
}

const struct webhook_target *webhook_target_get(struct webhooks *w, struct str account_id)
{
    struct webhook_target *t = map_get(w->targets, account_id);
    if (t == NULL) {
        return NULL;
    }
    if (loop_now_ms(w->loop) - t->loaded_ms > TARGET_AGE_MAX_MS) {
        target_free(w, t);
        return NULL;
    }
    list_remove(&t->node);
    list_append(&w->targets_used, &t->node);
    return t;
}

const struct webhook_target *webhook_target_put(struct webhooks *w, struct str account_id,
                                                const json_t *record)
{
    struct webhook_target *t = map_get(w->targets, account_id);
    if (t != NULL) {
        target_free(w, t);
    }
    if (map_count(w->targets) >= WEBHOOK_ACCOUNTS_CACHED) {
        target_free(w, container_of(w->targets_used.next, struct webhook_target, node));
    }
    struct str url = json_get_str(record, "webhooks");
    t = MEM_NEW(struct webhook_target);
    t->account_id = mem_strndup(account_id.ptr, account_id.len);
    t->url = url.len > 0 ? mem_strndup(url.ptr, url.len) : NULL;
    t->headers = json_incref(json_get_arr(record, "webhooksCustomHeaders"));
    t->loaded_ms = loop_now_ms(w->loop);
    list_append(&w->targets_used, &t->node);
    map_put(w->targets, account_id, t);
    return t;
}

void webhook_target_drop(struct webhooks *w, struct str account_id)
{
    struct webhook_target *t = map_get(w->targets, account_id);
    if (t != NULL) {
        target_free(w, t);
    }
}

void webhook_targets_free(struct webhooks *w)
{
    while (!list_is_empty(&w->targets_used)) {
        target_free(w, container_of(w->targets_used.next, struct webhook_target, node));
    }
    map_free(&w->targets);
}
