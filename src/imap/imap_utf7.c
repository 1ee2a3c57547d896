/* imap_utf7: mailbox names in modified UTF-7.
 *
 *   name  = *(<%x20-25 / %x27-7e> / "&-" / shift)               ; RFC 3501 §5.1.3
 *   shift = "&" *<base64 of UTF-16BE, "," for "/", no padding> "-"
 *
 * Decoding is for display only; the identity of a mailbox is its bytes. So a shift that
 * is not well-formed (stray bits, lone surrogates, no "-", U+0000) stays as it is. */
#include "postrider/imap/imap_value.h"

#include "postrider/base/utf8.h"

static const char digits[65] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,";

static int digit_value(char c)
{
    const char *at = c != '\0' ? memchr(digits, c, sizeof digits - 1) : NULL;
    return at != NULL ? (int)(at - digits) : -1;
}

/* Puts one UTF-16 unit; *high holds the first half of a pair. */
static bool put_unit(struct buf *out, uint32_t unit, uint32_t *high)
{
    bool is_high = unit >= 0xd800 && unit < 0xdc00;
    bool is_low = unit >= 0xdc00 && unit < 0xe000;
    if (is_low != (*high != 0) || unit == 0) {
        return false;
    }
    if (is_high) {
        *high = unit;
        return true;
    }
    uint32_t cp = is_low ? 0x10000 + ((*high - 0xd800) << 10) + (unit - 0xdc00) : unit;
    *high = 0;
    return utf8_put(out, cp);
}

/* The base64 between "&" and "-"; false leaves what was put for the caller to cut. */
static bool decode_shift(struct buf *out, struct str text)
{
    uint32_t acc = 0, high = 0;
    unsigned bits = 0;
    for (size_t i = 0; i < text.len; i++) {
        acc = (acc << 6 | (uint32_t)digit_value(text.ptr[i])) & 0x3fffff;
        bits += 6;
        if (bits >= 16) {
            bits -= 16;
            if (!put_unit(out, acc >> bits & 0xffff, &high)) {
                return false;
            }
        }
    }
    return high == 0 && bits < 6 && (acc & ((1u << bits) - 1)) == 0;
}

bool imap_utf7_decode(struct buf *out, struct str wire)
{
    while (wire.len > 0) {
        size_t amp = str_find_byte(wire, '&');
        size_t plain = amp != SIZE_MAX ? amp : wire.len;
        utf8_put_repaired(out, str_from(wire.ptr, plain));
        wire = str_tail(wire, plain);
        if (wire.len == 0) {
            break;
        }
        size_t end = 1;
        while (end < wire.len && digit_value(wire.ptr[end]) >= 0) {
            end++;
        }
        size_t before = out->len;
        bool closed = end < wire.len && wire.ptr[end] == '-';
        if (closed && end == 1) {
            buf_put_byte(out, '&');
        } else if (!closed || !decode_shift(out, str_from(wire.ptr + 1, end - 1))) {
            buf_truncate(out, before);
            buf_put(out, wire.ptr, end + (closed ? 1 : 0));
        }
        wire = str_tail(wire, end + (closed ? 1 : 0));
    }
    return !out->overflow;
}

/* Bits of a shift on their way out. */
struct shift {
    uint32_t acc;
    unsigned bits;
    bool open;
};

static void shift_put(struct buf *out, struct shift *s, uint32_t unit)
{
    if (!s->open) {
        buf_put_byte(out, '&');
        s->open = true;
    }
    s->acc = s->acc << 16 | unit;
    s->bits += 16;
    while (s->bits >= 6) {
        s->bits -= 6;
        buf_put_byte(out, digits[s->acc >> s->bits & 63]);
    }
}

static void shift_end(struct buf *out, struct shift *s)
{
    if (s->open) {
        if (s->bits > 0) {
            buf_put_byte(out, digits[s->acc << (6 - s->bits) & 63]);
        }
        buf_put_byte(out, '-');
    }
    *s = (struct shift){0};
}

bool imap_utf7_encode(struct buf *out, struct str utf8)
{
    size_t start = out->len;
    struct shift s = {0};
    if (!utf8_is_valid(utf8)) {
        return false;
    }
    while (utf8.len > 0) {
        size_t n;
        uint32_t cp = utf8_decode(utf8, &n);
        utf8 = str_tail(utf8, n);
        if (cp >= 0x20 && cp <= 0x7e) {
            shift_end(out, &s);
            buf_put(out, cp == '&' ? "&-" : (const char[]){(char)cp}, cp == '&' ? 2 : 1);
        } else if (cp < 0x10000) {
            shift_put(out, &s, cp);
        } else {
            shift_put(out, &s, 0xd800 + ((cp - 0x10000) >> 10));
            shift_put(out, &s, 0xdc00 + ((cp - 0x10000) & 0x3ff));
        }
    }
    shift_end(out, &s);
    if (out->overflow) {
        buf_truncate(out, start);
        return false;
    }
    return true;
}
