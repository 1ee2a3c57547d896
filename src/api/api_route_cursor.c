/* Webhook routes as readers of the log: how far they are, and moving them. */
#include "api_handlers.h"

#include "postrider/changelog/cursor.h"

#include <stdio.h>

/* --- how far they are --- */

static json_t *route_json(const struct webhooks *w, const struct changelog_reader *r)
{
    struct changelog_stats stats = {0};
    changelog_reader_stats(r, &stats);
    json_t *out = json_object();
    json_put_cstr(out, "id", changelog_reader_name(r));
    json_put_bool(out, "enabled", changelog_reader_is_enabled(r));
    json_put_int(out, "accountsBehind", (int64_t)(stats.waiting + stats.active));
    if (stats.oldest_ms > 0) {
        json_put_time(out, "oldestUndelivered", stats.oldest_ms);
    } else {
        json_put(out, "oldestUndelivered", json_null());
    }
    json_put_int(out, "done", (int64_t)stats.done);
    json_put_int(out, "retries", (int64_t)stats.retries);
    json_put_int(out, "failed", (int64_t)stats.dead);
    json_put_int(out, "unreadable", (int64_t)stats.unreadable);
    json_put_int(out, "gaps", (int64_t)stats.gaps);
    (void)webhooks_route_describe(w, str_of(changelog_reader_name(r)), out);
    return out;
}

void api_routes_list(struct api_call *call)
{
    const struct api_services *services = api_services_of(call);
    const struct changelog *c = services->changelog;
    json_t *routes = json_array();
    for (size_t i = 0; i < changelog_reader_count(c); i++) {
        json_push(routes, route_json(services->webhooks, changelog_reader_at(c, i)));
    }
    json_t *out = json_object();
    json_put(out, "routes", routes);
    api_reply_json(call, 200, out);
}

/* --- moving them --- */

static void on_moved(struct store_replay *op ATTR_UNUSED, const struct err *err,
                     size_t moved, void *ctx)
{
    struct api_task *task = ctx;
    if (err->code == ERR_OK && moved == 0 && json_has(task->json, "account")) {
        api_task_reply(task, &api_no_account, NULL);
        return;
    }
    json_t *out = json_incref(task->json);
    json_put_int(out, "accounts", (int64_t)moved);
    api_task_reply(task, err, out);
}

/* Where to: exactly one of three members, as the row says. */
static bool take_place(const json_t *body, const struct store_acct *acct,
                       char out[STORE_ENTRY_ID_SIZE], struct err *err)
{
    struct str position = json_get_str(body, "position");
    struct str entry = json_get_str(body, "after");
    int64_t ms = 0;
    if (position.ptr != NULL) {
        bool start = str_eq_c(position, "start");
        (void)snprintf(out, STORE_ENTRY_ID_SIZE, "%s",
                       start ? STORE_CURSOR_START : STORE_CURSOR_END);
        return true;
    }
    if (json_get_time(body, "time", &ms)) {
        return changelog_place_of_time(ms, out, err);
    }
    return changelog_place_parse(acct, entry, out, err);
}

void api_route_cursor_set(struct api_call *call)
{
    static const struct err no_route = {.code = ERR_NOT_FOUND,
                                        .msg = "There is no route with this id"};
    struct api_services *services = api_services_of(call);
    struct str route = json_get_str(call->params, "route");
    struct str account = json_get_str(call->body, "account");
    struct changelog_reader *r = changelog_reader_find(services->changelog, route);
    struct store_acct acct = {0};
    struct err err = {0};
    char place[STORE_ENTRY_ID_SIZE];
    if (r == NULL) {
        api_reply_err(call, &no_route);
        return;
    }
    if (account.ptr != NULL) {
        store_acct_init(services->store, &acct, account);
    }
    if (!take_place(call->body, &acct, place, &err)) {
        api_reply_err(call, &err);
    } else {
        struct api_task *task = api_task_new(call, NULL);
        task->json = json_object();
        json_put_cstr(task->json, "route", changelog_reader_name(r));
        json_put_str(task->json, "account", account);
        (void)store_replay_start(services->store, account.ptr != NULL ? &acct : NULL,
                                 changelog_reader_name(r), place, on_moved, task);
    }
    store_acct_fini(&acct);
}
