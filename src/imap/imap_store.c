/* imap_store: UID STORE of flags, keywords or Gmail labels (RFC 9051 §6.4.6).
 * Not silent: the server tells the new flags, and that is how the index learns of them.
 */
#include "imap_priv.h"

struct imap_store {
    struct imap_op base;
    struct imap_set set;
    const struct imap_store_params *params; /* the caller's, while it starts */
    imap_store_cb *cb;
    void *ctx;
};

#define STORE(ptr) container_of(ptr, struct imap_store, base)

static void store_done(struct op *base)
{
    struct imap_store *op = STORE(IMAP_OP(base));
    op->cb(op, &base->err, op->ctx);
}

static const struct op_type store_type = {.name = "store",
                                          .size = sizeof(struct imap_store),
                                          .abort = imap_op_abort,
                                          .done = store_done,
                                          .fini = imap_op_fini};

static void store_end(struct imap_op *base, struct imap_cmd *cmd,
                      const struct imap_resp *resp, const struct err *err)
{
    (void)cmd;
    (void)resp;
    if (imap_op_piece_ended(base, err)) {
        imap_op_complete(base);
    }
}

static const struct imap_cmd_type store_cmd = {.name = "UID STORE",
                                               .order = IMAP_ORDER_UID,
                                               .context = IMAP_CONTEXT_OTHER,
                                               .on_end = store_end};

static void put_piece(struct imap_op *base, struct imap_cmd *cmd, struct str piece)
{
    static const char *const signs[] = {
        [IMAP_STORE_ADD] = "+", [IMAP_STORE_REMOVE] = "-", [IMAP_STORE_REPLACE] = ""};
    const struct imap_store_params *params = STORE(base)->params;
    imap_cmd_put(cmd, "UID STORE ");
    imap_cmd_put_str(cmd, piece);
    imap_cmd_put(cmd, " ");
    imap_cmd_put(cmd, signs[params->mode]);
    if (params->labels != NULL) {
        imap_cmd_put(cmd, "X-GM-LABELS ");
        imap_cmd_put_labels(cmd, params->labels, params->label_count);
    } else {
        imap_cmd_put(cmd, "FLAGS ");
        imap_cmd_put_flags(cmd, &params->flags);
    }
}

struct imap_store *imap_store_start(struct imap_conn *c,
                                    const struct imap_store_params *params,
                                    int64_t deadline_ms, imap_store_cb *cb, void *ctx)
{
    struct imap_store *op = imap_op_new(c, &store_type, deadline_ms);
    op->cb = cb;
    op->ctx = ctx;
    if (params->labels != NULL && !imap_conn_has(c, IMAP_CAP_GMAIL)) {
        op_fail(&op->base.op, ERR_UNSUPPORTED, "store: the server has no labels");
        return op;
    }
    op->params = params;
    if (imap_op_set(&op->base, params->uid_set, &op->set)) {
        imap_op_send_pieces(&op->base, &op->set, &store_cmd, put_piece);
    }
    op->params = NULL;
    return op;
}

void imap_store_cancel(struct imap_store *op)
{
    op_cancel(op != NULL ? &op->base.op : NULL);
}
