/* account_measure: how large the parts of messages are once their transfer encoding is off.
 * Shape    account_measuring  goes over an encoded part as it is read
 *          account_measures   what was found, of the parts measured last
 * Owner    the account; freed with it
 * Calls    pure, but for the memory */
#ifndef POSTRIDER_ACCOUNT_MEASURE_H
#define POSTRIDER_ACCOUNT_MEASURE_H

#include "postrider/base/str.h"

#include <stdbool.h>
#include <stdint.h>

struct account_measure {
    uint64_t bytes; /* decoded */
    /* base64 whose lines all have so many characters and end in CRLF, the last one aside;
     * 0 = it is something else, and can only be read from its beginning. */
    uint32_t line;
};

struct account_measuring {
    bool uneven, ended, cr;
    uint32_t line; /* characters of the first line; 0 = it has not ended yet */
    uint32_t at;   /* characters of the present line */
};

/* The next bytes of the part as it was sent. */
void account_measuring_feed(struct account_measuring *m, struct str data);
uint32_t account_measuring_line(const struct account_measuring *m);
/* Where in the encoded part the line begins that holds byte `first`; *skip_out: the bytes
 * before it that this line decodes to. */
uint64_t account_measure_seek(const struct account_measure *m, uint64_t first,
                              uint64_t *skip_out);

struct account_measures;
/* NULL: it was not measured, or long ago. */
const struct account_measure *account_measures_get(const struct account_measures *all,
                                                   uint32_t number, uint32_t uid,
                                                   struct str path);
void account_measures_put(struct account_measures **all, uint32_t number, uint32_t uid,
                          struct str path, const struct account_measure *m);
void account_measures_free(struct account_measures **all);

#endif
