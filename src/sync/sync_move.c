#include "sync_priv.h"
#include "sync_tomb.h"

#include "postrider/base/clock.h"
#include "postrider/base/map.h"
#include "postrider/base/mem.h"

#include <stdlib.h>

enum {
    FORGET_MAX = 500,     /* tombstones that one commit forgets because of their age */
    FRESH_MS = 10 * 1000, /* delivered mail is younger when it is seen */
    SLACK_MS = 60 * 1000  /* the store keeps them this much longer than anybody asks */
};

static void *grow(void *items, size_t count, size_t *cap, size_t size)
{
    if (count < *cap) {
        return items;
    }
    *cap = *cap > 0 ? *cap * 2 : 8;
    return mem_realloc(items, *cap * size);
}

/* --- frame --- */

void sync_moves_init(struct sync_moves *mv, int64_t window_ms)
{
    *mv = (struct sync_moves){.window_ms = window_ms, .next_key = 1};
}

void sync_moves_fini(struct sync_moves *mv)
{
    sync_tombs_free(mv);
    mem_free(mv->own);
    mem_free(mv->seen);
    *mv = (struct sync_moves){0};
}

void sync_moves_load(struct sync_moves *mv, const struct tombstone *items, size_t count)
{
    sync_tombs_clear(mv);
    for (size_t i = 0; i < count; i++) {
        sync_tombs_add(mv, &items[i]);
    }
    for (size_t i = 0; i < mv->own_count; i++) {
        mv->own[i].arrived = false; /* perhaps told by a commit that failed */
    }
}

void sync_moves_purge(struct sync_moves *mv)
{
    int64_t now_ms = clock_wall_ms();
    /* One by one they are forgotten by commits; when the last is this old, the store has
     * dropped them all. */
    if (mv->used > 0 && mv->items[mv->used - 1].t.deadline_ms + SLACK_MS < now_ms) {
        sync_tombs_free(mv);
    }
    size_t kept = 0;
    for (size_t i = 0; i < mv->own_count; i++) {
        if (mv->own[i].deadline_ms >= now_ms) {
            mv->own[kept++] = mv->own[i];
        }
    }
    mv->own_count = kept;
}

/* --- moves of our own --- */

/* The UID at this place of a set whose order tells which belongs to which. */
static uint32_t uid_at(const struct imap_set *set, uint64_t at)
{
    for (size_t i = 0; i < set->count; i++) {
        uint64_t n = (uint64_t)set->ranges[i].hi - set->ranges[i].lo + 1;
        if (at < n) {
            return set->ranges[i].lo + (uint32_t)at;
        }
        at -= n;
    }
    return 0;
}

void sync_moves_expect(struct sync_moves *mv, uint32_t from_box,
                       const struct imap_set *from, uint32_t to_box,
                       const struct imap_set *to, bool copy)
{
    uint64_t count = imap_set_count(from);
    sync_moves_purge(mv);
    if (mv->window_ms == 0 || count != imap_set_count(to) ||
        mv->own_count + count > SYNC_OWN_MOVES_MAX) {
        return;
    }
    for (uint64_t i = 0; i < count; i++) {
        mv->own = grow(mv->own, mv->own_count, &mv->own_cap, sizeof *mv->own);
        mv->own[mv->own_count++] =
            (struct sync_own_move){.from_box = from_box,
                                   .from_uid = uid_at(from, i),
                                   .to_box = to_box,
                                   .to_uid = uid_at(to, i),
                                   .copy = copy,
                                   .sure = count == 1,
                                   .deadline_ms = clock_wall_ms() + mv->window_ms};
    }
}

static void own_remove(struct sync_moves *mv, const struct sync_own_move *own)
{
    size_t at = (size_t)(own - mv->own);
    mv->own_count--;
    memmove(mv->own + at, mv->own + at + 1, (mv->own_count - at) * sizeof *mv->own);
}

/* --- arrivals of late --- */

static uint64_t email_hash(struct str email_id)
{
    static const uint8_t key[16] = "hash of email id";
    return map_siphash(key, email_id.ptr, email_id.len);
}

static void seen_add(struct sync_moves *mv, const struct msg_row *row, uint32_t box)
{
    if (mv->seen == NULL) {
        mv->seen = mem_array(SYNC_SEEN_MAX, sizeof *mv->seen);
    }
    mv->seen[mv->seen_at] = (struct sync_seen){
        .email_hash = row->email_id.ptr != NULL ? email_hash(row->email_id) : 0,
        .fingerprint = row->fingerprint,
        .box = box,
        .uid = row->uid};
    mv->seen_at = (mv->seen_at + 1) % SYNC_SEEN_MAX;
    mv->seen_count += mv->seen_count < SYNC_SEEN_MAX;
}

static void seen_remove(struct sync_moves *mv, uint32_t box, uint32_t uid)
{
    for (size_t i = 0; i < mv->seen_count; i++) {
        if (mv->seen[i].box == box && mv->seen[i].uid == uid) {
            mv->seen[i].uid = 0;
        }
    }
}

/* Another row of the same message as this one of box. */
static const struct sync_seen *seen_find(const struct sync_moves *mv, uint32_t box,
                                         const struct msg_row *row)
{
    uint64_t hash = email_hash(row->email_id);
    for (size_t i = 0; i < mv->seen_count; i++) {
        const struct sync_seen *seen = &mv->seen[i];
        if (seen->email_hash == hash && seen->uid != 0 &&
            (seen->box != box || seen->uid != row->uid)) {
            return seen;
        }
    }
    return NULL;
}

/* --- the plan --- */

void sync_move_plan_fini(struct sync_move_plan *plan)
{
    arena_fini(&plan->arena);
    mem_free(plan->added);
    mem_free(plan->forgotten);
    mem_free(plan->prints.items);
    *plan = (struct sync_move_plan){0};
}

void sync_move_plan_clear(struct sync_move_plan *plan)
{
    arena_reset(&plan->arena);
    plan->added_count = plan->forgotten_count = 0;
    plan->prints.count = 0;
}

static void forget(struct sync_move_plan *plan, struct sync_moves *mv,
                   struct sync_tombstone *item)
{
    plan->forgotten = grow(plan->forgotten, plan->forgotten_count, &plan->forgotten_cap,
                           sizeof *plan->forgotten);
    plan->forgotten[plan->forgotten_count++] = item->t.key;
    sync_tombs_remove(mv, item);
}

void sync_move_left(struct sync_move_plan *plan, const struct sync_ctx *sc,
                    const struct mailbox *m, const struct msg_row *row)
{
    struct sync_moves *mv = sc->moves;
    bool expected = false;
    if (mv == NULL || mv->window_ms == 0) {
        return;
    }
    seen_remove(mv, m->box, row->uid);
    for (size_t i = 0; i < mv->own_count; i++) {
        const struct sync_own_move *own = &mv->own[i];
        if (own->from_box == m->box && own->from_uid == row->uid && !own->copy) {
            expected = true;
            if (own->arrived) {
                own_remove(mv, own);
                return; /* its other end was told already */
            }
        }
    }
    if (row->fingerprint == 0 && row->email_id.ptr == NULL && !expected) {
        return; /* nothing that an arrival could be recognised by */
    }
    struct tombstone t = {.key = mv->next_key,
                          .box = m->box,
                          .number = m->number,
                          .uid = row->uid,
                          .fingerprint = row->fingerprint,
                          .email_id = row->email_id,
                          .deadline_ms = clock_wall_ms() + mv->window_ms};
    sync_tombs_add(mv, &t);
    t.email_id = arena_str(&plan->arena, row->email_id);
    plan->added =
        grow(plan->added, plan->added_count, &plan->added_cap, sizeof *plan->added);
    plan->added[plan->added_count++] = t;
}

void sync_move_plan_put(struct sync_move_plan *plan, struct sync_moves *mv,
                        struct store_commit_params *params)
{
    if (mv == NULL) {
        return;
    }
    sync_moves_purge(mv);
    sync_tombs_compact(mv);
    size_t old = 0, many = mv->count > TOMBSTONES_MAX ? mv->count - TOMBSTONES_MAX : 0;
    int64_t now_ms = clock_wall_ms();
    while (old < mv->used && old < FORGET_MAX && mv->items[old].t.deadline_ms < now_ms) {
        old++;
    }
    for (size_t i = 0; i < (old > many ? old : many); i++) {
        forget(plan, mv, &mv->items[i]);
    }
    sync_tombs_compact(mv);
    params->tombstones = plan->added;
    params->tombstone_count = plan->added_count;
    params->tombstones_ttl_ms = mv->window_ms + SLACK_MS;
    params->tombstone_keys = plan->forgotten;
    params->tombstone_key_count = plan->forgotten_count;
}

/* --- pairing --- */

static bool same_message(const struct tombstone *t, const struct msg_row *row)
{
    if (t->email_id.ptr != NULL && row->email_id.ptr != NULL) {
        return str_eq(t->email_id, row->email_id);
    }
    return t->fingerprint != 0 && t->fingerprint == row->fingerprint;
}

static int cmp_print(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static void prints_fill(struct sync_prints *prints, const struct sync_batch *b)
{
    prints->items = mem_realloc(prints->items, b->new_count * sizeof *prints->items);
    prints->count = b->new_count;
    for (size_t i = 0; i < b->new_count; i++) {
        prints->items[i] = b->news[i].row.fingerprint;
    }
    qsort(prints->items, prints->count, sizeof *prints->items, cmp_print);
}

static const uint32_t *prints_find(const struct sync_prints *prints, uint32_t print)
{
    return prints->count == 0 ? NULL
                              : bsearch(&print, prints->items, prints->count,
                                        sizeof *prints->items, cmp_print);
}

/* No other arrival of the batch looks the same. */
static bool row_is_unique(struct sync_prints *prints, const struct sync_batch *b,
                          size_t at)
{
    uint32_t print = b->news[at].row.fingerprint;
    const uint32_t *found = prints_find(prints, print);
    if (prints->count != b->new_count || found == NULL) {
        prints_fill(prints, b);
        found = prints_find(prints, print);
    }
    const uint32_t *end = prints->items + prints->count;
    return found != NULL && (found == prints->items || found[-1] != print) &&
           (found + 1 == end || found[1] != print);
}

/* The one tombstone that looks like the arrival; the newest of those with its EMAILID. */
static struct sync_tombstone *item_like(const struct sync_moves *mv,
                                        const struct mailbox *m,
                                        const struct sync_batch *b, size_t at,
                                        struct sync_prints *prints)
{
    bool sure;
    struct sync_tombstone *found = sync_tombs_like(mv, m->box, &b->news[at].row, &sure);
    return found == NULL || sure || row_is_unique(prints, b, at) ? found : NULL;
}

static void set_origin(struct sync_origin *out, const struct sync_ctx *sc, bool moved,
                       uint32_t box, uint32_t uid)
{
    const struct mailbox *from = mailbox_table_by_box(sc->table, box);
    *out = (struct sync_origin){.moved = moved,
                                .number = from != NULL ? from->number : 0,
                                .uid = uid,
                                .path = from != NULL ? from->path : NULL};
}

static void take_item(struct sync_move_plan *plan, const struct sync_ctx *sc,
                      struct sync_tombstone *item, struct sync_origin *out)
{
    struct sync_moves *mv = sc->moves;
    set_origin(out, sc, true, item->t.box, item->t.uid);
    out->number = item->t.number; /* of the time when it left */
    forget(plan, mv, item);
}

static bool pair_own(struct sync_move_plan *plan, const struct sync_ctx *sc,
                     const struct mailbox *m, const struct msg_row *row,
                     struct sync_origin *out)
{
    struct sync_moves *mv = sc->moves;
    struct sync_own_move *own = NULL;
    for (size_t i = 0; i < mv->own_count && own == NULL; i++) {
        bool fits = mv->own[i].to_box == m->box && mv->own[i].to_uid == row->uid &&
                    !mv->own[i].arrived;
        own = fits ? &mv->own[i] : NULL;
    }
    if (own == NULL) {
        return false;
    }
    struct sync_tombstone *item = sync_tombs_at(mv, own->from_box, own->from_uid);
    const struct sync_own_move was = *own;
    if (own->copy || item != NULL) {
        own_remove(mv, own);
    }
    if (item != NULL && !was.copy && (was.sure || same_message(&item->t, row))) {
        take_item(plan, sc, item, out);
        return true;
    }
    /* Before the removal was seen: only the answer to a single one cannot be mistaken. */
    if (was.sure && (was.copy || item == NULL)) {
        set_origin(out, sc, !was.copy, was.from_box, was.from_uid);
        if (!was.copy) {
            own->arrived = true;
        }
        return out->path != NULL;
    }
    return false;
}

bool sync_move_pair(struct sync_move_plan *plan, const struct sync_ctx *sc,
                    const struct mailbox *m, const struct sync_batch *b, size_t at,
                    struct sync_origin *out)
{
    struct sync_moves *mv = sc->moves;
    const struct msg_row *row = &b->news[at].row;
    if (mv == NULL || mv->window_ms == 0) {
        return false;
    }
    bool found = pair_own(plan, sc, m, row, out);
    if (!found) {
        struct sync_tombstone *item = item_like(mv, m, b, at, &plan->prints);
        if (item != NULL) {
            take_item(plan, sc, item, out);
            found = true;
        }
    }
    if (row->email_id.ptr != NULL && !found) {
        const struct sync_seen *seen = seen_find(mv, m->box, row);
        if (seen != NULL) {
            set_origin(out, sc, false, seen->box, seen->uid);
            found = out->path != NULL;
        }
    }
    seen_add(mv, row, m->box);
    return found;
}

/* --- waiting --- */

static bool is_expected(const struct sync_moves *mv, uint32_t box, uint32_t uid)
{
    for (size_t i = 0; i < mv->own_count; i++) {
        if (mv->own[i].to_box == box && mv->own[i].to_uid == uid) {
            return true;
        }
    }
    return false;
}

static bool looks_known(const struct sync_moves *mv, uint32_t box,
                        const struct msg_row *row)
{
    uint64_t hash = row->email_id.ptr != NULL ? email_hash(row->email_id) : 0;
    for (size_t i = 0; i < mv->seen_count; i++) {
        const struct sync_seen *seen = &mv->seen[i];
        bool same = hash != 0 && seen->email_hash != 0
                        ? seen->email_hash == hash
                        : row->fingerprint != 0 && seen->fingerprint == row->fingerprint;
        if (same && seen->uid != 0 && seen->box != box) {
            return true;
        }
    }
    return false;
}

bool sync_move_awaits(const struct sync_ctx *sc, const struct mailbox *m,
                      const struct sync_batch *b)
{
    const struct sync_moves *mv = sc->moves;
    const int64_t now_ms = clock_wall_ms();
    if (mv == NULL || mv->window_ms == 0 || !sc->settled) {
        return false;
    }
    struct sync_prints prints = {0};
    bool awaits = false;
    for (size_t i = 0; i < b->new_count && !awaits; i++) {
        const struct sync_new_row *row = &b->news[i];
        bool old = row->internaldate_ms != 0 && row->internaldate_ms < now_ms - FRESH_MS;
        awaits = row->announce && (old || looks_known(mv, m->box, &row->row)) &&
                 !is_expected(mv, m->box, row->row.uid) &&
                 item_like(mv, m, b, i, &prints) == NULL;
    }
    mem_free(prints.items);
    return awaits;
}
