/* One account as one reader sees it (states: changelog.h). The cursor in memory moves with
 * every entry that is finished; one write of it at a time follows, so that entries
 * finished meanwhile share the next write. */
#include "changelog_priv.h"

#include "postrider/base/check.h"
#include "postrider/base/clock.h"
#include "postrider/base/log.h"
#include "postrider/base/mem.h"

#include <stdio.h>

enum {
    /* A parked account comes back by itself if whoever has the key forgets it. */
    PARKED_MAX_MS = 60 * 1000,
    /* Entries finished within this time share a write of the cursor: it costs about as
     * much as a delivery, and is what a crash repeats. */
    WRITE_GAP_MS = 20
};

static const struct backoff_policy store_policy = {
    .first_ms = 200, .max_ms = 5000, .factor_percent = 200, .jitter_percent = 20};

static void deliver_next(struct track *t);

const char *track_state_name(enum track_state state)
{
    static const char *const names[TRACK_STATE_COUNT] = {
        [TRACK_STATE_IDLE] = "idle",       [TRACK_STATE_READY] = "ready",
        [TRACK_STATE_LOADING] = "loading", [TRACK_STATE_DELIVERING] = "delivering",
        [TRACK_STATE_WAITING] = "waiting", [TRACK_STATE_PARKED] = "parked"};
    CHECK((size_t)state < TRACK_STATE_COUNT);
    return names[state];
}

static const struct {
    bool from[TRACK_STATE_COUNT];
} edges[TRACK_STATE_COUNT] = {
    [TRACK_STATE_IDLE] =
        {{[TRACK_STATE_LOADING] = true, [TRACK_STATE_DELIVERING] = true}},
    [TRACK_STATE_READY] = {{[TRACK_STATE_IDLE] = true,
                            [TRACK_STATE_LOADING] = true,
                            [TRACK_STATE_DELIVERING] = true,
                            [TRACK_STATE_WAITING] = true,
                            [TRACK_STATE_PARKED] = true}},
    [TRACK_STATE_LOADING] = {{[TRACK_STATE_READY] = true}},
    [TRACK_STATE_DELIVERING] =
        {{[TRACK_STATE_LOADING] = true, [TRACK_STATE_DELIVERING] = true}},
    [TRACK_STATE_WAITING] =
        {{[TRACK_STATE_LOADING] = true, [TRACK_STATE_DELIVERING] = true}},
    [TRACK_STATE_PARKED] = {{[TRACK_STATE_DELIVERING] = true}},
};

void track_enter(struct track *t, enum track_state state)
{
    CHECK(edges[state].from[t->state]);
    log_at(LOG_TRACE, "changelog", "track", LOG_S("account", t->acct.id),
           LOG_S("from", track_state_name(t->state)),
           LOG_S("to", track_state_name(state)));
    t->state = state;
}

struct track *track_new(struct changelog_reader *r, const struct store_acct *acct)
{
    struct track *t = MEM_NEW(struct track);
    t->reader = r;
    t->acct = *acct;
    t->acct.id = mem_strdup(acct->id);
    list_init(&t->node);
    r->track_count++;
    return t;
}

/* The page counts as that of an account with a slot, or is gone. */
static void release(struct track *t)
{
    t->reader->kept -= t->keeps ? 1 : 0;
    t->keeps = false;
}

static void page_free(struct track *t)
{
    for (size_t i = 0; i < t->page_count; i++) {
        event_fini(&t->page[i].event);
    }
    mem_free(t->page);
    t->page = NULL;
    t->page_count = t->page_next = 0;
    release(t);
}

static void free_if_gone(struct track *t)
{
    if (t->gone && t->ops == 0) {
        struct changelog_reader *r = t->reader;
        page_free(t);
        store_acct_fini(&t->acct);
        mem_free(t);
        r->track_count--;
        reader_free_if_removed(r);
    }
}

static bool has_slot(const struct track *t)
{
    return t->state == TRACK_STATE_LOADING || t->state == TRACK_STATE_DELIVERING;
}

static void give_slot_back(struct track *t)
{
    CHECK(t->reader->active > 0);
    t->reader->active--;
    mem_free(t->delivery);
    t->delivery = NULL;
    reader_pump(t->reader);
}

static void take_back(struct track *t)
{
    struct changelog_delivery *d = t->delivery;
    if (d->ending.node.next != NULL && list_is_linked(&d->ending.node)) {
        loop_undefer(&d->ending); /* the reader has finished with it already */
    } else {
        t->reader->params.cancel(d, &d->item, t->reader->params.ctx);
    }
}

void track_drop(struct track *t)
{
    struct changelog_reader *r = t->reader;
    if (t->state == TRACK_STATE_DELIVERING) {
        take_back(t);
    }
    if (has_slot(t)) {
        give_slot_back(t);
    }
    reader_unlink(r, t);
    timer_stop(&t->timer);
    timer_stop(&t->write_timer);
    store_log_read_cancel(t->read);
    (void)map_take(r->tracks, str_of(t->acct.name));
    t->gone = true;
    free_if_gone(t);
}

void track_cancel(struct track *t)
{
    take_back(t);
    page_free(t);
    give_slot_back(t);
    reader_enqueue(t->reader, t, true);
}

/* --- waiting */

static void on_time(struct timer *timer)
{
    struct track *t = container_of(timer, struct track, timer);
    page_free(t); /* it is as old as the wait was long */
    reader_enqueue(t->reader, t, false);
    reader_pump(t->reader);
}

/* Gives the slot and the entries back. */
static void wait_ms(struct track *t, int64_t delay_ms)
{
    page_free(t);
    give_slot_back(t);
    track_enter(t, TRACK_STATE_WAITING);
    if (!t->reader->c->stopping) {
        timer_set(t->reader->c->loop, &t->timer, delay_ms, on_time);
    }
}

/* Who waits for a place in most cases gets it soon: a few need not read again. */
static void keep_page(struct track *t)
{
    struct changelog_reader *r = t->reader;
    t->keeps =
        t->delivery->outcome.result == CHANGELOG_LATER && r->kept < CHANGELOG_KEPT_MAX;
    if (t->keeps) {
        r->kept++;
    } else {
        page_free(t);
    }
}

/* Waits for its key, at most that long. */
static void park(struct track *t, int64_t max_ms)
{
    keep_page(t);
    t->key = t->delivery->outcome.key;
    give_slot_back(t);
    track_enter(t, TRACK_STATE_PARKED);
    reader_park(t->reader, t);
    if (!t->reader->c->stopping) {
        timer_set(t->reader->c->loop, &t->timer, max_ms, on_time);
    }
}

/* --- the store's failures */

/* Nothing can be done for the account here any more: another node has it, or it is gone. */
static bool is_lost(const struct err *err)
{
    return err->code == ERR_FENCED || err->code == ERR_NO_ACCOUNT ||
           err->code == ERR_STALE;
}

static void reading_failed(struct track *t, const struct err *err)
{
    if (is_lost(err)) {
        track_drop(t);
        return;
    }
    int64_t delay_ms = backoff_next_ms(&t->store_backoff, &store_policy);
    log_at(LOG_DEBUG, "changelog", "log not read; trying again",
           LOG_S("account", t->acct.id), LOG_I("delay_ms", delay_ms),
           LOG_ERR_FIELDS(err));
    wait_ms(t, delay_ms);
}

/* --- the cursor */

bool track_is_written(const struct track *t)
{
    return !t->writing && strcmp(t->cursor, t->written) == 0;
}

static void on_write_timer(struct timer *timer)
{
    track_write_cursor(container_of(timer, struct track, write_timer));
}

static void writing_failed(struct track *t, const struct err *err)
{
    struct changelog *c = t->reader->c;
    if (is_lost(err)) {
        track_drop(t);
        if (err->code == ERR_STALE) {
            changelog_rescan(c); /* a replay moved the cursor: it goes on from there */
        }
    } else if (!c->stopping) {
        timer_set(c->loop, &t->write_timer,
                  backoff_next_ms(&t->store_backoff, &store_policy), on_write_timer);
    }
}

static void written(struct track *t)
{
    (void)snprintf(t->written, sizeof t->written, "%s", t->sent);
    backoff_reset(&t->store_backoff);
    if (!track_is_written(t)) {
        track_write_cursor(t);
    } else if (t->state == TRACK_STATE_IDLE) {
        reader_rest(t->reader, t);
    }
}

static void on_cursor_set(struct store_log_op *op ATTR_UNUSED, const struct err *err,
                          void *ctx)
{
    struct track *t = ctx;
    struct changelog *c = t->reader->c;
    t->ops--;
    t->writing = false;
    if (t->gone) {
        free_if_gone(t);
    } else if (err->code != ERR_OK) {
        writing_failed(t, err);
    } else {
        written(t);
    }
    changelog_op_ended(c);
}

void track_write_cursor(struct track *t)
{
    struct changelog *c = t->reader->c;
    if (t->writing || timer_is_set(&t->write_timer) ||
        strcmp(t->cursor, t->written) == 0) {
        return;
    }
    int64_t wait_ms = t->wrote_ms + WRITE_GAP_MS - loop_now_ms(c->loop);
    if (wait_ms > 0 && !c->stopping) {
        timer_set(c->loop, &t->write_timer, wait_ms, on_write_timer);
        return;
    }
    t->wrote_ms = loop_now_ms(c->loop);
    t->writing = true;
    t->ops++;
    changelog_op_begun(c);
    (void)snprintf(t->sent, sizeof t->sent, "%s", t->cursor);
    const struct store_cursor_write write = {.reader = t->reader->name,
                                             .entry_id = t->sent,
                                             .moves = t->moves,
                                             .readers = c->names,
                                             .reader_count = c->reader_count};
    (void)store_cursor_set_start(c->store, &t->acct, &write, on_cursor_set, t);
}

/* The time of an entry is in its id. */
static void note_oldest(struct track *t)
{
    uint64_t ms = 0, seq;
    if (t->page_next < t->page_count &&
        store_entry_id_split(t->page[t->page_next].entry_id, &ms, &seq)) {
        t->behind_since_ms = (int64_t)ms;
    } else if (!t->more) {
        t->behind_since_ms = 0;
    }
}

static void advance(struct track *t)
{
    (void)snprintf(t->cursor, sizeof t->cursor, "%s", t->page[t->page_next].entry_id);
    t->page_next++;
    note_oldest(t);
    t->tries = 0;
    t->parts = 0;
    t->first_tried_ms = 0;
    track_write_cursor(t);
}

/* --- reading */

static void copy_entry(struct log_entry *to, const struct log_entry *from)
{
    *to = *from;
    if (from->readable) {
        event_copy(&to->event, &from->event);
    } else {
        to->event = (struct event){.type = from->event.type};
    }
}

static void take_page(struct track *t, const struct log_entry *entries, size_t count,
                      bool gap)
{
    if (gap && t->cursor[0] != '\0') {
        t->reader->stats.gaps++;
        log_at(LOG_WARN, "changelog", "entries were trimmed before this reader saw them",
               LOG_S("reader", t->reader->name), LOG_S("account", t->acct.id));
    }
    t->page = mem_array(count > 0 ? count : 1, sizeof *t->page);
    for (size_t i = 0; i < count; i++) {
        copy_entry(&t->page[i], &entries[i]);
    }
    t->page_count = count;
    t->page_next = 0;
    note_oldest(t);
    t->more = t->more || count == CHANGELOG_PAGE;
    deliver_next(t);
}

/* Nothing new is begun while stopping, or when the reader was disabled or paused meanwhile. */
static bool must_rest(const struct track *t)
{
    return t->reader->c->stopping || !t->reader->enabled || t->reader->paused;
}

static void on_log(struct store_log_read *op ATTR_UNUSED, const struct err *err,
                   const struct log_entry *entries, size_t count, bool gap, void *ctx)
{
    struct track *t = ctx;
    struct changelog *c = t->reader->c;
    t->ops--;
    t->read = NULL;
    if (t->gone) {
        free_if_gone(t);
    } else if (err->code != ERR_OK) {
        reading_failed(t, err);
    } else {
        backoff_reset(&t->store_backoff);
        take_page(t, entries, count, gap);
    }
    changelog_op_ended(c);
}

static void read_page(struct track *t)
{
    struct changelog *c = t->reader->c;
    t->more = false; /* an append from now on sets it again */
    t->ops++;
    changelog_op_begun(c);
    t->read =
        store_log_read_start(c->store, &t->acct, t->cursor, CHANGELOG_PAGE, on_log, t);
}

/* A cursor that a replay moved begins anew there. */
static void take_cursor(struct track *t, const struct store_cursor *cursor)
{
    if (t->moves != cursor->moves) {
        t->tries = 0;
        t->first_tried_ms = 0;
    }
    t->moves = cursor->moves;
    (void)snprintf(t->cursor, sizeof t->cursor, "%s", cursor->entry_id);
}

/* Without a stored cursor it stands where the reader began; that is stored, or the account
 * would count as unread until the next entry. */
static void find_cursor(struct track *t, const struct store_cursor *cursors, size_t count)
{
    struct store_cursor none = {0};
    const struct store_cursor *found = &none;
    (void)snprintf(none.entry_id, sizeof none.entry_id, "%s", t->reader->since);
    for (size_t i = 0; i < count; i++) {
        found = str_eq_c(cursors[i].reader, t->reader->name) ? &cursors[i] : found;
    }
    take_cursor(t, found);
    (void)snprintf(t->written, sizeof t->written, "%s", found == &none ? "" : t->cursor);
    track_write_cursor(t);
}

static void on_cursors(struct store_cursors *op ATTR_UNUSED, const struct err *err,
                       const struct store_cursor *cursors, size_t count, void *ctx)
{
    struct track *t = ctx;
    struct changelog *c = t->reader->c;
    t->ops--;
    if (t->gone) {
        free_if_gone(t);
    } else if (err->code != ERR_OK) {
        reading_failed(t, err);
    } else {
        find_cursor(t, cursors, count);
        t->known = true;
        read_page(t);
    }
    changelog_op_ended(c);
}

void track_go(struct track *t)
{
    struct changelog *c = t->reader->c;
    t->reader->active++;
    track_enter(t, TRACK_STATE_LOADING);
    if (t->known && t->page != NULL) {
        release(t);
        deliver_next(t);
        return;
    }
    page_free(t); /* a replay moved the cursor meanwhile */
    if (t->known) {
        read_page(t);
        return;
    }
    t->ops++;
    changelog_op_begun(c);
    (void)store_cursors_start(c->store, &t->acct, on_cursors, t);
}

/* --- delivering */

static void skip_unreadable(struct track *t)
{
    while (t->page_next < t->page_count && !t->page[t->page_next].readable) {
        log_at(LOG_WARN, "changelog", "an entry cannot be read and is passed over",
               LOG_S("account", t->acct.id),
               LOG_S("entry", t->page[t->page_next].entry_id));
        t->reader->stats.unreadable++;
        advance(t);
    }
}

/* Everything of this page is delivered, or nothing more may be. */
static void end_page(struct track *t)
{
    bool again = t->more || t->page_next < t->page_count;
    page_free(t);
    give_slot_back(t);
    if (again) {
        reader_enqueue(t->reader, t, false);
        return;
    }
    track_enter(t, TRACK_STATE_IDLE);
    if (track_is_written(t)) {
        reader_rest(t->reader, t);
    }
}

static void deliver_next(struct track *t)
{
    skip_unreadable(t);
    if (t->page_next == t->page_count || must_rest(t)) {
        end_page(t);
        return;
    }
    const struct log_entry *entry = &t->page[t->page_next];
    track_enter(t, TRACK_STATE_DELIVERING);
    struct changelog_delivery *d = t->delivery;
    if (d == NULL) {
        d = t->delivery = MEM_NEW(struct changelog_delivery);
        d->track = t;
    }
    d->item = (struct changelog_item){.acct = &t->acct,
                                      .entry_id = entry->entry_id,
                                      .event = &entry->event,
                                      .tries = t->tries,
                                      .parts = t->parts,
                                      .first_tried_ms = t->first_tried_ms};
    t->reader->params.deliver(d, &d->item, t->reader->params.ctx);
}

static void retry(struct track *t)
{
    t->reader->stats.retries++;
    t->tries++;
    if (t->first_tried_ms == 0) {
        t->first_tried_ms = clock_wall_ms();
    }
    const struct changelog_outcome *outcome = &t->delivery->outcome;
    if (outcome->key != 0) {
        park(t, outcome->retry_ms);
    } else {
        wait_ms(t, outcome->retry_ms);
    }
}

static void finish(struct track *t, bool dead)
{
    if (dead) {
        t->reader->stats.dead++;
        log_at(LOG_WARN, "changelog", "an entry could not be delivered and is given up",
               LOG_S("reader", t->reader->name), LOG_S("account", t->acct.id),
               LOG_S("event", t->page[t->page_next].event.id),
               LOG_I("tries", t->tries + 1));
    } else {
        t->reader->stats.done++;
    }
    advance(t);
    deliver_next(t);
}

static void pause_reader(struct track *t)
{
    changelog_reader_set_enabled(t->reader, false);
    page_free(t);
    give_slot_back(t);
    reader_enqueue(t->reader, t, true);
}

static void on_delivered(struct deferred *d)
{
    struct track *t = container_of(d, struct changelog_delivery, ending)->track;
    switch (t->delivery->outcome.result) {
    case CHANGELOG_DONE:
    case CHANGELOG_DEAD:
        finish(t, t->delivery->outcome.result == CHANGELOG_DEAD);
        break;
    case CHANGELOG_RETRY:
        retry(t);
        break;
    case CHANGELOG_LATER:
        park(t, PARKED_MAX_MS);
        break;
    case CHANGELOG_PAUSE:
        pause_reader(t);
        break;
    }
}

void changelog_delivery_done(struct changelog_delivery *d,
                             const struct changelog_outcome *outcome)
{
    struct track *t = d->track;
    CHECK(t->state == TRACK_STATE_DELIVERING);
    d->outcome = *outcome;
    t->parts = outcome->parts;
    if (outcome->result == CHANGELOG_LATER) {
        /* At once: the key may be woken before a deferred call would run. */
        park(t, PARKED_MAX_MS);
    } else {
        loop_defer(t->reader->c->loop, &d->ending, on_delivered);
    }
}
