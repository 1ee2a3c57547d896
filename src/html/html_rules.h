/* html_rules: the elements and attributes that may come out, and how elements nest. */
#ifndef POSTRIDER_HTML_RULES_H
#define POSTRIDER_HTML_RULES_H

#include "html_token.h"

enum html_rule_flag {
    HTML_RULE_ALLOWED = 1 << 0,
    HTML_RULE_VOID = 1 << 1,
    HTML_RULE_BLOCK = 1 << 2,   /* begins a line; its start tag closes an open <p> */
    HTML_RULE_DROP = 1 << 3,    /* goes with its content, which is markup */
    HTML_RULE_RAW = 1 << 4,     /* goes with its content, which is not markup */
    HTML_RULE_BARRIER = 1 << 5, /* tags inside do not close elements outside */
    HTML_RULE_QUOTE = 1 << 6
};

/* Elements of one group cannot be inside each other without one of `until` between. */
enum html_group {
    HTML_GROUP_NONE,
    HTML_GROUP_P,
    HTML_GROUP_ITEM,
    HTML_GROUP_TERM,
    HTML_GROUP_CELL,
    HTML_GROUP_ROW,
    HTML_GROUP_SECTION,
    HTML_GROUP_ANCHOR,
    HTML_GROUP_HEADING,
    HTML_GROUP_COUNT
};

struct html_rule {
    const char *name; /* as it comes in */
    const char *as;   /* as it goes out; NULL = the same */
    unsigned flags;
    enum html_group group;
};

/* NULL: unknown, its tags go and its content stays. */
const struct html_rule *html_rule_get(const char *name);
/* Behind a start tag: passes over the content if the rule says that it goes. */
bool html_rule_skip(struct html_tokenizer *tokens, const struct html_rule *rule);
/* Does an element of this rule end the search for one of `group`? */
bool html_rule_ends_group(const struct html_rule *rule, enum html_group group);

enum html_attr_kind {
    HTML_ATTR_NONE,
    HTML_ATTR_TEXT,
    HTML_ATTR_WORD,  /* letters, digits, and # % . , - + */
    HTML_ATTR_FLAG,  /* no value */
    HTML_ATTR_LINK,  /* URL to go to */
    HTML_ATTR_IMAGE, /* URL to load */
    HTML_ATTR_STYLE
};

/* Lower-case names. */
enum html_attr_kind html_attr_kind_get(const char *element, const char *attr);

#endif
