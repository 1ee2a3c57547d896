/* Searching one mailbox or several.
 *
 *   [own threads: their messages] ─► each mailbox: SEARCH ─┬─ the only one ──► page of UIDs
 *                                         ▲                └─ dates of what was found ─┐
 *                                         └────────────────────────────────────────────┘
 *                                    all ─► in order ─► page ─► rows ─► answer */
#include "account_page.h"
#include "account_pick.h"
#include "account_search_keys.h"

#include "postrider/account/account_search.h"
#include "postrider/base/clock.h"
#include "postrider/base/mem.h"
#include "postrider/json/json_out.h"
#include "postrider/sync/sync_thread.h"

#include <stdlib.h>

enum {
    DATES_TEXT_MAX = 2 * 1024 * 1024
};

struct searched_box {
    uint32_t box;
    struct imap_set thread; /* UIDs of the thread asked for */
};

struct searching {
    json_t *search, *unsearched, *exposed;
    struct account_page page;
    bool expose, plain; /* plain: the server wants no charset */
    bool own_thread;    /* a thread that only the index knows */
    struct searched_box *boxes;
    size_t count, at;
    uint32_t number; /* of the mailbox at hand */
    /* of several mailboxes */
    struct account_place *found;
    size_t found_count, found_cap, pool;
    uint64_t total;
    size_t begin_count, begin_pool; /* when the mailbox at hand was begun */
    uint64_t begin_total;
    struct page_cut cut;
    struct account_place first, last;
    struct picks picks;
};

static void search_fini(struct account_call *c)
{
    struct searching *s = c->detail;
    json_decref(s->search);
    json_decref(s->unsearched);
    json_decref(s->exposed);
    mem_free(s->found);
}

/* --- the answer --- */

static void answer(struct account_call *c)
{
    const struct searching *s = c->detail;
    struct json_out *out = &(struct json_out){.text = &c->text};
    json_t *page = json_object(), *rest = json_object();
    bool any = s->picks.count > 0;
    const struct page_shown shown = {.page = s->page,
                                     .cut = s->cut,
                                     .total = s->total,
                                     .reachable =
                                         s->count > 1 ? s->found_count : s->total,
                                     .first = any ? &s->first : NULL,
                                     .last = any ? &s->last : NULL};
    page_put(page, &shown);
    json_out_open(out, NULL, '{');
    json_out_members(out, page);
    json_out_open(out, "messages", '[');
    for (size_t i = 0; i < s->picks.count; i++) {
        shown_row_put(out, &s->picks.rows[i]);
    }
    json_out_close(out, ']');
    if (json_array_size(s->unsearched) > 0) {
        json_object_set(rest, "unsearched", s->unsearched);
    }
    if (s->exposed != NULL) {
        json_object_set(rest, "documentStoreQuery", s->exposed);
    }
    json_out_members(out, rest);
    json_out_close(out, '}');
    json_decref(page);
    json_decref(rest);
    call_complete_text(c);
}

/* --- one mailbox: by UID --- */

static uint64_t count_above(const struct imap_set *set, uint32_t uid)
{
    uint64_t n = 0;
    for (size_t i = set->count; i > 0 && set->ranges[i - 1].hi > uid; i--) {
        uint32_t lo = set->ranges[i - 1].lo;
        n += set->ranges[i - 1].hi - (lo > uid ? lo - 1 : uid);
    }
    return n;
}

/* The UIDs of a normalized set, highest first, from the one at `first`. */
static void pick_uids(struct searching *s, const struct imap_set *set, uint32_t box)
{
    uint64_t skip = s->cut.first;
    size_t n = 0;
    for (size_t i = set->count; i > 0 && n < s->picks.count; i--) {
        uint64_t width = (uint64_t)set->ranges[i - 1].hi - set->ranges[i - 1].lo + 1;
        for (uint64_t k = skip; k < width && n < s->picks.count; k++, n++) {
            s->picks.items[n] = (struct pick){.box = box,
                                              .number = s->number,
                                              .uid = set->ranges[i - 1].hi - (uint32_t)k,
                                              .at = n};
        }
        skip = skip > width ? skip - width : 0;
    }
    s->first = (struct account_place){.number = s->number, .uid = s->picks.items[0].uid};
    s->last =
        (struct account_place){.number = s->number, .uid = s->picks.items[n - 1].uid};
}

static void show_only(struct account_call *c, const struct imap_set *set)
{
    struct searching *s = c->detail;
    uint32_t place = s->page.place.uid;
    s->total = imap_set_count(set);
    s->cut = page_cut(&s->page, s->total, count_above(set, place),
                      imap_set_contains(set, place) ? 1 : 0);
    picks_init(&s->picks, &c->op.arena, s->cut.count);
    if (s->cut.count == 0) {
        answer(c);
        return;
    }
    pick_uids(s, set, c->box);
    picks_fetch(c, &s->picks, answer);
}

/* --- several mailboxes: by date --- */

static int found_cmp(const void *a, const void *b)
{
    return place_cmp(a, b);
}

static uint32_t box_of(const struct account *a, uint32_t number)
{
    const struct mailbox *m = mailbox_table_by_number(&a->table, number);
    return m != NULL ? m->box : 0;
}

static void show_all(struct account_call *c)
{
    struct searching *s = c->detail;
    uint64_t newer = 0, same = 0;
    if (s->found_count > 1) {
        qsort(s->found, s->found_count, sizeof *s->found, found_cmp);
    }
    while (newer < s->found_count && place_cmp(&s->found[newer], &s->page.place) < 0) {
        newer++;
    }
    same = newer < s->found_count && place_cmp(&s->found[newer], &s->page.place) == 0;
    s->cut = page_cut(&s->page, s->found_count, newer, same);
    picks_init(&s->picks, &c->op.arena, s->cut.count);
    if (s->cut.count == 0) {
        answer(c);
        return;
    }
    const struct account_place *rows = s->found + s->cut.first;
    for (size_t i = 0; i < s->cut.count; i++) {
        s->picks.items[i] = (struct pick){.box = box_of(c->a, rows[i].number),
                                          .number = rows[i].number,
                                          .uid = rows[i].uid,
                                          .at = i};
    }
    s->first = rows[0];
    s->last = rows[s->cut.count - 1];
    picks_fetch(c, &s->picks, answer);
}

static void search_next(struct account_call *c);

static void on_date_row(struct imap_fetch *op ATTR_UNUSED, const struct imap_row *row,
                        void *ctx)
{
    struct account_call *c = ctx;
    struct searching *s = c->detail;
    if (s->found_count < s->found_cap && row->uid != 0 &&
        (row->has & IMAP_ITEM_INTERNALDATE) != 0) {
        s->found[s->found_count++] = (struct account_place){
            .date_ms = row->internaldate_ms, .number = s->number, .uid = row->uid};
    }
}

static void on_dates(struct imap_fetch *op ATTR_UNUSED, const struct err *err, void *ctx)
{
    struct account_call *c = ctx;
    struct searching *s = c->detail;
    c->fetch = NULL;
    if (!call_goes_on_past_no(c, err)) {
        return;
    }
    s->at++;
    search_next(c);
}

/* The highest `max` UIDs of the set. */
static struct imap_set newest(struct arena *arena, const struct imap_set *set,
                              uint64_t max)
{
    size_t from = set->count;
    uint64_t n = 0;
    while (from > 0 && n < max) {
        from--;
        n += (uint64_t)set->ranges[from].hi - set->ranges[from].lo + 1;
    }
    struct imap_set out = {.count = set->count - from};
    out.ranges =
        arena_memdup(arena, set->ranges + from, out.count * sizeof out.ranges[0]);
    out.ranges[0].lo += n > max ? (uint32_t)(n - max) : 0;
    return out;
}

/* How many of a mailbox: a share of its own, and what is left of the common half. */
static uint64_t take_share(struct searching *s, uint64_t wanted)
{
    uint64_t own = ACCOUNT_FOUND_MAX / 2 / s->count;
    uint64_t more = wanted > own ? wanted - own : 0;
    more = more < s->pool ? more : s->pool;
    s->pool -= more;
    return wanted < own ? wanted : own + more;
}

static void fetch_dates(struct account_call *c, const struct imap_set *set)
{
    static const struct imap_fetch_events events = {.on_row = on_date_row,
                                                    .on_end = on_dates};
    struct searching *s = c->detail;
    uint64_t count = imap_set_count(set), take = take_share(s, count);
    s->total += count;
    if (take == 0) {
        s->at++;
        search_next(c);
        return;
    }
    struct imap_set some = newest(&c->op.arena, set, take);
    struct buf text = BUF_INIT(DATES_TEXT_MAX);
    (void)imap_set_print(&text, &some, 0, DATES_TEXT_MAX - 64);
    s->found_cap = s->found_count + take;
    s->found = mem_realloc(s->found, s->found_cap * sizeof *s->found);
    const struct imap_fetch_params params = {.by_uid = true,
                                             .set = buf_str(&text),
                                             .items =
                                                 IMAP_ITEM_UID | IMAP_ITEM_INTERNALDATE};
    c->fetch = imap_fetch_start(c->conn, &params, CALL_COMMAND_MS, &events, c);
    buf_fini(&text);
}

/* --- SEARCH --- */

static void skip_mailbox(struct account_call *c)
{
    struct searching *s = c->detail;
    const struct mailbox *m = mailbox_table_by_box(&c->a->table, s->boxes[s->at++].box);
    if (s->unsearched == NULL) {
        s->unsearched = json_array();
    }
    if (m != NULL) {
        json_array_append_new(s->unsearched, json_string(m->path));
    }
    search_next(c);
}

/* One mailbox among several that refuses does not spoil the rest. */
static bool may_skip(const struct searching *s, const struct err *err)
{
    return s->count > 1 && (err->code == ERR_NO_MAILBOX || err->code == ERR_NO);
}

static bool on_refused(struct account_call *c, const struct err *err)
{
    if (!may_skip(c->detail, err)) {
        return false;
    }
    skip_mailbox(c);
    return true;
}

static void search_send(struct account_call *c);

/* RFC 9051 §7.1: NO with BADCHARSET; some servers do not know the word and say BAD. The
 * bytes may be understood even so. */
static bool wants_no_charset(struct searching *s, const struct err *err)
{
    bool charset = str_ieq_c(str_of(err->peer_code), "BADCHARSET") ||
                   err->code == ERR_BAD || err->code == ERR_NO;
    bool again = charset && !s->plain;
    s->plain = s->plain || charset;
    return again;
}

static void search_failed(struct account_call *c, const struct err *err, bool utf8)
{
    struct searching *s = c->detail;
    if (utf8 && wants_no_charset(s, err)) {
        search_send(c);
    } else if (may_skip(s, err)) {
        skip_mailbox(c);
    } else if (utf8 && (err->code == ERR_NO || err->code == ERR_BAD)) {
        call_fail(c, ERR_UNSUPPORTED, "the mail server searches for ASCII text only: %s",
                  err->msg);
    } else {
        call_fail_err(c, err);
    }
}

static void on_found(struct account_call *c, const struct err *err,
                     const struct imap_search_result *result, bool utf8)
{
    struct searching *s = c->detail;
    c->search = NULL;
    if (!op_is_running(&c->op)) {
        return;
    }
    if (err->code != ERR_OK) {
        search_failed(c, err, utf8);
    } else if (s->count > 1) {
        fetch_dates(c, &result->set);
    } else {
        show_only(c, &result->set);
    }
}

static void on_found_ascii(struct imap_search *op ATTR_UNUSED, const struct err *err,
                           const struct imap_search_result *result, void *ctx)
{
    on_found(ctx, err, result, false);
}

static void on_found_utf8(struct imap_search *op ATTR_UNUSED, const struct err *err,
                          const struct imap_search_result *result, void *ctx)
{
    on_found(ctx, err, result, true);
}

static void search_send(struct account_call *c)
{
    struct searching *s = c->detail;
    const struct mailbox *m = call_mailbox(c);
    struct imap_criteria keys;
    struct err err = {0};
    const struct search_keys_params how = {
        .search = s->search,
        .caps = imap_conn_caps(c->conn),
        .now_ms = clock_wall_ms(),
        .thread = s->own_thread ? &s->boxes[s->at].thread : NULL};
    if (m == NULL) {
        return;
    }
    s->found_count = s->begin_count;
    s->pool = s->begin_pool;
    s->total = s->begin_total;
    s->number = m->number;
    imap_criteria_init(&keys);
    if (search_keys_compile(&how, &keys, &err)) {
        const struct imap_search_params params = {.criteria = buf_str(&keys.text),
                                                  .utf8 = keys.utf8 && !s->plain,
                                                  .by_uid = true};
        if (s->expose && s->exposed == NULL) {
            s->exposed = json_pack("{s:o}", "imap", json_str_repaired(params.criteria));
        }
        c->search = imap_search_start(c->conn, &params, CALL_COMMAND_MS,
                                      keys.utf8 ? on_found_utf8 : on_found_ascii, c);
    } else {
        call_fail_err(c, &err);
    }
    imap_criteria_fini(&keys);
}

static void search_next(struct account_call *c)
{
    struct searching *s = c->detail;
    if (s->at == s->count) {
        show_all(c);
        return;
    }
    s->begin_count = s->found_count;
    s->begin_pool = s->pool;
    s->begin_total = s->total;
    call_borrow_box(c, s->boxes[s->at].box, search_send, on_refused);
}

/* --- which mailboxes --- */

static void add_box(struct searching *s, const struct mailbox *m)
{
    for (size_t i = 0; i < s->count; i++) {
        if (s->boxes[i].box == m->box) {
            return;
        }
    }
    s->boxes[s->count++] = (struct searched_box){.box = m->box};
}

/* Asked for once, or there would be squares of work in few words. */
static void add_all(struct searching *s, const struct account *a)
{
    bool first = s->count == 0;
    for (size_t i = 0; i < a->table.count; i++) {
        if (!mailbox_is_synced(a->table.items[i])) {
            continue;
        }
        if (first) {
            s->boxes[s->count++] = (struct searched_box){.box = a->table.items[i]->box};
        } else {
            add_box(s, a->table.items[i]);
        }
    }
}

/* False: the call has failed. */
static bool find_boxes(struct account_call *c, const json_t *paths)
{
    struct searching *s = c->detail;
    size_t index;
    const json_t *path;
    bool all = false;
    if (c->a->table.count == 0) {
        call_fail(c, ERR_UNAVAILABLE, "the mailboxes are not known yet");
        return false;
    }
    s->boxes = ARENA_ARRAY(&c->op.arena, struct searched_box, c->a->table.count);
    json_array_foreach(paths, index, path)
    {
        struct str name = str_of(json_string_value(path));
        struct mailbox *m = account_mailbox_by_path(c->a, name);
        if (str_eq_c(name, "*")) {
            if (!all) {
                add_all(s, c->a);
            }
            all = true;
        } else if (m == NULL) {
            call_fail(c, ERR_NO_MAILBOX, "Unknown path");
            return false;
        } else {
            add_box(s, m);
        }
    }
    return true;
}

/* --- a thread of the index --- */

static void on_thread(struct store_thread_list *op ATTR_UNUSED, const struct err *err,
                      const struct thread_message *messages, size_t count, void *ctx)
{
    struct account_call *c = ctx;
    struct searching *s = c->detail;
    c->thread_list = NULL;
    if (!call_goes_on(c, err)) {
        return;
    }
    /* They come by mailbox, in the order asked for. */
    size_t kept = 0, at = 0;
    uint32_t *uids = ARENA_ARRAY(&c->op.arena, uint32_t, count);
    for (size_t i = 0; i < s->count; i++) {
        struct searched_box box = s->boxes[i];
        size_t n = 0;
        for (; at < count && messages[at].box == box.box; at++) {
            uids[n++] = messages[at].uid;
        }
        if (n > 0) {
            imap_set_from_numbers(&c->op.arena, uids, n, &box.thread);
            s->boxes[kept++] = box;
        }
    }
    s->count = kept;
    search_next(c);
}

/* True: it is being looked for. */
static bool ask_thread(struct account_call *c)
{
    struct searching *s = c->detail;
    struct str id = search_keys_thread(s->search);
    uint64_t thread;
    if (id.ptr == NULL || !account_has_threads(c->a)) {
        return false;
    }
    s->own_thread = true;
    if (!thread_id_parse(id, &thread)) {
        thread = UINT64_MAX; /* the id of none: ours have 48 bits */
    }
    uint32_t *boxes = ARENA_ARRAY(&c->op.arena, uint32_t, s->count);
    for (size_t i = 0; i < s->count; i++) {
        boxes[i] = s->boxes[i].box;
    }
    c->thread_list = store_thread_list_start(c->a->as->store, &c->a->acct, thread, boxes,
                                             s->count, ACCOUNT_THREAD_MAX, on_thread, c);
    return true;
}

struct account_call *account_search_start(struct account *a,
                                          const struct account_search_params *params,
                                          int64_t deadline_ms, account_call_cb *cb,
                                          void *ctx)
{
    struct account_call *c = call_new(a, "search", deadline_ms, cb, ctx);
    struct searching *s = ARENA_NEW(&c->op.arena, struct searching);
    c->detail = s;
    c->fini = search_fini;
    c->reads = true;
    s->search = json_incref(params->search);
    s->page = params->page;
    s->expose = params->expose_query;
    s->pool = ACCOUNT_FOUND_MAX / 2;
    if (find_boxes(c, params->paths) && !ask_thread(c)) {
        search_next(c);
    }
    return c;
}
