/* Asks the daemon on this machine how it is, for supervisors that only see an exit status.
 * No store, no loop, no HTTP library: one request, one status line, one deadline. */
#include "cli_priv.h"

#include "postrider/base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    HEALTH_MS = 5000,
    STATUS_LINE_MIN = 12 /* "HTTP/1.1 200" */
};

static bool await(int fd, short events, int64_t until_ms, struct err *err)
{
    struct pollfd p = {.fd = fd, .events = events};
    for (;;) {
        int64_t left_ms = until_ms - clock_mono_ms();
        int n = poll(&p, 1, left_ms > 0 ? (int)left_ms : 0);
        if (n > 0) {
            return true;
        }
        if (n == 0) {
            return err_set(err, ERR_TIMEOUT, "no answer within %d s", HEALTH_MS / 1000);
        }
        if (errno != EINTR) {
            return err_set_sys(err, ERR_IO, errno, "%s", strerror(errno));
        }
    }
}

static bool attach(int fd, const struct addrinfo *to, int64_t until_ms, struct err *err)
{
    int why = 0;
    socklen_t size = sizeof why;
    if (connect(fd, to->ai_addr, to->ai_addrlen) == 0) {
        return true;
    }
    if (errno != EINPROGRESS) {
        return err_set_sys(err, ERR_IO, errno, "%s", strerror(errno));
    }
    if (!await(fd, POLLOUT, until_ms, err)) {
        return false;
    }
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &why, &size) != 0) {
        why = errno;
    }
    return why == 0 || err_set_sys(err, ERR_IO, why, "%s", strerror(why));
}

/* The status of the reply; a server that sends its first line in pieces is read on. */
static bool read_status(int fd, int64_t until_ms, int *status_out, struct err *err)
{
    char line[STATUS_LINE_MIN + 1];
    size_t len = 0;
    while (len < STATUS_LINE_MIN) {
        if (!await(fd, POLLIN, until_ms, err)) {
            return false;
        }
        ssize_t n = recv(fd, line + len, STATUS_LINE_MIN - len, 0);
        if (n < 0 && (errno == EINTR || errno == EAGAIN)) {
            continue;
        }
        if (n <= 0) {
            return err_set(err, ERR_IO, "the connection was closed without an answer");
        }
        len += (size_t)n;
    }
    line[len] = '\0';
    if (sscanf(line, "HTTP/1.%*1[01] %3d", status_out) != 1) {
        return err_set(err, ERR_IO, "the answer is not HTTP");
    }
    return true;
}

static bool ask(const struct addrinfo *to, int *status_out, struct err *err)
{
    static const char request[] =
        "GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    int64_t until_ms = clock_mono_ms() + HEALTH_MS;
    int fd = socket(to->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return err_set_sys(err, ERR_IO, errno, "%s", strerror(errno));
    }
    bool ok = attach(fd, to, until_ms, err);
    /* An empty socket buffer takes these bytes at once. */
    if (ok && send(fd, request, sizeof request - 1, MSG_NOSIGNAL) !=
                  (ssize_t)(sizeof request - 1)) {
        ok = err_set_sys(err, ERR_IO, errno, "%s", strerror(errno));
    }
    ok = ok && read_status(fd, until_ms, status_out, err);
    (void)close(fd);
    return ok;
}

int cli_health(struct cli_call *call)
{
    const char *host = call->config->http.host;
    int64_t port = call->config->http.port;
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    struct err err = {0};
    char port_text[16];
    int status = 0;
    if (call->arg_count > 0) {
        return cli_usage_error("health takes no arguments", call->args[0]);
    }
    if (port == 0) {
        return cli_usage_error("health needs a fixed http.port", NULL);
    }
    (void)snprintf(port_text, sizeof port_text, "%d", (int)port);
    int rc = getaddrinfo(host, port_text, &hints, &found);
    if (rc != 0) {
        (void)err_set(&err, ERR_CONFIG, "%s", gai_strerror(rc));
    } else {
        /* The daemon listens on the first address too; a wildcard leads to this machine. */
        (void)ask(found, &status, &err);
        freeaddrinfo(found);
    }
    if (err.code != ERR_OK) {
        fprintf(stderr, "postrider: %s port %s: %s\n", host, port_text, err.msg);
        return CLI_FAILED;
    }
    printf("%s\n", status == 200 ? "healthy" : "not healthy");
    return status == 200 ? CLI_DONE : CLI_FAILED;
}
