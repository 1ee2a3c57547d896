/* imap_quota: GETQUOTAROOT, the quotas that a mailbox counts against (RFC 9208 §4.1.2). Of
 * several the first that bounds storage is told. */
#include "imap_priv.h"

struct imap_quota {
    struct imap_op base;
    struct imap_storage result;
    imap_quota_cb *cb;
    void *ctx;
};

#define QUOTA(ptr) container_of(ptr, struct imap_quota, base)

static void quota_done(struct op *base)
{
    struct imap_quota *op = QUOTA(IMAP_OP(base));
    op->cb(op, &base->err, base->err.code == ERR_OK ? &op->result : NULL, op->ctx);
}

static const struct op_type quota_type = {.name = "quota",
                                          .size = sizeof(struct imap_quota),
                                          .abort = imap_op_abort,
                                          .done = quota_done,
                                          .fini = imap_op_fini};

static bool quota_untagged(struct imap_op *base, struct imap_cmd *cmd ATTR_UNUSED,
                           const struct imap_resp *resp)
{
    struct imap_quota *op = QUOTA(base);
    if (resp->kind != IMAP_RESP_QUOTA) {
        return false;
    }
    if (!op->result.known) {
        op->result = resp->storage;
    }
    return true;
}

static const struct imap_cmd_type quota_cmd = {.name = "GETQUOTAROOT",
                                               .order = IMAP_ORDER_UID,
                                               .context = IMAP_CONTEXT_OTHER,
                                               .on_untagged = quota_untagged,
                                               .on_end = imap_cmd_end_op};

struct imap_quota *imap_quota_start(struct imap_conn *c, struct str mailbox,
                                    int64_t deadline_ms, imap_quota_cb *cb, void *ctx)
{
    struct imap_quota *op = imap_op_new(c, &quota_type, deadline_ms);
    op->cb = cb;
    op->ctx = ctx;
    if (!imap_caps_has_word(&c->caps, "QUOTA")) {
        op_fail(&op->base.op, ERR_UNSUPPORTED, "the server does not have QUOTA");
        return op;
    }
    struct imap_cmd *cmd = imap_cmd_new(&op->base, &quota_cmd);
    imap_cmd_put(cmd, "GETQUOTAROOT ");
    imap_cmd_put_mailbox(cmd, mailbox);
    imap_cmd_send(cmd);
    return op;
}

void imap_quota_cancel(struct imap_quota *op)
{
    op_cancel(op != NULL ? &op->base.op : NULL);
}
