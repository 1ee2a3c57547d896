/* Events that a receiver never takes: when they are given up, and what becomes of them. */
#include "hooks_world.h"

#include "postrider/json/json.h"
#include "postrider/store/store_dead.h"
#include "postrider/webhook/webhook.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

struct letters {
    size_t count;
    json_t *first;
    bool done;
};

static void on_letters(struct store_dead_list *op, const struct err *err,
                       const struct store_dead_page *page, void *ctx)
{
    (void)op;
    struct letters *l = ctx;
    assert_int_equal(err->code, ERR_OK);
    l->count = page->count;
    if (page->count > 0) {
        l->first = json_incref(page->letters[0].about);
        assert_string_equal(page->letters[0].route, "default");
        assert_string_equal(page->letters[0].acct->id, "world");
    }
    l->done = true;
}

static size_t letter_count(struct hooks_world *f, json_t **first_out)
{
    struct letters l = {0};
    const struct store_dead_query query = {.limit = 10};
    (void)store_dead_list_start(f->w.store, &query, on_letters, &l);
    loop_fixture_run_until(f->w.loop, &l.done, HOOKS_WAIT_MS);
    if (first_out != NULL) {
        *first_out = l.first;
    } else {
        json_decref(l.first);
    }
    return l.count;
}

static void on_count(struct store_dead_list *op, const struct err *err,
                     const struct store_dead_page *page, void *ctx)
{
    (void)op;
    struct letters *l = ctx;
    assert_int_equal(err->code, ERR_OK);
    l->count = page->count;
    l->done = true;
}

/* Of whatever account. */
static size_t all_letters(struct hooks_world *f)
{
    struct letters l = {0};
    const struct store_dead_query query = {.limit = STORE_LETTERS_PAGE};
    (void)store_dead_list_start(f->w.store, &query, on_count, &l);
    loop_fixture_run_until(f->w.loop, &l.done, HOOKS_WAIT_MS);
    return l.count;
}

static void on_requested(struct store_settings_op *op, const struct err *err, void *ctx)
{
    (void)op;
    (void)ctx;
    assert_int_equal(err->code, ERR_OK);
}

static void dead_letter_is_tried_again_on_demand(void **state)
{
    struct hooks_world *f = *state;
    const struct store_dead_query all = {.limit = 1};
    char given_up[256];
    char again[256];
    json_t *letter = NULL;
    f->config.retry_first_ms = 1;
    hooks_begin(f);
    hooks_wait(f, 1);
    f->fail = (struct http_answer){.status = 400};
    f->fail_count = WEBHOOK_TRIES_MAX + 1;
    hooks_append(f, EVENT_MESSAGE_UPDATED, 1, 1);
    hooks_wait(f, 1 + WEBHOOK_TRIES_MAX);
    log_world_wait_clean(&f->w);
    assert_int_equal(letter_count(f, &letter), 1);
    hooks_header(f, 1, "webhook-id", given_up);
    assert_string_equal(json_get_cstr(letter, "eventId"), given_up);
    assert_int_equal(json_get_int(letter, "status", 0), 400);
    json_decref(letter);
    (void)store_dead_requeue_start(f->w.store, &all, on_requested, NULL);
    hooks_wait(f, 2 + WEBHOOK_TRIES_MAX); /* refused once more */
    loop_fixture_run_for(f->w.loop, 100);
    assert_int_equal(letter_count(f, &letter), 1);
    assert_int_equal(json_get_int(letter, "tries", 0), WEBHOOK_TRIES_MAX + 1);
    json_decref(letter);
    (void)store_dead_requeue_start(f->w.store, &all, on_requested, NULL);
    hooks_wait(f, 3 + WEBHOOK_TRIES_MAX);
    hooks_header(f, 2 + WEBHOOK_TRIES_MAX, "webhook-id", again);
    assert_string_equal(again, given_up);
    loop_fixture_run_for(f->w.loop, 100);
    assert_int_equal(letter_count(f, NULL), 0);
}

static void event_ends_as_a_dead_letter_when_its_time_is_over(void **state)
{
    struct hooks_world *f = *state;
    f->config.retry_first_ms = 20;
    f->config.retry_max_ms = 50;
    f->config.give_up_ms = 300;
    hooks_begin(f);
    hooks_wait(f, 1);
    f->fail = (struct http_answer){.status = 503};
    f->fail_count = 1000;
    hooks_append(f, EVENT_MESSAGE_UPDATED, 1, 1);
    log_world_wait_clean(&f->w);
    assert_int_equal(letter_count(f, NULL), 1);
}

static const struct http_answer never[] = {
    {.status = 503}, {.status = 429, .headers = "Retry-After: 1\r\n"}, {.reset = true}};

static void entries_behind_an_open_breaker_become_dead_letters_too(void **state)
{
    struct hooks_world *f = *state;
    enum {
        ACCOUNTS = 6
    };
    size_t letters = 0;
    f->config.retry_first_ms = 50;
    f->config.retry_max_ms = 100;
    f->config.give_up_ms = 400;
    hooks_begin(f);
    hooks_wait(f, 1);
    for (unsigned i = 0; i < ARRAY_LEN(never); i++) {
        f->fail = never[i];
        f->fail_count = 100000;
        for (int k = 0; k < ACCOUNTS; k++) {
            char id[16];
            (void)snprintf(id, sizeof id, "acct%u%d", i, k);
            struct store_acct acct = store_world_account(&f->w, id);
            log_world_append(&f->w, &acct, EVENT_MESSAGE_UPDATED, 1, 2);
            store_acct_fini(&acct);
        }
        log_world_wait_clean(&f->w);
        letters += (size_t)3 * ACCOUNTS; /* the accountAdded of each, too */
        assert_int_equal(all_letters(f), letters);
        f->fail_count = 0;
        loop_fixture_run_for(f->w.loop, 1200); /* then the next one is let through */
        hooks_append(f, EVENT_MESSAGE_UPDATED, 10 + i, 1);
        log_world_wait_clean(&f->w);
        assert_int_equal(all_letters(f), letters);
    }
}

/* Each entry of an account does not take the whole time anew. */
static void entries_behind_one_whose_time_is_over_follow_it(void **state)
{
    struct hooks_world *f = *state;
    enum {
        ENTRIES = 20,
        GIVE_UP_MS = 600
    };
    f->config.retry_first_ms = 20;
    f->config.retry_max_ms = 50;
    f->config.give_up_ms = GIVE_UP_MS;
    hooks_begin(f);
    hooks_wait(f, 1);
    f->fail = (struct http_answer){.status = 503};
    f->fail_count = 100000;
    hooks_append(f, EVENT_MESSAGE_UPDATED, 1, ENTRIES);
    int64_t began_ms = loop_now_ms(f->w.loop);
    log_world_wait_clean(&f->w);
    assert_true(loop_now_ms(f->w.loop) - began_ms < ENTRIES * GIVE_UP_MS / 2);
    assert_int_equal(all_letters(f), ENTRIES);
}

static void time_stands_still_while_the_queue_is_paused(void **state)
{
    struct hooks_world *f = *state;
    f->config.give_up_ms = 100;
    hooks_begin(f);
    hooks_wait(f, 1);
    log_world_settings(&f->w, json_pack("{s:b}", WEBHOOK_SETTING_PAUSED, 1));
    hooks_append(f, EVENT_MESSAGE_UPDATED, 1, 3);
    hooks_nothing_more(f, 1);
    loop_fixture_run_for(f->w.loop, 200);
    log_world_settings(&f->w, json_pack("{s:n}", WEBHOOK_SETTING_PAUSED));
    hooks_wait(f, 4);
    log_world_wait_clean(&f->w);
    assert_int_equal(all_letters(f), 0);
}

struct pair {
    char entries[2][STORE_ENTRY_ID_SIZE];
    size_t count;
    bool done;
};

static void on_pair(struct store_dead_list *op, const struct err *err,
                    const struct store_dead_page *page, void *ctx)
{
    (void)op;
    struct pair *p = ctx;
    assert_int_equal(err->code, ERR_OK);
    p->count = page->count;
    for (size_t i = 0; i < page->count && i < 2; i++) {
        (void)snprintf(p->entries[i], STORE_ENTRY_ID_SIZE, "%s",
                       page->letters[i].entry_id);
    }
    p->done = true;
}

/* Two entries that were given up, in a row. */
static struct pair two_letters(struct hooks_world *f)
{
    struct pair p = {0};
    const struct store_dead_query query = {.limit = 10};
    f->config.retry_first_ms = 1;
    hooks_begin(f);
    hooks_wait(f, 1);
    f->fail = (struct http_answer){.status = 400};
    f->fail_count = 2 * WEBHOOK_TRIES_MAX;
    hooks_append(f, EVENT_MESSAGE_UPDATED, 1, 2);
    hooks_wait(f, 1 + 2 * WEBHOOK_TRIES_MAX);
    log_world_wait_clean(&f->w);
    (void)store_dead_list_start(f->w.store, &query, on_pair, &p);
    loop_fixture_run_until(f->w.loop, &p.done, HOOKS_WAIT_MS);
    assert_int_equal(p.count, 2);
    return p;
}

static void requests_for_dead_letters_made_at_once_are_all_heard(void **state)
{
    struct hooks_world *f = *state;
    struct pair p = two_letters(f);
    for (size_t i = 0; i < 4; i++) { /* each of them twice */
        const struct store_dead_query one = {.entry_id = str_of(p.entries[i % 2]),
                                             .limit = 1};
        (void)store_dead_requeue_start(f->w.store, &one, on_requested, NULL);
    }
    hooks_wait(f, 3 + 2 * WEBHOOK_TRIES_MAX);
    hooks_nothing_more(f, 3 + 2 * WEBHOOK_TRIES_MAX);
    assert_int_not_equal(hooks_uid(f, 1 + 2 * WEBHOOK_TRIES_MAX),
                         hooks_uid(f, 2 + 2 * WEBHOOK_TRIES_MAX));
    assert_int_equal(all_letters(f), 0);
}

static void on_dropped(struct store_dead_op *op, const struct err *err, void *ctx)
{
    (void)op;
    bool *done = ctx;
    assert_int_equal(err->code, ERR_OK);
    *done = true;
}

static void letter_dropped_during_another_try_stays_away(void **state)
{
    struct hooks_world *f = *state;
    struct pair p = two_letters(f);
    const struct store_letter letter = {
        .acct = &f->w.acct, .route = "default", .entry_id = p.entries[0]};
    const struct store_dead_query one = {.entry_id = str_of(p.entries[0]), .limit = 1};
    bool dropped = false;
    f->fail = (struct http_answer){.status = 400, .delay_ms = 300};
    f->fail_count = 1;
    (void)store_dead_requeue_start(f->w.store, &one, on_requested, NULL);
    hooks_wait(f, 2 + 2 * WEBHOOK_TRIES_MAX);
    (void)store_dead_drop_start(f->w.store, &letter, on_dropped, &dropped);
    loop_fixture_run_until(f->w.loop, &dropped, HOOKS_WAIT_MS);
    loop_fixture_run_for(f->w.loop, 600);
    assert_int_equal(all_letters(f), 1);
}

#define T(name) cmocka_unit_test_setup_teardown(name, hooks_setup, hooks_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(dead_letter_is_tried_again_on_demand),
        T(event_ends_as_a_dead_letter_when_its_time_is_over),
        T(entries_behind_an_open_breaker_become_dead_letters_too),
        T(entries_behind_one_whose_time_is_over_follow_it),
        T(time_stands_still_while_the_queue_is_paused),
        T(requests_for_dead_letters_made_at_once_are_all_heard),
        T(letter_dropped_during_another_try_stays_away),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
