/* Opening, keys and leases, against a real redis-server. */
#include "store_fixture.h"

#include "store_priv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static const char key_one[] =
    "1111111111111111111111111111111111111111111111111111111111111111";
static const char key_two[] =
    "2222222222222222222222222222222222222222222222222222222222222222";

static unsigned owned(const struct store *s)
{
    unsigned count = 0;
    for (size_t i = 0; i < STORE_SHARDS; i++) {
        count += store_owns(s, (uint8_t)i) ? 1 : 0;
    }
    return count;
}

static void run_until_owned(struct store_fixture *f, const struct store *s, unsigned want)
{
    for (int i = 0; i < 400 && owned(s) != want; i++) {
        loop_fixture_run_for(f->loop, 25);
    }
    assert_int_equal(owned(s), want);
}

static void opens_twice_with_the_same_key(void **state)
{
    struct store_fixture *f = *state;
    struct stat before;
    struct stat after;
    struct err err;
    struct store *s = store_fixture_open(f, NODE_A);
    assert_true(store_is_well(s, &err));
    assert_int_equal(owned(s), STORE_SHARDS);
    struct store_acct first;
    store_acct_init(s, &first, STR("one"));
    assert_int_equal(strlen(first.name), 32);
    assert_int_equal(stat(f->key_file, &before), 0);
    assert_int_equal(before.st_mode & 0777, 0600);
    store_fixture_close(f, &s);
    assert_int_equal(store_fixture_key_count(f, "pr:*:lease"), 0);

    s = store_fixture_open(f, NODE_A);
    struct store_acct second;
    store_acct_init(s, &second, STR("one"));
    assert_string_equal(first.name, second.name);
    assert_int_equal(first.shard, second.shard);
    store_acct_fini(&first);
    store_acct_fini(&second);
    assert_int_equal(stat(f->key_file, &after), 0);
    assert_int_equal(before.st_ino, after.st_ino);
    assert_int_equal(before.st_mtim.tv_nsec, after.st_mtim.tv_nsec);
    store_fixture_close(f, &s);
}

static void expect_key_error(struct store_fixture *f, struct master_key_config key)
{
    struct err err;
    redisReply *before = redis_fixture_command(f->server, "DEBUG DIGEST");
    struct store *s = store_fixture_store(f, (struct store_config){.key = key});
    assert_false(store_fixture_try_open(f, s, &err));
    assert_int_equal(err.code, ERR_KEY);
    assert_true(strlen(err.msg) > 30);
    assert_false(store_is_well(s, NULL));
    store_fixture_crash(f, &s);
    redisReply *after = redis_fixture_command(f->server, "DEBUG DIGEST");
    assert_string_equal(before->str, after->str);
    freeReplyObject(before);
    freeReplyObject(after);
}

static void wrong_key_is_refused_and_nothing_changes(void **state)
{
    struct store_fixture *f = *state;
    struct err err;
    struct store *s =
        store_fixture_store(f, (struct store_config){.key = {.key_text = key_one}});
    assert_true(store_fixture_try_open(f, s, &err));
    store_fixture_close(f, &s);
    expect_key_error(f, (struct master_key_config){.key_text = key_two});
    /* the check value lost: the lookup key tells as well */
    redis_fixture_run(f->server, "DEL pr:keycheck");
    expect_key_error(f, (struct master_key_config){.key_text = key_two});
    s = store_fixture_store(f, (struct store_config){.key = {.key_text = key_one}});
    assert_true(store_fixture_try_open(f, s, &err));
    store_fixture_close(f, &s);
    assert_int_equal(store_fixture_key_count(f, "pr:keycheck"), 1);
}

static void missing_key_file_is_not_made_anew(void **state)
{
    struct store_fixture *f = *state;
    struct store *s = store_fixture_open(f, NODE_A);
    store_fixture_close(f, &s);
    assert_int_equal(unlink(f->key_file), 0);
    expect_key_error(f, (struct master_key_config){.key_file = f->key_file});
    assert_int_equal(access(f->key_file, F_OK), -1);
}

static void other_schema_is_refused(void **state)
{
    struct store_fixture *f = *state;
    struct err err;
    redis_fixture_run(f->server, "SET pr:schema 99");
    struct store *s =
        store_fixture_store(f, (struct store_config){.key = {.key_text = key_one}});
    assert_false(store_fixture_try_open(f, s, &err));
    assert_int_equal(err.code, ERR_CONFIG);
    assert_int_equal(store_fixture_key_count(f, "*"), 1);
    store_fixture_crash(f, &s);
}

static void opening_waits_for_redis(void **state)
{
    struct store_fixture *f = *state;
    struct err err;
    redis_fixture_kill(f->server);
    struct store *s = store_fixture_store(f, (struct store_config){0});
    loop_fixture_run_for(f->loop, 100);
    assert_false(store_is_well(s, &err));
    assert_int_equal(err.code, ERR_STORE_DOWN);
    redis_fixture_restart(f->server);
    assert_true(store_fixture_try_open(f, s, &err));
    store_fixture_close(f, &s);
}

static void on_open_canceled(struct store_open *op, const struct err *err, void *ctx)
{
    (void)op;
    assert_int_equal(err->code, ERR_CANCELED);
    *(bool *)ctx = true;
}

/* A cancel at any moment, also while the key is derived. */
static void opening_can_be_canceled(void **state)
{
    struct store_fixture *f = *state;
    static const int64_t delays_ms[] = {0, 1, 3, 8, 20};
    for (size_t i = 0; i < ARRAY_LEN(delays_ms); i++) {
        bool done = false;
        struct store *s = store_fixture_store(
            f, (struct store_config){
                   .key = {.key_text = "a passphrase that is long enough"}});
        struct store_open *op = store_open_start(s, on_open_canceled, &done);
        loop_fixture_run_for(f->loop, delays_ms[i]);
        store_open_cancel(op);
        loop_fixture_run_until(f->loop, &done, STORE_FIXTURE_WAIT_MS);
        store_fixture_crash(f, &s);
    }
}

/* --- leases --- */

static struct store *open_node(struct store_fixture *f, const char *node, int64_t ttl_ms)
{
    struct err err;
    struct store *s = store_fixture_store(
        f, (struct store_config){.node_id = node, .lease_ttl_ms = ttl_ms});
    assert_true(store_fixture_try_open(f, s, &err));
    return s;
}

struct told {
    unsigned came, went;
};

static void on_lease(struct store *s, uint8_t shard, bool is_owned, void *ctx)
{
    struct told *told = ctx;
    assert_int_equal(store_owns(s, shard), is_owned);
    if (is_owned) {
        told->came++;
    } else {
        told->went++;
    }
}

static void second_node_takes_over_after_expiry(void **state)
{
    struct store_fixture *f = *state;
    struct err err;
    struct store *a = open_node(f, NODE_A, 1500);
    struct store *b = open_node(f, NODE_B, 1500);
    struct told told = {0};
    store_set_lease_cb(b, on_lease, &told);
    uint64_t epoch = store_epoch(a, 7);
    assert_int_equal(owned(a), STORE_SHARDS);
    assert_int_equal(owned(b), 0);
    assert_true(store_is_well(b, &err));
    loop_fixture_run_for(f->loop, 2000); /* renewed meanwhile */
    assert_int_equal(owned(a), STORE_SHARDS);
    assert_int_equal(owned(b), 0);

    store_fixture_crash(f, &a);
    run_until_owned(f, b, STORE_SHARDS);
    loop_fixture_run_for(f->loop, 100);
    assert_int_equal(told.came, STORE_SHARDS);
    assert_int_equal(told.went, 0);
    assert_true(store_epoch(b, 7) > epoch);
    store_fixture_close(f, &b);
}

static void closed_node_hands_over(void **state)
{
    struct store_fixture *f = *state;
    struct store *a = open_node(f, NODE_A, 600000);
    store_fixture_close(f, &a);
    struct store *b = open_node(f, NODE_B, 600000);
    assert_int_equal(owned(b), STORE_SHARDS);
    store_fixture_close(f, &b);
}

static void restarted_node_retakes_at_once(void **state)
{
    struct store_fixture *f = *state;
    struct store *a = open_node(f, NODE_A, 600000);
    uint64_t epoch = store_epoch(a, 200);
    store_fixture_crash(f, &a);
    assert_int_equal(store_fixture_key_count(f, "pr:*:lease"), STORE_SHARDS);
    a = open_node(f, NODE_A, 600000);
    assert_int_equal(owned(a), STORE_SHARDS);
    assert_int_equal(store_epoch(a, 200), epoch + 1);
    store_fixture_close(f, &a);
}

static void lost_lease_is_told(void **state)
{
    struct store_fixture *f = *state;
    struct store *a = open_node(f, NODE_A, 600);
    struct told told = {0};
    store_set_lease_cb(a, on_lease, &told);
    redis_fixture_run(f->server, "SET pr:{9}:lease %s:other PX 600000", NODE_B);
    redis_fixture_run(f->server, "INCR pr:{9}:epoch");
    run_until_owned(f, a, STORE_SHARDS - 1);
    assert_false(store_owns(a, 9));
    assert_int_equal(told.went, 1);
    redis_fixture_run(f->server, "DEL pr:{9}:lease");
    redis_fixture_run(f->server, "SET pr:{9}:lease %s:other PX 50", NODE_B);
    store_lease_suspect(a, 9);
    run_until_owned(f, a, STORE_SHARDS);
    loop_fixture_run_for(f->loop, 100);
    assert_int_equal(told.came, 1);
    store_fixture_close(f, &a);
}

/* An outage longer than the lease, but nobody took it: no account needs to be dropped. */
static void lease_that_only_ran_out_comes_back_silently(void **state)
{
    struct store_fixture *f = *state;
    struct store *a = open_node(f, NODE_A, 600);
    struct told told = {0};
    store_set_lease_cb(a, on_lease, &told);
    uint64_t epoch = store_epoch(a, 3);
    redis_fixture_run(f->server, "DEL pr:{3}:lease");
    loop_fixture_run_for(f->loop, 500);
    assert_int_equal(owned(a), STORE_SHARDS);
    assert_int_equal(store_epoch(a, 3), epoch);
    assert_int_equal(told.went + told.came, 0);
    store_fixture_close(f, &a);
}

static void passive_store_leaves_leases_alone(void **state)
{
    struct store_fixture *f = *state;
    struct err err;
    struct store *a = open_node(f, NODE_A, 600000);
    struct store *tool = store_fixture_store(f, (struct store_config){.passive = true});
    assert_true(store_fixture_try_open(f, tool, &err));
    assert_int_equal(owned(tool), 0);
    assert_true(store_is_well(tool, &err));
    store_fixture_close(f, &tool);
    assert_int_equal(store_fixture_key_count(f, "pr:*:lease"), STORE_SHARDS);
    store_fixture_close(f, &a);
}

static void on_opened(struct store_open *op, const struct err *err, void *ctx)
{
    (void)op;
    assert_int_equal(err->code, ERR_OK);
    *(bool *)ctx = true;
}

static void two_nodes_starting_together_agree(void **state)
{
    struct store_fixture *f = *state;
    struct master_key_config key = {.key_text = key_one};
    struct store *s[2];
    bool done[2] = {false, false};
    struct store_acct acct[2];
    for (size_t i = 0; i < 2; i++) {
        s[i] = store_fixture_store(
            f, (struct store_config){.key = key, .node_id = i == 0 ? NODE_A : NODE_B});
    }
    loop_fixture_run_for(f->loop, 50);
    for (size_t i = 0; i < 2; i++) {
        store_open_start(s[i], on_opened, &done[i]);
    }
    for (size_t i = 0; i < 2; i++) {
        loop_fixture_run_until(f->loop, &done[i], STORE_FIXTURE_WAIT_MS);
        store_acct_init(s[i], &acct[i], STR("same"));
    }
    assert_string_equal(acct[0].name, acct[1].name);
    assert_int_equal(owned(s[0]) + owned(s[1]), STORE_SHARDS);
    for (size_t i = 0; i < 2; i++) {
        store_acct_fini(&acct[i]);
        store_fixture_close(f, &s[i]);
    }
}

#define T(name)                                                                          \
    cmocka_unit_test_setup_teardown(name, store_fixture_setup, store_fixture_teardown)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        T(opens_twice_with_the_same_key),
        T(wrong_key_is_refused_and_nothing_changes),
        T(missing_key_file_is_not_made_anew),
        T(other_schema_is_refused),
        T(opening_waits_for_redis),
        T(opening_can_be_canceled),
        T(second_node_takes_over_after_expiry),
        T(closed_node_hands_over),
        T(restarted_node_retakes_at_once),
        T(lost_lease_is_told),
        T(lease_that_only_ran_out_comes_back_silently),
        T(passive_store_leaves_leases_alone),
        T(two_nodes_starting_together_agree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
