#include "account_priv.h"

#include "postrider/base/check.h"
#include "postrider/base/log.h"
#include "postrider/base/mem.h"
#include "postrider/store/store_account.h"

enum {
    BATCH_MAX = 1000, /* a commit takes that many events */
    CONNECT_TOTAL = 256,
    WALKS = 8,
    DROPPED_LOG_MS = 1000 /* leases go one by one, but mostly all of them */
};

/* --- registry --- */

struct accounts *accounts_new(struct net *net, struct store *store,
                              const struct accounts_config *config)
{
    struct accounts *as = MEM_NEW(struct accounts);
    as->loop = net_loop(net);
    as->net = net;
    as->store = store;
    as->config = *config;
    if (as->config.batch_messages > BATCH_MAX) {
        as->config.batch_messages = BATCH_MAX;
    }
    if (as->config.connect_total == 0) {
        as->config.connect_total = CONNECT_TOTAL;
    }
    if (as->config.walk_concurrency == 0) {
        as->config.walk_concurrency = WALKS;
    }
    as->started_ms = as->progress_ms = loop_now_ms(as->loop);
    as->ca_file = mem_strdup(config->ca_file);
    as->config.ca_file = as->ca_file;
    as->by_id = map_new(NULL);
    as->hosts = map_new(host_slots_free);
    list_init(&as->walks_waiting);
    list_init(&as->all);
    accounts_hold_init(as);
    accounts_memory_init(as);
    return as;
}

void accounts_set_log(struct accounts *as, struct changelog *log)
{
    as->log = log;
}

static struct account *registry_add(struct accounts *as, struct str id)
{
    struct account *a = account_new(as, id);
    list_append(&as->all, &a->node);
    map_put(as->by_id, id, a);
    return a;
}

void accounts_start(struct accounts *as)
{
    size_t count = store_directory_count(as->store);
    for (size_t i = 0; i < count && as->on_stopped == NULL; i++) {
        struct str id = str_of(store_directory_at(as->store, i)->id);
        struct account *a = map_get(as->by_id, id);
        if (a == NULL) {
            a = registry_add(as, id);
        }
        if (a->phase == ACCOUNT_PHASE_STOPPED && store_owns(as->store, a->acct.shard)) {
            account_start(a);
        }
    }
}

struct account *accounts_get(struct accounts *as, struct str id)
{
    return map_get(as->by_id, id);
}

struct store *accounts_store(struct accounts *as)
{
    return as->store;
}

struct net *accounts_net(struct accounts *as)
{
    return as->net;
}

const struct accounts_config *accounts_config_get(const struct accounts *as)
{
    return &as->config;
}

void accounts_created(struct accounts *as, struct str id)
{
    if (map_get(as->by_id, id) == NULL && as->on_stopped == NULL) {
        account_start(registry_add(as, id));
    }
}

void accounts_updated(struct accounts *as, struct str id)
{
    struct account *a = map_get(as->by_id, id);
    if (a != NULL) {
        account_refresh(a);
    }
}

void accounts_flush(struct accounts *as, struct str id, accounts_flush_cb *cb, void *ctx)
{
    struct account *a = map_get(as->by_id, id);
    struct err err = {0};
    if (a != NULL) {
        account_flush(a, cb, ctx);
        return;
    }
    (void)err_set(&err, ERR_UNAVAILABLE, "the account is not on this node");
    cb(&err, ctx);
}

/* --- leases that went --- */

static void on_dropped_log(struct timer *t)
{
    struct accounts *as = container_of(t, struct accounts, dropped_log);
    log_at(LOG_WARN, "account", "leases lost: accounts left to another node",
           LOG_I("accounts", as->dropped));
    as->dropped = 0;
}

static void on_dropped(void *ctx)
{
    struct account *a = ctx;
    if (a->as->on_stopped == NULL && store_owns(a->as->store, a->acct.shard)) {
        account_start(a); /* it came back meanwhile */
    }
}

void accounts_drop(struct account *a)
{
    struct accounts *as = a->as;
    if (a->phase == ACCOUNT_PHASE_STOPPING || a->phase == ACCOUNT_PHASE_STOPPED) {
        return;
    }
    if (as->dropped++ == 0) {
        timer_set(as->loop, &as->dropped_log, DROPPED_LOG_MS, on_dropped_log);
    }
    account_stop(a, on_dropped, a);
}

void accounts_shard_lost(struct accounts *as, uint8_t shard)
{
    list_foreach (node, &as->all) {
        struct account *a = container_of(node, struct account, node);
        if (a->acct.shard == shard) {
            accounts_drop(a);
        }
    }
}

/* --- ending --- */

struct removal {
    struct account *account;
    accounts_stop_cb *cb;
    void *ctx;
};

static void registry_remove(struct account *a)
{
    (void)map_take(a->as->by_id, str_of(a->acct.id));
    list_remove(&a->node);
    account_rows_forget(a);
    account_free(&a);
}

static void on_removed(void *ctx)
{
    struct removal *r = ctx;
    accounts_stop_cb *cb = r->cb;
    void *cb_ctx = r->ctx;
    registry_remove(r->account);
    mem_free(r);
    cb(cb_ctx);
}

void accounts_deleted(struct accounts *as, struct str id, accounts_stop_cb *cb, void *ctx)
{
    struct account *a = map_get(as->by_id, id);
    if (a == NULL || a->phase == ACCOUNT_PHASE_STOPPING) {
        cb(ctx);
        return;
    }
    struct removal *r = MEM_NEW(struct removal);
    *r = (struct removal){.account = a, .cb = cb, .ctx = ctx};
    account_stop(a, on_removed, r);
}

static void on_all_stopped(struct deferred *d)
{
    struct accounts *as = container_of(d, struct accounts, stopped);
    as->on_stopped(as->stop_ctx);
}

static void on_one_stopped(void *ctx)
{
    struct accounts *as = ctx;
    if (--as->stopping == 0) {
        loop_defer(as->loop, &as->stopped, on_all_stopped);
    }
}

void accounts_stop(struct accounts *as, accounts_stop_cb *cb, void *ctx)
{
    as->on_stopped = cb;
    as->stop_ctx = ctx;
    as->stopping = 1;
    list_foreach (node, &as->all) {
        struct account *a = container_of(node, struct account, node);
        if (a->phase != ACCOUNT_PHASE_STOPPING && a->phase != ACCOUNT_PHASE_STOPPED) {
            as->stopping++;
            account_stop(a, on_one_stopped, as);
        }
    }
    on_one_stopped(as);
}

void accounts_free(struct accounts **asp)
{
    struct accounts *as = *asp;
    if (as == NULL) {
        return;
    }
    *asp = NULL;
    accounts_cache_free(as);
    list_foreach (node, &as->all) {
        registry_remove(container_of(node, struct account, node));
    }
    timer_stop(&as->walks_look);
    timer_stop(&as->dropped_log);
    accounts_hold_fini(as);
    accounts_memory_fini(as);
    map_free(&as->by_id);
    map_free(&as->hosts);
    mem_free(as->ca_file);
    mem_free(as);
}

void accounts_totals_get(const struct accounts *as, struct accounts_totals *out)
{
    *out = (struct accounts_totals){.handshakes = as->handshakes,
                                    .walks = as->walks,
                                    .held = as->held,
                                    .audits = as->audits,
                                    .holds = as->holds,
                                    .memory_percent = as->memory.percent};
    list_foreach (node, &as->all) {
        const struct account *a = container_of(node, struct account, node);
        struct str state = str_of(a->state);
        out->accounts++;
        out->connected += str_eq_c(state, "connected");
        out->connecting += str_eq_c(state, "connecting") || str_eq_c(state, "init");
        out->syncing += str_eq_c(state, "syncing");
        out->errors += str_has_suffix(state, "Error");
        out->full += account_fill_percent(a) >= ACCOUNT_FULL_PASS;
        out->barred += account_limits_wait_ms(a) > 0;
        out->parked += a->parked;
        out->paused += a->paused;
        int64_t age_ms = account_sync_age_ms(a);
        if (age_ms > out->oldest_any_ms) {
            out->oldest_any_ms = age_ms;
        }
        if (str_eq_c(state, "connected") && age_ms > out->oldest_sync_ms) {
            out->oldest_sync_ms = age_ms;
        }
        out->connections +=
            (a->watch.conn != NULL) + account_work_count(a) + account_subs_count(a);
    }
}
