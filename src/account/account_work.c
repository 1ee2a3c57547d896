/* Work connections: at most ACCOUNT_WORK_MAX beside the watching one, opened when a
 * request finds none free, closed after ACCOUNT_WORK_IDLE_MS without work.
 *
 *   request:    waiting (per lane) ──► [select the mailbox] ──► granted ──► account_work_end
 *   connection: opening ──► free ◄──► selecting / lent ──► closed
 *
 * Lanes in order: interactive, sync, slow, bulk (account_lane). */
#include "account_call.h"

#include "postrider/base/check.h"
#include "postrider/base/mem.h"

enum {
    OPEN_MS = 60000,
    SELECT_MS = 60000,
    REQUESTS_MAX = 256,
    /* What only the first index or work in the background used is not kept for long; later,
     * where one change was another may follow. */
    BRIEF_MS = 3000,
    BAR_MS = 5 * 60 * 1000 /* before another login, after one that was refused */
};

static void work_dispatch(struct account *a);

bool account_work_is_stale(const struct err *err)
{
    return err->code == ERR_BYE || err->code == ERR_CLOSED || err->code == ERR_NET;
}

/* --- connections --- */

static void conn_reap(struct work_conn *wc)
{
    if (wc->open == NULL && wc->select == NULL && wc->noop == NULL) {
        sync_live_fini(&wc->c.live);
        mem_free(wc);
    }
}

static void conn_drop(struct work_conn *wc)
{
    struct account *a = wc->c.account;
    for (size_t i = 0; i < ACCOUNT_WORK_MAX; i++) {
        if (a->work[i] == wc) {
            a->work[i] = NULL;
        }
    }
    timer_stop(&wc->idle);
    slot_release(a->as, &wc->slot);
    wc->state = WORK_STATE_DROPPED;
    wc->user = NULL;
    imap_open_cancel(wc->open);
    imap_select_cancel(wc->select);
    imap_simple_cancel(wc->noop);
    account_conn_close(&wc->c);
    conn_reap(wc);
}

static void request_end(struct account_work *w, const struct err *err)
{
    w->err = *err;
    w->state = err->code == ERR_OK ? WORK_REQ_GRANTED : WORK_REQ_FAILED;
    timer_stop(&w->deadline);
    list_remove(&w->node);
    if (err->code != ERR_OK && w->wc != NULL) {
        w->wc->user = NULL;
        w->wc = NULL;
    }
    loop_defer(w->account->as->loop, &w->tell, w->tell.fn);
}

static void drop_free(struct account *a)
{
    for (size_t i = 0; i < ACCOUNT_WORK_MAX; i++) {
        if (a->work[i] != NULL && a->work[i]->state == WORK_STATE_FREE) {
            conn_drop(a->work[i]);
        }
    }
}

/* Nothing was sent for it yet but SELECT: it waits for another connection, once. True: it
 * does; whoever calls this drops wc, and dispatches. */
static bool request_again(struct account_work *w, const struct err *err)
{
    struct account *a = w->account;
    if (w->again || !account_work_is_stale(err) || a->phase != ACCOUNT_PHASE_ONLINE) {
        return false;
    }
    w->again = true;
    w->state = WORK_REQ_WAITING;
    w->wc->user = NULL;
    w->wc = NULL;
    list_prepend(&a->requests[w->lane], &w->node);
    drop_free(a);
    return true;
}

static void on_work_lost(struct account_conn *c, const struct err *err)
{
    struct work_conn *wc = container_of(c, struct work_conn, c);
    struct account_work *user = wc->user;
    if (user != NULL && user->state == WORK_REQ_SELECTING && !request_again(user, err)) {
        request_end(user, err);
    }
    if (wc->state == WORK_STATE_LENT) {
        wc->doomed =
            true; /* its user's commands end with this error, then it comes back */
        return;
    }
    struct account *a = c->account;
    conn_drop(wc);
    work_dispatch(a);
}

static void on_work_ended(struct account_conn *c, const struct err *err)
{
    struct account *a = c->account;
    struct err why = *err; /* lies in the connection */
    on_work_lost(c, err);
    account_errors_note(a, "work", &why);
    account_limits_note(a, &why);
    if (account_class_of(&why) == ACCOUNT_CLASS_THROTTLED) {
        account_fail(a, &why); /* the whole account is asked to be quiet */
    }
}

static void on_idle_timer(struct timer *t)
{
    conn_drop(container_of(t, struct work_conn, idle));
}

/* Brief work does not cut short the time that a request before it asked for. */
static void rest(struct work_conn *wc, int64_t ms)
{
    struct loop *loop = wc->c.account->as->loop;
    int64_t now_ms = loop_now_ms(loop);
    if (wc->keep_until_ms < now_ms + ms) {
        wc->keep_until_ms = now_ms + ms;
    }
    timer_set(loop, &wc->idle, wc->keep_until_ms - now_ms, on_idle_timer);
}

static void requests_fail(struct account *a, const struct err *err)
{
    for (size_t lane = 0; lane < ARRAY_LEN(a->requests); lane++) {
        list_foreach (node, &a->requests[lane]) {
            request_end(container_of(node, struct account_work, node), err);
        }
    }
}

/* No further connection. The watching one lives, so the account goes on without, unless
 * the server wants less of everything. */
static void on_refused(struct account *a, const struct err *err)
{
    const struct account_reaction *reaction = account_reaction_get(err);
    account_errors_note(a, "work", err);
    /* Without any connection the waiting ones would wait for nothing. */
    if (account_work_count(a) == 0) {
        requests_fail(a, err);
    }
    if (account_class_of(err) == ACCOUNT_CLASS_THROTTLED) {
        account_fail(a, err);
        return;
    }
    account_limits_note(a, err);
    if (reaction->bars) {
        account_limits_bar(a, err->code, BAR_MS);
    }
}

static void on_opened(struct imap_open *op ATTR_UNUSED, const struct err *err,
                      struct imap_conn *conn, void *ctx)
{
    struct work_conn *wc = ctx;
    wc->open = NULL;
    if (wc->state == WORK_STATE_DROPPED) {
        imap_conn_close(&conn);
        conn_reap(wc);
        return;
    }
    struct account *a = wc->c.account;
    slot_release(a->as, &wc->slot);
    if (err->code != ERR_OK) {
        conn_drop(wc);
        if (err->code != ERR_CANCELED) {
            on_refused(a, err);
        }
        return;
    }
    account_conn_attach(&wc->c, conn);
    wc->state = WORK_STATE_FREE;
    rest(wc, BRIEF_MS);
    work_dispatch(a);
}

static void on_slot(struct slot_wait *w)
{
    struct work_conn *wc = container_of(w, struct work_conn, slot);
    struct account *a = wc->c.account;
    struct arena arena = {0};
    struct imap_conn_params params;
    struct err err = {0};
    if (!account_imap_params(&arena, a->as, a->record, &params, &err)) {
        /* The watching connection reports it; this one is just not there. */
        params = (struct imap_conn_params){.host = "", .user = ""};
    }
    account_limits_params(a, &params);
    account_traffic_params(a, &params);
    wc->open = imap_open_start(a->as->net, &params, OPEN_MS, on_opened, wc);
    arena_fini(&arena);
}

static void conn_open(struct account *a)
{
    if (account_work_count(a) >= account_work_limit(a) || account_limits_wait_ms(a) > 0) {
        return;
    }
    for (size_t i = 0; i < ACCOUNT_WORK_MAX; i++) {
        if (a->work[i] == NULL) {
            struct work_conn *wc = MEM_NEW(struct work_conn);
            a->work[i] = wc;
            wc->c.account = a;
            wc->c.on_lost = on_work_ended;
            wc->state = WORK_STATE_OPENING;
            slot_request(a->as, account_host(a), &wc->slot, on_slot);
            return;
        }
    }
}

/* --- granting --- */

static void grant(struct account_work *w)
{
    w->wc->state = WORK_STATE_LENT;
    request_end(w, &(struct err){.code = ERR_OK});
}

/* The mailbox is selected, or cannot be. */
static void on_ready(struct work_conn *wc, const struct err *ready_err,
                     const struct imap_selected *selected)
{
    if (wc->state == WORK_STATE_DROPPED) {
        conn_reap(wc);
        return;
    }
    struct account_work *w = wc->user;
    struct account *a = wc->c.account;
    struct err changed = *ready_err;
    const struct err *err = &changed;
    wc->box = err->code == ERR_OK && w != NULL ? w->box : 0;
    if (wc->box != 0 &&
        !sync_uids_agree(mailbox_table_by_box(&a->table, wc->box), selected)) {
        (void)err_set(
            &changed, ERR_UNAVAILABLE,
            "the server gave the messages of the mailbox new ids, which are not "
            "indexed yet");
    }
    if (w == NULL || err->code != ERR_OK) {
        if (w != NULL && !request_again(w, err)) {
            w->wc = NULL;
            request_end(w, err);
        }
        wc->user = NULL;
        wc->state = WORK_STATE_FREE;
        if (!imap_conn_is_open(wc->c.conn)) {
            conn_drop(wc);
        } else {
            rest(wc, BRIEF_MS);
        }
        work_dispatch(a);
        return;
    }
    grant(w);
}

static void on_selected(struct imap_select *op ATTR_UNUSED, const struct err *err,
                        const struct imap_selected *selected, void *ctx)
{
    struct work_conn *wc = ctx;
    wc->select = NULL;
    on_ready(wc, err, selected);
}

static void on_noop(struct imap_simple *op ATTR_UNUSED, const struct err *err, void *ctx)
{
    struct work_conn *wc = ctx;
    wc->noop = NULL;
    on_ready(wc, err, wc->c.conn != NULL ? imap_conn_selected(wc->c.conn) : NULL);
}

/* Has the mailbox selected already, in the sense of the index. */
static bool is_selected(const struct work_conn *wc, const struct mailbox *m)
{
    return m != NULL && m->box == wc->box && imap_conn_selected(wc->c.conn) != NULL &&
           sync_uids_agree(m, imap_conn_selected(wc->c.conn));
}

static void assign(struct work_conn *wc, struct account_work *w)
{
    struct account *a = w->account;
    timer_stop(&wc->idle);
    list_remove(&w->node);
    wc->user = w;
    w->wc = wc;
    struct mailbox *m = mailbox_table_by_box(&a->table, w->box);
    if (w->box == 0 || (is_selected(wc, m) && wc->version == m->version)) {
        grant(w);
        return;
    }
    if (m == NULL) {
        wc->user = NULL;
        rest(wc, BRIEF_MS);
        struct err err = {0};
        (void)err_set(&err, ERR_NO_MAILBOX, "the mailbox does not exist any more");
        request_end(w, &err);
        return;
    }
    wc->state = WORK_STATE_SELECTING;
    w->state = WORK_REQ_SELECTING;
    wc->version = m->version;
    if (is_selected(wc, m)) {
        /* The index knows more than the connection: a server tells news behind the answer
         * to a command, so the next one would still work on the mailbox as it was. Sent
         * with it in one go, NOOP does not help: Dovecot puts it off until both are done. */
        wc->noop = imap_noop_start(wc->c.conn, SELECT_MS, on_noop, wc);
        return;
    }
    sync_live_reset(&wc->c.live);
    struct imap_select_params params = {.mailbox = str_from(m->wire, m->wire_len),
                                        .condstore = true};
    wc->select = imap_select_start(wc->c.conn, &params, SELECT_MS, on_selected, wc);
}

/* A free connection, best with the mailbox selected already. */
static struct work_conn *find_free(struct account *a, uint32_t box)
{
    struct work_conn *best = NULL;
    for (size_t i = 0; i < ACCOUNT_WORK_MAX; i++) {
        struct work_conn *wc = a->work[i];
        if (wc != NULL && wc->state == WORK_STATE_FREE &&
            (best == NULL || wc->box == box)) {
            best = wc;
        }
    }
    return best;
}

/* Gives way to what a person waits for. */
static bool is_patient(enum account_lane lane)
{
    return lane == ACCOUNT_LANE_SLOW || lane == ACCOUNT_LANE_BULK;
}

/* Has the lane its share already? A server that must prepare the piece of each of many slow
 * clients at once is slower for everyone. */
static bool is_full(const struct account *a, enum account_lane lane)
{
    size_t limit = account_work_limit(a), busy = 0, slow = 0;
    for (size_t i = 0; i < ACCOUNT_WORK_MAX; i++) {
        const struct work_conn *wc = a->work[i];
        busy += wc != NULL && wc->state != WORK_STATE_FREE;
        slow += wc != NULL && wc->user != NULL && wc->user->lane == ACCOUNT_LANE_SLOW;
    }
    bool leaves_none = limit > 1 && busy + 1 >= limit;
    return is_patient(lane) && (leaves_none || (lane == ACCOUNT_LANE_SLOW && slow > 0));
}

static size_t opening_count(const struct account *a)
{
    size_t n = 0;
    for (size_t i = 0; i < ACCOUNT_WORK_MAX; i++) {
        n += a->work[i] != NULL && a->work[i]->state == WORK_STATE_OPENING;
    }
    return n;
}

static void work_dispatch(struct account *a)
{
    size_t wanted = 0;
    for (size_t lane = 0; lane < ARRAY_LEN(a->requests); lane++) {
        list_foreach (node, &a->requests[lane]) {
            struct account_work *w = container_of(node, struct account_work, node);
            if (is_full(a, w->lane)) {
                break;
            }
            if (w->held) {
                continue;
            }
            struct work_conn *wc = find_free(a, w->box);
            if (wc != NULL) {
                assign(wc, w);
            } else if (++wanted > opening_count(a)) {
                conn_open(a);
            }
        }
    }
    int64_t barred_ms = account_limits_wait_ms(a);
    if (wanted > 0 && barred_ms > 0 && account_work_count(a) == 0) {
        struct err err = {0};
        (void)err_set(&err, a->limits.barred_by,
                      "the server refused connections; none is tried for %lld s",
                      (long long)(barred_ms / 1000 + 1));
        requests_fail(a, &err);
    }
}

/* --- requests --- */

static void on_tell(struct deferred *d)
{
    struct account_work *w = container_of(d, struct account_work, tell);
    struct imap_conn *conn = w->state == WORK_REQ_GRANTED ? w->wc->c.conn : NULL;
    if (conn == NULL && w->err.code == ERR_OK) {
        /* The account was shut between the grant and this call. */
        (void)err_set(&w->err, ERR_UNAVAILABLE, "the connection to the server closed");
    }
    w->cb(w, &w->err, conn, w->ctx);
}

static void on_deadline(struct timer *t)
{
    struct account_work *w = container_of(t, struct account_work, deadline);
    struct err err = {0};
    (void)err_set(&err, ERR_TIMEOUT, "no free connection to the mail server in time");
    request_end(w, &err);
}

static size_t request_count(const struct account *a)
{
    size_t n = 0;
    for (size_t lane = 0; lane < ARRAY_LEN(a->requests); lane++) {
        list_foreach (node, &a->requests[lane]) {
            n++;
        }
    }
    return n;
}

struct account_work *account_work_start(struct account *a, enum account_lane lane,
                                        uint32_t box, int64_t deadline_ms,
                                        account_work_cb *cb, void *ctx)
{
    struct account_work *w = MEM_NEW(struct account_work);
    a->work_users++;
    list_init(&w->node);
    w->account = a;
    w->lane = lane;
    w->box = box;
    w->cb = cb;
    w->ctx = ctx;
    w->tell.fn = on_tell;
    list_append(&a->requests[lane], &w->node);
    struct err err = {0};
    if (a->phase != ACCOUNT_PHASE_ONLINE) {
        (void)err_set(&err, ERR_UNAVAILABLE, "account is %s%s%s", a->state,
                      account_last_err(a)->code != ERR_OK ? ": " : "",
                      account_last_err(a)->msg);
        request_end(w, &err);
    } else if (request_count(a) > REQUESTS_MAX) {
        (void)err_set(&err, ERR_UNAVAILABLE, "too many requests wait for this account");
        request_end(w, &err);
    } else {
        timer_set(a->as->loop, &w->deadline, deadline_ms, on_deadline);
        work_dispatch(a);
    }
    return w;
}

void account_work_hold(struct account_work *w, bool held)
{
    w->held = held;
    if (!held) {
        work_dispatch(w->account);
    }
}

void account_work_end(struct account_work **wp, bool broken)
{
    struct account_work *w = *wp;
    if (w == NULL) {
        return;
    }
    *wp = NULL;
    struct account *a = w->account;
    struct work_conn *wc = w->wc;
    timer_stop(&w->deadline);
    loop_undefer(&w->tell);
    list_remove(&w->node);
    bool brief = is_patient(w->lane) || (w->lane == ACCOUNT_LANE_SYNC && !a->settled);
    a->work_users--;
    mem_free(w);
    if (wc == NULL) {
        return;
    }
    wc->user = NULL;
    if (wc->state == WORK_STATE_SELECTING) {
        return; /* goes on; on_selected finds no user */
    }
    wc->state = WORK_STATE_FREE;
    wc->c.on_live = NULL;
    if (broken || wc->doomed || !imap_conn_is_open(wc->c.conn)) {
        conn_drop(wc);
    } else {
        rest(wc, brief ? BRIEF_MS : ACCOUNT_WORK_IDLE_MS);
    }
    work_dispatch(a);
}

void account_work_end_stale(struct account_work **w)
{
    struct account *a = (*w)->account;
    drop_free(a);
    account_work_end(w, true);
}

void account_work_forget(struct account *a, struct str wire)
{
    const struct mailbox *m = mailbox_table_by_wire(&a->table, wire);
    for (size_t i = 0; m != NULL && i < ACCOUNT_WORK_MAX; i++) {
        struct work_conn *wc = a->work[i];
        if (wc != NULL && wc->state == WORK_STATE_FREE && wc->box == m->box) {
            conn_drop(wc);
        }
    }
}

struct work_conn *account_work_slot(struct account_work *w)
{
    return w->wc;
}

/* --- life --- */

void account_work_close_idle(struct account *a)
{
    for (size_t i = 0; i < ACCOUNT_WORK_MAX; i++) {
        if (a->work[i] != NULL && a->work[i]->state == WORK_STATE_FREE) {
            conn_drop(a->work[i]);
        }
    }
}

void account_work_init(struct account *a)
{
    for (size_t lane = 0; lane < ARRAY_LEN(a->requests); lane++) {
        list_init(&a->requests[lane]);
    }
}

void account_work_shut(struct account *a, const struct err *why)
{
    for (size_t lane = 0; lane < ARRAY_LEN(a->requests); lane++) {
        list_foreach (node, &a->requests[lane]) {
            request_end(container_of(node, struct account_work, node), why);
        }
    }
    for (size_t i = 0; i < ACCOUNT_WORK_MAX; i++) {
        struct work_conn *wc = a->work[i];
        if (wc == NULL) {
            continue;
        }
        struct account_work *user = wc->user;
        if (user != NULL && user->state == WORK_REQ_SELECTING) {
            request_end(user, why);
        }
        if (wc->state == WORK_STATE_LENT) {
            wc->doomed = true;
            account_conn_close(&wc->c); /* ends the user's commands */
        } else {
            conn_drop(wc);
        }
    }
}

bool account_work_is_quiet(const struct account *a)
{
    return account_work_count(a) == 0 && a->work_users == 0;
}

size_t account_work_count(const struct account *a)
{
    size_t n = 0;
    for (size_t i = 0; i < ACCOUNT_WORK_MAX; i++) {
        n += a->work[i] != NULL;
    }
    return n;
}
