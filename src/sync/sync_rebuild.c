/* After UIDVALIDITY changed: the new index against its shadow.
 *
 *   LOAD ──► COUNT (both sides) ──► for each part:  OLD ──► NEW ──► FETCH ──► TELL ──► …
 *     └─(there is none)────────────────────────────────────────────────────────► FINISH
 *
 * A part holds the messages whose key falls into it: so many parts that one fits into
 * memory. Matched messages are silent but for flags; of the others, new ones are told if
 * they came after the last look at the mailbox, and old ones count as deleted if nearly
 * all messages can be recognised. What a part tells comes in a fixed order, and the record
 * counts how much of it was told: after a crash the rest follows, with the same event ids. */
#include "sync_match.h"
#include "sync_priv.h"

#include "postrider/base/check.h"
#include "postrider/base/clock.h"
#include "postrider/base/log.h"
#include "postrider/base/mem.h"

enum {
    PART_ROWS = 20000,
    TELL_SLICE = 500,  /* events in one commit */
    FETCH_SLICE = 500, /* new messages asked for at a time */
    FETCH_REPEATS =
        4, /* times as many rows are taken: changes of flags come in between */
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
    uint32_t *fresh; /* UIDs of new rows without a partner */
    size_t fresh_count, fresh_cap, fresh_at;
    struct arena arena; /* keywords of changes */
    size_t tell_at;     /* of the changes and leftovers of this part */
    size_t news_at;     /* of the rows fetched */
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

static void *grow(void *items, size_t count, size_t *cap, size_t size)
{
    if (count < *cap) {
        return items;
    }
    *cap = *cap > 0 ? *cap * 2 : 64;
    return mem_realloc(items, *cap * size);
}

/* --- LOAD, COUNT --- */

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
    const struct msg_row *former = sync_match_take(&r->old, key, row);
    if (former == NULL) {
        r->fresh = grow(r->fresh, r->fresh_count, &r->fresh_cap, sizeof *r->fresh);
        r->fresh[r->fresh_count++] = row->uid;
    } else if (!sync_same_flags(former, row)) {
        r->changes =
            grow(r->changes, r->change_count, &r->change_cap, sizeof *r->changes);
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
    r->change_count = r->fresh_count = r->fresh_at = r->news_at = 0;
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

/* The leftover rows move to the front once the part is matched. */
static void keep_leftovers(struct sync_rebuild *r)
{
    size_t kept = 0;
    bool told = r->telling && !r->old.overflow;
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
            keep_leftovers(r);
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

static void on_fresh_row(struct imap_fetch *op ATTR_UNUSED, const struct imap_row *row,
                         void *ctx)
{
    struct sync_pass *p = ctx;
    const struct mailbox *shadow = p->rebuild->shadow;
    const uint32_t need = IMAP_ITEM_UID | IMAP_ITEM_FLAGS | IMAP_ITEM_INTERNALDATE;
    /* What an index that never got complete did not show was never told. */
    bool unseen = shadow->phase != MAILBOX_PHASE_LIVE && shadow->epoch == 0;
    bool late = shadow->stored_ms != 0 &&
                row->internaldate_ms >= shadow->stored_ms - ARRIVED_SLACK_MS;
    if ((row->has & need) == need && (unseen || late) &&
        p->batch.new_count < (size_t)FETCH_SLICE * FETCH_REPEATS &&
        sync_new_content(&p->sc, p->m, row)) {
        sync_batch_new(&p->batch, p->m, row, true);
    }
}

static void on_fresh_end(struct imap_fetch *op ATTR_UNUSED, const struct err *err,
                         void *ctx)
{
    struct sync_pass *p = ctx;
    p->fetch = NULL;
    if (err->code != ERR_OK && err->code != ERR_NO) {
        sync_pass_fail(p, err, "fetch messages");
        return;
    }
    sync_batch_sort(&p->batch);
    p->rebuild->state = REBUILD_STATE_TELL_NEW;
    sync_pass_run(p);
}

static enum step step_fetch(struct sync_pass *p)
{
    static const struct imap_fetch_events events = {.on_row = on_fresh_row,
                                                    .on_end = on_fresh_end};
    struct sync_rebuild *r = p->rebuild;
    if (p->fetch != NULL) {
        return STEP_WAIT;
    }
    sync_batch_clear(&p->batch);
    size_t left = r->fresh_count - r->fresh_at;
    size_t n = left < FETCH_SLICE ? left : FETCH_SLICE;
    if (n == 0 || r->old.overflow) {
        r->fresh_at = r->fresh_count;
        r->state = REBUILD_STATE_TELL_NEW;
        return STEP_MORE;
    }
    struct arena arena = {0};
    struct imap_set set;
    struct buf text = BUF_INIT(64 * 1024);
    imap_set_from_numbers(&arena, r->fresh + r->fresh_at, n, &set);
    (void)imap_set_print(&text, &set, 0, 60 * 1024);
    struct imap_fetch_params params = {.by_uid = true,
                                       .set = buf_str(&text),
                                       .items =
                                           sync_row_items(p->conn) | p->sc.new_items};
    r->fresh_at += n;
    sync_pass_command(p);
    p->fetch = imap_fetch_start(p->conn, &params, SYNC_COMMAND_MS, &events, p);
    buf_fini(&text);
    arena_fini(&arena);
    return STEP_WAIT;
}

static enum step step_tell_new(struct sync_pass *p)
{
    struct sync_rebuild *r = p->rebuild;
    bool last = r->fresh_at == r->fresh_count;
    struct event events[FETCH_SLICE];
    struct msg_row rows[FETCH_SLICE];
    size_t n = 0;
    if (p->commit != NULL) {
        return STEP_WAIT;
    }
    for (size_t i = 0; i < p->batch.new_count && n < FETCH_SLICE; i++) {
        sync_event_new(&p->sc, p->m, &p->batch.news[i], NULL, &events[n]);
        rows[n++] = p->batch.news[i].row; /* its flags may be others than before */
    }
    if (last) {
        r->part++;
        r->tell_at = 0;
        p->m->rebuild = r->part + 1;
        p->m->rebuild_told = 0;
        begin_part(r);
    } else {
        r->state = REBUILD_STATE_FETCH;
    }
    /* The end of the last part is stored together with the end of it all. */
    if (n == 0 && (!last || r->state == REBUILD_STATE_FINISH)) {
        return STEP_MORE;
    }
    struct mailbox_change change = {.upserts = rows, .upsert_count = n};
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
