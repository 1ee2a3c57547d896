/* Tombstones and shadows against a real redis-server. */
#include "loop_fixture.h"
#include "row_model.h"
#include "store_tombstone_priv.h"
#include "store_world.h"

#include "postrider/base/log.h"
#include "postrider/base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

struct fixture {
    struct store_world w;
    struct mailbox *m;
};

static int setup(void **state)
{
    static struct fixture f;
    f = (struct fixture){0};
    log_configure(LOG_OFF, LOG_FORMAT_TEXT);
    store_world_start(&f.w, NULL, NULL);
    f.m = mailbox_new(3, STR("INBOX"), STR("INBOX"), '/');
    f.m->number = 5;
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    mailbox_free(&f->m);
    store_world_end(&f->w);
    return 0;
}

/* --- codec --- */

static void a_tombstone_survives_its_codec(void **state)
{
    const struct tombstone rows[] = {
        {.key = 1},
        {.key = 2, .box = 1, .number = 2, .uid = 3, .fingerprint = 4, .deadline_ms = 5},
        {.key = UINT64_MAX,
         .box = UINT32_MAX,
         .number = UINT32_MAX,
         .uid = UINT32_MAX,
         .fingerprint = UINT32_MAX,
         .deadline_ms = INT64_MAX,
         .email_id =
             STR("0123456789012345678901234567890123456789012345678901234567890123")},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct buf text = BUF_INIT(TOMBSTONE_BYTES_MAX);
        struct tombstone back;
        struct err err = {0};
        assert_true(tombstone_encode(&rows[i], &text));
        assert_true(tombstone_decode(rows[i].key, buf_str(&text), &back, &err));
        assert_true(str_eq(back.email_id, rows[i].email_id));
        back.email_id = rows[i].email_id;
        assert_memory_equal(&back, &rows[i], sizeof back);
        for (size_t n = 0; n < text.len; n++) {
            assert_false(tombstone_decode(1, str_from(text.bytes, n), &back, &err));
            assert_int_equal(err.code, ERR_CORRUPT);
        }
        buf_fini(&text);
    }
}

/* --- in the store --- */

struct loaded {
    bool done;
    struct err err;
    struct tombstone items[8];
    char email_ids[8][MSG_EMAILID_MAX];
    size_t count;
    struct mailbox *shadow;
};

static void on_tombstones(struct store_tombstones *op, const struct err *err,
                          const struct tombstone *items, size_t count, void *ctx)
{
    (void)op;
    struct loaded *l = ctx;
    l->err = *err;
    l->count = count;
    for (size_t i = 0; i < count && i < ARRAY_LEN(l->items); i++) {
        l->items[i] = items[i];
        memcpy(l->email_ids[i], items[i].email_id.ptr, items[i].email_id.len);
        l->items[i].email_id.ptr = l->email_ids[i];
    }
    l->done = true;
}

static struct loaded load(struct fixture *f)
{
    struct loaded l = {0};
    (void)store_tombstones_start(f->w.store, &f->w.acct, on_tombstones, &l);
    loop_fixture_run_until(f->w.loop, &l.done, WORLD_WAIT_MS);
    assert_int_equal(l.err.code, ERR_OK);
    return l;
}

static void commit(struct fixture *f, struct mailbox_change *change,
                   struct store_commit_params params)
{
    change->m = f->m;
    params.changes = change;
    params.change_count = 1;
    struct err err = world_commit(&f->w, params);
    assert_int_equal(err.code, ERR_OK);
}

static void tombstones_are_added_and_forgotten_by_commits(void **state)
{
    struct fixture *f = *state;
    const struct tombstone some[] = {
        {.key = 10,
         .box = 3,
         .number = 5,
         .uid = 7,
         .fingerprint = 8,
         .deadline_ms = 9,
         .email_id = STR("M7")},
        {.key = 9,
         .box = 3,
         .number = 5,
         .uid = 6,
         .fingerprint = 1,
         .deadline_ms = 9,
         .email_id = STR("M6")},
    };
    const uint64_t gone[] = {10, 99};
    assert_int_equal(load(f).count, 0);
    commit(f, &(struct mailbox_change){0},
           (struct store_commit_params){
               .tombstones = some, .tombstone_count = 2, .tombstones_ttl_ms = 60000});
    struct loaded l = load(f);
    assert_int_equal(l.count, 2);
    assert_int_equal(l.items[0].key, 9);
    assert_int_equal(l.items[1].key, 10);
    assert_int_equal(l.items[1].uid, 7);
    assert_true(str_eq_c(l.items[1].email_id, "M7"));
    commit(
        f, &(struct mailbox_change){0},
        (struct store_commit_params){.tombstone_keys = gone, .tombstone_key_count = 2});
    l = load(f);
    assert_int_equal(l.count, 1);
    assert_int_equal(l.items[0].key, 9);
}

static void tombstones_expire_together(void **state)
{
    struct fixture *f = *state;
    const struct tombstone one = {.key = 1, .box = 3, .uid = 7, .email_id = STR("M")};
    commit(f, &(struct mailbox_change){0},
           (struct store_commit_params){
               .tombstones = &one, .tombstone_count = 1, .tombstones_ttl_ms = 50});
    for (int i = 0; i < 100 && load(f).count > 0; i++) {
        loop_fixture_run_for(f->w.loop, 10);
    }
    assert_int_equal(load(f).count, 0);
}

/* --- shadows --- */

static void on_shadow(struct store_shadow *op, const struct err *err,
                      struct mailbox *shadow, void *ctx)
{
    (void)op;
    struct loaded *l = ctx;
    l->err = *err;
    l->shadow = shadow;
    l->done = true;
}

static struct loaded load_shadow(struct fixture *f)
{
    struct loaded l = {0};
    (void)store_shadow_start(f->w.store, &f->w.acct, f->m->box, on_shadow, &l);
    loop_fixture_run_until(f->w.loop, &l.done, WORLD_WAIT_MS);
    return l;
}

static void check_rows(struct fixture *f, const struct mailbox *m, uint32_t count,
                       uint32_t first_uid)
{
    struct arena arena = {0};
    struct msg_row *rows;
    size_t n;
    struct err err = world_scan(&f->w, m, 1, UINT32_MAX, &arena, &rows, &n);
    assert_int_equal(err.code, ERR_OK);
    assert_int_equal(n, count);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(rows[i].uid, first_uid + i);
    }
    arena_fini(&arena);
}

static void put_rows(struct fixture *f, uint32_t first_uid, uint32_t count)
{
    struct msg_row rows[1000] = {{0}};
    assert_in_range(count, 1, ARRAY_LEN(rows));
    for (uint32_t i = 0; i < count; i++) {
        rows[i] = (struct msg_row){.uid = first_uid + i, .fingerprint = 1 + i};
    }
    struct err err = world_put(&f->w, f->m, rows, count);
    assert_int_equal(err.code, ERR_OK);
}

/* Small indexes lie in the record, large ones apart from it. */
static void the_former_index_stays_as_a_shadow(void **state)
{
    struct fixture *f = *state;
    static const uint32_t sizes[] = {10, 700};
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        put_rows(f, 1, sizes[i]);
        mailbox_clear_rows(f->m);
        f->m->epoch++;
        commit(f, &(struct mailbox_change){.shadow_rows = true},
               (struct store_commit_params){0});
        assert_int_equal(f->m->count, 0);
        check_rows(f, f->m, 0, 0);
        put_rows(f, 5000, 300);
        struct loaded l = load_shadow(f);
        assert_int_equal(l.err.code, ERR_OK);
        assert_int_equal(l.shadow->epoch, f->m->epoch - 1);
        assert_int_equal(l.shadow->count, sizes[i]);
        check_rows(f, l.shadow, sizes[i], 1);
        check_rows(f, f->m, 300, 5000);
        mailbox_free(&l.shadow);
        commit(f, &(struct mailbox_change){.drop_shadow = true},
               (struct store_commit_params){0});
        assert_int_equal(load_shadow(f).err.code, ERR_NOT_FOUND);
        check_rows(f, f->m, 300, 5000);
        mailbox_clear_rows(f->m);
        commit(f, &(struct mailbox_change){.drop_rows = true},
               (struct store_commit_params){0});
    }
}

static void a_mailbox_takes_its_shadow_along(void **state)
{
    struct fixture *f = *state;
    put_rows(f, 1, 300);
    mailbox_clear_rows(f->m);
    commit(f, &(struct mailbox_change){.shadow_rows = true},
           (struct store_commit_params){0});
    commit(f, &(struct mailbox_change){.remove = true}, (struct store_commit_params){0});
    assert_int_equal(load_shadow(f).err.code, ERR_NOT_FOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_tombstone_survives_its_codec),
        cmocka_unit_test_setup_teardown(tombstones_are_added_and_forgotten_by_commits,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(tombstones_expire_together, setup, teardown),
        cmocka_unit_test_setup_teardown(the_former_index_stays_as_a_shadow, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_mailbox_takes_its_shadow_along, setup,
                                        teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
