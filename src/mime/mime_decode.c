/* Transfer decoding. GMime's filters are not used here: 3.2 drops the last group of
 * unpadded base64 and all that follows padding, and its uudecoder gives other bytes when
 * the input is cut elsewhere. */
#include "postrider/mime/mime.h"

#include "charset.h"

#include "postrider/base/check.h"
#include "postrider/base/mem.h"

enum {
    DECODER_MAGIC = 0x6d646563,
    QP_HELD_MAX = 998, /* white space held back until a line end decides about it */
    UU_LINE_MAX = 256,
    BLOCK_BYTES = 4096
};

enum qp_state {
    QP_TEXT,  /* held: white space */
    QP_EQUAL, /* "=" seen, held: white space after it */
    QP_HEX,   /* "=X" seen */
    QP_CR     /* "=" white space CR seen */
};

enum uu_state {
    UU_BEFORE,
    UU_LINES,
    UU_AFTER
};

typedef bool decode_feed_fn(struct mime_decoder *d, struct str in, struct buf *out);
typedef bool decode_end_fn(struct mime_decoder *d, struct buf *out);

struct mime_decoder {
    uint32_t magic;
    decode_feed_fn *feed;
    decode_end_fn *end;
    uint32_t bits; /* base64: collected, bits_len of them */
    unsigned bits_len;
    enum qp_state qp;
    char qp_digit;
    enum uu_state uu;
    char held[QP_HELD_MAX]; /* quoted-printable: see qp_state; uuencode: the line */
    size_t held_len;
};

static bool identity_feed(struct mime_decoder *d, struct str in, struct buf *out)
{
    (void)d;
    return buf_put(out, in.ptr, in.len);
}

static bool identity_end(struct mime_decoder *d, struct buf *out)
{
    (void)d;
    return !out->overflow;
}

/* --- base64 --- */

static int base64_value(char c)
{
    if (c >= 'A' && c <= 'Z') {
        return c - 'A';
    }
    if (c >= 'a' && c <= 'z') {
        return c - 'a' + 26;
    }
    if (ascii_is_digit(c)) {
        return c - '0' + 52;
    }
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* The whole bytes of an incomplete group; the rest of its bits is padding. */
static bool base64_end(struct mime_decoder *d, struct buf *out)
{
    if (d->bits_len >= 12) {
        unsigned spare = d->bits_len % 8;
        for (unsigned at = d->bits_len; at >= 8 + spare; at -= 8) {
            buf_put_byte(out, (char)(d->bits >> (at - 8) & 0xff));
        }
    }
    d->bits = 0;
    d->bits_len = 0;
    return !out->overflow;
}

static bool base64_feed(struct mime_decoder *d, struct str in, struct buf *out)
{
    char block[BLOCK_BYTES];
    size_t n = 0;
    for (size_t i = 0; i < in.len; i++) {
        int v = base64_value(in.ptr[i]);
        if (v >= 0) {
            d->bits = d->bits << 6 | (uint32_t)v;
            d->bits_len += 6;
        }
        if (d->bits_len == 24) {
            block[n++] = (char)(d->bits >> 16 & 0xff);
            block[n++] = (char)(d->bits >> 8 & 0xff);
            block[n++] = (char)(d->bits & 0xff);
            d->bits = 0;
            d->bits_len = 0;
        }
        /* Padding ends a group, not the data: some senders join encoded pieces. */
        bool pad = in.ptr[i] == '=';
        if (pad || n + 3 > sizeof block) {
            buf_put(out, block, n);
            n = 0;
        }
        if (pad) {
            base64_end(d, out);
        }
    }
    return buf_put(out, block, n);
}

/* --- quoted-printable (RFC 2045 §6.7) --- */

static void qp_release(struct mime_decoder *d, struct buf *out)
{
    buf_put(out, d->held, d->held_len);
    d->held_len = 0;
}

static void qp_hold(struct mime_decoder *d, char c, struct buf *out)
{
    if (d->held_len == sizeof d->held) {
        qp_release(d, out);
    }
    d->held[d->held_len++] = c;
}

/* White space at a line's end was added on the way and goes (rule 3). */
static void qp_text(struct mime_decoder *d, char c, struct buf *out)
{
    if (c == ' ' || c == '\t') {
        qp_hold(d, c, out);
        return;
    }
    if (c == '\r') {
        /* Only a CR LF ends a line; the CR waits behind the white space. */
        if (d->held_len > 0 && d->held[d->held_len - 1] == '\r') {
            qp_release(d, out);
        }
        qp_hold(d, c, out);
        return;
    }
    bool after_cr = d->held_len > 0 && d->held[d->held_len - 1] == '\r';
    if (c == '\n') {
        d->held_len = 0;
        buf_put_c(out, after_cr ? "\r\n" : "\n");
        return;
    }
    qp_release(d, out);
    if (c == '=') {
        d->qp = QP_EQUAL;
    } else {
        buf_put_byte(out, c);
    }
}

static void qp_equal(struct mime_decoder *d, char c, struct buf *out)
{
    if (c == '\n') {
        d->held_len = 0;
        d->qp = QP_TEXT;
    } else if (c == '\r') {
        d->qp = QP_CR;
    } else if (c == ' ' || c == '\t') {
        if (d->held_len < sizeof d->held) {
            d->held[d->held_len++] = c;
        }
    } else if (d->held_len == 0 && mime_hex_value(c) >= 0) {
        d->qp_digit = c;
        d->qp = QP_HEX;
    } else {
        buf_put_byte(out, '=');
        d->qp = QP_TEXT;
        qp_text(d, c, out);
    }
}

static void qp_hex(struct mime_decoder *d, char c, struct buf *out)
{
    d->qp = QP_TEXT;
    if (mime_hex_value(c) >= 0) {
        buf_put_byte(out, (char)(mime_hex_value(d->qp_digit) << 4 | mime_hex_value(c)));
        return;
    }
    buf_put_byte(out, '=');
    buf_put_byte(out, d->qp_digit);
    qp_text(d, c, out);
}

static void qp_cr(struct mime_decoder *d, char c, struct buf *out)
{
    d->qp = QP_TEXT;
    if (c == '\n') {
        d->held_len = 0;
        return;
    }
    buf_put_byte(out, '=');
    qp_hold(d, '\r', out);
    qp_text(d, c, out);
}

static bool qp_feed(struct mime_decoder *d, struct str in, struct buf *out)
{
    typedef void step_fn(struct mime_decoder *, char, struct buf *);
    static step_fn *const steps[] = {
        [QP_TEXT] = qp_text, [QP_EQUAL] = qp_equal, [QP_HEX] = qp_hex, [QP_CR] = qp_cr};
    size_t i = 0;
    while (i < in.len && !out->overflow) {
        if (d->qp == QP_TEXT && d->held_len == 0) {
            size_t plain = i;
            while (plain < in.len && in.ptr[plain] != '=' &&
                   !ascii_is_space(in.ptr[plain])) {
                plain++;
            }
            buf_put(out, in.ptr + i, plain - i);
            i = plain;
        }
        if (i < in.len) {
            steps[d->qp](d, in.ptr[i], out);
            i++;
        }
    }
    return !out->overflow;
}

static bool qp_end(struct mime_decoder *d, struct buf *out)
{
    if (d->qp == QP_HEX) {
        buf_put_byte(out, '=');
        buf_put_byte(out, d->qp_digit);
    } else if (d->qp == QP_TEXT) {
        /* The end of the data is the end of a line. */
        if (d->held_len > 0 && d->held[d->held_len - 1] == '\r') {
            buf_put_byte(out, '\r');
        }
    }
    d->held_len = 0;
    d->qp = QP_TEXT;
    return !out->overflow;
}

/* --- uuencode: "begin MODE NAME", lines of a length character and groups of four, "end" --- */

static uint32_t uu_value(const char *line, size_t len, size_t at)
{
    return at < len ? ((uint32_t)(unsigned char)line[at] - 32u) & 0x3f : 0;
}

static void uu_data(const char *line, size_t len, struct buf *out)
{
    size_t want = uu_value(line, len, 0);
    for (size_t at = 1; want > 0 && at < len; at += 4) {
        uint32_t group = uu_value(line, len, at) << 18 |
                         uu_value(line, len, at + 1) << 12 |
                         uu_value(line, len, at + 2) << 6 | uu_value(line, len, at + 3);
        char bytes[3] = {(char)(group >> 16 & 0xff), (char)(group >> 8 & 0xff),
                         (char)(group & 0xff)};
        size_t n = want < 3 ? want : 3;
        buf_put(out, bytes, n);
        want -= n;
    }
}

static void uu_line(struct mime_decoder *d, struct buf *out)
{
    struct str line = str_from(d->held, d->held_len);
    while (line.len > 0 && line.ptr[line.len - 1] == '\r') {
        line.len--;
    }
    d->held_len = 0;
    switch (d->uu) {
    case UU_BEFORE:
        if (str_has_prefix(line, "begin ")) {
            d->uu = UU_LINES;
        }
        break;
    case UU_LINES:
        if (str_eq_c(str_trim(line), "end")) {
            d->uu = UU_AFTER;
        } else {
            uu_data(line.ptr, line.len, out);
        }
        break;
    case UU_AFTER:
        break;
    }
}

static bool uu_feed(struct mime_decoder *d, struct str in, struct buf *out)
{
    for (size_t i = 0; i < in.len && !out->overflow; i++) {
        if (in.ptr[i] == '\n') {
            uu_line(d, out);
        } else if (d->held_len < UU_LINE_MAX) {
            d->held[d->held_len++] = in.ptr[i];
        }
    }
    return !out->overflow;
}

static bool uu_end(struct mime_decoder *d, struct buf *out)
{
    if (d->held_len > 0) {
        uu_line(d, out);
    }
    d->uu = UU_BEFORE;
    return !out->overflow;
}

/* --- the object --- */

static const struct encoding_row {
    const char *name;
    decode_feed_fn *feed;
    decode_end_fn *end;
} encodings[] = {
    {"base64", base64_feed, base64_end},
    {"quoted-printable", qp_feed, qp_end},
    {"quotedprintable", qp_feed, qp_end},
    {"x-uuencode", uu_feed, uu_end},
    {"uuencode", uu_feed, uu_end},
    {"x-uue", uu_feed, uu_end},
    {"uue", uu_feed, uu_end},
};

struct mime_decoder *mime_decoder_new(struct str encoding)
{
    struct mime_decoder *d = MEM_NEW(struct mime_decoder);
    d->magic = DECODER_MAGIC;
    d->feed = identity_feed;
    d->end = identity_end;
    encoding = str_trim(encoding);
    for (size_t i = 0; i < ARRAY_LEN(encodings); i++) {
        if (str_ieq_c(encoding, encodings[i].name)) {
            d->feed = encodings[i].feed;
            d->end = encodings[i].end;
        }
    }
    return d;
}

void mime_decoder_free(struct mime_decoder **d)
{
    if (*d != NULL) {
        CHECK_MAGIC(*d, DECODER_MAGIC);
        (*d)->magic = 0;
        mem_free(*d);
        *d = NULL;
    }
}

bool mime_decoder_feed(struct mime_decoder *d, const void *data, size_t len,
                       struct buf *out)
{
    CHECK_MAGIC(d, DECODER_MAGIC);
    return d->feed(d, str_from(data, len), out);
}

bool mime_decoder_end(struct mime_decoder *d, struct buf *out)
{
    CHECK_MAGIC(d, DECODER_MAGIC);
    return d->end(d, out);
}
