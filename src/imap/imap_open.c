/* imap_open: from nothing to a connection that is ready.
 *
 *   CONNECT ─► GREETING ─┬──────────────► CAPABILITY ─┬─► AUTH ─► CAPABILITY2 ─┐
 *              │         └─(told already)─────┬───────┘    ▲                   ▼
 *              │ PREAUTH                      ▼            │                 HELLO
 *              │ over TLS                 STARTTLS ─► TLS ─► (CAPABILITY)      │
 *              └──────────────────────────► CAPABILITY2                        ▼
 *                                                          READY ◄─ (PREFIX) ◄─┘
 *
 * HELLO is ID, NAMESPACE and ENABLE, sent together: one round trip.
 * What is known before TLS is only used to ask for TLS. In clear the walk goes on behind
 * CAPABILITY only if the account allows it (enum imap_security). PREFIX, LIST "" "", is
 * for servers without a working NAMESPACE, and is the proof that the login was real:
 * Exchange answers OK to a login that cannot be used and BAD to everything behind it. */
#include "imap_open_priv.h"

#include "postrider/base/check.h"
#include "postrider/base/intern.h"
#include "postrider/base/log.h"
#include "postrider/base/mem.h"

#include <stdarg.h>
#include <stdio.h>

struct open_row {
    const char *name;
    void (*enter)(struct imap_open *op);
    unsigned next; /* bits of the states that may follow */
};

#define NEXT(state) (1u << OPEN_##state)

static void enter_connect(struct imap_open *op);
static void enter_greeting(struct imap_open *op);
static void enter_capability(struct imap_open *op);
static void enter_starttls(struct imap_open *op);
static void enter_tls(struct imap_open *op);
static void enter_auth(struct imap_open *op);
static void enter_ready(struct imap_open *op);

static const struct open_row rows[] = {
    [OPEN_CONNECT] = {"connect", enter_connect, NEXT(GREETING)},
    [OPEN_GREETING] = {"greeting", enter_greeting,
                       NEXT(CAPABILITY) | NEXT(STARTTLS) | NEXT(AUTH) |
                           NEXT(CAPABILITY2)},
    [OPEN_CAPABILITY] = {"capability", enter_capability, NEXT(STARTTLS) | NEXT(AUTH)},
    [OPEN_STARTTLS] = {"starttls", enter_starttls, NEXT(TLS)},
    [OPEN_TLS] = {"tls", enter_tls, NEXT(CAPABILITY)},
    [OPEN_AUTH] = {"auth", enter_auth, NEXT(CAPABILITY2) | NEXT(HELLO)},
    [OPEN_CAPABILITY2] = {"capability2", enter_capability,
                          NEXT(CAPABILITY2) | NEXT(HELLO)},
    [OPEN_HELLO] = {"hello", imap_open_enter_hello, NEXT(PREFIX) | NEXT(READY)},
    [OPEN_PREFIX] = {"prefix", imap_open_enter_prefix, NEXT(READY)},
    [OPEN_READY] = {"ready", enter_ready, 0},
};

void imap_open_enter(struct imap_open *op, enum open_state state)
{
    if (!op_is_running(&op->base.op)) {
        return;
    }
    CHECK((rows[op->state].next & (1u << state)) != 0);
    log_at(LOG_TRACE, "imap", "open", LOG_S("from", rows[op->state].name),
           LOG_S("to", rows[state].name));
    op->state = (int)state;
    rows[state].enter(op);
}

/* --- ends --- */

static void release(struct imap_open *op)
{
    timer_stop(&op->phase);
    net_connect_cancel(op->connecting);
    net_starttls_cancel(op->upgrading);
    op->connecting = NULL;
    op->upgrading = NULL;
    if (op->base.conn != NULL) {
        op->base.conn->open = NULL; /* or it would tell us of its end */
        imap_conn_close(&op->base.conn);
    }
}

void imap_open_fail(struct imap_open *op, const struct err *err)
{
    if (!op_is_running(&op->base.op)) {
        return;
    }
    /* Children first: their callbacks must find this operation alive. Detached, so that
     * the connection's end does not become this operation's error. */
    imap_op_detach(&op->base);
    release(op);
    op_fail_err(&op->base.op, err);
}

void imap_open_failf(struct imap_open *op, enum err_code code, const char *fmt, ...)
{
    struct err err = {.code = ERR_OK};
    va_list ap;
    va_start(ap, fmt);
    (void)err_vset(&err, code, fmt, ap);
    va_end(ap);
    imap_open_fail(op, &err);
}

static void open_abort(struct op *base)
{
    imap_op_detach(IMAP_OP(base));
    release(OPEN(IMAP_OP(base)));
}

static void open_done(struct op *base)
{
    struct imap_open *op = OPEN(IMAP_OP(base));
    struct imap_conn *c = NULL;
    if (base->err.code == ERR_OK) {
        c = op->base.conn;
        op->base.conn = NULL;
    } else {
        release(op);
    }
    op->cb(op, &base->err, c, op->ctx);
}

static void open_fini(struct op *base)
{
    struct imap_open *op = OPEN(IMAP_OP(base));
    timer_stop(&op->phase);
    mem_wipe(op->secret, op->secret_len);
    mem_free(op->secret);
}

static const struct op_type open_type = {.name = "imap open",
                                         .size = sizeof(struct imap_open),
                                         .abort = open_abort,
                                         .done = open_done,
                                         .fini = open_fini};

static void on_phase_timeout(struct timer *t)
{
    struct imap_open *op = container_of(t, struct imap_open, phase);
    imap_open_failf(op, ERR_TIMEOUT, "the server was silent during %s", op->phase_name);
}

void imap_open_set_phase(struct imap_open *op, const char *name, int64_t ms)
{
    op->phase_name = name;
    timer_set(op->base.op.loop, &op->phase, ms, on_phase_timeout);
}

/* --- connect, greeting --- */

enum {
    GREETING_KEPT = 200
};

static void on_connected(struct net_connect *connecting, const struct err *err,
                         struct stream *stream, void *ctx)
{
    struct imap_open *op = ctx;
    (void)connecting;
    op->connecting = NULL;
    if (!op_is_running(&op->base.op)) {
        stream_close(&stream);
        return;
    }
    if (err->code != ERR_OK) {
        imap_open_fail(op, err);
        return;
    }
    struct imap_conn *c = imap_conn_new(op->net, stream);
    c->open = op;
    c->caps_off = op->params.caps_off;
    c->answer_ms = op->params.answer_ms;
    imap_trace_init(&c->trace, &op->params.trace);
    if (op->params.pipeline_depth > 0) {
        c->pipeline_depth = op->params.pipeline_depth;
    }
    op->base.conn = c;
    imap_open_enter(op, OPEN_GREETING);
}

static void enter_connect(struct imap_open *op)
{
    struct net_target target = {
        .host = op->params.host,
        .port = op->params.port,
        .security = op->params.security == IMAP_SECURITY_TLS ? NET_TLS : NET_PLAIN,
        .tls = op->params.tls};
    op->connecting =
        net_connect_start(op->net, &target, op->base.deadline_ms, on_connected, op);
}

static void enter_greeting(struct imap_open *op)
{
    imap_open_set_phase(op, "the greeting", op->params.greeting_ms);
}

static bool is_private(const struct imap_open *op)
{
    struct stream_info info;
    imap_conn_stream_info(op->base.conn, &info);
    return info.tls;
}

static bool may_go_on_in_clear(const struct imap_open *op)
{
    struct stream_info info;
    if (op->params.security != IMAP_SECURITY_OPPORTUNISTIC) {
        return false;
    }
    imap_conn_stream_info(op->base.conn, &info);
    return op->params.allow_plain || strcmp(info.address, "::1") == 0 ||
           strncmp(info.address, "127.", 4) == 0;
}

/* The capabilities of an unauthenticated server are known. */
static void secure(struct imap_open *op)
{
    if (is_private(op)) {
        imap_open_enter(op, OPEN_AUTH);
    } else if (imap_conn_has(op->base.conn, IMAP_CAP_STARTTLS)) {
        imap_open_enter(op, OPEN_STARTTLS);
    } else if (may_go_on_in_clear(op)) {
        imap_open_enter(op, OPEN_AUTH);
    } else {
        imap_open_failf(op, ERR_STARTTLS, "the server does not offer STARTTLS");
    }
}

void imap_open_greeting(struct imap_open *op, const struct imap_resp *resp)
{
    struct imap_conn *c = op->base.conn;
    c->state = IMAP_CONN_CLEARING;
    timer_stop(&op->phase);
    struct str text = resp->text;
    text.len = text.len < GREETING_KEPT ? text.len : GREETING_KEPT;
    c->greeting = intern_take(c->texts, text);
    if (resp->cond == IMAP_COND_PREAUTH && !is_private(op)) {
        /* Nobody in between must be able to spare us TLS (RFC 9051 §11.1). */
        imap_open_failf(op, ERR_STARTTLS,
                        "the server claims we are authenticated before TLS");
    } else if (resp->cond == IMAP_COND_PREAUTH) {
        imap_conn_set_ready(c);
        imap_open_enter(op, OPEN_CAPABILITY2);
    } else if (resp->cond != IMAP_COND_OK) {
        struct err err;
        err_clear(&err);
        imap_error_from_resp(&err, "greeting", IMAP_CONTEXT_GREETING, resp);
        imap_open_fail(op, &err);
    } else if (c->caps.bits != 0) {
        secure(op);
    } else {
        imap_open_enter(op, OPEN_CAPABILITY);
    }
}

/* --- CAPABILITY --- */

static void capability_end(struct imap_op *base, struct imap_cmd *cmd,
                           const struct imap_resp *resp, const struct err *err)
{
    struct imap_open *op = OPEN(base);
    (void)cmd;
    (void)resp;
    if (err->code != ERR_OK) {
        imap_open_fail(op, err);
    } else if (op->state == OPEN_CAPABILITY) {
        secure(op);
    } else if ((base->conn->caps.bits & IMAP_CAP_IMAP4REV1) == 0 && op->caps_asked < 2) {
        /* iCloud's proxy answers the first question itself. */
        imap_open_enter(op, OPEN_CAPABILITY2);
    } else {
        imap_open_enter(op, OPEN_HELLO);
    }
}

static const struct imap_cmd_type capability_type = {.name = "CAPABILITY",
                                                     .order = IMAP_ORDER_ALONE,
                                                     .context = IMAP_CONTEXT_OTHER,
                                                     .on_end = capability_end};

static void enter_capability(struct imap_open *op)
{
    if (op->state == OPEN_CAPABILITY2) {
        op->caps_asked++;
    }
    imap_open_set_phase(op, "CAPABILITY", op->params.auth_ms);
    struct imap_cmd *cmd = imap_cmd_new(&op->base, &capability_type);
    imap_cmd_put(cmd, "CAPABILITY");
    imap_cmd_send(cmd);
}

/* --- STARTTLS --- */

static void starttls_end(struct imap_op *base, struct imap_cmd *cmd,
                         const struct imap_resp *resp, const struct err *err)
{
    struct imap_open *op = OPEN(base);
    (void)cmd;
    (void)resp;
    if (err->code != ERR_OK) {
        imap_open_failf(op, ERR_STARTTLS, "%s", err->msg);
        return;
    }
    base->conn->cut = true;
    imap_parser_stop(base->conn->parser);
}

static const struct imap_cmd_type starttls_type = {.name = "STARTTLS",
                                                   .order = IMAP_ORDER_ALONE,
                                                   .context = IMAP_CONTEXT_OTHER,
                                                   .undrainable = true,
                                                   .on_end = starttls_end};

static void enter_starttls(struct imap_open *op)
{
    imap_open_set_phase(op, "STARTTLS", op->params.auth_ms);
    struct imap_cmd *cmd = imap_cmd_new(&op->base, &starttls_type);
    imap_cmd_put(cmd, "STARTTLS");
    imap_cmd_send(cmd);
}

static void on_upgraded(struct net_starttls *upgrading, const struct err *err, void *ctx)
{
    struct imap_open *op = ctx;
    (void)upgrading;
    op->upgrading = NULL;
    if (!op_is_running(&op->base.op)) {
        return;
    }
    if (err->code != ERR_OK) {
        imap_open_fail(op, err);
        return;
    }
    imap_conn_forget(op->base.conn);
    imap_open_enter(op, OPEN_CAPABILITY);
}

void imap_open_cut(struct imap_open *op, size_t leftover_len)
{
    imap_open_enter(op, OPEN_TLS);
    op->upgrading =
        net_starttls_start(op->base.conn->stream, &op->params.tls, op->params.host,
                           leftover_len, op->params.auth_ms, on_upgraded, op);
}

static void enter_tls(struct imap_open *op)
{
    timer_stop(&op->phase); /* the upgrade has its own deadline */
}

/* --- authentication --- */

static void enter_auth(struct imap_open *op)
{
    imap_open_set_phase(op, "authentication", op->params.auth_ms);
    imap_login_start(op);
}

void imap_open_authenticated(struct imap_open *op)
{
    struct imap_conn *c = op->base.conn;
    imap_conn_set_ready(c);
    /* What a proxy said, or iCloud's, is not the server's word. */
    bool trusted = op->caps_fresh && (c->caps.bits & IMAP_CAP_IMAP4REV1) != 0 &&
                   !imap_caps_has_word(&c->caps, "XAPPLEPUSHSERVICE");
    imap_open_enter(op, trusted ? OPEN_HELLO : OPEN_CAPABILITY2);
}

/* --- the end --- */

static void enter_ready(struct imap_open *op)
{
    timer_stop(&op->phase);
    op->base.conn->open = NULL;
    imap_op_complete(&op->base);
}

/* --- start, cancel --- */

static int64_t or_default(int64_t ms, int64_t fallback_ms)
{
    return ms > 0 ? ms : fallback_ms;
}

static void copy_params(struct imap_open *op, const struct imap_conn_params *params)
{
    struct arena *arena = &op->base.op.arena;
    struct imap_conn_params *own = &op->params;
    *own = *params;
    own->host = arena_strdup(arena, params->host);
    own->user = arena_strdup(arena, params->user != NULL ? params->user : "");
    own->client_name = arena_strdup(arena, params->client_name);
    own->client_version = arena_strdup(arena, params->client_version);
    own->tls.ca_file = arena_strdup(arena, params->tls.ca_file);
    own->tls.server_name = arena_strdup(arena, params->tls.server_name);
    own->tls.min_version = arena_strdup(arena, params->tls.min_version);
    own->greeting_ms = or_default(params->greeting_ms, IMAP_GREETING_MS);
    own->auth_ms = or_default(params->auth_ms, IMAP_AUTH_MS);
    own->answer_ms = or_default(params->answer_ms, IMAP_ANSWER_MS);
    own->secret = STR_NULL;
    op->secret_len = params->secret.len;
    op->secret = mem_strndup(params->secret.ptr != NULL ? params->secret.ptr : "",
                             params->secret.len);
}

struct imap_open *imap_open_start(struct net *net, const struct imap_conn_params *params,
                                  int64_t deadline_ms, imap_open_cb *cb, void *ctx)
{
    struct imap_open *op = op_new(net_loop(net), &open_type, deadline_ms);
    list_init(&op->base.cmds);
    op->base.deadline_ms = deadline_ms;
    op->net = net;
    op->cb = cb;
    op->ctx = ctx;
    copy_params(op, params);
    enter_connect(op);
    return op;
}

void imap_open_cancel(struct imap_open *op)
{
    op_cancel(op != NULL ? &op->base.op : NULL);
}

void imap_open_conn_failed(struct imap_open *op, const struct err *err)
{
    net_starttls_cancel(op->upgrading);
    op->upgrading = NULL;
    op_fail_err(&op->base.op, err);
}
