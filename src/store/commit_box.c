#include "commit_box.h"

#include "postrider/base/check.h"
#include "postrider/base/mem.h"
#include "postrider/base/num.h"

/* --- copying ----------------------------------------------------------------------- */

static struct msg_row *copy_rows(struct arena *arena, const struct msg_row *rows,
                                 size_t count)
{
    struct msg_row *copy = ARENA_ARRAY(arena, struct msg_row, count);
    for (size_t i = 0; i < count; i++) {
        CHECK(rows[i].uid > (i > 0 ? rows[i - 1].uid : 0));
        copy[i] = rows[i];
        copy[i].keywords =
            rows[i].keyword_count > 0
                ? arena_memdup(arena, rows[i].keywords, rows[i].keyword_count)
                : NULL;
        /* An id that is too long serves nobody; a server may have such. */
        copy[i].email_id = rows[i].email_id.len <= MSG_EMAILID_MAX
                               ? arena_str(arena, rows[i].email_id)
                               : STR_NULL;
    }
    return copy;
}

static uint32_t *copy_deletes(struct arena *arena, const uint32_t *deletes, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        CHECK(deletes[i] > deletes[i - 1]);
    }
    return count > 0 ? arena_memdup(arena, deletes, count * sizeof *deletes) : NULL;
}

static bool copy_head(struct commit_box *b, struct arena *arena, struct err *err)
{
    struct buf head = BUF_INIT(MAILBOX_RECORD_MAX);
    bool ok =
        mailbox_pack_head(b->m, &head) ||
        err_set(err, ERR_LIMIT, "mailbox %u: its names are too long", (unsigned)b->box);
    if (ok) {
        b->head = arena_str(arena, buf_str(&head));
    }
    buf_fini(&head);
    return ok;
}

static void plan_reads(struct commit_box *b, struct arena *arena)
{
    size_t count = b->in.segment_count;
    bool *need = ARENA_ARRAY(arena, bool, count);
    b->rows = ARENA_ARRAY(arena, const struct msg_row *, count);
    size_t needed = b->edits ? segment_edit_plan(&b->in, need) : 0;
    if (b->in.inlined || needed == 0) {
        return;
    }
    b->reads = ARENA_ARRAY(arena, struct segment_entry, needed);
    b->read_index = ARENA_ARRAY(arena, size_t, needed);
    for (size_t i = 0; i < count; i++) {
        if (need[i]) {
            b->reads[b->read_count] = b->in.segments[i];
            b->read_index[b->read_count++] = i;
        }
    }
}

bool commit_box_init(struct commit_box *b, struct arena *arena,
                     const struct mailbox_change *change, struct err *err)
{
    const struct mailbox *m = change->m;
    *b = (struct commit_box){.m = change->m,
                             .box = m->box,
                             .version = m->version,
                             .remove = change->remove,
                             .drop = change->drop_rows || change->remove,
                             .shadow = change->shadow_rows,
                             .drop_shadow = change->drop_shadow || change->remove};
    CHECK(!b->shadow || (m->segment_count == 0 && m->version > 0));
    if (b->remove) {
        return true;
    }
    if (!b->drop) {
        struct segment_part part = segment_part_copy(arena, m, 0, m->segment_count);
        b->in.segments = part.entries;
        b->in.segment_count = part.count;
        b->in.inlined = part.inlined.ptr != NULL;
        b->inlined = part.inlined;
    }
    b->in.upserts = copy_rows(arena, change->upserts, change->upsert_count);
    b->in.upsert_count = change->upsert_count;
    b->in.deletes = copy_deletes(arena, change->deletes, change->delete_count);
    b->in.delete_count = change->delete_count;
    b->edits = change->upsert_count + change->delete_count > 0;
    /* Whatever was stored before rows were forgotten in memory. */
    b->drop = b->drop || b->in.segment_count == 0;
    plan_reads(b, arena);
    if (b->edits && b->in.inlined &&
        !store_inline_open(b->in.segments, b->inlined, arena, &b->rows[0], err)) {
        return false;
    }
    return copy_head(b, arena, err);
}

/* --- the script's arguments -------------------------------------------------------- */

static bool encode_inline(struct commit_box *b, struct arena *arena)
{
    struct buf rows = BUF_INIT(SEGMENT_BYTES_MAX);
    CHECK(b->edit.count == 1 && b->edit.segments[0].rows != NULL);
    bool ok = segment_encode(b->edit.segments[0].rows, b->edit.rows, &rows);
    b->inline_next = arena_str(arena, buf_str(&rows));
    buf_fini(&rows);
    return ok;
}

static bool put_record(const struct commit_box *b, struct store *s,
                       const struct store_acct *a, struct store_words *w)
{
    struct buf packed = BUF_INIT(MAILBOX_RECORD_MAX);
    struct buf sealed = BUF_INIT(STORE_VALUE_MAX);
    struct segment_entry *dir =
        ARENA_ARRAY(w->arena, struct segment_entry, b->edit.count);
    for (size_t i = 0; i < b->edit.count; i++) {
        dir[i] = b->edit.segments[i].entry;
    }
    bool ok = buf_put_str(&packed, b->head) &&
              mailbox_pack_rows(dir, b->edit.count, b->inline_next, &packed) &&
              store_record_seal(s, a, b->box, b->version + 1, buf_str(&packed), &sealed);
    if (ok) {
        store_word_buf(w, &sealed);
    }
    buf_fini(&packed);
    buf_fini(&sealed);
    return ok;
}

/* A single buffer: there may be hundreds. */
static bool put_segments(const struct commit_box *b, struct store *s,
                         const struct store_acct *a, struct store_words *w,
                         size_t *written)
{
    size_t count = 0;
    for (size_t i = 0; i < b->edit.count; i++) {
        count += b->edit.segments[i].rows != NULL;
    }
    store_word_u64(w, count);
    *written += count;
    struct buf sealed = BUF_INIT(STORE_VALUE_MAX);
    bool ok = true;
    for (size_t i = 0; ok && i < b->edit.count; i++) {
        const struct edited_segment *seg = &b->edit.segments[i];
        if (seg->rows == NULL) {
            continue;
        }
        buf_clear(&sealed);
        ok = store_segment_seal(s, a, b->box, seg->rows, seg->entry.count, &sealed);
        store_word_u64(w, seg->entry.first_uid);
        store_word_buf(w, &sealed);
    }
    buf_fini(&sealed);
    return ok;
}

/* The result without an edit: everything as it is. */
static void keep_rows(struct commit_box *b, struct arena *arena)
{
    b->edit.count = b->in.segment_count;
    b->edit.segments = ARENA_ARRAY(arena, struct edited_segment, b->edit.count);
    for (size_t i = 0; i < b->edit.count; i++) {
        b->edit.segments[i].entry = b->in.segments[i];
        b->edit.rows += b->in.segments[i].count;
    }
    b->inline_next = b->inlined;
}

static bool edit_rows(struct commit_box *b, struct arena *arena)
{
    if (!b->edits) {
        keep_rows(b, arena);
        return true;
    }
    segment_edit_apply(arena, &b->in, b->rows, &b->edit);
    if (b->edit.rows > MAILBOX_INLINE_ROWS) {
        return true;
    }
    b->drop = b->drop || !b->in.inlined;
    return b->edit.rows == 0 || encode_inline(b, arena);
}

bool commit_box_words(struct commit_box *b, struct store *s, const struct store_acct *a,
                      struct store_words *w, size_t *written, struct err *err)
{
    bool fits = b->remove || edit_rows(b, w->arena);
    uint8_t version[RECORD_VERSION_SIZE];
    num_put_be64(version, b->version);
    store_word_u64(w, b->box);
    store_word(w,
               str_from(arena_memdup(w->arena, version, sizeof version), sizeof version));
    if (b->remove) {
        store_word_c(w, "");
    } else {
        fits = fits && put_record(b, s, a, w);
    }
    /* What becomes the shadow replaces the former one, and nothing is left to drop. */
    store_word_c(w, b->shadow                   ? "s"
                    : b->drop && b->drop_shadow ? "dx"
                    : b->drop                   ? "d"
                    : b->drop_shadow            ? "x"
                                                : "");
    bool inside = b->edit.rows <= MAILBOX_INLINE_ROWS;
    size_t removed = inside || b->in.inlined ? 0 : b->edit.removed_count;
    store_word_u64(w, removed);
    for (size_t i = 0; i < removed; i++) {
        store_word_u64(w, b->edit.removed[i]);
    }
    if (b->remove || inside) {
        store_word_c(w, "0");
    } else {
        fits = fits && put_segments(b, s, a, w, written);
    }
    return fits || err_set(err, ERR_LIMIT, "mailbox %u: its index does not fit a value",
                           (unsigned)b->box);
}

/* --- afterwards -------------------------------------------------------------------- */

void commit_box_settle(const struct commit_box *b)
{
    struct mailbox *m = b->m;
    mailbox_clear_rows(m);
    m->version = b->remove ? 0 : b->version + 1;
    if (b->remove || b->edit.count == 0) {
        return;
    }
    m->segments = mem_array(b->edit.count, sizeof *m->segments);
    m->segment_count = b->edit.count;
    for (size_t i = 0; i < b->edit.count; i++) {
        m->segments[i] = b->edit.segments[i].entry;
    }
    m->count = b->edit.rows;
    if (b->inline_next.ptr != NULL) {
        m->inline_segment = mem_strndup(b->inline_next.ptr, b->inline_next.len);
        m->inline_len = b->inline_next.len;
    }
}
