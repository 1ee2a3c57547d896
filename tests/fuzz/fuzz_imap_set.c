/* fuzz_imap_set: sequence sets.
 * Property what was parsed prints to text that parses to the same set, in one piece and in
 *          pieces of limited length; normalizing keeps membership and leaves sorted,
 *          separate ranges */
#include "postrider/base/check.h"
#include "postrider/imap/imap_value.h"

enum {
    OUTPUT_MAX = 64 * 1024 * 1024,
    PIECE_BYTES = 40
};

static void check_equal(const struct imap_set *a, const struct imap_set *b)
{
    CHECK(a->count == b->count);
    for (size_t i = 0; i < a->count; i++) {
        CHECK(a->ranges[i].lo == b->ranges[i].lo && a->ranges[i].hi == b->ranges[i].hi);
    }
}

static void check_pieces(const struct imap_set *set, struct arena *arena)
{
    struct buf all = BUF_INIT(OUTPUT_MAX), pieces = BUF_INIT(OUTPUT_MAX);
    struct imap_set again;
    CHECK(imap_set_print(&all, set, 0, SIZE_MAX) == set->count);
    CHECK(imap_set_parse(arena, buf_str(&all), &again));
    check_equal(set, &again);
    for (size_t at = 0; at < set->count;) {
        size_t before = pieces.len;
        size_t n = imap_set_print(&pieces, set, at, PIECE_BYTES);
        CHECK(n > 0 && pieces.len - before <= PIECE_BYTES);
        at += n;
        buf_put_c(&pieces, at < set->count ? "," : "");
    }
    CHECK(str_eq(buf_str(&all), buf_str(&pieces)));
    buf_fini(&all);
    buf_fini(&pieces);
}

static void check_normal(struct imap_set *set, struct arena *arena)
{
    struct imap_set before = {
        .ranges = arena_memdup(arena, set->ranges, set->count * sizeof *set->ranges),
        .count = set->count};
    imap_set_normalize(set);
    CHECK(imap_set_count(set) <= imap_set_count(&before));
    for (size_t i = 0; i < before.count && i < 64; i++) {
        CHECK(imap_set_contains(set, before.ranges[i].lo));
        CHECK(imap_set_contains(set, before.ranges[i].hi));
    }
    for (size_t i = 0; i < set->count && i < 64; i++) {
        CHECK(imap_set_contains(&before, set->ranges[i].lo));
        CHECK(i == 0 || set->ranges[i].lo - 1 > set->ranges[i - 1].hi);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena = {0};
    struct imap_set set;
    if (imap_set_parse(&arena, str_from(data, size), &set)) {
        check_pieces(&set, &arena);
        check_normal(&set, &arena);
        check_pieces(&set, &arena);
    }
    arena_fini(&arena);
    return 0;
}
