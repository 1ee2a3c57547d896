/* commit_threads: the part of a commit that concerns threads.
 * Shape    copied from the caller's facts and changes ─► asked for, round by round: the
 *          record of the map and the directories of the rows; the buckets and chunks
 *          concerned; the buckets that chains of joins lead to ─► words of the script
 * Owner    everything lives in the commit's arena
 * Errors   ERR_LIMIT: too many facts, or a value does not fit */
#ifndef POSTRIDER_STORE_COMMIT_THREADS_H
#define POSTRIDER_STORE_COMMIT_THREADS_H

#include "thread_store.h"

/* Tags of replies: this one and those above it are the threads'. */
enum {
    COMMIT_THREADS_TAG = 1 << 24
};

enum thread_box_state {
    THREAD_BOX_NEW,
    THREAD_BOX_ASKED, /* for the directory */
    THREAD_BOX_PLANNED,
    THREAD_BOX_READ,
    THREAD_BOX_IDLE /* nothing of it is written */
};

struct thread_box {
    uint32_t box;
    enum thread_box_state state;
    bool drop; /* its rows go first */
    bool has_progress;
    struct thread_dir dir;
    struct msg_row *upserts; /* modseq = thread, once the facts are joined */
    size_t upsert_count;
    size_t *facts; /* where the upserts come from */
    const uint32_t *deletes;
    size_t delete_count;
    uint32_t low_uid; /* with has_progress */
    const struct msg_row **rows;
    struct segment_entry *reads;
    size_t *read_index;
    size_t read_count;
};

struct commit_threads {
    struct arena *arena;
    const struct store_acct *acct;
    struct thread_fact *facts;
    size_t fact_count;
    struct thread_box *boxes;
    size_t box_count;
    struct thread_map map;
    enum {
        THREAD_MAP_UNUSED,
        THREAD_MAP_NEW,
        THREAD_MAP_ASKED,
        THREAD_MAP_READ
    } map_state;
};

/* acct must live as long as the arena. */
bool commit_threads_init(struct commit_threads *t, struct arena *arena,
                         const struct store_acct *acct,
                         const struct store_commit_params *params, struct err *err);
/* Sends what is to be known next; gives the number of answers to come, 0: all is known. */
size_t commit_threads_ask(struct commit_threads *t, struct store_op *op,
                          store_reply_fn *fn);
void commit_threads_take(struct commit_threads *t, struct store *s, size_t tag,
                         const struct redis_reply *reply);
/* The keys of the mailboxes concerned, the last ones of the script. */
void commit_threads_keys(const struct commit_threads *t, const struct store *s,
                         struct store_words *w);
bool commit_threads_words(struct commit_threads *t, struct store *s,
                          struct store_words *w, struct err *err);

#endif
