/* The rows of how deliveries go: queues, dead letters, health of routes. */
#include "api_handlers.h"
#include "api_rows.h"

/* --- health of a route --- */

static const struct field_spec failure_fields[] = {
    F_STR("date", FIELD_REQUIRED, F_FORMAT(DATE_TIME)),
    F_STR("account", 0, F_DOC("Id of the account, if it is still there")),
    F_STR("eventId", 0, F_DOC("Id of the event")),
    F_INT("status", 0, F_DOC("Status of the reply; absent: there was none")),
    F_STR("reason", FIELD_REQUIRED, F_DOC("What went wrong")),
    F_BOOL("givenUp", FIELD_REQUIRED, F_DOC("It became a dead letter")),
};

static const struct field_spec destination_fields[] = {
    F_STR("origin", FIELD_REQUIRED, F_DOC("Scheme, host and port")),
    F_STR("state", FIELD_REQUIRED, F_ENUM("closed", "open", "halfOpen"),
          F_DOC("Of the circuit breaker: closed delivers, open waits, halfOpen probes")),
    F_INT("active", FIELD_REQUIRED, F_DOC("Requests under way")),
    F_INT("failures", FIELD_REQUIRED, F_DOC("Failures in a row")),
    F_STR("downSince", 0, F_FORMAT(DATE_TIME), F_DOC("First of these failures")),
    F_STR("nextTry", 0, F_FORMAT(DATE_TIME), F_DOC("When it is tried again")),
};

const struct field_spec api_rows_route_health[6] = {
    F_INT("delivered", 0, F_DOC("Requests answered with 2xx since the start")),
    F_INT("skipped", 0, F_DOC("Events that the route does not want")),
    F_INT("active", 0, F_DOC("Requests under way")),
    F_STR("disabledReason", 0, F_DOC("Why the program turned it off")),
    F_ARR("lastErrors", 0,
          F_ITEM(F_OBJ(NULL, 0, F_LABEL("DeliveryFailure"), F_FIELDS(failure_fields))),
          F_DOC("The last failed tries, newest first")),
    F_ARR("destinations", 0,
          F_ITEM(F_OBJ(NULL, 0, F_LABEL("DeliveryDestination"),
                       F_FIELDS(destination_fields))),
          F_DOC("Receivers that are used now, or that fail")),
};

/* --- queues --- */

#define QUEUE_ROW                                                                        \
    F_STR("queue", FIELD_REQUIRED | FIELD_EMPTY_ABSENT | FIELD_TRIM,                     \
          F_ENUM("notify", "submit", "documents"),                                       \
          F_DOC("`notify`: webhooks; `submit`: outgoing mail"))

static const struct field_spec queue_params[] = {QUEUE_ROW};

static const struct field_spec queue_jobs_fields[] = {
    F_INT("active", 0, F_DOC("Accounts being served")),
    F_INT("delayed", 0, F_DOC("Accounts that wait to be tried again")),
    F_INT("paused", 0, F_DOC("Accounts that wait because the queue is paused")),
    F_INT("waiting", 0, F_DOC("Accounts that wait for their turn")),
};

static const struct field_spec queue_fields[] = {
    QUEUE_ROW,
    F_OBJ("jobs", 0, F_LABEL("QueueJobs"), F_FIELDS(queue_jobs_fields)),
    F_BOOL("paused", 0, F_DOC("Nothing is taken from it now")),
};

static const struct field_spec queue_response =
    F_OBJ(NULL, 0, F_LABEL("SettingsQueueResponse"), F_FIELDS(queue_fields));

static const struct field_spec queue_set_fields[] = {
    F_BOOL("paused", FIELD_EMPTY_ABSENT, F_DOC("Whether to pause it")),
};

static const struct field_spec queue_set_body =
    F_OBJ(NULL, 0, F_LABEL("SettingsPutQueuePayload"), F_FIELDS(queue_set_fields));

static const struct field_spec queue_set_response_fields[] = {
    QUEUE_ROW,
    F_BOOL("paused", 0, F_DOC("Nothing is taken from it now")),
};

static const struct field_spec queue_set_response = F_OBJ(
    NULL, 0, F_LABEL("SettingsPutQueueResponse"), F_FIELDS(queue_set_response_fields));

/* --- dead letters --- */

static const struct field_spec letter_filter_fields[] = {
    F_STR("account", FIELD_EMPTY_ABSENT | FIELD_TRIM, F_MAX_LEN(256),
          F_DOC("Only of this account")),
    F_STR("route", FIELD_EMPTY_ABSENT | FIELD_TRIM, F_MAX_LEN(64),
          F_DOC("Only of this route")),
    F_STR("entryId", FIELD_EMPTY_ABSENT | FIELD_TRIM, F_MAX_LEN(41),
          F_DOC("Only of this place in the log")),
};

static const struct field_spec letters_query[] = {
    F_PART(letter_filter_fields),
    F_STR("after", FIELD_EMPTY_ABSENT | FIELD_TRIM, F_MAX_LEN(191),
          F_DOC("`next` of the page before")),
    F_INT("limit", 0, F_RANGE(1, 1000), F_DEFAULT("100"), F_DOC("Most letters")),
};

static const struct field_spec letter_fields[] = {
    F_STR("account", FIELD_REQUIRED, F_DOC("Id of the account")),
    F_STR("route", FIELD_REQUIRED, F_DOC("Id of the route")),
    F_STR("entryId", FIELD_REQUIRED, F_DOC("Place in the log")),
    F_STR("date", 0, F_FORMAT(DATE_TIME), F_DOC("When it was given up")),
    F_STR("event", 0, F_DOC("Type of the event")),
    F_STR("eventId", 0, F_DOC("Id of the event")),
    F_STR("reason", 0, F_DOC("Why it was given up")),
    F_INT("status", 0, F_DOC("Status of the last reply")),
    F_INT("tries", 0, F_DOC("How often it was tried")),
};

static const struct field_spec letters_fields[] = {
    F_ARR("letters", FIELD_REQUIRED,
          F_ITEM(F_OBJ(NULL, 0, F_LABEL("DeadLetter"), F_FIELDS(letter_fields))),
          F_DOC("By account, the oldest event first")),
    F_STR("next", FIELD_REQUIRED | FIELD_NULLABLE, F_DOC("There are more behind it")),
};

static const struct field_spec letters_response =
    F_OBJ(NULL, 0, F_LABEL("DeadLetters"), F_FIELDS(letters_fields));

static const struct field_spec letters_choice_fields[] = {
    F_PART(letter_filter_fields),
    F_BOOL("all", 0, F_DOC("Needed if nothing else is named")),
};

static const struct field_spec letters_choice =
    F_OBJ(NULL, 0, F_LABEL("DeadLetterChoice"), F_FIELDS(letters_choice_fields));

static const struct field_spec letters_requeue_fields[] = {
    F_BOOL("requested", FIELD_REQUIRED,
           F_DOC("They are tried once more; those that the receiver takes disappear")),
};

static const struct field_spec letters_requeue_response =
    F_OBJ(NULL, 0, F_LABEL("DeadLettersRequested"), F_FIELDS(letters_requeue_fields));

static const struct field_spec letters_drop_fields[] = {
    F_INT("deleted", FIELD_REQUIRED, F_DOC("Number of letters dropped")),
};

static const struct field_spec letters_drop_response =
    F_OBJ(NULL, 0, F_LABEL("DeadLettersDropped"), F_FIELDS(letters_drop_fields));

const struct api_route api_delivery_routes[API_DELIVERY_ROUTES] = {
    {.method = "GET",
     .path = "/v1/settings/queue/{queue}",
     .operation_id = "getV1SettingsQueueQueue",
     .tag = "Settings",
     .summary = "Show a queue",
     .scope = "api",
     .action = "read",
     .group = "admin",
     ROUTE_PARAMS(queue_params),
     .response = &queue_response,
     .handler = api_queue_get},
    {.method = "PUT",
     .path = "/v1/settings/queue/{queue}",
     .operation_id = "putV1SettingsQueueQueue",
     .tag = "Settings",
     .summary = "Pause or resume a queue",
     .scope = "api",
     .action = "write",
     .group = "admin",
     ROUTE_PARAMS(queue_params),
     .body = &queue_set_body,
     .response = &queue_set_response,
     .handler = api_queue_set},
    {.method = "GET",
     .path = "/v1/webhooks/dead-letters",
     .operation_id = "getV1WebhooksDeadLetters",
     .tag = "Webhooks",
     .summary = "List events that a route gave up",
     .scope = "api",
     .action = "read",
     .group = "webhook",
     ROUTE_QUERY(letters_query),
     .response = &letters_response,
     .handler = api_letters_list},
    {.method = "POST",
     .path = "/v1/webhooks/dead-letters/requeue",
     .operation_id = "postV1WebhooksDeadLettersRequeue",
     .tag = "Webhooks",
     .summary = "Deliver dead letters once more",
     .scope = "api",
     .action = "write",
     .group = "webhook",
     .body = &letters_choice,
     .response = &letters_requeue_response,
     .handler = api_letters_requeue},
    {.method = "POST",
     .path = "/v1/webhooks/dead-letters/drop",
     .operation_id = "postV1WebhooksDeadLettersDrop",
     .tag = "Webhooks",
     .summary = "Drop dead letters for good",
     .scope = "api",
     .action = "destructive",
     .group = "webhook",
     .body = &letters_choice,
     .response = &letters_drop_response,
     .handler = api_letters_drop},
};
