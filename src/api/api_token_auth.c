/* The authentication port over the store's tokens: from memory when the token is known,
 * else one read. */
#include "api_states.h"
#include "api_streams.h"

#include "postrider/base/clock.h"
#include "postrider/base/mem.h"
#include "postrider/store/store_settings.h"

struct verdict {
    struct err err;
    struct api_identity who; /* of the record */
    json_t *details;
    struct api_rate rate;
};

/* While the store is asked. */
struct token_query {
    struct api_services *services;
    struct api_token_use use; /* its texts are the query's own */
    char *remote, *referrer, *account;
    api_auth_cb *cb;
    void *arg;
    struct store_token_op *op;
};

static struct api_identity identity_of(const json_t *record)
{
    const char *id = json_get_cstr(record, "id");
    const char *account = json_get_cstr(record, "account");
    return (struct api_identity){.token_id = id != NULL ? id : "",
                                 .account = account != NULL ? account : ""};
}

/* Whether the token may be used so and how often; what is wrong goes into the verdict. */
static void apply_rules(struct api_services *services, const json_t *record,
                        const struct api_token_use *use, struct verdict *v)
{
    if (!api_token_allows(record, use, &v->details, &v->err)) {
        return;
    }
    if (services->rates == NULL) {
        services->rates = api_token_rate_new();
    }
    if (!api_token_rate_take(services->rates, record, use->now_ms, &v->rate)) {
        v->details = json_object();
        json_put_int(v->details, "ttl", v->rate.reset_s);
        (void)err_set(&v->err, ERR_RATE_LIMITED, "Too many requests with this token");
        return;
    }
    v->who = identity_of(record);
}

static void judge(struct api_services *services, const json_t *record,
                  const struct api_token_use *use, struct verdict *v)
{
    if (record == NULL) {
        (void)err_set(&v->err, ERR_UNAUTHORIZED, "Unauthorized");
        return;
    }
    apply_rules(services, record, use, v);
    api_token_log_add(services->store, record, use, &v->err);
    store_token_used(services->store, json_get_str(record, "id"), use->remote);
}

static void tell(const struct verdict *v, api_auth_cb *cb, void *arg)
{
    bool ok = v->err.code == ERR_OK;
    cb(arg, &(struct api_auth_answer){.who = ok ? &v->who : NULL,
                                      .err = ok ? NULL : &v->err,
                                      .details = v->details,
                                      .rate = v->rate});
    json_decref(v->details);
}

static struct api_token_use use_of(const struct api_auth_query *query)
{
    return (struct api_token_use){.route = query->route,
                                  .remote = query->remote,
                                  .referrer = query->referrer,
                                  .account = query->account,
                                  .now_ms = clock_wall_ms()};
}

static bool known(void *ctx, const struct api_auth_query *query, api_auth_cb *cb,
                  void *arg)
{
    struct api_services *services = ctx;
    struct api_token_use use = use_of(query);
    struct verdict v = {.err = {.code = ERR_OK}};
    json_t *record = NULL;
    if (!store_token_cached(services->store, query->token, &record)) {
        return false;
    }
    judge(services, record, &use, &v);
    tell(&v, cb, arg);
    return true;
}

static void on_token(struct store_token_op *op ATTR_UNUSED, const struct err *err,
                     json_t *record, void *ctx)
{
    struct token_query *q = ctx;
    struct verdict v = {.err = {.code = ERR_OK}};
    q->use.now_ms = clock_wall_ms();
    if (err->code == ERR_OK || err->code == ERR_NOT_FOUND) {
        judge(q->services, err->code == ERR_OK ? record : NULL, &q->use, &v);
    } else {
        v.err = *err;
    }
    tell(&v, q->cb, q->arg);
    mem_free(q->remote);
    mem_free(q->referrer);
    mem_free(q->account);
    mem_free(q);
}

static void *start(void *ctx, const struct api_auth_query *query, api_auth_cb *cb,
                   void *arg)
{
    struct token_query *q = MEM_NEW(struct token_query);
    *q = (struct token_query){
        .services = ctx,
        .use = use_of(query),
        .remote = mem_strdup(query->remote),
        .referrer = mem_strdup(query->referrer),
        .account = query->account.ptr != NULL
                       ? mem_strndup(query->account.ptr, query->account.len)
                       : NULL,
        .cb = cb,
        .arg = arg};
    q->use.remote = q->remote;
    q->use.referrer = q->referrer;
    q->use.account = str_of(q->account);
    q->op = store_token_get_start(q->services->store, query->token, on_token, q);
    return q;
}

static void cancel(void *ctx ATTR_UNUSED, void *handle)
{
    struct token_query *q = handle;
    store_token_cancel(q->op);
}

struct api_auth_port api_token_auth(struct api_services *services)
{
    return (struct api_auth_port){
        .ctx = services, .known = known, .start = start, .cancel = cancel};
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
