/* charset: what the mime files share about character sets and header words. */
#ifndef POSTRIDER_SRC_MIME_CHARSET_H
#define POSTRIDER_SRC_MIME_CHARSET_H

#include "postrider/mime/mime.h"

enum {
    CHARSET_ROW_GUESS = 0,
    CHARSET_ROWS_MAX = 64 /* of the table of character sets */
};

/* Table row of the name; CHARSET_ROW_GUESS when absent, windows-1252's when unknown. */
size_t charset_row(struct str name) ATTR_PURE;
/* Name for iconv of a row, or NULL (no such row, or converted here). */
const char *charset_iconv_name(size_t row) ATTR_PURE;
struct mime_charset *charset_new_row(size_t row, size_t max_bytes) ATTR_RETURNS_NONNULL;
/* Ready for another text with the same limit. */
void charset_restart(struct mime_charset *c);

/* Decoder of header words that opens each converter once, however many texts it sees. */
struct words {
    struct mime_charset *converters[CHARSET_ROWS_MAX];
    struct buf run;  /* bytes of adjacent encoded words of one character set */
    struct buf text; /* the same in UTF-8 */
};

void words_init(struct words *w);
void words_fini(struct words *w);
bool words_decode(struct words *w, struct buf *out, struct str raw);
/* Appends bytes of the named character set as header text. */
bool words_convert(struct words *w, struct buf *out, struct str bytes,
                   struct str charset);

/* Value of a hexadecimal digit or -1. */
static inline int mime_hex_value(char c)
{
    if (ascii_is_digit(c)) {
        return c - '0';
    }
    char lower = ascii_lower(c);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

#endif
