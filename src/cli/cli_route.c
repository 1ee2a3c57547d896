/* Custom webhook routes from the command line. */
#include "cli_priv.h"

#include "postrider/webhook/webhook_route.h"

#include <stdio.h>
#include <string.h>

enum {
    LINE_MAX = 1024 * 1024
};

static void print_record(const json_t *record)
{
    struct buf text = BUF_INIT(LINE_MAX);
    (void)json_emit(record, &text);
    puts(buf_c(&text));
    buf_fini(&text);
}

/* --- what the options say --- */

struct options {
    const char *name, *description, *enabled, *url, *events, *filter, *mapping, *payload;
    json_t *headers; /* as given */
};

static bool take(struct cli_call *call, struct options *o)
{
    o->headers = json_array();
    const struct cli_option rows[] = {
        {"--name", &o->name, NULL},       {"--description", &o->description, NULL},
        {"--enabled", &o->enabled, NULL}, {"--url", &o->url, NULL},
        {"--events", &o->events, NULL},   {"--filter", &o->filter, NULL},
        {"--mapping", &o->mapping, NULL}, {"--payload", &o->payload, NULL},
        {"--header", NULL, o->headers},   {NULL, NULL, NULL}};
    return cli_options_take(call, rows);
}

static json_t *list_of(const char *names)
{
    struct str rest = str_of(names), name;
    json_t *out = json_array();
    while (str_split(&rest, ',', &name)) {
        json_push(out, json_str_repaired(str_trim(name)));
    }
    return out;
}

/* "Name: value"; without a colon the value is empty, and the check of the row decides. */
static json_t *headers_of(const json_t *lines)
{
    json_t *out = json_array();
    for (size_t i = 0; i < json_array_size(lines); i++) {
        struct str rest = str_of(json_string_value(json_array_get(lines, i))), key;
        json_t *header = json_object();
        (void)str_split(&rest, ':', &key);
        json_put_str(header, "key", str_trim(key));
        json_put_str(header, "value", str_trim(rest));
        json_push(out, header);
    }
    return out;
}

/* An empty expression removes the old one. */
static void put_expression(json_t *out, const char *member, const char *source)
{
    if (source != NULL && source[0] == '\0') {
        json_put(out, member, json_null());
    } else {
        json_put_cstr(out, member, source);
    }
}

static json_t *members_of(const struct options *o)
{
    json_t *out = json_object();
    json_put_cstr(out, "name", o->name);
    json_put_cstr(out, "description", o->description);
    json_put_cstr(out, "targetUrl", o->url);
    json_put_cstr(out, "payload", o->payload);
    put_expression(out, "filter", o->filter);
    put_expression(out, "mapping", o->mapping);
    if (o->enabled != NULL) {
        bool known = strcmp(o->enabled, "true") == 0 || strcmp(o->enabled, "false") == 0;
        json_put(out, "enabled",
                 known ? json_boolean(o->enabled[0] == 't') : json_string(o->enabled));
    }
    if (o->events != NULL) {
        json_put(out, "events", list_of(o->events));
    }
    if (json_array_size(o->headers) > 0) {
        json_put(out, "customHeaders", headers_of(o->headers));
    }
    return out;
}

/* What the old record says where the options say nothing. */
static void add_old(json_t *members, const json_t *old)
{
    for (size_t i = 0; i < ARRAY_LEN(webhook_route_rows); i++) {
        const char *name = webhook_route_rows[i].name;
        json_t *value = json_object_get(old, name);
        if (value != NULL && json_object_get(members, name) == NULL) {
            json_put(members, name, json_incref(value));
        }
    }
}

static bool check(json_t *members, json_t **out, struct err *err)
{
    struct spec_errors errs = {0};
    bool ok = spec_validate(webhook_route_rows, ARRAY_LEN(webhook_route_rows), members,
                            out, &errs);
    if (!ok) {
        (void)err_set(err, ERR_INVALID, "%s", errs.items[0].message);
    }
    spec_errors_fini(&errs);
    return ok;
}

/* --- keeping it --- */

static void on_settings(struct store_settings_op *op ATTR_UNUSED, const struct err *err,
                        void *ctx)
{
    struct cli_store *cs = ctx;
    cs->err = *err;
    cs->done = true;
}

static void on_replay(struct store_replay *op ATTR_UNUSED, const struct err *err,
                      size_t moved ATTR_UNUSED, void *ctx)
{
    struct cli_store *cs = ctx;
    cs->err = *err;
    cs->done = true;
}

static bool await(struct cli_store *cs, struct err *err)
{
    cli_store_wait(cs);
    cs->done = false;
    *err = cs->err;
    return err->code == ERR_OK;
}

static bool find(struct cli_store *cs, const char *id, json_t **out, struct err *err)
{
    *out = webhook_route_find(cs->store, str_of(id));
    return *out != NULL || err_set(err, ERR_NOT_FOUND, "there is no custom route %s", id);
}

static bool save(struct cli_store *cs, const json_t *old, json_t *members,
                 struct err *err)
{
    json_t *changes = NULL, *record = NULL;
    bool ok = check(members, &changes, err) &&
              webhook_route_make(cs->store, old, changes, &record, err);
    if (ok) {
        (void)webhook_route_save_start(cs->store, record, on_settings, cs);
        ok = await(cs, err);
    }
    if (ok) {
        print_record(record);
    }
    json_decref(changes);
    json_decref(record);
    return ok;
}

/* id NULL: a new one. */
static int make(struct cli_call *call, const char *id)
{
    struct options o = {0};
    struct cli_store cs = {0};
    struct err err = {0};
    int status = CLI_USAGE;
    json_t *old = NULL, *members = NULL;
    if (take(call, &o)) {
        members = members_of(&o);
        if (cli_store_open(&cs, call->config, &err) &&
            (id == NULL || find(&cs, id, &old, &err))) {
            add_old(members, old);
            (void)save(&cs, old, members, &err);
        }
        status = cli_finish(&cs, &err);
    }
    json_decref(members);
    json_decref(o.headers);
    return status;
}

/* --- the commands --- */

int cli_route_create(struct cli_call *call)
{
    return make(call, NULL);
}

int cli_route_update(struct cli_call *call)
{
    if (call->arg_count == 0) {
        return cli_usage_error("events routes update needs the id of a route", NULL);
    }
    const char *id = call->args[0];
    call->args++;
    call->arg_count--;
    return make(call, id);
}

int cli_route_delete(struct cli_call *call)
{
    struct cli_store cs = {0};
    struct err err = {0};
    json_t *record;
    if (call->arg_count != 1) {
        return cli_usage_error("events routes delete takes the id of a route", NULL);
    }
    const char *id = call->args[0];
    if (cli_store_open(&cs, call->config, &err) && find(&cs, id, &record, &err)) {
        (void)webhook_route_remove_start(cs.store, str_of(id), on_settings, &cs);
        if (await(&cs, &err)) {
            (void)store_replay_start(cs.store, NULL, id, STORE_CURSOR_NONE, on_replay,
                                     &cs);
            (void)await(&cs, &err);
        }
    }
    return cli_finish(&cs, &err);
}

int cli_route_list(struct cli_call *call)
{
    struct cli_store cs = {0};
    struct err err = {0};
    if (call->arg_count > 0) {
        return cli_usage_error("events routes list takes no arguments", call->args[0]);
    }
    if (cli_store_open(&cs, call->config, &err)) {
        json_t *all = webhook_routes_list(cs.store);
        for (size_t i = 0; i < json_array_size(all); i++) {
            print_record(json_array_get(all, i));
        }
        json_decref(all);
    }
    return cli_finish(&cs, &err);
}
