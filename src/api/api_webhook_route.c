/* Custom webhook routes: reading, making, changing, removing. */
#include "api_handlers.h"

#include "postrider/store/store_log.h"
#include "postrider/webhook/webhook_route.h"

static const struct err no_route = {.code = ERR_NOT_FOUND,
                                    .msg = "There is no route with this id"};

static struct str route_id(const struct api_call *call)
{
    return json_get_str(call->params, "route");
}

static json_t *shown(const struct api_services *services, const json_t *record)
{
    struct changelog_reader *reader =
        changelog_reader_find(services->changelog, json_get_str(record, "id"));
    struct changelog_stats stats = {0};
    const json_t *headers = json_get_arr(record, "customHeaders");
    json_t *out = json_copy((json_t *)(uintptr_t)record);
    if (headers != NULL) {
        json_put(out, "customHeaders", webhook_headers_masked(headers));
    }
    if (reader != NULL) {
        changelog_reader_stats(reader, &stats);
    }
    json_put_int(out, "tcount", (int64_t)stats.done);
    if (!json_has(record, "webhookErrorFlag")) {
        json_put(out, "webhookErrorFlag", json_null());
    }
    return out;
}

/* With EmailEngine's members only. */
static json_t *shown_compat(const struct api_services *services, const json_t *record,
                            bool whole)
{
    static const char *const content_names[][2] = {{"fn", "filter"}, {"map", "mapping"}};
    static const char *const ours[] = {"events", "filter", "mapping", "payload"};
    json_t *out = shown(services, record), *content = json_object();
    for (size_t i = 0; i < ARRAY_LEN(content_names); i++) {
        json_t *source = json_object_get(record, content_names[i][1]);
        json_put(content, content_names[i][0],
                 source != NULL ? json_incref(source) : json_null());
    }
    for (size_t i = 0; i < ARRAY_LEN(ours); i++) {
        json_object_del(out, ours[i]);
    }
    if (whole) {
        json_put(out, "content", json_incref(content));
    } else {
        json_object_del(out, "v");
    }
    json_decref(content);
    return out;
}

void api_webhook_routes_list(struct api_call *call)
{
    const struct api_services *services = api_services_of(call);
    json_t *all = webhook_routes_list(services->store);
    json_t *out = api_page_new(call, json_array_size(all)), *rows = json_array();
    size_t count, first = api_page_first(call, &count);
    for (size_t i = first; i < json_array_size(all) && i - first < count; i++) {
        json_push(rows, shown_compat(services, json_array_get(all, i), false));
    }
    json_put(out, "webhooks", rows);
    json_decref(all);
    api_reply_json(call, 200, out);
}

void api_webhook_route_get(struct api_call *call)
{
    const struct api_services *services = api_services_of(call);
    const json_t *record = webhook_route_find(services->store, route_id(call));
    if (record == NULL) {
        api_reply_err(call, &no_route);
    } else {
        api_reply_json(call, 200, shown(services, record));
    }
}

void api_webhook_route_get_compat(struct api_call *call)
{
    const struct api_services *services = api_services_of(call);
    const json_t *record =
        webhook_route_find(services->store, json_get_str(call->params, "webhookRoute"));
    if (record == NULL) {
        api_reply_err(call, &no_route);
    } else {
        api_reply_json(call, 200, shown_compat(services, record, true));
    }
}

/* --- making and changing --- */

static void on_saved(struct store_settings_op *op ATTR_UNUSED, const struct err *err,
                     void *ctx)
{
    struct api_task *task = ctx;
    json_t *out = err->code == ERR_OK ? shown(task->services, task->json) : NULL;
    api_task_reply(task, err, out);
}

static void save(struct api_call *call, const json_t *old)
{
    struct store *store = api_services_of(call)->store;
    struct err err = {0};
    json_t *record = NULL;
    if (!webhook_route_make(store, old, call->body, &record, &err)) {
        api_reply_err(call, &err);
        return;
    }
    struct api_task *task = api_task_new(call, NULL);
    task->json = record;
    (void)webhook_route_save_start(store, record, on_saved, task);
}

void api_webhook_route_create(struct api_call *call)
{
    save(call, NULL);
}

void api_webhook_route_update(struct api_call *call)
{
    const json_t *old = webhook_route_find(api_services_of(call)->store, route_id(call));
    if (old == NULL) {
        api_reply_err(call, &no_route);
    } else {
        save(call, old);
    }
}

/* --- removing --- */

static void on_cursors_gone(struct store_replay *op ATTR_UNUSED,
                            const struct err *err ATTR_UNUSED, size_t moved ATTR_UNUSED,
                            void *ctx)
{
    /* Cursors that stay would be of no harm: ids are not used again. */
    static const struct err ok = {0};
    struct api_task *task = ctx;
    json_t *out = json_object();
    json_put_str(out, "route", json_get_str(task->json, "id"));
    json_put_bool(out, "deleted", true);
    api_task_reply(task, &ok, out);
}

static void on_removed(struct store_settings_op *op ATTR_UNUSED, const struct err *err,
                       void *ctx)
{
    struct api_task *task = ctx;
    if (err->code != ERR_OK) {
        api_task_reply(task, err, NULL);
        return;
    }
    (void)store_replay_start(task->services->store, NULL, json_get_cstr(task->json, "id"),
                             STORE_CURSOR_NONE, on_cursors_gone, task);
}

void api_webhook_route_delete(struct api_call *call)
{
    struct store *store = api_services_of(call)->store;
    json_t *record = webhook_route_find(store, route_id(call));
    if (record == NULL) {
        api_reply_err(call, &no_route);
        return;
    }
    struct api_task *task = api_task_new(call, NULL);
    task->json = json_incref(record);
    (void)webhook_route_remove_start(store, json_get_str(record, "id"), on_removed, task);
}
