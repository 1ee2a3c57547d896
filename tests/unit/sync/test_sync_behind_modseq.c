/* A HIGHESTMODSEQ below the stored cursor, while UIDNEXT is what it was: nothing that changed is
 * missed, and nothing is told that did not. */
#include "fake_world.h"
#include "sync_priv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum {
    COUNT = 20,
    MODSEQ_SERVERS = 4, /* of fake_servers: those with CONDSTORE */
    LONG_MS = 3600 * 1000
};

/* The server keeps the state with unread messages; then two were read and one went. */
static struct fake_world begin(const char *server, int64_t confirm_ms)
{
    struct imap_fake_config config = {.capabilities = server};
    struct fake_world t = fake_world_begin(config, COUNT);
    imap_fake_keep(t.fake);
    t.w->sc.delete_confirm_ms = confirm_ms;
    imap_fake_flags(t.fake, 3, IMAP_FLAG_SEEN, false);
    imap_fake_flags(t.fake, 9, IMAP_FLAG_SEEN, true);
    imap_fake_expunge(t.fake, 12, 12);
    fake_world_again(&t);
    fake_world_check(&t, 1);
    fake_world_told(&t, COUNT, 1, 2);
    return t;
}

static enum err_code look(struct fake_world *t)
{
    fake_world_reconnect(t);
    world_try_pass(t->w, true);
    return t->w->err.code;
}

static void end(struct fake_world *t, size_t news, size_t gone, size_t updated)
{
    fake_world_check(t, 1);
    fake_world_told(t, news, gone, updated);
    assert_int_equal(t->w->events[EVENT_MAILBOX_RESET], 0);
    fake_world_end(t);
}

static void a_replica_that_lags_behind_in_flags_costs_no_event(void **state)
{
    (void)state;
    for (size_t i = 0; i < MODSEQ_SERVERS; i++) {
        struct fake_world t = begin(fake_servers[i], LONG_MS);
        uint64_t version = t.w->m->version, cursor = t.w->m->highest_modseq;
        imap_fake_trade(t.fake);
        for (unsigned k = 0; k < 3; k++) {
            t.w->m->suspect = k > 0; /* it was compared there */
            assert_int_equal(look(&t), ERR_CLOSED);
            assert_true(t.w->result.doubted);
        }
        assert_int_equal(t.w->m->version, version);
        assert_int_equal(t.w->m->highest_modseq, cursor);
        imap_fake_trade(t.fake);
        fake_world_again(&t);
        end(&t, COUNT, 1, 2);
    }
}

/* As when Dovecot lost dovecot.index. What changes then has lower numbers than the cursor. */
static void numbers_that_begin_anew_cost_no_event_and_hide_none(void **state)
{
    (void)state;
    for (size_t i = 0; i < MODSEQ_SERVERS; i++) {
        struct fake_world t = begin(fake_servers[i], LONG_MS);
        imap_fake_rewind(t.fake);
        assert_int_equal(look(&t), ERR_OK);
        fake_world_told(&t, COUNT, 1, 2);
        assert_int_equal(t.w->m->highest_modseq, 1);
        imap_fake_flags(t.fake, 15, IMAP_FLAG_FLAGGED, false);
        imap_fake_expunge(t.fake, 16, 16);
        fake_world_again(&t);
        end(&t, COUNT, 2, 3);
    }
}

/* An old copy was put back: it is what there is from now on. */
static void older_flags_that_stay_are_believed_the_second_time(void **state)
{
    (void)state;
    for (size_t i = 0; i < MODSEQ_SERVERS; i++) {
        struct fake_world t = begin(fake_servers[i], 0);
        imap_fake_rewind(t.fake);
        imap_fake_flags(t.fake, 3, 0, false);
        assert_int_equal(look(&t), ERR_CLOSED);
        fake_world_told(&t, COUNT, 1, 2);
        assert_int_equal(look(&t), ERR_OK);
        assert_int_equal(t.w->m->highest_modseq, 2);
        end(&t, COUNT, 1, 3);
    }
}

/* No older state has it. */
static void a_new_message_proves_that_the_rest_is_no_older_state(void **state)
{
    (void)state;
    for (size_t i = 0; i < MODSEQ_SERVERS; i++) {
        for (unsigned stays = 0; stays < 2; stays++) {
            struct fake_world t = begin(fake_servers[i], LONG_MS);
            imap_fake_rewind(t.fake);
            imap_fake_flags(t.fake, 3, 0, false);
            imap_fake_expunge(t.fake, 5, 6);
            uint32_t last = imap_fake_add(t.fake, 1);
            if (stays == 0) {
                imap_fake_expunge(t.fake, last, last);
            }
            assert_int_equal(look(&t), ERR_OK);
            end(&t, COUNT + stays, 3, 3);
        }
    }
}

/* With the UIDs of the former one and as many messages. */
static void another_mailbox_is_known_by_its_messages(void **state)
{
    (void)state;
    for (size_t i = 0; i < MODSEQ_SERVERS; i++) {
        struct fake_world t = begin(fake_servers[i], LONG_MS);
        imap_fake_rewind(t.fake);
        for (uint32_t uid = 1; uid <= COUNT; uid++) {
            if (imap_fake_find(t.fake, uid) != NULL) {
                struct fake_message m = *imap_fake_find(t.fake, uid);
                m.date_s -= 7;
                imap_fake_swap(t.fake, uid, &m);
            }
        }
        assert_int_equal(look(&t), ERR_OK);
        fake_world_again(&t);
        fake_world_check(&t, 1);
        world_read_log(t.w);
        assert_int_equal(t.w->events[EVENT_MAILBOX_RESET], 1);
        fake_world_end(&t);
    }
}

/* --- MAILBOXID --- */

static void another_id_counts_if_something_went_back(void **state)
{
    static char known[] = "M0";
    static const struct {
        const char *what, *id;
        uint32_t uid_next;
        uint64_t modseq;
        bool false_uid_next, is_other;
    } rows[] = {
        {"the same, and nothing went back", "M0", 11, 50, false, false},
        {"the same, and all went back", "M0", 1, 1, false, false},
        {"none is told", NULL, 1, 1, false, false},
        {"another, and nothing went back", "M1", 11, 50, false, false},
        {"another, and UIDNEXT went back", "M1", 10, 50, false, true},
        {"another, and HIGHESTMODSEQ went back", "M1", 11, 49, false, true},
        {"another, and a UIDNEXT that never moves", "M1", 10, 50, true, false},
        {"another, and HIGHESTMODSEQ beside that", "M1", 10, 49, true, true},
        {"another, and no UIDNEXT", "M1", 0, 50, false, false},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct sync_learned learned = {.false_uid_next = rows[i].false_uid_next};
        struct mailbox m = {.phase = MAILBOX_PHASE_LIVE,
                            .last_uid = 10,
                            .highest_modseq = 50,
                            .mailbox_id = known};
        struct sync_pass p = {
            .m = &m, .sc.learned = &learned, .highest_modseq = rows[i].modseq};
        struct imap_selected selected = {
            .uid_next = rows[i].uid_next,
            .mailbox_id = rows[i].id != NULL ? str_of(rows[i].id) : STR_NULL};
        if (sync_behind_is_other(&p, &selected) != rows[i].is_other) {
            fail_msg("%s", rows[i].what);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_replica_that_lags_behind_in_flags_costs_no_event),
        cmocka_unit_test(numbers_that_begin_anew_cost_no_event_and_hide_none),
        cmocka_unit_test(older_flags_that_stay_are_believed_the_second_time),
        cmocka_unit_test(a_new_message_proves_that_the_rest_is_no_older_state),
        cmocka_unit_test(another_mailbox_is_known_by_its_messages),
        cmocka_unit_test(another_id_counts_if_something_went_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
