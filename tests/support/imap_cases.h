/* A table of server bytes and what the parser must make of them; every case runs whole,
 * byte by byte, in random splits, and stopped in every callback. */
#ifndef POSTRIDER_TEST_IMAP_CASES_H
#define POSTRIDER_TEST_IMAP_CASES_H

#include "imap_dump.h"

struct imap_case {
    const char *name;
    const char *input;
    const char *expected;
    bool utf8;
    bool stream;
    size_t input_len; /* 0 = a C string */
};

void imap_cases_run(const struct imap_case *cases, size_t count);
/* The dump must be the same for every chunking; returns that of the whole, which is the
 * caller's (buf_fini). */
struct buf imap_dump_all_ways(struct str input, const struct imap_dump_options *options,
                              const char *name);

#endif
