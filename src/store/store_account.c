/* Operations on one account. Creation and deletion cross slots: the directory says
 * `creating` or `deleting` first, so that a crash in between is found and ended.
 *
 *     create   look ──► row creating ──► record + log ──► row live
 *     update   look ──► row updating ──► record ──► row live     (row only if it changes)
 *     delete   look ──► row deleting ──► keys, feed pages ──► row gone
 *     get      read */
#include "store_parts.h"

#include "postrider/base/check.h"
#include "postrider/base/clock.h"
#include "postrider/base/codec.h"
#include "postrider/base/mem.h"
#include "postrider/base/num.h"
#include "postrider/base/rand.h"
#include "postrider/base/utf8.h"

#include <stdio.h>

enum {
    ACCOUNT_ID_MAX = 256
};

struct account_kind;

struct store_account_op {
    struct store_op base;
    const struct account_kind *kind;
    struct store_acct acct;
    json_t *record, *state;
    bool exists; /* a:<acc> does */
    int64_t created_ms;
    struct str row_seen; /* as stored; absent = none */
    struct directory_row row;
    size_t looks_missing;
    store_account_cb *cb;
    void *ctx;
};

/* What differs between the operations that write. */
struct account_kind {
    void (*looked)(struct store_account_op *op);
    void (*row_written)(struct store_account_op *op);
    enum directory_stage stage; /* of the row while it goes on */
};

static struct store_account_op *self_of(struct op *op)
{
    return container_of(op, struct store_account_op, base.op);
}

static void account_done(struct op *op)
{
    struct store_account_op *a = self_of(op);
    enum err_code code = op->err.code;
    if (code == ERR_FENCED) {
        store_lease_suspect(a->base.store, a->acct.shard);
    } else if (a->row.id != NULL && (code == ERR_CANCELED || code == ERR_TIMEOUT)) {
        store_shard_repair(a->base.store, a->acct.shard);
    }
    a->cb(a, &op->err, &a->acct, op->err.code == ERR_OK ? a->record : NULL,
          op->err.code == ERR_OK ? a->state : NULL, a->ctx);
}

static void account_fini(struct op *op)
{
    struct store_account_op *a = self_of(op);
    store_op_fini(op);
    json_decref(a->record);
    json_decref(a->state);
    directory_row_fini(&a->row);
    store_acct_fini(&a->acct);
}

static const struct op_type account_type = {"store account",
                                            sizeof(struct store_account_op),
                                            store_op_abort, account_done, account_fini};

static struct store_account_op *op_start(struct store *s, struct str id,
                                         store_account_cb *cb, void *ctx)
{
    struct store_account_op *a = store_op_new(s, &account_type, STORE_DEADLINE_MS);
    store_acct_init(s, &a->acct, id);
    a->cb = cb;
    a->ctx = ctx;
    return a;
}

void store_account_cancel(struct store_account_op *op)
{
    op_cancel(op != NULL ? &op->base.op : NULL);
}

/* A transient failure in the middle: what Redis holds now is found out by a repair. */
static bool refused_midway(struct store_account_op *a, const struct store_reply *reply)
{
    if (reply->err == NULL) {
        return false;
    }
    store_shard_repair(a->base.store, a->acct.shard);
    return store_op_refused(&a->base, reply);
}

/* --- the row of the directory --- */

void store_directory_swap_words(struct store_words *w, struct store *s, const char *name,
                                struct str seen, struct str next)
{
    store_word(w, store_key_global(w->arena, s, "directory"));
    store_words_end_keys(w);
    store_word_c(w, name);
    store_word(w, seen.ptr != NULL ? seen : STR(""));
    store_word(w, next.ptr != NULL ? next : STR(""));
}

/* Writes the row in its present stage, or removes it; remembers what is stored then. */
static void swap_row(struct store_account_op *a, bool remove, store_reply_fn *fn)
{
    struct store_words w;
    store_words_init(&w, &a->base.op.arena);
    struct str next = STR_NULL;
    if (!remove) {
        struct buf sealed = BUF_INIT(STORE_RECORD_MAX);
        if (!directory_row_seal(a->base.store, &a->row, &sealed)) {
            buf_fini(&sealed);
            op_fail(&a->base.op, ERR_TOO_LARGE, "account name or address is too long");
            return;
        }
        next = str_from(arena_memdup(w.arena, sealed.bytes, sealed.len), sealed.len);
        buf_fini(&sealed);
    }
    store_directory_swap_words(&w, a->base.store, a->acct.name, a->row_seen, next);
    a->row_seen = next;
    store_op_script(&a->base, STORE_LUA_DIRECTORY_SWAP, &w, fn, 0);
}

static void on_row_written(void *ctx, const struct store_reply *reply)
{
    struct store_account_op *a = ctx;
    if (refused_midway(a, reply)) {
        return;
    }
    if (reply->value->integer != 1) {
        op_fail(&a->base.op, ERR_CONFLICT, "account is being changed by somebody else");
        return;
    }
    a->kind->row_written(a);
}

static void write_row(struct store_account_op *a)
{
    a->row.stage = a->kind->stage;
    swap_row(a, false, on_row_written);
}

/* The account itself is done; a row that could not be written is left to the repair. */
static void on_row_final(void *ctx, const struct store_reply *reply)
{
    struct store_account_op *a = ctx;
    if (reply->err != NULL || reply->value->integer != 1) {
        store_shard_repair(a->base.store, a->acct.shard);
    }
    op_complete(&a->base.op);
}

/* Memory follows at once; Redis a moment later. */
static void publish_row(struct store_account_op *a)
{
    a->row.stage = DIRECTORY_LIVE;
    swap_row(a, false, on_row_final);
    store_directory_put(a->base.store, &a->row);
}

/* --- looking at what there is --- */

enum {
    LOOK_RECORD,
    LOOK_ROW
};

static void take_record(struct store_account_op *a, const struct redis_reply *v)
{
    if (v->type != REDIS_ARRAY || v->count != 3 || v->items[0].type != REDIS_STRING) {
        return;
    }
    a->exists = true;
    (void)snprintf(a->acct.incarnation, sizeof a->acct.incarnation, "%.*s",
                   STR_ARG(v->items[0].str));
    (void)num_i64(v->items[1].str, &a->created_ms);
    struct store_place place = store_account_place(&a->acct, ACCOUNT_FIELD_STATE);
    json_decref(a->state);
    a->state = v->items[2].type == REDIS_STRING
                   ? store_open_json(a->base.store, &place, v->items[2].str, NULL)
                   : NULL;
    if (a->state == NULL) {
        a->state = json_object();
    }
}

static void on_looked(void *ctx, const struct store_reply *reply)
{
    struct store_account_op *a = ctx;
    if (store_op_refused(&a->base, reply)) {
        return;
    }
    if (reply->tag == LOOK_RECORD) {
        take_record(a, reply->value);
    } else if (reply->value->type == REDIS_STRING) {
        a->row_seen = arena_str(&a->base.op.arena, reply->value->str);
    }
    if (--a->looks_missing == 0) {
        a->kind->looked(a);
    }
}

static void look(struct store_account_op *a)
{
    struct arena *arena = &a->base.op.arena;
    struct store *s = a->base.store;
    if (!op_is_running(&a->base.op)) {
        return;
    }
    if (!store_owns(s, a->acct.shard)) {
        op_fail(&a->base.op, ERR_FENCED, "shard %u belongs to another node",
                (unsigned)a->acct.shard);
        return;
    }
    struct store_words w;
    store_words_init(&w, arena);
    store_word_c(&w, "HMGET");
    store_word(&w, store_key(arena, s, &a->acct, "a"));
    store_word_c(&w, ACCOUNT_FIELD_INC);
    store_word_c(&w, ACCOUNT_FIELD_CREATED);
    store_word_c(&w, ACCOUNT_FIELD_STATE);
    store_op_send(&a->base, &w, on_looked, LOOK_RECORD);

    store_words_init(&w, arena);
    store_word_c(&w, "HGET");
    store_word(&w, store_key_global(arena, s, "directory"));
    store_word_c(&w, a->acct.name);
    store_op_send(&a->base, &w, on_looked, LOOK_ROW);
    a->looks_missing = 2;
}

/* --- get --- */

static void on_record(void *ctx, const struct store_reply *reply)
{
    struct store_account_op *a = ctx;
    struct err err;
    if (store_op_refused(&a->base, reply)) {
        return;
    }
    if (!account_record_read(a->base.store, &a->acct, reply->value, &a->record, &a->state,
                             &err)) {
        op_fail_err(&a->base.op, &err);
        return;
    }
    store_directory_note(a->base.store, str_of(a->acct.id), a->state);
    op_complete(&a->base.op);
}

struct store_account_op *store_account_get_start(struct store *s, struct str id,
                                                 store_account_cb *cb, void *ctx)
{
    struct store_account_op *a = op_start(s, id, cb, ctx);
    store_op_read_hash(&a->base, &a->acct, "a", on_record);
    return a;
}

/* --- create --- */

static void make_incarnation(struct store_acct *acct)
{
    uint8_t raw[16];
    rand_bytes(raw, sizeof raw);
    _Static_assert(sizeof acct->incarnation > 2 * sizeof raw, "hexadecimal");
    hex_format(acct->incarnation, raw, sizeof raw);
}

static void create_looked(struct store_account_op *a)
{
    if (a->exists) {
        if (store_directory_get(a->base.store, str_of(a->acct.id)) == NULL) {
            store_shard_repair(a->base.store, a->acct.shard);
        }
        op_fail(&a->base.op, ERR_CONFLICT, "account exists already");
        return;
    }
    make_incarnation(&a->acct);
    a->created_ms = clock_wall_ms();
    directory_row_init(&a->row, &a->acct, a->record, a->created_ms);
    write_row(a);
}

static void on_created(void *ctx, const struct store_reply *reply)
{
    struct store_account_op *a = ctx;
    if (refused_midway(a, reply)) {
        return;
    }
    publish_row(a);
    store_directory_count_event(a->base.store, str_of(a->acct.id), EVENT_ACCOUNT_ADDED);
    store_appended(a->base.store, &a->acct, 1);
}

static bool put_event(struct store_account_op *a, struct store_words *w)
{
    struct event e;
    event_init(&e, EVENT_ACCOUNT_ADDED, a->created_ms, 0, 0, NULL, NULL,
               json_pack("{s:s}", "account", a->acct.id));
    store_event_id(a->base.store, &a->acct, 0, 0, 0, event_type_name(e.type), 0, e.id);
    struct buf sealed = BUF_INIT(EVENT_DATA_MAX);
    bool ok = store_event_seal(a->base.store, &a->acct, &e, &sealed);
    store_word_c(w, event_type_name(e.type));
    store_word_c(w, arena_strdup(w->arena, e.id));
    store_word_buf(w, &sealed);
    buf_fini(&sealed);
    event_fini(&e);
    return ok;
}

static bool put_fields(struct store_account_op *a, struct store_words *w, struct err *err)
{
    struct store *s = a->base.store;
    json_t *id = json_string(a->acct.id);
    a->state = json_pack("{s:s}", "state", "init");
    store_word_c(w, ACCOUNT_FIELD_INC);
    store_word_c(w, a->acct.incarnation);
    store_word_c(w, ACCOUNT_FIELD_CREATED);
    store_word_u64(w, (uint64_t)a->created_ms);
    store_word_c(w, arena_printf(w->arena, "%s%s", ACCOUNT_FIELD_COUNT,
                                 event_type_name(EVENT_ACCOUNT_ADDED)));
    store_word_u64(w, 1);
    bool ok = account_field_seal(s, &a->acct, ACCOUNT_FIELD_ID, id, w, err) &&
              account_field_seal(s, &a->acct, ACCOUNT_FIELD_STATE, a->state, w, err) &&
              account_record_words(s, &a->acct, a->record, w, err);
    json_decref(id);
    return ok;
}

static void create_record(struct store_account_op *a)
{
    struct store *s = a->base.store;
    struct arena *arena = &a->base.op.arena;
    struct err err;
    struct store_words w;
    store_words_init(&w, arena);
    store_words_lease_keys(&w, s, a->acct.shard);
    store_word(&w, store_key(arena, s, &a->acct, "a"));
    store_word(&w, store_key_shard(arena, s, a->acct.shard, "accounts"));
    store_word(&w, store_key(arena, s, &a->acct, "log"));
    store_word(&w, store_key_shard(arena, s, a->acct.shard, "feed"));
    store_word(&w, store_key_shard(arena, s, a->acct.shard, "dirty"));
    store_words_lease_args(&w, s, a->acct.shard);
    store_word_c(&w, a->acct.name);
    if (!put_event(a, &w)) {
        op_fail(&a->base.op, ERR_INVALID, "account id is not text");
    } else if (!put_fields(a, &w, &err)) {
        op_fail_err(&a->base.op, &err);
    } else {
        store_op_script(&a->base, STORE_LUA_ACCOUNT_CREATE, &w, on_created, 0);
    }
}

static const struct account_kind create_kind = {create_looked, create_record,
                                                DIRECTORY_CREATING};

/* What is certain to fail is refused before anything is written. */
static bool check_record(struct store_account_op *a)
{
    struct str id = str_of(a->acct.id);
    if (id.len == 0 || id.len > ACCOUNT_ID_MAX || !utf8_is_valid(id) ||
        !json_is_object(a->record)) {
        op_fail(&a->base.op, ERR_INVALID, "account id must be 1 to %d bytes of UTF-8",
                ACCOUNT_ID_MAX);
        return false;
    }
    struct store_words w;
    struct arena arena = {0};
    struct err err;
    store_words_init(&w, &arena);
    bool ok = !op_is_running(&a->base.op) ||
              account_record_words(a->base.store, &a->acct, a->record, &w, &err);
    if (!ok) {
        op_fail_err(&a->base.op, &err);
    }
    arena_fini(&arena);
    return ok;
}

struct store_account_op *store_account_create_start(struct store *s, struct str id,
                                                    json_t *record, store_account_cb *cb,
                                                    void *ctx)
{
    struct store_account_op *a = op_start(s, id, cb, ctx);
    a->kind = &create_kind;
    a->record = json_deep_copy(record);
    if (check_record(a)) {
        look(a);
    }
    return a;
}

/* --- update --- */

static bool same_row(const struct directory_row *row, const struct account_entry *entry)
{
    return entry != NULL && strcmp(row->full_name, entry->name) == 0 &&
           strcmp(row->email, entry->email) == 0;
}

static void update_record(struct store_account_op *a);

static void update_looked(struct store_account_op *a)
{
    if (!a->exists) {
        op_fail(&a->base.op, ERR_NO_ACCOUNT, "account does not exist");
        return;
    }
    directory_row_init(&a->row, &a->acct, a->record, a->created_ms);
    if (same_row(&a->row, store_directory_get(a->base.store, str_of(a->acct.id)))) {
        directory_row_fini(&a->row);
        update_record(a);
    } else {
        write_row(a);
    }
}

static void on_updated(void *ctx, const struct store_reply *reply)
{
    struct store_account_op *a = ctx;
    if (refused_midway(a, reply)) {
        return;
    }
    if (a->row.id != NULL) {
        publish_row(a);
    } else {
        op_complete(&a->base.op);
    }
}

static void update_record(struct store_account_op *a)
{
    struct store *s = a->base.store;
    struct err err;
    struct store_words w;
    store_words_init(&w, &a->base.op.arena);
    store_words_lease_keys(&w, s, a->acct.shard);
    store_word(&w, store_key(w.arena, s, &a->acct, "a"));
    store_words_lease_args(&w, s, a->acct.shard);
    store_word_c(&w, a->acct.incarnation);
    if (!account_record_words(s, &a->acct, a->record, &w, &err)) {
        op_fail_err(&a->base.op, &err);
        return;
    }
    store_op_script(&a->base, STORE_LUA_ACCOUNT_UPDATE, &w, on_updated, 0);
}

static const struct account_kind update_kind = {update_looked, update_record,
                                                DIRECTORY_UPDATING};

struct store_account_op *store_account_update_start(struct store *s, struct str id,
                                                    json_t *record, store_account_cb *cb,
                                                    void *ctx)
{
    struct store_account_op *a = op_start(s, id, cb, ctx);
    a->kind = &update_kind;
    a->record = json_deep_copy(record);
    if (check_record(a)) {
        look(a);
    }
    return a;
}

/* --- delete --- */

enum {
    DELETE_FEED_PAGE = 1000
};

static void delete_looked(struct store_account_op *a)
{
    struct directory_row row;
    bool listed =
        a->row_seen.ptr != NULL &&
        directory_row_open(a->base.store, str_of(a->acct.name), a->row_seen, &row, NULL);
    if (!a->exists && !listed) {
        op_fail(&a->base.op, ERR_NO_ACCOUNT, "account does not exist");
        return;
    }
    if (!a->exists) {
        (void)snprintf(a->acct.incarnation, sizeof a->acct.incarnation, "%s",
                       row.incarnation);
    }
    if (listed) {
        directory_row_fini(&row);
    }
    directory_row_init(&a->row, &a->acct, NULL, a->created_ms);
    write_row(a);
}

void store_account_delete_words(struct store_words *w, struct store *s,
                                const struct store_acct *acct, struct str feed_position)
{
    static const char *const kinds[] = {"f", "a",  "log", "cur", "q",
                                        "b", "mv", "th",  "dl"};
    struct arena *arena = w->arena;
    store_words_lease_keys(w, s, acct->shard);
    store_word(w, store_key_shard(arena, s, acct->shard, "accounts"));
    store_word(w, store_key_shard(arena, s, acct->shard, "dirty"));
    store_word(w, store_key_shard(arena, s, acct->shard, "feed"));
    store_word(w, store_key_shard(arena, s, acct->shard, "dead"));
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        store_word(w, store_key(arena, s, acct, kinds[i]));
    }
    store_words_lease_args(w, s, acct->shard);
    store_word_c(w, acct->name);
    struct str index = store_key(arena, s, acct, "m");
    store_word_c(w, arena_printf(arena, "%.*s:", STR_ARG(index)));
    store_word(w, feed_position);
    store_word_u64(w, DELETE_FEED_PAGE);
    store_word_c(w, acct->incarnation);
    struct str shadows = store_key(arena, s, acct, "s");
    store_word_c(w, arena_printf(arena, "%.*s:", STR_ARG(shadows)));
    struct str threads = store_key(arena, s, acct, "t");
    store_word_c(w, arena_printf(arena, "%.*s:", STR_ARG(threads)));
}

static void send_delete(struct store_account_op *a, struct str position);

static void on_page(void *ctx, const struct store_reply *reply)
{
    struct store_account_op *a = ctx;
    if (refused_midway(a, reply)) {
        return;
    }
    op_extend(&a->base.op, STORE_DEADLINE_MS);
    if (reply->value->type == REDIS_STRING && reply->value->str.len > 0) {
        send_delete(a, arena_str(&a->base.op.arena, reply->value->str));
    } else {
        swap_row(a, true, on_row_final);
    }
}

static void send_delete(struct store_account_op *a, struct str position)
{
    struct store_words w;
    store_words_init(&w, &a->base.op.arena);
    store_account_delete_words(&w, a->base.store, &a->acct, position);
    store_op_script(&a->base, STORE_LUA_ACCOUNT_DELETE, &w, on_page, 0);
}

static void delete_keys(struct store_account_op *a)
{
    store_directory_remove(a->base.store, str_of(a->acct.name));
    send_delete(a, STR("-"));
}

static const struct account_kind delete_kind = {delete_looked, delete_keys,
                                                DIRECTORY_DELETING};

struct store_account_op *store_account_delete_start(struct store *s, struct str id,
                                                    store_account_cb *cb, void *ctx)
{
    struct store_account_op *a = op_start(s, id, cb, ctx);
    a->kind = &delete_kind;
    look(a);
    return a;
}
