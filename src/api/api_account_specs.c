/* The rows of accounts: what comes in, what goes out. */
#include "api_handlers.h"

static const struct field_spec imap_authentication_fields[] = {
    F_STR("user", FIELD_REQUIRED, F_MAX_LEN(256), F_DOC("User name")),
    F_STR("accessToken", FIELD_FALSE_OK | FIELD_WRITE_ONLY, F_MAX_LEN(16384),
          F_DOC("OAuth2 access token instead of a password")),
    F_STR("pass", FIELD_WRITE_ONLY, F_MAX_LEN(256),
          F_WHEN(
              {.field = "accessToken", .then = {WHEN_OFF}, .otherwise = {WHEN_REQUIRED}}),
          F_DOC("Password")),
};

static const struct field_spec imap_tls_options_fields[] = {
    F_BOOL("rejectUnauthorized", 0, F_DEFAULT("true"),
           F_DOC("Refuse certificates that cannot be verified")),
    F_STR("minVersion", 0, F_MAX_LEN(256), F_DOC("Lowest TLS version")),
};

static const struct field_spec imap_configuration_fields[] = {
    F_BOOL("useAuthServer", 0, F_DOC("Ask the authentication server for credentials")),
    F_OBJ("auth", FIELD_FALSE_OK, F_LABEL("ImapAuthentication"),
          F_FIELDS(imap_authentication_fields),
          F_WHEN({.field = "useAuthServer", .is = F_LIST("true"), .then = {WHEN_OFF}}),
          F_DOC("Credentials")),
    F_BOOL("secure", 0, F_DEFAULT("false"), F_DOC("TLS from the first byte")),
    F_OBJ("tls", FIELD_UNKNOWN_OK, F_LABEL("ImapTlsOptions"),
          F_FIELDS(imap_tls_options_fields), F_DOC("TLS options")),
    F_BOOL("disableIMAP4rev2", 0, F_DOC("Stay with IMAP4rev1")),
    F_INT("resyncDelay", 0, F_DEFAULT("900"), F_DOC("Seconds between full passes")),
    F_BOOL("disabled", 0, F_DOC("Do not connect")),
    F_STR("host", 0, F_FORMAT(HOSTNAME),
          F_WHEN({.field = "disabled",
                  .is = F_LIST("true"),
                  .then = {.set = FIELD_NULLABLE | FIELD_FALSE_OK},
                  .otherwise = {WHEN_REQUIRED}}),
          F_DOC("Server name or address")),
    F_INT("port", 0, F_RANGE(1, 65535),
          F_WHEN({.field = "disabled",
                  .is = F_LIST("true"),
                  .then = {.set = FIELD_NULLABLE | FIELD_FALSE_OK},
                  .otherwise = {WHEN_REQUIRED}}),
          F_DOC("Server port")),
    F_STR("sentMailPath", FIELD_NULLABLE, F_MAX_LEN(1024),
          F_DOC("Mailbox for sent mail")),
    F_STR("draftsMailPath", FIELD_NULLABLE, F_MAX_LEN(1024), F_DOC("Mailbox for drafts")),
    F_STR("junkMailPath", FIELD_NULLABLE, F_MAX_LEN(1024), F_DOC("Mailbox for junk")),
    F_STR("trashMailPath", FIELD_NULLABLE, F_MAX_LEN(1024),
          F_DOC("Mailbox for deleted mail")),
    F_STR("archiveMailPath", FIELD_NULLABLE, F_MAX_LEN(1024),
          F_DOC("Mailbox for archived mail")),
};

static const struct field_spec smtp_configuration_fields[] = {
    F_BOOL("useAuthServer", 0, F_DOC("Ask the authentication server for credentials")),
    F_OBJ("auth", FIELD_FALSE_OK, F_LABEL("SmtpAuthentication"),
          F_FIELDS(imap_authentication_fields),
          F_WHEN({.field = "useAuthServer", .is = F_LIST("true"), .then = {WHEN_OFF}}),
          F_DOC("Credentials")),
    F_STR("host", FIELD_REQUIRED, F_FORMAT(HOSTNAME), F_DOC("Server name or address")),
    F_INT("port", FIELD_REQUIRED, F_RANGE(1, 65535), F_DOC("Server port")),
    F_BOOL("secure", 0, F_DEFAULT("false"), F_DOC("TLS from the first byte")),
    F_OBJ("tls", FIELD_UNKNOWN_OK, F_LABEL("SmtpTlsOptions"),
          F_FIELDS(imap_tls_options_fields), F_DOC("TLS options")),
};

static const struct field_spec o_auth2_authentication_fields[] = {
    F_STR("user", 0, F_MAX_LEN(256), F_DOC("User name")),
    F_STR("delegatedUser", 0, F_MAX_LEN(256), F_DOC("Shared mailbox to be opened")),
    F_STR("delegatedAccount", FIELD_EMPTY_ABSENT | FIELD_TRIM, F_MAX_LEN(256),
          F_WHEN({.field = "delegatedUser", .otherwise = {WHEN_FORBIDDEN}}),
          F_DOC("Account whose credentials open the shared mailbox")),
};

static const struct field_spec o_auth2_fields[] = {
    F_BOOL("authorize", 0, F_DOC("Return a URL where the user gives consent")),
    F_STR("redirectUrl", FIELD_EMPTY_ABSENT, F_URI("http", "https"),
          F_WHEN({.field = "authorize", .is = F_LIST("true"), .otherwise = {WHEN_OFF}}),
          F_DOC("Where the user goes after consent")),
    F_STR("provider", 0, F_MAX_LEN(256), F_DOC("OAuth2 application")),
    F_OBJ("auth", 0, F_LABEL("OAuth2Authentication"),
          F_FIELDS(o_auth2_authentication_fields),
          F_WHEN(
              {.field = "authorize", .is = F_LIST("true"), .otherwise = {WHEN_REQUIRED}}),
          F_DOC("Credentials")),
    F_BOOL("useAuthServer", 0, F_DOC("Ask the authentication server for credentials")),
    F_STR("accessToken", FIELD_WRITE_ONLY, F_MAX_LEN(16384),
          F_DOC("OAuth2 access token instead of a password")),
    F_STR("refreshToken", FIELD_WRITE_ONLY, F_MAX_LEN(16384),
          F_DOC("OAuth2 refresh token")),
    F_STR("authority", FIELD_EMPTY_ABSENT | FIELD_TRIM | FIELD_UNDOCUMENTED,
          F_MAX_LEN(1024), F_DOC("Tenant of the provider")),
    F_STR("expires", 0, F_FORMAT(DATE_TIME), F_DOC("End of validity")),
};

static const struct field_spec webhooks_custom_header_fields[] = {
    F_STR("key", FIELD_REQUIRED | FIELD_EMPTY_ABSENT | FIELD_TRIM, F_MAX_LEN(1024)),
    F_STR("value", FIELD_EMPTY_ABSENT | FIELD_TRIM, F_MAX_LEN(10240), F_DEFAULT("\"\"")),
};

static const struct field_spec create_account_fields[] = {
    F_STR("account", FIELD_REQUIRED | FIELD_NULLABLE | FIELD_EMPTY_ABSENT | FIELD_TRIM,
          F_MAX_LEN(256), F_DOC("Id of the account")),
    F_STR("name", FIELD_REQUIRED, F_MAX_LEN(256), F_DOC("Shown name")),
    F_STR("email", FIELD_EMPTY_ABSENT, F_FORMAT(EMAIL), F_DOC("Address of the account")),
    F_STR("expectedEmail", FIELD_EMPTY_ABSENT, F_FORMAT(EMAIL),
          F_DOC("Refuse the account if it turns out to have another address")),
    F_ARR("path", FIELD_NULLABLE | FIELD_SINGLE, F_LABEL("AccountPath"),
          F_ITEM(F_STR(NULL, FIELD_EMPTY_ABSENT, F_MAX_LEN(1024))),
          F_DOC("Mailbox path, or a special use such as \\Sent")),
    F_ARR("subconnections", FIELD_SINGLE, F_LABEL("SubconnectionPaths"),
          F_ITEM(F_STR(NULL, 0, F_MAX_LEN(256))),
          F_DOC("Further mailboxes to be watched at once")),
    F_STR("webhooks", FIELD_EMPTY_OK, F_URI("http", "https"),
          F_DOC("URL that is told of events")),
    F_BOOL("copy", FIELD_NULLABLE, F_DOC("Keep a copy of sent mail in the Sent mailbox")),
    F_BOOL("logs", 0, F_DEFAULT("false"),
           F_DOC("Keep a log of the traffic with the mail server")),
    F_STR("notifyFrom", FIELD_NULLABLE, F_DEFAULT("\"now\""), F_FORMAT(DATE_TIME),
          F_DOC("Tell of messages newer than this")),
    F_STR("syncFrom", FIELD_NULLABLE | FIELD_UNDOCUMENTED, F_DEFAULT("null"),
          F_FORMAT(DATE_TIME), F_DOC("Index messages newer than this")),
    F_STR("proxy", FIELD_EMPTY_OK,
          F_URI("http", "https", "socks", "socks4", "socks4a", "socks5"),
          F_DOC("Proxy for the connections to the mail servers")),
    F_STR("smtpEhloName", FIELD_NULLABLE | FIELD_EMPTY_OK, F_FORMAT(HOSTNAME),
          F_DOC("Name given to SMTP servers")),
    F_STR("imapIndexer", FIELD_NULLABLE | FIELD_EMPTY_ABSENT | FIELD_TRIM,
          F_ENUM("full", "fast"),
          F_DOC("How changes are found: all of them, or only new messages")),
    F_OBJ("imap", FIELD_FALSE_OK, F_LABEL("ImapConfiguration"),
          F_FIELDS(imap_configuration_fields), F_DOC("IMAP server")),
    F_OBJ("smtp", FIELD_FALSE_OK, F_LABEL("SmtpConfiguration"),
          F_FIELDS(smtp_configuration_fields), F_DOC("SMTP server")),
    F_OBJ("oauth2", FIELD_FALSE_OK, F_LABEL("OAuth2"), F_FIELDS(o_auth2_fields),
          F_DOC("OAuth2 credentials")),
    F_ARR("webhooksCustomHeaders", 0, F_LABEL("AccountWebhooksCustomHeaders"),
          F_ITEM(F_OBJ(NULL, 0, F_LABEL("WebhooksCustomHeader"),
                       F_FIELDS(webhooks_custom_header_fields))),
          F_DOC("Headers added to webhook requests")),
    F_STR("locale", FIELD_EMPTY_ABSENT, F_MAX_LEN(100), F_DOC("Language")),
    F_STR("tz", FIELD_EMPTY_ABSENT, F_MAX_LEN(100), F_DOC("Time zone")),
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

static const struct field_spec account_params[] = {
    F_STR("account", FIELD_REQUIRED | FIELD_EMPTY_ABSENT | FIELD_TRIM, F_MAX_LEN(256),
          F_DOC("Id of the account")),
};

static const struct field_spec account_get_query[] = {
    F_BOOL("quota", FIELD_LOOSE, F_DEFAULT("false"), F_DOC("Also ask for the quota")),
};

static const struct field_spec imap_authentication2_fields[] = {
    F_STR("user", FIELD_REQUIRED, F_MAX_LEN(256), F_DOC("User name")),
    F_STR("accessToken", FIELD_FALSE_OK, F_MAX_LEN(16384),
          F_DOC("OAuth2 access token instead of a password")),
    F_STR("pass", 0, F_MAX_LEN(256),
          F_WHEN(
              {.field = "accessToken", .then = {WHEN_OFF}, .otherwise = {WHEN_REQUIRED}}),
          F_DOC("Password")),
};

static const struct field_spec imap_response_fields[] = {
    F_BOOL("useAuthServer", 0, F_DOC("Ask the authentication server for credentials")),
    F_OBJ("auth", FIELD_FALSE_OK, F_LABEL("ImapAuthentication"),
          F_FIELDS(imap_authentication2_fields),
          F_WHEN({.field = "useAuthServer", .is = F_LIST("true"), .then = {WHEN_OFF}}),
          F_DOC("Credentials")),
    F_BOOL("secure", 0, F_DEFAULT("false"), F_DOC("TLS from the first byte")),
    F_OBJ("tls", FIELD_UNKNOWN_OK, F_LABEL("ImapTlsOptions"),
          F_FIELDS(imap_tls_options_fields), F_DOC("TLS options")),
    F_BOOL("disableIMAP4rev2", 0, F_DOC("Stay with IMAP4rev1")),
    F_INT("resyncDelay", 0, F_DEFAULT("900"), F_DOC("Seconds between full passes")),
    F_BOOL("disabled", 0, F_DOC("Do not connect")),
    F_STR("host", 0, F_FORMAT(HOSTNAME),
          F_WHEN({.field = "disabled",
                  .is = F_LIST("true"),
                  .then = {.set = FIELD_NULLABLE | FIELD_FALSE_OK},
                  .otherwise = {WHEN_REQUIRED}}),
          F_DOC("Server name or address")),
    F_INT("port", 0, F_RANGE(1, 65535),
          F_WHEN({.field = "disabled",
                  .is = F_LIST("true"),
                  .then = {.set = FIELD_NULLABLE | FIELD_FALSE_OK},
                  .otherwise = {WHEN_REQUIRED}}),
          F_DOC("Server port")),
    F_STR("sentMailPath", FIELD_NULLABLE, F_MAX_LEN(1024),
          F_DOC("Mailbox for sent mail")),
    F_STR("draftsMailPath", FIELD_NULLABLE, F_MAX_LEN(1024), F_DOC("Mailbox for drafts")),
    F_STR("junkMailPath", FIELD_NULLABLE, F_MAX_LEN(1024), F_DOC("Mailbox for junk")),
    F_STR("trashMailPath", FIELD_NULLABLE, F_MAX_LEN(1024),
          F_DOC("Mailbox for deleted mail")),
    F_STR("archiveMailPath", FIELD_NULLABLE, F_MAX_LEN(1024),
          F_DOC("Mailbox for archived mail")),
};

static const struct field_spec smtp_response_fields[] = {
    F_BOOL("useAuthServer", 0, F_DOC("Ask the authentication server for credentials")),
    F_OBJ("auth", FIELD_FALSE_OK, F_LABEL("SmtpAuthentication"),
          F_FIELDS(imap_authentication2_fields),
          F_WHEN({.field = "useAuthServer", .is = F_LIST("true"), .then = {WHEN_OFF}}),
          F_DOC("Credentials")),
    F_STR("host", FIELD_REQUIRED, F_FORMAT(HOSTNAME), F_DOC("Server name or address")),
    F_INT("port", FIELD_REQUIRED, F_RANGE(1, 65535), F_DOC("Server port")),
    F_BOOL("secure", 0, F_DEFAULT("false"), F_DOC("TLS from the first byte")),
    F_OBJ("tls", FIELD_UNKNOWN_OK, F_LABEL("SmtpTlsOptions"),
          F_FIELDS(imap_tls_options_fields), F_DOC("TLS options")),
};

static const struct field_spec oauth2_response_fields[] = {
    F_BOOL("authorize", 0, F_DOC("Return a URL where the user gives consent")),
    F_STR("redirectUrl", FIELD_EMPTY_ABSENT, F_URI("http", "https"),
          F_WHEN({.field = "authorize", .is = F_LIST("true"), .otherwise = {WHEN_OFF}}),
          F_DOC("Where the user goes after consent")),
    F_STR("provider", 0, F_MAX_LEN(256), F_DOC("OAuth2 application")),
    F_OBJ("auth", 0, F_LABEL("OAuth2Authentication"),
          F_FIELDS(o_auth2_authentication_fields),
          F_WHEN(
              {.field = "authorize", .is = F_LIST("true"), .otherwise = {WHEN_REQUIRED}}),
          F_DOC("Credentials")),
    F_BOOL("useAuthServer", 0, F_DOC("Ask the authentication server for credentials")),
    F_STR("accessToken", 0, F_MAX_LEN(16384),
          F_DOC("OAuth2 access token instead of a password")),
    F_STR("refreshToken", 0, F_MAX_LEN(16384), F_DOC("OAuth2 refresh token")),
    F_STR("authority", FIELD_EMPTY_ABSENT | FIELD_TRIM | FIELD_UNDOCUMENTED,
          F_MAX_LEN(1024), F_DOC("Tenant of the provider")),
    F_STR("expires", 0, F_FORMAT(DATE_TIME), F_DOC("End of validity")),
    F_ARR("scope", 0, F_LABEL("AccountOauth2Scopes"), F_ITEM(F_STR(NULL, 0))),
    F_STR("tokenType", 0),
    F_STR("generated", 0, F_FORMAT(DATE_TIME)),
    F_STR("refreshTokenGenerated", 0, F_FORMAT(DATE_TIME)),
    F_OBJ("userFlag", FIELD_UNKNOWN_OK, F_LABEL("AccountOauth2UserFlag")),
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
    F_STR("account", FIELD_REQUIRED | FIELD_EMPTY_ABSENT | FIELD_TRIM, F_MAX_LEN(256),
          F_DOC("Id of the account")),
    F_STR("name", FIELD_EMPTY_OK, F_MAX_LEN(256), F_DOC("Shown name")),
    F_STR("email", FIELD_EMPTY_ABSENT, F_FORMAT(EMAIL), F_DOC("Address of the account")),
    F_STR("expectedEmail", FIELD_EMPTY_ABSENT, F_FORMAT(EMAIL),
          F_DOC("Refuse the account if it turns out to have another address")),
    F_BOOL("copy", 0, F_DOC("Keep a copy of sent mail in the Sent mailbox")),
    F_BOOL("logs", 0, F_DOC("Keep a log of the traffic with the mail server")),
    F_STR("notifyFrom", FIELD_NULLABLE, F_FORMAT(DATE_TIME),
          F_DOC("Tell of messages newer than this")),
    F_STR("syncFrom", FIELD_NULLABLE | FIELD_UNDOCUMENTED, F_FORMAT(DATE_TIME),
          F_DOC("Index messages newer than this")),
    F_ARR("path", FIELD_NULLABLE | FIELD_SINGLE, F_LABEL("AccountPath"),
          F_ITEM(F_STR(NULL, FIELD_EMPTY_ABSENT, F_MAX_LEN(1024))),
          F_DOC("Mailbox path, or a special use such as \\Sent")),
    F_STR("imapIndexer", FIELD_NULLABLE | FIELD_EMPTY_ABSENT | FIELD_TRIM,
          F_ENUM("full", "fast"),
          F_DOC("How changes are found: all of them, or only new messages")),
    F_ARR("subconnections", FIELD_SINGLE, F_LABEL("SubconnectionPaths"),
          F_ITEM(F_STR(NULL, 0, F_MAX_LEN(256))),
          F_DOC("Further mailboxes to be watched at once")),
    F_STR("webhooks", FIELD_EMPTY_OK, F_URI("http", "https"),
          F_DOC("URL that is told of events")),
    F_STR("proxy", FIELD_EMPTY_OK,
          F_URI("http", "https", "socks", "socks4", "socks4a", "socks5"),
          F_DOC("Proxy for the connections to the mail servers")),
    F_STR("smtpEhloName", FIELD_NULLABLE | FIELD_EMPTY_OK, F_FORMAT(HOSTNAME),
          F_DOC("Name given to SMTP servers")),
    F_OBJ("imap", 0, F_LABEL("IMAPResponse"), F_FIELDS(imap_response_fields),
          F_DOC("IMAP server")),
    F_OBJ("smtp", 0, F_LABEL("SMTPResponse"), F_FIELDS(smtp_response_fields),
          F_DOC("SMTP server")),
    F_OBJ("oauth2", 0, F_LABEL("Oauth2Response"), F_FIELDS(oauth2_response_fields),
          F_DOC("OAuth2 credentials")),
    F_STR("state", 0,
          F_ENUM("init", "unset", "connected", "connecting", "syncing",
                 "authenticationError", "connectError", "disconnected", "paused"),
          F_DOC("State of the account")),
    F_OBJ("smtpStatus", FIELD_NULLABLE, F_LABEL("SMTPInfoStatus"),
          F_FIELDS(smtp_info_status_fields)),
    F_OBJ("syncError", FIELD_UNKNOWN_OK, F_LABEL("AccountSyncError"),
          F_FIELDS(account_sync_error_fields)),
    F_INT("connections", 0),
    F_BOOL("sendOnly", 0),
    F_ARR("webhooksCustomHeaders", 0, F_LABEL("AccountWebhooksCustomHeaders"),
          F_ITEM(F_OBJ(NULL, 0, F_LABEL("WebhooksCustomHeader"),
                       F_FIELDS(webhooks_custom_header_fields))),
          F_DOC("Headers added to webhook requests")),
    F_STR("locale", FIELD_EMPTY_ABSENT, F_MAX_LEN(100), F_DOC("Language")),
    F_STR("tz", FIELD_EMPTY_ABSENT, F_MAX_LEN(100), F_DOC("Time zone")),
    F_STR("type", FIELD_REQUIRED,
          F_ENUM("imap", "gmail", "gmailService", "outlook", "outlookService", "mailRu",
                 "oauth2", "delegated", "sending", "invalid")),
    F_STR("app", 0, F_MAX_LEN(256)),
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

static const struct field_spec imap_update_tls_options_fields[] = {
    F_BOOL("rejectUnauthorized", 0, F_DOC("Refuse certificates that cannot be verified")),
    F_STR("minVersion", 0, F_MAX_LEN(256), F_DOC("Lowest TLS version")),
};

static const struct field_spec imap_update_fields[] = {
    F_BOOL("partial", 0, F_DEFAULT("false"), F_DOC("Keep what is not named here")),
    F_BOOL("useAuthServer", 0, F_DOC("Ask the authentication server for credentials")),
    F_OBJ("auth", FIELD_FALSE_OK, F_LABEL("ImapUpdateAuthentication"),
          F_FIELDS(imap_authentication_fields),
          F_WHEN({.field = "useAuthServer", .is = F_LIST("true"), .then = {WHEN_OFF}}),
          F_DOC("Credentials")),
    F_STR("host", 0, F_FORMAT(HOSTNAME), F_DOC("Server name or address")),
    F_INT("port", 0, F_RANGE(1, 65535), F_DOC("Server port")),
    F_BOOL("secure", 0, F_DOC("TLS from the first byte")),
    F_OBJ("tls", FIELD_UNKNOWN_OK, F_LABEL("ImapUpdateTlsOptions"),
          F_FIELDS(imap_update_tls_options_fields), F_DOC("TLS options")),
    F_BOOL("disableIMAP4rev2", 0, F_DOC("Stay with IMAP4rev1")),
    F_INT("resyncDelay", 0, F_DOC("Seconds between full passes")),
    F_BOOL("disabled", 0, F_DOC("Do not connect")),
    F_STR("sentMailPath", FIELD_NULLABLE, F_MAX_LEN(1024),
          F_DOC("Mailbox for sent mail")),
    F_STR("draftsMailPath", FIELD_NULLABLE, F_MAX_LEN(1024), F_DOC("Mailbox for drafts")),
    F_STR("junkMailPath", FIELD_NULLABLE, F_MAX_LEN(1024), F_DOC("Mailbox for junk")),
    F_STR("trashMailPath", FIELD_NULLABLE, F_MAX_LEN(1024),
          F_DOC("Mailbox for deleted mail")),
    F_STR("archiveMailPath", FIELD_NULLABLE, F_MAX_LEN(1024),
          F_DOC("Mailbox for archived mail")),
};

static const struct field_spec smtp_update_fields[] = {
    F_BOOL("partial", 0, F_DEFAULT("false"), F_DOC("Keep what is not named here")),
    F_BOOL("useAuthServer", 0, F_DOC("Ask the authentication server for credentials")),
    F_OBJ("auth", FIELD_FALSE_OK, F_LABEL("SmtpUpdateAuthentication"),
          F_FIELDS(imap_authentication_fields),
          F_WHEN({.field = "useAuthServer", .is = F_LIST("true"), .then = {WHEN_OFF}}),
          F_DOC("Credentials")),
    F_STR("host", 0, F_FORMAT(HOSTNAME), F_DOC("Server name or address")),
    F_INT("port", 0, F_RANGE(1, 65535), F_DOC("Server port")),
    F_BOOL("secure", 0, F_DOC("TLS from the first byte")),
    F_OBJ("tls", FIELD_UNKNOWN_OK, F_LABEL("SmtpUpdateTlsOptions"),
          F_FIELDS(imap_update_tls_options_fields), F_DOC("TLS options")),
};

static const struct field_spec o_auth2_update_fields[] = {
    F_BOOL("partial", 0, F_DEFAULT("false"), F_DOC("Keep what is not named here")),
    F_BOOL("authorize", 0, F_DOC("Return a URL where the user gives consent")),
    F_STR("provider", 0, F_MAX_LEN(256), F_DOC("OAuth2 application")),
    F_OBJ("auth", 0, F_LABEL("OAuth2Authentication"),
          F_FIELDS(o_auth2_authentication_fields),
          F_WHEN(
              {.field = "authorize", .is = F_LIST("true"), .otherwise = {WHEN_REQUIRED}}),
          F_DOC("Credentials")),
    F_BOOL("useAuthServer", 0, F_DOC("Ask the authentication server for credentials")),
    F_STR("accessToken", FIELD_WRITE_ONLY, F_MAX_LEN(16384),
          F_DOC("OAuth2 access token instead of a password")),
    F_STR("refreshToken", FIELD_WRITE_ONLY, F_MAX_LEN(16384),
          F_DOC("OAuth2 refresh token")),
    F_STR("authority", FIELD_EMPTY_ABSENT | FIELD_TRIM | FIELD_UNDOCUMENTED,
          F_MAX_LEN(1024), F_DOC("Tenant of the provider")),
    F_STR("expires", 0, F_FORMAT(DATE_TIME), F_DOC("End of validity")),
};

static const struct field_spec update_account_fields[] = {
    F_STR("name", 0, F_MAX_LEN(256), F_DOC("Shown name")),
    F_STR("email", FIELD_EMPTY_ABSENT, F_FORMAT(EMAIL), F_DOC("Address of the account")),
    F_STR("expectedEmail", FIELD_NULLABLE | FIELD_EMPTY_ABSENT, F_FORMAT(EMAIL),
          F_DOC("Refuse the account if it turns out to have another address")),
    F_ARR("path", FIELD_NULLABLE | FIELD_SINGLE, F_LABEL("AccountPath"),
          F_ITEM(F_STR(NULL, FIELD_EMPTY_ABSENT, F_MAX_LEN(1024))),
          F_DOC("Mailbox path, or a special use such as \\Sent")),
    F_ARR("subconnections", FIELD_SINGLE, F_LABEL("SubconnectionPaths"),
          F_ITEM(F_STR(NULL, 0, F_MAX_LEN(256))),
          F_DOC("Further mailboxes to be watched at once")),
    F_STR("webhooks", FIELD_EMPTY_OK, F_URI("http", "https"),
          F_DOC("URL that is told of events")),
    F_BOOL("copy", FIELD_NULLABLE, F_DOC("Keep a copy of sent mail in the Sent mailbox")),
    F_BOOL("logs", 0, F_DOC("Keep a log of the traffic with the mail server")),
    F_STR("notifyFrom", FIELD_NULLABLE, F_FORMAT(DATE_TIME),
          F_DOC("Tell of messages newer than this")),
    F_STR("syncFrom", FIELD_NULLABLE | FIELD_UNDOCUMENTED, F_FORMAT(DATE_TIME),
          F_DOC("Index messages newer than this")),
    F_STR("proxy", FIELD_EMPTY_OK,
          F_URI("http", "https", "socks", "socks4", "socks4a", "socks5"),
          F_DOC("Proxy for the connections to the mail servers")),
    F_STR("smtpEhloName", FIELD_NULLABLE | FIELD_EMPTY_OK, F_FORMAT(HOSTNAME),
          F_DOC("Name given to SMTP servers")),
    F_OBJ("imap", FIELD_FALSE_OK, F_LABEL("IMAPUpdate"), F_FIELDS(imap_update_fields),
          F_DOC("IMAP server")),
    F_OBJ("smtp", FIELD_FALSE_OK, F_LABEL("SMTPUpdate"), F_FIELDS(smtp_update_fields),
          F_DOC("SMTP server")),
    F_OBJ("oauth2", FIELD_FALSE_OK, F_LABEL("OAuth2Update"),
          F_FIELDS(o_auth2_update_fields), F_DOC("OAuth2 credentials")),
    F_ARR("webhooksCustomHeaders", 0, F_LABEL("AccountWebhooksCustomHeaders"),
          F_ITEM(F_OBJ(NULL, 0, F_LABEL("WebhooksCustomHeader"),
                       F_FIELDS(webhooks_custom_header_fields))),
          F_DOC("Headers added to webhook requests")),
    F_STR("locale", FIELD_EMPTY_ABSENT, F_MAX_LEN(100), F_DOC("Language")),
    F_STR("tz", FIELD_EMPTY_ABSENT, F_MAX_LEN(100), F_DOC("Time zone")),
};

static const struct field_spec account_update_body =
    F_OBJ(NULL, 0, F_LABEL("UpdateAccount"), F_FIELDS(update_account_fields));

static const struct field_spec account_update_response =
    F_OBJ(NULL, 0, F_LABEL("UpdateAccountResponse"), F_FIELDS(account_params));

static const struct field_spec account_delete_query[] = {
    F_BOOL("revoke", FIELD_LOOSE, F_DEFAULT("false"),
           F_DOC("Also revoke the OAuth2 grant")),
};

static const struct field_spec delete_account_response_fields[] = {
    F_STR("account", FIELD_REQUIRED | FIELD_EMPTY_ABSENT | FIELD_TRIM, F_MAX_LEN(256),
          F_DOC("Id of the account")),
    F_BOOL("deleted", FIELD_LOOSE, F_DEFAULT("true")),
};

static const struct field_spec account_delete_response = F_OBJ(
    NULL, 0, F_LABEL("DeleteAccountResponse"), F_FIELDS(delete_account_response_fields));

static const struct field_spec accounts_list_query[] = {
    F_INT("page", 0, F_RANGE(0, 1048576), F_DEFAULT("0"), F_DOC("Page, from 0")),
    F_INT("pageSize", 0, F_RANGE(1, 1000), F_DEFAULT("20"), F_DOC("Rows a page")),
    F_STR("state", 0,
          F_ENUM("init", "unset", "connected", "connecting", "syncing",
                 "authenticationError", "connectError", "disconnected", "paused"),
          F_DOC("State of the account")),
    F_STR("query", 0, F_DOC("Text to look for")),
};

static const struct field_spec account_response_item_fields[] = {
    F_STR("account", FIELD_REQUIRED | FIELD_EMPTY_ABSENT | FIELD_TRIM, F_MAX_LEN(256),
          F_DOC("Id of the account")),
    F_STR("name", FIELD_EMPTY_OK, F_MAX_LEN(256), F_DOC("Shown name")),
    F_STR("email", FIELD_EMPTY_ABSENT, F_FORMAT(EMAIL), F_DOC("Address of the account")),
    F_STR("type", FIELD_REQUIRED,
          F_ENUM("imap", "gmail", "gmailService", "outlook", "outlookService", "mailRu",
                 "oauth2", "delegated", "sending", "invalid")),
    F_STR("app", 0, F_MAX_LEN(256)),
    F_STR("state", FIELD_REQUIRED,
          F_ENUM("init", "unset", "connected", "connecting", "syncing",
                 "authenticationError", "connectError", "disconnected", "paused"),
          F_DOC("State of the account")),
    F_STR("webhooks", 0, F_URI("http", "https"), F_DOC("URL that is told of events")),
    F_STR("proxy", FIELD_EMPTY_OK,
          F_URI("http", "https", "socks", "socks4", "socks4a", "socks5"),
          F_DOC("Proxy for the connections to the mail servers")),
    F_STR("smtpEhloName", FIELD_NULLABLE | FIELD_EMPTY_OK, F_FORMAT(HOSTNAME),
          F_DOC("Name given to SMTP servers")),
    F_OBJ("counters", 0, F_LABEL("AccountCounters"), F_FIELDS(account_counters_fields),
          F_DOC("Also ask for the numbers of messages and unseen messages")),
    F_STR("syncTime", 0, F_FORMAT(DATE_TIME)),
    F_OBJ("lastError", FIELD_NULLABLE, F_LABEL("AccountErrorEntry"),
          F_FIELDS(account_error_entry_fields)),
    F_STR("delegationError", 0),
};

static const struct field_spec accounts_filter_response_fields[] = {
    F_INT("total", 0),
    F_INT("page", 0, F_DOC("Page, from 0")),
    F_INT("pages", 0),
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
    F_OBJ("imap", FIELD_FALSE_OK, F_LABEL("ImapConfiguration"),
          F_FIELDS(imap_configuration_fields), F_DOC("IMAP server")),
    F_OBJ("smtp", FIELD_FALSE_OK, F_LABEL("SmtpConfiguration"),
          F_FIELDS(smtp_configuration_fields), F_DOC("SMTP server")),
    F_STR("proxy", FIELD_EMPTY_OK,
          F_URI("http", "https", "socks", "socks4", "socks4a", "socks5"),
          F_DOC("Proxy for the connections to the mail servers")),
    F_STR("smtpEhloName", FIELD_NULLABLE | FIELD_EMPTY_OK, F_FORMAT(HOSTNAME),
          F_DOC("Name given to SMTP servers")),
};

static const struct field_spec account_check_body =
    F_OBJ(NULL, 0, F_LABEL("VerifyAccount"), F_FIELDS(verify_account_fields));

static const struct field_spec verify_imap_result_fields[] = {
    F_BOOL("success", 0),   F_STR("error", 0),        F_STR("code", 0),
    F_INT("statusCode", 0), F_STR("responseText", 0),
};

static const struct field_spec mailbox_short_response_item_fields[] = {
    F_STR("path", FIELD_REQUIRED, F_DOC("Mailbox path, or a special use such as \\Sent")),
    F_STR("delimiter", FIELD_NULLABLE),
    F_STR("parentPath", FIELD_EMPTY_OK),
    F_STR("name", FIELD_REQUIRED, F_DOC("Shown name")),
    F_BOOL("listed", 0),
    F_BOOL("subscribed", 0),
    F_STR("specialUse", 0,
          F_ENUM("\\All", "\\Archive", "\\Drafts", "\\Flagged", "\\Junk", "\\Sent",
                 "\\Trash", "\\Inbox")),
    F_STR("specialUseSource", 0, F_ENUM("user", "extension", "name")),
    F_BOOL("noInferiors", 0),
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
     .handler = api_account_create},
    {.method = "GET",
     .path = "/v1/account/{account}",
     .operation_id = "getV1AccountAccount",
     .tag = "Account",
     .summary = "Show an account",
     .scope = "api",
     .action = "read",
     .group = "account",
     ROUTE_PARAMS(account_params),
     ROUTE_QUERY(account_get_query),
     .response = &account_get_response,
     .handler = api_account_get},
    {.method = "PUT",
     .path = "/v1/account/{account}",
     .operation_id = "putV1AccountAccount",
     .tag = "Account",
     .summary = "Change an account",
     .scope = "api",
     .action = "write",
     .group = "admin",
     ROUTE_PARAMS(account_params),
     .body = &account_update_body,
     .response = &account_update_response,
     .handler = api_account_update},
    {.method = "DELETE",
     .path = "/v1/account/{account}",
     .operation_id = "deleteV1AccountAccount",
     .tag = "Account",
     .summary = "Remove an account",
     .scope = "api",
     .action = "destructive",
     .group = "account",
     ROUTE_PARAMS(account_params),
     ROUTE_QUERY(account_delete_query),
     .response = &account_delete_response,
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
     .handler = api_accounts_list},
    {.method = "PUT",
     .path = "/v1/account/{account}/reconnect",
     .operation_id = "putV1AccountAccountReconnect",
     .tag = "Account",
     .summary = "Close the connections of an account and open them again",
     .scope = "api",
     .action = "write",
     .group = "account",
     ROUTE_PARAMS(account_params),
     .body = &account_reconnect_body,
     .response = &account_reconnect_response,
     .handler = api_account_reconnect},
    {.method = "PUT",
     .path = "/v1/account/{account}/sync",
     .operation_id = "putV1AccountAccountSync",
     .tag = "Account",
     .summary = "Look for changes in all mailboxes now",
     .scope = "api",
     .action = "write",
     .group = "account",
     ROUTE_PARAMS(account_params),
     .body = &account_sync_body,
     .response = &account_sync_response,
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
     .handler = api_account_check},
};
