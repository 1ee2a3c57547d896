#include "api_handlers.h"
#include "postrider/base/mem.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static json_t *json_of(const char *text)
{
    json_t *value = json_loads(text, JSON_DECODE_ANY, NULL);
    assert_non_null(value);
    return value;
}

static void assert_json(const json_t *value, const char *text)
{
    json_t *wanted = json_of(text);
    if (!json_equal(value, wanted)) {
        char *found = json_dumps(value, 0);
        fail_msg("%s\nis not\n%s", found, text);
    }
    json_decref(wanted);
}

static void a_body_changes_a_record(void **state ATTR_UNUSED)
{
    static const struct {
        const char *record, *body, *result;
    } cases[] = {
        {"{\"name\":\"a\"}", "{\"name\":\"b\",\"logs\":false}",
         "{\"name\":\"b\",\"logs\":false}"},
        {"{\"webhooks\":\"x\",\"copy\":true}", "{\"webhooks\":\"\",\"copy\":null}", "{}"},
        {"{\"imap\":{\"host\":\"a\",\"port\":1}}", "{\"imap\":{\"host\":\"b\"}}",
         "{\"imap\":{\"host\":\"b\"}}"},
        {"{\"imap\":{\"host\":\"a\",\"port\":1}}",
         "{\"imap\":{\"partial\":true,\"host\":\"b\"}}",
         "{\"imap\":{\"host\":\"b\",\"port\":1}}"},
        {"{\"imap\":{\"host\":\"a\"}}", "{\"imap\":{\"partial\":false,\"port\":1}}",
         "{\"imap\":{\"port\":1}}"},
        {"{}", "{\"smtp\":{\"partial\":true,\"port\":1}}", "{\"smtp\":{\"port\":1}}"},
        {"{\"smtp\":{\"host\":\"a\"}}", "{\"smtp\":false}", "{}"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        json_t *record = json_of(cases[i].record);
        json_t *body = json_of(cases[i].body);
        api_account_merge(record, body);
        assert_json(record, cases[i].result);
        assert_json(body, cases[i].body);
        json_decref(record);
        json_decref(body);
    }
}

static void a_partial_change_leaves_the_record_it_began_from(void **state ATTR_UNUSED)
{
    json_t *record = json_of("{\"imap\":{\"host\":\"a\"}}");
    json_t *before = json_copy(record);
    json_t *body = json_of("{\"imap\":{\"partial\":true,\"host\":\"b\"}}");
    api_account_merge(record, body);
    assert_json(before, "{\"imap\":{\"host\":\"a\"}}");
    json_decref(record);
    json_decref(before);
    json_decref(body);
}

/* As a value, which is the same as the text. */
static json_t *render(json_t *record, const struct account_entry *entry)
{
    struct json_out value = {.text = NULL};
    struct buf text = BUF_INIT(4096);
    api_account_put(&value, "a", record, NULL, entry);
    api_account_put(&(struct json_out){.text = &text}, "a", record, NULL, entry);
    json_t *read = json_of(buf_c(&text));
    assert_true(json_equal(read, value.value));
    json_decref(read);
    buf_fini(&text);
    return value.value;
}

static void secrets_are_never_shown(void **state ATTR_UNUSED)
{
    json_t *record = json_of(
        "{\"imap\":{\"auth\":{\"user\":\"u\",\"pass\":\"marker\"}},"
        "\"smtp\":{\"auth\":{\"user\":\"u\",\"accessToken\":\"marker\",\"pass\":false}},"
        "\"oauth2\":{\"accessToken\":\"marker\",\"refreshToken\":\"marker\"}}");
    const struct err refused = {.code = ERR_CONNECT, .msg = "refused"};
    const struct account_entry entry = {
        .id = "a", .state = "connectError", .last_error = &refused};
    json_t *out = render(record, &entry);
    char *text = json_dumps(out, 0);
    char *kept = json_dumps(record, 0);
    assert_null(strstr(text, "marker"));
    assert_non_null(strstr(kept, "marker"));
    assert_json(json_object_get(out, "lastError"),
                "{\"response\":\"refused\",\"serverResponseCode\":\"ECONNREFUSED\"}");
    assert_json(json_object_get(json_object_get(out, "smtp"), "auth"),
                "{\"user\":\"u\",\"accessToken\":\"******\",\"pass\":false}");
    assert_string_equal(json_get_cstr(out, "state"), "connectError");
    assert_string_equal(json_get_cstr(out, "type"), "oauth2");
    mem_free(text);
    mem_free(kept);
    json_decref(out);
    json_decref(record);
}

static void counters_and_times_come_from_the_entry(void **state ATTR_UNUSED)
{
    json_t *record = json_of("{}");
    struct account_entry entry = {.id = "a", .state = "unset", .sync_time_ms = 1000};
    entry.event_counts[EVENT_MESSAGE_NEW] = 12;
    json_t *shown = render(record, &entry);
    json_t *row = api_account_row(&entry, NULL);
    json_t *const both[] = {shown, row};
    for (size_t i = 0; i < ARRAY_LEN(both); i++) {
        assert_json(json_object_get(both[i], "counters"),
                    "{\"events\":{\"messageNew\":12}}");
        assert_string_equal(json_get_cstr(both[i], "syncTime"),
                            "1970-01-01T00:00:01.000Z");
        assert_string_equal(json_get_cstr(both[i], "state"), "unset");
    }
    assert_int_equal(json_integer_value(json_object_get(shown, "connections")), 0);
    json_decref(shown);
    json_decref(row);
    json_decref(record);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_body_changes_a_record),
        cmocka_unit_test(a_partial_change_leaves_the_record_it_began_from),
        cmocka_unit_test(secrets_are_never_shown),
        cmocka_unit_test(counters_and_times_come_from_the_entry),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
