#include "imap_cases.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

enum {
    OUTPUT_MAX = 64 * 1024 * 1024,
    SPLITS = 8
};

static size_t one_byte(void *state)
{
    (void)state;
    return 1;
}

/* xorshift: the same splits in every run. */
static size_t random_chunk(void *state)
{
    uint32_t *x = state;
    *x ^= *x << 13;
    *x ^= *x >> 17;
    *x ^= *x << 5;
    return 1 + (*x % 3 == 0 ? *x / 3 % 5 : *x / 3 % 40);
}

static void compare(const struct buf *whole, struct str input,
                    const struct imap_dump_options *options, imap_dump_chunk *chunk,
                    void *state, const char *how)
{
    struct buf out = BUF_INIT(OUTPUT_MAX);
    imap_dump(&out, input, options, chunk, state);
    if (!str_eq(buf_str(&out), buf_str(whole))) {
        fail_msg("%s:\n%s\nwhole:\n%s", how, buf_c(&out), buf_c(whole));
    }
    buf_fini(&out);
}

struct buf imap_dump_all_ways(struct str input, const struct imap_dump_options *options,
                              const char *name)
{
    struct buf whole = BUF_INIT(OUTPUT_MAX);
    struct imap_dump_options stopping = *options;
    stopping.stop = true;
    (void)name;
    imap_dump(&whole, input, options, NULL, NULL);
    compare(&whole, input, options, one_byte, NULL, name);
    compare(&whole, input, &stopping, NULL, NULL, name);
    for (uint32_t seed = 1; seed <= SPLITS; seed++) {
        uint32_t state = seed * 2654435761u;
        compare(&whole, input, options, random_chunk, &state, name);
    }
    return whole;
}

void imap_cases_run(const struct imap_case *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct imap_case *c = &cases[i];
        struct imap_dump_options options = imap_dump_defaults;
        options.utf8 = c->utf8;
        options.stream = c->stream;
        size_t len = c->input_len > 0 ? c->input_len : strlen(c->input);
        struct buf out = imap_dump_all_ways(str_from(c->input, len), &options, c->name);
        if (!str_eq_c(buf_str(&out), c->expected)) {
            fail_msg("%s:\n  got      %s  expected %s", c->name, buf_c(&out),
                     c->expected);
        }
        buf_fini(&out);
    }
}
