#include "commit_threads.h"
#include "store_rows.h"

#include "postrider/base/check.h"

enum {
    TAG_MAP = COMMIT_THREADS_TAG,
    TAG_BOX
};

/* --- copying ----------------------------------------------------------------------- */

static struct thread_box *box_get(struct commit_threads *t, uint32_t box)
{
    for (size_t i = 0; i < t->box_count; i++) {
        if (t->boxes[i].box == box) {
            return &t->boxes[i];
        }
    }
    struct thread_box *b = &t->boxes[t->box_count++];
    b->box = box;
    return b;
}

static void copy_change(struct commit_threads *t, const struct mailbox_change *change)
{
    bool drop = change->remove || change->drop_rows || change->shadow_rows;
    if (!drop && change->delete_count == 0) {
        return;
    }
    struct thread_box *b = box_get(t, change->m->box);
    b->drop = drop;
    if (change->delete_count > 0) {
        b->deletes = arena_memdup(t->arena, change->deletes,
                                  change->delete_count * sizeof *change->deletes);
        b->delete_count = change->delete_count;
    }
}

static void copy_fact(struct commit_threads *t, size_t at)
{
    const struct thread_fact *fact = &t->facts[at];
    struct thread_box *b = box_get(t, fact->box);
    if (b->upserts == NULL) {
        b->upserts = ARENA_ARRAY(t->arena, struct msg_row, t->fact_count);
        b->facts = ARENA_ARRAY(t->arena, size_t, t->fact_count);
    }
    CHECK(b->upsert_count == 0 || b->upserts[b->upsert_count - 1].uid < fact->uid);
    b->facts[b->upsert_count] = at;
    b->upserts[b->upsert_count++].uid = fact->uid;
}

bool commit_threads_init(struct commit_threads *t, struct arena *arena,
                         const struct store_acct *acct,
                         const struct store_commit_params *params, struct err *err)
{
    const struct thread_progress *progress = params->thread_progress;
    *t = (struct commit_threads){
        .arena = arena, .acct = acct, .fact_count = params->thread_count};
    if (t->fact_count > THREAD_FACTS_MAX) {
        return err_set(err, ERR_LIMIT, "commit: %zu facts about threads", t->fact_count);
    }
    t->boxes =
        ARENA_ARRAY(arena, struct thread_box, params->change_count + t->fact_count + 1);
    for (size_t i = 0; i < params->change_count; i++) {
        copy_change(t, &params->changes[i]);
    }
    if (t->fact_count > 0) {
        t->map_state = THREAD_MAP_NEW;
        t->facts = arena_memdup(arena, params->threads, t->fact_count * sizeof *t->facts);
    }
    for (size_t i = 0; i < t->fact_count; i++) {
        copy_fact(t, i);
    }
    if (progress != NULL) {
        struct thread_box *b = box_get(t, progress->box);
        b->has_progress = true;
        b->low_uid = progress->low_uid;
    }
    return true;
}

/* --- asking ------------------------------------------------------------------------ */

static bool adds(const struct thread_box *b)
{
    return b->upsert_count > 0 || b->has_progress;
}

static struct segment_edit_input edit_of(const struct thread_box *b)
{
    return (struct segment_edit_input){.segments = b->dir.chunks,
                                       .segment_count = b->dir.count,
                                       .upserts = b->upserts,
                                       .upsert_count = b->upsert_count,
                                       .deletes = b->deletes,
                                       .delete_count = b->delete_count};
}

/* Which chunks have to be read. */
static void plan(struct commit_threads *t, struct thread_box *b)
{
    size_t count = b->dir.count;
    struct segment_edit_input in = edit_of(b);
    bool *need = ARENA_ARRAY(t->arena, bool, count);
    b->rows = ARENA_ARRAY(t->arena, const struct msg_row *, count);
    size_t needed = b->upsert_count + b->delete_count > 0 && count > 0
                        ? segment_edit_plan(&in, need)
                        : 0;
    b->read_count = 0;
    b->state = THREAD_BOX_PLANNED;
    if (needed == 0) {
        return;
    }
    b->reads = ARENA_ARRAY(t->arena, struct segment_entry, needed);
    b->read_index = ARENA_ARRAY(t->arena, size_t, needed);
    for (size_t i = 0; i < count; i++) {
        if (need[i]) {
            b->reads[b->read_count] = b->dir.chunks[i];
            b->read_index[b->read_count++] = i;
        }
    }
}

static bool ask_box(struct commit_threads *t, struct thread_box *b, struct store *s,
                    struct store_words *w)
{
    if (b->state == THREAD_BOX_NEW && !b->drop) {
        b->state = THREAD_BOX_ASKED;
        thread_dir_words(w, s, t->acct, b->box);
        return true;
    }
    if (b->state == THREAD_BOX_NEW) {
        plan(t, b);
    }
    if (b->state == THREAD_BOX_PLANNED && b->read_count > 0) {
        b->state = THREAD_BOX_READ;
        store_segments_words(w, s, t->acct, STORE_KIND_THREAD_ROWS, b->box, b->reads,
                             b->read_count);
        return true;
    }
    return false;
}

static bool ask_map(struct commit_threads *t, struct store *s, struct store_words *w)
{
    if (t->map_state == THREAD_MAP_NEW) {
        t->map_state = THREAD_MAP_ASKED;
        thread_record_words(w, s, t->acct, 0);
        return true;
    }
    if (t->map_state != THREAD_MAP_READ) {
        return false;
    }
    size_t named = 0;
    for (size_t i = 0; i < t->fact_count; i++) {
        named += 1 + t->facts[i].ref_count;
        (void)thread_map_reach(&t->map, &t->facts[i]);
    }
    thread_map_want_splits(&t->map, named);
    return thread_map_words(&t->map, w, s, t->acct);
}

size_t commit_threads_ask(struct commit_threads *t, struct store_op *op,
                          store_reply_fn *fn)
{
    size_t sent = 0;
    struct store_words w;
    store_words_init(&w, t->arena);
    if (ask_map(t, op->store, &w)) {
        store_op_send(op, &w, fn, TAG_MAP);
        sent++;
    }
    for (size_t i = 0; i < t->box_count; i++) {
        store_words_init(&w, t->arena);
        if (ask_box(t, &t->boxes[i], op->store, &w)) {
            store_op_send(op, &w, fn, TAG_BOX + i);
            sent++;
        }
    }
    return sent;
}

/* --- answers ----------------------------------------------------------------------- */

/* Damaged: the mailbox is looked at anew. */
static void start_over(struct commit_threads *t, struct thread_box *b)
{
    b->drop = true;
    b->has_progress = true;
    b->low_uid = 0;
    b->dir = (struct thread_dir){0};
    plan(t, b);
}

static void take_dir(struct commit_threads *t, struct thread_box *b, struct store *s,
                     const struct redis_reply *reply)
{
    bool known = thread_dir_take(t->arena, s, t->acct, b->box, reply, &b->dir);
    if (!known && reply->type == REDIS_STRING) {
        start_over(t, b);
    } else if (!known && !adds(b)) {
        b->state = THREAD_BOX_IDLE;
    } else {
        plan(t, b);
    }
}

static void take_rows(struct commit_threads *t, struct thread_box *b, struct store *s,
                      const struct redis_reply *reply)
{
    for (size_t i = 0; i < b->read_count; i++) {
        if (reply->type != REDIS_ARRAY || i >= reply->count ||
            !thread_rows_take(t->arena, s, t->acct, b->box, &b->reads[i],
                              &reply->items[i], &b->rows[b->read_index[i]])) {
            start_over(t, b);
            return;
        }
    }
}

void commit_threads_take(struct commit_threads *t, struct store *s, size_t tag,
                         const struct redis_reply *reply)
{
    if (tag != TAG_MAP) {
        struct thread_box *b = &t->boxes[tag - TAG_BOX];
        if (b->state == THREAD_BOX_ASKED) {
            take_dir(t, b, s, reply);
        } else {
            take_rows(t, b, s, reply);
        }
    } else if (t->map_state == THREAD_MAP_ASKED) {
        t->map_state = THREAD_MAP_READ;
        thread_record_take(&t->map, t->arena, s, t->acct, reply);
    } else {
        thread_map_take(&t->map, s, t->acct, reply);
    }
}

/* --- the script's arguments -------------------------------------------------------- */

void commit_threads_keys(const struct commit_threads *t, const struct store *s,
                         struct store_words *w)
{
    for (size_t i = 0; i < t->box_count; i++) {
        store_word(w, store_key_box(w->arena, s, t->acct, STORE_KIND_THREAD_ROWS,
                                    t->boxes[i].box));
    }
}

static void join_facts(struct commit_threads *t)
{
    for (size_t i = 0; i < t->box_count; i++) {
        struct thread_box *b = &t->boxes[i];
        for (size_t k = 0; k < b->upsert_count; k++) {
            b->upserts[k].modseq = thread_map_join(&t->map, &t->facts[b->facts[k]]);
        }
    }
    thread_map_split(&t->map);
}

/* The directory as it shall be, and the chunks that changed. */
static bool put_rows(struct commit_threads *t, struct thread_box *b, struct store *s,
                     struct store_words *w)
{
    struct segment_edit edit = {0};
    struct segment_edit_input in = edit_of(b);
    bool edits = b->upsert_count + b->delete_count > 0;
    bool ok = true;
    if (edits) {
        segment_edit_apply(t->arena, &in, b->rows, &edit);
    }
    struct thread_dir dir = {.low_uid = b->has_progress ? b->low_uid : b->dir.low_uid,
                             .chunks = b->dir.chunks,
                             .count = edits ? edit.count : b->dir.count};
    size_t written = 0;
    if (edits) {
        dir.chunks = ARENA_ARRAY(t->arena, struct segment_entry, edit.count);
    }
    for (size_t i = 0; i < edit.count; i++) {
        dir.chunks[i] = edit.segments[i].entry;
        written += edit.segments[i].rows != NULL;
    }
    store_word_u64(w, edit.removed_count);
    for (size_t i = 0; i < edit.removed_count; i++) {
        store_word_u64(w, edit.removed[i]);
    }
    store_word_u64(w, written + 1);
    store_word_c(w, THREAD_FIELD_RECORD);
    ok = thread_dir_word(w, s, t->acct, b->box, &dir);
    for (size_t i = 0; ok && i < edit.count; i++) {
        const struct edited_segment *chunk = &edit.segments[i];
        if (chunk->rows != NULL) {
            store_word_u64(w, chunk->entry.first_uid);
            ok = thread_rows_word(w, s, t->acct, b->box, chunk->rows, chunk->entry.count);
        }
    }
    return ok;
}

bool commit_threads_words(struct commit_threads *t, struct store *s,
                          struct store_words *w, struct err *err)
{
    bool ok = true;
    if (t->map_state == THREAD_MAP_UNUSED) {
        store_word_c(w, "0");
    } else {
        join_facts(t);
        ok = thread_map_put(&t->map, w, s, t->acct);
    }
    store_word_u64(w, t->box_count);
    for (size_t i = 0; ok && i < t->box_count; i++) {
        struct thread_box *b = &t->boxes[i];
        store_word_c(w, b->drop ? "d" : "");
        if (b->state == THREAD_BOX_IDLE || (b->drop && !adds(b))) {
            store_word_c(w, "0");
            store_word_c(w, "0");
        } else {
            ok = put_rows(t, b, s, w);
        }
    }
    return ok || err_set(err, ERR_LIMIT, "commit: the threads do not fit a value");
}
