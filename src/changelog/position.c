/* text  = base64url(bytes)
 * bytes = format base *(shard age seq)
 *   base   the latest ms of all places; age counts back from it
 *   shard  steps from the shard before, at least 1 (the first counts from -1)
 * Numbers are varints; shards at the very start are left out. */
#include "postrider/changelog/position.h"

#include "postrider/base/codec.h"
#include "postrider/base/num.h"

enum {
    FORMAT = 1,
    BYTES_MAX = CHANGELOG_POSITION_SIZE / 4 * 3
};

static bool is_start(struct feed_place place)
{
    return place.ms == 0 && place.seq == 0;
}

bool changelog_position_format(const struct feed_position *p, struct buf *out)
{
    struct buf bytes = BUF_INIT(BYTES_MAX);
    uint64_t base_ms = 0;
    for (size_t i = 0; i < STORE_SHARDS; i++) {
        base_ms = p->at[i].ms > base_ms ? p->at[i].ms : base_ms;
    }
    bool ok = buf_put_byte(&bytes, FORMAT) && buf_put_varint(&bytes, base_ms);
    size_t next = 0;
    for (size_t i = 0; ok && i < STORE_SHARDS; i++) {
        if (!is_start(p->at[i])) {
            ok = buf_put_varint(&bytes, i - next + 1) &&
                 buf_put_varint(&bytes, base_ms - p->at[i].ms) &&
                 buf_put_varint(&bytes, p->at[i].seq);
            next = i + 1;
        }
    }
    ok = ok && base64url_encode(out, bytes.bytes, bytes.len);
    buf_fini(&bytes);
    return ok;
}

static bool parse_bytes(struct str bytes, struct feed_position *out)
{
    uint64_t base_ms = 0, step = 0, age_ms = 0, seq = 0;
    size_t pos = 1, shard = 0;
    if (bytes.len < 1 || bytes.ptr[0] != FORMAT ||
        !num_get_varint(bytes, &pos, &base_ms)) {
        return false;
    }
    while (pos < bytes.len) {
        if (!num_get_varint(bytes, &pos, &step) ||
            !num_get_varint(bytes, &pos, &age_ms) || !num_get_varint(bytes, &pos, &seq) ||
            step == 0 || step > STORE_SHARDS - shard || age_ms > base_ms) {
            return false;
        }
        shard += (size_t)step;
        out->at[shard - 1] = (struct feed_place){.ms = base_ms - age_ms, .seq = seq};
    }
    return true;
}

bool changelog_position_parse(struct str text, struct feed_position *out)
{
    struct buf bytes = BUF_INIT(BYTES_MAX);
    struct feed_position parsed = {0};
    bool ok = text.len < CHANGELOG_POSITION_SIZE && base64url_decode(&bytes, text) &&
              parse_bytes(buf_str(&bytes), &parsed);
    buf_fini(&bytes);
    if (ok) {
        *out = parsed;
    }
    return ok;
}
