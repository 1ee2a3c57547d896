/* imap_hello: what is said after authentication, until the connection is of use: ID,
 * NAMESPACE, ENABLE, all at once. The walk through the states is in imap_open.c. Nothing is
 * sent behind ENABLE. Only a missing NAMESPACE, and LIST instead of it, can fail the
 * bring-up. */
#include "imap_open_priv.h"

#include "postrider/base/intern.h"
#include "postrider/base/mem.h"

/* One of them was answered. */
static void hello_end(struct imap_open *op)
{
    if (--op->hellos == 0) {
        imap_open_enter(op, op->has_namespace ? OPEN_READY : OPEN_PREFIX);
    }
}

/* --- ID (RFC 2971) --- */

bool imap_id_untagged(struct imap_op *base, struct imap_cmd *cmd,
                      const struct imap_resp *resp)
{
    struct imap_conn *c = base->conn;
    struct str name = STR_NULL, version = STR_NULL;
    (void)cmd;
    if (resp->kind != IMAP_RESP_ID) {
        return false;
    }
    for (size_t i = 0; i + 1 < resp->word_count; i += 2) {
        if (str_ieq_c(resp->words[i], "name")) {
            name = resp->words[i + 1];
        } else if (str_ieq_c(resp->words[i], "version")) {
            version = resp->words[i + 1];
        }
    }
    struct buf text = BUF_INIT(256);
    buf_put_str(&text, name);
    if (version.len > 0) {
        buf_put_c(&text, " ");
        buf_put_str(&text, version);
    }
    intern_give(&c->server_name);
    c->server_name = text.overflow ? NULL : intern_take(c->texts, buf_str(&text));
    buf_fini(&text);
    return true;
}

/* A refusal is no reason to give up: mail.de answers BAD to its own capability. */
static void id_end(struct imap_op *base, struct imap_cmd *cmd,
                   const struct imap_resp *resp, const struct err *err)
{
    (void)cmd;
    (void)resp;
    (void)err;
    hello_end(OPEN(base));
}

void imap_cmd_put_id(struct imap_cmd *cmd)
{
    const struct imap_conn *c = cmd->conn;
    imap_cmd_put(cmd, "ID (\"name\" ");
    imap_cmd_put_astring(cmd, str_of(c->client_name));
    imap_cmd_put(cmd, " \"version\" ");
    imap_cmd_put_astring(cmd,
                         str_of(c->client_version != NULL ? c->client_version : "0"));
    imap_cmd_put(cmd, " \"vendor\" ");
    imap_cmd_put_astring(cmd, str_of(c->client_name));
    imap_cmd_put(cmd, ")");
}

static const struct imap_cmd_type id_type = {.name = "ID",
                                             .order = IMAP_ORDER_LIST,
                                             .context = IMAP_CONTEXT_OTHER,
                                             .on_untagged = imap_id_untagged,
                                             .on_end = id_end};

static void send_id(struct imap_open *op)
{
    if (!imap_conn_has(op->base.conn, IMAP_CAP_ID) || op->params.client_name == NULL) {
        return;
    }
    struct imap_conn *c = op->base.conn;
    const char *version = op->params.client_version;
    c->client_name = intern_take(c->texts, str_of(op->params.client_name));
    c->client_version = version != NULL ? intern_take(c->texts, str_of(version)) : NULL;
    op->hellos++;
    struct imap_cmd *cmd = imap_cmd_new(&op->base, &id_type);
    imap_cmd_put_id(cmd);
    imap_cmd_send(cmd);
}

/* --- ENABLE (RFC 5161) --- */

static bool enable_untagged(struct imap_op *base, struct imap_cmd *cmd,
                            const struct imap_resp *resp)
{
    (void)cmd;
    if (resp->kind != IMAP_RESP_ENABLED) {
        return false;
    }
    for (size_t i = 0; i < resp->word_count; i++) {
        if (str_ieq_c(resp->words[i], "QRESYNC")) {
            base->conn->enabled |= IMAP_CAP_QRESYNC | IMAP_CAP_CONDSTORE;
        } else if (str_ieq_c(resp->words[i], "CONDSTORE")) {
            base->conn->enabled |= IMAP_CAP_CONDSTORE;
        }
    }
    return true;
}

static void send_enable(struct imap_open *op);

static void enable_end(struct imap_op *base, struct imap_cmd *cmd,
                       const struct imap_resp *resp, const struct err *err)
{
    struct imap_open *op = OPEN(base);
    (void)cmd;
    (void)resp;
    if (err->code == ERR_BAD && op->enabling == IMAP_CAP_QRESYNC) {
        op->enabling = IMAP_CAP_CONDSTORE;
        send_enable(op);
    }
    hello_end(op);
}

static const struct imap_cmd_type enable_type = {.name = "ENABLE",
                                                 .order = IMAP_ORDER_LIST,
                                                 .context = IMAP_CONTEXT_OTHER,
                                                 .on_untagged = enable_untagged,
                                                 .on_end = enable_end};

static void send_enable(struct imap_open *op)
{
    struct imap_conn *c = op->base.conn;
    if (op->enabling == 0) {
        op->enabling =
            imap_conn_has(c, IMAP_CAP_QRESYNC) ? IMAP_CAP_QRESYNC : IMAP_CAP_CONDSTORE;
    }
    if (!imap_conn_has(c, IMAP_CAP_ENABLE) ||
        !imap_conn_has(c, (enum imap_cap)op->enabling)) {
        return;
    }
    op->hellos++;
    struct imap_cmd *cmd = imap_cmd_new(&op->base, &enable_type);
    imap_cmd_put(cmd, op->enabling == IMAP_CAP_QRESYNC ? "ENABLE CONDSTORE QRESYNC"
                                                       : "ENABLE CONDSTORE");
    imap_cmd_send(cmd);
}

/* --- NAMESPACE (RFC 2342) --- */

static bool namespace_untagged(struct imap_op *base, struct imap_cmd *cmd,
                               const struct imap_resp *resp)
{
    struct imap_conn *c = base->conn;
    (void)cmd;
    if (resp->kind != IMAP_RESP_NAMESPACE) {
        return false;
    }
    if (resp->personal.given && !c->name_space.given) {
        c->name_space = resp->personal;
        c->name_space.prefix.ptr = intern_take(c->texts, resp->personal.prefix);
    }
    return true;
}

static void namespace_end(struct imap_op *base, struct imap_cmd *cmd,
                          const struct imap_resp *resp, const struct err *err)
{
    struct imap_open *op = OPEN(base);
    (void)cmd;
    if (resp->cond == IMAP_COND_BAD) {
        op->false_login = *err;
    }
    op->has_namespace = err->code == ERR_OK && base->conn->name_space.given;
    hello_end(op);
}

static const struct imap_cmd_type namespace_type = {.name = "NAMESPACE",
                                                    .order = IMAP_ORDER_LIST,
                                                    .context = IMAP_CONTEXT_OTHER,
                                                    .on_untagged = namespace_untagged,
                                                    .on_end = namespace_end};

static void send_namespace(struct imap_open *op)
{
    if (!imap_conn_has(op->base.conn, IMAP_CAP_NAMESPACE)) {
        return;
    }
    op->hellos++;
    struct imap_cmd *cmd = imap_cmd_new(&op->base, &namespace_type);
    imap_cmd_put(cmd, "NAMESPACE");
    imap_cmd_send(cmd);
}

void imap_open_enter_hello(struct imap_open *op)
{
    imap_open_set_phase(op, "ID, NAMESPACE, ENABLE", op->params.auth_ms);
    op->hellos = 1; /* none of them may be the last before all are sent */
    send_id(op);
    send_namespace(op);
    send_enable(op);
    hello_end(op);
}

/* --- LIST "" "" for the delimiter --- */

static bool prefix_untagged(struct imap_op *base, struct imap_cmd *cmd,
                            const struct imap_resp *resp)
{
    (void)cmd;
    if (resp->kind != IMAP_RESP_LIST) {
        return false;
    }
    base->conn->name_space.delimiter = resp->list.delimiter;
    return true;
}

static void prefix_end(struct imap_op *base, struct imap_cmd *cmd,
                       const struct imap_resp *resp, const struct err *err)
{
    struct imap_open *op = OPEN(base);
    (void)cmd;
    (void)resp;
    if (err->code == ERR_OK) {
        imap_open_enter(op, OPEN_READY);
        return;
    }
    struct err reason = op->false_login.code != ERR_OK ? op->false_login : *err;
    if (reason.code == ERR_BAD || reason.code == ERR_NO) {
        reason.code = ERR_AUTH;
    }
    err_wrap(&reason, "the login was accepted but does not work");
    imap_open_fail(op, &reason);
}

static const struct imap_cmd_type prefix_type = {.name = "LIST",
                                                 .order = IMAP_ORDER_ALONE,
                                                 .context = IMAP_CONTEXT_OTHER,
                                                 .on_untagged = prefix_untagged,
                                                 .on_end = prefix_end};

void imap_open_enter_prefix(struct imap_open *op)
{
    imap_open_set_phase(op, "LIST", op->params.auth_ms);
    struct imap_cmd *cmd = imap_cmd_new(&op->base, &prefix_type);
    imap_cmd_put(cmd, "LIST \"\" \"\"");
    imap_cmd_send(cmd);
}
