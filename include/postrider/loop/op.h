/* op: one asynchronous operation.
 * Shape    a struct that embeds `struct op` first, made by op_new from its type's row
 *              running ──op_complete/op_fail──► ending ──(next turn)──► callback, then freed
 *                 └────deadline, op_cancel────────┘
 * Owner    the framework: the operation is freed, with its arena, right after its done
 *          function returned. Starters keep a borrowed pointer only to cancel; it is dead
 *          once the callback ran. Results live in the arena or are given away by the
 *          callback.
 * Calls    loop thread. The callback fires exactly once, later, from the loop; it may
 *          free the starter and start or cancel anything.
 * Limits   every operation has a deadline; there is no value for "none"
 * Errors   op->err is ERR_OK on success, ERR_TIMEOUT, ERR_CANCELED, or what op_fail set
 *          A child's callback can come after its parent was canceled, when both ended in one
 *          turn: it looks at op_is_running(parent) before it starts anything new.
 *
 * Writing one:
 *     struct dns_query { struct op op; ...; dns_cb *cb; void *ctx; };
 *     static void dns_abort(struct op *op) { ...release what is in flight... }
 *     static void dns_done(struct op *op)
 *     { struct dns_query *q = DNS_QUERY(op); q->cb(q, q->ctx); }
 *     static const struct op_type dns_type =
 *         {"dns", sizeof(struct dns_query), dns_abort, dns_done};
 */
#ifndef POSTRIDER_LOOP_OP_H
#define POSTRIDER_LOOP_OP_H

#include "postrider/base/arena.h"
#include "postrider/base/err.h"
#include "postrider/loop/loop.h"

#include <stdbool.h>
#include <stdint.h>

struct op;

struct op_type {
    const char *name;
    size_t size; /* of the struct whose first member is `struct op op` */
    /* Runs when the operation ends early (deadline, cancel): stop children, timers and
     * I/O. It is not called after op_complete or op_fail. NULL if nothing is held. */
    void (*abort)(struct op *op);
    /* Calls the user's callback. Required. */
    void (*done)(struct op *op);
    /* Releases what the arena does not hold, after `done`. May be NULL. */
    void (*fini)(struct op *op);
};

enum op_state {
    OP_STATE_RUNNING,
    OP_STATE_ENDING,
    OP_STATE_DONE
};

struct op {
    uint32_t magic;
    enum op_state state;
    const struct op_type *type;
    struct loop *loop;
    struct arena arena;
    struct err err;
    int64_t started_ms;
    struct timer deadline;
    struct deferred ending;
};

/* Zeroed, running, deadline armed. deadline_ms > 0. */
void *op_new(struct loop *loop, const struct op_type *type,
             int64_t deadline_ms) ATTR_RETURNS_NONNULL;
/* Success. Ending an operation that is already ending does nothing. */
void op_complete(struct op *op);
/* Failure with a message; returns nothing to check. */
void op_fail(struct op *op, enum err_code code, const char *fmt, ...) ATTR_PRINTF(3, 4);
/* Failure with an error that came from below. */
void op_fail_err(struct op *op, const struct err *err);
/* Ends with ERR_CANCELED; the callback still fires, later. NULL and ending are ignored.
 */
void op_cancel(struct op *op);
bool op_is_running(const struct op *op);
/* Sets the deadline anew from now (progress timers). */
void op_extend(struct op *op, int64_t deadline_ms);

/* --- step tables (style guide §3.7)
 * -------------------------------------------------------- A step returns STEP_MORE (run
 * the current state's step again: it was changed), STEP_WAIT (return to the loop) or
 * STEP_DONE (the operation was completed or failed). */
enum step {
    STEP_MORE,
    STEP_WAIT,
    STEP_DONE
};
typedef enum step step_fn(struct op *op);

struct step_row {
    const char *name;
    step_fn *fn;
};

/* Runs steps from *state until one waits or is done. */
void op_run(struct op *op, const struct step_row *rows, const int *state);

#endif
