#include "postrider/base/utf8.h"

#include "postrider/base/bytes.h"

/* Well-formed byte sequences, Unicode table 3-7. */
size_t utf8_sequence_len(struct str s)
{
    const uint8_t *p = (const uint8_t *)s.ptr;
    if (s.len == 0) {
        return 0;
    }
    if (p[0] < 0x80) {
        return 1;
    }
    size_t n = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
    if (p[0] < 0xc2 || p[0] > 0xf4 || s.len < n) {
        return 0;
    }
    uint8_t low = p[0] == 0xe0 ? 0xa0 : p[0] == 0xf0 ? 0x90 : 0x80;
    uint8_t high = p[0] == 0xed ? 0x9f : p[0] == 0xf4 ? 0x8f : 0xbf;
    if (p[1] < low || p[1] > high) {
        return 0;
    }
    for (size_t i = 2; i < n; i++) {
        if (p[i] < 0x80 || p[i] > 0xbf) {
            return 0;
        }
    }
    return n;
}

/* Bytes of ASCII at the front. */
static size_t ascii_len(struct str s)
{
    size_t n = 0;
    while (n + 8 <= s.len && (bytes_eight(s.ptr + n) & BYTES_EACH(0x80)) == 0) {
        n += 8;
    }
    while (n < s.len && (unsigned char)s.ptr[n] < 0x80) {
        n++;
    }
    return n;
}

bool utf8_is_valid(struct str s)
{
    s = str_tail(s, ascii_len(s));
    while (s.len > 0) {
        size_t n = utf8_sequence_len(s);
        if (n == 0) {
            return false;
        }
        s = str_tail(s, n);
    }
    return true;
}

struct str utf8_clip(struct str s, size_t max_bytes)
{
    if (s.len > max_bytes) {
        s.len = max_bytes;
        while (s.len > 0 && ((uint8_t)s.ptr[s.len] & 0xc0) == 0x80) {
            s.len--;
        }
    }
    return s;
}

bool utf8_put_repaired(struct buf *out, struct str s)
{
    while (s.len > 0) {
        size_t good = ascii_len(s);
        while (good < s.len) {
            size_t n = utf8_sequence_len(str_tail(s, good));
            if (n == 0) {
                break;
            }
            good += n;
        }
        if (!buf_put(out, s.ptr, good)) {
            return false;
        }
        s = str_tail(s, good);
        if (s.len > 0) {
            if (!buf_put(out, "\xef\xbf\xbd", 3)) {
                return false;
            }
            s = str_tail(s, 1);
        }
    }
    return !out->overflow;
}

uint32_t utf8_decode(struct str s, size_t *len_out)
{
    const uint8_t *p = (const uint8_t *)s.ptr;
    size_t n = utf8_sequence_len(s);
    if (n == 0) {
        *len_out = s.len > 0 ? 1 : 0;
        return 0xfffd;
    }
    static const uint8_t lead_mask[5] = {0, 0x7f, 0x1f, 0x0f, 0x07};
    uint32_t v = p[0] & lead_mask[n];
    for (size_t i = 1; i < n; i++) {
        v = v << 6 | (p[i] & 0x3fu);
    }
    *len_out = n;
    return v;
}

bool utf8_put(struct buf *out, uint32_t cp)
{
    if (cp > 0x10ffff || (cp >= 0xd800 && cp <= 0xdfff)) {
        cp = 0xfffd;
    }
    char b[4];
    size_t n;
    if (cp < 0x80) {
        b[0] = (char)cp;
        n = 1;
    } else if (cp < 0x800) {
        b[0] = (char)(0xc0 | cp >> 6);
        b[1] = (char)(0x80 | (cp & 0x3f));
        n = 2;
    } else if (cp < 0x10000) {
        b[0] = (char)(0xe0 | cp >> 12);
        b[1] = (char)(0x80 | (cp >> 6 & 0x3f));
        b[2] = (char)(0x80 | (cp & 0x3f));
        n = 3;
    } else {
        b[0] = (char)(0xf0 | cp >> 18);
        b[1] = (char)(0x80 | (cp >> 12 & 0x3f));
        b[2] = (char)(0x80 | (cp >> 6 & 0x3f));
        b[3] = (char)(0x80 | (cp & 0x3f));
        n = 4;
    }
    return buf_put(out, b, n);
}
