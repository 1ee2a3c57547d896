#include "postrider/loop/worker.h"

#include "loop_priv.h"

#include "postrider/base/check.h"

/* A worker cannot be aborted while its work function runs, so it lives outside the
 * deadline rule of op: the pool always comes back, and the callback with it. */
enum {
    WORKER_DEADLINE_MS = 24 * 3600 * 1000
};

static const unsigned class_caps[WORKER_CLASS_COUNT] = {
    [WORKER_DNS] = 6, [WORKER_CRYPTO] = 2, [WORKER_MIME] = 4, [WORKER_FILE] = 4};

enum worker_state {
    WORKER_STATE_WAITING,
    WORKER_STATE_POOL,
    WORKER_STATE_BACK
};

struct worker {
    struct op op;
    enum worker_state state;
    enum worker_class klass;
    struct list node;
    uv_work_t req;
    worker_work *work;
    void *data;
    struct err result;
    bool canceled;
    worker_cb *cb;
    void *ctx;
};

static void worker_done(struct op *op)
{
    struct worker *w = container_of(op, struct worker, op);
    w->cb(w, &op->err, w->ctx);
}

static const struct op_type worker_type = {"worker", sizeof(struct worker), NULL,
                                           worker_done, NULL};

static void on_pool(uv_work_t *req)
{
    struct worker *w = req->data;
    w->work(w->data, &w->result);
}

static void pool_submit(struct loop *loop, struct worker *w);

static void on_back(uv_work_t *req, int status)
{
    struct worker *w = req->data;
    struct loop *loop = w->op.loop;
    struct worker_queue *queue = &loop->workers[w->klass];
    queue->running--;
    w->state = WORKER_STATE_BACK;
    if (status == UV_ECANCELED || w->canceled) {
        op_fail(&w->op, ERR_CANCELED, "worker: canceled");
    } else if (w->result.code != ERR_OK) {
        op_fail_err(&w->op, &w->result);
    } else {
        op_complete(&w->op);
    }
    struct list *next = list_pop(&queue->waiting);
    if (next != NULL) {
        pool_submit(loop, container_of(next, struct worker, node));
    }
}

static void pool_submit(struct loop *loop, struct worker *w)
{
    w->state = WORKER_STATE_POOL;
    w->req.data = w;
    loop->workers[w->klass].running++;
    CHECK(uv_queue_work(&loop->uv, &w->req, on_pool, on_back) == 0);
}

struct worker *worker_start(struct loop *loop, enum worker_class klass, worker_work *work,
                            void *data, worker_cb *cb, void *ctx)
{
    struct worker *w = op_new(loop, &worker_type, WORKER_DEADLINE_MS);
    timer_stop(&w->op.deadline);
    list_init(&w->node);
    w->klass = klass;
    w->work = work;
    w->data = data;
    w->cb = cb;
    w->ctx = ctx;
    if (loop->workers[klass].running < class_caps[klass]) {
        pool_submit(loop, w);
    } else {
        list_append(&loop->workers[klass].waiting, &w->node);
    }
    return w;
}

void worker_cancel(struct worker *w)
{
    switch (w->state) {
    case WORKER_STATE_WAITING:
        list_remove(&w->node);
        w->state = WORKER_STATE_BACK;
        op_fail(&w->op, ERR_CANCELED, "worker: canceled");
        break;
    case WORKER_STATE_POOL:
        w->canceled = true;
        (void)uv_cancel((uv_req_t *)&w->req);
        break;
    case WORKER_STATE_BACK:
        break;
    }
}
