/* imap_move: UID COPY and UID MOVE (RFC 9051 §6.4.7, §6.4.8; RFC 4315; RFC 6851).
 *
 *   move, server has MOVE      MOVE ──► end
 *   move, server has it not    COPY ──► MARK ──► EXPUNGE ──► end
 *   copy                       COPY ──► end           └ without UIDPLUS: end at MARK
 *
 * A plain EXPUNGE would take others' deleted messages along, so without UIDPLUS the
 * originals stay, marked as deleted. */
#include "imap_priv.h"

#include "postrider/base/check.h"

enum {
    COPYUID_BYTES_MAX = 16 * 1024 * 1024 /* what comes behind says too much to be true */
};

enum move_state {
    MOVE_MOVE,
    MOVE_COPY,
    MOVE_MARK,
    MOVE_EXPUNGE
};

struct imap_move {
    struct imap_op base;
    int state; /* enum move_state */
    bool move;
    struct imap_set set;
    struct str mailbox;
    struct imap_copy_result result;
    imap_move_cb *cb;
    void *ctx;
};

#define MOVE(ptr) container_of(ptr, struct imap_move, base)

static void move_done(struct op *base)
{
    struct imap_move *op = MOVE(IMAP_OP(base));
    op->cb(op, &base->err, base->err.code == ERR_OK ? &op->result : NULL, op->ctx);
}

static const struct op_type move_type = {.name = "move",
                                         .size = sizeof(struct imap_move),
                                         .abort = imap_op_abort,
                                         .done = move_done,
                                         .fini = imap_op_fini};

/* COPYUID comes untagged with MOVE and tagged with COPY. */
static bool take_copyuid(struct imap_move *op, const struct imap_code *code)
{
    struct arena *arena = &op->base.op.arena;
    if (code->kind != IMAP_CODE_COPYUID) {
        return false;
    }
    /* Lists of unequal length pair nothing with nothing. */
    if (imap_set_count(&code->set_a) == imap_set_count(&code->set_b) &&
        code->number <= UINT32_MAX && arena->used_bytes <= COPYUID_BYTES_MAX) {
        op->result.uid_validity = (uint32_t)code->number;
        imap_set_append(arena, &op->result.from, &code->set_a);
        imap_set_append(arena, &op->result.to, &code->set_b);
    }
    return true;
}

static bool move_untagged(struct imap_op *base, struct imap_cmd *cmd,
                          const struct imap_resp *resp)
{
    (void)cmd;
    return resp->kind == IMAP_RESP_STATUS && take_copyuid(MOVE(base), &resp->code);
}

static void move_end(struct imap_op *base, struct imap_cmd *cmd,
                     const struct imap_resp *resp, const struct err *err);

#define MOVE_CMD(text, how, what)                                                        \
    {                                                                                    \
        .name = (text), .order = (how), .context = (what), .on_untagged = move_untagged, \
        .on_end = move_end                                                               \
    }

struct move_row {
    struct imap_cmd_type cmd;
    const char *behind; /* text behind the set; NULL: the mailbox */
};

static const struct move_row rows[] = {
    [MOVE_MOVE] = {MOVE_CMD("UID MOVE", IMAP_ORDER_ALONE, IMAP_CONTEXT_STORAGE), NULL},
    [MOVE_COPY] = {MOVE_CMD("UID COPY", IMAP_ORDER_ALONE, IMAP_CONTEXT_STORAGE), NULL},
    [MOVE_MARK] = {MOVE_CMD("UID STORE", IMAP_ORDER_UID, IMAP_CONTEXT_OTHER),
                   " +FLAGS.SILENT (\\Deleted)"},
    [MOVE_EXPUNGE] = {MOVE_CMD("UID EXPUNGE", IMAP_ORDER_ALONE, IMAP_CONTEXT_OTHER), ""},
};

static void put_piece(struct imap_op *base, struct imap_cmd *cmd, struct str piece)
{
    const struct imap_move *op = MOVE(base);
    const char *behind = rows[op->state].behind;
    imap_cmd_put(cmd, cmd->type->name);
    imap_cmd_put(cmd, " ");
    imap_cmd_put_str(cmd, piece);
    if (behind != NULL) {
        imap_cmd_put(cmd, behind);
    } else {
        imap_cmd_put(cmd, " ");
        imap_cmd_put_mailbox(cmd, op->mailbox);
    }
}

static void enter(struct imap_move *op, enum move_state state)
{
    CHECK(state == MOVE_MOVE || state == MOVE_COPY || (int)state == op->state + 1);
    op->state = (int)state;
    imap_op_send_pieces(&op->base, &op->set, &rows[state].cmd, put_piece);
}

static void move_end(struct imap_op *base, struct imap_cmd *cmd,
                     const struct imap_resp *resp, const struct err *err)
{
    struct imap_move *op = MOVE(base);
    (void)cmd;
    if (err->code == ERR_OK) {
        take_copyuid(op, &resp->code);
    }
    if (!imap_op_piece_ended(base, err)) {
        return;
    }
    imap_op_progress(base);
    if (op->state == MOVE_COPY && op->move) {
        enter(op, MOVE_MARK);
    } else if (op->state == MOVE_MARK && imap_conn_has(base->conn, IMAP_CAP_UIDPLUS)) {
        enter(op, MOVE_EXPUNGE);
    } else {
        imap_op_complete(base);
    }
}

struct imap_move *imap_move_start(struct imap_conn *c, struct str uid_set,
                                  struct str mailbox, bool move, int64_t deadline_ms,
                                  imap_move_cb *cb, void *ctx)
{
    struct imap_move *op = imap_op_new(c, &move_type, deadline_ms);
    op->cb = cb;
    op->ctx = ctx;
    op->move = move;
    op->mailbox = arena_str(&op->base.op.arena, mailbox);
    if (imap_op_set(&op->base, uid_set, &op->set)) {
        enter(op, move && imap_conn_has(c, IMAP_CAP_MOVE) ? MOVE_MOVE : MOVE_COPY);
    }
    return op;
}

void imap_move_cancel(struct imap_move *op)
{
    op_cancel(op != NULL ? &op->base.op : NULL);
}
