/* text  = base64url(bytes)
 * bytes = format base *(skip kind-and-count 1*(age [seq]))
 *   base   the latest ms of all places; age counts back from it
 *   skip   shards at the very start, which are left out
 *   count  of the shards that follow, times two; plus one if each of them has a seq. Redis
 *          counts from 0 in each millisecond, so most have none
 * Numbers are varints. A reader of all shards takes this with every event: each byte that a
 * shard needs is there 256 times. */
#include "postrider/changelog/position.h"

#include "postrider/base/codec.h"
#include "postrider/base/num.h"

enum {
    FORMAT = 2,
    BYTES_MAX = CHANGELOG_POSITION_SIZE / 4 * 3
};

static bool is_start(struct feed_place place)
{
    return place.ms == 0 && place.seq == 0;
}

/* How many shards from the first on were read and are alike in having a seq. */
static size_t run_length(const struct feed_position *p, size_t first)
{
    size_t i = first;
    while (i < STORE_SHARDS && !is_start(p->at[i]) &&
           (p->at[i].seq != 0) == (p->at[first].seq != 0)) {
        i++;
    }
    return i - first;
}

static bool put_run(const struct feed_place *places, size_t count, uint64_t base_ms,
                    struct buf *bytes)
{
    bool has_seq = places[0].seq != 0;
    bool ok = buf_put_varint(bytes, (uint64_t)count << 1 | has_seq);
    for (size_t i = 0; ok && i < count; i++) {
        ok = buf_put_varint(bytes, base_ms - places[i].ms) &&
             (!has_seq || buf_put_varint(bytes, places[i].seq));
    }
    return ok;
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
    for (size_t i = 0; ok && i < STORE_SHARDS;) {
        size_t count = run_length(p, i);
        if (count == 0) {
            i++;
            continue;
        }
        ok = buf_put_varint(&bytes, i - next) &&
             put_run(&p->at[i], count, base_ms, &bytes);
        next = i += count;
    }
    ok = ok && base64url_encode(out, bytes.bytes, bytes.len);
    buf_fini(&bytes);
    return ok;
}

/* The places of one run; *shard is where it begins. */
static bool parse_run(struct str bytes, size_t *pos, uint64_t base_ms, size_t *shard,
                      struct feed_position *out)
{
    uint64_t skip = 0, count = 0;
    if (!num_get_varint(bytes, pos, &skip) || !num_get_varint(bytes, pos, &count) ||
        skip > STORE_SHARDS - *shard || count >> 1 == 0 ||
        count >> 1 > STORE_SHARDS - *shard - skip) {
        return false;
    }
    *shard += (size_t)skip;
    for (uint64_t i = 0; i < count >> 1; i++) {
        uint64_t age_ms = 0, seq = 0;
        if (!num_get_varint(bytes, pos, &age_ms) || age_ms > base_ms ||
            ((count & 1) != 0 && !num_get_varint(bytes, pos, &seq))) {
            return false;
        }
        out->at[(*shard)++] = (struct feed_place){.ms = base_ms - age_ms, .seq = seq};
    }
    return true;
}

static bool parse_bytes(struct str bytes, struct feed_position *out)
{
    uint64_t base_ms = 0;
    size_t pos = 1, shard = 0;
    if (bytes.len < 1 || bytes.ptr[0] != FORMAT ||
        !num_get_varint(bytes, &pos, &base_ms)) {
        return false;
    }
    while (pos < bytes.len) {
        if (!parse_run(bytes, &pos, base_ms, &shard, out)) {
            return false;
        }
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
