/* What of messages is kept for who asks next, in memory only and bounded; whatever fell out
 * is fetched again. */
#include "account_priv.h"
#include "account_row.h"

#include "postrider/base/lru.h"
#include "postrider/base/mem.h"
#include "postrider/base/num.h"

enum {
    CONTENTS_MAX = 2000, /* usual ones, which are no longer than a unit: 8 MiB as text */
    CONTENT_UNIT = 4096,
    /* Of a kept row beside its text, at most: its five pieces as the allocator rounds them,
     * and its share of a table a quarter full. */
    ROW_OVERHEAD = 384,
    ROW_MAX = 64 * 1024, /* of its text: few are longer, and they would drive many out */
    ROW_KEY_MAX = STORE_INCARNATION_SIZE + 8,
    /* The same of a text that is shown, with its key and its length. */
    SHOWN_OVERHEAD = 256
};

/* --- contents of new messages, rendered when their rows came by --- */

static void content_free(void *value)
{
    json_decref(value);
}

void accounts_cache_put(struct accounts *as, const char *event_id, json_t *data)
{
    if (as->contents == NULL) {
        as->contents = lru_new(CONTENTS_MAX, content_free);
    }
    size_t units = 1 + json_dumpb(data, NULL, 0, JSON_COMPACT) / CONTENT_UNIT;
    lru_put(as->contents, str_of(event_id), data, units);
}

json_t *accounts_cache_get(struct accounts *as, const char *event_id)
{
    return as->contents != NULL ? lru_get(as->contents, str_of(event_id)) : NULL;
}

/* What is kept costs so much: NULL if it is more than may be, or memory is short. */
static struct lru *cache_for(const struct accounts *as, struct lru **cache,
                             size_t max_cost, size_t cost)
{
    if (cost > max_cost || as->memory.level >= MEMORY_LEVEL_WORK) {
        return NULL;
    }
    if (*cache == NULL) {
        *cache = lru_new(max_cost, mem_free);
    }
    return *cache;
}

/* --- rows of listings --- */

/* A mailbox gets another number when its UIDs change their meaning. */
static struct str row_key(const struct account *a, uint32_t number, uint32_t uid,
                          char key[ROW_KEY_MAX])
{
    size_t len = strlen(a->acct.incarnation);
    memcpy(key, a->acct.incarnation, len);
    num_put_be32((uint8_t *)key + len, number);
    num_put_be32((uint8_t *)key + len + 4, uid);
    return str_from(key, len + 8);
}

void account_row_keep(struct account *a, uint32_t number, uint32_t uid,
                      const struct kept_row *row)
{
    char key[ROW_KEY_MAX];
    struct accounts *as = a->as;
    struct str fixed = row->fixed, parent = row->query.parent;
    size_t cost = fixed.len + parent.len + ROW_OVERHEAD;
    struct lru *rows = cache_for(as, &as->rows, as->config.rows_cache_bytes, cost);
    if (fixed.len > ROW_MAX || rows == NULL) {
        return;
    }
    struct kept_row *copy = mem_alloc(sizeof *copy + fixed.len + parent.len);
    *copy = *row;
    char *text = (char *)(copy + 1);
    copy->fixed.ptr = memcpy(text, fixed.ptr, fixed.len);
    if (parent.ptr != NULL) {
        copy->query.parent.ptr = memcpy(text + fixed.len, parent.ptr, parent.len);
    }
    lru_put(rows, row_key(a, number, uid, key), copy, cost);
}

static struct kept_row *find_row(struct account *a, uint32_t number, uint32_t uid)
{
    char key[ROW_KEY_MAX];
    return a->as->rows != NULL ? lru_get(a->as->rows, row_key(a, number, uid, key))
                               : NULL;
}

const struct kept_row *account_row_kept(struct account *a, uint32_t number, uint32_t uid)
{
    return find_row(a, number, uid);
}

/* What was told while the map changed may be older than it is now: that count is not that
 * of now, either. */
void account_row_keep_thread(struct account_call *c, uint32_t number, uint32_t uid,
                             uint64_t own, uint64_t thread)
{
    struct kept_row *row = find_row(c->a, number, uid);
    if (row != NULL && row->query.own == own) {
        row->thread = thread;
        row->map_changes = c->map_changes;
    }
}

bool account_row_has_thread(const struct account *a, const struct kept_row *row)
{
    return row->map_changes != 0 && row->map_changes == a->threads.map_changes;
}

void account_rows_forget(struct account *a)
{
    if (a->as->rows != NULL && a->acct.incarnation[0] != '\0') {
        lru_forget(a->as->rows, str_of(a->acct.incarnation));
    }
}

/* --- what is shown of records --- */

struct shown {
    size_t len;
    char bytes[];
};

/* Actors that live have different addresses, and each takes its text along. */
static struct str shown_key(struct account *const *a)
{
    return str_from((const char *)a, sizeof(struct account *));
}

struct str account_shown(struct account *a)
{
    const struct shown *kept =
        a->as->shown != NULL ? lru_get(a->as->shown, shown_key(&a)) : NULL;
    return kept != NULL ? str_from(kept->bytes, kept->len) : STR_NULL;
}

void account_show(struct account *a, struct str text)
{
    struct accounts *as = a->as;
    size_t cost = text.len + SHOWN_OVERHEAD;
    struct lru *texts = cache_for(as, &as->shown, ACCOUNTS_SHOWN_BYTES, cost);
    if (text.len > ACCOUNT_SHOWN_MAX || texts == NULL) {
        return;
    }
    struct shown *kept = mem_alloc(sizeof *kept + text.len);
    kept->len = text.len;
    memcpy(kept->bytes, text.ptr, text.len);
    lru_put(texts, shown_key(&a), kept, cost);
}

void account_shown_forget(struct account *a)
{
    if (a->as->shown != NULL) {
        lru_remove(a->as->shown, shown_key(&a));
    }
}

/* --- all of it --- */

void accounts_kept_drop(struct accounts *as)
{
    lru_free(&as->rows);
    lru_free(&as->shown);
}

void accounts_cache_free(struct accounts *as)
{
    lru_free(&as->contents);
    accounts_kept_drop(as);
}
