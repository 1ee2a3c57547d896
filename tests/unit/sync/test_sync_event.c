/* Events of the engine: members of their data, and ids. */
#include "store_world.h"

#include "sync_priv.h"

#include "postrider/base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum {
    HOUR_MS = 3600 * 1000
};

struct world {
    struct store_world store;
    struct mailbox *m;
    struct sync_ctx sc;
};

static int world_setup(void **state)
{
    static struct world w;
    store_world_start(&w.store, NULL, NULL);
    w.sc = (struct sync_ctx){.store = w.store.store, .acct = &w.store.acct};
    *state = &w;
    return 0;
}

static int world_teardown(void **state)
{
    struct world *w = *state;
    store_world_end(&w->store);
    return 0;
}

static int mailbox_setup(void **state)
{
    struct world *w = *state;
    w->m = mailbox_new(7, STR("Work/Reports"), STR("Work/Reports"), '/');
    w->m->number = 3;
    (void)mailbox_keyword_id(w->m, STR("alpha"), true);
    (void)mailbox_keyword_id(w->m, STR("b\xff"), true);
    return 0;
}

static int mailbox_teardown(void **state)
{
    struct world *w = *state;
    mailbox_free(&w->m);
    return 0;
}

static void set_use(struct mailbox *m, const char *use)
{
    (void)snprintf(m->special_use, sizeof m->special_use, "%s", use);
}

static void assert_data(const struct event *e, const char *expected)
{
    char *got = json_dumps(e->data, JSON_COMPACT | JSON_SORT_KEYS);
    assert_string_equal(got, expected);
    free(got);
}

static const uint8_t both[] = {0, 1};

static void new_message_tells_ids_date_flags_and_size(void **state)
{
    struct world *w = *state;
    struct sync_new_row row = {.row = {.uid = 12,
                                       .flags = IMAP_FLAG_SEEN | IMAP_FLAG_DRAFT,
                                       .keywords = both,
                                       .keyword_count = 2},
                               .internaldate_ms = 1700000000000,
                               .size = 4711};
    struct event e;
    sync_event_new(&w->sc, w->m, &row, NULL, &e);
    assert_int_equal(e.type, EVENT_MESSAGE_NEW);
    assert_int_equal(e.box, 7);
    assert_int_equal(e.uid, 12);
    assert_string_equal(e.path, "Work/Reports");
    assert_null(e.special_use);
    assert_data(&e, "{\"date\":\"2023-11-14T22:13:20.000Z\","
                    "\"flags\":[\"\\\\Seen\",\"\\\\Draft\",\"alpha\",\"b\xef\xbf\xbd\"],"
                    "\"id\":\"AAAAAwAAAAw\",\"path\":\"Work/Reports\","
                    "\"seemsLikeNew\":false,\"size\":4711,\"uid\":12}");
    event_fini(&e);
}

static void age_and_place_decide_what_seems_new(void **state)
{
    struct world *w = *state;
    const int64_t now = clock_wall_ms();
    const struct {
        const char *use;
        int64_t date_ms;
        bool expected;
    } rows[] = {{"", now - HOUR_MS, true},
                {"", now - 25 * (int64_t)HOUR_MS, false},
                {"", 0, true},
                {"\\Junk", now - HOUR_MS, true},
                {"\\Sent", now - HOUR_MS, false},
                {"\\Drafts", now - HOUR_MS, false},
                {"\\Trash", now - HOUR_MS, false}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct sync_new_row row = {.row = {.uid = 1}, .internaldate_ms = rows[i].date_ms};
        struct event e;
        set_use(w->m, rows[i].use);
        sync_event_new(&w->sc, w->m, &row, NULL, &e);
        assert_int_equal(json_is_true(json_object_get(e.data, "seemsLikeNew")),
                         rows[i].expected);
        assert_int_equal(json_object_get(e.data, "date") != NULL, rows[i].date_ms != 0);
        event_fini(&e);
    }
}

static void deleted_message_tells_its_ids(void **state)
{
    struct world *w = *state;
    struct event e;
    sync_event_deleted(&w->sc, w->m, 12, &e);
    assert_int_equal(e.type, EVENT_MESSAGE_DELETED);
    assert_data(&e, "{\"id\":\"AAAAAwAAAAw\",\"uid\":12}");
    event_fini(&e);
}

static void updated_message_tells_the_difference(void **state)
{
    static const struct {
        struct msg_row before, after;
        const char *flags;
    } rows[] = {
        {{.uid = 1},
         {.uid = 1, .flags = IMAP_FLAG_SEEN, .keywords = both, .keyword_count = 1},
         "{\"added\":[\"\\\\Seen\",\"alpha\"],\"value\":[\"\\\\Seen\",\"alpha\"]}"},
        {{.uid = 1, .flags = IMAP_FLAG_SEEN | IMAP_FLAG_FLAGGED},
         {.uid = 1, .flags = IMAP_FLAG_FLAGGED},
         "{\"deleted\":[\"\\\\Seen\"],\"value\":[\"\\\\Flagged\"]}"},
        {{.uid = 1, .keywords = both, .keyword_count = 1},
         {.uid = 1, .flags = IMAP_FLAG_ANSWERED},
         "{\"added\":[\"\\\\Answered\"],\"deleted\":[\"alpha\"],"
         "\"value\":[\"\\\\Answered\"]}"},
    };
    struct world *w = *state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct event e;
        sync_event_updated(&w->sc, w->m, &rows[i].before, &rows[i].after, &e);
        json_t *flags = json_object_get(json_object_get(e.data, "changes"), "flags");
        char *got = json_dumps(flags, JSON_COMPACT | JSON_SORT_KEYS);
        assert_string_equal(got, rows[i].flags);
        assert_int_equal(json_object_size(e.data), 3);
        free(got);
        event_fini(&e);
    }
}

static void mailbox_events_tell_name_and_use(void **state)
{
    struct world *w = *state;
    struct event e;
    sync_event_mailbox_new(&w->sc, w->m, &e);
    assert_data(&e,
                "{\"name\":\"Reports\",\"path\":\"Work/Reports\",\"specialUse\":false}");
    event_fini(&e);
    w->m->uid_validity = 4000000000u;
    set_use(w->m, "\\Archive");
    sync_event_mailbox_new(&w->sc, w->m, &e);
    assert_string_equal(e.special_use, "\\Archive");
    assert_data(&e, "{\"name\":\"Reports\",\"path\":\"Work/Reports\","
                    "\"specialUse\":\"\\\\Archive\",\"uidValidity\":\"4000000000\"}");
    event_fini(&e);
    sync_event_mailbox_deleted(&w->sc, w->m, &e);
    assert_data(&e, "{\"name\":\"Reports\",\"path\":\"Work/Reports\","
                    "\"specialUse\":\"\\\\Archive\"}");
    event_fini(&e);
    sync_event_mailbox_reset(&w->sc, w->m, 5, &e);
    assert_data(&e, "{\"name\":\"Reports\",\"path\":\"Work/Reports\","
                    "\"prevUidValidity\":\"5\",\"reason\":\"uidValidityChange\","
                    "\"specialUse\":\"\\\\Archive\",\"uidValidity\":\"4000000000\"}");
    event_fini(&e);
}

static void ids_are_the_same_for_the_same_change_only(void **state)
{
    struct world *w = *state;
    struct sync_new_row row = {.row = {.uid = 12}};
    struct msg_row before = {.uid = 12}, after = {.uid = 12, .modseq = 9, .flags = 1};
    struct event one, two;
    char id[EVENT_ID_SIZE];
    sync_event_new(&w->sc, w->m, &row, NULL, &one);
    sync_event_new_id(&w->sc, w->m, 12, id);
    assert_string_equal(one.id, id);
    assert_int_equal(strlen(id), CRYPTO_UUID_SIZE - 1);
    sync_event_new_id(&w->sc, w->m, 13, id);
    assert_string_not_equal(one.id, id);
    w->m->epoch++;
    sync_event_new_id(&w->sc, w->m, 12, id);
    assert_string_not_equal(one.id, id);
    event_fini(&one);
    sync_event_deleted(&w->sc, w->m, 12, &one);
    assert_string_not_equal(one.id, id);
    event_fini(&one);
    sync_event_updated(&w->sc, w->m, &before, &after, &one);
    w->m->version++; /* repeated after other commits: MODSEQ alone names the change */
    sync_event_updated(&w->sc, w->m, &before, &after, &two);
    assert_string_equal(one.id, two.id);
    event_fini(&two);
    after.modseq = 10;
    sync_event_updated(&w->sc, w->m, &before, &after, &two);
    assert_string_not_equal(one.id, two.id);
    event_fini(&two);
    event_fini(&one);
}

static void without_modseq_the_version_tells_changes_apart(void **state)
{
    struct world *w = *state;
    struct msg_row before = {.uid = 12}, after = {.uid = 12, .flags = 1};
    struct event one, two;
    sync_event_updated(&w->sc, w->m, &before, &after, &one);
    sync_event_updated(&w->sc, w->m, &before, &after, &two);
    assert_string_equal(one.id, two.id);
    event_fini(&two);
    w->m->version++;
    sync_event_updated(&w->sc, w->m, &before, &after, &two);
    assert_string_not_equal(one.id, two.id);
    event_fini(&two);
    event_fini(&one);
}

#define ON_A_MAILBOX(f)                                                                  \
    cmocka_unit_test_setup_teardown(f, mailbox_setup, mailbox_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_A_MAILBOX(new_message_tells_ids_date_flags_and_size),
        ON_A_MAILBOX(age_and_place_decide_what_seems_new),
        ON_A_MAILBOX(deleted_message_tells_its_ids),
        ON_A_MAILBOX(updated_message_tells_the_difference),
        ON_A_MAILBOX(mailbox_events_tell_name_and_use),
        ON_A_MAILBOX(ids_are_the_same_for_the_same_change_only),
        ON_A_MAILBOX(without_modseq_the_version_tells_changes_apart),
    };
    return cmocka_run_group_tests(tests, world_setup, world_teardown);
}
