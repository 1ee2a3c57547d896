#include "postrider/sync/sync.h"

#include "sync_priv.h"

#include "postrider/base/mem.h"

/* Past this many facts a comparison with the server is cheaper than remembering them. */
enum {
    LIVE_FACTS_MAX = 10000,
    LIVE_BYTES_MAX = 4 * 1024 * 1024 /* of names */
};

void sync_live_clear(struct sync_live *l)
{
    arena_reset(&l->arena);
    l->exists_changed = l->resync = false;
    l->row_count = l->vanished_count = l->expunged_count = l->arrival_count = 0;
    l->numbered_count = 0;
}

void sync_live_reset(struct sync_live *l)
{
    sync_live_clear(l);
    l->box = 0;
    l->in_step = false;
}

void sync_live_fini(struct sync_live *l)
{
    arena_fini(&l->arena);
    mem_free(l->rows);
    mem_free(l->numbered);
    mem_free(l->vanished);
    mem_free(l->expunged);
    mem_free(l->arrivals);
    *l = (struct sync_live){0};
}

bool sync_live_is_empty(const struct sync_live *l)
{
    return !l->exists_changed && !l->resync && l->row_count == 0 &&
           l->vanished_count == 0 && l->expunged_count == 0 && l->arrival_count == 0 &&
           l->numbered_count == 0;
}

bool sync_live_is_passive(const struct sync_live *l)
{
    return !l->exists_changed && !l->resync && l->expunged_count == 0 &&
           l->arrival_count == 0;
}

void sync_live_exists(struct sync_live *l)
{
    l->exists_changed = true;
}

/* Makes room for one more element; false, and a resync is due, when there are too many.
 */
static bool live_grow(struct sync_live *l, void **items, size_t count, size_t *cap,
                      size_t size)
{
    if (l->row_count + l->numbered_count + l->vanished_count + l->expunged_count +
                l->arrival_count >=
            LIVE_FACTS_MAX ||
        l->arena.used_bytes >= LIVE_BYTES_MAX) {
        l->resync = true;
        return false;
    }
    if (count == *cap) {
        *cap = *cap > 0 ? *cap * 2 : 8;
        *items = mem_realloc(*items, *cap * size);
    }
    return true;
}

void sync_live_expunge(struct sync_live *l, uint32_t seq)
{
    void *items = l->expunged;
    l->changes++;
    if (sync_floor_passes_expunge(l, &seq)) {
        return;
    }
    if (live_grow(l, &items, l->expunged_count, &l->expunged_cap, sizeof *l->expunged)) {
        l->expunged = items;
        l->expunged[l->expunged_count++] = seq;
    }
}

void sync_live_vanished(struct sync_live *l, const struct imap_set *uids, bool earlier)
{
    l->changes++;
    for (size_t i = 0; i < uids->count; i++) {
        struct imap_range range = uids->ranges[i];
        void *items = l->vanished;
        if (sync_floor_passes_vanished(l, &range, earlier)) {
            continue;
        }
        if (!live_grow(l, &items, l->vanished_count, &l->vanished_cap,
                       sizeof *l->vanished)) {
            return;
        }
        l->vanished = items;
        l->vanished[l->vanished_count++] = range;
    }
}

bool sync_live_row(struct sync_live *l, const struct imap_row *row)
{
    bool numbered = (row->has & IMAP_ITEM_UID) == 0 || row->uid == 0;
    l->changes++;
    if (sync_floor_passes_row(l, row, numbered)) {
        return false;
    }
    if ((row->has & IMAP_ITEM_FLAGS) == 0) {
        return true;
    }
    struct sync_flag_row **rows = numbered ? &l->numbered : &l->rows;
    size_t *count = numbered ? &l->numbered_count : &l->row_count;
    size_t *cap = numbered ? &l->numbered_cap : &l->row_cap;
    void *items = *rows;
    if (numbered && (row->seq == 0 || l->below_open)) {
        l->resync = true; /* which message it was can only be learned by comparing */
        return true;
    }
    if (!live_grow(l, &items, *count, cap, sizeof **rows)) {
        return true;
    }
    *rows = items;
    struct sync_flag_row *copy = &(*rows)[(*count)++];
    sync_flag_row_copy(&l->arena, copy, row);
    copy->uid = numbered ? 0 : row->uid;
    copy->number = numbered ? row->seq - l->below : 0;
    copy->order = l->told++;
    l->modseq = row->modseq > l->modseq ? row->modseq : l->modseq;
    return true;
}

void sync_live_forget(struct sync_live *l, uint32_t told, struct imap_range uids)
{
    size_t kept = 0;
    for (size_t i = 0; i < l->row_count; i++) {
        const struct sync_flag_row *row = &l->rows[i];
        if (row->order >= told || row->uid < uids.lo || row->uid > uids.hi) {
            l->rows[kept++] = *row;
        }
    }
    l->row_count = kept;
}

bool sync_live_numbers_hold(const struct sync_live *l)
{
    return !l->exists_changed && !l->resync && l->row_count == 0 &&
           l->vanished_count == 0 && l->expunged_count == 0 && l->arrival_count == 0;
}

/* What tells of threads. */
static void keep_ids(struct sync_live *l, struct imap_row *copy,
                     const struct imap_row *row)
{
    if (row->envelope != NULL) {
        struct imap_envelope *envelope = ARENA_NEW(&l->arena, struct imap_envelope);
        envelope->message_id = arena_str(&l->arena, row->envelope->message_id);
        envelope->in_reply_to = arena_str(&l->arena, row->envelope->in_reply_to);
        copy->envelope = envelope;
    }
    if (row->section_count > 0) {
        struct imap_section *section = ARENA_NEW(&l->arena, struct imap_section);
        section->data = arena_str(&l->arena, row->sections[0].data);
        copy->sections = section;
        copy->section_count = 1;
    }
}

bool sync_live_arrival(struct sync_live *l, const struct sync_ctx *sc,
                       const struct mailbox *m, uint32_t items,
                       const struct imap_row *row)
{
    const uint32_t need = items & ~sc->new_items;
    if ((row->has & need) != need || row->uid <= m->last_uid) {
        return false;
    }
    void *arrivals = l->arrivals;
    if (!live_grow(l, &arrivals, l->arrival_count, &l->arrival_cap,
                   sizeof *l->arrivals)) {
        return true; /* the comparison that is due finds it */
    }
    l->arrivals = arrivals;
    struct sync_flag_row flags;
    sync_flag_row_copy(&l->arena, &flags, row);
    l->arrivals[l->arrival_count++] =
        (struct imap_row){.has = need,
                          .uid = row->uid,
                          .modseq = row->modseq,
                          .internaldate_ms = row->internaldate_ms,
                          .size = row->size,
                          .flags = {.system = flags.system,
                                    .keywords = flags.keywords,
                                    .keyword_count = flags.keyword_count},
                          .email_id = arena_str(&l->arena, row->email_id)};
    if (sc->threads) {
        keep_ids(l, &l->arrivals[l->arrival_count - 1], row);
    }
    sync_new_content(sc, m, row);
    return true;
}

void sync_flag_row_copy(struct arena *arena, struct sync_flag_row *out,
                        const struct imap_row *row)
{
    const size_t max = MAILBOX_KEYWORDS_MAX;
    size_t n = row->flags.keyword_count < max ? row->flags.keyword_count : max;
    size_t room = n + row->label_count < max ? n + row->label_count : max;
    *out = (struct sync_flag_row){
        .uid = row->uid,
        .modseq = row->modseq,
        .system = row->flags.system,
        .has_labels = (row->has & IMAP_ITEM_GM_LABELS) != 0,
        .keywords = room > 0 ? ARENA_ARRAY(arena, struct str, room) : NULL};
    for (size_t i = 0; i < n; i++) {
        out->keywords[i] = arena_str(arena, row->flags.keywords[i]);
    }
    out->keyword_count = (uint8_t)sync_label_words(arena, row, out->keywords, n, room);
}
