/* The initial index: from the newest message to the oldest, by sequence number, in chunks.
 *
 *   chunk:  fetching ──tagged reply──► ended ──its turn──► committing ──last slice──► free
 *
 * Two chunks are asked for at a time, so that the server never waits for us, and a third
 * may be on its way into the store; nothing more is asked for before the oldest of them is
 * stored. Chunks are committed in the order they were asked for: low_uid is where a walk
 * that was cut off goes on. UIDs at or above start_uid are left to the incremental pass
 * that follows at once: they are new mail. Messages not walked yet can only move to lower
 * sequence numbers, so an expunge meanwhile makes a chunk overlap with what is done, never
 * leaves a hole. */
#include "sync_priv.h"

#include "postrider/base/check.h"
#include "postrider/base/clock.h"
#include "postrider/base/mem.h"

#include <stdio.h>

/* Rows fetched by one command, in batches: a server starts every command anew, which costs
 * more than the memory of a few thousand rows. As many are stored by one commit, as long as
 * no more than a batch of them is told of. */
enum {
    WALK_BATCHES = 5,
    WALK_FETCHES = 2,
    WALK_REPEATS = 4 /* times a chunk's rows; changes of flags come in between */
};

static struct sync_pass *pass_of(struct op *op)
{
    return container_of(op, struct sync_pass, op);
}

/* --- fetching --- */

static struct sync_walk_chunk *chunk_at(struct sync_pass *p, size_t i)
{
    return &p->chunks[(p->chunk_first + i) % SYNC_WALK_CHUNKS];
}

static struct sync_walk_chunk *chunk_of(struct sync_pass *p, const struct imap_fetch *op)
{
    for (size_t i = 0; i < p->chunk_count; i++) {
        if (chunk_at(p, i)->fetch == op) {
            return chunk_at(p, i);
        }
    }
    CHECK(false);
    return NULL;
}

static size_t fetching(struct sync_pass *p)
{
    size_t n = 0;
    for (size_t i = 0; i < p->chunk_count; i++) {
        n += chunk_at(p, i)->fetch != NULL;
    }
    return n;
}

static void on_walk_row(struct imap_fetch *op, const struct imap_row *row, void *ctx)
{
    struct sync_pass *p = ctx;
    const uint32_t need = IMAP_ITEM_UID | IMAP_ITEM_FLAGS;
    if ((row->has & need) != need || row->uid >= p->m->low_uid ||
        row->uid < sync_first_uid(p->m)) {
        return;
    }
    struct sync_batch *b = &chunk_of(p, op)->batch;
    if (b->new_count >= (size_t)p->sc.batch_messages * WALK_BATCHES * WALK_REPEATS) {
        struct err err = {0};
        (void)err_set(&err, ERR_PROTOCOL, "the server repeats messages without end");
        sync_pass_fail(p, &err, "index mailbox");
        return;
    }
    /* After a reset all of it was announced in the epoch before. */
    bool announce = p->m->epoch == 0 && (row->has & IMAP_ITEM_INTERNALDATE) != 0 &&
                    sync_announces(&p->sc, row);
    sync_batch_new(b, p->m, row, announce);
}

static void on_walk_end(struct imap_fetch *op, const struct err *err, void *ctx)
{
    struct sync_pass *p = ctx;
    chunk_of(p, op)->fetch = NULL;
    if (err->code != ERR_OK && err->code != ERR_NO) {
        sync_pass_fail(p, err, "index mailbox");
        return;
    }
    p->refused = p->refused || err->code == ERR_NO;
    sync_pass_run(p);
}

static void walk_fetch(struct sync_pass *p)
{
    static const struct imap_fetch_events events = {.on_row = on_walk_row,
                                                    .on_end = on_walk_end};
    uint32_t last = sync_pass_last(p), below = p->live->below;
    uint32_t hi = p->walk_hi < last ? p->walk_hi : last;
    uint32_t rows = p->sc.batch_messages * WALK_BATCHES;
    if (hi <= below) {
        p->walk_hi = 0;
        return;
    }
    uint32_t lo = hi - below > rows ? hi - rows + 1 : below + 1;
    p->walk_hi = lo - 1 > below ? lo - 1 : 0;
    char set[40];
    (void)snprintf(set, sizeof set, "%u:%u", lo, hi);
    struct imap_fetch_params params = {
        .set = str_of(set), .items = sync_row_items(p->conn), .many = true};
    struct sync_walk_chunk *chunk = chunk_at(p, p->chunk_count++);
    sync_pass_command(p);
    chunk->told = p->live->told;
    chunk->fetch = imap_fetch_start(p->conn, &params, SYNC_COMMAND_MS, &events, p);
}

void sync_walk_cancel(struct sync_pass *p)
{
    for (size_t i = 0; i < p->chunk_count; i++) {
        imap_fetch_cancel(chunk_at(p, i)->fetch);
    }
}

void sync_walk_fini(struct sync_pass *p)
{
    for (size_t i = 0; i < SYNC_WALK_CHUNKS; i++) {
        sync_batch_fini(&p->chunks[i].batch);
    }
}

/* --- resuming --- */

static void on_counted(struct imap_search *op ATTR_UNUSED, const struct err *err,
                       const struct imap_search_result *result, void *ctx)
{
    struct sync_pass *p = ctx;
    p->search = NULL;
    if (err->code != ERR_OK) {
        sync_pass_fail(p, err, "resume the index");
        return;
    }
    uint64_t left = result->has_count ? result->count : imap_set_count(&result->set);
    p->walk_hi = left < UINT32_MAX ? (uint32_t)left : UINT32_MAX;
    p->walk_counted = true;
    sync_pass_run(p);
}

/* Messages below low_uid are those with the lowest sequence numbers: their count is where
 * the walk goes on. */
static void walk_count(struct sync_pass *p)
{
    if (p->m->low_uid <= 1 || p->sc.fast) {
        p->walk_counted = true;
        p->walk_hi = 0;
        return;
    }
    if (p->m->count == 0) {
        p->walk_counted = true;
        p->walk_hi = sync_pass_last(p);
        return;
    }
    char criteria[32];
    (void)snprintf(criteria, sizeof criteria, "UID 1:%u", p->m->low_uid - 1);
    struct imap_search_params params = {.criteria = str_of(criteria), .by_uid = true};
    sync_pass_command(p);
    p->search = imap_search_start(p->conn, &params, SYNC_SEARCH_MS, on_counted, p);
}

/* --- commits --- */

static void walk_commit_slice(struct sync_pass *p);

static void on_walk_committed(struct store_commit *op ATTR_UNUSED, const struct err *err,
                              void *ctx)
{
    struct sync_pass *p = ctx;
    p->commit = NULL;
    if (err->code != ERR_OK) {
        p->flushing = false;
        sync_pass_fail(p, err, "store the index");
        return;
    }
    if (p->new_at > 0 && !p->canceled) {
        walk_commit_slice(p);
        return;
    }
    p->flushing = false;
    if (p->chunk_count > 0) {
        sync_batch_clear(&chunk_at(p, 0)->batch);
        p->chunk_first = (p->chunk_first + 1) % SYNC_WALK_CHUNKS;
        p->chunk_count--;
    }
    sync_pass_run(p);
}

/* Is this the chunk that ends the walk? */
static bool is_last(const struct sync_pass *p)
{
    return p->chunk_count <= 1 && p->walk_hi == 0;
}

/* Where the slice begins that ends at new_at: a commit takes few events, but the rows of as
 * many messages as were asked for. */
static size_t slice_begin(const struct sync_pass *p, const struct sync_batch *b,
                          size_t *events_out)
{
    size_t most = (size_t)p->sc.batch_messages * WALK_BATCHES, events = 0;
    size_t lowest = p->new_at > most ? p->new_at - most : 0, at = p->new_at;
    while (at > lowest && events + b->news[at - 1].announce <= p->sc.batch_messages) {
        events += b->news[--at].announce;
    }
    *events_out = events;
    return at;
}

/* The newest rows of the oldest chunk that are not stored yet; new_at is where they end.
 * The last slice of the last chunk makes the mailbox live. */
static void walk_commit_slice(struct sync_pass *p)
{
    const struct sync_batch *b = &chunk_at(p, 0)->batch;
    struct mailbox *m = p->m;
    size_t most_events, event_count = 0;
    size_t begin = slice_begin(p, b, &most_events), count = p->new_at - begin;
    struct msg_row *rows = mem_array(count, sizeof *rows);
    struct event *events = mem_array(most_events, sizeof *events);
    for (size_t i = 0; i < count; i++) {
        const struct sync_new_row *row = &b->news[begin + i];
        rows[i] = row->row;
        if (row->announce) {
            sync_event_new(&p->sc, m, row, NULL, &events[event_count++]);
        }
    }
    if (count > 0) {
        m->low_uid = rows[0].uid;
    }
    if (begin == 0 && is_last(p)) {
        m->phase = MAILBOX_PHASE_LIVE;
        m->window_floor = sync_window_walked(p);
        m->low_uid = p->sc.fast ? m->start_uid : 1;
        m->last_uid = m->start_uid - 1;
        m->srv_uid_next = m->start_uid;
        m->highest_modseq = m->start_modseq;
        m->last_full_ms = clock_wall_ms();
    }
    p->result.added += (uint32_t)count;
    p->new_at = begin;
    struct mailbox_change change = {.upserts = rows, .upsert_count = count};
    sync_pass_commit(p, &change, events, event_count, 0, on_walk_committed);
    mem_free(events);
    mem_free(rows);
}

/* Rows that the chunk before had already, because of an expunge between the two, are left
 * out. */
static void walk_commit_chunk(struct sync_pass *p)
{
    struct sync_batch *b = &chunk_at(p, 0)->batch;
    sync_batch_sort(b, p->m);
    while (b->new_count > 0 && b->news[b->new_count - 1].row.uid >= p->m->low_uid) {
        b->new_count--;
    }
    if (b->new_count > 0) {
        /* Now and then a server tells of a flag before it is asked for the message. */
        sync_live_forget(
            p->live, chunk_at(p, 0)->told,
            (struct imap_range){b->news[0].row.uid, b->news[b->new_count - 1].row.uid});
    }
    p->flushing = true;
    p->new_at = b->new_count;
    walk_commit_slice(p);
}

static enum step walk_ended(struct sync_pass *p)
{
    if (p->commit != NULL) {
        return STEP_WAIT;
    }
    /* What happened during the walk is found by comparing, as after any absence. */
    p->compare_all = true;
    p->first_new_uid = p->m->start_uid;
    sync_pass_enter(p, p->m->rebuild != 0 ? PASS_STATE_REBUILD : PASS_STATE_NEW);
    p->uid_next = 0;
    return STEP_MORE;
}

enum step sync_walk_step(struct op *op)
{
    struct sync_pass *p = pass_of(op);
    if (p->m->phase == MAILBOX_PHASE_LIVE) {
        return walk_ended(p);
    }
    if (!p->walk_counted) {
        if (p->search == NULL) {
            walk_count(p);
        }
        return p->walk_counted ? STEP_MORE : STEP_WAIT;
    }
    while (p->walk_hi > 0 && p->chunk_count < SYNC_WALK_CHUNKS &&
           fetching(p) < WALK_FETCHES) {
        walk_fetch(p);
    }
    bool due = p->chunk_count > 0 ? chunk_at(p, 0)->fetch == NULL : p->walk_hi == 0;
    if (due && !p->flushing) {
        walk_commit_chunk(p);
    }
    return STEP_WAIT;
}

/* --- beginning --- */

static void on_begun(struct store_commit *op ATTR_UNUSED, const struct err *err,
                     void *ctx)
{
    struct sync_pass *p = ctx;
    p->commit = NULL;
    if (err->code != ERR_OK) {
        sync_pass_fail(p, err, "store the mailbox");
        return;
    }
    sync_pass_enter(p, PASS_STATE_WALK);
    sync_pass_run(p);
}

static void commit_begin(struct sync_pass *p, uint32_t uid_next)
{
    struct mailbox *m = p->m;
    const struct imap_selected *now = imap_conn_selected(p->conn);
    struct mailbox_change change = {0};
    struct event event;
    bool fresh = m->phase == MAILBOX_PHASE_GONE; /* a name that has a mailbox again */
    size_t events =
        sync_reset_begin(p, now != NULL ? now->uid_validity : 0, &change, &event);
    if (fresh) {
        sync_event_mailbox_new(&p->sc, m, &event);
        events = 1;
    }
    m->phase = MAILBOX_PHASE_INITIAL;
    m->start_uid = m->low_uid = uid_next;
    m->start_modseq = p->highest_modseq;
    m->highest_modseq = 0;
    m->last_uid = 0;
    m->exists = 0;
    sync_floor_set(p, uid_next);
    sync_pass_commit(p, &change, &event, events,
                     events > 0 ? p->sc.table->next_number : 0, on_begun);
}

static void on_top_row(struct imap_fetch *op ATTR_UNUSED, const struct imap_row *row,
                       void *ctx)
{
    struct sync_pass *p = ctx;
    if ((row->has & IMAP_ITEM_UID) != 0 && row->uid > p->row_uid) {
        p->row_uid = row->uid;
    }
}

static void on_top_end(struct imap_fetch *op ATTR_UNUSED, const struct err *err,
                       void *ctx)
{
    struct sync_pass *p = ctx;
    p->fetch = NULL;
    if (!op_is_running(&p->op)) {
        return;
    }
    if (err->code != ERR_OK) {
        sync_pass_fail(p, err, "ask for the last UID");
        return;
    }
    p->uid_next = p->row_uid < UINT32_MAX ? p->row_uid + 1 : UINT32_MAX;
    p->row_uid = 0;
    sync_pass_run(p);
}

bool sync_walk_must_ask(struct sync_pass *p)
{
    static const struct imap_fetch_events events = {.on_row = on_top_row,
                                                    .on_end = on_top_end};
    struct imap_fetch_params params = {.set = STR("*"), .items = IMAP_ITEM_UID};
    if (p->uid_next == 0 && p->exists == 0) {
        p->uid_next = 1;
    }
    if (p->uid_next != 0) {
        return false;
    }
    sync_pass_command(p);
    p->fetch = imap_fetch_start(p->conn, &params, SYNC_COMMAND_MS, &events, p);
    return true;
}

void sync_walk_begin(struct sync_pass *p)
{
    p->result.was_initial = true;
    p->walk_counted = false;
    commit_begin(p, p->uid_next);
}
