#include "postrider/base/check.h"
#include "postrider/base/clock.h"
#include "postrider/base/utf8.h"
#include "postrider/json/json.h"

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
        CHECK(json_object_set_new(obj, key, taken) == 0);
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

static int on_piece(const char *bytes, size_t len, void *ctx)
{
    return buf_put(ctx, bytes, len) ? 0 : -1;
}

bool json_emit(const json_t *value, struct buf *out)
{
    return json_dump_callback(value, on_piece, out, JSON_COMPACT | JSON_ENCODE_ANY) == 0;
}
