/* The change log, its readers and its trimming against a real redis-server. */
#include "loop_fixture.h"
#include "store_world.h"

#include "postrider/base/clock.h"
#include "postrider/base/log.h"
#include "postrider/base/mem.h"
#include "postrider/store/store_feed.h"

#include <hiredis/hiredis.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum {
    EVENTS = 250,
    DAY_MS = 24 * 3600 * 1000
};

struct fixture {
    struct store_world w;
    uint64_t moves; /* of the cursors written */
};

static int setup(void **state)
{
    static struct fixture f;
    f = (struct fixture){0};
    log_configure(LOG_OFF, LOG_FORMAT_TEXT);
    store_world_start(&f.w, NULL, NULL);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    store_world_end(&f->w);
    return 0;
}

static void assert_ok_at(struct err err, int line)
{
    if (err.code != ERR_OK) {
        fail_msg("line %d: %s: %s", line, err_code_name(err.code), err.msg);
    }
}
#define assert_ok(err) assert_ok_at(err, __LINE__)

static void append(struct fixture *f, uint32_t first_uid, size_t count)
{
    static struct event events[EVENTS];
    for (size_t i = 0; i < count; i++) {
        uint32_t uid = first_uid + (uint32_t)i;
        event_init(&events[i], EVENT_MESSAGE_NEW, 1700000000000, 9, uid, "INBOX",
                   "\\Inbox", json_pack("{s:i}", "uid", (int)uid));
        store_event_id(f->w.store, &f->w.acct, 9, 1, uid, "messageNew", 1, events[i].id);
    }
    assert_ok(world_commit(
        &f->w, (struct store_commit_params){.events = events, .event_count = count}));
}

/* --- waiting calls ----------------------------------------------------------------- */

struct page {
    struct world_call call;
    size_t count;
    bool gap;
    char ids[STORE_LOG_PAGE][STORE_ENTRY_ID_SIZE];
    uint32_t uids[STORE_LOG_PAGE];
    bool readable[STORE_LOG_PAGE];
    enum event_type types[STORE_LOG_PAGE];
};

static void on_page(struct store_log_read *op, const struct err *err,
                    const struct log_entry *entries, size_t count, bool gap, void *ctx)
{
    (void)op;
    struct page *p = ctx;
    p->call.err = *err;
    p->call.done = true;
    p->count = count;
    p->gap = gap;
    assert_true(count <= STORE_LOG_PAGE);
    for (size_t i = 0; i < count; i++) {
        (void)snprintf(p->ids[i], sizeof p->ids[i], "%s", entries[i].entry_id);
        p->uids[i] = entries[i].event.uid;
        p->readable[i] = entries[i].readable;
        p->types[i] = entries[i].event.type;
    }
}

static struct err read_page(struct fixture *f, const char *after, size_t count,
                            struct page *p)
{
    char from[STORE_ENTRY_ID_SIZE]; /* it may lie in the page */
    (void)snprintf(from, sizeof from, "%s", after);
    *p = (struct page){0};
    (void)store_log_read_start(f->w.store, &f->w.acct, from, count, on_page, p);
    world_wait(&f->w, &p->call);
    return p->call.err;
}

static void on_done(struct store_log_op *op, const struct err *err, void *ctx)
{
    (void)op;
    struct world_call *call = ctx;
    call->err = *err;
    call->done = true;
}

static struct err set_cursor(struct fixture *f, const char *reader, const char *id)
{
    static const char *const readers[] = {"w:a", "w:b"};
    struct world_call call = {0};
    const struct store_cursor_write write = {.reader = reader,
                                             .entry_id = id,
                                             .moves = f->moves,
                                             .readers = readers,
                                             .reader_count = ARRAY_LEN(readers)};
    (void)store_cursor_set_start(f->w.store, &f->w.acct, &write, on_done, &call);
    world_wait(&f->w, &call);
    return call.err;
}

struct trimmed {
    struct world_call call;
    struct store_log_size size;
};

static void on_trimmed(struct store_trim_op *op, const struct err *err,
                       const struct store_log_size *size, void *ctx)
{
    (void)op;
    struct trimmed *t = ctx;
    t->call.err = *err;
    t->call.done = true;
    t->size = *size;
}

static struct err trim_to(struct fixture *f, const struct store_trim *params,
                          struct store_log_size *size_out)
{
    struct trimmed t = {0};
    (void)store_log_trim_start(f->w.store, &f->w.acct, params, on_trimmed, &t);
    world_wait(&f->w, &t.call);
    *size_out = t.size;
    return t.call.err;
}

static struct err trim(struct fixture *f, const struct store_cursor *readers,
                       size_t count)
{
    struct store_log_size size;
    return trim_to(f, &(struct store_trim){.readers = readers, .reader_count = count},
                   &size);
}

struct replayed {
    struct world_call call;
    size_t moved;
};

static void on_replayed(struct store_replay *op, const struct err *err, size_t moved,
                        void *ctx)
{
    (void)op;
    struct replayed *r = ctx;
    r->call.err = *err;
    r->call.done = true;
    r->moved = moved;
}

static struct err replay(struct fixture *f, const struct store_acct *acct,
                         const char *reader, const char *to, size_t *moved_out)
{
    struct replayed r = {0};
    (void)store_replay_start(f->w.store, acct, reader, to, on_replayed, &r);
    world_wait(&f->w, &r.call);
    *moved_out = r.moved;
    return r.call.err;
}

struct names {
    struct world_call call;
    size_t count;
    char name[64];
};

static void on_dirty(struct store_dirty *op, const struct err *err,
                     const struct str *names, size_t count, void *ctx)
{
    (void)op;
    struct names *n = ctx;
    n->call.err = *err;
    n->call.done = true;
    n->count = count;
    if (count > 0) {
        (void)snprintf(n->name, sizeof n->name, "%.*s", STR_ARG(names[0]));
    }
}

static size_t dirty_count(struct fixture *f)
{
    struct names n = {0};
    (void)store_dirty_start(f->w.store, on_dirty, &n);
    world_wait(&f->w, &n.call);
    assert_ok(n.call.err);
    if (n.count > 0) {
        assert_string_equal(n.name, f->w.acct.name);
        assert_string_equal(store_account_id_by_name(f->w.store, str_of(n.name)),
                            f->w.acct.id);
    }
    return n.count;
}

static void on_cursors(struct store_cursors *op, const struct err *err,
                       const struct store_cursor *cursors, size_t count, void *ctx)
{
    (void)op;
    struct names *n = ctx;
    n->call.err = *err;
    n->call.done = true;
    n->count = count;
    for (size_t i = 0; i < count; i++) {
        assert_false(str_eq_c(cursors[i].reader, "t:"));
        (void)snprintf(n->name, sizeof n->name, "%s", cursors[i].entry_id);
    }
}

/* --- tests ------------------------------------------------------------------------- */

static void entry_ids_are_ordered_as_the_stream_is(void **state)
{
    (void)state;
    static const char *const rising[] = {
        "",     "0-0",  "0-1",   "9-0",
        "10-0", "10-2", "10-10", "18446744073709551615-18446744073709551615"};
    for (size_t i = 0; i < ARRAY_LEN(rising); i++) {
        for (size_t k = 0; k < ARRAY_LEN(rising); k++) {
            int got = store_entry_id_cmp(rising[i], rising[k]);
            assert_int_equal((got > 0) - (got < 0), (i > k) - (i < k));
        }
    }
}

static void the_log_is_read_page_by_page(void **state)
{
    struct fixture *f = *state;
    struct page p;
    append(f, 1, EVENTS);
    assert_ok(read_page(f, "", 1000, &p));
    assert_int_equal(p.count, STORE_LOG_PAGE);
    assert_int_equal(p.types[0], EVENT_ACCOUNT_ADDED);
    assert_false(p.gap);
    uint32_t next = 1;
    char after[STORE_ENTRY_ID_SIZE];
    (void)snprintf(after, sizeof after, "%s", p.ids[0]);
    for (;;) {
        assert_ok(read_page(f, after, 60, &p));
        if (p.count == 0) {
            break;
        }
        for (size_t i = 0; i < p.count; i++) {
            assert_true(p.readable[i]);
            assert_int_equal(p.uids[i], next++);
            assert_true(store_entry_id_cmp(after, p.ids[i]) < 0);
            (void)snprintf(after, sizeof after, "%s", p.ids[i]);
        }
    }
    assert_int_equal(next, EVENTS + 1);
    static const char *const bad[] = {"x", "1", "1-", "-1", "1-2-3", "1-x", "+"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        assert_int_equal(read_page(f, bad[i], 10, &p).code, ERR_INVALID);
    }
}

static void damaged_entries_keep_their_place(void **state)
{
    struct fixture *f = *state;
    struct page p;
    unsigned shard = f->w.acct.shard;
    const char *name = f->w.acct.name;
    redis_fixture_run(f->w.server, "XADD test:{%u}:log:%s * t messageNew i abc d junk",
                      shard, name);
    redis_fixture_run(f->w.server, "XADD test:{%u}:log:%s * t unheardOf i abc d junk",
                      shard, name);
    append(f, 1, 1);
    assert_ok(read_page(f, "", 10, &p));
    assert_int_equal(p.count, 4);
    assert_false(p.readable[1]);
    assert_int_equal(p.types[1], EVENT_MESSAGE_NEW);
    assert_false(p.readable[2]);
    assert_int_equal(p.types[2], EVENT_TYPE_COUNT);
    assert_true(p.readable[3]);
}

static void dirty_ends_when_every_reader_is_at_the_end(void **state)
{
    struct fixture *f = *state;
    struct page p;
    append(f, 1, 3);
    assert_int_equal(dirty_count(f), 1);
    assert_ok(read_page(f, "", 10, &p));
    assert_int_equal(p.count, 4);
    assert_ok(set_cursor(f, "w:a", p.ids[3]));
    assert_int_equal(dirty_count(f), 1);
    assert_ok(set_cursor(f, "w:b", p.ids[2]));
    assert_int_equal(dirty_count(f), 1);
    assert_ok(set_cursor(f, "w:b", p.ids[3]));
    assert_int_equal(dirty_count(f), 0);
    append(f, 4, 1);
    assert_int_equal(dirty_count(f), 1);
    assert_ok(read_page(f, p.ids[3], 10, &p));
    assert_ok(set_cursor(f, "w:a", p.ids[0]));
    assert_ok(set_cursor(f, "w:b", p.ids[0]));
    assert_int_equal(dirty_count(f), 0);
    assert_ok(set_cursor(f, "w:b", "")); /* a replay */
    assert_int_equal(dirty_count(f), 1);
    struct names n = {0};
    (void)store_cursors_start(f->w.store, &f->w.acct, on_cursors, &n);
    world_wait(&f->w, &n.call);
    assert_int_equal(n.count, 2);
    assert_int_equal(set_cursor(f, "w:b", "nonsense").code, ERR_INVALID);
}

static void cursors_are_fenced(void **state)
{
    struct fixture *f = *state;
    redis_fixture_run(f->w.server, "INCR test:{%u}:epoch", (unsigned)f->w.acct.shard);
    assert_int_equal(set_cursor(f, "w:a", "1-1").code, ERR_FENCED);
}

static void only_old_entries_that_were_read_are_trimmed(void **state)
{
    struct fixture *f = *state;
    struct page p, rest;
    append(f, 1, 20);
    assert_ok(read_page(f, "", 100, &p));
    assert_int_equal(p.count, 21);
    struct store_cursor readers[] = {{.reader = STR("w:a")}, {.reader = STR("w:b")}};
    int64_t later_ms = clock_wall_ms() + 8ll * DAY_MS;

    assert_ok(trim(f, NULL, 0)); /* nothing is old */
    assert_ok(read_page(f, "", 100, &rest));
    assert_int_equal(rest.count, 21);

    clock_set_fake(&later_ms);
    assert_ok(trim(f, readers, 2)); /* nobody has read anything */
    clock_set_fake(NULL);
    assert_ok(set_cursor(f, "w:a", p.ids[10]));
    (void)snprintf(readers[1].entry_id, sizeof readers[1].entry_id, "%s", p.ids[4]);
    clock_set_fake(&later_ms);
    assert_ok(trim(f, readers, 2)); /* up to where the slower one starts */
    clock_set_fake(NULL);
    assert_ok(read_page(f, p.ids[4], 100, &rest));
    assert_int_equal(rest.count, 16);
    assert_string_equal(rest.ids[0], p.ids[5]);
    assert_false(rest.gap);
    assert_ok(read_page(f, p.ids[3], 100, &rest));
    assert_true(rest.gap);
    assert_ok(read_page(f, "", 100, &rest));
    assert_true(rest.gap);

    clock_set_fake(&later_ms);
    assert_ok(trim(f, NULL, 0)); /* everything goes, and that is still known */
    clock_set_fake(NULL);
    assert_ok(read_page(f, p.ids[10], 100, &rest));
    assert_int_equal(rest.count, 0);
    assert_true(rest.gap);
    assert_ok(read_page(f, p.ids[20], 100, &rest));
    assert_false(rest.gap);
    append(f, 30, 1);
    assert_ok(read_page(f, p.ids[20], 100, &rest));
    assert_int_equal(rest.count, 1);
    assert_false(rest.gap);
}

static void a_count_trims_only_what_all_have_read(void **state)
{
    struct fixture *f = *state;
    struct page p, rest;
    struct store_log_size size;
    append(f, 1, 20);
    assert_ok(read_page(f, "", 100, &p));
    struct store_cursor readers[] = {{.reader = STR("w:a")}, {.reader = STR("w:b")}};
    struct store_trim params = {.readers = readers, .reader_count = 2, .max_entries = 5};
    assert_ok(trim_to(f, &params, &size));
    assert_int_equal(size.removed, 0);
    assert_int_equal(size.entries, 21);
    assert_true(size.bytes > 1000);
    assert_ok(set_cursor(f, "w:a", p.ids[20]));
    assert_ok(set_cursor(f, "w:b", p.ids[7]));
    assert_ok(trim_to(f, &params, &size));
    assert_int_equal(size.removed, 8);
    assert_ok(read_page(f, p.ids[7], 100, &rest));
    assert_false(rest.gap);
    assert_string_equal(rest.ids[0], p.ids[8]);
    assert_ok(set_cursor(f, "w:b", p.ids[19]));
    assert_ok(trim_to(f, &params, &size));
    assert_int_equal(size.entries, 5);
    assert_ok(read_page(f, p.ids[14], 100, &rest));
    assert_true(rest.gap);
}

static void bytes_trim_whoever_waits_and_show_the_gap(void **state)
{
    struct fixture *f = *state;
    struct page p, rest;
    struct store_log_size before, after;
    for (uint32_t i = 0; i < 20; i++) {
        append(f, 1 + i * EVENTS, EVENTS);
    }
    assert_ok(read_page(f, "", 100, &p));
    struct store_cursor reader = {.reader = STR("w:a")};
    struct store_trim params = {.readers = &reader, .reader_count = 1};
    assert_ok(trim_to(f, &params, &before));
    assert_int_equal(before.entries, 20 * EVENTS + 1);
    params.max_bytes = before.bytes / 2;
    assert_ok(trim_to(f, &params, &after));
    assert_true(after.bytes <= params.max_bytes);
    assert_true(after.entries > before.entries / 3);
    assert_int_equal(after.removed + after.entries, before.entries);
    assert_ok(read_page(f, p.ids[50], 100, &rest));
    assert_true(rest.gap);
    assert_int_equal(rest.count, 100);
}

static void a_replay_moves_cursors_and_stops_late_writers(void **state)
{
    struct fixture *f = *state;
    struct store_acct other = store_world_account(&f->w, "other");
    struct page p;
    struct names n = {0};
    size_t moved;
    append(f, 1, 3);
    assert_ok(read_page(f, "", 10, &p));
    assert_ok(set_cursor(f, "w:a", p.ids[3]));
    assert_ok(set_cursor(f, "w:b", p.ids[3]));
    assert_ok(replay(f, &f->w.acct, "w:a", p.ids[1], &moved));
    assert_int_equal(moved, 1);
    assert_int_equal(set_cursor(f, "w:a", p.ids[3]).code, ERR_STALE);
    assert_ok(set_cursor(f, "w:b", p.ids[3])); /* another reader */
    f->moves = 1;
    assert_ok(set_cursor(f, "w:a", p.ids[2]));
    assert_ok(replay(f, NULL, "w:a", STORE_CURSOR_START, &moved));
    assert_int_equal(moved, 2);
    assert_ok(replay(f, NULL, "w:a", STORE_CURSOR_END, &moved));
    f->moves = 3;
    assert_ok(set_cursor(f, "w:a", p.ids[3]));
    (void)store_cursors_start(f->w.store, &other, on_cursors, &n);
    world_wait(&f->w, &n.call);
    assert_int_equal(n.count, 1);
    assert_true(strlen(n.name) > 3);
    assert_int_equal(replay(f, NULL, "w:a", "nonsense", &moved).code, ERR_INVALID);
    store_acct_fini(&other);
}

/* --- feeds --- */

struct feed {
    struct world_call call;
    size_t count;
    bool gap, more;
    struct feed_place end;
    uint32_t uids[STORE_FEED_PAGE];
};

static void on_feed(struct store_feed_read *op, const struct err *err,
                    const struct feed_page *page, void *ctx)
{
    (void)op;
    struct feed *feed = ctx;
    feed->call.err = *err;
    feed->call.done = true;
    if (page == NULL) {
        return;
    }
    feed->count = page->count;
    feed->gap = page->gap;
    feed->more = page->more;
    feed->end = page->end;
    for (size_t i = 0; i < page->count; i++) {
        assert_true(page->items[i].entry.readable);
        feed->uids[i] = page->items[i].entry.event.uid;
    }
}

static void read_feed(struct fixture *f, struct feed_place after, const char *name,
                      struct feed *feed)
{
    *feed = (struct feed){0};
    (void)store_feed_read_start(f->w.store, f->w.acct.shard, after, str_of(name), on_feed,
                                feed);
    world_wait(&f->w, &feed->call);
    assert_ok(feed->call.err);
}

static void a_feed_is_read_in_pages_and_per_account(void **state)
{
    struct fixture *f = *state;
    struct feed feed;
    struct feed_place at = {0, 0};
    append(f, 1, 50);
    uint32_t next = 0; /* the account's creation has no UID */
    do {
        read_feed(f, at, NULL, &feed);
        for (size_t i = 0; i < feed.count; i++) {
            assert_int_equal(feed.uids[i], next++);
        }
        assert_false(feed.gap);
        at = feed.end;
    } while (feed.more);
    assert_int_equal(next, 51);
    read_feed(f, at, NULL, &feed);
    assert_int_equal(feed.count, 0);
    read_feed(f, (struct feed_place){0, 0}, f->w.acct.name, &feed);
    assert_int_equal(feed.count, STORE_FEED_PAGE);
    assert_true(feed.more);
    read_feed(f, (struct feed_place){0, 0}, "another", &feed);
    assert_int_equal(feed.count, 0);
    assert_int_equal(feed.end.ms, at.ms);
    assert_int_equal(feed.end.seq, at.seq);
}

static void a_trimmed_feed_shows_the_gap(void **state)
{
    struct fixture *f = *state;
    struct feed feed;
    append(f, 1, 3);
    read_feed(f, (struct feed_place){0, 0}, NULL, &feed);
    struct feed_place seen = feed.end;
    int64_t later_ms = clock_wall_ms() + 8ll * DAY_MS;
    clock_set_fake(&later_ms);
    assert_ok(trim(f, NULL, 0));
    clock_set_fake(NULL);
    append(f, 4, 1);
    read_feed(f, (struct feed_place){0, 0}, NULL, &feed);
    assert_true(feed.gap);
    assert_int_equal(feed.count, 1);
    read_feed(f, seen, NULL, &feed);
    assert_false(feed.gap);
    assert_int_equal(feed.uids[0], 4);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(entry_ids_are_ordered_as_the_stream_is),
        TEST(the_log_is_read_page_by_page),
        TEST(damaged_entries_keep_their_place),
        TEST(dirty_ends_when_every_reader_is_at_the_end),
        TEST(cursors_are_fenced),
        TEST(only_old_entries_that_were_read_are_trimmed),
        TEST(a_count_trims_only_what_all_have_read),
        TEST(bytes_trim_whoever_waits_and_show_the_gap),
        TEST(a_replay_moves_cursors_and_stops_late_writers),
        TEST(a_feed_is_read_in_pages_and_per_account),
        TEST(a_trimmed_feed_shows_the_gap),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
