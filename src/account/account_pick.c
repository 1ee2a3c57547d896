/* Rows by UID.
 *
 *   next mailbox ─► [waits for a connection] ─► FETCH ─► next mailbox … ─► threads ─► then
 *                           │                     ▲
 *                           └─ another call's, which waited for the same mailbox
 *
 * Who gets a connection asks for the rows of some who still wait for one, too: a server does
 * one FETCH of a hundred rows in less time than five of twenty, and the page that many look at
 * is asked for once. Those keep their places in the queue: when the FETCH fails each asks for
 * itself, and when it takes long whoever gets a connection does. */
#include "account_pick.h"

#include "postrider/base/clock.h"

#include <stdlib.h>

enum {
    SET_BYTES = 60 * 1024,
    /* What others may add to a FETCH: rows in all, time by what the last one took, … */
    SHARED_ROWS_MAX = 100,
    SHARED_US_MAX = 100 * 1000,
    SHARED_PAGE_MAX = 256 * 1024, /* … and none whose answer is longer */
    SHARED_MS = 1000,             /* then they take what connection they can get, … */
    SHARED_MS_MAX = 5000,         /* … and then the FETCH is given up */
    SHARERS_LOOKED_AT = 32
};

void picks_init(struct picks *p, struct arena *arena, size_t count)
{
    p->items = ARENA_ARRAY(arena, struct pick, count);
    p->rows = ARENA_ARRAY(arena, struct shown_row, count);
    p->count = count;
}

static int pick_cmp(const void *va, const void *vb)
{
    const struct pick *a = va, *b = vb;
    if (a->box != b->box) {
        return a->box < b->box ? -1 : 1;
    }
    return a->uid == b->uid ? 0 : a->uid < b->uid ? -1 : 1;
}

/* False: they are not asked for by its FETCH, but by another call's. */
static bool asks_itself(const struct picks *p)
{
    return !list_is_linked(&p->node);
}

static void take_row(struct account_call *c, const struct imap_row *row)
{
    struct picks *p = c->picks;
    const struct mailbox *m = mailbox_table_by_box(&c->a->table, c->box);
    size_t lo = p->from, hi = p->to;
    while (lo < hi) {
        size_t mid = (lo + hi) / 2;
        if (p->items[mid].uid < row->uid) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    const struct pick *pick = &p->items[lo];
    if (m == NULL || lo == p->to || pick->uid != row->uid || pick->number != m->number ||
        p->rows[pick->at].text.ptr != NULL || (row->has & IMAP_ITEM_SIZE) == 0) {
        return;
    }
    struct shown_row *shown = &p->rows[pick->at];
    if (shown->kept.fixed.ptr == NULL && !p->live && !asks_itself(p)) {
        /* Made for another call just now, perhaps. */
        (void)shown_row_recall(c, pick->number, pick->uid, shown);
    }
    if (shown->kept.fixed.ptr != NULL && shown->kept.size != row->size) {
        shown->kept = (struct kept_row){.fixed = STR_NULL};
        p->again = p->again || p->live;
        if (p->live) {
            return;
        }
    }
    shown_row_make(c, m, row, shown);
}

static void on_row(struct imap_fetch *op ATTR_UNUSED, const struct imap_row *row,
                   void *ctx)
{
    struct account_call *c = ctx;
    struct picks *p = c->picks;
    p->began_us = p->came++ == 0 ? clock_mono_us() : p->began_us;
    take_row(c, row);
    list_foreach (node, &p->sharers) {
        take_row(container_of(node, struct picks, node)->call, row);
    }
}

static void ask_mailbox(struct account_call *c);
static void next_mailbox(struct account_call *c);

static void go_on(struct account_call *c)
{
    if (c->picks->again) {
        ask_mailbox(c);
    } else {
        next_mailbox(c);
    }
}

/* Each asks for itself when its turn comes. alone: perhaps what was not its own is to blame. */
static void ask_apart(struct list *sharers, bool alone)
{
    for (struct list *node; (node = list_pop(sharers)) != NULL;) {
        struct picks *p = container_of(node, struct picks, node);
        p->alone = alone;
        list_append(&p->call->a->picks_waiting, node);
        if (p->call->work != NULL) {
            account_work_hold(p->call->work, false);
        }
    }
}

/* The same of the call whose FETCH it was; with its connection if the server only refused. */
static void ask_again(struct account_call *c, bool refused, bool stale)
{
    c->picks->alone = true;
    if (!refused) {
        c->conn = NULL;
    }
    if (stale) {
        account_work_end_stale(&c->work);
    } else if (!refused) {
        account_work_end(&c->work, true);
    }
    ask_mailbox(c);
}

static void on_given_up(struct timer *t)
{
    imap_fetch_cancel(container_of(t, struct picks, overdue)->call->fetch);
}

static void on_overdue(struct timer *t)
{
    struct picks *p = container_of(t, struct picks, overdue);
    timer_set(t->loop, t, SHARED_MS_MAX - SHARED_MS, on_given_up);
    list_foreach (node, &p->sharers) {
        struct account_call *other = container_of(node, struct picks, node)->call;
        if (other->work != NULL) {
            account_work_hold(other->work, false);
        }
    }
}

/* What took longer is believed at once. */
static uint32_t eased(uint32_t before, int64_t now)
{
    int64_t sum = 3 * (int64_t)before + now;
    int64_t value = now > before ? now : sum / 4;
    return value < UINT32_MAX ? (uint32_t)value : UINT32_MAX;
}

/* From the first row on: how far away the server is costs no row more. */
static void note_cost(const struct account_call *c)
{
    const struct picks *p = c->picks;
    struct row_cost *cost = &c->a->row_costs[p->live];
    if (p->came < 2) {
        return;
    }
    if (cost->box != c->box) {
        *cost = (struct row_cost){.box = c->box};
    }
    cost->us = eased(cost->us, (clock_mono_us() - p->began_us) / (int64_t)(p->came - 1));
    cost->bytes = eased(cost->bytes, (int64_t)(c->shown_bytes - p->bytes_before) /
                                         (int64_t)(p->to - p->from));
}

static void on_fetched(struct imap_fetch *op ATTR_UNUSED, const struct err *err,
                       void *ctx)
{
    struct account_call *c = ctx;
    struct picks *p = c->picks;
    bool whole = err->code == ERR_OK, stale = account_work_is_stale(err);
    bool refused = err->code == ERR_NO || err->code == ERR_BAD;
    struct list sharers;
    c->fetch = NULL;
    timer_stop(&p->overdue);
    list_move_all(&p->sharers, &sharers);
    if (whole) {
        note_cost(c);
    }
    if (!whole && p->shares && op_is_running(&c->op)) {
        ask_again(c, refused, stale);
    } else if (call_goes_on_past_no(c, err)) {
        go_on(c);
    }
    for (struct list *node; whole && (node = list_pop(&sharers)) != NULL;) {
        struct account_call *other = container_of(node, struct picks, node)->call;
        if (op_is_running(&other->op)) {
            call_return(other);
            go_on(other);
        }
    }
    ask_apart(&sharers, !stale);
}

/* What is kept of the rows of the mailbox at hand. */
static void recall(struct account_call *c)
{
    struct picks *p = c->picks;
    p->live = !p->again;
    for (size_t i = p->from; i < p->to; i++) {
        const struct pick *pick = &p->items[i];
        struct shown_row *shown = &p->rows[pick->at];
        if (p->again && shown->text.ptr == NULL) {
            shown->kept = (struct kept_row){.fixed = STR_NULL};
        } else if (!p->again && shown->kept.fixed.ptr == NULL) {
            (void)shown_row_recall(c, pick->number, pick->uid, shown);
        }
        p->live = p->live && shown->kept.fixed.ptr != NULL;
    }
    p->again = false;
}

/* What recall would find, without a copy of it. */
static bool is_live(const struct account_call *c)
{
    const struct picks *p = c->picks;
    bool live = !p->again;
    for (size_t i = p->from; live && i < p->to; i++) {
        const struct pick *pick = &p->items[i];
        live = p->rows[pick->at].kept.fixed.ptr != NULL ||
               account_row_kept(c->a, pick->number, pick->uid) != NULL;
    }
    return live;
}

/* Rising UIDs, with those of the mailbox at hand. */
struct uids {
    uint32_t *items;
    size_t count;
};

static struct uids uids_with(struct arena *arena, const struct uids *some,
                             const struct picks *p)
{
    struct uids all = {.items =
                           ARENA_ARRAY(arena, uint32_t, some->count + p->to - p->from)};
    for (size_t i = 0, k = p->from; i < some->count || k < p->to;) {
        uint32_t a = i < some->count ? some->items[i] : UINT32_MAX;
        uint32_t b = k < p->to ? p->items[k].uid : UINT32_MAX;
        all.items[all.count++] = a < b ? a : b;
        i += a <= b ? 1 : 0;
        k += b <= a ? 1 : 0;
    }
    return all;
}

/* Still waits for a connection, and for the same kind of rows. */
static bool may_join(const struct account_call *c, const struct account_call *other,
                     const struct row_cost *cost)
{
    const struct picks *p = other->picks;
    return !p->alone && op_is_running(&other->op) && other->box == c->box &&
           other->work != NULL && other->work->state == WORK_REQ_WAITING &&
           (p->to - p->from) * cost->bytes <= SHARED_PAGE_MAX &&
           is_live(other) == c->picks->live;
}

/* The connection must know all messages that the index knew when others asked. */
static bool may_share(const struct account_call *c)
{
    const struct mailbox *m = mailbox_table_by_box(&c->a->table, c->box);
    return !c->picks->alone && c->a->row_costs[c->picks->live].box == c->box &&
           m != NULL && account_work_slot(c->work)->version == m->version;
}

static void share(struct account_call *c, struct uids *uids)
{
    struct picks *own = c->picks;
    const struct row_cost *cost = &c->a->row_costs[own->live];
    struct list *waiting = &c->a->picks_waiting;
    size_t looked_at = 0, rows = 0, count = uids->count;
    for (struct list *node = waiting->next, *next; node != waiting; node = next) {
        struct picks *p = container_of(node, struct picks, node);
        size_t more = p->to - p->from;
        next = node->next;
        if (looked_at++ == SHARERS_LOOKED_AT) {
            break;
        }
        if (rows + more > SHARED_ROWS_MAX || !may_join(c, p->call, cost)) {
            continue;
        }
        struct uids all = uids_with(&c->op.arena, uids, p);
        if ((all.count - count) * cost->us <= SHARED_US_MAX) {
            *uids = all;
            rows += more;
            recall(p->call);
            account_work_hold(p->call->work, true);
            list_remove(node);
            list_append(&own->sharers, node);
            own->shares = true;
            timer_set(c->a->as->loop, &own->overdue, SHARED_MS, on_overdue);
        }
    }
}

static void fetch_mailbox(struct account_call *c)
{
    static const struct imap_fetch_events events = {.on_row = on_row,
                                                    .on_end = on_fetched};
    struct picks *p = c->picks;
    struct imap_set set;
    struct buf text = BUF_INIT(SET_BYTES + 64);
    list_remove(&p->node);
    recall(c);
    struct uids uids = uids_with(&c->op.arena, &(struct uids){0}, p);
    p->shares = false;
    if (may_share(c)) {
        share(c, &uids);
    }
    p->came = 0;
    p->bytes_before = c->shown_bytes;
    imap_set_from_numbers(&c->op.arena, uids.items, uids.count, &set);
    (void)imap_set_print(&text, &set, 0, SET_BYTES);
    const struct imap_fetch_params params = {.by_uid = true,
                                             .set = buf_str(&text),
                                             .items = p->live ? CALL_LISTING_LIVE_ITEMS
                                                              : CALL_LISTING_ITEMS};
    c->fetch = imap_fetch_start(c->conn, &params, CALL_COMMAND_MS, &events, c);
    buf_fini(&text);
}

/* The mailbox cannot be selected any more: its rows are left out. */
static bool on_refused(struct account_call *c, const struct err *err)
{
    if (err->code != ERR_NO_MAILBOX) {
        return false;
    }
    next_mailbox(c);
    return true;
}

static void next_mailbox(struct account_call *c)
{
    struct picks *p = c->picks;
    while (p->to < p->count && p->items[p->to].box == 0) {
        p->to++; /* its mailbox went meanwhile */
    }
    p->from = p->to;
    if (p->from == p->count) {
        shown_rows_put_threads(c, p->rows, p->count, p->then);
        return;
    }
    uint32_t box = p->items[p->from].box;
    while (p->to < p->count && p->items[p->to].box == box) {
        p->to++;
    }
    ask_mailbox(c);
}

static void ask_mailbox(struct account_call *c)
{
    struct picks *p = c->picks;
    list_remove(&p->node);
    list_append(&c->a->picks_waiting, &p->node);
    call_borrow_box(c, p->items[p->from].box, fetch_mailbox,
                    p->strict ? NULL : on_refused);
}

/* Rows whose threads are not kept. Only looked at: a call may wait long for its connection,
 * without copies of what is kept, and what others asked for meanwhile is kept then, too. */
static size_t count_untold(const struct account_call *c, const struct picks *p)
{
    size_t untold = 0;
    for (size_t i = 0; i < p->count; i++) {
        const struct pick *pick = &p->items[i];
        const struct kept_row *kept = account_row_kept(c->a, pick->number, pick->uid);
        untold += kept == NULL || !account_row_has_thread(c->a, kept);
    }
    return untold;
}

void picks_fetch(struct account_call *c, struct picks *p,
                 void (*then)(struct account_call *c))
{
    size_t sorted = 1;
    c->picks = p;
    p->call = c;
    p->then = then;
    list_init(&p->node);
    list_init(&p->sharers);
    while (sorted < p->count && pick_cmp(&p->items[sorted - 1], &p->items[sorted]) <= 0) {
        sorted++;
    }
    if (sorted < p->count) { /* not a page of one mailbox */
        qsort(p->items, p->count, sizeof *p->items, pick_cmp);
    }
    p->from = p->to = 0;
    call_expect_threads(c, count_untold(c, p));
    next_mailbox(c);
}

void picks_end(struct account_call *c)
{
    list_remove(&c->picks->node);
    timer_stop(&c->picks->overdue);
    ask_apart(&c->picks->sharers, true);
}
