/* redis_fixture: a private redis-server for a test, in a directory of its own.
 * Owner    the test; redis_fixture_free kills the server and removes the directory. The
 *          server also dies with the test program.
 * Note     without redis-server on this machine the test is skipped, or fails when the
 *          variable CI is set */
#ifndef POSTRIDER_TESTS_REDIS_FIXTURE_H
#define POSTRIDER_TESTS_REDIS_FIXTURE_H

#include "postrider/base/attr.h"

#include <stdbool.h>

struct redisReply;
struct redis_fixture;

struct redis_fixture_options {
    const char *password; /* requirepass */
    bool tcp;             /* listens on a loopback port too */
    const char *tls_cert; /* with key and CA: a TLS port too (PEM files) */
    const char *tls_key;
    const char *tls_ca;
    const char *const *arguments; /* more of them for redis-server, NULL-terminated */
};

/* NULL options: no password, unix socket only, no persistence. Waits until it answers. */
struct redis_fixture *
redis_fixture_start(const struct redis_fixture_options *options) ATTR_RETURNS_NONNULL;
void redis_fixture_free(struct redis_fixture **f);

/* What redis_new takes: unix://…, redis://127.0.0.1:…, rediss://127.0.0.1:…; with the
 * password in them. NULL for a port that was not asked for. */
const char *redis_fixture_url(const struct redis_fixture *f);
const char *redis_fixture_tcp_url(const struct redis_fixture *f);
const char *redis_fixture_tls_url(const struct redis_fixture *f);

/* SIGKILL, and waits; the files stay. */
void redis_fixture_kill(struct redis_fixture *f);
/* Starts it again at the same addresses. */
void redis_fixture_restart(struct redis_fixture *f);
/* SIGSTOP and SIGCONT. */
void redis_fixture_pause(struct redis_fixture *f, bool paused);

/* One command on a blocking side connection (hiredis format). The caller frees the reply
 * with freeReplyObject; the test fails when there is none. */
struct redisReply *redis_fixture_command(struct redis_fixture *f, const char *format,
                                         ...);
/* The same, the reply is not wanted. */
void redis_fixture_run(struct redis_fixture *f, const char *format, ...);

#endif
