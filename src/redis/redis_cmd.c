#include "redis_priv.h"

#include "postrider/base/check.h"
#include "postrider/base/mem.h"

#include <hiredis/hiredis.h>
#include <stdarg.h>

static struct redis_cmd *cmd_of(struct op *op)
{
    return container_of(op, struct redis_cmd, op);
}

static void cmd_leave(struct redis_cmd *cmd)
{
    struct redis *r = cmd->r;
    cmd->maybe_executed = cmd->end <= r->out_base + r->out_pos;
    r->ring.slots[cmd->seq & (r->ring.cap - 1)] = NULL;
    cmd->r = NULL;
}

static void cmd_abort(struct op *op)
{
    struct redis_cmd *cmd = cmd_of(op);
    struct redis *r = cmd->r;
    if (r == NULL) {
        return;
    }
    cmd_leave(cmd);
    if (!cmd->canceled) {
        /* A server that owes an answer may give it at any time later, or never: start
         * over. */
        struct err err;
        (void)err_set(&err, ERR_TIMEOUT, "Redis did not answer in time");
        redis_conn_lost(r, &err);
    }
}

static void cmd_done(struct op *op)
{
    struct redis_cmd *cmd = cmd_of(op);
    cmd->cb(cmd, op->err.code != ERR_OK ? &op->err : NULL, cmd->reply, cmd->ctx);
}

static void cmd_fini(struct op *op)
{
    arena_fini(&cmd_of(op)->reply_arena);
}

static const struct op_type cmd_type = {"redis command", sizeof(struct redis_cmd),
                                        cmd_abort, cmd_done, cmd_fini};

struct redis_cmd *redis_cmd_new(struct redis *r, int64_t deadline_ms, redis_cb *cb,
                                void *ctx)
{
    redis_check(r);
    struct redis_cmd *cmd = op_new(r->loop, &cmd_type, deadline_ms);
    cmd->cb = cb;
    cmd->ctx = ctx;
    if (r->state != REDIS_STATE_READY) {
        op_fail(&cmd->op, ERR_STORE_DOWN, "Redis is not ready: %s",
                r->last_err.code != ERR_OK ? r->last_err.msg : "connecting");
    } else if (r->ring.tail - r->ring.head >= REDIS_QUEUE_MAX) {
        op_fail(&cmd->op, ERR_STORE_DOWN, "more than %d commands wait for Redis",
                REDIS_QUEUE_MAX);
    } else {
        cmd->r = r;
    }
    return cmd;
}

void redis_cmd_commit(struct redis_cmd *cmd, size_t start)
{
    struct redis *r = cmd->r;
    if (r->out.overflow) {
        buf_truncate(&r->out, start);
        r->out.overflow = false;
        cmd->r = NULL;
        op_fail(&cmd->op, ERR_STORE_DOWN, "more than %d MiB wait to be sent to Redis",
                REDIS_OUT_MAX >> 20);
        return;
    }
    redis_ring_push(r, cmd);
}

void redis_put_count(struct buf *out, size_t count)
{
    (void)buf_put_byte(out, '*');
    (void)buf_put_u64(out, count);
    (void)buf_put(out, "\r\n", 2);
}

void redis_put_arg(struct buf *out, struct str arg)
{
    (void)buf_put_byte(out, '$');
    (void)buf_put_u64(out, arg.len);
    (void)buf_put(out, "\r\n", 2);
    (void)buf_put_str(out, arg);
    (void)buf_put(out, "\r\n", 2);
}

struct redis_cmd *redis_cmd_start(struct redis *r, size_t argc, const struct str *argv,
                                  int64_t deadline_ms, redis_cb *cb, void *ctx)
{
    CHECK(argc > 0);
    struct redis_cmd *cmd = redis_cmd_new(r, deadline_ms, cb, ctx);
    if (cmd->r != NULL) {
        size_t start = r->out.len;
        redis_put_count(&r->out, argc);
        for (size_t i = 0; i < argc; i++) {
            redis_put_arg(&r->out, argv[i]);
        }
        redis_cmd_commit(cmd, start);
    }
    return cmd;
}

struct redis_cmd *redis_cmdf_start(struct redis *r, int64_t deadline_ms, redis_cb *cb,
                                   void *ctx, const char *format, ...)
{
    struct redis_cmd *cmd = redis_cmd_new(r, deadline_ms, cb, ctx);
    if (cmd->r != NULL) {
        char *bytes = NULL;
        va_list ap;
        va_start(ap, format);
        int len = redisvFormatCommand(&bytes, format, ap);
        va_end(ap);
        CHECK(len > 0);
        size_t start = r->out.len;
        (void)buf_put(&r->out, bytes, (size_t)len);
        redisFreeCommand(bytes);
        redis_cmd_commit(cmd, start);
    }
    return cmd;
}

void redis_reply_err(struct err *err, struct str text)
{
    /* "ERR unknown command 'x', with args beginning with: …" would repeat values. */
    size_t args = str_ifind(text, ", with args beginning");
    text.len = args < text.len ? args : text.len;
    char msg[160];
    size_t n = 0;
    for (; n < text.len && n + 1 < sizeof msg; n++) {
        msg[n] = text.ptr[n] >= 0x20 && text.ptr[n] < 0x7f ? text.ptr[n] : '?';
    }
    msg[n] = '\0';
    size_t space = str_find_byte(text, ' ');
    (void)err_set(err, ERR_STORE_REPLY, "Redis: %s", msg);
    err_set_peer_code(err, text.ptr, space < text.len ? space : text.len);
}

void redis_cmd_reply(struct redis_cmd *cmd, struct arena *arena,
                     const struct redis_reply *reply)
{
    if (cmd->learns != NULL) {
        redis_script_learn(cmd->r, cmd->learns, reply);
    }
    if (cmd->script != NULL && redis_script_retry(cmd, reply)) {
        return;
    }
    cmd->r = NULL;
    if (reply->type == REDIS_ERROR) {
        struct err err;
        redis_reply_err(&err, reply->str);
        op_fail_err(&cmd->op, &err);
        return;
    }
    cmd->reply_arena = *arena;
    arena_init(arena);
    cmd->reply = reply;
    op_complete(&cmd->op);
}

void redis_cmd_cancel(struct redis_cmd *cmd)
{
    if (cmd != NULL && op_is_running(&cmd->op)) {
        cmd->canceled = true;
        op_cancel(&cmd->op);
    }
}

bool redis_cmd_maybe_executed(const struct redis_cmd *cmd)
{
    return cmd->maybe_executed;
}
