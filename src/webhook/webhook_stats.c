/* What became of the tries of a route: counted, and the last failures kept for people. */
#include "webhook_priv.h"

#include "postrider/base/clock.h"
#include "postrider/json/json.h"

#include <stdio.h>

void webhook_note_delivered(struct webhook_route *r)
{
    r->stats.delivered++;
    err_clear(&r->stats.last_error);
}

void webhook_note_skipped(struct webhook_route *r)
{
    r->stats.skipped++;
}

void webhook_note_failed(struct webhook_route *r, const struct webhook_note *note)
{
    struct webhook_failure *f = &r->failures[r->failure_count % WEBHOOK_FAILURES_KEPT];
    int64_t now_ms = clock_wall_ms();
    r->failure_count++;
    *f = (struct webhook_failure){
        .at_ms = now_ms, .status = note->status, .given_up = note->given_up};
    (void)snprintf(f->account_name, sizeof f->account_name, "%s", note->account_name);
    (void)snprintf(f->event_id, sizeof f->event_id, "%s", note->event_id);
    (void)snprintf(f->reason, sizeof f->reason, "%s", note->err->msg);
    r->stats.last_error = *note->err;
    r->stats.last_error_ms = now_ms;
    if (note->given_up) {
        r->stats.failed++;
    } else {
        r->stats.retries++;
    }
}

void webhook_stats_add(struct webhook_stats *sum, const struct webhook_stats *one)
{
    sum->delivered += one->delivered;
    sum->skipped += one->skipped;
    sum->retries += one->retries;
    sum->failed += one->failed;
    sum->active += one->active;
    if (one->last_error_ms >= sum->last_error_ms) {
        sum->last_error = one->last_error;
        sum->last_error_ms = one->last_error_ms;
    }
}

void webhooks_stats_get(const struct webhooks *w, struct webhook_stats *out)
{
    webhooks_check(w);
    *out = w->gone;
    list_foreach (node, &w->routes) {
        webhook_stats_add(out, &container_of(node, struct webhook_route, node)->stats);
    }
}

/* The newest first. */
static json_t *failures_json(const struct webhook_route *r)
{
    json_t *out = json_array();
    uint64_t kept = r->failure_count < WEBHOOK_FAILURES_KEPT ? r->failure_count
                                                             : WEBHOOK_FAILURES_KEPT;
    for (uint64_t i = 1; i <= kept; i++) {
        const struct webhook_failure *f =
            &r->failures[(r->failure_count - i) % WEBHOOK_FAILURES_KEPT];
        json_t *row = json_object();
        json_put_time(row, "date", f->at_ms);
        json_put_cstr(row, "account",
                      store_account_id_by_name(r->w->store, str_of(f->account_name)));
        json_put_str(row, "eventId",
                     f->event_id[0] != '\0' ? str_of(f->event_id) : STR_NULL);
        if (f->status != 0) {
            json_put_int(row, "status", f->status);
        }
        json_put(row, "reason", json_str_repaired(str_of(f->reason)));
        json_put_bool(row, "givenUp", f->given_up);
        json_push(out, row);
    }
    return out;
}

bool webhooks_route_describe(const struct webhooks *w, struct str id, json_t *out)
{
    webhooks_check(w);
    const struct webhook_route *r = webhook_route_by_id(w, id);
    if (r == NULL) {
        return false;
    }
    json_put_int(out, "delivered", (int64_t)r->stats.delivered);
    json_put_int(out, "skipped", (int64_t)r->stats.skipped);
    json_put_int(out, "active", (int64_t)r->stats.active);
    json_put_str(out, "disabledReason", webhook_route_off_reason(r));
    json_put(out, "lastErrors", failures_json(r));
    json_put(out, "destinations", webhook_dests_json(r));
    return true;
}
