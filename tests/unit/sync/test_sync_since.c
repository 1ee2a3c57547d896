/* Indexes that begin at a date, where the server or the moment is not kind: mail that comes
 * before a first index has begun, counts that were told wrong, another UIDVALIDITY. */
#include "since_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* --- mail that comes while the first index begins --- */

struct arrival {
    const char *command; /* it comes before the server reads this */
    unsigned count, from;
    unsigned come;
};

/* Old, as when it is moved there. */
static void arrive(struct imap_fake *f, const char *command, void *ctx)
{
    struct arrival *a = ctx;
    if (strncmp(command, a->command, strlen(a->command)) == 0 && ++a->count == a->from) {
        since_set_date(f, imap_fake_add(f, 1), SINCE_BIRTH);
        a->come++;
    }
}

static void what_comes_before_there_is_an_index_is_in_it(void **state)
{
    static const struct {
        const char *command;
        unsigned from;
    } rows[] = {{"FETCH *", 1}, {"UID SEARCH", 1}, {"UID SEARCH", 2}};
    (void)state;
    for (size_t i = 0; i < FAKE_SERVERS * ARRAY_LEN(rows); i++) {
        struct arrival a = {.command = rows[i % ARRAY_LEN(rows)].command,
                            .from = rows[i % ARRAY_LEN(rows)].from};
        struct imap_fake_config config = {.capabilities =
                                              fake_servers[i / ARRAY_LEN(rows)],
                                          .quirks = FAKE_NO_UIDNEXT,
                                          .hook = arrive,
                                          .ctx = &a};
        struct fake_world t = since_begin(config, SINCE_COUNT);
        since_move(&t, since_day_of(SINCE_COUNT + 10)); /* nothing is that young */
        assert_int_equal(a.come, 1);
        fake_world_told(&t, 1, 0, 0);
        since_below_is(&t, SINCE_COUNT);
        imap_fake_add(t.fake, 1);
        fake_world_again(&t);
        fake_world_check(&t, SINCE_COUNT + 1);
        fake_world_told(&t, 2, 0, 0);
        fake_world_end(&t);
    }
}

/* --- a count that was told wrong --- */

static void said_to_be_gone(const struct fake_world *t, uint32_t lo, uint32_t hi)
{
    struct imap_range range = {lo, hi};
    struct imap_set set = {.ranges = &range, .count = 1};
    sync_live_vanished(&t->w->live, &set, false);
}

static void a_false_vanished_below_is_repaired_when_it_is_noticed(void **state)
{
    (void)state;
    for (size_t i = 0; i < FAKE_SERVERS; i++) {
        struct fake_world t = since_begin_from(fake_servers[i], SINCE_FIRST);
        said_to_be_gone(&t, 3, 5);
        assert_int_equal(t.w->live.below, SINCE_BELOW - 3);
        imap_fake_add(t.fake, 1);
        world_listen(t.w);
        world_sync_live(t.w);
        since_below_is(&t, SINCE_BELOW);
        fake_world_check(&t, SINCE_FIRST);
        (void)imap_fake_bytes(t.fake, true);
        /* From here on numbers are those of messages again. */
        imap_fake_expunge(t.fake, 2, 2);
        imap_fake_expunge(t.fake, 20, 20);
        world_listen(t.w);
        world_sync_live(t.w);
        fake_world_check(&t, SINCE_FIRST);
        since_below_is(&t, SINCE_BELOW - 1);
        fake_world_told(&t, SINCE_COUNT - SINCE_BELOW + 1, 1, 0);
        fake_world_end(&t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_comes_before_there_is_an_index_is_in_it),
        cmocka_unit_test(a_false_vanished_below_is_repaired_when_it_is_noticed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
