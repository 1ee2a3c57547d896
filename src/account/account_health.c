/* Does IDLE tell what happens? Some servers fall silent for months. When it told nothing
 * for a while, STATUS on a work connection says how many messages there are; if that is
 * another number, a pass of the watched mailbox decides who was right. Two misses in a row,
 * and the mailbox is polled for a day beside IDLE. */
#include "account_priv.h"

#include "postrider/base/log.h"
#include "postrider/base/rand.h"

enum {
    CHECK_DEFAULT_MS = 15 * 60 * 1000,
    WORK_WAIT_MS = 60000,
    MISSES_MAX = 2
};

static void on_timer(struct timer *t);

static int64_t check_ms(const struct account *a)
{
    int64_t ms = a->as->config.poll.idle_check_ms;
    return ms > 0 ? ms : CHECK_DEFAULT_MS;
}

static void plan(struct account *a)
{
    int64_t ms = check_ms(a), since_ms = loop_now_ms(a->as->loop) - a->health.told_at_ms;
    int64_t wait_ms = since_ms < ms ? ms - since_ms : ms;
    /* Not all accounts of a provider in the same second. */
    wait_ms += rand_below((uint32_t)(wait_ms / 5) + 1);
    timer_set(a->as->loop, &a->health.timer, wait_ms, on_timer);
}

static void finish(struct account *a)
{
    account_work_end(&a->health.work, false);
    if (a->phase == ACCOUNT_PHASE_ONLINE) {
        plan(a);
    }
    loop_defer(a->as->loop, &a->next, a->next.fn);
}

static void on_status(struct imap_mailbox_status *op ATTR_UNUSED, const struct err *err,
                      const struct imap_status *status, void *ctx)
{
    struct account *a = ctx;
    struct account_health *h = &a->health;
    h->status = NULL;
    if (err->code == ERR_OK && a->phase == ACCOUNT_PHASE_ONLINE) {
        const struct imap_selected *now = imap_conn_selected(a->watch.conn);
        bool agrees = now == NULL || (status->has & IMAP_STATUS_MESSAGES) == 0 ||
                      status->messages == now->exists;
        h->told_at_ms = loop_now_ms(a->as->loop);
        if (agrees) {
            h->misses = 0;
        } else {
            h->proving = true;
            a->inbox_due = true;
        }
    }
    finish(a);
}

static void on_work(struct account_work *w, const struct err *err, struct imap_conn *conn,
                    void *ctx)
{
    struct account *a = ctx;
    struct mailbox *m = mailbox_table_by_box(&a->table, a->watch_box);
    /* STATUS is not for the selected mailbox (RFC 3501 §6.3.10). */
    if (err->code != ERR_OK || m == NULL || account_work_slot(w)->box == m->box) {
        finish(a);
        return;
    }
    a->health.status =
        imap_status_start(conn, str_from(m->wire, m->wire_len), IMAP_STATUS_MESSAGES,
                          WORK_WAIT_MS, on_status, a);
}

static void on_timer(struct timer *t)
{
    struct account_health *h = container_of(t, struct account_health, timer);
    struct account *a = container_of(h, struct account, health);
    int64_t silent_ms = loop_now_ms(a->as->loop) - h->told_at_ms;
    /* IDLE may run behind a pass that still finds out what it was silent about. */
    if (a->idle == NULL || a->pass != NULL || h->work != NULL ||
        silent_ms < check_ms(a)) {
        plan(a);
        return;
    }
    h->work = account_work_start(a, ACCOUNT_LANE_SYNC, 0, WORK_WAIT_MS, on_work, a);
}

void account_health_proved(struct account *a, const struct sync_pass_result *result)
{
    struct account_health *h = &a->health;
    if (!h->proving) {
        return;
    }
    h->proving = false;
    h->misses = result->added + result->deleted > 0 ? h->misses + 1 : 0;
    if (h->misses >= MISSES_MAX) {
        h->misses = 0;
        h->distrust_until_ms = loop_now_ms(a->as->loop) + POLL_DISTRUST_MS;
        log_at(LOG_WARN, "account", "IDLE does not tell of changes, polling",
               LOG_S("account", a->acct.name));
    }
}

void account_health_begin(struct account *a)
{
    a->health.told_at_ms = loop_now_ms(a->as->loop);
    a->health.proving = false;
    plan(a);
}

void account_health_end(struct account *a)
{
    timer_stop(&a->health.timer);
    imap_status_cancel(a->health.status);
    /* Work that is still waiting is told of the end by account_work_shut. */
}

bool account_health_is_quiet(const struct account *a)
{
    return a->health.work == NULL && a->health.status == NULL;
}
