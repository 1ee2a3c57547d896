/* Threads: those of a mailbox, newest first, and the messages of one.
 *
 *   all ─┬─ the index knows them: rows of every mailbox ───────┐
 *        └─ the server tells: FETCH of the newest ones ────────┴─► threads ─► page ─► rows
 *   one ─┬─ the index knows it: its messages ─► rows
 *        └─ the server tells: search for its id everywhere */
#include "account_page.h"
#include "account_pick.h"

#include "postrider/account/account_search.h"
#include "postrider/base/map.h"
#include "postrider/base/mem.h"
#include "postrider/sync/sync_thread.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    TOLD_ROWS_MAX = 20 * 1000, /* looked at where the server tells threads */
    THREAD_PATHS_MAX = 20
};

/* One thread: a run of the messages, sorted by thread. */
struct thread_run {
    size_t from, to;
    uint32_t newest; /* UID in the mailbox of the list */
};

struct threading {
    struct account_page page;
    uint32_t box, number; /* the mailbox of the list */
    struct thread_message *messages;
    size_t count;
    struct map
        *named;   /* ids that the server told → their number; NULL: ids of the index */
    char **names; /* by number, from 1 */
    struct thread_run *runs;
    size_t run_count;
    struct page_cut cut;
    struct picks picks;
};

static void threading_fini(struct account_call *c)
{
    struct threading *t = c->detail;
    mem_free(t->messages);
    mem_free(t->runs);
    map_free(&t->named);
    picks_fini(&t->picks);
}

/* --- threads of the messages --- */

static int by_thread(const void *va, const void *vb)
{
    const struct thread_message *a = va, *b = vb;
    if (a->thread != b->thread) {
        return a->thread < b->thread ? -1 : 1;
    }
    if (a->box != b->box) {
        return a->box < b->box ? -1 : 1;
    }
    return a->uid == b->uid ? 0 : a->uid < b->uid ? -1 : 1;
}

static int by_newest(const void *va, const void *vb)
{
    const struct thread_run *a = va, *b = vb;
    return a->newest == b->newest ? 0 : a->newest > b->newest ? -1 : 1;
}

/* Those with a message in the mailbox of the list. */
static void make_runs(struct threading *t)
{
    t->runs = mem_array(t->count + 1, sizeof *t->runs);
    for (size_t at = 0; at < t->count;) {
        struct thread_run run = {.from = at};
        for (; at < t->count && t->messages[at].thread == t->messages[run.from].thread;
             at++) {
            if (t->messages[at].box == t->box && t->messages[at].uid > run.newest) {
                run.newest = t->messages[at].uid;
            }
        }
        run.to = at;
        if (run.newest != 0) {
            t->runs[t->run_count++] = run;
        }
    }
    qsort(t->runs, t->run_count, sizeof *t->runs, by_newest);
}

static json_t *paths_json(const struct account *a, const struct threading *t,
                          const struct thread_run *run)
{
    json_t *out = json_array();
    for (size_t i = run->from; i < run->to && json_array_size(out) < THREAD_PATHS_MAX;
         i++) {
        bool first = i == run->from || t->messages[i - 1].box != t->messages[i].box;
        const struct mailbox *m =
            first ? mailbox_table_by_box(&a->table, t->messages[i].box) : NULL;
        if (m != NULL) {
            json_array_append_new(out, json_string(m->path));
        }
    }
    return out;
}

static json_t *run_json(const struct account *a, const struct threading *t,
                        const struct thread_run *run, json_t *newest)
{
    char id[THREAD_ID_SIZE];
    json_t *out = json_object();
    uint64_t thread = t->messages[run->from].thread;
    if (t->named == NULL) {
        thread_id_format(thread, id);
    }
    json_put_str(out, "id", str_of(t->named != NULL ? t->names[thread] : id));
    json_put_int(out, "count", (int64_t)(run->to - run->from));
    json_object_set_new(out, "paths", paths_json(a, t, run));
    json_object_set(out, "newest", newest);
    return out;
}

static void answer_list(struct account_call *c)
{
    struct threading *t = c->detail;
    json_t *out = json_object(), *threads = json_array();
    const struct thread_run *runs = t->runs + t->cut.first;
    struct account_place first = {.number = t->number}, last = {.number = t->number};
    bool any = t->picks.count > 0;
    if (any) {
        first.uid = runs[0].newest;
        last.uid = runs[t->picks.count - 1].newest;
    }
    const struct page_shown shown = {.page = t->page,
                                     .cut = t->cut,
                                     .total = t->run_count,
                                     .reachable = t->run_count,
                                     .first = any ? &first : NULL,
                                     .last = any ? &last : NULL};
    page_put(out, &shown);
    for (size_t i = 0; i < t->picks.count; i++) {
        if (t->picks.rows[i] != NULL) {
            json_array_append_new(threads, run_json(c->a, t, &runs[i], t->picks.rows[i]));
        }
    }
    json_object_set_new(out, "threads", threads);
    call_complete(c, out);
}

static void show_list(struct account_call *c)
{
    struct threading *t = c->detail;
    uint64_t newer = 0, same;
    if (t->count > 1) {
        qsort(t->messages, t->count, sizeof *t->messages, by_thread);
    }
    make_runs(t);
    while (newer < t->run_count && t->runs[newer].newest > t->page.place.uid) {
        newer++;
    }
    same = newer < t->run_count && t->runs[newer].newest == t->page.place.uid;
    t->cut = page_cut(&t->page, t->run_count, newer, same);
    picks_init(&t->picks, &c->op.arena, t->cut.count);
    for (size_t i = 0; i < t->cut.count; i++) {
        t->picks.items[i] = (struct pick){.box = t->box,
                                          .number = t->number,
                                          .uid = t->runs[t->cut.first + i].newest,
                                          .at = i};
    }
    picks_fetch(c, &t->picks, answer_list);
}

/* --- threads of the index --- */

static void on_rows(struct store_thread_list *op ATTR_UNUSED, const struct err *err,
                    const struct thread_message *messages, size_t count, void *ctx)
{
    struct account_call *c = ctx;
    struct threading *t = c->detail;
    c->thread_list = NULL;
    if (!call_goes_on(c, err)) {
        return;
    }
    t->messages = mem_array(count + 1, sizeof *t->messages);
    t->count = count;
    if (count > 0) {
        memcpy(t->messages, messages, count * sizeof *messages);
    }
    show_list(c);
}

/* `first` in front, since the rows looked at are bounded. */
static uint32_t *synced_boxes(struct account_call *c, uint32_t first, size_t *count_out)
{
    const struct mailbox_table *table = &c->a->table;
    uint32_t *boxes = ARENA_ARRAY(&c->op.arena, uint32_t, table->count + 1);
    size_t n = 0;
    if (first != 0) {
        boxes[n++] = first;
    }
    for (size_t i = 0; i < table->count; i++) {
        if (table->items[i]->box != first && account_indexes(c->a, table->items[i])) {
            boxes[n++] = table->items[i]->box;
        }
    }
    *count_out = n;
    return boxes;
}

/* --- threads that the server tells --- */

static void on_told_row(struct imap_fetch *op ATTR_UNUSED, const struct imap_row *row,
                        void *ctx)
{
    struct account_call *c = ctx;
    struct threading *t = c->detail;
    if (row->uid == 0 || row->thread_id.ptr == NULL || t->count == TOLD_ROWS_MAX) {
        return;
    }
    uintptr_t name = (uintptr_t)map_get(t->named, row->thread_id);
    if (name == 0) {
        name = map_count(t->named) + 1;
        t->names[name] =
            arena_strndup(&c->op.arena, row->thread_id.ptr, row->thread_id.len);
        map_put(t->named, row->thread_id, (void *)name);
    }
    t->messages[t->count++] =
        (struct thread_message){.box = t->box, .uid = row->uid, .thread = name};
}

static void on_told(struct imap_fetch *op ATTR_UNUSED, const struct err *err, void *ctx)
{
    struct account_call *c = ctx;
    c->fetch = NULL;
    if (call_goes_on_past_no(c, err)) {
        show_list(c);
    }
}

static void fetch_told(struct account_call *c)
{
    static const struct imap_fetch_events events = {.on_row = on_told_row,
                                                    .on_end = on_told};
    struct threading *t = c->detail;
    const struct imap_selected *selected = imap_conn_selected(c->conn);
    uint32_t exists = selected != NULL ? selected->exists : 0;
    char set[32];
    /* Perhaps not for the first time: the connection before this one may have ended. */
    mem_free(t->messages);
    map_free(&t->named);
    t->count = 0;
    t->messages = mem_array(TOLD_ROWS_MAX, sizeof *t->messages);
    t->names = ARENA_ARRAY(&c->op.arena, char *, TOLD_ROWS_MAX + 1);
    t->named = map_new(NULL);
    if (exists == 0) {
        show_list(c);
        return;
    }
    (void)snprintf(set, sizeof set, "%u:%u",
                   exists > TOLD_ROWS_MAX ? exists - TOLD_ROWS_MAX + 1 : 1, exists);
    const struct imap_fetch_params params = {.set = str_of(set),
                                             .items = IMAP_ITEM_UID | IMAP_ITEM_THREADID |
                                                      IMAP_ITEM_GM_THRID};
    c->fetch = imap_fetch_start(c->conn, &params, CALL_COMMAND_MS, &events, c);
}

/* --- one thread --- */

struct thread_getting {
    char *id;
    struct picks picks;
};

static void thread_getting_fini(struct account_call *c)
{
    struct thread_getting *g = c->detail;
    picks_fini(&g->picks);
}

static int by_date(const void *va, const void *vb)
{
    json_t *const *a = va, *const *b = vb;
    struct str x = json_get_str(*a, "date"), y = json_get_str(*b, "date");
    int order = str_cmp(x.ptr != NULL ? x : STR(""), y.ptr != NULL ? y : STR(""));
    int64_t ua = json_get_int(*a, "uid", 0), ub = json_get_int(*b, "uid", 0);
    return order != 0 ? order : ua == ub ? 0 : ua < ub ? -1 : 1;
}

/* Rows that are NULL went meanwhile. */
static void answer_thread(struct account_call *c, json_t *const *rows, size_t count)
{
    struct thread_getting *g = c->detail;
    json_t **sorted = ARENA_ARRAY(&c->op.arena, json_t *, count), *out, *messages;
    size_t n = 0;
    for (size_t i = 0; i < count; i++) {
        sorted[n] = rows[i];
        n += rows[i] != NULL ? 1 : 0;
    }
    if (n == 0) {
        call_fail(c, ERR_NOT_FOUND, "Requested thread was not found");
        return;
    }
    qsort(sorted, n, sizeof *sorted, by_date);
    out = json_object();
    messages = json_array();
    for (size_t i = 0; i < n; i++) {
        json_array_append(messages, sorted[i]);
    }
    json_put_str(out, "id", str_of(g->id));
    json_put_int(out, "total", (int64_t)n);
    json_object_set_new(out, "messages", messages);
    call_complete(c, out);
}

static void answer_picks(struct account_call *c)
{
    const struct thread_getting *g = c->detail;
    answer_thread(c, g->picks.rows, g->picks.count);
}

static void on_thread(struct store_thread_list *op ATTR_UNUSED, const struct err *err,
                      const struct thread_message *messages, size_t count, void *ctx)
{
    struct account_call *c = ctx;
    struct thread_getting *g = c->detail;
    c->thread_list = NULL;
    if (!call_goes_on(c, err)) {
        return;
    }
    picks_init(&g->picks, &c->op.arena, count);
    for (size_t i = 0; i < count; i++) {
        const struct mailbox *m = mailbox_table_by_box(&c->a->table, messages[i].box);
        g->picks.items[i] = (struct pick){.box = messages[i].box,
                                          .number = m != NULL ? m->number : 0,
                                          .uid = messages[i].uid,
                                          .at = i};
    }
    picks_fetch(c, &g->picks, answer_picks);
}

static void on_searched(struct account_call *sub ATTR_UNUSED, const struct err *err,
                        json_t *result, void *ctx)
{
    struct account_call *c = ctx;
    c->sub = NULL;
    if (!call_goes_on(c, err)) {
        return;
    }
    const json_t *found = json_object_get(result, "messages");
    size_t count = json_array_size(found);
    json_t **rows = ARENA_ARRAY(&c->op.arena, json_t *, count);
    for (size_t i = 0; i < count; i++) {
        rows[i] = json_array_get(found, i);
    }
    answer_thread(c, rows, count);
}

/* False: the call has failed. */
static bool check_online(struct account_call *c)
{
    if (c->a->watch.conn == NULL || c->a->table.count == 0) {
        call_fail(c, ERR_UNAVAILABLE, "account is %s%s%s", c->a->state,
                  account_last_err(c->a)->code != ERR_OK ? ": " : "",
                  account_last_err(c->a)->msg);
        return false;
    }
    return true;
}

/* Who knows the threads: false: neither the index nor the server, and the call has failed. */
static bool check_known(struct account_call *c)
{
    if (!account_has_threads(c->a) && !sync_thread_is_told(c->a->watch.conn)) {
        call_fail(c, ERR_UNSUPPORTED,
                  "threads are switched off, or the account is indexed fast");
        return false;
    }
    return true;
}

static void search_thread(struct account_call *c, int64_t deadline_ms)
{
    const struct thread_getting *g = c->detail;
    json_t *paths = json_pack("[s]", "*");
    json_t *search = json_object();
    json_put_str(search, "threadId", str_of(g->id));
    const struct account_search_params params = {
        .paths = paths, .search = search, .page = {.size = ACCOUNT_PAGE_MAX}};
    c->sub = account_search_start(c->a, &params, deadline_ms, on_searched, c);
    json_decref(paths);
    json_decref(search);
}

struct account_call *account_thread_get_start(struct account *a, struct str thread,
                                              int64_t deadline_ms, account_call_cb *cb,
                                              void *ctx)
{
    struct account_call *c = call_new(a, "get thread", deadline_ms, cb, ctx);
    struct thread_getting *g = ARENA_NEW(&c->op.arena, struct thread_getting);
    uint64_t id = 0;
    size_t count;
    c->detail = g;
    c->fini = thread_getting_fini;
    c->reads = true;
    g->id = arena_strndup(&c->op.arena, thread.ptr, thread.len);
    if (!check_online(c) || !check_known(c)) {
        return c;
    }
    if (!account_has_threads(a)) {
        search_thread(c, deadline_ms);
    } else if (thread_id_parse(thread, &id)) {
        const uint32_t *boxes = synced_boxes(c, 0, &count);
        c->thread_list = store_thread_list_start(a->as->store, &a->acct, id, boxes, count,
                                                 ACCOUNT_THREAD_MAX, on_thread, c);
    } else {
        answer_thread(c, NULL, 0);
    }
    return c;
}

/* --- the list --- */

static struct mailbox *list_mailbox(struct account *a, struct str path)
{
    struct mailbox *all = mailbox_table_all(&a->table);
    if (path.ptr != NULL) {
        return account_mailbox_by_path(a, path);
    }
    return all != NULL ? all : account_main(a);
}

struct account_call *
account_threads_list_start(struct account *a, const struct account_threads_params *params,
                           int64_t deadline_ms, account_call_cb *cb, void *ctx)
{
    struct account_call *c = call_new(a, "list threads", deadline_ms, cb, ctx);
    struct threading *t = ARENA_NEW(&c->op.arena, struct threading);
    struct mailbox *m = list_mailbox(a, params->path);
    size_t count;
    c->detail = t;
    c->fini = threading_fini;
    c->reads = true;
    t->page = params->page;
    if (!check_online(c) || !check_known(c)) {
        return c;
    }
    if (m == NULL) {
        call_fail(c, ERR_NO_MAILBOX, "Unknown path");
        return c;
    }
    t->box = m->box;
    t->number = m->number;
    if (account_has_threads(a)) {
        const uint32_t *boxes = synced_boxes(c, m->box, &count);
        c->thread_list = store_thread_list_all_start(a->as->store, &a->acct, boxes, count,
                                                     ACCOUNT_THREAD_ROWS, on_rows, c);
    } else {
        call_borrow_box(c, m->box, fetch_told, NULL);
    }
    return c;
}
