/* store_world: an opened store over a private redis-server, with one account, and the
 * operations of the message index as plain calls that wait.
 * Owner    the test: store_world_start … store_world_end
 * Limits   every wait is bounded by WORLD_WAIT_MS; one that is over fails the test */
#ifndef TEST_STORE_WORLD_H
#define TEST_STORE_WORLD_H

#include "postrider/store/store_account.h"
#include "postrider/store/store_log.h"
#include "postrider/store/store_mailbox.h"

#include "redis_fixture.h"

enum {
    WORLD_WAIT_MS = 60000
};

struct store_world {
    struct loop *loop;
    struct net *net;
    struct redis_fixture *server; /* NULL when it runs elsewhere */
    struct redis *redis;
    struct store *store;
    struct store_acct acct;
};

/* Options for the private server, or a URL of another one. */
void store_world_start(struct store_world *w, const struct redis_fixture_options *options,
                       const char *url);
void store_world_end(struct store_world *w);
/* A second account on the same store. */
struct store_acct store_world_account(struct store_world *w, const char *id);

/* The outcome; acct is filled in. Events are taken. */
struct err world_commit(struct store_world *w, struct store_commit_params params);
/* One mailbox, rows to put and UIDs to remove. */
struct err world_put(struct store_world *w, struct mailbox *m, const struct msg_row *rows,
                     size_t count);
struct err world_delete(struct store_world *w, struct mailbox *m, const uint32_t *uids,
                        size_t count);
/* Starts only: *done is set and *err filled in later. */
struct world_call {
    bool done;
    struct err err;
};
void world_commit_start(struct store_world *w, struct store_commit_params params,
                        struct world_call *call);
void world_wait(struct store_world *w, struct world_call *call);

/* Rows are copied into the arena. */
struct err world_scan(struct store_world *w, const struct mailbox *m, uint32_t uid_lo,
                      uint32_t uid_hi, struct arena *arena, struct msg_row **rows_out,
                      size_t *count_out);
struct err world_rank(struct store_world *w, const struct mailbox *m, uint32_t first,
                      uint32_t count, struct arena *arena, struct msg_row **rows_out,
                      size_t *count_out);
/* A new reference to the account's state record. */
struct err world_account_state(struct store_world *w, json_t **state_out);
/* The array is the caller's (mem_free), the mailboxes too. */
struct err world_mailboxes(struct store_world *w, struct mailbox ***boxes_out,
                           size_t *count_out, uint32_t *next_number_out);

#endif
