/* html_token: tags and text of a document, one after the other (WHATWG HTML §13.2.5).
 * Shape    a cursor over borrowed input; comments, doctypes and processing instructions
 *          are passed over
 * Limits   each byte is read a fixed number of times; a name longer than
 *          HTML_NAME_SIZE - 1 comes as "", which no table holds */
#ifndef POSTRIDER_HTML_TOKEN_H
#define POSTRIDER_HTML_TOKEN_H

#include "postrider/base/str.h"

enum {
    HTML_NAME_SIZE = 16
};

enum html_token_type {
    HTML_TOKEN_TEXT,
    HTML_TOKEN_START,
    HTML_TOKEN_END
};

struct html_token {
    enum html_token_type type;
    struct str text;           /* TEXT: raw, with character references */
    char name[HTML_NAME_SIZE]; /* of a tag, in lower case */
    struct str attrs;          /* START: for html_attr_next */
};

struct html_tokenizer {
    struct str in;
    size_t at;
};

bool html_token_next(struct html_tokenizer *t, struct html_token *out);
/* Passes over content that is not markup, up to and including the end tag of `name`, or to
 * the end of the document. */
void html_token_skip_raw(struct html_tokenizer *t, const char *name);

struct html_attr {
    struct str name;  /* any case */
    struct str value; /* raw, with character references; empty if there is none */
};

/* Takes the next attribute off *rest. */
bool html_attr_next(struct str *rest, struct html_attr *out);

#endif
