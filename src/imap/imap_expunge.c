/* imap_expunge: deletes messages for good (RFC 9051 §6.4.9, RFC 4315 §2.1).
 *
 *   MARK ──► EXPUNGE ──► end
 *     └ without UIDPLUS: end; the messages stay marked, for a plain EXPUNGE would delete
 *       more than was asked for */
#include "imap_priv.h"

struct imap_expunge {
    struct imap_op base;
    struct imap_set set;
    imap_expunge_cb *cb;
    void *ctx;
};

#define EXPUNGE(ptr) container_of(ptr, struct imap_expunge, base)

static void expunge_done(struct op *base)
{
    struct imap_expunge *op = EXPUNGE(IMAP_OP(base));
    op->cb(op, &base->err, op->ctx);
}

static const struct op_type expunge_type = {.name = "expunge",
                                            .size = sizeof(struct imap_expunge),
                                            .abort = imap_op_abort,
                                            .done = expunge_done,
                                            .fini = imap_op_fini};

static void expunge_end(struct imap_op *base, struct imap_cmd *cmd,
                        const struct imap_resp *resp, const struct err *err)
{
    (void)cmd;
    (void)resp;
    if (imap_op_piece_ended(base, err)) {
        imap_op_complete(base);
    }
}

static const struct imap_cmd_type expunge_cmd = {.name = "UID EXPUNGE",
                                                 .order = IMAP_ORDER_ALONE,
                                                 .context = IMAP_CONTEXT_OTHER,
                                                 .on_end = expunge_end};

static void put_expunge(struct imap_op *base, struct imap_cmd *cmd, struct str piece)
{
    (void)base;
    imap_cmd_put(cmd, "UID EXPUNGE ");
    imap_cmd_put_str(cmd, piece);
}

static void mark_end(struct imap_op *base, struct imap_cmd *cmd,
                     const struct imap_resp *resp, const struct err *err)
{
    (void)cmd;
    (void)resp;
    if (!imap_op_piece_ended(base, err)) {
        return;
    }
    imap_op_progress(base);
    if (imap_conn_has(base->conn, IMAP_CAP_UIDPLUS)) {
        imap_op_send_pieces(base, &EXPUNGE(base)->set, &expunge_cmd, put_expunge);
    } else {
        imap_op_complete(base);
    }
}

static const struct imap_cmd_type mark_cmd = {.name = "UID STORE",
                                              .order = IMAP_ORDER_UID,
                                              .context = IMAP_CONTEXT_OTHER,
                                              .on_end = mark_end};

static void put_mark(struct imap_op *base, struct imap_cmd *cmd, struct str piece)
{
    (void)base;
    imap_cmd_put(cmd, "UID STORE ");
    imap_cmd_put_str(cmd, piece);
    imap_cmd_put(cmd, " +FLAGS.SILENT (\\Deleted)");
}

struct imap_expunge *imap_expunge_start(struct imap_conn *c, struct str uid_set,
                                        int64_t deadline_ms, imap_expunge_cb *cb,
                                        void *ctx)
{
    struct imap_expunge *op = imap_op_new(c, &expunge_type, deadline_ms);
    op->cb = cb;
    op->ctx = ctx;
    if (imap_op_set(&op->base, uid_set, &op->set)) {
        imap_op_send_pieces(&op->base, &op->set, &mark_cmd, put_mark);
    }
    return op;
}

void imap_expunge_cancel(struct imap_expunge *op)
{
    op_cancel(op != NULL ? &op->base.op : NULL);
}
