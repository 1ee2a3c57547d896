/* What the accounts give up when the process nears the limit of its memory, so that it is
 * not killed with all of them:
 *
 *   OK ──70 %──► no first index begins ──80 %──► work connections that are idle are closed,
 *   an account gets one ──90 %──► accounts in which nothing happens are paused
 *
 * Each level ends a few percent below where it began. A paused account connects again when
 * there is room, or after PAUSE_MS for a look at what came meanwhile. */
#include "account_priv.h"

#include "postrider/base/log.h"
#include "postrider/base/mem.h"
#include "postrider/base/rand.h"

#include <stdlib.h>

enum {
    LOOK_MS = 1000,
    TRIM_MS = 60 * 1000,
    TRIM_SHORT_MS = 10 * 1000, /* where memory is short */
    PAUSE_MS = 15 * 60 * 1000,
    SHARE = 20, /* of the accounts, this part is paused or resumed at a time */
    HYSTERESIS = 5,
    HOT_FOR_MS = 60 * 60 * 1000
};

/* Percent of the limit at which a level begins. */
static const unsigned begins[] = {[MEMORY_LEVEL_OK] = 0,
                                  [MEMORY_LEVEL_WALKS] = 70,
                                  [MEMORY_LEVEL_WORK] = 80,
                                  [MEMORY_LEVEL_PAUSE] = 90};

enum memory_level accounts_memory_level(enum memory_level before, unsigned percent)
{
    enum memory_level level = MEMORY_LEVEL_PAUSE;
    while (percent < begins[level]) {
        level--;
    }
    while (level < before && percent + HYSTERESIS >= begins[level + 1]) {
        level++;
    }
    return level;
}

/* --- pausing --- */

struct candidate {
    struct account *account;
    int64_t changed_at_ms; /* its latest mailbox; 0 = none since the start */
};

static int64_t changed_at_ms(const struct account *a)
{
    int64_t latest = 0;
    for (size_t i = 0; i < a->table.count; i++) {
        int64_t at_ms = a->table.items[i]->changed_at_ms;
        latest = at_ms > latest ? at_ms : latest;
    }
    return latest;
}

static int colder_first(const void *x, const void *y)
{
    const struct candidate *a = x, *b = y;
    if (a->changed_at_ms != b->changed_at_ms) {
        return a->changed_at_ms < b->changed_at_ms ? -1 : 1;
    }
    int64_t since_a = a->account->connected_ms, since_b = b->account->connected_ms;
    return (since_a > since_b) - (since_a < since_b);
}

static bool is_idle(const struct account *a)
{
    return a->phase == ACCOUNT_PHASE_ONLINE && a->settled && a->pass == NULL &&
           a->list == NULL && a->sync_work == NULL && a->pending.count == 0 &&
           a->work_users == 0 && a->calls == 0;
}

static size_t candidates_get(struct accounts *as, struct candidate *out)
{
    int64_t hot_ms =
        as->config.poll.hot_for_ms > 0 ? as->config.poll.hot_for_ms : HOT_FOR_MS;
    int64_t now_ms = loop_now_ms(as->loop);
    size_t count = 0;
    list_foreach (node, &as->all) {
        struct account *a = container_of(node, struct account, node);
        int64_t at_ms = is_idle(a) ? changed_at_ms(a) : now_ms;
        if (at_ms == 0 || now_ms - at_ms >= hot_ms) {
            out[count++] = (struct candidate){.account = a, .changed_at_ms = at_ms};
        }
    }
    return count;
}

static void account_pause(struct account *a)
{
    struct err why = {0};
    (void)err_set(&why, ERR_UNAVAILABLE, "the account is paused: memory is short");
    a->phase = ACCOUNT_PHASE_WAITING;
    account_shut(a, &why);
    a->reload = true;
    a->paused = true;
    account_set_state(a, "paused");
    account_wait(a, PAUSE_MS / 2 + (int64_t)rand_below(PAUSE_MS / 2));
}

static size_t share(const struct accounts *as)
{
    return map_count(as->by_id) / SHARE + 1;
}

static void pause_coldest(struct accounts *as)
{
    struct candidate *found = mem_array(map_count(as->by_id), sizeof *found);
    size_t count = candidates_get(as, found), most = share(as);
    qsort(found, count, sizeof *found, colder_first);
    for (size_t i = 0; i < count && i < most; i++) {
        account_pause(found[i].account);
    }
    mem_free(found);
}

static void resume_some(struct accounts *as)
{
    size_t left = share(as);
    list_foreach (node, &as->all) {
        struct account *a = container_of(node, struct account, node);
        if (left > 0 && a->paused && a->phase == ACCOUNT_PHASE_WAITING) {
            a->paused = false;
            account_wait(a, 0);
            left--;
        }
    }
}

/* --- looking --- */

/* Freed memory that the allocator keeps counts as used: some megabytes after many
 * handshakes and first indexes, so that it goes soon after the last of them. */
bool accounts_memory_trims(struct accounts_memory *m, bool busy, int64_t now_ms)
{
    m->busy_ms = busy ? now_ms : m->busy_ms;
    bool quiet = m->busy_ms != 0 && now_ms - m->busy_ms >= TRIM_SHORT_MS;
    bool soon = quiet || m->level >= MEMORY_LEVEL_WORK;
    if (now_ms - m->trimmed_ms < (soon ? TRIM_SHORT_MS : TRIM_MS)) {
        return false;
    }
    m->trimmed_ms = now_ms;
    m->busy_ms = busy ? now_ms : 0;
    return true;
}

static void trim(struct accounts *as)
{
    bool busy = as->handshakes > 0 || as->walks > 0;
    if (accounts_memory_trims(&as->memory, busy, loop_now_ms(as->loop))) {
        mem_trim();
    }
}

static void tell(const struct accounts_memory *m)
{
    static const char *const words[] = {
        [MEMORY_LEVEL_OK] = "memory suffices again",
        [MEMORY_LEVEL_WALKS] = "memory is short: no first index begins",
        [MEMORY_LEVEL_WORK] = "memory is short: work connections are closed",
        [MEMORY_LEVEL_PAUSE] = "memory is short: quiet accounts are paused"};
    log_at(m->level == MEMORY_LEVEL_OK ? LOG_INFO : LOG_WARN, "account", words[m->level],
           LOG_I("percent", m->percent));
}

void accounts_memory_look(struct accounts *as)
{
    struct accounts_memory *m = &as->memory;
    uint64_t percent = m->resident() * 100 / as->config.memory_max_bytes;
    m->percent = percent < 1000 ? (unsigned)percent : 1000;
    enum memory_level level = accounts_memory_level(m->level, m->percent);
    if (level != m->level) {
        m->level = level;
        tell(m);
    }
    if (level >= MEMORY_LEVEL_WORK) {
        accounts_kept_drop(as);
        store_threads_forget(as->store);
        list_foreach (node, &as->all) {
            account_work_close_idle(container_of(node, struct account, node));
        }
    } else {
        resume_some(as);
    }
    if (level == MEMORY_LEVEL_PAUSE) {
        pause_coldest(as);
    }
}

static void on_look(struct timer *t)
{
    struct accounts *as = container_of(t, struct accounts, memory.look);
    if (as->on_stopped == NULL) {
        if (as->config.memory_max_bytes > 0) {
            accounts_memory_look(as);
        }
        trim(as);
        timer_set(as->loop, &as->memory.look, LOOK_MS, on_look);
    }
}

void accounts_memory_init(struct accounts *as)
{
    as->memory.resident = mem_resident_bytes;
    as->memory.trimmed_ms = loop_now_ms(as->loop);
    timer_set(as->loop, &as->memory.look, LOOK_MS, on_look);
}

void accounts_memory_fini(struct accounts *as)
{
    timer_stop(&as->memory.look);
}
