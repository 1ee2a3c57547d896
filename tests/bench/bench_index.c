/* What the message index costs: bytes a message in Redis, and time of the operations that
 * everything else is made of. Usage: bench_index [redis-url]. Without a URL it starts a
 * redis-server of its own. The last line is JSON. */
#include "postrider/base/clock.h"
#include "postrider/base/log.h"
#include "row_model.h"
#include "store_world.h"

#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    ROWS = 100000,
    BATCH = 2 * SEGMENT_ROWS,
    REPEATS = 500
};

struct result {
    const char *name; /* of the JSON member, with its unit */
    double value;
};

struct bench {
    struct store_world w;
    struct prng prng;
    struct result results[24];
    size_t result_count;
    bool used_memory_known;
    long long used_memory;
};

static void must(struct err err)
{
    if (err.code != ERR_OK) {
        (void)fprintf(stderr, "%s: %s\n", err_code_name(err.code), err.msg);
        exit(1);
    }
}

static void note(struct bench *b, const char *name, double value)
{
    b->results[b->result_count++] = (struct result){name, value};
}

/* --- memory ------------------------------------------------------------------------ */

static void on_info(struct redis_cmd *cmd, const struct err *err,
                    const struct redis_reply *reply, void *ctx)
{
    (void)cmd;
    struct bench *b = ctx;
    if (err != NULL && err->code != ERR_OK) {
        must(*err);
    }
    size_t at = str_ifind(reply->str, "used_memory:");
    b->used_memory = strtoll(reply->str.ptr + at + sizeof "used_memory:" - 1, NULL, 10);
    b->used_memory_known = true;
}

static double used_memory(struct bench *b)
{
    b->used_memory_known = false;
    (void)redis_cmdf_start(b->w.redis, REDIS_DEADLINE_MS, on_info, b, "INFO memory");
    while (!b->used_memory_known) {
        loop_turn(b->w.loop, true);
    }
    return (double)b->used_memory;
}

/* --- operations -------------------------------------------------------------------- */

/* As an initial walk does it: newest first, batch by batch. */
static double fill_ms(struct bench *b, struct mailbox *m, const struct msg_row *rows)
{
    int64_t started_us = clock_mono_us();
    for (size_t end = ROWS; end > 0;) {
        size_t n = end < BATCH ? end : BATCH;
        must(world_put(&b->w, m, rows + end - n, n));
        end -= n;
    }
    return (double)(clock_mono_us() - started_us) / 1000;
}

static void bench_memory(struct bench *b, const char *name, unsigned kinds, uint32_t box)
{
    struct arena arena = {0};
    struct msg_row *rows = ARENA_ARRAY(&arena, struct msg_row, ROWS);
    struct mailbox *m = mailbox_new(box, STR("x"), STR("x"), '/');
    rows_random(&b->prng, &arena, rows, ROWS, 1, kinds);
    double before = used_memory(b);
    (void)fill_ms(b, m, rows);
    note(b, name, (used_memory(b) - before) / ROWS);
    struct mailbox_change change = {.m = m, .remove = true};
    must(world_commit(
        &b->w, (struct store_commit_params){.changes = &change, .change_count = 1}));
    mailbox_free(&m);
    arena_fini(&arena);
}

/* Three of five messages answer one of the thousand before them. */
static struct thread_fact fact_of(struct bench *b, uint64_t *threads, uint32_t uid)
{
    uint64_t own = (uid * 0x9e3779b97f4a7c15ULL >> 16) | 1;
    struct thread_fact fact = {.box = 6, .uid = uid, .own = own};
    threads[uid] = own;
    if (uid > 1000 && prng_below(&b->prng, 5) < 3) {
        uint32_t parent = uid - 1 - prng_below(&b->prng, 1000);
        threads[uid] = threads[parent];
        thread_fact_add(&fact, threads[parent]);
        thread_fact_add(&fact, (parent * 0x9e3779b97f4a7c15ULL >> 16) | 1);
    }
    return fact;
}

static void bench_threads(struct bench *b)
{
    enum {
        STEP = 500
    };
    struct arena arena = {0};
    struct thread_fact *facts = ARENA_ARRAY(&arena, struct thread_fact, STEP);
    uint64_t *threads = ARENA_ARRAY(&arena, uint64_t, ROWS + 1);
    double before = used_memory(b);
    int64_t started_us = clock_mono_us();
    for (uint32_t uid = 1; uid <= ROWS; uid += STEP) {
        for (uint32_t i = 0; i < STEP; i++) {
            facts[i] = fact_of(b, threads, uid + i);
        }
        must(world_commit(
            &b->w, (struct store_commit_params){.threads = facts, .thread_count = STEP}));
    }
    note(b, "threads_100000_ms", (double)(clock_mono_us() - started_us) / 1000);
    note(b, "bytes_of_threads", (used_memory(b) - before) / ROWS);
    arena_fini(&arena);
}

static void bench_append(struct bench *b, struct mailbox *m, uint32_t uid)
{
    struct arena arena = {0};
    int64_t started_us = clock_mono_us();
    for (uint32_t i = 0; i < REPEATS; i++) {
        struct msg_row row =
            row_random(&b->prng, &arena, uid + i, ROW_PRINTS | ROW_MODSEQ);
        must(world_put(&b->w, m, &row, 1));
    }
    note(b, "append_1_us", (double)(clock_mono_us() - started_us) / REPEATS);
    arena_fini(&arena);
}

static void bench_flag_change(struct bench *b, struct mailbox *m,
                              const struct msg_row *rows)
{
    int64_t started_us = clock_mono_us();
    for (size_t i = 0; i < REPEATS; i++) {
        struct msg_row row = rows[prng_below(&b->prng, ROWS)];
        row.flags ^= 4;
        must(world_put(&b->w, m, &row, 1));
    }
    note(b, "flag_change_us", (double)(clock_mono_us() - started_us) / REPEATS);
}

static void bench_pages(struct bench *b, const struct mailbox *m, const char *name,
                        uint32_t size)
{
    struct msg_row *got;
    size_t count;
    int64_t started_us = clock_mono_us();
    for (size_t i = 0; i < REPEATS; i++) {
        struct arena arena = {0};
        must(world_rank(&b->w, m, prng_below(&b->prng, ROWS - size), size, &arena, &got,
                        &count));
        arena_fini(&arena);
    }
    note(b, name, (double)(clock_mono_us() - started_us) / REPEATS);
}

static void bench_scan(struct bench *b, const struct mailbox *m)
{
    enum {
        SCANS = 5
    };
    struct msg_row *got;
    size_t count;
    int64_t started_us = clock_mono_us();
    for (size_t i = 0; i < SCANS; i++) {
        struct arena arena = {0};
        must(world_scan(&b->w, m, 0, UINT32_MAX, &arena, &got, &count));
        arena_fini(&arena);
    }
    note(b, "scan_100000_ms", (double)(clock_mono_us() - started_us) / SCANS / 1000);
}

static void bench_times(struct bench *b)
{
    struct arena arena = {0};
    struct msg_row *rows = ARENA_ARRAY(&arena, struct msg_row, ROWS);
    struct mailbox *m = mailbox_new(9, STR("x"), STR("x"), '/');
    rows_random(&b->prng, &arena, rows, ROWS, 1, ROW_PRINTS | ROW_MODSEQ);
    note(b, "fill_100000_ms", fill_ms(b, m, rows));
    bench_append(b, m, rows[ROWS - 1].uid + 1);
    bench_flag_change(b, m, rows);
    bench_pages(b, m, "rank_page_20_us", 20);
    bench_pages(b, m, "rank_page_100_us", 100);
    bench_scan(b, m);
    mailbox_free(&m);
    arena_fini(&arena);
}

static void print(const struct bench *b)
{
    for (size_t i = 0; i < b->result_count; i++) {
        printf("%-36s %10.2f\n", b->results[i].name, b->results[i].value);
    }
    printf("{\"bench\":\"index\",\"rows\":%d", (int)ROWS);
    for (size_t i = 0; i < b->result_count; i++) {
        printf(",\"%s\":%.2f", b->results[i].name, b->results[i].value);
    }
    printf("}\n");
}

int main(int argc, char **argv)
{
    static struct bench b = {.prng = {7}};
    log_configure(LOG_ERROR, LOG_FORMAT_TEXT);
    store_world_start(&b.w, NULL, argc > 1 ? argv[1] : NULL);
    bench_memory(&b, "bytes_a_message", ROW_PRINTS | ROW_MODSEQ, 1);
    bench_memory(&b, "bytes_without_modseq", ROW_PRINTS, 2);
    bench_memory(&b, "bytes_with_numeric_email_ids",
                 ROW_PRINTS | ROW_MODSEQ | ROW_EMAIL_NUMBERS, 3);
    bench_memory(&b, "bytes_with_128_bit_email_ids",
                 ROW_PRINTS | ROW_MODSEQ | ROW_EMAIL_HEX, 4);
    bench_memory(&b, "bytes_with_numbers_and_labels",
                 ROW_PRINTS | ROW_MODSEQ | ROW_EMAIL_NUMBERS | ROW_LABELS, 5);
    bench_threads(&b);
    bench_times(&b);
    store_world_end(&b.w);
    print(&b);
    return 0;
}
