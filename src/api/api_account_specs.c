/* The rows of accounts: what comes in, what goes out. */
#include "api_handlers.h"
#include "api_rows.h"
#include "postrider/webhook/webhook_route.h"

/* --- rows of several of the objects --- */

static const struct field_spec account_email[] = {
    F_STR("email", FIELD_EMPTY_ABSENT, F_FORMAT(EMAIL), F_DOC("Address of the account")),
};

static const struct field_spec account_expected[] = {
    F_STR("expectedEmail", FIELD_EMPTY_ABSENT, F_FORMAT(EMAIL),
          F_DOC("Refuse the account if it turns out to have another address")),
};

static const struct field_spec account_path[] = {
    F_ARR("path", FIELD_NULLABLE | FIELD_SINGLE, F_LABEL("AccountPath"),
          F_ITEM(F_STR(NULL, FIELD_EMPTY_ABSENT, F_MAX_LEN(1024))),
          F_DOC("Mailbox path, or a special use such as \\Sent")),
};

static const struct field_spec account_watch[] = {
    F_ARR("subconnections", FIELD_SINGLE, F_LABEL("SubconnectionPaths"),
          F_ITEM(F_STR(NULL, 0, F_MAX_LEN(256))),
          F_DOC("Further mailboxes to be watched at once")),
    F_STR("webhooks", FIELD_EMPTY_OK, F_URI("http", "https"),
          F_DOC("URL that is told of events")),
};

static const struct field_spec account_since[] = {
    F_BOOL("logs", 0, F_DEFAULT("false"),
           F_DOC("Keep a log of the traffic with the mail server")),
    F_STR("notifyFrom", FIELD_NULLABLE, F_DEFAULT("\"now\""), F_FORMAT(DATE_TIME),
          F_DOC("Tell of messages newer than this")),
    F_STR("syncFrom", FIELD_NULLABLE | FIELD_UNDOCUMENTED, F_DEFAULT("null"),
          F_FORMAT(DATE_TIME),
          F_DOC("The index of a mailbox begins with its first message "
                "since then, or a day before")),
};

static const struct field_spec account_indexer[] = {
    F_STR("imapIndexer", FIELD_NULLABLE | FIELD_EMPTY_ABSENT | FIELD_TRIM,
          F_ENUM("full", "fast"),
          F_DOC("How changes are found: all of them, or only new messages")),
};

static const struct field_spec account_custom[] = {
    F_ARR("webhooksCustomHeaders", 0, F_LABEL("AccountWebhooksCustomHeaders"),
          F_ITEM(F_OBJ(NULL, 0, F_LABEL("WebhooksCustomHeader"),
                       F_FIELDS(webhook_header_rows))),
          F_DOC("Headers added to webhook requests")),
    F_STR("locale", FIELD_EMPTY_ABSENT, F_MAX_LEN(100), F_DOC("Language")),
    F_STR("tz", FIELD_EMPTY_ABSENT, F_MAX_LEN(100), F_DOC("Time zone")),
};

static const struct field_spec account_states[] = {
    F_STR("state", 0,
          F_ENUM("init", "unset", "connected", "connecting", "syncing",
                 "authenticationError", "connectError", "disconnected", "paused"),
          F_DOC("State of the account")),
};

static const struct field_spec account_kind[] = {
    F_STR("type", FIELD_REQUIRED,
          F_ENUM("imap", "gmail", "gmailService", "outlook", "outlookService", "mailRu",
                 "oauth2", "delegated", "sending", "invalid")),
    F_STR("app", 0, F_MAX_LEN(256)),
};

/* --- objects --- */

static const struct field_spec create_account_fields[] = {
    F_STR("account", FIELD_REQUIRED | FIELD_NULLABLE | FIELD_EMPTY_ABSENT | FIELD_TRIM,
          F_MAX_LEN(256), F_DOC("Id of the account")),
    F_STR("name", FIELD_REQUIRED, F_MAX_LEN(256), F_DOC("Shown name")),
    F_PART(account_email),
    F_PART(account_expected),
    F_PART(account_path),
    F_PART(account_watch),
    F_BOOL("copy", FIELD_NULLABLE, F_DOC("Keep a copy of sent mail in the Sent mailbox")),
    F_PART(account_since),
    F_PART(api_rows_route),
    F_PART(account_indexer),
    F_PART(api_rows_servers),
    F_PART(api_row_oauth2),
    F_PART(account_custom),
};

static const struct field_spec account_create_body =
    F_OBJ(NULL, 0, F_LABEL("CreateAccount"), F_FIELDS(create_account_fields));

static const struct field_spec create_account_response_fields[] = {
    F_STR("account", FIELD_EMPTY_ABSENT | FIELD_TRIM, F_MAX_LEN(256),
          F_DOC("Id of the account")),
    F_STR("state", 0, F_ENUM("existing", "new"), F_DOC("State of the account")),
    F_STR("redirect", 0, F_FORMAT(URI)),
};

static const struct field_spec account_create_response = F_OBJ(
    NULL, 0, F_LABEL("CreateAccountResponse"), F_FIELDS(create_account_response_fields));

static const struct field_spec account_get_query[] = {
    F_BOOL("quota", FIELD_LOOSE, F_DEFAULT("false"), F_DOC("Also ask for the quota")),
};

static const struct field_spec smtp_info_status_fields[] = {
    F_STR("created", FIELD_NULLABLE, F_FORMAT(DATE_TIME)),
    F_STR("status", 0, F_ENUM("ok", "error")),
    F_STR("response", 0),
    F_STR("description", 0, F_DOC("What the token is for")),
    F_INT("responseCode", 0),
    F_STR("code", 0),
    F_STR("command", 0),
    F_OBJ("networkRouting", FIELD_NULLABLE | FIELD_UNKNOWN_OK,
          F_LABEL("SMTPStatusNetworkRouting")),
};

static const struct field_spec account_sync_error_fields[] = {
    F_STR("path", 0, F_DOC("Mailbox path, or a special use such as \\Sent")),
    F_STR("time", 0, F_FORMAT(DATE_TIME)),
    F_STR("error", 0),
};

static const struct field_spec account_counters_fields[] = {
    F_OBJ("events", FIELD_UNKNOWN_OK, F_LABEL("AccountCountersEvents")),
};

static const struct field_spec account_quota_fields[] = {
    F_INT("usage", 0),
    F_INT("limit", 0),
    F_STR("status", 0),
};

static const struct field_spec state_fields[] = {
    F_STR("state", 0, F_ENUM("creating", "created", "renewing", "error"),
          F_DOC("State of the account")),
    F_NUM("time", 0),
    F_STR("error", FIELD_NULLABLE),
    F_INT("retryCount", 0),
    F_INT("createRetryCount", 0),
};

static const struct field_spec outlook_subscription_fields[] = {
    F_STR("id", 0, F_DOC("Id")),
    F_STR("expirationDateTime", FIELD_NULLABLE, F_FORMAT(DATE_TIME)),
    F_OBJ("state", FIELD_UNKNOWN_OK, F_FIELDS(state_fields),
          F_DOC("State of the account")),
};

static const struct field_spec o_auth_token_error_flag_fields[] = {
    F_STR("message", 0, F_DOC("Id of the message")),
    F_STR("code", 0),
    F_STR("url", 0),
};

static const struct field_spec o_auth_token_user_flag_fields[] = {
    F_STR("message", 0, F_DOC("Id of the message")),
};

static const struct field_spec o_auth_token_request_error_fields[] = {
    F_STR("url", 0),
    F_STR("method", 0),
    F_STR("grant", 0, F_ENUM("refresh_token", "authorization_code")),
    F_STR("provider", 0, F_MAX_LEN(256), F_DOC("OAuth2 application")),
    F_INT("status", 0),
    F_STR("clientId", 0),
    F_STR("clientSecret", 0),
    F_STR("authority", 0, F_DOC("Tenant of the provider")),
    F_STR("serviceClient", 0),
    F_STR("signer", 0),
    F_STR("googleProjectId", 0),
    F_STR("serviceClientEmail", 0),
    F_STR("code", 0),
    F_OBJ("flag", FIELD_UNKNOWN_OK, F_LABEL("OAuthTokenErrorFlag"),
          F_FIELDS(o_auth_token_error_flag_fields)),
    F_OBJ("userFlag", FIELD_UNKNOWN_OK, F_LABEL("OAuthTokenUserFlag"),
          F_FIELDS(o_auth_token_user_flag_fields)),
    F_ARR("scopes", 0, F_LABEL("OauthScopes"), F_ITEM(F_STR(NULL, 0)),
          F_DOC("What the token opens")),
    F_OBJ("response", FIELD_UNKNOWN_OK, F_LABEL("OAuthTokenErrorResponse")),
};

static const struct field_spec account_error_entry_fields[] = {
    F_STR("response", 0),
    F_STR("description", 0, F_DOC("What the token is for")),
    F_STR("serverResponseCode", 0),
    F_OBJ("tokenRequest", 0, F_LABEL("OAuthTokenRequestError"),
          F_FIELDS(o_auth_token_request_error_fields)),
};

static const struct field_spec account_response_fields[] = {
    F_PART(api_row_account),
    F_STR("name", FIELD_EMPTY_OK, F_MAX_LEN(256), F_DOC("Shown name")),
    F_PART(account_email),
    F_PART(account_expected),
    F_BOOL("copy", 0, F_DOC("Keep a copy of sent mail in the Sent mailbox")),
    F_PART_AS(account_since, api_row_as_change),
    F_PART(account_path),
    F_PART(account_indexer),
    F_PART(account_watch),
    F_PART(api_rows_route),
    F_PART(api_rows_servers_shown),
    F_PART(api_row_oauth2_shown),
    F_PART(account_states),
    F_OBJ("smtpStatus", FIELD_NULLABLE, F_LABEL("SMTPInfoStatus"),
          F_FIELDS(smtp_info_status_fields)),
    F_OBJ("syncError", FIELD_UNKNOWN_OK, F_LABEL("AccountSyncError"),
          F_FIELDS(account_sync_error_fields)),
    F_INT("connections", 0),
    F_BOOL("sendOnly", 0),
    F_PART(account_custom),
    F_PART(account_kind),
    F_STR("baseScopes", FIELD_EMPTY_ABSENT | FIELD_TRIM, F_ENUM("imap", "api", "pubsub")),
    F_OBJ("counters", 0, F_LABEL("AccountCounters"), F_FIELDS(account_counters_fields),
          F_DOC("Also ask for the numbers of messages and unseen messages")),
    F_OBJ("quota", FIELD_FALSE_OK, F_LABEL("AccountQuota"),
          F_FIELDS(account_quota_fields), F_DOC("Also ask for the quota")),
    F_STR("syncTime", 0, F_FORMAT(DATE_TIME)),
    F_OBJ("outlookSubscription", FIELD_UNKNOWN_OK, F_FIELDS(outlook_subscription_fields)),
    F_OBJ("lastError", FIELD_NULLABLE, F_LABEL("AccountErrorEntry"),
          F_FIELDS(account_error_entry_fields)),
};

static const struct field_spec account_get_response =
    F_OBJ(NULL, 0, F_LABEL("AccountResponse"), F_FIELDS(account_response_fields));

static const struct field_spec update_account_fields[] = {
    F_STR("name", 0, F_MAX_LEN(256), F_DOC("Shown name")),
    F_PART(account_email),
    F_STR("expectedEmail", FIELD_NULLABLE | FIELD_EMPTY_ABSENT, F_FORMAT(EMAIL),
          F_DOC("Refuse the account if it turns out to have another address")),
    F_PART(account_path),
    F_PART(account_watch),
    F_BOOL("copy", FIELD_NULLABLE, F_DOC("Keep a copy of sent mail in the Sent mailbox")),
    F_PART_AS(account_since, api_row_as_change),
    F_PART(api_rows_route),
    F_PART(api_rows_servers_change),
    F_PART(api_row_oauth2_change),
    F_PART(account_custom),
};

static const struct field_spec account_update_body =
    F_OBJ(NULL, 0, F_LABEL("UpdateAccount"), F_FIELDS(update_account_fields));

static const struct field_spec account_update_response =
    F_OBJ(NULL, 0, F_LABEL("UpdateAccountResponse"), F_FIELDS(api_row_account));

static const struct field_spec account_delete_query[] = {
    F_BOOL("revoke", FIELD_LOOSE, F_DEFAULT("false"),
           F_DOC("Also revoke the OAuth2 grant")),
};

static const struct field_spec delete_account_response_fields[] = {
    F_PART(api_row_account),
    F_BOOL("deleted", FIELD_LOOSE, F_DEFAULT("true")),
};

static const struct field_spec account_delete_response = F_OBJ(
    NULL, 0, F_LABEL("DeleteAccountResponse"), F_FIELDS(delete_account_response_fields));

static const struct field_spec accounts_list_query[] = {
    F_PART(api_rows_page),
    F_PART(account_states),
    F_STR("query", 0, F_DOC("Text to look for")),
};

static const struct field_spec account_response_item_fields[] = {
    F_PART(api_row_account),
    F_STR("name", FIELD_EMPTY_OK, F_MAX_LEN(256), F_DOC("Shown name")),
    F_PART(account_email),
    F_PART(account_kind),
    F_PART_AS(account_states, api_row_as_required),
    F_STR("webhooks", 0, F_URI("http", "https"), F_DOC("URL that is told of events")),
    F_PART(api_rows_route),
    F_OBJ("counters", 0, F_LABEL("AccountCounters"), F_FIELDS(account_counters_fields),
          F_DOC("Also ask for the numbers of messages and unseen messages")),
    F_STR("syncTime", 0, F_FORMAT(DATE_TIME)),
    F_OBJ("lastError", FIELD_NULLABLE, F_LABEL("AccountErrorEntry"),
          F_FIELDS(account_error_entry_fields)),
    F_STR("delegationError", 0),
};

static const struct field_spec accounts_filter_response_fields[] = {
    F_PART(api_rows_pages),
    F_STR("query", FIELD_FALSE_OK, F_DOC("Text to look for")),
    F_STR("state", 0, F_DOC("State of the account")),
    F_ARR("accounts", 0, F_LABEL("AccountEntries"),
          F_ITEM(F_OBJ(NULL, 0, F_LABEL("AccountResponseItem"),
                       F_FIELDS(account_response_item_fields)))),
};

static const struct field_spec accounts_list_response =
    F_OBJ(NULL, 0, F_LABEL("AccountsFilterResponse"),
          F_FIELDS(accounts_filter_response_fields));

static const struct field_spec request_reconnect_fields[] = {
    F_BOOL("reconnect", FIELD_LOOSE, F_DEFAULT("false"),
           F_DOC("Must be true for anything to happen")),
};

static const struct field_spec account_reconnect_body =
    F_OBJ(NULL, 0, F_LABEL("RequestReconnect"), F_FIELDS(request_reconnect_fields));

static const struct field_spec account_reconnect_response = F_OBJ(
    NULL, 0, F_LABEL("RequestReconnectResponse"), F_FIELDS(request_reconnect_fields));

static const struct field_spec request_flush_fields[] = {
    F_BOOL("flush", FIELD_LOOSE, F_DEFAULT("false"),
           F_DOC("Must be true for anything to happen")),
    F_STR("notifyFrom", FIELD_NULLABLE, F_DEFAULT("\"now\""), F_FORMAT(DATE_TIME),
          F_DOC("Tell of messages newer than this")),
    F_PART(account_indexer),
    F_STR("syncFrom", FIELD_NULLABLE | FIELD_UNDOCUMENTED, F_FORMAT(DATE_TIME),
          F_DOC("The index of a mailbox begins with its first message "
                "since then, or a day before")),
};

static const struct field_spec account_flush_body =
    F_OBJ(NULL, 0, F_LABEL("RequestFlush"), F_FIELDS(request_flush_fields));

static const struct field_spec request_flush_response_fields[] = {
    F_BOOL("flush", FIELD_LOOSE, F_DEFAULT("false"),
           F_DOC("Whether the index was dropped")),
};

static const struct field_spec account_flush_response = F_OBJ(
    NULL, 0, F_LABEL("RequestFlushResponse"), F_FIELDS(request_flush_response_fields));

static const struct field_spec request_sync_fields[] = {
    F_BOOL("sync", FIELD_LOOSE, F_DEFAULT("false"),
           F_DOC("Must be true for anything to happen")),
};

static const struct field_spec account_sync_body =
    F_OBJ(NULL, 0, F_LABEL("RequestSync"), F_FIELDS(request_sync_fields));

static const struct field_spec account_sync_response =
    F_OBJ(NULL, 0, F_LABEL("RequestSyncResponse"), F_FIELDS(request_sync_fields));

static const struct field_spec verify_account_fields[] = {
    F_BOOL("mailboxes", 0, F_DEFAULT("false"), F_DOC("Also list mailboxes")),
    F_PART(api_rows_servers),
    F_PART(api_rows_route),
};

static const struct field_spec account_check_body =
    F_OBJ(NULL, 0, F_LABEL("VerifyAccount"), F_FIELDS(verify_account_fields));

static const struct field_spec verify_imap_result_fields[] = {
    F_BOOL("success", 0),   F_STR("error", 0),        F_STR("code", 0),
    F_INT("statusCode", 0), F_STR("responseText", 0),
};

static const struct field_spec mailbox_short_response_item_fields[] = {
    F_STR("path", FIELD_REQUIRED, F_DOC("Mailbox path, or a special use such as \\Sent")),
    F_PART(api_rows_mailbox_name),
    F_PART(api_rows_mailbox_purpose),
};

static const struct field_spec verify_account_response_fields[] = {
    F_OBJ("imap", 0, F_LABEL("VerifyImapResult"), F_FIELDS(verify_imap_result_fields),
          F_DOC("IMAP server")),
    F_OBJ("smtp", 0, F_LABEL("VerifySmtpResult"), F_FIELDS(verify_imap_result_fields),
          F_DOC("SMTP server")),
    F_ARR("mailboxes", 0, F_LABEL("ShortMailboxes"),
          F_ITEM(F_OBJ(NULL, 0, F_LABEL("MailboxShortResponseItem"),
                       F_FIELDS(mailbox_short_response_item_fields))),
          F_DOC("Also list mailboxes")),
};

static const struct field_spec account_check_response = F_OBJ(
    NULL, 0, F_LABEL("VerifyAccountResponse"), F_FIELDS(verify_account_response_fields));

const struct api_route api_account_routes[API_ACCOUNT_ROUTES] = {
    {.method = "POST",
     .path = "/v1/account",
     .operation_id = "postV1Account",
     .tag = "Account",
     .summary = "Register an account, or update one that exists",
     .scope = "api",
     .action = "write",
     .group = "admin",
     .body = &account_create_body,
     .response = &account_create_response,
     ROUTE_EXAMPLE(.body = "{'account': 'example', 'name': 'Ann Sender', 'email': "
                           "'ann@example.com', 'imap': {'auth': {'user': "
                           "'ann@example.com', 'pass': 'secret'}, 'host': "
                           "'imap.example.com', 'port': 993, 'secure': true}}",
                   .reply = "{'account': 'example', 'state': 'new'}"),
     .handler = api_account_create},
    {.method = "GET",
     .path = "/v1/account/{account}",
     .operation_id = "getV1AccountAccount",
     .tag = "Account",
     .summary = "Show an account",
     .scope = "api",
     .action = "read",
     .group = "account",
     ROUTE_PARAMS(api_row_account),
     ROUTE_QUERY(account_get_query),
     .response = &account_get_response,
     ROUTE_EXAMPLE(
             .reply =
                 "{'account': 'example', 'name': 'Ann Sender', 'email': "
                 "'ann@example.com', 'type': 'imap', 'state': 'connected', 'syncTime': "
                 "'2026-01-31T12:00:00.000Z'}"),
     .handler = api_account_get},
    {.method = "PUT",
     .path = "/v1/account/{account}",
     .operation_id = "putV1AccountAccount",
     .tag = "Account",
     .summary = "Change an account",
     .scope = "api",
     .action = "write",
     .group = "admin",
     ROUTE_PARAMS(api_row_account),
     .body = &account_update_body,
     .response = &account_update_response,
     ROUTE_EXAMPLE(.body = "{'name': 'Ann S.'}", .reply = "{'account': 'example'}"),
     .handler = api_account_update},
    {.method = "DELETE",
     .path = "/v1/account/{account}",
     .operation_id = "deleteV1AccountAccount",
     .tag = "Account",
     .summary = "Remove an account",
     .scope = "api",
     .action = "destructive",
     .group = "account",
     ROUTE_PARAMS(api_row_account),
     ROUTE_QUERY(account_delete_query),
     .response = &account_delete_response,
     ROUTE_EXAMPLE(.reply = "{'account': 'example', 'deleted': true}"),
     .handler = api_account_delete},
    {.method = "GET",
     .path = "/v1/accounts",
     .operation_id = "getV1Accounts",
     .tag = "Account",
     .summary = "List accounts",
     .scope = "api",
     .action = "read",
     .group = "account",
     ROUTE_QUERY(accounts_list_query),
     .response = &accounts_list_response,
     ROUTE_EXAMPLE(.reply = "{'total': 1, 'page': 0, 'pages': 1, 'accounts': "
                            "[{'account': 'example', 'name': 'Ann Sender', 'email': "
                            "'ann@example.com', 'type': 'imap', 'state': 'connected'}]}"),
     .handler = api_accounts_list},
    {.method = "PUT",
     .path = "/v1/account/{account}/reconnect",
     .operation_id = "putV1AccountAccountReconnect",
     .tag = "Account",
     .summary = "Close the connections of an account and open them again",
     .scope = "api",
     .action = "write",
     .group = "account",
     ROUTE_PARAMS(api_row_account),
     .body = &account_reconnect_body,
     .response = &account_reconnect_response,
     ROUTE_EXAMPLE(.body = "{'reconnect': true}", .reply = "{'reconnect': true}"),
     .handler = api_account_reconnect},
    {.method = "PUT",
     .path = "/v1/account/{account}/flush",
     .operation_id = "putV1AccountAccountFlush",
     .tag = "Account",
     .summary = "Drop the index of an account and make it anew",
     .scope = "api",
     .action = "destructive",
     .group = "account",
     ROUTE_PARAMS(api_row_account),
     .body = &account_flush_body,
     .response = &account_flush_response,
     ROUTE_EXAMPLE(.body = "{'flush': true}", .reply = "{'flush': true}"),
     .handler = api_account_flush},
    {.method = "PUT",
     .path = "/v1/account/{account}/sync",
     .operation_id = "putV1AccountAccountSync",
     .tag = "Account",
     .summary = "Look for changes in all mailboxes now",
     .scope = "api",
     .action = "write",
     .group = "account",
     ROUTE_PARAMS(api_row_account),
     .body = &account_sync_body,
     .response = &account_sync_response,
     ROUTE_EXAMPLE(.body = "{'sync': true}", .reply = "{'sync': true}"),
     .handler = api_account_sync},
    {.method = "POST",
     .path = "/v1/verifyAccount",
     .operation_id = "postV1Verifyaccount",
     .tag = "Account",
     .summary = "Try mail server settings without storing them",
     .scope = "api",
     .action = "read",
     .group = "admin",
     .body = &account_check_body,
     .response = &account_check_response,
     ROUTE_EXAMPLE(.body = "{'imap': {'auth': {'user': 'ann@example.com', 'pass': "
                           "'secret'}, 'host': 'imap.example.com', 'port': 993, "
                           "'secure': true}}",
                   .reply = "{'imap': {'success': true}}"),
     .handler = api_account_check},
};
