/* What an account shows and tells about itself: state, last error, and the events of the
 * account. */
#include "account_priv.h"

#include "postrider/base/check.h"
#include "postrider/base/clock.h"
#include "postrider/base/log.h"
#include "postrider/base/mem.h"
#include "postrider/json/json.h"

#include <stdio.h>

enum {
    SYNC_TIME_KEEP_MS = 15 * 60 * 1000,
    NEWS_KINDS = 4, /* login, failed login, failed connection, first index */
    NEWS_MAX = 2 * NEWS_KINDS
};

/* --- events that go with a commit of the state --- */

/* Oldest first. Of those that no commit has yet, there is one of each kind at most: an
 * older one is superseded before it was stored. */
struct account_news {
    struct event items[NEWS_MAX];
    size_t count;
    size_t sent; /* at the front: they are in the commit under way */
};

static void news_remove(struct account_news *n, size_t at)
{
    event_fini(&n->items[at]);
    n->count--;
    memmove(&n->items[at], &n->items[at + 1], (n->count - at) * sizeof n->items[0]);
}

static void news_supersede(struct account_news *n, size_t from, enum event_type type)
{
    for (size_t i = n->count; i > from; i--) {
        if (n->items[i - 1].type == type) {
            news_remove(n, i - 1);
        }
    }
}

void account_news_free(struct account *a)
{
    while (a->news != NULL && a->news->count > 0) {
        news_remove(a->news, a->news->count - 1);
    }
    mem_free(a->news);
    a->news = NULL;
}

static bool news_wait(const struct account *a)
{
    return a->news != NULL && a->news->count > a->news->sent;
}

static void news_stored(struct account *a)
{
    struct account_news *n = a->news;
    while (n != NULL && n->sent > 0) {
        news_remove(n, 0);
        n->sent--;
    }
    if (n != NULL && n->count == 0) {
        account_news_free(a);
    }
}

/* They go with the next commit, unless what came meanwhile says the same. */
static void news_not_stored(struct account *a)
{
    struct account_news *n = a->news;
    for (size_t i = n != NULL ? n->sent : 0; i > 0; i--) {
        enum event_type type = n->items[i - 1].type;
        for (size_t k = i; k < n->count; k++) {
            if (n->items[k].type == type) {
                news_remove(n, i - 1);
                break;
            }
        }
    }
    if (n != NULL) {
        n->sent = 0;
    }
}

/* Gives their number. */
static size_t news_send(struct account *a, struct event out[NEWS_MAX])
{
    struct account_news *n = a->news;
    size_t count = n != NULL ? n->count : 0;
    for (size_t i = 0; i < count; i++) {
        event_copy(&out[i], &n->items[i]);
    }
    if (n != NULL) {
        n->sent = count;
    }
    return count;
}

static void account_event(struct account *a, enum event_type type, json_t *data,
                          uint64_t discriminator)
{
    if (a->news == NULL) {
        a->news = MEM_NEW(struct account_news);
    }
    struct account_news *n = a->news;
    news_supersede(n, n->sent, type);
    CHECK(n->count < NEWS_MAX);
    struct event *e = &n->items[n->count++];
    event_init(e, type, clock_wall_ms(), 0, 0, NULL, NULL, data);
    store_event_id(a->as->store, &a->acct, 0, 0, 0, event_type_name(type), discriminator,
                   e->id);
}

/* --- commits of the state --- */

static void commit_run(struct account *a);

static void on_committed(struct store_commit *op ATTR_UNUSED, const struct err *err,
                         void *ctx)
{
    struct account *a = ctx;
    a->commit = NULL;
    if (err->code == ERR_OK || err->code == ERR_LIMIT || err->code == ERR_NO_ACCOUNT) {
        news_stored(a); /* or they never can be */
    } else {
        news_not_stored(a);
    }
    if (err->code != ERR_OK) {
        log_at(LOG_WARN, "account", "state not stored", LOG_S("account", a->acct.name),
               LOG_ERR_FIELDS(err));
        a->error_told = false;
    }
    if (a->phase == ACCOUNT_PHASE_STOPPING) {
        loop_defer(a->as->loop, &a->next, a->next.fn);
    } else if (a->commit_again) {
        commit_run(a);
    }
}

static json_t *last_error_json(const struct account *a)
{
    const struct err *err = account_last_err(a);
    if (err->code == ERR_OK) {
        return json_null();
    }
    char date[CLOCK_ISO_SIZE];
    clock_format_iso(a->last_err_at_ms, date);
    const char *code =
        err->peer_code[0] != '\0' ? err->peer_code : err_info_get(err->code)->api_code;
    return json_pack("{s:s, s:s*, s:s, s:s}", "response", err->msg, "serverResponseCode",
                     code, "code", err_code_name(err->code), "date", date);
}

/* Writes the state as it is now; one commit at a time, the last state wins. */
static void commit_run(struct account *a)
{
    if (a->commit != NULL) {
        a->commit_again = true;
        return;
    }
    a->commit_again = false;
    json_t *info = json_pack("{s:o, s:b, s:b, s:o, s:o}", "lastError", last_error_json(a),
                             "initialized", (int)a->initialized, "authenticated",
                             (int)a->authenticated, "refused", account_limits_json(a),
                             "audit", account_audit_json(a));
    if (a->sync_time_ms > 0) {
        json_put_time(info, "syncTime", a->sync_time_ms);
    }
    a->sync_time_stored_ms = a->sync_time_ms;
    struct event events[NEWS_MAX];
    struct store_commit_params params = {.acct = &a->acct,
                                         .state = a->state,
                                         .state_info = info,
                                         .events = events,
                                         .event_count = news_send(a, events)};
    a->commit = store_commit_start(a->as->store, &params, on_committed, a);
    json_decref(info);
}

void account_set_state(struct account *a, const char *state)
{
    if (strcmp(a->state, state) == 0) {
        return;
    }
    log_at(LOG_INFO, "account", "state changed", LOG_S("account", a->acct.name),
           LOG_S("from", a->state), LOG_S("to", state));
    a->state = state;
    store_directory_set_state(a->as->store, str_of(a->acct.id), state,
                              account_last_err(a));
    if (strcmp(state, "connecting") != 0 && a->acct.incarnation[0] != '\0') {
        commit_run(a); /* passing through is not worth a write */
    }
}

/* Where no change of the state took them along. */
static void commit_news(struct account *a)
{
    if (news_wait(a)) {
        commit_run(a);
    }
}

void account_set_last_err(struct account *a, const struct err *err)
{
    if (err == NULL) {
        mem_free(a->last_err);
        a->last_err = NULL;
        return;
    }
    if (a->last_err == NULL) {
        a->last_err = MEM_NEW(struct err);
    }
    *a->last_err = *err;
}

void account_tell_error(struct account *a, const struct err *err)
{
    const struct account_reaction *reaction = account_reaction_get(err);
    bool same = a->error_told && account_last_err(a)->code == err->code &&
                strcmp(account_last_err(a)->peer_code, err->peer_code) == 0;
    bool auth = strcmp(reaction->state, "authenticationError") == 0;
    a->authenticated = a->authenticated && !auth;
    account_set_last_err(a, err);
    a->last_err_at_ms = clock_wall_ms();
    if (reaction->tells && !same) {
        const char *code = err->peer_code[0] != '\0' ? err->peer_code
                                                     : err_info_get(err->code)->api_code;
        account_event(
            a, auth ? EVENT_AUTHENTICATION_ERROR : EVENT_CONNECT_ERROR,
            json_pack("{s:s, s:s*}", "response", err->msg, "serverResponseCode", code),
            (uint64_t)a->last_err_at_ms);
        a->error_told = true;
        log_at(LOG_WARN, "account", "connection failed", LOG_S("account", a->acct.name),
               LOG_ERR_FIELDS(err));
    }
    account_set_state(a, reaction->state);
    commit_news(a);
    store_directory_set_state(a->as->store, str_of(a->acct.id), a->state,
                              account_last_err(a));
}

/* Stored with the next change of the state, which is not far: it syncs, or fails. */
void account_tell_login(struct account *a)
{
    if (!a->authenticated) {
        a->authenticated = true;
        account_event(a, EVENT_AUTHENTICATION_SUCCESS,
                      json_pack("{s:s}", "user", account_user(a)),
                      (uint64_t)clock_wall_ms());
    }
}

void account_tell_initialized(struct account *a)
{
    account_set_last_err(a, NULL);
    a->error_told = false;
    a->limits.refused_since_ms = 0;
    if (!a->initialized) {
        a->initialized = true;
        account_event(a, EVENT_ACCOUNT_INITIALIZED, json_pack("{s:b}", "initialized", 1),
                      (uint64_t)a->notify_from_ms); /* a flush moves it: another event */
    }
    account_set_state(a, "connected");
    commit_news(a);
    store_directory_set_state(a->as->store, str_of(a->acct.id), a->state,
                              account_last_err(a));
}

void account_tell_synced(struct account *a)
{
    a->sync_time_ms = clock_wall_ms();
    store_directory_set_sync_time(a->as->store, str_of(a->acct.id), a->sync_time_ms);
    account_tell_initialized(a);
    /* A look that finds nothing writes nothing: the time goes along with other changes, and
     * by itself only now and then. After a restart the next look tells it anyway. */
    if (a->sync_time_ms - a->sync_time_stored_ms >= SYNC_TIME_KEEP_MS) {
        commit_run(a);
    }
}
