/* How long entries stay: the log of an account is trimmed at its first append in every
 * interval, then after every TRIM_APPENDS appends, and once a day if there are none. What
 * each trim tells of the log's size is summed up. */
#include "changelog_priv.h"

#include "postrider/base/log.h"
#include "postrider/base/mem.h"
#include "postrider/store/store_account.h"

#include <stdio.h>

enum {
    TRIM_INTERVAL_MS = 3600 * 1000,
    TRIM_APPENDS = 256,
    SWEEP_MS = 1000,
    SWEEP_FIRST = 20, /* logs a step after the start */
    STEPS_A_DAY = 24 * 3600
};

struct log_state {
    uint64_t bytes, entries;
    int64_t trimmed_ms; /* monotonic; 0 = never */
    size_t appends;     /* since */
    bool trimming, full;
};

struct trim_call {
    struct changelog *c;
    char name[STORE_ACCT_NAME_SIZE];
};

static struct log_state *state_of(struct changelog *c, const char *account_name)
{
    struct log_state *state = map_get(c->retention.logs, str_of(account_name));
    if (state == NULL) {
        state = MEM_NEW(struct log_state);
        map_put(c->retention.logs, str_of(account_name), state);
    }
    return state;
}

static void forget_size(struct retention *r, struct log_state *state)
{
    r->bytes -= state->bytes;
    r->entries -= state->entries;
    r->full -= state->full ? 1 : 0;
    state->bytes = state->entries = 0;
    state->full = false;
}

static void note_size(struct retention *r, struct log_state *state,
                      const struct store_log_size *size)
{
    forget_size(r, state);
    state->bytes = size->bytes;
    state->entries = size->entries;
    state->full =
        r->max_bytes > 0 && size->bytes >= r->max_bytes / 100 * CHANGELOG_FULL_PERCENT;
    r->bytes += size->bytes;
    r->entries += size->entries;
    r->full += state->full ? 1 : 0;
}

static void on_trimmed(struct store_trim_op *op ATTR_UNUSED, const struct err *err,
                       const struct store_log_size *size, void *ctx)
{
    struct trim_call *call = ctx;
    struct changelog *c = call->c;
    struct log_state *state = map_get(c->retention.logs, str_of(call->name));
    if (state != NULL) {
        state->trimming = false;
    }
    if (err->code != ERR_OK) {
        log_at(LOG_DEBUG, "changelog", "log not trimmed", LOG_S("account", call->name),
               LOG_ERR_FIELDS(err));
    } else if (state != NULL) {
        note_size(&c->retention, state, size);
    }
    mem_free(call);
    changelog_op_ended(c);
}

/* Readers that are disabled keep nothing back; once enabled they are told of the gap. */
static void trim(struct changelog *c, const struct store_acct *acct)
{
    struct log_state *state = state_of(c, acct->name);
    struct store_cursor cursors[CHANGELOG_READERS_MAX] = {0};
    struct store_trim params = {.readers = cursors,
                                .max_entries = c->retention.max_entries,
                                .max_bytes = c->retention.max_bytes};
    if (state->trimming) {
        return;
    }
    for (size_t i = 0; i < c->reader_count; i++) {
        if (c->readers[i]->enabled) {
            struct store_cursor *cursor = &cursors[params.reader_count++];
            cursor->reader = str_of(c->names[i]);
            (void)snprintf(cursor->entry_id, sizeof cursor->entry_id, "%s",
                           c->readers[i]->since);
        }
    }
    struct trim_call *call = MEM_NEW(struct trim_call);
    call->c = c;
    (void)snprintf(call->name, sizeof call->name, "%s", acct->name);
    state->trimming = true;
    state->trimmed_ms = loop_now_ms(c->loop);
    state->appends = 0;
    changelog_op_begun(c);
    (void)store_log_trim_start(c->store, acct, &params, on_trimmed, call);
}

void retention_appended(struct changelog *c, const struct store_acct *acct, size_t count)
{
    struct log_state *state = state_of(c, acct->name);
    int64_t age_ms = loop_now_ms(c->loop) - state->trimmed_ms;
    state->appends += count;
    if (state->trimmed_ms == 0 || age_ms >= c->retention.trim_interval_ms ||
        state->appends >= TRIM_APPENDS) {
        trim(c, acct);
    }
}

/* --- logs that rest */

static void on_sweep(struct timer *t)
{
    struct changelog *c = container_of(t, struct changelog, retention.sweep);
    struct retention *r = &c->retention;
    size_t count = store_directory_count(c->store);
    size_t step = r->swept ? count / STEPS_A_DAY + 1 : SWEEP_FIRST;
    int64_t wait_ms = SWEEP_MS;
    if (r->swept && count < STEPS_A_DAY) {
        wait_ms = (int64_t)SWEEP_MS * STEPS_A_DAY / (int64_t)(count + 1);
    }
    for (size_t i = 0; i < step && r->sweep_at < count; i++) {
        struct store_acct acct;
        const struct account_entry *entry = store_directory_at(c->store, r->sweep_at++);
        store_acct_init(c->store, &acct, str_of(entry->id));
        if (store_owns(c->store, acct.shard)) {
            trim(c, &acct);
        }
        store_acct_fini(&acct);
    }
    if (r->sweep_at >= count) {
        r->sweep_at = 0;
        r->swept = true;
    }
    timer_set(c->loop, &r->sweep, wait_ms, on_sweep);
}

void retention_start(struct changelog *c)
{
    timer_set(c->loop, &c->retention.sweep, SWEEP_MS, on_sweep);
}

void retention_stop(struct changelog *c)
{
    timer_stop(&c->retention.sweep);
}

/* --- sizes */

void retention_init(struct changelog *c, const struct changelog_config *config)
{
    c->retention = (struct retention){.max_entries = config->max_entries,
                                      .max_bytes = config->max_bytes,
                                      .trim_interval_ms = config->trim_interval_ms > 0
                                                              ? config->trim_interval_ms
                                                              : TRIM_INTERVAL_MS,
                                      .logs = map_new(mem_free)};
}

void retention_fini(struct changelog *c)
{
    map_free(&c->retention.logs);
}

void retention_forget(struct changelog *c, struct str account_name)
{
    struct log_state *state = map_get(c->retention.logs, account_name);
    if (state != NULL) {
        forget_size(&c->retention, state);
        (void)map_remove(c->retention.logs, account_name);
    }
}

void changelog_sizes_get(const struct changelog *c, struct changelog_sizes *out)
{
    const struct retention *r = &c->retention;
    *out = (struct changelog_sizes){.logs = map_count(r->logs),
                                    .entries = r->entries,
                                    .bytes = r->bytes,
                                    .full = r->full};
}

unsigned changelog_fill_percent(const struct changelog *c, const struct store_acct *acct)
{
    const struct retention *r = &c->retention;
    const struct log_state *state = map_get(r->logs, str_of(acct->name));
    if (state == NULL || r->max_bytes == 0) {
        return 0;
    }
    return (unsigned)(state->bytes * 100 / r->max_bytes);
}
