/* loop: the one event loop of a node, over libuv.
 * Shape    uv loop, deferred queue, timer heap, hooks before sleeping, watched
 *          descriptors
 * Owner    the app; every other object borrows it
 * Calls    loop thread only, except loop_wake
 * Units    milliseconds on the monotonic clock
 * Order    one turn: timers, deferred calls, hooks, sleep until I/O, I/O callbacks. A
 *          deferred call made from anywhere runs in this turn or the next, never inside
 *          its caller. */
#ifndef POSTRIDER_LOOP_LOOP_H
#define POSTRIDER_LOOP_LOOP_H

#include "postrider/base/attr.h"
#include "postrider/base/list.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct loop;
struct uv_loop_s;

struct loop *loop_new(void) ATTR_RETURNS_NONNULL;
/* All handles must be closed and all operations complete; runs the loop until they are.
 */
void loop_free(struct loop **loop);
/* Runs until loop_stop, or until nothing is left to wait for. */
void loop_run(struct loop *loop);
/* One turn; waits for I/O at most until the next timer if `wait`. For tests. */
void loop_turn(struct loop *loop, bool wait);
void loop_stop(struct loop *loop);
/* For the modules that own a libuv handle: net. */
struct uv_loop_s *loop_uv(struct loop *loop) ATTR_RETURNS_NONNULL;
/* Time at the start of this turn. */
int64_t loop_now_ms(const struct loop *loop);

/* --- how long turns take: while one lasts, nobody else is served --- */

enum {
    LOOP_TURN_BOUNDS = 9
};
extern const int64_t loop_turn_bounds_us[LOOP_TURN_BOUNDS];
struct loop_turns {
    uint64_t turns;                    /* since the start, the current one left out */
    uint64_t busy_us;                  /* all of them together */
    uint64_t within[LOOP_TURN_BOUNDS]; /* turns that took at most that bound */
    int64_t longest_us;                /* of the last one to two minutes */
};
void loop_turns_get(const struct loop *loop, struct loop_turns *out);
/* How long the callbacks of this turn have run by now, sleep left out. */
int64_t loop_turn_us(const struct loop *loop);

/* --- deferred calls: later, from the loop, in order --- */

struct deferred;
typedef void deferred_fn(struct deferred *d);

/* Embedded in its user; zeroed means not queued. */
struct deferred {
    struct list node;
    deferred_fn *fn;
};

/* Queues d unless it is queued already. */
void loop_defer(struct loop *loop, struct deferred *d, deferred_fn *fn);
void loop_undefer(struct deferred *d);

/* --- timers --- */

struct timer;
typedef void timer_fn(struct timer *t);

/* Embedded in its user; zeroed means stopped. Stopping is immediate: the memory may go.
 * Small, since there are many and few of them are set: when one is due is kept in the heap. */
struct timer {
    struct loop *loop;
    size_t slot; /* position in the heap + 1; 0 = stopped */
    timer_fn *fn;
};

/* Fires once after at least delay_ms (0 = next turn); restarts a running timer. */
void timer_set(struct loop *loop, struct timer *t, int64_t delay_ms, timer_fn *fn);
void timer_stop(struct timer *t);
bool timer_is_set(const struct timer *t);
/* By loop_now_ms; it is set. */
int64_t timer_due_ms(const struct timer *t);

/* --- hooks: once before the loop sleeps, e.g. to flush gathered output --- */

struct loop_hook;
typedef void loop_hook_fn(struct loop_hook *h);

struct loop_hook {
    struct list node;
    loop_hook_fn *fn;
};

void loop_hook_add(struct loop *loop, struct loop_hook *h, loop_hook_fn *fn);
void loop_hook_remove(struct loop_hook *h);

/* --- watched descriptors (level-triggered) --- */

struct io_watch;
enum {
    IO_READABLE = 1,
    IO_WRITABLE = 2,
    IO_HANGUP = 4
};
/* events: what is possible now; all bits when the descriptor reports an error. */
typedef void io_watch_fn(struct io_watch *w, unsigned events, void *ctx);

/* The descriptor stays the caller's and must stay open until io_watch_free. */
struct io_watch *io_watch_new(struct loop *loop, int fd, io_watch_fn *fn,
                              void *ctx) ATTR_RETURNS_NONNULL;
void io_watch_set(struct io_watch *w, unsigned events); /* 0 pauses */
/* No callback after this returns; accepts NULL and nulls. */
void io_watch_free(struct io_watch **w);

/* --- signals and other threads --- */

struct loop_signal;
typedef void loop_signal_fn(int signum, void *ctx);
struct loop_signal *loop_signal_new(struct loop *loop, int signum, loop_signal_fn *fn,
                                    void *ctx) ATTR_RETURNS_NONNULL;
void loop_signal_free(struct loop_signal **s);
/* Any thread: makes the loop take a turn. */
void loop_wake(struct loop *loop);

#endif
