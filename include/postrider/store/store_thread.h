/* store_thread: which messages belong together, where the server does not say.
 * Shape    thread_fact   what the header of one message tells: its Message-ID and those it
 *                        names, as keyed hashes of 48 bits
 *          the map       of an account: id → id it was joined to. The last one of such a
 *                        chain is the thread; an id without an entry is a thread itself
 *          rows          of a mailbox: UID → thread as it was when the row was written
 *          facts go into the store with a commit (struct store_commit_params), which joins
 *          everything that one message names; the thread of the first reference wins
 * Owner    what callbacks show is borrowed
 * Calls    loop thread. Reading needs no lease.
 * Limits   THREAD_REFS_MAX references of a message count: the first and the last ones;
 *          THREAD_QUERIES_MAX questions an operation
 * Errors   store.h's. Damaged parts count as empty: they cost joins, not the sync
 * Spec     RFC 5322 §3.6.4; docs/DATA-MODEL.md */
#ifndef POSTRIDER_STORE_STORE_THREAD_H
#define POSTRIDER_STORE_STORE_THREAD_H

#include "postrider/store/store.h"

enum {
    THREAD_REFS_MAX = 8,
    THREAD_QUERIES_MAX = 2000, /* a page of 1000, and again when the connection ended */
    THREAD_FACTS_MAX = 1000,   /* of a commit */
    THREAD_ID_SIZE = 9
};

/* What of a Message-ID counts, with or without its angle brackets: a piece of it. */
struct str store_thread_id(struct str id) ATTR_PURE;
/* Its hash; never 0. */
uint64_t store_thread_hash(struct store *s, const struct store_acct *a, struct str id);
/* The same for a message without one. */
uint64_t store_thread_hash_uid(struct store *s, const struct store_acct *a,
                               uint32_t number, uint32_t uid);

struct thread_fact {
    uint32_t box, uid;
    uint64_t own;
    uint64_t refs[THREAD_REFS_MAX]; /* oldest first, the parent last */
    size_t ref_count;
};
/* Further references replace the last but one: the first and the youngest stay. */
void thread_fact_add(struct thread_fact *fact, uint64_t ref);

/* How far down the messages of a mailbox have been looked at. */
struct thread_progress {
    uint32_t box;
    uint32_t low_uid; /* all from here up are done; 0 = not begun, 1 = all */
};

/* As the API shows a thread: base64url of 6 bytes. */
void thread_id_format(uint64_t thread, char out[THREAD_ID_SIZE]);
bool thread_id_parse(struct str id, uint64_t *thread_out);

/* --- reading --- */

struct thread_query {
    uint64_t own; /* of the message */
    /* store_thread_id of the one it answers, which is hashed for a message that is not in the
     * map yet; absent = none */
    struct str parent;
};
struct store_threads;
/* threads: in the order of the queries; NULL if the account has no map. */
typedef void store_threads_cb(struct store_threads *op, const struct err *err,
                              const uint64_t *threads, size_t count, void *ctx);
struct store_threads *store_threads_start(struct store *s, const struct store_acct *a,
                                          const struct thread_query *queries,
                                          size_t count, store_threads_cb *cb, void *ctx);
void store_threads_cancel(struct store_threads *op);
/* The same for queries that are not known yet: what they are likely to need is read
 * meanwhile. `expected` of them: 0 if nobody knows. `map_changes`: store_commit_params' of this
 * account, which outlives the operation: what was read of the map is kept in memory until the
 * map may have changed; NULL: it is read. It waits for each query some minutes at most. */
struct store_threads *store_threads_begin(struct store *s, const struct store_acct *a,
                                          size_t expected, const uint64_t *map_changes,
                                          store_threads_cb *cb, void *ctx);
/* Gives back the memory of what is kept of maps; NULL is accepted. */
void store_threads_forget(struct store *s);
/* The next one, in the order of `threads`, which is copied; false: not taken, the operation has
 * ended or has as many as it may. */
bool store_threads_add(struct store_threads *op, const struct thread_query *query);
/* That were all: the callback comes when they are answered. */
void store_threads_end(struct store_threads *op);

struct store_thread_low;
typedef void store_thread_low_cb(struct store_thread_low *op, const struct err *err,
                                 uint32_t low_uid, void *ctx);
/* The stored progress of a mailbox. */
struct store_thread_low *store_thread_low_start(struct store *s,
                                                const struct store_acct *a, uint32_t box,
                                                store_thread_low_cb *cb, void *ctx);
void store_thread_low_cancel(struct store_thread_low *op);

struct thread_message {
    uint32_t box, uid;
    uint64_t thread;
};
struct store_thread_list;
/* By mailbox in the order asked for, then UID. */
typedef void store_thread_list_cb(struct store_thread_list *op, const struct err *err,
                                  const struct thread_message *messages, size_t count,
                                  void *ctx);
/* The messages of a thread in these mailboxes. Reads all rows of them, and the map: a
 * message may have gone from the index meanwhile. At most `max` messages. */
struct store_thread_list *store_thread_list_start(struct store *s,
                                                  const struct store_acct *a,
                                                  uint64_t thread, const uint32_t *boxes,
                                                  size_t box_count, size_t max,
                                                  store_thread_list_cb *cb, void *ctx);
/* The messages of all threads, each with its own. */
struct store_thread_list *
store_thread_list_all_start(struct store *s, const struct store_acct *a,
                            const uint32_t *boxes, size_t box_count, size_t max,
                            store_thread_list_cb *cb, void *ctx);
void store_thread_list_cancel(struct store_thread_list *op);

#endif
