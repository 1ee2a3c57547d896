/* account_pick: fetches and renders single messages, mailbox by mailbox; calls that wait for
 * rows of the same mailbox share a FETCH.
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
    bool alone;      /* a FETCH that it shared failed */
    size_t from, to; /* of the mailbox at hand, among the items */
    void (*then)(struct account_call *c);
    struct account_call *call;
    struct list node;     /* of the account's, while it waits for a connection; or … */
    struct list sharers;  /* … of these: another's FETCH brings its rows, too */
    bool shares;          /* or did, as long as its FETCH runs */
    struct timer overdue; /* of the FETCH that is shared */
    /* of the FETCH: rows that came, when the first one did, and the bytes shown until then */
    size_t came;
    int64_t began_us;
    size_t bytes_before;
};

void picks_init(struct picks *p, struct arena *arena, size_t count);
/* Fetches the rows of all items, puts ids of threads into them, then goes on. */
void picks_fetch(struct account_call *c, struct picks *p,
                 void (*then)(struct account_call *c));
/* The call has ended, however. */
void picks_end(struct account_call *c);

#endif
