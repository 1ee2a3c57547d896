/* The watching connection: lists mailboxes, keeps INBOX (or the first one of the account's
 * `path`) up to date, idles in between. Whenever one thing has ended, account_watch_next
 * looks what is due:
 *
 *   NOTIFY, a listing, SELECT and compare ─► live data ─► STATUS of others ─► IDLE
 *
 * The first three are sent together on a fresh connection: one round trip. Where comparing
 * takes another command, IDLE is sent behind it before it is answered. NOTIFY goes first, so
 * that nothing falls between what the listing says and what is told from there.
 * Other mailboxes are brought up to date on a work connection (account_pending.c).
 *
 * NOTIFY (RFC 5465), where offered, has the server tell of all mailboxes, and send what is
 * needed of new messages of the selected one by itself, so that they do not end IDLE: a
 * server that gathers changes before it tells of them (Dovecot: half a second) begins anew
 * with every IDLE. What of it a server refuses is asked for no more by this account.
 *
 * Starting a command ends IDLE by itself; nothing delays the first trigger, and what
 * comes during a pass is left for the next. */
#include "account_priv.h"

#include "postrider/base/clock.h"
#include "postrider/base/log.h"

enum {
    IDLE_DEFAULT_MS = 24 * 60 * 1000,
    NOTIFY_MS = 60000,
    OVERFLOWS_MAX = 3 /* of an account: then it does without NOTIFY */
};

static bool is_busy(void *ctx, uint32_t box)
{
    const struct account *a = ctx;
    return box == a->sync_box || (a->pass != NULL && box == a->watch_box) ||
           account_subs_are_busy_with(a, box) || account_audit_is_busy_with(a, box);
}

static uint32_t content_items(const struct account *a)
{
    return account_content_items | (account_has_threads(a) ? IMAP_ITEM_REFERENCES : 0);
}

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
        .learned = &a->learned,
        .new_items = content_items(a),
        .fast = a->fast,
        .threads = account_has_threads(a),
        .map_changes = &a->threads.map_changes,
        .is_busy = is_busy,
        .on_new_row = account_on_new_row,
        .ctx = a,
        .moves = &a->moves,
        .settled = strcmp(a->state, "connected") == 0,
        .lost = a->lost,
    };
}

void account_end_idle(struct account *a)
{
    if (a->idle != NULL) {
        imap_idle_finish(a->idle);
    }
}

static void on_command(void *ctx)
{
    struct account *a = ctx;
    account_end_idle(a);
    loop_defer(a->as->loop, &a->next, a->next.fn); /* is it the last one? */
}

/* A listing borrows the connection: the mailbox has to be selected again afterwards. What is
 * told from here on is of another one, and cannot be kept apart from what was told before. */
static bool may_select(void *ctx)
{
    struct account *a = ctx;
    struct sync_live *live = &a->watch.live;
    struct mailbox *m = mailbox_table_by_box(&a->table, live->box);
    if (a->pass != NULL) {
        return false;
    }
    if (m != NULL && !sync_live_is_empty(live)) {
        m->last_full_ms = 0; /* its flags are read again instead */
    }
    live->box = 0;
    a->watch_box = a->watch_box == a->doubt.box ? a->watch_box : 0;
    return true;
}

bool account_can_idle(const struct account *a)
{
    return a->watch.conn != NULL && imap_conn_has(a->watch.conn, IMAP_CAP_IDLE) &&
           !a->idle_refused;
}

int64_t account_idle_max_ms(const struct account *a)
{
    int64_t ms = a->as->config.poll.idle_max_ms;
    return ms > 0 ? ms : IDLE_DEFAULT_MS;
}

static void next_soon(struct account *a)
{
    loop_defer(a->as->loop, &a->next, a->next.fn);
}

/* --- the listing --- */

static void on_list(struct sync_list *op ATTR_UNUSED, const struct err *err,
                    const struct sync_list_result *result, void *ctx)
{
    struct account *a = ctx;
    a->list = NULL;
    if (err->code != ERR_OK) {
        account_fail(a, err);
        return;
    }
    if (a->phase != ACCOUNT_PHASE_ONLINE) {
        next_soon(a); /* the watching ended after the listing had */
        return;
    }
    if (result->listed == 0 && a->table.count == 0) {
        struct err none = {0};
        (void)err_set(&none, ERR_PROTOCOL, "the server lists no INBOX");
        account_fail(a, &none);
        return;
    }
    account_poll_listed(a, result);
    const struct mailbox *watched = account_main(a);
    for (size_t i = 0; i < result->changed_count; i++) {
        const struct mailbox *m = result->changed[i];
        /* The STATUS of the one that is watched lags behind what the connection says. */
        if (m != watched && account_syncs(a, m) && !account_subs_serve(a, m->box)) {
            account_pending_add(a, m->box);
        }
    }
    account_subs_update(a);
    account_listing_ended(a);
    next_soon(a);
}

static void list_start(struct account *a)
{
    struct sync_ctx sc = account_sync_ctx(a);
    sc.may_select = may_select;
    a->list_due = false;
    a->round_open = true;
    account_end_idle(a);
    a->list = sync_list_start(a->watch.conn, &sc, on_list, a);
}

/* --- NOTIFY --- */

static void on_notify(struct imap_simple *op ATTR_UNUSED, const struct err *err,
                      void *ctx)
{
    struct account *a = ctx;
    a->notify = NULL;
    if (err->code == ERR_NO || err->code == ERR_BAD) {
        /* Refused: less is asked for, at last nothing, as of servers without it. */
        a->notify_refused = a->notify_scope;
        a->notify_scope = IMAP_NOTIFY_NONE;
        a->notify_due = a->notify_refused > IMAP_NOTIFY_SELECTED;
    } else if (err->code != ERR_OK) {
        account_fail(a, err);
        return;
    } else {
        a->told_items = a->asked_items;
    }
    next_soon(a);
}

static void notify_start(struct account *a)
{
    a->notify_due = false;
    if (!imap_conn_has(a->watch.conn, IMAP_CAP_NOTIFY) || !account_can_idle(a) ||
        a->notify_refused == IMAP_NOTIFY_SELECTED) {
        return;
    }
    account_end_idle(a);
    a->notify_scope =
        a->notify_refused != IMAP_NOTIFY_NONE ? a->notify_refused - 1 : IMAP_NOTIFY_NAMES;
    a->asked_items = sync_row_items(a->watch.conn);
    a->notify =
        imap_notify_start(a->watch.conn, a->notify_scope,
                          a->asked_items | content_items(a), NOTIFY_MS, on_notify, a);
}

/* Dovecot (2.3.19) ties the items of new messages to the mailbox that was selected when it
 * told of the first one, and ends the session by an assertion with the first one behind
 * another SELECT. Asked again right behind SELECT, it begins anew; what happened elsewhere
 * in between, the next listing shows. */
static void notify_again(struct account *a)
{
    notify_start(a);
    a->list_due = true;
}

static void on_status(struct account_conn *c, const struct imap_status *status)
{
    account_take_status(c->account, status);
}

static void on_list_push(struct account_conn *c)
{
    c->account->list_due = true;
    next_soon(c->account);
}

/* Nothing is told any more: ask for it again, and look at everything. */
static void on_overflow(struct account_conn *c)
{
    struct account *a = c->account;
    if (++a->overflows > OVERFLOWS_MAX) {
        struct err err = {0};
        a->notify_refused = IMAP_NOTIFY_SELECTED;
        (void)err_set(&err, ERR_UNAVAILABLE, "the server stopped telling of changes");
        account_fail(a, &err);
        return;
    }
    a->told_items = 0;
    a->notify_due = a->list_due = a->inbox_due = true;
    next_soon(a);
}

/* --- passes of the watched mailbox --- */

static void on_watch_pass(struct sync_pass *op ATTR_UNUSED, const struct err *err,
                          const struct sync_pass_result *result, void *ctx)
{
    struct account *a = ctx;
    struct mailbox *m = mailbox_table_by_box(&a->table, a->watch_box);
    a->pass = NULL;
    account_moves_look(a, result);
    account_walk_ended(a);
    account_close_passed(a);
    if (err->code != ERR_OK) {
        if (account_doubt_take(a, err, result)) {
            next_soon(a);
        } else {
            account_fail(a, err);
        }
        return;
    }
    a->doubt.tried = false;
    account_health_proved(a, result);
    if (m != NULL) {
        account_take_result(a, m, result);
    }
    a->heard = true;
    next_soon(a);
}

static void watch_pass(struct account *a, struct mailbox *m, bool select)
{
    bool again = select && a->notify_scope != IMAP_NOTIFY_NONE && a->notify == NULL &&
                 imap_conn_selected(a->watch.conn) != NULL;
    struct sync_ctx sc = account_sync_ctx(a);
    sc.on_command = on_command;
    sc.command_ctx = a;
    if (select) {
        a->inbox_due = false;
        a->watch_box = m->box;
        a->online_since_ms = loop_now_ms(a->as->loop);
    }
    if (m->phase != MAILBOX_PHASE_LIVE && strcmp(a->state, "connected") != 0) {
        account_set_state(a, "syncing"); /* a first index can take minutes */
    }
    a->pass =
        sync_pass_start(a->watch.conn, &sc, m, &a->watch.live, select, on_watch_pass, a);
    if (again) {
        notify_again(a);
    }
}

/* --- IDLE --- */

static void on_idle_end(struct imap_idle *op ATTR_UNUSED, const struct err *err,
                        void *ctx)
{
    struct account *a = ctx;
    a->idle = NULL;
    if (a->idle_trails && (err->code == ERR_BAD || err->code == ERR_NO)) {
        a->idle_waits = true;
    } else if (err->code == ERR_BAD || err->code == ERR_NO) {
        a->idle_refused = true; /* announced, but not meant: looking has to do */
        account_subs_update(a);
    } else if (err->code != ERR_OK) {
        account_fail(a, err);
        return;
    }
    next_soon(a);
}

static void idle_start(struct account *a, bool trails)
{
    if (account_can_idle(a) && a->watch_box != 0 && a->idle == NULL) {
        a->idle_trails = trails;
        a->idle = imap_idle_start(a->watch.conn, account_idle_max_ms(a), on_idle_end, a);
    }
}

/* Nothing else is to be sent, as far as it can be told before the answer. */
static void idle_behind_pass(struct account *a)
{
    if (a->pass != NULL && a->list == NULL && a->notify == NULL && !a->list_due &&
        !a->notify_due && !a->inbox_due && !a->idle_waits &&
        sync_pass_asks_last(a->pass)) {
        idle_start(a, true);
    }
}

static void watch_idle(struct account *a)
{
    idle_start(a, false);
    account_poll_plan(a);
}

/* --- what is due --- */

static void show_syncing(struct account *a)
{
    bool refused = a->doubt.refused && account_doubt_holds(a, account_main(a));
    account_set_state(a, refused ? "connectError" : "syncing");
}

/* Everything is indexed and watched: say so. */
static void settle(struct account *a)
{
    if (account_doubt_holds(a, account_main(a))) {
        show_syncing(a);
        return;
    }
    for (size_t i = 0; i < a->table.count; i++) {
        const struct mailbox *m = a->table.items[i];
        if (account_syncs(a, m) && m->phase != MAILBOX_PHASE_LIVE &&
            m->phase != MAILBOX_PHASE_PARKED && m->phase != MAILBOX_PHASE_GONE) {
            show_syncing(a);
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

bool account_watch_is_working(const struct account *a)
{
    return a->list != NULL || a->pass != NULL || a->notify != NULL;
}

void account_watch_catch_up(struct account *a)
{
    watch_pass(a, account_main(a), true);
}

/* The one that this connection is for; NULL: not now. */
static struct mailbox *to_watch(const struct account *a)
{
    struct mailbox *m = account_main(a);
    bool apart = m != NULL && (account_doubt_holds(a, m) || m->box == a->sync_box);
    return apart ? NULL : m;
}

void account_watch_next(struct account *a)
{
    if (a->phase != ACCOUNT_PHASE_ONLINE || account_is_full(a) ||
        account_close_waits(a)) {
        return;
    }
    account_subs_next(a);
    if (account_watch_is_working(a)) {
        idle_behind_pass(a);
        return;
    }
    struct mailbox *m = to_watch(a);
    if (a->notify_due) {
        notify_start(a);
    }
    if (a->list_due) {
        list_start(a);
    }
    if (m != NULL && (a->inbox_due || a->watch_box != m->box)) {
        if (m->phase != MAILBOX_PHASE_LIVE && !account_walk_take(a)) {
            account_set_state(a, "syncing");
            return;
        }
        watch_pass(a, m, true);
    } else if (m != NULL && a->list == NULL && !sync_live_is_empty(&a->watch.live)) {
        watch_pass(a, m, sync_must_select(a->watch.conn, m));
    } else if (m != NULL && a->list == NULL && account_poll_is_behind(a, m)) {
        watch_pass(a, m, true);
    }
    if (account_watch_is_working(a) || account_poll_ask(a)) {
        return;
    }
    watch_idle(a);
    account_pending_run(a);
    if (a->sync_work == NULL && a->pending.count == 0) {
        settle(a);
        account_threads_run(a);
    } else if (strcmp(a->state, "connected") != 0) {
        show_syncing(a);
    }
}

/* What has a connection of its own is not looked at by a listing. */
static void look_at_floors(struct account *a)
{
    for (size_t i = 0; i < a->table.count; i++) {
        const struct mailbox *m = a->table.items[i];
        if (sync_floor_is_due(&a->table, m)) {
            a->inbox_due = a->inbox_due || m->box == a->watch_box;
            (void)account_subs_touch(a, m->box);
        }
    }
}

void account_scope_changed(struct account *a)
{
    if (a->phase == ACCOUNT_PHASE_ONLINE) {
        a->list_due = true;
        look_at_floors(a);
        account_subs_update(a);
        next_soon(a);
    }
}

/* --- events of the connection --- */

static bool on_watch_row(struct account_conn *c, const struct imap_row *row)
{
    struct account *a = c->account;
    const struct mailbox *m = mailbox_table_by_box(&a->table, a->watch_box);
    struct sync_ctx sc = account_sync_ctx(a);
    return a->told_items != 0 && m != NULL && !account_doubt_holds(a, m) &&
           sync_live_arrival(&c->live, &sc, m, a->told_items, row);
}

static void on_watch_live(struct account_conn *c)
{
    struct account *a = c->account;
    if (a->idle != NULL) {
        a->health.told_at_ms = loop_now_ms(a->as->loop);
    }
    next_soon(a);
}

static void on_watch_lost(struct account_conn *c, const struct err *err)
{
    account_fail(c->account, err);
}

void account_watch_begin(struct account *a)
{
    a->watch.takes_row = on_watch_row;
    a->watch.on_live = on_watch_live;
    a->watch.on_status = on_status;
    a->watch.on_list = on_list_push;
    a->watch.on_overflow = on_overflow;
    a->watch.on_lost = on_watch_lost;
    a->watch_box = 0;
    a->idle_refused = false;
    a->list_due = true;
    a->inbox_due = true;
    a->notify_due = true;
    a->notify_scope = IMAP_NOTIFY_NONE;
    for (size_t i = 0; i < a->table.count; i++) {
        a->table.items[i]->unheard = false;
    }
    a->told_items = 0;
    a->online_since_ms = loop_now_ms(a->as->loop);
    account_poll_begin(a);
    account_health_begin(a);
    account_audit_begin(a);
    next_soon(a);
}

void account_watch_rest(struct account *a)
{
    account_poll_end(a);
    account_health_end(a);
    account_audit_end(a);
    account_threads_end(a);
    account_subs_end(a);
    account_pending_end(a);
    account_doubt_end(a);
    timer_stop(&a->move_round);
    sync_list_cancel(a->list);
    sync_pass_cancel(a->pass);
    imap_simple_cancel(a->notify);
    account_walk_give(a);
    a->watch_box = 0;
}

void account_watch_end(struct account *a)
{
    account_watch_rest(a);
    account_conn_close(&a->watch); /* ends IDLE */
}

bool account_watch_is_quiet(const struct account *a)
{
    return !account_watch_is_working(a) && (a->idle == NULL || a->parked) &&
           a->sync_pass == NULL && a->sync_work == NULL && account_poll_is_quiet(a) &&
           account_health_is_quiet(a) && account_audit_is_quiet(a) &&
           account_threads_is_quiet(a) && account_subs_are_quiet(a);
}
