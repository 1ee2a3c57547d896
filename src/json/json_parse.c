#include "postrider/base/check.h"
#include "postrider/json/json.h"

#include <string.h>

/* The depth is known before the parser builds anything: brackets outside strings. Text
 * that is not JSON may be counted wrongly; the parser refuses it afterwards. */
static bool depth_is_sound(struct str text)
{
    size_t depth = 0;
    bool in_string = false;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (in_string) {
            if (c == '\\') {
                i++;
            } else if (c == '"') {
                in_string = false;
            }
        } else if (c == '"') {
            in_string = true;
        } else if (c == '[' || c == '{') {
            if (++depth > JSON_DEPTH_MAX) {
                return false;
            }
        } else if ((c == ']' || c == '}') && depth > 0) {
            depth--;
        }
    }
    return true;
}

bool json_parse_strict(struct str text, size_t max_bytes, json_t **out, struct err *err)
{
    if (text.len > max_bytes) {
        return err_set(err, ERR_TOO_LARGE, "JSON text is longer than %zu bytes",
                       max_bytes);
    }
    if (!depth_is_sound(text)) {
        return err_set(err, ERR_INVALID, "JSON text is nested deeper than %d levels",
                       JSON_DEPTH_MAX);
    }
    json_error_t why;
    json_t *value = json_loadb(text.ptr != NULL ? text.ptr : "", text.len,
                               JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &why);
    if (value == NULL) {
        return err_set(err, ERR_INVALID, "not valid JSON: %.160s (line %d, column %d)",
                       why.text, why.line, why.column);
    }
    *out = value;
    return true;
}

json_t *json_of_own(struct str text)
{
    json_t *value =
        json_loadb(text.ptr, text.len, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    CHECK(value != NULL);
    return value;
}

void json_cleanup(json_t **value)
{
    json_decref(*value);
    *value = NULL;
}
