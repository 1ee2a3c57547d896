/* spec_when: conditions between siblings and relations of an object's members. */
#include "spec_priv.h"

#include <stdio.h>

static bool value_is_text(const json_t *value, const char *text)
{
    char number[24];
    switch (json_typeof(value)) {
    case JSON_STRING:
        return str_eq_c(str_from(json_string_value(value), json_string_length(value)),
                        text);
    case JSON_INTEGER:
        (void)snprintf(number, sizeof number, "%lld",
                       (long long)json_integer_value(value));
        return strcmp(number, text) == 0;
    case JSON_TRUE:
        return strcmp(text, "true") == 0;
    case JSON_FALSE:
        return strcmp(text, "false") == 0;
    case JSON_NULL:
        return strcmp(text, "null") == 0;
    case JSON_REAL:
    case JSON_OBJECT:
    case JSON_ARRAY:
        break;
    }
    return false;
}

static bool condition_holds(const struct field_when *when, const json_t *done,
                            const json_t *raw)
{
    const json_t *value = json_object_get(done, when->field);
    value = value != NULL ? value : json_object_get(raw, when->field);
    if (value == NULL || when->is == NULL) {
        return value != NULL;
    }
    for (size_t i = 0; when->is[i] != NULL; i++) {
        if (value_is_text(value, when->is[i])) {
            return true;
        }
    }
    return false;
}

static void apply_branch(const struct field_branch *branch, struct field_spec *out)
{
    if (branch->spec != NULL) {
        const char *name = out->name;
        *out = *branch->spec;
        out->name = name;
    }
    out->flags |= branch->set;
    if (branch->values != NULL) {
        out->values = branch->values;
    }
    if (branch->default_json != NULL) {
        out->default_json = branch->default_json;
    }
}

void spec_resolve_when(const struct field_spec *spec, const json_t *done,
                       const json_t *raw, struct field_spec *out)
{
    *out = *spec;
    for (size_t i = 0; i < spec->when_count; i++) {
        const struct field_when *when = &spec->when[i];
        while (when != NULL) {
            const struct field_branch *branch =
                condition_holds(when, done, raw) ? &when->then : &when->otherwise;
            apply_branch(branch, out);
            when = branch->when;
        }
    }
    out->when = NULL;
    out->when_count = 0;
}

static bool relation_fails(struct spec_walk *w, enum field_relation relation,
                           const char *peers)
{
    switch (relation) {
    case RELATION_OR:
        return spec_fail(w, "must contain at least one of %s", peers);
    case RELATION_XOR:
        return spec_fail(w, "must contain exactly one of %s", peers);
    case RELATION_OXOR:
        return spec_fail(w, "contains a conflict between optional exclusive peers %s",
                         peers);
    case RELATION_AND:
        return spec_fail(w, "must contain all or none of %s", peers);
    case RELATION_NAND:
        return spec_fail(w, "must not contain all of %s", peers);
    }
    return false;
}

static bool relation_holds(enum field_relation relation, size_t present, size_t total)
{
    switch (relation) {
    case RELATION_OR:
        return present > 0;
    case RELATION_XOR:
        return present == 1;
    case RELATION_OXOR:
        return present <= 1;
    case RELATION_AND:
        return present == 0 || present == total;
    case RELATION_NAND:
        return present < total;
    }
    return false;
}

bool spec_check_deps(struct spec_walk *w, const struct field_spec *spec,
                     const json_t *object)
{
    bool ok = true;
    for (size_t i = 0; i < spec->dep_count; i++) {
        const struct field_dep *dep = &spec->deps[i];
        size_t total = 0;
        size_t present = 0;
        for (; dep->peers[total] != NULL; total++) {
            present += json_object_get(object, dep->peers[total]) != NULL ? 1 : 0;
        }
        if (!relation_holds(dep->relation, present, total)) {
            ok = relation_fails(w, dep->relation, spec_list_text(w, dep->peers));
        }
    }
    return ok;
}
