/* webhook: tells the configured URL of every event, as EmailEngine does, with a Standard
 * Webhooks signature beside it.
 * Shape    struct webhooks: the sink of the changelog's reader "default"; per delivery:
 *          content from the enricher if the event needs it, body, headers, POST, and what
 *          the reply means
 *              2xx done; 3xx and a refused address dead at once; 410 turns webhooks off;
 *              other 4xx dead after WEBHOOK_TRIES_MAX tries; the rest is repeated with
 *              growing delays (Retry-After honoured) for WEBHOOK_RETRY_SPAN_MS,
 *              earlier once a destination that failed for everybody takes an event again
 *          settings read: webhooks, webhooksEnabled, webhookEvents ("*" = all; absent =
 *          none), webhooksCustomHeaders, serviceUrl, serviceSecret, inboxNewOnly; of an
 *          account: webhooks, webhooksCustomHeaders
 * Owner    the app; store, httpc, changelog and enricher must outlive it
 * Calls    loop thread. The app forwards changes: webhooks_settings_changed from the
 *          store's settings callback, webhook_account_changed when a record changed.
 * Limits   WEBHOOK_TARGET_ACTIVE requests at once to one destination; accounts over it
 *          are parked in the changelog. WEBHOOK_ACCOUNTS_CACHED account records' targets.
 *          Bodies ≤ WEBHOOK_BODY_MAX. WEBHOOK_DETACHED_MAX events outside the log.
 * Errors   none to callers; counted, and the last one kept for the API and metrics
 * Spec     EmailEngine's webhook format; Standard Webhooks 1.0.0 */
#ifndef POSTRIDER_WEBHOOK_WEBHOOK_H
#define POSTRIDER_WEBHOOK_WEBHOOK_H

#include "postrider/changelog/changelog.h"
#include "postrider/changelog/enrich.h"
#include "postrider/httpc/httpc.h"

enum {
    WEBHOOK_TARGET_ACTIVE = 16,
    WEBHOOK_TRIES_MAX = 10,
    WEBHOOK_RETRY_SPAN_MS = 3 * 24 * 3600 * 1000,
    WEBHOOK_ACCOUNTS_CACHED = 1024,
    WEBHOOK_BODY_MAX = 8 * 1024 * 1024,
    WEBHOOK_DETACHED_MAX = 1000,
    WEBHOOK_FAILURES_KEPT = 10,
    WEBHOOK_DESTS_SHOWN = 100,
    WEBHOOK_SECRET_OVERLAP_HOURS = 24,
    WEBHOOK_ENRICH_MS = 30 * 1000
};

/* Settings that clients change only through routes of their own. */
#define WEBHOOK_SETTING_PAUSED     "notifyPaused"          /* true: the queue is paused */
#define WEBHOOK_SETTING_OLD_SECRET "serviceSecretPrevious" /* {secret, until} */

struct webhook_config {
    int64_t timeout_ms;     /* of one request; 0 = 30 s */
    int64_t retry_first_ms; /* 0 = 5 s; doubles, ± 20 % … */
    int64_t retry_max_ms;   /* … up to this; 0 = 1 h */
    const char *user_agent; /* NULL = "Postrider/VERSION" */
    size_t target_active;   /* 0 = WEBHOOK_TARGET_ACTIVE */
    unsigned target_rate;   /* requests a second to one destination; 0 = no limit */
    int64_t give_up_ms;     /* 0 = WEBHOOK_RETRY_SPAN_MS */
};

struct webhook_stats {
    uint64_t delivered; /* replies 2xx */
    uint64_t skipped;   /* not wanted by the settings */
    uint64_t retries;   /* failed tries that are repeated */
    uint64_t failed;    /* given up */
    size_t active;
    struct err last_error; /* ERR_OK = none since the last success */
    int64_t last_error_ms;
};

struct webhooks;
/* enricher NULL: message events go out without content. Adds the reader "default". */
struct webhooks *webhooks_new(struct store *s, struct httpc *httpc, struct changelog *c,
                              const struct enricher *enricher,
                              const struct webhook_config *config) ATTR_RETURNS_NONNULL;
/* Reads the settings; call before changelog_start. */
void webhooks_start(struct webhooks *w);
/* Ends what runs outside the changelog; call after changelog_stop. */
typedef void webhooks_stop_cb(struct webhooks *w, void *ctx);
void webhooks_stop(struct webhooks *w, webhooks_stop_cb *cb, void *ctx);
/* After webhooks_stop has called back, or when it was never started. */
void webhooks_free(struct webhooks **w);

void webhooks_settings_changed(struct webhooks *w);
/* Puts into a client's changes of settings what they bring with them: a new secret leaves
 * the old one valid for WEBHOOK_SECRET_OVERLAP_HOURS, the same one again ends that. */
void webhooks_settings_prepare(const json_t *settings, json_t *changes);
/* The record of the account changed, or the account is gone. */
void webhook_account_changed(struct webhooks *w, struct str account_id);
/* An event that is in no log, because its account is gone (accountDeleted): sent from
 * memory, with the same repetitions, lost at a restart. target: the account's own URL, or
 * NULL. The event is taken. */
void webhooks_send_detached(struct webhooks *w, struct str account_id, const char *target,
                            struct event *event);
/* Sums over all routes. */
void webhooks_stats_get(const struct webhooks *w, struct webhook_stats *out);
/* Puts delivered, skipped, active, disabledReason, lastErrors and destinations of a route.
 * False if there is no such route. */
bool webhooks_route_describe(const struct webhooks *w, struct str route_id, json_t *out);
/* Destinations that are left alone because they fail. */
size_t webhooks_down_count(const struct webhooks *w);

#endif
