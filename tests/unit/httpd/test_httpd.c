#include "loop_fixture.h"
#include "postrider/base/mem.h"
#include "postrider/httpd/httpd.h"
#include "raw_http.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/socket.h>

#include <cmocka.h>

/* What the server under test does is chosen by the first path segment. */
struct world {
    struct loop *loop;
    struct httpd *h;
    struct httpd_req *held;
    unsigned bodies, closed, ended, chunks, drains;
    size_t chunk_bytes;
    bool was_closed, was_ended, was_held;
    struct timer later;
    size_t to_stream;
};

static bool is(struct httpd_req *req, const char *name)
{
    return httpd_req_segment_count(req) > 0 && str_eq_c(httpd_req_segment(req, 0), name);
}

static void reply_text(struct httpd_req *req, int status, struct str text)
{
    struct str argument =
        httpd_req_arg_count(req) > 0 ? httpd_req_arg(req, 0)->value : STR("");
    const struct httpd_header headers[] = {
        {"X-Argument", arena_str(httpd_req_arena(req), argument).ptr},
        {"X-Method", httpd_req_method(req)}};
    httpd_reply(req, &(struct httpd_reply){.status = status,
                                           .content_type = "text/plain",
                                           .body = text,
                                           .headers = headers,
                                           .header_count = ARRAY_LEN(headers)});
}

static void on_headers(struct httpd_req *req, void *ctx)
{
    struct world *w = ctx;
    if (httpd_req_defect(req) != NULL) {
        reply_text(req, 400, str_of(httpd_req_defect(req)));
    } else if (is(req, "refuse")) {
        reply_text(req, 401, STR("refused"));
    } else if (is(req, "hold-headers")) {
        w->held = req;
        w->was_held = true;
    } else if (is(req, "upload")) {
        httpd_body_stream(req, 1 << 30);
    } else {
        httpd_body_accept(req, 1000);
    }
}

static void fill_stream(struct world *w, struct httpd_req *req)
{
    static char block[32 * 1024];
    memset(block, 'x', sizeof block);
    while (w->to_stream > 0) {
        size_t n = w->to_stream < sizeof block ? w->to_stream : sizeof block;
        size_t waiting = httpd_stream_write(req, str_from(block, n));
        w->to_stream -= n;
        if (waiting >= HTTPD_STREAM_HIGH) {
            return;
        }
    }
    httpd_stream_end(req);
}

static void on_later(struct timer *t)
{
    struct world *w = container_of(t, struct world, later);
    reply_text(w->held, 200, STR("later"));
}

static void on_body(struct httpd_req *req, void *ctx)
{
    struct world *w = ctx;
    w->bodies++;
    if (httpd_req_body_too_large(req)) {
        reply_text(req, 413, STR("too large"));
    } else if (is(req, "hold") || is(req, "hold-headers")) {
        w->held = req;
        w->was_held = true;
    } else if (is(req, "later")) {
        w->held = req;
        timer_set(w->loop, &w->later, 10, on_later);
    } else if (is(req, "stream")) {
        httpd_stream_start(req, &(struct httpd_reply){.status = 200}, -1);
        fill_stream(w, req);
    } else if (is(req, "sized")) {
        httpd_stream_start(req, &(struct httpd_reply){.status = 200},
                           (int64_t)w->to_stream);
        fill_stream(w, req);
    } else if (is(req, "open")) {
        w->held = req;
        w->was_held = true;
        httpd_stream_start(req, &(struct httpd_reply){.status = 200}, -1);
        (void)httpd_stream_write(req, STR("first"));
    } else if (is(req, "remote")) {
        reply_text(req, 200, str_of(httpd_req_remote(req)));
    } else if (is(req, "echo")) {
        reply_text(req, 200, httpd_req_body(req));
    } else {
        reply_text(req, 200, STR("ok"));
    }
}

static void on_chunk(struct httpd_req *req, struct str data, void *ctx)
{
    struct world *w = ctx;
    w->chunks++;
    w->chunk_bytes += data.len;
    if (w->chunks == 1 && httpd_req_segment_count(req) > 1) {
        httpd_body_pause(req);
        w->held = req;
        w->was_held = true;
    }
}

static void on_drain(struct httpd_req *req, void *ctx)
{
    struct world *w = ctx;
    w->drains++;
    fill_stream(w, req);
}

static void on_closed(struct httpd_req *req, void *ctx)
{
    struct world *w = ctx;
    w->closed++;
    w->was_closed = true;
    w->held = w->held == req ? NULL : w->held;
    reply_text(req, 200, STR("nobody hears this"));
}

static void on_end(struct httpd_req *req, void *ctx)
{
    struct world *w = ctx;
    (void)req;
    w->ended++;
    w->was_ended = true;
}

static const struct httpd_handler handler = {.on_headers = on_headers,
                                             .on_body = on_body,
                                             .on_chunk = on_chunk,
                                             .on_drain = on_drain,
                                             .on_closed = on_closed,
                                             .on_end = on_end};

static void world_open(struct world *w, const struct httpd_config *config)
{
    static const struct httpd_config defaults = {.port = 0};
    struct err err = {0};
    *w = (struct world){.loop = loop_fixture_new()};
    w->h = httpd_new(w->loop, config != NULL ? config : &defaults, &handler, w, &err);
    assert_non_null(w->h);
}

static void world_close(struct world *w)
{
    httpd_free(&w->h);
    loop_fixture_free(&w->loop);
}

/* --- whose request it is --- */

struct forwarded {
    const char *trusted, *headers, *remote;
};

static const struct forwarded forwarded[] = {
    {NULL, "X-Forwarded-For: 1.2.3.4\r\n", "127.0.0.1"},
    {"10.0.0.0/8", "X-Forwarded-For: 1.2.3.4\r\n", "127.0.0.1"},
    {"127.0.0.1", "", "127.0.0.1"},
    {"127.0.0.1", "X-Forwarded-For: 1.2.3.4\r\n", "1.2.3.4"},
    {"127.0.0.1", "X-Forwarded-For: 6.6.6.6, 1.2.3.4\r\n", "1.2.3.4"},
    {"127.0.0.1, 10.0.0.0/8", "X-Forwarded-For: 6.6.6.6,1.2.3.4 , 10.0.0.7\r\n",
     "1.2.3.4"},
    {"127.0.0.1 10.0.0.0/8", "X-Forwarded-For: 10.1.1.1, 10.0.0.7\r\n", "10.1.1.1"},
    {"127.0.0.1", "X-Forwarded-For: 6.6.6.6\r\nx-forwarded-for: 2001:db8::1\r\n",
     "2001:db8::1"},
    {"127.0.0.1", "X-Forwarded-For: 6.6.6.6, unknown\r\n", "127.0.0.1"},
    {"127.0.0.1", "X-Forwarded-For: 1.2.3.4:80\r\n", "127.0.0.1"},
    {"127.0.0.1", "X-Forwarded-For: , ,\r\n", "127.0.0.1"},
    {"127.0.0.1", "X-Forwarded-For:\r\n", "127.0.0.1"},
};

static void a_trusted_proxy_tells_the_client(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(forwarded); i++) {
        const struct forwarded *x = &forwarded[i];
        struct world w;
        struct raw_client c;
        world_open(&w, &(struct httpd_config){.trusted_proxies = x->trusted});
        raw_open(&c, w.loop, httpd_port(w.h));
        raw_send_c(&c, "GET /remote HTTP/1.1\r\nHost: x\r\n");
        raw_send_c(&c, x->headers);
        raw_send_c(&c, "Connection: close\r\n\r\n");
        raw_expect_end(&c);
        struct str all = buf_str(&c.in);
        struct str body = str_tail(all, str_ifind(all, "\r\n\r\n") + 4);
        if (!str_eq_c(body, x->remote)) {
            fail_msg("%s with %s: %.*s", x->trusted, x->headers, STR_ARG(body));
        }
        raw_close(&c);
        world_close(&w);
    }
}

/* --- one exchange per row --- */

struct exchange {
    const char *name, *send, *expect;
    bool closes;
};

#define H " HTTP/1.1\r\nHost: x\r\n"

static const struct exchange exchanges[] = {
    {"get", "GET /a" H "\r\n", "200 OK", false},
    {"header_without_a_value", "GET /a?v=+%09" H "\r\n",
     "text/plain\r\nX-Method: GET\r\n", false},
    {"header_as_it_is", "GET /a?v=a+b" H "\r\n", "X-Argument: a b\r\nX-Method", false},
    {"header_with_control_bytes", "GET /a?v=+a%0d%0aX:b%7fc%0a" H "\r\n",
     "X-Argument: a  X:b c\r\nX-Method", false},
    {"reply_from_a_timer", "GET /later" H "\r\n", "\r\n\r\nlater", false},
    {"body_comes_back", "POST /echo" H "Content-Length: 5\r\n\r\nhello", "\r\n\r\nhello",
     false},
    {"chunked_body_comes_back",
     "POST /echo" H
     "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n",
     "\r\n\r\nabcde", false},
    {"empty_chunked_body", "POST /a" H "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
     "\r\n\r\nok", false},
    {"empty_body", "POST /a" H "Content-Length: 0\r\n\r\n", "\r\n\r\nok", false},
    {"expect_continue",
     "POST /echo" H "Expect: 100-continue\r\nContent-Length: 2\r\n\r\nhi", "\r\n\r\nhi",
     false},
    {"announced_too_large_is_refused_unread",
     "POST /echo" H "Content-Length: 1000000000\r\n\r\nxx", "413 ", true},
    {"refused_before_a_long_body", "POST /refuse" H "Content-Length: 1000000000\r\n\r\n",
     "401 ", true},
    {"refused_before_a_short_body_keeps_the_connection",
     "POST /refuse" H "Content-Length: 4\r\n\r\nabcd", "401 ", false},
    {"http_1_0_closes", "GET /a HTTP/1.0\r\n\r\n", "200 OK", true},
    {"asked_to_close", "GET /a" H "Connection: close\r\n\r\n", "200 OK", true},
    {"length_and_encoding",
     "POST /a" H "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
     "400 ", true},
    {"two_lengths", "POST /a" H "Content-Length: 2\r\nContent-Length: 3\r\n\r\nabc",
     "400 ", true},
    {"two_equal_lengths", "POST /a" H "Content-Length: 2\r\nContent-Length: 2\r\n\r\nab",
     "400 ", true},
    {"length_with_plus", "POST /a" H "Content-Length: +2\r\n\r\nab", "400 ", true},
    {"length_too_long", "POST /a" H "Content-Length: 99999999999999999999999\r\n\r\nab",
     "4", true},
    {"unknown_encoding", "POST /a" H "Transfer-Encoding: xchunked\r\n\r\nab", "400 ",
     true},
    {"encoding_list", "POST /a" H "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
     "400 ", true},
    {"bad_chunk_size", "POST /a" H "Transfer-Encoding: chunked\r\n\r\nzz\r\n", "400 ",
     true},
    {"chunk_size_overflow",
     "POST /a" H "Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n", "4", true},
    {"two_hosts", "GET /a" H "Host: y\r\n\r\n", "400 ", true},
    {"no_host", "GET /a HTTP/1.1\r\n\r\n", "400 ", true},
    {"absolute_form", "GET http://x/a" H "\r\n", "400 ", false},
    {"no_path", "GET a" H "\r\n", "400 ", false},
    {"unknown_version", "GET /a HTTP/3.7\r\nHost: x\r\n\r\n", "505 ", true},
    {"double_slash", "GET //a" H "\r\n", "400 ", false},
    {"inner_double_slash", "GET /a//b" H "\r\n", "400 ", false},
    {"dot_segment", "GET /a/./b" H "\r\n", "400 ", false},
    {"dot_dot_segment", "GET /a/../b" H "\r\n", "400 ", false},
    {"coded_dot_dot", "GET /a/%2e%2E/b" H "\r\n", "400 ", false},
    {"cut_percent", "GET /a%2" H "\r\n", "400 ", false},
    {"bad_percent", "GET /a%zz" H "\r\n", "400 ", false},
    {"coded_nul", "GET /a%00" H "\r\n", "400 ", false},
    {"overlong_utf8", "GET /%c0%af" H "\r\n", "400 ", false},
    {"bad_query", "GET /a?x=%ff" H "\r\n", "400 ", false},
    {"trailing_slash", "GET /a/" H "\r\n", "200 ", false},
    {"unknown_method_reaches_the_handler", "BREW /a" H "\r\n", "X-Method: BREW", false},
};

static void exchange_rows(void **state)
{
    (void)state;
    struct world w;
    world_open(&w, NULL);
    for (size_t i = 0; i < ARRAY_LEN(exchanges); i++) {
        const struct exchange *x = &exchanges[i];
        struct raw_client c;
        print_message("  %s\n", x->name);
        raw_open(&c, w.loop, httpd_port(w.h));
        raw_send_c(&c, x->send);
        raw_expect(&c, "HTTP/1.1 ");
        raw_expect(&c, x->expect);
        if (x->closes) {
            raw_expect_end(&c);
        } else {
            raw_send_c(&c, "GET /second" H "\r\n");
            raw_expect(&c, "\r\n\r\nok");
        }
        raw_close(&c);
    }
    world_close(&w);
    /* the two bodies with broken chunks had been accepted */
    assert_int_equal(w.closed, 2);
}

static void exchange_rows_byte_by_byte(void **state)
{
    (void)state;
    struct world w;
    world_open(&w, NULL);
    for (size_t i = 0; i < ARRAY_LEN(exchanges); i++) {
        const struct exchange *x = &exchanges[i];
        struct raw_client c;
        raw_open(&c, w.loop, httpd_port(w.h));
        for (const char *p = x->send; *p != '\0'; p++) {
            raw_send(&c, str_from(p, 1));
            loop_turn(w.loop, false);
        }
        raw_expect(&c, x->expect);
        raw_close(&c);
    }
    world_close(&w);
}

static void decoded_parts_reach_the_handler(void **state)
{
    (void)state;
    struct world w;
    struct raw_client c;
    world_open(&w, NULL);
    raw_open(&c, w.loop, httpd_port(w.h));
    raw_send_c(&c,
               "GET /hold/%C3%A4%2Fb+c/?x=1+2&y&x=%26&=z" H "X-A: 1\r\nx-a: 2\r\n\r\n");
    loop_fixture_run_until(w.loop, &w.was_held, 5000);
    assert_int_equal(httpd_req_segment_count(w.held), 2);
    assert_true(str_eq_c(httpd_req_segment(w.held, 1), "\xc3\xa4/b+c"));
    assert_int_equal(httpd_req_arg_count(w.held), 4);
    assert_true(str_eq_c(httpd_req_arg(w.held, 0)->value, "1 2"));
    assert_true(str_eq_c(httpd_req_arg(w.held, 1)->name, "y"));
    assert_true(str_eq_c(httpd_req_arg(w.held, 2)->value, "&"));
    assert_true(str_eq_c(httpd_req_arg(w.held, 3)->name, ""));
    assert_string_equal(httpd_req_header(w.held, "X-A"), "1");
    assert_int_equal(httpd_req_header_count(w.held, "x-a"), 2);
    assert_string_equal(httpd_req_remote(w.held), "127.0.0.1");
    assert_true(str_has_prefix(httpd_req_raw_path(w.held), "/hold/%C3"));
    const struct httpd_header evil[] = {{"X-Evil", "a\r\nSet-Cookie: b"}};
    httpd_reply(w.held,
                &(struct httpd_reply){.status = 204, .headers = evil, .header_count = 1});
    raw_expect(&c, "X-Evil: a  Set-Cookie: b\r\n");
    raw_close(&c);
    world_close(&w);
}

static void head_has_the_length_and_no_body(void **state)
{
    (void)state;
    struct world w;
    struct raw_client c;
    world_open(&w, NULL);
    raw_open(&c, w.loop, httpd_port(w.h));
    raw_send_c(&c, "HEAD /a" H "\r\nGET /later" H "\r\n");
    raw_expect(&c, "\r\n\r\nlater");
    assert_true(raw_has(&c, "Content-Length: 2\r\n"));
    assert_false(raw_has(&c, "\r\n\r\nok"));
    w.to_stream = 100;
    raw_send_c(&c, "HEAD /stream" H "\r\nGET /b" H "\r\n");
    raw_expect(&c, "\r\n\r\nok");
    raw_close(&c);
    world_close(&w);
}

static void pipelined_requests_are_answered_in_order(void **state)
{
    (void)state;
    enum {
        COUNT = 2000
    };
    struct world w;
    struct raw_client c;
    struct buf all = BUF_INIT(1 << 20);
    world_open(&w, NULL);
    raw_open(&c, w.loop, httpd_port(w.h));
    for (int i = 0; i < COUNT; i++) {
        (void)buf_printf(&all, "POST /echo" H "Content-Length: 6\r\n\r\n<%04d>", i);
    }
    raw_send(&c, buf_str(&all));
    raw_expect_times(&c, "200 OK", COUNT);
    raw_expect(&c, "<1999>");
    const char *at = buf_c(&c.in);
    for (int i = 0; i < COUNT; i++) {
        char want[8];
        (void)snprintf(want, sizeof want, "<%04d>", i);
        at = strstr(at, want);
        assert_non_null(at);
    }
    assert_int_equal(w.ended, COUNT);
    buf_fini(&all);
    raw_close(&c);
    world_close(&w);
}

static void oversized_headers_are_refused(void **state)
{
    (void)state;
    struct world w;
    struct raw_client c;
    struct buf all = BUF_INIT(1 << 20);
    world_open(&w, NULL);
    raw_open(&c, w.loop, httpd_port(w.h));
    (void)buf_put_c(&all, "GET /a" H);
    for (int i = 0; i < 10000; i++) {
        (void)buf_printf(&all, "X-%d: 1\r\n", i);
    }
    (void)buf_put_c(&all, "\r\n");
    raw_send(&c, buf_str(&all));
    raw_expect_end(&c);
    assert_false(raw_has(&c, "200 OK"));
    assert_int_equal(w.bodies, 0);
    buf_fini(&all);
    raw_close(&c);
    world_close(&w);
}

static void chunked_body_over_the_limit_gets_413(void **state)
{
    (void)state;
    struct world w;
    struct raw_client c;
    struct buf all = BUF_INIT(1 << 20);
    world_open(&w, NULL);
    raw_open(&c, w.loop, httpd_port(w.h));
    (void)buf_put_c(&all, "POST /echo" H "Transfer-Encoding: chunked\r\n\r\n");
    for (int i = 0; i < 200; i++) {
        (void)buf_put_c(&all, "a\r\n0123456789\r\n");
    }
    (void)buf_put_c(&all, "0\r\n\r\nGET /a" H "\r\n");
    raw_send(&c, buf_str(&all));
    raw_expect(&c, "413 ");
    raw_expect(&c, "\r\n\r\nok");
    buf_fini(&all);
    raw_close(&c);
    world_close(&w);
}

static void endless_chunked_body_is_cut(void **state)
{
    (void)state;
    struct world w;
    struct raw_client c;
    world_open(&w, NULL);
    raw_open(&c, w.loop, httpd_port(w.h));
    raw_send_c(&c, "POST /echo" H "Transfer-Encoding: chunked\r\n\r\n");
    for (int i = 0; i < 100000 && !c.at_end; i++) {
        raw_send_c(&c, "a\r\n0123456789\r\n");
        raw_poll(&c);
        loop_turn(w.loop, false);
    }
    raw_expect_end(&c);
    loop_fixture_run_until(w.loop, &w.was_ended, 5000);
    assert_int_equal(w.closed, 1);
    raw_close(&c);
    world_close(&w);
}

static void body_may_wait_for_the_decision(void **state)
{
    (void)state;
    struct world w;
    struct raw_client c;
    world_open(&w, NULL);
    raw_open(&c, w.loop, httpd_port(w.h));
    raw_send_c(&c, "POST /hold-headers" H "Content-Length: 5\r\n\r\nhello");
    loop_fixture_run_until(w.loop, &w.was_held, 5000);
    loop_fixture_run_for(w.loop, 20);
    assert_int_equal(w.bodies, 0);
    w.was_held = false;
    httpd_body_accept(w.held, 100);
    loop_fixture_run_until(w.loop, &w.was_held, 5000);
    assert_true(str_eq_c(httpd_req_body(w.held), "hello"));
    reply_text(w.held, 200, STR("taken"));
    raw_expect(&c, "\r\n\r\ntaken");
    /* without a body */
    w.was_held = false;
    raw_send_c(&c, "GET /hold-headers" H "\r\n");
    loop_fixture_run_until(w.loop, &w.was_held, 5000);
    w.was_held = false;
    httpd_body_accept(w.held, 100);
    loop_fixture_run_until(w.loop, &w.was_held, 5000);
    reply_text(w.held, 200, STR("again"));
    raw_expect(&c, "\r\n\r\nagain");
    /* refused after a while, the body is dropped */
    w.was_held = false;
    raw_send_c(&c, "POST /hold-headers" H "Content-Length: 5\r\n\r\nhello");
    loop_fixture_run_until(w.loop, &w.was_held, 5000);
    reply_text(w.held, 403, STR("no"));
    raw_expect(&c, "403 ");
    raw_send_c(&c, "GET /a" H "\r\n");
    raw_expect(&c, "\r\n\r\nok");
    raw_close(&c);
    world_close(&w);
}

static void client_leaving_is_noticed_while_waiting(void **state)
{
    (void)state;
    static const char *const paths[] = {"hold", "hold-headers"};
    static const char *const bodies[] = {"", "Content-Length: 3\r\n"};
    for (size_t i = 0; i < 4; i++) {
        struct world w;
        struct raw_client c;
        char text[200];
        world_open(&w, NULL);
        raw_open(&c, w.loop, httpd_port(w.h));
        (void)snprintf(text, sizeof text, "GET /%s" H "%s\r\n%s", paths[i % 2],
                       bodies[i / 2], i / 2 == 1 ? "abc" : "");
        raw_send_c(&c, text);
        loop_fixture_run_until(w.loop, &w.was_held, 5000);
        raw_close(&c);
        loop_fixture_run_until(w.loop, &w.was_ended, 5000);
        assert_int_equal(w.closed, 1);
        assert_int_equal(httpd_active(w.h), 0);
        world_close(&w);
        assert_int_equal(w.closed, 1);
        assert_int_equal(w.ended, 1);
    }
}

static void reply_and_leaving_in_the_same_turn(void **state)
{
    (void)state;
    struct world w;
    struct raw_client c;
    world_open(&w, NULL);
    raw_open(&c, w.loop, httpd_port(w.h));
    raw_send_c(&c, "GET /hold" H "\r\n");
    loop_fixture_run_until(w.loop, &w.was_held, 5000);
    raw_close(&c);
    reply_text(w.held, 200, STR("gone"));
    loop_fixture_run_until(w.loop, &w.was_ended, 5000);
    assert_int_equal(w.closed, 0);
    world_close(&w);
}

static void stop_with_waiting_requests(void **state)
{
    (void)state;
    struct world w;
    struct raw_client c[6];
    static const char *const sent[] = {
        "GET /hold" H "\r\n",
        "POST /hold" H "Content-Length: 1\r\n\r\nx",
        "POST /hold-headers" H "Content-Length: 1\r\n\r\nx",
        "GET /open" H "\r\n",
        "POST /echo" H "Content-Length: 10\r\n\r\nxx",
        "GET /a HT",
    };
    world_open(&w, NULL);
    for (size_t i = 0; i < ARRAY_LEN(sent); i++) {
        raw_open(&c[i], w.loop, httpd_port(w.h));
        raw_send_c(&c[i], sent[i]);
    }
    loop_fixture_run_for(w.loop, 100);
    httpd_quiesce(w.h);
    assert_int_equal(httpd_active(w.h), 5);
    httpd_free(&w.h);
    assert_int_equal(w.closed, 5);
    assert_int_equal(w.ended, 5);
    for (size_t i = 0; i < ARRAY_LEN(sent); i++) {
        raw_expect_end(&c[i]);
        assert_int_equal(raw_has(&c[i], "503 "), i <= 2);
        raw_close(&c[i]);
    }
    loop_fixture_free(&w.loop);
}

static void quiesced_server_finishes_what_it_has(void **state)
{
    (void)state;
    struct world w;
    struct raw_client c;
    world_open(&w, NULL);
    raw_open(&c, w.loop, httpd_port(w.h));
    raw_send_c(&c, "GET /hold" H "\r\n");
    loop_fixture_run_until(w.loop, &w.was_held, 5000);
    httpd_quiesce(w.h);
    reply_text(w.held, 200, STR("done"));
    raw_expect(&c, "\r\n\r\ndone");
    raw_expect_end(&c);
    raw_close(&c);
    world_close(&w);
}

static void slow_headers_are_cut(void **state)
{
    (void)state;
    static const struct httpd_config config = {.header_ms = 50};
    static const char *const sent[] = {"", "GET /a", "GET /a HTTP/1.1\r\nHost: x\r\nX"};
    for (size_t i = 0; i < ARRAY_LEN(sent); i++) {
        struct world w;
        struct raw_client c;
        world_open(&w, &config);
        raw_open(&c, w.loop, httpd_port(w.h));
        raw_send_c(&c, sent[i]);
        raw_expect_end(&c);
        assert_int_equal(w.bodies, 0);
        raw_close(&c);
        world_close(&w);
    }
}

static void slow_body_is_cut(void **state)
{
    (void)state;
    static const struct httpd_config config = {.body_window_ms = 50,
                                               .body_window_bytes = 100};
    static const char *const paths[] = {"/echo", "/upload", "/refuse"};
    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        struct world w;
        struct raw_client c;
        char text[200];
        world_open(&w, &config);
        raw_open(&c, w.loop, httpd_port(w.h));
        (void)snprintf(text, sizeof text, "POST %s" H "Content-Length: 900\r\n\r\nabc",
                       paths[i]);
        raw_send_c(&c, text);
        raw_expect_end(&c);
        loop_fixture_run_until(w.loop, &w.was_ended, 5000);
        assert_int_equal(w.closed, i < 2);
        raw_close(&c);
        world_close(&w);
    }
}

static void stream_to_a_slow_reader_is_bounded(void **state)
{
    (void)state;
    enum {
        TOTAL = 8 * 1024 * 1024,
        TAKEN_MAX = HTTPD_STREAM_HIGH + 2 * HTTPD_STREAM_UNSENT + 128 * 1024
    };
    static const char *const asked[] = {"GET /stream" H "\r\n", "GET /sized" H "\r\n"};
    for (size_t i = 0; i < ARRAY_LEN(asked); i++) {
        struct world w;
        struct raw_client c;
        world_open(&w, NULL);
        w.to_stream = TOTAL;
        raw_open_narrow(&c, w.loop, httpd_port(w.h));
        raw_send_c(&c, asked[i]);
        loop_fixture_run_for(w.loop, 100);
        /* Of what nobody reads the daemon and the kernel take little, */
        assert_in_range(TOTAL - w.to_stream, HTTPD_STREAM_HIGH, TAKEN_MAX);
        for (int turns = 0; c.in.len < TOTAL && turns < 200000; turns++) {
            raw_poll(&c);
            loop_turn(w.loop, false);
        }
        assert_true(c.in.len >= TOTAL);
        loop_fixture_run_until(w.loop, &w.was_ended, 5000);
        assert_int_equal(w.closed, 0);
        assert_true(w.drains > 4);
        raw_close(&c);
        world_close(&w);
    }
}

static void stream_without_back_pressure_is_aborted(void **state)
{
    (void)state;
    struct world w;
    struct raw_client c;
    static char block[64 * 1024];
    world_open(&w, NULL);
    raw_open_narrow(&c, w.loop, httpd_port(w.h));
    raw_send_c(&c, "GET /open" H "\r\n");
    loop_fixture_run_until(w.loop, &w.was_held, 5000);
    for (int i = 0; i < 1000 && w.held != NULL; i++) {
        (void)httpd_stream_write(w.held, str_from(block, sizeof block));
        loop_turn(w.loop, false);
    }
    assert_int_equal(w.closed, 1);
    raw_close(&c);
    loop_fixture_run_until(w.loop, &w.was_ended, 5000);
    world_close(&w);
    assert_int_equal(w.closed, 1);
}

static void client_leaving_an_open_stream(void **state)
{
    (void)state;
    struct world w;
    struct raw_client c;
    world_open(&w, NULL);
    raw_open(&c, w.loop, httpd_port(w.h));
    raw_send_c(&c, "GET /open" H "\r\n");
    raw_expect(&c, "first");
    loop_fixture_run_for(w.loop, 20);
    (void)httpd_stream_write(w.held, STR("second"));
    raw_expect(&c, "second");
    raw_close(&c);
    loop_fixture_run_until(w.loop, &w.was_ended, 5000);
    assert_int_equal(w.closed, 1);
    world_close(&w);
}

static void streams_end_and_abort(void **state)
{
    (void)state;
    for (int aborted = 0; aborted <= 1; aborted++) {
        struct world w;
        struct raw_client c;
        world_open(&w, NULL);
        raw_open(&c, w.loop, httpd_port(w.h));
        raw_send_c(&c, "GET /open" H "\r\n");
        raw_expect(&c, "first");
        (aborted != 0 ? httpd_stream_abort : httpd_stream_end)(w.held);
        if (aborted != 0) {
            raw_expect_end(&c);
            assert_false(raw_has(&c, "\r\n0\r\n\r\n"));
        } else {
            raw_expect(&c, "\r\n0\r\n\r\n");
            raw_send_c(&c, "GET /a" H "\r\n");
            raw_expect(&c, "\r\n\r\nok");
        }
        raw_close(&c);
        world_close(&w);
        assert_int_equal(w.closed, 0);
    }
}

static void streamed_body_can_pause(void **state)
{
    (void)state;
    struct world w;
    struct raw_client c;
    struct buf all = BUF_INIT(1 << 21);
    world_open(&w, NULL);
    raw_open(&c, w.loop, httpd_port(w.h));
    (void)buf_put_c(&all, "POST /upload/pause" H "Content-Length: 1000000\r\n\r\n");
    while (all.len < 1000000) {
        (void)buf_put_c(&all, "0123456789012345678901234567890123456789");
    }
    raw_send(&c, str_from(all.bytes, 60000));
    loop_fixture_run_until(w.loop, &w.was_held, 5000);
    loop_fixture_run_for(w.loop, 30);
    assert_int_equal(w.chunks, 1);
    httpd_body_resume(w.held);
    size_t head = strlen("POST /upload/pause" H "Content-Length: 1000000\r\n\r\n");
    raw_send(&c, str_from(all.bytes + 60000, 1000000 + head - 60000 > all.len - 60000
                                                 ? all.len - 60000
                                                 : 1000000 + head - 60000));
    raw_send(&c, str_from(all.bytes + head,
                          1000000 + head > all.len ? 1000000 + head - all.len : 0));
    raw_expect(&c, "\r\n\r\nok");
    assert_int_equal(w.chunk_bytes, 1000000);
    raw_close(&c);
    /* pausing at the last piece holds on_body back */
    w.was_held = false;
    w.chunks = w.bodies = 0;
    raw_open(&c, w.loop, httpd_port(w.h));
    raw_send_c(&c, "POST /upload/pause" H "Content-Length: 3\r\n\r\nabc");
    loop_fixture_run_until(w.loop, &w.was_held, 5000);
    loop_fixture_run_for(w.loop, 30);
    assert_int_equal(w.bodies, 0);
    httpd_body_resume(w.held);
    raw_expect(&c, "\r\n\r\nok");
    raw_close(&c);
    buf_fini(&all);
    world_close(&w);
}

static void many_connections_come_and_go(void **state)
{
    (void)state;
    struct world w;
    struct raw_client c[100];
    world_open(&w, NULL);
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < ARRAY_LEN(c); i++) {
            raw_open(&c[i], w.loop, httpd_port(w.h));
            raw_send_c(&c[i], i % 3 == 0 ? "GET /hold" H "\r\n" : "GET /a" H "\r\n");
        }
        for (size_t i = 0; i < ARRAY_LEN(c); i++) {
            if (i % 3 != 0) {
                raw_expect(&c[i], "200 OK");
            }
            raw_close(&c[i]);
        }
        loop_fixture_run_for(w.loop, 50);
    }
    assert_int_equal(httpd_active(w.h), 0);
    assert_int_equal(httpd_connections(w.h), 0);
    world_close(&w);
    assert_int_equal(w.closed, 3 * 34);
}

static void connection_limit_waits_instead_of_failing(void **state)
{
    (void)state;
    static const struct httpd_config config = {.max_connections = 2};
    struct world w;
    struct raw_client c[3];
    world_open(&w, &config);
    for (size_t i = 0; i < 2; i++) {
        raw_open(&c[i], w.loop, httpd_port(w.h));
        raw_send_c(&c[i], "GET /a" H "\r\n");
        raw_expect(&c[i], "200 OK");
    }
    raw_open(&c[2], w.loop, httpd_port(w.h));
    raw_send_c(&c[2], "GET /a" H "\r\n");
    loop_fixture_run_for(w.loop, 30);
    assert_int_equal(httpd_connections(w.h), 2);
    raw_close(&c[0]);
    raw_expect(&c[2], "200 OK");
    raw_close(&c[1]);
    raw_close(&c[2]);
    world_close(&w);
}

static void bad_address_is_reported(void **state)
{
    (void)state;
    struct loop *loop = loop_fixture_new();
    struct err err = {0};
    struct httpd_config config = {.host = "192.0.2.1"};
    assert_null(httpd_new(loop, &config, &handler, NULL, &err));
    assert_int_equal(err.code, ERR_IO);
    config.host = "not an address";
    assert_null(httpd_new(loop, &config, &handler, NULL, &err));
    assert_int_equal(err.code, ERR_CONFIG);
    loop_fixture_free(&loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_trusted_proxy_tells_the_client),
        cmocka_unit_test(exchange_rows),
        cmocka_unit_test(exchange_rows_byte_by_byte),
        cmocka_unit_test(decoded_parts_reach_the_handler),
        cmocka_unit_test(head_has_the_length_and_no_body),
        cmocka_unit_test(pipelined_requests_are_answered_in_order),
        cmocka_unit_test(oversized_headers_are_refused),
        cmocka_unit_test(chunked_body_over_the_limit_gets_413),
        cmocka_unit_test(endless_chunked_body_is_cut),
        cmocka_unit_test(body_may_wait_for_the_decision),
        cmocka_unit_test(client_leaving_is_noticed_while_waiting),
        cmocka_unit_test(reply_and_leaving_in_the_same_turn),
        cmocka_unit_test(stop_with_waiting_requests),
        cmocka_unit_test(quiesced_server_finishes_what_it_has),
        cmocka_unit_test(slow_headers_are_cut),
        cmocka_unit_test(slow_body_is_cut),
        cmocka_unit_test(stream_to_a_slow_reader_is_bounded),
        cmocka_unit_test(stream_without_back_pressure_is_aborted),
        cmocka_unit_test(client_leaving_an_open_stream),
        cmocka_unit_test(streams_end_and_abort),
        cmocka_unit_test(streamed_body_can_pause),
        cmocka_unit_test(many_connections_come_and_go),
        cmocka_unit_test(connection_limit_waits_instead_of_failing),
        cmocka_unit_test(bad_address_is_reported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
