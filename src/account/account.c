/* The actor's life: load, wait for a slot, connect, watch, fail, wait, again.
 *
 *   LOADING ──► QUEUED ──► OPENING ──► ONLINE
 *      ▲           ▲          │          │
 *      │           └─ WAITING ◄┴──────────┘   (retry by the table of errors)
 *      └──────────────┘ (the store's memory is stale)
 *   any ──► STOPPING ──► STOPPED
 *
 * LOADING: record and table are being read, nothing may be used. WAITING: both are valid
 * unless `reload`. ONLINE: the watching connection is logged in; account_watch.c runs it.
 */
#include "account_priv.h"

#include "postrider/base/check.h"
#include "postrider/base/clock.h"
#include "postrider/base/log.h"
#include "postrider/base/mem.h"
#include "postrider/json/json.h"

enum {
    OPEN_MS = 90000,
    STORE_WAIT_MS = 500
};

static const uint32_t account_magic = 0xacc0917eu;

static void connect_begin(struct account *a);
static void load_begin(struct account *a);
static void stop_check(struct account *a);

static void on_next(struct deferred *d)
{
    struct account *a = container_of(d, struct account, next);
    CHECK_MAGIC(a, account_magic);
    if (a->phase == ACCOUNT_PHASE_STOPPING) {
        stop_check(a);
    } else {
        account_watch_next(a);
    }
}

struct account *account_new(struct accounts *as, struct str id)
{
    struct account *a = MEM_NEW(struct account);
    a->magic = account_magic;
    a->as = as;
    list_init(&a->node);
    store_acct_init(as->store, &a->acct, id);
    a->state = "init";
    a->phase = ACCOUNT_PHASE_STOPPED;
    a->next.fn = on_next;
    a->watch.account = a;
    sync_moves_init(&a->moves, as->config.move_window_ms);
    list_init(&a->listing_calls);
    list_init(&a->picks_waiting);
    list_init(&a->streams);
    account_work_init(a);
    return a;
}

void account_free(struct account **ap)
{
    struct account *a = *ap;
    *ap = NULL;
    CHECK_MAGIC(a, account_magic);
    CHECK(a->phase == ACCOUNT_PHASE_STOPPED);
    loop_undefer(&a->next);
    account_traffic_end(a);
    timer_stop(&a->retry);
    timer_stop(&a->full);
    timer_stop(&a->hold);
    timer_stop(&a->stop_poll);
    timer_stop(&a->close_timer);
    timer_stop(&a->move_round);
    mailbox_table_fini(&a->table);
    sync_moves_fini(&a->moves);
    sync_learned_fini(&a->learned);
    sync_live_fini(&a->watch.live);
    store_acct_fini(&a->acct);
    json_decref(a->record);
    account_shown_forget(a);
    mem_free(a->poll.asks);
    mem_free(a->sync_status);
    mem_free(a->pending.items);
    mem_free(a->held.items);
    account_audit_fini(a);
    account_threads_fini(a);
    account_server_fini(a);
    account_measures_free(&a->measures);
    mem_free(a->errors);
    mem_free(a->last_err);
    a->magic = 0;
    mem_free(a);
}

/* --- loading --- */

static bool is_quiet(const struct account *a)
{
    return a->load == NULL && a->load_boxes == NULL && a->load_moves == NULL &&
           a->open == NULL && a->commit == NULL && a->forget == NULL &&
           a->refresh == NULL && a->calls == 0 && account_watch_is_quiet(a) &&
           account_work_is_quiet(a);
}

static void on_retry(struct timer *t)
{
    struct account *a = container_of(t, struct account, retry);
    if (a->phase != ACCOUNT_PHASE_WAITING) {
        return;
    }
    if (!is_quiet(a)) {
        account_wait(a, 10); /* what was cut off still works on the table */
        return;
    }
    if (a->reload) {
        load_begin(a);
    } else {
        connect_begin(a);
    }
}

void account_wait(struct account *a, int64_t delay_ms)
{
    a->phase = ACCOUNT_PHASE_WAITING;
    timer_set(a->as->loop, &a->retry, delay_ms, on_retry);
}

static void on_tombstones(struct store_tombstones *op ATTR_UNUSED, const struct err *err,
                          const struct tombstone *items, size_t count, void *ctx)
{
    struct account *a = ctx;
    a->load_moves = NULL;
    if (a->phase != ACCOUNT_PHASE_LOADING) {
        loop_defer(a->as->loop, &a->next, on_next);
        return;
    }
    if (err->code != ERR_OK) {
        account_fail(a, err);
        return;
    }
    sync_moves_load(&a->moves, items, count);
    if (!account_forget_start(a)) {
        account_forgot(a);
    }
}

void account_forgot(struct account *a)
{
    a->reload = false;
    connect_begin(a);
}

/* False: there is none. */
static bool date_of(const json_t *record, const char *member, int64_t *ms)
{
    const char *text = json_string_value(json_object_get(record, member));
    return text != NULL && clock_parse_iso(str_of(text), ms);
}

/* The fast indexer keeps no messages, old or new. */
static uint32_t since_day_of(const struct account *a)
{
    int64_t from_ms = 0;
    return !a->fast && date_of(a->record, "syncFrom", &from_ms) ? sync_since_day(from_ms)
                                                                : 0;
}

static void on_boxes(struct store_mailboxes *op ATTR_UNUSED, const struct err *err,
                     struct mailbox **boxes, size_t count, uint32_t next_number,
                     void *ctx)
{
    struct account *a = ctx;
    a->load_boxes = NULL;
    if (a->phase != ACCOUNT_PHASE_LOADING) {
        for (size_t i = 0; i < count; i++) {
            mailbox_free(&boxes[i]);
        }
        loop_defer(a->as->loop, &a->next, on_next);
        return;
    }
    if (err->code != ERR_OK) {
        account_fail(a, err);
        return;
    }
    mailbox_table_fini(&a->table);
    for (size_t i = 0; i < count; i++) {
        mailbox_table_add(&a->table, boxes[i]);
    }
    a->table.next_number = next_number > 0 ? next_number : 1;
    a->table.flags_refresh_ms = a->as->config.flags_refresh_ms;
    a->table.since_day = since_day_of(a);
    if (a->born_at_ms == 0) {
        a->born_at_ms = loop_now_ms(a->as->loop);
    }
    a->lost = a->initialized && count == 0 && next_number == 0;
    a->load_moves = store_tombstones_start(a->as->store, &a->acct, on_tombstones, a);
}

void account_take_record(struct account *a, json_t *record)
{
    const struct account_entry *entry =
        store_directory_get(a->as->store, str_of(a->acct.id));
    json_t *before = a->record;
    a->record = json_incref(record);
    account_shown_forget(a);
    a->outdated = false;
    a->fast = account_is_fast(a->as, record);
    account_limits_check(a, before);
    if (before != NULL && account_is_elsewhere(before, record)) {
        account_rows_forget(a); /* its numbers may be the same */
    }
    json_decref(before);
    /* Unless it says otherwise, what was there before the account is no news. */
    a->notify_from_ms = entry != NULL ? entry->created_ms : 0;
    (void)date_of(record, "notifyFrom", &a->notify_from_ms);
    a->table.since_day = since_day_of(a);
}

static void on_loaded(struct store_account_op *op ATTR_UNUSED, const struct err *err,
                      const struct store_acct *acct, json_t *record, json_t *state,
                      void *ctx)
{
    struct account *a = ctx;
    a->load = NULL;
    if (a->phase != ACCOUNT_PHASE_LOADING) {
        loop_defer(a->as->loop, &a->next, on_next);
        return;
    }
    if (err->code == ERR_NO_ACCOUNT) {
        a->phase =
            ACCOUNT_PHASE_WAITING; /* deleted meanwhile; the registry will hear of it */
        return;
    }
    if (err->code != ERR_OK) {
        account_fail(a, err);
        return;
    }
    bool first = a->record == NULL;
    memcpy(a->acct.incarnation, acct->incarnation, sizeof a->acct.incarnation);
    a->initialized = json_get_bool(state, "initialized", false);
    account_take_record(a, record);
    if (first) {
        /* A version that told no logins stored none: being in sync counts as one. */
        a->authenticated = json_get_bool(state, "authenticated", a->initialized);
        account_limits_restore(a, state);
        account_audit_restore(a, state);
    }
    a->load_boxes = store_mailboxes_start(a->as->store, &a->acct, on_boxes, a);
}

static void load_begin(struct account *a)
{
    a->phase = ACCOUNT_PHASE_LOADING;
    a->reload = true;
    a->threads.map_changes = (uint64_t)++a->as->loads << 32;
    a->load = store_account_get_start(a->as->store, str_of(a->acct.id), on_loaded, a);
}

/* --- connecting --- */

static void on_opened(struct imap_open *op ATTR_UNUSED, const struct err *err,
                      struct imap_conn *conn, void *ctx)
{
    struct account *a = ctx;
    a->open = NULL;
    slot_release(a->as, &a->slot);
    if (a->phase != ACCOUNT_PHASE_OPENING) {
        imap_conn_close(&conn);
        loop_defer(a->as->loop, &a->next, on_next);
        return;
    }
    if (err->code != ERR_OK) {
        account_fail(a, err);
        return;
    }
    account_conn_attach(&a->watch, conn);
    account_server_note(a, conn);
    a->phase = ACCOUNT_PHASE_ONLINE;
    a->connected_ms = loop_now_ms(a->as->loop);
    a->settled = false;
    account_tell_login(a);
    account_watch_begin(a);
}

static void on_slot(struct slot_wait *w)
{
    struct account *a = container_of(w, struct account, slot);
    struct arena arena = {0};
    struct imap_conn_params params;
    struct err err = {0};
    a->phase = ACCOUNT_PHASE_OPENING;
    if (account_imap_params(&arena, a->as, a->record, &params, &err)) {
        account_limits_params(a, &params);
        account_traffic_params(a, &params);
        a->open = imap_open_start(a->as->net, &params, OPEN_MS, on_opened, a);
    } else {
        slot_release(a->as, &a->slot);
        account_fail(a, &err);
    }
    arena_fini(&arena);
}

/* The store is back, and the connection lived on: it is where the account continues. */
static bool resume(struct account *a)
{
    if (!a->parked) {
        return false;
    }
    a->parked = false;
    if (a->watch.conn == NULL || !imap_conn_is_open(a->watch.conn)) {
        account_conn_close(&a->watch);
        return false;
    }
    a->phase = ACCOUNT_PHASE_ONLINE;
    sync_live_reset(&a->watch.live);
    account_watch_begin(a);
    return true;
}

static void connect_begin(struct account *a)
{
    const char *off = account_is_off(a->record);
    a->paused = false;
    if (off != NULL || account_limits_gave_up(a)) {
        a->phase = ACCOUNT_PHASE_WAITING;
        a->parked = false;
        account_conn_close(&a->watch);
        account_set_state(a, account_is_unset(a->record) ? "unset" : "disconnected");
        return;
    }
    if (resume(a)) {
        return;
    }
    int64_t wait_ms = account_limits_wait_ms(a);
    if (wait_ms > 0) {
        struct err why = {.code = a->limits.barred_by};
        account_set_state(a, account_reaction_get(&why)->state);
        account_wait(a, wait_ms);
        return;
    }
    if (a->as->held) {
        account_wait(a, STORE_WAIT_MS); /* what it finds could not be stored */
        return;
    }
    account_set_state(a, "connecting");
    a->phase = ACCOUNT_PHASE_QUEUED;
    slot_request(a->as, account_host(a), &a->slot, on_slot);
}

/* --- control --- */

void account_start(struct account *a)
{
    CHECK(a->phase == ACCOUNT_PHASE_STOPPED);
    load_begin(a);
}

/* Operations end on their own turn; look again until the last one has. */
static void on_stop_poll(struct timer *t)
{
    stop_check(container_of(t, struct account, stop_poll));
}

static void stop_check(struct account *a)
{
    if (a->phase != ACCOUNT_PHASE_STOPPING || !is_quiet(a)) {
        if (a->phase == ACCOUNT_PHASE_STOPPING && !timer_is_set(&a->stop_poll)) {
            timer_set(a->as->loop, &a->stop_poll, 5, on_stop_poll);
        }
        return;
    }
    struct err why = {0};
    (void)err_set(&why, ERR_UNAVAILABLE, "the account was closed");
    timer_stop(&a->stop_poll);
    account_streams_end(a, &why);
    a->phase = ACCOUNT_PHASE_STOPPED;
    account_news_free(a);
    accounts_stop_cb *cb = a->on_stopped;
    cb(a->stop_ctx);
}

static void stop_now(struct account *a)
{
    struct err why = {0};
    (void)err_set(&why, ERR_UNAVAILABLE, "the account is being closed");
    bool was_stopped = a->phase == ACCOUNT_PHASE_STOPPED;
    a->phase = ACCOUNT_PHASE_STOPPING;
    a->outdated = true; /* from now on another node may write it */
    if (!was_stopped) {
        account_shut(a, &why);
    }
    account_flush_fail(a, &why);
    loop_defer(a->as->loop, &a->next, on_next);
}

void account_stop(struct account *a, accounts_stop_cb *cb, void *ctx)
{
    a->on_stopped = cb;
    a->stop_ctx = ctx;
    account_close(a, stop_now);
}

static void reload_now(struct account *a)
{
    struct err why = {0};
    (void)err_set(&why, ERR_UNAVAILABLE, "the account's settings changed");
    if (a->phase == ACCOUNT_PHASE_STOPPING || a->phase == ACCOUNT_PHASE_STOPPED) {
        return;
    }
    a->phase = ACCOUNT_PHASE_WAITING;
    account_shut(a, &why);
    a->reload = true;
    a->outdated = true;
    account_backoffs_reset(a);
    account_wait(a, 0);
}

void account_reload(struct account *a)
{
    if (a->close_then != stop_now && a->phase != ACCOUNT_PHASE_STOPPING &&
        a->phase != ACCOUNT_PHASE_STOPPED) {
        a->reload = a->outdated = true; /* what was connected may take a while to end */
        account_close(a, reload_now);
    }
}

void account_reconnect(struct account *a)
{
    account_reload(a);
}

void account_sync_now(struct account *a)
{
    if (a->phase == ACCOUNT_PHASE_ONLINE) {
        a->list_due = a->inbox_due = true;
        for (size_t i = 0; i < a->table.count; i++) {
            if (account_syncs(a, a->table.items[i])) {
                account_pending_add(a, a->table.items[i]->box);
            }
        }
        loop_defer(a->as->loop, &a->next, on_next);
    }
}

/* --- what others ask --- */

const char *account_id(const struct account *a)
{
    return a->acct.id;
}

const struct store_acct *account_store_acct(const struct account *a)
{
    return &a->acct;
}

const char *account_state(const struct account *a)
{
    return a->state;
}

const struct err *account_last_err(const struct account *a)
{
    static const struct err none = {.code = ERR_OK};
    return a->last_err != NULL ? a->last_err : &none;
}

size_t account_connection_count(const struct account *a)
{
    size_t n = a->watch.conn != NULL ? 1 : 0;
    for (size_t i = 0; i < ARRAY_LEN(a->work); i++) {
        n += a->work[i] != NULL && a->work[i]->c.conn != NULL ? 1 : 0;
    }
    return n;
}

int64_t account_last_err_at_ms(const struct account *a)
{
    return a->last_err_at_ms;
}

json_t *account_record(const struct account *a)
{
    /* An old one must not be shown as current. */
    return a->outdated || a->refresh != NULL ? NULL : a->record;
}

struct mailbox_table *account_mailboxes(struct account *a)
{
    return &a->table;
}

struct mailbox *account_mailbox_by_path(struct account *a, struct str path)
{
    if (path.len > 0 && path.ptr[0] == '\\') {
        struct arena arena = {0};
        const char *use = arena_strndup(&arena, path.ptr, path.len);
        struct mailbox *m = str_ieq_c(path, "\\Inbox")
                                ? mailbox_table_inbox(&a->table)
                                : mailbox_table_by_use(&a->table, use);
        arena_fini(&arena);
        return m;
    }
    if (str_ieq_c(path, "INBOX")) {
        return mailbox_table_inbox(&a->table);
    }
    for (size_t i = 0; i < a->table.count; i++) {
        if (str_eq_c(path, a->table.items[i]->path)) {
            return a->table.items[i];
        }
    }
    return NULL;
}

struct mailbox *account_mailbox_by_number(struct account *a, uint32_t number)
{
    return mailbox_table_by_number(&a->table, number);
}

void account_mailbox_touch(struct account *a, struct mailbox *m)
{
    if (m->box == a->watch_box && account_can_idle(a)) {
        return; /* the watching connection hears of it */
    }
    if (!account_syncs(a, m)) {
        return;
    }
    account_pending_add(a, m->box);
    loop_defer(a->as->loop, &a->next, on_next);
}

void account_mailboxes_refresh(struct account *a)
{
    a->list_due = true;
    loop_defer(a->as->loop, &a->next, on_next);
}
