/* imap_resp_code: the text of conditions, and the response code in front of it.
 *
 *   resp-text      = ["[" resp-text-code "]" [SP]] [text]      ; RFC 9051 §9, text
 * optional resp-text-code = atom [SP 1*<any TEXT-CHAR except "]">]
 *
 * Real servers put "]" into arguments (keywords), leave the text out, and Gmail puts
 * [THROTTLED] at the end of the text. */
#include "imap_codec_priv.h"

enum code_args {
    ARGS_NONE, /* none, or only kept raw */
    ARGS_NUM32,
    ARGS_NUM63,
    ARGS_FLAGS,
    ARGS_WORDS,
    ARGS_SET,
    ARGS_UID_SETS, /* UIDVALIDITY set [set] */
    ARGS_ID
};

static const struct {
    const char *name;
    enum imap_code_kind kind;
    enum code_args args;
} codes[] = {
    {"ALERT", IMAP_CODE_ALERT, ARGS_NONE},
    {"ALREADYEXISTS", IMAP_CODE_ALREADYEXISTS, ARGS_NONE},
    {"APPENDUID", IMAP_CODE_APPENDUID, ARGS_UID_SETS},
    {"AUTHENTICATIONFAILED", IMAP_CODE_AUTHENTICATIONFAILED, ARGS_NONE},
    {"AUTHORIZATIONFAILED", IMAP_CODE_AUTHORIZATIONFAILED, ARGS_NONE},
    {"BADCHARSET", IMAP_CODE_BADCHARSET, ARGS_NONE},
    {"CANNOT", IMAP_CODE_CANNOT, ARGS_NONE},
    {"CAPABILITY", IMAP_CODE_CAPABILITY, ARGS_WORDS},
    {"CLIENTBUG", IMAP_CODE_CLIENTBUG, ARGS_NONE},
    {"CLOSED", IMAP_CODE_CLOSED, ARGS_NONE},
    {"CONTACTADMIN", IMAP_CODE_CONTACTADMIN, ARGS_NONE},
    {"COPYUID", IMAP_CODE_COPYUID, ARGS_UID_SETS},
    {"CORRUPTION", IMAP_CODE_CORRUPTION, ARGS_NONE},
    {"EXPIRED", IMAP_CODE_EXPIRED, ARGS_NONE},
    {"EXPUNGEISSUED", IMAP_CODE_EXPUNGEISSUED, ARGS_NONE},
    {"HIGHESTMODSEQ", IMAP_CODE_HIGHESTMODSEQ, ARGS_NUM63},
    {"INUSE", IMAP_CODE_INUSE, ARGS_NONE},
    {"LIMIT", IMAP_CODE_LIMIT, ARGS_NONE},
    {"MAILBOXID", IMAP_CODE_MAILBOXID, ARGS_ID},
    {"MODIFIED", IMAP_CODE_MODIFIED, ARGS_SET},
    {"NOMODSEQ", IMAP_CODE_NOMODSEQ, ARGS_NONE},
    {"NONEXISTENT", IMAP_CODE_NONEXISTENT, ARGS_NONE},
    {"NOPERM", IMAP_CODE_NOPERM, ARGS_NONE},
    {"NOTIFICATIONOVERFLOW", IMAP_CODE_NOTIFICATIONOVERFLOW, ARGS_NONE},
    {"OVERQUOTA", IMAP_CODE_OVERQUOTA, ARGS_NONE},
    {"PERMANENTFLAGS", IMAP_CODE_PERMANENTFLAGS, ARGS_FLAGS},
    {"PRIVACYREQUIRED", IMAP_CODE_PRIVACYREQUIRED, ARGS_NONE},
    {"READ-ONLY", IMAP_CODE_READ_ONLY, ARGS_NONE},
    {"READ-WRITE", IMAP_CODE_READ_WRITE, ARGS_NONE},
    {"SERVERBUG", IMAP_CODE_SERVERBUG, ARGS_NONE},
    {"THROTTLED", IMAP_CODE_THROTTLED, ARGS_NONE},
    {"TOOBIG", IMAP_CODE_TOOBIG, ARGS_NONE},
    {"TRYCREATE", IMAP_CODE_TRYCREATE, ARGS_NONE},
    {"UIDNEXT", IMAP_CODE_UIDNEXT, ARGS_NUM32},
    {"UIDNOTSTICKY", IMAP_CODE_UIDNOTSTICKY, ARGS_NONE},
    {"UIDVALIDITY", IMAP_CODE_UIDVALIDITY, ARGS_NUM32},
    {"UNAVAILABLE", IMAP_CODE_UNAVAILABLE, ARGS_NONE},
    {"UNKNOWN-CTE", IMAP_CODE_UNKNOWN_CTE, ARGS_NONE},
    {"UNSEEN", IMAP_CODE_UNSEEN, ARGS_NUM32},
    {"WEBALERT", IMAP_CODE_WEBALERT, ARGS_NONE},
};

static enum code_args code_kind(struct str name, enum imap_code_kind *kind_out)
{
    for (size_t i = 0; i < ARRAY_LEN(codes); i++) {
        if (str_ieq_c(name, codes[i].name)) {
            *kind_out = codes[i].kind;
            return codes[i].args;
        }
    }
    *kind_out = IMAP_CODE_OTHER;
    return ARGS_NONE;
}

/* Index of the "]" that belongs to the "[" at 0, or SIZE_MAX. */
static size_t matching_bracket(struct str s)
{
    size_t depth = 0;
    bool quoted = false;
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        if (quoted && c == '\\') {
            i++;
        } else if (c == '"') {
            quoted = !quoted;
        } else if (c == '[' && !quoted) {
            depth++;
        } else if (c == ']' && !quoted && --depth == 0) {
            return i;
        }
    }
    return SIZE_MAX;
}

static void read_id(struct imap_cur cur, struct imap_code *code)
{
    const struct imap_tok *tok = imap_cur_next(&cur);
    if (imap_tok_is_list(tok)) {
        struct imap_cur inner = imap_cur_children(cur.doc, tok);
        tok = imap_cur_next(&inner);
    }
    code->id = imap_tok_nstring(cur.doc, tok);
}

static void read_set(struct imap_cur *cur, struct imap_set *out)
{
    struct str text = imap_tok_str(cur->doc, imap_cur_next(cur));
    if (!imap_set_parse(cur->doc->arena, text, out)) {
        *out = (struct imap_set){0};
    }
}

static void read_number(struct imap_cur *cur, uint64_t max, struct imap_code *code)
{
    uint64_t v;
    bool ok = imap_tok_num(cur->doc, imap_cur_next(cur), max, &v) == IMAP_NUM_OK;
    code->number = ok ? v : 0;
}

static void read_args(struct imap_doc *doc, enum code_args args, struct imap_resp *resp)
{
    struct imap_code *code = &resp->code;
    size_t from = (size_t)(code->args.ptr - doc->text), to = from + code->args.len;
    (void)imap_lex(doc->toks, doc->text, from, to, to);
    imap_lex_end(doc->toks, to);
    struct imap_cur cur = imap_cur_all(doc);
    switch (args) {
    case ARGS_NONE:
        break;
    case ARGS_NUM32:
        read_number(&cur, UINT32_MAX, code);
        break;
    case ARGS_NUM63:
        read_number(&cur, IMAP_NUM63_MAX, code);
        break;
    case ARGS_FLAGS:
        imap_flags_read(imap_cur_children(doc, imap_cur_next(&cur)), &code->flags,
                        &code->flags_wildcard);
        break;
    case ARGS_WORDS:
        imap_words_upper(cur, resp);
        break;
    case ARGS_SET:
        read_set(&cur, &code->set_a);
        break;
    case ARGS_UID_SETS:
        read_number(&cur, UINT32_MAX, code);
        read_set(&cur, &code->set_a);
        read_set(&cur, &code->set_b);
        break;
    case ARGS_ID:
        read_id(cur, code);
        break;
    }
}

/* text begins with "["; returns what stands behind the code, or text itself if there is
 * no code. */
static struct str read_code(struct imap_doc *doc, struct str text, struct imap_resp *resp)
{
    size_t end = matching_bracket(text);
    end = end != SIZE_MAX ? end : str_find_byte(text, ']');
    if (end == SIZE_MAX) {
        return text;
    }
    struct str inside = str_trim(str_from(text.ptr + 1, end - 1));
    size_t space = str_find_byte(inside, ' ');
    struct imap_code *code = &resp->code;
    code->name = space != SIZE_MAX ? str_from(inside.ptr, space) : inside;
    if (code->name.len == 0) {
        code->name = STR_NULL;
        return text;
    }
    enum code_args args = code_kind(code->name, &code->kind);
    if (space != SIZE_MAX) {
        code->args = str_trim(str_tail(inside, space));
        if (args != ARGS_NONE) {
            read_args(doc, args, resp);
        }
    }
    return str_tail(text, end + 1);
}

/* "Success [THROTTLED]": only codes that we know and that have no arguments, as brackets
 * at the end are text otherwise (Exchange: "ready. [base64]"). */
static void read_trailing_code(struct str text, struct imap_code *code)
{
    if (text.len < 3 || text.ptr[text.len - 1] != ']') {
        return;
    }
    size_t at = text.len - 1;
    while (at > 0 && text.ptr[at - 1] != '[') {
        at--;
    }
    struct str name = str_from(text.ptr + at, text.len - 1 - at);
    enum imap_code_kind kind;
    if (at > 0 && code_kind(name, &kind) == ARGS_NONE && kind != IMAP_CODE_OTHER) {
        code->kind = kind;
        code->name = name;
    }
}

static struct str skip_spaces(struct str s)
{
    while (s.len > 0 && s.ptr[0] == ' ') {
        s = str_tail(s, 1);
    }
    return s;
}

void imap_parse_resp_text(struct imap_doc *doc, struct imap_resp *resp)
{
    struct str text = skip_spaces(str_from(doc->text + doc->rest, doc->end - doc->rest));
    if (resp->kind != IMAP_RESP_CONTINUE && text.len > 0 && text.ptr[0] == '[') {
        text = skip_spaces(read_code(doc, text, resp));
    }
    if (resp->code.kind == IMAP_CODE_NONE && resp->kind != IMAP_RESP_CONTINUE) {
        read_trailing_code(text, &resp->code);
    }
    resp->text = text;
}
