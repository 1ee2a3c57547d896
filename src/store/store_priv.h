/* store_priv: what the files of the store share.
 * Shape    struct store       connection, keyring, leases, and the caches of its parts
 *          struct store_call  one Redis command in flight; outlives an owner that is
 *                             gone, whose callback it then no longer makes
 *          struct store_op    base of every operation of the store: `struct op` first,
 *                             then the calls in flight
 * Owner    a struct store_calls (in an operation or in the store) owns its calls
 * Calls    loop thread. A reply function runs at most once per call and never after the
 *          operation has ended.
 * Limits   STORE_VALUE_MAX bytes a value */
#ifndef POSTRIDER_STORE_PRIV_H
#define POSTRIDER_STORE_PRIV_H

#include "postrider/base/arena.h"
#include "postrider/base/buf.h"
#include "postrider/base/list.h"
#include "postrider/base/map.h"
#include "postrider/event/event.h"
#include "postrider/loop/backoff.h"
#include "postrider/loop/op.h"
#include "postrider/store/store.h"
#include "postrider/store/store_account.h"
#include "postrider/store/store_log.h"
#include "postrider/store/store_settings.h"

enum {
    STORE_VALUE_MAX = 8 * 1024 * 1024,
    STORE_RECORD_MAX = 256 * 1024,
    STORE_LEASE_TTL_MS = 30 * 1000,
    STORE_SCHEMA_VERSION = 1,
    STORE_DEADLINE_MS = 10 * 1000 /* of an operation with a few round trips */
};

/* Scripts of src/store/lua, embedded by the build; one row each in store_lua.c. */
enum store_lua {
    STORE_LUA_LEASE,
    STORE_LUA_RELEASE,
    STORE_LUA_ACCOUNT_CREATE,
    STORE_LUA_ACCOUNT_UPDATE,
    STORE_LUA_ACCOUNT_DELETE,
    STORE_LUA_DIRECTORY_SWAP,
    STORE_LUA_SETTINGS_SET,
    STORE_LUA_TOKEN_DELETE,
    STORE_LUA_TOKEN_TOUCH,
    STORE_LUA_TOKEN_PREPARE,
    STORE_LUA_COMMIT,
    STORE_LUA_CURSOR,
    STORE_LUA_TRIM,
    STORE_LUA_REPLAY,
    STORE_LUA_BLOCKLIST_ADD,
    STORE_LUA_BLOCKLIST_DELETE,
    STORE_LUA_BLOCKLIST_READ,
    STORE_LUA_BLOCKLISTS,
    STORE_LUA_DEAD_PUT,
    STORE_LUA_DEAD_DROP,
    STORE_LUA_COUNT
};

/* --- Redis commands in flight --- */

struct store_calls {
    struct list list;
};

struct store_reply {
    const struct err *err;           /* NULL = success */
    const struct redis_reply *value; /* NULL when err is set */
    bool maybe_executed;             /* with err: the command may have taken effect */
    size_t tag;                      /* as given at the start */
};
typedef void store_reply_fn(void *ctx, const struct store_reply *reply);

void store_calls_init(struct store_calls *calls);
/* Their functions do not run any more. With `drop` the commands are cancelled too;
 * without, those not yet sent still go out. */
void store_calls_end(struct store_calls *calls, bool drop);

/* A command for Redis: words gathered in an arena. A script's words are its keys, then
 * its arguments. */
struct store_words {
    struct arena *arena;
    struct str *items;
    size_t count, cap;
    size_t key_count;
};

void store_words_init(struct store_words *w, struct arena *arena);
void store_word(struct store_words *w, struct str word);         /* borrowed until sent */
void store_word_c(struct store_words *w, const char *word);      /* borrowed until sent */
void store_word_u64(struct store_words *w, uint64_t number);     /* decimal */
void store_word_buf(struct store_words *w, const struct buf *b); /* copied */
void store_words_append(struct store_words *w, const struct store_words *more);
/* For scripts: the words so far are the keys. */
void store_words_end_keys(struct store_words *w);

struct store_target {
    struct store *store;
    struct store_calls *calls;
    store_reply_fn *fn; /* NULL = nobody wants the reply */
    void *ctx;
    size_t tag;
    struct op *op; /* or NULL; replies are dropped once it is ending */
};
void store_send(const struct store_target *t, const struct store_words *w);
void store_send_script(const struct store_target *t, enum store_lua script,
                       const struct store_words *w);

/* --- operations --- */

struct store_op {
    struct op op;
    struct store *store;
    struct store_calls calls;
};

/* The first member of the type's struct is `struct store_op`; its row uses
 * store_op_abort and store_op_fini (or calls them from its own). Fails at once (the
 * callback comes later, as always) with ERR_STORE_DOWN if the store was never opened:
 * check op_is_running before going on. */
void *store_op_new(struct store *s, const struct op_type *type,
                   int64_t deadline_ms) ATTR_RETURNS_NONNULL;
void store_op_abort(struct op *op);
void store_op_fini(struct op *op);
/* fn gets the store_op as ctx. */
void store_op_send(struct store_op *op, const struct store_words *w, store_reply_fn *fn,
                   size_t tag);
/* HGETALL of an account's key; nothing if the operation has failed already. */
void store_op_read_hash(struct store_op *op, const struct store_acct *a, const char *key,
                        store_reply_fn *fn);
void store_op_script(struct store_op *op, enum store_lua script,
                     const struct store_words *w, store_reply_fn *fn, size_t tag);
/* True if the reply is an error; the operation has failed with it then (other calls in
 * flight are cancelled). */
bool store_op_refused(struct store_op *op, const struct store_reply *reply);
/* Fails and cancels what is in flight. */
void store_op_fail_err(struct store_op *op, const struct err *err);

/* --- leases: what a fenced script checks ---
 * Every script that writes for an account begins with the keys `lease`, `epoch` of the
 * shard and the arguments owner, epoch held, and runs
 *     if redis.call('GET', KEYS[1]) ~= ARGV[1] or redis.call('GET', KEYS[2]) ~= ARGV[2]
 *     then return redis.error_reply('FENCED lease lost') end
 * Error replies that begin with FENCED, STALE, CONFLICT, GONE and FULL become ERR_FENCED,
 * ERR_STALE, ERR_CONFLICT, ERR_NO_ACCOUNT and ERR_LIMIT. */

/* Begins a fenced script: the two keys. */
void store_words_lease_keys(struct store_words *w, const struct store *s, uint8_t shard);
/* Ends the keys and puts the two arguments. */
void store_words_lease_args(struct store_words *w, const struct store *s, uint8_t shard);
/* "node:incarnation", the value of every lease of this node. */
const char *store_owner(const struct store *s);
uint64_t store_epoch(const struct store *s, uint8_t shard); /* 0 = never held */
/* A script was refused: looks at the lease of the shard soon. */
void store_lease_suspect(struct store *s, uint8_t shard);

/* --- key names --- */

/* "pr:{17}:log:<name>" */
struct str store_key(struct arena *a, const struct store *s,
                     const struct store_acct *acct, const char *kind);
/* "pr:{17}:m:<name>:<box>" */
struct str store_key_box(struct arena *a, const struct store *s,
                         const struct store_acct *acct, const char *kind, uint32_t box);
/* "pr:{17}:dirty" */
struct str store_key_shard(struct arena *a, const struct store *s, uint8_t shard,
                           const char *kind);
/* "pr:settings" */
struct str store_key_global(struct arena *a, const struct store *s, const char *name);
/* 32 hexadecimal digits: the keyed hash of a name that must not be read in a key. */
enum {
    STORE_NAME_HASH_SIZE = 33
};
void store_name_hash(struct store *s, const char *domain, struct str name,
                     char out[STORE_NAME_HASH_SIZE]);

/* --- sealed values --- */

/* What a value is bound to besides its bytes. */
struct store_place {
    enum crypto_purpose purpose;
    const char *incarnation; /* of the account; "" for global values */
    const char *field; /* logical name, e.g. "rec", "mailbox:12", "segment:12:901" */
    uint64_t version;
};

/* Appends the sealed value; false if it does not fit `out`. */
bool store_seal(struct store *s, const struct store_place *place, struct str plain,
                struct buf *out);
/* Appends the plain text. ERR_DECRYPT, ERR_KEY, ERR_LIMIT. */
bool store_open_value(struct store *s, const struct store_place *place, struct str sealed,
                      struct buf *out, struct err *err);
bool store_seal_json(struct store *s, const struct store_place *place, const json_t *json,
                     struct buf *out);
/* A new reference, or NULL with ERR_DECRYPT, ERR_CORRUPT … */
json_t *store_open_json(struct store *s, const struct store_place *place,
                        struct str sealed, struct err *err);

/* --- log entries (store_event.c) ---
 * An entry of log:<acc> has the fields t (type name), i (event id), d (sealed event); an
 * entry of feed has a (account name), e (entry id in the log). */

/* Appends what belongs into field d. The event's id must be set. */
bool store_event_seal(struct store *s, const struct store_acct *acct,
                      const struct event *e, struct buf *out);
/* Decodes; ERR_DECRYPT or ERR_CORRUPT leave out->type and out->id set, so that a reader
 * can tell which event it could not read. */
bool store_event_open(struct store *s, const struct store_acct *acct,
                      enum event_type type, const char *id, struct str sealed,
                      struct event *out, struct err *err);

/* --- the store --- */

struct store_shard {
    uint64_t epoch;        /* of the last lease held; 0 = never */
    bool held;             /* as far as we know; see good_until_ms */
    bool foreign;          /* another node holds it */
    bool asked;            /* a lease call is in flight */
    bool fresh;            /* just taken: the directory needs a repair first */
    bool repairing;        /* then the owner is told */
    bool told;             /* the owner knows that we hold it */
    int64_t asked_ms;      /* monotonic: the call in flight began */
    int64_t good_until_ms; /* monotonic: certainly ours until then */
    int64_t due_ms;        /* monotonic: when to ask again */
};

struct store_directory;
struct store_repair;
struct store_settings_cache;
struct store_token_cache;

struct store {
    uint32_t magic;
    struct loop *loop;
    struct redis *redis;
    char *prefix;
    char *key_text, *key_file;
    char node_id[STORE_INCARNATION_SIZE];
    char owner[2 * STORE_INCARNATION_SIZE];
    bool passive;
    int64_t lease_ttl_ms;
    int64_t log_retention_ms;

    struct redis_script scripts[STORE_LUA_COUNT];
    struct arena script_texts; /* of those that are put together */
    struct keyring *keyring;   /* NULL until the master key is known */
    bool opened;               /* reads and writes are possible */

    struct store_calls background; /* renewals, polls, last-used marks */
    struct store_shard shards[STORE_SHARDS];
    struct timer lease_timer;
    struct store_repair *repair; /* after taking over shards */
    struct timer poll_timer, memory_timer;
    unsigned fill_percent; /* of the memory Redis may use */
    struct err refusal;    /* why Redis takes no writes; ERR_OK: it does */
    store_lease_cb *lease_cb;
    void *lease_ctx;

    store_appended_cb *appended_cb;
    void *appended_ctx;
    store_moved_cb *moved_cb;
    void *moved_ctx;
    int64_t moves_seen; /* -1 = not yet */
    store_state_cb *state_cb;
    void *state_ctx;

    struct map *committing; /* name of an account → its running commit */

    struct store_directory *directory;
    struct store_settings_cache *settings;
    struct store_token_cache *tokens;
    struct lru *threads_kept; /* thread_kept.c; NULL: nothing is */
};

void store_lua_init(struct store *s);

/* Tells the readers of this node that events were appended. */
void store_appended(struct store *s, const struct store_acct *acct, size_t count);

#endif
