/* The client against a small real server. */
#include "http_fixture.h"
#include "loop_fixture.h"
#include "server_fixture.h"
#include "silent_fixture.h"
#include "tls_fixture.h"

#include "postrider/base/attr.h"
#include "postrider/base/log.h"
#include "postrider/httpc/httpc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum {
    WAIT_MS = 20000,
    TIMEOUT_MS = 10000
};

struct fixture {
    struct loop *loop;
    struct net *net;
    struct httpc *h;
    struct http_fixture *server;
    struct http_answer answer; /* to every request */
};

struct seen {
    bool done;
    unsigned calls;
    struct err err;
    struct httpc_reply reply;
    char body[HTTPC_BODY_KEPT + 1];
};

static void on_reply(struct httpc_req *req, const struct err *err,
                     const struct httpc_reply *reply, void *ctx)
{
    (void)req;
    struct seen *s = ctx;
    s->done = true;
    s->calls++;
    s->err = *err;
    if (reply != NULL) {
        s->reply = *reply;
        (void)snprintf(s->body, sizeof s->body, "%.*s", STR_ARG(reply->body));
    }
}

static void answer(const struct http_seen *seen, struct http_answer *out, void *arg)
{
    (void)seen;
    const struct fixture *f = arg;
    *out = f->answer;
}

static void open_client(struct fixture *f, enum egress_policy egress, const char *ca_file)
{
    f->net = net_new(f->loop, &(struct net_config){.egress = egress});
    f->h =
        httpc_new(f->net, &(struct httpc_config){.egress = egress, .ca_file = ca_file});
}

static void close_client(struct fixture *f)
{
    httpc_free(&f->h);
    net_free(&f->net);
}

static int setup(void **state)
{
    static struct fixture f;
    f = (struct fixture){.answer = {.status = 200}};
    log_configure(LOG_OFF, LOG_FORMAT_TEXT);
    f.loop = loop_fixture_new();
    f.server = http_fixture_new(f.loop, answer, &f);
    open_client(&f, EGRESS_LINK_LOCAL, NULL);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    close_client(f);
    http_fixture_free(&f->server);
    loop_fixture_free(&f->loop);
    return 0;
}

static void ask(struct fixture *f, struct httpc_params params, struct seen *seen)
{
    *seen = (struct seen){0};
    params.timeout_ms = params.timeout_ms > 0 ? params.timeout_ms : TIMEOUT_MS;
    (void)httpc_req_start(f->h, &params, on_reply, seen);
    assert_false(seen->done);
    loop_fixture_run_until(f->loop, &seen->done, WAIT_MS);
    assert_int_equal(seen->calls, 1);
}

static struct seen seen;

static void body_headers_and_userinfo_arrive(void **state)
{
    struct fixture *f = *state;
    f->answer = (struct http_answer){
        .status = 202, .headers = "Retry-After: 7\r\n", .body = "taken"};
    char url[128];
    char value[128];
    (void)snprintf(url, sizeof url, "http://user:pa%%40ss@127.0.0.1:%u/a?b=c",
                   (unsigned)http_fixture_port(f->server));
    const struct httpc_header headers[] = {{"X-One", "1"}, {"X-Empty", ""}};
    ask(f,
        (struct httpc_params){.method = "POST",
                              .url = url,
                              .headers = headers,
                              .header_count = ARRAY_LEN(headers),
                              .body = STR("{\"a\":1}")},
        &seen);
    assert_int_equal(seen.err.code, ERR_OK);
    assert_int_equal(seen.reply.status, 202);
    assert_int_equal(seen.reply.retry_after_s, 7);
    assert_string_equal(seen.body, "taken");
    const struct http_seen *got = http_fixture_at(f->server, 0);
    assert_true(http_seen_is_path(got, "/a?b=c"));
    assert_memory_equal(got->text, "POST ", 5);
    assert_string_equal(got->body, "{\"a\":1}");
    assert_true(http_seen_header(got, "X-One", value, sizeof value));
    assert_string_equal(value, "1");
    assert_true(http_seen_header(got, "X-Empty", value, sizeof value));
    assert_string_equal(value, "");
    assert_true(http_seen_header(got, "Authorization", value, sizeof value));
    assert_string_equal(value, "Basic dXNlcjpwYUBzcw=="); /* user:pa@ss */
    assert_false(http_seen_header(got, "Expect", value, sizeof value));
}

static void connection_is_kept_alive(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < 3; i++) {
        ask(f, (struct httpc_params){.url = http_fixture_url(f->server, "/")}, &seen);
        assert_int_equal(seen.reply.status, 200);
        assert_int_equal(seen.reply.reused, i > 0);
    }
    assert_int_equal(http_fixture_at(f->server, 2)->connection, 1);
}

static void idle_connection_that_the_server_closed_is_not_used(void **state)
{
    struct fixture *f = *state;
    char url[64];
    (void)snprintf(url, sizeof url, "http://127.0.0.1:%u/",
                   (unsigned)http_fixture_port(f->server));
    for (int i = 0; i < 2; i++) {
        ask(f, (struct httpc_params){.url = url}, &seen);
        assert_int_equal(seen.reply.status, 200);
    }
    http_fixture_free(&f->server);
    struct loop_turns before, after;
    loop_turns_get(f->loop, &before);
    loop_fixture_run_for(f->loop, 50);
    loop_turns_get(f->loop, &after);
    assert_true(after.turns - before.turns <
                40); /* its end does not keep the loop busy */
    ask(f, (struct httpc_params){.url = url}, &seen);
    assert_int_equal(seen.err.code, ERR_CONNECT);
    f->server = http_fixture_new(f->loop, answer, f);
}

/* What a request leaves in the client's memory must not go out with the next one. */
static void request_inherits_nothing(void **state)
{
    struct fixture *f = *state;
    char url[128];
    char value[128];
    (void)snprintf(url, sizeof url, "http://user:secret@127.0.0.1:%u/",
                   (unsigned)http_fixture_port(f->server));
    const struct httpc_header headers[] = {{"X-One", "1"}};
    ask(f,
        (struct httpc_params){.method = "PUT",
                              .url = url,
                              .headers = headers,
                              .header_count = ARRAY_LEN(headers),
                              .body = STR("text")},
        &seen);
    assert_int_equal(seen.err.code, ERR_OK);
    ask(f, (struct httpc_params){.url = http_fixture_url(f->server, "/")}, &seen);
    assert_int_equal(seen.err.code, ERR_OK);
    const struct http_seen *got = http_fixture_at(f->server, 1);
    assert_memory_equal(got->text, "GET ", 4);
    assert_string_equal(got->body, "");
    assert_false(http_seen_header(got, "Authorization", value, sizeof value));
    assert_false(http_seen_header(got, "X-One", value, sizeof value));
    assert_false(http_seen_header(got, "Content-Length", value, sizeof value));
}

/* Their descriptors are those of others next. */
static void connections_that_are_not_made_leave_nothing(void **state)
{
    struct fixture *f = *state;
    struct silent_fixture host;
    char url[64];
    silent_fixture_open(&host);
    (void)snprintf(url, sizeof url, "http://127.0.0.1:%u/", (unsigned)host.port);
    for (int i = 0; i < 3; i++) {
        ask(f, (struct httpc_params){.url = url, .timeout_ms = 100}, &seen);
        assert_int_equal(seen.err.code, ERR_TIMEOUT);
        struct seen canceled = {0};
        struct httpc_params params = {.url = url, .timeout_ms = TIMEOUT_MS};
        struct httpc_req *req = httpc_req_start(f->h, &params, on_reply, &canceled);
        loop_fixture_run_for(f->loop, 20);
        httpc_req_cancel(req);
        loop_fixture_run_until(f->loop, &canceled.done, WAIT_MS);
        assert_int_equal(canceled.err.code, ERR_CANCELED);
        ask(f, (struct httpc_params){.url = http_fixture_url(f->server, "/")}, &seen);
        assert_int_equal(seen.reply.status, 200);
    }
    silent_fixture_close(&host);
}

static void pause_asked_for_is_of_one_reply(void **state)
{
    struct fixture *f = *state;
    f->answer = (struct http_answer){.status = 503, .headers = "Retry-After: 3600\r\n"};
    ask(f, (struct httpc_params){.url = http_fixture_url(f->server, "/")}, &seen);
    assert_int_equal(seen.reply.retry_after_s, 3600);
    f->answer = (struct http_answer){.status = 503};
    ask(f, (struct httpc_params){.url = http_fixture_url(f->server, "/")}, &seen);
    assert_int_equal(seen.reply.retry_after_s, 0);
}

static void named_host_is_resolved_by_net(void **state)
{
    struct fixture *f = *state;
    char url[64];
    (void)snprintf(url, sizeof url, "http://localhost:%u/",
                   (unsigned)http_fixture_port(f->server));
    ask(f, (struct httpc_params){.url = url}, &seen);
    assert_int_equal(seen.err.code, ERR_OK);
    assert_int_equal(seen.reply.status, 200);
}

static void redirect_is_an_answer(void **state)
{
    struct fixture *f = *state;
    f->answer = (struct http_answer){.status = 302, .headers = "Location: /other\r\n"};
    ask(f, (struct httpc_params){.url = http_fixture_url(f->server, "/")}, &seen);
    assert_int_equal(seen.reply.status, 302);
    assert_int_equal(*http_fixture_count(f->server), 1);
}

static void huge_reply_is_cut(void **state)
{
    struct fixture *f = *state;
    f->answer = (struct http_answer){.status = 200, .fill_bytes = 10 * 1024 * 1024};
    ask(f, (struct httpc_params){.url = http_fixture_url(f->server, "/")}, &seen);
    assert_int_equal(seen.err.code, ERR_OK);
    assert_int_equal(seen.reply.status, 200);
    assert_true(seen.reply.cut);
    assert_int_equal(seen.reply.body.len, HTTPC_BODY_KEPT);
}

static void reply_of_the_limit_is_whole(void **state)
{
    struct fixture *f = *state;
    f->answer = (struct http_answer){.status = 200, .fill_bytes = HTTPC_BODY_KEPT};
    ask(f, (struct httpc_params){.url = http_fixture_url(f->server, "/")}, &seen);
    assert_false(seen.reply.cut);
    assert_int_equal(seen.reply.body.len, HTTPC_BODY_KEPT);
}

static void failures_have_their_codes(void **state)
{
    struct fixture *f = *state;
    static const struct {
        struct http_answer answer;
        int64_t timeout_ms;
        enum err_code code;
    } rows[] = {
        {{.status = 0}, 200, ERR_TIMEOUT},
        {{.reset = true}, 0, ERR_NET},
        {{.close = true}, 0, ERR_CLOSED},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        f->answer = rows[i].answer;
        ask(f,
            (struct httpc_params){.url = http_fixture_url(f->server, "/"),
                                  .timeout_ms = rows[i].timeout_ms},
            &seen);
        assert_int_equal(seen.err.code, rows[i].code);
    }
}

static void refused_connection_is_told(void **state)
{
    struct fixture *f = *state;
    char url[64];
    (void)snprintf(url, sizeof url, "http://127.0.0.1:%u/",
                   (unsigned)http_fixture_port(f->server));
    http_fixture_free(&f->server);
    ask(f, (struct httpc_params){.url = url}, &seen);
    assert_int_equal(seen.err.code, ERR_CONNECT);
}

static void bad_requests_are_refused(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *url;
        struct httpc_header header;
    } rows[] = {
        {"file:///etc/passwd", {"A", "b"}},
        {"gopher://127.0.0.1/", {"A", "b"}},
        {"http://", {"A", "b"}},
        {"http://a b/", {"A", "b"}},
        {"http://127.0.0.1:99999/", {"A", "b"}},
        {"", {"A", "b"}},
        {"http://127.0.0.1/", {"A", "b\r\nX: y"}},
        {"http://127.0.0.1/", {"A b", "c"}},
        {"http://127.0.0.1/", {"", "c"}},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        ask(f,
            (struct httpc_params){
                .url = rows[i].url, .headers = &rows[i].header, .header_count = 1},
            &seen);
        assert_int_equal(seen.err.code, ERR_INVALID);
    }
}

static void policy_refuses_addresses_in_any_form(void **state)
{
    struct fixture *f = *state;
    static const char *const urls[] = {
        "http://127.0.0.1:%u/",          "http://2130706433:%u/", "http://0x7f000001:%u/",
        "http://017700000001:%u/",       "http://127.1:%u/",      "http://localhost:%u/",
        "http://[::ffff:127.0.0.1]:%u/", "http://[::1]:%u/",
    };
    close_client(f);
    open_client(f, EGRESS_PRIVATE, NULL);
    for (size_t i = 0; i < ARRAY_LEN(urls); i++) {
        char url[96];
        struct str rest = str_of(urls[i]);
        size_t at = str_ifind(rest, "%u");
        (void)snprintf(url, sizeof url, "%.*s%u/", (int)at, urls[i],
                       (unsigned)http_fixture_port(f->server));
        ask(f, (struct httpc_params){.url = url}, &seen);
        assert_int_equal(seen.err.code, ERR_EGRESS);
    }
    assert_int_equal(*http_fixture_count(f->server), 0);
}

/* The second line of defence: net let the name pass, the socket does not. */
static void policy_is_checked_on_the_connected_address(void **state)
{
    struct fixture *f = *state;
    httpc_free(&f->h);
    f->h = httpc_new(f->net, &(struct httpc_config){.egress = EGRESS_PRIVATE});
    ask(f, (struct httpc_params){.url = http_fixture_url(f->server, "/")}, &seen);
    assert_int_equal(seen.err.code, ERR_EGRESS);
    assert_int_equal(*http_fixture_count(f->server), 0);
}

static void cancel_calls_back_once(void **state)
{
    struct fixture *f = *state;
    f->answer = (struct http_answer){.status = 0};
    for (int turns = 0; turns < 12; turns += 4) {
        seen = (struct seen){0};
        struct httpc_req *req = httpc_req_start(
            f->h,
            &(struct httpc_params){.url = http_fixture_url(f->server, "/"),
                                   .timeout_ms = TIMEOUT_MS},
            on_reply, &seen);
        for (int i = 0; i < turns; i++) {
            loop_turn(f->loop, false);
        }
        httpc_req_cancel(req);
        assert_false(seen.done);
        loop_fixture_run_until(f->loop, &seen.done, WAIT_MS);
        assert_int_equal(seen.err.code, ERR_CANCELED);
        assert_int_equal(seen.calls, 1);
    }
    assert_int_equal(httpc_active(f->h), 0);
}

/* 32 at once by default; the others wait their turn and are answered too. */
static void connections_per_host_are_capped(void **state)
{
    struct fixture *f = *state;
    enum {
        REQUESTS = 60
    };
    static struct seen many[REQUESTS];
    f->answer = (struct http_answer){.status = 200, .delay_ms = 50};
    for (int i = 0; i < REQUESTS; i++) {
        many[i] = (struct seen){0};
        (void)httpc_req_start(
            f->h,
            &(struct httpc_params){.url = http_fixture_url(f->server, "/"),
                                   .timeout_ms = TIMEOUT_MS},
            on_reply, &many[i]);
    }
    unsigned last = 0;
    for (int i = 0; i < REQUESTS; i++) {
        loop_fixture_run_until(f->loop, &many[i].done, WAIT_MS);
        assert_int_equal(many[i].reply.status, 200);
    }
    for (unsigned i = 0; i < REQUESTS; i++) {
        unsigned connection = http_fixture_at(f->server, i)->connection;
        last = connection > last ? connection : last;
    }
    assert_int_equal(last, 32);
}

/* --- TLS */

static void serve_tls(int fd, void *arg)
{
    SSL *ssl = server_fixture_tls(fd, arg);
    char chunk[4096];
    if (ssl != NULL) {
        static const char reply[] = "HTTP/1.1 204 No\r\n\r\n";
        if (SSL_read(ssl, chunk, sizeof chunk) > 0) {
            (void)SSL_write(ssl, reply, sizeof reply - 1);
        }
        SSL_free(ssl);
    }
}

static void certificates_are_verified(void **state)
{
    struct fixture *f = *state;
    static const struct {
        enum tls_fixture_cert cert;
        bool own_authority;
        enum err_code code;
    } rows[] = {
        {TLS_FIXTURE_GOOD, true, ERR_OK},
        {TLS_FIXTURE_GOOD, false, ERR_TLS_CERT},
        {TLS_FIXTURE_EXPIRED, true, ERR_TLS_CERT},
        {TLS_FIXTURE_WRONG_HOST, true, ERR_TLS_CERT},
        {TLS_FIXTURE_SELF_SIGNED, true, ERR_TLS_CERT},
    };
    struct tls_fixture *tls = tls_fixture_new();
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        SSL_CTX *ctx = tls_fixture_server_ctx(tls, rows[i].cert);
        struct server_fixture *server = server_fixture_start(serve_tls, ctx);
        char url[64];
        (void)snprintf(url, sizeof url, "https://localhost:%u/",
                       (unsigned)server_fixture_port(server));
        close_client(f);
        open_client(f, EGRESS_LINK_LOCAL,
                    rows[i].own_authority ? tls_fixture_ca_file(tls) : NULL);
        ask(f, (struct httpc_params){.url = url}, &seen);
        assert_int_equal(seen.err.code, rows[i].code);
        server_fixture_stop(&server);
        SSL_CTX_free(ctx);
    }
    tls_fixture_free(&tls);
}

static void origins_are_normal(void **state)
{
    (void)state;
    static const struct {
        const char *url, *origin;
    } rows[] = {
        {"https://Example.COM/a", "https://example.com:443"},
        {"http://u:p@example.com:8080/?q", "http://example.com:8080"},
        {"http://0x7f.1/", "http://127.0.0.1:80"},
        {"http://[::1]/", "http://[::1]:80"},
        {"ftp://example.com/", NULL},
        {"example.com", NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct httpc_origin origin;
        struct err err = {0};
        assert_int_equal(httpc_origin_get(rows[i].url, &origin, &err),
                         rows[i].origin != NULL);
        if (rows[i].origin != NULL) {
            assert_string_equal(origin.text, rows[i].origin);
        } else {
            assert_int_equal(err.code, ERR_INVALID);
        }
    }
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(body_headers_and_userinfo_arrive),
        T(connection_is_kept_alive),
        T(idle_connection_that_the_server_closed_is_not_used),
        T(request_inherits_nothing),
        T(pause_asked_for_is_of_one_reply),
        T(connections_that_are_not_made_leave_nothing),
        T(named_host_is_resolved_by_net),
        T(redirect_is_an_answer),
        T(huge_reply_is_cut),
        T(reply_of_the_limit_is_whole),
        T(failures_have_their_codes),
        T(refused_connection_is_told),
        T(bad_requests_are_refused),
        T(policy_refuses_addresses_in_any_form),
        T(policy_is_checked_on_the_connected_address),
        T(cancel_calls_back_once),
        T(connections_per_host_are_capped),
        T(certificates_are_verified),
        T(origins_are_normal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
