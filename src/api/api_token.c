#include "api_handlers.h"
#include "postrider/base/mem.h"
#include "postrider/store/store_settings.h"

/* --- showing --- */

static json_t *token_json(const json_t *record)
{
    static const char *const copied[] = {
        "description",  "metadata",    "ip",      "remoteAddress", "scopes",
        "restrictions", "permissions", "created", "expires",       "id"};
    json_t *out = json_object();
    json_t *access = json_object();
    json_t *account = json_object_get(record, "account");
    json_t *used = json_object_get(record, "lastUsed");
    json_put(out, "account", account != NULL ? json_incref(account) : json_null());
    for (size_t i = 0; i < ARRAY_LEN(copied); i++) {
        json_put(out, copied[i], json_incref(json_object_get(record, copied[i])));
    }
    json_put(access, "time", used != NULL ? json_incref(used) : json_null());
    json_put(access, "ip", json_incref(json_object_get(record, "lastAddress")));
    json_put(out, "access", access);
    return out;
}

static bool text_has(const json_t *record, const char *key, const char *needle)
{
    struct str text = json_get_str(record, key);
    return text.ptr != NULL && str_ifind(text, needle) != SIZE_MAX;
}

static bool is_asked_for(const struct api_call *call, const json_t *record)
{
    const char *query = json_get_cstr(call->query, "query");
    return query == NULL || text_has(record, "description", query) ||
           text_has(record, "account", query) || text_has(record, "id", query);
}

/* --- lists --- */

static json_t *page_of(const struct api_call *call, const json_t *records)
{
    size_t i, total = 0, count = 0;
    size_t first = api_page_first(call, &count);
    json_t *record;
    json_t *rows = json_array();
    json_array_foreach(records, i, record)
    {
        if (is_asked_for(call, record)) {
            if (total >= first && total - first < count) {
                json_push(rows, token_json(record));
            }
            total++;
        }
    }
    json_t *out = api_page_new(call, total);
    json_put(out, "tokens", rows);
    return out;
}

static void on_page(struct store_tokens_list *op ATTR_UNUSED, const struct err *err,
                    json_t *records, void *ctx)
{
    struct api_task *task = ctx;
    json_t *out = NULL;
    if (task->call != NULL && err->code == ERR_OK) {
        out = page_of(task->call, records);
        json_put(out, "account", json_incref(task->json));
    }
    api_task_reply(task, err, out);
}

void api_tokens_list(struct api_call *call)
{
    /* A token bound to an account sees that account's tokens only. */
    struct str account = call->who.account[0] != '\0'
                             ? str_of(call->who.account)
                             : json_get_str(call->query, "account");
    struct api_task *task = api_task_new(call, NULL);
    task->json = json_str_repaired(account);
    (void)store_tokens_list_start(task->services->store, account, on_page, task);
}

static void on_all(struct store_tokens_list *op ATTR_UNUSED, const struct err *err,
                   json_t *records, void *ctx)
{
    struct api_task *task = ctx;
    json_t *out = json_object();
    json_t *rows = json_array();
    size_t i;
    json_t *record;
    json_array_foreach(records, i, record)
    {
        json_push(rows, token_json(record));
    }
    json_put(out, "tokens", rows);
    api_task_reply(task, err, out);
}

void api_account_tokens_list(struct api_call *call)
{
    struct api_services *services = api_services_of(call);
    struct str id = api_account_id(call);
    if (store_directory_get(services->store, id) == NULL) {
        api_reply_no_account(call);
        return;
    }
    struct api_task *task = api_task_new(call, NULL);
    (void)store_tokens_list_start(services->store, id, on_all, task);
}

/* --- one token --- */

static void cancel_token(void *op)
{
    store_token_cancel(op);
}

/* What to do with the token that was found. */
typedef void token_found(struct api_task *task, const json_t *record);

static void show(struct api_task *task, const json_t *record)
{
    static const struct err none = {.code = ERR_OK};
    api_task_reply(task, &none, token_json(record));
}

static token_found *found_of(const struct api_task *task)
{
    bool wants_log = task->call->route->handler == api_token_log_get;
    return wants_log ? api_token_log_reply : show;
}

static void on_token(struct store_token_op *op ATTR_UNUSED, const struct err *err,
                     json_t *record, void *ctx)
{
    struct api_task *task = ctx;
    struct err told = *err;
    task->op = NULL;
    if (err->code == ERR_OK && task->call != NULL) {
        found_of(task)(task, record);
        return;
    }
    if (err->code == ERR_NOT_FOUND) {
        (void)err_set(&told, ERR_NOT_FOUND, "No such token");
    }
    api_task_reply(task, &told, NULL);
}

/* Not an id: perhaps the token itself. */
static void on_token_by_id(struct store_token_op *op, const struct err *err,
                           json_t *record, void *ctx)
{
    struct api_task *task = ctx;
    task->op = NULL;
    if (err->code == ERR_NOT_FOUND && task->call != NULL) {
        struct str text = json_get_str(task->call->params, "token");
        task->op = store_token_get_start(task->services->store, text, on_token, task);
        return;
    }
    on_token(op, err, record, task);
}

void api_token_get(struct api_call *call)
{
    struct api_task *task = api_task_new(call, cancel_token);
    task->op = store_token_get_by_id_start(
        task->services->store, json_get_str(call->params, "token"), on_token_by_id, task);
}

void api_token_log_get(struct api_call *call)
{
    api_token_get(call);
}

static void on_deleted(struct store_token_op *op ATTR_UNUSED, const struct err *err,
                       json_t *record ATTR_UNUSED, void *ctx)
{
    static const struct err none = {.code = ERR_OK};
    json_t *out = json_object();
    json_put_bool(out, "deleted", err->code == ERR_OK);
    api_task_reply(ctx, err->code == ERR_NOT_FOUND ? &none : err, out);
}

void api_token_delete(struct api_call *call)
{
    struct api_task *task = api_task_new(call, NULL);
    (void)store_token_delete_start(task->services->store,
                                   json_get_str(call->params, "token"), on_deleted, task);
}

/* --- issuing --- */

static void on_created(struct store_token_op *op ATTR_UNUSED, const struct err *err,
                       json_t *record, void *ctx)
{
    struct api_task *task = ctx;
    if (err->code == ERR_OK) {
        json_put_str(task->json, "id", json_get_str(record, "id"));
    }
    api_task_reply(task, err, json_incref(task->json));
}

void api_token_create(struct api_call *call)
{
    struct api_services *services = api_services_of(call);
    struct str account = json_get_str(call->body, "account");
    if (account.ptr != NULL && store_directory_get(services->store, account) == NULL) {
        api_reply_no_account(call);
        return;
    }
    char text[TOKEN_TEXT_SIZE];
    const char *key;
    json_t *value;
    json_t *record = json_object();
    json_object_foreach(call->body, key, value)
    {
        if (!json_is_null(value)) {
            json_put(record, key, json_incref(value));
        }
    }
    json_put_cstr(record, "remoteAddress", httpd_req_remote(call->req));
    struct api_task *task = api_task_new(call, NULL);
    (void)store_token_create_start(services->store, record, text, on_created, task);
    task->json = json_object();
    json_put_str(task->json, "token", str_from(text, TOKEN_TEXT_SIZE - 1));
    mem_wipe(text, sizeof text);
    json_decref(record);
}
