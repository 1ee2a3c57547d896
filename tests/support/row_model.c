#include "row_model.h"

#include "postrider/base/str.h"

#include <stdio.h>

/* SplitMix64, Steele, Lea and Flood 2014. */
uint64_t prng_next(struct prng *p)
{
    uint64_t z = (p->state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

uint32_t prng_below(struct prng *p, uint32_t bound)
{
    return (uint32_t)(prng_next(p) % bound);
}

static uint64_t modseq_random(struct prng *p, uint32_t uid, unsigned kinds)
{
    if ((kinds & ROW_MODSEQ_RANDOM) != 0) {
        return prng_below(p, 10) == 0 ? 0 : prng_next(p) >> prng_below(p, 64);
    }
    if ((kinds & ROW_MODSEQ) == 0) {
        return 0;
    }
    uint64_t usual = 5000 + 2 * (uint64_t)uid + prng_below(p, 8);
    return prng_below(p, 20) == 0 ? usual + prng_below(p, 100000) : usual;
}

static struct str email_random(struct prng *p, struct arena *arena, uint32_t uid,
                               unsigned kinds)
{
    char text[MSG_EMAILID_MAX];
    if ((kinds & ROW_EMAIL_ANY) != 0) {
        if (prng_below(p, 8) == 0) {
            return STR_NULL;
        }
        size_t len = prng_below(p, MSG_EMAILID_MAX + 1);
        for (size_t i = 0; i < len; i++) {
            text[i] = (char)prng_next(p);
        }
        return arena_str(arena, str_from(text, len));
    }
    int len = 0;
    if ((kinds & ROW_EMAIL_HEX) != 0) {
        len = snprintf(text, sizeof text, "%s%016llx%016llx",
                       prng_below(p, 2) == 0 ? "M" : "", (unsigned long long)prng_next(p),
                       (unsigned long long)prng_next(p));
    } else if ((kinds & ROW_EMAIL_NUMBERS) != 0) {
        len = snprintf(text, sizeof text, "%llu",
                       1700000000000000000ull + (uint64_t)uid * 1000000000000ull +
                           prng_below(p, UINT32_MAX));
    }
    return len > 0 ? arena_str(arena, str_from(text, (size_t)len)) : STR_NULL;
}

static void keywords_random(struct prng *p, struct arena *arena, struct msg_row *row)
{
    uint8_t ids[MAILBOX_KEYWORDS_MAX];
    uint8_t n = 0;
    for (unsigned id = prng_below(p, 40); id < MAILBOX_KEYWORDS_MAX && n < 5;
         id += 1 + prng_below(p, 60)) {
        ids[n++] = (uint8_t)id;
    }
    row->keyword_count = n;
    row->keywords = arena_memdup(arena, ids, n);
}

/* Half of the mail is archived, a third in the inbox, the rest behind filters. */
static void labels_random(struct prng *p, struct arena *arena, struct msg_row *row)
{
    uint8_t ids[3] = {0, 1, 2};
    unsigned dice = prng_below(p, 100);
    row->keyword_count = dice < 50 ? 1 : dice < 80 ? 2 : 3;
    if (dice >= 80) {
        ids[2] = (uint8_t)(2 + prng_below(p, 30));
    }
    row->keywords = arena_memdup(arena, ids, row->keyword_count);
}

struct msg_row row_random(struct prng *p, struct arena *arena, uint32_t uid,
                          unsigned kinds)
{
    struct msg_row row = {.uid = uid};
    row.flags = prng_below(p, 100) < 85 ? 1 : (uint8_t)prng_below(p, 4);
    if ((kinds & ROW_FLAGS_RANDOM) != 0) {
        row.flags = (uint8_t)prng_next(p);
    }
    if ((kinds & ROW_PRINTS) != 0) {
        row.fingerprint = (uint32_t)prng_next(p);
    }
    row.modseq = modseq_random(p, uid, kinds);
    row.email_id = email_random(p, arena, uid, kinds);
    if ((kinds & ROW_KEYWORDS) != 0 && prng_below(p, 4) == 0) {
        keywords_random(p, arena, &row);
    }
    if ((kinds & ROW_LABELS) != 0 && row.keyword_count == 0) {
        labels_random(p, arena, &row);
    }
    return row;
}

void rows_random(struct prng *p, struct arena *arena, struct msg_row *rows, size_t count,
                 uint32_t first_uid, unsigned kinds)
{
    uint32_t uid = first_uid;
    for (size_t i = 0; i < count; i++) {
        rows[i] = row_random(p, arena, uid, kinds);
        uint32_t dice = prng_below(p, 100);
        uid += 1;
        if (dice >= 85) {
            uid += dice < 95 ? 1 : prng_below(p, 50);
        }
    }
}

bool row_equal(const struct msg_row *a, const struct msg_row *b)
{
    return a->uid == b->uid && a->fingerprint == b->fingerprint &&
           a->modseq == b->modseq && a->flags == b->flags &&
           a->keyword_count == b->keyword_count &&
           (a->keyword_count == 0 ||
            memcmp(a->keywords, b->keywords, a->keyword_count) == 0) &&
           (a->email_id.ptr == NULL) == (b->email_id.ptr == NULL) &&
           str_eq(a->email_id, b->email_id);
}

bool rows_equal(const struct msg_row *a, const struct msg_row *b, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!row_equal(&a[i], &b[i])) {
            return false;
        }
    }
    return true;
}
