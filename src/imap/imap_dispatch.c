/* imap_dispatch: one response of the server, to whom it concerns.
 * Untagged data may come at any time (RFC 9051 §5.2), so it is sorted by what it is: the
 * running commands are asked in the order they were sent, and what none of them takes is
 * an event of the connection. */
#include "imap_priv.h"

#include "postrider/base/log.h"
#include "postrider/base/num.h"

typedef void handler_fn(struct imap_conn *c, const struct imap_resp *resp);

static void ignore(struct imap_conn *c, const char *what)
{
    c->ignored++;
    log_at(LOG_DEBUG, "imap", "response ignored", LOG_S("kind", what));
}

/* True if a running command took it. */
static bool offer(struct imap_conn *c, const struct imap_resp *resp)
{
    list_foreach (node, &c->running) {
        struct imap_cmd *cmd = container_of(node, struct imap_cmd, node);
        struct imap_op *op = imap_cmd_listener(cmd);
        if (op != NULL && cmd->type->on_untagged != NULL &&
            cmd->type->on_untagged(op, cmd, resp)) {
            return true;
        }
    }
    return false;
}

/* --- tagged replies and "+" --- */

static bool tag_number(struct str tag, uint32_t *out)
{
    return tag.len > 1 && tag.ptr[0] == 'A' && num_u32(str_tail(tag, 1), out);
}

static struct imap_cmd *find_tag(const struct list *l, uint32_t tag)
{
    list_foreach (node, l) {
        struct imap_cmd *cmd = container_of(node, struct imap_cmd, node);
        if (cmd->tag == tag) {
            return cmd;
        }
    }
    return NULL;
}

static void tell_turn(struct imap_conn *c)
{
    struct list *first = c->running.next;
    struct imap_cmd *cmd = container_of(first, struct imap_cmd, node);
    struct imap_op *op = first != &c->running ? imap_cmd_listener(cmd) : NULL;
    if (op != NULL && cmd->type->on_turn != NULL) {
        cmd->type->on_turn(op, cmd);
    }
}

static void end_cmd(struct imap_conn *c, struct imap_cmd *cmd,
                    const struct imap_resp *resp, const struct err *err)
{
    struct imap_op *op = imap_cmd_listener(cmd);
    list_remove(&cmd->node);
    list_remove(&cmd->owner_node);
    if (c->halted == cmd) {
        c->halted = NULL;
    }
    if (op != NULL) {
        cmd->type->on_end(op, cmd, resp, err);
    }
    imap_cmd_free(cmd);
    tell_turn(c);
    /* A server that says how long it wants to be left alone gets no command before. */
    if (c->state == IMAP_CONN_READY && err->code == ERR_THROTTLED &&
        imap_backoff_hint_ms(err) > 0) {
        imap_conn_fail(c, err);
        return;
    }
    if (!c->cut) {
        imap_conn_pump(c);
    }
}

static void on_tagged(struct imap_conn *c, const struct imap_resp *resp)
{
    uint32_t tag = 0;
    if (!tag_number(resp->tag, &tag)) {
        ignore(c, "unknown tag");
        return;
    }
    struct imap_cmd *cmd = find_tag(&c->running, tag);
    if (cmd == NULL && (tag > c->last_tag || find_tag(&c->waiting, tag) != NULL)) {
        imap_conn_failf(c, ERR_PROTOCOL,
                        "the server answered a command that was not sent");
        return;
    }
    if (cmd == NULL) {
        ignore(c, "unknown tag");
        return;
    }
    struct err err;
    err_clear(&err);
    if (resp->code.kind == IMAP_CODE_CAPABILITY) {
        imap_caps_set_text(&c->caps, c->texts, resp->code.args);
    }
    if (resp->cond != IMAP_COND_OK) {
        imap_error_from_resp(&err, cmd->type->name, cmd->type->context, resp);
    } else if (cmd->state == IMAP_CMD_HALTED) {
        imap_conn_failf(c, ERR_PROTOCOL, "%s succeeded before it was sent",
                        cmd->type->name);
        return;
    }
    end_cmd(c, cmd, resp, &err);
}

static void on_continue(struct imap_conn *c, const struct imap_resp *resp)
{
    struct imap_cmd *cmd = c->halted;
    if (cmd == NULL) {
        /* Exchange sends it where nothing waits for it. */
        ignore(c, "+");
        return;
    }
    if (cmd->state == IMAP_CMD_HALTED) {
        imap_cmd_write(cmd);
        imap_conn_pump(c);
        return;
    }
    struct imap_op *op = imap_cmd_listener(cmd);
    if (op != NULL) {
        cmd->type->on_continue(op, cmd, resp);
    }
}

/* --- untagged status --- */

static void on_bye(struct imap_conn *c, const struct imap_resp *resp)
{
    struct err err;
    imap_error_from_resp(&err, "BYE",
                         c->state == IMAP_CONN_GREETING ? IMAP_CONTEXT_GREETING
                                                        : IMAP_CONTEXT_OTHER,
                         resp);
    imap_conn_fail(c, &err);
}

static void on_status(struct imap_conn *c, const struct imap_resp *resp)
{
    if (resp->code.kind == IMAP_CODE_CAPABILITY) {
        imap_caps_set_text(&c->caps, c->texts, resp->code.args);
    }
    if (c->state == IMAP_CONN_GREETING) {
        imap_open_greeting(c->open, resp);
        return;
    }
    if (resp->cond == IMAP_COND_BYE) {
        on_bye(c, resp);
        return;
    }
    if (c->state != IMAP_CONN_READY || offer(c, resp)) {
        return;
    }
    if (resp->code.kind == IMAP_CODE_NOTIFICATIONOVERFLOW) {
        if (c->events.on_overflow != NULL) {
            c->events.on_overflow(c->events_ctx);
        } else {
            imap_conn_failf(c, ERR_UNAVAILABLE, "the server stopped telling of changes");
        }
        return;
    }
    if (resp->code.kind == IMAP_CODE_CLOSED) {
        imap_conn_set_mailbox(c, NULL);
    } else if (c->mailbox != NULL) {
        imap_mailbox_apply(c->mailbox, resp);
    }
    if (resp->code.kind == IMAP_CODE_ALERT && c->events.on_alert != NULL) {
        c->events.on_alert(c->events_ctx, resp->text);
    }
}

static void on_capability(struct imap_conn *c, const struct imap_resp *resp)
{
    imap_caps_set_words(&c->caps, c->texts, resp->words, resp->word_count);
    offer(c, resp);
}

/* Data of the bring-up and of commands; nobody else wants it. */
static void on_answer(struct imap_conn *c, const struct imap_resp *resp)
{
    if (!offer(c, resp)) {
        ignore(c, imap_resp_kind_name(resp->kind));
    }
}

/* --- untagged data of the selected mailbox --- */

static void on_exists(struct imap_conn *c, const struct imap_resp *resp)
{
    if (offer(c, resp) || c->mailbox == NULL) {
        return;
    }
    imap_mailbox_apply(c->mailbox, resp);
    if (c->events.on_exists != NULL) {
        c->events.on_exists(c->events_ctx, resp->number);
    }
}

static void on_expunge(struct imap_conn *c, const struct imap_resp *resp)
{
    if (offer(c, resp) || c->mailbox == NULL) {
        return;
    }
    if (!imap_mailbox_apply(c->mailbox, resp)) {
        ignore(c, "EXPUNGE out of range");
    } else if (c->events.on_expunge != NULL) {
        c->events.on_expunge(c->events_ctx, resp->number);
    }
}

/* A SELECT that is under way has no mailbox yet, but its QRESYNC answer is data too: the
 * command lets through what belongs to the new mailbox. */
static bool has_mailbox(const struct imap_conn *c)
{
    if (c->mailbox != NULL || list_is_empty(&c->running)) {
        return c->mailbox != NULL;
    }
    const struct imap_cmd *cmd = container_of(c->running.next, struct imap_cmd, node);
    return cmd->type->selects && imap_cmd_listener(cmd) != NULL;
}

static void on_vanished(struct imap_conn *c, const struct imap_resp *resp)
{
    if (offer(c, resp) || !has_mailbox(c)) {
        return;
    }
    if (c->mailbox != NULL) {
        imap_mailbox_apply(c->mailbox, resp);
    }
    if (c->events.on_vanished != NULL) {
        c->events.on_vanished(c->events_ctx, &resp->set, resp->earlier);
    }
}

static void on_fetch(struct imap_conn *c, const struct imap_resp *resp)
{
    if (resp->row.seq == 0 || resp->row.has == 0) {
        /* Courier: "* 0 FETCH"; QIP: "* 3 FETCH ()" */
        ignore(c, "empty FETCH");
        return;
    }
    if (offer(c, resp) || !has_mailbox(c)) {
        return;
    }
    if (c->events.on_row != NULL) {
        c->events.on_row(c->events_ctx, &resp->row);
    }
}

static void on_flags(struct imap_conn *c, const struct imap_resp *resp)
{
    if (!offer(c, resp) && c->mailbox != NULL) {
        imap_mailbox_apply(c->mailbox, resp);
    }
}

static void on_list(struct imap_conn *c, const struct imap_resp *resp)
{
    if (!offer(c, resp) && resp->list.wire.len > 0 && c->events.on_list != NULL) {
        c->events.on_list(c->events_ctx, &resp->list);
    }
}

static void on_mailbox_status(struct imap_conn *c, const struct imap_resp *resp)
{
    if (!offer(c, resp) && c->events.on_status != NULL) {
        c->events.on_status(c->events_ctx, &resp->status);
    }
}

static void on_nothing(struct imap_conn *c, const struct imap_resp *resp)
{
    (void)c;
    (void)resp;
}

/* --- lines that are not what they should be --- */

static void on_unknown(struct imap_conn *c, const struct imap_resp *resp)
{
    struct err err;
    /* Exchange's front end speaks without tag or star when its back end is gone. */
    if (str_has_iprefix(resp->text, "Server Unavailable") &&
        imap_error_from_text(&err, IMAP_CONTEXT_OTHER, resp->text)) {
        imap_conn_fail(c, &err);
        return;
    }
    ignore(c, imap_resp_kind_name(resp->kind));
}

/* A reply that cannot be read still ends its command. */
static void on_unparsed(struct imap_conn *c, const struct imap_resp *resp)
{
    struct str rest = resp->text;
    struct str word;
    uint32_t tag = 0;
    struct imap_cmd *cmd = NULL;
    if (str_split(&rest, ' ', &word) && tag_number(word, &tag)) {
        cmd = find_tag(&c->running, tag);
    }
    if (cmd == NULL) {
        on_unknown(c, resp);
        return;
    }
    struct err err;
    err_clear(&err);
    err_set(&err, ERR_PROTOCOL, "%s: the server's reply makes no sense", cmd->type->name);
    end_cmd(c, cmd, resp, &err);
}

/* --- the table --- */

struct handler_row {
    handler_fn *fn;
    bool in_clear; /* also heard before authentication */
};

static const struct handler_row handlers[] = {
    [IMAP_RESP_CONTINUE] = {on_continue, true},
    [IMAP_RESP_TAGGED] = {on_tagged, true},
    [IMAP_RESP_STATUS] = {on_status, true},
    [IMAP_RESP_CAPABILITY] = {on_capability, true},
    [IMAP_RESP_ENABLED] = {on_answer, false},
    [IMAP_RESP_ID] = {on_answer, false},
    [IMAP_RESP_NAMESPACE] = {on_answer, false},
    [IMAP_RESP_LIST] = {on_list, false},
    [IMAP_RESP_MAILBOX_STATUS] = {on_mailbox_status, false},
    [IMAP_RESP_QUOTA] = {on_answer, false},
    [IMAP_RESP_SEARCH] = {on_answer, false},
    [IMAP_RESP_FLAGS] = {on_flags, false},
    [IMAP_RESP_EXISTS] = {on_exists, false},
    [IMAP_RESP_RECENT] = {on_nothing, false},
    [IMAP_RESP_EXPUNGE] = {on_expunge, false},
    [IMAP_RESP_VANISHED] = {on_vanished, false},
    [IMAP_RESP_FETCH] = {on_fetch, false},
    [IMAP_RESP_UNKNOWN] = {on_unknown, true},
    [IMAP_RESP_UNPARSED] = {on_unparsed, true},
};

void imap_conn_dispatch(struct imap_conn *c, const struct imap_resp *resp)
{
    const struct handler_row *row = &handlers[resp->kind];
    if (c->state >= IMAP_CONN_DEAD) {
        return;
    }
    if (c->state == IMAP_CONN_GREETING && resp->kind != IMAP_RESP_STATUS) {
        imap_conn_failf(c, ERR_PROTOCOL, "the server does not greet as IMAP servers do");
        return;
    }
    if (c->state < IMAP_CONN_READY && !row->in_clear) {
        ignore(c, "data before authentication");
        return;
    }
    row->fn(c, resp);
}

/* --- literals that are streamed --- */

bool imap_conn_literal_begin(struct imap_conn *c, const struct imap_literal *literal)
{
    if (c->state != IMAP_CONN_READY) {
        return false;
    }
    list_foreach (node, &c->running) {
        struct imap_cmd *cmd = container_of(node, struct imap_cmd, node);
        struct imap_op *op = imap_cmd_listener(cmd);
        if (cmd->type->on_literal == NULL) {
            continue;
        }
        /* The rest of a canceled fetch is swallowed, up to a point. */
        if (cmd->owner == NULL &&
            (cmd->drained_bytes += literal->size) > IMAP_DRAIN_BYTES_MAX) {
            imap_conn_failf(c, ERR_CANCELED, "a long download was canceled");
            return true;
        }
        if (cmd->owner == NULL ||
            (op != NULL && cmd->type->on_literal(op, cmd, literal))) {
            if (c->state == IMAP_CONN_READY) {
                c->sink = cmd;
                c->sink_left = literal->size;
            }
            return true;
        }
    }
    return false;
}

void imap_conn_literal_data(struct imap_conn *c, const char *data, size_t len, bool end)
{
    struct imap_cmd *cmd = c->sink;
    if (cmd == NULL) {
        return;
    }
    c->sink_left -= len;
    if (end) {
        c->sink = NULL;
    }
    struct imap_op *op = imap_cmd_listener(cmd);
    if (op != NULL) {
        cmd->type->on_literal_data(op, cmd, data, len, end);
    }
}
