/* spec_schema: the OpenAPI 3.1 schema (JSON Schema 2020-12) of a row. */
#include "postrider/base/check.h"
#include "spec_priv.h"

#include <stdio.h>

static bool has(const struct field_spec *spec, enum field_flag flag)
{
    return (spec->flags & (unsigned)flag) != 0;
}

static json_t *string_list(const char *const *values)
{
    json_t *list = json_array();
    for (size_t i = 0; values[i] != NULL; i++) {
        json_push(list, json_str_repaired(str_of(values[i])));
    }
    return list;
}

static void put_bounds(json_t *schema, const struct field_spec *spec)
{
    static const struct {
        const char *min, *max;
    } names[] = {
        [FIELD_ANY] = {NULL, NULL},
        [FIELD_STRING] = {"minLength", "maxLength"},
        [FIELD_INTEGER] = {NULL, NULL},
        [FIELD_NUMBER] = {NULL, NULL},
        [FIELD_BOOLEAN] = {NULL, NULL},
        [FIELD_OBJECT] = {"minProperties", "maxProperties"},
        [FIELD_ARRAY] = {"minItems", "maxItems"},
    };
    if (spec->min_len > 0 && names[spec->type].min != NULL) {
        json_put_int(schema, names[spec->type].min, (int64_t)spec->min_len);
    }
    if (spec->max_len > 0 && names[spec->type].max != NULL) {
        json_put_int(schema, names[spec->type].max, (int64_t)spec->max_len);
    }
    if (spec->has_min) {
        json_put_int(schema, "minimum", spec->min);
    }
    if (spec->has_max) {
        json_put_int(schema, "maximum", spec->max);
    }
    if (has(spec, FIELD_POSITIVE)) {
        json_put_int(schema, "exclusiveMinimum", 0);
    }
    if (has(spec, FIELD_UNIQUE)) {
        json_put_bool(schema, "uniqueItems", true);
    }
}

static void put_notes(json_t *schema, const struct field_spec *spec)
{
    static const struct {
        enum field_flag flag;
        const char *name;
    } notes[] = {
        {FIELD_UNDOCUMENTED, "x-undocumented"},
        {FIELD_ADDITION, "x-addition"},
        {FIELD_DEPRECATED, "deprecated"},
        {FIELD_WRITE_ONLY, "writeOnly"},
    };
    json_put_cstr(schema, "description", spec->doc);
    for (size_t i = 0; i < ARRAY_LEN(notes); i++) {
        if (has(spec, notes[i].flag)) {
            json_put_bool(schema, notes[i].name, true);
        }
    }
    if (spec->default_json != NULL) {
        json_t *v = json_loads(spec->default_json, JSON_DECODE_ANY, NULL);
        CHECK(v != NULL);
        json_put(schema, "default", v);
    }
}

static void put_text_rules(json_t *schema, const struct field_spec *spec)
{
    json_put_cstr(schema, "format", field_format_name(spec->format));
    json_put_cstr(schema, "pattern", spec->pattern);
    if (spec->values != NULL) {
        json_put(schema, "enum", string_list(spec->values));
    }
    if (spec->denied != NULL) {
        json_t *not = json_object();
        json_put(not, "enum", string_list(spec->denied));
        json_put(schema, "not", not );
    }
}

static json_t *row_schema(const struct field_spec *spec, json_t *components,
                          unsigned depth);

static void put_members(json_t *schema, const struct field_spec *spec, json_t *components,
                        unsigned depth)
{
    json_t *properties = json_object();
    json_t *required = json_array();
    struct field_walk walk;
    const struct field_spec *row;
    field_walk_init(&walk, spec->fields, spec->field_count);
    while ((row = field_walk_next(&walk)) != NULL) {
        if (has(row, FIELD_FORBIDDEN)) {
            continue;
        }
        json_put(properties, row->name, row_schema(row, components, depth + 1));
        if (has(row, FIELD_REQUIRED)) {
            json_push(required, json_str_repaired(str_of(row->name)));
        }
    }
    json_put(schema, "properties", properties);
    if (json_array_size(required) > 0) {
        json_put(schema, "required", required);
    } else {
        json_decref(required);
    }
    bool open = has(spec, FIELD_UNKNOWN_OK);
    if (spec->item == NULL) {
        json_put_bool(schema, "additionalProperties", open);
    } else if (spec->key_pattern == NULL) {
        json_put(schema, "additionalProperties",
                 row_schema(spec->item, components, depth + 1));
    } else {
        json_t *patterns = json_object();
        json_put(patterns, spec->key_pattern,
                 row_schema(spec->item, components, depth + 1));
        json_put(schema, "patternProperties", patterns);
        json_put_bool(schema, "additionalProperties", open);
    }
}

static json_t *bare_schema(const struct field_spec *spec, json_t *components,
                           unsigned depth)
{
    json_t *schema = json_object();
    if (spec->type != FIELD_ANY) {
        json_put_cstr(schema, "type", field_type_name(spec->type));
    }
    put_text_rules(schema, spec);
    put_bounds(schema, spec);
    if (spec->type == FIELD_OBJECT) {
        put_members(schema, spec, components, depth);
    } else if (spec->type == FIELD_ARRAY) {
        json_put(schema, "items",
                 spec->item != NULL ? row_schema(spec->item, components, depth + 1)
                                    : json_object());
    }
    return schema;
}

/* A reference to the component, made on first use. Two tables may share a label and
 * differ in members; the later one then stays inline. */
static json_t *labelled(const struct field_spec *spec, json_t *schema, json_t *components)
{
    char ref[256];
    json_t *known = json_object_get(components, spec->label);
    if (known != NULL && !json_equal(known, schema)) {
        return schema;
    }
    if (known == NULL) {
        json_put(components, spec->label, json_incref(schema));
    }
    json_decref(schema);
    json_t *out = json_object();
    (void)snprintf(ref, sizeof ref, "#/components/schemas/%s", spec->label);
    json_put_cstr(out, "$ref", ref);
    return out;
}

static bool is_conditional_off(const struct field_spec *spec)
{
    for (size_t i = 0; i < spec->when_count; i++) {
        unsigned set = spec->when[i].then.set | spec->when[i].otherwise.set;
        if ((set & (unsigned)FIELD_FALSE_ONLY) != 0) {
            return true;
        }
    }
    return false;
}

/* Adds null and false as further alternatives where the row allows them. */
static json_t *with_constants(const struct field_spec *spec, json_t *schema)
{
    bool off = is_conditional_off(spec);
    bool null_ok = has(spec, FIELD_NULLABLE) || off;
    bool false_ok = has(spec, FIELD_FALSE_OK) || has(spec, FIELD_FALSE_ONLY) || off;
    if (!null_ok && !false_ok) {
        return schema;
    }
    json_t *any = json_array();
    json_push(any, schema);
    if (null_ok) {
        json_push(any, json_pack("{s:s}", "type", "null"));
    }
    if (false_ok) {
        json_push(any, json_pack("{s:b}", "const", 0));
    }
    json_t *out = json_object();
    json_put(out, "anyOf", any);
    return out;
}

static json_t *row_schema(const struct field_spec *spec, json_t *components,
                          unsigned depth)
{
    CHECK(depth <= SPEC_DEPTH_MAX);
    json_t *schema = bare_schema(spec, components, depth);
    if (spec->label != NULL && components != NULL) {
        schema = labelled(spec, schema, components);
    }
    schema = with_constants(spec, schema);
    put_notes(schema, spec);
    return schema;
}

json_t *spec_schema(const struct field_spec *spec, json_t *components)
{
    return row_schema(spec, components, 0);
}
