/* Who reads the change log, and how far they are, as Redis knows it. */
#include "cli_priv.h"

#include "postrider/base/clock.h"
#include "postrider/base/map.h"
#include "postrider/base/mem.h"
#include "postrider/json/json.h"
#include "postrider/store/store_log.h"

#include <stdio.h>

struct route {
    char *name;
    uint64_t behind;
    int64_t oldest_ms; /* 0 = nothing is unread */
};

struct place {
    struct route *route;
    char cursor[STORE_ENTRY_ID_SIZE];
};

struct routes {
    struct cli_store cs;
    struct map *all; /* name → struct route */
    struct str *names;
    size_t name_count;
    struct arena arena;
    struct place *places; /* of the account being looked at */
    size_t place_count;
    int64_t entry_ms; /* of the first unread entry */
};

static void done(struct routes *r, const struct err *err)
{
    r->cs.err = *err;
    r->cs.done = true;
}

static bool await(struct routes *r, struct err *err)
{
    cli_store_wait(&r->cs);
    r->cs.done = false;
    *err = r->cs.err;
    return err->code == ERR_OK;
}

static void route_free(void *value)
{
    struct route *route = value;
    mem_free(route->name);
    mem_free(route);
}

static struct route *route_of(struct routes *r, struct str name)
{
    struct route *route = map_get(r->all, name);
    if (route == NULL) {
        route = MEM_NEW(struct route);
        route->name = mem_strndup(name.ptr, name.len);
        map_put(r->all, name, route);
    }
    return route;
}

static void on_dirty(struct store_dirty *op ATTR_UNUSED, const struct err *err,
                     const struct str *names, size_t count, void *ctx)
{
    struct routes *r = ctx;
    r->names = ARENA_ARRAY(&r->arena, struct str, count + 1);
    for (size_t i = 0; i < count; i++) {
        r->names[i] = arena_str(&r->arena, names[i]);
    }
    r->name_count = count;
    done(r, err);
}

static void on_cursors(struct store_cursors *op ATTR_UNUSED, const struct err *err,
                       const struct store_cursor *cursors, size_t count, void *ctx)
{
    struct routes *r = ctx;
    r->places = ARENA_ARRAY(&r->arena, struct place, count + 1);
    for (size_t i = 0; i < count; i++) {
        r->places[i].route = route_of(r, cursors[i].reader);
        (void)snprintf(r->places[i].cursor, sizeof r->places[i].cursor, "%s",
                       cursors[i].entry_id);
    }
    r->place_count = count;
    if (count == 0 && err->code == ERR_OK) {
        /* Nobody has read anything of it yet. */
        r->places[r->place_count++].route = route_of(r, STR("default"));
    }
    done(r, err);
}

static void on_next(struct store_log_read *op ATTR_UNUSED, const struct err *err,
                    const struct log_entry *entries, size_t count, bool gap ATTR_UNUSED,
                    void *ctx)
{
    struct routes *r = ctx;
    uint64_t ms = 0, seq;
    if (count > 0) {
        (void)store_entry_id_split(entries[0].entry_id, &ms, &seq);
    }
    r->entry_ms = (int64_t)ms;
    done(r, err);
}

static bool look_at_place(struct routes *r, const struct store_acct *acct,
                          const struct place *p, struct err *err)
{
    (void)store_log_read_start(r->cs.store, acct, p->cursor, 1, on_next, r);
    if (!await(r, err)) {
        return false;
    }
    if (r->entry_ms > 0) {
        p->route->behind++;
        if (p->route->oldest_ms == 0 || r->entry_ms < p->route->oldest_ms) {
            p->route->oldest_ms = r->entry_ms;
        }
    }
    return true;
}

static bool look_at_account(struct routes *r, struct str name, struct err *err)
{
    const char *id = store_account_id_by_name(r->cs.store, name);
    if (id == NULL) {
        return true;
    }
    struct store_acct acct;
    store_acct_init(r->cs.store, &acct, str_of(id));
    (void)store_cursors_start(r->cs.store, &acct, on_cursors, r);
    bool ok = await(r, err);
    for (size_t i = 0; ok && i < r->place_count; i++) {
        ok = look_at_place(r, &acct, &r->places[i], err);
    }
    store_acct_fini(&acct);
    return ok;
}

static void print_routes(const struct routes *r)
{
    struct str name;
    void *value;
    for (size_t it = 0; map_next(r->all, &it, &name, &value);) {
        const struct route *route = value;
        json_t *row = json_object();
        struct buf text = BUF_INIT(4096);
        json_put_cstr(row, "route", route->name);
        json_put_int(row, "accountsBehind", (int64_t)route->behind);
        if (route->oldest_ms > 0) {
            json_put_time(row, "oldestUndelivered", route->oldest_ms);
        } else {
            json_put(row, "oldestUndelivered", json_null());
        }
        (void)json_emit(row, &text);
        puts(buf_c(&text));
        buf_fini(&text);
        json_decref(row);
    }
}

int cli_events_routes(struct cli_call *call)
{
    struct routes r = {.all = map_new(route_free)};
    struct err err = {0};
    if (call->arg_count > 0) {
        map_free(&r.all);
        return cli_usage_error("events routes takes no arguments", call->args[0]);
    }
    bool ok = cli_store_open(&r.cs, call->config, &err);
    if (ok) {
        (void)route_of(&r, STR("default"));
        (void)store_dirty_start(r.cs.store, on_dirty, &r);
        ok = await(&r, &err);
    }
    for (size_t i = 0; ok && i < r.name_count; i++) {
        ok = look_at_account(&r, r.names[i], &err);
    }
    if (ok) {
        print_routes(&r);
    } else {
        fprintf(stderr, "postrider: %s\n", err.msg);
    }
    cli_store_close(&r.cs);
    map_free(&r.all);
    arena_fini(&r.arena);
    return ok ? CLI_DONE : CLI_FAILED;
}
