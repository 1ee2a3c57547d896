#include "redis_url.h"

#include "postrider/base/buf.h"
#include "postrider/redis/redis.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const char *or_dash(const char *s)
{
    return s != NULL ? s : "-";
}

static void good_urls(void **state)
{
    (void)state;
    const struct {
        const char *url;
        const char *want; /* tls host port path user password db */
    } cases[] = {
        {"redis://localhost", "0 localhost 6379 - - - 0"},
        {"REDIS://localhost/", "0 localhost 6379 - - - 0"},
        {"redis://127.0.0.1:7000/3", "0 127.0.0.1 7000 - - - 3"},
        {"rediss://r.example:6380", "1 r.example 6380 - - - 0"},
        {"redis://[::1]:7000/15", "0 ::1 7000 - - - 15"},
        {"redis://[::1]", "0 ::1 6379 - - - 0"},
        {"redis://:secret@h", "0 h 6379 - - secret 0"},
        {"redis://u:p@h", "0 h 6379 - u p 0"},
        {"redis://u@h", "0 h 6379 - u - 0"},
        {"redis://u%40x:p%3A%2f%25@h", "0 h 6379 - u@x p:/% 0"},
        {"redis://u:p@ss@h", "0 h 6379 - u p@ss 0"},
        {"unix:///run/redis.sock", "0 - 6379 /run/redis.sock - - 0"},
        {"unix:///run/redis.sock?db=9", "0 - 6379 /run/redis.sock - - 9"},
        {"unix://:pw@/run/redis.sock", "0 - 6379 /run/redis.sock - pw 0"},
        {"unix:///run/a@b/redis.sock", "0 - 6379 /run/a@b/redis.sock - - 0"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct arena a = {0};
        struct redis_address r;
        struct err err = {0};
        assert_true(redis_url_check(cases[i].url, &err));
        assert_true(redis_url_parse(cases[i].url, &a, &r, &err));
        struct buf got = BUF_INIT(1024);
        assert_true(buf_printf(&got, "%d %s %u %s %s %s %u", r.tls, or_dash(r.host),
                               r.port, or_dash(r.path), or_dash(r.user),
                               or_dash(r.password), r.db));
        assert_string_equal(buf_c(&got), cases[i].want);
        buf_fini(&got);
        arena_fini(&a);
    }
}

static void bad_urls_are_refused_without_repeating_them(void **state)
{
    (void)state;
    static char path[200] = "unix:///";
    memset(path + 8, 'x', sizeof path - 9);
    static char big[REDIS_URL_MAX + 20] = "redis://";
    memset(big + 8, 'x', sizeof big - 9);
    const char *const urls[] = {
        "",
        "embedded",
        "http://marker",
        "redis://",
        "redis://:marker@",
        "redis://marker:",
        "redis://marker:0",
        "redis://marker:65536",
        "redis://marker:x",
        "redis://marker/x",
        "redis://marker/65536",
        "redis://[::1",
        "redis://[::1]marker",
        "redis://marker%@h",
        "redis://marker%4@h",
        "redis://marker%zz@h",
        "redis://marker%00@h",
        "redis://marker?db=1",
        "unix://",
        "unix://marker",
        "unix:///marker?x=1",
        "unix:///marker?db=",
        "unix:///marker?db=x",
        path,
        big,
    };
    for (size_t i = 0; i < ARRAY_LEN(urls); i++) {
        struct err err = {0};
        assert_false(redis_url_check(urls[i], &err));
        assert_int_equal(err.code, ERR_CONFIG);
        assert_null(strstr(err.msg, "marker"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_urls),
        cmocka_unit_test(bad_urls_are_refused_without_repeating_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
