/* Passes against a simulated server whose truth is known: what they find, what they cost,
 * and what they do when the server errs. */
#include "fake_world.h"

#include "postrider/base/clock.h"
#include "postrider/base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum {
    KIB = 1024
};

/* --- what it costs --- */

static void one_deletion_among_many_costs_little(void **state)
{
    static const struct {
        const char *server;
        uint32_t size;
        size_t max;
    } rows[] = {{"CONDSTORE", 100000, 4 * KIB},
                /* the newest messages are looked at for flags besides */
                {"", 20000, 4 * KIB + 200 * 50}};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const uint32_t uids[] = {1, rows[i].size / 2 + 1, rows[i].size - 1};
        struct fake_world t = fake_world_begin(
            (struct imap_fake_config){.capabilities = rows[i].server}, rows[i].size);
        for (size_t k = 0; k < ARRAY_LEN(uids); k++) {
            imap_fake_expunge(t.fake, uids[k], uids[k]);
            fake_world_reconnect(&t);
            world_sync(t.w);
            assert_int_equal(t.w->m->count, imap_fake_count(t.fake));
            assert_in_range(imap_fake_bytes(t.fake, true), 1, rows[i].max);
            assert_int_equal(imap_fake_commands(t.fake, "SEARCH"), 0);
        }
        imap_fake_expunge(t.fake, 7001, 9000);
        fake_world_reconnect(&t);
        world_sync(t.w);
        fake_world_check(&t, 1);
        fake_world_end(&t);
    }
}

static void hear_flags(const struct fake_world *t, uint32_t number, uint8_t flags)
{
    struct imap_row row = {
        .seq = number, .has = IMAP_ITEM_FLAGS, .flags = {.system = flags}};
    sync_live_row(&t->w->live, &row);
}

/* The index shows which message the number means. */
static void flags_told_by_number_need_no_command(void **state)
{
    (void)state;
    struct fake_world t =
        fake_world_begin((struct imap_fake_config){.capabilities = "CONDSTORE"}, 500);
    imap_fake_expunge(t.fake, 3, 9);
    world_sync(t.w);
    imap_fake_flags(t.fake, 8 + 7, IMAP_FLAG_SEEN, false);
    imap_fake_flags(t.fake, 1, IMAP_FLAG_FLAGGED, false);
    imap_fake_flags(t.fake, 500, IMAP_FLAG_DELETED, false);
    (void)imap_fake_bytes(t.fake, true);
    hear_flags(&t, 8, IMAP_FLAG_DELETED);
    hear_flags(&t, 1, IMAP_FLAG_FLAGGED);
    hear_flags(&t, 493, IMAP_FLAG_DELETED);
    hear_flags(&t, 8, IMAP_FLAG_SEEN);
    world_pass(t.w, false);
    assert_int_equal(imap_fake_bytes(t.fake, true), 0);
    assert_int_equal(t.w->result.updated, 3);
    fake_world_check(&t, 1);
    fake_world_end(&t);
}

/* Something else was said, too: what the number meant is asked for. */
static void flags_told_by_number_beside_other_news_are_compared(void **state)
{
    (void)state;
    for (int beside = 0; beside < 2; beside++) {
        struct fake_world t =
            fake_world_begin((struct imap_fake_config){.capabilities = "CONDSTORE"}, 50);
        imap_fake_flags(t.fake, 9, IMAP_FLAG_SEEN, false);
        if (beside == 0) {
            imap_fake_expunge(t.fake, 5, 5);
        } else {
            imap_fake_add(t.fake, 1);
        }
        world_listen(t.w);
        hear_flags(&t, beside == 0 ? 8 : 9, IMAP_FLAG_SEEN);
        world_sync_live(t.w);
        fake_world_check(&t, 1);
        fake_world_end(&t);
    }
}

static void a_reconnect_without_news_is_one_small_command(void **state)
{
    (void)state;
    for (size_t i = 0; i < 4; i++) { /* those with CONDSTORE */
        struct fake_world t = fake_world_begin(
            (struct imap_fake_config){.capabilities = fake_servers[i]}, 500);
        fake_world_reconnect(&t);
        world_sync(t.w);
        assert_int_equal(imap_fake_commands(t.fake, "SELECT"), 1);
        assert_int_equal(imap_fake_commands(t.fake, "UID"), 0);
        assert_int_equal(imap_fake_commands(t.fake, "FETCH"), 0);
        assert_in_range(imap_fake_bytes(t.fake, true), 1, KIB);
        fake_world_end(&t);
    }
}

static void qresync_needs_nothing_but_select(void **state)
{
    (void)state;
    struct fake_world t = fake_world_begin(
        (struct imap_fake_config){.capabilities = "CONDSTORE QRESYNC"}, 300);
    imap_fake_flags(t.fake, 17, IMAP_FLAG_SEEN, true);
    imap_fake_expunge(t.fake, 30, 40);
    fake_world_reconnect(&t);
    world_sync(t.w);
    assert_int_equal(imap_fake_commands(t.fake, "SELECT"), 1);
    assert_int_equal(imap_fake_commands(t.fake, "UID"), 0);
    assert_int_equal(imap_fake_commands(t.fake, "SEARCH"), 0);
    assert_int_equal(t.w->result.deleted, 11);
    assert_int_equal(t.w->result.updated, 1);
    fake_world_check(&t, 1);
    fake_world_end(&t);
}

static void a_qresync_answer_may_be_larger_than_what_is_kept(void **state)
{
    (void)state;
    struct fake_world t = fake_world_begin(
        (struct imap_fake_config){.capabilities = "CONDSTORE QRESYNC"}, 30000);
    for (uint32_t uid = 1; uid <= 21000; uid++) {
        imap_fake_flags(t.fake, uid, IMAP_FLAG_SEEN, false);
    }
    fake_world_reconnect(&t);
    world_sync(t.w);
    fake_world_check(&t, 1);
    fake_world_end(&t);
}

/* --- nothing happened, nothing is written --- */

static void a_redo_writes_nothing(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2 * FAKE_SERVERS; i++) {
        struct fake_world t = fake_world_begin(
            (struct imap_fake_config){.capabilities = fake_servers[i % FAKE_SERVERS],
                                      .quirks = i < FAKE_SERVERS ? 0 : FAKE_NO_MODSEQ},
            130);
        imap_fake_flags(t.fake, 5, IMAP_FLAG_FLAGGED, true);
        imap_fake_expunge(t.fake, 50, 52);
        imap_fake_add(t.fake, 3);
        fake_world_reconnect(&t);
        t.w->m->last_full_ms = 0;
        world_sync(t.w);
        fake_world_check(&t, 1);
        uint64_t version = t.w->m->version;
        for (int k = 0; k < 3; k++) {
            fake_world_reconnect(&t);
            t.w->m->last_full_ms = k == 1 ? 0 : t.w->m->last_full_ms;
            world_sync(t.w);
            world_listen(t.w);
            world_sync_live(t.w);
            assert_int_equal(t.w->m->version, version);
        }
        fake_world_end(&t);
    }
}

/* --- every history --- */

static uint32_t random_below(uint32_t *seed, uint32_t n)
{
    *seed = *seed * 1664525u + 1013904223u;
    return n > 0 ? (uint32_t)((uint64_t)(*seed >> 8) * n >> 24) : 0;
}

static uint32_t some_uid(const struct imap_fake *f, uint32_t *seed)
{
    uint32_t count = (uint32_t)imap_fake_count(f);
    return count > 0 ? imap_fake_at(f, random_below(seed, count))->uid : 0;
}

static void change(struct imap_fake *f, uint32_t *seed)
{
    uint32_t uid = some_uid(f, seed);
    switch (random_below(seed, 5)) {
    case 0:
        imap_fake_add(f, 1 + random_below(seed, 30));
        break;
    case 1:
        imap_fake_expunge(f, uid, uid + random_below(seed, 40));
        break;
    case 2:
    case 3:
        imap_fake_expunge(f, uid, uid);
        break;
    default:
        if (uid != 0) {
            imap_fake_flags(f, uid, (uint8_t)(1u << random_below(seed, 5)),
                            random_below(seed, 2) == 1);
        }
    }
}

static void live_history(struct fake_world *t, uint32_t seed)
{
    for (int round = 0; round < 12; round++) {
        uint32_t changes = random_below(&seed, 8);
        for (uint32_t k = 0; k < changes; k++) {
            change(t->fake, &seed);
        }
        if (random_below(&seed, 3) == 0) {
            world_listen(t->w);
            world_sync_live(t->w);
        } else {
            fake_world_reconnect(t);
            t->w->m->last_full_ms = 0;
            world_sync(t->w);
        }
    }
    fake_world_reconnect(t);
    t->w->m->last_full_ms = 0;
    world_sync(t->w);
    fake_world_check(t, 1);
}

static void all_servers_lead_to_the_same_index_and_log(void **state)
{
    (void)state;
    for (uint32_t seed = 1; seed <= 2; seed++) {
        size_t first[EVENT_TYPE_COUNT] = {0};
        for (size_t i = 0; i < FAKE_SERVERS; i++) {
            struct fake_world t = fake_world_begin(
                (struct imap_fake_config){.capabilities = fake_servers[i],
                                          .chop = seed == 2 ? 7 : 0},
                400);
            live_history(&t, seed);
            world_read_log(t.w);
            if (i == 0) {
                memcpy(first, t.w->events, sizeof first);
            }
            assert_int_equal(t.w->events[EVENT_MESSAGE_DELETED] -
                                 t.w->events[EVENT_MESSAGE_NEW],
                             first[EVENT_MESSAGE_DELETED] - first[EVENT_MESSAGE_NEW]);
            fake_world_end(&t);
        }
    }
}

/* --- while a pass runs --- */

struct meddler {
    uint32_t seed;
    bool on;
};

static void meddle(struct imap_fake *f, const char *command, void *ctx)
{
    struct meddler *m = ctx;
    if (m->on && strncmp(command, "LOGIN", 5) != 0 && random_below(&m->seed, 3) == 0) {
        change(f, &m->seed);
    }
}

static void what_happens_during_a_pass_is_found_in_the_end(void **state)
{
    (void)state;
    for (size_t i = 0; i < FAKE_SERVERS; i++) {
        for (uint32_t seed = 1; seed <= 2; seed++) {
            struct meddler meddler = {.seed = seed};
            struct fake_world t = fake_world_begin(
                (struct imap_fake_config){
                    .capabilities = fake_servers[i], .hook = meddle, .ctx = &meddler},
                200);
            for (int round = 0; round < 6; round++) {
                meddler.on = true;
                fake_world_reconnect(&t);
                t.w->m->last_full_ms = 0;
                world_pass(t.w, true);
                world_listen(t.w);
                world_pass(t.w, false);
                meddler.on = false;
            }
            fake_world_reconnect(&t);
            t.w->m->last_full_ms = 0;
            world_sync(t.w);
            fake_world_check(&t, 1);
            world_read_log(t.w);
            assert_int_equal(t.w->events[EVENT_MESSAGE_NEW] -
                                 t.w->events[EVENT_MESSAGE_DELETED],
                             t.w->m->count);
            fake_world_end(&t);
        }
    }
}

static void a_row_that_does_not_come_makes_probing_begin_anew(void **state)
{
    (void)state;
    struct fake_world t =
        fake_world_begin((struct imap_fake_config){.capabilities = "CONDSTORE"}, 3000);
    imap_fake_expunge(t.fake, 1234, 1234);
    imap_fake_config(t.fake)->quirks = FAKE_LOSES_ROWS;
    fake_world_reconnect(&t);
    world_sync(t.w);
    assert_int_equal(imap_fake_commands(t.fake, "NOOP"), 1);
    assert_int_equal(imap_fake_commands(t.fake, "SEARCH"), 0);
    fake_world_check(&t, 1);
    fake_world_end(&t);
}

/* --- deletions that were none --- */

static void vanished_messages_that_are_there_are_not_deleted(void **state)
{
    (void)state;
    struct fake_world t = fake_world_begin(
        (struct imap_fake_config){.capabilities = "CONDSTORE QRESYNC ESEARCH"}, 300);
    imap_fake_config(t.fake)->quirks = FAKE_VANISHES_ALL;
    for (uint32_t i = 0; i < 4; i++) {
        imap_fake_flags(t.fake, 9, (uint8_t)(1u << i), false);
        fake_world_reconnect(&t);
        world_sync(t.w);
        fake_world_check(&t, 1);
        assert_int_equal(t.w->result.deleted, 0);
        /* Twice is enough: from then on it is not asked. */
        assert_int_equal(t.w->learned.qresync_off_until_ms != 0, i >= 1);
    }
    world_read_log(t.w);
    assert_int_equal(t.w->events[EVENT_MESSAGE_DELETED], 0);
    fake_world_end(&t);
}

static void servers_that_are_known_for_it_are_not_asked(void **state)
{
    static const struct imap_fake_config known[] = {
        {.capabilities = "CONDSTORE QRESYNC ESEARCH XAPPLEPUSHSERVICE"},
        {.capabilities = "CONDSTORE QRESYNC ESEARCH", .id = "Apache James"}};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(known); i++) {
        struct fake_world t = fake_world_begin(known[i], 300);
        imap_fake_config(t.fake)->quirks = FAKE_VANISHES_ALL;
        imap_fake_flags(t.fake, 9, IMAP_FLAG_SEEN, false);
        imap_fake_expunge(t.fake, 20, 20);
        fake_world_reconnect(&t);
        world_sync(t.w);
        fake_world_check(&t, 1);
        assert_int_equal(t.w->learned.false_vanished, 0);
        fake_world_end(&t);
    }
}

/* --- flags without MODSEQ --- */

static void flags_are_found_by_search(void **state)
{
    (void)state;
    struct fake_world t =
        fake_world_begin((struct imap_fake_config){.capabilities = "ESEARCH"}, 3000);
    for (uint32_t uid = 1; uid <= 3000; uid++) {
        imap_fake_flags(t.fake, uid, IMAP_FLAG_SEEN, false);
    }
    imap_fake_flags(t.fake, 11, IMAP_FLAG_ANSWERED | IMAP_FLAG_FLAGGED, false);
    imap_fake_flags(t.fake, 12, IMAP_FLAG_SEEN | IMAP_FLAG_DRAFT, true);
    fake_world_reconnect(&t);
    t.w->m->last_full_ms = 0;
    assert_true(sync_flags_are_due(&t.w->table, t.w->m));
    world_sync(t.w);
    fake_world_check(&t, 1);
    assert_false(sync_flags_are_due(&t.w->table, t.w->m));
    assert_int_equal(imap_fake_commands(t.fake, "SEARCH"), 6);
    assert_in_range(imap_fake_bytes(t.fake, true), 1, 2 * KIB);
    imap_fake_flags(t.fake, 12, IMAP_FLAG_SEEN, false);
    fake_world_reconnect(&t);
    t.w->m->last_full_ms = 0;
    world_sync(t.w);
    fake_world_check(&t, 1);
    fake_world_end(&t);
}

static void flags_are_fetched_where_search_is_refused(void **state)
{
    (void)state;
    struct fake_world t =
        fake_world_begin((struct imap_fake_config){.capabilities = "ESEARCH"}, 500);
    imap_fake_config(t.fake)->quirks = FAKE_REFUSES_SEARCH;
    for (uint32_t uid = 1; uid <= 2; uid++) {
        imap_fake_flags(t.fake, uid, IMAP_FLAG_SEEN, true);
        fake_world_reconnect(&t);
        t.w->m->last_full_ms = 0;
        world_sync(t.w);
        fake_world_check(&t, 1);
        assert_int_equal(imap_fake_commands(t.fake, "SEARCH"), uid == 1);
    }
    fake_world_end(&t);
}

/* --- messages that cannot be shown --- */

static void a_message_that_is_refused_does_not_hide_the_others(void **state)
{
    static const enum fake_trouble troubles[] = {FAKE_REFUSES, FAKE_STUBBORN};
    (void)state;
    for (size_t i = 0; i < 2 * FAKE_SERVERS; i++) {
        struct imap_fake_config config = {.capabilities = fake_servers[i / 2]};
        struct fake_world t = {.fake = imap_fake_start(&config)};
        imap_fake_add(t.fake, 250);
        imap_fake_trouble(t.fake, 1, troubles[i % 2]);
        imap_fake_trouble(t.fake, 77, troubles[i % 2]);
        t.w = sync_world_new_at(imap_fake_port(t.fake), 0);
        world_sync(t.w);
        fake_world_check(&t, 1);
        /* As the newest one, and among others that are new. */
        for (uint32_t k = 0; k < 2; k++) {
            imap_fake_trouble(t.fake, imap_fake_add(t.fake, 1 + 4 * k), troubles[i % 2]);
            world_listen(t.w);
            world_sync_live(t.w);
            fake_world_check(&t, 1);
        }
        world_read_log(t.w);
        assert_int_equal(t.w->events[EVENT_MESSAGE_NEW], 254); /* old ones have no date */
        fake_world_reconnect(&t);
        world_sync(t.w);
        uint64_t version = t.w->m->version;
        fake_world_reconnect(&t);
        world_sync(t.w);
        assert_int_equal(t.w->m->version, version);
        fake_world_check(&t, 1);
        fake_world_end(&t);
    }
}

static void a_server_that_refuses_everything_is_not_believed(void **state)
{
    (void)state;
    struct fake_world t =
        fake_world_begin((struct imap_fake_config){.capabilities = "CONDSTORE"}, 50);
    uint32_t last = imap_fake_add(t.fake, 100);
    for (uint32_t uid = 51; uid <= last; uid++) {
        imap_fake_trouble(t.fake, uid, FAKE_STUBBORN);
    }
    fake_world_reconnect(&t);
    world_sync(t.w);
    assert_in_range(t.w->m->count, 50, 80);
    for (uint32_t uid = 51; uid <= last; uid++) {
        imap_fake_trouble(t.fake, uid, FAKE_NOTHING);
    }
    fake_world_reconnect(&t);
    world_sync(t.w);
    fake_world_check(&t, 1);
    fake_world_end(&t);
}

/* --- messages that show late --- */

static void a_message_that_shows_late_is_found(void **state)
{
    static const char *const ids[] = {NULL, "WildDuck", "Microsoft.Exchange.Imap4"};
    (void)state;
    for (size_t i = 0; i < 2 * ARRAY_LEN(ids); i++) {
        struct fake_world t = fake_world_begin(
            (struct imap_fake_config){.capabilities = fake_servers[2 + i % 4],
                                      .id = ids[i / 2]},
            100);
        uint32_t late = imap_fake_add(t.fake, 1);
        imap_fake_trouble(t.fake, late, FAKE_HIDDEN);
        imap_fake_add(t.fake, 2);
        world_listen(t.w);
        world_sync_live(t.w);
        assert_int_equal(t.w->m->count, 102);
        imap_fake_trouble(t.fake, late, FAKE_NOTHING);
        if (ids[i / 2] != NULL) {
            imap_fake_expunge(t.fake, 3, 3); /* the count hides it */
        }
        imap_fake_add(t.fake, 1);
        world_listen(t.w);
        world_sync_live(t.w);
        fake_world_check(&t, 1);
        world_read_log(t.w);
        assert_int_equal(t.w->events[EVENT_MESSAGE_NEW], 104);
        fake_world_end(&t);
    }
}

static void the_newest_messages_are_looked_at_again_where_some_show_late(void **state)
{
    static const char *const ids[] = {NULL, "Zimbra"};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(ids); i++) {
        struct fake_world t = fake_world_begin(
            (struct imap_fake_config){.capabilities = "CONDSTORE", .id = ids[i]}, 300);
        (void)imap_fake_bytes(t.fake, true);
        imap_fake_add(t.fake, 1);
        world_listen(t.w);
        world_sync_live(t.w);
        assert_int_equal(imap_fake_commands(t.fake, "FETCH"), i);
        assert_in_range(imap_fake_bytes(t.fake, true), 1, 4 * KIB);
        fake_world_check(&t, 1);
        fake_world_end(&t);
    }
}

/* --- mailboxes that cannot be selected --- */

static void a_mailbox_that_is_refused_three_times_is_left_alone(void **state)
{
    (void)state;
    struct imap_fake_config config = {.capabilities = "CONDSTORE",
                                      .refuses_select = "[NOPERM] not yours"};
    struct fake_world t = {.fake = imap_fake_start(&config)};
    imap_fake_add(t.fake, 30);
    t.w = sync_world_new_at(imap_fake_port(t.fake), 0);
    for (int i = 1; i <= 3; i++) {
        world_try_pass(t.w, true);
        assert_int_not_equal(t.w->err.code, ERR_OK);
        assert_int_equal(sync_is_parked(t.w->m), i == 3);
    }
    assert_int_equal(t.w->m->phase, MAILBOX_PHASE_PARKED);
    imap_fake_config(t.fake)->refuses_select = NULL;
    world_sync(t.w);
    assert_false(sync_is_parked(t.w->m));
    fake_world_check(&t, 1);
    /* What is indexed stays so. */
    imap_fake_config(t.fake)->refuses_select = "[INUSE] later";
    world_try_pass(t.w, true);
    assert_true(sync_is_parked(t.w->m));
    assert_int_equal(t.w->m->phase, MAILBOX_PHASE_LIVE);
    fake_world_end(&t);
}

/* Flags that are told while the pass asks for something else are older than those it asks
 * for afterwards. */
struct teller {
    struct sync_world *w;
    unsigned commands;
};

static void tell_flags(void *ctx)
{
    struct teller *teller = ctx;
    struct imap_row row = {.uid = 25,
                           .has = IMAP_ITEM_UID | IMAP_ITEM_FLAGS,
                           .flags = {.system = IMAP_FLAG_FLAGGED}};
    if (++teller->commands == 2) { /* SELECT, the new messages, flags */
        sync_live_row(&teller->w->live, &row);
    }
}

static void flags_that_were_asked_for_are_newer_than_those_told_before(void **state)
{
    (void)state;
    for (size_t i = 2; i < FAKE_SERVERS; i++) { /* with QRESYNC none are asked for */
        struct fake_world t = fake_world_begin(
            (struct imap_fake_config){.capabilities = fake_servers[i]}, 30);
        struct teller teller = {.w = t.w};
        imap_fake_add(t.fake, 1);
        imap_fake_flags(t.fake, 25, 0, false);
        fake_world_reconnect(&t);
        t.w->m->last_full_ms = clock_wall_ms();
        t.w->sc.on_command = tell_flags;
        t.w->sc.command_ctx = &teller;
        world_pass(t.w, true);
        t.w->sc.on_command = NULL;
        while (!sync_live_is_empty(&t.w->live)) {
            world_pass(t.w, false);
        }
        assert_true(teller.commands >= 3);
        fake_world_check(&t, 1);
        fake_world_end(&t);
    }
}

/* An arrival that looks like mail from elsewhere waits a moment for the removal there. What
 * is compared meanwhile must not take what was not there yet for gone. */
static void what_waits_for_a_removal_is_stored_before_uids_are_compared(void **state)
{
    (void)state;
    for (size_t i = 0; i < FAKE_SERVERS; i++) {
        struct fake_world t = fake_world_begin(
            (struct imap_fake_config){.capabilities = fake_servers[i]}, 3);
        world_read_log(t.w);
        size_t told = t.w->events[EVENT_MESSAGE_NEW];
        imap_fake_expunge(t.fake, 1, 1);
        imap_fake_add(t.fake, 12);
        struct fake_message old = *imap_fake_find(t.fake, 4);
        old.date_s -= 86400;
        imap_fake_swap(t.fake, 4, &old);
        t.w->sc.settled = true;
        t.w->sc.batch_messages = 5;
        fake_world_reconnect(&t);
        world_sync(t.w);
        fake_world_check(&t, 1);
        world_read_log(t.w);
        assert_int_equal(t.w->events[EVENT_MESSAGE_NEW], told + 12);
        assert_int_equal(t.w->events[EVENT_MESSAGE_DELETED], 1);
        fake_world_end(&t);
    }
}

int main(void)
{

    const struct CMUnitTest tests[] = {
        cmocka_unit_test(flags_that_were_asked_for_are_newer_than_those_told_before),
        cmocka_unit_test(one_deletion_among_many_costs_little),
        cmocka_unit_test(flags_told_by_number_need_no_command),
        cmocka_unit_test(flags_told_by_number_beside_other_news_are_compared),
        cmocka_unit_test(a_reconnect_without_news_is_one_small_command),
        cmocka_unit_test(qresync_needs_nothing_but_select),
        cmocka_unit_test(a_qresync_answer_may_be_larger_than_what_is_kept),
        cmocka_unit_test(a_redo_writes_nothing),
        cmocka_unit_test(all_servers_lead_to_the_same_index_and_log),
        cmocka_unit_test(what_happens_during_a_pass_is_found_in_the_end),
        cmocka_unit_test(a_row_that_does_not_come_makes_probing_begin_anew),
        cmocka_unit_test(what_waits_for_a_removal_is_stored_before_uids_are_compared),
        cmocka_unit_test(vanished_messages_that_are_there_are_not_deleted),
        cmocka_unit_test(servers_that_are_known_for_it_are_not_asked),
        cmocka_unit_test(flags_are_found_by_search),
        cmocka_unit_test(flags_are_fetched_where_search_is_refused),
        cmocka_unit_test(a_message_that_is_refused_does_not_hide_the_others),
        cmocka_unit_test(a_server_that_refuses_everything_is_not_believed),
        cmocka_unit_test(a_message_that_shows_late_is_found),
        cmocka_unit_test(the_newest_messages_are_looked_at_again_where_some_show_late),
        cmocka_unit_test(a_mailbox_that_is_refused_three_times_is_left_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
