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

/* --- another date --- */

/* Of what went before the date changed nobody else will hear. */
static void what_went_is_told_where_another_date_would_drop_it(void **state)
{
    static const uint32_t days[] = {SINCE_FIRST - 5, SINCE_FIRST + 9};
    (void)state;
    for (size_t i = 0; i < FAKE_SERVERS * ARRAY_LEN(days); i++) {
        struct fake_world t =
            since_begin_from(fake_servers[i / ARRAY_LEN(days)], SINCE_FIRST);
        imap_fake_expunge(t.fake, 1, SINCE_FIRST + 1);
        imap_fake_expunge(t.fake, SINCE_FIRST + 12, SINCE_FIRST + 12);
        fake_world_reconnect(&t);
        uint32_t from = days[i % ARRAY_LEN(days)];
        since_move(&t, since_day_of(from));
        uint32_t first = from < SINCE_FIRST ? SINCE_FIRST + 2 : from;
        fake_world_check(&t, first);
        since_below_is(&t, first - (SINCE_FIRST + 2));
        fake_world_told(&t, SINCE_COUNT - SINCE_BELOW, 3, 0);
        fake_world_end(&t);
    }
}

static void many_that_went_are_told_in_parts(void **state)
{
    (void)state;
    struct fake_world t =
        since_begin((struct imap_fake_config){.capabilities = "CONDSTORE ESEARCH"}, 1000);
    since_move(&t, since_day_of(11));
    for (uint32_t uid = 1; uid <= 900; uid += 3) {
        imap_fake_expunge(t.fake, uid, uid);
    }
    fake_world_reconnect(&t);
    since_move(&t, since_day_of(901));
    fake_world_check(&t, 901);
    fake_world_told(&t, 990, 296, 0);
    fake_world_end(&t);
}

/* Older mail that came behind the beginning of the index is in it. */
static void an_earlier_date_drops_nothing(void **state)
{
    (void)state;
    for (size_t i = 0; i < FAKE_SERVERS; i++) {
        struct fake_world t = since_begin_from(fake_servers[i], SINCE_COUNT + 10);
        since_set_date(t.fake, imap_fake_add(t.fake, 1), SINCE_BIRTH - 9);
        imap_fake_add(t.fake, 1);
        fake_world_again(&t);
        fake_world_told(&t, 2, 0, 0);
        fake_world_reconnect(&t);
        since_move(&t, since_day_of(SINCE_COUNT + 5));
        fake_world_check(&t, SINCE_COUNT + 1);
        since_below_is(&t, SINCE_COUNT);
        fake_world_told(&t, 2, 0, 0);
        fake_world_end(&t);
    }
}

/* --- another UIDVALIDITY --- */

static void old_mail_that_was_moved_there_stays_through_a_reset(void **state)
{
    static const struct {
        uint32_t first, old;
    } rows[] = {{SINCE_COUNT + 10, 1}, {SINCE_COUNT + 10, 250}, {SINCE_FIRST, 3}, {0, 2}};
    (void)state;
    for (size_t i = 0; i < FAKE_SERVERS * ARRAY_LEN(rows); i++) {
        const size_t row = i % ARRAY_LEN(rows);
        struct imap_fake_config config = {.capabilities =
                                              fake_servers[i / ARRAY_LEN(rows)]};
        bool all = rows[row].first == 0;
        uint32_t count = all ? 0 : SINCE_COUNT, first = all ? 1 : rows[row].first;
        struct fake_world t = since_begin(config, count);
        since_move(&t, since_day_of(all ? SINCE_COUNT : first));
        uint32_t last = imap_fake_add(t.fake, rows[row].old);
        for (uint32_t uid = count + 1; uid <= last; uid++) {
            since_set_date(t.fake, uid, SINCE_BIRTH - uid);
        }
        fake_world_again(&t);
        first = first <= count ? first : count + 1;
        size_t told = last - first + 1;
        fake_world_check(&t, first);
        fake_world_told(&t, told, 0, 0);
        imap_fake_reset(t.fake, 99);
        if (rows[row].first == SINCE_FIRST) {
            imap_fake_expunge(t.fake, SINCE_FIRST, SINCE_COUNT); /* no other is young */
        }
        fake_world_again(&t);
        size_t gone = rows[row].first == SINCE_FIRST ? SINCE_COUNT - SINCE_BELOW : 0;
        assert_int_equal(t.w->m->rebuild, 0);
        assert_int_equal(t.w->m->count, told - gone);
        fake_world_check(&t, first);
        fake_world_told(&t, told, gone, 0);
        since_below_is(&t, first - 1);
        fake_world_end(&t);
    }
}

/* Before the first reset is compared to its end. */
static void a_second_reset_keeps_it_as_well(void **state)
{
    (void)state;
    for (size_t i = 0; i < FAKE_SERVERS; i++) {
        struct fake_world t = since_begin_from(fake_servers[i], SINCE_COUNT + 10);
        since_set_date(t.fake, imap_fake_add(t.fake, 1), SINCE_BIRTH - 9);
        fake_world_again(&t);
        imap_fake_reset(t.fake, 99);
        fake_world_reconnect(&t);
        struct sync_pass *p = world_pass_start(t.w, true);
        while (t.w->m->rebuild == 0 && !t.w->done) {
            loop_fixture_run_for(t.w->redis->loop, 1);
        }
        assert_false(t.w->done);
        sync_pass_cancel(p);
        loop_fixture_run_until(t.w->redis->loop, &t.w->done, WORLD_SYNC_WAIT_MS);
        t.w->done = false;
        world_reload(t.w);
        imap_fake_reset(t.fake, 100);
        fake_world_reconnect(&t);
        since_move(&t, since_day_of(SINCE_COUNT + 10));
        fake_world_check(&t, SINCE_COUNT + 1);
        fake_world_told(&t, 1, 0, 0);
        fake_world_end(&t);
    }
}

/* What is dropped by a date is told to nobody then, either. */
static void another_date_and_another_uidvalidity_tell_nothing(void **state)
{
    static const uint32_t ways[][2] = {{SINCE_FIRST, SINCE_FIRST + 5},
                                       {SINCE_FIRST + 5, SINCE_FIRST},
                                       {1, SINCE_FIRST},
                                       {SINCE_FIRST, 1}};
    (void)state;
    for (size_t i = 0; i < FAKE_SERVERS * ARRAY_LEN(ways); i++) {
        const uint32_t *way = ways[i % ARRAY_LEN(ways)];
        struct fake_world t = since_begin_from(fake_servers[i / ARRAY_LEN(ways)], way[0]);
        imap_fake_reset(t.fake, 99);
        fake_world_reconnect(&t);
        since_move(&t, since_day_of(way[1]));
        fake_world_check(&t, way[1]);
        fake_world_told(&t, SINCE_COUNT - way[0] + 1, 0, 0);
        fake_world_end(&t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_comes_before_there_is_an_index_is_in_it),
        cmocka_unit_test(a_false_vanished_below_is_repaired_when_it_is_noticed),
        cmocka_unit_test(what_went_is_told_where_another_date_would_drop_it),
        cmocka_unit_test(many_that_went_are_told_in_parts),
        cmocka_unit_test(an_earlier_date_drops_nothing),
        cmocka_unit_test(old_mail_that_was_moved_there_stays_through_a_reset),
        cmocka_unit_test(a_second_reset_keeps_it_as_well),
        cmocka_unit_test(another_date_and_another_uidvalidity_tell_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
