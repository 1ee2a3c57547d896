/* Encoded words in headers (RFC 2047), as found rather than as allowed:
 *
 *   word = "=?" charset ["*" language] "?" ("B" | "Q") "?" text "?="
 *
 * anywhere in the text, of any length, spaces in Q text included. White space between two
 * words goes; the bytes of neighbours of one character set are joined before they are
 * converted. GMime decodes the texts of the words but does not find them: of two base64
 * words it loses the second, and words that are never closed cost it quadratic time. */
#include "mime_priv.h"

#include "postrider/base/utf8.h"

enum {
    CHARSET_NAME_MAX = 64
};

size_t mime_pair_find(struct str s, size_t from, const char pair[2])
{
    for (size_t at = from; at + 1 < s.len; at++) {
        const char *hit = memchr(s.ptr + at, pair[0], s.len - 1 - at);
        if (hit == NULL) {
            break;
        }
        at = (size_t)(hit - s.ptr);
        if (hit[1] == pair[1]) {
            return at;
        }
    }
    return SIZE_MAX;
}

/* Text in UTF-8 that needs no repair: no controls, no byte order mark. */
static bool is_clean(struct str bytes)
{
    return !str_has_prefix(bytes, "\xef\xbb\xbf") &&
           utf8_plain_len(bytes, STR("\x7f")) == bytes.len;
}

bool mime_words_convert(struct buf *out, struct str bytes, struct str charset)
{
    if (str_ieq_c(charset, "utf-8") && is_clean(bytes)) {
        return buf_put_str(out, bytes);
    }
    const struct mime_text how = {.charset = charset, .max_bytes = MIME_ANY_SIZE};
    struct buf text = BUF_INIT(MIME_ANY_SIZE);
    (void)mime_charset_put(&text, bytes, &how);
    /* Decoded text stays one line: controls become spaces. (NUL is gone already.) */
    for (size_t i = 0; i < text.len; i++) {
        bool control = (unsigned char)text.bytes[i] < 0x20 || text.bytes[i] == 0x7f;
        text.bytes[i] = control ? ' ' : text.bytes[i];
    }
    bool ok = buf_put(out, text.bytes, text.len);
    buf_fini(&text);
    return ok;
}

/* Text outside of encoded words: folds become one space, 8-bit text is guessed. */
static void put_plain(struct buf *out, struct str raw)
{
    if (mime_is_printable(raw)) {
        buf_put_str(out, raw);
        return;
    }
    struct buf line = BUF_INIT(MIME_ANY_SIZE);
    for (size_t i = 0; i < raw.len; i++) {
        bool fold = raw.ptr[i] == '\r' || raw.ptr[i] == '\n';
        while (fold && i + 1 < raw.len && ascii_is_space(raw.ptr[i + 1])) {
            i++;
        }
        buf_put_byte(&line, fold ? ' ' : raw.ptr[i]);
    }
    mime_words_convert(out, buf_str(&line), STR_NULL);
    buf_fini(&line);
}

static bool find_closing(struct mime_word_scan *s, size_t from)
{
    if (s->closing < from) {
        s->closing = mime_pair_find(s->raw, from, "?=");
    }
    return s->closing != SIZE_MAX;
}

bool mime_word_at(struct mime_word_scan *s, size_t at, struct mime_word *out)
{
    struct str rest = str_tail(s->raw, at);
    if (!str_has_prefix(rest, "=?")) {
        return false;
    }
    size_t n = 2;
    while (n < rest.len && n < CHARSET_NAME_MAX + 2 && rest.ptr[n] != '?' &&
           !ascii_is_space(rest.ptr[n])) {
        n++;
    }
    if (n + 3 > rest.len || n == 2 || rest.ptr[n] != '?' || rest.ptr[n + 2] != '?') {
        return false;
    }
    char encoding = ascii_lower(rest.ptr[n + 1]);
    size_t text = at + n + 3;
    if ((encoding != 'b' && encoding != 'q') || !find_closing(s, text)) {
        return false;
    }
    struct str inside = str_from(s->raw.ptr + text, s->closing - text);
    /* A word that begins inside means that this one was never closed. */
    if (mime_pair_find(inside, 0, "=?") != SIZE_MAX) {
        return false;
    }
    struct str charset = str_from(rest.ptr + 2, n - 2);
    size_t star = str_find_byte(charset, '*');
    charset.len = star != SIZE_MAX ? star : charset.len;
    *out = (struct mime_word){
        .charset = charset, .encoding = encoding, .text = inside, .end = s->closing + 2};
    return true;
}

/* Decodes the words that follow each other; returns the position after the last. */
static size_t put_words(struct mime_word_scan *s, struct buf *out, struct mime_word word)
{
    struct buf run = BUF_INIT(MIME_ANY_SIZE);
    bool more = true;
    size_t end = word.end;
    while (more) {
        struct str charset = word.charset;
        buf_clear(&run);
        do {
            mime_decode_piece(&run, word.text, word.encoding);
            end = word.end;
            size_t next = end;
            while (next < s->raw.len && ascii_is_space(s->raw.ptr[next])) {
                next++;
            }
            more = mime_word_at(s, next, &word);
        } while (more && str_ieq(word.charset, charset));
        mime_words_convert(out, buf_str(&run), charset);
    }
    buf_fini(&run);
    return end;
}

bool mime_decode_words(struct buf *out, struct str raw)
{
    struct mime_word_scan s = {.raw = raw};
    struct mime_word word;
    size_t plain = 0;
    size_t at = 0;
    while ((at = mime_pair_find(raw, at, "=?")) != SIZE_MAX) {
        if (!mime_word_at(&s, at, &word)) {
            at++;
            continue;
        }
        put_plain(out, str_from(raw.ptr + plain, at - plain));
        at = put_words(&s, out, word);
        plain = at;
    }
    put_plain(out, str_tail(raw, plain));
    return !out->overflow;
}
