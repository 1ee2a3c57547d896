/* worker: blocking or CPU-heavy work in the libuv thread pool, as an operation.
 * Owner    the work function sees only its `data`, which must stay valid until the
 *          callback; a canceled operation's callback still waits for a running work
 *          function
 * Limits   WORKER_THREADS threads; each class of work has a cap so that one kind (dead
 *          DNS) cannot fill the pool; excess waits in order
 * Errors   what the work function set; ERR_CANCELED if it was canceled before it began */
#ifndef POSTRIDER_LOOP_WORKER_H
#define POSTRIDER_LOOP_WORKER_H

#include "postrider/loop/op.h"

enum {
    WORKER_THREADS = 16
};

enum worker_class {
    WORKER_DNS,    /* 6 at once */
    WORKER_CRYPTO, /* 2 */
    WORKER_MIME,   /* 4 */
    WORKER_FILE,   /* 4 */
    WORKER_CLASS_COUNT
};

struct worker;
/* Runs on a pool thread; err is its own. */
typedef void worker_work(void *data, struct err *err);
typedef void worker_cb(struct worker *w, const struct err *err, void *ctx);

struct worker *worker_start(struct loop *loop, enum worker_class klass, worker_work *work,
                            void *data, worker_cb *cb, void *ctx) ATTR_RETURNS_NONNULL;
void worker_cancel(struct worker *w);

#endif
