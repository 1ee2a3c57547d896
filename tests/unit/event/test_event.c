/* Log entries: names, encoding, and what is not one. */
#include "postrider/event/event.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define SOME_ID "01234567-89ab-4cde-8f01-23456789abcd"

static void every_name_parses_back(void **state)
{
    (void)state;
    for (int i = 0; i < EVENT_TYPE_COUNT; i++) {
        enum event_type type;
        assert_true(event_type_parse(str_of(event_type_name((enum event_type)i)), &type));
        assert_int_equal(type, i);
    }
}

static void other_names_do_not_parse(void **state)
{
    static const char *const names[] = {"", "messagenew", "messageNew ", "messageNe",
                                        "*"};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        enum event_type type = EVENT_TYPE_COUNT;
        assert_false(event_type_parse(str_of(names[i]), &type));
        assert_int_equal(type, EVENT_TYPE_COUNT);
    }
}

static void assert_same(const struct event *a, const struct event *b)
{
    assert_int_equal(a->date_ms, b->date_ms);
    assert_int_equal(a->box, b->box);
    assert_int_equal(a->uid, b->uid);
    assert_true(str_eq(str_of(a->path), str_of(b->path)));
    assert_int_equal(a->path == NULL, b->path == NULL);
    assert_true(str_eq(str_of(a->special_use), str_of(b->special_use)));
    assert_int_equal(a->special_use == NULL, b->special_use == NULL);
    assert_true(json_equal(a->data, b->data));
}

static void what_is_encoded_is_decoded(void **state)
{
    static const struct {
        uint32_t box, uid;
        int64_t date_ms;
        const char *path, *use, *data;
    } rows[] = {
        {1, 2, 1700000000123, "INBOX", "\\Inbox",
         "{\"id\":\"x\",\"flags\":[\"\\\\Seen\"]}"},
        {UINT32_MAX, UINT32_MAX, INT64_MAX, "Entw\xc3\xbcrfe/\"a\\b", "",
         "{\"a\":{\"b\":null}}"},
        {0, 0, 0, NULL, NULL, NULL},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct event e, back;
        struct err err = {0};
        struct buf text = BUF_INIT(EVENT_DATA_MAX);
        json_t *data = rows[i].data != NULL ? json_loads(rows[i].data, 0, NULL) : NULL;
        event_init(&e, EVENT_MESSAGE_NEW, rows[i].date_ms, rows[i].box, rows[i].uid,
                   rows[i].path, rows[i].use, data);
        assert_true(event_encode(&e, &text));
        assert_true(
            event_decode(EVENT_MESSAGE_NEW, SOME_ID, buf_str(&text), &back, &err));
        assert_int_equal(back.type, EVENT_MESSAGE_NEW);
        assert_string_equal(back.id, SOME_ID);
        assert_same(&e, &back);
        buf_fini(&text);
        event_fini(&back);
        event_fini(&e);
    }
}

static void an_event_that_is_too_large_is_refused(void **state)
{
    (void)state;
    struct event e;
    struct buf text = BUF_INIT(64);
    event_init(&e, EVENT_MESSAGE_NEW, 1, 1, 1, "INBOX", NULL,
               json_pack("{s:s}", "text",
                         "more than sixty-four bytes are needed to write this down"));
    assert_false(event_encode(&e, &text));
    buf_fini(&text);
    event_fini(&e);
}

static void what_is_no_event_is_corrupt(void **state)
{
    static const char *const texts[] = {
        "",
        "{",
        "[]",
        "null",
        "{}",
        "{\"t\":1}",
        "{\"d\":{}}",
        "{\"t\":\"1\",\"d\":{}}",
        "{\"t\":1,\"d\":[]}",
        "{\"t\":1,\"t\":2,\"d\":{}}",
        "{\"t\":1,\"d\":{}} x",
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        struct event e;
        struct err err = {0};
        assert_false(
            event_decode(EVENT_MESSAGE_NEW, SOME_ID, str_of(texts[i]), &e, &err));
        assert_int_equal(err.code, ERR_CORRUPT);
    }
}

static void every_cut_of_an_event_is_corrupt(void **state)
{
    static const char text[] = "{\"t\":1,\"p\":\"INBOX\",\"d\":{\"id\":\"x\"},\"b\":1}";
    (void)state;
    for (size_t len = 0; len + 1 < sizeof text - 1; len++) {
        struct event e;
        struct err err = {0};
        assert_false(
            event_decode(EVENT_MESSAGE_NEW, SOME_ID, str_from(text, len), &e, &err));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_name_parses_back),
        cmocka_unit_test(other_names_do_not_parse),
        cmocka_unit_test(what_is_encoded_is_decoded),
        cmocka_unit_test(an_event_that_is_too_large_is_refused),
        cmocka_unit_test(what_is_no_event_is_corrupt),
        cmocka_unit_test(every_cut_of_an_event_is_corrupt),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
