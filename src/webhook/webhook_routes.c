/* The routes at work: the one of the settings, and those of the records beside it. Each is
 * a reader of the log with a cursor of its own. */
#include "webhook_priv.h"

#include "postrider/base/check.h"
#include "postrider/base/log.h"
#include "postrider/base/mem.h"
#include "postrider/changelog/cursor.h"
#include "postrider/json/json.h"

#include <stdio.h>

/* --- delivering for a route */

static void on_sent(struct webhook_send *s ATTR_UNUSED,
                    const struct changelog_outcome *outcome, void *ctx)
{
    changelog_delivery_done(ctx, outcome);
}

static void deliver(struct changelog_delivery *d, struct changelog_item *item, void *ctx)
{
    struct webhook_route *r = ctx;
    struct webhook_job job = {.route = r,
                              .acct = item->acct,
                              .account_id = str_of(item->acct->id),
                              .event = item->event,
                              .delivery_id = item->entry_id,
                              .tries = item->tries,
                              .parts = item->parts,
                              .first_tried_ms = item->first_tried_ms};
    struct webhook_send *s = webhook_send_new(r->w, &job, on_sent, d);
    item->work = s;
    webhook_send_run(s);
}

static void cancel(struct changelog_delivery *d ATTR_UNUSED, struct changelog_item *item,
                   void *ctx ATTR_UNUSED)
{
    webhook_send_cancel(item->work);
}

/* --- what a route says */

static const json_t *settings_of(const struct webhook_route *r)
{
    return r->record != NULL ? r->record : store_settings(r->w->store);
}

/* The list of event names under which it says what it wants. */
static const json_t *names_of(const struct webhook_route *r)
{
    return json_get_arr(settings_of(r), r->record != NULL ? "events" : "webhookEvents");
}

static bool lists(const struct webhook_route *r, const char *wanted)
{
    const json_t *names = names_of(r);
    for (size_t i = 0; i < json_array_size(names); i++) {
        const char *name = json_string_value(json_array_get(names, i));
        if (name != NULL && strcmp(name, wanted) == 0) {
            return true;
        }
    }
    return false;
}

bool webhook_route_names(const struct webhook_route *r, enum event_type type)
{
    return lists(r, event_type_name(type));
}

static bool is_inbox(const struct event *event)
{
    return (event->special_use != NULL && strcmp(event->special_use, "\\Inbox") == 0) ||
           (event->path != NULL && str_ieq_c(str_of(event->path), "INBOX"));
}

bool webhook_route_wants(const struct webhook_route *r, const struct event *event)
{
    bool listed = lists(r, "*") || webhook_route_names(r, event->type);
    bool inbox_only = event->type == EVENT_MESSAGE_NEW &&
                      json_get_bool(store_settings(r->w->store), "inboxNewOnly", false);
    return listed && (!inbox_only || is_inbox(event));
}

bool webhook_route_may_want(const struct webhook_route *r, const struct event *event)
{
    return webhook_route_wants(r, event) ||
           (webhook_payload_needs_content(r, event) &&
            webhook_route_names(r, EVENT_MESSAGE_MISSING));
}

bool webhook_route_is_enabled(const struct webhook_route *r)
{
    return r->record != NULL ? json_get_bool(r->record, "enabled", true)
                             : json_get_bool(settings_of(r), "webhooksEnabled", false);
}

struct str webhook_route_url(const struct webhook_route *r)
{
    return json_get_str(settings_of(r), r->record != NULL ? "targetUrl" : "webhooks");
}

const json_t *webhook_route_headers(const struct webhook_route *r)
{
    return json_get_arr(settings_of(r),
                        r->record != NULL ? "customHeaders" : "webhooksCustomHeaders");
}

/* --- taking up a record */

static enum webhook_form form_of(const json_t *record)
{
    static const char *const names[] = {[WEBHOOK_FORM_FULL] = "full",
                                        [WEBHOOK_FORM_THIN] = "thin",
                                        [WEBHOOK_FORM_CLOUDEVENTS] = "cloudevents"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (str_eq_c(json_get_str(record, "payload"), names[i])) {
            return (enum webhook_form)i;
        }
    }
    return WEBHOOK_FORM_FULL;
}

static bool compile(const json_t *record, const char *member, struct expr **out)
{
    struct str source = json_get_str(record, member);
    struct err err = {0};
    expr_free(out);
    if (source.ptr == NULL || expr_compile(source, out, &err)) {
        return true;
    }
    /* A later version may have written it. */
    log_at(LOG_ERROR, "webhook", "an expression of a route does not compile here",
           LOG_S("route", json_get_cstr(record, "id")), LOG_S("member", member),
           LOG_ERR_FIELDS(&err));
    return false;
}

static void take_record(struct webhook_route *r, json_t *record)
{
    json_decref(r->record);
    r->record = json_incref(record);
    r->form = form_of(record);
    bool ok = compile(record, "filter", &r->filter);
    ok = compile(record, "mapping", &r->mapping) && ok;
    if (r->reader != NULL) {
        changelog_reader_set_enabled(r->reader, ok && webhook_route_is_enabled(r));
    }
}

static struct webhook_route *route_new(struct webhooks *w, const char *id)
{
    struct webhook_route *r = MEM_NEW(struct webhook_route);
    r->w = w;
    r->refs = 1;
    (void)snprintf(r->id, sizeof r->id, "%s", id);
    list_init(&r->node);
    return r;
}

struct webhook_route *webhook_route_trial(const struct webhook_route *r, json_t *record)
{
    struct webhook_route *trial = route_new(r->w, r->id);
    take_record(trial, record);
    return trial;
}

static struct webhook_route *route_add(struct webhooks *w, const char *id,
                                       const char *since)
{
    struct webhook_route *r = route_new(w, id);
    r->reader = changelog_reader_add(w->changelog,
                                     &(struct changelog_reader_params){.name = r->id,
                                                                       .since = since,
                                                                       .deliver = deliver,
                                                                       .cancel = cancel,
                                                                       .ctx = r});
    list_append(&w->routes, &r->node);
    return r;
}

/* Sends that were canceled may keep the object for a moment. */
static void route_remove(struct webhook_route *r)
{
    list_remove(&r->node);
    changelog_reader_remove(&r->reader);
    webhook_route_unref(r);
}

struct webhook_route *webhook_route_ref(struct webhook_route *r)
{
    r->refs++;
    return r;
}

void webhook_route_unref(struct webhook_route *r)
{
    if (--r->refs == 0) {
        webhook_dests_drop(r);
        webhook_stats_add(&r->w->gone, &r->stats);
        json_decref(r->record);
        expr_free(&r->filter);
        expr_free(&r->mapping);
        mem_free(r);
    }
}

/* --- the table */

struct webhook_route *webhook_route_default(const struct webhooks *w)
{
    return container_of(w->routes.next, struct webhook_route, node);
}

struct webhook_route *webhook_route_by_id(const struct webhooks *w, struct str id)
{
    list_foreach (node, &w->routes) {
        struct webhook_route *r = container_of(node, struct webhook_route, node);
        if (str_eq_c(id, r->id)) {
            return r;
        }
    }
    return NULL;
}

void webhook_routes_init(struct webhooks *w)
{
    list_init(&w->routes);
    (void)route_add(w, WEBHOOK_ROUTE_DEFAULT, NULL);
}

static void take_up(struct webhooks *w, json_t *record)
{
    const char *id = json_get_cstr(record, "id");
    struct webhook_route *r = webhook_route_by_id(w, str_of(id));
    char since[STORE_ENTRY_ID_SIZE] = "";
    int64_t created_ms;
    if (r == NULL && strlen(id) < WEBHOOK_ROUTE_ID_SIZE) {
        if (json_get_time(record, "created", &created_ms)) {
            changelog_entry_before(created_ms, since);
        }
        r = route_add(w, id, since);
    }
    if (r != NULL && r->record != record) {
        take_record(r, record);
    }
}

static void pause_all(struct webhooks *w, bool paused)
{
    list_foreach (node, &w->routes) {
        struct webhook_route *r = container_of(node, struct webhook_route, node);
        changelog_reader_set_paused(r->reader, paused);
    }
}

void webhook_routes_update(struct webhooks *w)
{
    json_t *records = webhook_routes_list(w->store);
    list_foreach (node, &w->routes) {
        struct webhook_route *r = container_of(node, struct webhook_route, node);
        if (r->record != NULL && webhook_route_find(w->store, str_of(r->id)) == NULL) {
            route_remove(r);
        }
    }
    for (size_t i = 0; i < json_array_size(records) && i < WEBHOOK_ROUTES_MAX; i++) {
        take_up(w, json_array_get(records, i));
    }
    json_decref(records);
    struct webhook_route *first = webhook_route_default(w);
    changelog_reader_set_enabled(first->reader, webhook_route_is_enabled(first));
    pause_all(w, json_get_bool(store_settings(w->store), WEBHOOK_SETTING_PAUSED, false));
}

void webhook_routes_free(struct webhooks *w)
{
    for (struct list *node; (node = list_pop(&w->routes)) != NULL;) {
        webhook_route_unref(container_of(node, struct webhook_route, node));
    }
}
