/* rand: random bytes from the kernel; aborts if the kernel has none. */
#ifndef POSTRIDER_BASE_RAND_H
#define POSTRIDER_BASE_RAND_H

#include <stddef.h>
#include <stdint.h>

void rand_bytes(void *out, size_t n);
uint64_t rand_u64(void);
/* Uniform in 0 … bound-1; bound > 0. */
uint32_t rand_below(uint32_t bound);

#endif
