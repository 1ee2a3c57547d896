/* The directory in memory: every account once, found by id and by name, in order of id.
 */
#include "store_parts.h"

#include "postrider/base/check.h"
#include "postrider/base/clock.h"
#include "postrider/base/mem.h"

#include <stdio.h>
#include <stdlib.h>

struct item {
    struct directory_row row;
    char *state;
    struct err *last_error;     /* NULL = none */
    struct account_entry entry; /* what readers see: borrows from the three above */
    uint64_t load;              /* the load that last saw it */
    bool confirmed;             /* the shard's set of accounts has it */
};

struct store_directory {
    struct item **sorted;
    size_t count, cap;
    bool in_order;
    struct map *by_id;
    struct map *by_name;
    uint64_t load;
    bool loading; /* rows come in bulk: sorted once at the end */
};

struct store_directory *store_directory_new(void)
{
    struct store_directory *d = MEM_NEW(struct store_directory);
    d->by_id = map_new(NULL);
    d->by_name = map_new(NULL);
    d->in_order = true;
    return d;
}

static void item_free(struct item *item)
{
    directory_row_fini(&item->row);
    mem_free(item->state);
    mem_free(item->last_error);
    mem_free(item);
}

void store_directory_free(struct store_directory **dp)
{
    struct store_directory *d = *dp;
    if (d == NULL) {
        return;
    }
    *dp = NULL;
    for (size_t i = 0; i < d->count; i++) {
        item_free(d->sorted[i]);
    }
    map_free(&d->by_id);
    map_free(&d->by_name);
    mem_free(d->sorted);
    mem_free(d);
}

/* --- order --- */

static int compare(const void *a, const void *b)
{
    const struct item *const *x = a;
    const struct item *const *y = b;
    return str_cmp(str_of((*x)->row.id), str_of((*y)->row.id));
}

static void sort(struct store_directory *d)
{
    if (!d->in_order) {
        qsort(d->sorted, d->count, sizeof(struct item *), compare);
        d->in_order = true;
    }
}

/* First position whose id is not before `id`. */
static size_t lower_bound(struct store_directory *d, struct str id)
{
    sort(d);
    size_t lo = 0;
    size_t hi = d->count;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (str_cmp(str_of(d->sorted[mid]->row.id), id) < 0) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    return lo;
}

static void insert(struct store_directory *d, struct item *item)
{
    if (d->count == d->cap) {
        d->cap = d->cap == 0 ? 64 : d->cap * 2;
        d->sorted = mem_realloc(d->sorted, d->cap * sizeof(struct item *));
    }
    size_t at = d->count;
    if (d->loading) {
        d->in_order = false;
    } else {
        at = lower_bound(d, str_of(item->row.id));
        memmove(&d->sorted[at + 1], &d->sorted[at],
                (d->count - at) * sizeof(struct item *));
    }
    d->sorted[at] = item;
    d->count++;
}

/* --- rows in memory --- */

static void refresh_entry(struct item *item)
{
    item->entry.id = item->row.id;
    item->entry.name = item->row.full_name;
    item->entry.email = item->row.email;
    item->entry.created_ms = item->row.created_ms;
    item->entry.state = item->state;
}

void store_directory_put(struct store *s, struct directory_row *row)
{
    struct store_directory *d = s->directory;
    struct item *item = map_get(d->by_name, str_of(row->name));
    if (item != NULL && !str_eq_c(str_of(item->row.incarnation), row->incarnation)) {
        store_directory_remove(s, str_of(row->name));
        item = NULL;
    }
    if (item != NULL) {
        /* The same account has the same id, so its place in the order stays; the map's
         * keys are copies. */
        directory_row_fini(&item->row);
        item->row = *row;
    } else {
        item = MEM_NEW(struct item);
        item->row = *row;
        item->state = mem_strdup("init");
        map_put(d->by_name, str_of(row->name), item);
        map_put(d->by_id, str_of(row->id), item);
        insert(d, item);
    }
    item->load = d->load;
    item->confirmed = true;
    refresh_entry(item);
    *row = (struct directory_row){0};
}

void store_directory_remove(struct store *s, struct str name)
{
    struct store_directory *d = s->directory;
    struct item *item = map_take(d->by_name, name);
    if (item == NULL) {
        return;
    }
    CHECK(map_take(d->by_id, str_of(item->row.id)) == item);
    size_t at = lower_bound(d, str_of(item->row.id));
    CHECK(at < d->count && d->sorted[at] == item);
    memmove(&d->sorted[at], &d->sorted[at + 1],
            (d->count - at - 1) * sizeof(struct item *));
    d->count--;
    item_free(item);
}

const char *store_directory_incarnation(struct store *s, struct str name)
{
    const struct item *item = map_get(s->directory->by_name, name);
    return item != NULL ? item->row.incarnation : NULL;
}

const char *store_account_id_by_name(struct store *s, struct str name)
{
    const struct item *item = map_get(s->directory->by_name, name);
    return item != NULL ? item->row.id : NULL;
}

size_t store_directory_count(struct store *s)
{
    return s->directory->count;
}

const struct account_entry *store_directory_at(struct store *s, size_t index)
{
    sort(s->directory);
    return index < s->directory->count ? &s->directory->sorted[index]->entry : NULL;
}

const struct account_entry *store_directory_get(struct store *s, struct str id)
{
    const struct item *item = map_get(s->directory->by_id, id);
    return item != NULL ? &item->entry : NULL;
}

static void set_state(struct item *item, const char *state)
{
    char *copy = mem_strdup(state);
    mem_free(item->state);
    item->state = copy;
    refresh_entry(item);
}

/* Kept apart: accounts are many, and few of them have one. */
static void set_error(struct item *item, const struct err *err)
{
    mem_free(item->last_error);
    item->last_error = NULL;
    if (err != NULL && err->code != ERR_OK) {
        item->last_error = MEM_NEW(struct err);
        *item->last_error = *err;
    }
    item->entry.last_error = item->last_error;
}

void store_directory_set_state(struct store *s, struct str id, const char *state,
                               const struct err *last_error)
{
    struct item *item = map_get(s->directory->by_id, id);
    if (item == NULL) {
        return;
    }
    bool changed = state != NULL && strcmp(item->state, state) != 0;
    if (state != NULL) {
        set_state(item, state);
    }
    set_error(item, last_error);
    if (changed && s->state_cb != NULL) {
        s->state_cb(s, &item->entry, s->state_ctx);
    }
}

void store_set_state_cb(struct store *s, store_state_cb *cb, void *ctx)
{
    s->state_cb = cb;
    s->state_ctx = ctx;
}

void store_directory_set_sync_time(struct store *s, struct str id, int64_t sync_time_ms)
{
    struct item *item = map_get(s->directory->by_id, id);
    if (item != NULL) {
        item->entry.sync_time_ms = sync_time_ms;
    }
}

void store_directory_count_event(struct store *s, struct str id, enum event_type type)
{
    struct item *item = map_get(s->directory->by_id, id);
    if (item != NULL) {
        item->entry.event_counts[type]++;
    }
}

void store_directory_note(struct store *s, struct str id, const json_t *state)
{
    struct item *item = map_get(s->directory->by_id, id);
    if (item == NULL) {
        return;
    }
    const char *name = json_string_value(json_object_get(state, "state"));
    if (name != NULL && strcmp(item->state, "init") == 0) {
        set_state(item, name);
    }
    const json_t *counters = json_object_get(state, "counters");
    for (int type = 0; type < EVENT_TYPE_COUNT; type++) {
        const char *key = event_type_name((enum event_type)type);
        item->entry.event_counts[type] =
            (uint64_t)json_integer_value(json_object_get(counters, key));
    }
    const json_t *sync_time = json_object_get(state, "syncTime");
    if (json_is_integer(sync_time)) {
        item->entry.sync_time_ms = json_integer_value(sync_time);
    } else if (json_is_string(sync_time)) {
        (void)clock_parse_iso(str_of(json_string_value(sync_time)),
                              &item->entry.sync_time_ms);
    }
}

/* --- a load from Redis --- */

void store_directory_load_begin(struct store *s)
{
    s->directory->load++;
    s->directory->loading = true;
}

void store_directory_load_row(struct store *s, struct directory_row *row)
{
    struct str name = str_of(row->name);
    char key[STORE_ACCT_NAME_SIZE];
    (void)snprintf(key, sizeof key, "%.*s", STR_ARG(name));
    store_directory_put(s, row);
    struct item *item = map_get(s->directory->by_name, str_of(key));
    item->confirmed = false;
}

void store_directory_load_end(struct store *s)
{
    struct store_directory *d = s->directory;
    d->loading = false;
    sort(d);
    for (size_t i = d->count; i-- > 0;) {
        if (d->sorted[i]->load != d->load) {
            store_directory_remove(s, str_of(d->sorted[i]->row.name));
        }
    }
}

bool store_directory_confirm(struct store *s, struct str name)
{
    struct item *item = map_get(s->directory->by_name, name);
    if (item != NULL) {
        item->confirmed = true;
    }
    return item != NULL;
}

const struct directory_row *
store_directory_unconfirmed(struct store *s, const bool shards[STORE_SHARDS], size_t *at)
{
    struct store_directory *d = s->directory;
    while (*at < d->count) {
        const struct item *item = d->sorted[(*at)++];
        if (shards[item->row.shard] && !item->confirmed) {
            return &item->row;
        }
    }
    return NULL;
}
