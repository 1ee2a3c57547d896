#include "account_safe.h"

#include "postrider/base/mem.h"
#include "postrider/html/html.h"
#include "postrider/loop/worker.h"

struct safe_job {
    struct account_call *call; /* NULL: it ended meanwhile */
    struct worker *worker;
    account_safe_cb *cb;
    struct buf input, output;
    struct account_images *images;
    bool from_plain, fold_quotes, only_embed;
};

static bool make(struct safe_job *job)
{
    const struct html_sanitize_params params = {
        .fold_quotes = job->fold_quotes,
        .on_cid = job->images != NULL ? account_images_put : NULL,
        .ctx = job->images};
    struct str input = buf_str(&job->input);
    if (job->only_embed) {
        return html_embed(&job->output, input, account_images_put, job->images);
    }
    return job->from_plain ? html_from_text(&job->output, input, job->fold_quotes)
                           : html_sanitize(&job->output, input, &params);
}

static void safe_work(void *data, struct err *err)
{
    struct safe_job *job = data;
    if (!make(job)) {
        (void)err_set(err, ERR_TOO_LARGE,
                      "the HTML of this message is too large to prepare");
    }
}

static void on_worked(struct worker *w, const struct err *err, void *ctx)
{
    (void)w;
    struct safe_job *job = ctx;
    struct account_call *c = job->call;
    if (c != NULL) {
        c->safe = NULL;
        if (err->code == ERR_OK) {
            job->cb(c, buf_str(&job->output));
        } else {
            call_fail_err(c, err);
        }
    }
    account_images_free(&job->images);
    buf_fini(&job->input);
    buf_fini(&job->output);
    mem_free(job);
}

void account_safe_start(struct account_call *c, const struct account_safe_params *params,
                        account_safe_cb *cb)
{
    struct safe_job *job = MEM_NEW(struct safe_job);
    *job = (struct safe_job){.call = c,
                             .cb = cb,
                             .input = BUF_INIT(SIZE_MAX / 4),
                             .output = BUF_INIT((size_t)HTML_INPUT_MAX * 4),
                             .from_plain = params->html.ptr == NULL,
                             .fold_quotes = params->fold_quotes,
                             .only_embed = params->only_embed,
                             .images = params->images};
    buf_put_str(&job->input, job->from_plain ? params->plain : params->html);
    c->safe = job;
    job->worker =
        worker_start(c->a->as->loop, WORKER_MIME, safe_work, job, on_worked, job);
}

void account_safe_cancel(struct account_call *c)
{
    if (c->safe != NULL) {
        struct safe_job *job = c->safe;
        c->safe = NULL;
        job->call = NULL;
        worker_cancel(job->worker);
    }
}
