/* Repair: load the directory, then bring it together with the sets of accounts.
 *
 *     scan (pages of the directory) ──► members (one set a shard) ──► jobs, one by one
 * ──► sweep (rows without an account) ──► done
 *
 * A job is an account whose row says that something was begun, or that has no row. Other
 * nodes and other operations go on meanwhile; rows change only from what was seen. */
#include "store_parts.h"

#include "postrider/base/check.h"
#include "postrider/base/log.h"
#include "postrider/base/mem.h"
#include "postrider/base/num.h"

#include <stdio.h>

static const int64_t progress_ms = 30 * 1000;

struct job {
    struct list node;
    struct store_acct acct; /* id "" when only the name is known */
    enum directory_stage stage;
    struct str seen; /* the row as stored; absent = none */
};

struct store_repair {
    struct store_op base;
    bool shards[STORE_SHARDS];
    size_t sets_missing;
    struct list jobs;
    struct map *damaged; /* name → struct str of a row that does not open */
    store_repair_cb *cb;
    void *ctx;
};

static void repair_done(struct op *op)
{
    struct store_repair *r = container_of(op, struct store_repair, base.op);
    if (r->cb != NULL) {
        r->cb(r, &op->err, r->ctx);
    }
}

static void repair_fini(struct op *op)
{
    struct store_repair *r = container_of(op, struct store_repair, base.op);
    store_op_fini(op);
    map_free(&r->damaged);
    struct list *node;
    while ((node = list_pop(&r->jobs)) != NULL) {
        store_acct_fini(&container_of(node, struct job, node)->acct);
    }
}

static const struct op_type repair_type = {"store repair", sizeof(struct store_repair),
                                           store_op_abort, repair_done, repair_fini};

static bool is_of_type(struct store_repair *r, const struct redis_reply *reply,
                       enum redis_type type)
{
    if (reply->type != type) {
        op_fail(&r->base.op, ERR_STORE_REPLY, "directory: unexpected type of reply");
        return false;
    }
    return true;
}

static struct job *job_add(struct store_repair *r, struct str id, const char *name,
                           uint8_t shard)
{
    struct job *job = ARENA_NEW(&r->base.op.arena, struct job);
    job->acct = (struct store_acct){.id = mem_strndup(id.ptr, id.len), .shard = shard};
    (void)snprintf(job->acct.name, sizeof job->acct.name, "%s", name);
    list_init(&job->node);
    list_append(&r->jobs, &job->node);
    return job;
}

/* --- sweep --- */

static void on_swept(void *ctx, const struct store_reply *reply)
{
    struct store_repair *r = ctx;
    if (!store_op_refused(&r->base, reply) && list_is_empty(&r->base.calls.list)) {
        op_complete(&r->base.op);
    }
}

static void sweep(struct store_repair *r)
{
    struct store *s = r->base.store;
    struct arena *arena = &r->base.op.arena;
    size_t at = 0;
    const struct directory_row *row;
    while ((row = store_directory_unconfirmed(s, r->shards, &at)) != NULL) {
        struct store_words w;
        store_words_init(&w, arena);
        store_word_c(&w, "HDEL");
        store_word(&w, store_key_global(arena, s, "directory"));
        store_word_c(&w, arena_strdup(arena, row->name));
        store_op_send(&r->base, &w, on_swept, 0);
        store_directory_remove(s, str_of(w.items[2].ptr));
        at--;
    }
    if (list_is_empty(&r->base.calls.list)) {
        op_complete(&r->base.op);
    }
}

/* --- jobs --- */

static void next_job(struct store_repair *r);

static struct job *current_job(struct store_repair *r)
{
    return container_of(r->jobs.next, struct job, node);
}

static void end_job(struct store_repair *r)
{
    struct job *job = current_job(r);
    list_remove(&job->node);
    store_acct_fini(&job->acct);
    next_job(r);
}

static void on_swapped(void *ctx, const struct store_reply *reply)
{
    struct store_repair *r = ctx;
    if (!store_op_refused(&r->base, reply)) {
        end_job(r);
    }
}

static void swap(struct store_repair *r, struct str next)
{
    struct store_words w;
    store_words_init(&w, &r->base.op.arena);
    const struct job *job = current_job(r);
    store_directory_swap_words(&w, r->base.store, job->acct.name, job->seen, next);
    store_op_script(&r->base, STORE_LUA_DIRECTORY_SWAP, &w, on_swapped, 0);
}

static void on_deleted(void *ctx, const struct store_reply *reply);

static void send_delete(struct store_repair *r, struct str position)
{
    struct store_words w;
    store_words_init(&w, &r->base.op.arena);
    store_account_delete_words(&w, r->base.store, &current_job(r)->acct, position);
    store_op_script(&r->base, STORE_LUA_ACCOUNT_DELETE, &w, on_deleted, 0);
}

static void on_deleted(void *ctx, const struct store_reply *reply)
{
    struct store_repair *r = ctx;
    if (store_op_refused(&r->base, reply) || !is_of_type(r, reply->value, REDIS_STRING)) {
        return;
    }
    op_extend(&r->base.op, progress_ms);
    if (reply->value->str.len > 0) {
        send_delete(r, arena_str(&r->base.op.arena, reply->value->str));
    } else {
        swap(r, STR_NULL);
    }
}

/* Makes the row that a record (fields inc, id, rec, created) deserves. */
static bool row_from_record(struct store *s, struct job *job,
                            const struct redis_reply *fields, struct directory_row *row,
                            struct err *err)
{
    (void)snprintf(job->acct.incarnation, sizeof job->acct.incarnation, "%.*s",
                   STR_ARG(fields->items[0].str));
    struct store_place id_place = store_account_place(&job->acct, ACCOUNT_FIELD_ID);
    struct store_place rec_place = store_account_place(&job->acct, ACCOUNT_FIELD_RECORD);
    json_t *id = store_open_json(s, &id_place, fields->items[1].str, err);
    json_t *record = store_open_json(s, &rec_place, fields->items[2].str, err);
    bool ok = json_is_string(id) && record != NULL;
    if (ok) {
        mem_free(job->acct.id);
        job->acct.id = mem_strdup(json_string_value(id));
        int64_t created_ms = 0;
        (void)num_i64(fields->items[3].str, &created_ms);
        directory_row_init(row, &job->acct, record, created_ms);
    }
    json_decref(id);
    json_decref(record);
    return ok;
}

static void on_record(void *ctx, const struct store_reply *reply)
{
    struct store_repair *r = ctx;
    struct store *s = r->base.store;
    if (store_op_refused(&r->base, reply) || !is_of_type(r, reply->value, REDIS_ARRAY)) {
        return;
    }
    struct job *job = current_job(r);
    struct directory_row row;
    struct err err = {0};
    struct buf sealed = BUF_INIT(STORE_RECORD_MAX);
    if (reply->value->count != 4 || reply->value->items[0].type != REDIS_STRING) {
        swap(r, STR_NULL); /* nothing was created, or all is gone */
    } else if (!row_from_record(s, job, reply->value, &row, &err)) {
        log_at(LOG_ERROR, "store", "account record is damaged; left as it is",
               LOG_S("name", job->acct.name), LOG_ERR_FIELDS(&err));
        end_job(r);
    } else {
        CHECK(directory_row_seal(s, &row, &sealed));
        store_directory_put(s, &row);
        swap(r, str_from(arena_memdup(&r->base.op.arena, sealed.bytes, sealed.len),
                         sealed.len));
    }
    buf_fini(&sealed);
}

static void next_job(struct store_repair *r)
{
    if (list_is_empty(&r->jobs)) {
        sweep(r);
        return;
    }
    op_extend(&r->base.op, progress_ms);
    struct job *job = current_job(r);
    if (job->stage == DIRECTORY_DELETING) {
        send_delete(r, STR("-"));
        return;
    }
    struct store_words w;
    store_words_init(&w, &r->base.op.arena);
    store_word_c(&w, "HMGET");
    store_word(&w, store_key(w.arena, r->base.store, &job->acct, "a"));
    store_word_c(&w, ACCOUNT_FIELD_INC);
    store_word_c(&w, ACCOUNT_FIELD_ID);
    store_word_c(&w, ACCOUNT_FIELD_RECORD);
    store_word_c(&w, ACCOUNT_FIELD_CREATED);
    store_op_send(&r->base, &w, on_record, 0);
}

/* --- members --- */

static bool has_job(const struct store_repair *r, struct str name)
{
    list_foreach (node, &r->jobs) {
        if (str_eq_c(name, container_of(node, struct job, node)->acct.name)) {
            return true;
        }
    }
    return false;
}

static void on_members(void *ctx, const struct store_reply *reply)
{
    struct store_repair *r = ctx;
    if (store_op_refused(&r->base, reply) || !is_of_type(r, reply->value, REDIS_ARRAY)) {
        return;
    }
    for (size_t i = 0; i < reply->value->count; i++) {
        struct str name = reply->value->items[i].str;
        if (name.len == STORE_ACCT_NAME_SIZE - 1 &&
            !store_directory_confirm(r->base.store, name) && !has_job(r, name)) {
            struct job *job = job_add(r, STR(""), name.ptr, (uint8_t)reply->tag);
            const struct str *row = map_get(r->damaged, name);
            job->seen = row != NULL ? *row : STR_NULL;
            job->stage = DIRECTORY_UPDATING;
        }
    }
    if (--r->sets_missing == 0) {
        next_job(r);
    }
}

static void ask_members(struct store_repair *r)
{
    op_extend(&r->base.op, progress_ms);
    for (size_t i = 0; i < STORE_SHARDS; i++) {
        if (!r->shards[i]) {
            continue;
        }
        struct store_words w;
        store_words_init(&w, &r->base.op.arena);
        store_word_c(&w, "SMEMBERS");
        store_word(&w, store_key_shard(w.arena, r->base.store, (uint8_t)i, "accounts"));
        store_op_send(&r->base, &w, on_members, i);
        r->sets_missing++;
    }
    if (r->sets_missing == 0) {
        op_complete(&r->base.op);
    }
}

/* --- scan --- */

static void take_row(struct store_repair *r, struct str name, struct str sealed)
{
    struct store *s = r->base.store;
    struct arena *arena = &r->base.op.arena;
    struct directory_row row;
    struct err err;
    if (!directory_row_open(s, name, sealed, &row, &err)) {
        log_at(LOG_WARN, "store", "directory row is damaged", LOG_ERR_FIELDS(&err));
        struct str *copy = ARENA_NEW(arena, struct str);
        *copy = arena_str(arena, sealed);
        map_put(r->damaged, name, copy);
        return;
    }
    enum directory_stage stage = row.stage;
    if (stage != DIRECTORY_LIVE && r->shards[row.shard]) {
        struct job *job = job_add(r, str_of(row.id), row.name, row.shard);
        (void)snprintf(job->acct.incarnation, sizeof job->acct.incarnation, "%s",
                       row.incarnation);
        job->stage = stage;
        job->seen = arena_str(arena, sealed);
    }
    if (stage == DIRECTORY_LIVE || stage == DIRECTORY_UPDATING) {
        store_directory_load_row(s, &row);
    } else {
        directory_row_fini(&row);
    }
}

static void scan(struct store_repair *r, struct str cursor);

static void on_page(void *ctx, const struct store_reply *reply)
{
    struct store_repair *r = ctx;
    if (store_op_refused(&r->base, reply) || !is_of_type(r, reply->value, REDIS_ARRAY)) {
        return;
    }
    const struct redis_reply *v = reply->value;
    if (v->count != 2 || v->items[0].type != REDIS_STRING ||
        !is_of_type(r, &v->items[1], REDIS_ARRAY)) {
        op_fail(&r->base.op, ERR_STORE_REPLY, "directory: malformed page");
        return;
    }
    const struct redis_reply *rows = &v->items[1];
    for (size_t i = 0; i + 1 < rows->count; i += 2) {
        take_row(r, rows->items[i].str, rows->items[i + 1].str);
    }
    if (!str_eq_c(v->items[0].str, "0")) {
        scan(r, v->items[0].str);
        return;
    }
    store_directory_load_end(r->base.store);
    ask_members(r);
}

static void scan(struct store_repair *r, struct str cursor)
{
    op_extend(&r->base.op, progress_ms);
    struct store_words w;
    store_words_init(&w, &r->base.op.arena);
    store_word_c(&w, "HSCAN");
    store_word(&w, store_key_global(w.arena, r->base.store, "directory"));
    store_word(&w, cursor);
    store_word_c(&w, "COUNT");
    store_word_c(&w, "1000");
    store_op_send(&r->base, &w, on_page, 0);
}

struct store_repair *store_repair_start(struct store *s, const bool shards[STORE_SHARDS],
                                        store_repair_cb *cb, void *ctx)
{
    struct store_repair *r = op_new(s->loop, &repair_type, progress_ms);
    r->base.store = s;
    store_calls_init(&r->base.calls);
    list_init(&r->jobs);
    r->damaged = map_new(NULL);
    r->cb = cb;
    r->ctx = ctx;
    memcpy(r->shards, shards, sizeof r->shards);
    store_directory_load_begin(s);
    scan(r, STR("0"));
    return r;
}

void store_repair_cancel(struct store_repair *op)
{
    op->cb = NULL;
    op_cancel(&op->base.op);
}
