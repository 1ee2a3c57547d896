/* The account object: what is shown of a record, and how a body changes it. */
#include "api_handlers.h"
#include "postrider/base/clock.h"
#include "postrider/base/mem.h"

#include <stdio.h>

#define MASK "******"
static const char *const servers[] = {"imap", "smtp", "oauth2"};

/* --- showing --- */

static bool is_server(const char *key)
{
    for (size_t i = 0; i < ARRAY_LEN(servers); i++) {
        if (strcmp(servers[i], key) == 0) {
            return true;
        }
    }
    return false;
}

static bool is_secret(const char *key)
{
    static const char *const secrets[] = {"pass", "accessToken", "refreshToken"};
    for (size_t i = 0; i < ARRAY_LEN(secrets); i++) {
        if (strcmp(secrets[i], key) == 0) {
            return true;
        }
    }
    return false;
}

static void put_masked(struct json_out *out, const char *key, json_t *value)
{
    if (is_secret(key) && json_is_string(value)) {
        json_out_str(out, key, STR(MASK));
    } else {
        json_out_json(out, key, value);
    }
}

/* Of both the server and its `auth`. */
static void put_server(struct json_out *out, const char *key, json_t *server)
{
    const char *name, *inner;
    json_t *value, *detail;
    json_out_open(out, key, '{');
    json_object_foreach(server, name, value)
    {
        if (strcmp(name, "auth") != 0 || !json_is_object(value)) {
            put_masked(out, name, value);
            continue;
        }
        json_out_open(out, name, '{');
        json_object_foreach(value, inner, detail)
        {
            put_masked(out, inner, detail);
        }
        json_out_close(out, '}');
    }
    json_out_close(out, '}');
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

static void put_error(struct json_out *out, const struct err *err)
{
    if (err == NULL || err->code == ERR_OK) {
        json_out_null(out, "lastError");
        return;
    }
    const char *code =
        err->peer_code[0] != '\0' ? err->peer_code : err_info_get(err->code)->api_code;
    json_out_open(out, "lastError", '{');
    json_out_str(out, "response", str_of(err->msg));
    json_out_str(out, "serverResponseCode", str_of(code));
    json_out_close(out, '}');
}

static void put_counters(struct json_out *out, const struct account_entry *entry)
{
    json_out_open(out, "counters", '{');
    json_out_open(out, "events", '{');
    for (int type = 0; entry != NULL && type < EVENT_TYPE_COUNT; type++) {
        if (entry->event_counts[type] > 0) {
            json_out_int(out, event_type_name((enum event_type)type),
                         (int64_t)entry->event_counts[type]);
        }
    }
    json_out_close(out, '}');
    json_out_close(out, '}');
}

static void put_state(struct json_out *out, const struct account *a,
                      const struct account_entry *entry)
{
    const struct err *err = NULL;
    if (a != NULL) {
        err = account_last_err(a);
        json_out_str(out, "state", str_of(account_state(a)));
    } else if (entry != NULL) {
        err = entry->last_error;
        json_out_str(out, "state", str_of(entry->state));
    }
    put_error(out, err);
    if (entry != NULL && entry->sync_time_ms > 0) {
        json_out_time(out, "syncTime", entry->sync_time_ms);
    }
    put_counters(out, entry);
}

/* What is told below, whatever the record has under these names. */
static bool is_told(const char *key)
{
    static const char *const told[] = {"account",  "type",     "state",      "lastError",
                                       "syncTime", "counters", "connections"};
    for (size_t i = 0; i < ARRAY_LEN(told); i++) {
        if (strcmp(told[i], key) == 0) {
            return true;
        }
    }
    return false;
}

static void put_record(struct json_out *out, const char *id, json_t *record)
{
    const char *key;
    json_t *value;
    json_out_str(out, "account", str_of(id));
    json_out_str(out, "type", str_of(type_of(record)));
    json_object_foreach(record, key, value)
    {
        if (is_server(key) && json_is_object(value)) {
            put_server(out, key, value);
        } else if (!is_told(key)) {
            json_out_json(out, key, value);
        }
    }
}

static void put_rest(struct json_out *out, const struct account *a,
                     const struct account_entry *entry)
{
    put_state(out, a, entry);
    json_out_int(out, "connections",
                 a != NULL ? (int64_t)account_connection_count(a) : 0);
    json_out_close(out, '}');
}

void api_account_put(struct json_out *out, const char *id, json_t *record,
                     const struct account *a, const struct account_entry *entry)
{
    json_out_open(out, NULL, '{');
    put_record(out, id, record);
    put_rest(out, a, entry);
}

void api_account_put_text(struct buf *out, struct account *a,
                          const struct account_entry *entry)
{
    struct str shown = account_shown(a);
    if (shown.len > 0) {
        (void)buf_put_str(out, shown);
    } else {
        (void)buf_put_byte(out, '{');
        put_record(&(struct json_out){.text = out}, entry->id, account_record(a));
        account_show(a, buf_str(out));
    }
    put_rest(&(struct json_out){.text = out}, a, entry);
}

json_t *api_account_row(const struct account_entry *entry, const struct account *a)
{
    static const char *const copied[] = {"webhooks", "proxy", "smtpEhloName"};
    json_t *record = a != NULL ? account_record(a) : NULL;
    struct json_out out = {.text = NULL};
    json_out_open(&out, NULL, '{');
    json_out_str(&out, "account", str_of(entry->id));
    json_out_str(&out, "name", str_of(entry->name));
    if (entry->email != NULL && entry->email[0] != '\0') {
        json_out_str(&out, "email", str_of(entry->email));
    }
    json_out_str(&out, "type", str_of(type_of(record)));
    for (size_t i = 0; i < ARRAY_LEN(copied); i++) {
        json_t *value = json_object_get(record, copied[i]);
        if (value != NULL) {
            json_out_json(&out, copied[i], value);
        }
    }
    put_state(&out, a, entry);
    json_out_close(&out, '}');
    return out.value;
}

/* --- changing --- */

/* null and "" take a setting away, and so does `false` in place of a server. */
static bool takes_away(const json_t *value)
{
    return json_is_null(value) || json_is_false(value) ||
           (json_is_string(value) && json_string_length(value) == 0);
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
