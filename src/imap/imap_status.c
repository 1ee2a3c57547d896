/* imap_status: STATUS of a mailbox that is not selected (RFC 9051 §6.3.11).
 * An answer is recognized by its mailbox: others may come from NOTIFY meanwhile. */
#include "imap_priv.h"

struct status_row {
    uint32_t item;
    const char *name;
    enum imap_cap needs; /* 0 = nothing */
    const char *needs_word;
};

static const struct status_row items_table[] = {
    {IMAP_STATUS_MESSAGES, "MESSAGES", 0, NULL},
    {IMAP_STATUS_UIDNEXT, "UIDNEXT", 0, NULL},
    {IMAP_STATUS_UIDVALIDITY, "UIDVALIDITY", 0, NULL},
    {IMAP_STATUS_UNSEEN, "UNSEEN", 0, NULL},
    {IMAP_STATUS_HIGHESTMODSEQ, "HIGHESTMODSEQ", IMAP_CAP_CONDSTORE, NULL},
    {IMAP_STATUS_MAILBOXID, "MAILBOXID", IMAP_CAP_OBJECTID, NULL},
    {IMAP_STATUS_SIZE, "SIZE", 0, "STATUS=SIZE"},
};

void imap_cmd_put_status_items(struct imap_cmd *cmd, uint32_t items)
{
    const struct imap_conn *c = cmd->conn;
    const char *before = "(";
    for (size_t i = 0; i < ARRAY_LEN(items_table); i++) {
        const struct status_row *row = &items_table[i];
        if ((items & row->item) == 0 ||
            (row->needs != 0 && !imap_conn_has(c, row->needs)) ||
            (row->needs_word != NULL && !imap_caps_has_word(&c->caps, row->needs_word))) {
            continue;
        }
        imap_cmd_put(cmd, before);
        imap_cmd_put(cmd, row->name);
        before = " ";
    }
    imap_cmd_put(cmd, *before == '(' ? "(MESSAGES)" : ")");
}

struct imap_mailbox_status {
    struct imap_op base;
    struct str mailbox;
    struct imap_status result;
    imap_status_cb *cb;
    void *ctx;
};

#define STATUS(ptr) container_of(ptr, struct imap_mailbox_status, base)

static void status_done(struct op *base)
{
    struct imap_mailbox_status *op = STATUS(IMAP_OP(base));
    op->cb(op, &base->err, base->err.code == ERR_OK ? &op->result : NULL, op->ctx);
}

static const struct op_type status_type = {.name = "status",
                                           .size = sizeof(struct imap_mailbox_status),
                                           .abort = imap_op_abort,
                                           .done = status_done,
                                           .fini = imap_op_fini};

bool imap_mailbox_names_equal(struct str a, struct str b)
{
    return str_eq(a, b) || (str_ieq_c(a, "INBOX") && str_ieq_c(b, "INBOX"));
}

static bool status_untagged(struct imap_op *base, struct imap_cmd *cmd,
                            const struct imap_resp *resp)
{
    struct imap_mailbox_status *op = STATUS(base);
    (void)cmd;
    if (resp->kind != IMAP_RESP_MAILBOX_STATUS ||
        !imap_mailbox_names_equal(resp->status.mailbox, op->mailbox)) {
        return false;
    }
    op->result = resp->status;
    op->result.mailbox = op->mailbox;
    op->result.mailbox_id = arena_str(&base->op.arena, resp->status.mailbox_id);
    return true;
}

static const struct imap_cmd_type status_cmd = {.name = "STATUS",
                                                .order = IMAP_ORDER_UID,
                                                .context = IMAP_CONTEXT_MAILBOX,
                                                .on_untagged = status_untagged,
                                                .on_end = imap_cmd_end_op};

struct imap_mailbox_status *imap_status_start(struct imap_conn *c, struct str mailbox,
                                              uint32_t items, int64_t deadline_ms,
                                              imap_status_cb *cb, void *ctx)
{
    struct imap_mailbox_status *op = imap_op_new(c, &status_type, deadline_ms);
    op->cb = cb;
    op->ctx = ctx;
    op->mailbox = arena_str(&op->base.op.arena, mailbox);
    op->result.mailbox = op->mailbox;
    struct imap_cmd *cmd = imap_cmd_new(&op->base, &status_cmd);
    imap_cmd_put(cmd, "STATUS ");
    imap_cmd_put_mailbox(cmd, mailbox);
    imap_cmd_put(cmd, " ");
    imap_cmd_put_status_items(cmd, items);
    imap_cmd_send(cmd);
    return op;
}

void imap_status_cancel(struct imap_mailbox_status *op)
{
    op_cancel(op != NULL ? &op->base.op : NULL);
}
