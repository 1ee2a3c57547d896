/* Flags of the newest messages on servers without MODSEQ: one search says whether they changed. */
#include "fake_world.h"
#include "sync_priv.h"

#include "postrider/base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum {
    COUNT = 1000,
    WINDOW = 10000,
    KIB = 1024
};

static const uint8_t all_flags = IMAP_FLAG_SEEN | IMAP_FLAG_ANSWERED | IMAP_FLAG_FLAGGED |
                                 IMAP_FLAG_DELETED | IMAP_FLAG_DRAFT;
static const uint8_t system_flags[] = {IMAP_FLAG_SEEN, IMAP_FLAG_ANSWERED,
                                       IMAP_FLAG_FLAGGED, IMAP_FLAG_DELETED,
                                       IMAP_FLAG_DRAFT};

/* Nothing but the flags of the newest is due. */
static void sync_anew(struct fake_world *t)
{
    fake_world_reconnect(t);
    t->w->m->last_full_ms = clock_wall_ms();
    world_sync(t->w);
}

static struct fake_world begin(const char *server, uint32_t quirks)
{
    struct fake_world t = fake_world_begin(
        (struct imap_fake_config){.capabilities = server, .quirks = quirks}, COUNT);
    return t;
}

static void nothing_new_costs_one_small_search(void **state)
{
    (void)state;
    struct fake_world t = begin("ESEARCH", 0);
    for (uint32_t uid = 850; uid < 900; uid++) { /* some have flags, some have none */
        imap_fake_flags(t.fake, uid, uid % 7 == 0 ? 0 : IMAP_FLAG_SEEN, uid == 877);
    }
    sync_anew(&t);
    fake_world_check(&t, 1);
    sync_anew(&t);
    assert_int_equal(imap_fake_commands(t.fake, "SEARCH"), 1);
    assert_int_equal(imap_fake_commands(t.fake, "FETCH"), 0);
    assert_int_equal(imap_fake_commands(t.fake, "UID"), 0);
    assert_in_range(imap_fake_bytes(t.fake, true), 1, KIB);
    fake_world_end(&t);
}

/* So many look like all that the server shows of more. */
static void a_full_window_costs_one_small_search_too(void **state)
{
    (void)state;
    struct fake_world t =
        fake_world_begin((struct imap_fake_config){.capabilities = "ESEARCH"}, WINDOW);
    sync_anew(&t);
    assert_int_not_equal(t.w->m->window_floor, 0);
    assert_int_equal(imap_fake_commands(t.fake, "SEARCH"), 1);
    assert_int_equal(imap_fake_commands(t.fake, "FETCH"), 0);
    assert_in_range(imap_fake_bytes(t.fake, true), 1, KIB);
    imap_fake_flags(t.fake, WINDOW - 3, IMAP_FLAG_FLAGGED, false);
    sync_anew(&t);
    fake_world_check(&t, 1);
    fake_world_end(&t);
}

static void each_flag_that_comes_or_goes_is_found(void **state)
{
    (void)state;
    struct fake_world t = begin("ESEARCH", 0);
    for (size_t i = 0; i <= ARRAY_LEN(system_flags); i++) {
        bool keyword = i == ARRAY_LEN(system_flags);
        uint8_t flags = keyword ? 0 : system_flags[i];
        /* No one has it, one, another one, all, all but one, again no one. */
        imap_fake_flags(t.fake, COUNT - 3, flags, keyword);
        sync_anew(&t);
        fake_world_check(&t, 1);
        imap_fake_flags(t.fake, COUNT - 3, 0, false);
        imap_fake_flags(t.fake, COUNT - 100, flags, keyword);
        sync_anew(&t);
        fake_world_check(&t, 1);
        assert_int_equal(t.w->result.updated, 2);
        for (uint32_t uid = COUNT - 199; uid <= COUNT; uid++) {
            imap_fake_flags(t.fake, uid, flags, keyword);
        }
        sync_anew(&t);
        fake_world_check(&t, 1);
        imap_fake_flags(t.fake, COUNT - 50, 0, false);
        sync_anew(&t);
        fake_world_check(&t, 1);
        assert_int_equal(t.w->result.updated, 1);
        for (uint32_t uid = COUNT - 199; uid <= COUNT; uid++) {
            imap_fake_flags(t.fake, uid, 0, false);
        }
        sync_anew(&t);
        fake_world_check(&t, 1);
    }
    fake_world_end(&t);
}

/* Somebody may have set it since. */
static void a_keyword_that_no_message_had_is_found(void **state)
{
    static const uint32_t quirks[] = {0, FAKE_KEEPS_NO_KEYWORD};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(quirks); i++) {
        struct fake_world t = begin("ESEARCH", quirks[i]);
        imap_fake_config(t.fake)->more_flags = " beta";
        for (size_t k = 0; k < 2; k++) { /* among the newest, among all */
            imap_fake_flags(t.fake, k == 0 ? COUNT - 7 : 3, 0, true);
            fake_world_reconnect(&t);
            t.w->m->last_full_ms = k == 0 ? clock_wall_ms() : 0;
            world_sync(t.w);
            fake_world_check(&t, 1);
            assert_int_equal(t.w->result.updated, 1);
            assert_int_equal(imap_fake_commands(t.fake, "FETCH"), 0);
        }
        fake_world_end(&t);
    }
}

/* Too many, or with a name that no search can hold. The dictionary keeps none of the rest. */
static void keywords_that_cannot_be_searched_for_are_fetched(void **state)
{
    static const char *const rows[] = {" k1 k2 k3 k4 k5 k6 k7 k8", " \"two words\"",
                                       " per%cent", " \\Strange"};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct fake_world t = begin("ESEARCH", FAKE_KEEPS_NO_KEYWORD);
        imap_fake_config(t.fake)->more_flags = rows[i];
        imap_fake_flags(t.fake, COUNT - 7, 0, true);
        sync_anew(&t);
        fake_world_check(&t, 1);
        assert_int_equal(t.w->result.updated, 1);
        assert_int_equal(imap_fake_commands(t.fake, "SEARCH"), 0);
        assert_int_equal(imap_fake_commands(t.fake, "FETCH"), 1);
        assert_in_range(t.w->m->keyword_count, 1, SYNC_FLAG_KEYWORDS);
        fake_world_end(&t);
    }
}

/* It is among FLAGS, and was seen on one message, which is not among the newest. */
static void a_keyword_that_permanentflags_does_not_name_is_found(void **state)
{
    (void)state;
    struct imap_fake_config config = {.capabilities = "ESEARCH",
                                      .quirks = FAKE_KEEPS_NO_KEYWORD};
    struct fake_world t = {.fake = imap_fake_start(&config)};
    imap_fake_add(t.fake, COUNT);
    imap_fake_flags(t.fake, 5, 0, true);
    t.w = sync_world_new_at(imap_fake_port(t.fake), 0);
    t.w->sc.batch_messages = COUNT;
    world_sync(t.w);
    imap_fake_flags(t.fake, COUNT - 7, 0, true);
    sync_anew(&t);
    fake_world_check(&t, 1);
    assert_int_equal(t.w->result.updated, 1);
    imap_fake_flags(t.fake, COUNT - 7, 0, false);
    sync_anew(&t);
    fake_world_check(&t, 1);
    /* All of them are looked at. */
    imap_fake_flags(t.fake, 5, 0, false);
    imap_fake_flags(t.fake, 6, 0, true);
    fake_world_reconnect(&t);
    t.w->m->last_full_ms = 0;
    world_sync(t.w);
    fake_world_check(&t, 1);
    assert_int_equal(imap_fake_commands(t.fake, "FETCH"), 0);
    fake_world_end(&t);
}

/* Beside what came and what went. */
static void other_news_do_not_hide_a_flag(void **state)
{
    (void)state;
    struct fake_world t = begin("ESEARCH", 0);
    imap_fake_expunge(t.fake, 901, 903);
    imap_fake_add(t.fake, 4);
    imap_fake_flags(t.fake, 905, IMAP_FLAG_SEEN, true);
    imap_fake_flags(t.fake, COUNT + 2, IMAP_FLAG_SEEN, false);
    sync_anew(&t);
    fake_world_check(&t, 1);
    fake_world_end(&t);
}

/* Every second one, so that it takes a name each. */
static struct fake_world begin_mixed(uint8_t flags, bool keyword, uint32_t quirks)
{
    struct fake_world t = begin("ESEARCH", quirks);
    for (uint32_t uid = COUNT - 199; uid <= COUNT; uid += 2) {
        imap_fake_flags(t.fake, uid, flags, keyword);
    }
    fake_world_reconnect(&t);
    t.w->m->last_full_ms = 0;
    world_sync(t.w);
    fake_world_check(&t, 1);
    return t;
}

/* The answer names them, once; the others are asked for in one search as before. */
static void a_flag_without_order_is_searched_for_by_itself(void **state)
{
    static const struct {
        uint8_t flags;
        bool keyword;
        size_t searches;
    } rows[] = {{IMAP_FLAG_SEEN, false, 2},
                {IMAP_FLAG_FLAGGED, false, 2},
                {0, true, 2},
                {IMAP_FLAG_SEEN | IMAP_FLAG_DRAFT, false, 3}};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct fake_world t = begin_mixed(rows[i].flags, rows[i].keyword, 0);
        sync_anew(&t);
        assert_int_equal(imap_fake_commands(t.fake, "SEARCH"), rows[i].searches);
        assert_int_equal(imap_fake_commands(t.fake, "UID"), 0);
        /* Login and SELECT included. */
        assert_in_range(imap_fake_bytes(t.fake, true), 1,
                        KIB + 512 * (rows[i].searches - 2));
        imap_fake_flags(t.fake, COUNT - 101, 0, false);
        imap_fake_flags(t.fake, COUNT - 50, rows[i].flags, rows[i].keyword);
        imap_fake_flags(t.fake, COUNT - 40, IMAP_FLAG_ANSWERED, false);
        sync_anew(&t);
        fake_world_check(&t, 1);
        assert_int_equal(t.w->result.updated, 3);
        assert_int_equal(imap_fake_commands(t.fake, "UID"), 1);
        assert_int_equal(imap_fake_commands(t.fake, "FETCH"), 0);
        fake_world_end(&t);
    }
}

/* Who is not in the answer because it went has no other flags. */
static void what_went_and_came_is_not_taken_for_a_flag(void **state)
{
    (void)state;
    struct fake_world t = begin_mixed(IMAP_FLAG_SEEN, false, 0);
    imap_fake_expunge(t.fake, COUNT - 91, COUNT - 90);
    imap_fake_expunge(t.fake, COUNT - 1, COUNT);
    imap_fake_add(t.fake, 3);
    imap_fake_flags(t.fake, COUNT + 1, IMAP_FLAG_SEEN, false);
    imap_fake_flags(t.fake, COUNT - 11, 0, false);
    sync_anew(&t);
    fake_world_check(&t, 1);
    world_read_log(t.w);
    assert_int_equal(t.w->events[EVENT_MESSAGE_DELETED], 4);
    assert_int_equal(t.w->events[EVENT_MESSAGE_UPDATED], 100 + 1);
    fake_world_end(&t);
}

/* Whose answer it is cannot be told, or there is none: the flags are fetched, and searched for
 * no more. */
static void searches_side_by_side_that_fail_are_made_good(void **state)
{
    static const uint32_t quirks[] = {FAKE_SEARCHES_UNTAGGED, FAKE_REFUSES_SEARCH};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(quirks); i++) {
        struct fake_world t = begin_mixed(IMAP_FLAG_SEEN, false, 0);
        imap_fake_config(t.fake)->quirks = quirks[i];
        for (uint32_t k = 0; k < 2; k++) {
            imap_fake_flags(t.fake, COUNT - 7 - k, IMAP_FLAG_FLAGGED, false);
            sync_anew(&t);
            fake_world_check(&t, 1);
            assert_int_equal(imap_fake_commands(t.fake, "SEARCH"), k == 0 ? 2 : 0);
            assert_int_equal(imap_fake_commands(t.fake, "FETCH"), 1);
        }
        fake_world_end(&t);
    }
}

enum {
    ANSWER_MS = 150
};

static void answer_the_second_late(struct imap_fake *f, const char *command, void *ctx)
{
    unsigned *searches = ctx;
    (void)f;
    if (strncmp(command, "UID SEARCH", 10) == 0 && ++*searches == 2) {
        (void)usleep(ANSWER_MS * 1000);
    }
}

/* With one of both answered: called off, or the connection ends. */
static void searches_side_by_side_can_be_left_at_any_time(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        unsigned searches = 0;
        struct fake_world t = begin_mixed(IMAP_FLAG_SEEN, false, 0);
        imap_fake_flags(t.fake, COUNT - 7, IMAP_FLAG_FLAGGED, false);
        fake_world_reconnect(&t);
        imap_fake_config(t.fake)->ctx = &searches;
        imap_fake_config(t.fake)->hook = answer_the_second_late;
        t.w->m->last_full_ms = clock_wall_ms();
        struct sync_pass *p = world_pass_start(t.w, true);
        for (int k = 0; k < 100 && searches < 2; k++) {
            loop_fixture_run_for(t.w->redis->loop, 10);
        }
        assert_int_equal(searches, 2);
        if (i == 0) {
            sync_pass_cancel(p);
        } else {
            world_disconnect(t.w);
        }
        loop_fixture_run_for(t.w->redis->loop, 2 * ANSWER_MS);
        assert_true(t.w->done);
        assert_int_not_equal(t.w->err.code, ERR_OK);
        t.w->done = false;
        sync_anew(&t);
        fake_world_check(&t, 1);
        assert_int_equal(t.w->result.updated, 1);
        fake_world_end(&t);
    }
}

static void lose_between(struct imap_fake *f, const char *command, void *ctx)
{
    unsigned *searches = ctx;
    if (strncmp(command, "UID SEARCH", 10) == 0 && ++*searches == 2) {
        imap_fake_expunge(f, COUNT - 31, COUNT - 30);
        (void)imap_fake_add(f, 2);
        imap_fake_flags(f, COUNT - 8, 0, false);
    }
}

/* Neither the one that went nor the flag that only one of both answers shows is missed. */
static void what_happens_between_two_searches_is_found(void **state)
{
    (void)state;
    unsigned searches = 0;
    struct fake_world t = begin_mixed(IMAP_FLAG_SEEN, false, 0);
    fake_world_reconnect(&t);
    imap_fake_config(t.fake)->ctx = &searches;
    imap_fake_config(t.fake)->hook = lose_between;
    t.w->m->last_full_ms = clock_wall_ms();
    world_sync(t.w);
    assert_true(searches >= 2);
    sync_anew(&t);
    fake_world_check(&t, 1);
    world_read_log(t.w);
    assert_int_equal(t.w->events[EVENT_MESSAGE_DELETED], 2);
    fake_world_end(&t);
}

/* So mixed that to ask for them is shorter. */
static void flags_without_order_are_fetched(void **state)
{
    (void)state;
    struct fake_world t = begin("ESEARCH", 0);
    for (uint32_t uid = 802; uid <= COUNT; uid += 2) {
        imap_fake_flags(t.fake, uid, all_flags, true);
    }
    sync_anew(&t);
    imap_fake_flags(t.fake, COUNT - 1, IMAP_FLAG_DRAFT, false);
    sync_anew(&t);
    assert_int_equal(imap_fake_commands(t.fake, "SEARCH"), 0);
    assert_int_equal(imap_fake_commands(t.fake, "FETCH"), 1);
    fake_world_check(&t, 1);
    fake_world_end(&t);
}

static void a_server_that_cannot_search_is_asked_for_flags(void **state)
{
    static const struct {
        const char *server;
        uint32_t quirks;
    } rows[] = {{"", 0}, {"ESEARCH", FAKE_REFUSES_SEARCH}};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct fake_world t = begin(rows[i].server, rows[i].quirks);
        for (uint32_t k = 0; k < 2; k++) {
            imap_fake_flags(t.fake, COUNT - k, IMAP_FLAG_FLAGGED, false);
            sync_anew(&t);
            fake_world_check(&t, 1);
            /* What is refused is not asked for again. */
            assert_int_equal(imap_fake_commands(t.fake, "SEARCH"), i == 1 && k == 0);
        }
        fake_world_end(&t);
    }
}

enum {
    DUE_MS = 600
};

/* The first search takes until all flags are due, by another one, which is refused. */
static void search_late_and_once(struct imap_fake *f, const char *command, void *ctx)
{
    unsigned *searches = ctx;
    if (strncmp(command, "UID SEARCH", 10) == 0 && ++*searches == 1) {
        (void)usleep(DUE_MS * 1000);
    } else if (*searches == 2) {
        imap_fake_config(f)->quirks |= FAKE_REFUSES_SEARCH;
    }
}

static void all_flags_that_became_due_meanwhile_are_fetched(void **state)
{
    (void)state;
    unsigned searches = 0;
    struct fake_world t = begin("ESEARCH", 0);
    imap_fake_expunge(t.fake, 1, 100); /* numbers are not UIDs */
    sync_anew(&t);
    imap_fake_flags(t.fake, COUNT - 3, IMAP_FLAG_SEEN, false);
    imap_fake_flags(t.fake, 150, IMAP_FLAG_SEEN, false);
    imap_fake_config(t.fake)->hook = search_late_and_once;
    imap_fake_config(t.fake)->ctx = &searches;
    t.w->table.flags_refresh_ms = DUE_MS / 12; /* it is not the inbox */
    sync_anew(&t);
    assert_int_equal(searches, 2);
    fake_world_check(&t, 1);
    fake_world_end(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_new_costs_one_small_search),
        cmocka_unit_test(a_full_window_costs_one_small_search_too),
        cmocka_unit_test(each_flag_that_comes_or_goes_is_found),
        cmocka_unit_test(a_keyword_that_no_message_had_is_found),
        cmocka_unit_test(keywords_that_cannot_be_searched_for_are_fetched),
        cmocka_unit_test(a_keyword_that_permanentflags_does_not_name_is_found),
        cmocka_unit_test(other_news_do_not_hide_a_flag),
        cmocka_unit_test(a_flag_without_order_is_searched_for_by_itself),
        cmocka_unit_test(what_went_and_came_is_not_taken_for_a_flag),
        cmocka_unit_test(searches_side_by_side_that_fail_are_made_good),
        cmocka_unit_test(searches_side_by_side_can_be_left_at_any_time),
        cmocka_unit_test(what_happens_between_two_searches_is_found),
        cmocka_unit_test(flags_without_order_are_fetched),
        cmocka_unit_test(a_server_that_cannot_search_is_asked_for_flags),
        cmocka_unit_test(all_flags_that_became_due_meanwhile_are_fetched),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
