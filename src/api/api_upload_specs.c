/* The rows of uploads. */
#include "api_handlers.h"
#include "api_rows.h"

enum {
    UPLOAD_BODY_MAX = 50 * 1024 * 1024
};

static const struct field_spec document_store[] = {
    F_BOOL("documentStore", FIELD_EMPTY_ABSENT | FIELD_UNDOCUMENTED | FIELD_LOOSE,
           F_DEFAULT("false"), F_DOC("Accepted and ignored")),
};

/* --- what is referred to --- */

static const struct field_spec upload_row_message[] = {
    F_STR("message", 0, F_FORMAT(BASE64URL), F_MAX_LEN(256), F_DOC("Id of the message")),
};

static const struct field_dep reference_deps[] = {
    {RELATION_OR, F_LIST("message", "threadId")},
};

static const struct field_spec reference_fields[] = {
    F_PART(upload_row_message),
    F_STR("action", FIELD_LOWER, F_ENUM("forward", "reply", "reply-all"),
          F_DEFAULT("\"reply\""), F_DOC("What the message is to the other one")),
    F_BOOL("inline", FIELD_LOOSE, F_DEFAULT("false"), F_DOC("Quote it in the text")),
    F_BOOL(
        "forwardAttachments", FIELD_LOOSE, F_DEFAULT("false"),
        F_WHEN(
            {.field = "action", .is = F_LIST("forward"), .otherwise = {WHEN_FORBIDDEN}}),
        F_DOC("Its attachments come along")),
    F_BOOL("ignoreMissing", FIELD_LOOSE, F_DEFAULT("false"),
           F_DOC("Go on without it if it is not there")),
    F_STR("messageId", 0, F_MAX_LEN(996), F_DOC("Message-ID that it must have")),
    F_STR("threadId", 0),
    F_PART(document_store),
};

/* --- addresses and attachments --- */

static const struct field_spec upload_address_fields[] = {
    F_STR("name", FIELD_TRIM | FIELD_EMPTY_ABSENT, F_MAX_LEN(256), F_DOC("Shown name")),
    F_STR("address", FIELD_REQUIRED, F_FORMAT(EMAIL)),
};

#define UPLOAD_ADDRESSES(name)                                                           \
    F_ARR(name, FIELD_SINGLE, F_LABEL("AddressList"),                                    \
          F_ITEM(                                                                        \
              F_OBJ(NULL, 0, F_LABEL("EmailAddress"), F_FIELDS(upload_address_fields))))

static const struct field_spec upload_attachment_fields[] = {
    F_STR("filename", 0, F_MAX_LEN(256)),
    F_STR("contentType", FIELD_LOWER, F_MAX_LEN(256)),
    F_STR("contentDisposition", FIELD_LOWER, F_ENUM("inline", "attachment")),
    F_STR("cid", 0, F_MAX_LEN(256), F_DOC("Content-ID that the HTML names")),
    F_STR("encoding", 0, F_ENUM("base64"), F_DEFAULT("\"base64\"")),
    F_STR("reference", FIELD_NULLABLE | FIELD_FALSE_OK, F_FORMAT(BASE64URL),
          F_MAX_LEN(256), F_DOC("Id of an attachment of another message")),
    F_STR("content", FIELD_REQUIRED, F_FORMAT(BASE64), F_MAX_LEN(5242880),
          F_WHEN({.field = "reference",
                  .then = {WHEN_FORBIDDEN},
                  .otherwise = {WHEN_REQUIRED}}),
          F_DOC("The bytes in base64")),
};

static const struct field_spec upload_fields[] = {
    F_STR("path", FIELD_REQUIRED, F_DOC("Mailbox path, or a special use such as \\Sent")),
    F_ARR("flags", 0, F_LABEL("Flags"), F_ITEM(F_STR(NULL, 0, F_MAX_LEN(128))),
          F_DEFAULT("[]"), F_DOC("Flags")),
    F_STR("internalDate", 0, F_FORMAT(DATE_TIME), F_DOC("When it counts as received")),
    F_OBJ("reference", 0, F_LABEL("MessageReference"), F_FIELDS(reference_fields),
          F_DEPS(reference_deps), F_DOC("Message that it answers or passes on")),
    F_STR("raw", 0, F_FORMAT(BASE64), F_MAX_LEN(5242880),
          F_DOC("A whole message in base64; the other fields replace its own")),
    F_OBJ("from", 0, F_LABEL("FromAddress"), F_FIELDS(upload_address_fields)),
    UPLOAD_ADDRESSES("to"),
    UPLOAD_ADDRESSES("cc"),
    UPLOAD_ADDRESSES("bcc"),
    F_STR("subject", FIELD_EMPTY_OK, F_MAX_LEN(10240)),
    F_STR("text", 0, F_MAX_LEN(5242880)),
    F_STR("html", 0, F_MAX_LEN(5242880)),
    F_ARR("attachments", 0, F_LABEL("UploadAttachmentList"),
          F_ITEM(F_OBJ(NULL, 0, F_LABEL("UploadAttachment"),
                       F_FIELDS(upload_attachment_fields)))),
    F_STR("messageId", 0, F_MAX_LEN(996)),
    F_OBJ("headers", FIELD_UNKNOWN_OK, F_LABEL("CustomHeaders"),
          F_DOC("Further header fields")),
    F_STR("locale", FIELD_EMPTY_ABSENT, F_MAX_LEN(100)),
    F_STR("tz", FIELD_EMPTY_ABSENT, F_MAX_LEN(100)),
};

static const struct field_spec upload_body =
    F_OBJ(NULL, 0, F_LABEL("MessageUpload"), F_FIELDS(upload_fields));

static const struct field_spec upload_reference_fields[] = {
    F_PART(upload_row_message), F_STR("threadId", 0), F_BOOL("success", 0),
    F_PART(document_store),     F_STR("error", 0),
};

static const struct field_spec upload_response_head[] = {
    F_STR("id", 0, F_DOC("Id")),
    F_STR("path", 0, F_DOC("Mailbox path, or a special use such as \\Sent")),
    F_INT("uid", 0),
    F_STR("uidValidity", 0),
    F_INT("seq", 0),
    F_STR("messageId", 0, F_MAX_LEN(996)),
};

static const struct field_spec upload_response_fields[] = {
    F_PART(upload_response_head),
    F_OBJ("reference", 0, F_LABEL("ResponseReference"),
          F_FIELDS(upload_reference_fields)),
};

static const struct field_spec upload_response =
    F_OBJ(NULL, 0, F_LABEL("MessageUploadResponse"), F_FIELDS(upload_response_fields));

/* --- raw bytes --- */

static const struct field_spec source_upload_query[] = {
    F_STR("path", FIELD_REQUIRED, F_DOC("Mailbox path, or a special use such as \\Sent")),
    F_ARR("flags", FIELD_SINGLE, F_ITEM(F_STR(NULL, 0, F_MAX_LEN(128))), F_DOC("Flags")),
    F_STR("internalDate", 0, F_FORMAT(DATE_TIME), F_DOC("When it counts as received")),
};

static const struct field_spec source_upload_response =
    F_OBJ(NULL, 0, F_LABEL("SourceUploadResponse"), F_FIELDS(upload_response_head));

/* --- the routes --- */

const struct api_route api_upload_routes[API_UPLOAD_ROUTES] = {
    {.method = "POST",
     .path = "/v1/account/{account}/message",
     .operation_id = "postV1AccountAccountMessage",
     .tag = "Message",
     .summary = "Compose a message and put it into a mailbox",
     .scope = "api",
     .action = "write",
     .group = "message",
     ROUTE_PARAMS(api_row_account),
     .body = &upload_body,
     .body_max = UPLOAD_BODY_MAX,
     .response = &upload_response,
     .handler = api_message_upload},
    {.method = "POST",
     .path = "/v1/account/{account}/message/source",
     .operation_id = "postV1AccountAccountMessageSource",
     .tag = "Message",
     .summary = "Put a message into a mailbox, byte for byte as it is sent",
     .scope = "api",
     .action = "write",
     .group = "message",
     .flags = API_STREAM_BODY | API_NO_DEADLINE,
     ROUTE_PARAMS(api_row_account),
     ROUTE_QUERY(source_upload_query),
     .response = &source_upload_response,
     .handler = api_source_upload},
};
