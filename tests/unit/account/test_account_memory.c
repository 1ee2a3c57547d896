/* What accounts give up when memory is short. What is resident is told by the test. */
#include "account_priv.h"

#include "loop_fixture.h"

#include "postrider/base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum {
    LIMIT = 1000,
    COUNT = 3
};

static uint64_t resident;

static uint64_t fake_resident(void)
{
    return resident;
}

struct world {
    struct accounts as;
    struct account a[COUNT];
};

static void on_next(struct deferred *d)
{
    (void)d;
}

static int setup(void **state)
{
    struct world *w = MEM_NEW(struct world);
    w->as.loop = loop_fixture_new();
    w->as.by_id = map_new(NULL);
    w->as.config.walk_concurrency = 1;
    w->as.config.memory_max_bytes = LIMIT;
    w->as.memory.resident = fake_resident;
    w->as.started_ms = w->as.progress_ms = loop_now_ms(w->as.loop);
    list_init(&w->as.all);
    list_init(&w->as.walks_waiting);
    for (size_t i = 0; i < COUNT; i++) {
        w->a[i].as = &w->as;
        w->a[i].next.fn = on_next;
        list_append(&w->as.all, &w->a[i].node);
    }
    resident = 0;
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    timer_stop(&w->as.walks_look);
    for (size_t i = 0; i < COUNT; i++) {
        loop_undefer(&w->a[i].next);
        timer_stop(&w->a[i].walk_slow);
    }
    map_free(&w->as.by_id);
    loop_fixture_free(&w->as.loop);
    mem_free(w);
    return 0;
}

static void look(struct world *w, uint64_t bytes)
{
    resident = bytes;
    accounts_memory_look(&w->as);
}

static void levels_begin_at_their_percent_and_end_a_little_below(void **state)
{
    (void)state;
    static const struct {
        unsigned percent;
        enum memory_level level; /* after the row before */
    } rows[] = {
        {0, MEMORY_LEVEL_OK},     {69, MEMORY_LEVEL_OK},    {70, MEMORY_LEVEL_WALKS},
        {65, MEMORY_LEVEL_WALKS}, {64, MEMORY_LEVEL_OK},    {80, MEMORY_LEVEL_WORK},
        {76, MEMORY_LEVEL_WORK},  {74, MEMORY_LEVEL_WALKS}, {95, MEMORY_LEVEL_PAUSE},
        {85, MEMORY_LEVEL_PAUSE}, {84, MEMORY_LEVEL_WORK},  {300, MEMORY_LEVEL_PAUSE},
        {10, MEMORY_LEVEL_OK},
    };
    enum memory_level level = MEMORY_LEVEL_OK;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        level = accounts_memory_level(level, rows[i].percent);
        if (level != rows[i].level) {
            fail_msg("row %zu: level %d", i, (int)level);
        }
    }
}

static void freed_memory_goes_soon_after_the_work(void **state)
{
    (void)state;
    static const struct {
        int64_t at_ms;
        bool busy, trims;
        enum memory_level level;
    } steps[] = {
        {9999, false, false, MEMORY_LEVEL_OK},
        {59999, false, false, MEMORY_LEVEL_OK},
        {60000, false, true, MEMORY_LEVEL_OK},
        {61000, true, false, MEMORY_LEVEL_OK},
        {70999, false, false, MEMORY_LEVEL_OK},
        {71000, false, true, MEMORY_LEVEL_OK},
        {90000, false, false, MEMORY_LEVEL_OK},
        {91000, true, false, MEMORY_LEVEL_OK},
        {92000, false, false, MEMORY_LEVEL_OK},
        {131000, true, true, MEMORY_LEVEL_OK},
        {132000, false, false, MEMORY_LEVEL_OK},
        {133000, true, false, MEMORY_LEVEL_OK},
        {142999, false, false, MEMORY_LEVEL_OK},
        {143000, false, true, MEMORY_LEVEL_OK},
        {152999, false, false, MEMORY_LEVEL_WORK},
        {153000, false, true, MEMORY_LEVEL_WORK},
    };
    struct accounts_memory m = {0};
    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        m.level = steps[i].level;
        assert_int_equal(accounts_memory_trims(&m, steps[i].busy, steps[i].at_ms),
                         steps[i].trims);
    }
}

static void first_indexes_wait_for_room(void **state)
{
    struct world *w = *state;
    look(w, 710);
    assert_int_equal(w->as.memory.percent, 71);
    assert_false(account_walk_take(&w->a[0]));
    look(w, 640);
    for (int i = 0; i < 30 && w->a[0].walk != ACCOUNT_WALK_GRANTED; i++) {
        loop_fixture_run_for(w->as.loop, 100);
    }
    assert_int_equal(w->a[0].walk, ACCOUNT_WALK_GRANTED);
}

static void an_account_gets_one_work_connection(void **state)
{
    struct world *w = *state;
    look(w, 790);
    assert_true(account_work_limit(&w->a[0]) > 1);
    look(w, 800);
    assert_int_equal(account_work_limit(&w->a[0]), 1);
    look(w, 740);
    assert_true(account_work_limit(&w->a[0]) > 1);
}

static void what_is_not_online_is_not_paused(void **state)
{
    struct world *w = *state;
    w->a[0].phase = ACCOUNT_PHASE_OPENING;
    w->a[1].phase = ACCOUNT_PHASE_WAITING;
    w->a[2].phase = ACCOUNT_PHASE_ONLINE; /* not in sync yet */
    look(w, 999);
    for (size_t i = 0; i < COUNT; i++) {
        assert_false(w->a[i].paused);
    }
}

/* Idle accounts are many: what few of them need is allocated once there is some. */
static void an_account_without_errors_keeps_no_room_for_them(void **state)
{
    (void)state;
    struct account *a = MEM_NEW(struct account);
    struct err err = {.code = ERR_OK};
    assert_in_range(sizeof *a, 1, 2560);
    assert_int_equal(account_last_err(a)->code, ERR_OK);
    account_errors_note(a, "watch", &err);
    assert_null(a->errors);

    (void)err_set(&err, ERR_CLOSED, "gone");
    account_errors_note(a, "watch", &err);
    account_errors_note(a, "watch", &err);
    assert_int_equal(a->errors->count, 1);
    assert_int_equal(a->errors->items[0].times, 2);
    account_set_last_err(a, &err);
    assert_string_equal(account_last_err(a)->msg, "gone");
    account_set_last_err(a, account_last_err(a));
    assert_string_equal(account_last_err(a)->msg, "gone");
    account_set_last_err(a, NULL);
    assert_null(a->last_err);
    assert_int_equal(account_last_err(a)->code, ERR_OK);
    mem_free(a->errors);
    mem_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(levels_begin_at_their_percent_and_end_a_little_below),
        cmocka_unit_test(freed_memory_goes_soon_after_the_work),
        cmocka_unit_test(an_account_without_errors_keeps_no_room_for_them),
        cmocka_unit_test_setup_teardown(first_indexes_wait_for_room, setup, teardown),
        cmocka_unit_test_setup_teardown(an_account_gets_one_work_connection, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(what_is_not_online_is_not_paused, setup,
                                        teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
