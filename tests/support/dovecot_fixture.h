/* dovecot_fixture: a private Dovecot on free loopback ports, with Maildirs in a temporary
 * directory.
 * Owner    the test: dovecot_fixture_start, then dovecot_fixture_stop, which ends the
 *          server and removes the directory
 * Note     any user with any password is let in; mailboxes INBOX, Sent, Trash, Archive */
#ifndef POSTRIDER_TESTS_DOVECOT_FIXTURE_H
#define POSTRIDER_TESTS_DOVECOT_FIXTURE_H

#include <stdint.h>

struct dovecot_fixture;

/* NULL, and the reason was printed, if it cannot run here: the test should end with 77. */
struct dovecot_fixture *dovecot_fixture_start(void);
/* One that shows these capabilities and no others. */
struct dovecot_fixture *dovecot_fixture_start_masked(const char *capability);
void dovecot_fixture_stop(struct dovecot_fixture **f);
uint16_t dovecot_fixture_port(const struct dovecot_fixture *f); /* plain and STARTTLS */
uint16_t dovecot_fixture_tls_port(const struct dovecot_fixture *f);
const char *dovecot_fixture_ca_file(const struct dovecot_fixture *f);

#endif
