/* When to look at mailboxes of which nobody tells: whole listings, which carry the STATUS
 * of all where the server has LIST-STATUS, else STATUS of those that are due, else, for
 * servers whose STATUS lies, a pass. How often depends on when a mailbox last changed.
 *
 *   timer ─► what is due? ─┬─► listing
 *                          ├─► STATUS of some ─► differs? ─► pending
 *                          └─► SELECT of the watched mailbox
 *
 * With NOTIFY for all mailboxes only the listings remain. */
#include "account_priv.h"

#include "postrider/base/mem.h"
#include "postrider/base/rand.h"

enum {
    ASK_MS = 60000,
    CATCH_UP_MS =
        15 * 60 * 1000,     /* the stored cursor of INBOX moves so often at least … */
    CATCH_UP_CHANGES = 200, /* … and as soon as there were so many live changes */
    THROTTLE_MS = 30 * 60 * 1000,
    SLOWEST_MS = 30 * 60 * 1000, /* a throttled server is asked so often at least */
    STATUS_MISSES = 2,
    SLOW_STATUS_MAX = 20, /* a minute, where they are slow */
    JITTER_PERCENT = 20,
    /* A listing is cheaper than the STATUS of a third of the mailboxes. */
    LIST_SHARE = 3
};

#define HOURS(n) ((int64_t)(n)*3600 * 1000)

static int64_t now_ms(const struct account *a)
{
    return loop_now_ms(a->as->loop);
}

static int64_t with_jitter(int64_t ms)
{
    int64_t span = ms * JITTER_PERCENT / 100;
    uint32_t bound = span < UINT32_MAX / 2 ? (uint32_t)(2 * span) : UINT32_MAX;
    return bound > 0 ? ms - span + rand_below(bound) : ms;
}

/* --- how often --- */

static int64_t or_default(int64_t ms, int64_t fallback_ms)
{
    return ms > 0 ? ms : fallback_ms;
}

static int64_t normal_ms(const struct account *a)
{
    return a->as->config.poll_interval_ms;
}

static int64_t hot_ms(const struct account *a)
{
    int64_t hot = or_default(a->as->config.poll.hot_ms, 60 * 1000);
    return hot < normal_ms(a) ? hot : normal_ms(a);
}

static int64_t interval_ms(const struct account *a, const struct mailbox *m)
{
    const struct account_poll_config *c = &a->as->config.poll;
    int64_t since = m->changed_at_ms != 0 ? m->changed_at_ms : a->born_at_ms;
    int64_t quiet = now_ms(a) - since;
    int64_t ms = normal_ms(a);
    if (m->changed_at_ms != 0 && quiet < or_default(c->hot_for_ms, HOURS(1))) {
        ms = hot_ms(a);
    } else if (quiet >= or_default(c->frozen_after_ms, HOURS(30 * 24))) {
        ms = or_default(c->frozen_ms, HOURS(1));
    } else if (quiet >= or_default(c->cold_after_ms, HOURS(7 * 24))) {
        ms = or_default(c->cold_ms, HOURS(1) / 4);
    }
    if (now_ms(a) < a->poll.throttled_until_ms && ms < SLOWEST_MS) {
        ms = ms * 2 < SLOWEST_MS ? ms * 2 : SLOWEST_MS;
    }
    return ms;
}

/* The watched mailbox tells by itself, unless there is no IDLE or none to believe. */
static int64_t main_interval_ms(const struct account *a)
{
    int64_t inbox = or_default(a->as->config.poll.inbox_ms, 55 * 1000);
    if (!account_can_idle(a)) {
        return inbox < normal_ms(a) ? inbox : normal_ms(a);
    }
    return now_ms(a) < a->health.distrust_until_ms ? hot_ms(a) : 0;
}

void account_poll_throttled(struct account *a)
{
    a->poll.throttled_until_ms = now_ms(a) + THROTTLE_MS;
}

/* --- what is due --- */

/* No connection has it selected. */
static bool may_be_looked_at(const struct account *a, const struct mailbox *m)
{
    bool known = m->phase == MAILBOX_PHASE_LIVE || m->phase == MAILBOX_PHASE_GONE;
    return account_syncs(a, m) && known && m->box != a->watch_box &&
           !account_subs_serve(a, m->box);
}

/* NOTIFY does not tell of it, either. */
static bool is_looked_at(const struct account *a, const struct mailbox *m)
{
    return may_be_looked_at(a, m) && (a->notify_scope < IMAP_NOTIFY_FLAGS || m->unheard);
}

static void looked_at(struct account *a, struct mailbox *m)
{
    m->look_at_ms = now_ms(a) + interval_ms(a, m);
}

void account_poll_changed(struct account *a, struct mailbox *m)
{
    m->changed_at_ms = now_ms(a);
    looked_at(a, m);
}

static void ask_for(struct account *a, uint32_t box)
{
    struct account_poll *p = &a->poll;
    p->due = mem_realloc(p->due, (p->due_count + 1) * sizeof *p->due);
    p->due[p->due_count++] = box;
}

static void take_due(struct account *a)
{
    struct account_poll *p = &a->poll;
    size_t due = 0, all = 0;
    int64_t now = now_ms(a);
    for (size_t i = 0; i < a->table.count; i++) {
        const struct mailbox *m = a->table.items[i];
        bool looked = is_looked_at(a, m);
        all += looked;
        due += looked && m->look_at_ms <= now;
    }
    if (due == 0 || a->list_due || p->due_at < p->due_count) {
        return;
    }
    bool select = now < p->select_until_ms;
    if (!select && a->status_listed && due * LIST_SHARE >= all) {
        a->list_due = true;
        return;
    }
    p->due_at = p->due_count = 0;
    for (size_t i = 0; i < a->table.count; i++) {
        struct mailbox *m = a->table.items[i];
        if (!is_looked_at(a, m) || m->look_at_ms > now) {
            continue;
        }
        if (select) {
            looked_at(a, m);
            account_pending_add(a, m->box);
        } else {
            ask_for(a, m->box);
        }
    }
}

bool account_poll_is_behind(const struct account *a, const struct mailbox *m)
{
    return m->highest_modseq != 0 && a->watch.live.changes >= CATCH_UP_CHANGES;
}

/* The stored cursor must not lag too far behind what the connection said, and without
 * MODSEQ only a pass finds flags that changed while nobody looked. A mailbox whose
 * UIDVALIDITY changed too often is selected as soon as it rested. */
static bool must_catch_up(const struct account *a)
{
    const struct mailbox *m = account_main(a);
    return m == NULL || m->highest_modseq == 0 || sync_must_select(a->watch.conn, m) ||
           (a->watch.live.changes > 0 && now_ms(a) - a->online_since_ms >= CATCH_UP_MS);
}

static void on_timer(struct timer *t)
{
    struct account_poll *p = container_of(t, struct account_poll, timer);
    struct account *a = container_of(p, struct account, poll);
    int64_t now = now_ms(a);
    if (p->list_at_ms <= now) {
        a->list_due = true;
    }
    if (p->main_at_ms != 0 && p->main_at_ms <= now) {
        p->main_at_ms = 0;
        a->inbox_due = true;
    }
    if (p->catch_up_at_ms <= now) {
        p->catch_up_at_ms = now + normal_ms(a);
        a->inbox_due = a->inbox_due || must_catch_up(a);
    }
    take_due(a);
    loop_defer(a->as->loop, &a->next, a->next.fn);
}

void account_poll_plan(struct account *a)
{
    struct account_poll *p = &a->poll;
    int64_t now = now_ms(a), main_ms = main_interval_ms(a);
    if (main_ms == 0) {
        p->main_at_ms = 0;
    } else if (p->main_at_ms == 0 || p->main_at_ms > now + main_ms) {
        p->main_at_ms = now + main_ms;
    }
    int64_t at = p->list_at_ms < p->catch_up_at_ms ? p->list_at_ms : p->catch_up_at_ms;
    if (p->main_at_ms != 0 && p->main_at_ms < at) {
        at = p->main_at_ms;
    }
    int64_t limit_ms =
        p->minute_count > 0 ? p->minute_at_ms : 0; /* not to be asked yet */
    for (size_t i = 0; i < a->table.count; i++) {
        const struct mailbox *m = a->table.items[i];
        if (is_looked_at(a, m)) {
            int64_t look = m->look_at_ms > limit_ms ? m->look_at_ms : limit_ms;
            at = look < at ? look : at;
        }
    }
    timer_set(a->as->loop, &p->timer, at > now ? at - now : 0, on_timer);
}

/* Not due: a server that leaves out the STATUS of one (RFC 5819 §2) would be asked for another
 * listing at once, without end. Where it tells that of the others, the mailbox may be gone,
 * of which NOTIFY says nothing. */
static void ask_untold(struct account *a, const struct mailbox *m)
{
    struct account_poll *p = &a->poll;
    if (!(a->status_listed ? may_be_looked_at(a, m) : is_looked_at(a, m))) {
        return;
    }
    if (now_ms(a) < p->select_until_ms) {
        account_pending_add(a, m->box);
        return;
    }
    if (p->due_at == p->due_count) {
        p->due_at = p->due_count = 0;
    }
    ask_for(a, m->box);
}

void account_poll_listed(struct account *a, const struct sync_list_result *result)
{
    int64_t now = now_ms(a);
    int64_t delay_ms = with_jitter(account_resync_ms(a));
    int64_t confirm_ms = a->as->config.delete_confirm_ms;
    /* A second look at what is missing, not just before it counts. */
    if (result->missing > 0 && confirm_ms + confirm_ms / 10 + 1 < delay_ms) {
        delay_ms = confirm_ms + confirm_ms / 10 + 1;
    }
    a->poll.list_at_ms = now + delay_ms;
    a->status_listed = result->untold_count * 2 <= result->listed &&
                       imap_conn_has(a->watch.conn, IMAP_CAP_LIST_STATUS);
    for (size_t i = 0; i < a->table.count; i++) {
        looked_at(a, a->table.items[i]);
    }
    for (size_t i = 0; i < result->untold_count; i++) {
        ask_untold(a, result->untold[i]);
    }
}

/* --- STATUS --- */

/* False: what is left has to wait for the next minute. */
static bool may_ask(struct account *a)
{
    struct account_poll *p = &a->poll;
    int64_t now = now_ms(a);
    if ((sync_quirks(a->watch.conn) & SYNC_QUIRK_SLOW_STATUS) == 0) {
        return true;
    }
    if (p->minute_count == 0 || now >= p->minute_at_ms) {
        p->minute_at_ms = now + 60 * 1000;
        p->minute_count = 0;
    }
    return p->minute_count++ < SLOW_STATUS_MAX;
}

static void on_status(struct imap_mailbox_status *op ATTR_UNUSED, const struct err *err,
                      const struct imap_status *status, void *ctx)
{
    struct poll_ask *ask = ctx;
    struct account *a = ask->account;
    ask->op = NULL;
    if (a->phase != ACCOUNT_PHASE_ONLINE) {
        loop_defer(a->as->loop, &a->next, a->next.fn);
        return;
    }
    struct mailbox *m = mailbox_table_by_box(&a->table, ask->box);
    if (m != NULL) {
        looked_at(a, m);
    }
    if (err->code == ERR_OK && m != NULL) {
        struct imap_status told = *status;
        told.mailbox = str_from(m->wire, m->wire_len);
        account_take_status(a, &told);
    } else if (err->code == ERR_NO_MAILBOX && m != NULL) {
        account_pending_add(
            a, m->box); /* which finds out, and does not do so at once again */
    } else if (err->code == ERR_THROTTLED) {
        account_poll_throttled(a);
        a->poll.due_at = a->poll.due_count; /* the rest is due later */
    }
    loop_defer(a->as->loop, &a->next, a->next.fn);
}

bool account_poll_ask(struct account *a)
{
    const uint32_t items = IMAP_STATUS_MESSAGES | IMAP_STATUS_UIDNEXT |
                           IMAP_STATUS_UIDVALIDITY | IMAP_STATUS_HIGHESTMODSEQ;
    struct account_poll *p = &a->poll;
    bool busy = false;
    if (p->asks == NULL) {
        if (p->due_at >= p->due_count) {
            return false;
        }
        p->asks = mem_array(POLL_ASK_MAX, sizeof *p->asks);
    }
    for (size_t i = 0; i < POLL_ASK_MAX; i++) {
        struct poll_ask *ask = &p->asks[i];
        struct mailbox *m = NULL;
        while (ask->op == NULL && m == NULL && p->due_at < p->due_count) {
            ask->box = p->due[p->due_at++];
            m = mailbox_table_by_box(&a->table, ask->box);
            if (m != NULL && !may_ask(a)) {
                p->due_at = p->due_count;
                m = NULL;
            }
        }
        if (m != NULL) {
            ask->account = a;
            account_end_idle(a);
            ask->op = imap_status_start(a->watch.conn, str_from(m->wire, m->wire_len),
                                        items, ASK_MS, on_status, ask);
        }
        busy = busy || ask->op != NULL;
    }
    return busy;
}

/* --- servers whose STATUS lies --- */

uint32_t account_poll_probe(struct account *a)
{
    struct account_poll *p = &a->poll;
    int64_t every_ms = or_default(a->as->config.poll.idle_check_ms, HOURS(1) / 4);
    if (now_ms(a) - p->probed_at_ms < every_ms || now_ms(a) < p->select_until_ms) {
        return 0;
    }
    p->probed_at_ms = now_ms(a);
    for (size_t i = 0; i < a->table.count; i++) {
        const struct mailbox *m = a->table.items[p->probe_next++ % a->table.count];
        /* The look must be a while ago: between it and the pass mail may come. */
        if (is_looked_at(a, m) && m->look_at_ms > now_ms(a)) {
            return m->box;
        }
    }
    return 0;
}

void account_poll_probed(struct account *a, bool missed)
{
    struct account_poll *p = &a->poll;
    p->status_misses = missed ? p->status_misses + 1 : 0;
    if (p->status_misses >= STATUS_MISSES) {
        p->select_until_ms = now_ms(a) + POLL_DISTRUST_MS;
        p->status_misses = 0;
    }
}

/* --- life --- */

void account_poll_begin(struct account *a)
{
    int64_t now = now_ms(a);
    a->poll.list_at_ms = now + with_jitter(account_resync_ms(a));
    a->poll.catch_up_at_ms = now + normal_ms(a);
    a->poll.main_at_ms = 0;
    a->poll.probed_at_ms = now;
    a->poll.minute_count = 0;
}

void account_poll_end(struct account *a)
{
    timer_stop(&a->poll.timer);
    mem_free(a->poll.due);
    a->poll.due = NULL;
    a->poll.due_count = a->poll.due_at = 0;
    for (size_t i = 0; a->poll.asks != NULL && i < POLL_ASK_MAX; i++) {
        imap_status_cancel(a->poll.asks[i].op);
    }
}

bool account_poll_is_quiet(const struct account *a)
{
    for (size_t i = 0; a->poll.asks != NULL && i < POLL_ASK_MAX; i++) {
        if (a->poll.asks[i].op != NULL) {
            return false;
        }
    }
    return true;
}
