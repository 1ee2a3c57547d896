/* What is known of an account, in one object, for who looks for a fault: nothing is asked
 * of the mail server or the store for it. */
#include "account_priv.h"

#include "postrider/base/clock.h"
#include "postrider/base/mem.h"
#include "postrider/json/json.h"

enum {
    MS_PER_S = 1000
};

static const char *const phase_names[] = {
    [ACCOUNT_PHASE_LOADING] = "loading", [ACCOUNT_PHASE_WAITING] = "waiting",
    [ACCOUNT_PHASE_QUEUED] = "queued",   [ACCOUNT_PHASE_OPENING] = "opening",
    [ACCOUNT_PHASE_ONLINE] = "online",   [ACCOUNT_PHASE_STOPPING] = "stopping",
    [ACCOUNT_PHASE_STOPPED] = "stopped",
};

static const char *const scope_names[] = {
    [IMAP_NOTIFY_NONE] = "none",         [IMAP_NOTIFY_SELECTED] = "selected",
    [IMAP_NOTIFY_MESSAGES] = "messages", [IMAP_NOTIFY_FLAGS] = "flags",
    [IMAP_NOTIFY_NAMES] = "names",
};

/* --- what is kept for it --- */

void account_errors_note(struct account *a, const char *role, const struct err *err)
{
    if (err->code == ERR_OK || err->code == ERR_CANCELED) {
        return;
    }
    if (a->errors == NULL) {
        a->errors = MEM_NEW(struct account_errors);
    }
    struct account_errors *e = a->errors;
    struct account_error *last =
        e->count > 0 ? &e->items[(e->count - 1) % ACCOUNT_ERRORS_MAX] : NULL;
    if (last == NULL || last->code != err->code || strcmp(last->role, role) != 0 ||
        strcmp(last->peer_code, err->peer_code) != 0) {
        last = &e->items[e->count++ % ACCOUNT_ERRORS_MAX];
        *last = (struct account_error){.role = role, .code = err->code};
        memcpy(last->peer_code, err->peer_code, sizeof last->peer_code);
    }
    last->times++;
    last->at_ms = clock_wall_ms();
}

void account_server_fini(struct account *a)
{
    mem_free(a->server.name);
    mem_free(a->server.caps);
    a->server = (struct account_server){0};
}

static char *copy_of(const char *text)
{
    return mem_strndup(text, strlen(text));
}

void account_server_note(struct account *a, const struct imap_conn *conn)
{
    account_server_fini(a);
    a->server.enabled = imap_conn_enabled(conn);
    a->server.quirks = sync_quirks(conn);
}

void account_server_keep(struct account *a)
{
    const struct imap_conn *conn = a->watch.conn;
    if (conn != NULL && a->server.name == NULL) {
        a->server.name = copy_of(imap_conn_server_name(conn));
        a->server.caps = copy_of(imap_conn_caps_text(conn));
    }
}

int64_t account_sync_age_ms(const struct account *a)
{
    if (a->record == NULL || account_is_off(a->record) != NULL) {
        return -1;
    }
    int64_t since_birth_ms = a->born_at_ms > 0
                                 ? loop_now_ms(a->as->loop) - a->born_at_ms
                                 : loop_now_ms(a->as->loop) - a->as->started_ms;
    int64_t ms = a->sync_time_ms > 0 ? clock_wall_ms() - a->sync_time_ms : since_birth_ms;
    return ms > 0 ? ms : 0;
}

/* --- parts --- */

static void put_time(json_t *out, const char *key, int64_t wall_ms)
{
    if (wall_ms > 0) {
        json_put_time(out, key, wall_ms);
    } else {
        json_put(out, key, json_null());
    }
}

/* Of the loop's clock, and in the future. */
static void put_due(json_t *out, const char *key, const struct account *a, int64_t at_ms)
{
    int64_t left_ms = at_ms - loop_now_ms(a->as->loop);
    put_time(out, key, left_ms > 0 ? clock_wall_ms() + left_ms : 0);
}

static json_t *path_json(const struct account *a, uint32_t box)
{
    const struct mailbox *m = box != 0 ? mailbox_table_by_box(&a->table, box) : NULL;
    return m != NULL ? json_str_repaired(str_of(m->path)) : json_null();
}

static void push_conn(const struct account *a, json_t *out, const char *role,
                      const struct conn_view *v)
{
    json_t *row = json_object();
    json_put_cstr(row, "role", role);
    json_put_cstr(row, "state", v->state);
    json_put(row, "path", path_json(a, v->box));
    put_time(row, "since", v->conn->conn != NULL ? v->conn->since_ms : 0);
    json_push(out, row);
}

static const char *work_state(const struct work_conn *wc)
{
    switch (wc->state) {
    case WORK_STATE_OPENING:
        return "opening";
    case WORK_STATE_FREE:
        return "free";
    case WORK_STATE_SELECTING:
    case WORK_STATE_LENT:
        return "busy";
    case WORK_STATE_DROPPED:
        break;
    }
    return "closing";
}

static json_t *connections_json(const struct account *a)
{
    json_t *out = json_array();
    if (a->watch.conn != NULL) {
        const char *state = a->parked ? "parked" : a->idle != NULL ? "idle" : "busy";
        push_conn(a, out, "watch", &(struct conn_view){&a->watch, state, a->watch_box});
    } else if (a->open != NULL) {
        push_conn(a, out, "watch", &(struct conn_view){&a->watch, "opening", 0});
    }
    for (size_t i = 0; i < ACCOUNT_SUB_MAX; i++) {
        struct conn_view view;
        if (account_subs_view(a, i, &view)) {
            push_conn(a, out, "subconnection", &view);
        }
    }
    for (size_t i = 0; i < ACCOUNT_WORK_MAX; i++) {
        const struct work_conn *wc = a->work[i];
        if (wc != NULL) {
            bool audits = a->audit.op != NULL && a->audit.work->wc == wc;
            push_conn(a, out, "work",
                      &(struct conn_view){&wc->c, work_state(wc),
                                          audits ? a->audit.box : wc->box});
        }
    }
    return out;
}

static json_t *backoff_json(const struct account *a)
{
    const struct err *err = account_last_err(a);
    bool failed = err->code != ERR_OK;
    enum account_class klass = account_class_of(err);
    json_t *out = json_object();
    bool waits = a->phase == ACCOUNT_PHASE_WAITING && timer_is_set(&a->retry);
    put_due(out, "nextTry", a, waits ? timer_due_ms(&a->retry) : 0);
    json_put(out, "class",
             failed ? json_string(account_reaction_get(err)->name) : json_null());
    json_put_int(out, "attempts", failed ? (int64_t)a->backoffs[klass].tries : 0);
    put_due(out, "barredUntil", a, a->limits.barred_until_ms);
    put_due(out, "throttledUntil", a, a->poll.throttled_until_ms);
    return out;
}

static json_t *words_json(const char *text)
{
    json_t *out = json_array();
    for (const char *at = text != NULL ? text : ""; *at != '\0';) {
        size_t len = strcspn(at, " ");
        if (len > 0) {
            json_push(out, json_str_repaired(str_from(at, len)));
        }
        at += len + (at[len] == ' ');
    }
    return out;
}

static json_t *server_json(const struct account *a)
{
    static const struct {
        uint32_t cap;
        const char *name;
    } enabled[] = {{IMAP_CAP_CONDSTORE, "CONDSTORE"},
                   {IMAP_CAP_QRESYNC, "QRESYNC"},
                   {IMAP_CAP_UTF8_ACCEPT, "UTF8=ACCEPT"}};
    json_t *out = json_object(), *names = json_array();
    for (size_t i = 0; i < ARRAY_LEN(enabled); i++) {
        if ((a->server.enabled & enabled[i].cap) != 0) {
            json_push(names, json_string(enabled[i].name));
        }
    }
    const struct imap_conn *conn = a->watch.conn;
    const char *name = conn != NULL ? imap_conn_server_name(conn) : a->server.name;
    json_put(out, "name", name != NULL ? json_str_repaired(str_of(name)) : json_null());
    json_put(out, "capabilities",
             words_json(conn != NULL ? imap_conn_caps_text(conn) : a->server.caps));
    json_put(out, "enabled", names);
    json_put_bool(out, "idle", a->idle != NULL);
    json_put_cstr(out, "notify", scope_names[a->notify_scope]);
    return out;
}

/* What is done otherwise than the capabilities would allow, since the server is known for
 * it or was found out. */
static json_t *quirks_json(const struct account *a)
{
    const int64_t now = loop_now_ms(a->as->loop);
    const struct {
        bool is;
        const char *name;
    } rows[] = {
        {(a->server.quirks & SYNC_QUIRK_FALSE_VANISHED) != 0, "falseVanished"},
        {(a->server.quirks & SYNC_QUIRK_LATE) != 0, "showsLate"},
        {now < a->learned.qresync_off_until_ms, "qresyncOff"},
        {now < a->learned.flag_search_off_until_ms, "flagSearchOff"},
        {now < a->health.distrust_until_ms, "idleSilent"},
        {now < a->poll.select_until_ms, "statusWrong"},
        {a->idle_refused, "idleRefused"},
        {a->notify_refused != IMAP_NOTIFY_NONE, "notifyRefused"},
        {now < a->limits.work_less_until_ms && a->limits.work_less > 0,
         "fewerConnections"},
        {a->limits.throttles > 0, "smallerBatches"},
        {now < a->limits.failures_until_ms && a->limits.failures > 0, "protocolErrors"},
    };
    json_t *out = json_array();
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (rows[i].is) {
            json_push(out, json_string(rows[i].name));
        }
    }
    return out;
}

static json_t *error_json(const struct account_error *e)
{
    struct err err = {.code = e->code};
    json_t *out = json_object();
    json_put_time(out, "time", e->at_ms);
    json_put_cstr(out, "role", e->role);
    json_put_cstr(out, "class", account_reaction_get(&err)->name);
    json_put_cstr(out, "code", err_code_name(e->code));
    if (e->peer_code[0] != '\0') {
        json_put(out, "serverResponseCode", json_str_repaired(str_of(e->peer_code)));
    }
    json_put_int(out, "times", e->times);
    return out;
}

/* The newest first. */
static json_t *errors_json(const struct account *a)
{
    const struct account_errors *e = a->errors;
    json_t *out = json_array();
    for (size_t i = 0; e != NULL && i < ACCOUNT_ERRORS_MAX && i < e->count; i++) {
        json_push(out, error_json(&e->items[(e->count - 1 - i) % ACCOUNT_ERRORS_MAX]));
    }
    return out;
}

static json_t *mailbox_json(const struct account *a, const struct mailbox *m)
{
    static const struct audit_box nothing = {0};
    const struct audit_box *b = account_audit_box(a, m->box);
    b = b != NULL ? b : &nothing;
    json_t *out = json_object();
    json_put(out, "path", json_str_repaired(str_of(m->path)));
    json_put_cstr(out, "phase", mailbox_phase_name(m->phase));
    json_put_bool(out, "watched",
                  (m->box == a->watch_box && !account_doubt_holds(a, m)) ||
                      account_subs_serve(a, m->box));
    json_put_bool(out, "pending",
                  account_pending_has(a, m->box) || m->box == a->sync_box);
    json_put_int(out, "messages", m->count);
    json_put_int(out, "exists", m->exists);
    json_put_int(out, "lag", (int64_t)m->exists - (int64_t)m->below - (int64_t)m->count);
    json_put_int(out, "uidValidity", m->uid_validity);
    json_put_int(out, "lastUid", m->last_uid);
    json_put_int(out, "highestModseq",
                 m->highest_modseq < INT64_MAX ? (int64_t)m->highest_modseq : INT64_MAX);
    put_time(out, "lastPass", b->pass_ms);
    put_time(out, "lastAudit", b->audit_ms);
    json_put(out, "audit",
             b->audit_ms > 0 ? json_string(account_audit_outcome_name(b->outcome))
                             : json_null());
    put_time(out, "lastProof", b->proof_ms);
    return out;
}

static json_t *last_error_json(const struct err *err, int64_t at_ms)
{
    if (err == NULL || err->code == ERR_OK) {
        return json_null();
    }
    const char *code =
        err->peer_code[0] != '\0' ? err->peer_code : err_info_get(err->code)->api_code;
    json_t *out = json_object();
    json_put(out, "response", json_str_repaired(str_of(err->msg)));
    json_put_cstr(out, "serverResponseCode", code);
    put_time(out, "time", at_ms);
    return out;
}

/* --- the whole --- */

json_t *account_diagnose(const struct account *a)
{
    int64_t age_ms = account_sync_age_ms(a);
    json_t *out = json_object(), *mailboxes = json_array();
    for (size_t i = 0; i < a->table.count; i++) {
        json_push(mailboxes, mailbox_json(a, a->table.items[i]));
    }
    json_put(out, "account", json_str_repaired(str_of(a->acct.id)));
    json_put_cstr(out, "state", a->state);
    json_put_cstr(out, "phase", phase_names[a->phase]);
    put_time(out, "syncTime", a->sync_time_ms);
    json_put(out, "lag", age_ms >= 0 ? json_integer(age_ms / MS_PER_S) : json_null());
    put_time(out, "lastProof", a->audit.proof_ms);
    put_time(out, "lastDrift", a->audit.drift_ms);
    json_put(out, "lastError", last_error_json(account_last_err(a), a->last_err_at_ms));
    json_put(out, "connections", connections_json(a));
    json_put(out, "backoff", backoff_json(a));
    json_put(out, "server", server_json(a));
    json_put(out, "quirks", quirks_json(a));
    json_put(out, "errors", errors_json(a));
    json_put(out, "mailboxes", mailboxes);
    return out;
}

json_t *account_diagnose_stored(const struct account_entry *entry, const json_t *state)
{
    const json_t *audit = json_get_obj(state, "audit");
    int64_t proof_ms = 0, drift_ms = 0, error_ms = 0;
    (void)json_get_time(audit, "lastProof", &proof_ms);
    (void)json_get_time(audit, "lastDrift", &drift_ms);
    (void)json_get_time(json_get_obj(state, "lastError"), "date", &error_ms);
    json_t *out = json_object();
    json_put(out, "account", json_str_repaired(str_of(entry->id)));
    json_put_cstr(out, "state", entry->state);
    json_put_cstr(out, "phase", "elsewhere");
    put_time(out, "syncTime", entry->sync_time_ms);
    put_time(out, "lastProof", proof_ms);
    put_time(out, "lastDrift", drift_ms);
    json_put(out, "lastError", last_error_json(entry->last_error, error_ms));
    return out;
}
