/* Subconnections: mailboxes that the record names get a connection of their own, so that
 * their changes are told of at once by servers without NOTIFY for all mailboxes.
 *
 *   OPENING ─► READY: SELECT and compare ─► live data ─► IDLE
 *      ▲          │
 *      └─ WAITING ◄ lost, refused (the mailbox is polled meanwhile) */
#include "account_priv.h"

#include "postrider/base/clock.h"
#include "postrider/base/log.h"
#include "postrider/base/mem.h"

enum {
    OPEN_MS = 90000
};

enum sub_state {
    SUB_STATE_OPENING,
    SUB_STATE_READY,
    SUB_STATE_WAITING,
    SUB_STATE_DROPPED /* not wanted any more; freed when its operations have ended */
};

struct sub_conn {
    struct account_conn c;
    uint32_t box;
    enum sub_state state;
    bool selected, select_due;
    struct slot_wait slot;
    struct imap_open *open;
    struct imap_idle *idle;
    struct sync_pass *pass;
    struct timer retry;
    struct backoff backoff;
};

static void sub_open(struct sub_conn *s);
static void sub_next(struct sub_conn *s);

static bool is_quiet(const struct sub_conn *s)
{
    return s->open == NULL && s->idle == NULL && s->pass == NULL;
}

/* Ends what runs; callbacks of what was cut off come later. */
static void sub_close(struct sub_conn *s)
{
    timer_stop(&s->retry);
    slot_release(s->c.account->as, &s->slot);
    imap_open_cancel(s->open);
    sync_pass_cancel(s->pass);
    account_conn_close(&s->c); /* ends IDLE */
    s->selected = false;
}

/* Removes it from the account once nothing of it is in flight. */
static void sub_reap(struct sub_conn *s)
{
    struct account *a = s->c.account;
    if (s->state != SUB_STATE_DROPPED || !is_quiet(s)) {
        return;
    }
    for (size_t i = 0; i < ACCOUNT_SUB_MAX; i++) {
        if (a->subs[i] == s) {
            a->subs[i] = NULL;
        }
    }
    sync_live_fini(&s->c.live);
    mem_free(s);
    loop_defer(a->as->loop, &a->next, a->next.fn);
}

static void sub_drop(struct sub_conn *s)
{
    s->state = SUB_STATE_DROPPED;
    sub_close(s);
    sub_reap(s);
}

static void on_retry(struct timer *t)
{
    struct sub_conn *s = container_of(t, struct sub_conn, retry);
    if (is_quiet(s)) {
        sub_open(s);
    } else {
        timer_set(s->c.account->as->loop, &s->retry, 10, on_retry);
    }
}

/* The mailbox is polled until the connection is back. */
static void sub_fail(struct sub_conn *s, const struct err *err)
{
    static const struct backoff_policy lost = {2000, 10 * 60 * 1000, 150, 20};
    static const struct backoff_policy refused = {10 * 60 * 1000, 3600 * 1000, 200, 20};
    struct account *a = s->c.account;
    if (s->state == SUB_STATE_DROPPED || s->state == SUB_STATE_WAITING) {
        sub_reap(s);
        return;
    }
    struct err why = *err; /* may lie in the connection that is closed below */
    enum account_class klass = account_class_of(err);
    log_at(LOG_DEBUG, "account", "subconnection lost", LOG_S("account", a->acct.name),
           LOG_ERR_FIELDS(err));
    account_errors_note(a, "subconnection", &why);
    s->state = SUB_STATE_WAITING;
    sub_close(s);
    timer_set(
        a->as->loop, &s->retry,
        backoff_next_ms(&s->backoff, klass == ACCOUNT_CLASS_NETWORK ? &lost : &refused),
        on_retry);
    account_pending_add(a, s->box);
    loop_defer(a->as->loop, &a->next, a->next.fn);
    account_limits_note(a, &why);
    if (klass == ACCOUNT_CLASS_STORE || klass == ACCOUNT_CLASS_THROTTLED) {
        account_fail(a, &why); /* not a matter of this connection alone */
    }
}

/* --- selected --- */

static void on_command(void *ctx)
{
    struct sub_conn *s = ctx;
    if (s->idle != NULL) {
        imap_idle_finish(s->idle);
    }
}

static void on_idle_end(struct imap_idle *op ATTR_UNUSED, const struct err *err,
                        void *ctx)
{
    struct sub_conn *s = ctx;
    s->idle = NULL;
    if (err->code != ERR_OK) {
        sub_fail(s, err);
    } else if (s->state == SUB_STATE_READY) {
        sub_next(s);
    } else {
        sub_reap(s);
    }
}

static void on_pass(struct sync_pass *op ATTR_UNUSED, const struct err *err,
                    const struct sync_pass_result *result, void *ctx)
{
    struct sub_conn *s = ctx;
    struct account *a = s->c.account;
    struct mailbox *m = mailbox_table_by_box(&a->table, s->box);
    s->pass = NULL;
    account_moves_look(a, result);
    if (s->state != SUB_STATE_READY) {
        sub_reap(s);
        return;
    }
    if (err->code != ERR_OK) {
        a->list_due = a->list_due || err->code == ERR_NO_MAILBOX;
        sub_fail(s, err);
        return;
    }
    if (m != NULL) {
        account_take_result(a, m, result);
        /* The date changed behind what this pass did about it. */
        s->select_due = s->select_due || (sync_floor_is_due(&a->table, m) &&
                                          m->rest_until_ms <= clock_wall_ms());
    }
    s->selected = true;
    backoff_reset(&s->backoff);
    loop_defer(a->as->loop, &a->next, a->next.fn);
}

static void pass_start(struct sub_conn *s, struct mailbox *m, bool select)
{
    struct sync_ctx sc = account_sync_ctx(s->c.account);
    sc.on_command = on_command;
    sc.command_ctx = s;
    s->select_due = false;
    s->pass = sync_pass_start(s->c.conn, &sc, m, &s->c.live, select, on_pass, s);
}

/* Not while a listing decides which mailboxes there are, nor beside another pass of this
 * one. */
static void sub_next(struct sub_conn *s)
{
    struct account *a = s->c.account;
    struct mailbox *m = mailbox_table_by_box(&a->table, s->box);
    if (s->state != SUB_STATE_READY || s->pass != NULL || a->list != NULL || m == NULL ||
        a->sync_box == s->box) {
        return;
    }
    if (!s->selected || s->select_due) {
        pass_start(s, m, true);
    } else if (!sync_live_is_empty(&s->c.live)) {
        pass_start(s, m, false);
    } else if (s->idle == NULL) {
        s->idle = imap_idle_start(s->c.conn, account_idle_max_ms(a), on_idle_end, s);
    }
}

static void on_live(struct account_conn *c)
{
    struct account *a = c->account;
    loop_defer(a->as->loop, &a->next, a->next.fn);
}

static void on_lost(struct account_conn *c, const struct err *err)
{
    sub_fail(container_of(c, struct sub_conn, c), err);
}

/* --- opening --- */

static void on_opened(struct imap_open *op ATTR_UNUSED, const struct err *err,
                      struct imap_conn *conn, void *ctx)
{
    struct sub_conn *s = ctx;
    s->open = NULL;
    slot_release(s->c.account->as, &s->slot);
    if (s->state != SUB_STATE_OPENING) {
        imap_conn_close(&conn);
        sub_reap(s);
    } else if (err->code != ERR_OK) {
        sub_fail(s, err);
    } else {
        account_conn_attach(&s->c, conn);
        s->state = SUB_STATE_READY;
        sub_next(s);
    }
}

static void on_slot(struct slot_wait *w)
{
    struct sub_conn *s = container_of(w, struct sub_conn, slot);
    struct account *a = s->c.account;
    struct arena arena = {0};
    struct imap_conn_params params;
    struct err err = {0};
    if (account_imap_params(&arena, a->as, a->record, &params, &err)) {
        account_limits_params(a, &params);
        account_traffic_params(a, &params);
        s->open = imap_open_start(a->as->net, &params, OPEN_MS, on_opened, s);
    } else {
        slot_release(a->as, &s->slot);
        sub_fail(s, &err);
    }
    arena_fini(&arena);
}

static void sub_open(struct sub_conn *s)
{
    struct account *a = s->c.account;
    int64_t barred_ms = account_limits_wait_ms(a);
    if (barred_ms > 0) {
        s->state = SUB_STATE_WAITING;
        timer_set(a->as->loop, &s->retry, barred_ms, on_retry);
        return;
    }
    s->state = SUB_STATE_OPENING;
    slot_request(a->as, account_host(a), &s->slot, on_slot);
}

/* --- which ones --- */

/* NOTIFY for all mailboxes does what they are for, and without IDLE they are of no use. */
static bool is_wanted(const struct account *a, const struct mailbox *m)
{
    return m != NULL && account_can_idle(a) && a->notify_scope < IMAP_NOTIFY_FLAGS &&
           m->phase == MAILBOX_PHASE_LIVE && m != account_main(a) && !sync_is_parked(m) &&
           m->rest_until_ms <= clock_wall_ms() && account_syncs(a, m) &&
           account_names(a, "subconnections", m);
}

static bool has_sub(const struct account *a, uint32_t box)
{
    for (size_t i = 0; i < ACCOUNT_SUB_MAX; i++) {
        if (a->subs[i] != NULL && a->subs[i]->box == box) {
            return true;
        }
    }
    return false;
}

static void sub_new(struct account *a, uint32_t box)
{
    for (size_t i = 0; i < ACCOUNT_SUB_MAX; i++) {
        if (a->subs[i] == NULL) {
            struct sub_conn *s = MEM_NEW(struct sub_conn);
            a->subs[i] = s;
            s->box = box;
            s->c.account = a;
            s->c.on_live = on_live;
            s->c.on_lost = on_lost;
            sub_open(s);
            return;
        }
    }
}

void account_subs_update(struct account *a)
{
    for (size_t i = 0; i < ACCOUNT_SUB_MAX; i++) {
        struct sub_conn *s = a->subs[i];
        if (s != NULL && s->state != SUB_STATE_DROPPED &&
            !is_wanted(a, mailbox_table_by_box(&a->table, s->box))) {
            sub_drop(s);
        }
    }
    if (json_object_get(a->record, "subconnections") == NULL) {
        return;
    }
    for (size_t i = 0; i < a->table.count && account_subs_count(a) < ACCOUNT_SUB_MAX;
         i++) {
        const struct mailbox *m = a->table.items[i];
        if (is_wanted(a, m) && !has_sub(a, m->box)) {
            sub_new(a, m->box);
        }
    }
}

void account_subs_next(struct account *a)
{
    for (size_t i = 0; i < ACCOUNT_SUB_MAX; i++) {
        if (a->subs[i] != NULL) {
            sub_next(a->subs[i]);
        }
    }
}

void account_subs_end(struct account *a)
{
    for (size_t i = 0; i < ACCOUNT_SUB_MAX; i++) {
        if (a->subs[i] != NULL) {
            sub_drop(a->subs[i]);
        }
    }
}

void account_subs_hold(struct account *a, bool held)
{
    for (size_t i = 0; i < ACCOUNT_SUB_MAX; i++) {
        if (a->subs[i] != NULL) {
            account_conn_hold(&a->subs[i]->c, held);
        }
    }
}

bool account_subs_are_quiet(const struct account *a)
{
    return account_subs_count(a) == 0;
}

size_t account_subs_count(const struct account *a)
{
    size_t n = 0;
    for (size_t i = 0; i < ACCOUNT_SUB_MAX; i++) {
        n += a->subs[i] != NULL;
    }
    return n;
}

static struct sub_conn *find_serving(const struct account *a, uint32_t box)
{
    for (size_t i = 0; i < ACCOUNT_SUB_MAX; i++) {
        struct sub_conn *s = a->subs[i];
        if (s != NULL && s->box == box && s->state == SUB_STATE_READY && s->selected) {
            return s;
        }
    }
    return NULL;
}

bool account_subs_serve(const struct account *a, uint32_t box)
{
    return find_serving(a, box) != NULL;
}

bool account_subs_touch(struct account *a, uint32_t box)
{
    struct sub_conn *s = find_serving(a, box);
    if (s == NULL) {
        return false;
    }
    s->select_due = true;
    sub_next(s);
    return true;
}

bool account_subs_are_behind(const struct account *a, uint32_t box)
{
    for (size_t i = 0; i < ACCOUNT_SUB_MAX; i++) {
        const struct sub_conn *s = a->subs[i];
        if (s != NULL && s->box == box &&
            (s->pass != NULL || s->select_due || !sync_live_is_empty(&s->c.live))) {
            return true;
        }
    }
    return false;
}

bool account_subs_view(const struct account *a, size_t i, struct conn_view *out)
{
    static const char *const names[] = {[SUB_STATE_OPENING] = "opening",
                                        [SUB_STATE_READY] = "busy",
                                        [SUB_STATE_WAITING] = "waiting",
                                        [SUB_STATE_DROPPED] = "closing"};
    const struct sub_conn *s = a->subs[i];
    if (s == NULL) {
        return false;
    }
    bool idles = s->state == SUB_STATE_READY && s->idle != NULL;
    *out = (struct conn_view){.conn = &s->c,
                              .state = idles ? "idle" : names[s->state],
                              .box = s->selected ? s->box : 0};
    return true;
}

bool account_subs_are_busy_with(const struct account *a, uint32_t box)
{
    for (size_t i = 0; i < ACCOUNT_SUB_MAX; i++) {
        if (a->subs[i] != NULL && a->subs[i]->box == box && a->subs[i]->pass != NULL) {
            return true;
        }
    }
    return false;
}
