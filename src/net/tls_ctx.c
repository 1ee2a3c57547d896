/* TLS contexts, one per policy, and the sessions to resume, one per peer.
 * The authorities are read on the worker pool when the first connection that verifies
 * needs them: start-up does not pay for them, and the loop never waits for the disk. */
#include "net_priv.h"

#include "postrider/base/check.h"
#include "postrider/base/mem.h"
#include "postrider/loop/worker.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <string.h>

enum {
    TLS_KEY_MAX_BYTES = 8 * 1024,
    TLS_CHAIN_DEPTH_MAX = 10,
    /* Resumption skips verification; no longer than this without a full handshake. */
    TLS_VERIFIED_FOR_MS = 24 * 3600 * 1000
};

enum tls_ctx_state {
    TLS_CTX_STATE_BARE, /* cannot verify yet */
    TLS_CTX_STATE_LOADING,
    TLS_CTX_STATE_READY
};

struct tls_load {
    struct tls_ctx *ctx; /* NULL once the context is gone */
    X509_STORE *store;
    char *ca_file; /* NULL: the system's */
};

struct tls_ctx {
    struct net *net;
    enum tls_ctx_state state;
    SSL_CTX *ssl_ctx;
    char *key;
    char *ca_file;
    struct tls_load *load;
    struct list waiting; /* struct tls_wait */
};

struct tls_peer {
    struct net *net;
    unsigned streams;
    SSL_SESSION *session; /* the newest; servers may take a ticket only once */
    int64_t verified_ms;
};

/* --- errors --- */

static const struct verify_name {
    long result;
    const char *name;
} verify_names[] = {
    {X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT, "UNABLE_TO_GET_ISSUER_CERT"},
    {X509_V_ERR_CERT_SIGNATURE_FAILURE, "CERT_SIGNATURE_FAILURE"},
    {X509_V_ERR_CERT_NOT_YET_VALID, "CERT_NOT_YET_VALID"},
    {X509_V_ERR_CERT_HAS_EXPIRED, "CERT_HAS_EXPIRED"},
    {X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT, "DEPTH_ZERO_SELF_SIGNED_CERT"},
    {X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN, "SELF_SIGNED_CERT_IN_CHAIN"},
    {X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY, "UNABLE_TO_GET_ISSUER_CERT_LOCALLY"},
    {X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE, "UNABLE_TO_VERIFY_LEAF_SIGNATURE"},
    {X509_V_ERR_CERT_CHAIN_TOO_LONG, "CERT_CHAIN_TOO_LONG"},
    {X509_V_ERR_CERT_REVOKED, "CERT_REVOKED"},
    {X509_V_ERR_INVALID_CA, "INVALID_CA"},
    {X509_V_ERR_PATH_LENGTH_EXCEEDED, "PATH_LENGTH_EXCEEDED"},
    {X509_V_ERR_INVALID_PURPOSE, "INVALID_PURPOSE"},
    {X509_V_ERR_CERT_UNTRUSTED, "CERT_UNTRUSTED"},
    {X509_V_ERR_CERT_REJECTED, "CERT_REJECTED"},
    {X509_V_ERR_PERMITTED_VIOLATION, "PERMITTED_VIOLATION"},
    {X509_V_ERR_EXCLUDED_VIOLATION, "EXCLUDED_VIOLATION"},
    {X509_V_ERR_HOSTNAME_MISMATCH, "HOSTNAME_MISMATCH"},
    {X509_V_ERR_IP_ADDRESS_MISMATCH, "IP_ADDRESS_MISMATCH"},
    {X509_V_ERR_EE_KEY_TOO_SMALL, "EE_KEY_TOO_SMALL"},
    {X509_V_ERR_CA_KEY_TOO_SMALL, "CA_KEY_TOO_SMALL"},
    {X509_V_ERR_CA_MD_TOO_WEAK, "CA_MD_TOO_WEAK"},
};

static void verify_err_set(struct err *err, long result)
{
    err_set_sys(err, ERR_TLS_CERT, (int)result, "certificate refused: %s",
                X509_verify_cert_error_string(result));
    for (size_t i = 0; i < ARRAY_LEN(verify_names); i++) {
        if (verify_names[i].result == result) {
            err_set_peer_code(err, verify_names[i].name, strlen(verify_names[i].name));
            return;
        }
    }
    err_set_peer_code(err, "CERT_INVALID", strlen("CERT_INVALID"));
}

void tls_err_set(struct err *err, SSL *ssl, const char *what)
{
    unsigned long code = ERR_peek_last_error();
    long result = ssl != NULL ? SSL_get_verify_result(ssl) : X509_V_OK;
    if (result != X509_V_OK && SSL_get_verify_mode(ssl) != SSL_VERIFY_NONE) {
        verify_err_set(err, result);
        ERR_clear_error();
        return;
    }
    const char *reason = ERR_reason_error_string(code);
    reason = reason != NULL ? reason : "unknown reason";
    err_set_sys(err, ERR_TLS, (int)ERR_GET_REASON(code), "%s: %s", what, reason);
    char peer_code[ERR_PEER_CODE_MAX];
    size_t len = 0;
    for (; reason[len] != '\0' && len < sizeof peer_code; len++) {
        peer_code[len] = reason[len] == ' ' ? '_' : ascii_upper(reason[len]);
    }
    err_set_peer_code(err, peer_code, len);
    ERR_clear_error();
}

/* --- authorities --- */

static void load_work(void *data, struct err *err)
{
    struct tls_load *load = data;
    ERR_clear_error();
    load->store = X509_STORE_new();
    CHECK(load->store != NULL);
    int ok = load->ca_file != NULL ? X509_STORE_load_file(load->store, load->ca_file)
                                   : X509_STORE_set_default_paths(load->store);
    if (ok != 1) {
        tls_err_set(err, NULL,
                    load->ca_file != NULL
                        ? "certificate authorities cannot be read from the given file"
                        : "the system's certificate authorities cannot be read");
    }
    ERR_clear_error();
}

static void load_free(struct tls_load *load)
{
    X509_STORE_free(load->store);
    mem_free(load->ca_file);
    mem_free(load);
}

static void on_loaded(struct worker *w ATTR_UNUSED, const struct err *err, void *arg)
{
    struct tls_load *load = arg;
    struct tls_ctx *ctx = load->ctx;
    if (ctx == NULL) {
        load_free(load);
        return;
    }
    ctx->load = NULL;
    ctx->state = TLS_CTX_STATE_BARE;
    if (err->code == ERR_OK) {
        ctx->state = TLS_CTX_STATE_READY;
        SSL_CTX_set_cert_store(ctx->ssl_ctx, load->store);
        load->store = NULL;
    }
    struct list waiting;
    list_move_all(&ctx->waiting, &waiting);
    for (struct list *node; (node = list_pop(&waiting)) != NULL;) {
        struct tls_wait *wait = container_of(node, struct tls_wait, node);
        wait->fn(wait, err);
    }
    load_free(load);
}

void tls_ctx_when_ready(struct tls_ctx *ctx, struct tls_wait *w)
{
    list_init(&w->node);
    if (ctx->state == TLS_CTX_STATE_READY) {
        struct err ok = {.code = ERR_OK};
        w->fn(w, &ok);
        return;
    }
    list_append(&ctx->waiting, &w->node);
    if (ctx->state == TLS_CTX_STATE_LOADING) {
        return;
    }
    ctx->state = TLS_CTX_STATE_LOADING;
    ctx->load = MEM_NEW(struct tls_load);
    ctx->load->ctx = ctx;
    ctx->load->ca_file = mem_strdup(ctx->ca_file);
    (void)worker_start(ctx->net->loop, WORKER_FILE, load_work, ctx->load, on_loaded,
                       ctx->load);
}

/* --- sessions --- */

static int on_session(SSL *ssl, SSL_SESSION *session)
{
    struct tls_peer *peer = SSL_get_app_data(ssl);
    if (peer == NULL) {
        return 0;
    }
    SSL_SESSION_free(peer->session);
    peer->session = session;
    return 1; /* the reference is ours now */
}

static void peer_free(struct tls_peer *peer)
{
    SSL_SESSION_free(peer->session);
    mem_free(peer);
}

static void peers_trim(struct net *net)
{
    if (map_count(net->peers) < NET_PEERS_MAX) {
        return;
    }
    struct str key;
    void *value;
    for (size_t it = 0; map_next(net->peers, &it, &key, &value);) {
        struct tls_peer *peer = value;
        if (peer->streams == 0) {
            map_remove(net->peers, key);
            peer_free(peer);
        }
    }
}

/* Everything that verification depends on is part of the key. */
static struct tls_peer *peer_get(struct tls_ctx *ctx, const char *name, const char *host,
                                 uint16_t port)
{
    struct net *net = ctx->net;
    struct buf key = BUF_INIT(TLS_KEY_MAX_BYTES);
    buf_printf(&key, "%s\n%s\n%s\n%u", ctx->key, name, host != NULL ? host : "",
               (unsigned)port);
    struct tls_peer *peer = NULL;
    if (!key.overflow) {
        peer = map_get(net->peers, buf_str(&key));
        if (peer == NULL) {
            peers_trim(net);
            peer = MEM_NEW(struct tls_peer);
            peer->net = net;
            map_put(net->peers, buf_str(&key), peer);
        }
        peer->streams++;
    }
    buf_fini(&key);
    return peer;
}

void tls_peer_release(struct tls_peer **peerp)
{
    if (*peerp != NULL) {
        CHECK((*peerp)->streams > 0);
        (*peerp)->streams--;
        *peerp = NULL;
    }
}

void tls_peer_verified(struct tls_peer *peer)
{
    peer->verified_ms = loop_now_ms(peer->net->loop);
}

void tls_peer_forget_session(struct tls_peer *peer)
{
    SSL_SESSION_free(peer->session);
    peer->session = NULL;
}

/* --- contexts --- */

static bool min_version_parse(const char *name, int *out, struct err *err)
{
    if (name == NULL || strcmp(name, "TLSv1.2") == 0) {
        *out = TLS1_2_VERSION;
    } else if (strcmp(name, "TLSv1.3") == 0) {
        *out = TLS1_3_VERSION;
    } else {
        return err_set(err, ERR_INVALID, "unknown TLS version; use TLSv1.2 or TLSv1.3");
    }
    return true;
}

static SSL_CTX *ssl_ctx_new(bool insecure, int min_version)
{
    SSL_CTX *c = SSL_CTX_new(TLS_client_method());
    CHECK(c != NULL);
    CHECK(SSL_CTX_set_min_proto_version(c, min_version) == 1);
    (void)SSL_CTX_set_mode(c, SSL_MODE_RELEASE_BUFFERS |
                                  SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                  SSL_MODE_AUTO_RETRY);
    (void)SSL_CTX_set_options(c, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    (void)SSL_CTX_set_session_cache_mode(c, SSL_SESS_CACHE_CLIENT |
                                                SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(c, on_session);
    SSL_CTX_set_verify_depth(c, TLS_CHAIN_DEPTH_MAX);
    SSL_CTX_set_verify(c, insecure ? SSL_VERIFY_NONE : SSL_VERIFY_PEER, NULL);
    return c;
}

static struct tls_ctx *ctx_new(struct net *net, const struct tls_policy *policy,
                               int min_version)
{
    struct tls_ctx *ctx = MEM_NEW(struct tls_ctx);
    ctx->net = net;
    ctx->state = policy->insecure ? TLS_CTX_STATE_READY : TLS_CTX_STATE_BARE;
    ctx->ca_file = policy->insecure ? NULL : mem_strdup(policy->ca_file);
    ctx->ssl_ctx = ssl_ctx_new(policy->insecure, min_version);
    list_init(&ctx->waiting);
    return ctx;
}

struct tls_ctx *tls_ctx_get(struct net *net, const struct tls_policy *policy,
                            struct err *err)
{
    int min_version = 0;
    if (!min_version_parse(policy->min_version, &min_version, err)) {
        return NULL;
    }
    struct buf key = BUF_INIT(TLS_KEY_MAX_BYTES / 2);
    buf_printf(&key, "%d %x %s", policy->insecure, (unsigned)min_version,
               policy->insecure || policy->ca_file == NULL ? "" : policy->ca_file);
    struct tls_ctx *ctx = NULL;
    if (key.overflow) {
        err_set(err, ERR_INVALID, "the path of the certificate authorities is too long");
    } else if ((ctx = map_get(net->contexts, buf_str(&key))) == NULL &&
               map_count(net->contexts) >= NET_CONTEXTS_MAX) {
        err_set(err, ERR_LIMIT, "more than %d different TLS policies", NET_CONTEXTS_MAX);
    } else if (ctx == NULL) {
        ctx = ctx_new(net, policy, min_version);
        ctx->key = mem_strdup(buf_c(&key));
        map_put(net->contexts, buf_str(&key), ctx);
    }
    buf_fini(&key);
    return ctx;
}

static void ctx_free(struct tls_ctx *ctx)
{
    CHECK(list_is_empty(&ctx->waiting));
    if (ctx->load != NULL) {
        ctx->load->ctx = NULL;
    }
    SSL_CTX_free(ctx->ssl_ctx);
    mem_free(ctx->key);
    mem_free(ctx->ca_file);
    mem_free(ctx);
}

void tls_ctx_fini(struct net *net)
{
    void *value;
    for (size_t it = 0; map_next(net->peers, &it, NULL, &value);) {
        peer_free(value);
    }
    for (size_t it = 0; map_next(net->contexts, &it, NULL, &value);) {
        ctx_free(value);
    }
}

/* --- connections --- */

/* RFC 6125 §6: the reference identity is a DNS name or an address from the SAN, nothing
 * else; RFC 6066 §3: no address in SNI. */
static bool name_set(SSL *ssl, char *name)
{
    X509_VERIFY_PARAM *param = SSL_get0_param(ssl);
    union net_address address;
    X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NEVER_CHECK_SUBJECT |
                                               X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    if (net_address_parse(name, &address)) {
        return X509_VERIFY_PARAM_set1_ip_asc(param, name) == 1;
    }
    return X509_VERIFY_PARAM_set1_host(param, name, 0) == 1 &&
           SSL_set_tlsext_host_name(ssl, name) == 1;
}

SSL *tls_ctx_ssl_new(struct tls_ctx *ctx, const struct tls_policy *policy,
                     const char *host, uint16_t port, struct tls_peer **peer_out,
                     struct err *err)
{
    char name[NET_HOST_MAX + 1];
    const char *wanted = policy->server_name != NULL ? policy->server_name : host;
    size_t len = wanted != NULL ? strlen(wanted) : 0;
    if (len > 1 && wanted[len - 1] == '.') {
        len--; /* certificates hold names without the root's dot */
    }
    /* OpenSSL takes an empty name as "check no name". */
    if ((len == 0 && !policy->insecure) || len > NET_HOST_MAX) {
        err_set(err, ERR_INVALID, "no usable server name to verify the certificate with");
        return NULL;
    }
    if (len > 0) {
        memcpy(name, wanted, len);
    }
    name[len] = '\0';
    ERR_clear_error();
    SSL *ssl = SSL_new(ctx->ssl_ctx);
    CHECK(ssl != NULL);
    if (len > 0 && !name_set(ssl, name)) {
        err_set(err, ERR_INVALID, "the server name cannot be verified");
        SSL_free(ssl);
        return NULL;
    }
    SSL_set_connect_state(ssl);
    struct tls_peer *peer = peer_get(ctx, name, host, port);
    if (peer != NULL && peer->session != NULL &&
        loop_now_ms(ctx->net->loop) - peer->verified_ms < TLS_VERIFIED_FOR_MS) {
        (void)SSL_set_session(ssl, peer->session);
    }
    SSL_set_app_data(ssl, peer);
    *peer_out = peer;
    return ssl;
}
