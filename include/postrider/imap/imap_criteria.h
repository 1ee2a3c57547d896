/* imap_criteria: search keys in the making. Values of users become strings, numbers, dates
 * or sets here and nowhere else, so that none can become another key or another command.
 * Shape    words, one after the other, with a space between; what imap_search_params takes
 * Owner    the caller's struct; imap_criteria_fini frees the text
 * Calls    pure
 * Limits   IMAP_CRITERIA_MAX bytes
 * Errors   the first thing that cannot be said is kept in `refused`; what follows is
 *          accepted and of no use
 * Spec     RFC 9051 §6.4.4 and §9; X-GM-EXT-1 for labels */
#ifndef POSTRIDER_IMAP_IMAP_CRITERIA_H
#define POSTRIDER_IMAP_IMAP_CRITERIA_H

#include "postrider/base/buf.h"
#include "postrider/imap/imap_value.h"

enum {
    IMAP_CRITERIA_MAX = 256 * 1024
};

struct imap_criteria {
    struct buf text;
    bool utf8;           /* a string goes beyond ASCII: the search needs a charset */
    const char *refused; /* why the keys cannot be sent, or NULL */
};

void imap_criteria_init(struct imap_criteria *c);
void imap_criteria_fini(struct imap_criteria *c);

/* A key of ours: "SUBJECT". */
void imap_criteria_word(struct imap_criteria *c, const char *word);
/* Quoted, or a literal where it holds bytes beyond ASCII. */
void imap_criteria_string(struct imap_criteria *c, struct str s);
/* The name of a label in UTF-8; system labels ("\\Sent") stay as they are. */
void imap_criteria_label(struct imap_criteria *c, struct str label);
void imap_criteria_number(struct imap_criteria *c, uint64_t n);
/* The day in UTC. */
void imap_criteria_date(struct imap_criteria *c, int64_t wall_ms);
/* Message numbers as a person writes them: "1:3,7:*". */
void imap_criteria_set(struct imap_criteria *c, struct str set);
void imap_criteria_ranges(struct imap_criteria *c, const struct imap_set *set);
/* An id of RFC 8474: letters, digits, "-" and "_". */
void imap_criteria_id(struct imap_criteria *c, struct str id);

#endif
