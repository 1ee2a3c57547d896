/* After UIDVALIDITY changed: the new index against its shadow.
 *
 *   LOAD ──► COUNT (both sides) ──► for each part:  OLD ──► NEW ──► FETCH ──► TELL ──► …
 *     └─(there is none)────────────────────────────────────────────────────────► FINISH
 *
 * A part holds the messages whose key falls into it: so many parts that one fits into
 * memory. Matched messages are silent but for flags; of the others, new ones are told if
 * they came after the last look at the mailbox, and old ones count as deleted if nearly
 * all messages can be recognised. A message that was moved here keeps its date, so where few
 * have no partner, or few of before are left that could be one, all without count as new
 * whatever their date is; else they would rather be those that were there, under other marks,
 * unless EMAILID says that they are not. What a part tells comes in a fixed order, and the
 * record counts how much of it was told: after a crash the rest follows, with the same event
 * ids.
 *
 * A row without a partner that the server does not show any more leaves the index as
 * silently as it came: nobody knows of that message, so nobody may hear that it changed or
 * went. If it is there after all, the pass finds it as one that appeared late.
 *
 * UIDVALIDITY may change once more while something is already told: the server cannot be
 * asked for these UIDs then. The comparison ends without it (p->outdated), with no row but
 * those that are known, and what it leaves becomes the next shadow. */
#include "sync_match.h"
#include "sync_priv.h"

#include "postrider/base/check.h"
#include "postrider/base/clock.h"
#include "postrider/base/log.h"
#include "postrider/base/mem.h"

#include <stdlib.h>
#include <string.h>

enum {
    PART_ROWS = 20000,
    TELL_SLICE = 500,  /* events in one commit */
    FETCH_SLICE = 500, /* new messages asked for at a time */
    FEW_MIN = 50,      /* so many, or … */
    FEW_PERCENT = 10,  /* … this part of them, are few */
    ARRIVED_SLACK_MS = 10 * 60 * 1000
};

enum rebuild_state {
    REBUILD_STATE_LOAD,
    REBUILD_STATE_COUNT_OLD,
    REBUILD_STATE_COUNT_NEW,
    REBUILD_STATE_OLD,
    REBUILD_STATE_NEW,
    REBUILD_STATE_TELL,
    REBUILD_STATE_FETCH,
    REBUILD_STATE_TELL_NEW,
    REBUILD_STATE_FINISH,
    REBUILD_STATE_DONE
};

struct sync_rebuild {
    enum rebuild_state state;
    struct store_shadow *load;
    struct mailbox *shadow;
    struct sync_match_facts old_side, new_side;
    bool by_email, telling;
    uint32_t parts, part;
    struct sync_match old;       /* rows of the part */
    struct sync_change *changes; /* matched, other flags */
    size_t change_count, change_cap;
    size_t new_rows; /* of the part */
    uint32_t *fresh; /* UIDs of new rows without a partner, rising */
    size_t fresh_count, fresh_cap;
    size_t fresh_at, fresh_end; /* those asked for at a time */
    uint32_t gone[FETCH_SLICE]; /* of these: not shown any more */
    size_t gone_count;
    struct arena arena; /* keywords of changes */
    size_t tell_at; /* of the changes, leftovers and then the fresh rows of this part */
};

static struct sync_pass *pass_of(struct op *op)
{
    return container_of(op, struct sync_pass, op);
}

void sync_rebuild_cancel(struct sync_rebuild *r)
{
    if (r != NULL) {
        store_shadow_cancel(r->load);
    }
}

void sync_rebuild_free(struct sync_rebuild **rp)
{
    struct sync_rebuild *r = *rp;
    if (r == NULL) {
        return;
    }
    *rp = NULL;
    mailbox_free(&r->shadow);
    sync_match_fini(&r->old);
    arena_fini(&r->arena);
    mem_free(r->changes);
    mem_free(r->fresh);
    mem_free(r);
}

/* --- LOAD, COUNT --- */

/* Whatever its date, a message that such an index did not have was never told: it never
 * got complete, or was complete and empty. Fast indexes are empty and tell nothing. */
static bool knows_nothing(const struct mailbox *shadow)
{
    return shadow->phase == MAILBOX_PHASE_LIVE
               ? shadow->count == 0 && shadow->low_uid <= 1
               : shadow->epoch == 0;
}

static void on_shadow(struct store_shadow *op ATTR_UNUSED, const struct err *err,
                      struct mailbox *shadow, void *ctx)
{
    struct sync_pass *p = ctx;
    struct sync_rebuild *r = p->rebuild;
    r->load = NULL;
    r->shadow = shadow;
    bool damaged = err->code == ERR_CORRUPT || err->code == ERR_DECRYPT;
    if (err->code != ERR_OK && err->code != ERR_NOT_FOUND && !damaged) {
        sync_pass_fail(p, err, "read the former index");
        return;
    }
    if (err->code != ERR_OK) {
        /* Nothing to compare with: what there is now counts as known. */
        log_at(LOG_WARN, "sync", "the former index is not to be had",
               LOG_S("account", p->sc.acct->name), LOG_ERR_FIELDS(err));
    }
    if (shadow != NULL && p->outdated) {
        /* For the next comparison: since when is it that messages are news? */
        p->m->stored_ms = knows_nothing(shadow) ? 1 : shadow->stored_ms;
    }
    r->state = shadow != NULL ? REBUILD_STATE_COUNT_OLD : REBUILD_STATE_FINISH;
    sync_pass_run(p);
}

static void count_rows(struct sync_match_facts *facts, const struct msg_row *rows,
                       size_t count)
{
    for (size_t i = 0; i < count; i++) {
        sync_match_count(facts, &rows[i]);
    }
}

static bool is_in_part(const struct sync_rebuild *r, uint64_t key)
{
    return key % r->parts == r->part;
}

static void take_old(struct sync_rebuild *r, const struct msg_row *row)
{
    uint64_t key = sync_match_key(row, r->by_email);
    if (is_in_part(r, key) && (key != 0 || r->telling)) {
        sync_match_add(&r->old, key, row);
    }
}

static struct msg_row keep_row(struct sync_rebuild *r, const struct msg_row *row)
{
    struct msg_row copy = *row;
    copy.email_id = STR_NULL;
    copy.keywords = row->keyword_count > 0
                        ? arena_memdup(&r->arena, row->keywords, row->keyword_count)
                        : NULL;
    return copy;
}

static void take_new(struct sync_pass *p, const struct msg_row *row)
{
    struct sync_rebuild *r = p->rebuild;
    uint64_t key = sync_match_key(row, r->by_email);
    if (!is_in_part(r, key)) {
        return;
    }
    r->new_rows++;
    const struct msg_row *former = sync_match_take(&r->old, key, row);
    if (former == NULL) {
        r->fresh = sync_grow(r->fresh, r->fresh_count, &r->fresh_cap, sizeof *r->fresh);
        r->fresh[r->fresh_count++] = row->uid;
    } else if (!sync_same_flags(former, row)) {
        r->changes =
            sync_grow(r->changes, r->change_count, &r->change_cap, sizeof *r->changes);
        struct sync_change *change = &r->changes[r->change_count++];
        change->before = keep_row(r, former);
        change->after = keep_row(r, row);
        if (change->after.modseq == 0) {
            /* Names the change in its event id, also when it is found once more. */
            change->after.modseq = (uint64_t)p->m->uid_validity << 32;
        }
    }
}

static void on_rows(struct store_scan *op ATTR_UNUSED, const struct msg_row *rows,
                    size_t count, void *ctx)
{
    struct sync_pass *p = ctx;
    struct sync_rebuild *r = p->rebuild;
    if (r->state == REBUILD_STATE_COUNT_OLD) {
        count_rows(&r->old_side, rows, count);
        return;
    }
    if (r->state == REBUILD_STATE_COUNT_NEW) {
        count_rows(&r->new_side, rows, count);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        if (r->state == REBUILD_STATE_OLD) {
            take_old(r, &rows[i]);
        } else {
            take_new(p, &rows[i]);
        }
    }
}

static void begin_part(struct sync_rebuild *r)
{
    sync_match_clear(&r->old);
    arena_reset(&r->arena);
    r->change_count = r->fresh_count = r->fresh_at = r->fresh_end = r->new_rows = 0;
    r->state = r->part < r->parts ? REBUILD_STATE_OLD : REBUILD_STATE_FINISH;
}

static void plan_parts(struct sync_pass *p)
{
    struct sync_rebuild *r = p->rebuild;
    r->by_email = sync_match_by_email(&r->old_side, &r->new_side);
    r->telling = sync_match_is_telling(&r->old_side, &r->new_side, r->by_email);
    r->parts = (uint32_t)(r->old_side.rows / PART_ROWS) + 1;
    r->part = p->m->rebuild - 1;
    r->tell_at = p->m->rebuild_told;
    begin_part(r);
}

/* An index that begins at another date: what it has not, or what only the new one has, may be
 * older than the one date or the other. */
static bool has_other_date(const struct sync_pass *p)
{
    const struct mailbox *shadow = p->rebuild->shadow;
    return shadow->since_day != p->m->since_day &&
           (shadow->first_uid > 1 || p->m->first_uid > 1);
}

/* The leftover rows move to the front once the part is matched. */
static void keep_leftovers(const struct sync_pass *p)
{
    struct sync_rebuild *r = p->rebuild;
    size_t kept = 0;
    bool told = r->telling && !r->old.overflow && !has_other_date(p);
    for (size_t i = 0; told && i < r->old.count; i++) {
        if (!r->old.rows[i].taken) {
            r->old.rows[kept++] = r->old.rows[i];
        }
    }
    r->old.count = kept;
}

static void on_scanned(struct store_scan *op ATTR_UNUSED, const struct err *err,
                       void *ctx)
{
    struct sync_pass *p = ctx;
    struct sync_rebuild *r = p->rebuild;
    p->scan = NULL;
    if (err->code != ERR_OK) {
        sync_pass_fail(p, err, "compare with the former index");
        return;
    }
    if (r->state == REBUILD_STATE_COUNT_NEW) {
        plan_parts(p);
    } else {
        if (r->state == REBUILD_STATE_OLD) {
            sync_match_sort(&r->old);
        } else if (r->state == REBUILD_STATE_NEW) {
            keep_leftovers(p);
        }
        r->state++;
    }
    sync_pass_run(p);
}

static enum step step_scan(struct sync_pass *p, const struct mailbox *side)
{
    if (p->scan == NULL) {
        p->scan = store_scan_start(p->sc.store, p->sc.acct, side, 1, UINT32_MAX, on_rows,
                                   on_scanned, p);
    }
    return STEP_WAIT;
}

/* --- TELL: changes, then what is left over --- */

static void on_told(struct store_commit *op ATTR_UNUSED, const struct err *err, void *ctx)
{
    struct sync_pass *p = ctx;
    p->commit = NULL;
    sync_batch_clear(&p->batch);
    if (err->code != ERR_OK) {
        sync_pass_fail(p, err, "store changes");
        return;
    }
    sync_pass_run(p);
}

static enum step step_tell(struct sync_pass *p)
{
    struct sync_rebuild *r = p->rebuild;
    if (p->commit != NULL) {
        return STEP_WAIT;
    }
    size_t all = r->change_count + r->old.count;
    if (r->tell_at >= all) {
        /* Behind these stand the fresh rows that a run before this one was done with. */
        size_t done = r->tell_at - all;
        r->fresh_at = done < r->fresh_count ? done : r->fresh_count;
        r->state = REBUILD_STATE_FETCH;
        return STEP_MORE;
    }
    struct event events[TELL_SLICE];
    size_t n = 0;
    for (; n < TELL_SLICE && r->tell_at < all; n++, r->tell_at++) {
        if (r->tell_at < r->change_count) {
            const struct sync_change *c = &r->changes[r->tell_at];
            sync_event_updated(&p->sc, p->m, &c->before, &c->after, &events[n]);
        } else {
            uint32_t uid = r->old.rows[r->tell_at - r->change_count].row.uid;
            sync_event_deleted(&p->sc, r->shadow, uid, &events[n]);
        }
    }
    p->m->rebuild_told = (uint32_t)r->tell_at;
    struct mailbox_change change = {0};
    sync_pass_commit(p, &change, events, n, 0, on_told);
    return STEP_WAIT;
}

/* --- FETCH, TELL_NEW: rows without a partner --- */

static int by_uid(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

/* It is shown, so it stays. Rows come once each, and mostly in order: then it is the first. */
static void forget_gone(struct sync_rebuild *r, uint32_t uid)
{
    uint32_t *at = r->gone_count > 0
                       ? bsearch(&uid, r->gone, r->gone_count, sizeof *r->gone, by_uid)
                       : NULL;
    if (at != NULL) {
        size_t behind = r->gone_count - (size_t)(at - r->gone) - 1;
        memmove(at, at + 1, behind * sizeof *at);
        r->gone_count--;
    }
}

/* Of messages that another session expunged, Dovecot shows what is left: nothing. */
static bool is_torn(const struct imap_row *row)
{
    const uint32_t marks = IMAP_ITEM_INTERNALDATE | IMAP_ITEM_SIZE;
    return (row->has & marks) == marks && row->internaldate_ms <= 0 && row->size == 0;
}

static bool are_strangers(const struct sync_rebuild *r)
{
    size_t few = r->new_rows * FEW_PERCENT / 100;
    size_t pairs = r->fresh_count < r->old.count ? r->fresh_count : r->old.count;
    /* No two messages have the same EMAILID: these were not there under another. */
    return r->by_email || (r->telling && pairs <= (few > FEW_MIN ? few : FEW_MIN));
}

static bool is_news(const struct sync_pass *p, const struct imap_row *row)
{
    const struct sync_rebuild *r = p->rebuild;
    const struct mailbox *shadow = r->shadow;
    bool late = shadow->stored_ms != 0 &&
                row->internaldate_ms >= shadow->stored_ms - ARRIVED_SLACK_MS;
    return late || knows_nothing(shadow) || (are_strangers(r) && !has_other_date(p));
}

static void on_fresh_row(void *ctx, const struct imap_row *row)
{
    struct sync_pass *p = ctx;
    struct sync_rebuild *r = p->rebuild;
    const uint32_t need = IMAP_ITEM_UID | IMAP_ITEM_FLAGS | IMAP_ITEM_INTERNALDATE;
    if (is_torn(row)) {
        return;
    }
    forget_gone(r, row->uid);
    if ((row->has & need) == need && is_news(p, row) &&
        sync_new_content(&p->sc, p->m, row)) {
        sync_batch_new(&p->batch, p->m, row, true);
    }
}

static void on_fresh_end(struct sync_rescue *op ATTR_UNUSED, const struct err *err,
                         void *ctx)
{
    struct sync_pass *p = ctx;
    if (!sync_pass_rescued(p, err)) {
        return;
    }
    sync_batch_sort(&p->batch, p->m);
    p->rebuild->state = REBUILD_STATE_TELL_NEW;
    sync_pass_run(p);
}

static enum step step_fetch(struct sync_pass *p)
{
    struct sync_rebuild *r = p->rebuild;
    if (p->rescue != NULL) {
        return STEP_WAIT;
    }
    sync_batch_clear(&p->batch);
    size_t left = r->old.overflow ? 0 : r->fresh_count - r->fresh_at;
    size_t n = left < FETCH_SLICE ? left : FETCH_SLICE;
    r->fresh_end = r->old.overflow ? r->fresh_count : r->fresh_at + n;
    r->gone_count = n;
    if (n > 0) {
        memcpy(r->gone, r->fresh + r->fresh_at, n * sizeof *r->gone);
    }
    if (n == 0 || p->outdated) {
        r->state = REBUILD_STATE_TELL_NEW;
        return STEP_MORE;
    }
    sync_pass_command(p);
    p->rescue = sync_rescue_start(p->conn, r->fresh + r->fresh_at, n,
                                  sync_row_items(p->conn) | p->sc.new_items, on_fresh_row,
                                  on_fresh_end, p);
    return STEP_WAIT;
}

static enum step step_tell_new(struct sync_pass *p)
{
    struct sync_rebuild *r = p->rebuild;
    bool last = r->fresh_end == r->fresh_count;
    struct event events[FETCH_SLICE];
    struct msg_row rows[FETCH_SLICE];
    if (p->commit != NULL) {
        return STEP_WAIT;
    }
    size_t n = p->batch.new_count;
    CHECK(n <= FETCH_SLICE);
    for (size_t i = 0; i < n; i++) {
        sync_event_new(&p->sc, p->m, &p->batch.news[i], NULL, &events[i]);
        rows[i] = p->batch.news[i].row; /* its flags may be others than before */
    }
    struct mailbox_change change = {.upserts = rows,
                                    .upsert_count = n,
                                    .deletes = r->gone,
                                    .delete_count = r->gone_count};
    if (last) {
        r->part++;
        r->tell_at = 0;
        p->m->rebuild = r->part + 1;
        begin_part(r);
    } else {
        /* Those that stay are found again, in this order. */
        r->tell_at += r->fresh_end - r->fresh_at - r->gone_count;
        r->fresh_at = r->fresh_end;
        r->state = REBUILD_STATE_FETCH;
    }
    p->m->rebuild_told = (uint32_t)r->tell_at;
    /* The end of the last part is stored together with the end of it all. */
    if (n + change.delete_count == 0 && (!last || r->state == REBUILD_STATE_FINISH)) {
        return STEP_MORE;
    }
    sync_pass_commit(p, &change, events, n, 0, on_told);
    return STEP_WAIT;
}

/* --- FINISH --- */

static enum step step_finish(struct sync_pass *p)
{
    struct mailbox_change change = {.drop_shadow = true};
    if (p->commit != NULL) {
        return STEP_WAIT;
    }
    p->m->rebuild = 0;
    p->m->rebuild_told = 0;
    p->rebuild->state = REBUILD_STATE_DONE;
    sync_pass_commit(p, &change, NULL, 0, 0, on_told);
    return STEP_WAIT;
}

static enum step step_done(struct sync_pass *p)
{
    if (p->commit != NULL) {
        return STEP_WAIT;
    }
    sync_rebuild_free(&p->rebuild);
    if (p->outdated) {
        p->outdated = false;
        p->m->phase = MAILBOX_PHASE_NEW;
        sync_pass_enter(p, PASS_STATE_COMPARE);
        return STEP_MORE;
    }
    /* What happened meanwhile is found by comparing, as after any absence. */
    p->compare_all = true;
    p->uid_next = 0;
    sync_pass_enter(p, PASS_STATE_NEW);
    return STEP_MORE;
}

static enum step step_load(struct sync_pass *p)
{
    struct sync_rebuild *r = p->rebuild;
    if (r->load == NULL) {
        r->load = store_shadow_start(p->sc.store, p->sc.acct, p->m->box, on_shadow, p);
    }
    return STEP_WAIT;
}

enum step sync_rebuild_step(struct op *op)
{
    struct sync_pass *p = pass_of(op);
    if (p->rebuild == NULL) {
        p->rebuild = MEM_NEW(struct sync_rebuild);
    }
    struct sync_rebuild *r = p->rebuild;
    switch (r->state) {
    case REBUILD_STATE_LOAD:
        return step_load(p);
    case REBUILD_STATE_COUNT_OLD:
    case REBUILD_STATE_OLD:
        return step_scan(p, r->shadow);
    case REBUILD_STATE_COUNT_NEW:
    case REBUILD_STATE_NEW:
        return step_scan(p, p->m);
    case REBUILD_STATE_TELL:
        return step_tell(p);
    case REBUILD_STATE_FETCH:
        return step_fetch(p);
    case REBUILD_STATE_TELL_NEW:
        return step_tell_new(p);
    case REBUILD_STATE_FINISH:
        return step_finish(p);
    case REBUILD_STATE_DONE:
        return step_done(p);
    }
    return STEP_DONE;
}
