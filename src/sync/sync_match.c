#include "sync_match.h"

#include "postrider/base/map.h"
#include "postrider/base/mem.h"

#include <stdlib.h>

enum {
    TELLING_PERCENT = 90,
    LOOK_FOR_FLAGS = 16 /* of so many equal ones the one with equal flags is searched */
};

void sync_match_count(struct sync_match_facts *facts, const struct msg_row *row)
{
    facts->rows++;
    facts->with_email += row->email_id.ptr != NULL;
    facts->with_print += row->fingerprint != 0;
}

static bool most(uint64_t part, uint64_t all)
{
    return part * 100 > all * TELLING_PERCENT || all == 0;
}

bool sync_match_by_email(const struct sync_match_facts *old_side,
                         const struct sync_match_facts *new_side)
{
    return old_side->with_email + new_side->with_email > 0 &&
           most(old_side->with_email, old_side->rows) &&
           most(new_side->with_email, new_side->rows);
}

bool sync_match_is_telling(const struct sync_match_facts *old_side,
                           const struct sync_match_facts *new_side, bool by_email)
{
    return by_email || (most(old_side->with_print, old_side->rows) &&
                        most(new_side->with_print, new_side->rows));
}

uint64_t sync_match_key(const struct msg_row *row, bool by_email)
{
    static const uint8_t key[16] = "key of a message";
    if (by_email && row->email_id.ptr != NULL) {
        uint64_t hash = map_siphash(key, row->email_id.ptr, row->email_id.len);
        return hash != 0 ? hash : 1;
    }
    return by_email || row->fingerprint == 0
               ? 0
               : map_siphash(key, &row->fingerprint, sizeof row->fingerprint) | 1;
}

void sync_match_fini(struct sync_match *t)
{
    arena_fini(&t->arena);
    mem_free(t->rows);
    *t = (struct sync_match){0};
}

void sync_match_clear(struct sync_match *t)
{
    arena_reset(&t->arena);
    t->count = 0;
    t->overflow = false;
}

void sync_match_add(struct sync_match *t, uint64_t key, const struct msg_row *row)
{
    if (t->count >= SYNC_MATCH_ROWS) {
        t->overflow = true;
        return;
    }
    if (t->count == t->cap) {
        t->cap = t->cap > 0 ? t->cap * 2 : 256;
        t->rows = mem_realloc(t->rows, t->cap * sizeof *t->rows);
    }
    struct sync_match_row *r = &t->rows[t->count++];
    *r = (struct sync_match_row){.key = key, .row = *row};
    r->row.email_id = STR_NULL;
    r->row.keywords = row->keyword_count > 0
                          ? arena_memdup(&t->arena, row->keywords, row->keyword_count)
                          : NULL;
}

static int by_key(const void *a, const void *b)
{
    const struct sync_match_row *x = a, *y = b;
    if (x->key != y->key) {
        return x->key > y->key ? 1 : -1;
    }
    return (x->row.uid > y->row.uid) - (x->row.uid < y->row.uid);
}

void sync_match_sort(struct sync_match *t)
{
    if (t->count > 1) {
        qsort(t->rows, t->count, sizeof *t->rows, by_key);
    }
}

bool sync_same_flags(const struct msg_row *a, const struct msg_row *b)
{
    return a->flags == b->flags && a->keyword_count == b->keyword_count &&
           (a->keyword_count == 0 ||
            memcmp(a->keywords, b->keywords, a->keyword_count) == 0);
}

/* The first row of the key, or the count. */
static size_t find_first(const struct sync_match *t, uint64_t key)
{
    size_t lo = 0, hi = t->count;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (t->rows[mid].key < key) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    return lo;
}

const struct msg_row *sync_match_take(struct sync_match *t, uint64_t key,
                                      const struct msg_row *row)
{
    size_t first = find_first(t, key), looked = 0;
    struct sync_match_row *found = NULL;
    if (key == 0 || first == t->count || t->rows[first].key != key) {
        return NULL;
    }
    struct sync_match_row *head = &t->rows[first];
    for (size_t i = first + head->first_free;
         i < t->count && t->rows[i].key == key && looked < LOOK_FOR_FLAGS; i++) {
        struct sync_match_row *r = &t->rows[i];
        if (r->taken) {
            continue;
        }
        looked++;
        if (found == NULL || sync_same_flags(&r->row, row)) {
            found = r;
        }
        if (sync_same_flags(&found->row, row)) {
            break;
        }
    }
    if (found == NULL) {
        return NULL;
    }
    found->taken = true;
    while (first + head->first_free < t->count &&
           t->rows[first + head->first_free].key == key &&
           t->rows[first + head->first_free].taken) {
        head->first_free++;
    }
    return &found->row;
}
