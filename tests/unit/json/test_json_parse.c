#include "postrider/base/mem.h"
#include "postrider/json/json.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

struct text_row {
    const char *text;
    size_t len; /* 0: up to the NUL */
    bool ok;
};

static const struct text_row rows[] = {
    {"{}", 0, true},
    {" [1,2.5,\"a\",null,true] ", 0, true},
    {"3", 0, true},
    {"\"\\ud83d\\ude00\"", 0, true},
    {"\"\\\\\\\"[[[[\"", 0, true},
    {"", 0, false},
    {"{", 0, false},
    {"[1,]", 0, false},
    {"{} x", 0, false},
    {"{\"a\":1,\"a\":2}", 0, false},
    {"{\"a\":{\"b\":1,\"b\":1}}", 0, false},
    {"\"\xff\"", 0, false},
    {"\"\xc0\xaf\"", 0, false},
    {"\"\xed\xa0\x80\"", 0, false},
    {"\"\\ud800\"", 0, false},
    {"\"\\udc00\\ud800\"", 0, false},
    {"\"\\u0000\"", 0, false},
    {"\"a\0b\"", 5, false},
    {"\0", 1, false},
    {"99999999999999999999999", 0, false},
    {"1e999", 0, false},
    {"NaN", 0, false},
    {"'a'", 0, false},
    {"\xef\xbb\xbf{}", 0, false},
};

static void parse_rows(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct str text = str_of(rows[i].text);
        text.len = rows[i].len > 0 ? rows[i].len : text.len;
        json_t *v ATTR_CLEANUP(json_cleanup) = NULL;
        struct err err = {0};
        if (json_parse_strict(text, 1000, &v, &err) != rows[i].ok) {
            fail_msg("row %zu: %s (%s)", i, rows[i].text, err.msg);
        }
        assert_int_equal(err.code, rows[i].ok ? ERR_OK : ERR_INVALID);
    }
}

static void depth_is_capped(void **state)
{
    (void)state;
    enum {
        BOMB = 200 * 1000
    };
    static char text[BOMB];
    json_t *v = NULL;
    struct err err;
    memset(text, '[', sizeof text);
    assert_false(json_parse_strict(str_from(text, BOMB), BOMB, &v, &err));
    assert_int_equal(err.code, ERR_INVALID);
    for (size_t depth = JSON_DEPTH_MAX; depth <= JSON_DEPTH_MAX + 1; depth++) {
        memset(text, '[', depth);
        memset(text + depth, ']', depth);
        bool ok = json_parse_strict(str_from(text, 2 * depth), BOMB, &v, &err);
        assert_int_equal(ok, depth == JSON_DEPTH_MAX);
    }
    json_decref(v);
}

static void size_is_capped(void **state)
{
    (void)state;
    json_t *v = NULL;
    struct err err;
    assert_false(json_parse_strict(STR("[1,2,3]"), 6, &v, &err));
    assert_int_equal(err.code, ERR_TOO_LARGE);
}

static void getters_answer_for_what_is_missing(void **state)
{
    (void)state;
    json_t *v ATTR_CLEANUP(json_cleanup) = NULL;
    int64_t ms = 7;
    assert_true(json_parse_strict(
        STR("{\"s\":\"x\",\"i\":5,\"b\":true,\"n\":null,\"o\":{},\"a\":[],"
            "\"t\":\"2026-01-02T03:04:05.678Z\"}"),
        1000, &v, NULL));
    assert_true(str_eq_c(json_get_str(v, "s"), "x"));
    assert_null(json_get_str(v, "i").ptr);
    assert_null(json_get_cstr(NULL, "s"));
    assert_int_equal(json_get_int(v, "i", 1), 5);
    assert_int_equal(json_get_int(v, "s", 1), 1);
    assert_true(json_get_bool(v, "b", false));
    assert_true(json_get_bool(v, "s", true));
    assert_non_null(json_get_obj(v, "o"));
    assert_null(json_get_obj(v, "a"));
    assert_non_null(json_get_arr(v, "a"));
    assert_false(json_has(v, "n"));
    assert_true(json_has(v, "s"));
    assert_false(json_get_time(v, "s", &ms));
    assert_int_equal(ms, 7);
    assert_true(json_get_time(v, "t", &ms));
    json_t *copy = json_object();
    json_put_time(copy, "t", ms);
    assert_string_equal(json_get_cstr(copy, "t"), json_get_cstr(v, "t"));
    json_decref(copy);
}

static void emitted_text_is_valid_whatever_goes_in(void **state)
{
    (void)state;
    json_t *v ATTR_CLEANUP(json_cleanup) = json_object();
    struct buf out = BUF_INIT(100);
    json_put_str(v, "a", STR("x\xff\xc0y"));
    json_put_str(v, "b", STR_NULL);
    json_put_str(v, "c", str_from("a\0b", 3));
    json_put(v, "d", NULL);
    json_put_int(v, "e", INT64_MIN);
    assert_true(json_emit(v, &out));
    assert_string_equal(buf_c(&out), "{\"a\":\"x\xef\xbf\xbd\xef\xbf\xbdy\","
                                     "\"c\":\"a\\u0000b\",\"e\":-9223372036854775808}");
    struct buf small = BUF_INIT(10);
    assert_false(json_emit(v, &small));
    buf_fini(&small);
    buf_fini(&out);
}

/* Printing is our own; jansson's says how it must look. */
static void emitted_text_is_what_the_library_prints(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "[]",
        "{}",
        "[[],{},[[]],{\"a\":{}}]",
        "{\"a\":[1,-1,0,9223372036854775807],\"b\":{\"c\":null,\"d\":[true,false]}}",
        "[0.5,-2e40,3.0]",
        "[\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0001\\u001f\\u007f\",\"\u00e4\u6771\",\"\"]",
        "{\"\\\"\":1,\"\\n\":\"a\\nb\"}",
        "\"alone\"",
        "7"};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        json_t *v ATTR_CLEANUP(json_cleanup) =
            json_loads(texts[i], JSON_DECODE_ANY, NULL);
        struct buf out = BUF_INIT(1000);
        assert_non_null(v);
        char *expected = json_dumps(v, JSON_COMPACT | JSON_ENCODE_ANY);
        assert_true(json_emit(v, &out));
        assert_string_equal(buf_c(&out), expected);
        mem_free(expected);
        buf_fini(&out);
    }
}

static void what_is_too_deep_is_not_emitted(void **state)
{
    (void)state;
    json_t *v ATTR_CLEANUP(json_cleanup) = json_array();
    struct buf out = BUF_INIT(10000);
    for (size_t i = 0; i < 4 * JSON_DEPTH_MAX; i++) {
        v = json_pack("[o]", v);
    }
    assert_false(json_emit(v, &out));
    buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(emitted_text_is_what_the_library_prints),
        cmocka_unit_test(what_is_too_deep_is_not_emitted),
        cmocka_unit_test(parse_rows),
        cmocka_unit_test(depth_is_capped),
        cmocka_unit_test(size_is_capped),
        cmocka_unit_test(getters_answer_for_what_is_missing),
        cmocka_unit_test(emitted_text_is_valid_whatever_goes_in),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
