/* The reader of the logs against a real redis-server, with a consumer made of wishes. */
#include "log_world.h"

#include "postrider/base/attr.h"
#include "postrider/base/clock.h"
#include "postrider/base/log.h"
#include "postrider/changelog/changelog.h"
#include "postrider/changelog/cursor.h"

#include <hiredis/hiredis.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum {
    WAIT_MS = 20000,
    SEEN_MAX = 1000
};

struct told {
    char account[32];
    char event_id[EVENT_ID_SIZE];
    enum event_type type;
    uint32_t uid;
    unsigned tries;
};

struct fixture {
    struct store_world w;
    struct changelog *c;
    struct changelog_reader *reader;
    struct told told[SEEN_MAX];
    unsigned count;
    unsigned canceled;
    /* What is said about an entry; NULL or false: done. True: nothing is said now. */
    bool (*wish)(struct fixture *f, const struct changelog_item *item,
                 struct changelog_outcome *out);
    struct changelog_delivery *held[SEEN_MAX];
    unsigned held_count;
    unsigned left; /* for wishes that change their mind */
    bool stopped;
};

static void deliver(struct changelog_delivery *d, struct changelog_item *item, void *ctx)
{
    struct fixture *f = ctx;
    struct changelog_outcome out = {.result = CHANGELOG_DONE};
    struct told *t = &f->told[f->count++];
    assert_true(f->count < SEEN_MAX);
    (void)snprintf(t->account, sizeof t->account, "%s", item->acct->id);
    (void)snprintf(t->event_id, sizeof t->event_id, "%s", item->event->id);
    t->type = item->event->type;
    t->uid = item->event->uid;
    t->tries = item->tries;
    if (f->wish != NULL && f->wish(f, item, &out)) {
        f->held[f->held_count++] = d;
        return;
    }
    changelog_delivery_done(d, &out);
}

static void cancel(struct changelog_delivery *d, struct changelog_item *item, void *ctx)
{
    (void)d;
    (void)item;
    struct fixture *f = ctx;
    f->canceled++;
}

static void begin(struct fixture *f, size_t max_active)
{
    f->c =
        changelog_new(f->w.store, &(struct changelog_config){.max_active = max_active});
    f->reader =
        changelog_reader_add(f->c, &(struct changelog_reader_params){.name = "default",
                                                                     .enabled = true,
                                                                     .deliver = deliver,
                                                                     .cancel = cancel,
                                                                     .ctx = f});
    changelog_start(f->c);
}

static void on_stop(struct changelog *c, void *ctx)
{
    (void)c;
    struct fixture *f = ctx;
    f->stopped = true;
}

static void end(struct fixture *f)
{
    f->stopped = false;
    changelog_stop(f->c, 1, on_stop, f);
    loop_fixture_run_until(f->w.loop, &f->stopped, WAIT_MS);
    changelog_free(&f->c);
}

static int setup(void **state)
{
    static struct fixture f;
    f = (struct fixture){0};
    log_configure(LOG_OFF, LOG_FORMAT_TEXT);
    store_world_start(&f.w, NULL, NULL);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    if (f->c != NULL) {
        end(f);
    }
    store_world_end(&f->w);
    return 0;
}

static void wait_count(struct fixture *f, unsigned want)
{
    loop_fixture_run_until_count(f->w.loop, &f->count, want, WAIT_MS);
    assert_int_equal(f->count, want);
}

static void append(struct fixture *f, uint32_t uid, unsigned count)
{
    log_world_append(&f->w, &f->w.acct, EVENT_MESSAGE_UPDATED, uid, count);
}

/* --- */

static void entries_come_in_order_and_the_cursor_follows(void **state)
{
    struct fixture *f = *state;
    append(f, 1, 50);
    begin(f, 0);
    append(f, 51, 3); /* while the first ones are being read */
    wait_count(f, 54);
    append(f, 54, 1);
    wait_count(f, 55);
    assert_int_equal(f->told[0].type, EVENT_ACCOUNT_ADDED);
    for (unsigned i = 1; i < f->count; i++) {
        assert_int_equal(f->told[i].uid, i);
    }
    log_world_wait_clean(&f->w);
}

static void restart_goes_on_behind_the_cursor(void **state)
{
    struct fixture *f = *state;
    begin(f, 0);
    append(f, 1, 20);
    wait_count(f, 21);
    log_world_wait_clean(&f->w);
    end(f);
    append(f, 21, 1);
    begin(f, 0);
    wait_count(f, 22);
    loop_fixture_run_for(f->w.loop, 50);
    assert_int_equal(f->count, 22);
    assert_int_equal(f->told[21].uid, 21);
}

static bool hold(struct fixture *f, const struct changelog_item *item,
                 struct changelog_outcome *out)
{
    (void)f;
    (void)out;
    return item->event->type == EVENT_MESSAGE_UPDATED;
}

static void delivery_cut_off_is_repeated_with_its_id(void **state)
{
    struct fixture *f = *state;
    f->wish = hold;
    begin(f, 0);
    append(f, 1, 2);
    wait_count(f, 2);
    end(f);
    assert_int_equal(f->canceled, 1);
    f->wish = NULL;
    begin(f, 0);
    wait_count(f, 4);
    assert_string_equal(f->told[2].event_id, f->told[1].event_id);
    assert_int_equal(f->told[3].uid, 2);
}

static void drain_waits_for_a_delivery(void **state)
{
    struct fixture *f = *state;
    f->wish = hold;
    begin(f, 0);
    append(f, 1, 2);
    wait_count(f, 2);
    changelog_stop(f->c, WAIT_MS, on_stop, f);
    loop_fixture_run_for(f->w.loop, 20);
    assert_false(f->stopped);
    changelog_delivery_done(f->held[0],
                            &(struct changelog_outcome){.result = CHANGELOG_DONE});
    loop_fixture_run_until(f->w.loop, &f->stopped, WAIT_MS);
    changelog_free(&f->c);
    assert_int_equal(f->canceled, 0);
    f->wish = NULL;
    begin(f, 0);
    wait_count(f, 3);
    assert_int_equal(f->told[2].uid, 2);
}

static bool fail_first(struct fixture *f, const struct changelog_item *item,
                       struct changelog_outcome *out)
{
    if (item->event->uid == 1 && strcmp(item->acct->id, "world") == 0 && f->left > 0) {
        f->left--;
        *out = (struct changelog_outcome){.result = CHANGELOG_RETRY, .retry_ms = 60};
    }
    return false;
}

static void retry_holds_up_one_account_only(void **state)
{
    struct fixture *f = *state;
    struct store_acct other = store_world_account(&f->w, "other");
    f->wish = fail_first;
    f->left = 2;
    begin(f, 0);
    wait_count(f, 2);
    append(f, 1, 2);
    wait_count(f, 3);
    log_world_append(&f->w, &other, EVENT_MESSAGE_UPDATED, 1, 2);
    wait_count(f, 5);
    assert_string_equal(f->told[3].account, "other");
    assert_string_equal(f->told[4].account, "other");
    wait_count(f, 8); /* 1 again, 1 again, 2 */
    assert_int_equal(f->told[5].tries, 1);
    assert_int_equal(f->told[6].tries, 2);
    assert_int_equal(f->told[6].uid, 1);
    assert_int_equal(f->told[7].uid, 2);
    assert_int_equal(f->told[7].tries, 0);
    store_acct_fini(&other);
}

static bool kill_first(struct fixture *f, const struct changelog_item *item,
                       struct changelog_outcome *out)
{
    (void)f;
    out->result = item->event->uid == 1 ? CHANGELOG_DEAD : CHANGELOG_DONE;
    return false;
}

static void dead_entry_lets_the_next_through(void **state)
{
    struct fixture *f = *state;
    struct changelog_stats stats;
    f->wish = kill_first;
    begin(f, 0);
    append(f, 1, 2);
    wait_count(f, 3);
    log_world_wait_clean(&f->w);
    changelog_reader_stats(f->reader, &stats);
    assert_int_equal(stats.dead, 1);
    assert_int_equal(stats.done, 2);
    assert_int_equal(stats.active, 0);
    assert_int_equal(stats.waiting, 0);
}

static bool park_once(struct fixture *f, const struct changelog_item *item,
                      struct changelog_outcome *out)
{
    if (item->event->uid == 1 && f->left > 0) {
        f->left--;
        *out = (struct changelog_outcome){.result = CHANGELOG_LATER, .key = 7};
    }
    return false;
}

static void parked_account_waits_for_its_key(void **state)
{
    struct fixture *f = *state;
    struct changelog_stats stats;
    f->wish = park_once;
    f->left = 1;
    begin(f, 0);
    append(f, 1, 1);
    wait_count(f, 2);
    assert_int_equal(changelog_reader_wake(f->reader, 8, 10), 0);
    loop_fixture_run_for(f->w.loop, 50);
    assert_int_equal(f->count, 2);
    changelog_reader_stats(f->reader, &stats);
    assert_int_equal(stats.waiting, 1);
    assert_int_equal(stats.active, 0);
    assert_int_equal(changelog_reader_wake(f->reader, 7, 10), 1);
    wait_count(f, 3);
    assert_int_equal(f->told[2].uid, 1);
    assert_int_equal(f->told[2].tries, 0);
}

static void account_that_waited_a_moment_needs_no_reading(void **state)
{
    struct fixture *f = *state;
    f->wish = park_once;
    f->left = 1;
    begin(f, 0);
    append(f, 1, 2);
    wait_count(f, 2);
    redis_fixture_pause(f->w.server, true);
    assert_int_equal(changelog_reader_wake(f->reader, 7, 10), 1);
    wait_count(f, 4);
    redis_fixture_pause(f->w.server, false);
    assert_int_equal(f->told[2].uid, 1);
    assert_int_equal(f->told[3].uid, 2);
    log_world_wait_clean(&f->w);
}

static bool pause_once(struct fixture *f, const struct changelog_item *item,
                       struct changelog_outcome *out)
{
    if (item->event->uid == 1 && f->left > 0) {
        f->left--;
        out->result = CHANGELOG_PAUSE;
    }
    return false;
}

static void paused_reader_goes_on_where_it_was(void **state)
{
    struct fixture *f = *state;
    f->wish = pause_once;
    f->left = 1;
    begin(f, 0);
    wait_count(f, 1);
    append(f, 1, 1);
    wait_count(f, 2);
    append(f, 2, 2);
    struct store_acct other = store_world_account(&f->w, "other");
    loop_fixture_run_for(f->w.loop, 50);
    assert_int_equal(f->count, 2);
    assert_false(changelog_reader_is_enabled(f->reader));
    assert_true(log_world_is_dirty(&f->w));
    changelog_reader_set_enabled(f->reader, true);
    wait_count(f, 6);
    log_world_wait_clean(&f->w);
    store_acct_fini(&other);
}

static void slots_are_limited(void **state)
{
    struct fixture *f = *state;
    struct store_acct accts[5];
    struct changelog_stats stats;
    for (int i = 0; i < 5; i++) {
        char id[16];
        (void)snprintf(id, sizeof id, "acct%d", i);
        accts[i] = store_world_account(&f->w, id);
        log_world_append(&f->w, &accts[i], EVENT_MESSAGE_UPDATED, 1, 1);
    }
    f->wish = hold;
    begin(f, 2);
    for (unsigned freed = 0; freed < 5; freed++) {
        unsigned want = freed + 2 < 5 ? freed + 2 : 5;
        loop_fixture_run_until_count(f->w.loop, &f->held_count, want, WAIT_MS);
        loop_fixture_run_for(f->w.loop, 20);
        assert_int_equal(f->held_count, want);
        changelog_reader_stats(f->reader, &stats);
        assert_true(stats.active <= 2);
        changelog_delivery_done(f->held[freed],
                                &(struct changelog_outcome){.result = CHANGELOG_DONE});
    }
    log_world_wait_clean(&f->w);
    for (int i = 0; i < 5; i++) {
        store_acct_fini(&accts[i]);
    }
}

static void lost_lease_drops_the_account(void **state)
{
    struct fixture *f = *state;
    struct changelog_stats stats;
    begin(f, 0);
    wait_count(f, 1);
    log_world_wait_clean(&f->w);
    f->wish = hold;
    append(f, 1, 1);
    wait_count(f, 2);
    redis_fixture_run(f->w.server, "INCR test:{%d}:epoch", (int)f->w.acct.shard);
    changelog_delivery_done(f->held[0],
                            &(struct changelog_outcome){.result = CHANGELOG_DONE});
    loop_fixture_run_for(f->w.loop, 200);
    changelog_reader_stats(f->reader, &stats);
    assert_int_equal(stats.active, 0);
    assert_int_equal(stats.waiting, 0);
    assert_true(log_world_is_dirty(&f->w));
}

static void outage_of_the_store_repeats_nothing_that_was_done(void **state)
{
    struct fixture *f = *state;
    f->wish = hold;
    begin(f, 0);
    append(f, 1, 2);
    wait_count(f, 2);
    redis_fixture_pause(f->w.server, true);
    f->wish = NULL;
    changelog_delivery_done(f->held[0],
                            &(struct changelog_outcome){.result = CHANGELOG_DONE});
    loop_fixture_run_for(f->w.loop, 100);
    assert_int_equal(f->count, 3);
    redis_fixture_pause(f->w.server, false);
    log_world_wait_clean(&f->w);
    assert_int_equal(f->count, 3);
}

static void forgotten_account_is_canceled(void **state)
{
    struct fixture *f = *state;
    f->wish = hold;
    begin(f, 0);
    append(f, 1, 1);
    wait_count(f, 2);
    changelog_forget(f->c, STR("world"));
    changelog_forget(f->c, STR("unknown"));
    assert_int_equal(f->canceled, 1);
    changelog_rescan(f->c);
    wait_count(f, 3);
    assert_int_equal(f->told[2].uid, 1);
}

static void damaged_entry_is_passed(void **state)
{
    struct fixture *f = *state;
    struct changelog_stats stats;
    begin(f, 0);
    wait_count(f, 1);
    redis_fixture_run(f->w.server, "XADD test:{%d}:log:%s * t messageNew i x d y",
                      (int)f->w.acct.shard, f->w.acct.name);
    append(f, 1, 1);
    wait_count(f, 2);
    assert_int_equal(f->told[1].uid, 1);
    log_world_wait_clean(&f->w);
    changelog_reader_stats(f->reader, &stats);
    assert_int_equal(stats.unreadable, 1);
}

static void gap_is_noticed(void **state)
{
    struct fixture *f = *state;
    struct changelog_stats stats;
    begin(f, 0);
    wait_count(f, 1);
    log_world_wait_clean(&f->w);
    redis_fixture_run(f->w.server, "HSET test:{%d}:cur:%s t: 9999999999999-0",
                      (int)f->w.acct.shard, f->w.acct.name);
    append(f, 1, 1);
    wait_count(f, 2);
    changelog_reader_stats(f->reader, &stats);
    assert_int_equal(stats.gaps, 1);
}

static long long log_length(struct fixture *f)
{
    redisReply *reply = redis_fixture_command(f->w.server, "XLEN test:{%d}:log:%s",
                                              (int)f->w.acct.shard, f->w.acct.name);
    long long length = reply->integer;
    freeReplyObject(reply);
    return length;
}

static void old_entries_that_were_read_are_trimmed(void **state)
{
    struct fixture *f = *state;
    begin(f, 0);
    wait_count(f, 1);
    log_world_wait_clean(&f->w);
    redis_fixture_run(f->w.server, "DEL test:{%d}:log:%s", (int)f->w.acct.shard,
                      f->w.acct.name);
    redis_fixture_run(f->w.server, "XADD test:{%d}:log:%s 1000-0 t messageNew i x d y",
                      (int)f->w.acct.shard, f->w.acct.name);
    append(f, 1, 1); /* the first append since the start also trims */
    wait_count(f, 2);
    for (int i = 0; i < 200 && log_length(f) > 1; i++) {
        loop_fixture_run_for(f->w.loop, 10);
    }
    assert_int_equal(log_length(f), 1);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

/* --- a second reader */

struct second {
    unsigned count, canceled;
    bool holds;
};

static void second_deliver(struct changelog_delivery *d, struct changelog_item *item,
                           void *ctx)
{
    struct second *s = ctx;
    assert_true(item->event->uid > 3);
    s->count++;
    if (!s->holds) {
        changelog_delivery_done(d, &(struct changelog_outcome){.result = CHANGELOG_DONE});
    }
}

static void second_cancel(struct changelog_delivery *d ATTR_UNUSED,
                          struct changelog_item *item ATTR_UNUSED, void *ctx)
{
    struct second *s = ctx;
    s->canceled++;
}

static void a_reader_comes_and_goes_while_others_read(void **state)
{
    struct fixture *f = *state;
    struct second second = {0};
    char since[STORE_ENTRY_ID_SIZE];
    append(f, 1, 3);
    begin(f, 0);
    wait_count(f, 4);
    for (int64_t now = clock_wall_ms(); clock_wall_ms() < now + 3;) {
        /* entries are told apart by their millisecond */
    }
    changelog_entry_before(clock_wall_ms(), since);
    struct changelog_reader *r = changelog_reader_add(
        f->c, &(struct changelog_reader_params){.name = "second",
                                                .since = since,
                                                .enabled = true,
                                                .deliver = second_deliver,
                                                .cancel = second_cancel,
                                                .ctx = &second});
    append(f, 4, 2);
    wait_count(f, 6);
    loop_fixture_run_until_count(f->w.loop, &second.count, 2, WAIT_MS);
    log_world_wait_clean(&f->w);
    second.holds = true;
    append(f, 6, 1);
    wait_count(f, 7);
    loop_fixture_run_until_count(f->w.loop, &second.count, 3, WAIT_MS);
    changelog_reader_remove(&r);
    assert_null(r);
    assert_int_equal(second.canceled, 1);
    assert_int_equal(changelog_reader_count(f->c), 1);
    assert_null(changelog_reader_find(f->c, STR("second")));
    append(f, 7, 1);
    wait_count(f, 8);
    log_world_wait_clean(&f->w);
    assert_int_equal(second.count, 3);
}

static void the_last_reader_may_go_at_any_time(void **state)
{
    struct fixture *f = *state;
    f->wish = hold;
    begin(f, 0);
    append(f, 1, 3);
    wait_count(f, 2);
    changelog_delivery_done(f->held[0],
                            &(struct changelog_outcome){.result = CHANGELOG_DONE});
    wait_count(f, 3); /* a delivery is out, a cursor is on its way into the store */
    changelog_reader_remove(&f->reader);
    assert_int_equal(changelog_reader_count(f->c), 0);
    assert_int_equal(f->canceled, 1);
    append(f, 4, 1);
    changelog_rescan(f->c);
    loop_fixture_run_for(f->w.loop, 100);
    assert_int_equal(f->count, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(entries_come_in_order_and_the_cursor_follows),
        T(restart_goes_on_behind_the_cursor),
        T(delivery_cut_off_is_repeated_with_its_id),
        T(drain_waits_for_a_delivery),
        T(retry_holds_up_one_account_only),
        T(dead_entry_lets_the_next_through),
        T(parked_account_waits_for_its_key),
        T(account_that_waited_a_moment_needs_no_reading),
        T(paused_reader_goes_on_where_it_was),
        T(slots_are_limited),
        T(lost_lease_drops_the_account),
        T(outage_of_the_store_repeats_nothing_that_was_done),
        T(forgotten_account_is_canceled),
        T(damaged_entry_is_passed),
        T(gap_is_noticed),
        T(old_entries_that_were_read_are_trimmed),
        T(a_reader_comes_and_goes_while_others_read),
        T(the_last_reader_may_go_at_any_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
