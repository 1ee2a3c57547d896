#include "postrider/base/clock.h"

#include "postrider/base/attr.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void dates_parse_strictly(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int ok;
        int64_t ms;
    } rows[] = {
        {"1970-01-01", 1, 0},
        {"1970-01-01T00:00:00Z", 1, 0},
        {"1970-01-01T01:00:00.5+01:00", 1, 500},
        {"1969-12-31T23:59:59.999Z", 1, -1},
        {"2026-11-22T05:48:00.123456Z", 1, 1795326480123},
        {"2024-02-29", 1, 1709164800000},
        {"2000-02-29", 1, 951782400000},
        {"2023-02-29", 0, 0},
        {"1900-02-29", 0, 0},
        {"2023-04-31", 0, 0},
        {"2023-13-01", 0, 0},
        {"2023-00-10", 0, 0},
        {"2023-1-1", 0, 0},
        {"2023-01-01T24:00:00Z", 0, 0},
        {"2023-01-01T10:60:00Z", 0, 0},
        {"2023-01-01T10:00:00Zx", 0, 0},
        {"2023-01-01T10:00:00+24:00", 0, 0},
        {"", 0, 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        int64_t ms = 42;
        int ok = clock_parse_iso(str_of(rows[i].text), &ms);
        if (ok != rows[i].ok || ms != (ok ? rows[i].ms : 42)) {
            fail_msg("%s: %d, %lld", rows[i].text, ok, (long long)ms);
        }
    }
}

static void formatted_dates_come_back(void **state)
{
    (void)state;
    char text[CLOCK_ISO_SIZE];
    for (int64_t ms = -62135596800000; ms < 253402300800000; ms += 86399999 * 997LL) {
        int64_t back = 0;
        clock_format_iso(ms, text);
        assert_true(clock_parse_iso(str_of(text), &back) && back == ms);
    }
    clock_format_iso(INT64_MAX, text);
    assert_string_equal(text, "9999-12-31T23:59:59.999Z");
    clock_format_iso(INT64_MIN, text);
    assert_string_equal(text, "0000-01-01T00:00:00.000Z");
}

static void fake_time_replaces_both_clocks(void **state)
{
    (void)state;
    int64_t now_ms = 5;
    clock_set_fake(&now_ms);
    now_ms = 7;
    assert_true(clock_mono_ms() == 7 && clock_wall_ms() == 7 && clock_mono_us() == 7000);
    clock_set_fake(NULL);
    assert_true(clock_wall_ms() > 1000000000000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dates_parse_strictly),
        cmocka_unit_test(formatted_dates_come_back),
        cmocka_unit_test(fake_time_replaces_both_clocks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
