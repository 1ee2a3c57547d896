#include "postrider/loop/backoff.h"

#include "postrider/base/rand.h"

int64_t backoff_next_ms(struct backoff *b, const struct backoff_policy *policy)
{
    int64_t delay_ms = policy->first_ms;
    for (uint32_t i = 0; i < b->tries && delay_ms < policy->max_ms; i++) {
        delay_ms = delay_ms * policy->factor_percent / 100;
    }
    delay_ms = delay_ms < policy->max_ms ? delay_ms : policy->max_ms;
    b->tries++;
    int64_t spread_ms = delay_ms * policy->jitter_percent / 100;
    if (spread_ms <= 0) {
        return delay_ms;
    }
    return delay_ms - spread_ms + (int64_t)rand_below((uint32_t)(2 * spread_ms + 1));
}

void backoff_reset(struct backoff *b)
{
    b->tries = 0;
}
