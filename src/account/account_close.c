/* Before a connection is closed on purpose the stored cursor of its mailbox moves to where
 * the connection is, so that the next one is not told all of it again: one pass with SELECT,
 * and no longer than the peer and the store answer at once.
 *
 *   wanted ─┬─ nothing was heard since the cursor moved ─► closed
 *           └─ pass ─── ended, or CLOSE_MS later ────────► closed */
#include "account_priv.h"

enum {
    CLOSE_MS = 1000
};

static void close_now(struct account *a)
{
    account_close_fn *then = a->close_then;
    timer_stop(&a->close_timer);
    a->close_then = NULL;
    if (then != NULL) {
        then(a);
    }
}

static void on_close_timer(struct timer *t)
{
    close_now(container_of(t, struct account, close_timer));
}

bool account_close_waits(const struct account *a)
{
    return a->close_then != NULL;
}

void account_close_passed(struct account *a)
{
    if (a->close_then != NULL) {
        timer_set(a->as->loop, &a->close_timer, 0, on_close_timer);
    }
}

/* A pass can be run now, and it moves a cursor. */
static bool is_worth_it(const struct account *a)
{
    const struct mailbox *m = account_main(a);
    return a->phase == ACCOUNT_PHASE_ONLINE && a->watch.live.changes > 0 && m != NULL &&
           !account_doubt_holds(a, m) && m->highest_modseq != 0 &&
           m->box == a->watch_box && m->phase == MAILBOX_PHASE_LIVE &&
           !account_watch_is_working(a) && !a->as->held &&
           imap_conn_is_open(a->watch.conn) && store_owns(a->as->store, a->acct.shard);
}

void account_close(struct account *a, account_close_fn *then)
{
    if (a->close_then != NULL) {
        a->close_then = then; /* it is on its way; the later wish holds */
        return;
    }
    if (!is_worth_it(a)) {
        then(a);
        return;
    }
    a->close_then = then;
    timer_set(a->as->loop, &a->close_timer, CLOSE_MS, on_close_timer);
    account_watch_catch_up(a);
}
