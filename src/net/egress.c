/* Which addresses may be connected to, as two tables of ranges. An IPv6 address that
 * carries an IPv4 one is judged by what it carries, since a gateway would unwrap it. */
#include "net_priv.h"

#include <string.h>

struct range {
    uint8_t prefix[16];
    uint8_t bits;
    enum egress_policy refused_from; /* the mildest policy that refuses the range */
};

static const struct range ranges4[] = {
    {{0}, 8, EGRESS_LINK_LOCAL},                   /* "this host": reaches ourselves */
    {{169, 254}, 16, EGRESS_LINK_LOCAL},           /* link-local, metadata services */
    {{100, 100, 100, 200}, 32, EGRESS_LINK_LOCAL}, /* metadata, Alibaba */
    {{168, 63, 129, 16}, 32, EGRESS_LINK_LOCAL},   /* host services, Azure */
    {{192, 0, 0, 192}, 32, EGRESS_LINK_LOCAL},     /* metadata, Oracle */
    {{224}, 4, EGRESS_LINK_LOCAL},                 /* multicast */
    {{240}, 4, EGRESS_LINK_LOCAL},                 /* reserved, broadcast */
    {{127}, 8, EGRESS_PRIVATE},
    {{10}, 8, EGRESS_PRIVATE}, /* RFC 1918 */
    {{172, 16}, 12, EGRESS_PRIVATE},
    {{192, 168}, 16, EGRESS_PRIVATE},
    {{100, 64}, 10, EGRESS_PRIVATE},   /* shared address space, RFC 6598 */
    {{192, 0, 0}, 24, EGRESS_PRIVATE}, /* protocol assignments */
    {{192, 0, 2}, 24, EGRESS_PRIVATE}, /* documentation, RFC 5737 */
    {{198, 51, 100}, 24, EGRESS_PRIVATE},
    {{203, 0, 113}, 24, EGRESS_PRIVATE},
    {{198, 18}, 15, EGRESS_PRIVATE}, /* benchmarks, RFC 2544 */
};

static const struct range ranges6[] = {
    {{0}, 128, EGRESS_LINK_LOCAL},                                   /* unspecified */
    {{0xfe, 0x80}, 10, EGRESS_LINK_LOCAL},                           /* link-local */
    {{0xff}, 8, EGRESS_LINK_LOCAL},                                  /* multicast */
    {{0xfd, 0, 0x0e, 0xc2, [15] = 0}, 32, EGRESS_LINK_LOCAL},        /* metadata, AWS */
    {{0xfd, 0x20, 0, 0xce, [14] = 2, 0x54}, 128, EGRESS_LINK_LOCAL}, /* same, Google */
    {{[15] = 1}, 128, EGRESS_PRIVATE},                               /* loopback */
    {{0xfc}, 7, EGRESS_PRIVATE},                                     /* unique local */
    {{0xfe, 0xc0}, 10, EGRESS_PRIVATE},                              /* site-local */
    {{0x20, 0x01, 0x0d, 0xb8}, 32, EGRESS_PRIVATE},                  /* documentation */
    {{0, 0x64, 0xff, 0x9b, 0, 1}, 48, EGRESS_PRIVATE}, /* local translation, RFC 8215 */
};

/* IPv6 ranges with an IPv4 address at `offset`; Teredo stores it inverted. */
static const struct carrier {
    uint8_t prefix[16];
    uint8_t bits;
    uint8_t offset;
    uint8_t flip;
} carriers[] = {
    {{[10] = 0xff, 0xff}, 96, 12, 0},         /* IPv4-mapped */
    {{0}, 96, 12, 0},                         /* IPv4-compatible (deprecated) */
    {{[8] = 0xff, 0xff}, 96, 12, 0},          /* IPv4-translated, RFC 2765 */
    {{0, 0x64, 0xff, 0x9b}, 96, 12, 0},       /* NAT64, RFC 6052 */
    {{0, 0x64, 0xff, 0x9b, 0, 1}, 48, 12, 0}, /* NAT64, local prefix */
    {{0x20, 0x02}, 16, 2, 0},                 /* 6to4 */
    {{0x20, 0x01, 0, 0}, 32, 12, 0xff},       /* Teredo */
};

static bool prefix_matches(const uint8_t *addr, const uint8_t *prefix, unsigned bits)
{
    unsigned whole = bits / 8;
    unsigned rest = bits % 8;
    if (memcmp(addr, prefix, whole) != 0) {
        return false;
    }
    return rest == 0 || (addr[whole] ^ prefix[whole]) >> (8 - rest) == 0;
}

static bool ranges_allow(const struct range *ranges, size_t count,
                         enum egress_policy policy, const uint8_t *addr)
{
    for (size_t i = 0; i < count; i++) {
        if (policy >= ranges[i].refused_from &&
            prefix_matches(addr, ranges[i].prefix, ranges[i].bits)) {
            return false;
        }
    }
    return true;
}

static bool allows6(enum egress_policy policy, const uint8_t addr[16])
{
    static const uint8_t loopback[16] = {[15] = 1};
    if (!ranges_allow(ranges6, ARRAY_LEN(ranges6), policy, addr)) {
        return false;
    }
    if (memcmp(addr, loopback, sizeof loopback) == 0) {
        return true; /* not 0.0.0.1 in the compatible range */
    }
    for (size_t i = 0; i < ARRAY_LEN(carriers); i++) {
        const struct carrier *c = &carriers[i];
        if (!prefix_matches(addr, c->prefix, c->bits)) {
            continue;
        }
        uint8_t inner[4];
        for (size_t k = 0; k < sizeof inner; k++) {
            inner[k] = addr[c->offset + k] ^ c->flip;
        }
        if (!ranges_allow(ranges4, ARRAY_LEN(ranges4), policy, inner)) {
            return false;
        }
    }
    return true;
}

bool egress_allows(enum egress_policy policy, const struct sockaddr *addr)
{
    if (policy == EGRESS_OFF) {
        return true;
    }
    union net_address a;
    switch (addr->sa_family) {
    case AF_INET:
        memcpy(&a.in4, addr, sizeof a.in4);
        return ranges_allow(ranges4, ARRAY_LEN(ranges4), policy,
                            (const uint8_t *)&a.in4.sin_addr);
    case AF_INET6:
        memcpy(&a.in6, addr, sizeof a.in6);
        return allows6(policy, a.in6.sin6_addr.s6_addr);
    default:
        return false;
    }
}
