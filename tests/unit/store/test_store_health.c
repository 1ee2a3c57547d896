#include "store_parts.h"

#include "store_fixture.h"

#include "postrider/base/clock.h"
#include "postrider/store/store_settings.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

/* Waits until the store is well, or unwell, as wanted; err_out gets why not. */
static void wait_well(struct store_fixture *f, const struct store *s, bool wanted,
                      struct err *err_out)
{
    int64_t end_ms = clock_mono_ms() + STORE_FIXTURE_WAIT_MS;
    *err_out = (struct err){.code = ERR_OK};
    while (store_is_well(s, err_out) != wanted) {
        assert_true(clock_mono_ms() < end_ms);
        loop_fixture_run_for(f->loop, 20);
    }
}

struct refusal {
    const char *break_it, *repair_it, *word;
};

static const struct refusal refusals[] = {
    {"CONFIG SET maxmemory 1", "CONFIG SET maxmemory 0", "(OOM)"},
    {"REPLICAOF 127.0.0.1 1", "REPLICAOF NO ONE", "(READONLY)"},
    {"CONFIG SET min-replicas-to-write 1", "CONFIG SET min-replicas-to-write 0",
     "(NOREPLICAS)"},
};

static void refused_writes_are_told_until_they_are_taken_again(void **state)
{
    (void)state;
    struct store_fixture *f = store_fixture_new();
    struct store *s = store_fixture_open(f, NODE_A);
    for (size_t i = 0; i < ARRAY_LEN(refusals); i++) {
        struct err err;
        wait_well(f, s, true, &err);
        redis_fixture_run(f->server, refusals[i].break_it);
        wait_well(f, s, false, &err);
        assert_non_null(strstr(err.msg, "Redis refuses writes"));
        assert_non_null(strstr(err.msg, refusals[i].word));
        redis_fixture_run(f->server, refusals[i].repair_it);
        wait_well(f, s, true, &err);
    }
    store_fixture_close(f, &s);
    store_fixture_free(&f);
}

/* A directory in the place of its file makes Redis fail to save. */
static void disk_errors_are_told(void **state)
{
    (void)state;
    struct store_fixture *f = store_fixture_new();
    struct store *s = store_fixture_open(f, NODE_A);
    char path[300];
    struct err err;
    redisReply *dir = redis_fixture_command(f->server, "CONFIG GET dir");
    (void)snprintf(path, sizeof path, "%s/dump.rdb", dir->element[1]->str);
    freeReplyObject(dir);
    assert_int_equal(mkdir(path, 0700), 0);
    redis_fixture_run(f->server, "CONFIG SET save %s", "3600 1000000");
    redis_fixture_run(f->server, "BGSAVE");
    wait_well(f, s, false, &err);
    assert_non_null(strstr(err.msg, "(MISCONF)"));
    assert_int_equal(rmdir(path), 0);
    redis_fixture_run(f->server, "BGSAVE");
    wait_well(f, s, true, &err);
    store_fixture_close(f, &s);
    store_fixture_free(&f);
}

static void memory_in_use_is_told_where_it_is_limited(void **state)
{
    (void)state;
    static const struct {
        const char *info;
        unsigned percent;
    } rows[] = {
        {"# Memory\r\nused_memory:900\r\nused_memory_rss:5\r\nmaxmemory:1000\r\n", 90},
        {"# Memory\r\nused_memory:2000\r\nmaxmemory:1000\r\n", 100},
        {"# Memory\r\nused_memory:2000\r\nmaxmemory:0\r\n", 0},
        {"# Memory\r\nused_memory:18446744073709551615\r\nmaxmemory:1\r\n", 100},
        {"used_memory:x\r\nmaxmemory:10\r\n", 0},
        {"", 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        assert_int_equal(store_memory_percent(str_of(rows[i].info)), rows[i].percent);
    }
    struct store_fixture *f = store_fixture_new();
    struct store *s = store_fixture_open(f, NODE_A);
    assert_int_equal(store_fill_percent(s), 0);
    redis_fixture_run(f->server, "CONFIG SET maxmemory 1");
    for (unsigned i = 0; i < 300 && store_fill_percent(s) != 100; i++) {
        loop_fixture_run_for(f->loop, 20);
    }
    assert_int_equal(store_fill_percent(s), 100);
    redis_fixture_run(f->server, "CONFIG SET maxmemory 0");
    store_fixture_close(f, &s);
    store_fixture_free(&f);
}

static void looking_leaves_no_key(void **state)
{
    (void)state;
    struct store_fixture *f = store_fixture_new();
    struct store *s = store_fixture_open(f, NODE_A);
    loop_fixture_run_for(f->loop, 1200);
    assert_int_equal(store_fixture_key_count(f, "*probe*"), 0);
    store_fixture_close(f, &s);
    store_fixture_free(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refused_writes_are_told_until_they_are_taken_again),
        cmocka_unit_test(disk_errors_are_told),
        cmocka_unit_test(memory_in_use_is_told_where_it_is_limited),
        cmocka_unit_test(looking_leaves_no_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
