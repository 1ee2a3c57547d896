/* A mailbox that went back in time under the same UIDVALIDITY. UIDNEXT and HIGHESTMODSEQ never
 * do that (RFC 9051 §2.3.1.1, RFC 7162 §3.1.2.2), so what SELECT shows is one of two:
 *
 *   a replica that lags     messages we know are missing, and will be there again
 *   another mailbox         with the UIDVALIDITY of the former one (Cyrus 3.6 when one is
 *                           renamed to what another was called in the same second), or an
 *                           old copy that was put back. MAILBOXID proves it, where told
 *
 *   DOUBT: some rows that we have, by UID ──┬─ they are other messages ─► another mailbox
 *                                           └─ the same, or none is there
 *       ├─ UIDs above UIDNEXT are there ─────► the server does not move UIDNEXT: never mind
 *       ├─ not seen for long yet ──────────► the pass fails
 *       ├─ seen before, and still so ──────► it is so: with HIGHESTMODSEQ a reset, which keeps
 *       │                                    what it recognises, else UIDs are compared
 *       └─ any SELECT that shows no such thing ► forgotten
 *
 * HIGHESTMODSEQ may go back alone, without UIDNEXT: the cursor is worth nothing then, because
 * CHANGEDSINCE would miss what changed below it. All flags and UIDs are compared, and if nothing
 * differs the lower cursor is taken: an index that the server built anew, or a replica that lags
 * in nothing that shows. Where something differs, it is believed at once if there are messages
 * that came since, which no older state has; else as above, before any of it is stored.
 *
 * To wait loses nothing: what is missed meanwhile is found by the pass that comes through. */
#include "sync_priv.h"

#include "postrider/base/buf.h"
#include "postrider/base/log.h"
#include "postrider/base/mem.h"

enum {
    FORGET_S = 30 * 60 /* passes that fail are tried again much sooner */
};

static struct sync_pass *pass_of(struct op *op)
{
    return container_of(op, struct sync_pass, op);
}

static bool uid_next_went_back(const struct sync_pass *p, uint32_t uid_next)
{
    const struct mailbox *m = p->m;
    return m->phase == MAILBOX_PHASE_LIVE && m->rebuild == 0 && uid_next != 0 &&
           uid_next <= m->last_uid;
}

static bool is_uid_next_false(const struct sync_pass *p)
{
    return p->sc.learned != NULL && p->sc.learned->false_uid_next;
}

void sync_behind_row(struct sync_pass *p, uint32_t uid)
{
    uint32_t end = p->first_new_uid != 0 ? p->first_new_uid : p->m->last_uid + 1;
    if (p->sc.learned != NULL && p->selects && p->uid_next != 0 && uid >= p->uid_next &&
        uid < end) {
        p->sc.learned->false_uid_next = true;
    }
}

static bool modseq_went_back(const struct sync_pass *p)
{
    const struct mailbox *m = p->m;
    return m->phase == MAILBOX_PHASE_LIVE && m->rebuild == 0 && p->highest_modseq != 0 &&
           p->highest_modseq < m->highest_modseq;
}

/* MAILBOXID alone is not enough: it would have to be the same on all servers behind a name. */
bool sync_behind_is_other(const struct sync_pass *p, const struct imap_selected *selected)
{
    const char *known = p->m->mailbox_id;
    bool differs = known != NULL && selected->mailbox_id.ptr != NULL &&
                   !str_eq_c(selected->mailbox_id, known);
    bool uids = uid_next_went_back(p, selected->uid_next) && !is_uid_next_false(p);
    return differs && (uids || modseq_went_back(p));
}

/* UIDNEXT alone is not enough: some servers never move it. */
bool sync_behind_is(const struct sync_pass *p, const struct imap_selected *selected)
{
    const struct mailbox *m = p->m;
    bool false_uid_next = is_uid_next_false(p);
    if (!uid_next_went_back(p, selected->uid_next)) {
        return modseq_went_back(p);
    }
    if (p->highest_modseq == 0 || m->highest_modseq == 0) {
        return selected->exists < m->exists && !false_uid_next;
    }
    /* Two mailboxes in which little happened are as old as each other. */
    bool both_empty = selected->exists == 0 && m->count == 0 && !false_uid_next;
    return both_empty ? p->highest_modseq <= m->highest_modseq
                      : p->highest_modseq < m->highest_modseq;
}

/* --- for how long? --- */

void sync_learned_fini(struct sync_learned *l)
{
    mem_free(l->behind);
    l->behind = NULL;
    l->behind_count = l->behind_cap = 0;
}

static struct sync_behind *find(struct sync_learned *learned, uint32_t box)
{
    for (size_t i = 0; i < learned->behind_count; i++) {
        if (learned->behind[i].box == box) {
            return &learned->behind[i];
        }
    }
    return NULL;
}

static void forget(struct sync_learned *learned, struct sync_behind *known)
{
    *known = learned->behind[--learned->behind_count];
    if (learned->behind_count == 0) {
        sync_learned_fini(learned);
    }
}

void sync_behind_forget(struct sync_pass *p)
{
    struct sync_learned *learned = p->sc.learned;
    struct sync_behind *known = learned != NULL ? find(learned, p->m->box) : NULL;
    if (known != NULL) {
        forget(learned, known);
    }
}

void sync_behind_not(struct sync_pass *p)
{
    for (size_t i = 0; p->resynced && i < p->batch.flag_count; i++) {
        sync_behind_row(p, p->batch.flags[i].uid);
    }
    sync_behind_forget(p);
}

/* Also what nobody asks for any more: the mailbox was deleted. */
static void forget_old(struct sync_learned *learned, uint32_t now_s)
{
    for (size_t i = learned->behind_count; i > 0; i--) {
        if (now_s - learned->behind[i - 1].seen_s >= FORGET_S) {
            forget(learned, &learned->behind[i - 1]);
        }
    }
}

/* Seen by an earlier pass, on another connection, and so long ago? */
static bool is_confirmed(const struct sync_pass *p)
{
    struct sync_learned *learned = p->sc.learned;
    uint32_t now_s = (uint32_t)(loop_now_ms(p->op.loop) / 1000);
    if (learned == NULL) {
        return true;
    }
    forget_old(learned, now_s);
    struct sync_behind *known = find(learned, p->m->box);
    if (known != NULL) {
        known->seen_s = now_s;
        return (now_s - known->since_s) * (int64_t)1000 >= p->sc.delete_confirm_ms;
    }
    if (learned->behind_count < SYNC_MAILBOXES_MAX) {
        learned->behind = sync_grow(learned->behind, learned->behind_count,
                                    &learned->behind_cap, sizeof *learned->behind);
        learned->behind[learned->behind_count++] =
            (struct sync_behind){p->m->box, now_s, now_s};
    }
    return false;
}

/* --- the state --- */

static void follow(struct sync_pass *p)
{
    sync_behind_forget(p);
    if (sync_reset_follow(p)) {
        sync_selected(p);
    }
}

static void wait_for_another(struct sync_pass *p)
{
    struct err err = {0};
    log_at(LOG_INFO, "sync", "the server shows an older state of a mailbox",
           LOG_S("account", p->sc.acct->name), LOG_I("box", p->m->box),
           LOG_I("uidnext", p->uid_next), LOG_I("last", p->m->last_uid));
    (void)err_set(&err, ERR_CLOSED, "the server shows an older state than before");
    p->result.doubted = true;
    sync_pass_fail(p, &err, "select mailbox");
}

static void decide(struct sync_pass *p)
{
    struct sync_doubt *d = &p->doubt;
    if (d->other > 0 && d->same == 0) {
        follow(p);
        return;
    }
    if (d->beyond || !uid_next_went_back(p, p->uid_next)) {
        d->cursor = modseq_went_back(p) ? p->m->highest_modseq : 0;
        sync_selected(p);
        return;
    }
    if (is_confirmed(p)) {
        if (p->highest_modseq != 0) {
            follow(p);
        } else {
            sync_selected(p);
        }
        return;
    }
    wait_for_another(p);
}

static void on_row(struct imap_fetch *op ATTR_UNUSED, const struct imap_row *row,
                   void *ctx)
{
    struct sync_pass *p = ctx;
    struct sync_doubt *d = &p->doubt;
    d->beyond = d->beyond || ((row->has & IMAP_ITEM_UID) != 0 && p->uid_next != 0 &&
                              row->uid >= p->uid_next);
    for (size_t i = 0; i < d->count; i++) {
        if ((row->has & IMAP_ITEM_UID) != 0 && d->rows[i].uid == row->uid) {
            enum sync_likeness like = sync_row_compare(&d->rows[i], row);
            d->same += like == SYNC_LIKENESS_SAME;
            d->other += like == SYNC_LIKENESS_OTHER;
        }
    }
}

static void on_end(struct imap_fetch *op ATTR_UNUSED, const struct err *err, void *ctx)
{
    struct sync_pass *p = ctx;
    const struct imap_selected *now = imap_conn_selected(p->conn);
    if (!sync_pass_answered(p, err)) {
        return;
    }
    /* What arrived since is above as it should be. */
    p->doubt.beyond = p->doubt.beyond && now != NULL && now->exists == p->exists;
    if (p->doubt.beyond && p->sc.learned != NULL) {
        p->sc.learned->false_uid_next = true;
    }
    decide(p);
}

/* Those, and the last message there is. */
static void ask(struct sync_pass *p)
{
    static const struct imap_fetch_events events = {.on_row = on_row, .on_end = on_end};
    const struct sync_doubt *d = &p->doubt;
    uint32_t uids[SYNC_DOUBT_ROWS];
    struct imap_set set;
    struct buf text = BUF_INIT((SYNC_DOUBT_ROWS + 1) * sizeof "4294967295,");
    for (size_t i = 0; i < d->count; i++) {
        uids[i] = d->rows[i].uid;
    }
    imap_set_from_numbers(&p->op.arena, uids, d->count, &set);
    (void)imap_set_print(&text, &set, 0, text.max_bytes);
    (void)buf_put_c(&text, d->count > 0 ? ",*" : "*");
    struct imap_fetch_params params = {
        .by_uid = true, .set = buf_str(&text), .items = sync_row_items(p->conn)};
    sync_pass_command(p);
    p->fetch = imap_fetch_start(p->conn, &params, SYNC_COMMAND_MS, &events, p);
    buf_fini(&text);
}

static void on_stored(struct store_rank *op ATTR_UNUSED, const struct err *err,
                      const struct msg_row *rows, size_t count, void *ctx)
{
    struct sync_pass *p = ctx;
    struct sync_doubt *d = &p->doubt;
    p->rank = NULL;
    if (!op_is_running(&p->op)) {
        return;
    }
    if (err->code != ERR_OK) {
        sync_pass_fail(p, err, "read the index");
        return;
    }
    for (size_t i = 0; i < count && d->count < SYNC_DOUBT_ROWS; i++) {
        if (rows[i].uid < p->uid_next || p->uid_next == 0) {
            struct msg_row *row = &d->rows[d->count++];
            *row = rows[i];
            row->email_id = arena_str(&p->op.arena, rows[i].email_id);
            row->keywords = NULL;
            row->keyword_count = 0;
        }
    }
    if (d->count > 0 || p->exists > 0) {
        ask(p);
    } else {
        decide(p);
    }
}

/* The lowest ones: of another mailbox these are most likely to be there. */
enum step sync_behind_step(struct op *op)
{
    struct sync_pass *p = pass_of(op);
    if (p->rank != NULL || p->fetch != NULL) {
        return STEP_WAIT;
    }
    p->doubt = (struct sync_doubt){0};
    if (p->m->count == 0) {
        decide(p);
        return STEP_WAIT;
    }
    p->rank =
        store_rank_start(p->sc.store, p->sc.acct, p->m, 0, SYNC_DOUBT_ROWS, on_stored, p);
    return STEP_WAIT;
}

/* --- HIGHESTMODSEQ alone --- */

/* Messages came that were not there when it was looked at before. */
static bool shows_more(const struct sync_pass *p)
{
    const struct mailbox *m = p->m;
    bool more = p->uid_next > p->first_new_uid && p->uid_next > m->srv_uid_next;
    for (size_t i = 0; i < p->prior.new_count && !more; i++) {
        more = p->prior.news[i].row.uid >= p->first_new_uid;
    }
    return more || m->last_uid >= p->first_new_uid;
}

bool sync_behind_may_store(struct sync_pass *p)
{
    bool differs = p->diff.change_count + p->diff.delete_count + p->prior.new_count > 0;
    if (p->doubt.cursor == 0 || !differs || shows_more(p) || is_confirmed(p)) {
        return true;
    }
    p->m->highest_modseq = p->doubt.cursor; /* also if it was given up meanwhile */
    wait_for_another(p);
    return false;
}
