/* Dead letters tried once more, when somebody asked for it by a setting (store_dead.h).
 *     request ──► page of letters ──► entry from the log ──► one try ─┬─ taken: letter gone
 *                     ▲                                               └─ else: its new reason
 *                     └────────────── next page ◄──────────────────────────┘
 * Out of order, beside what the log brings, at most ACTIVE_MAX at a time. The letter stays
 * stored until the receiver has taken the event, so a crash loses nothing. */
#include "webhook_priv.h"

#include "postrider/base/clock.h"
#include "postrider/base/log.h"
#include "postrider/base/mem.h"
#include "postrider/json/json.h"

#include <inttypes.h>
#include <stdio.h>

enum {
    ACTIVE_MAX = 8,
    PAGE = 100,
    REQUESTS_MAX = 1000,
    WAIT_MS = 500,  /* for a place at the receiver … */
    WAITS_MAX = 240 /* … this often, then the letter stays as it is */
};

struct webhook_requeue {
    struct webhooks *w;
    json_t *seen;     /* the requests of the settings as they were last looked at */
    json_t *requests; /* those to be carried out, the first one being under way */
    bool running;
    struct store_dead_list *list;
    bool more;
    char place[STORE_LETTER_PLACE_SIZE];
    struct list waiting; /* of the page, not begun */
    struct list active;
    size_t active_count;
    bool stopping;
};

struct letter_try {
    struct list node;
    struct webhook_requeue *q;
    struct store_acct acct;
    char *route;
    char *entry_id;
    json_t *about;
    struct event event;
    unsigned waits;
    bool canceled;
    struct store_log_read *read;
    struct webhook_send *send;
    struct store_dead_op *op;
    struct timer timer;
};

static void go_on(struct webhook_requeue *q);

static void try_free(struct letter_try *t)
{
    list_remove(&t->node);
    timer_stop(&t->timer);
    event_fini(&t->event);
    json_decref(t->about);
    store_acct_fini(&t->acct);
    mem_free(t->route);
    mem_free(t->entry_id);
    mem_free(t);
}

static void try_end(struct letter_try *t)
{
    struct webhook_requeue *q = t->q;
    q->active_count--;
    q->w->ops--;
    try_free(t);
    go_on(q);
    webhooks_check_stopped(q->w);
}

/* --- how it ended --- */

static void on_letter(struct store_dead_op *op ATTR_UNUSED, const struct err *err,
                      void *ctx)
{
    struct letter_try *t = ctx;
    t->op = NULL;
    if (err->code != ERR_OK && err->code != ERR_CANCELED) {
        log_at(LOG_WARN, "webhook", "a dead letter is not up to date",
               LOG_ERR_FIELDS(err));
    }
    try_end(t);
}

static void put_again(struct letter_try *t, const char *reason)
{
    const struct store_letter letter = {.acct = &t->acct,
                                        .route = t->route,
                                        .entry_id = t->entry_id,
                                        .about = t->about,
                                        .only_replace = true};
    json_put_time(t->about, "date", clock_wall_ms());
    json_put(t->about, "reason", json_str_repaired(str_of(reason)));
    json_put_int(t->about, "tries", json_get_int(t->about, "tries", 0) + 1);
    t->op = store_dead_put_start(t->q->w->store, &letter, on_letter, t);
}

static void drop(struct letter_try *t)
{
    const struct store_letter letter = {
        .acct = &t->acct, .route = t->route, .entry_id = t->entry_id};
    t->op = store_dead_drop_start(t->q->w->store, &letter, on_letter, t);
}

/* --- the try --- */

static void send(struct letter_try *t);

static void on_wait(struct timer *timer)
{
    send(container_of(timer, struct letter_try, timer));
}

static void on_sent(struct webhook_send *s ATTR_UNUSED,
                    const struct changelog_outcome *outcome, void *ctx)
{
    struct letter_try *t = ctx;
    const struct webhook_route *r = webhook_route_by_id(t->q->w, str_of(t->route));
    t->send = NULL;
    if (outcome->result == CHANGELOG_DONE) {
        drop(t);
    } else if (outcome->result == CHANGELOG_LATER && t->waits++ < WAITS_MAX) {
        timer_set(t->q->w->loop, &t->timer, WAIT_MS, on_wait);
    } else if (outcome->result == CHANGELOG_LATER) {
        try_end(t);
    } else {
        put_again(t, r != NULL ? r->stats.last_error.msg : "the route is gone");
    }
}

static void send(struct letter_try *t)
{
    struct webhooks *w = t->q->w;
    struct webhook_route *r = webhook_route_by_id(w, str_of(t->route));
    if (r == NULL) {
        put_again(t, "the route is gone");
        return;
    }
    struct webhook_job job = {.route = r,
                              .acct = &t->acct,
                              .account_id = str_of(t->acct.id),
                              .event = &t->event,
                              .delivery_id = t->entry_id,
                              .requeued = true,
                              .tries = (unsigned)json_get_int(t->about, "tries", 0),
                              .parts = (unsigned)json_get_int(t->about, "parts", 0)};
    struct webhook_send *s = webhook_send_new(w, &job, on_sent, t);
    t->send = s;
    webhook_send_run(s);
}

static void on_entry(struct store_log_read *op ATTR_UNUSED, const struct err *err,
                     const struct log_entry *entries, size_t count, bool gap ATTR_UNUSED,
                     void *ctx)
{
    struct letter_try *t = ctx;
    t->read = NULL;
    if (t->canceled || err->code != ERR_OK) {
        try_end(t);
    } else if (count == 0 || strcmp(entries[0].entry_id, t->entry_id) != 0) {
        put_again(t, "the entry is not kept in the log any more");
    } else if (!entries[0].readable) {
        put_again(t, "the entry is damaged");
    } else {
        event_copy(&t->event, &entries[0].event);
        send(t);
    }
}

/* Reading begins behind a place: the one right before the entry. */
static void read_entry(struct letter_try *t)
{
    char before[STORE_ENTRY_ID_SIZE] = "";
    uint64_t ms = 0, seq = 0;
    if (store_entry_id_split(t->entry_id, &ms, &seq) && (ms > 0 || seq > 0)) {
        (void)snprintf(before, sizeof before, "%" PRIu64 "-%" PRIu64,
                       seq > 0 ? ms : ms - 1, seq > 0 ? seq - 1 : UINT64_MAX);
    }
    t->read = store_log_read_start(t->q->w->store, &t->acct, before, 1, on_entry, t);
}

/* --- pages and requests --- */

static void page_take(struct webhook_requeue *q, const struct store_dead_page *page)
{
    for (size_t i = 0; i < page->count; i++) {
        const struct store_letter *from = &page->letters[i];
        struct letter_try *t = MEM_NEW(struct letter_try);
        t->q = q;
        t->acct = *from->acct;
        t->acct.id = mem_strdup(from->acct->id);
        t->route = mem_strdup(from->route);
        t->entry_id = mem_strdup(from->entry_id);
        t->about = json_copy(from->about);
        list_append(&q->waiting, &t->node);
    }
    q->more = page->more;
    (void)snprintf(q->place, sizeof q->place, "%s", page->place);
}

static void request_end(struct webhook_requeue *q)
{
    q->running = false;
    q->more = false;
    q->place[0] = '\0';
    (void)json_array_remove(q->requests, 0);
}

static void on_page(struct store_dead_list *op ATTR_UNUSED, const struct err *err,
                    const struct store_dead_page *page, void *ctx)
{
    struct webhook_requeue *q = ctx;
    q->list = NULL;
    q->w->ops--;
    if (page != NULL && !q->stopping) {
        page_take(q, page);
    } else {
        q->more = false;
    }
    if (err->code != ERR_OK && err->code != ERR_CANCELED) {
        log_at(LOG_WARN, "webhook", "dead letters cannot be read", LOG_ERR_FIELDS(err));
    }
    go_on(q);
    webhooks_check_stopped(q->w);
}

static void page_start(struct webhook_requeue *q)
{
    const json_t *request = json_array_get(q->requests, 0);
    const struct store_dead_query query = {.account = json_get_str(request, "account"),
                                           .route = json_get_str(request, "route"),
                                           .entry_id = json_get_str(request, "entryId"),
                                           .after = q->place[0] != '\0' ? str_of(q->place)
                                                                        : STR_NULL,
                                           .limit = PAGE,
                                           .owned_only = true};
    q->w->ops++;
    q->list = store_dead_list_start(q->w->store, &query, on_page, q);
}

static void go_on(struct webhook_requeue *q)
{
    struct list *node;
    while (!q->stopping && q->active_count < ACTIVE_MAX &&
           (node = list_pop(&q->waiting)) != NULL) {
        list_append(&q->active, node);
        q->active_count++;
        q->w->ops++;
        read_entry(container_of(node, struct letter_try, node));
    }
    if (q->stopping || q->list != NULL || q->active_count > 0) {
        return;
    }
    if (q->running && !q->more) {
        request_end(q);
    }
    if (q->running || json_array_size(q->requests) > 0) {
        q->running = true;
        page_start(q);
    }
}

static bool same_filter(const json_t *a, const json_t *b, const char *name)
{
    return str_eq(json_get_str(a, name), json_get_str(b, name));
}

/* The first one is under way: letters it has been at already are tried for another one. */
static bool is_waiting(const struct webhook_requeue *q, const json_t *request)
{
    for (size_t i = q->running ? 1 : 0; i < json_array_size(q->requests); i++) {
        const json_t *other = json_array_get(q->requests, i);
        if (same_filter(request, other, "account") &&
            same_filter(request, other, "route") &&
            same_filter(request, other, "entryId")) {
            return true;
        }
    }
    return false;
}

static void take_request(struct webhook_requeue *q, json_t *request)
{
    if (is_waiting(q, request)) {
        return;
    }
    if (json_array_size(q->requests) >= REQUESTS_MAX) {
        log_at(LOG_WARN, "webhook",
               "too many requests for dead letters wait: one is dropped");
        return;
    }
    json_push(q->requests, json_incref(request));
}

void webhook_requeue_look(struct webhook_requeue *q)
{
    json_t *now = store_dead_requests(q->w->store), *request;
    const char *name;
    bool first = q->seen == NULL;
    /* What was asked for before the start is in the letters that are still there. */
    json_object_foreach(now, name, request)
    {
        if (!first && !q->stopping && !json_has(q->seen, name)) {
            take_request(q, request);
        }
    }
    json_decref(q->seen);
    q->seen = now;
    go_on(q);
}

struct webhook_requeue *webhook_requeue_new(struct webhooks *w)
{
    struct webhook_requeue *q = MEM_NEW(struct webhook_requeue);
    q->w = w;
    q->requests = json_array();
    list_init(&q->waiting);
    list_init(&q->active);
    return q;
}

void webhook_requeue_free(struct webhook_requeue **qp)
{
    struct webhook_requeue *q = *qp;
    if (q != NULL) {
        *qp = NULL;
        json_decref(q->seen);
        json_decref(q->requests);
        mem_free(q);
    }
}

void webhook_requeue_stop(struct webhook_requeue *q)
{
    struct list all;
    struct list *node;
    q->stopping = true;
    store_dead_list_cancel(q->list);
    while ((node = list_pop(&q->waiting)) != NULL) {
        try_free(container_of(node, struct letter_try, node));
    }
    list_move_all(&q->active, &all);
    while ((node = list_pop(&all)) != NULL) {
        struct letter_try *t = container_of(node, struct letter_try, node);
        t->canceled = true;
        store_log_read_cancel(t->read);
        store_dead_cancel(t->op);
        if (t->send != NULL) {
            webhook_send_cancel(t->send);
        }
        if (t->send != NULL || timer_is_set(&t->timer)) {
            try_end(t);
        }
    }
}
