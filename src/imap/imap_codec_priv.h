/* imap_codec_priv: what the files of the IMAP codec share.
 * Shape    three levels, each in its own files:
 *            framing        imap_parser.c, imap_frame_literal.c, imap_head.c, imap_segment.c,
 *                           imap_setlex.c: bytes → one response as text, its literals and
 *                           its sets found
 *            tokens         imap_lexer.c: text → flat array; a list knows the index
 *                           behind its end, so skipping costs one step
 *            meaning        imap_cursor.c and one file per grammar area: tokens → values
 * Owner    tokens hold offsets into the response's text, so the text may move while it
 *          grows; values point into the text or into the response's arena
 * Limits   of the structures that one response can ask for: the enum below
 * Spec     RFC 9051 §9, RFC 3501 §9 */
#ifndef POSTRIDER_IMAP_CODEC_PRIV_H
#define POSTRIDER_IMAP_CODEC_PRIV_H

#include "postrider/imap/imap_parser.h"

enum {
    IMAP_KEYWORDS_MAX = 1024,     /* kept of one flag list */
    IMAP_OBJECTID_MAX = 255,      /* bytes (RFC 8474 §7) */
    IMAP_DATE_LEN = 26,           /* bytes of an INTERNALDATE as it should be */
    IMAP_ADDRESSES_MAX = 500,     /* kept of one ENVELOPE */
    IMAP_PARAMS_MAX = 128,        /* kept of one body parameter list */
    IMAP_PARTS_MAX = 10000,       /* of one BODYSTRUCTURE */
    IMAP_PART_DEPTH_MAX = 100,    /* same */
    IMAP_TEXT_PREFIX_MAX = 256,   /* of a response that was not understood */
    IMAP_HEAD_MAX = 128,          /* bytes in which a response must tell what it is */
    IMAP_SET_BYTES_PER_TOTAL = 8, /* a streamed set may be this × total_max long */
};

/* --- the end of a line segment (imap_segment.c) --- */

struct imap_literal_head {
    size_t at; /* of "{" or "~" */
    struct str digits;
};

/* Looks backwards from the line end at `to` for a literal's header. */
bool imap_literal_find(const char *text, size_t from, size_t to,
                       struct imap_literal_head *out);
/* ERR_PROTOCOL: not a size that anybody can frame; ERR_LIMIT: longer than any message. */
bool imap_literal_size(const struct imap_literal_head *head, uint64_t *out,
                       struct err *err);

/* How far quotes were looked for, and whether one was open there. */
struct imap_quotes {
    size_t at;
    bool open;
};

/* Does the bare LF at `lf` stand inside a quoted string? Goes on where the last such
 * question ended, so that many of them cost one pass. */
bool imap_quotes_open(struct imap_quotes *q, const char *text, size_t lf);

/* The last bytes of a line that is not kept: enough to see a literal's header. */
struct imap_tail {
    char bytes[64];
    size_t len;
};

void imap_tail_add(struct imap_tail *t, const char *bytes, size_t n);

/* --- tokens (imap_lexer.c) --- */

enum imap_tok_type {
    IMAP_TOK_ATOM,
    IMAP_TOK_QUOTED,
    IMAP_TOK_LITERAL,
    IMAP_TOK_LIST
};

enum imap_tok_flag {
    IMAP_TOK_ESCAPED = 1 << 0,  /* a quoted string with at least one escape */
    IMAP_TOK_STREAMED = 1 << 1, /* a literal whose bytes went to the sink */
    IMAP_TOK_NIL = 1 << 2,      /* the atom */
};

struct imap_tok {
    uint32_t off, len; /* of the content: without quotes, parentheses, literal header */
    uint32_t next;     /* index of the token behind this one and all it contains */
    uint8_t type, flags;
};

#define IMAP_TOK_NONE UINT32_MAX /* no index */

struct imap_toks {
    struct imap_tok *items;
    uint32_t count, cap;
    uint32_t room; /* so many fit without a look at limits and memory */
    uint32_t count_max, depth_max;
    uint32_t depth;   /* open lists that are stored */
    uint32_t skipped; /* open lists that a limit left out */
    uint32_t open;    /* innermost open list; its `next` is the one around it */
    uint32_t section; /* atom whose [section] goes on behind a literal */
    bool fetch;       /* BODY[…] at depth 1 is one atom */
    bool cut;         /* a limit left tokens out */
    bool torn;        /* the text ends early: its last values may be incomplete */
    bool malformed;   /* unbalanced parentheses or quotes */
};

void imap_toks_begin(struct imap_toks *t, const struct imap_limits *limits, bool fetch);
void imap_toks_fini(struct imap_toks *t);
/* Tokens of text[from, to). literal_at is where a literal header ends this piece, or
 * `to`. True if the header stands outside quotes and thus is one. */
bool imap_lex(struct imap_toks *t, const char *text, size_t from, size_t to,
              size_t literal_at);
void imap_lex_literal(struct imap_toks *t, size_t off, size_t len, bool streamed);
/* Tokens of the beginning of a segment whose end is not kept; where it ends. */
size_t imap_lex_torn(struct imap_toks *t, const char *text, size_t from, size_t to);
/* Closes what is still open. */
void imap_lex_end(struct imap_toks *t, size_t text_len);

/* --- reading tokens (imap_cursor.c) --- */

struct imap_setlex;

/* A framed response. */
struct imap_doc {
    struct arena *arena;
    const char *text;
    size_t rest, end; /* behind the response's name … before the line end */
    struct imap_toks *toks;
    struct imap_setlex *set; /* of SEARCH, ESEARCH, VANISHED */
    bool utf8;
};

struct imap_cur {
    struct imap_doc *doc;
    uint32_t at, end;
};

static inline struct imap_cur imap_cur_all(struct imap_doc *doc)
{
    return (struct imap_cur){.doc = doc, .at = 0, .end = doc->toks->count};
}

/* NULL at the end. */
static inline const struct imap_tok *imap_cur_peek(const struct imap_cur *cur)
{
    return cur->at < cur->end ? &cur->doc->toks->items[cur->at] : NULL;
}

static inline const struct imap_tok *imap_cur_next(struct imap_cur *cur)
{
    const struct imap_tok *tok = imap_cur_peek(cur);
    if (tok != NULL) {
        cur->at = tok->next;
    }
    return tok;
}

uint32_t imap_cur_count(struct imap_cur cur);

/* The next token and at least one behind it. */
static inline bool imap_cur_has_two(const struct imap_cur *cur)
{
    const struct imap_tok *tok = imap_cur_peek(cur);
    return tok != NULL && tok->next < cur->end;
}

/* A NULL token is accepted everywhere: it is no list, no NIL, and has no value. */
static inline bool imap_tok_is_list(const struct imap_tok *tok)
{
    return tok != NULL && tok->type == IMAP_TOK_LIST;
}

static inline bool imap_tok_is_atom(const struct imap_tok *tok)
{
    return tok != NULL && tok->type == IMAP_TOK_ATOM;
}

static inline struct imap_cur imap_cur_children(struct imap_doc *doc,
                                                const struct imap_tok *list)
{
    struct imap_cur cur = {.doc = doc};
    if (imap_tok_is_list(list)) {
        cur.at = (uint32_t)(list - doc->toks->items) + 1;
        cur.end = list->next;
    }
    return cur;
}

static inline bool imap_tok_is_nil(const struct imap_tok *tok)
{
    return tok != NULL && (tok->flags & IMAP_TOK_NIL) != 0;
}

static inline struct str imap_tok_raw(const struct imap_doc *doc,
                                      const struct imap_tok *tok)
{
    return str_from(doc->text + tok->off, tok->len);
}

static inline bool imap_tok_is_word(const struct imap_doc *doc,
                                    const struct imap_tok *tok, const char *word)
{
    return imap_tok_is_atom(tok) && str_ieq_c(imap_tok_raw(doc, tok), word);
}

/* The bytes as sent, unescaped; absent for a list. `string` and `astring`. */
struct str imap_tok_str(const struct imap_doc *doc, const struct imap_tok *tok);
/* The same, absent for NIL: `nstring`. Nearly every value is what it looks like. */
static inline struct str imap_tok_nstring(const struct imap_doc *doc,
                                          const struct imap_tok *tok)
{
    bool plain = tok != NULL && tok->flags == 0 && tok->type != IMAP_TOK_LIST;
    if (plain) {
        return imap_tok_raw(doc, tok);
    }
    return imap_tok_is_nil(tok) ? STR_NULL : imap_tok_str(doc, tok);
}

struct str imap_tok_lower(const struct imap_doc *doc, const struct imap_tok *tok);

enum imap_num {
    IMAP_NUM_OK,
    IMAP_NUM_ABSENT, /* NIL, negative, or in float notation: the server does not know */
    IMAP_NUM_BAD     /* no number, or above max */
};

enum imap_num imap_tok_num(const struct imap_doc *doc, const struct imap_tok *tok,
                           uint64_t max, uint64_t *out);
/* Number of a structure field: 0 unless IMAP_NUM_OK. */
uint64_t imap_tok_size(const struct imap_doc *doc, const struct imap_tok *tok);

#define IMAP_NUM63_MAX ((uint64_t)INT64_MAX)

/* --- sets that may be longer than a line (imap_setlex.c) --- */

struct imap_setlex {
    struct imap_range *ranges;
    size_t count, cap, count_max;
    uint64_t bytes, lo, value;
    bool by_space;    /* SEARCH: numbers separated by spaces */
    bool zero_is_one; /* VANISHED */
    bool active, seen, has_lo, has_digit, bad;
};

void imap_setlex_begin(struct imap_setlex *s, size_t max_bytes, bool by_space,
                       bool zero_is_one);
void imap_setlex_fini(struct imap_setlex *s);
/* Eats the bytes that belong to the set and returns their number in *used_out; when a
 * byte that does not belong follows, the set is inactive. False: too many ranges. */
bool imap_setlex_feed(struct imap_setlex *s, const char *p, size_t n, size_t *used_out);

/* --- what a response is (imap_head.c, imap_resp.c) --- */

enum imap_shape {
    IMAP_SHAPE_TEXT, /* free text to the line end: no literal, no list */
    IMAP_SHAPE_DATA, /* tokens */
    IMAP_SHAPE_ROW,  /* FETCH: tokens whose section literals may be streamed */
    IMAP_SHAPE_SET   /* tokens with a set between them */
};

struct imap_resp_def {
    struct str name;
    enum imap_resp_kind kind;
    enum imap_shape shape;
    bool numbered; /* "* 12 EXISTS" */
    bool (*parse)(struct imap_doc *doc, struct imap_resp *resp);
    enum imap_cond cond;
};

const struct imap_resp_def *imap_resp_def_find(struct str name, bool numbered);

struct imap_head {
    const struct imap_resp_def *def; /* NULL: unknown */
    enum imap_resp_kind kind;
    enum imap_shape shape;
    enum imap_cond cond;
    size_t tag_len;  /* TAGGED: text[0, tag_len) */
    size_t rest;     /* where the part behind the name begins */
    size_t used;     /* bytes that told all this: what follows does not matter */
    uint64_t number; /* UINT64_MAX: out of range */
    bool blank;      /* an empty line */
};

/* False: more bytes are needed (never with IMAP_HEAD_MAX bytes or a complete line). */
bool imap_head_parse(const char *text, size_t len, struct imap_head *out);

/* --- grammar areas --- */

/* imap_resp_code.c: text = what stands behind OK/NO/…; fills code, text and, for
 * CAPABILITY, words. */
void imap_parse_resp_text(struct imap_doc *doc, struct imap_resp *resp);
/* imap_words.c */
bool imap_parse_capability(struct imap_doc *doc, struct imap_resp *resp);
bool imap_parse_id(struct imap_doc *doc, struct imap_resp *resp);
bool imap_parse_namespace(struct imap_doc *doc, struct imap_resp *resp);
void imap_words_upper(struct imap_cur cur, struct imap_resp *resp);
/* imap_search_resp.c */
bool imap_parse_search(struct imap_doc *doc, struct imap_resp *resp);
bool imap_parse_esearch(struct imap_doc *doc, struct imap_resp *resp);
bool imap_parse_vanished(struct imap_doc *doc, struct imap_resp *resp);
/* imap_list_resp.c */
bool imap_parse_list(struct imap_doc *doc, struct imap_resp *resp);
bool imap_parse_lsub(struct imap_doc *doc, struct imap_resp *resp);
bool imap_parse_status(struct imap_doc *doc, struct imap_resp *resp);
/* imap_quota_resp.c */
bool imap_parse_quota(struct imap_doc *doc, struct imap_resp *resp);
/* imap_flags.c */
bool imap_parse_flags(struct imap_doc *doc, struct imap_resp *resp);
void imap_flags_read(struct imap_cur cur, struct imap_flags *out, bool *wildcard_out);
/* imap_fetch_row.c */
bool imap_parse_fetch(struct imap_doc *doc, struct imap_resp *resp);
/* Is it the name of a message section? Then name and origin are set. */
bool imap_section_parse(const struct imap_doc *doc, const struct imap_tok *tok,
                        struct imap_section *out);
/* imap_date.c: false if it is no date; *absent_out for the "00-Jan-0000" of Domino. */
bool imap_date_parse(struct str text, int64_t *ms_out, bool *absent_out);
/* The same of a date that is spelled as it should be; false of others. */
bool imap_date_parse_fixed(struct str text, int64_t *ms_out);
/* imap_row_scan.c: the row that the text begins with, if it is one of the plain ones; the bytes
 * it takes, or 0. It needs less than the limits allow before login. */
size_t imap_row_scan(const char *text, size_t len, struct imap_row *row);
/* What such rows have at most. */
enum {
    IMAP_ROW_SCAN_ITEMS = IMAP_ITEM_UID | IMAP_ITEM_FLAGS | IMAP_ITEM_MODSEQ |
                          IMAP_ITEM_INTERNALDATE | IMAP_ITEM_SIZE | IMAP_ITEM_EMAILID
};
/* imap_envelope.c, imap_bodystructure.c: NULL if the token cannot be one. */
const struct imap_envelope *imap_envelope_read(struct imap_doc *doc,
                                               const struct imap_tok *tok);
const struct imap_structure *imap_structure_read(struct imap_doc *doc,
                                                 const struct imap_tok *tok);

#endif
