#include "store_rows.h"

#include "postrider/base/check.h"
#include "postrider/base/num.h"

#include <stdio.h>

enum {
    FIELD_MAX = 48
};

static struct store_place record_place(const struct store_acct *a, uint32_t box,
                                       uint64_t version, char field[FIELD_MAX])
{
    (void)snprintf(field, FIELD_MAX, "mailbox:%u", (unsigned)box);
    return (struct store_place){.purpose = CRYPTO_MAILBOX,
                                .incarnation = a->incarnation,
                                .field = field,
                                .version = version};
}

static struct store_place segment_place(const struct store_acct *a, uint32_t box,
                                        uint32_t first_uid, char field[FIELD_MAX])
{
    (void)snprintf(field, FIELD_MAX, "segment:%u:%u", (unsigned)box, (unsigned)first_uid);
    return (struct store_place){
        .purpose = CRYPTO_INDEX, .incarnation = a->incarnation, .field = field};
}

bool store_record_seal(struct store *s, const struct store_acct *a, uint32_t box,
                       uint64_t version, struct str packed, struct buf *out)
{
    char field[FIELD_MAX];
    uint8_t clear[RECORD_VERSION_SIZE];
    struct store_place place = record_place(a, box, version, field);
    num_put_be64(clear, version);
    return buf_put(out, clear, sizeof clear) && store_seal(s, &place, packed, out);
}

struct mailbox *store_record_open(struct store *s, const struct store_acct *a,
                                  uint32_t box, struct str stored, struct err *err)
{
    if (stored.len < RECORD_VERSION_SIZE) {
        err_set(err, ERR_CORRUPT, "mailbox record: %zu bytes only", stored.len);
        return NULL;
    }
    char field[FIELD_MAX];
    uint64_t version = num_get_be64((const uint8_t *)stored.ptr);
    struct store_place place = record_place(a, box, version, field);
    struct buf plain = BUF_INIT(MAILBOX_RECORD_MAX);
    struct mailbox *m = NULL;
    if (store_open_value(s, &place, str_tail(stored, RECORD_VERSION_SIZE), &plain, err)) {
        m = mailbox_unpack(buf_str(&plain), err);
    }
    buf_fini(&plain);
    if (m != NULL && m->box != box) {
        mailbox_free(&m);
        err_set(err, ERR_CORRUPT, "mailbox record: it is another mailbox's");
    }
    if (m != NULL) {
        m->version = version;
    }
    return m;
}

bool store_segment_seal(struct store *s, const struct store_acct *a, uint32_t box,
                        const struct msg_row *rows, size_t count, struct buf *out)
{
    char field[FIELD_MAX];
    struct store_place place = segment_place(a, box, rows[0].uid, field);
    struct buf plain = BUF_INIT(SEGMENT_BYTES_MAX);
    bool ok = segment_encode(rows, count, &plain) &&
              store_seal(s, &place, buf_str(&plain), out);
    buf_fini(&plain);
    return ok;
}

void store_segments_words(struct store_words *w, const struct store *s,
                          const struct store_acct *a, const char *kind, uint32_t box,
                          const struct segment_entry *entries, size_t count)
{
    store_word_c(w, "HMGET");
    store_word(w, store_key_box(w->arena, s, a, kind, box));
    for (size_t i = 0; i < count; i++) {
        store_word_u64(w, entries[i].first_uid);
    }
}

static bool decode_checked(const struct segment_entry *entry, struct str encoded,
                           struct arena *arena, const struct msg_row **rows_out,
                           struct err *err)
{
    struct msg_row *rows;
    size_t count;
    if (!segment_decode(arena, encoded, &rows, &count, err)) {
        return false;
    }
    if (count != entry->count || rows[0].uid != entry->first_uid ||
        rows[count - 1].uid != entry->last_uid) {
        return err_set(err, ERR_STALE, "the index was changed while it was read");
    }
    *rows_out = rows;
    return true;
}

bool store_segments_open(struct store *s, const struct store_acct *a, uint32_t box,
                         const struct segment_entry *entries, size_t count,
                         const struct redis_reply *reply, struct arena *arena,
                         const struct msg_row **rows_out, struct err *err)
{
    if (reply->type != REDIS_ARRAY || reply->count != count) {
        return err_set(err, ERR_STORE_REPLY, "HMGET: not the answer to it");
    }
    struct buf plain = BUF_INIT(SEGMENT_BYTES_MAX);
    bool ok = true;
    for (size_t i = 0; ok && i < count; i++) {
        char field[FIELD_MAX];
        struct store_place place = segment_place(a, box, entries[i].first_uid, field);
        buf_clear(&plain);
        ok = reply->items[i].type == REDIS_STRING ||
             err_set(err, ERR_STALE, "the index was changed while it was read");
        ok = ok && store_open_value(s, &place, reply->items[i].str, &plain, err) &&
             decode_checked(&entries[i], buf_str(&plain), arena, &rows_out[i], err);
    }
    buf_fini(&plain);
    return ok || err_wrap(err, "mailbox %u", (unsigned)box);
}

bool store_inline_open(const struct segment_entry *entry, struct str encoded,
                       struct arena *arena, const struct msg_row **rows_out,
                       struct err *err)
{
    return decode_checked(entry, encoded, arena, rows_out, err);
}

struct store_acct store_acct_copy(struct arena *arena, const struct store_acct *a)
{
    struct store_acct copy = *a;
    copy.id = arena_strdup(arena, a->id);
    return copy;
}

struct segment_part segment_part_copy(struct arena *arena, const struct mailbox *m,
                                      size_t first, size_t count)
{
    struct segment_part part = {.kind =
                                    m->is_shadow ? STORE_KIND_SHADOW : STORE_KIND_INDEX,
                                .box = m->box,
                                .count = count};
    if (count > 0) {
        part.entries =
            arena_memdup(arena, m->segments + first, count * sizeof *part.entries);
    }
    if (m->inline_segment != NULL) {
        part.inlined = arena_str(arena, str_from(m->inline_segment, m->inline_len));
    }
    return part;
}
