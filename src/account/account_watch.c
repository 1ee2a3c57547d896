/* The watching connection: lists mailboxes, keeps INBOX up to date, idles in between.
 * Whenever one thing has ended, account_watch_next looks what is due, in this order:
 *
 *   a listing ─► SELECT and compare INBOX ─► live data of INBOX ─► NOTIFY ─► IDLE
 *
 * Other mailboxes are brought up to date one after the other on a work connection.
 * NOTIFY (RFC 5465), once per connection and where offered, has the server send what is
 * needed of new messages by itself, so that they do not end IDLE: a server that gathers
 * changes before it tells of them (Dovecot: half a second) begins anew with every IDLE.
 * Starting a command ends IDLE by itself; nothing delays the first trigger, and what
 * comes during a pass is left for the next. */
#include "account_priv.h"

#include "postrider/base/clock.h"
#include "postrider/base/log.h"
#include "postrider/base/mem.h"

enum {
    IDLE_MAX_MS = 24 * 60 * 1000,
    CATCH_UP_MS =
        15 * 60 * 1000,     /* the stored cursor of INBOX moves at least this often … */
    CATCH_UP_CHANGES = 200, /* … and after so many live changes */
    WORK_WAIT_MS = 300000,
    NOTIFY_MS = 60000
};

struct sync_ctx account_sync_ctx(struct account *a)
{
    return (struct sync_ctx){
        .store = a->as->store,
        .acct = &a->acct,
        .table = &a->table,
        .notify_from_ms = a->notify_from_ms,
        .batch_messages = account_batch_messages(a),
        .delete_confirm_ms = a->as->config.delete_confirm_ms,
        .resets_per_day = a->as->config.resets_per_day,
        .busy_box = a->sync_box,
        .learned = &a->learned,
        .new_items = account_content_items,
        .on_new_row = account_on_new_row,
        .ctx = a,
        .moves = &a->moves,
        .lost = a->lost,
    };
}

static void on_command(void *ctx)
{
    struct account *a = ctx;
    if (a->idle != NULL) {
        imap_idle_finish(a->idle);
    }
}

/* INBOX has to be selected again afterwards. */
static void on_select(void *ctx)
{
    struct account *a = ctx;
    a->watch_box = 0;
}

bool account_can_idle(const struct account *a)
{
    return a->watch.conn != NULL && imap_conn_has(a->watch.conn, IMAP_CAP_IDLE) &&
           !a->idle_refused;
}

static void next_soon(struct account *a)
{
    loop_defer(a->as->loop, &a->next, a->next.fn);
}

/* --- mailboxes other than INBOX --- */

static bool boxes_have(const uint32_t *boxes, size_t count, uint32_t box)
{
    for (size_t i = 0; i < count; i++) {
        if (boxes[i] == box) {
            return true;
        }
    }
    return false;
}

static void boxes_add(uint32_t **boxes, size_t *count, size_t *cap, uint32_t box)
{
    if (*count == *cap) {
        *cap = *cap > 0 ? *cap * 2 : 8;
        *boxes = mem_realloc(*boxes, *cap * sizeof **boxes);
    }
    (*boxes)[(*count)++] = box;
}

void account_pending_add(struct account *a, uint32_t box)
{
    if (!boxes_have(a->pending, a->pending_count, box) &&
        !boxes_have(a->held, a->held_count, box)) {
        boxes_add(&a->pending, &a->pending_count, &a->pending_cap, box);
    }
}

static void on_hold_end(struct timer *t)
{
    struct account *a = container_of(t, struct account, hold);
    size_t count = a->held_count;
    a->held_count = 0;
    for (size_t i = 0; i < count; i++) {
        account_pending_add(a, a->held[i]);
    }
    next_soon(a);
}

/* A mailbox that cannot be synced is tried again later and later: each try can cost the
 * server a login. The others do not wait for it. */
static void hold_box(struct account *a, uint32_t box)
{
    static const struct backoff_policy policy = {2000, 10 * 60 * 1000, 200, 20};
    if (box == 0 || boxes_have(a->held, a->held_count, box)) {
        return;
    }
    boxes_add(&a->held, &a->held_count, &a->held_cap, box);
    if (!timer_is_set(&a->hold)) {
        timer_set(a->as->loop, &a->hold, backoff_next_ms(&a->hold_backoff, &policy),
                  on_hold_end);
    }
}

static void sync_finish(struct account *a, bool broken)
{
    account_work_end(&a->sync_work, broken);
    a->sync_box = 0;
    a->sync_live = NULL;
    next_soon(a);
}

static void pass_start(struct account *a, bool select);

static void on_other_pass(struct sync_pass *op ATTR_UNUSED, const struct err *err,
                          const struct sync_pass_result *result, void *ctx)
{
    struct account *a = ctx;
    struct mailbox *m = mailbox_table_by_box(&a->table, a->sync_box);
    a->sync_pass = NULL;
    account_moves_look(a, result);
    account_walk_give(a);
    if (a->phase != ACCOUNT_PHASE_ONLINE) {
        sync_finish(a, true);
        return;
    }
    if (err->code == ERR_NO_MAILBOX) {
        /* Gone or forbidden: the listing will tell; trying again at once would not. */
        a->list_due = true;
        hold_box(a, a->sync_box);
        sync_finish(a, false);
        return;
    }
    if (err->code != ERR_OK) {
        log_at(LOG_DEBUG, "account", "mailbox not synced", LOG_S("account", a->acct.name),
               LOG_ERR_FIELDS(err));
        struct err why = *err;
        enum account_class klass = account_class_of(err);
        hold_box(a, m != NULL ? m->box : 0);
        sync_finish(a, true);
        if (klass == ACCOUNT_CLASS_STORE || klass == ACCOUNT_CLASS_THROTTLED) {
            account_fail(a, &why);
        }
        return;
    }
    if (m != NULL && !sync_live_is_empty(a->sync_live)) {
        pass_start(a, false);
        return;
    }
    if (a->pending_count == 0 && a->held_count == 0) {
        backoff_reset(&a->hold_backoff);
    }
    sync_finish(a, false);
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
            a->list_due = false; /* the poll timer finds what is still to be done */
            hold_box(a, a->phase == ACCOUNT_PHASE_ONLINE ? a->sync_box : 0);
        }
        sync_finish(a, false);
        return;
    }
    pass_start(a, true);
}

void account_pending_run(struct account *a)
{
    while (a->sync_work == NULL && a->pending_count > 0 &&
           a->phase == ACCOUNT_PHASE_ONLINE) {
        uint32_t box = a->pending[0];
        const struct mailbox *m = mailbox_table_by_box(&a->table, box);
        m = m != NULL && sync_is_parked(m) ? NULL : m;
        if (m != NULL && m->phase != MAILBOX_PHASE_LIVE && !account_walk_take(a)) {
            return;
        }
        memmove(a->pending, a->pending + 1, --a->pending_count * sizeof *a->pending);
        if (m != NULL) {
            a->sync_box = box;
            a->sync_work = account_work_start(a, ACCOUNT_LANE_SYNC, 0, WORK_WAIT_MS,
                                              on_sync_work, a);
        }
    }
}

/* --- the watching connection --- */

static void on_list(struct sync_list *op ATTR_UNUSED, const struct err *err,
                    const struct sync_list_result *result, void *ctx)
{
    struct account *a = ctx;
    a->list = NULL;
    if (err->code != ERR_OK) {
        account_fail(a, err);
        return;
    }
    if (result->listed == 0 && a->table.count == 0) {
        struct err none = {0};
        (void)err_set(&none, ERR_PROTOCOL, "the server lists no INBOX");
        account_fail(a, &none);
        return;
    }
    const struct mailbox *inbox = mailbox_table_inbox(&a->table);
    for (size_t i = 0; i < result->changed_count; i++) {
        /* INBOX is watched: its STATUS line lags behind what the connection says. */
        if (result->changed[i] != inbox) {
            account_pending_add(a, result->changed[i]->box);
        }
    }
    next_soon(a);
}

static void on_watch_pass(struct sync_pass *op ATTR_UNUSED, const struct err *err,
                          const struct sync_pass_result *result, void *ctx)
{
    struct account *a = ctx;
    a->pass = NULL;
    account_moves_look(a, result);
    account_walk_give(a);
    if (err->code != ERR_OK) {
        account_fail(a, err);
        return;
    }
    a->heard = true;
    next_soon(a);
}

static void on_notify(struct imap_simple *op ATTR_UNUSED, const struct err *err,
                      void *ctx)
{
    struct account *a = ctx;
    a->notify = NULL;
    /* Refused: new messages are asked for, as with servers that do not have it. */
    if (err->code != ERR_OK && err->code != ERR_NO && err->code != ERR_BAD) {
        account_fail(a, err);
        return;
    }
    a->told_items = err->code == ERR_OK ? sync_row_items(a->watch.conn) : 0;
    next_soon(a);
}

static void on_idle_end(struct imap_idle *op ATTR_UNUSED, const struct err *err,
                        void *ctx)
{
    struct account *a = ctx;
    a->idle = NULL;
    if (err->code == ERR_BAD || err->code == ERR_NO) {
        a->idle_refused = true; /* announced, but not meant: the poll timer has to do */
    } else if (err->code != ERR_OK) {
        account_fail(a, err);
        return;
    }
    next_soon(a);
}

static void on_poll_timer(struct timer *t)
{
    struct account *a = container_of(t, struct account, poll);
    const struct mailbox *inbox = mailbox_table_inbox(&a->table);
    a->list_due = true;
    a->inbox_due = a->inbox_due || inbox == NULL || inbox->highest_modseq == 0 ||
                   !account_can_idle(a) || a->watch.live.changes >= CATCH_UP_CHANGES ||
                   (a->watch.live.changes > 0 &&
                    loop_now_ms(a->as->loop) - a->online_since_ms >= CATCH_UP_MS);
    next_soon(a);
}

static void watch_pass(struct account *a, struct mailbox *inbox, bool select)
{
    struct sync_ctx sc = account_sync_ctx(a);
    sc.on_command = on_command;
    if (select) {
        a->watch_box = inbox->box;
        a->online_since_ms = loop_now_ms(a->as->loop);
    }
    if (inbox->phase != MAILBOX_PHASE_LIVE && strcmp(a->state, "connected") != 0) {
        account_set_state(a, "syncing"); /* a first index can take minutes */
    }
    a->pass = sync_pass_start(a->watch.conn, &sc, inbox, &a->watch.live, select,
                              on_watch_pass, a);
}

/* Everything is indexed and watched: say so. */
static void settle(struct account *a)
{
    for (size_t i = 0; i < a->table.count; i++) {
        const struct mailbox *m = a->table.items[i];
        if (mailbox_is_synced(m) && m->phase != MAILBOX_PHASE_LIVE &&
            m->phase != MAILBOX_PHASE_PARKED) {
            account_set_state(a, "syncing");
            return;
        }
    }
    a->settled = true;
    if (a->round_open) {
        a->round_open = false;
        account_tell_synced(a);
    } else {
        account_tell_initialized(a);
    }
}

static bool notify_start(struct account *a)
{
    if (!a->notify_due || a->watch_box == 0 || a->idle != NULL ||
        !imap_conn_has(a->watch.conn, IMAP_CAP_NOTIFY) || !account_can_idle(a)) {
        return false;
    }
    a->notify_due = false;
    uint32_t items = sync_row_items(a->watch.conn) | account_content_items;
    a->notify = imap_notify_start(a->watch.conn, items, NOTIFY_MS, on_notify, a);
    return true;
}

static void watch_idle(struct account *a)
{
    if (a->idle != NULL) {
        return;
    }
    if (account_can_idle(a) && a->watch_box != 0) {
        a->idle = imap_idle_start(a->watch.conn, IDLE_MAX_MS, on_idle_end, a);
    }
    if (!timer_is_set(&a->poll)) {
        timer_set(a->as->loop, &a->poll, a->as->config.poll_interval_ms, on_poll_timer);
    }
}

void account_watch_next(struct account *a)
{
    if (a->phase != ACCOUNT_PHASE_ONLINE || a->list != NULL || a->pass != NULL ||
        a->notify != NULL || account_is_full(a)) {
        return;
    }
    if (a->list_due) {
        struct sync_ctx sc = account_sync_ctx(a);
        a->list_due = false;
        a->round_open = true;
        sc.on_select = on_select;
        on_command(a);
        a->list = sync_list_start(a->watch.conn, &sc, on_list, a);
        return;
    }
    struct mailbox *inbox = mailbox_table_inbox(&a->table);
    if (inbox != NULL && (a->inbox_due || a->watch_box != inbox->box)) {
        if (inbox->phase != MAILBOX_PHASE_LIVE && !account_walk_take(a)) {
            account_set_state(a, "syncing");
            return;
        }
        a->inbox_due = false;
        watch_pass(a, inbox, true);
        return;
    }
    if (inbox != NULL && !sync_live_is_empty(&a->watch.live)) {
        watch_pass(a, inbox, false);
        return;
    }
    if (notify_start(a)) {
        return;
    }
    watch_idle(a);
    account_pending_run(a);
    if (a->sync_work == NULL && a->pending_count == 0) {
        settle(a);
    } else if (strcmp(a->state, "connected") != 0) {
        account_set_state(a, "syncing");
    }
}

static bool on_watch_row(struct account_conn *c, const struct imap_row *row)
{
    struct account *a = c->account;
    const struct mailbox *m = mailbox_table_by_box(&a->table, a->watch_box);
    struct sync_ctx sc = account_sync_ctx(a);
    return a->told_items != 0 && m != NULL &&
           sync_live_arrival(&c->live, &sc, m, a->told_items, row);
}

static void on_watch_live(struct account_conn *c)
{
    next_soon(c->account);
}

static void on_watch_lost(struct account_conn *c, const struct err *err)
{
    account_fail(c->account, err);
}

void account_watch_begin(struct account *a)
{
    a->watch.takes_row = on_watch_row;
    a->watch.on_live = on_watch_live;
    a->watch.on_lost = on_watch_lost;
    a->watch_box = 0;
    a->idle_refused = false;
    a->list_due = true;
    a->inbox_due = true;
    a->notify_due = true;
    a->told_items = 0;
    a->online_since_ms = loop_now_ms(a->as->loop);
    next_soon(a);
}

void account_watch_rest(struct account *a)
{
    timer_stop(&a->poll);
    timer_stop(&a->hold);
    timer_stop(&a->move_round);
    a->held_count = 0; /* the listing after the next start finds them */
    sync_list_cancel(a->list);
    sync_pass_cancel(a->pass);
    sync_pass_cancel(a->sync_pass);
    imap_simple_cancel(a->notify);
    account_walk_give(a);
    a->pending_count = 0;
    a->watch_box = 0;
}

void account_watch_end(struct account *a)
{
    account_watch_rest(a);
    account_conn_close(&a->watch); /* ends IDLE */
}

bool account_watch_is_quiet(const struct account *a)
{
    return a->list == NULL && a->pass == NULL && (a->idle == NULL || a->parked) &&
           a->notify == NULL && a->sync_pass == NULL && a->sync_work == NULL;
}
