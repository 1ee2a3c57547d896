/* replay_model: what a reader of an account's log alone believes: the log replayed must give
 * the index. Pure: no store, no server.
 * Shape    messages by id with their flags, mailbox by mailbox. After mailboxReset the ids of
 *          a mailbox are void, but its messages are still there: they are carried, as a
 *          number, until an event names them anew or tells that they went.
 * Owner    the test: replay_new … replay_free
 * Errors   replay_event gives what is wrong with an event in its place, or NULL */
#ifndef TEST_REPLAY_MODEL_H
#define TEST_REPLAY_MODEL_H

#include "postrider/event/event.h"

struct replay;

struct replay *replay_new(void);
void replay_free(struct replay **r);
/* Events that were seen before, by id, change nothing. */
const char *replay_event(struct replay *r, const struct event *e);
/* Messages of a mailbox that are there without having been told. */
void replay_baseline(struct replay *r, uint32_t box, size_t count);
void replay_put(struct replay *r, uint32_t box, const char *id,
                json_t *flags); /* taken */

/* Flags of a message, borrowed; NULL: none has this id. */
const json_t *replay_flags(const struct replay *r, const char *id);
/* Named and carried ones. */
size_t replay_count(const struct replay *r, uint32_t box);
size_t replay_carried(const struct replay *r, uint32_t box);
/* NULL: no event told of it, or it is gone. */
const char *replay_path(const struct replay *r, uint32_t box);

#endif
