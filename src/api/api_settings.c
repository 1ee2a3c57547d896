#include "api_handlers.h"
#include "postrider/event/event.h"
#include "postrider/store/store_settings.h"

static json_t *event_names(void)
{
    json_t *names = json_array();
    for (int type = 0; type < EVENT_TYPE_COUNT; type++) {
        json_push(names,
                  json_str_repaired(str_of(event_type_name((enum event_type)type))));
    }
    return names;
}

/* The row of the reply says what may be seen: of a secret only whether there is one. */
static json_t *shown(const struct field_spec *row, json_t *value)
{
    if (value == NULL) {
        return json_null();
    }
    if (row->type == FIELD_BOOLEAN && !json_is_boolean(value)) {
        return json_boolean(json_string_length(value) > 0);
    }
    return json_incref(value);
}

void api_settings_get(struct api_call *call)
{
    struct store *store = api_services_of(call)->store;
    const struct field_spec *response = call->route->response;
    json_t *out = json_object();
    struct field_walk walk;
    const struct field_spec *row;
    field_walk_init(&walk, response->fields, response->field_count);
    while ((row = field_walk_next(&walk)) != NULL) {
        if (!json_get_bool(call->query, row->name, false)) {
            continue;
        }
        if (strcmp(row->name, "eventTypes") == 0) {
            json_put(out, row->name, event_names());
        } else {
            json_put(out, row->name, shown(row, store_setting(store, row->name)));
        }
    }
    api_reply_json(call, 200, out);
}

static void on_saved(struct store_settings_op *op ATTR_UNUSED, const struct err *err,
                     void *ctx)
{
    struct api_task *task = ctx;
    json_t *out = json_object();
    json_put(out, "updated", json_incref(task->json));
    api_task_reply(task, err, out);
}

void api_settings_set(struct api_call *call)
{
    struct api_task *task = api_task_new(call, NULL);
    const char *key;
    json_t *value;
    task->json = json_array();
    json_object_foreach(call->body, key, value)
    {
        json_push(task->json, json_str_repaired(str_of(key)));
    }
    webhooks_settings_prepare(store_settings(task->services->store), call->body);
    (void)store_settings_set_start(task->services->store, call->body, on_saved, task);
}
