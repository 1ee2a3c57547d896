/* redis_url: where a Redis is, from its URL.
 * Shape    redis://[user[:password]@]host[:port][/db], rediss:// the same over TLS,
 *          unix://[user[:password]@]/path[?db=n]; user and password percent-encoded; a
 *          lone part before "@" without ":" is the user
 * Owner    the strings live in the arena given
 * Errors   ERR_CONFIG; messages never repeat the URL, it may hold a password */
#ifndef POSTRIDER_REDIS_REDIS_URL_H
#define POSTRIDER_REDIS_REDIS_URL_H

#include "postrider/base/arena.h"
#include "postrider/base/err.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    REDIS_PORT = 6379,
    REDIS_URL_MAX = 4096,
    REDIS_DB_MAX = 65535
};

struct redis_address {
    const char *host; /* NULL with path */
    uint16_t port;
    const char *path; /* of a unix socket */
    const char *user; /* NULL when not given */
    const char *password;
    uint32_t db;
    bool tls;
};

bool redis_url_parse(const char *url, struct arena *a, struct redis_address *out,
                     struct err *err);

#endif
