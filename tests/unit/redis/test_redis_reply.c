#include "postrider/base/buf.h"
#include "redis_reply.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* A reply as text, one form for each value. */
static void print_reply(struct buf *out, const struct redis_reply *r)
{
    static const char *const names[] = {"nil", "int", "str", "status", "error", "array"};
    assert_true(buf_printf(out, "%s", names[r->type]));
    if (r->type == REDIS_INTEGER) {
        assert_true(buf_printf(out, " %lld", (long long)r->integer));
    } else if (r->type == REDIS_ARRAY) {
        assert_true(buf_printf(out, "[%zu:", r->count));
        for (size_t i = 0; i < r->count; i++) {
            print_reply(out, &r->items[i]);
        }
        assert_true(buf_put_c(out, "]"));
    } else if (r->type != REDIS_NIL) {
        assert_int_equal(r->str.ptr[r->str.len], '\0');
        assert_true(buf_printf(out, "(%.*s)", STR_ARG(r->str)));
    }
    assert_true(buf_put_c(out, ";"));
}

/* Everything the decoder gives, then the error if there is one. */
static void decode(struct str bytes, size_t step, struct buf *out)
{
    struct redis_decoder *d = redis_decoder_new();
    struct arena arena = {0};
    enum redis_decode got = REDIS_DECODE_MORE;
    for (size_t at = 0; at < bytes.len && got != REDIS_DECODE_BAD; at += step) {
        size_t n = bytes.len - at < step ? bytes.len - at : step;
        redis_decoder_feed(d, bytes.ptr + at, n);
        const struct redis_reply *reply = NULL;
        struct err err = {0};
        while ((got = redis_decoder_next(d, &arena, &reply, &err)) ==
               REDIS_DECODE_REPLY) {
            print_reply(out, reply);
        }
        if (got == REDIS_DECODE_BAD) {
            assert_true(err.msg[0] != '\0');
            assert_true(buf_printf(out, "!%s", err_code_name(err.code)));
        }
    }
    arena_fini(&arena);
    redis_decoder_free(&d);
}

static void assert_decodes(struct str bytes, const char *want)
{
    const size_t steps[] = {1, 2, 3, 7, SIZE_MAX / 2};
    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        struct buf got = BUF_INIT(1 << 20);
        decode(bytes, steps[i], &got);
        assert_string_equal(buf_c(&got), want);
        buf_fini(&got);
    }
}

static void values(void **state)
{
    (void)state;
    const struct {
        struct str bytes;
        const char *want;
    } cases[] = {
        {STR("+OK\r\n"), "status(OK);"},
        {STR("+\r\n"), "status();"},
        {STR("-ERR no\r\n"), "error(ERR no);"},
        {STR("+a\rb\r\r\n"), "status(a\rb\r);"},
        {STR(":42\r\n:-7\r\n"), "int 42;int -7;"},
        {STR("$-1\r\n"), "nil;"},
        {STR("*-1\r\n"), "nil;"},
        {STR("$0\r\n\r\n"), "str();"},
        {STR("$5\r\na\r\nbc\r\n+x\r\n"), "str(a\r\nbc);status(x);"},
        {STR("*0\r\n:1\r\n"), "array[0:];int 1;"},
        {STR("*3\r\n:1\r\n$1\r\nx\r\n*-1\r\n"), "array[3:int 1;str(x);nil;];"},
        {STR("*2\r\n*1\r\n*0\r\n*2\r\n:1\r\n-E\r\n+n\r\n"),
         "array[2:array[1:array[0:];];array[2:int 1;error(E);];];status(n);"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_decodes(cases[i].bytes, cases[i].want);
    }
}

static void broken_replies(void **state)
{
    (void)state;
    const struct {
        struct str bytes;
        const char *want;
    } cases[] = {
        {STR("%1\r\n"), "!protocol"},
        {STR("_\r\n"), "!protocol"},
        {STR("\0"), "!protocol"},
        {STR("+OK\r\nHTTP/1.1 400"), "status(OK);!protocol"},
        {STR(":x\r\n"), "!protocol"},
        {STR(":\r\n"), "!protocol"},
        {STR(":1 \r\n"), "!protocol"},
        {STR(":1\rx"), "!protocol"},
        {STR(":9223372036854775808\r\n"), "!protocol"},
        {STR(":0000000000000000000000000000000"), "!protocol"},
        {STR("$-2\r\n"), "!protocol"},
        {STR("*-2\r\n"), "!protocol"},
        {STR("$1\r\nxyz"), "!protocol"},
        {STR("$4294967296\r\n"), "!limit"},
        {STR("$67108865\r\n"), "!limit"},
        {STR("$9223372036854775807\r\n"), "!limit"},
        {STR("*4294967296\r\n"), "!limit"},
        {STR("*4294967297\r\n:1\r\n"), "!limit"},
        {STR("*9223372036854775807\r\n"), "!limit"},
        {STR("*1048577\r\n"), "!limit"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_decodes(cases[i].bytes, cases[i].want);
    }
}

static void item_counts_add_up_over_a_reply(void **state)
{
    (void)state;
    assert_decodes(STR("*2\r\n*600000\r\n"), "");
    assert_decodes(STR("*600000\r\n*600000\r\n"), "!limit");
    /* Each reply begins anew. */
    struct redis_decoder *d = redis_decoder_new();
    struct arena arena = {0};
    for (int i = 0; i < 2; i++) {
        const struct redis_reply *reply = NULL;
        struct err err = {0};
        redis_decoder_feed(d, "*600000\r\n", 9);
        for (int k = 0; k < 60000; k++) {
            redis_decoder_feed(
                d, ":1\r\n:2\r\n:3\r\n:4\r\n:5\r\n:6\r\n:7\r\n:8\r\n:9\r\n:0\r\n", 40);
        }
        assert_int_equal(redis_decoder_next(d, &arena, &reply, &err), REDIS_DECODE_REPLY);
        assert_int_equal(reply->count, 600000);
    }
    arena_fini(&arena);
    redis_decoder_free(&d);
}

static void nesting_is_limited(void **state)
{
    (void)state;
    assert_decodes(
        STR("*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n:1\r\n"),
        "array[1:array[1:array[1:array[1:array[1:array[1:array[1:array[1:int 1;"
        "];];];];];];];];");
    assert_decodes(STR("*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n"),
                   "!limit");
}

static void an_endless_line_ends(void **state)
{
    (void)state;
    struct buf line = BUF_INIT(1 << 20);
    assert_true(buf_put_c(&line, "-"));
    for (int i = 0; i <= REDIS_LINE_MAX; i++) {
        assert_true(buf_put_byte(&line, 'x'));
    }
    assert_decodes(buf_str(&line), "!limit");
    buf_fini(&line);
}

static void a_whole_reply_is_limited(void **state)
{
    (void)state;
    struct redis_decoder *d = redis_decoder_new();
    struct arena arena = {0};
    struct err err = {0};
    const struct redis_reply *reply = NULL;
    enum {
        PART = 32 * 1024 * 1024
    };
    char *part = malloc(PART);
    assert_non_null(part);
    memset(part, 'x', PART);
    redis_decoder_feed(d, "*3\r\n$33554432\r\n", 15);
    redis_decoder_feed(d, part, PART);
    redis_decoder_feed(d, "\r\n", 2);
    assert_int_equal(redis_decoder_next(d, &arena, &reply, &err), REDIS_DECODE_MORE);
    redis_decoder_feed(d, "$33554432\r\n", 11);
    assert_int_equal(redis_decoder_next(d, &arena, &reply, &err), REDIS_DECODE_BAD);
    assert_int_equal(err.code, ERR_LIMIT);
    free(part);
    arena_fini(&arena);
    redis_decoder_free(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values),
        cmocka_unit_test(broken_replies),
        cmocka_unit_test(item_counts_add_up_over_a_reply),
        cmocka_unit_test(nesting_is_limited),
        cmocka_unit_test(an_endless_line_ends),
        cmocka_unit_test(a_whole_reply_is_limited),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
