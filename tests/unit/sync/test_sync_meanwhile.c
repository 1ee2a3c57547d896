/* What the server tells by itself before, while and behind it is asked: nothing of it is lost,
 * and nothing older takes the place of something newer. */
#include "fake_world.h"

#include "postrider/base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static struct fake_world begin(const char *server, size_t count)
{
    return fake_world_begin((struct imap_fake_config){.capabilities = server}, count);
}

static void hear(struct sync_world *w, uint32_t uid, uint32_t number, uint8_t flags)
{
    struct imap_row row = {.uid = uid,
                           .seq = number,
                           .has = IMAP_ITEM_FLAGS | (uid != 0 ? IMAP_ITEM_UID : 0),
                           .flags = {.system = flags}};
    sync_live_row(&w->live, &row);
}

/* --- told between two commands of a pass --- */

struct teller {
    struct fake_world *t;
    unsigned at, commands;
    void (*act)(struct fake_world *t);
};

static void on_command(void *ctx)
{
    struct teller *teller = ctx;
    if (++teller->commands == teller->at) {
        teller->act(teller->t);
    }
}

/* A pass with SELECT, before whose command of this number something is told. */
static unsigned pass_told(struct fake_world *t, unsigned at,
                          void (*act)(struct fake_world *t))
{
    struct teller teller = {.t = t, .at = at, .act = act};
    t->w->sc.on_command = on_command;
    t->w->sc.command_ctx = &teller;
    world_pass(t->w, true);
    t->w->sc.on_command = NULL;
    assert_true(teller.commands >= at);
    return teller.commands;
}

/* --- before SELECT --- */

/* The flags of the newest are asked for: not those of this one. */
static void flags_told_before_the_mailbox_is_selected_anew_are_kept(void **state)
{
    static const char *const servers[] = {"ESEARCH", "", "CONDSTORE"};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(servers); i++) {
        struct fake_world t = begin(servers[i], 300);
        imap_fake_flags(t.fake, 7, IMAP_FLAG_FLAGGED, false);
        hear(t.w, 7, 7, IMAP_FLAG_FLAGGED);
        world_sync(t.w);
        fake_world_check(&t, 1);
        fake_world_end(&t);
    }
}

static void numbers_told_before_the_mailbox_is_selected_anew_are_looked_up(void **state)
{
    static const char *const servers[] = {"ESEARCH", "", "CONDSTORE"};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(servers); i++) {
        struct fake_world t = begin(servers[i], 300);
        imap_fake_flags(t.fake, 7, IMAP_FLAG_FLAGGED, false);
        hear(t.w, 0, 7, IMAP_FLAG_FLAGGED);
        world_sync(t.w);
        fake_world_check(&t, 1);
        fake_world_end(&t);
    }
}

/* Those UIDs mean other messages now. */
static void flags_told_under_another_uidvalidity_are_forgotten(void **state)
{
    (void)state;
    struct fake_world t = begin("ESEARCH", 300);
    hear(t.w, 7, 7, IMAP_FLAG_FLAGGED);
    imap_fake_reset(t.fake, 8);
    world_sync(t.w);
    fake_world_check(&t, 1);
    fake_world_end(&t);
}

/* --- before and while flags are searched for --- */

static void tell_old(struct fake_world *t)
{
    hear(t->w, 25, 25, IMAP_FLAG_FLAGGED);
}

/* Told, and taken back before the search, of which nothing is told. */
static void a_search_for_flags_is_newer_than_what_was_told_before(void **state)
{
    (void)state;
    for (unsigned at = 1; at <= 3; at++) { /* SELECT, new messages, the search */
        struct fake_world t = begin("ESEARCH", 30);
        imap_fake_add(t.fake, 1);
        fake_world_reconnect(&t);
        t.w->m->last_full_ms = 0;
        (void)pass_told(&t, at, tell_old);
        assert_true(imap_fake_commands(t.fake, "SEARCH") > 1);
        if (at < 3) { /* else it counts as told behind the search */
            assert_int_equal(t.w->result.updated, 0);
            world_sync_live(t.w);
            fake_world_check(&t, 1);
        }
        fake_world_end(&t);
    }
}

struct meddler {
    const char *command;
    unsigned at, count;
};

static void flag_on_command(struct imap_fake *f, const char *command, void *ctx)
{
    struct meddler *m = ctx;
    if (strncmp(command, m->command, strlen(m->command)) == 0 && ++m->count == m->at) {
        imap_fake_flags(f, 7, IMAP_FLAG_FLAGGED | IMAP_FLAG_SEEN, true);
    }
}

enum {
    SEARCH_MS = 50
};

static void search_slowly(struct imap_fake *f, const char *command, void *ctx)
{
    (void)f;
    (void)ctx;
    if (strncmp(command, "UID SEARCH", 10) == 0) {
        (void)usleep(SEARCH_MS * 1000);
    }
}

static void what_is_told_while_flags_are_searched_for_is_newer(void **state)
{
    (void)state;
    for (unsigned at = 1; at <= 6; at++) { /* between any two of the searches */
        struct fake_world t = begin("ESEARCH", 300);
        struct meddler meddler = {.command = "UID SEARCH", .at = at};
        *imap_fake_config(t.fake) = (struct imap_fake_config){.capabilities = "ESEARCH",
                                                              .quirks = FAKE_TELLS_FLAGS,
                                                              .hook = flag_on_command,
                                                              .ctx = &meddler};
        fake_world_reconnect(&t);
        t.w->m->last_full_ms = 0;
        world_sync(t.w);
        assert_true(meddler.count >= at);
        fake_world_check(&t, 1);
        fake_world_end(&t);
    }
}

/* Rows of new messages are on their way to the store while flags are searched for. */
static void
a_commit_that_fails_during_the_search_for_flags_ends_pass_and_search(void **state)
{
    (void)state;
    struct fake_world t = begin("ESEARCH", 30);
    imap_fake_add(t.fake, 25);
    imap_fake_config(t.fake)->hook = search_slowly;
    fake_world_reconnect(&t);
    t.w->m->last_full_ms = 0;
    t.w->m->version++; /* somebody else changed it */
    world_try_pass(t.w, true);
    assert_int_equal(t.w->err.code, ERR_STALE);
    loop_fixture_run_for(t.w->redis->loop, 10 * SEARCH_MS);
    assert_int_equal(imap_fake_commands(t.fake, "SEARCH"), 1);
    fake_world_end(&t);
}

/* --- of messages that are being indexed --- */

static void tell_walked(struct fake_world *t)
{
    imap_fake_flags(t->fake, 890, IMAP_FLAG_SEEN, false);
    hear(t->w, 890, 890, IMAP_FLAG_SEEN); /* its row has come already */
    hear(t->w, 25, 25,
         IMAP_FLAG_FLAGGED); /* its row comes later, and it is over by then */
}

static void what_is_told_during_the_first_index_is_as_new_as_it_is(void **state)
{
    static const char *const servers[] = {"CONDSTORE", "ESEARCH", ""};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(servers); i++) {
        struct imap_fake_config config = {.capabilities = servers[i]};
        struct fake_world t = {.fake = imap_fake_start(&config)};
        imap_fake_add(t.fake, 900);
        t.w = sync_world_new_at(imap_fake_port(t.fake), 0);
        (void)pass_told(&t, 6, tell_walked); /* SELECT, then a hundred messages each */
        world_sync_live(t.w);
        fake_world_check(&t, 1);
        fake_world_end(&t);
    }
}

static void on_new_row(void *ctx, const struct mailbox *m, const struct imap_row *row,
                       const char *event_id)
{
    struct fake_world *t = ctx;
    (void)m;
    (void)event_id;
    imap_fake_flags(t->fake, row->uid, IMAP_FLAG_FLAGGED, false);
    hear(t->w, row->uid, row->uid, IMAP_FLAG_FLAGGED);
}

/* Before it is in the index. */
static void flags_told_behind_the_row_of_a_new_message_are_its_flags(void **state)
{
    static const char *const servers[] = {"CONDSTORE", "ESEARCH", ""};
    (void)state;
    for (size_t i = 0; i < 2 * ARRAY_LEN(servers); i++) {
        struct fake_world t = begin(servers[i / 2], 30);
        t.w->m->last_full_ms = i % 2 == 0 ? clock_wall_ms() : 0;
        imap_fake_add(t.fake, 2);
        imap_fake_flags(t.fake, 3, IMAP_FLAG_SEEN, false);
        fake_world_reconnect(&t);
        t.w->sc.on_new_row = on_new_row;
        t.w->sc.ctx = &t;
        world_pass(t.w, true);
        t.w->sc.on_new_row = NULL;
        world_sync_live(t.w);
        fake_world_check(&t, 1);
        fake_world_end(&t);
    }
}

/* --- departures --- */

static void lose_a_new_one(struct imap_fake *f, void *ctx)
{
    unsigned *count = ctx;
    if (++*count == 1) {
        imap_fake_expunge(f, 32, 32);
    }
}

/* By number, in the answer that brought it, while departures of others have to be compared. */
static void
a_new_message_that_goes_with_the_answer_that_brought_it_is_not_kept(void **state)
{
    static const char *const servers[] = {"CONDSTORE", "ESEARCH", ""};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(servers); i++) {
        struct fake_world t = begin(servers[i], 30);
        unsigned fetches = 0;
        imap_fake_expunge(t.fake, 5, 5);
        imap_fake_add(t.fake, 3);
        world_listen(t.w);
        *imap_fake_config(t.fake) = (struct imap_fake_config){.capabilities = servers[i],
                                                              .quirks = FAKE_TELLS_APART,
                                                              .behind = lose_a_new_one,
                                                              .ctx = &fetches};
        world_sync_live(t.w);
        assert_true(fetches > 0);
        fake_world_check(&t, 1);
        fake_world_end(&t);
    }
}

/* All flags become due while those of the newest are searched for: another search follows. */
static void come(struct fake_world *t)
{
    t->w->m->last_full_ms = 0;
    (void)imap_fake_add(t->fake, 2);
}

/* With the next command the first of the two has gone. */
static void come_and_go(void *ctx)
{
    struct teller *teller = ctx;
    on_command(ctx);
    if (teller->commands == teller->at + 1) {
        imap_fake_expunge(teller->t->fake, 31, 31);
    }
}

/* The number of what goes is that of another one in an index that still has what went before
 * SELECT, and the counts agree all the same. */
static void numbers_mean_nothing_before_the_index_is_what_is_shown(void **state)
{
    (void)state;
    for (unsigned at = 1; at <= 4; at++) {
        struct fake_world t = begin("ESEARCH", 30);
        struct teller teller = {.t = &t, .at = at, .act = come};
        imap_fake_expunge(t.fake, 5, 5);
        imap_fake_flags(t.fake, 20, IMAP_FLAG_FLAGGED, false);
        fake_world_reconnect(&t);
        t.w->sc.on_command = come_and_go;
        t.w->sc.command_ctx = &teller;
        world_pass(t.w, true);
        world_sync_live(t.w);
        t.w->sc.on_command = NULL;
        assert_true(teller.commands > at);
        fake_world_check(&t, 1);
        fake_world_told(&t, 31, 1, 1);
        fake_world_end(&t);
    }
}

struct steps {
    unsigned fetches;
    bool meddles;
};

static void on_step(struct imap_fake *f, const char *command, void *ctx)
{
    struct steps *steps = ctx;
    if (strncmp(command, "FETCH", 5) == 0 && ++steps->fetches == 2 && steps->meddles) {
        imap_fake_expunge(f, 2900, 2950); /* the rest moves to lower numbers */
        imap_fake_flags(f, 1500, IMAP_FLAG_ANSWERED, false);
    }
}

/* Without a search all flags are fetched in steps, from the newest to the oldest. */
static void flags_fetched_in_steps_miss_none(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        struct fake_world t = begin("", 5000);
        struct steps steps = {.meddles = i == 1};
        for (uint32_t uid = 1; uid <= 5000; uid += 37) {
            imap_fake_flags(t.fake, uid, IMAP_FLAG_FLAGGED, uid % 2 == 0);
        }
        fake_world_reconnect(&t);
        imap_fake_config(t.fake)->hook = on_step;
        imap_fake_config(t.fake)->ctx = &steps;
        t.w->m->last_full_ms = 0;
        world_pass(t.w, true);
        unsigned fetches = steps.fetches;
        assert_true(fetches >= 3); /* of two thousand each */
        assert_false(sync_flags_are_due(&t.w->table, t.w->m));
        steps.meddles = false;
        world_listen(t.w);
        world_sync_live(t.w);
        fake_world_check(&t, 1);
        fake_world_end(&t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(flags_told_before_the_mailbox_is_selected_anew_are_kept),
        cmocka_unit_test(numbers_told_before_the_mailbox_is_selected_anew_are_looked_up),
        cmocka_unit_test(flags_told_under_another_uidvalidity_are_forgotten),
        cmocka_unit_test(a_search_for_flags_is_newer_than_what_was_told_before),
        cmocka_unit_test(what_is_told_while_flags_are_searched_for_is_newer),
        cmocka_unit_test(
            a_commit_that_fails_during_the_search_for_flags_ends_pass_and_search),
        cmocka_unit_test(what_is_told_during_the_first_index_is_as_new_as_it_is),
        cmocka_unit_test(flags_told_behind_the_row_of_a_new_message_are_its_flags),
        cmocka_unit_test(
            a_new_message_that_goes_with_the_answer_that_brought_it_is_not_kept),
        cmocka_unit_test(numbers_mean_nothing_before_the_index_is_what_is_shown),
        cmocka_unit_test(flags_fetched_in_steps_miss_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
