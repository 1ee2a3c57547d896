/* webhook_render: what a request says: body, signatures, headers. No I/O.
 * Spec     EmailEngine's X-EE-Wh-* headers; Standard Webhooks 1.0.0; W3C Trace Context */
#ifndef POSTRIDER_WEBHOOK_RENDER_H
#define POSTRIDER_WEBHOOK_RENDER_H

#include "postrider/base/arena.h"
#include "postrider/event/event.h"
#include "postrider/httpc/httpc.h"

struct webhook_body {
    struct str service_url; /* absent or empty: null */
    struct str account;
    const struct event *event;
    const json_t *data; /* instead of the event's own; NULL = those */
};
/* A new reference that shares the event's data. */
json_t *webhook_render_json(const struct webhook_body *b) ATTR_RETURNS_NONNULL;

enum {
    WEBHOOK_VIEWS = 2
};
/* The events that a receiver of EmailEngine's kinds knows, for one that it does not: a move
 * is an arrival, a rename is a deletion and a creation. Fills out, each to be finished, and
 * gives their number; 0: the event is of their kinds itself. */
size_t webhook_views(const struct event *event, struct event out[WEBHOOK_VIEWS]);

/* What is told instead of an arrival whose message the server lists and does not show, with
 * that data (shared). To be finished. */
void webhook_missing(const struct event *event, json_t *data, struct event *out);

/* The event's data marked with one more member: "gone" or "enriched". A new reference. */
json_t *webhook_mark_data(const struct event *event, const char *member,
                          bool value) ATTR_RETURNS_NONNULL;

/* base64url(HMAC-SHA256(secret, body)), no padding. */
void webhook_sign_body(struct str secret, struct str body, struct buf *out);
/* "v1," base64(HMAC-SHA256(key, id "." seconds "." body)); a secret of the form
 * "whsec_" base64 is decoded first, any other is the key as it is. */
void webhook_sign_standard(struct str secret, const char *id, int64_t seconds,
                           struct str body, struct buf *out);

/* The secret before the present one, while both count; absent otherwise. */
struct str webhook_old_secret(const json_t *settings, int64_t now_ms);

/* "00-" trace "-" span "-01" (W3C Trace Context): the trace is the event's id, so that all
 * tries belong to one; the span is random. Appends nothing if the id is no UUID. */
void webhook_trace_parent(const char *event_id, struct buf *out);

struct webhook_headers {
    const char *content_type;
    const char *route_id; /* of a custom route, else NULL */
    const char *delivery_id;
    const char *event_id;
    unsigned tries;
    int64_t queued_ms; /* wall clock of the event */
    int64_t now_ms;
    const char *user_agent;
    struct str secret;     /* absent or empty: nothing is signed */
    struct str old_secret; /* signs besides while a new one is being introduced */
    struct str body;
    const json_t *custom;     /* arrays of {key, value}, or NULL */
    const json_t *own_custom; /* the account's; they replace the global ones */
};

enum {
    WEBHOOK_HEADERS = 13 + 64 /* ours and custom ones */
};
/* Fills out; strings live in the arena. Gives the number of headers. Custom headers may
 * replace ours except identity, signatures and framing. */
size_t webhook_render_headers(const struct webhook_headers *h, struct arena *a,
                              struct httpc_header out[WEBHOOK_HEADERS]);

#endif
