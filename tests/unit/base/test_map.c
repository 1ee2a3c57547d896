#include "postrider/base/map.h"

#include "postrider/base/attr.h"
#include "postrider/base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>

static unsigned freed;

static void count_free(void *value)
{
    freed++;
    mem_free(value);
}

static void many_keys_come_go_and_are_walked(void **state)
{
    (void)state;
    enum {
        COUNT = 5000
    };
    freed = 0;
    struct map *m = map_new(count_free);
    char key[32];
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < COUNT; i++) {
            (void)snprintf(key, sizeof key, "key %d", i);
            int *value = MEM_NEW(int);
            *value = i;
            map_put(m, str_of(key), value);
        }
    }
    assert_int_equal(map_count(m), COUNT);
    assert_int_equal(freed, COUNT); /* replaced */
    struct str walked;
    void *value;
    unsigned seen = 0;
    for (size_t it = 0; map_next(m, &it, &walked, &value); seen++) {
        if (*(int *)value % 2 == 0) {
            assert_true(map_remove(m, walked));
        }
    }
    assert_int_equal(seen, COUNT);
    assert_int_equal(map_count(m), COUNT / 2);
    for (int i = 0; i < COUNT; i++) {
        (void)snprintf(key, sizeof key, "key %d", i);
        int *got = map_get(m, str_of(key));
        assert_true(i % 2 == 0 ? got == NULL : *got == i);
    }
    int *taken = map_take(m, STR("key 1"));
    assert_int_equal(*taken, 1);
    mem_free(taken);
    assert_null(map_take(m, STR("key 1")));
    assert_false(map_remove(m, STR("key 1")));
    map_free(&m);
    assert_null(m);
    assert_int_equal(freed, 2 * COUNT - 1);
}

static void siphash_gives_the_published_values(void **state)
{
    (void)state;
    uint8_t key[16];
    uint8_t in[15];
    for (uint8_t i = 0; i < 16; i++) {
        key[i] = i;
        in[i % 15] = i % 15;
    }
    assert_true(map_siphash(key, in, 15) == 0xa129ca6149be45e5u);
    assert_true(map_siphash(key, in, 0) == 0x726fdb47dd0e0e31u);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(many_keys_come_go_and_are_walked),
        cmocka_unit_test(siphash_gives_the_published_values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
