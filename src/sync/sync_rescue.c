/* sync_rescue: fetches messages of which a server cannot show all.
 *
 *   set ──► FETCH ──OK──► next set
 *             └──NO──► two halves ──► … ──► one UID ──► FETCH flags alone ──► made up
 *
 * A server that stumbles over one message (Exchange over a broken one, others over a file
 * they cannot read) refuses all that was asked for with it. What does not exist is no
 * failure: UID FETCH passes over it. */
#include "sync_priv.h"

#include "postrider/base/mem.h"

enum {
    SETS_MAX = 64,    /* halves of halves, and their others */
    MADE_UP_MAX = 20, /* more: it is not the messages */
    SET_BYTES = 60 * 1024
};

struct piece {
    size_t first, count; /* of uids */
};

struct sync_rescue {
    struct op op;
    struct imap_conn *conn;
    uint32_t *uids; /* rising, in op.arena */
    bool *shown;
    size_t count;
    uint32_t items;
    bool flags_only; /* the last try for one UID */
    size_t made_up;
    struct piece pieces[SETS_MAX]; /* a stack */
    size_t piece_count;
    struct piece now;
    struct imap_fetch *fetch;
    sync_rescue_row *on_row;
    sync_rescue_cb *cb;
    void *ctx;
};

static struct sync_rescue *rescue_of(struct op *op)
{
    return container_of(op, struct sync_rescue, op);
}

static void rescue_abort(struct op *op)
{
    imap_fetch_cancel(rescue_of(op)->fetch);
}

static void rescue_done(struct op *op)
{
    struct sync_rescue *r = rescue_of(op);
    r->cb(r, &op->err, r->ctx);
}

static const struct op_type rescue_type = {"sync rescue", sizeof(struct sync_rescue),
                                           rescue_abort, rescue_done, NULL};

void sync_rescue_cancel(struct sync_rescue *r)
{
    op_cancel(r != NULL ? &r->op : NULL);
}

static void next_piece(struct sync_rescue *r);

static void on_fetched_row(struct imap_fetch *op ATTR_UNUSED, const struct imap_row *row,
                           void *ctx)
{
    struct sync_rescue *r = ctx;
    const uint32_t marks = IMAP_ITEM_INTERNALDATE | IMAP_ITEM_SIZE;
    /* Flags that somebody changed just now are told by themselves, before what was asked
     * for, or, if the message is gone by then, instead of it. */
    if (!r->flags_only && (row->has & marks) == 0) {
        return;
    }
    for (size_t i = r->now.first; i < r->now.first + r->now.count; i++) {
        if (r->uids[i] == row->uid && !r->shown[i] && (row->has & IMAP_ITEM_FLAGS) != 0) {
            r->shown[i] = true;
            r->on_row(r->ctx, row);
        }
    }
}

/* Only what did not come is asked for again. */
static struct piece without_shown(const struct sync_rescue *r, struct piece piece)
{
    while (piece.count > 0 && r->shown[piece.first]) {
        piece.first++;
        piece.count--;
    }
    while (piece.count > 0 && r->shown[piece.first + piece.count - 1]) {
        piece.count--;
    }
    return piece;
}

static void put_piece(struct sync_rescue *r, struct piece piece)
{
    piece = without_shown(r, piece);
    if (piece.count > 0) {
        r->pieces[r->piece_count++] = piece;
    }
}

/* False: it is the server that cannot, not the message. */
static bool make_up(struct sync_rescue *r, size_t i)
{
    struct imap_row row = {.has = IMAP_ITEM_UID, .uid = r->uids[i]};
    r->shown[i] = true;
    if (r->made_up++ == MADE_UP_MAX) {
        return false;
    }
    r->on_row(r->ctx, &row);
    return true;
}

static bool refused(struct sync_rescue *r)
{
    struct piece piece = without_shown(r, r->now);
    if (piece.count > 1) {
        size_t half = piece.count / 2;
        /* A stack: at most one half of each size waits, so it cannot overflow. */
        put_piece(r, (struct piece){piece.first + half, piece.count - half});
        put_piece(r, (struct piece){piece.first, half});
    } else if (piece.count == 1 && !r->flags_only) {
        r->flags_only = true;
        r->pieces[r->piece_count++] = piece;
        return true;
    } else if (piece.count == 1 && !make_up(r, piece.first)) {
        return false;
    }
    r->flags_only = false;
    return true;
}

static void on_end(struct imap_fetch *op ATTR_UNUSED, const struct err *err, void *ctx)
{
    struct sync_rescue *r = ctx;
    r->fetch = NULL;
    if (!op_is_running(&r->op)) {
        return;
    }
    if (err->code == ERR_OK) {
        r->flags_only = false;
    } else if (err->code != ERR_NO || !refused(r)) {
        op_fail_err(&r->op, err);
        return;
    }
    next_piece(r);
}

static void next_piece(struct sync_rescue *r)
{
    static const struct imap_fetch_events events = {.on_row = on_fetched_row,
                                                    .on_end = on_end};
    if (r->piece_count == 0) {
        op_complete(&r->op);
        return;
    }
    r->now = r->pieces[--r->piece_count];
    struct arena arena = {0};
    struct imap_set set;
    struct buf text = BUF_INIT(SET_BYTES + 64);
    imap_set_from_numbers(
        &arena,
        arena_memdup(&arena, r->uids + r->now.first, r->now.count * sizeof *r->uids),
        r->now.count, &set);
    (void)imap_set_print(&text, &set, 0, SET_BYTES);
    uint32_t items =
        r->flags_only ? (uint32_t)(IMAP_ITEM_UID | IMAP_ITEM_FLAGS) : r->items;
    struct imap_fetch_params params = {
        .by_uid = true, .set = buf_str(&text), .items = items};
    op_extend(&r->op, SYNC_SEARCH_MS);
    r->fetch = imap_fetch_start(r->conn, &params, SYNC_COMMAND_MS, &events, r);
    buf_fini(&text);
    arena_fini(&arena);
}

struct sync_rescue *sync_rescue_start(struct imap_conn *conn, const uint32_t *uids,
                                      size_t count, uint32_t items,
                                      sync_rescue_row *on_row, sync_rescue_cb *cb,
                                      void *ctx)
{
    struct sync_rescue *r = op_new(imap_conn_loop(conn), &rescue_type, SYNC_SEARCH_MS);
    r->conn = conn;
    r->uids = arena_memdup(&r->op.arena, uids, count * sizeof *uids);
    r->shown = ARENA_ARRAY(&r->op.arena, bool, count);
    r->count = count;
    r->items = items;
    r->on_row = on_row;
    r->cb = cb;
    r->ctx = ctx;
    put_piece(r, (struct piece){0, count});
    next_piece(r);
    return r;
}
