/* raw_http: an HTTP client that sends exactly the bytes a test gives it.
 * Owner    the test; raw_close frees
 * Calls    the same thread as the loop: every wait takes turns of the loop
 * Limits   every wait is bounded and fails the test when it is over */
#ifndef POSTRIDER_TESTS_RAW_HTTP_H
#define POSTRIDER_TESTS_RAW_HTTP_H

#include "postrider/base/buf.h"
#include "postrider/loop/loop.h"

struct raw_client {
    struct loop *loop;
    int fd;
    bool at_end; /* the server closed or reset */
    struct buf in;
};

void raw_open(struct raw_client *c, struct loop *loop, uint16_t port);
/* Small receive buffer, so that a stream finds no room. */
void raw_open_narrow(struct raw_client *c, struct loop *loop, uint16_t port);
void raw_close(struct raw_client *c);
/* Sends all of it, or until the server refuses more. */
void raw_send(struct raw_client *c, struct str bytes);
void raw_send_c(struct raw_client *c, const char *text);
/* Reads what is there. */
void raw_poll(struct raw_client *c);
/* Takes turns until the input holds the text n times. */
void raw_expect_times(struct raw_client *c, const char *text, unsigned n);
void raw_expect(struct raw_client *c, const char *text);
/* Takes turns until the server closes. */
void raw_expect_end(struct raw_client *c);
bool raw_has(const struct raw_client *c, const char *text);
unsigned raw_count(const struct raw_client *c, const char *text);

#endif
