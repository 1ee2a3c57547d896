/* Transfer decoding by GMime's encoding states, each with what it lacks:
 *   base64            drops an unpadded last group and ends for good at padding
 *   quoted-printable  keeps white space at line ends, drops an open "=X" at the end
 *   uuencode          wants the line with "begin" gone, and takes a CR, a short or a long
 *                     line for data, depending on how the input is cut */
#include "mime_priv.h"

#include "postrider/base/check.h"
#include "postrider/base/codec.h"
#include "postrider/base/mem.h"

enum {
    DECODER_MAGIC = 0x6d646563,
    STEP_BYTES = 4096,
    STEP_EXTRA = 16,          /* a step may release bytes held back by the one before */
    BLANKS_BLOCK = 16 * 1024, /* one that is white space only goes */
    UU_LINE_MAX = 256,
    UU_DATA_MAX = 84 /* characters of the longest line, which stands for 63 bytes */
};

enum uu_state {
    UU_BEFORE,
    UU_LINES,
    UU_AFTER
};

/* State of GMime's quoted-printable decoder behind "=X". */
enum {
    GMIME_QP_DIGIT = 2
};

typedef bool decode_feed_fn(struct mime_decoder *d, struct str in, struct buf *out);
typedef bool decode_end_fn(struct mime_decoder *d, struct buf *out);

struct mime_decoder {
    uint32_t magic;
    decode_feed_fn *feed;
    decode_end_fn *end;
    GMimeEncoding gmime;
    GMimeFilter *strip; /* quoted-printable: takes white space at line ends away */
    size_t block_in, block_out; /* bytes of the present block that went in and came out */
    enum uu_state uu;
    char line[UU_LINE_MAX]; /* uuencode */
    size_t line_len;
};

static bool step(GMimeEncoding *state, struct str in, struct buf *out)
{
    char block[STEP_BYTES + STEP_EXTRA];
    while (in.len > 0 && !out->overflow) {
        size_t n = in.len < STEP_BYTES ? in.len : STEP_BYTES;
        buf_put(out, block, g_mime_encoding_step(state, in.ptr, n, block));
        in = str_tail(in, n);
    }
    return !out->overflow;
}

static bool plain_feed(struct mime_decoder *d, struct str in, struct buf *out)
{
    return step(&d->gmime, in, out);
}

static bool plain_end(struct mime_decoder *d, struct buf *out)
{
    (void)d;
    return !out->overflow;
}

/* --- base64 --- */

/* Padding completes a group; behind it another text may begin: some senders join them. */
static bool base64_pad(GMimeEncoding *state, struct buf *out)
{
    bool ok = step(state, STR("="), out);
    g_mime_encoding_reset(state);
    return ok;
}

static bool base64_put(GMimeEncoding *state, struct str in, struct buf *out)
{
    size_t pad = str_find_byte(in, '=');
    while (pad != SIZE_MAX) {
        step(state, str_from(in.ptr, pad), out);
        base64_pad(state, out);
        in = str_tail(in, pad + 1);
        pad = str_find_byte(in, '=');
    }
    return step(state, in, out);
}

static bool base64_feed(struct mime_decoder *d, struct str in, struct buf *out)
{
    return base64_put(&d->gmime, in, out);
}

static bool base64_end(struct mime_decoder *d, struct buf *out)
{
    return base64_pad(&d->gmime, out);
}

/* --- quoted-printable --- */

static bool quoted_pad(GMimeEncoding *state, struct buf *out)
{
    if (state->state == GMIME_QP_DIGIT) {
        buf_put_byte(out, '=');
        buf_put_byte(out, (char)state->save);
    }
    g_mime_encoding_reset(state);
    return !out->overflow;
}

/* The filter holds white space back without limit until it knows what follows. */
static bool quoted_feed(struct mime_decoder *d, struct str in, struct buf *out)
{
    while (in.len > 0 && !out->overflow) {
        char piece[STEP_BYTES];
        size_t n = in.len < sizeof piece ? in.len : sizeof piece;
        n = n < BLANKS_BLOCK - d->block_in ? n : BLANKS_BLOCK - d->block_in;
        memcpy(piece, in.ptr, n);
        in = str_tail(in, n);
        char *text = NULL;
        size_t len = 0;
        size_t space = 0;
        g_mime_filter_filter(d->strip, piece, n, 0, &text, &len, &space);
        step(&d->gmime, str_from(text, len), out);
        d->block_in += n;
        d->block_out += len;
        if (d->block_in == BLANKS_BLOCK) {
            if (d->block_out == 0) {
                g_mime_filter_reset(d->strip);
            }
            d->block_in = d->block_out = 0;
        }
    }
    return !out->overflow;
}

static bool quoted_end(struct mime_decoder *d, struct buf *out)
{
    char none[1] = {0};
    char *text = NULL;
    size_t len = 0;
    size_t space = 0;
    g_mime_filter_complete(d->strip, none, 0, 0, &text, &len, &space);
    step(&d->gmime, str_from(text, len), out);
    return quoted_pad(&d->gmime, out);
}

/* --- uuencode: "begin MODE NAME", lines of a length and groups of four, "end" --- */

static void uu_data(struct mime_decoder *d, struct str line, struct buf *out)
{
    char full[1 + UU_DATA_MAX];
    size_t bytes = ((unsigned char)line.ptr[0] - 32u) & 0x3f;
    size_t len = 1 + (bytes + 2) / 3 * 4;
    memset(full, '`', sizeof full); /* stands for zero where a line is too short */
    memcpy(full, line.ptr, line.len < len ? line.len : len);
    if (bytes > 0) {
        g_mime_encoding_reset(&d->gmime);
        step(&d->gmime, str_from(full, len), out);
    }
}

static void uu_line(struct mime_decoder *d, struct buf *out)
{
    struct str line = str_from(d->line, d->line_len);
    while (line.len > 0 && line.ptr[line.len - 1] == '\r') {
        line.len--;
    }
    d->line_len = 0;
    if (d->uu == UU_BEFORE && str_has_prefix(line, "begin ")) {
        d->uu = UU_LINES;
    } else if (d->uu == UU_LINES && str_eq_c(str_trim(line), "end")) {
        d->uu = UU_AFTER;
    } else if (d->uu == UU_LINES && line.len > 0) {
        uu_data(d, line, out);
    }
}

static bool uu_feed(struct mime_decoder *d, struct str in, struct buf *out)
{
    for (size_t i = 0; i < in.len && !out->overflow; i++) {
        if (in.ptr[i] == '\n') {
            uu_line(d, out);
        } else if (d->line_len < sizeof d->line) {
            d->line[d->line_len++] = in.ptr[i];
        }
    }
    return !out->overflow;
}

static bool uu_end(struct mime_decoder *d, struct buf *out)
{
    uu_line(d, out);
    return !out->overflow;
}

/* --- texts in headers --- */

/* The Q encoding, whose sign is "=", or percent encoding. An "=" that no two digits follow
 * takes the two bytes behind it along, as in quoted-printable. */
static void put_signed(struct buf *out, struct str text, char sign)
{
    size_t i = 0, n;
    while (i < text.len) {
        int high = -1, low = -1;
        n = 1;
        if (text.ptr[i] == sign) {
            n = sign == '%' ? 1 : text.len - i < 3 ? text.len - i : 3;
            high = i + 2 < text.len ? hex_digit(text.ptr[i + 1]) : -1;
            low = high >= 0 ? hex_digit(text.ptr[i + 2]) : -1;
        }
        if (low >= 0) {
            buf_put_byte(out, (char)(high << 4 | low));
            i += 3;
            continue;
        }
        for (; n > 0; n--, i++) {
            char c = text.ptr[i];
            bool space = c == '\r' || c == '\n' || (c == '_' && sign == '=');
            buf_put_byte(out, space ? ' ' : c);
        }
    }
}

void mime_decode_piece(struct buf *out, struct str text, char encoding)
{
    if (encoding != 'b') {
        put_signed(out, text, encoding == '%' ? '%' : '=');
    } else if (!base64_decode(out, text)) {
        GMimeEncoding state;
        g_mime_encoding_init_decode(&state, GMIME_CONTENT_ENCODING_BASE64);
        base64_put(&state, text, out);
        base64_pad(&state, out);
    }
}

/* --- the object --- */

static const struct encoding_row {
    GMimeContentEncoding encoding;
    decode_feed_fn *feed;
    decode_end_fn *end;
} rows[] = {
    {GMIME_CONTENT_ENCODING_BASE64, base64_feed, base64_end},
    {GMIME_CONTENT_ENCODING_QUOTEDPRINTABLE, quoted_feed, quoted_end},
    {GMIME_CONTENT_ENCODING_UUENCODE, uu_feed, uu_end},
};

static GMimeContentEncoding encoding_from(struct str name)
{
    char text[32] = {0};
    name = str_trim(name);
    if (name.len == 0 || name.len >= sizeof text) {
        return GMIME_CONTENT_ENCODING_DEFAULT;
    }
    memcpy(text, name.ptr, name.len);
    return g_mime_content_encoding_from_string(text);
}

struct mime_decoder *mime_decoder_new(struct str encoding)
{
    struct mime_decoder *d = MEM_NEW(struct mime_decoder);
    d->magic = DECODER_MAGIC;
    d->feed = plain_feed;
    d->end = plain_end;
    g_mime_encoding_init_decode(&d->gmime, encoding_from(encoding));
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (rows[i].encoding == d->gmime.encoding) {
            d->feed = rows[i].feed;
            d->end = rows[i].end;
        }
    }
    if (d->feed == quoted_feed) {
        d->strip = g_mime_filter_strip_new();
    }
    return d;
}

void mime_decoder_free(struct mime_decoder **d)
{
    if (*d != NULL) {
        CHECK_MAGIC(*d, DECODER_MAGIC);
        g_clear_object(&(*d)->strip);
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
