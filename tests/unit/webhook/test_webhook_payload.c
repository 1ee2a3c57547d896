/* What a route makes of an event: chosen by its filter, built by its mapping, in its form. */
#include "postrider/base/mem.h"
#include "postrider/json/json.h"

#include "webhook_priv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#define EVENT_ID "6a1f0c1e-0000-8000-8000-000000000001"
#define ENVELOPE                                                                         \
    "\"account\":\"a b/ü\",\"date\":\"2023-11-14T22:13:20.000Z\",\"path\":\"INBOX\","   \
    "\"specialUse\":\"\\\\Inbox\",\"event\":\"messageNew\",\"eventId\":\"" EVENT_ID      \
    "\",\"data\":{\"id\":\"AAAA\",\"uid\":7}}"

static struct expr *compiled(const char *source)
{
    struct expr *e = NULL;
    assert_true(source == NULL || expr_compile(str_of(source), &e, NULL));
    return e;
}

static void make_event(struct event *e)
{
    event_init(e, EVENT_MESSAGE_NEW, 1700000000000, 1, 7, "INBOX", "\\Inbox",
               json_pack("{s:s, s:i}", "id", "AAAA", "uid", 7));
    (void)snprintf(e->id, sizeof e->id, EVENT_ID);
}

static void the_form_wraps_what_the_mapping_builds(void **state ATTR_UNUSED)
{
    static const struct {
        enum webhook_form form;
        const char *mapping, *expected, *type;
    } rows[] = {
        {WEBHOOK_FORM_FULL, NULL, "{\"serviceUrl\":\"https://s.test\"," ENVELOPE,
         "application/json"},
        {WEBHOOK_FORM_THIN, "{who: account, n: data.uid}", "{\"who\":\"a b/ü\",\"n\":7}",
         "application/json"},
        {WEBHOOK_FORM_FULL, "'text'", "\"text\"", "application/json"},
        {WEBHOOK_FORM_CLOUDEVENTS, "data",
         "{\"specversion\":\"1.0\",\"id\":\"" EVENT_ID "\",\"source\":"
         "\"https://s.test/v1/account/a%20b%2F%C3%BC\",\"type\":\"postrider.messageNew\","
         "\"time\":\"2023-11-14T22:13:20.000Z\",\"subject\":\"AAAA\","
         "\"datacontenttype\":\"application/json\",\"data\":{\"id\":\"AAAA\",\"uid\":7}}",
         "application/cloudevents+json"},
    };
    struct event e;
    make_event(&e);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct webhook_route r = {.form = rows[i].form,
                                  .mapping = compiled(rows[i].mapping)};
        struct webhook_payload p = {.route = &r,
                                    .service_url = STR("https://s.test"),
                                    .account = STR("a b/ü"),
                                    .event = &e};
        struct buf out = BUF_INIT(4096), small = BUF_INIT(4);
        struct err err = {0};
        assert_true(webhook_payload_body(&p, &out, &err));
        assert_string_equal(buf_c(&out), rows[i].expected);
        assert_string_equal(webhook_payload_type(&r), rows[i].type);
        assert_false(webhook_payload_body(&p, &small, &err));
        assert_int_equal(err.code, ERR_TOO_LARGE);
        buf_fini(&out);
        buf_fini(&small);
        expr_free(&r.mapping);
    }
    event_fini(&e);
}

static void the_filter_sees_what_would_be_sent(void **state ATTR_UNUSED)
{
    static const struct {
        const char *filter;
        bool passes, needs_data;
    } rows[] = {
        {NULL, true, false},
        {"path == 'INBOX'", true, false},
        {"event == 'messageDeleted'", false, false},
        {"data.subject == 'Hello'", true, true},
        {"data.uid == 7", false, true}, /* the content stands for the event's own data */
    };
    struct event e;
    make_event(&e);
    json_t *content = json_pack("{s:s}", "subject", "Hello");
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct webhook_route r = {.filter = compiled(rows[i].filter)};
        struct webhook_payload p = {
            .route = &r, .account = STR("a"), .event = &e, .data = content};
        bool passes = !rows[i].passes;
        assert_true(webhook_payload_filter(&p, &passes, NULL));
        assert_int_equal(passes, rows[i].passes);
        assert_int_equal(webhook_payload_filter_needs_data(&r), rows[i].needs_data);
        expr_free(&r.filter);
    }
    json_decref(content);
    event_fini(&e);
}

static void a_filter_over_its_limits_is_an_error(void **state ATTR_UNUSED)
{
    struct webhook_route r = {.filter = compiled("concat(data.t, data.t)"),
                              .mapping = compiled("concat(data.t, data.t)")};
    struct event e;
    make_event(&e);
    char *text = mem_alloc(EXPR_OUTPUT_MAX);
    memset(text, 'x', EXPR_OUTPUT_MAX - 1);
    json_t *content = json_pack("{s:s}", "t", text);
    struct webhook_payload p = {
        .route = &r, .account = STR("a"), .event = &e, .data = content};
    struct buf out = BUF_INIT(WEBHOOK_BODY_MAX);
    struct err err = {0};
    bool passes = true;
    assert_false(webhook_payload_filter(&p, &passes, &err));
    assert_int_equal(err.code, ERR_LIMIT);
    assert_true(str_has_prefix(str_of(err.msg), "filter: "));
    assert_false(webhook_payload_body(&p, &out, &err));
    assert_true(str_has_prefix(str_of(err.msg), "mapping: "));
    buf_fini(&out);
    json_decref(content);
    mem_free(text);
    event_fini(&e);
    expr_free(&r.filter);
    expr_free(&r.mapping);
}

static void content_is_needed_for_new_messages_only(void **state ATTR_UNUSED)
{
    struct webhook_route full = {0}, thin = {.form = WEBHOOK_FORM_THIN};
    struct event e;
    make_event(&e);
    assert_true(webhook_payload_needs_content(&full, &e));
    assert_false(webhook_payload_needs_content(&thin, &e));
    e.type = EVENT_MESSAGE_DELETED;
    assert_false(webhook_payload_needs_content(&full, &e));
    event_fini(&e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_form_wraps_what_the_mapping_builds),
        cmocka_unit_test(the_filter_sees_what_would_be_sent),
        cmocka_unit_test(a_filter_over_its_limits_is_an_error),
        cmocka_unit_test(content_is_needed_for_new_messages_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
