#ifndef POSTRIDER_LOOP_PRIV_H
#define POSTRIDER_LOOP_PRIV_H

#include "postrider/loop/loop.h"
#include "postrider/loop/worker.h"

#include <uv.h>

struct timer_place {
    int64_t due_ms;
    uint64_t order; /* equal times fire in the order they were set */
    struct timer *timer;
};

struct timer_heap {
    struct timer_place *items;
    size_t count, cap;
    uint64_t next_order;
};

struct worker_queue {
    struct list waiting;
    unsigned running;
};

struct loop {
    uv_loop_t uv;
    uv_idle_t idle;       /* active while deferred calls wait: the loop must not sleep */
    uv_prepare_t prepare; /* runs the hooks and ends the turn */
    uv_timer_t wakeup;    /* for the earliest timer of the heap */
    uv_async_t async;
    struct list deferred;
    struct list hooks;
    struct timer_heap timers;
    struct worker_queue workers[WORKER_CLASS_COUNT];
    int64_t turn_began_us;   /* before the sleep of the turn */
    uint64_t idle_before_ns; /* all sleep before that */
    struct loop_turns turns;
    int64_t longest_us, former_us; /* of this window and of the one before */
    int64_t window_began_us;
};

void loop_timers_init(struct loop *loop);
void loop_timers_fini(struct loop *loop);
/* Fires what is due. */
void loop_timers_run(struct loop *loop);

#endif
