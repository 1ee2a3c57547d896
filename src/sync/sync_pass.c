/* One pass over one mailbox.
 *
 *   SELECT [FLOOR]► COMPARE ┬(no index)──► WALK (then an incremental pass at once)
 *                        ├─(equal)─────► END
 *                        ├─(live data)─► NEW? ──► PREPARE   (rows that came by themselves
 *                        │                                  are not asked for again)
 *                        └─────────────► NEW ──► CHANGED ──► PREPARE
 *   PREPARE ──► CHECK ──┬─(count agrees)[PROVE]► COMMIT ──► END
 *                       └─► PROBE or SEARCH ──► PREPARE ──► LATE? ──► COMMIT ──► END
 *
 * With QRESYNC the answer to SELECT itself tells what changed, and CHANGED asks nothing.
 * Without CONDSTORE it becomes FLAGS now and then, which searches for all flags, and RECENT
 * in between.
 *
 * What may be trusted: the stored cursor (highest_modseq) moves only in the final commit
 * of a pass that began with SELECT, to the value that SELECT told, and only if nothing
 * else happened meanwhile. last_uid is the highest UID indexed, never more. Every commit
 * may be the last one before a crash: the next pass derives the rest again. */
#include "sync_priv.h"

#include "postrider/base/check.h"
#include "postrider/base/clock.h"
#include "postrider/base/log.h"

#include <stdio.h>

enum {
    UNORDERED_ROWS = 20000 /* kept of rows that cannot be stored before the last came */
};

static const struct step_row steps[PASS_STATE_END + 1];

static struct sync_pass *pass_of(struct op *op)
{
    return container_of(op, struct sync_pass, op);
}

/* --- frame --- */

void sync_pass_enter(struct sync_pass *p, enum pass_state state)
{
    log_at(LOG_TRACE, "sync", "pass", LOG_S("from", steps[p->state].name),
           LOG_S("to", steps[state].name), LOG_I("box", p->m->box));
    p->state = state;
}

static void pass_abort(struct op *op)
{
    struct sync_pass *p = pass_of(op);
    imap_select_cancel(p->select);
    imap_fetch_cancel(p->fetch);
    sync_walk_cancel(p);
    imap_search_cancel(p->search);
    sync_recent_cancel(&p->recent);
    sync_probe_cancel(p->probe);
    sync_flag_search_cancel(p->flag_search);
    sync_rescue_cancel(p->rescue);
    store_scan_cancel(p->scan);
    store_rank_cancel(p->rank);
    sync_rebuild_cancel(p->rebuild);
    store_shadow_cancel(p->floor.held.load);
    timer_stop(&p->move_wait);
}

/* The commit on its way must come back first: it works on our mailbox and answers us. */
static void pass_end_early(struct sync_pass *p)
{
    if (p->commit != NULL) {
        return;
    }
    if (p->failure.code != ERR_OK) {
        pass_abort(&p->op); /* what is asked for beside a commit must not answer later */
        op_fail_err(&p->op, &p->failure);
    } else {
        op_cancel(&p->op);
    }
}

void sync_pass_run(struct sync_pass *p)
{
    if (!op_is_running(&p->op)) {
        return;
    }
    if (p->canceled) {
        pass_end_early(p);
        return;
    }
    int state = (int)p->state;
    while (op_is_running(&p->op) && steps[state].fn(&p->op) == STEP_MORE) {
        state = (int)p->state;
    }
}

void sync_pass_fail(struct sync_pass *p, const struct err *err, const char *doing)
{
    if (!p->canceled) {
        p->failure = *err;
        (void)err_wrap(&p->failure, "%s", doing);
        imap_fetch_cancel(p->fetch);
        p->fetch = NULL;
        sync_walk_cancel(p);
        p->canceled = true;
    }
    sync_pass_run(p);
}

/* NO: some of what was asked for cannot be shown. */
static bool goes_on(struct sync_pass *p, const struct err *err)
{
    if (!op_is_running(&p->op)) {
        return false;
    }
    if (err->code != ERR_OK && err->code != ERR_NO) {
        sync_pass_fail(p, err, "fetch messages");
        return false;
    }
    return true;
}

bool sync_pass_rescued(struct sync_pass *p, const struct err *err)
{
    p->rescue = NULL;
    return goes_on(p, err);
}

bool sync_pass_answered(struct sync_pass *p, const struct err *err)
{
    p->fetch = NULL;
    return goes_on(p, err);
}

static void pass_done(struct op *op)
{
    struct sync_pass *p = pass_of(op);
    p->cb(p, &op->err, &p->result, p->ctx);
}

static void pass_fini(struct op *op)
{
    struct sync_pass *p = pass_of(op);
    sync_batch_fini(&p->batch);
    sync_batch_fini(&p->prior);
    sync_batch_fini(&p->told);
    sync_walk_fini(p);
    sync_diff_fini(&p->diff);
    timer_stop(&p->move_wait);
    sync_move_plan_fini(&p->moved);
    sync_rebuild_free(&p->rebuild);
    sync_floor_fini(&p->floor);
    sync_recent_fini(&p->recent);
}

static const struct op_type pass_type = {"sync pass", sizeof(struct sync_pass),
                                         pass_abort, pass_done, pass_fini};

void sync_pass_cancel(struct sync_pass *p)
{
    if (p == NULL) {
        return;
    }
    p->canceled = true;
    sync_pass_run(p);
}

bool sync_pass_asks_last(const struct sync_pass *p)
{
    bool asks = p->state == PASS_STATE_RECENT
                    ? sync_recent_waits(&p->recent)
                    : p->state == PASS_STATE_CHANGED && p->fetch != NULL &&
                          !(p->full_flags && p->flags_hi > 0);
    return asks && p->selects && sync_live_is_empty(p->live) &&
           p->m->count + p->batch.new_count == sync_pass_exists(p);
}

uint64_t sync_modseq_of(const struct imap_conn *conn,
                        const struct imap_selected *selected)
{
    bool usable = selected != NULL && !selected->no_modseq &&
                  imap_conn_has(conn, IMAP_CAP_CONDSTORE);
    return usable ? selected->highest_modseq : 0;
}

uint32_t sync_row_items(const struct imap_conn *conn)
{
    uint32_t items =
        IMAP_ITEM_UID | IMAP_ITEM_FLAGS | IMAP_ITEM_INTERNALDATE | IMAP_ITEM_SIZE;
    const struct imap_selected *selected = imap_conn_selected(conn);
    /* Before a mailbox is selected: what it will most likely have. */
    if (selected == NULL ? imap_conn_has(conn, IMAP_CAP_CONDSTORE)
                         : sync_modseq_of(conn, selected) != 0) {
        items |= IMAP_ITEM_MODSEQ;
    }
    if (imap_conn_has(conn, IMAP_CAP_GMAIL)) {
        items |= IMAP_ITEM_GM_MSGID | IMAP_ITEM_GM_LABELS;
    } else if (imap_conn_has(conn, IMAP_CAP_OBJECTID)) {
        items |= IMAP_ITEM_EMAILID;
    }
    return items;
}

void sync_pass_command(const struct sync_pass *p)
{
    if (p->sc.on_command != NULL) {
        p->sc.on_command(p->sc.command_ctx);
    }
}

bool sync_announces(const struct sync_ctx *sc, const struct imap_row *row)
{
    /* INTERNALDATE has whole seconds: the second in which the account began counts. */
    return (row->has & IMAP_ITEM_INTERNALDATE) == 0 ||
           row->internaldate_ms >= sc->notify_from_ms / 1000 * 1000;
}

bool sync_new_content(const struct sync_ctx *sc, const struct mailbox *m,
                      const struct imap_row *row)
{
    bool announce = sync_announces(sc, row);
    if (announce && sc->on_new_row != NULL) {
        char id[EVENT_ID_SIZE];
        sync_event_new_id(sc, m, row->uid, id);
        sc->on_new_row(sc->ctx, m, row, id);
    }
    return announce;
}

void sync_pass_commit(struct sync_pass *p, struct mailbox_change *change,
                      struct event *events, size_t event_count, uint32_t next_number,
                      store_commit_cb *cb)
{
    CHECK(p->commit == NULL);
    change->m = p->m;
    struct store_commit_params params = {.acct = p->sc.acct,
                                         .changes = change,
                                         .change_count = 1,
                                         .events = events,
                                         .event_count = event_count,
                                         .threads = p->facts,
                                         .thread_count = p->fact_count,
                                         .map_changes = p->sc.map_changes,
                                         .next_number = next_number};
    if (!sync_reset_rests(p->m) && !p->outdated) {
        p->m->stored_ms = clock_wall_ms();
    }
    sync_move_plan_put(&p->moved, p->sc.moves, &params);
    /* The commit's own deadline comes first: it must not answer a pass that is gone. */
    op_extend(&p->op, SYNC_PASS_MS);
    p->commit = store_commit_start(p->sc.store, &params, cb, p);
    sync_move_plan_clear(&p->moved);
}

/* --- COMPARE --- */

/* Nothing at all can have happened since the last pass. HIGHESTMODSEQ alone proves
 * nothing about deletes, EXISTS alone misses an arrival and a delete together, and
 * without HIGHESTMODSEQ nothing is known about flags. What went while it was sought where the
 * index begins left no more behind than another count. */
static bool mailbox_is_unchanged(const struct sync_pass *p)
{
    const struct mailbox *m = p->m;
    return p->exists == m->exists && p->exists == sync_pass_last(p) &&
           (m->count + p->live->below == m->exists || p->sc.fast) && p->uid_next != 0 &&
           p->uid_next == m->srv_uid_next && p->highest_modseq == m->highest_modseq &&
           !p->proves && (p->highest_modseq != 0 || p->exists == 0) &&
           sync_batch_is_empty(&p->batch) && sync_live_is_empty(p->live);
}

/* Have all messages above the index to be asked for? Not if the rows that came by
 * themselves account for the whole count; whatever else was said of messages that are not
 * indexed yet cannot be put together with them, and one that is missing would stay hidden
 * below last_uid. */
static bool must_ask_for_new(const struct sync_pass *p)
{
    const struct sync_live *live = p->live;
    const uint32_t last_uid = p->m->last_uid;
    uint64_t news = 0, gone = 0;
    bool clear = live->expunged_count == 0;
    for (size_t i = 0; i < live->arrival_count; i++) {
        news += live->arrivals[i].uid > last_uid;
    }
    if (news == 0) {
        return live->exists_changed;
    }
    for (size_t i = 0; i < live->row_count; i++) {
        clear = clear && live->rows[i].uid <= last_uid;
    }
    for (size_t i = 0; i < live->vanished_count; i++) {
        clear = clear && live->vanished[i].hi <= last_uid;
        gone += live->vanished[i].hi - live->vanished[i].lo + 1;
    }
    return !clear || p->m->count + news != sync_pass_exists(p) + gone;
}

static void take_arrivals(struct sync_pass *p)
{
    for (size_t i = 0; i < p->live->arrival_count; i++) {
        const struct imap_row *row = &p->live->arrivals[i];
        if (row->uid > p->m->last_uid) {
            sync_batch_new(&p->batch, p->m, row, sync_announces(&p->sc, row));
            sync_batch_thread(&p->batch, &p->sc, p->m, row);
        }
    }
}

/* Takes the live data; tells which state follows. */
static enum pass_state take_live(struct sync_pass *p)
{
    struct sync_live *live = p->live;
    sync_numbers_take(p);
    bool fetch_new = live->resync || must_ask_for_new(p);
    if (!fetch_new) {
        take_arrivals(p);
    }
    p->live_alone = !fetch_new;
    p->live_exists = sync_pass_exists(p);
    p->compare_all = live->resync;
    p->expunged_count = live->in_step ? live->expunged_count : 0;
    p->expunged =
        arena_memdup(&p->op.arena, live->expunged, p->expunged_count * sizeof(uint32_t));
    sync_batch_take_live(&p->batch, live);
    sync_live_clear(live);
    /* Numbers and counts say nothing until it is known what lies below. */
    live->resync = live->below_open;
    return fetch_new ? PASS_STATE_NEW : PASS_STATE_PREPARE;
}

static enum step step_compare(struct op *op)
{
    struct sync_pass *p = pass_of(op);
    p->quirks = sync_quirks(p->conn);
    if (!sync_floor_has_index(p->m) && sync_walk_must_ask(p)) {
        return STEP_WAIT;
    }
    if (sync_floor_begin(p)) {
        sync_pass_enter(p, PASS_STATE_FLOOR);
        return STEP_MORE;
    }
    p->first_new_uid = p->m->last_uid + 1;
    switch (p->m->phase) {
    case MAILBOX_PHASE_PARKED:
        if (sync_floor_has_index(p->m)) {
            p->m->phase = MAILBOX_PHASE_INITIAL;
            return STEP_MORE;
        }
        ATTR_FALLTHROUGH;
    case MAILBOX_PHASE_NEW:
    case MAILBOX_PHASE_GONE:
        sync_walk_begin(p);
        return STEP_WAIT;
    case MAILBOX_PHASE_INITIAL:
        p->result.was_initial = true;
        sync_pass_enter(p, PASS_STATE_WALK);
        return STEP_MORE;
    case MAILBOX_PHASE_LIVE:
        break;
    }
    if (p->m->rebuild != 0) {
        sync_pass_enter(p, PASS_STATE_REBUILD);
        return STEP_MORE;
    }
    if (!p->selects) {
        sync_pass_enter(p, take_live(p));
    } else if (mailbox_is_unchanged(p)) {
        p->agrees = true;
        sync_pass_enter(p, PASS_STATE_END);
    } else {
        p->compare_all = true;
        sync_pass_enter(p, PASS_STATE_NEW);
    }
    return STEP_MORE;
}

/* --- NEW --- */

void sync_pass_fetched(struct imap_fetch *op ATTR_UNUSED, const struct err *err,
                       void *ctx)
{
    struct sync_pass *p = ctx;
    p->fetch = NULL;
    if (err->code != ERR_OK && err->code != ERR_NO) {
        sync_pass_fail(p, err, "fetch messages");
        return;
    }
    /* NO with rows before it: some messages went meanwhile (RFC 2180 §4.1.2), or the server
     * cannot show one of them. */
    if (err->code == ERR_NO && p->state == PASS_STATE_NEW) {
        p->refused = true;
    } else if (err->code == ERR_NO) {
        p->refused_changes = true;
    }
    bool more = p->state == PASS_STATE_NEW || (p->full_flags && p->flags_hi > 0);
    sync_pass_enter(p, more ? PASS_STATE_CHANGED : PASS_STATE_PREPARE);
    sync_pass_run(p);
}

static void on_new_row(struct imap_fetch *op ATTR_UNUSED, const struct imap_row *row,
                       void *ctx)
{
    struct sync_pass *p = ctx;
    /* "n:4294967295" always names the last message, whatever its UID (RFC 3501 §6.4.8).
     */
    if ((row->has & IMAP_ITEM_UID) == 0 || row->uid <= p->m->last_uid ||
        (row->has & IMAP_ITEM_FLAGS) == 0) {
        return;
    }
    p->unordered = p->unordered || row->uid <= p->row_uid;
    p->row_uid = row->uid;
    if (p->unordered && p->batch.new_count >= UNORDERED_ROWS) {
        p->refused = true; /* the rest is found by comparing UIDs */
        return;
    }
    sync_batch_new(&p->batch, p->m, row, sync_new_content(&p->sc, p->m, row));
    sync_batch_thread(&p->batch, &p->sc, p->m, row);
    if (!p->unordered) {
        sync_apply_flush(p);
    }
}

/* A UIDNEXT below, or one that more messages did not move, is none to rely on. */
static bool is_nothing_new(const struct sync_pass *p)
{
    return p->selects && p->uid_next != 0 && p->uid_next == p->m->last_uid + 1 &&
           p->exists <= p->m->exists;
}

static enum step step_new(struct op *op)
{
    struct sync_pass *p = pass_of(op);
    static const struct imap_fetch_events events = {.on_row = on_new_row,
                                                    .on_end = sync_pass_fetched};
    if (p->fetch != NULL) {
        return STEP_WAIT;
    }
    if (is_nothing_new(p) || p->m->last_uid == UINT32_MAX) {
        sync_pass_enter(p, PASS_STATE_CHANGED);
        return STEP_MORE;
    }
    char set[40];
    (void)snprintf(set, sizeof set, "%u:4294967295", p->m->last_uid + 1);
    struct imap_fetch_params params = {.by_uid = true,
                                       .set = str_of(set),
                                       .items =
                                           sync_row_items(p->conn) | p->sc.new_items};
    sync_batch_take_rows(&p->batch, p->live);
    sync_pass_command(p);
    p->fetch = imap_fetch_start(p->conn, &params, SYNC_COMMAND_MS, &events, p);
    return STEP_WAIT;
}

/* --- END --- */

static enum step step_end(struct op *op)
{
    struct sync_pass *p = pass_of(op);
    p->m->suspect = p->m->suspect && !(p->proves && p->compared);
    sync_behind_forget(p);
    if (p->agrees || p->selects || p->compared) {
        p->live->in_step = p->agrees;
    }
    op_complete(op);
    return STEP_DONE;
}

static const struct step_row steps[PASS_STATE_END + 1] = {
    [PASS_STATE_SELECT] = {"select", sync_select_step},
    [PASS_STATE_DOUBT] = {"doubt", sync_behind_step},
    [PASS_STATE_FLOOR] = {"floor", sync_floor_step},
    [PASS_STATE_COMPARE] = {"compare", step_compare},
    [PASS_STATE_WALK] = {"walk", sync_walk_step},
    [PASS_STATE_REBUILD] = {"rebuild", sync_rebuild_step},
    [PASS_STATE_NEW] = {"new", step_new},
    [PASS_STATE_CHANGED] = {"changed", sync_changed_step},
    [PASS_STATE_RECENT] = {"recent", sync_recent_step},
    [PASS_STATE_FLAGS] = {"flags", sync_compare_flags},
    [PASS_STATE_PREPARE] = {"prepare", sync_apply_prepare},
    [PASS_STATE_CHECK] = {"check", sync_apply_check},
    [PASS_STATE_PROVE] = {"prove", sync_compare_prove},
    [PASS_STATE_PROBE] = {"probe", sync_compare_probe},
    [PASS_STATE_SEARCH] = {"search", sync_compare_search},
    [PASS_STATE_LATE] = {"late", sync_compare_late},
    [PASS_STATE_COMMIT] = {"commit", sync_apply_commit},
    [PASS_STATE_END] = {"end", step_end},
};

struct sync_pass *sync_pass_start(struct imap_conn *conn, const struct sync_ctx *sc,
                                  struct mailbox *m, struct sync_live *live, bool select,
                                  sync_pass_cb *cb, void *ctx)
{
    struct sync_pass *p = op_new(imap_conn_loop(conn), &pass_type, SYNC_PASS_MS);
    select = select || sync_must_select(conn, m);
    p->conn = conn;
    p->sc = *sc;
    if (p->sc.batch_messages > STORE_COMMIT_EVENTS) {
        p->sc.batch_messages = STORE_COMMIT_EVENTS; /* each row may be announced */
    }
    p->m = m;
    p->live = live;
    p->selects = select;
    p->cb = cb;
    p->ctx = ctx;
    p->state = select ? PASS_STATE_SELECT : PASS_STATE_COMPARE;
    if (sync_reset_rests(m)) {
        sync_live_reset(live);
        live->changes = 0; /* or the next pass would be due at once */
        p->state = PASS_STATE_END;
    }
    if (!select) {
        p->highest_modseq = sync_modseq_of(conn, imap_conn_selected(conn));
    }
    sync_pass_run(p);
    return p;
}
