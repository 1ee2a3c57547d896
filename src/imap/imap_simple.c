/* imap_simple: commands of one line whose only answer is the tagged one. */
#include "imap_priv.h"

struct imap_simple {
    struct imap_op base;
    imap_simple_cb *cb;
    void *ctx;
};

#define SIMPLE(ptr) container_of(ptr, struct imap_simple, base)

static void simple_done(struct op *base)
{
    struct imap_simple *op = SIMPLE(IMAP_OP(base));
    op->cb(op, &base->err, op->ctx);
}

#define SIMPLE_TYPE(text)                                                                \
    {                                                                                    \
        .name = (text), .size = sizeof(struct imap_simple), .abort = imap_op_abort,      \
        .done = simple_done, .fini = imap_op_fini                                        \
    }

#define SIMPLE_CMD(text, how, what)                                                      \
    {                                                                                    \
        .name = (text), .order = (how), .context = (what), .on_end = imap_cmd_end_op     \
    }

struct simple_row {
    struct op_type op;
    struct imap_cmd_type cmd;
};

enum simple_kind {
    SIMPLE_NOOP,
    SIMPLE_CREATE,
    SIMPLE_DELETE,
    SIMPLE_RENAME,
    SIMPLE_SUBSCRIBE,
    SIMPLE_UNSUBSCRIBE,
    SIMPLE_NOTIFY
};

static const struct simple_row rows[] = {
    [SIMPLE_NOOP] = {SIMPLE_TYPE("noop"),
                     SIMPLE_CMD("NOOP", IMAP_ORDER_UID, IMAP_CONTEXT_OTHER)},
    [SIMPLE_CREATE] = {SIMPLE_TYPE("create"),
                       SIMPLE_CMD("CREATE", IMAP_ORDER_ALONE, IMAP_CONTEXT_STORAGE)},
    [SIMPLE_DELETE] = {SIMPLE_TYPE("delete"),
                       SIMPLE_CMD("DELETE", IMAP_ORDER_ALONE, IMAP_CONTEXT_OTHER)},
    [SIMPLE_RENAME] = {SIMPLE_TYPE("rename"),
                       SIMPLE_CMD("RENAME", IMAP_ORDER_ALONE, IMAP_CONTEXT_OTHER)},
    [SIMPLE_SUBSCRIBE] = {SIMPLE_TYPE("subscribe"),
                          SIMPLE_CMD("SUBSCRIBE", IMAP_ORDER_ALONE, IMAP_CONTEXT_OTHER)},
    [SIMPLE_UNSUBSCRIBE] = {SIMPLE_TYPE("unsubscribe"),
                            SIMPLE_CMD("UNSUBSCRIBE", IMAP_ORDER_ALONE,
                                       IMAP_CONTEXT_OTHER)},
    [SIMPLE_NOTIFY] = {SIMPLE_TYPE("notify"),
                       SIMPLE_CMD("NOTIFY", IMAP_ORDER_LIST, IMAP_CONTEXT_OTHER)},
};

struct simple_start {
    enum simple_kind kind;
    int64_t deadline_ms;
    imap_simple_cb *cb;
    void *ctx;
};

static struct imap_simple *new_op(struct imap_conn *c, const struct simple_start *how)
{
    struct imap_simple *op = imap_op_new(c, &rows[how->kind].op, how->deadline_ms);
    op->cb = how->cb;
    op->ctx = how->ctx;
    return op;
}

/* A command of up to two mailboxes; absent ones are left out. */
static struct imap_simple *start(struct imap_conn *c, const struct simple_start *how,
                                 struct str a, struct str b)
{
    const struct simple_row *row = &rows[how->kind];
    struct imap_simple *op = new_op(c, how);
    struct imap_cmd *cmd = imap_cmd_new(&op->base, &row->cmd);
    imap_cmd_put(cmd, row->cmd.name);
    if (a.ptr != NULL) {
        imap_cmd_put(cmd, " ");
        imap_cmd_put_mailbox(cmd, a);
    }
    if (b.ptr != NULL) {
        imap_cmd_put(cmd, " ");
        imap_cmd_put_mailbox(cmd, b);
    }
    imap_cmd_send(cmd);
    return op;
}

/* An absent name is a name that is missing, not a command without one. */
static struct str present(struct str s)
{
    return s.ptr != NULL ? s : STR("");
}

struct imap_simple *imap_noop_start(struct imap_conn *c, int64_t deadline_ms,
                                    imap_simple_cb *cb, void *ctx)
{
    return start(c, &(struct simple_start){SIMPLE_NOOP, deadline_ms, cb, ctx}, STR_NULL,
                 STR_NULL);
}

struct imap_simple *imap_create_start(struct imap_conn *c, struct str mailbox,
                                      int64_t deadline_ms, imap_simple_cb *cb, void *ctx)
{
    return start(c, &(struct simple_start){SIMPLE_CREATE, deadline_ms, cb, ctx},
                 present(mailbox), STR_NULL);
}

struct imap_simple *imap_delete_start(struct imap_conn *c, struct str mailbox,
                                      int64_t deadline_ms, imap_simple_cb *cb, void *ctx)
{
    return start(c, &(struct simple_start){SIMPLE_DELETE, deadline_ms, cb, ctx},
                 present(mailbox), STR_NULL);
}

struct imap_simple *imap_rename_start(struct imap_conn *c, struct str from, struct str to,
                                      int64_t deadline_ms, imap_simple_cb *cb, void *ctx)
{
    return start(c, &(struct simple_start){SIMPLE_RENAME, deadline_ms, cb, ctx},
                 present(from), present(to));
}

struct imap_simple *imap_subscribe_start(struct imap_conn *c, struct str mailbox,
                                         bool subscribed, int64_t deadline_ms,
                                         imap_simple_cb *cb, void *ctx)
{
    enum simple_kind kind = subscribed ? SIMPLE_SUBSCRIBE : SIMPLE_UNSUBSCRIBE;
    return start(c, &(struct simple_start){kind, deadline_ms, cb, ctx}, present(mailbox),
                 STR_NULL);
}

struct imap_simple *imap_notify_start(struct imap_conn *c, enum imap_notify_scope scope,
                                      uint32_t items, int64_t deadline_ms,
                                      imap_simple_cb *cb, void *ctx)
{
    static const char *const others[] = {
        [IMAP_NOTIFY_NONE] = "",
        [IMAP_NOTIFY_SELECTED] = "",
        [IMAP_NOTIFY_MESSAGES] = " (PERSONAL (MessageNew MessageExpunge))",
        [IMAP_NOTIFY_FLAGS] = " (PERSONAL (MessageNew MessageExpunge FlagChange))",
        [IMAP_NOTIFY_NAMES] = (" (PERSONAL (MessageNew MessageExpunge FlagChange"
                               " MailboxName SubscriptionChange))")};
    struct imap_simple *op =
        new_op(c, &(struct simple_start){SIMPLE_NOTIFY, deadline_ms, cb, ctx});
    if (!imap_conn_has(c, IMAP_CAP_NOTIFY)) {
        op_fail(&op->base.op, ERR_UNSUPPORTED, "the server does not have NOTIFY");
        return op;
    }
    struct imap_cmd *cmd = imap_cmd_new(&op->base, &rows[SIMPLE_NOTIFY].cmd);
    /* Not SELECTED: it lets EXPUNGE shift the numbers under a FETCH (RFC 5465 §6.1). */
    imap_cmd_put(cmd, "NOTIFY SET (SELECTED-DELAYED (MessageNew (");
    imap_cmd_put_items(cmd, imap_items_available(c, items));
    imap_cmd_put(cmd, ") MessageExpunge FlagChange))");
    imap_cmd_put(cmd, others[scope]);
    imap_cmd_send(cmd);
    return op;
}

void imap_simple_cancel(struct imap_simple *op)
{
    op_cancel(op != NULL ? &op->base.op : NULL);
}
