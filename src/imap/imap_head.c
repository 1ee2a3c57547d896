/* imap_head: what a response is, told by its first bytes.
 *
 *   continue-req  = "+" [SP text]
 *   response-data = "*" SP (word / number SP word) [SP …]
 *   tagged        = tag SP ("OK" / "NO" / "BAD") [SP text]      ; RFC 9051 §9
 *
 * The head decides how the rest is framed: free text holds no literal, whatever it ends
 * with; everything behind "* " that is not a condition is data, also if it is unknown. */
#include "imap_codec_priv.h"

#include "postrider/base/num.h"

/* The word at `at`: up to a space or the line end, behind which *used_out is. False if it
 * does not end here. */
static bool word_at(const char *text, size_t len, size_t at, struct str *out,
                    size_t *used_out)
{
    size_t end = at;
    while (end < len && text[end] != ' ' && text[end] != '\n') {
        end++;
    }
    bool ended = end < len;
    *used_out = ended ? end + 1 : len;
    if (ended && text[end] == '\n' && end > at && text[end - 1] == '\r') {
        end--;
    }
    *out = str_from(text + at, end - at);
    return ended;
}

static size_t skip_spaces(const char *text, size_t len, size_t at)
{
    while (at < len && text[at] == ' ') {
        at++;
    }
    return at;
}

static bool is_number(struct str word)
{
    for (size_t i = 0; i < word.len; i++) {
        if (!ascii_is_digit(word.ptr[i])) {
            return false;
        }
    }
    return word.len > 0;
}

static bool head_is(struct imap_head *out, enum imap_resp_kind kind,
                    enum imap_shape shape, size_t rest)
{
    out->kind = kind;
    out->shape = shape;
    out->rest = rest;
    return true;
}

/* `more` is false when the limit for heads is reached: what is there must do. */
static bool untagged(const char *text, size_t len, bool more, struct imap_head *out)
{
    size_t at = skip_spaces(text, len, 1);
    if (at < len && text[at] == '[') {
        /* home.pl leaves the OK out: "* [COPYUID …]". */
        out->used = at + 1;
        return head_is(out, IMAP_RESP_STATUS, IMAP_SHAPE_TEXT, at);
    }
    struct str word;
    bool ended = word_at(text, len, at, &word, &out->used);
    bool numbered = ended && is_number(word);
    if (numbered) {
        out->number = UINT64_MAX;
        (void)num_u64(word, UINT32_MAX, &out->number);
        at = skip_spaces(text, len, at + word.len);
        ended = word_at(text, len, at, &word, &out->used);
    }
    if (!ended) {
        return !more && head_is(out, IMAP_RESP_UNKNOWN, IMAP_SHAPE_DATA, at);
    }
    out->def = imap_resp_def_find(word, numbered);
    if (out->def == NULL) {
        return head_is(out, IMAP_RESP_UNKNOWN, IMAP_SHAPE_DATA, at);
    }
    out->cond = out->def->cond;
    return head_is(out, out->def->kind, out->def->shape, at + word.len);
}

static bool tagged(const char *text, size_t len, bool more, struct imap_head *out)
{
    struct str tag, word = STR_NULL;
    bool ended = word_at(text, len, 0, &tag, &out->used);
    if (ended && tag.len == 0 && text[0] != ' ') {
        out->blank = true;
        return head_is(out, IMAP_RESP_UNKNOWN, IMAP_SHAPE_TEXT, 0);
    }
    size_t at = skip_spaces(text, len, tag.len);
    if (!ended || !word_at(text, len, at, &word, &out->used)) {
        return !more && head_is(out, IMAP_RESP_UNKNOWN, IMAP_SHAPE_TEXT, 0);
    }
    const struct imap_resp_def *def = imap_resp_def_find(word, false);
    if (tag.len == 0 || def == NULL || def->kind != IMAP_RESP_STATUS) {
        return head_is(out, IMAP_RESP_UNKNOWN, IMAP_SHAPE_TEXT, 0);
    }
    out->tag_len = tag.len;
    out->cond = def->cond;
    return head_is(out, IMAP_RESP_TAGGED, IMAP_SHAPE_TEXT, at + word.len);
}

bool imap_head_parse(const char *text, size_t len, struct imap_head *out)
{
    *out = (struct imap_head){.number = 0};
    bool more = len < IMAP_HEAD_MAX;
    if (text[0] == '+') {
        out->used = 1;
        return head_is(out, IMAP_RESP_CONTINUE, IMAP_SHAPE_TEXT, 1);
    }
    /* "*" alone or glued to something is no untagged response. */
    if (text[0] == '*' && len < 2) {
        return false;
    }
    if (text[0] == '*' && text[1] == ' ') {
        return untagged(text, len, more, out);
    }
    return tagged(text, len, more, out);
}
