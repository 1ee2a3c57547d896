/* Which accounts of a reader get a slot: a queue in order of arrival. An account gives its
 * slot back after a page of entries, so that a busy one does not keep others waiting. */
#include "changelog_priv.h"

#include "postrider/base/check.h"
#include "postrider/base/clock.h"
#include "postrider/base/log.h"
#include "postrider/base/mem.h"

#include <stdio.h>

/* Accounts that wait for one key, the longest waiting first. */
struct park {
    struct list tracks;
};

static struct str key_str(const uint64_t *key)
{
    return str_from(key, sizeof *key);
}

struct changelog_reader *
changelog_reader_add(struct changelog *c, const struct changelog_reader_params *params)
{
    size_t len = strlen(params->name);
    CHECK(c->reader_count < CHANGELOG_READERS_MAX && len > 0 &&
          len <= CHANGELOG_NAME_MAX);
    struct changelog_reader *r = MEM_NEW(struct changelog_reader);
    r->c = c;
    r->params = *params;
    (void)snprintf(r->name, sizeof r->name, "%s", params->name);
    (void)snprintf(r->since, sizeof r->since, "%s",
                   params->since != NULL ? params->since : "");
    r->params.name = r->name;
    r->params.since = r->since;
    r->enabled = params->enabled;
    r->tracks = map_new(NULL);
    r->parks = map_new(mem_free);
    list_init(&r->ready);
    list_init(&r->idle);
    c->readers[c->reader_count] = r;
    c->names[c->reader_count] = r->name;
    c->reader_count++;
    changelog_rescan(c);
    return r;
}

static void drop_all(struct changelog_reader *r)
{
    struct str name;
    void *value;
    for (size_t it = 0; map_next(r->tracks, &it, &name, &value);) {
        track_drop(value);
    }
}

void reader_free(struct changelog_reader *r)
{
    drop_all(r);
    loop_undefer(&r->pump);
    map_free(&r->tracks);
    map_free(&r->parks);
    mem_free(r);
}

void reader_free_if_removed(struct changelog_reader *r)
{
    if (r->removed && r->track_count == 0) {
        reader_free(r);
    }
}

void changelog_reader_remove(struct changelog_reader **rp)
{
    struct changelog_reader *r = *rp;
    struct changelog *c = r->c;
    size_t at = 0;
    *rp = NULL;
    while (c->readers[at] != r) {
        at++;
    }
    c->reader_count--;
    for (; at < c->reader_count; at++) {
        c->readers[at] = c->readers[at + 1];
        c->names[at] = c->names[at + 1];
    }
    r->enabled = false;
    drop_all(r);
    loop_undefer(&r->pump);
    r->removed = true;
    reader_free_if_removed(r);
    changelog_check_stopped(c);
}

/* --- lists */

void reader_unlink(struct changelog_reader *r, struct track *t)
{
    if (t->state == TRACK_STATE_IDLE && list_is_linked(&t->node)) {
        r->idle_count--;
    }
    list_remove(&t->node);
    if (t->state == TRACK_STATE_PARKED) {
        struct park *park = map_get(r->parks, key_str(&t->key));
        if (park != NULL && list_is_empty(&park->tracks)) {
            map_remove(r->parks, key_str(&t->key));
        }
    }
}

void reader_enqueue(struct changelog_reader *r, struct track *t, bool front)
{
    reader_unlink(r, t);
    timer_stop(&t->timer);
    track_enter(t, TRACK_STATE_READY);
    if (front) {
        list_prepend(&r->ready, &t->node);
    } else {
        list_append(&r->ready, &t->node);
    }
}

void reader_park(struct changelog_reader *r, struct track *t)
{
    struct park *park = map_get(r->parks, key_str(&t->key));
    if (park == NULL) {
        park = MEM_NEW(struct park);
        list_init(&park->tracks);
        map_put(r->parks, key_str(&t->key), park);
    }
    list_append(&park->tracks, &t->node);
}

void reader_rest(struct changelog_reader *r, struct track *t)
{
    size_t readers = r->c->reader_count > 0 ? r->c->reader_count : 1;
    list_append(&r->idle, &t->node);
    r->idle_count++;
    while (r->idle_count > CHANGELOG_IDLE_MAX / readers) {
        track_drop(container_of(r->idle.next, struct track, node));
    }
}

/* --- slots */

static void fill_slots(struct changelog_reader *r)
{
    const struct changelog *c = r->c;
    while (r->enabled && !r->paused && !c->stopping && r->active < c->max_active) {
        struct list *node = list_pop(&r->ready);
        if (node == NULL) {
            return;
        }
        track_go(container_of(node, struct track, node));
    }
}

static void on_pump(struct deferred *d)
{
    struct changelog_reader *r = container_of(d, struct changelog_reader, pump);
    fill_slots(r);
    changelog_check_stopped(r->c);
}

void reader_pump(struct changelog_reader *r)
{
    loop_defer(r->c->loop, &r->pump, on_pump);
}

void reader_notice(struct changelog_reader *r, const struct store_acct *acct)
{
    struct track *t = map_get(r->tracks, str_of(acct->name));
    if (t != NULL && strcmp(t->acct.incarnation, acct->incarnation) != 0) {
        track_drop(t); /* of an account that was deleted and made anew */
        t = NULL;
    }
    if (t == NULL && !r->enabled) {
        return; /* it stays marked in the store; found by the scan when enabled */
    }
    if (t == NULL) {
        t = track_new(r, acct);
        map_put(r->tracks, str_of(t->acct.name), t);
    }
    t->more = true;
    if (t->behind_since_ms == 0) {
        t->behind_since_ms = clock_wall_ms();
    }
    if (t->state == TRACK_STATE_IDLE) {
        reader_enqueue(r, t, false);
        fill_slots(r); /* at once: the read goes out in this turn */
    }
}

void reader_forget(struct changelog_reader *r, struct str account_name)
{
    struct track *t = map_get(r->tracks, account_name);
    if (t != NULL) {
        track_drop(t);
        reader_pump(r);
    }
}

void reader_moved(struct changelog_reader *r)
{
    struct list idle;
    struct list *node;
    struct str name;
    void *value;
    list_move_all(&r->idle, &idle);
    r->idle_count = 0;
    while ((node = list_pop(&idle)) != NULL) {
        track_drop(container_of(node, struct track, node));
    }
    for (size_t it = 0; map_next(r->tracks, &it, &name, &value);) {
        struct track *t = value;
        t->known = false;
    }
}

/* --- waking, enabling, stopping */

size_t changelog_reader_wake(struct changelog_reader *r, uint64_t key, size_t count)
{
    struct park *park = map_get(r->parks, key_str(&key));
    size_t woken = 0;
    while (park != NULL && woken < count) {
        reader_enqueue(r, container_of(park->tracks.next, struct track, node), false);
        park = map_get(r->parks, key_str(&key)); /* gone with its last account */
        woken++;
    }
    if (woken > 0) {
        reader_pump(r);
    }
    return woken;
}

void changelog_reader_set_enabled(struct changelog_reader *r, bool enabled)
{
    if (r->enabled == enabled) {
        return;
    }
    r->enabled = enabled;
    log_at(LOG_INFO, "changelog", enabled ? "reader enabled" : "reader disabled",
           LOG_S("reader", r->name));
    if (enabled) {
        changelog_rescan(r->c);
        reader_pump(r);
    }
}

bool changelog_reader_is_enabled(const struct changelog_reader *r)
{
    return r->enabled;
}

void changelog_reader_set_paused(struct changelog_reader *r, bool paused)
{
    if (r->paused != paused) {
        r->paused = paused;
        log_at(LOG_INFO, "changelog", paused ? "reader paused" : "reader resumed",
               LOG_S("reader", r->name));
        reader_pump(r);
    }
}

bool changelog_reader_is_paused(const struct changelog_reader *r)
{
    return r->paused;
}

void reader_cancel_all(struct changelog_reader *r)
{
    struct str name;
    void *value;
    for (size_t it = 0; map_next(r->tracks, &it, &name, &value);) {
        struct track *t = value;
        if (t->state == TRACK_STATE_DELIVERING) {
            track_cancel(t);
        }
    }
}

void reader_stop_timers(struct changelog_reader *r)
{
    struct str name;
    void *value;
    for (size_t it = 0; map_next(r->tracks, &it, &name, &value);) {
        struct track *t = value;
        timer_stop(&t->timer);
        if (timer_is_set(&t->write_timer)) {
            timer_stop(&t->write_timer);
            track_write_cursor(t);
        }
    }
}

void changelog_reader_stats(const struct changelog_reader *r, struct changelog_stats *out)
{
    *out = r->stats;
    out->active = r->active;
    struct str name;
    void *value;
    for (size_t it = 0; map_next(r->tracks, &it, &name, &value);) {
        const struct track *t = value;
        bool delayed = t->state == TRACK_STATE_WAITING || t->state == TRACK_STATE_PARKED;
        out->delayed += delayed ? 1 : 0;
        out->waiting += delayed || t->state == TRACK_STATE_READY ? 1 : 0;
        bool older = t->behind_since_ms != 0 &&
                     (out->oldest_ms == 0 || t->behind_since_ms < out->oldest_ms);
        out->oldest_ms = older ? t->behind_since_ms : out->oldest_ms;
    }
}

struct changelog_reader *changelog_reader_find(struct changelog *c, struct str name)
{
    for (size_t i = 0; i < c->reader_count; i++) {
        if (str_eq_c(name, c->readers[i]->name)) {
            return c->readers[i];
        }
    }
    return NULL;
}

size_t changelog_reader_count(const struct changelog *c)
{
    return c->reader_count;
}

struct changelog_reader *changelog_reader_at(const struct changelog *c, size_t i)
{
    CHECK(i < c->reader_count);
    return c->readers[i];
}

const char *changelog_reader_name(const struct changelog_reader *r)
{
    return r->name;
}
