/* The auditor against a simulated server: what it proves, what it costs, and that a pass
 * repairs what it found. */
#include "imap_fake.h"
#include "sync_world.h"

#include "postrider/sync/sync_audit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const char *const servers[] = {"CONDSTORE QRESYNC ESEARCH", "CONDSTORE ESEARCH",
                                      "CONDSTORE", "ESEARCH", ""};

enum {
    KIB = 1024
};

struct two {
    struct imap_fake *fake;
    struct sync_world *w;
    struct sync_audit_cursor cursor;
    struct sync_audit_result result;
};

static struct two begin(struct imap_fake_config config, size_t count)
{
    struct two t = {.fake = imap_fake_start(&config)};
    if (count > 0) {
        imap_fake_add(t.fake, count);
    }
    t.w = sync_world_new_at(imap_fake_port(t.fake), 0);
    t.w->sc.batch_messages = 1000;
    t.w->sc.notify_from_ms = count >= WORLD_UID_MAX ? INT64_MAX : 0;
    world_sync(t.w);
    return t;
}

static void end(struct two *t)
{
    sync_world_free(&t->w);
    imap_fake_stop(&t->fake);
}

static void reconnect(struct two *t)
{
    world_disconnect(t->w);
    loop_fixture_run_for(t->w->redis->loop, 20);
    world_connect(t->w);
    (void)imap_fake_bytes(t->fake, true);
}

static void on_audit(struct sync_audit *op, const struct err *err,
                     const struct sync_audit_result *result, void *ctx)
{
    (void)op;
    struct two *t = ctx;
    t->result = *result;
    t->w->err = *err;
    t->w->done = true;
}

static enum err_code try_audit(struct two *t)
{
    reconnect(t);
    t->w->done = false;
    (void)sync_audit_start(t->w->conn, &t->w->sc, t->w->m, &t->cursor, on_audit, t);
    loop_fixture_run_until(t->w->redis->loop, &t->w->done, WORLD_SYNC_WAIT_MS);
    t->w->done = false;
    return t->w->err.code;
}

static enum sync_audit_verdict audit(struct two *t)
{
    assert_int_equal(try_audit(t), ERR_OK);
    return t->result.verdict;
}

static void ordinary_pass(struct two *t)
{
    reconnect(t);
    world_sync(t->w);
}

/* uid goes and `other`, which nobody knows, comes; the server says nothing of it. */
static void plant(struct two *t, uint32_t uid, uint32_t other)
{
    struct fake_message m = *imap_fake_find(t->fake, uid);
    m.uid = other;
    imap_fake_swap(t->fake, uid, &m);
}

static void an_equal_index_is_proved_with_few_bytes(void **state)
{
    static const size_t counts[] = {0, 1, 15, 17, 700};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(servers); i++) {
        for (size_t k = 0; k < ARRAY_LEN(counts); k++) {
            struct two t =
                begin((struct imap_fake_config){.capabilities = servers[i]}, counts[k]);
            assert_int_equal(audit(&t), SYNC_AUDIT_EQUAL);
            assert_true(t.result.whole);
            assert_int_equal(t.result.exists, counts[k]);
            assert_string_equal(t.result.why, "");
            assert_in_range(imap_fake_bytes(t.fake, true), 1,
                            strstr(servers[i], "ESEARCH") != NULL ? 3 * KIB : 6 * KIB);
            end(&t);
        }
    }
}

static void what_passes_cannot_see_is_found_and_repaired(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(servers); i++) {
        struct two t = begin((struct imap_fake_config){.capabilities = servers[i]}, 700);
        imap_fake_expunge(t.fake, 100, 109);
        ordinary_pass(&t);
        plant(&t, 300, 105);
        ordinary_pass(&t);
        assert_int_equal(audit(&t), SYNC_AUDIT_DIFFERS);
        assert_int_equal(t.result.missing, 1);
        assert_int_equal(t.result.extra, 1);
        world_read_log(t.w);
        size_t news = t.w->events[EVENT_MESSAGE_NEW];
        size_t gone = t.w->events[EVENT_MESSAGE_DELETED];
        t.w->m->suspect = true;
        ordinary_pass(&t);
        assert_false(t.w->m->suspect);
        assert_int_equal(audit(&t), SYNC_AUDIT_EQUAL);
        world_read_log(t.w);
        assert_int_equal(t.w->events[EVENT_MESSAGE_NEW], news + 1);
        assert_int_equal(t.w->events[EVENT_MESSAGE_DELETED], gone + 1);
        end(&t);
    }
}

static void a_count_that_differs_says_which_way(void **state)
{
    (void)state;
    struct two t = begin((struct imap_fake_config){.capabilities = ""}, 300);
    imap_fake_expunge(t.fake, 10, 12);
    assert_int_equal(audit(&t), SYNC_AUDIT_DIFFERS);
    assert_int_equal(t.result.extra, 3);
    assert_int_equal(t.result.missing, 0);
    imap_fake_add(t.fake, 5);
    assert_int_equal(audit(&t), SYNC_AUDIT_DIFFERS);
    assert_int_equal(t.result.missing, 5);
    end(&t);
}

static void flags_are_sampled(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(servers); i++) {
        struct two t = begin((struct imap_fake_config){.capabilities = servers[i]}, 320);
        struct fake_message m = *imap_fake_find(t.fake, 30);
        m.flags ^= IMAP_FLAG_FLAGGED;
        m.keyword = true;
        imap_fake_swap(t.fake, 30, &m);
        ordinary_pass(&t);
        unsigned audits = 1;
        while (audit(&t) == SYNC_AUDIT_EQUAL) {
            t.cursor = t.result.next;
            assert_in_range(++audits, 1, 20); /* so many have seen all 320 */
        }
        assert_int_equal(t.result.stale, 1);
        assert_int_equal(t.result.missing + t.result.extra, 0);
        t.w->m->suspect = true;
        ordinary_pass(&t);
        assert_int_equal(audit(&t), SYNC_AUDIT_EQUAL);
        end(&t);
    }
}

static void a_large_mailbox_is_looked_at_in_parts(void **state)
{
    static const uint32_t from[] = {200, 9000, 19990};
    (void)state;
    struct two t = begin((struct imap_fake_config){.capabilities = ""}, 20000);
    for (size_t i = 0; i < ARRAY_LEN(from); i++) {
        unsigned parts = 0;
        imap_fake_expunge(t.fake, from[i], from[i]);
        ordinary_pass(&t);
        plant(&t, from[i] + 5, from[i]);
        while (audit(&t) == SYNC_AUDIT_EQUAL) {
            assert_false(t.result.whole);
            assert_in_range(imap_fake_bytes(t.fake, true), KIB, SYNC_AUDIT_BYTES * 5 / 4);
            t.cursor = t.result.next;
            assert_in_range(++parts, 1, 5);
        }
        assert_true(t.result.missing == 1 && t.result.extra == 1);
        t.w->m->suspect = true;
        ordinary_pass(&t);
        assert_int_equal(audit(&t), SYNC_AUDIT_EQUAL);
        t.cursor = (struct sync_audit_cursor){0};
    }
    end(&t);
}

static void adds_one(struct imap_fake *f, const char *command, void *ctx)
{
    const char *when = ctx;
    if (strncmp(command, when, strlen(when)) == 0) {
        imap_fake_add(f, 1);
    }
}

static void a_mailbox_that_changes_meanwhile_is_not_judged(void **state)
{
    static char uid[] = "UID SEARCH";
    (void)state;
    struct two t = begin((struct imap_fake_config){.capabilities = "ESEARCH"}, 20);
    imap_fake_config(t.fake)->ctx = uid;
    imap_fake_config(t.fake)->hook = adds_one;
    assert_int_equal(audit(&t), SYNC_AUDIT_UNSETTLED);
    imap_fake_config(t.fake)->hook = NULL;
    ordinary_pass(&t);
    assert_int_equal(audit(&t), SYNC_AUDIT_EQUAL);
    end(&t);
}

static void a_server_that_refuses_fails_the_audit_alone(void **state)
{
    (void)state;
    struct two t = begin(
        (struct imap_fake_config){.capabilities = "", .quirks = FAKE_REFUSES_SEARCH}, 20);
    assert_int_equal(try_audit(&t), ERR_NO);
    imap_fake_config(t.fake)->quirks = 0;
    imap_fake_config(t.fake)->refuses_select = "[NONEXISTENT] gone";
    assert_int_equal(try_audit(&t), ERR_NO_MAILBOX);
    imap_fake_config(t.fake)->refuses_select = NULL;
    assert_int_equal(audit(&t), SYNC_AUDIT_EQUAL);
    end(&t);
}

static void canceling_ends_it(void **state)
{
    (void)state;
    struct two t = begin((struct imap_fake_config){.capabilities = ""}, 20);
    reconnect(&t);
    t.w->done = false;
    struct sync_audit *op =
        sync_audit_start(t.w->conn, &t.w->sc, t.w->m, &t.cursor, on_audit, &t);
    sync_audit_cancel(op);
    loop_fixture_run_until(t.w->redis->loop, &t.w->done, WORLD_SYNC_WAIT_MS);
    assert_int_equal(t.w->err.code, ERR_CANCELED);
    end(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_equal_index_is_proved_with_few_bytes),
        cmocka_unit_test(what_passes_cannot_see_is_found_and_repaired),
        cmocka_unit_test(a_count_that_differs_says_which_way),
        cmocka_unit_test(flags_are_sampled),
        cmocka_unit_test(a_large_mailbox_is_looked_at_in_parts),
        cmocka_unit_test(a_mailbox_that_changes_meanwhile_is_not_judged),
        cmocka_unit_test(a_server_that_refuses_fails_the_audit_alone),
        cmocka_unit_test(canceling_ends_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
