/* since_world: a mailbox of a simulated server that is indexed from a date on.
 * Shape    SINCE_COUNT messages, one a day; message n is of the day since_day_of(n)
 * Owner    the test: since_begin or since_begin_from, then fake_world_end */
#ifndef POSTRIDER_TESTS_SINCE_WORLD_H
#define POSTRIDER_TESTS_SINCE_WORLD_H

#include "fake_world.h"

enum {
    SINCE_BIRTH = 20000, /* day of the first message */
    SINCE_COUNT = 30,
    SINCE_FIRST = 11, /* a message to begin with, and those before it */
    SINCE_BELOW = SINCE_FIRST - 1
};

uint32_t since_day_of(uint32_t uid);
void since_set_date(struct imap_fake *f, uint32_t uid, uint32_t day);
/* Nothing is synced yet. */
struct fake_world since_begin(struct imap_fake_config config, uint32_t count);
/* The index shall begin at this day; 0: with the first message. */
void since_move(struct fake_world *t, uint32_t day);
/* SINCE_COUNT messages, indexed from this one on. */
struct fake_world since_begin_from(const char *capabilities, uint32_t first);
/* So many messages are known to lie below the index. */
void since_below_is(struct fake_world *t, uint32_t below);

#endif
