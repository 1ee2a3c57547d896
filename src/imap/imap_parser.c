/* imap_parser: framing of the server's byte stream, and delivery of what was framed.
 *
 *   response = *(segment literal) segment
 *   segment  = *<any byte> (CRLF / LF)                 ; a bare LF only outside quotes
 *   literal  = "{" number ["+"] "}" CRLF *OCTET / "~" literal       ; RFC 9051 §9
 *
 * A FETCH row that is longer than what is kept of one is cut: its tokens so far are the row,
 * and the rest is dropped line by line and literal by literal, so that one message does not
 * take its listing with it.
 *
 *           head known, data        {n} kept
 *   LINE ─────────────────► LINE ─────────────► LITERAL ──► LINE
 *     ▲                      │ {n} of BODY[…] and a sink
 *     │                      └─────────────────► STREAM ───► LINE
 *     └── line end without literal: interpret, on_response, reset
 *
 * The text of a response is looked at where it lies as long as one chunk holds all of it;
 * else it is carried over in a buffer. Bytes that are streamed, and sets, are never part
 * of the text. Every decision is taken at a position that the bytes alone define (a line
 * end, the end of the head, a limit), so the chunking cannot change the outcome. */
#include "imap_frame_priv.h"

#include "postrider/base/check.h"
#include "postrider/base/mem.h"

enum {
    PARSER_MAGIC = 0x494d5052, /* "IMPR" */
    KIB = 1024,
    MIB = 1024 * 1024,
    CRLF_LEN = 2,
    CARRY_KEEP_MAX = 64 * KIB,
    TOKS_KEEP_MAX = 4096,
    RANGES_KEEP_MAX = 4096
};

const struct imap_limits imap_limits_pre_auth = {.line_max = 8 * KIB,
                                                 .literal_max = 4 * KIB,
                                                 .total_max = 64 * KIB,
                                                 .depth_max = 32,
                                                 .nodes_max = 4096};
const struct imap_limits imap_limits_default = {.line_max = 1 * MIB,
                                                .literal_max = 1 * MIB,
                                                .total_max = 8 * MIB,
                                                .depth_max = 256,
                                                .nodes_max = 200000};

struct imap_parser *imap_parser_new(const struct imap_parser_events *events, void *ctx)
{
    struct imap_parser *p = MEM_NEW(struct imap_parser);
    p->magic = PARSER_MAGIC;
    p->events = *events;
    p->ctx = ctx;
    p->limits = &imap_limits_default;
    buf_init(&p->carry, SIZE_MAX / 4);
    return p;
}

void imap_parser_free(struct imap_parser **pp)
{
    struct imap_parser *p = *pp;
    if (p == NULL) {
        return;
    }
    CHECK_MAGIC(p, PARSER_MAGIC);
    *pp = NULL;
    buf_fini(&p->carry);
    imap_toks_fini(&p->toks);
    imap_setlex_fini(&p->set);
    arena_fini(&p->arena);
    mem_free(p->failure);
    p->magic = 0;
    mem_free(p);
}

void imap_parser_set_limits(struct imap_parser *p, const struct imap_limits *limits)
{
    CHECK_MAGIC(p, PARSER_MAGIC);
    /* Tokens hold 32-bit offsets. */
    CHECK(limits->total_max <= UINT32_MAX / 2 && limits->line_max <= limits->total_max &&
          limits->literal_max <= limits->total_max);
    p->limits = limits;
}

void imap_parser_set_utf8(struct imap_parser *p, bool enabled)
{
    CHECK_MAGIC(p, PARSER_MAGIC);
    p->utf8 = enabled;
}

void imap_parser_stop(struct imap_parser *p)
{
    CHECK_MAGIC(p, PARSER_MAGIC);
    p->stop = true;
}

bool imap_parser_is_idle(const struct imap_parser *p)
{
    return p->state == IMAP_FRAME_LINE && p->len == 0;
}

size_t imap_parser_memory(const struct imap_parser *p)
{
    return sizeof *p + p->carry.cap + p->toks.cap * sizeof *p->toks.items +
           p->set.cap * sizeof *p->set.ranges + p->arena.used_bytes;
}

void imap_parser_trim(struct imap_parser *p)
{
    CHECK_MAGIC(p, PARSER_MAGIC);
    if (!imap_parser_is_idle(p)) {
        return;
    }
    buf_release(&p->carry);
    imap_toks_fini(&p->toks);
    imap_setlex_fini(&p->set);
    arena_reset(&p->arena);
}

/* --- taking bytes --- */

static size_t room(size_t used, size_t max)
{
    return used < max + CRLF_LEN ? max + CRLF_LEN - used : 0;
}

/* From now on the row is dropped. */
static void cut_row(struct imap_parser *p)
{
    size_t from = p->segment < p->head.rest ? p->head.rest : p->segment;
    imap_frame_carry(p);
    imap_tail_add(&p->tail, p->text + from, p->len - from);
    p->row_end = imap_lex_torn(&p->toks, p->text, from, p->len);
    p->cutting = true;
}

static bool take_line(struct imap_parser *p, struct imap_input *in, size_t n,
                      struct err *err)
{
    size_t line = room(p->len - p->kept, p->limits->line_max);
    size_t total = room(p->len, p->limits->total_max);
    size_t most = line < total ? line : total;
    if (n > most && p->head_known && p->head.shape == IMAP_SHAPE_ROW) {
        imap_frame_take(p, in, most);
        cut_row(p);
        return true;
    }
    if (n > line && line <= total) {
        return err_set(err, ERR_LIMIT, "a response line is longer than %zu bytes",
                       p->limits->line_max);
    }
    if (n > total) {
        return err_set(err, ERR_LIMIT, "a response is longer than %zu bytes",
                       p->limits->total_max);
    }
    imap_frame_take(p, in, n);
    return true;
}

/* --- the end of a response --- */

static void reset(struct imap_parser *p)
{
    if (p->carry.cap > CARRY_KEEP_MAX) {
        buf_release(&p->carry);
    }
    if (p->toks.cap > TOKS_KEEP_MAX) {
        imap_toks_fini(&p->toks);
    }
    if (p->set.cap > RANGES_KEEP_MAX) {
        imap_setlex_fini(&p->set);
    }
    if (p->arena.head != NULL) {
        arena_recycle(&p->arena);
    }
    p->toks.count = 0;
    p->len = 0;
    p->carried = false;
    p->head_known = false;
    p->segment = 0;
    p->kept = 0;
    p->behind_literal = false;
    p->blank_skipped = false;
    p->quotes = (struct imap_quotes){0};
    p->set_depth = 0;
    p->row_scan = 0;
    p->row_uid = 0;
    p->cutting = false;
    p->cut_bytes = 0;
    p->tail.len = 0;
}

static void give_up(struct imap_resp *resp, enum imap_resp_kind kind, struct str line)
{
    uint32_t number = resp->number;
    line.len = line.len < IMAP_TEXT_PREFIX_MAX ? line.len : IMAP_TEXT_PREFIX_MAX;
    *resp = (struct imap_resp){.kind = kind, .number = number, .text = line};
}

static void interpret(struct imap_parser *p, struct imap_doc *doc, struct imap_resp *resp)
{
    const struct imap_head *head = &p->head;
    struct str line = str_from(p->text, doc->end);
    resp->kind = head->kind;
    resp->cond = head->cond;
    resp->number = head->number <= UINT32_MAX ? (uint32_t)head->number : 0;
    if (head->kind == IMAP_RESP_UNKNOWN) {
        give_up(resp, IMAP_RESP_UNKNOWN, line);
    } else if (head->shape == IMAP_SHAPE_TEXT) {
        resp->tag = head->tag_len > 0 ? str_from(p->text, head->tag_len) : STR_NULL;
        imap_parse_resp_text(doc, resp);
    } else if (head->number > UINT32_MAX || !head->def->parse(doc, resp)) {
        give_up(resp, IMAP_RESP_UNPARSED, line);
    }
}

/* line_end: where the last segment's CRLF begins. */
static void finish(struct imap_parser *p, size_t line_end)
{
    if (!p->head.blank) {
        struct imap_doc doc = {.arena = &p->arena,
                               .text = p->text,
                               .rest = p->head.rest,
                               .end = line_end,
                               .toks = &p->toks,
                               .set = &p->set,
                               .utf8 = p->utf8};
        struct imap_resp resp = {0};
        if (p->head.shape != IMAP_SHAPE_TEXT) {
            imap_lex_end(&p->toks, line_end);
        }
        interpret(p, &doc, &resp);
        p->rows_differ = (resp.row.has & ~(uint32_t)IMAP_ROW_SCAN_ITEMS) != 0;
        p->events.on_response(p->ctx, &resp);
    }
    reset(p);
}

/* --- lines --- */

/* The text ends with LF. */
static bool segment_end(struct imap_parser *p, struct err *err)
{
    size_t lf = p->len - 1;
    bool crlf = lf > p->segment && p->text[lf - 1] == '\r';
    size_t to = crlf ? lf - 1 : lf;
    if (p->head.shape == IMAP_SHAPE_TEXT) {
        finish(p, to);
        return true;
    }
    if (!crlf && imap_quotes_open(&p->quotes, p->text, lf)) {
        return true;
    }
    if (p->head.shape == IMAP_SHAPE_ROW && p->behind_literal && !p->blank_skipped &&
        to == p->segment) {
        /* Some servers announce a literal one or two bytes too short: its line end is
         * here, and the row goes on behind. A row never ends right behind a literal. */
        p->blank_skipped = true;
        p->segment = p->len;
        p->quotes = (struct imap_quotes){.at = p->len};
        return true;
    }
    size_t from = p->segment < p->head.rest ? p->head.rest : p->segment;
    struct imap_literal_head literal = {.at = to};
    bool candidate = from < to && imap_literal_find(p->text, from, to, &literal);
    if (imap_lex(&p->toks, p->text, from < to ? from : to, to, literal.at) && candidate) {
        return imap_frame_literal_begin(p, &literal, err);
    }
    finish(p, to);
    return true;
}

/* A byte behind which the head may be complete. */
static bool may_end_head(char c)
{
    return c == ' ' || c == '\n' || c == '[' || c == '+';
}

/* The bytes up to and with the next such byte; never beyond the limit for heads. */
static size_t head_piece(const struct imap_parser *p, const struct imap_input *in)
{
    size_t have = (size_t)(in->end - in->at), room = IMAP_HEAD_MAX - p->len, n = 1;
    size_t most = have < room ? have : room;
    while (n < most && !may_end_head(in->at[n - 1])) {
        n++;
    }
    return n;
}

static bool head_done(struct imap_parser *p, struct err *err)
{
    p->head_known = true;
    p->quotes.at = p->head.rest;
    imap_toks_begin(&p->toks, p->limits, p->head.shape == IMAP_SHAPE_ROW);
    if (p->head.shape == IMAP_SHAPE_SET) {
        imap_frame_carry(p);
        imap_setlex_begin(&p->set, p->limits->total_max,
                          p->head.def->parse == imap_parse_search,
                          p->head.def->parse == imap_parse_vanished);
    }
    return p->text[p->len - 1] != '\n' || segment_end(p, err);
}

/* Of some servers; not part of any response. */
static void skip_padding(struct imap_input *in)
{
    while (in->at < in->end && *in->at == '\0') {
        in->at++;
    }
}

static bool may_be_row(const struct imap_input *in)
{
    return in->end - in->at > 2 && in->at[0] == '*' && ascii_is_digit(in->at[2]);
}

/* The plain rows that come next and lie in the chunk as a whole, unless the row before was none:
 * those of an answer are alike. A token takes at least one byte, so that no limit is passed by
 * one that is short enough. */
static void take_rows(struct imap_parser *p, struct imap_input *in)
{
    if (!may_be_row(in) || p->rows_differ || p->limits->depth_max < 2) {
        return;
    }
    struct imap_resp resp = {.kind = IMAP_RESP_FETCH};
    size_t nodes = p->limits->nodes_max, line = p->limits->line_max, n;
    size_t most = nodes < line ? nodes : line;
    do {
        size_t have = (size_t)(in->end - in->at);
        n = imap_row_scan(in->at, have < most ? have : most, &resp.row);
        if (n > 0) {
            resp.number = resp.row.seq;
            in->at += n;
            p->events.on_response(p->ctx, &resp);
            skip_padding(in);
        }
    } while (n > 0 && !p->stop);
}

/* In one step if the chunk holds all of the head, as nearly all do; else word by word
 * until the words tell what the response is. */
static bool step_head(struct imap_parser *p, struct imap_input *in, struct err *err)
{
    if (p->len == 0) {
        skip_padding(in);
        take_rows(p, in);
        p->text = in->at;
    }
    if (p->stop) {
        return true;
    }
    size_t have = (size_t)(in->end - in->at);
    have = have < IMAP_HEAD_MAX ? have : IMAP_HEAD_MAX;
    if (p->len == 0 && have > 0 && imap_head_parse(in->at, have, &p->head)) {
        return take_line(p, in, p->head.used, err) && head_done(p, err);
    }
    while (in->at < in->end) {
        size_t n = head_piece(p, in);
        char last = in->at[n - 1];
        if (!take_line(p, in, n, err)) {
            return false;
        }
        if ((may_end_head(last) || p->len == IMAP_HEAD_MAX) &&
            imap_head_parse(p->text, p->len, &p->head)) {
            return head_done(p, err);
        }
    }
    return true;
}

/* A digit behind a space, outside parentheses, begins the set: in ESEARCH only behind
 * ALL. */
static bool set_begins(const struct imap_parser *p, char c)
{
    if (!ascii_is_digit(c) || p->set_depth > 0 || p->text[p->len - 1] != ' ') {
        return false;
    }
    static const struct str all = {.ptr = " ALL ", .len = 5};
    return p->head.def->parse != imap_parse_esearch ||
           (p->len >= p->segment + all.len &&
            str_ieq(str_from(p->text + p->len - all.len, all.len), all));
}

/* One byte of a SEARCH, ESEARCH or VANISHED, or a run of bytes of its set. In the text an
 * asterisk holds the set's place. */
static bool step_set(struct imap_parser *p, struct imap_input *in, struct err *err)
{
    if (p->set.active) {
        size_t used;
        uint64_t max = (uint64_t)p->limits->total_max * IMAP_SET_BYTES_PER_TOTAL;
        size_t have = (size_t)(in->end - in->at);
        bool ok = imap_setlex_feed(&p->set, in->at, have, &used);
        in->at += used;
        if (!ok || p->set.bytes > max) {
            return err_set(err, ERR_LIMIT, "a set of message numbers is too long");
        }
        return true;
    }
    char c = *in->at;
    if (set_begins(p, c)) {
        static const char mark[] = "* ";
        struct imap_input place = {.at = mark, .end = mark + 2};
        p->set.active = true;
        p->set.seen = true;
        return take_line(p, &place, 2, err);
    }
    if (c == '(') {
        p->set_depth++;
    } else if (c == ')' && p->set_depth > 0) {
        p->set_depth--;
    }
    return take_line(p, in, 1, err) && (c != '\n' || segment_end(p, err));
}

/* The end of a dropped line: that of the row, unless a literal follows. */
static bool cut_line_end(struct imap_parser *p, struct err *err)
{
    struct imap_literal_head literal;
    uint64_t size = 0;
    if (!imap_literal_find(p->tail.bytes, 0, p->tail.len - CRLF_LEN, &literal)) {
        finish(p, p->row_end);
        return true;
    }
    if (!imap_literal_size(&literal, &size, err)) {
        return false;
    }
    p->cut_bytes += size;
    p->tail.len = 0;
    if (size > 0) {
        p->left = 0;
        p->dropped = size;
        p->state = IMAP_FRAME_LITERAL;
    }
    return true;
}

static bool step_cut(struct imap_parser *p, struct imap_input *in, struct err *err)
{
    const char *lf = memchr(in->at, '\n', (size_t)(in->end - in->at));
    size_t n = lf != NULL ? (size_t)(lf - in->at) + 1 : (size_t)(in->end - in->at);
    imap_tail_add(&p->tail, in->at, n);
    in->at += n;
    p->cut_bytes += n;
    bool ended = lf != NULL && p->tail.len >= CRLF_LEN &&
                 p->tail.bytes[p->tail.len - CRLF_LEN] == '\r';
    if (ended && !cut_line_end(p, err)) {
        return false;
    }
    return p->cut_bytes <= IMAP_CUT_MAX ||
           err_set(err, ERR_LIMIT, "a row is longer than %d bytes", IMAP_CUT_MAX);
}

static bool step_line(struct imap_parser *p, struct imap_input *in, struct err *err)
{
    if (p->cutting) {
        return step_cut(p, in, err);
    }
    if (!p->head_known) {
        return step_head(p, in, err);
    }
    if (p->head.shape == IMAP_SHAPE_SET) {
        return step_set(p, in, err);
    }
    const char *lf = memchr(in->at, '\n', (size_t)(in->end - in->at));
    size_t n = lf != NULL ? (size_t)(lf - in->at) + 1 : (size_t)(in->end - in->at);
    return take_line(p, in, n, err) && (lf == NULL || p->cutting || segment_end(p, err));
}

static bool step(struct imap_parser *p, struct imap_input *in, struct err *err)
{
    switch (p->state) {
    case IMAP_FRAME_LINE:
        return step_line(p, in, err);
    case IMAP_FRAME_LITERAL:
        imap_frame_literal(p, in);
        return true;
    case IMAP_FRAME_STREAM:
        imap_frame_stream(p, in);
        return true;
    case IMAP_FRAME_FAILED:
        break;
    }
    *err = *p->failure;
    return false;
}

/* The reason is kept apart: parsers are many, and few of them fail. */
static void fail(struct imap_parser *p, const struct err *why)
{
    p->state = IMAP_FRAME_FAILED;
    p->failure = MEM_NEW(struct err);
    *p->failure = *why;
}

bool imap_parser_feed(struct imap_parser *p, const char *data, size_t len,
                      size_t *used_out, struct err *err)
{
    CHECK_MAGIC(p, PARSER_MAGIC);
    struct imap_input in = {.at = data, .end = data + len};
    struct err failure;
    err_clear(&failure);
    bool ok = p->state != IMAP_FRAME_FAILED;
    p->stop = false;
    while (ok && in.at < in.end && !p->stop) {
        ok = step(p, &in, &failure);
    }
    *used_out = (size_t)(in.at - data);
    if (!ok) {
        if (p->state != IMAP_FRAME_FAILED) {
            fail(p, &failure);
        }
        if (err != NULL) {
            *err = *p->failure;
        }
        return false;
    }
    if (p->len > 0) {
        imap_frame_carry(p);
    }
    return true;
}
