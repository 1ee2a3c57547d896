/* The log of what a token was used for, kept while the setting tokenAuditLog is on. */
#include "api_handlers.h"
#include "api_rows.h"
#include "postrider/base/clock.h"
#include "postrider/store/store_journal.h"
#include "postrider/store/store_settings.h"

enum {
    KEPT = 1000,
    ENTRY_MAX = 8 * 1024
};

/* --- writing --- */

void api_token_log_add(struct store *s, const json_t *record,
                       const struct api_token_use *use, const struct err *refusal)
{
    struct str id = json_get_str(record, "id");
    if (id.ptr == NULL || !json_is_true(store_setting(s, "tokenAuditLog"))) {
        return;
    }
    const struct api_route *route = use->route;
    json_t *entry = json_object();
    bool ok = refusal->code == ERR_OK;
    json_put_time(entry, "time", use->now_ms);
    json_put_cstr(entry, "ip", use->remote);
    json_put_cstr(entry, "method", route->method);
    json_put_cstr(entry, "path", route->path);
    json_put_cstr(entry, "action", route->action);
    json_put_cstr(entry, "group", route->group);
    json_put_str(entry, "account", use->account);
    json_put_cstr(entry, "status", ok ? "allowed" : "denied");
    json_put(entry, "reason", ok ? json_null() : json_str_repaired(str_of(refusal->msg)));
    struct buf text = BUF_INIT(ENTRY_MAX);
    if (json_emit(entry, &text)) {
        struct str line = buf_str(&text);
        store_journal_append(s, STORE_JOURNAL_TOKEN, id, &line, 1, KEPT);
    }
    buf_fini(&text);
    json_decref(entry);
}

/* --- reading --- */

static const struct field_spec entry_fields[] = {
    F_STR("time", 0, F_FORMAT(DATE_TIME), F_DOC("When")),
    F_STR("ip", FIELD_NULLABLE | FIELD_EMPTY_ABSENT | FIELD_TRIM, F_FORMAT(IP),
          F_DOC("From where")),
    F_STR("method", FIELD_NULLABLE, F_DOC("Method of the request")),
    F_STR("path", FIELD_NULLABLE, F_DOC("Path of the operation, with names for values")),
    F_STR("action", FIELD_NULLABLE, F_DOC("Action that the operation needs")),
    F_STR("group", FIELD_NULLABLE, F_DOC("Group of the operation")),
    F_STR("account", FIELD_NULLABLE | FIELD_EMPTY_ABSENT | FIELD_TRIM, F_MAX_LEN(256),
          F_DOC("Account it was about")),
    F_STR("status", 0, F_ENUM("allowed", "denied"), F_DOC("Whether the token sufficed")),
    F_STR("reason", FIELD_NULLABLE, F_DOC("Why it did not")),
};

static const struct field_spec response_fields[] = {
    F_STR("token", 0, F_LEN(64), F_FORMAT(HEX), F_DOC("Id of the token")),
    F_PART(api_rows_pages),
    F_ARR("entries", 0, F_LABEL("TokenLogEntries"),
          F_ITEM(F_OBJ(NULL, 0, F_LABEL("TokenLogEntry"), F_FIELDS(entry_fields)))),
};

const struct field_spec api_token_log_response =
    F_OBJ(NULL, 0, F_LABEL("TokenLogResponse"), F_FIELDS(response_fields));

const struct field_spec api_token_log_query[2] = {
    F_INT("page", 0, F_RANGE(0, 1048576), F_DEFAULT("0"), F_DOC("Page, from 0")),
    F_INT("pageSize", 0, F_RANGE(1, 200), F_DEFAULT("20"), F_DOC("Rows a page")),
};

static void cancel_read(void *op)
{
    store_journal_cancel(op);
}

static void on_entries(struct store_journal *op ATTR_UNUSED, const struct err *err,
                       const struct str *entries, size_t count, size_t total, void *ctx)
{
    struct api_task *task = ctx;
    json_t *out = NULL;
    if (task->call != NULL && err->code == ERR_OK) {
        json_t *rows = json_array();
        for (size_t i = 0; i < count; i++) {
            json_t *row = NULL;
            if (json_parse_strict(entries[i], ENTRY_MAX, &row, NULL)) {
                json_push(rows, row);
            }
        }
        out = api_page_new(task->call, total);
        json_put(out, "token", json_incref(task->json));
        json_put(out, "entries", rows);
    }
    api_task_reply(task, err, out);
}

void api_token_log_reply(struct api_task *task, const json_t *record)
{
    struct str id = json_get_str(record, "id");
    size_t count = 0;
    size_t first = api_page_first(task->call, &count);
    task->json = json_str_repaired(id);
    task->cancel = cancel_read;
    task->op = store_journal_read_start(
        task->services->store,
        &(struct store_journal_range){.kind = STORE_JOURNAL_TOKEN,
                                      .name = id,
                                      .first = first,
                                      .count = count,
                                      .newest_first = true},
        on_entries, task);
}
