#include "postrider/base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

static bool is_zeroed(const unsigned char *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (p[i] != 0) {
            return false;
        }
    }
    return true;
}

/* Memory that was in use a moment ago comes back at once. */
static void memory_is_zeroed_whatever_its_size(void **state)
{
    (void)state;
    for (size_t n = 0; n < 5000; n += 13) {
        for (int again = 0; again < 3; again++) {
            unsigned char *p = again == 0 ? mem_alloc(n) : mem_array(n, 1);
            assert_true(is_zeroed(p, n));
            memset(p, 0xff, n);
            mem_free(p);
        }
    }
}

static void arrays_of_nothing_can_be_freed(void **state)
{
    (void)state;
    void *none = mem_array(0, 1000);
    void *empty = mem_array(1000, 0);
    assert_non_null(none);
    assert_non_null(empty);
    mem_free(none);
    mem_free(empty);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_is_zeroed_whatever_its_size),
        cmocka_unit_test(arrays_of_nothing_can_be_freed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
