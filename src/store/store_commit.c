/* The commit:
 *
 *     waiting ──its turn──► reading
 *     reading ──all answers──► sent ──OK──► done
 *        │                     │  ▲
 *        │                     │  └── again (100 ms … 2 s) ──┐
 *        │                     └──answer lost──► in doubt ───┘
 *        └──any error──► failed ◄── refused
 *
 * waiting: one commit of an account runs at a time, because the state record is read and
 * written, and because the token of the last commit alone is kept. The running one holds
 * the queue of the others.
 * reading: the segments an edit touches and the state record; nothing is written yet, so
 * any failure is final and harmless. In doubt: the call may or may not have been carried
 * out; it is repeated byte for byte, and the token in it makes that safe. Only the
 * deadline ends it without an answer. */
#include "commit_box.h"
#include "commit_threads.h"
#include "store_parts.h"
#include "store_tombstone_priv.h"

#include "postrider/base/check.h"
#include "postrider/base/rand.h"

enum {
    FEED_ENTRIES = 100000,
    TOKEN_SIZE = 8,
    TAG_STATE = INT32_MAX /* no index of a change */
};

static const struct backoff_policy again_policy = {
    .first_ms = 100, .max_ms = 2000, .factor_percent = 200, .jitter_percent = 20};

struct store_commit {
    struct store_op base;
    struct store_acct acct;
    struct commit_box *boxes;
    size_t box_count;
    struct str *events; /* three words each */
    enum event_type *event_types;
    size_t event_count;
    struct store_words tombstones;
    struct commit_threads threads;
    uint64_t *map_changes; /* NULL: it changes none */
    uint32_t next_number;
    const char *state;
    json_t *state_info;
    uint8_t token[TOKEN_SIZE];

    struct list turn;  /* while waiting: in the queue of the running one */
    struct list queue; /* while running: who waits */
    size_t missing;    /* answers still to come while reading */
    struct buf state_sealed;
    struct store_words words;
    bool in_doubt;
    struct backoff backoff;
    struct timer again;
    store_commit_cb *cb;
    void *ctx;
};

static void commit_abort(struct op *op)
{
    timer_stop(&container_of(op, struct store_commit, base.op)->again);
    store_op_abort(op);
}

static void start_reading(struct store_commit *self);

/* The next of the account begins; it may have ended before its turn came. */
static void pass_on(struct store_commit *self)
{
    struct store *s = self->base.store;
    struct str name = str_of(self->acct.name);
    list_remove(&self->turn);
    if (map_get(s->committing, name) != self) {
        return;
    }
    (void)map_take(s->committing, name);
    struct list *node = list_pop(&self->queue);
    if (node == NULL) {
        return;
    }
    struct store_commit *next = container_of(node, struct store_commit, turn);
    list_move_all(&self->queue, &next->queue);
    map_put(s->committing, name, next);
    if (op_is_running(&next->base.op)) {
        op_extend(&next->base.op, STORE_COMMIT_DEADLINE_MS);
        start_reading(next);
    }
}

static void count_map_change(struct store_commit *self)
{
    if (self->map_changes != NULL) {
        (*self->map_changes)++;
    }
}

static void commit_done(struct op *op)
{
    struct store_commit *self = container_of(op, struct store_commit, base.op);
    struct store *s = self->base.store;
    bool ok = op->err.code == ERR_OK;
    count_map_change(self);
    for (size_t i = 0; ok && i < self->box_count; i++) {
        commit_box_settle(&self->boxes[i]);
    }
    pass_on(self);
    if (op->err.code == ERR_FENCED) {
        store_lease_suspect(s, self->acct.shard);
    }
    for (size_t i = 0; ok && i < self->event_count; i++) {
        store_directory_count_event(s, str_of(self->acct.id), self->event_types[i]);
    }
    if (ok && self->event_count > 0) {
        store_appended(s, &self->acct, self->event_count);
    }
    self->cb(self, &op->err, self->ctx);
}

static void commit_fini(struct op *op)
{
    struct store_commit *self = container_of(op, struct store_commit, base.op);
    json_decref(self->state_info);
    buf_fini(&self->state_sealed);
    store_op_fini(op);
}

static const struct op_type commit_type = {"store commit", sizeof(struct store_commit),
                                           commit_abort, commit_done, commit_fini};

static void fail_err(struct store_commit *self, const struct err *err)
{
    timer_stop(&self->again);
    store_op_fail_err(&self->base, err);
}

/* --- sending ----------------------------------------------------------------------- */

static void send_words(struct store_commit *self);

static void on_again(struct timer *t)
{
    send_words(container_of(t, struct store_commit, again));
}

/* After a lost answer also replies of a server that is still starting tell nothing. */
static bool tells_nothing(const struct store_commit *self,
                          const struct store_reply *reply)
{
    switch ((int)reply->err->code) {
    case ERR_STORE_DOWN:
    case ERR_TIMEOUT:
        return self->in_doubt || reply->maybe_executed;
    case ERR_STORE_REPLY:
        return self->in_doubt && strcmp(reply->err->peer_code, "OOM") != 0;
    default:
        return false;
    }
}

static void on_committed(void *ctx, const struct store_reply *reply)
{
    struct store_commit *self = ctx;
    if (reply->err == NULL) {
        op_complete(&self->base.op);
    } else if (tells_nothing(self, reply)) {
        self->in_doubt = true;
        timer_set(self->base.store->loop, &self->again,
                  backoff_next_ms(&self->backoff, &again_policy), on_again);
    } else {
        fail_err(self, reply->err);
    }
}

static void send_words(struct store_commit *self)
{
    store_op_script(&self->base, STORE_LUA_COMMIT, &self->words, on_committed, 0);
}

static void put_keys(struct store_commit *self)
{
    static const char *const account_keys[] = {"a", "f", "log"};
    static const char *const shard_keys[] = {"feed", "dirty"};
    struct store *s = self->base.store;
    struct store_words *w = &self->words;
    store_words_lease_keys(w, s, self->acct.shard);
    for (size_t i = 0; i < ARRAY_LEN(account_keys); i++) {
        store_word(w, store_key(w->arena, s, &self->acct, account_keys[i]));
    }
    for (size_t i = 0; i < ARRAY_LEN(shard_keys); i++) {
        store_word(w, store_key_shard(w->arena, s, self->acct.shard, shard_keys[i]));
    }
    store_word(w, store_key(w->arena, s, &self->acct, "mv"));
    store_word(w, store_key(w->arena, s, &self->acct, STORE_KIND_THREADS));
    for (size_t i = 0; i < self->box_count; i++) {
        uint32_t box = self->boxes[i].box;
        store_word(w, store_key_box(w->arena, s, &self->acct, STORE_KIND_INDEX, box));
        store_word(w, store_key_box(w->arena, s, &self->acct, STORE_KIND_SHADOW, box));
    }
    commit_threads_keys(&self->threads, s, w);
}

static void put_common(struct store_commit *self)
{
    struct store_words *w = &self->words;
    store_words_lease_args(w, self->base.store, self->acct.shard);
    store_word_c(w, self->acct.incarnation);
    store_word_c(w, self->acct.name);
    store_word(w, str_from(self->token, sizeof self->token));
    store_word_buf(w, &self->state_sealed);
    if (self->next_number != 0) {
        store_word_u64(w, self->next_number);
    } else {
        store_word_c(w, "");
    }
    store_word_u64(w, FEED_ENTRIES);
    store_word_u64(w, self->box_count);
}

/* Everything is known: the call is made up once. */
static void make_words(struct store_commit *self)
{
    struct err err = {0};
    size_t written = 0;
    store_words_init(&self->words, &self->base.op.arena);
    put_keys(self);
    put_common(self);
    for (size_t i = 0; i < self->box_count; i++) {
        if (!commit_box_words(&self->boxes[i], self->base.store, &self->acct,
                              &self->words, &written, &err)) {
            fail_err(self, &err);
            return;
        }
    }
    if (written > STORE_COMMIT_SEGMENTS) {
        err_set(&err, ERR_LIMIT, "commit: %zu segments to write", written);
        fail_err(self, &err);
        return;
    }
    store_words_append(&self->words, &self->tombstones);
    if (!commit_threads_words(&self->threads, self->base.store, &self->words, &err)) {
        fail_err(self, &err);
        return;
    }
    for (size_t i = 0; i < 3 * self->event_count; i++) {
        store_word(&self->words, self->events[i]);
    }
    send_words(self);
}

/* --- reading ----------------------------------------------------------------------- */

/* A null in the information removes the member. */
static bool merge_state(struct store_commit *self, json_t *record, struct err *err)
{
    if (self->state_info != NULL) {
        const char *key;
        json_t *value;
        json_object_foreach(self->state_info, key, value)
        {
            if (json_is_null(value)) {
                json_object_del(record, key);
            } else {
                json_object_set(record, key, value);
            }
        }
    }
    if (self->state != NULL) {
        json_object_set_new(record, "state", json_string(self->state));
    }
    struct store_place place = store_account_place(&self->acct, ACCOUNT_FIELD_STATE);
    return store_seal_json(self->base.store, &place, record, &self->state_sealed) ||
           err_set(err, ERR_LIMIT, "account: the state record is too large");
}

static bool take_state(struct store_commit *self, const struct redis_reply *reply,
                       struct err *err)
{
    json_t *record = NULL;
    if (reply->type == REDIS_STRING) {
        struct store_place place = store_account_place(&self->acct, ACCOUNT_FIELD_STATE);
        record = store_open_json(self->base.store, &place, reply->str, err);
        if (record == NULL) {
            return false;
        }
    }
    if (!json_is_object(record)) {
        json_decref(record);
        record = json_object();
    }
    bool ok = merge_state(self, record, err);
    json_decref(record);
    return ok;
}

static bool take_segments(struct store_commit *self, struct commit_box *b,
                          const struct redis_reply *reply, struct err *err)
{
    struct arena *arena = &self->base.op.arena;
    const struct msg_row **rows =
        ARENA_ARRAY(arena, const struct msg_row *, b->read_count);
    if (!store_segments_open(self->base.store, &self->acct, b->box, b->reads,
                             b->read_count, reply, arena, rows, err)) {
        return false;
    }
    for (size_t i = 0; i < b->read_count; i++) {
        b->rows[b->read_index[i]] = rows[i];
    }
    return true;
}

static void on_read(void *ctx, const struct store_reply *reply);

/* What the threads want to know depends on what they were told. */
static void read_on(struct store_commit *self)
{
    self->missing += commit_threads_ask(&self->threads, &self->base, on_read);
    if (self->missing == 0) {
        make_words(self);
    }
}

static void on_read(void *ctx, const struct store_reply *reply)
{
    struct store_commit *self = ctx;
    struct err err = {0};
    if (reply->err != NULL) {
        fail_err(self, reply->err);
        return;
    }
    bool ok = true;
    if (reply->tag == TAG_STATE) {
        ok = take_state(self, reply->value, &err);
    } else if (reply->tag >= COMMIT_THREADS_TAG) {
        commit_threads_take(&self->threads, self->base.store, reply->tag, reply->value);
    } else {
        ok = take_segments(self, &self->boxes[reply->tag], reply->value, &err);
    }
    if (!ok) {
        fail_err(self, &err);
    } else if (--self->missing == 0) {
        read_on(self);
    }
}

static void start_reading(struct store_commit *self)
{
    struct store *s = self->base.store;
    struct arena *arena = &self->base.op.arena;
    struct store_words w;
    for (size_t i = 0; i < self->box_count; i++) {
        const struct commit_box *b = &self->boxes[i];
        if (b->read_count > 0) {
            store_words_init(&w, arena);
            store_segments_words(&w, s, &self->acct, STORE_KIND_INDEX, b->box, b->reads,
                                 b->read_count);
            self->missing++;
            store_op_send(&self->base, &w, on_read, i);
        }
    }
    if (self->state != NULL || self->state_info != NULL) {
        store_words_init(&w, arena);
        store_word_c(&w, "HGET");
        store_word(&w, store_key(arena, s, &self->acct, "a"));
        store_word_c(&w, ACCOUNT_FIELD_STATE);
        self->missing++;
        store_op_send(&self->base, &w, on_read, TAG_STATE);
    }
    read_on(self);
}

/* --- starting ---------------------------------------------------------------------- */

static bool copy_changes(struct store_commit *self,
                         const struct store_commit_params *params, struct err *err)
{
    struct arena *arena = &self->base.op.arena;
    size_t reads = 0;
    self->box_count = params->change_count;
    self->boxes = ARENA_ARRAY(arena, struct commit_box, params->change_count);
    for (size_t i = 0; i < params->change_count; i++) {
        for (size_t k = 0; k < i; k++) {
            CHECK(self->boxes[k].box != params->changes[i].m->box);
        }
        if (!commit_box_init(&self->boxes[i], arena, &params->changes[i], err)) {
            return false;
        }
        reads += self->boxes[i].read_count;
    }
    return reads <= STORE_COMMIT_SEGMENTS ||
           err_set(err, ERR_LIMIT, "commit: %zu segments to read", reads);
}

static bool seal_events(struct store_commit *self,
                        const struct store_commit_params *params, struct err *err)
{
    if (params->event_count > STORE_COMMIT_EVENTS) {
        return err_set(err, ERR_LIMIT, "commit: %zu events", params->event_count);
    }
    struct arena *arena = &self->base.op.arena;
    struct buf sealed = BUF_INIT(2 * EVENT_DATA_MAX);
    bool ok = true;
    self->event_count = params->event_count;
    self->events = ARENA_ARRAY(arena, struct str, 3 * params->event_count);
    self->event_types = ARENA_ARRAY(arena, enum event_type, params->event_count);
    for (size_t i = 0; ok && i < params->event_count; i++) {
        const struct event *e = &params->events[i];
        CHECK(e->id[0] != '\0');
        buf_clear(&sealed);
        ok = store_event_seal(self->base.store, &self->acct, e, &sealed) ||
             err_set(err, ERR_LIMIT, "commit: an event of type %s is too large",
                     event_type_name(e->type));
        self->event_types[i] = e->type;
        self->events[3 * i] = str_of(event_type_name(e->type));
        self->events[3 * i + 1] = str_of(arena_strdup(arena, e->id));
        self->events[3 * i + 2] = arena_str(arena, buf_str(&sealed));
    }
    buf_fini(&sealed);
    return ok;
}

static bool seal_tombstones(struct store_commit *self,
                            const struct store_commit_params *params, struct err *err)
{
    struct store_words *w = &self->tombstones;
    bool ok = params->tombstone_count + params->tombstone_key_count <= TOMBSTONES_MAX;
    store_words_init(w, &self->base.op.arena);
    store_word_u64(w, params->tombstone_key_count);
    for (size_t i = 0; ok && i < params->tombstone_key_count; i++) {
        store_word_u64(w, params->tombstone_keys[i]);
    }
    store_word_u64(w, params->tombstone_count);
    for (size_t i = 0; ok && i < params->tombstone_count; i++) {
        store_word_u64(w, params->tombstones[i].key);
        ok = store_tombstone_word(w, self->base.store, &self->acct,
                                  &params->tombstones[i]);
    }
    store_word_u64(w, (uint64_t)params->tombstones_ttl_ms);
    return ok || err_set(err, ERR_LIMIT, "commit: tombstones do not fit");
}

static bool shares_box(const struct store_commit *a, const struct store_commit *b)
{
    for (size_t i = 0; i < a->box_count; i++) {
        for (size_t k = 0; k < b->box_count; k++) {
            if (a->boxes[i].box == b->boxes[k].box) {
                return true;
            }
        }
    }
    return false;
}

/* A second commit of one mailbox would build on what is not stored yet. */
static bool queue_up(struct store_commit *self, struct store_commit *running,
                     struct err *err)
{
    bool shared = shares_box(self, running);
    list_foreach (node, &running->queue) {
        shared =
            shared || shares_box(self, container_of(node, struct store_commit, turn));
    }
    if (shared) {
        return err_set(err, ERR_STALE, "the mailbox is being committed");
    }
    list_append(&running->queue, &self->turn);
    return true;
}

static void take_turn(struct store_commit *self)
{
    struct store *s = self->base.store;
    struct str name = str_of(self->acct.name);
    struct store_commit *running = map_get(s->committing, name);
    struct err err = {0};
    if (running == NULL) {
        map_put(s->committing, name, self);
        start_reading(self);
    } else if (!queue_up(self, running, &err)) {
        fail_err(self, &err);
    }
}

struct store_commit *store_commit_start(struct store *s,
                                        const struct store_commit_params *params,
                                        store_commit_cb *cb, void *ctx)
{
    struct store_commit *self = store_op_new(s, &commit_type, STORE_COMMIT_DEADLINE_MS);
    struct arena *arena = &self->base.op.arena;
    self->acct = store_acct_copy(arena, params->acct);
    self->map_changes = params->thread_count > 0 ? params->map_changes : NULL;
    count_map_change(self);
    self->next_number = params->next_number;
    self->state = arena_strdup(arena, params->state);
    self->state_info = json_deep_copy(params->state_info);
    self->cb = cb;
    self->ctx = ctx;
    buf_init(&self->state_sealed, STORE_VALUE_MAX);
    rand_bytes(self->token, sizeof self->token);
    list_init(&self->turn);
    list_init(&self->queue);
    if (op_is_running(&self->base.op)) {
        struct err err = {0};
        if (copy_changes(self, params, &err) && seal_events(self, params, &err) &&
            seal_tombstones(self, params, &err) &&
            commit_threads_init(&self->threads, arena, &self->acct, params, &err)) {
            take_turn(self);
        } else {
            fail_err(self, &err);
        }
    }
    for (size_t i = 0; i < params->event_count; i++) {
        event_fini(&params->events[i]);
    }
    return self;
}
