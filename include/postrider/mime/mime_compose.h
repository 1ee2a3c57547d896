/* mime_compose: makes a message of its fields, and changes the header of one that exists.
 * Shape    struct mime_draft in, bytes of a message out:
 *            multipart/mixed ─┬─ multipart/alternative ─┬─ text/plain
 *                             │                         └─ multipart/related ─┬─ text/html
 *                             │                                               └─ inline parts
 *                             └─ attachments
 *          Containers that would hold one part are left out.
 * Owner    everything in a draft is borrowed until the call returns
 * Calls    any thread after mime_init
 * Limits   lines have at most 998 bytes, those of the header at most 78 where the text can be
 *          folded; the output is bounded by the buf
 * Errors   ERR_INVALID: a name that is no header name, an address that cannot be one, a local
 *          part that is not ASCII; ERR_TOO_LARGE: the buf overflowed. The buf is left as it was.
 * Spec     RFC 5322, 2045–2047, 2231, 2387; the output is 7-bit with CRLF line ends
 * Note     control characters in header text become spaces: what a caller puts into a field
 *          never begins another one */
#ifndef POSTRIDER_MIME_MIME_COMPOSE_H
#define POSTRIDER_MIME_MIME_COMPOSE_H

#include "postrider/base/err.h"
#include "postrider/mime/mime.h"

struct mime_attachment {
    struct str filename;     /* may be absent */
    struct str content_type; /* absent: application/octet-stream */
    struct str cid;          /* without angle brackets, or with; may be absent */
    struct str content;      /* the bytes themselves */
    bool is_inline;          /* shown in the text; with a cid it stands beside the HTML */
};

struct mime_address_list {
    const struct mime_address *items;
    size_t count;
};

struct mime_draft {
    struct mime_address from; /* no address: no From field */
    struct mime_address_list reply_to, to, cc, bcc;
    struct str subject;     /* absent: no Subject field */
    struct str message_id;  /* with angle brackets, or without */
    struct str in_reply_to; /* the same; may be absent */
    struct str
        references;  /* ids with angle brackets, separated by spaces; may be absent */
    int64_t date_ms; /* wall clock */
    /* Further fields, UTF-8 text each. One of a field made from the members above takes its
     * place; those of MIME (MIME-Version, Content-…) are left out. */
    const struct mime_header *headers;
    size_t header_count;
    struct str text, html; /* UTF-8, any line ends; may be absent */
    const struct mime_attachment *attachments;
    size_t attachment_count;
};

/* Appends the message. */
bool mime_compose(struct buf *out, const struct mime_draft *draft, struct err *err);

/* Appends `<random@domain>`, where domain is that of the address if it has one. */
void mime_message_id_make(struct buf *out, struct str address);

/* Appends the raw message with CRLF line ends, after these fields of the draft instead of its
 * own: from, reply_to, to, cc, bcc, subject, message_id, in_reply_to, references, headers,
 * those that are there. What is not replaced stays byte for byte. ERR_INVALID also for a
 * message that holds NUL. */
bool mime_compose_raw(struct buf *out, struct str raw, const struct mime_draft *draft,
                      struct err *err);

#endif
