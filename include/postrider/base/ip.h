/* ip: addresses and networks as text.
 * Shape    a network is an address, or address/bits; a list parts networks by commas or
 *          spaces. An IPv4 address is the same as its IPv6-mapped form.
 * Calls    pure; any thread
 * Limits   IP_TEXT_MAX bytes of one address or network
 * Spec     RFC 4291, RFC 4632 */
#ifndef POSTRIDER_BASE_IP_H
#define POSTRIDER_BASE_IP_H

#include "postrider/base/str.h"

enum {
    IP_TEXT_MAX = 64
};

bool ip_is_address(struct str text);
bool ip_is_network(struct str text);
/* False also where one of the two is not what it should be. */
bool ip_network_has(struct str network, struct str address);
/* The next network of a list; false at its end. */
bool ip_list_next(struct str *rest, struct str *network_out);
bool ip_list_has(struct str list, struct str address);

#endif
