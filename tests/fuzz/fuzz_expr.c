/* Any text as an expression. What compiles gives the same value each time it is evaluated,
 * or stops at a limit each time; the value is valid JSON; and who asks which members are
 * read gets an answer that holds: without them the value is the same. */
#include "postrider/base/check.h"
#include "postrider/expr/expr.h"
#include "postrider/json/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char root_text[] =
    "{\"account\":\"a\",\"event\":\"messageNew\",\"date\":\"2026-03-02T08:05:09.120Z\","
    "\"data\":{\"subject\":\"Z\\u00fcrich\",\"uid\":7,\"size\":1.5,\"unseen\":true,"
    "\"to\":[{\"address\":\"a@x.test\"},{\"name\":\"B\",\"address\":\"b@y.test\"}],"
    "\"flags\":[\"\\\\Seen\"],\"empty\":{},\"none\":null}}";

static void check_value(json_t *value)
{
    struct buf text = BUF_INIT(SIZE_MAX / 2);
    json_t *wrapped = json_pack("[O]", value);
    CHECK(wrapped != NULL && json_emit(wrapped, &text));
    json_decref(wrapped);
    buf_fini(&text);
}

static json_t *evaluated(const struct expr *e, json_t *root)
{
    struct err err = {0};
    json_t *value = NULL;
    CHECK(expr_eval(e, root, &value, &err) || err.code == ERR_LIMIT);
    return value;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct expr *e = NULL;
    struct err err = {0};
    struct str source = str_from(size > 0 ? (const char *)data : "", size);
    if (!expr_compile(source, &e, &err)) {
        CHECK(err.msg[0] != '\0');
        return 0;
    }
    json_t *root = json_loads(root_text, 0, NULL);
    json_t *same = json_deep_copy(root);
    json_t *first = evaluated(e, root), *second = evaluated(e, root);
    CHECK(json_equal(root, same));
    CHECK((first == NULL) == (second == NULL));
    if (first != NULL) {
        check_value(first);
        CHECK(json_equal(first, second));
        (void)expr_is_true(first);
    }
    if (!expr_reads(e, "data")) {
        json_object_del(same, "data");
        json_t *without = evaluated(e, same);
        CHECK((first == NULL) == (without == NULL));
        CHECK(first == NULL || json_equal(first, without));
        json_decref(without);
    }
    json_decref(first);
    json_decref(second);
    json_decref(same);
    json_decref(root);
    expr_free(&e);
    return 0;
}
