/* json_out: JSON written straight into a buffer, where building values first would cost more
 * than all the rest.
 * Shape    each function appends one member of the object that is open (with a key), or one
 *          item of the list that is open or the value itself (key NULL). A comma goes in front
 *          unless the buffer is empty or a bracket was opened just before
 * Owner    the buffer is the caller's
 * Calls    keys are names of our own, with nothing in them to escape
 * Limits   the buffer's maximum; look at its `overflow` at the end
 * Spec     RFC 8259 */
#ifndef POSTRIDER_JSON_JSON_OUT_H
#define POSTRIDER_JSON_JSON_OUT_H

#include "postrider/json/json.h"

/* '{' or '['; closed by '}' or ']'. */
void json_out_open(struct buf *out, const char *key, char bracket);
void json_out_close(struct buf *out, char bracket);
/* An absent slice appends nothing; every invalid byte becomes U+FFFD. */
void json_out_str(struct buf *out, const char *key, struct str s);
void json_out_int(struct buf *out, const char *key, int64_t v);
void json_out_bool(struct buf *out, const char *key, bool v);
void json_out_time(struct buf *out, const char *key, int64_t wall_ms);
/* What is JSON already. */
void json_out_text(struct buf *out, const char *key, struct str json);
/* All members of an object, into the one that is open. */
void json_out_members(struct buf *out, const json_t *obj);

/* The text between quotes, which it adds. */
void json_out_quoted(struct buf *out, struct str s);

#endif
