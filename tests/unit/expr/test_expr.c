/* What expressions give, what they refuse with which words, and where they stop. */
#include "postrider/expr/expr.h"

#include "postrider/base/mem.h"
#include "postrider/json/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const char event_text[] =
    "{\"account\":\"demo\",\"event\":\"messageNew\",\"path\":\"INBOX\",\"n\":0,"
    "\"data\":{\"id\":\"AAAA\",\"uid\":7,\"subject\":\"Invoice 42 – Zürich\","
    "\"from\":{\"name\":\"Ann\",\"address\":\"ann@example.com\"},\"size\":1500.5,"
    "\"to\":[{\"address\":\"a@x.test\"},{\"address\":\"b@y.test\",\"name\":\"B\"}],"
    "\"flags\":[\"\\\\Seen\",\"$Work\"],\"unseen\":true,\"draft\":false,"
    "\"headers\":{\"list-id\":[\"<l.test>\"]},\"date\":\"2026-03-02T08:05:09.120Z\"}}";

static const struct {
    const char *source, *expected;
} values[] = {
    /* literals */
    {"null", "null"},
    {"true", "true"},
    {"-12", "-12"},
    {"1.5", "1.5"},
    {"'it\\'s \"so\"\\n'", "\"it's \\\"so\\\"\\n\""},
    {"\"\"", "\"\""},
    {"[]", "[]"},
    {"{}", "{}"},
    {"[1, 'a', [true]]", "[1,\"a\",[true]]"},
    {"{a: 1, 'b-c': {d: []}, a: 2}", "{\"a\":2,\"b-c\":{\"d\":[]}}"},
    /* paths */
    {"account", "\"demo\""},
    {"$.account", "\"demo\""},
    {"data.from.address", "\"ann@example.com\""},
    {"data['from']['name']", "\"Ann\""},
    {"data.headers['list-id'][0]", "\"<l.test>\""},
    {"data.to[1].name", "\"B\""},
    {"data.to[-1].address", "\"b@y.test\""},
    {"data.to[2]", "null"},
    {"data.to[-3]", "null"},
    {"data.to.address", "[\"a@x.test\",\"b@y.test\"]"},
    {"data.to.name", "[\"B\"]"},
    {"missing.and.not.there", "null"},
    {"account.sub", "null"},
    {"account[0]", "null"},
    {"data[data.missing]", "null"},
    {"{not: data}.not.uid", "7"},
    {"[1, 2, 3][1]", "2"},
    /* logic */
    {"data.unseen and data.uid", "7"},
    {"data.draft or 'x'", "\"x\""},
    {"data.unseen && !data.draft || false", "true"},
    {"not data.unseen == true", "false"},
    {"!(data.uid == 8)", "true"},
    {"not not 1", "true"},
    {"true or missing.x", "true"},
    {"false and 1 or 2", "2"},
    {"1 or 2 and false", "1"},
    {"[not null, not 0, not '', not [], not {}, not 0.0]",
     "[true,true,true,true,true,true]"},
    /* comparisons */
    {"data.uid == 7.0", "true"},
    {"data.uid != '7'", "true"},
    {"data.size > 1500 and data.size <= 1500.5", "true"},
    {"data.date >= '2026-03-01'", "true"},
    {"'a' < 'b'", "true"},
    {"1 < 'b'", "false"},
    {"missing == null", "true"},
    {"data.unseen == true", "true"},
    {"data == data", "false"},
    {"null < 1", "false"},
    /* conditionals */
    {"data.unseen ? 'new' : 'old'", "\"new\""},
    {"data.draft ? 1 : data.unseen ? 2 : 3", "2"},
    {"data.draft ? 1 : data.unseen ? false ? 4 : 5 : 3", "5"},
    {"(n ? data : $).account", "\"demo\""},
    {"[n ? 1 : 2, n ? 3 : 4]", "[2,4]"},
    {"{a: n == 0 ? 'zero' : 'some', b: 1}", "{\"a\":\"zero\",\"b\":1}"},
    /* functions */
    {"lower('ABC Ä')", "\"abc Ä\""},
    {"upper(data.from.name)", "\"ANN\""},
    {"trim('  a b ')", "\"a b\""},
    {"lower(1)", "null"},
    {"length('Zürich')", "6"},
    {"[length([1,2]), length({a:1}), length(null), length('')]", "[2,1,0,0]"},
    {"substring('Zürich', 1, 2)", "\"ür\""},
    {"substring('Zürich', -3)", "\"ich\""},
    {"[substring('abc', 9), substring('abc', 0, -1), substring('abc', -9, 2)]",
     "[\"\",\"\",\"ab\"]"},
    {"substring('abc', 'x')", "null"},
    {"concat('a', 1, true, null, [1], 1.5)", "\"a1true1.5\""},
    {"split('a, b,c', ',')", "[\"a\",\" b\",\"c\"]"},
    {"split('', ',')", "[\"\"]"},
    {"split('a', '')", "null"},
    {"join(['a', 1, null, [], 'b'], '-')", "\"a-1-b\""},
    {"join('a', '-')", "null"},
    {"contains(data.subject, 'Invoice')", "true"},
    {"contains(data.to.address, 'b@y.test')", "true"},
    {"contains(data.to.address, 'y.test')", "false"},
    {"contains([1, 2], 2)", "true"},
    {"contains(null, 'a')", "false"},
    {"startsWith(data.subject, 'Inv') and endsWith(data.subject, 'rich')", "true"},
    {"endsWith(data.to.address, '@y.test')", "true"},
    {"matches(data.from.address, '*@example.com')", "true"},
    {"matches(data.subject, 'Inv*42*')", "true"},
    {"matches(data.subject, 'Inv*43*')", "false"},
    {"matches('aXbXc', 'a*b*c')", "true"},
    {"matches('abc', 'abc')", "true"},
    {"matches('ab', 'ab*b')", "false"},
    {"matches('', '*')", "true"},
    {"default(missing, null, 3)", "3"},
    {"[string(5), string(true), string([])]", "[\"5\",\"true\",null]"},
    {"[number(' 42 '), number('x'), number(1.5)]", "[42,null,1.5]"},
    {"merge({a: 1}, null, {b: 2, a: 3})", "{\"a\":3,\"b\":2}"},
    {"omit({a: 1, b: 2}, 'a', 'c')", "{\"b\":2}"},
    {"omit(5, 'a')", "null"},
    {"date(data.date)", "\"2026-03-02\""},
    {"date(data.date, '%d.%m.%Y %H:%M:%S.%L %s %% %q')",
     "\"02.03.2026 08:05:09.120 1772438709 % %q\""},
    {"date(0, '%Y')", "\"1970\""},
    {"date('never')", "null"},
};

static json_t *parsed(const char *text)
{
    json_t *value = json_loads(text, JSON_DECODE_ANY, NULL);
    assert_non_null(value);
    return value;
}

static struct expr *compiled(const char *source)
{
    struct expr *e = NULL;
    struct err err = {0};
    if (!expr_compile(str_of(source), &e, &err)) {
        fail_msg("%s: %s", source, err.msg);
    }
    return e;
}

static void values_are_as_the_reference_says(void **state ATTR_UNUSED)
{
    json_t *event = parsed(event_text);
    for (size_t i = 0; i < ARRAY_LEN(values); i++) {
        struct expr *e = compiled(values[i].source);
        struct err err = {0};
        json_t *got = NULL, *expected = parsed(values[i].expected);
        assert_true(expr_eval(e, event, &got, &err));
        if (!json_equal(got, expected)) {
            char *text = json_dumps(got, JSON_COMPACT | JSON_ENCODE_ANY);
            fail_msg("%s gives %s", values[i].source, text);
        }
        json_decref(got);
        json_decref(expected);
        expr_free(&e);
        assert_null(e);
    }
    json_decref(event);
}

static const struct {
    const char *source, *message;
} mistakes[] = {
    {"", "line 1, column 1: expected a value"},
    {"data.", "line 1, column 6: expected a name behind the dot"},
    {"data.'a'", "line 1, column 6: expected a name behind the dot"},
    {"a and\n  b or", "line 2, column 7: expected a value"},
    {"'ü' = 1",
     "line 1, column 5: this character has no meaning here (texts need quotes, "
     "= is written ==)"},
    {"'abc", "line 1, column 1: the text has no closing quote"},
    {"'a\\x'", "line 1, column 3: a backslash takes one of n r t \\ \" ' behind it"},
    {"a b", "line 1, column 3: expected an operator"},
    {"a 5", "line 1, column 3: expected an operator"},
    {"(a", "line 1, column 1: this bracket is not closed"},
    {"a)", "line 1, column 2: this bracket closes nothing"},
    {"(a]", "line 1, column 3: this bracket closes nothing"},
    {"()", "line 1, column 2: expected a value"},
    {"a[]", "line 1, column 3: expected a value"},
    {"[1,]", "line 1, column 4: expected a value"},
    {"{a:}", "line 1, column 4: expected a value"},
    {"[{'a': }]", "line 1, column 8: expected a value"},
    {"{a}", "line 1, column 3: expected : behind the key"},
    {"{1: 2}", "line 1, column 2: expected a name or a text in quotes as the key"},
    {"a ? b", "line 1, column 3: this ? has no :"},
    {"(a ? b)", "line 1, column 7: expected : and another value for this ?"},
    {"a : b", "line 1, column 3: there is no ? for this :"},
    {"a, b", "line 1, column 2: a comma has no meaning here"},
    {"a[1, 2]", "line 1, column 4: a comma has no meaning here"},
    {"1 < 2 < 3", "line 1, column 7: comparisons need parentheses or `and` between them"},
    {"evil('x')", "line 1, column 1: there is no function evil"},
    {"lower()", "line 1, column 6: lower takes 1 to 1 arguments, not 0"},
    {"99999999999999999999", "line 1, column 1: the number is too large"},
};

static void mistakes_are_named_with_their_place(void **state ATTR_UNUSED)
{
    for (size_t i = 0; i < ARRAY_LEN(mistakes); i++) {
        struct expr *e = NULL;
        struct err err = {0};
        assert_false(expr_compile(str_of(mistakes[i].source), &e, &err));
        assert_null(e);
        assert_int_equal(err.code, ERR_INVALID);
        assert_string_equal(err.msg, mistakes[i].message);
    }
}

static char *repeated(const char *text, size_t times, const char *end)
{
    struct buf b = BUF_INIT(1 << 20);
    for (size_t i = 0; i < times; i++) {
        (void)buf_put_c(&b, text);
    }
    (void)buf_put_c(&b, end);
    return buf_take(&b, NULL);
}

static void texts_that_are_too_long_or_deep_are_refused(void **state ATTR_UNUSED)
{
    static const struct {
        const char *text;
        size_t times;
        const char *end;
        enum err_code code;
    } rows[] = {
        {"(", EXPR_DEPTH_MAX + 1, "1", ERR_INVALID},
        {"not ", EXPR_DEPTH_MAX + 1, "1", ERR_INVALID},
        {"a ? b : ", EXPR_DEPTH_MAX + 1, "1", ERR_INVALID},
        {"1 or ", 1000, "1", ERR_OK},
        {"a.", 1000, "b", ERR_OK},
        {" ", EXPR_SOURCE_MAX, "1", ERR_TOO_LARGE},
        {"[1,", 1, "1\xff]", ERR_INVALID},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char *source = repeated(rows[i].text, rows[i].times, rows[i].end);
        struct expr *e = NULL;
        struct err err = {0};
        bool ok = expr_compile(str_of(source), &e, &err);
        assert_int_equal(ok ? ERR_OK : err.code, rows[i].code);
        expr_free(&e);
        mem_free(source);
    }
    char *items = repeated("1,", 3000, "1]");
    struct buf source = BUF_INIT(EXPR_SOURCE_MAX);
    struct expr *e = NULL;
    (void)buf_printf(&source, "[%s", items);
    assert_false(expr_compile(buf_str(&source), &e, NULL));
    buf_fini(&source);
    mem_free(items);
}

/* The text of the root member `t` is that long, the list `l` has as many items. */
static json_t *big_root(size_t n)
{
    char *text = repeated("ab", n / 2, "");
    json_t *root = json_pack("{s:s, s:[]}", "t", text, "l");
    for (size_t i = 0; i < n; i++) {
        json_push(json_object_get(root, "l"), json_pack("{s:i}", "v", (int)i));
    }
    mem_free(text);
    return root;
}

static void work_and_output_are_bounded(void **state ATTR_UNUSED)
{
    static const char *const sources[] = {
        "concat(t, t, t, t, t)",
        "join([t, t, t, t, t], t)",
        "upper(concat(t, t, t))",
        "split(t, 'b')",
        "[l.v, l.v]",
        "[contains(t, 'x'), contains(t, 'x'), contains(t, 'x'), matches(t, '*x*y*')] and "
        "contains(l, 'x')",
    };
    json_t *root = big_root(400 * 1000);
    for (size_t i = 0; i < ARRAY_LEN(sources); i++) {
        struct expr *e = compiled(sources[i]);
        struct err err = {0};
        json_t *out = NULL;
        assert_false(expr_eval(e, root, &out, &err));
        assert_null(out);
        assert_int_equal(err.code, ERR_LIMIT);
        expr_free(&e);
    }
    json_decref(root);
}

static void reads_tells_which_members_matter(void **state ATTR_UNUSED)
{
    static const struct {
        const char *source;
        bool reads_data;
    } rows[] = {
        {"account == 'a' and path == 'INBOX'", false},
        {"event == 'data'", false},
        {"data.id", true},
        {"$.data", true},
        {"$.path", false},
        {"$", true},
        {"$['path']", true},
        {"merge($, {a: 1})", true},
        {"{data: 1}.data", false},
        {"(path ? $ : account).event", true},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct expr *e = compiled(rows[i].source);
        if (expr_reads(e, "data") != rows[i].reads_data) {
            fail_msg("%s", rows[i].source);
        }
        expr_free(&e);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_as_the_reference_says),
        cmocka_unit_test(mistakes_are_named_with_their_place),
        cmocka_unit_test(texts_that_are_too_long_or_deep_are_refused),
        cmocka_unit_test(work_and_output_are_bounded),
        cmocka_unit_test(reads_tells_which_members_matter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
