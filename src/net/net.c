#include "postrider/net/net.h"

#include "net_priv.h"

#include "postrider/base/check.h"
#include "postrider/base/intern.h"
#include "postrider/base/mem.h"

#include <openssl/bio.h>
#include <signal.h>

static const uint32_t net_magic = 0x6e657431u;

enum {
    GATHER_MAX_BYTES = 1024 * 1024,
    DNS_TTL_DEFAULT_MS = 30 * 1000
};

struct net *net_new(struct loop *loop, const struct net_config *config)
{
    /* libuv writes without MSG_NOSIGNAL; a peer that went away is an error code to us. */
    (void)signal(SIGPIPE, SIG_IGN);
    struct net *net = MEM_NEW(struct net);
    net->magic = net_magic;
    net->loop = loop;
    if (config != NULL) {
        net->config = *config;
    } else {
        net->config.egress = EGRESS_LINK_LOCAL;
    }
    if (net->config.dns_ttl_ms <= 0) {
        net->config.dns_ttl_ms = DNS_TTL_DEFAULT_MS;
    }
    net->dns = map_new(NULL);
    net->contexts = map_new(NULL);
    net->peers = map_new(NULL);
    net->texts = intern_new();
    net->bio_method = tls_bio_method_new();
    buf_init(&net->gather, GATHER_MAX_BYTES);
    return net;
}

void net_free(struct net **netp)
{
    struct net *net = *netp;
    if (net == NULL) {
        return;
    }
    CHECK_MAGIC(net, net_magic);
    CHECK(net->streams == 0 && net->ops == 0);
    *netp = NULL;
    dns_fini(net);
    tls_ctx_fini(net);
    map_free(&net->dns);
    map_free(&net->contexts);
    map_free(&net->peers);
    intern_free(&net->texts);
    buf_fini(&net->gather);
    BIO_meth_free(net->bio_method);
    net->magic = 0;
    mem_free(net);
}

struct loop *net_loop(struct net *net)
{
    CHECK_MAGIC(net, net_magic);
    return net->loop;
}

struct intern *net_texts(struct net *net)
{
    CHECK_MAGIC(net, net_magic);
    return net->texts;
}
