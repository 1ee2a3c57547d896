#include "postrider/mime/mime_compose.h"

#include "mime_field.h"
#include "mime_priv.h"
#include "postrider/base/codec.h"
#include "postrider/base/rand.h"

#include <stdio.h>

enum {
    BOUNDARY_SIZE = 40,
    SEVEN_BIT_LINE = 900, /* longer ones are encoded */
    ENCODE_STEP = 48 * 1024,
    READABLE_SHARE =
        6 /* one byte in so many beyond ASCII: quoted-printable, else base64 */
};

/* --- the header --- */

/* Fields made of members of the draft, in the order in which they are written. */
enum known_field {
    FIELD_FROM,
    FIELD_REPLY_TO,
    FIELD_TO,
    FIELD_CC,
    FIELD_BCC,
    FIELD_SUBJECT,
    FIELD_MESSAGE_ID,
    FIELD_IN_REPLY_TO,
    FIELD_REFERENCES,
    FIELD_DATE,
    FIELD_COUNT
};

static const char *const field_names[FIELD_COUNT] = {
    "From",    "Reply-To",   "To",          "Cc",         "Bcc",
    "Subject", "Message-ID", "In-Reply-To", "References", "Date"};

static bool is_custom(const struct mime_draft *d, const char *name)
{
    for (size_t i = 0; i < d->header_count; i++) {
        if (str_ieq_c(d->headers[i].name, name)) {
            return true;
        }
    }
    return false;
}

static bool put_known(struct buf *out, const struct mime_draft *d, enum known_field which,
                      struct err *err)
{
    const char *name = field_names[which];
    const struct mime_address_list from = {&d->from, d->from.address.len > 0 ? 1 : 0};
    const struct mime_address_list *lists[] = {[FIELD_FROM] = &from,
                                               [FIELD_REPLY_TO] = &d->reply_to,
                                               [FIELD_TO] = &d->to,
                                               [FIELD_CC] = &d->cc,
                                               [FIELD_BCC] = &d->bcc};
    const struct str ids[FIELD_COUNT] = {[FIELD_MESSAGE_ID] = d->message_id,
                                         [FIELD_IN_REPLY_TO] = d->in_reply_to,
                                         [FIELD_REFERENCES] = d->references};
    if (which == FIELD_DATE) {
        mime_field_date(out, name, d->date_ms);
    } else if (which == FIELD_SUBJECT && d->subject.ptr != NULL) {
        mime_field_text(out, name, d->subject);
    } else if (which <= FIELD_BCC) {
        return mime_field_addresses(out, name, *lists[which], err);
    } else if (ids[which].len > 0) {
        return mime_field_ids(out, name, ids[which], err);
    }
    return true;
}

static bool is_of_mime(struct str name)
{
    return str_has_iprefix(name, "Content-") || str_ieq_c(name, "MIME-Version");
}

/* The fields of a caller, and those made of the draft that the caller does not give; those
 * of `left_out` and behind it are not made. */
static bool put_fields(struct buf *out, const struct mime_draft *d,
                       enum known_field left_out, struct err *err)
{
    for (enum known_field f = FIELD_FROM; f < left_out; f++) {
        if (!is_custom(d, field_names[f]) && !put_known(out, d, f, err)) {
            return false;
        }
    }
    for (size_t i = 0; i < d->header_count; i++) {
        if (!is_of_mime(d->headers[i].name) &&
            !mime_field_custom(out, &d->headers[i], err)) {
            return false;
        }
    }
    return true;
}

/* --- bodies --- */

/* Every line end as CRLF, whatever it was; NUL is left out. */
static void put_crlf(struct buf *out, struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        bool crlf = c == '\r' && i + 1 < text.len && text.ptr[i + 1] == '\n';
        if (c == '\r' || c == '\n') {
            buf_put(out, "\r\n", 2);
            i += crlf ? 1 : 0;
        } else if (c != '\0') {
            buf_put_byte(out, c);
        }
    }
}

/* What an encoder made: its lines end in LF. */
static void put_encoded(struct buf *out, struct str lines)
{
    while (lines.len > 0) {
        size_t lf = str_find_byte(lines, '\n');
        size_t n = lf != SIZE_MAX ? lf : lines.len;
        buf_put(out, lines.ptr, n);
        if (lf != SIZE_MAX) {
            buf_put(out, "\r\n", 2);
            n++;
        }
        lines = str_tail(lines, n);
    }
}

static void encode(struct buf *out, struct str data, GMimeContentEncoding how)
{
    GMimeEncoding state;
    g_mime_encoding_init_encode(&state, how);
    char *piece = g_malloc(g_mime_encoding_outlen(&state, ENCODE_STEP));
    while (data.len > 0) {
        size_t n = data.len < ENCODE_STEP ? data.len : ENCODE_STEP;
        put_encoded(out,
                    str_from(piece, g_mime_encoding_step(&state, data.ptr, n, piece)));
        data = str_tail(data, n);
    }
    put_encoded(out, str_from(piece, g_mime_encoding_flush(&state, "", 0, piece)));
    g_free(piece);
}

static bool is_seven_bit(struct str text)
{
    size_t line = 0;
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        line = c == '\n' ? 0 : line + 1;
        bool lone_cr = c == '\r' && (i + 1 == text.len || text.ptr[i + 1] != '\n');
        if (c == 0 || c >= 0x80 || line > SEVEN_BIT_LINE || lone_cr) {
            return false;
        }
    }
    return true;
}

/* Stores that keep messages in one file change such a line. */
static bool has_from_line(struct str text)
{
    return str_has_prefix(text, "From ") ||
           memmem(text.ptr, text.len, "\nFrom ", 6) != NULL;
}

static GMimeContentEncoding text_encoding(struct str text)
{
    size_t beyond = 0;
    for (size_t i = 0; i < text.len; i++) {
        beyond += (unsigned char)text.ptr[i] >= 0x80;
    }
    if (text.len == 0 || (is_seven_bit(text) && !has_from_line(text))) {
        return GMIME_CONTENT_ENCODING_7BIT;
    }
    return beyond * READABLE_SHARE < text.len ? GMIME_CONTENT_ENCODING_QUOTEDPRINTABLE
                                              : GMIME_CONTENT_ENCODING_BASE64;
}

static void put_body(struct buf *out, struct str body, GMimeContentEncoding how)
{
    mime_field_folded(out, "Content-Transfer-Encoding",
                      g_mime_content_encoding_to_string(how));
    buf_put_c(out, "\r\n");
    if (how == GMIME_CONTENT_ENCODING_7BIT) {
        buf_put_str(out, body);
    } else {
        encode(out, body, how);
    }
}

static void put_text_part(struct buf *out, const char *subtype, struct str text)
{
    struct buf lines = BUF_INIT(MIME_ANY_SIZE);
    put_crlf(&lines, text);
    (void)buf_printf(out, "Content-Type: text/%s; charset=utf-8\r\n", subtype);
    put_body(out, buf_str(&lines), text_encoding(buf_str(&lines)));
    buf_fini(&lines);
}

/* It is part of the lines of this message: theirs end in CRLF, whatever its own did. */
static void put_attached_message(struct buf *out, struct str content)
{
    struct buf lines = BUF_INIT(MIME_ANY_SIZE);
    put_crlf(&lines, content);
    put_body(out, buf_str(&lines), GMIME_CONTENT_ENCODING_7BIT);
    buf_fini(&lines);
}

/* --- attachments --- */

/* What a parameter or a media type may hold: no control characters. */
static char *one_line(struct arena *arena, struct str s)
{
    char *copy = arena_strndup(arena, s.ptr != NULL ? s.ptr : "", s.len);
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)copy[i];
        copy[i] = c < 0x20 || c == 0x7f ? ' ' : copy[i];
    }
    return copy;
}

static bool is_media(GMimeContentType *type, const char *media)
{
    return str_ieq_c(str_of(g_mime_content_type_get_media_type(type)), media);
}

/* Containers and messages are only as they are: base64 is not allowed on them (RFC 2046
 * §5.2.1), so what would need it goes as a file. */
static bool keeps_type(GMimeContentType *type, struct str content)
{
    return !is_media(type, "multipart") &&
           (!is_media(type, "message") || is_seven_bit(content));
}

static GMimeContentType *attachment_type(struct arena *arena,
                                         const struct mime_attachment *a)
{
    GMimeContentType *type =
        a->content_type.len > 0
            ? g_mime_content_type_parse(NULL, one_line(arena, a->content_type))
            : NULL;
    if (type == NULL || !keeps_type(type, a->content)) {
        if (type != NULL) {
            g_object_unref(type);
        }
        type = g_mime_content_type_new("application", "octet-stream");
    }
    if (a->filename.len > 0) {
        g_mime_content_type_set_parameter(type, "name", one_line(arena, a->filename));
    }
    return type;
}

static bool put_attachment(struct buf *out, const struct mime_attachment *a,
                           struct err *err)
{
    struct arena arena = {0};
    GMimeContentType *type = attachment_type(&arena, a);
    GMimeContentDisposition *disposition = g_mime_content_disposition_new();
    g_mime_content_disposition_set_disposition(disposition,
                                               a->is_inline ? "inline" : "attachment");
    if (a->filename.len > 0) {
        g_mime_content_disposition_set_parameter(disposition, "filename",
                                                 one_line(&arena, a->filename));
    }
    char *text = g_mime_content_type_encode(type, NULL);
    mime_field_folded(out, "Content-Type", text);
    g_free(text);
    text = g_mime_content_disposition_encode(disposition, NULL);
    mime_field_folded(out, "Content-Disposition", text);
    g_free(text);
    bool ok = a->cid.len == 0 || mime_field_ids(out, "Content-ID", a->cid, err);
    if (is_media(type, "message")) {
        put_attached_message(out, a->content);
    } else {
        put_body(out, a->content, GMIME_CONTENT_ENCODING_BASE64);
    }
    g_object_unref(type);
    g_object_unref(disposition);
    arena_fini(&arena);
    return ok;
}

/* --- containers --- */

struct container {
    struct buf *out;
    char boundary[BOUNDARY_SIZE];
    bool begun; /* it has a part */
};

/* "=_" occurs neither in base64 nor in quoted-printable. */
static void container_begin(struct container *c, struct buf *out, const char *subtype)
{
    c->out = out;
    c->begun = false;
    (void)snprintf(c->boundary, sizeof c->boundary, "=_%016llx%016llx",
                   (unsigned long long)rand_u64(), (unsigned long long)rand_u64());
    (void)buf_printf(out, "Content-Type: multipart/%s;\r\n boundary=\"%s\"\r\n\r\n",
                     subtype, c->boundary);
}

/* The line end in front of a boundary is part of the boundary (RFC 2046 §5.1.1). */
static void container_next(struct container *c)
{
    (void)buf_printf(c->out, "%s--%s\r\n", c->begun ? "\r\n" : "", c->boundary);
    c->begun = true;
}

static void container_end(const struct container *c)
{
    (void)buf_printf(c->out, "\r\n--%s--\r\n", c->boundary);
}

/* Beside the HTML that shows it. */
static bool is_related(const struct mime_draft *d, const struct mime_attachment *a)
{
    return a->is_inline && a->cid.len > 0 && d->html.ptr != NULL;
}

static size_t count_related(const struct mime_draft *d)
{
    size_t n = 0;
    for (size_t i = 0; i < d->attachment_count; i++) {
        n += is_related(d, &d->attachments[i]);
    }
    return n;
}

static bool put_attachments(struct container *c, const struct mime_draft *d, bool related,
                            struct err *err)
{
    for (size_t i = 0; i < d->attachment_count; i++) {
        const struct mime_attachment *a = &d->attachments[i];
        if (is_related(d, a) == related) {
            container_next(c);
            if (!put_attachment(c->out, a, err)) {
                return false;
            }
        }
    }
    return true;
}

static bool put_html(struct buf *out, const struct mime_draft *d, struct err *err)
{
    struct container c;
    if (count_related(d) == 0) {
        put_text_part(out, "html", d->html);
        return true;
    }
    container_begin(&c, out, "related");
    container_next(&c);
    put_text_part(out, "html", d->html);
    bool ok = put_attachments(&c, d, true, err);
    container_end(&c);
    return ok;
}

static bool put_texts(struct buf *out, const struct mime_draft *d, struct err *err)
{
    struct container c;
    if (d->html.ptr == NULL) {
        put_text_part(out, "plain", d->text);
        return true;
    }
    if (d->text.ptr == NULL) {
        return put_html(out, d, err);
    }
    container_begin(&c, out, "alternative");
    container_next(&c);
    put_text_part(out, "plain", d->text);
    container_next(&c);
    bool ok = put_html(out, d, err);
    container_end(&c);
    return ok;
}

static bool put_content(struct buf *out, const struct mime_draft *d, struct err *err)
{
    struct container c;
    size_t loose = d->attachment_count - count_related(d);
    bool no_text = d->text.ptr == NULL && d->html.ptr == NULL;
    buf_put_c(out, "MIME-Version: 1.0\r\n");
    if (loose == 0) {
        return put_texts(out, d, err);
    }
    if (loose == 1 && no_text) {
        return put_attachment(out, &d->attachments[0], err);
    }
    container_begin(&c, out, "mixed");
    bool ok = true;
    if (!no_text) {
        container_next(&c);
        ok = put_texts(out, d, err);
    }
    ok = ok && put_attachments(&c, d, false, err);
    container_end(&c);
    return ok;
}

/* --- the calls --- */

static bool finish(struct buf *out, size_t before, bool ok, struct err *err)
{
    if (ok && out->overflow) {
        ok = err_set(err, ERR_TOO_LARGE, "the message would be too large");
    }
    if (!ok && out->len > before) {
        buf_truncate(out, before);
    }
    return ok;
}

bool mime_compose(struct buf *out, const struct mime_draft *draft, struct err *err)
{
    size_t before = out->len;
    bool ok = put_fields(out, draft, FIELD_COUNT, err) && put_content(out, draft, err);
    return finish(out, before, ok, err);
}

void mime_message_id_make(struct buf *out, struct str address)
{
    struct str s = str_trim(address), domain = STR("localhost");
    size_t at = str_find_byte(s, '@');
    if (at != SIZE_MAX && s.len - at - 1 > 0 && s.len - at < 256) {
        domain = str_tail(s, at + 1);
    }
    for (size_t i = 0; i < domain.len; i++) {
        char c = ascii_lower(domain.ptr[i]);
        bool ok = (c >= 'a' && c <= 'z') || ascii_is_digit(c) || c == '.' || c == '-';
        domain = ok ? domain : STR("localhost");
    }
    uint64_t random[2] = {rand_u64(), rand_u64()};
    buf_put_byte(out, '<');
    (void)hex_encode(out, random, sizeof random);
    (void)buf_printf(out, "@%.*s>", STR_ARG(domain));
}

/* --- raw messages --- */

/* The end of the line that begins at `at`, its line end included. */
static size_t line_end(struct str s, size_t at)
{
    size_t lf = str_find_byte(str_tail(s, at), '\n');
    return lf != SIZE_MAX ? at + lf + 1 : s.len;
}

static bool is_blank_line(struct str line)
{
    return str_eq_c(line, "\r\n") || str_eq_c(line, "\n");
}

/* Does the draft bring this field of its own? */
static bool replaces(const struct mime_draft *d, struct str name)
{
    const bool given[FIELD_COUNT] = {
        [FIELD_FROM] = d->from.address.len > 0,
        [FIELD_REPLY_TO] = d->reply_to.count > 0,
        [FIELD_TO] = d->to.count > 0,
        [FIELD_CC] = d->cc.count > 0,
        [FIELD_BCC] = d->bcc.count > 0,
        [FIELD_SUBJECT] = d->subject.ptr != NULL,
        [FIELD_MESSAGE_ID] = d->message_id.len > 0,
        [FIELD_IN_REPLY_TO] = d->in_reply_to.len > 0,
        [FIELD_REFERENCES] = d->references.len > 0,
    };
    for (size_t f = 0; f < FIELD_COUNT; f++) {
        if (given[f] && str_ieq_c(name, field_names[f])) {
            return true;
        }
    }
    for (size_t i = 0; i < d->header_count; i++) {
        if (str_ieq(d->headers[i].name, name)) {
            return !is_of_mime(name);
        }
    }
    return false;
}

/* As it is, with CRLF for a LF that stands alone. */
static void put_lines(struct buf *out, struct str s)
{
    while (s.len > 0) {
        size_t end = line_end(s, 0);
        bool lone = s.ptr[end - 1] == '\n' && (end < 2 || s.ptr[end - 2] != '\r');
        buf_put(out, s.ptr, lone ? end - 1 : end);
        if (lone) {
            buf_put(out, "\r\n", 2);
        }
        s = str_tail(s, end);
    }
}

bool mime_compose_raw(struct buf *out, struct str raw, const struct mime_draft *draft,
                      struct err *err)
{
    size_t before = out->len, at = 0;
    bool skips = false, ok = put_fields(out, draft, FIELD_DATE, err);
    if (str_find_byte(raw, '\0') != SIZE_MAX) {
        ok = err_set(err, ERR_INVALID, "raw: a message cannot hold NUL bytes");
    }
    while (ok && at < raw.len) {
        size_t end = line_end(raw, at);
        struct str line = str_from(raw.ptr + at, end - at);
        if (is_blank_line(line)) {
            break;
        }
        size_t colon = str_find_byte(line, ':');
        bool folded = line.ptr[0] == ' ' || line.ptr[0] == '\t';
        if (!folded) {
            skips =
                colon != SIZE_MAX && replaces(draft, str_trim(str_from(line.ptr, colon)));
        }
        if (!skips) {
            put_lines(out, line);
        }
        at = end;
    }
    put_lines(out, str_tail(raw, at));
    return finish(out, before, ok, err);
}
