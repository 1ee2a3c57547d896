/* RECENT: did flags of the newest messages change? For servers without MODSEQ, which would have
 * to be asked for all of them in every pass, but can search well.
 *
 *   rows of the index ──► what to ask (sync_recent_ask.c) ──► searches, all sent at once ─┐
 *                                                                                         │
 *   PREPARE ◄─ none ─┬─ messages whose flags are others now ◄──── all of them answered ◄──┘
 *   CHANGED ◄─ some ─┘ */
#include "sync_priv.h"

enum {
    SEARCH_MS = 20000, /* one that takes longer costs the server too much */
    OFF_MS = 24 * 3600 * 1000
};

static struct sync_pass *pass_of(struct op *op)
{
    return container_of(op, struct sync_pass, op);
}

bool sync_recent_waits(const struct sync_recent *r)
{
    bool waits = r->search != NULL;
    for (size_t i = 0; i < r->alone_count; i++) {
        waits = waits || r->alone[i].search != NULL;
    }
    return waits;
}

/* Their callbacks, which still come, find that nobody waits for them. */
void sync_recent_cancel(struct sync_recent *r)
{
    imap_search_cancel(r->search);
    r->search = NULL;
    for (size_t i = 0; i < r->alone_count; i++) {
        imap_search_cancel(r->alone[i].search);
        r->alone[i].search = NULL;
    }
}

void sync_recent_fini(struct sync_recent *r)
{
    buf_fini(&r->found);
}

bool sync_recent_is_worth(const struct sync_pass *p)
{
    const struct sync_live *live = p->live;
    /* Of what was told before, a search does not say how it is now. */
    size_t told = p->batch.flag_count + p->prior.flag_count + live->row_count +
                  live->numbered_count;
    return !p->recent.done && told == 0 && (p->quirks & SYNC_QUIRK_LATE) == 0 &&
           imap_conn_has(p->conn, IMAP_CAP_ESEARCH) &&
           sync_flag_search_is_worth(p->conn, &p->sc, p->m);
}

/* CHANGED asks for the flags of what was found, or, without a search, of all. */
static void go_on(struct sync_pass *p, enum pass_state state)
{
    p->recent.done = true;
    sync_pass_enter(p, state);
    sync_pass_run(p);
}

static void note(struct sync_recent *r, const struct imap_set *found)
{
    if (found->count == 0) {
        return;
    }
    (void)buf_put_c(&r->found, r->found.len > 0 ? "," : "");
    size_t room = r->found.max_bytes - r->found.len;
    r->differs = true;
    r->unnamed = r->unnamed || imap_set_print(&r->found, found, 0, room) < found->count;
}

static void all_answered(struct sync_pass *p)
{
    struct sync_recent *r = &p->recent;
    /* In a window the oldest one is looked at along with the flags. */
    if (r->differs && !r->unnamed && p->m->window_floor == 0) {
        r->uids = arena_str(&p->op.arena, buf_str(&r->found));
    }
    go_on(p, r->differs ? PASS_STATE_CHANGED : PASS_STATE_PREPARE);
}

static void on_answer(struct sync_pass *p, const struct err *err,
                      const struct imap_set *found)
{
    struct sync_recent *r = &p->recent;
    if (!op_is_running(&p->op)) {
        return;
    }
    if (err->code == ERR_NO || err->code == ERR_BAD) {
        if (p->sc.learned != NULL) {
            p->sc.learned->flag_search_off_until_ms =
                loop_now_ms(imap_conn_loop(p->conn)) + OFF_MS;
        }
        sync_recent_cancel(r);
        go_on(p, PASS_STATE_CHANGED);
        return;
    }
    if (err->code != ERR_OK) {
        sync_pass_fail(p, err, "search for flags");
        return;
    }
    note(r, found);
    if (!sync_recent_waits(r)) {
        all_answered(p);
    }
}

static void on_differing(struct imap_search *op, const struct err *err,
                         const struct imap_search_result *result, void *ctx)
{
    struct sync_pass *p = ctx;
    if (p->recent.search == op) {
        p->recent.search = NULL;
        on_answer(p, err, result != NULL ? &result->set : NULL);
    }
}

static void on_alone(struct imap_search *op, const struct err *err,
                     const struct imap_search_result *result, void *ctx)
{
    struct sync_pass *p = ctx;
    struct sync_recent *r = &p->recent;
    for (size_t i = 0; i < r->alone_count; i++) {
        struct sync_recent_alone *a = &r->alone[i];
        if (a->search == op) {
            struct imap_set found = {0};
            if (err->code == ERR_OK) {
                found = sync_recent_differing(&p->op.arena, r, a, &result->set);
            }
            a->search = NULL;
            on_answer(p, err, &found);
            return;
        }
    }
}

static void ask(struct sync_pass *p)
{
    struct sync_recent *r = &p->recent;
    struct imap_search_params params = {
        .criteria = r->criteria, .by_uid = true, .beside = r->alone_count > 0};
    buf_init(&r->found, SYNC_RECENT_MAX * sizeof "4294967295");
    sync_pass_command(p);
    r->search = imap_search_start(p->conn, &params, SEARCH_MS, on_differing, p);
    for (size_t i = 0; i < r->alone_count; i++) {
        params.criteria = r->alone[i].criteria;
        r->alone[i].search = imap_search_start(p->conn, &params, SEARCH_MS, on_alone, p);
    }
}

static void on_rows(struct store_rank *op ATTR_UNUSED, const struct err *err,
                    const struct msg_row *rows, size_t count, void *ctx)
{
    struct sync_pass *p = ctx;
    p->rank = NULL;
    if (!op_is_running(&p->op)) {
        return;
    }
    if (err->code == ERR_OK && sync_recent_is_worth(p) &&
        sync_recent_ask(p, rows, count)) {
        ask(p);
    } else {
        go_on(p, PASS_STATE_CHANGED);
    }
}

enum step sync_recent_step(struct op *op)
{
    struct sync_pass *p = pass_of(op);
    const struct mailbox *m = p->m;
    if (p->rank == NULL && !sync_recent_waits(&p->recent) && p->commit == NULL &&
        !p->flushing) {
        uint32_t first = m->count > SYNC_RECENT_MAX ? m->count - SYNC_RECENT_MAX : 0;
        p->rank = store_rank_start(p->sc.store, p->sc.acct, m, first, SYNC_RECENT_MAX,
                                   on_rows, p);
    }
    return STEP_WAIT;
}
