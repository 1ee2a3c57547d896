/* The rows of custom webhook routes. */
#include "api_handlers.h"
#include "api_rows.h"
#include "postrider/webhook/webhook_route.h"

static const struct field_spec route_params[] = {
    F_STR("route", FIELD_REQUIRED | FIELD_EMPTY_ABSENT | FIELD_TRIM, F_MAX_LEN(64),
          F_DOC("Id of the route; the URL of the settings is `default`")),
};

static const struct field_spec compat_params[] = {
    F_STR("webhookRoute", FIELD_REQUIRED, F_MAX_LEN(256), F_DOC("Id of the route")),
};

/* --- a route as it is shown --- */

static const struct field_spec error_flag_fields[] = {
    F_STR("message", 0, F_DOC("Why it was turned off")),
};

static const struct field_spec content_fields[] = {
    F_STR("fn", FIELD_NULLABLE, F_DOC("The filter")),
    F_STR("map", FIELD_NULLABLE, F_DOC("The mapping")),
};

static const struct field_spec route_state_fields[] = {
    F_INT("tcount", 0,
          F_DOC("Entries of the log that it has read on this node since the start")),
    F_OBJ("webhookErrorFlag", FIELD_NULLABLE | FIELD_UNKNOWN_OK,
          F_LABEL("WebhookRouteErrorFlag"), F_FIELDS(error_flag_fields),
          F_DOC("Set when the receiver answered 410; a change of URL or `enabled` clears "
                "it")),
};

static const struct field_spec route_content_fields[] = {
    F_OBJ("content", 0, F_LABEL("WebhookRouteContent"), F_FIELDS(content_fields),
          F_DOC("Filter and mapping under EmailEngine's names")),
};

static const struct field_spec route_shown_fields[] = {
    F_STR("id", FIELD_REQUIRED, F_MAX_LEN(256), F_DOC("Id of the route")),
    F_PART_AS(webhook_route_rows, api_row_as_shown),
    F_STR("created", 0, F_FORMAT(DATE_TIME)),
    F_STR("updated", 0, F_FORMAT(DATE_TIME)),
    F_INT("v", 0, F_DOC("Counts changes")),
    F_PART(route_state_fields),
};

static const struct field_spec route_response =
    F_OBJ(NULL, 0, F_LABEL("WebhookRoute"), F_FIELDS(route_shown_fields));

/* --- the same as EmailEngine shows it --- */

static const struct field_spec compat_list_fields[] = {
    F_STR("id", FIELD_REQUIRED, F_MAX_LEN(256), F_DOC("Id of the route")),
    F_STR("name", FIELD_REQUIRED, F_MAX_LEN(256), F_DOC("Shown name")),
    F_STR("description", FIELD_EMPTY_OK, F_MAX_LEN(1024), F_DOC("What it is for")),
    F_STR("created", 0, F_FORMAT(DATE_TIME)),
    F_STR("updated", 0, F_FORMAT(DATE_TIME)),
    F_BOOL("enabled", 0, F_DOC("Whether it delivers")),
    F_STR("targetUrl", FIELD_EMPTY_OK, F_URI("http", "https"),
          F_DOC("URL that is told of events")),
    F_PART(route_state_fields),
    F_ARR("customHeaders", 0, F_LABEL("WebhookRouteCustomHeaders"),
          F_ITEM(F_OBJ(NULL, 0, F_LABEL("WebhooksCustomHeader"),
                       F_FIELDS(webhook_header_rows))),
          F_DOC("Headers added to its requests")),
};

static const struct field_spec compat_fields[] = {
    F_PART(compat_list_fields),
    F_INT("v", 0, F_DOC("Counts changes")),
    F_PART(route_content_fields),
};

static const struct field_spec compat_response =
    F_OBJ(NULL, 0, F_LABEL("WebhookRouteResponse"), F_FIELDS(compat_fields));

static const struct field_spec routes_list_fields[] = {
    F_PART(api_rows_pages),
    F_ARR("webhooks", 0, F_LABEL("WebhookRoutesList"),
          F_ITEM(F_OBJ(NULL, 0, F_LABEL("WebhookRoutesListEntry"),
                       F_FIELDS(compat_list_fields)))),
};

static const struct field_spec routes_list_response =
    F_OBJ(NULL, 0, F_LABEL("WebhookRoutesListResponse"), F_FIELDS(routes_list_fields));

/* --- what may be asked --- */

static const struct field_spec route_create_body =
    F_OBJ(NULL, 0, F_LABEL("WebhookRouteCreate"), F_FIELDS(webhook_route_rows));

static const struct field_spec route_update_fields[] = {
    F_PART_AS(webhook_route_rows, api_row_as_change),
};

static const struct field_spec route_update_body =
    F_OBJ(NULL, 0, F_LABEL("WebhookRouteUpdate"), F_FIELDS(route_update_fields));

static const struct field_spec route_deleted_fields[] = {
    F_STR("route", FIELD_REQUIRED, F_DOC("Id of the route")),
    F_BOOL("deleted", FIELD_REQUIRED),
};

static const struct field_spec route_deleted_response =
    F_OBJ(NULL, 0, F_LABEL("WebhookRouteDeleted"), F_FIELDS(route_deleted_fields));

/* --- trying one out --- */

static const struct field_spec test_event_fields[] = {
    F_STR("event", FIELD_REQUIRED, F_MAX_LEN(256), F_DOC("Name of the event")),
    F_STR("date", 0, F_FORMAT(DATE_TIME), F_DEFAULT("\"now\"")),
    F_STR("path", 0, F_DOC("Mailbox path")),
    F_STR("specialUse", 0),
    F_OBJ("data", FIELD_UNKNOWN_OK, F_DEFAULT("{}")),
};

static const struct field_spec test_fields[] = {
    F_STR("account", FIELD_REQUIRED | FIELD_EMPTY_ABSENT | FIELD_TRIM, F_MAX_LEN(256),
          F_DOC("Id of the account")),
    F_STR("entry", FIELD_EMPTY_ABSENT | FIELD_TRIM, F_MAX_LEN(64),
          F_DOC("Entry id or cursor of an event in the account's log")),
    F_OBJ("event", 0, F_LABEL("WebhookTestEvent"), F_FIELDS(test_event_fields),
          F_DOC("An event to be thought of as logged")),
    F_OBJ("changes", 0, F_LABEL("WebhookTestChanges"), F_FIELDS(route_update_fields),
          F_DOC("Try the route with these changes, which are not kept")),
};

static const struct field_dep test_deps[] = {
    {RELATION_XOR, F_LIST("entry", "event")},
};

static const struct field_spec test_body =
    F_OBJ(NULL, 0, F_LABEL("WebhookTest"), F_FIELDS(test_fields), F_DEPS(test_deps));

static const struct field_spec test_request_fields[] = {
    F_STR("event", FIELD_REQUIRED, F_DOC("Name of the event")),
    F_STR("eventId", FIELD_REQUIRED | FIELD_EMPTY_OK),
    F_STR("url", FIELD_REQUIRED),
    F_ARR("headers", FIELD_REQUIRED,
          F_ITEM(F_OBJ(NULL, 0, F_FIELDS(webhook_header_rows)))),
    F_STR("body", FIELD_REQUIRED, F_DOC("Byte for byte")),
};

static const struct field_spec test_response_fields[] = {
    F_ARR("requests", FIELD_REQUIRED,
          F_ITEM(F_OBJ(NULL, 0, F_LABEL("WebhookTestRequest"),
                       F_FIELDS(test_request_fields))),
          F_DOC("What would be sent; a move or a rename may be two requests")),
    F_STR("skipped", 0, F_DOC("Why something would not be sent")),
    F_STR("error", 0, F_DOC("Why the event would be given up")),
};

static const struct field_spec test_response =
    F_OBJ(NULL, 0, F_LABEL("WebhookTestResponse"), F_FIELDS(test_response_fields));

const struct api_route api_webhook_routes[API_WEBHOOK_ROUTES] = {
    {.method = "GET",
     .path = "/v1/webhookRoutes",
     .operation_id = "getV1Webhookroutes",
     .tag = "Webhooks",
     .summary = "List custom webhook routes",
     .scope = "api",
     .action = "read",
     .group = "webhook",
     ROUTE_QUERY(api_rows_page),
     .response = &routes_list_response,
     .handler = api_webhook_routes_list},
    {.method = "GET",
     .path = "/v1/webhookRoutes/webhookRoute/{webhookRoute}",
     .operation_id = "getV1WebhookroutesWebhookrouteWebhookroute",
     .tag = "Webhooks",
     .summary = "Show a custom webhook route",
     .scope = "api",
     .action = "read",
     .group = "webhook",
     ROUTE_PARAMS(compat_params),
     .response = &compat_response,
     .handler = api_webhook_route_get_compat},
    {.method = "POST",
     .path = "/v1/webhooks/routes",
     .operation_id = "postV1WebhooksRoutes",
     .tag = "Webhooks",
     .summary = "Make a custom webhook route; it begins with what comes from now on",
     .scope = "api",
     .action = "write",
     .group = "webhook",
     .body = &route_create_body,
     .response = &route_response,
     .handler = api_webhook_route_create},
    {.method = "GET",
     .path = "/v1/webhooks/routes/{route}",
     .operation_id = "getV1WebhooksRoutesRoute",
     .tag = "Webhooks",
     .summary = "Show a custom webhook route",
     .scope = "api",
     .action = "read",
     .group = "webhook",
     ROUTE_PARAMS(route_params),
     .response = &route_response,
     .handler = api_webhook_route_get},
    {.method = "PUT",
     .path = "/v1/webhooks/routes/{route}",
     .operation_id = "putV1WebhooksRoutesRoute",
     .tag = "Webhooks",
     .summary = "Change a custom webhook route; it goes on where it was",
     .scope = "api",
     .action = "write",
     .group = "webhook",
     ROUTE_PARAMS(route_params),
     .body = &route_update_body,
     .response = &route_response,
     .handler = api_webhook_route_update},
    {.method = "DELETE",
     .path = "/v1/webhooks/routes/{route}",
     .operation_id = "deleteV1WebhooksRoutesRoute",
     .tag = "Webhooks",
     .summary = "Remove a custom webhook route, with what it had still to deliver",
     .scope = "api",
     .action = "destructive",
     .group = "webhook",
     ROUTE_PARAMS(route_params),
     .response = &route_deleted_response,
     .handler = api_webhook_route_delete},
    {.method = "POST",
     .path = "/v1/webhooks/routes/{route}/test",
     .operation_id = "postV1WebhooksRoutesRouteTest",
     .tag = "Webhooks",
     .summary = "Show what a route would send for an event; nothing is sent",
     .scope = "api",
     .action = "read",
     .group = "webhook",
     ROUTE_PARAMS(route_params),
     .body = &test_body,
     .response = &test_response,
     .handler = api_webhook_route_test},
};
