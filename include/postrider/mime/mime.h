/* mime: from the bytes of mail headers and bodies to valid UTF-8 text and exact files.
 * Shape    pure functions, an incremental filter (mime_decoder: transfer encodings) and
 *          parsers of header blocks, address lists, ids and dates; GMime does the decoding
 * Owner    decoders are the caller's (_free); parsed values live in the arena given
 * Calls    any thread after mime_init; a decoder is used by one thread at a time
 * Limits   MIME_*_MAX below; output sizes are those of the buf or the max_bytes given;
 *          every function is linear in its input
 * Errors   none by message: whatever a stranger wrote gives some text. Functions that
 *          append return false only when the buf overflowed or, where said, nothing was
 *          found.
 * Spec     RFC 5322, 2045–2047, 2231, 6532, 6266, 8187, 3834; encoded text is decoded as
 *          mail programs do rather than as the grammar says
 * Note     decoded header text has no NUL and no line ends: both become a space or go */
#ifndef POSTRIDER_MIME_MIME_H
#define POSTRIDER_MIME_MIME_H

#include "postrider/base/arena.h"
#include "postrider/base/buf.h"
#include "postrider/base/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    MIME_HEADER_BLOCK_MAX = 10 * 1024 * 1024, /* bytes of one header block */
    MIME_HEADERS_MAX = 100 * 1000,            /* headers of one block */
    MIME_HEADER_NAME_MAX = 1000,              /* longer names make a malformed line */
    MIME_PARAMS_MAX = 128,                    /* parameters looked at (RFC 2231) */
    MIME_FILENAME_MAX = 1024,                 /* bytes of a decoded parameter value */
    MIME_ADDRESSES_MAX = 10 * 1000,           /* of one list */
    MIME_ADDRESS_LIST_MAX = 1024 * 1024,      /* bytes of one list */
    MIME_IDS_MAX = 1000,                      /* of one References field */
    MIME_ID_MAX = 998,                        /* longer ids are left out */
    MIME_REPORT_TEXT_MAX = 4096               /* bytes of a field of a delivery status */
};

/* Global preparation of the MIME library: once by the program before anything else here and
 * before other threads start. Calls nest: each mime_init needs a mime_fini. */
void mime_init(void);
void mime_fini(void);

/* --- header text and parameters --- */

/* Appends the text of an unstructured header or display name: encoded words decoded
 * (adjacent ones joined, a character may be split between them), raw 8-bit text guessed,
 * everything else kept. Line folds become one space. */
bool mime_decode_words(struct buf *out, struct str raw);

struct mime_param {
    struct str name, value; /* value without quotes, as IMAP's BODYSTRUCTURE gives it */
};

/* Appends the value of parameter `name`: "name*", else "name*0", "name*1*" … in numeric
 * order up to the first gap, else "name" (which senders give as the poorer fallback).
 * Encoded words inside values are decoded too. False if there is none (or on overflow).
 * Later duplicates are ignored; cut at MIME_FILENAME_MAX. */
bool mime_decode_param(struct buf *out, const struct mime_param *params, size_t count,
                       const char *name);
/* Would it find one? */
bool mime_has_param(const struct mime_param *params, size_t count, const char *name);

/* --- transfer encodings --- */

struct mime_decoder;
/* base64, quoted-printable, uuencode (x-uuencode, x-uue); anything else passes through. */
struct mime_decoder *mime_decoder_new(struct str encoding) ATTR_RETURNS_NONNULL;
void mime_decoder_free(struct mime_decoder **d);
/* Appends what the bytes decode to. The result does not depend on how the input is cut.
 * False if `out` overflowed: what it holds then is incomplete. */
bool mime_decoder_feed(struct mime_decoder *d, const void *data, size_t len,
                       struct buf *out);
/* The input is complete: appends what was held back. */
bool mime_decoder_end(struct mime_decoder *d, struct buf *out);

/* --- texts --- */

struct mime_text {
    struct str encoding; /* Content-Transfer-Encoding, may be absent */
    struct str charset;  /* charset parameter, may be absent */
    size_t max_bytes;    /* of UTF-8 */
    bool input_cut;      /* the body is only the beginning: an open end is not an error */
};

/* Body of a text part to valid UTF-8 without NUL; undecodable bytes give U+FFFD. An absent,
 * empty or us-ascii character set means: UTF-8 if the text is that, else windows-1252.
 * Unknown ones are windows-1252. *has_more_out: max_bytes left some out, or input_cut. */
bool mime_text_decode(struct buf *out, struct str body, const struct mime_text *how,
                      bool *has_more_out);

/* --- header blocks --- */

struct mime_header {
    struct str name;  /* as spelled, printable ASCII */
    struct str value; /* raw bytes, unfolded, without surrounding white space and NUL */
};

struct mime_headers {
    const struct mime_header *items; /* in order of appearance */
    size_t count;
    size_t consumed; /* bytes up to and including the empty line */
    bool truncated;  /* a limit was met */
    bool malformed;  /* a line was no header and was skipped */
};

/* CR LF and LF end lines (a lone CR is a space); a leading "From " line and lines without
 * a colon are skipped; ends at an empty line or with the input. */
void mime_headers_parse(struct arena *arena, struct str block, struct mime_headers *out);
/* Raw value of the first header of this name (any case), or absent. */
struct str mime_headers_get(const struct mime_headers *h, const char *name);
/* A machine wrote the message in answer to another one, or a vacation notice did (RFC
 * 3834 and the usual X- headers). */
bool mime_headers_is_auto_reply(const struct mime_headers *h);

/* The subject of an answer is one that mail programs give to such notices. */
bool mime_subject_is_auto_reply(struct str subject);

/* --- reports (RFC 3464) --- */

/* What became of a message for one recipient; absent where the report does not say. */
struct mime_outcome {
    struct str recipient;  /* address */
    struct str action;     /* failed, delayed, delivered, relayed, expanded */
    struct str status;     /* 5.1.1 */
    struct str diagnostic; /* what the other server said */
};
/* The outcomes of a message/delivery-status part, at most max; returns their number. */
size_t mime_report_parse(struct arena *arena, struct str body, struct mime_outcome *out,
                         size_t max);

/* --- addresses, ids, dates --- */

struct mime_address {
    struct str name;    /* display name, UTF-8, may be empty */
    struct str address; /* "local@domain" UTF-8 as written; empty if it cannot be told */
};

struct mime_addresses {
    const struct mime_address
        *items; /* members of groups included, group names dropped */
    size_t count;
    bool truncated;
};

/* Address list of a From, To, Cc … header. Quotes and comments are removed; a comment
 * after a bare address becomes the name. */
void mime_addresses_parse(struct arena *arena, struct str value,
                          struct mime_addresses *out);
/* The same from IMAP's parts, each borrowed from `scratch`, whose content goes, until that
 * changes; a name that stands for itself is borrowed from `raw`. */
struct str mime_name_decode(struct buf *scratch, struct str raw);
struct str mime_address_join(struct buf *scratch, struct str mailbox, struct str host);

struct mime_ids {
    const struct str *items; /* with angle brackets, no white space inside */
    size_t count;
    bool truncated;
};

/* Message-ID, In-Reply-To, References: every <…> in order; a lone word with @ counts. */
void mime_ids_parse(struct arena *arena, struct str value, struct mime_ids *out);
/* The first of them or absent; borrowed from the value if that is just an id. */
struct str mime_ids_first(struct arena *arena, struct str value);

/* RFC 5322 date, its obsolete forms and the usual mistakes; milliseconds UTC. False if it
 * is no date of the years 1970–9999; the output is untouched then. */
bool mime_date_parse(struct str value, int64_t *ms_out);

/* --- download header --- */

/* Appends `attachment; filename="…"; filename*=UTF-8''…` (RFC 6266). Only the part of the
 * name after the last slash, backslash or drive colon is used; control and direction
 * characters are removed; the result is one header line of printable ASCII. */
bool mime_disposition(struct buf *out, const char *kind, struct str filename);

#endif
