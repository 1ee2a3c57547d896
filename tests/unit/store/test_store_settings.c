/* Settings and access tokens, one and two nodes, against a real redis-server. */
#include "store_fixture.h"

#include "postrider/base/clock.h"
#include "postrider/store/store_settings.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

struct outcome {
    bool done;
    struct err err;
    json_t *record;
};

static enum err_code finish(struct store_fixture *f, struct outcome *o)
{
    loop_fixture_run_until(f->loop, &o->done, STORE_FIXTURE_WAIT_MS);
    return o->err.code;
}

static void forget(struct outcome *o)
{
    json_decref(o->record);
    *o = (struct outcome){0};
}

/* --- settings --- */

static void on_set(struct store_settings_op *op, const struct err *err, void *ctx)
{
    (void)op;
    struct outcome *o = ctx;
    o->err = *err;
    o->done = true;
}

/* Takes the changes. */
static enum err_code set(struct store_fixture *f, struct store *s, json_t *changes)
{
    struct outcome o = {0};
    store_settings_set_start(s, changes, on_set, &o);
    json_decref(changes);
    return finish(f, &o);
}

static void on_changed(struct store *s, void *ctx)
{
    (void)s;
    ++*(unsigned *)ctx;
}

static void settings_survive_and_stay_sealed(void **state)
{
    struct store_fixture *f = *state;
    struct store *s = store_fixture_open(f, NODE_A);
    unsigned changes = 0;
    store_settings_set_changed_cb(s, on_changed, &changes);
    assert_int_equal(json_object_size(store_settings(s)), 0);
    assert_int_equal(set(f, s,
                         json_pack("{s:s, s:b, s:[s], s:s}", "webhooks",
                                   "https://MARKER.example/hook", "webhooksEnabled", 1,
                                   "webhookEvents", "*", "serviceSecret", "MARKERkey")),
                     ERR_OK);
    assert_int_equal(changes, 1);
    assert_string_equal(json_string_value(store_setting(s, "serviceSecret")),
                        "MARKERkey");
    assert_false(store_fixture_contains(f, "MARKER"));
    assert_int_equal(set(f, s, json_pack("{s:n, s:b}", "webhooks", "webhooksEnabled", 0)),
                     ERR_OK);
    assert_null(store_setting(s, "webhooks"));
    json_t *before = json_deep_copy(store_settings(s));
    store_fixture_close(f, &s);
    s = store_fixture_open(f, NODE_A);
    assert_true(json_equal(store_settings(s), before));
    assert_int_equal(json_object_size(before), 3);
    json_decref(before);
    store_fixture_close(f, &s);
}

static void bad_settings_change_nothing(void **state)
{
    struct store_fixture *f = *state;
    struct store *s = store_fixture_open(f, NODE_A);
    char *big = malloc(300 * 1024);
    assert_non_null(big);
    memset(big, 'x', 300 * 1024 - 1);
    big[300 * 1024 - 1] = '\0';
    assert_int_equal(set(f, s, json_pack("{s:i, s:s}", "good", 1, "big", big)),
                     ERR_TOO_LARGE);
    assert_int_equal(set(f, s, json_pack("{s:i}", "!version", 1)), ERR_INVALID);
    assert_int_equal(set(f, s, json_pack("{s:i}", "", 1)), ERR_INVALID);
    assert_int_equal(store_fixture_key_count(f, "pr:settings"), 0);
    assert_int_equal(json_object_size(store_settings(s)), 0);
    free(big);
    store_fixture_close(f, &s);
}

static void damaged_setting_is_as_if_unset(void **state)
{
    struct store_fixture *f = *state;
    struct store *s = store_fixture_open(f, NODE_A);
    assert_int_equal(set(f, s, json_pack("{s:i, s:i}", "one", 1, "two", 2)), ERR_OK);
    store_fixture_close(f, &s);
    /* also a good value in another place */
    redisReply *one = redis_fixture_command(f->server, "HGET pr:settings one");
    redis_fixture_run(f->server, "HSET pr:settings two %b", one->str, one->len);
    freeReplyObject(one);
    s = store_fixture_open(f, NODE_A);
    assert_int_equal(json_integer_value(store_setting(s, "one")), 1);
    assert_null(store_setting(s, "two"));
    store_fixture_close(f, &s);
}

static void other_nodes_see_a_change_within_a_second(void **state)
{
    struct store_fixture *f = *state;
    struct store *a = store_fixture_open(f, NODE_A);
    struct store *b = store_fixture_open(f, NODE_B);
    unsigned changes = 0;
    store_settings_set_changed_cb(b, on_changed, &changes);
    assert_int_equal(set(f, a, json_pack("{s:s}", "locale", "et")), ERR_OK);
    loop_fixture_run_until_count(f->loop, &changes, 1, 1000);
    assert_string_equal(json_string_value(store_setting(b, "locale")), "et");
    /* changes of both at once end the same on both */
    assert_int_equal(set(f, a, json_pack("{s:s}", "from", "a")), ERR_OK);
    assert_int_equal(set(f, b, json_pack("{s:s}", "to", "b")), ERR_OK);
    loop_fixture_run_for(f->loop, 1000);
    assert_true(json_equal(store_settings(a), store_settings(b)));
    assert_int_equal(json_object_size(store_settings(a)), 3);
    store_fixture_close(f, &b);
    store_fixture_close(f, &a);
}

/* --- tokens --- */

static void on_token(struct store_token_op *op, const struct err *err, json_t *record,
                     void *ctx)
{
    (void)op;
    struct outcome *o = ctx;
    o->err = *err;
    o->record = json_incref(record);
    o->done = true;
}

static void make_token(struct store_fixture *f, struct store *s, const char *account,
                       char text[TOKEN_TEXT_SIZE])
{
    struct outcome o = {0};
    json_t *record = json_pack("{s:[s], s:s, s:s*}", "scopes", "api", "description",
                               "MARKERtext", "account", account);
    store_token_create_start(s, record, text, on_token, &o);
    json_decref(record);
    assert_int_equal(strlen(text), 64);
    assert_int_equal(finish(f, &o), ERR_OK);
    assert_int_equal(json_string_length(json_object_get(o.record, "id")), 64);
    assert_non_null(json_object_get(o.record, "created"));
    forget(&o);
}

static enum err_code get_token(struct store_fixture *f, struct store *s, const char *text,
                               struct outcome *o)
{
    *o = (struct outcome){0};
    store_token_get_start(s, str_of(text), on_token, o);
    return finish(f, o);
}

static enum err_code delete_token(struct store_fixture *f, struct store *s,
                                  const char *text)
{
    struct outcome o = {0};
    store_token_delete_start(s, str_of(text), on_token, &o);
    enum err_code code = finish(f, &o);
    forget(&o);
    return code;
}

static void token_is_found_by_text_and_id(void **state)
{
    struct store_fixture *f = *state;
    struct store *s = store_fixture_open(f, NODE_A);
    char text[TOKEN_TEXT_SIZE];
    char id[TOKEN_ID_SIZE];
    struct outcome o;
    json_t *record = NULL;
    make_token(f, s, NULL, text);
    assert_false(store_fixture_contains(f, "MARKER"));
    assert_false(store_fixture_contains(f, text));
    assert_false(store_token_cached(s, str_of(text), &record));
    assert_int_equal(get_token(f, s, text, &o), ERR_OK);
    assert_string_equal(json_string_value(json_object_get(o.record, "description")),
                        "MARKERtext");
    (void)snprintf(id, sizeof id, "%s",
                   json_string_value(json_object_get(o.record, "id")));
    forget(&o);
    assert_true(store_token_cached(s, str_of(text), &record));
    assert_non_null(record);
    assert_null(json_object_get(record, "lastUsed"));
    store_token_used(s, str_of(id), "192.0.2.1");
    assert_non_null(json_object_get(record, "lastUsed"));
    assert_string_equal(json_string_value(json_object_get(record, "lastAddress")),
                        "192.0.2.1");

    store_token_get_by_id_start(s, str_of(id), on_token, &o);
    assert_int_equal(finish(f, &o), ERR_OK);
    forget(&o);
    assert_int_equal(delete_token(f, s, id), ERR_OK);
    assert_int_equal(delete_token(f, s, id), ERR_NOT_FOUND);
    assert_int_equal(get_token(f, s, text, &o), ERR_NOT_FOUND);
    store_fixture_close(f, &s);
}

static void unknown_and_malformed_tokens(void **state)
{
    struct store_fixture *f = *state;
    struct store *s = store_fixture_open(f, NODE_A);
    static const char unknown[] =
        "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
    struct outcome o;
    json_t *record;
    assert_int_equal(get_token(f, s, unknown, &o), ERR_NOT_FOUND);
    assert_true(store_token_cached(s, str_of(unknown), &record));
    assert_null(record);
    loop_fixture_run_for(f->loop, 1050); /* the negative answer is forgotten */
    assert_false(store_token_cached(s, str_of(unknown), &record));
    static const char *const bad[] = {"", "abc", "!epoch", "zz", "00112233"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        assert_int_equal(get_token(f, s, bad[i], &o), ERR_NOT_FOUND);
        assert_int_equal(delete_token(f, s, bad[i]), ERR_NOT_FOUND);
        assert_true(store_token_cached(s, str_of(bad[i]), &record));
        assert_null(record);
    }
    store_fixture_close(f, &s);
}

static void revocation_reaches_other_nodes_within_a_second(void **state)
{
    struct store_fixture *f = *state;
    struct store *a = store_fixture_open(f, NODE_A);
    struct store *b = store_fixture_open(f, NODE_B);
    char text[TOKEN_TEXT_SIZE];
    struct outcome o;
    json_t *record;
    make_token(f, a, NULL, text);
    assert_int_equal(get_token(f, b, text, &o), ERR_OK);
    forget(&o);
    assert_true(store_token_cached(b, str_of(text), &record));
    assert_non_null(record);
    assert_int_equal(delete_token(f, a, text), ERR_OK);
    bool known = true;
    for (int i = 0; i < 40 && known; i++) {
        loop_fixture_run_for(f->loop, 25);
        known = store_token_cached(b, str_of(text), &record);
    }
    assert_false(known);
    assert_int_equal(get_token(f, b, text, &o), ERR_NOT_FOUND);
    store_fixture_close(f, &b);
    store_fixture_close(f, &a);
}

/* The late note of the last use must not bring a revoked token back. */
static void last_use_is_noted_once_and_never_revives(void **state)
{
    struct store_fixture *f = *state;
    struct store *s = store_fixture_open(f, NODE_A);
    char text[TOKEN_TEXT_SIZE];
    struct outcome o;
    json_t *record;
    make_token(f, s, NULL, text);
    assert_int_equal(get_token(f, s, text, &o), ERR_OK);
    forget(&o);
    assert_true(store_token_cached(s, str_of(text), &record));
    struct str id = str_of(json_string_value(json_object_get(record, "id")));
    store_token_used(s, id, NULL);
    loop_fixture_run_for(f->loop, 50);
    redisReply *first = redis_fixture_command(f->server, "DEBUG DIGEST");
    for (int i = 0; i < 20; i++) {
        assert_true(store_token_cached(s, str_of(text), &record));
        store_token_used(s, id, NULL);
    }
    loop_fixture_run_for(f->loop, 50);
    redisReply *second = redis_fixture_command(f->server, "DEBUG DIGEST");
    assert_string_equal(first->str, second->str);
    freeReplyObject(first);
    freeReplyObject(second);

    int64_t later_ms = clock_mono_ms() + 70 * 1000;
    assert_true(later_ms > 0);
    redis_fixture_run(f->server, "HDEL pr:tokens %s", id.ptr);
    clock_set_fake(&later_ms);
    assert_true(store_token_cached(s, str_of(text), &record));
    store_token_used(s, id, NULL);
    clock_set_fake(NULL);
    loop_fixture_run_for(f->loop, 50);
    redisReply *left = redis_fixture_command(f->server, "HLEN pr:tokens");
    assert_int_equal(left->integer, 0);
    freeReplyObject(left);
    store_fixture_close(f, &s);
}

struct listed {
    bool done;
    size_t count;
};

static void on_list(struct store_tokens_list *op, const struct err *err, json_t *records,
                    void *ctx)
{
    (void)op;
    struct listed *l = ctx;
    assert_int_equal(err->code, ERR_OK);
    l->count = json_array_size(records);
    l->done = true;
}

static size_t list(struct store_fixture *f, struct store *s, struct str account)
{
    struct listed l = {0};
    store_tokens_list_start(s, account, on_list, &l);
    loop_fixture_run_until(f->loop, &l.done, STORE_FIXTURE_WAIT_MS);
    return l.count;
}

static void tokens_are_listed_by_account(void **state)
{
    struct store_fixture *f = *state;
    struct store *s = store_fixture_open(f, NODE_A);
    char text[TOKEN_TEXT_SIZE];
    assert_int_equal(list(f, s, STR_NULL), 0);
    make_token(f, s, "one", text);
    make_token(f, s, "two", text);
    make_token(f, s, NULL, text);
    assert_int_equal(delete_token(f, s, text), ERR_OK);
    make_token(f, s, "one", text);
    assert_int_equal(list(f, s, STR_NULL), 3);
    assert_int_equal(list(f, s, STR("one")), 2);
    assert_int_equal(list(f, s, STR("none")), 0);
    store_fixture_close(f, &s);
}

#define T(name)                                                                          \
    cmocka_unit_test_setup_teardown(name, store_fixture_setup, store_fixture_teardown)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        T(settings_survive_and_stay_sealed),
        T(bad_settings_change_nothing),
        T(damaged_setting_is_as_if_unset),
        T(other_nodes_see_a_change_within_a_second),
        T(token_is_found_by_text_and_id),
        T(unknown_and_malformed_tokens),
        T(revocation_reaches_other_nodes_within_a_second),
        T(last_use_is_noted_once_and_never_revives),
        T(tokens_are_listed_by_account),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
