#include "html_token.h"

static bool is_letter(char c)
{
    char lower = ascii_lower(c);
    return lower >= 'a' && lower <= 'z';
}

static bool ends_name(char c)
{
    return ascii_is_space(c) || c == '/' || c == '>';
}

/* --- attributes --- */

static size_t attr_value(struct str s, size_t at, struct str *out)
{
    while (at < s.len && ascii_is_space(s.ptr[at])) {
        at++;
    }
    if (at < s.len && (s.ptr[at] == '"' || s.ptr[at] == '\'')) {
        char quote = s.ptr[at++];
        size_t n = str_find_byte(str_tail(s, at), quote);
        size_t len = n != SIZE_MAX ? n : s.len - at;
        *out = str_from(s.ptr + at, len);
        return n != SIZE_MAX ? at + len + 1 : s.len;
    }
    size_t start = at;
    while (at < s.len && !ascii_is_space(s.ptr[at]) && s.ptr[at] != '>') {
        at++;
    }
    *out = str_from(s.ptr + start, at - start);
    return at;
}

/* Reads at most one attribute from `at`; returns where it ends: at '>' or at the end of s
 * when there are no more. */
static size_t attr_scan(struct str s, size_t at, struct html_attr *out)
{
    *out = (struct html_attr){.name = STR_NULL, .value = STR("")};
    while (at < s.len && (ascii_is_space(s.ptr[at]) || s.ptr[at] == '/')) {
        at++;
    }
    size_t start = at;
    if (at < s.len && s.ptr[at] == '=') {
        at++; /* a name may begin with it */
    }
    while (at < s.len && !ends_name(s.ptr[at]) && s.ptr[at] != '=') {
        at++;
    }
    if (at == start) {
        return at;
    }
    out->name = str_from(s.ptr + start, at - start);
    size_t next = at;
    while (next < s.len && ascii_is_space(s.ptr[next])) {
        next++;
    }
    if (next < s.len && s.ptr[next] == '=') {
        return attr_value(s, next + 1, &out->value);
    }
    return at;
}

bool html_attr_next(struct str *rest, struct html_attr *out)
{
    size_t at = attr_scan(*rest, 0, out);
    *rest = str_tail(*rest, at);
    return out->name.ptr != NULL;
}

/* --- tags --- */

/* at: behind "<" or "</". A tag that the document does not finish is no tag. */
static bool scan_tag(struct html_tokenizer *t, size_t at, struct html_token *out)
{
    struct str in = t->in;
    size_t start = at;
    while (at < in.len && !ends_name(in.ptr[at])) {
        at++;
    }
    size_t len = at - start;
    memset(out->name, 0, sizeof out->name);
    for (size_t i = 0; len < sizeof out->name && i < len; i++) {
        out->name[i] = ascii_lower(in.ptr[start + i]);
    }
    size_t attrs = at;
    struct html_attr attr;
    do {
        at = attr_scan(in, at, &attr);
    } while (attr.name.ptr != NULL);
    if (at >= in.len) {
        t->at = in.len;
        return false;
    }
    out->attrs = str_from(in.ptr + attrs, at - attrs);
    t->at = at + 1;
    return true;
}

static size_t skip_to(struct str in, size_t at, char end)
{
    size_t n = str_find_byte(str_tail(in, at), end);
    return n != SIZE_MAX ? at + n + 1 : in.len;
}

/* at: behind the opening two hyphens. "-->" and "--!>" end a comment, ">" and "->" one
 * that has just begun. */
static size_t skip_comment(struct str in, size_t at)
{
    struct str rest = str_tail(in, at);
    if (str_has_prefix(rest, ">")) {
        return at + 1;
    }
    if (str_has_prefix(rest, "->")) {
        return at + 2;
    }
    while (at < in.len) {
        at = skip_to(in, at, '-');
        rest = str_tail(in, at);
        if (str_has_prefix(rest, "->")) {
            return at + 2;
        }
        if (str_has_prefix(rest, "-!>")) {
            return at + 3;
        }
    }
    return in.len;
}

/* A "<" that begins neither a tag nor something to pass over is text. */
static bool is_markup(struct str in, size_t at)
{
    if (at + 1 >= in.len) {
        return false;
    }
    char next = in.ptr[at + 1];
    return is_letter(next) || next == '!' || next == '?' ||
           (next == '/' && at + 2 < in.len);
}

static bool text_token(struct html_tokenizer *t, struct html_token *out)
{
    size_t start = t->at, at = t->at;
    while (at < t->in.len && !(t->in.ptr[at] == '<' && is_markup(t->in, at))) {
        at++;
    }
    t->at = at;
    *out = (struct html_token){.type = HTML_TOKEN_TEXT,
                               .text = str_from(t->in.ptr + start, at - start)};
    return at > start;
}

bool html_token_next(struct html_tokenizer *t, struct html_token *out)
{
    while (t->at < t->in.len) {
        if (text_token(t, out)) {
            return true;
        }
        struct str rest = str_tail(t->in, t->at);
        if (str_has_prefix(rest, "<!--")) {
            t->at = skip_comment(t->in, t->at + 4);
            continue;
        }
        bool end = rest.ptr[1] == '/';
        if (!is_letter(rest.ptr[end ? 2 : 1])) {
            t->at = skip_to(t->in, t->at, '>');
            continue;
        }
        out->type = end ? HTML_TOKEN_END : HTML_TOKEN_START;
        if (scan_tag(t, t->at + (end ? 2 : 1), out)) {
            return true;
        }
    }
    return false;
}

void html_token_skip_raw(struct html_tokenizer *t, const char *name)
{
    size_t len = strlen(name);
    while (t->at < t->in.len) {
        t->at = skip_to(t->in, t->at, '<');
        struct str rest = str_tail(t->in, t->at);
        if (rest.len > len + 1 && rest.ptr[0] == '/' && ends_name(rest.ptr[len + 1]) &&
            str_ieq_c(str_from(rest.ptr + 1, len), name)) {
            struct html_token end;
            scan_tag(t, t->at + 1, &end);
            return;
        }
    }
}
