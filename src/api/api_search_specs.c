/* The rows of searches and threads. */
#include "api_handlers.h"
#include "api_rows.h"

static const struct field_spec label_filter_fields[] = {
    F_ARR("has", FIELD_SINGLE, F_LABEL("HasLabels"),
          F_ITEM(F_STR(NULL, 0, F_MAX_LEN(128))), F_DOC("Labels it has, all of them")),
    F_ARR("not", FIELD_SINGLE, F_LABEL("NotLabels"),
          F_ITEM(F_STR(NULL, 0, F_MAX_LEN(128))), F_DOC("Labels it has none of")),
};

static const struct field_spec search_query_fields[] = {
    F_STR("seq", 0, F_MAX_LEN(8192), F_DOC("Sequence numbers, as in 1:3,7:*")),
    F_BOOL("answered", FIELD_LOOSE, F_DOC("Was answered, or was not")),
    F_BOOL("deleted", FIELD_LOOSE, F_DOC("Is marked as deleted, or is not")),
    F_BOOL("draft", FIELD_LOOSE, F_DOC("Is a draft, or is not")),
    F_BOOL("unseen", FIELD_LOOSE, F_DOC("Is unseen, or is not")),
    F_BOOL("flagged", FIELD_LOOSE, F_DOC("Is flagged, or is not")),
    F_BOOL("seen", FIELD_LOOSE, F_DOC("Was seen, or was not")),
    F_STR("from", 0, F_MAX_LEN(256), F_DOC("Text in From")),
    F_STR("to", 0, F_MAX_LEN(256), F_DOC("Text in To")),
    F_STR("cc", 0, F_MAX_LEN(256), F_DOC("Text in Cc")),
    F_STR("bcc", 0, F_MAX_LEN(256), F_DOC("Text in Bcc")),
    F_STR("body", 0, F_MAX_LEN(256), F_DOC("Text in the body")),
    F_STR("text", FIELD_ADDITION, F_MAX_LEN(256),
          F_DOC("Text in the header or the body")),
    F_STR("subject", FIELD_EMPTY_OK, F_MAX_LEN(2560), F_DOC("Text in Subject")),
    F_INT("larger", 0, F_RANGE(0, 1073741824), F_DOC("Larger than so many bytes")),
    F_INT("smaller", 0, F_RANGE(0, 1073741824), F_DOC("Smaller than so many bytes")),
    F_STR("uid", 0, F_MAX_LEN(8192), F_DOC("UIDs, as in 1:3,7:*")),
    F_INT("modseq", 0, F_MIN(0), F_DOC("Changed at or after this modification sequence")),
    F_STR("before", 0, F_FORMAT(DATE_TIME), F_DOC("Arrived before")),
    F_STR("since", 0, F_FORMAT(DATE_TIME), F_DOC("Arrived then or later")),
    F_STR("sentBefore", 0, F_FORMAT(DATE_TIME), F_DOC("Date header before that day")),
    F_STR("sentSince", 0, F_FORMAT(DATE_TIME), F_DOC("Date header of that day or later")),
    F_STR("emailId", 0, F_MAX_LEN(256), F_DOC("Id of the message that the server gave")),
    F_STR("threadId", 0, F_DOC("Id of the thread")),
    F_OBJ("header", FIELD_UNKNOWN_OK, F_LABEL("Headers"),
          F_DOC("Header fields and text in them; true: it is there; false: it is not")),
    F_STR("gmailRaw", 0, F_MAX_LEN(1024), F_DOC("Search as in Gmail's own search field")),
    F_OBJ("labels", 0, F_LABEL("LabelFilter"), F_FIELDS(label_filter_fields),
          F_DOC("Labels (Gmail)")),
    F_ARR("emailIds", FIELD_SINGLE, F_LABEL("EmailIds"),
          F_ITEM(F_STR(NULL, 0, F_MAX_LEN(256))), F_DOC("One of these ids")),
};

const struct field_spec api_row_search[1] = {
    F_OBJ("search", FIELD_REQUIRED, F_LABEL("SearchQuery"), F_FIELDS(search_query_fields),
          F_DOC("What messages must be like, in every respect named")),
};

static const struct field_spec document_query[] = {
    F_OBJ("documentQuery", FIELD_UNKNOWN_OK | FIELD_UNDOCUMENTED, F_MIN_LEN(1),
          F_LABEL("DocumentQuery"), F_DOC("Accepted and ignored")),
};

/* --- one account --- */

static const struct field_spec page_query[] = {
    F_STR("cursor", FIELD_EMPTY_ABSENT | FIELD_TRIM, F_MAX_LEN(1048576),
          F_DOC("Value of nextPageCursor or prevPageCursor")),
    F_PART(api_rows_page),
};

static const struct field_spec search_query[] = {
    F_PART(page_query),
    F_BOOL("useOutlookSearch", FIELD_LOOSE, F_DOC("Accepted and ignored")),
    F_BOOL("documentStore", FIELD_EMPTY_ABSENT | FIELD_UNDOCUMENTED | FIELD_LOOSE,
           F_DEFAULT("false"), F_DOC("Accepted; `path` is optional then")),
    F_STR("path", FIELD_MANY,
          F_WHEN({.field = "documentStore",
                  .is = F_LIST("true"),
                  .otherwise = {WHEN_REQUIRED}}),
          F_DOC("Mailbox path, or a special use such as \\Sent; `*`: all mailboxes. May "
                "come several times: then the newest of all come first")),
    F_BOOL("exposeQuery", FIELD_UNDOCUMENTED | FIELD_LOOSE,
           F_WHEN({.field = "documentStore",
                   .is = F_LIST("true"),
                   .otherwise = {WHEN_FORBIDDEN}}),
           F_DOC("Also show what the mail server was asked")),
};

static const struct field_spec search_payload_fields[] = {
    F_PART(api_row_search),
    F_PART(document_query),
};

static const struct field_spec search_body =
    F_OBJ(NULL, 0, F_LABEL("MessageSearchPayload"), F_FIELDS(search_payload_fields));

/* --- several accounts --- */

static const struct field_spec unified_query[] = {
    F_PART(api_rows_page),
    F_BOOL("exposeQuery", FIELD_UNDOCUMENTED | FIELD_LOOSE,
           F_DOC("Also show what was asked")),
};

static const struct field_spec unified_search_fields[] = {
    F_ARR("accounts", FIELD_SINGLE, F_LABEL("UnifiedSearchAccounts"),
          F_ITEM(F_STR(NULL, FIELD_EMPTY_ABSENT | FIELD_TRIM, F_MAX_LEN(256))),
          F_DOC("Ids of accounts")),
    F_ARR("paths", FIELD_SINGLE, F_LABEL("UnifiedSearchPaths"), F_ITEM(F_STR(NULL, 0)),
          F_DOC("Mailbox paths, or special uses such as \\Sent")),
    F_PART(api_row_search),
    F_PART(document_query),
};

static const struct field_spec unified_search_body =
    F_OBJ(NULL, 0, F_LABEL("UnifiedSearchQuery"), F_FIELDS(unified_search_fields));

static const struct field_spec unified_entry_fields[] = {
    F_PART(api_rows_message_entry),
    F_STR("account", FIELD_EMPTY_ABSENT | FIELD_TRIM, F_MAX_LEN(256),
          F_DOC("Id of the account")),
};

static const struct field_spec unified_response_fields[] = {
    F_PART(api_rows_pages),
    F_ARR("accounts", 0, F_LABEL("UnifiedSearchAccountsEcho"), F_ITEM(F_STR(NULL, 0))),
    F_ARR("paths", 0, F_LABEL("UnifiedSearchPathsEcho"), F_ITEM(F_STR(NULL, 0))),
    F_ARR("messages", 0, F_LABEL("UnifiedPageMessages"),
          F_ITEM(F_OBJ(NULL, FIELD_UNKNOWN_OK, F_LABEL("UnifiedMessageListEntry"),
                       F_FIELDS(unified_entry_fields)))),
    F_ARR("unsearched", FIELD_ADDITION, F_ITEM(F_STR(NULL, 0)),
          F_DOC("Accounts that could not be searched")),
    F_OBJ("documentStoreQuery", FIELD_UNKNOWN_OK | FIELD_UNDOCUMENTED,
          F_LABEL("ExposedDocumentStoreQuery")),
};

static const struct field_spec unified_response =
    F_OBJ(NULL, 0, F_LABEL("UnifiedSearchResponse"), F_FIELDS(unified_response_fields));

/* --- threads --- */

static const struct field_spec threads_query[] = {
    F_STR("path", FIELD_EMPTY_ABSENT,
          F_DOC("Mailbox path, or a special use such as \\Sent; absent: all mail where "
                "the account has such a mailbox, else INBOX")),
    F_PART(page_query),
};

static const struct field_spec thread_entry_fields[] = {
    F_STR("id", FIELD_REQUIRED, F_DOC("Id of the thread, `threadId` of its messages")),
    F_INT("count", FIELD_REQUIRED, F_DOC("Messages of the thread in all mailboxes")),
    F_ARR("paths", FIELD_REQUIRED, F_ITEM(F_STR(NULL, 0)),
          F_DOC("Mailboxes they are in")),
    F_OBJ("newest", FIELD_REQUIRED, F_LABEL("MessageListEntry"),
          F_FIELDS(api_rows_message_entry), F_DOC("The newest one in this mailbox")),
};

static const struct field_spec threads_fields[] = {
    F_PART(api_rows_pages),
    F_STR("nextPageCursor", FIELD_NULLABLE),
    F_STR("prevPageCursor", FIELD_NULLABLE),
    F_ARR("threads", FIELD_REQUIRED,
          F_ITEM(F_OBJ(NULL, 0, F_LABEL("ThreadEntry"), F_FIELDS(thread_entry_fields)))),
};

static const struct field_spec threads_response =
    F_OBJ(NULL, 0, F_LABEL("ThreadList"), F_FIELDS(threads_fields));

static const struct field_spec thread_params[] = {
    F_PART(api_row_account),
    F_STR("thread", FIELD_REQUIRED, F_MAX_LEN(256), F_DOC("Id of the thread")),
};

static const struct field_spec thread_fields[] = {
    F_STR("id", FIELD_REQUIRED, F_DOC("Id of the thread")),
    F_INT("total", FIELD_REQUIRED, F_DOC("Messages of the thread")),
    F_ARR("messages", FIELD_REQUIRED, F_LABEL("PageMessages"),
          F_ITEM(F_OBJ(NULL, 0, F_LABEL("MessageListEntry"),
                       F_FIELDS(api_rows_message_entry))),
          F_DOC("Oldest first")),
};

static const struct field_spec thread_response =
    F_OBJ(NULL, 0, F_LABEL("Thread"), F_FIELDS(thread_fields));

const struct api_route api_search_routes[API_SEARCH_ROUTES] = {
    {.method = "POST",
     .path = "/v1/account/{account}/search",
     .operation_id = "postV1AccountAccountSearch",
     .tag = "Message",
     .summary = "Search for messages, newest first",
     .scope = "api",
     .action = "read",
     .group = "message",
     ROUTE_PARAMS(api_row_account),
     ROUTE_QUERY(search_query),
     .body = &search_body,
     .response = &api_message_list,
     ROUTE_EXAMPLE(.body = "{'search': {'from': 'bob', 'unseen': true}}",
                   .reply = "{'total': 0, 'page': 0, 'pages': 0, 'messages': []}"),
     .handler = api_search},
    {.method = "POST",
     .path = "/v1/unified/search",
     .operation_id = "postV1UnifiedSearch",
     .tag = "Deprecated endpoints (Document Store)",
     .summary = "Search for messages in several accounts, newest first",
     .scope = "api",
     .action = "read",
     .group = "admin",
     ROUTE_QUERY(unified_query),
     .body = &unified_search_body,
     .response = &unified_response,
     .handler = api_unified_search},
    {.method = "GET",
     .path = "/v1/account/{account}/threads",
     .operation_id = "getV1AccountAccountThreads",
     .tag = "Message",
     .summary = "List the threads of a mailbox, newest first",
     .scope = "api",
     .action = "read",
     .group = "message",
     ROUTE_PARAMS(api_row_account),
     ROUTE_QUERY(threads_query),
     .response = &threads_response,
     .handler = api_threads_list},
    {.method = "GET",
     .path = "/v1/account/{account}/thread/{thread}",
     .operation_id = "getV1AccountAccountThreadThread",
     .tag = "Message",
     .summary = "Show the messages of a thread in all mailboxes",
     .scope = "api",
     .action = "read",
     .group = "message",
     ROUTE_PARAMS(thread_params),
     .response = &thread_response,
     .handler = api_thread_get},
};
