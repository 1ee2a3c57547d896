/* What the files of net share.
 *
 *   net_connect ─► net_resolve (dns) ─► egress ─► attempts (stream_tcp) ─┐
 *        │                                                               ▼
 *        └──────────── callback ◄── TLS handshake (stream_tls, tls_ctx) ◄┘
 */
#ifndef POSTRIDER_NET_PRIV_H
#define POSTRIDER_NET_PRIV_H

#include "postrider/base/buf.h"
#include "postrider/base/map.h"
#include "postrider/net/net.h"

#include <netinet/in.h>
#include <uv.h>

enum {
    NET_HOST_MAX = 253,         /* RFC 1035 §2.3.4, without the final dot */
    NET_TLS_RECORD = 16 * 1024, /* largest plaintext of one record */
    NET_CONTEXTS_MAX = 256,     /* distinct TLS policies */
    NET_PEERS_MAX = 4096,       /* remembered TLS sessions */
    NET_DNS_ENTRIES_MAX = 4096,
    NET_STAGGER_MS = 250 /* RFC 8305 §5 */
};

/* One numeric address of either family. */
union net_address {
    struct sockaddr any;
    struct sockaddr_in in4;
    struct sockaddr_in6 in6;
};

struct net {
    uint32_t magic;
    struct loop *loop;
    struct net_config config;
    unsigned streams;     /* not closed yet */
    unsigned ops;         /* not done yet */
    struct map *dns;      /* lower-case name → struct dns_entry */
    struct map *contexts; /* policy key → struct tls_ctx */
    struct map *peers;    /* policy, host, port, name → struct tls_peer */
    /* What the TLS layer wants to send, gathered for one system call. Only in use
     * within one call into OpenSSL. */
    struct buf gather;
    struct bio_method_st *bio_method;
    struct intern *texts;
    /* Both are shared by all streams: a stream leaves nothing behind in them. */
    char read_buffer[NET_READ_BUFFER];
    char plain_buffer[NET_TLS_RECORD];
};

/* --- dns.c ---------------------------------------------------------------------------
 */

struct net_address_list {
    size_t count;
    union net_address items[NET_ADDRESSES_MAX];
};

typedef void dns_cb(void *ctx, const struct err *err,
                    const struct net_address_list *addresses);
/* The same lookup without the egress filter, for the connector, which filters itself. */
struct net_resolve *dns_resolve_start(struct net *net, const char *host,
                                      int64_t deadline_ms, dns_cb *cb, void *ctx);
/* Cancels and drops the callback: ctx may go at once. */
void dns_resolve_abandon(struct net_resolve *op);
/* Forgets all names; lookups under way end on their own. */
void dns_fini(struct net *net);
/* Numeric address in text form; false if it is not one. The port stays 0. */
bool net_address_parse(const char *text, union net_address *out);
void net_address_format(const struct sockaddr *addr, char out[64], uint16_t *port_out);

/* --- tls_ctx.c ------------------------------------------------------------------------
 */

struct tls_ctx;
struct tls_peer;
struct ssl_st;

/* A handshake that waits for the authorities to be read from disk. */
struct tls_wait {
    struct list node;
    void (*fn)(struct tls_wait *w, const struct err *err);
};

/* The context of a policy, made on first use. NULL and err if the policy cannot work. */
struct tls_ctx *tls_ctx_get(struct net *net, const struct tls_policy *policy,
                            struct err *err);
/* Calls fn once the context can verify: at once, or when the authorities were loaded. */
void tls_ctx_when_ready(struct tls_ctx *ctx, struct tls_wait *w);
/* A client connection to `host`, with the name to verify and the newest session set up.
 * The peer is held until tls_peer_release. */
struct ssl_st *tls_ctx_ssl_new(struct tls_ctx *ctx, const struct tls_policy *policy,
                               const char *host, uint16_t port,
                               struct tls_peer **peer_out, struct err *err);
void tls_peer_release(struct tls_peer **peer);
/* The peer was verified with a full handshake just now. */
void tls_peer_verified(struct tls_peer *peer);
/* The remembered session did not help: the next handshake is a full one. */
void tls_peer_forget_session(struct tls_peer *peer);
/* What OpenSSL's error queue and the verification result say. */
void tls_err_set(struct err *err, struct ssl_st *ssl, const char *what);
void tls_ctx_fini(struct net *net);

/* The functions of our BIO; net owns the table. */
struct bio_method_st *tls_bio_method_new(void);

/* --- connector.c ----------------------------------------------------------------------
 */

/* Alternates the families, the first one's address first (RFC 8305 §4). */
void net_addresses_interleave(struct net_address_list *list);

#endif
