/* utf8: validation and repair (RFC 3629: no overlong forms, no surrogates, ≤ U+10FFFF).
 */
#ifndef POSTRIDER_BASE_UTF8_H
#define POSTRIDER_BASE_UTF8_H

#include "postrider/base/buf.h"
#include "postrider/base/bytes.h"
#include "postrider/base/str.h"

#include <stdint.h>

/* Length of the valid sequence at s (1–4), or 0 if the first byte does not begin one. */
size_t utf8_sequence_len(struct str s) ATTR_PURE;
/* Bytes at the front that are valid, but no controls (0x7f is none) and none of the stops. */
static inline size_t utf8_plain_len(struct str s, struct str stops)
{
    size_t n = 0, step;
    do {
        n += bytes_plain_len(str_from(s.ptr + n, s.len - n), stops);
        for (step = 0; n < s.len && (unsigned char)s.ptr[n] >= 0x80; n += step) {
            step = utf8_sequence_len(str_from(s.ptr + n, s.len - n));
            if (step == 0) {
                return n;
            }
        }
    } while (step > 0);
    return n;
}

bool utf8_is_valid(struct str s) ATTR_PURE;
/* The beginning of valid UTF-8 that has at most max_bytes and ends with a character. */
struct str utf8_clip(struct str s, size_t max_bytes) ATTR_PURE;
/* Appends s with every invalid byte replaced by U+FFFD. */
bool utf8_put_repaired(struct buf *out, struct str s);
/* Decodes one valid sequence; *len_out is its length. */
uint32_t utf8_decode(struct str s, size_t *len_out);
bool utf8_put(struct buf *out, uint32_t codepoint);

#endif
