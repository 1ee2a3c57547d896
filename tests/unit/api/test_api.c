#include "loop_fixture.h"
#include "postrider/api/api.h"
#include "postrider/base/mem.h"
#include "raw_http.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

/* --- a token port: "good" may all, "bound" only the account "a", "slow" never answers --- */

struct pending {
    struct deferred later;
    api_auth_cb *cb;
    void *arg;
    char token[32];
    bool canceled;
};

struct world {
    struct loop *loop;
    struct api *api;
    bool is_unwell;
    bool knows; /* the tokens, without a wait */
    struct api_call *held;
    struct pending *slow;
    unsigned handled, canceled, ended, asked;
    bool was_held, was_canceled, was_asked;
    size_t uploaded;
};

static void answer(struct str token, api_auth_cb *cb, void *arg)
{
    struct api_identity who = {.token_id = "t1", .account = ""};
    struct err err = {0};
    if (str_eq_c(token, "good")) {
        cb(arg, &(struct api_auth_answer){.who = &who});
    } else if (str_eq_c(token, "bound")) {
        who.account = "a";
        cb(arg, &(struct api_auth_answer){.who = &who});
    } else if (str_eq_c(token, "limited")) {
        cb(arg, &(struct api_auth_answer){
                    .who = &who, .rate = {.limit = 5, .remaining = 3, .reset_s = 7}});
    } else if (str_eq_c(token, "fast")) {
        json_t *details = json_object();
        json_put_int(details, "ttl", 7);
        (void)err_set(&err, ERR_RATE_LIMITED, "Too many requests");
        cb(arg, &(struct api_auth_answer){
                    .err = &err, .details = details, .rate = {.limit = 5, .reset_s = 7}});
        json_decref(details);
    } else {
        (void)err_set(&err, ERR_UNAUTHORIZED, "Unauthorized");
        cb(arg, &(struct api_auth_answer){.err = &err});
    }
}

static void on_answer(struct deferred *d)
{
    struct pending *p = container_of(d, struct pending, later);
    struct err err = {0};
    if (p->canceled) {
        (void)err_set(&err, ERR_CANCELED, "canceled");
        p->cb(p->arg, &(struct api_auth_answer){.err = &err});
    } else {
        answer(str_of(p->token), p->cb, p->arg);
    }
    mem_free(p);
}

static bool auth_known(void *ctx, const struct api_auth_query *q, api_auth_cb *cb,
                       void *arg)
{
    const struct world *w = ctx;
    if (w->knows) {
        answer(q->token, cb, arg);
    }
    return w->knows;
}

static void *auth_start(void *ctx, const struct api_auth_query *q, api_auth_cb *cb,
                        void *arg)
{
    struct world *w = ctx;
    struct pending *p = MEM_NEW(struct pending);
    assert_true(q->token.len < sizeof p->token);
    memcpy(p->token, q->token.ptr, q->token.len);
    p->cb = cb;
    p->arg = arg;
    w->asked++;
    w->was_asked = true;
    if (strcmp(p->token, "slow") == 0) {
        w->slow = p;
    } else {
        loop_defer(w->loop, &p->later, on_answer);
    }
    return p;
}

static void auth_cancel(void *ctx, void *handle)
{
    struct world *w = ctx;
    struct pending *p = handle;
    p->canceled = true;
    loop_defer(w->loop, &p->later, on_answer);
}

/* --- handlers --- */

static void on_cancel(struct api_call *call)
{
    struct world *w = call->services;
    w->canceled++;
    w->was_canceled = true;
    w->held = NULL;
    api_reply_json(call, 200, json_object()); /* ignored */
}

static void on_end(struct api_call *call)
{
    struct world *w = call->services;
    w->ended++;
}

static void handle_echo(struct api_call *call)
{
    struct world *w = call->services;
    w->handled++;
    call->on_end = on_end;
    json_t *out = json_object();
    json_put(out, "params", json_incref(call->params));
    json_put(out, "query", json_incref(call->query));
    json_put(out, "body", json_incref(call->body));
    json_put_int(out, "timeout", call->timeout_ms);
    json_put_cstr(out, "token", call->who.token_id);
    api_reply_json(call, 200, out);
}

static void handle_hold(struct api_call *call)
{
    struct world *w = call->services;
    w->held = call;
    w->was_held = true;
    call->on_cancel = on_cancel;
    call->on_end = on_end;
}

static void handle_fail(struct api_call *call)
{
    static const struct err err = {.code = ERR_NO_MESSAGE, .msg = "No such message"};
    json_t *more = json_object();
    json_put_cstr(more, "state", "x");
    api_reply_err_with(call, &err, more);
}

static void handle_stream(struct api_call *call)
{
    struct world *w = call->services;
    w->held = call;
    w->was_held = true;
    call->on_cancel = on_cancel;
    api_reply_stream(
        call, &(struct httpd_reply){.status = 200, .content_type = "text/plain"}, -1);
    (void)httpd_stream_write(call->req, STR("begin"));
}

static void on_upload(struct api_call *call, struct str data)
{
    struct world *w = call->services;
    w->uploaded += data.len;
}

static void on_upload_end(struct api_call *call)
{
    json_t *out = json_object();
    json_put_cstr(out, "done", "yes");
    api_reply_json(call, 200, out);
}

static void handle_upload(struct api_call *call)
{
    call->on_chunk = on_upload;
    call->on_body_end = on_upload_end;
    call->on_cancel = on_cancel;
    httpd_body_stream(call->req, 100000);
}

/* --- the table --- */

static const struct field_spec account_params[] = {
    F_STR("account", FIELD_REQUIRED | FIELD_TRIM, F_MAX_LEN(10)),
};
static const struct field_spec message_params[] = {
    F_STR("account", FIELD_REQUIRED | FIELD_TRIM, F_MAX_LEN(10)),
    F_STR("message", FIELD_REQUIRED),
};
static const struct field_spec list_query[] = {
    F_INT("page", 0, F_RANGE(0, 100), F_DEFAULT("0")),
    F_BOOL("deep", FIELD_UNDOCUMENTED),
    F_ARR("kind", FIELD_SINGLE, F_ITEM(F_STR(NULL, 0))),
};
static const struct field_spec item_fields[] = {
    F_STR("path", FIELD_REQUIRED),
    F_INT("size", 0, F_DEFAULT("5")),
};
static const struct field_spec item_body =
    F_OBJ(NULL, FIELD_NULLABLE, F_LABEL("Item"), F_FIELDS(item_fields));

#define API_ROW(m, p, id) .method = (m), .path = (p), .operation_id = (id), .scope = "api"

enum {
    LARGE = 1024 * 1024 + 1,
    VERY_LARGE = 8 * 1024 * 1024 /* more than sockets hold */
};
static const struct field_spec large_fields[] = {
    F_STR("text", FIELD_EMPTY_OK, F_MAX_LEN(2 * VERY_LARGE)),
};
static const struct field_spec large_body = F_OBJ(NULL, 0, F_FIELDS(large_fields));

static const struct api_route rows[] = {
    {API_ROW("GET", "/v1/account/{account}/messages", "list"), .action = "read",
     .group = "message", .tag = "Message", .summary = "List messages",
     ROUTE_PARAMS(account_params), ROUTE_QUERY(list_query), .handler = handle_echo},
    {API_ROW("PUT", "/v1/account/{account}/messages", "change"),
     ROUTE_PARAMS(account_params), .body = &item_body, .body_max = 1000,
     .handler = handle_echo},
    {API_ROW("GET", "/v1/account/{account}/{message}", "one"),
     ROUTE_PARAMS(message_params), .handler = handle_fail},
    {API_ROW("GET", "/v1/hold", "hold"), .flags = API_UNDOCUMENTED,
     .handler = handle_hold},
    {API_ROW("POST", "/v1/hold", "post_hold"), .handler = handle_hold},
    {API_ROW("POST", "/v1/large", "large"), .body = &large_body,
     .body_max = 2 * VERY_LARGE, .handler = handle_echo},
    {API_ROW("GET", "/v1/stream", "stream"), .flags = API_NO_DEADLINE | API_ACCOUNT_FREE,
     .handler = handle_stream},
    {API_ROW("POST", "/v1/upload", "upload"), .flags = API_STREAM_BODY,
     .handler = handle_upload},
    {API_ROW("GET", "/hidden", "hidden"), .flags = API_HIDDEN, .handler = handle_echo},
};
static const struct api_table table = {rows, ARRAY_LEN(rows)};

static bool is_well(void *ctx, struct err *err)
{
    return !((struct world *)ctx)->is_unwell ||
           err_set(err, ERR_STORE_REPLY, "Redis refuses writes");
}

static void world_open(struct world *w, struct api_config config)
{
    struct err err = {0};
    *w = (struct world){.loop = loop_fixture_new()};
    config.auth = (struct api_auth_port){w, auth_known, auth_start, auth_cancel};
    config.health = (struct api_health_port){w, is_well};
    config.tables = &table;
    config.table_count = 1;
    config.services = w;
    w->api = api_new(w->loop, &config, &err);
    assert_non_null(w->api);
}

static void world_close(struct world *w)
{
    api_free(&w->api);
    loop_fixture_free(&w->loop);
}

#define H    " HTTP/1.1\r\nHost: x\r\n"
#define GOOD H "Authorization: Bearer good\r\n"
#define END  "\r\n"

struct exchange {
    const char *name, *send, *status, *expect;
};

static const struct exchange exchanges[] = {
    {"health_needs_no_token", "GET /health" H END, "200 ", "{\"success\":true}"},
    {"health_ignores_a_bad_token", "GET /health?x" H "Authorization: junk\r\n" END,
     "200 ", "{\"success\":true}"},
    {"head_of_get", "HEAD /health" H END, "200 ", "Content-Length: 16"},
    {"unknown_path", "GET /nope" H END, "404 ",
     "{\"statusCode\":404,\"error\":\"Not Found\",\"message\":\"Not Found\","},
    {"root", "GET /" H END, "404 ", "Not Found"},
    {"unknown_method", "POST /health" H "Content-Length: 0\r\n" END, "405 ",
     "Allow: GET\r\n"},
    {"allow_lists_all", "DELETE /v1/account/a/messages" H END, "405 ",
     "Allow: GET, PUT\r\n"},
    {"trace", "TRACE /v1/hold" H END, "405 ", "Allow: GET, POST\r\n"},
    {"options", "OPTIONS /v1/hold" H END, "405 ", "Allow: GET, POST\r\n"},
    {"double_slash", "GET //health" H END, "400 ", "empty segment"},
    {"no_token", "GET /v1/account/a/messages" H END, "401 ", "WWW-Authenticate: Bearer"},
    {"other_scheme", "GET /v1/account/a/messages" H "Authorization: Basic good\r\n" END,
     "401 ", "Unauthorized"},
    {"empty_token", "GET /v1/account/a/messages" H "Authorization: Bearer \r\n" END,
     "401 ", "Unauthorized"},
    {"two_tokens", "GET /v1/account/a/messages" GOOD "Authorization: Bearer good\r\n" END,
     "401 ", "Unauthorized"},
    {"token_in_query_is_off", "GET /v1/account/a/messages?access_token=good" H END,
     "401 ", "Unauthorized"},
    {"unknown_token", "GET /v1/account/a/messages" H "Authorization: Bearer x\r\n" END,
     "401 ", "Unauthorized"},
    {"scheme_in_any_case",
     "GET /v1/account/a/messages" H "authorization: BEARER good\r\n" END, "200 ",
     "\"token\":\"t1\""},
    {"rate_limit_tells_when",
     "GET /v1/account/a/messages" H "Authorization: Bearer fast\r\n" END, "429 ",
     "Retry-After: 7\r\n"},
    {"rate_limit_of_a_refusal",
     "GET /v1/account/a/messages" H "Authorization: Bearer fast\r\n" END, "429 ",
     "X-RateLimit-Limit: 5\r\nX-RateLimit-Remaining: 0\r\nX-RateLimit-Reset: 7\r\n"},
    {"rate_limit_of_a_reply",
     "GET /v1/account/a/messages" H "Authorization: Bearer limited\r\n" END, "200 ",
     "X-RateLimit-Limit: 5\r\nX-RateLimit-Remaining: 3\r\nX-RateLimit-Reset: 7\r\n"},
    {"refused_before_the_body",
     "PUT /v1/account/a/messages" H "Content-Length: 100000000\r\n" END, "401 ",
     "Connection: close"},
    {"defaults_are_filled", "GET /v1/account/%20a%20/messages/" GOOD END, "200 ",
     "{\"params\":{\"account\":\"a\"},\"query\":{\"page\":0},\"timeout\":10000"},
    {"query_is_converted", "GET /v1/account/a/messages?page=07&page=1" GOOD END, "400 ",
     "page"},
    {"query_is_typed",
     "GET /v1/account/a/messages?page=7&deep=true&kind=x&kind=y" GOOD END, "200 ",
     "\"query\":{\"page\":7,\"deep\":true,\"kind\":[\"x\",\"y\"]}"},
    {"timeout_header", "GET /v1/account/a/messages" GOOD "X-EE-Timeout: 1234\r\n" END,
     "200 ", "\"timeout\":1234"},
    {"all_errors_together",
     "GET /v1/account/abcdefghijkl/messages?page=101&nope=1" GOOD
     "X-EE-Timeout: 7200001\r\n" END,
     "400 ",
     "{\"statusCode\":400,\"error\":\"Bad Request\",\"message\":\"Invalid input\","
     "\"code\":\"InputValidationError\",\"fields\":[{\"message\":\"\\\"account\\\" "
     "length "
     "must be less than or equal to 10 characters long\",\"key\":\"account\"},"
     "{\"message\":\"\\\"page\\\" must be less than or equal to 100\",\"key\":\"page\"},"
     "{\"message\":\"\\\"nope\\\" is not allowed\",\"key\":\"nope\"},"
     "{\"message\":\"\\\"x-ee-timeout\\\" must be a number from 0 to 7200000\","
     "\"key\":\"x-ee-timeout\"}]}"},
    {"body_is_validated",
     "PUT /v1/account/a/messages" GOOD "Content-Length: 12\r\n" END "{\"path\":\"x\"}",
     "200 ", "\"body\":{\"path\":\"x\",\"size\":5}"},
    {"no_body_counts_as_empty",
     "PUT /v1/account/a/messages" GOOD "Content-Length: 0\r\n" END, "400 ",
     "\\\"path\\\" is required"},
    {"null_body", "PUT /v1/account/a/messages" GOOD "Content-Length: 4\r\n" END "null",
     "400 ", "\\\"path\\\" is required"},
    {"broken_json", "PUT /v1/account/a/messages" GOOD "Content-Length: 1\r\n" END "{",
     "400 ", "request body: not valid JSON"},
    {"compressed_body",
     "PUT /v1/account/a/messages" GOOD
     "Content-Encoding: gzip\r\nContent-Length: 2\r\n" END "{}",
     "400 ", "compression"},
    {"large_body", "PUT /v1/account/a/messages" GOOD "Content-Length: 300000\r\n" END,
     "413 ", "\"code\":\"TooLarge\""},
    {"body_of_a_row_without",
     "GET /v1/account/a/messages" GOOD "Content-Length: 2\r\n" END "xx", "200 ",
     "timeout"},
    {"handler_error", "GET /v1/account/a/m1" GOOD END, "404 ",
     "{\"statusCode\":404,\"error\":\"Not Found\",\"message\":\"No such message\","
     "\"code\":\"MessageNotFound\",\"state\":\"x\"}"},
    {"security_headers", "GET /health" H END, "200 ", "X-Content-Type-Options: nosniff"},
    {"bound_token_on_its_account",
     "GET /v1/account/a/messages" H "Authorization: Bearer bound\r\n" END, "200 ", "t1"},
    {"bound_token_elsewhere",
     "GET /v1/account/b/messages" H "Authorization: Bearer bound\r\n" END, "403 ",
     "Forbidden"},
    {"bound_token_on_a_row_without_account",
     "GET /v1/hold" H "Authorization: Bearer bound\r\n" END, "403 ", "Forbidden"},
    {"upload", "POST /v1/upload" GOOD "Content-Length: 10\r\n" END "0123456789", "200 ",
     "{\"done\":\"yes\"}"},
    {"upload_too_large", "POST /v1/upload" GOOD "Content-Length: 300000\r\n" END, "413 ",
     "TooLarge"},
};

static void exchange_all(bool knows)
{
    struct world w;
    world_open(&w, (struct api_config){0});
    w.knows = knows;
    for (size_t i = 0; i < ARRAY_LEN(exchanges); i++) {
        const struct exchange *x = &exchanges[i];
        struct raw_client c;
        print_message("  %s\n", x->name);
        raw_open(&c, w.loop, api_port(w.api));
        raw_send_c(&c, x->send);
        raw_expect(&c, "HTTP/1.1 ");
        raw_expect(&c, x->expect);
        assert_true(str_has_prefix(str_tail(buf_str(&c.in), 9), x->status));
        raw_close(&c);
    }
    assert_int_equal(w.uploaded, 10);
    world_close(&w);
    assert_int_equal(w.ended, w.handled);
}

static void exchange_rows(void **state)
{
    (void)state;
    exchange_all(false);
}

static void exchange_rows_with_known_tokens(void **state)
{
    (void)state;
    exchange_all(true);
}

static void unwell_is_500(void **state)
{
    (void)state;
    struct world w;
    struct raw_client c;
    world_open(&w, (struct api_config){0});
    w.is_unwell = true;
    raw_open(&c, w.loop, api_port(w.api));
    raw_send_c(&c, "GET /health" H END);
    raw_expect(&c, "500 ");
    raw_expect(&c, "Not healthy: Redis refuses writes");
    raw_close(&c);
    world_close(&w);
}

static void token_in_query_by_setting(void **state)
{
    (void)state;
    struct world w;
    struct raw_client c;
    world_open(&w, (struct api_config){.token_in_query = true});
    raw_open(&c, w.loop, api_port(w.api));
    raw_send_c(&c, "GET /v1/account/a/messages?access_token=good" H END);
    raw_expect(&c, "200 OK");
    raw_expect(&c, "\"query\":{\"page\":0}");
    raw_send_c(&c, "GET /v1/hold?access_token=good&access_token=good" H END);
    raw_expect(&c, "401 ");
    raw_close(&c);
    world_close(&w);
}

static void client_leaving_cancels_the_handler(void **state)
{
    (void)state;
    static const char *const sent[] = {
        "GET /v1/hold" GOOD END,
        "POST /v1/hold" GOOD "Content-Length: 2\r\n" END "{}",
        "GET /v1/stream" GOOD END,
    };
    for (size_t i = 0; i < ARRAY_LEN(sent); i++) {
        struct world w;
        struct raw_client c;
        world_open(&w, (struct api_config){0});
        raw_open(&c, w.loop, api_port(w.api));
        raw_send_c(&c, sent[i]);
        loop_fixture_run_until(w.loop, &w.was_held, 5000);
        raw_close(&c);
        loop_fixture_run_until(w.loop, &w.was_canceled, 5000);
        world_close(&w);
        assert_int_equal(w.canceled, 1);
    }
}

static void client_leaving_cancels_the_token_check(void **state)
{
    (void)state;
    struct world w;
    struct raw_client c;
    world_open(&w, (struct api_config){0});
    raw_open(&c, w.loop, api_port(w.api));
    raw_send_c(&c, "GET /v1/hold" H "Authorization: Bearer slow\r\n" END);
    loop_fixture_run_until(w.loop, &w.was_asked, 5000);
    raw_close(&c);
    loop_fixture_run_for(w.loop, 50);
    assert_int_equal(api_active(w.api), 0);
    world_close(&w);
    assert_int_equal(w.canceled, 0);
}

static void overdue_call_gets_504(void **state)
{
    (void)state;
    struct world w;
    struct raw_client c;
    world_open(&w, (struct api_config){0});
    raw_open(&c, w.loop, api_port(w.api));
    raw_send_c(&c, "GET /v1/hold" GOOD "X-EE-Timeout: 1\r\n" END);
    raw_expect(&c, "504 ");
    assert_int_equal(w.canceled, 1);
    raw_close(&c);
    world_close(&w);
    assert_int_equal(w.canceled, 1);
    assert_int_equal(w.ended, 1);
}

static void late_reply_reaches_the_client(void **state)
{
    (void)state;
    struct world w;
    struct raw_client c;
    world_open(&w, (struct api_config){0});
    raw_open(&c, w.loop, api_port(w.api));
    raw_send_c(&c, "GET /v1/hold" GOOD END);
    loop_fixture_run_until(w.loop, &w.was_held, 5000);
    assert_true(api_call_is_open(w.held));
    api_reply_json(w.held, 201, json_array());
    raw_expect(&c, "201 ");
    raw_expect(&c, "\r\n\r\n[]");
    raw_close(&c);
    world_close(&w);
    assert_int_equal(w.canceled, 0);
}

/* --- clients with large bodies */

static void send_large_head(struct raw_client *c, size_t size)
{
    char head[256];
    (void)snprintf(head, sizeof head, "POST /v1/large" GOOD "Content-Length: %zu\r\n" END,
                   size);
    raw_send_c(c, head);
}

static void send_large(struct raw_client *c, size_t size)
{
    char *body = mem_alloc(size);
    memset(body, 'a', size);
    memcpy(body, "{\"text\":\"", 9);
    memcpy(body + size - 2, "\"}", 2);
    send_large_head(c, size);
    raw_send(c, str_from(body, size));
    mem_free(body);
}

static uint64_t large_held(const struct world *w)
{
    struct api_totals totals;
    api_totals_get(w->api, &totals);
    return totals.large;
}

/* One that comes later: refused, and then let in, since the slow one is given up. */
static void expect_slow_one_is_cut(struct world *w, struct raw_client *slow)
{
    struct raw_client c;
    assert_int_equal(large_held(w), 1);
    raw_open(&c, w->loop, api_port(w->api));
    send_large(&c, LARGE);
    raw_expect(&c, "503 ");
    raw_close(&c);
    loop_fixture_run_for(w->loop, 100);
    assert_int_equal(large_held(w), 0);
    raw_close(slow);
    raw_open(&c, w->loop, api_port(w->api));
    send_large(&c, LARGE);
    raw_expect(&c, "200 ");
    raw_close(&c);
}

static void slow_sender_gives_way_to_others(void **state)
{
    (void)state;
    struct world w;
    struct raw_client slow, other;
    world_open(&w, (struct api_config){.large_max = 1, .large_grace_ms = 500});
    raw_open(&slow, w.loop, api_port(w.api));
    send_large_head(&slow, LARGE);
    raw_send_c(&slow, "{");
    loop_fixture_run_for(w.loop, 50);
    raw_open(&other, w.loop, api_port(w.api));
    send_large(&other, LARGE);
    raw_expect(&other, "503 "); /* it may be slow for a while */
    raw_close(&other);
    loop_fixture_run_for(w.loop, 600);
    expect_slow_one_is_cut(&w, &slow);
    world_close(&w);
}

static void slow_reader_has_time_by_the_length_of_its_answer(void **state)
{
    (void)state;
    struct world w;
    struct raw_client slow;
    /* The answer, which is as long, has 128 s more by its length alone. */
    world_open(&w, (struct api_config){.large_max = 1, .large_grace_ms = 1});
    raw_open_narrow(&slow, w.loop, api_port(w.api));
    send_large(&slow, VERY_LARGE);
    raw_expect(&slow, "200 ");
    loop_fixture_run_for(w.loop, 100);
    struct raw_client c;
    raw_open(&c, w.loop, api_port(w.api));
    send_large(&c, LARGE);
    raw_expect(&c, "503 ");
    raw_close(&c);
    loop_fixture_run_for(w.loop, 100);
    assert_int_equal(large_held(&w), 1); /* it has time */
    raw_close(&slow);
    loop_fixture_run_for(w.loop, 100);
    assert_int_equal(large_held(&w), 0);
    world_close(&w);
}

static void stop_cancels_everything(void **state)
{
    (void)state;
    struct world w;
    struct raw_client c[3];
    world_open(&w, (struct api_config){0});
    static const char *const sent[] = {
        "GET /v1/hold" GOOD END,
        "GET /v1/stream" GOOD END,
        "GET /v1/hold" H "Authorization: Bearer slow\r\n" END,
    };
    for (size_t i = 0; i < ARRAY_LEN(c); i++) {
        raw_open(&c[i], w.loop, api_port(w.api));
        raw_send_c(&c[i], sent[i]);
    }
    loop_fixture_run_for(w.loop, 50);
    api_quiesce(w.api);
    api_free(&w.api);
    assert_int_equal(w.canceled, 2);
    for (size_t i = 0; i < ARRAY_LEN(c); i++) {
        raw_expect_end(&c[i]);
        raw_close(&c[i]);
    }
    loop_fixture_free(&w.loop);
}

static void openapi_describes_the_table(void **state)
{
    (void)state;
    const struct api_table tables[] = {api_builtin_table, table};
    json_t *doc ATTR_CLEANUP(json_cleanup) = api_openapi(tables, 2);
    json_t *paths = json_get_obj(doc, "paths");
    assert_string_equal(json_get_cstr(doc, "openapi"), "3.1.0");
    json_t *list =
        json_get_obj(json_get_obj(paths, "/v1/account/{account}/messages"), "get");
    assert_string_equal(json_get_cstr(list, "operationId"), "list");
    json_t *parameters = json_get_arr(list, "parameters");
    assert_int_equal(json_array_size(parameters), 5);
    assert_true(json_get_bool(json_array_get(parameters, 2), "x-undocumented", false));
    assert_non_null(json_get_obj(json_get_obj(paths, "/health"), "get"));
    assert_null(json_get_obj(paths, "/hidden"));
    json_t *hold = json_get_obj(json_get_obj(paths, "/v1/hold"), "get");
    assert_true(json_get_bool(hold, "x-undocumented", false));
    json_t *schemas = json_get_obj(json_get_obj(doc, "components"), "schemas");
    assert_non_null(json_get_obj(schemas, "Item"));
    assert_non_null(json_get_obj(schemas, "ErrorResponse"));
}

static void openapi_is_served_under_both_names(void **state)
{
    (void)state;
    struct world w;
    struct raw_client c;
    world_open(&w, (struct api_config){0});
    raw_open(&c, w.loop, api_port(w.api));
    raw_send_c(&c, "GET /swagger.json" H END "GET /v1/openapi.json" H END);
    raw_expect_times(&c, "\"openapi\":\"3.1.0\"", 2);
    raw_close(&c);
    world_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exchange_rows),
        cmocka_unit_test(exchange_rows_with_known_tokens),
        cmocka_unit_test(unwell_is_500),
        cmocka_unit_test(token_in_query_by_setting),
        cmocka_unit_test(client_leaving_cancels_the_handler),
        cmocka_unit_test(client_leaving_cancels_the_token_check),
        cmocka_unit_test(overdue_call_gets_504),
        cmocka_unit_test(late_reply_reaches_the_client),
        cmocka_unit_test(slow_sender_gives_way_to_others),
        cmocka_unit_test(slow_reader_has_time_by_the_length_of_its_answer),
        cmocka_unit_test(stop_cancels_everything),
        cmocka_unit_test(openapi_describes_the_table),
        cmocka_unit_test(openapi_is_served_under_both_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
