#include "postrider/base/check.h"
#include "postrider/base/clock.h"
#include "postrider/base/log.h"
#include "postrider/base/mem.h"
#include "postrider/json/json.h"
#include "webhook_priv.h"
#include "webhook_render.h"

enum {
    STORE_RETRY_MS = 1000
};

struct webhook_send {
    struct webhooks *w;
    struct webhook_job job;
    struct arena arena;
    /* what is told: the event, or what stands for it */
    const struct event *events[WEBHOOK_VIEWS];
    struct event views[WEBHOOK_VIEWS];
    size_t event_count, view_count;
    unsigned at;
    struct event missing; /* told instead of the one at `at`; no data = none */
    bool canceled;
    bool in_flight; /* one of the four below, or its callback is still to come */
    struct store_account_op *lookup;
    struct store_dead_op *letter;
    struct enrich_request *enrich;
    struct httpc_req *req;
    struct deferred next;
    uint64_t targets_version; /* when the look-up began */
    const char *url;
    bool url_is_own; /* the account's, not the global one */
    json_t *own_headers;
    json_t *data; /* instead of the event's, or NULL */
    struct httpc_origin origin;
    struct webhook_dest *dest;
    webhook_send_cb *cb;
    void *ctx;
};

struct webhook_send *webhook_send_new(struct webhooks *w, const struct webhook_job *job,
                                      webhook_send_cb *cb, void *ctx)
{
    struct webhook_send *s = MEM_NEW(struct webhook_send);
    s->w = w;
    s->job = *job;
    s->job.route = webhook_route_ref(job->route);
    s->job.account_id = arena_str(&s->arena, job->account_id);
    s->at = job->parts;
    s->cb = cb;
    s->ctx = ctx;
    w->sends++;
    return s;
}

static void send_free(struct webhook_send *s)
{
    struct webhooks *w = s->w;
    webhook_route_unref(s->job.route);
    for (size_t i = 0; i < s->view_count; i++) {
        event_fini(&s->views[i]);
    }
    event_fini(&s->missing);
    json_decref(s->own_headers);
    json_decref(s->data);
    arena_fini(&s->arena);
    mem_free(s);
    w->sends--;
    webhooks_check_stopped(w);
}

static void leave(struct webhook_send *s)
{
    if (s->dest != NULL) {
        struct webhook_dest *dest = s->dest;
        s->dest = NULL;
        webhook_dest_leave(dest);
    }
}

void webhook_send_cancel(struct webhook_send *s)
{
    s->canceled = true;
    leave(s);
    store_account_cancel(s->lookup);
    store_dead_cancel(s->letter);
    httpc_req_cancel(s->req);
    if (s->enrich != NULL) {
        s->w->enricher.cancel(s->enrich);
    }
    if (!s->in_flight) {
        send_free(s);
    }
}

static void finish(struct webhook_send *s, struct changelog_outcome outcome)
{
    webhook_send_cb *cb = s->cb;
    void *ctx = s->ctx;
    outcome.parts = s->at;
    cb(s, &outcome, ctx); /* first, so that who goes on keeps its place */
    leave(s);
    send_free(s);
}

/* True if the send was canceled meanwhile, and is now gone. */
static bool back(struct webhook_send *s)
{
    s->in_flight = false;
    s->lookup = NULL;
    s->letter = NULL;
    s->enrich = NULL;
    s->req = NULL;
    if (s->canceled) {
        send_free(s);
        return true;
    }
    return false;
}

static void begin_event(struct webhook_send *s);

/* What is being told. */
static const struct event *event_of(const struct webhook_send *s)
{
    if (s->missing.data != NULL) {
        return &s->missing;
    }
    return s->at < s->event_count ? s->events[s->at] : s->job.event;
}

static void note_failure(const struct webhook_send *s, const struct err *err,
                         const struct httpc_reply *reply, enum changelog_result result)
{
    struct err why = *err;
    if (reply != NULL) {
        (void)err_set(&why, ERR_UNAVAILABLE,
                      "the webhook's receiver replied with status %d", reply->status);
    }
    webhook_note_failed(s->job.route,
                        &(struct webhook_note){
                            .account_name = s->job.acct != NULL ? s->job.acct->name : "",
                            .event_id = event_of(s)->id,
                            .err = &why,
                            .status = reply != NULL ? reply->status : 0,
                            .given_up = result == CHANGELOG_DEAD});
    /* Repetitions of the same failure are not news. */
    log_at(s->job.tries == 0 || result != CHANGELOG_RETRY ? LOG_WARN : LOG_DEBUG,
           "webhook", "delivery failed", LOG_S("route", s->job.route->id),
           LOG_STR("account", s->job.account_id), LOG_S("event", event_of(s)->id),
           LOG_I("tries", s->job.tries + 1),
           LOG_S("result", changelog_result_name(result)), LOG_ERR_FIELDS(&why));
}

/* --- giving up --- */

static void on_letter(struct store_dead_op *op ATTR_UNUSED, const struct err *err,
                      void *ctx)
{
    struct webhook_send *s = ctx;
    if (back(s)) {
        return;
    }
    if (err->code == ERR_OK) {
        finish(s, (struct changelog_outcome){.result = CHANGELOG_DEAD});
    } else {
        /* Never without a trace: the same entry again. */
        finish(s, (struct changelog_outcome){.result = CHANGELOG_RETRY,
                                             .retry_ms = STORE_RETRY_MS});
    }
}

/* The letter is written before the cursor passes the entry. */
static void give_up(struct webhook_send *s, const struct err *err,
                    const struct httpc_reply *reply)
{
    if (s->job.preview != NULL) {
        webhook_preview_note(s->job.preview, "error", err->msg);
        finish(s, (struct changelog_outcome){.result = CHANGELOG_DONE});
        return;
    }
    note_failure(s, err, reply, CHANGELOG_DEAD);
    leave(s);
    if (s->job.acct == NULL || s->job.requeued) {
        finish(s, (struct changelog_outcome){.result = CHANGELOG_DEAD});
        return;
    }
    json_t *about = json_object();
    json_put_time(about, "date", clock_wall_ms());
    json_put_cstr(about, "event", event_type_name(event_of(s)->type));
    json_put_cstr(about, "eventId", event_of(s)->id);
    json_put(about, "reason",
             json_str_repaired(str_of(s->job.route->stats.last_error.msg)));
    if (reply != NULL) {
        json_put_int(about, "status", reply->status);
    }
    json_put_int(about, "tries", (int64_t)s->job.tries + 1);
    json_put_int(about, "parts", s->at);
    const struct store_letter letter = {.acct = s->job.acct,
                                        .route = s->job.route->id,
                                        .entry_id = s->job.delivery_id,
                                        .about = about};
    s->in_flight = true;
    s->letter = store_dead_put_start(s->w->store, &letter, on_letter, s);
    json_decref(about);
}

/* --- what the reply means --- */

/* One part of the event is delivered. */
static void part_done(struct webhook_send *s)
{
    webhook_note_delivered(s->job.route);
    s->at++;
    leave(s);
    begin_event(s);
}

static void on_reply(struct httpc_req *req ATTR_UNUSED, const struct err *err,
                     const struct httpc_reply *reply, void *ctx)
{
    struct webhook_send *s = ctx;
    if (back(s)) {
        return;
    }
    const struct webhook_attempt attempt = {
        .w = s->w, .job = &s->job, .dest = s->dest, .url_is_own = s->url_is_own};
    struct changelog_outcome outcome = webhook_judge(&attempt, err, reply);
    if (outcome.result == CHANGELOG_DONE) {
        part_done(s);
        return;
    }
    if (outcome.result == CHANGELOG_DEAD) {
        give_up(s, err, reply);
        return;
    }
    note_failure(s, err, reply, outcome.result);
    if (outcome.result == CHANGELOG_PAUSE) {
        webhooks_disable(s->job.route);
    }
    finish(s, outcome);
}

/* --- sending --- */

static struct str setting_str(const struct webhooks *w, const char *name)
{
    return json_get_str(store_settings(w->store), name);
}

/* A preview counts for nothing. */
static void note_skip(struct webhook_send *s, const char *why)
{
    if (s->job.preview != NULL) {
        webhook_preview_note(s->job.preview, "skipped", why);
    } else {
        webhook_note_skipped(s->job.route);
    }
}

static struct webhook_payload payload_of(const struct webhook_send *s)
{
    return (struct webhook_payload){.route = s->job.route,
                                    .service_url = setting_str(s->w, "serviceUrl"),
                                    .account = s->job.account_id,
                                    .event = event_of(s),
                                    .data = s->data};
}

static void set_data(struct webhook_send *s, json_t *taken)
{
    json_decref(s->data);
    s->data = taken;
}

static bool render(struct webhook_send *s, struct buf *out, struct err *err)
{
    struct webhook_payload p = payload_of(s);
    if (webhook_payload_body(&p, out, err)) {
        return true;
    }
    if (err->code != ERR_TOO_LARGE) {
        return false;
    }
    /* The content is what is large. */
    set_data(s, webhook_mark_data(event_of(s), "enriched", false));
    p.data = s->data;
    buf_clear(out);
    return webhook_payload_body(&p, out, err);
}

static void on_next(struct deferred *d)
{
    struct webhook_send *s = container_of(d, struct webhook_send, next);
    if (!back(s)) {
        s->at++;
        begin_event(s);
    }
}

/* Instead of sending: on to the next event. */
static void show(struct webhook_send *s, const struct httpc_header *headers, size_t count,
                 struct str body)
{
    webhook_preview_add(
        s->job.preview,
        &(struct webhook_shown){
            .event = event_of(s),
            .url = s->url,
            .headers = headers,
            .header_count = count,
            .custom = {webhook_route_headers(s->job.route), s->own_headers},
            .body = body});
    s->in_flight = true;
    loop_defer(s->w->loop, &s->next, on_next);
}

static void post(struct webhook_send *s, struct str body)
{
    struct webhooks *w = s->w;
    const struct webhook_route *r = s->job.route;
    const struct event *e = event_of(s);
    struct webhook_headers h = {
        .content_type = webhook_payload_type(r),
        .route_id = r->record != NULL ? r->id : NULL,
        .delivery_id = s->job.delivery_id,
        .event_id = e->id,
        .tries = s->job.tries,
        .queued_ms = e->date_ms,
        .now_ms = clock_wall_ms(),
        .user_agent = w->user_agent,
        .secret = setting_str(w, "serviceSecret"),
        .old_secret = webhook_old_secret(store_settings(w->store), clock_wall_ms()),
        .body = body,
        .custom = webhook_route_headers(r),
        .own_custom = s->own_headers};
    struct httpc_header headers[WEBHOOK_HEADERS];
    size_t count = webhook_render_headers(&h, &s->arena, headers);
    if (s->job.preview != NULL) {
        show(s, headers, count, body);
        return;
    }
    s->dest = webhook_dest_enter(s->job.route, s->origin.text);
    s->in_flight = true;
    s->req = httpc_req_start(w->httpc,
                             &(struct httpc_params){.method = "POST",
                                                    .url = s->url,
                                                    .headers = headers,
                                                    .header_count = count,
                                                    .body = body,
                                                    .timeout_ms = w->timeout_ms},
                             on_reply, s);
}

/* False if it is not its turn: the send has ended or is ending. */
static bool may_go(struct webhook_send *s)
{
    uint64_t key = 0;
    if (s->job.acct == NULL) {
        return true; /* outside the log nothing is parked, nor is a preview */
    }
    switch (
        webhook_dest_admits(s->job.route, s->origin.text, s->job.event->date_ms, &key)) {
    case WEBHOOK_ADMITTED:
        return true;
    case WEBHOOK_WAITS:
        finish(s, (struct changelog_outcome){.result = CHANGELOG_LATER, .key = key});
        return false;
    case WEBHOOK_EXPIRED:
        give_up(s,
                &(struct err){.code = ERR_TIMEOUT,
                              .msg = "the receiver has not answered for too long"},
                NULL);
        return false;
    }
    check_failed("webhook admission", __FILE__, __LINE__, __func__);
}

static void send_now(struct webhook_send *s)
{
    struct buf body = BUF_INIT(WEBHOOK_BODY_MAX);
    struct err err = {0};
    if (!may_go(s)) {
        return;
    }
    if (render(s, &body, &err)) {
        post(s, buf_str(&body));
    } else {
        give_up(s, &err, NULL);
    }
    buf_fini(&body);
}

/* --- content, and the filter before or behind it --- */

static const char refused[] = "the filter of the route refuses it";
static const char not_told[] = "the route is not told of events of this kind";

static bool must_ask(const struct webhook_send *s)
{
    return s->w->enricher.start != NULL && !s->job.keeps_data &&
           webhook_payload_needs_content(s->job.route, event_of(s));
}

static bool passes(const struct webhook_send *s, struct err *err)
{
    struct webhook_payload p = payload_of(s);
    bool answer = false;
    return webhook_payload_filter(&p, &answer, err) && answer;
}

/* Who is not told of such events still hears of the arrival. */
static bool becomes_missing(struct webhook_send *s, json_t *data)
{
    struct event missing;
    webhook_missing(event_of(s), data, &missing);
    if (webhook_route_wants(s->job.route, &missing)) {
        s->missing = missing;
        return true;
    }
    event_fini(&missing);
    return false;
}

/* Instead of the event's own; NULL = those. */
static json_t *data_told(struct webhook_send *s, const struct err *err, json_t *data)
{
    if (err->code == ERR_OK && data != NULL) {
        return json_incref(data);
    }
    if (err->code == ERR_NO_MESSAGE && data == NULL) {
        return webhook_mark_data(event_of(s), "gone", true);
    }
    if (err->code == ERR_NO_MESSAGE && becomes_missing(s, data)) {
        return NULL;
    }
    return webhook_mark_data(event_of(s), "enriched", false);
}

static void on_enriched(struct enrich_request *req ATTR_UNUSED, const struct err *err,
                        json_t *data, void *ctx)
{
    struct webhook_send *s = ctx;
    struct err failure = {0};
    if (back(s)) {
        return;
    }
    set_data(s, data_told(s, err, data));
    bool asks =
        webhook_payload_filter_needs_data(s->job.route) || s->missing.data != NULL;
    bool unwanted = !webhook_route_wants(s->job.route, event_of(s));
    if (!unwanted && (!asks || passes(s, &failure))) {
        send_now(s);
    } else if (failure.code != ERR_OK) {
        give_up(s, &failure, NULL);
    } else {
        note_skip(s, unwanted ? not_told : refused);
        s->at++;
        begin_event(s);
    }
}

static void get_content(struct webhook_send *s)
{
    const struct webhooks *w = s->w;
    if (!must_ask(s)) {
        send_now(s);
    } else if (may_go(s)) { /* before anything is fetched for it */
        s->in_flight = true;
        s->enrich = w->enricher.start(w->enricher.impl, s->job.account_id, event_of(s),
                                      WEBHOOK_ENRICH_MS, on_enriched, s);
    }
}

/* What a filter refuses without content costs none; nor does what is of interest only if its
 * server does not show it, where nobody is asked. */
static bool is_refused(struct webhook_send *s, struct err *err)
{
    const struct webhook_route *r = s->job.route;
    bool wants_content = webhook_payload_needs_content(r, event_of(s));
    if (!must_ask(s) && !webhook_route_wants(r, event_of(s))) {
        return true;
    }
    set_data(s, wants_content && !must_ask(s) && !s->job.keeps_data
                    ? webhook_mark_data(event_of(s), "enriched", false)
                    : NULL);
    if (r->filter == NULL || (must_ask(s) && webhook_payload_filter_needs_data(r))) {
        return false;
    }
    return !passes(s, err);
}

/* Tells the event at s->at, or the next one that is to be told. */
static void begin_event(struct webhook_send *s)
{
    struct err err = {0};
    event_fini(&s->missing);
    while (s->at < s->event_count && is_refused(s, &err) && err.code == ERR_OK) {
        note_skip(s, refused);
        s->at++;
    }
    if (err.code != ERR_OK) {
        give_up(s, &err, NULL);
    } else if (s->at < s->event_count) {
        get_content(s);
    } else {
        finish(s, (struct changelog_outcome){.result = CHANGELOG_DONE});
    }
}

/* --- where to --- */

static void skip(struct webhook_send *s, const char *why)
{
    note_skip(s, why);
    finish(s, (struct changelog_outcome){.result = CHANGELOG_DONE});
}

static void set_target(struct webhook_send *s, const char *own_url, json_t *own_headers)
{
    bool custom = s->job.route->record != NULL;
    struct str url = webhook_route_url(s->job.route);
    if (own_url != NULL && !custom) {
        url = str_of(own_url);
    }
    if (url.len == 0) {
        skip(s, "there is no URL");
        return;
    }
    s->url = arena_str(&s->arena, url).ptr;
    s->url_is_own = own_url != NULL && !custom;
    s->own_headers = json_incref(own_headers);
    struct err err;
    if (!httpc_origin_get(s->url, &s->origin, &err)) {
        give_up(s, &err, NULL);
        return;
    }
    begin_event(s);
}

static void on_account(struct store_account_op *op ATTR_UNUSED, const struct err *err,
                       const struct store_acct *acct ATTR_UNUSED, json_t *record,
                       json_t *state ATTR_UNUSED, void *ctx)
{
    struct webhook_send *s = ctx;
    struct webhooks *w = s->w;
    if (back(s)) {
        return;
    }
    if (err->code == ERR_NO_ACCOUNT) {
        skip(s, "there is no such account");
        return;
    }
    if (err->code != ERR_OK) {
        finish(s, (struct changelog_outcome){.result = CHANGELOG_RETRY,
                                             .retry_ms = STORE_RETRY_MS});
        return;
    }
    const struct webhook_target *t = webhook_target_put(w, s->job.account_id, record);
    const char *url = t->url != NULL ? arena_strdup(&s->arena, t->url) : NULL;
    json_t *headers = json_incref(t->headers);
    if (s->targets_version != w->targets_version) {
        webhook_target_drop(w, s->job.account_id); /* perhaps older than the change */
    }
    set_target(s, url, headers);
    json_decref(headers);
}

/* Who names one of our kinds gets it; the others get what they know. False: nothing. */
static bool choose_events(struct webhook_send *s)
{
    const struct event *e = s->job.event;
    const struct webhook_route *r = s->job.route;
    if (!webhook_route_names(r, e->type)) {
        s->view_count = webhook_views(e, s->views);
    }
    for (size_t i = 0; i < s->view_count; i++) {
        if (webhook_route_may_want(r, &s->views[i])) {
            s->events[s->event_count++] = &s->views[i];
        }
    }
    if (s->view_count == 0 && webhook_route_may_want(r, e)) {
        s->events[s->event_count++] = e;
    }
    return s->at < s->event_count;
}

void webhook_send_run(struct webhook_send *s)
{
    struct webhooks *w = s->w;
    if (!choose_events(s)) {
        skip(s, not_told);
        return;
    }
    if (s->job.acct == NULL && s->job.preview == NULL) {
        set_target(s, s->job.url, NULL);
        return;
    }
    const struct webhook_target *t = webhook_target_get(w, s->job.account_id);
    if (t != NULL) {
        set_target(s, t->url, t->headers);
        return;
    }
    s->targets_version = w->targets_version;
    s->in_flight = true;
    s->lookup = store_account_get_start(w->store, s->job.account_id, on_account, s);
}
