/* imap_fetch_row: one FETCH response.
 *
 *   message-data = nz-number SP "FETCH" SP "(" msg-att *(SP msg-att) ")"
 *   msg-att      = "UID" SP uniqueid / "FLAGS" SP flag-list / "MODSEQ" SP "(" number ")"
 * / "INTERNALDATE" SP date-time / "RFC822.SIZE" SP number64 / "ENVELOPE" SP envelope /
 * "BODY" ["STRUCTURE"] SP body / "BODY" section ["<" number ">"] SP nstring / "BINARY"
 * section-binary SP (nstring / literal8) / "EMAILID" SP "(" objectid ")" / "THREADID" SP
 * ("(" objectid ")" / nil) / "PREVIEW" SP nstring
 * ; RFC 8970, RFC 9051 §9, RFC 7162 §7, RFC 8474 §7, X-GM-EXT-1
 *
 * An item that does not parse is left out and marks the row as partial; an unknown one is
 * a name and one value. */
#include "imap_codec_priv.h"

#include "postrider/base/num.h"

typedef bool read_item(struct imap_doc *doc, const struct imap_tok *value, uint32_t bit,
                       struct imap_row *row);

static bool read_uid(struct imap_doc *doc, const struct imap_tok *value, uint32_t bit,
                     struct imap_row *row)
{
    uint64_t v;
    if (imap_tok_num(doc, value, UINT32_MAX, &v) != IMAP_NUM_OK || v == 0) {
        return false;
    }
    row->uid = (uint32_t)v;
    row->has |= bit;
    return true;
}

static bool read_flags(struct imap_doc *doc, const struct imap_tok *value, uint32_t bit,
                       struct imap_row *row)
{
    bool wildcard = false;
    if (!imap_tok_is_list(value) && !imap_tok_is_nil(value)) {
        return false;
    }
    imap_flags_read(imap_cur_children(doc, value), &row->flags, &wildcard);
    row->has |= bit;
    return true;
}

/* The value, or the only element of the list that it is. */
static const struct imap_tok *unwrap(struct imap_doc *doc, const struct imap_tok *value)
{
    struct imap_cur inner = imap_cur_children(doc, value);
    return imap_tok_is_list(value) ? imap_cur_next(&inner) : value;
}

static bool read_modseq(struct imap_doc *doc, const struct imap_tok *value, uint32_t bit,
                        struct imap_row *row)
{
    uint64_t v;
    enum imap_num num = imap_tok_num(doc, unwrap(doc, value), IMAP_NUM63_MAX, &v);
    if (num == IMAP_NUM_OK && v > 0) {
        row->modseq = v;
        row->has |= bit;
    }
    return num != IMAP_NUM_BAD;
}

static bool read_size(struct imap_doc *doc, const struct imap_tok *value, uint32_t bit,
                      struct imap_row *row)
{
    uint64_t v;
    enum imap_num num = imap_tok_num(doc, value, IMAP_NUM63_MAX, &v);
    if (num == IMAP_NUM_OK) {
        row->size = v;
        row->has |= bit;
    }
    return num != IMAP_NUM_BAD;
}

static bool read_date(struct imap_doc *doc, const struct imap_tok *value, uint32_t bit,
                      struct imap_row *row)
{
    struct str text = imap_tok_nstring(doc, value);
    bool absent = false;
    if (text.ptr == NULL) {
        return imap_tok_is_nil(value);
    }
    if (!imap_date_parse_fixed(text, &row->internaldate_ms) &&
        !imap_date_parse(text, &row->internaldate_ms, &absent)) {
        return false;
    }
    row->has |= absent ? 0 : bit;
    return true;
}

static bool read_envelope(struct imap_doc *doc, const struct imap_tok *value,
                          uint32_t bit, struct imap_row *row)
{
    const struct imap_envelope *envelope = imap_envelope_read(doc, value);
    if (envelope == NULL) {
        return false;
    }
    row->envelope = envelope;
    row->has |= bit;
    return true;
}

static bool read_structure(struct imap_doc *doc, const struct imap_tok *value,
                           uint32_t bit, struct imap_row *row)
{
    const struct imap_structure *structure = imap_structure_read(doc, value);
    if (structure == NULL) {
        return false;
    }
    row->structure = structure;
    row->has |= bit;
    return true;
}

/* EMAILID, THREADID, X-GM-MSGID, X-GM-THRID: in parentheses, bare, or NIL. */
static bool read_id(struct imap_doc *doc, const struct imap_tok *value, uint32_t bit,
                    struct imap_row *row)
{
    const struct imap_tok *tok = unwrap(doc, value);
    struct str id = imap_tok_nstring(doc, tok);
    bool is_email = (bit & (IMAP_ITEM_EMAILID | IMAP_ITEM_GM_MSGID)) != 0;
    if (id.len == 0) {
        return tok == NULL || imap_tok_is_nil(tok);
    }
    if (id.len > IMAP_OBJECTID_MAX) {
        return true; /* there is no such id: as if none was told */
    }
    *(is_email ? &row->email_id : &row->thread_id) = id;
    row->has |= bit;
    return true;
}

static bool read_preview(struct imap_doc *doc, const struct imap_tok *value, uint32_t bit,
                         struct imap_row *row)
{
    row->preview = imap_tok_nstring(doc, value);
    row->has |= row->preview.ptr != NULL ? bit : 0;
    return row->preview.ptr != NULL || imap_tok_is_nil(value);
}

static bool read_labels(struct imap_doc *doc, const struct imap_tok *value, uint32_t bit,
                        struct imap_row *row)
{
    if (!imap_tok_is_list(value)) {
        return imap_tok_is_nil(value);
    }
    struct imap_cur cur = imap_cur_children(doc, value);
    struct str *labels = ARENA_ARRAY(doc->arena, struct str, imap_cur_count(cur));
    size_t n = 0;
    const struct imap_tok *tok;
    while ((tok = imap_cur_next(&cur)) != NULL) {
        labels[n] = imap_tok_str(doc, tok);
        n += labels[n].len > 0 ? 1 : 0;
    }
    row->labels = labels;
    row->label_count = n;
    row->has |= bit;
    return true;
}

static const struct item_def {
    struct str name;
    uint32_t bit;
    read_item *read;
} item_defs[] = {
    {STR_INIT("UID"), IMAP_ITEM_UID, read_uid},
    {STR_INIT("FLAGS"), IMAP_ITEM_FLAGS, read_flags},
    {STR_INIT("MODSEQ"), IMAP_ITEM_MODSEQ, read_modseq},
    {STR_INIT("RFC822.SIZE"), IMAP_ITEM_SIZE, read_size},
    {STR_INIT("INTERNALDATE"), IMAP_ITEM_INTERNALDATE, read_date},
    {STR_INIT("ENVELOPE"), IMAP_ITEM_ENVELOPE, read_envelope},
    {STR_INIT("BODYSTRUCTURE"), IMAP_ITEM_BODYSTRUCTURE, read_structure},
    {STR_INIT("BODY"), IMAP_ITEM_BODYSTRUCTURE, read_structure},
    {STR_INIT("EMAILID"), IMAP_ITEM_EMAILID, read_id},
    {STR_INIT("THREADID"), IMAP_ITEM_THREADID, read_id},
    {STR_INIT("X-GM-MSGID"), IMAP_ITEM_GM_MSGID, read_id},
    {STR_INIT("X-GM-THRID"), IMAP_ITEM_GM_THRID, read_id},
    {STR_INIT("X-GM-LABELS"), IMAP_ITEM_GM_LABELS, read_labels},
    {STR_INIT("PREVIEW"), IMAP_ITEM_PREVIEW, read_preview},
};

/* Worth having also if the end is missing. */
static const uint32_t piecewise = IMAP_ITEM_ENVELOPE | IMAP_ITEM_BODYSTRUCTURE;

static const struct item_def *find_item(const struct imap_doc *doc,
                                        const struct imap_tok *tok)
{
    if (!imap_tok_is_atom(tok)) {
        return NULL;
    }
    struct str name = imap_tok_raw(doc, tok);
    for (size_t i = 0; i < ARRAY_LEN(item_defs); i++) {
        if (str_ieq(name, item_defs[i].name)) {
            return &item_defs[i];
        }
    }
    return NULL;
}

/* --- sections --- */

/* The names of RFC 1730 for what are sections now. */
static bool old_section(struct str name, struct imap_section *out)
{
    static const struct {
        const char *item, *section;
    } old[] = {{"RFC822", ""}, {"RFC822.HEADER", "HEADER"}, {"RFC822.TEXT", "TEXT"}};
    for (size_t i = 0; i < ARRAY_LEN(old); i++) {
        if (str_ieq_c(name, old[i].item)) {
            *out = (struct imap_section){.name = str_of(old[i].section)};
            return true;
        }
    }
    return false;
}

/* Length of a literal header "{n}" CRLF at s, or 0. */
static size_t literal_head_len(struct str s)
{
    size_t i = 1;
    while (i < s.len && ascii_is_digit(s.ptr[i])) {
        i++;
    }
    i += i < s.len && s.ptr[i] == '+' ? 1 : 0;
    if (s.len == 0 || s.ptr[0] != '{' || i >= s.len || s.ptr[i] != '}') {
        return 0;
    }
    i++;
    i += i < s.len && s.ptr[i] == '\r' ? 1 : 0;
    return i < s.len && s.ptr[i] == '\n' ? i + 1 : 0;
}

/* A header list may name a field by a literal: its header is no part of the name. */
static struct str without_literal_heads(struct arena *arena, struct str name)
{
    if (str_find_byte(name, '\n') == SIZE_MAX) {
        return name;
    }
    char *out = arena_alloc(arena, name.len);
    size_t n = 0;
    while (name.len > 0) {
        size_t skip = literal_head_len(name);
        if (skip == 0) {
            out[n++] = name.ptr[0];
            skip = 1;
        }
        name = str_tail(name, skip);
    }
    return str_from(out, n);
}

/* "<0>", or "<0.1024>" of servers that echo the request. */
static uint32_t read_origin(struct str s)
{
    size_t n = 1;
    while (n < s.len && ascii_is_digit(s.ptr[n])) {
        n++;
    }
    uint32_t v;
    return s.len > 1 && s.ptr[0] == '<' && num_u32(str_from(s.ptr + 1, n - 1), &v) ? v
                                                                                   : 0;
}

bool imap_section_parse(const struct imap_doc *doc, const struct imap_tok *tok,
                        struct imap_section *out)
{
    static const struct str prefixes[] = {STR_INIT("BODY["), STR_INIT("BODY.PEEK["),
                                          STR_INIT("BINARY["), STR_INIT("BINARY.PEEK[")};
    if (!imap_tok_is_atom(tok)) {
        return false;
    }
    struct str name = imap_tok_raw(doc, tok);
    for (size_t i = 0; i < ARRAY_LEN(prefixes); i++) {
        size_t end = name.len, from = prefixes[i].len;
        if (end < from || !ascii_ieq(name.ptr, prefixes[i].ptr, from)) {
            continue;
        }
        while (end > 0 && name.ptr[end - 1] != ']') {
            end--;
        }
        if (end <= from) {
            return false;
        }
        struct str inside = str_from(name.ptr + from, end - 1 - from);
        *out = (struct imap_section){.name = without_literal_heads(doc->arena, inside),
                                     .origin = read_origin(str_tail(name, end))};
        return true;
    }
    return old_section(name, out);
}

/* What follows a section's name: its value, unless the server left that out (Yandex) and
 * the next item follows at once. */
static bool read_section(struct imap_cur *cur, struct imap_section *section)
{
    const struct imap_tok *value = imap_cur_peek(cur);
    struct imap_section other;
    if (value == NULL || find_item(cur->doc, value) != NULL ||
        imap_section_parse(cur->doc, value, &other)) {
        return true;
    }
    imap_cur_next(cur);
    section->streamed = (value->flags & IMAP_TOK_STREAMED) != 0;
    section->data = imap_tok_nstring(cur->doc, value);
    return !imap_tok_is_list(value);
}

/* --- the row --- */

static void add_section(struct imap_cur *cur, struct imap_section *section,
                        struct imap_section **sections, struct imap_row *row)
{
    if (*sections == NULL) {
        /* There cannot be more than tokens left, and one is behind us. */
        size_t most = imap_cur_count(*cur) + 1;
        *sections = ARENA_ARRAY(cur->doc->arena, struct imap_section, most);
        row->sections = *sections;
    }
    row->partial = !read_section(cur, section) || row->partial;
    (*sections)[row->section_count++] = *section;
    row->has |= IMAP_ITEM_SECTIONS;
}

static void read_items(struct imap_cur cur, struct imap_row *row)
{
    struct imap_section *sections = NULL, section;
    const struct imap_tok *name;
    while ((name = imap_cur_next(&cur)) != NULL) {
        const struct item_def *item = find_item(cur.doc, name);
        if (item != NULL) {
            const struct imap_tok *value = imap_cur_next(&cur);
            bool whole = !cur.doc->toks->torn || imap_cur_peek(&cur) != NULL;
            bool taken = (whole || (item->bit & piecewise) != 0) &&
                         item->read(cur.doc, value, item->bit, row);
            row->partial = !taken || row->partial;
        } else if (imap_section_parse(cur.doc, name, &section)) {
            add_section(&cur, &section, &sections, row);
        } else if (imap_tok_is_atom(name)) {
            imap_cur_next(&cur);
        } else {
            row->partial = true;
        }
    }
}

bool imap_parse_fetch(struct imap_doc *doc, struct imap_resp *resp)
{
    struct imap_cur cur = imap_cur_all(doc);
    const struct imap_tok *list = imap_cur_next(&cur);
    struct imap_row *row = &resp->row;
    if (!imap_tok_is_list(list)) {
        return false;
    }
    row->seq = resp->number;
    row->partial = doc->toks->malformed || doc->toks->cut || imap_cur_peek(&cur) != NULL;
    read_items(imap_cur_children(doc, list), row);
    if (resp->number == 0 || (row->has == 0 && !row->partial)) {
        /* "* 0 FETCH" of Courier and the empty rows of QIP say nothing. */
        *resp = (struct imap_resp){.kind = IMAP_RESP_UNKNOWN, .number = resp->number};
    }
    return true;
}
