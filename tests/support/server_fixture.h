/* server_fixture: the other side of a test, written with blocking calls on a thread.
 * Shape    listens on 127.0.0.1 (or a unix socket), port 0; serves one connection after
 *          the other with the test's function
 * Owner    the test: server_fixture_start, then server_fixture_stop, which closes the
 *          listener, waits for the thread and frees
 * Calls    serve runs on the server's thread: no cmocka asserts there
 * Limits   sockets have a timeout, so that a broken test ends */
#ifndef POSTRIDER_TESTS_SERVER_FIXTURE_H
#define POSTRIDER_TESTS_SERVER_FIXTURE_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct server_fixture;
/* fd is closed after it returns. */
typedef void server_fixture_fn(int fd, void *arg);

struct server_fixture *server_fixture_start(server_fixture_fn *serve, void *arg);
struct server_fixture *server_fixture_start_unix(const char *path,
                                                 server_fixture_fn *serve, void *arg);
/* On [::1] and that port (0: any); NULL if the machine has no IPv6. */
struct server_fixture *server_fixture_start_v6(uint16_t port, server_fixture_fn *serve,
                                               void *arg);
uint16_t server_fixture_port(const struct server_fixture *s);
void server_fixture_stop(struct server_fixture **s);

/* Helpers for serve. False when the peer is gone. */
bool server_fixture_send(int fd, const void *data, size_t len);
/* Reads until the peer closes (or the timeout). */
void server_fixture_drain(int fd);
/* The close will be a reset. */
void server_fixture_set_reset(int fd);
/* TLS on fd; NULL if the handshake fails. The caller frees. */
SSL *server_fixture_tls(int fd, SSL_CTX *ctx);

#endif
