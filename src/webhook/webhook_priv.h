/* webhook_priv: the sink, its destinations, and one event on its way.
 * Shape    struct webhook_route   a reader of the log and what it wants told where
 *          struct webhook_target  what one account record says about webhooks, cached
 *          struct webhook_dest    an origin as one route sees it: its requests in flight
 *                                 and whether it answers at all
 *          struct webhook_send    one try to deliver one event:
 *              target (cache or record) → content (enricher) → POST → outcome
 *              with at most one operation in flight at a time
 * Owner    the webhooks own all of them; a send that is canceled is freed when its
 *          operation in flight has called back */
#ifndef POSTRIDER_WEBHOOK_PRIV_H
#define POSTRIDER_WEBHOOK_PRIV_H

#include "postrider/base/arena.h"
#include "postrider/base/list.h"
#include "postrider/base/map.h"
#include "postrider/expr/expr.h"
#include "postrider/loop/backoff.h"
#include "postrider/store/store_account.h"
#include "postrider/store/store_dead.h"
#include "postrider/store/store_settings.h"
#include "postrider/webhook/webhook.h"
#include "postrider/webhook/webhook_preview.h"
#include "postrider/webhook/webhook_route.h"

/* How events look on their way (webhook_payload.c). */
enum webhook_form {
    WEBHOOK_FORM_FULL,       /* as EmailEngine's, with content */
    WEBHOOK_FORM_THIN,       /* the same, as the log has it */
    WEBHOOK_FORM_CLOUDEVENTS /* CloudEvents 1.0, structured, with content */
};

/* A failed try, as the API shows it. */
struct webhook_failure {
    int64_t at_ms; /* wall clock */
    int status;    /* 0 = no reply */
    bool given_up;
    char account_name[STORE_ACCT_NAME_SIZE];
    char event_id[EVENT_ID_SIZE];
    char reason[256];
};

/* Where events go, and what of them: the settings' own ("default") or a custom one. */
struct webhook_route {
    struct list node; /* among the routes; unlinked once it was removed */
    struct webhooks *w;
    unsigned refs; /* the table's, and of sends */
    char id[CHANGELOG_NAME_MAX + 1];
    struct changelog_reader *reader; /* NULL once it was removed */
    bool disabling;                  /* being turned off in the settings */
    json_t *record;                  /* NULL: the route of the settings */
    enum webhook_form form;
    struct expr *filter, *mapping; /* NULL = none */
    struct webhook_stats stats;
    struct webhook_failure failures[WEBHOOK_FAILURES_KEPT]; /* a ring */
    uint64_t failure_count;                                 /* since the start */
};

/* A setting that no client sets: why the default route was turned off. */
#define WEBHOOK_SETTING_OFF_REASON "webhooksOffReason"

struct webhook_target {
    struct list node; /* least recently used first */
    char *account_id;
    char *url; /* NULL = the global one */
    json_t *headers;
    int64_t loaded_ms;
};

struct webhooks {
    uint32_t magic;
    struct store *store;
    struct httpc *httpc;
    struct changelog *changelog;
    struct list routes; /* struct webhook_route, the default one first */
    struct loop *loop;
    struct enricher enricher; /* start NULL = none */
    int64_t timeout_ms;
    struct backoff_policy retry;
    char *user_agent;
    size_t target_active;
    unsigned target_rate;
    int64_t give_up_ms;
    struct map *targets; /* account id → struct webhook_target */
    struct list targets_used;
    uint64_t targets_version; /* counts invalidations */
    struct webhook_dests *dests;
    struct list previews;
    struct list detached;
    size_t detached_count;
    size_t sends;              /* alive, also canceled ones */
    unsigned ops;              /* of the store: settings being written, letters at work */
    struct webhook_stats gone; /* of routes that were removed */
    struct webhook_requeue *requeue;
    bool stopping;
    struct deferred stop_later;
    webhooks_stop_cb *stop_cb;
    void *stop_ctx;
};

/* webhook.c */
void webhooks_check(const struct webhooks *w);
void webhooks_check_stopped(struct webhooks *w);
/* The receiver said 410: the route is turned off in the settings. */
void webhooks_disable(struct webhook_route *r);
/* Why that happened; absent if it is enabled or somebody turned it off. */
struct str webhook_route_off_reason(const struct webhook_route *r);

/* webhook_routes.c: the routes at work. */
struct webhook_route *webhook_route_default(const struct webhooks *w);
struct webhook_route *webhook_route_by_id(const struct webhooks *w, struct str id);
struct webhook_route *webhook_route_ref(struct webhook_route *r);
void webhook_route_unref(struct webhook_route *r);
/* A route that is in no table and reads nothing: another one as `record` would make it.
 * One reference is the caller's. */
struct webhook_route *webhook_route_trial(const struct webhook_route *r, json_t *record);
bool webhook_route_is_enabled(const struct webhook_route *r);
/* What it says about events of this kind. */
bool webhook_route_wants(const struct webhook_route *r, const struct event *event);
/* Or may say: that a message is missing shows when its content is asked for. */
bool webhook_route_may_want(const struct webhook_route *r, const struct event *event);
/* It names this kind; "*" stands for EmailEngine's kinds only. */
bool webhook_route_names(const struct webhook_route *r, enum event_type type);
/* Absent if none is set. An account's own URL goes before that of the default route. */
struct str webhook_route_url(const struct webhook_route *r);
const json_t *webhook_route_headers(const struct webhook_route *r);
/* Makes the table what the settings say. */
void webhook_routes_update(struct webhooks *w);
void webhook_routes_init(struct webhooks *w);
void webhook_routes_free(struct webhooks *w);

/* webhook_payload.c: what a route sends of an event. */
struct webhook_payload {
    const struct webhook_route *route;
    struct str service_url;
    struct str account;
    const struct event *event;
    const json_t *data; /* instead of the event's own; NULL = those */
};
/* Whether content is needed before the filter can be asked, or at all. */
bool webhook_payload_needs_content(const struct webhook_route *r,
                                   const struct event *event);
bool webhook_payload_filter_needs_data(const struct webhook_route *r);
/* *passes_out: the filter lets it through. False: it went over a limit (err). */
bool webhook_payload_filter(const struct webhook_payload *p, bool *passes_out,
                            struct err *err);
/* The body; ERR_TOO_LARGE if it is larger than the buffer may be, ERR_LIMIT. */
bool webhook_payload_body(const struct webhook_payload *p, struct buf *out,
                          struct err *err);
const char *webhook_payload_type(const struct webhook_route *r); /* Content-Type */

/* webhook_target.c: borrowed until the next call; NULL = not in memory. */
const struct webhook_target *webhook_target_get(struct webhooks *w,
                                                struct str account_id);
const struct webhook_target *webhook_target_put(struct webhooks *w, struct str account_id,
                                                const json_t *record);
void webhook_target_drop(struct webhooks *w, struct str account_id);
void webhook_targets_free(struct webhooks *w);

/* webhook_stats.c: what became of the tries of a route. */
void webhook_note_delivered(struct webhook_route *r);
void webhook_note_skipped(struct webhook_route *r);
void webhook_stats_add(struct webhook_stats *sum, const struct webhook_stats *one);
struct webhook_note {
    const char *account_name; /* keyed hash; "" = unknown */
    const char *event_id;
    const struct err *err;
    int status; /* 0 = no reply */
    bool given_up;
};
void webhook_note_failed(struct webhook_route *r, const struct webhook_note *note);

/* webhook_dest.c: who may send to an origin now. A destination belongs to one route, so
 * that what one route does to a receiver never keeps another from it.
 *     closed ──failures of several accounts in a row──► open ──time──► half open
 *        ▲                                              ▲                 │ one probe
 *        └───────────────── it answered ────────────────┼─────────────────┤
 *                                                       └──── it failed ──┘ */
struct webhook_dests;
struct webhook_dest;
struct webhook_dests *webhook_dests_new(struct webhooks *w);
void webhook_dests_free(struct webhook_dests **d);
enum webhook_admission {
    WEBHOOK_ADMITTED,
    WEBHOOK_WAITS,  /* until *key_out is woken */
    WEBHOOK_EXPIRED /* it has been down for too long for an event as old as this */
};
enum webhook_admission webhook_dest_admits(struct webhook_route *r, const char *origin,
                                           int64_t event_ms, uint64_t *key_out);
/* It has given no good answer for as long as an event is tried, and the event is that old:
 * its turn is over, though others before it took the time. */
bool webhook_dest_expired(const struct webhook_dest *dest, int64_t event_ms);
struct webhook_dest *webhook_dest_enter(struct webhook_route *r, const char *origin);
/* Wakes accounts that wait. */
void webhook_dest_leave(struct webhook_dest *dest);
/* The key of accounts that wait for its recovery. */
uint64_t webhook_dest_retry_key(const struct webhook_dest *dest);
enum webhook_told {
    WEBHOOK_TOLD_TAKEN,
    WEBHOOK_TOLD_FAILED,   /* not the event's fault */
    WEBHOOK_TOLD_REJECTED, /* it answers, but does not want this event */
    WEBHOOK_TOLD_BUSY      /* it asked for a pause of hold_ms */
};
void webhook_dest_told(struct webhook_dest *dest, enum webhook_told told,
                       const char *account_name, int64_t hold_ms);
/* The route is gone, and nothing of it is in flight. */
void webhook_dests_drop(struct webhook_route *r);
/* The settings changed: whoever waits looks again. */
void webhook_dests_wake(struct webhooks *w);
/* Of one route: [{origin, state, active, failures, nextTry}]; a new reference. */
json_t *webhook_dests_json(const struct webhook_route *r);

/* webhook_requeue.c: dead letters tried once more. */
struct webhook_requeue *webhook_requeue_new(struct webhooks *w);
void webhook_requeue_free(struct webhook_requeue **q);
/* The settings changed: perhaps somebody asked for it. */
void webhook_requeue_look(struct webhook_requeue *q);
void webhook_requeue_stop(struct webhook_requeue *q);

/* webhook_send.c */
struct webhook_send;
/* May be called from inside webhook_send_run; the send is dead then. */
typedef void webhook_send_cb(struct webhook_send *s,
                             const struct changelog_outcome *outcome, void *ctx);
struct webhook_job {
    struct webhook_route *route;   /* the send takes a reference of its own */
    const struct store_acct *acct; /* NULL: detached; borrowed like the event */
    struct str account_id;
    const struct event *event; /* borrowed until the callback or cancel */
    const char *delivery_id;   /* borrowed likewise */
    const char *url;           /* detached: the account's own URL at the time, or NULL */
    bool requeued;             /* from a dead letter, which is kept by who asks */
    struct webhook_preview *preview; /* nothing is sent: it is told what would be */
    bool keeps_data;                 /* no content is fetched */
    unsigned tries;
    unsigned parts; /* views of the event that were delivered before */
    int64_t first_tried_ms;
};
struct webhook_send *webhook_send_new(struct webhooks *w, const struct webhook_job *job,
                                      webhook_send_cb *cb, void *ctx);
void webhook_send_run(struct webhook_send *s);
/* No callback follows. */
void webhook_send_cancel(struct webhook_send *s);

/* webhook_preview.c */
struct webhook_shown {
    const struct event *event;
    const char *url;
    const struct httpc_header *headers;
    size_t header_count;
    const json_t
        *custom[2]; /* those of the route and of the account, whose values are secrets */
    struct str body;
};
void webhook_preview_add(struct webhook_preview *p, const struct webhook_shown *shown);
/* The first note of a member stays. */
void webhook_preview_note(struct webhook_preview *p, const char *member,
                          const char *text);
void webhook_previews_cancel_all(struct webhooks *w);

/* webhook_detached.c */
void webhook_detached_cancel_all(struct webhooks *w);

/* webhook_verdict.c: what a reply, or its absence, means for the entry. */
enum webhook_verdict_kind {
    WEBHOOK_DELIVERED,
    WEBHOOK_AGAIN,     /* for a limited time */
    WEBHOOK_AGAIN_FEW, /* for a limited number of tries */
    WEBHOOK_REFUSED,   /* never again */
    WEBHOOK_GONE       /* 410 */
};
enum webhook_verdict_kind webhook_verdict(const struct err *err,
                                          const struct httpc_reply *reply);
struct webhook_attempt {
    const struct webhooks *w;
    const struct webhook_job *job;
    struct webhook_dest *dest;
    bool url_is_own; /* the account's, not that of the route */
};
/* What becomes of the entry; the destination is told how its receiver does. */
struct changelog_outcome webhook_judge(const struct webhook_attempt *attempt,
                                       const struct err *err,
                                       const struct httpc_reply *reply);

#endif
