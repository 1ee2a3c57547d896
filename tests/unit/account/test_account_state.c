/* What an account tells about itself, from the change of its state to the log. */
#include "account_priv.h"

#include "log_world.h"

#include "postrider/base/attr.h"
#include "postrider/base/log.h"
#include "postrider/base/mem.h"
#include "postrider/json/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

enum {
    WAIT_MS = 20000,
    NAMES_SIZE = 1024
};

struct world {
    struct store_world s;
    struct accounts as;
    struct account a;
    char names[NAMES_SIZE]; /* of the log's events, each with a space behind it */
    json_t *last;           /* data of the last one */
    bool done;
};

static int setup(void **state)
{
    struct world *w = MEM_NEW(struct world);
    log_configure(LOG_OFF, LOG_FORMAT_TEXT);
    store_world_start(&w->s, NULL, NULL);
    w->as.loop = w->s.loop;
    w->as.store = w->s.store;
    w->a.as = &w->as;
    w->a.acct = w->s.acct;
    w->a.state = "connecting";
    w->a.record =
        json_pack("{s:{s:s, s:{s:s}}}", "imap", "host", "mail", "auth", "user", "ann");
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    account_news_free(&w->a);
    account_set_last_err(&w->a, NULL);
    json_decref(w->a.record);
    json_decref(w->last);
    store_world_end(&w->s);
    mem_free(w);
    return 0;
}

static void on_log(struct store_log_read *op ATTR_UNUSED, const struct err *err,
                   const struct log_entry *entries, size_t count, bool gap ATTR_UNUSED,
                   void *ctx)
{
    struct world *w = ctx;
    size_t len = 0;
    assert_int_equal(err->code, ERR_OK);
    w->names[0] = '\0';
    for (size_t i = 0; i < count; i++) {
        len += (size_t)snprintf(w->names + len, NAMES_SIZE - len, "%s ",
                                event_type_name(entries[i].event.type));
    }
    json_decref(w->last);
    w->last = count > 0 ? json_incref(entries[count - 1].event.data) : NULL;
    w->done = true;
}

/* What the log says once no commit is under way. */
static const char *logged(struct world *w)
{
    for (int i = 0; i < WAIT_MS && w->a.commit != NULL; i++) {
        loop_fixture_run_for(w->s.loop, 1);
    }
    assert_null(w->a.commit);
    w->done = false;
    (void)store_log_read_start(w->s.store, &w->a.acct, "", STORE_LOG_PAGE, on_log, w);
    loop_fixture_run_until(w->s.loop, &w->done, WAIT_MS);
    return w->names;
}

static bool stored(struct world *w, const char *member)
{
    json_t *state = NULL;
    assert_int_equal(world_account_state(&w->s, &state).code, ERR_OK);
    bool value = json_get_bool(state, member, false);
    json_decref(state);
    return value;
}

static void fails(struct world *w, enum err_code code, const char *text)
{
    struct err err = {0};
    (void)err_set(&err, code, "%s", text);
    account_tell_error(&w->a, &err);
}

static void one_change_of_state_carries_all_that_is_to_be_told(void **state)
{
    struct world *w = *state;
    account_tell_login(&w->a);
    assert_null(w->a.commit); /* it waits for the change that follows */
    account_tell_initialized(&w->a);
    assert_string_equal(logged(w),
                        "accountAdded authenticationSuccess accountInitialized ");
    assert_true(stored(w, "authenticated") && stored(w, "initialized"));
    assert_null(w->a.news);
}

static void a_login_is_news_after_a_refused_one_only(void **state)
{
    struct world *w = *state;
    w->a.initialized = true;
    account_tell_login(&w->a);
    account_set_state(&w->a, "syncing");
    assert_string_equal(logged(w), "accountAdded authenticationSuccess ");
    assert_string_equal(json_get_cstr(w->last, "user"), "ann");
    fails(w, ERR_CONNECT, "nobody there");
    account_tell_login(&w->a);
    account_tell_initialized(&w->a);
    assert_string_equal(logged(w), "accountAdded authenticationSuccess connectError ");
    fails(w, ERR_AUTH, "wrong");
    fails(w, ERR_AUTH, "wrong");
    assert_string_equal(
        logged(w),
        "accountAdded authenticationSuccess connectError authenticationError ");
    assert_false(stored(w, "authenticated"));
    account_tell_login(&w->a);
    account_tell_initialized(&w->a);
    assert_string_equal(logged(w), "accountAdded authenticationSuccess connectError "
                                   "authenticationError authenticationSuccess ");
    assert_true(stored(w, "authenticated"));
}

static void
what_comes_while_a_commit_runs_goes_with_the_next_the_last_of_each_kind(void **state)
{
    struct world *w = *state;
    fails(w, ERR_AUTH, "first");
    assert_non_null(w->a.commit);
    for (int i = 0; i < 20; i++) {
        w->a.error_told = false;
        fails(w, ERR_CONNECT, "again");
        w->a.error_told = false;
        fails(w, ERR_AUTH, "again");
        account_tell_login(&w->a);
    }
    account_tell_initialized(&w->a);
    assert_string_equal(
        logged(w), "accountAdded authenticationError connectError authenticationError "
                   "authenticationSuccess accountInitialized ");
}

static void what_could_not_be_stored_goes_with_a_later_commit(void **state)
{
    struct world *w = *state;
    redis_fixture_run(w->s.server, "HSET test:{%d}:a:%s st damaged", (int)w->a.acct.shard,
                      w->a.acct.name);
    fails(w, ERR_AUTH, "first");
    account_tell_login(&w->a);
    w->a.error_told = false;
    fails(w, ERR_AUTH, "second"); /* the same kind: it stands for the first */
    assert_string_equal(logged(w), "accountAdded ");
    assert_non_null(w->a.news);
    redis_fixture_run(w->s.server, "HDEL test:{%d}:a:%s st", (int)w->a.acct.shard,
                      w->a.acct.name);
    account_set_state(&w->a, "syncing");
    assert_string_equal(logged(w),
                        "accountAdded authenticationSuccess authenticationError ");
    assert_string_equal(json_get_cstr(w->last, "response"), "second");
    assert_null(w->a.news);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(one_change_of_state_carries_all_that_is_to_be_told),
        T(a_login_is_news_after_a_refused_one_only),
        T(what_comes_while_a_commit_runs_goes_with_the_next_the_last_of_each_kind),
        T(what_could_not_be_stored_goes_with_a_later_commit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
