/* The client against a real redis-server. */
#include "loop_fixture.h"
#include "redis_fixture.h"

#include "postrider/base/log.h"
#include "postrider/redis/redis.h"

#include <hiredis/hiredis.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum {
    WAIT_MS = 20000
};

struct fixture {
    struct loop *loop;
    struct net *net;
    struct redis_fixture *server;
    struct redis *r;
    bool ready;
    unsigned state_calls;
};

/* What a callback saw. */
struct seen {
    bool done;
    unsigned calls;
    enum err_code code;
    char peer_code[ERR_PEER_CODE_MAX];
    char msg[ERR_MSG_MAX];
    bool maybe_executed;
    enum redis_type type;
    int64_t integer;
    size_t count;
    char text[256];
};

static void on_reply(struct redis_cmd *cmd, const struct err *err,
                     const struct redis_reply *reply, void *ctx)
{
    struct seen *seen = ctx;
    seen->done = true;
    seen->calls++;
    seen->maybe_executed = redis_cmd_maybe_executed(cmd);
    if (err != NULL) {
        assert_null(reply);
        seen->code = err->code;
        (void)snprintf(seen->peer_code, sizeof seen->peer_code, "%s", err->peer_code);
        (void)snprintf(seen->msg, sizeof seen->msg, "%s", err->msg);
        return;
    }
    seen->code = ERR_OK;
    seen->type = reply->type;
    seen->integer = reply->integer;
    seen->count = reply->count;
    (void)snprintf(seen->text, sizeof seen->text, "%.*s", STR_ARG(reply->str));
}

static void on_state(struct redis *r, enum redis_state state, const struct err *err,
                     void *ctx)
{
    struct fixture *f = ctx;
    assert_true(state == redis_state_get(r));
    assert_int_equal(state == REDIS_STATE_READY, err->code == ERR_OK);
    f->ready = state == REDIS_STATE_READY;
    f->state_calls++;
}

static int setup(void **state)
{
    static struct fixture f;
    f = (struct fixture){0};
    log_configure(LOG_OFF, LOG_FORMAT_TEXT);
    f.loop = loop_fixture_new();
    f.net = net_new(f.loop, &(struct net_config){.egress = EGRESS_PRIVATE});
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    redis_free(&f->r);
    loop_fixture_run_for(f->loop, 20);
    net_free(&f->net);
    loop_fixture_free(&f->loop);
    redis_fixture_free(&f->server);
    return 0;
}

static void connect_client(struct fixture *f, const struct redis_config *config)
{
    struct err err = {0};
    f->r = redis_new(f->net, config, &err);
    assert_non_null(f->r);
    redis_set_state_cb(f->r, on_state, f);
}

static void make_ready(struct fixture *f, const struct redis_config *config)
{
    connect_client(f, config);
    loop_fixture_run_until(f->loop, &f->ready, WAIT_MS);
    assert_int_equal(redis_state_get(f->r), REDIS_STATE_READY);
}

static void start_plain(struct fixture *f)
{
    f->server = redis_fixture_start(NULL);
    make_ready(f, &(struct redis_config){.url = redis_fixture_url(f->server)});
}

static void wait_for(struct fixture *f, struct seen *seen)
{
    loop_fixture_run_until(f->loop, &seen->done, WAIT_MS);
}

static void run(struct fixture *f, struct seen *seen, const char *a, const char *b,
                const char *c)
{
    const struct str argv[] = {str_of(a), str_of(b), str_of(c)};
    size_t argc = c != NULL ? 3 : b != NULL ? 2 : 1;
    *seen = (struct seen){0};
    (void)redis_cmd_start(f->r, argc, argv, WAIT_MS, on_reply, seen);
    assert_false(seen->done);
    wait_for(f, seen);
}

/* Runs until the client's last failure has this code. */
static void wait_for_err(struct fixture *f, enum err_code code)
{
    for (int i = 0; redis_last_err(f->r)->code != code; i++) {
        assert_true(i < 500);
        loop_fixture_run_for(f->loop, 10);
    }
    assert_true(redis_state_get(f->r) != REDIS_STATE_READY);
}

static void replies_of_every_type(void **state)
{
    struct fixture *f = *state;
    start_plain(f);
    struct seen seen;
    run(f, &seen, "SET", "k", "v");
    assert_int_equal(seen.type, REDIS_STATUS);
    assert_string_equal(seen.text, "OK");
    run(f, &seen, "GET", "k", NULL);
    assert_int_equal(seen.type, REDIS_STRING);
    assert_string_equal(seen.text, "v");
    run(f, &seen, "GET", "none", NULL);
    assert_int_equal(seen.type, REDIS_NIL);
    run(f, &seen, "INCRBY", "n", "41");
    assert_int_equal(seen.type, REDIS_INTEGER);
    assert_int_equal(seen.integer, 41);
    run(f, &seen, "MGET", "k", "none");
    assert_int_equal(seen.type, REDIS_ARRAY);
    assert_int_equal(seen.count, 2);
    run(f, &seen, "HGET", "k", "x");
    assert_int_equal(seen.code, ERR_STORE_REPLY);
    assert_string_equal(seen.peer_code, "WRONGTYPE");
    run(f, &seen, "NOSUCH", "topsecret", "x");
    assert_int_equal(seen.code, ERR_STORE_REPLY);
    assert_null(strstr(seen.msg, "topsecret"));

    seen = (struct seen){0};
    (void)redis_cmdf_start(f->r, WAIT_MS, on_reply, &seen, "SET %s %b", "bin", "a\0b",
                           (size_t)3);
    wait_for(f, &seen);
    run(f, &seen, "STRLEN", "bin", NULL);
    assert_int_equal(seen.integer, 3);
}

static void a_password_and_a_database(void **state)
{
    struct fixture *f = *state;
    const struct redis_fixture_options options = {.password = "pass:word", .tcp = true};
    f->server = redis_fixture_start(&options);
    redis_fixture_run(f->server, "ACL SETUSER alice on >wonder%s ~* +@all", "land");
    char url[300];
    (void)snprintf(url, sizeof url, "redis://:pass%%3Aword@%s/3",
                   strrchr(redis_fixture_tcp_url(f->server), '@') + 1);
    make_ready(f, &(struct redis_config){.url = url});
    struct seen seen;
    run(f, &seen, "CLIENT", "INFO", NULL);
    assert_non_null(strstr(seen.text, "name=postrider"));
    run(f, &seen, "SET", "in-three", "x");
    redis_fixture_run(f->server, "SELECT %d", 3);
    redis_fixture_run(f->server, "RENAME in-three renamed");
    redis_free(&f->r);

    f->ready = false;
    (void)snprintf(url, sizeof url, "redis://alice:wonderland@%s",
                   strrchr(redis_fixture_tcp_url(f->server), '@') + 1);
    make_ready(f, &(struct redis_config){.url = url});
}

static void a_wrong_password_is_explained(void **state)
{
    struct fixture *f = *state;
    const struct redis_fixture_options options = {.password = "right", .tcp = true};
    f->server = redis_fixture_start(&options);
    const char *host = strrchr(redis_fixture_tcp_url(f->server), '@') + 1;
    char url[300];
    (void)snprintf(url, sizeof url, "redis://:wrongmarker@%s", host);
    connect_client(f, &(struct redis_config){.url = url});
    wait_for_err(f, ERR_STORE_REPLY);
    assert_string_equal(redis_last_err(f->r)->peer_code, "WRONGPASS");
    assert_null(strstr(redis_last_err(f->r)->msg, "wrongmarker"));
    struct seen seen;
    run(f, &seen, "PING", NULL, NULL);
    assert_int_equal(seen.code, ERR_STORE_DOWN);
    assert_false(seen.maybe_executed);
    redis_free(&f->r);

    (void)snprintf(url, sizeof url, "redis://%s", host);
    connect_client(f, &(struct redis_config){.url = url});
    wait_for_err(f, ERR_STORE_REPLY);
    assert_string_equal(redis_last_err(f->r)->peer_code, "NOAUTH");
    assert_int_equal(f->state_calls, 0);
}

static void a_database_that_is_not_there(void **state)
{
    struct fixture *f = *state;
    f->server = redis_fixture_start(NULL);
    char url[300];
    (void)snprintf(url, sizeof url, "%s?db=99", redis_fixture_url(f->server));
    connect_client(f, &(struct redis_config){.url = url});
    wait_for_err(f, ERR_STORE_REPLY);
    assert_non_null(strstr(redis_last_err(f->r)->msg, "database 99"));
}

static void an_eviction_policy_is_refused(void **state)
{
    struct fixture *f = *state;
    f->server = redis_fixture_start(NULL);
    redis_fixture_run(f->server, "CONFIG SET maxmemory-policy allkeys-lru");
    struct redis_config config = {.url = redis_fixture_url(f->server)};
    connect_client(f, &config);
    wait_for_err(f, ERR_STORE_POLICY);
    /* Repaired while we wait: no restart is needed. */
    redis_fixture_run(f->server, "CONFIG SET maxmemory-policy noeviction");
    loop_fixture_run_until(f->loop, &f->ready, WAIT_MS);
    redis_free(&f->r);

    redis_fixture_run(f->server, "CONFIG SET maxmemory-policy volatile-ttl");
    f->ready = false;
    config.allow_eviction = true;
    make_ready(f, &config);
}

static void a_restricted_user_is_enough(void **state)
{
    struct fixture *f = *state;
    f->server = redis_fixture_start(NULL);
    redis_fixture_run(f->server, "ACL SETUSER poor on >pw ~* +get +set +ping");
    char url[300];
    (void)snprintf(url, sizeof url, "unix://poor:pw@%s",
                   redis_fixture_url(f->server) + strlen("unix://"));
    make_ready(f, &(struct redis_config){.url = url});
    struct seen seen;
    run(f, &seen, "INFO", NULL, NULL);
    assert_string_equal(seen.peer_code, "NOPERM");
}

static void a_replica_is_refused(void **state)
{
    struct fixture *f = *state;
    f->server = redis_fixture_start(NULL);
    redis_fixture_run(f->server, "REPLICAOF 127.0.0.1 1");
    connect_client(f, &(struct redis_config){.url = redis_fixture_url(f->server)});
    wait_for_err(f, ERR_STORE_DOWN);
    assert_string_equal(redis_last_err(f->r)->peer_code, "READONLY");
    redis_fixture_run(f->server, "REPLICAOF NO ONE");
    loop_fixture_run_until(f->loop, &f->ready, WAIT_MS);
}

struct order {
    unsigned done;
    unsigned total;
    bool all;
    bool wrong;
};

static void on_ordered(struct redis_cmd *cmd, const struct err *err,
                       const struct redis_reply *reply, void *ctx)
{
    (void)cmd;
    struct order *o = ctx;
    o->wrong = o->wrong || err != NULL || reply->integer != (int64_t)o->done + 1;
    o->all = ++o->done == o->total;
}

static void ten_thousand_in_one_turn_keep_their_order(void **state)
{
    struct fixture *f = *state;
    start_plain(f);
    struct order order = {.total = 10000};
    for (unsigned i = 0; i < order.total; i++) {
        const struct str argv[] = {STR("INCR"), STR("counter")};
        (void)redis_cmd_start(f->r, 2, argv, WAIT_MS, on_ordered, &order);
    }
    assert_int_equal(order.done, 0);
    loop_fixture_run_until(f->loop, &order.all, WAIT_MS);
    assert_false(order.wrong);
}

static void values_larger_than_the_stream_queue(void **state)
{
    struct fixture *f = *state;
    start_plain(f);
    enum {
        BIG = 40 * 1024 * 1024
    };
    char *big = malloc(BIG);
    assert_non_null(big);
    memset(big, 'x', BIG);
    const struct str argv[] = {STR("SET"), STR("big"), str_from(big, BIG)};
    struct seen set = {0};
    (void)redis_cmd_start(f->r, 3, argv, WAIT_MS, on_reply, &set);
    free(big);
    wait_for(f, &set);
    assert_string_equal(set.text, "OK");
    struct seen get;
    run(f, &get, "GET", "big", NULL);
    assert_int_equal(get.code, ERR_OK);
    assert_int_equal(strlen(get.text), sizeof get.text - 1);
}

static void a_canceled_command_leaves_the_order_alone(void **state)
{
    struct fixture *f = *state;
    start_plain(f);
    struct seen seen[3] = {0};
    const struct str argv[] = {STR("INCR"), STR("n")};
    struct redis_cmd *cmd[3];
    for (int i = 0; i < 3; i++) {
        cmd[i] = redis_cmd_start(f->r, 2, argv, WAIT_MS, on_reply, &seen[i]);
    }
    redis_cmd_cancel(cmd[1]);
    redis_cmd_cancel(cmd[1]);
    wait_for(f, &seen[2]);
    assert_int_equal(seen[0].integer, 1);
    assert_int_equal(seen[1].code, ERR_CANCELED);
    assert_int_equal(seen[1].calls, 1);
    assert_int_equal(seen[2].integer, 3);
    assert_int_equal(redis_state_get(f->r), REDIS_STATE_READY);
}

static void a_killed_server_leaves_doubt_and_comes_back(void **state)
{
    struct fixture *f = *state;
    start_plain(f);
    struct seen waiting = {0};
    const struct str argv[] = {STR("BLPOP"), STR("nothing"), STR("0")};
    (void)redis_cmd_start(f->r, 3, argv, WAIT_MS, on_reply, &waiting);
    loop_fixture_run_for(f->loop, 50);
    redis_fixture_kill(f->server);
    wait_for(f, &waiting);
    assert_int_equal(waiting.code, ERR_STORE_DOWN);
    assert_true(waiting.maybe_executed);
    loop_fixture_run_for(f->loop, 20);
    assert_false(f->ready);
    assert_int_equal(f->state_calls, 2);

    struct seen seen;
    run(f, &seen, "PING", NULL, NULL);
    assert_int_equal(seen.code, ERR_STORE_DOWN);
    assert_false(seen.maybe_executed);

    redis_fixture_restart(f->server);
    loop_fixture_run_until(f->loop, &f->ready, WAIT_MS);
    run(f, &seen, "PING", NULL, NULL);
    assert_string_equal(seen.text, "PONG");
    assert_int_equal(f->state_calls, 3);
}

static void what_was_not_sent_was_not_executed(void **state)
{
    struct fixture *f = *state;
    start_plain(f);
    struct seen seen = {0};
    const struct str argv[] = {STR("INCR"), STR("n")};
    (void)redis_cmd_start(f->r, 2, argv, WAIT_MS, on_reply, &seen);
    struct seen late = {0};
    redis_free(&f->r);
    wait_for(f, &seen);
    assert_int_equal(seen.code, ERR_CANCELED);
    assert_false(late.done);
}

static void a_silent_server_meets_the_deadline(void **state)
{
    struct fixture *f = *state;
    start_plain(f);
    redis_fixture_run(f->server, "CLIENT PAUSE 600 ALL");
    struct seen slow = {0};
    struct seen other = {0};
    const struct str argv[] = {STR("INCR"), STR("n")};
    (void)redis_cmd_start(f->r, 2, argv, 150, on_reply, &slow);
    (void)redis_cmd_start(f->r, 2, argv, WAIT_MS, on_reply, &other);
    wait_for(f, &slow);
    wait_for(f, &other);
    assert_int_equal(slow.code, ERR_TIMEOUT);
    assert_true(slow.maybe_executed);
    /* The connection is gone, and the others with it. */
    assert_int_equal(other.code, ERR_STORE_DOWN);
    assert_true(other.maybe_executed);
    f->ready = redis_state_get(f->r) == REDIS_STATE_READY;
    loop_fixture_run_until(f->loop, &f->ready, WAIT_MS);
}

static void scripts_survive_a_flush(void **state)
{
    struct fixture *f = *state;
    start_plain(f);
    static const char source[] = "return redis.call('INCRBY', KEYS[1], ARGV[1])";
    const struct redis_script script = {"add", source, sizeof source - 1};
    const struct str argv[] = {STR("sum"), STR("5")};
    for (int i = 1; i <= 6; i++) {
        struct seen seen = {0};
        (void)redis_script_start(f->r, &script, 1, 2, argv, WAIT_MS, on_reply, &seen);
        wait_for(f, &seen);
        assert_int_equal(seen.code, ERR_OK);
        assert_int_equal(seen.integer, 5 * i);
        if (i == 3) {
            redis_fixture_run(f->server, "SCRIPT FLUSH");
        }
    }
    redisReply *stats = redis_fixture_command(f->server, "INFO commandstats");
    /* Five by EVALSHA; the one after the flush went on as EVAL, as the first one. */
    assert_non_null(strstr(stats->str, "cmdstat_evalsha:calls=5"));
    assert_non_null(strstr(stats->str, "cmdstat_eval:calls=2"));
    freeReplyObject(stats);
}

static void script_errors_arrive(void **state)
{
    struct fixture *f = *state;
    start_plain(f);
    static const char source[] = "return redis.error_reply('FENCED not yours')";
    const struct redis_script script = {"fenced", source, sizeof source - 1};
    for (int i = 0; i < 2; i++) {
        struct seen seen = {0};
        (void)redis_script_start(f->r, &script, 0, 0, NULL, WAIT_MS, on_reply, &seen);
        wait_for(f, &seen);
        assert_int_equal(seen.code, ERR_STORE_REPLY);
        assert_string_equal(seen.peer_code, "FENCED");
    }
    static const char faker[] = "return redis.error_reply('NOSCRIPT but it ran')";
    const struct redis_script fake = {"fake", faker, sizeof faker - 1};
    for (int i = 0; i < 2; i++) {
        struct seen seen = {0};
        (void)redis_script_start(f->r, &fake, 0, 0, NULL, WAIT_MS, on_reply, &seen);
        wait_for(f, &seen);
        assert_string_equal(seen.peer_code, "NOSCRIPT");
    }
}

static void commands_may_end_with_the_client(void **state)
{
    struct fixture *f = *state;
    start_plain(f);
    struct seen seen[2] = {0};
    const struct str argv[] = {STR("BLPOP"), STR("nothing"), STR("0")};
    for (int i = 0; i < 2; i++) {
        (void)redis_cmd_start(f->r, 3, argv, WAIT_MS, on_reply, &seen[i]);
    }
    loop_fixture_run_for(f->loop, 20);
    redis_free(&f->r);
    wait_for(f, &seen[1]);
    assert_int_equal(seen[0].code, ERR_CANCELED);
    assert_int_equal(seen[1].code, ERR_CANCELED);
    assert_int_equal(seen[0].calls, 1);
}

static void a_client_may_be_freed_while_it_connects(void **state)
{
    struct fixture *f = *state;
    connect_client(f, &(struct redis_config){.url = "unix:///nonexistent/redis.sock"});
    redis_free(&f->r);
    connect_client(f, &(struct redis_config){.url = "unix:///nonexistent/redis.sock"});
    wait_for_err(f, ERR_CONNECT);
    struct err err = {0};
    assert_null(redis_new(f->net, &(struct redis_config){.url = "http://x"}, &err));
    assert_int_equal(err.code, ERR_CONFIG);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(replies_of_every_type),
        TEST(a_password_and_a_database),
        TEST(a_wrong_password_is_explained),
        TEST(a_database_that_is_not_there),
        TEST(an_eviction_policy_is_refused),
        TEST(a_restricted_user_is_enough),
        TEST(a_replica_is_refused),
        TEST(ten_thousand_in_one_turn_keep_their_order),
        TEST(values_larger_than_the_stream_queue),
        TEST(a_canceled_command_leaves_the_order_alone),
        TEST(a_killed_server_leaves_doubt_and_comes_back),
        TEST(what_was_not_sent_was_not_executed),
        TEST(a_silent_server_meets_the_deadline),
        TEST(scripts_survive_a_flush),
        TEST(script_errors_arrive),
        TEST(commands_may_end_with_the_client),
        TEST(a_client_may_be_freed_while_it_connects),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
