/* sync_recent: have the newest messages other flags than the index says? What to ask, and what
 * the answers mean.
 * Shape    one search names what would differ; a flag that many have here and there is searched
 *          for by itself beside it, and the answer held against the index
 * Owner    the pass; texts and sets lie in its arena
 * Limits   SYNC_RECENT_MAX messages, SYNC_RECENT_ALONE searches beside the first one
 * Spec     RFC 4731; sync without MODSEQ has nothing else that is short */
#ifndef POSTRIDER_SYNC_RECENT_H
#define POSTRIDER_SYNC_RECENT_H

#include "postrider/loop/op.h"
#include "postrider/sync/sync.h"

enum {
    SYNC_RECENT_MAX = 200, /* whose flags are looked at without MODSEQ */
    SYNC_RECENT_ALONE = 2  /* with the first one and IDLE as many as are sent at once */
};

struct sync_recent_alone {
    struct str criteria;
    struct imap_set known; /* who is found if nothing changed */
    struct imap_search *search;
};

struct sync_recent {
    bool done;       /* PASS_STATE_RECENT was there */
    bool differs;    /* something was found */
    struct str uids; /* all of it, for a FETCH; STR_NULL: more than is worth naming */
    uint32_t *rows;  /* UIDs of the newest indexed messages */
    size_t row_count;
    struct str criteria;
    struct imap_search *search;
    struct sync_recent_alone alone[SYNC_RECENT_ALONE];
    size_t alone_count;
    struct buf found; /* "2:5,9" … */
    bool unnamed;     /* … without all of them */
};

struct sync_pass;
enum step sync_recent_step(struct op *op);
/* Can it be searched for? Else the flags are fetched. */
bool sync_recent_is_worth(const struct sync_pass *p);
/* No answer has come yet to some of what was asked. */
bool sync_recent_waits(const struct sync_recent *r);
void sync_recent_cancel(struct sync_recent *r);
void sync_recent_fini(struct sync_recent *r);

/* sync_recent_ask.c */

/* What finds those of the rows that have other flags now; false: too much to ask. */
bool sync_recent_ask(struct sync_pass *p, const struct msg_row *rows, size_t count);
/* Who of the rows has this flag now, but not before, or the other way round; in `arena`. */
struct imap_set sync_recent_differing(struct arena *arena, const struct sync_recent *r,
                                      const struct sync_recent_alone *a,
                                      const struct imap_set *now);

#endif
