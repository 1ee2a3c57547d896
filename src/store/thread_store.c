/* Threads on their way to and from Redis: hashes, sealing, buckets by number. */
#include "thread_store.h"

#include "postrider/base/codec.h"
#include "postrider/base/log.h"
#include "postrider/base/num.h"

#include <stdio.h>

enum {
    FIELD_MAX = 48,
    ASK_MAX = 256, /* buckets a round trip: about 600 KB */
    HASH_BYTES = 6,
    TEXT_MAX = 4096,
    RECORD_FORMAT = 1,
    RECORD_BYTES_MAX = 32
};

/* --- hashes ------------------------------------------------------------------------ */

static uint64_t hash48(struct store *s, const struct store_acct *a, const char *domain,
                       struct str text)
{
    char bytes[STORE_INCARNATION_SIZE + TEXT_MAX];
    uint8_t hash[CRYPTO_NAME_HASH_SIZE], wide[8] = {0};
    size_t start = strlen(a->incarnation) + 1;
    size_t len = text.len < TEXT_MAX ? text.len : TEXT_MAX;
    memcpy(bytes, a->incarnation, start);
    if (len > 0) {
        memcpy(bytes + start, text.ptr, len);
    }
    keyring_name_hash(s->keyring, domain, str_from(bytes, start + len), hash);
    memcpy(wide + 8 - HASH_BYTES, hash, HASH_BYTES);
    uint64_t value = num_get_be64(wide);
    return value != 0 ? value : 1;
}

struct str store_thread_id(struct str id)
{
    id = str_trim(id);
    if (id.len >= 2 && id.ptr[0] == '<' && id.ptr[id.len - 1] == '>') {
        id = str_trim(str_from(id.ptr + 1, id.len - 2));
    }
    return str_from(id.ptr, id.len < TEXT_MAX ? id.len : TEXT_MAX);
}

uint64_t thread_id_hash(struct store *s, const struct store_acct *a, struct str id)
{
    return hash48(s, a, "message-id", id);
}

uint64_t store_thread_hash(struct store *s, const struct store_acct *a, struct str id)
{
    return thread_id_hash(s, a, store_thread_id(id));
}

uint64_t store_thread_hash_uid(struct store *s, const struct store_acct *a,
                               uint32_t number, uint32_t uid)
{
    uint8_t bytes[8];
    num_put_be32(bytes, number);
    num_put_be32(bytes + 4, uid);
    return hash48(s, a, "message-uid", str_from(bytes, sizeof bytes));
}

void thread_fact_add(struct thread_fact *fact, uint64_t ref)
{
    for (size_t i = 0; i < fact->ref_count; i++) {
        if (fact->refs[i] == ref) {
            return;
        }
    }
    if (fact->ref_count == THREAD_REFS_MAX) {
        memmove(fact->refs + 1, fact->refs + 2,
                (THREAD_REFS_MAX - 2) * sizeof *fact->refs);
        fact->ref_count--;
    }
    fact->refs[fact->ref_count++] = ref;
}

void thread_id_format(uint64_t thread, char out[THREAD_ID_SIZE])
{
    uint8_t bytes[8];
    num_put_be64(bytes, thread);
    (void)base64url_write(out, bytes + 8 - HASH_BYTES, HASH_BYTES);
}

bool thread_id_parse(struct str id, uint64_t *thread_out)
{
    uint8_t bytes[8] = {0};
    struct buf raw = BUF_INIT(64);
    bool ok = id.len == THREAD_ID_SIZE - 1 && base64url_decode(&raw, id) &&
              raw.len == HASH_BYTES;
    if (ok) {
        memcpy(bytes + 8 - HASH_BYTES, raw.bytes, HASH_BYTES);
        *thread_out = num_get_be64(bytes);
    }
    buf_fini(&raw);
    return ok;
}

/* --- sealing ----------------------------------------------------------------------- */

bool thread_seal(struct store *s, const struct store_acct *a, const char *field,
                 struct str plain, struct buf *out)
{
    struct store_place place = {
        .purpose = CRYPTO_INDEX, .incarnation = a->incarnation, .field = field};
    return store_seal(s, &place, plain, out);
}

bool thread_open(struct store *s, const struct store_acct *a, const char *field,
                 const struct redis_reply *value, struct buf *out)
{
    struct err err = {0};
    struct store_place place = {
        .purpose = CRYPTO_INDEX, .incarnation = a->incarnation, .field = field};
    if (value->type != REDIS_STRING) {
        return false;
    }
    if (!store_open_value(s, &place, value->str, out, &err)) {
        log_at(LOG_WARN, "store", "a part of the threads is damaged and counts as empty",
               LOG_ERR_FIELDS(&err));
        return false;
    }
    return true;
}

static const char *bucket_field(uint32_t bucket, char out[FIELD_MAX])
{
    (void)snprintf(out, FIELD_MAX, "threads:%u", (unsigned)bucket);
    return out;
}

/* --- the map ----------------------------------------------------------------------- */

void thread_record_words(struct store_words *w, const struct store *s,
                         const struct store_acct *a, uint32_t buckets)
{
    store_word_c(w, "HMGET");
    store_word(w, store_key(w->arena, s, a, STORE_KIND_THREADS));
    store_word_c(w, THREAD_FIELD_RECORD);
    for (uint32_t i = 0; i < buckets; i++) {
        store_word_u64(w, i);
    }
}

static void read_record(struct store *s, const struct store_acct *a,
                        const struct redis_reply *value, uint32_t *buckets_out,
                        uint64_t *entries_out)
{
    struct buf plain = BUF_INIT(RECORD_BYTES_MAX);
    uint64_t buckets = 0, entries = 0;
    size_t pos = 1;
    if (thread_open(s, a, "threads", value, &plain)) {
        struct str in = buf_str(&plain);
        bool ok = in.len >= 1 && in.ptr[0] == RECORD_FORMAT &&
                  num_get_varint(in, &pos, &buckets) &&
                  num_get_varint(in, &pos, &entries) && buckets <= THREAD_BUCKETS_MAX;
        *buckets_out = ok ? (uint32_t)buckets : 0;
        *entries_out = ok ? entries : 0;
    }
    buf_fini(&plain);
}

/* False: it is damaged. */
static bool open_bucket(struct thread_map *map, struct store *s,
                        const struct store_acct *a, uint32_t bucket,
                        const struct redis_reply *value, struct buf *plain)
{
    char field[FIELD_MAX];
    buf_clear(plain);
    return thread_open(s, a, bucket_field(bucket, field), value, plain) &&
           thread_bucket_decode(map, bucket, buf_str(plain));
}

void thread_record_take(struct thread_map *map, struct arena *arena, struct store *s,
                        const struct store_acct *a, const struct redis_reply *reply)
{
    struct buf plain = BUF_INIT(STORE_VALUE_MAX);
    uint32_t buckets = 0;
    uint64_t entries = 0;
    size_t count = reply->type == REDIS_ARRAY ? reply->count : 0;
    if (count > 0) {
        read_record(s, a, &reply->items[0], &buckets, &entries);
    }
    thread_map_init(map, arena, buckets, entries);
    for (uint32_t i = 0; buckets + 1 == count && i < buckets; i++) {
        if (!open_bucket(map, s, a, i, &reply->items[i + 1], &plain)) {
            map->buckets[i] = ARENA_NEW(arena, struct thread_bucket);
        }
    }
    buf_fini(&plain);
}

bool thread_map_words(struct thread_map *map, struct store_words *w,
                      const struct store *s, const struct store_acct *a)
{
    if (map->wanted_count == 0) {
        return false;
    }
    size_t count = map->wanted_count < ASK_MAX ? map->wanted_count : ASK_MAX;
    map->wanted_count -= count;
    map->missed_count = map->wanted_count;
    map->asked_count = count;
    map->asked = arena_memdup(map->arena, map->wanted + map->wanted_count,
                              count * sizeof *map->asked);
    store_word_c(w, "HMGET");
    store_word(w, store_key(w->arena, s, a, STORE_KIND_THREADS));
    for (size_t i = 0; i < count; i++) {
        store_word_u64(w, map->asked[i]);
    }
    return true;
}

void thread_map_take(struct thread_map *map, struct store *s, const struct store_acct *a,
                     const struct redis_reply *reply)
{
    struct buf plain = BUF_INIT(STORE_VALUE_MAX);
    for (size_t i = 0; i < map->asked_count; i++) {
        uint32_t bucket = map->asked[i];
        if (map->buckets[bucket] != NULL) {
            continue;
        }
        if (reply->type != REDIS_ARRAY || i >= reply->count ||
            !open_bucket(map, s, a, bucket, &reply->items[i], &plain)) {
            map->buckets[bucket] = ARENA_NEW(map->arena, struct thread_bucket);
        }
    }
    map->asked_count = 0;
    buf_fini(&plain);
}

static bool put_record(const struct thread_map *map, struct store_words *w,
                       struct store *s, const struct store_acct *a)
{
    struct buf plain = BUF_INIT(RECORD_BYTES_MAX), sealed = BUF_INIT(256);
    buf_put_byte(&plain, RECORD_FORMAT);
    buf_put_varint(&plain, map->count);
    buf_put_varint(&plain, map->entries);
    bool ok = thread_seal(s, a, "threads", buf_str(&plain), &sealed);
    store_word_c(w, THREAD_FIELD_RECORD);
    store_word_buf(w, &sealed);
    buf_fini(&plain);
    buf_fini(&sealed);
    return ok;
}

bool thread_map_put(const struct thread_map *map, struct store_words *w, struct store *s,
                    const struct store_acct *a)
{
    size_t changed = 0;
    for (uint32_t i = 0; i < map->count; i++) {
        changed += map->buckets[i] != NULL && map->buckets[i]->changed;
    }
    bool record = changed > 0 || map->stored == 0;
    store_word_u64(w, changed + record);
    if (record && !put_record(map, w, s, a)) {
        return false;
    }
    struct buf plain = BUF_INIT(STORE_VALUE_MAX), sealed = BUF_INIT(STORE_VALUE_MAX);
    bool ok = true;
    for (uint32_t i = 0; ok && i < map->count; i++) {
        char field[FIELD_MAX];
        if (map->buckets[i] == NULL || !map->buckets[i]->changed) {
            continue;
        }
        buf_clear(&plain);
        buf_clear(&sealed);
        ok = thread_bucket_encode(map, i, &plain) &&
             thread_seal(s, a, bucket_field(i, field), buf_str(&plain), &sealed);
        store_word_u64(w, i);
        store_word_buf(w, &sealed);
    }
    buf_fini(&plain);
    buf_fini(&sealed);
    return ok;
}

/* --- rows -------------------------------------------------------------------------- */

static const char *rows_field(uint32_t box, uint32_t first_uid, char out[FIELD_MAX])
{
    (void)snprintf(out, FIELD_MAX, "thread-rows:%u:%u", (unsigned)box,
                   (unsigned)first_uid);
    return out;
}

static const char *dir_field(uint32_t box, char out[FIELD_MAX])
{
    (void)snprintf(out, FIELD_MAX, "thread-rows:%u", (unsigned)box);
    return out;
}

void thread_dir_words(struct store_words *w, const struct store *s,
                      const struct store_acct *a, uint32_t box)
{
    store_word_c(w, "HGET");
    store_word(w, store_key_box(w->arena, s, a, STORE_KIND_THREAD_ROWS, box));
    store_word_c(w, THREAD_FIELD_RECORD);
}

bool thread_dir_take(struct arena *arena, struct store *s, const struct store_acct *a,
                     uint32_t box, const struct redis_reply *reply,
                     struct thread_dir *out)
{
    char field[FIELD_MAX];
    struct buf plain = BUF_INIT(STORE_VALUE_MAX);
    bool ok = thread_open(s, a, dir_field(box, field), reply, &plain) &&
              thread_dir_decode(arena, buf_str(&plain), out);
    buf_fini(&plain);
    return ok;
}

bool thread_dir_word(struct store_words *w, struct store *s, const struct store_acct *a,
                     uint32_t box, const struct thread_dir *dir)
{
    char field[FIELD_MAX];
    struct buf plain = BUF_INIT(STORE_VALUE_MAX), sealed = BUF_INIT(STORE_VALUE_MAX);
    bool ok = thread_dir_encode(dir, &plain) &&
              thread_seal(s, a, dir_field(box, field), buf_str(&plain), &sealed);
    store_word_buf(w, &sealed);
    buf_fini(&plain);
    buf_fini(&sealed);
    return ok;
}

bool thread_rows_take(struct arena *arena, struct store *s, const struct store_acct *a,
                      uint32_t box, const struct segment_entry *chunk,
                      const struct redis_reply *value, const struct msg_row **rows_out)
{
    char field[FIELD_MAX];
    struct msg_row *rows;
    size_t count;
    struct buf plain = BUF_INIT(SEGMENT_BYTES_MAX);
    bool ok =
        thread_open(s, a, rows_field(box, chunk->first_uid, field), value, &plain) &&
        thread_rows_decode(arena, buf_str(&plain), &rows, &count) &&
        count == chunk->count && rows[0].uid == chunk->first_uid &&
        rows[count - 1].uid == chunk->last_uid;
    buf_fini(&plain);
    if (ok) {
        *rows_out = rows;
    }
    return ok;
}

bool thread_rows_word(struct store_words *w, struct store *s, const struct store_acct *a,
                      uint32_t box, const struct msg_row *rows, size_t count)
{
    char field[FIELD_MAX];
    struct buf plain = BUF_INIT(SEGMENT_BYTES_MAX), sealed = BUF_INIT(STORE_VALUE_MAX);
    bool ok =
        thread_rows_encode(rows, count, &plain) &&
        thread_seal(s, a, rows_field(box, rows[0].uid, field), buf_str(&plain), &sealed);
    store_word_buf(w, &sealed);
    buf_fini(&plain);
    buf_fini(&sealed);
    return ok;
}
