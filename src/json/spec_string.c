#include "postrider/base/clock.h"
#include "spec_priv.h"

/* Characters, not bytes: a limit of 256 holds for every script alike. */
static size_t count_characters(struct str s)
{
    size_t n = 0;
    for (size_t i = 0; i < s.len; i++) {
        n += ((unsigned char)s.ptr[i] & 0xc0) != 0x80 ? 1 : 0;
    }
    return n;
}

static bool check_length(struct spec_walk *w, const struct field_spec *spec, struct str s)
{
    if (spec->min_len == 0 && spec->max_len == 0) {
        return true;
    }
    size_t n = count_characters(s);
    bool exact = spec->min_len == spec->max_len;
    if (exact && n != spec->min_len) {
        return spec_fail(w, "length must be %zu characters long", spec->min_len);
    }
    if (n < spec->min_len) {
        return spec_fail(w, "length must be at least %zu characters long", spec->min_len);
    }
    if (spec->max_len > 0 && n > spec->max_len) {
        return spec_fail(w, "length must be less than or equal to %zu characters long",
                         spec->max_len);
    }
    return true;
}

static bool normalize_date(struct spec_walk *w, const struct field_spec *spec,
                           struct str s, json_t **value)
{
    int64_t ms;
    if (!clock_parse_iso(s, &ms)) {
        return spec_fail(w, "must be in ISO 8601 date format");
    }
    if ((spec->flags & FIELD_FUTURE) != 0 && ms <= clock_wall_ms()) {
        return spec_fail(w, "must be greater than \"now\"");
    }
    char iso[CLOCK_ISO_SIZE];
    clock_format_iso(ms, iso);
    json_decref(*value);
    *value = json_str_repaired(str_of(iso));
    return true;
}

bool spec_check_string(struct spec_walk *w, const struct field_spec *spec, json_t **value)
{
    if (!json_is_string(*value)) {
        return spec_fail(w, "must be a string");
    }
    struct str s = str_from(json_string_value(*value), json_string_length(*value));
    if (s.len == 0) {
        return (spec->flags & FIELD_EMPTY_OK) != 0 ||
               spec_fail(w, "is not allowed to be empty");
    }
    if (spec->values != NULL && !spec_list_has(spec->values, s)) {
        return spec_fail(w, "must be one of %s", spec_list_text(w, spec->values));
    }
    if (spec->denied != NULL && spec_list_has(spec->denied, s)) {
        return spec_fail(w, "contains an invalid value");
    }
    if (!check_length(w, spec, s)) {
        return false;
    }
    const char *fault = spec_format_fault(spec, s);
    if (fault != NULL) {
        return spec_fail(w, "%s%s%s", fault, spec->schemes != NULL ? " " : "",
                         spec->schemes != NULL ? spec_list_text(w, spec->schemes) : "");
    }
    if (spec->pattern != NULL && !spec_pattern_match(spec->pattern, s)) {
        return spec_fail(w, "fails to match the required pattern: /%s/", spec->pattern);
    }
    return spec->format != FORMAT_DATE_TIME || normalize_date(w, spec, s, value);
}
