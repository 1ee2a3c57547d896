#include "postrider/base/buf.h"
#include "row_model.h"
#include "store_index.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum {
    SEED = 20240611
};

struct fixture {
    struct arena arena;
    struct buf out;
};

static int setup(void **state)
{
    static struct fixture f;
    arena_init(&f.arena);
    buf_init(&f.out, SEGMENT_BYTES_MAX);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    arena_fini(&f->arena);
    buf_fini(&f->out);
    return 0;
}

static void assert_round_trip(struct fixture *f, const struct msg_row *rows, size_t count)
{
    struct msg_row *again;
    size_t again_count;
    struct err err = {0};
    buf_clear(&f->out);
    assert_true(segment_encode(rows, count, &f->out));
    if (!segment_decode(&f->arena, buf_str(&f->out), &again, &again_count, &err)) {
        fail_msg("%s", err.msg);
    }
    assert_int_equal(again_count, count);
    assert_true(rows_equal(rows, again, count));
}

static void every_mix_of_columns_comes_back(void **state)
{
    struct fixture *f = *state;
    struct msg_row rows[SEGMENT_ROWS];
    for (unsigned kinds = 0; kinds <= ROW_KIND_ALL; kinds++) {
        struct prng p = {SEED + kinds};
        size_t counts[] = {1, 2, 1 + prng_below(&p, SEGMENT_ROWS), SEGMENT_ROWS};
        for (size_t c = 0; c < ARRAY_LEN(counts); c++) {
            rows_random(&p, &f->arena, rows, counts[c], 1 + prng_below(&p, 1000000),
                        kinds);
            assert_round_trip(f, rows, counts[c]);
        }
        arena_reset(&f->arena);
    }
}

static void extremes_come_back(void **state)
{
    struct fixture *f = *state;
    const struct msg_row ends[] = {
        {.uid = 1, .modseq = UINT64_MAX, .fingerprint = UINT32_MAX, .flags = 0xff},
        {.uid = UINT32_MAX, .modseq = 0, .email_id = STR("")},
    };
    assert_round_trip(f, ends, 2);
    assert_round_trip(f, ends + 1, 1);
    static const char *const ids[] = {
        "0", "00", "18446744073709551615", "18446744073709551616", "a", "Mab", "ABCD"};
    for (size_t i = 0; i < ARRAY_LEN(ids); i++) {
        struct msg_row row = {.uid = 9, .email_id = str_of(ids[i])};
        assert_round_trip(f, &row, 1);
    }
}

/* The budget of the index: fingerprints are random and take 4 of the 8 bytes. */
static void a_usual_row_costs_less_than_six_bytes(void **state)
{
    struct fixture *f = *state;
    struct msg_row rows[SEGMENT_ROWS];
    struct prng p = {SEED};
    rows_random(&p, &f->arena, rows, SEGMENT_ROWS, 70000, ROW_PRINTS | ROW_MODSEQ);
    assert_round_trip(f, rows, SEGMENT_ROWS);
    print_message("%zu bytes for %d rows\n", f->out.len, (int)SEGMENT_ROWS);
    assert_true(f->out.len <= (size_t)SEGMENT_ROWS * 13 / 2);
}

/* Whatever the bytes are: refused, or rows that are valid and come back as they are. */
static void assert_sane(struct fixture *f, const char *bytes, size_t len)
{
    struct msg_row *rows;
    size_t count;
    struct err err = {0};
    if (!segment_decode(&f->arena, str_from(bytes, len), &rows, &count, &err)) {
        assert_int_equal(err.code, ERR_CORRUPT);
        return;
    }
    assert_in_range(count, 1, SEGMENT_ROWS);
    assert_round_trip(f, rows, count);
}

static void damage_is_refused_or_reads_as_other_rows(void **state)
{
    struct fixture *f = *state;
    struct msg_row rows[48];
    static const unsigned mixes[] = {ROW_PRINTS | ROW_MODSEQ,
                                     ROW_MODSEQ_RANDOM | ROW_KEYWORDS | ROW_EMAIL_ANY,
                                     ROW_EMAIL_NUMBERS, ROW_EMAIL_HEX};
    for (size_t m = 0; m < ARRAY_LEN(mixes); m++) {
        struct prng p = {SEED + m};
        rows_random(&p, &f->arena, rows, ARRAY_LEN(rows), 17, mixes[m]);
        buf_clear(&f->out);
        assert_true(segment_encode(rows, ARRAY_LEN(rows), &f->out));
        size_t len = f->out.len;
        char *bytes = arena_memdup(&f->arena, f->out.bytes, len);
        struct arena keep = f->arena;
        f->arena = (struct arena){0};
        for (size_t cut = 0; cut < len; cut++) {
            struct msg_row *ignored;
            size_t count;
            /* A copy of just this size, so that a read behind it is seen. */
            char *exact = arena_memdup(&f->arena, bytes, cut);
            assert_false(
                segment_decode(&f->arena, str_from(exact, cut), &ignored, &count, NULL));
        }
        for (size_t bit = 0; bit < len * 8; bit++) {
            bytes[bit / 8] = (char)(bytes[bit / 8] ^ 1 << bit % 8);
            assert_sane(f, bytes, len);
            bytes[bit / 8] = (char)(bytes[bit / 8] ^ 1 << bit % 8);
            arena_reset(&f->arena);
        }
        arena_fini(&f->arena);
        f->arena = keep;
    }
}

static void a_full_buffer_is_reported(void **state)
{
    struct fixture *f = *state;
    struct msg_row row = {.uid = 1, .fingerprint = 7};
    struct buf tight = BUF_INIT(6);
    (void)f;
    assert_false(segment_encode(&row, 1, &tight));
    buf_fini(&tight);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_mix_of_columns_comes_back, setup, teardown),
        cmocka_unit_test_setup_teardown(extremes_come_back, setup, teardown),
        cmocka_unit_test_setup_teardown(a_usual_row_costs_less_than_six_bytes, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(damage_is_refused_or_reads_as_other_rows, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_full_buffer_is_reported, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
