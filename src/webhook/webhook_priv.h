/* webhook_priv: the sink, its destinations, and one event on its way.
 * Shape    struct webhook_target  what one account record says about webhooks, cached
 *          struct webhook_route   a reader of the log and what became of its deliveries
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
#include "postrider/loop/backoff.h"
#include "postrider/store/store_account.h"
#include "postrider/store/store_dead.h"
#include "postrider/store/store_settings.h"
#include "postrider/webhook/webhook.h"

/* Settings that no client sets. */
#define WEBHOOK_SETTING_OFF_REASON "webhooksOffReason"

struct webhook_target {
    struct list node; /* least recently used first */
    char *account_id;
    char *url; /* NULL = the global one */
    json_t *headers;
    int64_t loaded_ms;
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

struct webhook_route {
    struct webhooks *w;
    char id[CHANGELOG_NAME_MAX + 1];
    struct changelog_reader *reader;
    struct webhook_stats stats;
    struct webhook_failure failures[WEBHOOK_FAILURES_KEPT]; /* a ring */
    uint64_t failure_count;                                 /* since the start */
};

struct webhooks {
    uint32_t magic;
    struct store *store;
    struct httpc *httpc;
    struct webhook_route main; /* the URL of the settings and those of accounts */
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
    struct list detached;
    size_t detached_count;
    size_t sends; /* alive, also canceled ones */
    bool disabling;
    unsigned ops; /* settings being written */
    struct webhook_requeue *requeue;
    bool stopping;
    struct deferred stop_later;
    webhooks_stop_cb *stop_cb;
    void *stop_ctx;
};

/* webhook.c */
void webhooks_check(const struct webhooks *w);
void webhooks_check_stopped(struct webhooks *w);
struct webhook_route *webhook_route_default(const struct webhooks *w);
struct webhook_route *webhook_route_by_id(const struct webhooks *w, struct str id);
/* The receiver said 410: the route is disabled, and the API tells why. */
void webhooks_disable(struct webhook_route *r);
/* Why that happened; absent if it is enabled or somebody turned it off. */
struct str webhook_route_off_reason(const struct webhook_route *r);
/* What the settings say about events of this kind. */
bool webhooks_wants(const struct webhooks *w, const struct event *event);
/* They name this kind; "*" stands for EmailEngine's kinds only. */
bool webhooks_names(const struct webhooks *w, enum event_type type);

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
    struct webhook_route *route;
    const struct store_acct *acct; /* NULL: detached; borrowed like the event */
    struct str account_id;
    const struct event *event; /* borrowed until the callback or cancel */
    const char *delivery_id;   /* borrowed likewise */
    const char *url;           /* detached: the account's own URL at the time, or NULL */
    bool requeued;             /* from a dead letter, which is kept by who asks */
    unsigned tries;
    unsigned parts; /* views of the event that were delivered before */
    int64_t first_tried_ms;
};
struct webhook_send *webhook_send_new(struct webhooks *w, const struct webhook_job *job,
                                      webhook_send_cb *cb, void *ctx);
void webhook_send_run(struct webhook_send *s);
/* No callback follows. */
void webhook_send_cancel(struct webhook_send *s);

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

#endif
