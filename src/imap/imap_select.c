/* imap_select: SELECT and EXAMINE (RFC 9051 §6.3.2, RFC 7162 §3.1.8, §3.2.5).
 *
 *   sent ─────────────► OLD ──[CLOSED], FLAGS, EXISTS, [UIDVALIDITY]──► NEW ──tagged
 * OK──► (none selected now)  data is of the mailbox before: dropped          data is ours
 *
 * A refusal leaves no mailbox selected, whatever was selected before. 163.com refuses with
 * "Unsafe Login" until it has heard ID: it hears it once more, and SELECT is repeated. */
#include "imap_priv.h"

#include "postrider/base/mem.h"

/* --- the state of a mailbox --- */

struct imap_mailbox {
    struct arena arena; /* of the values below; rebuilt when flags change */
    struct imap_selected selected;
};

struct imap_mailbox *imap_mailbox_new(void)
{
    struct imap_mailbox *m = MEM_NEW(struct imap_mailbox);
    m->selected.keywords_allowed = true;
    m->selected.permanent_flags.system = IMAP_FLAG_SEEN | IMAP_FLAG_ANSWERED |
                                         IMAP_FLAG_FLAGGED | IMAP_FLAG_DELETED |
                                         IMAP_FLAG_DRAFT;
    return m;
}

void imap_mailbox_free(struct imap_mailbox **ptr)
{
    struct imap_mailbox *m = *ptr;
    if (m != NULL) {
        arena_fini(&m->arena);
        mem_free(m);
        *ptr = NULL;
    }
}

const struct imap_selected *imap_mailbox_selected(const struct imap_mailbox *m)
{
    return &m->selected;
}

/* All values of the arena are copied anew, so that a server that repeats itself does not
 * make it grow. */
static void set_values(struct imap_mailbox *m, const struct imap_selected *values)
{
    struct arena fresh = {0};
    m->selected = *values;
    m->selected.flags = imap_flags_dup(&fresh, &values->flags);
    m->selected.permanent_flags = imap_flags_dup(&fresh, &values->permanent_flags);
    m->selected.mailbox_id = arena_str(&fresh, values->mailbox_id);
    arena_fini(&m->arena);
    m->arena = fresh;
}

/* The operation's result must outlive what happens to the connection's copy. */
static struct imap_mailbox *mailbox_dup(const struct imap_mailbox *m)
{
    struct imap_mailbox *copy = MEM_NEW(struct imap_mailbox);
    set_values(copy, &m->selected);
    return copy;
}

static bool apply_code(struct imap_mailbox *m, const struct imap_code *code)
{
    struct imap_selected *s = &m->selected, values = *s;
    uint32_t n32 = code->number <= UINT32_MAX ? (uint32_t)code->number : 0;
    switch ((int)code->kind) {
    case IMAP_CODE_UIDVALIDITY:
        s->uid_validity = n32;
        return true;
    case IMAP_CODE_UIDNEXT:
        s->uid_next = n32;
        return true;
    case IMAP_CODE_HIGHESTMODSEQ:
        s->highest_modseq = code->number;
        s->no_modseq = false;
        return true;
    case IMAP_CODE_NOMODSEQ:
        s->no_modseq = true;
        return true;
    case IMAP_CODE_READ_ONLY:
    case IMAP_CODE_READ_WRITE:
        s->read_only = code->kind == IMAP_CODE_READ_ONLY;
        return true;
    case IMAP_CODE_PERMANENTFLAGS:
        values.keywords_allowed = code->flags_wildcard;
        values.permanent_flags = code->flags;
        set_values(m, &values);
        return true;
    case IMAP_CODE_MAILBOXID:
        values.mailbox_id = code->id;
        set_values(m, &values);
        return true;
    default:
        return code->kind == IMAP_CODE_UNSEEN;
    }
}

static bool apply_flags(struct imap_mailbox *m, const struct imap_flags *flags)
{
    struct imap_selected values = m->selected;
    values.flags = *flags;
    set_values(m, &values);
    return true;
}

static bool apply_expunges(struct imap_mailbox *m, uint64_t count)
{
    uint32_t exists = m->selected.exists;
    m->selected.exists = count < exists ? exists - (uint32_t)count : 0;
    return true;
}

bool imap_mailbox_apply(struct imap_mailbox *m, const struct imap_resp *resp)
{
    switch ((int)resp->kind) {
    case IMAP_RESP_EXISTS:
        m->selected.exists = resp->number;
        return true;
    case IMAP_RESP_EXPUNGE:
        return resp->number >= 1 && resp->number <= m->selected.exists &&
               apply_expunges(m, 1);
    case IMAP_RESP_VANISHED:
        /* (EARLIER) speaks of the time before the messages were counted. */
        return !resp->earlier && apply_expunges(m, imap_set_count(&resp->set));
    case IMAP_RESP_STATUS:
    case IMAP_RESP_TAGGED:
        return apply_code(m, &resp->code);
    case IMAP_RESP_FLAGS:
        return apply_flags(m, &resp->flags);
    case IMAP_RESP_RECENT:
        return true;
    default:
        return false;
    }
}

/* --- the operation --- */

enum select_state {
    SELECT_OLD,
    SELECT_NEW
};

struct imap_select {
    struct imap_op base;
    enum select_state state;
    bool identified; /* ID was said once more */
    struct imap_select_params params;
    struct imap_mailbox *mailbox; /* collects; the connection gets a copy */
    imap_select_row *on_row;
    imap_select_vanished *on_vanished;
    imap_select_cb *cb;
    void *ctx;
};

#define SELECT(ptr) container_of(ptr, struct imap_select, base)

static void select_done(struct op *base)
{
    struct imap_select *op = SELECT(IMAP_OP(base));
    op->cb(op, &base->err,
           base->err.code == ERR_OK ? imap_mailbox_selected(op->mailbox) : NULL, op->ctx);
}

static void select_fini(struct op *base)
{
    struct imap_select *op = SELECT(IMAP_OP(base));
    imap_op_fini(base);
    imap_mailbox_free(&op->mailbox);
}

static const struct op_type select_type = {.name = "select",
                                           .size = sizeof(struct imap_select),
                                           .abort = imap_op_abort,
                                           .done = select_done,
                                           .fini = select_fini};

static void select_sent(struct imap_op *base, struct imap_cmd *cmd)
{
    (void)cmd;
    imap_conn_set_mailbox(base->conn, NULL);
}

static bool is_closed(const struct imap_resp *resp)
{
    return resp->kind == IMAP_RESP_STATUS && resp->code.kind == IMAP_CODE_CLOSED;
}

/* Only a newly selected mailbox tells these. */
static bool begins_new(const struct imap_resp *resp)
{
    return resp->kind == IMAP_RESP_FLAGS || resp->kind == IMAP_RESP_EXISTS ||
           (resp->kind == IMAP_RESP_STATUS && resp->code.kind == IMAP_CODE_UIDVALIDITY);
}

static void restart(struct imap_select *op)
{
    imap_mailbox_free(&op->mailbox);
    op->mailbox = imap_mailbox_new();
    op->state = SELECT_NEW;
}

static bool is_mailbox_data(const struct imap_resp *resp)
{
    return resp->kind == IMAP_RESP_EXPUNGE || resp->kind == IMAP_RESP_VANISHED ||
           resp->kind == IMAP_RESP_FETCH;
}

/* What a QRESYNC answer says of the mailbox that is being selected. */
static bool take_data(struct imap_select *op, const struct imap_resp *resp)
{
    imap_op_progress(&op->base);
    if (resp->kind == IMAP_RESP_FETCH) {
        if (op->on_row != NULL && resp->row.seq != 0) {
            op->on_row(op->ctx, &resp->row);
        }
        return op->on_row != NULL;
    }
    imap_mailbox_apply(op->mailbox, resp);
    if (resp->kind == IMAP_RESP_VANISHED && resp->earlier && op->on_vanished != NULL) {
        op->on_vanished(op->ctx, &resp->set);
        return true;
    }
    return false;
}

static bool select_untagged(struct imap_op *base, struct imap_cmd *cmd,
                            const struct imap_resp *resp)
{
    struct imap_select *op = SELECT(base);
    (void)cmd;
    if (is_closed(resp)) {
        /* What came before was the old mailbox's after all (RFC 7162 §3.2.11). */
        restart(op);
        return true;
    }
    if (op->state == SELECT_OLD && begins_new(resp)) {
        op->state = SELECT_NEW;
    }
    if (is_mailbox_data(resp)) {
        return op->state == SELECT_OLD || take_data(op, resp);
    }
    return imap_mailbox_apply(op->mailbox, resp);
}

static void send_select(struct imap_select *op);

static void id_end(struct imap_op *base, struct imap_cmd *cmd,
                   const struct imap_resp *resp, const struct err *err)
{
    (void)cmd;
    (void)resp;
    (void)err;
    send_select(SELECT(base));
}

static const struct imap_cmd_type id_cmd = {.name = "ID",
                                            .order = IMAP_ORDER_ALONE,
                                            .context = IMAP_CONTEXT_OTHER,
                                            .on_untagged = imap_id_untagged,
                                            .on_end = id_end};

static bool identify(struct imap_select *op, const struct imap_resp *resp)
{
    if (op->identified || op->base.conn->client_name == NULL ||
        str_ifind(resp->text, "unsafe login") == SIZE_MAX) {
        return false;
    }
    op->identified = true;
    struct imap_cmd *cmd = imap_cmd_new(&op->base, &id_cmd);
    imap_cmd_put_id(cmd);
    imap_cmd_send(cmd);
    return true;
}

static void select_end(struct imap_op *base, struct imap_cmd *cmd,
                       const struct imap_resp *resp, const struct err *err)
{
    struct imap_select *op = SELECT(base);
    (void)cmd;
    if (err->code == ERR_OK) {
        imap_mailbox_apply(op->mailbox, resp);
        imap_conn_set_mailbox(base->conn, mailbox_dup(op->mailbox));
    } else if (identify(op, resp)) {
        return;
    }
    imap_op_end_with(base, err);
}

static const struct imap_cmd_type select_cmd = {.name = "SELECT",
                                                .order = IMAP_ORDER_ALONE,
                                                .context = IMAP_CONTEXT_MAILBOX,
                                                .selects = true,
                                                .on_sent = select_sent,
                                                .on_untagged = select_untagged,
                                                .on_end = select_end};

static void put_qresync(struct imap_cmd *cmd, const struct imap_select_params *params)
{
    imap_cmd_put(cmd, " (QRESYNC (");
    imap_cmd_put_u64(cmd, params->uid_validity);
    imap_cmd_put(cmd, " ");
    imap_cmd_put_u64(cmd, params->modseq);
    if (params->last_uid > 0) {
        imap_cmd_put(cmd, " ");
        imap_cmd_put_u64(cmd, params->first_uid > 0 ? params->first_uid : 1);
        imap_cmd_put(cmd, ":");
        imap_cmd_put_u64(cmd, params->last_uid);
    }
    imap_cmd_put(cmd, "))");
}

static void send_select(struct imap_select *op)
{
    const struct imap_select_params *params = &op->params;
    struct imap_cmd *cmd = imap_cmd_new(&op->base, &select_cmd);
    imap_cmd_put(cmd, params->examine ? "EXAMINE " : "SELECT ");
    imap_cmd_put_mailbox(cmd, params->mailbox);
    if (params->qresync) {
        put_qresync(cmd, params);
    } else if (params->condstore && imap_conn_has(op->base.conn, IMAP_CAP_CONDSTORE)) {
        imap_cmd_put(cmd, " (CONDSTORE)");
    }
    imap_cmd_send(cmd);
}

struct imap_select *imap_select_start(struct imap_conn *c,
                                      const struct imap_select_params *params,
                                      int64_t deadline_ms, imap_select_cb *cb, void *ctx)
{
    struct imap_select *op = imap_op_new(c, &select_type, deadline_ms);
    op->params = *params;
    op->params.mailbox = arena_str(&op->base.op.arena, params->mailbox);
    op->on_row = params->on_row;
    op->on_vanished = params->on_vanished;
    op->cb = cb;
    op->ctx = ctx;
    op->mailbox = imap_mailbox_new();
    if (params->qresync &&
        ((c->enabled & IMAP_CAP_QRESYNC) == 0 || params->modseq == 0)) {
        op_fail(&op->base.op, ERR_UNSUPPORTED, "select: QRESYNC is not enabled");
        return op;
    }
    send_select(op);
    return op;
}

void imap_select_cancel(struct imap_select *op)
{
    op_cancel(op != NULL ? &op->base.op : NULL);
}
