/* Lists of recipients that do not want mail. */
#include "api_handlers.h"
#include "api_rows.h"

#include "postrider/store/store_blocklist.h"

/* --- rows --- */

static const struct field_spec list_params[] = {
    F_STR("listId", FIELD_REQUIRED, F_FORMAT(HOSTNAME), F_DOC("Name of the list")),
};

static const struct field_spec list_id[] = {
    F_STR("listId", FIELD_REQUIRED, F_MAX_LEN(256), F_DOC("Name of the list")),
};

static const struct field_spec entry_fields[] = {
    F_STR("recipient", FIELD_REQUIRED, F_FORMAT(EMAIL), F_DOC("Address")),
    F_PART(api_row_account),
    F_STR("messageId", 0, F_DOC("Message whose link was followed")),
    F_STR("source", 0, F_DOC("How the entry came: api, form, one-click")),
    F_STR("reason", 0, F_DOC("Why")),
    F_STR("remoteAddress", 0, F_CHECK(api_check_network), F_DOC("Who asked for it")),
    F_STR("userAgent", 0, F_DOC("With which program")),
    F_STR("created", FIELD_REQUIRED, F_FORMAT(DATE_TIME), F_DOC("When")),
};

static const struct field_spec list_response_fields[] = {
    F_PART(list_id),
    F_PART(api_rows_pages),
    F_ARR("addresses", 0, F_LABEL("BlocklistListEntries"),
          F_ITEM(F_OBJ(NULL, 0, F_LABEL("BlocklistListResponseItem"),
                       F_FIELDS(entry_fields)))),
};

static const struct field_spec list_response =
    F_OBJ(NULL, 0, F_LABEL("BlocklistListResponse"), F_FIELDS(list_response_fields));

static const struct field_spec add_fields[] = {
    F_PART(api_row_account),
    F_STR("recipient", FIELD_REQUIRED | FIELD_EMPTY_ABSENT, F_FORMAT(EMAIL),
          F_DOC("Address")),
    F_STR("reason", FIELD_EMPTY_ABSENT, F_DEFAULT("\"block\""), F_DOC("Why")),
};

static const struct field_spec add_body =
    F_OBJ(NULL, 0, F_LABEL("BlocklistListAddPayload"), F_FIELDS(add_fields));

static const struct field_spec add_response_fields[] = {
    F_BOOL("success", 0),
    F_BOOL("added", 0, F_DOC("False if it was on the list before")),
};

static const struct field_spec add_response =
    F_OBJ(NULL, 0, F_LABEL("BlocklistListAddResponse"), F_FIELDS(add_response_fields));

static const struct field_spec delete_query[] = {
    F_STR("recipient", FIELD_REQUIRED | FIELD_EMPTY_ABSENT, F_FORMAT(EMAIL),
          F_DOC("Address")),
};

static const struct field_spec delete_response_fields[] = {
    F_BOOL("deleted", FIELD_LOOSE, F_DEFAULT("true")),
};

static const struct field_spec delete_response =
    F_OBJ(NULL, 0, F_LABEL("DeleteBlocklistResponse"), F_FIELDS(delete_response_fields));

static const struct field_spec lists_item_fields[] = {
    F_PART(list_id),
    F_INT("count", 0, F_DOC("Addresses on the list")),
};

static const struct field_spec lists_response_fields[] = {
    F_PART(api_rows_pages),
    F_ARR("blocklists", 0, F_LABEL("BlocklistsEntries"),
          F_ITEM(F_OBJ(NULL, 0, F_LABEL("BlocklistsResponseItem"),
                       F_FIELDS(lists_item_fields)))),
};

static const struct field_spec lists_response =
    F_OBJ(NULL, 0, F_LABEL("BlocklistsResponse"), F_FIELDS(lists_response_fields));

/* --- handlers --- */

static void cancel(void *op)
{
    store_blocklist_cancel(op);
}

static struct str list_of(const struct api_call *call)
{
    return json_get_str(call->params, "listId");
}

static void on_list(struct store_blocklist *op ATTR_UNUSED, const struct err *err,
                    json_t *rows, size_t total, void *ctx)
{
    struct api_task *task = ctx;
    json_t *out = NULL;
    if (task->call != NULL && err->code == ERR_OK) {
        out = api_page_new(task->call, total);
        json_put_str(out, "listId", list_of(task->call));
        json_put(out, "addresses", json_incref(rows));
    }
    api_task_reply(task, err, out);
}

void api_blocklist_get(struct api_call *call)
{
    struct api_task *task = api_task_new(call, cancel);
    size_t count = 0;
    size_t first = api_page_first(call, &count);
    task->op = store_blocklist_read_start(task->services->store, list_of(call), first,
                                          count, on_list, task);
}

static void on_lists(struct store_blocklist *op ATTR_UNUSED, const struct err *err,
                     json_t *rows, size_t total, void *ctx)
{
    struct api_task *task = ctx;
    json_t *out = NULL;
    if (task->call != NULL && err->code == ERR_OK) {
        out = api_page_new(task->call, total);
        json_put(out, "blocklists", json_incref(rows));
    }
    api_task_reply(task, err, out);
}

void api_blocklists_list(struct api_call *call)
{
    struct api_task *task = api_task_new(call, cancel);
    size_t count = 0;
    size_t first = api_page_first(call, &count);
    task->op =
        store_blocklists_start(task->services->store, first, count, on_lists, task);
}

static void on_added(struct store_blocklist *op ATTR_UNUSED, const struct err *err,
                     json_t *rows ATTR_UNUSED, size_t total, void *ctx)
{
    json_t *out = json_object();
    json_put_bool(out, "success", true);
    json_put_bool(out, "added", total > 0);
    api_task_reply(ctx, err, out);
}

void api_blocklist_add(struct api_call *call)
{
    struct api_services *services = api_services_of(call);
    if (store_directory_get(services->store, json_get_str(call->body, "account")) ==
        NULL) {
        api_reply_no_account(call);
        return;
    }
    json_t *record = json_copy(call->body);
    json_put_cstr(record, "source", "api");
    json_put_cstr(record, "remoteAddress", httpd_req_remote(call->req));
    json_put_cstr(record, "userAgent", httpd_req_header(call->req, "User-Agent"));
    struct api_task *task = api_task_new(call, NULL);
    (void)store_blocklist_add_start(services->store, list_of(call), record, on_added,
                                    task);
    json_decref(record);
}

static void on_deleted(struct store_blocklist *op ATTR_UNUSED, const struct err *err,
                       json_t *rows ATTR_UNUSED, size_t total, void *ctx)
{
    json_t *out = json_object();
    json_put_bool(out, "deleted", total > 0);
    api_task_reply(ctx, err, out);
}

void api_blocklist_delete(struct api_call *call)
{
    struct api_task *task = api_task_new(call, NULL);
    (void)store_blocklist_delete_start(task->services->store, list_of(call),
                                       json_get_str(call->query, "recipient"), on_deleted,
                                       task);
}

const struct api_route api_blocklist_routes[API_BLOCKLIST_ROUTES] = {
    {.method = "GET",
     .path = "/v1/blocklists",
     .operation_id = "getV1Blocklists",
     .tag = "Blocklists",
     .summary = "List the block lists",
     .scope = "api",
     .action = "read",
     .group = "blocklist",
     ROUTE_QUERY(api_rows_page),
     .response = &lists_response,
     ROUTE_EXAMPLE(.reply = "{'total': 1, 'page': 0, 'pages': 1, 'blocklists': "
                            "[{'listId': 'news.example.com', 'count': 1}]}"),
     .handler = api_blocklists_list},
    {.method = "GET",
     .path = "/v1/blocklist/{listId}",
     .operation_id = "getV1BlocklistListid",
     .tag = "Blocklists",
     .summary = "List the addresses on a block list",
     .scope = "api",
     .action = "read",
     .group = "blocklist",
     ROUTE_PARAMS(list_params),
     ROUTE_QUERY(api_rows_page),
     .response = &list_response,
     ROUTE_EXAMPLE(.reply = "{'total': 1, 'page': 0, 'pages': 1, 'listId': "
                            "'news.example.com', 'addresses': [{'recipient': "
                            "'bob@example.com', 'account': 'example', 'reason': "
                            "'block', 'source': 'api', 'created': "
                            "'2026-01-31T12:00:00.000Z'}]}"),
     .handler = api_blocklist_get},
    {.method = "POST",
     .path = "/v1/blocklist/{listId}",
     .operation_id = "postV1BlocklistListid",
     .tag = "Blocklists",
     .summary = "Put an address on a block list",
     .scope = "api",
     .action = "write",
     .group = "blocklist",
     ROUTE_PARAMS(list_params),
     .body = &add_body,
     .response = &add_response,
     ROUTE_EXAMPLE(.body = "{'account': 'example', 'recipient': 'bob@example.com'}",
                   .reply = "{'success': true, 'added': true}"),
     .handler = api_blocklist_add},
    {.method = "DELETE",
     .path = "/v1/blocklist/{listId}",
     .operation_id = "deleteV1BlocklistListid",
     .tag = "Blocklists",
     .summary = "Take an address off a block list",
     .scope = "api",
     .action = "destructive",
     .group = "blocklist",
     ROUTE_PARAMS(list_params),
     ROUTE_QUERY(delete_query),
     .response = &delete_response,
     ROUTE_EXAMPLE(.reply = "{'deleted': true}"),
     .handler = api_blocklist_delete},
};
