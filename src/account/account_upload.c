/* Upload: compose, then append what was composed. */
#include "account_call.h"

#include "postrider/account/account_append.h"
#include "postrider/account/account_compose.h"

struct uploading {
    json_t *request;
    struct account_compose *compose;
    struct account_call *put;
    struct buf bytes;
    size_t at; /* of what was read */
    json_t *reference;
};

static struct uploading *uploading_of(const struct account_call *c)
{
    return c->detail;
}

static void uploading_abort(struct account_call *c)
{
    account_compose_cancel(uploading_of(c)->compose);
    account_call_cancel(uploading_of(c)->put);
}

static void uploading_fini(struct account_call *c)
{
    struct uploading *up = uploading_of(c);
    json_decref(up->request);
    json_decref(up->reference);
    buf_fini(&up->bytes);
}

static size_t read_bytes(void *source, char *buf, size_t size)
{
    struct account_call *c = source;
    struct uploading *up = uploading_of(c);
    size_t left = up->bytes.len - up->at, n = size < left ? size : left;
    op_extend(&c->op, CALL_COMMAND_MS);
    memcpy(buf, up->bytes.bytes + up->at, n);
    up->at += n;
    return n;
}

static void rewind_bytes(void *source)
{
    uploading_of(source)->at = 0;
}

static void on_put(struct account_call *op ATTR_UNUSED, const struct err *err,
                   json_t *result, void *ctx)
{
    struct account_call *c = ctx;
    struct uploading *up = uploading_of(c);
    up->put = NULL;
    if (!op_is_running(&c->op)) {
        return;
    }
    if (err->code != ERR_OK) {
        call_fail_err(c, err);
        return;
    }
    if (up->reference != NULL) {
        json_object_set(result, "reference", up->reference);
    }
    call_complete(c, json_incref(result));
}

static void on_composed(struct account_compose *op ATTR_UNUSED, const struct err *err,
                        struct account_composed *composed, void *ctx)
{
    struct account_call *c = ctx;
    struct uploading *up = uploading_of(c);
    up->compose = NULL;
    if (!op_is_running(&c->op)) {
        return;
    }
    if (err->code != ERR_OK) {
        call_fail_err(c, err);
        return;
    }
    up->bytes = composed->bytes;
    composed->bytes = BUF_INIT(0);
    up->reference = json_incref(composed->reference);
    struct account_append_params params = {.path = json_get_str(up->request, "path"),
                                           .flags = json_get_arr(up->request, "flags"),
                                           .size = up->bytes.len,
                                           .message_id = str_of(composed->message_id),
                                           .read = read_bytes,
                                           .rewind = rewind_bytes,
                                           .source = c};
    (void)json_get_time(up->request, "internalDate", &params.internaldate_ms);
    op_extend(&c->op, CALL_COMMAND_MS);
    up->put = account_append_start(c->a, &params, CALL_COMMAND_MS, on_put, c);
}

struct account_call *account_upload_start(struct account *a, json_t *request,
                                          int64_t deadline_ms, account_call_cb *cb,
                                          void *ctx)
{
    struct account_call *c = call_new(a, "upload message", deadline_ms, cb, ctx);
    struct uploading *up = ARENA_NEW(&c->op.arena, struct uploading);
    c->detail = up;
    c->abort = uploading_abort;
    c->fini = uploading_fini;
    up->request = json_incref(request);
    /* Before anything is fetched for it. */
    if (call_path(c, json_get_str(request, "path")) == NULL) {
        return c;
    }
    up->compose = account_compose_start(a, request, deadline_ms, on_composed, c);
    return c;
}
