/* imap_lexer: one line segment of a response into tokens.
 *
 *   token   = atom / quoted / literal / list          ; RFC 9051 §9, widened for reading:
 *   atom    = 1*<any byte except SP ( ) " CR LF>      ; a "\" begins an atom, within one
 *                                                     ; it begins the next: "\A\B" is two
 *   quoted  = <"> *(<any> / "\" <"> / "\\") <">       ; a quote ends the string only before
 *                                                     ; SP ) ] or the end of the line:
 *                                                     ; some servers do not escape
 *   list    = "(" *(token / SP) ")"
 *   section = ("BODY" / "BINARY") [".PEEK" / ".SIZE"] "[" … "]" ["<" number ["." number] ">"]
 *                                                     ; in a FETCH row, one atom; a literal
 *                                                     ; may stand inside the brackets
 *
 * Lists nest by index, never by recursion: while a list is open its `next` links to the
 * list around it, and becomes the skip index when it closes. */
#include "imap_codec_priv.h"

#include "postrider/base/bytes.h"
#include "postrider/base/mem.h"

enum byte_class {
    BYTE_ATOM,
    BYTE_BRACKET,
    BYTE_BACKSLASH,
    ATOM_BEGINS_MAX = BYTE_BACKSLASH, /* those so far begin an atom */
    BYTE_SPACE,
    BYTE_QUOTE,
    BYTE_OPEN,
    BYTE_CLOSE
};

static const uint8_t byte_classes[256] = {
    [' '] = BYTE_SPACE,      ['\r'] = BYTE_SPACE,  ['\n'] = BYTE_SPACE,
    ['('] = BYTE_OPEN,       [')'] = BYTE_CLOSE,   ['"'] = BYTE_QUOTE,
    ['\\'] = BYTE_BACKSLASH, ['['] = BYTE_BRACKET,
};

static enum byte_class class_of(char c)
{
    return (enum byte_class)byte_classes[(uint8_t)c];
}

enum {
    TOKS_MIN = 32,
    NIL_LEN = 3,
    TORN_DEPTH = 3 /* the row, a value, a list in it: this may miss its end */
};

static uint32_t room_of(const struct imap_toks *t)
{
    return t->cap < t->count_max ? t->cap : t->count_max;
}

void imap_toks_begin(struct imap_toks *t, const struct imap_limits *limits, bool fetch)
{
    t->count = 0;
    t->count_max = limits->nodes_max;
    t->room = room_of(t);
    t->depth_max = limits->depth_max;
    t->depth = 0;
    t->skipped = 0;
    t->open = IMAP_TOK_NONE;
    t->section = IMAP_TOK_NONE;
    t->fetch = fetch;
    t->cut = false;
    t->torn = false;
    t->malformed = false;
}

void imap_toks_fini(struct imap_toks *t)
{
    mem_free(t->items);
    t->items = NULL;
    t->count = 0;
    t->cap = 0;
    t->room = 0;
}

/* More memory, as far as the limit allows. */
static bool toks_grow(struct imap_toks *t)
{
    if (t->skipped > 0 || t->count >= t->count_max) {
        return false;
    }
    t->cap = t->cap > 0 ? t->cap * 2 : TOKS_MIN;
    t->items = mem_realloc(t->items, t->cap * sizeof *t->items);
    t->room = room_of(t);
    return true;
}

static struct imap_tok *toks_add(struct imap_toks *t, enum imap_tok_type type, size_t off,
                                 size_t len)
{
    if (t->count >= t->room && !toks_grow(t)) {
        t->cut = true;
        return NULL;
    }
    struct imap_tok *tok = &t->items[t->count++];
    *tok = (struct imap_tok){.off = (uint32_t)off,
                             .len = (uint32_t)len,
                             .next = t->count,
                             .type = (uint8_t)type};
    return tok;
}

static void list_open(struct imap_toks *t, size_t off)
{
    bool fits = t->depth < t->depth_max;
    struct imap_tok *tok = fits ? toks_add(t, IMAP_TOK_LIST, off, 0) : NULL;
    if (tok == NULL) {
        t->cut = true;
        t->skipped++;
        t->room = 0;
        return;
    }
    tok->next = t->open;
    t->open = t->count - 1;
    t->depth++;
}

static void list_close(struct imap_toks *t, size_t off)
{
    if (t->skipped > 0) {
        t->skipped--;
        t->room = t->skipped > 0 ? 0 : room_of(t);
        return;
    }
    if (t->open == IMAP_TOK_NONE) {
        t->malformed = true;
        return;
    }
    struct imap_tok *list = &t->items[t->open];
    t->open = list->next;
    list->next = t->count;
    list->len = (uint32_t)(off - list->off);
    t->depth--;
}

static size_t find_byte(const char *text, size_t at, size_t to, char byte)
{
    const char *found = memchr(text + at, byte, to - at);
    return found != NULL ? (size_t)(found - text) : to;
}

/* Does a string end with the quote at `at`? */
static bool ends_string(const char *text, size_t at, size_t to)
{
    char next = at + 1 < to ? text[at + 1] : ' ';
    return next == ' ' || next == ')' || next == ']';
}

static bool is_escape(const char *text, size_t at, size_t to)
{
    return at + 1 < to && (text[at + 1] == '"' || text[at + 1] == '\\');
}

/* Index of the quote that ends the string, or `to`. *slash is the first backslash behind
 * the last place where one was looked for: a row has few, and they are found once. */
static size_t quoted_end(const char *text, size_t at, size_t to, size_t *slash,
                         bool *escaped_out)
{
    size_t quote = find_byte(text, at, to, '"');
    for (;;) {
        *slash = *slash < at ? find_byte(text, at, to, '\\') : *slash;
        if (*slash < quote) {
            bool escape = is_escape(text, *slash, to);
            *escaped_out = *escaped_out || escape;
            at = *slash + (escape ? 2 : 1);
        } else if (quote == to || ends_string(text, quote, to)) {
            return quote;
        } else {
            at = quote + 1;
        }
        quote = quote < at ? find_byte(text, at, to, '"') : quote;
    }
}

/* Returns where to go on; `to` with malformed set if the string does not end. Nearly every
 * string ends with its first quote, and has nothing to look at before. */
static size_t lex_quoted(struct imap_toks *t, const char *text, size_t at, size_t to,
                         size_t *slash)
{
    bool escaped = false;
    size_t end =
        at + 1 + bytes_plain_len(str_from(text + at + 1, to - at - 1), STR("\"\\"));
    if (end == to || text[end] != '"' || !ends_string(text, end, to)) {
        end = quoted_end(text, at + 1, to, slash, &escaped);
    }
    struct imap_tok *tok = toks_add(t, IMAP_TOK_QUOTED, at + 1, end - (at + 1));
    if (tok != NULL && escaped) {
        tok->flags |= IMAP_TOK_ESCAPED;
    }
    if (end == to) {
        t->malformed = true;
        return to;
    }
    return end + 1;
}

/* From behind "[" to behind "]" and an origin; `to` and *closed_out false if it is not
 * here. */
static size_t section_end(const char *text, size_t at, size_t to, bool *closed_out)
{
    bool quoted = false;
    *closed_out = false;
    for (; at < to; at++) {
        if (quoted && text[at] == '\\' && at + 1 < to) {
            at++;
        } else if (text[at] == '"') {
            quoted = !quoted;
        } else if (text[at] == ']' && !quoted) {
            break;
        }
    }
    if (at >= to) {
        return to;
    }
    *closed_out = true;
    at++;
    if (at < to && text[at] == '<') {
        size_t end = at + 1;
        while (end < to && (ascii_is_digit(text[end]) || text[end] == '.')) {
            end++;
        }
        at = end < to && text[end] == '>' ? end + 1 : at;
    }
    return at;
}

static bool names_section(struct str name)
{
    static const char *const names[] = {"BODY", "BODY.PEEK", "BINARY", "BINARY.PEEK",
                                        "BINARY.SIZE"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (str_ieq_c(name, names[i])) {
            return true;
        }
    }
    return false;
}

/* To the end of the atom, or to its first bracket. */
static size_t atom_end(const char *text, size_t at, size_t to)
{
    while (at < to && class_of(text[at]) == BYTE_ATOM) {
        at++;
    }
    return at;
}

/* Three bytes: by far the most frequent atom. */
static bool is_nil(const char *s)
{
    return (s[0] == 'N' || s[0] == 'n') && (s[1] == 'I' || s[1] == 'i') &&
           (s[2] == 'L' || s[2] == 'l');
}

/* Adds an atom if it is that, and whole. */
static bool lex_nil(struct imap_toks *t, const char *text, size_t at, size_t to)
{
    if (to - at <= NIL_LEN || !is_nil(text + at) ||
        class_of(text[at + NIL_LEN]) <= BYTE_BRACKET) {
        return false;
    }
    struct imap_tok *tok = toks_add(t, IMAP_TOK_ATOM, at, NIL_LEN);
    if (tok != NULL) {
        tok->flags = IMAP_TOK_NIL;
    }
    return true;
}

static size_t lex_atom(struct imap_toks *t, const char *text, size_t at, size_t to)
{
    size_t from = at;
    bool open_section = false;
    if (lex_nil(t, text, at, to)) {
        return at + NIL_LEN;
    }
    at = atom_end(text, at + (text[at] == '\\' ? 1 : 0), to);
    while (at < to && class_of(text[at]) == BYTE_BRACKET) {
        if (t->fetch && t->depth == 1 &&
            names_section(str_from(text + from, at - from))) {
            bool closed;
            at = section_end(text, at + 1, to, &closed);
            open_section = !closed;
            break;
        }
        at = atom_end(text, at + 1, to);
    }
    struct imap_tok *tok = toks_add(t, IMAP_TOK_ATOM, from, at - from);
    if (tok != NULL && at - from == NIL_LEN && is_nil(text + from)) {
        tok->flags = IMAP_TOK_NIL;
    }
    if (tok != NULL && open_section) {
        t->section = t->count - 1;
    }
    return at;
}

/* The rest of a section name behind a literal inside the brackets. */
static size_t lex_section_rest(struct imap_toks *t, const char *text, size_t at,
                               size_t to)
{
    bool closed;
    at = section_end(text, at, to, &closed);
    struct imap_tok *tok = &t->items[t->section];
    tok->len = (uint32_t)(at - tok->off);
    if (closed) {
        t->section = IMAP_TOK_NONE;
    }
    return at;
}

bool imap_lex(struct imap_toks *t, const char *text, size_t from, size_t to,
              size_t literal_at)
{
    size_t at = from, slash = 0;
    if (t->section != IMAP_TOK_NONE) {
        at = lex_section_rest(t, text, at, literal_at);
    }
    while (at < literal_at) {
        enum byte_class class = class_of(text[at]);
        if (class == BYTE_SPACE) {
            at++;
        } else if (class <= ATOM_BEGINS_MAX) {
            at = lex_atom(t, text, at, literal_at);
        } else if (class == BYTE_QUOTE) {
            at = lex_quoted(t, text, at, to, &slash);
        } else if (class == BYTE_OPEN) {
            list_open(t, at++);
        } else {
            list_close(t, at++);
        }
    }
    return at == literal_at && literal_at < to;
}

/* A word without a space behind it may go on: half a number is another number. */
size_t imap_lex_torn(struct imap_toks *t, const char *text, size_t from, size_t to)
{
    while (to > from && text[to - 1] != ' ') {
        to--;
    }
    (void)imap_lex(t, text, from, to, to);
    while (t->depth > TORN_DEPTH) {
        /* Half an address is another address. */
        uint32_t list = t->open;
        t->open = t->items[list].next;
        t->count = list;
        t->depth--;
    }
    t->torn = true;
    t->cut = true;
    return to;
}

void imap_lex_literal(struct imap_toks *t, size_t off, size_t len, bool streamed)
{
    if (t->section != IMAP_TOK_NONE) {
        return;
    }
    struct imap_tok *tok = toks_add(t, IMAP_TOK_LITERAL, off, len);
    if (tok != NULL && streamed) {
        tok->flags |= IMAP_TOK_STREAMED;
    }
}

void imap_lex_end(struct imap_toks *t, size_t text_len)
{
    if (t->open != IMAP_TOK_NONE || t->skipped > 0 || t->section != IMAP_TOK_NONE) {
        t->malformed = true;
    }
    t->skipped = 0;
    while (t->open != IMAP_TOK_NONE) {
        list_close(t, text_len);
    }
}
