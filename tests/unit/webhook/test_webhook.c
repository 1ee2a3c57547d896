/* The sink from the commit to the receiver: a real redis-server, a real HTTP server. */
#include "http_fixture.h"
#include "log_world.h"

#include "postrider/base/attr.h"
#include "postrider/base/log.h"
#include "postrider/base/mem.h"
#include "postrider/json/json.h"
#include "postrider/store/store_dead.h"
#include "postrider/store/store_settings.h"
#include "postrider/webhook/webhook.h"

#include "webhook_render.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum {
    WAIT_MS = 20000,
    RETRY_FIRST_MS = 40
};

struct fixture {
    struct store_world w;
    struct http_fixture *server;
    struct httpc *httpc;
    struct changelog *c;
    struct webhooks *hooks;
    struct webhook_config config;
    struct enricher enricher;
    enum err_code enrich_code; /* what the enricher says */
    unsigned enriched;
    /* Answers: for the first `fail_count` requests, or for those to /slow. */
    struct http_answer fail;
    unsigned fail_count;
    struct http_answer slow;
    const char *headers; /* of the good answers */
    bool stopped;
};

static void answer(const struct http_seen *seen, struct http_answer *out, void *arg)
{
    struct fixture *f = arg;
    if (http_seen_is_path(seen, "/slow")) {
        *out = f->slow;
    } else if (f->fail_count > 0) {
        f->fail_count--;
        *out = f->fail;
    } else {
        out->headers = f->headers;
    }
}

/* --- an enricher that answers in the next turn */

struct enrich_request {
    struct deferred d;
    struct fixture *f;
    bool canceled;
    enrich_cb *cb;
    void *ctx;
};

static void on_enrich(struct deferred *d)
{
    struct enrich_request *req = container_of(d, struct enrich_request, d);
    struct err err = {.code = req->canceled ? ERR_CANCELED : req->f->enrich_code};
    json_t *data = json_pack("{s:s, s:s}", "id", "AAAAAQAAAAE", "subject", "Hello");
    req->cb(req, &err, err.code == ERR_OK ? data : NULL, req->ctx);
    json_decref(data);
    mem_free(req);
}

static struct enrich_request *enrich_start(void *impl, struct str account,
                                           const struct event *event, int64_t deadline_ms,
                                           enrich_cb *cb, void *ctx)
{
    struct fixture *f = impl;
    assert_true(account.len > 0 && event->type == EVENT_MESSAGE_NEW &&
                deadline_ms <= 30000);
    struct enrich_request *req = MEM_NEW(struct enrich_request);
    req->f = f;
    req->cb = cb;
    req->ctx = ctx;
    f->enriched++;
    loop_defer(f->w.loop, &req->d, on_enrich);
    return req;
}

static void enrich_cancel(struct enrich_request *req)
{
    req->canceled = true;
}

/* --- up and down */

static void on_settings_changed(struct store *s, void *ctx)
{
    (void)s;
    const struct fixture *f = ctx;
    if (f->hooks != NULL) {
        webhooks_settings_changed(f->hooks);
    }
}

static void begin(struct fixture *f)
{
    f->c = changelog_new(f->w.store, &(struct changelog_config){0});
    f->hooks = webhooks_new(f->w.store, f->httpc, f->c, &f->enricher, &f->config);
    webhooks_start(f->hooks);
    changelog_start(f->c);
}

static void on_changelog_stop(struct changelog *c, void *ctx)
{
    (void)c;
    struct fixture *f = ctx;
    f->stopped = true;
}

static void on_webhooks_stop(struct webhooks *w, void *ctx)
{
    (void)w;
    struct fixture *f = ctx;
    f->stopped = true;
}

static void end(struct fixture *f)
{
    f->stopped = false;
    changelog_stop(f->c, 1, on_changelog_stop, f);
    loop_fixture_run_until(f->w.loop, &f->stopped, WAIT_MS);
    f->stopped = false;
    webhooks_stop(f->hooks, on_webhooks_stop, f);
    loop_fixture_run_until(f->w.loop, &f->stopped, WAIT_MS);
    changelog_free(&f->c);
    webhooks_free(&f->hooks);
}

static int setup(void **state)
{
    static struct fixture f;
    f = (struct fixture){.config = {.retry_first_ms = RETRY_FIRST_MS},
                         .slow = {.status = 200},
                         .enricher = {.start = enrich_start, .cancel = enrich_cancel}};
    f.enricher.impl = &f;
    log_configure(LOG_OFF, LOG_FORMAT_TEXT);
    store_world_start(&f.w, NULL, NULL);
    f.server = http_fixture_new(f.w.loop, answer, &f);
    f.httpc = httpc_new(f.w.net, &(struct httpc_config){.egress = EGRESS_LINK_LOCAL});
    store_settings_set_changed_cb(f.w.store, on_settings_changed, &f);
    log_world_settings(&f.w,
                       json_pack("{s:s, s:b, s:[s], s:s}", "webhooks",
                                 http_fixture_url(f.server, "/hook"), "webhooksEnabled",
                                 1, "webhookEvents", "*", "serviceSecret", "a secret"));
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    if (f->c != NULL) {
        end(f);
    }
    httpc_free(&f->httpc);
    http_fixture_free(&f->server);
    store_world_end(&f->w);
    return 0;
}

static void wait_requests(struct fixture *f, unsigned want)
{
    loop_fixture_run_until_count(f->w.loop, http_fixture_count(f->server), want, WAIT_MS);
}

static void append(struct fixture *f, enum event_type type, uint32_t uid, unsigned count)
{
    log_world_append(&f->w, &f->w.acct, type, uid, count);
}

static json_t *body_of(struct fixture *f, unsigned index)
{
    const struct http_seen *seen = http_fixture_at(f->server, index);
    json_t *doc = NULL;
    struct err err;
    assert_true(
        json_parse_strict(str_from(seen->body, seen->body_len), 1 << 20, &doc, &err));
    return doc;
}

static int64_t uid_of(struct fixture *f, unsigned index)
{
    json_t *doc = body_of(f, index);
    int64_t uid = json_get_int(json_get_obj(doc, "data"), "uid", 0);
    json_decref(doc);
    return uid;
}

static void header_of(struct fixture *f, unsigned index, const char *name, char out[256])
{
    if (!http_seen_header(http_fixture_at(f->server, index), name, out, 256)) {
        fail_msg("no header %s", name);
    }
}

static void nothing_more(struct fixture *f, unsigned count)
{
    loop_fixture_run_for(f->w.loop, 150);
    assert_int_equal(*http_fixture_count(f->server), count);
}

/* --- */

static void events_arrive_in_order_and_signed(void **state)
{
    struct fixture *f = *state;
    char value[256];
    begin(f);
    append(f, EVENT_MESSAGE_UPDATED, 1, 40);
    wait_requests(f, 41);
    for (unsigned i = 1; i <= 40; i++) {
        const struct http_seen *seen = http_fixture_at(f->server, i);
        struct buf expected = BUF_INIT(128);
        webhook_sign_body(STR("a secret"), str_from(seen->body, seen->body_len),
                          &expected);
        header_of(f, i, "X-EE-Wh-Signature", value);
        assert_string_equal(value, buf_c(&expected));
        buf_fini(&expected);
        assert_int_equal(uid_of(f, i), i);
        assert_true(http_seen_is_path(seen, "/hook"));
        assert_int_equal(seen->connection, 1);
    }
    json_t *doc = body_of(f, 1);
    assert_string_equal(json_get_cstr(doc, "event"), "messageUpdated");
    assert_string_equal(json_get_cstr(doc, "account"), "world");
    assert_string_equal(json_get_cstr(doc, "path"), "INBOX");
    header_of(f, 1, "X-EE-Wh-Event-Id", value);
    assert_string_equal(json_get_cstr(doc, "eventId"), value);
    header_of(f, 1, "webhook-id", value);
    assert_string_equal(json_get_cstr(doc, "eventId"), value);
    json_decref(doc);
    log_world_wait_clean(&f->w);
    struct webhook_stats stats;
    webhooks_stats_get(f->hooks, &stats);
    assert_int_equal(stats.delivered, 41);
    assert_int_equal(stats.failed + stats.retries + stats.active, 0);
}

static void message_gets_its_content(void **state)
{
    struct fixture *f = *state;
    static const struct {
        enum err_code code;
        const char *subject;
        bool gone, thin;
    } rows[] = {{ERR_OK, "Hello", false, false},
                {ERR_NO_MESSAGE, NULL, true, false},
                {ERR_UNAVAILABLE, NULL, false, true}};
    begin(f);
    wait_requests(f, 1);
    for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
        f->enrich_code = rows[i].code;
        append(f, EVENT_MESSAGE_NEW, i + 1, 1);
        wait_requests(f, 2 + i);
        json_t *doc = body_of(f, 1 + i);
        const json_t *data = json_get_obj(doc, "data");
        const char *subject = json_get_cstr(data, "subject");
        assert_int_equal(subject != NULL, rows[i].subject != NULL);
        assert_int_equal(json_get_bool(data, "gone", false), rows[i].gone);
        assert_int_equal(!json_get_bool(data, "enriched", true), rows[i].thin);
        assert_non_null(json_get_cstr(data, "id"));
        json_decref(doc);
    }
    assert_int_equal(f->enriched, 3);
}

static void failure_is_repeated_with_the_same_event_id(void **state)
{
    struct fixture *f = *state;
    static const struct http_answer rows[] = {{.status = 500},
                                              {.status = 429},
                                              {.status = 404},
                                              {.reset = true},
                                              {.close = true}};
    char first[256];
    char value[256];
    unsigned count = 1;
    /* On a connection that was kept alive libcurl itself asks a second time, since a
     * server may close an idle one at any moment. */
    f->headers = "Connection: close\r\n";
    begin(f);
    wait_requests(f, 1);
    for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
        f->fail = rows[i];
        f->fail_count = 2;
        append(f, EVENT_MESSAGE_UPDATED, 2 * i + 1, 2);
        wait_requests(f, count + 4);
        log_world_wait_clean(&f->w);
        assert_int_equal(*http_fixture_count(f->server), count + 4);
        header_of(f, count, "webhook-id", first);
        for (unsigned k = 0; k < 3; k++) {
            header_of(f, count + k, "webhook-id", value);
            assert_string_equal(value, first);
            header_of(f, count + k, "X-EE-Wh-Attempts-Made", value);
            assert_true(value[0] == (char)('0' + k) && value[1] == '\0');
        }
        assert_int_equal(uid_of(f, count + 3), 2 * i + 2);
        /* ± 20 % around 40 and 80 ms; timers count whole milliseconds */
        assert_true(http_fixture_at(f->server, count + 1)->at_ms -
                        http_fixture_at(f->server, count)->at_ms >=
                    30);
        assert_true(http_fixture_at(f->server, count + 2)->at_ms -
                        http_fixture_at(f->server, count + 1)->at_ms >=
                    62);
        count += 4;
    }
}

static void receiver_says_when_to_come_back(void **state)
{
    struct fixture *f = *state;
    f->fail = (struct http_answer){.status = 503, .headers = "Retry-After: 1\r\n"};
    f->fail_count = 1;
    begin(f);
    wait_requests(f, 2);
    assert_true(http_fixture_at(f->server, 1)->at_ms -
                    http_fixture_at(f->server, 0)->at_ms >=
                990);
}

static void rejected_event_is_given_up(void **state)
{
    struct fixture *f = *state;
    static const struct {
        struct http_answer answer;
        unsigned tries;
    } rows[] = {{{.status = 400}, WEBHOOK_TRIES_MAX},
                {{.status = 302, .headers = "Location: /slow\r\n"}, 1}};
    f->config.retry_first_ms = 1;
    begin(f);
    wait_requests(f, 1);
    unsigned count = 1;
    for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
        f->fail = rows[i].answer;
        f->fail_count = rows[i].tries;
        append(f, EVENT_MESSAGE_UPDATED, 10 * i + 1, 2);
        wait_requests(f, count + rows[i].tries + 1);
        count += rows[i].tries + 1;
        assert_int_equal(uid_of(f, count - 1), 10 * i + 2);
    }
    log_world_wait_clean(&f->w);
    nothing_more(f, count);
    struct webhook_stats stats;
    webhooks_stats_get(f->hooks, &stats);
    assert_int_equal(stats.failed, 2);
}

static void refused_address_is_given_up(void **state)
{
    struct fixture *f = *state;
    struct webhook_stats stats = {0};
    log_world_settings(
        &f->w, json_pack("{s:s}", "webhooks", "http://169.254.169.254/latest/meta-data"));
    begin(f);
    log_world_wait_clean(&f->w);
    webhooks_stats_get(f->hooks, &stats);
    assert_int_equal(stats.failed, 1);
    assert_int_equal(stats.last_error.code, ERR_EGRESS);
}

static void gone_receiver_turns_webhooks_off(void **state)
{
    struct fixture *f = *state;
    f->fail = (struct http_answer){.status = 410};
    f->fail_count = 1;
    begin(f);
    wait_requests(f, 1);
    append(f, EVENT_MESSAGE_UPDATED, 1, 1);
    nothing_more(f, 1);
    assert_false(json_get_bool(store_settings(f->w.store), "webhooksEnabled", true));
    log_world_settings(&f->w, json_pack("{s:b}", "webhooksEnabled", 1));
    wait_requests(f, 3); /* the one that was refused, and the next */
    assert_int_equal(uid_of(f, 2), 1);
    log_world_wait_clean(&f->w);
}

static void disabled_then_enabled_loses_nothing(void **state)
{
    struct fixture *f = *state;
    log_world_settings(&f->w, json_pack("{s:b}", "webhooksEnabled", 0));
    begin(f);
    append(f, EVENT_MESSAGE_UPDATED, 1, 3);
    nothing_more(f, 0);
    log_world_settings(&f->w, json_pack("{s:b}", "webhooksEnabled", 1));
    wait_requests(f, 4);
    log_world_wait_clean(&f->w);
}

static void only_wanted_events_are_told(void **state)
{
    struct fixture *f = *state;
    log_world_settings(&f->w, json_pack("{s:[s]}", "webhookEvents", "messageDeleted"));
    begin(f);
    append(f, EVENT_MESSAGE_UPDATED, 1, 3);
    append(f, EVENT_MESSAGE_DELETED, 4, 1);
    wait_requests(f, 1);
    log_world_wait_clean(&f->w);
    assert_int_equal(uid_of(f, 0), 4);
    log_world_settings(&f->w, json_pack("{s:n}", "webhookEvents"));
    append(f, EVENT_MESSAGE_DELETED, 5, 1);
    nothing_more(f, 1);
    log_world_wait_clean(&f->w);
}

static void restart_repeats_what_was_in_flight_only(void **state)
{
    struct fixture *f = *state;
    char first[256];
    char again[256];
    begin(f);
    append(f, EVENT_MESSAGE_UPDATED, 1, 5);
    wait_requests(f, 6);
    log_world_wait_clean(&f->w);
    f->fail = (struct http_answer){.status = 0};
    f->fail_count = 1;
    append(f, EVENT_MESSAGE_UPDATED, 6, 2);
    wait_requests(f, 7);
    end(f);
    begin(f);
    wait_requests(f, 9);
    header_of(f, 6, "webhook-id", first);
    header_of(f, 7, "webhook-id", again);
    assert_string_equal(first, again);
    assert_int_equal(uid_of(f, 8), 7);
    nothing_more(f, 9);
}

static void slow_account_does_not_hold_up_another(void **state)
{
    struct fixture *f = *state;
    struct store_acct slow = store_world_account(&f->w, "slow");
    f->slow = (struct http_answer){.status = 0};
    begin(f);
    wait_requests(f, 2); /* the accountAdded of both */
    log_world_wait_clean(&f->w);
    log_world_record(&f->w, "slow",
                     json_pack("{s:s, s:s, s:[{s:s, s:s}]}", "account", "slow",
                               "webhooks", http_fixture_url(f->server, "/slow"),
                               "webhooksCustomHeaders", "key", "X-Own", "value", "yes"));
    webhook_account_changed(f->hooks, STR("slow"));
    log_world_append(&f->w, &slow, EVENT_MESSAGE_UPDATED, 1, 2);
    wait_requests(f, 3);
    assert_true(http_seen_is_path(http_fixture_at(f->server, 2), "/slow"));
    char value[256];
    header_of(f, 2, "X-Own", value);
    assert_string_equal(value, "yes");
    append(f, EVENT_MESSAGE_UPDATED, 1, 10);
    wait_requests(f, 13);
    assert_int_equal(uid_of(f, 12), 10);
    nothing_more(f, 13);
    store_acct_fini(&slow);
}

static void full_destination_parks_accounts(void **state)
{
    struct fixture *f = *state;
    enum {
        ACCOUNTS = 6
    };
    struct store_acct accts[ACCOUNTS];
    for (int i = 0; i < ACCOUNTS; i++) {
        char id[16];
        (void)snprintf(id, sizeof id, "acct%d", i);
        accts[i] = store_world_account(&f->w, id);
    }
    f->config.target_active = 2;
    f->fail = (struct http_answer){.status = 200, .delay_ms = 50};
    f->fail_count = 100;
    begin(f);
    wait_requests(f, 2);
    struct webhook_stats stats;
    webhooks_stats_get(f->hooks, &stats);
    assert_int_equal(stats.active, 2);
    wait_requests(f, ACCOUNTS + 1);
    for (unsigned i = 2; i < ACCOUNTS + 1; i++) {
        assert_true(http_fixture_at(f->server, i)->at_ms -
                        http_fixture_at(f->server, i - 2)->at_ms >=
                    48);
    }
    log_world_wait_clean(&f->w);
    for (int i = 0; i < ACCOUNTS; i++) {
        store_acct_fini(&accts[i]);
    }
}

static void recovery_of_the_receiver_ends_the_waiting(void **state)
{
    struct fixture *f = *state;
    struct store_acct other = store_world_account(&f->w, "other");
    f->config.retry_first_ms = 3600 * 1000;
    begin(f);
    wait_requests(f, 2);
    f->fail = (struct http_answer){.status = 500};
    f->fail_count = 1;
    append(f, EVENT_MESSAGE_UPDATED, 1, 1);
    wait_requests(f, 3);
    log_world_append(&f->w, &other, EVENT_MESSAGE_UPDATED, 1, 1);
    wait_requests(f, 4); /* one failure is the event's own matter */
    nothing_more(f, 4);
    struct store_acct more[3];
    for (unsigned i = 0; i < ARRAY_LEN(more); i++) {
        char id[16];
        (void)snprintf(id, sizeof id, "more%u", i);
        f->fail_count = 1;
        more[i] = store_world_account(&f->w, id);
        wait_requests(f, 5 + i);
    }
    nothing_more(f, 7);
    log_world_append(&f->w, &other, EVENT_MESSAGE_UPDATED, 2, 1);
    wait_requests(f, 12);
    log_world_wait_clean(&f->w);
    store_acct_fini(&other);
    for (unsigned i = 0; i < ARRAY_LEN(more); i++) {
        store_acct_fini(&more[i]);
    }
}

static void event_without_a_log_is_repeated_too(void **state)
{
    struct fixture *f = *state;
    begin(f);
    wait_requests(f, 1);
    f->fail = (struct http_answer){.status = 500};
    f->fail_count = 1;
    struct event e;
    event_init(&e, EVENT_ACCOUNT_DELETED, 1700000000000, 0, 0, NULL, NULL,
               json_pack("{s:s}", "account", "old"));
    (void)snprintf(e.id, sizeof e.id, "6a1f0c1e-0000-8000-8000-000000000001");
    webhooks_send_detached(f->hooks, STR("old"), NULL, &e);
    wait_requests(f, 3);
    json_t *doc = body_of(f, 2);
    assert_string_equal(json_get_cstr(doc, "event"), "accountDeleted");
    assert_string_equal(json_get_cstr(doc, "account"), "old");
    json_decref(doc);
    f->fail = (struct http_answer){.status = 0}; /* left behind: the stop cancels it */
    f->fail_count = 1;
    event_init(&e, EVENT_ACCOUNT_DELETED, 1700000000000, 0, 0, NULL, NULL, NULL);
    (void)snprintf(e.id, sizeof e.id, "6a1f0c1e-0000-8000-8000-000000000002");
    webhooks_send_detached(f->hooks, STR("old"), NULL, &e);
    wait_requests(f, 4);
}

static void telling_takes_milliseconds(void **state)
{
    struct fixture *f = *state;
    begin(f);
    wait_requests(f, 1);
    append(f, EVENT_MESSAGE_UPDATED, 1, 1);
    int64_t committed_ms = loop_now_ms(f->w.loop);
    wait_requests(f, 2);
    assert_true(http_fixture_at(f->server, 1)->at_ms - committed_ms < 50);
}

/* --- destinations and dead letters */

static const char *dest_state(struct fixture *f, char out[16])
{
    json_t *shown = json_object();
    assert_true(webhooks_route_describe(f->hooks, STR("default"), shown));
    const json_t *dest = json_array_get(json_get_arr(shown, "destinations"), 0);
    (void)snprintf(out, 16, "%s", dest != NULL ? json_get_cstr(dest, "state") : "none");
    json_decref(shown);
    return out;
}

static void receiver_that_fails_for_several_accounts_is_only_probed(void **state)
{
    struct fixture *f = *state;
    enum {
        ACCOUNTS = 8
    };
    char text[16];
    struct store_acct accts[ACCOUNTS];
    f->config.retry_first_ms = 200;
    begin(f);
    wait_requests(f, 1);
    f->fail = (struct http_answer){.status = 500};
    f->fail_count = 1000;
    for (int i = 0; i < ACCOUNTS; i++) {
        char id[16];
        (void)snprintf(id, sizeof id, "acct%d", i);
        accts[i] = store_world_account(&f->w, id);
    }
    wait_requests(f, 1 + 5);
    loop_fixture_run_for(f->w.loop, 1000);
    /* One after 200 ms, one after 400 more; each account alone would try thrice. */
    assert_true(*http_fixture_count(f->server) <= 1 + ACCOUNTS + 3);
    assert_string_not_equal(dest_state(f, text), "closed");
    assert_int_equal(webhooks_down_count(f->hooks), 1);
    f->fail_count = 0;
    log_world_wait_clean(&f->w);
    assert_int_equal(webhooks_down_count(f->hooks), 0);
    for (int i = 0; i < ACCOUNTS; i++) {
        store_acct_fini(&accts[i]);
    }
}

struct letters {
    size_t count;
    json_t *first;
    bool done;
};

static void on_letters(struct store_dead_list *op, const struct err *err,
                       const struct store_dead_page *page, void *ctx)
{
    (void)op;
    struct letters *l = ctx;
    assert_int_equal(err->code, ERR_OK);
    l->count = page->count;
    if (page->count > 0) {
        l->first = json_incref(page->letters[0].about);
        assert_string_equal(page->letters[0].route, "default");
        assert_string_equal(page->letters[0].acct->id, "world");
    }
    l->done = true;
}

static size_t letter_count(struct fixture *f, json_t **first_out)
{
    struct letters l = {0};
    const struct store_dead_query query = {.limit = 10};
    (void)store_dead_list_start(f->w.store, &query, on_letters, &l);
    loop_fixture_run_until(f->w.loop, &l.done, WAIT_MS);
    if (first_out != NULL) {
        *first_out = l.first;
    } else {
        json_decref(l.first);
    }
    return l.count;
}

static void on_requested(struct store_settings_op *op, const struct err *err, void *ctx)
{
    (void)op;
    (void)ctx;
    assert_int_equal(err->code, ERR_OK);
}

static void dead_letter_is_tried_again_on_demand(void **state)
{
    struct fixture *f = *state;
    const struct store_dead_query all = {.limit = 1};
    char given_up[256];
    char again[256];
    json_t *letter = NULL;
    f->config.retry_first_ms = 1;
    begin(f);
    wait_requests(f, 1);
    f->fail = (struct http_answer){.status = 400};
    f->fail_count = WEBHOOK_TRIES_MAX + 1;
    append(f, EVENT_MESSAGE_UPDATED, 1, 1);
    wait_requests(f, 1 + WEBHOOK_TRIES_MAX);
    log_world_wait_clean(&f->w);
    assert_int_equal(letter_count(f, &letter), 1);
    header_of(f, 1, "webhook-id", given_up);
    assert_string_equal(json_get_cstr(letter, "eventId"), given_up);
    assert_int_equal(json_get_int(letter, "status", 0), 400);
    json_decref(letter);
    (void)store_dead_requeue_start(f->w.store, &all, on_requested, NULL);
    wait_requests(f, 2 + WEBHOOK_TRIES_MAX); /* refused once more */
    loop_fixture_run_for(f->w.loop, 100);
    assert_int_equal(letter_count(f, &letter), 1);
    assert_int_equal(json_get_int(letter, "tries", 0), WEBHOOK_TRIES_MAX + 1);
    json_decref(letter);
    (void)store_dead_requeue_start(f->w.store, &all, on_requested, NULL);
    wait_requests(f, 3 + WEBHOOK_TRIES_MAX);
    header_of(f, 2 + WEBHOOK_TRIES_MAX, "webhook-id", again);
    assert_string_equal(again, given_up);
    loop_fixture_run_for(f->w.loop, 100);
    assert_int_equal(letter_count(f, NULL), 0);
}

static void event_ends_as_a_dead_letter_when_its_time_is_over(void **state)
{
    struct fixture *f = *state;
    f->config.retry_first_ms = 20;
    f->config.retry_max_ms = 50;
    f->config.give_up_ms = 300;
    begin(f);
    wait_requests(f, 1);
    f->fail = (struct http_answer){.status = 503};
    f->fail_count = 1000;
    append(f, EVENT_MESSAGE_UPDATED, 1, 1);
    log_world_wait_clean(&f->w);
    assert_int_equal(letter_count(f, NULL), 1);
}

static void rate_bounds_the_requests_of_a_second(void **state)
{
    struct fixture *f = *state;
    f->config.target_rate = 50;
    begin(f);
    append(f, EVENT_MESSAGE_UPDATED, 1, 20);
    wait_requests(f, 21);
    /* 21 at 50 a second, three of them at once */
    assert_true(http_fixture_at(f->server, 20)->at_ms -
                    http_fixture_at(f->server, 0)->at_ms >=
                300);
    log_world_wait_clean(&f->w);
}

static void pause_keeps_accounts_where_they_are(void **state)
{
    struct fixture *f = *state;
    begin(f);
    wait_requests(f, 1);
    log_world_settings(&f->w, json_pack("{s:b}", WEBHOOK_SETTING_PAUSED, 1));
    append(f, EVENT_MESSAGE_UPDATED, 1, 3);
    nothing_more(f, 1);
    log_world_settings(&f->w, json_pack("{s:n}", WEBHOOK_SETTING_PAUSED));
    wait_requests(f, 4);
    log_world_wait_clean(&f->w);
}

static void old_secret_signs_beside_the_new_one_for_a_while(void **state)
{
    struct fixture *f = *state;
    char value[256];
    json_t *changes = json_pack("{s:s}", "serviceSecret", "another");
    webhooks_settings_prepare(store_settings(f->w.store), changes);
    assert_non_null(json_get_obj(changes, WEBHOOK_SETTING_OLD_SECRET));
    log_world_settings(&f->w, changes);
    begin(f);
    wait_requests(f, 1);
    header_of(f, 0, "webhook-signature", value);
    assert_non_null(strchr(value, ' '));
    changes = json_pack("{s:s}", "serviceSecret", "another");
    webhooks_settings_prepare(store_settings(f->w.store), changes);
    log_world_settings(&f->w, changes);
    append(f, EVENT_MESSAGE_UPDATED, 1, 1);
    wait_requests(f, 2);
    header_of(f, 1, "webhook-signature", value);
    assert_null(strchr(value, ' '));
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(events_arrive_in_order_and_signed),
        T(message_gets_its_content),
        T(failure_is_repeated_with_the_same_event_id),
        T(receiver_says_when_to_come_back),
        T(rejected_event_is_given_up),
        T(refused_address_is_given_up),
        T(gone_receiver_turns_webhooks_off),
        T(disabled_then_enabled_loses_nothing),
        T(only_wanted_events_are_told),
        T(restart_repeats_what_was_in_flight_only),
        T(slow_account_does_not_hold_up_another),
        T(full_destination_parks_accounts),
        T(recovery_of_the_receiver_ends_the_waiting),
        T(event_without_a_log_is_repeated_too),
        T(telling_takes_milliseconds),
        T(receiver_that_fails_for_several_accounts_is_only_probed),
        T(dead_letter_is_tried_again_on_demand),
        T(event_ends_as_a_dead_letter_when_its_time_is_over),
        T(rate_bounds_the_requests_of_a_second),
        T(pause_keeps_accounts_where_they_are),
        T(old_secret_signs_beside_the_new_one_for_a_while),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
