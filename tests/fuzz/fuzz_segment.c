/* Property: what decodes has valid rows in order, and encoding them and decoding that
 * gives the same rows. */
#include "postrider/base/check.h"
#include "row_model.h"
#include "store/store_index.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_rows(const struct msg_row *rows, size_t count)
{
    CHECK(count > 0 && count <= SEGMENT_ROWS);
    for (size_t i = 0; i < count; i++) {
        CHECK(rows[i].uid > (i > 0 ? rows[i - 1].uid : 0));
        CHECK(rows[i].email_id.len <= MSG_EMAILID_MAX);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena = {0};
    struct buf out = BUF_INIT(SEGMENT_BYTES_MAX);
    struct msg_row *rows, *again;
    size_t count, again_count;
    struct err err = {0};
    if (segment_decode(&arena, str_from(data, size), &rows, &count, &err)) {
        check_rows(rows, count);
        CHECK(segment_encode(rows, count, &out));
        CHECK(segment_decode(&arena, buf_str(&out), &again, &again_count, &err));
        CHECK(again_count == count && rows_equal(rows, again, count));
    } else {
        CHECK(err.code == ERR_CORRUPT);
    }
    buf_fini(&out);
    arena_fini(&arena);
    return 0;
}
