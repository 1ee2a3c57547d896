/* Journals: bounded, sealed, read from either end. */
#include "store_fixture.h"

#include "postrider/store/store_journal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum {
    TEXT_MAX = 4096
};

struct outcome {
    bool done;
    struct err err;
    size_t count, total;
    char text[TEXT_MAX]; /* the entries, parted by spaces */
};

static void on_read(struct store_journal *op ATTR_UNUSED, const struct err *err,
                    const struct str *entries, size_t count, size_t total, void *ctx)
{
    struct outcome *o = ctx;
    size_t n = 0;
    o->done = true;
    o->err = *err;
    o->count = count;
    o->total = total;
    for (size_t i = 0; i < count; i++) {
        n += (size_t)snprintf(o->text + n, sizeof o->text - n, "%s%.*s", i > 0 ? " " : "",
                              STR_ARG(entries[i]));
    }
}

static void read_range(struct store_fixture *f, struct store *s, size_t first,
                       size_t count, bool newest_first, struct outcome *o)
{
    *o = (struct outcome){0};
    const struct store_journal_range range = {.kind = STORE_JOURNAL_TOKEN,
                                              .name = STR("MARKERname"),
                                              .first = first,
                                              .count = count,
                                              .newest_first = newest_first};
    (void)store_journal_read_start(s, &range, on_read, o);
    loop_fixture_run_until(f->loop, &o->done, STORE_FIXTURE_WAIT_MS);
    assert_int_equal(o->err.code, ERR_OK);
}

static void append(struct store *s, const char *entry, size_t keep)
{
    struct str text = str_of(entry);
    store_journal_append(s, STORE_JOURNAL_TOKEN, STR("MARKERname"), &text, 1, keep);
}

static void entries_are_read_from_either_end(void **state)
{
    struct store_fixture *f = *state;
    struct store *s = store_fixture_open(f, NODE_A);
    struct outcome o;
    const struct str more[] = {STR("three"), STR("four"), STR("MARKERfive")};
    read_range(f, s, 0, 10, true, &o);
    assert_int_equal(o.total, 0);
    append(s, "one", 100);
    append(s, "two", 100);
    store_journal_append(s, STORE_JOURNAL_TOKEN, STR("MARKERname"), more, ARRAY_LEN(more),
                         100);
    static const struct {
        size_t first, count;
        bool newest_first;
        const char *text;
    } cases[] = {
        {0, 10, false, "one two three four MARKERfive"},
        {1, 2, false, "two three"},
        {5, 2, false, ""},
        {0, 2, true, "MARKERfive four"},
        {2, 2, true, "three two"},
        {4, 2, true, "one"},
        {6, 2, true, ""},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        read_range(f, s, cases[i].first, cases[i].count, cases[i].newest_first, &o);
        assert_string_equal(o.text, cases[i].text);
        assert_int_equal(o.total, 5);
    }
    assert_false(store_fixture_contains(f, "MARKER"));
    store_fixture_close(f, &s);
}

static void the_oldest_make_room(void **state)
{
    struct store_fixture *f = *state;
    struct store *s = store_fixture_open(f, NODE_A);
    struct outcome o;
    static const char *const words[] = {"a", "b", "c", "d", "e"};
    store_journal_delete(s, STORE_JOURNAL_TOKEN, STR("MARKERname"));
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        append(s, words[i], 3);
    }
    read_range(f, s, 0, 10, false, &o);
    assert_string_equal(o.text, "c d e");
    append(s, "f", 0); /* keeps nothing */
    read_range(f, s, 0, 10, false, &o);
    assert_int_equal(o.total, 0);
    store_fixture_close(f, &s);
}

static void what_is_too_long_is_left_out(void **state)
{
    struct store_fixture *f = *state;
    struct store *s = store_fixture_open(f, NODE_A);
    struct outcome o;
    size_t len = STORE_JOURNAL_ENTRY_MAX + 1;
    char *text = calloc(1, len + 1);
    assert_non_null(text);
    memset(text, 'x', len);
    append(s, text, 10);
    append(s, "short", 10);
    read_range(f, s, 0, 10, false, &o);
    assert_string_equal(o.text, "short");
    free(text);
    store_fixture_close(f, &s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(entries_are_read_from_either_end),
        cmocka_unit_test(the_oldest_make_room),
        cmocka_unit_test(what_is_too_long_is_left_out),
    };
    return cmocka_run_group_tests(tests, store_fixture_setup, store_fixture_teardown);
}
