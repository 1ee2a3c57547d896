/* imap_login: authentication with a password or a token (RFC 9051 §6.2).
 *
 *   token     AUTHENTICATE OAUTHBEARER, else XOAUTH2
 *   password  AUTHENTICATE PLAIN, else LOGIN, else AUTHENTICATE LOGIN
 *
 *   sent ──"+"──► initial response (unless it travelled with the command) ──"+"──► … ──►
 *   tagged OK | NO | BAD
 *
 * An unexplained BAD to an initial response that travelled along is answered by a second try in the long
 * form: Coremail advertises SASL-IR without having it. */
#include "imap_open_priv.h"

#include "postrider/base/codec.h"
#include "postrider/base/mem.h"

enum {
    SASL_TEXT_MAX = 64 * 1024
};

static struct sasl_credentials credentials(const struct imap_open *op)
{
    struct str secret = str_from(op->secret, op->secret_len);
    return (struct sasl_credentials){.user = str_of(op->params.user),
                                     .password = secret,
                                     .token = secret,
                                     .host = str_of(op->params.host),
                                     .port = op->params.port};
}

static void wipe(struct buf *b)
{
    if (b->bytes != NULL) {
        mem_wipe(b->bytes, b->cap);
    }
    buf_fini(b);
}

/* A buffer that does not move its bytes while it is filled, so that one wipe is enough.
 */
static struct buf secret_buf(void)
{
    struct buf b = BUF_INIT(SASL_TEXT_MAX);
    buf_reserve(&b, SASL_TEXT_MAX);
    return b;
}

/* The response to this step's challenge, in base64. */
static bool build_response(struct imap_open *op, struct str challenge, struct buf *out,
                           struct err *err)
{
    struct sasl_credentials cred = credentials(op);
    struct buf raw = secret_buf();
    bool ok = op->sasl_step == 0
                  ? sasl_initial(op->mech, &cred, &raw, err)
                  : sasl_continue(op->mech, &cred, op->sasl_step, challenge, &raw, err);
    if (ok) {
        op->sasl_step++;
        base64_encode(out, raw.bytes, raw.len);
    }
    wipe(&raw);
    return ok;
}

static bool auth_untagged(struct imap_op *base, struct imap_cmd *cmd,
                          const struct imap_resp *resp)
{
    struct imap_open *op = container_of(base, struct imap_open, base);
    (void)cmd;
    if (resp->kind == IMAP_RESP_CAPABILITY || resp->code.kind == IMAP_CODE_CAPABILITY) {
        op->caps_fresh = true;
    }
    return false;
}

static void auth_continue(struct imap_op *base, struct imap_cmd *cmd,
                          const struct imap_resp *resp)
{
    struct imap_open *op = container_of(base, struct imap_open, base);
    struct buf challenge = BUF_INIT(SASL_TEXT_MAX);
    struct buf line = secret_buf();
    struct err err;
    (void)cmd;
    err_clear(&err);
    /* Prompts that are not base64 (some LOGIN servers) carry nothing we need. */
    if (!base64_decode(&challenge, str_trim(resp->text))) {
        buf_clear(&challenge);
    }
    if (build_response(op, buf_str(&challenge), &line, &err)) {
        buf_put_c(&line, "\r\n");
        imap_conn_write(base->conn, line.bytes, line.len);
    } else {
        imap_open_fail(op, &err);
    }
    wipe(&line);
    buf_fini(&challenge);
}

static void auth_end(struct imap_op *base, struct imap_cmd *cmd,
                     const struct imap_resp *resp, const struct err *err)
{
    struct imap_open *op = container_of(base, struct imap_open, base);
    (void)cmd;
    if (err->code == ERR_OK) {
        op->caps_fresh |= resp->code.kind == IMAP_CODE_CAPABILITY;
        imap_open_authenticated(op);
    } else if (err->code == ERR_PROTOCOL && op->sasl_inline && !op->sasl_plain_form) {
        op->sasl_plain_form = true;
        imap_login_start(op);
    } else {
        imap_open_fail(op, err);
    }
}

static const struct imap_cmd_type authenticate_type = {.name = "AUTHENTICATE",
                                                       .order = IMAP_ORDER_ALONE,
                                                       .context = IMAP_CONTEXT_AUTH,
                                                       .continues = true,
                                                       .secret = true,
                                                       .undrainable = true,
                                                       .on_untagged = auth_untagged,
                                                       .on_continue = auth_continue,
                                                       .on_end = auth_end};

static const struct imap_cmd_type login_type = {.name = "LOGIN",
                                                .order = IMAP_ORDER_ALONE,
                                                .context = IMAP_CONTEXT_AUTH,
                                                .secret = true,
                                                .undrainable = true,
                                                .on_untagged = auth_untagged,
                                                .on_end = auth_end};

static void send_login(struct imap_open *op)
{
    struct imap_cmd *cmd = imap_cmd_new(&op->base, &login_type);
    imap_cmd_put(cmd, "LOGIN ");
    imap_cmd_put_astring(cmd, str_of(op->params.user));
    imap_cmd_put(cmd, " ");
    imap_cmd_put_astring(cmd, str_from(op->secret, op->secret_len));
    imap_cmd_send(cmd);
}

static void send_authenticate(struct imap_open *op, enum sasl_mech mech)
{
    struct imap_conn *c = op->base.conn;
    struct buf line = secret_buf();
    struct err err;
    err_clear(&err);
    op->mech = mech;
    op->sasl_step = 0;
    op->sasl_inline = imap_conn_has(c, IMAP_CAP_SASL_IR) && sasl_is_inline(mech) &&
                      !op->sasl_plain_form;
    if (op->sasl_inline && !build_response(op, STR(""), &line, &err)) {
        wipe(&line);
        imap_open_fail(op, &err);
        return;
    }
    struct imap_cmd *cmd = imap_cmd_new(&op->base, &authenticate_type);
    imap_cmd_put(cmd, "AUTHENTICATE ");
    imap_cmd_put(cmd, sasl_mech_name(mech));
    if (op->sasl_inline) {
        imap_cmd_put(cmd, " ");
        /* RFC 4959 §3: "=" is the empty response. */
        imap_cmd_put_str(cmd, line.len > 0 ? buf_str(&line) : STR("="));
    }
    wipe(&line);
    imap_cmd_send(cmd);
}

static bool is_ascii(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        if ((unsigned char)s.ptr[i] >= 0x80) {
            return false;
        }
    }
    return true;
}

static void start_with_token(struct imap_open *op)
{
    struct imap_conn *c = op->base.conn;
    if (imap_conn_has(c, IMAP_CAP_AUTH_OAUTHBEARER)) {
        send_authenticate(op, SASL_OAUTHBEARER);
    } else if (imap_conn_has(c, IMAP_CAP_AUTH_XOAUTH2)) {
        send_authenticate(op, SASL_XOAUTH2);
    } else {
        imap_open_failf(op, ERR_UNSUPPORTED,
                        "the server offers no authentication with tokens");
    }
}

static void start_with_password(struct imap_open *op)
{
    struct imap_conn *c = op->base.conn;
    bool disabled = imap_conn_has(c, IMAP_CAP_LOGINDISABLED);
    bool ascii = is_ascii(str_of(op->params.user)) &&
                 is_ascii(str_from(op->secret, op->secret_len));
    if (imap_conn_has(c, IMAP_CAP_AUTH_PLAIN)) {
        send_authenticate(op, SASL_PLAIN);
    } else if (!disabled && ascii) {
        send_login(op);
    } else if (imap_conn_has(c, IMAP_CAP_AUTH_LOGIN)) {
        send_authenticate(op, SASL_LOGIN);
    } else if (!disabled) {
        /* LOGIN has no charset; PLAIN is UTF-8, and often there without being listed. */
        send_authenticate(op, SASL_PLAIN);
    } else {
        struct err err;
        err_clear(&err);
        err_set(&err, ERR_AUTH, "the server does not take passwords (LOGINDISABLED)");
        err_set_peer_code(&err, "LOGINDISABLED", 13);
        imap_open_fail(op, &err);
    }
}

void imap_login_start(struct imap_open *op)
{
    if (op->params.auth == IMAP_AUTH_TOKEN) {
        start_with_token(op);
    } else {
        start_with_password(op);
    }
}
