/* account_pick: fetches and renders single messages, mailbox by mailbox.
 * Owner    picks and their rows live in the call's arena
 * Calls    inside a running account_call */
#ifndef POSTRIDER_ACCOUNT_PICK_H
#define POSTRIDER_ACCOUNT_PICK_H

#include "account_row.h"

struct pick {
    uint32_t box, number, uid; /* number: as it was when the UID was learned */
    size_t at;                 /* place among the rows */
};

struct picks {
    struct pick *items;
    struct shown_row *rows;
    size_t count;
    bool strict;     /* a mailbox that cannot be selected is an error */
    bool live;       /* everything is kept: asked is for what may change only */
    bool again;      /* but some of it is of other messages: for everything once more */
    size_t from, to; /* of the mailbox at hand, among the items */
    void (*then)(struct account_call *c);
};

void picks_init(struct picks *p, struct arena *arena, size_t count);
/* Fetches the rows of all items, puts ids of threads into them, then goes on. */
void picks_fetch(struct account_call *c, struct picks *p,
                 void (*then)(struct account_call *c));

#endif
