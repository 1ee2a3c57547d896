#include "sync_priv.h"

#include "postrider/sync/sync_thread.h"

#include "postrider/base/map.h"
#include "postrider/base/mem.h"

#include <stdlib.h>

void *sync_grow(void *items, size_t count, size_t *cap, size_t size)
{
    if (count < *cap) {
        return items;
    }
    *cap = *cap > 0 ? *cap * 2 : 16;
    return mem_realloc(items, *cap * size);
}

void sync_batch_fini(struct sync_batch *b)
{
    arena_fini(&b->arena);
    mem_free(b->news);
    mem_free(b->flags);
    mem_free(b->vanished);
    *b = (struct sync_batch){0};
}

void sync_batch_clear(struct sync_batch *b)
{
    arena_reset(&b->arena);
    b->new_count = b->flag_count = b->vanished_count = 0;
    b->serial = b->searched = 0;
}

size_t sync_batch_size(const struct sync_batch *b)
{
    return b->new_count + b->flag_count + b->vanished_count;
}

bool sync_batch_is_empty(const struct sync_batch *b)
{
    return sync_batch_size(b) == 0;
}

void sync_batch_vanished(struct sync_batch *b, struct imap_range range)
{
    b->vanished =
        sync_grow(b->vanished, b->vanished_count, &b->vanished_cap, sizeof *b->vanished);
    b->vanished[b->vanished_count++] = range;
}

void sync_batch_move_vanished(struct sync_batch *to, struct sync_batch *from)
{
    for (size_t i = 0; i < from->vanished_count; i++) {
        sync_batch_vanished(to, from->vanished[i]);
    }
    from->vanished_count = 0;
}

static struct sync_flag_row *add_flags(struct sync_batch *b)
{
    b->flags = sync_grow(b->flags, b->flag_count, &b->flag_cap, sizeof *b->flags);
    return &b->flags[b->flag_count++];
}

void sync_batch_flags(struct sync_batch *b, const struct imap_row *row)
{
    struct sync_flag_row *out = add_flags(b);
    sync_flag_row_copy(&b->arena, out, row);
    out->order = b->serial++;
}

static struct msg_row row_copy(struct arena *arena, const struct msg_row *row)
{
    struct msg_row copy = *row;
    copy.keywords = row->keyword_count > 0
                        ? arena_memdup(arena, row->keywords, row->keyword_count)
                        : NULL;
    copy.email_id = arena_str(arena, row->email_id);
    return copy;
}

static int cmp_u8(const void *a, const void *b)
{
    return *(const uint8_t *)a - *(const uint8_t *)b;
}

void sync_keywords_sort(uint8_t *ids, size_t count)
{
    if (count > 1) {
        qsort(ids, count, 1, cmp_u8);
    }
}

/* Keyword names as rising dictionary ids. Names beyond a full dictionary are not indexed.
 */
static const uint8_t *keyword_ids(struct arena *arena, struct mailbox *m,
                                  const struct str *names, size_t count,
                                  uint8_t *count_out)
{
    uint8_t *ids = count > 0 ? arena_alloc(arena, count) : NULL;
    uint8_t n = 0;
    for (size_t i = 0; i < count && n < MAILBOX_KEYWORDS_MAX; i++) {
        int id = mailbox_keyword_id(m, names[i], true);
        bool known = id < 0;
        for (size_t k = 0; k < n && !known; k++) {
            known = ids[k] == id;
        }
        if (!known) {
            ids[n++] = (uint8_t)id;
        }
    }
    sync_keywords_sort(ids, n);
    *count_out = n;
    return ids;
}

uint32_t sync_fingerprint(int64_t internaldate_ms, uint64_t size)
{
    static const uint8_t key[16] = "fingerprint of a";
    uint64_t facts[2] = {(uint64_t)internaldate_ms, size};
    uint64_t hash = map_siphash(key, facts, sizeof facts);
    uint32_t folded = (uint32_t)(hash ^ hash >> 32);
    return folded != 0 ? folded : 1;
}

void sync_batch_new(struct sync_batch *b, struct mailbox *m, const struct imap_row *row,
                    bool announce)
{
    b->news = sync_grow(b->news, b->new_count, &b->new_cap, sizeof *b->news);
    struct sync_new_row *out = &b->news[b->new_count++];
    *out = (struct sync_new_row){.internaldate_ms = row->internaldate_ms,
                                 .size = row->size,
                                 .order = b->serial++,
                                 .announce = announce};
    out->row.uid = row->uid;
    out->row.modseq = row->modseq;
    out->row.flags = row->flags.system;
    const struct str *words = row->flags.keywords;
    size_t word_count = row->flags.keyword_count;
    struct sync_flag_row labelled;
    if (row->label_count > 0) {
        sync_flag_row_copy(&b->arena, &labelled, row);
        words = labelled.keywords;
        word_count = labelled.keyword_count;
    }
    out->has_labels = (row->has & IMAP_ITEM_GM_LABELS) != 0;
    out->row.keywords =
        keyword_ids(&b->arena, m, words, word_count, &out->row.keyword_count);
    const uint32_t marks = IMAP_ITEM_INTERNALDATE | IMAP_ITEM_SIZE;
    if ((row->has & marks) != 0) {
        out->row.fingerprint = sync_fingerprint(row->internaldate_ms, row->size);
    }
    if (row->email_id.ptr != NULL && row->email_id.len <= MSG_EMAILID_MAX) {
        out->row.email_id = arena_str(&b->arena, row->email_id);
    }
}

void sync_batch_thread(struct sync_batch *b, const struct sync_ctx *sc,
                       const struct mailbox *m, const struct imap_row *row)
{
    if (sc->threads && !sc->fast) {
        (void)sync_thread_fact(sc->store, sc->acct, m, row,
                               &b->news[b->new_count - 1].thread);
    }
}

void sync_batch_adopt(struct sync_batch *b, const struct sync_new_row *row)
{
    b->news = sync_grow(b->news, b->new_count, &b->new_cap, sizeof *b->news);
    struct sync_new_row *copy = &b->news[b->new_count++];
    *copy = *row;
    copy->row = row_copy(&b->arena, &row->row);
    copy->order = b->serial++;
}

struct sync_flag_row sync_flag_row_dup(struct arena *arena,
                                       const struct sync_flag_row *row)
{
    struct sync_flag_row copy = *row;
    size_t n = row->keyword_count;
    copy.keywords = n > 0 ? ARENA_ARRAY(arena, struct str, n) : NULL;
    for (size_t k = 0; k < n; k++) {
        copy.keywords[k] = arena_str(arena, row->keywords[k]);
    }
    return copy;
}

static void take_flags(struct sync_batch *b, const struct sync_flag_row *rows,
                       size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct sync_flag_row *out = add_flags(b);
        *out = sync_flag_row_dup(&b->arena, &rows[i]);
        out->order = b->serial++;
    }
}

void sync_batch_take_flags(struct sync_batch *b, const struct sync_batch *from)
{
    take_flags(b, from->flags, from->flag_count);
}

void sync_batch_searched(struct sync_batch *b)
{
    b->searched = b->serial;
}

void sync_batch_take_live(struct sync_batch *b, struct sync_live *live)
{
    for (size_t i = 0; i < live->vanished_count; i++) {
        sync_batch_vanished(b, live->vanished[i]);
    }
    sync_batch_take_rows(b, live);
}

void sync_batch_take_rows(struct sync_batch *b, struct sync_live *live)
{
    take_flags(b, live->rows, live->row_count);
    live->row_count = 0;
    if (live->numbered_count > 0) {
        live->numbered_count = 0;
        live->resync = true; /* of which messages they are is not certain any more */
    }
}

static int cmp_new(const void *a, const void *b)
{
    const struct sync_new_row *x = a, *y = b;
    if (x->row.uid != y->row.uid) {
        return x->row.uid > y->row.uid ? 1 : -1;
    }
    return (x->order > y->order) - (x->order < y->order);
}

/* Flags that the server tells by itself right behind the row it was asked for know
 * nothing of the rest. */
static void merge_new(struct sync_new_row *row, const struct sync_new_row *later)
{
    struct sync_new_row earlier = *row;
    *row = *later;
    if (later->row.fingerprint == 0) {
        row->row.fingerprint = earlier.row.fingerprint;
        row->internaldate_ms = earlier.internaldate_ms;
        row->size = earlier.size;
        row->announce = earlier.announce;
    }
    if (later->row.email_id.ptr == NULL) {
        row->row.email_id = earlier.row.email_id;
    }
    if (later->thread.own == 0) {
        row->thread = earlier.thread;
    }
    if (earlier.has_labels && !later->has_labels) {
        row->row.keywords = earlier.row.keywords;
        row->row.keyword_count = earlier.row.keyword_count;
        row->has_labels = true;
    }
    if (later->row.modseq == 0) {
        row->row.modseq = earlier.row.modseq;
    }
}

/* Later facts about one UID win. */
static int cmp_flag(const void *a, const void *b)
{
    const struct sync_flag_row *x = a, *y = b;
    if (x->uid != y->uid) {
        return x->uid > y->uid ? 1 : -1;
    }
    return (x->order > y->order) - (x->order < y->order);
}

/* Nearly every server tells its rows in order, each of them once. */
static bool news_rise(const struct sync_batch *b)
{
    for (size_t i = 1; i < b->new_count; i++) {
        if (b->news[i].row.uid <= b->news[i - 1].row.uid) {
            return false;
        }
    }
    return true;
}

static void sort_news(struct sync_batch *b)
{
    size_t kept = 0;
    if (news_rise(b)) {
        return;
    }
    qsort(b->news, b->new_count, sizeof *b->news, cmp_new);
    for (size_t i = 0; i < b->new_count; i++) {
        if (kept > 0 && b->news[kept - 1].row.uid == b->news[i].row.uid) {
            merge_new(&b->news[kept - 1], &b->news[i]);
        } else {
            b->news[kept++] = b->news[i];
        }
    }
    b->new_count = kept;
}

static void sort_flags(struct sync_batch *b)
{
    size_t kept = 0;
    if (b->flag_count > 1) {
        qsort(b->flags, b->flag_count, sizeof *b->flags, cmp_flag);
    }
    for (size_t i = 0; i < b->flag_count; i++) {
        if (kept > 0 && b->flags[kept - 1].uid == b->flags[i].uid) {
            sync_label_carry(&b->arena, &b->flags[kept - 1], &b->flags[i]);
            b->flags[kept - 1] = b->flags[i];
        } else {
            b->flags[kept++] = b->flags[i];
        }
    }
    b->flag_count = kept;
}

/* The row of a new message as it is after what was told behind it. */
static void merge_flags(struct sync_batch *b, struct mailbox *m, struct sync_new_row *row,
                        const struct sync_flag_row *told)
{
    struct msg_row before = row->row;
    row->row.flags = told->system;
    row->row.keywords = keyword_ids(&b->arena, m, told->keywords, told->keyword_count,
                                    &row->row.keyword_count);
    if (!told->has_labels) {
        sync_label_keep(&b->arena, m, &before, &row->row);
    }
    if (told->modseq != 0) {
        row->row.modseq = told->modseq;
    }
    row->order = told->order;
}

void sync_batch_sort(struct sync_batch *b, struct mailbox *m)
{
    struct imap_set vanished = {.ranges = b->vanished, .count = b->vanished_count};
    imap_set_normalize(&vanished);
    b->vanished_count = vanished.count;
    sort_news(b);
    sort_flags(b);
    for (size_t i = 0, k = 0; i < b->flag_count && k < b->new_count;) {
        struct sync_new_row *row = &b->news[k];
        const struct sync_flag_row *told = &b->flags[i];
        if (told->uid == row->row.uid && told->order > row->order) {
            merge_flags(b, m, row, told);
        }
        k += row->row.uid <= told->uid;
        i += told->uid < row->row.uid;
    }
}

/* --- diff --- */

void sync_diff_fini(struct sync_diff *d)
{
    arena_fini(&d->arena);
    mem_free(d->deletes);
    mem_free(d->changes);
    mem_free(d->late);
    *d = (struct sync_diff){0};
}

void sync_diff_clear(struct sync_diff *d)
{
    arena_reset(&d->arena);
    d->delete_count = d->change_count = d->late_count = 0;
    d->flags_seen = 0;
}

void sync_diff_delete(struct sync_diff *d, const struct msg_row *row)
{
    if (d->delete_count > 0 && d->deletes[d->delete_count - 1].uid == row->uid) {
        return;
    }
    d->deletes =
        sync_grow(d->deletes, d->delete_count, &d->delete_cap, sizeof *d->deletes);
    d->deletes[d->delete_count++] =
        (struct msg_row){.uid = row->uid,
                         .fingerprint = row->fingerprint,
                         .flags = row->flags,
                         .email_id = arena_str(&d->arena, row->email_id)};
}

void sync_diff_late(struct sync_diff *d, uint32_t uid)
{
    d->late = sync_grow(d->late, d->late_count, &d->late_cap, sizeof *d->late);
    d->late[d->late_count++] = uid;
}

void sync_diff_change(struct sync_diff *d, const struct msg_row *before,
                      const struct msg_row *after)
{
    d->changes =
        sync_grow(d->changes, d->change_count, &d->change_cap, sizeof *d->changes);
    d->changes[d->change_count++] = (struct sync_change){
        .before = row_copy(&d->arena, before), .after = row_copy(&d->arena, after)};
}

static bool same_keywords(const struct msg_row *a, const struct msg_row *b)
{
    return a->keyword_count == b->keyword_count &&
           (a->keyword_count == 0 ||
            memcmp(a->keywords, b->keywords, a->keyword_count) == 0);
}

void sync_diff_flags(struct sync_diff *d, struct mailbox *m, const struct msg_row *stored,
                     const struct sync_flag_row *server)
{
    struct msg_row after = row_copy(&d->arena, stored);
    after.flags = server->system;
    after.keywords = keyword_ids(&d->arena, m, server->keywords, server->keyword_count,
                                 &after.keyword_count);
    if (!server->has_labels) {
        sync_label_keep(&d->arena, m, stored, &after);
    }
    after.modseq = server->modseq != 0 ? server->modseq : stored->modseq;
    if (after.flags == stored->flags && same_keywords(&after, stored)) {
        return; /* a MODSEQ that moved without a visible change is not worth a write */
    }
    sync_diff_change(d, stored, &after);
}

void sync_diff_stored(struct sync_diff *d, const struct sync_batch *b, struct mailbox *m,
                      const struct msg_row *stored)
{
    struct imap_set vanished = {.ranges = b->vanished, .count = b->vanished_count};
    if (vanished.count > 0 && imap_set_has(&vanished, stored->uid)) {
        sync_diff_delete(d, stored);
        return;
    }
    while (d->flags_seen < b->flag_count && b->flags[d->flags_seen].uid < stored->uid) {
        sync_diff_late(d, b->flags[d->flags_seen++].uid);
    }
    if (d->flags_seen == b->flag_count || b->flags[d->flags_seen].uid != stored->uid) {
        return;
    }
    sync_diff_flags(d, m, stored, &b->flags[d->flags_seen++]);
}
