#include "postrider/base/check.h"
#include "postrider/base/clock.h"
#include "postrider/base/utf8.h"
#include "postrider/json/json_out.h"

json_t *json_str_repaired(struct str s)
{
    json_t *v;
    if (s.ptr == NULL) {
        v = json_null();
    } else if (utf8_is_valid(s)) {
        v = json_stringn_nocheck(s.ptr, s.len);
    } else {
        /* One bad byte grows to the three bytes of U+FFFD. */
        struct buf fixed = BUF_INIT(s.len * 3);
        (void)utf8_put_repaired(&fixed, s);
        v = json_stringn_nocheck(buf_c(&fixed), fixed.len);
        buf_fini(&fixed);
    }
    CHECK(v != NULL);
    return v;
}

void json_put(json_t *obj, const char *key, json_t *taken)
{
    if (taken != NULL) {
        CHECK(json_object_set_new_nocheck(obj, key, taken) == 0);
    }
}

void json_push(json_t *arr, json_t *taken)
{
    CHECK(json_array_append_new(arr, taken) == 0);
}

void json_put_str(json_t *obj, const char *key, struct str s)
{
    if (s.ptr != NULL) {
        json_put(obj, key, json_str_repaired(s));
    }
}

void json_put_cstr(json_t *obj, const char *key, const char *s)
{
    json_put_str(obj, key, str_of(s));
}

void json_put_int(json_t *obj, const char *key, int64_t v)
{
    json_put(obj, key, json_integer((json_int_t)v));
}

void json_put_bool(json_t *obj, const char *key, bool v)
{
    json_put(obj, key, json_boolean(v));
}

void json_put_time(json_t *obj, const char *key, int64_t wall_ms)
{
    char text[CLOCK_ISO_SIZE];
    clock_format_iso(wall_ms, text);
    json_put_cstr(obj, key, text);
}

/* --- text --- */

/* jansson's own printing checks for cycles with a table of addresses and reads strings
 * character by character: most of the time that a long listing takes. */

enum {
    EMIT_DEPTH_MAX = 4 * JSON_DEPTH_MAX,
    NUMBER_MAX = 64
};

struct level {
    json_t *value;
    void *member; /* of an object: the next one */
    size_t index; /* of an array: the next item */
};

static bool put_number(struct buf *out, const json_t *value)
{
    char text[NUMBER_MAX];
    size_t len = json_dumpb(value, text, sizeof text, JSON_COMPACT | JSON_ENCODE_ANY);
    return len > 0 && len <= sizeof text && buf_put(out, text, len);
}

/* All but lists and objects. */
static bool put_scalar(struct buf *out, const json_t *value)
{
    switch (json_typeof(value)) {
    case JSON_STRING:
        json_out_quoted(out,
                        str_from(json_string_value(value), json_string_length(value)));
        return !out->overflow;
    case JSON_INTEGER:
        return json_integer_value(value) >= 0
                   ? buf_put_u64(out, (uint64_t)json_integer_value(value))
                   : put_number(out, value);
    case JSON_TRUE:
        return buf_put_c(out, "true");
    case JSON_FALSE:
        return buf_put_c(out, "false");
    case JSON_NULL:
        return buf_put_c(out, "null");
    case JSON_REAL:
    case JSON_ARRAY:
    case JSON_OBJECT:
        break;
    }
    return put_number(out, value);
}

/* The next value inside; NULL at the end, with the bracket written. */
static json_t *next_inside(struct buf *out, struct level *at)
{
    json_t *value;
    bool first;
    if (json_is_array(at->value)) {
        first = at->index == 0;
        value = json_array_get(at->value, at->index++);
        if (value == NULL) {
            (void)buf_put_byte(out, ']');
            return NULL;
        }
    } else {
        first = at->index++ == 0;
        if (at->member == NULL) {
            (void)buf_put_byte(out, '}');
            return NULL;
        }
        value = json_object_iter_value(at->member);
    }
    if (!first) {
        (void)buf_put_byte(out, ',');
    }
    if (json_is_object(at->value)) {
        json_out_quoted(out, str_of(json_object_iter_key(at->member)));
        (void)buf_put_byte(out, ':');
        at->member = json_object_iter_next(at->value, at->member);
    }
    return value;
}

bool json_emit(const json_t *value, struct buf *out)
{
    struct level levels[EMIT_DEPTH_MAX];
    size_t depth = 0;
    json_t *at = (json_t *)(uintptr_t)value;
    while (at != NULL) {
        if (json_is_array(at) || json_is_object(at)) {
            if (depth == EMIT_DEPTH_MAX) {
                return false;
            }
            (void)buf_put_byte(out, json_is_array(at) ? '[' : '{');
            levels[depth++] = (struct level){.value = at, .member = json_object_iter(at)};
        } else if (!put_scalar(out, at)) {
            return false;
        }
        at = NULL;
        while (depth > 0 && (at = next_inside(out, &levels[depth - 1])) == NULL) {
            depth--;
        }
    }
    return !out->overflow;
}
