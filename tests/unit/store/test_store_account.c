/* The life of accounts in the store, against a real redis-server. */
#include "store_fixture.h"

#include "store_parts.h"

#include "postrider/store/store_account.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* --- operations, run to their end --- */

struct outcome {
    bool done;
    struct err err;
    json_t *record, *state;
    char incarnation[STORE_INCARNATION_SIZE];
};

static void on_account(struct store_account_op *op, const struct err *err,
                       const struct store_acct *acct, json_t *record, json_t *state,
                       void *ctx)
{
    (void)op;
    struct outcome *o = ctx;
    o->done = true;
    o->err = *err;
    o->record = json_incref(record);
    o->state = json_incref(state);
    (void)snprintf(o->incarnation, sizeof o->incarnation, "%s", acct->incarnation);
}

static enum err_code finish(struct store_fixture *f, struct outcome *o)
{
    loop_fixture_run_until(f->loop, &o->done, STORE_FIXTURE_WAIT_MS);
    return o->err.code;
}

static void forget(struct outcome *o)
{
    json_decref(o->record);
    json_decref(o->state);
    *o = (struct outcome){0};
}

static enum err_code create(struct store_fixture *f, struct store *s, const char *id,
                            json_t *record)
{
    struct outcome o = {0};
    store_account_create_start(s, str_of(id), record, on_account, &o);
    enum err_code code = finish(f, &o);
    forget(&o);
    return code;
}

static enum err_code update(struct store_fixture *f, struct store *s, const char *id,
                            json_t *record)
{
    struct outcome o = {0};
    store_account_update_start(s, str_of(id), record, on_account, &o);
    enum err_code code = finish(f, &o);
    forget(&o);
    return code;
}

static enum err_code remove_account(struct store_fixture *f, struct store *s,
                                    const char *id)
{
    struct outcome o = {0};
    store_account_delete_start(s, str_of(id), on_account, &o);
    enum err_code code = finish(f, &o);
    forget(&o);
    return code;
}

static enum err_code get(struct store_fixture *f, struct store *s, const char *id,
                         struct outcome *o)
{
    *o = (struct outcome){0};
    store_account_get_start(s, str_of(id), on_account, o);
    return finish(f, o);
}

static json_t *a_record(const char *name)
{
    return json_pack(
        "{s:s, s:s, s:s, s:{s:s, s:i, s:{s:s, s:s}}, s:{s:{s:s, s:s}}, s:[{s:s, s:s}]}",
        "account", "MARKERid", "name", name, "email", "MARKERmail@example.com", "imap",
        "host", "MARKERhost", "port", 993, "auth", "user", "MARKERuser", "pass",
        "MARKERsecret", "smtp", "auth", "user", "MARKERuser", "pass", "MARKERsecret",
        "webhooksCustomHeaders", "key", "MARKERheader", "value", "MARKERsecret");
}

static void record_comes_back_with_secrets(void **state)
{
    struct store_fixture *f = *state;
    struct store *s = store_fixture_open(f, NODE_A);
    json_t *record = a_record("MARKERname");
    assert_int_equal(create(f, s, "MARKERid", record), ERR_OK);
    struct outcome o;
    assert_int_equal(get(f, s, "MARKERid", &o), ERR_OK);
    assert_true(json_equal(o.record, record));
    assert_string_equal(json_string_value(json_object_get(o.state, "state")), "init");
    assert_int_equal(strlen(o.incarnation), 32);
    forget(&o);
    assert_int_equal(create(f, s, "MARKERid", record), ERR_CONFLICT);

    const struct account_entry *entry = store_directory_get(s, STR("MARKERid"));
    assert_non_null(entry);
    assert_string_equal(entry->name, "MARKERname");
    assert_string_equal(entry->email, "MARKERmail@example.com");
    assert_true(entry->created_ms > 0);
    assert_int_equal(store_directory_count(s), 1);
    struct store_acct acct;
    store_acct_init(s, &acct, STR("MARKERid"));
    assert_string_equal(store_account_id_by_name(s, str_of(acct.name)), "MARKERid");
    store_acct_fini(&acct);
    json_decref(record);
    store_fixture_close(f, &s);
}

static void nothing_recognisable_is_in_redis(void **state)
{
    struct store_fixture *f = *state;
    struct store *s = store_fixture_open(f, NODE_A);
    json_t *record = a_record("MARKERname");
    assert_int_equal(create(f, s, "MARKERid", record), ERR_OK);
    assert_false(store_fixture_contains(f, "MARKER"));
    assert_false(store_fixture_contains(f, "example.com"));
    assert_true(store_fixture_contains(f, "accountAdded")); /* the search does find */
    assert_true(store_fixture_contains(f, "sec:imap.auth.pass"));
    json_decref(record);
    store_fixture_close(f, &s);
}

static void update_replaces_settings_and_drops_old_secrets(void **state)
{
    struct store_fixture *f = *state;
    struct store *s = store_fixture_open(f, NODE_A);
    json_t *record = a_record("first");
    assert_int_equal(update(f, s, "MARKERid", record), ERR_NO_ACCOUNT);
    assert_int_equal(create(f, s, "MARKERid", record), ERR_OK);
    json_object_del(json_object_get(json_object_get(record, "imap"), "auth"), "pass");
    assert_int_equal(update(f, s, "MARKERid", record), ERR_OK);
    assert_false(store_fixture_contains(f, "sec:imap.auth.pass"));
    assert_true(store_fixture_contains(f, "sec:smtp.auth.pass"));
    json_object_set_new(record, "name", json_string("second"));
    assert_int_equal(update(f, s, "MARKERid", record), ERR_OK);
    assert_string_equal(store_directory_get(s, STR("MARKERid"))->name, "second");
    struct outcome o;
    assert_int_equal(get(f, s, "MARKERid", &o), ERR_OK);
    assert_true(json_equal(o.record, record));
    forget(&o);
    store_fixture_close(f, &s);

    s = store_fixture_open(f, NODE_A);
    assert_string_equal(store_directory_get(s, STR("MARKERid"))->name, "second");
    json_decref(record);
    store_fixture_close(f, &s);
}

static void oversized_record_is_refused(void **state)
{
    struct store_fixture *f = *state;
    struct store *s = store_fixture_open(f, NODE_A);
    char *text = malloc(STORE_RECORD_MAX + 1);
    assert_non_null(text);
    memset(text, 'x', STORE_RECORD_MAX);
    text[STORE_RECORD_MAX] = '\0';
    json_t *record = json_pack("{s:s}", "name", text);
    assert_int_equal(create(f, s, "big", record), ERR_TOO_LARGE);
    assert_int_equal(create(f, s, "", record), ERR_INVALID);
    assert_int_equal(create(f, s, "\xff\xfe", record), ERR_INVALID);
    assert_int_equal(store_fixture_key_count(f, "pr:directory"), 0);
    json_decref(record);
    free(text);
    store_fixture_close(f, &s);
}

static char *account_key(struct store *s, const char *id, const char *kind,
                         struct arena *arena)
{
    struct store_acct acct;
    store_acct_init(s, &acct, str_of(id));
    struct str key = store_key(arena, s, &acct, kind);
    store_acct_fini(&acct);
    return arena_strdup(arena, key.ptr);
}

static void deletion_leaves_no_key(void **state)
{
    struct store_fixture *f = *state;
    struct store *s = store_fixture_open(f, NODE_A);
    struct arena arena = {0};
    long long before = store_fixture_key_count(f, "*");
    json_t *record = a_record("x");
    assert_int_equal(create(f, s, "one", record), ERR_OK);
    const char *f_key = account_key(s, "one", "f", &arena);
    redis_fixture_run(f->server, "HSET %s 1 x 12 y", f_key);
    redis_fixture_run(f->server, "HSET %s:1 0 x", account_key(s, "one", "m", &arena));
    redis_fixture_run(f->server, "HSET %s:12 0 x", account_key(s, "one", "m", &arena));
    redis_fixture_run(f->server, "HSET %s r 1-1", account_key(s, "one", "cur", &arena));
    assert_true(store_fixture_key_count(f, "*") > before + 6);
    struct store_acct acct;
    store_acct_init(s, &acct, STR("one"));
    assert_true(store_fixture_contains(f, acct.name));

    assert_int_equal(remove_account(f, s, "one"), ERR_OK);
    assert_false(store_fixture_contains(f, acct.name));
    assert_int_equal(store_directory_count(s), 0);
    redisReply *feed = redis_fixture_command(f->server, "XLEN pr:{%d}:feed", acct.shard);
    assert_int_equal(feed->integer, 0);
    freeReplyObject(feed);
    redis_fixture_run(f->server, "DEL pr:{%d}:feed", acct.shard);
    assert_int_equal(store_fixture_key_count(f, "*"), before);
    assert_int_equal(remove_account(f, s, "one"), ERR_NO_ACCOUNT);
    struct outcome o;
    assert_int_equal(get(f, s, "one", &o), ERR_NO_ACCOUNT);

    /* and it can come again, as another one */
    assert_int_equal(create(f, s, "one", record), ERR_OK);
    struct store_acct again;
    store_acct_init(s, &again, STR("one"));
    assert_string_equal(again.name, acct.name);
    assert_string_not_equal(again.incarnation, acct.incarnation);
    store_acct_fini(&again);
    store_acct_fini(&acct);
    json_decref(record);
    arena_fini(&arena);
    store_fixture_close(f, &s);
}

static void deletion_takes_only_its_own_feed_entries(void **state)
{
    struct store_fixture *f = *state;
    struct store *s = store_fixture_open(f, NODE_A);
    json_t *record = a_record("x");
    assert_int_equal(create(f, s, "one", record), ERR_OK);
    struct store_acct acct;
    store_acct_init(s, &acct, STR("one"));
    redis_fixture_run(f->server, "EVAL %s 1 pr:{%d}:feed %s",
                      "for i = 1, 2500 do redis.call('XADD', KEYS[1], '*', 'a', "
                      "i % 2 == 0 and ARGV[1] or 'other', 'e', '1-1') end",
                      acct.shard, acct.name);
    assert_int_equal(remove_account(f, s, "one"), ERR_OK);
    redisReply *feed = redis_fixture_command(f->server, "XLEN pr:{%d}:feed", acct.shard);
    assert_int_equal(feed->integer, 1250);
    freeReplyObject(feed);
    store_acct_fini(&acct);
    json_decref(record);
    store_fixture_close(f, &s);
}

static void creation_appends_the_event(void **state)
{
    struct store_fixture *f = *state;
    struct store *s = store_fixture_open(f, NODE_A);
    struct arena arena = {0};
    json_t *record = a_record("x");
    assert_int_equal(create(f, s, "one", record), ERR_OK);
    struct store_acct acct;
    store_acct_init(s, &acct, STR("one"));
    redisReply *log = redis_fixture_command(f->server, "XRANGE %s - +",
                                            account_key(s, "one", "log", &arena));
    assert_int_equal(log->elements, 1);
    redisReply *fields = log->element[0]->element[1];
    assert_int_equal(fields->elements, 6);
    assert_string_equal(fields->element[0]->str, "t");
    assert_string_equal(fields->element[1]->str, "accountAdded");
    assert_string_equal(fields->element[2]->str, "i");
    assert_string_equal(fields->element[4]->str, "d");
    struct event e;
    struct err err;
    struct str sealed = str_from(fields->element[5]->str, fields->element[5]->len);
    assert_true(store_event_open(s, &acct, EVENT_ACCOUNT_ADDED, fields->element[3]->str,
                                 sealed, &e, &err));
    assert_string_equal(json_string_value(json_object_get(e.data, "account")), "one");
    event_fini(&e);
    /* under another type or id it does not open, but stays nameable */
    assert_false(store_event_open(s, &acct, EVENT_ACCOUNT_DELETED,
                                  fields->element[3]->str, sealed, &e, &err));
    assert_int_equal(err.code, ERR_DECRYPT);
    assert_int_equal(e.type, EVENT_ACCOUNT_DELETED);
    freeReplyObject(log);
    store_acct_fini(&acct);
    json_decref(record);
    arena_fini(&arena);
    store_fixture_close(f, &s);
}

/* --- crashes between the steps --- */

static struct directory_row a_row(struct store *s, const char *id,
                                  enum directory_stage stage)
{
    struct store_acct acct;
    struct directory_row row;
    store_acct_init(s, &acct, str_of(id));
    if (acct.incarnation[0] == '\0') {
        (void)snprintf(acct.incarnation, sizeof acct.incarnation, "%032d", 1);
    }
    json_t *record = json_pack("{s:s}", "name", "row");
    directory_row_init(&row, &acct, record, 5);
    json_decref(record);
    row.stage = stage;
    store_acct_fini(&acct);
    return row;
}

/* As if an operation had written its row and nothing more. */
static void plant_row(struct store_fixture *f, struct store *s, const char *id,
                      enum directory_stage stage)
{
    struct directory_row row = a_row(s, id, stage);
    struct buf sealed = BUF_INIT(4096);
    assert_true(directory_row_seal(s, &row, &sealed));
    redis_fixture_run(f->server, "HSET pr:directory %s %b", row.name, sealed.bytes,
                      sealed.len);
    buf_fini(&sealed);
    directory_row_fini(&row);
}

static long long rows(struct store_fixture *f)
{
    redisReply *r = redis_fixture_command(f->server, "HLEN pr:directory");
    long long count = r->integer;
    freeReplyObject(r);
    return count;
}

static void crash_before_the_record_undoes_creation(void **state)
{
    struct store_fixture *f = *state;
    struct store *s = store_fixture_open(f, NODE_A);
    plant_row(f, s, "half", DIRECTORY_CREATING);
    assert_int_equal(rows(f), 1);
    store_fixture_crash(f, &s);
    s = store_fixture_open(f, NODE_A);
    assert_int_equal(rows(f), 0);
    assert_int_equal(store_directory_count(s), 0);
    /* without a restart the id is free too */
    plant_row(f, s, "half", DIRECTORY_CREATING);
    json_t *record = a_record("x");
    assert_int_equal(create(f, s, "half", record), ERR_OK);
    json_decref(record);
    store_fixture_close(f, &s);
}

static void crash_after_the_record_completes_creation(void **state)
{
    struct store_fixture *f = *state;
    struct store *s = store_fixture_open(f, NODE_A);
    json_t *record = a_record("real");
    assert_int_equal(create(f, s, "half", record), ERR_OK);
    plant_row(f, s, "half", DIRECTORY_CREATING);
    store_fixture_crash(f, &s);
    s = store_fixture_open(f, NODE_A);
    assert_int_equal(store_directory_count(s), 1);
    assert_string_equal(store_directory_get(s, STR("half"))->name, "real");
    assert_int_equal(create(f, s, "half", record), ERR_CONFLICT);
    json_decref(record);
    store_fixture_close(f, &s);
}

static void crash_in_deletion_completes_it(void **state)
{
    struct store_fixture *f = *state;
    struct store *s = store_fixture_open(f, NODE_A);
    json_t *record = a_record("x");
    assert_int_equal(create(f, s, "half", record), ERR_OK);
    plant_row(f, s, "half", DIRECTORY_DELETING);
    struct store_acct acct;
    store_acct_init(s, &acct, STR("half"));
    store_fixture_crash(f, &s);
    s = store_fixture_open(f, NODE_A);
    assert_int_equal(store_directory_count(s), 0);
    assert_false(store_fixture_contains(f, acct.name));
    store_acct_fini(&acct);
    json_decref(record);
    store_fixture_close(f, &s);
}

static void crash_in_update_takes_the_record(void **state)
{
    struct store_fixture *f = *state;
    struct store *s = store_fixture_open(f, NODE_A);
    json_t *record = a_record("real");
    assert_int_equal(create(f, s, "half", record), ERR_OK);
    plant_row(f, s, "half", DIRECTORY_UPDATING);
    store_fixture_crash(f, &s);
    s = store_fixture_open(f, NODE_A);
    assert_string_equal(store_directory_get(s, STR("half"))->name, "real");
    json_decref(record);
    store_fixture_close(f, &s);
}

static void lost_and_surplus_rows_are_repaired(void **state)
{
    struct store_fixture *f = *state;
    struct store *s = store_fixture_open(f, NODE_A);
    json_t *record = a_record("real");
    assert_int_equal(create(f, s, "lost", record), ERR_OK);
    assert_int_equal(create(f, s, "damaged", record), ERR_OK);
    struct store_acct acct;
    store_acct_init(s, &acct, STR("damaged"));
    plant_row(f, s, "surplus", DIRECTORY_LIVE);
    struct store_acct lost;
    store_acct_init(s, &lost, STR("lost"));
    redis_fixture_run(f->server, "HDEL pr:directory %s", lost.name);
    redis_fixture_run(f->server, "HSET pr:directory %s garbage", acct.name);
    store_fixture_crash(f, &s);
    s = store_fixture_open(f, NODE_A);
    assert_int_equal(store_directory_count(s), 2);
    assert_non_null(store_directory_get(s, STR("lost")));
    assert_non_null(store_directory_get(s, STR("damaged")));
    assert_null(store_directory_get(s, STR("surplus")));
    assert_int_equal(rows(f), 2);
    store_acct_fini(&acct);
    store_acct_fini(&lost);
    json_decref(record);
    store_fixture_close(f, &s);
}

/* --- the directory --- */

static void expect_order(struct store *s, size_t count)
{
    assert_int_equal(store_directory_count(s), count);
    for (size_t i = 1; i < count; i++) {
        assert_true(
            strcmp(store_directory_at(s, i - 1)->id, store_directory_at(s, i)->id) < 0);
    }
    assert_null(store_directory_at(s, count));
}

static void directory_is_sorted_by_id(void **state)
{
    struct store_fixture *f = *state;
    static const char *const ids[] = {"m", "b", "zz", "a", "ab", "Z", "\xc3\xa4", "0"};
    struct store *s = store_fixture_open(f, NODE_A);
    json_t *record = a_record("x");
    for (size_t i = 0; i < ARRAY_LEN(ids); i++) {
        assert_int_equal(create(f, s, ids[i], record), ERR_OK);
        expect_order(s, i + 1);
    }
    store_directory_set_state(s, STR("zz"), "connected", NULL);
    assert_string_equal(store_directory_get(s, STR("zz"))->state, "connected");
    assert_int_equal(remove_account(f, s, "b"), ERR_OK);
    expect_order(s, ARRAY_LEN(ids) - 1);
    store_fixture_close(f, &s);
    s = store_fixture_open(f, NODE_A);
    expect_order(s, ARRAY_LEN(ids) - 1);
    json_decref(record);
    store_fixture_close(f, &s);
}

static void only_the_owner_writes(void **state)
{
    struct store_fixture *f = *state;
    struct store *a = store_fixture_open(f, NODE_A);
    struct store *b = store_fixture_open(f, NODE_B);
    json_t *record = a_record("x");
    assert_int_equal(create(f, b, "one", record), ERR_FENCED);
    assert_int_equal(create(f, a, "one", record), ERR_OK);
    struct outcome o;
    assert_int_equal(get(f, b, "one", &o), ERR_OK); /* reading needs no lease */
    forget(&o);
    /* Redis refuses an owner that does not know yet that it lost */
    struct store_acct acct;
    store_acct_init(a, &acct, STR("one"));
    redis_fixture_run(f->server, "SET pr:{%d}:lease %s:x PX 60000", acct.shard, NODE_B);
    assert_true(store_owns(a, acct.shard));
    assert_int_equal(update(f, a, "one", record), ERR_FENCED);
    store_acct_fini(&acct);
    json_decref(record);
    store_fixture_close(f, &b);
    store_fixture_close(f, &a);
}

static void operations_on_a_closed_store_fail(void **state)
{
    struct store_fixture *f = *state;
    struct store *s = store_fixture_store(f, (struct store_config){0});
    json_t *record = a_record("x");
    assert_int_equal(create(f, s, "one", record), ERR_STORE_DOWN);
    assert_int_equal(update(f, s, "one", record), ERR_STORE_DOWN);
    assert_int_equal(remove_account(f, s, "one"), ERR_STORE_DOWN);
    struct outcome o;
    assert_int_equal(get(f, s, "one", &o), ERR_STORE_DOWN);
    json_decref(record);
    store_fixture_crash(f, &s);
}

static void canceled_creation_is_settled(void **state)
{
    struct store_fixture *f = *state;
    struct store *s = store_fixture_open(f, NODE_A);
    json_t *record = a_record("x");
    for (int64_t ms = 0; ms < 4; ms++) {
        struct outcome o = {0};
        struct store_account_op *op =
            store_account_create_start(s, STR("one"), record, on_account, &o);
        if (ms > 0) {
            loop_turn(f->loop, true);
        }
        if (!o.done) {
            store_account_cancel(op);
        }
        enum err_code code = finish(f, &o);
        assert_true(code == ERR_CANCELED || code == ERR_OK || code == ERR_CONFLICT);
        forget(&o);
    }
    /* What a cancel left behind is undone or completed without a restart. */
    loop_fixture_run_for(f->loop, 300);
    struct outcome o;
    bool exists = get(f, s, "one", &o) == ERR_OK;
    forget(&o);
    assert_int_equal(rows(f), exists ? 1 : 0);
    assert_int_equal(store_directory_count(s), exists ? 1 : 0);
    json_decref(record);
    store_fixture_close(f, &s);
}

#define T(name)                                                                          \
    cmocka_unit_test_setup_teardown(name, store_fixture_setup, store_fixture_teardown)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        T(record_comes_back_with_secrets),
        T(nothing_recognisable_is_in_redis),
        T(update_replaces_settings_and_drops_old_secrets),
        T(oversized_record_is_refused),
        T(deletion_leaves_no_key),
        T(deletion_takes_only_its_own_feed_entries),
        T(creation_appends_the_event),
        T(crash_before_the_record_undoes_creation),
        T(crash_after_the_record_completes_creation),
        T(crash_in_deletion_completes_it),
        T(crash_in_update_takes_the_record),
        T(lost_and_surplus_rows_are_repaired),
        T(directory_is_sorted_by_id),
        T(only_the_owner_writes),
        T(operations_on_a_closed_store_fail),
        T(canceled_creation_is_settled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
