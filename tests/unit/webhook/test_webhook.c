/* The sink from the commit to the receiver: a real redis-server, a real HTTP server. */
#include "hooks_world.h"

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

static void events_arrive_in_order_and_signed(void **state)
{
    struct hooks_world *f = *state;
    char value[256];
    hooks_begin(f);
    hooks_append(f, EVENT_MESSAGE_UPDATED, 1, 40);
    hooks_wait(f, 41);
    for (unsigned i = 1; i <= 40; i++) {
        const struct http_seen *seen = http_fixture_at(f->server, i);
        struct buf expected = BUF_INIT(128);
        webhook_sign_body(STR("a secret"), str_from(seen->body, seen->body_len),
                          &expected);
        hooks_header(f, i, "X-EE-Wh-Signature", value);
        assert_string_equal(value, buf_c(&expected));
        buf_fini(&expected);
        assert_int_equal(hooks_uid(f, i), i);
        assert_true(http_seen_is_path(seen, "/hook"));
        assert_int_equal(seen->connection, 1);
    }
    json_t *doc = hooks_body(f, 1);
    assert_string_equal(json_get_cstr(doc, "event"), "messageUpdated");
    assert_string_equal(json_get_cstr(doc, "account"), "world");
    assert_string_equal(json_get_cstr(doc, "path"), "INBOX");
    hooks_header(f, 1, "X-EE-Wh-Event-Id", value);
    assert_string_equal(json_get_cstr(doc, "eventId"), value);
    hooks_header(f, 1, "webhook-id", value);
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
    struct hooks_world *f = *state;
    static const struct {
        enum err_code code;
        const char *subject;
        bool gone, thin;
    } rows[] = {{ERR_OK, "Hello", false, false},
                {ERR_NO_MESSAGE, NULL, true, false},
                {ERR_UNAVAILABLE, NULL, false, true}};
    hooks_begin(f);
    hooks_wait(f, 1);
    for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
        f->enrich_code = rows[i].code;
        hooks_append(f, EVENT_MESSAGE_NEW, i + 1, 1);
        hooks_wait(f, 2 + i);
        json_t *doc = hooks_body(f, 1 + i);
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

/* To who names only arrivals it stays one. */
static void message_that_its_server_does_not_show_is_missing(void **state)
{
    struct hooks_world *f = *state;
    static const struct {
        const char *event, *told;
        bool enriched;
    } rows[] = {{"*", "messageMissing", true},
                {"messageMissing", "messageMissing", true},
                {"messageNew", "messageNew", false}};
    unsigned told = 1;
    f->enrich_code = ERR_NO_MESSAGE;
    f->missing = true;
    hooks_begin(f);
    hooks_wait(f, 1);
    for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
        char id[256];
        log_world_settings(&f->w, json_pack("{s:[s]}", "webhookEvents", rows[i].event));
        hooks_append(f, EVENT_MESSAGE_NEW, i + 1, 1);
        log_world_wait_clean(&f->w);
        told++;
        hooks_nothing_more(f, told);
        json_t *doc = hooks_body(f, told - 1);
        const json_t *data = json_get_obj(doc, "data");
        assert_string_equal(json_get_cstr(doc, "event"), rows[i].told);
        assert_string_equal(json_get_cstr(doc, "path"), "INBOX");
        assert_int_equal(json_get_int(data, "missingRetries", 0),
                         rows[i].enriched ? 3 : 0);
        assert_int_equal(json_get_bool(data, "enriched", true), rows[i].enriched);
        hooks_header(f, told - 1, "webhook-id", id);
        assert_string_equal(json_get_cstr(doc, "eventId"), id);
        json_decref(doc);
    }
    /* One that is there after all is no news to who is told of missing ones only. */
    f->enrich_code = ERR_OK;
    log_world_settings(&f->w, json_pack("{s:[s]}", "webhookEvents", "messageMissing"));
    hooks_append(f, EVENT_MESSAGE_NEW, 9, 1);
    log_world_wait_clean(&f->w);
    hooks_nothing_more(f, told);
}

static void failure_is_repeated_with_the_same_event_id(void **state)
{
    struct hooks_world *f = *state;
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
    hooks_begin(f);
    hooks_wait(f, 1);
    for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
        f->fail = rows[i];
        f->fail_count = 2;
        hooks_append(f, EVENT_MESSAGE_UPDATED, 2 * i + 1, 2);
        hooks_wait(f, count + 4);
        log_world_wait_clean(&f->w);
        assert_int_equal(*http_fixture_count(f->server), count + 4);
        hooks_header(f, count, "webhook-id", first);
        for (unsigned k = 0; k < 3; k++) {
            hooks_header(f, count + k, "webhook-id", value);
            assert_string_equal(value, first);
            hooks_header(f, count + k, "X-EE-Wh-Attempts-Made", value);
            assert_true(value[0] == (char)('0' + k) && value[1] == '\0');
        }
        assert_int_equal(hooks_uid(f, count + 3), 2 * i + 2);
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
    struct hooks_world *f = *state;
    f->fail = (struct http_answer){.status = 503, .headers = "Retry-After: 1\r\n"};
    f->fail_count = 1;
    hooks_begin(f);
    hooks_wait(f, 2);
    assert_true(http_fixture_at(f->server, 1)->at_ms -
                    http_fixture_at(f->server, 0)->at_ms >=
                990);
}

static void rejected_event_is_given_up(void **state)
{
    struct hooks_world *f = *state;
    static const struct {
        struct http_answer answer;
        unsigned tries;
    } rows[] = {{{.status = 400}, WEBHOOK_TRIES_MAX},
                {{.status = 302, .headers = "Location: /slow\r\n"}, 1}};
    f->config.retry_first_ms = 1;
    hooks_begin(f);
    hooks_wait(f, 1);
    unsigned count = 1;
    for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
        f->fail = rows[i].answer;
        f->fail_count = rows[i].tries;
        hooks_append(f, EVENT_MESSAGE_UPDATED, 10 * i + 1, 2);
        hooks_wait(f, count + rows[i].tries + 1);
        count += rows[i].tries + 1;
        assert_int_equal(hooks_uid(f, count - 1), 10 * i + 2);
    }
    log_world_wait_clean(&f->w);
    hooks_nothing_more(f, count);
    struct webhook_stats stats;
    webhooks_stats_get(f->hooks, &stats);
    assert_int_equal(stats.failed, 2);
}

static void refused_address_is_given_up(void **state)
{
    struct hooks_world *f = *state;
    struct webhook_stats stats = {0};
    log_world_settings(
        &f->w, json_pack("{s:s}", "webhooks", "http://169.254.169.254/latest/meta-data"));
    hooks_begin(f);
    log_world_wait_clean(&f->w);
    webhooks_stats_get(f->hooks, &stats);
    assert_int_equal(stats.failed, 1);
    assert_int_equal(stats.last_error.code, ERR_EGRESS);
}

static void gone_receiver_turns_webhooks_off(void **state)
{
    struct hooks_world *f = *state;
    f->fail = (struct http_answer){.status = 410};
    f->fail_count = 1;
    hooks_begin(f);
    hooks_wait(f, 1);
    hooks_append(f, EVENT_MESSAGE_UPDATED, 1, 1);
    hooks_nothing_more(f, 1);
    assert_false(json_get_bool(store_settings(f->w.store), "webhooksEnabled", true));
    log_world_settings(&f->w, json_pack("{s:b}", "webhooksEnabled", 1));
    hooks_wait(f, 3); /* the one that was refused, and the next */
    assert_int_equal(hooks_uid(f, 2), 1);
    log_world_wait_clean(&f->w);
}

static void disabled_then_enabled_loses_nothing(void **state)
{
    struct hooks_world *f = *state;
    log_world_settings(&f->w, json_pack("{s:b}", "webhooksEnabled", 0));
    hooks_begin(f);
    hooks_append(f, EVENT_MESSAGE_UPDATED, 1, 3);
    hooks_nothing_more(f, 0);
    log_world_settings(&f->w, json_pack("{s:b}", "webhooksEnabled", 1));
    hooks_wait(f, 4);
    log_world_wait_clean(&f->w);
}

static void only_wanted_events_are_told(void **state)
{
    struct hooks_world *f = *state;
    log_world_settings(&f->w, json_pack("{s:[s]}", "webhookEvents", "messageDeleted"));
    hooks_begin(f);
    hooks_append(f, EVENT_MESSAGE_UPDATED, 1, 3);
    hooks_append(f, EVENT_MESSAGE_DELETED, 4, 1);
    hooks_wait(f, 1);
    log_world_wait_clean(&f->w);
    assert_int_equal(hooks_uid(f, 0), 4);
    log_world_settings(&f->w, json_pack("{s:n}", "webhookEvents"));
    hooks_append(f, EVENT_MESSAGE_DELETED, 5, 1);
    hooks_nothing_more(f, 1);
    log_world_wait_clean(&f->w);
}

static void restart_repeats_what_was_in_flight_only(void **state)
{
    struct hooks_world *f = *state;
    char first[256];
    char again[256];
    hooks_begin(f);
    hooks_append(f, EVENT_MESSAGE_UPDATED, 1, 5);
    hooks_wait(f, 6);
    log_world_wait_clean(&f->w);
    f->fail = (struct http_answer){.status = 0};
    f->fail_count = 1;
    hooks_append(f, EVENT_MESSAGE_UPDATED, 6, 2);
    hooks_wait(f, 7);
    hooks_end(f);
    hooks_begin(f);
    hooks_wait(f, 9);
    hooks_header(f, 6, "webhook-id", first);
    hooks_header(f, 7, "webhook-id", again);
    assert_string_equal(first, again);
    assert_int_equal(hooks_uid(f, 8), 7);
    hooks_nothing_more(f, 9);
}

static void slow_account_does_not_hold_up_another(void **state)
{
    struct hooks_world *f = *state;
    struct store_acct slow = store_world_account(&f->w, "slow");
    f->slow = (struct http_answer){.status = 0};
    hooks_begin(f);
    hooks_wait(f, 2); /* the accountAdded of both */
    log_world_wait_clean(&f->w);
    log_world_record(&f->w, "slow",
                     json_pack("{s:s, s:s, s:[{s:s, s:s}]}", "account", "slow",
                               "webhooks", http_fixture_url(f->server, "/slow"),
                               "webhooksCustomHeaders", "key", "X-Own", "value", "yes"));
    webhook_account_changed(f->hooks, STR("slow"));
    log_world_append(&f->w, &slow, EVENT_MESSAGE_UPDATED, 1, 2);
    hooks_wait(f, 3);
    assert_true(http_seen_is_path(http_fixture_at(f->server, 2), "/slow"));
    char value[256];
    hooks_header(f, 2, "X-Own", value);
    assert_string_equal(value, "yes");
    hooks_append(f, EVENT_MESSAGE_UPDATED, 1, 10);
    hooks_wait(f, 13);
    assert_int_equal(hooks_uid(f, 12), 10);
    hooks_nothing_more(f, 13);
    store_acct_fini(&slow);
}

static void full_destination_parks_accounts(void **state)
{
    struct hooks_world *f = *state;
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
    hooks_begin(f);
    hooks_wait(f, 2);
    struct webhook_stats stats;
    webhooks_stats_get(f->hooks, &stats);
    assert_int_equal(stats.active, 2);
    hooks_wait(f, ACCOUNTS + 1);
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
    struct hooks_world *f = *state;
    struct store_acct other = store_world_account(&f->w, "other");
    f->config.retry_first_ms = 3600 * 1000;
    hooks_begin(f);
    hooks_wait(f, 2);
    f->fail = (struct http_answer){.status = 500};
    f->fail_count = 1;
    hooks_append(f, EVENT_MESSAGE_UPDATED, 1, 1);
    hooks_wait(f, 3);
    log_world_append(&f->w, &other, EVENT_MESSAGE_UPDATED, 1, 1);
    hooks_wait(f, 4); /* one failure is the event's own matter */
    hooks_nothing_more(f, 4);
    struct store_acct more[3];
    for (unsigned i = 0; i < ARRAY_LEN(more); i++) {
        char id[16];
        (void)snprintf(id, sizeof id, "more%u", i);
        f->fail_count = 1;
        more[i] = store_world_account(&f->w, id);
        hooks_wait(f, 5 + i);
    }
    hooks_nothing_more(f, 7);
    log_world_append(&f->w, &other, EVENT_MESSAGE_UPDATED, 2, 1);
    hooks_wait(f, 12);
    log_world_wait_clean(&f->w);
    store_acct_fini(&other);
    for (unsigned i = 0; i < ARRAY_LEN(more); i++) {
        store_acct_fini(&more[i]);
    }
}

static void event_without_a_log_is_repeated_too(void **state)
{
    struct hooks_world *f = *state;
    hooks_begin(f);
    hooks_wait(f, 1);
    f->fail = (struct http_answer){.status = 500};
    f->fail_count = 1;
    struct event e;
    event_init(&e, EVENT_ACCOUNT_DELETED, 1700000000000, 0, 0, NULL, NULL,
               json_pack("{s:s}", "account", "old"));
    (void)snprintf(e.id, sizeof e.id, "6a1f0c1e-0000-8000-8000-000000000001");
    webhooks_send_detached(f->hooks, STR("old"), NULL, &e);
    hooks_wait(f, 3);
    json_t *doc = hooks_body(f, 2);
    assert_string_equal(json_get_cstr(doc, "event"), "accountDeleted");
    assert_string_equal(json_get_cstr(doc, "account"), "old");
    json_decref(doc);
    f->fail = (struct http_answer){.status = 0}; /* left behind: the stop cancels it */
    f->fail_count = 1;
    event_init(&e, EVENT_ACCOUNT_DELETED, 1700000000000, 0, 0, NULL, NULL, NULL);
    (void)snprintf(e.id, sizeof e.id, "6a1f0c1e-0000-8000-8000-000000000002");
    webhooks_send_detached(f->hooks, STR("old"), NULL, &e);
    hooks_wait(f, 4);
}

static void telling_takes_milliseconds(void **state)
{
    struct hooks_world *f = *state;
    hooks_begin(f);
    hooks_wait(f, 1);
    hooks_append(f, EVENT_MESSAGE_UPDATED, 1, 1);
    int64_t committed_ms = loop_now_ms(f->w.loop);
    hooks_wait(f, 2);
    assert_true(http_fixture_at(f->server, 1)->at_ms - committed_ms < 50);
}

/* --- destinations and dead letters */

static const char *dest_state(struct hooks_world *f, char out[16])
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
    struct hooks_world *f = *state;
    enum {
        ACCOUNTS = 8
    };
    char text[16];
    struct store_acct accts[ACCOUNTS];
    f->config.retry_first_ms = 200;
    hooks_begin(f);
    hooks_wait(f, 1);
    f->fail = (struct http_answer){.status = 500};
    f->fail_count = 1000;
    for (int i = 0; i < ACCOUNTS; i++) {
        char id[16];
        (void)snprintf(id, sizeof id, "acct%d", i);
        accts[i] = store_world_account(&f->w, id);
    }
    hooks_wait(f, 1 + 5);
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

static void rate_bounds_the_requests_of_a_second(void **state)
{
    struct hooks_world *f = *state;
    f->config.target_rate = 50;
    hooks_begin(f);
    hooks_append(f, EVENT_MESSAGE_UPDATED, 1, 20);
    hooks_wait(f, 21);
    /* 21 at 50 a second, three of them at once */
    assert_true(http_fixture_at(f->server, 20)->at_ms -
                    http_fixture_at(f->server, 0)->at_ms >=
                300);
    log_world_wait_clean(&f->w);
}

static void pause_keeps_accounts_where_they_are(void **state)
{
    struct hooks_world *f = *state;
    hooks_begin(f);
    hooks_wait(f, 1);
    log_world_settings(&f->w, json_pack("{s:b}", WEBHOOK_SETTING_PAUSED, 1));
    hooks_append(f, EVENT_MESSAGE_UPDATED, 1, 3);
    hooks_nothing_more(f, 1);
    log_world_settings(&f->w, json_pack("{s:n}", WEBHOOK_SETTING_PAUSED));
    hooks_wait(f, 4);
    log_world_wait_clean(&f->w);
}

static void old_secret_signs_beside_the_new_one_for_a_while(void **state)
{
    struct hooks_world *f = *state;
    char value[256];
    json_t *changes = json_pack("{s:s}", "serviceSecret", "another");
    webhooks_settings_prepare(store_settings(f->w.store), changes);
    assert_non_null(json_get_obj(changes, WEBHOOK_SETTING_OLD_SECRET));
    log_world_settings(&f->w, changes);
    hooks_begin(f);
    hooks_wait(f, 1);
    hooks_header(f, 0, "webhook-signature", value);
    assert_non_null(strchr(value, ' '));
    changes = json_pack("{s:s}", "serviceSecret", "another");
    webhooks_settings_prepare(store_settings(f->w.store), changes);
    log_world_settings(&f->w, changes);
    hooks_append(f, EVENT_MESSAGE_UPDATED, 1, 1);
    hooks_wait(f, 2);
    hooks_header(f, 1, "webhook-signature", value);
    assert_null(strchr(value, ' '));
}

#define T(name) cmocka_unit_test_setup_teardown(name, hooks_setup, hooks_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(events_arrive_in_order_and_signed),
        T(message_gets_its_content),
        T(message_that_its_server_does_not_show_is_missing),
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
        T(rate_bounds_the_requests_of_a_second),
        T(pause_keeps_accounts_where_they_are),
        T(old_secret_signs_beside_the_new_one_for_a_while),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
