/* net_fixture: a loop and a net on it, as most tests of connections begin and end. */
#ifndef POSTRIDER_TESTS_NET_FIXTURE_H
#define POSTRIDER_TESTS_NET_FIXTURE_H

#include "loop_fixture.h"

#include "postrider/net/net.h"

/* config may be NULL. */
void net_fixture_open(struct loop **loop, struct net **net,
                      const struct net_config *config);
void net_fixture_close(struct loop **loop, struct net **net);

#endif
