/* Property: what unpacks has a directory in order whose sum is the count, and packing it
 * and unpacking that gives the same bytes when packed again. */
#include "postrider/base/check.h"
#include "store/store_index.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void pack(const struct mailbox *m, struct buf *out)
{
    CHECK(mailbox_pack_head(m, out));
    CHECK(mailbox_pack_rows(m->segments, m->segment_count,
                            str_from(m->inline_segment, m->inline_len), out));
}

static void check_directory(const struct mailbox *m)
{
    uint64_t rows = 0;
    uint32_t before = 0;
    for (size_t i = 0; i < m->segment_count; i++) {
        const struct segment_entry *s = &m->segments[i];
        CHECK(s->first_uid > before && s->last_uid - s->first_uid + 1 >= s->count);
        before = s->last_uid;
        rows += s->count;
    }
    CHECK(rows == m->count);
    CHECK((m->inline_segment != NULL) ==
          (rows > 0 && rows <= (uint64_t)MAILBOX_INLINE_ROWS));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err err = {0};
    struct mailbox *m = mailbox_unpack(str_from(data, size), &err);
    if (m == NULL) {
        CHECK(err.code == ERR_CORRUPT);
        return 0;
    }
    struct buf first = BUF_INIT(MAILBOX_RECORD_MAX), second = first;
    check_directory(m);
    pack(m, &first);
    struct mailbox *again = mailbox_unpack(buf_str(&first), &err);
    CHECK(again != NULL);
    pack(again, &second);
    CHECK(str_eq(buf_str(&first), buf_str(&second)));
    mailbox_free(&again);
    mailbox_free(&m);
    buf_fini(&first);
    buf_fini(&second);
    return 0;
}
