/* What failures mean: classes, delays, limits, and handshake slots. */
#include "account_priv.h"

#include "loop_fixture.h"

#include "postrider/base/clock.h"
#include "postrider/base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define SECOND INT64_C(1000)
#define MINUTE (60 * SECOND)

struct world {
    struct accounts as;
    struct account a;
};

static int setup(void **state)
{
    struct world *w = MEM_NEW(struct world);
    w->as.loop = loop_fixture_new();
    w->as.config.connect_concurrency = 4;
    w->as.config.connect_total = 6;
    w->as.config.walk_concurrency = 2;
    w->as.config.batch_messages = 1000;
    w->as.hosts = map_new(host_slots_free);
    w->as.started_ms = w->as.progress_ms = loop_now_ms(w->as.loop);
    list_init(&w->as.all);
    list_init(&w->as.walks_waiting);
    w->a.as = &w->as;
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    timer_stop(&w->as.walks_look);
    map_free(&w->as.hosts);
    loop_fixture_free(&w->as.loop);
    mem_free(w);
    return 0;
}

/* --- the table --- */

static void every_code_has_its_class(void **state)
{
    (void)state;
    static const struct {
        enum err_code code;
        const char *klass, *shown;
        bool tells;
        int64_t first_ms, third_ms; /* least */
    } rows[] = {
        {ERR_DNS, "network", "connectError", true, 1600, 3600},
        {ERR_CONNECT, "network", "connectError", true, 1600, 3600},
        {ERR_NET, "network", "connectError", true, 1600, 3600},
        {ERR_TIMEOUT, "network", "connectError", true, 1600, 3600},
        {ERR_BYE, "network", "connectError", true, 1600, 3600},
        {ERR_TLS_CERT, "certificate", "connectError", true, 54 * MINUTE, 54 * MINUTE},
        {ERR_STARTTLS, "certificate", "connectError", true, 54 * MINUTE, 54 * MINUTE},
        {ERR_EGRESS, "certificate", "connectError", true, 54 * MINUTE, 54 * MINUTE},
        {ERR_AUTH, "auth", "authenticationError", true, 5 * MINUTE, 60 * MINUTE},
        {ERR_TOKEN_DOWN, "token", "connecting", false, 24 * SECOND, 96 * SECOND},
        {ERR_TOKEN_GRANT, "grant", "authenticationError", true, 1440 * MINUTE,
         1440 * MINUTE},
        {ERR_THROTTLED, "throttled", "connecting", false, MINUTE, 4 * MINUTE},
        {ERR_MAXCONN, "connections", "connecting", false, 5 * MINUTE, 5 * MINUTE},
        {ERR_PROTOCOL, "protocol", "connectError", true, 4000, 16000},
        {ERR_LIMIT, "protocol", "connectError", true, 4000, 16000},
        {ERR_BAD, "protocol", "connectError", true, 4000, 16000},
        {ERR_STORE_DOWN, "store", "connecting", false, 400, 900},
        {ERR_FENCED, "store", "connecting", false, 400, 900},
        {ERR_QUOTA, "request", "connectError", true, 4000, 16000},
        {ERR_NO_MAILBOX, "request", "connectError", true, 4000, 16000},
        {ERR_NO_MESSAGE, "request", "connectError", true, 4000, 16000},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct err err = {.code = rows[i].code};
        struct backoff backoffs[ACCOUNT_CLASS_COUNT] = {{0}};
        const struct account_reaction *r = account_reaction_get(&err);
        assert_string_equal(r->name, rows[i].klass);
        assert_string_equal(r->state, rows[i].shown);
        assert_int_equal(r->tells, rows[i].tells);
        int64_t first_ms = account_reaction_delay_ms(&err, backoffs);
        (void)account_reaction_delay_ms(&err, backoffs);
        int64_t third_ms = account_reaction_delay_ms(&err, backoffs);
        assert_true(first_ms >= rows[i].first_ms && first_ms <= 2 * rows[i].first_ms);
        assert_true(third_ms >= rows[i].third_ms && third_ms <= 2 * rows[i].third_ms);
    }
}

static void refused_credentials_are_tried_more_and_more_rarely(void **state)
{
    (void)state;
    static const int64_t least[] = {5, 15, 60, 360, 360};
    struct err err = {.code = ERR_AUTH};
    struct backoff backoffs[ACCOUNT_CLASS_COUNT] = {{0}};
    for (size_t i = 0; i < ARRAY_LEN(least); i++) {
        int64_t ms = account_reaction_delay_ms(&err, backoffs);
        assert_true(ms >= least[i] * MINUTE && ms <= least[i] * MINUTE * 11 / 10);
    }
}

static void a_hint_of_the_server_is_kept_to_but_not_past_five_minutes(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t least_ms, most_ms;
    } rows[] = {
        {"Request is throttled. Suggested Backoff Time: 2000 milliseconds", 2000, 2200},
        {"Request is throttled. Suggested Backoff Time: 900000 milliseconds", 5 * MINUTE,
         5 * MINUTE * 11 / 10},
        {"Request is throttled.", MINUTE, MINUTE * 11 / 10},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct err err = {0};
        struct backoff backoffs[ACCOUNT_CLASS_COUNT] = {{0}};
        (void)err_set(&err, ERR_THROTTLED, "%s", rows[i].text);
        int64_t ms = account_reaction_delay_ms(&err, backoffs);
        assert_true(ms >= rows[i].least_ms && ms <= rows[i].most_ms);
    }
}

/* --- limits --- */

static void throttling_halves_what_is_asked_at_once(void **state)
{
    struct world *w = *state;
    struct err err = {.code = ERR_THROTTLED};
    static const uint32_t batches[] = {1000, 500, 250, 125, 125};
    static const uint32_t depths[] = {4, 2, 1, 1, 1};
    for (size_t i = 0; i < ARRAY_LEN(batches); i++) {
        struct imap_conn_params params = {0};
        account_limits_params(&w->a, &params);
        assert_int_equal(account_batch_messages(&w->a), batches[i]);
        assert_int_equal(params.pipeline_depth, depths[i]);
        account_limits_note(&w->a, &err);
    }
    account_limits_relax(&w->a);
    assert_int_equal(account_batch_messages(&w->a), 1000);
}

static void extensions_go_one_by_one_after_two_protocol_failures(void **state)
{
    struct world *w = *state;
    struct err err = {.code = ERR_PROTOCOL};
    static const uint32_t off[] = {0,
                                   0,
                                   0,
                                   0,
                                   IMAP_CAP_QRESYNC,
                                   IMAP_CAP_QRESYNC | IMAP_CAP_ESEARCH,
                                   IMAP_CAP_QRESYNC | IMAP_CAP_ESEARCH};
    for (size_t i = 0; i < ARRAY_LEN(off); i++) {
        struct imap_conn_params params = {0};
        account_limits_params(&w->a, &params);
        assert_int_equal(params.caps_off, off[i]);
        assert_int_equal(params.pipeline_depth, i < 3 ? 4 : 1);
        account_limits_note(&w->a, &err);
    }
    /* What was found out in this way holds for a day, a good connection or not. */
    struct imap_conn_params params = {0};
    account_limits_relax(&w->a);
    account_limits_params(&w->a, &params);
    assert_int_not_equal(params.caps_off, 0);
    account_limits_forget(&w->a);
    params = (struct imap_conn_params){0};
    account_limits_params(&w->a, &params);
    assert_int_equal(params.caps_off, 0);
}

static void too_many_connections_leave_one_to_work_with(void **state)
{
    struct world *w = *state;
    struct err err = {.code = ERR_MAXCONN};
    assert_int_equal(account_work_limit(&w->a), ACCOUNT_WORK_MAX);
    for (size_t i = 0; i < 5; i++) {
        account_limits_note(&w->a, &err);
    }
    assert_int_equal(account_work_limit(&w->a), 1);
}

/* --- handshake slots --- */

static unsigned granted;

static void on_grant(struct slot_wait *s)
{
    (void)s;
    granted++;
}

static void slots_are_limited_by_host_and_over_all(void **state)
{
    struct world *w = *state;
    struct slot_wait one[6] = {{.host = NULL}}, two[6] = {{.host = NULL}};
    granted = 0;
    for (size_t i = 0; i < ARRAY_LEN(one); i++) {
        slot_request(&w->as, "one.example.com", &one[i], on_grant);
    }
    assert_int_equal(granted, 4);
    for (size_t i = 0; i < ARRAY_LEN(two); i++) {
        slot_request(&w->as, "two.example.com", &two[i], on_grant);
    }
    assert_int_equal(granted, 6);
    for (size_t i = 0; i < ARRAY_LEN(one); i++) {
        slot_release(&w->as, &one[i]);
    }
    /* The other host is looked at again by itself. */
    loop_fixture_run_until_count(w->as.loop, &granted, 4 + 2 + 2 + 2, 5000);
    for (size_t i = 0; i < ARRAY_LEN(two); i++) {
        slot_release(&w->as, &two[i]);
    }
    assert_int_equal(w->as.handshakes, 0);
}

static struct accounts *failing;

/* A connection that fails at once gives its slot back inside the grant. */
static void on_grant_fail(struct slot_wait *s)
{
    granted++;
    slot_release(failing, s);
}

static void grants_that_end_at_once_do_not_pile_up(void **state)
{
    enum {
        MANY = 100000
    };
    struct world *w = *state;
    struct slot_wait held = {.host = NULL};
    struct slot_wait *many = mem_array(MANY, sizeof *many);
    failing = &w->as;
    granted = 0;
    w->as.config.connect_concurrency = 1;
    slot_request(&w->as, "one.example.com", &held, on_grant);
    for (size_t i = 0; i < MANY; i++) {
        slot_request(&w->as, "one.example.com", &many[i], on_grant_fail);
    }
    assert_int_equal(granted, 1);
    slot_release(&w->as, &held);
    assert_int_equal(granted, 1 + MANY);
    mem_free(many);
}

static void a_host_that_throttled_gets_half(void **state)
{
    struct world *w = *state;
    struct slot_wait waits[4] = {{.host = NULL}};
    granted = 0;
    slot_host_throttled(&w->as, "one.example.com");
    for (size_t i = 0; i < ARRAY_LEN(waits); i++) {
        slot_request(&w->as, "one.example.com", &waits[i], on_grant);
    }
    assert_int_equal(granted, 2);
    for (size_t i = ARRAY_LEN(waits); i > 0; i--) {
        slot_release(&w->as, &waits[i - 1]);
    }
}

static void providers_that_count_logins_get_them_at_their_pace(void **state)
{
    struct world *w = *state;
    struct slot_wait waits[3] = {{.host = NULL}};
    granted = 0;
    for (size_t i = 0; i < ARRAY_LEN(waits); i++) {
        slot_request(&w->as, "IMAP.Gmail.com", &waits[i], on_grant);
    }
    assert_int_equal(granted, 1);
    int64_t start_ms = loop_now_ms(w->as.loop);
    loop_fixture_run_until_count(w->as.loop, &granted, 3, 5000);
    assert_true(loop_now_ms(w->as.loop) - start_ms >= 390);
    for (size_t i = 0; i < ARRAY_LEN(waits); i++) {
        slot_release(&w->as, &waits[i]);
    }
}

/* --- first indexes --- */

static void on_next(struct deferred *d)
{
    (void)d;
}

static void first_indexes_wait_for_those_not_heard_yet_and_for_each_other(void **state)
{
    struct world *w = *state;
    struct account *many = mem_array(5, sizeof *many);
    for (size_t i = 0; i < 5; i++) {
        many[i] = (struct account){.as = &w->as, .next = {.fn = on_next}};
        list_init(&many[i].node);
        list_append(&w->as.all, &many[i].node);
        many[i].phase = ACCOUNT_PHASE_ONLINE;
    }
    many[4].phase = ACCOUNT_PHASE_OPENING;
    for (size_t i = 0; i < 4; i++) {
        assert_false(account_walk_take(&many[i]));
    }
    loop_fixture_run_for(w->as.loop, 120);
    assert_int_equal(w->as.walks, 0);
    many[4].heard = true; /* only reconnects */
    loop_fixture_run_for(w->as.loop, 120);
    assert_int_equal(w->as.walks, 2);
    assert_true(account_walk_take(&many[0]) && account_walk_take(&many[1]));
    assert_false(account_walk_take(&many[2]));
    account_walk_give(&many[0]);
    assert_true(account_walk_take(&many[2]));
    account_walk_give(&many[3]); /* withdrawn */
    for (size_t i = 0; i < 5; i++) {
        account_walk_give(&many[i]);
        loop_undefer(&many[i].next);
    }
    assert_int_equal(w->as.walks, 0);
    mem_free(many);
}

static void a_host_that_hangs_does_not_hold_first_indexes_up(void **state)
{
    struct world *w = *state;
    struct account *two = mem_array(2, sizeof *two);
    for (size_t i = 0; i < 2; i++) {
        two[i] = (struct account){.as = &w->as, .next = {.fn = on_next}};
        list_init(&two[i].node);
        list_append(&w->as.all, &two[i].node);
    }
    two[0].phase = ACCOUNT_PHASE_ONLINE;
    two[1].phase = ACCOUNT_PHASE_OPENING;
    assert_false(account_walk_take(&two[0]));
    loop_fixture_run_for(w->as.loop, 1000);
    assert_int_equal(w->as.walks, 0);
    loop_fixture_run_for(w->as.loop, 1500);
    assert_int_equal(w->as.walks, 1);
    account_walk_give(&two[0]);
    loop_undefer(&two[0].next);
    mem_free(two);
}

static void credentials_refused_for_three_days_are_given_up(void **state)
{
    struct world *w = *state;
    const int64_t hour_ms = 60 * MINUTE;
    assert_false(account_limits_gave_up(&w->a));
    w->a.limits.refused_since_ms = clock_wall_ms() - 71 * hour_ms;
    assert_false(account_limits_gave_up(&w->a));
    w->a.limits.refused_since_ms = clock_wall_ms() - 72 * hour_ms;
    assert_true(account_limits_gave_up(&w->a));
    account_limits_forget(&w->a);
    assert_false(account_limits_gave_up(&w->a));
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_code_has_its_class),
        cmocka_unit_test(refused_credentials_are_tried_more_and_more_rarely),
        cmocka_unit_test(a_hint_of_the_server_is_kept_to_but_not_past_five_minutes),
        TEST(throttling_halves_what_is_asked_at_once),
        TEST(extensions_go_one_by_one_after_two_protocol_failures),
        TEST(too_many_connections_leave_one_to_work_with),
        TEST(credentials_refused_for_three_days_are_given_up),
        TEST(a_host_that_hangs_does_not_hold_first_indexes_up),
        TEST(slots_are_limited_by_host_and_over_all),
        TEST(grants_that_end_at_once_do_not_pile_up),
        TEST(a_host_that_throttled_gets_half),
        TEST(providers_that_count_logins_get_them_at_their_pace),
        TEST(first_indexes_wait_for_those_not_heard_yet_and_for_each_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
