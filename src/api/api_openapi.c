/* api_openapi: the OpenAPI 3.1 document, made from the rows that also validate. */
#include "api_priv.h"
#include "postrider/base/check.h"

#include <stdio.h>

enum {
    EXAMPLE_MAX = 16 * 1024
};

static json_t *reference(const char *target)
{
    json_t *out = json_object();
    json_put_cstr(out, "$ref", target);
    return out;
}

json_t *api_example_json(const char *text)
{
    struct buf json = BUF_INIT(EXAMPLE_MAX);
    for (const char *c = text; *c != '\0'; c++) {
        (void)buf_put_byte(&json, *c == '\'' ? '"' : *c);
    }
    json_t *value = json_loads(buf_c(&json), JSON_DECODE_ANY, NULL);
    buf_fini(&json);
    CHECK(value != NULL);
    return value;
}

/* example: NULL = none. */
static json_t *content(const char *type, json_t *schema, const char *example)
{
    json_t *media = json_object();
    json_t *out = json_object();
    json_put(media, "schema", schema);
    if (example != NULL) {
        json_put(media, "example", api_example_json(example));
    }
    json_put(out, type, media);
    return out;
}

/* --- the error body, described by the same kind of table --- */

static const struct field_spec error_item_fields[] = {
    F_STR("message", FIELD_REQUIRED),
    F_STR("key", FIELD_REQUIRED, F_DOC("Dotted path of the value")),
};
static const struct field_spec error_fields[] = {
    F_INT("statusCode", FIELD_REQUIRED),
    F_STR("error", FIELD_REQUIRED, F_DOC("Name of the status")),
    F_STR("message", FIELD_REQUIRED),
    F_STR("code", 0, F_DOC("Machine-readable reason")),
    F_ARR("fields", 0, F_DOC("Every value that is not valid"),
          F_ITEM(F_OBJ(NULL, 0, F_FIELDS(error_item_fields)))),
};
static const struct field_spec error_body =
    F_OBJ(NULL, FIELD_UNKNOWN_OK, F_LABEL("ErrorResponse"), F_FIELDS(error_fields));

static const struct field_spec timeout_header =
    F_INT("X-EE-Timeout", 0, F_RANGE(0, API_TIMEOUT_MAX_MS),
          F_DOC("Longest time for the operation in milliseconds"));

/* --- parameters --- */

static void put_parameter(json_t *list, const struct field_spec *spec, const char *where,
                          json_t *components)
{
    json_t *out = json_object();
    bool required = strcmp(where, "path") == 0 || (spec->flags & FIELD_REQUIRED) != 0;
    json_put_cstr(out, "name", spec->name);
    json_put_cstr(out, "in", where);
    json_put_bool(out, "required", required);
    json_put_cstr(out, "description", spec->doc);
    if ((spec->flags & FIELD_UNDOCUMENTED) != 0) {
        json_put_bool(out, "x-undocumented", true);
    }
    json_put(out, "schema", spec_schema(spec, components));
    json_push(list, out);
}

static void put_parameters(json_t *list, const struct field_spec *fields, size_t count,
                           const char *where, json_t *components)
{
    struct field_walk walk;
    const struct field_spec *row;
    field_walk_init(&walk, fields, count);
    while ((row = field_walk_next(&walk)) != NULL) {
        put_parameter(list, row, where, components);
    }
}

static json_t *parameters(const struct api_route *route, json_t *components)
{
    json_t *list = json_array();
    put_parameters(list, route->params, route->param_count, "path", components);
    put_parameters(list, route->query, route->query_count, "query", components);
    if ((route->flags & API_PUBLIC) == 0) {
        put_parameter(list, &timeout_header, "header", components);
    }
    return list;
}

/* --- replies --- */

static json_t *responses(const struct api_route *route, json_t *components)
{
    const char *type =
        route->response_type != NULL ? route->response_type : "application/json";
    json_t *out = json_object();
    json_t *ok = json_object();
    json_put_cstr(ok, "description", "Success");
    json_put(ok, "content",
             content(type,
                     route->response != NULL ? spec_schema(route->response, components)
                                             : json_object(),
                     route->example != NULL ? route->example->reply : NULL));
    json_put(out, "200", ok);
    json_put(out, "default", reference("#/components/responses/Error"));
    return out;
}

static json_t *security(const struct api_route *route)
{
    json_t *list = json_array();
    if ((route->flags & API_PUBLIC) == 0) {
        json_t *scheme = json_object();
        json_put(scheme, "bearerAuth", json_array());
        json_push(list, scheme);
    }
    return list;
}

static json_t *permission(const struct api_route *route)
{
    json_t *out = json_object();
    json_put_cstr(out, "scope", route->scope);
    json_put_cstr(out, "action", route->action);
    json_put_cstr(out, "group", route->group);
    return out;
}

static json_t *request_body(const struct api_route *route, json_t *components)
{
    bool is_stream = (route->flags & API_STREAM_BODY) != 0;
    const char *type = is_stream ? "application/octet-stream" : "application/json";
    json_t *out = json_object();
    json_put_bool(out, "required", (route->body->flags & FIELD_NULLABLE) == 0);
    json_put(out, "content",
             content(type, spec_schema(route->body, components),
                     route->example != NULL ? route->example->body : NULL));
    return out;
}

static json_t *operation(const struct api_route *route, json_t *components)
{
    json_t *out = json_object();
    json_put_cstr(out, "operationId", route->operation_id);
    json_put_cstr(out, "summary", route->summary);
    if (route->tag != NULL) {
        json_t *tags = json_array();
        json_push(tags, json_str_repaired(str_of(route->tag)));
        json_put(out, "tags", tags);
    }
    json_put(out, "security", security(route));
    if (route->scope != NULL) {
        json_put(out, "x-permission", permission(route));
    }
    if ((route->flags & API_UNDOCUMENTED) != 0) {
        json_put_bool(out, "x-undocumented", true);
    }
    if ((route->flags & API_DEPRECATED) != 0) {
        json_put_bool(out, "deprecated", true);
    }
    json_put(out, "parameters", parameters(route, components));
    if (route->body != NULL) {
        json_put(out, "requestBody", request_body(route, components));
    }
    json_put(out, "responses", responses(route, components));
    return out;
}

static void add_route(json_t *paths, const struct api_route *route, json_t *components)
{
    char method[16];
    size_t n = 0;
    for (; route->method[n] != '\0' && n + 1 < sizeof method; n++) {
        method[n] = ascii_lower(route->method[n]);
    }
    method[n] = '\0';
    json_t *item = json_object_get(paths, route->path);
    if (item == NULL) {
        item = json_object();
        json_put(paths, route->path, item);
    }
    json_put(item, method, operation(route, components));
}

static json_t *components_of(json_t *schemas)
{
    json_t *out = json_object();
    json_t *scheme = json_object();
    json_t *schemes = json_object();
    json_t *error = json_object();
    json_t *replies = json_object();
    json_put_cstr(scheme, "type", "http");
    json_put_cstr(scheme, "scheme", "bearer");
    json_put(schemes, "bearerAuth", scheme);
    json_put_cstr(error, "description", "The request failed");
    json_put(error, "content",
             content("application/json", spec_schema(&error_body, schemas), NULL));
    json_put(replies, "Error", error);
    json_put(out, "securitySchemes", schemes);
    json_put(out, "responses", replies);
    json_put(out, "schemas", schemas);
    return out;
}

json_t *api_openapi(const struct api_table *tables, size_t count)
{
    json_t *out = json_object();
    json_t *info = json_object();
    json_t *paths = json_object();
    json_t *schemas = json_object();
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < tables[i].count; j++) {
            if ((tables[i].rows[j].flags & API_HIDDEN) == 0) {
                add_route(paths, &tables[i].rows[j], schemas);
            }
        }
    }
    json_put_cstr(info, "title", "Postrider");
    json_put_cstr(info, "version", POSTRIDER_VERSION);
    json_put_cstr(out, "openapi", "3.1.0");
    json_put(out, "info", info);
    json_put(out, "paths", paths);
    json_put(out, "components", components_of(schemas));
    return out;
}
