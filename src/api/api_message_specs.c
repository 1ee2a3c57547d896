/* The rows of messages: what comes in, what goes out. */
#include "api_handlers.h"
#include "api_rows.h"

static const struct field_spec document_store[] = {
    F_BOOL("documentStore", FIELD_EMPTY_ABSENT | FIELD_UNDOCUMENTED | FIELD_LOOSE,
           F_DEFAULT("false"), F_DOC("Accepted and ignored")),
};

static const struct field_spec messages_list_query[] = {
    F_STR("path", FIELD_REQUIRED, F_DOC("Mailbox path, or a special use such as \\Sent")),
    F_STR("cursor", FIELD_EMPTY_ABSENT | FIELD_TRIM, F_MAX_LEN(1048576),
          F_DOC("Value of nextPageCursor or prevPageCursor")),
    F_PART(api_rows_page),
    F_PART(document_store),
};

static const struct field_spec from_address_response_fields[] = {
    F_STR("name", FIELD_EMPTY_ABSENT | FIELD_TRIM, F_MAX_LEN(256), F_DOC("Shown name")),
    F_STR("address", FIELD_EMPTY_OK),
};

static const struct field_spec attachment_entry_fields[] = {
    F_STR("id", 0, F_DOC("Id")), F_STR("contentType", 0), F_INT("encodedSize", 0),
    F_BOOL("embedded", 0),       F_BOOL("inline", 0),     F_BOOL("encodedInMessage", 0),
    F_STR("contentId", 0),       F_STR("filename", 0),    F_STR("method", 0),
};

static const struct field_spec text_encoded_size_fields[] = {
    F_INT("plain", 0),
    F_INT("html", 0),
};

static const struct field_spec text_info_fields[] = {
    F_STR("id", 0, F_DOC("Id")),
    F_OBJ("encodedSize", 0, F_LABEL("TextEncodedSize"),
          F_FIELDS(text_encoded_size_fields)),
};

static const struct field_spec bounce_response_fields[] = {
    F_STR("message", 0, F_DOC("Id of the message")),
    F_STR("status", 0),
};

static const struct field_spec bounce_entry_fields[] = {
    F_STR("message", FIELD_REQUIRED, F_MAX_LEN(256), F_DOC("Id of the message")),
    F_STR("recipient", 0, F_FORMAT(EMAIL)),
    F_STR("action", 0),
    F_OBJ("response", 0, F_LABEL("BounceResponse"), F_FIELDS(bounce_response_fields)),
    F_STR("date", 0, F_FORMAT(DATE_TIME)),
};

/* --- rows of a message, in lists and alone --- */

static const struct field_spec message_head[] = {
    F_STR("id", 0, F_DOC("Id")),
    F_INT("uid", 0),
    F_STR("emailId", 0, F_MAX_LEN(256)),
    F_STR("threadId", 0),
    F_STR("path", 0, F_DOC("Mailbox path, or a special use such as \\Sent")),
    F_STR("date", 0, F_FORMAT(DATE_TIME)),
    F_BOOL("draft", 0),
    F_BOOL("unseen", 0),
    F_BOOL("flagged", 0),
    F_BOOL("answered", 0),
    F_INT("size", 0),
    F_STR("subject", FIELD_EMPTY_OK),
    F_OBJ("from", 0, F_LABEL("FromAddressResponse"),
          F_FIELDS(from_address_response_fields)),
};

static const struct field_spec message_reply_to[] = {
    F_ARR("replyTo", 0, F_LABEL("AddressList"),
          F_ITEM(F_OBJ(NULL, 0, F_LABEL("RcptAddressEntry"),
                       F_FIELDS(from_address_response_fields)))),
};

static const struct field_spec message_to_cc[] = {
    F_ARR("to", 0, F_LABEL("AddressList"),
          F_ITEM(F_OBJ(NULL, 0, F_LABEL("RcptAddressEntry"),
                       F_FIELDS(from_address_response_fields)))),
    F_ARR("cc", 0, F_LABEL("AddressList"),
          F_ITEM(F_OBJ(NULL, 0, F_LABEL("RcptAddressEntry"),
                       F_FIELDS(from_address_response_fields)))),
};

static const struct field_spec message_mid[] = {
    F_STR("messageId", 0),
    F_STR("inReplyTo", 0),
    F_ARR("flags", 0, F_LABEL("FlagList"), F_ITEM(F_STR(NULL, 0)), F_DOC("Flags")),
    F_ARR("labels", 0, F_LABEL("LabelList"), F_ITEM(F_STR(NULL, 0)), F_DOC("Labels")),
    F_ARR("attachments", 0, F_LABEL("AttachmentList"),
          F_ITEM(F_OBJ(NULL, 0, F_LABEL("AttachmentEntry"),
                       F_FIELDS(attachment_entry_fields)))),
};

static const struct field_spec message_preview[] = {
    F_STR("preview", 0),
    F_STR("category", 0, F_ENUM("primary", "social", "promotions", "updates", "forums")),
};

static const struct field_spec message_special_use[] = {
    F_STR("messageSpecialUse", 0,
          F_ENUM("\\Drafts", "\\Junk", "\\Sent", "\\Trash", "\\Inbox")),
};

static const struct field_spec message_bounces[] = {
    F_ARR("bounces", 0, F_LABEL("BounceList"),
          F_ITEM(F_OBJ(NULL, 0, F_LABEL("BounceEntry"), F_FIELDS(bounce_entry_fields)))),
};

const struct field_spec api_rows_message_entry[9] = {
    F_PART(message_head),
    F_PART(message_reply_to),
    F_PART(message_to_cc),
    F_PART(message_mid),
    F_OBJ("text", 0, F_LABEL("TextInfo"), F_FIELDS(text_info_fields),
          F_DOC("Id of the text")),
    F_PART(message_preview),
    F_PART(message_special_use),
    F_BOOL("isAutoReply", 0),
    F_PART(message_bounces),
};

static const struct field_spec message_list_fields[] = {
    F_PART(api_rows_pages),
    F_STR("nextPageCursor", FIELD_NULLABLE),
    F_STR("prevPageCursor", FIELD_NULLABLE),
    F_ARR("messages", 0, F_LABEL("PageMessages"),
          F_ITEM(F_OBJ(NULL, 0, F_LABEL("MessageListEntry"),
                       F_FIELDS(api_rows_message_entry)))),
    F_ARR("unsearched", FIELD_ADDITION, F_ITEM(F_STR(NULL, 0)),
          F_DOC("Mailboxes that refused to be searched, among several")),
    F_OBJ("documentStoreQuery", FIELD_UNKNOWN_OK | FIELD_UNDOCUMENTED,
          F_LABEL("ExposedDocumentStoreQuery")),
};

const struct field_spec api_message_list =
    F_OBJ(NULL, 0, F_LABEL("MessageList"), F_FIELDS(message_list_fields));

static const struct field_spec account_message_params[] = {
    F_PART(api_row_account),
    F_STR("message", FIELD_REQUIRED, F_MAX_LEN(256), F_FORMAT(BASE64URL),
          F_DOC("Id of the message")),
};

static const struct field_spec message_get_query[] = {
    F_INT("maxBytes", 0, F_RANGE(0, 1073741824), F_DOC("Longest text, in bytes")),
    F_STR("textType", FIELD_LOWER, F_ENUM("html", "plain", "*"),
          F_DOC("Which text is returned")),
    F_BOOL("webSafeHtml", FIELD_LOOSE, F_DEFAULT("false"),
           F_DOC("Clean HTML for showing it in a page")),
    F_BOOL("embedAttachedImages", FIELD_LOOSE,
           F_DOC("Put attached images into the HTML")),
    F_BOOL("preProcessHtml", FIELD_LOOSE, F_DEFAULT("false"),
           F_DOC("Prepare HTML for showing it in a page")),
    F_BOOL("markAsSeen", FIELD_LOOSE, F_DEFAULT("false"), F_DOC("Set the \\Seen flag")),
    F_PART(document_store),
};

static const struct field_spec text_info_details_fields[] = {
    F_STR("id", 0, F_DOC("Id")),
    F_OBJ("encodedSize", 0, F_LABEL("TextDetailEncodedSize"),
          F_FIELDS(text_encoded_size_fields)),
    F_STR("plain", 0),
    F_STR("html", 0),
    F_BOOL("hasMore", 0),
    F_BOOL("webSafe", 0),
};

static const struct field_spec message_details_fields[] = {
    F_PART(message_head),
    F_OBJ("sender", 0, F_LABEL("FromAddressResponse"),
          F_FIELDS(from_address_response_fields)),
    F_PART(message_to_cc),
    F_ARR("bcc", 0, F_LABEL("AddressList"),
          F_ITEM(F_OBJ(NULL, 0, F_LABEL("RcptAddressEntry"),
                       F_FIELDS(from_address_response_fields)))),
    F_PART(message_reply_to),
    F_PART(message_mid),
    F_OBJ("headers", FIELD_UNKNOWN_OK, F_LABEL("MessageHeaders")),
    F_OBJ("text", 0, F_LABEL("TextInfoDetails"), F_FIELDS(text_info_details_fields),
          F_DOC("Id of the text")),
    F_PART(message_bounces),
    F_BOOL("isAutoReply", 0),
    F_PART(message_preview),
    F_PART(api_row_special_use),
    F_PART(message_special_use),
};

static const struct field_spec message_get_response =
    F_OBJ(NULL, 0, F_LABEL("MessageDetails"), F_FIELDS(message_details_fields));

static const struct field_spec account_message_any_params[] = {
    F_PART(api_row_account),
    F_STR("message", FIELD_REQUIRED, F_MAX_LEN(256), F_DOC("Id of the message")),
};

static const struct field_spec flag_update_fields[] = {
    F_ARR("add", FIELD_SINGLE, F_LABEL("AddFlags"),
          F_ITEM(F_STR(NULL, 0, F_MAX_LEN(128))), F_DOC("To be added")),
    F_ARR("delete", FIELD_SINGLE, F_LABEL("DeleteFlags"),
          F_ITEM(F_STR(NULL, 0, F_MAX_LEN(128))), F_DOC("To be removed")),
    F_ARR("set", FIELD_SINGLE, F_LABEL("SetFlags"),
          F_ITEM(F_STR(NULL, 0, F_MAX_LEN(128))), F_DOC("To replace all")),
};

static const struct field_spec label_update_fields[] = {
    F_ARR("add", FIELD_SINGLE, F_LABEL("AddLabels"),
          F_ITEM(F_STR(NULL, 0, F_MAX_LEN(128))), F_DOC("To be added")),
    F_ARR("delete", FIELD_SINGLE, F_LABEL("DeleteLabels"),
          F_ITEM(F_STR(NULL, 0, F_MAX_LEN(128))), F_DOC("To be removed")),
    F_ARR("set", FIELD_SINGLE | FIELD_UNDOCUMENTED, F_LABEL("SetLabels"),
          F_ITEM(F_STR(NULL, 0, F_MAX_LEN(128))), F_DOC("To replace all")),
};

static const struct field_spec message_update_fields[] = {
    F_OBJ("flags", 0, F_LABEL("FlagUpdate"), F_FIELDS(flag_update_fields),
          F_DOC("Flags")),
    F_OBJ("labels", 0, F_LABEL("LabelUpdate"), F_FIELDS(label_update_fields),
          F_DOC("Labels")),
};

static const struct field_spec message_update_body =
    F_OBJ(NULL, 0, F_LABEL("MessageUpdate"), F_FIELDS(message_update_fields));

static const struct field_spec change_asked[] = {
    F_ANY("add", 0, F_DOC("To be added")),
    F_ANY("delete", 0, F_DOC("To be removed")),
    F_ANY("set", 0, F_DOC("To replace all")),
};

static const struct field_spec flag_update_response_fields[] = {
    F_PART(change_asked),
    F_ARR("result", 0, F_LABEL("FlagResultList"), F_ITEM(F_STR(NULL, 0))),
};

static const struct field_spec label_update_response_fields[] = {
    F_PART(change_asked),
    F_ARR("result", 0, F_LABEL("LabelResultList"), F_ITEM(F_STR(NULL, 0))),
};

static const struct field_spec message_update_response_fields[] = {
    F_OBJ("flags", 0, F_LABEL("FlagUpdateResponse"),
          F_FIELDS(flag_update_response_fields), F_DOC("Flags")),
    F_OBJ("labels", 0, F_LABEL("LabelUpdateResponse"),
          F_FIELDS(label_update_response_fields), F_DOC("Labels")),
};

static const struct field_spec message_update_response = F_OBJ(
    NULL, 0, F_LABEL("MessageUpdateResponse"), F_FIELDS(message_update_response_fields));

static const struct field_spec message_delete_query[] = {
    F_BOOL("force", FIELD_LOOSE, F_DEFAULT("false"), F_DOC("Delete also outside Trash")),
};

static const struct field_spec message_moved_to_trash_fields[] = {
    F_STR("destination", 0),
    F_STR("message", 0, F_DOC("Id of the message")),
};

static const struct field_spec message_delete_response_fields[] = {
    F_BOOL("deleted", 0),
    F_OBJ("moved", 0, F_LABEL("MessageMovedToTrash"),
          F_FIELDS(message_moved_to_trash_fields)),
};

static const struct field_spec message_delete_response = F_OBJ(
    NULL, 0, F_LABEL("MessageDeleteResponse"), F_FIELDS(message_delete_response_fields));

static const struct field_spec message_move_fields[] = {
    F_STR("path", FIELD_REQUIRED, F_DOC("Mailbox path, or a special use such as \\Sent")),
    F_STR("source", 0, F_DOC("Mailbox the message is in")),
};

static const struct field_spec message_move_body =
    F_OBJ(NULL, 0, F_LABEL("MessageMove"), F_FIELDS(message_move_fields));

static const struct field_spec message_move_response_fields[] = {
    F_STR("path", FIELD_REQUIRED, F_DOC("Mailbox path, or a special use such as \\Sent")),
    F_STR("id", 0, F_MAX_LEN(256), F_DOC("Id")),
    F_INT("uid", 0),
};

static const struct field_spec message_move_response = F_OBJ(
    NULL, 0, F_LABEL("MessageMoveResponse"), F_FIELDS(message_move_response_fields));

static const struct field_spec account_text_params[] = {
    F_PART(api_row_account),
    F_STR("text", FIELD_REQUIRED, F_MAX_LEN(10240), F_FORMAT(BASE64URL),
          F_DOC("Id of the text")),
};

static const struct field_spec text_get_query[] = {
    F_INT("maxBytes", 0, F_RANGE(0, 1073741824), F_DOC("Longest text, in bytes")),
    F_STR("textType", FIELD_LOWER, F_ENUM("html", "plain", "*"), F_DEFAULT("\"*\""),
          F_DOC("Which text is returned")),
    F_BOOL("webSafeHtml", FIELD_LOOSE, F_DEFAULT("false"),
           F_DOC("Clean HTML for showing it in a page")),
    F_PART(document_store),
};

static const struct field_spec text_response_fields[] = {
    F_STR("plain", 0),
    F_STR("html", 0),
    F_BOOL("webSafe", 0),
    F_BOOL("hasMore", 0),
};

static const struct field_spec text_get_response =
    F_OBJ(NULL, 0, F_LABEL("TextResponse"), F_FIELDS(text_response_fields));

static const struct field_spec account_attachment_params[] = {
    F_PART(api_row_account),
    F_STR("attachment", FIELD_REQUIRED, F_MAX_LEN(2048), F_FORMAT(BASE64URL),
          F_DOC("Id of the attachment")),
};

const struct api_route api_message_routes[API_MESSAGE_ROUTES] = {
    {.method = "GET",
     .path = "/v1/account/{account}/messages",
     .operation_id = "getV1AccountAccountMessages",
     .tag = "Message",
     .summary = "List the messages of a mailbox, newest first",
     .scope = "api",
     .action = "read",
     .group = "message",
     ROUTE_PARAMS(api_row_account),
     ROUTE_QUERY(messages_list_query),
     .response = &api_message_list,
     ROUTE_EXAMPLE(.reply = "{'total': 1, 'page': 0, 'pages': 1, 'messages': [{'id': "
                            "'AAAAAQAAAAE', 'uid': 1, 'path': 'INBOX', 'date': "
                            "'2026-01-31T12:00:00.000Z', 'unseen': true, 'size': 500, "
                            "'subject': 'Hello', 'from': {'name': 'Bob', 'address': "
                            "'bob@example.com'}, 'to': [{'name': 'Ann', 'address': "
                            "'ann@example.com'}], 'messageId': '<hello@example.com>'}]}"),
     .handler = api_messages_list},
    {.method = "GET",
     .path = "/v1/account/{account}/message/{message}",
     .operation_id = "getV1AccountAccountMessageMessage",
     .tag = "Message",
     .summary = "Show a message",
     .scope = "api",
     .action = "read",
     .group = "message",
     ROUTE_PARAMS(account_message_params),
     ROUTE_QUERY(message_get_query),
     .response = &message_get_response,
     ROUTE_EXAMPLE(.reply = "{'id': 'AAAAAQAAAAE', 'uid': 1, 'path': 'INBOX', 'date': "
                            "'2026-01-31T12:00:00.000Z', 'size': 500, 'subject': "
                            "'Hello', 'from': {'name': 'Bob', 'address': "
                            "'bob@example.com'}, 'messageId': '<hello@example.com>', "
                            "'text': {'id': 'AAAAAQAAAAGRkaExkaEykA', 'encodedSize': "
                            "{'plain': 30}, 'plain': 'Hello, Ann\\r\\n'}}"),
     .handler = api_message_get},
    {.method = "PUT",
     .path = "/v1/account/{account}/message/{message}",
     .operation_id = "putV1AccountAccountMessageMessage",
     .tag = "Message",
     .summary = "Change flags and labels of a message",
     .scope = "api",
     .action = "write",
     .group = "message",
     ROUTE_PARAMS(account_message_any_params),
     .body = &message_update_body,
     .response = &message_update_response,
     ROUTE_EXAMPLE(.body = "{'flags': {'add': ['\\\\Seen'], 'delete': ['\\\\Flagged']}}",
                   .reply = "{'flags': {'add': true, 'delete': true}}"),
     .handler = api_message_update},
    {.method = "DELETE",
     .path = "/v1/account/{account}/message/{message}",
     .operation_id = "deleteV1AccountAccountMessageMessage",
     .tag = "Message",
     .summary = "Move a message to Trash, or delete it",
     .scope = "api",
     .action = "destructive",
     .group = "message",
     ROUTE_PARAMS(account_message_any_params),
     ROUTE_QUERY(message_delete_query),
     .response = &message_delete_response,
     ROUTE_EXAMPLE(.reply = "{'deleted': false, 'moved': {'destination': 'Trash', "
                            "'message': 'AAAAAgAAAAE'}}"),
     .handler = api_message_delete},
    {.method = "PUT",
     .path = "/v1/account/{account}/message/{message}/move",
     .operation_id = "putV1AccountAccountMessageMessageMove",
     .tag = "Message",
     .summary = "Move a message to another mailbox",
     .scope = "api",
     .action = "write",
     .group = "message",
     ROUTE_PARAMS(account_message_any_params),
     .body = &message_move_body,
     .response = &message_move_response,
     ROUTE_EXAMPLE(.body = "{'path': 'Archive'}",
                   .reply = "{'path': 'Archive', 'id': 'AAAAAwAAAAE', 'uid': 1}"),
     .handler = api_message_move},
    {.method = "GET",
     .path = "/v1/account/{account}/text/{text}",
     .operation_id = "getV1AccountAccountTextText",
     .tag = "Message",
     .summary = "Fetch the text of a message",
     .scope = "api",
     .action = "read",
     .group = "message",
     ROUTE_PARAMS(account_text_params),
     ROUTE_QUERY(text_get_query),
     .response = &text_get_response,
     ROUTE_EXAMPLE(.reply = "{'plain': 'Hello, Ann\\r\\n', 'hasMore': false}"),
     .handler = api_text_get},
    {.method = "GET",
     .path = "/v1/account/{account}/attachment/{attachment}",
     .operation_id = "getV1AccountAccountAttachmentAttachment",
     .tag = "Message",
     .summary = "Download an attachment",
     .scope = "api",
     .action = "read",
     .group = "message",
     ROUTE_PARAMS(account_attachment_params),
     .response_type = "application/octet-stream",
     .handler = api_attachment_get},
    {.method = "GET",
     .path = "/v1/account/{account}/message/{message}/source",
     .operation_id = "getV1AccountAccountMessageMessageSource",
     .tag = "Message",
     .summary = "Download a message as it is on the server",
     .scope = "api",
     .action = "read",
     .group = "message",
     ROUTE_PARAMS(account_message_params),
     .response_type = "message/rfc822",
     .handler = api_source_get},
};
