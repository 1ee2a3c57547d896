#include "postrider/json/spec.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static void as_optional(struct field_spec *row, char label[FIELD_LABEL_SIZE] ATTR_UNUSED)
{
    row->flags &= ~(unsigned)FIELD_REQUIRED;
}

static void as_renamed_schema(struct field_spec *row, char label[FIELD_LABEL_SIZE])
{
    (void)snprintf(label, FIELD_LABEL_SIZE, "%sShown", row->name);
    row->label = label;
}

static const struct field_spec address_rows[] = {
    F_STR("host", FIELD_REQUIRED),
    F_INT("port", FIELD_REQUIRED, F_RANGE(1, 9)),
};
static const struct field_spec nothing[] = {F_PART(address_rows)};
static const struct field_spec server_rows[] = {
    F_BOOL("secure", 0, F_DEFAULT("false")),
    F_PART(nothing),
    F_STR("name", 0),
};
static const struct field_spec change_rows[] = {
    F_PART_AS(server_rows, as_optional),
    F_PART_AS(address_rows, as_renamed_schema),
};

static void check_names(const struct field_spec *rows, size_t count, const char *wanted)
{
    struct field_walk walk;
    const struct field_spec *row;
    char names[200] = "";
    size_t len = 0;
    field_walk_init(&walk, rows, count);
    while ((row = field_walk_next(&walk)) != NULL) {
        len += (size_t)snprintf(names + len, sizeof names - len, "%s%s%s ", row->name,
                                (row->flags & FIELD_REQUIRED) != 0 ? "!" : "",
                                row->label != NULL ? row->label : "");
    }
    assert_string_equal(names, wanted);
    assert_null(field_walk_next(&walk));
}

static void parts_come_in_their_place(void **state)
{
    (void)state;
    check_names(server_rows, ARRAY_LEN(server_rows), "secure host! port! name ");
    assert_int_equal(field_rows_count(server_rows, ARRAY_LEN(server_rows)), 4);
    check_names(NULL, 0, "");
}

static void views_change_what_their_part_gives_and_no_more(void **state)
{
    (void)state;
    check_names(change_rows, ARRAY_LEN(change_rows),
                "secure host port name host!hostShown port!portShown ");
    check_names(server_rows, ARRAY_LEN(server_rows), "secure host! port! name ");
}

static void a_row_is_found_by_name_through_its_part(void **state)
{
    (void)state;
    struct field_walk walk;
    field_walk_init(&walk, change_rows, ARRAY_LEN(change_rows));
    const struct field_spec *row = field_walk_find(&walk, str_of("port"));
    assert_non_null(row);
    assert_int_equal(row->flags, 0);
    field_walk_init(&walk, change_rows, ARRAY_LEN(change_rows));
    assert_null(field_walk_find(&walk, str_of("por")));
}

static void values_are_checked_against_the_rows_of_parts(void **state)
{
    (void)state;
    static const struct {
        const char *in, *out; /* NULL: refused */
    } rows[] = {
        {"{\"host\":\"h\",\"port\":2}", "{\"host\":\"h\",\"port\":2,\"secure\":false}"},
        {"{\"host\":\"h\"}", NULL},
        {"{\"host\":\"h\",\"port\":10}", NULL},
        {"{\"host\":\"h\",\"port\":1,\"other\":1}", NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct spec_errors errs = {0};
        json_t *in = json_loads(rows[i].in, 0, NULL);
        json_t *out = NULL;
        bool ok = spec_validate(server_rows, ARRAY_LEN(server_rows), in, &out, &errs);
        assert_int_equal(ok, rows[i].out != NULL);
        if (ok) {
            json_t *wanted = json_loads(rows[i].out, 0, NULL);
            assert_true(json_equal(out, wanted));
            json_decref(wanted);
        }
        json_decref(out);
        json_decref(in);
        spec_errors_fini(&errs);
    }
}

static void the_schema_names_the_rows_of_parts(void **state)
{
    (void)state;
    static const struct field_spec body = F_OBJ(NULL, 0, F_FIELDS(server_rows));
    json_t *schema = spec_schema(&body, NULL);
    json_t *properties = json_object_get(schema, "properties");
    assert_int_equal(json_object_size(properties), 4);
    assert_non_null(json_object_get(properties, "port"));
    assert_int_equal(json_array_size(json_object_get(schema, "required")), 2);
    json_decref(schema);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parts_come_in_their_place),
        cmocka_unit_test(views_change_what_their_part_gives_and_no_more),
        cmocka_unit_test(a_row_is_found_by_name_through_its_part),
        cmocka_unit_test(values_are_checked_against_the_rows_of_parts),
        cmocka_unit_test(the_schema_names_the_rows_of_parts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
