/* Events without a log: tried from memory with the same rules. */
#include "postrider/base/check.h"
#include "postrider/base/clock.h"
#include "postrider/base/log.h"
#include "postrider/base/mem.h"
#include "webhook_priv.h"

struct detached {
    struct list node;
    struct webhooks *w;
    struct webhook_route *route;
    char *account_id;
    char *url;
    struct event event;
    struct webhook_send *send;
    unsigned tries;
    int64_t first_tried_ms;
    struct timer timer;
};

static void detached_free(struct detached *d)
{
    list_remove(&d->node);
    d->w->detached_count--;
    timer_stop(&d->timer);
    event_fini(&d->event);
    webhook_route_unref(d->route);
    mem_free(d->account_id);
    mem_free(d->url);
    mem_free(d);
}

static void detached_try(struct detached *d);

static void on_time(struct timer *t)
{
    detached_try(container_of(t, struct detached, timer));
}

static void on_sent(struct webhook_send *s ATTR_UNUSED,
                    const struct changelog_outcome *outcome, void *ctx)
{
    struct detached *d = ctx;
    d->send = NULL;
    if (outcome->result != CHANGELOG_RETRY || d->w->stopping) {
        detached_free(d);
        return;
    }
    d->tries++;
    if (d->first_tried_ms == 0) {
        d->first_tried_ms = clock_wall_ms();
    }
    timer_set(d->w->loop, &d->timer, outcome->retry_ms, on_time);
}

static void detached_try(struct detached *d)
{
    struct webhook_job job = {.route = d->route,
                              .account_id = str_of(d->account_id),
                              .event = &d->event,
                              .delivery_id = d->event.id,
                              .url = d->url,
                              .tries = d->tries,
                              .first_tried_ms = d->first_tried_ms};
    d->send = webhook_send_new(d->w, &job, on_sent, d);
    webhook_send_run(d->send);
}

static void send_for(struct webhook_route *r, struct str account_id, const char *target,
                     const struct event *event)
{
    struct webhooks *w = r->w;
    if (w->detached_count >= WEBHOOK_DETACHED_MAX) {
        log_at(LOG_WARN, "webhook", "event outside the log is dropped",
               LOG_S("type", event_type_name(event->type)), LOG_S("route", r->id));
        return;
    }
    struct detached *d = MEM_NEW(struct detached);
    d->w = w;
    d->route = webhook_route_ref(r);
    d->account_id = mem_strndup(account_id.ptr, account_id.len);
    d->url = target != NULL && target[0] != '\0' ? mem_strdup(target) : NULL;
    event_copy(&d->event, event);
    list_append(&w->detached, &d->node);
    w->detached_count++;
    detached_try(d);
}

void webhooks_send_detached(struct webhooks *w, struct str account_id, const char *target,
                            struct event *event)
{
    list_foreach (node, &w->routes) {
        struct webhook_route *r = container_of(node, struct webhook_route, node);
        if (!w->stopping && changelog_reader_is_enabled(r->reader)) {
            send_for(r, account_id, target, event);
        }
    }
    event_fini(event);
}

void webhook_detached_cancel_all(struct webhooks *w)
{
    for (struct list *node; (node = w->detached.next) != &w->detached;) {
        struct detached *d = container_of(node, struct detached, node);
        if (d->send != NULL) {
            webhook_send_cancel(d->send);
        }
        detached_free(d);
    }
}
