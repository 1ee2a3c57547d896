#include "postrider/net/net.h"

#include "net_fixture.h"
#include "server_fixture.h"
#include "tls_fixture.h"

#include "postrider/base/attr.h"
#include "postrider/base/buf.h"
#include "postrider/base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    WAIT_MS = 8000,
    BULK = 3 * 1024 * 1024
};

/* Every test runs in clear and over TLS. */
static bool use_tls;
static struct loop *loop;
static struct net *net;
static struct tls_fixture *certs;
static SSL_CTX *server_ctx;

/* --- the server's side: one interface for both kinds --- */

struct conn {
    int fd;
    SSL *ssl;
};

static bool conn_open(struct conn *c, int fd)
{
    c->fd = fd;
    c->ssl = use_tls ? server_fixture_tls(fd, server_ctx) : NULL;
    return !use_tls || c->ssl != NULL;
}

static bool conn_send(struct conn *c, const void *data, size_t len)
{
    return c->ssl != NULL ? SSL_write(c->ssl, data, (int)len) > 0
                          : server_fixture_send(c->fd, data, len);
}

static int conn_recv(struct conn *c, void *out, size_t len)
{
    return c->ssl != NULL ? SSL_read(c->ssl, out, (int)len)
                          : (int)recv(c->fd, out, len, 0);
}

static void conn_end(struct conn *c)
{
    if (c->ssl != NULL) {
        (void)SSL_shutdown(c->ssl);
    } else {
        (void)shutdown(c->fd, SHUT_WR);
    }
}

static void conn_free(struct conn *c)
{
    SSL_free(c->ssl);
}

static void conn_drain(struct conn *c)
{
    char chunk[4096];
    while (conn_recv(c, chunk, sizeof chunk) > 0) {
    }
}

/* --- the client's side --- */

struct client {
    struct stream *stream;
    struct buf got;
    struct err connect_err;
    struct err end;
    bool connected, ended, drained, enough;
    unsigned data_calls, ends;
    size_t want, close_at, pause_at;
};

static void on_data(void *ctx, const char *data, size_t len)
{
    struct client *c = ctx;
    assert_non_null(c->stream);
    buf_put(&c->got, data, len);
    c->data_calls++;
    c->enough = c->got.len >= c->want;
    if (c->close_at > 0 && c->got.len >= c->close_at) {
        stream_close(&c->stream);
    } else if (c->pause_at > 0 && c->got.len >= c->pause_at) {
        stream_read_pause(c->stream);
    }
}

static void on_drain(void *ctx)
{
    struct client *c = ctx;
    c->drained = true;
}

static void on_end(void *ctx, const struct err *err)
{
    struct client *c = ctx;
    c->ended = true;
    c->ends++;
    c->end = *err;
}

static const struct stream_events events = {on_data, on_drain, on_end};

static void on_connect(struct net_connect *op, const struct err *err,
                       struct stream *stream, void *ctx)
{
    (void)op;
    struct client *c = ctx;
    c->connected = true;
    c->connect_err = *err;
    c->stream = stream;
}

static void client_connect(struct client *c, struct server_fixture *server)
{
    *c = (struct client){.got = BUF_INIT(16 * 1024 * 1024)};
    struct net_target target = {.host = "localhost",
                                .port = server_fixture_port(server),
                                .security = use_tls ? NET_TLS : NET_PLAIN,
                                .tls = {.ca_file = tls_fixture_ca_file(certs)}};
    (void)net_connect_start(net, &target, WAIT_MS, on_connect, c);
    loop_fixture_run_until(loop, &c->connected, WAIT_MS);
    if (c->connect_err.code != ERR_OK) {
        fail_msg("%s", c->connect_err.msg);
    }
}

static void client_finish(struct client *c, struct server_fixture *server)
{
    stream_close(&c->stream);
    loop_fixture_run_for(loop, 20);
    server_fixture_stop(&server);
    buf_fini(&c->got);
}

/* --- tests --- */

static void serve_greeting_then_end(int fd, void *arg)
{
    (void)arg;
    struct conn c;
    if (conn_open(&c, fd)) {
        (void)conn_send(&c, "* OK hello\r\n", 12);
        conn_end(&c);
    }
    conn_free(&c);
}

static void greeting_waits_for_events_and_end_comes_once(void **state)
{
    (void)state;
    struct server_fixture *server = server_fixture_start(serve_greeting_then_end, NULL);
    struct client c;
    client_connect(&c, server);
    loop_fixture_run_for(loop, 50);
    assert_int_equal(c.data_calls, 0);
    stream_set_events(c.stream, &events, &c);
    assert_int_equal(c.data_calls, 0);
    loop_fixture_run_until(loop, &c.ended, WAIT_MS);
    assert_string_equal(buf_c(&c.got), "* OK hello\r\n");
    assert_int_equal(c.end.code, ERR_CLOSED);
    loop_fixture_run_for(loop, 30);
    assert_int_equal(c.ends, 1);
    assert_false(stream_write(c.stream, "x", 1));
    client_finish(&c, server);
}

static void serve_and_vanish(int fd, void *arg)
{
    (void)arg;
    struct conn c;
    if (conn_open(&c, fd)) {
        (void)conn_send(&c, "bye", 3);
    }
    conn_free(&c);
}

static void end_without_close_notify_is_told_apart(void **state)
{
    (void)state;
    struct server_fixture *server = server_fixture_start(serve_and_vanish, NULL);
    struct client c;
    client_connect(&c, server);
    stream_set_events(c.stream, &events, &c);
    loop_fixture_run_until(loop, &c.ended, WAIT_MS);
    assert_string_equal(buf_c(&c.got), "bye");
    assert_int_equal(c.end.code, use_tls ? ERR_NET : ERR_CLOSED);
    client_finish(&c, server);
}

static void serve_reset(int fd, void *arg)
{
    (void)arg;
    struct conn c;
    if (conn_open(&c, fd)) {
        char byte;
        (void)conn_recv(&c, &byte, 1);
        server_fixture_set_reset(fd);
    }
    conn_free(&c);
}

static void reset_is_a_network_error(void **state)
{
    (void)state;
    struct server_fixture *server = server_fixture_start(serve_reset, NULL);
    struct client c;
    client_connect(&c, server);
    stream_set_events(c.stream, &events, &c);
    assert_true(stream_write(c.stream, "x", 1));
    loop_fixture_run_until(loop, &c.ended, WAIT_MS);
    assert_int_equal(c.end.code, ERR_NET);
    loop_fixture_run_for(loop, 30);
    assert_int_equal(c.ends, 1);
    client_finish(&c, server);
}

static void serve_echo(int fd, void *arg)
{
    (void)arg;
    struct conn c;
    if (conn_open(&c, fd)) {
        char chunk[8192];
        int n;
        while ((n = conn_recv(&c, chunk, sizeof chunk)) > 0 &&
               conn_send(&c, chunk, (size_t)n)) {
        }
        conn_end(&c);
    }
    conn_free(&c);
}

static void bulk_comes_back_unchanged(void **state)
{
    (void)state;
    struct server_fixture *server = server_fixture_start(serve_echo, NULL);
    struct client c;
    client_connect(&c, server);
    c.want = BULK;
    stream_set_events(c.stream, &events, &c);
    char *bulk = mem_alloc(BULK);
    for (size_t i = 0; i < BULK; i++) {
        bulk[i] = (char)(i * 31 + i / 251);
    }
    for (size_t at = 0, n = 1; at < BULK; at += n, n = n * 3 + 1) {
        n = n < BULK - at ? n : BULK - at;
        assert_true(stream_write(c.stream, bulk + at, n));
    }
    loop_fixture_run_until(loop, &c.enough, WAIT_MS);
    assert_int_equal(c.got.len, BULK);
    assert_memory_equal(c.got.bytes, bulk, BULK);
    assert_int_equal(stream_queued_bytes(c.stream), 0);
    mem_free(bulk);
    client_finish(&c, server);
}

static void serve_late_reader(int fd, void *arg)
{
    const bool *go = arg;
    struct conn c;
    if (conn_open(&c, fd)) {
        while (!__atomic_load_n(go, __ATOMIC_ACQUIRE)) {
            (void)usleep(1000);
        }
        conn_drain(&c);
    }
    conn_free(&c);
}

static void slow_peer_fills_the_queue_and_drains_it(void **state)
{
    (void)state;
    bool go = false;
    struct server_fixture *server = server_fixture_start(serve_late_reader, &go);
    struct client c;
    client_connect(&c, server);
    stream_set_events(c.stream, &events, &c);
    char *bulk = mem_alloc(STREAM_QUEUE_MAX);
    assert_true(stream_write(c.stream, bulk, STREAM_QUEUE_MAX));
    loop_fixture_run_for(loop, 20);
    size_t queued = stream_queued_bytes(c.stream);
    assert_true(queued > 0);
    assert_false(c.drained);
    __atomic_store_n(&go, true, __ATOMIC_RELEASE);
    loop_fixture_run_until(loop, &c.drained, WAIT_MS);
    assert_int_equal(stream_queued_bytes(c.stream), 0);
    mem_free(bulk);
    client_finish(&c, server);
}

static void queue_above_the_maximum_ends_the_stream(void **state)
{
    (void)state;
    bool go = false;
    struct server_fixture *server = server_fixture_start(serve_late_reader, &go);
    struct client c;
    client_connect(&c, server);
    stream_set_events(c.stream, &events, &c);
    char *bulk = mem_alloc(STREAM_QUEUE_MAX);
    assert_true(stream_write(c.stream, bulk, STREAM_QUEUE_MAX));
    assert_false(stream_write(c.stream, bulk, STREAM_QUEUE_MAX));
    assert_false(c.ended); /* told later, not from within the call */
    loop_fixture_run_until(loop, &c.ended, WAIT_MS);
    assert_int_equal(c.end.code, ERR_LIMIT);
    assert_int_equal(c.ends, 1);
    __atomic_store_n(&go, true, __ATOMIC_RELEASE);
    mem_free(bulk);
    client_finish(&c, server);
}

static void serve_many_records(int fd, void *arg)
{
    (void)arg;
    struct conn c;
    if (conn_open(&c, fd)) {
        for (unsigned i = 0; i < 2000; i++) {
            if (!conn_send(&c, "0123456789", 10)) {
                break;
            }
        }
        conn_end(&c);
        conn_drain(&c);
    }
    conn_free(&c);
}

static void pause_stops_delivery_until_resumed(void **state)
{
    (void)state;
    struct server_fixture *server = server_fixture_start(serve_many_records, NULL);
    struct client c;
    client_connect(&c, server);
    c.pause_at = 15; /* in TLS: in the middle of a pump */
    stream_set_events(c.stream, &events, &c);
    size_t rounds = 0;
    while (!c.ended && rounds++ < 5000) {
        size_t before = c.got.len;
        unsigned calls = c.data_calls;
        loop_fixture_run_for(loop, rounds < 10 ? 20 : 1);
        assert_true(c.data_calls <= calls + 2);
        if (before >= c.pause_at) {
            assert_true(c.data_calls <= calls + 1);
        }
        assert_false(c.ended && c.got.len < 20000);
        stream_read_resume(c.stream);
        loop_turn(loop, false);
    }
    loop_fixture_run_until(loop, &c.ended, WAIT_MS);
    assert_int_equal(c.got.len, 20000);
    assert_int_equal(c.end.code, ERR_CLOSED);
    client_finish(&c, server);
}

static void a_gathering_stream_misses_nothing(void **state)
{
    (void)state;
    struct server_fixture *server = server_fixture_start(serve_many_records, NULL);
    struct client c;
    client_connect(&c, server);
    stream_set_events(c.stream, &events, &c);
    stream_read_gather(c.stream, true);
    loop_fixture_run_until(loop, &c.ended, WAIT_MS);
    assert_int_equal(c.got.len, 20000);
    assert_int_equal(c.end.code, ERR_CLOSED);
    client_finish(&c, server);
}

static void gathering_may_end_at_any_time(void **state)
{
    (void)state;
    for (unsigned closes = 0; closes < 2; closes++) {
        struct server_fixture *server = server_fixture_start(serve_many_records, NULL);
        struct client c;
        client_connect(&c, server);
        c.want = 1;
        stream_set_events(c.stream, &events, &c);
        stream_read_gather(c.stream, true);
        loop_fixture_run_until(loop, &c.enough, WAIT_MS);
        if (closes > 0) {
            stream_close(&c.stream);
            loop_fixture_run_for(loop, 10);
            assert_false(c.ended);
        } else {
            stream_read_gather(c.stream, false);
            loop_fixture_run_until(loop, &c.ended, WAIT_MS);
            assert_int_equal(c.got.len, 20000);
        }
        client_finish(&c, server);
    }
}

static void close_within_on_data_is_the_last_word(void **state)
{
    (void)state;
    for (size_t at = 1; at <= 4096; at = at * 8) {
        struct server_fixture *server = server_fixture_start(serve_many_records, NULL);
        struct client c;
        client_connect(&c, server);
        c.close_at = at;
        stream_set_events(c.stream, &events, &c);
        while (c.stream != NULL) {
            loop_turn(loop, true);
        }
        unsigned calls = c.data_calls;
        loop_fixture_run_for(loop, 30);
        assert_int_equal(c.data_calls, calls);
        assert_int_equal(c.ends, 0);
        client_finish(&c, server);
    }
}

static void last_words_are_read_although_writing_fails(void **state)
{
    (void)state;
    struct server_fixture *server = server_fixture_start(serve_greeting_then_end, NULL);
    struct client c;
    client_connect(&c, server);
    (void)usleep(20000); /* the peer is gone, its words wait in the kernel */
    for (unsigned i = 0; i < 3; i++) {
        (void)stream_write(c.stream, "NOOP\r\n", 6);
        (void)usleep(5000);
    }
    stream_set_events(c.stream, &events, &c);
    loop_fixture_run_until(loop, &c.ended, WAIT_MS);
    assert_int_equal(c.ends, 1);
    client_finish(&c, server);
}

/* --- frame --- */

static int setup(void **state)
{
    (void)state;
    net_fixture_open(&loop, &net, NULL);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    net_fixture_close(&loop, &net);
    return 0;
}

/* Sends without end until nobody listens. */
static void serve_flood(int fd, void *arg)
{
    (void)arg;
    static const char zeros[64 * 1024];
    struct conn c;
    if (conn_open(&c, fd)) {
        while (conn_send(&c, zeros, sizeof zeros)) {
        }
        conn_free(&c);
    }
}

struct flooded {
    size_t in_turn, most_in_turn, all;
    unsigned turns;
};

static void on_flood(void *ctx, const char *data, size_t len)
{
    (void)data;
    struct flooded *f = ctx;
    f->in_turn += len;
    f->all += len;
    f->most_in_turn = f->in_turn > f->most_in_turn ? f->in_turn : f->most_in_turn;
}

static void no_end(void *ctx, const struct err *err)
{
    (void)ctx;
    (void)err;
}

static void a_flood_gets_one_read_a_turn(void **state)
{
    (void)state;
    static const struct stream_events flood_events = {.on_data = on_flood,
                                                      .on_end = no_end};
    struct server_fixture *server = server_fixture_start(serve_flood, NULL);
    struct client c;
    struct flooded f = {0};
    client_connect(&c, server);
    stream_set_events(c.stream, &flood_events, &f);
    while (f.all < BULK && f.turns < 100000) {
        f.in_turn = 0;
        f.turns++;
        loop_turn(loop, true);
    }
    assert_true(f.all >= BULK);
    assert_true(f.most_in_turn <= NET_READ_BUFFER);
    stream_close(&c.stream);
    client_finish(&c, server);
}

#define STREAM_TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STREAM_TEST(greeting_waits_for_events_and_end_comes_once),
        STREAM_TEST(end_without_close_notify_is_told_apart),
        STREAM_TEST(reset_is_a_network_error),
        STREAM_TEST(bulk_comes_back_unchanged),
        STREAM_TEST(slow_peer_fills_the_queue_and_drains_it),
        STREAM_TEST(queue_above_the_maximum_ends_the_stream),
        STREAM_TEST(pause_stops_delivery_until_resumed),
        STREAM_TEST(a_gathering_stream_misses_nothing),
        STREAM_TEST(gathering_may_end_at_any_time),
        STREAM_TEST(close_within_on_data_is_the_last_word),
        STREAM_TEST(last_words_are_read_although_writing_fails),
        STREAM_TEST(a_flood_gets_one_read_a_turn),
    };
    certs = tls_fixture_new();
    server_ctx = tls_fixture_server_ctx(certs, TLS_FIXTURE_GOOD);
    int failed = cmocka_run_group_tests_name("stream in clear", tests, NULL, NULL);
    use_tls = true;
    failed += cmocka_run_group_tests_name("stream over TLS", tests, NULL, NULL);
    SSL_CTX_free(server_ctx);
    tls_fixture_free(&certs);
    return failed;
}
