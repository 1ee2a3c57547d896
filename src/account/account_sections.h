/* account_sections: which sections of a message to ask for when its texts are wanted and its
 * structure is not known yet; and what came of them.
 * Calls    pure; up to ACCOUNT_SECTIONS_MAX names into `out`, their number is returned */
#ifndef POSTRIDER_ACCOUNT_SECTIONS_H
#define POSTRIDER_ACCOUNT_SECTIONS_H

#include "account_render.h"

#include "postrider/account/account_message.h"

enum {
    ACCOUNT_SECTIONS_MAX = 2 * RENDER_TEXT_PARTS_MAX
};

/* Those that the id of a text names: [["1"],["2"]], plain ones and HTML. */
size_t account_sections_named(struct arena *arena, struct str id_rest,
                              enum account_text_type type, struct str *out);
/* NULL: the row did not bring it. */
const struct imap_section *account_section_find(const struct imap_row *row,
                                                struct str name) ATTR_PURE;
/* Where texts usually are: alone, in two forms, and the same beside attachments. */
size_t account_sections_usual(enum account_text_type type, struct str *out);

#endif
