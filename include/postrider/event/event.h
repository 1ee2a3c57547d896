/* event: one entry of an account's change log.
 * Shape    type, stable id, where it happened, and the thin payload: ids, flags, states
 *          and the difference, never content. What a webhook sends is rendered from it by
 *          readers.
 * Owner    an event owns its strings and its data (event_fini); events are moved, not
 *          shared
 * Limits   EVENT_DATA_MAX bytes encoded
 * Errors   ERR_CORRUPT from event_decode
 * Spec     names as EmailEngine's webhook events */
#ifndef POSTRIDER_EVENT_EVENT_H
#define POSTRIDER_EVENT_EVENT_H

#include "postrider/base/buf.h"
#include "postrider/base/err.h"
#include "postrider/base/str.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

enum {
    EVENT_ID_SIZE = 40, /* a UUID, and ".0" or ".1" where one entry is told as two */
    EVENT_DATA_MAX = 64 * 1024
};

enum event_type {
    EVENT_MESSAGE_NEW,
    EVENT_MESSAGE_DELETED,
    EVENT_MESSAGE_UPDATED,
    EVENT_MESSAGE_MISSING,
    EVENT_MESSAGE_MOVED, /* an arrival whose removal elsewhere was told before, or will be */
    EVENT_MAILBOX_NEW,
    EVENT_MAILBOX_DELETED,
    EVENT_MAILBOX_RESET,
    EVENT_MAILBOX_RENAMED,
    EVENT_ACCOUNT_ADDED,
    EVENT_ACCOUNT_INITIALIZED,
    EVENT_ACCOUNT_DELETED,
    EVENT_AUTHENTICATION_SUCCESS,
    EVENT_AUTHENTICATION_ERROR,
    EVENT_CONNECT_ERROR,
    EVENT_TYPE_COUNT
};

const char *event_type_name(enum event_type type); /* "messageNew" */
bool event_type_parse(struct str name, enum event_type *out);

struct event {
    enum event_type type;
    char id[EVENT_ID_SIZE]; /* UUID form, the same for the same logical change */
    int64_t date_ms;        /* when it was found, UTC */
    uint32_t box;           /* internal mailbox id; 0 = about the account */
    uint32_t uid;           /* 0 = not about one message */
    char *path;             /* mailbox path at the time, or NULL */
    char *special_use;      /* "\\Inbox" …, or NULL */
    json_t *data; /* object, as the `data` member of the webhook, without content */
};

/* Copies path and special_use, takes data. The id is left empty. */
void event_init(struct event *e, enum event_type type, int64_t date_ms, uint32_t box,
                uint32_t uid, const char *path, const char *special_use, json_t *data);
/* The data is shared. */
void event_copy(struct event *to, const struct event *from);
void event_fini(struct event *e);
/* Everything but type and id, as compact JSON: what is sealed into the log. */
bool event_encode(const struct event *e, struct buf *out);
bool event_decode(enum event_type type, const char *id, struct str encoded,
                  struct event *out, struct err *err);

#endif
