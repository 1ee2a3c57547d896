#include "thread_map.h"

#include "postrider/base/check.h"
#include "postrider/base/num.h"

enum {
    BUCKET_FORMAT = 1,
    JOINED_BYTES = 6,
    ENTRY_BYTES_MIN = 1 + JOINED_BYTES
};

void thread_map_init(struct thread_map *map, struct arena *arena, uint32_t stored,
                     uint64_t entries)
{
    *map = (struct thread_map){.arena = arena,
                               .stored = stored,
                               .count = stored > 0 ? stored : 1,
                               .entries = entries};
    map->bucket_cap = (size_t)map->count + THREAD_SPLITS_MAX;
    map->buckets = ARENA_ARRAY(arena, struct thread_bucket *, map->bucket_cap);
    map->is_wanted = ARENA_ARRAY(arena, bool, map->bucket_cap);
    if (stored == 0) {
        map->buckets[0] = ARENA_NEW(arena, struct thread_bucket);
    }
}

/* 2^level ≤ count. */
static uint32_t level_of(uint32_t count)
{
    uint32_t level = 0;
    while (count >> (level + 1) != 0) {
        level++;
    }
    return level;
}

uint32_t thread_map_bucket(uint32_t count, uint64_t id)
{
    uint32_t level = level_of(count);
    uint32_t low = (uint32_t)id & ((1U << level) - 1);
    uint32_t is_split = count - (1U << level);
    return low < is_split ? (uint32_t)id & ((2U << level) - 1) : low;
}

/* Low bits that all ids of a bucket have in common. */
static uint32_t shared_bits(uint32_t count, uint32_t bucket)
{
    uint32_t level = level_of(count), half = 1U << level;
    return bucket >= half || bucket < count - half ? level + 1 : level;
}

void thread_map_want(struct thread_map *map, uint32_t bucket)
{
    if (map->buckets[bucket] != NULL || map->is_wanted[bucket]) {
        return;
    }
    map->is_wanted[bucket] = true;
    if (map->wanted_count == map->wanted_cap) {
        size_t cap = map->wanted_cap > 0 ? map->wanted_cap * 2 : 64;
        uint32_t *more = ARENA_ARRAY(map->arena, uint32_t, cap);
        for (size_t i = 0; i < map->wanted_count; i++) {
            more[i] = map->wanted[i];
        }
        map->wanted = more;
        map->wanted_cap = cap;
    }
    map->wanted[map->wanted_count++] = bucket;
}

/* --- lookups ----------------------------------------------------------------------- */

static size_t lower_bound(const struct thread_bucket *b, uint64_t id)
{
    size_t lo = 0, hi = b->count;
    while (lo < hi) {
        size_t mid = (lo + hi) / 2;
        if (b->entries[mid].id < id) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    return lo;
}

/* NULL: the id has no entry. */
static struct thread_entry *entry_of(const struct thread_map *map, uint64_t id)
{
    const struct thread_bucket *b = map->buckets[thread_map_bucket(map->count, id)];
    size_t at = lower_bound(b, id);
    return at < b->count && b->entries[at].id == id ? &b->entries[at] : NULL;
}

bool thread_map_find(struct thread_map *map, uint64_t id, uint64_t *thread_out)
{
    for (size_t hops = 0; hops < THREAD_HOPS_MAX; hops++) {
        uint32_t bucket = thread_map_bucket(map->count, id);
        if (map->buckets[bucket] == NULL) {
            thread_map_want(map, bucket);
            return false;
        }
        const struct thread_entry *e = entry_of(map, id);
        if (e == NULL) {
            break;
        }
        id = e->joined;
    }
    *thread_out = id;
    return true;
}

bool thread_map_reach(struct thread_map *map, const struct thread_fact *fact)
{
    uint64_t thread;
    bool all = thread_map_find(map, fact->own, &thread);
    for (size_t i = 0; i < fact->ref_count; i++) {
        all = thread_map_find(map, fact->refs[i], &thread) && all;
    }
    return all;
}

/* --- joining ----------------------------------------------------------------------- */

static void bucket_insert(struct arena *arena, struct thread_bucket *b,
                          struct thread_entry entry)
{
    size_t at = lower_bound(b, entry.id);
    if (b->count == b->cap) {
        size_t cap = b->cap > 0 ? b->cap * 2 : 16;
        struct thread_entry *more = ARENA_ARRAY(arena, struct thread_entry, cap);
        if (b->count > 0) {
            memcpy(more, b->entries, b->count * sizeof *more);
        }
        b->entries = more;
        b->cap = cap;
    }
    memmove(b->entries + at + 1, b->entries + at, (b->count - at) * sizeof entry);
    b->entries[at] = entry;
    b->count++;
    b->changed = true;
}

static void set_joined(struct thread_map *map, uint64_t id, uint64_t thread)
{
    struct thread_bucket *b = map->buckets[thread_map_bucket(map->count, id)];
    struct thread_entry *e = entry_of(map, id);
    if (e == NULL) {
        if (b->count < THREAD_BUCKET_ENTRIES_MAX) {
            bucket_insert(map->arena, b, (struct thread_entry){id, thread});
            map->entries++;
        }
    } else if (e->joined != thread) {
        e->joined = thread;
        b->changed = true;
    }
}

/* The thread of id becomes part of the other one; id itself then says so at once. */
static void join_one(struct thread_map *map, uint64_t id, uint64_t thread)
{
    uint64_t root;
    CHECK(thread_map_find(map, id, &root));
    if (root != thread) {
        set_joined(map, root, thread);
    }
    if (id != thread) {
        set_joined(map, id, thread);
    }
}

uint64_t thread_map_join(struct thread_map *map, const struct thread_fact *fact)
{
    uint64_t thread;
    CHECK(thread_map_find(map, fact->ref_count > 0 ? fact->refs[0] : fact->own, &thread));
    for (size_t i = 0; i < fact->ref_count; i++) {
        join_one(map, fact->refs[i], thread);
    }
    join_one(map, fact->own, thread);
    return thread;
}

/* --- splitting --------------------------------------------------------------------- */

static uint32_t next_split(uint32_t count)
{
    return count - (1U << level_of(count));
}

static bool is_full(uint32_t count, uint64_t entries)
{
    return count < THREAD_BUCKETS_MAX && entries > (uint64_t)count * THREAD_BUCKET_FILL;
}

void thread_map_want_splits(struct thread_map *map, size_t more)
{
    uint32_t count = map->count;
    for (size_t i = 0; i < THREAD_SPLITS_MAX && is_full(count, map->entries + more);
         i++) {
        uint32_t bucket = next_split(count++);
        if (bucket < map->count) { /* else one of those that come into being */
            thread_map_want(map, bucket);
        }
    }
}

void thread_map_split(struct thread_map *map)
{
    while (map->count < map->bucket_cap && is_full(map->count, map->entries)) {
        uint32_t bucket = next_split(map->count), made = map->count;
        struct thread_bucket *b = map->buckets[bucket];
        if (b == NULL) {
            return;
        }
        struct thread_entry *entries = b->entries;
        size_t count = b->count, kept = 0;
        map->buckets[made] = ARENA_NEW(map->arena, struct thread_bucket);
        map->buckets[made]->changed = b->changed = true;
        map->count++;
        for (size_t i = 0; i < count; i++) {
            if (thread_map_bucket(map->count, entries[i].id) == made) {
                bucket_insert(map->arena, map->buckets[made], entries[i]);
            } else {
                entries[kept++] = entries[i];
            }
        }
        b->count = kept;
    }
}

/* --- codec ------------------------------------------------------------------------- */

bool thread_bucket_encode(const struct thread_map *map, uint32_t bucket, struct buf *out)
{
    const struct thread_bucket *b = map->buckets[bucket];
    uint32_t bits = shared_bits(map->count, bucket);
    uint64_t before = 0;
    buf_put_byte(out, BUCKET_FORMAT);
    buf_put_byte(out, (char)bits);
    buf_put_varint(out, b->count);
    for (size_t i = 0; i < b->count; i++) {
        uint8_t joined[8];
        uint64_t key = b->entries[i].id >> bits;
        buf_put_varint(out, key - before);
        before = key;
        num_put_be64(joined, b->entries[i].joined);
        buf_put(out, joined + 8 - JOINED_BYTES, JOINED_BYTES);
    }
    return !out->overflow;
}

static bool read_entry(struct str in, size_t *pos, uint64_t max, uint64_t *key,
                       uint64_t *joined_out)
{
    uint64_t step;
    uint8_t joined[8] = {0};
    if (!num_get_varint(in, pos, &step) || step > max - *key ||
        in.len - *pos < JOINED_BYTES) {
        return false;
    }
    memcpy(joined + 8 - JOINED_BYTES, in.ptr + *pos, JOINED_BYTES);
    *pos += JOINED_BYTES;
    *key += step;
    *joined_out = num_get_be64(joined);
    return true;
}

bool thread_bucket_decode(struct thread_map *map, uint32_t bucket, struct str encoded)
{
    size_t pos = 2;
    uint64_t count, key = 0;
    if (encoded.len < 3 || encoded.ptr[0] != BUCKET_FORMAT ||
        (uint8_t)encoded.ptr[1] >= 32 || !num_get_varint(encoded, &pos, &count) ||
        count > (encoded.len - pos) / ENTRY_BYTES_MIN ||
        count > THREAD_BUCKET_ENTRIES_MAX) {
        return false;
    }
    uint32_t bits = (uint8_t)encoded.ptr[1];
    uint64_t low = bucket & ((1ULL << bits) - 1);
    /* Then all ids with these low bits are the bucket's. */
    bool current = bits == shared_bits(map->count, bucket);
    struct thread_bucket *b = ARENA_NEW(map->arena, struct thread_bucket);
    b->cap = (size_t)count + 16;
    b->entries = ARENA_ARRAY(map->arena, struct thread_entry, b->cap);
    for (uint64_t i = 0; i < count; i++) {
        struct thread_entry e;
        uint64_t before = key;
        if (!read_entry(encoded, &pos, (1ULL << (THREAD_ID_BITS - bits)) - 1, &key,
                        &e.joined) ||
            (i > 0 && key == before)) {
            return false;
        }
        e.id = key << bits | low;
        if (!current && thread_map_bucket(map->count, e.id) != bucket) {
            return false;
        }
        b->entries[b->count++] = e;
    }
    if (pos != encoded.len) {
        return false;
    }
    map->buckets[bucket] = b;
    map->outdated = map->outdated || !current;
    return true;
}
