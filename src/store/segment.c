/* The columnar codec of a segment. A segment is
 *
 *   format     1 byte: 0x01
 *   count      varint, 1 … SEGMENT_ROWS
 *   columns    1 byte: modseq mode (bits 0–1), fingerprints (bit 2), e-mail ids (bits
 * 3–4) uids       first UID, then steps: even t = (t >> 1) + 1 consecutive UIDs follow,
 *              odd t = the next UID is (t >> 1) + 2 ahead
 *   flags      dictionary of (flags, keyword ids), then (index, run length) tokens;
 *              a dictionary of one entry needs no tokens
 *   modseqs    by mode: none, one for all, zigzag steps from row to row, or the least one
 *              and what each is above it; the encoder takes the shortest
 *   prints     4 bytes big-endian each; absent when all are unknown
 *   email ids  none, numbers as zigzag steps, or (length, kind) with text, where pairs of
 *              lower-case hexadecimal digits take one byte
 *
 * Runs and steps make a row of a quiet mailbox cost little more than its fingerprint. The
 * columns stand apart because each then compresses by its own regularity. */
#include "postrider/base/buf.h"
#include "postrider/base/check.h"
#include "postrider/base/num.h"
#include "postrider/store/store_mailbox.h"

#include <stdio.h>

enum {
    SEGMENT_FORMAT = 1,
    COLUMN_MODSEQ_MASK = 0x03,
    COLUMN_PRINTS = 0x04,
    COLUMN_EMAIL_SHIFT = 3,
    COLUMN_ALL = 0x1f,
    RUN_SHORT_MAX = 7, /* run lengths up to here fit the token */
    HEX_KIND = 1,
    DECIMAL_DIGITS_MAX = 20
};

enum modseq_mode {
    MODSEQ_NONE,
    MODSEQ_ONE,
    MODSEQ_STEPS,
    MODSEQ_ABOVE_MIN
};

enum email_mode {
    EMAIL_NONE,
    EMAIL_NUMBERS,
    EMAIL_TEXTS
};

/* --- encoding: what the columns look like ------------------------------------------ */

static size_t varint_len(uint64_t v)
{
    size_t n = 1;
    while (v >= 0x80) {
        v >>= 7;
        n++;
    }
    return n;
}

static enum modseq_mode modseq_mode_choose(const struct msg_row *rows, size_t count,
                                           uint64_t *min_out)
{
    uint64_t min = rows[0].modseq, max = rows[0].modseq, previous = 0;
    for (size_t i = 1; i < count; i++) {
        min = rows[i].modseq < min ? rows[i].modseq : min;
        max = rows[i].modseq > max ? rows[i].modseq : max;
    }
    *min_out = min;
    if (min == max) {
        return max == 0 ? MODSEQ_NONE : MODSEQ_ONE;
    }
    size_t steps = 0, above = varint_len(min);
    for (size_t i = 0; i < count; i++) {
        steps += varint_len(num_zigzag((int64_t)(rows[i].modseq - previous)));
        above += varint_len(rows[i].modseq - min);
        previous = rows[i].modseq;
    }
    return steps <= above ? MODSEQ_STEPS : MODSEQ_ABOVE_MIN;
}

/* Only the shortest spelling is a number: it must come back as it was. */
static bool email_is_number(struct str id, uint64_t *out)
{
    return id.ptr != NULL && id.len > 0 && (id.len == 1 || id.ptr[0] != '0') &&
           num_u64(id, UINT64_MAX, out);
}

static enum email_mode email_mode_choose(const struct msg_row *rows, size_t count)
{
    bool any = false, numbers = true;
    uint64_t ignored;
    for (size_t i = 0; i < count; i++) {
        any = any || rows[i].email_id.ptr != NULL;
        numbers = numbers && email_is_number(rows[i].email_id, &ignored);
    }
    if (!any) {
        return EMAIL_NONE;
    }
    return numbers ? EMAIL_NUMBERS : EMAIL_TEXTS;
}

static bool has_prints(const struct msg_row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (rows[i].fingerprint != 0) {
            return true;
        }
    }
    return false;
}

/* --- encoding: columns ------------------------------------------------------------- */

static void put_uids(const struct msg_row *rows, size_t count, struct buf *out)
{
    buf_put_varint(out, rows[0].uid);
    uint64_t run = 0;
    for (size_t i = 1; i < count; i++) {
        CHECK(rows[i].uid > rows[i - 1].uid);
        uint64_t gap = rows[i].uid - rows[i - 1].uid;
        if (gap == 1) {
            run++;
            continue;
        }
        if (run > 0) {
            buf_put_varint(out, (run - 1) << 1);
            run = 0;
        }
        buf_put_varint(out, ((gap - 2) << 1) | 1);
    }
    if (run > 0) {
        buf_put_varint(out, (run - 1) << 1);
    }
}

static bool same_flags(const struct msg_row *a, const struct msg_row *b)
{
    return a->flags == b->flags && a->keyword_count == b->keyword_count &&
           (a->keyword_count == 0 ||
            memcmp(a->keywords, b->keywords, a->keyword_count) == 0);
}

static void put_run(struct buf *out, size_t index, size_t run)
{
    if (run <= RUN_SHORT_MAX) {
        buf_put_varint(out, index << 3 | (run - 1));
    } else {
        buf_put_varint(out, index << 3 | RUN_SHORT_MAX);
        buf_put_varint(out, run - RUN_SHORT_MAX - 1);
    }
}

static void put_flags(const struct msg_row *rows, size_t count, struct buf *out)
{
    const struct msg_row *dict[SEGMENT_ROWS];
    uint16_t index[SEGMENT_ROWS];
    size_t dict_count = 0;
    for (size_t i = 0; i < count; i++) {
        size_t d = 0;
        while (d < dict_count && !same_flags(dict[d], &rows[i])) {
            d++;
        }
        if (d == dict_count) {
            dict[dict_count++] = &rows[i];
        }
        index[i] = (uint16_t)d;
    }
    buf_put_varint(out, dict_count);
    for (size_t d = 0; d < dict_count; d++) {
        for (size_t k = 0; k < dict[d]->keyword_count; k++) {
            const uint8_t *ids = dict[d]->keywords;
            CHECK(ids[k] < MAILBOX_KEYWORDS_MAX && (k == 0 || ids[k] > ids[k - 1]));
        }
        buf_put_byte(out, (char)dict[d]->flags);
        buf_put_byte(out, (char)dict[d]->keyword_count);
        buf_put(out, dict[d]->keywords, dict[d]->keyword_count);
    }
    for (size_t i = 0, run; dict_count > 1 && i < count; i += run) {
        run = 1;
        while (i + run < count && index[i + run] == index[i]) {
            run++;
        }
        put_run(out, index[i], run);
    }
}

static void put_modseqs(const struct msg_row *rows, size_t count, enum modseq_mode mode,
                        uint64_t min, struct buf *out)
{
    if (mode == MODSEQ_NONE) {
        return;
    }
    if (mode != MODSEQ_STEPS) {
        buf_put_varint(out, min);
    }
    uint64_t previous = 0;
    for (size_t i = 0; mode != MODSEQ_ONE && i < count; i++) {
        buf_put_varint(out, mode == MODSEQ_STEPS
                                ? num_zigzag((int64_t)(rows[i].modseq - previous))
                                : rows[i].modseq - min);
        previous = rows[i].modseq;
    }
}

static void put_prints(const struct msg_row *rows, size_t count, struct buf *out)
{
    uint8_t bytes[4];
    for (size_t i = 0; i < count; i++) {
        num_put_be32(bytes, rows[i].fingerprint);
        buf_put(out, bytes, sizeof bytes);
    }
}

static int hex_value(char c)
{
    if (ascii_is_digit(c)) {
        return c - '0';
    }
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Servers like to spell ids as digits behind one letter: an odd length leaves the first
 * byte as it is. */
static bool is_packable(struct str id)
{
    for (size_t i = id.len & 1; i < id.len; i++) {
        if (hex_value(id.ptr[i]) < 0) {
            return false;
        }
    }
    return id.len > 1;
}

static void put_email_text(struct buf *out, struct str id)
{
    if (id.ptr == NULL) {
        buf_put_varint(out, 0);
        return;
    }
    bool packed = is_packable(id);
    buf_put_varint(out, (id.len + 1) << 1 | (packed ? HEX_KIND : 0));
    if (!packed) {
        buf_put_str(out, id);
        return;
    }
    buf_put(out, id.ptr, id.len & 1);
    for (size_t i = id.len & 1; i < id.len; i += 2) {
        buf_put_byte(out, (char)(hex_value(id.ptr[i]) << 4 | hex_value(id.ptr[i + 1])));
    }
}

static void put_emails(const struct msg_row *rows, size_t count, enum email_mode mode,
                       struct buf *out)
{
    uint64_t previous = 0;
    for (size_t i = 0; mode != EMAIL_NONE && i < count; i++) {
        uint64_t number = 0;
        if (mode == EMAIL_TEXTS) {
            CHECK(rows[i].email_id.len <= MSG_EMAILID_MAX);
            put_email_text(out, rows[i].email_id);
        } else if (email_is_number(rows[i].email_id, &number)) {
            buf_put_varint(out, num_zigzag((int64_t)(number - previous)));
            previous = number;
        }
    }
}

bool segment_encode(const struct msg_row *rows, size_t count, struct buf *out)
{
    CHECK(count > 0 && count <= SEGMENT_ROWS && rows[0].uid > 0);
    uint64_t min;
    enum modseq_mode modseqs = modseq_mode_choose(rows, count, &min);
    enum email_mode emails = email_mode_choose(rows, count);
    bool prints = has_prints(rows, count);
    buf_put_byte(out, SEGMENT_FORMAT);
    buf_put_varint(out, count);
    buf_put_byte(out, (char)((unsigned)modseqs | (prints ? COLUMN_PRINTS : 0u) |
                             (unsigned)emails << COLUMN_EMAIL_SHIFT));
    put_uids(rows, count, out);
    put_flags(rows, count, out);
    put_modseqs(rows, count, modseqs, min, out);
    if (prints) {
        put_prints(rows, count, out);
    }
    put_emails(rows, count, emails, out);
    return !out->overflow;
}

/* --- decoding ---------------------------------------------------------------------- */

struct decoder {
    struct arena *arena;
    struct str in;
    size_t pos;
    struct msg_row *rows;
    size_t count;
};

static bool get_varint(struct decoder *d, uint64_t max, uint64_t *out)
{
    return num_get_varint(d->in, &d->pos, out) && *out <= max;
}

static const uint8_t *get_bytes(struct decoder *d, size_t n)
{
    if (d->in.len - d->pos < n) {
        return NULL;
    }
    const uint8_t *p = (const uint8_t *)d->in.ptr + d->pos;
    d->pos += n;
    return p;
}

static bool get_uids(struct decoder *d)
{
    uint64_t uid, t;
    if (!get_varint(d, UINT32_MAX, &uid) || uid == 0) {
        return false;
    }
    d->rows[0].uid = (uint32_t)uid;
    for (size_t i = 1; i < d->count;) {
        if (!get_varint(d, UINT64_MAX, &t)) {
            return false;
        }
        uint64_t run = (t & 1) != 0 ? 1 : (t >> 1) + 1;
        uint64_t gap = (t & 1) != 0 ? (t >> 1) + 2 : 1;
        if (run > d->count - i || gap > UINT32_MAX || uid + run * gap > UINT32_MAX) {
            return false;
        }
        for (; run > 0; run--, i++) {
            uid += gap;
            d->rows[i].uid = (uint32_t)uid;
        }
    }
    return true;
}

static bool get_flag_entry(struct decoder *d, struct msg_row *out)
{
    const uint8_t *head = get_bytes(d, 2);
    const uint8_t *ids = head != NULL ? get_bytes(d, head[1]) : NULL;
    if (ids == NULL) {
        return false;
    }
    for (size_t k = 0; k < head[1]; k++) {
        if (ids[k] >= MAILBOX_KEYWORDS_MAX || (k > 0 && ids[k] <= ids[k - 1])) {
            return false;
        }
    }
    out->flags = head[0];
    out->keyword_count = head[1];
    out->keywords = head[1] > 0 ? arena_memdup(d->arena, ids, head[1]) : NULL;
    return true;
}

static bool get_flag_run(struct decoder *d, size_t dict_count, uint64_t *index,
                         uint64_t *run)
{
    uint64_t t;
    if (!get_varint(d, UINT64_MAX, &t) || t >> 3 >= dict_count) {
        return false;
    }
    *index = t >> 3;
    *run = (t & 7) + 1;
    if ((t & 7) == RUN_SHORT_MAX) {
        if (!get_varint(d, d->count, &t)) {
            return false;
        }
        *run = t + RUN_SHORT_MAX + 1;
    }
    return true;
}

static bool get_flags(struct decoder *d)
{
    struct msg_row dict[SEGMENT_ROWS];
    uint64_t dict_count, index = 0, run = d->count;
    if (!get_varint(d, d->count, &dict_count) || dict_count == 0) {
        return false;
    }
    for (size_t i = 0; i < dict_count; i++) {
        if (!get_flag_entry(d, &dict[i])) {
            return false;
        }
    }
    for (size_t i = 0; i < d->count;) {
        if ((dict_count > 1 && !get_flag_run(d, dict_count, &index, &run)) ||
            run > d->count - i) {
            return false;
        }
        for (; run > 0; run--, i++) {
            d->rows[i].flags = dict[index].flags;
            d->rows[i].keyword_count = dict[index].keyword_count;
            d->rows[i].keywords = dict[index].keywords;
        }
    }
    return true;
}

static bool get_modseqs(struct decoder *d, unsigned mode)
{
    uint64_t base = 0, v = 0;
    if (mode == MODSEQ_NONE) {
        return true;
    }
    if (mode != MODSEQ_STEPS && !get_varint(d, UINT64_MAX, &base)) {
        return false;
    }
    for (size_t i = 0; i < d->count; i++) {
        if (mode != MODSEQ_ONE && !get_varint(d, UINT64_MAX, &v)) {
            return false;
        }
        if (mode == MODSEQ_STEPS) {
            base += (uint64_t)num_unzigzag(v);
        }
        d->rows[i].modseq = mode == MODSEQ_ABOVE_MIN ? base + v : base;
        if (d->rows[i].modseq < base) {
            return false;
        }
    }
    return true;
}

static bool get_prints(struct decoder *d)
{
    for (size_t i = 0; i < d->count; i++) {
        const uint8_t *p = get_bytes(d, 4);
        if (p == NULL) {
            return false;
        }
        d->rows[i].fingerprint = num_get_be32(p);
    }
    return true;
}

static bool get_email_text(struct decoder *d, struct str *out)
{
    static const char digits[] = "0123456789abcdef";
    uint64_t t;
    if (!get_varint(d, (MSG_EMAILID_MAX + 1) << 1 | HEX_KIND, &t)) {
        return false;
    }
    if (t >> 1 == 0) {
        return t == 0;
    }
    size_t len = (size_t)(t >> 1) - 1, odd = len & 1;
    bool packed = (t & HEX_KIND) != 0;
    const uint8_t *p = get_bytes(d, packed ? odd + len / 2 : len);
    if (p == NULL) {
        return false;
    }
    char *text = arena_alloc(d->arena, len + 1);
    if (packed) {
        memcpy(text, p, odd);
        for (size_t i = odd; i < len; i++) {
            uint8_t pair = p[odd + (i - odd) / 2];
            text[i] = digits[((i - odd) & 1) != 0 ? pair & 15 : pair >> 4];
        }
    } else {
        memcpy(text, p, len);
    }
    *out = str_from(text, len);
    return true;
}

static bool get_emails(struct decoder *d, unsigned mode)
{
    uint64_t number = 0, v;
    for (size_t i = 0; mode != EMAIL_NONE && i < d->count; i++) {
        if (mode == EMAIL_TEXTS) {
            if (!get_email_text(d, &d->rows[i].email_id)) {
                return false;
            }
            continue;
        }
        if (!get_varint(d, UINT64_MAX, &v)) {
            return false;
        }
        number += (uint64_t)num_unzigzag(v);
        char text[DECIMAL_DIGITS_MAX + 1];
        int len = snprintf(text, sizeof text, "%llu", (unsigned long long)number);
        d->rows[i].email_id = arena_str(d->arena, str_from(text, (size_t)len));
    }
    return true;
}

static bool get_columns(struct decoder *d)
{
    const uint8_t *format = get_bytes(d, 1);
    uint64_t count;
    if (format == NULL || *format != SEGMENT_FORMAT ||
        !get_varint(d, SEGMENT_ROWS, &count) || count == 0) {
        return false;
    }
    const uint8_t *columns = get_bytes(d, 1);
    if (columns == NULL || (*columns & ~COLUMN_ALL) != 0 ||
        *columns >> COLUMN_EMAIL_SHIFT > EMAIL_TEXTS) {
        return false;
    }
    d->count = (size_t)count;
    d->rows = ARENA_ARRAY(d->arena, struct msg_row, d->count);
    return get_uids(d) && get_flags(d) && get_modseqs(d, *columns & COLUMN_MODSEQ_MASK) &&
           ((*columns & COLUMN_PRINTS) == 0 || get_prints(d)) &&
           get_emails(d, *columns >> COLUMN_EMAIL_SHIFT) && d->pos == d->in.len;
}

bool segment_decode(struct arena *arena, struct str encoded, struct msg_row **rows_out,
                    size_t *count_out, struct err *err)
{
    struct decoder d = {.arena = arena, .in = encoded};
    if (!get_columns(&d)) {
        return err_set(err, ERR_CORRUPT, "index segment: malformed at byte %zu of %zu",
                       d.pos, encoded.len);
    }
    *rows_out = d.rows;
    *count_out = d.count;
    return true;
}
