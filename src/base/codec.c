#include "postrider/base/codec.h"

static const char std_digits[65] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char url_digits[65] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/* Terminated; without padding the digits of an open group end early. */
static size_t write64(char *out, const uint8_t *p, size_t len, const char *digits,
                      bool pad)
{
    char *to = out;
    size_t i = 0;
    for (; i + 3 <= len; i += 3) {
        uint32_t v = (uint32_t)p[i] << 16 | (uint32_t)p[i + 1] << 8 | p[i + 2];
        *to++ = digits[v >> 18];
        *to++ = digits[v >> 12 & 63];
        *to++ = digits[v >> 6 & 63];
        *to++ = digits[v & 63];
    }
    if (i < len) {
        bool two = len - i == 2;
        uint32_t v = (uint32_t)p[i] << 16 | (two ? (uint32_t)p[i + 1] << 8 : 0);
        const char last[] = {digits[v >> 18], digits[v >> 12 & 63],
                             two ? digits[v >> 6 & 63] : '=', '='};
        size_t n = pad ? sizeof last : len - i + 1;
        memcpy(to, last, n);
        to += n;
    }
    *to = '\0';
    return (size_t)(to - out);
}

static bool encode64(struct buf *out, const uint8_t *p, size_t len, const char *digits,
                     bool pad)
{
    if (!buf_reserve(out, len / 3 * 4 + 4)) {
        return false;
    }
    out->len += write64(out->bytes + out->len, p, len, digits, pad);
    return true;
}

/* Of both alphabets; 0 of what is no digit, too: then that is not what the digit looks like. */
static const uint8_t values64[256] = {
    ['A'] = 0,  ['B'] = 1,  ['C'] = 2,  ['D'] = 3,  ['E'] = 4,  ['F'] = 5,  ['G'] = 6,
    ['H'] = 7,  ['I'] = 8,  ['J'] = 9,  ['K'] = 10, ['L'] = 11, ['M'] = 12, ['N'] = 13,
    ['O'] = 14, ['P'] = 15, ['Q'] = 16, ['R'] = 17, ['S'] = 18, ['T'] = 19, ['U'] = 20,
    ['V'] = 21, ['W'] = 22, ['X'] = 23, ['Y'] = 24, ['Z'] = 25, ['a'] = 26, ['b'] = 27,
    ['c'] = 28, ['d'] = 29, ['e'] = 30, ['f'] = 31, ['g'] = 32, ['h'] = 33, ['i'] = 34,
    ['j'] = 35, ['k'] = 36, ['l'] = 37, ['m'] = 38, ['n'] = 39, ['o'] = 40, ['p'] = 41,
    ['q'] = 42, ['r'] = 43, ['s'] = 44, ['t'] = 45, ['u'] = 46, ['v'] = 47, ['w'] = 48,
    ['x'] = 49, ['y'] = 50, ['z'] = 51, ['0'] = 52, ['1'] = 53, ['2'] = 54, ['3'] = 55,
    ['4'] = 56, ['5'] = 57, ['6'] = 58, ['7'] = 59, ['8'] = 60, ['9'] = 61, ['+'] = 62,
    ['/'] = 63, ['-'] = 62, ['_'] = 63,
};

static int digit64(char c, const char *digits)
{
    int d = values64[(uint8_t)c];
    return digits[d] == c ? d : -1;
}

/* Groups of four digits at the front: the bytes they stand for. */
static size_t decode_groups(char *to, struct str text, const char *digits)
{
    size_t i = 0, n = 0;
    for (; i + 4 <= text.len; i += 4) {
        uint32_t v = 0;
        int differ = 0;
        for (size_t k = 0; k < 4; k++) {
            uint8_t d = values64[(uint8_t)text.ptr[i + k]];
            differ |= digits[d] ^ text.ptr[i + k];
            v = v << 6 | d;
        }
        if (differ != 0) {
            break;
        }
        to[n++] = (char)(uint8_t)(v >> 16);
        to[n++] = (char)(uint8_t)(v >> 8);
        to[n++] = (char)(uint8_t)v;
    }
    return n;
}

static bool decode64(struct buf *out, struct str text, const char *digits)
{
    uint32_t acc = 0;
    unsigned bits = 0;
    int d = 0;
    if (!buf_reserve(out, text.len * 3 / 4)) {
        return false;
    }
    char *start = out->bytes + out->len, *to = start;
    size_t groups = decode_groups(to, text, digits);
    to += groups;
    for (size_t i = groups / 3 * 4;
         i < text.len && (d = digit64(text.ptr[i], digits)) >= 0; i++) {
        acc = acc << 6 | (uint32_t)d;
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            *to++ = (char)(uint8_t)(acc >> bits);
        }
    }
    /* A lone digit or set bits behind the last byte: not something an encoder wrote. */
    bool ok = d >= 0 && bits != 6 && (acc & ((1u << bits) - 1)) == 0;
    to = ok ? to : start;
    *to = '\0';
    out->len = (size_t)(to - out->bytes);
    return ok;
}

bool base64_encode(struct buf *out, const void *data, size_t len)
{
    return encode64(out, data, len, std_digits, true);
}

bool base64url_encode(struct buf *out, const void *data, size_t len)
{
    return encode64(out, data, len, url_digits, false);
}

size_t base64url_write(char *out, const void *data, size_t len)
{
    return write64(out, data, len, url_digits, false);
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
