/* What was read of thread maps is kept in memory: a redis-server that is stopped answers
 * nobody, so whoever is answered had it from there. */
#include "loop_fixture.h"
#include "store_world.h"
#include "thread_kept.h"

#include "postrider/base/log.h"
#include "postrider/base/lru.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum {
    COMMITS = 4,
    FACTS = COMMITS * THREAD_FACTS_MAX, /* some twenty buckets */
    ASKED = 3,
    STOPPED_MS = 50
};

struct asking {
    bool done;
    struct err err;
    size_t count;
    uint64_t threads[ASKED];
};

static uint64_t spread(uint32_t id)
{
    return (id * 0x9e3779b97f4a7c15ULL >> 16) | 1;
}

static int setup(void **state)
{
    static struct store_world w;
    log_configure(LOG_OFF, LOG_FORMAT_TEXT);
    store_world_start(&w, NULL, NULL);
    *state = &w;
    return 0;
}

static int teardown(void **state)
{
    store_world_end(*state);
    return 0;
}

enum {
    ROOTS = 10000
};

/* Message n answers ROOTS + n. */
static void commit_facts(struct store_world *w, uint64_t *map_changes)
{
    static struct thread_fact facts[THREAD_FACTS_MAX];
    for (uint32_t uid = 1; uid <= FACTS; uid++) {
        struct thread_fact *fact = &facts[(uid - 1) % THREAD_FACTS_MAX];
        *fact = (struct thread_fact){.box = 3, .uid = uid, .own = spread(uid)};
        thread_fact_add(fact, spread(ROOTS + uid));
        if (uid % THREAD_FACTS_MAX == 0) {
            struct err err = world_commit(
                w, (struct store_commit_params){.threads = facts,
                                                .thread_count = THREAD_FACTS_MAX,
                                                .map_changes = map_changes});
            assert_int_equal(err.code, ERR_OK);
        }
    }
}

static void on_threads(struct store_threads *op, const struct err *err,
                       const uint64_t *threads, size_t count, void *ctx)
{
    (void)op;
    struct asking *a = ctx;
    a->err = *err;
    a->count = count;
    assert_true(count <= ASKED);
    if (count > 0) {
        memcpy(a->threads, threads, count * sizeof *threads);
    }
    a->done = true;
}

static void ask(struct store_world *w, uint32_t first, size_t expected,
                const uint64_t *map_changes, struct asking *a)
{
    *a = (struct asking){0};
    struct store_threads *op =
        store_threads_begin(w->store, &w->acct, expected, map_changes, on_threads, a);
    for (uint32_t i = 0; i < ASKED; i++) {
        assert_true(
            store_threads_add(op, &(struct thread_query){.own = spread(first + i)}));
    }
    store_threads_end(op);
}

static void wait_for(struct store_world *w, struct asking *a)
{
    loop_fixture_run_until(w->loop, &a->done, WORLD_WAIT_MS);
    assert_int_equal(a->err.code, ERR_OK);
    assert_int_equal(a->count, ASKED);
}

static void check(const struct asking *a, uint32_t root)
{
    for (uint32_t i = 0; i < ASKED; i++) {
        assert_int_equal(a->threads[i], spread(root + i));
    }
}

static bool is_answered_from_memory(struct store_world *w, uint32_t first,
                                    const uint64_t *map_changes, struct asking *a)
{
    redis_fixture_pause(w->server, true);
    ask(w, first, ASKED, map_changes, a);
    loop_fixture_run_for(w->loop, STOPPED_MS);
    bool done = a->done;
    redis_fixture_pause(w->server, false);
    wait_for(w, a);
    return done;
}

static void what_was_read_is_not_read_again(void **state)
{
    struct store_world *w = *state;
    struct asking a;
    const uint64_t changes = 7;
    commit_facts(w, NULL);
    ask(w, 1, 0, &changes, &a);
    wait_for(w, &a);
    check(&a, ROOTS + 1);
    assert_true(is_answered_from_memory(w, 1, &changes, &a));
    check(&a, ROOTS + 1);
    /* Other messages lie in other parts, some of them at least. */
    uint32_t first = 1;
    do {
        first += ASKED;
        assert_true(first < FACTS);
    } while (is_answered_from_memory(w, first, &changes, &a));
    check(&a, ROOTS + first);
    assert_true(is_answered_from_memory(w, first, &changes, &a));
    check(&a, ROOTS + first);
}

static void nothing_is_kept_for_who_does_not_count_changes(void **state)
{
    struct store_world *w = *state;
    struct asking a;
    commit_facts(w, NULL);
    const uint64_t none = 0;
    const uint64_t *const counts[] = {NULL, &none};
    for (size_t i = 0; i < ARRAY_LEN(counts); i++) {
        ask(w, 1, ASKED, counts[i], &a);
        wait_for(w, &a);
        assert_false(is_answered_from_memory(w, 1, counts[i], &a));
        check(&a, ROOTS + 1);
    }
}

static void a_change_of_the_map_is_seen_at_once(void **state)
{
    struct store_world *w = *state;
    struct asking a;
    uint64_t changes = 1;
    commit_facts(w, &changes);
    ask(w, 1, ASKED, &changes, &a);
    wait_for(w, &a);
    check(&a, ROOTS + 1);
    assert_true(is_answered_from_memory(w, 1, &changes, &a));
    /* The threads of the first ones become parts of others. */
    static struct thread_fact facts[ASKED];
    for (uint32_t i = 0; i < ASKED; i++) {
        facts[i] =
            (struct thread_fact){.box = 3, .uid = 2000 + i, .own = spread(20000 + i)};
        thread_fact_add(&facts[i], spread(30001 + i));
        thread_fact_add(&facts[i], spread(1 + i));
    }
    struct err err = world_commit(
        w, (struct store_commit_params){
               .threads = facts, .thread_count = ASKED, .map_changes = &changes});
    assert_int_equal(err.code, ERR_OK);
    assert_false(is_answered_from_memory(w, 1, &changes, &a));
    check(&a, 30001);
}

/* What comes while the map changes may be older than the change. */
static void what_was_read_during_a_change_is_not_kept(void **state)
{
    struct store_world *w = *state;
    struct asking a;
    uint64_t changes = 1;
    commit_facts(w, NULL);
    ask(w, 1, ASKED, &changes, &a);
    changes++;
    wait_for(w, &a);
    assert_false(is_answered_from_memory(w, 1, &changes, &a));
    assert_true(is_answered_from_memory(w, 1, &changes, &a));
}

static void an_account_without_a_map_is_not_asked_for_again(void **state)
{
    struct store_world *w = *state;
    const uint64_t changes = 1;
    struct asking a = {0};
    for (int i = 0; i < 2; i++) {
        redis_fixture_pause(w->server, i == 1);
        ask(w, 1, ASKED, &changes, &a);
        loop_fixture_run_until(w->loop, &a.done, WORLD_WAIT_MS);
        assert_int_equal(a.err.code, ERR_OK);
        assert_int_equal(a.count, 0);
    }
    redis_fixture_pause(w->server, false);
}

static void what_is_kept_can_be_given_back(void **state)
{
    struct store_world *w = *state;
    struct asking a;
    const uint64_t changes = 1;
    commit_facts(w, NULL);
    ask(w, 1, ASKED, &changes, &a);
    wait_for(w, &a);
    assert_true(is_answered_from_memory(w, 1, &changes, &a));
    store_threads_forget(w->store);
    assert_false(is_answered_from_memory(w, 1, &changes, &a));
}

/* Of many accounts the last ones are kept. */
static void what_is_kept_is_bounded(void **state)
{
    struct store_world *w = *state;
    struct arena arena = {0};
    static struct thread_entry entries[THREAD_BUCKET_FILL];
    for (uint32_t i = 0; i < 2000; i++) {
        struct thread_map map;
        struct store_acct acct = w->acct;
        (void)snprintf(acct.incarnation, sizeof acct.incarnation, "%032u", (unsigned)i);
        thread_map_init(&map, &arena, 1, 0);
        struct thread_bucket bucket = {.entries = entries, .count = THREAD_BUCKET_FILL};
        map.buckets[0] = &bucket;
        thread_map_keep(w->store, &acct, 1, &map);
        assert_true(lru_cost(w->store->threads_kept) <= THREADS_KEPT_BYTES);
        assert_int_equal(thread_kept_buckets(w->store, &acct), 1);
    }
    struct store_acct first = w->acct;
    (void)snprintf(first.incarnation, sizeof first.incarnation, "%032u", 0U);
    assert_int_equal(thread_kept_buckets(w->store, &first), 0);
    arena_fini(&arena);
}

#define IN_STORE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_STORE(what_was_read_is_not_read_again),
        IN_STORE(nothing_is_kept_for_who_does_not_count_changes),
        IN_STORE(a_change_of_the_map_is_seen_at_once),
        IN_STORE(what_was_read_during_a_change_is_not_kept),
        IN_STORE(an_account_without_a_map_is_not_asked_for_again),
        IN_STORE(what_is_kept_can_be_given_back),
        IN_STORE(what_is_kept_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
