/* What a mail server says became of a message (RFC 3464).
 *
 *   delivery-status = per-message fields, 1*(empty line, per-recipient fields)
 *   field           = name ":" [type ";"] text
 */
#include "mime_priv.h"

/* "rfc822; ann@example.com", "smtp; 550 no": what stands behind the type, if there is one. */
static struct str behind_type(struct str value)
{
    size_t at = str_find_byte(value, ';');
    return str_trim(at != SIZE_MAX ? str_tail(value, at + 1) : value);
}

static struct str text_of(struct arena *arena, const struct mime_headers *h,
                          const char *name)
{
    struct str raw = mime_headers_get(h, name);
    struct buf text = BUF_INIT(MIME_REPORT_TEXT_MAX);
    if (raw.ptr == NULL) {
        return STR_NULL;
    }
    raw = behind_type(raw);
    raw.len = raw.len < MIME_REPORT_TEXT_MAX ? raw.len : MIME_REPORT_TEXT_MAX;
    (void)mime_decode_words(&text, raw);
    struct str out = arena_str(arena, text.len > 0 ? buf_str(&text) : STR(""));
    buf_fini(&text);
    return out;
}

static bool take_recipient(struct arena *arena, const struct mime_headers *h,
                           struct mime_outcome *out)
{
    struct str to = text_of(arena, h, "Final-Recipient");
    *out = (struct mime_outcome){
        .recipient = to.len > 0 ? to : text_of(arena, h, "Original-Recipient"),
        .action = text_of(arena, h, "Action"),
        .status = text_of(arena, h, "Status"),
        .diagnostic = text_of(arena, h, "Diagnostic-Code")};
    return out->recipient.len > 0 || out->action.len > 0;
}

/* Length of the fields up to and with the empty line behind them. */
static size_t group_len(struct str body)
{
    size_t line = 0; /* where it begins */
    for (size_t i = 0; i < body.len; i++) {
        if (body.ptr[i] != '\n') {
            continue;
        }
        size_t end = i > line && body.ptr[i - 1] == '\r' ? i - 1 : i;
        if (end == line) {
            return i + 1;
        }
        line = i + 1;
    }
    return body.len;
}

size_t mime_report_parse(struct arena *arena, struct str body, struct mime_outcome *out,
                         size_t max)
{
    size_t count = 0;
    while (body.len > 0 && count < max) {
        struct mime_headers h;
        size_t len = group_len(body);
        mime_headers_parse(arena, str_from(body.ptr, len), &h);
        count += take_recipient(arena, &h, &out[count]) ? 1 : 0;
        body = str_tail(body, len);
    }
    return count;
}
