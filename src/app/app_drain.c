/* Taking the daemon down: first nothing new comes in, then the actors close their connections, the
 * readers of the log finish what is in flight, the leases are given back, and the loop stops.
 *
 *   API quiesced ──► its handlers ended ──► accounts stopped ──► changelog stopped
 *       ──► webhooks stopped ──► leases back ──► late handlers ended
 *
 * Everything that must survive is in Redis already, so a part that hangs is only cut off. */
#include "app_priv.h"

#include "postrider/base/log.h"
#include "postrider/store/store_settings.h"

#include <unistd.h>

enum {
    HANDLERS_MS = 1000,
    LOG_DRAIN_MS = 3000,
    LEASE_MS = 2000,
    LOOK_MS = 5
};

static void on_look(struct timer *t)
{
    struct app *app = container_of(t, struct app, handlers);
    if (app->services.tasks == 0 || loop_now_ms(app->loop) >= app->handlers_until_ms) {
        app->handlers_ended(app);
    } else {
        timer_set(app->loop, &app->handlers, LOOK_MS, on_look);
    }
}

/* A change goes on when its client has left, and uses accounts, store and webhooks. */
static void wait_for_handlers(struct app *app, int64_t max_ms, void (*then)(struct app *))
{
    app->handlers_until_ms = loop_now_ms(app->loop) + max_ms;
    app->handlers_ended = then;
    on_look(&app->handlers);
}

static void finish(struct app *app)
{
    app->phase = APP_PHASE_STOPPED;
    loop_stop(app->loop);
}

static void on_overdue(struct timer *t)
{
    struct app *app = container_of(t, struct app, drain);
    log_at(LOG_WARN, "app", "not everything ended in time");
    redis_embedded_stop(&app->embedded);
    /* Objects with work in flight cannot be freed; everything worth keeping is in Redis. */
    _exit(app->exit_status);
}

static void on_store_closed(struct store_close *op ATTR_UNUSED,
                            const struct err *err ATTR_UNUSED, void *ctx)
{
    wait_for_handlers(ctx, APP_DRAIN_MS, finish);
}

static void on_webhooks_stopped(struct webhooks *w ATTR_UNUSED, void *ctx)
{
    struct app *app = ctx;
    (void)store_close_start(app->store, LEASE_MS, on_store_closed, app);
}

static void on_log_stopped(struct changelog *c ATTR_UNUSED, void *ctx)
{
    struct app *app = ctx;
    webhooks_stop(app->webhooks, on_webhooks_stopped, app);
}

static void on_accounts_stopped(void *ctx)
{
    struct app *app = ctx;
    changelog_stop(app->changelog, LOG_DRAIN_MS, on_log_stopped, app);
}

static void stop_accounts(struct app *app)
{
    accounts_stop(app->accounts, on_accounts_stopped, app);
}

void app_drain_begin(struct app *app)
{
    if (app->phase == APP_PHASE_DRAINING || app->phase == APP_PHASE_STOPPED) {
        return;
    }
    bool served = app->phase == APP_PHASE_SERVING;
    app->phase = APP_PHASE_DRAINING;
    app_notify("STOPPING=1");
    timer_set(app->loop, &app->drain, APP_DRAIN_MS, on_overdue);
    api_quiesce(app->api);
    api_services_quiesce(&app->services);
    if (served) {
        wait_for_handlers(app, HANDLERS_MS, stop_accounts);
    } else {
        store_open_cancel(app->opening);
        store_token_cancel(app->preparing);
        wait_for_handlers(app, APP_DRAIN_MS, finish);
    }
}

void app_fini(struct app *app)
{
    if (app->loop != NULL) {
        timer_stop(&app->drain);
        timer_stop(&app->handlers);
    }
    for (size_t i = 0; i < ARRAY_LEN(app->signals); i++) {
        loop_signal_free(&app->signals[i]);
    }
    api_free(&app->api);
    api_services_fini(&app->services);
    webhooks_free(&app->webhooks);
    if (app->accounts != NULL) {
        accounts_set_log(app->accounts, NULL);
    }
    changelog_free(&app->changelog);
    accounts_free(&app->accounts);
    httpc_free(&app->httpc);
    store_free(&app->store);
    redis_free(&app->redis);
    if (app->loop != NULL) {
        loop_run(app->loop); /* what was canceled calls back before its home goes */
    }
    net_free(&app->net);
    loop_free(&app->loop);
    redis_embedded_stop(&app->embedded);
    if (app->lock_fd >= 0) {
        (void)close(app->lock_fd);
    }
}
