/* expr_priv: tokens, the program, and the functions of the language.
 * Shape    text ──expr_lex──► tokens ──expr_compile──► struct expr ──expr_eval──► value
 * Owner    a token's text is borrowed from the source; strings with escapes are decoded
 *          into the lexer's buffer until the next token */
#ifndef POSTRIDER_EXPR_PRIV_H
#define POSTRIDER_EXPR_PRIV_H

#include "postrider/base/buf.h"
#include "postrider/expr/expr.h"

/* --- tokens (expr_lex.c) */

enum token_kind {
    TOKEN_END,
    TOKEN_NAME,
    TOKEN_STRING,
    TOKEN_NUMBER,
    TOKEN_ROOT, /* $ */
    TOKEN_TRUE,
    TOKEN_FALSE,
    TOKEN_NULL,
    TOKEN_NOT,
    TOKEN_AND,
    TOKEN_OR,
    TOKEN_EQ,
    TOKEN_NE,
    TOKEN_LT,
    TOKEN_LE,
    TOKEN_GT,
    TOKEN_GE,
    TOKEN_QUESTION,
    TOKEN_COLON,
    TOKEN_COMMA,
    TOKEN_DOT,
    TOKEN_PAREN_OPEN,
    TOKEN_PAREN_CLOSE,
    TOKEN_BRACKET_OPEN,
    TOKEN_BRACKET_CLOSE,
    TOKEN_BRACE_OPEN,
    TOKEN_BRACE_CLOSE
};

struct token {
    enum token_kind kind;
    size_t at;       /* offset of its first byte */
    struct str text; /* of names and strings */
    json_t *number;  /* new reference, the reader's */
};

struct lexer {
    struct str source;
    size_t pos;
    struct buf text; /* of a string with escapes */
};

bool expr_lex(struct lexer *l, struct token *out, struct err *err);
/* Says where: "line 1, column 7: …". Returns false. */
bool expr_fail_at(struct str source, size_t at, struct err *err, const char *fmt, ...)
    ATTR_PRINTF(4, 5);

/* --- the program */

enum expr_op {
    EXPR_CONST,  /* push constants[arg] */
    EXPR_ROOT,   /* push the root */
    EXPR_MEMBER, /* member of the top named constants[arg] */
    EXPR_INDEX,  /* pop the key, then its item of the top */
    EXPR_NOT,
    EXPR_COMPARE, /* arg: a token_kind */
    EXPR_AND,     /* jump to arg with a false top, else pop */
    EXPR_OR,      /* jump to arg with a true top, else pop */
    EXPR_UNLESS,  /* pop; jump to arg if it was false */
    EXPR_JUMP,
    EXPR_CALL,  /* function `arg` with `count` arguments */
    EXPR_ARRAY, /* of `count` items */
    EXPR_OBJECT /* of `count` pairs of key and value */
};

struct expr_code {
    enum expr_op op;
    unsigned arg, count;
};

struct expr {
    struct expr_code *code;
    size_t code_count, code_cap;
    json_t *constants; /* array */
    size_t stack_max;
};

/* --- evaluation (expr_eval.c) */

struct eval {
    size_t steps, output;
    struct err *err;
};

/* Counts work; false once it is too much. */
bool expr_charge(struct eval *ev, size_t steps);
bool expr_charge_bytes(struct eval *ev, size_t bytes);
/* A new string, counted; NULL: too much. The text is valid UTF-8. */
json_t *expr_string(struct eval *ev, struct str text);
json_t *expr_string_take(struct eval *ev, struct buf *text);
/* The text of a string; absent for everything else. */
struct str expr_text(const json_t *value);
/* Scalars only: lists and objects equal nothing. */
bool expr_equal(const json_t *a, const json_t *b);

/* --- functions (expr_func.c) */

enum {
    EXPR_ARGS_MAX = 32
};

/* A new reference; NULL: over a limit, and ev->err says so. */
typedef json_t *expr_fn(struct eval *ev, json_t *const *args, size_t count);

struct expr_func {
    const char *name;
    unsigned min, max; /* arguments */
    expr_fn *fn;
};

/* The index of that name, or -1. */
int expr_func_find(struct str name);
const struct expr_func *expr_func_at(unsigned i);

#endif
