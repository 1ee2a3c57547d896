/* sync_probe: finds what is missing of a mailbox by asking for a few UIDs.
 *
 *   open gaps ──► FETCH k1,k2,… (UID) ──► ranks of these UIDs ──► smaller gaps ─┐
 *       ▲                                                                        │
 *       └──────────────────────────── some are open still ◄──────────────────────┤
 *                                                              none ──► callback ◄┘
 *
 * Between two sequence numbers whose ranks are known there are as many deletions as the
 * ranks lie farther apart than the numbers. A gap without deletions is closed; one between
 * neighbours holds nothing but deletions; any other is cut in up to seventeen. FETCH by
 * sequence number lets no EXPUNGE through (RFC 3501 §7.4.1), so the numbers hold still. A
 * row that is missing or unknown means they do not: after NOOP all begins anew. Numbers count
 * from the first message of the index on; on the wire those below it come first. */
#include "sync_priv.h"

#include "postrider/base/mem.h"

#include <stdlib.h>

enum {
    CUTS = 16,        /* of one gap */
    POINTS_MAX = 128, /* of one command */
    TRIES = 3,
    ROW_BYTES = 28 /* "* 99999 FETCH (UID 99999)" and its share of the command */
};

/* Sequence numbers lo and hi and the ranks of their UIDs; 0 and server_count + 1 stand for
 * the ends. */
struct gap {
    uint32_t lo, hi;
    int64_t rank_lo, rank_hi;
};

struct point {
    struct sync_probe *probe;
    size_t gap; /* it cuts */
    uint32_t seq, uid;
    int64_t rank;
    uint32_t base; /* rank of the first row that is read for it */
    struct store_rank *reading;
};

enum probe_state {
    PROBE_STATE_FETCH, /* UIDs asked for */
    PROBE_STATE_RANK,  /* their rows are read from the index */
    PROBE_STATE_NOOP   /* what did the server keep to itself? */
};

struct sync_probe {
    struct op op;
    struct sync_probe_params params;
    struct sync_ctx sc;
    enum probe_state state;
    uint32_t tries, rows;
    uint32_t exists; /* in the mailbox, as server_count has it */
    struct gap *gaps;
    size_t gap_count, gap_cap, gaps_cut; /* the first ones are being cut */
    struct point points[POINTS_MAX];
    size_t point_count, reading;
    uint32_t *ranks; /* of what is gone */
    size_t rank_count, rank_cap;
    struct imap_fetch *fetch;
    struct imap_simple *noop;
    struct err err;
    sync_probe_cb *cb;
    void *ctx;
};

static struct sync_probe *probe_of(struct op *op)
{
    return container_of(op, struct sync_probe, op);
}

static void probe_abort(struct op *op)
{
    struct sync_probe *p = probe_of(op);
    imap_fetch_cancel(p->fetch);
    imap_simple_cancel(p->noop);
    for (size_t i = 0; i < p->point_count; i++) {
        store_rank_cancel(p->points[i].reading);
    }
}

static void probe_done(struct op *op)
{
    struct sync_probe *p = probe_of(op);
    p->cb(p, &op->err, p->ranks, p->rank_count, p->ctx);
}

static void probe_fini(struct op *op)
{
    mem_free(probe_of(op)->gaps);
    mem_free(probe_of(op)->ranks);
}

static const struct op_type probe_type = {"sync probe", sizeof(struct sync_probe),
                                          probe_abort, probe_done, probe_fini};

void sync_probe_cancel(struct sync_probe *p)
{
    op_cancel(p != NULL ? &p->op : NULL);
}

/* --- gaps --- */

/* A gap whose ends are known: closed, read off, or to be cut. */
static void put_gap(struct sync_probe *p, struct gap gap)
{
    uint32_t inside = gap.hi - gap.lo - 1;
    if (gap.rank_hi - gap.rank_lo - 1 == inside) {
        return;
    }
    if (inside > 0) {
        p->gaps = sync_grow(p->gaps, p->gap_count, &p->gap_cap, sizeof *p->gaps);
        p->gaps[p->gap_count++] = gap;
        return;
    }
    for (int64_t rank = gap.rank_lo + 1; rank < gap.rank_hi; rank++) {
        p->ranks = sync_grow(p->ranks, p->rank_count, &p->rank_cap, sizeof *p->ranks);
        p->ranks[p->rank_count++] = (uint32_t)rank;
    }
}

static void begin(struct sync_probe *p)
{
    struct gap all = {.hi = p->params.server_count + 1,
                      .rank_lo = -1,
                      .rank_hi = (int64_t)p->params.m->count};
    p->gap_count = p->rank_count = 0;
    put_gap(p, all);
}

static void next_round(struct sync_probe *p);

/* --- what does not fit --- */

static uint32_t exists_now(const struct sync_probe *p)
{
    const struct imap_selected *selected = imap_conn_selected(p->params.conn);
    uint32_t below = p->params.live->below;
    return selected != NULL && selected->exists > below ? selected->exists - below : 0;
}

static void on_noop(struct imap_simple *op ATTR_UNUSED, const struct err *err, void *ctx)
{
    struct sync_probe *p = ctx;
    p->noop = NULL;
    if (!op_is_running(&p->op)) {
        return;
    }
    if (err->code != ERR_OK) {
        op_fail_err(&p->op, err);
        return;
    }
    uint32_t gone = p->exists - exists_now(p);
    if (exists_now(p) > p->exists || gone > p->params.server_count) {
        op_fail(&p->op, ERR_CONFLICT, "messages came and went meanwhile");
        return;
    }
    p->exists -= gone;
    p->params.server_count -= gone;
    begin(p);
    next_round(p);
}

static void surprised(struct sync_probe *p)
{
    if (++p->tries >= TRIES) {
        op_fail(&p->op, ERR_CONFLICT, "the mailbox does not hold still");
        return;
    }
    p->state = PROBE_STATE_NOOP;
    p->noop = imap_noop_start(p->params.conn, SYNC_COMMAND_MS, on_noop, p);
}

/* --- from UIDs to ranks --- */

static int cmp_u32(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

/* Ranks rise with the numbers, and no faster than the ends of their gap allow. */
static bool cut_gap(struct sync_probe *p, size_t *point, size_t gap_at)
{
    struct gap gap = p->gaps[gap_at];
    struct gap part = gap;
    for (; *point < p->point_count && p->points[*point].gap == gap_at; ++*point) {
        const struct point *cut = &p->points[*point];
        part.hi = cut->seq;
        part.rank_hi = cut->rank;
        if (part.rank_hi - part.rank_lo < (int64_t)(part.hi - part.lo)) {
            return false;
        }
        put_gap(p, part);
        part.lo = part.hi;
        part.rank_lo = part.rank_hi;
    }
    part.hi = gap.hi;
    part.rank_hi = gap.rank_hi;
    if (part.rank_hi - part.rank_lo < (int64_t)(part.hi - part.lo)) {
        return false;
    }
    put_gap(p, part);
    return true;
}

static void cut_gaps(struct sync_probe *p)
{
    size_t point = 0, cut = p->gaps_cut;
    for (size_t i = 0; i < cut; i++) {
        if (!cut_gap(p, &point, i)) {
            surprised(p);
            return;
        }
    }
    p->gap_count -= cut;
    memmove(p->gaps, p->gaps + cut, p->gap_count * sizeof *p->gaps);
    next_round(p);
}

static int64_t find_uid(const struct msg_row *rows, size_t count, uint32_t uid)
{
    size_t lo = 0, hi = count;
    while (lo < hi) {
        size_t mid = (lo + hi) / 2;
        if (rows[mid].uid < uid) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    return lo < count && rows[lo].uid == uid ? (int64_t)lo : -1;
}

static void on_segment(struct store_rank *op ATTR_UNUSED, const struct err *err,
                       const struct msg_row *rows, size_t count, void *ctx)
{
    struct point *point = ctx;
    struct sync_probe *p = point->probe;
    point->reading = NULL;
    p->reading--;
    if (err->code != ERR_OK && p->err.code == ERR_OK) {
        p->err = *err;
    } else if (err->code == ERR_OK) {
        int64_t at = find_uid(rows, count, point->uid);
        point->rank = at < 0 ? -1 : at + point->base;
    }
    if (p->reading > 0 || !op_is_running(&p->op)) {
        return;
    }
    if (p->err.code != ERR_OK) {
        op_fail_err(&p->op, &p->err);
        return;
    }
    for (size_t i = 0; i < p->point_count; i++) {
        if (p->points[i].rank < 0) {
            surprised(p);
            return;
        }
    }
    cut_gaps(p);
}

/* The directory tells the one segment that can hold the UID. */
static bool find_segment(const struct mailbox *m, uint32_t uid, uint32_t *base,
                         uint32_t *count)
{
    *base = 0;
    for (size_t i = 0; i < m->segment_count; i++) {
        const struct segment_entry *s = &m->segments[i];
        if (uid <= s->last_uid) {
            *count = s->count;
            return uid >= s->first_uid;
        }
        *base += s->count;
    }
    return false;
}

static void read_ranks(struct sync_probe *p)
{
    const struct mailbox *m = p->params.m;
    uint32_t counts[POINTS_MAX];
    for (size_t i = 0; i < p->point_count; i++) {
        if (!find_segment(m, p->points[i].uid, &p->points[i].base, &counts[i])) {
            surprised(p);
            return;
        }
    }
    p->state = PROBE_STATE_RANK;
    p->reading = p->point_count;
    for (size_t i = 0; i < p->point_count; i++) {
        struct point *point = &p->points[i];
        point->reading = store_rank_start(p->sc.store, p->sc.acct, m, point->base,
                                          counts[i], on_segment, point);
    }
}

/* --- asking --- */

static void on_row(struct imap_fetch *op ATTR_UNUSED, const struct imap_row *row,
                   void *ctx)
{
    struct sync_probe *p = ctx;
    for (size_t i = 0; i < p->point_count; i++) {
        if (p->points[i].seq + p->params.live->below == row->seq) {
            p->points[i].uid = row->uid;
        }
    }
}

static void on_end(struct imap_fetch *op ATTR_UNUSED, const struct err *err, void *ctx)
{
    struct sync_probe *p = ctx;
    bool complete = true;
    p->fetch = NULL;
    if (!op_is_running(&p->op)) {
        return;
    }
    /* BAD: the numbers are out of range by now. */
    if (err->code != ERR_OK && err->code != ERR_NO && err->code != ERR_BAD) {
        op_fail_err(&p->op, err);
        return;
    }
    for (size_t i = 0; i < p->point_count; i++) {
        complete = complete && p->points[i].uid != 0;
    }
    if (complete && err->code == ERR_OK) {
        read_ranks(p);
    } else {
        surprised(p);
    }
}

static void choose_points(struct sync_probe *p)
{
    p->point_count = p->gaps_cut = 0;
    while (p->gaps_cut < p->gap_count && p->point_count + CUTS <= POINTS_MAX) {
        const struct gap *gap = &p->gaps[p->gaps_cut];
        uint32_t width = gap->hi - gap->lo, inside = width - 1;
        uint32_t cuts = inside < CUTS ? inside : CUTS;
        for (uint32_t i = 1; i <= cuts; i++) {
            uint32_t step = (uint32_t)((uint64_t)width * i / (cuts + 1));
            p->points[p->point_count++] = (struct point){
                .probe = p, .gap = p->gaps_cut, .seq = gap->lo + step, .rank = -1};
        }
        p->gaps_cut++;
    }
}

static void next_round(struct sync_probe *p)
{
    static const struct imap_fetch_events events = {.on_row = on_row, .on_end = on_end};
    if (p->gap_count == 0) {
        /* Gaps are cut in the order in which they were found, not in that of ranks. */
        if (p->rank_count > 1) {
            qsort(p->ranks, p->rank_count, sizeof *p->ranks, cmp_u32);
        }
        op_complete(&p->op);
        return;
    }
    choose_points(p);
    p->rows += (uint32_t)p->point_count;
    if (p->rows > p->params.max_rows) {
        op_fail(&p->op, ERR_LIMIT, "too many messages are gone to look for each");
        return;
    }
    struct buf set = BUF_INIT(16 * POINTS_MAX);
    for (size_t i = 0; i < p->point_count; i++) {
        buf_printf(&set, i > 0 ? ",%u" : "%u", p->points[i].seq + p->params.live->below);
    }
    struct imap_fetch_params params = {.set = buf_str(&set), .items = IMAP_ITEM_UID};
    p->state = PROBE_STATE_FETCH;
    p->fetch = imap_fetch_start(p->params.conn, &params, SYNC_COMMAND_MS, &events, p);
    buf_fini(&set);
}

struct sync_probe *sync_probe_start(const struct sync_probe_params *params,
                                    sync_probe_cb *cb, void *ctx)
{
    struct sync_probe *p =
        op_new(imap_conn_loop(params->conn), &probe_type, SYNC_SEARCH_MS);
    p->params = *params;
    p->sc = *params->sc;
    p->params.sc = &p->sc;
    p->cb = cb;
    p->ctx = ctx;
    p->exists = exists_now(p);
    begin(p);
    next_round(p);
    return p;
}

/* --- is it worth it? --- */

static uint32_t digits(uint32_t n)
{
    uint32_t count = 1;
    for (; n >= 10; n /= 10) {
        count++;
    }
    return count;
}

/* With ESEARCH the answer has a range for each run of UIDs; how many runs a segment can
 * have follows from how far its UIDs reach. */
uint64_t sync_search_bytes(const struct imap_conn *conn, const struct mailbox *m,
                           size_t first, size_t end)
{
    uint64_t uid_bytes = digits(m->last_uid) + 1, runs = 0, count = 0;
    for (size_t i = first; i < end; i++) {
        const struct segment_entry *s = &m->segments[i];
        uint32_t holes = s->last_uid - s->first_uid + 1 - s->count;
        runs += holes < s->count ? holes : s->count;
        runs += i == first || s->first_uid != s[-1].last_uid + 1;
        count += s->count;
    }
    return imap_conn_has(conn, IMAP_CAP_ESEARCH) ? 60 + 2 * uid_bytes * runs
                                                 : uid_bytes * count;
}

uint32_t sync_probe_budget(const struct imap_conn *conn, const struct mailbox *m,
                           uint32_t server_count)
{
    if (server_count == 0 || server_count >= m->count) {
        return 0;
    }
    /* One deletion, or one block of them, takes about 65 rows; scattered ones share. */
    uint64_t gone = m->count - server_count;
    uint64_t alone = 2200 * gone, shared = 1100 * gone + 2000;
    uint64_t probe = alone < shared ? alone : shared,
             search = sync_search_bytes(conn, m, 0, m->segment_count);
    uint64_t rows = 3 * search / 2 / ROW_BYTES;
    return probe >= search ? 0 : rows < UINT32_MAX ? (uint32_t)rows : UINT32_MAX;
}
