#include "api_handlers.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static json_t *json_of(const char *text)
{
    json_t *value = json_loads(text, JSON_DECODE_ANY, NULL);
    assert_non_null(value);
    return value;
}

static const struct api_route read_message = {
    .scope = "api", .action = "read", .group = "message"};
static const struct api_route write_admin = {
    .scope = "api", .action = "write", .group = "admin"};
static const struct api_route write_token = {
    .scope = "api", .action = "write", .group = "logs", .flags = API_ADMIN};
static const struct api_route metrics = {
    .scope = "metrics", .action = "read", .group = "diagnostics"};

static const int64_t now_ms = 1700000000000; /* 2023-11-14 */

struct rule_case {
    const char *name;
    const char *record;
    const struct api_route *route;
    const char *remote, *referrer;
    enum err_code code;
    const char *detail; /* member of the error body */
};

static const struct rule_case rule_cases[] = {
    {"scope", "{\"scopes\":[\"api\"]}", &read_message, "1.2.3.4", NULL, ERR_OK, NULL},
    {"any scope", "{\"scopes\":[\"*\"]}", &metrics, "1.2.3.4", NULL, ERR_OK, NULL},
    {"other scope", "{\"scopes\":[\"api\"]}", &metrics, "1.2.3.4", NULL, ERR_FORBIDDEN,
     "requestedScope"},
    {"no scopes", "{}", &read_message, "1.2.3.4", NULL, ERR_FORBIDDEN, "requestedScope"},
    {"expired", "{\"scopes\":[\"api\"],\"expires\":\"2023-11-14T00:00:00Z\"}",
     &read_message, "1.2.3.4", NULL, ERR_UNAUTHORIZED, NULL},
    {"not yet expired", "{\"scopes\":[\"api\"],\"expires\":\"2024-11-14T00:00:00Z\"}",
     &read_message, "1.2.3.4", NULL, ERR_OK, NULL},
    {"an end that cannot be read", "{\"scopes\":[\"api\"],\"expires\":\"soon\"}",
     &read_message, "1.2.3.4", NULL, ERR_UNAUTHORIZED, NULL},
    {"permitted action",
     "{\"scopes\":[\"api\"],\"permissions\":{\"actions\":[\"read\"]}}", &read_message,
     "1.2.3.4", NULL, ERR_OK, NULL},
    {"other action", "{\"scopes\":[\"api\"],\"permissions\":{\"actions\":[\"write\"]}}",
     &read_message, "1.2.3.4", NULL, ERR_FORBIDDEN, "requiredPermission"},
    {"other group", "{\"scopes\":[\"api\"],\"permissions\":{\"groups\":[\"mailbox\"]}}",
     &read_message, "1.2.3.4", NULL, ERR_FORBIDDEN, "requiredPermission"},
    {"narrowed tokens never administer",
     "{\"scopes\":[\"api\"],\"permissions\":{\"actions\":[\"write\"]}}", &write_admin,
     "1.2.3.4", NULL, ERR_FORBIDDEN, "requiredPermission"},
    {"nor make tokens under an old name",
     "{\"scopes\":[\"api\"],\"permissions\":{\"groups\":[\"logs\"]}}", &write_token,
     "1.2.3.4", NULL, ERR_FORBIDDEN, "requiredPermission"},
    {"others make them", "{\"scopes\":[\"api\"]}", &write_token, "1.2.3.4", NULL, ERR_OK,
     NULL},
    {"address",
     "{\"scopes\":[\"api\"],\"restrictions\":{\"addresses\":[\"::1\",\"1.2.0.0/16\"]}}",
     &read_message, "1.2.3.4", NULL, ERR_OK, NULL},
    {"other address",
     "{\"scopes\":[\"api\"],\"restrictions\":{\"addresses\":[\"1.3.0.0/16\"]}}",
     &read_message, "1.2.3.4", NULL, ERR_FORBIDDEN, "remoteAddress"},
    {"referrer",
     "{\"scopes\":[\"api\"],\"restrictions\":{\"referrers\":[\"*.example.com/*\"]}}",
     &read_message, "1.2.3.4", "https://a.example.com/x", ERR_OK, NULL},
    {"other referrer",
     "{\"scopes\":[\"api\"],\"restrictions\":{\"referrers\":[\"*.example.com/*\"]}}",
     &read_message, "1.2.3.4", "https://example.org/", ERR_FORBIDDEN, NULL},
    {"no referrer",
     "{\"scopes\":[\"api\"],\"restrictions\":{\"referrers\":[\"*.example.com/*\"]}}",
     &read_message, "1.2.3.4", NULL, ERR_FORBIDDEN, NULL},
};

static void a_token_allows_what_its_record_says(void **state ATTR_UNUSED)
{
    for (size_t i = 0; i < ARRAY_LEN(rule_cases); i++) {
        const struct rule_case *c = &rule_cases[i];
        const struct api_token_use use = {.route = c->route,
                                          .remote = c->remote,
                                          .referrer = c->referrer,
                                          .now_ms = now_ms};
        struct err err = {0};
        json_t *record = json_of(c->record);
        json_t *details = NULL;
        bool ok = api_token_allows(record, &use, &details, &err);
        if (ok != (c->code == ERR_OK) || err.code != c->code ||
            (c->detail != NULL && !json_has(details, c->detail))) {
            fail_msg("%s: %s", c->name, err_code_name(err.code));
        }
        json_decref(details);
        json_decref(record);
    }
}

static void networks_are_checked_in_input(void **state ATTR_UNUSED)
{
    static const char *const bad[] = {"", "host", "10.0.0.0/33", "::1/129", "10.0.0"};
    static const char *const good[] = {"10.0.0.0/8", "::1", "2001:db8::/32"};
    struct err err;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        json_t *value = json_string(bad[i]);
        assert_false(api_check_network(value, &err));
        json_decref(value);
    }
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        json_t *value = json_string(good[i]);
        assert_true(api_check_network(value, &err));
        json_decref(value);
    }
}

static void a_window_admits_its_requests(void **state ATTR_UNUSED)
{
    struct api_token_rate *rate = api_token_rate_new();
    json_t *record = json_of("{\"id\":\"a\",\"restrictions\":{\"rateLimit\":"
                             "{\"maxRequests\":2,\"timeWindow\":10}}}");
    json_t *other = json_of("{\"id\":\"b\",\"restrictions\":{\"rateLimit\":"
                            "{\"maxRequests\":2,\"timeWindow\":10}}}");
    struct api_rate left = {0};
    assert_true(api_token_rate_take(rate, record, 1000, &left));
    assert_true(api_token_rate_take(rate, record, 2000, &left));
    assert_false(api_token_rate_take(rate, record, 2500, &left));
    assert_int_equal(left.reset_s, 9);
    assert_int_equal(left.limit, 2);
    assert_int_equal(left.remaining, 0);
    assert_true(api_token_rate_take(rate, other, 2500, &left));
    assert_true(api_token_rate_take(rate, record, 11000, &left));
    json_decref(record);
    json_decref(other);
    api_token_rate_free(&rate);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_token_allows_what_its_record_says),
        cmocka_unit_test(networks_are_checked_in_input),
        cmocka_unit_test(a_window_admits_its_requests),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
