/* Changes of one message: flags, labels, move, delete. */
#include "account_call.h"

#include <stdio.h>

enum {
    FLAGS_MAX = 100,
    CHANGES_MAX = 6
};

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

struct change {
    const char *object, *member; /* "flags", "add" */
    enum imap_store_mode mode;
    struct str *words; /* flags or labels */
    size_t count;
};

struct updating {
    struct change changes[CHANGES_MAX];
    size_t count, at;
};

static const struct {
    const char *member;
    enum imap_store_mode mode;
} change_modes[] = {
    {"add", IMAP_STORE_ADD}, {"delete", IMAP_STORE_REMOVE}, {"set", IMAP_STORE_REPLACE}};

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
    const struct change *done = &u->changes[u->at++];
    json_t *object = json_object_get(c->result, done->object);
    if (object == NULL) {
        object = json_object();
        json_object_set_new(c->result, done->object, object);
    }
    json_put_bool(object, done->member, true);
    updating_next(c);
}

/* System flags as bits, the rest as keywords. */
static struct imap_flags split_flags(struct arena *arena, const struct change *change)
{
    struct imap_flags flags = {0};
    struct str *keywords = ARENA_ARRAY(arena, struct str, change->count);
    for (size_t i = 0; i < change->count; i++) {
        uint8_t bit = imap_flag_from_name(change->words[i]);
        if (bit != 0) {
            flags.system |= bit;
        } else {
            keywords[flags.keyword_count++] = change->words[i];
        }
    }
    flags.keywords = keywords;
    return flags;
}

static void updating_next(struct account_call *c)
{
    struct updating *u = c->detail;
    if (u->at == u->count) {
        touch(c);
        op_complete(&c->op);
        return;
    }
    char uid[16];
    const struct change *change = &u->changes[u->at];
    struct imap_store_params params = {.mode = change->mode};
    put_uid(c, uid);
    params.uid_set = str_of(uid);
    if (str_eq_c(str_of(change->object), "labels")) {
        params.labels = change->words;
        params.label_count = change->count;
    } else {
        params.flags = split_flags(&c->op.arena, change);
    }
    c->store = imap_store_start(c->conn, &params, CALL_COMMAND_MS, on_stored, c);
}

static void take_changes(struct account_call *c, const json_t *doc, const char *object)
{
    struct updating *u = c->detail;
    const json_t *members = json_object_get(doc, object);
    for (size_t i = 0; i < ARRAY_LEN(change_modes); i++) {
        const json_t *list = json_object_get(members, change_modes[i].member);
        size_t count = json_array_size(list);
        bool clears = change_modes[i].mode == IMAP_STORE_REPLACE && json_is_array(list);
        if (count == 0 && !clears) {
            continue;
        }
        count = count < FLAGS_MAX ? count : FLAGS_MAX;
        struct change *change = &u->changes[u->count++];
        *change = (struct change){.object = object,
                                  .member = change_modes[i].member,
                                  .mode = change_modes[i].mode,
                                  .words = ARENA_ARRAY(&c->op.arena, struct str, count),
                                  .count = count};
        for (size_t k = 0; k < count; k++) {
            const char *word = json_string_value(json_array_get(list, k));
            change->words[k] = arena_str(&c->op.arena, str_of(word != NULL ? word : ""));
        }
    }
}

struct account_call *account_message_update_start(struct account *a, struct str id,
                                                  json_t *changes, int64_t deadline_ms,
                                                  account_call_cb *cb, void *ctx)
{
    struct account_call *c = call_new(a, "update message", deadline_ms, cb, ctx);
    c->detail = ARENA_NEW(&c->op.arena, struct updating);
    c->result = json_object();
    take_changes(c, changes, "flags");
    take_changes(c, changes, "labels");
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
