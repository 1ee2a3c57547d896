/* Threads: pure joins against a simple model, then commits against a real redis-server. */
#include "loop_fixture.h"
#include "row_model.h"
#include "store_world.h"
#include "thread_kept.h"
#include "thread_store.h"

#include "postrider/base/log.h"
#include "postrider/base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* --- a model: one label per id, relabelled at every join --- */

enum {
    IDS = 3000,
    FACTS = 6000
};

static uint64_t spread(uint32_t id)
{
    return (id * 0x9e3779b97f4a7c15ULL >> 16) | 1;
}

static void model_join(uint32_t *labels, uint32_t a, uint32_t b)
{
    uint32_t from = labels[b], to = labels[a];
    for (size_t i = 0; from != to && i < IDS; i++) {
        labels[i] = labels[i] == from ? to : labels[i];
    }
}

static uint64_t map_thread(struct thread_map *map, uint64_t id)
{
    uint64_t thread = 0;
    assert_true(thread_map_find(map, id, &thread));
    return thread;
}

/* Two ids have one thread exactly if the model says so. */
static void check_model(struct thread_map *map, const uint32_t *labels)
{
    static uint64_t of_label[IDS];
    memset(of_label, 0, sizeof of_label);
    for (uint32_t i = 0; i < IDS; i++) {
        uint64_t thread = map_thread(map, spread(i));
        if (of_label[labels[i]] == 0) {
            of_label[labels[i]] = thread;
        }
        assert_int_equal(of_label[labels[i]], thread);
    }
    for (uint32_t i = 0; i < IDS; i++) {
        for (uint32_t k = 0; k < i && of_label[i] != 0; k++) {
            assert_int_not_equal(of_label[i], of_label[k]);
        }
    }
}

/* Through the codec into another map, as if read anew. */
static void reread(struct thread_map *map, struct arena *arena)
{
    struct thread_map next;
    thread_map_init(&next, arena, map->count, map->entries);
    for (uint32_t i = 0; i < map->count; i++) {
        struct buf text = BUF_INIT(1 << 20);
        assert_true(thread_bucket_encode(map, i, &text));
        assert_true(thread_bucket_decode(&next, i, buf_str(&text)));
        buf_fini(&text);
    }
    *map = next;
}

static void joins_agree_with_a_simple_model(void **state)
{
    (void)state;
    static uint32_t labels[IDS];
    struct arena arena = {0};
    struct prng prng = {11};
    struct thread_map map;
    thread_map_init(&map, &arena, 0, 0);
    for (uint32_t i = 0; i < IDS; i++) {
        labels[i] = i;
    }
    for (size_t n = 0; n < FACTS; n++) {
        uint32_t own = prng_below(&prng, IDS);
        struct thread_fact fact = {.own = spread(own)};
        uint32_t refs = prng_below(&prng, 8) == 0 ? prng_below(&prng, 12) : 0;
        for (uint32_t i = 0; i < refs; i++) {
            thread_fact_add(&fact, spread(prng_below(&prng, IDS)));
        }
        for (uint32_t i = 0; i < IDS && refs > 0; i++) {
            for (size_t k = 0; k < fact.ref_count; k++) {
                if (spread(i) == fact.refs[k]) {
                    model_join(labels, own, i);
                }
            }
        }
        thread_map_want_splits(&map, 1 + fact.ref_count);
        assert_true(thread_map_reach(&map, &fact));
        (void)thread_map_join(&map, &fact);
        thread_map_split(&map);
        if (n % 500 == 0) {
            reread(&map, &arena);
            check_model(&map, labels);
        }
    }
    check_model(&map, labels);
    assert_true(map.count > 5);
    arena_fini(&arena);
}

static void damaged_buckets_are_refused(void **state)
{
    (void)state;
    struct arena arena = {0};
    struct thread_map map, back;
    struct buf text = BUF_INIT(1 << 20);
    thread_map_init(&map, &arena, 0, 0);
    for (uint32_t i = 0; i < 50; i++) {
        struct thread_fact fact = {.own = spread(2 * i)};
        thread_fact_add(&fact, spread(2 * i + 1));
        (void)thread_map_join(&map, &fact);
    }
    assert_true(thread_bucket_encode(&map, 0, &text));
    for (size_t n = 0; n < text.len; n++) {
        thread_map_init(&back, &arena, 1, 0);
        assert_false(thread_bucket_decode(&back, 0, str_from(text.bytes, n)));
    }
    buf_fini(&text);
    arena_fini(&arena);
}

static void rows_survive_their_codec(void **state)
{
    (void)state;
    struct arena arena = {0};
    struct prng prng = {3};
    struct msg_row rows[SEGMENT_ROWS] = {{0}}, *back;
    struct buf text = BUF_INIT(1 << 16);
    size_t count;
    uint32_t uid = 0;
    for (size_t i = 0; i < SEGMENT_ROWS; i++) {
        uid += 1 + prng_below(&prng, i % 7 == 0 ? 100000 : 2);
        rows[i].uid = uid;
        rows[i].modseq = spread(prng_below(&prng, 100));
    }
    assert_true(thread_rows_encode(rows, SEGMENT_ROWS, &text));
    assert_true(thread_rows_decode(&arena, buf_str(&text), &back, &count));
    assert_int_equal(count, SEGMENT_ROWS);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(back[i].uid, rows[i].uid);
        assert_int_equal(back[i].modseq, rows[i].modseq);
    }
    for (size_t n = 0; n < text.len; n++) {
        assert_false(thread_rows_decode(&arena, str_from(text.bytes, n), &back, &count));
    }
    buf_fini(&text);
    arena_fini(&arena);
}

static void the_first_and_the_youngest_references_are_kept(void **state)
{
    (void)state;
    struct thread_fact fact = {0};
    for (uint64_t i = 1; i <= 20; i++) {
        thread_fact_add(&fact, i);
        thread_fact_add(&fact, i);
    }
    assert_int_equal(fact.ref_count, THREAD_REFS_MAX);
    assert_int_equal(fact.refs[0], 1);
    assert_int_equal(fact.refs[1], 14);
    assert_int_equal(fact.refs[THREAD_REFS_MAX - 1], 20);
}

static void thread_ids_are_read_back(void **state)
{
    (void)state;
    static const uint64_t threads[] = {1, 0xffffffffffff, 0x123456789abc};
    uint64_t back;
    for (size_t i = 0; i < ARRAY_LEN(threads); i++) {
        char text[THREAD_ID_SIZE];
        thread_id_format(threads[i], text);
        assert_true(thread_id_parse(str_of(text), &back));
        assert_int_equal(back, threads[i]);
    }
    assert_false(thread_id_parse(STR("short"), &back));
    assert_false(thread_id_parse(STR("????????"), &back));
}

/* --- in the store --- */

struct fixture {
    struct store_world w;
    struct mailbox *inbox, *sent;
};

static int setup(void **state)
{
    static struct fixture f;
    f = (struct fixture){0};
    log_configure(LOG_OFF, LOG_FORMAT_TEXT);
    store_world_start(&f.w, NULL, NULL);
    f.inbox = mailbox_new(3, STR("INBOX"), STR("INBOX"), '/');
    f.sent = mailbox_new(4, STR("Sent"), STR("Sent"), '/');
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    mailbox_free(&f->inbox);
    mailbox_free(&f->sent);
    store_world_end(&f->w);
    return 0;
}

static uint64_t hash(struct fixture *f, const char *id)
{
    return store_thread_hash(f->w.store, &f->w.acct, str_of(id));
}

/* A message arrives: refs are words separated by spaces. */
static void arrive(struct fixture *f, struct mailbox *m, uint32_t uid, const char *id,
                   const char *refs)
{
    struct thread_fact fact = {.box = m->box, .uid = uid, .own = hash(f, id)};
    char copy[256], *rest = NULL;
    (void)snprintf(copy, sizeof copy, "%s", refs);
    for (char *ref = strtok_r(copy, " ", &rest); ref != NULL;
         ref = strtok_r(NULL, " ", &rest)) {
        thread_fact_add(&fact, hash(f, ref));
    }
    struct msg_row row = {.uid = uid, .fingerprint = uid};
    struct mailbox_change change = {.m = m, .upserts = &row, .upsert_count = 1};
    struct err err = world_commit(&f->w, (struct store_commit_params){.changes = &change,
                                                                      .change_count = 1,
                                                                      .threads = &fact,
                                                                      .thread_count = 1});
    assert_int_equal(err.code, ERR_OK);
}

struct answer {
    bool done;
    struct err err;
    uint64_t thread; /* 0 = the account has no map */
    uint32_t low_uid;
    char text[256]; /* "box/uid box/uid" */
};

static void on_thread(struct store_threads *op, const struct err *err,
                      const uint64_t *threads, size_t count, void *ctx)
{
    (void)op;
    struct answer *a = ctx;
    a->err = *err;
    a->thread = threads != NULL && count == 1 ? threads[0] : 0;
    a->done = true;
}

static uint64_t thread_of(struct fixture *f, const char *id, const char *parent)
{
    struct answer a = {0};
    struct thread_query q = {.own = hash(f, id),
                             .parent = store_thread_id(str_of(parent))};
    (void)store_threads_start(f->w.store, &f->w.acct, &q, 1, on_thread, &a);
    loop_fixture_run_until(f->w.loop, &a.done, WORLD_WAIT_MS);
    assert_int_equal(a.err.code, ERR_OK);
    return a.thread;
}

static void on_messages(struct store_thread_list *op, const struct err *err,
                        const struct thread_message *messages, size_t count, void *ctx)
{
    (void)op;
    struct answer *a = ctx;
    a->err = *err;
    for (size_t i = 0; i < count; i++) {
        size_t len = strlen(a->text);
        (void)snprintf(a->text + len, sizeof a->text - len, "%s%u/%u", len > 0 ? " " : "",
                       (unsigned)messages[i].box, (unsigned)messages[i].uid);
    }
    a->done = true;
}

static void check_messages(struct fixture *f, const char *id, const char *expected)
{
    struct answer a = {0};
    const uint32_t boxes[] = {3, 4};
    (void)store_thread_list_start(f->w.store, &f->w.acct, thread_of(f, id, NULL), boxes,
                                  2, 100, on_messages, &a);
    loop_fixture_run_until(f->w.loop, &a.done, WORLD_WAIT_MS);
    assert_int_equal(a.err.code, ERR_OK);
    assert_string_equal(a.text, expected);
}

static void on_low(struct store_thread_low *op, const struct err *err, uint32_t low_uid,
                   void *ctx)
{
    (void)op;
    struct answer *a = ctx;
    a->err = *err;
    a->low_uid = low_uid;
    a->done = true;
}

static uint32_t low_of(struct fixture *f, const struct mailbox *m)
{
    struct answer a = {0};
    (void)store_thread_low_start(f->w.store, &f->w.acct, m->box, on_low, &a);
    loop_fixture_run_until(f->w.loop, &a.done, WORLD_WAIT_MS);
    assert_int_equal(a.err.code, ERR_OK);
    return a.low_uid;
}

static void an_account_without_facts_has_no_threads(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(thread_of(f, "<a@x>", NULL), 0);
}

static void replies_join_the_first_reference(void **state)
{
    struct fixture *f = *state;
    arrive(f, f->inbox, 1, "<a@x>", "");
    arrive(f, f->sent, 1, "<b@x>", "a@x");
    arrive(f, f->inbox, 2, "<c@x>", "a@x b@x");
    arrive(f, f->inbox, 3, "<other@x>", "");
    assert_int_equal(thread_of(f, "c@x", NULL), hash(f, "<a@x>"));
    assert_int_equal(thread_of(f, "not yet", "b@x"), hash(f, "a@x"));
    check_messages(f, "b@x", "3/1 3/2 4/1");
    check_messages(f, "other@x", "3/3");
}

static void the_order_of_arrival_does_not_matter(void **state)
{
    struct fixture *f = *state;
    arrive(f, f->inbox, 1, "c@x", "b@x");
    arrive(f, f->inbox, 2, "d@x", "c@x");
    arrive(f, f->inbox, 3, "a@x", "");
    arrive(f, f->inbox, 4, "b@x", "a@x");
    check_messages(f, "a@x", "3/1 3/2 3/3 3/4");
}

static void a_missing_parent_still_joins_its_children(void **state)
{
    struct fixture *f = *state;
    arrive(f, f->inbox, 1, "one@x", "missing@x");
    arrive(f, f->inbox, 2, "two@x", "missing@x");
    check_messages(f, "one@x", "3/1 3/2");
}

static void a_later_message_joins_two_threads(void **state)
{
    struct fixture *f = *state;
    arrive(f, f->inbox, 1, "a@x", "");
    arrive(f, f->inbox, 2, "a2@x", "a@x");
    arrive(f, f->inbox, 3, "b@x", "");
    arrive(f, f->inbox, 4, "b2@x", "b@x");
    check_messages(f, "a@x", "3/1 3/2");
    arrive(f, f->inbox, 5, "both@x", "a2@x b2@x");
    check_messages(f, "b2@x", "3/1 3/2 3/3 3/4 3/5");
    assert_int_equal(thread_of(f, "b@x", NULL), hash(f, "a@x"));
}

/* What is read meanwhile may be of before, or of after. */
static void changes_of_the_map_are_counted_before_and_after(void **state)
{
    struct fixture *f = *state;
    uint64_t changes = 7;
    const struct thread_fact fact = {.box = f->inbox->box, .uid = 1, .own = 1};
    struct store_commit_params params = {.map_changes = &changes};
    assert_int_equal(world_commit(&f->w, params).code, ERR_OK);
    assert_int_equal(changes, 7);
    params.threads = &fact;
    params.thread_count = 1;
    assert_int_equal(world_commit(&f->w, params).code, ERR_OK);
    assert_int_equal(changes, 9);
}

static void rows_go_with_their_messages_and_mailboxes(void **state)
{
    struct fixture *f = *state;
    const uint32_t gone = 2;
    for (uint32_t uid = 1; uid <= 3; uid++) {
        char id[16];
        (void)snprintf(id, sizeof id, "%u@x", (unsigned)uid);
        arrive(f, f->inbox, uid, id, "root@x");
    }
    arrive(f, f->sent, 9, "s@x", "root@x");
    assert_int_equal(world_delete(&f->w, f->inbox, &gone, 1).code, ERR_OK);
    check_messages(f, "root@x", "3/1 3/3 4/9");
    mailbox_clear_rows(f->inbox);
    struct mailbox_change change = {.m = f->inbox, .shadow_rows = true};
    assert_int_equal(world_commit(&f->w, (struct store_commit_params){.changes = &change,
                                                                      .change_count = 1})
                         .code,
                     ERR_OK);
    check_messages(f, "root@x", "4/9");
    change = (struct mailbox_change){.m = f->sent, .remove = true};
    assert_int_equal(world_commit(&f->w, (struct store_commit_params){.changes = &change,
                                                                      .change_count = 1})
                         .code,
                     ERR_OK);
    check_messages(f, "root@x", "");
}

/* Thousands of messages: buckets split and chunks fill, commit by commit. */
static void many_facts_are_found_again(void **state)
{
    struct fixture *f = *state;
    enum {
        MANY = 4000,
        STEP = 500
    };
    struct thread_fact *facts = mem_array(STEP, sizeof *facts);
    for (uint32_t end = MANY; end > 0; end -= STEP) {
        for (uint32_t i = 0; i < STEP; i++) {
            uint32_t uid = end - STEP + i + 1;
            facts[i] = (struct thread_fact){.box = 3, .uid = uid, .own = spread(uid)};
            if (uid % 4 != 1) {
                thread_fact_add(&facts[i], spread(uid - (uid - 1) % 4));
            }
        }
        struct thread_progress low = {.box = 3, .low_uid = end - STEP + 1};
        struct err err = world_commit(
            &f->w, (struct store_commit_params){
                       .threads = facts, .thread_count = STEP, .thread_progress = &low});
        assert_int_equal(err.code, ERR_OK);
        assert_int_equal(low_of(f, f->inbox), low.low_uid);
    }
    mem_free(facts);
    for (uint32_t uid = 1; uid <= MANY; uid += 397) {
        struct answer a = {0};
        struct thread_query q = {.own = spread(uid)};
        (void)store_threads_start(f->w.store, &f->w.acct, &q, 1, on_thread, &a);
        loop_fixture_run_until(f->w.loop, &a.done, WORLD_WAIT_MS);
        assert_int_equal(a.thread, spread(uid - (uid - 1) % 4));
        const uint32_t box = 3;
        a.done = false;
        (void)store_thread_list_start(f->w.store, &f->w.acct, a.thread, &box, 1, 100,
                                      on_messages, &a);
        loop_fixture_run_until(f->w.loop, &a.done, WORLD_WAIT_MS);
        char expected[64];
        uint32_t first = uid - (uid - 1) % 4;
        (void)snprintf(expected, sizeof expected, "3/%u 3/%u 3/%u 3/%u", (unsigned)first,
                       (unsigned)first + 1, (unsigned)first + 2, (unsigned)first + 3);
        assert_string_equal(a.text, expected);
    }
}

/* --- questions that come later --- */

enum {
    ASKED = 12
};

struct answers {
    bool done;
    struct err err;
    size_t count;
    uint64_t threads[ASKED];
};

static void on_threads(struct store_threads *op, const struct err *err,
                       const uint64_t *threads, size_t count, void *ctx)
{
    (void)op;
    struct answers *a = ctx;
    a->err = *err;
    a->count = count;
    assert_true(count <= ASKED);
    if (count > 0) {
        memcpy(a->threads, threads, count * sizeof *threads);
    }
    a->done = true;
}

/* `expected` decides whether the buckets are read before the questions, pauses whether these
 * come together, and who counts changes takes what was kept; the answers are the same. */
static void questions_may_come_while_others_are_answered(void **state)
{
    struct fixture *f = *state;
    static const struct {
        size_t expected, pause_after;
        uint64_t changes;
    } cases[] = {{0, 0, 0},     {0, 1, 0},     {0, 5, 1},     {0, 5, 1},   {ASKED, 0, 0},
                 {ASKED, 1, 2}, {ASKED, 0, 2}, {ASKED, 1, 0}, {1000, 4, 3}};
    char id[16], root[16];
    for (uint32_t i = 0; i < ASKED; i++) {
        (void)snprintf(id, sizeof id, "%u@x", (unsigned)i);
        (void)snprintf(root, sizeof root, "root%u@x", (unsigned)(i % 3));
        arrive(f, f->inbox, i + 1, id, root);
    }
    for (size_t n = 0; n < ARRAY_LEN(cases); n++) {
        struct answers a = {0};
        struct store_threads *op = store_threads_begin(
            f->w.store, &f->w.acct, cases[n].expected, &cases[n].changes, on_threads, &a);
        for (uint32_t i = 0; i < ASKED; i++) {
            (void)snprintf(id, sizeof id, "%u@x", (unsigned)i);
            const struct thread_query q = {.own = hash(f, id)};
            assert_true(store_threads_add(op, &q));
            if (i + 1 == cases[n].pause_after) {
                loop_fixture_run_for(f->w.loop, 50);
            }
        }
        assert_false(a.done);
        store_threads_end(op);
        loop_fixture_run_until(f->w.loop, &a.done, WORLD_WAIT_MS);
        assert_int_equal(a.err.code, ERR_OK);
        assert_int_equal(a.count, ASKED);
        for (uint32_t i = 0; i < ASKED; i++) {
            (void)snprintf(root, sizeof root, "root%u@x", (unsigned)(i % 3));
            assert_int_equal(a.threads[i], hash(f, root));
        }
    }
}

/* 4, 8, 12 … name the three before each, whose rows were written before they were joined. */
static void facts_start(struct fixture *f, uint32_t from, uint32_t to,
                        struct world_call *call)
{
    static struct thread_fact facts[THREAD_FACTS_MAX];
    for (uint32_t uid = from; uid < to; uid++) {
        struct thread_fact *fact = &facts[uid - from];
        *fact = (struct thread_fact){.box = 3, .uid = uid, .own = spread(uid)};
        for (uint32_t before = uid % 4 == 0 ? 3 : 0; before > 0; before--) {
            thread_fact_add(fact, spread(uid - before));
        }
    }
    world_commit_start(
        &f->w, (struct store_commit_params){.threads = facts, .thread_count = to - from},
        call);
}

static void commit_facts(struct fixture *f, uint32_t from, uint32_t to)
{
    struct world_call call;
    facts_start(f, from, to, &call);
    world_wait(&f->w, &call);
    assert_int_equal(call.err.code, ERR_OK);
}

/* Whatever the commit was about when the list began. */
static void threads_are_listed_whole_while_buckets_are_split(void **state)
{
    struct fixture *f = *state;
    const uint32_t boxes[] = {3};
    uint32_t end = 501;
    commit_facts(f, 1, end);
    for (unsigned turns = 0; turns < 12; turns++, end += 500) {
        struct answer a[25] = {0};
        struct world_call call;
        facts_start(f, end, end + 500, &call);
        for (unsigned i = 0; i < turns && !call.done; i++) {
            (void)loop_turn(f->w.loop, true);
        }
        for (uint32_t i = 0; i < ARRAY_LEN(a); i++) {
            (void)store_thread_list_start(f->w.store, &f->w.acct, spread(1 + 20 * i),
                                          boxes, 1, 100, on_messages, &a[i]);
        }
        world_wait(&f->w, &call);
        for (uint32_t i = 0; i < ARRAY_LEN(a); i++) {
            char expected[64];
            uint32_t root = 1 + 20 * i;
            (void)snprintf(expected, sizeof expected, "3/%u 3/%u 3/%u 3/%u", root,
                           root + 1, root + 2, root + 3);
            loop_fixture_run_until(f->w.loop, &a[i].done, WORLD_WAIT_MS);
            assert_int_equal(a[i].err.code, ERR_OK);
            assert_string_equal(a[i].text, expected);
        }
    }
}

static void buckets_that_are_split_meanwhile_are_found(void **state)
{
    struct fixture *f = *state;
    struct answers a = {0};
    const uint64_t uncounted = 1;
    commit_facts(f, 1, 501);
    struct store_threads *op =
        store_threads_begin(f->w.store, &f->w.acct, 0, &uncounted, on_threads, &a);
    loop_fixture_run_for(f->w.loop, 50);
    commit_facts(f, 501, 1001);
    commit_facts(f, 1001, 2001);
    for (uint32_t i = 0; i < ASKED; i++) {
        const struct thread_query q = {.own = spread(2 + 40 * i)};
        assert_true(store_threads_add(op, &q));
    }
    store_threads_end(op);
    loop_fixture_run_until(f->w.loop, &a.done, WORLD_WAIT_MS);
    assert_int_equal(a.err.code, ERR_OK);
    assert_true(thread_kept_buckets(f->w.store, &f->w.acct) > 4);
    for (uint32_t i = 0; i < ASKED; i++) {
        assert_int_equal(a.threads[i], spread(1 + 40 * i));
    }
}

static void nothing_asked_is_answered_at_once(void **state)
{
    struct fixture *f = *state;
    struct answers a = {0};
    store_threads_end(
        store_threads_begin(f->w.store, &f->w.acct, ASKED, NULL, on_threads, &a));
    loop_fixture_run_until(f->w.loop, &a.done, WORLD_WAIT_MS);
    assert_int_equal(a.err.code, ERR_OK);
    assert_int_equal(a.count, 0);
}

static void questions_behind_the_end_of_the_operation_are_not_taken(void **state)
{
    struct fixture *f = *state;
    struct answers a = {0};
    const struct thread_query q = {.own = 1};
    struct store_threads *op =
        store_threads_begin(f->w.store, &f->w.acct, ASKED, NULL, on_threads, &a);
    assert_true(store_threads_add(op, &q));
    store_threads_cancel(op);
    assert_false(store_threads_add(op, &q));
    store_threads_end(op);
    loop_fixture_run_until(f->w.loop, &a.done, WORLD_WAIT_MS);
    assert_int_equal(a.err.code, ERR_CANCELED);
}

#define IN_STORE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(joins_agree_with_a_simple_model),
        cmocka_unit_test(damaged_buckets_are_refused),
        cmocka_unit_test(rows_survive_their_codec),
        cmocka_unit_test(the_first_and_the_youngest_references_are_kept),
        cmocka_unit_test(thread_ids_are_read_back),
        IN_STORE(an_account_without_facts_has_no_threads),
        IN_STORE(replies_join_the_first_reference),
        IN_STORE(the_order_of_arrival_does_not_matter),
        IN_STORE(a_missing_parent_still_joins_its_children),
        IN_STORE(a_later_message_joins_two_threads),
        IN_STORE(changes_of_the_map_are_counted_before_and_after),
        IN_STORE(rows_go_with_their_messages_and_mailboxes),
        IN_STORE(many_facts_are_found_again),
        IN_STORE(questions_may_come_while_others_are_answered),
        IN_STORE(threads_are_listed_whole_while_buckets_are_split),
        IN_STORE(buckets_that_are_split_meanwhile_are_found),
        IN_STORE(nothing_asked_is_answered_at_once),
        IN_STORE(questions_behind_the_end_of_the_operation_are_not_taken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
