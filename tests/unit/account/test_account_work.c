/* Requests for work connections: lanes, limits and deadlines, with all connections lent. */
#include "account_priv.h"

#include "loop_fixture.h"

#include "postrider/base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum {
    WAIT_MS = 5000,
    LONG_MS = 60000,
    REQUESTS_KEPT = 256
};

struct world {
    struct accounts as;
    struct account a;
    unsigned told;
    struct err err; /* of the last answer */
};

static int setup(void **state)
{
    struct world *w = MEM_NEW(struct world);
    w->as.loop = loop_fixture_new();
    w->a.as = &w->as;
    w->a.phase = ACCOUNT_PHASE_ONLINE;
    account_work_init(&w->a);
    for (size_t i = 0; i < ACCOUNT_WORK_MAX; i++) {
        w->a.work[i] = MEM_NEW(struct work_conn);
        w->a.work[i]->c.account = &w->a;
        w->a.work[i]->state = WORK_STATE_LENT;
    }
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    assert_int_equal(w->a.work_users, 0);
    for (size_t i = 0; i < ACCOUNT_WORK_MAX; i++) {
        mem_free(w->a.work[i]);
    }
    loop_fixture_free(&w->as.loop);
    mem_free(w);
    return 0;
}

static void on_work(struct account_work *work, const struct err *err,
                    struct imap_conn *conn, void *ctx)
{
    (void)work;
    (void)conn;
    struct world *w = ctx;
    w->told++;
    w->err = *err;
}

static struct account_work *ask(struct world *w, enum account_lane lane,
                                int64_t deadline_ms)
{
    return account_work_start(&w->a, lane, 0, deadline_ms, on_work, w);
}

static void an_account_that_is_offline_refuses_later(void **state)
{
    struct world *w = *state;
    w->a.phase = ACCOUNT_PHASE_OPENING;
    w->a.state = "connecting";
    struct account_work *work = ask(w, ACCOUNT_LANE_INTERACTIVE, LONG_MS);
    assert_int_equal(w->told, 0);
    loop_fixture_run_until_count(w->as.loop, &w->told, 1, WAIT_MS);
    assert_int_equal(w->err.code, ERR_UNAVAILABLE);
    account_work_end(&work, false);
}

static void a_request_that_is_taken_back_is_not_answered(void **state)
{
    struct world *w = *state;
    struct account_work *work = ask(w, ACCOUNT_LANE_INTERACTIVE, 1);
    account_work_end(&work, false);
    assert_null(work);
    account_work_end(&work, false);
    loop_fixture_run_for(w->as.loop, 30);
    assert_int_equal(w->told, 0);
}

static void nobody_waits_past_the_deadline(void **state)
{
    struct world *w = *state;
    struct account_work *work = ask(w, ACCOUNT_LANE_BULK, 20);
    loop_fixture_run_until_count(w->as.loop, &w->told, 1, WAIT_MS);
    assert_int_equal(w->err.code, ERR_TIMEOUT);
    account_work_end(&work, false);
}

static void too_many_requests_are_refused(void **state)
{
    struct world *w = *state;
    struct account_work *works[REQUESTS_KEPT + 1];
    for (size_t i = 0; i <= REQUESTS_KEPT; i++) {
        works[i] = ask(w, (enum account_lane)(i % 3), LONG_MS);
    }
    loop_fixture_run_until_count(w->as.loop, &w->told, 1, WAIT_MS);
    loop_fixture_run_for(w->as.loop, 30);
    assert_int_equal(w->told, 1);
    assert_int_equal(w->err.code, ERR_UNAVAILABLE);
    for (size_t i = 0; i <= REQUESTS_KEPT; i++) {
        account_work_end(&works[i], false);
    }
}

static void shutting_down_answers_all(void **state)
{
    struct world *w = *state;
    struct account_work *works[3];
    struct err why = {.code = ERR_AUTH};
    for (size_t i = 0; i < 3; i++) {
        works[i] = ask(w, (enum account_lane)i, LONG_MS);
    }
    account_work_shut(&w->a, &why);
    loop_fixture_run_until_count(w->as.loop, &w->told, 3, WAIT_MS);
    assert_int_equal(w->err.code, ERR_AUTH);
    for (size_t i = 0; i < 3; i++) {
        account_work_end(&works[i], false);
    }
}

/* Waiting in the order of arrival bulk, sync, interactive. */
static void interactive_requests_come_first_and_bulk_leaves_one(void **state)
{
    struct world *w = *state;
    struct account_work *bulk = ask(w, ACCOUNT_LANE_BULK, LONG_MS);
    struct account_work *sync = ask(w, ACCOUNT_LANE_SYNC, LONG_MS);
    w->a.work[0]->state = WORK_STATE_FREE;
    struct account_work *first = ask(w, ACCOUNT_LANE_INTERACTIVE, LONG_MS);
    assert_int_equal(first->state, WORK_REQ_GRANTED);
    assert_int_equal(w->a.work[0]->state, WORK_STATE_LENT);
    w->a.work[1]->state = WORK_STATE_FREE;
    struct account_work *second = ask(w, ACCOUNT_LANE_BULK, LONG_MS);
    assert_int_equal(sync->state, WORK_REQ_GRANTED);
    w->a.work[2]->state = WORK_STATE_FREE;
    struct account_work *third = ask(w, ACCOUNT_LANE_BULK, LONG_MS);
    assert_int_not_equal(bulk->state, WORK_REQ_GRANTED);
    assert_int_not_equal(second->state, WORK_REQ_GRANTED);
    struct account_work **all[] = {&bulk, &second, &third, &sync, &first};
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        account_work_end(all[i], true); /* there is no connection behind it */
    }
}

static void on_next(struct deferred *d)
{
    (void)d;
}

static struct mailbox *add_mailbox(struct world *w, const char *path, uint32_t box)
{
    struct mailbox *m = mailbox_new(box, str_of(path), str_of(path), '/');
    mailbox_table_add(&w->a.table, m);
    return m;
}

/* Nobody else looks at it: what it waits for has to come. */
static void a_mailbox_in_doubt_that_gets_no_pass_waits_again(void **state)
{
    struct world *w = *state;
    w->a.next.fn = on_next;
    w->a.record = json_object();
    struct mailbox *m = add_mailbox(w, "INBOX", 7);
    w->a.doubt.box = m->box;
    account_pending_add(&w->a, m->box);
    m->parked_until_ms = INT64_MAX;
    account_pending_run(&w->a);
    assert_int_equal(w->a.pending.count, 0);
    assert_true(account_doubt_waits(&w->a, m->box));
    account_doubt_end(&w->a);
    mem_free(w->a.pending.items);
    mailbox_table_fini(&w->a.table);
    json_decref(w->a.record);
}

#define WITH_ACCOUNT(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_ACCOUNT(an_account_that_is_offline_refuses_later),
        WITH_ACCOUNT(a_request_that_is_taken_back_is_not_answered),
        WITH_ACCOUNT(nobody_waits_past_the_deadline),
        WITH_ACCOUNT(too_many_requests_are_refused),
        WITH_ACCOUNT(shutting_down_answers_all),
        WITH_ACCOUNT(interactive_requests_come_first_and_bulk_leaves_one),
        WITH_ACCOUNT(a_mailbox_in_doubt_that_gets_no_pass_waits_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
