/* Cursors of one log as text. */
#include "postrider/base/clock.h"
#include "postrider/changelog/cursor.h"
#include "postrider/json/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

static const struct store_acct acct = {.incarnation = "0123456789abcdef0123456789abcdef"};
static const struct store_acct later = {.incarnation =
                                            "f123456789abcdef0123456789abcdef"};

static bool parse(const struct store_acct *a, const char *text, char *id, bool *foreign)
{
    struct err err = {0};
    return changelog_cursor_parse(a, str_of(text), id, foreign, &err);
}

static void what_is_printed_is_read_again(void **state)
{
    (void)state;
    static const char *const ids[] = {"", "1-0", "1700000000000-0", "1700000000000-12",
                                      "18446744073709551615-18446744073709551615"};
    for (size_t i = 0; i < ARRAY_LEN(ids); i++) {
        char text[CHANGELOG_CURSOR_SIZE], id[STORE_ENTRY_ID_SIZE];
        bool foreign = true;
        changelog_cursor_format(&acct, ids[i], text);
        assert_true(parse(&acct, text, id, &foreign));
        assert_string_equal(id, ids[i]);
        assert_false(foreign);
        assert_true(parse(&later, text, id, &foreign));
        assert_true(foreign);
        assert_string_equal(id, "");
    }
}

static void a_bare_entry_id_is_a_cursor(void **state)
{
    (void)state;
    char id[STORE_ENTRY_ID_SIZE];
    bool foreign = true;
    assert_true(parse(&acct, "1700000000000-7", id, &foreign));
    assert_string_equal(id, "1700000000000-7");
    assert_false(foreign);
}

static void what_is_no_cursor_is_refused(void **state)
{
    (void)state;
    char whole[CHANGELOG_CURSOR_SIZE];
    changelog_cursor_format(&acct, "1700000000000-12", whole);
    char cut[CHANGELOG_CURSOR_SIZE], id[STORE_ENTRY_ID_SIZE] = "kept";
    bool foreign = true;
    for (size_t len = 0; len < strlen(whole); len++) {
        (void)snprintf(cut, sizeof cut, "%.*s", (int)len, whole);
        assert_false(parse(&acct, cut, id, &foreign));
    }
    static const char *const bad[] = {
        "-",     "1-",
        "1-2-3", "x",
        "AAAA",  "!!!",
        "now",   "AgEjRWcAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        assert_false(parse(&acct, bad[i], id, &foreign));
    }
    assert_string_equal(id, "kept");
    assert_true(foreign);
}

static void a_time_becomes_the_place_before_it(void **state)
{
    (void)state;
    char id[STORE_ENTRY_ID_SIZE];
    changelog_entry_before(0, id);
    assert_string_equal(id, "");
    changelog_entry_before(1700000000000, id);
    assert_true(store_entry_id_cmp(id, "1700000000000-0") < 0);
    assert_true(store_entry_id_cmp(id, "1699999999999-5000") > 0);
}

static void a_cursor_is_moved_only_to_where_something_may_be(void **state)
{
    (void)state;
    static const struct store_acct all = {0};
    struct store_acct mine = acct, another = later;
    mine.id = another.id = (char[]){"a"};
    char own[CHANGELOG_CURSOR_SIZE], id[STORE_ENTRY_ID_SIZE] = "kept";
    changelog_cursor_format(&acct, "1700000000000-12", own);
    const struct {
        const struct store_acct *acct;
        const char *text, *id, *says; /* id NULL: refused */
    } rows[] = {
        {&mine, own, "1700000000000-12", NULL},
        {&another, own, NULL, "not of this account"},
        {&all, own, NULL, "of one account"},
        {&all, "1700000000000-7", "1700000000000-7", NULL},
        {&mine, "nonsense", NULL, "not a cursor"},
        {&mine, "99999999999999-0", NULL, "future"},
        {&mine, "18446744073709551615-0", NULL, "future"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct err err = {0};
        bool ok = changelog_place_parse(rows[i].acct, str_of(rows[i].text), id, &err);
        assert_int_equal(ok, rows[i].id != NULL);
        if (ok) {
            assert_string_equal(id, rows[i].id);
        } else {
            assert_non_null(strstr(err.msg, rows[i].says));
        }
    }
    struct err err = {0};
    assert_true(changelog_place_of_time(clock_wall_ms(), id, &err));
    assert_true(changelog_place_of_time(-1, id, &err));
    assert_string_equal(id, "");
    assert_false(changelog_place_of_time(clock_wall_ms() + 3600 * 1000, id, &err));
    assert_string_equal(id, "");
}

static void a_damaged_entry_says_so(void **state)
{
    (void)state;
    struct log_entry entry = {.entry_id = "5-0", .event = {.type = EVENT_TYPE_COUNT}};
    const struct store_acct named = {.id = (char[]){"a"}, .incarnation = "00"};
    json_t *row = changelog_entry_json(&named, &entry);
    assert_true(json_get_bool(row, "unreadable", false));
    assert_false(json_has(row, "data"));
    assert_false(json_has(row, "event"));
    assert_string_equal(json_get_cstr(row, "entryId"), "5-0");
    json_decref(row);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_printed_is_read_again),
        cmocka_unit_test(a_bare_entry_id_is_a_cursor),
        cmocka_unit_test(what_is_no_cursor_is_refused),
        cmocka_unit_test(a_time_becomes_the_place_before_it),
        cmocka_unit_test(a_cursor_is_moved_only_to_where_something_may_be),
        cmocka_unit_test(a_damaged_entry_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
