#include "loop_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <signal.h>
#include <unistd.h>

enum {
    FREE_LIMIT_S = 20,
    TICK_MS = 20
};

struct loop *loop_fixture_new(void)
{
    /* A peer that goes away in mid-write is an error code in these tests, not a signal.
     */
    (void)signal(SIGPIPE, SIG_IGN);
    return loop_new();
}

void loop_fixture_free(struct loop **loop)
{
    /* A handle that was left open would keep the loop running for ever. */
    (void)alarm(FREE_LIMIT_S);
    loop_free(loop);
    (void)alarm(0);
}

static void on_deadline(struct timer *t)
{
    (void)t;
}

/* Sets itself anew: a turn whose timers fired before it sleeps must still wake up. */
static void on_tick(struct timer *t)
{
    timer_set(t->loop, t, TICK_MS, on_tick);
}

struct wait {
    struct timer tick;
    const bool *flag;
    const unsigned *count;
    unsigned want;
};

static bool wait_is_over(const struct wait *w)
{
    return (w->flag != NULL && *w->flag) || (w->count != NULL && *w->count >= w->want);
}

/* True if it happened in time. */
static bool run(struct loop *loop, struct wait *w, int64_t timeout_ms)
{
    struct timer deadline = {0};
    timer_set(loop, &deadline, timeout_ms, on_deadline);
    /* A flag may be set by another thread: never sleep for long. */
    timer_set(loop, &w->tick, TICK_MS, on_tick);
    while (timer_is_set(&deadline) && !wait_is_over(w)) {
        loop_turn(loop, true);
    }
    timer_stop(&w->tick);
    timer_stop(&deadline);
    return wait_is_over(w);
}

void loop_fixture_run_until(struct loop *loop, const bool *flag, int64_t timeout_ms)
{
    struct wait w = {.flag = flag};
    if (!run(loop, &w, timeout_ms)) {
        fail_msg("nothing happened within %lld ms", (long long)timeout_ms);
    }
}

void loop_fixture_run_until_count(struct loop *loop, const unsigned *count, unsigned want,
                                  int64_t timeout_ms)
{
    struct wait w = {.count = count, .want = want};
    if (!run(loop, &w, timeout_ms)) {
        fail_msg("%u of %u within %lld ms", *count, want, (long long)timeout_ms);
    }
}

void loop_fixture_run_for(struct loop *loop, int64_t ms)
{
    struct wait w = {0};
    (void)run(loop, &w, ms);
}
