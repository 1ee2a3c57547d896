/* imap_bodystructure: BODY and BODYSTRUCTURE into a tree of parts.
 *
 *   body      = "(" (1*body SP subtype [SP mpart-ext] / type-1part [SP 1part-ext]) ")"
 *   type-1part= type SP subtype SP params SP id SP description SP encoding SP size
 *               [SP lines]                                   ; text
 *               [SP envelope SP body SP lines]               ; message/rfc822
 *   1part-ext = md5 [SP disposition [SP language [SP location *(SP extension)]]]
 *   mpart-ext = params [SP disposition [SP language [SP location *(SP extension)]]]
 *   params    = "(" string SP string *(SP string SP string) ")" / nil      ; RFC 9051 §9
 *   disposition = "(" string SP params ")" / nil
 *
 * The tree is built without recursion: a frame per open part keeps where its children go
 * on. A part that makes no sense becomes application/octet-stream, so that the numbers of
 * the parts behind it stay right. */
#include "imap_codec_priv.h"

struct frame {
    struct imap_part *part;
    struct imap_part *last; /* child */
    struct imap_cur cur;    /* the tokens behind the children read so far */
    uint32_t count;         /* of children */
    bool is_message;        /* one body, then the rest of message/rfc822 */
    bool body_read;
};

struct builder {
    struct imap_doc *doc;
    struct imap_structure *out;
    struct frame frames[IMAP_PART_DEPTH_MAX];
    uint32_t depth; /* frames in use */
    uint32_t parts;
};

/* --- fields --- */

static void read_params(struct builder *b, const struct imap_tok *list,
                        struct imap_params *out)
{
    struct imap_doc *doc = b->doc;
    struct imap_cur cur = imap_cur_children(doc, list);
    size_t most = imap_cur_count(cur) / 2;
    if (most > IMAP_PARAMS_MAX) {
        most = IMAP_PARAMS_MAX;
        b->out->truncated = true;
    }
    if (most == 0) {
        return;
    }
    struct imap_param *items = ARENA_ARRAY(doc->arena, struct imap_param, most);
    size_t n = 0;
    const struct imap_tok *key, *value;
    while (n < most && (key = imap_cur_next(&cur)) != NULL &&
           (value = imap_cur_next(&cur)) != NULL) {
        items[n] = (struct imap_param){.name = imap_tok_nstring(doc, key),
                                       .value = imap_tok_nstring(doc, value)};
        n += items[n].name.len > 0 ? 1 : 0;
    }
    *out = (struct imap_params){.items = items, .count = n};
}

/* ("inline" NIL), "inline", (NIL NIL), NIL. */
static void read_disposition(struct builder *b, const struct imap_tok *tok,
                             struct imap_part *part)
{
    if (!imap_tok_is_list(tok)) {
        part->disposition = imap_tok_lower(b->doc, tok);
        return;
    }
    struct imap_cur cur = imap_cur_children(b->doc, tok);
    part->disposition = imap_tok_lower(b->doc, imap_cur_next(&cur));
    read_params(b, imap_cur_next(&cur), &part->disposition_params);
}

/* language: a string or a list of strings, of which the first is kept. */
static void read_language_location(struct imap_cur *cur, struct imap_part *part)
{
    const struct imap_tok *tok = imap_cur_next(cur);
    if (imap_tok_is_list(tok)) {
        struct imap_cur inner = imap_cur_children(cur->doc, tok);
        tok = imap_cur_next(&inner);
    }
    part->language = imap_tok_nstring(cur->doc, tok);
    part->location = imap_tok_nstring(cur->doc, imap_cur_next(cur));
}

static void read_extensions(struct builder *b, struct imap_cur *cur,
                            struct imap_part *part)
{
    /* Without the md5 the disposition, the only list here, comes first. */
    if (!imap_tok_is_list(imap_cur_peek(cur))) {
        part->md5 = imap_tok_nstring(b->doc, imap_cur_next(cur));
    }
    read_disposition(b, imap_cur_next(cur), part);
    read_language_location(cur, part);
}

static void read_multipart_tail(struct builder *b, struct imap_cur *cur,
                                struct imap_part *part)
{
    read_params(b, imap_cur_next(cur), &part->params);
    read_disposition(b, imap_cur_next(cur), part);
    read_language_location(cur, part);
}

/* A number as servers send it where the grammar wants one: digits, or a negative one,
 * which is none that is known: 0. */
static bool read_count(const struct imap_doc *doc, const struct imap_tok *tok,
                       uint64_t *out)
{
    *out = 0;
    return imap_tok_is_atom(tok) && !imap_tok_is_nil(tok) &&
           imap_tok_num(doc, tok, IMAP_NUM63_MAX, out) != IMAP_NUM_BAD;
}

static bool is_count(const struct imap_doc *doc, const struct imap_tok *tok)
{
    uint64_t v;
    return read_count(doc, tok, &v);
}

/* The number of lines, if it is told. */
static void read_lines(struct imap_cur *cur, struct imap_part *part)
{
    uint64_t lines;
    if (read_count(cur->doc, imap_cur_peek(cur), &lines)) {
        part->lines = lines;
        imap_cur_next(cur);
    }
}

static const struct imap_tok *peek_at(struct imap_cur cur, uint32_t n)
{
    while (n-- > 0) {
        imap_cur_next(&cur);
    }
    return imap_cur_peek(&cur);
}

/* params, id, description, encoding, size. */
static void read_basic_fields(struct builder *b, struct imap_cur *cur,
                              struct imap_part *part)
{
    struct imap_doc *doc = b->doc;
    read_params(b, imap_cur_next(cur), &part->params);
    part->id = imap_tok_nstring(doc, imap_cur_next(cur));
    part->description = imap_tok_nstring(doc, imap_cur_next(cur));
    if (!is_count(doc, imap_cur_peek(cur))) {
        part->encoding = imap_tok_lower(doc, imap_cur_next(cur));
    }
    if (part->encoding.len == 0) {
        part->encoding = STR("7bit"); /* RFC 2045 §6.1 */
    }
    part->size = imap_tok_size(doc, imap_cur_next(cur));
}

static bool is_type(const struct imap_part *part, const char *type, const char *subtype)
{
    return str_eq_c(part->type, type) && str_eq_c(part->subtype, subtype);
}

/* Do envelope, body and lines follow? Gmail sends a message in base64 as a basic part. */
static bool has_message(struct imap_cur cur, const struct imap_part *part)
{
    struct imap_doc *doc = cur.doc;
    if (!is_type(part, "message", "rfc822") && !is_type(part, "message", "global")) {
        return false;
    }
    const struct imap_tok *envelope = peek_at(cur, 0), *body = peek_at(cur, 1);
    bool shaped = (imap_tok_is_list(envelope) || imap_tok_is_nil(envelope)) &&
                  (imap_tok_is_list(body) || imap_tok_is_nil(body));
    return shaped &&
           (is_count(doc, peek_at(cur, 2)) || imap_envelope_read(doc, envelope) != NULL);
}

/* --- what a list is --- */

static bool is_multipart_subtype(const struct imap_doc *doc, const struct imap_tok *tok)
{
    static const struct str names[] = {
        STR_INIT("alternative"), STR_INIT("mixed"),     STR_INIT("related"),
        STR_INIT("signed"),      STR_INIT("encrypted"), STR_INIT("report"),
        STR_INIT("digest"),      STR_INIT("parallel"),  STR_INIT("form-data")};
    struct str s = imap_tok_nstring(doc, tok);
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (str_ieq(s, names[i])) {
            return true;
        }
    }
    return false;
}

/* A multipart without children, in the forms that servers have for it; moves the cursor
 * behind the subtype. */
static bool is_empty_multipart(struct imap_cur *cur, struct imap_part *part)
{
    struct imap_doc *doc = cur->doc;
    const struct imap_tok *first = peek_at(*cur, 0), *second = peek_at(*cur, 1);
    bool typed = str_ieq_c(imap_tok_nstring(doc, first), "multipart");
    /* (NIL "ALTERNATIVE" …), ("multipart" "related" …) */
    if (typed || (imap_tok_is_nil(first) && is_multipart_subtype(doc, second))) {
        imap_cur_next(cur);
        part->subtype = imap_tok_lower(doc, imap_cur_next(cur));
        return true;
    }
    /* ("ALTERNATIVE"), ("ALTERNATIVE" ("BOUNDARY" "x") NIL NIL) */
    if (is_multipart_subtype(doc, first) && imap_tok_nstring(doc, second).ptr == NULL) {
        part->subtype = imap_tok_lower(doc, imap_cur_next(cur));
        return true;
    }
    return false;
}

/* type SP subtype, of which one or both may be missing. */
static void read_media_type(struct imap_cur *cur, struct imap_part *part)
{
    struct imap_doc *doc = cur->doc;
    part->type = imap_tok_lower(doc, imap_cur_next(cur));
    bool alone = imap_tok_is_list(imap_cur_peek(cur)); /* ("X-ZIP" (params) … */
    part->subtype = alone ? STR_NULL : imap_tok_lower(doc, imap_cur_next(cur));
    if (part->type.len == 0 || alone) {
        struct str only = alone ? part->type : part->subtype;
        part->subtype = only.len > 0 ? only : STR("octet-stream");
        part->type = STR("application");
    } else if (part->subtype.len == 0) {
        part->subtype = part->type;
        part->type = STR("application");
    }
}

/* --- the tree --- */

static bool is_multipart(const struct imap_part *part)
{
    return str_eq_c(part->type, "multipart");
}

enum {
    PATH_NUMBER_MAX = 24 /* a dot and a number */
};

/* above "." number */
static struct str child_path(struct arena *arena, struct str above, uint32_t number)
{
    char digits[PATH_NUMBER_MAX];
    size_t at = sizeof digits;
    do {
        digits[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    if (above.len > 0) {
        digits[--at] = '.';
    }
    size_t n = sizeof digits - at;
    char *out = arena_alloc(arena, above.len + n);
    memcpy(out, above.ptr, above.len);
    memcpy(out + above.len, digits + at, n);
    return str_from(out, above.len + n);
}

/* RFC 9051 §6.4.5.1: children of a multipart are numbered below it; the body of a message
 * is number 1 below the message, but a multipart body shares the message's number. */
static struct str part_path(struct builder *b, const struct imap_part *part,
                            const struct frame *parent)
{
    if (parent == NULL) {
        return is_multipart(part) ? STR("") : STR("1");
    }
    if (parent->is_message && is_multipart(part)) {
        return parent->part->path;
    }
    return child_path(b->doc->arena, parent->part->path, parent->count);
}

static void link_part(struct builder *b, struct imap_part *part)
{
    struct frame *parent = b->depth > 0 ? &b->frames[b->depth - 1] : NULL;
    part->depth = b->depth;
    if (parent == NULL) {
        b->out->root = part;
    } else {
        parent->count++;
        part->parent = parent->part;
        *(parent->last != NULL ? &parent->last->next : &parent->part->first_child) = part;
        parent->last = part;
    }
    part->path = part_path(b, part, parent);
}

static void push(struct builder *b, struct imap_part *part, struct imap_cur cur,
                 bool is_message)
{
    if (b->depth == IMAP_PART_DEPTH_MAX) {
        b->out->truncated = true;
        return;
    }
    b->frames[b->depth++] =
        (struct frame){.part = part, .cur = cur, .is_message = is_message};
}

static void read_single(struct builder *b, struct imap_cur cur, struct imap_part *part)
{
    read_media_type(&cur, part);
    read_basic_fields(b, &cur, part);
    link_part(b, part);
    if (has_message(cur, part)) {
        part->envelope = imap_envelope_read(b->doc, imap_cur_next(&cur));
        push(b, part, cur, true);
        return;
    }
    read_lines(&cur, part);
    read_extensions(b, &cur, part);
}

/* Makes the part of a list token; one with children stays open as a frame. */
static void read_part(struct builder *b, const struct imap_tok *list)
{
    if (b->parts == IMAP_PARTS_MAX) {
        b->out->truncated = true;
        return;
    }
    b->parts++;
    struct imap_part *part = ARENA_NEW(b->doc->arena, struct imap_part);
    struct imap_cur cur = imap_cur_children(b->doc, list);
    if (imap_tok_is_list(imap_cur_peek(&cur))) {
        part->type = STR("multipart");
        part->subtype = STR("mixed"); /* until it is read, behind the children */
        link_part(b, part);
        push(b, part, cur, false);
    } else if (is_empty_multipart(&cur, part)) {
        part->type = STR("multipart");
        link_part(b, part);
        read_params(b, imap_cur_next(&cur), &part->params);
    } else {
        read_single(b, cur, part);
    }
}

/* All children are there: the rest of the part's own fields. */
static void finish_part(struct builder *b, struct frame *f)
{
    struct imap_part *part = f->part;
    if (f->is_message) {
        read_lines(&f->cur, part);
        read_extensions(b, &f->cur, part);
        return;
    }
    part->subtype = imap_tok_lower(b->doc, imap_cur_next(&f->cur));
    part->subtype = part->subtype.len > 0 ? part->subtype : STR("mixed");
    read_multipart_tail(b, &f->cur, part);
}

/* The next child of the innermost open part, or NULL when it has no more. */
static const struct imap_tok *next_child(struct frame *f)
{
    const struct imap_tok *tok = imap_cur_peek(&f->cur);
    if (!f->is_message) {
        return imap_tok_is_list(tok) ? imap_cur_next(&f->cur) : NULL;
    }
    if (f->body_read) {
        return NULL;
    }
    f->body_read = true;
    imap_cur_next(&f->cur);
    struct imap_cur inside = imap_cur_children(f->cur.doc, tok);
    return imap_cur_peek(&inside) != NULL ? tok : NULL; /* NIL and () are no body */
}

const struct imap_structure *imap_structure_read(struct imap_doc *doc,
                                                 const struct imap_tok *tok)
{
    struct imap_cur top = imap_cur_children(doc, tok);
    if (imap_cur_peek(&top) == NULL) {
        return NULL;
    }
    struct builder b;
    b.doc = doc;
    b.depth = 0;
    b.parts = 0;
    b.out = ARENA_NEW(doc->arena, struct imap_structure);
    b.out->truncated = doc->toks->cut;
    read_part(&b, tok);
    while (b.depth > 0) {
        struct frame *f = &b.frames[b.depth - 1];
        const struct imap_tok *child = next_child(f);
        if (child != NULL) {
            read_part(&b, child);
        } else {
            finish_part(&b, f);
            b.depth--;
        }
    }
    return b.out;
}
