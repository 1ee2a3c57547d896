#include "postrider/mime/mime.h"

#include "postrider/base/bytes.h"
#include "postrider/base/utf8.h"

static bool is_simple(struct str inner)
{
    return inner.len > 0 && bytes_is_plain(inner, STR(" <>\x7f"));
}

/* "<" inner ">" in the arena: UTF-8, without white space and controls. */
static struct str id_make(struct arena *arena, struct str inner)
{
    if (is_simple(inner)) {
        char *id = arena_alloc(arena, inner.len + 3);
        id[0] = '<';
        memcpy(id + 1, inner.ptr, inner.len);
        id[inner.len + 1] = '>';
        return str_from(id, inner.len + 2);
    }
    struct buf text = BUF_INIT(3 * (size_t)MIME_ID_MAX + 2);
    buf_put_byte(&text, '<');
    while (inner.len > 0) {
        size_t good = 0;
        while (good < inner.len && (unsigned char)inner.ptr[good] > 0x20 &&
               inner.ptr[good] != 0x7f) {
            good++;
        }
        utf8_put_repaired(&text, str_from(inner.ptr, good));
        inner = str_tail(inner, good + 1);
    }
    buf_put_byte(&text, '>');
    struct str id = text.len > 2 ? arena_str(arena, buf_str(&text)) : STR_NULL;
    buf_fini(&text);
    return id;
}

/* The next id at or after *at without its brackets; false at the end. An opening bracket
 * that is never closed ends at the next one. */
static bool id_next(struct str value, size_t *at, struct str *inner_out)
{
    while (*at < value.len && value.ptr[*at] != '<') {
        (*at)++;
    }
    if (*at == value.len) {
        return false;
    }
    size_t start = ++(*at);
    while (*at < value.len && value.ptr[*at] != '>' && value.ptr[*at] != '<') {
        (*at)++;
    }
    *inner_out = str_from(value.ptr + start, *at - start);
    return true;
}

/* More than the ids there can be. */
static size_t count_max(struct str value)
{
    size_t n = 1;
    for (size_t i = 0; i < value.len && n < MIME_IDS_MAX; i++) {
        n += value.ptr[i] == '<' ? 1 : 0;
    }
    return n;
}

void mime_ids_parse(struct arena *arena, struct str value, struct mime_ids *out)
{
    *out = (struct mime_ids){0};
    value = str_trim(value);
    struct str *items = ARENA_ARRAY(arena, struct str, count_max(value));
    struct str inner;
    size_t at = 0;
    while (id_next(value, &at, &inner)) {
        struct str id = inner.len <= MIME_ID_MAX ? id_make(arena, inner) : STR_NULL;
        if (id.ptr != NULL && out->count == MIME_IDS_MAX) {
            out->truncated = true;
            break;
        }
        if (id.ptr != NULL) {
            items[out->count++] = id;
        }
    }
    /* Some programs forget the brackets. */
    bool lone = out->count == 0 && value.len > 0 && value.len <= MIME_ID_MAX &&
                str_find_byte(value, '<') == SIZE_MAX &&
                str_find_byte(value, '@') != SIZE_MAX &&
                str_find_byte(value, ' ') == SIZE_MAX;
    if (lone) {
        items[out->count] = id_make(arena, value);
        out->count += items[out->count].ptr != NULL ? 1 : 0;
    }
    out->items = items;
}

struct str mime_ids_first(struct arena *arena, struct str value)
{
    struct mime_ids ids;
    value = str_trim(value);
    if (value.len > 2 && value.len <= MIME_ID_MAX + 2 && value.ptr[0] == '<' &&
        value.ptr[value.len - 1] == '>' &&
        is_simple(str_from(value.ptr + 1, value.len - 2))) {
        return value;
    }
    mime_ids_parse(arena, value, &ids);
    return ids.count > 0 ? ids.items[0] : STR_NULL;
}
