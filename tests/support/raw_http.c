#include "raw_http.h"

#include "postrider/base/clock.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

enum {
    WAIT_MS = 20 * 1000,
    MAX_INPUT = 256 * 1024 * 1024
};

static void open_with(struct raw_client *c, struct loop *loop, uint16_t port, int rcvbuf)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    *c = (struct raw_client){.loop = loop};
    buf_init(&c->in, MAX_INPUT);
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(c->fd >= 0);
    if (rcvbuf > 0) {
        assert_int_equal(setsockopt(c->fd, SOL_SOCKET, SO_RCVBUF, &rcvbuf, sizeof rcvbuf),
                         0);
    }
    assert_int_equal(connect(c->fd, (struct sockaddr *)&to, sizeof to), 0);
    assert_int_equal(fcntl(c->fd, F_SETFL, O_NONBLOCK), 0);
}

void raw_open(struct raw_client *c, struct loop *loop, uint16_t port)
{
    open_with(c, loop, port, 0);
}

void raw_open_narrow(struct raw_client *c, struct loop *loop, uint16_t port)
{
    open_with(c, loop, port, 4096);
}

void raw_close(struct raw_client *c)
{
    if (c->fd >= 0) {
        (void)close(c->fd);
        c->fd = -1;
    }
    buf_fini(&c->in);
}

static void turn(struct loop *loop)
{
    loop_turn(loop, false);
    (void)usleep(500);
}

void raw_send(struct raw_client *c, struct str bytes)
{
    int64_t until = clock_mono_ms() + WAIT_MS;
    while (bytes.len > 0) {
        ssize_t n = send(c->fd, bytes.ptr, bytes.len, MSG_NOSIGNAL);
        if (n >= 0) {
            bytes = str_tail(bytes, (size_t)n);
            continue;
        }
        if (errno != EAGAIN) {
            return;
        }
        raw_poll(c);
        turn(c->loop);
        assert_true(clock_mono_ms() < until);
    }
}

void raw_send_c(struct raw_client *c, const char *text)
{
    raw_send(c, str_of(text));
}

void raw_poll(struct raw_client *c)
{
    char bytes[16384];
    while (!c->at_end) {
        ssize_t n = recv(c->fd, bytes, sizeof bytes, 0);
        if (n > 0) {
            assert_true(buf_put(&c->in, bytes, (size_t)n));
        } else if (n == 0 || errno != EAGAIN) {
            c->at_end = true;
        } else {
            return;
        }
    }
}

unsigned raw_count(const struct raw_client *c, const char *text)
{
    unsigned n = 0;
    size_t len = strlen(text);
    const char *p = c->in.bytes;
    size_t left = c->in.len;
    while (p != NULL && (p = memmem(p, left, text, len)) != NULL) {
        n++;
        p += len;
        left = c->in.len - (size_t)(p - c->in.bytes);
    }
    return n;
}

bool raw_has(const struct raw_client *c, const char *text)
{
    return raw_count(c, text) > 0;
}

void raw_expect_times(struct raw_client *c, const char *text, unsigned n)
{
    int64_t until = clock_mono_ms() + WAIT_MS;
    for (raw_poll(c); raw_count(c, text) < n; raw_poll(c)) {
        if (c->at_end || clock_mono_ms() > until) {
            fail_msg("expected %u of \"%s\" in: %.2000s", n, text, buf_c(&c->in));
        }
        turn(c->loop);
    }
}

void raw_expect(struct raw_client *c, const char *text)
{
    raw_expect_times(c, text, 1);
}

void raw_expect_end(struct raw_client *c)
{
    int64_t until = clock_mono_ms() + WAIT_MS;
    for (raw_poll(c); !c->at_end; raw_poll(c)) {
        if (clock_mono_ms() > until) {
            fail_msg("the server keeps the connection; it sent: %.2000s", buf_c(&c->in));
        }
        turn(c->loop);
    }
}
