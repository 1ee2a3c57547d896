/* imap_segment: what the end of a line segment tells.
 *
 *   literal  = ["~"] "{" number ["+"] "}" CRLF *OCTET      ; RFC 9051 §9, RFC 7888, RFC 3516
 *
 * Only a header right before the line end opens a literal; a bare LF ends a line only
 * outside quotes. */
#include "imap_codec_priv.h"

#include "postrider/base/num.h"

enum {
    LITERAL_DIGITS_MAX = 19 /* significant ones: number64 (RFC 9051 §9) */
};

/* No message is that long; nothing announced above is worth waiting for. */
static const uint64_t literal_size_max = (uint64_t)2 * 1024 * 1024 * 1024;

bool imap_literal_find(const char *text, size_t from, size_t to,
                       struct imap_literal_head *out)
{
    if (to - from < 3 || text[to - 1] != '}') {
        return false;
    }
    size_t end = to - 1;
    end -= text[end - 1] == '+' ? 1 : 0;
    size_t at = end;
    while (at > from && ascii_is_digit(text[at - 1])) {
        at--;
    }
    if (at == end || at == from || text[at - 1] != '{') {
        return false;
    }
    out->digits = str_from(text + at, end - at);
    at--;
    out->at = at > from && text[at - 1] == '~' ? at - 1 : at;
    return true;
}

bool imap_literal_size(const struct imap_literal_head *head, uint64_t *out,
                       struct err *err)
{
    struct str digits = head->digits;
    while (digits.len > 1 && digits.ptr[0] == '0') {
        digits = str_tail(digits, 1);
    }
    if (digits.len > LITERAL_DIGITS_MAX || !num_u64(digits, UINT64_MAX, out)) {
        return err_set(err, ERR_PROTOCOL, "a literal has a size of %zu digits",
                       digits.len);
    }
    if (*out > literal_size_max) {
        return err_set(err, ERR_LIMIT, "a literal of %llu bytes was announced",
                       (unsigned long long)*out);
    }
    return true;
}

bool imap_quotes_open(struct imap_quotes *q, const char *text, size_t lf)
{
    for (size_t i = q->at; i < lf; i++) {
        char c = text[i], next = text[i + 1];
        if (q->open && c == '\\' && (next == '"' || next == '\\')) {
            i++;
        } else if (c == '"' && !q->open) {
            q->open = true;
        } else if (c == '"' &&
                   (next == ' ' || next == ')' || next == ']' || next == '\n')) {
            q->open = false;
        }
    }
    q->at = lf;
    return q->open;
}

void imap_tail_add(struct imap_tail *t, const char *bytes, size_t n)
{
    size_t keep = sizeof t->bytes;
    if (n >= keep) {
        memcpy(t->bytes, bytes + (n - keep), keep);
        t->len = keep;
        return;
    }
    size_t over = t->len + n > keep ? t->len + n - keep : 0;
    memmove(t->bytes, t->bytes + over, t->len - over);
    memcpy(t->bytes + t->len - over, bytes, n);
    t->len += n - over;
}
