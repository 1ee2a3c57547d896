/* imap_frame_priv: the parser's struct, for the two files that frame a response.
 * Shape    imap_parser.c frames lines and delivers; imap_frame_literal.c frames literals
 * Owner    the text is borrowed from the chunk that is being fed, until it is carried
 * Limits   a row is dropped up to IMAP_CUT_MAX bytes; what is longer ends the connection */
#ifndef POSTRIDER_IMAP_FRAME_PRIV_H
#define POSTRIDER_IMAP_FRAME_PRIV_H

#include "imap_codec_priv.h"

enum {
    IMAP_CUT_MAX = 64 * 1024 * 1024
};

enum imap_frame_state {
    IMAP_FRAME_LINE,
    IMAP_FRAME_LITERAL,
    IMAP_FRAME_STREAM,
    IMAP_FRAME_FAILED
};

struct imap_parser {
    uint32_t magic;
    enum imap_frame_state state;
    struct imap_parser_events events;
    void *ctx;
    const struct imap_limits *limits;
    struct err *failure; /* FAILED: why */
    bool utf8, stop;
    bool rows_differ; /* the response before was a row with more than plain ones have */

    /* the response so far */
    bool carried, head_known;
    bool behind_literal; /* the segment follows a literal … */
    bool blank_skipped;  /* … and an empty line behind it was skipped */
    bool cutting;        /* what follows of the row is dropped */
    const char *text;    /* in the chunk, or the carry's bytes */
    size_t len;
    struct buf carry;
    struct imap_head head;
    size_t segment;   /* where the current one begins */
    size_t kept;      /* bytes of literals in the text */
    uint64_t left;    /* bytes of the current literal still to come … */
    uint64_t dropped; /* … and behind them those that are too many to be kept */
    struct imap_quotes quotes;
    uint32_t set_depth; /* parentheses open in the text of a SET response */
    uint32_t row_scan;  /* next token to look at for the UID of a row */
    uint32_t row_uid;
    size_t row_end;     /* cutting: the row's text ends here */
    uint64_t cut_bytes; /* dropped so far */
    struct imap_tail tail;
    struct imap_toks toks;
    struct imap_setlex set;
    struct arena arena;
};

/* What is left of the chunk. */
struct imap_input {
    const char *at, *end;
};

/* From now on the text lies in the carry buffer. */
static inline void imap_frame_carry(struct imap_parser *p)
{
    if (!p->carried) {
        buf_clear(&p->carry);
        buf_put(&p->carry, p->text, p->len);
        p->text = buf_c(&p->carry);
        p->carried = true;
    }
}

static inline void imap_frame_take(struct imap_parser *p, struct imap_input *in, size_t n)
{
    if (p->carried) {
        buf_put(&p->carry, in->at, n);
        p->text = buf_c(&p->carry);
    }
    p->len += n;
    in->at += n;
}

/* --- literals (imap_frame_literal.c) --- */

/* The bytes that follow are the literal's whose header ended the line: they are kept,
 * kept in part, or streamed. ERR_PROTOCOL, ERR_LIMIT. */
bool imap_frame_literal_begin(struct imap_parser *p, const struct imap_literal_head *head,
                              struct err *err);
/* What the chunk has of the literal. */
void imap_frame_literal(struct imap_parser *p, struct imap_input *in);
void imap_frame_stream(struct imap_parser *p, struct imap_input *in);

#endif
