#include "row_model.h"
#include "store_index.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

enum {
    OPERATIONS = 20000,
    MODEL_MAX = 3000,
    BATCH_MAX = 700
};

/* What is stored: the directory and the rows of every segment; and the same rows in one
 * sorted array, edited in the plain way. */
struct world {
    struct arena arena; /* of the current state */
    struct segment_entry *dir;
    const struct msg_row **rows;
    size_t count;
    struct msg_row *model;
    size_t model_count;
    struct segment_edit last;
    size_t last_needed;
};

static void model_apply(struct world *w, const struct segment_edit_input *in)
{
    struct msg_row *out = malloc((w->model_count + in->upsert_count + 1) * sizeof *out);
    size_t n = 0, u = 0, d = 0;
    for (size_t i = 0; i < w->model_count || u < in->upsert_count;) {
        if (u < in->upsert_count &&
            (i == w->model_count || in->upserts[u].uid <= w->model[i].uid)) {
            i += i < w->model_count && in->upserts[u].uid == w->model[i].uid;
            out[n++] = in->upserts[u++];
            continue;
        }
        while (d < in->delete_count && in->deletes[d] < w->model[i].uid) {
            d++;
        }
        if (d == in->delete_count || in->deletes[d] != w->model[i].uid) {
            out[n++] = w->model[i];
        }
        i++;
    }
    free(w->model);
    w->model = out;
    w->model_count = n;
}

static bool is_stored(const struct world *w, uint32_t first_uid)
{
    for (size_t i = 0; i < w->count; i++) {
        if (w->dir[i].first_uid == first_uid) {
            return true;
        }
    }
    return false;
}

/* Takes the result over as a store would: writes, removals, everything else as it was. */
static void take_over(struct world *w, const struct segment_edit *edit)
{
    struct arena next = {0};
    struct segment_entry *dir = ARENA_ARRAY(&next, struct segment_entry, edit->count);
    const struct msg_row **rows = ARENA_ARRAY(&next, const struct msg_row *, edit->count);
    size_t old = 0, removed = 0;
    for (size_t i = 0; i < edit->count; i++) {
        const struct edited_segment *s = &edit->segments[i];
        const struct msg_row *from = s->rows;
        if (from == NULL) {
            while (old < w->count && w->dir[old].first_uid < s->entry.first_uid) {
                old++;
            }
            assert_true(old < w->count);
            assert_memory_equal(&w->dir[old], &s->entry, sizeof s->entry);
            from = w->rows[old];
        }
        dir[i] = s->entry;
        rows[i] = arena_memdup(&next, from, s->entry.count * sizeof *from);
        assert_int_equal(from[0].uid, s->entry.first_uid);
        assert_int_equal(from[s->entry.count - 1].uid, s->entry.last_uid);
    }
    for (size_t i = 0; i < edit->removed_count; i++) {
        assert_true(is_stored(w, edit->removed[i]));
        removed++;
    }
    size_t kept = 0;
    for (size_t i = 0; i < edit->count; i++) {
        kept += is_stored(w, edit->segments[i].entry.first_uid);
    }
    assert_int_equal(kept + removed, w->count);
    arena_fini(&w->arena);
    w->arena = next;
    w->dir = dir;
    w->rows = rows;
    w->count = edit->count;
}

static void assert_like_model(const struct world *w)
{
    size_t at = 0;
    for (size_t i = 0; i < w->count; i++) {
        assert_in_range(w->dir[i].count, 1, SEGMENT_ROWS);
        assert_true(at + w->dir[i].count <= w->model_count);
        assert_true(rows_equal(w->rows[i], w->model + at, w->dir[i].count));
        at += w->dir[i].count;
    }
    assert_int_equal(at, w->model_count);
    assert_true(w->model_count > MAILBOX_INLINE_ROWS || w->count <= 1);
}

static void edit(struct world *w, struct segment_edit_input in)
{
    struct arena arena = {0};
    in.segments = w->dir;
    in.segment_count = w->count;
    in.inlined = w->count == 1 && w->dir[0].count <= MAILBOX_INLINE_ROWS;
    bool *need = ARENA_ARRAY(&arena, bool, w->count);
    const struct msg_row **rows = ARENA_ARRAY(&arena, const struct msg_row *, w->count);
    w->last_needed = segment_edit_plan(&in, need);
    for (size_t i = 0; i < w->count; i++) {
        rows[i] = need[i] ? w->rows[i] : NULL;
    }
    segment_edit_apply(&arena, &in, rows, &w->last);
    model_apply(w, &in);
    assert_int_equal(w->last.rows, w->model_count);
    if (in.upsert_count + in.delete_count > 0 && w->last.rows > 0 &&
        w->last.rows <= MAILBOX_INLINE_ROWS) {
        assert_non_null(w->last.segments[0].rows); /* they go into the record */
    }
    take_over(w, &w->last);
    w->last.segments = NULL;
    w->last.removed = NULL;
    arena_fini(&arena);
    assert_like_model(w);
}

static void world_fini(struct world *w)
{
    arena_fini(&w->arena);
    free(w->model);
    *w = (struct world){0};
}

/* --- a random walk ----------------------------------------------------------------- */

static size_t pick_deletes(struct prng *p, const struct world *w, uint32_t *out)
{
    size_t n = 0;
    if (w->model_count == 0 || prng_below(p, 3) == 0) {
        return 0;
    }
    /* Sometimes a whole range, mostly a few here and there; unknown UIDs among them. */
    uint32_t at = w->model[prng_below(p, (uint32_t)w->model_count)].uid;
    uint32_t step = prng_below(p, 3) == 0 ? 1 : 1 + prng_below(p, 300);
    size_t want = prng_below(p, w->model_count > MODEL_MAX / 2 ? BATCH_MAX : 40);
    for (; n < want; n++) {
        out[n] = at;
        at += 1 + prng_below(p, step);
    }
    return n;
}

static size_t pick_upserts(struct prng *p, const struct world *w, struct msg_row *out)
{
    uint32_t first = w->model_count > 0 ? w->model[0].uid : 500000;
    uint32_t last = w->model_count > 0 ? w->model[w->model_count - 1].uid : first;
    size_t want = prng_below(p, 4) == 0 ? prng_below(p, BATCH_MAX) : prng_below(p, 6);
    uint32_t step = 1 + prng_below(p, prng_below(p, 2) == 0 ? 1 : 40);
    uint32_t at;
    switch (prng_below(p, 4)) {
    case 0:
        at = last + 1; /* new mail */
        break;
    case 1: /* an initial walk */
        at = first > want * step ? first - (uint32_t)want * step : 1;
        break;
    default: /* flag changes, holes filled */
        at = first + prng_below(p, last - first + 1);
        break;
    }
    size_t n = 0;
    for (; n < want && w->model_count < MODEL_MAX; n++) {
        out[n] = row_random(p, NULL, at, ROW_PRINTS | ROW_MODSEQ);
        at += 1 + prng_below(p, step);
    }
    return n;
}

static void random_operations_equal_a_sorted_array(void **state)
{
    (void)state;
    static struct msg_row upserts[BATCH_MAX];
    static uint32_t deletes[BATCH_MAX];
    const char *chosen = getenv("POSTRIDER_TEST_SEED");
    uint64_t seed = chosen != NULL ? strtoull(chosen, NULL, 10) : 4711;
    print_message("seed %llu\n", (unsigned long long)seed);
    struct prng p = {seed};
    struct world w = {0};
    size_t segments = 0, rows = 0;
    for (size_t i = 0; i < OPERATIONS; i++) {
        struct segment_edit_input in = {.upserts = upserts, .deletes = deletes};
        in.upsert_count = pick_upserts(&p, &w, upserts);
        in.delete_count = pick_deletes(&p, &w, deletes);
        edit(&w, in);
        segments += w.count;
        rows += w.model_count;
    }
    print_message("%zu rows a segment on average\n", rows / segments);
    assert_true(rows / segments > SEGMENT_ROWS_MIN);
    world_fini(&w);
}

/* --- what is touched --------------------------------------------------------------- */

static void put_range(struct world *w, uint32_t first, size_t count)
{
    static struct msg_row rows[4096];
    for (size_t i = 0; i < count; i++) {
        rows[i] = (struct msg_row){.uid = first + (uint32_t)i, .fingerprint = 1};
    }
    edit(w, (struct segment_edit_input){.upserts = rows, .upsert_count = count});
}

static void an_initial_walk_touches_nothing_it_has_written(void **state)
{
    (void)state;
    static const size_t batches[] = {SEGMENT_ROWS, 3 * SEGMENT_ROWS, 1000, 200, 500};
    for (size_t b = 0; b < ARRAY_LEN(batches); b++) {
        struct world w = {0};
        uint32_t at = 100000;
        for (size_t round = 0; round < 8; round++) {
            at -= (uint32_t)batches[b];
            put_range(&w, at, batches[b]);
            assert_int_equal(w.last_needed, 0);
        }
        assert_int_equal(w.count, 8 * ((batches[b] + SEGMENT_ROWS - 1) / SEGMENT_ROWS));
        world_fini(&w);
    }
}

static void small_prepends_fill_the_first_segment(void **state)
{
    (void)state;
    struct world w = {0};
    for (uint32_t i = 0; i < 64; i++) {
        put_range(&w, 100000 - 16 * (i + 1), 16);
    }
    assert_true(w.count <= 10);
    world_fini(&w);
}

static void appends_fill_the_last_segment_only(void **state)
{
    (void)state;
    struct world w = {0};
    put_range(&w, 1, 1000);
    for (uint32_t uid = 1001; uid <= 3000; uid++) {
        put_range(&w, uid, 1);
        assert_true(w.last_needed <= 1);
    }
    assert_int_equal(w.count, (3000 + SEGMENT_ROWS - 1) / SEGMENT_ROWS);
    world_fini(&w);
}

static void a_shrunken_segment_joins_its_smaller_neighbour(void **state)
{
    (void)state;
    struct world w = {0};
    uint32_t deletes[600];
    put_range(&w, 1, 3 * SEGMENT_ROWS);
    size_t n = 0;
    for (uint32_t uid = 1; uid <= 100; uid++) { /* 156, 256, 256 */
        deletes[n++] = uid;
    }
    for (uint32_t uid = SEGMENT_ROWS + 1; uid <= 2 * SEGMENT_ROWS - 40; uid++) {
        deletes[n++] = uid; /* 156, 40, 256 */
    }
    edit(&w, (struct segment_edit_input){.deletes = deletes, .delete_count = n});
    assert_int_equal(w.count, 2);
    assert_int_equal(w.dir[0].count, 196);
    world_fini(&w);
}

static void few_rows_come_together_in_one_segment(void **state)
{
    (void)state;
    struct world w = {0};
    uint32_t deletes[2000];
    put_range(&w, 1, 2000);
    size_t n = 0;
    for (uint32_t uid = 1; uid <= 2000; uid++) {
        if (uid % 40 != 0) {
            deletes[n++] = uid;
        }
    }
    edit(&w, (struct segment_edit_input){.deletes = deletes, .delete_count = n});
    assert_int_equal(w.count, 1);
    assert_int_equal(w.dir[0].count, 50);
    edit(&w, (struct segment_edit_input){.deletes = deletes, .delete_count = n});
    assert_int_equal(w.count, 1);
    world_fini(&w);
}

static void a_small_segment_that_is_left_alone_moves_into_the_record(void **state)
{
    (void)state;
    struct world w = {0};
    uint32_t deletes[SEGMENT_ROWS];
    for (uint32_t i = 0; i < SEGMENT_ROWS; i++) {
        deletes[i] = i + 1;
    }
    put_range(&w, 1, SEGMENT_ROWS);
    put_range(&w, SEGMENT_ROWS + 1, 5);
    assert_int_equal(w.count, 2);
    edit(&w,
         (struct segment_edit_input){.deletes = deletes, .delete_count = SEGMENT_ROWS});
    assert_int_equal(w.count, 1);
    assert_int_equal(w.dir[0].count, 5);
    world_fini(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_operations_equal_a_sorted_array),
        cmocka_unit_test(an_initial_walk_touches_nothing_it_has_written),
        cmocka_unit_test(small_prepends_fill_the_first_segment),
        cmocka_unit_test(appends_fill_the_last_segment_only),
        cmocka_unit_test(a_shrunken_segment_joins_its_smaller_neighbour),
        cmocka_unit_test(few_rows_come_together_in_one_segment),
        cmocka_unit_test(a_small_segment_that_is_left_alone_moves_into_the_record),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
