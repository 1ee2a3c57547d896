/* append_fixture: another client's message, put into a mailbox by APPEND.
 * Limits   the wait is bounded; one that is over fails the test, and so does a refusal */
#ifndef POSTRIDER_TESTS_APPEND_FIXTURE_H
#define POSTRIDER_TESTS_APPEND_FIXTURE_H

#include "postrider/imap/imap.h"

void append_fixture_run(struct loop *loop, struct imap_conn *conn, const char *mailbox,
                        const char *text);

#endif
