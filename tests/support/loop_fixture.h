/* loop_fixture: runs a real loop inside a test until something happened.
 * Owner    the test owns the loop: loop_fixture_new, then loop_fixture_free, which also
 *          proves that nothing was left behind (it runs the loop dry)
 * Limits   every wait is bounded; a wait that is over fails the test */
#ifndef POSTRIDER_TESTS_LOOP_FIXTURE_H
#define POSTRIDER_TESTS_LOOP_FIXTURE_H

#include "postrider/loop/loop.h"

#include <stdbool.h>
#include <stdint.h>

struct loop *loop_fixture_new(void);
void loop_fixture_free(struct loop **loop);
/* Takes turns until *flag is true; fails the test after timeout_ms. */
void loop_fixture_run_until(struct loop *loop, const bool *flag, int64_t timeout_ms);
/* Takes turns until *count reaches at least `want`; fails the test after timeout_ms. */
void loop_fixture_run_until_count(struct loop *loop, const unsigned *count, unsigned want,
                                  int64_t timeout_ms);
/* Takes turns for that long, e.g. to show that something does not happen. */
void loop_fixture_run_for(struct loop *loop, int64_t ms);

#endif
