/* The authentication port over the store's tokens: from memory when the token is known,
 * else one read. */
#include "api_states.h"
#include "api_streams.h"

#include "postrider/base/clock.h"
#include "postrider/base/mem.h"
#include "postrider/loop/loop.h"
#include "postrider/store/store_settings.h"

#include <stdio.h>

struct token_query {
    struct api_services *services;
    const struct api_route *route;
    char *remote, *referrer, *account;
    api_auth_cb *cb;
    void *arg;
    struct store_token_op *op; /* NULL: the verdict stands, `later` is queued */
    struct deferred later;
    struct err err;
    struct api_identity who;
    json_t *details;
    struct api_rate rate;
};

static void fill_identity(const json_t *record, struct api_identity *who)
{
    const char *id = json_get_cstr(record, "id");
    const char *account = json_get_cstr(record, "account");
    (void)snprintf(who->token_id, sizeof who->token_id, "%s", id != NULL ? id : "");
    (void)snprintf(who->account, sizeof who->account, "%s",
                   account != NULL ? account : "");
}

/* Whether the token may be used so and how often; what is wrong goes into the query. */
static void apply_rules(struct token_query *q, const json_t *record,
                        const struct api_token_use *use)
{
    if (!api_token_allows(record, use, &q->details, &q->err)) {
        return;
    }
    if (q->services->rates == NULL) {
        q->services->rates = api_token_rate_new();
    }
    if (!api_token_rate_take(q->services->rates, record, use->now_ms, &q->rate)) {
        q->details = json_object();
        json_put_int(q->details, "ttl", q->rate.reset_s);
        (void)err_set(&q->err, ERR_RATE_LIMITED, "Too many requests with this token");
        return;
    }
    fill_identity(record, &q->who);
}

static void judge(struct token_query *q, const json_t *record)
{
    const struct api_token_use use = {.route = q->route,
                                      .remote = q->remote,
                                      .referrer = q->referrer,
                                      .account = str_of(q->account),
                                      .now_ms = clock_wall_ms()};
    if (record == NULL) {
        (void)err_set(&q->err, ERR_UNAUTHORIZED, "Unauthorized");
        return;
    }
    apply_rules(q, record, &use);
    api_token_log_add(q->services->store, record, &use, &q->err);
    store_token_used(q->services->store, json_get_str(record, "id"), q->remote);
}

static void answer(struct token_query *q)
{
    bool ok = q->err.code == ERR_OK;
    q->cb(q->arg, &(struct api_auth_answer){.who = ok ? &q->who : NULL,
                                            .err = ok ? NULL : &q->err,
                                            .details = q->details,
                                            .rate = q->rate});
    json_decref(q->details);
    mem_free(q->remote);
    mem_free(q->referrer);
    mem_free(q->account);
    mem_free(q);
}

static void on_later(struct deferred *d)
{
    answer(container_of(d, struct token_query, later));
}

static void on_token(struct store_token_op *op ATTR_UNUSED, const struct err *err,
                     json_t *record, void *ctx)
{
    struct token_query *q = ctx;
    if (err->code == ERR_OK || err->code == ERR_NOT_FOUND) {
        judge(q, err->code == ERR_OK ? record : NULL);
    } else {
        q->err = *err;
    }
    answer(q);
}

static void *start(void *ctx, const struct api_auth_query *query, api_auth_cb *cb,
                   void *arg)
{
    struct token_query *q = MEM_NEW(struct token_query);
    json_t *record = NULL;
    *q = (struct token_query){
        .services = ctx,
        .route = query->route,
        .remote = mem_strdup(query->remote),
        .referrer = mem_strdup(query->referrer),
        .account = query->account.ptr != NULL
                       ? mem_strndup(query->account.ptr, query->account.len)
                       : NULL,
        .cb = cb,
        .arg = arg};
    struct store *store = q->services->store;
    if (store_token_cached(store, query->token, &record)) {
        judge(q, record);
        loop_defer(store_loop(store), &q->later, on_later);
    } else {
        q->op = store_token_get_start(store, query->token, on_token, q);
    }
    return q;
}

static void cancel(void *ctx ATTR_UNUSED, void *handle)
{
    struct token_query *q = handle;
    if (q->op != NULL) {
        store_token_cancel(q->op);
    }
}

struct api_auth_port api_token_auth(struct api_services *services)
{
    return (struct api_auth_port){.ctx = services, .start = start, .cancel = cancel};
}

void api_services_fini(struct api_services *services)
{
    api_token_rate_free(&services->rates);
    api_changes_free(&services->changes);
    api_streams_free(&services->streams);
    api_stats_free(&services->stats);
    if (services->states != NULL) {
        store_set_state_cb(services->store, NULL, NULL);
        api_states_free(&services->states);
    }
}
