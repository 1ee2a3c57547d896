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

void webhooks_settings_changed(struct webhooks *w)
{
    CHECK_MAGIC(w, webhooks_magic);
    if (!w->stopping) {
        changelog_reader_set_enabled(w->reader, is_enabled(w));
        webhook_dests_wake(w); /* they may go elsewhere now */
    }
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

void webhooks_disable(struct webhooks *w)
{
    if (w->disabling) {
        return;
    }
    log_at(LOG_WARN, "webhook",
           "the receiver said that it is gone (410); webhooks are turned off",
           LOG_S("setting", "webhooksEnabled"));
    w->disabling = true;
    w->ops++;
    json_t *changes = json_pack("{s:b}", "webhooksEnabled", 0);
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
    struct webhook_job job = {.account_id = str_of(item->acct->id),
                              .event = item->event,
                              .delivery_id = item->entry_id,
                              .tries = item->tries,
                              .parts = item->parts,
                              .first_tried_ms = item->first_tried_ms};
    struct webhook_send *s = webhook_send_new(ctx, &job, on_sent, d);
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
    w->targets = map_new(NULL);
    w->dests = map_new(mem_free);
    list_init(&w->targets_used);
    list_init(&w->detached);
    rand_bytes(w->key_seed, sizeof w->key_seed);
    w->reader = changelog_reader_add(
        c, &(struct changelog_reader_params){
               .name = "default", .deliver = deliver, .cancel = cancel, .ctx = w});
    return w;
}

void webhooks_start(struct webhooks *w)
{
    CHECK_MAGIC(w, webhooks_magic);
    changelog_reader_set_enabled(w->reader, is_enabled(w));
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
