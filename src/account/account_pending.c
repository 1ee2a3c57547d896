/* Mailboxes other than the watched one that need a pass: one after the other, the most
 * wanted first, on a work connection.
 *
 *   pending ─► [work connection] ─► pass ─┬─► done
 *      ▲                                  └─► held (failed: waits for the hold to end)
 *      └──────────────────────────────────────┘ */
#include "account_priv.h"

#include "postrider/base/log.h"
#include "postrider/base/mem.h"

enum {
    WORK_WAIT_MS = 300000
};

static void next_soon(struct account *a)
{
    loop_defer(a->as->loop, &a->next, a->next.fn);
}

/* --- the two sets --- */

static bool boxes_have(const struct pending_boxes *set, uint32_t box)
{
    for (size_t i = 0; i < set->count; i++) {
        if (set->items[i].box == box) {
            return true;
        }
    }
    return false;
}

static void boxes_add(struct pending_boxes *set, uint32_t box, unsigned rank)
{
    if (set->count == set->cap) {
        set->cap = set->cap > 0 ? set->cap * 2 : 8;
        set->items = mem_realloc(set->items, set->cap * sizeof *set->items);
    }
    set->items[set->count++] = (struct pending_box){.box = box, .rank = rank};
}

/* The most wanted one; among equals the one that waits longest. */
static size_t boxes_best(const struct pending_boxes *set)
{
    size_t best = 0;
    for (size_t i = 1; i < set->count; i++) {
        if (set->items[i].rank < set->items[best].rank) {
            best = i;
        }
    }
    return best;
}

/* The memory goes, too: most of the time none is pending. */
static void boxes_clear(struct pending_boxes *set)
{
    mem_free(set->items);
    *set = (struct pending_boxes){0};
}

static void boxes_remove(struct pending_boxes *set, size_t at)
{
    memmove(set->items + at, set->items + at + 1,
            (--set->count - at) * sizeof *set->items);
    if (set->count == 0) {
        boxes_clear(set);
    }
}

bool account_pending_has(const struct account *a, uint32_t box)
{
    return boxes_have(&a->pending, box) || boxes_have(&a->held, box) ||
           account_doubt_waits(a, box);
}

void account_pending_add(struct account *a, uint32_t box)
{
    const struct mailbox *m = mailbox_table_by_box(&a->table, box);
    if (m != NULL && !account_pending_has(a, box)) {
        boxes_add(&a->pending, box, account_rank(m));
    }
}

/* --- failures --- */

static void on_hold_end(struct timer *t)
{
    struct account *a = container_of(t, struct account, hold);
    struct pending_boxes held = a->held;
    a->held = (struct pending_boxes){0};
    for (size_t i = 0; i < held.count; i++) {
        account_pending_add(a, held.items[i].box);
    }
    boxes_clear(&held);
    next_soon(a);
}

/* A mailbox that cannot be synced is tried again later and later: each try can cost the
 * server a login. The others do not wait for it. */
static void hold_box(struct account *a, uint32_t box)
{
    static const struct backoff_policy policy = {2000, 10 * 60 * 1000, 200, 20};
    if (box == 0 || account_doubt_again(a, box) || boxes_have(&a->held, box)) {
        return;
    }
    boxes_add(&a->held, box, 0);
    if (!timer_is_set(&a->hold)) {
        timer_set(a->as->loop, &a->hold, backoff_next_ms(&a->hold_backoff, &policy),
                  on_hold_end);
    }
}

/* --- what is told --- */

void account_take_status(struct account *a, const struct imap_status *status)
{
    struct mailbox *m = mailbox_table_by_wire(&a->table, status->mailbox);
    if (m == NULL) {
        a->list_due = true;
    } else if (!account_syncs(a, m) || m->box == a->watch_box ||
               account_subs_serve(a, m->box)) {
        return; /* nobody wants it, or its connection knows better */
    } else if (m->box == a->sync_box) {
        if (a->sync_status == NULL) {
            a->sync_status = MEM_NEW(struct imap_status);
        }
        *a->sync_status = *status; /* of use when the pass has ended */
        a->sync_status->mailbox = a->sync_status->mailbox_id = STR_NULL;
    } else if (sync_status_differs(m, status) || sync_flags_are_due(&a->table, m) ||
               sync_floor_is_due(&a->table, m)) {
        if (m->phase == MAILBOX_PHASE_GONE) {
            sync_gone_not(m);
        }
        account_pending_add(a, m->box);
    }
    next_soon(a);
}

void account_take_result(struct account *a, struct mailbox *m,
                         const struct sync_pass_result *result)
{
    account_audit_passed(a, m);
    if (result->added + result->updated + result->deleted > 0 && !result->was_initial) {
        account_poll_changed(a, m);
    }
}

/* --- passes --- */

static void forget_status(struct account *a)
{
    mem_free(a->sync_status);
    a->sync_status = NULL;
}

static void sync_finish(struct account *a, bool broken)
{
    account_work_end(&a->sync_work, broken);
    a->sync_box = 0;
    a->sync_live = NULL;
    forget_status(a);
    next_soon(a);
}

static void pass_start(struct account *a, bool select);

static void pass_failed(struct account *a, const struct err *err)
{
    if (err->code == ERR_NO_MAILBOX) {
        const struct mailbox *m = mailbox_table_by_box(&a->table, a->sync_box);
        /* Gone or forbidden: the listing will tell; trying again at once would not. What is
         * parked has a time of its own, or comes back with a listing that shows it. */
        a->list_due = true;
        if (m != NULL && (account_doubt_holds(a, m) || !sync_is_parked(m))) {
            hold_box(a, m->box);
        }
        sync_finish(a, false);
        return;
    }
    log_at(LOG_DEBUG, "account", "mailbox not synced", LOG_S("account", a->acct.name),
           LOG_ERR_FIELDS(err));
    struct err why = *err;
    enum account_class klass = account_class_of(err);
    account_errors_note(a, "pass", &why);
    hold_box(a, a->sync_box);
    sync_finish(a, true);
    if (klass == ACCOUNT_CLASS_STORE || klass == ACCOUNT_CLASS_THROTTLED) {
        account_fail(a, &why);
    }
}

static void pass_ended(struct account *a, struct mailbox *m,
                       const struct sync_pass_result *result)
{
    uint32_t box = a->sync_box;
    const struct imap_status *told = a->sync_status;
    bool again =
        m != NULL && told != NULL && told->has != 0 && sync_status_differs(m, told);
    if (m != NULL) {
        account_take_result(a, m, result);
    }
    if (box == a->probe_box) {
        a->probe_box = 0;
        account_poll_probed(a, result->added + result->deleted > 0);
    }
    if (a->pending.count == 0 && a->held.count == 0) {
        backoff_reset(&a->hold_backoff);
    }
    sync_finish(a, false);
    (void)account_doubt_over(a, box);
    if (again) {
        account_pending_add(a, box);
    } else if (a->pending.count == 0 && (a->probe_box = account_poll_probe(a)) != 0) {
        account_pending_add(a, a->probe_box);
    }
}

static void on_other_pass(struct sync_pass *op ATTR_UNUSED, const struct err *err,
                          const struct sync_pass_result *result, void *ctx)
{
    struct account *a = ctx;
    struct mailbox *m = mailbox_table_by_box(&a->table, a->sync_box);
    a->sync_pass = NULL;
    account_moves_look(a, result);
    account_walk_ended(a);
    if (a->phase != ACCOUNT_PHASE_ONLINE) {
        sync_finish(a, true);
    } else if (err->code != ERR_OK) {
        pass_failed(a, err);
    } else if (m != NULL && !sync_live_is_empty(a->sync_live)) {
        account_take_result(a, m, result);
        pass_start(a, false);
    } else {
        pass_ended(a, m, result);
    }
}

static void pass_start(struct account *a, bool select)
{
    struct sync_ctx sc = account_sync_ctx(a);
    struct mailbox *m = mailbox_table_by_box(&a->table, a->sync_box);
    struct work_conn *wc = account_work_slot(a->sync_work);
    wc->box = m->box;
    a->sync_live = &wc->c.live;
    a->sync_pass =
        sync_pass_start(wc->c.conn, &sc, m, a->sync_live, select, on_other_pass, a);
}

static void on_sync_work(struct account_work *w ATTR_UNUSED, const struct err *err,
                         struct imap_conn *conn ATTR_UNUSED, void *ctx)
{
    struct account *a = ctx;
    if (err->code != ERR_OK || a->phase != ACCOUNT_PHASE_ONLINE ||
        mailbox_table_by_box(&a->table, a->sync_box) == NULL) {
        if (err->code != ERR_OK) {
            log_at(LOG_DEBUG, "account", "no connection to sync with",
                   LOG_S("account", a->acct.name), LOG_ERR_FIELDS(err));
            uint32_t box = a->phase == ACCOUNT_PHASE_ONLINE ? a->sync_box : 0;
            if (!account_doubt_over(a, box)) {
                hold_box(a, box);
            }
        }
        account_walk_ended(a); /* others need not wait until it can be had */
        sync_finish(a, false);
        return;
    }
    pass_start(a, true);
}

void account_pending_run(struct account *a)
{
    while (a->sync_work == NULL && a->pending.count > 0 &&
           a->phase == ACCOUNT_PHASE_ONLINE) {
        size_t at = boxes_best(&a->pending);
        uint32_t box = a->pending.items[at].box;
        const struct mailbox *m = mailbox_table_by_box(&a->table, box);
        m = m != NULL && sync_is_parked(m) ? NULL : m;
        if (m != NULL && m->phase != MAILBOX_PHASE_LIVE && !account_walk_take(a)) {
            return;
        }
        boxes_remove(&a->pending, at);
        if (m == NULL || account_subs_touch(a, box) ||
            account_subs_are_busy_with(a, box)) {
            (void)account_doubt_again(a, box); /* it waits for a pass from here */
            continue;
        }
        a->sync_box = box;
        a->sync_work =
            account_work_start(a, ACCOUNT_LANE_SYNC, 0, WORK_WAIT_MS, on_sync_work, a);
    }
}

void account_pending_end(struct account *a)
{
    timer_stop(&a->hold);
    boxes_clear(&a->held); /* the listing after the next start finds them */
    boxes_clear(&a->pending);
    sync_pass_cancel(a->sync_pass);
}
