/* The watched mailbox in doubt: the server refuses to select it, or shows it as it was before.
 * Until that is settled the other mailboxes do not wait: the watching connection goes on
 * without it, with listings, IDLE and NOTIFY, and it is looked at on work connections.
 *
 *   watching connection:  SELECT ─► in doubt ─► [wait] ─► pass on a work connection ─┐
 *                           ▲ └► again: given up  ▲            │    failed, or in doubt
 *                           │                     └────────────┼──────────────────────┘
 *                           └── it ended well, or there is no ─┘
 *
 * In an older state each look needs another connection, as that may lead to another replica;
 * where the watching one alone lags, it is replaced. */
#include "account_priv.h"

#include "postrider/base/log.h"

static void next_soon(struct account *a)
{
    loop_defer(a->as->loop, &a->next, a->next.fn);
}

static void on_timer(struct timer *t)
{
    struct account_doubt *d = container_of(t, struct account_doubt, timer);
    struct account *a = container_of(d, struct account, doubt);
    struct mailbox *m = mailbox_table_by_box(&a->table, d->box);
    if (m != NULL && m == account_main(a)) {
        m->parked_until_ms = 0; /* hours are for those that nobody watches */
    } else {
        d->box = 0; /* a listing settled it, or another one is watched now */
    }
    if (m != NULL && account_syncs(a, m)) {
        account_pending_add(a, m->box); /* what was told meanwhile waited for this, too */
    }
    next_soon(a);
}

static void wait_a_while(struct account *a)
{
    static const struct backoff_policy policy = {2000, 10 * 60 * 1000, 200, 20};
    struct account_doubt *d = &a->doubt;
    timer_set(a->as->loop, &d->timer, backoff_next_ms(&d->backoff, &policy), on_timer);
}

bool account_doubt_take(struct account *a, const struct err *err,
                        const struct sync_pass_result *result)
{
    struct account_doubt *d = &a->doubt;
    struct mailbox *m = mailbox_table_by_box(&a->table, a->watch_box);
    if (!result->doubted || d->tried || m == NULL || a->phase != ACCOUNT_PHASE_ONLINE ||
        !imap_conn_is_open(a->watch.conn)) {
        return false;
    }
    log_at(LOG_DEBUG, "account", "the watched mailbox is in doubt",
           LOG_S("account", a->acct.name), LOG_I("box", m->box), LOG_ERR_FIELDS(err));
    account_errors_note(a, "watch", err);
    d->box = m->box;
    d->refused = err->code != ERR_CLOSED;
    backoff_reset(&d->backoff);
    wait_a_while(a);
    /* What is told from here on is of that state, or of none. */
    sync_live_reset(&a->watch.live);
    if (m->highest_modseq == 0) {
        m->last_full_ms = 0; /* flags that were told before are read again instead */
    }
    if (d->refused) {
        a->list_due = a->list_due || err->code == ERR_NO_MAILBOX;
        account_tell_error(a, err);
    }
    return true;
}

bool account_doubt_holds(const struct account *a, const struct mailbox *m)
{
    return m != NULL && m->box == a->doubt.box;
}

bool account_doubt_waits(const struct account *a, uint32_t box)
{
    return box == a->doubt.box && timer_is_set(&a->doubt.timer);
}

bool account_doubt_again(struct account *a, uint32_t box)
{
    if (box == 0 || box != a->doubt.box) {
        return false;
    }
    wait_a_while(a);
    return true;
}

bool account_doubt_over(struct account *a, uint32_t box)
{
    struct account_doubt *d = &a->doubt;
    if (box == 0 || box != d->box) {
        return false;
    }
    timer_stop(&d->timer);
    d->box = 0;
    d->tried = a->inbox_due = true;
    a->idle_refused = false; /* perhaps because nothing was selected */
    next_soon(a);
    return true;
}

void account_doubt_end(struct account *a)
{
    timer_stop(&a->doubt.timer);
    a->doubt.box = 0;
    a->doubt.tried = false;
}
