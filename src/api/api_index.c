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

static uint32_t literal_bit(size_t segment)
{
    return 1u << (31 - segment);
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
        struct str name = api_segment_name(piece);
        if (name.ptr != NULL) {
            CHECK(has_param(route, name));
            names++;
        } else {
            entry->rank |= literal_bit(entry->segment_count);
        }
        entry->segments[entry->segment_count++] = piece;
    }
    CHECK(names == field_rows_count(route->params, route->param_count));
}

/* What a request without arguments asks for; nothing where some are required. */
static json_t *plain_query(const struct api_route *route)
{
    struct spec_errors errs = {0};
    json_t *query = NULL;
    (void)spec_validate(route->query, route->query_count, NULL, &query, &errs);
    spec_errors_fini(&errs);
    return query;
}

/* Rows of equal length stay in the order of the tables: so does the header Allow. */
static void sort_entries(struct api_index *index, struct api_entry *all)
{
    size_t n = 0;
    for (size_t count = 0; count <= API_SEGMENTS_MAX; count++) {
        index->first[count] = n;
        for (size_t i = 0; i < index->count; i++) {
            if (all[i].segment_count == count) {
                index->entries[n++] = all[i];
            }
        }
    }
    index->first[API_SEGMENTS_MAX + 1] = n;
}

void api_index_init(struct api_index *index, const struct api_table *tables,
                    size_t table_count)
{
    size_t total = 0;
    for (size_t i = 0; i < table_count; i++) {
        total += tables[i].count;
    }
    struct api_entry *all = mem_array(total, sizeof *all);
    index->entries = mem_array(total, sizeof *index->entries);
    index->count = 0;
    for (size_t i = 0; i < table_count; i++) {
        for (size_t j = 0; j < tables[i].count; j++) {
            struct api_entry *entry = &all[index->count++];
            fill_entry(entry, &tables[i].rows[j]);
            entry->plain_query = plain_query(entry->route);
        }
    }
    sort_entries(index, all);
    mem_free(all);
}

void api_index_fini(struct api_index *index)
{
    for (size_t i = 0; i < index->count; i++) {
        json_decref(index->entries[i].plain_query);
    }
    mem_free(index->entries);
    *index = (struct api_index){0};
}

/* Of as many segments: each literal one is the same. */
static bool fits(const struct api_entry *entry, const struct str *segments)
{
    for (size_t i = 0; i < entry->segment_count; i++) {
        if ((entry->rank & literal_bit(i)) != 0 &&
            !str_eq(entry->segments[i], segments[i])) {
            return false;
        }
    }
    return true;
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
    size_t first = count <= API_SEGMENTS_MAX ? index->first[count] : 0;
    size_t end = count <= API_SEGMENTS_MAX ? index->first[count + 1] : 0;
    for (size_t i = first; i < end; i++) {
        const struct api_entry *entry = &index->entries[i];
        bool is_better = best == NULL || entry->rank > best->rank;
        if (is_better && strcmp(entry->route->method, wanted) == 0 &&
            fits(entry, segments)) {
            best = entry;
        }
    }
    if (best != NULL) {
        *entry_out = best;
        return API_MATCH_FOUND;
    }
    for (size_t i = first; i < end; i++) {
        if (fits(&index->entries[i], segments)) {
            add_method(allow, index->entries[i].route->method);
        }
    }
    return allow->len > 0 ? API_MATCH_NO_METHOD : API_MATCH_NO_PATH;
}
