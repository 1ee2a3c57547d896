/* After another UIDVALIDITY the index begins no higher than the former one did. What that had is
 * not always as young as the date: mail that was moved there keeps its own. SEARCH SINCE does not
 * find it, and who heard of it would hear that it went.
 *
 *   READ: marks of the lowest messages of the former index
 *   HELD: the highest of those below ──┬─ some are known by them ─► it begins there; COUNT, and
 *                                      │                            HELD again, of twice as many
 *                                      └─ none is ────────────────► it begins where it shall
 *
 * UIDs are given anew in the same order as a rule, so nothing lies between those that are found and
 * the others. Before the first commit of the new epoch the former index is that of the mailbox, and
 * its shadow while it is still being compared. */
#include "sync_match.h"
#include "sync_priv.h"

#include "postrider/base/mem.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    READ_SEGMENTS = 64, /* of the former index */
    FIRST_CHUNK = 100,
    LAST_CHUNK = 6400
};

void sync_held_fini(struct sync_held *h)
{
    mailbox_free(&h->shadow);
    mem_free(h->keys);
    *h = (struct sync_held){0};
}

/* --- READ --- */

static void add_key(struct sync_held *h, uint64_t key)
{
    if (key != 0) {
        h->keys = sync_grow(h->keys, h->count, &h->cap, sizeof *h->keys);
        h->keys[h->count++] = key;
    }
}

static void on_rows(struct store_scan *op ATTR_UNUSED, const struct msg_row *rows,
                    size_t count, void *ctx)
{
    struct sync_pass *p = ctx;
    for (size_t i = 0; i < count; i++) {
        add_key(&p->floor.held, sync_match_key(&rows[i], true));
        add_key(&p->floor.held, sync_match_key(&rows[i], false));
    }
}

static int cmp_key(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static void on_scanned(struct store_scan *op ATTR_UNUSED, const struct err *err,
                       void *ctx)
{
    struct sync_pass *p = ctx;
    struct sync_held *h = &p->floor.held;
    p->scan = NULL;
    if (err->code != ERR_OK) {
        sync_pass_fail(p, err, "read the former index");
        return;
    }
    if (h->count > 1) {
        qsort(h->keys, h->count, sizeof *h->keys, cmp_key);
    }
    h->chunk = FIRST_CHUNK;
    sync_floor_enter(p, FLOOR_STATE_COUNT);
}

/* False: it tells nothing of where the new one is to begin. */
static bool read_index(struct sync_pass *p, const struct mailbox *former)
{
    struct sync_floor *f = &p->floor;
    if (former->since_day != f->day || former->segment_count == 0) {
        return false;
    }
    if (former->first_uid <= 1) {
        f->target = 1; /* it had all */
        return false;
    }
    size_t n =
        former->segment_count < READ_SEGMENTS ? former->segment_count : READ_SEGMENTS;
    p->scan = store_scan_start(p->sc.store, p->sc.acct, former, 1,
                               former->segments[n - 1].last_uid, on_rows, on_scanned, p);
    return true;
}

static void on_shadow(struct store_shadow *op ATTR_UNUSED, const struct err *err,
                      struct mailbox *shadow, void *ctx)
{
    struct sync_pass *p = ctx;
    struct sync_held *h = &p->floor.held;
    bool none = err->code == ERR_NOT_FOUND || err->code == ERR_CORRUPT ||
                err->code == ERR_DECRYPT;
    h->load = NULL;
    h->shadow = shadow;
    if (!op_is_running(&p->op)) {
        return;
    }
    if (err->code != ERR_OK && !none) {
        sync_pass_fail(p, err, "read the former index");
    } else if (none || p->canceled || !read_index(p, shadow)) {
        sync_floor_enter(p, FLOOR_STATE_COUNT);
    }
}

enum step sync_held_read(struct sync_pass *p)
{
    struct sync_held *h = &p->floor.held;
    const struct mailbox *m = p->m;
    if (h->load != NULL) {
        return STEP_WAIT;
    }
    bool had_one = m->phase == MAILBOX_PHASE_NEW && m->uid_validity != 0;
    if (had_one && m->rebuild != 0) {
        h->load = store_shadow_start(p->sc.store, p->sc.acct, m->box, on_shadow, p);
        return STEP_WAIT;
    }
    if (had_one && read_index(p, m)) {
        return STEP_WAIT;
    }
    p->floor.state = FLOOR_STATE_COUNT;
    return STEP_MORE;
}

/* --- HELD --- */

bool sync_held_may_lie_below(const struct sync_pass *p)
{
    return p->floor.held.count > 0 && p->live->below > 0 && !p->live->below_open;
}

static bool has_key(const struct sync_held *h, uint64_t key)
{
    return key != 0 && bsearch(&key, h->keys, h->count, sizeof *h->keys, cmp_key) != NULL;
}

static void on_row(struct imap_fetch *op ATTR_UNUSED, const struct imap_row *row,
                   void *ctx)
{
    struct sync_pass *p = ctx;
    struct sync_held *h = &p->floor.held;
    const uint32_t marks = IMAP_ITEM_INTERNALDATE | IMAP_ITEM_SIZE;
    if ((row->has & IMAP_ITEM_UID) == 0 || row->uid >= p->floor.target) {
        return;
    }
    struct msg_row shown = {.email_id = row->email_id};
    if ((row->has & marks) == marks) {
        shown.fingerprint = sync_fingerprint(row->internaldate_ms, row->size);
    }
    bool held = has_key(h, sync_match_key(&shown, true)) ||
                has_key(h, sync_match_key(&shown, false));
    if (held && (h->lowest == 0 || row->uid < h->lowest)) {
        h->lowest = row->uid;
    }
}

static void on_end(struct imap_fetch *op ATTR_UNUSED, const struct err *err, void *ctx)
{
    struct sync_pass *p = ctx;
    struct sync_held *h = &p->floor.held;
    if (!sync_pass_answered(p, err)) {
        return;
    }
    if (h->lowest == 0) {
        sync_floor_enter(p, FLOOR_STATE_STORE);
        return;
    }
    p->floor.target = h->lowest;
    p->floor.tries = 0;
    h->chunk = h->chunk < LAST_CHUNK ? h->chunk * 2 : LAST_CHUNK;
    sync_floor_enter(p, FLOOR_STATE_COUNT);
}

enum step sync_held_look(struct sync_pass *p)
{
    static const struct imap_fetch_events events = {.on_row = on_row, .on_end = on_end};
    struct sync_held *h = &p->floor.held;
    uint32_t hi = p->live->below, lo = hi > h->chunk ? hi - h->chunk + 1 : 1;
    char set[40];
    if (p->fetch != NULL) {
        return STEP_WAIT;
    }
    h->lowest = 0;
    (void)snprintf(set, sizeof set, "%u:%u", lo, hi);
    struct imap_fetch_params params = {.set = str_of(set),
                                       .items = sync_row_items(p->conn)};
    sync_pass_command(p);
    p->fetch = imap_fetch_start(p->conn, &params, SYNC_COMMAND_MS, &events, p);
    return STEP_WAIT;
}
