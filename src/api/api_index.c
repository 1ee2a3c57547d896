#include "api_priv.h"
#include "postrider/base/check.h"
#include "postrider/base/mem.h"

struct str api_segment_name(struct str segment)
{
    bool is_name =
        segment.len > 2 && segment.ptr[0] == '{' && segment.ptr[segment.len - 1] == '}';
    return is_name ? str_from(segment.ptr + 1, segment.len - 2) : STR_NULL;
}

static bool has_param(const struct api_route *route, struct str name)
{
    struct field_walk walk;
    field_walk_init(&walk, route->params, route->param_count);
    return field_walk_find(&walk, name) != NULL;
}

/* A row whose path and parameter table differ is a mistake that every start shows. */
static void fill_entry(struct api_entry *entry, const struct api_route *route)
{
    CHECK(route->handler != NULL && route->operation_id != NULL);
    CHECK((route->flags & API_PUBLIC) != 0 || route->scope != NULL);
    CHECK(route->path[0] == '/');
    struct str rest = str_of(route->path + 1);
    struct str piece;
    size_t names = 0;
    entry->route = route;
    while (str_split(&rest, '/', &piece)) {
        CHECK(piece.len > 0 && entry->segment_count < API_SEGMENTS_MAX);
        entry->segments[entry->segment_count++] = piece;
        struct str name = api_segment_name(piece);
        if (name.ptr != NULL) {
            CHECK(has_param(route, name));
            names++;
        }
    }
    CHECK(names == field_rows_count(route->params, route->param_count));
}

void api_index_init(struct api_index *index, const struct api_table *tables,
                    size_t table_count)
{
    size_t total = 0;
    for (size_t i = 0; i < table_count; i++) {
        total += tables[i].count;
    }
    index->entries = mem_array(total > 0 ? total : 1, sizeof *index->entries);
    index->count = 0;
    for (size_t i = 0; i < table_count; i++) {
        for (size_t j = 0; j < tables[i].count; j++) {
            fill_entry(&index->entries[index->count++], &tables[i].rows[j]);
        }
    }
}

void api_index_fini(struct api_index *index)
{
    mem_free(index->entries);
    *index = (struct api_index){0};
}

/* Bit n counted from the top is set where segment n is literal, so that the greater rank
 * is the better match; the lowest bit is set for every match. */
static uint32_t rank(const struct api_entry *entry, const struct str *segments,
                     size_t count)
{
    uint32_t bits = 1;
    if (entry->segment_count != count) {
        return 0;
    }
    for (size_t i = 0; i < count; i++) {
        if (api_segment_name(entry->segments[i]).ptr != NULL) {
            continue;
        }
        if (!str_eq(entry->segments[i], segments[i])) {
            return 0;
        }
        bits |= 1u << (31 - i);
    }
    return bits;
}

static void add_method(struct buf *allow, const char *method)
{
    if (str_ifind(buf_str(allow), method) == SIZE_MAX || allow->len == 0) {
        (void)buf_printf(allow, "%s%s", allow->len > 0 ? ", " : "", method);
    }
}

enum api_match api_index_find(const struct api_index *index, const char *method,
                              const struct str *segments, size_t count,
                              const struct api_entry **entry_out, struct buf *allow)
{
    const char *wanted = strcmp(method, "HEAD") == 0 ? "GET" : method;
    const struct api_entry *best = NULL;
    uint32_t best_rank = 0;
    for (size_t i = 0; i < index->count; i++) {
        const struct api_entry *entry = &index->entries[i];
        uint32_t r = rank(entry, segments, count);
        if (r > best_rank && strcmp(entry->route->method, wanted) == 0) {
            best = entry;
            best_rank = r;
        }
    }
    if (best != NULL) {
        *entry_out = best;
        return API_MATCH_FOUND;
    }
    for (size_t i = 0; i < index->count; i++) {
        if (rank(&index->entries[i], segments, count) > 0) {
            add_method(allow, index->entries[i].route->method);
        }
    }
    return allow->len > 0 ? API_MATCH_NO_METHOD : API_MATCH_NO_PATH;
}
