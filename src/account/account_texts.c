#include "account_texts.h"

#include "account_render.h"
#include "account_sections.h"

#include "postrider/json/json.h"
#include "postrider/mime/mime.h"

enum {
    FETCH_SLACK = 4,             /* encoded bytes fetched for one byte of text */
    IMAP_ROW_KEEPS = 1024 * 1024 /* of one section */
};

void account_texts_init(struct account_texts *t)
{
    t->max_bytes = t->max_bytes > 0 ? t->max_bytes : ACCOUNT_TEXT_MAX;
    buf_init(&t->plain, t->max_bytes + 16);
    buf_init(&t->html, t->max_bytes + 16);
}

static void parts_drop(struct account_texts *t)
{
    for (size_t i = 0; i < t->part_count; i++) {
        buf_fini(&t->parts[i].body);
    }
    t->part_count = 0;
}

void account_texts_fini(struct account_texts *t)
{
    parts_drop(t);
    buf_fini(&t->plain);
    buf_fini(&t->html);
}

void account_texts_clear(struct account_texts *t)
{
    parts_drop(t);
    t->has_more = false;
    buf_clear(&t->plain);
    buf_clear(&t->html);
}

/* --- parts --- */

static void add_part(struct account_texts *t, struct arena *arena,
                     const struct imap_part *part, bool html)
{
    t->parts[t->part_count++] = (struct text_part){
        .path = arena_str(arena, part->path),
        .encoding = arena_str(arena, part->encoding),
        .charset = arena_str(arena, imap_param_get(&part->params, "charset")),
        .size = part->size,
        .html = html,
        .body = BUF_INIT(account_texts_bytes(t))};
}

void account_texts_find(struct account_texts *t, struct arena *arena,
                        const struct imap_structure *structure)
{
    struct render_texts texts;
    render_texts_find(structure, &texts);
    t->parts = ARENA_ARRAY(arena, struct text_part, texts.plain_count + texts.html_count);
    for (size_t i = 0; i < texts.plain_count && t->type != ACCOUNT_TEXT_HTML; i++) {
        add_part(t, arena, texts.plain[i], false);
    }
    for (size_t i = 0; i < texts.html_count && t->type != ACCOUNT_TEXT_PLAIN; i++) {
        add_part(t, arena, texts.html[i], true);
    }
}

size_t account_texts_bytes(const struct account_texts *t)
{
    return t->max_bytes * FETCH_SLACK;
}

struct buf *account_texts_body(struct account_texts *t, struct str path)
{
    for (size_t i = 0; i < t->part_count; i++) {
        if (str_eq(t->parts[i].path, path)) {
            return &t->parts[i].body;
        }
    }
    return NULL;
}

/* --- texts --- */

static void take_text(struct account_texts *t, const struct text_part *part,
                      struct str data)
{
    struct buf *out = part->html ? &t->html : &t->plain;
    size_t room = out->len < t->max_bytes ? t->max_bytes - out->len : 0;
    bool more = false;
    struct mime_text how = {.encoding = part->encoding,
                            .charset = part->charset,
                            .max_bytes = room,
                            .input_cut = data.len < part->size};
    if (!mime_text_decode(out, data, &how, &more)) {
        more = true;
    }
    t->has_more = t->has_more || more;
}

void account_texts_take(struct account_texts *t)
{
    for (size_t i = 0; i < t->part_count; i++) {
        struct text_part *part = &t->parts[i];
        take_text(t, part, part->body.len > 0 ? buf_str(&part->body) : STR(""));
        buf_release(&part->body);
    }
}

/* What was asked for, and not just its beginning. The size in the structure is no proof: some
 * servers guess it. A row that was cut may have cut any of its values. */
static bool is_whole(const struct account_texts *t, const struct text_part *part,
                     const struct imap_row *row, size_t asked_bytes, bool guessed)
{
    const struct imap_section *section = account_section_find(row, part->path);
    size_t len = section != NULL ? section->data.len : 0;
    if (section == NULL || (guessed && len == 0 && part->size > 0) ||
        (row->partial && len < part->size)) {
        return false;
    }
    return (len < IMAP_ROW_KEEPS && len < asked_bytes) || len >= account_texts_bytes(t);
}

bool account_texts_take_row(struct account_texts *t, const struct imap_row *row,
                            size_t asked_bytes, bool guessed)
{
    for (size_t i = 0; i < t->part_count; i++) {
        if (!is_whole(t, &t->parts[i], row, asked_bytes, guessed)) {
            return false;
        }
    }
    for (size_t i = 0; i < t->part_count; i++) {
        const struct imap_section *section = account_section_find(row, t->parts[i].path);
        if (section != NULL && section->data.ptr != NULL) {
            take_text(t, &t->parts[i], section->data);
        }
    }
    return true;
}

bool account_texts_has(const struct account_texts *t, bool html)
{
    for (size_t i = 0; i < t->part_count; i++) {
        if (t->parts[i].html == html) {
            return true;
        }
    }
    return false;
}

json_t *account_texts_json(const struct account_texts *t, struct str made, bool web_safe)
{
    json_t *out = json_object();
    if (account_texts_has(t, false)) {
        json_put_str(out, "plain", buf_str(&t->plain));
    }
    if (made.ptr != NULL) {
        json_put_str(out, "html", made);
    } else if (account_texts_has(t, true)) {
        json_put_str(out, "html", buf_str(&t->html));
    }
    if (made.ptr != NULL && web_safe) {
        json_put_bool(out, "webSafe", true);
    }
    json_put_bool(out, "hasMore", t->has_more);
    return out;
}
