#include "expr_priv.h"

#include "postrider/base/check.h"
#include "postrider/base/mem.h"
#include "postrider/json/json.h"

/* --- limits */

bool expr_charge(struct eval *ev, size_t steps)
{
    if (steps > EXPR_STEPS_MAX - ev->steps) {
        return err_set(ev->err, ERR_LIMIT, "the expression takes more than %d steps",
                       EXPR_STEPS_MAX);
    }
    ev->steps += steps;
    return true;
}

bool expr_charge_bytes(struct eval *ev, size_t bytes)
{
    return expr_charge(ev, bytes / EXPR_STEP_BYTES);
}

json_t *expr_string(struct eval *ev, struct str text)
{
    if (text.len > EXPR_OUTPUT_MAX - ev->output) {
        (void)err_set(ev->err, ERR_LIMIT, "the expression makes more than %d KiB of text",
                      EXPR_OUTPUT_MAX / 1024);
        return NULL;
    }
    ev->output += text.len;
    json_t *value = json_stringn_nocheck(text.len > 0 ? text.ptr : "", text.len);
    CHECK(value != NULL);
    return value;
}

json_t *expr_string_take(struct eval *ev, struct buf *text)
{
    if (text->overflow) {
        ev->output = EXPR_OUTPUT_MAX; /* the message is that of expr_string */
    }
    json_t *value = expr_string(ev, text->overflow ? STR("+") : buf_str(text));
    buf_fini(text);
    return value;
}

/* --- values */

struct str expr_text(const json_t *value)
{
    return json_is_string(value)
               ? str_from(json_string_value(value), json_string_length(value))
               : STR_NULL;
}

bool expr_is_true(const json_t *value)
{
    switch (json_typeof(value)) {
    case JSON_NULL:
    case JSON_FALSE:
        return false;
    case JSON_TRUE:
        return true;
    case JSON_STRING:
        return json_string_length(value) > 0;
    case JSON_INTEGER:
        return json_integer_value(value) != 0;
    case JSON_REAL:
        return json_real_value(value) < 0 || json_real_value(value) > 0;
    case JSON_ARRAY:
        return json_array_size(value) > 0;
    case JSON_OBJECT:
        return json_object_size(value) > 0;
    }
    return false;
}

/* -1, 0, 1; *ordered_out: whether there is an order between them at all. */
static int order_of(const json_t *a, const json_t *b, bool *ordered_out)
{
    *ordered_out = true;
    if (json_is_string(a) && json_is_string(b)) {
        return str_cmp(expr_text(a), expr_text(b));
    }
    if (json_is_integer(a) && json_is_integer(b)) {
        json_int_t x = json_integer_value(a), y = json_integer_value(b);
        return (x > y) - (x < y);
    }
    if (json_is_number(a) && json_is_number(b)) {
        double x = json_number_value(a), y = json_number_value(b);
        return (x > y) - (x < y);
    }
    *ordered_out = false;
    return 0;
}

bool expr_equal(const json_t *a, const json_t *b)
{
    bool ordered;
    int order = order_of(a, b, &ordered);
    if (ordered) {
        return order == 0;
    }
    return json_typeof(a) == json_typeof(b) && (json_is_null(a) || json_is_boolean(a));
}

static bool compare(enum token_kind how, const json_t *a, const json_t *b)
{
    bool ordered;
    int order = order_of(a, b, &ordered);
    switch ((int)how) {
    case TOKEN_EQ:
        return expr_equal(a, b);
    case TOKEN_NE:
        return !expr_equal(a, b);
    case TOKEN_LT:
        return ordered && order < 0;
    case TOKEN_LE:
        return ordered && order <= 0;
    case TOKEN_GT:
        return ordered && order > 0;
    default:
        return ordered && order >= 0;
    }
}

/* --- the machine */

struct machine {
    struct eval ev;
    const struct expr *e;
    json_t *root;
    json_t **stack; /* owned references */
    size_t depth;
};

static void push(struct machine *m, json_t *taken)
{
    CHECK(m->depth < m->e->stack_max);
    m->stack[m->depth++] = taken;
}

static json_t *pop(struct machine *m)
{
    CHECK(m->depth > 0);
    return m->stack[--m->depth];
}

static json_t *known(json_t *borrowed)
{
    return borrowed != NULL ? json_incref(borrowed) : json_null();
}

/* Of a list: the members of its items, as far as they have one. */
static json_t *member_of(struct machine *m, const json_t *value, const char *name)
{
    if (!json_is_array(value)) {
        return known(json_object_get(value, name));
    }
    if (!expr_charge(&m->ev, json_array_size(value))) {
        return NULL;
    }
    json_t *out = json_array();
    for (size_t i = 0; i < json_array_size(value); i++) {
        json_t *item = json_object_get(json_array_get(value, i), name);
        if (item != NULL) {
            json_push(out, json_incref(item));
        }
    }
    return out;
}

static json_t *item_of(const json_t *value, const json_t *key)
{
    if (json_is_string(key)) {
        return known(json_object_get(value, json_string_value(key)));
    }
    if (!json_is_integer(key) || !json_is_array(value)) {
        return json_null();
    }
    json_int_t at = json_integer_value(key), size = (json_int_t)json_array_size(value);
    at = at < 0 && at >= -size ? at + size : at;
    return at >= 0 && at < size ? known(json_array_get(value, (size_t)at)) : json_null();
}

/* Replaces the top `count` values; false: the result is missing because of a limit. */
static bool replace(struct machine *m, size_t count, json_t *result)
{
    for (size_t i = 0; i < count; i++) {
        json_decref(pop(m));
    }
    if (result != NULL) {
        push(m, result);
    }
    return result != NULL;
}

static json_t *array_of(json_t *const *items, size_t count)
{
    json_t *out = json_array();
    for (size_t i = 0; i < count; i++) {
        json_push(out, json_incref(items[i]));
    }
    return out;
}

static json_t *object_of(json_t *const *pairs, size_t count)
{
    json_t *out = json_object();
    for (size_t i = 0; i < count; i++) {
        json_put(out, json_string_value(pairs[2 * i]), json_incref(pairs[2 * i + 1]));
    }
    return out;
}

/* Values only; jumps are the loop's. */
static bool run_value(struct machine *m, const struct expr_code *c)
{
    json_t **top = m->stack + m->depth;
    const json_t *constants = m->e->constants;
    switch ((int)c->op) {
    case EXPR_CONST:
        push(m, json_incref(json_array_get(constants, c->arg)));
        return true;
    case EXPR_ROOT:
        push(m, json_incref(m->root));
        return true;
    case EXPR_MEMBER:
        return replace(
            m, 1,
            member_of(m, top[-1], json_string_value(json_array_get(constants, c->arg))));
    case EXPR_INDEX:
        return replace(m, 2, item_of(top[-2], top[-1]));
    case EXPR_NOT:
        return replace(m, 1, json_boolean(!expr_is_true(top[-1])));
    case EXPR_COMPARE:
        return expr_charge_bytes(&m->ev, expr_text(top[-1]).len) &&
               replace(m, 2, json_boolean(compare(c->arg, top[-2], top[-1])));
    case EXPR_CALL:
        return replace(m, c->count,
                       expr_func_at(c->arg)->fn(&m->ev, top - c->count, c->count));
    case EXPR_ARRAY:
        return replace(m, c->count, array_of(top - c->count, c->count));
    default:
        return replace(m, (size_t)c->count * 2,
                       object_of(top - (size_t)c->count * 2, c->count));
    }
}

/* Where the program goes on; jumps only lead forward. */
static size_t jump(struct machine *m, const struct expr_code *c, size_t at)
{
    if (c->op == EXPR_JUMP) {
        return c->arg;
    }
    bool is_true = expr_is_true(m->stack[m->depth - 1]);
    bool jumps = is_true == (c->op == EXPR_OR);
    if (c->op == EXPR_UNLESS || !jumps) {
        json_decref(pop(m));
    }
    return jumps ? c->arg : at + 1;
}

static bool run(struct machine *m)
{
    for (size_t at = 0; at < m->e->code_count;) {
        const struct expr_code *c = &m->e->code[at];
        if (!expr_charge(&m->ev, 1)) {
            return false;
        }
        if (c->op == EXPR_AND || c->op == EXPR_OR || c->op == EXPR_UNLESS ||
            c->op == EXPR_JUMP) {
            at = jump(m, c, at);
        } else if (run_value(m, c)) {
            at++;
        } else {
            return false;
        }
    }
    return true;
}

bool expr_eval(const struct expr *e, json_t *root, json_t **out, struct err *err)
{
    struct machine m = {.ev = {.err = err}, .e = e, .root = root};
    m.stack = mem_array(e->stack_max, sizeof(json_t *));
    bool ok = run(&m);
    if (ok) {
        *out = pop(&m);
    }
    while (m.depth > 0) {
        json_decref(pop(&m));
    }
    mem_free(m.stack);
    return ok;
}
