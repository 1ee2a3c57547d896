/* The packed mailbox record, as it is sealed behind the version:
 *
 *   format     1 byte: 0x04, or 0x03 where what came with 0x04 is 0
 *   numbers    varints in the order of the table below; earlier formats have fewer
 *   names      wire, path, special use, mailbox id: length + 1 and bytes; 0 = NULL
 *   keywords   count, then length and bytes each
 *   directory  count, then per segment: distance of its first UID from the last UID
 * before it, UIDs missing between its first and last, SEGMENT_ROWS - rows rows       the
 * one segment of a small mailbox, to the end */
#include "postrider/base/check.h"
#include "postrider/base/mem.h"
#include "postrider/base/num.h"
#include "store_index.h"

#include <stdio.h>

enum {
    RECORD_FORMAT = 4,
    RECORD_FORMAT_WHOLE = 3 /* of a mailbox whose index has no lower end */
};

/* How many of the numbers the formats so far have. */
static const uint8_t numbers_of_format[RECORD_FORMAT] = {
    [1] = 17, [2] = 23, [RECORD_FORMAT_WHOLE] = 24};

struct number_row {
    size_t offset;
    size_t size;
};

#define NUMBER(member)                                                                   \
    {                                                                                    \
        offsetof(struct mailbox, member), sizeof(((struct mailbox *)0)->member)          \
    }

/* New members go to the end of the list, with a new format. */
static const struct number_row numbers[] = {
    NUMBER(box),
    NUMBER(number),
    NUMBER(delimiter),
    NUMBER(special_use_source),
    NUMBER(list_attrs),
    NUMBER(phase),
    NUMBER(epoch),
    NUMBER(uid_validity),
    NUMBER(last_uid),
    NUMBER(srv_uid_next),
    NUMBER(highest_modseq),
    NUMBER(exists),
    NUMBER(low_uid),
    NUMBER(start_uid),
    NUMBER(start_modseq),
    NUMBER(last_full_ms),
    NUMBER(gone_since_ms),
    NUMBER(rebuild),
    NUMBER(rebuild_told),
    NUMBER(reset_count),
    NUMBER(reset_from_ms),
    NUMBER(rest_until_ms),
    NUMBER(stored_ms),
    NUMBER(window_floor),
    NUMBER(first_uid),
    NUMBER(below),
    NUMBER(since_day),
};

static size_t numbers_of(uint8_t format)
{
    return format < RECORD_FORMAT ? numbers_of_format[format] : ARRAY_LEN(numbers);
}

static uint64_t number_get(const struct mailbox *m, const struct number_row *row)
{
    const char *at = (const char *)m + row->offset;
    uint8_t v1;
    uint32_t v4;
    uint64_t v8;
    switch (row->size) {
    case sizeof v1:
        memcpy(&v1, at, sizeof v1);
        return v1;
    case sizeof v4:
        memcpy(&v4, at, sizeof v4);
        return v4;
    default:
        memcpy(&v8, at, sizeof v8);
        return v8;
    }
}

static bool number_set(struct mailbox *m, const struct number_row *row, uint64_t v)
{
    char *at = (char *)m + row->offset;
    uint8_t v1 = (uint8_t)v;
    uint32_t v4 = (uint32_t)v;
    switch (row->size) {
    case sizeof v1:
        memcpy(at, &v1, sizeof v1);
        return v == v1;
    case sizeof v4:
        memcpy(at, &v4, sizeof v4);
        return v == v4;
    default:
        memcpy(at, &v, sizeof v);
        return true;
    }
}

/* --- packing ----------------------------------------------------------------------- */

static void put_text(struct buf *out, struct str s)
{
    buf_put_varint(out, s.ptr != NULL ? s.len + 1 : 0);
    buf_put_str(out, s);
}

static bool fits(const struct mailbox *m)
{
    return m->wire_len <= MAILBOX_NAME_MAX && strlen(m->path) <= MAILBOX_NAME_MAX &&
           (m->mailbox_id == NULL || strlen(m->mailbox_id) <= MAILBOX_NAME_MAX);
}

bool mailbox_pack_head(const struct mailbox *m, struct buf *out)
{
    if (!fits(m)) {
        return false;
    }
    bool whole = m->first_uid == 0 && m->below == 0 && m->since_day == 0;
    const uint8_t format = whole ? RECORD_FORMAT_WHOLE : RECORD_FORMAT;
    buf_put_byte(out, (char)format);
    for (size_t i = 0; i < numbers_of(format); i++) {
        buf_put_varint(out, number_get(m, &numbers[i]));
    }
    put_text(out, str_from(m->wire, m->wire_len));
    put_text(out, str_of(m->path));
    put_text(out, str_of(m->special_use));
    put_text(out, str_of(m->mailbox_id));
    buf_put_varint(out, m->keyword_count);
    for (size_t i = 0; i < m->keyword_count; i++) {
        put_text(out, str_of(m->keywords[i]));
    }
    return !out->overflow;
}

bool mailbox_pack_rows(const struct segment_entry *segments, size_t segment_count,
                       struct str inline_segment, struct buf *out)
{
    buf_put_varint(out, segment_count);
    uint32_t before = 0;
    for (size_t i = 0; i < segment_count; i++) {
        const struct segment_entry *s = &segments[i];
        CHECK(s->first_uid > before && s->last_uid >= s->first_uid && s->count > 0 &&
              s->count <= SEGMENT_ROWS);
        buf_put_varint(out, s->first_uid - before - 1);
        buf_put_varint(out, (uint64_t)s->last_uid - s->first_uid + 1 - s->count);
        buf_put_varint(out, SEGMENT_ROWS - s->count);
        before = s->last_uid;
    }
    buf_put_str(out, inline_segment);
    return !out->overflow;
}

/* --- unpacking --------------------------------------------------------------------- */

struct reader {
    struct str in;
    size_t pos;
    bool bad; /* sticky: later reads give nothing */
};

static uint64_t get_varint(struct reader *r, uint64_t max)
{
    uint64_t v = 0;
    if (r->bad || !num_get_varint(r->in, &r->pos, &v) || v > max) {
        r->bad = true;
        return 0;
    }
    return v;
}

/* A terminated copy, or NULL for an absent or bad text. */
static char *get_text(struct reader *r, size_t max, size_t *len_out)
{
    uint64_t n = get_varint(r, max + 1);
    if (n == 0 || r->bad) {
        return NULL;
    }
    size_t len = (size_t)n - 1;
    if (r->in.len - r->pos < len) {
        r->bad = true;
        return NULL;
    }
    char *text = mem_strndup(r->in.ptr + r->pos, len);
    r->pos += len;
    if (len_out != NULL) {
        *len_out = len;
    } else if (strlen(text) != len) {
        r->bad = true;
    }
    return text;
}

static void get_numbers(struct reader *r, struct mailbox *m, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!number_set(m, &numbers[i], get_varint(r, UINT64_MAX))) {
            r->bad = true;
        }
    }
    r->bad = r->bad || (unsigned)m->phase > MAILBOX_PHASE_GONE ||
             (unsigned)m->special_use_source > SPECIAL_USE_USER;
}

static void get_names(struct reader *r, struct mailbox *m)
{
    size_t wire_len = 0;
    char *wire = get_text(r, MAILBOX_NAME_MAX, &wire_len);
    char *path = get_text(r, MAILBOX_NAME_MAX, NULL);
    char *special_use = get_text(r, sizeof m->special_use - 1, NULL);
    r->bad = r->bad || wire == NULL || path == NULL || special_use == NULL;
    if (!r->bad) {
        mailbox_set_names(m, str_from(wire, wire_len), str_of(path));
        (void)snprintf(m->special_use, sizeof m->special_use, "%s", special_use);
    }
    mem_free(wire);
    mem_free(path);
    mem_free(special_use);
    m->mailbox_id = get_text(r, MAILBOX_NAME_MAX, NULL);
    size_t count = (size_t)get_varint(r, MAILBOX_KEYWORDS_MAX);
    if (count == 0) {
        return;
    }
    m->keywords = mem_array(count, sizeof *m->keywords);
    while (!r->bad && m->keyword_count < count) {
        char *name = get_text(r, MAILBOX_KEYWORD_BYTES_MAX, NULL);
        if (name == NULL) {
            r->bad = true;
            return;
        }
        m->keywords[m->keyword_count++] = name;
    }
}

static void get_directory(struct reader *r, struct mailbox *m)
{
    /* An entry takes three bytes at least: no count can ask for more memory. */
    size_t count = (size_t)get_varint(r, (r->in.len - r->pos) / 3);
    if (r->bad || count == 0) {
        return;
    }
    m->segments = mem_array(count, sizeof *m->segments);
    uint64_t before = 0, rows = 0;
    for (size_t i = 0; i < count && !r->bad; i++) {
        uint64_t first = before + 1 + get_varint(r, UINT32_MAX);
        uint64_t holes = get_varint(r, UINT32_MAX);
        uint64_t n = SEGMENT_ROWS - get_varint(r, SEGMENT_ROWS - 1);
        before = first + holes + n - 1;
        rows += n;
        r->bad = r->bad || before > UINT32_MAX || rows > UINT32_MAX;
        m->segments[i] = (struct segment_entry){.first_uid = (uint32_t)first,
                                                .last_uid = (uint32_t)before,
                                                .count = (uint32_t)n};
    }
    m->segment_count = count;
    m->count = (uint32_t)rows;
}

static void get_rows(struct reader *r, struct mailbox *m)
{
    size_t len = r->bad ? 0 : r->in.len - r->pos;
    if (r->bad || (len > 0) != (m->count > 0 && m->count <= MAILBOX_INLINE_ROWS) ||
        (len > 0 && m->segment_count != 1)) {
        r->bad = true;
        return;
    }
    if (len > 0) {
        m->inline_segment = mem_strndup(r->in.ptr + r->pos, len);
        m->inline_len = len;
    }
}

struct mailbox *mailbox_unpack(struct str packed, struct err *err)
{
    struct reader r = {.in = packed};
    struct mailbox *m = MEM_NEW(struct mailbox);
    uint8_t format = packed.len > 0 ? (uint8_t)packed.ptr[r.pos++] : 0;
    r.bad = format == 0 || format > RECORD_FORMAT;
    get_numbers(&r, m, r.bad ? 0 : numbers_of(format));
    get_names(&r, m);
    get_directory(&r, m);
    get_rows(&r, m);
    if (r.bad) {
        mailbox_free(&m);
        err_set(err, ERR_CORRUPT, "mailbox record: malformed at byte %zu of %zu", r.pos,
                packed.len);
    }
    return m;
}
