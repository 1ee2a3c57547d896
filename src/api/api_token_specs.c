/* The rows of access tokens. */
#include "api_handlers.h"
#include "api_rows.h"

static const struct field_spec address_rate_limit_fields[] = {
    F_INT("maxRequests", 0, F_MIN(1), F_DOC("Requests a window")),
    F_INT("timeWindow", 0, F_MIN(1), F_DOC("Length of the window in seconds")),
};

static const struct field_spec token_restrictions_fields[] = {
    F_ARR("referrers",
          FIELD_NULLABLE | FIELD_EMPTY_ABSENT | FIELD_FALSE_ABSENT | FIELD_SINGLE,
          F_LABEL("ReferrerAllowlist"), F_DEFAULT("null"), F_ITEM(F_STR(NULL, 0)),
          F_DOC("Allowed referrers, with * for any text")),
    F_ARR("addresses",
          FIELD_NULLABLE | FIELD_EMPTY_ABSENT | FIELD_FALSE_ABSENT | FIELD_SINGLE,
          F_LABEL("AddressAllowlist"), F_DEFAULT("null"),
          F_ITEM(F_STR(NULL, 0, F_CHECK(api_check_network))),
          F_DOC("Allowed addresses and networks")),
    F_OBJ("rateLimit", FIELD_NULLABLE | FIELD_EMPTY_ABSENT | FIELD_FALSE_ABSENT,
          F_LABEL("AddressRateLimit"), F_DEFAULT("null"),
          F_FIELDS(address_rate_limit_fields),
          F_DOC("Requests allowed in a window of time")),
};

static const struct field_spec token_permissions_fields[] = {
    F_ARR("actions", FIELD_SINGLE, F_LABEL("TokenActions"), F_MIN_LEN(1),
          F_ITEM(F_STR(NULL, 0, F_ENUM("read", "write", "send", "destructive"))),
          F_DOC("Allowed actions")),
    F_ARR("groups", FIELD_SINGLE, F_LABEL("TokenGroups"), F_MIN_LEN(1),
          F_ITEM(F_STR(NULL, 0,
                       F_ENUM("account", "mailbox", "message", "submit", "outbox",
                              "export", "template", "blocklist", "webhook", "gateway",
                              "events", "diagnostics", "logs"))),
          F_DOC("Allowed groups of operations")),
};

static const struct field_spec create_token_fields[] = {
    F_STR("account", FIELD_EMPTY_ABSENT | FIELD_TRIM, F_MAX_LEN(256),
          F_DOC("Id of the account")),
    F_STR("description", FIELD_REQUIRED | FIELD_EMPTY_ABSENT | FIELD_TRIM,
          F_MAX_LEN(1024), F_DOC("What the token is for")),
    F_ARR("scopes", FIELD_REQUIRED | FIELD_SINGLE, F_LABEL("Scopes"),
          F_DEFAULT("[\"api\"]"),
          F_ITEM(F_STR(NULL, 0, F_ENUM("api", "smtp", "imap-proxy", "mcp"))),
          F_DOC("What the token opens")),
    F_STR("metadata", FIELD_EMPTY_ABSENT, F_MAX_LEN(1048576),
          F_CHECK(api_check_json_text), F_DOC("Your own data, as JSON")),
    F_OBJ("restrictions", FIELD_NULLABLE | FIELD_EMPTY_ABSENT | FIELD_FALSE_ABSENT,
          F_LABEL("TokenRestrictions"), F_FIELDS(token_restrictions_fields),
          F_DOC("Who may use the token")),
    F_OBJ("permissions", FIELD_NULLABLE | FIELD_EMPTY_ABSENT | FIELD_FALSE_ABSENT,
          F_LABEL("TokenPermissions"), F_MIN_LEN(1), F_FIELDS(token_permissions_fields),
          F_WHEN(
              {.field = "account",
               .otherwise = {.spec = &(const struct field_spec)F_OBJ(
                                 NULL,
                                 FIELD_REQUIRED | FIELD_EMPTY_ABSENT | FIELD_FALSE_ABSENT,
                                 F_LABEL("TokenPermissions"), F_MIN_LEN(1),
                                 F_FIELDS(token_permissions_fields))}}),
          F_DOC("What the token may do")),
    F_STR("expires", FIELD_FUTURE, F_FORMAT(DATE_TIME), F_DOC("End of validity")),
    F_STR("ip", FIELD_EMPTY_ABSENT | FIELD_TRIM, F_FORMAT(IP),
          F_DOC("Address the token was asked from")),
};

static const struct field_spec token_create_body =
    F_OBJ(NULL, 0, F_LABEL("CreateToken"), F_FIELDS(create_token_fields));

static const struct field_spec create_token_response_fields[] = {
    F_STR("token", FIELD_REQUIRED, F_LEN(64), F_FORMAT(HEX), F_DOC("Token or its id")),
    F_STR("id", FIELD_REQUIRED, F_LEN(64), F_FORMAT(HEX), F_DOC("Id")),
};

static const struct field_spec token_create_response = F_OBJ(
    NULL, 0, F_LABEL("CreateTokenResponse"), F_FIELDS(create_token_response_fields));

static const struct field_spec tokens_list_query[] = {
    F_PART(api_rows_page),
    F_STR("query", FIELD_EMPTY_ABSENT | FIELD_TRIM, F_MAX_LEN(1024),
          F_DOC("Text to look for")),
    F_STR("account", FIELD_EMPTY_ABSENT | FIELD_TRIM, F_MAX_LEN(256),
          F_DOC("Id of the account")),
};

static const struct field_spec token_access_fields[] = {
    F_STR("time", FIELD_NULLABLE, F_FORMAT(DATE_TIME)),
    F_STR("ip", FIELD_NULLABLE | FIELD_EMPTY_ABSENT | FIELD_TRIM, F_FORMAT(IP),
          F_DOC("Address the token was asked from")),
};

static const struct field_spec token_rows[] = {
    F_STR("description", FIELD_EMPTY_ABSENT | FIELD_TRIM, F_MAX_LEN(1024),
          F_DOC("What the token is for")),
    F_STR("metadata", FIELD_EMPTY_ABSENT, F_MAX_LEN(1048576),
          F_DOC("Your own data, as JSON")),
    F_STR("ip", FIELD_EMPTY_ABSENT | FIELD_TRIM, F_FORMAT(IP),
          F_DOC("Address the token was asked from")),
    F_STR("remoteAddress", FIELD_EMPTY_ABSENT | FIELD_TRIM, F_FORMAT(IP)),
    F_ARR("scopes", 0, F_LABEL("TokenScopes"), F_ITEM(F_STR(NULL, 0)),
          F_DOC("What the token opens")),
    F_OBJ("restrictions", FIELD_NULLABLE | FIELD_EMPTY_ABSENT | FIELD_FALSE_ABSENT,
          F_LABEL("TokenRestrictions"), F_FIELDS(token_restrictions_fields),
          F_DOC("Who may use the token")),
    F_OBJ("permissions", FIELD_NULLABLE | FIELD_EMPTY_ABSENT | FIELD_FALSE_ABSENT,
          F_LABEL("TokenPermissions"), F_MIN_LEN(1), F_FIELDS(token_permissions_fields),
          F_DOC("What the token may do")),
    F_STR("created", 0, F_FORMAT(DATE_TIME)),
    F_STR("expires", 0, F_FORMAT(DATE_TIME), F_DOC("End of validity")),
    F_OBJ("access", FIELD_UNKNOWN_OK, F_LABEL("TokenAccess"),
          F_FIELDS(token_access_fields)),
    F_STR("id", 0, F_LEN(64), F_FORMAT(HEX), F_DOC("Id")),
};

static const struct field_spec tokens_item_fields[] = {
    F_STR("account", FIELD_NULLABLE | FIELD_EMPTY_ABSENT | FIELD_TRIM, F_MAX_LEN(256),
          F_DOC("Id of the account")),
    F_PART(token_rows),
};

static const struct field_spec tokens_response_fields[] = {
    F_STR("account", FIELD_NULLABLE | FIELD_EMPTY_ABSENT | FIELD_TRIM, F_MAX_LEN(256),
          F_DOC("Id of the account")),
    F_PART(api_rows_pages),
    F_ARR("tokens", 0, F_LABEL("TokensEntries"),
          F_ITEM(F_OBJ(NULL, 0, F_LABEL("TokensItem"), F_FIELDS(tokens_item_fields)))),
};

static const struct field_spec tokens_list_response =
    F_OBJ(NULL, 0, F_LABEL("TokensResponse"), F_FIELDS(tokens_response_fields));

static const struct field_spec token_params[] = {
    F_STR("token", FIELD_REQUIRED, F_LEN(64), F_FORMAT(HEX), F_DOC("Token or its id")),
};

static const struct field_spec token_get_response =
    F_OBJ(NULL, 0, F_LABEL("TokenResponse"), F_FIELDS(tokens_item_fields));

static const struct field_spec delete_token_request_response_fields[] = {
    F_BOOL("deleted", FIELD_LOOSE, F_DEFAULT("true")),
};

static const struct field_spec token_delete_response =
    F_OBJ(NULL, 0, F_LABEL("DeleteTokenRequestResponse"),
          F_FIELDS(delete_token_request_response_fields));

static const struct field_spec account_tokens_item_fields[] = {
    F_PART(api_row_account),
    F_PART(token_rows),
};

static const struct field_spec accounts_tokens_response_fields[] = {
    F_ARR("tokens", 0, F_LABEL("AccountTokensEntries"),
          F_ITEM(F_OBJ(NULL, 0, F_LABEL("AccountTokensItem"),
                       F_FIELDS(account_tokens_item_fields)))),
};

static const struct field_spec account_tokens_list_response =
    F_OBJ(NULL, 0, F_LABEL("AccountsTokensResponse"),
          F_FIELDS(accounts_tokens_response_fields));

const struct api_route api_token_routes[API_TOKEN_ROUTES] = {
    {.method = "POST",
     .path = "/v1/tokens",
     .operation_id = "postV1Tokens",
     .tag = "Access Tokens",
     .summary = "Issue an access token",
     .scope = "api",
     .action = "write",
     .group = "admin",
     .body = &token_create_body,
     .response = &token_create_response,
     ROUTE_EXAMPLE(
             .body = "{'account': 'example', 'description': 'For the web shop', "
                     "'scopes': ['api'], 'restrictions': {'addresses': "
                     "['192.0.2.0/24']}}",
             .reply =
                 "{'token': "
                 "'0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef', "
                 "'id': "
                 "'fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210'}"),
     .handler = api_token_create},
    {.method = "GET",
     .path = "/v1/tokens",
     .operation_id = "getV1Tokens",
     .tag = "Access Tokens",
     .summary = "List access tokens",
     .scope = "api",
     .action = "read",
     .group = "admin",
     .flags = API_ACCOUNT_FREE,
     ROUTE_QUERY(tokens_list_query),
     .response = &tokens_list_response,
     ROUTE_EXAMPLE(
             .reply =
                 "{'account': 'example', 'total': 1, 'page': 0, 'pages': 1, "
                 "'tokens': [{'account': 'example', 'description': 'For the "
                 "web shop', 'scopes': ['api'], 'created': "
                 "'2026-01-31T12:00:00.000Z', 'access': {'time': "
                 "'2026-01-31T12:05:00.000Z', 'ip': '192.0.2.7'}, 'id': "
                 "'fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210'}]}"),
     .handler = api_tokens_list},
    {.method = "GET",
     .path = "/v1/tokens/{token}",
     .operation_id = "getV1TokensToken",
     .tag = "Access Tokens",
     .summary = "Show an access token",
     .scope = "api",
     .action = "read",
     .group = "admin",
     ROUTE_PARAMS(token_params),
     .response = &token_get_response,
     ROUTE_EXAMPLE(
             .reply =
                 "{'account': 'example', 'description': 'For the web shop', "
                 "'scopes': ['api'], 'created': '2026-01-31T12:00:00.000Z', "
                 "'id': "
                 "'fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210'}"),
     .handler = api_token_get},
    {.method = "DELETE",
     .path = "/v1/tokens/{token}",
     .operation_id = "deleteV1TokensToken",
     .tag = "Access Tokens",
     .summary = "Revoke an access token",
     .scope = "api",
     .action = "destructive",
     .group = "admin",
     ROUTE_PARAMS(token_params),
     .response = &token_delete_response,
     ROUTE_EXAMPLE(.reply = "{'deleted': true}"),
     .handler = api_token_delete},
    {.method = "GET",
     .path = "/v1/tokens/{token}/log",
     .operation_id = "getV1TokensTokenLog",
     .tag = "Access Tokens",
     .summary = "Show what an access token was used for",
     .scope = "api",
     .action = "read",
     .group = "admin",
     ROUTE_PARAMS(token_params),
     ROUTE_QUERY(api_token_log_query),
     .response = &api_token_log_response,
     ROUTE_EXAMPLE(
             .reply =
                 "{'token': "
                 "'fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210', "
                 "'total': 1, 'page': 0, 'pages': 1, 'entries': [{'time': "
                 "'2026-01-31T12:05:00.000Z', 'ip': '192.0.2.7', 'method': "
                 "'GET', 'path': '/v1/account/{account}', 'action': 'read', "
                 "'group': 'account', 'account': 'example', 'status': "
                 "'allowed', 'reason': null}]}"),
     .handler = api_token_log_get},
    {.method = "POST",
     .path = "/v1/token",
     .operation_id = "postV1Token",
     .tag = "Access Tokens",
     .summary = "Issue an access token (old name)",
     .scope = "api",
     .action = "write",
     .group = "logs",
     .flags = API_UNDOCUMENTED | API_DEPRECATED | API_ADMIN,
     .body = &token_create_body,
     .response = &token_create_response,
     .handler = api_token_create},
    {.method = "DELETE",
     .path = "/v1/token/{token}",
     .operation_id = "deleteV1TokenToken",
     .tag = "Access Tokens",
     .summary = "Revoke an access token (old name)",
     .scope = "api",
     .action = "destructive",
     .group = "logs",
     .flags = API_UNDOCUMENTED | API_DEPRECATED | API_ADMIN,
     ROUTE_PARAMS(token_params),
     .response = &token_delete_response,
     .handler = api_token_delete},
    {.method = "GET",
     .path = "/v1/tokens/account/{account}",
     .operation_id = "getV1TokensAccountAccount",
     .tag = "Access Tokens",
     .summary = "List the access tokens of an account (old name)",
     .scope = "api",
     .action = "read",
     .group = "logs",
     .flags = API_UNDOCUMENTED | API_DEPRECATED | API_ADMIN,
     ROUTE_PARAMS(api_row_account),
     .response = &account_tokens_list_response,
     .handler = api_account_tokens_list},
};
