#include "postrider/loop/loop.h"

#include "loop_fixture.h"

#include "postrider/base/attr.h"
#include "postrider/base/clock.h"
#include "postrider/base/rand.h"
#include "postrider/loop/backoff.h"
#include "postrider/loop/op.h"
#include "postrider/loop/worker.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum {
    WAIT_MS = 5000
};

static struct loop *loop;

static int setup(void **state)
{
    (void)state;
    loop = loop_fixture_new();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    loop_fixture_free(&loop);
    return 0;
}

/* --- timers --- */

struct numbered {
    struct timer timer;
    int64_t delay_ms;
    unsigned at; /* position in the order of firing, from 1 */
};

static unsigned fired;

static void on_numbered(struct timer *t)
{
    container_of(t, struct numbered, timer)->at = ++fired;
}

static void timers_fire_in_order_of_time_then_of_setting(void **state)
{
    (void)state;
    struct numbered n[200] = {0};
    fired = 0;
    for (size_t i = 0; i < ARRAY_LEN(n); i++) {
        n[i].delay_ms = rand_below(20);
        timer_set(loop, &n[i].timer, n[i].delay_ms, on_numbered);
    }
    unsigned stopped = 0;
    for (size_t i = 0; i < ARRAY_LEN(n); i += 3, stopped++) {
        timer_stop(&n[i].timer);
        timer_stop(&n[i].timer);
        assert_false(timer_is_set(&n[i].timer));
        memset(&n[i].timer, 0xee, sizeof n[i].timer); /* the memory may go */
    }
    loop_fixture_run_until_count(loop, &fired, ARRAY_LEN(n) - stopped, WAIT_MS);
    for (size_t i = 0; i < ARRAY_LEN(n); i++) {
        assert_true((n[i].at == 0) == (i % 3 == 0));
        for (size_t k = 0; k < i; k++) {
            if (n[k].at > 0 && n[i].at > 0) {
                assert_true((n[k].delay_ms <= n[i].delay_ms) == (n[k].at < n[i].at));
            }
        }
    }
}

static void timer_tells_when_it_is_due(void **state)
{
    (void)state;
    struct timer timers[40] = {0};
    int64_t now_ms = loop_now_ms(loop);
    for (size_t i = 0; i < ARRAY_LEN(timers); i++) {
        timer_set(loop, &timers[i], 1000 + (int64_t)(i * 7 % 40), on_numbered);
    }
    for (size_t i = 0; i < ARRAY_LEN(timers); i += 2) {
        timer_stop(&timers[i]);
    }
    for (size_t i = 1; i < ARRAY_LEN(timers); i += 2) {
        assert_int_equal(timer_due_ms(&timers[i]), now_ms + 1000 + (int64_t)(i * 7 % 40));
        timer_set(loop, &timers[i], 500, on_numbered);
        assert_int_equal(timer_due_ms(&timers[i]), now_ms + 500);
        timer_stop(&timers[i]);
    }
}

static struct timer victim;

static void on_stop_victim(struct timer *t)
{
    (void)t;
    fired++;
    timer_stop(&victim);
}

static void on_victim(struct timer *t)
{
    (void)t;
    fail_msg("a stopped timer fired");
}

static void timer_stopped_by_another_of_the_same_time_stays_silent(void **state)
{
    (void)state;
    struct timer first = {0};
    fired = 0;
    timer_set(loop, &first, 5, on_stop_victim);
    timer_set(loop, &victim, 5, on_victim);
    loop_fixture_run_for(loop, 30);
    assert_int_equal(fired, 1);
}

static void on_again(struct timer *t)
{
    if (++fired < 5) {
        timer_set(t->loop, t, 0, on_again);
    }
}

static void timer_set_from_its_callback_waits_for_the_next_turn(void **state)
{
    (void)state;
    struct timer t = {0};
    fired = 0;
    timer_set(loop, &t, 0, on_again);
    loop_turn(loop, false);
    assert_true(fired < 5);
    loop_fixture_run_until_count(loop, &fired, 5, WAIT_MS);
    assert_false(timer_is_set(&t));
}

/* --- deferred calls --- */

struct call {
    struct deferred d;
    char name;
    struct call *queue, *drop;
};

static char calls[16];

static void on_call(struct deferred *d)
{
    struct call *c = container_of(d, struct call, d);
    calls[strlen(calls)] = c->name;
    if (c->queue != NULL) {
        loop_defer(loop, &c->queue->d, on_call);
    }
    if (c->drop != NULL) {
        loop_undefer(&c->drop->d);
    }
}

static void deferred_calls_come_later_in_order_and_once(void **state)
{
    (void)state;
    memset(calls, 0, sizeof calls);
    struct call late = {.name = 'l'};
    struct call gone = {.name = 'g'};
    struct call a = {.name = 'a', .queue = &late, .drop = &gone};
    struct call b = {.name = 'b'};
    loop_defer(loop, &a.d, on_call);
    loop_defer(loop, &b.d, on_call);
    loop_defer(loop, &gone.d, on_call);
    loop_defer(loop, &a.d, on_call);
    assert_string_equal(calls, "");
    loop_turn(loop, false);
    loop_turn(loop, false);
    assert_string_equal(calls, "abl");
    loop_undefer(&a.d);
}

/* --- operations --- */

struct probe {
    struct op op;
    unsigned *done;
    unsigned *aborts;
    struct err *err;
};

static void probe_abort(struct op *op)
{
    (*container_of(op, struct probe, op)->aborts)++;
}

static void probe_done(struct op *op)
{
    struct probe *p = container_of(op, struct probe, op);
    (*p->done)++;
    *p->err = op->err;
}

static const struct op_type probe_type = {"probe", sizeof(struct probe), probe_abort,
                                          probe_done, NULL};

static void operations_end_exactly_once_and_later(void **state)
{
    (void)state;
    static const struct {
        const char *ends; /* c complete, f fail, x cancel, w wait for the deadline */
        enum err_code code;
        unsigned aborts;
    } rows[] = {
        {"c", ERR_OK, 0},      {"f", ERR_NET, 0},       {"x", ERR_CANCELED, 1},
        {"w", ERR_TIMEOUT, 1}, {"cx", ERR_OK, 0},       {"xc", ERR_CANCELED, 1},
        {"fcx", ERR_NET, 0},   {"xx", ERR_CANCELED, 1}, {"cf", ERR_OK, 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        unsigned done = 0;
        unsigned aborts = 0;
        struct err err = {.code = ERR_INTERNAL};
        struct probe *p = op_new(loop, &probe_type, 20);
        p->done = &done;
        p->aborts = &aborts;
        p->err = &err;
        assert_string_equal(arena_strdup(&p->op.arena, "kept"), "kept");
        for (const char *e = rows[i].ends; *e != '\0'; e++) {
            if (*e == 'c') {
                op_complete(&p->op);
            } else if (*e == 'f') {
                op_fail(&p->op, ERR_NET, "broken");
            } else if (*e == 'x') {
                op_cancel(&p->op);
            }
        }
        assert_int_equal(done, 0);
        loop_fixture_run_until_count(loop, &done, 1, WAIT_MS);
        loop_fixture_run_for(loop, 30);
        assert_int_equal(done, 1);
        assert_int_equal(err.code, rows[i].code);
        assert_int_equal(aborts, rows[i].aborts);
    }
}

static void extended_deadline_counts_from_now(void **state)
{
    (void)state;
    unsigned done = 0;
    unsigned aborts = 0;
    struct err err;
    struct probe *p = op_new(loop, &probe_type, 30);
    p->done = &done;
    p->aborts = &aborts;
    p->err = &err;
    op_extend(&p->op, 400);
    loop_fixture_run_for(loop, 80);
    assert_int_equal(done, 0);
    op_extend(&p->op, 1);
    loop_fixture_run_until_count(loop, &done, 1, WAIT_MS);
    assert_int_equal(err.code, ERR_TIMEOUT);
}

/* --- workers --- */

static bool gate_open;

static void work_until_open(void *data, struct err *err)
{
    while (!__atomic_load_n(&gate_open, __ATOMIC_ACQUIRE)) {
        (void)usleep(500);
    }
    (void)__atomic_add_fetch((unsigned *)data, 1, __ATOMIC_ACQ_REL);
    err_set(err, ERR_IO, "worked");
}

struct works {
    unsigned back, failed, canceled;
};

static void on_worker(struct worker *w, const struct err *err, void *ctx)
{
    (void)w;
    struct works *s = ctx;
    s->back++;
    s->failed += err->code == ERR_IO ? 1 : 0;
    s->canceled += err->code == ERR_CANCELED ? 1 : 0;
}

static void canceled_workers_call_back_once_and_wait_for_their_thread(void **state)
{
    (void)state;
    unsigned worked = 0;
    struct works s = {0};
    struct worker *w[8];
    __atomic_store_n(&gate_open, false, __ATOMIC_RELEASE);
    for (size_t i = 0; i < ARRAY_LEN(w); i++) {
        w[i] = worker_start(loop, WORKER_CRYPTO, work_until_open, &worked, on_worker, &s);
    }
    loop_fixture_run_for(loop, 20);
    worker_cancel(w[0]); /* runs: must wait */
    worker_cancel(w[7]); /* waits in the class's queue */
    worker_cancel(w[7]);
    loop_fixture_run_until_count(loop, &s.back, 1, WAIT_MS);
    loop_fixture_run_for(loop, 20);
    assert_int_equal(s.back, 1);
    __atomic_store_n(&gate_open, true, __ATOMIC_RELEASE);
    loop_fixture_run_until_count(loop, &s.back, ARRAY_LEN(w), WAIT_MS);
    assert_int_equal(s.canceled, 2);
    assert_int_equal(s.failed, 6);
    assert_int_equal(worked, 7);
}

static void backoff_grows_within_its_bounds(void **state)
{
    (void)state;
    static const struct backoff_policy policy = {100, 1000, 200, 20};
    static const int64_t base[] = {100, 200, 400, 800, 1000, 1000};
    struct backoff b = {0};
    for (size_t i = 0; i < ARRAY_LEN(base); i++) {
        int64_t ms = backoff_next_ms(&b, &policy);
        assert_true(ms >= base[i] * 8 / 10 && ms <= base[i] * 12 / 10);
    }
    backoff_reset(&b);
    assert_true(backoff_next_ms(&b, &policy) <= 120);
}

static void waste(struct deferred *d)
{
    (void)d;
    int64_t until_us = clock_mono_us() + 30 * 1000;
    while (clock_mono_us() < until_us) {
    }
}

static void turns_are_measured_without_their_sleep(void **state)
{
    (void)state;
    struct loop_turns before, after;
    struct deferred d = {0};
    loop_fixture_run_for(loop, 60); /* sleeps in between */
    loop_turns_get(loop, &before);
    assert_true(before.turns > 0);
    assert_int_equal(before.within[LOOP_TURN_BOUNDS - 1], before.turns);
    loop_defer(loop, &d, waste);
    loop_fixture_run_for(loop, 60);
    loop_turns_get(loop, &after);
    assert_true(after.longest_us >= 30 * 1000);
    assert_true(after.turns > before.turns);
    /* One turn more than before was longer than 20 ms. */
    assert_true(after.turns - after.within[4] > before.turns - before.within[4]);
    assert_true(after.busy_us - before.busy_us >= 30 * 1000);
}

#define LOOP_TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        LOOP_TEST(timers_fire_in_order_of_time_then_of_setting),
        LOOP_TEST(timer_tells_when_it_is_due),
        LOOP_TEST(timer_stopped_by_another_of_the_same_time_stays_silent),
        LOOP_TEST(timer_set_from_its_callback_waits_for_the_next_turn),
        LOOP_TEST(deferred_calls_come_later_in_order_and_once),
        LOOP_TEST(operations_end_exactly_once_and_later),
        LOOP_TEST(extended_deadline_counts_from_now),
        LOOP_TEST(canceled_workers_call_back_once_and_wait_for_their_thread),
        LOOP_TEST(turns_are_measured_without_their_sleep),
        cmocka_unit_test(backoff_grows_within_its_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
