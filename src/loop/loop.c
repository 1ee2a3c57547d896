#include "postrider/loop/loop.h"

#include "loop_priv.h"

#include "postrider/base/check.h"
#include "postrider/base/clock.h"
#include "postrider/base/mem.h"

enum {
    WINDOW_US = 60 * 1000 * 1000
};

/* --- the turn --- */

static void run_deferred(struct loop *loop)
{
    struct list batch;
    list_move_all(&loop->deferred, &batch);
    for (struct list *node; (node = list_pop(&batch)) != NULL;) {
        struct deferred *d = container_of(node, struct deferred, node);
        d->fn(d);
    }
    if (list_is_empty(&loop->deferred)) {
        uv_idle_stop(&loop->idle);
    }
}

static void on_idle(uv_idle_t *idle)
{
    run_deferred(idle->data);
}

/* --- how long turns take --- */

const int64_t loop_turn_bounds_us[LOOP_TURN_BOUNDS] = {
    1000, 2000, 5000, 10000, 20000, 50000, 100000, 250000, 1000000};

/* libuv runs the callbacks of I/O inside its poll: only it can tell them from sleep. */
int64_t loop_turn_us(const struct loop *loop)
{
    uint64_t slept_ns =
        uv_metrics_idle_time((uv_loop_t *)(uintptr_t)&loop->uv) - loop->idle_before_ns;
    return clock_mono_us() - loop->turn_began_us - (int64_t)(slept_ns / 1000);
}

static void turn_end(struct loop *loop)
{
    int64_t turn_us = loop_turn_us(loop);
    struct loop_turns *t = &loop->turns;
    t->turns++;
    t->busy_us += turn_us > 0 ? (uint64_t)turn_us : 0;
    for (size_t i = LOOP_TURN_BOUNDS; i > 0 && turn_us <= loop_turn_bounds_us[i - 1];
         i--) {
        t->within[i - 1]++;
    }
    loop->turn_began_us = clock_mono_us();
    loop->idle_before_ns = uv_metrics_idle_time(&loop->uv);
    if (loop->turn_began_us - loop->window_began_us > WINDOW_US) {
        loop->window_began_us = loop->turn_began_us;
        loop->former_us = loop->longest_us;
        loop->longest_us = 0;
    }
    loop->longest_us = turn_us > loop->longest_us ? turn_us : loop->longest_us;
}

void loop_turns_get(const struct loop *loop, struct loop_turns *out)
{
    *out = loop->turns;
    out->longest_us =
        loop->longest_us > loop->former_us ? loop->longest_us : loop->former_us;
}

static void on_prepare(uv_prepare_t *prepare)
{
    struct loop *loop = prepare->data;
    list_foreach (node, &loop->hooks) {
        struct loop_hook *h = container_of(node, struct loop_hook, node);
        h->fn(h);
    }
    turn_end(loop);
}

static void on_async(uv_async_t *async ATTR_UNUSED)
{
}

struct loop *loop_new(void)
{
    struct loop *loop = MEM_NEW(struct loop);
    CHECK(uv_loop_init(&loop->uv) == 0 &&
          uv_loop_configure(&loop->uv, UV_METRICS_IDLE_TIME) == 0);
    CHECK(uv_idle_init(&loop->uv, &loop->idle) == 0);
    CHECK(uv_prepare_init(&loop->uv, &loop->prepare) == 0);
    CHECK(uv_timer_init(&loop->uv, &loop->wakeup) == 0);
    CHECK(uv_async_init(&loop->uv, &loop->async, on_async) == 0);
    loop->idle.data = loop->prepare.data = loop->wakeup.data = loop;
    uv_prepare_start(&loop->prepare, on_prepare);
    /* The loop's own handles do not keep it running. */
    uv_unref((uv_handle_t *)&loop->prepare);
    uv_unref((uv_handle_t *)&loop->async);
    list_init(&loop->deferred);
    list_init(&loop->hooks);
    for (size_t i = 0; i < WORKER_CLASS_COUNT; i++) {
        list_init(&loop->workers[i].waiting);
    }
    loop_timers_init(loop);
    loop->turn_began_us = loop->window_began_us = clock_mono_us();
    return loop;
}

void loop_free(struct loop **loopp)
{
    struct loop *loop = *loopp;
    if (loop == NULL) {
        return;
    }
    *loopp = NULL;
    loop_run(loop);
    uv_close((uv_handle_t *)&loop->idle, NULL);
    uv_close((uv_handle_t *)&loop->prepare, NULL);
    uv_close((uv_handle_t *)&loop->wakeup, NULL);
    uv_close((uv_handle_t *)&loop->async, NULL);
    uv_run(&loop->uv, UV_RUN_DEFAULT);
    CHECK(uv_loop_close(&loop->uv) == 0);
    loop_timers_fini(loop);
    mem_free(loop);
}

void loop_run(struct loop *loop)
{
    uv_run(&loop->uv, UV_RUN_DEFAULT);
}

void loop_turn(struct loop *loop, bool wait)
{
    uv_run(&loop->uv, wait ? UV_RUN_ONCE : UV_RUN_NOWAIT);
}

void loop_stop(struct loop *loop)
{
    uv_stop(&loop->uv);
}

struct uv_loop_s *loop_uv(struct loop *loop)
{
    return &loop->uv;
}

int64_t loop_now_ms(const struct loop *loop)
{
    return (int64_t)uv_now(&loop->uv);
}

void loop_wake(struct loop *loop)
{
    (void)uv_async_send(&loop->async);
}

/* --- deferred calls and hooks --- */

void loop_defer(struct loop *loop, struct deferred *d, deferred_fn *fn)
{
    if (d->node.next == NULL) {
        list_init(&d->node);
    }
    if (list_is_linked(&d->node)) {
        return;
    }
    d->fn = fn;
    if (list_is_empty(&loop->deferred)) {
        uv_idle_start(&loop->idle, on_idle);
    }
    list_append(&loop->deferred, &d->node);
}

void loop_undefer(struct deferred *d)
{
    if (d->node.next != NULL) {
        list_remove(&d->node);
    }
}

void loop_hook_add(struct loop *loop, struct loop_hook *h, loop_hook_fn *fn)
{
    h->fn = fn;
    list_append(&loop->hooks, &h->node);
}

void loop_hook_remove(struct loop_hook *h)
{
    if (h->node.next != NULL) {
        list_remove(&h->node);
    }
}

/* --- descriptors --- */

struct io_watch {
    uv_poll_t poll;
    io_watch_fn *fn;
    void *ctx;
};

static void on_poll(uv_poll_t *poll, int status, int uv_events)
{
    struct io_watch *w = poll->data;
    unsigned events = 0;
    events |= (uv_events & UV_READABLE) != 0 ? IO_READABLE : 0u;
    events |= (uv_events & UV_WRITABLE) != 0 ? IO_WRITABLE : 0u;
    events |= (uv_events & UV_DISCONNECT) != 0 ? IO_HANGUP : 0u;
    w->fn(w, status < 0 ? IO_READABLE | IO_WRITABLE | IO_HANGUP : events, w->ctx);
}

struct io_watch *io_watch_new(struct loop *loop, int fd, io_watch_fn *fn, void *ctx)
{
    struct io_watch *w = MEM_NEW(struct io_watch);
    CHECK(uv_poll_init(&loop->uv, &w->poll, fd) == 0);
    w->poll.data = w;
    w->fn = fn;
    w->ctx = ctx;
    return w;
}

void io_watch_set(struct io_watch *w, unsigned events)
{
    int uv_events = 0;
    uv_events |= (events & IO_READABLE) != 0 ? UV_READABLE : 0;
    uv_events |= (events & IO_WRITABLE) != 0 ? UV_WRITABLE : 0;
    uv_events |= (events & IO_HANGUP) != 0 ? UV_DISCONNECT : 0;
    if (uv_events == 0) {
        uv_poll_stop(&w->poll);
    } else {
        CHECK(uv_poll_start(&w->poll, uv_events, on_poll) == 0);
    }
}

static void on_poll_closed(uv_handle_t *handle)
{
    mem_free(handle->data);
}

void io_watch_free(struct io_watch **wp)
{
    if (*wp != NULL) {
        uv_close((uv_handle_t *)&(*wp)->poll, on_poll_closed);
        *wp = NULL;
    }
}

/* --- signals --- */

struct loop_signal {
    uv_signal_t signal;
    loop_signal_fn *fn;
    void *ctx;
};

static void on_signal(uv_signal_t *signal, int signum)
{
    struct loop_signal *s = signal->data;
    s->fn(signum, s->ctx);
}

struct loop_signal *loop_signal_new(struct loop *loop, int signum, loop_signal_fn *fn,
                                    void *ctx)
{
    struct loop_signal *s = MEM_NEW(struct loop_signal);
    CHECK(uv_signal_init(&loop->uv, &s->signal) == 0);
    s->signal.data = s;
    s->fn = fn;
    s->ctx = ctx;
    CHECK(uv_signal_start(&s->signal, on_signal, signum) == 0);
    uv_unref((uv_handle_t *)&s->signal);
    return s;
}

void loop_signal_free(struct loop_signal **sp)
{
    if (*sp != NULL) {
        uv_close((uv_handle_t *)&(*sp)->signal, on_poll_closed);
        *sp = NULL;
    }
}
