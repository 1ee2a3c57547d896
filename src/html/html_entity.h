/* html_entity: character references (WHATWG HTML §13.2.5.72) and their opposite. */
#ifndef POSTRIDER_HTML_ENTITY_H
#define POSTRIDER_HTML_ENTITY_H

#include "postrider/base/buf.h"

/* Appends text with its references decoded. Names that the table lacks stay as written;
 * in an attribute, old names without a semicolon count only before a character that
 * cannot go on with the name. Invalid UTF-8 becomes U+FFFD, controls become spaces. */
void html_decode(struct buf *out, struct str raw, bool attribute);
/* Appends text of a document, decoded and escaped again. References with names that the
 * table lacks are kept for the reader's program. */
void html_put_text(struct buf *out, struct str raw);
/* Appends text with & < > " ' escaped: safe in text and in a quoted attribute. */
void html_put_escaped(struct buf *out, struct str text);

#endif
