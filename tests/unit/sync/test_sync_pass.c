/* The pass against a real Dovecot and a real Redis, each case with QRESYNC, with
 * CONDSTORE only, and with neither. */
#include "sync_priv.h"
#include "sync_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct dovecot_fixture *dovecot;

static int group_setup(void **state)
{
    *state = NULL;
    dovecot = dovecot_fixture_start();
    return 0;
}

static int group_teardown(void **state)
{
    (void)state;
    dovecot_fixture_stop(&dovecot);
    return 0;
}

/* What a server offers, by what the connection may use. */
static uint32_t offers_all = 0;
static uint32_t offers_condstore = IMAP_CAP_QRESYNC;
static uint32_t offers_neither = IMAP_CAP_QRESYNC | IMAP_CAP_CONDSTORE;

static struct sync_world *begin(void **state)
{
    if (dovecot == NULL) {
        skip();
    }
    return sync_world_new(dovecot, *(const uint32_t *)*state);
}

/* A mailbox of `count` messages that is indexed and agrees. */
static struct sync_world *begin_with(void **state, size_t count)
{
    struct sync_world *w = begin(state);
    other_append(w, count);
    world_sync(w);
    world_check(w);
    return w;
}

/* --- the initial index --- */

static void an_empty_mailbox_is_indexed(void **state)
{
    struct sync_world *w = begin_with(state, 0);
    assert_true(w->result.was_initial);
    assert_int_equal(w->m->count, 0);
    sync_world_free(&w);
}

static void a_mailbox_is_indexed_in_several_batches(void **state)
{
    struct sync_world *w = begin_with(state, 130);
    assert_true(w->result.was_initial);
    assert_int_equal(w->result.added, 130);
    assert_int_equal(w->events[EVENT_MESSAGE_NEW], 130);
    sync_world_free(&w);
}

static void holes_and_flags_are_indexed(void **state)
{
    struct sync_world *w = begin(state);
    other_append(w, 60);
    other_expunge(w, "1,7:19,60");
    other_store(w, "20:40", IMAP_STORE_ADD, IMAP_FLAG_SEEN, "alpha");
    other_store(w, "30:50", IMAP_STORE_ADD, IMAP_FLAG_ANSWERED, "beta");
    world_sync(w);
    world_check(w);
    assert_int_equal(w->m->count, 45);
    sync_world_free(&w);
}

static void old_mail_is_indexed_silently(void **state)
{
    struct sync_world *w = begin(state);
    w->sc.notify_from_ms = INT64_MAX;
    other_append(w, 30);
    world_sync(w);
    world_check_index(w);
    assert_int_equal(w->events[EVENT_MESSAGE_NEW], 0);
    sync_world_free(&w);
}

static void wait_for_count(struct sync_world *w, uint32_t count)
{
    for (int i = 0; i < 20000 && w->m->count < count && !w->done; i++) {
        loop_fixture_run_for(w->redis->loop, 1);
    }
}

/* Cuts the pass off when at least `count` rows are stored. */
static void pass_cut_off(struct sync_world *w, bool select, uint32_t count)
{
    struct sync_pass *pass = world_pass_start(w, select);
    wait_for_count(w, count);
    assert_false(w->done);
    sync_pass_cancel(pass);
    loop_fixture_run_until(w->redis->loop, &w->done, WORLD_SYNC_WAIT_MS);
    w->done = false;
    assert_int_equal(w->err.code, ERR_CANCELED);
}

static void an_index_that_was_cut_off_is_resumed(void **state)
{
    struct sync_world *w = begin(state);
    w->sc.batch_messages = 5;
    other_append(w, 150);
    pass_cut_off(w, true, 20);
    assert_int_equal(w->m->phase, MAILBOX_PHASE_INITIAL);
    assert_in_range(w->m->count, 20, 149);
    uint32_t done = w->m->count;
    world_disconnect(w);
    world_reload(w);
    assert_int_equal(w->m->count, done);
    assert_int_equal(w->m->phase, MAILBOX_PHASE_INITIAL);
    world_connect(w);
    world_sync(w);
    world_check(w);
    assert_int_equal(w->events[EVENT_MESSAGE_NEW], 150);
    sync_world_free(&w);
}

static void an_index_is_resumed_after_changes_on_both_sides(void **state)
{
    struct sync_world *w = begin(state);
    w->sc.batch_messages = 5;
    other_append(w, 150);
    pass_cut_off(w, true, 20);
    world_disconnect(w);
    world_reload(w);
    other_expunge(w, "3,10:20,149:150");
    other_append(w, 7);
    other_store(w, "1,148", IMAP_STORE_ADD, IMAP_FLAG_FLAGGED, "beta");
    world_connect(w);
    world_sync(w);
    world_check(w);
    sync_world_free(&w);
}

/* --- while connected --- */

static void new_mail_is_found(void **state)
{
    struct sync_world *w = begin_with(state, 3);
    other_append(w, 4);
    world_listen(w);
    assert_false(sync_live_is_empty(&w->live));
    world_sync_live(w);
    world_check(w);
    assert_int_equal(w->events[EVENT_MESSAGE_NEW], 7);
    sync_world_free(&w);
}

static void flags_and_keywords_are_followed(void **state)
{
    static const struct {
        const char *uids;
        enum imap_store_mode mode;
        uint8_t system;
        const char *keyword;
        size_t updates;
    } steps[] = {
        {"2", IMAP_STORE_ADD, IMAP_FLAG_FLAGGED, NULL, 1},
        {"2:3", IMAP_STORE_ADD, IMAP_FLAG_FLAGGED, NULL, 2},
        {"3:4", IMAP_STORE_ADD, 0, "alpha", 4},
        {"4:5", IMAP_STORE_REPLACE, IMAP_FLAG_SEEN, "beta", 6},
        {"4", IMAP_STORE_REMOVE, IMAP_FLAG_SEEN, "beta", 7},
    };
    struct sync_world *w = begin_with(state, 6);
    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        other_store(w, steps[i].uids, steps[i].mode, steps[i].system, steps[i].keyword);
        world_listen(w);
        world_sync_live(w);
        world_check(w);
        assert_int_equal(w->events[EVENT_MESSAGE_UPDATED], steps[i].updates);
    }
    sync_world_free(&w);
}

static void expunges_by_others_are_followed(void **state)
{
    struct sync_world *w = begin_with(state, 12);
    other_expunge(w, "2,4,7:9");
    world_listen(w);
    world_sync_live(w);
    world_check(w);
    other_expunge(w, "12");
    other_expunge(w, "1,5");
    world_listen(w);
    world_sync_live(w);
    world_check(w);
    assert_int_equal(w->events[EVENT_MESSAGE_DELETED], 8);
    assert_int_equal(w->events[EVENT_MESSAGE_NEW], 12);
    sync_world_free(&w);
}

static void everything_at_once_is_followed(void **state)
{
    struct sync_world *w = begin_with(state, 10);
    other_append(w, 3);
    other_expunge(w, "3,11");
    other_store(w, "4,12", IMAP_STORE_ADD, IMAP_FLAG_SEEN, "alpha");
    other_append(w, 1);
    other_expunge(w, "5");
    world_listen(w);
    world_sync_live(w);
    world_check(w);
    assert_int_equal(w->events[EVENT_MESSAGE_DELETED], 2);
    sync_world_free(&w);
}

/* More arrivals than one batch, told together with expunges by number. */
static void expunges_beside_many_arrivals_hit_the_right_messages(void **state)
{
    struct sync_world *w = begin_with(state, 10);
    w->sc.batch_messages = 20;
    other_append(w, 90);
    other_expunge(w, "4,6");
    world_listen(w);
    world_sync_live(w);
    world_check(w);
    assert_int_equal(w->events[EVENT_MESSAGE_DELETED], 2);
    assert_int_equal(w->events[EVENT_MESSAGE_NEW], 100);
    sync_world_free(&w);
}

/* --- while away --- */

static void expunge_while_away_is_found(void **state)
{
    struct sync_world *w = begin_with(state, 8);
    world_disconnect(w);
    other_expunge(w, "1,5,8");
    world_reload(w);
    world_connect(w);
    world_sync(w);
    world_check(w);
    assert_int_equal(w->events[EVENT_MESSAGE_DELETED], 3);
    sync_world_free(&w);
}

static void flags_changed_while_away_are_found(void **state)
{
    struct sync_world *w = begin_with(state, 8);
    world_disconnect(w);
    other_store(w, "2,8", IMAP_STORE_ADD, IMAP_FLAG_FLAGGED, "alpha");
    world_connect(w);
    world_sync(w);
    world_check(w);
    assert_int_equal(w->events[EVENT_MESSAGE_UPDATED], 2);
    sync_world_free(&w);
}

static void arrival_and_delete_together_are_found(void **state)
{
    struct sync_world *w = begin_with(state, 8);
    world_disconnect(w);
    other_append(w, 2);
    other_expunge(w, "3,4");
    world_connect(w);
    world_sync(w);
    world_check(w);
    assert_int_equal(w->events[EVENT_MESSAGE_DELETED], 2);
    assert_int_equal(w->events[EVENT_MESSAGE_NEW], 10);
    sync_world_free(&w);
}

static void a_message_that_came_and_went_is_not_told(void **state)
{
    struct sync_world *w = begin_with(state, 4);
    world_disconnect(w);
    other_append(w, 1);
    other_expunge(w, "5");
    world_connect(w);
    world_sync(w);
    world_check(w);
    assert_int_equal(w->events[EVENT_MESSAGE_NEW], 4);
    assert_int_equal(w->events[EVENT_MESSAGE_DELETED], 0);
    sync_world_free(&w);
}

static void mass_delete_is_confirmed_by_search(void **state)
{
    struct sync_world *w = begin_with(state, 500);
    world_disconnect(w);
    other_expunge(w, "101:400");
    world_connect(w);
    world_sync(w);
    world_check(w);
    assert_int_equal(w->events[EVENT_MESSAGE_DELETED], 300);
    other_expunge(w, "1:100,401:450");
    world_listen(w);
    world_sync_live(w);
    world_check(w);
    assert_int_equal(w->m->count, 50);
    sync_world_free(&w);
}

static void a_thousand_new_messages_fit_into_one_pass(void **state)
{
    struct sync_world *w = begin_with(state, 20);
    w->sc.batch_messages = 2000;
    world_disconnect(w);
    other_append(w, 1100);
    world_connect(w);
    world_pass(w, true);
    assert_int_equal(w->result.added, 1100);
    world_sync_live(w);
    world_check(w);
    sync_world_free(&w);
}

static void a_large_mailbox_is_indexed_with_large_batches(void **state)
{
    struct sync_world *w = begin(state);
    w->sc.batch_messages = SYNC_BATCH_MAX;
    other_append(w, 1100);
    world_sync(w);
    world_check(w);
    sync_world_free(&w);
}

/* Arrivals, changes and deletes that together are more events than a commit takes. */
static void many_facts_of_all_kinds_fit_into_one_pass(void **state)
{
    struct sync_world *w = begin_with(state, 500);
    w->sc.batch_messages = 2000;
    world_disconnect(w);
    other_append(w, 950);
    other_store(w, "301:500", IMAP_STORE_ADD, IMAP_FLAG_SEEN, NULL);
    other_expunge(w, "1:200");
    w->m->last_full_ms = 0; /* a full reading of flags is due */
    world_connect(w);
    world_sync(w);
    world_check(w);
    assert_int_equal(w->events[EVENT_MESSAGE_DELETED], 200);
    assert_int_equal(w->events[EVENT_MESSAGE_UPDATED], 200);
    assert_int_equal(w->events[EVENT_MESSAGE_NEW], 1450);
    sync_world_free(&w);
}

static void a_pass_that_was_cut_off_is_repeated(void **state)
{
    struct sync_world *w = begin_with(state, 20);
    w->sc.batch_messages = 10;
    world_disconnect(w);
    other_append(w, 300);
    other_store(w, "1:15", IMAP_STORE_ADD, IMAP_FLAG_SEEN, NULL);
    other_expunge(w, "16:20");
    world_connect(w);
    pass_cut_off(w, true, 50);
    world_disconnect(w);
    world_reload(w);
    w->m->last_full_ms = 0;
    world_connect(w);
    world_sync(w);
    world_check(w);
    assert_int_equal(w->events[EVENT_MESSAGE_NEW], 320);
    assert_int_equal(w->events[EVENT_MESSAGE_UPDATED], 15);
    sync_world_free(&w);
}

/* --- UIDVALIDITY --- */

static void a_recreated_mailbox_starts_over(void **state)
{
    struct sync_world *w = begin_with(state, 30);
    uint32_t number = w->m->number, validity = w->m->uid_validity;
    world_disconnect(w);
    other_recreate(w);
    other_append(w, 12);
    world_connect(w);
    world_sync(w);
    world_check(w);
    assert_int_equal(w->events[EVENT_MAILBOX_RESET], 1);
    assert_int_equal(w->events[EVENT_MESSAGE_NEW], 42);
    assert_int_equal(w->events[EVENT_MESSAGE_DELETED], 30);
    assert_int_equal(w->m->rebuild, 0);
    assert_int_not_equal(w->m->number, number);
    assert_int_not_equal(w->m->uid_validity, validity);
    other_append(w, 2);
    world_listen(w);
    world_sync_live(w);
    world_check(w);
    assert_int_equal(w->events[EVENT_MESSAGE_NEW], 44);
    sync_world_free(&w);
}

static void a_reset_that_was_cut_off_is_resumed(void **state)
{
    struct sync_world *w = begin_with(state, 10);
    w->sc.batch_messages = 5;
    world_disconnect(w);
    other_recreate(w);
    other_append(w, 150);
    world_connect(w);
    /* The old rows go first: count what comes after. */
    struct sync_pass *pass = world_pass_start(w, true);
    while (w->m->phase != MAILBOX_PHASE_INITIAL) {
        loop_fixture_run_for(w->redis->loop, 1);
    }
    wait_for_count(w, 20);
    assert_false(w->done);
    sync_pass_cancel(pass);
    loop_fixture_run_until(w->redis->loop, &w->done, WORLD_SYNC_WAIT_MS);
    w->done = false;
    world_disconnect(w);
    world_reload(w);
    world_connect(w);
    world_sync(w);
    world_check(w);
    assert_int_equal(w->events[EVENT_MAILBOX_RESET], 1);
    assert_int_equal(w->events[EVENT_MESSAGE_NEW], 160);
    assert_int_equal(w->events[EVENT_MESSAGE_DELETED], 10);
    sync_world_free(&w);
}

/* --- nothing --- */

static void a_pass_without_changes_writes_nothing(void **state)
{
    struct sync_world *w = begin_with(state, 30);
    other_store(w, "3", IMAP_STORE_ADD, IMAP_FLAG_SEEN, NULL);
    world_listen(w);
    world_sync_live(w);
    world_sync(w); /* the cursor moves */
    uint64_t version = w->m->version;
    for (int i = 0; i < 3; i++) {
        world_disconnect(w);
        world_connect(w);
        world_sync(w);
        assert_int_equal(w->m->version, version);
    }
    world_check(w);
    sync_world_free(&w);
}

/* --- servers that change their mind --- */

/* More messages than the window of newest ones that a plain pass looks at. */
static void a_first_cursor_begins_with_a_full_comparison(void **state)
{
    struct sync_world *w = begin(state);
    world_disconnect(w);
    w->caps_off = offers_neither;
    world_connect(w);
    other_append(w, 250);
    world_sync(w);
    world_check(w);
    world_disconnect(w);
    other_store(w, "2,249", IMAP_STORE_ADD, IMAP_FLAG_SEEN, NULL);
    w->caps_off = *(const uint32_t *)*state;
    world_connect(w);
    world_sync(w);
    if (imap_conn_has(w->conn, IMAP_CAP_CONDSTORE)) {
        world_check(w);
        assert_int_not_equal(w->m->highest_modseq, 0);
    }
    sync_world_free(&w);
}

static void a_cursor_ahead_of_the_server_is_not_trusted(void **state)
{
    struct sync_world *w = begin_with(state, 250);
    world_disconnect(w);
    other_store(w, "230:231", IMAP_STORE_ADD, IMAP_FLAG_SEEN, NULL);
    if (w->m->highest_modseq != 0) {
        w->m->highest_modseq += 1000;
    }
    w->m->last_full_ms = 0;
    world_connect(w);
    if (w->m->highest_modseq != 0) {
        world_try_pass(w, true); /* it may be that of a replica that lags */
        assert_int_equal(w->err.code, ERR_CLOSED);
        world_disconnect(w);
        world_connect(w);
    }
    world_sync(w);
    world_check(w);
    assert_in_range(w->m->highest_modseq, 0, 999);
    sync_world_free(&w);
}

static void scattered_deletions_are_found_by_probing(void **state)
{
    struct sync_world *w = begin(state);
    w->sc.batch_messages = 1000;
    w->caps_off |= IMAP_CAP_ESEARCH;
    other_append(w, 5000);
    world_disconnect(w);
    world_connect(w);
    world_sync(w);
    world_disconnect(w);
    other_expunge(w, "1,2500:2600,4998");
    world_connect(w);
    assert_in_range(sync_probe_budget(w->conn, w->m, 5000 - 1), 100, UINT32_MAX);
    world_sync(w);
    world_check(w);
    world_disconnect(w);
    other_expunge(w, "777,5000");
    world_connect(w);
    world_sync(w);
    world_check(w);
    sync_world_free(&w);
}

/* clang-format off */
#define IN_ALL_MODES(f)                                                                  \
    {#f ", QRESYNC", f, NULL, NULL, &offers_all},                                \
    {#f ", CONDSTORE", f, NULL, NULL, &offers_condstore},                        \
    {#f ", neither", f, NULL, NULL, &offers_neither}
/* clang-format on */

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_ALL_MODES(an_empty_mailbox_is_indexed),
        IN_ALL_MODES(a_mailbox_is_indexed_in_several_batches),
        IN_ALL_MODES(holes_and_flags_are_indexed),
        IN_ALL_MODES(old_mail_is_indexed_silently),
        IN_ALL_MODES(an_index_that_was_cut_off_is_resumed),
        IN_ALL_MODES(an_index_is_resumed_after_changes_on_both_sides),
        IN_ALL_MODES(new_mail_is_found),
        IN_ALL_MODES(flags_and_keywords_are_followed),
        IN_ALL_MODES(expunges_by_others_are_followed),
        IN_ALL_MODES(everything_at_once_is_followed),
        IN_ALL_MODES(expunges_beside_many_arrivals_hit_the_right_messages),
        IN_ALL_MODES(expunge_while_away_is_found),
        IN_ALL_MODES(flags_changed_while_away_are_found),
        IN_ALL_MODES(arrival_and_delete_together_are_found),
        IN_ALL_MODES(a_message_that_came_and_went_is_not_told),
        IN_ALL_MODES(mass_delete_is_confirmed_by_search),
        IN_ALL_MODES(a_thousand_new_messages_fit_into_one_pass),
        IN_ALL_MODES(a_large_mailbox_is_indexed_with_large_batches),
        IN_ALL_MODES(many_facts_of_all_kinds_fit_into_one_pass),
        IN_ALL_MODES(a_pass_that_was_cut_off_is_repeated),
        IN_ALL_MODES(a_recreated_mailbox_starts_over),
        IN_ALL_MODES(a_reset_that_was_cut_off_is_resumed),
        IN_ALL_MODES(a_pass_without_changes_writes_nothing),
        IN_ALL_MODES(a_first_cursor_begins_with_a_full_comparison),
        IN_ALL_MODES(a_cursor_ahead_of_the_server_is_not_trusted),
        IN_ALL_MODES(scattered_deletions_are_found_by_probing),
    };
    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
