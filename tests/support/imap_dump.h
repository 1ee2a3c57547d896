/* imap_dump: what an imap_parser made of its input, as text that tests can compare.
 * Shape    one line per response, per beginning and per end of a streamed literal, and
 * one for the failure; members are printed only if they say something */
#ifndef POSTRIDER_TEST_IMAP_DUMP_H
#define POSTRIDER_TEST_IMAP_DUMP_H

#include "postrider/imap/imap_parser.h"

struct imap_dump_options {
    struct imap_limits limits;
    bool utf8;
    bool stream; /* take section literals as a stream */
    bool stop;   /* stop in every callback and go on feeding */
};

extern const struct imap_dump_options imap_dump_defaults;

/* How many bytes to feed next; 0 = all. state is the caller's. */
typedef size_t imap_dump_chunk(void *state);

/* Feeds the input in chunks and appends the dump. chunk may be NULL. */
void imap_dump(struct buf *out, struct str input, const struct imap_dump_options *options,
               imap_dump_chunk *chunk, void *state);
void imap_dump_structure(struct buf *out, const struct imap_structure *structure);
/* "absent" for NULL, else quoted, other than printable ASCII as \xNN. */
void imap_dump_str(struct buf *out, struct str s);

#endif
