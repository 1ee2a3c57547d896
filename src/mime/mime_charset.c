/* Conversion to UTF-8 by GMime's converters. Names are looked up in a fixed table and never
 * reach them as they came: the C library remembers each unknown name it was asked for, some
 * of its rarer modules have aborted or looped on crafted text, and "//" suffixes change
 * meaning. GMime's own loops leave bytes out that do not decode, or write "?" for them. */
#include "mime_priv.h"

#include "postrider/base/utf8.h"

#include <errno.h>

enum {
    NAME_MAX_BYTES = 64,
    SEQUENCE_MAX = 16, /* longest sequence of bytes of any table row */
    BLOCK_BYTES = 4096
};

static const char utf_8[] = "UTF-8";
static const char utf_16[] =
    "UTF-16"; /* byte order from the mark or the first character */
static const char windows_1252[] = "CP1252";

/* One row per set; `labels` are in lower case without punctuation, separated by spaces.
 * ISO sets that have a Windows superset in use are read as that (as browsers do). */
static const struct charset_row {
    const char *name;
    const char *labels;
} rows[] = {
    {NULL, "usascii ascii ansix341968 iso646us unknown unknown8bit "
           "xunknown 8bit 7bit binary default none"},
    {utf_8, "utf8 unicode11utf8 utf8mb4 cp65001 unicode20utf8"},
    {windows_1252,
     "windows1252 cp1252 xcp1252 ansi1252 iso88591 iso885911987 latin1 l1 isoir100 "
     "ibm819 cp819 88591 xansi"},
    {utf_16, "utf16 ucs2 iso10646ucs2 unicode csunicode"},
    {"UTF-16LE", "utf16le unicodefffe ucs2le"},
    {"UTF-16BE", "utf16be unicodefeff ucs2be"},
    {"UTF-32LE", "utf32le ucs4le"},
    {"UTF-32BE", "utf32be utf32 ucs4 ucs4be iso10646ucs4"},
    {"UTF-7", "utf7 unicode11utf7 unicode20utf7 cp65000"},
    {"CP1250", "windows1250 cp1250 xcp1250"},
    {"CP1251", "windows1251 cp1251 xcp1251 win1251"},
    {"CP1253", "windows1253 cp1253"},
    {"CP1254", "windows1254 cp1254 iso88599 latin5 l5 iso885991989"},
    {"CP1255", "windows1255 cp1255"},
    {"CP1256", "windows1256 cp1256"},
    {"CP1257", "windows1257 cp1257"},
    {"CP1258", "windows1258 cp1258"},
    {"CP874", "windows874 cp874 tis620 iso885911 tis6200 dos874"},
    {"ISO-8859-2", "iso88592 latin2 l2 88592 iso885921987"},
    {"ISO-8859-3", "iso88593 latin3 l3"},
    {"ISO-8859-4", "iso88594 latin4 l4"},
    {"ISO-8859-5", "iso88595 cyrillic"},
    {"ISO-8859-6", "iso88596 iso88596i iso88596e arabic"},
    {"ISO-8859-7", "iso88597 greek"},
    {"ISO-8859-8", "iso88598 iso88598i iso88598e logical hebrew"},
    {"ISO-8859-10", "iso885910 latin6 l6"},
    {"ISO-8859-13", "iso885913 latin7"},
    {"ISO-8859-14", "iso885914 latin8"},
    {"ISO-8859-15", "iso885915 latin9 l9 88591515"},
    {"ISO-8859-16", "iso885916 latin10"},
    {"KOI8-R", "koi8r koi8 koi cskoi8r"},
    {"KOI8-U", "koi8u koi8ru"},
    {"IBM866", "ibm866 cp866 866"},
    {"IBM437", "ibm437 cp437 437"},
    {"IBM850", "ibm850 cp850 850"},
    {"IBM852", "ibm852 cp852 852"},
    {"IBM855", "ibm855 cp855"},
    {"IBM857", "ibm857 cp857"},
    {"IBM862", "ibm862 cp862 dos862"},
    {"MACINTOSH", "macintosh mac macroman xmacroman"},
    {"MAC-CYRILLIC", "maccyrillic xmaccyrillic xmacukrainian"},
    {"GB18030", "gb18030 gb2312 gbk cp936 windows936 ms936 xgbk euccn gb231280 csgb2312 "
                "chinese"},
    {"BIG5-HKSCS", "big5 big5hkscs cp950 xxbig5 cnbig5 csbig5 ms950"},
    {"EUC-TW", "euctw"},
    {"CP932", "shiftjis sjis cp932 windows31j mskanji xsjis csshiftjis ms932 windows932"},
    {"EUC-JP", "eucjp xeucjp xeuc ujis"},
    {"ISO-2022-JP-2", "iso2022jp iso2022jp1 iso2022jp2 csiso2022jp jis"},
    {"CP949",
     "euckr ksc56011987 ksc5601 ksc56011989 cp949 uhc windows949 korean xwindows949 "
     "csksc56011987 cseuckr"},
    {"ISO-2022-KR", "iso2022kr csiso2022kr"},
    {"VISCII", "viscii"},
    {"TCVN", "tcvn tcvn5712"},
};

/* Lower case letters and digits of the label; 0 if it has none or is too long. */
static size_t label_normalize(struct str label, char out[NAME_MAX_BYTES])
{
    size_t n = 0;
    for (size_t i = 0; i < label.len; i++) {
        char c = ascii_lower(label.ptr[i]);
        if (ascii_is_digit(c) || (c >= 'a' && c <= 'z')) {
            if (n == NAME_MAX_BYTES) {
                return 0;
            }
            out[n++] = c;
        }
    }
    return n;
}

const char *mime_charset_name(struct str label)
{
    char normal[NAME_MAX_BYTES];
    struct str wanted = str_from(normal, label_normalize(label, normal));
    if (str_trim(label).len == 0) {
        return NULL;
    }
    for (size_t row = 0; wanted.len > 0 && row < ARRAY_LEN(rows); row++) {
        struct str rest = str_of(rows[row].labels);
        struct str piece;
        while (str_split(&rest, ' ', &piece)) {
            if (str_eq(piece, wanted)) {
                return rows[row].name;
            }
        }
    }
    return windows_1252;
}

/* --- the way out: UTF-8 repaired, without NUL and mark, within its limit --- */

struct sink {
    struct buf *out;
    size_t room;
    bool started; /* the place of a byte order mark has passed */
    bool truncated;
};

static bool sink_put(struct sink *s, struct str run)
{
    s->truncated = run.len > s->room;
    run = utf8_clip(run, s->room);
    s->room -= run.len;
    return buf_put(s->out, run.ptr, run.len) && !s->truncated;
}

static bool put_replacement(struct sink *s)
{
    return sink_put(s, STR("\xef\xbf\xbd"));
}

static bool put_utf8(struct sink *s, struct str text)
{
    if (!s->started && str_has_prefix(text, "\xef\xbb\xbf")) {
        text = str_tail(text, 3);
    }
    s->started = s->started || text.len > 0;
    while (text.len > 0) {
        size_t n = 0;
        size_t good = 0;
        while (good < text.len && text.ptr[good] != '\0' &&
               (n = utf8_sequence_len(str_tail(text, good))) > 0) {
            good += n;
        }
        if (!sink_put(s, str_from(text.ptr, good))) {
            return false;
        }
        bool bad = good < text.len && text.ptr[good] != '\0';
        if (bad && !put_replacement(s)) {
            return false;
        }
        text = str_tail(text, good + 1);
    }
    return true;
}

/* --- the way in --- */

/* Bytes to leave out after the converter stopped in front of them, or 0. */
static size_t bad_len(int why, bool stuck, size_t left, const char *name)
{
    if (why == EINVAL && left <= SEQUENCE_MAX) {
        return left; /* a character cut by the end of the text */
    }
    bool wide16 = strncmp(name, utf_16, sizeof utf_16 - 1) == 0;
    bool wide32 = strncmp(name, "UTF-32", 6) == 0;
    size_t unit = wide16 ? 2 : wide32 ? 4 : 1;
    unit = unit < left ? unit : left;
    return why == EILSEQ || why == EINVAL || stuck ? unit : 0;
}

static void put_converted(struct sink *s, struct str text, const char *name, bool cut)
{
    iconv_t cd = g_mime_iconv_open(utf_8, name);
    if (cd == (iconv_t)-1) {
        /* The system lacks the module: what is ASCII can be read. */
        (void)put_utf8(s, text);
        return;
    }
    struct buf copy = BUF_INIT(MIME_ANY_SIZE); /* iconv wants text it could write to */
    buf_put_str(&copy, text);
    char block[BLOCK_BYTES];
    char *from = copy.bytes;
    size_t left = copy.len;
    bool ok = true;
    while (ok && left > 0) {
        char *to = block;
        size_t room = sizeof block;
        size_t before = left;
        bool failed = g_mime_iconv(cd, &from, &left, &to, &room) == (size_t)-1;
        int why = failed ? errno : 0;
        ok = put_utf8(s, str_from(block, sizeof block - room));
        if (why == EINVAL && cut) {
            break;
        }
        bool stuck = left == before && room == sizeof block;
        size_t skip = left > 0 ? bad_len(why, stuck, left, name) : 0;
        from += skip;
        left -= skip;
        ok = ok && (skip == 0 || put_replacement(s));
    }
    char *to = block;
    size_t room = sizeof block;
    /* Some sets hold a base character back, waiting for a combining one. */
    (void)g_mime_iconv(cd, NULL, NULL, &to, &room);
    if (ok) {
        (void)put_utf8(s, str_from(block, sizeof block - room));
    }
    buf_fini(&copy);
    g_mime_iconv_close(cd);
}

/* RFC 2781 asks for big-endian without a mark; Latin text tells better. */
static const char *utf16_name(struct str text)
{
    bool mark = str_has_prefix(text, "\xff\xfe");
    bool latin = text.len >= 2 && text.ptr[0] != '\0' && text.ptr[1] == '\0';
    return mark || latin ? "UTF-16LE" : "UTF-16BE";
}

/* Without a UTF-8 character whose end is not there yet. */
static struct str without_open_end(struct str text)
{
    size_t at = text.len;
    while (at > 0 && text.len - at < 3 &&
           ((unsigned char)text.ptr[at - 1] & 0xc0) == 0x80) {
        at--;
    }
    unsigned char lead = at > 0 ? (unsigned char)text.ptr[at - 1] : 0;
    size_t need = lead > 0xf4    ? 0
                  : lead >= 0xf0 ? 4
                  : lead >= 0xe0 ? 3
                  : lead >= 0xc2 ? 2
                                 : 0;
    return need > text.len - at + 1 ? str_from(text.ptr, at - 1) : text;
}

bool mime_charset_put(struct buf *out, struct str text, const struct mime_text *how)
{
    struct sink s = {.out = out, .room = how->max_bytes};
    const char *name = mime_charset_name(how->charset);
    struct str whole = how->input_cut ? without_open_end(text) : text;
    if (name == NULL) {
        name = utf8_is_valid(whole) ? utf_8 : windows_1252;
    }
    if (name == utf_8) {
        (void)put_utf8(&s, whole);
    } else {
        put_converted(&s, text, name == utf_16 ? utf16_name(text) : name, how->input_cut);
    }
    return !s.truncated;
}

bool mime_text_decode(struct buf *out, struct str body, const struct mime_text *how,
                      bool *has_more_out)
{
    struct mime_decoder *decoder = mime_decoder_new(how->encoding);
    struct buf text = BUF_INIT(MIME_ANY_SIZE);
    mime_decoder_feed(decoder, body.ptr, body.len, &text);
    if (!how->input_cut) {
        mime_decoder_end(decoder, &text);
    }
    bool all = mime_charset_put(out, buf_str(&text), how);
    *has_more_out = how->input_cut || !all;
    buf_fini(&text);
    mime_decoder_free(&decoder);
    return !out->overflow;
}
