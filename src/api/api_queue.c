/* The queues of EmailEngine's interface. `notify` stands for the webhook routes: its jobs are
 * accounts with entries to be delivered, since an account's log is read in order. */
#include "api_handlers.h"
#include "postrider/base/check.h"
#include "postrider/store/store_settings.h"

#include <stdio.h>

enum {
    SETTING_NAME_SIZE = 64
};

/* Field of the settings that says whether a queue is paused. */
static void paused_setting(const struct api_call *call, char out[SETTING_NAME_SIZE])
{
    struct str queue = json_get_str(call->params, "queue");
    int n = snprintf(out, SETTING_NAME_SIZE, "%.*sPaused", STR_ARG(queue));
    CHECK(n > 0 && n < SETTING_NAME_SIZE);
}

static json_t *queue_json(struct api_call *call, bool paused)
{
    json_t *out = json_object();
    json_put_str(out, "queue", json_get_str(call->params, "queue"));
    json_put_bool(out, "paused", paused);
    return out;
}

/* Of all routes together. */
static json_t *jobs_json(const struct changelog *c, bool paused)
{
    size_t active = 0, ready = 0, delayed = 0;
    for (size_t i = 0; i < changelog_reader_count(c); i++) {
        struct changelog_stats stats = {0};
        changelog_reader_stats(changelog_reader_at(c, i), &stats);
        active += stats.active;
        delayed += stats.delayed;
        ready += stats.waiting - stats.delayed;
    }
    json_t *out = json_object();
    json_put_int(out, "active", (json_int_t)active);
    json_put_int(out, "delayed", (json_int_t)delayed);
    json_put_int(out, "paused", (json_int_t)(paused ? ready : 0));
    json_put_int(out, "waiting", (json_int_t)(paused ? 0 : ready));
    return out;
}

/* Queues of things that are not done here have no jobs. */
static json_t *no_jobs_json(void)
{
    json_t *out = json_object();
    json_put_int(out, "active", 0);
    json_put_int(out, "delayed", 0);
    json_put_int(out, "paused", 0);
    json_put_int(out, "waiting", 0);
    return out;
}

void api_queue_get(struct api_call *call)
{
    const struct api_services *services = api_services_of(call);
    char setting[SETTING_NAME_SIZE];
    paused_setting(call, setting);
    bool paused = json_get_bool(store_settings(services->store), setting, false);
    bool notify = str_eq_c(json_get_str(call->params, "queue"), "notify");
    json_t *out = queue_json(call, paused);
    json_put(out, "jobs",
             notify ? jobs_json(services->changelog, paused) : no_jobs_json());
    api_reply_json(call, 200, out);
}

static void on_saved(struct store_settings_op *op ATTR_UNUSED, const struct err *err,
                     void *ctx)
{
    struct api_task *task = ctx;
    api_task_reply(task, err, json_incref(task->json));
}

void api_queue_set(struct api_call *call)
{
    struct store *store = api_services_of(call)->store;
    char setting[SETTING_NAME_SIZE];
    paused_setting(call, setting);
    bool was = json_get_bool(store_settings(store), setting, false);
    bool paused = json_get_bool(call->body, "paused", was);
    struct api_task *task = api_task_new(call, NULL);
    task->json = queue_json(call, paused);
    json_t *changes = json_object();
    json_put(changes, setting, paused ? json_true() : json_null());
    (void)store_settings_set_start(store, changes, on_saved, task);
    json_decref(changes);
}
