/* Accounts: made, shown, changed, removed. What changes the store goes on when its client
 * leaves: the actor must hear of the change in any case. */
#include "api_handlers.h"
#include "postrider/account/account_message.h"
#include "postrider/base/codec.h"
#include "postrider/base/mem.h"
#include "postrider/base/rand.h"

static const struct err no_oauth2_form = {
    .code = ERR_UNSUPPORTED,
    .msg = "Signing in by an OAuth2 form is not available; give the tokens instead"};

/* --- changing: read the record, merge, write --- */

static void on_flushed(const struct err *err, void *ctx)
{
    json_t *out = json_object();
    json_put_bool(out, "flush", true);
    api_change_end(ctx, err, out);
}

static void on_updated(struct store_account_op *op ATTR_UNUSED, const struct err *err,
                       const struct store_acct *acct ATTR_UNUSED,
                       json_t *record ATTR_UNUSED, json_t *state ATTR_UNUSED, void *ctx)
{
    struct api_task *task = ctx;
    const char *outcome = json_get_cstr(task->json, "outcome");
    if (err->code == ERR_OK && json_get_bool(task->json, "flush", false)) {
        accounts_flush(task->services->accounts, str_of(task->id), on_flushed, task);
        return;
    }
    json_t *out = json_object();
    if (err->code == ERR_OK) {
        accounts_updated(task->services->accounts, str_of(task->id));
        webhook_account_changed(task->services->webhooks, str_of(task->id));
    }
    json_put_cstr(out, "account", task->id);
    json_put_cstr(out, "state", outcome);
    api_change_end(task, err, out);
}

static void on_read(struct store_account_op *op ATTR_UNUSED, const struct err *err,
                    const struct store_acct *acct ATTR_UNUSED, json_t *record,
                    json_t *state ATTR_UNUSED, void *ctx)
{
    struct api_task *task = ctx;
    if (err->code != ERR_OK) {
        api_change_end(task, err, NULL);
        return;
    }
    json_t *next = json_deep_copy(record);
    api_account_merge(next, json_object_get(task->json, "body"));
    (void)store_account_update_start(task->services->store, str_of(task->id), next,
                                     on_updated, task);
    json_decref(next);
}

static void update(struct api_task *task)
{
    (void)store_account_get_start(task->services->store, str_of(task->id), on_read, task);
}

static bool run_update(struct api_task *task)
{
    if (store_directory_get(task->services->store, str_of(task->id)) == NULL) {
        api_task_reply(task, &api_no_account, NULL);
        return false;
    }
    update(task);
    return true;
}

void api_account_update(struct api_call *call)
{
    if (json_get_bool(json_get_obj(call->body, "oauth2"), "authorize", false)) {
        api_reply_err(call, &no_oauth2_form);
        return;
    }
    struct api_task *task = api_task_new(call, NULL);
    task->json = json_object();
    json_put(task->json, "body", json_incref(call->body));
    api_change_start(task, run_update);
}

/* --- creating --- */

/* The starts of notifications and of the index are set once: a repeated POST without them
 * must not move them. */
static void update_existing(struct api_task *task)
{
    json_t *body = json_object_get(task->json, "body");
    if (!json_get_bool(task->json, "hasNotifyFrom", false)) {
        (void)json_object_del(body, "notifyFrom");
    }
    if (!json_get_bool(task->json, "hasSyncFrom", false)) {
        (void)json_object_del(body, "syncFrom");
    }
    json_put_cstr(task->json, "outcome", "existing");
    update(task);
}

static void on_created(struct store_account_op *op ATTR_UNUSED, const struct err *err,
                       const struct store_acct *acct ATTR_UNUSED,
                       json_t *record ATTR_UNUSED, json_t *state ATTR_UNUSED, void *ctx)
{
    struct api_task *task = ctx;
    if (err->code == ERR_CONFLICT) {
        update_existing(task);
        return;
    }
    json_t *out = json_object();
    if (err->code == ERR_OK) {
        accounts_created(task->services->accounts, str_of(task->id));
        webhook_account_changed(task->services->webhooks, str_of(task->id));
    }
    json_put_cstr(out, "account", task->id);
    json_put_cstr(out, "state", "new");
    api_change_end(task, err, out);
}

static char *new_id(void)
{
    uint8_t raw[10];
    struct buf text = BUF_INIT(64);
    rand_bytes(raw, sizeof raw);
    (void)hex_encode(&text, raw, sizeof raw);
    return buf_take(&text, NULL);
}

/* Whether the client itself sent the member: the normal form holds the default too. */
static bool body_names(const struct api_call *call, const char *key)
{
    json_t *raw ATTR_CLEANUP(json_cleanup) = NULL;
    struct str text = str_trim(httpd_req_body(call->req));
    return json_parse_strict(text, text.len, &raw, NULL) && json_has(raw, key);
}

static bool run_create(struct api_task *task)
{
    struct store *store = task->services->store;
    if (store_directory_get(store, str_of(task->id)) != NULL) {
        update_existing(task);
        return true;
    }
    json_t *record = json_object();
    api_account_merge(record, json_object_get(task->json, "body"));
    (void)store_account_create_start(store, str_of(task->id), record, on_created, task);
    json_decref(record);
    return true;
}

void api_account_create(struct api_call *call)
{
    struct str id = json_get_str(call->body, "account");
    if (json_get_bool(json_get_obj(call->body, "oauth2"), "authorize", false)) {
        api_reply_err(call, &no_oauth2_form);
        return;
    }
    struct api_task *task = api_task_new(call, NULL);
    mem_free(task->id);
    task->id = id.ptr != NULL && id.len > 0 ? mem_strndup(id.ptr, id.len) : new_id();
    task->json = json_object();
    json_t *body = json_copy(call->body);
    (void)json_object_del(body, "account");
    json_put(task->json, "body", body);
    json_put_bool(task->json, "hasNotifyFrom", body_names(call, "notifyFrom"));
    json_put_bool(task->json, "hasSyncFrom", body_names(call, "syncFrom"));
    api_change_start(task, run_create);
}

/* --- showing --- */

static void on_shown(struct store_account_op *op ATTR_UNUSED, const struct err *err,
                     const struct store_acct *acct ATTR_UNUSED, json_t *record,
                     json_t *state ATTR_UNUSED, void *ctx)
{
    struct api_task *task = ctx;
    const struct account_entry *entry =
        store_directory_get(task->services->store, str_of(task->id));
    struct json_out out = {.text = NULL};
    if (err->code == ERR_OK) {
        api_account_put(&out, task->id, record, NULL, entry);
    }
    api_task_reply(task, err, out.value);
}

static void cancel_account(void *op)
{
    store_account_cancel(op);
}

static void cancel_quota(void *op)
{
    account_call_cancel(op);
}

/* Whatever kept it from being known: the account itself is shown. */
static void on_quota(struct account_call *op ATTR_UNUSED, const struct err *err,
                     json_t *quota, void *ctx)
{
    static const struct err ok = {.code = ERR_OK};
    struct api_task *task = ctx;
    json_t *out = json_incref(task->json);
    json_put(out, "quota", err->code == ERR_OK ? json_incref(quota) : json_false());
    api_task_reply(task, &ok, out);
}

enum {
    TEXT_USUAL = 1000,          /* of a record with a server or two */
    TEXT_MAX = 64 * 1024 * 1024 /* a record is smaller by far */
};

void api_account_get(struct api_call *call)
{
    struct api_services *services = api_services_of(call);
    struct str id = api_account_id(call);
    const struct account_entry *entry = store_directory_get(services->store, id);
    struct account *a = api_account_here(services, id);
    json_t *record = a != NULL ? account_record(a) : NULL;
    if (entry == NULL) {
        api_reply_no_account(call);
    } else if (record != NULL && json_get_bool(call->query, "quota", false)) {
        struct api_task *task = api_task_new(call, cancel_quota);
        struct json_out out = {.text = NULL};
        api_account_put(&out, entry->id, record, a, entry);
        task->json = out.value;
        task->op = account_quota_start(a, call->timeout_ms, on_quota, task);
    } else if (record != NULL) {
        struct buf text = BUF_INIT(TEXT_MAX);
        (void)buf_reserve(&text, TEXT_USUAL);
        api_account_put_text(&text, a, entry);
        api_reply_text(call, 200, &text);
    } else {
        struct api_task *task = api_task_new(call, cancel_account);
        task->op = store_account_get_start(services->store, id, on_shown, task);
    }
}

static bool is_asked_for(const struct account_entry *entry, const char *state,
                         const char *query)
{
    const char *const texts[] = {entry->id, entry->name, entry->email};
    if (state != NULL && strcmp(entry->state, state) != 0) {
        return false;
    }
    for (size_t i = 0; query != NULL && i < ARRAY_LEN(texts); i++) {
        if (texts[i] != NULL && str_ifind(str_of(texts[i]), query) != SIZE_MAX) {
            return true;
        }
    }
    return query == NULL;
}

void api_accounts_list(struct api_call *call)
{
    struct api_services *services = api_services_of(call);
    const char *state = json_get_cstr(call->query, "state");
    const char *query = json_get_cstr(call->query, "query");
    json_t *rows = json_array();
    size_t total = 0, count = 0;
    size_t first = api_page_first(call, &count);
    for (size_t i = 0; i < store_directory_count(services->store); i++) {
        const struct account_entry *entry = store_directory_at(services->store, i);
        if (!is_asked_for(entry, state, query)) {
            continue;
        }
        if (total >= first && total - first < count) {
            struct account *a = api_account_here(services, str_of(entry->id));
            json_push(rows, api_account_row(entry, a));
        }
        total++;
    }
    json_t *out = api_page_new(call, total);
    json_put(out, "query",
             query != NULL ? json_str_repaired(str_of(query)) : json_false());
    json_put_cstr(out, "state", state != NULL ? state : "*");
    json_put(out, "accounts", rows);
    api_reply_json(call, 200, out);
}

/* --- asking the actor --- */

static void reply_flag(struct api_call *call, const char *name, bool value)
{
    json_t *out = json_object();
    json_put_bool(out, name, value);
    api_reply_json(call, 200, out);
}

void api_account_reconnect(struct api_call *call)
{
    struct account *a = api_account_find(call);
    bool wanted = json_get_bool(call->body, "reconnect", false);
    if (a == NULL) {
        return;
    }
    if (wanted) {
        account_reconnect(a);
    }
    reply_flag(call, "reconnect", wanted);
}

void api_account_sync(struct api_call *call)
{
    struct account *a = api_account_find(call);
    bool wanted = json_get_bool(call->body, "sync", false);
    if (a == NULL) {
        return;
    }
    if (wanted) {
        account_sync_now(a);
    }
    reply_flag(call, "sync", wanted);
}

/* The record gets what the request says, then the index goes and is made anew. The reply
 * comes when the old index is gone. */
void api_account_flush(struct api_call *call)
{
    if (!json_get_bool(call->body, "flush", false)) {
        if (api_account_find(call) != NULL) {
            reply_flag(call, "flush", false);
        }
        return;
    }
    struct api_task *task = api_task_new(call, NULL);
    json_t *body = json_copy(call->body);
    (void)json_object_del(body, "flush");
    task->json = json_object();
    json_put(task->json, "body", body);
    json_put_bool(task->json, "flush", true);
    api_change_start(task, run_update);
}

/* --- trying settings --- */

static void cancel_verify(void *op)
{
    account_verify_cancel(op);
}

static void on_verified(struct account_verify *op ATTR_UNUSED, const struct err *err,
                        json_t *result, void *ctx)
{
    api_task_reply(ctx, err, json_incref(result));
}

void api_account_check(struct api_call *call)
{
    struct api_task *task = api_task_new(call, cancel_verify);
    task->op =
        account_verify_start(task->services->accounts, call->body, on_verified, task);
}
