#include "account_quote.h"

#include "postrider/json/json.h"
#include "postrider/mime/mime.h"

enum {
    REFERENCES_MAX =
        20 /* the first one and the last ones (RFC 5322 §3.6.4 lets them grow) */
};

struct str account_quote_subject(struct arena *arena, const json_t *message, bool forward)
{
    struct str subject = json_get_str(message, "subject");
    const char *prefix = forward ? "Fwd:" : "Re:";
    bool there =
        str_has_iprefix(subject, prefix) || (forward && str_has_iprefix(subject, "Fw:"));
    return str_of(arena_printf(arena, "%s%s%.*s", there ? "" : prefix, there ? "" : " ",
                               STR_ARG(subject)));
}

struct str account_quote_references(struct arena *arena, const json_t *message)
{
    const json_t *headers = json_object_get(message, "headers");
    struct str known =
        str_of(json_string_value(json_array_get(json_get_arr(headers, "references"), 0)));
    struct mime_ids ids;
    if (known.ptr == NULL) {
        known = json_get_str(message, "inReplyTo");
    }
    mime_ids_parse(arena, known.ptr != NULL ? known : STR(""), &ids);
    struct buf out = BUF_INIT(64 * 1024);
    for (size_t i = 0; i < ids.count; i++) {
        if (i == 0 || ids.count - i < REFERENCES_MAX) {
            (void)buf_put_str(&out, ids.items[i]);
            (void)buf_put_byte(&out, ' ');
        }
    }
    (void)buf_put_str(&out, json_get_str(message, "messageId"));
    struct str all = arena_str(arena, str_trim(buf_str(&out)));
    buf_fini(&out);
    return all;
}

/* --- text --- */

static void put_person(struct buf *out, const json_t *address)
{
    struct str name = json_get_str(address, "name");
    if (name.len > 0) {
        (void)buf_put_str(out, name);
        (void)buf_put_c(out, " <");
    }
    (void)buf_put_str(out, json_get_str(address, "address"));
    (void)buf_put_c(out, name.len > 0 ? ">" : "");
}

/* "2026-11-22 12:00 UTC" */
static void put_date(struct buf *out, const json_t *message)
{
    struct str date = json_get_str(message, "date");
    if (date.len >= 16) {
        (void)buf_printf(out, "%.10s %.5s UTC", date.ptr, date.ptr + 11);
    }
}

/* The lines in front of the quoted text. */
static void put_intro(struct buf *out, const json_t *message, bool forward)
{
    if (!forward) {
        (void)buf_put_c(out, "On ");
        put_date(out, message);
        (void)buf_put_c(out, ", ");
        put_person(out, json_object_get(message, "from"));
        (void)buf_put_c(out, " wrote:");
        return;
    }
    (void)buf_put_c(out, "---------- Forwarded message ----------\r\nFrom: ");
    put_person(out, json_object_get(message, "from"));
    (void)buf_put_c(out, "\r\nDate: ");
    put_date(out, message);
    (void)buf_put_c(out, "\r\nSubject: ");
    (void)buf_put_str(out, json_get_str(message, "subject"));
    const json_t *to = json_get_arr(message, "to");
    for (size_t i = 0; i < json_array_size(to); i++) {
        (void)buf_put_c(out, i == 0 ? "\r\nTo: " : ", ");
        put_person(out, json_array_get(to, i));
    }
}

void account_quote_plain(struct buf *out, struct str text, const json_t *message,
                         bool forward)
{
    struct str rest = json_get_str(json_object_get(message, "text"), "plain"), line;
    (void)buf_put_str(out, text);
    (void)buf_put_c(out, "\r\n\r\n");
    put_intro(out, message, forward);
    (void)buf_put_c(out, forward ? "\r\n\r\n" : "\r\n");
    while (rest.ptr != NULL && str_split(&rest, '\n', &line)) {
        bool cr = line.len > 0 && line.ptr[line.len - 1] == '\r';
        (void)buf_put_c(out, forward                              ? ""
                             : line.len > 0 && line.ptr[0] == '>' ? ">"
                                                                  : "> ");
        (void)buf_put_str(out, str_from(line.ptr, line.len - (cr ? 1 : 0)));
        (void)buf_put_c(out, "\r\n");
    }
}

static void put_escaped(struct buf *out, struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        const char *name = c == '<'    ? "&lt;"
                           : c == '>'  ? "&gt;"
                           : c == '&'  ? "&amp;"
                           : c == '\n' ? "<br>\n"
                                       : NULL;
        if (name != NULL) {
            (void)buf_put_c(out, name);
        } else if (c != '\r') {
            (void)buf_put_byte(out, c);
        }
    }
}

void account_quote_html(struct buf *out, struct str html, const json_t *message,
                        bool forward)
{
    struct buf intro = BUF_INIT(256 * 1024);
    put_intro(&intro, message, forward);
    (void)buf_put_str(out, html);
    (void)buf_put_c(out, "<br>\r\n<div>");
    put_escaped(out, buf_str(&intro));
    (void)buf_put_c(out, forward ? "</div><br>\r\n<div>"
                                 : "</div>\r\n<blockquote type=\"cite\">");
    (void)buf_put_str(out, json_get_str(json_object_get(message, "text"), "html"));
    (void)buf_put_c(out, forward ? "</div>\r\n" : "</blockquote>\r\n");
    buf_fini(&intro);
}
