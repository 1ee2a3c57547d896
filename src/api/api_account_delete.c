/* Removing an account: what its events are sent to is read, the actor stops, the record goes,
 * accountDeleted is sent.
 *
 *   read ──► actor stopped ──► record deleted ──► told
 *
 * Goes on when the client leaves: half removed is no state to stay in. */
#include "api_handlers.h"
#include "postrider/base/clock.h"
#include "postrider/changelog/changelog.h"
#include "postrider/event/event.h"
#include "postrider/store/store_journal.h"

static void send_event(struct api_task *task, const struct store_acct *acct)
{
    struct event event;
    json_t *data = json_object();
    json_put_cstr(data, "account", task->id);
    event_init(&event, EVENT_ACCOUNT_DELETED, clock_wall_ms(), 0, 0, NULL, NULL, data);
    store_event_id(task->services->store, acct, 0, 0, 0,
                   event_type_name(EVENT_ACCOUNT_DELETED), 0, event.id);
    webhooks_send_detached(task->services->webhooks, str_of(task->id),
                           json_get_cstr(task->json, "webhooks"), &event);
}

static void on_deleted(struct store_account_op *op ATTR_UNUSED, const struct err *err,
                       const struct store_acct *acct, json_t *record ATTR_UNUSED,
                       json_t *state ATTR_UNUSED, void *ctx)
{
    struct api_task *task = ctx;
    struct str id = str_of(task->id);
    json_t *out = json_object();
    json_put_cstr(out, "account", task->id);
    json_put_bool(out, "deleted", err->code == ERR_OK);
    webhook_account_changed(task->services->webhooks, id);
    changelog_forget(task->services->changelog, id);
    if (err->code == ERR_OK) {
        store_journal_delete(task->services->store, STORE_JOURNAL_TRAFFIC, id);
        send_event(task, acct);
    } else if (store_directory_get(task->services->store, id) != NULL) {
        accounts_created(task->services->accounts, id); /* it is still there: go on */
    }
    api_change_end(task, err, out);
}

static void on_stopped(void *ctx)
{
    struct api_task *task = ctx;
    (void)store_account_delete_start(task->services->store, str_of(task->id), on_deleted,
                                     task);
}

static void on_read(struct store_account_op *op ATTR_UNUSED, const struct err *err,
                    const struct store_acct *acct ATTR_UNUSED, json_t *record,
                    json_t *state ATTR_UNUSED, void *ctx)
{
    struct api_task *task = ctx;
    /* A damaged record can be removed as well. */
    if (err->code == ERR_OK) {
        task->json = json_incref(record);
    } else if (err_is_transient(err) || err->code == ERR_NO_ACCOUNT) {
        api_change_end(task, err, NULL);
        return;
    }
    accounts_deleted(task->services->accounts, str_of(task->id), on_stopped, task);
}

static bool run(struct api_task *task)
{
    struct str id = str_of(task->id);
    if (store_directory_get(task->services->store, id) == NULL) {
        api_task_reply(task, &api_no_account, NULL);
        return false;
    }
    (void)store_account_get_start(task->services->store, id, on_read, task);
    return true;
}

void api_account_delete(struct api_call *call)
{
    api_change_start(api_task_new(call, NULL), run);
}
