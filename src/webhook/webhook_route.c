/* Routes as records among the settings. */
#include "postrider/webhook/webhook_route.h"

#include "postrider/base/check.h"
#include "postrider/base/clock.h"
#include "postrider/base/codec.h"
#include "postrider/base/mem.h"
#include "postrider/base/rand.h"
#include "postrider/event/event.h"
#include "postrider/expr/expr.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    SETTING_NAME_SIZE = sizeof WEBHOOK_ROUTE_PREFIX + WEBHOOK_ROUTE_ID_SIZE,
    ID_BYTES = 12 /* 16 characters */
};

/* --- what may be said about one */

static bool check_expression(const json_t *value, struct err *err)
{
    struct str source = str_from(json_string_value(value), json_string_length(value));
    struct expr *e = NULL;
    bool ok = expr_compile(source, &e, err);
    expr_free(&e);
    return ok || err_wrap(err, "does not compile");
}

static bool check_event(const json_t *value, struct err *err)
{
    struct str name = str_from(json_string_value(value), json_string_length(value));
    enum event_type type;
    return str_eq_c(name, "*") || event_type_parse(name, &type) ||
           err_set(err, ERR_INVALID, "must be the name of an event, or *");
}

const struct field_spec webhook_header_rows[2] = {
    F_STR("key", FIELD_REQUIRED | FIELD_EMPTY_ABSENT | FIELD_TRIM, F_MAX_LEN(1024)),
    F_STR("value", FIELD_EMPTY_ABSENT | FIELD_TRIM, F_MAX_LEN(10240), F_DEFAULT("\"\"")),
};

const struct field_spec webhook_route_rows[WEBHOOK_ROUTE_ROWS] = {
    F_STR("name", FIELD_REQUIRED | FIELD_TRIM, F_MAX_LEN(256), F_DOC("Shown name")),
    F_STR("description", FIELD_EMPTY_OK | FIELD_TRIM, F_MAX_LEN(1024),
          F_DOC("What it is for")),
    F_BOOL("enabled", FIELD_LOOSE, F_DEFAULT("true"), F_DOC("Whether it delivers")),
    F_STR("targetUrl", FIELD_REQUIRED, F_URI("http", "https"), F_MAX_LEN(4096),
          F_DOC("URL that is told of events")),
    F_ARR("customHeaders", 0, F_LABEL("WebhookRouteCustomHeaders"),
          F_MAX_LEN(WEBHOOK_ROUTE_HEADERS_MAX),
          F_ITEM(F_OBJ(NULL, 0, F_LABEL("WebhooksCustomHeader"),
                       F_FIELDS(webhook_header_rows))),
          F_DOC("Headers added to its requests")),
    F_ARR("events", 0, F_LABEL("WebhookRouteEvents"), F_MAX_LEN(WEBHOOK_ROUTE_EVENTS_MAX),
          F_ITEM(F_STR(NULL, 0, F_MAX_LEN(256), F_CHECK(check_event))),
          F_DEFAULT("[\"*\"]"), F_DOC("Names of the events it is told of, or *")),
    F_STR("filter", FIELD_NULLABLE | FIELD_EMPTY_ABSENT, F_MAX_LEN(EXPR_SOURCE_MAX),
          F_CHECK(check_expression),
          F_DOC("Expression over the payload: only what it is true for is sent")),
    F_STR("mapping", FIELD_NULLABLE | FIELD_EMPTY_ABSENT, F_MAX_LEN(EXPR_SOURCE_MAX),
          F_CHECK(check_expression),
          F_DOC("Expression over the payload: its value is sent instead")),
    F_STR("payload", 0, F_ENUM("full", "thin", "cloudevents"), F_DEFAULT("\"full\""),
          F_DOC("With content, as the log has it, or as CloudEvents 1.0")),
};

/* --- where they are */

static bool setting_name(struct str id, char out[SETTING_NAME_SIZE])
{
    bool fits = id.len > 0 && id.len < WEBHOOK_ROUTE_ID_SIZE &&
                memchr(id.ptr, '\0', id.len) == NULL;
    (void)snprintf(out, SETTING_NAME_SIZE, WEBHOOK_ROUTE_PREFIX "%.*s",
                   fits ? (int)id.len : 0, fits ? id.ptr : "");
    return fits;
}

json_t *webhook_route_find(struct store *s, struct str id)
{
    char name[SETTING_NAME_SIZE];
    return setting_name(id, name) ? store_setting(s, name) : NULL;
}

static int by_age(const void *a, const void *b)
{
    const json_t *const *x = a, *const *y = b;
    int order = str_cmp(json_get_str(*x, "created"), json_get_str(*y, "created"));
    return order != 0 ? order : str_cmp(json_get_str(*x, "id"), json_get_str(*y, "id"));
}

json_t *webhook_routes_list(struct store *s)
{
    json_t *settings = store_settings(s), *value;
    json_t **found = mem_array(json_object_size(settings) + 1, sizeof(json_t *));
    size_t count = 0;
    const char *name;
    json_object_foreach(settings, name, value)
    {
        if (str_has_prefix(str_of(name), WEBHOOK_ROUTE_PREFIX) &&
            json_get_cstr(value, "id") != NULL) {
            found[count++] = value;
        }
    }
    qsort(found, count, sizeof(json_t *), by_age);
    json_t *out = json_array();
    for (size_t i = 0; i < count; i++) {
        json_push(out, json_incref(found[i]));
    }
    mem_free(found);
    return out;
}

/* --- making one */

static void put_now(json_t *record, const char *member)
{
    json_put_time(record, member, clock_wall_ms());
}

static json_t *new_record(void)
{
    uint8_t random[ID_BYTES];
    struct buf id = BUF_INIT(64);
    rand_bytes(random, sizeof random);
    CHECK(base64url_encode(&id, random, sizeof random));
    json_t *record = json_object();
    json_put_str(record, "id", buf_str(&id));
    put_now(record, "created");
    buf_fini(&id);
    return record;
}

static void apply(json_t *record, const json_t *changes)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)changes, key, value)
    {
        if (json_is_null(value)) {
            json_object_del(record, key);
        } else {
            json_put(record, key, json_incref(value));
        }
    }
}

/* --- headers: their values are secrets */

static struct str header_value(const json_t *headers, struct str key)
{
    for (size_t i = 0; i < json_array_size(headers); i++) {
        const json_t *row = json_array_get(headers, i);
        if (str_ieq(json_get_str(row, "key"), key)) {
            return json_get_str(row, "value");
        }
    }
    return STR_NULL;
}

json_t *webhook_headers_masked(const json_t *headers)
{
    json_t *out = json_deep_copy(headers);
    for (size_t i = 0; i < json_array_size(out); i++) {
        json_put_cstr(json_array_get(out, i), "value", WEBHOOK_HEADER_MASK);
    }
    return out;
}

/* Who changes a route sends back what was shown to them. */
static bool unmask_headers(json_t *record, const json_t *old, struct err *err)
{
    const json_t *given = json_get_arr(record, "customHeaders");
    if (given == NULL) {
        return true;
    }
    json_t *headers = json_deep_copy(given);
    for (size_t i = 0; i < json_array_size(headers); i++) {
        json_t *row = json_array_get(headers, i);
        struct str key = json_get_str(row, "key");
        if (!str_eq_c(json_get_str(row, "value"), WEBHOOK_HEADER_MASK)) {
            continue;
        }
        struct str value = header_value(json_get_arr(old, "customHeaders"), key);
        if (value.ptr == NULL) {
            json_decref(headers);
            return err_set(err, ERR_INVALID, "the route has no header %.*s to keep",
                           STR_ARG(key));
        }
        json_put_str(row, "value", value);
    }
    json_put(record, "customHeaders", headers);
    return true;
}

bool webhook_route_make(struct store *s, const json_t *old, const json_t *changes,
                        json_t **out, struct err *err)
{
    json_t *all = webhook_routes_list(s);
    size_t count = json_array_size(all);
    json_decref(all);
    if (old == NULL && count >= WEBHOOK_ROUTES_MAX) {
        return err_set(err, ERR_CONFLICT, "there are %d routes, and no more are possible",
                       WEBHOOK_ROUTES_MAX);
    }
    json_t *record = old != NULL ? json_copy((json_t *)(uintptr_t)old) : new_record();
    CHECK(record != NULL);
    int64_t version = json_get_int(old, "v", 0);
    apply(record, changes);
    if (!unmask_headers(record, old, err)) {
        json_decref(record);
        return false;
    }
    put_now(record, "updated");
    json_put_int(record, "v", version + 1);
    if (json_has(changes, "enabled") || json_has(changes, "targetUrl")) {
        json_object_del(record, "webhookErrorFlag"); /* somebody has looked after it */
    }
    *out = record;
    return true;
}

/* --- keeping it */

/* Takes the value; null removes it. */
static struct store_settings_op *set_one(struct store *s, struct str id, json_t *taken,
                                         store_settings_cb *cb, void *ctx)
{
    char name[SETTING_NAME_SIZE];
    CHECK(setting_name(id, name));
    json_t *changes = json_object();
    json_put(changes, name, taken);
    struct store_settings_op *op = store_settings_set_start(s, changes, cb, ctx);
    json_decref(changes);
    return op;
}

struct store_settings_op *webhook_route_save_start(struct store *s, json_t *record,
                                                   store_settings_cb *cb, void *ctx)
{
    return set_one(s, json_get_str(record, "id"), json_incref(record), cb, ctx);
}

struct store_settings_op *webhook_route_remove_start(struct store *s, struct str id,
                                                     store_settings_cb *cb, void *ctx)
{
    return set_one(s, id, json_null(), cb, ctx);
}
