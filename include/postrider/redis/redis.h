/* redis: a Redis client over our stream: pipelined commands with ordered replies.
 * Shape    struct redis      one connection that reconnects by itself, with backoff
 *              down ──connect──► handshake (AUTH, SELECT, policy check) ──► ready
 *               ▲────────────────── any failure, 100 ms … 5 s ───────────────┘
 *          struct redis_cmd  operation: one command
 * Owner    commands copy their arguments; a reply is borrowed until the callback returns
 * Calls    loop thread. Output of one turn is gathered and written once, before the loop
 *          sleeps.
 * Limits   REDIS_REPLY_MAX bytes a reply, nesting 8, REDIS_QUEUE_MAX commands waiting
 * Errors   ERR_STORE_DOWN when not ready (at once if it was never sent: safe to repeat)
 *          or when the connection broke before the reply (then `maybe_executed` holds);
 *          ERR_STORE_REPLY with peer_code = first word (OOM, NOSCRIPT …); ERR_TIMEOUT
 *          (the connection is dropped: replies would be out of step); ERR_STORE_POLICY
 *          when maxmemory-policy evicts
 * Spec     RESP2; a server is asked for nothing that needs RESP3 */
#ifndef POSTRIDER_REDIS_REDIS_H
#define POSTRIDER_REDIS_REDIS_H

#include "postrider/base/err.h"
#include "postrider/base/str.h"
#include "postrider/net/net.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    REDIS_REPLY_MAX = 64 * 1024 * 1024,
    REDIS_QUEUE_MAX = 100000,
    REDIS_DEADLINE_MS = 5000 /* what callers use unless they know better */
};

struct redis_config {
    const char
        *url; /* redis://[user:pass@]host[:port][/db], rediss://…, unix://path[?db=n] */
    const char *ca_file; /* for rediss, or NULL */
    bool tls_insecure;
    bool allow_eviction; /* go on although maxmemory-policy evicts */
};

enum redis_state {
    REDIS_STATE_DOWN,
    REDIS_STATE_CONNECTING,
    REDIS_STATE_HANDSHAKE,
    REDIS_STATE_READY
};
const char *redis_state_name(enum redis_state state);

struct redis;
/* Checks the URL; false with ERR_CONFIG. */
bool redis_url_check(const char *url, struct err *err);
/* Starts connecting at once. The config is copied. NULL with ERR_CONFIG for a bad URL. */
struct redis *redis_new(struct net *net, const struct redis_config *config,
                        struct err *err);
/* Waiting commands end with ERR_CANCELED. */
void redis_free(struct redis **r);
enum redis_state redis_state_get(const struct redis *r);
/* Bytes of commands not yet in the hands of the kernel. */
size_t redis_waiting_bytes(const struct redis *r);
/* Why it is not ready; ERR_OK when it is. */
const struct err *redis_last_err(const struct redis *r);
/* Called at every change between ready and not ready. */
typedef void redis_state_cb(struct redis *r, enum redis_state state,
                            const struct err *err, void *ctx);
void redis_set_state_cb(struct redis *r, redis_state_cb *cb, void *ctx);

enum redis_type {
    REDIS_NIL,
    REDIS_INTEGER,
    REDIS_STRING,
    REDIS_STATUS,
    REDIS_ERROR,
    REDIS_ARRAY
};

struct redis_reply {
    enum redis_type type;
    int64_t integer;
    struct str str; /* string, status and error; terminated */
    size_t count;
    const struct redis_reply *items;
};

struct redis_cmd;
/* reply is NULL when err is set; a Redis error reply arrives as err. */
typedef void redis_cb(struct redis_cmd *cmd, const struct err *err,
                      const struct redis_reply *reply, void *ctx);

struct redis_cmd *redis_cmd_start(struct redis *r, size_t argc, const struct str *argv,
                                  int64_t deadline_ms, redis_cb *cb,
                                  void *ctx) ATTR_RETURNS_NONNULL;
/* Formatted by hiredis: %s, %b (pointer, size_t), %lld … */
struct redis_cmd *redis_cmdf_start(struct redis *r, int64_t deadline_ms, redis_cb *cb,
                                   void *ctx, const char *format,
                                   ...) ATTR_RETURNS_NONNULL;
void redis_cmd_cancel(struct redis_cmd *cmd);
/* After ERR_STORE_DOWN or ERR_TIMEOUT: the command may have been executed. */
bool redis_cmd_maybe_executed(const struct redis_cmd *cmd);

/* A Lua script, embedded by the build from src/store/lua. Called by SHA, loaded on
 * NOSCRIPT. */
struct redis_script {
    const char *name;
    const char *source;
    size_t source_len;
};
struct redis_cmd *redis_script_start(struct redis *r, const struct redis_script *script,
                                     size_t key_count, size_t argc,
                                     const struct str *argv, int64_t deadline_ms,
                                     redis_cb *cb, void *ctx) ATTR_RETURNS_NONNULL;

#endif
