#include "postrider/base/lru.h"

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

static void put(struct lru *c, const char *key, size_t cost)
{
    lru_put(c, str_of(key), mem_strdup(key), cost);
}

static bool has(struct lru *c, const char *key)
{
    const char *value = lru_get(c, str_of(key));
    return value != NULL && strcmp(value, key) == 0;
}

static void longest_unused_goes_first(void **state)
{
    (void)state;
    struct lru *c = lru_new(30, count_free);
    freed = 0;
    put(c, "a", 10);
    put(c, "b", 10);
    put(c, "c", 10);
    assert_true(has(c, "a"));
    put(c, "d", 11); /* two must go */
    assert_false(has(c, "b"));
    assert_false(has(c, "c"));
    assert_true(has(c, "a") && has(c, "d"));
    assert_int_equal(lru_cost(c), 21);
    assert_int_equal(freed, 2);
    lru_free(&c);
    assert_int_equal(freed, 4);
    assert_null(c);
    lru_free(&c);
}

static void replacing_counts_the_new_cost(void **state)
{
    (void)state;
    struct lru *c = lru_new(10, count_free);
    freed = 0;
    put(c, "a", 10);
    put(c, "a", 4);
    assert_int_equal(lru_count(c), 1);
    assert_int_equal(lru_cost(c), 4);
    assert_int_equal(freed, 1);
    lru_free(&c);
}

static void what_exceeds_the_bound_is_not_kept(void **state)
{
    (void)state;
    struct lru *c = lru_new(10, count_free);
    freed = 0;
    put(c, "a", 3);
    put(c, "b", 11);
    assert_true(has(c, "a"));
    assert_false(has(c, "b"));
    put(c, "a", 11); /* nor is what it would have replaced */
    assert_int_equal(lru_count(c), 0);
    assert_int_equal(lru_cost(c), 0);
    assert_int_equal(freed, 3);
    lru_free(&c);
    c = lru_new(0, count_free);
    put(c, "a", 1);
    assert_int_equal(lru_count(c), 0);
    lru_free(&c);
}

static void prefixes_are_forgotten(void **state)
{
    (void)state;
    struct lru *c = lru_new(1000, count_free);
    put(c, "one/1", 1);
    put(c, "one/2", 1);
    put(c, "two/1", 1);
    put(c, "on", 1);
    lru_forget(c, STR("one/"));
    assert_int_equal(lru_count(c), 2);
    assert_true(has(c, "two/1") && has(c, "on"));
    lru_free(&c);
}

static void one_is_removed_by_its_whole_key(void **state)
{
    (void)state;
    struct lru *c = lru_new(10, count_free);
    freed = 0;
    put(c, "one", 3);
    put(c, "one/1", 4);
    lru_remove(c, STR("on"));
    assert_int_equal(freed, 0);
    lru_remove(c, STR("one"));
    lru_remove(c, STR("one"));
    assert_int_equal(freed, 1);
    assert_false(has(c, "one"));
    assert_true(has(c, "one/1"));
    assert_int_equal(lru_cost(c), 4);
    lru_free(&c);
}

static void bound_holds_over_many(void **state)
{
    (void)state;
    struct lru *c = lru_new(1000, count_free);
    char key[32];
    for (unsigned i = 0; i < 20000; i++) {
        (void)snprintf(key, sizeof key, "key %u", i * 7919 % 5000);
        put(c, key, i % 50);
        assert_true(lru_cost(c) <= 1000);
        assert_true(has(c, key));
    }
    lru_free(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(longest_unused_goes_first),
        cmocka_unit_test(replacing_counts_the_new_cost),
        cmocka_unit_test(what_exceeds_the_bound_is_not_kept),
        cmocka_unit_test(prefixes_are_forgotten),
        cmocka_unit_test(one_is_removed_by_its_whole_key),
        cmocka_unit_test(bound_holds_over_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
