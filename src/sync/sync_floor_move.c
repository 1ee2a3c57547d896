/* The index begins elsewhere than it did: what it has below the new beginning is dropped, or what
 * it lacks above is fetched. Another date is told to nobody; that a message went is, also where
 * it would have been dropped. */
#include "sync_priv.h"

#include "postrider/base/mem.h"

#include <stdio.h>

enum {
    DROP_SEGMENTS = 64, /* of one commit, and … */
    DROP_EVENTS = SYNC_CHANGE_SLICE / 2
};

/* --- LIST --- */

static uint32_t first_listed(const struct sync_pass *p)
{
    return p->floor.lowers ? p->floor.target : p->m->segments[0].first_uid;
}

static void on_listed(struct imap_search *op ATTR_UNUSED, const struct err *err,
                      const struct imap_search_result *result, void *ctx)
{
    struct sync_pass *p = ctx;
    struct sync_floor *f = &p->floor;
    p->search = NULL;
    if (err->code != ERR_OK) {
        sync_pass_fail(p, err, "search UIDs");
        return;
    }
    struct imap_set set = {
        .ranges = arena_memdup(&p->op.arena, result->set.ranges,
                               result->set.count * sizeof(struct imap_range)),
        .count = result->set.count};
    sync_uids_from(&set, first_listed(p));
    if (imap_set_count(&set) > f->asked_last) {
        struct err bad = {0};
        (void)err_set(&bad, ERR_PROTOCOL, "the server finds more messages than it has");
        sync_pass_fail(p, &bad, "search UIDs");
        return;
    }
    f->between = set;
    sync_floor_enter(p, f->lowers ? FLOOR_STATE_FETCH : FLOOR_STATE_DROP);
}

enum step sync_floor_list(struct sync_pass *p)
{
    char criteria[40];
    if (p->search != NULL) {
        return STEP_WAIT;
    }
    uint32_t end = p->floor.lowers ? p->m->first_uid : p->floor.target;
    (void)snprintf(criteria, sizeof criteria, "UID %u:%u", first_listed(p), end - 1);
    p->floor.asked_last = sync_pass_last(p);
    struct imap_search_params params = {.criteria = str_of(criteria), .by_uid = true};
    sync_pass_command(p);
    p->search = imap_search_start(p->conn, &params, SYNC_SEARCH_MS, on_listed, p);
    return STEP_WAIT;
}

/* --- DROP --- */

/* Nobody heard yet of what is compared with a former index. */
static bool is_told(const struct sync_pass *p)
{
    return p->m->rebuild == 0;
}

static void on_drop_rows(struct store_scan *op ATTR_UNUSED, const struct msg_row *rows,
                         size_t count, void *ctx)
{
    struct sync_pass *p = ctx;
    struct sync_floor *f = &p->floor;
    for (size_t i = 0; i < count && p->diff.delete_count < DROP_EVENTS; i++) {
        f->uids = sync_grow(f->uids, f->uid_count, &f->uid_cap, sizeof *f->uids);
        f->uids[f->uid_count++] = rows[i].uid;
        if (is_told(p) && !imap_set_has(&f->between, rows[i].uid)) {
            sync_diff_delete(&p->diff, &rows[i]);
        }
    }
}

static uint32_t drop_end(const struct sync_pass *p)
{
    const struct mailbox *m = p->m;
    size_t n = m->segment_count < DROP_SEGMENTS ? m->segment_count : DROP_SEGMENTS;
    uint32_t last = m->segments[n - 1].last_uid;
    return last < p->floor.target ? last : p->floor.target - 1;
}

static void commit_dropped(struct sync_pass *p)
{
    struct sync_floor *f = &p->floor;
    struct event events[DROP_EVENTS];
    size_t told = p->diff.delete_count;
    bool all = told < DROP_EVENTS || f->uid_count == 0;
    uint32_t first = (all ? drop_end(p) : f->uids[f->uid_count - 1]) + 1;
    for (size_t i = 0; i < told; i++) {
        sync_move_left(&p->moved, &p->sc, p->m, &p->diff.deletes[i]);
        sync_event_deleted(&p->sc, p->m, p->diff.deletes[i].uid, &events[i]);
    }
    sync_diff_clear(&p->diff);
    p->result.deleted += (uint32_t)told;
    p->m->first_uid = first > p->m->first_uid ? first : p->m->first_uid;
    struct mailbox_change change = {.deletes = f->uids, .delete_count = f->uid_count};
    sync_pass_commit(p, &change, events, told, 0, sync_floor_stored);
}

static void on_drop_scanned(struct store_scan *op ATTR_UNUSED, const struct err *err,
                            void *ctx)
{
    struct sync_pass *p = ctx;
    p->scan = NULL;
    if (err->code != ERR_OK) {
        sync_pass_fail(p, err, "read the index");
        return;
    }
    if (p->canceled) {
        sync_pass_run(p);
        return;
    }
    commit_dropped(p);
}

enum step sync_floor_drop(struct sync_pass *p)
{
    struct sync_floor *f = &p->floor;
    struct mailbox *m = p->m;
    if (m->segment_count == 0 || m->segments[0].first_uid >= f->target) {
        m->first_uid = f->target;
        if (m->phase == MAILBOX_PHASE_LIVE && m->last_uid < f->target - 1) {
            m->last_uid = f->target - 1; /* what came since, and lies below, is no news */
        }
        f->state = FLOOR_STATE_COUNT;
        return STEP_MORE;
    }
    f->uid_count = 0;
    sync_diff_clear(&p->diff);
    p->scan = store_scan_start(p->sc.store, p->sc.acct, m, 1, drop_end(p), on_drop_rows,
                               on_drop_scanned, p);
    return STEP_WAIT;
}

/* --- FETCH --- */

/* The highest ones that are not indexed yet, rising. */
static void choose_uids(struct sync_pass *p)
{
    struct sync_floor *f = &p->floor;
    const struct imap_set *set = &f->between;
    size_t max = p->sc.batch_messages < SYNC_NEW_SLICE ? p->sc.batch_messages
                                                       : (size_t)SYNC_NEW_SLICE;
    uint64_t end = p->m->first_uid;
    f->uid_count = 0;
    for (size_t i = set->count; i > 0 && f->uid_count < max; i--) {
        const struct imap_range *r = &set->ranges[i - 1];
        uint64_t uid = (uint64_t)r->hi + 1 < end ? (uint64_t)r->hi + 1 : end;
        for (; uid > r->lo && f->uid_count < max; uid--) {
            f->uids = sync_grow(f->uids, f->uid_count, &f->uid_cap, sizeof *f->uids);
            f->uids[f->uid_count++] = (uint32_t)uid - 1;
        }
    }
    for (size_t i = 0; i < f->uid_count / 2; i++) {
        uint32_t low = f->uids[f->uid_count - 1 - i];
        f->uids[f->uid_count - 1 - i] = f->uids[i];
        f->uids[i] = low;
    }
}

static void on_row(void *ctx, const struct imap_row *row)
{
    struct sync_pass *p = ctx;
    struct sync_floor *f = &p->floor;
    if (row->uid >= f->uids[0] && row->uid <= f->uids[f->uid_count - 1] &&
        f->batch.new_count < 2 * f->uid_count) {
        sync_batch_new(&f->batch, p->m, row, false);
        sync_batch_thread(&f->batch, &p->sc, p->m, row);
    }
}

static void commit_fetched(struct sync_pass *p)
{
    struct sync_batch *b = &p->floor.batch;
    sync_batch_sort(b, p->m);
    struct msg_row *rows = mem_array(b->new_count, sizeof *rows);
    struct thread_fact *facts = mem_array(b->new_count, sizeof *facts);
    for (size_t i = 0; i < b->new_count; i++) {
        rows[i] = b->news[i].row;
        if (b->news[i].thread.own != 0) {
            facts[p->fact_count++] = b->news[i].thread;
        }
    }
    p->m->first_uid = p->floor.uids[0];
    p->result.added += (uint32_t)b->new_count;
    p->facts = facts;
    struct mailbox_change change = {.upserts = rows, .upsert_count = b->new_count};
    sync_pass_commit(p, &change, NULL, 0, 0, sync_floor_stored);
    p->facts = NULL;
    p->fact_count = 0;
    mem_free(rows);
    mem_free(facts);
}

static void on_fetched(struct sync_rescue *op ATTR_UNUSED, const struct err *err,
                       void *ctx)
{
    struct sync_pass *p = ctx;
    if (!sync_pass_rescued(p, err)) {
        return;
    }
    if (p->canceled) {
        sync_pass_run(p);
        return;
    }
    commit_fetched(p);
}

enum step sync_floor_fetch(struct sync_pass *p)
{
    struct sync_floor *f = &p->floor;
    if (p->rescue != NULL) {
        return STEP_WAIT;
    }
    sync_batch_clear(&f->batch);
    choose_uids(p);
    if (f->uid_count == 0) {
        p->m->first_uid = f->target;
        f->state = FLOOR_STATE_COUNT;
        return STEP_MORE;
    }
    uint32_t items = sync_row_items(p->conn) |
                     (p->sc.threads ? IMAP_ITEM_ENVELOPE | IMAP_ITEM_REFERENCES : 0);
    sync_pass_command(p);
    p->rescue =
        sync_rescue_start(p->conn, f->uids, f->uid_count, items, on_row, on_fetched, p);
    return STEP_WAIT;
}
