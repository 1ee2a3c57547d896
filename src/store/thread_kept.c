#include "thread_kept.h"

#include "postrider/base/lru.h"
#include "postrider/base/mem.h"
#include "postrider/base/num.h"

enum {
    RECORD = THREAD_BUCKETS_MAX, /* instead of a bucket: none has this number */
    KEY_MAX = STORE_INCARNATION_SIZE + 4,
    OVERHEAD = 384,       /* of a part as the allocator rounds it, and in the table */
    PART_MAX = 256 * 1024 /* larger ones would drive too many out */
};

struct part {
    uint64_t changes; /* of the account, when it was read */
    uint32_t stored;  /* buckets of the map then */
    size_t count;
    struct thread_entry entries[];
};

static struct str key_of(const struct store_acct *a, uint32_t part, char key[KEY_MAX])
{
    size_t len = strlen(a->incarnation);
    memcpy(key, a->incarnation, len);
    num_put_be32((uint8_t *)key + len, part);
    return str_from(key, len + 4);
}

static struct part *find(struct store *s, const struct store_acct *a, uint32_t part)
{
    char key[KEY_MAX];
    return s->threads_kept != NULL ? lru_get(s->threads_kept, key_of(a, part, key))
                                   : NULL;
}

/* NULL: not kept, or not true any more. */
static struct part *find_current(struct store *s, const struct store_acct *a,
                                 uint64_t changes, uint32_t part)
{
    struct part *kept = changes != 0 ? find(s, a, part) : NULL;
    return kept != NULL && kept->changes == changes ? kept : NULL;
}

static void keep(struct store *s, const struct store_acct *a, uint32_t part,
                 const struct part *head, const struct thread_entry *entries)
{
    char key[KEY_MAX];
    size_t bytes = head->count * sizeof *entries;
    if (bytes > PART_MAX) {
        return;
    }
    struct part *copy = mem_alloc(sizeof *copy + bytes);
    *copy = *head;
    if (bytes > 0) {
        memcpy(copy->entries, entries, bytes);
    }
    lru_put(s->threads_kept, key_of(a, part, key), copy, bytes + OVERHEAD);
}

void thread_map_keep(struct store *s, const struct store_acct *a, uint64_t changes,
                     struct thread_map *map)
{
    struct part head = {.changes = changes, .stored = map->stored};
    if (changes == 0) {
        return;
    }
    if (s->threads_kept == NULL) {
        s->threads_kept = lru_new(THREADS_KEPT_BYTES, mem_free);
    }
    const struct part *record = find_current(s, a, changes, RECORD);
    if (record == NULL || record->stored != head.stored) {
        keep(s, a, RECORD, &head, NULL);
    }
    for (uint32_t i = 0; i < map->stored; i++) {
        struct thread_bucket *b = map->buckets[i];
        if (b != NULL && !b->kept) {
            b->kept = true;
            head.count = b->count;
            keep(s, a, i, &head, b->entries);
        }
    }
}

uint32_t thread_kept_buckets(struct store *s, const struct store_acct *a)
{
    const struct part *record = find(s, a, RECORD);
    return record != NULL ? record->stored : 0;
}

bool thread_record_recall(struct store *s, const struct store_acct *a, uint64_t changes,
                          struct thread_map *map, struct arena *arena)
{
    const struct part *record = find_current(s, a, changes, RECORD);
    if (record != NULL) {
        thread_map_init(map, arena, record->stored, 0);
    }
    return record != NULL;
}

static struct thread_bucket *bucket_of(struct arena *arena, const struct part *kept)
{
    struct thread_bucket *b = ARENA_NEW(arena, struct thread_bucket);
    *b = (struct thread_bucket){.count = kept->count, .cap = kept->count, .kept = true};
    if (kept->count > 0) {
        b->entries = arena_memdup(arena, kept->entries, kept->count * sizeof *b->entries);
    }
    return b;
}

bool thread_map_recall(struct store *s, const struct store_acct *a, uint64_t changes,
                       struct thread_map *map)
{
    size_t before = map->wanted_count, left = map->missed_count;
    for (size_t i = left; i < before; i++) {
        uint32_t bucket = map->wanted[i];
        const struct part *kept = find_current(s, a, changes, bucket);
        if (kept != NULL && kept->stored == map->stored) {
            map->buckets[bucket] = bucket_of(map->arena, kept);
        } else {
            map->wanted[left++] = bucket;
        }
    }
    map->wanted_count = map->missed_count = left;
    return left < before;
}

void store_threads_forget(struct store *s)
{
    if (s != NULL) {
        lru_free(&s->threads_kept);
    }
}
