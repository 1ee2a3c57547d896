#include "store_world.h"

#include "loop_fixture.h"

#include "postrider/base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

static const char key_text[] =
    "9f4c2a7e1b6d80335c7a9e0142bd6f81d3e5970a4c6b2f18e07d93a1b5c4f602";
static const char node_id[] = "0123456789abcdef0123456789abcdef";

/* --- up and down ------------------------------------------------------------------- */

static void on_opened(struct store_open *op, const struct err *err, void *ctx)
{
    (void)op;
    struct world_call *call = ctx;
    call->err = *err;
    call->done = true;
}

static void on_closed(struct store_close *op, const struct err *err, void *ctx)
{
    (void)op;
    struct world_call *call = ctx;
    call->err = *err;
    call->done = true;
}

static void on_account(struct store_account_op *op, const struct err *err,
                       const struct store_acct *acct, json_t *record, json_t *state,
                       void *ctx)
{
    (void)op;
    (void)record;
    (void)state;
    struct {
        struct world_call call;
        struct store_acct *acct;
    } *answer = ctx;
    answer->call.err = *err;
    answer->call.done = true;
    if (err->code == ERR_OK) {
        (void)snprintf(answer->acct->incarnation, sizeof answer->acct->incarnation, "%s",
                       acct->incarnation);
    }
}

void world_wait(struct store_world *w, struct world_call *call)
{
    loop_fixture_run_until(w->loop, &call->done, WORLD_WAIT_MS);
}

static void assert_fine(const struct err *err)
{
    if (err->code != ERR_OK) {
        fail_msg("%s: %s", err_code_name(err->code), err->msg);
    }
}

struct store_acct store_world_account(struct store_world *w, const char *id)
{
    struct store_acct acct;
    store_acct_init(w->store, &acct, str_of(id));
    struct {
        struct world_call call;
        struct store_acct *acct;
    } answer = {.acct = &acct};
    json_t *record = json_pack("{s:s, s:s, s:s}", "account", id, "name", "A", "email",
                               "a@test.invalid");
    (void)store_account_create_start(w->store, str_of(id), record, on_account, &answer);
    json_decref(record);
    world_wait(w, &answer.call);
    assert_fine(&answer.call.err);
    return acct;
}

void store_world_start(struct store_world *w, const struct redis_fixture_options *options,
                       const char *url)
{
    *w = (struct store_world){0};
    w->server = url == NULL ? redis_fixture_start(options) : NULL;
    w->loop = loop_fixture_new();
    w->net = net_new(w->loop, &(struct net_config){0});
    struct err err = {0};
    struct redis_config config = {.url =
                                      url != NULL ? url : redis_fixture_url(w->server)};
    w->redis = redis_new(w->net, &config, &err);
    assert_fine(&err);
    struct store_config store = {.loop = w->loop,
                                 .prefix = "test",
                                 .key = {.key_text = key_text},
                                 .node_id = node_id};
    w->store = store_new(w->redis, &store);
    struct world_call call = {0};
    (void)store_open_start(w->store, on_opened, &call);
    world_wait(w, &call);
    assert_fine(&call.err);
    w->acct = store_world_account(w, "world");
}

void store_world_end(struct store_world *w)
{
    struct world_call call = {0};
    (void)store_close_start(w->store, 2000, on_closed, &call);
    world_wait(w, &call);
    store_acct_fini(&w->acct);
    store_free(&w->store);
    redis_free(&w->redis);
    net_free(&w->net);
    loop_fixture_free(&w->loop);
    if (w->server != NULL) {
        redis_fixture_free(&w->server);
    }
}

/* --- commits ----------------------------------------------------------------------- */

static void on_committed(struct store_commit *op, const struct err *err, void *ctx)
{
    (void)op;
    struct world_call *call = ctx;
    call->err = *err;
    call->done = true;
}

void world_commit_start(struct store_world *w, struct store_commit_params params,
                        struct world_call *call)
{
    if (params.acct == NULL) {
        params.acct = &w->acct;
    }
    *call = (struct world_call){0};
    (void)store_commit_start(w->store, &params, on_committed, call);
}

struct err world_commit(struct store_world *w, struct store_commit_params params)
{
    struct world_call call;
    world_commit_start(w, params, &call);
    assert_false(call.done);
    world_wait(w, &call);
    return call.err;
}

struct err world_put(struct store_world *w, struct mailbox *m, const struct msg_row *rows,
                     size_t count)
{
    struct mailbox_change change = {.m = m, .upserts = rows, .upsert_count = count};
    return world_commit(
        w, (struct store_commit_params){.changes = &change, .change_count = 1});
}

struct err world_delete(struct store_world *w, struct mailbox *m, const uint32_t *uids,
                        size_t count)
{
    struct mailbox_change change = {.m = m, .deletes = uids, .delete_count = count};
    return world_commit(
        w, (struct store_commit_params){.changes = &change, .change_count = 1});
}

/* --- reading ----------------------------------------------------------------------- */

struct reading {
    struct world_call call;
    struct arena *arena;
    struct msg_row *rows;
    size_t count, cap;
};

static void take_rows(struct reading *r, const struct msg_row *rows, size_t count)
{
    if (r->count + count > r->cap) {
        size_t cap = 2 * (r->count + count);
        struct msg_row *more = ARENA_ARRAY(r->arena, struct msg_row, cap);
        if (r->count > 0) {
            memcpy(more, r->rows, r->count * sizeof *more);
        }
        r->rows = more;
        r->cap = cap;
    }
    for (size_t i = 0; i < count; i++) {
        struct msg_row *row = &r->rows[r->count++];
        *row = rows[i];
        row->keywords = arena_memdup(r->arena, rows[i].keywords, rows[i].keyword_count);
        row->email_id = arena_str(r->arena, rows[i].email_id);
    }
}

static void on_rows(struct store_scan *op, const struct msg_row *rows, size_t count,
                    void *ctx)
{
    (void)op;
    take_rows(ctx, rows, count);
}

static void on_scanned(struct store_scan *op, const struct err *err, void *ctx)
{
    (void)op;
    struct reading *r = ctx;
    r->call.err = *err;
    r->call.done = true;
}

static void on_ranked(struct store_rank *op, const struct err *err,
                      const struct msg_row *rows, size_t count, void *ctx)
{
    (void)op;
    struct reading *r = ctx;
    take_rows(r, rows, count);
    r->call.err = *err;
    r->call.done = true;
}

static struct err finish(struct store_world *w, struct reading *r,
                         struct msg_row **rows_out, size_t *count_out)
{
    assert_false(r->call.done);
    world_wait(w, &r->call);
    *rows_out = r->rows;
    *count_out = r->count;
    return r->call.err;
}

struct err world_scan(struct store_world *w, const struct mailbox *m, uint32_t uid_lo,
                      uint32_t uid_hi, struct arena *arena, struct msg_row **rows_out,
                      size_t *count_out)
{
    struct reading r = {.arena = arena};
    (void)store_scan_start(w->store, &w->acct, m, uid_lo, uid_hi, on_rows, on_scanned,
                           &r);
    return finish(w, &r, rows_out, count_out);
}

struct err world_rank(struct store_world *w, const struct mailbox *m, uint32_t first,
                      uint32_t count, struct arena *arena, struct msg_row **rows_out,
                      size_t *count_out)
{
    struct reading r = {.arena = arena};
    (void)store_rank_start(w->store, &w->acct, m, first, count, on_ranked, &r);
    return finish(w, &r, rows_out, count_out);
}

struct state_call {
    struct world_call call;
    json_t *state;
};

static void on_state(struct store_account_op *op, const struct err *err,
                     const struct store_acct *acct, json_t *record, json_t *state,
                     void *ctx)
{
    (void)op;
    (void)acct;
    (void)record;
    struct state_call *c = ctx;
    c->state = json_incref(state);
    c->call.err = *err;
    c->call.done = true;
}

struct err world_account_state(struct store_world *w, json_t **state_out)
{
    struct state_call c = {0};
    (void)store_account_get_start(w->store, str_of(w->acct.id), on_state, &c);
    world_wait(w, &c.call);
    *state_out = c.state;
    return c.call.err;
}

struct loading {
    struct world_call call;
    struct mailbox **boxes;
    size_t count;
    uint32_t next_number;
};

static void on_mailboxes(struct store_mailboxes *op, const struct err *err,
                         struct mailbox **boxes, size_t count, uint32_t next_number,
                         void *ctx)
{
    (void)op;
    struct loading *l = ctx;
    l->boxes = mem_array(count + 1, sizeof(struct mailbox *));
    for (size_t i = 0; i < count; i++) {
        l->boxes[i] = boxes[i];
    }
    l->count = count;
    l->next_number = next_number;
    l->call.err = *err;
    l->call.done = true;
}

struct err world_mailboxes(struct store_world *w, struct mailbox ***boxes_out,
                           size_t *count_out, uint32_t *next_number_out)
{
    struct loading l = {0};
    (void)store_mailboxes_start(w->store, &w->acct, on_mailboxes, &l);
    world_wait(w, &l.call);
    *boxes_out = l.boxes;
    *count_out = l.count;
    *next_number_out = l.next_number;
    return l.call.err;
}
