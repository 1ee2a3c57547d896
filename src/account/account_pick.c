#include "account_pick.h"

#include <stdlib.h>

enum {
    SET_BYTES = 60 * 1024
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

static void on_row(struct imap_fetch *op ATTR_UNUSED, const struct imap_row *row,
                   void *ctx)
{
    struct account_call *c = ctx;
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
    if (shown->kept.fixed.ptr != NULL && shown->kept.size != row->size) {
        shown->kept = (struct kept_row){.fixed = STR_NULL};
        p->again = p->again || p->live;
        if (p->live) {
            return;
        }
    }
    shown_row_make(c, m, row, shown);
}

static void next_mailbox(struct account_call *c);
static void fetch_mailbox(struct account_call *c);

static void on_fetched(struct imap_fetch *op ATTR_UNUSED, const struct err *err,
                       void *ctx)
{
    struct account_call *c = ctx;
    c->fetch = NULL;
    if (!call_goes_on_past_no(c, err)) {
        return;
    }
    if (c->picks->again) {
        fetch_mailbox(c);
    } else {
        next_mailbox(c);
    }
}

static void fetch_mailbox(struct account_call *c)
{
    static const struct imap_fetch_events events = {.on_row = on_row,
                                                    .on_end = on_fetched};
    struct picks *p = c->picks;
    size_t count = p->to - p->from;
    uint32_t *uids = ARENA_ARRAY(&c->op.arena, uint32_t, count);
    struct imap_set set;
    struct buf text = BUF_INIT(SET_BYTES + 64);
    p->live = !p->again;
    for (size_t i = 0; i < count; i++) {
        const struct pick *pick = &p->items[p->from + i];
        uids[i] = pick->uid;
        struct shown_row *shown = &p->rows[pick->at];
        if (p->again && shown->text.ptr == NULL) {
            shown->kept = (struct kept_row){.fixed = STR_NULL};
        } else if (!p->again && shown->kept.fixed.ptr == NULL) {
            (void)shown_row_recall(c, pick->number, pick->uid, shown);
        }
        p->live = p->live && shown->kept.fixed.ptr != NULL;
    }
    p->again = false;
    imap_set_from_numbers(&c->op.arena, uids, count, &set);
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
    call_borrow_box(c, box, fetch_mailbox, p->strict ? NULL : on_refused);
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
    p->then = then;
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
