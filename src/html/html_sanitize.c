/* The rewriter: tokens in, allowed elements out, always closed in order.
 *
 *   start tag ─► dropped with its content ─► skip to its end
 *             └► allowed ─► close what it closes ─► name + allowed attributes ─► open[]
 *   end tag   ─► search open[] down to a barrier ─► close all above it
 *   text      ─► decoded, escaped
 *
 * Elements deeper than HTML_DEPTH_MAX lose their tags and keep their text. */
#include "postrider/html/html.h"

#include "html_css.h"
#include "html_entity.h"
#include "html_rules.h"
#include "html_token.h"

#include "postrider/base/attr.h"

#include <stdio.h>

enum {
    ATTR_MAX = 16 * 1024, /* bytes of a value but an embedded image */
    ATTRS_MAX = 40,       /* attributes looked at */
    IMAGE_MAX = 8 * 1024 * 1024
};

static const char fold_open[] = "<details><summary>…</summary>";
static const char fold_close[] = "</details>";

struct open_element {
    const struct html_rule *rule;
    bool folded; /* a <details> of ours is around it */
};

struct sanitizer {
    const struct html_sanitize_params *params;
    struct html_tokenizer tokens;
    struct buf *out;
    struct open_element open[HTML_DEPTH_MAX];
    size_t depth;
    struct buf value, made; /* of the attribute at hand */
};

/* --- URLs --- */

static const char *const link_schemes[] = {"http:", "https:", "mailto:", "tel:"};

static bool is_link(struct str url)
{
    for (size_t i = 0; i < ARRAY_LEN(link_schemes); i++) {
        if (str_has_iprefix(url, link_schemes[i])) {
            return true;
        }
    }
    return false;
}

static bool is_web(struct str url)
{
    return str_has_iprefix(url, "http://") || str_has_iprefix(url, "https://");
}

/* An image inside the URL itself; only kinds that cannot hold a script. */
static bool is_image_data(struct str url)
{
    static const char *const kinds[] = {
        "data:image/png;base64,", "data:image/jpeg;base64,", "data:image/jpg;base64,",
        "data:image/gif;base64,", "data:image/webp;base64,"};
    size_t head = 0;
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        if (str_has_iprefix(url, kinds[i])) {
            head = strlen(kinds[i]);
        }
    }
    for (size_t i = head; i < url.len; i++) {
        char c = url.ptr[i], lower = ascii_lower(c);
        if (!((lower >= 'a' && lower <= 'z') || ascii_is_digit(c) || c == '+' ||
              c == '/' || c == '=')) {
            return false;
        }
    }
    return head > 0;
}

static bool css_may_load(void *ctx, struct str url)
{
    const struct sanitizer *s = ctx;
    return is_image_data(url) || (s->params->remote_images && is_web(url));
}

/* Browsers take tabs and line ends out of a URL and spaces off its ends: so do we. */
static void url_clean(struct buf *url)
{
    struct str s = str_trim(buf_str(url));
    size_t kept = 0;
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        if (c != '\t' && c != '\n' && c != '\r') {
            url->bytes[kept++] = c;
        }
    }
    buf_truncate(url, kept);
}

/* --- attributes --- */

static void put_attr(struct sanitizer *s, const char *name, struct str value)
{
    buf_printf(s->out, " %s=\"", name);
    html_put_escaped(s->out, value);
    buf_put_byte(s->out, '"');
}

static bool is_word_value(struct str v)
{
    for (size_t i = 0; i < v.len; i++) {
        char lower = ascii_lower(v.ptr[i]);
        if (!((lower >= 'a' && lower <= 'z') || ascii_is_digit(lower) || lower == ' ' ||
              strchr("#%.,-+*", lower) != NULL)) {
            return false;
        }
    }
    return v.len > 0 && v.len <= 100;
}

static void put_link(struct sanitizer *s, const char *name)
{
    url_clean(&s->value);
    if (is_link(buf_str(&s->value))) {
        put_attr(s, name, buf_str(&s->value));
        buf_put_c(s->out, " target=\"_blank\" rel=\"noopener noreferrer nofollow\"");
    }
}

static void put_image(struct sanitizer *s, const char *name)
{
    url_clean(&s->value);
    struct str url = buf_str(&s->value);
    if (str_has_iprefix(url, "cid:") && s->params->on_cid != NULL) {
        buf_clear(&s->made);
        bool found = s->params->on_cid(s->params->ctx, str_tail(url, 4), &s->made) &&
                     !s->made.overflow;
        url = found ? buf_str(&s->made) : url;
        if (found && is_web(url)) {
            put_attr(s, name, url); /* the caller's own address of it */
            return;
        }
    }
    if (is_image_data(url) || str_has_iprefix(url, "cid:") ||
        (s->params->remote_images && is_web(url))) {
        put_attr(s, name, url);
    } else if (is_web(url)) {
        put_attr(s, "data-remote-src", url);
    }
}

static void put_style(struct sanitizer *s)
{
    if (s->value.len > HTML_STYLE_MAX) {
        return;
    }
    buf_clear(&s->made);
    html_css_filter(&s->made, buf_str(&s->value), css_may_load, s);
    if (s->made.len > 0) {
        put_attr(s, "style", buf_str(&s->made));
    }
}

static void put_by_kind(struct sanitizer *s, enum html_attr_kind kind, const char *name)
{
    struct str value = str_trim(buf_str(&s->value));
    switch (kind) {
    case HTML_ATTR_TEXT:
        put_attr(s, name, buf_str(&s->value));
        break;
    case HTML_ATTR_WORD:
        if (is_word_value(value)) {
            put_attr(s, name, value);
        }
        break;
    case HTML_ATTR_FLAG:
        put_attr(s, name, STR(""));
        break;
    case HTML_ATTR_LINK:
        put_link(s, name);
        break;
    case HTML_ATTR_IMAGE:
        put_image(s, name);
        break;
    case HTML_ATTR_STYLE:
        put_style(s);
        break;
    case HTML_ATTR_NONE:
        break;
    }
}

static bool attr_name(struct str raw, char name[32])
{
    if (raw.len >= 32) {
        return false;
    }
    for (size_t i = 0; i < raw.len; i++) {
        name[i] = ascii_lower(raw.ptr[i]);
    }
    name[raw.len] = '\0';
    return true;
}

/* A remote image that was put aside before is one again. */
static const char *image_name(const char *element, const char *name)
{
    bool aside = strcmp(name, "data-remote-src") == 0;
    return aside ? (strcmp(element, "img") == 0 ? "src" : "background") : name;
}

static void put_attrs(struct sanitizer *s, const char *element, struct str attrs)
{
    const char *seen[ATTRS_MAX];
    char names[ATTRS_MAX][32];
    size_t count = 0;
    struct html_attr attr;
    while (count < ATTRS_MAX && html_attr_next(&attrs, &attr)) {
        if (!attr_name(attr.name, names[count])) {
            continue;
        }
        const char *name = image_name(element, names[count]);
        enum html_attr_kind kind = html_attr_kind_get(element, name);
        bool repeated = kind == HTML_ATTR_NONE;
        for (size_t i = 0; i < count && !repeated; i++) {
            repeated = strcmp(seen[i], name) == 0;
        }
        size_t max = kind == HTML_ATTR_IMAGE ? IMAGE_MAX : ATTR_MAX;
        if (repeated || attr.value.len > max) {
            continue;
        }
        seen[count++] = name;
        buf_clear(&s->value);
        html_decode(&s->value, attr.value, true);
        put_by_kind(s, kind, name);
    }
}

/* --- elements --- */

static const char *out_name(const struct html_rule *rule)
{
    return rule->as != NULL ? rule->as : rule->name;
}

static void close_top(struct sanitizer *s)
{
    const struct open_element *e = &s->open[--s->depth];
    buf_printf(s->out, "</%s>", out_name(e->rule));
    if (e->folded) {
        buf_put_c(s->out, fold_close);
    }
}

static void close_to(struct sanitizer *s, size_t depth)
{
    while (s->depth > depth) {
        close_top(s);
    }
}

/* Where the innermost open element of the group is, or SIZE_MAX. */
static size_t find_group(const struct sanitizer *s, enum html_group group)
{
    for (size_t i = s->depth; group != HTML_GROUP_NONE && i > 0; i--) {
        const struct html_rule *rule = s->open[i - 1].rule;
        if (rule->group == group) {
            return i - 1;
        }
        if (html_rule_ends_group(rule, group)) {
            break;
        }
    }
    return SIZE_MAX;
}

/* Start tags end elements that cannot hold them (WHATWG HTML §13.2.6.4.7). */
static void close_for(struct sanitizer *s, const struct html_rule *rule)
{
    static const enum html_group inner[HTML_GROUP_COUNT] = {
        [HTML_GROUP_ROW] = HTML_GROUP_CELL, [HTML_GROUP_SECTION] = HTML_GROUP_ROW};
    size_t at =
        (rule->flags & HTML_RULE_BLOCK) != 0 ? find_group(s, HTML_GROUP_P) : SIZE_MAX;
    for (enum html_group g = rule->group; g != HTML_GROUP_NONE; g = inner[g]) {
        size_t found = find_group(s, g);
        at = found < at ? found : at;
    }
    if (at != SIZE_MAX) {
        close_to(s, at);
    }
}

static void start_tag(struct sanitizer *s, const struct html_rule *rule,
                      const struct html_token *token)
{
    close_for(s, rule);
    bool is_void = (rule->flags & HTML_RULE_VOID) != 0;
    if (!is_void && s->depth == HTML_DEPTH_MAX) {
        return;
    }
    bool folded =
        s->params->fold_quotes && (rule->flags & HTML_RULE_QUOTE) != 0 &&
        (s->depth == 0 || strcmp(s->open[s->depth - 1].rule->name, "details") != 0);
    if (folded) {
        buf_put_c(s->out, fold_open);
    }
    buf_printf(s->out, "<%s", out_name(rule));
    put_attrs(s, out_name(rule), token->attrs);
    buf_put_byte(s->out, '>');
    if (!is_void) {
        s->open[s->depth++] = (struct open_element){rule, folded};
    }
}

static void end_tag(struct sanitizer *s, const char *name)
{
    for (size_t i = s->depth; i > 0; i--) {
        const struct html_rule *rule = s->open[i - 1].rule;
        if (strcmp(rule->name, name) == 0) {
            close_to(s, i - 1);
            return;
        }
        /* Inside a cell only the table's own tags reach out of it. */
        const struct html_rule *ending = html_rule_get(name);
        bool of_table = ending->group == HTML_GROUP_ROW ||
                        ending->group == HTML_GROUP_SECTION ||
                        ending->group == HTML_GROUP_CELL || strcmp(name, "table") == 0;
        if ((rule->flags & HTML_RULE_BARRIER) != 0 &&
            (!of_table || strcmp(rule->name, "table") == 0)) {
            return;
        }
    }
}

static void one_token(struct sanitizer *s, const struct html_token *token)
{
    if (token->type == HTML_TOKEN_TEXT) {
        html_put_text(s->out, token->text);
        return;
    }
    const struct html_rule *rule = html_rule_get(token->name);
    if (rule == NULL) {
        return;
    }
    bool start = token->type == HTML_TOKEN_START;
    if ((rule->flags & HTML_RULE_ALLOWED) != 0 && start) {
        start_tag(s, rule, token);
    } else if ((rule->flags & HTML_RULE_ALLOWED) != 0 &&
               (rule->flags & HTML_RULE_VOID) == 0) {
        end_tag(s, token->name);
    } else if (start) {
        html_rule_skip(&s->tokens, rule);
    }
}

bool html_sanitize(struct buf *out, struct str input,
                   const struct html_sanitize_params *params)
{
    struct sanitizer s = {.params = params,
                          .out = out,
                          .value = BUF_INIT(IMAGE_MAX * 2),
                          .made = BUF_INIT(IMAGE_MAX * 2)};
    s.tokens.in =
        str_from(input.ptr, input.len < HTML_INPUT_MAX ? input.len : HTML_INPUT_MAX);
    struct html_token token;
    while (!out->overflow && html_token_next(&s.tokens, &token)) {
        one_token(&s, &token);
    }
    close_to(&s, 0);
    buf_fini(&s.value);
    buf_fini(&s.made);
    return !out->overflow;
}
