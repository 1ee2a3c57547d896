/* mime_field: writes header fields: encoded words, addresses, ids, folding.
 * Calls    pure
 * Limits   lines of at most 78 bytes where there is a place to fold, else 998
 * Errors   ERR_INVALID, with the name of the field; what was written then is of no use */
#ifndef POSTRIDER_SRC_MIME_FIELD_H
#define POSTRIDER_SRC_MIME_FIELD_H

#include "postrider/base/err.h"
#include "postrider/mime/mime_compose.h"

/* What can be the name of a field: printable ASCII without colon. */
bool mime_field_name_ok(struct str name) ATTR_PURE;
/* Unstructured text; encoded where it must be. */
void mime_field_text(struct buf *out, const char *name, struct str text);
/* No field for an empty list. */
bool mime_field_addresses(struct buf *out, const char *name,
                          struct mime_address_list list, struct err *err);
/* Ids, each with its brackets, separated by white space; a lone one may come without. */
bool mime_field_ids(struct buf *out, const char *name, struct str ids, struct err *err);
void mime_field_date(struct buf *out, const char *name, int64_t wall_ms);
/* Any other field of a caller, in the form that its name asks for. */
bool mime_field_custom(struct buf *out, const struct mime_header *field, struct err *err);
/* A value that was folded with LF already. */
void mime_field_folded(struct buf *out, const char *name, const char *value);

#endif
