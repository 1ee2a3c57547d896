/* How much of an account's storage is used, as its server tells. */
#include "account_call.h"

#include <stdio.h>

struct quota_asking {
    struct imap_quota *op;
};

static void asking_abort(struct account_call *c)
{
    struct quota_asking *q = c->detail;
    imap_quota_cancel(q->op);
}

static json_t *storage_json(const struct imap_storage *s)
{
    char percent[32];
    json_t *out = json_object();
    json_put_int(out, "usage", (int64_t)s->used_bytes);
    json_put_int(out, "limit", (int64_t)s->limit_bytes);
    if (s->limit_bytes > 0) {
        (void)snprintf(percent, sizeof percent, "%.0f%%",
                       (double)s->used_bytes * 100.0 / (double)s->limit_bytes);
        json_put_cstr(out, "status", percent);
    }
    return out;
}

static void on_quota(struct imap_quota *op ATTR_UNUSED, const struct err *err,
                     const struct imap_storage *storage, void *ctx)
{
    struct account_call *c = ctx;
    struct quota_asking *q = c->detail;
    q->op = NULL;
    if (call_goes_on(c, err)) {
        call_complete(c, storage->known ? storage_json(storage) : json_false());
    }
}

static void ask(struct account_call *c)
{
    struct quota_asking *q = c->detail;
    q->op = imap_quota_start(c->conn, STR("INBOX"), CALL_COMMAND_MS, on_quota, c);
}

struct account_call *account_quota_start(struct account *a, int64_t deadline_ms,
                                         account_call_cb *cb, void *ctx)
{
    struct account_call *c = call_new(a, "get quota", deadline_ms, cb, ctx);
    c->detail = ARENA_NEW(&c->op.arena, struct quota_asking);
    c->abort = asking_abort;
    c->reads = true;
    call_borrow(c, ACCOUNT_LANE_INTERACTIVE, ask);
    return c;
}
