/* The rows of the runtime settings. */
#include "api_handlers.h"
#include "api_rows.h"
#include "postrider/base/check.h"
#include "postrider/webhook/webhook_route.h"

#include <stdio.h>

static const struct field_spec log_settings_fields[] = {
    F_BOOL("all", FIELD_LOOSE, F_DEFAULT("false")),
    F_INT("maxLogLines", 0, F_RANGE(0, 1000000), F_DEFAULT("10000")),
};

static const struct field_spec settings_fields[] = {
    F_BOOL("webhooksEnabled", FIELD_LOOSE, F_DOC("Whether webhooks are sent")),
    F_STR("webhooks", FIELD_EMPTY_OK, F_URI("http", "https"),
          F_DOC("URL that is told of events")),
    F_ARR("webhookEvents", 0, F_LABEL("WebhookEvents"),
          F_ITEM(F_STR(NULL, 0, F_MAX_LEN(256))),
          F_DOC("Names of the events to be sent, or *")),
    F_ARR("webhooksCustomHeaders", 0, F_LABEL("WebhooksCustomHeaders"),
          F_ITEM(F_OBJ(NULL, 0, F_LABEL("WebhooksCustomHeader"),
                       F_FIELDS(webhook_header_rows))),
          F_DOC("Headers added to webhook requests")),
    F_ARR("notifyHeaders", 0, F_LABEL("NotifyHeaders"),
          F_ITEM(F_STR(NULL, 0, F_MAX_LEN(256))),
          F_DOC("Headers sent with new messages, or *")),
    F_STR("serviceUrl", FIELD_EMPTY_OK, F_URI("http", "https"),
          F_DOC("Public URL of this service")),
    F_STR("notificationBaseUrl", FIELD_NULLABLE | FIELD_EMPTY_OK, F_URI("http", "https"),
          F_DOC("Public URL for notifications of providers")),
    F_BOOL("trackSentMessages", FIELD_UNDOCUMENTED | FIELD_LOOSE_ON,
           F_DOC("Track opens and clicks of sent mail")),
    F_BOOL("trackClicks", FIELD_LOOSE_ON, F_DOC("Track clicks")),
    F_BOOL("trackOpens", FIELD_LOOSE_ON, F_DOC("Track opens")),
    F_STR("imapIndexer", FIELD_EMPTY_ABSENT | FIELD_TRIM, F_ENUM("full", "fast"),
          F_DOC("How changes are found: all of them, or only new messages")),
    F_BOOL("resolveGmailCategories", FIELD_LOOSE_ON,
           F_DOC("Find the category of Gmail messages")),
    F_BOOL("ignoreMailCertErrors", FIELD_LOOSE_ON,
           F_DOC("Accept any certificate of mail servers")),
    F_BOOL("generateEmailSummary", FIELD_LOOSE_ON),
    F_BOOL("generateRiskAssessment", FIELD_UNDOCUMENTED | FIELD_LOOSE_ON),
    F_STR("openAiAPIKey", FIELD_EMPTY_OK | FIELD_WRITE_ONLY),
    F_STR("openAiModel", FIELD_EMPTY_OK),
    F_STR("openAiAPIUrl", FIELD_EMPTY_OK, F_URI("http", "https")),
    F_STR("documentStoreChatModel", FIELD_EMPTY_OK | FIELD_UNDOCUMENTED),
    F_NUM("openAiTemperature", FIELD_EMPTY_OK, F_RANGE(0, 2)),
    F_NUM("openAiTopP", FIELD_EMPTY_OK, F_RANGE(0, 1)),
    F_NUM("openAiMaxTokens", FIELD_EMPTY_OK, F_MIN(0)),
    F_STR("openAiPrompt", FIELD_EMPTY_OK, F_MAX_LEN(1048576)),
    F_BOOL("openAiGenerateEmbeddings", FIELD_LOOSE_ON),
    F_BOOL("inboxNewOnly", FIELD_LOOSE_ON,
           F_DOC("Tell of new messages in the inbox only")),
    F_STR("serviceSecret", FIELD_EMPTY_OK | FIELD_WRITE_ONLY,
          F_DOC("Key that signs webhooks")),
    F_STR("authServer", FIELD_EMPTY_OK, F_URI("http", "https"),
          F_DOC("URL that returns credentials")),
    F_BOOL("tokenAuditLog", FIELD_LOOSE_ON, F_DOC("Keep a log of the use of tokens")),
    F_BOOL("proxyEnabled", FIELD_LOOSE_ON, F_DOC("Use the proxy for mail servers")),
    F_STR("proxyUrl", FIELD_EMPTY_OK,
          F_URI("http", "https", "socks", "socks4", "socks4a", "socks5"),
          F_DOC("Proxy for mail servers")),
    F_BOOL("httpProxyEnabled", FIELD_LOOSE_ON, F_DOC("Use the proxy for HTTP requests")),
    F_STR("httpProxyUrl", FIELD_EMPTY_OK,
          F_URI("http", "https", "socks", "socks4", "socks4a", "socks5"),
          F_DOC("Proxy for HTTP requests")),
    F_STR("smtpEhloName", FIELD_NULLABLE | FIELD_EMPTY_OK, F_FORMAT(HOSTNAME),
          F_DOC("Name given to SMTP servers")),
    F_BOOL("notifyText", FIELD_LOOSE_ON, F_DOC("Send the text of new messages")),
    F_BOOL("notifyWebSafeHtml", FIELD_LOOSE_ON,
           F_DOC("Send HTML cleaned for showing it in a page")),
    F_INT("notifyTextSize", 0, F_MIN(0), F_DOC("Longest text sent, in bytes")),
    F_BOOL("notifyAttachments", FIELD_LOOSE_ON,
           F_DOC("Send attachments of new messages")),
    F_INT("notifyAttachmentSize", 0, F_MIN(0),
          F_DOC("Largest attachment sent, in bytes")),
    F_BOOL("notifyCalendarEvents", FIELD_LOOSE_ON,
           F_DOC("Send calendar events of new messages")),
    F_BOOL("mcpEnabled", FIELD_LOOSE_ON),
    F_BOOL("mcpOAuthEnabled", FIELD_LOOSE_ON),
    F_BOOL("documentStoreEnabled", FIELD_UNDOCUMENTED | FIELD_LOOSE_ON),
    F_STR("documentStoreUrl", FIELD_EMPTY_OK | FIELD_UNDOCUMENTED,
          F_URI("http", "https")),
    F_STR("documentStoreIndex", FIELD_EMPTY_ABSENT | FIELD_UNDOCUMENTED, F_MAX_LEN(1024)),
    F_BOOL("documentStoreAuthEnabled", FIELD_UNDOCUMENTED | FIELD_LOOSE_ON),
    F_STR("documentStoreUsername", FIELD_EMPTY_ABSENT | FIELD_UNDOCUMENTED,
          F_MAX_LEN(1024)),
    F_STR("documentStorePassword",
          FIELD_EMPTY_ABSENT | FIELD_UNDOCUMENTED | FIELD_WRITE_ONLY, F_MAX_LEN(1024)),
    F_BOOL("documentStoreGenerateEmbeddings", FIELD_UNDOCUMENTED | FIELD_LOOSE_ON),
    F_BOOL("documentStorePreProcessingEnabled", FIELD_UNDOCUMENTED | FIELD_LOOSE_ON),
    F_OBJ("logs", 0, F_LABEL("LogSettings"), F_FIELDS(log_settings_fields),
          F_DOC("Keep a log of the traffic with the mail server")),
    F_BOOL("sentryEnabled", FIELD_LOOSE_ON),
    F_STR("sentryDsn", FIELD_NULLABLE | FIELD_EMPTY_OK, F_URI("http", "https")),
    F_STR("imapStrategy", FIELD_EMPTY_ABSENT, F_ENUM("default", "dedicated", "random"),
          F_DOC("How the address for IMAP connections is chosen")),
    F_STR("smtpStrategy", FIELD_EMPTY_ABSENT, F_ENUM("default", "dedicated", "random"),
          F_DOC("How the address for SMTP connections is chosen")),
    F_ARR("localAddresses", FIELD_SINGLE, F_LABEL("LocalAddresses"),
          F_ITEM(F_STR(NULL, 0, F_FORMAT(IP))), F_DOC("Addresses to connect from")),
    F_BOOL("smtpServerEnabled", FIELD_LOOSE_ON),
    F_INT("smtpServerPort", FIELD_EMPTY_ABSENT, F_RANGE(0, 65535)),
    F_STR("smtpServerHost", FIELD_EMPTY_ABSENT, F_FORMAT(IP)),
    F_BOOL("smtpServerProxy", FIELD_LOOSE_ON),
    F_BOOL("smtpServerAuthEnabled", FIELD_LOOSE_ON),
    F_STR("smtpServerPassword", FIELD_NULLABLE | FIELD_EMPTY_ABSENT | FIELD_WRITE_ONLY,
          F_MAX_LEN(1024)),
    F_BOOL("smtpServerTLSEnabled", FIELD_LOOSE_ON),
    F_BOOL("imapProxyServerEnabled", FIELD_LOOSE_ON),
    F_INT("imapProxyServerPort", FIELD_EMPTY_ABSENT, F_RANGE(0, 65535)),
    F_STR("imapProxyServerHost", FIELD_EMPTY_ABSENT, F_FORMAT(IP)),
    F_BOOL("imapProxyServerProxy", FIELD_LOOSE_ON),
    F_STR("imapProxyServerPassword",
          FIELD_NULLABLE | FIELD_EMPTY_ABSENT | FIELD_WRITE_ONLY, F_MAX_LEN(1024)),
    F_BOOL("imapProxyServerTLSEnabled", FIELD_LOOSE_ON),
    F_INT("queueKeep", FIELD_EMPTY_ABSENT, F_MIN(0), F_DOC("Ended jobs to be kept")),
    F_INT("deliveryAttempts", FIELD_EMPTY_ABSENT, F_MIN(0),
          F_DOC("Attempts to deliver a message")),
    F_INT("gmailSubscriptionTtl", FIELD_EMPTY_ABSENT, F_RANGE(0, 365)),
    F_STR("templateHeader", FIELD_EMPTY_ABSENT | FIELD_TRIM, F_MAX_LEN(1048576),
          F_DOC("HTML at the top of hosted pages")),
    F_STR("templateHtmlHead", FIELD_EMPTY_ABSENT | FIELD_TRIM, F_MAX_LEN(1048576),
          F_DOC("HTML in the head of hosted pages")),
    F_STR("scriptEnv", FIELD_EMPTY_ABSENT | FIELD_TRIM, F_MAX_LEN(1048576),
          F_CHECK(api_check_json_text), F_DOC("Values for scripts, as JSON")),
    F_BOOL("enableApiProxy", FIELD_LOOSE_ON,
           F_DOC("Trust the headers of a proxy in front")),
    F_STR("locale", 0, F_MAX_LEN(100), F_ENUM("en", "et", "fr", "de", "pl", "ja", "nl"),
          F_DOC("Language")),
    F_STR("timezone", 0, F_MAX_LEN(100), F_DOC("Time zone")),
    F_STR("pageBrandName", FIELD_NULLABLE | FIELD_EMPTY_OK, F_MAX_LEN(1024),
          F_DOC("Name shown on hosted pages")),
    F_STR("openAiPreProcessingFn", FIELD_EMPTY_OK, F_MAX_LEN(524288)),
    F_STR("imapClientName", FIELD_EMPTY_OK, F_MAX_LEN(1024),
          F_DOC("Client name told to IMAP servers")),
    F_STR("imapClientVersion", FIELD_EMPTY_OK, F_MAX_LEN(1024),
          F_DOC("Client version told to IMAP servers")),
    F_STR("imapClientVendor", FIELD_EMPTY_OK, F_MAX_LEN(1024),
          F_DOC("Client vendor told to IMAP servers")),
    F_STR("imapClientSupportUrl", FIELD_EMPTY_OK, F_URI("http", "https", "mailto"),
          F_DOC("Support URL told to IMAP servers")),
    F_INT("exportMaxConcurrent", 0, F_RANGE(1, 100)),
    F_INT("exportMaxGlobalConcurrent", 0, F_RANGE(1, 100)),
    F_INT("gmailExportBatchSize", 0, F_RANGE(1, 50)),
    F_INT("outlookExportBatchSize", 0, F_RANGE(1, 20)),
    F_INT("exportMaxMessages", 0, F_RANGE(1, 10000000)),
    F_INT("exportMaxSize", 0, F_MIN(1)),
};

/* --- what the query and the reply of GET make of them --- */

static void as_question(struct field_spec *row, char label[FIELD_LABEL_SIZE] ATTR_UNUSED)
{
    const struct field_spec asked =
        F_BOOL(row->name, FIELD_LOOSE, F_DEFAULT("false"), F_DOC(row->doc));
    *row = asked;
}

/* Of a secret only whether there is one; of a list or object, under a name of its own. */
static void as_answer(struct field_spec *row, char label[FIELD_LABEL_SIZE])
{
    if ((row->flags & FIELD_WRITE_ONLY) != 0) {
        const struct field_spec there = F_BOOL(row->name, 0, F_DOC(row->doc));
        *row = there;
    }
    row->flags |= FIELD_NULLABLE;
    if (row->label != NULL) {
        int n = snprintf(label, FIELD_LABEL_SIZE, "%sResponse", row->name);
        CHECK(n > 0 && n < FIELD_LABEL_SIZE);
        row->label = label;
    }
}

static const struct field_spec settings_get_query[] = {
    F_BOOL("eventTypes", FIELD_LOOSE, F_DEFAULT("false"),
           F_DOC("Also list the names of all events")),
    F_PART_AS(settings_fields, as_question),
};

static const struct field_spec settings_query_response_fields[] = {
    F_PART_AS(settings_fields, as_answer),
    F_ARR("eventTypes", 0, F_LABEL("EventTypesList"), F_ITEM(F_STR(NULL, 0)),
          F_DOC("Also list the names of all events")),
};

static const struct field_spec settings_get_response = F_OBJ(
    NULL, 0, F_LABEL("SettingsQueryResponse"), F_FIELDS(settings_query_response_fields));

static const struct field_spec settings_set_body =
    F_OBJ(NULL, 0, F_LABEL("Settings"), F_FIELDS(settings_fields));

static const struct field_spec settings_updated_response_fields[] = {
    F_ARR("updated", 0, F_LABEL("UpdatedSettings"), F_ITEM(F_STR(NULL, 0))),
};

static const struct field_spec settings_set_response =
    F_OBJ(NULL, 0, F_LABEL("SettingsUpdatedResponse"),
          F_FIELDS(settings_updated_response_fields));

const struct api_route api_settings_routes[API_SETTINGS_ROUTES] = {
    {.method = "GET",
     .path = "/v1/settings",
     .operation_id = "getV1Settings",
     .tag = "Settings",
     .summary = "Show runtime settings",
     .scope = "api",
     .action = "read",
     .group = "admin",
     ROUTE_QUERY(settings_get_query),
     .response = &settings_get_response,
     ROUTE_EXAMPLE(.reply = "{'webhooksEnabled': true, 'webhooks': "
                            "'https://example.com/hook'}"),
     .handler = api_settings_get},
    {.method = "POST",
     .path = "/v1/settings",
     .operation_id = "postV1Settings",
     .tag = "Settings",
     .summary = "Change runtime settings",
     .scope = "api",
     .action = "write",
     .group = "admin",
     .body = &settings_set_body,
     .response = &settings_set_response,
     ROUTE_EXAMPLE(.body = "{'notifyText': true, 'notifyTextSize': 65536}",
                   .reply = "{'updated': ['notifyText', 'notifyTextSize']}"),
     .handler = api_settings_set},
};
