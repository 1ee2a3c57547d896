/* store_tombstone_priv: tombstones as words of a commit. */
#ifndef POSTRIDER_STORE_TOMBSTONE_PRIV_H
#define POSTRIDER_STORE_TOMBSTONE_PRIV_H

#include "postrider/store/store_tombstone.h"
#include "store_rows.h"

enum {
    TOMBSTONE_BYTES_MAX = 1 + 4 * 5 + 10 + 2 + MSG_EMAILID_MAX
};

/* The sealed value. False if an id is too long. */
bool store_tombstone_word(struct store_words *w, struct store *s,
                          const struct store_acct *a, const struct tombstone *t);

#endif
