/* fuzz_imap_parser: a server's bytes.
 * Input    4 bytes of options and seed, then the stream
 * Property the dump of everything delivered (which reads every string) is the same for the
 *          stream fed whole, stopped in every callback, and split by the seed; memory
 *          stays within what the limits allow (checked by the dump) */
#include "imap_dump.h"

#include "postrider/base/check.h"

enum {
    HEAD_LEN = 4,
    OUTPUT_MAX = 256 * 1024 * 1024
};

enum option {
    OPTION_STREAM = 1 << 0,
    OPTION_UTF8 = 1 << 1,
    OPTION_TIGHT = 1 << 2
};

static const struct imap_limits tight = {.line_max = 512,
                                         .literal_max = 64,
                                         .total_max = 1024,
                                         .depth_max = 5,
                                         .nodes_max = 60};

static size_t seeded_chunk(void *state)
{
    uint32_t *x = state;
    *x = *x * 1664525u + 1013904223u;
    return 1 + (*x >> 16) % 23;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < HEAD_LEN) {
        return 0;
    }
    struct imap_dump_options options = imap_dump_defaults;
    options.stream = (data[0] & OPTION_STREAM) != 0;
    options.utf8 = (data[0] & OPTION_UTF8) != 0;
    options.limits = data[0] & OPTION_TIGHT ? tight : options.limits;
    uint32_t seed = (uint32_t)data[1] << 16 | (uint32_t)data[2] << 8 | data[3];
    struct str input = str_from(data + HEAD_LEN, size - HEAD_LEN);
    struct buf whole = BUF_INIT(OUTPUT_MAX), split = BUF_INIT(OUTPUT_MAX);
    imap_dump(&whole, input, &options, NULL, NULL);
    imap_dump(&split, input, &options, seeded_chunk, &seed);
    CHECK(str_eq(buf_str(&whole), buf_str(&split)));
    buf_clear(&split);
    options.stop = true;
    imap_dump(&split, input, &options, NULL, NULL);
    CHECK(str_eq(buf_str(&whole), buf_str(&split)));
    buf_fini(&whole);
    buf_fini(&split);
    return 0;
}
