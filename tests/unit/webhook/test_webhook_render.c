/* Bodies, headers and signatures. The expected signatures were computed apart from this
 * code, with Python's hmac and base64:
 *     hmac.new(b"a secret", b"ID.1700000000." + body, sha256)   and so on */
#include "webhook_render.h"

#include "postrider/base/attr.h"
#include "postrider/json/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static const char event_id[] = "6a1f0c1e-0000-8000-8000-000000000001";

static void plain_signature_is_base64url(void **state)
{
    (void)state;
    struct buf out = BUF_INIT(256);
    webhook_sign_body(STR("a secret"), STR("{\"event\":\"test\"}"), &out);
    assert_string_equal(buf_c(&out), "8_5Qimkb8Wq5LLckgqtc5etYEcQWxo9opwzz68qjPgc");
    buf_fini(&out);
}

static void standard_signature_follows_the_form_of_the_secret(void **state)
{
    (void)state;
    static const struct {
        struct str secret;
        const char *expected;
    } rows[] = {
        {{"a secret", 8}, "v1,26cG7mFkV+4t0zVcSMU/ZzCw93A9EnvMNs0OOfj0QhA="},
        {{"whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX", 38},
         "v1,XVFkMZ5fWVY9vrJleAyeoQ9fvXQj0fzFUuRlrilmEvc="},
        {{"whsec_not base64!", 17}, "v1,IoqJ2BoZcvhkQqKsVIvfI/QZujpO7M18JWlQp1Fw6LA="},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct buf out = BUF_INIT(256);
        webhook_sign_standard(rows[i].secret, event_id, 1700000000,
                              STR("{\"event\":\"test\"}"), &out);
        assert_string_equal(buf_c(&out), rows[i].expected);
        buf_fini(&out);
    }
}

static void body_has_the_envelope(void **state)
{
    (void)state;
    static const struct {
        const char *path, *special_use, *data_path;
        struct str service_url;
        const char *expected;
    } rows[] = {
        {"INBOX",
         "\\Inbox",
         NULL,
         {"https://x.test", 14},
         "{\"serviceUrl\":\"https://x.test\",\"account\":\"a\",\"date\":"
         "\"2023-11-14T22:13:20.000Z\",\"path\":\"INBOX\",\"specialUse\":\"\\\\Inbox\","
         "\"event\":\"messageNew\",\"eventId\":\"6a1f0c1e-0000-8000-8000-000000000001\","
         "\"data\":{\"uid\":1}}"},
        {NULL,
         NULL,
         NULL,
         {NULL, 0},
         "{\"serviceUrl\":null,\"account\":\"a\",\"date\":\"2023-11-14T22:13:20.000Z\","
         "\"event\":\"messageNew\",\"eventId\":\"6a1f0c1e-0000-8000-8000-000000000001\","
         "\"data\":{\"uid\":1}}"},
        {NULL,
         NULL,
         "Box",
         {"", 0},
         "{\"serviceUrl\":null,\"account\":\"a\",\"date\":\"2023-11-14T22:13:20.000Z\","
         "\"path\":\"Box\",\"event\":\"messageNew\","
         "\"eventId\":\"6a1f0c1e-0000-8000-8000-000000000001\","
         "\"data\":{\"uid\":1,\"path\":\"Box\"}}"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct event e;
        json_t *data = json_pack("{s:i}", "uid", 1);
        json_put_cstr(data, "path", rows[i].data_path);
        event_init(&e, EVENT_MESSAGE_NEW, 1700000000000, 1, 1, rows[i].path,
                   rows[i].special_use, data);
        (void)snprintf(e.id, sizeof e.id, "%s", event_id);
        struct buf out = BUF_INIT(4096);
        struct webhook_body b = {
            .service_url = rows[i].service_url, .account = STR("a"), .event = &e};
        json_t *doc = webhook_render_json(&b);
        assert_true(json_emit(doc, &out));
        assert_string_equal(buf_c(&out), rows[i].expected);
        json_decref(doc);
        buf_fini(&out);
        event_fini(&e);
    }
}

static const char *find(const struct httpc_header *headers, size_t count,
                        const char *name)
{
    for (size_t i = 0; i < count; i++) {
        if (str_ieq_c(str_of(headers[i].name), name)) {
            return headers[i].value;
        }
    }
    return "(none)";
}

static void headers_of_a_repeated_delivery(void **state)
{
    (void)state;
    struct arena a = {0};
    struct httpc_header out[WEBHOOK_HEADERS];
    json_t *custom =
        json_pack("[{s:s,s:s},{s:s,s:s},{s:s,s:s},{s:s},{s:i}]", "key", "X-Team", "value",
                  "global", "key", "x-ee-wh-id", "value", "forged", "key",
                  "Content-Length", "value", "1", "key", "X-Bare", "key", 5);
    json_t *own = json_pack("[{s:s,s:s},{s:s,s:s}]", "key", "x-team", "value", "own",
                            "key", "Webhook-Signature", "value", "forged");
    struct webhook_headers h = {.content_type = "application/json",
                                .route_id = "AAAABBBBCCCCDDDD",
                                .delivery_id = "1700000000000-0",
                                .event_id = event_id,
                                .tries = 3,
                                .queued_ms = 1699999990500,
                                .now_ms = 1700000000000,
                                .user_agent = "Postrider/test",
                                .secret = STR("a secret"),
                                .body = STR("{\"event\":\"test\"}"),
                                .custom = custom,
                                .own_custom = own};
    static const char *const rows[][2] = {
        {"Content-Type", "application/json"},
        {"User-Agent", "Postrider/test"},
        {"X-EE-Wh-Id", "1700000000000-0"},
        {"X-EE-Wh-Custom-Route", "AAAABBBBCCCCDDDD"},
        {"X-EE-Wh-Attempts-Made", "3"},
        {"X-EE-Wh-Queued-Time", "9s"},
        {"X-EE-Wh-Event-Id", event_id},
        {"X-EE-Wh-Signature", "8_5Qimkb8Wq5LLckgqtc5etYEcQWxo9opwzz68qjPgc"},
        {"webhook-id", event_id},
        {"webhook-timestamp", "1700000000"},
        {"webhook-signature", "v1,26cG7mFkV+4t0zVcSMU/ZzCw93A9EnvMNs0OOfj0QhA="},
        {"X-Team", "own"},
        {"X-Bare", ""},
        {"Content-Length", "(none)"},
    };
    size_t count = webhook_render_headers(&h, &a, out);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        assert_string_equal(find(out, count, rows[i][0]), rows[i][1]);
    }
    h.secret = STR_NULL;
    h.route_id = NULL;
    count = webhook_render_headers(&h, &a, out);
    assert_string_equal(find(out, count, "X-EE-Wh-Signature"), "(none)");
    assert_string_equal(find(out, count, "webhook-signature"), "(none)");
    assert_string_equal(find(out, count, "X-EE-Wh-Custom-Route"), "(none)");
    json_decref(custom);
    json_decref(own);
    arena_fini(&a);
}

static void custom_headers_are_bounded(void **state)
{
    (void)state;
    struct arena a = {0};
    struct httpc_header out[WEBHOOK_HEADERS];
    json_t *custom = json_array();
    for (int i = 0; i < 1000; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "X-%d", i);
        json_push(custom, json_pack("{s:s,s:s}", "key", name, "value", "v"));
    }
    struct webhook_headers h = {.content_type = "application/json",
                                .delivery_id = "1-0",
                                .event_id = event_id,
                                .user_agent = "t",
                                .body = STR("{}"),
                                .custom = custom};
    assert_int_equal(webhook_render_headers(&h, &a, out), WEBHOOK_HEADERS);
    json_decref(custom);
    arena_fini(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_signature_is_base64url),
        cmocka_unit_test(standard_signature_follows_the_form_of_the_secret),
        cmocka_unit_test(body_has_the_envelope),
        cmocka_unit_test(headers_of_a_repeated_delivery),
        cmocka_unit_test(custom_headers_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
