/* POST /v1/webhooks/routes/{route}/test: what a route would send for an event. */
#include "api_handlers.h"

#include "postrider/base/clock.h"
#include "postrider/base/mem.h"
#include "postrider/changelog/cursor.h"
#include "postrider/webhook/webhook_preview.h"
#include "postrider/webhook/webhook_route.h"

#include <inttypes.h>
#include <stdio.h>

struct trial {
    struct api_task *task;
    int64_t timeout_ms;
    json_t *record; /* with the changes to be tried, or NULL */
    char route[CHANGELOG_NAME_MAX + 1];
    struct store_acct acct;
    char entry_id[STORE_ENTRY_ID_SIZE];
};

static void trial_end(struct trial *t, const struct err *err, json_t *taken)
{
    struct api_task *task = t->task;
    json_decref(t->record);
    store_acct_fini(&t->acct);
    mem_free(t);
    api_task_reply(task, err, taken);
}

static void on_preview(struct webhook_preview *p ATTR_UNUSED, const struct err *err,
                       json_t *result, void *ctx)
{
    trial_end(ctx, err, json_incref(result));
}

static void cancel_preview(void *op)
{
    webhook_preview_cancel(op);
}

/* Takes the event. */
static void show(struct trial *t, struct event *event, bool with_content)
{
    struct api_task *task = t->task;
    const struct webhook_preview_params params = {.route = str_of(t->route),
                                                  .account = str_of(t->acct.id),
                                                  .entry_id = str_of(t->entry_id),
                                                  .record = t->record,
                                                  .with_content = with_content};
    task->cancel = cancel_preview;
    task->op = webhook_preview_start(task->services->webhooks, &params, event,
                                     t->timeout_ms, on_preview, t);
}

/* --- an event of the log --- */

/* The entry id right before another one. */
static void place_before(const char *entry_id, char out[STORE_ENTRY_ID_SIZE])
{
    uint64_t ms = 0, seq = 0;
    (void)store_entry_id_split(entry_id, &ms, &seq);
    if (seq > 0) {
        (void)snprintf(out, STORE_ENTRY_ID_SIZE, "%" PRIu64 "-%" PRIu64, ms, seq - 1);
    } else {
        changelog_entry_before((int64_t)ms, out);
    }
}

static void on_entry(struct store_log_read *op ATTR_UNUSED, const struct err *err,
                     const struct log_entry *entries, size_t count, bool gap ATTR_UNUSED,
                     void *ctx)
{
    static const struct err no_entry = {.code = ERR_NOT_FOUND,
                                        .msg = "There is no such event in the log"};
    struct trial *t = ctx;
    struct event event;
    t->task->op = NULL;
    if (err->code != ERR_OK) {
        trial_end(t, err, NULL);
    } else if (count == 0 || strcmp(entries[0].entry_id, t->entry_id) != 0 ||
               !entries[0].readable) {
        trial_end(t, &no_entry, NULL);
    } else {
        event_copy(&event, &entries[0].event);
        show(t, &event, true);
    }
}

static void cancel_read(void *op)
{
    store_log_read_cancel(op);
}

static void read_entry(struct trial *t)
{
    char before[STORE_ENTRY_ID_SIZE];
    place_before(t->entry_id, before);
    t->task->cancel = cancel_read;
    t->task->op =
        store_log_read_start(t->task->services->store, &t->acct, before, 1, on_entry, t);
}

/* --- an event that is given --- */

static bool take_event(const json_t *given, struct event *out, struct err *err)
{
    enum event_type type;
    int64_t date_ms = clock_wall_ms();
    if (!event_type_parse(json_get_str(given, "event"), &type)) {
        return err_set(err, ERR_INVALID, "there is no event with this name");
    }
    (void)json_get_time(given, "date", &date_ms);
    event_init(out, type, date_ms, 0, 0, json_get_cstr(given, "path"),
               json_get_cstr(given, "specialUse"),
               json_incref(json_get_obj(given, "data")));
    (void)snprintf(out->id, sizeof out->id, "00000000-0000-8000-8000-000000000000");
    return true;
}

/* --- the call --- */

/* NULL after an error reply. */
static struct trial *trial_new(struct api_call *call)
{
    struct api_services *services = api_services_of(call);
    struct str route = json_get_str(call->params, "route");
    const json_t *changes = json_get_obj(call->body, "changes");
    const json_t *old = webhook_route_find(services->store, route);
    json_t *record = NULL;
    struct err err = {0};
    if (old == NULL && !str_eq_c(route, WEBHOOK_ROUTE_DEFAULT)) {
        (void)err_set(&err, ERR_NOT_FOUND, "There is no route with this id");
    } else if (changes != NULL && old == NULL) {
        (void)err_set(&err, ERR_INVALID, "the default route is changed in the settings");
    } else if (changes != NULL) {
        (void)webhook_route_make(services->store, old, changes, &record, &err);
    }
    if (err.code != ERR_OK) {
        api_reply_err(call, &err);
        return NULL;
    }
    struct trial *t = MEM_NEW(struct trial);
    t->record = record;
    t->timeout_ms = call->timeout_ms;
    (void)snprintf(t->route, sizeof t->route, "%.*s", STR_ARG(route));
    store_acct_init(services->store, &t->acct, json_get_str(call->body, "account"));
    t->task = api_task_new(call, NULL);
    return t;
}

void api_webhook_route_test(struct api_call *call)
{
    struct str entry = json_get_str(call->body, "entry");
    struct err err = {0};
    struct event event;
    bool foreign = false;
    struct trial *t = trial_new(call);
    if (t == NULL) {
        return;
    }
    if (store_directory_get(t->task->services->store, str_of(t->acct.id)) == NULL) {
        trial_end(t, &api_no_account, NULL);
    } else if (entry.ptr == NULL) {
        if (take_event(json_get_obj(call->body, "event"), &event, &err)) {
            show(t, &event, false);
        } else {
            trial_end(t, &err, NULL);
        }
    } else if (changelog_cursor_parse(&t->acct, entry, t->entry_id, &foreign, &err)) {
        read_entry(t);
    } else {
        trial_end(t, &err, NULL);
    }
}
