/* Tokens to a program, without recursion: what is open is a stack of frames.
 *     expr    = cond
 *     cond    = or ["?" cond ":" cond]
 *     or      = and {("or" | "||") and}
 *     and     = not {("and" | "&&") not}
 *     not     = {"not" | "!"} compare
 *     compare = value [("==" | "!=" | "<" | "<=" | ">" | ">=") value]
 *     value   = primary {"." name | "[" cond "]"}
 *     primary = string | number | "true" | "false" | "null" | "$" | name
 *             | name "(" [cond {"," cond}] ")" | "(" cond ")"
 *             | "[" [cond {"," cond}] "]" | "{" [key ":" cond {"," key ":" cond}] "}"
 *     key     = name | string
 * A name alone is a member of the root. The code of a value is emitted before what is
 * done with it, so what binds tighter comes first by itself; frames keep the operators
 * that wait for their right side. */
#include "expr_priv.h"

#include "postrider/base/check.h"
#include "postrider/base/mem.h"
#include "postrider/base/utf8.h"
#include "postrider/json/json.h"

enum {
    STACK_MAX = 2048
};

enum frame_kind {
    FRAME_GROUP,
    FRAME_CALL,
    FRAME_ARRAY,
    FRAME_OBJECT,
    FRAME_INDEX,
    FRAME_THEN, /* between ? and : */
    FRAME_ELSE,
    FRAME_OR,
    FRAME_AND,
    FRAME_NOT,
    FRAME_COMPARE
};

struct frame {
    enum frame_kind kind;
    size_t at;      /* of the token that opened it */
    unsigned arg;   /* function or comparison; place of a jump to be filled in */
    unsigned count; /* arguments, items, pairs so far */
    bool keyed;     /* FRAME_OBJECT: the value of a key is due */
};

struct compiler {
    struct lexer lexer;
    struct token token; /* the current one */
    struct expr *e;
    struct frame frames[EXPR_DEPTH_MAX];
    size_t depth;
    size_t stack; /* values at this point of the program */
    bool wants_value;
    struct err *err;
};

static bool fail(struct compiler *c, const char *what)
{
    return expr_fail_at(c->lexer.source, c->token.at, c->err, "%s", what);
}

static bool next(struct compiler *c)
{
    return expr_lex(&c->lexer, &c->token, c->err);
}

/* --- emitting */

static void grow(struct expr *e)
{
    if (e->code_count == e->code_cap) {
        e->code_cap = e->code_cap > 0 ? e->code_cap * 2 : 16;
        e->code = mem_realloc(e->code, e->code_cap * sizeof *e->code);
    }
}

/* The program has at most about as many instructions as the text has characters. */
static unsigned emit(struct compiler *c, enum expr_op op, unsigned arg, unsigned count)
{
    grow(c->e);
    c->e->code[c->e->code_count] =
        (struct expr_code){.op = op, .arg = arg, .count = count};
    return (unsigned)c->e->code_count++;
}

static void pushed(struct compiler *c)
{
    c->stack++;
    c->e->stack_max = c->stack > c->e->stack_max ? c->stack : c->e->stack_max;
}

static void emit_const(struct compiler *c, json_t *taken)
{
    json_push(c->e->constants, taken);
    (void)emit(c, EXPR_CONST, (unsigned)json_array_size(c->e->constants) - 1, 0);
    pushed(c);
}

static json_t *new_text(struct str text)
{
    json_t *value = json_stringn_nocheck(text.ptr, text.len);
    CHECK(value != NULL);
    return value;
}

static void emit_member(struct compiler *c, struct str name)
{
    json_push(c->e->constants, new_text(name));
    (void)emit(c, EXPR_MEMBER, (unsigned)json_array_size(c->e->constants) - 1, 0);
}

static void land_here(struct compiler *c, unsigned jump)
{
    c->e->code[jump].arg = (unsigned)c->e->code_count;
}

/* --- frames */

static bool open_frame(struct compiler *c, enum frame_kind kind, unsigned arg)
{
    if (c->depth == EXPR_DEPTH_MAX) {
        return fail(c, "the expression is nested too deeply");
    }
    c->frames[c->depth++] = (struct frame){.kind = kind, .at = c->token.at, .arg = arg};
    return true;
}

static struct frame *top(struct compiler *c)
{
    return c->depth > 0 ? &c->frames[c->depth - 1] : NULL;
}

/* The right side of an operator is complete. */
static void close_operator(struct compiler *c)
{
    const struct frame *f = &c->frames[--c->depth];
    if (f->kind == FRAME_NOT) {
        (void)emit(c, EXPR_NOT, 0, 0);
    } else if (f->kind == FRAME_COMPARE) {
        (void)emit(c, EXPR_COMPARE, f->arg, 0);
        c->stack--;
    } else {
        land_here(c, f->arg);
    }
}

/* Closes operators that bind at least as tightly as `kind`. */
static void close_down_to(struct compiler *c, enum frame_kind kind)
{
    while (c->depth > 0 && top(c)->kind >= kind) {
        close_operator(c);
    }
}

/* --- where a value may begin */

static bool begin_call(struct compiler *c, struct str name, size_t at)
{
    int function = expr_func_find(name);
    if (function < 0) {
        return expr_fail_at(c->lexer.source, at, c->err, "there is no function %.*s",
                            STR_ARG(name));
    }
    return open_frame(c, FRAME_CALL, (unsigned)function) && next(c);
}

static bool read_name(struct compiler *c)
{
    struct str name = c->token.text;
    size_t at = c->token.at;
    if (!next(c)) {
        return false;
    }
    if (c->token.kind == TOKEN_PAREN_OPEN) {
        return begin_call(c, name, at);
    }
    (void)emit(c, EXPR_ROOT, 0, 0);
    pushed(c);
    emit_member(c, name);
    c->wants_value = false;
    return true;
}

static bool read_key(struct compiler *c)
{
    struct frame *object = top(c);
    if (object == NULL || c->token.text.ptr == NULL) {
        return fail(c, "expected a name or a text in quotes as the key");
    }
    emit_const(c, new_text(c->token.text));
    object->keyed = true;
    if (!next(c)) {
        return false;
    }
    return c->token.kind == TOKEN_COLON ? next(c) : fail(c, "expected : behind the key");
}

static bool close_bracket(struct compiler *c);

/* An opening sign; what it opens may be empty, or begins with a value (an object with a
 * key). */
static bool begin_frame(struct compiler *c, enum frame_kind kind)
{
    if (!open_frame(c, kind, 0) || !next(c)) {
        return false;
    }
    return kind != FRAME_OBJECT || c->token.kind == TOKEN_BRACE_CLOSE || read_key(c);
}

static bool literal(struct compiler *c, json_t *taken)
{
    emit_const(c, taken);
    c->wants_value = false;
    return next(c);
}

static bool closes_empty(struct compiler *c)
{
    const struct frame *f = top(c);
    static const struct {
        enum frame_kind frame;
        enum token_kind token;
    } rows[] = {{FRAME_CALL, TOKEN_PAREN_CLOSE},
                {FRAME_ARRAY, TOKEN_BRACKET_CLOSE},
                {FRAME_OBJECT, TOKEN_BRACE_CLOSE}};
    bool empty = f != NULL && f->count == 0 && !f->keyed;
    for (size_t i = 0; empty && i < ARRAY_LEN(rows); i++) {
        if (rows[i].frame == f->kind && rows[i].token == c->token.kind) {
            return true;
        }
    }
    return false;
}

static bool read_value(struct compiler *c)
{
    switch ((int)c->token.kind) {
    case TOKEN_NAME:
        return read_name(c);
    case TOKEN_STRING:
        return literal(c, new_text(c->token.text));
    case TOKEN_NUMBER:
        return literal(c, c->token.number);
    case TOKEN_TRUE:
        return literal(c, json_true());
    case TOKEN_FALSE:
        return literal(c, json_false());
    case TOKEN_NULL:
        return literal(c, json_null());
    case TOKEN_ROOT:
        (void)emit(c, EXPR_ROOT, 0, 0);
        pushed(c);
        c->wants_value = false;
        return next(c);
    case TOKEN_NOT:
        return open_frame(c, FRAME_NOT, 0) && next(c);
    case TOKEN_PAREN_OPEN:
        return begin_frame(c, FRAME_GROUP);
    case TOKEN_BRACKET_OPEN:
        return begin_frame(c, FRAME_ARRAY);
    case TOKEN_BRACE_OPEN:
        return begin_frame(c, FRAME_OBJECT);
    default:
        return closes_empty(c) ? close_bracket(c) : fail(c, "expected a value");
    }
}

/* --- behind a value */

static bool read_member(struct compiler *c)
{
    if (!next(c)) {
        return false;
    }
    if (c->token.text.ptr == NULL || c->token.kind == TOKEN_STRING) {
        return fail(c, "expected a name behind the dot");
    }
    emit_member(c, c->token.text); /* also words such as `not` */
    return next(c);
}

/* Left side done: jumps over the right one where it decides. */
static bool read_logic(struct compiler *c, enum frame_kind kind, enum expr_op op)
{
    close_down_to(c, kind);
    if (!open_frame(c, kind, emit(c, op, 0, 0))) {
        return false;
    }
    c->stack--;
    c->wants_value = true;
    return next(c);
}

static bool read_compare(struct compiler *c)
{
    if (c->depth > 0 && top(c)->kind == FRAME_COMPARE) {
        return fail(c, "comparisons need parentheses or `and` between them");
    }
    if (!open_frame(c, FRAME_COMPARE, (unsigned)c->token.kind)) {
        return false;
    }
    c->wants_value = true;
    return next(c);
}

static bool read_question(struct compiler *c)
{
    close_down_to(c, FRAME_OR);
    if (!open_frame(c, FRAME_THEN, emit(c, EXPR_UNLESS, 0, 0))) {
        return false;
    }
    c->stack--;
    c->wants_value = true;
    return next(c);
}

static bool read_colon(struct compiler *c)
{
    close_down_to(c, FRAME_ELSE);
    struct frame *f = top(c);
    if (f == NULL || f->kind != FRAME_THEN) {
        return fail(c, "there is no ? for this :");
    }
    unsigned jump = emit(c, EXPR_JUMP, 0, 0);
    land_here(c, f->arg);
    f->kind = FRAME_ELSE;
    f->arg = jump;
    c->stack--;
    c->wants_value = true;
    return next(c);
}

static bool read_comma(struct compiler *c)
{
    close_down_to(c, FRAME_ELSE);
    struct frame *f = top(c);
    if (f == NULL || f->kind == FRAME_GROUP || f->kind == FRAME_INDEX ||
        f->kind == FRAME_THEN) {
        return fail(c, "a comma has no meaning here");
    }
    if (c->stack >= STACK_MAX || (f->kind == FRAME_CALL && f->count == EXPR_ARGS_MAX)) {
        return fail(c, "too many items");
    }
    f->count++;
    c->wants_value = true;
    return next(c) && (f->kind != FRAME_OBJECT || read_key(c));
}

static bool end_call(struct compiler *c, const struct frame *f, unsigned count)
{
    const struct expr_func *function = expr_func_at(f->arg);
    if (count < function->min || count > function->max) {
        return expr_fail_at(c->lexer.source, f->at, c->err,
                            "%s takes %u to %u arguments, not %u", function->name,
                            function->min, function->max, count);
    }
    (void)emit(c, EXPR_CALL, f->arg, count);
    c->stack -= count;
    pushed(c);
    return true;
}

/* Ends what the top frame opened; `has_value`: not empty. */
static bool end_frame(struct compiler *c, bool has_value)
{
    const struct frame *f = &c->frames[--c->depth];
    unsigned count = f->count + (has_value ? 1 : 0);
    switch ((int)f->kind) {
    case FRAME_CALL:
        return end_call(c, f, count);
    case FRAME_ARRAY:
        (void)emit(c, EXPR_ARRAY, 0, count);
        c->stack -= count;
        pushed(c);
        return true;
    case FRAME_OBJECT:
        (void)emit(c, EXPR_OBJECT, 0, count);
        c->stack -= (size_t)count * 2;
        pushed(c);
        return true;
    case FRAME_INDEX:
        (void)emit(c, EXPR_INDEX, 0, 0);
        c->stack--;
        return true;
    default:
        return true;
    }
}

static bool close_bracket(struct compiler *c)
{
    bool has_value = !c->wants_value;
    close_down_to(c, FRAME_ELSE);
    const struct frame *f = top(c);
    static const enum token_kind closing[] = {
        [FRAME_GROUP] = TOKEN_PAREN_CLOSE,   [FRAME_CALL] = TOKEN_PAREN_CLOSE,
        [FRAME_ARRAY] = TOKEN_BRACKET_CLOSE, [FRAME_OBJECT] = TOKEN_BRACE_CLOSE,
        [FRAME_INDEX] = TOKEN_BRACKET_CLOSE, [FRAME_THEN] = TOKEN_COLON};
    if (f == NULL || closing[f->kind] != c->token.kind) {
        return fail(c, f != NULL && f->kind == FRAME_THEN
                           ? "expected : and another value for this ?"
                           : "this bracket closes nothing");
    }
    if (!end_frame(c, has_value)) {
        return false;
    }
    c->wants_value = false;
    return next(c);
}

static bool read_operator(struct compiler *c)
{
    switch ((int)c->token.kind) {
    case TOKEN_DOT:
        return read_member(c);
    case TOKEN_BRACKET_OPEN:
        c->wants_value = true;
        return open_frame(c, FRAME_INDEX, 0) && next(c);
    case TOKEN_AND:
        return read_logic(c, FRAME_AND, EXPR_AND);
    case TOKEN_OR:
        return read_logic(c, FRAME_OR, EXPR_OR);
    case TOKEN_EQ:
    case TOKEN_NE:
    case TOKEN_LT:
    case TOKEN_LE:
    case TOKEN_GT:
    case TOKEN_GE:
        return read_compare(c);
    case TOKEN_QUESTION:
        return read_question(c);
    case TOKEN_COLON:
        return read_colon(c);
    case TOKEN_COMMA:
        return read_comma(c);
    case TOKEN_PAREN_CLOSE:
    case TOKEN_BRACKET_CLOSE:
    case TOKEN_BRACE_CLOSE:
        return close_bracket(c);
    default:
        return fail(c, "expected an operator");
    }
}

/* --- all of it */

static bool compile(struct compiler *c)
{
    if (!next(c)) {
        return false;
    }
    while (c->wants_value || c->token.kind != TOKEN_END) {
        if (!(c->wants_value ? read_value(c) : read_operator(c))) {
            return false;
        }
    }
    close_down_to(c, FRAME_ELSE);
    if (c->depth > 0) {
        c->token.at = top(c)->at;
        return fail(c, top(c)->kind == FRAME_THEN ? "this ? has no :"
                                                  : "this bracket is not closed");
    }
    CHECK(c->stack == 1);
    return true;
}

bool expr_compile(struct str source, struct expr **out, struct err *err)
{
    if (source.len > EXPR_SOURCE_MAX) {
        return err_set(err, ERR_TOO_LARGE, "the expression is longer than %d bytes",
                       EXPR_SOURCE_MAX);
    }
    if (!utf8_is_valid(source) || str_find_byte(source, '\0') != SIZE_MAX) {
        return err_set(err, ERR_INVALID, "the expression is not valid UTF-8 text");
    }
    struct expr *e = MEM_NEW(struct expr);
    e->constants = json_array();
    struct compiler c = {
        .lexer = {.source = source, .text = BUF_INIT(EXPR_SOURCE_MAX + 1)},
        .e = e,
        .wants_value = true,
        .err = err};
    bool ok = compile(&c);
    buf_fini(&c.lexer.text);
    json_decref(c.token.number); /* of a token that nobody took */
    if (!ok) {
        expr_free(&e);
        return false;
    }
    *out = e;
    return true;
}

void expr_free(struct expr **ep)
{
    struct expr *e = *ep;
    if (e == NULL) {
        return;
    }
    *ep = NULL;
    json_decref(e->constants);
    mem_free(e->code);
    mem_free(e);
}

/* The member behind `$`, or all of it. */
bool expr_reads(const struct expr *e, const char *member)
{
    for (size_t i = 0; i < e->code_count; i++) {
        bool named = i + 1 < e->code_count && e->code[i + 1].op == EXPR_MEMBER;
        if (e->code[i].op != EXPR_ROOT) {
            continue;
        }
        if (!named ||
            strcmp(json_string_value(json_array_get(e->constants, e->code[i + 1].arg)),
                   member) == 0) {
            return true;
        }
    }
    return false;
}
