/* sync_match: pure: rows of a former index against rows of the one that replaced it.
 * Shape    add the old rows ─► sort ─► one call per new row ─► what is left over
 *          Rows are the same message when their EMAILID is, or, where it is not to be had on
 *          both sides, their fingerprint; equal ones are paired one to one, first those
 *          with equal flags.
 * Owner    the caller; old rows are copied
 * Limits   SYNC_MATCH_ROWS old rows; further ones are left out, and `overflow` says so */
#ifndef POSTRIDER_SYNC_MATCH_H
#define POSTRIDER_SYNC_MATCH_H

#include "postrider/store/store_mailbox.h"

enum {
    SYNC_MATCH_ROWS = 100000
};

struct sync_match_row {
    uint64_t key; /* 0 = cannot be recognised */
    struct msg_row row;
    bool taken;
    uint32_t first_free; /* in the first row of its key: how many behind it are taken */
};

struct sync_match {
    struct arena arena; /* keywords */
    struct sync_match_row *rows;
    size_t count, cap;
    bool overflow;
};

/* What the rows of one side can be recognised by. */
struct sync_match_facts {
    uint64_t rows, with_email, with_print;
};
void sync_match_count(struct sync_match_facts *facts, const struct msg_row *row);
/* EMAILIDs serve: nearly all rows of both sides have one. */
bool sync_match_by_email(const struct sync_match_facts *old_side,
                         const struct sync_match_facts *new_side);
/* More than 90 % of the rows of both sides can be recognised: what finds no partner is gone. */
bool sync_match_is_telling(const struct sync_match_facts *old_side,
                           const struct sync_match_facts *new_side, bool by_email);
uint64_t sync_match_key(const struct msg_row *row, bool by_email);

void sync_match_fini(struct sync_match *t);
void sync_match_clear(struct sync_match *t);
void sync_match_add(struct sync_match *t, uint64_t key, const struct msg_row *row);
void sync_match_sort(struct sync_match *t);
/* The old row of this new one, or NULL; borrowed until clear. */
const struct msg_row *sync_match_take(struct sync_match *t, uint64_t key,
                                      const struct msg_row *row);

bool sync_same_flags(const struct msg_row *a, const struct msg_row *b);

#endif
