#include "postrider/net/net.h"

#include "net_fixture.h"
#include "net_priv.h"
#include "server_fixture.h"
#include "silent_fixture.h"

#include "postrider/base/attr.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    WAIT_MS = 5000
};

struct outcome {
    bool done;
    unsigned calls;
    struct err err;
    struct stream *stream;
    struct net_addresses addresses;
};

static void on_connect(struct net_connect *op, const struct err *err,
                       struct stream *stream, void *ctx)
{
    (void)op;
    struct outcome *o = ctx;
    o->done = true;
    o->calls++;
    o->err = *err;
    o->stream = stream;
}

static void on_resolve(struct net_resolve *op, const struct err *err,
                       const struct net_addresses *addresses, void *ctx)
{
    (void)op;
    struct outcome *o = ctx;
    o->done = true;
    o->calls++;
    o->err = *err;
    if (addresses != NULL) {
        o->addresses = *addresses;
    }
}

static struct loop *loop;
static struct net *net;

static int setup(void **state)
{
    (void)state;
    net_fixture_open(&loop, &net, &(struct net_config){.egress = EGRESS_LINK_LOCAL});
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    net_fixture_close(&loop, &net);
    return 0;
}

static void serve_hello(int fd, void *arg)
{
    (void)arg;
    (void)server_fixture_send(fd, "hello", 5);
    server_fixture_drain(fd);
}

/* A port that nobody listens on. */
static uint16_t port_unused(void)
{
    struct sockaddr_in addr = {.sin_family = AF_INET,
                               .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof addr;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof addr), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&addr, &len), 0);
    close(fd);
    return ntohs(addr.sin_port);
}

static void connect_and_wait(const struct net_target *target, struct outcome *o)
{
    (void)net_connect_start(net, target, WAIT_MS, on_connect, o);
    assert_false(o->done);
    loop_fixture_run_until(loop, &o->done, WAIT_MS + 1000);
    assert_int_equal(o->calls, 1);
}

static void connects_by_name_and_tells_where(void **state)
{
    (void)state;
    struct server_fixture *server = server_fixture_start(serve_hello, NULL);
    struct net_target target = {.host = "LocalHost.",
                                .port = server_fixture_port(server)};
    struct outcome o = {0};
    connect_and_wait(&target, &o);
    assert_int_equal(o.err.code, ERR_OK);
    struct stream_info info;
    stream_info_get(o.stream, &info);
    assert_string_equal(info.address, "127.0.0.1");
    assert_string_equal(info.local_address, "127.0.0.1");
    assert_int_equal(info.port, target.port);
    assert_false(info.tls);
    stream_close(&o.stream);
    assert_null(o.stream);
    loop_fixture_run_for(loop, 10);
    server_fixture_stop(&server);
}

static void failures_have_codes(void **state)
{
    (void)state;
    static char long_name[400];
    memset(long_name, 'a', sizeof long_name - 1);
    uint16_t port = port_unused();
    const struct {
        struct net_target target;
        enum err_code code;
    } rows[] = {
        {{.host = "127.0.0.1", .port = port}, ERR_CONNECT},
        {{.host = "127.0.0.1", .port = 0}, ERR_CONNECT},
        {{.host = NULL, .port = port}, ERR_DNS},
        {{.host = "", .port = port}, ERR_DNS},
        {{.host = "a b", .port = port}, ERR_DNS},
        {{.host = "a@b", .port = port}, ERR_DNS},
        {{.host = "a..b", .port = port}, ERR_DNS},
        {{.host = "a\r\nb", .port = port}, ERR_DNS},
        {{.host = long_name, .port = port}, ERR_DNS},
        {{.host = "nothing.invalid", .port = port}, ERR_DNS},
        {{.host = "169.254.169.254", .port = port}, ERR_EGRESS},
        {{.host = "::ffff:169.254.169.254", .port = port}, ERR_EGRESS},
        {{.host = "0.0.0.0", .port = port}, ERR_EGRESS},
        {{.unix_path = "/nonexistent/socket"}, ERR_EGRESS},
        {{.unix_path = "/nonexistent/socket", .trusted = true}, ERR_CONNECT},
        {{.unix_path = long_name, .trusted = true}, ERR_CONNECT},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct outcome o = {0};
        connect_and_wait(&rows[i].target, &o);
        if (o.err.code != rows[i].code) {
            fail_msg("row %zu: %s (%s)", i, err_code_name(o.err.code), o.err.msg);
        }
        assert_null(o.stream);
    }
}

static void refused_names_the_target_and_reason(void **state)
{
    (void)state;
    struct net_target target = {.host = "127.0.0.1", .port = port_unused()};
    struct outcome o = {0};
    connect_and_wait(&target, &o);
    assert_string_equal(o.err.peer_code, "ECONNREFUSED");
    assert_non_null(strstr(o.err.msg, "connect to 127.0.0.1 port "));
}

static void unix_socket_connects(void **state)
{
    (void)state;
    char path[] = "/tmp/net-test-XXXXXX";
    assert_non_null(mkdtemp(path));
    char name[64];
    (void)snprintf(name, sizeof name, "%s/s", path);
    struct server_fixture *server = server_fixture_start_unix(name, serve_hello, NULL);
    struct net_target target = {.unix_path = name, .trusted = true};
    struct outcome o = {0};
    connect_and_wait(&target, &o);
    assert_int_equal(o.err.code, ERR_OK);
    stream_close(&o.stream);
    loop_fixture_run_for(loop, 10);
    server_fixture_stop(&server);
    (void)rmdir(path);
}

static void cancel_calls_back_once_later(void **state)
{
    (void)state;
    struct server_fixture *server = server_fixture_start(serve_hello, NULL);
    struct net_target target = {.host = "127.0.0.1", .port = server_fixture_port(server)};
    for (unsigned turns = 0; turns < 4; turns++) {
        struct outcome o = {0};
        struct net_connect *op = net_connect_start(net, &target, WAIT_MS, on_connect, &o);
        for (unsigned i = 0; i < turns && !o.done; i++) {
            loop_turn(loop, false);
        }
        if (!o.done) {
            net_connect_cancel(op);
            assert_false(o.done);
        }
        loop_fixture_run_until(loop, &o.done, WAIT_MS);
        loop_fixture_run_for(loop, 20);
        assert_int_equal(o.calls, 1);
        assert_true(o.err.code == ERR_CANCELED || o.err.code == ERR_OK);
        stream_close(&o.stream);
    }
    loop_fixture_run_for(loop, 10);
    server_fixture_stop(&server);
}

/* localhost is 127.0.0.1, then ::1. */
static void dead_first_address_then_second_works(void **state)
{
    (void)state;
    struct server_fixture *server =
        server_fixture_start_v6(port_unused(), serve_hello, NULL);
    if (server == NULL) {
        skip();
    }
    struct net_target target = {.host = "localhost", .port = server_fixture_port(server)};
    struct outcome o = {0};
    connect_and_wait(&target, &o);
    assert_int_equal(o.err.code, ERR_OK);
    struct stream_info info;
    stream_info_get(o.stream, &info);
    assert_string_equal(info.address, "::1");
    stream_close(&o.stream);
    loop_fixture_run_for(loop, 10);
    server_fixture_stop(&server);
}

static void silent_first_address_is_overtaken(void **state)
{
    (void)state;
    struct silent_fixture q;
    silent_fixture_open(&q);
    struct server_fixture *server = server_fixture_start_v6(q.port, serve_hello, NULL);
    if (server == NULL) {
        silent_fixture_close(&q);
        skip();
    }
    struct net_target target = {.host = "localhost", .port = q.port};
    struct outcome o = {0};
    int64_t began_ms = loop_now_ms(loop);
    connect_and_wait(&target, &o);
    int64_t took_ms = loop_now_ms(loop) - began_ms;
    assert_int_equal(o.err.code, ERR_OK);
    assert_true(took_ms >= NET_STAGGER_MS && took_ms < WAIT_MS);
    assert_int_equal(net->streams, 1);
    stream_close(&o.stream);
    loop_fixture_run_for(loop, 10);
    server_fixture_stop(&server);
    silent_fixture_close(&q);
}

static void silent_address_ends_at_the_deadline(void **state)
{
    (void)state;
    struct silent_fixture q;
    silent_fixture_open(&q);
    struct net_target target = {.host = "127.0.0.1", .port = q.port};
    struct outcome o = {0};
    (void)net_connect_start(net, &target, 300, on_connect, &o);
    loop_fixture_run_until(loop, &o.done, WAIT_MS);
    assert_int_equal(o.err.code, ERR_TIMEOUT);
    assert_null(o.stream);
    silent_fixture_close(&q);
}

static void resolve_knows_literals_and_localhost(void **state)
{
    (void)state;
    static const struct {
        const char *host;
        enum err_code code;
        size_t count;
        const char *first;
    } rows[] = {
        {"192.0.2.7", ERR_OK, 1, "192.0.2.7"},
        {"2001:DB8::1", ERR_OK, 1, "2001:db8::1"},
        {"localhost", ERR_OK, 2, "127.0.0.1"},
        {"db.localhost", ERR_OK, 2, "127.0.0.1"},
        {"169.254.169.254", ERR_EGRESS, 0, ""},
        {"fe80::1", ERR_EGRESS, 0, ""},
        {"[::1]", ERR_DNS, 0, ""},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct outcome o = {0};
        (void)net_resolve_start(net, rows[i].host, WAIT_MS, on_resolve, &o);
        assert_false(o.done);
        loop_fixture_run_until(loop, &o.done, WAIT_MS);
        assert_int_equal(o.err.code, rows[i].code);
        assert_int_equal(o.addresses.count, rows[i].count);
        if (rows[i].count > 0) {
            assert_string_equal(o.addresses.text[0], rows[i].first);
        }
    }
}

static void resolves_of_one_name_share_a_lookup_and_its_failure(void **state)
{
    (void)state;
    struct outcome o[3] = {0};
    struct net_resolve *op[3];
    for (size_t i = 0; i < 3; i++) {
        op[i] = net_resolve_start(net, "shared.invalid", WAIT_MS, on_resolve, &o[i]);
    }
    assert_int_equal(map_count(net->dns), 1);
    net_resolve_cancel(op[1]);
    loop_fixture_run_until(loop, &o[1].done, WAIT_MS);
    assert_int_equal(o[1].err.code, ERR_CANCELED);
    loop_fixture_run_until(loop, &o[0].done, WAIT_MS);
    loop_fixture_run_until(loop, &o[2].done, WAIT_MS);
    assert_int_equal(o[0].err.code, ERR_DNS);
    assert_int_equal(o[2].err.code, ERR_DNS);
    /* The failure is remembered: no worker is needed for the next one. */
    struct outcome again = {0};
    (void)net_resolve_start(net, "Shared.Invalid.", WAIT_MS, on_resolve, &again);
    loop_turn(loop, false);
    loop_turn(loop, false);
    assert_true(again.done);
    assert_int_equal(again.err.code, ERR_DNS);
}

static void net_may_go_while_a_lookup_runs(void **state)
{
    (void)state;
    struct outcome o = {0};
    struct net_resolve *op =
        net_resolve_start(net, "slow.invalid", WAIT_MS, on_resolve, &o);
    net_resolve_cancel(op);
    loop_turn(loop, false);
    loop_turn(loop, false);
    assert_true(o.done);
    net_free(&net);
}

static void families_are_interleaved(void **state)
{
    (void)state;
    static const struct {
        const char *in, *out; /* 4 or 6 per address */
    } rows[] = {{"6", "6"},       {"66664", "64666"}, {"444466", "464644"},
                {"6644", "6464"}, {"4444", "4444"},   {"64646", "64646"}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct net_address_list list = {.count = strlen(rows[i].in)};
        for (size_t k = 0; k < list.count; k++) {
            list.items[k].any.sa_family = rows[i].in[k] == '4' ? AF_INET : AF_INET6;
            list.items[k].in4.sin_port = (in_port_t)k;
        }
        net_addresses_interleave(&list);
        unsigned seen = 0;
        for (size_t k = 0; k < list.count; k++) {
            char got = list.items[k].any.sa_family == AF_INET ? '4' : '6';
            assert_int_equal(got, rows[i].out[k]);
            seen |= 1u << list.items[k].in4.sin_port;
        }
        assert_int_equal(seen, (1u << list.count) - 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(connects_by_name_and_tells_where, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(failures_have_codes, setup, teardown),
        cmocka_unit_test_setup_teardown(refused_names_the_target_and_reason, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(dead_first_address_then_second_works, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(silent_first_address_is_overtaken, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(unix_socket_connects, setup, teardown),
        cmocka_unit_test_setup_teardown(cancel_calls_back_once_later, setup, teardown),
        cmocka_unit_test_setup_teardown(silent_address_ends_at_the_deadline, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(resolve_knows_literals_and_localhost, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(
            resolves_of_one_name_share_a_lookup_and_its_failure, setup, teardown),
        cmocka_unit_test_setup_teardown(net_may_go_while_a_lookup_runs, setup, teardown),
        cmocka_unit_test(families_are_interleaved),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
