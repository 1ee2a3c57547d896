#include "store_priv.h"

#include "postrider/base/check.h"
#include "postrider/base/mem.h"

#include <stdio.h>

/* It is not part of its owner's memory: Redis answers, or the connection ends, when it
 * likes. */
struct store_call {
    struct list node;
    struct redis_cmd *cmd;
    struct store_target target; /* fn is NULL once the owner is gone */
};

/* First words of error replies of our scripts. */
static const struct {
    const char *word;
    enum err_code code;
} script_errors[] = {
    {"FENCED", ERR_FENCED},   {"STALE", ERR_STALE}, {"CONFLICT", ERR_CONFLICT},
    {"GONE", ERR_NO_ACCOUNT}, {"FULL", ERR_LIMIT},
};

void store_calls_init(struct store_calls *calls)
{
    list_init(&calls->list);
}

void store_calls_end(struct store_calls *calls, bool drop)
{
    struct list *node;
    while ((node = list_pop(&calls->list)) != NULL) {
        struct store_call *call = container_of(node, struct store_call, node);
        call->target.fn = NULL;
        if (drop) {
            redis_cmd_cancel(call->cmd);
        }
    }
}

static struct err translated(const struct err *err)
{
    struct err out = *err;
    for (size_t i = 0; err->code == ERR_STORE_REPLY && i < ARRAY_LEN(script_errors);
         i++) {
        if (strcmp(err->peer_code, script_errors[i].word) == 0) {
            out.code = script_errors[i].code;
        }
    }
    return out;
}

static void on_redis(struct redis_cmd *cmd, const struct err *err,
                     const struct redis_reply *value, void *ctx)
{
    struct store_call *call = ctx;
    struct store_target t = call->target;
    list_remove(&call->node);
    mem_free(call);
    if (t.fn == NULL || (t.op != NULL && !op_is_running(t.op))) {
        return;
    }
    struct store_reply reply = {.value = value, .tag = t.tag};
    struct err own;
    if (err != NULL && err->code != ERR_OK) {
        own = translated(err);
        reply.err = &own;
        reply.value = NULL;
        reply.maybe_executed = redis_cmd_maybe_executed(cmd);
    }
    t.fn(t.ctx, &reply);
}

static struct store_call *call_new(const struct store_target *t)
{
    struct store_call *call = MEM_NEW(struct store_call);
    call->target = *t;
    list_init(&call->node);
    list_append(&t->calls->list, &call->node);
    return call;
}

void store_send(const struct store_target *t, const struct store_words *w)
{
    struct store_call *call = call_new(t);
    call->cmd = redis_cmd_start(t->store->redis, w->count, w->items, REDIS_DEADLINE_MS,
                                on_redis, call);
}

void store_send_script(const struct store_target *t, enum store_lua script,
                       const struct store_words *w)
{
    CHECK((size_t)script < STORE_LUA_COUNT && w->key_count <= w->count);
    struct store_call *call = call_new(t);
    call->cmd =
        redis_script_start(t->store->redis, &t->store->scripts[script], w->key_count,
                           w->count, w->items, REDIS_DEADLINE_MS, on_redis, call);
}

/* --- words --- */

void store_words_init(struct store_words *w, struct arena *arena)
{
    *w = (struct store_words){.arena = arena};
}

void store_word(struct store_words *w, struct str word)
{
    if (w->count == w->cap) {
        size_t cap = w->cap == 0 ? 16 : w->cap * 2;
        struct str *items = ARENA_ARRAY(w->arena, struct str, cap);
        if (w->count > 0) {
            memcpy(items, w->items, w->count * sizeof *items);
        }
        w->items = items;
        w->cap = cap;
    }
    w->items[w->count++] = word;
}

void store_word_c(struct store_words *w, const char *word)
{
    store_word(w, str_of(word));
}

void store_word_u64(struct store_words *w, uint64_t number)
{
    store_word_c(w, arena_printf(w->arena, "%llu", (unsigned long long)number));
}

void store_word_buf(struct store_words *w, const struct buf *b)
{
    store_word(w, str_from(arena_memdup(w->arena, buf_c(b), b->len), b->len));
}

void store_words_append(struct store_words *w, const struct store_words *more)
{
    for (size_t i = 0; i < more->count; i++) {
        store_word(w, more->items[i]);
    }
}

void store_words_end_keys(struct store_words *w)
{
    w->key_count = w->count;
}

/* --- operations --- */

void *store_op_new(struct store *s, const struct op_type *type, int64_t deadline_ms)
{
    struct store_op *op = op_new(s->loop, type, deadline_ms);
    op->store = s;
    store_calls_init(&op->calls);
    if (!s->opened) {
        op_fail(&op->op, ERR_STORE_DOWN, "the store is not open");
    }
    return op;
}

void store_op_abort(struct op *op)
{
    struct store_op *self = container_of(op, struct store_op, op);
    store_calls_end(&self->calls, true);
}

void store_op_fini(struct op *op)
{
    struct store_op *self = container_of(op, struct store_op, op);
    store_calls_end(&self->calls, false);
}

static struct store_target op_target(struct store_op *op, store_reply_fn *fn, size_t tag)
{
    return (struct store_target){.store = op->store,
                                 .calls = &op->calls,
                                 .fn = fn,
                                 .ctx = op,
                                 .tag = tag,
                                 .op = &op->op};
}

void store_op_send(struct store_op *op, const struct store_words *w, store_reply_fn *fn,
                   size_t tag)
{
    struct store_target t = op_target(op, fn, tag);
    store_send(&t, w);
}

void store_op_read_hash(struct store_op *op, const struct store_acct *a, const char *key,
                        store_reply_fn *fn)
{
    if (op_is_running(&op->op)) {
        struct store_words w;
        store_words_init(&w, &op->op.arena);
        store_word_c(&w, "HGETALL");
        store_word(&w, store_key(&op->op.arena, op->store, a, key));
        store_op_send(op, &w, fn, 0);
    }
}

void store_op_script(struct store_op *op, enum store_lua script,
                     const struct store_words *w, store_reply_fn *fn, size_t tag)
{
    struct store_target t = op_target(op, fn, tag);
    store_send_script(&t, script, w);
}

void store_op_fail_err(struct store_op *op, const struct err *err)
{
    store_calls_end(&op->calls, true);
    op_fail_err(&op->op, err);
}

bool store_op_refused(struct store_op *op, const struct store_reply *reply)
{
    if (reply->err == NULL) {
        return false;
    }
    store_op_fail_err(op, reply->err);
    return true;
}
