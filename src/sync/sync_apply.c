/* From what a pass learned to one commit: PREPARE reads the stored rows concerned and
 * compares, CHECK holds the result against the server's count, COMMIT writes rows, events
 * and cursor. */
#include "sync_priv.h"

#include "postrider/base/check.h"
#include "postrider/base/clock.h"
#include "postrider/base/log.h"
#include "postrider/base/mem.h"

#include <stdlib.h>

/* A server that says more than this went at once is asked again, UID by UID (mass-delete
 * guard). */
enum {
    VANISH_GUARD_MIN = 50,
    VANISH_GUARD_PERCENT = 10,
    MOVE_WAIT_MS = 100,
    MOVE_WAITS = 15
};

static struct sync_pass *pass_of(struct op *op)
{
    return container_of(op, struct sync_pass, op);
}

/* --- PREPARE --- */

/* UIDs that the server has between the last stored row and this one. */
static void late_before(struct sync_pass *p, uint32_t uid)
{
    const struct imap_set *set = &p->server_uids;
    while (p->server_at < set->count) {
        const struct imap_range *r = &set->ranges[p->server_at];
        uint32_t next = p->server_next > r->lo ? p->server_next : r->lo;
        for (; next < uid && next <= r->hi && p->diff.late_count < SYNC_LATE_MAX;
             next++) {
            sync_diff_late(&p->diff, next);
        }
        p->server_next = next;
        if (r->hi >= uid || p->diff.late_count >= SYNC_LATE_MAX) {
            return;
        }
        p->server_at++;
    }
}

static void compare_row(struct sync_pass *p, uint32_t rank, const struct msg_row *row)
{
    const struct sync_flag_row *told = sync_numbers_of(p, rank);
    if (!p->flushing && p->expunged_at < p->expunged_count &&
        p->expunged[p->expunged_at] == rank) {
        p->expunged_at++;
        sync_diff_delete(&p->diff, row);
        return;
    }
    if (p->searched) {
        late_before(p, row->uid);
        p->server_next = row->uid < UINT32_MAX ? row->uid + 1 : row->uid;
        if (!imap_set_has(&p->server_uids, row->uid)) {
            sync_diff_delete(&p->diff, row);
            return;
        }
    }
    if (told != NULL) {
        sync_diff_flags(&p->diff, p->m, row, told);
    } else {
        sync_flags_compare(p, row);
    }
}

static void on_stored_rows(struct store_scan *op ATTR_UNUSED, const struct msg_row *rows,
                           size_t count, void *ctx)
{
    struct sync_pass *p = ctx;
    for (size_t i = 0; i < count; i++) {
        size_t deletes = p->diff.delete_count;
        uint32_t rank = p->scan_rank++;
        compare_row(p, rank, &rows[i]);
        sync_window_row(p, rank, &rows[i], p->diff.delete_count > deletes);
    }
}

static bool is_fetched(const struct sync_batch *b, uint32_t uid)
{
    size_t lo = 0, hi = b->new_count;
    while (lo < hi) {
        size_t mid = (lo + hi) / 2;
        if (b->news[mid].row.uid < uid) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    return lo < b->new_count && b->news[lo].row.uid == uid;
}

static int cmp_uid(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

/* Messages that are neither indexed nor fetched: they appeared below last_uid, or the
 * server did not show them. Flags and a search may both have told of one. */
static void keep_late(struct sync_pass *p, uint32_t top)
{
    struct sync_diff *d = &p->diff;
    size_t kept = 0;
    p->late_more = d->late_count >= SYNC_LATE_MAX;
    if (d->late_count > 1) {
        qsort(d->late, d->late_count, sizeof *d->late, cmp_uid);
    }
    for (size_t i = 0; i < d->late_count; i++) {
        bool again = kept > 0 && d->late[kept - 1] == d->late[i];
        if (d->late[i] >= sync_first_uid(p->m) && d->late[i] <= top && !again &&
            !is_fetched(&p->prior, d->late[i])) {
            d->late[kept++] = d->late[i];
        }
    }
    d->late_count = kept;
}

static void on_scanned(struct store_scan *op ATTR_UNUSED, const struct err *err,
                       void *ctx)
{
    struct sync_pass *p = ctx;
    p->scan = NULL;
    if (err->code != ERR_OK) {
        sync_pass_fail(p, err, "read the index");
        return;
    }
    uint32_t top = sync_compare_top(p);
    if (p->searched) {
        late_before(p, top < UINT32_MAX ? top + 1 : top);
    }
    keep_late(p, top);
    if (p->flushing) {
        p->must_search = p->must_search || p->diff.late_count > 0;
        (void)sync_apply_commit(&p->op);
        return;
    }
    sync_pass_enter(p, PASS_STATE_CHECK);
    sync_pass_run(p);
}

/* The stored rows that the batch can concern. False: none. */
static bool scan_range(struct sync_pass *p, uint32_t *lo, uint32_t *hi)
{
    const struct sync_batch *b = &p->prior;
    *lo = UINT32_MAX;
    *hi = 0;
    if (p->searched || (p->has_flag_sets && !p->flushing)) {
        *lo = 1;
        *hi = UINT32_MAX;
        return p->m->count > 0 || p->searched;
    }
    if (p->expunged_count > 0 && !p->flushing) {
        sync_ranks_widen(p->m, p->expunged[0], p->expunged[p->expunged_count - 1], lo,
                         hi);
    }
    if (p->numbered_count > 0) {
        sync_ranks_widen(p->m, p->numbered[0].number - 1,
                         p->numbered[p->numbered_count - 1].number - 1, lo, hi);
    }
    if (b->flag_count > 0) {
        sync_uids_widen(lo, hi, b->flags[0].uid, b->flags[b->flag_count - 1].uid);
    }
    if (b->vanished_count > 0) {
        sync_uids_widen(lo, hi, b->vanished[0].lo, b->vanished[b->vanished_count - 1].hi);
    }
    p->scan_rank = sync_ranks_begin(p->m, lo);
    return *hi > 0 && p->m->count > 0;
}

/* prior is compared with what is stored; ends in on_scanned, or false if nothing needs
 * it. */
static bool prepare_prior(struct sync_pass *p)
{
    uint32_t lo, hi;
    sync_batch_sort(&p->prior, p->m);
    sync_diff_clear(&p->diff);
    p->scan_rank = 0;
    p->window = (struct sync_window){0};
    p->expunged_at = p->numbered_at = 0;
    p->server_at = 0;
    p->server_next = 0;
    if (!scan_range(p, &lo, &hi)) {
        return false;
    }
    p->scan = store_scan_start(p->sc.store, p->sc.acct, p->m, lo, hi, on_stored_rows,
                               on_scanned, p);
    return true;
}

enum step sync_apply_prepare(struct op *op)
{
    struct sync_pass *p = pass_of(op);
    /* A batch that waits to be stored would end up between what is compared below. */
    if (p->scan != NULL || p->commit != NULL || p->flushing) {
        return STEP_WAIT;
    }
    if (!p->compared) {
        struct sync_batch filled = p->batch;
        p->batch = p->prior;
        p->prior = filled;
        sync_ranks_of_expunges(p->expunged, p->expunged_count);
    }
    if (prepare_prior(p)) {
        return STEP_WAIT;
    }
    sync_pass_enter(p, PASS_STATE_CHECK);
    return STEP_MORE;
}

/* --- CHECK --- */

static bool too_many_vanished(const struct sync_pass *p)
{
    size_t guard = p->m->count * (size_t)VANISH_GUARD_PERCENT / 100;
    guard = guard > VANISH_GUARD_MIN ? guard : VANISH_GUARD_MIN;
    return p->diff.delete_count > guard;
}

/* Deletes that are not believed at once: by number they may be the wrong ones, by UID they
 * may be none, unless the count can be held against them. While more is being told, that is
 * the count of the moment when they were taken. */
static bool is_doubtful(const struct sync_pass *p, bool quiet, uint32_t expected)
{
    if (too_many_vanished(p) || p->must_search || p->refused || sync_window_is_open(p)) {
        return true;
    }
    /* What is gone has no flag in the sets, which is no change of its flags. */
    if (p->has_flag_sets && !p->agrees) {
        return true;
    }
    bool counted = p->live_alone && expected == p->live_exists;
    return quiet ? !p->agrees
                 : (p->expunged_count > 0 || p->diff.delete_count > 0) && !counted;
}

enum step sync_apply_check(struct op *op)
{
    struct sync_pass *p = pass_of(op);
    struct sync_diff *d = &p->diff;
    /* Messages that appeared late were fetched into the batch meanwhile. */
    for (size_t i = 0; i < p->batch.new_count; i++) {
        sync_batch_adopt(&p->prior, &p->batch.news[i]);
    }
    p->batch.new_count = 0;
    if (p->sc.fast) {
        p->agrees =
            sync_live_is_empty(p->live); /* nothing is indexed that could differ */
        sync_pass_enter(p, PASS_STATE_COMMIT);
        return STEP_MORE;
    }
    uint32_t expected =
        p->m->count + (uint32_t)p->prior.new_count - (uint32_t)d->delete_count;
    /* While changes come in, the count cannot be held against anything: the next pass
     * will. */
    bool quiet = sync_live_is_empty(p->live);
    p->agrees = quiet && expected == sync_pass_exists(p);
    if (!p->compared && is_doubtful(p, quiet, expected)) {
        log_at(LOG_DEBUG, "sync", "count differs, comparing UIDs",
               LOG_I("expected", expected), LOG_I("exists", sync_pass_exists(p)),
               LOG_I("box", p->m->box));
        p->claimed = too_many_vanished(p) ? d->delete_count : 0;
        sync_pass_enter(p, sync_compare_state(p));
        return STEP_MORE;
    }
    if (!p->compared && !p->proved && sync_compare_must_prove(p)) {
        sync_pass_enter(p, PASS_STATE_PROVE);
        return STEP_MORE;
    }
    if (p->compared && p->claimed > d->delete_count) {
        sync_vanished_was_false(p);
    }
    if (p->compared && quiet && !p->agrees && d->late_count == 0) {
        sync_floor_doubt(p);
    }
    if (d->late_count > 0 && !p->late_done) {
        p->late_done = true;
        sync_pass_enter(p, PASS_STATE_LATE);
        return STEP_MORE;
    }
    sync_window_settle(p);
    sync_pass_enter(p, PASS_STATE_COMMIT);
    return STEP_MORE;
}

/* --- COMMIT --- */

/* One commit's worth of what was found: it has bounds on events and on segments touched. */
struct slice {
    size_t new_end, change_end, delete_end;
};

static size_t slice_end(size_t at, size_t count, size_t max)
{
    return count - at < max ? count : at + max;
}

static struct slice next_slice(const struct sync_pass *p)
{
    return (struct slice){
        .new_end = slice_end(p->new_at, p->prior.new_count, SYNC_NEW_SLICE),
        .change_end =
            slice_end(p->change_at, p->diff.change_count, SYNC_CHANGE_SLICE / 2),
        .delete_end =
            slice_end(p->delete_at, p->diff.delete_count, SYNC_CHANGE_SLICE / 2)};
}

static bool slice_is_last(const struct sync_pass *p, const struct slice *s)
{
    return s->new_end == p->prior.new_count && s->change_end == p->diff.change_count &&
           s->delete_end == p->diff.delete_count;
}

static size_t first_told(const struct sync_pass *p, const struct slice *s)
{
    size_t first = p->window.passed > p->delete_at ? p->window.passed : p->delete_at;
    return first < s->delete_end ? first : s->delete_end;
}

static struct event *build_events(struct sync_pass *p, const struct slice *s,
                                  size_t *count_out)
{
    const struct sync_batch *b = &p->prior;
    const struct sync_diff *d = &p->diff;
    struct event *events = mem_array(s->new_end - p->new_at + s->change_end -
                                         p->change_at + s->delete_end - p->delete_at,
                                     sizeof *events);
    size_t n = 0;
    for (size_t i = p->new_at; i < s->new_end; i++) {
        struct sync_origin origin;
        if (b->news[i].announce) {
            bool known = sync_move_pair(&p->moved, &p->sc, p->m, b, i, &origin);
            sync_event_new(&p->sc, p->m, &b->news[i], known ? &origin : NULL,
                           &events[n++]);
        }
    }
    for (size_t i = p->change_at; i < s->change_end; i++) {
        sync_event_updated(&p->sc, p->m, &d->changes[i].before, &d->changes[i].after,
                           &events[n++]);
    }
    for (size_t i = first_told(p, s); i < s->delete_end; i++) {
        sync_move_left(&p->moved, &p->sc, p->m, &d->deletes[i]);
        sync_event_deleted(&p->sc, p->m, d->deletes[i].uid, &events[n++]);
    }
    *count_out = n;
    return events;
}

static int cmp_row(const void *a, const void *b)
{
    uint32_t x = ((const struct msg_row *)a)->uid, y = ((const struct msg_row *)b)->uid;
    return (x > y) - (x < y);
}

static struct msg_row *build_rows(const struct sync_pass *p, const struct slice *s,
                                  size_t *count_out)
{
    struct msg_row *rows =
        mem_array(s->new_end - p->new_at + s->change_end - p->change_at, sizeof *rows);
    size_t n = 0;
    for (size_t i = p->new_at; i < s->new_end && !p->sc.fast; i++) {
        rows[n++] = p->prior.news[i].row;
    }
    for (size_t i = p->change_at; i < s->change_end; i++) {
        rows[n++] = p->diff.changes[i].after;
    }
    if (n > 1) {
        qsort(rows, n, sizeof *rows, cmp_row);
    }
    *count_out = n;
    return rows;
}

static uint32_t *build_deletes(const struct sync_pass *p, const struct slice *s,
                               size_t *count_out)
{
    *count_out = s->delete_end - p->delete_at;
    uint32_t *uids = mem_array(*count_out, sizeof *uids);
    for (size_t i = 0; i < *count_out; i++) {
        uids[i] = p->diff.deletes[p->delete_at + i].uid;
    }
    return uids;
}

static int cmp_fact(const void *a, const void *b)
{
    uint32_t x = ((const struct thread_fact *)a)->uid;
    uint32_t y = ((const struct thread_fact *)b)->uid;
    return (x > y) - (x < y);
}

/* What the new ones tell of threads, in rising order: late ones stand behind. */
static struct thread_fact *build_facts(const struct sync_pass *p, const struct slice *s,
                                       size_t *count_out)
{
    struct thread_fact *facts = mem_array(s->new_end - p->new_at, sizeof *facts);
    size_t n = 0;
    for (size_t i = p->new_at; i < s->new_end; i++) {
        if (p->prior.news[i].thread.own != 0) {
            facts[n++] = p->prior.news[i].thread;
        }
    }
    if (n > 1) {
        qsort(facts, n, sizeof *facts, cmp_fact);
    }
    *count_out = n;
    return facts;
}

/* The record's cursors as this pass leaves them; false if they stay as they are stored.
 */
static bool advance_cursors(struct sync_pass *p, const struct slice *s)
{
    struct mailbox *m = p->m;
    const struct sync_batch *b = &p->prior;
    const struct mailbox before = *m;
    for (size_t i = p->new_at; i < s->new_end; i++) {
        m->last_uid = b->news[i].row.uid > m->last_uid ? b->news[i].row.uid : m->last_uid;
        p->live->modseq = b->news[i].row.modseq > p->live->modseq ? b->news[i].row.modseq
                                                                  : p->live->modseq;
    }
    m->low_uid = p->sc.fast ? m->last_uid + 1 : m->low_uid;
    bool ends = !p->flushing && slice_is_last(p, s);
    if (ends && (p->agrees || p->compared)) {
        m->window_floor = p->window.floor;
        sync_floor_note(p);
        uint32_t next = p->selects && p->uid_next != 0 ? p->uid_next : m->last_uid + 1;
        m->srv_uid_next = next > m->srv_uid_next ? next : m->srv_uid_next;
        if (p->selects && p->agrees && !p->refused_changes) {
            m->highest_modseq = p->highest_modseq;
        }
    }
    if (ends && p->full_flags) {
        m->last_full_ms = clock_wall_ms();
    }
    /* last_full_ms alone is worth no write: it goes along with the next. */
    return m->last_uid != before.last_uid || m->exists != before.exists ||
           m->srv_uid_next != before.srv_uid_next ||
           m->window_floor != before.window_floor ||
           m->highest_modseq != before.highest_modseq;
}

/* More messages were missing than are fetched at a time: the rest comes now. */
static enum pass_state after_commit(struct sync_pass *p)
{
    bool more = p->late_more && p->result.added > p->late_added;
    p->late_added = p->result.added;
    if (!more) {
        return PASS_STATE_END;
    }
    p->late_more = p->late_done = p->compared = p->searched = false;
    sync_batch_clear(&p->batch);
    return PASS_STATE_SEARCH;
}

static void batch_is_stored(struct sync_pass *p)
{
    bool flushed = p->flushing;
    p->flushing = false;
    sync_batch_clear(&p->prior);
    sync_diff_clear(&p->diff);
    p->new_at = p->change_at = p->delete_at = 0;
    if (!flushed) {
        sync_pass_enter(p, after_commit(p));
    } else if (p->fetch != NULL) {
        imap_fetch_resume(p->fetch);
        sync_apply_flush(p);
    }
    sync_pass_run(p);
}

static void on_committed(struct store_commit *op ATTR_UNUSED, const struct err *err,
                         void *ctx)
{
    struct sync_pass *p = ctx;
    struct slice done = next_slice(p);
    p->commit = NULL;
    if (err->code != ERR_OK) {
        sync_pass_fail(p, err, "store changes");
        return;
    }
    bool last = slice_is_last(p, &done);
    p->new_at = done.new_end;
    p->change_at = done.change_end;
    p->delete_at = done.delete_end;
    if (last) {
        batch_is_stored(p);
    } else if (op_is_running(&p->op)) {
        (void)sync_apply_commit(&p->op);
    }
}

static void on_move_wait(struct timer *t)
{
    struct sync_pass *p = container_of(t, struct sync_pass, move_wait);
    bool told = p->sc.moves->next_key != p->move_key;
    p->move_waits = told ? MOVE_WAITS : p->move_waits + 1;
    if (op_is_running(&p->op) && p->flushing) {
        (void)sync_apply_commit(&p->op);
    } else {
        sync_pass_run(p);
    }
}

/* A connection may tell of an arrival before another one tells of the removal. Mail that is
 * really new does not look like it was anywhere before, and never waits. */
static bool waits_for_removal(struct sync_pass *p)
{
    if (p->move_waits >= MOVE_WAITS || p->new_at > 0 ||
        (p->move_waits == 0 && !sync_move_awaits(&p->sc, p->m, &p->prior))) {
        return false;
    }
    if (p->move_waits == 0) {
        p->move_key = p->sc.moves->next_key;
    }
    timer_set(p->op.loop, &p->move_wait, MOVE_WAIT_MS, on_move_wait);
    return true;
}

enum step sync_apply_commit(struct op *op)
{
    struct sync_pass *p = pass_of(op);
    if (p->commit != NULL || timer_is_set(&p->move_wait)) {
        return STEP_WAIT;
    }
    if (p->canceled) {
        sync_pass_run(p);
        return STEP_DONE;
    }
    if (!sync_behind_may_store(p)) {
        return STEP_DONE;
    }
    if (waits_for_removal(p)) {
        return STEP_WAIT;
    }
    struct slice slice = next_slice(p);
    size_t event_count, row_count, delete_count;
    struct event *events = build_events(p, &slice, &event_count);
    struct msg_row *rows = build_rows(p, &slice, &row_count);
    uint32_t *deletes = build_deletes(p, &slice, &delete_count);
    p->result.added += (uint32_t)(slice.new_end - p->new_at);
    p->result.updated += (uint32_t)(slice.change_end - p->change_at);
    p->result.deleted += (uint32_t)(slice.delete_end - first_told(p, &slice));
    bool moved = advance_cursors(p, &slice);
    bool idle = !moved && row_count + delete_count == 0;
    if (!idle) {
        struct mailbox_change change = {.upserts = rows,
                                        .upsert_count = row_count,
                                        .deletes = deletes,
                                        .delete_count = delete_count};
        p->facts = build_facts(p, &slice, &p->fact_count);
        sync_pass_commit(p, &change, events, event_count, 0, on_committed);
        mem_free(p->facts);
        p->facts = NULL;
        p->fact_count = 0;
    }
    mem_free(events);
    mem_free(rows);
    mem_free(deletes);
    if (idle && p->flushing) {
        batch_is_stored(p);
    } else if (idle) {
        sync_pass_enter(p, after_commit(p));
        return STEP_MORE;
    }
    return STEP_WAIT;
}

/* --- flush --- */

/* Deletes stay for the end of the pass: only CHECK can tell whether to believe them. */
void sync_apply_flush(struct sync_pass *p)
{
    if (p->batch.new_count + p->batch.flag_count < p->sc.batch_messages &&
        p->batch.arena.used_bytes < SYNC_BATCH_BYTES) {
        return;
    }
    if (p->flushing) {
        imap_fetch_pause(p->fetch);
        return;
    }
    struct sync_batch filled = p->batch;
    p->batch = p->prior;
    p->prior = filled;
    sync_batch_move_vanished(&p->batch, &p->prior);
    p->flushing = true;
    if (!prepare_prior(p)) {
        (void)sync_apply_commit(&p->op);
    }
}
