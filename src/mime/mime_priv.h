/* mime_priv: what the mime files share. */
#ifndef POSTRIDER_SRC_MIME_PRIV_H
#define POSTRIDER_SRC_MIME_PRIV_H

#include "postrider/mime/mime.h"

#include "postrider/base/bytes.h"

#include <gmime/gmime.h>

/* Name under which the converter knows a character set of mail: NULL if it shall be guessed,
 * windows-1252's if it is unknown. */
const char *mime_charset_name(struct str label) ATTR_PURE;
/* Appends the text as mime_text_decode does, transfer encoding aside; false if max_bytes
 * left some out. */
bool mime_charset_put(struct buf *out, struct str text, const struct mime_text *how);

/* Position of the two bytes at or after `from`, or SIZE_MAX: many times as fast as memmem in
 * texts that have few of the first. */
size_t mime_pair_find(struct str s, size_t from, const char pair[2]) ATTR_PURE;
/* Appends what a text in a header stands for: 'b' is base64, 'q' the Q encoding of RFC 2047,
 * '%' the percent encoding of RFC 2231. */
void mime_decode_piece(struct buf *out, struct str text, char encoding);

/* An encoded word (RFC 2047) and the search for it, which is linear over one text. */
struct mime_word {
    struct str charset; /* without its language */
    char encoding;      /* 'b' or 'q' */
    struct str text;
    size_t end; /* position after it */
};

struct mime_word_scan {
    struct str raw;
    size_t closing; /* where a "?=" was found last */
};

/* Is there an encoded word at `at`? */
bool mime_word_at(struct mime_word_scan *s, size_t at, struct mime_word *out);
/* Appends bytes of the named character set as one line of header text. */
bool mime_words_convert(struct buf *out, struct str bytes, struct str charset);

/* Limit of a buffer whose size follows from input that has a limit. */
#define MIME_ANY_SIZE (SIZE_MAX / 4)

/* Most text is that simple, and stands for itself. */
static inline bool mime_is_printable(struct str s)
{
    return bytes_is_plain(s, STR("\x7f"));
}

#endif
