#include "docs_text.h"

#include "postrider/api/api_services.h"
#include "postrider/base/check.h"
#include "postrider/base/mem.h"

enum {
    NAME_MAX_LEN = 512,
    TABLES_MAX = 32
};

/* --- docs/API.md --- */

static void put_flag(struct buf *out, const struct field_spec *row, unsigned flag,
                     const char *text)
{
    if ((row->flags & flag) != 0) {
        (void)buf_printf(out, "%s; ", text);
    }
}

/* A vertical bar would end the cell. */
static void put_cell(struct buf *out, const char *text)
{
    for (; *text != '\0'; text++) {
        (void)buf_put_c(out, *text == '|' ? "\\" : "");
        (void)buf_put_byte(out, *text);
    }
}

static void put_range(struct buf *out, const struct field_spec *row)
{
    if (row->has_min) {
        (void)buf_printf(out, "at least %lld; ", (long long)row->min);
    }
    if (row->has_max) {
        (void)buf_printf(out, "at most %lld; ", (long long)row->max);
    }
    if (row->max_len > 0) {
        (void)buf_printf(out, "length up to %zu; ", row->max_len);
    }
}

static void put_rules(struct buf *out, const struct field_spec *row)
{
    put_flag(out, row, FIELD_REQUIRED, "required");
    put_flag(out, row, FIELD_NULLABLE, "or null");
    put_flag(out, row, FIELD_FALSE_OK, "or false");
    put_flag(out, row, FIELD_SINGLE, "one item may stand alone");
    put_flag(out, row, FIELD_UNDOCUMENTED, "undocumented in EmailEngine");
    put_range(out, row);
    if (row->format != FORMAT_NONE) {
        (void)buf_printf(out, "%s; ", field_format_name(row->format));
    }
    for (size_t i = 0; row->values != NULL && row->values[i] != NULL; i++) {
        (void)buf_printf(out, "%s`%s`%s", i > 0 ? ", " : "one of ", row->values[i],
                         row->values[i + 1] == NULL ? "; " : "");
    }
    if (row->default_json != NULL) {
        (void)buf_put_c(out, "default `");
        put_cell(out, row->default_json);
        (void)buf_put_c(out, "`; ");
    }
    if (out->len >= 2 && out->bytes[out->len - 2] == ';') {
        buf_truncate(out, out->len - 2);
    }
}

static void put_row(struct buf *out, const char *name, const char *place,
                    const struct field_spec *row)
{
    (void)buf_printf(out, "| `%s` | %s | %s | ", name, place, field_type_name(row->type));
    put_rules(out, row);
    (void)buf_printf(out, " | %s |\n", row->doc != NULL ? row->doc : "");
}

/* Follows the tables, which nest at most SPEC_DEPTH_MAX levels. */
static void put_rows(struct buf *out, const struct field_spec *rows, size_t count,
                     const char *place, const char *above)
{
    struct field_walk walk;
    const struct field_spec *row;
    field_walk_init(&walk, rows, count);
    while ((row = field_walk_next(&walk)) != NULL) {
        char name[NAME_MAX_LEN];
        int n = snprintf(name, sizeof name, "%s%s", above, row->name);
        CHECK(n > 0 && (size_t)n < sizeof name - 4);
        put_row(out, name, place, row);
        const struct field_spec *inner = row;
        if (row->type == FIELD_ARRAY && row->item != NULL) {
            inner = row->item;
            memcpy(name + n, "[]", 3);
            n += 2;
        }
        memcpy(name + n, ".", 2);
        put_rows(out, inner->fields, inner->field_count, place, name);
    }
}

static void put_route(struct buf *out, const struct api_route *route)
{
    (void)buf_printf(out, "### %s %s\n\n%s.\n\n`%s`", route->method, route->path,
                     route->summary, route->operation_id);
    if (route->scope != NULL) {
        (void)buf_printf(out, ", scope `%s`, permission `%s` on `%s`", route->scope,
                         route->action, route->group);
    } else {
        (void)buf_put_c(out, ", no token needed");
    }
    (void)buf_put_c(out, (route->flags & API_DEPRECATED) != 0 ? ", deprecated\n" : "\n");
    bool has_body = route->body != NULL && route->body->field_count > 0;
    if (route->param_count > 0 || route->query_count > 0 || has_body) {
        (void)buf_put_c(out, "\n| Name | In | Type | Rules | Meaning |\n"
                             "|---|---|---|---|---|\n");
        put_rows(out, route->params, route->param_count, "path", "");
        put_rows(out, route->query, route->query_count, "query", "");
    }
    if (has_body) {
        put_rows(out, route->body->fields, route->body->field_count, "body", "");
    }
    (void)buf_printf(out, "\nReply: `%s`",
                     route->response_type != NULL ? route->response_type
                                                  : "application/json");
    if (route->response != NULL && route->response->label != NULL) {
        (void)buf_printf(out, ", schema `%s` of openapi.json", route->response->label);
    }
    (void)buf_put_c(out, "\n\n");
}

static bool print_api(struct buf *out)
{
    (void)buf_put_c(
        out,
        "# REST API\n\nGenerated from the route tables. The same as a machine reads "
        "it: [openapi.json](openapi.json), also served at `/swagger.json`.\n\n"
        "Send a token as `Authorization: Bearer TOKEN`; `postrider token issue` "
        "makes the first one. `X-EE-Timeout` (milliseconds) sets how long a call may "
        "take.\n\nErrors are JSON: `{\"statusCode\", \"error\", \"message\", "
        "\"code\"}`, for input that does not fit also `fields`.\n\n"
        "For compatibility every field of the table is accepted, kept and shown; "
        "those of parts that this version does not have (SMTP, OAuth2, proxies, "
        "document store, AI, export, clean HTML) have no effect.\n\n");
    for (size_t i = 0; i <= api_tables_count; i++) {
        const struct api_table *table = i > 0 ? &api_tables[i - 1] : &api_builtin_table;
        const char *tag = table->rows[0].tag;
        for (size_t j = 0; j < table->count; j++) {
            const struct api_route *row = &table->rows[j];
            if (row->tag != NULL &&
                (j == 0 || tag == NULL || strcmp(tag, row->tag) != 0)) {
                tag = row->tag;
                (void)buf_printf(out, "## %s\n\n", tag);
            }
            if ((row->flags & API_HIDDEN) == 0) {
                put_route(out, row);
            }
        }
    }
    while (out->len > 1 && out->bytes[out->len - 2] == '\n') {
        buf_truncate(out, out->len - 1);
    }
    return !out->overflow;
}

/* --- docs/openapi.json --- */

static bool print_openapi(struct buf *out)
{
    struct api_table tables[TABLES_MAX] = {api_builtin_table};
    CHECK(api_tables_count < TABLES_MAX);
    for (size_t i = 0; i < api_tables_count; i++) {
        tables[i + 1] = api_tables[i];
    }
    json_t *document = api_openapi(tables, api_tables_count + 1);
    char *text = json_dumps(document, JSON_INDENT(1));
    bool ok = text != NULL && buf_put_c(out, text) && buf_put_byte(out, '\n');
    mem_free(text);
    json_decref(document);
    return ok;
}

const struct docs_file docs_files[] = {
    {"docs/API.md", print_api},
    {"docs/openapi.json", print_openapi},
    {"docs/CONFIG.md", config_print_markdown},
    {"config/postrider.conf.example", config_print_example},
    {NULL, NULL},
};
