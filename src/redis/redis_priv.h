/* redis_priv: what the files of the client share.
 * Shape    redis_conn.c owns the connection, its states and the order of replies;
 *          redis_hello.c is the handshake; redis_cmd.c makes commands; redis_script.c
 *          those that run Lua
 *
 *              start, backoff            connected               all rows answered
 *     DOWN ───────────────► CONNECTING ───────────► HANDSHAKE ───────────────────► READY
 *       ▲   redis_connect       │       on_connected    │       redis_hello_reply    │
 *       └───────────────────────┴── redis_conn_lost ────┴────────────────────────────┘
 *
 *          Only redis_enter assigns the state. The ring and the output hold commands only
 *          in READY; in HANDSHAKE the replies belong to the rows of the handshake. */
#ifndef POSTRIDER_REDIS_REDIS_PRIV_H
#define POSTRIDER_REDIS_REDIS_PRIV_H

#include "redis_reply.h"
#include "redis_url.h"

#include "postrider/base/buf.h"
#include "postrider/base/map.h"
#include "postrider/loop/backoff.h"
#include "postrider/loop/op.h"

enum {
    REDIS_OUT_MAX = 256 * 1024 * 1024, /* formatted and not yet handed to the stream */
    REDIS_HELLO_DEADLINE_MS = 10000,
    REDIS_CONNECT_DEADLINE_MS = 10000,
    REDIS_SHA_LEN = 40
};

struct script_call;

struct redis_cmd {
    struct op op;
    struct redis *r; /* NULL once the command has ended */
    uint64_t seq;    /* place in the order of replies */
    uint64_t end;    /* offset behind its last byte in all output of this connection */
    bool canceled;   /* by its owner: the connection may stay */
    bool maybe_executed;
    struct script_call *script;        /* NULL for plain commands */
    const struct redis_script *learns; /* its reply is the SHA of this script */
    struct arena reply_arena;
    const struct redis_reply *reply;
    redis_cb *cb;
    void *ctx;
};

/* Commands in the order of their replies; a canceled one leaves NULL behind. */
struct redis_ring {
    struct redis_cmd **slots;
    size_t cap;    /* a power of two */
    uint64_t head; /* sequence number whose reply comes next */
    uint64_t tail; /* of the next command */
};

struct redis_attempt;

struct redis {
    uint32_t magic;
    struct net *net;
    struct loop *loop;
    struct arena arena; /* configuration */
    struct redis_address address;
    const char *ca_file;
    bool tls_insecure;
    bool allow_eviction;

    enum redis_state state;
    struct err last_err;
    struct redis_attempt *attempt; /* in CONNECTING */
    struct stream *stream;         /* in HANDSHAKE and READY */
    struct redis_decoder *decoder;
    struct arena scratch; /* the reply at hand */
    struct timer timer;   /* DOWN: next try; HANDSHAKE: deadline */
    struct backoff backoff;
    struct loop_hook hook;

    size_t hello_next; /* row of the handshake whose reply comes next */
    bool policy_known; /* the handshake has seen maxmemory-policy */
    bool append_off;   /* it has seen appendonly no */
    bool policy_warned;
    bool durability_warned;
    struct err hello_err; /* first failure among the rows */

    struct buf out;
    size_t out_pos;    /* bytes of out that the stream has */
    uint64_t out_base; /* offset of out.bytes[0] in all output of this connection */
    struct redis_ring ring;
    struct map *shas; /* struct redis_script * → struct script_sha */

    redis_state_cb *cb;
    void *ctx;
    bool told_ready; /* what the callback knows */
    struct deferred telling;
};

/* --- redis_conn.c */
void redis_check(const struct redis *r);
void redis_enter(struct redis *r, enum redis_state state);
/* Drops the connection, fails what waits, plans the next try. err says why. */
void redis_conn_lost(struct redis *r, const struct err *err);
/* Puts a command whose bytes were just appended to r->out into the ring. */
void redis_ring_push(struct redis *r, struct redis_cmd *cmd);

/* --- redis_hello.c */
void redis_hello_send(struct redis *r);
/* One reply of the handshake. */
void redis_hello_reply(struct redis *r, const struct redis_reply *reply);

/* --- redis_cmd.c */
/* "*count" and "$len bytes". */
void redis_put_count(struct buf *out, size_t count);
void redis_put_arg(struct buf *out, struct str arg);
/* A running command without bytes; when the client cannot take it, it has failed. */
struct redis_cmd *redis_cmd_new(struct redis *r, int64_t deadline_ms, redis_cb *cb,
                                void *ctx);
/* Everything was appended since out.len was `start`: queue it, or take it back and fail.
 */
void redis_cmd_commit(struct redis_cmd *cmd, size_t start);
/* Its reply; `arena` holds it and is taken. */
void redis_cmd_reply(struct redis_cmd *cmd, struct arena *arena,
                     const struct redis_reply *reply);
/* Copies an error reply into err, without the arguments the server repeats in it. */
void redis_reply_err(struct err *err, struct str text);

/* --- redis_script.c */
/* True if the reply was NOSCRIPT and the call goes on with the source. */
bool redis_script_retry(struct redis_cmd *cmd, const struct redis_reply *reply);
/* After a lost connection: SHAs that were asked for and not told are asked for again. */
void redis_script_forget(struct redis *r);
void redis_script_learn(struct redis *r, const struct redis_script *script,
                        const struct redis_reply *reply);

#endif
