/* The commit against a real redis-server. */
#include "loop_fixture.h"
#include "row_model.h"
#include "store_world.h"

#include "postrider/base/log.h"
#include "postrider/base/mem.h"

#include <hiredis/hiredis.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum {
    KINDS = ROW_PRINTS | ROW_MODSEQ | ROW_KEYWORDS | ROW_EMAIL_HEX
};

struct fixture {
    struct store_world w;
    struct arena arena;
    struct mailbox *m;
    struct prng prng;
};

static const char *const durable[] = {"--appendonly", "yes", "--appendfsync", "always",
                                      NULL};

static int setup_with(void **state, const struct redis_fixture_options *options)
{
    static struct fixture f;
    f = (struct fixture){.prng = {99}};
    log_configure(LOG_OFF, LOG_FORMAT_TEXT);
    store_world_start(&f.w, options, NULL);
    f.m = mailbox_new(3, STR("INBOX"), STR("INBOX"), '/');
    f.m->number = 5;
    *state = &f;
    return 0;
}

static int setup(void **state)
{
    return setup_with(state, NULL);
}

static int setup_durable(void **state)
{
    return setup_with(state, &(struct redis_fixture_options){.arguments = durable});
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    mailbox_free(&f->m);
    arena_fini(&f->arena);
    store_world_end(&f->w);
    return 0;
}

static void assert_ok_at(struct err err, int line)
{
    if (err.code != ERR_OK) {
        fail_msg("line %d: %s: %s", line, err_code_name(err.code), err.msg);
    }
}
#define assert_ok(err) assert_ok_at(err, __LINE__)

static void assert_code(struct err err, enum err_code code)
{
    if (err.code != code) {
        fail_msg("%s instead of %s: %s", err_code_name(err.code), err_code_name(code),
                 err.msg);
    }
}

static long long redis_number(struct fixture *f, const char *command, const char *key)
{
    char name[160];
    (void)snprintf(name, sizeof name, "test:{%u}:%s:%s", (unsigned)f->w.acct.shard, key,
                   f->w.acct.name);
    redisReply *reply = redis_fixture_command(f->w.server, "%s %s", command, name);
    long long n = reply->integer;
    freeReplyObject(reply);
    return n;
}

static struct event event_of(struct fixture *f, enum event_type type, uint32_t uid)
{
    struct event e;
    event_init(&e, type, 1700000000000, f->m->box, uid, "INBOX", NULL,
               json_pack("{s:i}", "uid", (int)uid));
    store_event_id(f->w.store, &f->w.acct, f->m->box, f->m->epoch, uid,
                   event_type_name(type), 1, e.id);
    return e;
}

static void assert_rows(struct fixture *f, const struct mailbox *m,
                        const struct msg_row *model, size_t count)
{
    struct msg_row *rows;
    size_t n;
    struct arena arena = {0};
    assert_int_equal(m->count, count);
    assert_ok(world_scan(&f->w, m, 0, UINT32_MAX, &arena, &rows, &n));
    assert_int_equal(n, count);
    assert_true(rows_equal(rows, model, n));
    arena_fini(&arena);
}

/* What another start of the program would see. */
static struct mailbox *load_one(struct fixture *f)
{
    struct mailbox **boxes, *m = NULL;
    size_t count;
    uint32_t next;
    assert_ok(world_mailboxes(&f->w, &boxes, &count, &next));
    for (size_t i = 0; i < count; i++) {
        if (boxes[i]->box == f->m->box) {
            m = boxes[i];
        } else {
            mailbox_free(&boxes[i]);
        }
    }
    mem_free(boxes);
    return m;
}

static struct msg_row *some_rows(struct fixture *f, size_t count, uint32_t first_uid)
{
    struct msg_row *rows = ARENA_ARRAY(&f->arena, struct msg_row, count);
    rows_random(&f->prng, &f->arena, rows, count, first_uid, KINDS);
    return rows;
}

/* --- what is stored ---------------------------------------------------------------- */

static void a_mailbox_comes_back_as_it_was(void **state)
{
    struct fixture *f = *state;
    static const size_t counts[] = {1, 64, 65, 1000};
    f->m->highest_modseq = 77;
    assert_int_equal(mailbox_keyword_id(f->m, STR("$Junk"), true), 0);
    for (size_t i = 0; i < ARRAY_LEN(counts); i++) {
        struct msg_row *rows = some_rows(f, counts[i], 10);
        struct mailbox_change change = {
            .m = f->m, .drop_rows = true, .upserts = rows, .upsert_count = counts[i]};
        assert_ok(world_commit(
            &f->w, (struct store_commit_params){.changes = &change, .change_count = 1}));
        assert_int_equal(f->m->version, i + 1);
        assert_true((f->m->inline_segment != NULL) == (counts[i] <= 64));
        assert_rows(f, f->m, rows, counts[i]);
        struct mailbox *again = load_one(f);
        assert_non_null(again);
        assert_int_equal(again->version, f->m->version);
        assert_int_equal(again->highest_modseq, 77);
        assert_string_equal(again->keywords[0], "$Junk");
        assert_rows(f, again, rows, counts[i]);
        mailbox_free(&again);
    }
}

static void a_mailbox_moves_into_its_record_and_out_again(void **state)
{
    struct fixture *f = *state;
    struct msg_row *rows = some_rows(f, 300, 1);
    uint32_t uids[300];
    for (size_t i = 0; i < 300; i++) {
        uids[i] = rows[i].uid;
    }
    assert_ok(world_put(&f->w, f->m, rows, 300));
    assert_null(f->m->inline_segment);
    assert_ok(world_delete(&f->w, f->m, uids + 40, 260));
    assert_non_null(f->m->inline_segment);
    assert_rows(f, f->m, rows, 40);
    redisReply *reply =
        redis_fixture_command(f->w.server, "EXISTS test:{%u}:m:%s:%u",
                              (unsigned)f->w.acct.shard, f->w.acct.name, f->m->box);
    assert_int_equal(reply->integer, 0);
    freeReplyObject(reply);
    assert_ok(world_put(&f->w, f->m, rows, 300));
    assert_rows(f, f->m, rows, 300);
    assert_ok(world_delete(&f->w, f->m, uids, 300));
    assert_rows(f, f->m, rows, 0);
    assert_ok(world_put(&f->w, f->m, rows, 2));
    struct mailbox *again = load_one(f);
    assert_rows(f, again, rows, 2);
    mailbox_free(&again);
}

static void removal_and_counter_and_many_mailboxes(void **state)
{
    struct fixture *f = *state;
    enum {
        BOXES = 40
    };
    struct mailbox *boxes[BOXES], **loaded;
    struct mailbox_change changes[BOXES];
    struct msg_row *rows = some_rows(f, 100, 1);
    for (uint32_t i = 0; i < BOXES; i++) {
        boxes[i] = mailbox_new(100 + i, STR("a"), STR("a"), 0);
        changes[i] =
            (struct mailbox_change){.m = boxes[i], .upserts = rows, .upsert_count = 100};
    }
    assert_ok(world_commit(&f->w, (struct store_commit_params){.changes = changes,
                                                               .change_count = BOXES,
                                                               .next_number = 141}));
    for (uint32_t i = 0; i < BOXES; i++) {
        changes[i] = (struct mailbox_change){.m = boxes[i], .remove = i % 2 == 0};
    }
    assert_ok(world_commit(
        &f->w, (struct store_commit_params){.changes = changes, .change_count = BOXES}));
    size_t count;
    uint32_t next;
    assert_ok(world_mailboxes(&f->w, &loaded, &count, &next));
    assert_int_equal(count, BOXES / 2);
    assert_int_equal(next, 141);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(loaded[i]->box, 101 + 2 * i);
        assert_rows(f, loaded[i], rows, 100);
        mailbox_free(&loaded[i]);
    }
    mem_free(loaded);
    redisReply *reply = redis_fixture_command(f->w.server, "KEYS test:*:m:*");
    assert_int_equal(reply->elements, BOXES / 2);
    freeReplyObject(reply);
    for (size_t i = 0; i < BOXES; i++) {
        assert_int_equal(boxes[i]->version, i % 2 == 0 ? 0 : 2);
        mailbox_free(&boxes[i]);
    }
}

static void forgotten_rows_leave_no_segment_behind(void **state)
{
    struct fixture *f = *state;
    struct msg_row *rows = some_rows(f, 2000, 1);
    assert_ok(world_put(&f->w, f->m, rows, 2000));
    mailbox_clear_rows(f->m);
    assert_ok(world_put(&f->w, f->m, rows + 1900, 100));
    redisReply *reply =
        redis_fixture_command(f->w.server, "HLEN test:{%u}:m:%s:%u",
                              (unsigned)f->w.acct.shard, f->w.acct.name, f->m->box);
    assert_int_equal(reply->integer, 1);
    freeReplyObject(reply);
    assert_rows(f, f->m, rows + 1900, 100);
}

static void state_is_merged(void **state)
{
    struct fixture *f = *state;
    json_t *first = json_pack("{s:i, s:s, s:i}", "syncTime", 5, "lastError", "x", "n", 1);
    json_t *second = json_pack("{s:n, s:i}", "lastError", "n", 2);
    assert_ok(world_commit(
        &f->w, (struct store_commit_params){.state = "syncing", .state_info = first}));
    assert_ok(world_commit(&f->w, (struct store_commit_params){.state_info = second}));
    json_decref(first);
    json_decref(second);
    assert_ok(world_commit(&f->w, (struct store_commit_params){.state = "connected"}));
    json_t *got = NULL;
    assert_ok(world_account_state(&f->w, &got));
    json_t *want =
        json_pack("{s:i, s:i, s:s}", "syncTime", 5, "n", 2, "state", "connected");
    (void)json_object_del(got, "counters"); /* kept beside the record */
    assert_true(json_equal(got, want));
    json_decref(got);
    json_decref(want);
}

static void parameters_may_go_at_once(void **state)
{
    struct fixture *f = *state;
    struct arena mine = {0};
    struct msg_row model[500];
    rows_random(&f->prng, &f->arena, model, 500, 1, KINDS);
    struct msg_row *rows = ARENA_ARRAY(&mine, struct msg_row, 500);
    for (size_t i = 0; i < 500; i++) {
        rows[i] = model[i];
        rows[i].keywords = arena_memdup(&mine, model[i].keywords, model[i].keyword_count);
        rows[i].email_id = arena_str(&mine, model[i].email_id);
    }
    struct mailbox_change *change = ARENA_NEW(&mine, struct mailbox_change);
    *change = (struct mailbox_change){.m = f->m, .upserts = rows, .upsert_count = 500};
    struct world_call call;
    world_commit_start(
        &f->w, (struct store_commit_params){.changes = change, .change_count = 1}, &call);
    arena_fini(&mine);
    world_wait(&f->w, &call);
    assert_ok(call.err);
    assert_rows(f, f->m, model, 500);
}

/* --- refusals ---------------------------------------------------------------------- */

static void a_stale_record_is_refused_and_nothing_written(void **state)
{
    struct fixture *f = *state;
    struct msg_row *rows = some_rows(f, 200, 1);
    assert_ok(world_put(&f->w, f->m, rows, 100));
    struct mailbox *other = load_one(f);
    assert_ok(world_put(&f->w, other, rows + 100, 50));
    struct event e = event_of(f, EVENT_MESSAGE_NEW, 1);
    struct mailbox_change change = {.m = f->m, .upserts = rows, .upsert_count = 200};
    long long entries = redis_number(f, "XLEN", "log");
    assert_code(world_commit(&f->w, (struct store_commit_params){.changes = &change,
                                                                 .change_count = 1,
                                                                 .events = &e,
                                                                 .event_count = 1,
                                                                 .state = "x"}),
                ERR_STALE);
    assert_int_equal(f->m->version, 1);
    assert_int_equal(redis_number(f, "XLEN", "log"), entries);
    assert_rows(f, other, rows, 150);
    struct mailbox *fresh = mailbox_new(3, STR("INBOX"), STR("INBOX"), '/');
    assert_code(world_put(&f->w, fresh, rows, 1), ERR_STALE);
    mailbox_free(&fresh);
    mailbox_free(&other);
}

static void a_lost_lease_fences(void **state)
{
    struct fixture *f = *state;
    struct msg_row *rows = some_rows(f, 10, 1);
    assert_ok(world_put(&f->w, f->m, rows, 5));
    redis_fixture_run(f->w.server, "INCR test:{%u}:epoch", (unsigned)f->w.acct.shard);
    assert_code(world_put(&f->w, f->m, rows, 10), ERR_FENCED);
    assert_int_equal(f->m->version, 1);
    assert_rows(f, f->m, rows, 5);
}

static void a_foreign_lease_fences(void **state)
{
    struct fixture *f = *state;
    struct msg_row *rows = some_rows(f, 10, 1);
    redis_fixture_run(f->w.server, "SET test:{%u}:lease other PX 60000",
                      (unsigned)f->w.acct.shard);
    assert_code(world_put(&f->w, f->m, rows, 10), ERR_FENCED);
    assert_int_equal(redis_number(f, "EXISTS", "f"), 0);
}

static void another_incarnation_is_refused(void **state)
{
    struct fixture *f = *state;
    struct msg_row *rows = some_rows(f, 10, 1);
    struct store_acct old = f->w.acct;
    (void)snprintf(old.incarnation, sizeof old.incarnation, "%s", "before");
    struct mailbox_change change = {.m = f->m, .upserts = rows, .upsert_count = 10};
    struct store_commit_params params = {
        .acct = &old, .changes = &change, .change_count = 1};
    assert_code(world_commit(&f->w, params), ERR_STALE);
    struct store_acct none;
    store_acct_init(f->w.store, &none, STR("nobody"));
    params.acct = &none;
    assert_code(world_commit(&f->w, params), ERR_NO_ACCOUNT);
    store_acct_fini(&none);
}

static void limits_are_told_before_anything_is_written(void **state)
{
    struct fixture *f = *state;
    static struct event events[STORE_COMMIT_EVENTS + 1];
    for (uint32_t i = 0; i <= STORE_COMMIT_EVENTS; i++) {
        events[i] = event_of(f, EVENT_MESSAGE_NEW, i + 1);
    }
    assert_code(world_commit(&f->w,
                             (struct store_commit_params){
                                 .events = events, .event_count = ARRAY_LEN(events)}),
                ERR_LIMIT);
    assert_null(events[0].data);
    size_t count = (size_t)(STORE_COMMIT_SEGMENTS + 1) * SEGMENT_ROWS;
    struct msg_row *rows = ARENA_ARRAY(&f->arena, struct msg_row, count);
    for (size_t i = 0; i < count; i++) {
        rows[i].uid = (uint32_t)i + 1;
    }
    assert_code(world_put(&f->w, f->m, rows, count), ERR_LIMIT);
    assert_int_equal(redis_number(f, "EXISTS", "f"), 0);
}

static void commits_of_an_account_wait_for_each_other(void **state)
{
    struct fixture *f = *state;
    enum {
        CALLS = 6
    };
    struct msg_row *rows = some_rows(f, 100, 1);
    struct world_call calls[CALLS], twice, other;
    struct mailbox_change change = {.m = f->m, .upserts = rows, .upsert_count = 100};
    struct store_commit_params put = {.changes = &change, .change_count = 1};
    struct store_acct second = store_world_account(&f->w, "second");
    world_commit_start(&f->w, put, &calls[0]);
    for (int i = 1; i < CALLS; i++) {
        json_t *info = json_pack("{s:i, s:i}", "n", i, i % 2 == 0 ? "even" : "odd", i);
        world_commit_start(&f->w, (struct store_commit_params){.state_info = info},
                           &calls[i]);
        json_decref(info);
    }
    world_commit_start(&f->w, put, &twice);
    world_commit_start(&f->w, (struct store_commit_params){.acct = &second, .state = "x"},
                       &other);
    world_wait(&f->w, &twice);
    assert_code(twice.err, ERR_STALE);
    world_wait(&f->w, &other);
    assert_ok(other.err);
    for (int i = 0; i < CALLS; i++) {
        world_wait(&f->w, &calls[i]);
        assert_ok(calls[i].err);
    }
    json_t *got = NULL;
    assert_ok(world_account_state(&f->w, &got));
    assert_int_equal(json_integer_value(json_object_get(got, "n")), CALLS - 1);
    assert_int_equal(json_integer_value(json_object_get(got, "odd")), CALLS - 1);
    assert_int_equal(json_integer_value(json_object_get(got, "even")), CALLS - 2);
    json_decref(got);
    assert_rows(f, f->m, rows, 100);
    store_acct_fini(&second);
}

/* --- answers lost ------------------------------------------------------------------ */

static unsigned appended;

static void on_appended(struct store *s, const struct store_acct *a, size_t count,
                        void *ctx)
{
    assert_true(count > 0);
    (void)s;
    struct fixture *f = ctx;
    assert_string_equal(a->id, f->w.acct.id);
    appended++;
}

static void a_thousand_events_are_appended_in_order(void **state)
{
    struct fixture *f = *state;
    static struct event events[STORE_COMMIT_EVENTS];
    for (uint32_t i = 0; i < STORE_COMMIT_EVENTS; i++) {
        events[i] = event_of(f, EVENT_MESSAGE_NEW, i + 1);
    }
    appended = 0;
    store_set_appended_cb(f->w.store, on_appended, f);
    long long before = redis_number(f, "XLEN", "log");
    assert_ok(
        world_commit(&f->w, (struct store_commit_params){
                                .events = events, .event_count = STORE_COMMIT_EVENTS}));
    assert_int_equal(appended, 1);
    assert_int_equal(redis_number(f, "XLEN", "log"), before + STORE_COMMIT_EVENTS);
    redisReply *reply = redis_fixture_command(f->w.server, "SISMEMBER test:{%u}:dirty %s",
                                              (unsigned)f->w.acct.shard, f->w.acct.name);
    assert_int_equal(reply->integer, 1);
    freeReplyObject(reply);
}

/* The client may not know yet that its connection is dead, and the loop's clock stood
 * still while the server was started: several turns. */
static void wait_for_redis(struct fixture *f)
{
    for (int i = 0; i < 5; i++) {
        loop_fixture_run_for(f->w.loop, 10);
    }
    for (int i = 0; i < 500 && redis_state_get(f->w.redis) != REDIS_STATE_READY; i++) {
        loop_fixture_run_for(f->w.loop, 20);
    }
}

/* The server stops in the middle: the call was or was not carried out; either way it must
 * be there once in the end. */
static void a_killed_server_is_settled(void **state)
{
    struct fixture *f = *state;
    struct msg_row *rows = some_rows(f, 1000, 1);
    assert_ok(world_put(&f->w, f->m, rows, 100));
    for (size_t round = 0; round < 6; round++) {
        struct event e = event_of(f, EVENT_MESSAGE_NEW, (uint32_t)round + 1);
        size_t have = f->m->count;
        long long before = redis_number(f, "XLEN", "log");
        struct mailbox_change change = {
            .m = f->m, .upserts = rows + have, .upsert_count = 100};
        struct world_call call;
        world_commit_start(
            &f->w,
            (struct store_commit_params){
                .changes = &change, .change_count = 1, .events = &e, .event_count = 1},
            &call);
        for (size_t turn = 0; turn < round; turn++) {
            loop_turn(f->w.loop, turn > 1);
        }
        redis_fixture_kill(f->w.server);
        redis_fixture_restart(f->w.server);
        world_wait(&f->w, &call);
        if (call.err.code == ERR_STORE_DOWN) {
            /* Told only when it is sure that nothing was written. */
            assert_int_equal(redis_number(f, "XLEN", "log"), before);
        } else {
            assert_ok(call.err);
            assert_int_equal(f->m->count, have + 100);
            assert_int_equal(redis_number(f, "XLEN", "log"), before + 1);
        }
        wait_for_redis(f);
        assert_rows(f, f->m, rows, f->m->count);
    }
    print_message("%u of 700 rows after 6 kills\n", (unsigned)f->m->count);
}

/* The answer comes too late, after the call was carried out: the repeated call knows
 * itself again. */
static void a_call_that_was_carried_out_is_not_repeated(void **state)
{
    struct fixture *f = *state;
    struct msg_row *rows = some_rows(f, 300, 1);
    struct world_call call;
    struct event e = event_of(f, EVENT_MESSAGE_NEW, 1);
    struct mailbox_change change = {.m = f->m, .upserts = rows, .upsert_count = 300};
    long long before = redis_number(f, "XLEN", "log");
    world_commit_start(
        &f->w,
        (struct store_commit_params){
            .changes = &change, .change_count = 1, .events = &e, .event_count = 1},
        &call);
    /* It is sent; the server reads it when it wakes, when the connection is gone. */
    redis_fixture_pause(f->w.server, true);
    loop_fixture_run_for(f->w.loop, 6500);
    assert_false(call.done);
    redis_fixture_pause(f->w.server, false);
    world_wait(&f->w, &call);
    assert_ok(call.err);
    assert_int_equal(redis_number(f, "XLEN", "log"), before + 1);
    assert_rows(f, f->m, rows, 300);
    assert_int_equal(f->m->version, 1);
}

/* --- a large mailbox --------------------------------------------------------------- */

static void check_reading(struct fixture *f, const struct msg_row *model, size_t count)
{
    struct msg_row *rows;
    size_t n;
    for (int i = 0; i < 200; i++) {
        struct arena arena = {0};
        uint32_t first = prng_below(&f->prng, (uint32_t)count + 50);
        uint32_t want = prng_below(&f->prng, 300);
        size_t have = first < count ? count - first : 0;
        assert_ok(world_rank(&f->w, f->m, first, want, &arena, &rows, &n));
        assert_int_equal(n, want < have ? want : have);
        assert_true(rows_equal(rows, model + first, n));
        uint32_t at = prng_below(&f->prng, (uint32_t)count);
        assert_ok(
            world_scan(&f->w, f->m, model[at].uid, model[at].uid, &arena, &rows, &n));
        assert_int_equal(n, 1);
        assert_true(row_equal(rows, &model[at]));
        uint32_t end = at + prng_below(&f->prng, 2000);
        end = end < count ? end : (uint32_t)count - 1;
        assert_ok(
            world_scan(&f->w, f->m, model[at].uid, model[end].uid, &arena, &rows, &n));
        assert_int_equal(n, end - at + 1);
        assert_true(rows_equal(rows, model + at, n));
        arena_fini(&arena);
    }
}

static void a_hundred_thousand_rows_newest_first(void **state)
{
    struct fixture *f = *state;
    enum {
        ROWS = 100000,
        BATCH = 1000
    };
    struct msg_row *model = some_rows(f, ROWS, 1);
    for (size_t at = ROWS; at > 0; at -= BATCH) {
        assert_ok(world_put(&f->w, f->m, model + at - BATCH, BATCH));
    }
    assert_true(f->m->segment_count <= 4 * ROWS / BATCH);
    assert_rows(f, f->m, model, ROWS);
    check_reading(f, model, ROWS);
    struct mailbox *again = load_one(f);
    assert_int_equal(again->segment_count, f->m->segment_count);
    assert_int_equal(again->count, ROWS);
    mailbox_free(&again);
}

/* The canceled scan's receiver is not called any more. */
static void stop_at_first(struct store_scan *op, const struct msg_row *rows, size_t count,
                          void *ctx)
{
    (void)rows;
    (void)count;
    unsigned *calls = ctx;
    (*calls)++;
    store_scan_cancel(op);
}

static enum err_code scan_code;

static void on_stopped(struct store_scan *op, const struct err *err, void *ctx)
{
    (void)op;
    unsigned *calls = ctx;
    scan_code = err->code;
    *calls += 100;
}

static void a_scan_can_be_stopped_from_its_rows(void **state)
{
    struct fixture *f = *state;
    static const size_t counts[] = {20, 3000};
    for (size_t i = 0; i < ARRAY_LEN(counts); i++) {
        unsigned calls = 0;
        assert_ok(world_put(&f->w, f->m, some_rows(f, counts[i], 1), counts[i]));
        (void)store_scan_start(f->w.store, &f->w.acct, f->m, 0, UINT32_MAX, stop_at_first,
                               on_stopped, &calls);
        assert_int_equal(calls, 0);
        loop_fixture_run_until_count(f->w.loop, &calls, 100, WORLD_WAIT_MS);
        assert_int_equal(calls, 101);
        assert_int_equal(scan_code, ERR_CANCELED);
    }
}

static void damaged_values_are_told(void **state)
{
    struct fixture *f = *state;
    struct arena arena = {0};
    struct msg_row *rows = some_rows(f, 600, 1), *got;
    size_t n;
    assert_ok(world_put(&f->w, f->m, rows, 600));
    unsigned shard = f->w.acct.shard;
    redis_fixture_run(f->w.server, "HSET test:{%u}:m:%s:3 %u nonsense", shard,
                      f->w.acct.name, f->m->segments[0].first_uid);
    assert_code(world_rank(&f->w, f->m, 0, 5, &arena, &got, &n), ERR_DECRYPT);
    assert_ok(world_rank(&f->w, f->m, 599, 5, &arena, &got, &n));
    redis_fixture_run(f->w.server, "HDEL test:{%u}:m:%s:3 %u", shard, f->w.acct.name,
                      f->m->segments[0].first_uid);
    assert_code(world_scan(&f->w, f->m, 0, UINT32_MAX, &arena, &got, &n), ERR_STALE);
    redis_fixture_run(f->w.server, "HSET test:{%u}:f:%s 3 12345678xxxx", shard,
                      f->w.acct.name);
    struct mailbox **boxes;
    uint32_t next;
    assert_code(world_mailboxes(&f->w, &boxes, &n, &next), ERR_DECRYPT);
    mem_free(boxes);
    arena_fini(&arena);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

/* --- counters --- */

static void commit_events(struct fixture *f, const enum event_type *types, size_t count)
{
    struct event events[4];
    assert_true(count <= ARRAY_LEN(events));
    for (size_t i = 0; i < count; i++) {
        events[i] = event_of(f, types[i], (uint32_t)i + 1);
    }
    assert_ok(world_commit(
        &f->w, (struct store_commit_params){.events = events, .event_count = count}));
}

static void events_are_counted_by_type(void **state)
{
    struct fixture *f = *state;
    static const enum event_type first[] = {EVENT_MESSAGE_NEW, EVENT_MESSAGE_DELETED,
                                            EVENT_MESSAGE_NEW};
    static const enum event_type second[] = {EVENT_MESSAGE_NEW};
    const struct account_entry *entry =
        store_directory_get(f->w.store, str_of(f->w.acct.id));
    commit_events(f, first, ARRAY_LEN(first));
    commit_events(f, second, ARRAY_LEN(second));
    for (int look = 0; look < 2; look++) { /* as counted here, then as read back */
        assert_int_equal(entry->event_counts[EVENT_MESSAGE_NEW], 3);
        assert_int_equal(entry->event_counts[EVENT_MESSAGE_DELETED], 1);
        assert_int_equal(entry->event_counts[EVENT_ACCOUNT_ADDED], 1);
        assert_int_equal(entry->event_counts[EVENT_MESSAGE_UPDATED], 0);
        json_t *record = NULL;
        assert_ok(world_account_state(&f->w, &record));
        json_t *counters = json_object_get(record, "counters");
        assert_int_equal(json_object_size(counters), 3);
        assert_int_equal(json_integer_value(json_object_get(counters, "messageNew")), 3);
        json_decref(record);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(events_are_counted_by_type),
        TEST(a_mailbox_comes_back_as_it_was),
        TEST(a_mailbox_moves_into_its_record_and_out_again),
        TEST(removal_and_counter_and_many_mailboxes),
        TEST(forgotten_rows_leave_no_segment_behind),
        TEST(state_is_merged),
        TEST(parameters_may_go_at_once),
        TEST(a_stale_record_is_refused_and_nothing_written),
        TEST(a_lost_lease_fences),
        TEST(a_foreign_lease_fences),
        TEST(another_incarnation_is_refused),
        TEST(limits_are_told_before_anything_is_written),
        TEST(commits_of_an_account_wait_for_each_other),
        TEST(a_thousand_events_are_appended_in_order),
        cmocka_unit_test_setup_teardown(a_killed_server_is_settled, setup_durable,
                                        teardown),
        TEST(a_call_that_was_carried_out_is_not_repeated),
        TEST(a_hundred_thousand_rows_newest_first),
        TEST(a_scan_can_be_stopped_from_its_rows),
        TEST(damaged_values_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
