/* imap_frame_literal: the literals of a response.
 *
 *   literal  = "{" number ["+"] "}" CRLF *OCTET / "~" literal       ; RFC 9051 §9
 *
 * A literal becomes part of the text. The value of a section of a FETCH row is streamed if
 * the owner wants it; of any other in a row that is longer than what is kept, the beginning
 * is kept. */
#include "imap_frame_priv.h"

/* The UID that the row told so far; looks at every token once per row. */
static uint32_t row_uid(struct imap_parser *p, const struct imap_doc *doc)
{
    const struct imap_toks *t = &p->toks;
    p->row_scan = p->row_scan > 0 ? p->row_scan : 1;
    while (p->row_scan < t->count) {
        const struct imap_tok *name = &t->items[p->row_scan];
        const struct imap_tok *value =
            name->next < t->count ? &t->items[name->next] : NULL;
        uint64_t uid;
        if (p->row_uid == 0 && imap_tok_is_word(doc, name, "UID") &&
            imap_tok_num(doc, value, UINT32_MAX, &uid) == IMAP_NUM_OK) {
            p->row_uid = (uint32_t)uid;
        }
        p->row_scan = name->next;
    }
    return p->row_uid;
}

/* Does the literal whose header begins at `at` come right behind the token? */
static bool follows(const struct imap_parser *p, const struct imap_tok *tok, size_t at)
{
    while (at > 0 && p->text[at - 1] == ' ') {
        at--;
    }
    return at == (size_t)tok->off + tok->len;
}

/* Is the literal a section's value in the list of a FETCH row, and does the owner want to
 * have it streamed? */
static bool wants_stream(struct imap_parser *p, size_t at, uint64_t size)
{
    const struct imap_toks *t = &p->toks;
    if (p->events.on_literal_begin == NULL || p->head.shape != IMAP_SHAPE_ROW ||
        t->depth != 1 || t->open != 0 || t->skipped > 0 || t->cut ||
        t->section != IMAP_TOK_NONE) {
        return false;
    }
    struct imap_doc doc = {
        .arena = &p->arena, .text = p->text, .end = p->len, .toks = &p->toks};
    struct imap_section section;
    const struct imap_tok *last = &t->items[t->count - 1];
    if (!follows(p, last, at) || !imap_section_parse(&doc, last, &section)) {
        return false;
    }
    struct imap_literal literal = {.size = size,
                                   .in_fetch = true,
                                   .seq = (uint32_t)p->head.number,
                                   .uid = row_uid(p, &doc),
                                   .section = section.name,
                                   .origin = section.origin};
    return p->events.on_literal_begin(p->ctx, &literal);
}

static void literal_done(struct imap_parser *p)
{
    p->state = IMAP_FRAME_LINE;
    p->segment = p->len;
    p->quotes = (struct imap_quotes){.at = p->len};
    p->behind_literal = true;
    p->blank_skipped = false;
}

/* One header field of a message may be larger than what is kept of a row. */
static uint64_t cut_size(const struct imap_parser *p, uint64_t size)
{
    size_t left = p->len < p->limits->total_max ? p->limits->total_max - p->len : 0;
    size_t most = left < p->limits->literal_max ? left : p->limits->literal_max;
    bool cut = p->head.shape == IMAP_SHAPE_ROW && size <= IMAP_CUT_MAX && size > most;
    return cut ? most : size;
}

bool imap_frame_literal_begin(struct imap_parser *p, const struct imap_literal_head *head,
                              struct err *err)
{
    uint64_t size;
    if (!imap_literal_size(head, &size, err)) {
        return false;
    }
    p->left = size;
    if (wants_stream(p, head->at, size)) {
        imap_frame_carry(p);
        imap_lex_literal(&p->toks, p->len, 0, true);
        p->state = IMAP_FRAME_STREAM;
        if (size == 0) {
            literal_done(p);
            p->events.on_literal_data(p->ctx, "", 0, true);
        }
        return true;
    }
    uint64_t keep = cut_size(p, size);
    if (keep > p->limits->literal_max ||
        (keep > 0 && p->len + keep > p->limits->total_max)) {
        return err_set(err, ERR_LIMIT, "a literal of %llu bytes is too long to be kept",
                       (unsigned long long)size);
    }
    if (keep < size) {
        imap_frame_carry(p);
    }
    p->left = keep;
    p->dropped = size - keep;
    imap_lex_literal(&p->toks, p->len, (size_t)keep, false);
    p->kept += (size_t)keep;
    p->state = IMAP_FRAME_LITERAL;
    if (size == 0) {
        literal_done(p);
    }
    return true;
}

void imap_frame_literal(struct imap_parser *p, struct imap_input *in)
{
    size_t have = (size_t)(in->end - in->at);
    size_t n = p->left < have ? (size_t)p->left : have;
    imap_frame_take(p, in, n);
    p->left -= n;
    if (p->left > 0) {
        return;
    }
    have = (size_t)(in->end - in->at);
    n = p->dropped < have ? (size_t)p->dropped : have;
    in->at += n;
    p->dropped -= n;
    if (p->dropped == 0) {
        literal_done(p);
    }
}

void imap_frame_stream(struct imap_parser *p, struct imap_input *in)
{
    size_t have = (size_t)(in->end - in->at);
    size_t n = p->left < have ? (size_t)p->left : have;
    const char *data = in->at;
    in->at += n;
    p->left -= n;
    bool end = p->left == 0;
    if (end) {
        literal_done(p);
    }
    p->events.on_literal_data(p->ctx, data, n, end);
}
