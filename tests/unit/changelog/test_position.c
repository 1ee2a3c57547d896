/* Positions in all feeds as text. */
#include "postrider/changelog/position.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void assert_survives(const struct feed_position *p, size_t max_len)
{
    struct feed_position again = {0};
    struct buf text = BUF_INIT(CHANGELOG_POSITION_SIZE);
    assert_true(changelog_position_format(p, &text));
    assert_true(text.len <= max_len);
    assert_true(changelog_position_parse(buf_str(&text), &again));
    assert_memory_equal(p, &again, sizeof again);
    buf_fini(&text);
}

static void what_is_printed_is_read_again(void **state)
{
    (void)state;
    struct feed_position p = {0};
    assert_survives(&p, 3);
    p.at[0] = (struct feed_place){1700000000000, 0};
    p.at[255] = (struct feed_place){1700000000123, 7};
    assert_survives(&p, 24);
    /* With every event of a reader of all: an hour's places, few of them with a seq. */
    for (size_t i = 0; i < STORE_SHARDS; i++) {
        p.at[i] = (struct feed_place){1700000000000 - i * 14000, i % 32 == 0 ? 1 : 0};
    }
    assert_survives(&p, 1370);
    for (size_t i = 0; i < STORE_SHARDS; i++) {
        p.at[i] = (struct feed_place){1700000000000 + i * 1000003, i};
    }
    assert_survives(&p, 2500);
    for (size_t i = 0; i < STORE_SHARDS; i++) {
        p.at[i] = (struct feed_place){i % 2 == 0 ? 1 : UINT64_MAX, UINT64_MAX};
    }
    assert_survives(&p, CHANGELOG_POSITION_SIZE - 1);
}

static void what_is_no_position_is_refused(void **state)
{
    (void)state;
    struct feed_position p = {0}, kept = {0};
    p.at[9] = (struct feed_place){300, 300};
    struct buf text = BUF_INIT(CHANGELOG_POSITION_SIZE);
    assert_true(changelog_position_format(&p, &text));
    /* AqwCCQMArAI: base 300, skip 9, one with a seq, age 0, seq 300 */
    assert_true(str_eq_c(buf_str(&text), "AqwCCQMArAI"));
    static const char *const bad[] = {
        "",
        "A",
        "!",
        "AQAA",
        "AqwCCQE",        /* no shard in the run */
        "AqwC_wEFAAEAAQ", /* beyond the last shard */
        "AqwCgQIDAAE",    /* skips more than there are */
        "AqwCCQOtAqwC",   /* before the beginning of time */
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        assert_false(changelog_position_parse(str_of(bad[i]), &kept));
    }
    for (size_t len = 5; len < text.len; len++) {
        assert_false(changelog_position_parse(str_from(buf_str(&text).ptr, len), &kept));
    }
    assert_int_equal(kept.at[9].ms, 0);
    buf_fini(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_printed_is_read_again),
        cmocka_unit_test(what_is_no_position_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
