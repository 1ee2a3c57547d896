/* spec_validate: the validator. It recurses along the table only; the input's depth is
 * bounded by the parser and by the table. */
#include "postrider/base/check.h"
#include "postrider/base/clock.h"
#include "postrider/base/map.h"
#include "postrider/base/mem.h"
#include "spec_priv.h"

enum {
    SAFE_INTEGER_BITS = 53 /* what every JSON implementation holds exactly */
};

static bool check_value(struct spec_walk *w, const struct field_spec *spec, json_t *in,
                        json_t **out);

static bool has(const struct field_spec *spec, enum field_flag flag)
{
    return (spec->flags & (unsigned)flag) != 0;
}

static struct str text_of(const json_t *v)
{
    return json_is_string(v) ? str_from(json_string_value(v), json_string_length(v))
                             : STR_NULL;
}

/* --- the path --- */

static void path_add(struct spec_walk *w, struct str s)
{
    size_t room = sizeof w->path - 1 - w->path_len;
    size_t n = s.len < room ? s.len : room;
    memcpy(w->path + w->path_len, s.ptr, n);
    w->path_len += n;
    w->path[w->path_len] = '\0';
}

/* Not by printf: every member of every body comes by. */
static size_t path_push(struct spec_walk *w, const char *name)
{
    size_t before = w->path_len;
    path_add(w, before > 0 ? STR(".") : STR(""));
    path_add(w, str_of(name));
    return before;
}

static void path_pop(struct spec_walk *w, size_t before)
{
    w->path_len = before;
    w->path[before] = '\0';
}

/* --- conversions that come before the presence test --- */

static json_t *loose_boolean(const struct field_spec *spec, json_t *in)
{
    static const char *const yes[] = {"y", "1", NULL};
    static const char *const no[] = {"n", "0", NULL};
    struct str s = text_of(in);
    bool loose = has(spec, FIELD_LOOSE) || has(spec, FIELD_LOOSE_ON);
    if (s.ptr == NULL) {
        return loose && json_is_integer(in) && json_integer_value(in) == 0 ? json_false()
                                                                           : NULL;
    }
    if (str_ieq_c(s, "true") || (has(spec, FIELD_LOOSE_ON) && str_ieq_c(s, "on"))) {
        return json_true();
    }
    if (str_ieq_c(s, "false") || (has(spec, FIELD_LOOSE_ON) && s.len == 0)) {
        return json_false();
    }
    for (size_t i = 0; loose && yes[i] != NULL; i++) {
        if (str_ieq_c(s, yes[i])) {
            return json_true();
        }
        if (str_ieq_c(s, no[i])) {
            return json_false();
        }
    }
    return NULL;
}

/* NULL: it is so already. */
static json_t *cased_string(const struct field_spec *spec, struct str s)
{
    size_t before = s.len;
    s = has(spec, FIELD_TRIM) ? str_trim(s) : s;
    if (!has(spec, FIELD_LOWER) && !has(spec, FIELD_UPPER)) {
        return s.len != before ? json_str_repaired(s) : NULL;
    }
    char *copy = mem_strndup(s.ptr, s.len);
    for (size_t i = 0; i < s.len; i++) {
        copy[i] = has(spec, FIELD_LOWER) ? ascii_lower(copy[i]) : ascii_upper(copy[i]);
    }
    json_t *v = json_str_repaired(str_from(copy, s.len));
    mem_free(copy);
    return v;
}

/* JSON's own number syntax, so that one parser decides what a number is. */
static json_t *number_from_text(struct str s)
{
    s = str_trim(s);
    json_t *v =
        s.len > 0 && s.len < 64 ? json_loadb(s.ptr, s.len, JSON_DECODE_ANY, NULL) : NULL;
    if (!json_is_number(v)) {
        json_decref(v);
        return NULL;
    }
    return v;
}

/* A new reference; the input itself where nothing is to convert. */
static json_t *convert(const struct field_spec *spec, json_t *in)
{
    json_t *v = NULL;
    struct str s = text_of(in);
    if (spec->type == FIELD_BOOLEAN) {
        v = loose_boolean(spec, in);
    } else if (s.ptr != NULL && spec->type == FIELD_STRING) {
        v = cased_string(spec, s);
    } else if (s.ptr != NULL &&
               (spec->type == FIELD_INTEGER || spec->type == FIELD_NUMBER)) {
        v = number_from_text(s);
    }
    return v != NULL ? v : json_incref(in);
}

/* --- the types --- */

static bool check_any(struct spec_walk *w ATTR_UNUSED,
                      const struct field_spec *spec ATTR_UNUSED,
                      json_t **value ATTR_UNUSED)
{
    return true;
}

static bool check_boolean(struct spec_walk *w, const struct field_spec *spec ATTR_UNUSED,
                          json_t **value)
{
    return json_is_boolean(*value) || spec_fail(w, "must be a boolean");
}

static bool check_number(struct spec_walk *w, const struct field_spec *spec,
                         json_t **value)
{
    if (!json_is_number(*value)) {
        return spec_fail(w, "must be a number");
    }
    double d = json_number_value(*value);
    if (has(spec, FIELD_POSITIVE) && d <= 0) {
        return spec_fail(w, "must be a positive number");
    }
    if (spec->has_min && d < (double)spec->min) {
        return spec_fail(w, "must be greater than or equal to %lld",
                         (long long)spec->min);
    }
    if (spec->has_max && d > (double)spec->max) {
        return spec_fail(w, "must be less than or equal to %lld", (long long)spec->max);
    }
    return true;
}

static bool check_integer(struct spec_walk *w, const struct field_spec *spec,
                          json_t **value)
{
    static const double safe = (double)(1LL << SAFE_INTEGER_BITS);
    if (!json_is_number(*value)) {
        return spec_fail(w, "must be a number");
    }
    double d = json_number_value(*value);
    if (d >= safe || d <= -safe) {
        return spec_fail(w, "must be a safe number");
    }
    if (json_is_real(*value)) {
        json_int_t whole = (json_int_t)d; /* in range: see above */
        if ((double)whole < d || (double)whole > d) {
            return spec_fail(w, "must be an integer");
        }
        json_decref(*value);
        *value = json_integer(whole);
    }
    return check_number(w, spec, value);
}

static bool check_unique(struct spec_walk *w, const json_t *list)
{
    struct map *seen = map_new(NULL);
    struct buf text = BUF_INIT(SIZE_MAX / 2);
    size_t i;
    json_t *item;
    bool ok = true;
    json_array_foreach(list, i, item)
    {
        buf_clear(&text);
        CHECK(json_emit(item, &text));
        if (map_get(seen, buf_str(&text)) != NULL) {
            ok = spec_fail(w, "contains a duplicate value");
            break;
        }
        map_put(seen, buf_str(&text), seen);
    }
    buf_fini(&text);
    map_free(&seen);
    return ok;
}

static bool check_size(struct spec_walk *w, const struct field_spec *spec, size_t n,
                       const char *noun)
{
    if (n < spec->min_len) {
        return spec_fail(w, "must contain at least %zu %s", spec->min_len, noun);
    }
    if (spec->max_len > 0 && n > spec->max_len) {
        return spec_fail(w, "must contain less than or equal to %zu %s", spec->max_len,
                         noun);
    }
    return true;
}

static bool check_item(struct spec_walk *w, const struct field_spec *spec, size_t i,
                       json_t *in, json_t *list)
{
    char position[24];
    (void)snprintf(position, sizeof position, "%zu", i);
    size_t before = path_push(w, position);
    json_t *item = NULL;
    bool ok = check_value(w, spec->item, in, &item);
    if (ok && item == NULL) {
        ok = spec_fail(w, "must not be a sparse array item");
    }
    if (ok) {
        json_push(list, item);
    }
    path_pop(w, before);
    return ok;
}

static bool check_array(struct spec_walk *w, const struct field_spec *spec,
                        json_t **value)
{
    if (!json_is_array(*value)) {
        if (!has(spec, FIELD_SINGLE)) {
            return spec_fail(w, "must be an array");
        }
        json_t *list = json_array();
        json_push(list, *value);
        *value = list;
    }
    bool ok = true;
    if (spec->item != NULL) {
        json_t *list = json_array();
        for (size_t i = 0; i < json_array_size(*value); i++) {
            ok = check_item(w, spec, i, json_array_get(*value, i), list) && ok;
        }
        json_decref(*value);
        *value = list;
    }
    if (!ok) {
        return false;
    }
    return check_size(w, spec, json_array_size(*value), "items") &&
           (!has(spec, FIELD_UNIQUE) || check_unique(w, *value));
}

/* --- objects --- */

struct object_walk {
    const struct field_spec *spec;
    json_t *in;
    json_t *done; /* normal forms so far */
    /* Raw values that did not validate, which are present all the same; or NULL. */
    json_t *failed;
    bool ok;
};

static void check_member(struct spec_walk *w, struct object_walk *o,
                         const struct field_spec *row, const char *name, json_t *in)
{
    struct field_spec resolved;
    if (row->when_count > 0) {
        spec_resolve_when(row, o->done, o->failed, &resolved);
        row = &resolved;
    }
    size_t before = path_push(w, name);
    json_t *out = NULL;
    if (!check_value(w, row, in, &out)) {
        o->ok = false;
        if (in != NULL) {
            o->failed = o->failed != NULL ? o->failed : json_object();
            json_put(o->failed, name, json_incref(in));
        }
    }
    json_put(o->done, name, out);
    path_pop(w, before);
}

static bool has_row(const struct field_spec *spec, const char *name)
{
    struct field_walk walk;
    field_walk_init(&walk, spec->fields, spec->field_count);
    return field_walk_find(&walk, str_of(name)) != NULL;
}

static void check_unlisted(struct spec_walk *w, struct object_walk *o, const char *name,
                           json_t *in)
{
    const struct field_spec *spec = o->spec;
    bool fits =
        spec->key_pattern == NULL || spec_pattern_match(spec->key_pattern, str_of(name));
    if (spec->item != NULL && fits) {
        check_member(w, o, spec->item, name, in);
    } else if (has(spec, FIELD_UNKNOWN_OK)) {
        json_put(o->done, name, json_incref(in));
    } else {
        size_t before = path_push(w, name);
        o->ok = spec_fail(w, "is not allowed");
        path_pop(w, before);
    }
}

static bool check_object(struct spec_walk *w, const struct field_spec *spec,
                         json_t **value)
{
    if (!json_is_object(*value)) {
        return spec_fail(w, "must be of type object");
    }
    if (spec->field_count == 0 && spec->item == NULL && has(spec, FIELD_UNKNOWN_OK)) {
        return check_size(w, spec, json_object_size(*value), "members");
    }
    struct object_walk o = {.spec = spec, .in = *value, .ok = true};
    o.done = json_object();
    for (int conditional = 0; conditional <= 1; conditional++) {
        struct field_walk walk;
        const struct field_spec *row;
        field_walk_init(&walk, spec->fields, spec->field_count);
        while ((row = field_walk_next(&walk)) != NULL) {
            if ((row->when_count > 0) == (conditional != 0)) {
                check_member(w, &o, row, row->name, json_object_get(o.in, row->name));
            }
        }
    }
    const char *name;
    json_t *member;
    json_object_foreach(*value, name, member)
    {
        if (!has_row(spec, name)) {
            check_unlisted(w, &o, name, member);
        }
    }
    json_decref(o.failed);
    json_decref(*value);
    *value = o.done;
    return o.ok && check_size(w, spec, json_object_size(o.done), "members") &&
           spec_check_deps(w, spec, o.done);
}

/* --- one value --- */

typedef bool type_check(struct spec_walk *w, const struct field_spec *spec,
                        json_t **value);

struct type_row {
    const char *name; /* in JSON Schema */
    type_check *check;
};

static const struct type_row types[] = {
    [FIELD_ANY] = {"any", check_any},
    [FIELD_STRING] = {"string", spec_check_string},
    [FIELD_INTEGER] = {"integer", check_integer},
    [FIELD_NUMBER] = {"number", check_number},
    [FIELD_BOOLEAN] = {"boolean", check_boolean},
    [FIELD_OBJECT] = {"object", check_object},
    [FIELD_ARRAY] = {"array", check_array},
};

const char *field_type_name(enum field_type type)
{
    return types[type].name;
}

static json_t *default_value(const struct field_spec *spec)
{
    json_t *v = json_loads(spec->default_json, JSON_DECODE_ANY, NULL);
    CHECK(v != NULL);
    if (spec->format == FORMAT_DATE_TIME && str_eq_c(text_of(v), "now")) {
        char iso[CLOCK_ISO_SIZE];
        clock_format_iso(clock_wall_ms(), iso);
        json_decref(v);
        v = json_str_repaired(str_of(iso));
    }
    return v;
}

static bool counts_as_absent(const struct field_spec *spec, const json_t *v)
{
    struct str s = text_of(v);
    return (has(spec, FIELD_EMPTY_ABSENT) && s.ptr != NULL && s.len == 0) ||
           (has(spec, FIELD_FALSE_ABSENT) && json_is_false(v));
}

/* null and false are values of their own, outside the type. */
static bool is_allowed_constant(const struct field_spec *spec, const json_t *v)
{
    return (json_is_null(v) && has(spec, FIELD_NULLABLE)) ||
           (json_is_false(v) &&
            (has(spec, FIELD_FALSE_OK) || has(spec, FIELD_FALSE_ONLY)));
}

static bool check_absent(struct spec_walk *w, const struct field_spec *spec, json_t **out)
{
    if (has(spec, FIELD_FORBIDDEN)) {
        return true;
    }
    if (has(spec, FIELD_REQUIRED)) {
        return spec_fail(w, "is required");
    }
    if (spec->default_json != NULL) {
        *out = default_value(spec);
    }
    return true;
}

/* Each as the row says. */
static bool check_each(struct spec_walk *w, const struct field_spec *spec, json_t **value)
{
    struct field_spec one = *spec;
    one.flags &= ~(unsigned)FIELD_MANY;
    one.name = NULL;
    const struct field_spec list = {.type = FIELD_ARRAY, .item = &one};
    return check_array(w, &list, value);
}

static bool check_present(struct spec_walk *w, const struct field_spec *spec,
                          json_t **value)
{
    if (has(spec, FIELD_FORBIDDEN)) {
        return spec_fail(w, "is not allowed");
    }
    if (is_allowed_constant(spec, *value)) {
        return true;
    }
    if (has(spec, FIELD_FALSE_ONLY)) {
        return spec_fail(w, "must be one of %s",
                         has(spec, FIELD_NULLABLE) ? "[false, null]" : "[false]");
    }
    if (has(spec, FIELD_MANY) && json_is_array(*value)) {
        return check_each(w, spec, value);
    }
    if (!types[spec->type].check(w, spec, value)) {
        return false;
    }
    struct err err = {.code = ERR_OK};
    if (spec->check != NULL && !spec->check(*value, &err)) {
        return spec_fail(w, "%s", err.msg);
    }
    return true;
}

static bool check_value(struct spec_walk *w, const struct field_spec *spec, json_t *in,
                        json_t **out)
{
    json_t *value = in != NULL ? convert(spec, in) : NULL;
    if (value != NULL && counts_as_absent(spec, value)) {
        json_decref(value);
        value = NULL;
    }
    if (value == NULL) {
        return check_absent(w, spec, out);
    }
    CHECK(++w->depth <= SPEC_DEPTH_MAX);
    bool ok = check_present(w, spec, &value);
    w->depth--;
    if (!ok || has(spec, FIELD_STRIP)) {
        json_decref(value);
        return ok;
    }
    *out = value;
    return true;
}

bool spec_validate_value(const struct field_spec *spec, json_t *in, json_t **out,
                         struct spec_errors *errs)
{
    struct spec_walk w = {.errs = errs};
    json_t *value = NULL;
    bool ok = check_value(&w, spec, in, &value);
    if (ok) {
        *out = value;
    }
    return ok;
}

bool spec_validate(const struct field_spec *fields, size_t count, json_t *in,
                   json_t **out, struct spec_errors *errs)
{
    const struct field_spec body = {
        .type = FIELD_OBJECT, .fields = fields, .field_count = count};
    json_t *empty = in == NULL ? json_object() : NULL;
    bool ok = spec_validate_value(&body, in != NULL ? in : empty, out, errs);
    json_decref(empty);
    return ok;
}

bool spec_validate_member(const struct field_spec *spec, json_t *in, json_t *done,
                          struct spec_errors *errs)
{
    struct spec_walk w = {.errs = errs};
    struct object_walk o = {.done = done, .ok = true};
    check_member(&w, &o, spec, spec->name, in);
    json_decref(o.failed);
    return o.ok;
}
