/* Property: replies are the same whether the bytes come whole or in pieces, stay within the
 * limits, and what was decoded decodes to the same again when it is written out. */
#include "redis/redis_reply.h"

#include "postrider/base/buf.h"
#include "postrider/base/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
    TEXT_MAX = 64 * 1024 * 1024
};

struct level {
    const struct redis_reply *items;
    size_t left;
};

static void put_one(struct buf *out, const struct redis_reply *r)
{
    switch (r->type) {
    case REDIS_NIL:
        CHECK(buf_put_c(out, "$-1\r\n"));
        return;
    case REDIS_INTEGER:
        CHECK(buf_printf(out, ":%lld\r\n", (long long)r->integer));
        return;
    case REDIS_STRING:
        CHECK(buf_printf(out, "$%zu\r\n", r->str.len) && buf_put_str(out, r->str) &&
              buf_put_c(out, "\r\n"));
        return;
    case REDIS_STATUS:
    case REDIS_ERROR:
        CHECK(r->str.len <= REDIS_LINE_MAX);
        CHECK(buf_put_c(out, r->type == REDIS_ERROR ? "-" : "+") &&
              buf_put_str(out, r->str) && buf_put_c(out, "\r\n"));
        return;
    case REDIS_ARRAY:
        CHECK(r->count <= REDIS_REPLY_ITEMS_MAX);
        CHECK(buf_printf(out, "*%zu\r\n", r->count));
        return;
    }
}

static void put_reply(struct buf *out, const struct redis_reply *reply)
{
    struct level stack[REDIS_NESTING_MAX + 1] = {{reply, 1}};
    size_t depth = 1;
    while (depth > 0) {
        struct level *top = &stack[depth - 1];
        if (top->left == 0) {
            depth--;
            continue;
        }
        const struct redis_reply *r = top->items++;
        top->left--;
        put_one(out, r);
        if (r->type == REDIS_ARRAY && r->count > 0) {
            CHECK(depth < ARRAY_LEN(stack));
            stack[depth++] = (struct level){r->items, r->count};
        }
    }
}

/* The replies written out; false if the bytes were refused at some point. */
static bool decode(struct str bytes, size_t step, struct buf *out)
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
            put_reply(out, reply);
        }
        CHECK((got == REDIS_DECODE_BAD) == (err.code != ERR_OK));
    }
    arena_fini(&arena);
    redis_decoder_free(&d);
    return got != REDIS_DECODE_BAD;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf whole = BUF_INIT(TEXT_MAX);
    struct buf again = BUF_INIT(TEXT_MAX);
    struct str input = str_from(data, size);
    bool good = decode(input, size + 1, &whole);
    const size_t steps[] = {1, 7};
    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        CHECK(decode(input, steps[i], &again) == good);
        CHECK(str_eq(buf_str(&whole), buf_str(&again)));
        buf_clear(&again);
    }
    CHECK(decode(buf_str(&whole), whole.len + 1, &again));
    CHECK(str_eq(buf_str(&whole), buf_str(&again)));
    buf_fini(&whole);
    buf_fini(&again);
    return 0;
}
