/* store_tombstone: messages that left a mailbox a moment ago, kept until the arrival that
 * makes a move of it can be told.
 * Shape    a field of mv:<acc> per message; written and removed by the commits that tell of
 *          the removal and of the arrival (struct store_commit_params)
 * Owner    what the callback shows is borrowed; strings of a tombstone are its maker's
 * Limits   TOMBSTONES_MAX an account: the writer's duty
 * Errors   store.h's; damaged entries are left out: they cost a move, not an event */
#ifndef POSTRIDER_STORE_STORE_TOMBSTONE_H
#define POSTRIDER_STORE_STORE_TOMBSTONE_H

#include "postrider/store/store.h"

enum {
    TOMBSTONES_MAX = 10000
};

struct tombstone {
    uint64_t key; /* rises with every tombstone of the account */
    uint32_t box, number, uid;
    uint32_t fingerprint; /* 0 = unknown */
    struct str email_id;  /* absent if the server has none */
    int64_t deadline_ms;  /* wall clock: a later arrival is not its other end */
};

/* Pure codec, unsealed. The key is not part of it. ERR_CORRUPT. */
bool tombstone_encode(const struct tombstone *t, struct buf *out);
bool tombstone_decode(uint64_t key, struct str encoded, struct tombstone *out,
                      struct err *err);

struct store_tombstones;
/* In rising order of keys. */
typedef void store_tombstones_cb(struct store_tombstones *op, const struct err *err,
                                 const struct tombstone *items, size_t count, void *ctx);
struct store_tombstones *store_tombstones_start(struct store *s,
                                                const struct store_acct *a,
                                                store_tombstones_cb *cb, void *ctx);
void store_tombstones_cancel(struct store_tombstones *op);

#endif
