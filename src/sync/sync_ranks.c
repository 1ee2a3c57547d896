/* Ranks: places of messages in the index, counted from 0; one less than sequence numbers as
 * long as the index has what the connection shows. */
#include "sync_priv.h"

/* The number of ranks that went before this one is at most what comes back. */
static size_t place_of(const uint32_t *ranks, size_t count, uint32_t rank)
{
    size_t lo = 0, hi = count;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (ranks[mid] - (uint32_t)mid <= rank) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    return lo;
}

void sync_ranks_of_expunges(uint32_t *numbers, size_t count)
{
    uint32_t *ranks = numbers;
    for (size_t i = 0; i < count; i++) {
        uint32_t rank = numbers[i] > 0 ? numbers[i] - 1 : 0;
        size_t at = place_of(ranks, i, rank);
        memmove(ranks + at + 1, ranks + at, (i - at) * sizeof *ranks);
        ranks[at] = rank + (uint32_t)at;
    }
}

void sync_uids_widen(uint32_t *lo, uint32_t *hi, uint32_t first, uint32_t last)
{
    *lo = first < *lo ? first : *lo;
    *hi = last > *hi ? last : *hi;
}

void sync_ranks_widen(const struct mailbox *m, uint32_t first, uint32_t last,
                      uint32_t *lo, uint32_t *hi)
{
    uint32_t base = 0;
    for (size_t i = 0; i < m->segment_count; i++) {
        const struct segment_entry *s = &m->segments[i];
        if (base <= last && first < base + s->count) {
            sync_uids_widen(lo, hi, s->first_uid, s->last_uid);
        }
        base += s->count;
    }
}

uint32_t sync_ranks_begin(const struct mailbox *m, uint32_t *lo)
{
    uint32_t rank = 0;
    for (size_t i = 0; i < m->segment_count; i++) {
        const struct segment_entry *s = &m->segments[i];
        if (*lo <= s->last_uid) {
            *lo = s->first_uid;
            break;
        }
        rank += s->count;
    }
    return rank;
}
