/* Which arrival is the other end of which removal. No server, no store. */
#include "sync_priv.h"

#include "postrider/base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum {
    A = 1,
    B = 2,
    WINDOW_MS = 60000
};

struct moving {
    struct mailbox_table table;
    struct mailbox *a, *b;
    struct sync_moves moves;
    struct sync_ctx sc;
    struct sync_move_plan plan;
    struct sync_batch batch;
    struct sync_origin origin;
};

static void begin(struct moving *w)
{
    *w = (struct moving){0};
    w->a = mailbox_new(A, STR("A"), STR("A"), '/');
    w->b = mailbox_new(B, STR("B"), STR("B"), '/');
    w->a->number = 10;
    w->b->number = 20;
    mailbox_table_add(&w->table, w->a);
    mailbox_table_add(&w->table, w->b);
    sync_moves_init(&w->moves, WINDOW_MS);
    w->sc = (struct sync_ctx){.table = &w->table, .moves = &w->moves};
}

static void end(struct moving *w)
{
    sync_move_plan_fini(&w->plan);
    sync_batch_fini(&w->batch);
    sync_moves_fini(&w->moves);
    mailbox_table_fini(&w->table);
}

static void left(struct moving *w, struct mailbox *m, uint32_t uid, uint32_t print,
                 const char *email)
{
    struct msg_row row = {.uid = uid, .fingerprint = print, .email_id = str_of(email)};
    sync_move_left(&w->plan, &w->sc, m, &row);
}

static size_t arrival(struct moving *w, uint32_t uid, uint32_t print, const char *email)
{
    struct sync_new_row row = {
        .row = {.uid = uid, .fingerprint = print, .email_id = str_of(email)}};
    sync_batch_adopt(&w->batch, &row);
    return w->batch.new_count - 1;
}

static bool pair(struct moving *w, struct mailbox *m, size_t at)
{
    return sync_move_pair(&w->plan, &w->sc, m, &w->batch, at, &w->origin);
}

static void expect(struct moving *w, uint32_t from, uint32_t to, uint32_t count,
                   bool copy)
{
    struct imap_range a = {from, from + count - 1}, b = {to, to + count - 1};
    struct imap_set from_set = {&a, 1}, to_set = {&b, 1};
    sync_moves_expect(&w->moves, A, &from_set, B, &to_set, copy);
}

static void a_fingerprint_pairs_when_nobody_shares_it(void **state)
{
    struct moving w;
    (void)state;
    begin(&w);
    left(&w, w.a, 5, 77, NULL);
    left(&w, w.a, 6, 78, NULL);
    size_t one = arrival(&w, 1, 77, NULL), other = arrival(&w, 2, 79, NULL);
    assert_true(pair(&w, w.b, one));
    assert_true(w.origin.moved);
    assert_int_equal(w.origin.uid, 5);
    assert_int_equal(w.origin.number, 10);
    assert_string_equal(w.origin.path, "A");
    assert_int_equal(w.moves.count, 1);
    assert_false(pair(&w, w.b, other));
    assert_false(pair(&w, w.b, one)); /* once only */
    end(&w);
}

static void look_alikes_do_not_pair(void **state)
{
    struct moving w;
    (void)state;
    begin(&w);
    left(&w, w.a, 5, 77, NULL);
    left(&w, w.a, 6, 77, NULL);
    assert_false(pair(&w, w.b, arrival(&w, 1, 77, NULL)));
    end(&w);
    begin(&w);
    left(&w, w.a, 5, 77, NULL);
    size_t one = arrival(&w, 1, 77, NULL), other = arrival(&w, 2, 77, NULL);
    assert_false(pair(&w, w.b, one));
    assert_false(pair(&w, w.b, other));
    end(&w);
}

static void nothing_moves_within_a_mailbox_or_without_marks(void **state)
{
    struct moving w;
    (void)state;
    begin(&w);
    left(&w, w.a, 5, 77, NULL);
    left(&w, w.a, 6, 0, NULL);
    assert_int_equal(w.moves.count, 1);
    assert_false(pair(&w, w.a, arrival(&w, 9, 77, NULL)));
    assert_false(pair(&w, w.b, arrival(&w, 9, 0, NULL)));
    end(&w);
}

static void an_email_id_is_certain(void **state)
{
    struct moving w;
    (void)state;
    begin(&w);
    left(&w, w.a, 5, 77, "M5");
    left(&w, w.a, 6, 77, "M6");
    assert_true(pair(&w, w.b, arrival(&w, 1, 77, "M6")));
    assert_int_equal(w.origin.uid, 6);
    assert_false(pair(&w, w.b, arrival(&w, 2, 77, "M7")));
    end(&w);
}

static void what_left_too_long_ago_does_not_pair(void **state)
{
    struct moving w;
    struct tombstone old = {.key = 9,
                            .box = A,
                            .number = 10,
                            .uid = 5,
                            .fingerprint = 77,
                            .deadline_ms = clock_wall_ms() - 1};
    (void)state;
    begin(&w);
    sync_moves_load(&w.moves, &old, 1);
    assert_false(pair(&w, w.b, arrival(&w, 1, 77, NULL)));
    struct store_commit_params params = {0};
    left(&w, w.a, 6, 78, NULL);
    sync_move_plan_put(&w.plan, &w.moves, &params);
    assert_int_equal(params.tombstone_key_count, 1);
    assert_int_equal(params.tombstone_keys[0], 9);
    assert_int_equal(params.tombstone_count, 1);
    assert_int_equal(params.tombstones[0].key, 10);
    assert_true(params.tombstones_ttl_ms >= WINDOW_MS);
    end(&w);
}

static void what_was_loaded_pairs_as_before(void **state)
{
    struct moving w;
    struct tombstone kept = {.key = 3,
                             .box = A,
                             .number = 10,
                             .uid = 5,
                             .fingerprint = 77,
                             .email_id = STR("M5"),
                             .deadline_ms = clock_wall_ms() + WINDOW_MS};
    (void)state;
    begin(&w);
    sync_moves_load(&w.moves, &kept, 1);
    assert_true(pair(&w, w.b, arrival(&w, 1, 1, "M5")));
    assert_int_equal(w.plan.forgotten_count, 1);
    assert_int_equal(w.plan.forgotten[0], 3);
    end(&w);
}

static void copyuid_pairs_in_either_order(void **state)
{
    struct moving w;
    (void)state;
    begin(&w); /* the removal is seen first */
    expect(&w, 5, 1, 1, false);
    left(&w, w.a, 5, 0, NULL);
    left(&w, w.a, 6, 0, NULL);
    assert_int_equal(w.moves.count, 1);
    assert_true(pair(&w, w.b, arrival(&w, 1, 99, NULL)));
    assert_int_equal(w.origin.uid, 5);
    assert_int_equal(w.moves.count, 0);
    end(&w);
    begin(&w); /* the arrival is */
    expect(&w, 5, 1, 1, false);
    assert_true(pair(&w, w.b, arrival(&w, 1, 99, NULL)));
    assert_true(w.origin.moved);
    assert_string_equal(w.origin.path, "A");
    left(&w, w.a, 5, 99, NULL);
    assert_int_equal(w.moves.count, 0);
    assert_int_equal(w.moves.own_count, 0);
    end(&w);
}

/* Some servers tell the destinations of several messages in another order (Yahoo). */
static void copyuid_of_several_is_verified(void **state)
{
    struct moving w;
    (void)state;
    begin(&w);
    expect(&w, 5, 1, 2, false);
    left(&w, w.a, 5, 50, NULL);
    left(&w, w.a, 6, 60, NULL);
    assert_true(pair(&w, w.b, arrival(&w, 1, 60, NULL))); /* by fingerprint */
    assert_int_equal(w.origin.uid, 6);
    end(&w);
    begin(&w);
    expect(&w, 5, 1, 2, false);
    assert_false(pair(&w, w.b, arrival(&w, 1, 60, NULL))); /* not before the removal */
    end(&w);
}

static void a_copy_names_its_original(void **state)
{
    struct moving w;
    (void)state;
    begin(&w);
    expect(&w, 5, 1, 1, true);
    assert_true(pair(&w, w.b, arrival(&w, 1, 50, NULL)));
    assert_false(w.origin.moved);
    assert_int_equal(w.origin.uid, 5);
    end(&w);
    begin(&w); /* the same EMAILID arrived in A before */
    assert_false(pair(&w, w.a, arrival(&w, 5, 50, "M5")));
    assert_false(pair(&w, w.a, 0)); /* derived once more */
    assert_true(pair(&w, w.b, arrival(&w, 1, 50, "M5")));
    assert_false(w.origin.moved);
    assert_int_equal(w.origin.uid, 5);
    end(&w);
}

static void the_oldest_go_when_there_are_too_many(void **state)
{
    struct moving w;
    struct store_commit_params params = {0};
    (void)state;
    begin(&w);
    for (uint32_t uid = 1; uid <= TOMBSTONES_MAX; uid++) {
        left(&w, w.a, uid, uid, NULL);
    }
    sync_move_plan_clear(&w.plan);
    left(&w, w.a, TOMBSTONES_MAX + 1, 5, NULL);
    left(&w, w.a, TOMBSTONES_MAX + 2, 6, NULL);
    sync_move_plan_put(&w.plan, &w.moves, &params);
    assert_int_equal(w.moves.count, TOMBSTONES_MAX);
    assert_int_equal(params.tombstone_key_count, 2);
    assert_int_equal(params.tombstone_keys[0], 1);
    assert_int_equal(w.moves.items[0].t.uid, 3);
    end(&w);
}

/* As when a whole mailbox is moved: each end finds the other without looking at the rest. */
static void many_pair_in_no_time(void **state)
{
    enum {
        MANY_MS =
            3000 /* of a machine that does other things, too; the square takes more */
    };
    struct moving w;
    struct store_commit_params params = {0};
    (void)state;
    begin(&w);
    int64_t begin_ms = clock_mono_ms();
    for (uint32_t uid = 1; uid <= TOMBSTONES_MAX; uid++) {
        char email[16];
        (void)snprintf(email, sizeof email, "M%u", uid);
        left(&w, w.a, uid, uid, uid % 2 == 0 ? email : NULL);
    }
    sync_move_plan_clear(&w.plan);
    for (uint32_t uid = 1; uid <= TOMBSTONES_MAX; uid++) {
        char email[16];
        (void)snprintf(email, sizeof email, "M%u", uid);
        (void)arrival(&w, uid, uid, uid % 4 == 0 ? email : NULL);
    }
    for (uint32_t uid = 1; uid <= TOMBSTONES_MAX; uid++) {
        assert_true(pair(&w, w.b, uid - 1));
        assert_int_equal(w.origin.uid, uid);
    }
    sync_move_plan_put(&w.plan, &w.moves, &params);
    assert_int_equal(w.moves.count, 0);
    assert_int_equal(params.tombstone_key_count, TOMBSTONES_MAX);
    assert_true(clock_mono_ms() - begin_ms < MANY_MS);
    end(&w);
}

/* A pass waits for the removal of what was known or is old; never for mail that is new. */
static void only_what_was_there_before_is_waited_for(void **state)
{
    struct moving w;
    const int64_t now_ms = clock_wall_ms();
    (void)state;
    begin(&w);
    size_t at = arrival(&w, 1, 50, NULL);
    w.batch.news[at].announce = true;
    w.batch.news[at].internaldate_ms = now_ms;
    w.sc.settled = true;
    assert_false(sync_move_awaits(&w.sc, w.b, &w.batch));
    w.batch.news[at].internaldate_ms = now_ms - 60000;
    assert_true(sync_move_awaits(&w.sc, w.b, &w.batch));
    w.sc.settled = false; /* while everything is looked at anyway */
    assert_false(sync_move_awaits(&w.sc, w.b, &w.batch));
    w.sc.settled = true;
    left(&w, w.a, 5, 50, NULL); /* the removal is known already */
    assert_false(sync_move_awaits(&w.sc, w.b, &w.batch));
    end(&w);
    begin(&w);
    w.sc.settled = true;
    assert_false(pair(&w, w.a, arrival(&w, 5, 50, NULL)));
    sync_batch_clear(&w.batch);
    at = arrival(&w, 1, 50, NULL);
    w.batch.news[at].announce = true;
    w.batch.news[at].internaldate_ms = now_ms;
    assert_true(
        sync_move_awaits(&w.sc, w.b, &w.batch)); /* it arrived in A a moment ago */
    assert_false(sync_move_awaits(&w.sc, w.a, &w.batch));
    expect(&w, 5, 1, 1, false);
    assert_false(sync_move_awaits(&w.sc, w.b, &w.batch)); /* COPYUID says all */
    end(&w);
}

static void without_a_window_nothing_is_kept(void **state)
{
    struct moving w;
    (void)state;
    begin(&w);
    w.moves.window_ms = 0;
    left(&w, w.a, 5, 77, "M5");
    assert_int_equal(w.moves.count, 0);
    assert_false(pair(&w, w.b, arrival(&w, 1, 77, "M5")));
    w.sc.moves = NULL;
    left(&w, w.a, 5, 77, "M5");
    assert_false(pair(&w, w.b, 0));
    end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_fingerprint_pairs_when_nobody_shares_it),
        cmocka_unit_test(look_alikes_do_not_pair),
        cmocka_unit_test(nothing_moves_within_a_mailbox_or_without_marks),
        cmocka_unit_test(an_email_id_is_certain),
        cmocka_unit_test(what_left_too_long_ago_does_not_pair),
        cmocka_unit_test(what_was_loaded_pairs_as_before),
        cmocka_unit_test(copyuid_pairs_in_either_order),
        cmocka_unit_test(copyuid_of_several_is_verified),
        cmocka_unit_test(a_copy_names_its_original),
        cmocka_unit_test(the_oldest_go_when_there_are_too_many),
        cmocka_unit_test(many_pair_in_no_time),
        cmocka_unit_test(only_what_was_there_before_is_waited_for),
        cmocka_unit_test(without_a_window_nothing_is_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
