/* imap_seqset: parsing, printing, normalizing sets. */
#include "postrider/base/mem.h"
#include "postrider/imap/imap_value.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void assert_prints(const struct imap_set *set, const char *expected)
{
    struct buf out = BUF_INIT(4096);
    assert_int_equal(imap_set_print(&out, set, 0, SIZE_MAX), set->count);
    assert_string_equal(buf_c(&out), expected);
    buf_fini(&out);
}

static void texts_parse_and_normalize(void **state)
{
    static const struct {
        const char *text, *printed, *normal;
        uint64_t count;
    } cases[] = {
        {"1", "1", "1", 1},
        {"1:3,7", "1:3,7", "1:3,7", 4},
        {"*", "*", "*", 1},
        {"5:*", "5:4294967295", "5:4294967295", 4294967291},
        {"*:5", "5:4294967295", "5:4294967295", 4294967291},
        {"0:1", "1", "1", 1},
        {"9:7,1,2", "7:9,1,2", "1:2,7:9", 5},
        {"5,4,3,1:9", "5,4,3,1:9", "1:9", 12},
        {"1:4294967295,7", "1:4294967295,7", "1:4294967295", 4294967296},
        {"4294967295,4294967294", "*,4294967294", "4294967294:4294967295", 2},
    };
    struct arena arena = {0};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct imap_set set;
        assert_true(imap_set_parse(&arena, str_of(cases[i].text), &set));
        assert_prints(&set, cases[i].printed);
        assert_int_equal(imap_set_count(&set), cases[i].count);
        imap_set_normalize(&set);
        assert_prints(&set, cases[i].normal);
    }
    arena_fini(&arena);
}

static void malformed_texts_are_refused(void **state)
{
    static const char *const cases[] = {"",
                                        ",",
                                        "1,",
                                        ",1",
                                        "1,,2",
                                        ":",
                                        "1:",
                                        ":1",
                                        "1:2:",
                                        "a",
                                        "-1",
                                        "1 2",
                                        "$",
                                        "**",
                                        "1;2",
                                        "4294967296",
                                        "1:99999999999999999999"};
    struct arena arena = {0};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct imap_set set = {.count = 77};
        if (imap_set_parse(&arena, str_of(cases[i]), &set)) {
            fail_msg("accepted: %s", cases[i]);
        }
        assert_int_equal(set.count, 77);
    }
    assert_false(imap_set_parse(&arena, STR_NULL, &(struct imap_set){0}));
    arena_fini(&arena);
}

static void numbers_become_ranges(void **state)
{
    uint32_t unsorted[] = {9, 1, 2, 2, 4294967295, 3, 8}, sorted[] = {1, 3, 4};
    struct arena arena = {0};
    struct imap_set set;
    (void)state;
    imap_set_from_numbers(&arena, unsorted, ARRAY_LEN(unsorted), &set);
    assert_prints(&set, "1:3,8:9,*");
    imap_set_from_numbers(&arena, sorted, ARRAY_LEN(sorted), &set);
    assert_prints(&set, "1,3:4");
    imap_set_from_numbers(&arena, NULL, 0, &set);
    assert_int_equal(set.count, 0);
    imap_set_normalize(&set);
    assert_prints(&set, "");
    arena_fini(&arena);
}

static void long_sets_print_in_pieces(void **state)
{
    struct imap_range ranges[] = {{1, 3}, {5, 5}, {100, 200}, {300, 300}};
    const struct imap_set set = {.ranges = ranges, .count = ARRAY_LEN(ranges)};
    struct buf out = BUF_INIT(64);
    (void)state;
    assert_int_equal(imap_set_print(&out, &set, 0, 5), 2);
    assert_string_equal(buf_c(&out), "1:3,5");
    buf_clear(&out);
    assert_int_equal(imap_set_print(&out, &set, 2, 10), 1);
    assert_string_equal(buf_c(&out), "100:200");
    buf_clear(&out);
    assert_int_equal(imap_set_print(&out, &set, 2, 11), 2);
    assert_int_equal(imap_set_print(&out, &set, 2, 3), 0);
    assert_int_equal(imap_set_print(&out, &set, 4, 100), 0);
    buf_fini(&out);
}

static void membership(void **state)
{
    struct imap_range ranges[] = {{5, 9}, {1, 2}, {20, UINT32_MAX}};
    const struct imap_set set = {.ranges = ranges, .count = ARRAY_LEN(ranges)};
    static const uint32_t in[] = {1, 2, 5, 9, 20, UINT32_MAX}, out[] = {0, 3, 4, 10, 19};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(in); i++) {
        assert_true(imap_set_contains(&set, in[i]));
    }
    for (size_t i = 0; i < ARRAY_LEN(out); i++) {
        assert_false(imap_set_contains(&set, out[i]));
    }
}

static uint32_t next(uint32_t *seed)
{
    *seed = *seed * 1664525 + 1013904223;
    return *seed;
}

static void large_sets_are_normalized_like_small_ones(void **state)
{
    enum {
        LARGE = 20000,
        PART = 500
    };
    (void)state;
    struct imap_range *large = mem_array(LARGE, sizeof *large);
    uint32_t seed = 3;
    for (size_t i = 0; i < LARGE; i++) {
        uint32_t lo = next(&seed) % (UINT32_MAX - 100);
        large[i] = (struct imap_range){lo, lo + next(&seed) % 100};
    }
    struct imap_range *first = mem_array(PART, sizeof *first);
    memcpy(first, large, PART * sizeof *first);
    struct imap_set set = {.ranges = large, .count = LARGE};
    imap_set_normalize(&set);
    for (size_t i = 1; i < set.count; i++) {
        assert_true((uint64_t)set.ranges[i - 1].hi + 1 < set.ranges[i].lo);
    }
    for (size_t i = 0; i < PART; i++) {
        assert_true(imap_set_has(&set, first[i].lo) && imap_set_has(&set, first[i].hi));
    }
    for (size_t i = 0; i < PART; i++) {
        uint32_t n = next(&seed);
        assert_int_equal(imap_set_has(&set, n), imap_set_contains(&set, n));
    }
    mem_free(first);
    mem_free(large);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_parse_and_normalize),
        cmocka_unit_test(malformed_texts_are_refused),
        cmocka_unit_test(numbers_become_ranges),
        cmocka_unit_test(long_sets_print_in_pieces),
        cmocka_unit_test(membership),
        cmocka_unit_test(large_sets_are_normalized_like_small_ones),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
