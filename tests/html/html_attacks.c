/* The corpus of attacks (attacks.txt): what comes out of the sanitizer is parsed again, in the
 * ways a page may take it up, and every node has to be one of a list of this file's own. */
#include "postrider/base/attr.h"
#include "postrider/html/html.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <gumbo.h>

enum {
    LINE_MAX_BYTES = 4096,
    OUT_MAX = 1 << 20,
    ATTACKS_MIN = 200,
    NODES_MAX = 10000
};

static const char *const elements[] = {
    "html",    "head",    "body",       "a",       "abbr",  "acronym", "address",
    "article", "aside",   "b",          "bdi",     "bdo",   "big",     "blockquote",
    "br",      "caption", "center",     "cite",    "code",  "col",     "colgroup",
    "dd",      "del",     "details",    "dfn",     "dir",   "div",     "dl",
    "dt",      "em",      "figcaption", "figure",  "font",  "footer",  "h1",
    "h2",      "h3",      "h4",         "h5",      "h6",    "header",  "hr",
    "i",       "img",     "ins",        "kbd",     "li",    "main",    "mark",
    "nav",     "ol",      "p",          "pre",     "q",     "rp",      "rt",
    "ruby",    "s",       "samp",       "section", "small", "span",    "strike",
    "strong",  "sub",     "summary",    "sup",     "table", "tbody",   "td",
    "tfoot",   "th",      "thead",      "time",    "tr",    "tt",      "u",
    "ul",      "var",     "wbr"};

static const char *const attributes[] = {"align",       "alt",
                                         "aria-hidden", "aria-label",
                                         "background",  "bgcolor",
                                         "border",      "bordercolor",
                                         "cellpadding", "cellspacing",
                                         "clear",       "color",
                                         "colspan",     "data-remote-src",
                                         "datetime",    "dir",
                                         "face",        "frame",
                                         "height",      "href",
                                         "hspace",      "lang",
                                         "noshade",     "nowrap",
                                         "open",        "rel",
                                         "reversed",    "role",
                                         "rowspan",     "rules",
                                         "scope",       "size",
                                         "span",        "src",
                                         "start",       "style",
                                         "summary",     "target",
                                         "title",       "type",
                                         "valign",      "value",
                                         "vspace",      "width"};

static const char *const link_heads[] = {"http:", "https:", "mailto:", "tel:"};
static const char *const web_heads[] = {"http://", "https://"};
static const char *const image_heads[] = {
    "data:image/png;base64,", "data:image/jpeg;base64,", "data:image/gif;base64,",
    "data:image/webp;base64,", "cid:"};

/* Where a browser would be told of something outside by a style. */
static const char *const style_never[] = {"expression", "binding",        "behavior",
                                          "image-set",  "@import",        "\\",
                                          "<",          "position:fixed", "javascript"};

static bool is_one_of(const char *s, const char *const *list, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(s, list[i]) == 0) {
            return true;
        }
    }
    return false;
}

static bool begins_with_one_of(const char *s, const char *const *list, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (str_has_iprefix(str_of(s), list[i])) {
            return true;
        }
    }
    return false;
}

static bool may_load(const char *url, bool remote)
{
    return begins_with_one_of(url, image_heads, ARRAY_LEN(image_heads)) ||
           (remote && begins_with_one_of(url, web_heads, ARRAY_LEN(web_heads)));
}

static bool is_safe_style(const char *style, bool remote)
{
    for (size_t i = 0; i < ARRAY_LEN(style_never); i++) {
        if (str_ifind(str_of(style), style_never[i]) != SIZE_MAX) {
            return false;
        }
    }
    struct str rest = str_of(style);
    for (size_t at; (at = str_ifind(rest, "url(")) != SIZE_MAX;) {
        rest = str_tail(rest, at + 4);
        if (rest.len < 2 || rest.ptr[0] != '\'' || !may_load(rest.ptr + 1, remote)) {
            return false;
        }
    }
    return true;
}

static bool is_safe_attribute(const GumboAttribute *a, bool remote)
{
    if (a->attr_namespace != GUMBO_ATTR_NAMESPACE_NONE ||
        !is_one_of(a->name, attributes, ARRAY_LEN(attributes))) {
        return false;
    }
    if (strcmp(a->name, "href") == 0) {
        return begins_with_one_of(a->value, link_heads, ARRAY_LEN(link_heads));
    }
    if (strcmp(a->name, "src") == 0 || strcmp(a->name, "background") == 0) {
        return may_load(a->value, remote);
    }
    if (strcmp(a->name, "data-remote-src") == 0) {
        return begins_with_one_of(a->value, web_heads, ARRAY_LEN(web_heads));
    }
    return strcmp(a->name, "style") != 0 || is_safe_style(a->value, remote);
}

static bool is_safe_element(const GumboElement *e, bool remote)
{
    const char *name = gumbo_normalized_tagname(e->tag);
    bool ok = e->tag_namespace == GUMBO_NAMESPACE_HTML &&
              is_one_of(name, elements, ARRAY_LEN(elements));
    for (unsigned i = 0; ok && i < e->attributes.length; i++) {
        ok = is_safe_attribute(e->attributes.data[i], remote);
    }
    return ok;
}

static bool is_text(const GumboNode *node)
{
    return node->type == GUMBO_NODE_TEXT || node->type == GUMBO_NODE_WHITESPACE;
}

static bool is_safe_tree(const GumboNode *root, bool remote)
{
    const GumboNode *todo[NODES_MAX] = {root};
    size_t count = 1;
    while (count > 0) {
        const GumboNode *node = todo[--count];
        if (is_text(node)) {
            continue;
        }
        if (node->type != GUMBO_NODE_ELEMENT ||
            !is_safe_element(&node->v.element, remote)) {
            return false;
        }
        const GumboVector *children = &node->v.element.children;
        for (unsigned i = 0; i < children->length; i++) {
            assert_true(count < NODES_MAX);
            todo[count++] = children->data[i];
        }
    }
    return true;
}

/* As a document, and as a page puts it into an element. */
static void check_parsed(const char *attack, const struct buf *safe, bool remote)
{
    static const GumboTag contexts[] = {GUMBO_TAG_LAST, GUMBO_TAG_DIV, GUMBO_TAG_TD,
                                        GUMBO_TAG_P, GUMBO_TAG_TABLE};
    for (size_t i = 0; i < ARRAY_LEN(contexts); i++) {
        GumboOptions options = kGumboDefaultOptions;
        options.fragment_context = contexts[i];
        GumboOutput *tree = gumbo_parse_with_options(&options, buf_c(safe), safe->len);
        bool ok = is_safe_tree(tree->root, remote);
        gumbo_destroy_output(&options, tree);
        if (!ok) {
            fail_msg("%s\n  gives %s", attack, buf_c(safe));
        }
    }
}

static bool a_cid(void *ctx ATTR_UNUSED, struct str cid, struct buf *out)
{
    return cid.len > 0 && buf_put_c(out, "data:image/png;base64,AAAA");
}

static void check_attack(const char *shown, struct str attack)
{
    for (int i = 0; i < 8; i++) {
        const struct html_sanitize_params params = {.remote_images = (i & 1) != 0,
                                                    .fold_quotes = (i & 2) != 0,
                                                    .on_cid =
                                                        (i & 4) != 0 ? a_cid : NULL};
        struct buf safe = BUF_INIT(OUT_MAX), again = BUF_INIT(OUT_MAX);
        assert_true(html_sanitize(&safe, attack, &params));
        check_parsed(shown, &safe, params.remote_images);
        assert_true(html_sanitize(&again, buf_str(&safe), &params));
        if (!str_eq(buf_str(&again), buf_str(&safe))) {
            fail_msg("%s\n  gives %s\n  then  %s", shown, buf_c(&safe), buf_c(&again));
        }
        buf_fini(&safe);
        buf_fini(&again);
    }
}

static int hex_digit(char c)
{
    return ascii_is_digit(c) ? c - '0' : ascii_lower(c) - 'a' + 10;
}

/* {{0a ff}} are bytes. */
static void unescape(struct buf *out, struct str line)
{
    while (line.len > 0) {
        if (!str_has_prefix(line, "{{")) {
            buf_put_byte(out, line.ptr[0]);
            line = str_tail(line, 1);
            continue;
        }
        line = str_tail(line, 2);
        while (line.len > 2 && line.ptr[0] != '}') {
            if (line.ptr[0] == ' ') {
                line = str_tail(line, 1);
                continue;
            }
            buf_put_byte(out,
                         (char)(hex_digit(line.ptr[0]) * 16 + hex_digit(line.ptr[1])));
            line = str_tail(line, 2);
        }
        line = str_tail(line, 2);
    }
}

static void nothing_active_comes_out_of_the_corpus(void **state ATTR_UNUSED)
{
    char path[1024], line[LINE_MAX_BYTES];
    size_t count = 0;
    (void)snprintf(path, sizeof path, "%s/tests/html/attacks.txt", getenv("SOURCE_DIR"));
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    while (fgets(line, sizeof line, f) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        if (line[0] == '\0' || line[0] == '#') {
            continue;
        }
        struct buf attack = BUF_INIT(LINE_MAX_BYTES);
        unescape(&attack, str_of(line));
        check_attack(line, buf_str(&attack));
        buf_fini(&attack);
        count++;
    }
    (void)fclose(f);
    assert_true(count >= ATTACKS_MIN);
}

/* Two attacks in one document: what the first leaves open must not free the second. */
static void attacks_do_not_help_each_other(void **state ATTR_UNUSED)
{
    static const char *const openers[] = {
        "<table><tr><td>", "<p title=\"",      "<!--",
        "<svg><style>",    "<select><option>", "<noscript>",
        "<a href='",       "<b><i>",           "<template>",
        "<math><mtext>",   "<table><caption>", "<ul><li><p>",
        "<textarea>",      "<style>",          "<details><summary>"};
    static const char *const closers[] = {
        "</table>",    "\">",         "-->",      "</style></svg>", "</select>",
        "</noscript>", "'>",          "</i></b>", "</template>",    "</mtext></math>",
        "</p></li>",   "</textarea>", "</style>", "</details>"};
    static const char active[] =
        "<img src=x onerror=alert(1) style='background:url(//x)'>";
    for (size_t i = 0; i < ARRAY_LEN(openers); i++) {
        for (size_t j = 0; j < ARRAY_LEN(closers); j++) {
            for (size_t k = (i + j) % 4; k < ARRAY_LEN(openers); k += 4) {
                char text[512];
                (void)snprintf(text, sizeof text, "%s%s%s%s%s%s", openers[i], active,
                               openers[k], closers[j], active, openers[i]);
                check_attack(text, str_of(text));
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_active_comes_out_of_the_corpus),
        cmocka_unit_test(attacks_do_not_help_each_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
