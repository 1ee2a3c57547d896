/* thread_store: the parts of the threads as Redis values.
 * Owner    what is read lives in the arena given
 * Errors   damaged values are logged and count as absent: false */
#ifndef POSTRIDER_STORE_THREAD_STORE_H
#define POSTRIDER_STORE_THREAD_STORE_H

#include "thread_map.h"
#include "thread_rows.h"

/* Hash of what store_thread_id gives. */
uint64_t thread_id_hash(struct store *s, const struct store_acct *a, struct str id);
bool thread_seal(struct store *s, const struct store_acct *a, const char *field,
                 struct str plain, struct buf *out);
bool thread_open(struct store *s, const struct store_acct *a, const char *field,
                 const struct redis_reply *value, struct buf *out);

/* HGET of the directory of a mailbox's rows. */
void thread_dir_words(struct store_words *w, const struct store *s,
                      const struct store_acct *a, uint32_t box);
bool thread_dir_take(struct arena *arena, struct store *s, const struct store_acct *a,
                     uint32_t box, const struct redis_reply *reply,
                     struct thread_dir *out);
bool thread_dir_word(struct store_words *w, struct store *s, const struct store_acct *a,
                     uint32_t box, const struct thread_dir *dir);

bool thread_rows_take(struct arena *arena, struct store *s, const struct store_acct *a,
                      uint32_t box, const struct segment_entry *chunk,
                      const struct redis_reply *value, const struct msg_row **rows_out);
bool thread_rows_word(struct store_words *w, struct store *s, const struct store_acct *a,
                      uint32_t box, const struct msg_row *rows, size_t count);

#endif
