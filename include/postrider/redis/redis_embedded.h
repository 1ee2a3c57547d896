/* redis_embedded: the private redis-server of a node that was given no Redis.
 * Shape    a small supervisor process, forked before the loop and its threads exist, starts
 *          redis-server on a unix socket in the data directory (append-only file, fsync
 *          every second, noeviction, no TCP port), starts it again with backoff when it
 *          dies, and ends it by SIGTERM when the daemon exits or dies
 * Owner    the app; redis_embedded_stop ends server and supervisor
 * Calls    redis_embedded_start blocks briefly and comes before the loop and before any
 *          thread; data_dir_lock comes before it. The client then connects by its own
 *          retries.
 * Limits   a socket path of 107 bytes; where <data dir>/redis.sock is longer, the socket
 *          is in a private directory of the runtime directory, whose name is derived from
 *          the data directory
 * Errors   ERR_CONFIG: redis-server is not installed, the directory cannot be used, or
 *          another process holds it */
#ifndef POSTRIDER_REDIS_REDIS_EMBEDDED_H
#define POSTRIDER_REDIS_REDIS_EMBEDDED_H

#include "postrider/base/err.h"

#include <stdbool.h>
#include <stddef.h>

enum {
    REDIS_EMBEDDED_URL_SIZE = 320
};

/* Makes the directory (0700) if it is missing, and takes its lock for this process.
 * Closing *fd_out gives it back. ERR_CONFIG when another process holds it. */
bool data_dir_lock(const char *dir, int *fd_out, struct err *err);

struct redis_embedded;
/* A server that survived an earlier daemon in this directory is adopted. url_out: what to
 * give redis_new. NULL with err on failure. */
struct redis_embedded *redis_embedded_start(const char *data_dir, char *url_out,
                                            size_t url_size, struct err *err);
/* The URL of the server that a daemon with this data directory runs, for other programs of
 * ours; starts nothing. */
bool redis_embedded_url(const char *data_dir, char *url_out, size_t url_size,
                        struct err *err);
/* Waits (at most 10 s) until the server has written its data and ended. */
void redis_embedded_stop(struct redis_embedded **e);

#endif
