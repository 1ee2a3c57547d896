/* imap_setlex: the set of a SEARCH, ESEARCH or VANISHED response, read as it arrives.
 *
 *   SEARCH     *(SP nz-number)                 ; numbers between spaces
 *   ESEARCH    … "ALL" SP sequence-set
 *   VANISHED   [SP "(EARLIER)"] SP known-uids  ; sequence-set without "*"
 *
 * Such a line may be longer than any line limit, so its text is not kept: what is kept is
 * the list of ranges, which merges neighbours at once and has its own cap. An item that
 * is no number of 32 bit is dropped; the others stay. */
#include "imap_codec_priv.h"

#include "postrider/base/mem.h"

enum {
    RANGES_MIN = 64
};

void imap_setlex_begin(struct imap_setlex *s, size_t max_bytes, bool by_space,
                       bool zero_is_one)
{
    struct imap_range *ranges = s->ranges;
    size_t cap = s->cap;
    *s = (struct imap_setlex){.ranges = ranges,
                              .cap = cap,
                              .count_max = max_bytes / sizeof *ranges,
                              .by_space = by_space,
                              .zero_is_one = zero_is_one};
}

void imap_setlex_fini(struct imap_setlex *s)
{
    mem_free(s->ranges);
    *s = (struct imap_setlex){0};
}

static bool make_room(struct imap_setlex *s)
{
    if (s->count < s->cap) {
        return true;
    }
    size_t cap = s->cap > 0 ? s->cap * 2 : RANGES_MIN;
    cap = cap < s->count_max ? cap : s->count_max;
    if (cap > s->count) {
        s->ranges = mem_realloc(s->ranges, cap * sizeof *s->ranges);
        s->cap = cap;
        return true;
    }
    /* An unsorted list of a dense set still fits once it is sorted. The half keeps the
     * number of such sorts small. */
    struct imap_set set = {.ranges = s->ranges, .count = s->count};
    imap_set_normalize(&set);
    s->count = set.count;
    return s->count <= s->count_max / 2 && s->count < s->cap;
}

static bool add_range(struct imap_setlex *s, uint32_t lo, uint32_t hi)
{
    if (s->count > 0) {
        struct imap_range *last = &s->ranges[s->count - 1];
        if (lo <= (uint64_t)last->hi + 1 && last->lo <= (uint64_t)hi + 1) {
            last->lo = lo < last->lo ? lo : last->lo;
            last->hi = hi > last->hi ? hi : last->hi;
            return true;
        }
    }
    if (!make_room(s)) {
        return false;
    }
    s->ranges[s->count++] = (struct imap_range){.lo = lo, .hi = hi};
    return true;
}

static bool flush_item(struct imap_setlex *s)
{
    bool ok = true;
    if (s->has_digit && !s->bad) {
        uint64_t a = s->has_lo ? s->lo : s->value, b = s->value;
        a = a == 0 && s->zero_is_one ? 1 : a;
        b = b == 0 && s->zero_is_one ? 1 : b;
        if (a > 0 && b > 0) {
            ok = add_range(s, (uint32_t)(a < b ? a : b), (uint32_t)(a < b ? b : a));
        }
    }
    s->has_lo = false;
    s->has_digit = false;
    s->bad = false;
    s->value = 0;
    return ok;
}

static void put_digit(struct imap_setlex *s, char c)
{
    s->has_digit = true;
    s->value = s->value * 10 + (uint64_t)(c - '0');
    if (s->value > UINT32_MAX) {
        s->bad = true;
        s->value = 0;
    }
}

static void put_colon(struct imap_setlex *s)
{
    s->bad = s->bad || s->has_lo || !s->has_digit;
    s->lo = s->value;
    s->has_lo = true;
    s->has_digit = false;
    s->value = 0;
}

bool imap_setlex_feed(struct imap_setlex *s, const char *p, size_t n, size_t *used_out)
{
    size_t i = 0;
    bool ok = true;
    for (; i < n && ok; i++) {
        char c = p[i];
        if (ascii_is_digit(c)) {
            put_digit(s, c);
        } else if (c == ':') {
            put_colon(s);
        } else if (c == ',' || (c == ' ' && s->by_space)) {
            ok = flush_item(s);
        } else {
            ok = flush_item(s);
            s->active = false;
            break;
        }
    }
    s->bytes += i;
    *used_out = i;
    return ok;
}
