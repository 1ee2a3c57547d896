/* Editing the segments of a mailbox, in two steps because rows have to be read between.
 *
 * Every change belongs to one stored segment: the last one that begins at or before its
 * UID; what lies before the first segment is the head. A segment is touched if a change
 * belongs to it, except that
 *   - rows behind a full last segment become new segments;
 *   - a head of SEGMENT_ROWS_MIN rows or more becomes new segments, unless the first
 *     stored one is less than half full: an initial walk that goes from the newest to the
 *     oldest in whole segments never rewrites what it has written.
 * A touched segment that outgrows SEGMENT_ROWS is split: evenly, or, when it is the last
 * and rows were appended, into full segments and a rest, which the next rows fill. One
 * that shrinks below SEGMENT_ROWS_MIN joins a neighbour with room for it. At most
 * MAILBOX_INLINE_ROWS rows altogether are always one segment. */
#include "postrider/base/check.h"
#include "store_index.h"

/* The changes that belong to one stored segment: positions in upserts and deletes. */
struct span {
    size_t up, up_end;
    size_t del, del_end;
};

struct piece {
    struct segment_entry entry;
    const struct msg_row *rows; /* NULL: not read */
    bool touched;
};

struct editor {
    struct arena *arena;
    const struct segment_edit_input *in;
    struct piece *pieces;
    size_t count, cap;
};

/* --- which change belongs where ---------------------------------------------------- */

static size_t head_count(const struct segment_edit_input *in)
{
    size_t n = 0;
    while (n < in->upsert_count &&
           (in->segment_count == 0 || in->upserts[n].uid < in->segments[0].first_uid)) {
        n++;
    }
    return n;
}

/* Moves *span on to segment i; it was at segment i - 1, or zeroed with up_end behind the
 * head. */
static void span_next(const struct segment_edit_input *in, size_t i, struct span *span)
{
    const struct segment_entry *s = &in->segments[i];
    uint64_t end = i + 1 < in->segment_count ? s[1].first_uid : (uint64_t)UINT32_MAX + 1;
    span->up = span->up_end;
    while (span->up_end < in->upsert_count && in->upserts[span->up_end].uid < end) {
        span->up_end++;
    }
    span->del = span->del_end;
    while (span->del < in->delete_count && in->deletes[span->del] < s->first_uid) {
        span->del++;
    }
    span->del_end = span->del;
    while (span->del_end < in->delete_count &&
           in->deletes[span->del_end] <= s->last_uid) {
        span->del_end++;
    }
}

static bool joins_head(const struct segment_edit_input *in, size_t head)
{
    return head > 0 && in->segment_count > 0 &&
           (head < SEGMENT_ROWS_MIN || in->segments[0].count < SEGMENT_ROWS / 2);
}

static bool is_touched(const struct segment_edit_input *in, size_t i,
                       const struct span *span, bool with_head)
{
    const struct segment_entry *s = &in->segments[i];
    if (span->del < span->del_end || (i == 0 && with_head) ||
        (in->inlined && in->upsert_count + in->delete_count > 0)) {
        return true;
    }
    bool behind_full = i + 1 == in->segment_count && s->count >= SEGMENT_ROWS &&
                       span->up < span->up_end && in->upserts[span->up].uid > s->last_uid;
    return span->up < span->up_end && !behind_full;
}

/* --- plan -------------------------------------------------------------------------- */

/* Rows that surely stay of what is stored. */
static uint32_t least_left(const struct segment_edit_input *in, size_t i,
                           const struct span *span)
{
    size_t gone = span->del_end - span->del;
    return gone < in->segments[i].count ? in->segments[i].count - (uint32_t)gone : 0;
}

size_t segment_edit_plan(const struct segment_edit_input *in, bool *need)
{
    size_t head = head_count(in), needed = 0;
    bool with_head = joins_head(in, head);
    struct span span = {.up_end = head};
    uint64_t left_total = 0;
    uint32_t left_before = 0; /* of segment i - 1 */
    bool small_before = false;
    for (size_t i = 0; i < in->segment_count; i++) {
        span_next(in, i, &span);
        uint32_t left = least_left(in, i, &span);
        bool touched = is_touched(in, i, &span, with_head);
        bool small = touched && left < SEGMENT_ROWS_MIN &&
                     (left > 0 || span.up < span.up_end || (i == 0 && with_head));
        bool room = i > 0 && left_before + left <= SEGMENT_ROWS;
        need[i] = touched || (small_before && room);
        if (small && room) {
            need[i - 1] = true;
        }
        left_total += left;
        left_before = left;
        small_before = small;
    }
    for (size_t i = 0; i < in->segment_count; i++) {
        need[i] = need[i] || (left_total <= MAILBOX_INLINE_ROWS &&
                              in->upsert_count + in->delete_count > 0);
        needed += need[i];
    }
    return needed;
}

/* --- apply: pieces ----------------------------------------------------------------- */

static void piece_put(struct editor *e, struct piece piece)
{
    CHECK(e->count < e->cap);
    e->pieces[e->count++] = piece;
}

static void piece_put_rows(struct editor *e, const struct msg_row *rows, size_t count)
{
    piece_put(e, (struct piece){.entry = {.first_uid = rows[0].uid,
                                          .last_uid = rows[count - 1].uid,
                                          .count = (uint32_t)count},
                                .rows = rows,
                                .touched = true});
}

/* As many segments as needed: full ones and a rest, or all of nearly one size. */
static void put_split(struct editor *e, const struct msg_row *rows, size_t count,
                      bool fill)
{
    size_t parts = (count + SEGMENT_ROWS - 1) / SEGMENT_ROWS;
    for (size_t part = 0, at = 0; part < parts; part++) {
        size_t rest = count - at;
        size_t n = (rest + (parts - part) - 1) / (parts - part);
        if (fill) {
            n = rest < SEGMENT_ROWS ? rest : SEGMENT_ROWS;
        }
        piece_put_rows(e, rows + at, n);
        at += n;
    }
}

static bool is_deleted(const struct segment_edit_input *in, struct span *span,
                       uint32_t uid)
{
    while (span->del < span->del_end && in->deletes[span->del] < uid) {
        span->del++;
    }
    return span->del < span->del_end && in->deletes[span->del] == uid;
}

/* The rows of a touched segment after the changes of its span. */
static struct msg_row *edit_rows(struct editor *e, const struct msg_row *rows,
                                 size_t count, struct span span, size_t *count_out)
{
    const struct segment_edit_input *in = e->in;
    struct msg_row *out =
        ARENA_ARRAY(e->arena, struct msg_row, count + (span.up_end - span.up));
    size_t n = 0, i = 0;
    while (i < count || span.up < span.up_end) {
        const struct msg_row *up = span.up < span.up_end ? &in->upserts[span.up] : NULL;
        if (up != NULL && (i == count || up->uid <= rows[i].uid)) {
            i += i < count && up->uid == rows[i].uid;
            out[n++] = *up;
            span.up++;
        } else {
            if (!is_deleted(in, &span, rows[i].uid)) {
                out[n++] = rows[i];
            }
            i++;
        }
    }
    *count_out = n;
    return out;
}

static void put_segment(struct editor *e, size_t i, const struct msg_row *rows,
                        struct span span, bool with_head)
{
    const struct segment_edit_input *in = e->in;
    const struct segment_entry *s = &in->segments[i];
    bool appends = i + 1 == in->segment_count && span.up < span.up_end &&
                   in->upserts[span.up_end - 1].uid > s->last_uid;
    if (!is_touched(in, i, &span, i == 0 && with_head)) {
        piece_put(e, (struct piece){.entry = *s, .rows = rows});
        if (appends) {
            put_split(e, in->upserts + span.up, span.up_end - span.up, true);
        }
        return;
    }
    CHECK(rows != NULL);
    if (i == 0 && with_head) {
        span.up = 0;
    }
    size_t count;
    struct msg_row *edited = edit_rows(e, rows, s->count, span, &count);
    put_split(e, edited, count, appends);
}

/* --- apply: joining ---------------------------------------------------------------- */

static void join(struct editor *e, size_t first, size_t n)
{
    struct piece *p = &e->pieces[first];
    size_t count = 0, at = 0;
    for (size_t i = 0; i < n; i++) {
        count += p[i].entry.count;
    }
    struct msg_row *rows = ARENA_ARRAY(e->arena, struct msg_row, count);
    for (size_t i = 0; i < n; at += p[i].entry.count, i++) {
        memcpy(rows + at, p[i].rows, p[i].entry.count * sizeof *rows);
    }
    p->entry.last_uid = p[n - 1].entry.last_uid;
    p->entry.count = (uint32_t)count;
    p->rows = rows;
    p->touched = true;
    memmove(p + 1, p + n, (e->count - first - n) * sizeof *p);
    e->count -= n - 1;
}

static bool can_join(const struct editor *e, size_t i)
{
    const struct piece *a = &e->pieces[i], *b = a + 1;
    return i + 1 < e->count && a->rows != NULL && b->rows != NULL &&
           a->entry.count + b->entry.count <= SEGMENT_ROWS;
}

static void join_small(struct editor *e)
{
    size_t i = 0;
    while (i < e->count) {
        const struct piece *p = &e->pieces[i];
        bool small = p->touched && p->entry.count < SEGMENT_ROWS_MIN;
        bool with_next = small && can_join(e, i);
        bool with_previous = small && i > 0 && can_join(e, i - 1);
        if (with_next && with_previous) {
            with_previous = p[-1].entry.count <= p[1].entry.count;
        }
        if (with_previous) {
            join(e, --i, 2);
        } else if (with_next) {
            join(e, i, 2);
        } else {
            i++;
        }
    }
}

static uint32_t rows_total(const struct editor *e)
{
    uint64_t total = 0;
    for (size_t i = 0; i < e->count; i++) {
        total += e->pieces[i].entry.count;
    }
    CHECK(total <= UINT32_MAX);
    return (uint32_t)total;
}

static void put_result(const struct editor *e, struct segment_edit *out)
{
    const struct segment_edit_input *in = e->in;
    out->rows = rows_total(e);
    out->count = e->count;
    out->segments = ARENA_ARRAY(e->arena, struct edited_segment, e->count);
    out->removed = ARENA_ARRAY(e->arena, uint32_t, in->segment_count);
    out->removed_count = 0;
    for (size_t i = 0; i < e->count; i++) {
        const struct piece *p = &e->pieces[i];
        out->segments[i] = (struct edited_segment){.entry = p->entry,
                                                   .rows = p->touched ? p->rows : NULL};
    }
    size_t at = 0;
    for (size_t i = 0; i < in->segment_count; i++) {
        uint32_t first = in->segments[i].first_uid;
        while (at < e->count && e->pieces[at].entry.first_uid < first) {
            at++;
        }
        if (at == e->count || e->pieces[at].entry.first_uid != first) {
            out->removed[out->removed_count++] = first;
        }
    }
}

void segment_edit_apply(struct arena *arena, const struct segment_edit_input *in,
                        const struct msg_row *const *rows, struct segment_edit *out)
{
    /* A segment with u new rows becomes at most 2 + u / SEGMENT_ROWS; a head counts as
     * one more. */
    size_t cap = 2 * (in->segment_count + 1) + in->upsert_count / SEGMENT_ROWS;
    struct editor e = {.arena = arena,
                       .in = in,
                       .pieces = ARENA_ARRAY(arena, struct piece, cap),
                       .cap = cap};
    size_t head = head_count(in);
    bool with_head = joins_head(in, head);
    if (!with_head) {
        put_split(&e, in->upserts, head, in->segment_count == 0);
    }
    struct span span = {.up_end = head};
    for (size_t i = 0; i < in->segment_count; i++) {
        span_next(in, i, &span);
        put_segment(&e, i, rows[i], span, with_head);
    }
    join_small(&e);
    /* Also one that stays as it was: it moves into the record. */
    bool changes = in->upsert_count + in->delete_count > 0;
    if (changes && e.count > 0 && rows_total(&e) <= MAILBOX_INLINE_ROWS) {
        join(&e, 0, e.count);
    }
    put_result(&e, out);
}
