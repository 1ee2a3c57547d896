/* codec: base64 (RFC 4648 §4), base64url (§5), percent-encoding and hexadecimal.
 * Encoders append to a buf. Decoders are strict: no white space, no stray characters;
 * padding is optional for base64url and required for base64. They return false and leave
 * the output's length unchanged on bad input. */
#ifndef POSTRIDER_BASE_CODEC_H
#define POSTRIDER_BASE_CODEC_H

#include "postrider/base/buf.h"
#include "postrider/base/str.h"

bool base64_encode(struct buf *out, const void *data, size_t len);
bool base64_decode(struct buf *out, struct str text);
bool base64url_encode(struct buf *out, const void *data, size_t len); /* no padding */
/* The same into memory that holds the digits, four for each three bytes begun, and a NUL;
 * returns their number. */
size_t base64url_write(char *out, const void *data, size_t len);
bool base64url_decode(struct buf *out, struct str text);
/* RFC 3986 §2.1: everything but unreserved characters becomes %XX. */
bool percent_encode(struct buf *out, struct str text);
/* A % that no two digits follow stays. */
bool percent_decode(struct buf *out, struct str text);
/* Of any case; -1 if it is none. */
static inline int hex_digit(char c)
{
    char lower = ascii_lower(c);
    bool letter = lower >= 'a' && lower <= 'f';
    return ascii_is_digit(c) ? c - '0' : letter ? lower - 'a' + 10 : -1;
}

bool hex_encode(struct buf *out, const void *data, size_t len); /* lower case */
/* The same into 2 × len + 1 bytes, terminated. */
void hex_format(char *out, const void *data, size_t len);
/* Exactly 2 × len digits, any case. */
bool hex_decode(struct str text, void *out, size_t len);

#endif
