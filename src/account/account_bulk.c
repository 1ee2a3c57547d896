/* Changes of what a search finds, some hundred messages a command. */
#include "postrider/account/account_bulk.h"

#include "account_call.h"
#include "account_flags.h"
#include "account_search_keys.h"

#include "postrider/base/clock.h"

enum {
    CHUNK_TEXT_MAX = 16 * 1024
};

struct bulk {
    json_t *search;
    void (*next)(struct account_call *c); /* works on the next chunk, or answers */
    struct imap_set found;
    size_t range;              /* the chunk begins in this one … */
    uint32_t offset;           /* … so many messages behind its beginning */
    char text[CHUNK_TEXT_MAX]; /* the chunk as a set */
    bool any;                  /* some message was changed */
    struct flag_changes changes;
    size_t at;       /* of the changes; all of them for one chunk, then the next chunk */
    uint32_t to_box; /* moves */
    bool deletes;    /* the answer is a deletion's */
    uint32_t number; /* of the mailbox: ids begin with it */
    json_t *id_map;
};

static struct bulk *bulk_of(const struct account_call *c)
{
    return c->detail;
}

static void bulk_fini(struct account_call *c)
{
    json_decref(bulk_of(c)->search);
    json_decref(bulk_of(c)->id_map);
}

static void touch_box(struct account_call *c, uint32_t box)
{
    struct mailbox *m = mailbox_table_by_box(&c->a->table, box);
    if (m != NULL && bulk_of(c)->any) {
        account_mailbox_touch(c->a, m);
    }
}

/* Some chunks may have been changed. */
static void bulk_abort(struct account_call *c)
{
    touch_box(c, c->box);
}

/* --- chunks --- */

/* The next messages as a set in b->text; absent: there are none. */
static struct str next_chunk(struct bulk *b)
{
    struct buf text = BUF_INIT(CHUNK_TEXT_MAX - 1);
    uint32_t room = ACCOUNT_BULK_CHUNK;
    while (room > 0 && b->range < b->found.count) {
        const struct imap_range *r = &b->found.ranges[b->range];
        uint32_t lo = r->lo + b->offset, left = r->hi - lo + 1;
        uint32_t n = left < room ? left : room;
        (void)buf_printf(&text, n > 1 ? "%s%u:%u" : "%s%u", text.len > 0 ? "," : "", lo,
                         lo + n - 1);
        room -= n;
        b->offset = n == left ? 0 : b->offset + n;
        b->range += n == left;
    }
    memcpy(b->text, buf_c(&text), text.len + 1);
    buf_fini(&text);
    return room < ACCOUNT_BULK_CHUNK ? str_of(b->text) : STR_NULL;
}

/* The callback of a command: false if the call is over. */
static bool chunk_ended(struct account_call *c, const struct err *err)
{
    if (!op_is_running(&c->op)) {
        return false;
    }
    if (err->code != ERR_OK) {
        bulk_abort(c);
        call_fail_err(c, err);
        return false;
    }
    bulk_of(c)->any = true;
    return true;
}

/* --- the search --- */

static void on_found(struct imap_search *op ATTR_UNUSED, const struct err *err,
                     const struct imap_search_result *result, void *ctx)
{
    struct account_call *c = ctx;
    struct bulk *b = bulk_of(c);
    c->search = NULL;
    if (!op_is_running(&c->op)) {
        return;
    }
    if (err->code != ERR_OK) {
        call_fail_err(c, err);
        return;
    }
    if (imap_set_count(&result->set) > ACCOUNT_BULK_MAX) {
        call_fail(c, ERR_INVALID, "the search finds more than %d messages",
                  ACCOUNT_BULK_MAX);
        return;
    }
    b->found.count = result->set.count;
    b->found.ranges = arena_memdup(&c->op.arena, result->set.ranges,
                                   result->set.count * sizeof *result->set.ranges);
    b->next(c);
}

static void search_now(struct account_call *c)
{
    struct imap_criteria keys;
    struct err err = {0};
    const struct search_keys_params how = {.search = bulk_of(c)->search,
                                           .caps = imap_conn_caps(c->conn),
                                           .now_ms = clock_wall_ms()};
    imap_criteria_init(&keys);
    if (search_keys_compile(&how, &keys, &err)) {
        const struct imap_search_params params = {
            .criteria = buf_str(&keys.text), .utf8 = keys.utf8, .by_uid = true};
        c->search = imap_search_start(c->conn, &params, CALL_COMMAND_MS, on_found, c);
    } else {
        call_fail_err(c, &err);
    }
    imap_criteria_fini(&keys);
}

static struct account_call *bulk_new(struct account *a, struct str path,
                                     const json_t *search, int64_t deadline_ms,
                                     account_call_cb *cb, void *ctx)
{
    struct account_call *c = call_new(a, "change messages", deadline_ms, cb, ctx);
    struct bulk *b = ARENA_NEW(&c->op.arena, struct bulk);
    const struct mailbox *m = call_path(c, path);
    c->detail = b;
    c->fini = bulk_fini;
    c->abort = bulk_abort;
    b->search = json_deep_copy(search);
    b->id_map = json_array();
    if (m != NULL) {
        c->box = m->box;
        c->number = b->number = m->number;
    }
    return c;
}

/* --- flags and labels --- */

static void on_stored(struct imap_store *op ATTR_UNUSED, const struct err *err, void *ctx)
{
    struct account_call *c = ctx;
    struct bulk *b = bulk_of(c);
    c->store = NULL;
    if (chunk_ended(c, err)) {
        b->at = b->at + 1 == b->changes.count ? 0 : b->at + 1;
        b->next(c);
    }
}

static void update_next(struct account_call *c)
{
    struct bulk *b = bulk_of(c);
    struct str uids = b->at > 0 ? str_of(b->text) : STR_NULL;
    if (b->at == 0 && b->changes.count > 0) {
        uids = next_chunk(b);
    }
    if (uids.ptr != NULL) {
        c->store = account_flags_store(c->conn, &b->changes.items[b->at], uids,
                                       CALL_COMMAND_MS, on_stored, c);
        return;
    }
    for (size_t i = 0; i < b->changes.count; i++) {
        account_flags_tell(c->result, &b->changes.items[i], b->any);
    }
    touch_box(c, c->box);
    op_complete(&c->op);
}

struct account_call *account_bulk_update_start(struct account *a, struct str path,
                                               const json_t *search, json_t *update,
                                               int64_t deadline_ms, account_call_cb *cb,
                                               void *ctx)
{
    struct account_call *c = bulk_new(a, path, search, deadline_ms, cb, ctx);
    struct bulk *b = bulk_of(c);
    c->result = json_object();
    b->next = update_next;
    account_flags_take(&c->op.arena, update, &b->changes);
    if (c->box != 0) {
        call_borrow(c, ACCOUNT_LANE_INTERACTIVE, search_now);
    }
    return c;
}

/* --- move and delete --- */

/* Walks the numbers of a set in its order. */
struct set_walk {
    const struct imap_set *set;
    size_t range;
    uint32_t offset;
};

static uint32_t walk_next(struct set_walk *w)
{
    if (w->range == w->set->count) {
        return 0;
    }
    const struct imap_range *r = &w->set->ranges[w->range];
    uint32_t n = r->lo + w->offset;
    w->offset = n == r->hi ? 0 : w->offset + 1;
    w->range += n == r->hi;
    return n;
}

static void map_ids(struct account_call *c, const struct imap_copy_result *result)
{
    const struct bulk *b = bulk_of(c);
    const struct mailbox *to = mailbox_table_by_box(&c->a->table, b->to_box);
    struct set_walk from = {.set = &result->from}, there = {.set = &result->to};
    if (to == NULL || result->uid_validity != to->uid_validity) {
        return;
    }
    for (uint32_t i = 0; i < ACCOUNT_BULK_CHUNK; i++) {
        uint32_t old_uid = walk_next(&from), new_uid = walk_next(&there);
        char old_id[12], new_id[12];
        if (old_uid == 0 || new_uid == 0) {
            return;
        }
        message_id_format(b->number, old_uid, old_id);
        message_id_format(to->number, new_uid, new_id);
        json_push(b->id_map, json_pack("[s, s]", old_id, new_id));
    }
}

static void moved_all(struct account_call *c)
{
    struct bulk *b = bulk_of(c);
    const struct mailbox *to = mailbox_table_by_box(&c->a->table, b->to_box);
    json_t *where = json_object();
    touch_box(c, c->box);
    touch_box(c, b->to_box);
    json_put_cstr(where, b->deletes ? "destination" : "path", to != NULL ? to->path : "");
    json_put(where, "idMap", json_incref(b->id_map));
    call_complete(c, b->deletes ? json_pack("{s:b, s:o}", "deleted", 0, "moved", where)
                                : where);
}

static void on_moved(struct imap_move *op ATTR_UNUSED, const struct err *err,
                     const struct imap_copy_result *result, void *ctx)
{
    struct account_call *c = ctx;
    struct bulk *b = bulk_of(c);
    c->move = NULL;
    if (chunk_ended(c, err)) {
        account_moves_expect(c->a, c->box, b->to_box, result, false);
        map_ids(c, result);
        b->next(c);
    }
}

static void move_next(struct account_call *c)
{
    struct bulk *b = bulk_of(c);
    const struct mailbox *to = mailbox_table_by_box(&c->a->table, b->to_box);
    struct str uids = next_chunk(b);
    if (uids.ptr == NULL) {
        moved_all(c);
    } else if (to == NULL) {
        call_fail(c, ERR_NO_MAILBOX, "the destination does not exist any more");
    } else {
        c->move = imap_move_start(c->conn, uids, str_from(to->wire, to->wire_len), true,
                                  CALL_COMMAND_MS, on_moved, c);
    }
}

static void on_expunged(struct imap_expunge *op ATTR_UNUSED, const struct err *err,
                        void *ctx)
{
    struct account_call *c = ctx;
    c->expunge = NULL;
    if (chunk_ended(c, err)) {
        bulk_of(c)->next(c);
    }
}

static void expunge_next(struct account_call *c)
{
    struct bulk *b = bulk_of(c);
    struct str uids = next_chunk(b);
    if (uids.ptr != NULL) {
        c->expunge = imap_expunge_start(c->conn, uids, CALL_COMMAND_MS, on_expunged, c);
        return;
    }
    touch_box(c, c->box);
    call_complete(c, json_pack("{s:b}", "deleted", b->any));
}

struct account_call *account_bulk_move_start(struct account *a, struct str path,
                                             const json_t *search, struct str to,
                                             int64_t deadline_ms, account_call_cb *cb,
                                             void *ctx)
{
    struct account_call *c = bulk_new(a, path, search, deadline_ms, cb, ctx);
    const struct mailbox *target = account_mailbox_by_path(a, to);
    struct bulk *b = bulk_of(c);
    b->next = move_next;
    if (c->box != 0 && target == NULL) {
        call_fail(c, ERR_NO_MAILBOX, "Unknown destination path");
    } else if (c->box != 0) {
        b->to_box = target->box;
        call_borrow(c, ACCOUNT_LANE_INTERACTIVE, search_now);
    }
    return c;
}

struct account_call *account_bulk_delete_start(struct account *a, struct str path,
                                               const json_t *search, bool force,
                                               int64_t deadline_ms, account_call_cb *cb,
                                               void *ctx)
{
    struct account_call *c = bulk_new(a, path, search, deadline_ms, cb, ctx);
    struct bulk *b = bulk_of(c);
    const struct mailbox *trash = call_trash(c);
    bool for_good = force || trash == NULL || trash->box == c->box;
    b->next = for_good ? expunge_next : move_next;
    b->deletes = true;
    b->to_box = for_good ? 0 : trash->box;
    if (c->box != 0) {
        call_borrow(c, ACCOUNT_LANE_INTERACTIVE, search_now);
    }
    return c;
}
