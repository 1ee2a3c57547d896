#include "api_handlers.h"
#include "postrider/base/mem.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

enum {
    RUNS_MAX = 2000
};

/* What ran, in order: numbers that the tasks carry. */
static int64_t runs[RUNS_MAX];
static size_t run_count;

static const struct err ok = {.code = ERR_OK};

static struct api_task *task_new(struct api_services *services, const char *id,
                                 int64_t number)
{
    struct api_task *task = MEM_NEW(struct api_task);
    task->services = services;
    task->id = mem_strdup(id);
    task->json = json_integer(number);
    return task;
}

static void note(const struct api_task *task)
{
    assert_true(run_count < RUNS_MAX);
    runs[run_count++] = json_integer_value(task->json);
}

static bool run_long(struct api_task *task)
{
    note(task);
    return true;
}

static bool run_short(struct api_task *task)
{
    note(task);
    api_task_reply(task, &ok, NULL);
    return false;
}

static void changes_of_one_account_wait_for_each_other(void **state ATTR_UNUSED)
{
    struct api_services services = {0};
    struct api_task *first = task_new(&services, "a", 1);
    struct api_task *second = task_new(&services, "a", 2);
    struct api_task *other = task_new(&services, "b", 3);
    run_count = 0;
    api_change_start(first, run_long);
    api_change_start(second, run_long);
    api_change_start(other, run_long);
    assert_int_equal(run_count, 2);
    assert_int_equal(runs[1], 3);
    api_change_end(first, &ok, NULL);
    assert_int_equal(run_count, 3);
    assert_int_equal(runs[2], 2);
    api_change_end(second, &ok, NULL);
    api_change_end(other, &ok, NULL);
    api_change_start(task_new(&services, "a", 4), run_short);
    assert_int_equal(run_count, 4);
    api_services_fini(&services);
}

static void a_long_queue_of_short_changes_runs_in_order(void **state ATTR_UNUSED)
{
    struct api_services services = {0};
    struct api_task *first = task_new(&services, "a", 0);
    run_count = 0;
    api_change_start(first, run_long);
    for (int64_t i = 1; i < RUNS_MAX; i++) {
        api_change_start(task_new(&services, "a", i), run_short);
    }
    assert_int_equal(run_count, 1);
    api_change_end(first, &ok, NULL);
    assert_int_equal(run_count, RUNS_MAX);
    for (int64_t i = 0; i < RUNS_MAX; i++) {
        assert_int_equal(runs[i], i);
    }
    api_services_fini(&services);
}

static void what_waits_at_the_end_is_released(void **state ATTR_UNUSED)
{
    struct api_services services = {0};
    struct api_task *first = task_new(&services, "a", 1);
    run_count = 0;
    api_change_start(first, run_long);
    api_change_start(task_new(&services, "a", 2), run_long);
    api_services_fini(&services);
    api_change_end(first, &ok, NULL);
    assert_int_equal(run_count, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(changes_of_one_account_wait_for_each_other),
        cmocka_unit_test(a_long_queue_of_short_changes_runs_in_order),
        cmocka_unit_test(what_waits_at_the_end_is_released),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
