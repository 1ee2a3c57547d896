/* sync_audit: holds the index of a mailbox against the mailbox.
 *
 *   EXAMINE ─► (what lies below the index is counted)
 *           ─► samples: FETCH k1,k2,… (UID FLAGS) ─► rows of these ranks ─┐
 *                 (only if the counts agree)                              │
 *   callback ◄─ rows of the part ◄─ UID SEARCH of a part ◄────────────────┘
 *
 * Where a message is missing and another one is too much, the count agrees; the samples
 * show it as soon as one of them lies between the two, the search in the part that it is
 * about. Samples and part move on with every audit. */
#include "postrider/sync/sync_audit.h"

#include "sync_priv.h"

#include <stdio.h>

enum audit_state {
    AUDIT_STATE_SELECT,
    AUDIT_STATE_COUNT,
    AUDIT_STATE_SAMPLE,
    AUDIT_STATE_RANK,
    AUDIT_STATE_SEARCH,
    AUDIT_STATE_SCAN
};

struct sample {
    struct sync_audit *audit;
    uint32_t rank;
    bool told;
    struct sync_flag_row row; /* as the server has it; in op.arena */
    struct store_rank *reading;
};

struct sync_audit {
    struct op op;
    struct imap_conn *conn;
    struct store *store;
    const struct store_acct *acct;
    struct mailbox *m;
    uint64_t version; /* of the record at the start */
    uint32_t below;   /* messages that the index does not cover */
    struct sync_audit_cursor cursor;
    enum audit_state state;
    struct sync_audit_result result;
    struct sample samples[SYNC_AUDIT_SAMPLES];
    size_t sample_count, reading;
    bool misplaced;       /* another message than the row's is at a rank */
    struct err err;       /* of reading a rank */
    uint32_t lo, hi;      /* the part */
    struct imap_set uids; /* of the server, in the part; in op.arena */
    size_t uid_at;        /* walk position … */
    uint64_t uid_next;    /* … below which all are accounted for */
    struct imap_select *select;
    struct imap_fetch *fetch;
    struct imap_search *search;
    struct store_scan *scan;
    sync_audit_cb *cb;
    void *ctx;
};

static struct sync_audit *audit_of(struct op *op)
{
    return container_of(op, struct sync_audit, op);
}

static void audit_abort(struct op *op)
{
    struct sync_audit *a = audit_of(op);
    imap_select_cancel(a->select);
    imap_fetch_cancel(a->fetch);
    imap_search_cancel(a->search);
    store_scan_cancel(a->scan);
    for (size_t i = 0; i < a->sample_count; i++) {
        store_rank_cancel(a->samples[i].reading);
    }
}

static void audit_done(struct op *op)
{
    struct sync_audit *a = audit_of(op);
    a->cb(a, &op->err, &a->result, a->ctx);
}

static const struct op_type audit_type = {"sync audit", sizeof(struct sync_audit),
                                          audit_abort, audit_done, NULL};

void sync_audit_cancel(struct sync_audit *a)
{
    op_cancel(a != NULL ? &a->op : NULL);
}

/* --- the verdict --- */

static void unsettled(struct sync_audit *a, const char *why)
{
    a->result.verdict = SYNC_AUDIT_UNSETTLED;
    a->result.why = why;
    op_complete(&a->op);
}

static void differs(struct sync_audit *a, const char *why)
{
    if (a->result.verdict == SYNC_AUDIT_EQUAL) {
        a->result.verdict = SYNC_AUDIT_DIFFERS;
        a->result.why = why;
    }
}

/* Messages that the index is to hold. */
static uint32_t covered(const struct sync_audit *a)
{
    uint32_t exists = a->result.exists;
    return exists > a->below ? exists - a->below : 0;
}

static bool has_moved(const struct sync_audit *a)
{
    const struct imap_selected *now = imap_conn_selected(a->conn);
    return now == NULL || now->exists != a->result.exists || a->m->version != a->version;
}

static void conclude(struct sync_audit *a)
{
    struct sync_audit_result *r = &a->result;
    if (has_moved(a)) {
        unsettled(a, "the mailbox changed meanwhile");
        return;
    }
    const uint32_t there = covered(a);
    if (r->whole && imap_set_count(&a->uids) != there) {
        unsettled(a, "the server counts other messages than it finds");
        return;
    }
    if (r->missing + r->extra > 0) {
        differs(a, "messages differ");
    }
    if (r->stale > 0) {
        differs(a, "flags differ");
    }
    if (a->misplaced) {
        /* The search was about another part: at least these two. */
        r->missing = r->missing > 0 ? r->missing : 1;
        r->extra = r->extra > 0 ? r->extra : 1;
        differs(a, "messages differ");
    } else if (r->missing + r->extra == 0 && there != a->m->count) {
        bool more = there > a->m->count;
        r->missing = more ? there - a->m->count : 0;
        r->extra = more ? 0 : a->m->count - there;
        differs(a, "the count differs");
    }
    op_complete(&a->op);
}

/* --- the part --- */

/* Messages of the server below uid that were not met yet: the index lacks them. Ranges are
 * not walked one by one, a server may claim any. */
static void missing_below(struct sync_audit *a, uint64_t uid)
{
    uint64_t missing = a->result.missing;
    while (a->uid_at < a->uids.count) {
        const struct imap_range *r = &a->uids.ranges[a->uid_at];
        uint64_t from = a->uid_next > r->lo ? a->uid_next : r->lo;
        uint64_t end = (uint64_t)r->hi + 1 < uid ? (uint64_t)r->hi + 1 : uid;
        missing += end > from ? end - from : 0;
        a->uid_next = end > a->uid_next ? end : a->uid_next;
        if (r->hi >= uid) {
            break;
        }
        a->uid_at++;
    }
    a->result.missing = missing < UINT32_MAX ? (uint32_t)missing : UINT32_MAX;
}

static void on_rows(struct store_scan *op ATTR_UNUSED, const struct msg_row *rows,
                    size_t count, void *ctx)
{
    struct sync_audit *a = ctx;
    for (size_t i = 0; i < count; i++) {
        missing_below(a, rows[i].uid);
        if (imap_set_has(&a->uids, rows[i].uid)) {
            a->uid_next = (uint64_t)rows[i].uid + 1;
        } else {
            a->result.extra++;
        }
    }
}

static void on_scanned(struct store_scan *op ATTR_UNUSED, const struct err *err,
                       void *ctx)
{
    struct sync_audit *a = ctx;
    a->scan = NULL;
    if (!op_is_running(&a->op)) {
        return;
    }
    if (err->code == ERR_STALE) {
        unsettled(a, "the mailbox changed meanwhile");
    } else if (err->code != ERR_OK) {
        op_fail_err(&a->op, err);
    } else {
        missing_below(a, (uint64_t)a->hi + 1);
        conclude(a);
    }
}

/* False: the audit is over, or ends with the failure. */
static bool search_ended(struct sync_audit *a, const struct err *err)
{
    a->search = NULL;
    if (op_is_running(&a->op) && err->code != ERR_OK) {
        op_fail_err(&a->op, err);
    }
    return op_is_running(&a->op) && err->code == ERR_OK;
}

static void on_searched(struct imap_search *op ATTR_UNUSED, const struct err *err,
                        const struct imap_search_result *result, void *ctx)
{
    struct sync_audit *a = ctx;
    if (!search_ended(a, err)) {
        return;
    }
    a->uids.count = result->set.count;
    a->uids.ranges = arena_memdup(&a->op.arena, result->set.ranges,
                                  result->set.count * sizeof(struct imap_range));
    sync_uids_from(&a->uids, a->lo);
    a->state = AUDIT_STATE_SCAN;
    a->scan =
        store_scan_start(a->store, a->acct, a->m, a->lo, a->hi, on_rows, on_scanned, a);
}

/* From the cursor on, as many segments as give an answer of bounded length. */
static void choose_part(struct sync_audit *a)
{
    const struct mailbox *m = a->m;
    size_t first = 0;
    while (first + 1 < m->segment_count &&
           m->segments[first].last_uid < a->cursor.from_uid) {
        first++;
    }
    if (sync_search_bytes(a->conn, m, 0, m->segment_count) <= SYNC_AUDIT_BYTES) {
        first = 0;
    }
    size_t end = first;
    while (end < m->segment_count &&
           (end == first ||
            sync_search_bytes(a->conn, m, first, end + 1) <= SYNC_AUDIT_BYTES)) {
        end++;
    }
    bool last = end == m->segment_count;
    a->lo = first == 0 ? sync_first_uid(m) : m->segments[first - 1].last_uid + 1;
    a->hi = last ? UINT32_MAX : m->segments[end - 1].last_uid;
    a->result.whole = first == 0 && last;
    a->result.next.from_uid = last ? 0 : a->hi + 1;
}

static void search_start(struct sync_audit *a)
{
    char criteria[40];
    choose_part(a);
    (void)snprintf(criteria, sizeof criteria,
                   a->result.whole && a->lo == 1 ? "ALL" : "UID %u:%u", a->lo, a->hi);
    struct imap_search_params params = {.criteria = str_of(criteria), .by_uid = true};
    a->state = AUDIT_STATE_SEARCH;
    a->search = imap_search_start(a->conn, &params, SYNC_SEARCH_MS, on_searched, a);
}

/* --- samples --- */

static bool flags_differ(const struct sync_audit *a, const struct sample *s,
                         const struct msg_row *row)
{
    struct sync_flag_row server = s->row;
    struct sync_batch one = {.flags = &server, .flag_count = 1};
    struct sync_diff diff = {0};
    sync_diff_stored(&diff, &one, a->m, row);
    bool differ = diff.change_count > 0;
    sync_diff_fini(&diff);
    return differ;
}

static void on_ranked(struct store_rank *op ATTR_UNUSED, const struct err *err,
                      const struct msg_row *rows, size_t count, void *ctx)
{
    struct sample *s = ctx;
    struct sync_audit *a = s->audit;
    s->reading = NULL;
    a->reading--;
    if (err->code != ERR_OK) {
        a->err = *err;
    } else if (count != 1 || rows[0].uid != s->row.uid) {
        a->misplaced = true;
    } else if (flags_differ(a, s, &rows[0])) {
        a->result.stale++;
    }
    if (a->reading > 0 || !op_is_running(&a->op)) {
        return;
    }
    if (a->err.code == ERR_STALE) {
        unsettled(a, "the mailbox changed meanwhile");
    } else if (a->err.code != ERR_OK) {
        op_fail_err(&a->op, &a->err);
    } else {
        search_start(a);
    }
}

static void on_row(struct imap_fetch *op ATTR_UNUSED, const struct imap_row *row,
                   void *ctx)
{
    const uint32_t need = IMAP_ITEM_UID | IMAP_ITEM_FLAGS;
    struct sync_audit *a = ctx;
    for (size_t i = 0; i < a->sample_count; i++) {
        struct sample *s = &a->samples[i];
        if (s->rank + a->below + 1 == row->seq && (row->has & need) == need && !s->told) {
            s->told = true;
            sync_flag_row_copy(&a->op.arena, &s->row, row);
        }
    }
}

static void on_fetched(struct imap_fetch *op ATTR_UNUSED, const struct err *err,
                       void *ctx)
{
    struct sync_audit *a = ctx;
    bool complete = true;
    a->fetch = NULL;
    if (!op_is_running(&a->op)) {
        return;
    }
    for (size_t i = 0; i < a->sample_count; i++) {
        complete = complete && a->samples[i].told;
    }
    if (err->code != ERR_OK && err->code != ERR_NO) {
        op_fail_err(&a->op, err);
    } else if (has_moved(a)) {
        unsettled(a, "the mailbox changed meanwhile");
    } else if (!complete) {
        unsettled(a, "the server did not show a message");
    } else {
        a->state = AUDIT_STATE_RANK;
        a->reading = a->sample_count;
        for (size_t i = 0; i < a->sample_count; i++) {
            struct sample *s = &a->samples[i];
            s->reading =
                store_rank_start(a->store, a->acct, a->m, s->rank, 1, on_ranked, s);
        }
    }
}

/* One of each of sixteen equal parts, another one with every round. */
static void samples_start(struct sync_audit *a)
{
    static const struct imap_fetch_events events = {.on_row = on_row,
                                                    .on_end = on_fetched};
    uint64_t count = a->m->count;
    struct buf set = BUF_INIT(16 * SYNC_AUDIT_SAMPLES);
    a->sample_count = count < SYNC_AUDIT_SAMPLES ? count : SYNC_AUDIT_SAMPLES;
    for (size_t i = 0; i < a->sample_count; i++) {
        uint64_t lo = count * i / a->sample_count, hi = count * (i + 1) / a->sample_count;
        uint32_t rank = (uint32_t)(lo + a->cursor.round % (hi - lo));
        a->samples[i] = (struct sample){.audit = a, .rank = rank};
        buf_printf(&set, i > 0 ? ",%u" : "%u", rank + a->below + 1);
    }
    struct imap_fetch_params params = {.set = buf_str(&set),
                                       .items = IMAP_ITEM_UID | IMAP_ITEM_FLAGS};
    a->state = AUDIT_STATE_SAMPLE;
    a->fetch = imap_fetch_start(a->conn, &params, SYNC_COMMAND_MS, &events, a);
    buf_fini(&set);
}

/* --- EXAMINE --- */

/* What can be told from the answer alone. */
static void compare_cursors(struct sync_audit *a, const struct imap_selected *selected)
{
    const struct mailbox *m = a->m;
    if (selected->uid_validity != 0 && selected->uid_validity != m->uid_validity) {
        differs(a, "UIDVALIDITY differs");
    }
    if (selected->uid_next != 0 && selected->uid_next <= m->last_uid) {
        differs(a, "UIDNEXT is below the highest UID of the index");
    }
    if (selected->highest_modseq != 0 && !selected->no_modseq &&
        imap_conn_has(a->conn, IMAP_CAP_CONDSTORE) &&
        selected->highest_modseq < m->highest_modseq) {
        differs(a, "the cursor is ahead of HIGHESTMODSEQ");
    }
}

static void compare(struct sync_audit *a)
{
    if (covered(a) == a->m->count && a->m->count > 0) {
        samples_start(a);
    } else {
        search_start(a);
    }
}

static void on_counted(struct imap_search *op ATTR_UNUSED, const struct err *err,
                       const struct imap_search_result *result, void *ctx)
{
    struct sync_audit *a = ctx;
    if (!search_ended(a, err)) {
        return;
    }
    uint64_t below = result->has_count ? result->count : imap_set_count(&result->set);
    a->below = below < UINT32_MAX ? (uint32_t)below : UINT32_MAX;
    if (has_moved(a)) {
        unsettled(a, "the mailbox changed meanwhile");
    } else {
        compare(a);
    }
}

static void count_start(struct sync_audit *a)
{
    char criteria[40];
    (void)snprintf(criteria, sizeof criteria, "UID 1:%u", a->m->first_uid - 1);
    struct imap_search_params params = {
        .criteria = str_of(criteria), .by_uid = true, .count = true};
    a->state = AUDIT_STATE_COUNT;
    a->search = imap_search_start(a->conn, &params, SYNC_SEARCH_MS, on_counted, a);
}

static void on_selected(struct imap_select *op ATTR_UNUSED, const struct err *err,
                        const struct imap_selected *selected, void *ctx)
{
    struct sync_audit *a = ctx;
    a->select = NULL;
    if (!op_is_running(&a->op)) {
        return;
    }
    if (err->code != ERR_OK) {
        op_fail_err(&a->op, err);
        return;
    }
    a->result.exists = selected->exists;
    compare_cursors(a, selected);
    if (a->result.verdict != SYNC_AUDIT_EQUAL) {
        op_complete(&a->op);
    } else if (a->m->first_uid > 1 && selected->exists > 0) {
        count_start(a);
    } else {
        compare(a);
    }
}

struct sync_audit *sync_audit_start(struct imap_conn *conn, const struct sync_ctx *sc,
                                    struct mailbox *m,
                                    const struct sync_audit_cursor *cursor,
                                    sync_audit_cb *cb, void *ctx)
{
    struct sync_audit *a =
        op_new(imap_conn_loop(conn), &audit_type, SYNC_SELECT_MS + SYNC_SEARCH_MS);
    a->conn = conn;
    a->store = sc->store;
    a->acct = sc->acct;
    a->m = m;
    a->version = m->version;
    a->cursor = *cursor;
    a->result.next.round = cursor->round + 1;
    a->result.why = "";
    a->cb = cb;
    a->ctx = ctx;
    struct imap_select_params params = {
        .mailbox = str_from(m->wire, m->wire_len), .examine = true, .condstore = true};
    a->select = imap_select_start(conn, &params, SYNC_SELECT_MS, on_selected, a);
    return a;
}
