/* Names to addresses: getaddrinfo on the worker pool, one lookup per name at a time, its
 * outcome kept for a while. A lookup cannot be stopped, so it belongs to nobody: when the
 * last one who asked has gone it still fills the cache. */
#include "net_priv.h"

#include "postrider/base/check.h"
#include "postrider/base/mem.h"
#include "postrider/loop/worker.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>

enum {
    DNS_NEGATIVE_MS = 5 * 1000
};

struct dns_job {
    struct net *net; /* NULL once net is gone */
    char host[NET_HOST_MAX + 1];
    struct net_address_list found;
};

struct dns_entry {
    struct dns_job *job; /* a lookup is under way */
    int64_t expires_ms;
    struct list waiting; /* struct net_resolve */
    struct err err;
    struct net_address_list found;
};

struct net_resolve {
    struct op op;
    struct net *net;
    struct list node; /* in dns_entry.waiting */
    struct net_address_list found;
    net_resolve_cb *cb;
    dns_cb *raw_cb;
    void *ctx;
};

/* --- addresses --- */

bool net_address_parse(const char *text, union net_address *out)
{
    memset(out, 0, sizeof *out);
    if (inet_pton(AF_INET, text, &out->in4.sin_addr) == 1) {
        out->in4.sin_family = AF_INET;
        return true;
    }
    if (inet_pton(AF_INET6, text, &out->in6.sin6_addr) == 1) {
        out->in6.sin6_family = AF_INET6;
        return true;
    }
    return false;
}

void net_address_format(const struct sockaddr *addr, char out[64], uint16_t *port_out)
{
    union net_address a = {0};
    in_port_t port = 0;
    out[0] = '\0';
    switch (addr->sa_family) {
    case AF_INET:
        memcpy(&a.in4, addr, sizeof a.in4);
        (void)inet_ntop(AF_INET, &a.in4.sin_addr, out, 64);
        port = a.in4.sin_port;
        break;
    case AF_INET6:
        memcpy(&a.in6, addr, sizeof a.in6);
        (void)inet_ntop(AF_INET6, &a.in6.sin6_addr, out, 64);
        port = a.in6.sin6_port;
        break;
    default:
        break;
    }
    if (port_out != NULL) {
        *port_out = ntohs(port);
    }
}

/* --- the operation --- */

static void resolve_abort(struct op *op)
{
    struct net_resolve *r = container_of(op, struct net_resolve, op);
    list_remove(&r->node);
}

static void addresses_export(struct net_resolve *r, struct net_addresses *out)
{
    out->count = 0;
    for (size_t i = 0; i < r->found.count; i++) {
        const union net_address *a = &r->found.items[i];
        if (egress_allows(r->net->config.egress, &a->any)) {
            net_address_format(&a->any, out->text[out->count++], NULL);
        }
    }
    if (out->count == 0 && r->op.err.code == ERR_OK) {
        err_set(&r->op.err, ERR_EGRESS,
                "the address of this host is not allowed by the egress policy");
    }
}

static void resolve_done(struct op *op)
{
    struct net_resolve *r = container_of(op, struct net_resolve, op);
    r->net->ops--;
    if (r->raw_cb != NULL) {
        r->raw_cb(r->ctx, &op->err, &r->found);
    } else if (r->cb != NULL) {
        struct net_addresses addresses;
        addresses_export(r, &addresses);
        r->cb(r, &op->err, op->err.code == ERR_OK ? &addresses : NULL, r->ctx);
    }
}

static const struct op_type resolve_type = {"resolve", sizeof(struct net_resolve),
                                            resolve_abort, resolve_done, NULL};

static void resolve_finish(struct net_resolve *r, const struct dns_entry *entry)
{
    list_remove(&r->node);
    if (entry->err.code != ERR_OK) {
        op_fail_err(&r->op, &entry->err);
        return;
    }
    r->found = entry->found;
    op_complete(&r->op);
}

/* --- the lookup --- */

static void lookup_work(void *data, struct err *err)
{
    struct dns_job *job = data;
    struct addrinfo hints = {
        .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG};
    struct addrinfo *list = NULL;
    int rc = getaddrinfo(job->host, NULL, &hints, &list);
    if (rc != 0) {
        err_set_sys(err, ERR_DNS, rc, "name %s not resolved: %s", job->host,
                    gai_strerror(rc));
        return;
    }
    for (struct addrinfo *ai = list; ai != NULL && job->found.count < NET_ADDRESSES_MAX;
         ai = ai->ai_next) {
        union net_address *a = &job->found.items[job->found.count];
        if ((ai->ai_family == AF_INET || ai->ai_family == AF_INET6) &&
            ai->ai_addrlen <= sizeof *a) {
            memcpy(a, ai->ai_addr, ai->ai_addrlen);
            job->found.count++;
        }
    }
    freeaddrinfo(list);
    if (job->found.count == 0) {
        err_set(err, ERR_DNS, "name %s has no address", job->host);
    }
}

static void on_lookup(struct worker *w ATTR_UNUSED, const struct err *err, void *ctx)
{
    struct dns_job *job = ctx;
    struct net *net = job->net;
    if (net != NULL) {
        struct dns_entry *entry = map_get(net->dns, str_of(job->host));
        CHECK(entry != NULL && entry->job == job);
        entry->job = NULL;
        entry->err = *err;
        entry->found = job->found;
        entry->expires_ms =
            loop_now_ms(net->loop) +
            (err->code == ERR_OK ? net->config.dns_ttl_ms : DNS_NEGATIVE_MS);
        list_foreach (node, &entry->waiting) {
            resolve_finish(container_of(node, struct net_resolve, node), entry);
        }
    }
    mem_free(job);
}

/* Makes room: what has expired goes, and if nothing has, one that nobody waits for. */
static void cache_trim(struct net *net)
{
    if (map_count(net->dns) < NET_DNS_ENTRIES_MAX) {
        return;
    }
    int64_t now_ms = loop_now_ms(net->loop);
    struct str key;
    void *value;
    struct str spare = STR_NULL;
    for (size_t it = 0; map_next(net->dns, &it, &key, &value);) {
        struct dns_entry *entry = value;
        if (entry->job != NULL) {
            continue;
        }
        if (entry->expires_ms <= now_ms) {
            map_remove(net->dns, key);
            mem_free(entry);
        } else {
            spare = key;
        }
    }
    if (map_count(net->dns) >= NET_DNS_ENTRIES_MAX && spare.ptr != NULL) {
        mem_free(map_take(net->dns, spare));
    }
}

static struct dns_entry *entry_get(struct net *net, const char *host)
{
    struct dns_entry *entry = map_get(net->dns, str_of(host));
    if (entry == NULL) {
        cache_trim(net);
        entry = MEM_NEW(struct dns_entry);
        list_init(&entry->waiting);
        map_put(net->dns, str_of(host), entry);
    }
    return entry;
}

/* Lower case, without the dot of the root. Anything that is no host name is refused here,
 * before a resolver may find a meaning in it. */
static bool host_normalize(const char *host, char out[NET_HOST_MAX + 1])
{
    size_t len = host != NULL ? strlen(host) : 0;
    if (len > 1 && host[len - 1] == '.') {
        len--;
    }
    if (len == 0 || len > NET_HOST_MAX) {
        return false;
    }
    for (size_t i = 0; i < len; i++) {
        char c = ascii_lower(host[i]);
        bool word = (c >= 'a' && c <= 'z') || ascii_is_digit(c) || c == '-' || c == '_';
        bool dot = c == '.' && i > 0 && host[i - 1] != '.';
        if (!word && !dot) {
            return false;
        }
        out[i] = c;
    }
    out[len] = '\0';
    return true;
}

/* RFC 6761 §6.3: these names are this machine, whatever a resolver says. */
static bool host_is_local(const char *host)
{
    return strcmp(host, "localhost") == 0 || str_has_suffix(str_of(host), ".localhost");
}

static void local_addresses(struct net_address_list *out)
{
    out->count = 2;
    (void)net_address_parse("127.0.0.1", &out->items[0]);
    (void)net_address_parse("::1", &out->items[1]);
}

static void resolve_begin(struct net_resolve *r, const char *text)
{
    char host[NET_HOST_MAX + 1];
    if (text != NULL && net_address_parse(text, &r->found.items[0])) {
        r->found.count = 1;
        op_complete(&r->op);
        return;
    }
    if (!host_normalize(text, host)) {
        op_fail(&r->op, ERR_DNS, "this is not a host name or an address");
        return;
    }
    if (host_is_local(host)) {
        local_addresses(&r->found);
        op_complete(&r->op);
        return;
    }
    struct dns_entry *entry = entry_get(r->net, host);
    if (entry->job == NULL && entry->expires_ms > loop_now_ms(r->net->loop)) {
        resolve_finish(r, entry);
        return;
    }
    list_append(&entry->waiting, &r->node);
    if (entry->job == NULL) {
        entry->job = MEM_NEW(struct dns_job);
        entry->job->net = r->net;
        memcpy(entry->job->host, host, sizeof host);
        (void)worker_start(r->net->loop, WORKER_DNS, lookup_work, entry->job, on_lookup,
                           entry->job);
    }
}

static struct net_resolve *resolve_new(struct net *net, int64_t deadline_ms, void *ctx)
{
    struct net_resolve *r = op_new(net->loop, &resolve_type, deadline_ms);
    r->net = net;
    r->ctx = ctx;
    net->ops++;
    list_init(&r->node);
    return r;
}

struct net_resolve *dns_resolve_start(struct net *net, const char *host,
                                      int64_t deadline_ms, dns_cb *cb, void *ctx)
{
    struct net_resolve *r = resolve_new(net, deadline_ms, ctx);
    r->raw_cb = cb;
    resolve_begin(r, host);
    return r;
}

void dns_resolve_abandon(struct net_resolve *r)
{
    r->raw_cb = NULL;
    op_cancel(&r->op);
}

struct net_resolve *net_resolve_start(struct net *net, const char *host,
                                      int64_t deadline_ms, net_resolve_cb *cb, void *ctx)
{
    struct net_resolve *r = resolve_new(net, deadline_ms, ctx);
    r->cb = cb;
    resolve_begin(r, host);
    return r;
}

void net_resolve_cancel(struct net_resolve *r)
{
    if (r != NULL) {
        op_cancel(&r->op);
    }
}

void dns_fini(struct net *net)
{
    struct str key;
    void *value;
    for (size_t it = 0; map_next(net->dns, &it, &key, &value);) {
        struct dns_entry *entry = value;
        if (entry->job != NULL) {
            entry->job->net = NULL;
        }
        mem_free(entry);
    }
}
