/* Ends at every moment: all accounts are closed between any two turns of the loop, also
 * those where an operation has ended and its callback has not run. Nothing may be left
 * behind then, nor may what is gone be used: the sanitizers tell. */
#include "append_fixture.h"
#include "dovecot_fixture.h"
#include "store_fixture.h"

#include "postrider/account/account.h"
#include "postrider/base/mem.h"
#include "postrider/mime/mime.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum {
    WAIT_MS = 20000,
    ACCOUNTS = 6,
    ROUNDS = 25,
    TURNS_MAX = 400, /* by then all of them idle */
    SEED = 20011
};

struct world {
    struct store_fixture *redis;
    struct dovecot_fixture *dovecot;
    struct store *store;
    struct accounts *accounts;
    struct imap_conn *other; /* a second client of the first account */
    bool done;
};

static void wait_done(struct world *w)
{
    loop_fixture_run_until(w->redis->loop, &w->done, WAIT_MS);
    w->done = false;
}

static void on_open(struct imap_open *op, const struct err *err, struct imap_conn *conn,
                    void *ctx)
{
    (void)op;
    struct world *w = ctx;
    assert_string_equal(err->msg, "");
    w->other = conn;
    w->done = true;
}

static void on_account(struct store_account_op *op, const struct err *err,
                       const struct store_acct *acct, json_t *record, json_t *state,
                       void *ctx)
{
    (void)op;
    (void)acct;
    (void)record;
    (void)state;
    struct world *w = ctx;
    assert_string_equal(err->msg, "");
    w->done = true;
}

static void add_account(struct world *w, const char *user)
{
    json_t *record =
        json_pack("{s:s, s:s, s:s, s:[s], s:{s:s, s:i, s:b, s:{s:b}, s:{s:s, s:s}}}",
                  "account", user, "name", user, "notifyFrom", "2020-01-01T00:00:00.000Z",
                  "subconnections", "Archive", "imap", "host", "127.0.0.1", "port",
                  (int)dovecot_fixture_tls_port(w->dovecot), "secure", 1, "tls",
                  "rejectUnauthorized", 0, "auth", "user", user, "pass", "secret");
    (void)store_account_create_start(w->store, str_of(user), record, on_account, w);
    wait_done(w);
    json_decref(record);
}

static struct world *world_new(const char *capability)
{
    struct dovecot_fixture *dovecot = dovecot_fixture_start_masked(capability);
    if (dovecot == NULL) {
        skip();
    }
    struct world *w = MEM_NEW(struct world);
    w->dovecot = dovecot;
    w->redis = store_fixture_new();
    w->store = store_fixture_open(w->redis, NODE_A);
    struct imap_conn_params params = {.host = "127.0.0.1",
                                      .port = dovecot_fixture_tls_port(dovecot),
                                      .security = IMAP_SECURITY_TLS,
                                      .tls = {.insecure = true},
                                      .user = "u0",
                                      .secret = STR("secret")};
    (void)imap_open_start(w->redis->net, &params, WAIT_MS, on_open, w);
    wait_done(w);
    return w;
}

static void world_free(struct world *w)
{
    imap_conn_close(&w->other);
    store_fixture_close(w->redis, &w->store);
    store_fixture_free(&w->redis);
    dovecot_fixture_stop(&w->dovecot);
    mem_free(w);
}

static void on_stopped(void *ctx)
{
    ((struct world *)ctx)->done = true;
}

/* Everything that is looked at now and then is looked at all the time. */
static void live_for(struct world *w, unsigned turns)
{
    static const struct accounts_config config = {
        .poll_interval_ms = 20,
        .poll = {.hot_ms = 10, .inbox_ms = 20, .idle_check_ms = 15},
        .delete_confirm_ms = 20,
        .move_window_ms = 1000,
        .flags_refresh_ms = 30,
        .threads = true,
        .batch_messages = 3,
        .connect_concurrency = ACCOUNTS,
        .walk_concurrency = 2,
        .audit_interval_ms = 40};
    w->accounts = accounts_new(w->redis->net, w->store, &config);
    accounts_start(w->accounts);
    for (unsigned i = 0; i < turns; i++) {
        loop_turn(w->redis->loop, true);
    }
    accounts_stop(w->accounts, on_stopped, w);
    wait_done(w);
    accounts_free(&w->accounts);
}

static void change(struct world *w)
{
    static const char *const boxes[] = {"INBOX", "Archive"};
    for (size_t i = 0; i < ARRAY_LEN(boxes); i++) {
        append_fixture_run(
            w->redis->loop, w->other, boxes[i],
            "From: Ann <ann@example.com>\r\nSubject: one more\r\n\r\nHello.\r\n");
    }
}

static void accounts_end_at_every_turn(const char *capability)
{
    struct world *w = world_new(capability);
    uint32_t random = SEED;
    for (unsigned i = 0; i < ACCOUNTS; i++) {
        char user[8];
        (void)snprintf(user, sizeof user, "u%u", i);
        add_account(w, user);
    }
    for (unsigned round = 0; round < ROUNDS; round++) {
        random = random * 1103515245u + 12345u;
        live_for(w, (random >> 8) % TURNS_MAX);
        change(w);
    }
    world_free(w);
}

static void accounts_end_at_every_turn_of_a_server_with_everything(void **state)
{
    (void)state;
    accounts_end_at_every_turn(NULL);
}

static void accounts_end_at_every_turn_of_a_server_with_little(void **state)
{
    (void)state;
    accounts_end_at_every_turn("IMAP4rev1 LITERAL+ IDLE UNSELECT CHILDREN NAMESPACE");
}

static int group_setup(void **state)
{
    *state = NULL;
    mime_init();
    return 0;
}

static int group_teardown(void **state)
{
    (void)state;
    mime_fini();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accounts_end_at_every_turn_of_a_server_with_everything),
        cmocka_unit_test(accounts_end_at_every_turn_of_a_server_with_little),
    };
    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
