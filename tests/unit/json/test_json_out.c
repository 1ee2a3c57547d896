/* JSON written from the first member to the last: text and value are the same. */
#include "postrider/json/json_out.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void write_all(struct json_out *out)
{
    json_out_open(out, NULL, '{');
    json_out_str(out, "text", STR("x"));
    json_out_str(out, "absent", STR_NULL);
    json_out_int(out, "below", INT64_MIN);
    json_out_int(out, "above", INT64_MAX);
    json_out_open(out, "list", '[');
    json_out_bool(out, NULL, true);
    json_out_open(out, NULL, '{');
    json_out_close(out, '}');
    json_out_open(out, NULL, '[');
    json_out_close(out, ']');
    json_out_null(out, NULL);
    json_out_close(out, ']');
    json_out_bool(out, "no", false);
    json_out_time(out, "at", 1700000000123);
    json_out_close(out, '}');
}

static void text_and_value_are_the_same(void **state)
{
    (void)state;
    struct buf text = BUF_INIT(4096), printed = BUF_INIT(4096);
    struct json_out to_text = {.text = &text}, to_value = {0};
    write_all(&to_text);
    write_all(&to_value);
    assert_string_equal(buf_c(&text),
                        "{\"text\":\"x\",\"below\":-9223372036854775808,"
                        "\"above\":9223372036854775807,\"list\":[true,{},[],null],"
                        "\"no\":false,\"at\":\"2023-11-14T22:13:20.123Z\"}");
    assert_true(json_emit(to_value.value, &printed));
    assert_string_equal(buf_c(&printed), buf_c(&text));
    json_t *read = json_of_own(buf_str(&text));
    assert_true(json_equal(read, to_value.value));
    json_decref(read);
    json_decref(to_value.value);
    buf_fini(&text);
    buf_fini(&printed);
}

/* Every byte at every place of the eight that are looked at together. */
static void strings_are_escaped_and_repaired(void **state)
{
    (void)state;
    const struct {
        struct str in;
        const char *out;
    } rows[] = {
        {STR("\""), "\\\""},
        {STR("\\"), "\\\\"},
        {STR("\b\f\n\r\t"), "\\b\\f\\n\\r\\t"},
        {STR("\x01"), "\\u0001"},
        {STR("\x1f"), "\\u001F"},
        {STR("\x7f"), "\x7f"},
        {{"\0", 1}, "\\u0000"},
        {STR("\xc3\xbc"), "\xc3\xbc"},
        {STR("\xf0\x9f\x98\x80"), "\xf0\x9f\x98\x80"},
        {STR("\xed\xa0\x80"), "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
        {STR("\xff"), "\xef\xbf\xbd"},
        {STR("\xc3"), "\xef\xbf\xbd"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        for (size_t before = 0; before < 10; before++) {
            struct buf in = BUF_INIT(64), out = BUF_INIT(256), expected = BUF_INIT(256);
            json_t *read, *as_value = NULL;
            (void)buf_put(&in, "aZ ~!#[]{}", before);
            (void)buf_put_str(&in, rows[i].in);
            (void)buf_put_c(&in, "behind it");
            (void)buf_printf(&expected, "\"%.*s%sbehind it\"", (int)before, "aZ ~!#[]{}",
                             rows[i].out);
            json_out_quoted(&out, buf_str(&in));
            assert_string_equal(buf_c(&out), buf_c(&expected));
            read = json_of_own(buf_str(&out));
            as_value = json_str_repaired(buf_str(&in));
            assert_true(json_equal(read, as_value));
            json_decref(read);
            json_decref(as_value);
            buf_fini(&in);
            buf_fini(&out);
            buf_fini(&expected);
        }
    }
}

static void members_of_a_value_and_ready_text_go_in(void **state)
{
    (void)state;
    struct buf text = BUF_INIT(256);
    struct json_out out = {.text = &text};
    json_t *obj = json_pack("{s:i,s:[s]}", "a\"", 1, "b", "x"), *none = json_object();
    json_out_open(&out, NULL, '{');
    json_out_members(&out, none);
    json_out_members(&out, obj);
    json_out_text(&out, "c", STR("{\"d\":1}"));
    json_out_close(&out, '}');
    assert_string_equal(buf_c(&text), "{\"a\\\"\":1,\"b\":[\"x\"],\"c\":{\"d\":1}}");
    json_decref(obj);
    json_decref(none);
    buf_fini(&text);
}

static void a_full_buffer_says_so(void **state)
{
    (void)state;
    struct buf text = BUF_INIT(40);
    struct json_out out = {.text = &text};
    write_all(&out);
    assert_true(text.overflow);
    assert_true(text.len <= 40);
    buf_fini(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_and_value_are_the_same),
        cmocka_unit_test(strings_are_escaped_and_repaired),
        cmocka_unit_test(members_of_a_value_and_ready_text_go_in),
        cmocka_unit_test(a_full_buffer_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
