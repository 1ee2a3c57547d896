#include "postrider/base/arena.h"

#include "postrider/base/attr.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

static void allocations_are_aligned_zeroed_and_apart(void **state)
{
    (void)state;
    struct arena a = {0};
    char *last = NULL;
    size_t last_len = 0;
    for (size_t n = 0; n < 20000; n = n * 2 + 1) {
        char *p = arena_alloc(&a, n);
        assert_int_equal((uintptr_t)p % _Alignof(max_align_t), 0);
        for (size_t i = 0; i < n; i++) {
            assert_int_equal(p[i], 0);
        }
        memset(p, 0xff, n);
        assert_true(last == NULL || p >= last + last_len || p + n <= last);
        last = p;
        last_len = n;
    }
    arena_reset(&a);
    assert_int_equal(a.used_bytes, 0);
    assert_string_equal(arena_printf(&a, "%s %d", "x", 3), "x 3");
    assert_string_equal(arena_strndup(&a, "abcdef", 3), "abc");
    assert_null(arena_strdup(&a, NULL));
    assert_null(arena_str(&a, STR_NULL).ptr);
    assert_true(str_eq_c(arena_str(&a, STR("s")), "s"));
    arena_fini(&a);
}

static void reserved_room_is_one_piece(void **state)
{
    (void)state;
    struct arena a = {0};
    arena_reserve(&a, 5000);
    char *first = arena_alloc(&a, 16);
    assert_ptr_equal(arena_alloc(&a, 4000), first + 16);
    arena_reserve(&a, 900); /* there is that much */
    assert_ptr_equal(arena_alloc(&a, 900), first + 4016);
    assert_int_equal(a.used_bytes, 16 + 4000 + 912);
    arena_fini(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(allocations_are_aligned_zeroed_and_apart),
        cmocka_unit_test(reserved_room_is_one_piece),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
