/* api_handlers: the rows of the REST interface, their handlers, and what they share.
 * Shape    a handler takes its input from the call, starts one operation and returns; an
 *          api_task ties the two together, because either may end first
 * Owner    the task belongs to the operation: its callback ends it. A call that goes first
 *          leaves a task without a call. */
#ifndef POSTRIDER_API_HANDLERS_H
#define POSTRIDER_API_HANDLERS_H

#include "postrider/api/api_services.h"
#include "postrider/base/list.h"
#include "postrider/json/json_out.h"

enum {
    API_ACCOUNT_ROUTES = 9,
    API_MAILBOX_ROUTES = 4,
    API_MESSAGE_ROUTES = 8,
    API_UPLOAD_ROUTES = 2,
    API_BULK_ROUTES = 3,
    API_SETTINGS_ROUTES = 2,
    API_TOKEN_ROUTES = 8,
    API_METRICS_ROUTES = 1,
    API_DIAGNOSE_ROUTES = 1,
    API_EVENT_ROUTES = 7,
    API_LICENSE_ROUTES = 3,
    API_BLOCKLIST_ROUTES = 4,
    API_CHAT_ROUTES = 1,
    API_SIGNATURE_ROUTES = 1,
    API_STATS_ROUTES = 1,
    API_AUTOCONFIG_ROUTES = 1,
    API_LOG_ROUTES = 1,
    API_DELIVERY_ROUTES = 5,
    API_WEBHOOK_ROUTES = 7,
    API_SEARCH_ROUTES = 4
};

extern const struct api_route api_account_routes[API_ACCOUNT_ROUTES];
extern const struct api_route api_mailbox_routes[API_MAILBOX_ROUTES];
extern const struct api_route api_message_routes[API_MESSAGE_ROUTES];
extern const struct api_route api_upload_routes[API_UPLOAD_ROUTES];
extern const struct api_route api_bulk_routes[API_BULK_ROUTES];
extern const struct api_route api_settings_routes[API_SETTINGS_ROUTES];
extern const struct api_route api_token_routes[API_TOKEN_ROUTES];
extern const struct api_route api_metrics_routes[API_METRICS_ROUTES];
extern const struct api_route api_diagnose_routes[API_DIAGNOSE_ROUTES];
extern const struct api_route api_event_routes[API_EVENT_ROUTES];
extern const struct api_route api_license_routes[API_LICENSE_ROUTES];
extern const struct api_route api_blocklist_routes[API_BLOCKLIST_ROUTES];
extern const struct api_route api_chat_routes[API_CHAT_ROUTES];
extern const struct api_route api_signature_routes[API_SIGNATURE_ROUTES];
extern const struct api_route api_stats_routes[API_STATS_ROUTES];
extern const struct api_route api_autoconfig_routes[API_AUTOCONFIG_ROUTES];
extern const struct api_route api_log_routes[API_LOG_ROUTES];
extern const struct api_route api_delivery_routes[API_DELIVERY_ROUTES];
extern const struct api_route api_webhook_routes[API_WEBHOOK_ROUTES];
extern const struct api_route api_search_routes[API_SEARCH_ROUTES];

api_handler api_account_create, api_account_get, api_account_update, api_account_delete,
    api_accounts_list, api_account_reconnect, api_account_sync, api_account_flush,
    api_account_check;
api_handler api_search, api_unified_search, api_threads_list, api_thread_get;
api_handler api_mailboxes_list, api_mailbox_create, api_mailbox_modify,
    api_mailbox_delete;
api_handler api_messages_list, api_message_get, api_message_update, api_message_delete,
    api_message_move, api_text_get, api_attachment_get, api_source_get;
api_handler api_messages_update, api_messages_move, api_messages_delete,
    api_message_upload, api_source_upload;
api_handler api_settings_get, api_settings_set;
api_handler api_token_create, api_tokens_list, api_token_get, api_token_delete,
    api_account_tokens_list;
api_handler api_metrics_get, api_account_diagnose;
api_handler api_events_list, api_events_export, api_delta_get, api_event_stream,
    api_state_stream, api_routes_list, api_route_cursor_set;
api_handler api_license_get, api_license_delete;
api_handler api_blocklists_list, api_blocklist_get, api_blocklist_add,
    api_blocklist_delete;
api_handler api_chat_ask, api_signatures_list, api_stats_get, api_autoconfig_get,
    api_log_get, api_token_log_get;
api_handler api_queue_get, api_queue_set, api_letters_list, api_letters_requeue,
    api_letters_drop;
api_handler api_webhook_routes_list, api_webhook_route_get, api_webhook_route_get_compat,
    api_webhook_route_create, api_webhook_route_update, api_webhook_route_delete,
    api_webhook_route_test;

/* --- checks of fields --- */

field_check api_check_json_text; /* a string that holds JSON */
field_check api_check_network;   /* an address, or a network as address/bits */

/* --- tasks --- */

/* Cancels the operation a task stands for. */
typedef void api_task_cancel(void *op);

struct api_task;
/* One change of an account. True: an operation is under way and ends with
 * api_change_end; false: it has replied at once with api_task_reply. */
typedef bool api_change_run(struct api_task *task);

struct api_task {
    struct api_call *call; /* NULL: nobody waits for the reply any more */
    struct api_services *services;
    void *op;
    api_task_cancel *cancel; /* NULL: the operation goes on without its call */
    char *id;                /* of the account */
    json_t *json;            /* the handler's own; may be NULL */
    void *own;               /* the same; freed by the handler */
    struct list node;        /* among the changes that wait */
    api_change_run *run;
};

/* Owns the call's on_cancel from now on; id is the {account} of the path, or "". */
struct api_task *api_task_new(struct api_call *call,
                              api_task_cancel *cancel) ATTR_RETURNS_NONNULL;
/* The operation called back: frees the task and returns the call that waits, or NULL. */
struct api_call *api_task_end(struct api_task *task);
/* api_task_end, and the reply: the error, or the result (taken, may be NULL on errors). */
void api_task_reply(struct api_task *task, const struct err *err, json_t *taken);
/* The same with a result that is JSON text already. */
void api_task_reply_text(struct api_task *task, const struct err *err, struct buf *taken);

/* --- changes of accounts, one at a time for each (api_change.c) --- */

struct api_changes;
/* Runs the change of account task->id, now or after those before it. */
void api_change_start(struct api_task *task, api_change_run *run);
/* api_task_reply, and on to the next change of the account. */
void api_change_end(struct api_task *task, const struct err *err, json_t *taken);
/* Ends what waits without a reply. */
void api_changes_free(struct api_changes **c);

/* --- accounts --- */

extern const struct err api_no_account;
struct api_services *api_services_of(struct api_call *call) ATTR_RETURNS_NONNULL;
/* The {account} of the path. */
struct str api_account_id(const struct api_call *call);
/* The actor of an account that this node has now: what another one would tell of it is no
 * longer so. Else NULL. */
struct account *api_account_here(struct api_services *services, struct str id);
/* The actor of the {account}; NULL after an error reply (404, or 503 if it has none). */
struct account *api_account_find(struct api_call *call);
void api_reply_no_account(struct api_call *call);
/* The account object of the API: secrets masked. state and entry may be NULL. */
void api_account_put(struct json_out *out, const char *id, json_t *record,
                     const struct account *a, const struct account_entry *entry);
/* The same as text into what is empty, of an account that has its record. */
void api_account_put_text(struct buf *out, struct account *a,
                          const struct account_entry *entry);
json_t *api_account_row(const struct account_entry *entry,
                        const struct account *a) ATTR_RETURNS_NONNULL;
/* Makes `record` (changed in place) what a body asks for. */
void api_account_merge(json_t *record, json_t *body);

/* --- lists --- */

/* {"total", "page", "pages"} for page and pageSize of the query. */
json_t *api_page_new(const struct api_call *call, size_t total) ATTR_RETURNS_NONNULL;
/* The position of the first row of the page asked for; *count_out: at most so many. */
size_t api_page_first(const struct api_call *call, size_t *count_out);

/* --- tokens (api_token_rules.c) --- */

struct api_token_use {
    const struct api_route *route;
    const char *remote, *referrer; /* may be NULL */
    struct str account;            /* the {account} of the path, absent if it has none */
    int64_t now_ms;                /* wall clock */
};

/* Whether the token may be used so: expiry, scope, permissions, addresses, referrers.
 * *details_out: members of the error body, the caller's, or NULL. */
bool api_token_allows(const json_t *record, const struct api_token_use *use,
                      json_t **details_out, struct err *err);

/* --- their log (api_token_log.c) --- */

/* Adds the use, unless the setting tokenAuditLog is off; refusal: ERR_OK = allowed. */
void api_token_log_add(struct store *s, const json_t *record,
                       const struct api_token_use *use, const struct err *refusal);
/* Ends a task with a page of the log of this token. */
void api_token_log_reply(struct api_task *task, const json_t *record);
extern const struct field_spec api_token_log_query[2];
extern const struct field_spec api_token_log_response;

/* --- counters (api_stats.c) --- */

void api_stats_free(struct api_stats **stats);

/* Counts requests of tokens in windows; memory only, one for each node. */
struct api_token_rate;
struct api_token_rate *api_token_rate_new(void) ATTR_RETURNS_NONNULL;
void api_token_rate_free(struct api_token_rate **r);
/* False when the limit of the record is used up. */
bool api_token_rate_take(struct api_token_rate *r, const json_t *record, int64_t now_ms,
                         struct api_rate *rate_out);

#endif
