/* Header blocks, in two passes: count the lines, then cut them. Values are unfolded into
 * one arena block as long as the input.
 *
 *   block = ["From " line] *(name ":" value *(fold)) [empty line]
 */
#include "postrider/mime/mime.h"

struct line {
    struct str text; /* without its end */
    size_t next;     /* position after it */
};

/* A lone CR is no line end: it would let a value end the block early. */
static struct line line_at(struct str block, size_t at)
{
    struct str rest = str_tail(block, at);
    const char *lf = rest.len > 0 ? memchr(rest.ptr, '\n', rest.len) : NULL;
    size_t len = lf != NULL ? (size_t)(lf - rest.ptr) : rest.len;
    struct line line = {.text = str_from(rest.ptr, len),
                        .next = at + len + (lf != NULL ? 1 : 0)};
    while (line.text.len > 0 && line.text.ptr[line.text.len - 1] == '\r') {
        line.text.len--;
    }
    return line;
}

static bool is_fold(struct str line)
{
    return line.len > 0 && (line.ptr[0] == ' ' || line.ptr[0] == '\t');
}

/* Splits "name: value"; false if it is no header. */
static bool split_line(struct str line, struct str *name_out, struct str *value_out)
{
    size_t colon = 0;
    while (colon < line.len && colon <= MIME_HEADER_NAME_MAX && line.ptr[colon] > 0x20 &&
           line.ptr[colon] < 0x7f && line.ptr[colon] != ':') {
        colon++;
    }
    size_t name_len = colon;
    while (colon < line.len && (line.ptr[colon] == ' ' || line.ptr[colon] == '\t')) {
        colon++; /* RFC 5322 §4.5: obsolete, but seen */
    }
    if (name_len == 0 || name_len > MIME_HEADER_NAME_MAX || colon == line.len ||
        line.ptr[colon] != ':') {
        return false;
    }
    *name_out = str_from(line.ptr, name_len);
    *value_out = str_tail(line, colon + 1);
    return true;
}

/* Bytes of one line to the value; NUL goes, CR becomes a space. */
static char *copy_line(char *to, struct str from)
{
    for (size_t i = 0; i < from.len; i++) {
        if (from.ptr[i] != '\0') {
            *to++ = from.ptr[i] != '\r' ? from.ptr[i] : ' ';
        }
    }
    return to;
}

static size_t count_lines(struct str block)
{
    size_t lines = 1;
    for (size_t i = 0; i < block.len && lines < MIME_HEADERS_MAX; i++) {
        lines += block.ptr[i] == '\n' ? 1 : 0;
    }
    return lines;
}

static bool is_mbox_line(struct str line)
{
    return str_has_prefix(line, "From ") || str_has_prefix(line, ">From ");
}

/* The value of a header whose first line ends at *at, with its folds, written to *text;
 * both move on. A bad header's folds are only passed over. */
static struct str take_value(struct str block, struct str value, size_t *at, char **text,
                             bool good)
{
    char *start = *text;
    *text = good ? copy_line(*text, value) : *text;
    while (*at < block.len) {
        struct line line = line_at(block, *at);
        if (!is_fold(line.text)) {
            break;
        }
        *text = good ? copy_line(*text, line.text) : *text;
        *at = line.next;
    }
    return str_trim(str_from(start, (size_t)(*text - start)));
}

void mime_headers_parse(struct arena *arena, struct str block, struct mime_headers *out)
{
    *out = (struct mime_headers){0};
    if (block.len > MIME_HEADER_BLOCK_MAX) {
        block.len = MIME_HEADER_BLOCK_MAX;
        out->truncated = true;
    }
    struct mime_header *items =
        ARENA_ARRAY(arena, struct mime_header, count_lines(block));
    char *text = arena_alloc(arena, block.len + 1);
    size_t at = 0;
    while (at < block.len) {
        struct line line = line_at(block, at);
        struct str name = STR_NULL;
        struct str value = STR_NULL;
        bool mbox = at == 0 && is_mbox_line(line.text);
        at = line.next;
        if (line.text.len == 0) {
            break;
        }
        bool good = split_line(line.text, &name, &value);
        if (good && out->count == MIME_HEADERS_MAX) {
            out->truncated = true;
            break;
        }
        value = take_value(block, value, &at, &text, good);
        if (good) {
            items[out->count++] =
                (struct mime_header){.name = arena_str(arena, name), .value = value};
        }
        out->malformed = out->malformed || (!good && !mbox);
    }
    out->items = items;
    out->consumed = at;
}

struct str mime_headers_get(const struct mime_headers *h, const char *name)
{
    for (size_t i = 0; i < h->count; i++) {
        if (str_ieq_c(h->items[i].name, name)) {
            return h->items[i].value;
        }
    }
    return STR_NULL;
}
