#include "server_fixture.h"

#include "postrider/base/check.h"
#include "postrider/base/mem.h"

#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

enum {
    TIMEOUT_S = 10,
    BACKLOG = 64
};

struct server_fixture {
    int fd;
    uint16_t port;
    char path[108];
    pthread_t thread;
    server_fixture_fn *serve;
    void *arg;
};

static void *server_main(void *data)
{
    struct server_fixture *s = data;
    int fd;
    while ((fd = accept(s->fd, NULL, NULL)) >= 0) {
        struct timeval timeout = {.tv_sec = TIMEOUT_S};
        (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
        (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof timeout);
        s->serve(fd, s->arg);
        (void)close(fd);
    }
    return NULL;
}

static struct server_fixture *server_new(int family, server_fixture_fn *serve, void *arg)
{
    struct server_fixture *s = MEM_NEW(struct server_fixture);
    s->fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(s->fd >= 0);
    s->serve = serve;
    s->arg = arg;
    return s;
}

static void server_listen(struct server_fixture *s)
{
    CHECK(listen(s->fd, BACKLOG) == 0);
    CHECK(pthread_create(&s->thread, NULL, server_main, s) == 0);
}

struct server_fixture *server_fixture_start(server_fixture_fn *serve, void *arg)
{
    struct server_fixture *s = server_new(AF_INET, serve, arg);
    struct sockaddr_in addr = {.sin_family = AF_INET,
                               .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof addr;
    CHECK(bind(s->fd, (struct sockaddr *)&addr, sizeof addr) == 0);
    CHECK(getsockname(s->fd, (struct sockaddr *)&addr, &len) == 0);
    s->port = ntohs(addr.sin_port);
    server_listen(s);
    return s;
}

struct server_fixture *server_fixture_start_unix(const char *path,
                                                 server_fixture_fn *serve, void *arg)
{
    struct server_fixture *s = server_new(AF_UNIX, serve, arg);
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    (void)snprintf(s->path, sizeof s->path, "%s", path);
    (void)snprintf(addr.sun_path, sizeof addr.sun_path, "%s", path);
    CHECK(bind(s->fd, (struct sockaddr *)&addr, sizeof addr) == 0);
    server_listen(s);
    return s;
}

struct server_fixture *server_fixture_start_v6(uint16_t port, server_fixture_fn *serve,
                                               void *arg)
{
    struct server_fixture *s = server_new(AF_INET6, serve, arg);
    struct sockaddr_in6 addr = {
        .sin6_family = AF_INET6, .sin6_port = htons(port), .sin6_addr = in6addr_loopback};
    socklen_t len = sizeof addr;
    if (bind(s->fd, (struct sockaddr *)&addr, sizeof addr) != 0) {
        (void)close(s->fd);
        mem_free(s);
        return NULL;
    }
    CHECK(getsockname(s->fd, (struct sockaddr *)&addr, &len) == 0);
    s->port = ntohs(addr.sin6_port);
    server_listen(s);
    return s;
}

uint16_t server_fixture_port(const struct server_fixture *s)
{
    return s->port;
}

void server_fixture_stop(struct server_fixture **sp)
{
    struct server_fixture *s = *sp;
    if (s == NULL) {
        return;
    }
    *sp = NULL;
    (void)shutdown(s->fd, SHUT_RDWR); /* ends accept */
    CHECK(pthread_join(s->thread, NULL) == 0);
    (void)close(s->fd);
    if (s->path[0] != '\0') {
        (void)unlink(s->path);
    }
    mem_free(s);
}

bool server_fixture_send(int fd, const void *data, size_t len)
{
    const char *p = data;
    while (len > 0) {
        ssize_t n = send(fd, p, len, MSG_NOSIGNAL);
        if (n <= 0) {
            return false;
        }
        p += n;
        len -= (size_t)n;
    }
    return true;
}

void server_fixture_drain(int fd)
{
    char chunk[4096];
    while (recv(fd, chunk, sizeof chunk, 0) > 0) {
    }
}

void server_fixture_set_reset(int fd)
{
    struct linger hard = {.l_onoff = 1, .l_linger = 0};
    (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
}

SSL *server_fixture_tls(int fd, SSL_CTX *ctx)
{
    SSL *ssl = SSL_new(ctx);
    CHECK(ssl != NULL && SSL_set_fd(ssl, fd) == 1);
    if (SSL_accept(ssl) != 1) {
        SSL_free(ssl);
        return NULL;
    }
    return ssl;
}
