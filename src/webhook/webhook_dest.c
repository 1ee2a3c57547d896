/* Places, pace and health per destination. A dead receiver is asked by one request now and
 * then; everything else that is meant for it waits as a parked account, without content. */
#include "webhook_priv.h"

#include "postrider/base/clock.h"
#include "postrider/base/mem.h"
#include "postrider/base/rand.h"
#include "postrider/json/json.h"

#include <stdio.h>

enum {
    DOWN_AFTER = 3, /* failures in a row: what waits is woken by the first success */
    OPEN_AFTER = 5, /* failures in a row, of two accounts at least */
    OPEN_MAX_MS = 60 * 1000,
    HOLD_MAX_MS = 5 * 60 * 1000,
    PROBE_AGAIN_MS = 1000,
    REMEMBERED_MAX = 1000, /* destinations that fail, with nothing in flight */
    BURST_US = 50 * 1000,  /* requests that a rate lets pass at once, as time */
    US_PER_S = 1000 * 1000
};

enum dest_state {
    DEST_STATE_CLOSED,
    DEST_STATE_OPEN,
    DEST_STATE_HALF_OPEN
};

static const char *const state_names[] = {[DEST_STATE_CLOSED] = "closed",
                                          [DEST_STATE_OPEN] = "open",
                                          [DEST_STATE_HALF_OPEN] = "halfOpen"};

struct webhook_dest {
    struct webhook_route *route;
    enum dest_state state;
    size_t active;
    bool probing; /* HALF_OPEN: the one request is on its way */
    bool
        recovering; /* it answered after a failure: who waits for that is let in by and by */
    bool several;      /* the failures in a row are of more than one account */
    unsigned failures; /* in a row */
    unsigned opened;   /* times in a row, without an answer between */
    char failed_name[STORE_ACCT_NAME_SIZE]; /* the account that failed last */
    int64_t down_since_ms;                  /* wall clock; 0 = it answers */
    int64_t paced_us;                       /* when the pace allows the next request */
    uint64_t key;                           /* of accounts that wait for a place */
    uint64_t retry_key;                     /* of accounts that wait for its recovery */
    struct timer open;                      /* OPEN, HALF_OPEN: next try */
    struct timer pace;
    struct deferred left; /* somebody left: places are given away */
    bool leaving;         /* `left` is to come */
    struct str map_key;
    char *origin;
};

struct webhook_dests {
    struct webhooks *w;
    struct map *all; /* route id NUL origin → struct webhook_dest */
    uint8_t key_seed[16];
};

static void dest_free(void *value)
{
    struct webhook_dest *dest = value;
    timer_stop(&dest->open);
    timer_stop(&dest->pace);
    loop_undefer(&dest->left);
    mem_free(dest->origin);
    mem_free((void *)(uintptr_t)dest->map_key.ptr);
    mem_free(dest);
}

struct webhook_dests *webhook_dests_new(struct webhooks *w)
{
    struct webhook_dests *d = MEM_NEW(struct webhook_dests);
    d->w = w;
    d->all = map_new(dest_free);
    rand_bytes(d->key_seed, sizeof d->key_seed);
    return d;
}

void webhook_dests_free(struct webhook_dests **d)
{
    if (*d != NULL) {
        map_free(&(*d)->all);
        mem_free(*d);
        *d = NULL;
    }
}

/* --- finding --- */

static struct str map_key_put(struct buf *out, const struct webhook_route *r,
                              const char *origin)
{
    (void)buf_put(out, r->id, strlen(r->id) + 1);
    (void)buf_put_c(out, origin);
    return buf_str(out);
}

static struct webhook_dest *dest_find(const struct webhook_route *r, const char *origin)
{
    struct buf key = BUF_INIT(1024);
    struct webhook_dest *dest = map_get(r->w->dests->all, map_key_put(&key, r, origin));
    buf_fini(&key);
    return dest;
}

static struct webhook_dest *dest_of(struct webhook_route *r, const char *origin)
{
    struct webhook_dests *d = r->w->dests;
    struct webhook_dest *dest = dest_find(r, origin);
    if (dest == NULL) {
        struct buf key = BUF_INIT(1024);
        dest = MEM_NEW(struct webhook_dest);
        dest->route = r;
        dest->origin = mem_strdup(origin);
        dest->map_key = map_key_put(&key, r, origin);
        dest->map_key.ptr = mem_strndup(dest->map_key.ptr, dest->map_key.len);
        buf_fini(&key);
        /* Neither is 0, which is no key. */
        dest->key = map_siphash(d->key_seed, dest->map_key.ptr, dest->map_key.len) | 3;
        dest->retry_key = dest->key - 1;
        map_put(d->all, dest->map_key, dest);
    }
    return dest;
}

/* Nothing of it is worth remembering. */
static bool is_plain(const struct webhook_dest *dest)
{
    return dest->active == 0 && dest->failures == 0 && dest->state == DEST_STATE_CLOSED &&
           !dest->recovering && !timer_is_set(&dest->pace);
}

static int64_t now_us(const struct webhook_dest *dest)
{
    return loop_now_ms(dest->route->w->loop) * 1000;
}

static void on_pace(struct timer *t);

static size_t wake(const struct webhook_dest *dest, uint64_t key, size_t count)
{
    struct changelog_reader *reader = dest->route->reader;
    return reader != NULL ? changelog_reader_wake(reader, key, count) : 0;
}

/* Its keys depend on its name alone: who waits for them is found again. */
static void forget_if_plain(struct webhook_dest *dest)
{
    if (dest->leaving) {
        return;
    }
    struct webhook_dests *d = dest->route->w->dests;
    bool surplus = dest->active == 0 && map_count(d->all) > REMEMBERED_MAX;
    if (surplus && dest->state != DEST_STATE_CLOSED) {
        (void)wake(dest, dest->key, SIZE_MAX);
        (void)wake(dest, dest->retry_key, SIZE_MAX);
    }
    int64_t ahead_us = dest->paced_us - now_us(dest);
    if (!surplus && is_plain(dest) && ahead_us > 0) {
        timer_set(dest->route->w->loop, &dest->pace, ahead_us / 1000 + 1, on_pace);
    } else if (surplus || is_plain(dest)) {
        dest_free(map_take(d->all, dest->map_key));
    }
}

void webhook_dests_drop(struct webhook_route *r)
{
    struct str key;
    void *value;
    for (size_t it = 0; map_next(r->w->dests->all, &it, &key, &value);) {
        struct webhook_dest *dest = value;
        if (dest->route == r) {
            dest_free(map_take(r->w->dests->all, dest->map_key));
        }
    }
}

/* --- health --- */

static size_t room_of(const struct webhook_dest *dest)
{
    size_t most = dest->route->w->target_active;
    /* Events outside the log do not wait for a place: there may be more than there are. */
    return dest->active < most ? most - dest->active : 0;
}

static void on_open_over(struct timer *t);

/* Those who wait for a place first: they have not been tried yet. */
static void let_in(struct webhook_dest *dest)
{
    const struct webhooks *w = dest->route->w;
    size_t room = dest->state == DEST_STATE_CLOSED ? room_of(dest) : 0;
    if (room == 0 || timer_is_set(&dest->pace)) {
        return;
    }
    size_t paced = 1 + (size_t)w->target_rate * BURST_US / US_PER_S;
    room = w->target_rate > 0 && paced < room ? paced : room;
    size_t woken = wake(dest, dest->key, room);
    if (dest->recovering && woken < room) {
        dest->recovering = wake(dest, dest->retry_key, room - woken) == room - woken;
    }
    if (dest->recovering && dest->active == 0) {
        /* Those woken may want nothing of it after all: then the next. */
        timer_set(w->loop, &dest->open, PROBE_AGAIN_MS, on_open_over);
    }
}

/* The one that is woken may turn out to want nothing of it: then the next. After days all
 * are, so that what is too old ends. */
static void probe(struct webhook_dest *dest)
{
    const struct webhooks *w = dest->route->w;
    bool expires = webhook_dest_expired(dest, 0);
    size_t woken = wake(dest, dest->retry_key, expires ? SIZE_MAX : 1);
    if (woken == 0) {
        woken = wake(dest, dest->key, 1);
    }
    if (woken > 0) {
        timer_set(w->loop, &dest->open, PROBE_AGAIN_MS, on_open_over);
    }
}

static void on_open_over(struct timer *t)
{
    struct webhook_dest *dest = container_of(t, struct webhook_dest, open);
    if (dest->state == DEST_STATE_CLOSED) {
        let_in(dest);
        forget_if_plain(dest);
        return;
    }
    dest->state = DEST_STATE_HALF_OPEN;
    if (!dest->probing) {
        probe(dest);
    }
}

static void dest_open(struct webhook_dest *dest, int64_t for_ms)
{
    dest->state = DEST_STATE_OPEN;
    dest->probing = false;
    timer_set(dest->route->w->loop, &dest->open, for_ms, on_open_over);
}

static void dest_close(struct webhook_dest *dest)
{
    dest->recovering = dest->recovering || dest->state != DEST_STATE_CLOSED ||
                       dest->failures >= DOWN_AFTER;
    dest->state = DEST_STATE_CLOSED;
    dest->probing = false;
    dest->opened = 0;
    timer_stop(&dest->open);
}

static void note_down(struct webhook_dest *dest)
{
    if (dest->down_since_ms == 0) {
        dest->down_since_ms = clock_wall_ms();
    }
}

static void note_failure(struct webhook_dest *dest, const char *account_name)
{
    const struct webhooks *w = dest->route->w;
    dest->several = dest->several ||
                    (dest->failures > 0 && strcmp(dest->failed_name, account_name) != 0);
    dest->failures++;
    (void)snprintf(dest->failed_name, sizeof dest->failed_name, "%s", account_name);
    note_down(dest);
    bool opens = dest->state == DEST_STATE_HALF_OPEN ||
                 (dest->state == DEST_STATE_CLOSED && dest->several &&
                  dest->failures >= OPEN_AFTER);
    if (opens) {
        struct backoff b = {.tries = dest->opened};
        int64_t for_ms = backoff_next_ms(&b, &w->retry);
        dest->opened++;
        dest_open(dest, for_ms < OPEN_MAX_MS ? for_ms : OPEN_MAX_MS);
    }
}

void webhook_dest_told(struct webhook_dest *dest, enum webhook_told told,
                       const char *account_name, int64_t hold_ms)
{
    switch (told) {
    case WEBHOOK_TOLD_TAKEN:
        dest_close(dest);
        dest->failures = 0;
        dest->several = false;
        dest->down_since_ms = 0;
        break;
    case WEBHOOK_TOLD_REJECTED:
        if (dest->state != DEST_STATE_CLOSED) {
            dest_close(dest);
        }
        break;
    case WEBHOOK_TOLD_FAILED:
        note_failure(dest, account_name);
        break;
    case WEBHOOK_TOLD_BUSY:
        note_down(dest);
        dest_open(dest, hold_ms < HOLD_MAX_MS ? hold_ms : HOLD_MAX_MS);
        break;
    }
}

uint64_t webhook_dest_retry_key(const struct webhook_dest *dest)
{
    return dest->retry_key;
}

/* --- pace --- */

static void on_pace(struct timer *t)
{
    struct webhook_dest *dest = container_of(t, struct webhook_dest, pace);
    let_in(dest);
    forget_if_plain(dest);
}

static bool is_too_fast(struct webhook_dest *dest)
{
    struct webhooks *w = dest->route->w;
    int64_t ahead_us = dest->paced_us - now_us(dest) - BURST_US;
    if (w->target_rate == 0 || ahead_us <= 0) {
        return false;
    }
    if (!timer_is_set(&dest->pace)) {
        timer_set(w->loop, &dest->pace, ahead_us / 1000 + 1, on_pace);
    }
    return true;
}

static void take_pace(struct webhook_dest *dest)
{
    unsigned rate = dest->route->w->target_rate;
    if (rate > 0) {
        int64_t now = now_us(dest);
        dest->paced_us = (dest->paced_us > now ? dest->paced_us : now) + US_PER_S / rate;
    }
}

/* --- who may --- */

bool webhook_dest_expired(const struct webhook_dest *dest, int64_t event_ms)
{
    int64_t since_ms = clock_wall_ms() - dest->route->w->give_up_ms;
    return dest->down_since_ms != 0 && dest->down_since_ms <= since_ms &&
           event_ms <= since_ms;
}

enum webhook_admission webhook_dest_admits(struct webhook_route *r, const char *origin,
                                           int64_t event_ms, uint64_t *key_out)
{
    struct webhook_dest *dest = dest_find(r, origin);
    if (dest == NULL) {
        return WEBHOOK_ADMITTED;
    }
    if (dest->state == DEST_STATE_OPEN ||
        (dest->state == DEST_STATE_HALF_OPEN && dest->probing)) {
        *key_out = dest->retry_key;
        return webhook_dest_expired(dest, event_ms) ? WEBHOOK_EXPIRED : WEBHOOK_WAITS;
    }
    *key_out = dest->key;
    return room_of(dest) == 0 || is_too_fast(dest) ? WEBHOOK_WAITS : WEBHOOK_ADMITTED;
}

struct webhook_dest *webhook_dest_enter(struct webhook_route *r, const char *origin)
{
    struct webhook_dest *dest = dest_of(r, origin);
    dest->active++;
    dest->probing = dest->probing || dest->state == DEST_STATE_HALF_OPEN;
    take_pace(dest);
    r->stats.active++;
    return dest;
}

static void on_left(struct deferred *d)
{
    struct webhook_dest *dest = container_of(d, struct webhook_dest, left);
    dest->leaving = false;
    let_in(dest);
    forget_if_plain(dest);
}

/* Later, behind the next entry of the account that had the place: it goes on until its
 * page ends, or those woken would mostly come in vain. */
void webhook_dest_leave(struct webhook_dest *dest)
{
    dest->active--;
    dest->route->stats.active--;
    if (dest->state == DEST_STATE_HALF_OPEN && dest->probing && dest->active == 0) {
        dest->probing = false; /* the probe was canceled: another one */
        timer_set(dest->route->w->loop, &dest->open, 0, on_open_over);
    }
    dest->leaving = true;
    loop_defer(dest->route->w->loop, &dest->left, on_left);
}

void webhook_dests_wake(struct webhooks *w)
{
    struct str key;
    void *value;
    for (size_t it = 0; map_next(w->dests->all, &it, &key, &value);) {
        const struct webhook_dest *dest = value;
        (void)wake(dest, dest->key, SIZE_MAX);
        (void)wake(dest, dest->retry_key, SIZE_MAX);
    }
}

/* --- what people see --- */

static json_t *dest_json(const struct webhook_dest *dest)
{
    json_t *out = json_object();
    json_put_cstr(out, "origin", dest->origin);
    json_put_cstr(out, "state", state_names[dest->state]);
    json_put_int(out, "active", (int64_t)dest->active);
    json_put_int(out, "failures", dest->failures);
    if (dest->down_since_ms != 0) {
        json_put_time(out, "downSince", dest->down_since_ms);
    }
    if (dest->state != DEST_STATE_CLOSED && timer_is_set(&dest->open)) {
        int64_t wait_ms = timer_due_ms(&dest->open) - loop_now_ms(dest->route->w->loop);
        json_put_time(out, "nextTry", clock_wall_ms() + wait_ms);
    }
    return out;
}

json_t *webhook_dests_json(const struct webhook_route *r)
{
    json_t *out = json_array();
    struct str key;
    void *value;
    for (size_t it = 0; map_next(r->w->dests->all, &it, &key, &value);) {
        const struct webhook_dest *dest = value;
        if (dest->route == r && json_array_size(out) < WEBHOOK_DESTS_SHOWN) {
            json_push(out, dest_json(dest));
        }
    }
    return out;
}

size_t webhooks_down_count(const struct webhooks *w)
{
    size_t count = 0;
    struct str key;
    void *value;
    for (size_t it = 0; map_next(w->dests->all, &it, &key, &value);) {
        const struct webhook_dest *dest = value;
        count += dest->state != DEST_STATE_CLOSED ? 1 : 0;
    }
    return count;
}
