#include "account_page.h"

#include "postrider/base/codec.h"
#include "postrider/json/json.h"

enum {
    CURSOR_TEXT_MAX = 256
};

static const char cursor_prefix[] = "imap_";

/* --- cursors: "imap_" and base64url of {"page", "after" or "before": [date, number, uid]} */

json_t *account_cursor_json(const struct account_page *page)
{
    struct buf text = BUF_INIT(CURSOR_TEXT_MAX), cursor = BUF_INIT(2 * CURSOR_TEXT_MAX);
    (void)buf_printf(&text, "{\"page\":%u", page->page);
    if (page->has_place) {
        (void)buf_printf(&text, ",\"%s\":[%lld,%u,%u]", page->before ? "before" : "after",
                         (long long)page->place.date_ms, page->place.number,
                         page->place.uid);
    }
    (void)buf_put_byte(&text, '}');
    (void)buf_put_c(&cursor, cursor_prefix);
    (void)base64url_encode(&cursor, text.bytes, text.len);
    json_t *out = json_stringn(buf_c(&cursor), cursor.len);
    buf_fini(&text);
    buf_fini(&cursor);
    return out;
}

static bool number_at(const json_t *list, size_t i, uint32_t *out)
{
    const json_t *item = json_array_get(list, i);
    json_int_t n = json_integer_value(item);
    *out = (uint32_t)n;
    return json_is_integer(item) && n >= 0 && n <= UINT32_MAX;
}

static bool take_place(const json_t *json, struct account_page *page)
{
    const json_t *after = json_get_arr(json, "after"),
                 *before = json_get_arr(json, "before");
    const json_t *list = after != NULL ? after : before;
    page->has_place = list != NULL;
    page->before = after == NULL;
    if (list == NULL) {
        return true;
    }
    page->place.date_ms = json_integer_value(json_array_get(list, 0));
    return json_is_integer(json_array_get(list, 0)) &&
           number_at(list, 1, &page->place.number) &&
           number_at(list, 2, &page->place.uid);
}

bool account_cursor_parse(struct str cursor, struct account_page *out)
{
    struct buf text = BUF_INIT(CURSOR_TEXT_MAX);
    json_t *json ATTR_CLEANUP(json_cleanup) = NULL;
    struct account_page page = {.size = out->size};
    int64_t number = -1;
    if (str_has_prefix(cursor, cursor_prefix) &&
        base64url_decode(&text, str_tail(cursor, sizeof cursor_prefix - 1)) &&
        json_parse_strict(buf_str(&text), CURSOR_TEXT_MAX, &json, NULL)) {
        number = json_get_int(json, "page", -1);
    }
    buf_fini(&text);
    if (number < 0 || number > INT32_MAX || !take_place(json, &page)) {
        return false;
    }
    page.page = (uint32_t)number;
    *out = page;
    return true;
}

/* --- pages --- */

int place_cmp(const struct account_place *a, const struct account_place *b)
{
    if (a->date_ms != b->date_ms) {
        return a->date_ms > b->date_ms ? -1 : 1;
    }
    if (a->number != b->number) {
        return a->number > b->number ? -1 : 1;
    }
    return a->uid == b->uid ? 0 : a->uid > b->uid ? -1 : 1;
}

struct page_cut page_cut(const struct account_page *page, uint64_t total, uint64_t newer,
                         uint64_t same)
{
    uint64_t first = (uint64_t)page->page * page->size, end;
    if (page->has_place && page->before) {
        first = newer > page->size ? newer - page->size : 0;
        end = newer;
    } else {
        first = page->has_place ? newer + same : first;
        end = first + page->size;
    }
    end = end < total ? end : total;
    return (struct page_cut){.first = first,
                             .count = first < end ? (uint32_t)(end - first) : 0};
}

static json_t *neighbour(const struct page_shown *shown, bool exists, bool before)
{
    struct account_page page = {.before = before};
    const struct account_place *place = before ? shown->first : shown->last;
    uint32_t number = shown->page.page;
    if (!exists) {
        return json_null();
    }
    page.page = !before ? number + 1 : number > 0 ? number - 1 : 0;
    page.has_place = place != NULL;
    page.place = place != NULL ? *place : page.place;
    return account_cursor_json(&page);
}

void page_put(json_t *out, const struct page_shown *shown)
{
    uint64_t size = shown->page.size, pages = (shown->total + size - 1) / size;
    uint64_t end = shown->cut.first + shown->cut.count;
    json_put_int(out, "total", (int64_t)shown->total);
    json_put_int(out, "page", shown->page.page);
    json_put_int(out, "pages", pages > 0 ? (int64_t)pages : 1);
    json_object_set_new(
        out, "nextPageCursor",
        neighbour(shown, shown->cut.count > 0 && end < shown->reachable, false));
    json_object_set_new(out, "prevPageCursor",
                        neighbour(shown, shown->cut.first > 0, true));
}
