/* Threads of servers that tell none: gathers what older messages say of them, when nothing
 * else is to be done; and puts ids of threads into what is shown.
 *
 *   settled ─► [wait] ─► next mailbox ─► its progress ─► [work connection, bulk] ─► some
 *                 ▲                                                     hundred messages
 *                 └─────────────────────────────────────────────────────────────┘ */
#include "account_priv.h"

#include "postrider/base/log.h"
#include "postrider/base/mem.h"
#include "postrider/json/json.h"
#include "postrider/sync/sync_thread.h"

enum {
    BEGIN_MS = 5000,  /* after the account is in sync */
    TURN_MS = 1000,   /* before another look whether others are done */
    PAUSE_MS = 20,    /* between two parts */
    FAILED_MS = 60000 /* after a failure */
};

bool account_keeps_threads(const struct account *a)
{
    return a->as->config.threads && !a->fast;
}

bool account_has_threads(const struct account *a)
{
    return account_keeps_threads(a) && a->watch.conn != NULL &&
           !sync_thread_is_told(a->watch.conn);
}

/* --- older messages ---------------------------------------------------------------- */

static bool is_done(const struct account_threads *t, const struct mailbox *m)
{
    for (size_t i = 0; i < t->done_count; i++) {
        if (t->done[i].box == m->box && t->done[i].epoch == m->epoch) {
            return true;
        }
    }
    return false;
}

static void note_done(struct account_threads *t, const struct mailbox *m)
{
    if (t->done_count == t->done_cap) {
        t->done_cap = t->done_cap > 0 ? t->done_cap * 2 : 16;
        t->done = mem_realloc(t->done, t->done_cap * sizeof *t->done);
    }
    t->done[t->done_count].box = m->box;
    t->done[t->done_count++].epoch = m->epoch;
}

static bool is_rest(const struct account *a, const struct mailbox *m)
{
    return account_syncs(a, m) && m->phase == MAILBOX_PHASE_LIVE && m->rebuild == 0 &&
           m->count > 0 && !sync_is_parked(m) && !is_done(&a->threads, m);
}

static void on_wait(struct timer *t);

static void wait_ms(struct account *a, int64_t ms)
{
    timer_set(a->as->loop, &a->threads.wait, ms, on_wait);
}

static void part_ended(struct account *a, bool broken, const struct err *cause)
{
    const struct err why = *cause; /* may lie in the work that ends here */
    const struct err *err = &why;
    account_work_end(&a->threads.work, broken);
    a->threads.box = 0;
    a->as->thread_parts--;
    if (err->code != ERR_OK) {
        log_at(LOG_DEBUG, "account", "threads are not complete yet",
               LOG_S("account", a->acct.name), LOG_ERR_FIELDS(err));
    }
    if (a->phase == ACCOUNT_PHASE_ONLINE) {
        wait_ms(a, err->code == ERR_OK ? PAUSE_MS : FAILED_MS);
    }
}

static void on_part(struct sync_threads *op ATTR_UNUSED, const struct err *err,
                    uint32_t low_uid, void *ctx)
{
    struct account *a = ctx;
    const struct mailbox *m = mailbox_table_by_box(&a->table, a->threads.box);
    a->threads.op = NULL;
    if (err->code == ERR_OK && low_uid == 1 && m != NULL) {
        note_done(&a->threads, m);
    }
    /* A command that was cut off still answers. */
    part_ended(a, err->code == ERR_CANCELED || err->code == ERR_TIMEOUT, err);
}

static void on_work(struct account_work *w ATTR_UNUSED, const struct err *err,
                    struct imap_conn *conn, void *ctx)
{
    struct account *a = ctx;
    if (err->code != ERR_OK) {
        part_ended(a, false, err);
        return;
    }
    struct sync_ctx sc = account_sync_ctx(a);
    a->threads.op =
        sync_threads_start(conn, &sc, a->threads.box, a->threads.low_uid, on_part, a);
}

static void on_low(struct store_thread_low *op ATTR_UNUSED, const struct err *err,
                   uint32_t low_uid, void *ctx)
{
    struct account *a = ctx;
    struct account_threads *t = &a->threads;
    const struct mailbox *m = mailbox_table_by_box(&a->table, t->box);
    t->asking = NULL;
    if (err->code != ERR_OK || m == NULL || low_uid == 1) {
        if (err->code == ERR_OK && m != NULL) {
            note_done(t, m);
        }
        part_ended(a, false, err);
        return;
    }
    t->low_uid = low_uid;
    t->work = account_work_start(a, ACCOUNT_LANE_BULK, t->box, FAILED_MS, on_work, a);
}

/* Whatever else there is to do goes first; who did it runs this again. */
static bool may_begin(const struct account *a)
{
    return a->phase == ACCOUNT_PHASE_ONLINE && a->settled && a->pending.count == 0 &&
           a->sync_work == NULL && a->threads.box == 0 && account_has_threads(a) &&
           !account_walk_is_full(a);
}

/* A few accounts at a time, as first indexes: each needs a connection more. Who has begun
 * comes back soonest, so it goes on until its messages are done. */
static void on_wait(struct timer *timer)
{
    struct account *a = container_of(timer, struct account, threads.wait);
    if (may_begin(a) && a->as->thread_parts >= a->as->config.walk_concurrency) {
        wait_ms(a, TURN_MS);
        return;
    }
    for (size_t i = 0; i < a->table.count && may_begin(a); i++) {
        if (is_rest(a, a->table.items[i])) {
            a->threads.box = a->table.items[i]->box;
            a->as->thread_parts++;
            a->threads.asking =
                store_thread_low_start(a->as->store, &a->acct, a->threads.box, on_low, a);
        }
    }
}

void account_threads_run(struct account *a)
{
    if (!timer_is_set(&a->threads.wait) && may_begin(a)) {
        wait_ms(a, BEGIN_MS);
    }
}

void account_threads_end(struct account *a)
{
    timer_stop(&a->threads.wait);
    store_thread_low_cancel(a->threads.asking);
    sync_threads_cancel(a->threads.op);
}

bool account_threads_is_quiet(const struct account *a)
{
    return a->threads.box == 0;
}

void account_threads_fini(struct account *a)
{
    timer_stop(&a->threads.wait);
    mem_free(a->threads.done);
}

/* --- what is shown ----------------------------------------------------------------- */

static uint64_t own_hash(struct account *a, struct str id, uint32_t number, uint32_t uid)
{
    struct store *s = a->as->store;
    uint64_t own = sync_thread_hash(s, &a->acct, id);
    return own != 0 ? own : store_thread_hash_uid(s, &a->acct, number, uid);
}

struct thread_query account_thread_query(struct account *a, const struct mailbox *m,
                                         const struct imap_row *row, struct arena *arena)
{
    const struct imap_envelope none = {0},
                               *e = row->envelope != NULL ? row->envelope : &none;
    return (struct thread_query){.own = own_hash(a, e->message_id, m->number, row->uid),
                                 .parent = sync_thread_id(arena, e->in_reply_to)};
}

bool account_thread_query_json(struct account *a, const json_t *message,
                               struct arena *arena, struct thread_query *out)
{
    uint32_t number, uid;
    struct str id = json_get_str(message, "id");
    if (json_object_get(message, "threadId") != NULL || id.ptr == NULL ||
        !message_id_parse(id, &number, &uid)) {
        return false;
    }
    out->own = own_hash(a, json_get_str(message, "messageId"), number, uid);
    out->parent = sync_thread_id(arena, json_get_str(message, "inReplyTo"));
    return true;
}

struct store_threads *account_threads_begin(struct account *a, size_t expected,
                                            store_threads_cb *cb, void *ctx)
{
    return account_keeps_threads(a)
               ? store_threads_begin(a->as->store, &a->acct, expected,
                                     &a->threads.map_changes, cb, ctx)
               : NULL;
}

struct store_threads *account_threads_ask(struct account *a,
                                          const struct thread_query *queries,
                                          size_t count, store_threads_cb *cb, void *ctx)
{
    count = count < THREAD_QUERIES_MAX ? count : THREAD_QUERIES_MAX;
    if (count == 0 || !account_keeps_threads(a)) {
        return NULL;
    }
    return store_threads_start(a->as->store, &a->acct, queries, count, cb, ctx);
}

void account_thread_put(json_t *message, const uint64_t *threads, size_t count)
{
    char text[THREAD_ID_SIZE];
    if (count > 0) {
        thread_id_format(threads[0], text);
        json_put_cstr(message, "threadId", text);
    }
}
