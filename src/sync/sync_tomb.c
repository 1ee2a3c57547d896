#include "sync_tomb.h"

#include "postrider/base/clock.h"
#include "postrider/base/map.h"
#include "postrider/base/mem.h"

#include <string.h>

enum {
    HEADS_MIN = 16 /* chains of each kind; they grow with the tombstones */
};

static uint32_t head_of(const struct sync_moves *mv, uint64_t hash)
{
    return (uint32_t)((hash * 0x9e3779b97f4a7c15u) >> 32) & (mv->head_count - 1);
}

static uint64_t place_hash(uint32_t box, uint32_t uid)
{
    return (uint64_t)box << 32 | uid;
}

/* Servers choose EMAILIDs: with the fixed key the chains of one account may get long, and
 * its own arrivals slow. */
static uint64_t email_hash(struct str email_id)
{
    static const uint8_t key[16] = "hash of email id";
    return map_siphash(key, email_id.ptr, email_id.len);
}

static uint32_t *heads_of(const struct sync_moves *mv, enum sync_tomb_link link)
{
    return mv->heads + (size_t)link * mv->head_count;
}

static void link_in(struct sync_moves *mv, uint32_t at, enum sync_tomb_link link,
                    uint64_t hash)
{
    uint32_t *head = &heads_of(mv, link)[head_of(mv, hash)];
    mv->items[at].next[link] = *head;
    *head = at + 1;
}

static void index_item(struct sync_moves *mv, uint32_t at)
{
    const struct tombstone *t = &mv->items[at].t;
    link_in(mv, at, SYNC_TOMB_PLACE, place_hash(t->box, t->uid));
    if (t->fingerprint != 0) {
        link_in(mv, at, SYNC_TOMB_PRINT, t->fingerprint);
    }
    if (t->email_id.ptr != NULL) {
        link_in(mv, at, SYNC_TOMB_EMAIL, email_hash(t->email_id));
    }
}

static void clear_heads(struct sync_moves *mv)
{
    if (mv->heads != NULL) {
        memset(mv->heads, 0,
               (size_t)SYNC_TOMB_LINKS * mv->head_count * sizeof *mv->heads);
    }
}

/* One chain a tombstone, or two. */
static void make_room(struct sync_moves *mv)
{
    if (mv->used == mv->cap) {
        mv->cap = mv->cap > 0 ? mv->cap * 2 : 8;
        mv->items = mem_realloc(mv->items, mv->cap * sizeof *mv->items);
    }
    if (mv->heads != NULL && mv->used < mv->head_count) {
        return;
    }
    mv->head_count = mv->heads != NULL ? mv->head_count * 2 : HEADS_MIN;
    mem_free(mv->heads);
    mv->heads = mem_array((size_t)SYNC_TOMB_LINKS * mv->head_count, sizeof *mv->heads);
    clear_heads(mv);
    for (size_t i = 0; i < mv->used; i++) {
        if (!mv->items[i].dead) {
            index_item(mv, (uint32_t)i);
        }
    }
}

void sync_tombs_add(struct sync_moves *mv, const struct tombstone *t)
{
    make_room(mv);
    struct sync_tombstone *item = &mv->items[mv->used];
    *item = (struct sync_tombstone){.t = *t};
    if (t->email_id.ptr != NULL) {
        item->email_id = mem_strndup(t->email_id.ptr, t->email_id.len);
        item->t.email_id.ptr = item->email_id;
    }
    index_item(mv, (uint32_t)mv->used++);
    mv->count++;
    mv->next_key = t->key >= mv->next_key ? t->key + 1 : mv->next_key;
}

void sync_tombs_remove(struct sync_moves *mv, struct sync_tombstone *item)
{
    mem_free(item->email_id);
    item->email_id = NULL;
    item->t.email_id = STR_NULL;
    item->dead = true;
    mv->count--;
}

void sync_tombs_compact(struct sync_moves *mv)
{
    size_t kept = 0;
    if (mv->count == mv->used) {
        return;
    }
    clear_heads(mv);
    for (size_t i = 0; i < mv->used; i++) {
        if (!mv->items[i].dead) {
            mv->items[kept] = mv->items[i];
            index_item(mv, (uint32_t)kept++);
        }
    }
    mv->used = kept;
}

void sync_tombs_clear(struct sync_moves *mv)
{
    for (size_t i = 0; i < mv->used; i++) {
        mem_free(mv->items[i].email_id);
    }
    mv->count = mv->used = 0;
    clear_heads(mv);
}

void sync_tombs_free(struct sync_moves *mv)
{
    sync_tombs_clear(mv);
    mem_free(mv->items);
    mem_free(mv->heads);
    mv->items = NULL;
    mv->heads = NULL;
    mv->head_count = 0;
    mv->cap = 0;
}

/* The first one of a chain, or behind `item`. */
static struct sync_tombstone *chain(const struct sync_moves *mv, uint32_t next)
{
    return next != 0 ? &mv->items[next - 1] : NULL;
}

static struct sync_tombstone *first_of(const struct sync_moves *mv,
                                       enum sync_tomb_link link, uint64_t hash)
{
    return mv->heads != NULL ? chain(mv, heads_of(mv, link)[head_of(mv, hash)]) : NULL;
}

struct sync_tombstone *sync_tombs_at(const struct sync_moves *mv, uint32_t box,
                                     uint32_t uid)
{
    struct sync_tombstone *item = first_of(mv, SYNC_TOMB_PLACE, place_hash(box, uid));
    while (item != NULL && (item->dead || item->t.box != box || item->t.uid != uid)) {
        item = chain(mv, item->next[SYNC_TOMB_PLACE]);
    }
    return item;
}

static bool may_pair(const struct sync_tombstone *item, uint32_t box, int64_t now_ms)
{
    return !item->dead && item->t.deadline_ms >= now_ms && item->t.box != box;
}

static struct sync_tombstone *like_email(const struct sync_moves *mv, uint32_t box,
                                         struct str email_id, int64_t now_ms)
{
    struct sync_tombstone *item = first_of(mv, SYNC_TOMB_EMAIL, email_hash(email_id));
    while (item != NULL &&
           (!may_pair(item, box, now_ms) || !str_eq(item->t.email_id, email_id))) {
        item = chain(mv, item->next[SYNC_TOMB_EMAIL]);
    }
    return item;
}

struct sync_tombstone *sync_tombs_like(const struct sync_moves *mv, uint32_t box,
                                       const struct msg_row *row, bool *sure)
{
    const int64_t now_ms = clock_wall_ms();
    struct sync_tombstone *found =
        row->email_id.ptr != NULL ? like_email(mv, box, row->email_id, now_ms) : NULL;
    *sure = found != NULL;
    if (*sure || row->fingerprint == 0) {
        return found;
    }
    struct sync_tombstone *item = first_of(mv, SYNC_TOMB_PRINT, row->fingerprint);
    for (; item != NULL; item = chain(mv, item->next[SYNC_TOMB_PRINT])) {
        bool other = item->t.email_id.ptr != NULL && row->email_id.ptr != NULL;
        if (other || item->t.fingerprint != row->fingerprint ||
            !may_pair(item, box, now_ms)) {
            continue;
        }
        if (found != NULL) {
            return NULL;
        }
        found = item;
    }
    return found;
}
