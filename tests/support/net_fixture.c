#include "net_fixture.h"

void net_fixture_open(struct loop **loop, struct net **net,
                      const struct net_config *config)
{
    *loop = loop_fixture_new();
    *net = net_new(*loop, config);
}

void net_fixture_close(struct loop **loop, struct net **net)
{
    net_free(net);
    loop_fixture_free(loop);
}
