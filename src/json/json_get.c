#include "postrider/base/clock.h"
#include "postrider/json/json.h"

struct str json_get_str(const json_t *obj, const char *key)
{
    const json_t *v = json_object_get(obj, key);
    return json_is_string(v) ? str_from(json_string_value(v), json_string_length(v))
                             : STR_NULL;
}

const char *json_get_cstr(const json_t *obj, const char *key)
{
    return json_string_value(json_object_get(obj, key));
}

bool json_get_bool(const json_t *obj, const char *key, bool other)
{
    const json_t *v = json_object_get(obj, key);
    return json_is_boolean(v) ? json_is_true(v) : other;
}

int64_t json_get_int(const json_t *obj, const char *key, int64_t other)
{
    const json_t *v = json_object_get(obj, key);
    return json_is_integer(v) ? (int64_t)json_integer_value(v) : other;
}

json_t *json_get_obj(const json_t *obj, const char *key)
{
    json_t *v = json_object_get(obj, key);
    return json_is_object(v) ? v : NULL;
}

json_t *json_get_arr(const json_t *obj, const char *key)
{
    json_t *v = json_object_get(obj, key);
    return json_is_array(v) ? v : NULL;
}

bool json_get_time(const json_t *obj, const char *key, int64_t *wall_ms_out)
{
    struct str s = json_get_str(obj, key);
    return s.ptr != NULL && clock_parse_iso(s, wall_ms_out);
}

bool json_has(const json_t *obj, const char *key)
{
    const json_t *v = json_object_get(obj, key);
    return v != NULL && !json_is_null(v);
}
