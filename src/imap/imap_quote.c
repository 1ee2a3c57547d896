/* imap_quote: the only encoder of strings that are not ours.
 *
 *   astring = quoted / literal           (never an atom: RFC 9051 §9 lets us choose)
 *   quoted  = DQUOTE *(any byte but CR, LF, NUL; \ before " and \) DQUOTE
 *
 * A CR, LF or NUL would end the command line or the server's string, so they are refused
 * even where a literal could carry them. */
#include "imap_priv.h"

#include "postrider/base/num.h"

enum {
    QUOTED_MAX = 1024 /* longer ones as literals: RFC 2683 §3.2.1.5 bounds lines */
};

static bool is_unsafe(char c)
{
    return c == '\r' || c == '\n' || c == '\0';
}

static bool is_eight_bit(char c)
{
    return (unsigned char)c >= 0x80;
}

static bool any_byte(struct str s, bool (*is)(char))
{
    for (size_t i = 0; i < s.len; i++) {
        if (is(s.ptr[i])) {
            return true;
        }
    }
    return false;
}

bool imap_string_is_safe(struct str s)
{
    return !any_byte(s, is_unsafe);
}

bool imap_string_is_ascii(struct str s)
{
    return !any_byte(s, is_eight_bit);
}

void imap_put_quoted(struct buf *out, struct str s)
{
    buf_put_byte(out, '"');
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] == '"' || s.ptr[i] == '\\') {
            buf_put_byte(out, '\\');
        }
        buf_put_byte(out, s.ptr[i]);
    }
    buf_put_byte(out, '"');
}

void imap_cmd_put_astring(struct imap_cmd *cmd, struct str s)
{
    if (any_byte(s, is_unsafe)) {
        imap_cmd_refuse(cmd, "a string holds a line break or NUL");
        return;
    }
    bool utf8 = (cmd->conn->enabled & IMAP_CAP_UTF8_ACCEPT) != 0;
    if (s.len > QUOTED_MAX || (!utf8 && any_byte(s, is_eight_bit))) {
        imap_cmd_put_literal(cmd, s);
    } else {
        imap_put_quoted(&cmd->text, s);
    }
}

void imap_cmd_put_mailbox(struct imap_cmd *cmd, struct str wire)
{
    if (wire.len == 0) {
        imap_cmd_refuse(cmd, "the mailbox has no name");
        return;
    }
    imap_cmd_put_astring(cmd, str_ieq_c(wire, "INBOX") ? STR("INBOX") : wire);
}

/* ATOM-CHAR of RFC 9051 §9, and "]", which servers use in keywords. */
static bool is_atom_char(char c)
{
    return c > 0x20 && c < 0x7f && strchr("(){%*\"\\", c) == NULL;
}

bool imap_is_atom(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (!is_atom_char(s.ptr[i])) {
            return false;
        }
    }
    return s.len > 0;
}

void imap_cmd_put_flags(struct imap_cmd *cmd, const struct imap_flags *flags)
{
    const char *space = "";
    buf_put_byte(&cmd->text, '(');
    for (unsigned bit = 1; bit <= IMAP_FLAG_DRAFT; bit <<= 1) {
        if ((flags->system & bit) != 0) {
            buf_put_c(&cmd->text, space);
            buf_put_c(&cmd->text, imap_flag_name((uint8_t)bit));
            space = " ";
        }
    }
    for (size_t i = 0; i < flags->keyword_count; i++) {
        if (!imap_is_atom(flags->keywords[i])) {
            imap_cmd_refuse(cmd, "a keyword holds a character that IMAP does not allow");
            return;
        }
        buf_put_c(&cmd->text, space);
        buf_put_str(&cmd->text, flags->keywords[i]);
        space = " ";
    }
    buf_put_byte(&cmd->text, ')');
}

bool imap_label_is_system(struct str label)
{
    return label.len > 1 && label.ptr[0] == '\\' && imap_is_atom(str_tail(label, 1));
}

void imap_cmd_put_labels(struct imap_cmd *cmd, const struct str *labels, size_t count)
{
    buf_put_byte(&cmd->text, '(');
    for (size_t i = 0; i < count; i++) {
        struct str label = labels[i];
        if (i > 0) {
            buf_put_byte(&cmd->text, ' ');
        }
        /* System labels look like flags and are told apart from names by not being
         * quoted. */
        if (imap_label_is_system(label)) {
            buf_put_str(&cmd->text, label);
        } else {
            imap_cmd_put_astring(cmd, label);
        }
    }
    buf_put_byte(&cmd->text, ')');
}

static bool is_section_char(char c)
{
    return is_atom_char(c) ? c != '[' && c != ']' : c == ' ' || c == '(' || c == ')';
}

void imap_cmd_put_section(struct imap_cmd *cmd, struct str section)
{
    for (size_t i = 0; i < section.len; i++) {
        if (!is_section_char(section.ptr[i])) {
            imap_cmd_refuse(cmd,
                            "a section name holds a character that IMAP does not allow");
            return;
        }
    }
    buf_put_str(&cmd->text, section);
}

/* --- search keys --- */

/* A literal's head "{12}" or "{12+}" with its line end at the start of s: the bytes it
 * takes and the literal's own size. */
static bool literal_head(struct str s, size_t *head_out, uint64_t *size_out)
{
    size_t close = str_find_byte(s, '}');
    if (close == SIZE_MAX || s.len < close + 3 ||
        memcmp(s.ptr + close, "}\r\n", 3) != 0) {
        return false;
    }
    size_t digits = close > 1 && s.ptr[close - 1] == '+' ? close - 2 : close - 1;
    *head_out = close + 3;
    return num_u64(str_from(s.ptr + 1, digits), s.len - *head_out, size_out);
}

/* The length of the quoted string at the start of s, or 0. */
static size_t quoted_len(struct str s)
{
    for (size_t i = 1; i < s.len; i++) {
        if (s.ptr[i] == '"') {
            return i + 1;
        }
        if (s.ptr[i] == '\\') {
            i++;
        }
    }
    return 0;
}

/* One token from the front of s; 0 = it cannot be sent. */
static size_t put_token(struct imap_cmd *cmd, struct str s)
{
    size_t head = 0;
    uint64_t size = 0;
    size_t taken = 1;
    if (s.ptr[0] == '{') {
        if (!literal_head(s, &head, &size)) {
            return 0;
        }
        struct str bytes = str_from(s.ptr + head, (size_t)size);
        if (str_find_byte(bytes, 0) != SIZE_MAX) {
            return 0;
        }
        imap_cmd_put_literal(cmd, bytes);
        return head + (size_t)size;
    }
    if (s.ptr[0] == '"') {
        taken = quoted_len(s);
    }
    struct str token = str_from(s.ptr, taken);
    if (any_byte(token, is_unsafe)) {
        return 0;
    }
    buf_put_str(&cmd->text, token);
    return taken;
}

void imap_cmd_put_criteria(struct imap_cmd *cmd, struct str criteria)
{
    if (criteria.len == 0) {
        imap_cmd_refuse(cmd, "no search keys");
    }
    while (criteria.len > 0) {
        size_t taken = put_token(cmd, criteria);
        if (taken == 0) {
            imap_cmd_refuse(cmd, "the search keys are not well formed");
            return;
        }
        criteria = str_tail(criteria, taken);
    }
}
