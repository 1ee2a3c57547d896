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

/* --- settings */

bool webhooks_names(const struct webhooks *w, enum event_type type)
{
    const json_t *events = json_get_arr(store_settings(w->store), "webhookEvents");
    for (size_t i = 0; i < json_array_size(events); i++) {
        const char *name = json_string_value(json_array_get(events, i));
        if (name != NULL && strcmp(name, event_type_name(type)) == 0) {
            return true;
        }
    }
    return false;
}

bool webhooks_wants(const struct webhooks *w, const struct event *event)
{
    const json_t *settings = store_settings(w->store);
    const json_t *events = json_get_arr(settings, "webhookEvents");
    bool listed = false;
    for (size_t i = 0; i < json_array_size(events) && !listed; i++) {
        const char *name = json_string_value(json_array_get(events, i));
        listed = name != NULL && (strcmp(name, "*") == 0 ||
                                  strcmp(name, event_type_name(event->type)) == 0);
    }
    if (event->type == EVENT_MESSAGE_NEW &&
        json_get_bool(settings, "inboxNewOnly", false)) {
        bool inbox =
            (event->special_use != NULL && strcmp(event->special_use, "\\Inbox") == 0) ||
            (event->path != NULL && str_ieq_c(str_of(event->path), "INBOX"));
        return listed && inbox;
    }
    return listed;
}

static bool is_enabled(const struct webhooks *w)
{
    return json_get_bool(store_settings(w->store), "webhooksEnabled", false);
}

void webhooks_check(const struct webhooks *w)
{
    CHECK_MAGIC(w, webhooks_magic);
}

struct webhook_route *webhook_route_default(const struct webhooks *w)
{
    return (struct webhook_route *)(uintptr_t)&w->main;
}

struct webhook_route *webhook_route_by_id(const struct webhooks *w, struct str id)
{
    struct webhook_route *r = webhook_route_default(w);
    return str_eq_c(id, r->id) ? r : NULL;
}

static void take_settings(struct webhooks *w)
{
    struct changelog_reader *reader = w->main.reader;
    changelog_reader_set_enabled(reader, is_enabled(w));
    changelog_reader_set_paused(
        reader, json_get_bool(store_settings(w->store), WEBHOOK_SETTING_PAUSED, false));
    webhook_requeue_look(w->requeue);
}

void webhooks_settings_changed(struct webhooks *w)
{
    CHECK_MAGIC(w, webhooks_magic);
    if (!w->stopping) {
        take_settings(w);
        webhook_dests_wake(w); /* they may go elsewhere now */
    }
}

struct str webhook_route_off_reason(const struct webhook_route *r)
{
    const json_t *settings = store_settings(r->w->store);
    return is_enabled(r->w) ? STR_NULL
                            : json_get_str(settings, WEBHOOK_SETTING_OFF_REASON);
}

static void on_disabled(struct store_settings_op *op ATTR_UNUSED, const struct err *err,
                        void *ctx)
{
    struct webhooks *w = ctx;
    w->ops--;
    w->disabling = false;
    if (err->code != ERR_OK) {
        log_at(LOG_WARN, "webhook", "webhooks are off until the next start only",
               LOG_ERR_FIELDS(err));
    }
    webhooks_check_stopped(w);
}

void webhooks_disable(struct webhook_route *r)
{
    struct webhooks *w = r->w;
    if (w->disabling) {
        return;
    }
    log_at(LOG_WARN, "webhook", "the receiver is gone; webhooks are turned off",
           LOG_S("route", r->id), LOG_S("setting", "webhooksEnabled"));
    w->disabling = true;
    w->ops++;
    json_t *changes = json_object();
    json_put_bool(changes, "webhooksEnabled", false);
    json_put_cstr(changes, WEBHOOK_SETTING_OFF_REASON,
                  "the receiver replied that it is gone (410)");
    (void)store_settings_set_start(w->store, changes, on_disabled, w);
    json_decref(changes);
}

void webhook_account_changed(struct webhooks *w, struct str account_id)
{
    CHECK_MAGIC(w, webhooks_magic);
    w->targets_version++;
    webhook_target_drop(w, account_id);
}

/* --- the reader */

static void on_sent(struct webhook_send *s ATTR_UNUSED,
                    const struct changelog_outcome *outcome, void *ctx)
{
    changelog_delivery_done(ctx, outcome);
}

static void deliver(struct changelog_delivery *d, struct changelog_item *item, void *ctx)
{
    struct webhook_route *route = ctx;
    struct webhook_job job = {.route = route,
                              .acct = item->acct,
                              .account_id = str_of(item->acct->id),
                              .event = item->event,
                              .delivery_id = item->entry_id,
                              .tries = item->tries,
                              .parts = item->parts,
                              .first_tried_ms = item->first_tried_ms};
    struct webhook_send *s = webhook_send_new(route->w, &job, on_sent, d);
    item->work = s;
    webhook_send_run(s);
}

static void cancel(struct changelog_delivery *d ATTR_UNUSED, struct changelog_item *item,
                   void *ctx ATTR_UNUSED)
{
    webhook_send_cancel(item->work);
}

/* --- the sink */

struct webhooks *webhooks_new(struct store *s, struct httpc *httpc, struct changelog *c,
                              const struct enricher *enricher,
                              const struct webhook_config *config)
{
    struct webhooks *w = MEM_NEW(struct webhooks);
    w->magic = webhooks_magic;
    w->store = s;
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
    list_init(&w->detached);
    w->main.w = w;
    (void)snprintf(w->main.id, sizeof w->main.id, "default");
    w->main.reader = changelog_reader_add(
        c,
        &(struct changelog_reader_params){
            .name = w->main.id, .deliver = deliver, .cancel = cancel, .ctx = &w->main});
    return w;
}

void webhooks_start(struct webhooks *w)
{
    CHECK_MAGIC(w, webhooks_magic);
    take_settings(w);
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
    if (w->stopping && w->sends == 0 && w->ops == 0) {
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
    webhooks_check_stopped(w);
}

void webhooks_free(struct webhooks **wp)
{
    struct webhooks *w = *wp;
    if (w == NULL) {
        return;
    }
    CHECK_MAGIC(w, webhooks_magic);
    CHECK(w->sends == 0 && w->ops == 0);
    *wp = NULL;
    webhook_targets_free(w);
    webhook_requeue_free(&w->requeue);
    webhook_dests_free(&w->dests);
    mem_free(w->user_agent);
    w->magic = 0;
    mem_free(w);
}
