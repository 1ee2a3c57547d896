/* imap_cursor: walking tokens and reading their values. */
#include "imap_codec_priv.h"

#include "postrider/base/num.h"

uint32_t imap_cur_count(struct imap_cur cur)
{
    uint32_t n = 0;
    while (imap_cur_next(&cur) != NULL) {
        n++;
    }
    return n;
}

static struct str unescape(const struct imap_doc *doc, struct str raw)
{
    char *out = arena_alloc(doc->arena, raw.len);
    size_t n = 0;
    for (size_t i = 0; i < raw.len; i++) {
        bool escape = raw.ptr[i] == '\\' && i + 1 < raw.len &&
                      (raw.ptr[i + 1] == '"' || raw.ptr[i + 1] == '\\');
        i += escape ? 1 : 0;
        out[n++] = raw.ptr[i];
    }
    return str_from(out, n);
}

struct str imap_tok_str(const struct imap_doc *doc, const struct imap_tok *tok)
{
    if (tok == NULL || tok->type == IMAP_TOK_LIST || (tok->flags & IMAP_TOK_STREAMED)) {
        return STR_NULL;
    }
    struct str raw = imap_tok_raw(doc, tok);
    return tok->flags & IMAP_TOK_ESCAPED ? unescape(doc, raw) : raw;
}

struct str imap_tok_lower(const struct imap_doc *doc, const struct imap_tok *tok)
{
    struct str s = imap_tok_nstring(doc, tok);
    size_t i = 0;
    while (i < s.len && (s.ptr[i] < 'A' || s.ptr[i] > 'Z')) {
        i++;
    }
    if (i == s.len) {
        return s;
    }
    char *copy = arena_alloc(doc->arena, s.len);
    for (i = 0; i < s.len; i++) {
        copy[i] = ascii_lower(s.ptr[i]);
    }
    return str_from(copy, s.len);
}

/* "9.3736e+06" of servers that print sizes as floats: a number, but not to be trusted. */
static bool is_float(struct str s)
{
    bool digits = false, mark = false;
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        digits = digits || ascii_is_digit(c);
        mark = mark || c == '.' || ascii_lower(c) == 'e';
        if (!ascii_is_digit(c) && c != '.' && c != '+' && c != '-' &&
            ascii_lower(c) != 'e') {
            return false;
        }
    }
    return digits && mark;
}

static bool is_negative(struct str s)
{
    int64_t v;
    return s.len > 1 && s.ptr[0] == '-' && num_i64(s, &v);
}

enum imap_num imap_tok_num(const struct imap_doc *doc, const struct imap_tok *tok,
                           uint64_t max, uint64_t *out)
{
    struct str s = imap_tok_nstring(doc, tok);
    if (s.ptr == NULL) {
        return imap_tok_is_nil(tok) ? IMAP_NUM_ABSENT : IMAP_NUM_BAD;
    }
    if (num_u64(s, max, out)) {
        return IMAP_NUM_OK;
    }
    return is_negative(s) || is_float(s) ? IMAP_NUM_ABSENT : IMAP_NUM_BAD;
}

uint64_t imap_tok_size(const struct imap_doc *doc, const struct imap_tok *tok)
{
    uint64_t v;
    return imap_tok_num(doc, tok, IMAP_NUM63_MAX, &v) == IMAP_NUM_OK ? v : 0;
}
