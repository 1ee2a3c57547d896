/* store: what survives, in Redis: keys, leases, accounts, mailboxes, the message index,
 * the change log, tokens, settings.
 * Shape    struct store       one per node: redis client, keyring, prefix, leases
 *          struct store_acct  names one account in the store: id, hash, shard,
 *                             incarnation
 *          operations         one file each; all go through the one redis connection
 * Owner    the app owns the store; a store_acct belongs to the account actor (or is made
 *          for a lookup). Results given to callbacks are borrowed until they return.
 * Calls    loop thread
 * Limits   values up to 8 MiB; 1 000 events or 256 segments a commit
 * Errors   ERR_STORE_DOWN, ERR_STORE_REPLY, ERR_TIMEOUT: transient; ERR_FENCED: the lease
 *          is lost, the account must be dropped; ERR_STALE: the record changed, load
 *          again; ERR_DECRYPT, ERR_CORRUPT: the value is damaged; ERR_KEY at open
 * Keys     docs/DATA-MODEL.md: PREFIX:{SHARD}:name for everything one commit touches,
 *          PREFIX:name for the rest; names of accounts are keyed hashes */
#ifndef POSTRIDER_STORE_STORE_H
#define POSTRIDER_STORE_STORE_H

#include "postrider/base/err.h"
#include "postrider/base/str.h"
#include "postrider/crypto/crypto.h"
#include "postrider/redis/redis.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

enum {
    STORE_SHARDS = 256,
    STORE_ACCT_NAME_SIZE = 33,
    STORE_INCARNATION_SIZE = 33
};

struct store;

struct store_config {
    struct loop *loop;
    const char *prefix;           /* NULL = "pr" */
    struct master_key_config key; /* may_create is decided by store_open */
    const char *node_id;          /* from the locked data.dir: 32 hex digits */
    int64_t lease_ttl_ms;         /* 0 = 30 s; renewed every third of it */
    int64_t log_retention_ms;     /* 0 = 7 days */
    /* For command-line tools beside a running daemon: no leases, no polling, no repair;
     * node_id may be NULL. What needs a lease ends with ERR_FENCED. */
    bool passive;
};

struct store *store_new(struct redis *redis,
                        const struct store_config *config) ATTR_RETURNS_NONNULL;
/* All operations ended before, and the Redis client, whose state callback the store took,
 * still lives. Leases run out by themselves: store_close_start gives them back. */
void store_free(struct store **s);

/* Brings the store up: key check value (master key made only if Redis has none), lookup
 * key, schema version, a lease with a new epoch on every shard. Repeats by itself while
 * Redis is down; ends only with success or a permanent error (ERR_KEY, ERR_STORE_POLICY).
 */
struct store_open;
typedef void store_open_cb(struct store_open *op, const struct err *err, void *ctx);
struct store_open *store_open_start(struct store *s, store_open_cb *cb, void *ctx);
void store_open_cancel(struct store_open *op);
/* Releases leases for a clean hand-over; ends within deadline_ms whatever happens. */
struct store_close;
typedef void store_close_cb(struct store_close *op, const struct err *err, void *ctx);
struct store_close *store_close_start(struct store *s, int64_t deadline_ms,
                                      store_close_cb *cb, void *ctx);

struct redis *store_redis(struct store *s);
struct keyring *store_keyring(struct store *s);
const char *store_prefix(const struct store *s);
struct loop *store_loop(struct store *s);
/* Redis ready and taking writes, opened, and leases held. err tells why not. */
bool store_is_well(const struct store *s, struct err *err);
/* How much of the memory it may use Redis has in use; 0 without maxmemory. What is full
 * refuses all writes. */
unsigned store_fill_percent(const struct store *s);
/* Redis is away, or so much waits to be sent to it that whoever makes more should stop. */
bool store_is_behind(const struct store *s);
/* Does this node own the shard now? */
bool store_owns(const struct store *s, uint8_t shard);
/* Called when a shard came to this node or left it, except while opening and closing. A
 * shard that came has its accounts in the directory by then. */
typedef void store_lease_cb(struct store *s, uint8_t shard, bool owned, void *ctx);
void store_set_lease_cb(struct store *s, store_lease_cb *cb, void *ctx);

/* --- naming --- */

struct store_acct {
    char *id;                        /* as the API shows it */
    char name[STORE_ACCT_NAME_SIZE]; /* keyed hash, 32 hex: part of key names */
    uint8_t shard;
    char incarnation[STORE_INCARNATION_SIZE]; /* random per creation; "" until known */
};

void store_acct_init(struct store *s, struct store_acct *a, struct str id);
void store_acct_fini(struct store_acct *a);

/* The event id (docs/DATA-MODEL.md): an HMAC over what identifies the logical change. */
void store_event_id(struct store *s, const struct store_acct *a, uint32_t box,
                    uint32_t epoch, uint32_t uid, const char *type,
                    uint64_t discriminator, char out[37]);

#endif
