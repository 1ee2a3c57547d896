/* POST /v1/chat/{account}: questions about mail, which need a document store. There is
 * none here, so it answers as the compatible API does while its own is switched off. */
#include "api_handlers.h"
#include "api_rows.h"

static const struct field_spec chat_fields[] = {
    F_STR("question", FIELD_REQUIRED | FIELD_TRIM, F_MAX_LEN(1024), F_DOC("Question")),
};

static const struct field_spec chat_body =
    F_OBJ(NULL, 0, F_LABEL("RequestChat"), F_FIELDS(chat_fields));

static const struct field_spec address_fields[] = {
    F_STR("name", FIELD_EMPTY_ABSENT | FIELD_TRIM, F_MAX_LEN(256), F_DOC("Shown name")),
    F_STR("address", FIELD_EMPTY_OK, F_DOC("Address")),
};

#define ADDRESS_LIST(name, label)                                                        \
    F_ARR(name, FIELD_SINGLE, F_LABEL(label),                                            \
          F_ITEM(F_OBJ(NULL, 0, F_LABEL("EmailAddressResponse"),                         \
                       F_FIELDS(address_fields))))

static const struct field_spec message_fields[] = {
    F_STR("id", 0, F_DOC("Id of the message")),
    F_STR("path", 0, F_DOC("Path of its mailbox")),
    F_STR("date", 0, F_FORMAT(DATE_TIME)),
    F_OBJ("from", 0, F_LABEL("FromAddressResponse"), F_FIELDS(address_fields)),
    ADDRESS_LIST("to", "ChatToAddressList"),
    ADDRESS_LIST("cc", "ChatCcAddressList"),
    ADDRESS_LIST("bcc", "ChatBccAddressList"),
    F_STR("subject", 0),
    F_STR("messageSpecialUse", 0,
          F_ENUM("\\Drafts", "\\Junk", "\\Sent", "\\Trash", "\\Inbox")),
};

static const struct field_spec response_fields[] = {
    F_BOOL("success", 0),
    F_STR("answer", FIELD_NULLABLE | FIELD_TRIM),
    F_ARR(
        "messages", 0, F_LABEL("ChatResponseMessages"),
        F_ITEM(F_OBJ(NULL, 0, F_LABEL("ChatResponseMessage"), F_FIELDS(message_fields)))),
    F_ARR("processPipeline", 0, F_LABEL("ChatProcessPipeline"),
          F_ITEM(F_OBJ(NULL, FIELD_UNKNOWN_OK, F_LABEL("ChatProcessPipelineStep")))),
};

static const struct field_spec chat_response =
    F_OBJ(NULL, 0, F_LABEL("ReturnChatResponse"), F_FIELDS(response_fields));

void api_chat_ask(struct api_call *call)
{
    static const struct err off = {.code = ERR_NOT_FOUND,
                                   .msg = "The document store is not enabled"};
    api_reply_err(call, &off);
}

const struct api_route api_chat_routes[API_CHAT_ROUTES] = {
    {.method = "POST",
     .path = "/v1/chat/{account}",
     .operation_id = "postV1ChatAccount",
     .tag = "Deprecated endpoints (Document Store)",
     .summary =
         "Ask about the mail of an account: needs a document store, so answers 404",
     .scope = "api",
     .action = "write",
     .group = "admin",
     ROUTE_PARAMS(api_row_account),
     .body = &chat_body,
     .response = &chat_response,
     .handler = api_chat_ask},
};
