#include "account_priv.h"

#include "postrider/base/check.h"
#include "postrider/base/mem.h"
#include "postrider/store/store_account.h"

enum {
    BATCH_MAX = 1000
}; /* a commit takes that many events */

struct host_slots {
    uint32_t busy;
    struct list waiting;
};

/* --- handshake slots --- */

static struct host_slots *host_get(struct accounts *as, const char *host)
{
    struct host_slots *h = map_get(as->hosts, str_of(host));
    if (h == NULL) {
        h = MEM_NEW(struct host_slots);
        list_init(&h->waiting);
        map_put(as->hosts, str_of(host), h);
    }
    return h;
}

static void slot_grant(struct slot_wait *w)
{
    w->host->busy++;
    w->granted = true;
    w->on_grant(w);
}

void slot_request(struct accounts *as, const char *host, struct slot_wait *w,
                  void (*on_grant)(struct slot_wait *w))
{
    CHECK(w->host == NULL);
    list_init(&w->node);
    w->host = host_get(as, host);
    w->granted = false;
    w->on_grant = on_grant;
    if (w->host->busy < as->config.connect_concurrency) {
        slot_grant(w);
    } else {
        list_append(&w->host->waiting, &w->node);
    }
}

void slot_release(struct accounts *as ATTR_UNUSED, struct slot_wait *w)
{
    struct host_slots *h = w->host;
    if (h == NULL) {
        return;
    }
    w->host = NULL;
    if (!w->granted) {
        list_remove(&w->node);
        return;
    }
    w->granted = false;
    h->busy--;
    struct list *next = list_pop(&h->waiting);
    if (next != NULL) {
        slot_grant(container_of(next, struct slot_wait, node));
    }
}

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
    as->ca_file = mem_strdup(config->ca_file);
    as->config.ca_file = as->ca_file;
    as->by_id = map_new(NULL);
    as->hosts = map_new(mem_free);
    list_init(&as->all);
    return as;
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
    list_foreach (node, &as->all) {
        registry_remove(container_of(node, struct account, node));
    }
    map_free(&as->by_id);
    map_free(&as->hosts);
    accounts_cache_free(as);
    mem_free(as->ca_file);
    mem_free(as);
}

void accounts_totals_get(const struct accounts *as, struct accounts_totals *out)
{
    *out = (struct accounts_totals){0};
    list_foreach (node, &as->all) {
        const struct account *a = container_of(node, struct account, node);
        struct str state = str_of(a->state);
        out->accounts++;
        out->connected += str_eq_c(state, "connected");
        out->connecting += str_eq_c(state, "connecting") || str_eq_c(state, "init");
        out->syncing += str_eq_c(state, "syncing");
        out->errors += str_has_suffix(state, "Error");
        out->connections += (a->watch.conn != NULL) + account_work_count(a) +
                            account_subs_count(a);
    }
}
