#include "app_priv.h"

#include "postrider/account/account_message.h"
#include "postrider/base/clock.h"
#include "postrider/base/log.h"
#include "postrider/mime/mime.h"
#include "postrider/store/store_settings.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* --- health --- */

static bool is_well(void *ctx, struct err *err)
{
    struct app *app = ctx;
    return store_is_well(app->store, err) &&
           (app->phase == APP_PHASE_SERVING ||
            err_set(err, ERR_UNAVAILABLE, "the node is starting or stopping"));
}

/* --- the store is open: everything else may start --- */

static void on_settings_changed(struct store *s ATTR_UNUSED, void *ctx)
{
    struct app *app = ctx;
    webhooks_settings_changed(app->webhooks);
}

/* Another node's shard came to us, or ours went: its accounts start or stop here. */
static void on_lease(struct store *s ATTR_UNUSED, uint8_t shard, bool owned, void *ctx)
{
    struct app *app = ctx;
    if (!owned) {
        accounts_shard_lost(app->accounts, shard);
    } else if (app->phase == APP_PHASE_SERVING) {
        accounts_start(app->accounts);
        changelog_rescan(app->changelog);
    }
}

static void serve(struct app *app)
{
    store_settings_set_changed_cb(app->store, on_settings_changed, app);
    store_set_lease_cb(app->store, on_lease, app);
    webhooks_start(app->webhooks);
    changelog_start(app->changelog);
    accounts_start(app->accounts);
    app->phase = APP_PHASE_SERVING;
    log_at(LOG_INFO, "app", "serving", LOG_S("host", app->config->http.host),
           LOG_I("port", api_port(app->api)),
           LOG_I("accounts", store_directory_count(app->store)));
    app_notify("READY=1");
}

static void cannot_start(struct app *app, const struct err *err)
{
    log_at(LOG_ERROR, "app", "cannot start", LOG_ERR_FIELDS(err));
    app->exit_status = 1;
    app_drain_begin(app);
}

static void on_prepared(struct store_token_op *op ATTR_UNUSED, const struct err *err,
                        json_t *record ATTR_UNUSED, void *ctx)
{
    struct app *app = ctx;
    app->preparing = NULL;
    if (app->phase != APP_PHASE_STARTING) {
        return;
    }
    if (err->code == ERR_NOT_FOUND) {
        log_at(LOG_WARN, "app", "prepared.token was revoked");
    }
    if (err->code == ERR_OK || err->code == ERR_NOT_FOUND) {
        serve(app);
    } else {
        cannot_start(app, err);
    }
}

static void on_store_opened(struct store_open *op ATTR_UNUSED, const struct err *err,
                            void *ctx)
{
    struct app *app = ctx;
    app->opening = NULL;
    if (app->phase != APP_PHASE_STARTING) {
        return;
    }
    if (err->code != ERR_OK) {
        cannot_start(app, err);
        return;
    }
    if (app->config->prepared.token == NULL) {
        serve(app);
        return;
    }
    struct err wrong;
    json_t *record = store_token_from_text(str_of(app->config->prepared.token), &wrong);
    if (record == NULL) {
        (void)err_wrap(&wrong, "prepared.token");
        cannot_start(app, &wrong);
        return;
    }
    app->preparing = store_token_prepare_start(app->store, record, on_prepared, app);
    json_decref(record);
}

/* --- making the parts --- */

static bool make_redis(struct app *app, struct err *err)
{
    char url[REDIS_EMBEDDED_URL_SIZE];
    const struct config *c = app->config;
    struct redis_config redis = {.url = c->redis.url,
                                 .ca_file = c->redis.ca_file,
                                 .tls_insecure = c->redis.tls_insecure,
                                 .allow_eviction = c->redis.allow_eviction};
    if (strcmp(c->redis.url, "embedded") == 0) {
        /* Forks: before the loop and its threads exist. */
        app->embedded = redis_embedded_start(c->data.dir, url, sizeof url, err);
        if (app->embedded == NULL) {
            return false;
        }
        redis.url = url;
    }
    app->loop = loop_new();
    app->net = net_new(app->loop,
                       &(struct net_config){.egress = (enum egress_policy)c->net.egress});
    app->redis = redis_new(app->net, &redis, err);
    return app->redis != NULL;
}

static void make_store(struct app *app)
{
    const struct config *c = app->config;
    (void)snprintf(app->key_file, sizeof app->key_file, "%s/secret.key", c->data.dir);
    struct store_config store = {
        .loop = app->loop,
        .prefix = c->redis.prefix,
        .key = {.key_text = c->secret.key, .key_file = app->key_file},
        .node_id = app->node_id,
        .lease_ttl_ms = c->redis.lease_s * 1000,
        .log_retention_ms = c->changelog.retention_days * 24 * 3600 * 1000};
    app->store = store_new(app->redis, &store);
}

static void make_readers(struct app *app)
{
    const struct config *c = app->config;
    struct accounts_config accounts = {
        .poll_interval_ms = c->sync.poll_interval_s * 1000,
        .poll = {.hot_ms = c->sync.poll_hot_s * 1000,
                 .cold_ms = c->sync.poll_cold_s * 1000,
                 .frozen_ms = c->sync.poll_frozen_s * 1000,
                 .hot_for_ms = c->sync.hot_for_s * 1000,
                 .cold_after_ms = c->sync.cold_after_s * 1000,
                 .frozen_after_ms = c->sync.frozen_after_s * 1000,
                 .inbox_ms = c->sync.inbox_poll_s * 1000,
                 .idle_max_ms = c->sync.idle_max_s * 1000,
                 .idle_check_ms = c->sync.idle_check_s * 1000},
        .audit_interval_ms = c->sync.audit_interval_s * 1000,
        .delete_confirm_ms = c->sync.delete_confirm_s * 1000,
        .move_window_ms = c->sync.move_window_s * 1000,
        .flags_refresh_ms = c->sync.flags_refresh_s * 1000,
        .resets_per_day = (uint32_t)c->sync.resets_per_day,
        .threads = c->sync.threads,
        .batch_messages = (uint32_t)c->sync.batch_messages,
        .connect_concurrency = (uint32_t)c->sync.connect_concurrency,
        .connect_total = (uint32_t)c->sync.connect_total,
        .walk_concurrency = (uint32_t)c->sync.index_concurrency,
        .memory_max_bytes = (uint64_t)c->sync.memory_max_mib * 1024 * 1024,
        .rows_cache_bytes = (size_t)c->sync.rows_cache_mib * 1024 * 1024,
        .ca_file = c->tls.ca_file};
    /* How many requests go to a host is decided per route, where waiting costs nothing. */
    struct httpc_config httpc = {.egress = (enum egress_policy)c->net.egress,
                                 .host_connections = 1000,
                                 .idle_connections = 256,
                                 .ca_file = c->tls.ca_file};
    struct webhook_config webhook = {.timeout_ms = c->webhook.timeout_ms,
                                     .retry_first_ms = c->webhook.retry_first_ms,
                                     .retry_max_ms = c->webhook.retry_max_ms,
                                     .give_up_ms = c->webhook.give_up_ms,
                                     .target_active = (size_t)c->webhook.concurrency,
                                     .target_rate = (unsigned)c->webhook.rate};
    app->accounts = accounts_new(app->net, app->store, &accounts);
    app->enricher = account_enricher(app->accounts);
    app->httpc = httpc_new(app->net, &httpc);
    app->changelog = changelog_new(
        app->store,
        &(struct changelog_config){.max_entries = (uint64_t)c->changelog.max_entries,
                                   .max_bytes = (uint64_t)c->changelog.max_bytes});
    accounts_set_log(app->accounts, app->changelog);
    app->webhooks =
        webhooks_new(app->store, app->httpc, app->changelog, &app->enricher, &webhook);
}

static bool make_api(struct app *app, struct err *err)
{
    const struct config *c = app->config;
    app->services = (struct api_services){.accounts = app->accounts,
                                          .store = app->store,
                                          .webhooks = app->webhooks,
                                          .changelog = app->changelog,
                                          .config = c,
                                          .started_ms = clock_wall_ms()};
    struct api_config api = {.httpd = {.host = c->http.host,
                                       .port = (uint16_t)c->http.port,
                                       .trusted_proxies = c->http.trusted_proxies},
                             .auth = api_token_auth(&app->services),
                             .health = {.ctx = app, .is_well = is_well},
                             .tables = api_tables,
                             .table_count = api_tables_count,
                             .body_max = (size_t)c->http.max_body,
                             .large_max = (size_t)c->http.large_bodies,
                             .services = &app->services};
    app->api = api_new(app->loop, &api, err);
    if (app->api != NULL) {
        api_services_begin(&app->services, app->api);
    }
    return app->api != NULL;
}

/* --- signals --- */

static void on_term(int signum, void *ctx)
{
    struct app *app = ctx;
    log_at(LOG_INFO, "app", "stopping", LOG_I("signal", signum));
    app_drain_begin(app);
}

static void on_reload(int signum ATTR_UNUSED, void *ctx)
{
    struct app *app = ctx;
    struct err err = {0};
    const struct config *next = config_load(app->argc, app->argv, app->config_path, &err);
    if (next == NULL) {
        log_at(LOG_ERROR, "app", "configuration not read again, the old one stays",
               LOG_ERR_FIELDS(&err));
        return;
    }
    struct buf names = BUF_INIT(4096);
    log_configure(next->log.level, next->log.format);
    if (config_needs_restart(app->config, next, &names)) {
        log_at(LOG_WARN, "app", "these settings take effect at the next start",
               LOG_S("settings", buf_c(&names)));
    }
    log_at(LOG_INFO, "app", "configuration read again");
    buf_fini(&names);
    config_free(&next);
}

static void make_signals(struct app *app)
{
    app->signals[0] = loop_signal_new(app->loop, SIGTERM, on_term, app);
    app->signals[1] = loop_signal_new(app->loop, SIGINT, on_term, app);
    app->signals[2] = loop_signal_new(app->loop, SIGHUP, on_reload, app);
}

static bool app_make(struct app *app, struct err *err)
{
    const char *dir = app->config->data.dir;
    if (!data_dir_lock(dir, &app->lock_fd, err) ||
        !app_node_id_load(dir, app->node_id, err) || !make_redis(app, err)) {
        return false;
    }
    make_store(app);
    make_readers(app);
    if (!make_api(app, err)) {
        return false;
    }
    make_signals(app);
    return true;
}

int app_serve(int argc, char *const *argv, const struct config *config,
              const char *config_path)
{
    struct app app = {.argc = argc,
                      .argv = argv,
                      .config = config,
                      .config_path = config_path,
                      .lock_fd = -1};
    struct err err = {0};
    (void)signal(SIGPIPE, SIG_IGN);
    mime_init();
    if (app_make(&app, &err)) {
        app.opening = store_open_start(app.store, on_store_opened, &app);
        loop_run(app.loop);
    } else {
        log_at(LOG_ERROR, "app", "cannot start", LOG_ERR_FIELDS(&err));
        app.exit_status = 1;
    }
    app_fini(&app);
    mime_fini();
    return app.exit_status;
}
