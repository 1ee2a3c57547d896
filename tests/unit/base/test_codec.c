#include "postrider/base/codec.h"

#include "postrider/base/attr.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

static void base64_follows_the_rfc(void **state)
{
    (void)state;
    static const struct {
        const char *plain, *std, *url;
    } rows[] = {
        {"", "", ""},
        {"f", "Zg==", "Zg"},
        {"fo", "Zm8=", "Zm8"},
        {"foo", "Zm9v", "Zm9v"},
        {"foob", "Zm9vYg==", "Zm9vYg"},
        {"foobar", "Zm9vYmFy", "Zm9vYmFy"},
        {"\xfb\xff\xfe", "+//+", "-__-"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct buf b = BUF_INIT(100);
        assert_true(base64_encode(&b, rows[i].plain, strlen(rows[i].plain)));
        assert_string_equal(buf_c(&b), rows[i].std);
        buf_clear(&b);
        assert_true(base64url_encode(&b, rows[i].plain, strlen(rows[i].plain)));
        assert_true(str_eq_c(buf_str(&b), rows[i].url));
        buf_clear(&b);
        assert_true(base64_decode(&b, str_of(rows[i].std)));
        assert_true(base64url_decode(&b, str_of(rows[i].url)));
        assert_int_equal(b.len, 2 * strlen(rows[i].plain));
        buf_fini(&b);
    }
}

static void malformed_text_changes_nothing(void **state)
{
    (void)state;
    static const char *const std[] = {
        "Z", "Zg", "Zg=", "Zg===", "Zh==", "Zm9v Y", "Zm9v\n", "-__-", "====", "Z=g="};
    struct buf b = BUF_INIT(100);
    buf_put_c(&b, "kept");
    for (size_t i = 0; i < ARRAY_LEN(std); i++) {
        if (base64_decode(&b, str_of(std[i]))) {
            fail_msg("%s", std[i]);
        }
        assert_string_equal(buf_c(&b), "kept");
    }
    assert_false(base64url_decode(&b, STR("Z")));
    assert_false(base64url_decode(&b, STR("+//+")));
    assert_string_equal(buf_c(&b), "kept");
    buf_fini(&b);
}

static void hexadecimal_comes_back(void **state)
{
    (void)state;
    struct buf b = BUF_INIT(100);
    uint8_t out[3];
    assert_true(hex_encode(&b, "\x00\xab\xff", 3));
    assert_string_equal(buf_c(&b), "00abff");
    assert_true(hex_decode(STR("00ABff"), out, 3));
    assert_memory_equal(out, "\x00\xab\xff", 3);
    assert_false(hex_decode(STR("00abf"), out, 3));
    assert_false(hex_decode(STR("00abfg"), out, 3));
    buf_fini(&b);
}

static void percent_signs_are_decoded_where_digits_follow(void **state)
{
    (void)state;
    struct buf b = BUF_INIT(100);
    assert_true(percent_decode(&b, STR("a%40b%2Fc%zz%4")));
    assert_string_equal(buf_c(&b), "a@b/c%zz%4");
    buf_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(base64_follows_the_rfc),
        cmocka_unit_test(malformed_text_changes_nothing),
        cmocka_unit_test(hexadecimal_comes_back),
        cmocka_unit_test(percent_signs_are_decoded_where_digits_follow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
