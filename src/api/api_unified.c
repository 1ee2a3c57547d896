/* One search in several accounts, one after the other; the newest of all come first.
 *
 *   accounts ─► [search of one ─► its newest are kept] … ─► page ─► reply */
#include "api_handlers.h"

#include "postrider/account/account_search.h"
#include "postrider/base/mem.h"

#include <stdlib.h>

enum {
    UNIFIED_ACCOUNTS_MAX = 100,
    UNIFIED_ROWS_MAX = ACCOUNT_PAGE_MAX /* up to the end of the page */
};

/* Members of task->json: accounts and paths as asked, search, found, unsearched. */
struct unified {
    struct api_task *task;
    size_t at; /* among the accounts */
    int64_t total, timeout_ms;
    uint32_t page, size;
    bool named; /* the accounts were: it matters if one cannot be searched */
};

static void cancel_call(void *op)
{
    account_call_cancel(op);
}

static json_t *part(const struct unified *u, const char *name)
{
    return json_object_get(u->task->json, name);
}

static int by_date(const void *va, const void *vb)
{
    json_t *const *a = va, *const *b = vb;
    struct str x = json_get_str(*a, "date"), y = json_get_str(*b, "date");
    int order = str_cmp(y.ptr != NULL ? y : STR(""), x.ptr != NULL ? x : STR(""));
    return order != 0 ? order
                      : str_cmp(json_get_str(*a, "account"), json_get_str(*b, "account"));
}

/* The newest ones up to the end of the page, in order. */
static void keep_newest(struct unified *u)
{
    const json_t *found = part(u, "found");
    size_t count = json_array_size(found), most = (size_t)(u->page + 1) * u->size;
    json_t **rows = mem_array(count + 1, sizeof *rows);
    json_t *kept = json_array();
    for (size_t i = 0; i < count; i++) {
        rows[i] = json_array_get(found, i);
    }
    qsort(rows, count, sizeof *rows, by_date);
    for (size_t i = 0; i < count && i < most; i++) {
        json_push(kept, json_incref(rows[i]));
    }
    mem_free(rows);
    json_put(u->task->json, "found", kept);
}

static void reply(struct unified *u)
{
    struct api_task *task = u->task;
    const json_t *found = part(u, "found");
    json_t *out = json_object(), *messages = json_array();
    for (size_t i = (size_t)u->page * u->size; i < json_array_size(found); i++) {
        json_push(messages, json_incref(json_array_get(found, i)));
    }
    json_put_int(out, "total", u->total);
    json_put_int(out, "page", u->page);
    json_put_int(out, "pages", (u->total + u->size - 1) / u->size);
    json_put(out, "accounts", json_incref(part(u, "accounts")));
    json_put(out, "paths", json_incref(part(u, "paths")));
    json_put(out, "messages", messages);
    if (u->named && json_array_size(part(u, "unsearched")) > 0) {
        json_put(out, "unsearched", json_incref(part(u, "unsearched")));
    }
    mem_free(u);
    api_task_reply(task, &(struct err){.code = ERR_OK}, out);
}

static const char *account_at(const struct unified *u)
{
    return json_string_value(json_array_get(part(u, "accounts"), u->at));
}

static void search_next(struct unified *u);

static void on_found(struct account_call *op, const struct err *err,
                     json_t *unused ATTR_UNUSED, void *ctx)
{
    struct unified *u = ctx;
    const char *account = account_at(u);
    json_t *message, *result ATTR_CLEANUP(json_cleanup) = account_call_value(op);
    size_t i;
    u->task->op = NULL;
    if (err->code == ERR_INVALID || u->task->call == NULL) {
        struct api_task *task = u->task;
        struct err why = *err;
        mem_free(u);
        api_task_reply(task, &why, why.code == ERR_OK ? json_null() : NULL);
        return;
    }
    if (err->code != ERR_OK) {
        json_push(part(u, "unsearched"), json_str_repaired(str_of(account)));
    }
    json_array_foreach(json_object_get(result, "messages"), i, message)
    {
        json_put_cstr(message, "account", account);
        json_push(part(u, "found"), json_incref(message));
    }
    u->total += json_get_int(result, "total", 0);
    u->at++;
    keep_newest(u);
    search_next(u);
}

/* Accounts that are not there hold nothing. */
static void search_next(struct unified *u)
{
    struct account *a = NULL;
    for (; u->at < json_array_size(part(u, "accounts")); u->at++) {
        a = accounts_get(u->task->services->accounts, str_of(account_at(u)));
        if (a != NULL) {
            break;
        }
    }
    if (a == NULL) {
        reply(u);
        return;
    }
    const struct account_search_params params = {
        .paths = part(u, "paths"),
        .search = part(u, "search"),
        .page = {.size = (u->page + 1) * u->size}};
    u->task->op = account_search_start(a, &params, u->timeout_ms, on_found, u);
}

/* Those asked for, else all; a new list. */
static json_t *accounts_of(struct api_call *call)
{
    struct store *store = api_services_of(call)->store;
    json_t *asked = json_object_get(call->body, "accounts");
    if (json_array_size(asked) > 0) {
        return json_incref(asked);
    }
    json_t *all = json_array();
    for (size_t i = 0; i < store_directory_count(store); i++) {
        json_push(all, json_str_repaired(str_of(store_directory_at(store, i)->id)));
    }
    return all;
}

void api_unified_search(struct api_call *call)
{
    static const struct err too_many = {
        .code = ERR_INVALID, .msg = "at most 100 accounts can be searched at once"};
    static const struct err too_far = {
        .code = ERR_INVALID,
        .msg = "only the first 1000 messages of several accounts can be shown"};
    int64_t page = json_get_int(call->query, "page", 0),
            size = json_get_int(call->query, "pageSize", 20);
    json_t *accounts = accounts_of(call);
    if ((page + 1) * size > UNIFIED_ROWS_MAX ||
        json_array_size(accounts) > UNIFIED_ACCOUNTS_MAX) {
        bool far = json_array_size(accounts) <= UNIFIED_ACCOUNTS_MAX;
        json_decref(accounts);
        api_reply_err(call, far ? &too_far : &too_many);
        return;
    }
    json_t *paths = json_object_get(call->body, "paths");
    struct unified *u = MEM_NEW(struct unified);
    *u = (struct unified){
        .timeout_ms = call->timeout_ms, .page = (uint32_t)page, .size = (uint32_t)size};
    u->task = api_task_new(call, cancel_call);
    u->task->json = json_object();
    json_put(u->task->json, "accounts", accounts);
    json_put(u->task->json, "paths",
             json_array_size(paths) > 0 ? json_incref(paths) : json_pack("[s]", "*"));
    json_put(u->task->json, "search", json_incref(json_object_get(call->body, "search")));
    json_put(u->task->json, "found", json_array());
    json_put(u->task->json, "unsearched", json_array());
    search_next(u);
}
