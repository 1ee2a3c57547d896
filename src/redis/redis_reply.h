/* redis_reply: replies from bytes. hiredis' reader builds them, but it allocates what a
 * header claims; so a scanner sees every byte first and checks each header against the
 * caps below.
 * Shape    redis_decoder_feed takes bytes as they come, redis_decoder_next gives replies
 * Owner    a reply and its strings live in the arena that `next` filled
 * Limits   REDIS_REPLY_MAX bytes and REDIS_REPLY_ITEMS_MAX items a reply,
 *          REDIS_NESTING_MAX arrays deep, REDIS_LINE_MAX bytes a status or error line
 * Errors   REDIS_DECODE_BAD with ERR_LIMIT or ERR_PROTOCOL; the decoder is dead then. The
 *          replies before the bad byte are still given.
 * Spec     RESP2 */
#ifndef POSTRIDER_REDIS_REDIS_REPLY_H
#define POSTRIDER_REDIS_REDIS_REPLY_H

#include "postrider/base/arena.h"
#include "postrider/redis/redis.h"

enum {
    REDIS_NESTING_MAX = 8, /* hiredis 0.14 has room for that many */
    REDIS_REPLY_ITEMS_MAX = 1024 * 1024,
    REDIS_LINE_MAX = 64 * 1024
};

enum redis_decode {
    REDIS_DECODE_MORE,
    REDIS_DECODE_REPLY,
    REDIS_DECODE_BAD
};

struct redis_decoder;
struct redis_decoder *redis_decoder_new(void) ATTR_RETURNS_NONNULL;
void redis_decoder_free(struct redis_decoder **d);
void redis_decoder_feed(struct redis_decoder *d, const char *data, size_t len);
/* On REDIS_DECODE_REPLY the arena's former content is gone and it holds the reply. */
enum redis_decode redis_decoder_next(struct redis_decoder *d, struct arena *a,
                                     const struct redis_reply **reply_out,
                                     struct err *err);

#endif
