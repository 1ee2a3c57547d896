/* The first byte chooses what the rest is taken for: a chunk of rows, the directory of the
 * chunks, or a bucket of the map of an account.
 * Property: what decodes has rising UIDs or ids within their limits, and encoding that and
 * decoding it gives the same again. */
#include "postrider/base/check.h"
#include "store/thread_map.h"
#include "store/thread_rows.h"

enum {
    BUCKETS = 5, /* of the map: some are split, others are not */
    OUT_MAX = 16 * 1024 * 1024
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void rows(struct arena *arena, struct str in, struct buf *out)
{
    struct msg_row *a, *b;
    size_t count, again;
    if (!thread_rows_decode(arena, in, &a, &count)) {
        return;
    }
    CHECK(count > 0 && count <= SEGMENT_ROWS);
    CHECK(thread_rows_encode(a, count, out));
    CHECK(thread_rows_decode(arena, buf_str(out), &b, &again) && again == count);
    for (size_t i = 0; i < count; i++) {
        CHECK(a[i].uid > (i > 0 ? a[i - 1].uid : 0));
        CHECK(a[i].modseq >> THREAD_ID_BITS == 0);
        CHECK(a[i].uid == b[i].uid && a[i].modseq == b[i].modseq);
    }
}

static void directory(struct arena *arena, struct str in, struct buf *out)
{
    struct thread_dir a, b;
    if (!thread_dir_decode(arena, in, &a)) {
        return;
    }
    CHECK(thread_dir_encode(&a, out));
    CHECK(thread_dir_decode(arena, buf_str(out), &b));
    CHECK(a.low_uid == b.low_uid && a.count == b.count);
    for (size_t i = 0; i < a.count; i++) {
        const struct segment_entry *e = &a.chunks[i], *f = &b.chunks[i];
        CHECK(e->count > 0 && e->count <= SEGMENT_ROWS);
        CHECK(e->first_uid > (i > 0 ? a.chunks[i - 1].last_uid : 0));
        CHECK(e->last_uid >= e->first_uid && e->last_uid - e->first_uid >= e->count - 1);
        CHECK(e->first_uid == f->first_uid && e->last_uid == f->last_uid &&
              e->count == f->count);
    }
}

static void bucket(struct arena *arena, uint32_t number, struct str in, struct buf *out)
{
    struct thread_map a, b;
    thread_map_init(&a, arena, BUCKETS, 0);
    thread_map_init(&b, arena, BUCKETS, 0);
    if (!thread_bucket_decode(&a, number, in)) {
        CHECK(a.buckets[number] == NULL);
        return;
    }
    CHECK(thread_bucket_encode(&a, number, out));
    CHECK(thread_bucket_decode(&b, number, buf_str(out)));
    const struct thread_bucket *x = a.buckets[number], *y = b.buckets[number];
    CHECK(x->count == y->count);
    for (size_t i = 0; i < x->count; i++) {
        CHECK(i == 0 || x->entries[i].id > x->entries[i - 1].id);
        CHECK(x->entries[i].id >> THREAD_ID_BITS == 0);
        CHECK(thread_map_bucket(BUCKETS, x->entries[i].id) == number);
        CHECK(x->entries[i].id == y->entries[i].id &&
              x->entries[i].joined == y->entries[i].joined);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena = {0};
    struct buf out = BUF_INIT(OUT_MAX);
    if (size > 0) {
        struct str in = str_from(data + 1, size - 1);
        uint8_t kind = data[0] % (BUCKETS + 2);
        if (kind == 0) {
            rows(&arena, in, &out);
        } else if (kind == 1) {
            directory(&arena, in, &out);
        } else {
            bucket(&arena, kind - 2U, in, &out);
        }
    }
    buf_fini(&out);
    arena_fini(&arena);
    return 0;
}
