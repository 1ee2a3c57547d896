/* Parameter values: RFC 2231 in its three forms, RFC 2047 words where they should not be.
 *
 *   name* = charset'language'percent-text
 *   name*0 name*1* …  the same in pieces; a star at the end marks percent-text
 *
 * GMime decodes the texts. Its parser of parameters is not used: it wants the header that
 * IMAP has cut into parameters already, and takes the character set from the piece that
 * stands first instead of the one with the lowest number. */
#include "mime_priv.h"

#include "postrider/base/num.h"
#include "postrider/base/utf8.h"

enum {
    TEXT_MAX = 16 * MIME_FILENAME_MAX /* of it, more than enough for a value */
};

struct piece {
    struct str text; /* absent until found */
    bool encoded;
};

struct found {
    struct piece plain, star, parts[MIME_PARAMS_MAX];
};

/* Where a parameter belongs by what follows the name, or NULL. */
static struct piece *place(struct found *found, struct str suffix, bool encoded)
{
    uint64_t index = 0;
    if (suffix.len == 0) {
        return &found->plain;
    }
    if (str_eq_c(suffix, "*")) {
        return &found->star;
    }
    struct str number = str_tail(suffix, 1);
    number.len -= encoded ? 1 : 0;
    return suffix.ptr[0] == '*' && num_u64(number, MIME_PARAMS_MAX - 1, &index)
               ? &found->parts[index]
               : NULL;
}

static void collect(struct found *found, const struct mime_param *params, size_t count,
                    const char *name)
{
    for (size_t i = 0; i < count; i++) {
        if (str_has_iprefix(params[i].name, name)) {
            struct str suffix = str_tail(params[i].name, strlen(name));
            bool encoded = str_has_suffix(suffix, "*");
            struct piece *piece = place(found, suffix, encoded);
            if (piece != NULL && piece->text.ptr == NULL) {
                *piece = (struct piece){.text = params[i].value, .encoded = encoded};
            }
        }
    }
}

/* Cuts charset'language' off the front; absent when it is not there. */
static struct str charset_cut(struct str *text)
{
    struct str rest = *text;
    struct str charset = STR_NULL;
    struct str language = STR_NULL;
    str_split(&rest, '\'', &charset);
    str_split(&rest, '\'', &language);
    if (rest.ptr == NULL) {
        return STR_NULL;
    }
    *text = rest;
    return charset;
}

static void decode_run(struct buf *out, const struct piece *run, size_t count)
{
    struct str charset = STR_NULL;
    struct buf bytes = BUF_INIT(MIME_ANY_SIZE);
    bool any_encoded = false;
    for (size_t i = 0; i < count; i++) {
        struct str text = run[i].text;
        size_t room = bytes.len < TEXT_MAX ? TEXT_MAX - bytes.len : 0;
        text.len = text.len < room ? text.len : room;
        if (i == 0 && run[i].encoded) {
            charset = charset_cut(&text);
        }
        if (run[i].encoded) {
            any_encoded = true;
            mime_decode_piece(&bytes, text, '%');
        } else {
            buf_put_str(&bytes, text);
        }
    }
    /* Encoded words were cut into pieces by some senders. */
    if (any_encoded) {
        mime_words_convert(out, buf_str(&bytes), charset);
    } else {
        mime_decode_words(out, buf_str(&bytes));
    }
    buf_fini(&bytes);
}

/* How many parameters begin with the name; *first_out: the first of them. */
static size_t count_named(const struct mime_param *params, size_t count, const char *name,
                          const struct mime_param **first_out)
{
    size_t n = 0;
    for (size_t i = 0; i < count; i++) {
        if (str_has_iprefix(params[i].name, name)) {
            *first_out = n == 0 ? &params[i] : *first_out;
            n++;
        }
    }
    return n;
}

/* What makes up the value: one piece or several; NULL if there is none. */
static const struct piece *find_run(struct found *found, const struct mime_param *params,
                                    size_t count, const char *name, size_t *count_out)
{
    collect(found, params, count < MIME_PARAMS_MAX ? count : MIME_PARAMS_MAX, name);
    /* Some senders count from 1. */
    size_t first = found->parts[0].text.ptr != NULL ? 0 : 1;
    size_t parts = 0;
    while (first + parts < MIME_PARAMS_MAX &&
           found->parts[first + parts].text.ptr != NULL) {
        parts++;
    }
    const struct piece *run = found->star.text.ptr != NULL ? &found->star
                              : parts > 0                  ? &found->parts[first]
                                                           : &found->plain;
    *count_out = run == &found->parts[first] ? parts : 1;
    return run->text.ptr != NULL ? run : NULL;
}

/* The only one of its name and its name's extensions, and it stands for itself. */
static bool is_simple(const struct mime_param *param, size_t named, const char *name)
{
    return named == 1 && str_ieq_c(param->name, name) &&
           param->value.len <= MIME_FILENAME_MAX &&
           bytes_is_plain(param->value, STR("=\x7f"));
}

bool mime_has_param(const struct mime_param *params, size_t count, const char *name)
{
    const struct mime_param *first = NULL;
    size_t pieces, named = count_named(params, count, name, &first);
    if (named == 0 || is_simple(first, named, name)) {
        return named > 0 && first->value.ptr != NULL;
    }
    struct found found = {0};
    return find_run(&found, params, count, name, &pieces) != NULL;
}

bool mime_decode_param(struct buf *out, const struct mime_param *params, size_t count,
                       const char *name)
{
    const struct mime_param *first = NULL;
    size_t pieces, named = count_named(params, count, name, &first);
    if (named == 0) {
        return false;
    }
    if (is_simple(first, named, name)) {
        return first->value.ptr != NULL && buf_put_str(out, first->value);
    }
    struct found found = {0};
    const struct piece *run = find_run(&found, params, count, name, &pieces);
    if (run == NULL) {
        return false;
    }
    struct buf text = BUF_INIT(MIME_ANY_SIZE);
    decode_run(&text, run, pieces);
    bool ok = buf_put_str(out, utf8_clip(buf_str(&text), MIME_FILENAME_MAX));
    buf_fini(&text);
    return ok;
}
