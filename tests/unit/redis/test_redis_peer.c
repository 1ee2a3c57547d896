/* The client against scripted servers on loopback, and over TLS. */
#include "loop_fixture.h"
#include "redis_fixture.h"
#include "tls_fixture.h"

#include "postrider/base/log.h"
#include "postrider/redis/redis.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

enum {
    WAIT_MS = 20000
};

/* Answers the whole handshake, then each connection's next command with `reply`. */
struct peer {
    struct loop *loop;
    struct net *net;
    struct redis *r;
    int listener;
    int client; /* the latest connection, -1 = none */
    struct io_watch *accepting;
    struct io_watch *reading;
    char url[64];
    struct str hello;
    struct str reply;
    unsigned accepted;
    unsigned reads;
    bool ready;
};

/* SETNAME, NO-EVICT, INFO, three CONFIG, PING. */
#define HELLO_OK "+OK\r\n+OK\r\n$0\r\n\r\n*0\r\n*0\r\n*0\r\n+PONG\r\n"

static void on_client(struct io_watch *w, unsigned events, void *ctx)
{
    (void)w;
    (void)events;
    struct peer *p = ctx;
    char bytes[65536];
    ssize_t n = recv(p->client, bytes, sizeof bytes, MSG_DONTWAIT);
    if (n <= 0) {
        io_watch_set(p->reading, 0);
        return;
    }
    struct str answer = p->reads++ == 0 ? p->hello : p->reply;
    if (answer.len > 0) {
        (void)send(p->client, answer.ptr, answer.len, MSG_NOSIGNAL | MSG_DONTWAIT);
    }
}

static void on_accept(struct io_watch *w, unsigned events, void *ctx)
{
    (void)w;
    (void)events;
    struct peer *p = ctx;
    int fd = accept(p->listener, NULL, NULL);
    assert_true(fd >= 0);
    io_watch_free(&p->reading);
    if (p->client >= 0) {
        (void)close(p->client);
    }
    p->client = fd;
    p->accepted++;
    p->reads = 0;
    p->reading = io_watch_new(p->loop, fd, on_client, p);
    io_watch_set(p->reading, IO_READABLE);
}

static int setup(void **state)
{
    static struct peer p;
    p = (struct peer){.client = -1, .hello = STR(HELLO_OK)};
    log_configure(LOG_OFF, LOG_FORMAT_TEXT);
    p.loop = loop_fixture_new();
    p.net = net_new(p.loop, &(struct net_config){.egress = EGRESS_PRIVATE});
    struct sockaddr_in addr = {.sin_family = AF_INET,
                               .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof addr;
    p.listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (p.listener < 0 || bind(p.listener, (struct sockaddr *)&addr, len) != 0 ||
        listen(p.listener, 8) != 0 ||
        getsockname(p.listener, (struct sockaddr *)&addr, &len) != 0) {
        return -1;
    }
    (void)snprintf(p.url, sizeof p.url, "redis://127.0.0.1:%u",
                   (unsigned)ntohs(addr.sin_port));
    p.accepting = io_watch_new(p.loop, p.listener, on_accept, &p);
    io_watch_set(p.accepting, IO_READABLE);
    *state = &p;
    return 0;
}

static int teardown(void **state)
{
    struct peer *p = *state;
    redis_free(&p->r);
    loop_fixture_run_for(p->loop, 20);
    io_watch_free(&p->accepting);
    io_watch_free(&p->reading);
    (void)close(p->listener);
    if (p->client >= 0) {
        (void)close(p->client);
    }
    net_free(&p->net);
    loop_fixture_free(&p->loop);
    return 0;
}

static void on_state(struct redis *r, enum redis_state state, const struct err *err,
                     void *ctx)
{
    (void)r;
    (void)err;
    ((struct peer *)ctx)->ready = state == REDIS_STATE_READY;
}

static void connect_client(struct peer *p, const struct redis_config *config)
{
    struct err err = {0};
    p->r = redis_new(p->net, config, &err);
    assert_non_null(p->r);
    redis_set_state_cb(p->r, on_state, p);
}

struct seen {
    bool done;
    enum err_code code;
    bool maybe_executed;
};

static void on_reply(struct redis_cmd *cmd, const struct err *err,
                     const struct redis_reply *reply, void *ctx)
{
    (void)reply;
    struct seen *seen = ctx;
    seen->done = true;
    seen->code = err != NULL ? err->code : ERR_OK;
    seen->maybe_executed = redis_cmd_maybe_executed(cmd);
}

static void wait_for_err(struct peer *p, enum err_code code)
{
    for (int i = 0; redis_last_err(p->r)->code != code; i++) {
        assert_true(i < 1000);
        loop_fixture_run_for(p->loop, 10);
    }
}

static void hostile_replies_end_the_connection(void **state)
{
    struct peer *p = *state;
    static char line[80000] = "+";
    memset(line + 1, 'x', sizeof line - 2);
    const struct {
        struct str reply;
        enum err_code code;
    } cases[] = {
        {STR("*4294967296\r\n"), ERR_LIMIT},
        {STR("$9999999999\r\n"), ERR_LIMIT},
        {STR("*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n:1\r\n"), ERR_LIMIT},
        {STR("HTTP/1.1 400 Bad Request\r\n"), ERR_PROTOCOL},
        {str_from(line, sizeof line - 1), ERR_LIMIT},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        p->reply = cases[i].reply;
        p->ready = false;
        connect_client(p, &(struct redis_config){.url = p->url});
        loop_fixture_run_until(p->loop, &p->ready, WAIT_MS);
        struct seen seen = {0};
        const struct str argv[] = {STR("GET"), STR("k")};
        (void)redis_cmd_start(p->r, 2, argv, WAIT_MS, on_reply, &seen);
        loop_fixture_run_until(p->loop, &seen.done, WAIT_MS);
        assert_int_equal(seen.code, ERR_STORE_DOWN);
        assert_true(seen.maybe_executed);
        assert_int_equal(redis_last_err(p->r)->code, cases[i].code);
        redis_free(&p->r);
        loop_fixture_run_for(p->loop, 20);
    }
}

static void a_reply_too_many_ends_the_connection(void **state)
{
    struct peer *p = *state;
    p->reply = STR("+A\r\n+B\r\n");
    connect_client(p, &(struct redis_config){.url = p->url});
    loop_fixture_run_until(p->loop, &p->ready, WAIT_MS);
    struct seen seen = {0};
    const struct str argv[] = {STR("GET"), STR("k")};
    (void)redis_cmd_start(p->r, 2, argv, WAIT_MS, on_reply, &seen);
    loop_fixture_run_until(p->loop, &seen.done, WAIT_MS);
    assert_int_equal(seen.code, ERR_OK);
    wait_for_err(p, ERR_PROTOCOL);
}

static void a_server_that_loads_is_tried_again(void **state)
{
    struct peer *p = *state;
    const struct str busy[] = {
        STR("+OK\r\n+OK\r\n$0\r\n\r\n*0\r\n*0\r\n*0\r\n-LOADING Redis is loading\r\n"),
        STR("+OK\r\n+OK\r\n$0\r\n\r\n*0\r\n*0\r\n*0\r\n-MASTERDOWN Link is down\r\n"),
        STR("-DENIED Redis is running in protected mode\r\n"),
    };
    const enum err_code codes[] = {ERR_STORE_DOWN, ERR_STORE_DOWN, ERR_STORE_REPLY};
    for (size_t i = 0; i < ARRAY_LEN(busy); i++) {
        p->hello = busy[i];
        p->accepted = 0;
        p->ready = false;
        connect_client(p, &(struct redis_config){.url = p->url});
        if (i == 2) {
            /* A server that denies closes at once. */
            loop_fixture_run_until_count(p->loop, &p->reads, 1, WAIT_MS);
            (void)shutdown(p->client, SHUT_RDWR);
        }
        wait_for_err(p, codes[i]);
        p->hello = STR(HELLO_OK);
        loop_fixture_run_until(p->loop, &p->ready, WAIT_MS);
        assert_true(p->accepted > 1);
        redis_free(&p->r);
        loop_fixture_run_for(p->loop, 20);
    }
}

static void old_servers_and_policies_told_by_config_are_refused(void **state)
{
    struct peer *p = *state;
    p->hello = STR("+OK\r\n+OK\r\n$22\r\nx:1\r\nredis_version:5.1\r\n*0\r\n*0\r\n*0\r\n"
                   "+PONG\r\n");
    connect_client(p, &(struct redis_config){.url = p->url});
    wait_for_err(p, ERR_CONFIG);
    assert_non_null(strstr(redis_last_err(p->r)->msg, "too old"));
    /* A policy that only CONFIG tells. */
    p->hello =
        STR("+OK\r\n-ERR Unknown subcommand\r\n-NOPERM no\r\n*2\r\n$16\r\n"
            "maxmemory-policy\r\n$11\r\nallkeys-lru\r\n-NOPERM no\r\n-NOPERM no\r\n"
            "+PONG\r\n");
    wait_for_err(p, ERR_STORE_POLICY);
}

static void a_server_that_is_not_there(void **state)
{
    struct peer *p = *state;
    connect_client(p, &(struct redis_config){.url = "redis://127.0.0.1:1"});
    wait_for_err(p, ERR_CONNECT);
    assert_true(redis_state_get(p->r) != REDIS_STATE_READY);
}

/* --- TLS */

static void a_server_with_tls(void **state)
{
    struct peer *p = *state;
    struct tls_fixture *tls = tls_fixture_new();
    struct redis_fixture_options options = {.tls_ca = tls_fixture_ca_file(tls)};
    tls_fixture_write(tls, TLS_FIXTURE_GOOD, &options.tls_cert, &options.tls_key);
    struct redis_fixture *server = redis_fixture_start(&options);
    struct redis_config config = {.url = redis_fixture_tls_url(server)};
    /* The system's authorities do not know this one. */
    connect_client(p, &config);
    wait_for_err(p, ERR_TLS_CERT);
    assert_false(p->ready);
    redis_free(&p->r);
    config.ca_file = tls_fixture_ca_file(tls);
    connect_client(p, &config);
    loop_fixture_run_until(p->loop, &p->ready, WAIT_MS);
    redis_free(&p->r);
    loop_fixture_run_for(p->loop, 20);
    p->ready = false;
    connect_client(p, &(struct redis_config){.url = config.url, .tls_insecure = true});
    loop_fixture_run_until(p->loop, &p->ready, WAIT_MS);
    struct seen seen = {0};
    const struct str argv[] = {STR("PING")};
    (void)redis_cmd_start(p->r, 1, argv, WAIT_MS, on_reply, &seen);
    loop_fixture_run_until(p->loop, &seen.done, WAIT_MS);
    assert_int_equal(seen.code, ERR_OK);
    redis_free(&p->r);
    redis_fixture_free(&server);
    tls_fixture_free(&tls);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(hostile_replies_end_the_connection),
        TEST(a_reply_too_many_ends_the_connection),
        TEST(a_server_that_loads_is_tried_again),
        TEST(old_servers_and_policies_told_by_config_are_refused),
        TEST(a_server_that_is_not_there),
        TEST(a_server_with_tls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
