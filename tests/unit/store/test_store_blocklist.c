/* Block lists: sealed, in the order they came, gone with their last entry. */
#include "store_fixture.h"

#include "postrider/json/json.h"
#include "postrider/store/store_blocklist.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

struct outcome {
    bool done;
    struct err err;
    json_t *rows;
    size_t total;
};

static void on_done(struct store_blocklist *op ATTR_UNUSED, const struct err *err,
                    json_t *rows, size_t total, void *ctx)
{
    struct outcome *o = ctx;
    *o = (struct outcome){
        .done = true, .err = *err, .rows = json_incref(rows), .total = total};
}

static size_t finish(struct store_fixture *f, struct outcome *o)
{
    loop_fixture_run_until(f->loop, &o->done, STORE_FIXTURE_WAIT_MS);
    assert_int_equal(o->err.code, ERR_OK);
    return o->total;
}

static size_t add(struct store_fixture *f, struct store *s, const char *list,
                  const char *recipient)
{
    struct outcome o = {0};
    json_t *record = json_object();
    json_put_cstr(record, "recipient", recipient);
    json_put_cstr(record, "reason", "MARKERreason");
    (void)store_blocklist_add_start(s, str_of(list), record, on_done, &o);
    json_decref(record);
    return finish(f, &o);
}

static size_t take_off(struct store_fixture *f, struct store *s, const char *list,
                       const char *recipient)
{
    struct outcome o = {0};
    (void)store_blocklist_delete_start(s, str_of(list), str_of(recipient), on_done, &o);
    return finish(f, &o);
}

/* The recipients of a page, or the names and counts of lists. */
static void expect_rows(struct outcome *o, const char *key, const char *const *wanted,
                        size_t count)
{
    assert_int_equal(json_array_size(o->rows), count);
    for (size_t i = 0; i < count; i++) {
        assert_string_equal(json_get_cstr(json_array_get(o->rows, i), key), wanted[i]);
    }
    json_decref(o->rows);
}

static void recipients_come_once_and_go(void **state)
{
    struct store_fixture *f = *state;
    struct store *s = store_fixture_open(f, NODE_A);
    struct outcome o = {0};
    static const char list[] = "MARKERlist.example.com";
    assert_int_equal(add(f, s, list, "MARKERann@example.com"), 1);
    loop_fixture_run_for(f->loop, 5); /* the order is one of milliseconds */
    assert_int_equal(add(f, s, list, "bob@example.com"), 1);
    assert_int_equal(add(f, s, list, "BOB@example.com"), 0);
    assert_false(store_fixture_contains(f, "MARKER"));
    (void)store_blocklist_read_start(s, str_of(list), 0, 10, on_done, &o);
    assert_int_equal(finish(f, &o), 2);
    assert_true(json_has(json_array_get(o.rows, 0), "created"));
    expect_rows(&o, "recipient",
                (const char *[]){"bob@example.com", "MARKERann@example.com"}, 2);
    o = (struct outcome){0};
    (void)store_blocklist_read_start(s, str_of(list), 1, 1, on_done, &o);
    assert_int_equal(finish(f, &o), 2);
    expect_rows(&o, "recipient", (const char *[]){"MARKERann@example.com"}, 1);
    assert_int_equal(take_off(f, s, list, "Bob@Example.com"), 1);
    assert_int_equal(take_off(f, s, list, "bob@example.com"), 0);
    assert_int_equal(take_off(f, s, list, "MARKERann@example.com"), 1);
    assert_int_equal(store_fixture_key_count(f, "pr:{blocklist}*"), 0);
    store_fixture_close(f, &s);
}

static void lists_are_told_by_name_with_counts(void **state)
{
    struct store_fixture *f = *state;
    struct store *s = store_fixture_open(f, NODE_A);
    struct outcome o = {0};
    add(f, s, "b.example.com", "1@example.com");
    add(f, s, "b.example.com", "2@example.com");
    add(f, s, "a.example.com", "1@example.com");
    add(f, s, "c.example.com", "1@example.com");
    (void)store_blocklists_start(s, 0, 2, on_done, &o);
    assert_int_equal(finish(f, &o), 3);
    assert_int_equal(json_get_int(json_array_get(o.rows, 1), "count", 0), 2);
    expect_rows(&o, "listId", (const char *[]){"a.example.com", "b.example.com"}, 2);
    o = (struct outcome){0};
    (void)store_blocklists_start(s, 2, 2, on_done, &o);
    assert_int_equal(finish(f, &o), 3);
    expect_rows(&o, "listId", (const char *[]){"c.example.com"}, 1);
    o = (struct outcome){0};
    (void)store_blocklist_read_start(s, STR("none.example.com"), 0, 1, on_done, &o);
    assert_int_equal(finish(f, &o), 0);
    expect_rows(&o, "recipient", NULL, 0);
    store_fixture_close(f, &s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(recipients_come_once_and_go),
        cmocka_unit_test(lists_are_told_by_name_with_counts),
    };
    return cmocka_run_group_tests(tests, store_fixture_setup, store_fixture_teardown);
}
