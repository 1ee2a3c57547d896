/* backoff: growing delays with jitter.
 * Units    milliseconds */
#ifndef POSTRIDER_LOOP_BACKOFF_H
#define POSTRIDER_LOOP_BACKOFF_H

#include <stdint.h>

struct backoff_policy {
    int64_t first_ms;
    int64_t max_ms;
    uint32_t factor_percent; /* 150 = each delay is 1.5 × the last */
    uint32_t jitter_percent; /* 20 = ± 20 % */
};

struct backoff {
    uint32_t tries; /* failures since the last reset */
};

/* The delay before the next try; counts it. */
int64_t backoff_next_ms(struct backoff *b, const struct backoff_policy *policy);
void backoff_reset(struct backoff *b);

#endif
