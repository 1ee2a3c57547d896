/* The functions of the language: total, bounded, without side effects. What they cannot
 * make sense of gives null or false. */
#include "expr_priv.h"

#include "postrider/base/check.h"
#include "postrider/base/clock.h"
#include "postrider/base/num.h"
#include "postrider/base/utf8.h"
#include "postrider/json/json.h"

#include <stdio.h>
#include <stdlib.h>

/* --- texts */

enum {
    NUMBER_SIZE = 32
};

/* Texts, numbers and booleans as text; absent for the rest. */
static struct str scalar_text(const json_t *value, char number[NUMBER_SIZE])
{
    switch (json_typeof(value)) {
    case JSON_STRING:
        return expr_text(value);
    case JSON_TRUE:
        return STR("true");
    case JSON_FALSE:
        return STR("false");
    case JSON_INTEGER:
        (void)snprintf(number, NUMBER_SIZE, "%lld", (long long)json_integer_value(value));
        return str_of(number);
    case JSON_REAL:
        (void)snprintf(number, NUMBER_SIZE, "%.15g", json_real_value(value));
        return str_of(number);
    case JSON_NULL:
    case JSON_ARRAY:
    case JSON_OBJECT:
        return STR_NULL;
    }
    return STR_NULL;
}

static json_t *mapped(struct eval *ev, const json_t *value, char (*map)(char))
{
    struct str text = expr_text(value);
    struct buf out = BUF_INIT(EXPR_OUTPUT_MAX);
    if (text.ptr == NULL) {
        return json_null();
    }
    if (!expr_charge_bytes(ev, text.len)) {
        return NULL;
    }
    for (size_t i = 0; i < text.len; i++) {
        (void)buf_put_byte(&out, map(text.ptr[i]));
    }
    return expr_string_take(ev, &out);
}

static json_t *fn_lower(struct eval *ev, json_t *const *args, size_t count ATTR_UNUSED)
{
    return mapped(ev, args[0], ascii_lower);
}

static json_t *fn_upper(struct eval *ev, json_t *const *args, size_t count ATTR_UNUSED)
{
    return mapped(ev, args[0], ascii_upper);
}

static json_t *fn_trim(struct eval *ev, json_t *const *args, size_t count ATTR_UNUSED)
{
    return json_is_string(args[0]) ? expr_string(ev, str_trim(expr_text(args[0])))
                                   : json_null();
}

static size_t characters(struct str text)
{
    size_t n = 0;
    for (size_t i = 0; i < text.len; i++) {
        n += ((unsigned char)text.ptr[i] & 0xC0) != 0x80 ? 1 : 0;
    }
    return n;
}

static json_t *fn_length(struct eval *ev, json_t *const *args, size_t count ATTR_UNUSED)
{
    size_t n =
        json_is_array(args[0]) ? json_array_size(args[0]) : json_object_size(args[0]);
    if (json_is_string(args[0])) {
        if (!expr_charge_bytes(ev, json_string_length(args[0]))) {
            return NULL;
        }
        n = characters(expr_text(args[0]));
    }
    return json_integer((json_int_t)n);
}

/* The offset of the n-th character. */
static size_t offset_of(struct str text, size_t n)
{
    size_t at = 0;
    while (at < text.len && n > 0) {
        at++;
        while (at < text.len && ((unsigned char)text.ptr[at] & 0xC0) == 0x80) {
            at++;
        }
        n--;
    }
    return at;
}

static size_t clamp(json_int_t n, size_t max)
{
    if (n < 0) {
        return 0;
    }
    return (uint64_t)n < max ? (size_t)n : max;
}

static json_t *fn_substring(struct eval *ev, json_t *const *args, size_t count)
{
    struct str text = expr_text(args[0]);
    if (text.ptr == NULL || !json_is_integer(args[1]) ||
        (count > 2 && !json_is_integer(args[2]))) {
        return json_null();
    }
    if (!expr_charge_bytes(ev, text.len * 3)) {
        return NULL;
    }
    size_t total = characters(text);
    json_int_t start = json_integer_value(args[1]);
    size_t from = start < 0 && start > -(json_int_t)total
                      ? (size_t)((json_int_t)total + start)
                      : clamp(start, total);
    size_t n =
        count > 2 ? clamp(json_integer_value(args[2]), total - from) : total - from;
    struct str rest = str_tail(text, offset_of(text, from));
    return expr_string(ev, str_from(rest.ptr, offset_of(rest, n)));
}

static json_t *fn_concat(struct eval *ev, json_t *const *args, size_t count)
{
    struct buf out = BUF_INIT(EXPR_OUTPUT_MAX);
    for (size_t i = 0; i < count; i++) {
        char number[NUMBER_SIZE];
        struct str text = scalar_text(args[i], number);
        if (text.len > 0) {
            (void)buf_put_str(&out, text);
        }
    }
    return expr_string_take(ev, &out);
}

static json_t *fn_string(struct eval *ev, json_t *const *args, size_t count ATTR_UNUSED)
{
    char number[NUMBER_SIZE];
    struct str text = scalar_text(args[0], number);
    return text.ptr != NULL ? expr_string(ev, text) : json_null();
}

static json_t *fn_number(struct eval *ev ATTR_UNUSED, json_t *const *args,
                         size_t count ATTR_UNUSED)
{
    struct str text = expr_text(args[0]);
    int64_t whole;
    if (json_is_number(args[0])) {
        return json_incref(args[0]);
    }
    return text.ptr != NULL && num_i64(str_trim(text), &whole) ? json_integer(whole)
                                                               : json_null();
}

/* --- lists of texts */

static size_t find(struct str text, struct str sep)
{
    const char *found =
        text.len >= sep.len ? memmem(text.ptr, text.len, sep.ptr, sep.len) : NULL;
    return found != NULL ? (size_t)(found - text.ptr) : SIZE_MAX;
}

static json_t *fn_split(struct eval *ev, json_t *const *args, size_t count ATTR_UNUSED)
{
    struct str text = expr_text(args[0]), sep = expr_text(args[1]);
    if (text.ptr == NULL || sep.len == 0) {
        return json_null();
    }
    json_t *out = json_array();
    for (size_t at = 0; at != SIZE_MAX && out != NULL;) {
        at = find(text, sep);
        json_t *piece =
            expr_charge(ev, 1) && expr_charge_bytes(ev, text.len)
                ? expr_string(ev, str_from(text.ptr, at != SIZE_MAX ? at : text.len))
                : NULL;
        if (piece == NULL) {
            json_decref(out);
            return NULL;
        }
        json_push(out, piece);
        text = at != SIZE_MAX ? str_tail(text, at + sep.len) : text;
    }
    return out;
}

static json_t *fn_join(struct eval *ev, json_t *const *args, size_t count ATTR_UNUSED)
{
    struct str sep = expr_text(args[1]);
    struct buf out = BUF_INIT(EXPR_OUTPUT_MAX);
    if (!json_is_array(args[0]) || sep.ptr == NULL) {
        return json_null();
    }
    if (!expr_charge(ev, json_array_size(args[0]))) {
        return NULL;
    }
    for (size_t i = 0; i < json_array_size(args[0]); i++) {
        char number[NUMBER_SIZE];
        struct str text = scalar_text(json_array_get(args[0], i), number);
        if (text.ptr == NULL) {
            continue;
        }
        if (i > 0) {
            (void)buf_put_str(&out, sep);
        }
        (void)buf_put_str(&out, text);
    }
    return expr_string_take(ev, &out);
}

/* --- matching: of a list, any item counts */

typedef bool text_match(struct str text, struct str what);

static bool text_contains(struct str text, struct str what)
{
    return what.len == 0 || find(text, what) != SIZE_MAX;
}

static bool text_starts(struct str text, struct str what)
{
    return text.len >= what.len && memcmp(text.ptr, what.ptr, what.len) == 0;
}

static bool text_ends(struct str text, struct str what)
{
    return text.len >= what.len && text_starts(str_tail(text, text.len - what.len), what);
}

static bool text_matches(struct str text, struct str what)
{
    return str_matches(what, text);
}

/* Charged before it is done: the time is linear in both. */
static json_t *any_match(struct eval *ev, json_t *const *args, text_match *match)
{
    struct str what = expr_text(args[1]);
    bool list = json_is_array(args[0]), found = false;
    size_t count = list ? json_array_size(args[0]) : 1;
    for (size_t i = 0; i < count && !found && what.ptr != NULL; i++) {
        struct str text = expr_text(list ? json_array_get(args[0], i) : args[0]);
        if (!expr_charge(ev, 1) || !expr_charge_bytes(ev, text.len + what.len)) {
            return NULL;
        }
        found = text.ptr != NULL && match(text, what);
    }
    return json_boolean(found);
}

static json_t *fn_contains(struct eval *ev, json_t *const *args, size_t count ATTR_UNUSED)
{
    bool found = false;
    if (!json_is_array(args[0])) {
        return any_match(ev, args, text_contains);
    }
    for (size_t i = 0; i < json_array_size(args[0]) && !found; i++) {
        if (!expr_charge(ev, 1) || !expr_charge_bytes(ev, expr_text(args[1]).len)) {
            return NULL;
        }
        found = expr_equal(json_array_get(args[0], i), args[1]);
    }
    return json_boolean(found);
}

static json_t *fn_starts(struct eval *ev, json_t *const *args, size_t count ATTR_UNUSED)
{
    return any_match(ev, args, text_starts);
}

static json_t *fn_ends(struct eval *ev, json_t *const *args, size_t count ATTR_UNUSED)
{
    return any_match(ev, args, text_ends);
}

static json_t *fn_matches(struct eval *ev, json_t *const *args, size_t count ATTR_UNUSED)
{
    return any_match(ev, args, text_matches);
}

/* --- values and objects */

static json_t *fn_default(struct eval *ev ATTR_UNUSED, json_t *const *args, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!json_is_null(args[i])) {
            return json_incref(args[i]);
        }
    }
    return json_null();
}

static json_t *fn_merge(struct eval *ev, json_t *const *args, size_t count)
{
    json_t *out = json_object();
    for (size_t i = 0; i < count; i++) {
        if (!expr_charge(ev, json_object_size(args[i]))) {
            json_decref(out);
            return NULL;
        }
        (void)json_object_update(out, args[i]); /* refuses what is no object */
    }
    return out;
}

static json_t *fn_omit(struct eval *ev, json_t *const *args, size_t count)
{
    if (!json_is_object(args[0])) {
        return json_null();
    }
    if (!expr_charge(ev, json_object_size(args[0]))) {
        return NULL;
    }
    json_t *out = json_copy(args[0]);
    CHECK(out != NULL);
    for (size_t i = 1; i < count; i++) {
        if (json_is_string(args[i])) {
            (void)json_object_del(out, json_string_value(args[i]));
        }
    }
    return out;
}

/* --- dates */

static bool time_of(const json_t *value, int64_t *ms_out)
{
    if (json_is_integer(value)) {
        *ms_out = json_integer_value(value);
        return true;
    }
    return json_is_string(value) && clock_parse_iso(expr_text(value), ms_out);
}

/* Where the parts are in "2026-11-22T05:48:00.000Z". */
static const struct {
    char sign;
    size_t at, len;
} date_parts[] = {{'Y', 0, 4},  {'m', 5, 2},  {'d', 8, 2}, {'H', 11, 2},
                  {'M', 14, 2}, {'S', 17, 2}, {'L', 20, 3}};

static void put_date_part(struct buf *out, char sign, int64_t ms)
{
    char iso[CLOCK_ISO_SIZE];
    clock_format_iso(ms, iso);
    if (sign == 's') {
        (void)buf_printf(out, "%lld", (long long)(ms / 1000));
        return;
    }
    for (size_t i = 0; i < ARRAY_LEN(date_parts); i++) {
        if (date_parts[i].sign == sign) {
            (void)buf_put(out, iso + date_parts[i].at, date_parts[i].len);
            return;
        }
    }
    if (sign != '%') {
        (void)buf_put_byte(out, '%');
    }
    (void)buf_put_byte(out, sign);
}

static json_t *fn_date(struct eval *ev, json_t *const *args, size_t count)
{
    struct str format = count > 1 ? expr_text(args[1]) : STR("%Y-%m-%d");
    struct buf out = BUF_INIT(EXPR_OUTPUT_MAX);
    int64_t ms;
    if (!time_of(args[0], &ms) || format.ptr == NULL) {
        return json_null();
    }
    if (!expr_charge(ev, format.len)) {
        return NULL;
    }
    for (size_t i = 0; i < format.len; i++) {
        if (format.ptr[i] == '%' && i + 1 < format.len) {
            put_date_part(&out, format.ptr[++i], ms);
        } else {
            (void)buf_put_byte(&out, format.ptr[i]);
        }
    }
    return expr_string_take(ev, &out);
}

/* --- the table */

static const struct expr_func functions[] = {
    {"concat", 1, EXPR_ARGS_MAX, fn_concat},
    {"contains", 2, 2, fn_contains},
    {"date", 1, 2, fn_date},
    {"default", 1, EXPR_ARGS_MAX, fn_default},
    {"endsWith", 2, 2, fn_ends},
    {"join", 2, 2, fn_join},
    {"length", 1, 1, fn_length},
    {"lower", 1, 1, fn_lower},
    {"matches", 2, 2, fn_matches},
    {"merge", 1, EXPR_ARGS_MAX, fn_merge},
    {"number", 1, 1, fn_number},
    {"omit", 2, EXPR_ARGS_MAX, fn_omit},
    {"split", 2, 2, fn_split},
    {"startsWith", 2, 2, fn_starts},
    {"string", 1, 1, fn_string},
    {"substring", 2, 3, fn_substring},
    {"trim", 1, 1, fn_trim},
    {"upper", 1, 1, fn_upper},
};

int expr_func_find(struct str name)
{
    for (size_t i = 0; i < ARRAY_LEN(functions); i++) {
        if (str_eq_c(name, functions[i].name)) {
            return (int)i;
        }
    }
    return -1;
}

const struct expr_func *expr_func_at(unsigned i)
{
    CHECK(i < ARRAY_LEN(functions));
    return &functions[i];
}
