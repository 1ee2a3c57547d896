#include "postrider/base/num.h"

bool num_u64(struct str s, uint64_t max, uint64_t *out)
{
    if (s.len == 0 || s.len > NUM_DIGITS_MAX) {
        return false;
    }
    uint64_t v = 0;
    for (size_t i = 0; i < s.len; i++) {
        if (!ascii_is_digit(s.ptr[i])) {
            return false;
        }
        uint64_t digit = (uint64_t)(s.ptr[i] - '0');
        bool last = i == NUM_DIGITS_MAX - 1; /* no other can overflow */
        if (last && v > (UINT64_MAX - digit) / 10) {
            return false;
        }
        v = v * 10 + digit;
    }
    if (v > max) {
        return false;
    }
    *out = v;
    return true;
}

bool num_u32(struct str s, uint32_t *out)
{
    uint64_t v;
    if (!num_u64(s, UINT32_MAX, &v)) {
        return false;
    }
    *out = (uint32_t)v;
    return true;
}

bool num_i64(struct str s, int64_t *out)
{
    bool negative = s.len > 0 && s.ptr[0] == '-';
    uint64_t v;
    if (!num_u64(negative ? str_tail(s, 1) : s, INT64_MAX, &v)) {
        return false;
    }
    *out = negative ? -(int64_t)v : (int64_t)v;
    return true;
}

struct str num_digits(uint64_t v, char room[NUM_DIGITS_MAX])
{
    size_t at = NUM_DIGITS_MAX;
    do {
        room[--at] = (char)('0' + v % 10);
        v /= 10;
    } while (v > 0);
    return str_from(room + at, NUM_DIGITS_MAX - at);
}

bool num_get_varint(struct str s, size_t *pos, uint64_t *out)
{
    uint64_t v = 0;
    size_t at = *pos;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        if (at >= s.len) {
            return false;
        }
        uint8_t byte = (uint8_t)s.ptr[at++];
        if (shift == 63 && byte > 1) {
            return false;
        }
        v |= (uint64_t)(byte & 0x7f) << shift;
        if ((byte & 0x80) == 0) {
            *pos = at;
            *out = v;
            return true;
        }
    }
    return false;
}

void num_put_be32(uint8_t out[4], uint32_t v)
{
    for (int i = 0; i < 4; i++) {
        out[i] = (uint8_t)(v >> (24 - 8 * i));
    }
}

void num_put_be64(uint8_t out[8], uint64_t v)
{
    num_put_be32(out, (uint32_t)(v >> 32));
    num_put_be32(out + 4, (uint32_t)v);
}

uint32_t num_get_be32(const uint8_t in[4])
{
    return (uint32_t)in[0] << 24 | (uint32_t)in[1] << 16 | (uint32_t)in[2] << 8 | in[3];
}

uint64_t num_get_be64(const uint8_t in[8])
{
    return (uint64_t)num_get_be32(in) << 32 | num_get_be32(in + 4);
}
