#include "postrider/base/str.h"

#include "postrider/base/attr.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void comparisons_know_case_and_length(void **state)
{
    (void)state;
    const struct {
        struct str a, b;
        int eq, ieq;
    } rows[] = {
        {STR("a"), STR("a"), 1, 1},       {STR("a"), STR("A"), 0, 1},
        {STR("a"), STR("ab"), 0, 0},      {STR(""), STR_NULL, 1, 1},
        {STR("a\0b"), STR("a\0B"), 0, 1}, {STR("["), STR("{"), 0, 0},
        {STR("\xc4"), STR("\xe4"), 0, 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        assert_int_equal(str_eq(rows[i].a, rows[i].b), rows[i].eq);
        assert_int_equal(str_ieq(rows[i].a, rows[i].b), rows[i].ieq);
        assert_int_equal(str_cmp(rows[i].a, rows[i].b) == 0, rows[i].eq);
    }
    assert_true(str_cmp(STR("a"), STR("b")) < 0 && str_cmp(STR("ab"), STR("a")) > 0);
}

static void searching_and_cutting(void **state)
{
    (void)state;
    assert_true(str_has_prefix(STR_NULL, "") && str_has_suffix(STR_NULL, ""));
    assert_true(str_has_prefix(STR("abc"), "ab") && str_has_iprefix(STR("abc"), "AB"));
    assert_true(str_has_suffix(STR("abc"), "bc") && !str_has_suffix(STR("c"), "bc"));
    assert_int_equal(str_ifind(STR("xxAbC"), "aBc"), 2);
    assert_true(str_ifind(STR("ab"), "abc") == SIZE_MAX);
    assert_true(str_find_byte(STR_NULL, 'a') == SIZE_MAX);
    assert_int_equal(str_tail(STR("abc"), 9).len, 0);
    assert_true(str_eq_c(str_trim(STR(" \t a b\r\n")), "a b"));
}

static void a_star_stands_for_any_text(void **state)
{
    static const struct {
        const char *pattern, *text;
        bool matches;
    } rows[] = {
        {"", "", true},        {"", "a", false},        {"*", "", true},
        {"*", "abc", true},    {"abc", "abc", true},    {"abc", "ab", false},
        {"a*c", "abbc", true}, {"a*c", "abbcd", false}, {"a*b*c", "aXbXbXc", true},
        {"ab*b", "ab", false}, {"*ab", "aab", true},    {"*a*", "bbb", false},
        {"a**b", "ab", true},  {"*a*a*", "a", false},   {"*a*a*", "baab", true},
        {NULL, "a", false},    {"*", NULL, false},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        assert_int_equal(str_matches(str_of(rows[i].pattern), str_of(rows[i].text)),
                         rows[i].matches);
    }
}

static void split_gives_every_piece(void **state)
{
    (void)state;
    static const char *const want[] = {"a", "", "b", ""};
    struct str rest = STR("a,,b,");
    struct str piece;
    size_t n = 0;
    for (; str_split(&rest, ',', &piece); n++) {
        assert_true(n < ARRAY_LEN(want) && str_eq_c(piece, want[n]));
    }
    assert_int_equal(n, ARRAY_LEN(want));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(comparisons_know_case_and_length),
        cmocka_unit_test(searching_and_cutting),
        cmocka_unit_test(a_star_stands_for_any_text),
        cmocka_unit_test(split_gives_every_piece),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
