/* A mailbox that is shown as it was before, with the same UIDVALIDITY: a replica that lags costs
 * no event, another mailbox is noticed in the end. */
#include "fake_world.h"

#include "postrider/base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum {
    COUNT = 20,
    MORE = 5,
    LONG_MS = 3600 * 1000,
    FORGET_S = 30 * 60
};

/* The server keeps the state with COUNT messages; MORE came since, one went, one was read. */
static struct fake_world begin(const char *server, int64_t confirm_ms)
{
    struct fake_world t =
        fake_world_begin((struct imap_fake_config){.capabilities = server}, COUNT);
    t.w->sc.delete_confirm_ms = confirm_ms;
    imap_fake_keep(t.fake);
    imap_fake_add(t.fake, MORE);
    imap_fake_expunge(t.fake, COUNT + 2, COUNT + 2);
    imap_fake_expunge(t.fake, 3, 4);
    imap_fake_flags(t.fake, 9, IMAP_FLAG_SEEN, false);
    fake_world_again(&t);
    fake_world_check(&t, 1);
    fake_world_told(&t, COUNT + MORE - 1, 2, 1);
    return t;
}

/* A pass on a new connection. */
static enum err_code look(struct fake_world *t)
{
    fake_world_reconnect(t);
    world_try_pass(t->w, true);
    return t->w->err.code;
}

static void a_replica_that_lags_costs_no_event(void **state)
{
    (void)state;
    for (size_t i = 0; i < FAKE_SERVERS; i++) {
        for (unsigned looks = 1; looks < 4; looks++) {
            struct fake_world t = begin(fake_servers[i], LONG_MS);
            t.w->m->suspect = looks == 2; /* it was compared there */
            imap_fake_trade(t.fake);
            uint64_t version = t.w->m->version;
            for (unsigned k = 0; k < looks; k++) {
                assert_int_equal(look(&t), ERR_CLOSED);
            }
            assert_int_equal(t.w->m->version, version);
            assert_int_equal(t.w->learned.behind_count, 1);
            assert_int_equal(t.w->learned.behind[0].box, t.w->m->box);
            imap_fake_trade(t.fake);
            fake_world_again(&t);
            assert_int_equal(t.w->learned.behind_count, 0);
            fake_world_check(&t, 1);
            fake_world_told(&t, COUNT + MORE - 1, 2, 1);
            assert_int_equal(t.w->events[EVENT_MAILBOX_RESET], 0);
            fake_world_end(&t);
        }
    }
}

/* The one that lags has more of them, for many went since. */
static void a_suspect_mailbox_is_no_reason_to_believe_a_replica_that_lags(void **state)
{
    (void)state;
    for (size_t i = 0; i < FAKE_SERVERS; i++) {
        struct fake_world t = begin(fake_servers[i], LONG_MS);
        if (strstr(fake_servers[i], "CONDSTORE") != NULL) {
            imap_fake_expunge(t.fake, 5, COUNT);
            fake_world_again(&t);
            size_t gone = t.w->events[EVENT_MESSAGE_DELETED];
            t.w->m->suspect = true;
            imap_fake_trade(t.fake);
            uint64_t modseq = t.w->m->highest_modseq;
            for (unsigned k = 0; k < 3; k++) {
                assert_int_equal(look(&t), ERR_CLOSED);
                assert_true(t.w->result.doubted && t.w->m->highest_modseq == modseq);
            }
            imap_fake_trade(t.fake);
            fake_world_again(&t);
            fake_world_check(&t, 1);
            assert_true(gone == t.w->events[EVENT_MESSAGE_DELETED] && !t.w->m->suspect);
        }
        fake_world_end(&t);
    }
}

/* As after a backup of the whole server was put back. */
static void any_number_of_mailboxes_is_in_doubt_at_a_time(void **state)
{
    (void)state;
    enum {
        OTHERS = 50
    };
    struct fake_world t = begin(fake_servers[0], 0);
    uint32_t box = t.w->m->box;
    imap_fake_trade(t.fake);
    for (unsigned k = 1; k <= OTHERS; k++) {
        t.w->m->box = box + k;
        assert_int_equal(look(&t), ERR_CLOSED);
        assert_int_equal(t.w->learned.behind_count, k);
    }
    t.w->m->box = box;
    assert_int_equal(look(&t), ERR_CLOSED);
    assert_int_equal(look(&t), ERR_OK);
    assert_int_equal(t.w->learned.behind_count, OTHERS);
    fake_world_check(&t, 1);
    /* Of what is deleted meanwhile nobody asks again. */
    for (unsigned k = 0; k < OTHERS; k++) {
        t.w->learned.behind[k].seen_s -= FORGET_S;
    }
    imap_fake_expunge(t.fake, 1, 2);
    fake_world_again(&t);
    imap_fake_keep(t.fake);
    imap_fake_add(t.fake, MORE);
    fake_world_again(&t);
    imap_fake_trade(t.fake);
    assert_int_equal(look(&t), ERR_CLOSED);
    assert_int_equal(t.w->learned.behind_count, 1);
    fake_world_end(&t);
}

/* Now this one answers, now that one. */
static void what_was_seen_long_before_proves_nothing(void **state)
{
    (void)state;
    for (size_t i = 0; i < FAKE_SERVERS; i++) {
        struct fake_world t = begin(fake_servers[i], 0);
        for (unsigned k = 0; k < 3; k++) {
            imap_fake_trade(t.fake);
            assert_int_equal(look(&t), ERR_CLOSED);
            imap_fake_trade(t.fake);
            fake_world_again(&t);
        }
        fake_world_check(&t, 1);
        fake_world_told(&t, COUNT + MORE - 1, 2, 1);
        fake_world_end(&t);
    }
}

/* No message tells that it is another one. */
static void an_empty_mailbox_in_its_place_is_believed_the_second_time(void **state)
{
    (void)state;
    for (size_t i = 0; i < FAKE_SERVERS; i++) {
        struct fake_world t = begin(fake_servers[i], 0);
        bool modseq = strstr(fake_servers[i], "CONDSTORE") != NULL;
        imap_fake_replace(t.fake);
        assert_int_equal(look(&t), ERR_CLOSED);
        assert_int_equal(look(&t), ERR_OK);
        fake_world_told(&t, COUNT + MORE - 1, COUNT + MORE - 1, 1);
        assert_int_equal(t.w->events[EVENT_MAILBOX_RESET], modseq);
        assert_int_equal(t.w->m->count, 0);
        imap_fake_add(t.fake, 2);
        fake_world_again(&t);
        fake_world_check(&t, 1);
        fake_world_told(&t, COUNT + MORE + 1, COUNT + MORE - 1, 1);
        fake_world_end(&t);
    }
}

/* As Cyrus 3.6 does it: the former one was emptied, and both are young. */
static void an_empty_mailbox_in_place_of_an_empty_one_is_noticed(void **state)
{
    (void)state;
    for (size_t i = 0; i < FAKE_SERVERS; i++) {
        struct fake_world t = begin(fake_servers[i], 0);
        bool modseq = strstr(fake_servers[i], "CONDSTORE") != NULL;
        imap_fake_expunge(t.fake, 1, COUNT + MORE);
        fake_world_again(&t);
        imap_fake_replace(t.fake);
        t.w->m->highest_modseq = modseq ? 1 : 0; /* as the fresh one has it */
        enum err_code first = look(&t);
        assert_int_equal(first, modseq ? ERR_CLOSED : ERR_OK);
        assert_int_equal(look(&t), ERR_OK);
        assert_true(!modseq || t.w->m->last_uid == 0);
        imap_fake_add(t.fake, 2);
        fake_world_again(&t);
        fake_world_check(&t, 1);
        fake_world_told(&t, COUNT + MORE + 1, COUNT + MORE - 1, 1);
        fake_world_end(&t);
    }
}

/* It has as many messages as the former one, and its UIDs. */
static void another_mailbox_is_known_by_its_id(void **state)
{
    (void)state;
    struct fake_world t = begin("CONDSTORE QRESYNC ESEARCH OBJECTID", LONG_MS);
    t.w->m->mailbox_id = mem_strdup("M0");
    imap_fake_replace(t.fake);
    imap_fake_add(t.fake, COUNT + MORE);
    t.w->m->highest_modseq = 1000;
    assert_int_equal(look(&t), ERR_OK);
    fake_world_again(&t);
    world_read_log(t.w);
    assert_int_equal(t.w->events[EVENT_MAILBOX_RESET], 1);
    assert_string_equal(t.w->m->mailbox_id, "M1");
    fake_world_check(&t, 1);
    fake_world_end(&t);
}

/* Its messages may be the ones that were there, or others: both changes tell of one reset. */
static void mailboxid_and_uidvalidity_that_change_together_are_one_reset(void **state)
{
    (void)state;
    for (unsigned others = 0; others < 2; others++) {
        struct fake_world t = begin("CONDSTORE QRESYNC ESEARCH OBJECTID", LONG_MS);
        t.w->m->mailbox_id = mem_strdup("M0");
        imap_fake_keep(t.fake);
        imap_fake_replace(t.fake);
        imap_fake_reset(t.fake, 77);
        if (others) {
            uint32_t last = imap_fake_add(t.fake, COUNT + MORE + 2);
            imap_fake_expunge(t.fake, 1, last - 2); /* EMAILID goes with the UID */
        } else {
            imap_fake_trade(t.fake);
        }
        assert_int_equal(look(&t), ERR_OK);
        assert_string_equal(t.w->m->mailbox_id, "M1");
        fake_world_check(&t, 1);
        fake_world_told(&t, COUNT + MORE - 1 + 2 * others,
                        2 + others * (COUNT + MORE - 1 - 2), 1);
        assert_int_equal(t.w->events[EVENT_MAILBOX_RESET], 1);
        uint64_t version = t.w->m->version;
        assert_int_equal(look(&t), ERR_OK);
        assert_int_equal(t.w->m->version, version);
        fake_world_end(&t);
    }
}

/* What was taken for another mailbox is not taken for one again because of its id. */
static void the_id_of_a_mailbox_that_was_followed_is_known(void **state)
{
    (void)state;
    struct fake_world t = begin("CONDSTORE QRESYNC ESEARCH OBJECTID", 0);
    imap_fake_replace(t.fake);
    assert_int_equal(look(&t), ERR_CLOSED);
    assert_int_equal(look(&t), ERR_OK);
    assert_string_equal(t.w->m->mailbox_id, "M1");
    fake_world_end(&t);
}

/* The same messages, and fewer of them. */
static void an_old_copy_that_was_put_back_is_believed_the_second_time(void **state)
{
    (void)state;
    for (size_t i = 0; i < FAKE_SERVERS; i++) {
        struct fake_world t = begin(fake_servers[i], 0);
        imap_fake_trade(t.fake);
        assert_int_equal(look(&t), ERR_CLOSED);
        assert_int_equal(look(&t), ERR_OK);
        fake_world_again(&t);
        fake_world_check(&t, 1);
        world_read_log(t.w);
        assert_int_equal(
            t.w->events[EVENT_MESSAGE_NEW] - t.w->events[EVENT_MESSAGE_DELETED], COUNT);
        assert_int_equal(t.w->learned.behind_count, 0);
        fake_world_end(&t);
    }
}

static void another_mailbox_is_known_by_its_messages(void **state)
{
    (void)state;
    for (size_t i = 0; i < FAKE_SERVERS; i++) {
        struct fake_world t = begin(fake_servers[i], LONG_MS);
        imap_fake_replace(t.fake);
        imap_fake_add(t.fake, 2);
        for (uint32_t uid = 1; uid <= 2; uid++) {
            struct fake_message m = *imap_fake_find(t.fake, uid);
            m.date_s -= 7;
            imap_fake_swap(t.fake, uid, &m);
        }
        assert_int_equal(look(&t), ERR_OK);
        fake_world_check(&t, 1);
        fake_world_told(&t, COUNT + MORE - 1 + 2, COUNT + MORE - 1, 1);
        assert_int_equal(t.w->events[EVENT_MAILBOX_RESET], 1);
        fake_world_end(&t);
    }
}

/* To lose a message is no step back in time, of whichever UID, nor is it to be empty. */
static void a_uidnext_that_never_moves_proves_nothing(void **state)
{
    (void)state;
    for (size_t i = 0; i < FAKE_SERVERS; i++) {
        struct imap_fake_config config = {.capabilities = fake_servers[i],
                                          .quirks = FAKE_STICKS_UIDNEXT};
        struct fake_world t = fake_world_begin(config, COUNT);
        t.w->sc.delete_confirm_ms = LONG_MS;
        uint32_t first = 3, last = imap_fake_add(t.fake, MORE);
        assert_int_equal(look(&t), ERR_OK);
        imap_fake_flags(t.fake, last, IMAP_FLAG_SEEN, false);
        assert_int_equal(look(&t), ERR_OK);
        imap_fake_expunge(t.fake, first, first);
        assert_int_equal(look(&t), ERR_OK);
        imap_fake_expunge(t.fake, last, last);
        assert_int_equal(look(&t), ERR_OK);
        fake_world_check(&t, 1);
        imap_fake_expunge(t.fake, 1, last);
        for (unsigned k = 0; k < 3; k++) {
            assert_int_equal(look(&t), ERR_OK);
            assert_int_equal(t.w->m->count, 0);
        }
        (void)imap_fake_add(t.fake, 2);
        assert_int_equal(look(&t), ERR_OK);
        fake_world_check(&t, 1);
        world_read_log(t.w);
        assert_int_equal(t.w->events[EVENT_MAILBOX_RESET], 0);
        assert_int_equal(t.w->events[EVENT_MESSAGE_DELETED], COUNT + MORE);
        fake_world_end(&t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_replica_that_lags_costs_no_event),
        cmocka_unit_test(a_suspect_mailbox_is_no_reason_to_believe_a_replica_that_lags),
        cmocka_unit_test(any_number_of_mailboxes_is_in_doubt_at_a_time),
        cmocka_unit_test(what_was_seen_long_before_proves_nothing),
        cmocka_unit_test(an_empty_mailbox_in_its_place_is_believed_the_second_time),
        cmocka_unit_test(an_empty_mailbox_in_place_of_an_empty_one_is_noticed),
        cmocka_unit_test(another_mailbox_is_known_by_its_id),
        cmocka_unit_test(mailboxid_and_uidvalidity_that_change_together_are_one_reset),
        cmocka_unit_test(the_id_of_a_mailbox_that_was_followed_is_known),
        cmocka_unit_test(an_old_copy_that_was_put_back_is_believed_the_second_time),
        cmocka_unit_test(another_mailbox_is_known_by_its_messages),
        cmocka_unit_test(a_uidnext_that_never_moves_proves_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
