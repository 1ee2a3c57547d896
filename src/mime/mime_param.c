/* Parameter values: RFC 2231 in its three forms, RFC 2047 words where they should not be.
 *
 *   name* = charset'language'percent-text
 *   name*0 name*1* …  the same in pieces; a star at the end marks percent-text
 */
#include "charset.h"

#include "postrider/base/num.h"

struct pieces {
    struct str text[MIME_PARAMS_MAX];
    bool encoded[MIME_PARAMS_MAX];
};

static void put_percent(struct buf *out, struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        const char *p = text.ptr + i;
        if (*p == '%' && i + 2 < text.len && mime_hex_value(p[1]) >= 0 &&
            mime_hex_value(p[2]) >= 0) {
            buf_put_byte(out, (char)(mime_hex_value(p[1]) << 4 | mime_hex_value(p[2])));
            i += 2;
        } else {
            buf_put_byte(out, *p);
        }
    }
}

/* Cuts charset'language' off the front; absent when it is not there. */
static struct str charset_cut(struct str *text)
{
    size_t first = str_find_byte(*text, '\'');
    size_t second =
        first != SIZE_MAX ? str_find_byte(str_tail(*text, first + 1), '\'') : SIZE_MAX;
    if (second == SIZE_MAX) {
        return STR_NULL;
    }
    struct str charset = str_from(text->ptr, first);
    *text = str_tail(*text, first + 1 + second + 1);
    return charset;
}

static bool find_exact(const struct mime_param *params, size_t count, const char *name,
                       const char *suffix, struct str *value_out)
{
    size_t len = strlen(name);
    for (size_t i = 0; i < count; i++) {
        struct str p = params[i].name;
        if (str_has_iprefix(p, name) && str_eq_c(str_tail(p, len), suffix)) {
            *value_out = params[i].value;
            return true;
        }
    }
    return false;
}

/* Sorts the pieces by number; returns how many follow each other from *first_out on,
 * which is 0, or 1 for senders that count so. */
static size_t collect(const struct mime_param *params, size_t count, const char *name,
                      struct pieces *pieces, size_t *first_out)
{
    for (size_t i = 0; i < count; i++) {
        struct str number = params[i].name;
        uint64_t index = 0;
        if (!str_has_iprefix(number, name)) {
            continue;
        }
        number = str_tail(number, strlen(name));
        if (!str_has_prefix(number, "*")) {
            continue;
        }
        number = str_tail(number, 1);
        bool encoded = str_has_suffix(number, "*");
        number.len -= encoded ? 1 : 0;
        if (num_u64(number, MIME_PARAMS_MAX - 1, &index) &&
            pieces->text[index].ptr == NULL && params[i].value.ptr != NULL) {
            pieces->text[index] = params[i].value;
            pieces->encoded[index] = encoded;
        }
    }
    size_t first = pieces->text[0].ptr != NULL ? 0 : 1;
    size_t n = 0;
    while (first + n < MIME_PARAMS_MAX && pieces->text[first + n].ptr != NULL) {
        n++;
    }
    *first_out = first;
    return n;
}

/* Value in pieces, or of the starred form, converted to *out. */
static bool decode_extended(struct words *w, struct buf *out, struct buf *bytes,
                            const struct pieces *pieces, size_t first, size_t n)
{
    struct str charset = STR_NULL;
    bool any_encoded = false;
    for (size_t i = first; i < first + n; i++) {
        struct str text = pieces->text[i];
        if (i == first && pieces->encoded[i]) {
            charset = charset_cut(&text);
        }
        if (pieces->encoded[i]) {
            any_encoded = true;
            put_percent(bytes, text);
        } else {
            buf_put_str(bytes, text);
        }
    }
    /* Encoded words were cut into pieces by some senders. */
    return any_encoded ? words_convert(w, out, buf_str(bytes), charset)
                       : words_decode(w, out, buf_str(bytes));
}

static bool decode_value(struct words *w, struct buf *out, struct buf *bytes,
                         const struct mime_param *params, size_t count, const char *name)
{
    struct pieces pieces = {0};
    struct str value = STR_NULL;
    if (find_exact(params, count, name, "*", &value) && value.ptr != NULL) {
        pieces.text[0] = value;
        pieces.encoded[0] = true;
        return decode_extended(w, out, bytes, &pieces, 0, 1);
    }
    size_t first = 0;
    size_t n = collect(params, count, name, &pieces, &first);
    if (n > 0) {
        return decode_extended(w, out, bytes, &pieces, first, n);
    }
    return find_exact(params, count, name, "", &value) && value.ptr != NULL &&
           words_decode(w, out, value);
}

bool mime_decode_param(struct buf *out, const struct mime_param *params, size_t count,
                       const char *name)
{
    count = count < MIME_PARAMS_MAX ? count : MIME_PARAMS_MAX;
    struct words w;
    words_init(&w);
    struct buf bytes = BUF_INIT(SIZE_MAX / 4);
    struct buf text = BUF_INIT(SIZE_MAX / 4);
    bool found = decode_value(&w, &text, &bytes, params, count, name);
    struct str value = buf_str(&text);
    if (found && value.len > MIME_FILENAME_MAX) {
        value.len = MIME_FILENAME_MAX;
        while (value.len > 0 && ((unsigned char)value.ptr[value.len] & 0xc0) == 0x80) {
            value.len--;
        }
    }
    found = found && buf_put_str(out, value);
    words_fini(&w);
    buf_fini(&bytes);
    buf_fini(&text);
    return found;
}
