/* The change log from the command line: following it, replaying it, and who reads it. */
#include "cli_priv.h"

#include "postrider/base/clock.h"
#include "postrider/base/mem.h"
#include "postrider/base/num.h"
#include "postrider/changelog/cursor.h"
#include "postrider/changelog/position.h"
#include "postrider/json/json.h"
#include "postrider/store/store_account.h"
#include "postrider/webhook/webhook_route.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum {
    LOOK_MS = 500,
    LINE_MAX = 256 * 1024
};

static bool find_account(struct cli_store *cs, const char *id, struct store_acct *out,
                         struct err *err)
{
    if (store_directory_get(cs->store, str_of(id)) == NULL) {
        return err_set(err, ERR_NO_ACCOUNT, "there is no account %s", id);
    }
    store_acct_init(cs->store, out, str_of(id));
    return true;
}

/* --- tail --- */

struct tail {
    struct cli_store cs;
    struct store_acct acct; /* id NULL = all accounts */
    char after[STORE_ENTRY_ID_SIZE];
    struct feed_position position;
    struct feed_place ends[STORE_SHARDS];
    uint8_t shard;
    bool more;
    uint64_t left; /* entries to print */
    struct timer pause;
};

static void print_entry(struct tail *t, const struct store_acct *acct,
                        const struct log_entry *entry)
{
    if (t->left == 0) {
        return;
    }
    json_t *row = changelog_entry_json(acct, entry);
    struct buf text = BUF_INIT(LINE_MAX);
    if (t->acct.id == NULL) {
        struct buf position = BUF_INIT(CHANGELOG_POSITION_SIZE);
        (void)changelog_position_format(&t->position, &position);
        json_put_cstr(row, "position", buf_c(&position));
        buf_fini(&position);
    }
    (void)json_emit(row, &text);
    bool heard = puts(buf_c(&text)) != EOF;
    buf_fini(&text);
    json_decref(row);
    t->left = heard ? t->left - 1 : 0;
}

static void on_pause(struct timer *timer)
{
    container_of(timer, struct tail, pause)->cs.done = true;
}

static void done(struct cli_store *cs, const struct err *err)
{
    cs->err = *err;
    cs->done = true;
}

static void await(struct tail *t)
{
    cli_store_wait(&t->cs);
    t->cs.done = false;
}

/* As behind `| head`. */
static bool is_heard(void)
{
    struct pollfd out = {.fd = STDOUT_FILENO};
    return fflush(stdout) == 0 && poll(&out, 1, 0) >= 0 &&
           (out.revents & (POLLERR | POLLNVAL)) == 0;
}

static void tail_pause(struct tail *t)
{
    if (!is_heard()) {
        t->left = 0;
        return;
    }
    timer_set(t->cs.loop, &t->pause, LOOK_MS, on_pause);
    await(t);
}

static void say_gap(void)
{
    puts("{\"gap\":true}");
}

static void on_entries(struct store_log_read *op ATTR_UNUSED, const struct err *err,
                       const struct log_entry *entries, size_t count, bool gap, void *ctx)
{
    struct tail *t = ctx;
    if (gap && t->after[0] != '\0') {
        say_gap();
    }
    for (size_t i = 0; i < count; i++) {
        print_entry(t, &t->acct, &entries[i]);
        (void)snprintf(t->after, sizeof t->after, "%s", entries[i].entry_id);
    }
    t->more = count == STORE_LOG_PAGE;
    done(&t->cs, err);
}

static void on_last(struct store_log_read *op ATTR_UNUSED, const struct err *err,
                    const struct log_entry *entries, size_t count, bool gap ATTR_UNUSED,
                    void *ctx)
{
    struct tail *t = ctx;
    if (count > 0) {
        (void)snprintf(t->after, sizeof t->after, "%s", entries[0].entry_id);
    }
    done(&t->cs, err);
}

static bool tail_account(struct tail *t, const char *after, struct err *err)
{
    if (after == NULL) {
        (void)store_log_last_start(t->cs.store, &t->acct, on_last, t);
        await(t);
        *err = t->cs.err;
    } else if (strcmp(after, "start") != 0 &&
               !changelog_place_parse(&t->acct, str_of(after), t->after, err)) {
        return err_wrap(err, "--after");
    }
    while (err->code == ERR_OK && t->left > 0) {
        (void)store_log_read_start(t->cs.store, &t->acct, t->after, STORE_LOG_PAGE,
                                   on_entries, t);
        await(t);
        *err = t->cs.err;
        if (err->code == ERR_OK && !t->more && t->left > 0) {
            tail_pause(t);
        }
    }
    return err->code == ERR_OK;
}

static void on_ends(struct store_feed_ends *op ATTR_UNUSED, const struct err *err,
                    const struct feed_place *ends, void *ctx)
{
    struct tail *t = ctx;
    memcpy(t->ends, ends, sizeof t->ends);
    done(&t->cs, err);
}

static void on_feed(struct store_feed_read *op ATTR_UNUSED, const struct err *err,
                    const struct feed_page *page, void *ctx)
{
    struct tail *t = ctx;
    if (page != NULL && page->gap) {
        say_gap();
    }
    for (size_t i = 0; page != NULL && i < page->count; i++) {
        t->position.at[t->shard] = page->items[i].place;
        print_entry(t, &page->items[i].acct, &page->items[i].entry);
    }
    if (page != NULL) {
        t->position.at[t->shard] = page->end;
        t->more = page->more;
    }
    done(&t->cs, err);
}

static bool look_at_ends(struct tail *t, struct err *err)
{
    bool shards[STORE_SHARDS];
    memset(shards, 1, sizeof shards);
    (void)store_feed_ends_start(t->cs.store, shards, on_ends, t);
    await(t);
    *err = t->cs.err;
    return err->code == ERR_OK;
}

static bool read_shard(struct tail *t, uint8_t shard, struct err *err)
{
    t->shard = shard;
    t->more = true;
    while (t->more && t->left > 0 && err->code == ERR_OK) {
        (void)store_feed_read_start(t->cs.store, shard, t->position.at[shard], STR_NULL,
                                    on_feed, t);
        await(t);
        *err = t->cs.err;
    }
    return err->code == ERR_OK;
}

static bool tail_all(struct tail *t, const char *after, struct err *err)
{
    if (after != NULL && strcmp(after, "start") != 0 &&
        !changelog_position_parse(str_of(after), &t->position)) {
        return err_set(err, ERR_INVALID,
                       "--after without --account takes start or the `position` of a "
                       "line; with --account also an entry id or a cursor");
    }
    if (!look_at_ends(t, err)) {
        return false;
    }
    if (after == NULL) {
        memcpy(t->position.at, t->ends, sizeof t->ends);
    }
    while (t->left > 0) {
        for (size_t i = 0; i < STORE_SHARDS; i++) {
            if (feed_place_before(t->position.at[i], t->ends[i]) &&
                !read_shard(t, (uint8_t)i, err)) {
                return false;
            }
        }
        if (t->left > 0) {
            tail_pause(t);
        }
        if (!look_at_ends(t, err)) {
            return false;
        }
    }
    return true;
}

int cli_events_tail(struct cli_call *call)
{
    const char *account = NULL, *after = NULL, *count = NULL;
    const struct cli_option options[] = {{"--account", &account, NULL},
                                         {"--after", &after, NULL},
                                         {"--count", &count, NULL},
                                         {NULL, NULL, NULL}};
    struct err err = {0};
    uint64_t left = UINT64_MAX;
    if (!cli_options_take(call, options)) {
        return CLI_USAGE;
    }
    if (count != NULL && !num_u64(str_of(count), UINT64_MAX, &left)) {
        return cli_usage_error("not a number", count);
    }
    struct tail *t = MEM_NEW(struct tail);
    t->left = left;
    if (cli_store_open(&t->cs, call->config, &err)) {
        if (account == NULL) {
            (void)tail_all(t, after, &err);
        } else if (find_account(&t->cs, account, &t->acct, &err)) {
            (void)tail_account(t, after, &err);
        }
    }
    store_acct_fini(&t->acct);
    int status = cli_finish(&t->cs, &err);
    mem_free(t);
    return status;
}

/* --- replay --- */

struct replay {
    struct cli_store cs;
    size_t moved;
};

static void on_replayed(struct store_replay *op ATTR_UNUSED, const struct err *err,
                        size_t moved, void *ctx)
{
    struct replay *r = ctx;
    r->moved = moved;
    done(&r->cs, err);
}

/* start, end, a time, an entry id or a cursor. */
static bool parse_place(const struct store_acct *acct, const char *text,
                        char out[STORE_ENTRY_ID_SIZE], struct err *err)
{
    int64_t ms;
    if (strcmp(text, "start") == 0 || strcmp(text, "end") == 0) {
        (void)snprintf(out, STORE_ENTRY_ID_SIZE, "%s",
                       text[0] == 's' ? STORE_CURSOR_START : STORE_CURSOR_END);
        return true;
    }
    if (clock_parse_iso(str_of(text), &ms)) {
        return changelog_place_of_time(ms, out, err);
    }
    return changelog_place_parse(acct, str_of(text), out, err) ||
           err_wrap(err,
                    "--from takes start, end, a time such as 2026-01-31T12:00:00Z, an "
                    "entry id, or with --account a cursor");
}

/* A cursor of a route that is not there would be of no use, and no mistake be seen. */
static bool find_route(struct cli_store *cs, const char *id, struct err *err)
{
    return strcmp(id, WEBHOOK_ROUTE_DEFAULT) == 0 ||
           webhook_route_find(cs->store, str_of(id)) != NULL ||
           err_set(
               err, ERR_NOT_FOUND,
               "there is no route %s; `postrider events routes list` shows the custom "
               "ones",
               id);
}

int cli_events_replay(struct cli_call *call)
{
    const char *route = WEBHOOK_ROUTE_DEFAULT, *account = NULL, *from = NULL;
    const struct cli_option options[] = {{"--route", &route, NULL},
                                         {"--account", &account, NULL},
                                         {"--from", &from, NULL},
                                         {NULL, NULL, NULL}};
    struct replay r = {0};
    struct store_acct acct = {0};
    struct err err = {0};
    char place[STORE_ENTRY_ID_SIZE];
    if (!cli_options_take(call, options)) {
        return CLI_USAGE;
    }
    if (from == NULL) {
        return cli_usage_error("events replay needs --from", NULL);
    }
    if (cli_store_open(&r.cs, call->config, &err) && find_route(&r.cs, route, &err) &&
        (account == NULL || find_account(&r.cs, account, &acct, &err)) &&
        parse_place(&acct, from, place, &err)) {
        (void)store_replay_start(r.cs.store, account != NULL ? &acct : NULL, route, place,
                                 on_replayed, &r);
        cli_store_wait(&r.cs);
        err = r.cs.err;
        if (err.code == ERR_OK) {
            printf("%zu accounts moved\n", r.moved);
        }
    }
    store_acct_fini(&acct);
    return cli_finish(&r.cs, &err);
}
