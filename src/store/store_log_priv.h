/* store_log_priv: what the files of the log share.
 * Errors   ERR_INVALID: not an entry id */
#ifndef POSTRIDER_STORE_LOG_PRIV_H
#define POSTRIDER_STORE_LOG_PRIV_H

#include "store_rows.h"

/* Field of cur:<acc>: the last entry that was trimmed. */
#define CURSOR_FIELD_TRIMMED "t:"
/* Begins fields of cur:<acc>, before the reader's name: how often a replay moved it. */
#define CURSOR_FIELD_MOVES "g:"
/* A global key: counts replays, so that readers at work look again. */
#define MOVES_KEY "moves"

/* Not a field that means something else. */
static inline bool store_reader_name_is(const char *name)
{
    return name[0] != '\0' && strcmp(name, CURSOR_FIELD_TRIMMED) != 0 &&
           !str_has_prefix(str_of(name), CURSOR_FIELD_MOVES);
}

/* A key of the shard: whoever read the feed up to before this place has missed what was
 * trimmed. */
#define FEED_KEY_TRIMMED "feed:t"

/* A field of a stream's entry; absent if it has none. */
struct str store_field_get(const struct redis_reply *fields, const char *name);
/* "" or an entry id. */
bool store_entry_id_check(const char *id, struct err *err);
/* The counter of replays as Redis has it. */
void store_moves_seen(struct store *s, int64_t moves);
/* One item of an XRANGE reply; its event is the caller's. False if it is not one. */
bool store_log_entry_take(struct store *s, const struct store_acct *acct,
                          const struct redis_reply *item, struct log_entry *out);

#endif
