/* When the index is held against the server (sync_audit.h), and what follows.
 *
 *                  ┌────────────────────── equal ──────────────────────┐
 *                  ▼                                                    │
 *   a mailbox is due ─► audit ─► differs ─► an ordinary pass ─► audit ─┤
 *                  ▲                                                    ▼ differs: drift
 *                  └── told of ◄─ audit ◄─ everything is compared ◄─────┘
 *
 * What differs at first may be a change on its way, so one more look decides. Mailboxes
 * have their turn on average every sync.audit_interval_s, at moments of their own; those
 * due soon go along with the first, because a login costs more than an audit. Audits are
 * the last to get a connection, and wait while the server or the store has enough to do. */
#include "account_priv.h"

#include "postrider/base/clock.h"
#include "postrider/base/log.h"
#include "postrider/base/mem.h"
#include "postrider/base/rand.h"
#include "postrider/json/json.h"

#include <stdlib.h>

enum {
    TURN_MAX = 32, /* audits without a pause */
    WORK_WAIT_MS = 60000,
    CONFIRM_MS = 60000, /* servers of many machines agree after a while */
    RECHECK_MS = 1000,
    RETRY_MS = 10 * 60 * 1000,
    JITTER_PERCENT = 20,
    EARLY_SHARE = 4 /* due within a quarter of the interval: goes along */
};

static const char *const outcome_names[ACCOUNT_AUDIT_COUNT] = {
    [ACCOUNT_AUDIT_EQUAL] = "equal",         [ACCOUNT_AUDIT_LATE] = "late",
    [ACCOUNT_AUDIT_DRIFT] = "drift",         [ACCOUNT_AUDIT_UNREPAIRED] = "unrepaired",
    [ACCOUNT_AUDIT_UNSETTLED] = "unsettled", [ACCOUNT_AUDIT_FAILED] = "failed",
};

static void audit_run(struct account *a);

const char *account_audit_outcome_name(enum account_audit_outcome outcome)
{
    return outcome_names[outcome];
}

static int64_t now_ms(const struct account *a)
{
    return loop_now_ms(a->as->loop);
}

static int64_t interval_ms(const struct account *a)
{
    return a->as->config.audit_interval_ms;
}

static int64_t at_most(int64_t ms, int64_t limit_ms)
{
    return ms < limit_ms ? ms : limit_ms;
}

static int64_t next_round_ms(const struct account *a)
{
    int64_t ms = interval_ms(a), span = ms * JITTER_PERCENT / 100;
    return ms - span + rand_below((uint32_t)(2 * span + 1));
}

/* --- what is remembered of each mailbox: sorted by box --- */

static int cmp_box(const void *a, const void *b)
{
    uint32_t x = ((const struct audit_box *)a)->box;
    uint32_t y = ((const struct audit_box *)b)->box;
    return (x > y) - (x < y);
}

static struct audit_box *find_box(const struct account_audit *u, uint32_t box)
{
    struct audit_box key = {.box = box};
    return u->count > 0 ? bsearch(&key, u->boxes, u->count, sizeof key, cmp_box) : NULL;
}

const struct audit_box *account_audit_box(const struct account *a, uint32_t box)
{
    return find_box(&a->audit, box);
}

static void forget_gone(struct account *a)
{
    struct account_audit *u = &a->audit;
    size_t kept = 0;
    for (size_t i = 0; i < u->count; i++) {
        if (mailbox_table_by_box(&a->table, u->boxes[i].box) != NULL) {
            u->boxes[kept++] = u->boxes[i];
        }
    }
    u->count = kept;
}

/* New ones get a moment of their own within the next interval. */
static void learn_boxes(struct account *a)
{
    struct account_audit *u = &a->audit;
    size_t known = u->count;
    for (size_t i = 0; i < a->table.count; i++) {
        struct account_audit sorted = {.boxes = u->boxes, .count = known};
        uint32_t box = a->table.items[i]->box;
        if (find_box(&sorted, box) != NULL) {
            continue;
        }
        if (u->count == u->cap) {
            u->cap = u->count + (a->table.count - i);
            u->boxes = mem_realloc(u->boxes, u->cap * sizeof *u->boxes);
        }
        int64_t wait_ms = rand_below((uint32_t)at_most(interval_ms(a), INT32_MAX) + 1);
        u->boxes[u->count++] =
            (struct audit_box){.box = box, .next_at_ms = now_ms(a) + wait_ms};
    }
    if (u->count > known) {
        qsort(u->boxes, u->count, sizeof *u->boxes, cmp_box);
    }
    if (u->count > a->table.count) {
        forget_gone(a);
    }
}

void account_audit_passed(struct account *a, const struct mailbox *m)
{
    struct audit_box *b = find_box(&a->audit, m->box);
    if (b == NULL) {
        learn_boxes(a);
        b = find_box(&a->audit, m->box);
    }
    if (b != NULL) {
        b->pass_ms = clock_wall_ms();
    }
}

/* --- what may be audited now --- */

static bool is_allowed(const struct account *a)
{
    return a->phase == ACCOUNT_PHASE_ONLINE && a->settled && !a->fast && !a->as->held &&
           a->list == NULL && !a->list_due && account_limits_wait_ms(a) == 0 &&
           now_ms(a) >= a->poll.throttled_until_ms &&
           account_fill_percent(a) < ACCOUNT_FULL_PASS;
}

/* A pass over it runs, waits, or will as soon as what was told is looked at. */
static bool has_pass_before_it(const struct account *a, const struct mailbox *m)
{
    if (m->box == a->sync_box || account_pending_has(a, m->box) ||
        account_doubt_holds(a, m) || account_subs_are_behind(a, m->box)) {
        return true;
    }
    return (m == account_main(a) || m->box == a->watch_box) &&
           (a->pass != NULL || a->inbox_due || !sync_live_is_empty(&a->watch.live));
}

static bool is_ready(const struct account *a, const struct mailbox *m)
{
    return account_syncs(a, m) && account_indexes(a, m) &&
           m->phase == MAILBOX_PHASE_LIVE && m->rebuild == 0 && !sync_is_parked(m) &&
           m->rest_until_ms <= clock_wall_ms() && !has_pass_before_it(a, m);
}

/* The one that waits longest of those ready; *wait_ms: time to the next, if there is none. */
static struct audit_box *choose(struct account *a, int64_t *wait_ms)
{
    struct account_audit *u = &a->audit;
    int64_t now = now_ms(a), first = now + interval_ms(a) / EARLY_SHARE;
    int64_t early = u->left > 0 ? first : now;
    struct audit_box *best = NULL;
    for (size_t i = 0; i < a->table.count; i++) {
        const struct mailbox *m = a->table.items[i];
        struct audit_box *b = find_box(u, m->box);
        if (b == NULL) {
            continue; /* it is learned of before the next look */
        }
        int64_t until = b->stage == AUDIT_STAGE_NONE ? early : now;
        if (b->next_at_ms <= until && is_ready(a, m) &&
            (best == NULL || b->next_at_ms < best->next_at_ms)) {
            best = b;
        }
        first = at_most(b->next_at_ms, first);
    }
    *wait_ms = first - now;
    return best;
}

/* --- what follows --- */

static void count_outcome(struct account *a, struct audit_box *b,
                          enum account_audit_outcome outcome)
{
    struct account_audit *u = &a->audit;
    a->as->audits.outcomes[outcome]++;
    b->outcome = outcome;
    b->audit_ms = clock_wall_ms();
    if (outcome == ACCOUNT_AUDIT_EQUAL || outcome == ACCOUNT_AUDIT_LATE) {
        b->proof_ms = b->audit_ms;
        u->proof_ms = b->audit_ms;
    } else if (outcome == ACCOUNT_AUDIT_DRIFT) {
        u->drift_ms = b->audit_ms;
    }
}

static void log_drift(const struct account *a, const struct mailbox *m,
                      const struct sync_audit_result *r, const char *what)
{
    log_at(LOG_WARN, "account", what, LOG_S("account", a->acct.name),
           LOG_I("box", m->box), LOG_S("why", r->why), LOG_I("missing", r->missing),
           LOG_I("extra", r->extra), LOG_I("flags", r->stale));
}

/* A pass that begins with SELECT. */
static void look_again(struct account *a, const struct mailbox *m)
{
    if (m == account_main(a)) {
        a->inbox_due = true;
    } else if (!account_subs_touch(a, m->box)) {
        account_pending_add(a, m->box);
    }
    loop_defer(a->as->loop, &a->next, a->next.fn);
}

static void end_round(struct account *a, struct audit_box *b)
{
    b->stage = AUDIT_STAGE_NONE;
    b->next_at_ms = now_ms(a) + next_round_ms(a);
}

static void on_equal(struct account *a, struct audit_box *b,
                     const struct sync_audit_result *r)
{
    count_outcome(
        a, b, b->stage == AUDIT_STAGE_SUSPECT ? ACCOUNT_AUDIT_LATE : ACCOUNT_AUDIT_EQUAL);
    b->cursor = r->next;
    end_round(a, b);
}

static void on_differs(struct account *a, struct audit_box *b, struct mailbox *m,
                       const struct sync_audit_result *r)
{
    struct accounts_audits *totals = &a->as->audits;
    switch (b->stage) {
    case AUDIT_STAGE_NONE:
        b->stage = AUDIT_STAGE_SUSPECT;
        if (m->highest_modseq == 0 && r->stale > 0) {
            m->last_full_ms = 0; /* an ordinary pass does not look at all flags */
        }
        break;
    case AUDIT_STAGE_SUSPECT:
        count_outcome(a, b, ACCOUNT_AUDIT_DRIFT);
        totals->missing += r->missing;
        totals->extra += r->extra;
        totals->stale += r->stale;
        log_drift(a, m, r, "the index differs from the server, comparing all of it");
        b->stage = AUDIT_STAGE_REPAIR;
        m->suspect = true;
        break;
    case AUDIT_STAGE_REPAIR:
        count_outcome(a, b, ACCOUNT_AUDIT_UNREPAIRED);
        log_drift(a, m, r, "the index differs from the server even after comparing");
        m->suspect = false;
        end_round(a, b);
        return;
    }
    b->next_at_ms = now_ms(a) + at_most(CONFIRM_MS, interval_ms(a));
    look_again(a, m);
}

static void on_failed(struct account *a, struct audit_box *b, const struct err *err)
{
    log_at(LOG_DEBUG, "account", "mailbox not audited", LOG_S("account", a->acct.name),
           LOG_ERR_FIELDS(err));
    account_errors_note(a, "audit", err);
    count_outcome(a, b, ACCOUNT_AUDIT_FAILED);
    b->next_at_ms = now_ms(a) + at_most(RETRY_MS, interval_ms(a));
    a->audit.left = 0;
    if (err->code == ERR_NO_MAILBOX) {
        a->list_due = true;
        account_pending_add(a, b->box); /* SELECT tells for certain */
    }
}

/* --- one audit --- */

static void on_timer(struct timer *t)
{
    audit_run(container_of(t, struct account, audit.timer));
}

static void wait_for(struct account *a, int64_t ms)
{
    int64_t longest = interval_ms(a) / EARLY_SHARE;
    ms = at_most(ms, longest);
    timer_set(a->as->loop, &a->audit.timer, ms > RECHECK_MS ? ms : RECHECK_MS, on_timer);
}

static void finish(struct account *a, bool broken)
{
    account_work_end(&a->audit.work, broken);
    a->audit.box = 0;
    if (a->phase == ACCOUNT_PHASE_ONLINE) {
        timer_set(a->as->loop, &a->audit.timer, 0, on_timer);
    }
    loop_defer(a->as->loop, &a->next, a->next.fn);
}

static void on_audit(struct sync_audit *op ATTR_UNUSED, const struct err *err,
                     const struct sync_audit_result *result, void *ctx)
{
    struct account *a = ctx;
    struct audit_box *b = find_box(&a->audit, a->audit.box);
    struct mailbox *m = mailbox_table_by_box(&a->table, a->audit.box);
    struct err why = *err;
    a->audit.op = NULL;
    if (a->phase == ACCOUNT_PHASE_ONLINE && b != NULL && m != NULL) {
        if (err->code != ERR_OK) {
            on_failed(a, b, err);
        } else if (result->verdict == SYNC_AUDIT_EQUAL) {
            on_equal(a, b, result);
        } else if (result->verdict == SYNC_AUDIT_DIFFERS) {
            on_differs(a, b, m, result);
        } else {
            count_outcome(a, b, ACCOUNT_AUDIT_UNSETTLED);
            b->next_at_ms = now_ms(a) + at_most(RETRY_MS, interval_ms(a));
        }
    }
    finish(a, err->code != ERR_OK);
    if (why.code == ERR_THROTTLED) {
        account_fail(a, &why);
    }
}

static void on_work(struct account_work *w, const struct err *err, struct imap_conn *conn,
                    void *ctx)
{
    struct account *a = ctx;
    struct audit_box *b = find_box(&a->audit, a->audit.box);
    struct mailbox *m = mailbox_table_by_box(&a->table, a->audit.box);
    /* A listing that runs took the mailbox for idle, and may be about to remove it. */
    if (err->code == ERR_OK && a->phase == ACCOUNT_PHASE_ONLINE && a->list == NULL &&
        b != NULL && m != NULL && is_ready(a, m)) {
        struct sync_ctx sc = account_sync_ctx(a);
        struct work_conn *wc = account_work_slot(w);
        wc->box = 0; /* read-only, that is of no use to others */
        sync_live_reset(&wc->c.live);
        a->audit.op = sync_audit_start(conn, &sc, m, &b->cursor, on_audit, a);
        return;
    }
    if (b != NULL && err->code != ERR_OK && a->phase == ACCOUNT_PHASE_ONLINE) {
        on_failed(a, b, err);
    }
    finish(a, false);
}

static void audit_run(struct account *a)
{
    struct account_audit *u = &a->audit;
    int64_t wait_ms = 0;
    if (u->work != NULL || a->phase != ACCOUNT_PHASE_ONLINE) {
        return;
    }
    if (!is_allowed(a)) {
        u->left = 0;
        wait_for(a, 30 * RECHECK_MS);
        return;
    }
    learn_boxes(a);
    struct audit_box *b = choose(a, &wait_ms);
    if (b == NULL) {
        u->left = 0;
        wait_for(a, wait_ms);
        return;
    }
    u->left = u->left > 0 ? u->left - 1 : TURN_MAX;
    u->box = b->box;
    u->work = account_work_start(a, ACCOUNT_LANE_BULK, 0, WORK_WAIT_MS, on_work, a);
}

/* --- life --- */

bool account_audit_is_busy_with(const struct account *a, uint32_t box)
{
    return a->audit.op != NULL && a->audit.box == box;
}

void account_audit_begin(struct account *a)
{
    if (interval_ms(a) > 0) {
        wait_for(a, 30 * RECHECK_MS);
    }
}

void account_audit_end(struct account *a)
{
    timer_stop(&a->audit.timer);
    a->audit.left = 0;
    sync_audit_cancel(a->audit.op);
    /* Work that is still waiting is told of the end by account_work_shut. */
}

bool account_audit_is_quiet(const struct account *a)
{
    return a->audit.work == NULL && a->audit.op == NULL;
}

void account_audit_fini(struct account *a)
{
    timer_stop(&a->audit.timer);
    mem_free(a->audit.boxes);
}

/* --- over restarts --- */

json_t *account_audit_json(const struct account *a)
{
    json_t *out = json_object();
    if (a->audit.proof_ms > 0) {
        json_put_time(out, "lastProof", a->audit.proof_ms);
    }
    if (a->audit.drift_ms > 0) {
        json_put_time(out, "lastDrift", a->audit.drift_ms);
    }
    return out;
}

void account_audit_restore(struct account *a, const json_t *state)
{
    const json_t *audit = json_get_obj(state, "audit");
    (void)json_get_time(audit, "lastProof", &a->audit.proof_ms);
    (void)json_get_time(audit, "lastDrift", &a->audit.drift_ms);
}
