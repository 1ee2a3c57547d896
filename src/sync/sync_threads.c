/* Facts about threads: of a row that came by, and of messages indexed before.
 *
 *   stored rows below low_uid ─► FETCH of three headers ─► one commit of facts and progress */
#include "postrider/sync/sync_thread.h"

#include "sync_priv.h"

#include "postrider/mime/mime.h"

enum {
    ROWS_MAX = SYNC_THREAD_ROWS + SEGMENT_ROWS,
    SET_BYTES = 60 * 1024
};

static const struct str headers_section = {
    .ptr = "HEADER.FIELDS (MESSAGE-ID IN-REPLY-TO REFERENCES)",
    .len = sizeof "HEADER.FIELDS (MESSAGE-ID IN-REPLY-TO REFERENCES)" - 1};

bool sync_thread_is_told(const struct imap_conn *conn)
{
    return imap_conn_has(conn, IMAP_CAP_GMAIL) || imap_conn_has(conn, IMAP_CAP_OBJECTID);
}

/* --- facts ------------------------------------------------------------------------- */

static struct str first_id(struct arena *arena, struct str value)
{
    struct str id = mime_ids_first(arena, value);
    return id.ptr != NULL ? id : str_trim(value);
}

struct str sync_thread_id(struct arena *arena, struct str value)
{
    struct arena scratch = {0};
    struct str id = first_id(&scratch, value);
    struct str found = id.len > 0 ? arena_str(arena, store_thread_id(id)) : STR_NULL;
    arena_fini(&scratch);
    return found;
}

uint64_t sync_thread_hash(struct store *s, const struct store_acct *a, struct str value)
{
    struct arena arena = {0};
    struct str id = first_id(&arena, value);
    uint64_t hash = id.len > 0 ? store_thread_hash(s, a, id) : 0;
    arena_fini(&arena);
    return hash;
}

struct fact_maker {
    struct store *store;
    const struct store_acct *acct;
    struct arena *arena;
    struct thread_fact *fact;
};

static void add_refs(const struct fact_maker *f, struct str value)
{
    struct mime_ids ids;
    mime_ids_parse(f->arena, value, &ids);
    for (size_t i = 0; i < ids.count; i++) {
        thread_fact_add(f->fact, store_thread_hash(f->store, f->acct, ids.items[i]));
    }
}

bool sync_thread_fact(struct store *s, const struct store_acct *a,
                      const struct mailbox *m, const struct imap_row *row,
                      struct thread_fact *out)
{
    struct arena arena = {0};
    struct mime_headers headers = {0};
    const struct imap_envelope *e = row->envelope;
    bool has_section = row->section_count > 0 && row->sections[0].data.ptr != NULL;
    if (e == NULL && !has_section) {
        return false;
    }
    *out = (struct thread_fact){.box = m->box, .uid = row->uid};
    if (has_section) {
        mime_headers_parse(&arena, row->sections[0].data, &headers);
    }
    struct fact_maker maker = {s, a, &arena, out};
    struct str own = e != NULL ? e->message_id : mime_headers_get(&headers, "Message-ID");
    out->own = sync_thread_hash(s, a, own);
    if (out->own == 0) {
        out->own = store_thread_hash_uid(s, a, m->number, row->uid);
    }
    add_refs(&maker, mime_headers_get(&headers, "References"));
    add_refs(&maker,
             e != NULL ? e->in_reply_to : mime_headers_get(&headers, "In-Reply-To"));
    arena_fini(&arena);
    return true;
}

/* --- messages indexed before ------------------------------------------------------- */

struct sync_threads {
    struct op op;
    struct imap_conn *conn;
    struct sync_ctx sc;
    uint32_t box, epoch;
    uint32_t low_uid; /* where to go on afterwards */
    uint32_t *uids;   /* rising */
    struct thread_fact *facts;
    size_t count;
    struct store_scan *scan;
    struct imap_fetch *fetch;
    struct store_commit *commit;
    sync_threads_cb *cb;
    void *ctx;
};

static struct sync_threads *threads_of(struct op *op)
{
    return container_of(op, struct sync_threads, op);
}

static void threads_abort(struct op *op)
{
    store_scan_cancel(threads_of(op)->scan);
    imap_fetch_cancel(threads_of(op)->fetch);
}

static void threads_done(struct op *op)
{
    struct sync_threads *t = threads_of(op);
    t->cb(t, &op->err, t->low_uid, t->ctx);
}

static const struct op_type threads_type = {.name = "sync threads",
                                            .size = sizeof(struct sync_threads),
                                            .abort = threads_abort,
                                            .done = threads_done};

/* The mailbox as it was at the start, or NULL: it went, or its UIDs mean something else. */
static const struct mailbox *same_mailbox(struct sync_threads *t)
{
    const struct mailbox *m = mailbox_table_by_box(t->sc.table, t->box);
    if (m == NULL || m->epoch != t->epoch || m->phase != MAILBOX_PHASE_LIVE) {
        op_fail(&t->op, ERR_NOT_FOUND, "the mailbox changed");
        return NULL;
    }
    return m;
}

static void on_committed(struct store_commit *op ATTR_UNUSED, const struct err *err,
                         void *ctx)
{
    struct sync_threads *t = ctx;
    t->commit = NULL;
    if (err->code != ERR_OK) {
        op_fail_err(&t->op, err);
    } else {
        op_complete(&t->op);
    }
}

static void commit(struct sync_threads *t)
{
    size_t known = 0;
    if (same_mailbox(t) == NULL) {
        return;
    }
    for (size_t i = 0; i < t->count; i++) {
        if (t->facts[i].own != 0) {
            t->facts[known++] = t->facts[i];
        }
    }
    struct thread_progress progress = {.box = t->box, .low_uid = t->low_uid};
    struct store_commit_params params = {.acct = t->sc.acct,
                                         .threads = t->facts,
                                         .thread_count = known,
                                         .thread_progress = &progress,
                                         .map_changes = t->sc.map_changes};
    op_extend(&t->op, 2 * STORE_COMMIT_DEADLINE_MS);
    t->commit = store_commit_start(t->sc.store, &params, on_committed, t);
}

static void on_row(struct imap_fetch *op ATTR_UNUSED, const struct imap_row *row,
                   void *ctx)
{
    struct sync_threads *t = ctx;
    const struct mailbox *m = mailbox_table_by_box(t->sc.table, t->box);
    size_t lo = 0, hi = t->count;
    while (lo < hi) {
        size_t mid = (lo + hi) / 2;
        if (t->uids[mid] < row->uid) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    if (m != NULL && lo < t->count && t->uids[lo] == row->uid) {
        (void)sync_thread_fact(t->sc.store, t->sc.acct, m, row, &t->facts[lo]);
    }
}

static void on_fetched(struct imap_fetch *op ATTR_UNUSED, const struct err *err,
                       void *ctx)
{
    struct sync_threads *t = ctx;
    t->fetch = NULL;
    if (!op_is_running(&t->op)) {
        return;
    }
    /* NO: what the server cannot show has no headers that could be read. */
    if (err->code != ERR_OK && err->code != ERR_NO) {
        op_fail_err(&t->op, err);
    } else {
        commit(t);
    }
}

static void fetch(struct sync_threads *t)
{
    static const struct imap_fetch_events events = {.on_row = on_row,
                                                    .on_end = on_fetched};
    struct imap_set set;
    struct buf text = BUF_INIT(SET_BYTES + 1024);
    uint32_t *numbers = arena_memdup(&t->op.arena, t->uids, t->count * sizeof *t->uids);
    imap_set_from_numbers(&t->op.arena, numbers, t->count, &set);
    (void)imap_set_print(&text, &set, 0, SET_BYTES);
    struct imap_fetch_params params = {.by_uid = true,
                                       .set = buf_str(&text),
                                       .items = IMAP_ITEM_UID,
                                       .sections = &headers_section,
                                       .section_count = 1};
    t->fetch = imap_fetch_start(t->conn, &params, SYNC_COMMAND_MS, &events, t);
    buf_fini(&text);
}

static void on_rows(struct store_scan *op ATTR_UNUSED, const struct msg_row *rows,
                    size_t count, void *ctx)
{
    struct sync_threads *t = ctx;
    for (size_t i = 0; i < count && t->count < ROWS_MAX; i++) {
        t->uids[t->count++] = rows[i].uid;
    }
}

static void on_scanned(struct store_scan *op ATTR_UNUSED, const struct err *err,
                       void *ctx)
{
    struct sync_threads *t = ctx;
    t->scan = NULL;
    if (!op_is_running(&t->op)) {
        return;
    }
    if (err->code != ERR_OK) {
        op_fail_err(&t->op, err);
    } else if (t->count > 0) {
        fetch(t);
    } else {
        commit(t);
    }
}

/* Whole segments, from the top, until there are enough rows. Gives the lowest UID. */
static uint32_t choose(const struct mailbox *m, uint32_t low_uid)
{
    uint32_t rows = 0;
    size_t i = m->segment_count;
    while (i > 0 && m->segments[i - 1].first_uid >= low_uid) {
        i--;
    }
    while (i > 0 && rows < SYNC_THREAD_ROWS) {
        rows += m->segments[--i].count;
    }
    return i > 0 ? m->segments[i].first_uid : 1;
}

struct sync_threads *sync_threads_start(struct imap_conn *conn, const struct sync_ctx *sc,
                                        uint32_t box, uint32_t low_uid,
                                        sync_threads_cb *cb, void *ctx)
{
    struct sync_threads *t = op_new(imap_conn_loop(conn), &threads_type, SYNC_PASS_MS);
    const struct mailbox *m = mailbox_table_by_box(sc->table, box);
    t->conn = conn;
    t->sc = *sc;
    t->box = box;
    t->epoch = m != NULL ? m->epoch : 0;
    t->cb = cb;
    t->ctx = ctx;
    m = same_mailbox(t);
    if (m == NULL) {
        return t;
    }
    uint32_t below = low_uid != 0 ? low_uid : UINT32_MAX;
    t->low_uid = choose(m, below);
    t->uids = ARENA_ARRAY(&t->op.arena, uint32_t, ROWS_MAX);
    t->facts = ARENA_ARRAY(&t->op.arena, struct thread_fact, ROWS_MAX);
    t->scan = store_scan_start(sc->store, sc->acct, m, t->low_uid, below - 1, on_rows,
                               on_scanned, t);
    return t;
}

void sync_threads_cancel(struct sync_threads *t)
{
    if (t != NULL && t->commit == NULL) {
        op_cancel(&t->op);
    }
}
