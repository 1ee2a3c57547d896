/* The rows of the readers of the change log. */
#include "api_handlers.h"
#include "api_rows.h"

static const struct field_spec account_params[] = {
    F_STR("account", FIELD_REQUIRED | FIELD_EMPTY_ABSENT | FIELD_TRIM, F_MAX_LEN(256),
          F_DOC("Id of the account")),
};

/* --- entries of one log --- */

static const struct field_spec events_list_query[] = {
    F_STR("after", FIELD_EMPTY_ABSENT | FIELD_TRIM, F_MAX_LEN(64),
          F_DOC("Cursor of an earlier answer or an entry id; `now` for what comes next; "
                "absent: from the oldest entry kept")),
    F_INT("limit", 0, F_RANGE(1, 1000), F_DEFAULT("100"), F_DOC("Most entries")),
    F_INT("wait", 0, F_RANGE(0, 60), F_DEFAULT("0"),
          F_DOC("Seconds to wait for an entry if there is none yet")),
};

static const struct field_spec event_entry_fields[] = {
    F_STR("account", FIELD_REQUIRED, F_DOC("Id of the account")),
    F_STR("date", 0, F_FORMAT(DATE_TIME), F_DOC("When the change was found")),
    F_STR("path", 0, F_DOC("Mailbox path at that time")),
    F_STR("specialUse", 0),
    F_STR("event", 0, F_DOC("Type of the event, as in webhooks")),
    F_STR("eventId", FIELD_REQUIRED,
          F_DOC("Stable id of the change, as in webhooks; repeated deliveries share it")),
    F_STR("entryId", FIELD_REQUIRED, F_DOC("Place in the log")),
    F_STR("cursor", FIELD_REQUIRED, F_DOC("Continues behind this entry")),
    F_OBJ("data", FIELD_UNKNOWN_OK,
          F_DOC("Ids, flags and the difference, as in webhooks without content")),
    F_BOOL("unreadable", 0, F_DOC("The entry is damaged and has no data")),
};

static const struct field_spec events_list_fields[] = {
    F_STR("account", FIELD_REQUIRED, F_DOC("Id of the account")),
    F_ARR("events", FIELD_REQUIRED,
          F_ITEM(F_OBJ(NULL, 0, F_LABEL("EventEntry"), F_FIELDS(event_entry_fields))),
          F_DOC("Entries in order")),
    F_STR("cursor", FIELD_REQUIRED, F_DOC("Continues behind the last entry")),
    F_BOOL("more", FIELD_REQUIRED, F_DOC("There may be further entries already")),
    F_BOOL("gap", FIELD_REQUIRED,
           F_DOC("Entries behind the cursor given are not kept any more: list anew")),
};

static const struct field_spec events_list_response =
    F_OBJ(NULL, 0, F_LABEL("EventList"), F_FIELDS(events_list_fields));

/* --- a range of it --- */

static const struct field_spec events_export_query[] = {
    F_STR("after", FIELD_EMPTY_ABSENT | FIELD_TRIM, F_MAX_LEN(64),
          F_DOC("Cursor or entry id to begin behind; goes before `from`")),
    F_STR("from", FIELD_EMPTY_ABSENT, F_FORMAT(DATE_TIME),
          F_DOC("First time of the range; absent: the oldest entry kept")),
    F_STR("to", FIELD_EMPTY_ABSENT, F_FORMAT(DATE_TIME),
          F_DOC("End of the range, itself outside; absent: the newest entry")),
};

/* --- what it comes to --- */

static const struct field_spec delta_query[] = {
    F_STR("since", FIELD_EMPTY_ABSENT | FIELD_TRIM, F_MAX_LEN(64),
          F_DOC("State of an earlier answer, or the cursor of an event; absent: only the "
                "present state is told")),
    F_INT("limit", 0, F_RANGE(1, 10000), F_DEFAULT("500"),
          F_DOC("About how many messages and mailboxes to list")),
};

static const struct field_spec delta_renamed_fields[] = {
    F_STR("from", FIELD_REQUIRED, F_DOC("Former path")),
    F_STR("to", FIELD_REQUIRED, F_DOC("Path from then on")),
};

static const struct field_spec delta_mailboxes_fields[] = {
    F_ARR("created", FIELD_REQUIRED, F_ITEM(F_STR(NULL, 0)), F_DOC("Paths")),
    F_ARR("destroyed", FIELD_REQUIRED, F_ITEM(F_STR(NULL, 0)),
          F_DOC("Paths; their messages are gone with them")),
    F_ARR("reset", FIELD_REQUIRED, F_ITEM(F_STR(NULL, 0)),
          F_DOC("Paths; their messages have new ids: list them anew")),
    F_ARR("renamed", FIELD_REQUIRED,
          F_ITEM(F_OBJ(NULL, 0, F_FIELDS(delta_renamed_fields))),
          F_DOC("In order; ids of messages stay")),
};

static const struct field_spec delta_fields[] = {
    F_STR("account", FIELD_REQUIRED, F_DOC("Id of the account")),
    F_STR("oldState", FIELD_REQUIRED, F_DOC("The state asked for")),
    F_STR("newState", FIELD_REQUIRED, F_DOC("The state after these changes")),
    F_BOOL("hasMoreChanges", FIELD_REQUIRED, F_DOC("Ask again with newState")),
    F_ARR("created", FIELD_REQUIRED, F_ITEM(F_STR(NULL, 0)), F_DOC("Ids of messages")),
    F_ARR("updated", FIELD_REQUIRED, F_ITEM(F_STR(NULL, 0)), F_DOC("Ids of messages")),
    F_ARR("destroyed", FIELD_REQUIRED, F_ITEM(F_STR(NULL, 0)), F_DOC("Ids of messages")),
    F_OBJ("mailboxes", FIELD_REQUIRED, F_FIELDS(delta_mailboxes_fields)),
};

static const struct field_spec delta_response =
    F_OBJ(NULL, 0, F_LABEL("MessageChanges"), F_FIELDS(delta_fields));

/* --- routes as readers --- */

static const struct field_spec route_params[] = {
    F_STR("route", FIELD_REQUIRED | FIELD_EMPTY_ABSENT | FIELD_TRIM, F_MAX_LEN(64),
          F_DOC("Id of the route; the URL of the settings is `default`")),
};

static const struct field_spec route_fields[] = {
    F_STR("id", FIELD_REQUIRED, F_DOC("Id of the route")),
    F_BOOL("enabled", FIELD_REQUIRED, F_DOC("Whether it delivers now")),
    F_INT("accountsBehind", FIELD_REQUIRED,
          F_DOC("Accounts of this node with entries that it has still to deliver")),
    F_STR("oldestUndelivered", FIELD_REQUIRED | FIELD_NULLABLE, F_FORMAT(DATE_TIME),
          F_DOC("When the oldest of these entries was logged")),
    F_INT("done", FIELD_REQUIRED,
          F_DOC("Entries delivered or not wanted since the start")),
    F_INT("retries", FIELD_REQUIRED, F_DOC("Failed tries that are repeated")),
    F_INT("failed", FIELD_REQUIRED, F_DOC("Entries given up")),
    F_INT("unreadable", FIELD_REQUIRED, F_DOC("Damaged entries passed over")),
    F_INT("gaps", FIELD_REQUIRED, F_DOC("Times that entries were trimmed unread")),
    F_PART(api_rows_route_health),
};

static const struct field_spec routes_fields[] = {
    F_ARR("routes", FIELD_REQUIRED,
          F_ITEM(F_OBJ(NULL, 0, F_LABEL("RouteState"), F_FIELDS(route_fields)))),
};

static const struct field_spec routes_response =
    F_OBJ(NULL, 0, F_LABEL("RouteStates"), F_FIELDS(routes_fields));

static const struct field_spec route_cursor_fields[] = {
    F_STR("account", FIELD_EMPTY_ABSENT | FIELD_TRIM, F_MAX_LEN(256),
          F_DOC("Only for this account; absent: for all")),
    F_STR("position", 0, F_ENUM("start", "end"),
          F_DOC("The oldest entry kept, or behind the newest")),
    F_STR("time", 0, F_FORMAT(DATE_TIME), F_DOC("What was logged from this time on")),
    F_STR("after", FIELD_TRIM, F_MAX_LEN(64),
          F_DOC("What follows this cursor or entry id")),
};

static const struct field_dep route_cursor_deps[] = {
    {RELATION_XOR, F_LIST("position", "time", "after")},
};

static const struct field_spec route_cursor_body =
    F_OBJ(NULL, 0, F_LABEL("RouteCursor"), F_FIELDS(route_cursor_fields),
          F_DEPS(route_cursor_deps));

static const struct field_spec route_cursor_response_fields[] = {
    F_STR("route", FIELD_REQUIRED, F_DOC("Id of the route")),
    F_STR("account", 0, F_DOC("Id of the account")),
    F_INT("accounts", FIELD_REQUIRED, F_DOC("Accounts whose cursor was moved")),
};

static const struct field_spec route_cursor_response =
    F_OBJ(NULL, 0, F_LABEL("RouteCursorMoved"), F_FIELDS(route_cursor_response_fields));

/* --- all logs --- */

static const struct field_spec event_stream_query[] = {
    F_STR("account", FIELD_EMPTY_ABSENT | FIELD_TRIM, F_MAX_LEN(256),
          F_DOC("Only events of this account")),
    F_STR("events", FIELD_EMPTY_ABSENT | FIELD_TRIM, F_MAX_LEN(1024),
          F_DOC("Only these types, separated by commas")),
    F_STR("after", FIELD_EMPTY_ABSENT | FIELD_TRIM, F_MAX_LEN(8192),
          F_DOC("Id of the last event seen; the header Last-Event-ID goes before it; "
                "absent: what comes from now on")),
};

const struct api_route api_event_routes[API_EVENT_ROUTES] = {
    {.method = "GET",
     .path = "/v1/account/{account}/events",
     .operation_id = "getV1AccountAccountEvents",
     .tag = "Events",
     .summary = "Read the change log of an account; wait for what comes",
     .scope = "api",
     .action = "read",
     .group = "events",
     .flags = API_NO_DEADLINE,
     ROUTE_PARAMS(account_params),
     ROUTE_QUERY(events_list_query),
     .response = &events_list_response,
     .handler = api_events_list},
    {.method = "GET",
     .path = "/v1/account/{account}/events/export",
     .operation_id = "getV1AccountAccountEventsExport",
     .tag = "Events",
     .summary = "Download a range of the change log, one JSON object a line",
     .scope = "api",
     .action = "read",
     .group = "events",
     .flags = API_NO_DEADLINE,
     ROUTE_PARAMS(account_params),
     ROUTE_QUERY(events_export_query),
     .response_type = "application/x-ndjson",
     .handler = api_events_export},
    {.method = "GET",
     .path = "/v1/account/{account}/changes",
     .operation_id = "getV1AccountAccountChanges",
     .tag = "Events",
     .summary = "Which messages were created, updated or destroyed since a state",
     .scope = "api",
     .action = "read",
     .group = "events",
     ROUTE_PARAMS(account_params),
     ROUTE_QUERY(delta_query),
     .response = &delta_response,
     .handler = api_delta_get},
    {.method = "GET",
     .path = "/v1/webhooks/routes",
     .operation_id = "getV1WebhooksRoutes",
     .tag = "Webhooks",
     .summary = "How far the webhook routes are",
     .scope = "api",
     .action = "read",
     .group = "webhook",
     .response = &routes_response,
     .handler = api_routes_list},
    {.method = "PUT",
     .path = "/v1/webhooks/routes/{route}/cursor",
     .operation_id = "putV1WebhooksRoutesRouteCursor",
     .tag = "Webhooks",
     .summary = "Deliver again from an earlier place, or skip to a later one",
     .scope = "api",
     .action = "write",
     .group = "webhook",
     ROUTE_PARAMS(route_params),
     .body = &route_cursor_body,
     .response = &route_cursor_response,
     .handler = api_route_cursor_set},
    {.method = "GET",
     .path = "/v1/events",
     .operation_id = "getV1Events",
     .tag = "Events",
     .summary = "Follow the events of all accounts as server-sent events",
     .scope = "api",
     .action = "read",
     .group = "events",
     .flags = API_NO_DEADLINE | API_ACCOUNT_FREE,
     ROUTE_QUERY(event_stream_query),
     .response_type = "text/event-stream",
     .handler = api_event_stream},
    {.method = "GET",
     .path = "/v1/changes",
     .operation_id = "getV1Changes",
     .tag = "Account",
     .summary = "Follow the states of accounts as server-sent events",
     .scope = "api",
     .action = "read",
     .group = "events",
     .flags = API_NO_DEADLINE,
     .response_type = "text/event-stream",
     .handler = api_state_stream},
};
