/* silent_fixture: a port of 127.0.0.1 that leaves whoever connects without an answer, as hosts
 * behind a firewall do: a listener whose queue is full.
 * Owner    the test: silent_fixture_open, then silent_fixture_close */
#ifndef POSTRIDER_TESTS_SILENT_FIXTURE_H
#define POSTRIDER_TESTS_SILENT_FIXTURE_H

#include <stdint.h>

struct silent_fixture {
    int fds[5];
    uint16_t port;
};

void silent_fixture_open(struct silent_fixture *s);
void silent_fixture_close(struct silent_fixture *s);

#endif
