#include "postrider/base/rand.h"

#include "postrider/base/check.h"

#include <errno.h>
#include <sys/random.h>
#include <sys/types.h>

void rand_bytes(void *out, size_t n)
{
    unsigned char *p = out;
    while (n > 0) {
        ssize_t got = getrandom(p, n, 0);
        if (got < 0) {
            CHECK(errno == EINTR);
            continue;
        }
        p += got;
        n -= (size_t)got;
    }
}

uint64_t rand_u64(void)
{
    uint64_t v;
    rand_bytes(&v, sizeof v);
    return v;
}

uint32_t rand_below(uint32_t bound)
{
    CHECK(bound > 0);
    /* 64 random bits make the bias of the modulo negligible (below 2^-32). */
    return (uint32_t)(rand_u64() % bound);
}
