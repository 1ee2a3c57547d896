/* Between plain text and HTML, both ways. */
#include "postrider/html/html.h"

#include "html_entity.h"
#include "html_rules.h"
#include "html_token.h"

#include "postrider/base/attr.h"
#include "postrider/base/utf8.h"

/* --- HTML to text --- */

struct reader {
    struct buf *out;
    size_t start;     /* of our part of out */
    unsigned breaks;  /* line ends due before the next text */
    bool space;       /* white space was seen since the last text */
    unsigned pre;     /* depth of <pre> */
    struct buf plain; /* of the token at hand */
};

static bool at_line_start(const struct reader *r)
{
    return r->out->len == r->start || r->out->bytes[r->out->len - 1] == '\n';
}

static void due_breaks(struct reader *r)
{
    if (r->breaks > 0 && r->out->len > r->start) {
        buf_put(r->out, "\n\n", r->breaks);
    } else if (r->space && !at_line_start(r)) {
        buf_put_byte(r->out, ' ');
    }
    r->breaks = 0;
    r->space = false;
}

static void break_line(struct reader *r, unsigned count)
{
    r->breaks = count > r->breaks ? count : r->breaks;
}

static void read_text(struct reader *r, struct str raw)
{
    buf_clear(&r->plain);
    html_decode(&r->plain, raw, false);
    struct str s = buf_str(&r->plain);
    size_t at = 0;
    while (at < s.len) {
        size_t from = at;
        while (at < s.len && (!ascii_is_space(s.ptr[at]) || r->pre > 0)) {
            at++;
        }
        if (at > from) {
            due_breaks(r);
            buf_put(r->out, s.ptr + from, at - from);
        }
        while (at < s.len && ascii_is_space(s.ptr[at])) {
            at++;
            r->space = true;
        }
    }
}

static void read_tag(struct reader *r, const struct html_token *token)
{
    static const char *const paragraphs[] = {"p",  "table", "blockquote",
                                             "ul", "ol",    "pre"};
    const struct html_rule *rule = html_rule_get(token->name);
    bool start = token->type == HTML_TOKEN_START;
    if (strcmp(token->name, "br") == 0) {
        if (r->breaks == 0 || r->out->len == r->start) {
            r->breaks = 1;
        } else {
            due_breaks(r);
            r->breaks = 1;
        }
        return;
    }
    if (strcmp(token->name, "pre") == 0) {
        r->pre = start ? r->pre + 1 : r->pre - (r->pre > 0);
    }
    if (rule != NULL &&
        ((rule->flags & HTML_RULE_BLOCK) != 0 || rule->group == HTML_GROUP_ROW)) {
        unsigned count = 1;
        for (size_t i = 0; i < ARRAY_LEN(paragraphs); i++) {
            count = strcmp(token->name, paragraphs[i]) == 0 ? 2 : count;
        }
        break_line(r, count);
    }
    r->space = r->space || (rule != NULL && rule->group == HTML_GROUP_CELL);
    if (start && strcmp(token->name, "li") == 0) {
        due_breaks(r);
        buf_put_c(r->out, "* ");
    }
}

/* Back to a whole character within the limit. */
static void cut(struct buf *out, size_t max_len)
{
    if (out->len <= max_len) {
        return;
    }
    size_t len = max_len;
    while (len > 0 && ((unsigned char)out->bytes[len] & 0xc0) == 0x80) {
        len--;
    }
    buf_truncate(out, len);
}

bool html_to_text(struct buf *out, struct str input, size_t max_bytes)
{
    struct html_tokenizer t = {
        .in =
            str_from(input.ptr, input.len < HTML_INPUT_MAX ? input.len : HTML_INPUT_MAX)};
    struct reader r = {
        .out = out, .start = out->len, .plain = BUF_INIT((size_t)HTML_INPUT_MAX * 3)};
    struct html_token token;
    while (!out->overflow && out->len - r.start < max_bytes &&
           html_token_next(&t, &token)) {
        if (token.type == HTML_TOKEN_TEXT) {
            read_text(&r, token.text);
            continue;
        }
        const struct html_rule *rule = html_rule_get(token.name);
        if (token.type == HTML_TOKEN_END || rule == NULL || !html_rule_skip(&t, rule)) {
            read_tag(&r, &token);
        }
    }
    buf_fini(&r.plain);
    cut(out, r.start + max_bytes);
    return !out->overflow;
}

/* --- text to HTML --- */

static bool ends_address(char c)
{
    return ascii_is_space(c) || strchr("<>\"'`()[]{}|\\", c) != NULL;
}

/* Length of the web address that s begins with; closing punctuation is the sentence's. */
static size_t web_address(struct str s)
{
    if (!str_has_iprefix(s, "http://") && !str_has_iprefix(s, "https://")) {
        return 0;
    }
    size_t n = str_find_byte(s, ':') + 3, head = n;
    while (n < s.len && !ends_address(s.ptr[n])) {
        n++;
    }
    while (n > head && strchr(".,;:!?", s.ptr[n - 1]) != NULL) {
        n--;
    }
    return n > head ? n : 0;
}

static void put_line(struct buf *out, struct str line)
{
    size_t from = 0;
    for (size_t i = 0; i < line.len;) {
        bool may_begin = i == 0 || ends_address(line.ptr[i - 1]);
        size_t n = may_begin && ascii_lower(line.ptr[i]) == 'h'
                       ? web_address(str_tail(line, i))
                       : 0;
        if (n == 0) {
            i++;
            continue;
        }
        struct str url = str_from(line.ptr + i, n);
        html_put_escaped(out, str_from(line.ptr + from, i - from));
        buf_put_c(out, "<a href=\"");
        html_put_escaped(out, url);
        buf_put_c(out, "\" target=\"_blank\" rel=\"noopener noreferrer nofollow\">");
        html_put_escaped(out, url);
        buf_put_c(out, "</a>");
        i += n;
        from = i;
    }
    html_put_escaped(out, str_tail(line, from));
}

/* Takes the marks of quoting off the line. */
static size_t quote_depth(struct str *line)
{
    size_t depth = 0;
    while (line->len > 0 && line->ptr[0] == '>' && depth < HTML_DEPTH_MAX / 2) {
        *line = str_tail(*line, 1);
        depth++;
        if (line->len > 1 && line->ptr[0] == ' ') {
            *line = str_tail(*line, 1);
        }
    }
    return depth;
}

static void change_depth(struct buf *out, size_t *depth, size_t to)
{
    for (; *depth < to; (*depth)++) {
        buf_put_c(out, "<blockquote>");
    }
    for (; *depth > to; (*depth)--) {
        buf_put_c(out, "</blockquote>");
    }
}

bool html_from_text(struct buf *out, struct str text, bool fold_quotes)
{
    struct buf valid = BUF_INIT((size_t)HTML_INPUT_MAX * 3);
    struct buf made = BUF_INIT((size_t)HTML_INPUT_MAX * 8);
    utf8_put_repaired(
        &valid,
        str_from(text.ptr, text.len < HTML_INPUT_MAX ? text.len : HTML_INPUT_MAX));
    struct str rest = buf_str(&valid), line;
    size_t depth = 0;
    bool joined = false;
    while (str_split(&rest, '\n', &line)) {
        if (line.len > 0 && line.ptr[line.len - 1] == '\r') {
            line.len--;
        }
        size_t now = quote_depth(&line);
        if (now == depth && joined) {
            buf_put_c(&made, "<br>\n");
        }
        change_depth(&made, &depth, now);
        put_line(&made, line);
        joined = true;
    }
    change_depth(&made, &depth, 0);
    /* One door for all HTML: controls go, quotes are folded, depth is held. */
    bool whole =
        !made.overflow &&
        html_sanitize(out, buf_str(&made),
                      &(struct html_sanitize_params){.fold_quotes = fold_quotes});
    buf_fini(&valid);
    buf_fini(&made);
    return whole;
}
