/* GET /v1/events: server-sent events of every log the token may see. The stream reads the
 * feeds itself, one page at a time, and only while its client takes what it gets: a slow
 * one costs its position and nothing else.
 *
 *   ends of the feeds known ─► reading ◄──── news of a shard ────┐
 *                                 │                              │
 *                                 ├── nothing new ──► quiet ─────┤
 *                                 └── client is full ──► room ───┘ */
#include "api_flow.h"

#include "postrider/base/mem.h"
#include "postrider/changelog/cursor.h"
#include "postrider/changelog/position.h"
#include "postrider/changelog/watch.h"

#include <stdio.h>

enum {
    TEXT_MAX = 256 * 1024, /* of one event */
    AGAIN_MS = 1000        /* after the store failed */
};

struct event_stream {
    struct api_flow flow;
    struct api_services *services;
    struct changelog_watch watch;
    struct store_feed_read *read;
    struct store_feed_ends *ends;
    struct deferred pump;
    struct timer again;
    bool one;     /* only of the account acct */
    bool resumed; /* position was given */
    bool ready;   /* the ends are known */
    bool ended;   /* the call is over */
    bool said;    /* the client knows the position */
    bool typed;   /* only of the types marked */
    bool types[EVENT_TYPE_COUNT];
    bool news[STORE_SHARDS];
    uint8_t shard; /* being read */
    struct store_acct acct;
    struct feed_position position;
};

static struct event_stream *stream_of(struct api_flow *flow)
{
    return container_of(flow, struct event_stream, flow);
}

static void free_if_over(struct event_stream *s)
{
    if (s->ended && s->read == NULL && s->ends == NULL) {
        store_acct_fini(&s->acct);
        mem_free(s);
    }
}

static void put_id(struct event_stream *s, struct buf *out)
{
    (void)buf_put_c(out, "id: ");
    (void)changelog_position_format(&s->position, out);
    (void)buf_put_byte(out, '\n');
    s->said = true;
}

static void say(struct event_stream *s, const char *event, json_t *taken)
{
    struct buf text = BUF_INIT(TEXT_MAX);
    put_id(s, &text);
    (void)buf_printf(&text, "event: %s\ndata: ", event);
    (void)json_emit(taken, &text);
    (void)buf_put_c(&text, "\n\n");
    json_decref(taken);
    api_flow_write(&s->flow, buf_str(&text));
    buf_fini(&text);
}

/* --- reading --- */

static void pump_later(struct event_stream *s);

static bool is_wanted(const struct event_stream *s, const struct feed_item *item)
{
    enum event_type type = item->entry.event.type;
    return !s->typed || (type < EVENT_TYPE_COUNT && s->types[type]);
}

static void say_item(struct event_stream *s, const struct feed_item *item)
{
    enum event_type type = item->entry.event.type;
    s->position.at[s->shard] = item->place;
    if (is_wanted(s, item)) {
        json_t *body = changelog_entry_json(&item->acct, &item->entry);
        say(s, type < EVENT_TYPE_COUNT ? event_type_name(type) : "message", body);
    }
}

static void say_gap(struct event_stream *s)
{
    json_t *body = json_object();
    json_put_cstr(body, "reason", "retention");
    if (s->one) {
        json_put(body, "account", json_str_repaired(str_of(s->acct.id)));
    }
    say(s, "gap", body);
}

static void on_again(struct timer *t)
{
    pump_later(container_of(t, struct event_stream, again));
}

static void on_page(struct store_feed_read *op ATTR_UNUSED, const struct err *err,
                    const struct feed_page *page, void *ctx)
{
    struct event_stream *s = ctx;
    s->read = NULL;
    s->services->tasks--;
    if (!api_flow_is_open(&s->flow)) {
        free_if_over(s);
        return;
    }
    if (err->code != ERR_OK) {
        s->news[s->shard] = true;
        timer_set(store_loop(s->services->store), &s->again, AGAIN_MS, on_again);
        return;
    }
    if (page->gap) {
        say_gap(s);
    }
    for (size_t i = 0; i < page->count; i++) {
        say_item(s, &page->items[i]);
    }
    if (feed_place_before(s->position.at[s->shard], page->end)) {
        s->position.at[s->shard] = page->end;
        s->said = false;
    }
    s->news[s->shard] = s->news[s->shard] || page->more;
    pump_later(s);
}

/* The next shard with news after the one read last, so that none waits for another. */
static bool next_shard(struct event_stream *s)
{
    for (size_t i = 1; i <= STORE_SHARDS; i++) {
        uint8_t shard = (uint8_t)((s->shard + i) % STORE_SHARDS);
        if (s->news[shard]) {
            s->shard = shard;
            return true;
        }
    }
    return false;
}

static void on_pump(struct deferred *d)
{
    struct event_stream *s = container_of(d, struct event_stream, pump);
    if (!s->ready || s->read != NULL || timer_is_set(&s->again) ||
        !api_flow_has_room(&s->flow) || !next_shard(s)) {
        return;
    }
    s->news[s->shard] = false;
    s->services->tasks++;
    s->read =
        store_feed_read_start(s->services->store, s->shard, s->position.at[s->shard],
                              s->one ? str_of(s->acct.name) : STR_NULL, on_page, s);
}

static void pump_later(struct event_stream *s)
{
    loop_defer(store_loop(s->services->store), &s->pump, on_pump);
}

static void on_watch(struct changelog_watch *w, uint8_t shard)
{
    struct event_stream *s = container_of(w, struct event_stream, watch);
    s->news[shard] = true;
    pump_later(s);
}

/* --- where the feeds end --- */

static void ask_ends(struct event_stream *s);

static void on_ends_again(struct timer *t)
{
    ask_ends(container_of(t, struct event_stream, again));
}

static void on_ends(struct store_feed_ends *op ATTR_UNUSED, const struct err *err,
                    const struct feed_place *ends, void *ctx)
{
    struct event_stream *s = ctx;
    s->ends = NULL;
    s->services->tasks--;
    if (!api_flow_is_open(&s->flow)) {
        free_if_over(s);
        return;
    }
    if (err->code != ERR_OK) {
        timer_set(store_loop(s->services->store), &s->again, AGAIN_MS, on_ends_again);
        return;
    }
    for (size_t i = 0; i < STORE_SHARDS; i++) {
        if (!s->resumed) {
            s->position.at[i] = ends[i];
        } else if (feed_place_before(s->position.at[i], ends[i])) {
            s->news[i] = true;
        }
    }
    s->ready = true;
    struct buf text = BUF_INIT(TEXT_MAX);
    put_id(s, &text);
    (void)buf_put_byte(&text, '\n');
    api_flow_write(&s->flow, buf_str(&text));
    buf_fini(&text);
    pump_later(s);
}

static void ask_ends(struct event_stream *s)
{
    bool shards[STORE_SHARDS];
    for (size_t i = 0; i < STORE_SHARDS; i++) {
        shards[i] = !s->one || i == s->acct.shard;
    }
    s->services->tasks++;
    s->ends = store_feed_ends_start(s->services->store, shards, on_ends, s);
}

/* --- the stream --- */

static void on_room(struct api_flow *flow)
{
    pump_later(stream_of(flow));
}

static void on_gone(struct api_flow *flow)
{
    struct event_stream *s = stream_of(flow);
    changelog_watch_stop(&s->watch);
    loop_undefer(&s->pump);
    timer_stop(&s->again);
    store_feed_read_cancel(s->read);
    store_feed_ends_cancel(s->ends);
}

static void on_end(struct api_flow *flow)
{
    struct event_stream *s = stream_of(flow);
    s->ended = true;
    free_if_over(s);
}

/* A client that hears only of few events still learns how far it is. */
static void beat(struct api_flow *flow, struct buf *out)
{
    struct event_stream *s = stream_of(flow);
    if (s->ready && !s->said) {
        put_id(s, out);
    }
}

static const struct api_flow_kind kind = {
    .on_room = on_room, .on_gone = on_gone, .on_end = on_end, .beat = beat};

/* --- what is asked for --- */

static bool take_account(struct event_stream *s, struct api_call *call, struct err *err)
{
    struct str asked = json_get_str(call->query, "account");
    struct str bound = str_of(call->who.account);
    if (asked.ptr == NULL && bound.len == 0) {
        return true;
    }
    if (bound.len > 0 && asked.ptr != NULL && !str_eq(asked, bound)) {
        return err_set(err, ERR_FORBIDDEN,
                       "The token does not allow access to this resource");
    }
    struct str id = asked.ptr != NULL ? asked : bound;
    if (store_directory_get(s->services->store, id) == NULL) {
        *err = api_no_account;
        return false;
    }
    s->one = true;
    store_acct_init(s->services->store, &s->acct, id);
    return true;
}

static bool take_types(struct event_stream *s, struct api_call *call, struct err *err)
{
    struct str rest = json_get_str(call->query, "events"), name;
    s->typed = rest.ptr != NULL;
    while (rest.ptr != NULL && str_split(&rest, ',', &name)) {
        enum event_type type;
        if (!event_type_parse(str_trim(name), &type)) {
            return err_set(err, ERR_INVALID, "no such type of event: %.*s",
                           (int)(name.len < 40 ? name.len : 40), name.ptr);
        }
        s->types[type] = true;
    }
    return true;
}

/* The header of a client that comes back counts more than the address it began with. */
static bool take_position(struct event_stream *s, struct api_call *call, struct err *err)
{
    struct str text = str_of(httpd_req_header(call->req, "Last-Event-ID"));
    text = text.len > 0 ? text : json_get_str(call->query, "after");
    s->resumed = text.len > 0;
    return !s->resumed || changelog_position_parse(text, &s->position) ||
           err_set(err, ERR_INVALID, "not an event id of this API");
}

void api_event_stream(struct api_call *call)
{
    struct event_stream *s = MEM_NEW(struct event_stream);
    struct err err = {0};
    s->services = api_services_of(call);
    bool ok = take_account(s, call, &err) && take_types(s, call, &err) &&
              take_position(s, call, &err);
    if (!ok) {
        api_reply_err(call, &err);
    }
    if (!ok || !api_flow_start(&s->flow, call, &kind)) {
        s->ended = true;
        free_if_over(s);
        return;
    }
    changelog_watch_start(s->services->changelog, &s->watch, s->one ? &s->acct : NULL,
                          on_watch);
    ask_ends(s);
}
