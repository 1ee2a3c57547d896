#include "html_css.h"

#include "postrider/base/attr.h"

#include <stdlib.h>

enum {
    VALUE_MAX = 2048,
    PAREN_DEPTH_MAX = 8
};

/* Nothing here can leave the place that the surrounding page gives: no position, no
 * content, no behaviour. By strcmp order. */
static const char *const properties[] = {
    "background",
    "background-color",
    "background-image",
    "background-position",
    "background-repeat",
    "background-size",
    "border",
    "border-bottom",
    "border-bottom-color",
    "border-bottom-left-radius",
    "border-bottom-right-radius",
    "border-bottom-style",
    "border-bottom-width",
    "border-collapse",
    "border-color",
    "border-left",
    "border-left-color",
    "border-left-style",
    "border-left-width",
    "border-radius",
    "border-right",
    "border-right-color",
    "border-right-style",
    "border-right-width",
    "border-spacing",
    "border-style",
    "border-top",
    "border-top-color",
    "border-top-left-radius",
    "border-top-right-radius",
    "border-top-style",
    "border-top-width",
    "border-width",
    "box-sizing",
    "caption-side",
    "clear",
    "color",
    "direction",
    "display",
    "empty-cells",
    "float",
    "font",
    "font-family",
    "font-size",
    "font-style",
    "font-variant",
    "font-weight",
    "height",
    "letter-spacing",
    "line-height",
    "list-style",
    "list-style-image",
    "list-style-position",
    "list-style-type",
    "margin",
    "margin-bottom",
    "margin-left",
    "margin-right",
    "margin-top",
    "max-height",
    "max-width",
    "min-height",
    "min-width",
    "opacity",
    "outline",
    "overflow",
    "overflow-wrap",
    "padding",
    "padding-bottom",
    "padding-left",
    "padding-right",
    "padding-top",
    "table-layout",
    "text-align",
    "text-decoration",
    "text-indent",
    "text-overflow",
    "text-transform",
    "unicode-bidi",
    "vertical-align",
    "visibility",
    "white-space",
    "width",
    "word-break",
    "word-spacing",
    "word-wrap",
};

static const char *const functions[] = {"rgb",  "rgba", "hsl", "hsla",
                                        "calc", "min",  "max", "clamp"};

struct css {
    struct buf *out;
    html_css_url_fn *may_load;
    void *ctx;
    bool no_minus; /* the property could pull content out of its place */
};

static int property_cmp(const void *key, const void *item)
{
    return strcmp(key, *(const char *const *)item);
}

/* Lower case into name; false if the table lacks it. */
static bool property_get(struct str raw, char name[32])
{
    if (raw.len == 0 || raw.len >= 32) {
        return false;
    }
    for (size_t i = 0; i < raw.len; i++) {
        name[i] = ascii_lower(raw.ptr[i]);
    }
    name[raw.len] = '\0';
    return bsearch(name, properties, ARRAY_LEN(properties), sizeof properties[0],
                   property_cmp) != NULL;
}

static bool is_word(char c)
{
    char lower = ascii_lower(c);
    return (lower >= 'a' && lower <= 'z') || ascii_is_digit(c) || c == '-' || c == '_' ||
           c == '.' || c == '%' || c == '#' || (unsigned char)c >= 0x80;
}

static bool function_is_known(struct str name)
{
    for (size_t i = 0; i < ARRAY_LEN(functions); i++) {
        if (str_ieq_c(name, functions[i])) {
            return true;
        }
    }
    return false;
}

/* A quoted string from its quote on; bytes taken, 0 if it is not harmless. */
static size_t put_string(struct css *css, struct str s)
{
    size_t n = str_find_byte(str_tail(s, 1), s.ptr[0]);
    if (n == SIZE_MAX) {
        return 0;
    }
    struct str inside = str_from(s.ptr + 1, n);
    for (size_t i = 0; i < inside.len; i++) {
        char c = inside.ptr[i];
        if (c == '\\' || c == '<' || c == '"' || c == '\n' || c == '\r' || c == '\f') {
            return 0;
        }
    }
    buf_put(css->out, s.ptr, n + 2);
    return n + 2;
}

/* s is behind "url("; bytes taken with the closing parenthesis, 0 if it is malformed. */
static size_t put_url(struct css *css, struct str s)
{
    size_t end = str_find_byte(s, ')');
    if (end == SIZE_MAX) {
        return 0;
    }
    struct str url = str_trim(str_from(s.ptr, end));
    bool quoted = url.len >= 2 && (url.ptr[0] == '"' || url.ptr[0] == '\'') &&
                  url.ptr[url.len - 1] == url.ptr[0];
    url = quoted ? str_from(url.ptr + 1, url.len - 2) : url;
    for (size_t i = 0; i < url.len; i++) {
        if (strchr("\\\"'<>() \t\r\n\f", url.ptr[i]) != NULL) {
            return 0;
        }
    }
    if (css->may_load(css->ctx, url)) {
        buf_put_c(css->out, "url('");
        buf_put_str(css->out, url);
        buf_put_c(css->out, "')");
    } else {
        buf_put_c(css->out, "none");
    }
    return end + 1;
}

/* A word, number or function name; bytes taken, 0 if it is a function not allowed. */
static size_t put_word(struct css *css, struct str s, size_t *depth)
{
    size_t n = 0;
    while (n < s.len && is_word(s.ptr[n])) {
        n++;
    }
    struct str word = str_from(s.ptr, n);
    if (n == s.len || s.ptr[n] != '(') {
        if (css->no_minus && word.ptr[0] == '-') {
            return 0;
        }
        buf_put_str(css->out, word);
        return n;
    }
    if (str_ieq_c(word, "url")) {
        size_t taken = put_url(css, str_tail(s, n + 1));
        return taken > 0 ? n + 1 + taken : 0;
    }
    if (!function_is_known(word) || css->no_minus || ++*depth > PAREN_DEPTH_MAX) {
        return 0;
    }
    buf_put_str(css->out, word);
    buf_put_byte(css->out, '(');
    return n + 1;
}

/* True if the whole value is harmless; then it was appended. */
static bool put_value(struct css *css, struct str s)
{
    size_t depth = 0;
    while (s.len > 0) {
        size_t n = 1;
        char c = s.ptr[0];
        if (c == '"' || c == '\'') {
            n = put_string(css, s);
        } else if (is_word(c)) {
            n = put_word(css, s, &depth);
        } else if (c == ')' && depth > 0) {
            depth--;
            buf_put_byte(css->out, c);
        } else if (strchr(" ,!/*+", c) != NULL && !str_has_prefix(s, "/*") && c != '\0') {
            buf_put_byte(css->out, c);
        } else {
            n = 0;
        }
        if (n == 0) {
            return false;
        }
        s = str_tail(s, n);
    }
    return depth == 0;
}

/* Cuts the next declaration: a ";" in quotes or parentheses does not end it. */
static struct str next_declaration(struct str *rest)
{
    struct str s = *rest;
    size_t at = 0, depth = 0;
    char quote = 0;
    for (; at < s.len; at++) {
        char c = s.ptr[at];
        if (quote != 0) {
            quote = c == quote ? 0 : quote;
        } else if (c == '"' || c == '\'') {
            quote = c;
        } else if (c == '(') {
            depth++;
        } else if (c == ')' && depth > 0) {
            depth--;
        } else if (c == ';' && depth == 0) {
            break;
        }
    }
    *rest = str_tail(s, at + 1);
    return str_from(s.ptr, at);
}

void html_css_filter(struct buf *out, struct str style, html_css_url_fn *may_load,
                     void *ctx)
{
    struct buf value = BUF_INIT(VALUE_MAX * 2);
    struct css css = {&value, may_load, ctx, false};
    bool first = true;
    while (style.len > 0) {
        struct str declaration = next_declaration(&style);
        size_t colon = str_find_byte(declaration, ':');
        char name[32];
        if (colon == SIZE_MAX ||
            !property_get(str_trim(str_from(declaration.ptr, colon)), name)) {
            continue;
        }
        struct str raw = str_trim(str_tail(declaration, colon + 1));
        buf_clear(&value);
        css.no_minus =
            strncmp(name, "margin", 6) == 0 || strcmp(name, "text-indent") == 0;
        if (raw.len == 0 || raw.len > VALUE_MAX || !put_value(&css, raw) ||
            value.overflow) {
            continue;
        }
        buf_printf(out, "%s%s:", first ? "" : ";", name);
        buf_put_str(out, buf_str(&value));
        first = false;
    }
    buf_fini(&value);
}
