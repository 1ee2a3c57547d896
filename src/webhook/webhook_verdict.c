#include "webhook_priv.h"

#include "postrider/base/check.h"
#include "postrider/base/clock.h"

enum {
    RETRY_AFTER_MAX_S = 24 * 3600
};

static const struct status_row {
    int first, last;
    enum webhook_verdict_kind kind;
} status_rows[] = {
    /* the first row that fits counts */
    {200, 299, WEBHOOK_DELIVERED},
    {300, 399, WEBHOOK_REFUSED}, /* redirects are not followed */
    {408, 408, WEBHOOK_AGAIN},
    {410, 410, WEBHOOK_GONE},
    {425, 425, WEBHOOK_AGAIN},
    {429, 429, WEBHOOK_AGAIN},
    {400, 499, WEBHOOK_AGAIN_FEW},
};

enum webhook_verdict_kind webhook_verdict(const struct err *err,
                                          const struct httpc_reply *reply)
{
    if (err->code == ERR_EGRESS || err->code == ERR_INVALID) {
        return WEBHOOK_REFUSED;
    }
    for (size_t i = 0; reply != NULL && i < ARRAY_LEN(status_rows); i++) {
        const struct status_row *row = &status_rows[i];
        if (reply->status >= row->first && reply->status <= row->last) {
            return row->kind;
        }
    }
    return WEBHOOK_AGAIN;
}

static struct changelog_outcome again(const struct webhook_attempt *a,
                                      int64_t retry_after_s, uint64_t key)
{
    struct backoff b = {.tries = a->job->tries};
    int64_t delay_ms = backoff_next_ms(&b, &a->w->retry);
    int64_t told_s =
        retry_after_s < RETRY_AFTER_MAX_S ? retry_after_s : RETRY_AFTER_MAX_S;
    return (struct changelog_outcome){
        .result = CHANGELOG_RETRY,
        .key = told_s > 0 ? 0 : key,
        .retry_ms = delay_ms > told_s * 1000 ? delay_ms : told_s * 1000};
}

static struct changelog_outcome outcome_of(const struct webhook_attempt *a,
                                           enum webhook_verdict_kind verdict,
                                           int64_t retry_after_s)
{
    static const struct changelog_outcome dead = {.result = CHANGELOG_DEAD};
    int64_t since_ms = a->job->first_tried_ms;
    bool over = (since_ms != 0 && clock_wall_ms() - since_ms >= a->w->give_up_ms) ||
                webhook_dest_expired(a->dest, a->job->event->date_ms);
    switch (verdict) {
    case WEBHOOK_DELIVERED:
        return (struct changelog_outcome){.result = CHANGELOG_DONE};
    case WEBHOOK_GONE:
        /* An account's own URL is not the route: only this event is given up. */
        return a->url_is_own || a->job->requeued
                   ? dead
                   : (struct changelog_outcome){.result = CHANGELOG_PAUSE};
    case WEBHOOK_AGAIN:
        return over ? dead : again(a, retry_after_s, webhook_dest_retry_key(a->dest));
    case WEBHOOK_AGAIN_FEW:
        return a->job->tries + 1 >= WEBHOOK_TRIES_MAX ? dead : again(a, retry_after_s, 0);
    case WEBHOOK_REFUSED:
        return dead;
    }
    check_failed("webhook verdict", __FILE__, __LINE__, __func__);
}

/* What the reply says about the receiver. */
static void tell_dest(const struct webhook_attempt *a, enum webhook_verdict_kind verdict,
                      const struct httpc_reply *reply)
{
    const char *name = a->job->acct != NULL ? a->job->acct->name : "";
    int64_t hold_s = reply != NULL ? reply->retry_after_s : 0;
    bool busy = reply != NULL && (reply->status == 429 || reply->status == 503) &&
                hold_s > 0 && !a->url_is_own;
    switch (verdict) {
    case WEBHOOK_DELIVERED:
        webhook_dest_told(a->dest, WEBHOOK_TOLD_TAKEN, name, 0);
        break;
    case WEBHOOK_AGAIN:
        webhook_dest_told(a->dest, busy ? WEBHOOK_TOLD_BUSY : WEBHOOK_TOLD_FAILED, name,
                          hold_s < RETRY_AFTER_MAX_S ? hold_s * 1000 : INT64_MAX);
        break;
    case WEBHOOK_AGAIN_FEW:
    case WEBHOOK_GONE:
    case WEBHOOK_REFUSED:
        if (reply != NULL) {
            webhook_dest_told(a->dest, WEBHOOK_TOLD_REJECTED, name, 0);
        }
        break;
    }
}

struct changelog_outcome webhook_judge(const struct webhook_attempt *a,
                                       const struct err *err,
                                       const struct httpc_reply *reply)
{
    enum webhook_verdict_kind verdict = webhook_verdict(err, reply);
    struct changelog_outcome outcome =
        outcome_of(a, verdict, reply != NULL ? reply->retry_after_s : 0);
    tell_dest(a, verdict, reply);
    return outcome;
}
