/* Numbers of EXPUNGE against the index as it was before them. */
#include "sync_priv.h"

#include "postrider/base/clock.h"
#include "postrider/base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum {
    SMALL = 60,
    MANY = 10000,
    MANY_MS =
        2000 /* of a machine that does other things, too; the square of it takes more */
};

static uint32_t next(uint32_t *seed)
{
    *seed = *seed * 1664525 + 1013904223;
    return *seed >> 8;
}

/* What a mailbox does. */
static void expunge(bool *gone, size_t count, uint32_t number)
{
    for (size_t i = 0; i < count; i++) {
        number -= !gone[i];
        if (number == 0 && !gone[i]) {
            gone[i] = true;
            return;
        }
    }
}

static void ranks_are_those_of_the_messages_that_went(void **state)
{
    (void)state;
    for (uint32_t seed = 1; seed <= 200; seed++) {
        bool gone[SMALL] = {false};
        uint32_t numbers[SMALL], rng = seed;
        size_t n = next(&rng) % SMALL;
        for (size_t i = 0; i < n; i++) {
            numbers[i] = 1 + next(&rng) % (uint32_t)(SMALL - i);
            expunge(gone, SMALL, numbers[i]);
        }
        sync_ranks_of_expunges(numbers, n);
        for (size_t i = 0, at = 0; i < SMALL; i++) {
            if (gone[i]) {
                assert_int_equal(numbers[at++], i);
            }
        }
    }
}

static void many_of_them_take_no_time(void **state)
{
    (void)state;
    uint32_t *numbers = mem_array(MANY, sizeof *numbers), rng = 7;
    int64_t begin_ms = clock_mono_ms();
    for (size_t i = 0; i < MANY; i++) {
        numbers[i] = 1 + next(&rng) % (1000 * 1000);
    }
    sync_ranks_of_expunges(numbers, MANY);
    for (size_t i = 1; i < MANY; i++) {
        assert_true(numbers[i - 1] < numbers[i]);
    }
    assert_true(clock_mono_ms() - begin_ms < MANY_MS);
    mem_free(numbers);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ranks_are_those_of_the_messages_that_went),
        cmocka_unit_test(many_of_them_take_no_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
