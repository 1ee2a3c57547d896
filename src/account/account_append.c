/* APPEND, which is not idempotent: after a lost connection nobody knows whether the message
 * arrived, so it is looked for by its Message-ID before it is sent again. */
#include "postrider/account/account_append.h"

#include "account_call.h"
#include "account_flags.h"

#include "postrider/imap/imap_criteria.h"

#include <stdio.h>

struct appending {
    struct account_append_params p; /* strings in the operation's arena */
    struct imap_flags flags;
    uint32_t to_box;
    uint32_t after_uid; /* what is above may be the message */
    bool began, again;
};

static struct appending *appending_of(const struct account_call *c)
{
    return c->detail;
}

/* --- the answer --- */

static void appended(struct account_call *c, uint32_t uid_validity, uint32_t uid)
{
    struct appending *ap = appending_of(c);
    struct mailbox *to = mailbox_table_by_box(&c->a->table, ap->to_box);
    json_t *out = json_object();
    char text[16], id[12];
    if (to != NULL && uid != 0 && uid_validity == to->uid_validity) {
        message_id_format(to->number, uid, id);
        json_put_cstr(out, "id", id);
    }
    json_put_str(out, "path", ap->p.path);
    if (uid != 0) {
        json_put_int(out, "uid", uid);
        (void)snprintf(text, sizeof text, "%u", uid_validity);
        json_put_cstr(out, "uidValidity", text);
    }
    json_put_str(out, "messageId", ap->p.message_id);
    if (to != NULL) {
        account_mailbox_touch(c->a, to);
    }
    call_complete(c, out);
}

/* --- looking for it --- */

static void append_now(struct account_call *c);

static void on_found(struct imap_search *op ATTR_UNUSED, const struct err *err,
                     const struct imap_search_result *result, void *ctx)
{
    struct account_call *c = ctx;
    struct appending *ap = appending_of(c);
    const struct imap_selected *selected = imap_conn_selected(c->conn);
    c->search = NULL;
    if (!op_is_running(&c->op)) {
        return;
    }
    if (err->code != ERR_OK) {
        call_fail_err(c, err);
        return;
    }
    size_t n = result->set.count;
    uint32_t uid = n > 0 ? result->set.ranges[n - 1].hi : 0;
    if (uid > ap->after_uid && selected != NULL) {
        appended(c, selected->uid_validity, uid);
        return;
    }
    ap->p.rewind(ap->p.source);
    append_now(c);
}

static void look_for_it(struct account_call *c)
{
    struct appending *ap = appending_of(c);
    struct imap_criteria keys;
    imap_criteria_init(&keys);
    imap_criteria_word(&keys, "HEADER Message-ID");
    imap_criteria_string(&keys, ap->p.message_id);
    const struct imap_search_params params = {
        .criteria = buf_str(&keys.text), .utf8 = keys.utf8, .by_uid = true};
    if (keys.refused != NULL) {
        call_fail(c, ERR_INVALID, "Message-ID: %s", keys.refused);
    } else {
        c->search = imap_search_start(c->conn, &params, CALL_COMMAND_MS, on_found, c);
    }
    imap_criteria_fini(&keys);
}

/* --- sending it --- */

static bool is_lost(const struct account_call *c, const struct err *err)
{
    return err->code == ERR_CLOSED || err->code == ERR_NET || err->code == ERR_BYE ||
           err->code == ERR_TIMEOUT || !imap_conn_is_open(c->conn);
}

static void on_lost(struct account_call *c, const struct err *err)
{
    struct appending *ap = appending_of(c);
    struct err told = *err;
    bool can_look = ap->p.message_id.len > 0 && ap->p.rewind != NULL;
    if (ap->again || (ap->began && !can_look)) {
        if (ap->began) {
            (void)err_wrap(&told, "the message may have been stored all the same");
        }
        call_fail_err(c, &told);
        return;
    }
    ap->again = true;
    account_work_end(&c->work, true);
    c->conn = NULL;
    if (ap->began) {
        c->box = ap->to_box;
        call_borrow(c, ACCOUNT_LANE_INTERACTIVE, look_for_it);
    } else {
        call_borrow(c, ACCOUNT_LANE_INTERACTIVE, append_now);
    }
}

static void on_appended(struct imap_append *op ATTR_UNUSED, const struct err *err,
                        const struct imap_append_result *result, void *ctx)
{
    struct account_call *c = ctx;
    c->append = NULL;
    if (!op_is_running(&c->op)) {
        return;
    }
    if (err->code == ERR_OK) {
        appended(c, result->uid_validity, result->uid);
    } else if (is_lost(c, err)) {
        on_lost(c, err);
    } else {
        call_fail_err(c, err);
    }
}

static size_t read_source(void *ctx, char *buf, size_t size)
{
    struct account_call *c = ctx;
    struct appending *ap = appending_of(c);
    if (!op_is_running(&c->op)) {
        return 0;
    }
    op_extend(&c->op, CALL_COMMAND_MS);
    ap->began = true;
    return ap->p.read(ap->p.source, buf, size);
}

static void append_now(struct account_call *c)
{
    struct appending *ap = appending_of(c);
    const struct mailbox *to = mailbox_table_by_box(&c->a->table, ap->to_box);
    if (to == NULL) {
        call_fail(c, ERR_NO_MAILBOX, "the mailbox does not exist any more");
        return;
    }
    const struct imap_append_params params = {.mailbox = str_from(to->wire, to->wire_len),
                                              .flags = ap->flags,
                                              .internaldate_ms = ap->p.internaldate_ms,
                                              .size = ap->p.size,
                                              .read = read_source};
    c->append = imap_append_start(c->conn, &params, CALL_COMMAND_MS, on_appended, c);
}

/* --- the calls --- */

struct account_call *account_append_start(struct account *a,
                                          const struct account_append_params *params,
                                          int64_t deadline_ms, account_call_cb *cb,
                                          void *ctx)
{
    struct account_call *c = call_new(a, "append message", deadline_ms, cb, ctx);
    struct appending *ap = ARENA_NEW(&c->op.arena, struct appending);
    const struct mailbox *to = call_path(c, params->path);
    c->detail = ap;
    if (to == NULL) {
        return c;
    }
    ap->p = *params;
    ap->p.path = arena_str(&c->op.arena, str_of(to->path));
    ap->p.message_id = arena_str(&c->op.arena, params->message_id);
    ap->to_box = to->box;
    ap->after_uid = to->last_uid;
    ap->flags = account_flags_from(&c->op.arena, params->flags);
    call_borrow(c, ACCOUNT_LANE_INTERACTIVE, append_now);
    return c;
}

void account_append_more(struct account_call *c)
{
    if (c->append != NULL) {
        imap_append_more(c->append);
    }
}
