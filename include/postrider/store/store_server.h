/* store_server: what the Redis server says of itself.
 * Owner    the answer is borrowed until the callback returns
 * Calls    loop thread
 * Errors   store.h's */
#ifndef POSTRIDER_STORE_STORE_SERVER_H
#define POSTRIDER_STORE_STORE_SERVER_H

#include "postrider/store/store.h"

struct store_server_info {
    const char *version;  /* "7.0.15"; "" if it does not say */
    const char *software; /* "redis", "valkey" … */
    bool cluster;
    int64_t ping_us; /* round trip */
};

struct store_server;
typedef void store_server_cb(struct store_server *op, const struct err *err,
                             const struct store_server_info *info, void *ctx);
struct store_server *store_server_start(struct store *s, store_server_cb *cb,
                                        void *ctx) ATTR_RETURNS_NONNULL;
void store_server_cancel(struct store_server *op);

#endif
