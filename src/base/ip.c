#include "postrider/base/ip.h"

#include "postrider/base/num.h"

#include <arpa/inet.h>
#include <string.h>

enum {
    ADDRESS_BYTES = 16
};

/* Gives the number of bytes, or 0. */
static size_t parse_address(struct str text, uint8_t out[ADDRESS_BYTES])
{
    static const char mapped[] = "::ffff:";
    char copy[IP_TEXT_MAX];
    if (text.len == 0 || text.len >= sizeof copy) {
        return 0;
    }
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    if (strlen(copy) != text.len) {
        return 0;
    }
    /* A listener for both families sees IPv4 clients as mapped addresses. */
    const char *v4 = str_has_iprefix(text, mapped) ? copy + sizeof mapped - 1 : copy;
    if (inet_pton(AF_INET, v4, out) == 1) {
        return 4;
    }
    return inet_pton(AF_INET6, copy, out) == 1 ? ADDRESS_BYTES : 0;
}

static size_t parse_network(struct str text, uint8_t out[ADDRESS_BYTES],
                            uint64_t *bits_out)
{
    size_t slash = str_find_byte(text, '/');
    size_t len =
        parse_address(str_from(text.ptr, slash < text.len ? slash : text.len), out);
    *bits_out = len * 8;
    if (slash < text.len && !num_u64(str_tail(text, slash + 1), len * 8, bits_out)) {
        return 0;
    }
    return len;
}

bool ip_is_address(struct str text)
{
    uint8_t bytes[ADDRESS_BYTES];
    return parse_address(text, bytes) > 0;
}

bool ip_is_network(struct str text)
{
    uint8_t bytes[ADDRESS_BYTES];
    uint64_t bits;
    return parse_network(text, bytes, &bits) > 0;
}

bool ip_network_has(struct str network, struct str address)
{
    uint8_t net[ADDRESS_BYTES], at[ADDRESS_BYTES];
    uint64_t bits;
    size_t len = parse_network(network, net, &bits);
    if (len == 0 || len != parse_address(address, at)) {
        return false;
    }
    for (size_t i = 0; i < bits; i++) {
        uint8_t mask = (uint8_t)(0x80U >> (i % 8));
        if (((net[i / 8] ^ at[i / 8]) & mask) != 0) {
            return false;
        }
    }
    return true;
}

static bool is_separator(char c)
{
    return c == ',' || c == ' ' || c == '\t';
}

bool ip_list_next(struct str *rest, struct str *network_out)
{
    size_t from = 0;
    while (from < rest->len && is_separator(rest->ptr[from])) {
        from++;
    }
    size_t to = from;
    while (to < rest->len && !is_separator(rest->ptr[to])) {
        to++;
    }
    *network_out = str_from(rest->ptr + from, to - from);
    *rest = str_tail(*rest, to);
    return network_out->len > 0;
}

bool ip_list_has(struct str list, struct str address)
{
    struct str network;
    while (ip_list_next(&list, &network)) {
        if (ip_network_has(network, address)) {
            return true;
        }
    }
    return false;
}
