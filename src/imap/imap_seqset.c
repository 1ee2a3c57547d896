/* imap_seqset: sets of message numbers as intervals.
 *
 *   sequence-set = (seq-number / seq-range) ["," sequence-set]     ; RFC 9051 §9
 *   seq-range    = seq-number ":" seq-number
 *   seq-number   = nz-number / "*"
 *
 * "*" is kept as UINT32_MAX: it stands for the largest number there is. */
#include "imap_codec_priv.h"

#include "postrider/base/mem.h"
#include "postrider/base/num.h"

#include <stdlib.h>

static bool parse_number(struct str text, uint32_t *out)
{
    if (str_eq_c(text, "*")) {
        *out = UINT32_MAX;
        return true;
    }
    if (!num_u32(text, out)) {
        return false;
    }
    *out = *out > 0 ? *out : 1; /* "0:1" of old Dovecots */
    return true;
}

static bool parse_range(struct str text, struct imap_range *out)
{
    size_t colon = str_find_byte(text, ':');
    struct str first = colon != SIZE_MAX ? str_from(text.ptr, colon) : text;
    struct str last = colon != SIZE_MAX ? str_tail(text, colon + 1) : text;
    uint32_t a, b;
    if (!parse_number(first, &a) || !parse_number(last, &b)) {
        return false;
    }
    *out = (struct imap_range){.lo = a < b ? a : b, .hi = a < b ? b : a};
    return true;
}

bool imap_set_parse(struct arena *arena, struct str text, struct imap_set *out)
{
    if (text.len == 0) {
        return false;
    }
    size_t max = 1;
    for (size_t i = 0; i < text.len; i++) {
        max += text.ptr[i] == ',' ? 1 : 0;
    }
    struct imap_set set = {.ranges = ARENA_ARRAY(arena, struct imap_range, max)};
    struct str piece;
    while (str_split(&text, ',', &piece)) {
        if (!parse_range(piece, &set.ranges[set.count++])) {
            return false;
        }
    }
    *out = set;
    return true;
}

static int number_order(const void *a, const void *b)
{
    const uint32_t *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

void imap_set_from_numbers(struct arena *arena, uint32_t *numbers, size_t count,
                           struct imap_set *out)
{
    size_t runs = 0;
    bool sorted = true;
    for (size_t i = 1; i < count && sorted; i++) {
        sorted = numbers[i - 1] <= numbers[i];
    }
    if (!sorted) {
        qsort(numbers, count, sizeof *numbers, number_order);
    }
    for (size_t i = 0; i < count; i++) {
        runs += i == 0 || numbers[i] - numbers[i - 1] > 1 ? 1 : 0;
    }
    *out = (struct imap_set){.ranges = ARENA_ARRAY(arena, struct imap_range, runs)};
    for (size_t i = 0; i < count; i++) {
        if (i == 0 || numbers[i] - numbers[i - 1] > 1) {
            out->ranges[out->count++].lo = numbers[i];
        }
        out->ranges[out->count - 1].hi = numbers[i];
    }
}

static int range_order(const void *a, const void *b)
{
    const struct imap_range *x = a, *y = b;
    return (x->lo > y->lo) - (x->lo < y->lo);
}

enum {
    RADIX_BITS = 11,
    RADIX_ROUNDS = 3,
    RADIX_MIN = 4096 /* fewer are sorted faster by comparing */
};

/* By lo, in as many steps as there are ranges: a server may send a million of them. */
static void radix_sort(struct imap_range *ranges, size_t count)
{
    const uint32_t mask = (1u << RADIX_BITS) - 1;
    struct imap_range *other = mem_array(count, sizeof *other);
    struct imap_range *from = ranges, *to = other;
    for (unsigned shift = 0; shift < RADIX_ROUNDS * RADIX_BITS; shift += RADIX_BITS) {
        size_t ends[(1u << RADIX_BITS) + 1] = {0};
        for (size_t i = 0; i < count; i++) {
            ends[(from[i].lo >> shift & mask) + 1]++;
        }
        for (size_t i = 1; i <= mask; i++) {
            ends[i] += ends[i - 1];
        }
        for (size_t i = 0; i < count; i++) {
            to[ends[from[i].lo >> shift & mask]++] = from[i];
        }
        struct imap_range *sorted = to;
        to = from;
        from = sorted;
    }
    memcpy(ranges, from, count * sizeof *ranges);
    mem_free(other);
}

static void sort_ranges(struct imap_set *set)
{
    if (set->count < RADIX_MIN) {
        qsort(set->ranges, set->count, sizeof *set->ranges, range_order);
    } else {
        radix_sort(set->ranges, set->count);
    }
}

static bool is_normal(const struct imap_set *set)
{
    for (size_t i = 1; i < set->count; i++) {
        if ((uint64_t)set->ranges[i - 1].hi + 1 >= set->ranges[i].lo) {
            return false;
        }
    }
    return true;
}

void imap_set_normalize(struct imap_set *set)
{
    /* Servers nearly always send sorted sets: one pass then. */
    if (is_normal(set)) {
        return;
    }
    sort_ranges(set);
    size_t n = 0;
    for (size_t i = 1; i < set->count; i++) {
        struct imap_range *last = &set->ranges[n];
        const struct imap_range *r = &set->ranges[i];
        if (r->lo <= (uint64_t)last->hi + 1) {
            last->hi = r->hi > last->hi ? r->hi : last->hi;
        } else {
            set->ranges[++n] = *r;
        }
    }
    set->count = n + 1;
}

bool imap_set_contains(const struct imap_set *set, uint32_t n)
{
    for (size_t i = 0; i < set->count; i++) {
        if (set->ranges[i].lo <= n && n <= set->ranges[i].hi) {
            return true;
        }
    }
    return false;
}

bool imap_set_has(const struct imap_set *set, uint32_t n)
{
    size_t lo = 0, hi = set->count;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (set->ranges[mid].hi < n) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    return lo < set->count && set->ranges[lo].lo <= n;
}

uint64_t imap_set_count(const struct imap_set *set)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < set->count; i++) {
        sum += (uint64_t)set->ranges[i].hi - set->ranges[i].lo + 1;
    }
    return sum;
}

/* The upper end of a range is printed as a number even if it is the largest one: Cyrus
 * hides expunged messages above the highest UID when asked for "1:*". */
static void print_range(struct buf *out, const struct imap_range *r)
{
    if (r->lo == UINT32_MAX) {
        buf_put_byte(out, '*');
        return;
    }
    buf_put_u64(out, r->lo);
    if (r->hi != r->lo) {
        buf_put_byte(out, ':');
        buf_put_u64(out, r->hi);
    }
}

size_t imap_set_print(struct buf *out, const struct imap_set *set, size_t first_range,
                      size_t max_bytes)
{
    size_t start = out->len, written = 0;
    for (size_t i = first_range; i < set->count; i++) {
        size_t before = out->len;
        if (written > 0) {
            buf_put_byte(out, ',');
        }
        print_range(out, &set->ranges[i]);
        if (out->overflow || out->len - start > max_bytes) {
            buf_truncate(out, before);
            break;
        }
        written++;
    }
    return written;
}
