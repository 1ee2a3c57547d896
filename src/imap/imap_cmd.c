/* imap_cmd: one command on the wire, and what all operations on a connection share.
 *
 *            imap_cmd_send            imap_conn_pump
 *   (built) ──────────────► WAITING ───────────────► HALTED ◄─┐ a synchronizing literal
 *                              │                        │ "+" ─┘ (RFC 9051 §4.3)
 *                              └────────────────────► SENT ──tagged reply──► freed
 *
 * In WAITING nothing is on the wire, so the command may vanish. From the first byte on it
 * lives until its tagged reply, whatever becomes of its operation. */
#include "imap_priv.h"

#include "postrider/base/check.h"
#include "postrider/base/mem.h"

#include <stdarg.h>
#include <stdio.h>

static const int64_t forever_ms = INT64_C(1) << 40;

/* --- building --- */

struct imap_cmd *imap_cmd_new(struct imap_op *owner, const struct imap_cmd_type *type)
{
    struct imap_cmd *cmd = MEM_NEW(struct imap_cmd);
    cmd->type = type;
    cmd->owner = owner;
    cmd->conn = owner->conn;
    list_init(&cmd->node);
    list_init(&cmd->owner_node);
    buf_init(&cmd->text, IMAP_CMD_TEXT_MAX);
    if (type->secret) {
        /* Growing would leave copies behind that nobody wipes. */
        buf_reserve(&cmd->text, IMAP_CMD_TEXT_MAX / 16);
    }
    cmd->tag = ++cmd->conn->last_tag;
    buf_printf(&cmd->text, "A%u ", cmd->tag);
    return cmd;
}

static void release_text(struct imap_cmd *cmd)
{
    if (cmd->type->secret && cmd->text.bytes != NULL) {
        mem_wipe(cmd->text.bytes, cmd->text.cap);
    }
    buf_release(&cmd->text);
}

void imap_cmd_free(struct imap_cmd *cmd)
{
    struct imap_conn *c = cmd->conn;
    if (c->halted == cmd) {
        c->halted = NULL;
    }
    if (c->sink == cmd) {
        c->sink = NULL;
    }
    timer_stop(&cmd->drain);
    list_remove(&cmd->node);
    list_remove(&cmd->owner_node);
    release_text(cmd);
    mem_free(cmd->breaks);
    mem_free(cmd);
}

void imap_cmd_put(struct imap_cmd *cmd, const char *text)
{
    buf_put_c(&cmd->text, text);
}

void imap_cmd_put_str(struct imap_cmd *cmd, struct str text)
{
    buf_put_str(&cmd->text, text);
}

void imap_cmd_put_u64(struct imap_cmd *cmd, uint64_t n)
{
    buf_put_u64(&cmd->text, n);
}

void imap_cmd_refuse(struct imap_cmd *cmd, const char *why)
{
    if (cmd->refused == NULL) {
        cmd->refused = why;
    }
}

/* RFC 7888 §4, §5 */
static bool may_send_unasked(const struct imap_conn *c, size_t len)
{
    return imap_conn_has(c, IMAP_CAP_LITERAL_PLUS) ||
           (len <= IMAP_LITERAL_MINUS_MAX && imap_conn_has(c, IMAP_CAP_LITERAL_MINUS));
}

void imap_cmd_put_literal(struct imap_cmd *cmd, struct str bytes)
{
    bool unasked = may_send_unasked(cmd->conn, bytes.len);
    buf_put_byte(&cmd->text, '{');
    buf_put_u64(&cmd->text, bytes.len);
    buf_put_c(&cmd->text, unasked ? "+}\r\n" : "}\r\n");
    if (!unasked) {
        if (cmd->break_count == IMAP_CMD_BREAKS_MAX) {
            imap_cmd_refuse(cmd, "too many strings that need a literal");
            return;
        }
        cmd->breaks =
            mem_realloc(cmd->breaks, (cmd->break_count + 1) * sizeof cmd->breaks[0]);
        cmd->breaks[cmd->break_count++] = (uint32_t)cmd->text.len;
    }
    buf_put_str(&cmd->text, bytes);
}

void imap_cmd_send(struct imap_cmd *cmd)
{
    struct imap_op *op = cmd->owner;
    struct imap_conn *c = cmd->conn;
    if (!op_is_running(&op->op)) {
        imap_cmd_free(cmd);
        return;
    }
    buf_put_c(&cmd->text, "\r\n");
    if (cmd->text.overflow) {
        imap_cmd_refuse(cmd, "the command is too long");
    }
    if (cmd->refused != NULL) {
        struct err err;
        err_set(&err, ERR_INVALID, "%s: %s", cmd->type->name, cmd->refused);
        imap_cmd_free(cmd);
        imap_op_fail(op, &err);
        return;
    }
    list_append(&op->cmds, &cmd->owner_node);
    list_append(&c->waiting, &cmd->node);
    imap_conn_pump(c);
}

/* --- sending --- */

static void trace(const struct imap_cmd *cmd, const char *text, size_t len)
{
    char hidden[48];
    if (cmd->type->secret) {
        len = (size_t)snprintf(hidden, sizeof hidden, "A%u (credentials)\r\n", cmd->tag);
        text = hidden;
    }
    imap_trace_bytes(&cmd->conn->trace, true, text, len);
}

void imap_cmd_write(struct imap_cmd *cmd)
{
    struct imap_conn *c = cmd->conn;
    bool halts = cmd->next_break < cmd->break_count;
    size_t end = halts ? cmd->breaks[cmd->next_break++] : cmd->text.len;
    size_t from = cmd->sent_bytes;
    cmd->sent_bytes = end;
    cmd->state = halts ? IMAP_CMD_HALTED : IMAP_CMD_SENT;
    c->halted = halts || cmd->type->continues ? cmd : NULL;
    trace(cmd, cmd->text.bytes + from, end - from);
    imap_conn_write(c, cmd->text.bytes + from, end - from);
    if (halts || c->state >= IMAP_CONN_DEAD) {
        return;
    }
    release_text(cmd);
    struct imap_op *op = imap_cmd_listener(cmd);
    if (op != NULL && cmd->type->on_sent != NULL) {
        cmd->type->on_sent(op, cmd);
    }
}

struct imap_op *imap_cmd_listener(const struct imap_cmd *cmd)
{
    return cmd->owner != NULL && op_is_running(&cmd->owner->op) ? cmd->owner : NULL;
}

/* --- operations --- */

void *imap_op_new(struct imap_conn *c, const struct op_type *type, int64_t deadline_ms)
{
    struct imap_op *op = op_new(c->loop, type, deadline_ms);
    op->conn = c;
    c->op_count++;
    op->deadline_ms = deadline_ms;
    list_init(&op->cmds);
    if (c->state >= IMAP_CONN_DEAD) {
        op_fail_err(&op->op, c->end);
    } else if (c->held) {
        imap_op_suspend(op);
    }
    return op;
}

static void on_drain_timeout(struct timer *t)
{
    struct imap_cmd *cmd = container_of(t, struct imap_cmd, drain);
    if (cmd->conn->held) {
        timer_set(cmd->conn->loop, &cmd->drain, cmd->conn->answer_ms, on_drain_timeout);
        return;
    }
    imap_conn_failf(cmd->conn, ERR_TIMEOUT, "no end of the canceled command %s",
                    cmd->type->name);
}

/* True if the command was on the wire. */
static bool detach_cmd(struct imap_cmd *cmd)
{
    struct imap_conn *c = cmd->conn;
    if (cmd->state == IMAP_CMD_WAITING) {
        imap_cmd_free(cmd);
        return false;
    }
    cmd->owner = NULL;
    list_remove(&cmd->owner_node);
    timer_set(c->loop, &cmd->drain, c->answer_ms, on_drain_timeout);
    return true;
}

struct imap_cmd *imap_op_detach(struct imap_op *op)
{
    struct imap_cmd *on_wire = NULL;
    for (struct list *node; (node = op->cmds.next) != &op->cmds;) {
        struct imap_cmd *cmd = container_of(node, struct imap_cmd, owner_node);
        if (detach_cmd(cmd) && (on_wire == NULL || cmd->type->undrainable)) {
            on_wire = cmd;
        }
    }
    return on_wire;
}

/* What the rest of a canceled command costs decides whether the connection is kept. */
static void after_cancel(struct imap_conn *c, const struct imap_cmd *cmd)
{
    if (cmd->type->undrainable) {
        imap_conn_failf(c, ERR_CANCELED, "%s was canceled", cmd->type->name);
    } else if (c->sink == cmd && c->sink_left > IMAP_DRAIN_BYTES_MAX) {
        imap_conn_failf(c, ERR_CANCELED, "a long download was canceled");
    }
}

void imap_op_abort(struct op *base)
{
    struct imap_op *op = IMAP_OP(base);
    struct imap_conn *c = op->conn;
    /* The deadline's own timer has stopped by now; a cancel finds it running. */
    bool timed_out = !timer_is_set(&base->deadline);
    struct imap_cmd *cmd = imap_op_detach(op);
    if (cmd == NULL) {
        return;
    }
    /* The operation ends before the connection does, so that its callback comes first. */
    if (timed_out) {
        op_fail(base, ERR_TIMEOUT, "%s: no answer within %lld ms", base->type->name,
                (long long)op->deadline_ms);
        /* Answers come in order: who owes this one is not going to give others. */
        imap_conn_failf(c, ERR_TIMEOUT, "no answer to %s", cmd->type->name);
    } else {
        op_fail(base, ERR_CANCELED, "%s: canceled", base->type->name);
        after_cancel(c, cmd);
    }
}

void imap_op_fini(struct op *base)
{
    struct imap_conn *c = IMAP_OP(base)->conn;
    imap_op_detach(IMAP_OP(base));
    c->op_count--;
    imap_conn_reap(c);
}

void imap_op_complete(struct imap_op *op)
{
    imap_op_detach(op);
    op_complete(&op->op);
}

void imap_op_fail(struct imap_op *op, const struct err *err)
{
    struct imap_conn *c = op->conn;
    struct imap_cmd *cmd = imap_op_detach(op);
    op_fail_err(&op->op, err);
    if (cmd != NULL) {
        after_cancel(c, cmd);
    }
}

void imap_op_wait(struct imap_op *op, int64_t deadline_ms)
{
    op_extend(&op->op, op->conn->held ? forever_ms : deadline_ms);
}

void imap_op_progress(struct imap_op *op)
{
    imap_op_wait(op, op->deadline_ms);
    /* Who was sent behind it cannot have an answer yet. */
    list_foreach (node, &op->conn->running) {
        struct imap_op *other =
            imap_cmd_listener(container_of(node, struct imap_cmd, node));
        if (other != NULL && other != op) {
            imap_op_wait(other, other->deadline_ms);
        }
    }
}

void imap_op_suspend(struct imap_op *op)
{
    op_extend(&op->op, forever_ms);
}

void imap_op_end_with(struct imap_op *op, const struct err *err)
{
    if (err->code == ERR_OK) {
        imap_op_complete(op);
    } else {
        imap_op_fail(op, err);
    }
}

void imap_cmd_end_op(struct imap_op *op, struct imap_cmd *cmd,
                     const struct imap_resp *resp, const struct err *err)
{
    (void)cmd;
    (void)resp;
    imap_op_end_with(op, err);
}

bool imap_op_set(struct imap_op *op, struct str text, struct imap_set *out)
{
    if (!imap_set_parse(&op->op.arena, text, out) || out->count == 0) {
        struct err err;
        err_set(&err, ERR_INVALID, "%s: not a set of message numbers", op->op.type->name);
        imap_op_fail(op, &err);
        return false;
    }
    imap_set_normalize(out);
    return true;
}

void imap_op_send_pieces(struct imap_op *op, const struct imap_set *set,
                         const struct imap_cmd_type *type, imap_piece_put *put)
{
    struct buf piece = BUF_INIT(2 * IMAP_SET_TEXT_MAX);
    size_t next = 0;
    while (next < set->count && op_is_running(&op->op)) {
        buf_clear(&piece);
        size_t taken = imap_set_print(&piece, set, next, IMAP_SET_TEXT_MAX);
        CHECK(taken > 0);
        next += taken;
        op->pieces++;
        struct imap_cmd *cmd = imap_cmd_new(op, type);
        put(op, cmd, buf_str(&piece));
        imap_cmd_send(cmd);
    }
    buf_fini(&piece);
}

bool imap_op_piece_ended(struct imap_op *op, const struct err *err)
{
    op->pieces--;
    if (err->code != ERR_OK) {
        imap_op_fail(op, err);
        return false;
    }
    return op->pieces == 0;
}

/* --- copies --- */

struct imap_set imap_set_dup(struct arena *arena, const struct imap_set *set)
{
    struct imap_set copy = {.count = set->count};
    if (set->count > 0) {
        copy.ranges =
            arena_memdup(arena, set->ranges, set->count * sizeof set->ranges[0]);
    }
    return copy;
}

void imap_set_append(struct arena *arena, struct imap_set *a, const struct imap_set *b)
{
    if (b->count == 0) {
        return;
    }
    struct imap_range *all = ARENA_ARRAY(arena, struct imap_range, a->count + b->count);
    if (a->count > 0) {
        memcpy(all, a->ranges, a->count * sizeof all[0]);
    }
    memcpy(all + a->count, b->ranges, b->count * sizeof all[0]);
    a->ranges = all;
    a->count += b->count;
}

struct imap_flags imap_flags_dup(struct arena *arena, const struct imap_flags *flags)
{
    struct imap_flags copy = {.system = flags->system};
    if (flags->keyword_count > 0) {
        struct str *words = ARENA_ARRAY(arena, struct str, flags->keyword_count);
        for (size_t i = 0; i < flags->keyword_count; i++) {
            words[i] = arena_str(arena, flags->keywords[i]);
        }
        copy.keywords = words;
        copy.keyword_count = flags->keyword_count;
    }
    return copy;
}
