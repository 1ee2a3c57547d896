/* GET /v1/account/{account}/changes: the log behind a state, folded into message ids. */
#include "api_handlers.h"

#include "postrider/base/mem.h"
#include "postrider/changelog/cursor.h"
#include "postrider/changelog/fold.h"

#include <stdio.h>

enum {
    ENTRIES_MAX = 20000, /* read for one answer */
    LIMIT_DEFAULT = 500
};

struct delta {
    struct api_task *task;
    struct store_acct acct;
    char since[STORE_ENTRY_ID_SIZE], end[STORE_ENTRY_ID_SIZE];
    size_t limit, entries;
    struct changelog_fold fold;
};

static void cancel_read(void *op)
{
    store_log_read_cancel(op);
}

static void delta_end(struct delta *d, const struct err *err, json_t *details)
{
    struct api_call *call = api_task_end(d->task);
    store_acct_fini(&d->acct);
    changelog_fold_fini(&d->fold);
    mem_free(d);
    if (call == NULL) {
        json_decref(details);
    } else if (err->code != ERR_OK) {
        api_reply_err_with(call, err, details);
    } else {
        api_reply_json(call, 200, details);
    }
}

static void delta_refuse(struct delta *d)
{
    static const struct err gone = {
        .code = ERR_CONFLICT,
        .msg = "The changes since this state are not kept any more; list anew"};
    json_t *details = json_object();
    json_put_cstr(details, "code", "cannotCalculateChanges");
    delta_end(d, &gone, details);
}

static void delta_reply(struct delta *d, bool more)
{
    static const struct err ok = {.code = ERR_OK};
    char state[CHANGELOG_CURSOR_SIZE];
    json_t *out = json_object();
    json_put(out, "account", json_str_repaired(str_of(d->acct.id)));
    changelog_cursor_format(&d->acct, d->since, state);
    json_put_cstr(out, "oldState", state);
    changelog_cursor_format(&d->acct, d->end, state);
    json_put_cstr(out, "newState", state);
    json_put_bool(out, "hasMoreChanges", more);
    changelog_fold_put(&d->fold, out);
    delta_end(d, &ok, out);
}

static void delta_read(struct delta *d);

static void on_entries(struct store_log_read *op ATTR_UNUSED, const struct err *err,
                       const struct log_entry *entries, size_t count, bool gap, void *ctx)
{
    struct delta *d = ctx;
    d->task->op = NULL;
    if (err->code != ERR_OK) {
        delta_end(d, err, NULL);
        return;
    }
    if (gap) {
        delta_refuse(d);
        return;
    }
    size_t i = 0;
    while (i < count && changelog_fold_count(&d->fold) < d->limit) {
        changelog_fold_add(&d->fold, &entries[i]);
        (void)snprintf(d->end, sizeof d->end, "%s", entries[i].entry_id);
        i++;
    }
    d->entries += i;
    bool full = i < count || d->entries >= ENTRIES_MAX;
    if (full || count < STORE_LOG_PAGE) {
        delta_reply(d, full);
    } else {
        delta_read(d);
    }
}

static void delta_read(struct delta *d)
{
    d->task->op = store_log_read_start(d->task->services->store, &d->acct, d->end,
                                       STORE_LOG_PAGE, on_entries, d);
}

/* No state given: the one to begin with. */
static void on_last(struct store_log_read *op ATTR_UNUSED, const struct err *err,
                    const struct log_entry *entries, size_t count, bool gap ATTR_UNUSED,
                    void *ctx)
{
    struct delta *d = ctx;
    d->task->op = NULL;
    if (err->code != ERR_OK) {
        delta_end(d, err, NULL);
        return;
    }
    if (count > 0) {
        (void)snprintf(d->since, sizeof d->since, "%s", entries[0].entry_id);
        (void)snprintf(d->end, sizeof d->end, "%s", entries[0].entry_id);
    }
    delta_reply(d, false);
}

void api_delta_get(struct api_call *call)
{
    struct api_services *services = api_services_of(call);
    struct str id = api_account_id(call);
    struct str since = json_get_str(call->query, "since");
    struct err err = {0};
    bool foreign = false;
    if (store_directory_get(services->store, id) == NULL) {
        api_reply_no_account(call);
        return;
    }
    struct delta *d = MEM_NEW(struct delta);
    d->task = api_task_new(call, cancel_read);
    d->limit = (size_t)json_get_int(call->query, "limit", LIMIT_DEFAULT);
    store_acct_init(services->store, &d->acct, id);
    changelog_fold_init(&d->fold);
    if (since.ptr == NULL) {
        d->task->op = store_log_last_start(services->store, &d->acct, on_last, d);
    } else if (!changelog_cursor_parse(&d->acct, since, d->since, &foreign, &err)) {
        delta_end(d, &err, NULL);
    } else if (foreign) {
        delta_refuse(d);
    } else {
        (void)snprintf(d->end, sizeof d->end, "%s", d->since);
        delta_read(d);
    }
}
