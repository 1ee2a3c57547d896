/* The sections of an account that say how its servers are reached and entered: as they
 * are given, as they are shown, and as they are changed. */
#include "api_rows.h"

/* --- what both servers have --- */

static const struct field_spec authentication_fields[] = {
    F_STR("user", FIELD_REQUIRED, F_MAX_LEN(256), F_DOC("User name")),
    F_STR("accessToken", FIELD_FALSE_OK | FIELD_WRITE_ONLY, F_MAX_LEN(16384),
          F_DOC("OAuth2 access token instead of a password")),
    F_STR("pass", FIELD_WRITE_ONLY, F_MAX_LEN(256),
          F_WHEN(
              {.field = "accessToken", .then = {WHEN_OFF}, .otherwise = {WHEN_REQUIRED}}),
          F_DOC("Password")),
};

static const struct field_spec authentication_shown_fields[] = {
    F_PART_AS(authentication_fields, api_row_as_shown),
};

static const struct field_spec tls_fields[] = {
    F_BOOL("rejectUnauthorized", 0, F_DEFAULT("true"),
           F_DOC("Refuse certificates that cannot be verified")),
    F_STR("minVersion", 0, F_MAX_LEN(256), F_DOC("Lowest TLS version")),
};

static const struct field_spec tls_change_fields[] = {
    F_PART_AS(tls_fields, api_row_as_change),
};

static const struct field_spec use_auth_server[] = {
    F_BOOL("useAuthServer", 0, F_DOC("Ask the authentication server for credentials")),
};

static const struct field_spec partial[] = {
    F_BOOL("partial", 0, F_DEFAULT("false"), F_DOC("Keep what is not named here")),
};

static const struct field_spec server_address[] = {
    F_STR("host", FIELD_REQUIRED, F_FORMAT(HOSTNAME), F_DOC("Server name or address")),
    F_INT("port", FIELD_REQUIRED, F_RANGE(1, 65535), F_DOC("Server port")),
};

static const struct field_spec server_secure[] = {
    F_BOOL("secure", 0, F_DEFAULT("false"), F_DOC("TLS from the first byte")),
};

/* --- IMAP --- */

static const struct field_spec imap_options[] = {
    F_BOOL("disableIMAP4rev2", 0, F_DOC("Stay with IMAP4rev1")),
    F_INT("resyncDelay", 0, F_DEFAULT("900"), F_DOC("Seconds between full passes")),
    F_BOOL("disabled", 0, F_DOC("Do not connect")),
};

static const struct field_spec imap_folders[] = {
    F_STR("sentMailPath", FIELD_NULLABLE, F_MAX_LEN(1024),
          F_DOC("Mailbox for sent mail")),
    F_STR("draftsMailPath", FIELD_NULLABLE, F_MAX_LEN(1024), F_DOC("Mailbox for drafts")),
    F_STR("junkMailPath", FIELD_NULLABLE, F_MAX_LEN(1024), F_DOC("Mailbox for junk")),
    F_STR("trashMailPath", FIELD_NULLABLE, F_MAX_LEN(1024),
          F_DOC("Mailbox for deleted mail")),
    F_STR("archiveMailPath", FIELD_NULLABLE, F_MAX_LEN(1024),
          F_DOC("Mailbox for archived mail")),
};

static const struct field_when unless_disabled[] = {
    {.field = "disabled",
     .is = F_LIST("true"),
     .then = {.set = FIELD_NULLABLE | FIELD_FALSE_OK},
     .otherwise = {WHEN_REQUIRED}},
};

/* An account that does not connect needs no address. */
static void as_needed_unless_disabled(struct field_spec *row,
                                      char label[FIELD_LABEL_SIZE] ATTR_UNUSED)
{
    row->flags &= ~(unsigned)FIELD_REQUIRED;
    row->when = unless_disabled;
    row->when_count = ARRAY_LEN(unless_disabled);
}

static const struct field_spec imap_connection[] = {
    F_PART(server_secure),
    F_OBJ("tls", FIELD_UNKNOWN_OK, F_LABEL("ImapTlsOptions"), F_FIELDS(tls_fields),
          F_DOC("TLS options")),
    F_PART(imap_options),
    F_PART_AS(server_address, as_needed_unless_disabled),
    F_PART(imap_folders),
};

static const struct field_spec imap_fields[] = {
    F_PART(use_auth_server),
    F_OBJ("auth", FIELD_FALSE_OK, F_LABEL("ImapAuthentication"),
          F_FIELDS(authentication_fields),
          F_WHEN({.field = "useAuthServer", .is = F_LIST("true"), .then = {WHEN_OFF}}),
          F_DOC("Credentials")),
    F_PART(imap_connection),
};

static const struct field_spec imap_shown_fields[] = {
    F_PART(use_auth_server),
    F_OBJ("auth", FIELD_FALSE_OK, F_LABEL("ImapAuthentication"),
          F_FIELDS(authentication_shown_fields),
          F_WHEN({.field = "useAuthServer", .is = F_LIST("true"), .then = {WHEN_OFF}}),
          F_DOC("Credentials")),
    F_PART(imap_connection),
};

static const struct field_spec imap_change_fields[] = {
    F_PART(partial),
    F_PART(use_auth_server),
    F_OBJ("auth", FIELD_FALSE_OK, F_LABEL("ImapUpdateAuthentication"),
          F_FIELDS(authentication_fields),
          F_WHEN({.field = "useAuthServer", .is = F_LIST("true"), .then = {WHEN_OFF}}),
          F_DOC("Credentials")),
    F_PART_AS(server_address, api_row_as_change),
    F_PART_AS(server_secure, api_row_as_change),
    F_OBJ("tls", FIELD_UNKNOWN_OK, F_LABEL("ImapUpdateTlsOptions"),
          F_FIELDS(tls_change_fields), F_DOC("TLS options")),
    F_PART_AS(imap_options, api_row_as_change),
    F_PART(imap_folders),
};

/* --- SMTP --- */

static const struct field_spec smtp_connection[] = {
    F_PART(server_address),
    F_PART(server_secure),
    F_OBJ("tls", FIELD_UNKNOWN_OK, F_LABEL("SmtpTlsOptions"), F_FIELDS(tls_fields),
          F_DOC("TLS options")),
};

static const struct field_spec smtp_fields[] = {
    F_PART(use_auth_server),
    F_OBJ("auth", FIELD_FALSE_OK, F_LABEL("SmtpAuthentication"),
          F_FIELDS(authentication_fields),
          F_WHEN({.field = "useAuthServer", .is = F_LIST("true"), .then = {WHEN_OFF}}),
          F_DOC("Credentials")),
    F_PART(smtp_connection),
};

static const struct field_spec smtp_shown_fields[] = {
    F_PART(use_auth_server),
    F_OBJ("auth", FIELD_FALSE_OK, F_LABEL("SmtpAuthentication"),
          F_FIELDS(authentication_shown_fields),
          F_WHEN({.field = "useAuthServer", .is = F_LIST("true"), .then = {WHEN_OFF}}),
          F_DOC("Credentials")),
    F_PART(smtp_connection),
};

static const struct field_spec smtp_change_fields[] = {
    F_PART(partial),
    F_PART(use_auth_server),
    F_OBJ("auth", FIELD_FALSE_OK, F_LABEL("SmtpUpdateAuthentication"),
          F_FIELDS(authentication_fields),
          F_WHEN({.field = "useAuthServer", .is = F_LIST("true"), .then = {WHEN_OFF}}),
          F_DOC("Credentials")),
    F_PART_AS(server_address, api_row_as_change),
    F_PART_AS(server_secure, api_row_as_change),
    F_OBJ("tls", FIELD_UNKNOWN_OK, F_LABEL("SmtpUpdateTlsOptions"),
          F_FIELDS(tls_change_fields), F_DOC("TLS options")),
};

const struct field_spec api_rows_servers[2] = {
    F_OBJ("imap", FIELD_FALSE_OK, F_LABEL("ImapConfiguration"), F_FIELDS(imap_fields),
          F_DOC("IMAP server")),
    F_OBJ("smtp", FIELD_FALSE_OK, F_LABEL("SmtpConfiguration"), F_FIELDS(smtp_fields),
          F_DOC("SMTP server")),
};

const struct field_spec api_rows_servers_shown[2] = {
    F_OBJ("imap", 0, F_LABEL("IMAPResponse"), F_FIELDS(imap_shown_fields),
          F_DOC("IMAP server")),
    F_OBJ("smtp", 0, F_LABEL("SMTPResponse"), F_FIELDS(smtp_shown_fields),
          F_DOC("SMTP server")),
};

const struct field_spec api_rows_servers_change[2] = {
    F_OBJ("imap", FIELD_FALSE_OK, F_LABEL("IMAPUpdate"), F_FIELDS(imap_change_fields),
          F_DOC("IMAP server")),
    F_OBJ("smtp", FIELD_FALSE_OK, F_LABEL("SMTPUpdate"), F_FIELDS(smtp_change_fields),
          F_DOC("SMTP server")),
};

const struct field_spec api_rows_route[2] = {
    F_STR("proxy", FIELD_EMPTY_OK,
          F_URI("http", "https", "socks", "socks4", "socks4a", "socks5"),
          F_DOC("Proxy for the connections to the mail servers")),
    F_STR("smtpEhloName", FIELD_NULLABLE | FIELD_EMPTY_OK, F_FORMAT(HOSTNAME),
          F_DOC("Name given to SMTP servers")),
};

/* --- OAuth2 --- */

static const struct field_spec oauth2_authentication_fields[] = {
    F_STR("user", 0, F_MAX_LEN(256), F_DOC("User name")),
    F_STR("delegatedUser", 0, F_MAX_LEN(256), F_DOC("Shared mailbox to be opened")),
    F_STR("delegatedAccount", FIELD_EMPTY_ABSENT | FIELD_TRIM, F_MAX_LEN(256),
          F_WHEN({.field = "delegatedUser", .otherwise = {WHEN_FORBIDDEN}}),
          F_DOC("Account whose credentials open the shared mailbox")),
};

static const struct field_spec oauth2_authorize[] = {
    F_BOOL("authorize", 0, F_DOC("Return a URL where the user gives consent")),
};

static const struct field_spec oauth2_grant[] = {
    F_STR("provider", 0, F_MAX_LEN(256), F_DOC("OAuth2 application")),
    F_OBJ("auth", 0, F_LABEL("OAuth2Authentication"),
          F_FIELDS(oauth2_authentication_fields),
          F_WHEN(
              {.field = "authorize", .is = F_LIST("true"), .otherwise = {WHEN_REQUIRED}}),
          F_DOC("Credentials")),
    F_PART(use_auth_server),
    F_STR("accessToken", FIELD_WRITE_ONLY, F_MAX_LEN(16384),
          F_DOC("OAuth2 access token instead of a password")),
    F_STR("refreshToken", FIELD_WRITE_ONLY, F_MAX_LEN(16384),
          F_DOC("OAuth2 refresh token")),
    F_STR("authority", FIELD_EMPTY_ABSENT | FIELD_TRIM | FIELD_UNDOCUMENTED,
          F_MAX_LEN(1024), F_DOC("Tenant of the provider")),
    F_STR("expires", 0, F_FORMAT(DATE_TIME), F_DOC("End of validity")),
};

static const struct field_spec oauth2_fields[] = {
    F_PART(oauth2_authorize),
    F_STR("redirectUrl", FIELD_EMPTY_ABSENT, F_URI("http", "https"),
          F_WHEN({.field = "authorize", .is = F_LIST("true"), .otherwise = {WHEN_OFF}}),
          F_DOC("Where the user goes after consent")),
    F_PART(oauth2_grant),
};

static const struct field_spec oauth2_shown_fields[] = {
    F_PART_AS(oauth2_fields, api_row_as_shown),
    F_ARR("scope", 0, F_LABEL("AccountOauth2Scopes"), F_ITEM(F_STR(NULL, 0))),
    F_STR("tokenType", 0),
    F_STR("generated", 0, F_FORMAT(DATE_TIME)),
    F_STR("refreshTokenGenerated", 0, F_FORMAT(DATE_TIME)),
    F_OBJ("userFlag", FIELD_UNKNOWN_OK, F_LABEL("AccountOauth2UserFlag")),
};

static const struct field_spec oauth2_change_fields[] = {
    F_PART(partial),
    F_PART(oauth2_authorize),
    F_PART(oauth2_grant),
};

const struct field_spec api_row_oauth2[1] = {
    F_OBJ("oauth2", FIELD_FALSE_OK, F_LABEL("OAuth2"), F_FIELDS(oauth2_fields),
          F_DOC("OAuth2 credentials")),
};

const struct field_spec api_row_oauth2_shown[1] = {
    F_OBJ("oauth2", 0, F_LABEL("Oauth2Response"), F_FIELDS(oauth2_shown_fields),
          F_DOC("OAuth2 credentials")),
};

const struct field_spec api_row_oauth2_change[1] = {
    F_OBJ("oauth2", FIELD_FALSE_OK, F_LABEL("OAuth2Update"),
          F_FIELDS(oauth2_change_fields), F_DOC("OAuth2 credentials")),
};
