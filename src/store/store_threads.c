/* Reading threads: those of some messages, the progress of a mailbox, the messages of a
 * thread.
 *
 *   store_threads       record ─► buckets that the queries lead to, until all are known and
 *                       none is wanted; queries may come while answers are under way
 *   store_thread_low    directory of the rows of one mailbox
 *   store_thread_list   record ─► all buckets ─► mailbox by mailbox: directory ─► chunks
 *
 * Both read the record again when a bucket turns out to have been split since. */
#include "store_rows.h"
#include "thread_kept.h"
#include "thread_store.h"

#include "postrider/base/check.h"
#include "postrider/base/mem.h"

/* --- the threads of messages ------------------------------------------------------- */

enum {
    QUERIES_MIN = 16,
    RECORDS_MAX = 4,           /* read again: a commit split what was to be read */
    QUERIES_MS = 5 * 60 * 1000 /* for the next of the queries that are to come */
};

struct question {
    struct thread_query query;
    uint64_t parent; /* its hash; 0 = not asked for yet */
};

struct store_threads {
    struct store_op base;
    struct store_acct acct;
    struct question *questions;
    uint64_t *threads;
    size_t count, cap;
    size_t answered; /* all in front of it are */
    size_t expected;
    unsigned records;
    const uint64_t *map_changes; /* NULL: nobody counts them */
    uint64_t changes;            /* of them, when the record was read */
    bool has_record;
    bool asking; /* an answer is under way */
    bool ended;  /* no more queries */
    struct thread_map map;
    store_threads_cb *cb;
    void *ctx;
};

static void threads_done(struct op *op)
{
    struct store_threads *self = container_of(op, struct store_threads, base.op);
    bool ok = op->err.code == ERR_OK && self->map.stored > 0;
    self->cb(self, &op->err, ok ? self->threads : NULL, ok ? self->count : 0, self->ctx);
}

static const struct op_type threads_type = {"store threads", sizeof(struct store_threads),
                                            store_op_abort, threads_done, store_op_fini};

/* Before a message is in the map, the one it answers may be. */
static bool answer(struct store_threads *self, struct question *q, uint64_t *out)
{
    const struct thread_query *query = &q->query;
    if (!thread_map_find(&self->map, query->own, out)) {
        return false;
    }
    if (*out != query->own || query->parent.ptr == NULL) {
        return true;
    }
    if (q->parent == 0) {
        q->parent = thread_id_hash(self->base.store, &self->acct, query->parent);
    }
    return thread_map_find(&self->map, q->parent, out);
}

/* Whatever is not known yet is wanted then. */
static void answer_rest(struct store_threads *self)
{
    bool all = self->has_record;
    for (size_t i = self->answered; i < self->count && self->map.stored > 0; i++) {
        all = answer(self, &self->questions[i], &self->threads[i]) && all;
    }
    self->answered = all ? self->count : self->answered;
}

/* Most of so few buckets will be wanted. */
static bool is_few(uint32_t buckets, size_t expected)
{
    return buckets <= expected / 2;
}

static void want_expected(struct store_threads *self)
{
    bool few = is_few(self->map.stored, self->expected);
    for (uint32_t i = 0; few && i < self->map.stored; i++) {
        thread_map_want(&self->map, i);
    }
}

static void on_threads(void *ctx, const struct store_reply *reply);

static void threads_next(struct store_threads *self)
{
    struct store_words w;
    do {
        answer_rest(self);
    } while (thread_map_recall(self->base.store, &self->acct, self->changes, &self->map));
    bool more = !self->ended || self->answered < self->count;
    store_words_init(&w, &self->base.op.arena);
    if (more && !self->asking &&
        thread_map_words(&self->map, &w, self->base.store, &self->acct)) {
        self->asking = true;
        store_op_send(&self->base, &w, on_threads, 0);
    } else if (self->ended && !(more && self->asking)) {
        op_complete(&self->base.op);
    }
}

static void read_record(struct store_op *op, const struct store_acct *acct,
                        uint32_t buckets, store_reply_fn *fn)
{
    if (op_is_running(&op->op)) {
        struct store_words w;
        store_words_init(&w, &op->op.arena);
        thread_record_words(&w, op->store, acct, buckets);
        store_op_send(op, &w, fn, 0);
    }
}

static uint64_t changes_now(const struct store_threads *self)
{
    return self->map_changes != NULL ? *self->map_changes : 0;
}

static void begin(struct store_threads *self, uint32_t buckets)
{
    self->asking = true;
    self->has_record = false;
    self->answered = 0;
    self->records++;
    self->changes = changes_now(self);
    read_record(&self->base, &self->acct, buckets, on_threads);
}

/* Reads the map, or has what is kept of it. */
static void threads_begin(struct store_threads *self)
{
    struct store *s = self->base.store;
    self->changes = changes_now(self);
    self->has_record = thread_record_recall(s, &self->acct, self->changes, &self->map,
                                            &self->base.op.arena);
    if (self->has_record) {
        want_expected(self);
        threads_next(self);
    } else {
        uint32_t believed = thread_kept_buckets(s, &self->acct);
        begin(self, is_few(believed, self->expected) ? believed : 0);
    }
}

static void on_threads(void *ctx, const struct store_reply *reply)
{
    struct store_threads *self = ctx;
    self->asking = false;
    if (store_op_refused(&self->base, reply)) {
        return;
    }
    if (self->has_record) {
        thread_map_take(&self->map, self->base.store, &self->acct, reply->value);
    } else {
        thread_record_take(&self->map, &self->base.op.arena, self->base.store,
                           &self->acct, reply->value);
        self->has_record = true;
        want_expected(self);
    }
    if (self->map.outdated && self->records < RECORDS_MAX) {
        begin(self, 0);
        return;
    }
    if (self->changes == changes_now(self)) {
        thread_map_keep(self->base.store, &self->acct, self->changes, &self->map);
    }
    threads_next(self);
}

struct store_threads *store_threads_begin(struct store *s, const struct store_acct *a,
                                          size_t expected, const uint64_t *map_changes,
                                          store_threads_cb *cb, void *ctx)
{
    struct store_threads *self = store_op_new(s, &threads_type, QUERIES_MS);
    self->acct = store_acct_copy(&self->base.op.arena, a);
    self->expected = expected;
    self->map_changes = map_changes;
    self->cb = cb;
    self->ctx = ctx;
    if (op_is_running(&self->base.op)) {
        threads_begin(self);
    }
    return self;
}

static void questions_grow(struct store_threads *self)
{
    struct arena *arena = &self->base.op.arena;
    size_t cap = self->cap > 0 ? self->cap * 2 : QUERIES_MIN;
    struct question *questions = ARENA_ARRAY(arena, struct question, cap);
    uint64_t *threads = ARENA_ARRAY(arena, uint64_t, cap);
    for (size_t i = 0; i < self->count; i++) {
        questions[i] = self->questions[i];
        threads[i] = self->threads[i];
    }
    self->questions = questions;
    self->threads = threads;
    self->cap = cap;
}

bool store_threads_add(struct store_threads *self, const struct thread_query *query)
{
    CHECK(!self->ended);
    if (!op_is_running(&self->base.op) || self->count == THREAD_QUERIES_MAX) {
        return false;
    }
    if (self->count == self->cap) {
        questions_grow(self);
    }
    struct thread_query *copy = &self->questions[self->count++].query;
    copy->own = query->own;
    copy->parent = arena_str(&self->base.op.arena, query->parent);
    op_extend(&self->base.op, QUERIES_MS);
    if (self->has_record) {
        threads_next(self);
    }
    return true;
}

void store_threads_end(struct store_threads *self)
{
    if (op_is_running(&self->base.op)) {
        self->ended = true;
        op_extend(&self->base.op, STORE_DEADLINE_MS);
        threads_next(self);
    }
}

struct store_threads *store_threads_start(struct store *s, const struct store_acct *a,
                                          const struct thread_query *queries,
                                          size_t count, store_threads_cb *cb, void *ctx)
{
    CHECK(count <= THREAD_QUERIES_MAX);
    struct store_threads *self = store_threads_begin(s, a, 0, NULL, cb, ctx);
    for (size_t i = 0; i < count; i++) {
        (void)store_threads_add(self, &queries[i]);
    }
    store_threads_end(self);
    return self;
}

void store_threads_cancel(struct store_threads *op)
{
    if (op != NULL) {
        op_cancel(&op->base.op);
    }
}

/* --- the progress of a mailbox ----------------------------------------------------- */

struct store_thread_low {
    struct store_op base;
    struct store_acct acct;
    uint32_t box, low_uid;
    store_thread_low_cb *cb;
    void *ctx;
};

static void low_done(struct op *op)
{
    struct store_thread_low *self = container_of(op, struct store_thread_low, base.op);
    self->cb(self, &op->err, self->low_uid, self->ctx);
}

static const struct op_type low_type = {"store thread low",
                                        sizeof(struct store_thread_low), store_op_abort,
                                        low_done, store_op_fini};

static void on_low(void *ctx, const struct store_reply *reply)
{
    struct store_thread_low *self = ctx;
    struct thread_dir dir = {0};
    if (store_op_refused(&self->base, reply)) {
        return;
    }
    if (thread_dir_take(&self->base.op.arena, self->base.store, &self->acct, self->box,
                        reply->value, &dir)) {
        self->low_uid = dir.low_uid;
    }
    op_complete(&self->base.op);
}

struct store_thread_low *store_thread_low_start(struct store *s,
                                                const struct store_acct *a, uint32_t box,
                                                store_thread_low_cb *cb, void *ctx)
{
    struct store_thread_low *self = store_op_new(s, &low_type, STORE_DEADLINE_MS);
    self->acct = store_acct_copy(&self->base.op.arena, a);
    self->box = box;
    self->cb = cb;
    self->ctx = ctx;
    if (op_is_running(&self->base.op)) {
        struct store_words w;
        store_words_init(&w, &self->base.op.arena);
        thread_dir_words(&w, s, &self->acct, box);
        store_op_send(&self->base, &w, on_low, 0);
    }
    return self;
}

void store_thread_low_cancel(struct store_thread_low *op)
{
    if (op != NULL) {
        op_cancel(&op->base.op);
    }
}

/* --- the messages of a thread ------------------------------------------------------ */

enum {
    CHUNKS_ASKED = 64
};

struct store_thread_list {
    struct store_op base;
    struct store_acct acct;
    uint64_t thread;
    bool all; /* of all threads */
    uint32_t *boxes;
    size_t box_count, box_at;
    size_t max;
    unsigned records;
    enum {
        LIST_RECORD,
        LIST_BUCKETS,
        LIST_DIRECTORY,
        LIST_CHUNKS
    } state;
    struct thread_map map;
    struct thread_dir dir;
    size_t chunk_at, asked;
    struct arena rows; /* of one answer */
    struct thread_message *found;
    size_t found_count, found_cap;
    store_thread_list_cb *cb;
    void *ctx;
};

static void list_done(struct op *op)
{
    struct store_thread_list *self = container_of(op, struct store_thread_list, base.op);
    self->cb(self, &op->err, self->found, op->err.code == ERR_OK ? self->found_count : 0,
             self->ctx);
}

static void list_fini(struct op *op)
{
    struct store_thread_list *self = container_of(op, struct store_thread_list, base.op);
    arena_fini(&self->rows);
    mem_free(self->found);
    store_op_fini(op);
}

static const struct op_type list_type = {"store thread list",
                                         sizeof(struct store_thread_list), store_op_abort,
                                         list_done, list_fini};

static void on_list(void *ctx, const struct store_reply *reply);

static void list_begin(struct store_thread_list *self)
{
    self->state = LIST_RECORD;
    self->records++;
    read_record(&self->base, &self->acct, 0, on_list);
}

/* Sends what comes next; completes if nothing does. */
static void list_next(struct store_thread_list *self)
{
    struct store *s = self->base.store;
    struct store_words w;
    store_words_init(&w, &self->base.op.arena);
    op_extend(&self->base.op, STORE_DEADLINE_MS);
    if (self->state == LIST_BUCKETS &&
        !thread_map_words(&self->map, &w, s, &self->acct)) {
        self->state = LIST_DIRECTORY;
    }
    if (self->state == LIST_CHUNKS && self->chunk_at == self->dir.count) {
        self->state = LIST_DIRECTORY;
        self->box_at++;
    }
    bool ended = self->box_at == self->box_count || self->found_count == self->max ||
                 self->map.stored == 0;
    if (self->state >= LIST_DIRECTORY && ended) {
        op_complete(&self->base.op);
        return;
    }
    if (self->state == LIST_DIRECTORY) {
        thread_dir_words(&w, s, &self->acct, self->boxes[self->box_at]);
    } else if (self->state == LIST_CHUNKS) {
        size_t rest = self->dir.count - self->chunk_at;
        self->asked = rest < CHUNKS_ASKED ? rest : CHUNKS_ASKED;
        store_segments_words(&w, s, &self->acct, STORE_KIND_THREAD_ROWS,
                             self->boxes[self->box_at], self->dir.chunks + self->chunk_at,
                             self->asked);
    }
    store_op_send(&self->base, &w, on_list, 0);
}

static void take_message(struct store_thread_list *self, uint32_t uid, uint64_t thread)
{
    if (self->found_count == self->found_cap) {
        self->found_cap = self->found_cap > 0 ? 2 * self->found_cap : 64;
        self->found = mem_realloc(self->found, self->found_cap * sizeof self->found[0]);
    }
    self->found[self->found_count++] = (struct thread_message){
        .box = self->boxes[self->box_at], .uid = uid, .thread = thread};
}

/* Rows say the thread as it was; what was joined since is in the map. */
static void take_matches(struct store_thread_list *self, const struct msg_row *rows,
                         size_t count)
{
    uint64_t thread;
    for (size_t i = 0; i < count && self->found_count < self->max; i++) {
        if (thread_map_find(&self->map, rows[i].modseq, &thread) &&
            (self->all || thread == self->thread)) {
            take_message(self, rows[i].uid, thread);
        }
    }
}

static void take_chunks(struct store_thread_list *self, const struct redis_reply *reply)
{
    for (size_t i = 0; i < self->asked; i++) {
        const struct segment_entry *chunk = &self->dir.chunks[self->chunk_at++];
        const struct msg_row *rows;
        if (reply->type == REDIS_ARRAY && i < reply->count &&
            thread_rows_take(&self->rows, self->base.store, &self->acct,
                             self->boxes[self->box_at], chunk, &reply->items[i], &rows)) {
            take_matches(self, rows, chunk->count);
        }
        arena_reset(&self->rows);
    }
}

static void on_list(void *ctx, const struct store_reply *reply)
{
    struct store_thread_list *self = ctx;
    struct store *s = self->base.store;
    struct arena *arena = &self->base.op.arena;
    if (store_op_refused(&self->base, reply)) {
        return;
    }
    switch (self->state) {
    case LIST_RECORD:
        thread_record_take(&self->map, arena, s, &self->acct, reply->value);
        for (uint32_t i = 0; i < self->map.stored; i++) {
            thread_map_want(&self->map, i);
        }
        self->state = LIST_BUCKETS;
        break;
    case LIST_BUCKETS:
        thread_map_take(&self->map, s, &self->acct, reply->value);
        if (self->map.outdated && self->records < RECORDS_MAX) {
            list_begin(self);
            return;
        }
        break;
    case LIST_DIRECTORY:
        self->chunk_at = 0;
        self->dir.count = 0;
        (void)thread_dir_take(arena, s, &self->acct, self->boxes[self->box_at],
                              reply->value, &self->dir);
        self->state = LIST_CHUNKS;
        break;
    case LIST_CHUNKS:
        take_chunks(self, reply->value);
        break;
    }
    list_next(self);
}

struct store_thread_list *store_thread_list_start(struct store *s,
                                                  const struct store_acct *a,
                                                  uint64_t thread, const uint32_t *boxes,
                                                  size_t box_count, size_t max,
                                                  store_thread_list_cb *cb, void *ctx)
{
    struct store_thread_list *self = store_op_new(s, &list_type, STORE_DEADLINE_MS);
    struct arena *arena = &self->base.op.arena;
    self->acct = store_acct_copy(arena, a);
    self->thread = thread;
    self->boxes =
        box_count > 0 ? arena_memdup(arena, boxes, box_count * sizeof *boxes) : NULL;
    self->box_count = box_count;
    self->max = max;
    self->cb = cb;
    self->ctx = ctx;
    list_begin(self);
    return self;
}

struct store_thread_list *store_thread_list_all_start(struct store *s,
                                                      const struct store_acct *a,
                                                      const uint32_t *boxes,
                                                      size_t box_count, size_t max,
                                                      store_thread_list_cb *cb, void *ctx)
{
    struct store_thread_list *self =
        store_thread_list_start(s, a, 0, boxes, box_count, max, cb, ctx);
    self->all = true;
    return self;
}

void store_thread_list_cancel(struct store_thread_list *op)
{
    if (op != NULL) {
        op_cancel(&op->base.op);
    }
}
