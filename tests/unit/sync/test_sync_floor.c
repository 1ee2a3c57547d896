/* Mailboxes that are indexed from a date on: where the index begins, what of changes below is
 * told, and how the lower end moves. */
#include "since_world.h"

#include "postrider/sync/sync_audit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* --- the beginning --- */

static void the_index_begins_at_the_day(void **state)
{
    static const uint32_t firsts[] = {1, 2, SINCE_FIRST, SINCE_COUNT};
    (void)state;
    for (size_t i = 0; i < FAKE_SERVERS; i++) {
        for (size_t k = 0; k < ARRAY_LEN(firsts); k++) {
            struct fake_world t = since_begin_from(fake_servers[i], firsts[k]);
            fake_world_check(&t, firsts[k]);
            since_below_is(&t, firsts[k] - 1);
            assert_int_equal(t.w->m->first_uid, firsts[k] > 1 ? firsts[k] : 0);
            fake_world_told(&t, SINCE_COUNT - firsts[k] + 1, 0, 0);
            world_reload(t.w);
            assert_int_equal(t.w->m->since_day, since_day_of(firsts[k]));
            assert_int_equal(t.w->m->below, firsts[k] - 1);
            fake_world_end(&t);
        }
    }
}

static void a_mailbox_without_anything_as_young_is_empty_until_mail_comes(void **state)
{
    (void)state;
    for (size_t i = 0; i < FAKE_SERVERS; i++) {
        struct fake_world t = since_begin_from(fake_servers[i], SINCE_COUNT + 10);
        assert_int_equal(t.w->m->count, 0);
        since_below_is(&t, SINCE_COUNT);
        uint32_t uid = imap_fake_add(t.fake, 1);
        since_set_date(t.fake, uid, SINCE_BIRTH); /* old, and new here: it was moved */
        fake_world_again(&t);
        fake_world_check(&t, uid);
        fake_world_told(&t, 1, 0, 0);
        fake_world_end(&t);
    }
}

static void an_empty_mailbox_and_one_without_uidnext_begin_as_others(void **state)
{
    (void)state;
    for (size_t i = 0; i < FAKE_SERVERS; i++) {
        struct imap_fake_config config = {.capabilities = fake_servers[i],
                                          .quirks = FAKE_NO_UIDNEXT};
        struct fake_world t = since_begin(config, 0);
        since_move(&t, SINCE_BIRTH);
        since_below_is(&t, 0);
        fake_world_end(&t);
        t = since_begin(config, SINCE_COUNT);
        since_move(&t, since_day_of(SINCE_FIRST));
        fake_world_check(&t, SINCE_FIRST);
        imap_fake_expunge(t.fake, 2, 2);
        imap_fake_expunge(t.fake, SINCE_FIRST, SINCE_FIRST);
        imap_fake_add(t.fake, 1);
        fake_world_again(&t);
        fake_world_check(&t, SINCE_FIRST);
        since_below_is(&t, SINCE_BELOW - 1);
        since_move(&t, since_day_of(SINCE_COUNT + 5));
        assert_int_equal(t.w->m->count, 1); /* today's */
        fake_world_end(&t);
    }
}

static void where_search_is_refused_all_is_indexed(void **state)
{
    (void)state;
    struct fake_world t = since_begin(
        (struct imap_fake_config){.capabilities = "", .quirks = FAKE_REFUSES_SEARCH},
        SINCE_COUNT);
    since_move(&t, since_day_of(SINCE_FIRST));
    fake_world_check(&t, 1);
    since_below_is(&t, 0);
    fake_world_end(&t);
}

static void another_uidvalidity_finds_it_anew(void **state)
{
    (void)state;
    for (size_t i = 0; i < FAKE_SERVERS; i++) {
        struct fake_world t = since_begin_from(fake_servers[i], SINCE_FIRST);
        imap_fake_expunge(t.fake, 1, 4);
        imap_fake_reset(t.fake, 99);
        fake_world_again(&t);
        fake_world_check(&t, SINCE_FIRST);
        since_below_is(&t, SINCE_BELOW - 4);
        world_read_log(t.w);
        assert_int_equal(t.w->events[EVENT_MESSAGE_DELETED], 0);
        assert_int_equal(t.w->events[EVENT_MESSAGE_NEW], SINCE_COUNT - SINCE_BELOW);
        fake_world_end(&t);
    }
}

/* --- changes --- */

static void changes_below_are_told_to_nobody(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2 * FAKE_SERVERS; i++) {
        bool live = i % 2 != 0;
        struct fake_world t = since_begin_from(fake_servers[i / 2], SINCE_FIRST);
        imap_fake_expunge(t.fake, 3, 4);
        imap_fake_flags(t.fake, 7, IMAP_FLAG_SEEN, true);
        if (live) {
            world_listen(t.w);
            assert_int_equal(t.w->live.expunged_count + t.w->live.vanished_count, 0);
            assert_int_equal(t.w->live.row_count + t.w->live.numbered_count, 0);
            assert_int_equal(t.w->live.below, SINCE_BELOW - 2);
        }
        fake_world_again(&t);
        fake_world_check(&t, SINCE_FIRST);
        since_below_is(&t, SINCE_BELOW - 2);
        fake_world_told(&t, SINCE_COUNT - SINCE_BELOW, 0, 0);
        fake_world_end(&t);
    }
}

static void changes_above_are_found_beside_those_below(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2 * FAKE_SERVERS; i++) {
        struct fake_world t = since_begin_from(fake_servers[i / 2], SINCE_FIRST);
        imap_fake_expunge(t.fake, 1, 2);
        imap_fake_expunge(t.fake, SINCE_FIRST, SINCE_FIRST);
        imap_fake_expunge(t.fake, 9, 9);
        imap_fake_expunge(t.fake, 20, 21);
        imap_fake_flags(t.fake, 7, IMAP_FLAG_SEEN, true);
        imap_fake_flags(t.fake, 25, IMAP_FLAG_FLAGGED, true);
        imap_fake_add(t.fake, 2);
        if (i % 2 != 0) {
            world_listen(t.w);
            world_sync_live(t.w);
            assert_int_equal(t.w->m->count, SINCE_COUNT - SINCE_BELOW - 3 + 2);
            assert_int_equal(t.w->live.below, SINCE_BELOW - 3);
        }
        fake_world_again(&t); /* it does not tell of flags by itself */
        fake_world_check(&t, SINCE_FIRST);
        since_below_is(&t, SINCE_BELOW - 3);
        fake_world_told(&t, SINCE_COUNT - SINCE_BELOW + 2, 3, 1);
        fake_world_end(&t);
    }
}

static void it_costs_nothing_while_nothing_goes(void **state)
{
    (void)state;
    for (size_t i = 0; i < FAKE_SERVERS; i++) {
        struct fake_world t = since_begin_from(fake_servers[i], SINCE_FIRST);
        fake_world_again(&t);
        imap_fake_add(t.fake, 3);
        fake_world_again(&t);
        /* Where it can search and has no MODSEQ, it is asked for flags of the newest. */
        bool flags = strstr(fake_servers[i], "ESEARCH") != NULL &&
                     strstr(fake_servers[i], "CONDSTORE") == NULL;
        assert_int_equal(imap_fake_commands(t.fake, "SEARCH"), flags);
        imap_fake_expunge(t.fake, SINCE_COUNT + 1, SINCE_COUNT + 1);
        world_listen(t.w);
        world_sync_live(t.w);
        fake_world_check(&t, SINCE_FIRST);
        fake_world_end(&t);
    }
}

static void one_deletion_among_many_is_found_by_its_number(void **state)
{
    static const char *const by_number[] = {"CONDSTORE ESEARCH", "CONDSTORE"};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(by_number); i++) {
        struct fake_world t =
            since_begin((struct imap_fake_config){.capabilities = by_number[i]}, 5000);
        since_move(&t, since_day_of(2001));
        for (uint32_t uid = 2001; uid < 5000; uid += 2) {
            if (uid % 1000 == 1) {
                imap_fake_expunge(t.fake, uid - 1500, uid - 1500);
                imap_fake_expunge(t.fake, uid, uid);
                fake_world_again(&t);
                fake_world_check(&t, 2001);
            }
        }
        fake_world_end(&t);
    }
}

/* A hook runs before the command: what it does comes in between. */
static void goes_meanwhile(struct imap_fake *f, const char *command, void *ctx)
{
    unsigned *times = ctx;
    if (strncmp(command, "UID SEARCH", 10) == 0 && *times > 0) {
        uint32_t uid = imap_fake_at(f, 0)->uid;
        imap_fake_expunge(f, uid, uid);
        uid = imap_fake_at(f, imap_fake_count(f) / 2)->uid;
        imap_fake_expunge(f, uid, uid);
        --*times;
    }
}

static void what_goes_while_it_is_counted_is_counted(void **state)
{
    (void)state;
    for (size_t i = 0; i < FAKE_SERVERS; i++) {
        for (unsigned times = 1; times < 8; times += 3) {
            unsigned left = 0;
            struct fake_world t =
                since_begin((struct imap_fake_config){.capabilities = fake_servers[i],
                                                      .hook = goes_meanwhile,
                                                      .ctx = &left},
                            SINCE_COUNT);
            since_move(&t, since_day_of(SINCE_FIRST));
            imap_fake_expunge(t.fake, SINCE_COUNT, SINCE_COUNT);
            fake_world_reconnect(&t);
            left = times;
            world_sync(t.w);
            world_listen(t.w);
            world_sync_live(t.w);
            fake_world_again(&t);
            fake_world_check(&t, SINCE_FIRST);
            world_read_log(t.w);
            assert_int_equal(t.w->events[EVENT_MESSAGE_NEW], SINCE_COUNT - SINCE_BELOW);
            fake_world_end(&t);
        }
    }
}

/* With every answer that may say so, the oldest one goes. */
static void old_ones_go(struct imap_fake *f, const char *command, void *ctx)
{
    unsigned *times = ctx;
    if (strncmp(command, "UID ", 4) == 0 && *times > 0) {
        uint32_t uid = imap_fake_at(f, 0)->uid;
        imap_fake_expunge(f, uid, uid);
        --*times;
    }
}

/* As when somebody tidies up: so long that counting is given up, twice. What is indexed did
 * not go. */
static void many_that_go_below_one_by_one_are_not_taken_for_others(void **state)
{
    static const char *const by_number[] = {"CONDSTORE", ""};
    enum {
        MANY = 2000,
        SINCE = 801
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(by_number); i++) {
        unsigned left = 0;
        struct imap_fake_config config = {.capabilities = by_number[i],
                                          .quirks = FAKE_TELLS_APART,
                                          .hook = old_ones_go,
                                          .ctx = &left};
        struct fake_world t = since_begin(config, MANY);
        since_move(&t, since_day_of(SINCE));
        for (unsigned times = 4; times < 20; times++) {
            fake_world_reconnect(&t);
            old_ones_go(t.fake, "UID ", &(unsigned){1});
            left = times;
            world_sync(t.w);
            fake_world_again(&t);
            fake_world_check(&t, SINCE);
        }
        fake_world_told(&t, MANY - SINCE + 1, 0, 0);
        fake_world_end(&t);
    }
}

struct loss {
    uint32_t uid;
    unsigned times;
};

static void goes_above(struct imap_fake *f, const char *command, void *ctx)
{
    struct loss *loss = ctx;
    if (strstr(command, "UID 1:") != NULL && loss->times > 0) {
        imap_fake_expunge(f, loss->uid, loss->uid);
        loss->times--;
    }
}

/* By its number nobody can tell then on which side it was. */
static void what_goes_above_while_the_index_moves_is_found(void **state)
{
    (void)state;
    for (size_t i = 0; i < FAKE_SERVERS; i++) {
        struct loss loss = {.uid = 20};
        struct fake_world t =
            since_begin((struct imap_fake_config){.capabilities = fake_servers[i],
                                                  .quirks = FAKE_TELLS_APART,
                                                  .hook = goes_above,
                                                  .ctx = &loss},
                        SINCE_COUNT);
        since_move(&t, 0);
        fake_world_reconnect(&t);
        loss.times = 1;
        since_move(&t, since_day_of(SINCE_FIRST));
        assert_int_equal(loss.times, 0);
        fake_world_check(&t, SINCE_FIRST);
        since_below_is(&t, SINCE_BELOW);
        fake_world_told(&t, SINCE_COUNT, 1, 0);
        fake_world_end(&t);
    }
}

/* --- another date --- */

static void the_index_moves_with_the_date_silently(void **state)
{
    static const uint32_t ways[][4] = {{SINCE_FIRST, 20, SINCE_FIRST, 1},
                                       {20, SINCE_FIRST, 1, SINCE_COUNT},
                                       {1, 2, SINCE_COUNT, 5}};
    (void)state;
    for (size_t i = 0; i < FAKE_SERVERS; i++) {
        for (size_t k = 0; k < ARRAY_LEN(ways); k++) {
            struct fake_world t = since_begin_from(fake_servers[i], ways[k][0]);
            for (size_t n = 1; n < 4; n++) {
                uint32_t before = t.w->m->count;
                since_move(&t, ways[k][n] > 1 ? since_day_of(ways[k][n]) : 0);
                fake_world_check(&t, ways[k][n]);
                since_below_is(&t, ways[k][n] - 1);
                assert_int_not_equal(t.w->m->count, before);
                fake_world_told(&t, SINCE_COUNT - ways[k][0] + 1, 0, 0);
            }
            fake_world_again(&t);
            imap_fake_add(t.fake, 1);
            fake_world_again(&t);
            fake_world_check(&t, ways[k][3]);
            fake_world_told(&t, SINCE_COUNT - ways[k][0] + 2, 0, 0);
            fake_world_end(&t);
        }
    }
}

/* Ends the pass after each commit, as a crash would, until the index is where it should be. */
static void a_move_that_is_cut_off_goes_on(void **state)
{
    static const uint32_t ways[][2] = {
        {SINCE_FIRST, 25}, {25, 2}, {1, SINCE_COUNT}, {SINCE_COUNT, 1}};
    (void)state;
    for (size_t i = 0; i < FAKE_SERVERS * ARRAY_LEN(ways); i++) {
        const uint32_t *way = ways[i % ARRAY_LEN(ways)];
        struct fake_world t = since_begin_from(fake_servers[i / ARRAY_LEN(ways)], way[0]);
        unsigned passes = 0;
        do {
            fake_world_reconnect(&t);
            world_reload(t.w);
            t.w->table.since_day = since_day_of(way[1]);
            uint64_t version = t.w->m->version;
            struct sync_pass *p = world_pass_start(t.w, true);
            while (!t.w->done && t.w->m->version == version) {
                loop_fixture_run_for(t.w->redis->loop, 1);
            }
            if (!t.w->done) {
                sync_pass_cancel(p);
                loop_fixture_run_until(t.w->redis->loop, &t.w->done, WORLD_SYNC_WAIT_MS);
            }
            t.w->done = false;
            assert_true(++passes < 20);
        } while (sync_floor_is_due(&t.w->table, t.w->m));
        fake_world_again(&t);
        fake_world_check(&t, way[1]);
        since_below_is(&t, way[1] - 1);
        fake_world_told(&t, SINCE_COUNT - way[0] + 1, 0, 0);
        fake_world_end(&t);
    }
}

static void slowly(struct imap_fake *f, const char *command, void *ctx)
{
    (void)f;
    (void)ctx;
    if (strncmp(command, "UID ", 4) == 0 || strncmp(command, "FETCH ", 6) == 0) {
        (void)usleep(30000);
    }
}

/* Nothing of it is in last_uid yet, and UIDNEXT tells nothing. */
static void a_first_index_that_is_cut_off_goes_on_from_another_date(void **state)
{
    static const uint32_t quirks[] = {0, FAKE_NO_UIDNEXT};
    (void)state;
    for (size_t i = 0; i < 2 * ARRAY_LEN(quirks); i++) {
        uint32_t first = i % 2 == 0 ? SINCE_FIRST : SINCE_COUNT - 1;
        struct imap_fake_config config = {
            .capabilities = "", .quirks = quirks[i / 2], .hook = slowly};
        struct fake_world t = since_begin(config, SINCE_COUNT);
        t.w->sc.batch_messages = 1;
        struct sync_pass *p = world_pass_start(t.w, true);
        while (!t.w->done && t.w->m->count == 0) {
            loop_fixture_run_for(t.w->redis->loop, 1);
        }
        assert_false(t.w->done);
        sync_pass_cancel(p);
        loop_fixture_run_until(t.w->redis->loop, &t.w->done, WORLD_SYNC_WAIT_MS);
        t.w->done = false;
        assert_int_equal(t.w->m->phase, MAILBOX_PHASE_INITIAL);
        imap_fake_config(t.fake)->hook = NULL;
        t.w->table.since_day = since_day_of(first);
        fake_world_again(&t);
        fake_world_check(&t, first);
        since_below_is(&t, first - 1);
        fake_world_end(&t);
    }
}

/* Somebody tries a date, and takes it back while the index is on its way. */
static void a_date_that_is_taken_back_is_as_if_it_had_not_been(void **state)
{
    static const uint32_t ways[][2] = {{SINCE_FIRST, 25}, {25, 2}, {1, SINCE_COUNT}};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(ways); i++) {
        struct fake_world t = since_begin_from("CONDSTORE QRESYNC ESEARCH", ways[i][0]);
        fake_world_reconnect(&t);
        imap_fake_config(t.fake)->hook = slowly;
        t.w->table.since_day = since_day_of(ways[i][1]);
        uint64_t version = t.w->m->version;
        struct sync_pass *p = world_pass_start(t.w, true);
        while (!t.w->done && t.w->m->version == version) {
            loop_fixture_run_for(t.w->redis->loop, 1);
        }
        assert_false(t.w->done);
        sync_pass_cancel(p);
        loop_fixture_run_until(t.w->redis->loop, &t.w->done, WORLD_SYNC_WAIT_MS);
        t.w->done = false;
        imap_fake_config(t.fake)->hook = NULL;
        fake_world_reconnect(&t);
        if (i % 2 == 0) {
            world_reload(t.w);
        }
        since_move(&t, since_day_of(ways[i][0]));
        fake_world_check(&t, ways[i][0]);
        since_below_is(&t, ways[i][0] - 1);
        fake_world_told(&t, SINCE_COUNT - ways[i][0] + 1, 0, 0);
        fake_world_end(&t);
    }
}

/* --- proof --- */

struct audited {
    struct sync_world *w;
    struct sync_audit_result result;
};

static void on_audit(struct sync_audit *op, const struct err *err,
                     const struct sync_audit_result *result, void *ctx)
{
    (void)op;
    struct audited *a = ctx;
    assert_int_equal(err->code, ERR_OK);
    a->result = *result;
    a->w->done = true;
}

static enum sync_audit_verdict audit(struct fake_world *t)
{
    struct sync_audit_cursor cursor = {0};
    struct audited a = {.w = t->w};
    fake_world_reconnect(t);
    t->w->done = false;
    (void)sync_audit_start(t->w->conn, &t->w->sc, t->w->m, &cursor, on_audit, &a);
    loop_fixture_run_until(t->w->redis->loop, &t->w->done, WORLD_SYNC_WAIT_MS);
    t->w->done = false;
    return a.result.verdict;
}

static void the_auditor_proves_what_is_indexed(void **state)
{
    (void)state;
    for (size_t i = 0; i < FAKE_SERVERS; i++) {
        struct fake_world t = since_begin_from(fake_servers[i], SINCE_FIRST);
        assert_int_equal(audit(&t), SYNC_AUDIT_EQUAL);
        imap_fake_expunge(t.fake, 2, 2);
        assert_int_equal(audit(&t), SYNC_AUDIT_EQUAL);
        imap_fake_expunge(t.fake, 15, 15);
        assert_int_equal(audit(&t), SYNC_AUDIT_DIFFERS);
        t.w->m->suspect = true;
        fake_world_again(&t);
        fake_world_check(&t, SINCE_FIRST);
        assert_int_equal(audit(&t), SYNC_AUDIT_EQUAL);
        since_move(&t, since_day_of(SINCE_COUNT + 10));
        assert_int_equal(audit(&t), SYNC_AUDIT_EQUAL);
        fake_world_end(&t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_index_begins_at_the_day),
        cmocka_unit_test(a_mailbox_without_anything_as_young_is_empty_until_mail_comes),
        cmocka_unit_test(an_empty_mailbox_and_one_without_uidnext_begin_as_others),
        cmocka_unit_test(where_search_is_refused_all_is_indexed),
        cmocka_unit_test(another_uidvalidity_finds_it_anew),
        cmocka_unit_test(changes_below_are_told_to_nobody),
        cmocka_unit_test(changes_above_are_found_beside_those_below),
        cmocka_unit_test(it_costs_nothing_while_nothing_goes),
        cmocka_unit_test(one_deletion_among_many_is_found_by_its_number),
        cmocka_unit_test(what_goes_while_it_is_counted_is_counted),
        cmocka_unit_test(many_that_go_below_one_by_one_are_not_taken_for_others),
        cmocka_unit_test(what_goes_above_while_the_index_moves_is_found),
        cmocka_unit_test(the_index_moves_with_the_date_silently),
        cmocka_unit_test(a_move_that_is_cut_off_goes_on),
        cmocka_unit_test(a_first_index_that_is_cut_off_goes_on_from_another_date),
        cmocka_unit_test(a_date_that_is_taken_back_is_as_if_it_had_not_been),
        cmocka_unit_test(the_auditor_proves_what_is_indexed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
