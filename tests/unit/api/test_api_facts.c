/* The rows against the facts of the compatible API: every parameter and field, with type,
 * bounds, defaults, enumerations and conditions. */
#include "api_handlers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum {
    DEPTH_MAX = 16
};

struct tally {
    const char *operation;
    size_t operations, fields, faults;
};

static void fault(struct tally *t, const char *field, const char *what)
{
    print_error("%s: %s: %s\n", t->operation, field != NULL ? field : "body", what);
    t->faults++;
}

static void expect(struct tally *t, const char *field, const char *what, bool ok)
{
    if (!ok) {
        fault(t, field, what);
    }
}

/* --- one field --- */

static bool list_has(const json_t *list, bool (*fits)(const json_t *))
{
    size_t i;
    json_t *item;
    json_array_foreach(list, i, item)
    {
        if (fits(item)) {
            return true;
        }
    }
    return false;
}

static bool is_false(const json_t *v)
{
    return json_is_false(v);
}

static bool is_empty(const json_t *v)
{
    return json_is_string(v) && json_string_length(v) == 0;
}

static bool fact_flag(const json_t *fact, const char *key)
{
    return json_is_true(json_object_get(fact, key));
}

/* A branch may set the presence of the row it belongs to. */
static bool presence_is_conditional(const json_t *fact)
{
    size_t i;
    json_t *when;
    json_array_foreach(json_object_get(fact, "when"), i, when)
    {
        if (fact_flag(json_object_get(when, "then"), "optional")) {
            return true;
        }
    }
    return false;
}

static void check_flags(struct tally *t, const struct field_spec *row, const json_t *fact)
{
    const json_t *empty = json_object_get(fact, "emptyValues");
    const json_t *also = json_object_get(fact, "alsoAllowed");
    const json_t *loose = json_object_get(fact, "looseBoolean");
    bool required = fact_flag(fact, "required") && !presence_is_conditional(fact);
    const struct {
        unsigned flag;
        const char *name;
        bool wanted;
    } flags[] = {
        {FIELD_REQUIRED, "required", required},
        {FIELD_NULLABLE, "nullable", fact_flag(fact, "nullable")},
        {FIELD_EMPTY_OK, "emptyAllowed", fact_flag(fact, "emptyAllowed")},
        {FIELD_EMPTY_ABSENT, "emptyValues \"\"", list_has(empty, is_empty)},
        {FIELD_FALSE_ABSENT, "emptyValues false", list_has(empty, is_false)},
        {FIELD_FALSE_OK, "alsoAllowed false", list_has(also, is_false)},
        {FIELD_TRIM, "trim", fact_flag(fact, "trim")},
        {FIELD_LOWER, "case", json_has(fact, "case")},
        {FIELD_SINGLE, "single", fact_flag(fact, "single")},
        {FIELD_UNKNOWN_OK, "unknownKeysAllowed", fact_flag(fact, "unknownKeysAllowed")},
        {FIELD_UNDOCUMENTED, "undocumented", fact_flag(fact, "undocumented")},
        {FIELD_LOOSE, "looseBoolean", json_is_true(loose)},
        {FIELD_LOOSE_ON, "looseBoolean on", json_is_string(loose)},
        {FIELD_FUTURE, "greater", json_has(fact, "greater")},
    };
    for (size_t i = 0; i < ARRAY_LEN(flags); i++) {
        expect(t, row->name, flags[i].name,
               ((row->flags & flags[i].flag) != 0) == flags[i].wanted);
    }
}

static int64_t fact_int(const json_t *fact, const char *const *keys)
{
    for (; *keys != NULL; keys++) {
        if (json_has(fact, *keys)) {
            return json_get_int(fact, *keys, -1);
        }
    }
    return 0;
}

static void check_bounds(struct tally *t, const struct field_spec *row,
                         const json_t *fact)
{
    static const char *const low[] = {"length", "minLength", "minItems", "minProperties",
                                      NULL};
    static const char *const high[] = {"length", "maxLength", "maxItems", NULL};
    expect(t, row->name, "min",
           row->has_min == json_has(fact, "min") &&
               (!row->has_min || row->min == json_get_int(fact, "min", -1)));
    expect(t, row->name, "max",
           row->has_max == json_has(fact, "max") &&
               (!row->has_max || row->max == json_get_int(fact, "max", -1)));
    expect(t, row->name, "least length", (int64_t)row->min_len == fact_int(fact, low));
    expect(t, row->name, "greatest length",
           (int64_t)row->max_len == fact_int(fact, high));
}

static bool same_texts(const char *const *values, const json_t *list)
{
    size_t n = 0;
    for (; values != NULL && values[n] != NULL; n++) {
        const char *text = json_string_value(json_array_get(list, n));
        if (text == NULL || strcmp(text, values[n]) != 0) {
            return false;
        }
    }
    return n == json_array_size(list);
}

static bool same_format(const struct field_spec *row, const json_t *fact)
{
    static const struct {
        const char *fact;
        enum field_format format;
    } formats[] = {{"date-time", FORMAT_DATE_TIME},
                   {"uri", FORMAT_URI},
                   {"hostname", FORMAT_HOSTNAME},
                   {"email", FORMAT_EMAIL},
                   {"ip", FORMAT_IP},
                   {"base64", FORMAT_BASE64},
                   {"guid", FORMAT_GUID},
                   {"hex", FORMAT_HEX}};
    const char *name = json_get_cstr(fact, "format");
    const char *cidr = json_get_cstr(json_object_get(fact, "ip"), "cidr");
    if (name == NULL || (cidr != NULL && strcmp(cidr, "optional") == 0)) {
        return row->format == FORMAT_NONE && (name == NULL || row->check != NULL);
    }
    if (fact_flag(json_object_get(fact, "base64"), "urlSafe")) {
        return row->format == FORMAT_BASE64URL;
    }
    for (size_t i = 0; i < ARRAY_LEN(formats); i++) {
        if (strcmp(name, formats[i].fact) == 0) {
            return row->format == formats[i].format;
        }
    }
    return false;
}

static void check_values(struct tally *t, const struct field_spec *row,
                         const json_t *fact)
{
    json_t *other = row->default_json != NULL
                        ? json_loads(row->default_json, JSON_DECODE_ANY, NULL)
                        : NULL;
    json_t *wanted = json_object_get(fact, "default");
    expect(t, row->name, "default",
           (other == NULL && wanted == NULL) ||
               (other != NULL && wanted != NULL && json_equal(other, wanted)));
    json_decref(other);
    expect(t, row->name, "enum", same_texts(row->values, json_object_get(fact, "enum")));
    expect(t, row->name, "schemes",
           same_texts(row->schemes, json_object_get(fact, "schemes")));
    expect(t, row->name, "format", same_format(row, fact));
    expect(t, row->name, "label",
           json_has(fact, "anyOf") || row->label == NULL
               ? json_has(fact, "anyOf") || !json_has(fact, "label")
               : str_eq_c(json_get_str(fact, "label"), row->label));
}

static bool same_type(const struct field_spec *row, const json_t *fact)
{
    const char *type = json_get_cstr(fact, "type");
    return type == NULL ? row->type == FIELD_ANY
                        : strcmp(type, field_type_name(row->type)) == 0;
}

static void check_when(struct tally *t, const struct field_spec *row, const json_t *fact)
{
    const json_t *list = json_object_get(fact, "when");
    expect(t, row->name, "when", row->when_count == json_array_size(list));
    for (size_t i = 0; i < row->when_count && i < json_array_size(list); i++) {
        const json_t *when = json_array_get(list, i);
        const json_t *then = json_object_get(when, "then");
        const json_t *otherwise = json_object_get(when, "otherwise");
        const struct field_when *mine = &row->when[i];
        bool exists = json_is_string(json_object_get(when, "is"));
        expect(t, row->name, "when.field",
               str_eq_c(json_get_str(when, "field"), mine->field));
        expect(t, row->name, "when.is", (mine->is == NULL) == exists);
        expect(t, row->name, "when.then off",
               ((mine->then.set & FIELD_FALSE_ONLY) != 0) == json_has(then, "enum"));
        expect(t, row->name, "when.otherwise off",
               ((mine->otherwise.set & FIELD_FALSE_ONLY) != 0) ==
                   json_has(otherwise, "enum"));
        expect(t, row->name, "when.otherwise forbidden",
               ((mine->otherwise.set & FIELD_FORBIDDEN) != 0) ==
                   fact_flag(otherwise, "forbidden"));
    }
}

/* --- trees of fields --- */

static void check_row(struct tally *t, const struct field_spec *row, const json_t *fact,
                      unsigned depth);

/* Those that are not additions of ours. */
static size_t compatible_rows(const struct field_spec *rows, size_t count)
{
    struct field_walk walk;
    const struct field_spec *row;
    size_t n = 0;
    field_walk_init(&walk, rows, count);
    while ((row = field_walk_next(&walk)) != NULL) {
        n += (row->flags & FIELD_ADDITION) == 0 ? 1 : 0;
    }
    return n;
}

static void check_members(struct tally *t, const struct field_spec *rows, size_t count,
                          const json_t *facts, unsigned depth)
{
    const char *name;
    json_t *fact;
    json_object_foreach((json_t *)(uintptr_t)facts, name, fact)
    {
        struct field_walk walk;
        field_walk_init(&walk, rows, count);
        const struct field_spec *row = field_walk_find(&walk, str_of(name));
        if (row == NULL) {
            fault(t, name, "missing");
        } else {
            check_row(t, row, fact, depth + 1);
        }
    }
    expect(t, NULL, "as many members",
           compatible_rows(rows, count) == json_object_size(facts));
}

static void check_row(struct tally *t, const struct field_spec *row, const json_t *fact,
                      unsigned depth)
{
    assert_true(depth < DEPTH_MAX);
    t->fields++;
    expect(t, row->name, "type", same_type(row, fact));
    check_flags(t, row, fact);
    check_bounds(t, row, fact);
    check_values(t, row, fact);
    check_when(t, row, fact);
    if (row->type == FIELD_OBJECT) {
        check_members(t, row->fields, row->field_count, json_object_get(fact, "fields"),
                      depth);
    }
    const json_t *items = json_object_get(fact, "items");
    expect(t, row->name, "items", (row->item != NULL) == (items != NULL));
    if (row->item != NULL && items != NULL) {
        check_row(t, row->item, items, depth + 1);
    }
}

/* Parameters come as a list. */
static void check_params(struct tally *t, const struct field_spec *rows, size_t count,
                         const json_t *list)
{
    json_t *facts = json_object();
    size_t i;
    json_t *fact;
    json_array_foreach(list, i, fact)
    {
        json_put(facts, json_get_cstr(fact, "name"), json_incref(fact));
    }
    check_members(t, rows, count, facts, 0);
    json_decref(facts);
}

/* --- operations --- */

static void check_permission(struct tally *t, const struct api_route *row,
                             const json_t *auth)
{
    const json_t *permission = json_get_obj(auth, "permission");
    const json_t *scopes = json_get_arr(auth, "tokenScopes");
    bool bound = json_get_bool(auth, "accountBoundTokenAllowed", false);
    bool names_account = strstr(row->path, "{account}") != NULL;
    expect(t, NULL, "action", str_eq_c(json_get_str(permission, "action"), row->action));
    expect(t, NULL, "group", str_eq_c(json_get_str(permission, "group"), row->group));
    expect(t, NULL, "scope",
           strcmp(json_string_value(json_array_get(scopes, 0)), row->scope) == 0);
    expect(t, NULL, "use by tokens of an account",
           bound == (names_account || (row->flags & API_ACCOUNT_FREE) != 0));
}

static void check_body(struct tally *t, const struct field_spec *row, const json_t *fact)
{
    bool is_there = fact != NULL && !json_is_null(fact);
    expect(t, NULL, "presence", (row != NULL) == is_there);
    if (row != NULL && is_there) {
        check_row(t, row, fact, 0);
    }
}

static void check_operation(struct tally *t, const struct api_route *row,
                            const json_t *fact)
{
    const json_t *types = json_object_get(fact, "responseMediaTypes");
    t->operation = row->operation_id;
    t->operations++;
    expect(t, NULL, "operationId",
           str_eq_c(json_get_str(fact, "operationId"), row->operation_id));
    expect(t, NULL, "tag", str_eq_c(json_get_str(fact, "tag"), row->tag));
    expect(t, NULL, "documented",
           json_get_bool(fact, "documented", false) ==
               ((row->flags & API_UNDOCUMENTED) == 0));
    check_permission(t, row, json_object_get(fact, "auth"));
    check_params(t, row->params, row->param_count, json_object_get(fact, "pathParams"));
    check_params(t, row->query, row->query_count, json_object_get(fact, "queryParams"));
    check_body(t, row->body, json_object_get(fact, "requestBody"));
    check_body(t, row->response, json_object_get(fact, "response200"));
    /* An attachment has its own type. */
    const char *type =
        row->response_type != NULL ? row->response_type : "application/json";
    expect(t, NULL, "media type",
           strcmp(json_string_value(json_array_get(types, 0)), type) == 0);
}

static const struct api_route *find_row(const json_t *fact)
{
    for (size_t i = 0; i < api_tables_count; i++) {
        for (size_t j = 0; j < api_tables[i].count; j++) {
            const struct api_route *row = &api_tables[i].rows[j];
            if (str_eq_c(json_get_str(fact, "path"), row->path) &&
                str_eq_c(json_get_str(fact, "method"), row->method)) {
                return row;
            }
        }
    }
    return NULL;
}

static json_t *load_facts(void)
{
    char path[4096];
    const char *dir = getenv("SOURCE_DIR");
    (void)snprintf(path, sizeof path, "%s/tests/api/facts/emailengine-operations.json",
                   dir != NULL ? dir : ".");
    json_t *facts = json_load_file(path, 0, NULL);
    assert_non_null(facts);
    return facts;
}

static void rows_say_what_the_facts_say(void **state ATTR_UNUSED)
{
    struct tally t = {0};
    json_t *facts = load_facts();
    const json_t *operations = json_object_get(facts, "operations");
    size_t i;
    json_t *fact;
    json_array_foreach(operations, i, fact)
    {
        const struct api_route *row = find_row(fact);
        if (row != NULL) {
            check_operation(&t, row, fact);
        }
    }
    print_message("%zu of %zu operations, %zu fields, %zu faults\n", t.operations,
                  json_array_size(operations), t.fields, t.faults);
    json_decref(facts);
    assert_int_equal(t.faults, 0);
}

static void every_operation_of_a_mailbox_reader_is_there(void **state ATTR_UNUSED)
{
    static const char *const ids[] = {
        "postV1Account",
        "getV1AccountAccount",
        "putV1AccountAccount",
        "deleteV1AccountAccount",
        "getV1Accounts",
        "putV1AccountAccountReconnect",
        "putV1AccountAccountFlush",
        "putV1AccountAccountSync",
        "postV1Verifyaccount",
        "getV1AccountAccountMailboxes",
        "postV1AccountAccountMailbox",
        "putV1AccountAccountMailbox",
        "deleteV1AccountAccountMailbox",
        "getV1AccountAccountMessages",
        "postV1AccountAccountSearch",
        "postV1UnifiedSearch",
        "getV1AccountAccountThreads",
        "getV1AccountAccountThreadThread",
        "getV1AccountAccountMessageMessage",
        "putV1AccountAccountMessageMessage",
        "deleteV1AccountAccountMessageMessage",
        "putV1AccountAccountMessageMessageMove",
        "getV1AccountAccountMessageMessageSource",
        "getV1AccountAccountTextText",
        "getV1AccountAccountAttachmentAttachment",
        "getV1Settings",
        "postV1Settings",
        "getV1Tokens",
        "postV1Tokens",
        "getV1TokensToken",
        "deleteV1TokensToken",
        "postV1Token",
        "deleteV1TokenToken",
        "getV1TokensAccountAccount",
        "getMetrics",
        "getV1AccountAccountEvents",
        "getV1AccountAccountEventsExport",
        "getV1AccountAccountChanges",
        "getV1WebhooksRoutes",
        "putV1WebhooksRoutesRouteCursor",
        "getV1Webhookroutes",
        "getV1WebhookroutesWebhookrouteWebhookroute",
        "postV1WebhooksRoutes",
        "getV1WebhooksRoutesRoute",
        "putV1WebhooksRoutesRoute",
        "deleteV1WebhooksRoutesRoute",
        "postV1WebhooksRoutesRouteTest",
        "getV1SettingsQueueQueue",
        "putV1SettingsQueueQueue",
        "getV1WebhooksDeadLetters",
        "postV1WebhooksDeadLettersRequeue",
        "postV1WebhooksDeadLettersDrop",
        "getV1Events",
        "getV1Changes",
        "getV1AccountAccountDiagnose",
        "getV1License",
        "postV1License",
        "deleteV1License",
        "getV1Blocklists",
        "getV1BlocklistListid",
        "postV1BlocklistListid",
        "deleteV1BlocklistListid",
        "postV1ChatAccount",
        "getV1AccountAccountServersignatures",
        "getV1Stats",
        "getV1Autoconfig",
        "getV1LogsAccount",
        "getV1TokensTokenLog",
    };
    size_t rows = 0;
    for (size_t i = 0; i < api_tables_count; i++) {
        rows += api_tables[i].count;
    }
    for (size_t n = 0; n < ARRAY_LEN(ids); n++) {
        bool found = false;
        for (size_t i = 0; i < api_tables_count; i++) {
            for (size_t j = 0; j < api_tables[i].count; j++) {
                found |= strcmp(api_tables[i].rows[j].operation_id, ids[n]) == 0;
            }
        }
        if (!found) {
            fail_msg("%s is missing", ids[n]);
        }
    }
    assert_int_equal(rows, ARRAY_LEN(ids));
}

static void check_example(const struct api_route *row, const struct field_spec *spec,
                          const char *text)
{
    struct spec_errors errs = {0};
    json_t *normal = NULL;
    if (text == NULL) {
        return;
    }
    json_t *value = api_example_json(text);
    if (spec == NULL || !spec_validate_value(spec, value, &normal, &errs)) {
        fail_msg("%s: example: %s", row->operation_id,
                 errs.count > 0 ? errs.items[0].message : "there is no row for it");
    }
    json_decref(normal);
    json_decref(value);
    spec_errors_fini(&errs);
}

static void examples_are_what_the_rows_allow(void **state ATTR_UNUSED)
{
    size_t count = 0;
    for (size_t i = 0; i < api_tables_count; i++) {
        for (size_t j = 0; j < api_tables[i].count; j++) {
            const struct api_route *row = &api_tables[i].rows[j];
            if (row->example != NULL) {
                check_example(row, row->body, row->example->body);
                check_example(row, row->response, row->example->reply);
                count++;
            }
        }
    }
    assert_true(count > 20);
}

static void an_api_takes_the_tables(void **state ATTR_UNUSED)
{
    struct loop *loop = loop_new();
    struct err err = {0};
    const struct api_config config = {.tables = api_tables,
                                      .table_count = api_tables_count};
    struct api *api = api_new(loop, &config, &err);
    assert_non_null(api);
    api_free(&api);
    loop_free(&loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_say_what_the_facts_say),
        cmocka_unit_test(every_operation_of_a_mailbox_reader_is_there),
        cmocka_unit_test(examples_are_what_the_rows_allow),
        cmocka_unit_test(an_api_takes_the_tables),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
