#include "postrider/loop/op.h"

#include "postrider/base/check.h"
#include "postrider/base/clock.h"
#include "postrider/base/mem.h"

#include <stdarg.h>
#include <stdio.h>

static const uint32_t op_magic = 0x0b3a71c5u;

static void on_deadline(struct timer *t)
{
    struct op *op = container_of(t, struct op, deadline);
    int64_t waited_ms = loop_now_ms(op->loop) - op->started_ms;
    if (op->type->abort != NULL) {
        op->type->abort(op);
    }
    op_fail(op, ERR_TIMEOUT, "%s: no answer within %lld ms", op->type->name,
            (long long)waited_ms);
}

void *op_new(struct loop *loop, const struct op_type *type, int64_t deadline_ms)
{
    CHECK(deadline_ms > 0 && type->size >= sizeof(struct op) && type->done != NULL);
    struct op *op = mem_alloc(type->size);
    op->magic = op_magic;
    op->state = OP_STATE_RUNNING;
    op->type = type;
    op->loop = loop;
    op->started_ms = loop_now_ms(loop);
    timer_set(loop, &op->deadline, deadline_ms, on_deadline);
    return op;
}

static void on_ending(struct deferred *d)
{
    struct op *op = container_of(d, struct op, ending);
    op->state = OP_STATE_DONE;
    op->type->done(op);
    if (op->type->fini != NULL) {
        op->type->fini(op);
    }
    arena_fini(&op->arena);
    op->magic = 0;
    mem_free(op);
}

static bool op_end(struct op *op)
{
    CHECK_MAGIC(op, op_magic);
    if (op->state != OP_STATE_RUNNING) {
        return false;
    }
    op->state = OP_STATE_ENDING;
    timer_stop(&op->deadline);
    loop_defer(op->loop, &op->ending, on_ending);
    return true;
}

void op_complete(struct op *op)
{
    if (op_end(op)) {
        err_clear(&op->err);
    }
}

void op_fail(struct op *op, enum err_code code, const char *fmt, ...)
{
    if (op_end(op)) {
        struct err err = {.code = ERR_OK}; /* the words may be those of op->err */
        va_list ap;
        va_start(ap, fmt);
        (void)err_vset(&err, code, fmt, ap);
        va_end(ap);
        op->err = err;
    }
}

void op_fail_err(struct op *op, const struct err *err)
{
    CHECK(err->code != ERR_OK);
    if (op_end(op)) {
        op->err = *err;
    }
}

void op_cancel(struct op *op)
{
    if (op == NULL || op->state != OP_STATE_RUNNING) {
        return;
    }
    CHECK_MAGIC(op, op_magic);
    if (op->type->abort != NULL) {
        op->type->abort(op);
    }
    op_fail(op, ERR_CANCELED, "%s: canceled", op->type->name);
}

bool op_is_running(const struct op *op)
{
    return op->state == OP_STATE_RUNNING;
}

/* A row of an answer is progress, and one turn may bring a thousand of them: only the first
 * moves anything. */
void op_extend(struct op *op, int64_t deadline_ms)
{
    bool stands = timer_is_set(&op->deadline) &&
                  timer_due_ms(&op->deadline) == loop_now_ms(op->loop) + deadline_ms;
    if (op->state == OP_STATE_RUNNING && !stands) {
        timer_set(op->loop, &op->deadline, deadline_ms, on_deadline);
    }
}

void op_run(struct op *op, const struct step_row *rows, const int *state)
{
    while (op->state == OP_STATE_RUNNING && rows[*state].fn(op) == STEP_MORE) {
    }
}
