/* sync_world: one mailbox of a real Dovecot, synced into a real Redis by passes that the
 * test starts one by one, and a second client that changes the mailbox.
 * Shape    sync_world_check compares three views of the mailbox: what the server says,
 *          what the index holds, and what a reader of the log alone would believe
 * Owner    the test: sync_world_new, then sync_world_free
 * Limits   UIDs below WORLD_UID_MAX; the keywords of world_keywords; bounded waits */
#ifndef POSTRIDER_TESTS_SYNC_WORLD_H
#define POSTRIDER_TESTS_SYNC_WORLD_H

#include "dovecot_fixture.h"
#include "replay_model.h"
#include "store_fixture.h"

#include "postrider/store/store_account.h"
#include "postrider/store/store_log.h"
#include "postrider/sync/sync.h"

enum {
    WORLD_UID_MAX = 6000,
    WORLD_SYNC_WAIT_MS = 30000
};

extern const char *const world_keywords[2];

/* One message as one of the views shows it. */
struct world_message {
    bool present;
    uint8_t system;
    uint8_t keywords; /* bit i: world_keywords[i] */
};

struct sync_world {
    struct store_fixture *redis;
    uint16_t port;
    enum imap_security security;
    struct store *store;
    struct store_acct acct;
    struct mailbox_table table;
    struct mailbox *m;
    struct imap_conn *conn;  /* of the passes */
    struct imap_conn *other; /* the second client */
    uint32_t caps_off;       /* what conn may not use */
    struct sync_live live;
    struct sync_ctx sc;
    struct sync_learned learned;
    char user[32];
    struct sync_pass_result result; /* of the last pass */
    struct err err;
    bool done;
    struct imap_conn *opened;
    struct world_message server[WORLD_UID_MAX], index[WORLD_UID_MAX];
    struct replay *replay; /* of the log, as far as it was read */
    struct sync_moves moves;
    unsigned appended;
    size_t events[EVENT_TYPE_COUNT]; /* in the log so far */
    size_t page;
    char last[STORE_ENTRY_ID_SIZE];
};

/* The mailbox is "Archive" and empty. Every world has a user of its own. */
struct sync_world *sync_world_new(const struct dovecot_fixture *dovecot,
                                  uint32_t caps_off);
/* The same against any server on the loopback, in clear; nobody plays the second client. */
struct sync_world *sync_world_new_at(uint16_t port, uint32_t caps_off);
void sync_world_free(struct sync_world **w);

/* --- the daemon's side --- */

void world_connect(struct sync_world *w);
void world_disconnect(struct sync_world *w);
/* NOOP: the server says what happened. */
void world_listen(struct sync_world *w);
/* Starts only; ends in w->done and w->err. */
struct sync_pass *world_pass_start(struct sync_world *w, bool select);
void world_pass(struct sync_world *w, bool select);
/* One that may fail: w->err tells. */
void world_try_pass(struct sync_world *w, bool select);
/* A pass with SELECT, and passes over what was said meanwhile until nothing is left. */
void world_sync(struct sync_world *w);
/* What a pass does with what world_listen heard. */
void world_sync_live(struct sync_world *w);
/* As after a restart: the mailbox is read from the store. */
void world_reload(struct sync_world *w);

/* --- the other client --- */

void other_append(struct sync_world *w, size_t count);
void other_store(struct sync_world *w, const char *uids, enum imap_store_mode mode,
                 uint8_t system, const char *keyword);
void other_expunge(struct sync_world *w, const char *uids);
/* Deletes and creates it: another UIDVALIDITY, no messages. */
void other_recreate(struct sync_world *w);

/* --- the views --- */

/* Reads what the log has more than before. */
void world_read_log(struct sync_world *w);
/* Server, index and log agree; fails the test otherwise. */
void world_check(struct sync_world *w);
/* Server and index agree; the log's reader starts anew from there. */
void world_check_index(struct sync_world *w);

#endif
