/* The auditor against a simulated server: what it proves, what it costs, and that a pass
 * repairs what it found. */
#include "fake_world.h"

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

struct audited {
    struct fake_world on;
    struct sync_audit_cursor cursor;
    struct sync_audit_result result;
};

static struct audited begin(struct imap_fake_config config, size_t count)
{
    return (struct audited){.on = fake_world_begin(config, count)};
}

static void on_audit(struct sync_audit *op, const struct err *err,
                     const struct sync_audit_result *result, void *ctx)
{
    (void)op;
    struct audited *t = ctx;
    t->result = *result;
    t->on.w->err = *err;
    t->on.w->done = true;
}

static enum err_code try_audit(struct audited *t)
{
    fake_world_reconnect(&t->on);
    t->on.w->done = false;
    (void)sync_audit_start(t->on.w->conn, &t->on.w->sc, t->on.w->m, &t->cursor, on_audit,
                           t);
    loop_fixture_run_until(t->on.w->redis->loop, &t->on.w->done, WORLD_SYNC_WAIT_MS);
    t->on.w->done = false;
    return t->on.w->err.code;
}

static enum sync_audit_verdict audit(struct audited *t)
{
    assert_int_equal(try_audit(t), ERR_OK);
    return t->result.verdict;
}

static void ordinary_pass(struct audited *t)
{
    fake_world_reconnect(&t->on);
    world_sync(t->on.w);
}

/* uid goes and `other`, which nobody knows, comes; the server says nothing of it. */
static void plant(struct audited *t, uint32_t uid, uint32_t other)
{
    struct fake_message m = *imap_fake_find(t->on.fake, uid);
    m.uid = other;
    imap_fake_swap(t->on.fake, uid, &m);
}

static void an_equal_index_is_proved_with_few_bytes(void **state)
{
    static const size_t counts[] = {0, 1, 15, 17, 700};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(servers); i++) {
        for (size_t k = 0; k < ARRAY_LEN(counts); k++) {
            struct audited t =
                begin((struct imap_fake_config){.capabilities = servers[i]}, counts[k]);
            assert_int_equal(audit(&t), SYNC_AUDIT_EQUAL);
            assert_true(t.result.whole);
            assert_int_equal(t.result.exists, counts[k]);
            assert_string_equal(t.result.why, "");
            assert_in_range(imap_fake_bytes(t.on.fake, true), 1,
                            strstr(servers[i], "ESEARCH") != NULL ? 3 * KIB : 6 * KIB);
            fake_world_end(&t.on);
        }
    }
}

static void what_passes_cannot_see_is_found_and_repaired(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(servers); i++) {
        struct audited t =
            begin((struct imap_fake_config){.capabilities = servers[i]}, 700);
        imap_fake_expunge(t.on.fake, 100, 109);
        ordinary_pass(&t);
        plant(&t, 300, 105);
        ordinary_pass(&t);
        assert_int_equal(audit(&t), SYNC_AUDIT_DIFFERS);
        assert_int_equal(t.result.missing, 1);
        assert_int_equal(t.result.extra, 1);
        world_read_log(t.on.w);
        size_t news = t.on.w->events[EVENT_MESSAGE_NEW];
        size_t gone = t.on.w->events[EVENT_MESSAGE_DELETED];
        t.on.w->m->suspect = true;
        ordinary_pass(&t);
        assert_false(t.on.w->m->suspect);
        assert_int_equal(audit(&t), SYNC_AUDIT_EQUAL);
        world_read_log(t.on.w);
        assert_int_equal(t.on.w->events[EVENT_MESSAGE_NEW], news + 1);
        assert_int_equal(t.on.w->events[EVENT_MESSAGE_DELETED], gone + 1);
        fake_world_end(&t.on);
    }
}

static void a_count_that_differs_says_which_way(void **state)
{
    (void)state;
    struct audited t = begin((struct imap_fake_config){.capabilities = ""}, 300);
    imap_fake_expunge(t.on.fake, 10, 12);
    assert_int_equal(audit(&t), SYNC_AUDIT_DIFFERS);
    assert_int_equal(t.result.extra, 3);
    assert_int_equal(t.result.missing, 0);
    imap_fake_add(t.on.fake, 5);
    assert_int_equal(audit(&t), SYNC_AUDIT_DIFFERS);
    assert_int_equal(t.result.missing, 5);
    fake_world_end(&t.on);
}

static void flags_are_sampled(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(servers); i++) {
        struct audited t =
            begin((struct imap_fake_config){.capabilities = servers[i]}, 320);
        struct fake_message m = *imap_fake_find(t.on.fake, 30);
        m.flags ^= IMAP_FLAG_FLAGGED;
        m.keyword = true;
        imap_fake_swap(t.on.fake, 30, &m);
        ordinary_pass(&t);
        unsigned audits = 1;
        while (audit(&t) == SYNC_AUDIT_EQUAL) {
            t.cursor = t.result.next;
            assert_in_range(++audits, 1, 20); /* so many have seen all 320 */
        }
        assert_int_equal(t.result.stale, 1);
        assert_int_equal(t.result.missing + t.result.extra, 0);
        t.on.w->m->suspect = true;
        ordinary_pass(&t);
        assert_int_equal(audit(&t), SYNC_AUDIT_EQUAL);
        fake_world_end(&t.on);
    }
}

static void a_large_mailbox_is_looked_at_in_parts(void **state)
{
    static const uint32_t from[] = {200, 9000, 19990};
    (void)state;
    struct audited t = begin((struct imap_fake_config){.capabilities = ""}, 20000);
    for (size_t i = 0; i < ARRAY_LEN(from); i++) {
        unsigned parts = 0;
        imap_fake_expunge(t.on.fake, from[i], from[i]);
        ordinary_pass(&t);
        plant(&t, from[i] + 5, from[i]);
        while (audit(&t) == SYNC_AUDIT_EQUAL) {
            assert_false(t.result.whole);
            assert_in_range(imap_fake_bytes(t.on.fake, true), KIB,
                            SYNC_AUDIT_BYTES * 5 / 4);
            t.cursor = t.result.next;
            assert_in_range(++parts, 1, 5);
        }
        assert_true(t.result.missing == 1 && t.result.extra == 1);
        t.on.w->m->suspect = true;
        ordinary_pass(&t);
        assert_int_equal(audit(&t), SYNC_AUDIT_EQUAL);
        t.cursor = (struct sync_audit_cursor){0};
    }
    fake_world_end(&t.on);
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
    struct audited t = begin((struct imap_fake_config){.capabilities = "ESEARCH"}, 20);
    imap_fake_config(t.on.fake)->ctx = uid;
    imap_fake_config(t.on.fake)->hook = adds_one;
    assert_int_equal(audit(&t), SYNC_AUDIT_UNSETTLED);
    imap_fake_config(t.on.fake)->hook = NULL;
    ordinary_pass(&t);
    assert_int_equal(audit(&t), SYNC_AUDIT_EQUAL);
    fake_world_end(&t.on);
}

static void a_server_that_refuses_fails_the_audit_alone(void **state)
{
    (void)state;
    struct audited t = begin(
        (struct imap_fake_config){.capabilities = "", .quirks = FAKE_REFUSES_SEARCH}, 20);
    assert_int_equal(try_audit(&t), ERR_NO);
    imap_fake_config(t.on.fake)->quirks = 0;
    imap_fake_config(t.on.fake)->refuses_select = "[NONEXISTENT] gone";
    assert_int_equal(try_audit(&t), ERR_NO_MAILBOX);
    imap_fake_config(t.on.fake)->refuses_select = NULL;
    assert_int_equal(audit(&t), SYNC_AUDIT_EQUAL);
    fake_world_end(&t.on);
}

static void canceling_ends_it(void **state)
{
    (void)state;
    struct audited t = begin((struct imap_fake_config){.capabilities = ""}, 20);
    fake_world_reconnect(&t.on);
    t.on.w->done = false;
    struct sync_audit *op =
        sync_audit_start(t.on.w->conn, &t.on.w->sc, t.on.w->m, &t.cursor, on_audit, &t);
    sync_audit_cancel(op);
    loop_fixture_run_until(t.on.w->redis->loop, &t.on.w->done, WORLD_SYNC_WAIT_MS);
    assert_int_equal(t.on.w->err.code, ERR_CANCELED);
    fake_world_end(&t.on);
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
