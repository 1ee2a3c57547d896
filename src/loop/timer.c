/* Timers in a binary heap, beside the times at which they are due: it is sorted without a look
 * at the timers themselves. Unlike a libuv timer, a struct timer can be stopped and its memory
 * freed in the same breath. One libuv timer wakes the loop for the earliest. */
#include "loop_priv.h"

#include "postrider/base/check.h"
#include "postrider/base/mem.h"

static bool is_before(const struct timer_place *a, const struct timer_place *b)
{
    return a->due_ms != b->due_ms ? a->due_ms < b->due_ms : a->order < b->order;
}

static void heap_place(struct timer_heap *h, size_t at, struct timer_place p)
{
    h->items[at] = p;
    p.timer->slot = at + 1;
}

static void heap_sift_up(struct timer_heap *h, size_t at, struct timer_place p)
{
    while (at > 0 && is_before(&p, &h->items[(at - 1) / 2])) {
        heap_place(h, at, h->items[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
    heap_place(h, at, p);
}

static void heap_sift_down(struct timer_heap *h, size_t at, struct timer_place p)
{
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= h->count) {
            break;
        }
        if (child + 1 < h->count && is_before(&h->items[child + 1], &h->items[child])) {
            child++;
        }
        if (!is_before(&h->items[child], &p)) {
            break;
        }
        heap_place(h, at, h->items[child]);
        at = child;
    }
    heap_place(h, at, p);
}

static void on_wakeup(uv_timer_t *wakeup)
{
    loop_timers_run(wakeup->data);
}

/* least_ms: 1 while timers run, since libuv would serve a timer without delay in the same
 * pass again, and one that sets itself anew would keep the loop from ever reaching I/O.
 */
static void arm(struct loop *loop, int64_t least_ms)
{
    struct timer_heap *h = &loop->timers;
    if (h->count == 0) {
        uv_timer_stop(&loop->wakeup);
        return;
    }
    int64_t wait_ms = h->items[0].due_ms - loop_now_ms(loop);
    wait_ms = wait_ms > least_ms ? wait_ms : least_ms;
    uv_timer_start(&loop->wakeup, on_wakeup, (uint64_t)wait_ms, 0);
}

void loop_timers_init(struct loop *loop)
{
    loop->timers = (struct timer_heap){0};
}

void loop_timers_fini(struct loop *loop)
{
    mem_free(loop->timers.items);
}

void loop_timers_run(struct loop *loop)
{
    struct timer_heap *h = &loop->timers;
    int64_t now_ms = loop_now_ms(loop);
    /* A timer set by a callback waits for the next turn, even with no delay. */
    uint64_t newest = h->next_order;
    while (h->count > 0 && h->items[0].due_ms <= now_ms && h->items[0].order < newest) {
        struct timer *t = h->items[0].timer;
        timer_stop(t);
        t->fn(t);
    }
    arm(loop, 1);
}

void timer_set(struct loop *loop, struct timer *t, int64_t delay_ms, timer_fn *fn)
{
    struct timer_heap *h = &loop->timers;
    timer_stop(t);
    if (h->count == h->cap) {
        h->cap = h->cap > 0 ? h->cap * 2 : 64;
        h->items = mem_realloc(h->items, h->cap * sizeof *h->items);
    }
    t->loop = loop;
    t->fn = fn;
    struct timer_place p = {.due_ms = loop_now_ms(loop) + (delay_ms > 0 ? delay_ms : 0),
                            .order = h->next_order++,
                            .timer = t};
    heap_sift_up(h, h->count++, p);
    if (t->slot == 1) {
        arm(loop, 0);
    }
}

void timer_stop(struct timer *t)
{
    if (t->slot == 0) {
        return;
    }
    struct timer_heap *h = &t->loop->timers;
    size_t at = t->slot - 1;
    CHECK(at < h->count && h->items[at].timer == t);
    t->slot = 0;
    struct timer_place last = h->items[--h->count];
    if (last.timer != t) {
        if (at > 0 && is_before(&last, &h->items[(at - 1) / 2])) {
            heap_sift_up(h, at, last);
        } else {
            heap_sift_down(h, at, last);
        }
    }
    if (h->count == 0) {
        arm(t->loop, 0);
    }
}

bool timer_is_set(const struct timer *t)
{
    return t->slot != 0;
}

int64_t timer_due_ms(const struct timer *t)
{
    CHECK(t->slot != 0);
    return t->loop->timers.items[t->slot - 1].due_ms;
}
