/* Makes a message of a request.
 *
 *   [REFERENCE: read it] ──► [FILES: fetch one after the other] ──► [a worker composes] ──► end
 *
 * The request is plain data while the worker reads it: nobody changes it. */
#include "account_draft.h"

#include "postrider/base/clock.h"
#include "postrider/base/mem.h"
#include "postrider/loop/op.h"
#include "postrider/loop/worker.h"

enum {
    STEP_MS = 60000
};

struct account_compose {
    struct op op;
    struct account *a;
    account_compose_cb *cb;
    void *ctx;
    struct compose_job *job; /* shared with the worker */
    struct account_composed result;
    json_t *told; /* result.reference */
    struct account_call *get;
    struct account_stream *file;
    size_t at; /* of job->files */
};

static struct account_compose *compose_of(struct op *op)
{
    return container_of(op, struct account_compose, op);
}

static void compose_abort(struct op *op)
{
    struct account_compose *c = compose_of(op);
    account_call_cancel(c->get);
    account_stream_cancel(c->file);
}

static void compose_done(struct op *op)
{
    struct account_compose *c = compose_of(op);
    bool ok = op->err.code == ERR_OK;
    c->a->calls--;
    c->cb(c, &op->err, ok ? &c->result : NULL, c->ctx);
}

static void compose_fini(struct op *op)
{
    struct account_compose *c = compose_of(op);
    buf_fini(&c->result.bytes);
    json_decref(c->told);
    if (c->job != NULL) {
        c->job->op = NULL;
        compose_job_unref(c->job);
    }
}

static const struct op_type compose_type = {"compose message",
                                            sizeof(struct account_compose), compose_abort,
                                            compose_done, compose_fini};

/* --- the worker --- */

static void on_composed(struct worker *w ATTR_UNUSED, const struct err *err, void *ctx)
{
    struct compose_job *job = ctx;
    struct account_compose *c = job->op;
    if (c != NULL && op_is_running(&c->op)) {
        if (err->code != ERR_OK) {
            op_fail_err(&c->op, err);
        } else {
            c->result.bytes = job->out;
            job->out = BUF_INIT(0);
            c->result.message_id = job->message_id.len > 0 ? job->message_id.ptr : NULL;
            c->result.reference = c->told;
            op_complete(&c->op);
        }
    }
    compose_job_unref(job);
}

static void compose_now(struct account_compose *c)
{
    struct compose_job *job = c->job;
    job->now_ms = clock_wall_ms();
    job->refs++;
    (void)worker_start(c->a->as->loop, WORKER_MIME, compose_job_work, job, on_composed,
                       job);
}

/* --- files by reference --- */

static void next_file(struct account_compose *c);

static void on_file_begin(struct account_stream *s ATTR_UNUSED,
                          const struct account_stream_info *info, void *ctx)
{
    struct account_compose *c = ctx;
    struct compose_file *file = &c->job->files[c->at];
    struct arena *arena = &c->job->arena;
    if (file->content_type.len == 0) {
        file->content_type = arena_str(arena, str_of(info->content_type));
    }
    if (file->filename.len == 0) {
        file->filename = arena_str(arena, str_of(info->filename));
    }
}

static void on_file_data(struct account_stream *s ATTR_UNUSED, struct str data, void *ctx)
{
    struct account_compose *c = ctx;
    op_extend(&c->op, STEP_MS);
    if (op_is_running(&c->op) && (c->job->fetched += data.len) > ACCOUNT_COMPOSE_MAX) {
        op_fail(&c->op, ERR_TOO_LARGE, "the attachments are too large together");
        account_stream_cancel(c->file);
    } else if (op_is_running(&c->op)) {
        (void)buf_put_str(&c->job->files[c->at].bytes, data);
    }
}

static void on_file_end(struct account_stream *s ATTR_UNUSED, const struct err *err,
                        void *ctx)
{
    struct account_compose *c = ctx;
    c->file = NULL;
    if (!op_is_running(&c->op)) {
        return;
    }
    if (err->code != ERR_OK) {
        op_fail_err(&c->op, err);
        return;
    }
    c->at++;
    next_file(c);
}

static void next_file(struct account_compose *c)
{
    static const struct account_stream_events events = {
        .on_begin = on_file_begin, .on_data = on_file_data, .on_end = on_file_end};
    struct compose_job *job = c->job;
    while (c->at < job->file_count && job->files[c->at].id.ptr == NULL) {
        c->at++;
    }
    if (c->at == job->file_count) {
        compose_now(c);
        return;
    }
    op_extend(&c->op, STEP_MS);
    c->file =
        account_attachment_start(c->a, job->files[c->at].id, NULL, STEP_MS, &events, c);
}

/* --- the message referred to --- */

static void not_there(struct account_compose *c, const char *why)
{
    json_put_bool(c->told, "success", false);
    json_put_cstr(c->told, "error", why);
    if (json_get_bool(json_object_get(c->job->request, "reference"), "ignoreMissing",
                      false)) {
        compose_job_plan(c->job);
        next_file(c);
    } else {
        op_fail(&c->op, ERR_NO_MESSAGE, "%s", why);
    }
}

static void on_referred(struct account_call *op ATTR_UNUSED, const struct err *err,
                        json_t *result, void *ctx)
{
    struct account_compose *c = ctx;
    const json_t *reference = json_object_get(c->job->request, "reference");
    struct str wanted = json_get_str(reference, "messageId");
    c->get = NULL;
    if (!op_is_running(&c->op)) {
        return;
    }
    if (err->code == ERR_NO_MESSAGE || err->code == ERR_NO_MAILBOX) {
        not_there(c, "Referenced message was not found");
    } else if (err->code != ERR_OK) {
        op_fail_err(&c->op, err);
    } else if (wanted.ptr != NULL && !str_eq(wanted, json_get_str(result, "messageId"))) {
        not_there(c, "The referenced message has another Message-ID");
    } else {
        json_put_bool(c->told, "success", true);
        c->job->referred = json_incref(result);
        compose_job_plan(c->job);
        next_file(c);
    }
}

/* Only mail servers with threads of their own can be told of one. */
static void read_reference(struct account_compose *c, const json_t *reference)
{
    bool is_inline = json_get_bool(reference, "inline", false);
    struct account_get_params params = {.id = json_get_str(reference, "message"),
                                        .text = is_inline ? ACCOUNT_TEXT_ALL
                                                          : ACCOUNT_TEXT_NONE,
                                        .web_safe = is_inline};
    c->told = json_object();
    json_put_str(c->told, "message", params.id);
    json_put_str(c->told, "threadId", json_get_str(reference, "threadId"));
    if (params.id.ptr == NULL) {
        not_there(c, "A thread without a message cannot be referred to");
        return;
    }
    c->get = account_message_get_start(c->a, &params, STEP_MS, on_referred, c);
}

struct account_compose *account_compose_start(struct account *a, json_t *request,
                                              int64_t deadline_ms, account_compose_cb *cb,
                                              void *ctx)
{
    struct account_compose *c = op_new(a->as->loop, &compose_type, deadline_ms);
    c->a = a;
    a->calls++;
    c->cb = cb;
    c->ctx = ctx;
    /* While it is being read again, the former sender is better than none. */
    c->job = compose_job_new(c, request, a->record);
    const json_t *reference = json_get_obj(request, "reference");
    if (reference != NULL) {
        read_reference(c, reference);
    } else {
        compose_job_plan(c->job);
        next_file(c);
    }
    return c;
}

void account_compose_cancel(struct account_compose *c)
{
    if (c != NULL) {
        op_cancel(&c->op);
    }
}
