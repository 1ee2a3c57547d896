/* The account object: what is shown of a record, and how a body changes it. */
#include "api_handlers.h"
#include "postrider/base/clock.h"
#include "postrider/base/mem.h"

#include <stdio.h>

static const char mask[] = "******";
static const char *const servers[] = {"imap", "smtp", "oauth2"};

/* --- showing --- */

/* A copy in place of the member, in which what is secret is masked. */
static json_t *mask_member(json_t *object, const char *key)
{
    static const char *const secrets[] = {"pass", "accessToken", "refreshToken"};
    json_t *copy = json_copy(json_object_get(object, key));
    if (copy == NULL) {
        return NULL;
    }
    for (size_t i = 0; i < ARRAY_LEN(secrets); i++) {
        if (json_is_string(json_object_get(copy, secrets[i]))) {
            json_put_cstr(copy, secrets[i], mask);
        }
    }
    json_put(object, key, copy);
    return copy;
}

static bool is_server_used(const json_t *record, const char *name)
{
    const json_t *server = json_get_obj(record, name);
    return server != NULL && !json_get_bool(server, "disabled", false);
}

static const char *type_of(const json_t *record)
{
    static const struct {
        const char *server, *type;
    } types[] = {{"oauth2", "oauth2"}, {"imap", "imap"}, {"smtp", "sending"}};
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        if (is_server_used(record, types[i].server)) {
            return types[i].type;
        }
    }
    return "imap";
}

static json_t *error_json(const struct err *err)
{
    json_t *out = json_object();
    const char *code =
        err->peer_code[0] != '\0' ? err->peer_code : err_info_get(err->code)->api_code;
    json_put_cstr(out, "response", err->msg);
    json_put_cstr(out, "serverResponseCode", code);
    return out;
}

static json_t *counters_json(const struct account_entry *entry)
{
    json_t *events = json_object();
    for (int type = 0; entry != NULL && type < EVENT_TYPE_COUNT; type++) {
        if (entry->event_counts[type] > 0) {
            json_put_int(events, event_type_name((enum event_type)type),
                         (int64_t)entry->event_counts[type]);
        }
    }
    json_t *out = json_object();
    json_put(out, "events", events);
    return out;
}

static void put_state(json_t *out, const struct account *a,
                      const struct account_entry *entry)
{
    const struct err *err = NULL;
    if (a != NULL) {
        err = account_last_err(a);
        json_put_cstr(out, "state", account_state(a));
    } else if (entry != NULL) {
        err = entry->last_error;
        json_put_cstr(out, "state", entry->state);
    }
    bool failed = err != NULL && err->code != ERR_OK;
    json_put(out, "lastError", failed ? error_json(err) : json_null());
    if (entry != NULL && entry->sync_time_ms > 0) {
        json_put_time(out, "syncTime", entry->sync_time_ms);
    }
    json_put(out, "counters", counters_json(entry));
}

json_t *api_account_render(const char *id, json_t *record, const struct account *a,
                           const struct account_entry *entry)
{
    json_t *out = json_copy(record);
    for (size_t i = 0; i < ARRAY_LEN(servers); i++) {
        (void)mask_member(mask_member(out, servers[i]), "auth");
    }
    json_put_cstr(out, "account", id);
    json_put_cstr(out, "type", type_of(record));
    put_state(out, a, entry);
    json_put_int(out, "connections",
                 a != NULL ? (int64_t)account_connection_count(a) : 0);
    return out;
}

json_t *api_account_row(const struct account_entry *entry, const struct account *a)
{
    static const char *const copied[] = {"webhooks", "proxy", "smtpEhloName"};
    json_t *record = a != NULL ? account_record(a) : NULL;
    json_t *out = json_object();
    json_put_cstr(out, "account", entry->id);
    json_put_cstr(out, "name", entry->name);
    if (entry->email != NULL && entry->email[0] != '\0') {
        json_put_cstr(out, "email", entry->email);
    }
    json_put_cstr(out, "type", type_of(record));
    for (size_t i = 0; i < ARRAY_LEN(copied); i++) {
        json_put(out, copied[i], json_incref(json_object_get(record, copied[i])));
    }
    put_state(out, a, entry);
    return out;
}

/* --- changing --- */

/* null and "" take a setting away, and so does `false` in place of a server. */
static bool takes_away(const json_t *value)
{
    return json_is_null(value) || json_is_false(value) ||
           (json_is_string(value) && json_string_length(value) == 0);
}

static bool is_server(const char *key)
{
    for (size_t i = 0; i < ARRAY_LEN(servers); i++) {
        if (strcmp(servers[i], key) == 0) {
            return true;
        }
    }
    return false;
}

/* A server replaces the one of the record, or with `partial` only the members named. */
static void merge_server(json_t *record, const char *name, json_t *server)
{
    json_t *next = json_copy(server);
    json_t *known = json_object_get(record, name);
    if (json_get_bool(server, "partial", false) && json_is_object(known)) {
        json_decref(next);
        next = json_copy(known);
        (void)json_object_update(next, server);
    }
    (void)json_object_del(next, "partial");
    json_put(record, name, next);
}

void api_account_merge(json_t *record, json_t *body)
{
    const char *key;
    json_t *value;
    json_object_foreach(body, key, value)
    {
        if (json_is_object(value) && is_server(key)) {
            merge_server(record, key, value);
        } else if (takes_away(value) && (!json_is_false(value) || is_server(key))) {
            (void)json_object_del(record, key);
        } else {
            json_put(record, key, json_incref(value));
        }
    }
}
