/* imap_idle: IDLE (RFC 2177).
 *
 *   QUEUED ─sent─► ASKED ──"+"──► IDLING ──finish, max_ms──► DONE_SENT ──tagged──► ended
 *                    │ finish: DONE goes out with the "+"          ▲
 *                    └──────────────────────────────────────────────┘
 *
 * It may be sent behind a FETCH or SEARCH that is not answered yet, and waits for its turn then.
 * Data may come in every state, and the server may end it in every state. After DONE
 * nothing is sent before the tagged reply: the command is one of those that stand alone.
 * In ASKED and DONE_SENT the server has answer_ms, then the connection counts as dead. */
#include "imap_priv.h"

enum idle_state {
    IDLE_QUEUED,
    IDLE_ASKED,
    IDLE_IDLING,
    IDLE_DONE_SENT
};

struct imap_idle {
    struct imap_op base;
    enum idle_state state;
    bool finishing; /* asked for before "+" */
    int64_t max_ms;
    struct timer max;
    imap_idle_cb *cb;
    void *ctx;
};

#define IDLE(ptr) container_of(ptr, struct imap_idle, base)

static void idle_done(struct op *base)
{
    struct imap_idle *op = IDLE(IMAP_OP(base));
    op->cb(op, &base->err, op->ctx);
}

static void idle_fini(struct op *base)
{
    timer_stop(&IDLE(IMAP_OP(base))->max);
    imap_op_fini(base);
}

static const struct op_type idle_type = {.name = "idle",
                                         .size = sizeof(struct imap_idle),
                                         .abort = imap_op_abort,
                                         .done = idle_done,
                                         .fini = idle_fini};

static void send_done(struct imap_idle *op)
{
    op->state = IDLE_DONE_SENT;
    timer_stop(&op->max);
    imap_conn_set_idling(op->base.conn, false);
    imap_op_wait(&op->base, op->base.conn->answer_ms);
    imap_conn_write(op->base.conn, "DONE\r\n", 6);
}

static void on_max(struct timer *t)
{
    struct imap_idle *op = container_of(t, struct imap_idle, max);
    if (op_is_running(&op->base.op)) {
        send_done(op);
    }
}

static void idle_sent(struct imap_op *base, struct imap_cmd *cmd)
{
    IDLE(base)->state = IDLE_ASKED;
    if (base->conn->running.next == &cmd->node) {
        imap_op_wait(base, base->conn->answer_ms);
    }
}

static void idle_turn(struct imap_op *base, struct imap_cmd *cmd)
{
    (void)cmd;
    if (IDLE(base)->state == IDLE_ASKED) {
        imap_op_wait(base, base->conn->answer_ms);
    }
}

static void idle_continue(struct imap_op *base, struct imap_cmd *cmd,
                          const struct imap_resp *resp)
{
    struct imap_idle *op = IDLE(base);
    (void)resp;
    if (op->state != IDLE_ASKED || base->conn->running.next != &cmd->node) {
        base->conn->ignored++;
        return;
    }
    if (op->finishing) {
        send_done(op);
        return;
    }
    op->state = IDLE_IDLING;
    imap_conn_set_idling(base->conn, true);
    timer_set(base->op.loop, &op->max, op->max_ms, on_max);
    imap_op_wait(base, op->max_ms + base->conn->answer_ms);
}

static void idle_end(struct imap_op *base, struct imap_cmd *cmd,
                     const struct imap_resp *resp, const struct err *err)
{
    struct imap_idle *op = IDLE(base);
    (void)cmd;
    (void)resp;
    timer_stop(&op->max);
    imap_conn_set_idling(base->conn, false);
    imap_op_end_with(base, err);
}

static const struct imap_cmd_type idle_cmd = {.name = "IDLE",
                                              .order = IMAP_ORDER_ALONE,
                                              .context = IMAP_CONTEXT_OTHER,
                                              .continues = true,
                                              .undrainable = true,
                                              .trails = true,
                                              .on_sent = idle_sent,
                                              .on_turn = idle_turn,
                                              .on_continue = idle_continue,
                                              .on_end = idle_end};

struct imap_idle *imap_idle_start(struct imap_conn *c, int64_t max_ms, imap_idle_cb *cb,
                                  void *ctx)
{
    /* Until it is sent it waits for others, which have their own deadlines. */
    struct imap_idle *op = imap_op_new(c, &idle_type, max_ms + c->answer_ms);
    op->max_ms = max_ms;
    op->cb = cb;
    op->ctx = ctx;
    if (!imap_conn_has(c, IMAP_CAP_IDLE)) {
        op_fail(&op->base.op, ERR_UNSUPPORTED, "idle: the server does not have IDLE");
        return op;
    }
    struct imap_cmd *cmd = imap_cmd_new(&op->base, &idle_cmd);
    imap_cmd_put(cmd, "IDLE");
    imap_cmd_send(cmd);
    return op;
}

void imap_idle_finish(struct imap_idle *op)
{
    if (!op_is_running(&op->base.op)) {
        return;
    }
    switch (op->state) {
    case IDLE_QUEUED:
        /* Never sent, so nothing has to be ended. */
        imap_op_complete(&op->base);
        return;
    case IDLE_ASKED:
        op->finishing = true;
        return;
    case IDLE_IDLING:
        send_done(op);
        return;
    case IDLE_DONE_SENT:
        return;
    }
}
