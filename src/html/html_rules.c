#include "html_rules.h"

#include "postrider/base/attr.h"

#include <stdlib.h>

#define A HTML_RULE_ALLOWED
#define B (HTML_RULE_ALLOWED | HTML_RULE_BLOCK)
#define V (HTML_RULE_ALLOWED | HTML_RULE_VOID)
#define D HTML_RULE_DROP
#define R HTML_RULE_RAW
#define W HTML_RULE_BARRIER
#define Q HTML_RULE_QUOTE

/* By strcmp order. */
static const struct html_rule rules[] = {
    {"a", NULL, A, HTML_GROUP_ANCHOR},
    {"abbr", NULL, A, 0},
    {"acronym", NULL, A, 0},
    {"address", NULL, B, 0},
    {"applet", NULL, D, 0},
    {"article", NULL, B, 0},
    {"aside", NULL, B, 0},
    {"audio", NULL, D, 0},
    {"b", NULL, A, 0},
    {"bdi", NULL, A, 0},
    {"bdo", NULL, A, 0},
    {"big", NULL, A, 0},
    {"blockquote", NULL, B | Q, 0},
    {"body", "div", B, 0},
    {"br", NULL, V, 0},
    {"button", NULL, D, 0},
    {"canvas", NULL, D, 0},
    {"caption", NULL, A | W, 0},
    {"center", NULL, B, 0},
    {"cite", NULL, A, 0},
    {"code", NULL, A, 0},
    {"col", NULL, V, 0},
    {"colgroup", NULL, A, 0},
    {"dd", NULL, B, HTML_GROUP_TERM},
    {"del", NULL, A, 0},
    {"details", NULL, B, 0},
    {"dfn", NULL, A, 0},
    {"dialog", NULL, D, 0},
    {"dir", NULL, B, 0},
    {"div", NULL, B, 0},
    {"dl", NULL, B, 0},
    {"dt", NULL, B, HTML_GROUP_TERM},
    {"em", NULL, A, 0},
    {"figcaption", NULL, B, 0},
    {"figure", NULL, B, 0},
    {"font", NULL, A, 0},
    {"footer", NULL, B, 0},
    {"frameset", NULL, D, 0},
    {"h1", NULL, B, HTML_GROUP_HEADING},
    {"h2", NULL, B, HTML_GROUP_HEADING},
    {"h3", NULL, B, HTML_GROUP_HEADING},
    {"h4", NULL, B, HTML_GROUP_HEADING},
    {"h5", NULL, B, HTML_GROUP_HEADING},
    {"h6", NULL, B, HTML_GROUP_HEADING},
    {"header", NULL, B, 0},
    {"hr", NULL, V | B, 0},
    {"i", NULL, A, 0},
    {"iframe", NULL, R, 0},
    {"img", NULL, V, 0},
    {"ins", NULL, A, 0},
    {"kbd", NULL, A, 0},
    {"li", NULL, B, HTML_GROUP_ITEM},
    {"main", NULL, B, 0},
    {"map", NULL, D, 0},
    {"mark", NULL, A, 0},
    {"math", NULL, D, 0},
    {"nav", NULL, B, 0},
    {"noembed", NULL, R, 0},
    {"noframes", NULL, R, 0},
    {"noscript", NULL, R, 0},
    {"object", NULL, D, 0},
    {"ol", NULL, B, 0},
    {"p", NULL, B, HTML_GROUP_P},
    {"plaintext", NULL, R, 0},
    {"portal", NULL, D, 0},
    {"pre", NULL, B, 0},
    {"q", NULL, A, 0},
    {"rp", NULL, A, 0},
    {"rt", NULL, A, 0},
    {"ruby", NULL, A, 0},
    {"s", NULL, A, 0},
    {"samp", NULL, A, 0},
    {"script", NULL, R, 0},
    {"section", NULL, B, 0},
    {"select", NULL, D, 0},
    {"small", NULL, A, 0},
    {"span", NULL, A, 0},
    {"strike", NULL, A, 0},
    {"strong", NULL, A, 0},
    {"style", NULL, R, 0},
    {"sub", NULL, A, 0},
    {"summary", NULL, B, 0},
    {"sup", NULL, A, 0},
    {"svg", NULL, D, 0},
    {"table", NULL, B | W, 0},
    {"tbody", NULL, A, HTML_GROUP_SECTION},
    {"td", NULL, A | W, HTML_GROUP_CELL},
    {"template", NULL, D, 0},
    {"textarea", NULL, R, 0},
    {"tfoot", NULL, A, HTML_GROUP_SECTION},
    {"th", NULL, A | W, HTML_GROUP_CELL},
    {"thead", NULL, A, HTML_GROUP_SECTION},
    {"time", NULL, A, 0},
    {"title", NULL, R, 0},
    {"tr", NULL, A, HTML_GROUP_ROW},
    {"tt", NULL, A, 0},
    {"u", NULL, A, 0},
    {"ul", NULL, B, 0},
    {"var", NULL, A, 0},
    {"video", NULL, D, 0},
    {"wbr", NULL, V, 0},
    {"xmp", NULL, R, 0},
};

#undef A
#undef B
#undef V
#undef D
#undef R
#undef W
#undef Q

static int rule_cmp(const void *key, const void *item)
{
    return strcmp(key, ((const struct html_rule *)item)->name);
}

const struct html_rule *html_rule_get(const char *name)
{
    return bsearch(name, rules, ARRAY_LEN(rules), sizeof rules[0], rule_cmp);
}

/* An element whose content is markup ends with the end tag that is its own. */
static void skip_element(struct html_tokenizer *tokens, const char *name)
{
    struct html_token token;
    size_t depth = 1;
    while (depth > 0 && html_token_next(tokens, &token)) {
        const struct html_rule *rule =
            token.type == HTML_TOKEN_START ? html_rule_get(token.name) : NULL;
        if (rule != NULL && (rule->flags & HTML_RULE_RAW) != 0) {
            html_token_skip_raw(tokens, token.name);
        } else if (token.type != HTML_TOKEN_TEXT && strcmp(token.name, name) == 0) {
            depth = token.type == HTML_TOKEN_START ? depth + 1 : depth - 1;
        }
    }
}

bool html_rule_skip(struct html_tokenizer *tokens, const struct html_rule *rule)
{
    if ((rule->flags & HTML_RULE_RAW) != 0) {
        html_token_skip_raw(tokens, rule->name);
    } else if ((rule->flags & HTML_RULE_DROP) != 0) {
        skip_element(tokens, rule->name);
    } else {
        return false;
    }
    return true;
}

bool html_rule_ends_group(const struct html_rule *rule, enum html_group group)
{
    static const struct {
        enum html_group group;
        const char *until;
    } ends[] = {
        {HTML_GROUP_ITEM, "ul"},       {HTML_GROUP_ITEM, "ol"},
        {HTML_GROUP_ITEM, "dir"},      {HTML_GROUP_TERM, "dl"},
        {HTML_GROUP_CELL, "table"},    {HTML_GROUP_ROW, "table"},
        {HTML_GROUP_SECTION, "table"},
    };
    for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
        if (ends[i].group == group && strcmp(rule->name, ends[i].until) == 0) {
            return true;
        }
    }
    bool in_table = group == HTML_GROUP_CELL || group == HTML_GROUP_ROW ||
                    group == HTML_GROUP_SECTION;
    return !in_table && (rule->flags & HTML_RULE_BARRIER) != 0;
}

/* element "" = every one. */
static const struct {
    const char *element, *attr;
    enum html_attr_kind kind;
} attrs[] = {
    {"", "style", HTML_ATTR_STYLE},
    {"", "align", HTML_ATTR_WORD},
    {"", "dir", HTML_ATTR_WORD},
    {"", "lang", HTML_ATTR_WORD},
    {"", "title", HTML_ATTR_TEXT},
    {"", "valign", HTML_ATTR_WORD},
    {"", "width", HTML_ATTR_WORD},
    {"", "height", HTML_ATTR_WORD},
    {"", "bgcolor", HTML_ATTR_WORD},
    {"", "role", HTML_ATTR_WORD},
    {"", "aria-label", HTML_ATTR_TEXT},
    {"", "aria-hidden", HTML_ATTR_WORD},
    {"a", "href", HTML_ATTR_LINK},
    {"img", "src", HTML_ATTR_IMAGE},
    {"img", "alt", HTML_ATTR_TEXT},
    {"img", "border", HTML_ATTR_WORD},
    {"img", "hspace", HTML_ATTR_WORD},
    {"img", "vspace", HTML_ATTR_WORD},
    {"table", "border", HTML_ATTR_WORD},
    {"table", "bordercolor", HTML_ATTR_WORD},
    {"table", "cellpadding", HTML_ATTR_WORD},
    {"table", "cellspacing", HTML_ATTR_WORD},
    {"table", "frame", HTML_ATTR_WORD},
    {"table", "rules", HTML_ATTR_WORD},
    {"table", "summary", HTML_ATTR_TEXT},
    {"table", "background", HTML_ATTR_IMAGE},
    {"td", "background", HTML_ATTR_IMAGE},
    {"td", "colspan", HTML_ATTR_WORD},
    {"td", "rowspan", HTML_ATTR_WORD},
    {"td", "nowrap", HTML_ATTR_FLAG},
    {"th", "background", HTML_ATTR_IMAGE},
    {"th", "colspan", HTML_ATTR_WORD},
    {"th", "rowspan", HTML_ATTR_WORD},
    {"th", "nowrap", HTML_ATTR_FLAG},
    {"th", "scope", HTML_ATTR_WORD},
    {"col", "span", HTML_ATTR_WORD},
    {"colgroup", "span", HTML_ATTR_WORD},
    {"font", "color", HTML_ATTR_WORD},
    {"font", "face", HTML_ATTR_TEXT},
    {"font", "size", HTML_ATTR_WORD},
    {"hr", "color", HTML_ATTR_WORD},
    {"hr", "noshade", HTML_ATTR_FLAG},
    {"hr", "size", HTML_ATTR_WORD},
    {"br", "clear", HTML_ATTR_WORD},
    {"ol", "start", HTML_ATTR_WORD},
    {"ol", "type", HTML_ATTR_WORD},
    {"ol", "reversed", HTML_ATTR_FLAG},
    {"ul", "type", HTML_ATTR_WORD},
    {"li", "type", HTML_ATTR_WORD},
    {"li", "value", HTML_ATTR_WORD},
    {"time", "datetime", HTML_ATTR_TEXT},
    {"details", "open", HTML_ATTR_FLAG},
};

enum html_attr_kind html_attr_kind_get(const char *element, const char *attr)
{
    for (size_t i = 0; i < ARRAY_LEN(attrs); i++) {
        if (strcmp(attrs[i].attr, attr) == 0 &&
            (attrs[i].element[0] == '\0' || strcmp(attrs[i].element, element) == 0)) {
            return attrs[i].kind;
        }
    }
    return HTML_ATTR_NONE;
}
