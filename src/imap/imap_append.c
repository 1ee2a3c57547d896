/* imap_append: APPEND of a message that comes in pieces (RFC 9051 §6.3.12, RFC 7889).
 *
 *   ASKED ──"+"──► STREAMING ──all bytes──► SENT ──tagged──► end
 *     └ NO: nothing of the message was sent
 *
 * The literal is always synchronizing: a refusal for quota or size then costs one round
 * trip instead of the message. While streaming the stream's queue is kept short, and
 * every piece the server takes renews the deadline. */
#include "imap_priv.h"

#include <stdio.h>
#include <time.h>

enum {
    APPEND_CHUNK = 16 * 1024,
    APPEND_QUEUE_MAX = 256 * 1024
};

enum append_state {
    APPEND_ASKED,
    APPEND_STREAMING,
    APPEND_SENT
};

struct imap_append {
    struct imap_op base;
    enum append_state state;
    bool pumping; /* inside read(), which may call imap_append_more */
    uint64_t left;
    size_t (*read)(void *ctx, char *buf, size_t size);
    struct imap_append_result result;
    imap_append_cb *cb;
    void *ctx;
};

#define APPEND(ptr) container_of(ptr, struct imap_append, base)

static void append_done(struct op *base)
{
    struct imap_append *op = APPEND(IMAP_OP(base));
    op->cb(op, &base->err, base->err.code == ERR_OK ? &op->result : NULL, op->ctx);
}

static const struct op_type append_type = {.name = "append",
                                           .size = sizeof(struct imap_append),
                                           .abort = imap_op_abort,
                                           .done = append_done,
                                           .fini = imap_op_fini};

/* --- the message --- */

static bool may_write(const struct imap_append *op)
{
    return op_is_running(&op->base.op) && op->state == APPEND_STREAMING && op->left > 0 &&
           stream_queued_bytes(op->base.conn->stream) < APPEND_QUEUE_MAX;
}

static void pump(struct imap_append *op)
{
    char chunk[APPEND_CHUNK];
    if (op->pumping) {
        return;
    }
    op->pumping = true;
    while (may_write(op)) {
        size_t room = op->left < sizeof chunk ? (size_t)op->left : sizeof chunk;
        size_t got = op->read(op->ctx, chunk, room);
        if (got == 0 || !op_is_running(&op->base.op)) {
            break;
        }
        op->left -= got;
        imap_op_progress(&op->base);
        imap_conn_write(op->base.conn, chunk, got);
    }
    op->pumping = false;
    if (op_is_running(&op->base.op) && op->state == APPEND_STREAMING && op->left == 0) {
        op->state = APPEND_SENT;
        imap_conn_write(op->base.conn, "\r\n", 2);
    }
}

static void append_continue(struct imap_op *base, struct imap_cmd *cmd,
                            const struct imap_resp *resp)
{
    struct imap_append *op = APPEND(base);
    (void)cmd;
    (void)resp;
    if (op->state != APPEND_ASKED) {
        base->conn->ignored++;
        return;
    }
    op->state = APPEND_STREAMING;
    pump(op);
}

static void append_drain(struct imap_op *base, struct imap_cmd *cmd)
{
    (void)cmd;
    imap_op_progress(base);
    pump(APPEND(base));
}

void imap_append_more(struct imap_append *op)
{
    pump(op);
}

/* --- the end --- */

static void append_end(struct imap_op *base, struct imap_cmd *cmd,
                       const struct imap_resp *resp, const struct err *err)
{
    struct imap_append *op = APPEND(base);
    struct imap_conn *c = base->conn;
    bool broken = op->state == APPEND_STREAMING;
    (void)cmd;
    if (err->code == ERR_OK && resp->code.kind == IMAP_CODE_APPENDUID &&
        resp->code.number <= UINT32_MAX && resp->code.set_a.count > 0) {
        op->result.uid_validity = (uint32_t)resp->code.number;
        op->result.uid = resp->code.set_a.ranges[0].lo;
    }
    imap_op_end_with(base, err);
    if (broken || (op->state == APPEND_ASKED && err->code == ERR_OK)) {
        /* Half a message is on the wire, or a message was accepted unseen. */
        imap_conn_failf(c, ERR_PROTOCOL, "APPEND ended before the message did");
    }
}

static const struct imap_cmd_type append_cmd = {.name = "APPEND",
                                                .order = IMAP_ORDER_ALONE,
                                                .context = IMAP_CONTEXT_STORAGE,
                                                .continues = true,
                                                .undrainable = true,
                                                .on_continue = append_continue,
                                                .on_drain = append_drain,
                                                .on_end = append_end};

/* --- the start --- */

/* date-time of RFC 9051 §9, in UTC: "22-Nov-2026 05:48:00 +0000" with a space for a
 * leading zero. */
static void put_date(struct imap_cmd *cmd, int64_t wall_ms)
{
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    char text[40];
    struct tm tm;
    time_t seconds = (time_t)(wall_ms / 1000);
    if (gmtime_r(&seconds, &tm) == NULL || tm.tm_year < 0 || tm.tm_year > 8099) {
        imap_cmd_refuse(cmd, "the date is out of range");
        return;
    }
    (void)snprintf(text, sizeof text, " \"%2d-%.3s-%04d %02d:%02d:%02d +0000\"",
                   tm.tm_mday, months + (ptrdiff_t)3 * tm.tm_mon, tm.tm_year + 1900,
                   tm.tm_hour, tm.tm_min, tm.tm_sec);
    imap_cmd_put(cmd, text);
}

struct imap_append *imap_append_start(struct imap_conn *c,
                                      const struct imap_append_params *params,
                                      int64_t deadline_ms, imap_append_cb *cb, void *ctx)
{
    struct imap_append *op = imap_op_new(c, &append_type, deadline_ms);
    op->cb = cb;
    op->ctx = ctx;
    op->read = params->read;
    op->left = params->size;
    if (c->caps.append_limit > 0 && params->size > c->caps.append_limit) {
        op_fail(&op->base.op, ERR_TOO_LARGE,
                "append: the server takes messages up to %llu bytes",
                (unsigned long long)c->caps.append_limit);
        return op;
    }
    struct imap_cmd *cmd = imap_cmd_new(&op->base, &append_cmd);
    imap_cmd_put(cmd, "APPEND ");
    imap_cmd_put_mailbox(cmd, params->mailbox);
    if (params->flags.system != 0 || params->flags.keyword_count > 0) {
        imap_cmd_put(cmd, " ");
        imap_cmd_put_flags(cmd, &params->flags);
    }
    if (params->internaldate_ms != 0) {
        put_date(cmd, params->internaldate_ms);
    }
    imap_cmd_put(cmd, " {");
    imap_cmd_put_u64(cmd, params->size);
    imap_cmd_put(cmd, "}");
    imap_cmd_send(cmd);
    return op;
}

void imap_append_cancel(struct imap_append *op)
{
    op_cancel(op != NULL ? &op->base.op : NULL);
}
