/* utf8: validation and repair (RFC 3629: no overlong forms, no surrogates, ≤ U+10FFFF).
 */
#ifndef POSTRIDER_BASE_UTF8_H
#define POSTRIDER_BASE_UTF8_H

#include "postrider/base/buf.h"
#include "postrider/base/str.h"

#include <stdint.h>

/* Length of the valid sequence at s (1–4), or 0 if the first byte does not begin one. */
size_t utf8_sequence_len(struct str s) ATTR_PURE;
bool utf8_is_valid(struct str s) ATTR_PURE;
/* The beginning of valid UTF-8 that has at most max_bytes and ends with a character. */
struct str utf8_clip(struct str s, size_t max_bytes) ATTR_PURE;
/* Appends s with every invalid byte replaced by U+FFFD. */
bool utf8_put_repaired(struct buf *out, struct str s);
/* Decodes one valid sequence; *len_out is its length. */
uint32_t utf8_decode(struct str s, size_t *len_out);
bool utf8_put(struct buf *out, uint32_t codepoint);

#endif
