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
    SYNC_TIME_KEEP_MS = 15 * 60 * 1000
};

/* --- commits of the state --- */

static void commit_run(struct account *a);

static void on_committed(struct store_commit *op ATTR_UNUSED, const struct err *err,
                         void *ctx)
{
    struct account *a = ctx;
    a->commit = NULL;
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
    json_t *info = json_pack("{s:o, s:b, s:o, s:o}", "lastError", last_error_json(a),
                             "initialized", (int)a->initialized, "refused",
                             account_limits_json(a), "audit", account_audit_json(a));
    if (a->sync_time_ms > 0) {
        json_put_time(info, "syncTime", a->sync_time_ms);
    }
    a->sync_time_stored_ms = a->sync_time_ms;
    bool has_event = a->commit_event.data != NULL;
    struct store_commit_params params = {.acct = &a->acct,
                                         .state = a->state,
                                         .state_info = info,
                                         .events = &a->commit_event,
                                         .event_count = has_event ? 1 : 0};
    a->commit = store_commit_start(a->as->store, &params, on_committed, a);
    a->commit_event = (struct event){0};
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

static void account_event(struct account *a, enum event_type type, json_t *data,
                          uint64_t discriminator)
{
    if (a->commit_event.data != NULL) {
        event_fini(&a->commit_event); /* superseded before it was stored */
    }
    event_init(&a->commit_event, type, clock_wall_ms(), 0, 0, NULL, NULL, data);
    store_event_id(a->as->store, &a->acct, 0, 0, 0, event_type_name(type), discriminator,
                   a->commit_event.id);
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
    account_set_last_err(a, err);
    a->last_err_at_ms = clock_wall_ms();
    if (reaction->tells && !same) {
        bool auth = strcmp(reaction->state, "authenticationError") == 0;
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
    const char *before = a->state;
    account_set_state(a, reaction->state);
    if (before == a->state && a->commit_event.data != NULL) {
        commit_run(a);
    }
    store_directory_set_state(a->as->store, str_of(a->acct.id), a->state,
                              account_last_err(a));
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
