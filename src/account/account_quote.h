/* account_quote: what a message that answers or passes on another one takes from it.
 * Calls    pure
 * Owner    results are in the arena, or in the buf given */
#ifndef POSTRIDER_ACCOUNT_QUOTE_H
#define POSTRIDER_ACCOUNT_QUOTE_H

#include "postrider/base/arena.h"
#include "postrider/base/buf.h"

#include <jansson.h>
#include <stdbool.h>

/* "Re: " or "Fwd: " in front, unless it is there. */
struct str account_quote_subject(struct arena *arena, const json_t *message,
                                 bool forward);
/* References of an answer: those of the message and its own id. */
struct str account_quote_references(struct arena *arena, const json_t *message);
/* The text of the message under `text`, which may be absent: quoted, or below its header. */
void account_quote_plain(struct buf *out, struct str text, const json_t *message,
                         bool forward);
void account_quote_html(struct buf *out, struct str html, const json_t *message,
                        bool forward);

#endif
