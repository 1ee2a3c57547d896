#include "silent_fixture.h"

#include "postrider/base/attr.h"
#include "postrider/base/check.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

void silent_fixture_open(struct silent_fixture *s)
{
    struct sockaddr_in addr = {.sin_family = AF_INET,
                               .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof addr;
    s->fds[0] = socket(AF_INET, SOCK_STREAM, 0);
    CHECK(bind(s->fds[0], (struct sockaddr *)&addr, sizeof addr) == 0 &&
          getsockname(s->fds[0], (struct sockaddr *)&addr, &len) == 0 &&
          listen(s->fds[0], 0) == 0);
    for (size_t i = 1; i < ARRAY_LEN(s->fds); i++) {
        s->fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        (void)connect(s->fds[i], (struct sockaddr *)&addr, sizeof addr);
    }
    s->port = ntohs(addr.sin_port);
}

void silent_fixture_close(struct silent_fixture *s)
{
    for (size_t i = 0; i < ARRAY_LEN(s->fds); i++) {
        (void)close(s->fds[i]);
    }
}
