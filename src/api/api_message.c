#include "api_handlers.h"
#include "postrider/account/account_message.h"
#include "postrider/base/codec.h"

static void cancel_call(void *op)
{
    account_call_cancel(op);
}

static void on_result(struct account_call *op ATTR_UNUSED, const struct err *err,
                      json_t *result, void *ctx)
{
    api_task_reply(ctx, err, json_incref(result));
}

static void on_text(struct account_call *op, const struct err *err,
                    json_t *result ATTR_UNUSED, void *ctx)
{
    struct buf text;
    account_call_take_text(op, &text);
    api_task_reply_text(ctx, err, &text);
}

static struct str message_id(const struct api_call *call)
{
    return json_get_str(call->params, "message");
}

/* --- listing --- */

/* "imap_" and base64url of {"page": n}, as the listing itself makes it. */
static bool cursor_page(struct str cursor, int64_t *page_out)
{
    static const char prefix[] = "imap_";
    enum {
        CURSOR_TEXT_MAX = 256
    };
    struct buf text = BUF_INIT(CURSOR_TEXT_MAX);
    json_t *json ATTR_CLEANUP(json_cleanup) = NULL;
    int64_t page = -1;
    if (str_has_prefix(cursor, prefix) &&
        base64url_decode(&text, str_tail(cursor, sizeof prefix - 1)) &&
        json_parse_strict(buf_str(&text), CURSOR_TEXT_MAX, &json, NULL)) {
        page = json_get_int(json, "page", -1);
    }
    buf_fini(&text);
    if (page < 0 || page > INT32_MAX) {
        return false;
    }
    *page_out = page;
    return true;
}

void api_messages_list(struct api_call *call)
{
    struct str cursor = json_get_str(call->query, "cursor");
    int64_t page = json_get_int(call->query, "page", 0);
    if (cursor.ptr != NULL && !cursor_page(cursor, &page)) {
        api_reply_invalid_field(call, "cursor", "\"cursor\" is not one of this list");
        return;
    }
    struct account *a = api_account_find(call);
    if (a == NULL) {
        return;
    }
    const struct account_list_params params = {
        .path = json_get_str(call->query, "path"),
        .page = (uint32_t)page,
        .page_size = (uint32_t)json_get_int(call->query, "pageSize", 20)};
    struct api_task *task = api_task_new(call, cancel_call);
    task->op = account_messages_list_start(a, &params, call->timeout_ms, on_text, task);
}

/* --- one message --- */

static enum account_text_type text_type(const struct api_call *call)
{
    static const struct {
        const char *name;
        enum account_text_type type;
    } types[] = {{"*", ACCOUNT_TEXT_ALL},
                 {"plain", ACCOUNT_TEXT_PLAIN},
                 {"html", ACCOUNT_TEXT_HTML}};
    struct str name = json_get_str(call->query, "textType");
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        if (str_eq_c(name, types[i].name)) {
            return types[i].type;
        }
    }
    /* Clean HTML is asked for: then the text is wanted too. */
    return json_get_bool(call->query, "webSafeHtml", false) ? ACCOUNT_TEXT_ALL
                                                            : ACCOUNT_TEXT_NONE;
}

static struct account_get_params get_params(const struct api_call *call, struct str id)
{
    bool web_safe = json_get_bool(call->query, "webSafeHtml", false);
    return (struct account_get_params){
        .id = id,
        .text = text_type(call),
        .max_bytes = (size_t)json_get_int(call->query, "maxBytes", 0),
        .mark_seen = json_get_bool(call->query, "markAsSeen", false),
        .web_safe = web_safe,
        .fold_quotes = web_safe || json_get_bool(call->query, "preProcessHtml", false),
        .embed_images =
            web_safe || json_get_bool(call->query, "embedAttachedImages", false)};
}

void api_message_get(struct api_call *call)
{
    struct account *a = api_account_find(call);
    if (a == NULL) {
        return;
    }
    const struct account_get_params params = get_params(call, message_id(call));
    struct api_task *task = api_task_new(call, cancel_call);
    task->op = account_message_get_start(a, &params, call->timeout_ms, on_result, task);
}

void api_text_get(struct api_call *call)
{
    struct account *a = api_account_find(call);
    if (a == NULL) {
        return;
    }
    const struct account_get_params params =
        get_params(call, json_get_str(call->params, "text"));
    struct api_task *task = api_task_new(call, cancel_call);
    task->op = account_text_get_start(a, &params, call->timeout_ms, on_result, task);
}

void api_message_update(struct api_call *call)
{
    struct account *a = api_account_find(call);
    if (a == NULL) {
        return;
    }
    struct api_task *task = api_task_new(call, cancel_call);
    task->op = account_message_update_start(a, message_id(call), call->body,
                                            call->timeout_ms, on_result, task);
}

void api_message_delete(struct api_call *call)
{
    struct account *a = api_account_find(call);
    if (a == NULL) {
        return;
    }
    bool force = json_get_bool(call->query, "force", false);
    struct api_task *task = api_task_new(call, cancel_call);
    task->op = account_message_delete_start(a, message_id(call), force, call->timeout_ms,
                                            on_result, task);
}

void api_message_move(struct api_call *call)
{
    struct account *a = api_account_find(call);
    if (a == NULL) {
        return;
    }
    struct str path = json_get_str(call->body, "path");
    struct api_task *task = api_task_new(call, cancel_call);
    task->op = account_message_move_start(a, message_id(call), path, call->timeout_ms,
                                          on_result, task);
}
