#include "postrider/base/codec.h"

static const char std_digits[65] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char url_digits[65] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static bool encode64(struct buf *out, const uint8_t *p, size_t len, const char *digits,
                     bool pad)
{
    if (!buf_reserve(out, len / 3 * 4 + 4)) {
        return false;
    }
    for (size_t i = 0; i < len; i += 3) {
        size_t n = len - i < 3 ? len - i : 3;
        uint32_t v = (uint32_t)p[i] << 16;
        v |= n > 1 ? (uint32_t)p[i + 1] << 8 : 0;
        v |= n > 2 ? (uint32_t)p[i + 2] : 0;
        char quad[4] = {digits[v >> 18], digits[v >> 12 & 63],
                        n > 1 ? digits[v >> 6 & 63] : '=', n > 2 ? digits[v & 63] : '='};
        if (!buf_put(out, quad, pad ? 4 : n + 1)) {
            return false;
        }
    }
    return true;
}

static int digit64(char c, const char *digits)
{
    if (c >= 'A' && c <= 'Z') {
        return c - 'A';
    }
    if (c >= 'a' && c <= 'z') {
        return c - 'a' + 26;
    }
    if (c >= '0' && c <= '9') {
        return c - '0' + 52;
    }
    if (c == digits[62]) {
        return 62;
    }
    return c == digits[63] ? 63 : -1;
}

static bool decode64(struct buf *out, struct str text, const char *digits)
{
    size_t start = out->len;
    uint32_t acc = 0;
    unsigned bits = 0;
    for (size_t i = 0; i < text.len; i++) {
        int d = digit64(text.ptr[i], digits);
        if (d < 0) {
            buf_truncate(out, start);
            return false;
        }
        acc = acc << 6 | (uint32_t)d;
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            if (!buf_put_byte(out, (char)(uint8_t)(acc >> bits))) {
                buf_truncate(out, start);
                return false;
            }
        }
    }
    /* A lone digit or set bits behind the last byte: not something an encoder wrote. */
    if (bits == 6 || (acc & ((1u << bits) - 1)) != 0) {
        buf_truncate(out, start);
        return false;
    }
    return true;
}

bool base64_encode(struct buf *out, const void *data, size_t len)
{
    return encode64(out, data, len, std_digits, true);
}

bool base64url_encode(struct buf *out, const void *data, size_t len)
{
    return encode64(out, data, len, url_digits, false);
}

static struct str without_padding(struct str text)
{
    for (int i = 0; i < 2 && text.len > 0 && text.ptr[text.len - 1] == '='; i++) {
        text.len--;
    }
    return text;
}

bool base64_decode(struct buf *out, struct str text)
{
    return text.len % 4 == 0 && decode64(out, without_padding(text), std_digits);
}

bool base64url_decode(struct buf *out, struct str text)
{
    struct str bare = without_padding(text);
    if (bare.len != text.len && text.len % 4 != 0) {
        return false;
    }
    return decode64(out, bare, url_digits);
}

bool percent_encode(struct buf *out, struct str text)
{
    static const char unreserved[] = "-._~";
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        bool plain = ascii_is_digit(c) ||
                     (ascii_lower(c) >= 'a' && ascii_lower(c) <= 'z') ||
                     (c != '\0' && strchr(unreserved, c) != NULL);
        (void)(plain ? buf_put_byte(out, c)
                     : buf_printf(out, "%%%02X", (unsigned)(unsigned char)c));
    }
    return !out->overflow;
}

void hex_format(char *out, const void *data, size_t len)
{
    static const char digits[17] = "0123456789abcdef";
    const uint8_t *p = data;
    for (size_t i = 0; i < len; i++) {
        *out++ = digits[p[i] >> 4];
        *out++ = digits[p[i] & 15];
    }
    *out = '\0';
}

bool hex_encode(struct buf *out, const void *data, size_t len)
{
    if (!buf_reserve(out, 2 * len)) {
        return false;
    }
    hex_format(out->bytes + out->len, data, len);
    out->len += 2 * len;
    return true;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c = ascii_lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool percent_decode(struct buf *out, struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        uint8_t byte;
        if (c == '%' && i + 2 < text.len &&
            hex_decode(str_from(text.ptr + i + 1, 2), &byte, 1)) {
            c = (char)byte;
            i += 2;
        }
        buf_put_byte(out, c);
    }
    return !out->overflow;
}

bool hex_decode(struct str text, void *out, size_t len)
{
    uint8_t *p = out;
    if (text.len != len * 2) {
        return false;
    }
    for (size_t i = 0; i < text.len; i++) {
        if (hex_digit(text.ptr[i]) < 0) {
            return false;
        }
    }
    for (size_t i = 0; i < len; i++) {
        p[i] =
            (uint8_t)(hex_digit(text.ptr[2 * i]) << 4 | hex_digit(text.ptr[2 * i + 1]));
    }
    return true;
}
