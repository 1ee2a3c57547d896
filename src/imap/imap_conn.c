/* imap_conn: one session with a server.
 *
 *   imap_conn_new          on greeting        imap_conn_set_ready
 *   ────────────► GREETING ──────────► CLEARING ───────────► READY
 *                    │                    │                    │  imap_conn_fail: BYE, end of
 *                    └────────────────────┴──────┬─────────────┘  stream, framing, desync
 *                                                ▼
 *                                              DEAD ── imap_conn_close ──► freed
 *
 *   GREETING, CLEARING  nothing but codes and capabilities is trusted, and 64 KiB is all a
 *                       server may say
 *   READY               untagged data reaches commands and events
 *   DEAD                the stream is gone, all commands have failed, on_closed is due once
 *   CLOSED              closed by its owner; freed when the parser has returned and the
 *                       last operation has called back, since what had succeeded before
 *                       may still ask the connection
 *
 * imap_conn_close leads from any state to the end and calls nobody. */
#include "imap_priv.h"

#include "postrider/base/check.h"
#include "postrider/base/intern.h"
#include "postrider/base/log.h"
#include "postrider/base/mem.h"

#include <stdarg.h>
#include <stdio.h>

static const uint32_t conn_magic = 0x1ba9c044u;

static void on_stream_data(void *ctx, const char *data, size_t len);
static void on_stream_drain(void *ctx);
static void on_stream_end(void *ctx, const struct err *err);

static const struct stream_events stream_hooks = {
    .on_data = on_stream_data, .on_drain = on_stream_drain, .on_end = on_stream_end};

static void on_parser_response(void *ctx, const struct imap_resp *resp)
{
    imap_conn_dispatch(ctx, resp);
}

static bool on_parser_literal(void *ctx, const struct imap_literal *literal)
{
    return imap_conn_literal_begin(ctx, literal);
}

static void on_parser_literal_data(void *ctx, const char *data, size_t len, bool end)
{
    imap_conn_literal_data(ctx, data, len, end);
}

static const struct imap_parser_events parser_hooks = {
    .on_response = on_parser_response,
    .on_literal_begin = on_parser_literal,
    .on_literal_data = on_parser_literal_data};

/* --- life --- */

struct imap_conn *imap_conn_new(struct net *net, struct stream *stream)
{
    struct imap_conn *c = MEM_NEW(struct imap_conn);
    c->magic = conn_magic;
    c->loop = net_loop(net);
    c->texts = net_texts(net);
    c->stream = stream;
    c->pipeline_depth = IMAP_PIPELINE_DEFAULT;
    c->answer_ms = IMAP_ANSWER_MS;
    list_init(&c->waiting);
    list_init(&c->running);
    c->parser = imap_parser_new(&parser_hooks, c);
    imap_parser_set_limits(c->parser, &imap_limits_pre_auth);
    stream_set_events(stream, &stream_hooks, c);
    return c;
}

static void conn_free(struct imap_conn *c)
{
    CHECK(!c->feeding && list_is_empty(&c->running) && list_is_empty(&c->waiting));
    imap_parser_free(&c->parser);
    imap_trace_fini(&c->trace);
    imap_mailbox_free(&c->mailbox);
    imap_caps_clear(&c->caps);
    intern_give(&c->name_space.prefix.ptr);
    intern_give(&c->server_name);
    intern_give(&c->greeting);
    intern_give(&c->client_name);
    intern_give(&c->client_version);
    mem_free(c->end);
    mem_wipe(c, sizeof *c);
    mem_free(c);
}

void imap_conn_reap(struct imap_conn *c)
{
    if (c->state == IMAP_CONN_CLOSED && !c->feeding && c->op_count == 0) {
        conn_free(c);
    }
}

static struct imap_cmd *first_cmd(const struct imap_conn *c)
{
    const struct list *l = list_is_empty(&c->running) ? &c->waiting : &c->running;
    return list_is_empty(l) ? NULL : container_of(l->next, struct imap_cmd, node);
}

static void fail_commands(struct imap_conn *c, const struct err *err)
{
    for (struct imap_cmd *cmd; (cmd = first_cmd(c)) != NULL;) {
        struct imap_op *op = cmd->owner;
        imap_cmd_free(cmd);
        if (op != NULL) {
            op_fail_err(&op->op, err);
        }
    }
}

/* The way out that all ends share: nothing is read, written or answered after it. */
static void shut(struct imap_conn *c, enum imap_conn_state state, const struct err *err)
{
    c->state = state;
    if (c->end == NULL) {
        c->end = MEM_NEW(struct err);
    }
    *c->end = *err;
    if (c->feeding) {
        imap_parser_stop(c->parser);
    }
    stream_close(&c->stream);
    fail_commands(c, err);
    if (c->open != NULL) {
        imap_open_conn_failed(c->open, err);
        c->open = NULL;
    }
}

static void on_ending(struct deferred *d)
{
    struct imap_conn *c = container_of(d, struct imap_conn, ending);
    if (c->events.on_closed != NULL) {
        c->events.on_closed(c->events_ctx, c->end);
    }
}

void imap_conn_fail(struct imap_conn *c, const struct err *err)
{
    CHECK_MAGIC(c, conn_magic);
    if (c->state >= IMAP_CONN_DEAD) {
        return;
    }
    log_at(LOG_DEBUG, "imap", "connection ended", LOG_ERR_FIELDS(err));
    shut(c, IMAP_CONN_DEAD, err);
    /* Behind the callbacks of the commands that just failed. */
    loop_defer(c->loop, &c->ending, on_ending);
}

void imap_conn_failf(struct imap_conn *c, enum err_code code, const char *fmt, ...)
{
    struct err err = {.code = ERR_OK};
    va_list ap;
    va_start(ap, fmt);
    (void)err_vset(&err, code, fmt, ap);
    va_end(ap);
    imap_conn_fail(c, &err);
}

static bool may_log_out(const struct imap_conn *c)
{
    return c->state == IMAP_CONN_READY && list_is_empty(&c->running);
}

void imap_conn_close(struct imap_conn **ptr)
{
    struct imap_conn *c = *ptr;
    if (c == NULL) {
        return;
    }
    CHECK_MAGIC(c, conn_magic);
    *ptr = NULL;
    loop_undefer(&c->ending);
    if (may_log_out(c)) {
        char line[32];
        int len = snprintf(line, sizeof line, "A%u LOGOUT\r\n", c->last_tag + 1);
        imap_conn_write(c, line, (size_t)len);
    }
    struct err err;
    err_clear(&err);
    err_set(&err, ERR_CLOSED, "the connection was closed by its owner");
    shut(c, IMAP_CONN_CLOSED, &err);
    imap_conn_reap(c);
}

/* --- silence --- */

void imap_conn_read_pause(struct imap_conn *c)
{
    if (c->pauses++ == 0 && c->stream != NULL) {
        stream_read_pause(c->stream);
    }
}

void imap_conn_read_resume(struct imap_conn *c)
{
    if (--c->pauses == 0 && c->stream != NULL) {
        stream_read_resume(c->stream);
    }
}

void imap_conn_lumps(struct imap_conn *c, bool on)
{
    unsigned before = c->lumps;
    c->lumps = on ? before + 1 : before - 1;
    if (c->stream != NULL && (before == 0 || c->lumps == 0)) {
        stream_read_gather(c->stream, on);
    }
}

static void hold_deadlines(struct imap_conn *c, const struct list *cmds)
{
    list_foreach (node, cmds) {
        struct imap_op *op = imap_cmd_listener(container_of(node, struct imap_cmd, node));
        if (op != NULL && c->held) {
            imap_op_suspend(op);
        } else if (op != NULL && c->pauses == 0) {
            imap_op_progress(op);
        }
    }
}

void imap_conn_hold(struct imap_conn *c, bool held)
{
    if (c->held == held || c->state != IMAP_CONN_READY) {
        return;
    }
    c->held = held;
    if (held) {
        imap_conn_read_pause(c);
    } else {
        imap_conn_read_resume(c);
    }
    hold_deadlines(c, &c->running);
    hold_deadlines(c, &c->waiting);
}

/* --- bytes in --- */

/* A stranger gets no more of our memory and time than this. */
static bool within_clear_budget(struct imap_conn *c, size_t len)
{
    if (c->state >= IMAP_CONN_READY) {
        return true;
    }
    c->clear_bytes += len;
    if (c->clear_bytes <= IMAP_CLEAR_BYTES_MAX) {
        return true;
    }
    imap_conn_failf(c, ERR_LIMIT, "more than %d bytes before authentication",
                    IMAP_CLEAR_BYTES_MAX);
    return false;
}

static void on_stream_data(void *ctx, const char *data, size_t len)
{
    struct imap_conn *c = ctx;
    CHECK_MAGIC(c, conn_magic);
    size_t used = 0;
    struct err err;
    err_clear(&err);
    if (!within_clear_budget(c, len)) {
        return;
    }
    imap_trace_bytes(&c->trace, false, data, len);
    c->feeding = true;
    bool ok = imap_parser_feed(c->parser, data, len, &used, &err);
    c->feeding = false;
    if (c->state == IMAP_CONN_CLOSED) {
        imap_conn_reap(c);
    } else if (c->state == IMAP_CONN_DEAD) {
        return;
    } else if (!ok) {
        imap_conn_fail(c, &err);
    } else if (c->cut) {
        c->cut = false;
        imap_open_cut(c->open, len - used);
    } else if (c->idling && imap_parser_is_idle(c->parser)) {
        imap_parser_trim(c->parser);
    }
}

static void on_stream_end(void *ctx, const struct err *err)
{
    imap_conn_fail(ctx, err);
}

static void on_stream_drain(void *ctx)
{
    struct imap_conn *c = ctx;
    list_foreach (node, &c->running) {
        struct imap_cmd *cmd = container_of(node, struct imap_cmd, node);
        struct imap_op *op = imap_cmd_listener(cmd);
        if (op != NULL && cmd->type->on_drain != NULL) {
            cmd->type->on_drain(op, cmd);
            return;
        }
    }
}

/* --- bytes out --- */

bool imap_conn_write(struct imap_conn *c, const void *data, size_t len)
{
    return c->state < IMAP_CONN_DEAD && stream_write(c->stream, data, len);
}

/* What this command has to be like those that are unanswered: a SELECT behind a LIST is
 * only safe while there is no mailbox whose data could be taken for the new one's. */
static enum imap_order order_of(const struct imap_conn *c, const struct imap_cmd *cmd)
{
    return cmd->type->selects && c->mailbox == NULL ? IMAP_ORDER_LIST : cmd->type->order;
}

/* May this command join those that are unanswered? */
static bool may_send(const struct imap_conn *c, const struct imap_cmd *cmd)
{
    enum imap_order order = order_of(c, cmd);
    size_t count = 0;
    if (c->halted != NULL) {
        return false;
    }
    list_foreach (node, &c->running) {
        const struct imap_cmd *other = container_of(node, struct imap_cmd, node);
        bool beside = other->type->order == order && order != IMAP_ORDER_ALONE;
        bool behind = other->type->leads && cmd->type->trails;
        if (!(beside || behind) || ++count == c->pipeline_depth) {
            return false;
        }
    }
    return true;
}

static void send_cmd(struct imap_conn *c, struct imap_cmd *cmd)
{
    list_remove(&cmd->node);
    list_append(&c->running, &cmd->node);
    imap_cmd_write(cmd);
}

void imap_conn_pump(struct imap_conn *c)
{
    while (c->state < IMAP_CONN_DEAD && !list_is_empty(&c->waiting)) {
        struct imap_cmd *cmd = container_of(c->waiting.next, struct imap_cmd, node);
        if (!may_send(c, cmd)) {
            return;
        }
        send_cmd(c, cmd);
    }
}

/* --- state --- */

void imap_conn_set_ready(struct imap_conn *c)
{
    c->state = IMAP_CONN_READY;
    imap_parser_set_limits(c->parser, &imap_limits_default);
}

void imap_conn_forget(struct imap_conn *c)
{
    imap_caps_clear(&c->caps);
    c->clear_bytes = 0;
}

void imap_conn_set_mailbox(struct imap_conn *c, struct imap_mailbox *m)
{
    if (c->mailbox != m) {
        imap_mailbox_free(&c->mailbox);
        c->mailbox = m;
    }
}

void imap_conn_set_idling(struct imap_conn *c, bool idling)
{
    c->idling = idling;
}

/* --- questions --- */

void imap_conn_set_events(struct imap_conn *c, const struct imap_conn_events *events,
                          void *ctx)
{
    static const struct imap_conn_events none;
    CHECK_MAGIC(c, conn_magic);
    c->events = events != NULL ? *events : none;
    c->events_ctx = ctx;
}

bool imap_conn_is_open(const struct imap_conn *c)
{
    return c->state == IMAP_CONN_READY;
}

uint32_t imap_conn_caps(const struct imap_conn *c)
{
    return c->caps.bits & ~c->caps_off;
}

bool imap_conn_has(const struct imap_conn *c, enum imap_cap cap)
{
    return (imap_conn_caps(c) & (uint32_t)cap) != 0;
}

const char *imap_conn_caps_text(const struct imap_conn *c)
{
    return c->caps.text != NULL ? c->caps.text : "";
}

uint32_t imap_conn_enabled(const struct imap_conn *c)
{
    return c->enabled;
}

const struct imap_namespace *imap_conn_namespace(const struct imap_conn *c)
{
    return &c->name_space;
}

const char *imap_conn_server_name(const struct imap_conn *c)
{
    return c->server_name != NULL ? c->server_name : "";
}

const char *imap_conn_greeting(const struct imap_conn *c)
{
    return c->greeting != NULL ? c->greeting : "";
}

void imap_conn_stream_info(const struct imap_conn *c, struct stream_info *out)
{
    *out = (struct stream_info){0};
    if (c->stream != NULL) {
        stream_info_get(c->stream, out);
    }
}

const struct imap_selected *imap_conn_selected(const struct imap_conn *c)
{
    return c->mailbox != NULL ? imap_mailbox_selected(c->mailbox) : NULL;
}

struct loop *imap_conn_loop(struct imap_conn *c)
{
    return c->loop;
}

size_t imap_conn_pending(const struct imap_conn *c)
{
    size_t count = 0;
    list_foreach (running, &c->running) {
        count++;
    }
    list_foreach (waiting, &c->waiting) {
        count++;
    }
    return count;
}

uint64_t imap_conn_ignored(const struct imap_conn *c)
{
    return c->ignored;
}
