/* Conversion to UTF-8. Names are looked up in a fixed table and never reach the system's
 * converter as they came: glibc remembers each unknown name it was asked for, some of its
 * rarer modules have aborted or looped on crafted text, and "//" suffixes change meaning.
 */
#include "charset.h"

#include "postrider/base/check.h"
#include "postrider/base/mem.h"
#include "postrider/base/utf8.h"

#include <errno.h>
#include <iconv.h>

enum {
    CHARSET_MAGIC = 0x6d636873,
    NAME_MAX_BYTES = 64,
    CARRY_MAX = 16, /* longest incomplete sequence of any table row */
    BLOCK_BYTES = 4096
};

enum charset_kind {
    CHARSET_GUESS,
    CHARSET_UTF8,
    CHARSET_1252,
    CHARSET_UTF16, /* byte order from the mark or the first character */
    CHARSET_ICONV
};

struct mime_charset {
    uint32_t magic;
    enum charset_kind kind;
    const char *iconv_name;
    iconv_t cd; /* (iconv_t)-1 until needed */
    size_t unit;
    bool by_bytes; /* what iconv does after an error depends on how it is fed */
    size_t max_bytes;
    size_t produced;
    bool started; /* the place of a byte order mark has passed */
    bool truncated;
    bool cut;    /* the input is a beginning only */
    bool closed; /* max_bytes reached */
    char in[CARRY_MAX];
    size_t in_len; /* incomplete at the end of the last feed */
    char tail[4];
    size_t tail_len; /* incomplete UTF-8 on its way out */
    struct buf held; /* CHARSET_GUESS: the text so far */
};

/* One row per set; `labels` are in lower case without punctuation, separated by spaces.
 * ISO sets that have a Windows superset in use are read as that (as browsers do). */
static const struct charset_table_row {
    enum charset_kind kind;
    const char *iconv_name;
    const char *labels;
} rows[] = {
    [CHARSET_ROW_GUESS] = {CHARSET_GUESS, NULL,
                           "usascii ascii ansix341968 iso646us unknown unknown8bit "
                           "xunknown 8bit 7bit binary default none"},
    {CHARSET_UTF8, NULL, "utf8 unicode11utf8 utf8mb4 cp65001 unicode20utf8"},
    {CHARSET_1252, NULL,
     "windows1252 cp1252 xcp1252 ansi1252 iso88591 iso885911987 latin1 l1 isoir100 "
     "ibm819 cp819 88591 xansi"},
    {CHARSET_UTF16, NULL, "utf16 ucs2 iso10646ucs2 unicode csunicode"},
    {CHARSET_ICONV, "UTF-16LE", "utf16le unicodefffe ucs2le"},
    {CHARSET_ICONV, "UTF-16BE", "utf16be unicodefeff ucs2be"},
    {CHARSET_ICONV, "UTF-32LE", "utf32le ucs4le"},
    {CHARSET_ICONV, "UTF-32BE", "utf32be utf32 ucs4 ucs4be iso10646ucs4"},
    {CHARSET_ICONV, "UTF-7", "utf7 unicode11utf7 unicode20utf7 cp65000"},
    {CHARSET_ICONV, "CP1250", "windows1250 cp1250 xcp1250"},
    {CHARSET_ICONV, "CP1251", "windows1251 cp1251 xcp1251 win1251"},
    {CHARSET_ICONV, "CP1253", "windows1253 cp1253"},
    {CHARSET_ICONV, "CP1254", "windows1254 cp1254 iso88599 latin5 l5 iso885991989"},
    {CHARSET_ICONV, "CP1255", "windows1255 cp1255"},
    {CHARSET_ICONV, "CP1256", "windows1256 cp1256"},
    {CHARSET_ICONV, "CP1257", "windows1257 cp1257"},
    {CHARSET_ICONV, "CP1258", "windows1258 cp1258"},
    {CHARSET_ICONV, "CP874", "windows874 cp874 tis620 iso885911 tis6200 dos874"},
    {CHARSET_ICONV, "ISO-8859-2", "iso88592 latin2 l2 88592 iso885921987"},
    {CHARSET_ICONV, "ISO-8859-3", "iso88593 latin3 l3"},
    {CHARSET_ICONV, "ISO-8859-4", "iso88594 latin4 l4"},
    {CHARSET_ICONV, "ISO-8859-5", "iso88595 cyrillic"},
    {CHARSET_ICONV, "ISO-8859-6", "iso88596 iso88596i iso88596e arabic"},
    {CHARSET_ICONV, "ISO-8859-7", "iso88597 greek"},
    {CHARSET_ICONV, "ISO-8859-8", "iso88598 iso88598i iso88598e logical hebrew"},
    {CHARSET_ICONV, "ISO-8859-10", "iso885910 latin6 l6"},
    {CHARSET_ICONV, "ISO-8859-13", "iso885913 latin7"},
    {CHARSET_ICONV, "ISO-8859-14", "iso885914 latin8"},
    {CHARSET_ICONV, "ISO-8859-15", "iso885915 latin9 l9 88591515"},
    {CHARSET_ICONV, "ISO-8859-16", "iso885916 latin10"},
    {CHARSET_ICONV, "KOI8-R", "koi8r koi8 koi cskoi8r"},
    {CHARSET_ICONV, "KOI8-U", "koi8u koi8ru"},
    {CHARSET_ICONV, "IBM866", "ibm866 cp866 866"},
    {CHARSET_ICONV, "IBM437", "ibm437 cp437 437"},
    {CHARSET_ICONV, "IBM850", "ibm850 cp850 850"},
    {CHARSET_ICONV, "IBM852", "ibm852 cp852 852"},
    {CHARSET_ICONV, "IBM855", "ibm855 cp855"},
    {CHARSET_ICONV, "IBM857", "ibm857 cp857"},
    {CHARSET_ICONV, "IBM862", "ibm862 cp862 dos862"},
    {CHARSET_ICONV, "MACINTOSH", "macintosh mac macroman xmacroman"},
    {CHARSET_ICONV, "MAC-CYRILLIC", "maccyrillic xmaccyrillic xmacukrainian"},
    {CHARSET_ICONV, "GB18030",
     "gb18030 gb2312 gbk cp936 windows936 ms936 xgbk euccn gb231280 csgb2312 "
     "chinese"},
    {CHARSET_ICONV, "BIG5-HKSCS", "big5 big5hkscs cp950 xxbig5 cnbig5 csbig5 ms950"},
    {CHARSET_ICONV, "EUC-TW", "euctw"},
    {CHARSET_ICONV, "CP932",
     "shiftjis sjis cp932 windows31j mskanji xsjis csshiftjis ms932 windows932"},
    {CHARSET_ICONV, "EUC-JP", "eucjp xeucjp xeuc ujis"},
    {CHARSET_ICONV, "ISO-2022-JP-2", "iso2022jp iso2022jp1 iso2022jp2 csiso2022jp jis"},
    {CHARSET_ICONV, "CP949",
     "euckr ksc56011987 ksc5601 ksc56011989 cp949 uhc windows949 korean xwindows949 "
     "csksc56011987 cseuckr"},
    {CHARSET_ICONV, "ISO-2022-KR", "iso2022kr csiso2022kr"},
    {CHARSET_ICONV, "VISCII", "viscii"},
    {CHARSET_ICONV, "TCVN", "tcvn tcvn5712"},
};
_Static_assert(ARRAY_LEN(rows) <= CHARSET_ROWS_MAX, "words has a converter per row");

/* 0x80–0x9f of windows-1252; the rest is Latin-1. */
static const uint16_t windows_1252[32] = {
    0x20ac, 0xfffd, 0x201a, 0x0192, 0x201e, 0x2026, 0x2020, 0x2021,
    0x02c6, 0x2030, 0x0160, 0x2039, 0x0152, 0xfffd, 0x017d, 0xfffd,
    0xfffd, 0x2018, 0x2019, 0x201c, 0x201d, 0x2022, 0x2013, 0x2014,
    0x02dc, 0x2122, 0x0161, 0x203a, 0x0153, 0xfffd, 0x017e, 0x0178,
};

static size_t row_of_kind(enum charset_kind kind)
{
    size_t row = 0;
    while (rows[row].kind != kind) {
        row++;
    }
    return row;
}

/* Lower case letters and digits of the label; 0 if it has none or is too long. */
static size_t label_normalize(struct str name, char out[NAME_MAX_BYTES])
{
    size_t n = 0;
    for (size_t i = 0; i < name.len; i++) {
        char c = ascii_lower(name.ptr[i]);
        if (ascii_is_digit(c) || (c >= 'a' && c <= 'z')) {
            if (n == NAME_MAX_BYTES) {
                return 0;
            }
            out[n++] = c;
        }
    }
    return n;
}

static bool row_find(struct str name, size_t *row_out)
{
    char label[NAME_MAX_BYTES];
    struct str wanted = str_from(label, label_normalize(name, label));
    if (wanted.len == 0) {
        return false;
    }
    for (size_t row = 0; row < ARRAY_LEN(rows); row++) {
        struct str rest = str_of(rows[row].labels);
        struct str piece;
        while (str_split(&rest, ' ', &piece)) {
            if (str_eq(piece, wanted)) {
                *row_out = row;
                return true;
            }
        }
    }
    return false;
}

size_t charset_row(struct str name)
{
    size_t row = 0;
    if (str_trim(name).len == 0) {
        return CHARSET_ROW_GUESS;
    }
    return row_find(name, &row) ? row : row_of_kind(CHARSET_1252);
}

bool mime_charset_is_known(struct str name)
{
    size_t row = 0;
    return row_find(name, &row);
}

const char *charset_iconv_name(size_t row)
{
    return row < ARRAY_LEN(rows) ? rows[row].iconv_name : NULL;
}

/* --- the way out: UTF-8 repaired, without NUL and mark, within max_bytes --- */

static bool is_prefix(struct str s)
{
    char padded[4] = {(char)0x80, (char)0x80, (char)0x80, (char)0x80};
    unsigned char lead = (unsigned char)s.ptr[0];
    if (s.len >= sizeof padded || lead < 0xc2 || lead > 0xf4) {
        return false;
    }
    size_t need = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
    if (s.len == 1) {
        return true;
    }
    memcpy(padded, s.ptr, s.len);
    return s.len < need && utf8_sequence_len(str_from(padded, need)) == need;
}

static bool emit(struct mime_charset *c, struct buf *out, struct str run)
{
    size_t room = c->max_bytes - c->produced;
    if (run.len > room) {
        c->truncated = true;
        c->closed = true;
        run.len = room;
        while (run.len > 0 && ((unsigned char)run.ptr[run.len] & 0xc0) == 0x80) {
            run.len--;
        }
    }
    c->produced += run.len;
    return buf_put(out, run.ptr, run.len) && !c->closed;
}

static bool emit_replacement(struct mime_charset *c, struct buf *out)
{
    c->started = true;
    return emit(c, out, STR("\xef\xbf\xbd"));
}

/* Emits the valid beginning of *s. */
static bool emit_valid(struct mime_charset *c, struct buf *out, struct str *s)
{
    if (!c->started && str_has_prefix(*s, "\xef\xbb\xbf")) {
        *s = str_tail(*s, 3);
        c->started = true;
    }
    size_t n = 0;
    size_t good = 0;
    while (good < s->len && s->ptr[good] != '\0' &&
           (n = utf8_sequence_len(str_tail(*s, good))) > 0) {
        good += n;
    }
    struct str run = str_from(s->ptr, good);
    *s = str_tail(*s, good);
    c->started = c->started || good > 0;
    return emit(c, out, run);
}

static bool utf8_block(struct mime_charset *c, struct str s, struct buf *out)
{
    while (s.len > 0) {
        if (!emit_valid(c, out, &s)) {
            return false;
        }
        if (s.len == 0) {
            break;
        }
        if (s.ptr[0] == '\0') {
            s = str_tail(s, 1);
        } else if (is_prefix(s)) {
            memcpy(c->tail, s.ptr, s.len);
            c->tail_len = s.len;
            return true;
        } else {
            s = str_tail(s, 1);
            if (!emit_replacement(c, out)) {
                return false;
            }
        }
    }
    return true;
}

static bool utf8_feed(struct mime_charset *c, struct str s, struct buf *out)
{
    /* What was held back is completed byte by byte: it is at most three bytes long. */
    while (c->tail_len > 0 && s.len > 0) {
        char joined[4];
        size_t n = c->tail_len;
        memcpy(joined, c->tail, n);
        joined[n++] = s.ptr[0];
        s = str_tail(s, 1);
        c->tail_len = 0;
        if (!utf8_block(c, str_from(joined, n), out)) {
            return false;
        }
    }
    return utf8_block(c, s, out);
}

static bool utf8_end(struct mime_charset *c, struct buf *out)
{
    for (size_t n = c->cut ? 0 : c->tail_len; n > 0; n--) {
        if (!emit_replacement(c, out)) {
            return false;
        }
    }
    c->tail_len = 0;
    return !out->overflow && !c->closed;
}

/* --- the ways in --- */

static bool windows_1252_feed(struct mime_charset *c, struct str s, struct buf *out)
{
    struct buf block = BUF_INIT(BLOCK_BYTES);
    bool ok = true;
    while (s.len > 0 && ok) {
        buf_clear(&block);
        size_t n = s.len < BLOCK_BYTES / 4 ? s.len : BLOCK_BYTES / 4;
        for (size_t i = 0; i < n; i++) {
            unsigned char b = (unsigned char)s.ptr[i];
            utf8_put(&block, b >= 0x80 && b < 0xa0 ? windows_1252[b - 0x80] : b);
        }
        ok = utf8_feed(c, buf_str(&block), out);
        s = str_tail(s, n);
    }
    buf_fini(&block);
    return ok;
}

static bool iconv_ready(struct mime_charset *c)
{
    if (c->cd == (iconv_t)-1) {
        c->cd = iconv_open("UTF-8", c->iconv_name);
    }
    return c->cd != (iconv_t)-1;
}

/* Converts from in[0..*len); what is incomplete at the end stays, moved to the front. */
static bool iconv_block(struct mime_charset *c, char *in, size_t *len, struct buf *out)
{
    char text[BLOCK_BYTES];
    char *from = in;
    size_t left = *len;
    while (left > 0) {
        char *to = text;
        size_t room = sizeof text;
        size_t before = left;
        size_t rc = iconv(c->cd, &from, &left, &to, &room);
        int why = rc == (size_t)-1 ? errno : 0;
        if (!utf8_feed(c, str_from(text, sizeof text - room), out)) {
            return false;
        }
        bool stuck = left == before && room == sizeof text;
        if (why == EINVAL && left < CARRY_MAX) {
            break;
        }
        if (why == EILSEQ || why == EINVAL || (stuck && left > 0)) {
            size_t skip = left < c->unit ? left : c->unit;
            from += skip;
            left -= skip;
            if (!emit_replacement(c, out)) {
                return false;
            }
        }
    }
    memmove(in, from, left);
    *len = left;
    return true;
}

static bool iconv_feed(struct mime_charset *c, struct str s, struct buf *out)
{
    if (!iconv_ready(c)) {
        return windows_1252_feed(c, s, out);
    }
    char stage[BLOCK_BYTES];
    do {
        size_t n = c->by_bytes ? 1 : sizeof stage - c->in_len;
        n = n < s.len ? n : s.len;
        memcpy(stage, c->in, c->in_len);
        memcpy(stage + c->in_len, s.ptr, n);
        size_t len = c->in_len + n;
        s = str_tail(s, n);
        c->in_len = 0;
        if (!iconv_block(c, stage, &len, out)) {
            return false;
        }
        memcpy(c->in, stage, len);
        c->in_len = len;
    } while (s.len > 0);
    return true;
}

static bool iconv_end(struct mime_charset *c, struct buf *out)
{
    if (c->cd == (iconv_t)-1) {
        return true;
    }
    char text[BLOCK_BYTES];
    char *to = text;
    size_t room = sizeof text;
    /* Some sets hold a base character back, waiting for a combining one. */
    (void)iconv(c->cd, NULL, NULL, &to, &room);
    bool ok = utf8_feed(c, str_from(text, sizeof text - room), out);
    if (ok && c->in_len > 0 && !c->cut) {
        ok = emit_replacement(c, out);
    }
    return ok;
}

/* RFC 2781 asks for big-endian without a mark; Latin text tells better. */
static bool utf16_feed(struct mime_charset *c, struct str s, struct buf *out)
{
    while (c->iconv_name == NULL && s.len > 0) {
        c->in[c->in_len++] = s.ptr[0];
        s = str_tail(s, 1);
        if (c->in_len == 2) {
            bool mark_le = c->in[0] == (char)0xff && c->in[1] == (char)0xfe;
            bool latin_le = c->in[0] != '\0' && c->in[1] == '\0';
            c->iconv_name = mark_le || latin_le ? "UTF-16LE" : "UTF-16BE";
        }
    }
    return c->iconv_name == NULL || iconv_feed(c, s, out);
}

static bool guess_feed(struct mime_charset *c, struct str s)
{
    size_t room = c->held.max_bytes - c->held.len;
    if (s.len > room) {
        s.len = room;
        c->truncated = true;
    }
    return buf_put(&c->held, s.ptr, s.len) && !c->truncated;
}

static bool guess_end(struct mime_charset *c, struct buf *out)
{
    struct str text = buf_str(&c->held);
    struct str rest = text;
    size_t n = 0;
    while ((n = utf8_sequence_len(rest)) > 0) {
        rest = str_tail(rest, n);
    }
    /* A cut through the last character is not the text's fault. */
    if (rest.len == 0) {
        return utf8_feed(c, text, out);
    }
    if (is_prefix(rest) && (c->truncated || c->cut)) {
        return utf8_feed(c, str_from(text.ptr, text.len - rest.len), out);
    }
    return windows_1252_feed(c, text, out);
}

/* --- the object --- */

struct mime_charset *charset_new_row(size_t row, size_t max_bytes)
{
    CHECK(row < ARRAY_LEN(rows));
    struct mime_charset *c = MEM_NEW(struct mime_charset);
    c->magic = CHARSET_MAGIC;
    c->kind = rows[row].kind;
    c->iconv_name = rows[row].iconv_name;
    c->cd = (iconv_t)-1;
    c->max_bytes = max_bytes < SIZE_MAX / 4 ? max_bytes : SIZE_MAX / 4;
    bool wide16 =
        row_of_kind(CHARSET_UTF16) <= row && row <= row_of_kind(CHARSET_UTF16) + 2;
    bool wide32 = c->iconv_name != NULL && strncmp(c->iconv_name, "UTF-32", 6) == 0;
    c->unit = wide16 ? 2 : wide32 ? 4 : 1;
    c->by_bytes = c->iconv_name != NULL && (strcmp(c->iconv_name, "UTF-7") == 0 ||
                                            strncmp(c->iconv_name, "ISO-2022", 8) == 0);
    buf_init(&c->held, c->max_bytes);
    return c;
}

struct mime_charset *mime_charset_new(struct str name, size_t max_bytes)
{
    return charset_new_row(charset_row(name), max_bytes);
}

void mime_charset_free(struct mime_charset **c)
{
    if (*c == NULL) {
        return;
    }
    CHECK_MAGIC(*c, CHARSET_MAGIC);
    if ((*c)->cd != (iconv_t)-1) {
        iconv_close((*c)->cd);
    }
    buf_fini(&(*c)->held);
    (*c)->magic = 0;
    mem_free(*c);
    *c = NULL;
}

void charset_restart(struct mime_charset *c)
{
    CHECK_MAGIC(c, CHARSET_MAGIC);
    if (c->kind == CHARSET_UTF16) {
        if (c->cd != (iconv_t)-1) {
            iconv_close(c->cd);
            c->cd = (iconv_t)-1;
        }
        c->iconv_name = NULL;
    } else if (c->cd != (iconv_t)-1) {
        (void)iconv(c->cd, NULL, NULL, NULL, NULL);
    }
    c->produced = 0;
    c->started = c->truncated = c->cut = c->closed = false;
    c->in_len = c->tail_len = 0;
    buf_clear(&c->held);
}

bool mime_charset_feed(struct mime_charset *c, const void *data, size_t len,
                       struct buf *out)
{
    CHECK_MAGIC(c, CHARSET_MAGIC);
    struct str s = str_from(data, len);
    if (c->closed) {
        c->truncated = c->truncated || len > 0;
        return false;
    }
    switch (c->kind) {
    case CHARSET_GUESS:
        return guess_feed(c, s);
    case CHARSET_UTF8:
        return utf8_feed(c, s, out);
    case CHARSET_1252:
        return windows_1252_feed(c, s, out);
    case CHARSET_UTF16:
        return utf16_feed(c, s, out);
    case CHARSET_ICONV:
        return iconv_feed(c, s, out);
    }
    return false;
}

bool mime_charset_end(struct mime_charset *c, struct buf *out)
{
    CHECK_MAGIC(c, CHARSET_MAGIC);
    if (c->closed) {
        return !out->overflow;
    }
    bool ok = true;
    if (c->kind == CHARSET_GUESS) {
        ok = guess_end(c, out);
    } else if (c->kind == CHARSET_ICONV || c->kind == CHARSET_UTF16) {
        ok = iconv_end(c, out);
    }
    if (ok) {
        utf8_end(c, out);
    }
    return !out->overflow;
}

void mime_charset_cut(struct mime_charset *c)
{
    CHECK_MAGIC(c, CHARSET_MAGIC);
    c->cut = true;
}

bool mime_charset_is_truncated(const struct mime_charset *c)
{
    return c->truncated;
}
