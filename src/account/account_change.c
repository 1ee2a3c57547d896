/* Changes of one message: flags, labels, move, delete. */
#include "account_call.h"
#include "account_flags.h"

#include <stdio.h>

static void put_uid(const struct account_call *c, char out[16])
{
    (void)snprintf(out, 16, "%u", c->uid);
}

static void touch(struct account_call *c)
{
    struct mailbox *m = mailbox_table_by_box(&c->a->table, c->box);
    if (m != NULL) {
        account_mailbox_touch(c->a, m);
    }
}

/* --- flags and labels --- */

struct updating {
    struct flag_changes changes;
    size_t at;
};

static void updating_next(struct account_call *c);

static void on_stored(struct imap_store *op ATTR_UNUSED, const struct err *err, void *ctx)
{
    struct account_call *c = ctx;
    struct updating *u = c->detail;
    c->store = NULL;
    if (!op_is_running(&c->op)) {
        return;
    }
    if (err->code != ERR_OK) {
        call_fail_err(c, err);
        return;
    }
    account_flags_tell(c->result, &u->changes.items[u->at++], true);
    updating_next(c);
}

static void updating_next(struct account_call *c)
{
    struct updating *u = c->detail;
    if (u->at == u->changes.count) {
        touch(c);
        op_complete(&c->op);
        return;
    }
    char uid[16];
    put_uid(c, uid);
    c->store = account_flags_store(c->conn, &u->changes.items[u->at], str_of(uid),
                                   CALL_COMMAND_MS, on_stored, c);
}

struct account_call *account_message_update_start(struct account *a, struct str id,
                                                  json_t *changes, int64_t deadline_ms,
                                                  account_call_cb *cb, void *ctx)
{
    struct account_call *c = call_new(a, "update message", deadline_ms, cb, ctx);
    struct updating *u = ARENA_NEW(&c->op.arena, struct updating);
    c->detail = u;
    c->result = json_object();
    account_flags_take(&c->op.arena, changes, &u->changes);
    if (call_find_message(c, id)) {
        call_borrow(c, ACCOUNT_LANE_INTERACTIVE, updating_next);
    }
    return c;
}

/* --- move and delete --- */

struct moving {
    uint32_t to_box;
    bool deletes; /* the answer is a deletion's */
};

static void on_moved(struct imap_move *op ATTR_UNUSED, const struct err *err,
                     const struct imap_copy_result *result, void *ctx)
{
    struct account_call *c = ctx;
    struct moving *mv = c->detail;
    c->move = NULL;
    if (!op_is_running(&c->op)) {
        return;
    }
    if (err->code != ERR_OK) {
        call_fail_err(c, err);
        return;
    }
    struct mailbox *to = mailbox_table_by_box(&c->a->table, mv->to_box);
    json_t *out = json_object();
    char id[12] = "";
    uint32_t uid = result->to.count == 1 ? result->to.ranges[0].lo : 0;
    if (to != NULL && uid != 0 && result->uid_validity == to->uid_validity) {
        message_id_format(to->number, uid, id);
    }
    account_moves_expect(c->a, c->box, mv->to_box, result, false);
    touch(c);
    if (to != NULL) {
        account_mailbox_touch(c->a, to);
    }
    json_t *where = mv->deletes ? json_object() : out;
    json_put_cstr(where, mv->deletes ? "destination" : "path",
                  to != NULL ? to->path : "");
    if (id[0] != '\0') {
        json_put_cstr(where, mv->deletes ? "message" : "id", id);
    }
    if (mv->deletes) {
        json_put_bool(out, "deleted", false);
        json_object_set_new(out, "moved", where);
    } else if (uid != 0) {
        json_put_int(out, "uid", uid);
    }
    call_complete(c, out);
}

static void move_now(struct account_call *c)
{
    struct moving *mv = c->detail;
    struct mailbox *to = mailbox_table_by_box(&c->a->table, mv->to_box);
    char uid[16];
    if (to == NULL) {
        call_fail(c, ERR_NO_MAILBOX, "the destination does not exist any more");
        return;
    }
    put_uid(c, uid);
    c->move = imap_move_start(c->conn, str_of(uid), str_from(to->wire, to->wire_len),
                              true, CALL_COMMAND_MS, on_moved, c);
}

static void on_expunged(struct imap_expunge *op ATTR_UNUSED, const struct err *err,
                        void *ctx)
{
    struct account_call *c = ctx;
    c->expunge = NULL;
    if (!op_is_running(&c->op)) {
        return;
    }
    if (err->code != ERR_OK) {
        call_fail_err(c, err);
        return;
    }
    touch(c);
    call_complete(c, json_pack("{s:b}", "deleted", 1));
}

static void expunge_now(struct account_call *c)
{
    char uid[16];
    put_uid(c, uid);
    c->expunge =
        imap_expunge_start(c->conn, str_of(uid), CALL_COMMAND_MS, on_expunged, c);
}

struct account_call *account_message_move_start(struct account *a, struct str id,
                                                struct str path, int64_t deadline_ms,
                                                account_call_cb *cb, void *ctx)
{
    struct account_call *c = call_new(a, "move message", deadline_ms, cb, ctx);
    struct moving *mv = ARENA_NEW(&c->op.arena, struct moving);
    struct mailbox *to = account_mailbox_by_path(a, path);
    c->detail = mv;
    if (!call_find_message(c, id)) {
        return c;
    }
    if (to == NULL) {
        call_fail(c, ERR_NO_MAILBOX, "Unknown destination path");
        return c;
    }
    mv->to_box = to->box;
    call_borrow(c, ACCOUNT_LANE_INTERACTIVE, move_now);
    return c;
}

struct account_call *account_message_delete_start(struct account *a, struct str id,
                                                  bool force, int64_t deadline_ms,
                                                  account_call_cb *cb, void *ctx)
{
    struct account_call *c = call_new(a, "delete message", deadline_ms, cb, ctx);
    struct moving *mv = ARENA_NEW(&c->op.arena, struct moving);
    struct mailbox *trash = call_trash(c);
    c->detail = mv;
    mv->deletes = true;
    if (!call_find_message(c, id)) {
        return c;
    }
    if (force || trash == NULL || trash->box == c->box) {
        call_borrow(c, ACCOUNT_LANE_INTERACTIVE, expunge_now);
    } else {
        mv->to_box = trash->box;
        call_borrow(c, ACCOUNT_LANE_INTERACTIVE, move_now);
    }
    return c;
}
