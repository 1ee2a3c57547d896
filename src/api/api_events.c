/* GET /v1/account/{account}/events: entries of one log behind a cursor. With `wait` an
 * empty answer waits for the next append.
 *
 *   reading ── entries, or no time left ──► replied
 *      │  ▲
 *      │  └── appended, on whichever node
 *      └─ nothing yet ──► waiting ── time over ──► replied (empty) */
#include "api_streams.h"

#include "postrider/base/clock.h"
#include "postrider/base/mem.h"
#include "postrider/changelog/cursor.h"
#include "postrider/changelog/watch.h"

#include <stdio.h>

enum {
    REPLY_BYTES = 4 * 1024 * 1024, /* no further page is read over it */
    MS_PER_S = 1000
};

struct event_poll {
    struct api_stream stream;
    struct api_services *services;
    struct store_acct acct;
    struct store_log_read *read;
    struct changelog_watch watch;
    struct timer timer;
    struct deferred again;
    char after[STORE_ENTRY_ID_SIZE];
    size_t limit, bytes;
    bool from_start; /* no cursor was given: what is trimmed is no gap */
    bool gap;
    bool more;
    bool appended; /* since the last read began */
    bool over;     /* nothing is waited for any more */
    json_t *events;
};

static void poll_free(struct event_poll *p)
{
    api_stream_close(&p->stream);
    changelog_watch_stop(&p->watch);
    timer_stop(&p->timer);
    loop_undefer(&p->again);
    store_acct_fini(&p->acct);
    json_decref(p->events);
    p->services->tasks--;
    mem_free(p);
}

static void on_cancel(struct api_call *call)
{
    struct event_poll *p = call->user;
    p->stream.call = NULL;
    call->user = NULL;
    if (p->read != NULL) {
        store_log_read_cancel(p->read); /* its callback frees */
    } else {
        poll_free(p);
    }
}

/* Ends with the reply; err NULL = what was read. */
static void finish(struct event_poll *p, const struct err *err)
{
    struct api_call *call = p->stream.call;
    char cursor[CHANGELOG_CURSOR_SIZE];
    json_t *out = json_object();
    changelog_cursor_format(&p->acct, p->after, cursor);
    json_put(out, "account", json_str_repaired(str_of(p->acct.id)));
    json_put(out, "events", json_incref(p->events));
    json_put_cstr(out, "cursor", cursor);
    json_put_bool(out, "more", p->more);
    json_put_bool(out, "gap", p->gap);
    call->user = NULL;
    call->on_cancel = NULL;
    poll_free(p);
    if (err != NULL) {
        json_decref(out);
        api_reply_err(call, err);
    } else {
        api_reply_json(call, 200, out);
    }
}

static void read_on(struct event_poll *p);

static void on_again(struct deferred *d)
{
    struct event_poll *p = container_of(d, struct event_poll, again);
    if (p->read == NULL) {
        read_on(p);
    }
}

static void on_watch(struct changelog_watch *w, uint8_t shard ATTR_UNUSED)
{
    struct event_poll *p = container_of(w, struct event_poll, watch);
    p->appended = true;
    if (p->read == NULL) {
        loop_defer(store_loop(p->services->store), &p->again, on_again);
    }
}

static void on_time(struct timer *t)
{
    struct event_poll *p = container_of(t, struct event_poll, timer);
    p->over = true;
    if (p->read == NULL) {
        finish(p, NULL);
    }
}

static void on_stop(struct api_stream *s)
{
    on_time(&container_of(s, struct event_poll, stream)->timer);
}

static void take(struct event_poll *p, const struct log_entry *entries, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        json_t *row = changelog_entry_json(&p->acct, &entries[i]);
        p->bytes += json_dumpb(row, NULL, 0, JSON_COMPACT);
        json_push(p->events, row);
        (void)snprintf(p->after, sizeof p->after, "%s", entries[i].entry_id);
    }
}

static size_t page_size(const struct event_poll *p)
{
    size_t left = p->limit - json_array_size(p->events);
    return left < STORE_LOG_PAGE ? left : STORE_LOG_PAGE;
}

static void on_entries(struct store_log_read *op ATTR_UNUSED, const struct err *err,
                       const struct log_entry *entries, size_t count, bool gap, void *ctx)
{
    struct event_poll *p = ctx;
    p->read = NULL;
    if (p->stream.call == NULL) {
        poll_free(p);
        return;
    }
    if (err->code != ERR_OK) {
        finish(p, err);
        return;
    }
    bool full = count == page_size(p);
    p->gap = p->gap || (gap && !p->from_start);
    p->from_start = false;
    take(p, entries, count);
    size_t rows = json_array_size(p->events);
    p->more = full;
    if (full && rows < p->limit && p->bytes < REPLY_BYTES) {
        read_on(p);
    } else if (rows > 0 || p->gap || p->over || !timer_is_set(&p->timer)) {
        finish(p, NULL);
    } else if (p->appended) {
        read_on(p);
    }
}

static void read_on(struct event_poll *p)
{
    p->appended = false;
    p->read = store_log_read_start(p->services->store, &p->acct, p->after, page_size(p),
                                   on_entries, p);
}

/* --- where to begin --- */

static void on_last(struct store_log_read *op ATTR_UNUSED, const struct err *err,
                    const struct log_entry *entries, size_t count, bool gap ATTR_UNUSED,
                    void *ctx)
{
    struct event_poll *p = ctx;
    p->read = NULL;
    if (p->stream.call == NULL) {
        poll_free(p);
    } else if (err->code != ERR_OK) {
        finish(p, err);
    } else {
        if (count > 0) {
            (void)snprintf(p->after, sizeof p->after, "%s", entries[0].entry_id);
        }
        read_on(p);
    }
}

static bool parse_after(struct api_call *call, struct event_poll *p)
{
    struct str after = json_get_str(call->query, "after");
    struct err err = {0};
    p->from_start = after.ptr == NULL;
    if (after.ptr == NULL || str_eq_c(after, "now")) {
        return true;
    }
    if (!changelog_cursor_parse(&p->acct, after, p->after, &p->gap, &err)) {
        api_reply_err(call, &err);
        return false;
    }
    p->from_start = p->gap; /* a gap already */
    return true;
}

void api_events_list(struct api_call *call)
{
    struct api_services *services = api_services_of(call);
    struct str id = api_account_id(call);
    int64_t wait_ms = json_get_int(call->query, "wait", 0) * MS_PER_S;
    if (store_directory_get(services->store, id) == NULL) {
        api_reply_no_account(call);
        return;
    }
    struct event_poll *p = MEM_NEW(struct event_poll);
    p->services = services;
    p->limit = (size_t)json_get_int(call->query, "limit", STORE_LOG_PAGE);
    p->events = json_array();
    services->tasks++;
    store_acct_init(services->store, &p->acct, id);
    if (!parse_after(call, p) || !api_stream_open(&p->stream, call, on_stop)) {
        poll_free(p);
        return;
    }
    call->user = p;
    call->on_cancel = on_cancel;
    if (wait_ms > 0) {
        changelog_watch_start(services->changelog, &p->watch, &p->acct, on_watch);
        timer_set(store_loop(services->store), &p->timer, wait_ms, on_time);
    }
    if (str_eq_c(json_get_str(call->query, "after"), "now")) {
        p->read = store_log_last_start(services->store, &p->acct, on_last, p);
    } else {
        read_on(p);
    }
}
