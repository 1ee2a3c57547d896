/* row_model: random index rows from a seed, and their comparison, for tests and benches.
 * Owner    keyword lists and e-mail ids live in the given arena
 * Units    the kinds of columns are bits, so that every mix of columns can be made */
#ifndef TEST_ROW_MODEL_H
#define TEST_ROW_MODEL_H

#include "postrider/base/arena.h"
#include "postrider/store/store_mailbox.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct prng {
    uint64_t state;
};
uint64_t prng_next(struct prng *p);
uint32_t prng_below(struct prng *p, uint32_t bound);

enum row_kind {
    ROW_PRINTS = 1 << 0,
    ROW_MODSEQ = 1 << 1,        /* growing with the UID, some out of line */
    ROW_MODSEQ_RANDOM = 1 << 2, /* any 64 bits, some unknown */
    ROW_KEYWORDS = 1 << 3,
    ROW_EMAIL_NUMBERS = 1 << 4,
    ROW_EMAIL_HEX = 1 << 5,
    ROW_EMAIL_ANY = 1 << 6, /* any bytes, some absent */
    ROW_FLAGS_RANDOM = 1 << 7,
    ROW_LABELS = 1 << 8, /* one of a few dozen sets, as in All Mail of Gmail */
    ROW_KIND_ALL = (1 << 9) - 1
};

/* A row with this UID. */
struct msg_row row_random(struct prng *p, struct arena *arena, uint32_t uid,
                          unsigned kinds);
/* Fills rows with rising UIDs from first_uid on, mostly without gaps. */
void rows_random(struct prng *p, struct arena *arena, struct msg_row *rows, size_t count,
                 uint32_t first_uid, unsigned kinds);
bool row_equal(const struct msg_row *a, const struct msg_row *b);
bool rows_equal(const struct msg_row *a, const struct msg_row *b, size_t count);

#endif
