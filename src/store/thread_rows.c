#include "thread_rows.h"

#include "postrider/base/num.h"
#include "postrider/store/store_thread.h"

enum {
    ROWS_FORMAT = 1,
    DIR_FORMAT = 1,
    THREAD_BYTES = 6,
    DIR_ENTRY_BYTES_MIN = 3
};

static size_t place_of(const uint64_t *known, size_t count, uint64_t thread)
{
    size_t at = 0;
    while (at < count && known[at] != thread) {
        at++;
    }
    return at;
}

bool thread_rows_encode(const struct msg_row *rows, size_t count, struct buf *out)
{
    uint64_t known[SEGMENT_ROWS];
    size_t known_count = 0;
    uint32_t before = 0;
    if (count > SEGMENT_ROWS) {
        return false;
    }
    buf_put_byte(out, ROWS_FORMAT);
    buf_put_varint(out, count);
    for (size_t i = 0; i < count; i++) {
        size_t place = place_of(known, known_count, rows[i].modseq);
        bool is_known = place < known_count;
        buf_put_varint(out, (uint64_t)(rows[i].uid - before) << 1 | is_known);
        before = rows[i].uid;
        if (is_known) {
            buf_put_varint(out, place);
        } else {
            uint8_t thread[8];
            num_put_be64(thread, rows[i].modseq);
            buf_put(out, thread + 8 - THREAD_BYTES, THREAD_BYTES);
            known[known_count++] = rows[i].modseq;
        }
    }
    return !out->overflow;
}

struct rows_reader {
    struct str in;
    size_t pos;
    uint64_t known[SEGMENT_ROWS];
    size_t known_count;
};

static bool read_thread(struct rows_reader *r, bool is_known, uint64_t *thread_out)
{
    uint64_t place;
    uint8_t thread[8] = {0};
    if (is_known) {
        if (!num_get_varint(r->in, &r->pos, &place) || place >= r->known_count) {
            return false;
        }
        *thread_out = r->known[place];
        return true;
    }
    if (r->in.len - r->pos < THREAD_BYTES) {
        return false;
    }
    memcpy(thread + 8 - THREAD_BYTES, r->in.ptr + r->pos, THREAD_BYTES);
    r->pos += THREAD_BYTES;
    *thread_out = r->known[r->known_count++] = num_get_be64(thread);
    return true;
}

bool thread_rows_decode(struct arena *arena, struct str encoded,
                        struct msg_row **rows_out, size_t *count_out)
{
    struct rows_reader r = {.in = encoded, .pos = 1};
    uint64_t count, uid = 0, step;
    if (encoded.len < 2 || encoded.ptr[0] != ROWS_FORMAT ||
        !num_get_varint(encoded, &r.pos, &count) || count == 0 || count > SEGMENT_ROWS) {
        return false;
    }
    struct msg_row *rows = ARENA_ARRAY(arena, struct msg_row, (size_t)count);
    for (uint64_t i = 0; i < count; i++) {
        if (!num_get_varint(encoded, &r.pos, &step) || step >> 1 == 0 ||
            step >> 1 > UINT32_MAX - uid ||
            !read_thread(&r, (step & 1) != 0, &rows[i].modseq)) {
            return false;
        }
        uid += step >> 1;
        rows[i].uid = (uint32_t)uid;
    }
    *rows_out = rows;
    *count_out = (size_t)count;
    return r.pos == encoded.len;
}

bool thread_dir_encode(const struct thread_dir *dir, struct buf *out)
{
    buf_put_byte(out, DIR_FORMAT);
    buf_put_varint(out, dir->low_uid);
    return mailbox_pack_rows(dir->chunks, dir->count, STR_NULL, out);
}

static bool read_chunk(struct str in, size_t *pos, uint64_t *before,
                       struct segment_entry *out)
{
    uint64_t gap, holes, room;
    if (!num_get_varint(in, pos, &gap) || !num_get_varint(in, pos, &holes) ||
        !num_get_varint(in, pos, &room) || gap >= UINT32_MAX || holes >= UINT32_MAX ||
        room >= SEGMENT_ROWS) {
        return false;
    }
    uint64_t first = *before + 1 + gap, last = first + holes + SEGMENT_ROWS - room - 1;
    *before = last;
    *out = (struct segment_entry){.first_uid = (uint32_t)first,
                                  .last_uid = (uint32_t)last,
                                  .count = (uint32_t)(SEGMENT_ROWS - room)};
    return last <= UINT32_MAX;
}

bool thread_dir_decode(struct arena *arena, struct str encoded, struct thread_dir *out)
{
    size_t pos = 1;
    uint64_t low, count, before = 0;
    if (encoded.len < 3 || encoded.ptr[0] != DIR_FORMAT ||
        !num_get_varint(encoded, &pos, &low) || low > UINT32_MAX ||
        !num_get_varint(encoded, &pos, &count) ||
        count > (encoded.len - pos) / DIR_ENTRY_BYTES_MIN) {
        return false;
    }
    struct thread_dir dir = {.low_uid = (uint32_t)low, .count = (size_t)count};
    dir.chunks = ARENA_ARRAY(arena, struct segment_entry, dir.count);
    for (size_t i = 0; i < dir.count; i++) {
        if (!read_chunk(encoded, &pos, &before, &dir.chunks[i])) {
            return false;
        }
    }
    *out = dir;
    return pos == encoded.len;
}
