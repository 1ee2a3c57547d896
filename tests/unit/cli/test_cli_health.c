/* `postrider health` against a peer that sends what the row says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "postrider/base/str.h"
#include "postrider/cli/cli.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static int listen_on_loopback(uint16_t *port_out)
{
    struct sockaddr_in addr = {.sin_family = AF_INET,
                               .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof addr;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&addr, len), 0);
    assert_int_equal(listen(fd, 1), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&addr, &len), 0);
    *port_out = ntohs(addr.sin_port);
    return fd;
}

/* Takes one request and answers it, the second half after a moment. */
static void answer_once(int fd, const char *reply)
{
    char request[512];
    int peer = accept(fd, NULL, NULL);
    if (peer >= 0 && recv(peer, request, sizeof request, 0) > 0) {
        size_t half = strlen(reply) / 2;
        (void)send(peer, reply, half, MSG_NOSIGNAL);
        (void)usleep(20 * 1000);
        (void)send(peer, reply + half, strlen(reply) - half, MSG_NOSIGNAL);
        (void)close(peer);
    }
    _exit(0);
}

static int run_health(uint16_t port)
{
    char port_arg[32];
    (void)snprintf(port_arg, sizeof port_arg, "--http.port=%u", port);
    char program[] = "postrider", command[] = "health";
    char *argv[] = {program, command, port_arg, NULL};
    return cli_main(3, argv, NULL);
}

static void status_of_the_reply_becomes_the_exit_status(void **state)
{
    static const struct {
        const char *reply;
        int status;
    } rows[] = {
        {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", CLI_DONE},
        {"HTTP/1.0 200 OK\r\n\r\n", CLI_DONE},
        {"HTTP/1.1 500 Internal Server Error\r\n\r\n", CLI_FAILED},
        {"HTTP/1.1 204 No Content\r\n\r\n", CLI_FAILED},
        {"220 mail.example ESMTP\r\n", CLI_FAILED},
        {"HTTP/1.1", CLI_FAILED},
        {"", CLI_FAILED},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        uint16_t port;
        int fd = listen_on_loopback(&port);
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
            answer_once(fd, rows[i].reply);
        }
        assert_int_equal(run_health(port), rows[i].status);
        (void)close(fd);
        assert_int_equal(waitpid(pid, NULL, 0), pid);
    }
}

static void nobody_listening_is_a_failure(void **state)
{
    uint16_t port;
    (void)state;
    (void)close(listen_on_loopback(&port));
    assert_int_equal(run_health(port), CLI_FAILED);
}

static void a_port_chosen_by_the_system_cannot_be_asked(void **state)
{
    (void)state;
    assert_int_equal(run_health(0), CLI_USAGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(status_of_the_reply_becomes_the_exit_status),
        cmocka_unit_test(nobody_listening_is_a_failure),
        cmocka_unit_test(a_port_chosen_by_the_system_cannot_be_asked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
