/* webhook_route: custom routes as records: URLs beside the one of the settings that are
 * told of events, each with its own choice and form of them.
 * Shape    {id, name, description?, created, updated, v, enabled, targetUrl,
 *          customHeaders?, events[], filter?, mapping?, payload, webhookErrorFlag?}; kept
 *          among the settings, sealed, under WEBHOOK_ROUTE_PREFIX and the id
 * Owner    records are borrowed from the store until its next change, unless they are
 *          said to be new
 * Calls    loop thread; for the API and the command line. A running node follows by
 *          webhooks_settings_changed.
 * Limits   WEBHOOK_ROUTES_MAX routes; expr.h's for filter and mapping
 * Errors   ERR_CONFLICT: too many routes; ERR_INVALID: a masked header that it does not have; store_settings.h's */
#ifndef POSTRIDER_WEBHOOK_WEBHOOK_ROUTE_H
#define POSTRIDER_WEBHOOK_WEBHOOK_ROUTE_H

#include "postrider/json/spec.h"
#include "postrider/store/store_log.h"
#include "postrider/store/store_settings.h"

#define WEBHOOK_ROUTE_PREFIX  "route:"
#define WEBHOOK_ROUTE_DEFAULT "default" /* the id of the URL in the settings */
#define WEBHOOK_HEADER_MASK   "******"

enum {
    WEBHOOK_ROUTES_MAX = 200,
    WEBHOOK_ROUTE_ID_SIZE = 17,
    WEBHOOK_ROUTE_ROWS = 9,
    WEBHOOK_ROUTE_EVENTS_MAX = 64,
    WEBHOOK_ROUTE_HEADERS_MAX = 32
};

/* What may be said about one; and a header: key, value. The value WEBHOOK_HEADER_MASK stands for
 * the one that the route has already. */
extern const struct field_spec webhook_route_rows[WEBHOOK_ROUTE_ROWS];
extern const struct field_spec webhook_header_rows[2];

/* The record of that id, or NULL. */
json_t *webhook_route_find(struct store *s, struct str id);
/* All of them, the oldest first: a new array. */
json_t *webhook_routes_list(struct store *s) ATTR_RETURNS_NONNULL;

/* The headers as they are shown, without their values; a new list. */
json_t *webhook_headers_masked(const json_t *headers) ATTR_RETURNS_NONNULL;

/* A new record of what the members of `changes` say (normal form of the rows above); `old`
 * NULL: of a new route, which gets its id here and begins with what is logged from now
 * on. */
bool webhook_route_make(struct store *s, const json_t *old, const json_t *changes,
                        json_t **out, struct err *err);
struct store_settings_op *webhook_route_save_start(struct store *s, json_t *record,
                                                   store_settings_cb *cb, void *ctx);
/* Its cursors go with store_replay_start(…, STORE_CURSOR_NONE) after that. */
struct store_settings_op *webhook_route_remove_start(struct store *s, struct str id,
                                                     store_settings_cb *cb, void *ctx);

#endif
