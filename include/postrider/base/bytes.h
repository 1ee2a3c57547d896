/* bytes: how far a text is as simple as most texts are, eight bytes at a time.
 * Note     inline for stops that are known when it is compiled: each is one step of eight */
#ifndef POSTRIDER_BASE_BYTES_H
#define POSTRIDER_BASE_BYTES_H

#include "postrider/base/str.h"

#include <endian.h>

#define BYTES_EACH(value) (UINT64_C(0x0101010101010101) * (value))

/* Is it a control, above 0x7f, or one of the stops? */
static inline bool bytes_is_stop(char c, struct str stops)
{
    bool stop = (unsigned char)c < 0x20 || (unsigned char)c >= 0x80;
    for (size_t i = 0; i < stops.len; i++) {
        stop = stop || c == stops.ptr[i];
    }
    return stop;
}

/* The first one lowest. */
static inline uint64_t bytes_eight(const char *at)
{
    uint64_t eight;
    memcpy(&eight, at, sizeof eight);
    return le64toh(eight);
}

/* The same of eight: not 0 if one of them is, and the lowest bit stands for the first. A
 * subtraction sets the highest bit of the first byte that is too small; those behind it, which
 * lend to it, no longer matter. */
static inline uint64_t bytes_stop(uint64_t eight, struct str stops)
{
    uint64_t found = eight | (eight - BYTES_EACH(0x20));
    for (size_t i = 0; i < stops.len; i++) {
        found |= (eight ^ BYTES_EACH((unsigned char)stops.ptr[i])) - BYTES_EACH(1);
    }
    return found & BYTES_EACH(0x80);
}

static inline size_t bytes_first(uint64_t found)
{
    return (size_t)__builtin_ctzll(found) / 8;
}

/* Bytes at the front that are ASCII but no control (0x7f is none) and no stop. */
static inline size_t bytes_plain_len(struct str s, struct str stops)
{
    size_t n = 0;
    for (; n + 8 <= s.len; n += 8) {
        uint64_t found = bytes_stop(bytes_eight(s.ptr + n), stops);
        if (found != 0) {
            return n + bytes_first(found);
        }
    }
    if (s.len >= 8) { /* the end of a long text once more, with what is left of it */
        uint64_t found = bytes_stop(bytes_eight(s.ptr + s.len - 8), stops);
        return found != 0 ? s.len - 8 + bytes_first(found) : s.len;
    }
    while (n < s.len && !bytes_is_stop(s.ptr[n], stops)) {
        n++;
    }
    return n;
}

static inline bool bytes_is_plain(struct str s, struct str stops)
{
    return bytes_plain_len(s, stops) == s.len;
}

#endif
