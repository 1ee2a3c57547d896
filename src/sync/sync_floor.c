/* Where does the index of a mailbox begin, and what lies below? A state of the pass, behind
 * SELECT, of accounts that want messages from a date on only.
 *
 *   (another day) ─► FIND ─► TURN ─┬─ up ───► LIST ─► DROP ───┐
 *                                  ├─ down ─► LIST ─► FETCH ──┼─► COUNT ─► STORE ─► DONE
 *                                  ├─ no index yet ───────────┤
 *                                  └─ another UIDVALIDITY ► READ ► COUNT ◄─► HELD ► STORE
 *   (the same)    ─┬─ nothing can have gone since the last pass ─► as it was
 *                  └─ else ─► COUNT ─► DONE
 *
 * The index begins at the lowest UID that SEARCH SINCE finds. It moves step by step, a commit
 * each, and first_uid with it: after a crash the rest follows. What is dropped or added by
 * that is told to nobody. The day is stored last; until then the record has none, for the
 * account may want the former one again before the index came to its end. But what is found not to
 * be there any more, before it is dropped, did not leave the index because of a date.
 *
 * EXISTS and UIDNEXT that rose by the same amount prove that nothing went: what lies below
 * is known without asking. Not so where only the newest messages are shown: for each that goes
 * an older one comes back. */
#include "sync_priv.h"

#include "postrider/base/log.h"
#include "postrider/base/mem.h"

#include "postrider/imap/imap_criteria.h"

#include <stdio.h>

enum {
    COUNT_TRIES = 5,
    DAY_MS = 24 * 3600 * 1000
};

/* The index begins where no date has it. */
static const uint32_t day_of_none = UINT32_MAX;

static struct sync_pass *pass_of(struct op *op)
{
    return container_of(op, struct sync_pass, op);
}

void sync_floor_fini(struct sync_floor *f)
{
    sync_batch_fini(&f->batch);
    sync_held_fini(&f->held);
    mem_free(f->uids);
    *f = (struct sync_floor){0};
}

/* --- is there anything to do? --- */

static uint32_t wanted_day(const struct sync_pass *p)
{
    return p->sc.fast ? 0 : p->sc.table->since_day;
}

bool sync_floor_has_index(const struct mailbox *m)
{
    return m->phase == MAILBOX_PHASE_LIVE || m->phase == MAILBOX_PHASE_INITIAL ||
           (m->phase == MAILBOX_PHASE_PARKED && m->uid_validity != 0 &&
            m->start_uid != 0);
}

static bool is_other_day(const struct sync_pass *p)
{
    return !sync_floor_has_index(p->m) || p->m->since_day != wanted_day(p);
}

/* All of the mailbox is indexed, and shall be. */
static bool is_whole(const struct sync_pass *p)
{
    const struct mailbox *m = p->m;
    return sync_floor_has_index(m) ? m->first_uid <= 1 && m->since_day == wanted_day(p)
                                   : wanted_day(p) == 0;
}

void sync_floor_forget(struct sync_pass *p)
{
    struct sync_live *live = p->live;
    live->first_uid = sync_floor_has_index(p->m) && !p->sc.fast ? p->m->first_uid : 0;
    live->below = 0;
    live->below_open = !is_whole(p);
    live->below_moved = false;
}

static bool nothing_went(const struct sync_pass *p)
{
    const struct mailbox *m = p->m;
    return m->phase == MAILBOX_PHASE_LIVE && p->selects && !p->proves &&
           !p->live->below_moved && m->exists == m->count + m->below &&
           !sync_window_may_hide(p) && p->exists >= m->exists && m->srv_uid_next != 0 &&
           p->uid_next >= m->srv_uid_next &&
           p->uid_next - m->srv_uid_next == p->exists - m->exists;
}

/* Numbers that were noted before counted what may lie below. */
static void open_below(struct sync_live *live)
{
    if (!live->below_open && live->expunged_count + live->numbered_count > 0) {
        live->expunged_count = live->numbered_count = 0;
        live->resync = true;
    }
    live->below_open = true;
}

bool sync_floor_begin(struct sync_pass *p)
{
    struct sync_floor *f = &p->floor;
    struct sync_live *live = p->live;
    if (f->begun) {
        return false;
    }
    if (is_whole(p)) {
        live->first_uid = live->below = 0;
        live->below_open = false;
        return false;
    }
    if ((p->selects || !sync_floor_has_index(p->m)) && is_other_day(p)) {
        f->begun = f->moves = true;
        f->day = wanted_day(p);
        f->state = FLOOR_STATE_FIND;
        open_below(live);
        return true;
    }
    if (!live->below_open) {
        return false;
    }
    f->begun = true;
    if (nothing_went(p)) {
        live->below = p->m->below;
        live->below_open = false;
        return false;
    }
    f->target = sync_first_uid(p->m);
    f->state = FLOOR_STATE_COUNT;
    return true;
}

void sync_floor_set(struct sync_pass *p, uint32_t uid_next)
{
    struct mailbox *m = p->m;
    uint32_t first = p->floor.target < uid_next ? p->floor.target : uid_next;
    m->first_uid = first > 1 ? first : 0;
    m->below = p->live->below;
    m->since_day = p->floor.day;
    p->live->first_uid = m->first_uid;
}

/* --- FIND --- */

void sync_floor_enter(struct sync_pass *p, enum floor_state state)
{
    p->floor.state = state;
    sync_pass_run(p);
}

static void on_found(struct imap_search *op ATTR_UNUSED, const struct err *err,
                     const struct imap_search_result *result, void *ctx)
{
    struct sync_pass *p = ctx;
    struct sync_floor *f = &p->floor;
    p->search = NULL;
    if (err->code == ERR_NO || err->code == ERR_BAD) {
        log_at(LOG_INFO, "sync", "no search by date: the whole mailbox is indexed",
               LOG_S("account", p->sc.acct->name), LOG_I("box", p->m->box));
        f->target = 1;
    } else if (err->code != ERR_OK) {
        sync_pass_fail(p, err, "search by date");
        return;
    } else {
        /* What arrives from here on counts, whatever its date: UIDs only rise. */
        uint32_t next = p->uid_next != 0 ? p->uid_next : UINT32_MAX;
        uint32_t first = result->set.count > 0 ? result->set.ranges[0].lo : next;
        f->target = first < next ? first : next;
    }
    sync_floor_enter(p, FLOOR_STATE_TURN);
}

static enum step step_find(struct sync_pass *p)
{
    if (p->search != NULL) {
        return STEP_WAIT;
    }
    uint32_t day = p->floor.day;
    if (day == 0 || sync_pass_last(p) == 0) {
        p->floor.target = 1;
        p->floor.state = FLOOR_STATE_TURN;
        return STEP_MORE;
    }
    struct imap_criteria criteria;
    imap_criteria_init(&criteria);
    imap_criteria_word(&criteria, "SINCE");
    imap_criteria_date(&criteria, (int64_t)day * DAY_MS);
    struct imap_search_params params = {.criteria = buf_str(&criteria.text),
                                        .by_uid = true};
    sync_pass_command(p);
    p->search = imap_search_start(p->conn, &params, SYNC_SEARCH_MS, on_found, p);
    imap_criteria_fini(&criteria);
    return STEP_WAIT;
}

/* --- TURN --- */

/* Whatever lies above is new mail. */
static uint32_t highest_known(const struct mailbox *m)
{
    return m->phase == MAILBOX_PHASE_LIVE ? m->last_uid : m->start_uid - 1;
}

static enum step step_turn(struct sync_pass *p)
{
    struct sync_floor *f = &p->floor;
    struct mailbox *m = p->m;
    if (!sync_floor_has_index(m)) {
        f->state = FLOOR_STATE_READ;
        return STEP_MORE;
    }
    if (p->uid_next == 0 && f->target > highest_known(m)) {
        f->target =
            highest_known(m) + 1; /* nothing was found, and nobody knows UIDNEXT */
    }
    bool earlier = m->since_day != day_of_none && f->day < m->since_day;
    if (earlier && f->target > sync_first_uid(m)) {
        f->target = sync_first_uid(m); /* older mail that came since stays */
    }
    if (f->target < p->live->first_uid) {
        p->live->first_uid = f->target; /* what is said of them counts from now on */
    }
    if (m->phase != MAILBOX_PHASE_LIVE || p->sc.fast) {
        m->first_uid = f->target; /* the walk goes on to there */
        m->low_uid = m->low_uid > f->target ? m->low_uid : f->target;
        m->start_uid = m->start_uid > f->target ? m->start_uid : f->target;
    }
    f->lowers = f->target < sync_first_uid(m);
    bool has_rows = m->segment_count > 0 && m->segments[0].first_uid < f->target;
    f->state = f->lowers || has_rows ? FLOOR_STATE_LIST : FLOOR_STATE_DROP;
    m->since_day = f->state == FLOOR_STATE_LIST ? day_of_none : m->since_day;
    return STEP_MORE;
}

void sync_floor_stored(struct store_commit *op ATTR_UNUSED, const struct err *err,
                       void *ctx)
{
    struct sync_pass *p = ctx;
    p->commit = NULL;
    if (err->code != ERR_OK) {
        sync_pass_fail(p, err, "store where the index begins");
        return;
    }
    sync_pass_run(p);
}

/* --- COUNT --- */

static uint32_t count_below(const struct sync_pass *p,
                            const struct imap_search_result *result)
{
    const struct sync_floor *f = &p->floor;
    uint64_t last = sync_pass_last(p);
    uint64_t count = result->has_count ? result->count : imap_set_count(&result->set);
    if (f->by_rest) {
        struct imap_set rest = result->set;
        sync_uids_from(&rest, f->target);
        uint64_t above = imap_set_count(&rest);
        count = above < last ? last - above : 0;
    }
    return (uint32_t)(count < last ? count : last);
}

static void on_counted(struct imap_search *op ATTR_UNUSED, const struct err *err,
                       const struct imap_search_result *result, void *ctx)
{
    struct sync_pass *p = ctx;
    struct sync_floor *f = &p->floor;
    struct sync_live *live = p->live;
    p->search = NULL;
    if (err->code != ERR_OK) {
        sync_pass_fail(p, err, "count messages");
        return;
    }
    bool moved = live->below_moved || (f->by_rest && f->asked_last != sync_pass_last(p));
    if (moved && ++f->tries < COUNT_TRIES) {
        sync_pass_run(p); /* on which side, only another answer tells */
        return;
    }
    live->below = count_below(p, result);
    live->below_open = moved;
    live->resync = live->resync || moved;
    sync_floor_enter(p,
                     sync_held_may_lie_below(p) ? FLOOR_STATE_HELD : FLOOR_STATE_STORE);
}

static enum step step_count(struct sync_pass *p)
{
    struct sync_floor *f = &p->floor;
    struct sync_live *live = p->live;
    char criteria[40];
    if (p->search != NULL) {
        return STEP_WAIT;
    }
    live->first_uid = f->target;
    live->below_open = true;
    live->below_moved = false;
    f->asked_last = sync_pass_last(p);
    if (f->target <= 1 || f->asked_last == 0) {
        live->below = 0;
        live->below_open = false;
        f->state = FLOOR_STATE_STORE;
        return STEP_MORE;
    }
    /* Without ESEARCH the answer lists them: the shorter list, as far as is known. */
    f->by_rest =
        !imap_conn_has(p->conn, IMAP_CAP_ESEARCH) && f->asked_last / 2 > p->m->count;
    (void)snprintf(criteria, sizeof criteria, "UID %u:%u", f->by_rest ? f->target : 1,
                   f->by_rest ? UINT32_MAX : f->target - 1);
    struct imap_search_params params = {
        .criteria = str_of(criteria), .by_uid = true, .count = !f->by_rest};
    sync_pass_command(p);
    p->search = imap_search_start(p->conn, &params, SYNC_SEARCH_MS, on_counted, p);
    return STEP_WAIT;
}

/* --- STORE --- */

static enum step step_store(struct sync_pass *p)
{
    struct sync_floor *f = &p->floor;
    struct mailbox *m = p->m;
    f->state = FLOOR_STATE_DONE;
    if (!f->moves) {
        return STEP_MORE;
    }
    if (p->live->below == 0 && !p->live->below_open) {
        f->target = 1; /* nothing is below, nor will be */
        p->live->first_uid = 0;
    }
    if (!sync_floor_has_index(m)) {
        return STEP_MORE; /* goes along with its first commit */
    }
    struct mailbox_change change = {0};
    m->first_uid = f->target > 1 ? f->target : 0;
    m->below = p->live->below;
    m->since_day = f->day;
    sync_pass_commit(p, &change, NULL, 0, 0, sync_floor_stored);
    return STEP_WAIT;
}

enum step sync_floor_step(struct op *op)
{
    struct sync_pass *p = pass_of(op);
    if (p->commit != NULL || p->scan != NULL) {
        return STEP_WAIT;
    }
    switch (p->floor.state) {
    case FLOOR_STATE_FIND:
        return step_find(p);
    case FLOOR_STATE_TURN:
        return step_turn(p);
    case FLOOR_STATE_DROP:
        return sync_floor_drop(p);
    case FLOOR_STATE_LIST:
        return sync_floor_list(p);
    case FLOOR_STATE_FETCH:
        return sync_floor_fetch(p);
    case FLOOR_STATE_READ:
        return sync_held_read(p);
    case FLOOR_STATE_COUNT:
        return step_count(p);
    case FLOOR_STATE_HELD:
        return sync_held_look(p);
    case FLOOR_STATE_STORE:
        return step_store(p);
    case FLOOR_STATE_DONE:
        break;
    }
    sync_pass_enter(p, PASS_STATE_COMPARE);
    return STEP_MORE;
}
