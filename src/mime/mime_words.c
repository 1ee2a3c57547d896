/* Encoded words in headers (RFC 2047), as found rather than as allowed:
 *
 *   word = "=?" charset ["*" language] "?" ("B" | "Q") "?" text "?="
 *
 * anywhere in the text, of any length, spaces in Q text included. White space between two
 * words goes; the bytes of neighbours of one character set are joined before they are
 * converted. GMime's decoder is not used: it loses what follows base64 padding. */
#include "charset.h"

#include "postrider/base/utf8.h"

enum {
    CHARSET_NAME_MAX = 64
};

struct word {
    struct str charset;
    char encoding; /* 'b' or 'q' */
    struct str text;
    size_t end; /* position after it */
};

struct scan {
    struct words *w;
    struct buf *out;
    struct str raw;
    size_t closing; /* where a "?=" was found last: keeps the search linear */
};

void words_init(struct words *w)
{
    *w = (struct words){.run = BUF_INIT(SIZE_MAX / 4), .text = BUF_INIT(SIZE_MAX / 4)};
}

void words_fini(struct words *w)
{
    for (size_t i = 0; i < ARRAY_LEN(w->converters); i++) {
        mime_charset_free(&w->converters[i]);
    }
    buf_fini(&w->run);
    buf_fini(&w->text);
}

/* Decoded text stays one line: controls become spaces. (NUL is gone already.) */
static bool put_line(struct buf *out, struct str text)
{
    size_t at = 0;
    while (at < text.len) {
        size_t n = at;
        while (n < text.len && (unsigned char)text.ptr[n] >= 0x20 &&
               text.ptr[n] != 0x7f) {
            n++;
        }
        buf_put(out, text.ptr + at, n - at);
        if (n < text.len) {
            buf_put_byte(out, ' ');
            n++;
        }
        at = n;
    }
    return !out->overflow;
}

bool words_convert(struct words *w, struct buf *out, struct str bytes, struct str charset)
{
    size_t row = charset_row(charset);
    if (w->converters[row] == NULL) {
        w->converters[row] = charset_new_row(row, SIZE_MAX / 4);
    }
    struct mime_charset *c = w->converters[row];
    charset_restart(c);
    buf_clear(&w->text);
    mime_charset_feed(c, bytes.ptr, bytes.len, &w->text);
    mime_charset_end(c, &w->text);
    return put_line(out, buf_str(&w->text));
}

/* Text outside of encoded words: folds become one space, 8-bit text is guessed. */
static void put_plain(struct scan *s, size_t from, size_t to)
{
    struct buf *run = &s->w->run;
    buf_clear(run);
    for (size_t i = from; i < to; i++) {
        char c = s->raw.ptr[i];
        if (c != '\r' && c != '\n') {
            buf_put_byte(run, c);
            continue;
        }
        while (i + 1 < to && ascii_is_space(s->raw.ptr[i + 1])) {
            i++;
        }
        buf_put_byte(run, ' ');
    }
    words_convert(s->w, s->out, buf_str(run), STR_NULL);
    buf_clear(run);
}

static bool find_closing(struct scan *s, size_t from)
{
    if (s->closing == SIZE_MAX) {
        return false;
    }
    if (s->closing < from) {
        const char *hit = memmem(s->raw.ptr + from, s->raw.len - from, "?=", 2);
        s->closing = hit != NULL ? (size_t)(hit - s->raw.ptr) : SIZE_MAX;
    }
    return s->closing != SIZE_MAX;
}

/* Is there an encoded word at `at`? */
static bool word_parse(struct scan *s, size_t at, struct word *out)
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
    if (inside.len > 0 && memmem(inside.ptr, inside.len, "=?", 2) != NULL) {
        return false;
    }
    struct str charset = str_from(rest.ptr + 2, n - 2);
    size_t star = str_find_byte(charset, '*');
    charset.len = star != SIZE_MAX ? star : charset.len;
    *out = (struct word){
        .charset = charset, .encoding = encoding, .text = inside, .end = s->closing + 2};
    return true;
}

static void word_bytes(struct buf *run, const struct word *word)
{
    if (word->encoding == 'b') {
        struct mime_decoder *d = mime_decoder_new(STR("base64"));
        mime_decoder_feed(d, word->text.ptr, word->text.len, run);
        mime_decoder_end(d, run);
        mime_decoder_free(&d);
        return;
    }
    for (size_t i = 0; i < word->text.len; i++) {
        const char *p = word->text.ptr + i;
        if (*p == '=' && i + 2 < word->text.len && mime_hex_value(p[1]) >= 0 &&
            mime_hex_value(p[2]) >= 0) {
            buf_put_byte(run, (char)(mime_hex_value(p[1]) << 4 | mime_hex_value(p[2])));
            i += 2;
        } else {
            buf_put_byte(run, *p == '_' ? ' ' : *p);
        }
    }
}

/* Is there a word at `at`, white space aside? */
static bool next_word(struct scan *s, size_t at, struct word *word)
{
    while (at < s->raw.len && ascii_is_space(s->raw.ptr[at])) {
        at++;
    }
    return word_parse(s, at, word);
}

/* Decodes the words that follow each other; returns the position after the last. */
static size_t put_words(struct scan *s, struct word word)
{
    bool more = true;
    size_t end = word.end;
    while (more) {
        struct str charset = word.charset;
        buf_clear(&s->w->run);
        do {
            word_bytes(&s->w->run, &word);
            end = word.end;
            more = next_word(s, end, &word);
        } while (more && str_ieq(word.charset, charset));
        words_convert(s->w, s->out, buf_str(&s->w->run), charset);
    }
    return end;
}

bool words_decode(struct words *w, struct buf *out, struct str raw)
{
    struct scan s = {.w = w, .out = out, .raw = raw};
    size_t plain = 0;
    size_t at = 0;
    while (at < raw.len) {
        const char *hit = memmem(raw.ptr + at, raw.len - at, "=?", 2);
        struct word word;
        if (hit == NULL) {
            break;
        }
        at = (size_t)(hit - raw.ptr);
        if (!word_parse(&s, at, &word)) {
            at++;
            continue;
        }
        put_plain(&s, plain, at);
        at = put_words(&s, word);
        plain = at;
    }
    put_plain(&s, plain, raw.len);
    return !out->overflow;
}

bool mime_decode_words(struct buf *out, struct str raw)
{
    struct words w;
    words_init(&w);
    bool ok = words_decode(&w, out, raw);
    words_fini(&w);
    return ok;
}
