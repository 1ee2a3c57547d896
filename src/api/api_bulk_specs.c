/* The rows of changes to many messages. */
#include "api_handlers.h"
#include "api_rows.h"

static const struct field_spec bulk_row_path[] = {
    F_STR("path", FIELD_EMPTY_ABSENT | FIELD_REQUIRED,
          F_DOC("Mailbox path, or a special use such as \\Sent")),
};

static const struct field_spec bulk_row_target[] = {
    F_STR("path", FIELD_REQUIRED, F_DOC("Mailbox path, or a special use such as \\Sent")),
};

/* --- flags and labels --- */

static const struct field_spec bulk_update_fields[] = {
    F_PART(api_row_search),
    F_OBJ("update", 0, F_LABEL("MessageUpdate"), F_FIELDS(api_rows_message_update)),
};

static const struct field_spec bulk_update_body =
    F_OBJ(NULL, 0, F_LABEL("MessagesUpdateRequest"), F_FIELDS(bulk_update_fields));

static const struct field_spec bulk_done[] = {
    F_ANY("add", 0, F_DOC("To be added")),
    F_ANY("delete", 0, F_DOC("To be removed")),
    F_ANY("set", 0, F_DOC("To replace all")),
};

static const struct field_spec bulk_update_response_fields[] = {
    F_OBJ("flags", 0, F_LABEL("BulkFlagUpdateResponse"), F_FIELDS(bulk_done),
          F_DOC("Flags")),
    F_OBJ("labels", 0, F_LABEL("BulkLabelUpdateResponse"), F_FIELDS(bulk_done),
          F_DOC("Labels")),
    F_ARR("emailIds", 0, F_LABEL("BulkUpdatedEmailIds"),
          F_ITEM(F_STR(NULL, 0, F_MAX_LEN(256)))),
};

static const struct field_spec bulk_update_response = F_OBJ(
    NULL, 0, F_LABEL("BulkMessageUpdateResponse"), F_FIELDS(bulk_update_response_fields));

/* --- move --- */

static const struct field_spec bulk_move_fields[] = {
    F_PART(api_row_search),
    F_PART(bulk_row_target),
};

static const struct field_spec bulk_move_body =
    F_OBJ(NULL, 0, F_LABEL("MessagesMoveRequest"), F_FIELDS(bulk_move_fields));

static const struct field_spec bulk_id_map[] = {
    F_ARR("idMap", 0, F_LABEL("IdMapArray"),
          F_ITEM(F_ARR(NULL, 0, F_LABEL("IdMapTuple"),
                       F_ITEM(F_STR(NULL, FIELD_REQUIRED, F_MAX_LEN(256))))),
          F_DOC("Pairs of the id before and after")),
};

static const struct field_spec bulk_move_response_fields[] = {
    F_PART(bulk_row_target),
    F_PART(bulk_id_map),
    F_ARR("emailIds", FIELD_NULLABLE, F_LABEL("MovedEmailIdsArray"),
          F_ITEM(F_STR(NULL, 0, F_MAX_LEN(256)))),
};

static const struct field_spec bulk_move_response =
    F_OBJ(NULL, 0, F_LABEL("MessagesMoveResponse"), F_FIELDS(bulk_move_response_fields));

/* --- delete --- */

static const struct field_spec bulk_delete_query[] = {
    F_PART(bulk_row_path),
    F_BOOL("force", FIELD_LOOSE, F_DEFAULT("false"), F_DOC("Delete also outside Trash")),
};

static const struct field_spec bulk_delete_fields[] = {
    F_PART(api_row_search),
};

static const struct field_spec bulk_delete_body =
    F_OBJ(NULL, 0, F_LABEL("MessagesDeleteRequest"), F_FIELDS(bulk_delete_fields));

static const struct field_spec bulk_trashed_fields[] = {
    F_STR("destination", FIELD_REQUIRED),
    F_PART(bulk_id_map),
    F_ARR("emailIds", 0, F_LABEL("TrashedEmailIdsArray"),
          F_ITEM(F_STR(NULL, 0, F_MAX_LEN(256)))),
};

static const struct field_spec bulk_deleted_fields[] = {
    F_ARR("emailIds", 0, F_LABEL("DeletedEmailIdsArray"),
          F_ITEM(F_STR(NULL, 0, F_MAX_LEN(256)))),
};

static const struct field_spec bulk_delete_response_fields[] = {
    F_BOOL("deleted", 0),
    F_OBJ("moved", 0, F_LABEL("MessagesMovedToTrash"), F_FIELDS(bulk_trashed_fields)),
    F_OBJ("deletedMessages", 0, F_LABEL("MessagesDeleted"),
          F_FIELDS(bulk_deleted_fields)),
};

static const struct field_spec bulk_delete_response = F_OBJ(
    NULL, 0, F_LABEL("MessagesDeleteResponse"), F_FIELDS(bulk_delete_response_fields));

/* --- the routes --- */

const struct api_route api_bulk_routes[API_BULK_ROUTES] = {
    {.method = "PUT",
     .path = "/v1/account/{account}/messages",
     .operation_id = "putV1AccountAccountMessages",
     .tag = "Multi Message Actions",
     .summary = "Change flags and labels of all messages that a search finds",
     .scope = "api",
     .action = "write",
     .group = "message",
     ROUTE_PARAMS(api_row_account),
     ROUTE_QUERY(bulk_row_path),
     .body = &bulk_update_body,
     .response = &bulk_update_response,
     .handler = api_messages_update},
    {.method = "PUT",
     .path = "/v1/account/{account}/messages/move",
     .operation_id = "putV1AccountAccountMessagesMove",
     .tag = "Multi Message Actions",
     .summary = "Move all messages that a search finds",
     .scope = "api",
     .action = "write",
     .group = "message",
     ROUTE_PARAMS(api_row_account),
     ROUTE_QUERY(bulk_row_path),
     .body = &bulk_move_body,
     .response = &bulk_move_response,
     .handler = api_messages_move},
    {.method = "PUT",
     .path = "/v1/account/{account}/messages/delete",
     .operation_id = "putV1AccountAccountMessagesDelete",
     .tag = "Multi Message Actions",
     .summary = "Move all messages that a search finds to Trash, or delete them",
     .scope = "api",
     .action = "destructive",
     .group = "message",
     ROUTE_PARAMS(api_row_account),
     ROUTE_QUERY(bulk_delete_query),
     .body = &bulk_delete_body,
     .response = &bulk_delete_response,
     .handler = api_messages_delete},
};
