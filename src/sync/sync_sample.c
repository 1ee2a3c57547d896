/* A sample of an index against a mailbox:
 *
 *   READ (one stored row after the other) ──► EXAMINE ──► FETCH ──► callback
 *
 * A mailbox that cannot be examined, or has another UIDVALIDITY, is another one. */
#include "sync_list_priv.h"
#include "sync_priv.h"

enum {
    SAMPLES = 5,
    SAMPLES_ENOUGH = 4,
    AGAIN_MS = 20 /* the connection is in use: ask again */
};

struct sync_sample {
    struct op op;
    struct imap_conn *conn;
    struct sync_ctx sc;
    const struct mailbox *m;
    struct str wire;
    struct msg_row rows[SAMPLES];
    bool seen[SAMPLES]; /* the server has the same */
    uint32_t wanted, count;
    struct store_rank *rank;
    struct imap_select *select;
    struct imap_fetch *fetch;
    struct timer again;
    sync_sample_cb *cb;
    void *ctx;
};

static struct sync_sample *sample_of(struct op *op)
{
    return container_of(op, struct sync_sample, op);
}

static void sample_abort(struct op *op)
{
    struct sync_sample *s = sample_of(op);
    store_rank_cancel(s->rank);
    imap_select_cancel(s->select);
    imap_fetch_cancel(s->fetch);
}

static void sample_done(struct op *op)
{
    struct sync_sample *s = sample_of(op);
    uint32_t same = 0;
    for (uint32_t i = 0; i < s->count; i++) {
        same += s->seen[i];
    }
    uint32_t enough = s->wanted == SAMPLES ? SAMPLES_ENOUGH : s->wanted;
    s->cb(s, &op->err, s->wanted > 0 && same >= enough, s->ctx);
}

static void sample_fini(struct op *op)
{
    timer_stop(&sample_of(op)->again);
}

static const struct op_type sample_type = {"compare a sample", sizeof(struct sync_sample),
                                           sample_abort, sample_done, sample_fini};

enum sync_likeness sync_row_compare(const struct msg_row *stored,
                                    const struct imap_row *row)
{
    const uint32_t marks = IMAP_ITEM_INTERNALDATE | IMAP_ITEM_SIZE;
    if (stored->email_id.ptr != NULL && row->email_id.ptr != NULL) {
        return str_eq(stored->email_id, row->email_id) ? SYNC_LIKENESS_SAME
                                                       : SYNC_LIKENESS_OTHER;
    }
    if (stored->fingerprint == 0 || (row->has & marks) != marks) {
        return SYNC_LIKENESS_UNKNOWN;
    }
    return stored->fingerprint == sync_fingerprint(row->internaldate_ms, row->size)
               ? SYNC_LIKENESS_SAME
               : SYNC_LIKENESS_OTHER;
}

static void on_row(struct imap_fetch *op ATTR_UNUSED, const struct imap_row *row,
                   void *ctx)
{
    struct sync_sample *s = ctx;
    for (uint32_t i = 0; i < s->count; i++) {
        if ((row->has & IMAP_ITEM_UID) != 0 && s->rows[i].uid == row->uid) {
            s->seen[i] = sync_row_compare(&s->rows[i], row) == SYNC_LIKENESS_SAME;
        }
    }
}

static void on_end(struct imap_fetch *op ATTR_UNUSED, const struct err *err, void *ctx)
{
    struct sync_sample *s = ctx;
    s->fetch = NULL;
    if (err->code != ERR_OK && err->code != ERR_NO) {
        op_fail_err(&s->op, err);
        return;
    }
    op_complete(&s->op);
}

static void on_examined(struct imap_select *op ATTR_UNUSED, const struct err *err,
                        const struct imap_selected *selected, void *ctx)
{
    static const struct imap_fetch_events events = {.on_row = on_row, .on_end = on_end};
    struct sync_sample *s = ctx;
    uint32_t uids[SAMPLES];
    s->select = NULL;
    if (!op_is_running(&s->op)) {
        return;
    }
    if (err->code == ERR_NO || err->code == ERR_NO_MAILBOX) {
        op_complete(&s->op);
        return;
    }
    if (err->code != ERR_OK) {
        op_fail_err(&s->op, err);
        return;
    }
    if (selected->uid_validity != s->m->uid_validity) {
        op_complete(&s->op);
        return;
    }
    for (uint32_t i = 0; i < s->count; i++) {
        uids[i] = s->rows[i].uid;
    }
    struct imap_set set;
    struct buf text = BUF_INIT(256);
    imap_set_from_numbers(&s->op.arena, uids, s->count, &set);
    (void)imap_set_print(&text, &set, 0, 200);
    struct imap_fetch_params params = {
        .by_uid = true, .set = buf_str(&text), .items = sync_row_items(s->conn)};
    s->fetch = imap_fetch_start(s->conn, &params, SYNC_COMMAND_MS, &events, s);
    buf_fini(&text);
}

static void examine(struct sync_sample *s);

static void on_again(struct timer *t)
{
    struct sync_sample *s = container_of(t, struct sync_sample, again);
    if (op_is_running(&s->op)) {
        examine(s);
    }
}

static void examine(struct sync_sample *s)
{
    struct imap_select_params params = {.mailbox = s->wire, .examine = true};
    if (s->sc.may_select != NULL && !s->sc.may_select(s->sc.ctx)) {
        timer_set(imap_conn_loop(s->conn), &s->again, AGAIN_MS, on_again);
        return;
    }
    s->select = imap_select_start(s->conn, &params, SYNC_SELECT_MS, on_examined, s);
}

static void read_next(struct sync_sample *s);

static void on_stored(struct store_rank *op ATTR_UNUSED, const struct err *err,
                      const struct msg_row *rows, size_t count, void *ctx)
{
    struct sync_sample *s = ctx;
    s->rank = NULL;
    if (!op_is_running(&s->op)) {
        return;
    }
    if (err->code != ERR_OK) {
        op_fail_err(&s->op, err);
        return;
    }
    if (count > 0) {
        struct msg_row *row = &s->rows[s->count++];
        *row = rows[0];
        row->email_id = arena_str(&s->op.arena, rows[0].email_id);
        row->keywords = NULL;
        row->keyword_count = 0;
        read_next(s);
    } else {
        op_complete(&s->op); /* the index is not what its record says */
    }
}

/* From the first to the last, as far apart as they can be. */
static void read_next(struct sync_sample *s)
{
    if (s->count == s->wanted) {
        examine(s);
        return;
    }
    uint64_t steps = s->wanted > 1 ? s->wanted - 1 : 1;
    uint32_t rank = (uint32_t)((uint64_t)(s->m->count - 1) * s->count / steps);
    s->rank = store_rank_start(s->sc.store, s->sc.acct, s->m, rank, 1, on_stored, s);
}

struct sync_sample *sync_sample_start(struct imap_conn *conn, const struct sync_ctx *sc,
                                      const struct mailbox *m, struct str wire,
                                      sync_sample_cb *cb, void *ctx)
{
    struct sync_sample *s = op_new(imap_conn_loop(conn), &sample_type, SYNC_PASS_MS);
    s->conn = conn;
    s->sc = *sc;
    s->m = m;
    s->wire = arena_str(&s->op.arena, wire);
    s->cb = cb;
    s->ctx = ctx;
    s->wanted = m->count < SAMPLES ? m->count : SAMPLES;
    if (s->wanted > 0) {
        read_next(s);
    } else {
        op_complete(&s->op);
    }
    return s;
}

void sync_sample_cancel(struct sync_sample *s)
{
    if (s != NULL) {
        op_cancel(&s->op);
    }
}
