/* net: connections to other hosts: names, addresses, TCP, unix sockets, TLS, one stream
 * type.
 * Shape    struct net     per loop: the shared read buffer, DNS cache, TLS contexts (one
 *                         per policy) and the session cache, egress policy
 *          struct stream  one established connection, plain or TLS
 *          net_connect    operation: resolve, filter by egress policy, race the addresses
 *                         (RFC 8305, 250 ms apart), TLS handshake with SNI and
 *                         verification
 *          net_starttls   operation: upgrades a plain stream
 * Owner    net is the app's; a stream belongs to who got it from the callback and ends
 *          with stream_close. Data given to on_data is borrowed until it returns.
 * Calls    loop thread. Stream callbacks may close their stream, also from on_data.
 * Units    milliseconds, bytes
 * Limits   STREAM_QUEUE_MAX bytes unsent; 16 addresses per name; idle TLS stream ≤ 20 KiB
 *          resident with a resumed session, ≤ 32 KiB without. Of one stream at most
 *          NET_READ_BUFFER bytes or STREAM_SLICE_US of decrypting and delivering go before
 *          the others get their turn; NET_CROWDED_BYTES when a turn is long already
 * Errors   ERR_DNS, ERR_CONNECT, ERR_CLOSED, ERR_NET, ERR_TLS (peer_code = OpenSSL
 *          reason), ERR_TLS_CERT (peer_code = X509_V_ERR_… short name), ERR_STARTTLS,
 *          ERR_EGRESS, ERR_TIMEOUT; all transient but ERR_TLS_CERT, ERR_STARTTLS and
 *          ERR_EGRESS
 * Spec     RFC 8305 (Happy Eyeballs), RFC 6125 (host names), RFC 8446/5246 */
#ifndef POSTRIDER_NET_NET_H
#define POSTRIDER_NET_NET_H

#include "postrider/base/err.h"
#include "postrider/base/str.h"
#include "postrider/loop/op.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    STREAM_QUEUE_MAX = 16 * 1024 * 1024,
    NET_READ_BUFFER = 64 * 1024,
    NET_CROWDED_BYTES = 4 * 1024, /* a read in a turn that took NET_CROWDED_US by then */
    NET_CROWDED_US = 8000,
    STREAM_SLICE_US = 2000
};

/* What an address must not be (docs/SECURITY.md). Checked after DNS on the address used.
 */
enum egress_policy {
    EGRESS_OFF,        /* anything goes */
    EGRESS_LINK_LOCAL, /* default: no link-local, no cloud metadata addresses */
    EGRESS_PRIVATE     /* also no loopback and no private ranges */
};

struct sockaddr;
/* Is connecting to this address allowed? IPv4-mapped, NAT64 and 6to4 forms are looked
 * into. */
bool egress_allows(enum egress_policy policy, const struct sockaddr *addr);

struct net_config {
    enum egress_policy egress;
    int dns_ttl_ms; /* 0 = default 30 s */
};

struct net;
struct net *net_new(struct loop *loop,
                    const struct net_config *config) ATTR_RETURNS_NONNULL;
/* All streams closed and operations ended before. */
void net_free(struct net **net);
struct loop *net_loop(struct net *net) ATTR_RETURNS_NONNULL;
/* For what servers say of themselves: many connections hear the same. All is given back
 * before net_free. */
struct intern;
struct intern *net_texts(struct net *net) ATTR_RETURNS_NONNULL;

/* How to verify a peer. Equal policies share one SSL_CTX. */
struct tls_policy {
    bool insecure;           /* opt-down: no verification at all */
    const char *ca_file;     /* PEM used instead of the system's authorities, or NULL */
    const char *server_name; /* for SNI and verification; NULL = the host */
    const char *min_version; /* "TLSv1.2" (default when NULL) or "TLSv1.3" */
};

enum net_security {
    NET_PLAIN,
    NET_TLS
};

struct net_target {
    const char *host; /* name or literal address, or NULL with unix_path */
    uint16_t port;
    const char *unix_path;
    enum net_security security;
    struct tls_policy tls;
    bool trusted; /* from our own configuration: the egress policy does not apply */
};

struct stream;

struct stream_events {
    void (*on_data)(void *ctx, const char *data, size_t len);
    /* Everything written so far was handed to the kernel. May be NULL. */
    void (*on_drain)(void *ctx);
    /* Once, and never after stream_close: the stream is dead and must be closed.
     * ERR_CLOSED for an orderly end; a TLS end without close_notify is ERR_NET. */
    void (*on_end)(void *ctx, const struct err *err);
};

struct stream_info {
    char address[64]; /* numeric peer address */
    uint16_t port;
    char local_address[64];
    bool tls;
    bool resumed;
    char tls_version[16];
    char tls_cipher[48];
};

/* Reading begins with the first call. Nothing is delivered before it. */
void stream_set_events(struct stream *s, const struct stream_events *events, void *ctx);
/* Sends or queues a copy. False, and the stream ends with ERR_LIMIT, above
 * STREAM_QUEUE_MAX. */
bool stream_write(struct stream *s, const void *data, size_t len);
size_t stream_queued_bytes(const struct stream *s);
void stream_read_pause(struct stream *s);
void stream_read_resume(struct stream *s);
/* Nobody waits for the single bytes of a long answer: what came within some milliseconds is
 * read at once, which costs both sides far fewer wake-ups. */
void stream_read_gather(struct stream *s, bool on);
void stream_info_get(const struct stream *s, struct stream_info *out);
/* Sends what is queued and close_notify where it can at once, then closes. NULL is
 * accepted. */
void stream_close(struct stream **s);

struct net_connect;
/* On success err->code is ERR_OK and the stream is the callee's; else stream is NULL. */
typedef void net_connect_cb(struct net_connect *op, const struct err *err,
                            struct stream *stream, void *ctx);
/* target and its strings are copied. */
struct net_connect *net_connect_start(struct net *net, const struct net_target *target,
                                      int64_t deadline_ms, net_connect_cb *cb,
                                      void *ctx) ATTR_RETURNS_NONNULL;
void net_connect_cancel(struct net_connect *op);

struct net_starttls;
typedef void net_starttls_cb(struct net_starttls *op, const struct err *err, void *ctx);
/* Call from the on_data that saw the server's go-ahead, with the bytes behind it in
 * leftover_len: if there are any, or any arrive in clear, the result is ERR_STARTTLS.
 * The stream keeps its events; on failure it is dead and only stream_close is allowed. */
struct net_starttls *net_starttls_start(struct stream *s, const struct tls_policy *policy,
                                        const char *host, size_t leftover_len,
                                        int64_t deadline_ms, net_starttls_cb *cb,
                                        void *ctx) ATTR_RETURNS_NONNULL;
void net_starttls_cancel(struct net_starttls *op);

/* --- names, for those who connect by other means (libcurl) --- */

struct net_resolve;
enum {
    NET_ADDRESSES_MAX = 16
};
struct net_addresses {
    size_t count;
    char text[NET_ADDRESSES_MAX][64]; /* numeric, in order of preference */
};
/* Cached, single flight, filtered by the egress policy (none left: ERR_EGRESS). */
typedef void net_resolve_cb(struct net_resolve *op, const struct err *err,
                            const struct net_addresses *addresses, void *ctx);
struct net_resolve *net_resolve_start(struct net *net, const char *host,
                                      int64_t deadline_ms, net_resolve_cb *cb,
                                      void *ctx) ATTR_RETURNS_NONNULL;
void net_resolve_cancel(struct net_resolve *op);

#endif
