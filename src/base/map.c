#include "postrider/base/map.h"

#include "postrider/base/check.h"
#include "postrider/base/mem.h"
#include "postrider/base/rand.h"

#include <endian.h>

enum {
    MAP_MIN_SLOTS = 8
};

/* Open addressing with linear probing; a removed slot leaves a tombstone until the next
 * growth. */
enum slot_state {
    SLOT_EMPTY,
    SLOT_USED,
    SLOT_DEAD
};

struct slot {
    enum slot_state state;
    uint64_t hash;
    char *key;
    size_t key_len;
    void *value;
};

struct map {
    struct slot *slots;
    size_t slot_count; /* a power of two, or 0 */
    size_t used, dead;
    map_value_free *value_free;
    uint8_t key[16];
};

struct map *map_new(map_value_free *value_free)
{
    struct map *m = MEM_NEW(struct map);
    m->value_free = value_free;
    rand_bytes(m->key, sizeof m->key);
    return m;
}

void map_free(struct map **mp)
{
    struct map *m = *mp;
    if (m == NULL) {
        return;
    }
    *mp = NULL;
    for (size_t i = 0; i < m->slot_count; i++) {
        if (m->slots[i].state == SLOT_USED) {
            if (m->value_free != NULL) {
                m->value_free(m->slots[i].value);
            }
            mem_free(m->slots[i].key);
        }
    }
    mem_free(m->slots);
    mem_free(m);
}

size_t map_count(const struct map *m)
{
    return m->used;
}

static struct slot *slot_find(const struct map *m, struct str key, uint64_t hash)
{
    if (m->slot_count == 0) {
        return NULL;
    }
    for (size_t i = hash & (m->slot_count - 1);; i = (i + 1) & (m->slot_count - 1)) {
        struct slot *s = &m->slots[i];
        if (s->state == SLOT_EMPTY) {
            return NULL;
        }
        if (s->state == SLOT_USED && s->hash == hash &&
            str_eq(str_from(s->key, s->key_len), key)) {
            return s;
        }
    }
}

static void slot_insert(struct map *m, struct slot filled)
{
    size_t i = filled.hash & (m->slot_count - 1);
    while (m->slots[i].state != SLOT_EMPTY) {
        i = (i + 1) & (m->slot_count - 1);
    }
    m->slots[i] = filled;
}

static void map_grow(struct map *m)
{
    struct slot *old = m->slots;
    size_t old_count = m->slot_count;
    size_t want = MAP_MIN_SLOTS;
    while (want < (m->used + 1) * 2) {
        want *= 2;
    }
    m->slots = mem_array(want, sizeof *m->slots);
    m->slot_count = want;
    m->dead = 0;
    for (size_t i = 0; i < old_count; i++) {
        if (old[i].state == SLOT_USED) {
            slot_insert(m, old[i]);
        }
    }
    mem_free(old);
}

void *map_get(const struct map *m, struct str key)
{
    struct slot *s = slot_find(m, key, map_siphash(m->key, key.ptr, key.len));
    return s != NULL ? s->value : NULL;
}

void map_put(struct map *m, struct str key, void *value)
{
    CHECK(value != NULL);
    uint64_t hash = map_siphash(m->key, key.ptr, key.len);
    struct slot *s = slot_find(m, key, hash);
    if (s != NULL) {
        if (m->value_free != NULL && s->value != value) {
            m->value_free(s->value);
        }
        s->value = value;
        return;
    }
    if ((m->used + m->dead + 1) * 4 > m->slot_count * 3) {
        map_grow(m);
    }
    slot_insert(m, (struct slot){.state = SLOT_USED,
                                 .hash = hash,
                                 .key = mem_strndup(key.ptr, key.len),
                                 .key_len = key.len,
                                 .value = value});
    m->used++;
}

void *map_take(struct map *m, struct str key)
{
    struct slot *s = slot_find(m, key, map_siphash(m->key, key.ptr, key.len));
    if (s == NULL) {
        return NULL;
    }
    void *value = s->value;
    mem_free(s->key);
    *s = (struct slot){.state = SLOT_DEAD};
    m->used--;
    m->dead++;
    return value;
}

bool map_remove(struct map *m, struct str key)
{
    void *value = map_take(m, key);
    if (value != NULL && m->value_free != NULL) {
        m->value_free(value);
    }
    return value != NULL;
}

bool map_next(const struct map *m, size_t *it, struct str *key_out, void **value_out)
{
    for (; *it < m->slot_count; (*it)++) {
        const struct slot *s = &m->slots[*it];
        if (s->state == SLOT_USED) {
            if (key_out != NULL) {
                *key_out = str_from(s->key, s->key_len);
            }
            if (value_out != NULL) {
                *value_out = s->value;
            }
            (*it)++;
            return true;
        }
    }
    return false;
}

/* SipHash-2-4, Aumasson and Bernstein 2012, §2. */
static uint64_t rotl(uint64_t x, unsigned b)
{
    return (x << b) | (x >> (64 - b));
}

static void sip_round(uint64_t v[4])
{
    v[0] += v[1];
    v[1] = rotl(v[1], 13) ^ v[0];
    v[0] = rotl(v[0], 32);
    v[2] += v[3];
    v[3] = rotl(v[3], 16) ^ v[2];
    v[0] += v[3];
    v[3] = rotl(v[3], 21) ^ v[0];
    v[2] += v[1];
    v[1] = rotl(v[1], 17) ^ v[2];
    v[2] = rotl(v[2], 32);
}

static uint64_t load_le64(const uint8_t p[8])
{
    uint64_t v;
    memcpy(&v, p, sizeof v);
    return le64toh(v);
}

/* Of fewer than eight bytes. */
static uint64_t load_rest(const uint8_t *p, size_t n)
{
    uint64_t v = 0;
    for (size_t i = 0; i < n; i++) {
        v |= (uint64_t)p[i] << (8 * i);
    }
    return v;
}

uint64_t map_siphash(const uint8_t key[16], const void *data, size_t len)
{
    const uint8_t *p = data;
    uint64_t k0 = load_le64(key), k1 = load_le64(key + 8);
    uint64_t v[4] = {k0 ^ 0x736f6d6570736575u, k1 ^ 0x646f72616e646f6du,
                     k0 ^ 0x6c7967656e657261u, k1 ^ 0x7465646279746573u};
    size_t left = len;
    for (; left >= 8; p += 8, left -= 8) {
        uint64_t m = load_le64(p);
        v[3] ^= m;
        sip_round(v);
        sip_round(v);
        v[0] ^= m;
    }
    uint64_t last = (uint64_t)(len & 0xff) << 56 | load_rest(p, left);
    v[3] ^= last;
    sip_round(v);
    sip_round(v);
    v[0] ^= last;
    v[2] ^= 0xff;
    for (int i = 0; i < 4; i++) {
        sip_round(v);
    }
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}
