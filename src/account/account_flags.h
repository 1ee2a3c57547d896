/* account_flags: changes of flags and labels as the API writes them, as commands.
 * Owner    everything lies in the arena given
 * Limits   FLAGS_MAX words in a list; what is beyond is left out */
#ifndef POSTRIDER_ACCOUNT_FLAGS_H
#define POSTRIDER_ACCOUNT_FLAGS_H

#include "postrider/imap/imap.h"

#include <jansson.h>

enum {
    FLAGS_MAX = 100,
    FLAG_CHANGES_MAX = 6
};

struct flag_change {
    const char *object, *member; /* "flags", "add" */
    enum imap_store_mode mode;
    struct imap_flags flags;
    struct str *labels; /* on the wire; NULL: flags are changed */
    size_t label_count;
};

struct flag_changes {
    struct flag_change items[FLAG_CHANGES_MAX];
    size_t count;
};

/* A list of texts: system flags as bits, the rest as keywords. */
struct imap_flags account_flags_from(struct arena *arena, const json_t *list);
/* {"flags": {"add", "delete", "set"}, "labels": …}; empty lists but those of "set" change
 * nothing. */
void account_flags_take(struct arena *arena, const json_t *doc, struct flag_changes *out);
struct imap_store *account_flags_store(struct imap_conn *conn,
                                       const struct flag_change *change, struct str uids,
                                       int64_t deadline_ms, imap_store_cb *cb, void *ctx);
/* Notes {"flags": {"add": done}}. */
void account_flags_tell(json_t *result, const struct flag_change *change, bool done);

#endif
