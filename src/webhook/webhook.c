#include "webhook_priv.h"

#include "postrider/base/check.h"
#include "postrider/base/log.h"
#include "postrider/base/mem.h"
#include "postrider/base/rand.h"
#include "postrider/json/json.h"

#include <stdio.h>

static const uint32_t webhooks_magic = 0x77686b73u;

enum {
    TIMEOUT_MS = 30 * 1000,
    RETRY_FIRST_MS = 5000,
    RETRY_MAX_MS = 3600 * 1000
};

/* --- settings */

void webhooks_settings_changed(struct webhooks *w)
{
    CHECK_MAGIC(w, webhooks_magic);
    if (!w->stopping) {
        webhook_routes_update(w);
        webhook_dests_wake(w); /* they may go elsewhere now */
    }
}

static void on_disabled(struct store_settings_op *op ATTR_UNUSED, const struct err *err,
                        void *ctx)
{
    struct webhook_route *r = ctx;
    struct webhooks *w = r->w;
    w->ops--;
    r->disabling = false;
    if (err->code != ERR_OK) {
        log_at(LOG_WARN, "webhook", "a route is off until the next start only",
               LOG_S("route", r->id), LOG_ERR_FIELDS(err));
    }
    webhook_route_unref(r);
    webhooks_check_stopped(w);
}

static void turn_off_custom(struct webhook_route *r)
{
    json_t *changes = json_pack("{s:b}", "enabled", 0), *record = NULL;
    struct err err = {0};
    if (webhook_route_make(r->w->store, r->record, changes, &record, &err)) {
        json_put(
            record, "webhookErrorFlag",
            json_pack("{s:s}", "message", "the receiver said that it is gone (410)"));
        (void)webhook_route_save_start(r->w->store, record, on_disabled, r);
    } else {
        on_disabled(NULL, &err, r);
    }
    json_decref(record);
    json_decref(changes);
}

void webhooks_disable(struct webhook_route *r)
{
    struct webhooks *w = r->w;
    if (r->disabling || r->reader == NULL) {
        return;
    }
    log_at(LOG_WARN, "webhook",
           "the receiver said that it is gone (410); the route is turned off",
           LOG_S("route", r->id));
    r->disabling = true;
    w->ops++;
    (void)webhook_route_ref(r);
    if (r->record != NULL) {
        turn_off_custom(r);
        return;
    }
    json_t *changes = json_pack("{s:b}", "webhooksEnabled", 0);
    (void)store_settings_set_start(w->store, changes, on_disabled, r);
    json_decref(changes);
}

void webhook_account_changed(struct webhooks *w, struct str account_id)
{
    CHECK_MAGIC(w, webhooks_magic);
    w->targets_version++;
    webhook_target_drop(w, account_id);
}

/* --- the sink */

struct webhooks *webhooks_new(struct store *s, struct httpc *httpc, struct changelog *c,
                              const struct enricher *enricher,
                              const struct webhook_config *config)
{
    struct webhooks *w = MEM_NEW(struct webhooks);
    w->magic = webhooks_magic;
    w->store = s;
    w->changelog = c;
    w->loop = store_loop(s);
    w->httpc = httpc;
    if (enricher != NULL) {
        w->enricher = *enricher;
    }
    w->timeout_ms = config->timeout_ms > 0 ? config->timeout_ms : TIMEOUT_MS;
    w->retry = (struct backoff_policy){
        .first_ms = config->retry_first_ms > 0 ? config->retry_first_ms : RETRY_FIRST_MS,
        .max_ms = config->retry_max_ms > 0 ? config->retry_max_ms : RETRY_MAX_MS,
        .factor_percent = 200,
        .jitter_percent = 20};
    w->user_agent = mem_strdup(
        config->user_agent != NULL ? config->user_agent : "Postrider/" POSTRIDER_VERSION);
    w->target_active =
        config->target_active > 0 ? config->target_active : WEBHOOK_TARGET_ACTIVE;
    w->targets = map_new(NULL);
    w->dests = map_new(mem_free);
    list_init(&w->targets_used);
    list_init(&w->previews);
    list_init(&w->detached);
    rand_bytes(w->key_seed, sizeof w->key_seed);
    webhook_routes_init(w);
    return w;
}

void webhooks_start(struct webhooks *w)
{
    CHECK_MAGIC(w, webhooks_magic);
    webhook_routes_update(w);
}

static void on_stopped(struct deferred *d)
{
    struct webhooks *w = container_of(d, struct webhooks, stop_later);
    w->stop_cb(w, w->stop_ctx);
}

void webhooks_check_stopped(struct webhooks *w)
{
    if (w->stopping && w->sends == 0 && w->ops == 0 && list_is_empty(&w->previews)) {
        loop_defer(w->loop, &w->stop_later, on_stopped);
    }
}

void webhooks_stop(struct webhooks *w, webhooks_stop_cb *cb, void *ctx)
{
    CHECK_MAGIC(w, webhooks_magic);
    w->stopping = true;
    w->stop_cb = cb;
    w->stop_ctx = ctx;
    webhook_detached_cancel_all(w);
    webhook_previews_cancel_all(w);
    webhooks_check_stopped(w);
}

void webhooks_free(struct webhooks **wp)
{
    struct webhooks *w = *wp;
    if (w == NULL) {
        return;
    }
    CHECK_MAGIC(w, webhooks_magic);
    CHECK(w->sends == 0 && w->ops == 0 && list_is_empty(&w->previews));
    *wp = NULL;
    webhook_routes_free(w);
    webhook_targets_free(w);
    map_free(&w->dests);
    mem_free(w->user_agent);
    w->magic = 0;
    mem_free(w);
}

void webhooks_stats_get(const struct webhooks *w, struct webhook_stats *out)
{
    CHECK_MAGIC(w, webhooks_magic);
    *out = w->stats;
}
