/* num: bounded conversions from text; no locale, no sign, no white space, overflow
 * refused. */
#ifndef POSTRIDER_BASE_NUM_H
#define POSTRIDER_BASE_NUM_H

#include "postrider/base/str.h"

#include <stdbool.h>
#include <stdint.h>

/* The whole slice must be 1–20 digits and the value ≤ max; out is untouched on failure.
 */
bool num_u64(struct str s, uint64_t max, uint64_t *out);
bool num_u32(struct str s, uint32_t *out);
/* An optional leading minus. */
bool num_i64(struct str s, int64_t *out);
enum {
    NUM_DIGITS_MAX = 20
};
/* Its decimal digits, written to the end of `room`. */
struct str num_digits(uint64_t v, char room[NUM_DIGITS_MAX]);
/* Reads a little-endian base-128 number at *pos; false if truncated or over 64 bit. */
bool num_get_varint(struct str s, size_t *pos, uint64_t *out);
static inline uint64_t num_zigzag(int64_t v)
{
    return ((uint64_t)v << 1) ^ (uint64_t)(v >> 63);
}
static inline int64_t num_unzigzag(uint64_t v)
{
    return (int64_t)(v >> 1) ^ -(int64_t)(v & 1);
}
/* Big-endian fixed width, as in message ids and AAD. */
void num_put_be32(uint8_t out[4], uint32_t v);
void num_put_be64(uint8_t out[8], uint64_t v);
uint32_t num_get_be32(const uint8_t in[4]);
uint64_t num_get_be64(const uint8_t in[8]);

#endif
