/* Which accounts build their first index: a few at a time, and none while others of this
 * node still have to be heard for the first time. Live data never waits for them.
 * And which stop when there is little room left: first those that build an index, then
 * all. What is not read stays on its server. */
#include "account_priv.h"

enum {
    LOOK_MS = 50,
    FULL_MS = 1000,
    HANG_MS = 2000,
    START_MAX_MS = 60000,
    SLOW_MS = 5 * 60 * 1000 /* a server may take its time, but not that of others */
};

static void walks_run(struct accounts *as);

static void on_look(struct timer *t)
{
    walks_run(container_of(t, struct accounts, walks_look));
}

/* Accounts that wait for a slot or connect for the first time since the start. A host that
 * hangs holds the others up only as long as some get through. */
static bool any_on_its_way(struct accounts *as)
{
    size_t count = 0;
    int64_t now_ms = loop_now_ms(as->loop);
    list_foreach (node, &as->all) {
        const struct account *a = container_of(node, struct account, node);
        count += !a->heard &&
                 (a->phase == ACCOUNT_PHASE_LOADING || a->phase == ACCOUNT_PHASE_QUEUED ||
                  a->phase == ACCOUNT_PHASE_OPENING);
    }
    as->progress_ms = count < as->on_their_way ? now_ms : as->progress_ms;
    as->on_their_way = count;
    return count > 0 && now_ms - as->started_ms < START_MAX_MS &&
           now_ms - as->progress_ms < HANG_MS;
}

unsigned account_fill_percent(const struct account *a)
{
    unsigned store = a->as->store_fill;
    unsigned log = a->as->log != NULL ? changelog_fill_percent(a->as->log, &a->acct) : 0;
    return store > log ? store : log;
}

bool account_walk_is_full(const struct account *a)
{
    return account_fill_percent(a) >= ACCOUNT_FULL_WALK ||
           a->as->memory.level >= MEMORY_LEVEL_WALKS;
}

static void on_full(struct timer *t)
{
    struct account *a = container_of(t, struct account, full);
    loop_defer(a->as->loop, &a->next, a->next.fn);
}

bool account_is_full(struct account *a)
{
    if (account_fill_percent(a) < ACCOUNT_FULL_PASS) {
        return false;
    }
    if (!timer_is_set(&a->full)) {
        timer_set(a->as->loop, &a->full, FULL_MS, on_full);
    }
    return true;
}

static void on_slow(struct timer *t)
{
    struct account *a = container_of(t, struct account, walk_slow);
    a->walk = ACCOUNT_WALK_SLOW;
    a->as->walks--;
    if (!list_is_empty(&a->as->walks_waiting) && !timer_is_set(&a->as->walks_look)) {
        walks_run(a->as);
    }
}

static void walks_run(struct accounts *as)
{
    struct list full;
    struct list *node;
    list_init(&full);
    bool may = !any_on_its_way(as);
    while (may && as->walks < as->config.walk_concurrency &&
           (node = list_pop(&as->walks_waiting)) != NULL) {
        struct account *a = container_of(node, struct account, walk_node);
        if (account_walk_is_full(a)) {
            list_append(&full, node);
            continue;
        }
        a->walk = ACCOUNT_WALK_GRANTED;
        as->walks++;
        timer_set(as->loop, &a->walk_slow, SLOW_MS, on_slow);
        loop_defer(as->loop, &a->next, a->next.fn);
    }
    bool any_full = !list_is_empty(&full);
    while ((node = list_pop(&full)) != NULL) {
        list_append(&as->walks_waiting, node);
    }
    if ((!may || any_full) && !list_is_empty(&as->walks_waiting)) {
        timer_set(as->loop, &as->walks_look, may ? FULL_MS : LOOK_MS, on_look);
    }
}

bool account_walk_take(struct account *a)
{
    struct accounts *as = a->as;
    if (a->walk == ACCOUNT_WALK_NONE) {
        a->walk = ACCOUNT_WALK_WAITING;
        list_init(&a->walk_node);
        list_append(&as->walks_waiting, &a->walk_node);
        if (!timer_is_set(&as->walks_look)) {
            walks_run(as);
        }
    }
    return a->walk >= ACCOUNT_WALK_GRANTED;
}

static bool pass_walks(const struct account *a, const struct sync_pass *pass,
                       uint32_t box)
{
    const struct mailbox *m = pass != NULL ? mailbox_table_by_box(&a->table, box) : NULL;
    return m != NULL && m->phase != MAILBOX_PHASE_LIVE;
}

void account_walk_ended(struct account *a)
{
    if (!pass_walks(a, a->pass, a->watch_box) &&
        !pass_walks(a, a->sync_pass, a->sync_box)) {
        account_walk_give(a);
    }
}

void account_walk_give(struct account *a)
{
    struct accounts *as = a->as;
    timer_stop(&a->walk_slow);
    if (a->walk == ACCOUNT_WALK_WAITING) {
        list_remove(&a->walk_node);
    } else if (a->walk == ACCOUNT_WALK_GRANTED) {
        as->walks--;
    }
    a->walk = ACCOUNT_WALK_NONE;
    if (!list_is_empty(&as->walks_waiting) && !timer_is_set(&as->walks_look)) {
        walks_run(as);
    }
}
