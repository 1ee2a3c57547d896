/* The rows of mailboxes: what comes in, what goes out. */
#include "api_handlers.h"
#include "api_rows.h"

/* --- list --- */

static const struct field_spec mailboxes_list_query[] = {
    F_BOOL("counters", FIELD_LOOSE, F_DEFAULT("false"),
           F_DOC("Also ask for the numbers of messages and unseen messages")),
};

static const struct field_spec mailbox_response_status_fields[] = {
    F_INT("messages", 0),
    F_INT("unseen", 0),
    F_STR("error", 0),
};

static const struct field_spec mailbox_response_item_fields[] = {
    F_STR("path", FIELD_REQUIRED, F_DOC("Mailbox path, or a special use such as \\Sent")),
    F_STR("id", 0, F_DOC("Id")),
    F_PART(api_rows_mailbox_name),
    F_BOOL("noSelect", 0),
    F_PART(api_rows_mailbox_purpose),
    F_INT("messages", FIELD_FALSE_OK),
    F_INT("uidNext", FIELD_FALSE_OK),
    F_OBJ("status", FIELD_UNKNOWN_OK, F_LABEL("MailboxResponseStatus"),
          F_FIELDS(mailbox_response_status_fields)),
};

static const struct field_spec mailboxes_filter_response_fields[] = {
    F_ARR("mailboxes", 0, F_LABEL("MailboxesList"),
          F_ITEM(F_OBJ(NULL, 0, F_LABEL("MailboxResponseItem"),
                       F_FIELDS(mailbox_response_item_fields))),
          F_DOC("Also list mailboxes")),
};

static const struct field_spec mailboxes_list_response =
    F_OBJ(NULL, 0, F_LABEL("MailboxesFilterResponse"),
          F_FIELDS(mailboxes_filter_response_fields));

/* --- create, change, delete --- */

static const struct field_spec mailbox_create_fields[] = {
    F_ARR("path", FIELD_SINGLE, F_LABEL("CreateMailboxPathInput"),
          F_ITEM(F_STR(NULL, 0, F_MAX_LEN(256))),
          F_DOC("Path of the mailbox, or the names of its levels")),
};

static const struct field_spec mailbox_create_body =
    F_OBJ(NULL, 0, F_LABEL("CreateMailbox"), F_FIELDS(mailbox_create_fields));

static const struct field_spec mailbox_row_path[] = {
    F_STR("path", FIELD_REQUIRED, F_DOC("Mailbox path, or a special use such as \\Sent")),
};

static const struct field_spec mailbox_row_id[] = {
    F_STR("mailboxId", 0, F_DOC("Id that the mail server gives it")),
};

static const struct field_spec mailbox_create_response_fields[] = {
    F_PART(mailbox_row_path),
    F_PART(mailbox_row_id),
    F_BOOL("created", 0, F_DOC("False: it was there before")),
};

static const struct field_spec mailbox_create_response = F_OBJ(
    NULL, 0, F_LABEL("CreateMailboxResponse"), F_FIELDS(mailbox_create_response_fields));

static const struct field_spec mailbox_modify_fields[] = {
    F_PART(mailbox_row_path),
    F_ARR("newPath", FIELD_SINGLE, F_LABEL("TargetMailboxPath"),
          F_ITEM(F_STR(NULL, 0, F_MAX_LEN(256))), F_DOC("Its new path")),
    F_BOOL("subscribed", 0),
};

static const struct field_dep mailbox_modify_deps[] = {
    {RELATION_OR, F_LIST("newPath", "subscribed")},
};

static const struct field_spec mailbox_modify_body =
    F_OBJ(NULL, 0, F_LABEL("ModifyMailbox"), F_FIELDS(mailbox_modify_fields),
          F_DEPS(mailbox_modify_deps));

static const struct field_spec mailbox_modify_response_fields[] = {
    F_STR("path", 0, F_DOC("Mailbox path, or a special use such as \\Sent")),
    F_STR("newPath", 0, F_DOC("Its new path")),
    F_PART(mailbox_row_id),
    F_BOOL("renamed", 0),
    F_BOOL("subscribed", 0),
};

static const struct field_spec mailbox_modify_response = F_OBJ(
    NULL, 0, F_LABEL("ModifyMailboxResponse"), F_FIELDS(mailbox_modify_response_fields));

static const struct field_spec mailbox_delete_response_fields[] = {
    F_PART(mailbox_row_path),
    F_PART(mailbox_row_id),
    F_BOOL("deleted", 0),
};

static const struct field_spec mailbox_delete_response = F_OBJ(
    NULL, 0, F_LABEL("DeleteMailboxResponse"), F_FIELDS(mailbox_delete_response_fields));

/* --- the routes --- */

const struct api_route api_mailbox_routes[API_MAILBOX_ROUTES] = {
    {.method = "GET",
     .path = "/v1/account/{account}/mailboxes",
     .operation_id = "getV1AccountAccountMailboxes",
     .tag = "Mailbox",
     .summary = "List the mailboxes of an account",
     .scope = "api",
     .action = "read",
     .group = "mailbox",
     ROUTE_PARAMS(api_row_account),
     ROUTE_QUERY(mailboxes_list_query),
     .response = &mailboxes_list_response,
     ROUTE_EXAMPLE(.reply = "{'mailboxes': [{'path': 'INBOX', 'delimiter': '/', "
                            "'name': 'INBOX', 'listed': true, 'subscribed': true, "
                            "'specialUse': '\\\\Inbox', 'messages': 2, 'uidNext': 3}]}"),
     .handler = api_mailboxes_list},
    {.method = "POST",
     .path = "/v1/account/{account}/mailbox",
     .operation_id = "postV1AccountAccountMailbox",
     .tag = "Mailbox",
     .summary = "Create a mailbox",
     .scope = "api",
     .action = "write",
     .group = "mailbox",
     ROUTE_PARAMS(api_row_account),
     .body = &mailbox_create_body,
     .response = &mailbox_create_response,
     ROUTE_EXAMPLE(.body = "{'path': 'Projects'}",
                   .reply = "{'path': 'Projects', 'created': true}"),
     .handler = api_mailbox_create},
    {.method = "PUT",
     .path = "/v1/account/{account}/mailbox",
     .operation_id = "putV1AccountAccountMailbox",
     .tag = "Mailbox",
     .summary = "Rename a mailbox, subscribe to it or unsubscribe from it",
     .scope = "api",
     .action = "write",
     .group = "mailbox",
     ROUTE_PARAMS(api_row_account),
     .body = &mailbox_modify_body,
     .response = &mailbox_modify_response,
     .handler = api_mailbox_modify},
    {.method = "DELETE",
     .path = "/v1/account/{account}/mailbox",
     .operation_id = "deleteV1AccountAccountMailbox",
     .tag = "Mailbox",
     .summary = "Delete a mailbox with its messages",
     .scope = "api",
     .action = "destructive",
     .group = "mailbox",
     ROUTE_PARAMS(api_row_account),
     ROUTE_QUERY(mailbox_row_path),
     .response = &mailbox_delete_response,
     .handler = api_mailbox_delete},
};
