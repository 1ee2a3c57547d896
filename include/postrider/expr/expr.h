/* expr: expressions over JSON, for filters and mappings that API clients write.
 * Shape    text is compiled once into a program for a stack machine that only jumps
 *          forward; it is evaluated on a JSON value ($, the root) and gives a JSON value.
 *          docs/EXPRESSIONS.md is the reference of the language.
 * Owner    the expression is the caller's (expr_free); results are new references that
 *          may share parts with the root, which therefore must not be changed while they
 *          live
 * Calls    pure; one thread at a time for each root
 * Limits   EXPR_SOURCE_MAX bytes of text, EXPR_DEPTH_MAX levels of nesting;
 *          EXPR_STEPS_MAX steps (one for each instruction, item and EXPR_STEP_BYTES bytes
 *          touched) and EXPR_OUTPUT_MAX bytes of new strings in one evaluation
 * Errors   expr_compile: ERR_INVALID with line and column, ERR_TOO_LARGE. expr_eval:
 *          ERR_LIMIT only; values of an unfitting type give null, never an error */
#ifndef POSTRIDER_EXPR_EXPR_H
#define POSTRIDER_EXPR_EXPR_H

#include "postrider/base/attr.h"
#include "postrider/base/err.h"
#include "postrider/base/str.h"

#include <jansson.h>
#include <stdbool.h>

enum {
    EXPR_SOURCE_MAX = 16 * 1024,
    EXPR_DEPTH_MAX = 64,
    EXPR_STEPS_MAX = 200 * 1000,
    EXPR_STEP_BYTES = 64,
    EXPR_OUTPUT_MAX = 1024 * 1024
};

struct expr;

bool expr_compile(struct str source, struct expr **out, struct err *err);
void expr_free(struct expr **e);
bool expr_eval(const struct expr *e, json_t *root, json_t **out, struct err *err);
/* Everything is true but null, false, 0, "", [] and {}. */
bool expr_is_true(const json_t *value);
/* Whether the result may depend on this member of the root. */
bool expr_reads(const struct expr *e, const char *member);

#endif
