#include "webhook_priv.h"

#include "postrider/base/check.h"
#include "postrider/base/clock.h"
#include "postrider/base/log.h"
#include "postrider/base/mem.h"
#include "postrider/json/json.h"

#include <stdio.h>

static const uint32_t webhooks_magic = 0x77686b73u;

enum {
    TIMEOUT_MS = 30 * 1000,
    RETRY_FIRST_MS = 5000,
    RETRY_MAX_MS = 3600 * 1000
};

void webhooks_check(const struct webhooks *w)
{
    CHECK_MAGIC(w, webhooks_magic);
}

/* --- settings */

void webhooks_settings_changed(struct webhooks *w)
{
    CHECK_MAGIC(w, webhooks_magic);
    if (!w->stopping) {
        webhook_routes_update(w);
        webhook_dests_wake(w); /* they may go elsewhere now */
        webhook_requeue_look(w->requeue);
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

static const char gone_reason[] = "the receiver said that it is gone (410)";

struct str webhook_route_off_reason(const struct webhook_route *r)
{
    if (webhook_route_is_enabled(r)) {
        return STR_NULL;
    }
    return r->record != NULL
               ? json_get_str(json_get_obj(r->record, "webhookErrorFlag"), "message")
               : json_get_str(store_settings(r->w->store), WEBHOOK_SETTING_OFF_REASON);
}

static void turn_off_custom(struct webhook_route *r)
{
    json_t *changes = json_pack("{s:b}", "enabled", 0), *record = NULL;
    struct err err = {0};
    if (webhook_route_make(r->w->store, r->record, changes, &record, &err)) {
        json_put(record, "webhookErrorFlag", json_pack("{s:s}", "message", gone_reason));
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
    json_t *changes = json_object();
    json_put_bool(changes, "webhooksEnabled", false);
    json_put_cstr(changes, WEBHOOK_SETTING_OFF_REASON, gone_reason);
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
    w->target_rate = config->target_rate;
    w->give_up_ms = config->give_up_ms > 0 ? config->give_up_ms : WEBHOOK_RETRY_SPAN_MS;
    w->targets = map_new(NULL);
    w->dests = webhook_dests_new(w);
    w->requeue = webhook_requeue_new(w);
    list_init(&w->targets_used);
    list_init(&w->previews);
    list_init(&w->detached);
    webhook_routes_init(w);
    return w;
}

void webhooks_start(struct webhooks *w)
{
    CHECK_MAGIC(w, webhooks_magic);
    webhook_routes_update(w);
    webhook_requeue_look(w->requeue);
}

void webhooks_settings_prepare(const json_t *settings, json_t *changes)
{
    if (json_object_get(changes, "webhooksEnabled") != NULL) {
        json_put(changes, WEBHOOK_SETTING_OFF_REASON, json_null());
    }
    if (json_object_get(changes, "serviceSecret") == NULL) {
        return;
    }
    struct str before = json_get_str(settings, "serviceSecret");
    struct str next = json_get_str(changes, "serviceSecret");
    json_t *old = json_null();
    if (before.len > 0 && next.len > 0 && !str_eq(before, next)) {
        old = json_object();
        json_put_str(old, "secret", before);
        json_put_time(old, "until",
                      clock_wall_ms() +
                          (int64_t)WEBHOOK_SECRET_OVERLAP_HOURS * 3600 * 1000);
    }
    json_put(changes, WEBHOOK_SETTING_OLD_SECRET, old);
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
    webhook_requeue_stop(w->requeue);
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
    webhook_requeue_free(&w->requeue);
    webhook_dests_free(&w->dests);
    mem_free(w->user_agent);
    w->magic = 0;
    mem_free(w);
}
